//! A gateway as Envoy in Kubernetes, with nothing else of anybody's.
//!
//! What all gateways have alike (`alike`) and what is a gateway's own (`own`) are apart, for bases
//! and overlays of kustomize.

use std::collections::BTreeSet;

use modelgate_envoy::release::DEFAULT;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use super::envoy;
use super::file::{Modules, Mount};
use super::init_container;
use super::meaning::{Filter, Meaning};
use super::objects::{labels, resource};
use crate::build::native::Form;
use located_yaml::write;

/// The folder of the configuration, and its file.
const FOLDER: &str = "/etc/envoy/config";
pub(super) const FILE: &str = "envoy.yaml";

/// Envoy's threads, which without this are as many as the node has cores, each with its filters.
const WORKERS: &str = "2";

/// What the ConfigMap is called.
pub(super) fn config_map(name: &str) -> String {
    format!("{name}-envoy")
}

/// Everything.
pub(super) fn resources(meaning: &Meaning, modules: &Modules) -> Vec<Json> {
    let name = meaning.name.as_str();
    let text = write::document(&envoy::bootstrap(meaning, Form::Wasm));
    let mut resources = vec![json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": config_map(name), "labels": labels(name) },
        "data": { FILE: text },
    })];
    let mut alike = alike(name, meaning.listen.port());
    if let Some(deployment) = alike.first_mut() {
        merge(deployment, &own(meaning, modules));
        // A changed configuration is a changed pod.
        let digest: String = Sha256::digest(&text)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let annotation = json!({ "spec": { "template": { "metadata": { "annotations": { "modelgate/config-sha256": digest } } } } });
        merge(deployment, &annotation);
    }
    resources.extend(alike);
    resources.push(network_policy(meaning, name));
    resources
}

