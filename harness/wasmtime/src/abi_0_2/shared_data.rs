//! `proxy_get_shared_data`, `proxy_set_shared_data`.

use wasmtime::{Caller, Linker};

use super::memory::serve;
use super::{ENV, State};

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        "proxy_get_shared_data",
        |caller: Caller<'_, State>,
         key: u32,
         key_size: u32,
         pointer_at: u32,
         size_at: u32,
         cas_at: u32| {
            serve(caller, |guest| {
                let key = guest.bytes(key, key_size)?;
                let (value, cas) = guest.host().shared_data(&key)?;
                guest.give(&value, pointer_at, size_at)?;
                Ok(guest.tell_u32(cas_at, cas)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_set_shared_data",
        |caller: Caller<'_, State>,
         key: u32,
         key_size: u32,
         value: u32,
         value_size: u32,
         cas: u32| {
            serve(caller, |guest| {
                let (key, value) = (guest.bytes(key, key_size)?, guest.bytes(value, value_size)?);
                Ok(guest.host().set_shared_data(&key, &value, cas)?)
            })
        },
    )?;
    Ok(())
}
