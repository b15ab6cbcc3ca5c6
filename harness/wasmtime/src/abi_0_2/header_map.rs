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

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    const REQUEST: &[i64] = &[0];
    const RESPONSE: &[i64] = &[2];
    const UNKNOWN: &[i64] = &[8];

    /// Tries a call on a map: in its phase, with a map that the ABI does not know, outside of any
    /// callback, and with a pointer out of the memory.
    fn tried(function: &str, arguments: &[&[i64]], outside: &[&[i64]]) {
        let on = |phase, map, rest: &[&[i64]]| status(phase, function, &[&[map], rest].concat());
        assert_eq!(
            on(Phase::RequestHeaders, REQUEST, arguments),
            OK,
            "{function}"
        );
        assert_eq!(
            on(Phase::RequestHeaders, UNKNOWN, arguments),
            BAD_ARGUMENT,
            "{function}"
        );
        assert_eq!(
            on(Phase::Start, REQUEST, arguments),
            INTERNAL_FAILURE,
            "{function}"
        );
        assert_eq!(
            on(Phase::RequestHeaders, REQUEST, outside),
            INVALID_MEMORY_ACCESS,
            "{function}"
        );
    }

    #[test]
    fn each_call_reads_its_arguments() {
        tried(
            "proxy_get_header_map_value",
            &[&PATH, &OUT],
            &[&PATH, &[OUT[0], OUTSIDE + 2]],
        );
        tried(
            "proxy_get_header_map_pairs",
            &[&OUT],
            &[&[OUTSIDE + 2, OUT[1]]],
        );
        tried("proxy_get_header_map_size", &[&[OUT[0]]], &[&[OUTSIDE + 2]]);
        tried("proxy_set_header_map_pairs", &[&PAIRS], &[&[OUTSIDE, 9]]);
        tried(
            "proxy_add_header_map_value",
            &[&KEY, &KEY],
            &[&KEY, &[OUTSIDE, 9]],
        );
        tried(
            "proxy_replace_header_map_value",
            &[&KEY, &KEY],
            &[&[OUTSIDE, 9], &KEY],
        );
        tried("proxy_remove_header_map_value", &[&KEY], &[&[OUTSIDE, 9]]);
    }

    #[test]
    fn a_map_is_out_of_reach_in_another_phase() {
        let get =
            |phase, map, name| status(phase, "proxy_get_header_map_value", &[map, name, &OUT]);
        assert_eq!(get(Phase::RequestHeaders, RESPONSE, &PATH), BAD_ARGUMENT);
        assert_eq!(get(Phase::Log, REQUEST, &PATH), OK);
        assert_eq!(get(Phase::Log, REQUEST, &KEY), NOT_FOUND);
    }

    #[test]
    fn pairs_whose_sizes_are_not_true_are_refused() {
        let torn = [PAIRS[0], PAIRS[1] - 1];
        let set = status(
            Phase::RequestHeaders,
            "proxy_set_header_map_pairs",
            &[REQUEST, &torn],
        );
        assert_ne!(set, OK);
    }
}
