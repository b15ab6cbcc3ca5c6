//! The gateway file: one file that says what is meant, and writers that say it to each host.
//!
//! [`read`] makes of a file (`file.rs`) what it means (`meaning.rs`), in the filters' own words;
//! what these say of their settings, `modelgate check` tells. Each writer makes a host's own files
//! of that, as values, never as text.

mod envoy;
mod file;
mod host;
mod meaning;
mod protocol;
mod schema;
mod servers;
mod settings;
mod upstream;

use located_yaml::{Node, write};
use serde_json::Value as Json;

pub use host::Host;
pub use meaning::{Filter, Meaning, read};

/// A filter's entry in a chain of Envoy's.
pub fn entry(filter: &Filter) -> Json {
    envoy::entry(filter, &envoy::file(filter))
}

/// Whether a document is a gateway file.
pub fn is_gateway(document: &Node) -> bool {
    let kind = |backend: &Node| backend.member("kind").is_some();
    document.member("backend").is_some_and(kind) && document.member("apiVersion").is_none()
}

/// The JSON Schema of a gateway file, for editors.
pub fn schema() -> Json {
    schema::of::<file::Gateway>()
}

/// The host's files, as one text: documents of YAML.
pub fn render(meaning: &Meaning, host: Host) -> String {
    write::documents(&documents(meaning, host))
}

/// The host's files as values.
pub fn documents(meaning: &Meaning, host: Host) -> Vec<Json> {
    match host {
        Host::Envoy => vec![envoy::bootstrap(meaning)],
    }
}

#[cfg(test)]
mod tests;
