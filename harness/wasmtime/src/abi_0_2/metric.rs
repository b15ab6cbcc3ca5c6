//! `proxy_define_metric`, `proxy_increment_metric`, `proxy_record_metric`, `proxy_get_metric`.

use wasmtime::{Caller, Linker};

use super::memory::serve;
use super::{ENV, State};
use proxy_wasm_simulator::MetricId;
use proxy_wasm_simulator::abi::MetricKind;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        "proxy_define_metric",
        |caller: Caller<'_, State>, kind: u32, name: u32, name_size: u32, number_at: u32| {
            serve(caller, |guest| {
                let kind = MetricKind::parse(kind)?;
                let name = guest.bytes(name, name_size)?;
                let number = guest.host().define_metric(kind, &name)?;
                Ok(guest.tell_u32(number_at, number.0)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_increment_metric",
        |caller: Caller<'_, State>, metric: u32, by: i64| {
            serve(caller, |guest| {
                Ok(guest.host().increment_metric(MetricId(metric), by)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_record_metric",
        |caller: Caller<'_, State>, metric: u32, value: u64| {
            serve(caller, |guest| {
                Ok(guest.host().record_metric(MetricId(metric), value)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_get_metric",
        |caller: Caller<'_, State>, metric: u32, value_at: u32| {
            serve(caller, |guest| {
                let value = guest.host().metric(MetricId(metric))?;
                Ok(guest.tell_u64(value_at, value)?)
            })
        },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    const COUNTER: i64 = 4;

    fn with_counter(phase: Phase, function: &str, arguments: &[&[i64]]) -> u32 {
        let define: &[&[i64]] = &[&[0], &KEY, &[OUT[0]]];
        let calls = [("proxy_define_metric", define), (function, arguments)];
        let [defined, status] = statuses(phase, &calls)[..] else {
            panic!("two calls");
        };
        assert_eq!(defined, OK);
        status
    }

    #[test]
    fn define_metric() {
        let define = |kind: i64, name, at: i64| {
            status(
                Phase::RequestHeaders,
                "proxy_define_metric",
                &[&[kind], name, &[at]],
            )
        };
        assert_eq!(define(2, &KEY, OUT[0]), OK);
        assert_eq!(define(3, &KEY, OUT[0]), BAD_ARGUMENT);
        assert_eq!(define(0, &[OUTSIDE, 9], OUT[0]), INVALID_MEMORY_ACCESS);
        assert_eq!(define(0, &KEY, OUTSIDE + 2), INVALID_MEMORY_ACCESS);
    }

    #[test]
    fn increment_and_record_metric() {
        for function in ["proxy_increment_metric", "proxy_record_metric"] {
            for phase in [Phase::Start, Phase::Log] {
                assert_eq!(
                    with_counter(phase, function, &[&[COUNTER, 1]]),
                    OK,
                    "{function}"
                );
                let unknown = with_counter(phase, function, &[&[COUNTER + 400, 1]]);
                assert_eq!(unknown, NOT_FOUND, "{function}");
            }
        }
        let down = with_counter(Phase::Log, "proxy_increment_metric", &[&[COUNTER, -1]]);
        assert_eq!(down, BAD_ARGUMENT);
    }

    #[test]
    fn get_metric() {
        let get = |metric, at| with_counter(Phase::Log, "proxy_get_metric", &[&[metric, at]]);
        assert_eq!(get(COUNTER, OUT[0]), OK);
        assert_eq!(get(COUNTER + 400, OUT[0]), NOT_FOUND);
        assert_eq!(get(COUNTER, OUTSIDE), INVALID_MEMORY_ACCESS);
    }
}
