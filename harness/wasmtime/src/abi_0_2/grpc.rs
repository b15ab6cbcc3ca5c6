//! `proxy_grpc_*`: linked, so that modules load, and refused as Envoy refuses a service that it
//! does not know.
//!
//! This host has no gRPC upstreams: opening a call or a stream is `ParseFailure` (Envoy's answer to
//! an unknown service), and no call is ever open.

use wasmtime::{Caller, Linker};

use super::memory::refused;
use super::{ENV, State};
use proxy_wasm_simulator::abi::Status;

const NO_SUCH_SERVICE: Status = Status::ParseFailure;
const NO_SUCH_CALL: Status = Status::NotFound;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type C<'a> = Caller<'a, State>;
    linker.func_wrap(
        ENV,
        "proxy_grpc_call",
        |caller: C<'_>,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32| refused(&caller, "proxy_grpc_call", NO_SUCH_SERVICE),
    )?;
    linker.func_wrap(
        ENV,
        "proxy_grpc_stream",
        |caller: C<'_>, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32| {
            refused(&caller, "proxy_grpc_stream", NO_SUCH_SERVICE)
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_grpc_send",
        |caller: C<'_>, _: u32, _: u32, _: u32, _: u32| {
            refused(&caller, "proxy_grpc_send", NO_SUCH_CALL)
        },
    )?;
    for name in ["proxy_grpc_cancel", "proxy_grpc_close"] {
        linker.func_wrap(ENV, name, move |caller: C<'_>, _: u32| {
            refused(&caller, name, NO_SUCH_CALL)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    use super::{NO_SUCH_CALL, NO_SUCH_SERVICE};

    #[test]
    fn no_service_is_known_and_no_call_is_open() {
        for phase in [Phase::Start, Phase::RequestHeaders] {
            for (function, count, expected) in [
                ("proxy_grpc_call", 12, NO_SUCH_SERVICE),
                ("proxy_grpc_stream", 9, NO_SUCH_SERVICE),
                ("proxy_grpc_send", 4, NO_SUCH_CALL),
                ("proxy_grpc_cancel", 1, NO_SUCH_CALL),
                ("proxy_grpc_close", 1, NO_SUCH_CALL),
            ] {
                let arguments = vec![OUTSIDE; count];
                assert_eq!(
                    status(phase, function, &[&arguments]),
                    expected.raw(),
                    "{function}"
                );
            }
        }
    }
}
