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

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    const CAS_MISMATCH: u32 = 8;

    fn in_order(set: &[&[i64]], then: (&str, &[&[i64]])) -> u32 {
        let calls = [("proxy_set_shared_data", set), then];
        let [stored, status] = statuses(Phase::Log, &calls)[..] else {
            panic!("two calls");
        };
        assert_eq!(stored, OK);
        status
    }

    #[test]
    fn get_shared_data() {
        let set: &[&[i64]] = &[&KEY, &PATH, &[0]];
        let get = |key: &[i64], out: &[i64]| {
            in_order(set, ("proxy_get_shared_data", &[key, out, &[1040]]))
        };
        assert_eq!(get(&KEY, &OUT), OK);
        assert_eq!(get(&PATH, &OUT), NOT_FOUND);
        assert_eq!(get(&[OUTSIDE, 9], &OUT), INVALID_MEMORY_ACCESS);
        assert_eq!(get(&KEY, &[OUT[0], OUTSIDE + 2]), INVALID_MEMORY_ACCESS);
    }

    #[test]
    fn set_shared_data() {
        let set: &[&[i64]] = &[&KEY, &PATH, &[0]];
        let again = |cas| in_order(set, ("proxy_set_shared_data", &[&KEY, &PATH, cas]));
        assert_eq!(again(&[1]), OK);
        assert_eq!(again(&[77]), CAS_MISMATCH);
        for phase in [Phase::Start, Phase::RequestHeaders] {
            let outside = status(phase, "proxy_set_shared_data", &[&KEY, &[OUTSIDE, 9], &[0]]);
            assert_eq!(outside, INVALID_MEMORY_ACCESS, "{phase:?}");
        }
    }
}
