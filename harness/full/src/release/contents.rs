//! The files of a release: modules and what describes them, the program, and texts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use modelgate_cli::SUITE;
use modelgate_cli::build::{Artifact, TARGET, Workspace, native, program, reproduce};
use modelgate_cli::inspect::VERSION;
use modelgate_cli::provenance;
use modelgate_cli::sbom::{self, Linked, Subject};
use modelgate_oci::Digest;
use modelgate_oci::archive::File;
use modelgate_scenario::catalogue::file_name;
use serde_json::Value as Json;

use super::{elf, notices};
use crate::dependencies::{self, Rules};

/// The program's file.
const PROGRAM: &str = "bin/modelgate";
/// The folder of the library that is the native form.
const NATIVE: &str = "native/";
/// The notes of the release.
pub(super) const NOTES: &str = "RELEASE-NOTES.md";

/// Folders of the sources that are part of a release, and what they are called there.
const FOLDERS: [(&str, &str); 4] = [
    ("docs/schemas/", "schemas/"),
    ("envoy/", "envoy/"),
    ("kong/", "kong/"),
    (PACKAGING, PACKAGING),
];
/// What is read: the pages that the program and the configurations refer to, where they refer to.
fn is_page(path: &str) -> bool {
    let of_filter = path.starts_with("plugins/") && path.ends_with("/README.md");
    of_filter || (path.starts_with("docs/") && !path.starts_with("docs/schemas/"))
}

/// How a release is installed.
const PACKAGING: &str = "packaging/";
/// What of it is run.
const SCRIPTS: [&str; 2] = ["packaging/install.sh", "packaging/systemd/drain"];

/// Files of the sources that are part of a release.
const FILES: [(&str, &str); 5] = [
    ("LICENSE", "LICENSE"),
    ("NOTICE", "NOTICE"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("docs/install.md", INSTALL),
    ("docs/upgrading.md", "UPGRADING.md"),
];
const INSTALL: &str = "INSTALL.md";

/// Shells that the program writes completions for.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "modelgate.bash"),
    ("zsh", "_modelgate"),
    ("fish", "modelgate.fish"),
];

/// Shared libraries that every Linux with glibc has (Debian: libc6, libgcc-s1).
const LIBRARIES: [&str; 7] = [
    "ld-linux-",
    "libc.so.",
    "libdl.so.",
    "libgcc_s.so.",
    "libm.so.",
    "libpthread.so.",
    "librt.so.",
];

/// What a release is made from.
pub(super) struct Making<'a> {
    pub(super) workspace: &'a Workspace,
    /// The modules, in the suite's order.
    pub(super) artifacts: &'a [Artifact],
    pub(super) source: Option<&'a str>,
    pub(super) revision: Option<&'a str>,
    pub(super) notes: &'a str,
}

