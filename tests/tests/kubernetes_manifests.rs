//! What gateway files are rendered to for Kubernetes is what Kubernetes, Istio and Envoy Gateway
//! take: held against Kubernetes' own schemas (from the package kubernetes-validate) and against
//! the custom resource definitions of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use located_yaml::Node;
use modelgate_cli::build::Workspace;
use modelgate_cli::gateway::{self, Host};
use modelgate_tests::oracles::folder;
use modelgate_tests::services::python_package;
use serde_json::{Value as Json, json};

const SCHEMAS: &str = "kubernetes-validate==1.37.0";
const RELEASE: &str = "v1.37.0";

/// What every example that a host can have is rendered to; one of them in both ways for modules to
/// come.
fn rendered(host: Host) -> Vec<Json> {
    let root = Workspace::locate().unwrap().root;
    let mut found = Vec::new();
    for file in std::fs::read_dir(root.join("envoy/gateways")).unwrap() {
        let file = file.unwrap();
        let shipped = std::fs::read_to_string(file.path()).unwrap();
        let both = host == Host::Kubernetes && file.file_name() == "openai.yaml";
        let mounts = ["image_volumes", "init_container"];
        for mount in mounts.into_iter().take(1 + usize::from(both)) {
            // A pinned image is one of them.
            let modules = format!(
                "filters, mount: {mount}, digests: {{ jwt-auth: 'sha256:{}' }} }}",
                "1".repeat(64)
            );
            let text = shipped.replace("filters }", &modules);
            let text = format!("{text}\nmetrics: 0.0.0.0:9902\n");
            let read = gateway::read(&Node::parse(&text).unwrap(), host);
            let Ok(meaning) = read else { continue };
            let text = gateway::render(&meaning, host);
            let documents = Node::documents(&text).unwrap();
            found.extend(documents.iter().map(Node::to_json));
        }
    }
    assert!(found.len() >= 6, "{host:?}: {}", found.len());
    found
}

fn kind(document: &Json) -> String {
    let text = |member: &str| document[member].as_str().unwrap().to_owned();
    format!("{} {}", text("apiVersion"), text("kind"))
}

/// With one member of every mapping below `spec` under another name.
fn bent(document: &Json) -> Json {
    let mut bent = document.clone();
    let spec = bent["spec"].as_object_mut().unwrap();
    let (name, value) = spec
        .iter()
        .next()
        .map(|(name, value)| (name.clone(), value.clone()))
        .unwrap();
    spec.remove(&name);
    spec.insert(format!("{name}X"), value);
    bent
}

/// A schema, with another one that it may refer to by its own address.
fn compiled(schema: Json, other: Option<Json>) -> impl Fn(&Json) -> Result<(), String> + use<> {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.set_default_draft(boon::Draft::V4);
    compiler
        .add_resource("https://kubernetes.io/api/it.json", schema)
        .unwrap();
    if let Some(other) = other {
        compiler.add_resource(DEFINITIONS, other).unwrap();
    }
    let index = compiler
        .compile("https://kubernetes.io/api/it.json", &mut schemas)
        .unwrap();
    move |json| {
        let judged = schemas.validate(json, index);
        judged.map_err(|error| format!("{error:#}"))
    }
}

/// What every one of Kubernetes' schemas refers to.
const DEFINITIONS: &str = "https://kubernetes.io/api/_definitions.json";

