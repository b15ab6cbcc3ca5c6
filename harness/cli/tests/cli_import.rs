//! `modelgate import`: what holds for every source, on gateways of a real size (`tests/imports/`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // Helpers of tests.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use located_yaml::{Node, Value};
use modelgate_cli::check;
use modelgate_cli::import::{Imported, Options, Source, Verdict, import, known_plugins};
use serde_json::Value as Json;

const ENVOY: &str = include_str!("../../../tests/imports/envoy.yaml");
const KONG: &str = include_str!("../../../tests/imports/kong.yaml");
const HIGRESS: &str = include_str!("../../../tests/imports/higress.yaml");

const FILES: [(Source, &str); 5] = [
    (Source::Envoy, ENVOY),
    (Source::Kong, KONG),
    (
        Source::Kong,
        include_str!("../../../tests/imports/kong-models.yaml"),
    ),
    (Source::Higress, HIGRESS),
    (
        Source::Higress,
        include_str!("../../../tests/imports/higress-portal.yaml"),
    ),
];

fn imported(source: Source, text: &str) -> Imported {
    import(source, "file.yaml", text, &Options::default()).unwrap_or_else(|said| panic!("{said:?}"))
}

fn refused(source: Source, text: &str) -> Vec<String> {
    import(source, "f", text, &Options::default())
        .map(|one| one.config)
        .unwrap_err()
}

