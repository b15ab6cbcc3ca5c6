//! What the tools know about the filters of the suite.

use crate::scenario::Wasm;

/// Whether Envoy must let a filter hold back headers while the body arrives (`allow_on_headers_stop_iteration`). Where the code is
/// not the suite's own it stays off, as in Envoy.
pub fn needs_stop_iteration(wasm: &Wasm) -> bool {
    match wasm {
        Wasm::Suite(_) => true,
        Wasm::File(_) => false,
    }
}
