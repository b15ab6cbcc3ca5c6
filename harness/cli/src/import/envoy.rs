//! Envoy's own filters to filters of the suite, in place. All else of the file stays as it is.
//!
//! A filter is taken over where the suite can do at least what it does, and otherwise it stays
//! where it is. What keeps one of them where it is may keep others, such as a filter that reads
//! what another leaves behind. So the chain is tried again until nothing changes.

mod chain;
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

/// The type of the HTTP connection manager.
const MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// The whole file, with every chain in it rewritten.
pub fn import(root: &At<'_>, options: &Options) -> Json {
    let mut json = root.node.to_json();
    root.kept("file", "everything that no other line names stays as it is");
    let mut chains = 0_usize;
    rewrite(root, &mut json, options, &mut chains);
    if chains == 0 {
        root.missing(
            "http_filters",
            "no HTTP connection manager with filters is in this file: there is nothing to take over",
            false,
        );
    }
    json
}

/// Finds the connection managers below a value.
fn rewrite(at: &At<'_>, json: &mut Json, options: &Options, chains: &mut usize) {
    if is_of(at, MANAGER) && at.get("http_filters").is_some() {
        *chains = chains.saturating_add(1);
        chain::rewrite(at, json, options);
        return;
    }
    match (&at.node.value, json) {
        (Value::Map(members), Json::Object(values)) => {
            for (child, (key, _)) in at.children().iter().zip(members) {
                if let Some(value) = values.get_mut(&key.text) {
                    rewrite(child, value, options, chains);
                }
            }
        }
        (Value::List(_), Json::Array(values)) => {
            for (child, value) in at.children().iter().zip(values) {
                rewrite(child, value, options, chains);
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
