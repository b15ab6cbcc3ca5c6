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

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn get_property() {
        let get = |phase, path, out: &[i64]| status(phase, "proxy_get_property", &[path, out]);
        assert_eq!(get(Phase::RequestHeaders, &PROPERTY, &OUT), OK);
        assert_eq!(get(Phase::RequestHeaders, &KEY, &OUT), NOT_FOUND);
        assert_eq!(
            get(Phase::RequestHeaders, &[OUTSIDE, 9], &OUT),
            INVALID_MEMORY_ACCESS
        );
        let nowhere = [OUTSIDE + 2, OUT[1]];
        assert_eq!(
            get(Phase::RequestHeaders, &PROPERTY, &nowhere),
            INVALID_MEMORY_ACCESS
        );
        assert_eq!(get(Phase::Start, &PROPERTY, &OUT), INTERNAL_FAILURE);
    }

    #[test]
    fn set_property() {
        let set = |phase, value| status(phase, "proxy_set_property", &[&KEY, value]);
        assert_eq!(set(Phase::RequestHeaders, &KEY), OK);
        assert_eq!(
            set(Phase::RequestHeaders, &[OUTSIDE, 9]),
            INVALID_MEMORY_ACCESS
        );
        assert_eq!(set(Phase::Start, &KEY), INTERNAL_FAILURE);
    }
}
