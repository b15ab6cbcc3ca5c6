//! Resources of Kubernetes in general, and those of the Gateway API, which several hosts read.

use serde_json::{Map, Value as Json, json};

use super::meaning::Meaning;
use super::protocol::{Path, Way};
use super::upstream::Upstream;

/// A resource.
pub(super) fn resource(api: &str, kind: &str, name: &str, spec: Json) -> Json {
    json!({
        "apiVersion": api,
        "kind": kind,
        "metadata": { "name": name, "labels": labels(name) },
        "spec": spec,
    })
}

/// What the resources of a gateway have in common.
pub(super) fn labels(name: &str) -> Json {
    json!({ "app.kubernetes.io/name": name })
}

/// The labels of the pods that serve a Gateway of the Gateway API (GEP-1762).
pub(super) fn pods(meaning: &Meaning) -> Json {
    json!({ "gateway.networking.k8s.io/gateway-name": meaning.name })
}

/// A reference to the Gateway, or to its HTTPRoute.
pub(super) fn reference(meaning: &Meaning, kind: &str) -> Json {
    json!({ "group": "gateway.networking.k8s.io", "kind": kind, "name": meaning.name })
}

const API: &str = "gateway.networking.k8s.io/v1";

/// A Gateway with one plain listener.
pub(super) fn gateway(meaning: &Meaning, class: &str) -> Json {
    let listener = json!({ "name": "http", "protocol": "HTTP", "port": 80, "allowedRoutes": { "namespaces": { "from": "Same" } } });
    let spec = json!({ "gatewayClassName": class, "listeners": [ listener ] });
    resource(API, "Gateway", &meaning.name, spec)
}

/// The HTTPRoute to the model server; `outside` refers to a server that is no Service.
pub(super) fn route(meaning: &Meaning, outside: impl Fn(&Upstream) -> Json) -> Json {
    let backend = match meaning.backend.service() {
        Some((name, space)) => {
            json!({ "name": name, "namespace": space, "port": meaning.backend.port })
        }
        None => outside(&meaning.backend),
    };
    let ways = meaning.protocol.ways.iter();
    let rules: Vec<Json> = ways.map(|way| rule(meaning, way, &backend)).collect();
    let spec = json!({ "parentRefs": [ { "name": meaning.name } ], "rules": rules });
    resource(API, "HTTPRoute", &meaning.name, spec)
}

fn rule(meaning: &Meaning, way: &Way, backend: &Json) -> Json {
    let (kind, path) = match way.path {
        Path::Exact(path) => ("Exact", path),
        Path::Prefix(path) => ("PathPrefix", path.trim_end_matches('/')),
    };
    let mut filters = Vec::new();
    if meaning.rewrites_host() {
        filters.push(
            json!({ "type": "URLRewrite", "urlRewrite": { "hostname": meaning.backend.host } }),
        );
    }
    let mut rule = Map::new();
    let matched = json!({ "path": { "type": kind, "value": path } });
    rule.insert("matches".into(), json!([matched]));
    if !filters.is_empty() {
        rule.insert("filters".into(), filters.into());
    }
    rule.insert("backendRefs".into(), json!([backend]));
    // 0 s is no limit (GEP-1742).
    let timeout = format!("{}s", way.timeout_s);
    rule.insert("timeouts".into(), json!({ "request": timeout }));
    rule.into()
}
