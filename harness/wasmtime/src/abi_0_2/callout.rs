//! `proxy_http_call`, and `proxy_get_status` of the last answer.

use wasmtime::{Caller, Linker};

use super::memory::serve;
use super::{ENV, State};
use proxy_wasm_simulator::Headers;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        "proxy_http_call",
        |caller: Caller<'_, State>,
         cluster: u32,
         cluster_size: u32,
         headers: u32,
         headers_size: u32,
         body: u32,
         body_size: u32,
         trailers: u32,
         trailers_size: u32,
         timeout_ms: u32,
         token_at: u32| {
            serve(caller, |guest| {
                let cluster = guest.bytes(cluster, cluster_size)?;
                let headers = Headers::from_wire(&guest.bytes(headers, headers_size)?)?;
                let body = guest.bytes(body, body_size)?;
                let trailers = Headers::from_wire(&guest.bytes(trailers, trailers_size)?)?;
                // Written before the call starts: a call whose number cannot be told must not be
                // made.
                guest.write_u32(token_at, 0)?;
                let token = guest
                    .host()
                    .http_call(&cluster, headers, &body, trailers, timeout_ms)?;
                Ok(guest.tell_u32(token_at, token.0)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_get_status",
        |caller: Caller<'_, State>, code_at: u32, pointer_at: u32, size_at: u32| {
            serve(caller, |guest| {
                let (code, message) = guest.host().callout_status()?;
                guest.write_u32(code_at, code)?;
                guest.give(message.as_bytes(), pointer_at, size_at)
            })
        },
    )?;
    Ok(())
}
