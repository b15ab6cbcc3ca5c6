//! Filters in resources of Kubernetes: Istio's WasmPlugin and EnvoyFilter, Envoy Gateway's
//! EnvoyExtensionPolicy. ConfigMaps are opened in `check.rs`, since what they hold is a file of its
//! own.

use super::codes;
use super::entry::{Entry, Runs, flag, node, ours, runs, text};
use super::files::Sink;
use super::finding::Finding;
use super::locate::Map;
use super::references::Clusters;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use located_yaml::{Node, Value};

/// Whether a document is a resource of Kubernetes.
pub(super) fn is_resource(document: &Node) -> bool {
    document.member("kind").is_some() && document.member("apiVersion").is_some()
}

/// A document, or the resources of a `List`.
pub(super) fn unlisted(document: Node) -> Vec<Node> {
    let listed = is_resource(&document) && text(&document, &["kind"]) == Some("List");
    match document.member("items").filter(|_| listed) {
        Some(items) => items.items().to_vec(),
        None => vec![document],
    }
}

/// A file in a ConfigMap or a Secret.
pub(super) struct Kept<'a> {
    /// Where it stands.
    pub node: &'a Node,
    /// What was written in base64; `None` for what stands there as it is.
    pub decoded: Option<String>,
}

impl Kept<'_> {
    /// What it holds.
    pub fn text(&self) -> &str {
        let written = || self.node.text().unwrap_or_default();
        self.decoded.as_deref().unwrap_or_else(written)
    }
}

/// The files in a ConfigMap or a Secret, as far as they are texts.
pub(super) fn texts(document: &Node) -> Option<Vec<Kept<'_>>> {
    let (plain, encoded) = match text(document, &["kind"]) {
        Some("ConfigMap") => ("data", "binaryData"),
        Some("Secret") => ("stringData", "data"),
        _ => return None,
    };
    let listed = |member: &str| {
        let files = document.member(member).map(Node::members);
        files.unwrap_or_default().iter().map(|(_, value)| value)
    };
    let plain = listed(plain).filter(|node| node.text().is_some());
    let plain = plain.map(|node| Kept {
        node,
        decoded: None,
    });
    let encoded = listed(encoded).filter_map(|node| {
        let written: String = node.text()?.split_ascii_whitespace().collect();
        let bytes = BASE64_STANDARD.decode(written).ok()?;
        Some(Kept {
            node,
            decoded: Some(String::from_utf8(bytes).ok()?),
        })
    });
    Some(plain.chain(encoded).collect())
}

/// The filters in an EnvoyFilter, as they stand in a chain.
pub(super) fn patches(document: &Node) -> Option<Vec<&Node>> {
    (text(document, &["kind"]) == Some("EnvoyFilter")).then(|| {
        let patches = node(document, &["spec", "configPatches"]).map(Node::items);
        patches
            .unwrap_or_default()
            .iter()
            .filter_map(|patch| node(patch, &["patch", "value"]))
            .collect()
    })
}