impl Making<'_> {
    /// Modules, in every form, each with its bill of materials and its statement of provenance.
    ///
    /// # Errors
    /// If a file cannot be read, or cargo cannot be asked.
    pub(super) fn modules(&self) -> Result<Vec<File>> {
        let mut files = Vec::new();
        for (name, artifact) in SUITE.modules().iter().zip(self.artifacts) {
            let file = file_name(name);
            files.push((format!("filters/{file}"), read(&artifact.path)?));
            let second = self.workspace.second_host_path(name);
            let host = second.parent().and_then(Path::file_name);
            let host = host.context("a file without a folder")?.to_string_lossy();
            files.push((format!("filters/{host}/{file}"), read(&second)?));
            if SUITE.member(name).is_some() {
                let meta = second.with_extension("meta.json");
                let meta_name = file.replace(".wasm", ".meta.json");
                files.push((format!("filters/{host}/{meta_name}"), read(&meta)?));
            }
            files.extend(self.described(Subject {
                krate: name,
                file: &file,
                target: TARGET,
                version: VERSION,
                sha256: &artifact.sha256,
            })?);
        }
        Ok(files)
    }

    /// The bill of materials of a file and its statement of provenance.
    fn described(&self, subject: Subject) -> Result<[File; 2]> {
        let bill = sbom::of(self.workspace, subject)?;
        let statement = provenance::of(self.workspace, subject, self.source, self.revision)?;
        let json = |path: String, document: &Json| -> Result<File> {
            let mut text = serde_json::to_vec_pretty(document)?;
            text.push(b'\n');
            Ok((path, text))
        };
        Ok([
            json(format!("sbom/{}.cdx.json", subject.file), &bill)?,
            json(format!("provenance/{}.json", subject.file), &statement)?,
        ])
    }

    /// The machine that the program is for; the program, its manual pages and completions, and the
    /// native form of the filters.
    ///
    /// # Errors
    /// If something does not compile, does not run, needs what not every machine has, or names a
    /// path of this one.
    pub(super) fn program(&self) -> Result<(String, Vec<File>)> {
        let machine = program::host(self.workspace)?;
        let path = program::build(self.workspace, &machine)?;
        let said = output(&path, &["--version"])?;
        ensure!(
            String::from_utf8_lossy(&said).trim() == format!("modelgate {VERSION}"),
            "the program says that it is another version"
        );
        let (mut files, needs) = self.linked(&path, PROGRAM, program::CRATE, &machine)?;
        let library = native::build(self.workspace)?.path;
        let place = format!("{NATIVE}{}", native::LIBRARY);
        let (more, library_needs) = self.linked(&library, &place, native::PACKAGE, &machine)?;
        files.extend(more);
        let folder = tempfile::tempdir()?;
        let pages = folder.path().to_str().context("a path that is not UTF-8")?;
        output(&path, &["man", pages])?;
        for page in fs::read_dir(folder.path())? {
            let page = page?;
            let name = page.file_name().to_string_lossy().into_owned();
            files.push((format!("share/man/man1/{name}"), read(&page.path())?));
        }
        for (shell, name) in SHELLS {
            let script = output(&path, &["completions", shell])?;
            files.push((format!("share/completions/{name}"), script));
        }
        let line = |place: &str, needs: &elf::Needs| {
            let libraries = needs.libraries.join(", ");
            let glibc = &needs.glibc;
            format!("{place} is for {machine} and needs glibc {glibc} or newer ({libraries}).\n")
        };
        let mut said = line(PROGRAM, &needs);
        said.push_str(&line(&place, &library_needs));
        said.push_str("The modules need nothing but their host.\n");
        files.push(("REQUIREMENTS.txt".to_owned(), said.into_bytes()));
        Ok((machine, files))
    }

    /// A file for the machine that it was linked on, its bill of materials and its statement of
    /// provenance; and what it needs.
    fn linked(
        &self,
        path: &Path,
        place: &str,
        krate: &str,
        machine: &str,
    ) -> Result<(Vec<File>, elf::Needs)> {
        let content = read(path)?;
        let needs = elf::needs(&content).with_context(|| path.display().to_string())?;
        let odd = |library: &&String| !LIBRARIES.iter().any(|known| library.starts_with(known));
        let odd: Vec<&String> = needs.libraries.iter().filter(odd).collect();
        ensure!(
            odd.is_empty(),
            "{place} needs libraries that not every machine has: {odd:?}"
        );
        ensure!(
            !contains(&content, &self.workspace.root),
            "{place} names the folder that it was built in"
        );
        let sha256 = Digest::of(&content);
        let described = self.described(Subject {
            krate,
            file: place.rsplit('/').next().unwrap_or_default(),
            target: machine,
            version: VERSION,
            sha256: sha256.hex(),
        })?;
        let mut files = vec![(place.to_owned(), content)];
        files.extend(described);
        Ok((files, needs))
    }

    /// Configurations, schemas and notes.
    ///
    /// # Errors
    /// If something is missing.
    pub(super) fn texts(&self) -> Result<Vec<File>> {
        let mut texts = vec![(NOTES.to_owned(), self.notes.as_bytes().to_vec())];
        let root = &self.workspace.root;
        for (from, to) in FILES {
            texts.push((to.to_owned(), read(&root.join(from))?));
        }
        for path in reproduce::sources(root)? {
            let path = path.to_str().context("a path that is not UTF-8")?;
            for (from, to) in FOLDERS {
                if let Some(below) = path.strip_prefix(from) {
                    texts.push((format!("{to}{below}"), read(&root.join(path))?));
                }
            }
            if is_page(path) {
                texts.push((path.to_owned(), read(&root.join(path))?));
            }
        }
        Ok(texts)
    }
}

