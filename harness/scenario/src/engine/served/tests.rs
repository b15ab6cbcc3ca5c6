//! Tests of servers that are started from an Envoy configuration.

use std::time::Duration;

use super::*;
use crate::catalogue::SUITE;
use located_yaml::Node;
use proxy_wasm_simulator::FailurePolicy;

use proxy_wasm_simulator::{PathMatch, Request};

const CONFIG: &str = r#"
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    per_connection_buffer_limit_bytes: 4096
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          normalize_path: true
          path_with_escaped_slashes_action: REJECT_REQUEST
          route_config:
            virtual_hosts:
            - name: models
              domains: [ "*" ]
              metadata: { filter_metadata: { modelgate: { profile: strict } } }
              routes:
              - match: { prefix: /open/ }
                route: { cluster: models, timeout: 1.5s }
                typed_per_filter_config:
                  keys: { "@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true }
              - match: { path: /exact }
                route: { cluster: models }
          http_filters:
          - name: keys
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                failure_policy: FAIL_RELOAD
                allow_on_headers_stop_iteration: true
                configuration:
                  "@type": type.googleapis.com/google.protobuf.StringValue
                  value: '{"keys": []}'
                vm_config:
                  vm_id: keys
                  code: { local: { filename: /etc/key_auth.wasm } }
                  environment_variables: { host_env_keys: [ INHERITED, UNSET ], key_values: { GIVEN: "1" } }
          - name: router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
  - name: models
    type: STATIC
    load_assignment: { endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 8 } } } } ] } ] }
"#;

fn read(text: &str) -> Result<Bootstrap, String> {
    Bootstrap::read(&Node::parse(text).unwrap()).map_err(|refused| refused.to_string())
}

