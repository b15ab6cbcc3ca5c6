//! A good configuration with one thing broken at a time: each is found, on its line, under its
//! code.

use std::path::Path;

use crate::check::{Outcome, check, check_in};

/// The shipped configuration with the most in it, without placeholders.
pub(super) fn good() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    std::fs::read_to_string(root.join("envoy/sagemaker.yaml"))
        .unwrap()
        .replace("login.example.com", "login.acme.io")
        .replace(&"0".repeat(64), &"1a".repeat(32))
}

/// The number of the first line with this in it.
pub(super) fn line_of(text: &str, needle: &str) -> usize {
    text.lines()
        .position(|line| line.contains(needle))
        .unwrap_or_else(|| panic!("no {needle:?}"))
        + 1
}

pub(super) fn said(outcome: &Outcome) -> Vec<String> {
    outcome.findings.iter().map(ToString::to_string).collect()
}

/// `from` replaced once by `to`; the finding stands on the first line with `at` in it.
struct Broken {
    from: &'static str,
    to: &'static str,
    at: &'static str,
    code: &'static str,
    says: &'static str,
}

const fn broken(
    from: &'static str,
    to: &'static str,
    at: &'static str,
    code: &'static str,
    says: &'static str,
) -> Broken {
    Broken {
        from,
        to,
        at,
        code,
        says,
    }
}

const ROUTE: &str = "route: { cluster: sagemaker, timeout: 65s }";