/// The resources that differ between gateways in nothing but a name; the Deployment is the first.
pub(super) fn alike(name: &str, port: u16) -> Vec<Json> {
    let selector = json!({ "matchLabels": labels(name) });
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": name });
    let cpu =
        json!({ "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 70 } });
    vec![
        deployment(name, port),
        resource(
            "v1",
            "Service",
            name,
            json!({
                "selector": labels(name),
                "ports": [ { "name": "http", "port": 80, "targetPort": "http", "appProtocol": "http" } ],
            }),
        ),
        resource(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            name,
            json!({
                "scaleTargetRef": target,
                "minReplicas": 2,
                "maxReplicas": 10,
                "metrics": [ { "type": "Resource", "resource": cpu } ],
            }),
        ),
        resource(
            "policy/v1",
            "PodDisruptionBudget",
            name,
            json!({ "maxUnavailable": 1, "selector": selector }),
        ),
    ]
}

fn deployment(name: &str, port: u16) -> Json {
    // The listener opens when every filter has started.
    let probe = |period: u32, failures: u32| json!({ "tcpSocket": { "port": "http" }, "periodSeconds": period, "failureThreshold": failures });
    let container = json!({
        "name": "envoy",
        "image": format!("envoyproxy/envoy:v{DEFAULT}"),
        "args": [ "-c", format!("{FOLDER}/{FILE}"), "--concurrency", WORKERS, "--disable-hot-restart", "--log-level", "warning" ],
        "ports": [ { "name": "http", "containerPort": port } ],
        "startupProbe": probe(2, 60),
        "readinessProbe": probe(5, 2),
        // New requests go elsewhere before Envoy ends, and the last events are sent.
        "lifecycle": { "preStop": { "sleep": { "seconds": 15 } } },
        "resources": {
            "requests": { "cpu": "500m", "memory": "256Mi" },
            "limits": { "memory": "512Mi" },
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": [ "ALL" ] },
        },
        "volumeMounts": [ { "name": "config", "mountPath": FOLDER, "readOnly": true } ],
    });
    let pod = json!({
        "automountServiceAccountToken": false,
        "securityContext": {
            "runAsNonRoot": true,
            // The user `envoy` of Envoy's image.
            "runAsUser": 101,
            "runAsGroup": 101,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "terminationGracePeriodSeconds": 120,
        "topologySpreadConstraints": [ {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": labels(name) },
        } ],
        "containers": [ container ],
        "volumes": [ { "name": "config", "configMap": { "name": config_map(name) } } ],
    });
    let spec = json!({
        "selector": { "matchLabels": labels(name) },
        "template": { "metadata": { "labels": labels(name) }, "spec": pod },
    });
    resource("apps/v1", "Deployment", name, spec)
}

/// What a gateway's Deployment has of its own: modules, and secrets by their names.
pub(super) fn own(meaning: &Meaning, modules: &Modules) -> Json {
    let mut pod = Map::new();
    let mut volumes = Vec::new();
    let mut mounts = Vec::new();
    match modules.mount {
        Mount::ImageVolumes => {
            for filter in &meaning.filters {
                let krate = filter.member.krate;
                let pull =
                    json!({ "reference": modules.image(krate), "pullPolicy": "IfNotPresent" });
                volumes.push(json!({ "name": krate, "image": pull }));
                mounts.push(json!({ "name": krate, "mountPath": module(filter), "subPath": "plugin.wasm", "readOnly": true }));
            }
        }
        Mount::InitContainer => {
            let container = init_container::container(meaning, modules);
            pod.insert("initContainers".into(), json!([container]));
            volumes.extend(init_container::volumes());
            mounts.push(init_container::mount());
        }
    }
    let filters = meaning.filters.iter();
    let variables: BTreeSet<&String> = filters.flat_map(|filter| &filter.environment).collect();
    let variables: Vec<Json> = variables
        .into_iter()
        .map(|name| variable(meaning, name))
        .collect();
    let mut container = json!({ "name": "envoy", "volumeMounts": mounts });
    if let Json::Object(container) = &mut container
        && !variables.is_empty()
    {
        container.insert("env".into(), variables.into());
    }
    if let (Json::Object(container), Some(metrics)) = (&mut container, meaning.metrics) {
        let port = json!({ "name": "metrics", "containerPort": metrics.port() });
        container.insert("ports".into(), json!([port]));
    }
    pod.insert("containers".into(), json!([container]));
    pod.insert("volumes".into(), volumes.into());
    json!({ "spec": { "template": { "spec": pod } } })
}

/// Where Envoy looks for a filter's module.
pub(super) fn module(filter: &Filter) -> String {
    format!("{}/{}.wasm", envoy::MODULES, filter.member.filter.name)
}

/// A variable that a key of the gateway's Secret holds. A session's token may be missing.
fn variable(meaning: &Meaning, name: &str) -> Json {
    let mut key = Map::new();
    key.insert("name".into(), meaning.name.as_str().into());
    key.insert("key".into(), name.into());
    if name == "AWS_SESSION_TOKEN" {
        key.insert("optional".into(), true.into());
    }
    json!({ "name": name, "valueFrom": { "secretKeyRef": key } })
}

/// Who may call the gateway: everybody, at its ports; whom it may call: its servers, at theirs, and
/// who knows their names.
pub(super) fn network_policy(meaning: &Meaning, name: &str) -> Json {
    let servers = meaning.servers.iter().chain([&meaning.backend]);
    let beside = |one: &&super::upstream::Upstream| !one.ip().is_some_and(|ip| ip.is_loopback());
    let ports: BTreeSet<u16> = servers.filter(beside).map(|one| one.port).collect();
    let port = |protocol: &str, port: u16| json!({ "protocol": protocol, "port": port });
    let to: Vec<Json> = ports
        .into_iter()
        .map(|number| port("TCP", number))
        .collect();
    let named = |name: &str| json!({ "protocol": "TCP", "port": name });
    let metrics = meaning.metrics.map(|_| named("metrics"));
    let open: Vec<Json> = [named("http")].into_iter().chain(metrics).collect();
    let spec = json!({
        "podSelector": { "matchLabels": labels(name) },
        "policyTypes": [ "Ingress", "Egress" ],
        "ingress": [ { "ports": open } ],
        "egress": [ { "ports": [ port("UDP", 53), port("TCP", 53) ] }, { "ports": to } ],
    });
    resource("networking.k8s.io/v1", "NetworkPolicy", name, spec)
}

/// A strategic merge, as far as it is needed here: lists grow, items of one `name` are one.
fn merge(to: &mut Json, from: &Json) {
    match (to, from) {
        (Json::Object(to), Json::Object(from)) => {
            for (key, value) in from {
                match to.get_mut(key) {
                    Some(there) => merge(there, value),
                    None => drop(to.insert(key.clone(), value.clone())),
                }
            }
        }
        (Json::Array(to), Json::Array(from)) => {
            for item in from {
                let name = item.get("name");
                let same = |there: &&mut Json| there.get("name") == name;
                match to.iter_mut().find(same) {
                    Some(there) if item.get("mountPath").is_none() => merge(there, item),
                    _ => to.push(item.clone()),
                }
            }
        }
        (to, from) => *to = from.clone(),
    }
}
