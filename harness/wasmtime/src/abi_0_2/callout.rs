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

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    fn call(phase: Phase, cluster: &[i64], headers: &[i64], token_at: &[i64]) -> u32 {
        let arguments = [cluster, headers, &NOTHING, &NOTHING, &[0], token_at];
        status(phase, "proxy_http_call", &arguments)
    }

    #[test]
    fn http_call() {
        let at = [OUT[0]];
        // Trailers without any are written as a count of 0, or not at all.
        assert_eq!(call(Phase::RequestHeaders, &CLUSTER, &PAIRS, &at), OK);
        assert_eq!(call(Phase::RequestHeaders, &KEY, &PAIRS, &at), BAD_ARGUMENT);
        assert_eq!(
            call(Phase::RequestHeaders, &[OUTSIDE, 9], &PAIRS, &at),
            INVALID_MEMORY_ACCESS
        );
        assert_eq!(call(Phase::Start, &CLUSTER, &PAIRS, &at), INTERNAL_FAILURE);
    }

    #[test]
    fn a_call_whose_token_cannot_be_written_is_not_made() {
        let calls: [(&str, &[&[i64]]); 2] = [
            (
                "proxy_http_call",
                &[&CLUSTER, &PAIRS, &NOTHING, &NOTHING, &[0], &[OUTSIDE]],
            ),
            (
                "proxy_http_call",
                &[&CLUSTER, &PAIRS, &NOTHING, &NOTHING, &[0], &[OUT[0]]],
            ),
        ];
        assert_eq!(
            statuses(Phase::RequestHeaders, &calls),
            [INVALID_MEMORY_ACCESS, OK]
        );
    }

    #[test]
    fn get_status() {
        let get = |phase, at: &[i64]| status(phase, "proxy_get_status", &[at, &OUT]);
        assert_eq!(get(Phase::RequestHeaders, &[1040]), OK);
        assert_eq!(
            get(Phase::RequestHeaders, &[OUTSIDE + 2]),
            INVALID_MEMORY_ACCESS
        );
        assert_eq!(get(Phase::Start, &[1040]), INTERNAL_FAILURE);
    }
}
