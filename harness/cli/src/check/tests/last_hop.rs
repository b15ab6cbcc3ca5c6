//! What stands around model-route, and what stands behind it.

use std::path::Path;

use super::broken::{good, line_of, said};
use super::routes::has;
use crate::check::check;

const SWITCH: &str =
    "{ \"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true }";
const HTTP: &str = "type.googleapis.com/envoy.extensions.filters.http";
const TO_A: &str = "route: { cluster: tensorflow-a, timeout: 2s }\n";
const ROUTER: &str = "          - name: envoy.filters.http.router\n";

/// The shipped configuration with model-route in it, without placeholders.
fn routed() -> String {
    shipped("model-route.yaml")
}

fn shipped(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let text = std::fs::read_to_string(root.join("envoy").join(file)).unwrap();
    text.replace("login.example.com", "login.acme.io")
}

/// With this filter off, or with these lines, on the route to the first server.
fn with(lines: &str) -> String {
    let text = routed();
    let changed = text.replacen(TO_A, &format!("{TO_A}{lines}"), 1);
    assert_ne!(changed, text);
    changed
}

fn off(filter: &str) -> String {
    format!("                typed_per_filter_config:\n                  {filter}: {SWITCH}\n")
}

/// The findings of a code, each with its line.
fn lines(text: &str, code: &str) -> Vec<usize> {
    let found = said(&check(text));
    let of = found.iter().filter(|finding| finding.contains(code));
    of.map(|finding| finding.split(':').next().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn a_route_that_asks_for_the_header_switches_no_filter() {
    assert_eq!(lines(&routed(), "MG210"), [0_usize; 0]);
    // Whoever sends the header gets past it.
    for filter in [
        "jwt-auth",
        "consumer-acl",
        "rate-limit",
        "pii-mask",
        "model-route",
    ] {
        let text = with(&off(filter));
        assert_eq!(
            lines(&text, "MG210"),
            [line_of(&text, "exact: tensorflow-a")],
            "{filter}"
        );
    }
    // Off by itself, and on behind the header: for those who ask as they should it is off.
    let reversed = with(&off("pii-mask").replace("disabled: true", "config: {}"));
    let reversed = reversed.replacen(
        "          - name: pii-mask\n",
        "          - name: pii-mask\n            disabled: true\n",
        1,
    );
    assert!(has(&reversed, "pii-mask is on here and off"));
    // On all of these routes alike.
    let alike = |text: String| {
        let to = "route: { cluster: tensorflow-b, timeout: 2s }\n";
        let text = text.replacen(to, &format!("{to}{}", off("rate-limit")), 1);
        let end = "There is nothing at this path. (reason: not_found)\"}' } }\n";
        text.replacen(end, &format!("{end}{}", off("rate-limit")), 1)
    };
    assert_eq!(
        lines(&alike(with(&off("rate-limit"))), "MG210"),
        [0_usize; 0]
    );
    // Paths of an expression are not compared.
    let other = with(&off("rate-limit")).replacen(
        "match: { prefix: /v1/models/, headers",
        "match: { safe_regex: { regex: '/v1/models/.*' }, headers",
        1,
    );
    assert_eq!(lines(&other, "MG210"), [0_usize; 0]);
}

#[test]
fn a_header_that_model_route_does_not_write_is_a_clients() {
    let renamed = routed().replacen(
        "\"models\": [ {",
        "\"backend_header\": \"x-to\", \"models\": [ {",
        1,
    );
    assert_ne!(renamed, routed());
    let at = ["tensorflow-a } } ] }", "tensorflow-b } } ] }"].map(|name| line_of(&renamed, name));
    assert_eq!(lines(&renamed, "MG210"), at);
    let both = renamed.replace("name: x-modelgate-backend", "name: X-To");
    assert_eq!(lines(&both, "MG210"), [0_usize; 0]);
    // In front of the filter that names it.
    let none = super::routes::without(&routed(), &["model-route"]);
    assert_eq!(lines(&none, "MG210").len(), 2);
    let inverted = none
        .replace(
            "exact: tensorflow-a }",
            "exact: tensorflow-a }, invert_match: true",
        )
        .replace(
            "exact: tensorflow-b }",
            "exact: tensorflow-b }, invert_match: true",
        );
    assert_eq!(lines(&inverted, "MG210"), [0_usize; 0]);
    // As the cluster, and for copies.
    let cluster = good().replacen(
        "route: { cluster: sagemaker, ",
        "route: { cluster_header: x-modelgate-backend, ",
        1,
    );
    assert!(has(&cluster, "MG210"));
    let copy = good().replacen("route: { cluster: sagemaker, ", "route: { cluster: sagemaker, request_mirror_policies: [ { cluster_header: x-modelgate-shadow } ], ", 1);
    assert!(has(&copy, "MG210"));
    let plain = good().replacen(
        "route: { cluster: sagemaker, ",
        "route: { cluster_header: x-team, ",
        1,
    );
    assert!(!has(&plain, "MG210"));
}

#[test]
fn a_profile_that_is_chosen_before_is_the_clients_choice() {
    let name = "                metadata: { filter_metadata: { modelgate: { dialect: tf_serving } } }\n                route: { cluster: tensorflow-a,";
    let text = routed().replacen(name, &name.replace("dialect", "profile: more, dialect"), 1);
    assert_ne!(text, routed());
    // Of a filter without profiles it says nothing.
    assert!(!has(&text, "MG210"));
    let limits = text.replacen(
        "\"policies\": [",
        "\"profiles\": { \"more\": {} }, \"policies\": [",
        1,
    );
    assert!(has(&limits, "rate-limit has another profile here"));
    let masks = text.replacen("                  value: |\n                    {\n                      \"request\"", "                  value: |\n                    {\n                      \"profiles\": { \"more\": {} }, \"request\"", 1);
    assert!(!has(&masks, "MG210"));
}

#[test]
fn copies_carry_neither_signatures_nor_what_is_not_masked() {
    let mirror = "request_mirror_policies: [ { cluster: logs } ], ";
    let copied = |text: &str| {
        let changed = text.replacen(
            "route: { cluster: ",
            &format!("route: {{ {mirror}cluster: "),
            1,
        );
        assert_ne!(changed, text);
        changed
    };
    assert!(has(&copied(&good()), "MG211"));
    assert!(!has(&good(), "MG211"));
    assert!(!has(&copied(&routed()), "MG211"));
    let without = |text: &str, header: &str| {
        let policy =
            format!("{{ cluster: logs, request_headers_mutations: [ {{ remove: {header} }} ] }}");
        copied(text).replacen("{ cluster: logs }", &policy, 1)
    };
    assert!(!has(&without(&good(), "Authorization"), "MG211"));
    assert!(has(&without(&good(), "x-other"), "MG211"));
    // The credential of a provider: Azure's key stands in a header of its own.
    let azure = shipped("azure-openai.yaml");
    assert!(!has(&azure, "MG211"));
    assert!(has(&copied(&azure), "MG211"));
    assert!(!has(&without(&azure, "api-key"), "MG211"));
    assert!(has(&without(&azure, "x-other"), "MG211"));
    // Masked in the chain of the listener.
    assert!(!has(&copied(&routed()), "MG212"));
    // Masked behind the choice of a cluster, and the copy goes to another one.
    let mask = format!(
        "{{ name: pii-mask, typed_config: {{ \"@type\": {HTTP}.wasm.v3.Wasm, config: {{ name: pii_mask, failure_policy: FAIL_RELOAD, vm_config: {{ vm_id: m, runtime: envoy.wasm.runtime.v8, code: {{ local: {{ filename: /etc/envoy/modelgate/pii_mask.wasm }} }} }}, configuration: {{ \"@type\": type.googleapis.com/google.protobuf.StringValue, value: '{{}}' }} }} }} }}"
    );
    let own = |text: &str, cluster: &str| {
        let at = format!("  - name: {cluster}\n");
        let options = format!(
            "{at}    typed_extension_protocol_options: {{ envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {{ \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {{ http_protocol_options: {{}} }}, http_filters: [ {mask} ] }} }}\n"
        );
        let changed = text.replacen(&at, &options, 1);
        assert_ne!(changed, text);
        changed
    };
    let bare = super::routes::without(&routed(), &["pii-mask"]);
    let one = own(&copied(&bare), "tensorflow-a");
    assert!(has(&one, "MG212"));
    assert!(!has(&own(&one, "logs"), "MG212"));
    assert!(!has(&own(&bare, "tensorflow-a"), "MG212"));
    let router = copied(&bare).replacen(
        "filters.http.router.v3.Router\n",
        &format!(
            "filters.http.router.v3.Router\n              upstream_http_filters: [ {mask} ]\n"
        ),
        1,
    );
    assert!(has(&router, "MG212"));
}

/// A chain that signs, with model-route and these targets of the model `churn` in front.
fn signed(targets: &str) -> String {
    let filter = format!(
        "          - {{ name: model-route, typed_config: {{ \"@type\": {HTTP}.wasm.v3.Wasm, config: {{ name: model_route, failure_policy: FAIL_RELOAD, reload_config: {{ backoff: {{ base_interval: 0.2s }} }}, allow_on_headers_stop_iteration: true, vm_config: {{ vm_id: r, runtime: envoy.wasm.runtime.v8, code: {{ local: {{ filename: /etc/envoy/modelgate/model_route.wasm }} }} }}, configuration: {{ \"@type\": type.googleapis.com/google.protobuf.StringValue, value: '{{\"models\": [ {{\"name\": \"churn\", \"targets\": [ {targets} ]}} ]}}' }} }} }} }}\n"
    );
    let at = "          - name: pii-mask\n";
    good().replacen(at, &format!("{filter}{at}"), 1)
}

fn with_signer(text: &str, members: &str) -> String {
    let at = "\"service\": \"sagemaker\",";
    let changed = text.replacen(at, &format!("{at} {members}"), 1);
    assert_ne!(changed, text);
    changed
}

#[test]
fn what_is_written_is_what_the_signer_lets_pass() {
    let plain = r#"{"tag": "a", "backend": "x"}"#;
    assert!(!has(&signed(plain), "MG305"));
    for (member, header) in [
        ("variant", "X-Amzn-SageMaker-Target-Variant"),
        (
            "inference_component",
            "x-amzn-sagemaker-inference-component",
        ),
    ] {
        let target = format!(r#"{{"tag": "a", "backend": "x", "{member}": "v1"}}"#);
        assert!(has(&signed(&target), "it refuses x-amzn-sagemaker"));
        let listed = with_signer(
            &signed(&target),
            &format!("\"client_headers\": [ \"{header}\" ],"),
        );
        assert!(!has(&listed, "MG305"));
        let set = with_signer(
            &signed(&target),
            &format!("\"set_headers\": {{ \"{header}\": \"v2\" }},"),
        );
        assert!(has(&set, "never counts"));
        let of_backend = target.replace("\"v1\"", "\"v1\", \"version_is\": \"of_backend\"");
        assert!(!has(&signed(&of_backend), "MG305"));
    }
}

#[test]
fn what_is_signed_is_a_path_of_the_signers_in_its_region() {
    let named = |model: &str| {
        signed(&format!(
            r#"{{"tag": "a", "backend": "x", "model": "{model}"}}"#
        ))
    };
    let narrow = |text: &str, paths: &str| {
        let from = "\"paths\": [ \"/endpoints/*/invocations\", \"/endpoints/*/invocations-response-stream\", \"/endpoints/*/openai/**\" ]";
        let changed = text.replacen(from, &format!("\"paths\": [ {paths} ]"), 1);
        assert_ne!(changed, text);
        changed
    };
    assert!(!has(&named("churn-2"), "MG305"));
    let one = narrow(&named("churn-2"), "\"/endpoints/churn/invocations\"");
    assert!(has(&one, "/endpoints/churn-2/…"));
    let same = narrow(&named("churn"), "\"/endpoints/churn/invocations\"");
    assert!(!has(&same, "MG305"));
    // Paths of another kind say nothing of endpoints.
    let other = narrow(&named("churn-2"), "\"/other/**\"");
    assert!(!has(&other, "MG305"));
    // A host, and a model, in another region than what is signed for.
    let elsewhere = good().replacen(
        "\"region\": \"eu-central-1\"",
        "\"region\": \"eu-west-1\"",
        1,
    );
    assert!(has(&elsewhere, "MG305"));
    let mine = good().replacen(
        "runtime.sagemaker.eu-central-1.amazonaws.com",
        "models.eu-west-1.acme.io",
        1,
    );
    assert!(!has(&mine, "MG305"));
    for (region, wrong) in [("eu-central-1", false), ("us-east-1", true), ("", false)] {
        let arn = format!("arn:aws:bedrock:{region}:123456789012:inference-profile/eu.m");
        assert_eq!(has(&named(&arn), "MG305"), wrong, "{region}");
    }
}

#[test]
fn nobody_asks_for_the_callers_credential_where_the_gateways_stands() {
    let other = |kind: &str, rest: &str| {
        format!(
            "          - {{ name: other, typed_config: {{ \"@type\": {HTTP}.{kind}, {rest} }} }}\n"
        )
    };
    let tokens = |from: &str| {
        let rest = format!(
            "providers: {{ p: {{ issuer: i, {from}local_jwks: {{ inline_string: '{{}}' }} }} }}"
        );
        other("jwt_authn.v3.JwtAuthentication", &rest)
    };
    let asks = other(
        "ext_authz.v3.ExtAuthz",
        "grpc_service: { envoy_grpc: { cluster_name: sagemaker } }",
    );
    let key = other(
        "api_key_auth.v3.ApiKeyAuth",
        "key_sources: [ { header: x-api-key } ]",
    );
    let rbac = other("rbac.v3.RBAC", "rules: { action: DENY }");
    for (filter, wrong) in [
        (asks, true),
        (key, true),
        (rbac, false),
        (tokens(""), true),
        (tokens("from_headers: [ { name: Authorization } ], "), true),
        (tokens("from_headers: [ { name: x-token } ], "), false),
        (tokens("from_params: [ t ], "), false),
    ] {
        let behind = good().replacen(ROUTER, &format!("{filter}{ROUTER}"), 1);
        assert_eq!(has(&behind, "MG306"), wrong, "{filter}");
        let front = good().replacen(
            "          http_filters:\n",
            &format!("          http_filters:\n{filter}"),
            1,
        );
        assert!(!has(&front, "MG306"), "{filter}");
    }
}
