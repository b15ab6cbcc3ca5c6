//! Going on with streams and closing them, in today's words and in those of older guests; the
//! effective context; `proxy_done`.

use wasmtime::{Caller, Linker};

use super::memory::{refused, serve};
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
    linker.func_wrap(ENV, "proxy_done", |caller: Caller<'_, State>| {
        refused(&caller, "proxy_done", Status::NotFound)
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    const UNIMPLEMENTED: u32 = 12;

    #[test]
    fn continue_stream() {
        let resume = |phase, kind: i64| status(phase, "proxy_continue_stream", &[&[kind]]);
        assert_eq!(resume(Phase::RequestHeaders, 0), OK);
        assert_eq!(resume(Phase::RequestHeaders, 3), UNIMPLEMENTED);
        assert_eq!(resume(Phase::RequestHeaders, 4), BAD_ARGUMENT);
        assert_eq!(resume(Phase::Start, 0), INTERNAL_FAILURE);
    }

    #[test]
    fn close_stream() {
        let close = |phase, kind: i64| status(phase, "proxy_close_stream", &[&[kind]]);
        assert_eq!(close(Phase::Log, 1), OK);
        assert_eq!(close(Phase::RequestHeaders, 4), BAD_ARGUMENT);
        assert_eq!(close(Phase::Start, 1), INTERNAL_FAILURE);
    }

    #[test]
    fn names_of_older_guests() {
        for function in [
            "proxy_continue_request",
            "proxy_continue_response",
            "proxy_clear_route_cache",
        ] {
            assert_eq!(
                status(Phase::RequestHeaders, function, &[]),
                OK,
                "{function}"
            );
            assert_eq!(
                status(Phase::Start, function, &[]),
                INTERNAL_FAILURE,
                "{function}"
            );
        }
    }

    #[test]
    fn set_effective_context() {
        let set = |phase, context: i64| status(phase, "proxy_set_effective_context", &[&[context]]);
        assert_eq!(set(Phase::RequestHeaders, 1), OK);
        assert_eq!(set(Phase::RequestHeaders, 99), BAD_ARGUMENT);
        assert_eq!(set(Phase::Start, 1), INTERNAL_FAILURE);
    }

    #[test]
    fn done_of_a_context_that_does_not_wait_is_not_found() {
        assert_eq!(status(Phase::Log, "proxy_done", &[]), NOT_FOUND);
    }
}
