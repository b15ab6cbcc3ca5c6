//! Spellings that Envoy takes, and those that it refuses.

use super::*;

fn plugin(text: &str) -> (Node, Vec<String>) {
    let message = api::message("envoy.extensions.wasm.v3.PluginConfig").unwrap();
    let mut findings = Vec::new();
    let node = read(&Node::parse(text).unwrap(), message, false, &mut findings);
    let findings = findings.iter().map(ToString::to_string).collect();
    (node, findings)
}

#[test]
fn what_envoy_takes_is_read_in_one_spelling() {
    for text in [
        "{failure_policy: FAIL_OPEN, allow_on_headers_stop_iteration: true}",
        "{failurePolicy: fail_open, allowOnHeadersStopIteration: yes}",
        "{failure_policy: 3, allow_on_headers_stop_iteration: on}",
        "{failurePolicy: '3', allow_on_headers_stop_iteration: 'true'}",
        "{failure_policy: Fail_Open, allow_on_headers_stop_iteration: True, vm_config: ~}",
        "{failure_policy: FAIL_OPEN, allow_on_headers_stop_iteration: { value: true }}",
        "{failure_policy: !x FAIL_OPEN, allow_on_headers_stop_iteration: '1'}",
        "{failure_policy: ! FAIL_OPEN, allow_on_headers_stop_iteration: t}",
    ] {
        let (node, findings) = plugin(text);
        assert_eq!(findings, Vec::<String>::new(), "{text}");
        let text = |name| node.member(name).and_then(Node::text);
        assert_eq!(text("failure_policy"), Some("FAIL_OPEN"));
        assert_eq!(text("allow_on_headers_stop_iteration"), Some("true"));
    }
}

#[test]
fn one_mapping_stands_for_a_list_of_one() {
    let message = api::message("envoy.config.listener.v3.Listener").unwrap();
    let mut findings = Vec::new();
    let node = Node::parse("filterChains: { filters: { name: a } }").unwrap();
    let node = read(&node, message, false, &mut findings);
    assert!(findings.is_empty(), "{findings:?}");
    let chains = node.member("filter_chains").unwrap().items();
    assert_eq!(chains[0].member("filters").unwrap().items().len(), 1);
}

#[test]
fn what_envoy_refuses_is_found_with_what_was_meant() {
    for (text, want) in [
        ("failure_polcy: FAIL_OPEN", "did you mean `failure_policy`?"),
        ("failurePolcy: FAIL_OPEN", "did you mean `failurePolicy`?"),
        (
            "failure-policy: FAIL_RELOAD",
            "did you mean `failure_policy`?",
        ),
        ("failure_policy: FAIL_RELAOD", "did you mean `FAIL_RELOAD`?"),
        ("failure_policy: 9", "is no value of"),
        ("failure_policy: fail-open", "did you mean `FAIL_OPEN`?"),
        ("allow_on_headers_stop_iteration: 'on'", "is true or false"),
        ("allow_on_headers_stop_iteration: oN", "is true or false"),
        ("name: 0x1f", "write it in quotes"),
        (
            "vm_config: { code: { remote: { retry_policy: { num_retries: -1 } } } }",
            "from 0 to",
        ),
        (
            "reload_config: { backoff: { base_interval: .5s } }",
            "such as `5s`",
        ),
        (
            "reload_config: { backoff: { base_interval: 0.0000000001s } }",
            "such as `5s`",
        ),
        (
            "configuration: { '@type': envoy.config.core.v3.Metadata }",
            "write `type.googleapis.com/envoy.config.core.v3.Metadata`",
        ),
        (
            "configuration: { '@type': type.googleapis.com/envoy.config.core.v3.Metadata, filter_metadata: { a: 5 } }",
            "is a mapping; this is a number",
        ),
        ("name: 5", "write it in quotes"),
        ("name: [a]", "a single value; this is a list"),
        ("allow_on_headers_stop_iteration: 1", "is true or false"),
        ("vm_config: x", "a VmConfig is a mapping; this is a text"),
        ("vm_config: { <<: { runtime: x } }", "merge"),
        (
            "configuration: { '@type': type.googleapis.com/envoy.config.core.v3.Metadata, filter_metadata: { a: { <<: { b: 1 } } } }",
            "merge",
        ),
        (
            "reload_config: { backoff: { base_interval: 5 } }",
            "such as `5s`",
        ),
        ("configuration: { value: x }", "`@type` is missing"),
        (
            "{failure_policy: FAIL_OPEN, failurePolicy: FAIL_RELOAD}",
            "stands twice",
        ),
    ] {
        let (_, findings) = plugin(text);
        assert_eq!(findings.len(), 1, "{text}: {findings:?}");
        assert!(findings[0].contains(want), "{text}: {findings:?}");
    }
}
