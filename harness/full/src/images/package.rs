//! What belongs to a module in a registry: the form for Kong or nginx, schema, README, licence, and
//! what is said of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use modelgate_cli::SUITE;
use modelgate_cli::build::{Artifact, TARGET, Workspace};
use modelgate_cli::inspect::Module;
use modelgate_cli::sbom::Subject;
use modelgate_cli::{provenance, sbom};
use modelgate_oci::{Attachment, Package, media};
use modelgate_scenario::catalogue::file_name;
use serde_json::Value as Json;

/// When everything was made that says no time (the beginning of Unix's): a clock's would give other
/// digests with each push.
const NO_TIME: &str = "1970-01-01T00:00:00Z";

/// The package of the module of the crate `name`, as it was built.
///
/// # Errors
/// If something that belongs to it cannot be read.
pub(super) fn of(
    workspace: &Workspace,
    name: &str,
    artifact: &Artifact,
    source: Option<&str>,
    revision: Option<&str>,
) -> Result<Package> {
    let wasm = read(&artifact.path)?;
    let module = Module::read(&wasm).map_err(|error| anyhow::anyhow!("{name} {error}"))?;
    let version = module.version().unwrap_or_default().to_owned();
    let subject = Subject {
        krate: name,
        file: &file_name(name),
        target: TARGET,
        version: &version,
        sha256: &artifact.sha256,
    };
    let bill = sbom::of(workspace, subject)?;
    let statement = provenance::of(workspace, subject, source, revision)?;
    let attachment = |media_type, ending: &str, content: &Json| -> Result<Attachment> {
        Ok(Attachment {
            media_type,
            title: format!("{name}.{ending}"),
            content: serde_json::to_vec(content)?,
        })
    };
    Ok(Package {
        wasm,
        files: files(workspace, name)?,
        root_ids: module
            .filters
            .iter()
            .map(|filter| filter.name.clone())
            .collect(),
        abi: module.abi.clone(),
        created: NO_TIME.to_owned(),
        annotations: annotations(workspace, name, &module, source, revision)?,
        attachments: vec![
            attachment(media::CYCLONEDX, "cdx.json", &bill)?,
            attachment(media::IN_TOTO, "provenance.json", &statement)?,
        ],
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

/// What lies beside the module, in the order in which it is packed.
fn files(workspace: &Workspace, name: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let member = SUITE.member(name);
    let schema = match member {
        Some(member) => (member.filter.schema)(),
        None => SUITE.chain_schema(),
    };
    let readme = workspace.root.join("plugins").join(name).join("README.md");
    let mut files = vec![
        (
            "config.schema.json".to_owned(),
            serde_json::to_vec_pretty(&schema)?,
        ),
        ("README.md".to_owned(), read(&readme)?),
        ("LICENSE".to_owned(), read(&workspace.root.join("LICENSE"))?),
    ];
    let second = workspace.second_host_path(name);
    let host = if member.is_some() { "kong" } else { "nginx" };
    let mut beside = vec![second.clone()];
    if member.is_some() {
        beside.push(second.with_extension("meta.json"));
    }
    for path in beside {
        let file = path.file_name().and_then(|file| file.to_str());
        let file = file.context("a file without a name")?;
        files.push((format!("{host}/{file}"), read(&path)?));
    }
    Ok(files)
}

/// image-spec, annotations.md.
fn annotations(
    workspace: &Workspace,
    name: &str,
    module: &Module,
    source: Option<&str>,
    revision: Option<&str>,
) -> Result<BTreeMap<String, String>> {
    let description = description(workspace, name)?;
    let described = |key: &str| module.described.get(key).cloned();
    let said = [
        ("title", Some(name.to_owned())),
        ("description", Some(description)),
        ("version", described("version")),
        ("licenses", described("licenses")),
        ("vendor", Some("modelgate".to_owned())),
        ("source", source.map(str::to_owned)),
        ("revision", revision.map(str::to_owned)),
    ];
    let annotation = |(key, value): (&str, Option<String>)| {
        Some((format!("org.opencontainers.image.{key}"), value?))
    };
    Ok(said.into_iter().filter_map(annotation).collect())
}

/// The first sentence of a module's README, behind its title.
fn description(workspace: &Workspace, name: &str) -> Result<String> {
    let readme = workspace.root.join("plugins").join(name).join("README.md");
    let text = fs::read_to_string(&readme).with_context(|| readme.display().to_string())?;
    let mut paragraphs = text.split("\n\n").map(str::trim);
    let prose = |paragraph: &&str| {
        !paragraph.is_empty() && !paragraph.starts_with(['#', '<', '|', '`', '['])
    };
    let first = paragraphs.find(prose).context("a README without text")?;
    let first = first.replace('\n', " ").replace(['`', '*'], "");
    Ok(match first.split_once(". ") {
        Some((sentence, _)) => format!("{sentence}."),
        None => first,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_is_described_by_a_sentence() {
        let workspace = Workspace::locate().unwrap();
        for name in SUITE.modules() {
            let description = description(&workspace, name).unwrap();
            let length = description.chars().count();
            assert!((20..300).contains(&length), "{name}: {description}");
            assert!(description.ends_with(['.', ':']), "{name}: {description}");
        }
    }
}
