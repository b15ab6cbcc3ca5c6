//! `proxy_set_tick_period_milliseconds`, `proxy_get_current_time_nanoseconds`.

use wasmtime::{Caller, Linker};

use super::memory::serve;
use super::{ENV, State};

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        "proxy_set_tick_period_milliseconds",
        |caller: Caller<'_, State>, period_ms: u32| {
            serve(caller, |guest| {
                Ok(guest.host().set_tick_period(period_ms)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_get_current_time_nanoseconds",
        |caller: Caller<'_, State>, time_at: u32| {
            serve(caller, |guest| {
                let now = guest.host().now_ns();
                Ok(guest.tell_u64(time_at, now)?)
            })
        },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn set_tick_period_milliseconds() {
        let set = |phase| status(phase, "proxy_set_tick_period_milliseconds", &[&[0]]);
        assert_eq!(set(Phase::RequestHeaders), OK);
        assert_eq!(set(Phase::Start), INTERNAL_FAILURE);
    }

    #[test]
    fn get_current_time_nanoseconds() {
        let get = |phase, at: i64| status(phase, "proxy_get_current_time_nanoseconds", &[&[at]]);
        assert_eq!(get(Phase::Start, OUT[0]), OK);
        assert_eq!(get(Phase::RequestHeaders, OUTSIDE), INVALID_MEMORY_ACCESS);
    }
}
