//! The gateway file: one file that says what is meant, and writers that say it to each host.
//!
//! [`read`] makes of a file (`file.rs`) what it means (`meaning.rs`), in the filters' own words;
//! what these say of their settings, `modelgate check` tells. Each writer makes a host's own files
//! of that, as values, never as text.

mod chosen;
mod envoy;
mod envoy_gateway;
mod file;
mod higress;
mod host;
mod init_container;
mod istio;
mod kong;
mod kubernetes;
mod kustomize;
mod meaning;
mod metrics;
mod objects;
mod pieces;
mod protocol;
mod schema;
mod servers;
mod settings;
mod upstream;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use located_yaml::{Node, write};
use modelgate_envoy::config::adapt::discovered;
use serde_json::Value as Json;

use crate::build::native::Form;
use crate::needs::holds_headers;
pub(crate) use envoy::{access_log, cluster, stats, switched_off, written};
use file::Modules;
pub use host::Host;
pub use meaning::{Filter, Meaning, read};
pub(crate) use pieces::{put, router, typed};
pub(crate) use settings::regional;
pub(crate) use upstream::Upstream;

/// A filter's entry in a chain of Envoy's.
pub fn entry(filter: &Filter) -> Json {
    envoy::entry(filter, &envoy::file(filter))
}

/// Whether a document is a gateway file.
pub fn is_gateway(document: &Node) -> bool {
    let kind = |backend: &Node| backend.member("kind").is_some();
    document.member("backend").is_some_and(kind) && document.member("apiVersion").is_none()
}

/// The Envoy configuration in a file, or the one that a gateway file means to this host; and the
/// files with filters and secrets that it names, which were put in.
///
/// # Errors
/// If it cannot be read, or something is wrong with the gateway file.
pub fn bootstrap(file: &Path, host: Host) -> Result<(Json, Vec<PathBuf>)> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| shown.to_string())?;
    let root = Node::parse(&text).with_context(|| format!("{shown} is not YAML"))?;
    let mut bootstrap = match is_gateway(&root) {
        true => meant(&root, host).with_context(|| shown.to_string())?,
        false => root.to_json(),
    };
    let put = discovered::put_in(&mut bootstrap, file.parent());
    Ok((bootstrap, put.with_context(|| shown.to_string())?))
}

/// What a gateway file means to a host.
fn meant(root: &Node, host: Host) -> Result<Json> {
    let meaning = read(root, host).map_err(|problems| {
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow!("{}", said.join("\n"))
    })?;
    let documents = documents(&meaning, host).into_iter().next();
    documents.context("it means nothing")
}

/// The JSON Schema of a gateway file, for editors.
pub fn schema() -> Json {
    schema::of::<file::Gateway>()
}

/// The host's files, as one text: documents of YAML.
pub fn render(meaning: &Meaning, host: Host) -> String {
    write::documents(&documents(meaning, host))
}

/// The host's files as values.
pub fn documents(meaning: &Meaning, host: Host) -> Vec<Json> {
    // Without them a file was refused for a host that needs them.
    let fetched = |write: fn(&Meaning, &Modules) -> Vec<Json>| {
        let modules = meaning.modules.as_ref();
        modules.map_or_else(Vec::new, |modules| write(meaning, modules))
    };
    match host {
        Host::Envoy => vec![envoy::bootstrap(meaning, Form::Wasm)],
        Host::EnvoyNative => vec![envoy::bootstrap(meaning, Form::Native)],
        Host::Kubernetes => fetched(kubernetes::resources),
        Host::Istio => fetched(istio::resources),
        Host::EnvoyGateway => fetched(envoy_gateway::resources),
        Host::Higress => fetched(higress::resources),
        Host::Kong => vec![kong::declarative(meaning)],
    }
}

/// The files of a base for kustomize, by their names.
pub fn base() -> Vec<(String, Json)> {
    kustomize::base()
}

/// The files of the overlay that makes a gateway of that base.
pub fn overlay(meaning: &Meaning) -> Vec<(String, Json)> {
    let modules = meaning.modules.as_ref();
    modules.map_or_else(Vec::new, |modules| kustomize::overlay(meaning, modules))
}

/// The files of the overlay over that one, which is at `below`, for clusters without image volumes.
pub fn overlay_without_image_volumes(meaning: &Meaning, below: &str) -> Vec<(String, Json)> {
    let modules = meaning.modules.as_ref();
    modules.map_or_else(Vec::new, |modules| {
        kustomize::without_image_volumes(meaning, modules, below)
    })
}

/// What a host does not do of what is meant, and what has to be done besides.
pub fn notes(meaning: &Meaning, host: Host) -> Vec<String> {
    let mut notes = Vec::new();
    if !host.holds_headers() {
        for filter in &meaning.filters {
            if holds_headers(&filter.member, Some(&filter.config)) {
                notes.push(format!(
                    "{} may hold a request's headers until its body is there, which cannot be allowed on this host: use its mode without (plugins/{}/README.md)",
                    filter.member.krate, filter.member.krate
                ));
            }
        }
    }
    if !matches!(host, Host::Envoy | Host::EnvoyNative | Host::Kubernetes) {
        let open = meaning.protocol.ways.iter().filter(|way| way.open);
        notes.extend(open.map(|way| {
            let path = way.path.as_str();
            format!("{path} asks for a credential too: probes have to ask the server itself")
        }));
    }
    let outside = meaning.servers.iter().filter(|one| one.service().is_none());
    match host {
        Host::Envoy | Host::Kong => {}
        Host::EnvoyNative => notes.push("the library runs with Envoy's rights, on Envoy 1.38 or later (docs/native.md)".to_owned()),
        Host::Kubernetes => notes.push(format!("limits are counted by each pod; secrets are keys of the Secret {}", meaning.name)),
        Host::Istio => notes.push("refusals of unknown paths are Envoy's own; how paths are read, and how many proxies in front are trusted, is said to Istio (docs/kubernetes.md)".to_owned()),
        Host::EnvoyGateway => notes.push("EnvoyPatchPolicy must be enabled; after a crash a filter answers 503 until its proxy is restarted".to_owned()),
        Host::Higress => notes.extend(outside.map(|one| {
            format!(
                "add to McpBridge: {{ type: dns, name: {}, domain: {}, port: {}, protocol: {} }}",
                one.name, one.host, one.port, one.scheme()
            )
        })),
    }
    notes
}

#[cfg(test)]
mod tests;
