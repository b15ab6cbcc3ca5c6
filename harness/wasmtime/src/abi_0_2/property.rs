//! `proxy_get_property`, `proxy_set_property`.

use wasmtime::{Caller, Linker};

use super::memory::serve;
use super::{ENV, State};

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        "proxy_get_property",
        |caller: Caller<'_, State>, path: u32, path_size: u32, pointer_at: u32, size_at: u32| {
            serve(caller, |guest| {
                let path = guest.bytes(path, path_size)?;
                let value = guest.host().property(&path)?;
                guest.give(&value, pointer_at, size_at)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_set_property",
        |caller: Caller<'_, State>, path: u32, path_size: u32, value: u32, value_size: u32| {
            serve(caller, |guest| {
                let (path, value) = (
                    guest.bytes(path, path_size)?,
                    guest.bytes(value, value_size)?,
                );
                Ok(guest.host().set_property(&path, &value)?)
            })
        },
    )?;
    Ok(())
}
