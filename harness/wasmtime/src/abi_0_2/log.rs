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
