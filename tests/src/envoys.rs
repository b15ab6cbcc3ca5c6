//! A real Envoy for tests, or a visible skip.

use modelgate_cli::skip::require_or_skip;
use modelgate_envoy::release::Envoy;

/// An Envoy of a release (or whichever is there), with a Wasm runtime; nothing if there is none and
/// need not be one.
///
/// # Panics
/// Under `CI=true` when there is none.
pub fn envoy(version: Option<&str>) -> Option<Envoy> {
    let found = Envoy::find(version, &|message| println!("{message}"))
        .and_then(|envoy| envoy.require_wasm().map(|()| envoy));
    require_or_skip("an Envoy", found)
}
