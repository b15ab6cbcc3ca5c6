//! Where a configuration may stand besides a file of Envoy's own, and where its parts may stand in
//! it: dumps of a running Envoy, files in resources of Kubernetes, limits and credentials at every
//! level of routes.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::broken::{good, line_of, said};
use super::routes::has;
use crate::check::check;

const HTTP: &str = "type.googleapis.com/envoy.extensions.filters.http";
const ROUTE: &str = "              - match: { prefix: /endpoints/ }\n";
const HOST: &str = "              domains: [ \"*\" ]\n";
const ROUTER: &str = "          - name: envoy.filters.http.router\n";
const FIRST: &str = "          http_filters:\n";

/// With a line in a route, in its virtual host, or in the configuration of routes.
fn with(text: &str, place: &str, line: &str) -> String {
    let (at, indent) = match place {
        "route" => (ROUTE, "                "),
        "host" => (HOST, "              "),
        _ => ("            virtual_hosts:\n", "            "),
    };
    let with = match place {
        "routes" => format!("{indent}{line}\n{at}"),
        _ => format!("{at}{indent}{line}\n"),
    };
    assert!(text.contains(at), "{place}");
    text.replacen(at, &with, 1)
}

#[test]
fn a_route_may_raise_what_is_held_of_a_body_and_a_filter_may_lower_it() {
    let small = good().replacen(
        "per_connection_buffer_limit_bytes: 2097152",
        "per_connection_buffer_limit_bytes: 65536",
        1,
    );
    assert!(has(&small, "MG114"));
    for place in ["route", "host"] {
        let raised = with(&small, place, "request_body_buffer_limit: 2097152");
        assert!(!has(&raised, "MG114"), "{place}");
        // It is about retries.
        let other = with(&small, place, "per_request_buffer_limit_bytes: 2097152");
        assert!(has(&other, "MG114"), "{place}");
        let lower = with(&good(), place, "request_body_buffer_limit: 1000");
        assert!(!has(&lower, "MG114"), "{place}");
    }
    let limited = |at: &str, bytes: u32, kind: &str| {
        let filter = format!(
            "          - {{ name: buf, typed_config: {{ \"@type\": {HTTP}.{kind}, max_request_bytes: {bytes} }} }}\n"
        );
        match at {
            FIRST => good().replacen(FIRST, &format!("{FIRST}{filter}"), 1),
            at => good().replacen(at, &format!("{filter}{at}"), 1),
        }
    };
    const BUFFER: &str = "buffer.v3.Buffer";
    for at in [FIRST, ROUTER] {
        for kind in [BUFFER, "body_size_limit.v3.BodySizeLimit"] {
            assert!(has(&limited(at, 1000, kind), "MG114"), "{kind}");
            assert!(!has(&limited(at, 4_000_000, kind), "MG114"), "{kind}");
        }
    }
    // One in front sets the limit for all behind.
    let front = limited(FIRST, 4_000_000, BUFFER).replacen("2097152", "65536", 1);
    assert!(!has(&front, "MG114"));
    let behind = limited(ROUTER, 4_000_000, BUFFER).replacen("2097152", "65536", 1);
    assert!(has(&behind, "MG114"));
    let per_route = |settings: &str| {
        with(
            &limited(FIRST, 4_000_000, BUFFER),
            "route",
            &format!(
                "typed_per_filter_config: {{ buf: {{ \"@type\": {HTTP}.buffer.v3.BufferPerRoute, {settings} }} }}"
            ),
        )
    };
    let low = per_route("buffer: { max_request_bytes: 1000 }");
    let at = format!("{}:", line_of(&low, "max_request_bytes: 1000"));
    let found = said(&check(&low));
    assert!(
        found
            .iter()
            .any(|it| it.starts_with(&at) && it.contains("MG114")),
        "{found:#?}"
    );
    assert!(!has(&per_route("disabled: true"), "MG114"));
}

