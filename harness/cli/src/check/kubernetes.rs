//! Filters in resources of Kubernetes: Istio's WasmPlugin, TrafficExtension and EnvoyFilter, Envoy
//! Gateway's EnvoyExtensionPolicy. ConfigMaps are opened in `check.rs`, since what they hold is a
//! file of its own.

pub(super) mod kustomize;
pub(super) mod order;
pub(super) mod words;

use super::codes;
use super::entry::{Entry, Form, Runs, flag, node, ours, runs, text};
use super::files::Sink;
use super::finding::Finding;
use super::locate::Map;
use super::references::Clusters;
use crate::needs::holds_headers;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use located_yaml::{Key, Node, Value};
use modelgate_kit::config::strict::nearest;

/// Kinds that are read.
const READ: [&str; 9] = [
    "ConfigMap",
    "EnvoyExtensionPolicy",
    "EnvoyFilter",
    "EnvoyPatchPolicy",
    "Kustomization",
    "List",
    "Secret",
    "TrafficExtension",
    "WasmPlugin",
];

/// Kinds that may hold filters, in a way that is not read: bootstraps, patches and values of Envoy
/// Gateway, kgateway, Gloo, Kuma, Cilium, Emissary, Kong, Flux and Argo CD.
const CARRIERS: [&str; 14] = [
    "Application",
    "CiliumClusterwideEnvoyConfig",
    "CiliumEnvoyConfig",
    "EnvoyProxy",
    "HTTPListenerPolicy",
    "HelmRelease",
    "KongClusterPlugin",
    "KongPlugin",
    "ListenerOption",
    "MeshProxyPatch",
    "Module",
    "ProxyTemplate",
    "RouteOption",
    "TrafficPolicy",
];

/// Whether it says that a resource is not read which is nobody's business beside others: of a kind
/// that has no filters, and that is no slip for one that is read.
pub(super) fn is_beside(finding: &Finding) -> bool {
    let kind = finding.filter.as_str();
    finding.code == &codes::KUBERNETES
        && !CARRIERS.contains(&kind)
        && nearest(kind, &READ).is_none()
}

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

/// What an EnvoyFilter or an EnvoyPatchPolicy puts into Envoy's configuration. Filters of an
/// EnvoyFilter that go into the chain are one list, each as it is when it has arrived.
pub(super) fn patches(document: &Node) -> Option<Vec<Node>> {
    let listed = |path: &[&str]| node(document, path).map(Node::items).unwrap_or_default();
    match text(document, &["kind"])? {
        "EnvoyFilter" => Some(put_together(listed(&["spec", "configPatches"]))),
        "EnvoyPatchPolicy" => {
            let patches = listed(&["spec", "jsonPatches"]).iter();
            let values = patches.filter_map(|patch| node(patch, &["operation", "value"]));
            Some(values.cloned().collect())
        }
        _ => None,
    }
}

fn put_together(patches: &[Node]) -> Vec<Node> {
    let applied = |patch: &Node, to: &str| text(patch, &["applyTo"]) == Some(to);
    let value = |patch: &Node| node(patch, &["patch", "value"]).cloned();
    let (filters, others): (Vec<&Node>, Vec<&Node>) = patches
        .iter()
        .partition(|patch| applied(patch, "HTTP_FILTER"));
    let mut values: Vec<Node> = Vec::new();
    let mut arriving: Vec<Node> = Vec::new();
    for patch in others {
        match applied(patch, "EXTENSION_CONFIG") {
            true => arriving.extend(value(patch)),
            false => values.extend(value(patch)),
        }
    }
    let mut chain: Vec<Node> = Vec::new();
    for patch in filters {
        let Some(mut filter) = value(patch) else {
            continue;
        };
        let name = text(&filter, &["name"]);
        let arrived = filter
            .member("config_discovery")
            .and_then(|_| arriving.iter().position(|one| text(one, &["name"]) == name));
        if let Some(arrived) = arrived {
            filter = arriving.remove(arrived);
        }
        match text(patch, &["patch", "operation"]) {
            Some("INSERT_FIRST") => chain.insert(0, filter),
            _ => chain.push(filter),
        }
    }
    values.extend(arriving);
    if chain.len() < 2 {
        values.extend(chain);
    } else if let Some(place) = chain.first().map(|first| first.place) {
        let text = "http_filters".to_owned();
        let list = Value::List(chain);
        let list = Node { place, value: list };
        let value = Value::Map(vec![(Key { place, text }, list)]);
        values.push(Node { place, value });
    }
    values
}

