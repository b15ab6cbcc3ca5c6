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
