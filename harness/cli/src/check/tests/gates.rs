//! Envoy's own filters in front of a signer, behind it, and in its place.

use crate::check::check;

const HTTP: &str = "type.googleapis.com/envoy.extensions.filters.http";
const ROUTE: &str = "{ match: { prefix: / }, route: { cluster: up } }";

/// A chain with these filters before a signer, and these lines in its connection manager.
fn chain(filters: &str, manager: &str, route: &str) -> String {
    let signer = format!(
        "{{ name: aws-sigv4, typed_config: {{ '@type': {HTTP}.wasm.v3.Wasm, config: {{ name: aws_sigv4, failure_policy: FAIL_RELOAD, allow_on_headers_stop_iteration: true, vm_config: {{ runtime: envoy.wasm.runtime.v8, code: {{ local: {{ filename: /m/aws_sigv4.wasm }} }}, environment_variables: {{ host_env_keys: [ AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY ] }} }}, configuration: {{ '@type': type.googleapis.com/google.protobuf.StringValue, value: '{{\"region\": \"eu-central-1\", \"signed_headers\": [\"x-team\"]}}' }} }} }} }}"
    );
    gateway(&format!("{filters}{signer}"), manager, route)
}

fn gateway(filters: &str, manager: &str, route: &str) -> String {
    format!(
        "static_resources:\n  listeners:\n  - name: l\n    filter_chains:\n    - filters:\n      - name: hcm\n        typed_config:\n          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n          stat_prefix: g\n          normalize_path: true\n          common_http_protocol_options: {{ headers_with_underscores_action: REJECT_REQUEST }}\n          {manager}\n          route_config: {{ virtual_hosts: [ {{ name: v, domains: [ '*' ], routes: [ {route} ] }} ] }}\n          http_filters: [ {filters}, {{ name: router, typed_config: {{ '@type': {HTTP}.router.v3.Router }} }} ]\n  clusters: [ {{ name: up }} ]\n"
    )
}

/// The codes of the findings, and their words.
fn found(text: &str) -> Vec<String> {
    let findings = check(text).findings;
    findings
        .iter()
        .map(|finding| format!("{} {}", finding.code.id, finding.problem))
        .collect()
}

fn has(text: &str, code: &str) -> bool {
    found(text).iter().any(|found| found.starts_with(code))
}

fn filter(kind: &str, rest: &str) -> String {
    format!("{{ name: gate, typed_config: {{ '@type': {HTTP}.{kind}, {rest} }} }}, ")
}

