//! Tests of what is found in configurations of nginx.

use crate::check::{Outcome, check, check_in};

const KEYS: &str = r#"{ "keys": [ { "id": "a", "digest": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "consumer": "a" } ] }"#;
const RULES: &str = r#"{ "rules": [ { "id": "all", "effect": "allow" } ], "model_from_body": { "mode": "ignore" } }"#;
const LIMIT: &str = r#"{ "policies": [ { "name": "a", "by": [ "consumer" ], "windows": [ { "quota": 1, "window_s": 1 } ] } ], "model_from_body": { "mode": "ignore" } }"#;
const SIGNER: &str = r#"{ "region": "eu-central-1", "service": "sagemaker", "host": "runtime.sagemaker.eu-central-1.amazonaws.com", "rewritten_by": "route" }"#;

/// A file with these filters in a location, and what stands around it.
fn file(main: &str, wasm: &str, location: &str) -> String {
    format!(
        "{main}\nwasm {{\n  module key_auth /f/key_auth.wasm;\n  module acl /f/consumer_acl.wasm;\n  module limit /f/rate_limit.wasm;\n  module sign /f/aws_sigv4.wasm;\n  module mask /f/pii_mask.wasm;\n  module other /f/other.wasm;\n  module all /f/modelgate.wasm;\n  {wasm}\n}}\nhttp {{\n  server {{\n    location / {{\n{location}\n    }}\n  }}\n}}\n"
    )
}

fn said(outcome: &Outcome) -> Vec<String> {
    outcome.findings.iter().map(ToString::to_string).collect()
}

fn names(outcome: &Outcome) -> Vec<&'static str> {
    outcome
        .findings
        .iter()
        .map(|finding| finding.code.name)
        .collect()
}

#[test]
fn a_chain_in_order_has_no_findings_and_is_counted() {
    let location = format!(
        "proxy_wasm key_auth '{KEYS}';\nproxy_wasm acl '{RULES}';\nproxy_wasm limit '{LIMIT}';"
    );
    let outcome = check(&file("", "shm_kv * 10m;", &location));
    assert!(outcome.findings.is_empty(), "{:?}", said(&outcome));
    assert_eq!((outcome.filters, outcome.chains), (3, 1));
    assert!(outcome.modules.contains("/f/consumer_acl.wasm"));
}

#[test]
fn a_filter_in_the_wrong_place_and_one_that_needs_an_identity_are_found() {
    let location = format!("proxy_wasm acl '{RULES}';\nproxy_wasm key_auth '{KEYS}';");
    let outcome = check(&file("", "", &location));
    assert_eq!(
        names(&outcome),
        ["no-identity", "filter-order"],
        "{:?}",
        said(&outcome)
    );
    assert_eq!(outcome.findings[1].place.line, 16);
}

#[test]
fn what_the_filter_refuses_is_found_at_its_place_in_the_word() {
    let location = "proxy_wasm key_auth '{\n  \"kyes\": [ ]\n}';";
    let outcome = check(&file("", "", location));
    let found = outcome.findings.first().unwrap();
    assert_eq!(found.code.name, "configuration", "{:?}", said(&outcome));
    assert_eq!((found.place.line, found.place.column), (16, 3));
    // What nginx makes of an escape is what the filter reads.
    let location = "proxy_wasm key_auth '{ \"realm\": \"a\\nb\" }';";
    let outcome = check(&file("", "", location));
    assert!(
        names(&outcome).contains(&"configuration"),
        "{:?}",
        said(&outcome)
    );
}

#[test]
fn unknown_modules_are_found_and_other_peoples_are_not() {
    let location = format!(
        "proxy_wasm key_uath '{{}}';\nproxy_wasm other 'x';\nproxy_wasm key_auth '{KEYS}';"
    );
    let outcome = check(&file("", "", &location));
    assert_eq!(
        names(&outcome),
        ["unknown-wasm-filter"],
        "{:?}",
        said(&outcome)
    );
    assert!(said(&outcome)[0].contains("did you mean `key_auth`?"));
}

#[test]
fn an_open_signer_is_found_unless_something_refuses_strangers() {
    let main = "env AWS_ACCESS_KEY_ID=AKIDEXAMPLE; env AWS_SECRET_ACCESS_KEY;";
    let sign = format!("proxy_wasm sign '{SIGNER}';");
    let code = |location: &str| {
        let outcome = check(&file(
            main,
            "",
            &format!("client_body_buffer_size 2m;\n{location}"),
        ));
        names(&outcome)
    };
    assert_eq!(code(&sign), ["unauthenticated-signer"]);
    assert!(code(&format!("auth_basic x;\n{sign}")).is_empty());
    assert_eq!(
        code(&format!("auth_basic off;\n{sign}")),
        ["unauthenticated-signer"]
    );
    assert!(code(&format!("proxy_wasm key_auth '{KEYS}';\n{sign}")).is_empty());
    let allowed = format!("# modelgate: allow(unauthenticated-signer)\n{sign}");
    assert!(code(&allowed).is_empty());
}