/// The licences of all that is linked into the modules, and into the program if it is released.
/// Nothing has to be built to know them.
///
/// # Errors
/// If a licence is not accepted, or a text is missing.
pub(super) fn licences(workspace: &Workspace, with_program: bool) -> Result<Vec<File>> {
    let deny = String::from_utf8(read(&workspace.root.join("deny.toml"))?)?;
    let rules = Rules::read(&deny)?;
    let mut linked: BTreeMap<String, Vec<Linked>> = BTreeMap::new();
    for name in SUITE.modules() {
        linked.insert(file_name(name), sbom::linked(workspace, name, TARGET)?);
    }
    if with_program {
        let machine = program::host(workspace)?;
        let crates = sbom::linked(workspace, program::CRATE, &machine)?;
        linked.insert(PROGRAM.to_owned(), crates);
        let crates = sbom::linked(workspace, native::PACKAGE, &machine)?;
        linked.insert(format!("{NATIVE}{}", native::LIBRARY), crates);
    }
    let packages = dependencies::by_name(dependencies::packages(workspace)?);
    let mut known = BTreeMap::new();
    let mut wrong = Vec::new();
    for krate in linked.values().flatten() {
        if known.contains_key(krate) {
            continue;
        }
        let package = packages.get(&(krate.name.clone(), krate.version.clone()));
        let package = package.with_context(|| format!("cargo knows no {}", krate.name))?;
        match notices::of(package, &rules.licences) {
            Ok(notice) => drop(known.insert(krate.clone(), notice)),
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    wrong.sort();
    wrong.dedup();
    ensure!(wrong.is_empty(), "licences:\n{}", wrong.join("\n"));
    let sysroot = sysroot(workspace)?;
    let compiler = notices::of_compiler(&sysroot, &sbom::rust_release(workspace)?)?;
    let text = notices::document(&linked, &known, &compiler)?;
    Ok(vec![
        ("THIRD-PARTY.txt".to_owned(), text.into_bytes()),
        (
            "RUST-STD.html".to_owned(),
            notices::standard_library(&sysroot)?,
        ),
    ])
}

fn sysroot(workspace: &Workspace) -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "sysroot"]);
    let said = said(rustc.current_dir(&workspace.root))?;
    Ok(PathBuf::from(String::from_utf8(said)?.trim()))
}

/// Whether a file of a release is run.
pub(super) fn is_program(path: &str) -> bool {
    path == PROGRAM || SCRIPTS.contains(&path)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

/// Whether the bytes name a folder.
fn contains(bytes: &[u8], folder: &Path) -> bool {
    let name = folder.as_os_str().as_encoded_bytes();
    name.len() > 1 && bytes.windows(name.len()).any(|window| window == name)
}

fn output(program: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    said(Command::new(program).args(arguments))
}

fn said(command: &mut Command) -> Result<Vec<u8>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("starting {program}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}", complaint.trim());
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_linked_has_its_licence_the_program_included() {
        let files = licences(&Workspace::locate().unwrap(), true).unwrap();
        let (_, text) = files.first().unwrap();
        let text = String::from_utf8(text.clone()).unwrap();
        let (_, of_program) = text.split_once("== bin/modelgate\n").unwrap();
        assert!(of_program.contains("  vsimd 0.8.0: MIT\n"));
        let (_, of_library) = text.split_once("== native/libmodelgate.so\n").unwrap();
        assert!(of_library.contains("  ed25519-dalek "));
        assert!(text.contains("vsimd 0.8.0 (LICENSE of Nugine/simd)\n"));
    }
}
