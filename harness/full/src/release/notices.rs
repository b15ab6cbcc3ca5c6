//! The licences of what is linked: every crate's own texts, from its package.
//!
//! A package without a text of its licence gets the one in the sources that it was published from,
//! where that is known here; else the standard one if that is as good: Apache's is the same for
//! everybody, MIT's needs the names of the authors, which the manifest may have. Any other is an
//! error.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use modelgate_cli::sbom::Linked;
use spdx::{Expression, LicenseReq};

use crate::dependencies::{Licences, Package};

/// What wasm32-wasip1 links besides crates, and the texts that come with it.
const WASI_LIBC: &str = include_str!("wasi-libc.txt");

/// The licence in the repository of `base64-simd` and `vsimd` (github.com/Nugine/simd at d74c030,
/// which both were published from), word by word: their packages leave it out.
const NUGINE_SIMD: &str = include_str!("nugine-simd.txt");
/// Packages whose sources have a text that the package lacks: name, release, where, and the text.
const UPSTREAM: [(&str, &str, &str, &str); 2] = [
    (
        "base64-simd",
        "0.8.0",
        "LICENSE of Nugine/simd",
        NUGINE_SIMD,
    ),
    ("vsimd", "0.8.0", "LICENSE of Nugine/simd", NUGINE_SIMD),
];

/// Something with a licence: a crate, or a library of the compiler's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Name and release.
    pub what: String,
    /// The SPDX expression.
    pub licence: String,
    /// The texts, each with the name of its file.
    pub texts: Vec<(String, String)>,
}

/// The notice of a package.
///
/// # Errors
/// If its licence is not accepted, or its text is missing.
pub fn of(package: &Package, policy: &Licences) -> Result<Notice> {
    let Package { name, version, .. } = package;
    let expression = policy.judge(name, package.license.as_deref())?;
    let folder = package.manifest_path.parent();
    let folder = folder.context("a manifest without a folder")?;
    let mut texts = own_texts(folder, package.license_file.as_deref())?;
    if !texts.iter().any(|(file, _)| !only_names(file)) {
        let upstream = UPSTREAM.iter().find(|it| (it.0, it.1) == (name, version));
        let text = upstream.map(|(_, _, file, text)| ((*file).to_owned(), (*text).to_owned()));
        let text = text.or_else(|| standard_text(&expression, &package.authors));
        let (file, text) = text.with_context(|| {
            format!(
                "{name} {version} ({expression}): its package has no text of the licence, and names no authors for the standard one"
            )
        })?;
        texts.push((file, text));
    }
    Ok(Notice {
        what: format!("{name} {version}"),
        licence: expression.to_string(),
        texts,
    })
}

/// A file that says whose something is, and not what one may do with it.
fn only_names(file: &str) -> bool {
    let file = file.to_uppercase();
    file.starts_with("COPYRIGHT") || file.starts_with("NOTICE")
}

/// The files of a package that are about its licence, in order.
fn own_texts(folder: &Path, named: Option<&Path>) -> Result<Vec<(String, String)>> {
    let mut files = BTreeSet::new();
    let list = |folder: &Path| {
        fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))
    };
    for entry in list(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        let path = entry.path();
        if name == "LICENSES" && path.is_dir() {
            for entry in list(&path)? {
                files.insert(entry?.path());
            }
        }
        let starts = [
            "LICENSE",
            "LICENCE",
            "COPYING",
            "COPYRIGHT",
            "NOTICE",
            "UNLICENSE",
        ];
        if starts.iter().any(|start| name.starts_with(start)) && path.is_file() {
            files.insert(path);
        }
    }
    files.extend(named.map(|file| folder.join(file)));
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let name = path.strip_prefix(folder).unwrap_or(&path);
        let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
        Ok((name.display().to_string(), text.trim_end().to_owned()))
    };
    files.into_iter().map(read).collect()
}

/// The standard text, where it says as much as one of the package's own would.
fn standard_text(expression: &Expression, authors: &[String]) -> Option<(String, String)> {
    let only = |name: &'static str| {
        move |requirement: &LicenseReq| requirement.license.id().is_some_and(|id| id.name == name)
    };
    let named = |name: &str, text: String| Some((format!("{name} (standard text)"), text));
    if expression.evaluate(only("Apache-2.0")) {
        let mut text = spdx::license_id("Apache-2.0")?.text().to_owned();
        if expression.to_string().contains("WITH LLVM-exception") {
            text.push_str("\n\n---- LLVM exception ----\n\n");
            text.push_str(spdx::exception_id("LLVM-exception")?.text());
        }
        return named("Apache-2.0", text.trim_end().to_owned());
    }
    if expression.evaluate(only("MIT")) && !authors.is_empty() {
        let text = spdx::license_id("MIT")?.text();
        let (_, permission) = text.split_once("Permission is hereby granted")?;
        let whose = format!("Copyright (c) {}", authors.join(", "));
        let text = format!("MIT License\n\n{whose}\n\nPermission is hereby granted{permission}");
        return named("MIT", text.trim_end().to_owned());
    }
    None
}

