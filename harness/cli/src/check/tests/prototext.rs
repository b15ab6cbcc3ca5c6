//! A bootstrap in protobuf's text form is read as the same one in YAML.

use super::broken::{line_of, said};
use crate::check::check;

const TEXT: &str = r#"# The gateway.
static_resources {
  listeners {
    name: "main"
    address { socket_address { address: "127.0.0.1" port_value: 8080 } }
    filter_chains <
      filters: {
        name: "hcm";
        typed_config {
          [type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager] {
            stat_prefix: 'gateway'
            common_http_protocol_options { headers_with_underscores_action: REJECT_REQUEST }
            normalize_path { value: true }
            route_config {
              virtual_hosts {
                name: "all"
                domains: [ "a.test", "*" ]
                routes {
                  match { prefix: "/" }
                  route { cluster: "model" timeout { seconds: 5 } }
                  typed_per_filter_config {
                    key: "jwt-auth"
                    value { [type.googleapis.com/envoy.config.route.v3.FilterConfig] { disabled: true } }
                  }
                  metadata { filter_metadata { key: "modelgate" value { fields { key: "profile" value { string_value: "strict" } } } } }
                }
              }
            }
            http_filters {
              name: "jwt-auth"
              typed_config {
                [type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm] {
                  config {
                    failure_policy: FAIL_OPEN
                    vm_config { runtime: "envoy.wasm.runtime.v8" code { local { filename: "/etc/envoy/modelgate/jwt_auth.wasm" } } }
                    configuration {
                      [type.googleapis.com/google.protobuf.StringValue] {
                        value: "{ \"issuers\": [ { \"issuer\": \"https://login.acme.io\","
                               " \"audience\": [ \"models\" ] } ] }"
                      }
                    }
                  }
                }
              }
            }
            http_filters { name: "router" typed_config { [type.googleapis.com/envoy.extensions.filters.http.router.v3.Router] {} } }
          }
        }
      }
    >
  }
  clusters { name: "model" }
}
"#;

#[test]
fn every_finding_stands_on_its_line() {
    let outcome = check(TEXT);
    assert_eq!((outcome.filters, outcome.unread), (1, 0));
    for (code, at) in [
        ("MG103", "FAIL_OPEN"),
        ("MG011", "value: \"{"),
        ("MG111", "http_filters {"),
    ] {
        let line = line_of(TEXT, at);
        assert!(
            outcome
                .findings
                .iter()
                .any(|finding| finding.code.id == code && finding.place.line == line),
            "{code} {line}\n{:#?}",
            said(&outcome)
        );
    }
    assert!(
        said(&outcome)
            .iter()
            .any(|finding| finding.contains("audience"))
    );
}

#[test]
fn names_and_values_are_judged_as_in_yaml() {
    for (from, to, code) in [
        ("failure_policy", "failure_polcy", "MG002"),
        ("FAIL_OPEN", "FAIL_OPNE", "MG004"),
        ("port_value: 8080", "port_value: 80800", "MG019"),
        ("cluster: \"model\"", "cluster: \"modle\"", "MG401"),
    ] {
        let outcome = check(&TEXT.replacen(from, to, 1));
        assert!(
            outcome
                .findings
                .iter()
                .any(|finding| finding.code.id == code),
            "{to}\n{:#?}",
            said(&outcome)
        );
    }
}

#[test]
fn what_is_not_of_the_form_is_said_with_its_place() {
    for (text, place) in [
        ("static_resources {\n  listeners {", "2:14"),
        ("static_resources {\n  listeners \"a\"\n}", "2:13"),
        ("static_resources {\n  name: \"a\n}", "3:1"),
        ("static_resources { a: \"\\q\" }", "1:25"),
        ("static_resources { a: [ 1 2 ] }", "1:27"),
        ("static_resources { : 1 }", "1:20"),
        ("static_resources { [a: 1 }", "1:27"),
    ] {
        let outcome = check(text);
        assert!(outcome.unreadable(), "{text}");
        assert_eq!(outcome.findings[0].place.to_string(), place, "{text}");
    }
    let deep = format!("static_resources {}", "{ a ".repeat(10_000));
    assert!(check(&deep).unreadable());
}
