//! Every filter's module under random callbacks, on the wasmtime host: no trap, and nothing passes
//! that must not.
//!
//! The worlds are the filters' own scenarios, and those in `fuzz_callbacks/`, which promise
//! something: that nothing passes without proof, or that whatever passes is masked or signed. On a
//! healthy proxy each of those does what it says, which is checked first; then
//! [`modelgate_full::fuzz`] plays them all, 10,000 callbacks for each filter.
//!
//! The module that holds all filters plays them as chains in one entry: all scenarios that have
//! this form, and, apart from them, the worlds that promise something, among them whole chains.
//!
//! `MODELGATE_FUZZ_SEED` repeats a run (the seed is printed), `MODELGATE_FUZZ_CALLBACKS` makes it
//! longer. Scenarios whose tokens are minted afresh are left out: a run with them could not be
//! repeated.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use libtest_mimic::Trial;
use modelgate_cli::SUITE;
use modelgate_cli::build::{self, Profile, Workspace};
use modelgate_full::fuzz::{Options, Promise, Report, World, fuzz_on};
use modelgate_scenario::catalogue::file_name;
use modelgate_scenario::engine::fused::{Fused, fused};
use modelgate_scenario::engine::simulated::Simulated;
use modelgate_scenario::engine::{Engine, Verdict, WasmFolder, judge};
use modelgate_scenario::file::ScenarioFile;
use proxy_wasm_simulator::{Outcome, Profile as Rules, profile};
use proxy_wasm_wasmtime::WasmCode;

const CALLBACKS: u64 = 10_000;
/// Any instant would do; tokens are valid, and a run repeats.
const NOW_S: u64 = 1_800_000_000;

/// The worlds of this folder, by module, with what they promise.
const PROMISES: [(&str, &str, Promise); 10] = [
    ("jwt-auth", "jwt-tokens.yaml", Promise::Nothing),
    (
        "jwt-auth",
        "jwt-unproven-inline.yaml",
        Promise::NothingPasses,
    ),
    (
        "jwt-auth",
        "jwt-unproven-discovered.yaml",
        Promise::NothingPasses,
    ),
    ("key-auth", "key-unproven.yaml", Promise::NothingPasses),
    ("consumer-acl", "acl-unproven.yaml", Promise::NothingPasses),
    (
        "pii-mask",
        "pii-kept.yaml",
        Promise::Outcome(shows_the_address),
    ),
    (
        "aws-sigv4",
        "sigv4-signed.yaml",
        Promise::Outcome(goes_unsigned),
    ),
    (
        "upstream-auth",
        "upstream-auth-sent.yaml",
        Promise::Outcome(goes_without_our_credential),
    ),
    (
        SUITE.bundle(),
        "chain-unproven.yaml",
        Promise::NothingPasses,
    ),
    (
        SUITE.bundle(),
        "chain-kept.yaml",
        Promise::Outcome(shows_the_address_or_goes_unsigned),
    ),
];

fn shows_the_address(outcome: &Outcome) -> Option<String> {
    const ADDRESS: &[u8] = b"canary@example.org";
    // What is changed on the way may make a label of it that no domain has (RFC 1035 §2.3.4), and
    // with it no address.
    const LONGEST_LABEL: usize = 63;
    let is_label = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'-';
    let shows = |body: &[u8]| {
        (0..body.len()).any(|at| {
            let here = body.get(at..).unwrap_or_default();
            here.starts_with(ADDRESS)
                && here
                    .iter()
                    .skip(ADDRESS.len() - "org".len())
                    .take_while(is_label)
                    .count()
                    <= LONGEST_LABEL
        })
    };
    let told = |who: &str, body: &[u8]| {
        shows(body).then(|| {
            format!(
                "the {who} sees the address: {}",
                String::from_utf8_lossy(body).escape_debug()
            )
        })
    };
    let sent = outcome.upstream.as_ref();
    sent.and_then(|sent| told("upstream", &sent.body))
        .or_else(|| told("client", &outcome.client.body()))
}

fn goes_unsigned(outcome: &Outcome) -> Option<String> {
    let sent = outcome.upstream.as_ref()?;
    let mut values = sent.headers.all("authorization");
    let signed = match (values.next(), values.next()) {
        (Some(value), None) => value.starts_with(b"AWS4-HMAC-SHA256 "),
        _ => false,
    };
    (!signed).then(|| "the upstream receives a request without a signature of ours".to_owned())
}

fn goes_without_our_credential(outcome: &Outcome) -> Option<String> {
    let sent = outcome.upstream.as_ref()?;
    let mut values = sent.headers.all("authorization");
    let is_ours = match (values.next(), values.next()) {
        (Some(value), None) => value == b"Bearer the-gateways-own".as_slice(),
        _ => false,
    };
    (!is_ours).then(|| "the upstream receives a request without our credential".to_owned())
}

fn shows_the_address_or_goes_unsigned(outcome: &Outcome) -> Option<String> {
    shows_the_address(outcome).or_else(|| goes_unsigned(outcome))
}

fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| match std::env::var("MODELGATE_FUZZ_SEED") {
        Ok(seed) => seed.parse().expect("MODELGATE_FUZZ_SEED is a number"),
        Err(_) => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |since| since.as_nanos() as u64),
    })
}

fn callbacks() -> u64 {
    std::env::var("MODELGATE_FUZZ_CALLBACKS").map_or(CALLBACKS, |number| {
        number
            .parse()
            .expect("MODELGATE_FUZZ_CALLBACKS is a number")
    })
}

fn workspace() -> &'static Workspace {
    static WORKSPACE: OnceLock<Workspace> = OnceLock::new();
    WORKSPACE.get_or_init(|| Workspace::locate().expect("the workspace"))
}

/// Builds modules, as far as they are not: whoever runs one test waits for one. The folder where
/// they are.
fn built(modules: &[&str]) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    build::build(workspace(), modules, Profile::Release).expect("the modules");
    workspace().target.join("modelgate")
}

fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz_callbacks")
        .join(name)
}

fn world(path: &Path, promise: Promise) -> World {
    let file = ScenarioFile::read(&SUITE, path).unwrap_or_else(|error| panic!("{error}"));
    World {
        name: path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        scenario: file
            .resolve(NOW_S)
            .unwrap_or_else(|error| panic!("{error}")),
        promise,
    }
}

/// The scenarios in a folder that can be repeated, with their paths.
fn repeatable(folder: &str) -> Vec<(PathBuf, ScenarioFile)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(workspace().root.join(folder))
        .expect("scenarios")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let file = ScenarioFile::read(&SUITE, &path).unwrap_or_else(|error| panic!("{error}"));
            (path, file)
        })
        .filter(|(_, file)| !file.needs_tokens())
        .collect()
}

/// What a filter is fuzzed with: its scenarios as far as they can be repeated, and the worlds of
/// this folder.
fn worlds(filter: &str) -> Vec<World> {
    let scenarios = repeatable(&format!("plugins/{filter}/scenarios"));
    let promised = PROMISES.iter().filter(|(of, ..)| *of == filter);
    scenarios
        .into_iter()
        .filter(|(_, file)| file.uses(filter))
        .map(|(path, _)| world(&path, Promise::Nothing))
        .chain(promised.map(|(_, name, promise)| world(&own(name), *promise)))
        .collect()
}

/// The world with its chain in one entry, if it has that form.
fn in_one_entry(world: World) -> Option<World> {
    Some(World {
        name: format!("{} in one entry", world.name),
        scenario: fused(&SUITE, &world.scenario).ok()?,
        promise: world.promise,
    })
}

/// All scenarios that can be repeated and have the form of one entry.
fn scenarios_in_one_entry() -> Vec<World> {
    let plugins = SUITE
        .filters()
        .iter()
        .map(|member| format!("plugins/{}/scenarios", member.krate));
    plugins
        .chain(["tests/scenarios".to_owned()])
        .flat_map(|folder| repeatable(&folder))
        .filter_map(|(path, _)| in_one_entry(world(&path, Promise::Nothing)))
        .collect()
}

/// The worlds that promise something, all of them, in one entry.
fn promises_in_one_entry() -> Vec<World> {
    let worlds: Vec<World> = PROMISES
        .iter()
        .filter_map(|(_, name, promise)| in_one_entry(world(&own(name), *promise)))
        .collect();
    assert_eq!(worlds.len(), PROMISES.len(), "each has this form");
    worlds
}

fn fuzzed(module: &str, worlds: &[World], callbacks: u64) -> Report {
    let path = built(&[module]).join(file_name(module));
    fuzzed_on(profile::ENVOY, module, &path, worlds, callbacks)
}

fn fuzzed_on(rules: Rules, module: &str, path: &Path, worlds: &[World], callbacks: u64) -> Report {
    let wasm = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let seed = seed();
    println!("MODELGATE_FUZZ_SEED={seed}");
    match fuzz_on(rules, &wasm, module, worlds, Options { seed, callbacks }) {
        Ok(Ok(report)) => report,
        Ok(Err(finding)) => panic!("{module}: {finding}"),
        Err(error) => panic!("{module}: {error:#}"),
    }
}

/// The run of one module, which exports these groups of callbacks.
fn holds(module: &str, worlds: &[World], groups: &[&str]) {
    let report = fuzzed(module, worlds, callbacks());
    println!("{module}: {report}\n{:#?}", report.by_export);
    assert!(report.callbacks >= callbacks());
    // A run that never came deep, or met only one kind of weather, has shown nothing.
    assert!(
        report.passed > 0 && report.passed < report.requests,
        "{report}"
    );
    assert!(
        report.strays > 0 && report.refused_calls > 0 && report.spoiled_calls > 0,
        "{report}"
    );
    let mut expected: BTreeSet<&str> =
        BTreeSet::from(["proxy_on_request_headers", "proxy_on_delete"]);
    for group in groups {
        expected.extend(match *group {
            "request_body" => &["proxy_on_request_body", "proxy_on_request_trailers"][..],
            "request_trailers" => &["proxy_on_request_trailers"],
            "response_headers" => &["proxy_on_response_headers"],
            "response_body" => &["proxy_on_response_body", "proxy_on_response_trailers"],
            "response_trailers" => &["proxy_on_response_trailers"],
            "answers" => &["proxy_on_http_call_response"],
            "tick" => &["proxy_on_tick"],
            "end" => &["proxy_on_log"],
            other => panic!("{other} is a group of callbacks that this test does not know"),
        });
    }
    for export in expected {
        assert!(
            report.by_export.contains_key(export),
            "{export} was never called"
        );
    }
}

