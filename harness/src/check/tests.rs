use super::*;

/// A chain of filters: (file name, lines inside `config`, JSON lines of the configuration).
fn envoy(filters: &[(&str, &str, &str)]) -> String {
    let mut text = String::from(
        "static_resources:\n  clusters: [ { name: idp } ]\n  listeners:\n  - filter_chains:\n    - filters:\n      - typed_config:\n          http_filters:\n",
    );
    for (file, knobs, json) in filters {
        text.push_str(&format!(
            "          - name: the.{file}\n            typed_config:\n              \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n              config:\n                vm_config: {{ code: {{ local: {{ filename: /etc/envoy/{file}.wasm }} }} }}\n"
        ));
        for line in knobs.lines() {
            text.push_str(&format!("                {line}\n"));
        }
        if !json.is_empty() {
            text.push_str("                configuration:\n                  \"@type\": type.googleapis.com/google.protobuf.StringValue\n                  value: |\n");
            for line in json.lines() {
                text.push_str(&format!("                    {line}\n"));
            }
        }
    }
    text
}

const RELOAD: &str = "failure_policy: FAIL_RELOAD";
const JWT: &str = r#"{
  "issuers": [ {
    "issuer": "https://idp.test", "audiences": ["models"],
    "keys": { "fetch": {
      "url": "https://idp.test/keys",
      "cluster": "idp"
    } }
  } ]
}"#;

fn findings(text: &str) -> Vec<String> {
    check(text)
        .unwrap()
        .findings
        .iter()
        .map(|finding| {
            format!(
                "{}: {}: {}",
                finding.place.line, finding.path, finding.problem
            )
        })
        .collect()
}

#[test]
fn a_good_chain_has_no_findings() {
    let text = envoy(&[
        ("audit_log", RELOAD, ""),
        ("jwt_auth", RELOAD, JWT),
        ("aws_sigv4_of_others", "", ""),
    ]);
    assert_eq!(findings(&text), Vec::<String>::new());
    let outcome = check(&text).unwrap();
    assert_eq!((outcome.chains, outcome.filters), (1, 2));
}

#[test]
fn what_is_wrong_in_a_configuration_is_found_on_its_line() {
    let json = JWT
        .replace("\"issuers\"", "\"isuers\": 1, \"issuers\"")
        .replace("\"cluster\": \"idp\"", "\"cluster\": \"elsewhere\"");
    let text = envoy(&[("jwt_auth", RELOAD, &json)]);
    let line = |needle: &str| text.lines().position(|line| line.contains(needle)).unwrap() + 1;
    let found = findings(&text);
    assert!(
        found[0].starts_with(&format!("{}: isuers: ", line("isuers"))),
        "{found:?}"
    );
    let cluster = format!(
        "{}: issuers[0].keys.fetch.cluster: no cluster is called \"elsewhere\"",
        line("elsewhere")
    );
    assert!(found.contains(&cluster), "{found:?}");
}

#[test]
fn a_filter_in_the_wrong_place_is_found() {
    let found = findings(&envoy(&[
        ("jwt_auth", RELOAD, JWT),
        ("audit_log", RELOAD, ""),
    ]));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("it must stand before the.jwt_auth"),
        "{found:?}"
    );
}

#[test]
fn a_policy_that_fails_open_is_an_error_and_one_that_never_recovers_a_warning() {
    for (knobs, want) in [
        ("failure_policy: FAIL_OPEN", Some(Severity::Error)),
        (
            "fail_open: true\nfailure_policy: FAIL_RELOAD",
            Some(Severity::Error),
        ),
        ("failure_policy: FAIL_CLOSED", Some(Severity::Warning)),
        ("name: x", Some(Severity::Warning)),
        (RELOAD, None),
    ] {
        let outcome = check(&envoy(&[("audit_log", knobs, "")])).unwrap();
        assert_eq!(
            outcome.findings.first().map(|finding| finding.severity),
            want,
            "{knobs}"
        );
    }
}

#[test]
fn a_struct_is_refused_with_what_to_write() {
    let knobs = "failure_policy: FAIL_RELOAD\nconfiguration: { \"@type\": type.googleapis.com/google.protobuf.Struct, value: {} }";
    let outcome = check(&envoy(&[("audit_log", knobs, "")])).unwrap();
    assert!(
        outcome.findings[0].hint.contains("StringValue"),
        "{:?}",
        outcome.findings
    );
}

#[test]
fn a_filter_that_holds_headers_needs_the_flag() {
    let missing = |knobs: &str| {
        findings(&envoy(&[(
            "consumer_acl",
            &format!("{RELOAD}\n{knobs}"),
            "{}",
        )]))
        .iter()
        .any(|finding| finding.contains("hang"))
    };
    assert!(missing(""));
    assert!(missing("allow_on_headers_stop_iteration: false"));
    assert!(!missing("allow_on_headers_stop_iteration: true"));
    let without_bodies = envoy(&[(
        "consumer_acl",
        RELOAD,
        "{ \"model_from_body\": { \"mode\": \"ignore\" } }",
    )]);
    assert_eq!(findings(&without_bodies), Vec::<String>::new());
}

#[test]
fn environment_variables_of_the_vm_are_known() {
    let json = "{ \"sink\": { \"cluster\": \"idp\", \"headers\": { \"x-key\": { \"env\": \"SINK_KEY\" } } } }";
    let with = envoy(&[("audit_log", RELOAD, json)]).replace(
        "vm_config: {",
        "vm_config: { environment_variables: { host_env_keys: [ SINK_KEY ] },",
    );
    assert_eq!(findings(&with), Vec::<String>::new());
    assert_ne!(
        findings(&envoy(&[("audit_log", RELOAD, json)])),
        Vec::<String>::new()
    );
}
