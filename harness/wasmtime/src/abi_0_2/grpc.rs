//! `proxy_grpc_*`: linked, so that modules load, and refused as Envoy refuses a service that it
//! does not know.
//!
//! This host has no gRPC upstreams: opening a call or a stream is `ParseFailure` (Envoy's answer to
//! an unknown service), and no call is ever open.

use wasmtime::{Caller, Linker};

use super::{ENV, State};
use proxy_wasm_simulator::abi::Status;

const NO_SUCH_SERVICE: u32 = Status::ParseFailure.raw();
const NO_SUCH_CALL: u32 = Status::NotFound.raw();

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type C<'a> = Caller<'a, State>;
    linker.func_wrap(
        ENV,
        "proxy_grpc_call",
        |_: C<'_>,
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
         _: u32| NO_SUCH_SERVICE,
    )?;
    linker.func_wrap(
        ENV,
        "proxy_grpc_stream",
        |_: C<'_>, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32| {
            NO_SUCH_SERVICE
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_grpc_send",
        |_: C<'_>, _: u32, _: u32, _: u32, _: u32| NO_SUCH_CALL,
    )?;
    linker.func_wrap(ENV, "proxy_grpc_cancel", |_: C<'_>, _: u32| NO_SUCH_CALL)?;
    linker.func_wrap(ENV, "proxy_grpc_close", |_: C<'_>, _: u32| NO_SUCH_CALL)?;
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
                    expected,
                    "{function}"
                );
            }
        }
    }
}
