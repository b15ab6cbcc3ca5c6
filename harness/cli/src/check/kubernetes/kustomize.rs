//! Kustomizations: the files that they put together are there. What is in them is checked file by
//! file.

use std::path::Path;

use super::super::codes;
use super::super::entry::text;
use super::super::finding::Finding;
use located_yaml::Node;
use modelgate_kit::config::strict::nearest;

/// Lists of files and folders.
const LISTS: [&str; 7] = [
    "resources",
    "components",
    "bases",
    "crds",
    "configurations",
    "generators",
    "transformers",
];
/// What else stands at the top.
const OTHERS: [&str; 24] = [
    "apiVersion",
    "kind",
    "metadata",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "labels",
    "commonLabels",
    "commonAnnotations",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "images",
    "replicas",
    "replacements",
    "vars",
    "validators",
    "openapi",
    "helmCharts",
    "helmGlobals",
    "buildMetadata",
];

/// Whether a resource is a kustomization.
pub(in super::super) fn is_one(resource: &Node) -> bool {
    matches!(
        text(resource, &["kind"]),
        Some("Kustomization" | "Component")
    ) && text(resource, &["apiVersion"])
        .is_some_and(|version| version.starts_with("kustomize.config.k8s.io/"))
}

/// Checks one that stands in this folder, if it is known.
pub(in super::super) fn check(resource: &Node, folder: Option<&Path>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let known: Vec<&str> = LISTS.iter().chain(&OTHERS).copied().collect();
    for (key, _) in resource.members() {
        if known.contains(&key.text.as_str()) {
            continue;
        }
        let hint = match nearest(&key.text, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => String::new(),
        };
        findings.push(Finding::new(
            &codes::UNKNOWN_FIELD,
            key.place,
            "Kustomization",
            format!("`{}` is no field of a Kustomization", key.text),
            hint,
        ));
    }
    let Some(folder) = folder else {
        return findings;
    };
    for file in files(resource) {
        let name = file.text().unwrap_or_default();
        // `KEY=FILE` gives a file another name.
        let path = name.split_once('=').map_or(name, |(_, path)| path);
        let remote = path.contains("://") || path.contains("?ref=") || path.starts_with("git@");
        let written = path.contains('\n') || path.is_empty();
        if remote || written || folder.join(path).exists() || is_repository(path) {
            continue;
        }
        findings.push(Finding::new(
            &codes::MISSING_FILE,
            file.place,
            "Kustomization",
            format!("the file {path} is not here"),
            beside(folder, path),
        ));
    }
    findings
}

/// `github.com/owner/repository/folder` without a scheme.
fn is_repository(path: &str) -> bool {
    let host = path.split('/').next().unwrap_or_default();
    host.contains('.') && !host.starts_with('.') && path.matches('/').count() >= 2
}

/// The files that one names.
fn files(resource: &Node) -> Vec<&Node> {
    let items = |name: &str| resource.member(name).map(Node::items).unwrap_or_default();
    let mut files: Vec<&Node> = LISTS.iter().flat_map(|list| items(list)).collect();
    files.extend(items("patchesStrategicMerge"));
    for generator in ["configMapGenerator", "secretGenerator"] {
        for generated in items(generator) {
            for list in ["files", "envs"] {
                files.extend(generated.member(list).map(Node::items).unwrap_or_default());
            }
        }
    }
    for patches in ["patches", "patchesJson6902", "replacements"] {
        files.extend(
            items(patches)
                .iter()
                .filter_map(|patch| patch.member("path")),
        );
    }
    files
}

/// The file whose name is nearest.
fn beside(folder: &Path, path: &str) -> String {
    let whole = folder.join(path);
    let entries = whole
        .parent()
        .and_then(|parent| std::fs::read_dir(parent).ok());
    let names: Vec<String> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let wanted = path.rsplit('/').next().unwrap_or(path);
    match nearest(wanted, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "correct the path, which is relative to the kustomization".to_owned(),
    }
}
