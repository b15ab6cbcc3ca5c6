//! The rules of deny.toml hold for everything that the workspace is built from.

use std::process::{Command, Stdio};

use modelgate_cli::build::Workspace;
use modelgate_full::dependencies::{Rules, packages};
use serde_json::Value as Json;

#[test]
fn licences_bans_and_sources_are_as_deny_toml_wants_them() {
    let workspace = Workspace::locate().unwrap();
    let text = std::fs::read_to_string(workspace.root.join("deny.toml")).unwrap();
    let rules = Rules::read(&text).unwrap();
    let packages = packages(&workspace).unwrap();
    assert!(packages.len() > 200, "{}", packages.len());
    let broken = rules.broken(&packages);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The database of advisories is a git repository, which not every machine reaches; cargo-deny,
/// which reads it, is not on every machine.
#[test]
fn no_dependency_has_an_advisory() {
    let root = Workspace::locate().unwrap().root;
    let output = Command::new("cargo-deny")
        .args(["--format", "json", "check", "advisories"])
        .current_dir(root)
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else {
        println!("SKIPPED: advisories: cargo-deny is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let findings: Vec<&str> = said.lines().filter(|line| is_advisory(line)).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    if !output.status.success() {
        let last = said.lines().last().unwrap_or_default();
        println!("SKIPPED: advisories: cargo-deny could not look for them: {last}");
    }
}

/// Whether a line of cargo-deny's is about an advisory, and not about what it could not do.
fn is_advisory(line: &str) -> bool {
    let line: Json = serde_json::from_str(line).unwrap_or_default();
    let text = |path: &str| line.pointer(path).and_then(Json::as_str);
    line["type"] == "diagnostic"
        && text("/fields/severity") == Some("error")
        && text("/fields/code").is_some()
}

#[test]
fn an_advisory_is_told_from_a_failure_to_look() {
    let diagnostic = |severity: &str| {
        format!(
            r#"{{"type":"diagnostic","fields":{{"code":"vulnerability","severity":"{severity}","message":"x"}}}}"#
        )
    };
    assert!(is_advisory(&diagnostic("error")));
    assert!(!is_advisory(&diagnostic("warning")));
    let failure = r#"{"type":"log","fields":{"level":"ERROR","message":"failed to fetch advisory database"}}"#;
    for line in [failure, "", "error: no config"] {
        assert!(!is_advisory(line), "{line}");
    }
}