#[test]
fn a_filter_of_envoys_own_counts_as_it_is_told() {
    let policy = |who: &str| {
        format!("policies: {{ p: {{ permissions: [ any: true ], principals: [ {who} ] }} }}")
    };
    let named = policy("authenticated: { principal_name: { exact: x } }");
    let provider = "providers: { p: { issuer: i } }";
    let rule =
        |requires: &str| format!("{provider}, rules: [ {{ match: {{ prefix: / }}, {requires} }} ]");
    for (kind, rest, refuses) in [
        ("rbac.v3.RBAC", format!("rules: {{ {named} }}"), true),
        ("rbac.v3.RBAC", "rules: { action: ALLOW }".to_owned(), true),
        ("rbac.v3.RBAC", "matcher: { }".to_owned(), true),
        ("rbac.v3.RBAC", String::new(), false),
        (
            "rbac.v3.RBAC",
            format!("shadow_rules: {{ {named} }}"),
            false,
        ),
        (
            "rbac.v3.RBAC",
            format!("rules: {{ action: LOG, {named} }}"),
            false,
        ),
        (
            "rbac.v3.RBAC",
            format!("rules: {{ action: DENY, {named} }}"),
            true,
        ),
        (
            "rbac.v3.RBAC",
            format!("rules: {{ {} }}", policy("any: true")),
            false,
        ),
        (
            "rbac.v3.RBAC",
            format!("rules: {{ {} }}", policy("or_ids: { ids: [ any: true ] }")),
            false,
        ),
        ("ext_authz.v3.ExtAuthz", "stat_prefix: x".to_owned(), true),
        (
            "ext_authz.v3.ExtAuthz",
            "failure_mode_allow: true".to_owned(),
            false,
        ),
        (
            "ext_authz.v3.ExtAuthz",
            "filter_enabled: { default_value: { numerator: 50 } }".to_owned(),
            false,
        ),
        (
            "ext_authz.v3.ExtAuthz",
            "filter_enabled: { default_value: { numerator: 100 } }".to_owned(),
            true,
        ),
        (
            "ext_proc.v3.ExternalProcessor",
            "stat_prefix: x".to_owned(),
            true,
        ),
        (
            "ext_proc.v3.ExternalProcessor",
            "failure_mode_allow: true".to_owned(),
            false,
        ),
        (
            "ext_proc.v3.ExternalProcessor",
            "processing_mode: { request_header_mode: SKIP }".to_owned(),
            false,
        ),
        ("basic_auth.v3.BasicAuth", "realm: x".to_owned(), true),
        (
            "basic_auth.v3.BasicAuth",
            "allow_missing: true".to_owned(),
            false,
        ),
        (
            "jwt_authn.v3.JwtAuthentication",
            rule("requires: { provider_name: p }"),
            true,
        ),
        (
            "jwt_authn.v3.JwtAuthentication",
            rule("requires: { allow_missing: {} }"),
            false,
        ),
        (
            "jwt_authn.v3.JwtAuthentication",
            rule(
                "requires: { requires_any: { requirements: [ { provider_name: p }, { allow_missing_or_failed: {} } ] } }",
            ),
            false,
        ),
        (
            "jwt_authn.v3.JwtAuthentication",
            format!(
                "{}, requirement_map: {{ n: {{ provider_name: p }} }}",
                rule("requirement_name: n")
            ),
            true,
        ),
        ("jwt_authn.v3.JwtAuthentication", provider.to_owned(), false),
        (
            "jwt_authn.v3.JwtAuthentication",
            format!(
                "{provider}, rules: [ {{ match: {{ prefix: /other }}, requires: {{ provider_name: p }} }} ]"
            ),
            false,
        ),
        (
            "jwt_authn.v3.JwtAuthentication",
            format!(
                "{provider}, rules: [ {{ match: {{ path: /live }} }}, {{ match: {{ prefix: / }}, requires: {{ provider_name: p }} }} ]"
            ),
            false,
        ),
        ("cors.v3.Cors", String::new(), false),
    ] {
        let text = chain(&filter(kind, &rest), "", ROUTE);
        assert_eq!(
            !has(&text, "MG201"),
            refuses,
            "{kind} {rest}: {:?}",
            found(&text)
        );
    }
    let passing = found(&chain(&filter("rbac.v3.RBAC", ""), "", ROUTE));
    assert!(
        passing
            .iter()
            .any(|found| found.ends_with("a stranger: gate has no rules")),
        "{passing:?}"
    );
}

#[test]
fn a_route_changes_what_a_filter_of_envoys_own_does() {
    let token = filter(
        "jwt_authn.v3.JwtAuthentication",
        "providers: { p: { issuer: i } }, rules: [ { match: { prefix: /v1/ }, requires: { provider_name: p } } ], requirement_map: { o: { allow_missing: {} } }",
    );
    let access = filter(
        "rbac.v3.RBAC",
        "rules: { policies: { p: { permissions: [ any: true ], principals: [ source_ip: { address_prefix: 10.0.0.0, prefix_len: 8 } ] } } }",
    );
    let route = |path: &str, kind: &str, rest: &str| {
        format!(
            "{{ match: {{ {path} }}, route: {{ cluster: up }}, typed_per_filter_config: {{ gate: {{ '@type': {HTTP}.{kind}, {rest} }} }} }}"
        )
    };
    let plain = |path: &str| format!("{{ match: {{ {path} }}, route: {{ cluster: up }} }}");
    for (filters, route, refuses) in [
        (&token, plain("prefix: /v1/chat"), true),
        (&token, plain("path: /v1/chat"), true),
        (&token, plain("prefix: /v1"), false),
        (&token, plain("path: /v2"), false),
        (&token, plain("safe_regex: { regex: '/v1/.*' }"), true),
        (
            &token,
            route(
                "prefix: /v1/",
                "jwt_authn.v3.PerRouteConfig",
                "requirement_name: o",
            ),
            false,
        ),
        (
            &token,
            route(
                "prefix: /v1/",
                "jwt_authn.v3.PerRouteConfig",
                "disabled: true",
            ),
            false,
        ),
        (&access, plain("prefix: /"), true),
        (
            &access,
            route("prefix: /", "rbac.v3.RBACPerRoute", ""),
            false,
        ),
        (
            &access,
            route(
                "prefix: /",
                "rbac.v3.RBACPerRoute",
                "rbac: { rules: { action: DENY } }",
            ),
            false,
        ),
    ] {
        let text = chain(filters, "", &route);
        assert_eq!(!has(&text, "MG201"), refuses, "{route}: {:?}", found(&text));
    }
}

