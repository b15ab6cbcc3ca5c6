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