/// What the compiler links besides crates: its standard library; and for modules, WASI's libc.
///
/// # Errors
/// If the compiler's folder lacks them.
pub fn of_compiler(sysroot: &Path, release: &str) -> Result<Vec<Notice>> {
    let folder = sysroot.join("share/doc/rust");
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file);
        text.with_context(|| format!("{}: the licences of the standard library", file.display()))
    };
    let mut texts = Vec::new();
    for name in ["MIT", "Apache-2.0", "LLVM-exception", "Unicode-3.0"] {
        let text = read(folder.join(format!("licenses/{name}.txt")))?;
        texts.push((format!("licenses/{name}.txt"), text.trim_end().to_owned()));
    }
    Ok(vec![
        Notice {
            what: format!("the Rust standard library {release}"),
            licence: "MIT OR Apache-2.0; its parts: RUST-STD.html".to_owned(),
            texts,
        },
        Notice {
            what: "wasi-libc (modules only)".to_owned(),
            licence: "MIT AND BSD-2-Clause AND CC0-1.0".to_owned(),
            texts: vec![("wasi-libc".to_owned(), WASI_LIBC.trim_end().to_owned())],
        },
    ])
}

/// The file of the compiler's that lists the parts of its standard library.
///
/// # Errors
/// If it is missing.
pub fn standard_library(sysroot: &Path) -> Result<Vec<u8>> {
    let file = sysroot.join("share/doc/rust/COPYRIGHT-library.html");
    fs::read(&file).with_context(|| file.display().to_string())
}