#[test]
fn certificates_of_clients_count_where_they_are_judged() {
    let tls = |context: &str| {
        format!(
            "- transport_socket: {{ name: t, typed_config: {{ '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, require_client_certificate: true, common_tls_context: {{ {context} }} }} }}\n      filters:"
        )
    };
    let listener = |context: &str| chain("", "", ROUTE).replacen("- filters:", &tls(context), 1);
    let trusted = "validation_context: { trusted_ca: { filename: /ca } }";
    assert!(!has(&listener(trusted), "MG201"));
    assert!(!has(
        &listener("validation_context_sds_secret_config: { name: ca }"),
        "MG201"
    ));
    assert!(has(&listener(""), "MG201"));
    let all = "validation_context: { trusted_ca: { filename: /ca }, trust_chain_verification: ACCEPT_UNTRUSTED }";
    assert!(has(&listener(all), "MG201"));
    // Another chain of the listener asks for none.
    let both = listener(trusted);
    let (head, clusters) = both.split_at(both.find("  clusters:").unwrap());
    let filters = &head[head.find("      filters:").unwrap()..];
    let plain = format!("{head}    default_filter_chain:\n{filters}{clusters}");
    assert_eq!(
        found(&plain)
            .iter()
            .filter(|found| found.starts_with("MG201"))
            .count(),
        1
    );
}

#[test]
fn credentials_are_found_wherever_envoy_adds_them() {
    let record = format!(
        "{{ name: audit-log, typed_config: {{ '@type': {HTTP}.wasm.v3.Wasm, config: {{ name: audit_log, failure_policy: FAIL_RELOAD, vm_config: {{ runtime: envoy.wasm.runtime.v8, code: {{ local: {{ filename: /m/audit_log.wasm }} }} }} }} }} }}"
    );
    let key = "header: { key: authorization, value: Bearer abc }";
    let mutation = filter("header_mutation.v3.HeaderMutation", "");
    let of_route = format!(
        "{{ match: {{ prefix: / }}, route: {{ cluster: up }}, typed_per_filter_config: {{ gate: {{ '@type': {HTTP}.header_mutation.v3.HeaderMutationPerRoute, mutations: {{ request_mutations: [ append: {{ {key} }} ] }} }} }} }}"
    );
    let early = format!(
        "early_header_mutation_extensions: [ {{ name: e, typed_config: {{ '@type': type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation, mutations: [ append: {{ {key} }} ] }} }} ]"
    );
    let raw = "{ match: { prefix: / }, route: { cluster: up }, request_headers_to_add: [ header: { key: authorization, raw_value: QmVhcmVyIGFiYw== } ] }";
    for text in [
        gateway(&format!("{mutation}{record}"), "", &of_route),
        gateway(&record, &early, ROUTE),
        gateway(&record, "", raw),
        gateway(&record, "", ROUTE).replacen("router.v3.Router", &format!("router.v3.Router, upstream_http_filters: [ {{ name: s, typed_config: {{ '@type': {HTTP}.aws_request_signing.v3.AwsRequestSigning }} }} ]"), 1),
        gateway(&format!("{record}, {{ name: f, typed_config: {{ '@type': {HTTP}.aws_lambda.v3.Config, arn: a }} }}"), "", ROUTE),
    ] {
        assert!(has(&text, "MG201"), "{:?}", found(&text));
    }
    assert!(!has(&gateway(&record, "", ROUTE), "MG201"));
    // A signer of the suite in the chain of a cluster.
    let own = "{ name: aws-sigv4, typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, config: { vm_config: { code: { local: { filename: /m/aws_sigv4.wasm } } } } } }";
    let text = gateway(&record, "", ROUTE).replacen(
        "name: up }",
        &format!("name: up, typed_extension_protocol_options: {{ o: {{ '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, http_filters: [ {own} ] }} }} }}"),
        1,
    );
    assert!(has(&text, "MG201"), "{:?}", found(&text));
    // What a route mutates is signed before, or is one more credential in the file.
    let text = gateway(&format!("{mutation}{record}"), "", &of_route);
    assert!(has(&text, "MG405"), "{:?}", found(&text));
    let team = of_route.replace("authorization", "X-Team");
    let behind =
        chain("", "", &team).replacen("{ name: router", &format!("{mutation}{{ name: router"), 1);
    assert!(has(&behind, "MG301"), "{:?}", found(&behind));
}

