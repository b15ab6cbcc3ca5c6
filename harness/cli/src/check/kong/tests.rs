//! Tests of what is found in declarative configurations of Kong.

use crate::check::{Outcome, check, check_in};

const KEY_AUTH: &str = "{ name: key_auth, config: { keys: [ { id: a, digest: \"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\", consumer: a } ] } }";
const ACL: &str = "{ name: consumer_acl, config: { rules: [ { id: all, effect: allow } ], model_from_body: { mode: ignore } } }";
const SIGNER: &str = "{ name: aws_sigv4, config: { region: eu-central-1, service: sagemaker, host: runtime.sagemaker.eu-central-1.amazonaws.com, rewritten_by: route } }";

/// A service with these filters in its chain, one route with these members and these filters, and
/// more at the top level.
fn file(service: &[&str], route: &str, own: &[&str], more: &str) -> String {
    let chain = |filters: &[&str]| match filters {
        [] => "[]".to_owned(),
        filters => format!(
            "[ {{ filters: [\n      {}\n      ] }} ]",
            filters.join(",\n      ")
        ),
    };
    format!(
        "_format_version: \"3.0\"\nservices:\n- name: api\n  url: http://127.0.0.1:8081\n  filter_chains: {}\n  routes:\n  - name: r\n    paths: [ / ]\n    {route}\n    filter_chains: {}\n{more}\n",
        chain(service),
        chain(own),
    )
}

fn said(outcome: &Outcome) -> Vec<String> {
    outcome.findings.iter().map(ToString::to_string).collect()
}

/// The names of what is found, but for what is said where kong.conf is not at hand.
fn names(outcome: &Outcome) -> Vec<&'static str> {
    let names = outcome.findings.iter().map(|finding| finding.code.name);
    names.filter(|name| *name != "settings-elsewhere").collect()
}

#[test]
fn the_chain_of_the_service_runs_before_that_of_the_route() {
    let outcome = check(&file(&[KEY_AUTH], "", &[ACL], ""));
    assert_eq!(names(&outcome), [""; 0], "{:?}", said(&outcome));
    assert_eq!((outcome.filters, outcome.chains), (2, 1));
    assert_eq!(outcome.findings[0].code.name, "settings-elsewhere");
    let outcome = check(&file(&[ACL], "", &[KEY_AUTH], ""));
    assert_eq!(
        names(&outcome),
        ["no-identity", "filter-order"],
        "{:?}",
        said(&outcome)
    );
    let outcome = check(&file(&[], "", &[ACL], ""));
    assert_eq!(names(&outcome), ["no-identity"]);
}

#[test]
fn chains_at_the_top_level_belong_to_what_they_name() {
    let more = |to: &str| format!("filter_chains:\n- {to}\n  filters: [ {KEY_AUTH} ]");
    for to in ["service: api", "service: { name: api }"] {
        let outcome = check(&file(&[], "", &[ACL], &more(to)));
        assert_eq!(names(&outcome), [""; 0], "{to}: {:?}", said(&outcome));
    }
    for to in [
        "service: apy",
        "name: x",
        "service: api\n  route: r",
        "route: s",
    ] {
        let outcome = check(&file(&[KEY_AUTH], "", &[ACL], &more(to)));
        assert_eq!(
            names(&outcome),
            ["filter-chain"],
            "{to}: {:?}",
            said(&outcome)
        );
    }
    let outcome = check(&file(&[KEY_AUTH], "", &[ACL], &more("service: api")));
    assert_eq!(names(&outcome), ["filter-chain"], "two of one service");
}

#[test]
fn filters_among_the_plugins_are_found_and_kongs_own_are_not() {
    let more = format!("plugins:\n- {KEY_AUTH}\n- {{ name: key-auth }}");
    let outcome = check(&file(&[], "", &[], &more));
    assert_eq!(
        names(&outcome),
        ["filter-as-plugin"],
        "{:?}",
        said(&outcome)
    );
    let route = format!("plugins: [ {KEY_AUTH} ]");
    let outcome = check(&file(&[], &route, &[], ""));
    assert_eq!(
        names(&outcome),
        ["filter-as-plugin"],
        "{:?}",
        said(&outcome)
    );
}

#[test]
fn names_members_and_texts_that_kong_refuses_are_found() {
    for (filter, name, hint) in [
        (
            "{ name: key-auth, config: {} }",
            "unknown-wasm-filter",
            "key_auth",
        ),
        (
            "{ name: key_uath, config: {} }",
            "unknown-wasm-filter",
            "key_auth",
        ),
        ("{ name: audit_log, conf: {} }", "filter-chain", "config"),
        ("{ config: {} }", "filter-chain", "name"),
        (
            "{ name: audit_log, config: \"{}\" }",
            "config-as-text",
            "YAML",
        ),
        (
            "{ name: key_auth, config: { kyes: [] } }",
            "configuration",
            "keys",
        ),
    ] {
        let outcome = check(&file(&[KEY_AUTH], "", &[filter], ""));
        let found = outcome
            .findings
            .iter()
            .find(|found| found.code.name == name);
        let found = found.unwrap_or_else(|| panic!("{filter}: {:?}", said(&outcome)));
        assert!(found.hint.contains(hint), "{filter}: {found}");
    }
    // Somebody else's filter, and one that is off.
    for filter in [
        "{ name: waf, config: x }",
        "{ name: key_auth, enabled: false, config: { a: 1 } }",
    ] {
        let outcome = check(&file(&[KEY_AUTH], "", &[filter], ""));
        assert_eq!(names(&outcome), [""; 0], "{filter}: {:?}", said(&outcome));
    }
}