#[test]
fn a_configuration_is_read_whole() {
    let bootstrap = read(CONFIG).unwrap();
    assert_eq!(
        bootstrap.clusters["models"].address.to_string(),
        "127.0.0.1:8"
    );
    assert_eq!(bootstrap.buffer_limit_bytes, Some(4096));
    assert!(bootstrap.paths.normalize && bootstrap.paths.reject_escaped_slashes);
    assert!(!bootstrap.paths.merge_slashes && !bootstrap.use_remote_address);
    let host = &bootstrap.hosts[0];
    assert_eq!(host.metadata["modelgate"]["profile"], "strict");
    assert_eq!(host.routes[0].timeout, Some(Duration::from_millis(1500)));
    assert_eq!(host.routes[0].switches, [("keys".to_owned(), false)].into());
    assert_eq!(host.routes[1].path, PathMatch::Exact("/exact".into()));
    let code = |wasm: &WasmFilter| {
        assert_eq!(wasm.file.to_str(), Some("/etc/key_auth.wasm"));
        Ok(NativeCode::filter(SUITE.member("key_auth").unwrap().filter))
    };
    let variable = |name: &str| (name == "INHERITED").then(|| "2".to_owned());
    let filter = &bootstrap.filters[0];
    let spec = filter.spec(&bootstrap.secrets, code, &variable).unwrap();
    assert_eq!(spec.configuration, br#"{"keys": []}"#);
    assert_eq!(spec.failure_policy, FailurePolicy::Reload);
    assert_eq!(spec.allow_on_headers_stop_iteration, Some(true));
    let environment = [("GIVEN", "1"), ("INHERITED", "2")];
    assert_eq!(
        spec.environment,
        environment
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    );
}

#[test]
fn the_module_of_all_filters_is_served_by_its_root_id() {
    let entry = |root_id: &str, configuration: &str| {
        CONFIG
            .replace("key_auth.wasm", "modelgate.wasm")
            .replace(
                "failure_policy: FAIL_RELOAD",
                &format!("failure_policy: FAIL_RELOAD\n                root_id: {root_id}"),
            )
            .replace("{\"keys\": []}", configuration)
    };
    let code = |_: &WasmFilter| Ok(NativeCode::bundle(SUITE.filters_in("modelgate")));
    let starts = |text: &str| {
        let bootstrap = read(text).unwrap();
        let filter = &bootstrap.filters[0];
        let spec = filter.spec(&bootstrap.secrets, code, &|_| None).unwrap();
        let builder = bootstrap.configure(proxy_wasm_simulator::Gateway::builder());
        builder.filter(spec).build().is_ok()
    };
    let keys = r#"{"keys": [ {"id": "a", "digest": "sha256:0000000000000000000000000000000000000000000000000000000000000000", "consumer": "a"} ]}"#;
    let chain = format!(r#"{{"filters": [ {{"filter": "key_auth", "config": {keys}}} ]}}"#);
    assert!(starts(&entry("key_auth", keys)));
    assert!(starts(&entry("chain", &chain)));
    assert!(!starts(&entry("chain", keys)));
    assert!(!starts(&entry("key_auth", &chain)));
    assert!(!starts(&entry("other", keys)));
}

#[test]
fn what_is_not_served_is_refused_with_its_path() {
    for (from, to, complaint) in [
        (
            "normalize_path:",
            "normalise_path:",
            "did you mean \"normalize_path\"?",
        ),
        (
            "normalize_path: true",
            "xff_num_trusted_hops: 1",
            "xff_num_trusted_hops: 1 is out of range",
        ),
        (
            "type: STATIC",
            "type: LOGICAL_DNS",
            "clusters[0].type: expected one of: STATIC",
        ),
        (
            "type: STATIC",
            "transport_socket: {}",
            "clusters[0].transport_socket: unknown key",
        ),
        (
            "{ prefix: /open/ }",
            "{ prefix: /open/, grpc: {} }",
            "match.grpc: unknown key",
        ),
        (
            "cluster: models, timeout",
            "cluster: other, timeout",
            "no cluster is called \"other\"",
        ),
        (
            "timeout: 1.5s",
            "timeout: soon",
            "timeout: expected a duration",
        ),
        (
            "disabled: true",
            "config: { a: 1 }",
            "settings of a filter per route",
        ),
        ("v3.Wasm", "v3.Lua", "v3.Lua is not served here"),
        (
            "protobuf.StringValue",
            "protobuf.BytesValue",
            "a StringValue or a Struct",
        ),
        (
            "v3.Router }",
            "v3.Router, start_child_span: true }",
            "the last filter has to be the router",
        ),
        (
            "FAIL_RELOAD",
            "FAIL_SOMEHOW",
            "failure_policy: expected one of",
        ),
        (
            "address: 127.0.0.1, port_value: 8 ",
            "address: models.example, port_value: 8 ",
            "an IP address is needed",
        ),
    ] {
        let text = CONFIG.replacen(from, to, 1);
        assert_ne!(text, CONFIG, "{from}");
        let refused = read(&text).unwrap_err();
        assert!(refused.contains(complaint), "{to}: {refused}");
    }
}

#[test]
fn a_gateway_plays_what_was_read() {
    let bootstrap = read(CONFIG).unwrap();
    let mut gateway = bootstrap
        .configure(proxy_wasm_simulator::Gateway::builder())
        .build()
        .unwrap();
    let mut details = |path: &str| gateway.exchange(Request::get(path)).details;
    assert_eq!(
        details("/a%2fb").as_deref(),
        Some("path_normalization_failed")
    );
    assert_eq!(
        details("/open/../exact2").as_deref(),
        Some("route_not_found")
    );
    assert_eq!(
        details("/open/../exact").as_deref(),
        Some("cluster_not_found")
    );
}

#[test]
fn a_route_may_answer_by_itself_and_take_its_host_from_the_cluster() {
    let text = CONFIG
        .replace("cluster: models, timeout: 1.5s", "cluster: models, auto_host_rewrite: true")
        .replace("endpoint: { address", "endpoint: { hostname: models.test, address")
        .replace(
            "- match: { path: /exact }\n                route: { cluster: models }",
            "- match: { path: /exact }\n                direct_response: { status: 418, body: { inline_string: tea } }",
        );
    let bootstrap = read(&text).unwrap();
    let routes = &bootstrap.hosts[0].routes;
    assert_eq!(routes[0].rewrite.host.as_deref(), Some("models.test"));
    let mut gateway = bootstrap
        .configure(proxy_wasm_simulator::Gateway::builder())
        .build()
        .unwrap();
    let outcome = gateway.exchange(Request::get("/exact"));
    assert_eq!(outcome.status(), Some(418));
    assert_eq!(outcome.details.as_deref(), Some("direct_response"));
    for (from, to, complaint) in [
        ("status: 418", "status: 99", "99 is out of range"),
        (
            "inline_string: tea",
            "filename: /tea",
            "filename: unknown key",
        ),
    ] {
        let refused = read(&text.replacen(from, to, 1)).unwrap_err();
        assert!(refused.contains(complaint), "{to}: {refused}");
    }
}

/// `envoy/NAME.yaml` with every cluster on this machine.
#[test]
fn routes_are_chosen_by_patterns_segments_and_headers_and_others_are_refused() {
    let chosen =
        |by: &str| CONFIG.replace("match: { path: /exact }", &format!("match: {{ {by} }}"));
    let path = |by: &str| read(&chosen(by)).unwrap().hosts[0].routes[1].path.clone();
    assert_eq!(
        path("path_separated_prefix: /a"),
        PathMatch::Below("/a".into())
    );
    let pattern = path("safe_regex: { regex: '/a/[0-9]+' }");
    assert!(pattern.fits("/a/1") && !pattern.fits("/a/1/b"));
    let header = "prefix: /, headers: [ { name: ':method', string_match: { exact: get, ignore_case: true } } ]";
    assert_eq!(
        read(&chosen(header)).unwrap().hosts[0].routes[1]
            .headers
            .len(),
        1
    );
    for (by, said) in [
        ("safe_regex: { regex: '(a' }", "regex"),
        ("prefix: /, path: /", "one of"),
        ("prefix: /, query_parameters: [ ]", "query_parameters"),
        (
            "prefix: /, headers: [ { name: a, present_match: true } ]",
            "present_match",
        ),
        (
            "prefix: /, headers: [ { name: a, string_match: { prefix: a } } ]",
            "prefix",
        ),
        (
            "prefix: /, headers: [ { name: a, string_match: { exact: a }, invert_match: true } ]",
            "invert_match",
        ),
    ] {
        let problem = read(&chosen(by)).unwrap_err();
        assert!(problem.contains(said), "{by}: {problem}");
    }
    let retries = |on: &str| {
        CONFIG.replace(
            "timeout: 1.5s",
            &format!("retry_policy: {{ retry_on: {on}, num_retries: 2 }}"),
        )
    };
    assert!(read(&retries("connect-failure")).is_ok());
    assert!(read(&retries("5xx")).unwrap_err().contains("retry_on"));
    let hops = |count: u8| {
        CONFIG.replace(
            "normalize_path:",
            &format!("xff_num_trusted_hops: {count}\n          normalize_path:"),
        )
    };
    assert!(read(&hops(0)).is_ok() && read(&hops(1)).is_err());
    let port = CONFIG.replace(
        "virtual_hosts:",
        "ignore_port_in_host_matching: true\n            virtual_hosts:",
    );
    assert!(read(&port).unwrap().hosts[0].ignore_port);
}

fn shipped(text: &str) -> Bootstrap {
    let mut json = Node::parse(text).unwrap().to_json();
    let clusters = json.pointer("/static_resources/clusters").unwrap();
    let clusters = clusters.as_array().unwrap().iter();
    let clusters = clusters.map(|cluster| {
        let name = cluster["name"].as_str().unwrap();
        (name.to_owned(), modelgate_envoy::config::adapt::loopback(1))
    });
    let local = modelgate_envoy::config::adapt::Local {
        clusters: clusters.collect(),
        ..modelgate_envoy::config::adapt::Local::default()
    };
    modelgate_envoy::config::adapt::adapt(&mut json, &local).unwrap();
    Bootstrap::read(&Node::from_json(&json, located_yaml::Place::default())).unwrap()
}

#[test]
fn a_gateway_without_its_secret_does_not_start() {
    let code = |wasm: &WasmFilter| {
        let module = wasm.file.file_stem().unwrap().to_str().unwrap().to_owned();
        Ok(NativeCode::filter(SUITE.member(&module).unwrap().filter))
    };
    for (text, name, is_envoys) in [
        (
            include_str!("../../../../../envoy/openai-key-by-sds.yaml"),
            "OPENAI_API_KEY",
            true,
        ),
        (
            include_str!("../../../../../envoy/openai.yaml"),
            "OPENAI_API_KEY",
            false,
        ),
        (
            include_str!("../../../../../envoy/azure-ml.yaml"),
            "AZUREML_ENDPOINT_KEY",
            false,
        ),
        (
            include_str!("../../../../../envoy/azure-openai.yaml"),
            "AZURE_OPENAI_KEY",
            false,
        ),
    ] {
        let bootstrap = shipped(text);
        let start = |set: bool| {
            let variable = |asked: &str| (set && asked == name).then(|| "sk-1".to_owned());
            let mut builder = bootstrap.configure(proxy_wasm_simulator::Gateway::builder());
            for filter in &bootstrap.filters {
                builder = builder.filter(filter.spec(&bootstrap.secrets, code, &variable)?);
            }
            anyhow::Ok(builder.build().is_ok())
        };
        assert!(start(true).unwrap(), "{name}");
        if !is_envoys {
            // The filter refuses its configuration.
            assert!(!start(false).unwrap(), "{name}");
            continue;
        }
        let refused = format!("{:#}", start(false).unwrap_err());
        assert!(
            refused.contains(&format!(
                "secret provider-key: the environment variable {name}"
            )),
            "{refused}"
        );
    }
}

#[test]
fn what_an_own_filter_of_envoys_does_beyond_this_is_refused_by_its_name() {
    let text = include_str!("../../../../../envoy/openai-key-by-sds.yaml");
    for (from, to, complaint) in [
        (
            "credential: { name: provider-key }",
            "credential: { name: other }",
            "no secret is called \"other\"",
        ),
        (
            "credential: { name: provider-key }",
            "credential: { name: provider-key, sds_config: {} }",
            "sds_config: secrets are not fetched here",
        ),
        (
            "generic.v3.Generic",
            "oauth2.v3.OAuth2",
            "oauth2.v3.OAuth2 is not served here",
        ),
        (
            "%REQ(x-provider-key)%",
            "%ENVIRONMENT(KEY)%",
            "the operator %ENVIRONMENT(KEY)% is not known here",
        ),
        (
            "host_rewrite_literal: api.openai.com",
            "host_rewrite_header: x",
            "host_rewrite_header: unknown key",
        ),
        (
            "host_rewrite_literal: api.openai.com",
            "host_rewrite_literal: api.openai.com, auto_host_rewrite: true",
            "exclude each other",
        ),
        (
            "host_rewrite_literal: api.openai.com",
            "regex_rewrite: { pattern: { regex: \"(a\" } }",
            "unclosed group",
        ),
        ("key: authorization", "key: ':path'", "pseudo-headers"),
        (
            "environment_variable: OPENAI_API_KEY",
            "inline_bytes: AA==",
            "inline_bytes: unknown key",
        ),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let refused = read(&changed).unwrap_err();
        assert!(refused.contains(complaint), "{to}: {refused}");
    }
}
