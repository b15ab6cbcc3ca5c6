//! Bases and overlays of kustomize, from the gateway files that users copy.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use located_yaml::{Node, write};
use serde_json::Value as Json;

use super::Generated;
use crate::gateway::{self, Host, Meaning};

/// Where they are, below the root.
const FOLDER: &str = "envoy/kubernetes";
/// The gateway files.
const GATEWAYS: &str = "envoy/gateways";

/// Every file.
///
/// # Errors
/// If a gateway file cannot be read, or is wrong.
pub(super) fn files(root: &Path) -> Result<Vec<Generated>> {
    let mut files = Vec::new();
    for (name, value) in gateway::base() {
        files.push(file(&format!("base/{name}"), "", &value));
    }
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(root.join(GATEWAYS)).context(GATEWAYS)? {
        paths.push(Path::new(GATEWAYS).join(entry?.file_name()));
    }
    paths.sort();
    for path in paths {
        let meaning = meaning(root, &path, Host::Kubernetes)?;
        let shown = path.display().to_string();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        for (file_name, value) in gateway::overlay(&meaning) {
            let place = format!("overlays/{name}/{file_name}");
            files.push(file(&place, &format!(" from {shown}"), &value));
        }
        let below = format!("../../overlays/{name}");
        for (file_name, value) in gateway::overlay_without_image_volumes(&meaning, &below) {
            let place = format!("init-container/{name}/{file_name}");
            files.push(file(&place, &format!(" from {shown}"), &value));
        }
    }
    Ok(files)
}

/// What a gateway file below the root means.
pub(super) fn meaning(root: &Path, path: &Path, host: Host) -> Result<Meaning> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(root.join(path)).context(shown.clone())?;
    let node = Node::parse(&text).context(shown.clone())?;
    gateway::read(&node, host).map_err(|problems| match problems.first() {
        Some(problem) => anyhow!("{shown}:{problem}"),
        None => anyhow!("{shown} is wrong"),
    })
}

fn file(place: &str, from: &str, value: &Json) -> Generated {
    let path: PathBuf = Path::new(FOLDER).join(place);
    let content = format!(
        "# Made by `cargo modelgate generate`{from}.\n{}",
        write::document(value)
    );
    Generated { path, content }
}
