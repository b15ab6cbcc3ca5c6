//! Tests of `modelgate check`: what is found, and where.

mod broken;
mod gates;
mod judged;
mod kubernetes;
mod last_hop;
mod mutators;
mod native;
mod places;
mod prototext;
mod routes;

use super::*;
use crate::SUITE;

/// What is found in a text: place, code and message of each finding.
pub(super) fn coded(text: &str) -> Vec<String> {
    let findings = check(text).findings;
    let coded = findings.iter().map(|finding| {
        let (place, id) = (finding.place, finding.code.id);
        format!("{place} {id} {}", finding.message())
    });
    coded.collect()
}

/// A chain of filters: (file name, lines inside `config`, JSON lines of the configuration).
fn envoy(filters: &[(&str, &str, &str)]) -> String {
    let mut text = String::from(
        "static_resources:\n  clusters: [ { name: idp } ]\n  listeners:\n  - address: { socket_address: { address: 127.0.0.1, port_value: 1 } }\n    filter_chains:\n    - filters:\n      - typed_config:\n          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n          normalize_path: true\n          common_http_protocol_options: { headers_with_underscores_action: REJECT_REQUEST }\n          http_filters:\n",
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
    text.push_str("          - name: router\n            typed_config: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }\n");
    text.push_str(
        "          stat_prefix: gateway\n          route_config: {}\n        name: manager\n",
    );
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
    let outcome = check(&text);
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
        let outcome = check(&envoy(&[("audit_log", knobs, "")]));
        assert_eq!(
            outcome.findings.first().map(|finding| finding.severity),
            want,
            "{knobs}"
        );
    }
}

#[test]
fn an_entry_that_a_proxy_may_leave_out_is_an_error() {
    let right = envoy(&[("jwt_auth", RELOAD, JWT)]);
    let entry = "          - name: the.jwt_auth\n";
    for (optional, want) in [("true", true), ("false", false)] {
        let lines = format!("{entry}            is_optional: {optional}\n");
        let found = findings(&right.replace(entry, &lines));
        let is_found = found.iter().any(|one| one.contains("leaves it out"));
        assert_eq!(is_found, want, "{found:?}");
    }
    let router = "          - name: router\n";
    let other = format!("{router}            is_optional: true\n");
    assert_eq!(findings(&right.replace(router, &other)), findings(&right));
}

#[test]
fn a_struct_is_refused_with_what_to_write() {
    let knobs = "failure_policy: FAIL_RELOAD\nconfiguration: { \"@type\": type.googleapis.com/google.protobuf.Struct, value: {} }";
    let outcome = check(&envoy(&[("audit_log", knobs, "")]));
    assert!(
        outcome.findings[0].hint.contains("StringValue"),
        "{:?}",
        outcome.findings
    );
}

