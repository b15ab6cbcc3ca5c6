//! What hosts take, stated again from their sources, over what skopeo has fetched.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value as Json;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const SOLO_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";

fn manifest(folder: &Path) -> Json {
    let text = std::fs::read(folder.join("manifest.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn layers(manifest: &Json) -> &[Json] {
    manifest["layers"].as_array().map_or(&[], Vec::as_slice)
}

fn blob(folder: &Path, layer: &Json) -> Vec<u8> {
    let digest = layer["digest"].as_str().unwrap();
    std::fs::read(folder.join(digest.strip_prefix("sha256:").unwrap())).unwrap()
}

/// The first file of that name, in whatever folder (`extractWasmPluginBinary`).
fn from_archive(folder: &Path, layer: &Json) -> Result<Vec<u8>, String> {
    let digest = layer["digest"].as_str().unwrap();
    let file = folder.join(digest.strip_prefix("sha256:").unwrap());
    let tar = |arguments: &[&str]| {
        let output = Command::new("tar")
            .arg("-zf")
            .arg(&file)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let names = String::from_utf8(tar(&["-t"])).unwrap();
    let name = names
        .lines()
        .find(|name| name.rsplit('/').next() == Some("plugin.wasm"));
    let name = name.ok_or("plugin.wasm not found in the archive")?;
    Ok(tar(&["-xO", name]))
}

/// Istio's agent and Envoy Gateway (istio/istio, pkg/wasm/imagefetcher.go).
pub fn istio(folder: &Path) -> Result<Vec<u8>, String> {
    let manifest = manifest(folder);
    let layers = layers(&manifest);
    let last = layers.last().ok_or("no layers")?;
    if manifest["mediaType"] == DOCKER_MANIFEST {
        return match last["mediaType"] == DOCKER_LAYER {
            true => from_archive(folder, last),
            false => Err("invalid media type of the last layer".to_owned()),
        };
    }
    if last["mediaType"] == OCI_LAYER {
        return from_archive(folder, last);
    }
    if layers.len() != 2 {
        return Err(format!(
            "number of layers must be 2 but got {}",
            layers.len()
        ));
    }
    let module = layers.iter().find(|layer| layer["mediaType"] == SOLO_LAYER);
    module
        .map(|layer| blob(folder, layer))
        .ok_or_else(|| format!("no layer of type {SOLO_LAYER}"))
}

/// Higress: an archive last; what comes before it describes the plugin, and need not be there.
pub fn higress(folder: &Path) -> Result<Vec<u8>, String> {
    let manifest = manifest(folder);
    let (last, before) = layers(&manifest).split_last().ok_or("no layers")?;
    let describes = |layer: &Json| {
        let media_type = layer["mediaType"].as_str().unwrap();
        media_type.starts_with("application/vnd.module.wasm.spec.v1")
            || media_type.starts_with("application/vnd.module.wasm.doc.v1")
    };
    if last["mediaType"] != OCI_LAYER || !before.iter().all(describes) {
        return Err("the last layer is no archive".to_owned());
    }
    from_archive(folder, last)
}

/// wkg and the hosts of the CNCF's form (TAG Runtime, Wasm OCI Artifact): one layer, and a config
/// that names it.
pub fn cncf(folder: &Path) -> Result<Vec<u8>, String> {
    let manifest = manifest(folder);
    let [layer] = layers(&manifest) else {
        return Err("more than one layer".to_owned());
    };
    if layer["mediaType"] != "application/wasm"
        || manifest["config"]["mediaType"] != "application/vnd.wasm.config.v0+json"
    {
        return Err("another media type".to_owned());
    }
    let config: Json = serde_json::from_slice(&blob(folder, &manifest["config"])).unwrap();
    let names_it = config["layerDigests"] == serde_json::json!([layer["digest"]]);
    let complete = config["architecture"] == "wasm"
        && config["os"] == "wasip1"
        && config["created"].is_string();
    match names_it && complete {
        true => Ok(blob(folder, layer)),
        false => Err(format!("a config that is not complete: {config}")),
    }
}