#[test]
fn credentials_are_found_at_every_level_and_under_every_name() {
    let open = super::routes::without(
        &good(),
        &[
            "jwt-auth",
            "key-auth",
            "consumer-acl",
            "rate-limit",
            "aws-sigv4",
        ],
    );
    assert!(!has(&open, "MG201"));
    let header = |name: &str, value: &str| {
        format!("request_headers_to_add: [ {{ header: {{ key: {name}, value: \"{value}\" }} }} ]")
    };
    for (name, value) in [
        ("authorization", "Bearer abc"),
        ("x-litellm-api-key", "abc"),
        ("Helicone-Auth", "abc"),
        ("x-functions-key", "%ENVIRONMENT(SOME)%"),
        ("x-provider", "sk-abc"),
        ("x-provider", "%ENVIRONMENT(OPENAI_API_KEY)%"),
        ("x-auth-token", "%FILE_CONTENT(/etc/token)%"),
    ] {
        for place in ["route", "host", "routes"] {
            let text = with(&open, place, &header(name, value));
            assert!(has(&text, "MG201"), "{place} {name}");
        }
    }
    for (name, value) in [
        ("x-team", "blue"),
        ("x-csrf-token", "abc"),
        ("x-key-id", "abc"),
        ("authorization", "%REQ(x)%"),
        ("x-region", "%ENVIRONMENT(REGION)%"),
    ] {
        assert!(
            !has(&with(&open, "route", &header(name, value)), "MG201"),
            "{name}"
        );
    }
    let weighted = open.replacen(
        "route: { cluster: sagemaker, timeout: 65s",
        &format!("route: {{ weighted_clusters: {{ clusters: [ {{ name: sagemaker, weight: 1, {} }} ] }}, timeout: 65s", header("api-key", "abc")),
        1,
    );
    assert!(has(&weighted, "MG201"));
    let mirrored = open.replacen(
        "route: { cluster: sagemaker,",
        "route: { cluster: sagemaker, request_mirror_policies: [ { cluster: sagemaker, request_headers_mutations: [ { append: { header: { key: api-key, value: abc } } } ] } ],",
        1,
    );
    assert!(has(&mirrored, "MG201"));
    let path = with(&open, "route", "name: x").replacen(
        "route: { cluster: sagemaker,",
        "route: { cluster: sagemaker, path_rewrite: \"/x?key=%ENVIRONMENT(GEMINI_KEY)%\",",
        1,
    );
    assert!(has(&path, "MG201") && has(&path, "MG403"));
    let query = "mutations: { query_parameter_mutations: [ { append: { record: { key: key, value: AIzaabc } } } ] }";
    let mutation = |rest: &str| {
        let filter = format!(
            "          - {{ name: add, typed_config: {{ \"@type\": {HTTP}.header_mutation.v3.HeaderMutation{rest} }} }}\n"
        );
        open.replacen(ROUTER, &format!("{filter}{ROUTER}"), 1)
    };
    assert!(has(&mutation(&format!(", {query}")), "MG201"));
    assert!(!has(&mutation(""), "MG201"));
    for place in ["route", "host", "routes"] {
        let text = with(
            &mutation(""),
            place,
            &format!(
                "typed_per_filter_config: {{ add: {{ \"@type\": {HTTP}.header_mutation.v3.HeaderMutationPerRoute, {query} }} }}"
            ),
        );
        assert!(has(&text, "MG201"), "{place}");
    }
    let wrapped = open.replacen(
        ROUTER,
        &format!("          - {{ name: some, typed_config: {{ \"@type\": type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher, extension_config: {{ name: c, typed_config: {{ \"@type\": {HTTP}.header_mutation.v3.HeaderMutation, {query} }} }} }} }}\n{ROUTER}"),
        1,
    );
    assert!(has(&wrapped, "MG201"));
}

