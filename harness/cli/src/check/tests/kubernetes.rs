//! Filters in resources of Kubernetes: in which order they run, and what their VMs are given.

use super::super::check;
use super::coded as said;

fn plugin(name: &str, phase: &str, priority: i64, config: &str) -> String {
    format!(
        "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{ name: {name} }}\nspec:\n  selector: {{ matchLabels: {{ a: b }} }}\n  url: oci://registry.acme.io/{name}:1\n  phase: {phase}\n  priority: {priority}\n  failStrategy: FAIL_RELOAD\n  pluginConfig: {config}\n---\n"
    )
}

const KEYS: &str = "{ keys: [ { id: a, digest: 'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', consumer: a } ] }";

#[test]
fn plugins_run_by_phase_and_priority() {
    let chain = |audit: (&str, i64), keys: (&str, i64)| {
        plugin("audit-log", audit.0, audit.1, "{}") + &plugin("key-auth", keys.0, keys.1, KEYS)
    };
    let wrong = "8:13 MG101 audit-log: audit_log must run before key_auth";
    for (audit, keys, found) in [
        (("AUTHN", 20), ("AUTHN", 10), false),
        (("AUTHN", 10), ("AUTHN", 20), true),
        (("AUTHN", 1), ("AUTHZ", 20), false),
        (("STATS", 99), ("AUTHN", 1), true),
        (("UNSPECIFIED_PHASE", 99), ("AUTHZ", 1), true),
    ] {
        let said = said(&chain(audit, keys));
        let want: &[&str] = if found { &[wrong] } else { &[] };
        assert_eq!(said, want, "{audit:?} {keys:?}");
    }
    // Other pods have another chain.
    let apart = chain(("AUTHN", 10), ("AUTHN", 20)).replacen("a: b", "a: c", 1);
    assert_eq!(said(&apart), Vec::<String>::new());
}

#[test]
fn a_traffic_extension_is_read_as_a_plugin() {
    let extension = |name: &str, priority: i64, fails: &str, config: &str| {
        format!(
            "apiVersion: extensions.istio.io/v1alpha1\nkind: TrafficExtension\nmetadata: {{ name: {name} }}\nspec:\n  phase: AUTHN\n  priority: {priority}\n  wasm:\n    url: oci://registry.acme.io/{name}:1\n    failStrategy: {fails}\n    pluginConfig: {config}\n---\n"
        )
    };
    let chain = |audit, fails| {
        extension("audit-log", audit, fails, "{}") + &extension("key-auth", 10, "FAIL_RELOAD", KEYS)
    };
    assert_eq!(said(&chain(20, "FAIL_RELOAD")), Vec::<String>::new());
    assert_eq!(check(&chain(20, "FAIL_RELOAD")).filters, 2);
    let wrong = said(&chain(1, "FAIL_OPEN"));
    assert!(wrong[0].starts_with("6:13 MG101 audit-log:"), "{wrong:?}");
    assert!(wrong[1].starts_with("9:19 MG103 audit-log:"), "{wrong:?}");
    let bent = chain(20, "FAIL_RELOAD").replace("digest", "digst");
    assert!(
        said(&bent)
            .iter()
            .any(|said| said.contains("MG011 key-auth: keys[0].digst"))
    );
}

#[test]
fn a_policys_filters_run_as_they_are_listed() {
    let item = |name: &str, config: &str| {
        format!(
            "  - name: {name}\n    rootID: {name}\n    failOpen: false\n    code: {{ type: Image, image: {{ url: 'r.acme.io/{name}:1' }} }}\n    config: {config}\n"
        )
    };
    let policy = |items: &[String]| {
        format!(
            "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nmetadata: {{ name: x }}\nspec:\n  wasm:\n{}",
            items.concat()
        )
    };
    let (audit, keys) = (item("audit_log", "{}"), item("key_auth", KEYS));
    assert_eq!(
        said(&policy(&[audit.clone(), keys.clone()])),
        Vec::<String>::new()
    );
    assert_eq!(
        said(&policy(&[keys, audit])),
        ["11:5 MG101 audit_log: audit_log must run before key_auth"]
    );
}

#[test]
fn filters_of_an_envoy_filter_are_a_chain() {
    let entry = |name: &str| {
        let file = name.replace('-', "_");
        format!(
            "{{ name: {name}, typed_config: {{ '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, config: {{ failure_policy: FAIL_RELOAD, vm_config: {{ runtime: envoy.wasm.runtime.v8, code: {{ local: {{ filename: /x/{file}.wasm }} }} }}, configuration: {{ '@type': type.googleapis.com/google.protobuf.StringValue, value: '{{}}' }} }} }} }}"
        )
    };
    let discovered = |name: &str| {
        format!(
            "{{ name: {name}, config_discovery: {{ config_source: {{ ads: {{}} }}, type_urls: [ type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm ] }} }}"
        )
    };
    let patch = |to: &str, operation: &str, value: &str| {
        format!("  - applyTo: {to}\n    patch: {{ operation: {operation}, value: {value} }}\n")
    };
    let file = |operation: &str| {
        let patches = [
            patch("EXTENSION_CONFIG", "ADD", &entry("audit-log")),
            patch(
                "EXTENSION_CONFIG",
                "ADD",
                &entry("pii-mask").replace(
                    "failure_policy",
                    "allow_on_headers_stop_iteration: true, failure_policy",
                ),
            ),
            patch("HTTP_FILTER", operation, &discovered("audit-log")),
            patch("HTTP_FILTER", operation, &discovered("pii-mask")),
        ];
        format!(
            "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {{ name: x }}\nspec:\n  configPatches:\n{}",
            patches.concat()
        )
    };
    assert_eq!(said(&file("INSERT_BEFORE")), Vec::<String>::new());
    let said = said(&file("INSERT_FIRST"));
    assert!(
        said.iter()
            .any(|said| said.contains("MG101 audit-log: it must stand before pii-mask")),
        "{said:?}"
    );
}

#[test]
fn variables_are_those_that_a_resource_hands_on() {
    let config = "{ service: sagemaker, region: eu-central-1, payload: absent }";
    let without = plugin("aws-sigv4", "AUTHN", 1, config);
    let with = without.replace("  pluginConfig", "  vmConfig: { env: [ { name: AWS_ACCESS_KEY_ID, valueFrom: HOST }, { name: AWS_SECRET_ACCESS_KEY, valueFrom: HOST } ] }\n  pluginConfig");
    assert_eq!(said(&with), Vec::<String>::new());
    let said = said(&without);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("AWS_ACCESS_KEY_ID is not set"), "{said:?}");
}

#[test]
fn what_stands_beside_filters_is_passed_over_and_alone_it_is_not() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: { name: x }\nspec: {}\n";
    let beside = plugin("audit-log", "AUTHN", 1, "{}") + service;
    assert_eq!(said(&beside), Vec::<String>::new());
    assert_eq!(said(service).len(), 1);
    // What may hold filters in another form is named.
    let other = beside.replace("kind: Service", "kind: HelmRelease");
    assert_eq!(said(&other).len(), 1);
    // Of kinds that nobody here has heard of, those are that are nearly one that is read.
    let custom = beside.replace("kind: Service", "kind: AIGatewayRoute");
    assert_eq!(said(&custom), Vec::<String>::new());
    let slip = said(&beside.replace("kind: Service", "kind: WasmPlugn"));
    assert!(slip.len() == 1 && slip[0].contains("MG009"), "{slip:?}");
}
