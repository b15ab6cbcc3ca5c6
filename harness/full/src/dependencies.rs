//! What the workspace is built from, and the rules of deny.toml for it: licences, banned crates,
//! versions that are left open, sources.
//!
//! The file is cargo-deny's, and is read as cargo-deny reads it; advisories are cargo-deny's alone.

mod licences;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use modelgate_cli::build::{Workspace, cargo};
use serde::Deserialize;

pub use licences::Licences;

/// Where packages may come from: cargo's own registry, by its two addresses.
const REGISTRY: [&str; 2] = [
    "registry+https://github.com/rust-lang/crates.io-index",
    "sparse+https://index.crates.io/",
];

/// A package, as `cargo metadata` knows it.
#[derive(Debug, Clone, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its release.
    pub version: String,
    /// Where its `Cargo.toml` is.
    pub manifest_path: PathBuf,
    /// Its licence, an SPDX expression.
    pub license: Option<String>,
    /// A file with its licence.
    pub license_file: Option<PathBuf>,
    /// Who has written it.
    #[serde(default)]
    pub authors: Vec<String>,
    /// Where it was fetched; nothing for those of the workspace.
    pub source: Option<String>,
    /// What it asks for.
    #[serde(default)]
    pub dependencies: Vec<Dependency>,
}

/// What a package asks for.
#[derive(Debug, Clone, Deserialize)]
pub struct Dependency {
    /// Its name.
    pub name: String,
    /// Which releases.
    pub req: String,
    /// Where it is in the workspace.
    pub path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// Every package that is compiled for the workspace's programs, modules and tests.
///
/// # Errors
/// If cargo cannot be asked.
pub fn packages(workspace: &Workspace) -> Result<Vec<Package>> {
    let output = cargo()
        .args(["metadata", "--locked", "--format-version", "1"])
        .current_dir(&workspace.root)
        .stdin(Stdio::null())
        .output()
        .context("starting cargo")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        complaint.trim()
    );
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    Ok(metadata.packages)
}

/// The rules.
#[derive(Debug)]
pub struct Rules {
    /// Which licences are accepted.
    pub licences: Licences,
    banned: Vec<String>,
    no_wildcards: bool,
    known_registries: bool,
    known_git: bool,
}

#[derive(Deserialize)]
struct File {
    licenses: licences::Section,
    #[serde(default)]
    bans: Bans,
    #[serde(default)]
    sources: Sources,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Bans {
    wildcards: String,
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Sources {
    unknown_registry: String,
    unknown_git: String,
}

impl Rules {
    /// Reads the text of deny.toml.
    ///
    /// # Errors
    /// If it is not understood.
    pub fn read(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).context("deny.toml")?;
        let denied = |level: &str| level == "deny";
        Ok(Self {
            licences: Licences::of(file.licenses)?,
            banned: file.bans.deny.into_iter().map(|it| it.name).collect(),
            no_wildcards: denied(&file.bans.wildcards),
            known_registries: denied(&file.sources.unknown_registry),
            known_git: denied(&file.sources.unknown_git),
        })
    }

    /// What breaks the rules, in order.
    pub fn broken(&self, packages: &[Package]) -> Vec<String> {
        let mut broken = Vec::new();
        for package in packages {
            let name = &package.name;
            let whole = format!("{name} {}", package.version);
            if self.banned.contains(name) {
                broken.push(format!("{whole} is banned by deny.toml"));
            }
            let Some(source) = &package.source else {
                broken.extend(self.open(package));
                continue;
            };
            if let Err(error) = self.licences.judge(name, package.license.as_deref()) {
                broken.push(format!("{error:#}"));
            }
            let git = source.starts_with("git+");
            if git && self.known_git {
                broken.push(format!("{whole} comes from a git repository"));
            }
            if !git && self.known_registries && !REGISTRY.contains(&source.as_str()) {
                broken.push(format!("{whole} comes from an unknown registry"));
            }
        }
        broken.sort();
        broken.dedup();
        broken
    }

    /// What a package of the workspace asks for in any release.
    fn open(&self, package: &Package) -> Vec<String> {
        let dependencies = package.dependencies.iter();
        let open =
            dependencies.filter(|it| self.no_wildcards && it.req == "*" && it.path.is_none());
        let said = |it: &Dependency| format!("{} takes any release of {}", package.name, it.name);
        open.map(said).collect()
    }
}

/// Packages by name and release.
pub fn by_name(packages: Vec<Package>) -> BTreeMap<(String, String), Package> {
    let named = packages
        .into_iter()
        .map(|package| ((package.name.clone(), package.version.clone()), package));
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: &str = "[licenses]\nallow = [\"MIT\"]\n[bans]\nwildcards = \"deny\"\ndeny = [{ name = \"openssl\" }]\n\
                        [sources]\nunknown-registry = \"deny\"\nunknown-git = \"deny\"\n";

    fn package(name: &str, licence: &str, source: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            manifest_path: PathBuf::new(),
            license: Some(licence.to_owned()),
            license_file: None,
            authors: Vec::new(),
            source: source.map(str::to_owned),
            dependencies: Vec::new(),
        }
    }

    #[test]
    fn each_rule_is_broken_by_what_it_is_for() {
        let [registry, sparse] = REGISTRY;
        let mut own = package("ours", "none of anybody's business", None);
        for (req, path) in [("*", None), ("*", Some("x")), ("1", None)] {
            own.dependencies.push(Dependency {
                name: format!("dependency-{}", own.dependencies.len()),
                req: req.to_owned(),
                path: path.map(PathBuf::from),
            });
        }
        let packages = [
            package("good", "MIT", Some(registry)),
            package("well", "MIT OR GPL-3.0-only", Some(sparse)),
            package("copyleft", "GPL-3.0-only", Some(registry)),
            package("openssl", "MIT", Some(registry)),
            package("forked", "MIT", Some("git+https://git.example/x#1")),
            package("elsewhere", "MIT", Some("registry+https://r.example")),
            own,
        ];
        assert_eq!(
            Rules::read(DENY).unwrap().broken(&packages),
            [
                "copyleft: the licence `GPL-3.0-only` is not among those that deny.toml allows",
                "elsewhere 1.0.0 comes from an unknown registry",
                "forked 1.0.0 comes from a git repository",
                "openssl 1.0.0 is banned by deny.toml",
                "ours takes any release of dependency-0",
            ]
        );
        // A rule that is not written is none.
        let few = "[licenses]\nallow = [\"MIT\", \"GPL-3.0-only\"]\n";
        assert!(Rules::read(few).unwrap().broken(&packages).is_empty());
    }
}