#[test]
fn a_filter_that_holds_headers_needs_the_flag() {
    let hangs = |filter: &str, knobs: &str, json: &str| {
        findings(&envoy(&[(filter, &format!("{RELOAD}\n{knobs}"), json)]))
            .iter()
            .any(|finding| finding.contains("hang"))
    };
    let of_models =
        r#"{ "rules": [ { "id": "a", "effect": "allow", "what": { "models": [ "m" ] } } ] }"#;
    let missing = |knobs: &str| hangs("consumer_acl", knobs, of_models);
    assert!(missing(""));
    assert!(missing("allow_on_headers_stop_iteration: false"));
    assert!(!missing("allow_on_headers_stop_iteration: true"));
    // Without rules over models no body is read.
    for (filter, json, holds) in [
        ("consumer_acl", "{}", false),
        (
            "consumer_acl",
            r#"{ "rules": [ { "id": "a", "effect": "allow", "what": { "models": [], "paths": [ "/v1/**" ] } } ] }"#,
            false,
        ),
        (
            "consumer_acl",
            r#"{ "profiles": { "p": { "rules": [ { "id": "a", "effect": "deny", "what": { "models": [ "m" ] } } ] } } }"#,
            true,
        ),
        (
            "rate_limit",
            r#"{ "policies": [ { "name": "p", "by": [ "ip" ], "windows": [ { "quota": 1, "window_s": 1 } ] } ] }"#,
            false,
        ),
        (
            "rate_limit",
            r#"{ "policies": [ { "name": "p", "by": [ "ip", "model" ], "windows": [ { "quota": 1, "window_s": 1 } ] } ] }"#,
            true,
        ),
        ("pii_mask", "{}", true),
    ] {
        assert_eq!(hangs(filter, "", json), holds, "{filter} {json}");
    }
    let without_bodies = envoy(&[(
        "consumer_acl",
        RELOAD,
        "{ \"rules\": [ { \"id\": \"a\", \"effect\": \"allow\", \"who\": { \"identity\": \"any\" } } ], \"model_from_body\": { \"mode\": \"ignore\" } }",
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

#[test]
fn a_credential_of_the_gateways_own_is_judged_as_far_as_it_is_here() {
    let own = |credential: &str| {
        let json = format!("{{ \"credential\": {credential} }}");
        envoy(&[("upstream_auth", RELOAD, &json)]).replace(
            "vm_config: {",
            "vm_config: { environment_variables: { host_env_keys: [ NOT_ON_THIS_MACHINE ] },",
        )
    };
    let env = "{ \"env\": \"NOT_ON_THIS_MACHINE\" }";
    let endpoint = "\"token_endpoint\": { \"url\": \"https://idp.test/t\", \"cluster\": \"idp\" }";
    // What only the proxy's machine has is not taken for a key that cannot be read.
    for credential in [
        format!("{{ \"static\": {{ \"value\": {env} }} }}"),
        format!("{{ \"google_service_account\": {{ \"key\": {env}, \"cluster\": \"idp\" }} }}"),
        format!(
            "{{ \"oauth2_client_credentials\": {{ {endpoint}, \"client\": {{ \"id\": \"c\", \"private_key\": {{ \"pem\": {env} }} }} }} }}"
        ),
    ] {
        // Nobody is asked who he is: whoever comes acts as the gateway.
        let said = coded(&own(&credential));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("MG201"), "{said:?}");
    }
    for (credential, code) in [
        ("{ \"static\": { \"value\": \"sk-1\" } }".to_owned(), "MG405"),
        (
            format!("{{ \"oauth2_client_credentials\": {{ {endpoint}, \"client\": {{ \"id\": \"c\", \"secret\": {env} }} }} }}").replace("https:", "http:"),
            "MG406",
        ),
        ("{ \"static\": { \"value\": \"a b\" } }".to_owned(), "MG011"),
    ] {
        let said = coded(&own(&credential));
        assert!(said.iter().any(|said| said.contains(code)), "{code} {said:?}");
    }
    // Of the client's own nothing is lent.
    let said = coded(&own("{ \"pass_through\": true }"));
    assert!(!said.iter().any(|said| said.contains("MG201")), "{said:?}");
}

/// The module of all filters, with these lines inside `config` and this configuration.
fn in_one_entry(knobs: &str, json: &str) -> String {
    envoy(&[("modelgate", &format!("{RELOAD}\n{knobs}"), json)])
}

const HOLDS: &str = "root_id: chain\nallow_on_headers_stop_iteration: true";
const ONE_ENTRY: &str = r#"{
  "filters": [
    { "filter": "audit_log" },
    { "filter": "jwt_auth", "config": {
        "issuers": [ {
          "issuer": "https://idp.test", "audiences": ["models"],
          "keys": { "fetch": {
            "url": "https://idp.test/keys",
            "cluster": "idp"
          } }
        } ]
    } },
    { "filter": "rate_limit", "config": {
        "policies": [ {
          "name": "per-caller",
          "by": [ "consumer" ],
          "windows": [ { "quota": 1, "window_s": 60 } ]
        } ]
    } }
  ]
}"#;

#[test]
fn a_good_chain_in_one_entry_has_no_findings() {
    let text = in_one_entry(HOLDS, ONE_ENTRY);
    assert_eq!(findings(&text), Vec::<String>::new());
    let outcome = check(&text);
    assert_eq!((outcome.chains, outcome.filters), (1, 3));
}

#[test]
fn what_is_wrong_inside_a_chain_is_found_on_its_line() {
    for (from, to, needle, want) in [
        (
            "\"issuer\": \"https://idp.test\"",
            "\"isuer\": \"https://idp.test\"",
            "isuer\"",
            "filters[1].config.issuers[0].isuer: unknown field",
        ),
        (
            "\"cluster\": \"idp\"",
            "\"cluster\": \"elsewhere\"",
            "elsewhere",
            "filters[1].config.issuers[0].keys.fetch.cluster: no cluster is called \"elsewhere\"",
        ),
        (
            "\"consumer\" ]",
            "\"ip\" ]",
            "\"ip\" ]",
            "filters[2].config.policies[0].by[0]: a client chooses the address",
        ),
        (
            "\"audit_log\"",
            "\"audit\"",
            "\"audit\"",
            "filters[0].filter: is not a filter of this module",
        ),
        (
            "\"audit_log\"",
            "\"aws_sigv4\"",
            "\"jwt_auth\"",
            "filters[1]: jwt_auth stands behind aws_sigv4",
        ),
        (
            "\"filter\": \"audit_log\"",
            "\"filter\": \"audit_log\", \"enabled\": true",
            "\"enabled\"",
            "filters[0].enabled: unknown field",
        ),
    ] {
        let text = in_one_entry(HOLDS, &ONE_ENTRY.replace(from, to));
        let line = text.lines().position(|line| line.contains(needle)).unwrap() + 1;
        let found = findings(&text);
        let want = format!("{line}: {want}");
        assert!(
            found.iter().any(|finding| finding.starts_with(&want)),
            "{want}\n{found:#?}"
        );
    }
}

#[test]
fn an_address_that_clients_choose_is_no_matter_where_the_proxy_knows_it() {
    let by_ip = ONE_ENTRY.replace("\"consumer\" ]", "\"ip\" ]");
    let text = in_one_entry(HOLDS, &by_ip).replace(
        "          http_filters:",
        "          use_remote_address: true\n          http_filters:",
    );
    assert_eq!(findings(&text), Vec::<String>::new());
}

#[test]
fn a_chain_without_filters_is_refused() {
    for json in ["", "{}", "{ \"filters\": [] }"] {
        let found = findings(&in_one_entry("root_id: chain", json));
        assert!(
            found.len() == 1 && found[0].contains("filters: lists no filter"),
            "{json}: {found:?}"
        );
    }
}

#[test]
fn the_module_of_all_filters_is_the_one_that_root_id_names() {
    let single = |root_id: &str, json| in_one_entry(&format!("root_id: {root_id}"), json);
    assert_eq!(findings(&single("jwt_auth", JWT)), Vec::<String>::new());
    let bent = single("jwt_auth", &JWT.replace("\"issuers\"", "\"isuers\""));
    let found = findings(&bent);
    assert!(found[1].contains(": isuers: unknown field"), "{found:?}");
    for (knobs, problem) in [
        ("root_id: jwt-auth", "no filter of this `root_id`"),
        ("root_id: Chain", "no filter of this `root_id`"),
        ("", "`root_id` is missing"),
    ] {
        let outcome = check(&in_one_entry(knobs, JWT));
        let finding = outcome.findings.first().unwrap();
        assert!(finding.problem.contains(problem), "{knobs}: {finding}");
        assert!(
            finding
                .hint
                .contains("`chain`, or one of audit_log, jwt_auth"),
            "{finding}"
        );
        assert_eq!(outcome.findings.len(), 1, "{:?}", outcome.findings);
        assert_eq!(outcome.filters, 1);
    }
}

#[test]
fn a_chain_holds_headers_if_one_of_its_filters_does() {
    let hang = |json: &str| {
        let found = findings(&in_one_entry("root_id: chain", json));
        found
            .into_iter()
            .find(|finding| finding.contains("hang"))
            .unwrap_or_default()
    };
    assert_eq!(hang(ONE_ENTRY), "");
    let by_model = ONE_ENTRY.replace("\"consumer\"", "\"model\"");
    assert!(hang(&by_model).contains("rate_limit holds the request's headers"));
    let ignores = by_model.replace(
        "\"policies\"",
        "\"model_from_body\": { \"mode\": \"ignore\" }, \"policies\"",
    );
    assert_eq!(hang(&ignores), "");
    assert_eq!(
        hang("{ \"filters\": [ { \"filter\": \"key_auth\" } ] }"),
        ""
    );
}

#[test]
fn the_filters_of_an_entry_and_those_around_it_are_one_chain() {
    let knobs = format!("{RELOAD}\n{HOLDS}");
    let shows = ONE_ENTRY.replacen('{', "{ \"facts_to_filter_state\": true,", 1);
    let entry = ("modelgate", knobs.as_str(), shows.as_str());
    let holds = format!("{RELOAD}\nallow_on_headers_stop_iteration: true");
    let masks = ("pii_mask", holds.as_str(), "");
    assert_eq!(findings(&envoy(&[entry, masks])), Vec::<String>::new());
    let found = findings(&envoy(&[masks, entry]));
    let text = envoy(&[masks, entry]);
    let line = |needle: &str| text.lines().position(|line| line.contains(needle)).unwrap() + 1;
    assert_eq!(
        found,
        ["audit_log", "jwt_auth", "rate_limit"]
            .iter()
            .enumerate()
            .map(|(at, name)| format!(
                "{}: filters[{at}]: {name} must stand before the.pii_mask",
                line(&format!("\"{name}\""))
            ))
            .collect::<Vec<_>>()
    );
    let found = findings(&envoy(&[entry, ("jwt_auth", RELOAD, JWT)]));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].ends_with(": it must stand before rate_limit in the.modelgate"),
        "{found:?}"
    );
    assert!(
        found[1].ends_with("jwt_auth runs twice in this chain, first in the.modelgate"),
        "{found:?}"
    );
}