/// One for each kind of mistake that users made.
#[rustfmt::skip]
const TABLE: &[Broken] = &[
    // Names of Envoy's.
    broken("static_resources:", "static_resource:", "static_resource:", "MG002", "did you mean `static_resources`?"),
    broken("per_connection_buffer_limit_bytes", "per_connection_bufer_limit_bytes", "bufer", "MG002", "did you mean"),
    broken("normalize_path", "normalise_path", "normalise_path", "MG002", "did you mean `normalize_path`?"),
    broken("http_filters:", "http_filter:", "http_filter:", "MG002", "did you mean `http_filters`?"),
    broken("            typed_config:\n              \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n              config:\n                name: jwt_auth", "            typed_confg:\n              \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n              config:\n                name: jwt_auth", "typed_confg", "MG002", "did you mean `typed_config`?"),
    broken("http.wasm.v3.Wasm", "http.wasm.v2.Wasm", "wasm.v2", "MG006", "did you mean `type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm`?"),
    broken("http.wasm.v3.Wasm", "network.wasm.v3.Wasm", "network.wasm.v3", "MG007", "not that of a Wasm filter"),
    broken("  failure_policy:", "  failure_polcy:", "failure_polcy", "MG002", "did you mean `failure_policy`?"),
    broken("FAIL_RELOAD\n", "FAIL_RELAOD\n", "FAIL_RELAOD", "MG004", "did you mean `FAIL_RELOAD`?"),
    broken("  failure_policy: FAIL_RELOAD", "  failurePolicy: FAIL_OPEN", "failurePolicy", "MG103", "FAIL_OPEN"),
    broken("  failure_policy: FAIL_RELOAD", "  failure_policy: fail_open", "fail_open", "MG103", "FAIL_OPEN"),
    broken("  failure_policy: FAIL_RELOAD", "  fail_open: true", "fail_open", "MG103", "`fail_open` lets"),
    broken("                failure_policy: FAIL_RELOAD\n                reload", "                reload", "name: audit_log", "MG104", "503"),
    broken("allow_on_headers_stop_iteration: true", "allow_on_headers_stop_iterations: true", "iterations", "MG002", "did you mean"),
    broken("                allow_on_headers_stop_iteration: true\n", "", "name: consumer_acl", "MG105", "hang"),
    broken("runtime: envoy.wasm.runtime.v8", "runtme: envoy.wasm.runtime.v8", "runtme", "MG002", "did you mean `runtime`?"),
    broken("envoy.wasm.runtime.v8", "envoy.wasm.runtime.v9", "runtime.v9", "MG107", "stock Envoy"),
    broken("envoy.wasm.runtime.v8", "envoy.wasm.runtime.wamr", "wamr", "MG107", "stock Envoy"),
    broken("connect_timeout: 2s", "connect_timeout: 2", "connect_timeout: 2\n", "MG004", "such as `5s`"),
    broken("type: LOGICAL_DNS", "type: LOGICAL_DSN", "LOGICAL_DSN", "MG004", "did you mean `LOGICAL_DNS`?"),
    broken("stat_prefix: gateway", "stat_prefix: 5", "stat_prefix: 5", "MG004", "in quotes"),
    broken("vm_config:\n                  vm_id: audit_log", "vm_config:\n                  <<: { vm_id: audit_log }", "<<:", "MG005", "does not merge"),
    broken("                failure_policy: FAIL_RELOAD", "                failurePolicy: FAIL_CLOSED\n                failure_policy: FAIL_RELOAD", "  failure_policy: FAIL_RELOAD", "MG003", "stands twice"),
    // What Envoy asks of values.
    broken("match: { prefix:", "match: { path: /x, prefix:", "path: /x, prefix", "MG018", "exclude each other"),
    broken("port_value: 9901", "port_value: 70000", "70000", "MG019", "`port_value` is at most 65535"),
    broken("port_value: 9901", "port_value: 9901, named_port: http", "named_port", "MG018", "`named_port` and `port_value` exclude each other"),
    broken("{ address: 127.0.0.1, port_value: 9901 }", "{ address: 127.0.0.1 }", "{ address: 127.0.0.1 }", "MG018", "one of `port_value`, `named_port` is missing"),
    broken("{ address: 127.0.0.1, port_value: 9901 }", "{ port_value: 9901 }", "{ port_value: 9901 }", "MG019", "`address` is missing"),
    broken("connect_timeout: 2s", "connect_timeout: 0s", "connect_timeout: 0s", "MG019", "more than 0s"),
    broken("domains: [ \"*\" ]", "domains: [ \"*\" ]\n              request_headers_to_remove: [ \"a\\nb\" ]", "request_headers_to_remove", "MG019", "is one line"),
    broken("match: { prefix: /endpoints/ }", "match: { path_separated_prefix: /endpoints/ }", "path_separated_prefix", "MG019", "does not match"),
    broken("domains: [ \"*\" ]", "domains: [ \"*\", \"*\" ]", "domains", "MG019", "stands twice"),
    broken("address: 127.0.0.1, port_value: 4318", "address: collector, port_value: 4318", "address: collector", "MG019", "is no IP address"),
    broken("domains: [ \"*\" ]", "domains: []", "domains: []", "MG019", "at least 1"),
    broken("stat_prefix: gateway", "stat_prefix: \"\"", "stat_prefix: \"\"", "MG019", "is empty"),
    // The filters' configurations.
    broken("\"groups_claim\"", "\"group_claim\"", "group_claim", "MG011", "did you mean `groups_claim`?"),
    broken("{ \"quota\": 120, \"window_s\": 60 }", "{ \"quota\": \"120\", \"window_s\": 60 }", "\"120\"", "MG011", "found a text"),
    broken("\"on_missing\": \"allow\"", "\"on_missing\": \"alow\"", "alow", "MG011", "is not one of the known values"),
    broken("\"groups_claim\": \"groups\"", "\"groups_claim\": \"groups\",", "\"groups\",\n", "MG011", "trailing comma"),
    broken("\"audiences\": [ \"models\" ],", "\"audiences\": [ \"models\" ], \"audiences\": [],", "\"audiences\": []", "MG011", "written twice"),
    broken("\"audiences\": [ \"models\" ],", "\"audiences\": [ \"models\" ], // ours", "// ours", "MG011", "not valid JSON"),
    broken("\"audiences\": [ \"models\" ],", "audiences: [ \"models\" ],", " audiences: [", "MG011", "not valid JSON"),
    broken("\"audiences\": [ \"models\" ],", "\"audiences\": {{ .Values.audiences }},", "{{ .Values", "MG011", "not valid JSON"),
    broken("{\n                      \"service\": \"sagemaker\",", "service: sagemaker\n                    x: {", "service: sagemaker", "MG011", "is YAML"),
    broken("\"cluster\": \"login\"", "\"cluster\": \"logn\"", "logn", "MG401", "did you mean `login`?"),
    broken("\"cluster\": \"logs\"", "\"cluster\": \"collector\"", "collector\"", "MG401", "no cluster is called"),
    broken("\"keys\": { \"discovery\": { \"cluster\": \"login\" } }", "\"keys\": { \"fetch\": { \"cluster\": \"login\", \"url\": \"http://login.acme.io/keys\" } }", "http://login", "MG406", "without TLS"),
    broken("\"models\": [ \"churn\", \"assistant\" ]", "\"models\": [ \"chu[rn\", \"assistant\" ]", "chu[rn", "MG207", "only `*`"),
    broken("\"models\": [ \"churn\", \"assistant\" ]", "\"models\": [ \"churn\", \"\" ]", "\"\"", "MG207", "fits nothing"),
    broken("google.protobuf.StringValue\n                  value: |\n                    {\n                      \"sink\"", "google.protobuf.Struct\n                  value: |\n                    {\n                      \"sink\"", "google.protobuf.Struct", "MG010", "protobuf bytes"),
    // What it refers to.
    broken("cluster: sagemaker, timeout", "cluster: sagemakr, timeout", "sagemakr", "MG401", "did you mean `sagemaker`?"),
    broken("  - name: logs", "  - name: login", "  - name: login\n    type: STATIC", "MG402", "second cluster"),
    broken("modelgate/jwt_auth.wasm", "modelgate/jwt_auht.wasm", "jwt_auht", "MG108", "did you mean `jwt_auth.wasm`?"),
    broken("code: { local: { filename: /etc/envoy/modelgate/jwt_auth.wasm } }", "code: { remote: { http_uri: { uri: \"https://m/jwt_auth.wasm\", cluster: modules, timeout: 5s }, sha256: x } }", "cluster: modules", "MG401", "no cluster is called"),
    broken("          - name: pii-mask\n", "          - name: ext_authz\n            typed_config: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz, grpc_service: { envoy_grpc: { cluster_name: logn }, timeout: 1s } }\n          - name: pii-mask\n", "cluster_name: logn", "MG401", "did you mean `login`?"),
    broken("          - name: pii-mask\n", "          - name: ext_authz\n            typed_config: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz, http_service: { server_uri: { uri: \"https://authz\", cluster: authz, timeout: 1s } } }\n          - name: pii-mask\n", "cluster: authz", "MG401", "no cluster is called"),
    broken("                name: jwt_auth\n", "                name: jwt_auth\n                root_id: jwt\n", "root_id: jwt", "MG106", "write `jwt_auth`"),
    broken("host_env_keys: [ AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN ]", "host_env_keys: [ AWS_ACCESS_KEY_ID ]", "{\n                      \"service\"", "MG011", "AWS_SECRET_ACCESS_KEY"),
    broken("\"region\": \"eu-central-1\",", "\"region\": \"eu-central-1\", \"credentials\": { \"access_key_id\": \"AKIDEXAMPLE\", \"secret_access_key\": \"wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY\" },", "\"credentials\"", "MG405", "secret stands in the file"),
    broken("environment_variables: { host_env_keys: [ AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN ] }", "environment_variables: { host_env_keys: [ AWS_ACCESS_KEY_ID ], key_values: { AWS_SECRET_ACCESS_KEY: abc } }", "key_values", "MG405", "AWS_SECRET_ACCESS_KEY"),
    broken("login.acme.io\",", "login.example.com\",", "login.example.com", "MG404", "example.com"),
    broken("1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a", "0000000000000000000000000000000000000000000000000000000000000000", "sha256:0000", "MG404", "digest of zeros"),
    broken("\"runtime.sagemaker.eu-central-1.amazonaws.com\",", "\"runtime.sagemaker.REGION.amazonaws.com\",", "REGION.amazonaws.com\",", "MG404", "capitals"),
    // The chain.
    broken("- name: jwt-auth\n", "- name: audit-log\n", "THE SECOND", "MG109", "second filter"),
    broken("          - name: envoy.filters.http.router\n            typed_config:\n              \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router\n", "", "- name: aws-sigv4", "MG110", "no router"),
    broken("          http_filters:\n", "          http_filters:\n          - name: envoy.filters.http.router\n            typed_config: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }\n", "- name: envoy.filters.http.router", "MG110", "before other filters"),
    broken("          - name: pii-mask\n", "          - name: pii-mask\n            disabled: true\n", "            disabled: true", "MG111", "no route enables it"),
    broken("per_connection_buffer_limit_bytes: 2097152", "per_connection_buffer_limit_bytes: 65536", "{\n                      \"rules\"", "MG114", "413"),
    broken("          use_remote_address: true", "          upgrade_configs: [ { upgrade_type: websocket } ]", "upgrade_configs", "MG115", "aws-sigv4"),
    broken("REJECT_REQUEST }\n", "ALLOW }\n", "stat_prefix: gateway", "MG116", "x_user"),
    broken("          normalize_path: true\n", "", "stat_prefix: gateway", "MG117", "not normalized"),
    broken("address: 127.0.0.1, port_value: 9901", "address: 0.0.0.0, port_value: 9901", "9901", "MG119", "stop Envoy"),
    broken("wasm.modelgate.identity:PLAIN", "wasm.modelgate.identiy:PLAIN", "identiy", "MG407", "did you mean `wasm.modelgate.identity`?"),
    // Routes.
    broken(ROUTE, "route: { cluster: sagemaker, timeout: 65s, host_rewrite_literal: x.amazonaws.com }", "host_rewrite_literal", "MG301", "after aws-sigv4 has signed"),
    broken(ROUTE, "route: { cluster: sagemaker, internal_redirect_policy: { max_internal_redirects: 1 } }", "internal_redirect_policy", "MG301", "has a signed request sent once more"),
    broken(ROUTE, "route: { cluster: sagemaker, internal_redirect_action: HANDLE_INTERNAL_REDIRECT }", "internal_redirect_action", "MG301", "has a signed request sent once more"),
    broken("- name: key-auth", "- name: aws-sigv4", "- name: aws-sigv4", "MG120", "it is called aws-sigv4, and runs key-auth"),
    broken("name: jwt_auth\n", "name: modelgate.key_auth\n", "name: modelgate.key_auth", "MG120", "it is called key-auth, and runs jwt-auth"),
    broken(ROUTE, "route: { cluster: sagemaker, prefix_rewrite: /x }", "prefix_rewrite", "MG301", "after aws-sigv4 has signed"),
    broken(ROUTE, "route: { cluster: sagemaker, regex_rewrite: { pattern: { regex: a }, substitution: b } }", "regex_rewrite", "MG301", "after aws-sigv4 has signed"),
    broken(ROUTE, "route: { cluster: sagemaker, retry_policy: { retry_on: 5xx } }", "retry_policy", "MG302", "repeats the signature"),
];

