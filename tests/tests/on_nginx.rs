//! Every scenario on the simulated proxy while it plays another host than Envoy with its defaults:
//! Envoy with `allow_on_headers_stop_iteration` on every filter, and nginx.
//!
//! What a scenario declares to differ there (`diverges`, `engine: nginx`) must differ. What does
//! not hold on nginx yet stands in tests/on-nginx.txt, one line for each file with the reason, and
//! must not hold: what holds comes off the list.

use modelgate_cli::SUITE;
use modelgate_cli::build::{Workspace, scenario_files};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use modelgate_scenario::engine::{Backends, Verdict, WasmFolder, judge, open};
use modelgate_scenario::file::{EngineName, ScenarioFile};

/// The scenarios that do not hold on an engine, with what was seen, or with what went wrong.
fn failures(engine: &str) -> BTreeMap<String, String> {
    let name = EngineName::parse(engine).expect("the name of an engine");
    let wasm = Arc::new(WasmFolder(PathBuf::new()));
    let engine = open(&name, wasm, &Backends::default(), &|_| ()).expect("a native engine");
    let root = Workspace::locate().expect("the workspace").root;
    let files = scenario_files(&root).expect("scenarios");
    assert!(files.len() > 50, "only {} scenarios", files.len());
    let judged = files.into_iter().filter_map(|path| {
        let file =
            ScenarioFile::read(&SUITE, &root.join(&path)).expect("a scenario that can be read");
        let seen = match judge(engine.as_ref(), &file) {
            Ok(Verdict::Passed(_) | Verdict::Excluded(_)) => return None,
            Ok(Verdict::Failed(mismatches, _)) => {
                let mismatches: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
                mismatches.join("\n    ")
            }
            Err(error) => format!("{error:#}"),
        };
        Some((path.display().to_string(), seen))
    });
    judged.collect()
}

/// The list of what does not hold on nginx yet.
fn listed() -> BTreeSet<String> {
    let lines = include_str!("../on-nginx.txt").lines();
    let written = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entries = written.map(|line| {
        let (name, because) = line.split_once(": ").expect("a file and a reason");
        assert!(because.split(' ').count() > 2, "say why: {line}");
        name.to_owned()
    });
    entries.collect()
}

#[test]
fn scenarios_hold_on_nginx_but_for_those_that_are_listed() {
    let failures = failures("native nginx");
    let listed = listed();
    let root = Workspace::locate().expect("the workspace").root;
    let files = scenario_files(&root).expect("scenarios");
    let unknown: Vec<&String> = listed
        .iter()
        .filter(|name| !files.contains(&PathBuf::from(name)))
        .collect();
    assert!(unknown.is_empty(), "no such files: {unknown:#?}");
    let held = listed.iter().filter(|name| !failures.contains_key(*name));
    let held: Vec<&String> = held.collect();
    let unlisted = failures.iter().filter(|(name, _)| !listed.contains(*name));
    let unlisted: Vec<String> = unlisted
        .map(|(name, seen)| format!("{name}:\n    {seen}"))
        .collect();
    assert!(
        unlisted.is_empty() && held.is_empty(),
        "not as expected on nginx:\n{}\nto be taken off the list:\n{held:#?}",
        unlisted.join("\n")
    );
}

#[test]
fn scenarios_hold_with_allow_on_headers_stop_iteration_everywhere() {
    let failures = failures("native envoy_stop_iteration");
    let failures: Vec<String> = failures
        .iter()
        .map(|(name, seen)| format!("{name}:\n    {seen}"))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
