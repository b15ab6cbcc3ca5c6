//! Envoy's own filters to filters of the suite, in place. All else of the file stays as it is.
//!
//! A filter is taken over where the suite can do at least what it does, and otherwise it stays
//! where it is. What keeps one of them where it is may keep others, such as a filter that reads
//! what another leaves behind. So the chain is tried again until nothing changes.

mod beside;
mod chain;
mod credentials;
mod jwt;
mod jwt_rules;
mod keys;
mod limit;
mod paths;
mod principals;
mod provider;
mod rbac;
mod routes;
mod sign;
mod translation;

use located_yaml::Value;
use serde_json::Value as Json;

use super::Options;
use super::ledger::At;
use beside::Beside;

/// The type of the HTTP connection manager.
const MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// What is known of the file.
struct File<'a> {
    /// What is said besides it.
    options: &'a Options,
    /// It has `static_resources`, which clusters and listeners can be added to.
    is_bootstrap: bool,
}

/// The whole file, with every chain in it rewritten.
pub fn import(root: &At<'_>, options: &Options) -> Json {
    let mut json = root.node.to_json();
    root.kept("file", "everything that no other line names stays as it is");
    let mut found = Found::default();
    let is_bootstrap = root.get("static_resources").is_some();
    let file = File {
        options,
        is_bootstrap,
    };
    rewrite(root, &mut json, &file, &mut found);
    found.beside.write(&mut json);
    if found.chains == 0 {
        root.missing(
            "http_filters",
            "no HTTP connection manager with filters is in this file: there is nothing to take over",
            false,
        );
    }
    json
}

/// What was found in the file.
#[derive(Default)]
struct Found {
    /// How many chains.
    chains: usize,
    /// What their new filters need besides.
    beside: Beside,
}

/// Finds the connection managers below a value.
fn rewrite(at: &At<'_>, json: &mut Json, file: &File<'_>, found: &mut Found) {
    if is_of(at, MANAGER) && at.get("http_filters").is_some() {
        found.chains = found.chains.saturating_add(1);
        chain::rewrite(at, json, file, &mut found.beside);
        return;
    }
    match (&at.node.value, json) {
        (Value::Map(members), Json::Object(values)) => {
            for (child, (key, _)) in at.children().iter().zip(members) {
                if let Some(value) = values.get_mut(&key.text) {
                    rewrite(child, value, file, found);
                }
            }
        }
        (Value::List(_), Json::Array(values)) => {
            for (child, value) in at.children().iter().zip(values) {
                rewrite(child, value, file, found);
            }
        }
        _ => {}
    }
}

/// Whether a message is of a type.
fn is_of(at: &At<'_>, kind: &str) -> bool {
    let written = at.node.member("@type").and_then(|node| node.text());
    let is_it = written.and_then(|url| url.rsplit('/').next()) == Some(kind);
    if is_it {
        at.get("@type").inspect(At::swallow);
    }
    is_it
}
