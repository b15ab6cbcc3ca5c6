//! What is in a module, or in the program: a bill of materials in CycloneDX 1.6, from what cargo
//! says it links and from `Cargo.lock`.
//!
//! What only builds or tests it is not in it: build scripts, macros, test crates. Nothing in
//! it comes from a clock, so the same module has the same bill.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::build::{Workspace, cargo};

/// A module, or the program, that a bill is written for.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its crate.
    pub krate: &'a str,
    /// Its file.
    pub file: &'a str,
    /// The compiler's name for the machine that it runs on.
    pub target: &'a str,
    /// Its release.
    pub version: &'a str,
    /// SHA-256 of its file, in hexadecimal.
    pub sha256: &'a str,
}

/// The bill of a module.
///
/// # Errors
/// If cargo or the compiler cannot be asked.
pub fn of(workspace: &Workspace, subject: Subject) -> Result<Json> {
    let tree = Tree::ask(workspace, subject.krate, subject.target)?;
    let lock = workspace.root.join("Cargo.lock");
    let lock = fs::read_to_string(&lock).with_context(|| lock.display().to_string())?;
    Ok(bill(
        subject,
        &tree,
        &checksums(&lock),
        &rust_release(workspace)?,
    ))
}

/// A crate of somebody else's that is linked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Linked {
    /// Its name.
    pub name: String,
    /// Its release.
    pub version: String,
}

/// What of others is linked into the crate `krate` for `target`, in order.
///
/// # Errors
/// If cargo cannot be asked.
pub fn linked(workspace: &Workspace, krate: &str, target: &str) -> Result<Vec<Linked>> {
    let tree = Tree::ask(workspace, krate, target)?;
    let others = tree.crates.into_iter().filter(|(_, (_, own))| !own);
    Ok(others
        .map(|((name, version), _)| Linked { name, version })
        .collect())
}

/// The compiler's release, whose standard library is linked.
///
/// # Errors
/// If it cannot be asked.
pub fn rust_release(workspace: &Workspace) -> Result<String> {
    let mut rustc = Command::new("rustc");
    let said = run(rustc.arg("-vV").current_dir(&workspace.root))?;
    let release = said.lines().find_map(|line| line.strip_prefix("release: "));
    release.map(str::to_owned).context("rustc names no release")
}

fn cargo_tree(workspace: &Workspace, krate: &str, target: &str) -> Result<String> {
    let mut tree = cargo();
    tree.args(["tree", "--locked", "--package", krate, "--target", target])
        .args(["--edges", "normal,no-proc-macro", "--prefix", "depth"])
        .args(["--format", "|{p}|{l}"])
        .current_dir(&workspace.root);
    run(&mut tree)
}

fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("starting {program}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}", complaint.trim());
    Ok(String::from_utf8(output.stdout)?)
}

/// A crate: name and version.
type Crate = (String, String);

/// What is linked.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tree {
    root: Crate,
    /// Each crate with its licence, and whether it is one of this workspace.
    crates: BTreeMap<Crate, (String, bool)>,
    depends_on: BTreeMap<Crate, BTreeSet<Crate>>,
}

impl Tree {
    fn ask(workspace: &Workspace, krate: &str, target: &str) -> Result<Self> {
        Self::read(&cargo_tree(workspace, krate, target)?)
    }

    /// Reads what `cargo tree` has written: depth, crate and licence in a line, and behind one that
    /// was shown before a mark in place of what it depends on.
    fn read(text: &str) -> Result<Self> {
        let mut tree = Self::default();
        let mut path: Vec<Crate> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let unknown = || format!("cargo tree says what is not understood: {line}");
            let mut fields = line.split('|');
            let (depth, named, licence) = (fields.next(), fields.next(), fields.next());
            let depth: usize = depth
                .and_then(|depth| depth.parse().ok())
                .with_context(unknown)?;
            let mut words = named.with_context(unknown)?.split(' ');
            let name = words.next().with_context(unknown)?.to_owned();
            let version = words.next().and_then(|word| word.strip_prefix('v'));
            let krate = (name, version.with_context(unknown)?.to_owned());
            // Behind a crate of the workspace is its folder.
            let own = words.next().is_some();
            let licence = licence
                .unwrap_or_default()
                .trim_end_matches(" (*)")
                .to_owned();
            ensure!(depth <= path.len(), unknown());
            path.truncate(depth);
            match path.last() {
                Some(above) => {
                    let below = tree.depends_on.entry(above.clone()).or_default();
                    below.insert(krate.clone());
                }
                None => tree.root = krate.clone(),
            }
            tree.crates.insert(krate.clone(), (licence, own));
            path.push(krate);
        }
        ensure!(!tree.crates.is_empty(), "cargo tree says nothing");
        Ok(tree)
    }
}

