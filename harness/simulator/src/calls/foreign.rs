//! Foreign functions: what Envoy offers by name beyond the ABI. Here `clear_route_cache` and
//! `verify_signature`; others are not found.

use super::HostHandle;
use crate::abi::{HostResult, Status};
use crate::rules::signature;

impl HostHandle {
    /// Calls a function of the host by name.
    ///
    /// # Errors
    /// `NotFound` for a function that this host does not have; otherwise as the function says.
    pub fn call_foreign_function(&self, name: &[u8], argument: &[u8]) -> HostResult<Vec<u8>> {
        self.call_in_context("call_foreign_function", |core, _| match name {
            _ if core.profile.trapping_calls.foreign_functions => {
                core.trap("this host has no such function")
            }
            // Routes are looked up when they are needed; nothing is kept that could be stale.
            b"clear_route_cache" => Ok(Vec::new()),
            b"verify_signature" => signature::answer(argument),
            _ => Err(Status::NotFound),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Phase, during};
    use super::*;

    fn call(phase: Phase, name: &'static str, argument: &'static [u8]) -> HostResult<Vec<u8>> {
        during(phase, move |host| {
            host.call_foreign_function(name.as_bytes(), argument)
        })
    }

    #[test]
    fn call_foreign_function_serves_what_it_has_in_any_callback() {
        for phase in [Phase::Configure, Phase::RequestHeaders, Phase::Log] {
            assert_eq!(
                call(phase, "clear_route_cache", b""),
                Ok(Vec::new()),
                "{phase:?}"
            );
        }
    }

    #[test]
    fn call_foreign_function_refuses_unknown_names_and_torn_arguments() {
        assert_eq!(call(Phase::Tick, "compress", b""), Err(Status::NotFound));
        assert_eq!(
            call(Phase::Tick, "verify_signature", b"\x0a\xff"),
            Err(Status::BadArgument)
        );
    }

    #[test]
    fn call_foreign_function_needs_a_callback() {
        assert_eq!(
            call(Phase::Start, "clear_route_cache", b""),
            Err(Status::InternalFailure)
        );
    }
}
