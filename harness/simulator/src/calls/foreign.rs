//! Foreign functions: what Envoy offers by name beyond the ABI. Here `clear_route_cache` and
//! `verify_signature`; others are not found.

use super::HostHandle;
use crate::abi::{Answered, Status};
use crate::rules::signature;

impl HostHandle {
    /// Calls a function of the host by name.
    ///
    /// # Errors
    /// `NotFound` for a function that this host does not have; otherwise as the function says.
    pub fn foreign(&self, name: &[u8], argument: &[u8]) -> Answered<Vec<u8>> {
        self.focused("call_foreign_function", |_, _| match name {
            // Routes are looked up when they are needed; nothing is kept that could be stale.
            b"clear_route_cache" => Ok(Vec::new()),
            b"verify_signature" => signature::answer(argument),
            _ => Err(Status::NotFound),
        })
    }
}