/// The checksums in a `Cargo.lock`, which are SHA-256 of the packages that a registry has.
fn checksums(lock: &str) -> BTreeMap<Crate, String> {
    let value = |part: &str, key: &str| {
        let mut lines = part.lines();
        let line = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    let packages = lock.split("[[package]]").skip(1);
    let package = |part| {
        Some((
            (value(part, "name")?, value(part, "version")?),
            value(part, "checksum")?,
        ))
    };
    packages.filter_map(package).collect()
}

fn bill(subject: Subject, tree: &Tree, checksums: &BTreeMap<Crate, String>, rust: &str) -> Json {
    let standard = json!({
        "type": "library",
        "bom-ref": format!("pkg:generic/rust-std@{rust}"),
        "name": "rust-std",
        "version": rust,
        "licenses": [{ "expression": "MIT OR Apache-2.0" }],
        "purl": format!("pkg:generic/rust-std@{rust}"),
    });
    let mut components = vec![standard];
    for (krate, (licence, own)) in tree.crates.iter().filter(|(krate, _)| **krate != tree.root) {
        components.push(component(krate, licence, *own, checksums.get(krate)));
    }
    let name_of = |krate: &Crate| match krate == &tree.root {
        true => module_name(subject),
        false => reference(krate, tree.crates.get(krate).is_some_and(|(_, own)| *own)),
    };
    let mut dependencies: Vec<Json> = Vec::new();
    for krate in tree.crates.keys() {
        let below = tree.depends_on.get(krate).into_iter().flatten();
        let mut below: Vec<String> = below.map(name_of).collect();
        if krate == &tree.root {
            below.push(format!("pkg:generic/rust-std@{rust}"));
        }
        dependencies.push(json!({ "ref": name_of(krate), "dependsOn": below }));
    }
    let licence = tree
        .crates
        .get(&tree.root)
        .map(|(licence, _)| licence.as_str());
    let mut module = json!({
        "type": "application",
        "bom-ref": module_name(subject),
        "name": subject.krate,
        "version": subject.version,
        "hashes": [{ "alg": "SHA-256", "content": subject.sha256 }],
    });
    licensed(&mut module, licence.unwrap_or_default());
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial_number(subject.sha256),
        "version": 1,
        "metadata": { "component": module },
        "components": components,
        "dependencies": dependencies,
    })
}

fn module_name(subject: Subject) -> String {
    format!("{}@{}", subject.krate, subject.version)
}

/// A crate of ours is in no registry, so it has no package URL.
fn reference((name, version): &Crate, own: bool) -> String {
    match own {
        true => format!("{name}@{version}"),
        false => format!("pkg:cargo/{name}@{}", version.replace('+', "%2B")),
    }
}

fn component(krate: &Crate, licence: &str, own: bool, checksum: Option<&String>) -> Json {
    let (name, version) = krate;
    let reference = reference(krate, own);
    let mut component =
        json!({ "type": "library", "bom-ref": reference, "name": name, "version": version });
    licensed(&mut component, licence);
    if let Some(members) = component.as_object_mut() {
        if let Some(checksum) = checksum {
            members.insert(
                "hashes".into(),
                json!([{ "alg": "SHA-256", "content": checksum }]),
            );
        }
        if !own {
            members.insert("purl".into(), reference.into());
        }
    }
    component
}

fn licensed(component: &mut Json, licence: &str) {
    // Cargo's old way to write OR.
    let licence = licence.replace('/', " OR ");
    if let Some(members) = component.as_object_mut().filter(|_| !licence.is_empty()) {
        members.insert("licenses".into(), json!([{ "expression": licence }]));
    }
}

