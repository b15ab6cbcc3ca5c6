//! A gateway in Kubernetes for kustomize: one base, and an overlay for each gateway.

use serde_json::{Value as Json, json};

use super::envoy;
use super::file::Modules;
use super::init_container;
use super::kubernetes::{FILE, alike, config_map, module, network_policy, own};
use super::meaning::Meaning;
use crate::build::native::Form;

/// What the resources of the base are called.
const NAME: &str = "modelgate";
/// Where the pods of the base listen.
const PORT: u16 = 8080;

const API: &str = "kustomize.config.k8s.io/v1beta1";

/// The base: its files by their names.
pub(super) fn base() -> Vec<(String, Json)> {
    let resources = alike(NAME, PORT).into_iter().map(|resource| {
        let kind = resource.get("kind").and_then(Json::as_str);
        let kind = kind.unwrap_or_default().to_lowercase();
        (format!("{kind}.yaml"), resource)
    });
    let mut files: Vec<(String, Json)> = resources.collect();
    let names: Vec<&String> = files.iter().map(|(name, _)| name).collect();
    let root = json!({ "apiVersion": API, "kind": "Kustomization", "resources": names });
    files.push(("kustomization.yaml".into(), root));
    files
}

/// What a gateway puts over it.
pub(super) fn overlay(meaning: &Meaning, modules: &Modules) -> Vec<(String, Json)> {
    let mut patch = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": NAME },
    });
    if let (Json::Object(patch), Json::Object(own)) = (&mut patch, own(meaning, modules)) {
        patch.extend(own);
    }
    let name = meaning.name.as_str();
    // A generated ConfigMap has a new name for each content: pods are replaced when it changes.
    let root = json!({
        "apiVersion": API,
        "kind": "Kustomization",
        "namePrefix": format!("{name}-"),
        "labels": [ { "pairs": { "app.kubernetes.io/instance": name }, "includeSelectors": true } ],
        "resources": [ "../../base", "networkpolicy.yaml" ],
        "configMapGenerator": [ { "name": config_map(NAME), "files": [ FILE ] } ],
        "patches": [ { "path": "deployment.yaml" } ],
    });
    vec![
        ("deployment.yaml".into(), patch),
        (FILE.into(), envoy::bootstrap(meaning, Form::Wasm)),
        ("kustomization.yaml".into(), root),
        ("networkpolicy.yaml".into(), network_policy(meaning, NAME)),
    ]
}

/// The same gateway for clusters without image volumes: an overlay over the overlay, which is at
/// `below`.
pub(super) fn without_image_volumes(
    meaning: &Meaning,
    modules: &Modules,
    below: &str,
) -> Vec<(String, Json)> {
    let gone = |key: &str, value: &str| json!({ "$patch": "delete", key: value });
    let mut volumes: Vec<Json> = init_container::volumes().into();
    let mut mounts = vec![init_container::mount()];
    for filter in &meaning.filters {
        volumes.push(gone("name", filter.member.krate));
        mounts.push(gone("mountPath", &module(filter)));
    }
    let pod = json!({
        "initContainers": [ init_container::container(meaning, modules) ],
        "containers": [ { "name": "envoy", "volumeMounts": mounts } ],
        "volumes": volumes,
    });
    let patch = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": NAME },
        "spec": { "template": { "spec": pod } },
    });
    let root = json!({
        "apiVersion": API,
        "kind": "Kustomization",
        "resources": [ below ],
        "patches": [ { "path": "deployment.yaml", "target": { "kind": "Deployment" } } ],
    });
    vec![
        ("deployment.yaml".into(), patch),
        ("kustomization.yaml".into(), root),
    ]
}
