//! The filters that scenarios and tools know: handed in by the programs, so that nothing here
//! depends on which there are.

mod schema;

use std::fmt;

use modelgate_kit::filter::Registration;
pub use modelgate_kit::suite::Member;
use serde_json::Value as Json;

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

/// A list of filters, each with its module, and one module for all of them.
#[derive(Clone, Copy)]
pub struct Catalogue {
    bundle: &'static str,
    filters: &'static [Member],
}

/// The suite, which the tests of this crate are about.
#[cfg(test)]
pub(crate) const SUITE: Catalogue = Catalogue::new(modelgate::BUNDLE, modelgate::FILTERS);

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.crates()).finish()
    }
}

impl Catalogue {
    /// The list that `suite!` makes, and the crate of the module that holds them all.
    pub const fn new(bundle: &'static str, filters: &'static [Member]) -> Self {
        Self { bundle, filters }
    }

    /// The crate of the module that holds every filter, each by its name as `root_id`, and chains
    /// of them.
    pub const fn bundle(&self) -> &'static str {
        self.bundle
    }

    /// The filters, in the order of the chain.
    pub const fn filters(&self) -> &'static [Member] {
        self.filters
    }

    /// The crates of the filters, in the order of the chain.
    pub fn crates(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.filters.iter().map(|member| member.krate)
    }

    /// The crates of all modules.
    pub fn modules(&self) -> Vec<&'static str> {
        self.crates().chain([self.bundle]).collect()
    }

    /// The member with this crate, filter or module name (`jwt-auth`, `jwt_auth`, `jwt_auth.wasm`).
    pub fn member(&self, name: &str) -> Option<Member> {
        let name = name.strip_suffix(".wasm").unwrap_or(name).replace('-', "_");
        self.filters
            .iter()
            .find(|member| member.filter.name == name)
            .copied()
    }

    /// The filters in the module of a crate: one, or all of them in the bundle.
    pub fn filters_in(&self, krate: &str) -> Vec<Registration> {
        let bundled = krate == self.bundle;
        self.filters
            .iter()
            .filter(|member| bundled || member.krate == krate)
            .map(|member| member.filter)
            .collect()
    }

    /// Whether Envoy must let a chain in one entry with this configuration hold back headers: one
    /// of its filters needs it.
    pub fn chain_needs_stop_iteration(&self, config: &str) -> bool {
        let config: Json = serde_json::from_str(config).unwrap_or_default();
        let filters = config.get("filters").and_then(Json::as_array);
        filters
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.get("filter")?.as_str())
            .any(|filter| self.buffers_request(filter))
    }

    /// Whether a filter holds back headers while the body arrives.
    pub fn buffers_request(&self, name: &str) -> bool {
        self.member(name)
            .is_some_and(|member| member.filter.needs.buffers_request)
    }
}
