//! `proxy_log`, `proxy_get_log_level`.

use wasmtime::{Caller, Linker};

use super::memory::serve;
use super::{ENV, State};
use proxy_wasm_simulator::abi::LogLevel;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        "proxy_log",
        |caller: Caller<'_, State>, level: u32, text: u32, size: u32| {
            serve(caller, |guest| {
                let level = LogLevel::parse(level)?;
                let text = guest.bytes(text, size)?;
                Ok(guest.host().log(level, &text)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_get_log_level",
        |caller: Caller<'_, State>, level_at: u32| {
            serve(caller, |guest| {
                let level = guest.host().log_level()?;
                Ok(guest.write_u32(level_at, level as u32)?)
            })
        },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn log() {
        let write =
            |level: i64, text| status(Phase::RequestHeaders, "proxy_log", &[&[level], text]);
        // What is written comes before the digit of the status.
        assert_eq!(write(6, &KEY), BAD_ARGUMENT);
        assert_eq!(write(2, &[OUTSIDE, 9]), INVALID_MEMORY_ACCESS);
        assert_eq!(write(2, &NOTHING), OK);
    }

    #[test]
    fn get_log_level() {
        let get = |phase, at: i64| status(phase, "proxy_get_log_level", &[&[at]]);
        assert_eq!(get(Phase::Start, OUT[0]), OK);
        assert_eq!(
            get(Phase::RequestHeaders, OUTSIDE + 2),
            INVALID_MEMORY_ACCESS
        );
    }
}