#[test]
fn upgraded_connections_may_have_a_chain_of_their_own() {
    let gate = filter("ext_authz.v3.ExtAuthz", "stat_prefix: x");
    let own = format!(
        "upgrade_configs: [ {{ upgrade_type: websocket, filters: [ {gate} {{ name: router, typed_config: {{ '@type': {HTTP}.router.v3.Router }} }} ] }} ]"
    );
    let good = chain(&gate, &own, ROUTE);
    assert!(
        !has(&good, "MG115") && !has(&good, "MG017") && !has(&good, "MG201"),
        "{:?}",
        found(&good)
    );
    let signer = good.find("{ name: aws-sigv4").unwrap();
    let signer = &good[signer..good.rfind(", { name: router").unwrap()];
    let open = good.replacen(&own, &own.replacen(&gate, &format!("{signer}, "), 1), 1);
    assert!(
        has(&open, "MG115") && has(&open, "MG201"),
        "{:?}",
        found(&open)
    );
}

#[test]
fn every_scope_has_routes() {
    let gate = filter("ext_authz.v3.ExtAuthz", "stat_prefix: x");
    let off = format!(
        "{{ match: {{ prefix: / }}, route: {{ cluster: up }}, typed_per_filter_config: {{ gate: {{ '@type': {HTTP}.ext_authz.v3.ExtAuthzPerRoute, disabled: true }} }} }}"
    );
    let scoped = |route: &str| {
        chain(&gate, "", "ROUTE").replacen(
            "route_config: { virtual_hosts: [ { name: v, domains: [ '*' ], routes: [ ROUTE ] } ] }",
            &format!("scoped_routes: {{ name: s, scoped_route_configurations_list: {{ scoped_route_configurations: [ {{ name: a, route_configuration: {{ name: r, virtual_hosts: [ {{ name: v, domains: [ '*' ], routes: [ {route} ] }} ] }} }} ] }} }}"),
            1,
        )
    };
    assert!(!has(&scoped(ROUTE), "MG201"), "{:?}", found(&scoped(ROUTE)));
    assert!(has(&scoped(&off), "MG201"), "{:?}", found(&scoped(&off)));
}

#[test]
fn filters_are_found_in_lists_and_as_defaults_of_discovery() {
    let open = chain("", "", ROUTE);
    let filters =
        &open[open.find("http_filters: [").unwrap() + 14..open.find("\n  clusters:").unwrap()];
    assert!(has(filters, "MG201"), "{:?}", found(filters));
    let typed = filters.find("typed_config").unwrap();
    let end = filters.find(" }, { name: router").unwrap();
    let default = format!(
        "config_discovery: {{ config_source: {{ ads: {{}} }}, {} }}",
        filters[typed..end].replacen("typed_config", "default_config", 1)
    );
    let discovered = open.replace(&filters[typed..end], &default);
    assert!(has(&discovered, "MG201"), "{:?}", found(&discovered));
    let indented = open.replace('\n', "\n        ");
    for kind in ["ConfigMap, data", "Secret, stringData"] {
        let list = format!(
            "apiVersion: v1\nkind: List\nitems:\n- {{ apiVersion: v1, kind: Service }}\n- apiVersion: v1\n  kind: {}:\n    envoy.yaml: |\n        {indented}",
            kind.replace(", ", "\n  ")
        );
        assert!(has(&list, "MG201"), "{:?}", found(&list));
    }
}
