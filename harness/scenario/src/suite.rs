//! The filters of the suite, as the tools know them.

pub mod schema;

pub use modelgate::FILTERS;
use modelgate_kit::filter::Registration;
pub use modelgate_kit::suite::Member;
use modelgate_kit::vm::CHAIN;
use serde_json::Value as Json;

use crate::file::ChainEntry;

/// The crate of the module that holds every filter, each by its name as `root_id`, and chains of
/// them.
pub const BUNDLE: &str = "modelgate";

/// The crates of the filters, in the order of the chain.
pub fn crates() -> impl Iterator<Item = &'static str> {
    FILTERS.iter().map(|member| member.krate)
}

/// The crates of all modules that the suite ships.
pub fn modules() -> Vec<&'static str> {
    crates().chain([BUNDLE]).collect()
}

/// The crate of the guests that hosts are tested with (`harness/guests`); one module holds them
/// all.
pub const GUESTS: &str = "guests";

/// `jwt_auth` for `jwt-auth`: module names are restricted to letters, digits and underscores on
/// some hosts.
pub fn module_name(name: &str) -> String {
    name.replace('-', "_")
}

/// What the module of the crate `name` is called: `jwt_auth.wasm` for `jwt-auth`.
pub fn file_name(name: &str) -> String {
    format!("{}.wasm", module_name(name))
}

/// The member with this crate, filter or module name (`jwt-auth`, `jwt_auth`, `jwt_auth.wasm`).
pub fn member(name: &str) -> Option<Member> {
    let name = name.strip_suffix(".wasm").unwrap_or(name).replace('-', "_");
    FILTERS
        .iter()
        .find(|member| member.filter.name == name)
        .copied()
}

/// The filters in the module of a crate: one, or all of them in the bundle.
pub fn filters_in(krate: &str) -> Vec<Registration> {
    let bundled = krate == BUNDLE;
    FILTERS
        .iter()
        .filter(|member| bundled || member.krate == krate)
        .map(|member| member.filter)
        .collect()
}

/// Whether Envoy must let a filter hold back headers while the body arrives
/// (`allow_on_headers_stop_iteration`): for a chain, if one of its filters needs it. Where the code
/// is not the suite's own it stays off, as in Envoy.
pub fn needs_stop_iteration(entry: &ChainEntry) -> bool {
    match entry.suite() {
        Some(BUNDLE) if entry.root_id == CHAIN => chain_needs_stop_iteration(&entry.config.text()),
        Some(BUNDLE) => buffers_request(&entry.root_id),
        Some(name) => buffers_request(name),
        None => false,
    }
}

/// The same of a chain in one entry with this configuration.
pub fn chain_needs_stop_iteration(config: &str) -> bool {
    let config: Json = serde_json::from_str(config).unwrap_or_default();
    let filters = config.get("filters").and_then(Json::as_array);
    filters
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.get("filter")?.as_str())
        .any(buffers_request)
}

fn buffers_request(name: &str) -> bool {
    member(name).is_some_and(|member| member.filter.needs.buffers_request)
}
