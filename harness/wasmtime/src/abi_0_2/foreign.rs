//! `proxy_call_foreign_function`.

use wasmtime::{Caller, Linker};

use super::memory::serve;
use super::{ENV, State};

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        "proxy_call_foreign_function",
        |caller: Caller<'_, State>,
         name: u32,
         name_size: u32,
         argument: u32,
         argument_size: u32,
         pointer_at: u32,
         size_at: u32| {
            serve(caller, |guest| {
                let name = guest.bytes(name, name_size)?;
                let argument = guest.bytes(argument, argument_size)?;
                let result = guest.host().call_foreign_function(&name, &argument)?;
                // A guest that does not want the result passes null.
                if pointer_at == 0 {
                    Ok(())
                } else {
                    guest.give(&result, pointer_at, size_at)
                }
            })
        },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn call_foreign_function() {
        let call = |phase, name| {
            status(
                phase,
                "proxy_call_foreign_function",
                &[name, &NOTHING, &OUT],
            )
        };
        assert_eq!(call(Phase::RequestHeaders, &FUNCTION), OK);
        assert_eq!(call(Phase::RequestHeaders, &KEY), NOT_FOUND);
        assert_eq!(
            call(Phase::RequestHeaders, &[OUTSIDE, 9]),
            INVALID_MEMORY_ACCESS
        );
        assert_eq!(call(Phase::Start, &FUNCTION), INTERNAL_FAILURE);
    }

    #[test]
    fn a_result_that_is_not_wanted_is_not_written() {
        let call = |out| {
            let arguments = [&FUNCTION[..], &NOTHING, out];
            status(
                Phase::RequestHeaders,
                "proxy_call_foreign_function",
                &arguments,
            )
        };
        assert_eq!(call(&[0, OUTSIDE]), OK);
        assert_eq!(call(&[OUT[0], OUTSIDE + 2]), INVALID_MEMORY_ACCESS);
    }
}
