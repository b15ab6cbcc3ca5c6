//! The modules as they are shipped: what they say of themselves is what the code says.

use std::path::Path;
use std::sync::Arc;

use modelgate_cli::SUITE;
use modelgate_cli::build::{self, Profile, Workspace, bundle};
use modelgate_cli::inspect::Module;
use modelgate_full::BACKENDS;
use modelgate_kit::manifest;
use modelgate_scenario::engine::{Verdict, WasmFolder, judge, open};
use modelgate_scenario::file::{EngineName, ScenarioFile};
use proxy_wasm_simulator::profile::NGINX;

#[test]
fn the_modules_for_the_second_host_have_every_callback_that_it_calls_and_envoys_have_no_more() {
    let workspace = Workspace::locate().unwrap();
    build::build_all(&workspace, Profile::Release).unwrap();
    let mut files = Vec::new();
    for krate in SUITE.modules() {
        let read = |path: &std::path::Path| Module::read(&std::fs::read(path).unwrap()).unwrap();
        let path = workspace.second_host_path(krate);
        let (theirs, envoys) = (read(&path), read(&workspace.artifact_path(krate)));
        for called in NGINX.needed_callbacks {
            assert!(theirs.exports.contains(*called), "{krate}: {called}");
        }
        assert!(!envoys.exports.contains("proxy_on_done"), "{krate}");
        assert_eq!(theirs.filters, envoys.filters, "{krate}");
        files.push(path);
    }
    // The bundle is apart: Kong loads whatever is in its folder.
    files.retain(|path| path.parent() != workspace.second_host_path(SUITE.bundle()).parent());
    assert_eq!(files.len(), SUITE.crates().count());
    let folder = files[0].parent().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_module = path.extension().is_some_and(|kind| kind == "wasm");
        assert!(
            !is_module || files.contains(&path),
            "{}: Kong loads it",
            path.display()
        );
    }
}

#[test]
fn every_module_says_what_it_is() {
    let workspace = Workspace::locate().unwrap();
    build::build_all(&workspace, Profile::Release).unwrap();
    for krate in SUITE.modules() {
        let wasm = std::fs::read(workspace.artifact_path(krate)).unwrap();
        let module = Module::read(&wasm).unwrap_or_else(|error| panic!("{krate}: {error}"));
        assert!(module.is_ours(), "{krate}");
        assert_eq!(module.kit.as_deref(), Some(manifest::VERSION), "{krate}");
        assert_eq!(module.version(), Some(manifest::VERSION), "{krate}");
        assert_eq!(module.described["licenses"], "Apache-2.0", "{krate}");
        assert_eq!(module.abi, ["0.2.1"], "{krate}");
        let mut expected = SUITE.filters_in(krate);
        let mut said = module.filters.clone();
        expected.sort_by_key(|filter| filter.name);
        said.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!(said.len(), expected.len(), "{krate}");
        for (said, filter) in said.iter().zip(expected) {
            assert_eq!(said.name, filter.name);
            assert_eq!(said.version, filter.version);
            assert_eq!(said.order, u32::from(filter.needs.order));
            assert_eq!(said.environment, filter.environment);
            let has = |need: &str| said.needs.iter().any(|known| known == need);
            assert_eq!(has("buffers_request"), filter.needs.buffers_request);
            assert_eq!(has("callouts"), filter.needs.callouts);
            assert_eq!(has("holds"), filter.needs.holds);
            assert_eq!(has("end"), filter.needs.end);
        }
        let calls = module.uses().contains(&"HTTP calls");
        assert!(calls || module.that_need("callouts").is_empty(), "{krate}");
    }
}

/// A chain of a filter that was chosen, and one of a filter that was not.
const CHAINS: [&str; 2] = [
    r#"
about: a filter that was chosen
chain:
- modelgate: { filters: [ { filter: rate_limit, config: { policies: [ { name: all, windows: [ { quota: 1, window_s: 60 } ] } ] } } ] }
requests:
- { path: /first, expect: { client: { status: 200 } } }
- { path: /second, expect: { client: { status: 429 } } }
"#,
    r#"
about: a filter that was not chosen
chain:
- modelgate: { filters: [ { filter: audit_log, config: { sink: { cluster: logs } } } ] }
clusters: { logs: { answer: { status: 200 } } }
expect: { start: { refused: { contains: [ "filters[0].filter: is not a filter of this module", "one of jwt_auth, rate_limit" ] } } }
"#,
];

#[test]
fn a_bundle_of_chosen_filters_is_a_chain_of_these_and_refuses_others() {
    let workspace = Workspace::locate().unwrap();
    let chosen = ["rate-limit", "jwt_auth"].map(str::to_owned);
    let chosen = bundle::chosen(&chosen).unwrap();
    let built = bundle::build(&workspace, &chosen, Profile::Release).unwrap();
    let module = Module::read(&std::fs::read(&built.path).unwrap()).unwrap();
    let names: Vec<_> = module.filters.iter().map(|filter| &filter.name).collect();
    assert_eq!(names, ["jwt_auth", "rate_limit"]);
    // It is entered for what these two look at, and for nothing else.
    for (callback, is_needed) in [
        ("proxy_on_request_body", true),
        ("proxy_on_request_trailers", true),
        ("proxy_on_response_headers", true),
        ("proxy_on_http_call_response", true),
        ("proxy_on_tick", true),
        ("proxy_on_response_body", false),
        ("proxy_on_response_trailers", false),
        ("proxy_on_log", false),
    ] {
        assert_eq!(module.exports.contains(callback), is_needed, "{callback}");
    }
    let folder = built.path.parent().unwrap();
    let nginx = std::fs::read(folder.join("nginx/modelgate.wasm")).unwrap();
    let nginx = Module::read(&nginx).unwrap();
    assert_eq!(nginx.filters, module.filters);
    for called in NGINX.needed_callbacks {
        assert!(nginx.exports.contains(*called), "{called}");
    }

    let modules = Arc::new(WasmFolder(folder.to_owned()));
    let name = EngineName::parse("wasmtime").unwrap();
    let engine = open(&name, modules, &BACKENDS, &|_| {}).unwrap();
    for text in CHAINS {
        let file = ScenarioFile::parse(&SUITE, Path::new("chosen.yaml"), text).unwrap();
        let verdict = judge(engine.as_ref(), &file).unwrap();
        assert!(matches!(verdict, Verdict::Passed(_)), "{verdict:?}");
    }
}
