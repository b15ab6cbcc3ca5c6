//! What Envoy refuses by code of its own.

use super::*;

/// A bootstrap with this cluster and nothing else.
fn cluster(rest: &str) -> String {
    format!("static_resources:\n  clusters:\n  - {{ name: c, {rest} }}\n")
}

/// Endpoints at these addresses.
fn at(addresses: &[&str]) -> String {
    let endpoint = |address: &&str| {
        format!(
            "{{ endpoint: {{ address: {{ socket_address: {{ address: {address}, port_value: 1 }} }} }} }}"
        )
    };
    let endpoints: Vec<String> = addresses.iter().map(endpoint).collect();
    format!(
        "load_assignment: {{ cluster_name: c, endpoints: [ {{ lb_endpoints: [ {} ] }} ] }}",
        endpoints.join(", ")
    )
}

fn tls(validation: &str) -> String {
    format!(
        "{}, transport_socket: {{ name: tls, typed_config: {{ '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, common_tls_context: {{ validation_context: {{ {validation} }} }} }} }}",
        at(&["127.0.0.1"])
    )
}

#[test]
fn clusters_that_cannot_work_are_refused() {
    const NAMES: &str =
        "match_typed_subject_alt_names: [ { san_type: DNS, matcher: { exact: a } } ]";
    for (rest, said) in [
        (at(&["a.test"]), Some("is no IP address")),
        (at(&["127.0.0.1", "::1"]), None),
        (format!("type: STRICT_DNS, {}", at(&["a.test"])), None),
        (
            format!("type: LOGICAL_DNS, {}", at(&["a.test", "b.test"])),
            Some("one group with one endpoint"),
        ),
        ("type: EDS".to_owned(), Some("`eds_cluster_config`")),
        (tls(NAMES), Some("no authority is trusted")),
        (
            tls(&format!("{NAMES}, trusted_ca: {{ filename: /ca.pem }}")),
            None,
        ),
        (tls(&format!("{NAMES}, system_root_certs: {{}}")), None),
        (tls(""), None),
    ] {
        let found = findings(&cluster(&rest));
        let refusals = [
            "is no IP address",
            "one group with one endpoint",
            "`eds_cluster_config`",
            "no authority is trusted",
        ];
        for refusal in refusals {
            let is_found = found.iter().any(|one| one.contains(refusal));
            assert_eq!(is_found, said == Some(refusal), "{rest}: {found:?}");
        }
    }
}

#[test]
fn a_variable_that_stands_twice_is_refused() {
    for (variables, twice) in [
        ("host_env_keys: [ A, B ], key_values: { C: d }", None),
        (
            "host_env_keys: [ A, B ], key_values: { B: d }",
            Some("\"B\""),
        ),
        ("host_env_keys: [ A, B, A ]", Some("\"A\"")),
    ] {
        let given = format!("vm_config: {{ environment_variables: {{ {variables} }},");
        let found = findings(&envoy(&[("audit_log", RELOAD, "")]).replace("vm_config: {", &given));
        let said = found.iter().find(|one| one.contains("stands twice"));
        match (said, twice) {
            (None, None) => {}
            (Some(said), Some(name)) => assert!(said.contains(name), "{said}"),
            _ => panic!("{variables}: {found:?}"),
        }
    }
}

#[test]
fn the_admin_listens_on_an_address() {
    for (address, is_one) in [
        ("127.0.0.1", true),
        ("127.0.0.1\\n", false),
        ("a.test", false),
    ] {
        let admin = format!(
            "admin: {{ address: {{ socket_address: {{ address: \"{address}\", port_value: 1 }} }} }}\n"
        );
        let found = findings(&admin);
        let refused = found.iter().any(|one| one.contains("is no IP address"));
        assert_eq!(refused, !is_one, "{address}: {found:?}");
    }
}