#[test]
fn what_nginx_gives_to_filters_is_compared_with_what_they_need() {
    let location = format!("proxy_wasm limit '{LIMIT}';");
    let memory = |wasm: &str| {
        let outcome = check(&file(
            "",
            wasm,
            &format!("proxy_wasm key_auth '{KEYS}';\n{location}"),
        ));
        names(&outcome)
    };
    assert_eq!(memory(""), ["shared-memory"]);
    assert_eq!(memory("shm_kv other 10m;"), ["shared-memory"]);
    assert_eq!(memory("shm_kv * 64k;"), ["shared-memory"]);
    assert!(memory("shm_kv * 1m;").is_empty());
    assert!(memory("shm_kv modelgate 1m;").is_empty());
    let smaller = "shm_kv * 10m; shm_kv modelgate 64k;";
    assert_eq!(
        memory(smaller),
        ["shared-memory"],
        "it is the one that is used"
    );

    let body = |settings: &str, config: &str| {
        let outcome = check(&file(
            "",
            "",
            &format!("{settings}\nproxy_wasm mask '{config}';"),
        ));
        names(&outcome)
    };
    let small = r#"{ "request": { "max_body_bytes": 16384 }, "response": { "bodies": "allow" } }"#;
    let usual = r#"{ "response": { "bodies": "allow" } }"#;
    assert!(body("", small).is_empty());
    assert_eq!(body("", usual), ["body-buffer"]);
    assert!(body("client_body_buffer_size 1m;", usual).is_empty());
    assert_eq!(
        body("proxy_request_buffering off;", small),
        ["request-buffering"]
    );

    let sign = format!(
        "client_body_buffer_size 2m;\nproxy_wasm key_auth '{KEYS}';\nproxy_wasm sign '{SIGNER}';"
    );
    let outcome = check(&file("env AWS_ACCESS_KEY_ID;", "", &sign));
    assert_eq!(
        names(&outcome),
        ["variable-not-passed"],
        "{:?}",
        said(&outcome)
    );
    assert!(said(&outcome)[0].contains("AWS_SECRET_ACCESS_KEY"));
    assert!(said(&outcome)[0].contains("write `env AWS_SECRET_ACCESS_KEY;`"));
    assert!(outcome.environment.contains("AWS_ACCESS_KEY_ID"));
}

#[test]
fn a_parameter_that_nginx_does_not_take_is_found() {
    let config = |bytes: usize| {
        let spaces = " ".repeat(bytes - KEYS.len());
        format!("proxy_wasm key_auth '{KEYS}{spaces}';")
    };
    assert!(check(&file("", "", &config(4095))).findings.is_empty());
    let outcome = check(&file("", "", &config(4096)));
    assert_eq!(names(&outcome), ["parameter-length"]);
}

#[test]
fn filters_of_a_location_replace_those_around_it() {
    let text = file("", "shm_kv * 10m;", &format!("proxy_wasm limit '{LIMIT}';"));
    let server = format!("  server {{\n    proxy_wasm key_auth '{KEYS}';");
    let text = text.replace("  server {", &server);
    let outcome = check(&text);
    assert_eq!(
        names(&outcome),
        ["chain-replaced", "no-identity"],
        "{:?}",
        said(&outcome)
    );
    // A location without its own has those of the server.
    let inherits = text.replace(&format!("proxy_wasm limit '{LIMIT}';"), "");
    let outcome = check(&inherits);
    assert!(outcome.findings.is_empty(), "{:?}", said(&outcome));
    assert_eq!(outcome.filters, 1);
}

#[test]
fn the_module_of_all_filters_runs_a_chain() {
    let chain = format!(
        r#"{{ "filters": [ {{ "filter": "key_auth", "config": {KEYS} }}, {{ "filter": "consumer_acl", "config": {RULES} }} ] }}"#
    );
    let outcome = check(&file("", "", &format!("proxy_wasm all '{chain}';")));
    assert!(outcome.findings.is_empty(), "{:?}", said(&outcome));
    assert_eq!(outcome.filters, 2);
}

#[test]
fn a_piece_of_a_file_is_checked_as_far_as_it_says_something() {
    let outcome = check(&format!(
        "location / {{\n  proxy_wasm rate_limit '{LIMIT}';\n}}\n"
    ));
    assert_eq!(names(&outcome), ["no-identity"], "{:?}", said(&outcome));
    let outcome = check("location / {\n  proxy_wasm rate_limit '{}';\n");
    assert_eq!(names(&outcome), ["syntax"], "{:?}", said(&outcome));
    assert!(outcome.unreadable());
    let outcome = check("events { }\nhttp { server { return 200; } }\n");
    assert_eq!(names(&outcome), ["nothing-here"]);
}

#[test]
fn files_that_are_included_are_read_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("key.conf", "proxy_wasm key_auth '{ \"kyes\": [] }';\n");
    let text = file(
        "",
        "",
        "include key.conf;\ninclude none.conf;\ninclude mime.types;",
    );
    let outcome = check_in(&text, Some(folder.path()));
    let names = names(&outcome);
    assert_eq!(
        names.first(),
        Some(&"configuration"),
        "{:?}",
        said(&outcome)
    );
    assert_eq!(names.last(), Some(&"not-read"), "{:?}", said(&outcome));
    assert_eq!(outcome.findings[0].place.line, 15);
}