/// Checks a resource with filters of its own form; gives how many of ours are in it.
pub(super) fn check(document: &Node, source: &str, sink: &mut Sink<'_>) -> usize {
    let spec = document.member("spec");
    let kind = text(document, &["kind"]).unwrap_or_default();
    match (kind, spec) {
        ("WasmPlugin", Some(spec)) => {
            let names = [
                text(spec, &["url"]),
                text(spec, &["pluginName"]),
                text(document, &["metadata", "name"]),
            ];
            let root_id = text(spec, &["pluginName"]);
            let Some(runs) = find(&names, root_id) else {
                return 0;
            };
            let name = text(document, &["metadata", "name"]).unwrap_or("WasmPlugin");
            let policy = spec.member("failStrategy");
            match policy.and_then(Node::text) {
                Some("FAIL_OPEN") => sink.add(
                    0,
                    opens(policy.unwrap_or(spec), name, "failStrategy: FAIL_RELOAD"),
                ),
                Some("FAIL_RELOAD") => {}
                _ => sink.add(
                    0,
                    closes(policy.unwrap_or(spec), name, "failStrategy: FAIL_RELOAD"),
                ),
            }
            configuration(spec, "pluginConfig", name, runs, source, sink)
        }
        ("EnvoyExtensionPolicy", Some(spec)) => {
            let listed = spec.member("wasm").map(Node::items).unwrap_or_default();
            let mut count = 0_usize;
            for wasm in listed {
                let names = [
                    text(wasm, &["code", "image", "url"]),
                    text(wasm, &["code", "http", "url"]),
                    text(wasm, &["rootID"]),
                    text(wasm, &["name"]),
                ];
                let Some(runs) = find(&names, text(wasm, &["rootID"])) else {
                    continue;
                };
                let name = text(wasm, &["name"]).unwrap_or("EnvoyExtensionPolicy");
                if flag(wasm, &["failOpen"]) {
                    let place = wasm.member("failOpen").unwrap_or(wasm);
                    sink.add(0, opens(place, name, "failOpen: false"));
                }
                count =
                    count.saturating_add(configuration(wasm, "config", name, runs, source, sink));
            }
            count
        }
        _ => {
            let problem = format!("this is a {kind} of Kubernetes, which is not read");
            let hint = "check what it is rendered to; read are Envoy's own files, WasmPlugin, EnvoyFilter, EnvoyExtensionPolicy and ConfigMaps with one of these";
            let place = document.member("kind").unwrap_or(document).place;
            sink.add(
                0,
                Finding::new(&codes::KUBERNETES, place, kind, problem, hint),
            );
            0
        }
    }
}

/// What a resource runs, by the names in it: `oci://registry/modelgate/jwt-auth:1.0`.
fn find(names: &[Option<&str>], root_id: Option<&str>) -> Option<Runs> {
    names.iter().flatten().find_map(|name| {
        let last = name.rsplit('/').next().unwrap_or(name);
        let plain = last.split(['@', ':']).next().unwrap_or(last);
        ours(plain).then(|| runs(plain, root_id)).flatten()
    })
}

fn opens(at: &Node, name: &str, hint: &str) -> Finding {
    let problem = "it lets requests pass unfiltered after a crash";
    Finding::new(
        &codes::FAILS_OPEN,
        at.place,
        name,
        problem,
        format!("write `{hint}`"),
    )
}

fn closes(at: &Node, name: &str, hint: &str) -> Finding {
    let problem =
        "after a crash every request on that worker gets 503 until the proxy is restarted";
    Finding::new(
        &codes::STAYS_CLOSED,
        at.place,
        name,
        problem,
        format!("write `{hint}`"),
    )
}

/// The configuration in a member, as mapping or text.
fn configuration(
    at: &Node,
    member: &str,
    name: &str,
    runs: Runs,
    source: &str,
    sink: &mut Sink<'_>,
) -> usize {
    let written = at.member(member);
    let map = match written {
        Some(node) if matches!(node.value, Value::Map(_)) => Map::of_yaml(node),
        other => Map::of(source, other),
    };
    let entry = Entry {
        name: name.to_owned(),
        node: written.unwrap_or(at),
        config: at,
        runs,
        map,
        file: 0,
        passed: None,
    };
    entry.check_configuration(&Clusters::unknown(), sink);
    let parts = entry.parts();
    let holds = parts
        .iter()
        .find(|part| part.member.filter.needs.buffers_request);
    if let Some(part) = holds {
        let problem = format!(
            "{} may hold a request's headers until its body is there, which needs `allow_on_headers_stop_iteration`: this resource cannot set it",
            part.subject()
        );
        let hint = "use an EnvoyFilter or an EnvoyPatchPolicy with the Envoy entry, or the filter's mode without (its README says which)";
        sink.add(
            0,
            Finding::new(&codes::KUBERNETES_LIMITS, at.place, name, problem, hint),
        );
    }
    parts.len().max(1)
}
