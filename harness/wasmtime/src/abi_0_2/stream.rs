//! Going on with streams and closing them, in today's words and in those of older guests; the
//! effective context; `proxy_done`.

use wasmtime::{Caller, Linker};

use super::memory::serve;
use super::{ENV, State};
use proxy_wasm_simulator::ContextId;
use proxy_wasm_simulator::abi::{Status, StreamKind};

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        "proxy_continue_stream",
        |caller: Caller<'_, State>, kind: u32| {
            serve(caller, |guest| {
                Ok(guest.continue_stream(StreamKind::parse(kind)?)?)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_close_stream",
        |caller: Caller<'_, State>, kind: u32| {
            serve(caller, |guest| {
                Ok(guest.host().close_stream(StreamKind::parse(kind)?)?)
            })
        },
    )?;
    for (name, kind) in [
        ("proxy_continue_request", StreamKind::Request),
        ("proxy_continue_response", StreamKind::Response),
    ] {
        linker.func_wrap(ENV, name, move |caller: Caller<'_, State>| {
            serve(caller, |guest| Ok(guest.continue_stream(kind)?))
        })?;
    }
    linker.func_wrap(
        ENV,
        "proxy_clear_route_cache",
        |caller: Caller<'_, State>| {
            serve(caller, |guest| {
                guest
                    .host()
                    .call_foreign_function(b"clear_route_cache", b"")?;
                Ok(())
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        "proxy_set_effective_context",
        |caller: Caller<'_, State>, context: u32| {
            serve(caller, |guest| {
                Ok(guest.host().set_effective_context(ContextId(context))?)
            })
        },
    )?;
    // Contexts are never kept alive by their guest, so none waits to be done.
    linker.func_wrap(ENV, "proxy_done", |_: Caller<'_, State>| {
        Status::NotFound.raw()
    })?;
    Ok(())
}
