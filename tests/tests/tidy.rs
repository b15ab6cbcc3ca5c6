//! The order of the house: rules that no compiler holds, each with the sentence that it guards.
//!
//! A rule reads a [`Tree`], so that a test can show it one that breaks it. What breaks a rule is
//! named by file and line.

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/rules.rs"]
mod rules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use modelgate_cli::build::Workspace;
use rules::RULES;
use serde_json::Value as Json;

/// The files of the repository by their paths below its root, and what cargo says of its packages.
pub struct Tree {
    files: BTreeMap<String, String>,
    packages: Vec<Package>,
}

/// A package of the workspace.
pub struct Package {
    name: String,
    /// Its folder, below the root.
    folder: String,
    dependencies: Vec<Dependency>,
}

/// What a package depends on.
pub struct Dependency {
    /// The package's name.
    name: String,
    /// As its code names it.
    ident: String,
    /// Whether it is in this workspace.
    own: bool,
    /// Whether only tests need it.
    dev: bool,
}

impl Tree {
    fn read(root: &Path) -> Self {
        let mut files = BTreeMap::new();
        collect(root, root, &mut files);
        Self {
            files,
            packages: packages(root),
        }
    }

    /// Rust files below a folder, or all of them.
    fn rust(&self, below: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter(move |(path, _)| path.ends_with(".rs") && path.starts_with(below))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name == "target" || (name.starts_with('.') && name != ".ci" && name != ".cargo") {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let below = path.strip_prefix(root).unwrap();
            files.insert(below.to_str().unwrap().to_owned(), text);
        }
    }
}

fn packages(root: &Path) -> Vec<Package> {
    let output =
        std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(root)
            .output()
            .unwrap();
    let metadata: Json = serde_json::from_slice(&output.stdout).unwrap();
    let package = |package: &Json| {
        let text = |name: &str| package[name].as_str().unwrap();
        let folder = Path::new(text("manifest_path")).parent().unwrap();
        Package {
            name: text("name").to_owned(),
            folder: folder
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned(),
            dependencies: package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .map(dependency)
                .collect(),
        }
    };
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(package)
        .collect()
}

fn dependency(json: &Json) -> Dependency {
    let name = json["name"].as_str().unwrap();
    Dependency {
        name: name.to_owned(),
        ident: json["rename"].as_str().unwrap_or(name).replace('-', "_"),
        own: json["path"].is_string(),
        dev: json["kind"] == "dev",
    }
}

#[test]
fn the_house_is_in_order() {
    let tree = Tree::read(&Workspace::locate().unwrap().root);
    assert!(
        tree.files.len() > 500 && tree.packages.len() > 15,
        "the tree was not read"
    );
    let mut broken = String::new();
    for rule in RULES {
        for place in (rule.broken)(&tree) {
            broken.push_str(&format!("{place}: {}\n", rule.sentence));
        }
    }
    assert!(broken.is_empty(), "\n{broken}");
}

/// A tree of these files, without packages.
fn of(files: &[(&str, &str)]) -> Tree {
    Tree {
        files: files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect(),
        packages: Vec::new(),
    }
}

/// A tree with one package, which depends on one other.
fn depending(name: &str, on: Dependency) -> Tree {
    Tree {
        packages: vec![Package {
            name: name.to_owned(),
            folder: "x".to_owned(),
            dependencies: vec![on],
        }],
        ..of(&[("x/src/lib.rs", "//! Nothing.\n")])
    }
}

fn on(name: &str, own: bool) -> Dependency {
    Dependency {
        name: name.to_owned(),
        ident: name.replace('-', "_"),
        own,
        dev: false,
    }
}

#[test]
fn only_the_programs_and_tests_name_the_suite() {
    let direction = RULES.iter().find(|rule| rule.name == "direction").unwrap();
    let names_it = |package| (direction.broken)(&depending(package, on("modelgate", true)));
    for package in ["modelgate-cli", "modelgate-full", "modelgate-tests"] {
        assert!(names_it(package).is_empty(), "{package}");
    }
    for package in [
        "modelgate-kit",
        "located-yaml",
        "proxy-wasm-simulator",
        "proxy-wasm-wasmtime",
        "modelgate-envoy",
        "modelgate-scenario",
        "modelgate-demo",
        "jwt-auth",
    ] {
        assert_eq!(names_it(package), ["x/Cargo.toml: modelgate"], "{package}");
    }
}

#[test]
fn every_rule_can_be_broken() {
    let long = format!("//! x\n// {}\n", "word ".repeat(30));
    let lines = "//! x\n".to_owned() + &"\n".repeat(700);
    let trees = [
        (
            "direction",
            depending("modelgate-kit", on("jwt-auth", true)),
        ),
        (
            "circles",
            of(&[
                ("plugins/x/src/a.rs", "//! x\nuse crate::b::B;\n"),
                ("plugins/x/src/b.rs", "//! x\nuse super::a::A;\n"),
            ]),
        ),
        ("unused", depending("x", on("serde", false))),
        ("sdk", depending("jwt-auth", on("proxy-wasm", false))),
        (
            "abi",
            of(&[("plugins/x/src/lib.rs", "//! x\nunsafe extern \"C\" {}\n")]),
        ),
        (
            "threads",
            of(&[("plugins/x/src/a.rs", "//! x\nthread_local! {}\n")]),
        ),
        (
            "processes",
            of(&[("shared/src/x.rs", "//! x\nuse std::process::Command;\n")]),
        ),
        (
            "stranger",
            of(&[("harness/simulator/src/lib.rs", "//! For modelgate.\n")]),
        ),
        ("lines", of(&[("shared/src/x.rs", &lines)])),
        ("head", of(&[("shared/src/x.rs", "fn main() {}\n")])),
        ("width", of(&[("shared/src/x.rs", &long)])),
        ("paths", of(&[("README.md", "See `docs/nowhere.md`.\n")])),
        ("links", of(&[("docs/a.md", "See [b](b.md).\n")])),
        ("plugin", of(&[("plugins/x/src/lib.rs", "//! x\n")])),
        (
            "skips",
            of(&[("tests/x.rs", "//! x\nstd::env::var(\"CI\");\n")]),
        ),
    ];
    for rule in RULES {
        let (_, tree) = trees
            .iter()
            .find(|(name, _)| *name == rule.name)
            .unwrap_or_else(|| panic!("{} has no tree that breaks it", rule.name));
        assert!(
            !(rule.broken)(tree).is_empty(),
            "{} is never broken",
            rule.name
        );
    }
    assert_eq!(RULES.len(), trees.len());
}