/// A UUID of version 8 (RFC 9562): the module's own bits.
fn serial_number(sha256: &str) -> String {
    let mut bytes: [u8; 16] = [0; 16];
    for (byte, made) in bytes.iter_mut().zip(Sha256::digest(sha256.as_bytes())) {
        *byte = made;
    }
    let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
    *version = *version & 0x0f | 0x80;
    *variant = *variant & 0x3f | 0x80;
    let mut text = "urn:uuid:".to_owned();
    for (at, byte) in bytes.iter().enumerate() {
        text.push_str(if matches!(at, 4 | 6 | 8 | 10) {
            "-"
        } else {
            ""
        });
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::TARGET;

    const SUBJECT: Subject = Subject {
        krate: "a-filter",
        file: "a_filter.wasm",
        target: TARGET,
        version: "1.0.0",
        sha256: "00",
    };

    #[test]
    fn a_tree_gives_components_and_what_each_depends_on() {
        let tree = "0|a-filter v1.0.0 (/x)|Apache-2.0\n1|kit v2.0.0 (/y)|Apache-2.0\n2|b v0.1.0|MIT/Apache-2.0\n\
                    1|b v0.1.0|MIT/Apache-2.0 (*)\n1|c v3.0.0+x|\n";
        let lock = "version = 4\n\n[[package]]\nname = \"b\"\nversion = \"0.1.0\"\nsource = \"registry\"\nchecksum = \"abc\"\n";
        let bill = bill(
            SUBJECT,
            &Tree::read(tree).unwrap(),
            &checksums(lock),
            "1.95.0",
        );
        let names: Vec<&str> = bill["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|component| component["bom-ref"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "pkg:generic/rust-std@1.95.0",
                "pkg:cargo/b@0.1.0",
                "pkg:cargo/c@3.0.0%2Bx",
                "kit@2.0.0"
            ]
        );
        let b = &bill["components"][1];
        assert_eq!(b["hashes"][0]["content"], "abc");
        assert_eq!(b["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(bill["components"][2].get("licenses"), None);
        assert_eq!(bill["components"][3].get("purl"), None);
        assert_eq!(
            bill["dependencies"][0],
            json!({ "ref": "a-filter@1.0.0", "dependsOn": ["pkg:cargo/b@0.1.0", "pkg:cargo/c@3.0.0%2Bx", "kit@2.0.0", "pkg:generic/rust-std@1.95.0"] })
        );
        assert_eq!(bill["metadata"]["component"]["hashes"][0]["content"], "00");
    }

    #[test]
    fn what_cargo_does_not_say_is_not_guessed() {
        for tree in ["", "x", "0|a|", "0|a 1|", "1|a v1|", "0|a v1|\n2|b v1|"] {
            assert!(Tree::read(tree).is_err(), "{tree}");
        }
    }

    #[test]
    fn the_serial_number_is_a_uuid_and_the_modules_own() {
        let number = serial_number("00");
        assert_eq!(number.len(), "urn:uuid:".len() + 36);
        let (version, variant) = (&number[23..24], &number[28..29]);
        assert_eq!(version, "8");
        assert!(["8", "9", "a", "b"].contains(&variant), "{number}");
        assert_ne!(number, serial_number("01"));
    }

    #[test]
    fn the_bill_of_a_filter_names_what_it_is_made_of() {
        let workspace = Workspace::locate().unwrap();
        let subject = Subject {
            krate: "jwt-auth",
            ..SUBJECT
        };
        let bill = of(&workspace, subject).unwrap();
        let components = bill["components"].as_array().unwrap();
        let named = |name: &str| components.iter().find(|it| it["name"] == name);
        assert!(named("modelgate-kit").is_some() && named("rust-std").is_some());
        let base64 = named("base64").unwrap();
        assert_eq!(base64["hashes"][0]["content"].as_str().unwrap().len(), 64);
        // Only builds it, only tests it.
        assert!(named("serde_derive").is_none() && named("proptest").is_none());
    }

    #[test]
    fn what_is_linked_is_others_and_depends_on_the_target() {
        let workspace = Workspace::locate().unwrap();
        let names = |target| -> Vec<String> {
            let linked = linked(&workspace, "jwt-auth", target).unwrap();
            linked.into_iter().map(|linked| linked.name).collect()
        };
        let module = names(TARGET);
        assert!(module.contains(&"base64".to_owned()));
        assert!(
            !module
                .iter()
                .any(|name| name == "jwt-auth" || name == "modelgate-kit")
        );
        assert_ne!(module, names("x86_64-unknown-linux-gnu"));
    }
}
