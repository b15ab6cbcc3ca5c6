//! Words in resources of Kubernetes of which one of a few is wanted. One that is misspelt is
//! refused by the cluster, or means something else.

use super::super::codes;
use super::super::entry::{node, text};
use super::super::files::Sink;
use super::super::finding::Finding;
use located_yaml::Node;
use modelgate_kit::config::strict::nearest;

/// Phases of a WasmPlugin.
const PHASES: [&str; 4] = ["AUTHN", "AUTHZ", "STATS", "UNSPECIFIED_PHASE"];
/// What a WasmPlugin does when it cannot run: Istio's words, and Higress's.
const STRATEGIES: [&str; 4] = ["FAIL_RELOAD", "FAIL_CLOSE", "FAIL_OPEN", "UNSPECIFIED"];
/// What an EnvoyFilter does with its patch.
const OPERATIONS: [&str; 7] = [
    "INSERT_BEFORE",
    "INSERT_AFTER",
    "INSERT_FIRST",
    "ADD",
    "MERGE",
    "REPLACE",
    "REMOVE",
];
/// What an EnvoyFilter applies its patch to.
const TARGETS: [&str; 11] = [
    "HTTP_FILTER",
    "EXTENSION_CONFIG",
    "NETWORK_FILTER",
    "LISTENER",
    "LISTENER_FILTER",
    "FILTER_CHAIN",
    "ROUTE_CONFIGURATION",
    "VIRTUAL_HOST",
    "HTTP_ROUTE",
    "CLUSTER",
    "BOOTSTRAP",
];

/// Says which words of a resource are none of those wanted, and which settings are a text.
pub(in super::super) fn check(resource: &Node, sink: &mut Sink<'_>) {
    let Some(spec) = resource.member("spec") else {
        return;
    };
    match text(resource, &["kind"]) {
        Some("WasmPlugin" | "TrafficExtension") => {
            one_of(resource, spec, &["phase"], &PHASES, sink);
            let module = super::module(resource, spec);
            one_of(resource, module, &["failStrategy"], &STRATEGIES, sink);
            for settings in ["pluginConfig", "defaultConfig"] {
                mapping(resource, module.member(settings), settings, sink);
            }
        }
        Some("EnvoyFilter") => {
            for patch in spec
                .member("configPatches")
                .map(Node::items)
                .unwrap_or_default()
            {
                one_of(resource, patch, &["applyTo"], &TARGETS, sink);
                one_of(resource, patch, &["patch", "operation"], &OPERATIONS, sink);
            }
        }
        _ => {}
    }
}

fn one_of(resource: &Node, at: &Node, path: &[&str], wanted: &[&str], sink: &mut Sink<'_>) {
    let Some(written) = node(at, path) else {
        return;
    };
    let word = written.text().unwrap_or_default();
    if wanted.contains(&word) {
        return;
    }
    let member = path.last().copied().unwrap_or_default();
    let hint = match nearest(word, wanted) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of {}", wanted.join(", ")),
    };
    let problem = format!("\"{word}\" is no value of `{member}`");
    let finding = Finding::new(
        &codes::WRONG_VALUE,
        written.place,
        name(resource),
        problem,
        hint,
    );
    sink.add(0, finding);
}

fn mapping(resource: &Node, written: Option<&Node>, member: &str, sink: &mut Sink<'_>) {
    let Some(written) = written.filter(|node| node.text().is_some() && !node.is_null()) else {
        return;
    };
    let finding = Finding::new(
        &codes::CONFIGURATION_TYPE,
        written.place,
        name(resource),
        format!("`{member}` is a text, which the cluster refuses"),
        format!("write the settings as YAML below `{member}:`"),
    );
    sink.add(0, finding);
}

fn name(resource: &Node) -> &str {
    text(resource, &["metadata", "name"]).unwrap_or("resource")
}
