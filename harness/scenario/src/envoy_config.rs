//! The Envoy bootstrap of a scenario.
//!
//! Filters get their configuration as `StringValue` (a `Struct` would reach them as protobuf
//! bytes), FAIL_RELOAD unless the scenario says otherwise, and `allow_on_headers_stop_iteration`
//! where they need it. The listener and the admin interface bind to loopback.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::file::routes::{Metadata, PathMatch, Switches};
use crate::file::{ChainEntry, Cluster, Config, Route, Scenario, VirtualHost, Wasm};

/// The name of the listener.
pub const LISTENER: &str = "gateway";
/// The name of the member of an access-log line that holds the client's address; no other line on
/// stdout has it.
pub const CLIENT: &str = "modelgate_client";
/// What the names of facts are prefixed with in an access-log line.
pub const FACT: &str = "fact.";

/// Where things are that the file must name.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Port of the listener; 0 = any free one.
    pub listener_port: u16,
    /// Port of the admin interface; 0 = any free one.
    pub admin_port: u16,
    /// Ports of the servers on loopback, by cluster.
    pub clusters: BTreeMap<String, u16>,
    /// Path of each filter's wasm, by name in the chain.
    pub wasm: BTreeMap<String, String>,
    /// Paths of the files that filters get their configuration from (ECDS), by name in the chain;
    /// the others have theirs in the bootstrap.
    pub discovered: BTreeMap<String, String>,
}

/// The bootstrap, as JSON (which Envoy reads from a file that ends in `.json`).
pub fn bootstrap(scenario: &Scenario, places: &Places) -> Json {
    let mut filters: Vec<Json> = scenario
        .chain
        .iter()
        .map(|entry| match places.discovered.get(&entry.name) {
            Some(path) => discovered(entry, path),
            None => http_filter(entry, scenario, places),
        })
        .collect();
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }));
    let secrets = scenario.secrets.iter();
    let secrets: Vec<Json> = secrets
        .map(|(name, secret)| json!({"name": name, "generic_secret": {"secret": secret.source()}}))
        .collect();
    let virtual_hosts: Vec<Json> = scenario.virtual_hosts.iter().map(virtual_host).collect();
    let mut listener = json!({
        "name": LISTENER,
        "address": address(places.listener_port),
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "gateway",
                "codec_type": "AUTO",
                "access_log": [access_log(scenario)],
                "route_config": {"name": "routes", "virtual_hosts": virtual_hosts},
                "use_remote_address": scenario.gateway.use_remote_address,
                "http_filters": filters,
            },
        }]}],
    });
    let manager = "/filter_chains/0/filters/0/typed_config";
    if let (false, Some(members)) = (
        scenario.gateway.upgrades().is_empty(),
        listener.pointer_mut(manager).and_then(Json::as_object_mut),
    ) {
        let upgrades = scenario.gateway.upgrades().iter();
        let upgrades: Vec<Json> = upgrades
            .map(|protocol| json!({"upgrade_type": protocol}))
            .collect();
        members.insert("upgrade_configs".into(), upgrades.into());
    }
    if let (Some(limit), Some(members)) = (
        scenario.gateway.buffer_limit_bytes(),
        listener.as_object_mut(),
    ) {
        members.insert("per_connection_buffer_limit_bytes".into(), limit.into());
    }
    let clusters = scenario.clusters.iter();
    let clusters: Vec<Json> = clusters
        .filter_map(|(name, cluster)| Some(upstream(name, cluster, *places.clusters.get(name)?)))
        .collect();
    json!({
        // Envoy reads no configuration from elsewhere without a name of its own.
        "node": {"id": LISTENER, "cluster": LISTENER},
        "admin": {"address": address(places.admin_port)},
        "static_resources": {"listeners": [listener], "clusters": clusters, "secrets": secrets},
    })
}

fn address(port: u16) -> Json {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn access_log(scenario: &Scenario) -> Json {
    let mut format = Map::new();
    format.insert(CLIENT.into(), "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%".into());
    format.insert("details".into(), "%RESPONSE_CODE_DETAILS%".into());
    format.insert("flags".into(), "%RESPONSE_FLAGS%".into());
    for fact in scenario.facts() {
        format.insert(
            format!("{FACT}{fact}"),
            format!("%FILTER_STATE(wasm.{fact}:PLAIN)%").into(),
        );
    }
    json!({
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"json_format": format},
        },
    })
}

