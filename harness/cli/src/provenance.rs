//! From which sources a module was built, and how: an in-toto statement with SLSA's provenance.
//!
//! It says what this machine knows and is signed by nobody: a signature over the image's digest, or
//! the build service's own attestation, is what makes it worth more.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::build::{TARGET, Workspace};
use crate::sbom::{Subject, rust_release};

/// The commit that the folder of a workspace is at, where git knows it and nothing was changed
/// since.
pub fn revision(workspace: &Workspace) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(&workspace.root)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let said = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| said.trim().to_owned())
    };
    git(&["status", "--porcelain"]).filter(|changed| changed.is_empty())?;
    git(&["rev-parse", "HEAD"])
}

/// The statement about a module. `source` is where the sources are.
///
/// # Errors
/// If the compiler cannot be asked, or `Cargo.lock` cannot be read.
pub fn of(
    workspace: &Workspace,
    subject: Subject,
    source: Option<&str>,
    revision: Option<&str>,
) -> Result<Json> {
    let rust = rust_release(workspace)?;
    let lock = workspace.root.join("Cargo.lock");
    let lock = fs::read(&lock).with_context(|| lock.display().to_string())?;
    let lock: String = Sha256::digest(&lock)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let command = match subject.target {
        TARGET => "modelgate build",
        _ => "modelgate release",
    };
    let mut dependencies = vec![
        json!({ "uri": format!("pkg:generic/rust@{rust}") }),
        json!({ "name": "Cargo.lock", "digest": { "sha256": lock } }),
    ];
    if let Some(revision) = revision {
        let mut sources = json!({ "name": "sources", "digest": { "gitCommit": revision } });
        if let (Some(source), Some(members)) = (source, sources.as_object_mut()) {
            members.insert("uri".into(), format!("git+{source}").into());
        }
        dependencies.push(sources);
    }
    Ok(json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{
            "name": subject.file,
            "digest": { "sha256": subject.sha256 },
        }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:modelgate:build:1",
                "externalParameters": { "command": command, "crate": subject.krate, "target": subject.target },
                "resolvedDependencies": dependencies,
            },
            "runDetails": { "builder": { "id": "urn:modelgate:builder:unattested" } },
        },
    }))
}

/// Where the sources are that a statement names, and their commit.
pub fn sources(statement: &Json) -> (Option<String>, Option<String>) {
    let dependencies = statement
        .pointer("/predicate/buildDefinition/resolvedDependencies")
        .and_then(Json::as_array);
    let sources = dependencies
        .into_iter()
        .flatten()
        .find(|dependency| dependency.get("name").is_some_and(|name| name == "sources"));
    let text = |pointer: &str| sources.and_then(|sources| sources.pointer(pointer)?.as_str());
    let source = text("/uri").and_then(|uri| uri.strip_prefix("git+"));
    let revision = text("/digest/gitCommit");
    (source.map(str::to_owned), revision.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_is_about_the_module_and_names_its_sources() {
        let workspace = Workspace::locate().unwrap();
        let subject = Subject {
            krate: "jwt-auth",
            file: "jwt_auth.wasm",
            target: TARGET,
            version: "1.0.0",
            sha256: "00",
        };
        let source = Some("https://git.example/modelgate");
        let statement = of(&workspace, subject, source, Some("abc")).unwrap();
        let about = &statement["subject"][0];
        assert_eq!(
            about,
            &json!({ "name": "jwt_auth.wasm", "digest": { "sha256": "00" } })
        );
        let made_of = &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
        assert_eq!(
            made_of[2],
            json!({ "name": "sources", "digest": { "gitCommit": "abc" }, "uri": "git+https://git.example/modelgate" })
        );
        let known = (source.map(str::to_owned), Some("abc".to_owned()));
        assert_eq!(sources(&statement), known);
        let unknown = of(&workspace, subject, source, None).unwrap();
        assert_eq!(sources(&unknown), (None, None));
        let made_of = &unknown["predicate"]["buildDefinition"]["resolvedDependencies"];
        assert_eq!(made_of.as_array().unwrap().len(), 2);
    }
}