fn read(path: &Path) -> Json {
    let text = std::fs::read_to_string(path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Kubernetes' own schema of a kind, strict.
fn of_kubernetes(folder: &Path, document: &Json) -> impl Fn(&Json) -> Result<(), String> + use<> {
    let group = document["apiVersion"]
        .as_str()
        .unwrap()
        .replace(".k8s.io", "")
        .replace('/', "-");
    let name = format!(
        "{}-{group}.json",
        document["kind"].as_str().unwrap().to_lowercase()
    );
    let definitions = read(&folder.join("_definitions.json"));
    compiled(read(&folder.join(name)), Some(definitions))
}

#[test]
fn kubernetes_takes_what_is_rendered_for_it_and_refuses_it_bent() {
    let Some(package) = python_package(SCHEMAS) else {
        return;
    };
    let folder = package.join(format!(
        "kubernetes_validate/kubernetes-json-schema/{RELEASE}-local-strict"
    ));
    let mut kinds = BTreeSet::new();
    for document in rendered(Host::Kubernetes).into_iter().chain(kustomized()) {
        let judge = of_kubernetes(&folder, &document);
        judge(&document)
            .unwrap_or_else(|error| panic!("{}: {error}\n{document:#}", kind(&document)));
        if document.get("spec").is_some() && kinds.insert(kind(&document)) {
            assert!(judge(&bent(&document)).is_err(), "{}", kind(&document));
        }
    }
    let want = [
        "apps/v1 Deployment",
        "autoscaling/v2 HorizontalPodAutoscaler",
        "networking.k8s.io/v1 NetworkPolicy",
        "policy/v1 PodDisruptionBudget",
        "v1 Service",
    ];
    assert_eq!(kinds, want.map(ToOwned::to_owned).into());
}

/// The resources of the base for kustomize, and those that overlays add.
fn kustomized() -> Vec<Json> {
    let folder = Workspace::locate().unwrap().root.join("envoy/kubernetes");
    let mut found = Vec::new();
    for overlay in std::fs::read_dir(folder.join("overlays")).unwrap() {
        let overlay = overlay.unwrap().path();
        let root = yaml(&overlay.join("kustomization.yaml"));
        let named = |list: &Json| list.as_array().unwrap().clone();
        for resource in named(&root["resources"]) {
            let path = overlay.join(resource.as_str().unwrap());
            match path.is_dir() {
                true => {
                    for resource in named(&yaml(&path.join("kustomization.yaml"))["resources"]) {
                        found.push(yaml(&path.join(resource.as_str().unwrap())));
                    }
                }
                false => found.push(yaml(&path)),
            }
        }
        for file in named(&root["configMapGenerator"][0]["files"]) {
            assert!(overlay.join(file.as_str().unwrap()).is_file());
        }
        // What is patched is there, and what is added to it belongs together.
        let patch = yaml(&overlay.join(root["patches"][0]["path"].as_str().unwrap()));
        let same = |one: &Json| {
            kind(one) == kind(&patch) && one["metadata"]["name"] == patch["metadata"]["name"]
        };
        assert!(found.iter().any(same));
        let pod = &patch["spec"]["template"]["spec"];
        let count = |list: &Json| list.as_array().unwrap().len();
        assert_eq!(
            count(&pod["volumes"]),
            count(&pod["containers"][0]["volumeMounts"])
        );
    }
    assert!(found.len() >= 30, "{}", found.len());
    found
}

fn yaml(path: &Path) -> Json {
    let text = std::fs::read_to_string(path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Node::parse(&text).unwrap().to_json()
}

/// The definitions' schemas by version and kind, strict: what they do not name is refused.
fn definitions(folder: &Path) -> BTreeMap<String, Json> {
    let mut found = BTreeMap::new();
    for file in [
        "istio-crds.yaml",
        "envoy-gateway-envoyextensionpolicies.yaml",
    ] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        for document in Node::documents(&text).unwrap() {
            let definition = document.to_json();
            if definition["kind"] != "CustomResourceDefinition" {
                continue;
            }
            let spec = &definition["spec"];
            for version in spec["versions"].as_array().unwrap() {
                let mut schema = version["schema"]["openAPIV3Schema"].clone();
                for name in ["apiVersion", "kind", "metadata"] {
                    schema["properties"][name] = json!({});
                }
                strict(&mut schema);
                let kind = format!(
                    "{}/{} {}",
                    spec["group"].as_str().unwrap(),
                    version["name"].as_str().unwrap(),
                    spec["names"]["kind"].as_str().unwrap()
                );
                found.insert(kind, schema);
            }
        }
    }
    found
}

fn strict(schema: &mut Json) {
    match schema {
        Json::Object(members) => {
            let open = members.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
            if members.get("properties").is_some_and(Json::is_object) && !open {
                members
                    .entry("additionalProperties")
                    .or_insert(json!(false));
            }
            members.values_mut().for_each(strict);
        }
        Json::Array(items) => items.iter_mut().for_each(strict),
        _ => {}
    }
}

#[test]
fn istio_and_envoy_gateway_take_what_is_rendered_for_them_and_refuse_it_bent() {
    let Some(folder) = folder("k8s") else {
        return;
    };
    let definitions = definitions(&folder);
    let mut kinds = BTreeSet::new();
    for host in [Host::Istio, Host::EnvoyGateway] {
        for document in rendered(host) {
            let kind = kind(&document);
            let Some(schema) = definitions.get(&kind) else {
                continue;
            };
            let judge = compiled(schema.clone(), None);
            judge(&document).unwrap_or_else(|error| panic!("{kind}: {error}\n{document:#}"));
            assert!(judge(&bent(&document)).is_err(), "{kind}");
            kinds.insert(kind);
        }
    }
    let want = [
        "extensions.istio.io/v1alpha1 WasmPlugin",
        "gateway.envoyproxy.io/v1alpha1 EnvoyExtensionPolicy",
        "networking.istio.io/v1alpha3 EnvoyFilter",
    ];
    assert_eq!(kinds, want.map(ToOwned::to_owned).into());
}
