//! Every scenario on the simulated proxy while it plays another host than Envoy with its defaults:
//! Envoy with `allow_on_headers_stop_iteration` on every filter, and nginx.
//!
//! What a scenario declares to differ there (`diverges`, `engine: nginx`) must differ. What does
//! not hold on nginx yet stands in tests/on-nginx.txt, one line for each file with the reason and
//! the row of what nginx does (a test of the simulated proxy), and must not hold: what holds comes
//! off the list.

#[path = "on_nginx/opened.rs"]
mod opened;

use modelgate_cli::SUITE;
use modelgate_cli::build::{self, Profile, Workspace, scenario_files};
use modelgate_full::BACKENDS;
use opened::openings;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use modelgate_scenario::engine::{
    Backends, Engine, Observations, Verdict, WasmFiles, WasmFolder, judge, open,
};
use modelgate_scenario::file::{
    EngineName, Expect, Scenario, ScenarioFile, Step, StepExpect, Wasm,
};

/// Any instant would do; tokens are valid.
const NOW_S: u64 = 1_800_000_000;

fn native(engine: &str) -> Box<dyn Engine> {
    let name = EngineName::parse(engine).expect("the name of an engine");
    let wasm = Arc::new(WasmFolder(PathBuf::new()));
    open(&name, wasm, &Backends::default(), &|_| ()).expect("a native engine")
}

/// The same without what it expects: what is seen is compared with what is seen elsewhere.
fn unexpecting(mut scenario: Scenario) -> Scenario {
    scenario.expect = Expect {
        start_refused: scenario.expect.start_refused,
        settle_ms: scenario.expect.settle_ms,
        ..Expect::default()
    };
    for step in &mut scenario.steps {
        if let Step::Send(traffic) = step {
            traffic.expect = StepExpect::default();
        }
    }
    scenario
}

/// The same where filters take what they refuse, and refuse every request then.
fn taking_reloads(scenario: &Scenario) -> Scenario {
    let mut taking = scenario.clone();
    for step in &mut taking.steps {
        if let Step::Reload(reload) = step {
            reload.refused = false;
        }
    }
    taking
}

/// Every scenario that a native engine can play, with the name of its file.
fn scenarios() -> Vec<(String, Scenario)> {
    let root = Workspace::locate().expect("the workspace").root;
    let files = scenario_files(&root).expect("scenarios");
    let played = native("native");
    let read = files.into_iter().map(|path| {
        let file = ScenarioFile::read(&SUITE, &root.join(&path)).expect("a scenario");
        let scenario = file.resolve(NOW_S).expect("a scenario");
        (path.display().to_string(), unexpecting(scenario))
    });
    read.filter(|(_, scenario)| played.refuses(scenario).is_none())
        .collect()
}

/// The scenarios that do not hold on an engine, with what was seen, or with what went wrong; those
/// of `listed` are not looked at.
fn failures(engine: &dyn Engine, listed: &BTreeSet<String>) -> BTreeMap<String, String> {
    let own = native("native nginx");
    let root = Workspace::locate().expect("the workspace").root;
    let files = scenario_files(&root).expect("scenarios");
    assert!(files.len() > 50, "only {} scenarios", files.len());
    let judged = files.into_iter().filter_map(|path| {
        let name = path.display().to_string();
        let file = ScenarioFile::read(&SUITE, &root.join(&path)).expect("a scenario");
        // Modules that are not the suite's were not made for this host.
        let made = file.resolve_without_keys().expect("a scenario");
        if listed.contains(&name) || own.refuses(&made).is_some() {
            return None;
        }
        let seen = match judge(engine, &file) {
            Ok(Verdict::Passed(_) | Verdict::Excluded(_)) => return None,
            Ok(Verdict::Failed(mismatches, _)) => {
                let mismatches: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
                mismatches.join("\n    ")
            }
            Err(error) => format!("{error:#}"),
        };
        Some((name, seen))
    });
    judged.collect()
}