/// A filter whose configuration stands in a file of its own, which Envoy reads again when another
/// file takes its place.
fn discovered(entry: &ChainEntry, path: &str) -> Json {
    json!({
        "name": entry.name,
        "disabled": entry.disabled,
        "config_discovery": {
            "config_source": {"path_config_source": {"path": path}, "resource_api_version": "V3"},
            "type_urls": [WASM_FILTER],
        },
    })
}

/// What stands in the file of [`Places::discovered`]: the filter with this configuration.
pub fn discovery(
    entry: &ChainEntry,
    config: &Config,
    scenario: &Scenario,
    places: &Places,
) -> Json {
    let entry = ChainEntry {
        config: config.clone(),
        ..entry.clone()
    };
    let filter = http_filter(&entry, scenario, places);
    json!({"resources": [{
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": entry.name,
        "typed_config": filter.get("typed_config"),
    }]})
}

const WASM_FILTER: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

fn http_filter(entry: &ChainEntry, scenario: &Scenario, places: &Places) -> Json {
    if let (Wasm::Own(own), Config::Json(config)) = (&entry.wasm, &entry.config) {
        let url = format!("type.googleapis.com/{}", own.kind().message());
        let mut typed = config.clone();
        if let Some(members) = typed.as_object_mut() {
            members.insert("@type".into(), url.into());
        }
        return json!({"name": entry.name, "disabled": entry.disabled, "typed_config": typed});
    }
    let stop_iteration = entry
        .stop_iteration
        .unwrap_or_else(|| scenario.catalogue.needs_stop_iteration(entry));
    let mut config = json!({
        "name": entry.name,
        "root_id": entry.root_id,
        "failure_policy": entry.failure_policy.envoy(),
        "allow_on_headers_stop_iteration": stop_iteration,
        "vm_config": {
            "vm_id": entry.vm_id,
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": places.wasm.get(&entry.name)}},
            "environment_variables": {"key_values": scenario.env},
        },
    });
    if let (Some(configuration), Some(members)) =
        (configuration(&entry.config), config.as_object_mut())
    {
        members.insert("configuration".into(), configuration);
    }
    json!({
        "name": entry.name,
        "disabled": entry.disabled,
        "typed_config": {"@type": WASM_FILTER, "config": config},
    })
}

fn configuration(config: &Config) -> Option<Json> {
    match config {
        Config::Absent => None,
        Config::Struct(json) => {
            Some(json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": json}))
        }
        text => Some(
            json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text.text()}),
        ),
    }
}

fn virtual_host(host: &VirtualHost) -> Json {
    let mut json = json!({
        "name": host.name,
        "domains": host.domains,
        "routes": host.routes.iter().map(route).collect::<Vec<_>>(),
    });
    if let Some(members) = json.as_object_mut() {
        decorate(members, host.metadata.as_ref(), &host.switches);
    }
    json
}

fn route(route: &Route) -> Json {
    let path = match &route.path {
        PathMatch::Prefix(prefix) => json!({"prefix": prefix}),
        PathMatch::Exact(path) => json!({"path": path}),
    };
    let (beside, within) = &route.written;
    let mut action = within.clone();
    action.insert("cluster".into(), route.cluster.as_str().into());
    for (name, ms) in [
        ("timeout", route.timeout_ms),
        ("idle_timeout", route.idle_timeout_ms),
    ] {
        action.extend(ms.map(|ms| (name.to_owned(), seconds(ms).into())));
    }
    let mut json = json!({"match": path, "route": action});
    if let Some(members) = json.as_object_mut() {
        if route.direct_response.is_some() {
            members.remove("route");
        }
        members.extend(beside.clone());
        members.extend(
            route
                .name
                .as_ref()
                .map(|name| ("name".to_owned(), Json::from(name.as_str()))),
        );
        decorate(members, route.metadata.as_ref(), &route.switches);
    }
    json
}

