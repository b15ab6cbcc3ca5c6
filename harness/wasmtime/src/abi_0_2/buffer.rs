//! `proxy_get_buffer_bytes`, `proxy_get_buffer_status`, `proxy_set_buffer_bytes`.

use wasmtime::{Caller, Linker};

use super::memory::serve;
use super::{ENV, State};
use proxy_wasm_simulator::abi::BufferKind;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        "proxy_get_buffer_bytes",
        |caller: Caller<'_, State>,
         kind: u32,
         start: u32,
         max: u32,
         pointer_at: u32,
         size_at: u32| {
            serve(caller, |guest| {
                let bytes = guest.host().buffer(BufferKind::parse(kind)?, start, max)?;
                // Nothing is written when there is nothing: guests preset the pointer with null.
                if bytes.is_empty() {
                    Ok(())
                } else {
                    guest.give(&bytes, pointer_at, size_at)
                }
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_get_buffer_status",
        |caller: Caller<'_, State>, kind: u32, size_at: u32, flags_at: u32| {
            serve(caller, |guest| {
                let size = guest.host().buffer_size(BufferKind::parse(kind)?)?;
                guest.tell_u32(size_at, size)?;
                Ok(guest.write_u32(flags_at, 0)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_set_buffer_bytes",
        |caller: Caller<'_, State>, kind: u32, start: u32, size: u32, data: u32, data_size: u32| {
            serve(caller, |guest| {
                let kind = BufferKind::parse(kind)?;
                let data = guest.bytes(data, data_size)?;
                Ok(guest.host().set_buffer(kind, start, size, &data)?)
            })
        },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    const REQUEST_BODY: &[i64] = &[0];
    const UNKNOWN: &[i64] = &[9];

    #[test]
    fn get_buffer_bytes() {
        let get = |phase, kind, out| status(phase, "proxy_get_buffer_bytes", &[kind, &[0, 9], out]);
        assert_eq!(get(Phase::RequestBody, REQUEST_BODY, &OUT), OK);
        assert_eq!(get(Phase::RequestBody, UNKNOWN, &OUT), BAD_ARGUMENT);
        assert_eq!(
            get(Phase::RequestBody, REQUEST_BODY, &[OUTSIDE, OUT[1]]),
            INVALID_MEMORY_ACCESS
        );
        assert_eq!(get(Phase::Start, REQUEST_BODY, &OUT), INTERNAL_FAILURE);
    }

    #[test]
    fn get_buffer_status() {
        let get = |phase, kind, out| status(phase, "proxy_get_buffer_status", &[kind, out]);
        assert_eq!(get(Phase::RequestBody, REQUEST_BODY, &OUT), OK);
        assert_eq!(get(Phase::RequestBody, UNKNOWN, &OUT), BAD_ARGUMENT);
        assert_eq!(
            get(Phase::RequestBody, REQUEST_BODY, &[OUT[0], OUTSIDE]),
            INVALID_MEMORY_ACCESS
        );
        assert_eq!(get(Phase::Start, REQUEST_BODY, &OUT), INTERNAL_FAILURE);
    }

    #[test]
    fn set_buffer_bytes() {
        let set =
            |phase, kind, data| status(phase, "proxy_set_buffer_bytes", &[kind, &[0, 9], data]);
        assert_eq!(set(Phase::RequestBody, REQUEST_BODY, &KEY), OK);
        assert_eq!(set(Phase::RequestBody, UNKNOWN, &KEY), BAD_ARGUMENT);
        assert_eq!(
            set(Phase::RequestBody, REQUEST_BODY, &[OUTSIDE, 9]),
            INVALID_MEMORY_ACCESS
        );
        assert_eq!(set(Phase::RequestHeaders, REQUEST_BODY, &KEY), BAD_ARGUMENT);
    }
}
