//! `modelgate check` and Envoy on configurations that are broken in generated ways: what Envoy
//! refuses `check` finds, and what Envoy takes is written as it should be.
//!
//! The files of `envoy/` are what is broken. Wasm modules are empty ones that take any
//! configuration, so that Envoy starts at once: what filters say of theirs is compared elsewhere
//! (tests/tests/envoy_configs.rs). The library of the native form is the real one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // Helpers of tests stand outside of them.

#[path = "check_breaks/ways.rs"]
mod ways;

use std::path::Path;

use located_yaml::Node;
use modelgate_cli::SUITE;
use modelgate_cli::build::{Workspace, native};
use modelgate_cli::check::{Outcome, Severity, check};
use modelgate_cli::generate;
use modelgate_cli::skip::require_or_skip;
use modelgate_envoy::log::last_words;
use modelgate_envoy::process::validate;
use modelgate_envoy::release::{DEFAULT, Envoy};
use modelgate_scenario::catalogue::file_name;
use proxy_wasm_simulator::random::Random;
use serde_json::Value as Json;

/// How many of all ways are tried; `MODELGATE_BREAKS` asks for another number.
const TRIED: usize = 80;
/// Which ones; `MODELGATE_BREAKS_SEED` asks for others.
const SEED: u64 = 20_261_128;

/// A module that is told anything and does nothing.
const MODULE: &str = r#"(module
    (memory (export "memory") 16)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1)))"#;

/// What the files need in the environment.
const ENVIRONMENT: [(&str, Option<&str>); 6] = [
    ("OPENAI_API_KEY", Some("key")),
    ("AZUREML_ENDPOINT_KEY", Some("key")),
    ("AZURE_OPENAI_KEY", Some("key")),
    ("AWS_ACCESS_KEY_ID", Some("key")),
    ("AWS_SECRET_ACCESS_KEY", Some("key")),
    ("AWS_SESSION_TOKEN", None),
];

/// Codes of what Envoy itself refuses.
const WRITTEN_WRONG: [&str; 8] = [
    "MG001", "MG002", "MG004", "MG005", "MG007", "MG018", "MG019", "MG110",
];

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn codes(outcome: &Outcome) -> Vec<&'static str> {
    let errors = outcome.findings.iter();
    errors
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.code.id)
        .collect()
}

/// What only the machine can tell that Envoy runs on: files that are not there.
const ELSEWHERE: [&str; 1] = ["Invalid path"];

fn lacks(log: &str, variable: &str) -> bool {
    log.contains(&format!("Environment variable doesn't exist: {variable}"))
}

/// What the two say of a file, where they do not agree.
fn disagreement(text: &str, file: &Path, envoy: &Envoy) -> Option<String> {
    std::fs::write(file, text).unwrap();
    let refused = validate(envoy, file, &ENVIRONMENT).unwrap();
    let outcome = check(text);
    let errors = codes(&outcome);
    match refused {
        Some(log) if ELSEWHERE.iter().any(|known| log.contains(known)) => None,
        // Of a variable with another name, `check` says that Envoy needs it.
        Some(log) if outcome.environment.iter().any(|name| lacks(&log, name)) => None,
        Some(log) if errors.is_empty() => {
            Some(format!("passes, and Envoy says {}", last_words(&log)))
        }
        None => {
            let wrong = outcome.findings.iter().find(|finding| {
                WRITTEN_WRONG.contains(&finding.code.id) && finding.severity == Severity::Error
            });
            wrong.map(|finding| format!("Envoy takes it, and it has {finding}"))
        }
        Some(_) => None,
    }
}

#[test]
fn what_envoy_refuses_is_found_and_what_it_takes_is_not() {
    let Some(envoy) = require_or_skip("Envoy", Envoy::find(Some(DEFAULT), &|_| {})) else {
        return;
    };
    let workspace = Workspace::locate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let modules = folder.path().join("modelgate");
    std::fs::create_dir(&modules).unwrap();
    for module in SUITE.modules() {
        let name = file_name(module);
        std::fs::write(modules.join(name), wat::parse_str(MODULE).unwrap()).unwrap();
    }
    let library = native::build(&workspace).unwrap().path;
    std::fs::copy(library, modules.join(native::LIBRARY)).unwrap();
    let file = folder.path().join("envoy.yaml");
    let mut bases: Vec<(String, Json)> = Vec::new();
    for path in generate::bootstraps(&workspace.root).unwrap() {
        let text = std::fs::read_to_string(workspace.root.join(&path)).unwrap();
        let text = text.replace("/etc/envoy/modelgate", modules.to_str().unwrap());
        let whole = Node::parse(&text).unwrap().to_json();
        // Whole, they agree.
        let name = path.display().to_string();
        let whole_text = format!("{whole:#}");
        assert_eq!(disagreement(&whole_text, &file, &envoy), None, "{name}");
        assert_eq!(codes(&check(&whole_text)), Vec::<&str>::new(), "{name}");
        bases.push((name, whole));
    }
    let ways: Vec<(usize, ways::Break)> = bases
        .iter()
        .enumerate()
        .flat_map(|(base, (_, whole))| ways::all(whole).into_iter().map(move |way| (base, way)))
        .collect();
    assert!(ways.len() > 10_000, "{}", ways.len());
    let mut random = Random::new(asked("MODELGATE_BREAKS_SEED").unwrap_or(SEED));
    let tried = asked("MODELGATE_BREAKS").map_or(TRIED, |number| usize::try_from(number).unwrap());
    let mut wrong = Vec::new();
    for _ in 0..tried {
        let (base, way) = &ways[random.below(ways.len())];
        let (name, whole) = &bases[*base];
        let text = format!("{:#}", way.of(whole));
        if let Some(said) = disagreement(&text, &file, &envoy) {
            eprintln!("{name}{way}: {said}");
            wrong.push(format!("{name}{way}: {said}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {tried}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