#[test]
fn the_good_one_is_good() {
    assert_eq!(said(&check(&good())), Vec::<String>::new());
}

#[test]
fn every_mistake_is_found_on_its_line() {
    let good = good();
    let mut wrong = Vec::new();
    for (number, case) in TABLE.iter().enumerate() {
        let text = good.replacen(case.from, case.to, 1);
        assert_ne!(text, good, "{number}: {:?}", case.from);
        let line = match case.at {
            "THE SECOND" => {
                let first = line_of(&text, case.to.trim());
                first
                    + line_of(
                        &text.lines().skip(first).collect::<Vec<_>>().join("\n"),
                        case.to.trim(),
                    )
            }
            at => {
                text[..text.find(at).unwrap_or_else(|| panic!("{number}: {at}"))]
                    .matches('\n')
                    .count()
                    + 1
            }
        };
        let outcome = check(&text);
        let found = outcome.findings.iter().any(|finding| {
            finding.code.id == case.code
                && finding.place.line == line
                && finding.place.column > 1 - usize::from(case.at.starts_with("static"))
                && finding.to_string().contains(case.says)
        });
        // Nothing disappears without a word: what is not counted is said to be unread, or the file
        // says why.
        let counted = outcome.filters + outcome.unread == 7
            || outcome
                .findings
                .iter()
                .any(|finding| finding.severity == crate::check::Severity::Error);
        if !found || !counted {
            wrong.push(format!(
                "{number} {:?}: line {line} {} {:?}\n{:#?}",
                case.to,
                case.code,
                case.says,
                said(&outcome)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_filter_that_cannot_be_read_is_not_a_smaller_count() {
    let good = good();
    for (from, to) in [
        ("http.wasm.v3.Wasm", "network.wasm.v3.Wasm"),
        (
            "\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "name: x",
        ),
    ] {
        let outcome = check(&good.replacen(from, to, 1));
        assert_eq!((outcome.filters, outcome.unread), (6, 1), "{to}");
        assert!(
            said(&outcome)
                .iter()
                .any(|finding| finding.contains("MG007"))
        );
    }
    // A name that nothing but its folder tells.
    let outcome = check(
        "http_filters:\n- name: auth\n  typed_config:\n    \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n    config: { vm_config: { code: { local: { filename: /etc/envoy/modelgate/jwt_auht.wasm } } } }\n",
    );
    assert_eq!((outcome.filters, outcome.unread), (0, 1));
    assert!(said(&outcome)[0].contains("did you mean `jwt_auth.wasm`?"));
    let outcome = check(&good.replacen("typed_config:\n              \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm", "typed_confg:\n              \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm", 1));
    assert_eq!((outcome.filters, outcome.unread), (7, 0));
}

/// Names before a colon, in the other spelling.
fn camel_keys(line: &str) -> String {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let mut out = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        match after.strip_prefix(':') {
            Some(value)
                if !out.ends_with('"') && value.starts_with([' ', '\n']) || after == ":" =>
            {
                out.push_str(&crate::check::api::camel(word));
            }
            _ => out.push_str(word),
        }
        let next = after.chars().next().map_or(0, char::len_utf8);
        out.push_str(&after[..next]);
        rest = &after[next..];
    }
    out
}

/// The same file as protobuf's JSON spells it.
fn in_camel_case(text: &str) -> String {
    let mut out = String::new();
    let mut in_json = false;
    for line in text.lines() {
        let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
        in_json = (in_json && indent.len() >= 20) || line.ends_with("value: |");
        let camel = match in_json {
            true => rest.to_owned(),
            false => camel_keys(rest),
        };
        out.push_str(indent);
        out.push_str(&camel);
        out.push('\n');
    }
    out
}

#[test]
fn the_other_spelling_is_the_same_file() {
    let text = in_camel_case(&good());
    assert!(
        text.contains("typedConfig") && text.contains("httpFilters"),
        "{text}"
    );
    let outcome = check(&text);
    assert_eq!((outcome.chains, outcome.filters), (1, 7));
    assert_eq!(said(&outcome), Vec::<String>::new());
}

#[test]
fn other_ways_to_write_a_file_keep_its_lines() {
    let bent = good().replacen("\"groups_claim\"", "\"group_claim\"", 1);
    let line = line_of(&bent, "group_claim");
    let crlf = bent.replace('\n', "\r\n");
    let bom = format!("\u{feff}{bent}");
    for text in [&bent, &crlf, &bom] {
        let outcome = check(text);
        let first = outcome.findings.first().unwrap();
        assert_eq!(
            (first.place.line, first.place.column),
            (line, 25),
            "{first}"
        );
    }
    // JSON, and a text in quotes.
    let json = located_yaml::Node::parse(&bent).unwrap().to_json();
    let json = serde_json::to_string_pretty(&json).unwrap();
    let outcome = check(&json);
    let first = outcome.findings.first().unwrap();
    assert_eq!(first.place.line, line_of(&json, "group_claim"));
    assert!(first.place.column > 20, "{first}");
}

#[test]
fn every_document_is_checked() {
    let text = format!(
        "---\n{}---\n{}",
        good(),
        good().replacen("\"rules\"", "\"ruls\"", 1)
    );
    let outcome = check(&text);
    assert_eq!(outcome.filters, 14);
    assert!(
        said(&outcome)
            .iter()
            .any(|finding| finding.contains("MG016"))
    );
    assert!(
        said(&outcome)
            .iter()
            .any(|finding| finding.contains("did you mean `rules`?"))
    );
}

#[test]
fn what_is_no_configuration_of_ours_says_so() {
    for (text, code) in [
        ("", "MG008"),
        ("a: [1, 2", "MG001"),
        ("a:\n\tb: 1\n", "MG001"),
        ("{{ .Values.x }}\n", "MG001"),
        ("a: 1\na: 2\n", "MG001"),
        ("apiVersion: apps/v1\nkind: Deployment\nspec: {}\n", "MG009"),
        ("_format_version: \"3.0\"\nservices: []\n", "MG008"),
    ] {
        let outcome = check(text);
        assert!(
            outcome
                .findings
                .iter()
                .any(|finding| finding.code.id == code),
            "{text:?}: {:?}",
            said(&outcome)
        );
    }
}

#[test]
fn a_template_is_called_one() {
    for (text, is_template) in [
        ("a: { port_value: ${PORT} }\n", true),
        ("{{ .Values.x }}\n", true),
        ("a: { port_value: 1, b: [ }\n", false),
    ] {
        let outcome = check(text);
        let finding = outcome.findings.first().unwrap();
        assert_eq!(finding.code.id, "MG001", "{text:?}");
        let said = finding.hint.contains("template");
        assert_eq!(said, is_template, "{text:?}: {finding:?}");
    }
}

#[test]
fn files_that_a_configuration_names_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let good = good();
    // The entry of jwt-auth moves to a file of its own.
    let begin = good.find("          - name: jwt-auth\n").unwrap();
    let end = good.find("          # Who calls, by an API key").unwrap();
    let entry = good[begin..end].replace("- name: jwt-auth\n", "  name: jwt-auth\n");
    let resource = format!(
        "resources:\n- \"@type\": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig\n{}",
        entry
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix("          ").unwrap_or(line)))
            .collect::<String>()
    );
    std::fs::write(folder.path().join("jwt.yaml"), &resource).unwrap();
    let discovered = format!(
        "{}          - name: jwt-auth\n            config_discovery:\n              config_source: {{ path_config_source: {{ path: jwt.yaml }} }}\n              type_urls: [ type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm ]\n{}",
        &good[..begin],
        &good[end..]
    );
    let outcome = check_in(&discovered, Some(folder.path()));
    assert_eq!(said(&outcome), Vec::<String>::new());
    assert_eq!((outcome.chains, outcome.filters), (1, 7));
    // On its own it is checked too, and its mistakes are found in it.
    let alone = check(&resource);
    assert_eq!((alone.filters, said(&alone)), (1, Vec::new()));
    let bent = resource.replace("\"groups_claim\"", "\"group_claim\"");
    std::fs::write(folder.path().join("jwt.yaml"), &bent).unwrap();
    let outcome = check_in(&discovered, Some(folder.path()));
    let first = outcome.findings.first().unwrap();
    assert!(first.file.as_ref().unwrap().ends_with("jwt.yaml"));
    assert_eq!(first.place.line, line_of(&bent, "group_claim"));
    // Without the file it is said what was not read.
    let outcome = check(&discovered.replace("jwt.yaml", "elsewhere.yaml"));
    assert_eq!((outcome.filters, outcome.unread), (6, 1));
    assert!(
        said(&outcome)
            .iter()
            .any(|finding| finding.contains("elsewhere.yaml is not here"))
    );
}

#[test]
fn pieces_of_a_configuration_are_read() {
    let good = good();
    let filters =
        &good[good.find("          http_filters:").unwrap()..good.find("\n  clusters:").unwrap()];
    let outcome = check(&filters.replace("group_claim", ""));
    assert_eq!(outcome.filters, 7);
    assert_eq!(said(&outcome), Vec::<String>::new());
    // A listener in a file for LDS.
    let listener =
        &good[good.find("  - name: gateway").unwrap()..good.find("\n  clusters:").unwrap()];
    let listener = listener.replacen(
        "  - name: gateway",
        "  - \"@type\": type.googleapis.com/envoy.config.listener.v3.Listener\n    name: gateway",
        1,
    );
    let outcome = check(&format!("resources:\n{listener}"));
    assert_eq!((outcome.chains, outcome.filters), (1, 7));
    assert_eq!(said(&outcome), Vec::<String>::new());
}

#[test]
fn resources_of_kubernetes_are_read() {
    let plugin = "\
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: { name: jwt-auth }
spec:
  url: oci://registry.acme.io/modelgate/jwt-auth:1.0
  pluginName: jwt_auth
  failStrategy: FAIL_OPEN
  pluginConfig:
    isuers: []
";
    let found = said(&check(plugin));
    assert!(found[0].starts_with("7:17: error[MG103"), "{found:#?}");
    assert!(
        found
            .iter()
            .any(|finding| finding.starts_with("9:5: error[MG011")
                && finding.contains("did you mean `issuers`?")),
        "{found:#?}"
    );
    let policy = "\
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
spec:
  wasm:
  - name: acl
    rootID: consumer_acl
    failOpen: true
    code: { type: Image, image: { url: registry.acme.io/consumer-acl@sha256:aa } }
    config: { ruls: [ { what: { models: [ m ] } } ] }
";
    let found = said(&check(policy));
    for want in [
        "7:15: error[MG103",
        "9:15: error[MG011",
        "5:5: warning[MG015",
    ] {
        assert!(
            found.iter().any(|finding| finding.starts_with(want)),
            "{want} {found:#?}"
        );
    }
    let filter = "\
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    patch:
      operation: INSERT_BEFORE
      value:
        name: jwt-auth
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
          config:
            failure_policy: FAIL_OPEN
            vm_config: { code: { local: { filename: /x/jwt_auth.wasm } } }
";
    let outcome = check(filter);
    assert_eq!(outcome.filters, 1);
    assert!(
        said(&outcome)
            .iter()
            .any(|finding| finding.starts_with("13:29: error[MG103"))
    );
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  envoy.yaml: |\n{}",
        good()
            .replacen("\"groups_claim\"", "\"group_claim\"", 1)
            .lines()
            .map(|line| format!("    {line}\n"))
            .collect::<String>()
    );
    let outcome = check(&map);
    assert_eq!(outcome.filters, 7);
    assert_eq!(outcome.findings[0].place.line, line_of(&map, "group_claim"));
}

