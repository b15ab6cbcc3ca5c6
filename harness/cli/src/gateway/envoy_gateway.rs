//! A gateway as resources of Envoy Gateway's.
//!
//! What filters call are clusters that an EnvoyPatchPolicy adds, which has to be enabled in
//! EnvoyGateway (`extensionApis: { enableEnvoyPatchPolicy: true }`).

use serde_json::{Map, Value as Json, json};

use super::envoy;
use super::file::Modules;
use super::meaning::{Filter, Meaning};
use super::objects::{gateway, reference, resource, route};
use super::upstream::Upstream;

const API: &str = "gateway.envoyproxy.io/v1alpha1";

/// Everything.
pub(super) fn resources(meaning: &Meaning, modules: &Modules) -> Vec<Json> {
    let mut resources = vec![gateway(meaning, "eg")];
    let name = meaning.name.as_str();
    let backend = json!({ "group": "gateway.envoyproxy.io", "kind": "Backend", "name": name });
    resources.push(route(meaning, |_| backend.clone()));
    if meaning.backend.service().is_none() {
        resources.extend(outside(meaning));
    }
    resources.push(clients(meaning));
    let wasm: Vec<Json> = meaning
        .filters
        .iter()
        .map(|filter| extension(modules, filter))
        .collect();
    let spec = json!({ "targetRefs": [ reference(meaning, "HTTPRoute") ], "wasm": wasm });
    resources.push(resource(API, "EnvoyExtensionPolicy", name, spec));
    if !meaning.servers.is_empty() {
        let patches: Vec<Json> = meaning.servers.iter().map(cluster).collect();
        let spec = json!({ "targetRef": reference(meaning, "Gateway"), "type": "JSONPatch", "jsonPatches": patches });
        resources.push(resource(API, "EnvoyPatchPolicy", name, spec));
    }
    resources
}

/// How clients are spoken to. Without it 32 KiB of a body are held, and escaped slashes redirected.
fn clients(meaning: &Meaning) -> Json {
    let mut spec = json!({
        "targetRefs": [ reference(meaning, "Gateway") ],
        "connection": { "bufferLimit": meaning.buffer_bytes.to_string() },
        "path": { "escapedSlashesAction": "RejectRequest" },
        "headers": { "withUnderscoresAction": "RejectRequest" },
    });
    if let Json::Object(spec) = &mut spec
        && meaning.proxies_in_front > 0
    {
        let trusted = json!({ "xForwardedFor": { "numTrustedHops": meaning.proxies_in_front } });
        spec.insert("clientIPDetection".into(), trusted);
    }
    resource(API, "ClientTrafficPolicy", &meaning.name, spec)
}

/// A model server that is not in Kubernetes.
fn outside(meaning: &Meaning) -> Vec<Json> {
    let (name, backend) = (meaning.name.as_str(), &meaning.backend);
    let endpoint = match backend.ip() {
        Some(ip) => json!({ "ip": { "address": ip, "port": backend.port } }),
        None => json!({ "fqdn": { "hostname": backend.host, "port": backend.port } }),
    };
    let mut resources = vec![resource(
        API,
        "Backend",
        name,
        json!({ "endpoints": [ endpoint ] }),
    )];
    if backend.tls {
        let target = json!({ "group": "gateway.envoyproxy.io", "kind": "Backend", "name": name });
        let validation = json!({ "wellKnownCACertificates": "System", "hostname": backend.host });
        let spec = json!({ "targetRefs": [ target ], "validation": validation });
        resources.push(resource(
            "gateway.networking.k8s.io/v1",
            "BackendTLSPolicy",
            name,
            spec,
        ));
    }
    resources
}

fn extension(modules: &Modules, filter: &Filter) -> Json {
    let krate = filter.member.krate;
    let mut image = json!({ "url": modules.tagged(krate) });
    let digits = modules
        .digest(krate)
        .and_then(|digest| digest.strip_prefix("sha256:"));
    if let (Json::Object(image), Some(digits)) = (&mut image, digits) {
        image.insert("sha256".into(), digits.into());
    }
    let mut wasm = Map::new();
    wasm.insert("name".into(), filter.member.filter.name.into());
    wasm.insert("rootID".into(), filter.member.filter.name.into());
    wasm.insert("failOpen".into(), false.into());
    wasm.insert("code".into(), json!({ "type": "Image", "image": image }));
    if !filter.environment.is_empty() {
        wasm.insert("env".into(), json!({ "hostKeys": filter.environment }));
    }
    wasm.insert("config".into(), filter.config.to_json());
    wasm.into()
}

fn cluster(upstream: &Upstream) -> Json {
    json!({
        "type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": upstream.name,
        "operation": { "op": "add", "path": "", "value": envoy::cluster(upstream) },
    })
}