/// What is said of failures.
fn told(failures: &BTreeMap<String, String>) -> String {
    let lines = failures
        .iter()
        .map(|(name, seen)| format!("{name}:\n    {seen}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules that are shipped for nginx and Kong.
struct ForThisHost(Workspace);

impl WasmFiles for ForThisHost {
    fn file(&self, _: &Scenario, wasm: &Wasm) -> anyhow::Result<PathBuf> {
        match wasm {
            Wasm::Suite(name) => Ok(self.0.second_host_path(name)),
            other => anyhow::bail!("{other:?} was not made for this host"),
        }
    }
}

/// The list of what does not hold on nginx yet.
fn listed() -> BTreeSet<String> {
    let lines = include_str!("../on-nginx.txt").lines();
    let written = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entries = written.map(|line| {
        let (name, because) = line.split_once(": ").expect("a file and a reason");
        assert!(because.split(' ').count() > 2, "say why: {line}");
        assert!(
            rows().any(|row| because.ends_with(&row)),
            "name a row that the simulated proxy is tried for: {line}"
        );
        name.to_owned()
    });
    entries.collect()
}

/// How reasons end: with a row of what nginx does otherwise, for which there is a test in
/// harness/simulator/src/tests/nginx.
fn rows() -> impl Iterator<Item = String> {
    let tests = [
        include_str!("../../harness/simulator/src/tests/nginx.rs"),
        include_str!("../../harness/simulator/src/tests/nginx/bodies.rs"),
        include_str!("../../harness/simulator/src/tests/nginx/calls.rs"),
        include_str!("../../harness/simulator/src/tests/nginx/requests.rs"),
        include_str!("../../harness/simulator/src/tests/nginx/workers.rs"),
    ];
    let names = tests.into_iter().flat_map(str::lines);
    let names = names.filter_map(|line| line.strip_prefix("fn "));
    names.flat_map(|name| {
        let mut words = name.split('_');
        let first = words.next().unwrap_or_default().to_uppercase();
        let is_number = |word: &str| word.parse::<u8>().is_ok();
        let numbers: Vec<&str> = match first.as_str() {
            "ROW" | "ROWS" => words.filter(|word| is_number(word)).collect(),
            lettered if lettered.strip_prefix('D').is_some_and(is_number) => vec![""],
            _ => Vec::new(),
        };
        let first = if first.starts_with("ROW") {
            String::new()
        } else {
            first
        };
        let rows = numbers
            .into_iter()
            .map(move |number| format!("(row {first}{number})"));
        rows.collect::<Vec<_>>()
    })
}

/// Whether a chain has something that cannot do without memory that workers share: buckets, and
/// keys that are fetched.
fn shares_memory(scenario: &Scenario) -> bool {
    let written = format!("{:?}", scenario.chain);
    let needing = [
        "rate_limit",
        "rollback",
        "fetch",
        "discovery",
        "pem_per_kid",
    ];
    needing.iter().any(|word| written.contains(word))
}

/// nginx has memory for filters only where the operator gives it. Without, what needs none holds as
/// with it, and what needs some lets nothing pass that it stops with it.
#[test]
fn without_shared_memory_nothing_passes_and_what_needs_none_holds() {
    let (with, without) = (native("native nginx"), native("native nginx_bare"));
    let (mut needless, mut needing) = (0, 0);
    for (name, scenario) in scenarios() {
        let scenario = taking_reloads(&scenario);
        if with.refuses(&scenario).is_some() {
            continue;
        }
        let closed = with.run(&scenario).expect("a run with shared memory");
        let open = without.run(&scenario).expect("a run without");
        assert_eq!(
            open.refused, closed.refused,
            "{name}: it starts as it does with it"
        );
        let found = openings(&scenario, &closed, &open);
        assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
        let statuses = |seen: &Observations| -> Vec<Option<u16>> {
            seen.exchanges
                .iter()
                .map(|exchange| exchange.status)
                .collect()
        };
        if shares_memory(&scenario) {
            needing += 1;
        } else {
            needless += 1;
            assert_eq!(statuses(&open), statuses(&closed), "{name}");
        }
    }
    assert!(needing > 10 && needless > 50, "{needing} and {needless}");
}

#[test]
fn scenarios_hold_on_nginx_but_for_those_that_are_listed() {
    let mut failures = failures(native("native nginx").as_ref(), &BTreeSet::new());
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
    let held: Vec<String> = held.into_iter().cloned().collect();
    failures.retain(|name, _| !listed.contains(name));
    let unlisted = told(&failures);
    assert!(
        unlisted.is_empty() && held.is_empty(),
        "not as expected on nginx:\n{unlisted}\nto be taken off the list:\n{held:#?}"
    );
}

#[test]
fn scenarios_hold_with_allow_on_headers_stop_iteration_everywhere() {
    let engine = native("native envoy_stop_iteration");
    let failures = failures(engine.as_ref(), &BTreeSet::new());
    assert!(failures.is_empty(), "{}", told(&failures));
}

/// What holds by the filters' own code holds with the modules that these hosts are given.
#[test]
fn scenarios_hold_on_nginx_with_the_modules_for_it() {
    let workspace = Workspace::locate().expect("the workspace");
    build::build(&workspace, &SUITE.modules(), Profile::Release).expect("the modules");
    let name = EngineName::parse("wasmtime nginx").expect("the name of an engine");
    let modules = Arc::new(ForThisHost(workspace));
    let engine = open(&name, modules, &BACKENDS, &|_| ()).expect("the embedded host");
    let failures = failures(engine.as_ref(), &listed());
    assert!(failures.is_empty(), "{}", told(&failures));
}

#[test]
fn nothing_passes_on_nginx_that_envoy_stops() {
    let envoy = native("native");
    for host in ["native nginx", "native nginx_bare", "native kong"] {
        let nginx = native(host);
        let found = scenarios().into_iter().flat_map(|(name, scenario)| {
            if nginx.refuses(&scenario).is_some() {
                return Vec::new();
            }
            let closed = envoy.run(&scenario).expect("a run on Envoy");
            let open = nginx
                .run(&taking_reloads(&scenario))
                .expect("a run on nginx");
            let mut found = openings(&scenario, &closed, &open);
            if closed.refused.is_some() && open.refused.is_none() {
                found.push("its configuration is taken and not every request refused".into());
            }
            let found = found.into_iter().map(move |one| format!("{name}: {one}"));
            found.collect()
        });
        let found: Vec<String> = found.collect();
        assert!(found.is_empty(), "{host}:\n{}", found.join("\n"));
    }
}

/// The look-out sees something: without its filters, hardly a scenario keeps what it keeps.
#[test]
fn without_filters_what_envoy_stops_is_seen_to_pass() {
    let envoy = native("native");
    let nginx = native("native nginx");
    let all = scenarios();
    let opened = all.iter().filter(|(_, scenario)| {
        let mut bare = scenario.clone();
        bare.chain.clear();
        bare.steps.retain(|step| !matches!(step, Step::Reload(_)));
        let closed = envoy.run(scenario).expect("a run on Envoy");
        let open = nginx.run(&bare).expect("a run without filters");
        !openings(scenario, &closed, &open).is_empty()
    });
    let opened = opened.count();
    assert!(opened * 2 > all.len(), "{opened} of {}", all.len());
}