#[test]
fn a_file_in_base64_is_read_like_any_other() {
    let text = good().replacen(
        " failure_policy: FAIL_RELOAD",
        " failure_policy: FAIL_OPEN",
        1,
    );
    let encoded = BASE64_STANDARD.encode(&text);
    for (kind, member) in [("Secret", "data"), ("ConfigMap", "binaryData")] {
        let resource = format!(
            "apiVersion: v1\nkind: {kind}\n{member}:\n  other: AAEC/w==\n  envoy.yaml: {encoded}\n"
        );
        let outcome = check(&resource);
        let found = said(&outcome);
        assert_eq!(outcome.filters, check(&text).filters, "{found:#?}");
        let line = line_of(&text, " failure_policy: FAIL_OPEN");
        let want = format!("(at {line}:");
        assert!(
            found
                .iter()
                .any(|it| it.starts_with("5:") && it.contains("MG103") && it.contains(&want)),
            "{found:#?}"
        );
    }
}

#[test]
fn a_dump_of_a_running_envoy_is_read_in_either_spelling() {
    let text = good().replacen(
        " failure_policy: FAIL_RELOAD",
        " failure_policy: FAIL_OPEN",
        1,
    );
    let whole = located_yaml::Node::parse(&text).unwrap().to_json();
    let clusters = whole["static_resources"]["clusters"].clone();
    let any = |kind: &str, mut json: serde_json::Value| {
        json["@type"] = format!("type.googleapis.com/{kind}").into();
        json
    };
    let listener = any(
        "envoy.config.listener.v3.Listener",
        whole["static_resources"]["listeners"][0].clone(),
    );
    let config = |kind: &str, member: &str, value: serde_json::Value| serde_json::json!({ "@type": format!("type.googleapis.com/envoy.admin.v3.{kind}"), member: value, "last_updated": "2026-01-01T00:00:00Z" });
    let still = serde_json::json!({ "configs": [
        config("BootstrapConfigDump", "bootstrap", whole.clone()),
        config("ListenersConfigDump", "static_listeners", serde_json::json!([ { "listener": listener } ])),
        config("EndpointsConfigDump", "static_endpoint_configs", serde_json::json!([])),
    ] });
    let moving = serde_json::json!({ "configs": [
        config("BootstrapConfigDump", "bootstrap", serde_json::json!({ "static_resources": { "clusters": clusters } })),
        config("ListenersConfigDump", "dynamic_listeners", serde_json::json!([ {
            "name": "gateway",
            "active_state": { "version_info": "2", "listener": listener },
            "draining_state": { "version_info": "1", "listener": listener },
        } ])),
    ] });
    let want: Vec<String> = check(&text)
        .findings
        .iter()
        .map(|it| it.message())
        .collect();
    assert!(want.iter().any(|it| it.contains("FAIL_OPEN")), "{want:#?}");
    for dump in [still, moving] {
        let snake = serde_json::to_string_pretty(&dump).unwrap();
        let camel = camel_keys(&dump).to_string();
        for text in [snake, camel] {
            let outcome = check(&text);
            let mut found: Vec<String> = outcome.findings.iter().map(|it| it.message()).collect();
            found.sort();
            let mut want = want.clone();
            want.sort();
            assert_eq!(found, want);
            assert_eq!(outcome.chains, 1);
        }
    }
}

/// With the names of fields as protobuf's JSON has them.
fn camel_keys(json: &serde_json::Value) -> serde_json::Value {
    match json {
        serde_json::Value::Object(members) => members
            .iter()
            .map(|(key, value)| {
                // The names of filters and variables are no fields.
                let is_field =
                    key.contains('_') && !key.contains('.') && *key == key.to_lowercase();
                let key = if is_field {
                    crate::check::api::camel(key)
                } else {
                    key.clone()
                };
                (key, camel_keys(value))
            })
            .collect(),
        serde_json::Value::Array(items) => items.iter().map(camel_keys).collect(),
        other => other.clone(),
    }
}
