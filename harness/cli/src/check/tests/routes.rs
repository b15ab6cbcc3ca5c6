//! Who may pass on which route.

use super::broken::{good, said};
use crate::check::check;

const ROUTE: &str = "              - match: { prefix: /endpoints/ }\n";
const DISABLED: &str =
    "{ \"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true }";

/// The codes and problems of a configuration.
fn found(text: &str) -> Vec<String> {
    said(&check(text))
}

pub(super) fn has(text: &str, code: &str) -> bool {
    let found = found(text);
    let has = found.iter().any(|finding| finding.contains(code));
    if !has {
        eprintln!("{found:#?}");
    }
    has
}

/// Without the entries of these filters.
pub(super) fn without(text: &str, names: &[&str]) -> String {
    let mut out = String::new();
    let mut gone = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("          - name: ") {
            gone = names.contains(&name);
        } else if line.len() - line.trim_start().len() < 10 && !line.trim().is_empty() {
            gone = false;
        }
        if !gone {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// A second route, `/public/`, with these lines.
fn with_route(text: &str, lines: &str) -> String {
    let route = format!(
        "              - match: {{ prefix: /public/ }}\n                route: {{ cluster: sagemaker }}\n{lines}{ROUTE}"
    );
    text.replacen(ROUTE, &route, 1)
}

#[test]
fn a_signer_with_nobody_in_front_is_open() {
    let good = good();
    let relay = without(
        &good,
        &[
            "jwt-auth",
            "key-auth",
            "consumer-acl",
            "rate-limit",
            "pii-mask",
        ],
    );
    assert!(has(&relay, "MG201"));
    // With filters that refuse nobody.
    assert!(has(
        &without(&good, &["jwt-auth", "key-auth", "consumer-acl"]),
        "MG201"
    ));
    // Where authentication is optional, and access is not asked for.
    let optional = without(&good, &["key-auth", "consumer-acl"]);
    assert!(has(&optional, "MG201"));
    assert!(!has(&without(&good, &["key-auth"]), "MG201"));
    // Where rules let anybody pass.
    let anybody = without(&good, &["key-auth"]).replacen(
        "\"who\": { \"groups\": { \"any_of\": [ \"batch\" ] } }",
        "\"who\": { \"identity\": \"any\" }",
        1,
    );
    assert!(has(&anybody, "MG201"));
    // Where the one that refuses only looks on.
    let shadow = without(&good, &["key-auth"]).replacen(
        "\"rules\": [",
        "\"mode\": \"shadow\", \"rules\": [",
        1,
    );
    assert!(has(&shadow, "MG201"));
}

#[test]
fn a_signer_is_checked_on_each_route() {
    let off = |names: &[&str]| {
        let lines: String = names
            .iter()
            .map(|name| format!("                  {name}: {DISABLED}\n"))
            .collect();
        with_route(
            &good(),
            &format!("                typed_per_filter_config:\n{lines}"),
        )
    };
    let open = off(&["jwt-auth", "key-auth", "consumer-acl"]);
    let found = found(&open);
    let at = super::broken::line_of(&open, "prefix: /public/");
    assert!(
        found
            .iter()
            .any(|finding| finding.starts_with(&format!("{at}:")) && finding.contains("MG201")),
        "{found:#?}"
    );
    assert!(!has(&off(&["jwt-auth", "key-auth"]), "MG201"));
    assert!(!has(
        &off(&["jwt-auth", "key-auth", "consumer-acl", "aws-sigv4"]),
        "MG201"
    ));
    // Said by whoever means it.
    let meant = open.replacen(
        "              - match: { prefix: /public/ }",
        "              # modelgate: allow(unauthenticated-signer)\n              - match: { prefix: /public/ }",
        1,
    );
    assert!(!has(&meant, "MG201"));
    assert_eq!(check(&meant).allowed, 1);
    // For the whole virtual host.
    let host = good().replacen(
        "              domains: [ \"*\" ]\n",
        &format!("              domains: [ \"*\" ]\n              typed_per_filter_config: {{ jwt-auth: {DISABLED}, key-auth: {DISABLED}, consumer-acl: {DISABLED} }}\n"),
        1,
    );
    assert!(has(&host, "MG201"));
}

#[test]
fn a_profile_that_opens_a_route_is_seen() {
    let loose = good().replacen(
        "\"on_missing\": \"deny_unidentified\"",
        "\"on_missing\": \"deny_unidentified\", \"profiles\": { \"loose\": { \"on_missing\": \"allow\" } }",
        1,
    );
    let loose = without(&loose, &["consumer-acl"]);
    assert!(!has(&loose, "MG201"));
    let routed = with_route(
        &loose,
        "                metadata: { filter_metadata: { modelgate: { profile: loose } } }\n",
    );
    assert!(has(&routed, "MG201"));
    let unknown = routed.replacen("{ profile: loose }", "{ profile: lose }", 1);
    let found = found(&unknown);
    assert!(
        found
            .iter()
            .any(|finding| finding.contains("MG204") && finding.contains("did you mean `loose`?")),
        "{found:#?}"
    );
    let ruled = loose.replacen(
        "\"profiles\": {",
        "\"profile_rules\": [ { \"match\": { \"path\": \"/x/**\" }, \"profile\": \"loose\" } ], \"profiles\": {",
        1,
    );
    assert!(has(&ruled, "MG201"));
}

#[test]
fn metadata_that_no_filter_reads_are_seen() {
    for (written, meant) in [
        ("model-gate: { profile: loose }", Some("`modelgate`")),
        ("modelgates: { profile: loose }", Some("`modelgate`")),
        (
            "modelgate: { key-auth: { profile: loose } }",
            Some("`key_auth`"),
        ),
        ("modelgate: { profil: loose }", Some("`profile`")),
        ("modelgate: { dialekt: openai }", Some("`dialect`")),
        (
            "modelgate.key_auth: { profile: loose }",
            Some("`modelgate: { key_auth: … }`"),
        ),
        ("modelgate: { profile: [ loose ] }", Some("a list")),
        ("modelgate: { profile: { name: loose } }", Some("a mapping")),
        (
            "modelgate: { key_auth: loose }",
            Some("`key_auth: { profile: NAME }`"),
        ),
        (
            "modelgate: { key_auth: { profil: loose } }",
            Some("`key_auth.profil`"),
        ),
        ("modelgate: { dialect: open_ai }", Some("no protocol")),
        ("modelgate: { dialect: 3 }", Some("no protocol")),
        ("modelgate: { dialect: problem }", None),
        ("modelgate: { key_auth: { profile: loose } }", None),
        (
            "modelgate: { team: vision }, envoy.lb: { canary: true }",
            None,
        ),
    ] {
        let metadata =
            format!("                metadata: {{ filter_metadata: {{ {written} }} }}\n");
        let found = found(&with_route(&good(), &metadata));
        let of_metadata = found.iter().find(|finding| finding.contains("MG209"));
        match meant {
            Some(meant) => assert!(
                of_metadata.is_some_and(|f| f.contains(meant)),
                "{written} {found:#?}"
            ),
            None => assert_eq!(of_metadata, None, "{written}"),
        }
    }
    let typed = "                metadata: { typed_filter_metadata: { modelgate: { '@type': type.googleapis.com/google.protobuf.Struct, value: { profile: loose } } } }\n";
    let found = found(&with_route(&good(), typed));
    let of_typed = found.iter().find(|found| found.contains("typed metadata"));
    assert!(
        of_typed.is_some_and(|found| found.contains("MG209")),
        "{found:#?}"
    );
}

#[test]
fn a_chain_in_one_entry_is_checked_alike() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let good = std::fs::read_to_string(root.join("envoy/sagemaker-one-entry.yaml")).unwrap();
    assert!(!has(&good, "MG201"));
    let open = good
        .replacen("\"deny_unidentified\"", "\"allow\"", 1)
        .replacen("\"rules\": [", "\"mode\": \"shadow\", \"rules\": [", 1);
    assert!(has(&open, "MG201"));
    let begin = good
        .find("                        { \"filter\": \"jwt_auth\"")
        .unwrap();
    let end = good
        .find("                        { \"filter\": \"consumer_acl\"")
        .unwrap();
    let nobody = format!("{}{}", &good[..begin], &good[end..]);
    assert!(has(&nobody, "MG202"));
}

#[test]
fn credentials_of_routes_and_of_envoys_filters_are_signers_too() {
    let chain = without(
        &good(),
        &[
            "jwt-auth",
            "key-auth",
            "consumer-acl",
            "rate-limit",
            "aws-sigv4",
        ],
    );
    assert!(!has(&chain, "MG201") && has(&chain, "MG203"));
    let header = |value: &str| {
        chain.replacen(
            ROUTE,
            &format!("              - request_headers_to_add: [ {{ header: {{ key: Api-Key, value: \"{value}\" }} }} ]\n                match: {{ prefix: /endpoints/ }}\n"),
            1,
        )
    };
    assert!(has(&header("%ENVIRONMENT(KEY)%"), "MG201"));
    assert!(has(&header("%ENVIRONMENT(KEY)%"), "MG403"));
    assert!(has(&header("abc"), "MG201") && has(&header("abc"), "MG405"));
    assert!(!has(&header("%REQ(x)%"), "MG201"));
    let injector = "          - name: key\n            typed_config:\n              \"@type\": type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector\n              credential: { name: x, typed_config: { \"@type\": type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic, credential: { name: k } } }\n          - name: envoy.filters.http.router\n";
    let injected = chain.replacen("          - name: envoy.filters.http.router\n", injector, 1);
    assert!(has(&injected, "MG201"));
    // Envoy's own authentication in front.
    let gate = "          http_filters:\n          - name: gate\n            typed_config: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz }\n";
    assert!(!has(
        &injected.replacen("          http_filters:\n", gate, 1),
        "MG201"
    ));
}

#[test]
fn rules_and_limits_by_callers_need_somebody_who_finds_out() {
    let good = good();
    assert!(has(&without(&good, &["jwt-auth", "key-auth"]), "MG202"));
    assert!(has(
        &without(&good, &["jwt-auth", "key-auth", "consumer-acl"]),
        "MG202"
    ));
    assert!(!has(&without(&good, &["jwt-auth"]), "MG202"));
    let deny = good.replace("\"effect\": \"allow\"", "\"effect\": \"deny\"");
    assert!(has(&deny, "MG205"));
    let all = good.replacen(
        "{ \"id\": \"data-science\"",
        "{ \"id\": \"stop\", \"effect\": \"deny\" }, { \"id\": \"data-science\"",
        1,
    );
    assert!(has(&all, "MG206"));
}

#[test]
fn upgrades_are_a_matter_of_who_reads_bodies() {
    let with = |text: &str| {
        text.replacen(
            "          use_remote_address: true\n",
            "          use_remote_address: true\n          upgrade_configs: [ { upgrade_type: websocket } ]\n",
            1,
        )
    };
    let good = good();
    assert!(has(&with(&good), "MG115"));
    assert!(!has(
        &with(&without(&good, &["pii-mask", "aws-sigv4"])),
        "MG115"
    ));
    let told = good
        .replacen(
            "\"entities\": {",
            "\"on_upgrade\": \"allow\", \"entities\": {",
            1,
        )
        .replacen("\"service\":", "\"on_upgrade\": \"allow\", \"service\":", 1);
    assert_eq!(found(&told), Vec::<String>::new());
    assert!(!has(&with(&told), "MG115"));
}

#[test]
fn names_per_route_are_those_of_the_chain() {
    let with_key = |key: &str, config: &str| {
        with_route(
            &good(),
            &format!("                typed_per_filter_config: {{ {key}: {config} }}\n"),
        )
    };
    for (key, hint) in [
        ("modelgate.pii_mask", "did you mean `pii-mask`?"),
        ("pii_mask", "did you mean `pii-mask`?"),
        ("pii-msk", "did you mean `pii-mask`?"),
    ] {
        let found = found(&with_key(key, DISABLED));
        assert!(
            found
                .iter()
                .any(|finding| finding.contains("error[MG112") && finding.contains(hint)),
            "{key} {found:#?}"
        );
    }
    assert!(has(&with_key("other.filter", DISABLED), "warning[MG112"));
    let wasm = "{ \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm }";
    assert!(has(&with_key("pii-mask", wasm), "MG113"));
    // Off on the only route.
    let off = good().replacen(
        ROUTE,
        &format!("              - typed_per_filter_config: {{ pii-mask: {DISABLED} }}\n                match: {{ prefix: /endpoints/ }}\n"),
        1,
    );
    assert!(has(&off, "MG111"));
    // Off, and on where a route says so.
    let on = with_key(
        "pii-mask",
        "{ \"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {} }",
    )
    .replacen(
        "          - name: pii-mask\n",
        "          - name: pii-mask\n            disabled: true\n",
        1,
    );
    assert!(!has(&on, "MG111"));
}

#[test]
fn what_is_signed_stays_as_it_is() {
    let header = |key: &str| {
        good().replacen(
            ROUTE,
            &format!("              - request_headers_to_add: [ {{ header: {{ key: {key}, value: a }} }} ]\n                match: {{ prefix: /endpoints/ }}\n"),
            1,
        )
    };
    assert!(has(&header("X-Amzn-SageMaker-Target-Model"), "MG301"));
    assert!(!has(&header("x-amzn-trace-id"), "MG301") && !has(&header("x-team"), "MG301"));
    let behind = |key: &str| {
        good().replacen(
            "          - name: envoy.filters.http.router\n",
            &format!("          - name: later\n            typed_config:\n              \"@type\": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation\n              mutations: {{ request_mutations: [ {{ remove: {key} }} ] }}\n          - name: envoy.filters.http.router\n"),
            1,
        )
    };
    assert!(has(&behind("content-type"), "MG301"));
    assert!(!has(&behind("x-team"), "MG301"));
    // The route does what the filter was told that it does.
    let told = |host: &str| {
        good()
            .replacen(
                "\"service\":",
                "\"rewritten_by\": \"route\", \"service\":",
                1,
            )
            .replacen(
                "timeout: 65s }",
                &format!("timeout: 65s, host_rewrite_literal: {host} }}"),
                1,
            )
    };
    assert!(!has(
        &told("runtime.sagemaker.eu-central-1.amazonaws.com"),
        "MG301"
    ));
    assert!(has(&told("other.amazonaws.com"), "MG301"));
    let host = "host_rewrite_literal: runtime.sagemaker.eu-central-1.amazonaws.com";
    // It signs for a host that the route does not write, and a path that it does not take off.
    let same = told("runtime.sagemaker.eu-central-1.amazonaws.com");
    assert!(has(&same.replacen(&format!(", {host}"), "", 1), "MG301"));
    let prefixed = |rewrite: &str| {
        same.replacen(
            "\"service\":",
            "\"strip_path_prefix\": \"/aws\", \"service\":",
            1,
        )
        .replacen("{ prefix: /endpoints/ }", "{ prefix: /aws/endpoints/ }", 1)
        .replacen(host, &format!("{host}{rewrite}"), 1)
    };
    assert!(!has(&prefixed(", prefix_rewrite: /endpoints/"), "MG301"));
    assert!(has(&prefixed(", prefix_rewrite: /"), "MG301"));
    assert!(has(&prefixed(""), "MG301"));
}

#[test]
fn routes_of_a_matcher_are_routes() {
    let open = good().replacen(
        "              routes:\n",
        &format!("              matcher:\n                on_no_match:\n                  action:\n                    name: route\n                    typed_config:\n                      \"@type\": type.googleapis.com/envoy.config.route.v3.Route\n                      match: {{ prefix: /x }}\n                      route: {{ cluster: elsewhere }}\n                      typed_per_filter_config: {{ jwt-auth: {DISABLED}, key-auth: {DISABLED}, consumer-acl: {DISABLED} }}\n              routes:\n"),
        1,
    );
    assert!(has(&open, "MG201") && has(&open, "MG401"));
}

#[test]
fn a_filter_inside_of_another_is_seen() {
    let good = good();
    let begin = good.find("          - name: pii-mask\n").unwrap();
    let end = good.find("          # The gateway's own AWS key").unwrap();
    let inner: String = good[begin..end]
        .replacen("- name:", "  name:", 1)
        .replace("FAIL_RELOAD", "FAIL_OPEN")
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    let wrapped = format!(
        "{}          - name: sometimes\n            typed_config:\n              \"@type\": type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher\n              extension_config:\n{inner}{}",
        &good[..begin],
        &good[end..]
    );
    assert_eq!(check(&wrapped).filters, 7);
    assert!(has(&wrapped, "MG017") && has(&wrapped, "MG103"));
}

#[test]
fn the_work_grows_with_the_file() {
    let with_routes = |count: usize| {
        let routes: String = (0..count)
            .map(|number| format!("              - match: {{ prefix: /r{number}/ }}\n                route: {{ cluster: sagemaker, prefix_rewrite: / }}\n"))
            .collect();
        good().replacen(ROUTE, &format!("{routes}{ROUTE}"), 1)
    };
    let time = |count: usize| {
        let text = with_routes(count);
        (0..3)
            .map(|_| {
                let start = std::time::Instant::now();
                assert_eq!(check(&text).findings.len(), count);
                start.elapsed()
            })
            .min()
            .unwrap()
    };
    let (small, large) = (time(250), time(1000));
    assert!(large < small * 8, "{small:?} {large:?}");
}

#[test]
fn a_claim_that_nobody_hands_on_is_asked_for_in_vain() {
    const WHO: &str = "\"who\": { \"groups\": { \"any_of\": [ \"batch\" ] } }";
    const GROUPS: &str = "\"groups_claim\": \"groups\"";
    const KEY: &str = "\"groups\": [ \"batch\" ]";
    let good = good();
    let asks = |claim: &str| {
        let claims = format!("[ {{ \"claim\": \"{claim}\", \"any_of\": [ \"a\" ] }} ]");
        good.replacen(WHO, &format!("\"who\": {{ \"claims\": {claims} }}"), 1)
    };
    let handed = |text: &str, claim: &str| {
        let with = format!("{GROUPS}, \"claims_to_fact\": [ \"{claim}\" ]");
        text.replacen(GROUPS, &with, 1)
    };
    assert!(!has(&good, "MG208"));
    assert!(has(&asks("tier"), "MG208"));
    assert!(!has(&handed(&asks("tier"), "tier"), "MG208"));
    // A claim inside of another is known with it, but not the other way round.
    assert!(!has(&handed(&asks("/org/tenant"), "org"), "MG208"));
    assert!(!has(&handed(&asks("/org/tenant"), "/org/tenant"), "MG208"));
    assert!(has(&handed(&asks("/org/tenant"), "/org"), "MG208"));
    // A rule that only looks on decides nothing.
    let looks_on = asks("tier").replacen(
        "\"id\": \"batch-scores\",",
        "\"id\": \"batch-scores\", \"mode\": \"shadow\",",
        1,
    );
    assert!(!has(&looks_on, "MG208"));
    // The label of a key, which is gone on a route without key-auth.
    let labels = format!("{KEY}, \"labels\": {{ \"tier\": \"a\" }}");
    let labelled = asks("tier").replacen(KEY, &labels, 1);
    assert!(!has(&labelled, "MG208"));
    let off = format!("                typed_per_filter_config: {{ key-auth: {DISABLED} }}\n");
    let found = found(&with_route(&labelled, &off));
    assert!(
        found
            .iter()
            .any(|finding| { finding.contains("MG208") && finding.contains("on route /public/") }),
        "{found:#?}"
    );
    // Limits by a claim, and groups that nobody is in.
    let limit = good.replacen(
        "\"by\": [ \"consumer\"",
        "\"by\": [ { \"claim\": \"tier\" }",
        1,
    );
    assert_ne!(limit, good);
    assert!(has(&limit, "MG208"));
    let nobody =
        good.replacen(GROUPS, "\"groups_claim\": []", 1)
            .replacen(KEY, "\"groups\": []", 1);
    assert!(has(&nobody, "MG208"));
}