#[test]
fn what_a_filter_refuses_is_found_at_its_line() {
    let filter = "{ name: audit_log,\n    config: { sink: { cluster: a },\n      snik: 1 } }";
    let outcome = check(&file(&[filter], "", &[], ""));
    let found = outcome
        .findings
        .iter()
        .find(|found| found.code.name == "configuration");
    let found = found.unwrap_or_else(|| panic!("{:?}", said(&outcome)));
    assert_eq!((found.place.line, found.place.column), (8, 7), "{found}");
}

#[test]
fn an_open_signer_is_found_unless_a_plugin_refuses_strangers() {
    let code = |service: &[&str], more: &str| {
        let route = "strip_path: false";
        let outcome = check(&file(service, route, &[SIGNER], more));
        names(&outcome)
    };
    assert_eq!(code(&[], ""), ["unauthenticated-signer"]);
    assert!(code(&[KEY_AUTH], "").is_empty());
    for plugin in [
        "{ name: jwt }",
        "{ name: jwt, service: api }",
        "{ name: jwt, route: r }",
        "{ name: jwt, config: { anonymous: ~ } }",
    ] {
        assert!(
            code(&[], &format!("plugins: [ {plugin} ]")).is_empty(),
            "{plugin}"
        );
    }
    for plugin in [
        "{ name: jwt, enabled: false }",
        "{ name: jwt, service: other }",
        "{ name: jwt, consumer: ann }",
        "{ name: jwt, config: { anonymous: nobody } }",
        "{ name: cors }",
    ] {
        let found = code(&[], &format!("plugins: [ {plugin} ]"));
        assert_eq!(found, ["unauthenticated-signer"], "{plugin}");
    }
}

#[test]
fn what_kong_changes_behind_a_signature_is_found() {
    let code = |route: &str| {
        let outcome = check(&file(&[KEY_AUTH], route, &[SIGNER], ""));
        names(&outcome)
    };
    assert_eq!(code(""), ["changed-after-signing"]);
    assert_eq!(
        code("strip_path: false\n    preserve_host: true"),
        ["changed-after-signing"]
    );
    assert!(code("strip_path: false").is_empty());
    let text = file(&[KEY_AUTH], "strip_path: false", &[SIGNER], "");
    let outcome = check(&text.replace("  url: ", "  path: /x\n  url: "));
    assert_eq!(names(&outcome), ["changed-after-signing"]);
}

#[test]
fn kong_conf_beside_the_file_is_read_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let conf = "wasm = on\nwasm_filters_path = /f\nnginx_http_client_body_buffer_size = 2m\nnginx_main_env = AWS_ACCESS_KEY_ID; env AWS_SECRET_ACCESS_KEY\n";
    let text = file(&[KEY_AUTH], "strip_path: false", &[SIGNER], "");
    let found = |conf: &str| {
        std::fs::write(folder.path().join("kong.conf"), conf).unwrap();
        let outcome = check_in(&text, Some(folder.path()));
        let names: Vec<&str> = outcome
            .findings
            .iter()
            .map(|found| found.code.name)
            .collect();
        names
    };
    assert!(found(conf).is_empty(), "{:?}", found(conf));
    assert_eq!(
        found(&conf.replace("wasm = on", "wasm = off")),
        ["wasm-off"]
    );
    assert_eq!(found(&conf.replace("2m", "64k")), ["body-buffer"]);
    assert_eq!(
        found(&conf.replace("nginx_http_client", "nginx_x")),
        ["body-buffer"]
    );
    assert_eq!(
        found(&conf.replace("; env AWS_SECRET_ACCESS_KEY", "")),
        ["variable-not-passed"]
    );
    assert_eq!(found("not a conf"), ["settings-elsewhere"]);
    let limit = "{ name: rate_limit, config: { policies: [ { name: a, by: [ consumer ], windows: [ { quota: 1, window_s: 1 } ] } ], model_from_body: { mode: ignore } } }";
    let text = file(&[KEY_AUTH, limit], "", &[], "");
    let memory = |conf: &str| {
        std::fs::write(folder.path().join("kong.conf"), conf).unwrap();
        let outcome = check_in(&text, Some(folder.path()));
        outcome
            .findings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert!(memory(conf)[0].contains("MG505"), "{:?}", memory(conf));
    for zone in ["nginx_wasm_shm_kv", "nginx_wasm_shm_kv_modelgate"] {
        assert!(memory(&format!("{conf}{zone} = 10m\n")).is_empty());
    }
}

#[test]
fn a_kong_conf_alone_is_judged_by_what_it_says() {
    let outcome = check("wasm = off\nwasm_filters_path = /f\n");
    assert_eq!(names(&outcome), ["wasm-off"]);
    let outcome = check("wasm = on\nwasm_filters_path = /f\n");
    assert!(outcome.findings.is_empty(), "{:?}", said(&outcome));
}

#[test]
fn listeners_of_envoy_and_services_of_compose_are_not_kongs() {
    for text in [
        "name: l\nfilter_chains:\n- filters: []\n",
        "services:\n  web: { image: x }\n",
    ] {
        let outcome = check(text);
        assert_eq!(
            names(&outcome),
            ["nothing-here"],
            "{text}: {:?}",
            said(&outcome)
        );
    }
}