/// The run of one filter.
fn filter_holds(filter: &str) {
    let member = SUITE.member(filter).expect("a filter of the suite");
    let groups = modelgate_kit::filter::Callbacks::of(&member.filter.needs).groups();
    let exported: Vec<&str> = groups
        .into_iter()
        .filter_map(|(group, exported)| exported.then_some(group))
        .collect();
    holds(filter, &worlds(filter), &exported);
}

/// The run of one filter on nginx: no worker ends, no host call traps where nginx tells the truth,
/// and nothing passes that a filter has not let go.
fn filter_holds_on_nginx(filter: &str) {
    built(&[filter]);
    let path = workspace().second_host_path(filter);
    // The filter is the same, and so is most of what it does: a third of the callbacks.
    let callbacks = callbacks().div_ceil(3);
    let report = fuzzed_on(profile::NGINX, filter, &path, &worlds(filter), callbacks);
    println!("{filter} on nginx: {report}\n{:#?}", report.by_export);
    assert!(report.callbacks >= callbacks);
    assert!(
        report.passed > 0 && report.passed < report.requests && report.strays > 0,
        "{report}"
    );
}

/// The groups of callbacks that the module of all filters exports: every one that there is.
fn every_group() -> Vec<&'static str> {
    let audit_log = SUITE.member("audit_log").expect("a member");
    let groups = modelgate_kit::filter::Callbacks::of(&audit_log.filter.needs).groups();
    groups.into_iter().map(|(group, _)| group).collect()
}

fn chains_in_one_entry_hold() {
    let worlds = scenarios_in_one_entry();
    assert!(worlds.len() > 30, "{} scenarios", worlds.len());
    holds(SUITE.bundle(), &worlds, &every_group());
}

fn chains_in_one_entry_keep_their_promises() {
    holds(SUITE.bundle(), &promises_in_one_entry(), &every_group());
}

fn on_a_healthy_proxy_the_worlds_do_what_they_say() {
    let folder = Arc::new(WasmFolder(built(&SUITE.modules())));
    let engine: Arc<dyn Engine> = Arc::new(Simulated::wasmtime(folder, WasmCode::load));
    let in_one_entry = Fused {
        catalogue: SUITE,
        engine: Arc::clone(&engine),
    };
    for (_, name, _) in PROMISES {
        let file = ScenarioFile::read(&SUITE, &own(name)).unwrap_or_else(|error| panic!("{error}"));
        for engine in [engine.as_ref(), &in_one_entry] {
            match judge(engine, &file) {
                Ok(Verdict::Passed(_)) => {}
                Ok(other) => panic!("{name}: {other:?}"),
                Err(error) => panic!("{name}: {error:#}"),
            }
        }
    }
}

/// One test for each filter of the suite, and those of the module that holds them all.
pub fn trials() -> Vec<Trial> {
    let of_filters = SUITE.filters().iter().map(|member| {
        let name = format!("{}_holds", member.filter.name);
        Trial::test(name, || {
            filter_holds(member.krate);
            Ok(())
        })
    });
    let others: [(&str, fn()); 4] = [
        ("chains_in_one_entry_hold", chains_in_one_entry_hold),
        (
            "chains_in_one_entry_keep_their_promises",
            chains_in_one_entry_keep_their_promises,
        ),
        (
            "on_a_healthy_proxy_the_worlds_do_what_they_say",
            on_a_healthy_proxy_the_worlds_do_what_they_say,
        ),
        ("a_run_can_be_repeated", a_run_can_be_repeated),
    ];
    let others = others.into_iter().map(|(name, run)| {
        Trial::test(name, move || {
            run();
            Ok(())
        })
    });
    let on_nginx = SUITE.filters().iter().map(|member| {
        let name = format!("{}_holds_on_nginx", member.filter.name);
        Trial::test(name, || {
            filter_holds_on_nginx(member.krate);
            Ok(())
        })
    });
    of_filters.chain(on_nginx).chain(others).collect()
}

fn a_run_can_be_repeated() {
    let run = || {
        let report = fuzzed("jwt-auth", &worlds("jwt-auth"), 1_000);
        (
            report.by_export,
            report.requests,
            report.refused_calls,
            report.spoiled_calls,
        )
    };
    assert_eq!(run(), run());
}

fn main() -> std::process::ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit_code()
}