/// Checks a resource with filters of its own form; gives how many of ours are in it.
pub(super) fn check(document: &Node, source: &str, sink: &mut Sink<'_>) -> usize {
    let spec = document.member("spec");
    let kind = text(document, &["kind"]).unwrap_or_default();
    match (kind, spec) {
        ("WasmPlugin" | "TrafficExtension", Some(spec)) => {
            let spec = module(document, spec);
            let Some(runs) = plugin(document, spec) else {
                // A TrafficExtension may be a script.
                return 0;
            };
            let name = text(document, &["metadata", "name"]).unwrap_or(kind);
            let policy = spec.member("failStrategy");
            let higress = text(document, &["apiVersion"])
                .is_some_and(|version| version.starts_with("extensions.higress.io/"));
            match policy.and_then(Node::text) {
                // There is no other that closes.
                Some("FAIL_CLOSE") if higress => {}
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
            let member = match higress {
                true => "defaultConfig",
                false => "pluginConfig",
            };
            configuration(spec, member, name, runs, source, sink)
        }
        ("EnvoyExtensionPolicy", Some(spec)) => {
            let mut count = 0_usize;
            for (wasm, runs) in listed(spec) {
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
            let problem = format!("resources of the kind {kind} are not read");
            let hint = match nearest(kind, &READ) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "check what it is rendered to; read are Envoy's own files, WasmPlugin, EnvoyFilter, EnvoyExtensionPolicy and ConfigMaps with one of these".to_owned(),
            };
            let place = document.member("kind").unwrap_or(document).place;
            sink.add(
                0,
                Finding::new(&codes::KUBERNETES, place, kind, problem, hint),
            );
            0
        }
    }
}

/// What says which module a WasmPlugin runs; a TrafficExtension, which is its successor, has it one
/// member deeper.
fn module<'a>(document: &Node, spec: &'a Node) -> &'a Node {
    match text(document, &["kind"]) {
        Some("TrafficExtension") => spec.member("wasm").unwrap_or(spec),
        _ => spec,
    }
}

/// What a WasmPlugin runs.
fn plugin(document: &Node, spec: &Node) -> Option<Runs> {
    let root_id = text(spec, &["pluginName"]);
    let names = [
        text(spec, &["url"]),
        root_id,
        text(document, &["metadata", "name"]),
    ];
    find(&names, root_id)
}

/// The filters of the suite in an EnvoyExtensionPolicy.
fn listed(spec: &Node) -> impl Iterator<Item = (&Node, Runs)> {
    let wasm = spec.member("wasm").map(Node::items).unwrap_or_default();
    wasm.iter().filter_map(|wasm| {
        let root_id = text(wasm, &["rootID"]);
        let names = [
            text(wasm, &["code", "image", "url"]),
            text(wasm, &["code", "http", "url"]),
            root_id,
            text(wasm, &["name"]),
        ];
        Some((wasm, find(&names, root_id)?))
    })
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

/// A resource with the variables that it hands to the filter's VM as Envoy writes them.
fn with_environment(at: &Node) -> Node {
    let keys = node(at, &["env", "hostKeys"]).map(Node::items);
    let listed = node(at, &["vmConfig", "env"]).map(Node::items);
    let names = listed.unwrap_or_default().iter();
    let names = names.filter_map(|variable| variable.member("name"));
    let names: Vec<Node> = names.chain(keys.unwrap_or_default()).cloned().collect();
    let place = at.place;
    let within = |name: &str, value: Value| {
        let text = name.to_owned();
        Value::Map(vec![(Key { place, text }, Node { place, value })])
    };
    let variables = within("host_env_keys", Value::List(names));
    let machine = within("environment_variables", variables);
    let value = within("vm_config", machine);
    Node { place, value }
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
    let config = with_environment(at);
    let entry = Entry {
        name: name.to_owned(),
        node: written.unwrap_or(at),
        form: Form::Wasm,
        config: &config,
        runs,
        map,
        file: 0,
        passed: None,
    };
    entry.check_configuration(&Clusters::unknown(), sink);
    let parts = entry.parts();
    let holds = parts
        .iter()
        .find(|part| holds_headers(&part.member, entry.config_of(part)));
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
