//! `proxy_*_header_map_*`: headers and trailers.

use wasmtime::{Caller, Linker};

use super::memory::serve;
use super::{ENV, State};
use proxy_wasm_simulator::Headers;
use proxy_wasm_simulator::abi::MapKind;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        "proxy_get_header_map_value",
        |caller: Caller<'_, State>,
         map: u32,
         name: u32,
         name_size: u32,
         pointer_at: u32,
         size_at: u32| {
            serve(caller, |guest| {
                let map = MapKind::parse(map)?;
                let name = guest.bytes(name, name_size)?;
                let value = guest.host().header_value(map, &name)?;
                guest.give(&value, pointer_at, size_at)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_get_header_map_pairs",
        |caller: Caller<'_, State>, map: u32, pointer_at: u32, size_at: u32| {
            serve(caller, |guest| {
                let pairs = guest.host().header_pairs(MapKind::parse(map)?)?;
                guest.give(&pairs.to_wire(), pointer_at, size_at)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_get_header_map_size",
        |caller: Caller<'_, State>, map: u32, size_at: u32| {
            serve(caller, |guest| {
                let size = guest.host().header_map_size(MapKind::parse(map)?)?;
                Ok(guest.tell_u32(size_at, size)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_set_header_map_pairs",
        |caller: Caller<'_, State>, map: u32, pairs: u32, pairs_size: u32| {
            serve(caller, |guest| {
                let map = MapKind::parse(map)?;
                let pairs = Headers::from_wire(&guest.bytes(pairs, pairs_size)?)?;
                Ok(guest.host().set_header_pairs(map, pairs)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_add_header_map_value",
        |caller: Caller<'_, State>,
         map: u32,
         name: u32,
         name_size: u32,
         value: u32,
         value_size: u32| {
            serve(caller, |guest| {
                let map = MapKind::parse(map)?;
                let (name, value) = (
                    guest.bytes(name, name_size)?,
                    guest.bytes(value, value_size)?,
                );
                Ok(guest.host().add_header(map, &name, &value)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_replace_header_map_value",
        |caller: Caller<'_, State>,
         map: u32,
         name: u32,
         name_size: u32,
         value: u32,
         value_size: u32| {
            serve(caller, |guest| {
                let map = MapKind::parse(map)?;
                let (name, value) = (
                    guest.bytes(name, name_size)?,
                    guest.bytes(value, value_size)?,
                );
                Ok(guest.host().set_header(map, &name, &value)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_remove_header_map_value",
        |caller: Caller<'_, State>, map: u32, name: u32, name_size: u32| {
            serve(caller, |guest| {
                let map = MapKind::parse(map)?;
                let name = guest.bytes(name, name_size)?;
                Ok(guest.host().remove_header(map, &name)?)
            })
        },
    )?;
    Ok(())
}
