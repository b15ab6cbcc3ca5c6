//! `modelgate release`: what is in the folder and in the archive, as who downloads them sees it,
//! and what is not released.

// Helpers of tests stand outside of them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use modelgate_cli::SUITE;
use modelgate_cli::build::Workspace;
use modelgate_cli::inspect::VERSION;
use serde_json::Value as Json;

fn modelgate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_modelgate-full"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {complaint}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A trial release without the program, and the line that is printed of it.
fn released(output: &Path) -> String {
    let root = Workspace::locate().unwrap().root;
    let to = output.to_str().unwrap();
    let arguments = [
        "release",
        "--allow-dirty",
        "--once",
        "--filters-only",
        "--output",
        to,
    ];
    let made = modelgate(&root, &arguments);
    let complaint = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{complaint}");
    String::from_utf8(made.stdout).unwrap()
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path)),
        }
    }
    found
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_release_is_whole_and_says_so_and_is_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let one = folder.path().join("one");
    let printed = released(&one);
    assert_eq!(printed, released(&folder.path().join("other")));
    assert_eq!(printed, text(&one.join("SHA256SUMS")));
    run(&one, "sha256sum", &["--check", "--strict", "SHA256SUMS"]);

    // The archive holds what the folder holds, and every file of it is in the list.
    let name = format!("modelgate-{VERSION}");
    let unpacked = folder.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    let archive = one.join(format!("{name}-filters.tar.gz"));
    run(&unpacked, "tar", &["-xzf", archive.to_str().unwrap()]);
    run(
        folder.path(),
        "diff",
        &[
            "-r",
            "one",
            "unpacked",
            "--exclude=*.tar.gz",
            "--exclude=SHA256SUMS",
        ],
    );
    let unpacked = unpacked.join(&name);
    run(
        &unpacked,
        "sha256sum",
        &["--check", "--strict", "SHA256SUMS"],
    );
    let sums = text(&unpacked.join("SHA256SUMS"));
    let all = files(&unpacked);
    assert_eq!(sums.lines().count() + 1, all.len());

    // Every module is described by what it is.
    let mut described = 0;
    for module in SUITE.modules() {
        let file = format!("{}.wasm", module.replace('-', "_"));
        let suffix = format!("  filters/{file}");
        let sum = sums
            .lines()
            .find_map(|line| line.strip_suffix(&suffix))
            .unwrap();
        let json =
            |path: String| -> Json { serde_json::from_str(&text(&unpacked.join(path))).unwrap() };
        let bill = json(format!("sbom/{file}.cdx.json"));
        assert_eq!(bill["metadata"]["component"]["hashes"][0]["content"], sum);
        assert_eq!(bill["metadata"]["component"]["version"], VERSION);
        let statement = json(format!("provenance/{file}.json"));
        assert_eq!(statement["subject"][0]["digest"]["sha256"], sum);
        let second = unpacked.join("filters").join(match SUITE.member(module) {
            Some(_) => "kong",
            None => "nginx",
        });
        assert!(second.join(&file).is_file(), "{module}");
        described += 1;
    }
    assert_eq!(described, SUITE.filters().len() + 1);
    for path in [
        "filters/kong/jwt_auth.meta.json",
        "schemas/jwt_auth.schema.json",
        "schemas/gateway.schema.json",
        "envoy/openai.yaml",
        "envoy/kubernetes/base/deployment.yaml",
        "envoy/compose/compose.yaml",
        "kong/kong.conf",
        "packaging/install.sh",
        "LICENSE",
        "NOTICE",
        "CHANGELOG.md",
        "INSTALL.md",
        "UPGRADING.md",
        "RUST-STD.html",
        // What the program refers to.
        "docs/reasons.md",
        "docs/runbook/jwt-auth.md",
        "docs/findings.md",
        "plugins/pii-mask/README.md",
    ] {
        assert!(unpacked.join(path).is_file(), "{path}");
    }
    assert!(
        text(&unpacked.join("RELEASE-NOTES.md")).starts_with(&format!("# modelgate {VERSION} ("))
    );

    // Whose software is in which module, with the words that its authors ask to keep.
    let notices = text(&unpacked.join("THIRD-PARTY.txt"));
    let of = |file: &str| {
        let (_, rest) = notices.split_once(&format!("== {file}\n")).unwrap();
        rest.split("\n== ").next().unwrap().to_owned()
    };
    assert!(of("jwt_auth.wasm").contains("  ed25519-dalek "));
    assert!(!of("audit_log.wasm").contains("  ed25519-dalek "));
    assert!(notices.contains("Copyright (c) 2017-2019 isis agora lovecruft"));
    assert!(notices.contains("Rich Felker"));

    // Nothing of this machine.
    let root = Workspace::locate().unwrap().root;
    let root = root.to_str().unwrap().as_bytes();
    for file in all {
        let content = fs::read(&file).unwrap();
        let names = content.windows(root.len()).any(|window| window == root);
        assert!(!names, "{} names {root:?}", file.display());
    }
}

