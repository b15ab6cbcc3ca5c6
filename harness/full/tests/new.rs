//! `modelgate new` on the command line: a filter outside the suite, from nothing to scenarios that
//! pass.

// Helpers of tests stand outside of them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output};

use modelgate_cli::build::{TARGET, Workspace};
use modelgate_cli::skip::require_or_skip;
use modelgate_envoy::release::Envoy;

fn modelgate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_modelgate-full"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_name_that_cannot_be_is_refused_with_what_to_write() {
    for (name, said) in [
        ("Verb_Gate", "kebab-case"),
        ("match", "word of Rust's"),
        ("jwt-auth", "a filter of the suite already"),
    ] {
        let output = modelgate(&["new", name]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(text(&output.stderr).contains(said), "{name}");
    }
    let output = modelgate(&["new", "verb-gate", "--after", "no-filter"]);
    assert!(text(&output.stderr).contains("there are audit-log, jwt-auth"));
    let root = Workspace::locate().unwrap().root;
    assert!(!root.join("plugins/verb-gate").exists());
    // A folder with something in it is left as it is.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "").unwrap();
    let output = modelgate(&[
        "new",
        "verb-gate",
        "--standalone",
        folder.path().to_str().unwrap(),
    ]);
    assert!(text(&output.stderr).contains("is not empty"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_filter_outside_the_suite_passes_its_tests_and_its_scenarios() {
    let workspace = Workspace::locate().unwrap();
    let place = workspace.target.join("new-filter");
    let folder = place.join("their-gate");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    let written = modelgate(&["new", "--standalone", folder.to_str().unwrap()]);
    assert!(written.status.success(), "{}", text(&written.stderr));
    cargo(&folder, &place.join("their-target"), &["fmt", "--check"]);
    cargo(&folder, &place.join("their-target"), &["test", "--offline"]);
    let build = ["build", "--offline", "--release", "--target", TARGET];
    cargo(&folder, &place.join("their-target"), &build);
    let module = place.join(format!("their-target/{TARGET}/release/their_gate.wasm"));
    let scenarios = folder.join("scenarios");
    let (module, scenarios) = (module.to_str().unwrap(), scenarios.to_str().unwrap());

    let inspected = modelgate(&["inspect", module]);
    assert!(text(&inspected.stdout).contains("their_gate 0.1.0"));
    let mut engines = vec!["wasmtime"];
    let envoy = Envoy::find(None, &|_| {});
    if require_or_skip("an Envoy for a filter outside the suite", envoy).is_some() {
        engines.push("envoy");
    }
    for engine in engines {
        let run = ["scenario", "--engine", engine, "--wasm", module, scenarios];
        let output = modelgate(&run);
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(said.contains("2 as expected, 0 not"), "{engine}: {said}");
        assert!(output.status.success(), "{engine}");
    }
}

fn cargo(folder: &Path, target: &Path, arguments: &[&str]) {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo {arguments:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}
