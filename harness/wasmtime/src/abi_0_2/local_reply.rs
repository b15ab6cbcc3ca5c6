//! `proxy_send_local_response`.

use wasmtime::{Caller, Linker};

use super::memory::serve;
use super::{ENV, State};
use proxy_wasm_simulator::Headers;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        "proxy_send_local_response",
        |caller: Caller<'_, State>,
         status: u32,
         details: u32,
         details_size: u32,
         body: u32,
         body_size: u32,
         headers: u32,
         headers_size: u32,
         grpc_status: u32| {
            serve(caller, |guest| {
                let details = guest.bytes(details, details_size)?;
                let body = guest.bytes(body, body_size)?;
                let headers = Headers::from_wire(&guest.bytes(headers, headers_size)?)?;
                Ok(guest.host().send_local_response(
                    status,
                    &details,
                    &body,
                    headers,
                    grpc_status,
                )?)
            })
        },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn send_local_response() {
        let send = |phase, code: i64, headers: &[i64]| {
            let arguments = [&[code][..], &KEY, &KEY, headers, &[-1]];
            status(phase, "proxy_send_local_response", &arguments)
        };
        assert_eq!(send(Phase::RequestHeaders, 403, &PAIRS), OK);
        assert_eq!(send(Phase::RequestHeaders, 70_000, &PAIRS), BAD_ARGUMENT);
        assert_eq!(
            send(Phase::RequestHeaders, 403, &[OUTSIDE, 9]),
            INVALID_MEMORY_ACCESS
        );
        assert_eq!(send(Phase::Start, 403, &PAIRS), INTERNAL_FAILURE);
    }
}