#[test]
fn a_release_is_pushed_without_sources_and_as_from_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    released(&folder.join("out"));
    let release = folder.join(format!("out/modelgate-{VERSION}"));
    let release = release.to_str().unwrap();
    let push = |from: &Path, more: &[&str]| {
        let mut arguments = vec!["push", "registry.example/acme", "--filter", "consumer-acl"];
        arguments.extend(["--filter", "modelgate", "--dry-run"]);
        arguments.extend(more);
        modelgate(from, &arguments)
    };
    let root = Workspace::locate().unwrap().root;
    let (ours, theirs) = (folder.join("ours"), folder.join("theirs"));
    let built = push(&root, &[ours.to_str().unwrap()]);
    let empty = folder.join("empty");
    fs::create_dir(&empty).unwrap();
    let pushed = push(&empty, &[theirs.to_str().unwrap(), "--release", release]);
    for output in [&built, &pushed] {
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
    }
    run(folder, "diff", &["-r", "ours", "theirs"]);
    assert!(theirs.join("modelgate/index.json").is_file());

    // What somebody has changed since is not pushed.
    let module = Path::new(release).join("filters/consumer_acl.wasm");
    let mut content = fs::read(&module).unwrap();
    content.push(0);
    fs::write(&module, content).unwrap();
    let refused = push(&empty, &["other", "--release", release]);
    let complaint = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert!(
        complaint.contains("consumer_acl.wasm: is not the file that SHA256SUMS lists"),
        "{complaint}"
    );
    assert!(!empty.join("other").exists());
}

/// A workspace that is modelgate's by its names, and nothing else.
fn small(folder: &Path) {
    let cli = folder.join("harness/cli");
    fs::create_dir_all(cli.join("src")).unwrap();
    fs::write(
        folder.join("Cargo.toml"),
        "[workspace]\nmembers = [\"harness/cli\"]\n",
    )
    .unwrap();
    let manifest = "[package]\nname = \"modelgate-cli\"\nversion = \"0.0.0\"\n";
    fs::write(cli.join("Cargo.toml"), manifest).unwrap();
    fs::write(cli.join("src/lib.rs"), "").unwrap();
}

#[test]
fn what_is_not_ready_is_not_released() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    small(root);
    let refused = |arguments: &[&str]| {
        let output = modelgate(root, arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(!root.join("dist").exists());
        String::from_utf8(output.stderr).unwrap()
    };
    fs::write(root.join("CHANGELOG.md"), "## [Unreleased]\n\n- x\n").unwrap();
    let said = refused(&["release"]);
    let heading = format!("has no section `## [{VERSION}] - YYYY-MM-DD`");
    assert!(said.contains(&heading), "{said}");
    let ready = format!("## [{VERSION}] - 2026-11-29\n\n- x\n");
    fs::write(root.join("CHANGELOG.md"), ready).unwrap();
    let said = refused(&["release"]);
    assert!(said.contains("or is no git checkout"), "{said}");
    run(root, "git", &["init", "--quiet"]);
    run(root, "git", &["add", "."]);
    let said = refused(&["release"]);
    assert!(said.contains("the work tree has changes"), "{said}");
    run(
        root,
        "git",
        &[
            "-c",
            "user.name=mock",
            "-c",
            "user.email=mock@example.com",
            "commit",
            "--quiet",
            "--message",
            "x",
        ],
    );
    // What is there stays as it is.
    let there = root.join(format!("there/modelgate-{VERSION}"));
    fs::create_dir_all(&there).unwrap();
    fs::write(root.join(".git/info/exclude"), "there\n").unwrap();
    let said = refused(&["release", "--output", "there"]);
    assert!(said.contains("is there already"), "{said}");
}
