//! The filters in OCI registries: `modelgate push`, `modelgate pull`, and what `modelgate inspect`
//! says of an image.

mod fetch;
mod helper;
mod package;
mod release;
mod sign;

pub use fetch::{inspect, pull};

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use modelgate_cli::SUITE;
use modelgate_cli::build::{Artifact, Profile, Workspace, build};
use modelgate_cli::command::progress::Progress;
use modelgate_cli::command::push::{Arguments, Format};
use modelgate_cli::inspect::VERSION;
use modelgate_cli::provenance;
use modelgate_oci::forms::{Made, make};
use modelgate_oci::{Credentials, Layout, Options, Package, Pushed, Registry, Repository, push};
use serde_json::{Value as Json, json};

use release::Release;

/// A module that was pushed.
struct Done {
    repository: Repository,
    image: String,
    module: String,
    tags: Vec<Pushed>,
}

/// Pushes; see [`Arguments`].
///
/// # Errors
/// If a module cannot be built, or the registry refuses something.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (prefix, tag) = Repository::parse(&arguments.to)?;
    let names = named(&arguments.filters)?;
    let packages = match &arguments.release {
        Some(folder) => released(folder, &names, arguments.source.as_deref())?,
        None => built(&names, arguments.source.as_deref())?,
    };
    let tag = tag.unwrap_or_else(|| version(&packages).to_owned());
    let credentials = match arguments.dry_run {
        Some(_) => None,
        None => Credentials::find(&prefix.registry, &helper::ask)?,
    };
    let mut all = Vec::new();
    for (name, package) in names.iter().zip(&packages) {
        all.push((*name, make(package, &tag, arguments.index)?));
    }
    let pieces = |(_, made): &(_, Made)| made.blobs.len().saturating_add(made.manifests.len());
    let mut progress = Progress::new(all.iter().map(pieces).sum());
    let mut known = BTreeMap::new();
    let mut done = Vec::new();
    for (name, made) in &all {
        let repository = prefix.below(name)?;
        let tags = match &arguments.dry_run {
            Some(folder) => write(&folder.join(name), made)?,
            None => {
                let registry = Registry::open(
                    &repository,
                    arguments.plain_http,
                    credentials.as_ref(),
                    true,
                )?;
                let mut options = Options {
                    overwrite: arguments.overwrite,
                    progress: &mut |what| progress.step(what),
                    known: &mut known,
                };
                push(&registry, &repository, made, &mut options)?
            }
        };
        done.push(Done {
            repository,
            image: made.image.hex().to_owned(),
            module: made.module.hex().to_owned(),
            tags,
        });
    }
    progress.clear();
    match arguments.format {
        Format::Text => print!("{}", text(&done, arguments.dry_run.as_deref())),
        Format::Json => println!("{:#}", as_json(&done)),
    }
    if arguments.sign {
        return sign::sign(&done, arguments.dry_run.is_none());
    }
    Ok(ExitCode::SUCCESS)
}

/// The modules, built from the sources.
fn built(names: &[&str], source: Option<&str>) -> Result<Vec<Package>> {
    let workspace = Workspace::locate()?;
    let artifacts = build(&workspace, names, Profile::Release)?;
    let revision = provenance::revision(&workspace);
    if revision.is_none() {
        eprintln!("the sources are not those of a commit: images say no revision");
    }
    let package = |(name, artifact): (&&str, &Artifact)| {
        package::built(&workspace, name, artifact, source, revision.as_deref())
    };
    names.iter().zip(&artifacts).map(package).collect()
}

/// The version of the modules.
fn version(packages: &[Package]) -> &str {
    let annotations = packages.first().map(|package| &package.annotations);
    let version = annotations.and_then(|said| said.get("org.opencontainers.image.version"));
    version.map_or(VERSION, String::as_str)
}

/// The modules of a release.
fn released(folder: &Path, names: &[&str], source: Option<&str>) -> Result<Vec<Package>> {
    let release = Release::open(folder)?;
    let package = |name: &&str| package::released(&release, name, source);
    names.iter().map(package).collect()
}

/// The modules by their crates' names; all of them if none is named.
fn named(filters: &[String]) -> Result<Vec<&'static str>> {
    let mut names = SUITE.modules();
    for filter in filters {
        ensure!(
            names.contains(&filter.replace('_', "-").as_str()),
            "{filter} is none of: {}",
            names.join(", ")
        );
    }
    if !filters.is_empty() {
        names.retain(|name| {
            filters
                .iter()
                .any(|filter| filter.replace('_', "-") == *name)
        });
    }
    Ok(names)
}

fn write(folder: &Path, made: &Made) -> Result<Vec<Pushed>> {
    let layout = Layout::write(folder, made)?;
    // As it will be read.
    let mut tags = Vec::new();
    for manifest in &made.manifests {
        let Some(tag) = &manifest.tag else { continue };
        let wanted = modelgate_oci::Wanted::Tag(tag.clone());
        let found = modelgate_oci::read::find(&layout, &wanted)?;
        made.module
            .verify("the module that was written", &found.wasm)?;
        tags.push(Pushed {
            what: manifest.what.clone(),
            tag: tag.clone(),
            digest: manifest.digest.clone(),
            unchanged: false,
        });
    }
    Ok(tags)
}

fn text(done: &[Done], dry_run: Option<&Path>) -> String {
    let mut text = String::new();
    for module in done {
        text.push_str(&format!("{}\n", module.repository));
        for tag in &module.tags {
            let state = match (dry_run, tag.unchanged) {
                (Some(_), _) => "written",
                (None, true) => "unchanged",
                (None, false) => "pushed",
            };
            text.push_str(&format!(
                "  {:<14} :{:<16} {}  {state}\n",
                tag.what, tag.tag, tag.digest
            ));
        }
        text.push_str(&format!(
            "  {:<14}  {:<16} sha256:{}\n",
            "module", "", module.module
        ));
        text.push_str(&format!("  WasmPlugin     sha256: \"{}\"\n", module.image));
    }
    text
}

fn as_json(done: &[Done]) -> Json {
    let modules = done.iter().map(|module| {
        let tags = module.tags.iter().map(|tag| {
            json!({ "form": tag.what, "tag": tag.tag, "digest": tag.digest.as_str(), "unchanged": tag.unchanged })
        });
        json!({
            "repository": module.repository.to_string(),
            "module_sha256": module.module,
            "image_sha256": module.image,
            "tags": tags.collect::<Vec<_>>(),
        })
    });
    json!({ "modules": modules.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_named_as_crates_or_modules() {
        assert_eq!(
            named(&["jwt_auth".into(), "modelgate".into()]).unwrap(),
            ["jwt-auth", "modelgate"]
        );
        assert_eq!(named(&[]).unwrap(), SUITE.modules());
        let error = named(&["jwt".into()]).unwrap_err().to_string();
        assert!(error.starts_with("jwt is none of: "), "{error}");
    }
}