/// Metadata and switched filters, written alike on routes and virtual hosts.
fn decorate(members: &mut Map<String, Json>, metadata: Option<&Metadata>, switches: &Switches) {
    if let Some(metadata) = metadata {
        members.insert("metadata".into(), json!({"filter_metadata": metadata}));
    }
    let off = switches
        .disable
        .iter()
        .map(|name| (name, json!({"disabled": true})));
    let on = switches
        .enable
        .iter()
        .map(|name| (name, json!({"config": {}})));
    let per_filter: Map<String, Json> = off
        .chain(on)
        .map(|(name, mut config)| {
            if let Some(members) = config.as_object_mut() {
                members.insert(
                    "@type".into(),
                    "type.googleapis.com/envoy.config.route.v3.FilterConfig".into(),
                );
            }
            (name.clone(), config)
        })
        .collect();
    if !per_filter.is_empty() {
        members.insert("typed_per_filter_config".into(), per_filter.into());
    }
}

fn upstream(name: &str, cluster: &Cluster, port: u16) -> Json {
    let mut json = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]},
    });
    if let (true, Some(members)) = (cluster.http2, json.as_object_mut()) {
        let options = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }});
        members.insert("typed_extension_protocol_options".into(), options);
    }
    json
}

/// A protobuf duration in JSON.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}s", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::SUITE;
    use crate::file::ScenarioFile;
    use std::path::Path;

    fn config(text: &str) -> Json {
        let scenario = ScenarioFile::parse(&SUITE, Path::new("x.yaml"), text)
            .unwrap()
            .resolve(0)
            .unwrap();
        let wasm = scenario
            .chain
            .iter()
            .map(|entry| (entry.name.clone(), format!("/{}.wasm", entry.name)))
            .collect();
        let clusters = scenario
            .clusters
            .keys()
            .map(|name| (name.clone(), 1000))
            .collect();
        bootstrap(
            &scenario,
            &Places {
                wasm,
                clusters,
                ..Places::default()
            },
        )
    }

    #[test]
    fn filters_get_text_configuration_and_reload_after_a_panic() {
        let json = config(
            "about: x\nchain:\n- jwt-auth: {a: 1}\n- key-auth:\n  envoy: {disabled: true, failure_policy: FAIL_CLOSED}\nenv: {K: v}\nrequest: {}\nexpect: {client: {status: 200}}\n",
        );
        let hcm = json
            .pointer("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config")
            .unwrap();
        let first = hcm.pointer("/http_filters/0/typed_config/config").unwrap();
        assert_eq!(first.pointer("/configuration/value").unwrap(), r#"{"a":1}"#);
        assert_eq!(first["failure_policy"], "FAIL_RELOAD");
        assert_eq!(
            first
                .pointer("/vm_config/environment_variables/key_values/K")
                .unwrap(),
            "v"
        );
        assert_eq!(
            first.pointer("/vm_config/code/local/filename").unwrap(),
            "/jwt-auth.wasm"
        );
        let second = hcm.pointer("/http_filters/1").unwrap();
        assert_eq!(
            (
                second["disabled"].as_bool(),
                second.pointer("/typed_config/config/configuration")
            ),
            (Some(true), None)
        );
        assert_eq!(
            second
                .pointer("/typed_config/config/failure_policy")
                .unwrap(),
            "FAIL_CLOSED"
        );
    }

    #[test]
    fn routes_carry_metadata_switches_and_timeouts() {
        let json = config(
            "about: x\nchain: [ {jwt-auth: {}} ]\nroutes:\n- {path: /a, disable: jwt-auth, metadata: {modelgate: {profile: strict}}, timeout_ms: 1500}\nrequest: {}\nexpect: {client: {status: 200}}\n",
        );
        let route = json.pointer("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes/0").unwrap();
        assert_eq!(
            route
                .pointer("/metadata/filter_metadata/modelgate/profile")
                .unwrap(),
            "strict"
        );
        assert_eq!(
            route
                .pointer("/typed_per_filter_config/jwt-auth/disabled")
                .unwrap(),
            true
        );
        assert_eq!(route.pointer("/route/timeout").unwrap(), "1.500s");
    }
}
