//! Filters of others that change what filters of the suite have looked at.

use super::broken::good;
use super::routes::{has, without};

const HTTP: &str = "type.googleapis.com/envoy.extensions.filters.http";
const ROUTER: &str = "          - name: envoy.filters.http.router\n";
const FIRST: &str = "          http_filters:\n";

fn filter(kind: &str, rest: &str) -> String {
    format!("          - {{ name: other, typed_config: {{ \"@type\": {HTTP}.{kind}, {rest} }} }}\n")
}

fn lua(code: &str) -> String {
    filter(
        "lua.v3.Lua",
        &format!("default_source_code: {{ inline_string: \"{code}\" }}"),
    )
}

const PROCESSOR: &str = "ext_proc.v3.ExternalProcessor";
const SERVER: &str = "grpc_service: { envoy_grpc: { cluster_name: sagemaker } }";

/// Behind the last filter of a chain, and in front of the first.
fn behind(text: &str, filter: &str) -> String {
    text.replacen(ROUTER, &format!("{filter}{ROUTER}"), 1)
}

fn front(text: &str, filter: &str) -> String {
    text.replacen(FIRST, &format!("{FIRST}{filter}"), 1)
}

#[test]
fn what_is_signed_is_changed_by_nobody() {
    let good = good();
    for (filter, wrong) in [
        (
            lua("function envoy_on_request(h) h:headers():replace(':path', '/') end"),
            true,
        ),
        (
            lua("function envoy_on_request(h) h:headers():add(name, '/') end"),
            true,
        ),
        (
            lua("function envoy_on_request(h) h:body():setBytes('x') end"),
            true,
        ),
        (
            lua("function envoy_on_request(h) h:headers():add('x-team', 'a') end"),
            false,
        ),
        (
            lua("function envoy_on_request(h) h:logInfo('x') end"),
            false,
        ),
        (
            lua("function envoy_on_response(h) h:headers():add('x-amz-date', 'a') end"),
            false,
        ),
        (filter(PROCESSOR, SERVER), true),
        (
            filter(PROCESSOR, &format!("{SERVER}, observability_mode: true")),
            false,
        ),
        (
            filter(
                PROCESSOR,
                &format!("{SERVER}, mutation_rules: {{ disallow_all: true }}"),
            ),
            false,
        ),
        (
            filter(
                PROCESSOR,
                &format!(
                    "{SERVER}, mutation_rules: {{ disallow_all: true }}, processing_mode: {{ request_body_mode: BUFFERED }}"
                ),
            ),
            true,
        ),
        (
            filter(
                PROCESSOR,
                &format!("{SERVER}, processing_mode: {{ request_header_mode: SKIP }}"),
            ),
            false,
        ),
        (filter("ext_authz.v3.ExtAuthz", SERVER), true),
        (
            filter(
                "ext_authz.v3.ExtAuthz",
                &format!("{SERVER}, decoder_header_mutation_rules: {{ disallow_all: true }}"),
            ),
            false,
        ),
        (
            filter(
                "ext_authz.v3.ExtAuthz",
                "http_service: { server_uri: { uri: 'http://a', cluster: sagemaker, timeout: 1s } }",
            ),
            false,
        ),
        (
            filter(
                "ext_authz.v3.ExtAuthz",
                "http_service: { server_uri: { uri: 'http://a', cluster: sagemaker, timeout: 1s }, authorization_response: { allowed_upstream_headers: { patterns: [ prefix: x ] } } }",
            ),
            true,
        ),
        (
            filter("gcp_authn.v3.GcpAuthnFilterConfig", "cluster: sagemaker"),
            true,
        ),
        (
            filter(
                "decompressor.v3.Decompressor",
                "decompressor_library: { name: g }",
            ),
            true,
        ),
    ] {
        assert_eq!(has(&behind(&good, &filter), "MG303"), wrong, "{filter}");
        assert!(!has(&front(&good, &filter), "MG303"), "{filter}");
    }
    // A script that is not at hand may do anything, and need not.
    let kept = filter("lua.v3.Lua", "default_source_code: { filename: /a.lua }");
    let kept = behind(&good, &kept);
    assert!(has(&kept, "MG304") && !has(&kept, "MG303"));
}

#[test]
fn what_is_masked_is_changed_by_nobody() {
    let masks = without(&good(), &["aws-sigv4"]);
    let body = filter(
        PROCESSOR,
        &format!("{SERVER}, processing_mode: {{ request_body_mode: STREAMED }}"),
    );
    assert!(has(&behind(&masks, &body), "MG303"));
    let headers = behind(&masks, &filter(PROCESSOR, SERVER));
    assert!(!has(&headers, "MG303") && has(&headers, "MG304"));
    let answers = lua("function envoy_on_response(h) h:body():setBytes('x') end");
    assert!(has(&front(&masks, &answers), "MG304"));
    assert!(!has(&behind(&masks, &answers), "MG304"));
    // A credential that is added in front is somebody's.
    let key = lua("function envoy_on_request(h) h:headers():add('authorization', 'x') end");
    assert!(has(&front(&masks, &key), "MG304"));
    let team = lua("function envoy_on_request(h) h:headers():add('x-team', 'x') end");
    assert!(!has(&front(&masks, &team), "MG304") && !has(&behind(&masks, &team), "MG304"));
}
