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

use super::release::Release;

/// When everything was made that says no time (the beginning of Unix's): a clock's would give other
/// digests with each push.
const NO_TIME: &str = "1970-01-01T00:00:00Z";
const LICENCE: &str = "LICENSE";

/// A module and what lies beside it, wherever it comes from.
struct Content {
    wasm: Vec<u8>,
    schema: Vec<u8>,
    readme: Vec<u8>,
    licence: Vec<u8>,
    /// The module for a host that is not Envoy, and what that host reads beside it: names and
    /// contents.
    second: Vec<(String, Vec<u8>)>,
    bill: Json,
    statement: Json,
    source: Option<String>,
    revision: Option<String>,
}

/// The package of the module of the crate `name`, as it was built.
///
/// # Errors
/// If something that belongs to it cannot be read.
pub(super) fn built(
    workspace: &Workspace,
    name: &str,
    artifact: &Artifact,
    source: Option<&str>,
    revision: Option<&str>,
) -> Result<Package> {
    let wasm = read(&artifact.path)?;
    let module = Module::read(&wasm).map_err(|error| anyhow::anyhow!("{name} {error}"))?;
    let subject = Subject {
        krate: name,
        file: &file_name(name),
        target: TARGET,
        version: module.version().unwrap_or_default(),
        sha256: &artifact.sha256,
    };
    let path = workspace.second_host_path(name);
    let file = path.file_name().and_then(|file| file.to_str());
    let file = file.context("a file without a name")?;
    let mut second = vec![(second_host(name, file), read(&path)?)];
    if SUITE.member(name).is_some() {
        let meta = second_host(name, &meta_name(name));
        second.push((meta, read(&path.with_extension("meta.json"))?));
    }
    of(
        name,
        &module,
        Content {
            schema: serde_json::to_vec_pretty(&schema(name))?,
            readme: read(&workspace.root.join(readme_path(name)))?,
            licence: read(&workspace.root.join(LICENCE))?,
            second,
            bill: sbom::of(workspace, subject)?,
            statement: provenance::of(workspace, subject, source, revision)?,
            source: source.map(str::to_owned),
            revision: revision.map(str::to_owned),
            wasm,
        },
    )
}

/// The package of the module of the crate `name`, as a release has it. `source` is where the
/// sources are, where the release does not say so.
///
/// # Errors
/// If something that belongs to it is missing, or is not what the release's list of checksums says.
pub(super) fn released(release: &Release, name: &str, source: Option<&str>) -> Result<Package> {
    let file = file_name(name);
    let wasm = release.file(&format!("filters/{file}"))?;
    let module = Module::read(&wasm).map_err(|error| anyhow::anyhow!("{name} {error}"))?;
    let mut beside = vec![second_host(name, &file)];
    if SUITE.member(name).is_some() {
        beside.push(second_host(name, &meta_name(name)));
    }
    let second = beside
        .into_iter()
        .map(|path| Ok((path.clone(), release.file(&format!("filters/{path}"))?)))
        .collect::<Result<_>>()?;
    let statement = release.json(&format!("provenance/{file}.json"))?;
    let (known_source, revision) = provenance::sources(&statement);
    // What the program would write itself, without the last line's end.
    let mut schema = release.file(&format!("schemas/{}", schema_name(name)))?;
    if schema.last() == Some(&b'\n') {
        schema.pop();
    }
    of(
        name,
        &module,
        Content {
            schema,
            readme: release.file(&readme_path(name))?,
            licence: release.file(LICENCE)?,
            second,
            bill: release.json(&format!("sbom/{file}.cdx.json"))?,
            source: known_source.or_else(|| source.map(str::to_owned)),
            statement,
            revision,
            wasm,
        },
    )
}

fn of(name: &str, module: &Module, content: Content) -> Result<Package> {
    let attachment = |media_type, ending: &str, content: &Json| -> Result<Attachment> {
        Ok(Attachment {
            media_type,
            title: format!("{name}.{ending}"),
            content: serde_json::to_vec(content)?,
        })
    };
    let attachments = vec![
        attachment(media::CYCLONEDX, "cdx.json", &content.bill)?,
        attachment(media::IN_TOTO, "provenance.json", &content.statement)?,
    ];
    let annotations = annotations(name, module, &content)?;
    // In the order in which they are packed.
    let mut files = vec![
        ("config.schema.json".to_owned(), content.schema),
        ("README.md".to_owned(), content.readme),
        (LICENCE.to_owned(), content.licence),
    ];
    files.extend(content.second);
    Ok(Package {
        files,
        wasm: content.wasm,
        root_ids: module
            .filters
            .iter()
            .map(|filter| filter.name.clone())
            .collect(),
        abi: module.abi.clone(),
        created: NO_TIME.to_owned(),
        annotations,
        attachments,
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

fn schema(name: &str) -> Json {
    match SUITE.member(name) {
        Some(member) => (member.filter.schema)(),
        None => SUITE.chain_schema(),
    }
}

/// What `modelgate generate` calls the schema.
fn schema_name(name: &str) -> String {
    match SUITE.member(name) {
        Some(member) => format!("{}.schema.json", member.filter.name),
        None => "chain.schema.json".to_owned(),
    }
}

fn readme_path(name: &str) -> String {
    format!("plugins/{name}/README.md")
}

fn meta_name(name: &str) -> String {
    file_name(name).replace(".wasm", ".meta.json")
}

/// Where a file for a host that is not Envoy lies.
fn second_host(name: &str, file: &str) -> String {
    match SUITE.member(name) {
        Some(_) => format!("kong/{file}"),
        None => format!("nginx/{file}"),
    }
}

/// image-spec, annotations.md.
fn annotations(name: &str, module: &Module, content: &Content) -> Result<BTreeMap<String, String>> {
    let description = description(&String::from_utf8_lossy(&content.readme))?;
    let described = |key: &str| module.described.get(key).cloned();
    let said = [
        ("title", Some(name.to_owned())),
        ("description", Some(description)),
        ("version", described("version")),
        ("licenses", described("licenses")),
        ("vendor", Some("modelgate".to_owned())),
        ("source", content.source.clone()),
        ("revision", content.revision.clone()),
    ];
    let annotation = |(key, value): (&str, Option<String>)| {
        Some((format!("org.opencontainers.image.{key}"), value?))
    };
    Ok(said.into_iter().filter_map(annotation).collect())
}

/// The first sentence of a module's README, behind its title.
fn description(readme: &str) -> Result<String> {
    let mut paragraphs = readme.split("\n\n").map(str::trim);
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
            let readme = fs::read_to_string(workspace.root.join(readme_path(name))).unwrap();
            let description = description(&readme).unwrap();
            let length = description.chars().count();
            assert!((20..300).contains(&length), "{name}: {description}");
            assert!(description.ends_with(['.', ':']), "{name}: {description}");
        }
    }
}
