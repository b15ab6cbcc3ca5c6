//! A gateway as resources of Istio's, around a Gateway of the Gateway API.
//!
//! A filter that holds a request's headers stands in an EnvoyFilter, since a WasmPlugin cannot let
//! it. Those come after the WasmPlugins of the phase AUTHN, in the order of the list.

use serde_json::{Map, Value as Json, json};

use super::envoy;
use super::file::Modules;
use super::meaning::{Filter, Meaning};
use super::objects::{gateway, pods, resource, route};
use super::upstream::Upstream;
use crate::needs::holds_headers;

const NETWORKING: &str = "networking.istio.io/v1";

/// Everything.
pub(super) fn resources(meaning: &Meaning, modules: &Modules) -> Vec<Json> {
    let mut resources = vec![gateway(meaning, "istio")];
    resources.push(route(meaning, |backend| {
        json!({ "group": "networking.istio.io", "kind": "Hostname", "name": backend.host, "port": backend.port })
    }));
    let servers = meaning.servers.iter().chain([&meaning.backend]);
    resources.extend(
        servers
            .filter(|one| one.service().is_none())
            .flat_map(outside),
    );
    let (held, plain): (Vec<&Filter>, Vec<&Filter>) = meaning
        .filters
        .iter()
        .partition(|filter| holds_headers(&filter.member, Some(&filter.config)));
    let last = plain.len();
    for (at, filter) in plain.into_iter().enumerate() {
        let priority = last.saturating_sub(at).saturating_mul(10);
        resources.push(plugin(meaning, modules, filter, priority));
    }
    if !held.is_empty() {
        resources.push(envoy_filter(meaning, modules, &held));
    }
    resources
}

/// A server that is not in Kubernetes, and how it is spoken to.
fn outside(upstream: &Upstream) -> Vec<Json> {
    let name = format!(
        "{}-{}",
        upstream.name.replace(['.', ':'], "-"),
        upstream.port
    );
    let (protocol, port) = match upstream.tls {
        true => ("HTTPS", "https"),
        false => ("HTTP", "http"),
    };
    let entry = json!({
        "hosts": [ upstream.host ],
        "location": "MESH_EXTERNAL",
        "resolution": "DNS",
        "ports": [ { "number": upstream.port, "name": port, "protocol": protocol } ],
    });
    let mut resources = vec![resource(NETWORKING, "ServiceEntry", &name, entry)];
    if upstream.tls {
        let rule = json!({
            "host": upstream.host,
            "trafficPolicy": { "tls": { "mode": "SIMPLE", "sni": upstream.host } },
        });
        resources.push(resource(NETWORKING, "DestinationRule", &name, rule));
    }
    resources
}

fn full_name(meaning: &Meaning, filter: &Filter) -> String {
    format!("{}-{}", meaning.name, filter.member.krate)
}

/// The hexadecimal digits of a filter's image's digest.
fn digits<'a>(modules: &'a Modules, filter: &Filter) -> Option<&'a str> {
    modules.digest(filter.member.krate)?.strip_prefix("sha256:")
}

fn url(modules: &Modules, filter: &Filter) -> String {
    format!("oci://{}", modules.tagged(filter.member.krate))
}

fn plugin(meaning: &Meaning, modules: &Modules, filter: &Filter, priority: usize) -> Json {
    let mut spec = Map::new();
    spec.insert("selector".into(), json!({ "matchLabels": pods(meaning) }));
    spec.insert("url".into(), url(modules, filter).into());
    if let Some(digits) = digits(modules, filter) {
        spec.insert("sha256".into(), digits.into());
    }
    spec.insert("phase".into(), "AUTHN".into());
    spec.insert("priority".into(), priority.into());
    spec.insert("failStrategy".into(), "FAIL_RELOAD".into());
    spec.insert("pluginName".into(), filter.member.filter.name.into());
    spec.insert("pluginConfig".into(), filter.config.to_json());
    if !filter.environment.is_empty() {
        let variable = |name: &String| json!({ "name": name, "valueFrom": "HOST" });
        let variables: Vec<Json> = filter.environment.iter().map(variable).collect();
        spec.insert("vmConfig".into(), json!({ "env": variables }));
    }
    let name = full_name(meaning, filter);
    resource(
        "extensions.istio.io/v1alpha1",
        "WasmPlugin",
        &name,
        spec.into(),
    )
}

/// The filters that hold headers: each as a resource that the agent completes with the module, and
/// its place in the chain.
fn envoy_filter(meaning: &Meaning, modules: &Modules, filters: &[&Filter]) -> Json {
    let manager = "envoy.filters.network.http_connection_manager";
    let router = json!({ "name": manager, "subFilter": { "name": "envoy.filters.http.router" } });
    let place =
        json!({ "context": "GATEWAY", "listener": { "filterChain": { "filter": router } } });
    let mut patches = Vec::new();
    for filter in filters {
        let remote = json!({ "remote": {
            "http_uri": { "uri": url(modules, filter), "cluster": "_", "timeout": "30s" },
            // What the agent takes for a digest that is not known.
            "sha256": digits(modules, filter).unwrap_or("nil"),
        } });
        let entry = envoy::entry(filter, &remote);
        patches.push(json!({
            "applyTo": "EXTENSION_CONFIG",
            "match": { "context": "GATEWAY" },
            "patch": { "operation": "ADD", "value": entry },
        }));
    }
    for filter in filters {
        let discovered = json!({
            "name": filter.member.krate,
            "config_discovery": {
                "config_source": { "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3" },
                "type_urls": [ envoy::WASM ],
            },
        });
        patches.push(json!({
            "applyTo": "HTTP_FILTER",
            "match": place,
            "patch": { "operation": "INSERT_BEFORE", "value": discovered },
        }));
    }
    let spec = json!({ "workloadSelector": { "labels": pods(meaning) }, "configPatches": patches });
    resource(
        "networking.istio.io/v1alpha3",
        "EnvoyFilter",
        &meaning.name,
        spec,
    )
}