#[test]
fn clusters_are_judged_where_envoys_messages_name_them_and_nowhere_else() {
    let filter = |name: &str, config: &str| {
        good().replacen(
            "          - name: pii-mask\n",
            &format!("          - name: {name}\n            typed_config: {config}\n          - name: pii-mask\n"),
            1,
        )
    };
    let grpc = "{ envoy_grpc: { cluster_name: absent }, timeout: 1s }";
    let url = "type.googleapis.com/envoy.extensions.filters.http";
    // The finding names the entry; a TypedStruct holds a message.
    for config in [
        format!("{{ \"@type\": {url}.ext_authz.v3.ExtAuthz, grpc_service: {grpc} }}"),
        format!(
            "{{ \"@type\": type.googleapis.com/xds.type.v3.TypedStruct, type_url: {url}.ext_authz.v3.ExtAuthz, value: {{ grpc_service: {grpc} }} }}"
        ),
    ] {
        let found = said(&check(&filter("ask", &config)));
        let of_cluster: Vec<&String> = found.iter().filter(|f| f.contains("MG401")).collect();
        assert_eq!(of_cluster.len(), 1, "{config}: {found:#?}");
        assert!(of_cluster[0].contains("ask"), "{found:#?}");
    }
    // A free Struct, and a message of someone's own build.
    for config in [
        format!(
            "{{ \"@type\": {url}.set_metadata.v3.Config, metadata: [ {{ metadata_namespace: a, value: {{ b: {grpc}, uri: x, cluster: absent }} }} ] }}"
        ),
        format!("{{ \"@type\": type.googleapis.com/acme.filters.v1.Own, grpc_service: {grpc} }}"),
    ] {
        let found = said(&check(&filter("own", &config)));
        assert!(!found.iter().any(|f| f.contains("MG401")), "{found:#?}");
    }
}

/// Of every kind of field something, as Envoy 1.40 takes it (`--mode validate`).
const LEGAL: &str = include_str!("legal.yaml");

#[test]
fn what_envoy_takes_is_not_refused() {
    let found = said(&check(LEGAL));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("MG008"));
}