#[test]
fn a_chain_with_other_entries_around_it_shows_its_facts() {
    let knobs = format!("{RELOAD}\n{HOLDS}");
    let holds = format!("{RELOAD}\nallow_on_headers_stop_iteration: true");
    let found = findings(&envoy(&[
        ("modelgate", &knobs, ONE_ENTRY),
        ("pii_mask", &holds, ""),
    ]));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("facts_to_filter_state: filters in other entries do not see"),
        "{found:?}"
    );
}

#[test]
fn a_chain_that_fails_open_is_an_error() {
    let text = in_one_entry(HOLDS, ONE_ENTRY).replace(RELOAD, "failure_policy: FAIL_OPEN");
    let outcome = check(&text);
    assert_eq!(outcome.findings.len(), 1);
    assert_eq!(outcome.findings[0].severity, Severity::Error);
}

#[test]
fn a_chain_may_be_as_long_as_its_schema_says() {
    let schema = SUITE.chain_schema();
    let most = schema
        .pointer("/properties/filters/maxItems")
        .and_then(serde_json::Value::as_u64)
        .unwrap();
    for (length, good) in [(most, true), (most + 1, false)] {
        let filters = vec!["{ \"filter\": \"key_auth\" }"; length as usize].join(", ");
        let text = in_one_entry(
            "root_id: chain",
            &format!("{{ \"filters\": [ {filters} ] }}"),
        );
        let found = findings(&text);
        assert_eq!(
            !found.iter().any(|finding| finding.contains("more than")),
            good,
            "{found:?}"
        );
    }
}