/// THIRD-PARTY.txt: what is linked into each file, then every text once.
///
/// # Errors
/// If a file has a crate for which there is no notice.
pub fn document(
    linked: &BTreeMap<String, Vec<Linked>>,
    notices: &BTreeMap<Linked, Notice>,
    compiler: &[Notice],
) -> Result<String> {
    let mut text = String::from(
        "Software of others in this release\n\n\
         Each file below is followed by the packages that are linked into it, with their licences\n\
         (SPDX expressions). After that come the texts.\n",
    );
    for (file, crates) in linked {
        text.push_str(&format!("\n== {file}\n\n"));
        for krate in crates {
            let Some(notice) = notices.get(krate) else {
                bail!("{} {} has no notice", krate.name, krate.version);
            };
            text.push_str(&format!("  {}: {}\n", notice.what, notice.licence));
        }
    }
    text.push_str("\n== every file\n\n");
    for notice in compiler {
        text.push_str(&format!("  {}: {}\n", notice.what, notice.licence));
    }
    // Many have the same text, word by word.
    let mut whose: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for notice in notices.values().chain(compiler) {
        for (file, text) in &notice.texts {
            let named = format!("{} ({file})", notice.what);
            whose.entry(text).or_default().insert(named);
        }
    }
    let mut whose: Vec<_> = whose.into_iter().collect();
    whose.sort_by(|(_, one), (_, other)| one.cmp(other));
    text.push_str("\n== texts\n");
    for (licence, names) in whose {
        text.push_str(&format!("\n{}\n", "=".repeat(78)));
        for name in names {
            text.push_str(&format!("{name}\n"));
        }
        text.push_str(&format!("{}\n\n{licence}\n", "-".repeat(78)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dependencies::Rules;

    fn package(folder: &Path, licence: &str, authors: &[&str]) -> Package {
        Package {
            name: "small".to_owned(),
            version: "1.0.0".to_owned(),
            manifest_path: folder.join("Cargo.toml"),
            license: Some(licence.to_owned()),
            license_file: None,
            authors: authors.iter().map(|author| (*author).to_owned()).collect(),
            source: None,
            dependencies: Vec::new(),
        }
    }

    fn policy() -> Licences {
        let allow = r#"["MIT", "ISC", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]"#;
        Rules::read(&format!("[licenses]\nallow = {allow}\n"))
            .unwrap()
            .licences
    }

    #[test]
    fn the_texts_are_the_packages_own() {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("LICENSE-MIT", "Copyright (c) Ann\r\nas is\r\n"),
            ("NOTICE", "by Ann"),
            ("README.md", "no licence"),
            ("terms.md", "more terms"),
        ] {
            fs::write(folder.path().join(file), text).unwrap();
        }
        fs::create_dir(folder.path().join("LICENSES")).unwrap();
        fs::write(folder.path().join("LICENSES/ISC.txt"), "isc").unwrap();
        let mut package = package(folder.path(), "MIT", &[]);
        package.license_file = Some("terms.md".into());
        let notice = of(&package, &policy()).unwrap();
        let wanted = [
            ("LICENSE-MIT", "Copyright (c) Ann\nas is"),
            ("LICENSES/ISC.txt", "isc"),
            ("NOTICE", "by Ann"),
            ("terms.md", "more terms"),
        ];
        let wanted = wanted.map(|(file, text)| (file.to_owned(), text.to_owned()));
        assert_eq!(notice.texts, wanted);
        package.license_file = Some("missing.md".into());
        assert!(of(&package, &policy()).is_err());
    }

    #[test]
    fn the_standard_text_stands_in_where_it_says_as_much() {
        let folder = tempfile::tempdir().unwrap();
        // Whose it is, but not what one may do.
        fs::write(folder.path().join("COPYRIGHT"), "see the licence").unwrap();
        let text = |licence: &str, authors: &[&str]| {
            let notice = of(&package(folder.path(), licence, authors), &policy())?;
            Ok::<_, anyhow::Error>(notice.texts.last().unwrap().clone())
        };
        let (file, apache) = text("MIT OR Apache-2.0", &[]).unwrap();
        assert_eq!(file, "Apache-2.0 (standard text)");
        assert!(apache.contains("Version 2.0, January 2004"));
        let (_, llvm) = text("Apache-2.0 WITH LLVM-exception", &[]).unwrap();
        assert!(llvm.contains("LLVM exception"));
        let (_, mit) = text("MIT", &["Ann <ann@example.com>"]).unwrap();
        assert!(mit.contains("Copyright (c) Ann <ann@example.com>"), "{mit}");
        assert!(!mit.contains("<year>"), "{mit}");
        for (licence, authors) in [("MIT", &[][..]), ("ISC", &["Ann"][..])] {
            let error = text(licence, authors).unwrap_err().to_string();
            assert!(error.contains("has no text of the licence"), "{error}");
        }
        assert!(text("GPL-3.0-only", &["Ann"]).is_err());
    }

    #[test]
    fn a_text_that_only_the_sources_of_a_package_have_is_theirs_word_by_word() {
        let digest = modelgate_oci::Digest::of(NUGINE_SIMD.as_bytes());
        let published = "71674605ec4c087fe9eb534e3e4f9e26eb2e4aabcd76a29fd156c6a844d44b3d";
        assert_eq!(digest.hex(), published);
        let folder = tempfile::tempdir().unwrap();
        let mut package = package(folder.path(), "MIT", &[]);
        "vsimd".clone_into(&mut package.name);
        "0.8.0".clone_into(&mut package.version);
        let notice = of(&package, &policy()).unwrap();
        let text = ("LICENSE of Nugine/simd".to_owned(), NUGINE_SIMD.to_owned());
        assert_eq!(notice.texts, [text]);
        // Of another release nobody has looked.
        "0.9.0".clone_into(&mut package.version);
        assert!(of(&package, &policy()).is_err());
    }

    #[test]
    fn every_text_is_there_once_and_says_whose_it_is() {
        let linked = |name: &str| Linked {
            name: name.to_owned(),
            version: "1".to_owned(),
        };
        let notice = |name: &str, text: &str| Notice {
            what: format!("{name} 1"),
            licence: "MIT".to_owned(),
            texts: vec![("LICENSE".to_owned(), text.to_owned())],
        };
        let notices = BTreeMap::from([
            (linked("a"), notice("a", "SAME")),
            (linked("b"), notice("b", "SAME")),
            (linked("c"), notice("c", "OTHER")),
        ]);
        let files = BTreeMap::from([
            ("one.wasm".to_owned(), vec![linked("a"), linked("b")]),
            ("two.wasm".to_owned(), vec![linked("c")]),
        ]);
        let text = document(&files, &notices, &[notice("std", "STD")]).unwrap();
        assert_eq!(text.matches("SAME").count(), 1);
        assert!(text.contains("a 1 (LICENSE)\nb 1 (LICENSE)\n---"), "{text}");
        assert!(text.contains("== two.wasm\n\n  c 1: MIT\n"), "{text}");
        let unknown = BTreeMap::from([("one.wasm".to_owned(), vec![linked("d")])]);
        assert!(document(&unknown, &notices, &[]).is_err());
    }
}