/// Paths of all values that hold no others.
fn leaves(node: &Node, path: &str, found: &mut BTreeSet<String>) {
    if node.is_null() {
        return;
    }
    match &node.value {
        Value::Map(members) if !members.is_empty() => {
            for (key, value) in members {
                let path = if path.is_empty() {
                    key.text.clone()
                } else {
                    format!("{path}.{}", key.text)
                };
                leaves(value, &path, found);
            }
        }
        Value::List(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}[{index}]"), found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn every_value_of_a_source_is_in_the_report() {
    for (source, text) in FILES {
        let documents = Node::documents(text).unwrap();
        let mut wanted = BTreeSet::new();
        for (index, document) in documents.iter().enumerate() {
            let path = if documents.len() == 1 {
                String::new()
            } else {
                format!("[{index}]")
            };
            leaves(document, &path, &mut wanted);
        }
        let report = imported(source, text).report;
        let told: BTreeSet<String> = report
            .entries
            .iter()
            .flat_map(|entry| entry.values.clone())
            .collect();
        let lost: Vec<_> = wanted.difference(&told).collect();
        assert!(lost.is_empty(), "{source:?}: {lost:?}");
        assert!(wanted.len() > 60, "{source:?}: {}", wanted.len());
        // And it is known what protects and is not there.
        for entry in report
            .entries
            .iter()
            .filter(|entry| entry.verdict == Verdict::NotCovered)
        {
            let known = entry.text != "the importer does not know it, and has not taken it over";
            assert!(known, "{source:?}: {entry:?}");
        }
    }
}

#[test]
fn the_result_passes_check_and_the_same_source_gives_the_same_result() {
    for (source, text) in FILES {
        let one = imported(source, text);
        assert!(!one.is_wrong, "{source:?}: {}", one.report.text());
        assert_eq!(one.config, imported(source, text).config);
        let outcome = check::check(&one.config);
        assert!(outcome.filters >= 3, "{source:?}: {}", outcome.filters);
        let json = one.report.json();
        assert_eq!(
            json["entries"].as_array().unwrap().len(),
            one.report.entries.len()
        );
        assert_eq!(json["lacks_protection"], one.report.lacks_protection());
    }
    assert!(!imported(Source::Envoy, ENVOY).report.lacks_protection());
    assert!(imported(Source::Kong, KONG).report.lacks_protection());
    assert!(imported(Source::Higress, HIGRESS).report.lacks_protection());
}

#[test]
fn no_secret_gets_into_the_configuration_or_the_report() {
    let secrets = [
        "k-3f1c9b7a2e8d4605",
        "wJalrXUtnFEMI",
        "ann-key-",
        "ann-secret-",
        "robot-key-",
        "web-key-",
        "too-short",
        "correct-horse",
        "partner-hmac",
        "s3cr3t-upstream",
        "sk-provider-key",
        "log-collector-token",
        "redis-password",
        "web-2d711642",
        "batch-c20ad4d7",
        "intern-aab3",
        "sk-0123456789",
        "sk-deepseek",
        "c2hvcC1zZWNyZXQ",
        "key-of-ann",
    ];
    let all = FILES.map(|(source, text)| (source, imported(source, text)));
    for secret in secrets {
        assert!(
            FILES.iter().any(|(_, text)| text.contains(secret)),
            "{secret}"
        );
        for (source, one) in &all {
            let report = format!("{}{}", one.report.text(), one.report.json());
            assert!(
                !one.config.contains(secret),
                "{source:?}: {secret} in the configuration"
            );
            assert!(
                !report.contains(secret),
                "{source:?}: {secret} in the report"
            );
        }
    }
}

#[test]
fn a_route_whose_protection_is_not_covered_is_closed_unless_that_is_wanted() {
    let text = "_format_version: '3.0'\nservices:\n- name: a\n  url: http://a:1\n  routes:\n  - { name: r, paths: [ /r ] }\nplugins:\n- { name: hmac-auth }\n";
    let one = imported(Source::Kong, text);
    assert!(one.config.contains("direct_response") && one.report.lacks_protection());
    assert!(!one.config.contains("cluster: a"), "{}", one.config);
    let options = Options {
        without: vec!["hmac-auth".to_owned()],
        ..Options::default()
    };
    let open = import(Source::Kong, "f", text, &options).unwrap();
    assert!(open.config.contains("cluster: a") && open.report.lacks_protection());
    // Unknown options of what is taken over count as well.
    let text = text.replace("hmac-auth }", "key-auth, config: { new_option: true } }");
    let report = imported(Source::Kong, &text).report;
    let unknown = report
        .entries
        .iter()
        .find(|entry| entry.path.ends_with("new_option"));
    assert!(
        unknown.is_some_and(|entry| entry.protects),
        "{}",
        report.text()
    );
}

#[test]
fn what_cannot_be_taken_over_stays_envoys_own() {
    // Each change keeps a filter where it is, and says why.
    for (from, to, filter, why) in [
        (
            "issuer: https://partners.example.net",
            "subjects: { suffix: x }",
            "jwt_authn",
            "no issuer",
        ),
        (
            "audiences: [ models, models-internal ]",
            "audiences: []",
            "jwt_authn",
            "--audience",
        ),
        (
            "payload_in_metadata: claims",
            "forward_payload_header: x-payload",
            "jwt_authn",
            "payload",
        ),
        (
            "jwt_cache_config: { jwt_cache_size: 500 }",
            "from_cookies: [ session ]",
            "jwt_authn",
            "different places",
        ),
        (
            "- allow_missing: {}",
            "- allow_missing_or_failed: {}",
            "jwt_authn",
            "token is bad",
        ),
        (
            "match: { path: /status }",
            "match: { safe_regex: { regex: /s.* } }",
            "jwt_authn",
            "safe_regex",
        ),
        (
            "match: { path: /status }",
            "match: { path: /status, headers: [ { name: x } ] }",
            "jwt_authn",
            "headers",
        ),
        (
            "inline_string: |\n                  function",
            "inline_string: |\n                  -- envoy.filters.http.jwt_authn\n                  function",
            "jwt_authn",
            "lua",
        ),
        (
            "header: { name: \":method\", string_match: { exact: POST } }",
            "header: { name: x-role, exact_match: a }",
            "rbac",
            "headers",
        ),
        (
            "url_path: { path: { exact: /v1/embeddings } }",
            "url_path: { path: { safe_regex: { regex: /v1/.* } } }",
            "rbac",
            "safe_regex",
        ),
        (
            "[ { key: claims }, { key: tier } ]",
            "[ { key: other }, { key: tier } ]",
            "rbac",
            "providers",
        ),
        (
            "runtime_key: batches_enabled, default_value: { numerator: 100 }",
            "default_value: { numerator: 50 }",
            "local_ratelimit",
            "share",
        ),
        (
            "max_tokens: 40, tokens_per_fill: 40, fill_interval: 3600s",
            "max_tokens: 40, fill_interval: 0.0004s",
            "local_ratelimit",
            "fill",
        ),
        (
            "{ key: k-3f1c9b7a2e8d4605, client: billing }",
            "{ key: k, client: \"a, b\" }",
            "api_key_auth",
            "client",
        ),
        (
            "inline_credential: { access_key_id: AKIDEXAMPLE, secret_access_key: wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY }",
            "instance_profile_credential_provider: {}",
            "aws_request_signing",
            "default chain",
        ),
        (
            "service_name: sagemaker",
            "service_name: sagemaker\n              match_excluded_headers: [ { prefix: x- } ]",
            "aws_request_signing",
            "headers",
        ),
    ] {
        assert!(ENVOY.contains(from), "{from}");
        let one = imported(Source::Envoy, &ENVOY.replacen(from, to, 1));
        let kept = one
            .report
            .entries
            .iter()
            .find(|entry| entry.verdict == Verdict::Kept && entry.subject.starts_with(filter));
        let kept = kept.unwrap_or_else(|| panic!("{to}: {}", one.report.text()));
        assert!(kept.text.contains(why), "{to}: {}", kept.text);
        let kind = kept.subject.split(' ').next().unwrap();
        assert!(one.config.contains(&format!(".http.{kind}.v3.")), "{to}");
    }
}

#[test]
fn hostile_files_are_refused_with_their_place() {
    for (source, text, wanted) in [
        (Source::Kong, "", "f:1:1: it is empty"),
        (
            Source::Kong,
            "[]",
            "f:1:1: a declarative configuration of Kong's is a mapping",
        ),
        (
            Source::Kong,
            "a: 1",
            "f:1:1: it is no declarative configuration of Kong's: `_format_version` and `services` are missing",
        ),
        (
            Source::Kong,
            "services: {}",
            "f:1:11: services: expected a list",
        ),
        (
            Source::Kong,
            "services:\n- { name: a, url: 'http://a', port: x }\n- { name: a, url: 'http://a' }",
            "f:3:3: services[1]: another service has the same name",
        ),
        (
            Source::Kong,
            "services: []\nplugins:\n- { name: jwt, route: nowhere }",
            "f:3:23: plugins[0].route: no route of this file has this name",
        ),
        (
            Source::Kong,
            "plugins: [ { name: rate-limiting, config: { minute: '${{ env \"DECK_LIMIT\" }}' } } ]",
            "f:1:53: plugins[0].config.minute: expected a whole number of at least 0, not a template: render the file first",
        ),
        (
            Source::Kong,
            "plugins: [ { name: rate-limiting, config: { minute: 99999999999999999999999 } } ]",
            "f:1:53: plugins[0].config.minute: expected a whole number of at least 0",
        ),
        (
            Source::Kong,
            "plugins: [ {} ]",
            "f:1:12: plugins[0]: the key \"name\" is missing",
        ),
        (Source::Kong, "a: 1\na: 2\n", "f:2:1: "),
        (Source::Kong, "services: [ *nothing ]", "f:1:13: "),
        (Source::Kong, "{{ if .Values.kong }}", "f:1:"),
        (
            Source::Kong,
            "consumers:\n- { username: a, keyauth_credentials: [ { key: [] } ] }\nplugins: [ { name: key-auth } ]",
            "f:2:48: consumers[0].keyauth_credentials[0].key: expected a text",
        ),
        (
            Source::Kong,
            "consumers:\n- { username: a, jwt_secrets: [ { key: k, secret: 0123456789012345678901234567890123456789 }, { key: k } ] }\nplugins: [ { name: jwt } ]",
            "f:2:95: consumers[0].jwt_secrets[1]: another credential has the same `key`: it would not be known whose a token is",
        ),
        (
            Source::Envoy,
            "static_resources: {}\n---\nadmin: {}",
            "f:3:1: a bootstrap of Envoy's is one document, and this is a second one",
        ),
        (
            Source::Higress,
            "kind: Service",
            "f:1:1: no WasmPlugin of Higress is in it",
        ),
    ] {
        let said = refused(source, text);
        assert!(
            said.iter().any(|line| line.starts_with(wanted)),
            "{text}\n{said:?}"
        );
    }
    // Aliases, odd numbers and references to secrets are no reason to stop.
    for text in [
        "x: &a [ 1 ]\nservices: [ { name: a, url: 'http://a', tags: *a } ]",
        "services: [ { name: a, host: 'a b' } ]",
        "services: [ { name: a, url: 'ftp://a' } ]",
        "upstreams: [ { name: a, targets: [] } ]\nservices: [ { name: s, host: a, routes: [ { paths: [ '~(' ] } ] } ]",
        "consumers: [ { username: 'a b', keyauth_credentials: [ { key: '{vault://env/k}' } ] } ]\nplugins: [ { name: key-auth } ]",
    ] {
        imported(Source::Kong, text);
    }
    imported(Source::Envoy, "static_resources: { listeners: [] }");
}

#[test]
fn the_page_names_every_plugin_that_is_known() {
    let page = include_str!("../../../docs/migration.md");
    for name in known_plugins() {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_modelgate"))
        .arg("import")
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/imports"))
        .output()
        .unwrap()
}

#[test]
fn the_command_writes_configuration_and_report_and_its_exit_code_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (config, report) = (path("envoy.yaml"), path("report.json"));
    let arguments = [
        "envoy",
        "envoy.yaml",
        "-o",
        &config,
        "--report",
        &report,
        "--format",
        "json",
    ];
    let done = run(&arguments);
    assert_eq!(
        done.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(done.stdout.is_empty() && done.stderr.is_empty());
    let told: Json = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    assert_eq!(told["lacks_protection"], false);
    assert!(told["entries"][0]["line"].is_u64() && told["counts"]["kept"].as_u64() > Some(0));
    assert!(
        std::fs::read_to_string(&config)
            .unwrap()
            .contains("jwt_auth.wasm")
    );

    let done = run(&["kong", "kong.yaml"]);
    assert_eq!(done.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&done.stdout).starts_with("admin:"));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        said.contains("kong.yaml:") && said.contains("not covered (it protects)"),
        "{said}"
    );

    assert_eq!(run(&["kong", "envoy.yaml"]).status.code(), Some(1));
    assert_eq!(run(&["kong", "nothing.yaml"]).status.code(), Some(2));
}
