//! The Envoy bootstrap of a scenario: what the file says and where things are, as
//! [`modelgate_envoy::config::write`] has it.
//!
//! Filters are reloaded after a panic unless the scenario says otherwise, and can hold back headers
//! where they need it.

use std::collections::BTreeMap;

use modelgate_envoy::config::write;
use modelgate_envoy::config::write::{
    Bootstrap, Cluster, Code, Configuration, Filter, Host, LISTENER, Route, Scope,
};
use serde_json::{Map, Value as Json};

use crate::file::routes::{Metadata, Switches};
use crate::file::{ChainEntry, Config, Scenario, VirtualHost, Wasm};

/// Where things are that the file must name.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Name of the listener, where an Envoy serves one after the other; [`LISTENER`] if empty. The
    /// ids of VMs begin with it then, so that nobody shares data with those before.
    pub listener: String,
    /// Port of the listener; 0 = any free one.
    pub listener_port: u16,
    /// Port of the admin interface; 0 = any free one.
    pub admin_port: u16,
    /// Ports of the servers on loopback, by cluster.
    pub clusters: BTreeMap<String, u16>,
    /// The filters are in a dynamic module.
    pub native: bool,
    /// Path of each filter's module, by name in the chain.
    pub wasm: BTreeMap<String, String>,
    /// Paths of the files that filters get their configuration from (ECDS), by name in the chain;
    /// the others have theirs in the bootstrap.
    pub discovered: BTreeMap<String, String>,
}

/// The bootstrap, as JSON (which Envoy reads from a file that ends in `.json`).
pub fn bootstrap(scenario: &Scenario, places: &Places) -> Json {
    written(scenario, places).json()
}

/// What [`bootstrap`] is made of.
pub fn written<'a>(scenario: &'a Scenario, places: &'a Places) -> Bootstrap<'a> {
    let filters = scenario.chain.iter().map(|entry| Filter {
        name: &entry.name,
        disabled: entry.disabled,
        code: match (
            places.discovered.get(&entry.name),
            &entry.wasm,
            &entry.config,
        ) {
            (Some(path), ..) => Code::Discovered {
                path,
                native: places.native,
            },
            (None, Wasm::Own(own), Config::Json(config)) => Code::Own(own.kind(), config),
            (None, _, config) => code(entry, config, scenario, places),
        },
    });
    let clusters = scenario.clusters.iter().filter_map(|(name, cluster)| {
        Some(Cluster {
            name,
            port: *places.clusters.get(name)?,
            http2: cluster.http2,
        })
    });
    let natives: Vec<(&str, &str)> = scenario
        .chain
        .iter()
        .filter(|entry| places.native && !matches!(entry.wasm, Wasm::Own(_)))
        .filter_map(|entry| {
            let file = places.wasm.get(&entry.name)?;
            Some((entry.name.as_str(), file.as_str()))
        })
        .collect();
    Bootstrap {
        listener: match places.listener.as_str() {
            "" => LISTENER,
            name => name,
        },
        listener_port: places.listener_port,
        admin_port: places.admin_port,
        filters: filters.collect(),
        facts: scenario.facts(),
        secrets: &scenario.secrets,
        hosts: scenario
            .virtual_hosts
            .iter()
            .map(|of| host(of, &natives))
            .collect(),
        clusters: clusters.collect(),
        use_remote_address: scenario.gateway.use_remote_address,
        upgrades: scenario.gateway.upgrades(),
        buffer_limit_bytes: scenario.gateway.buffer_limit_bytes(),
    }
}

/// What stands in the file of [`Places::discovered`]: the filter with this configuration.
pub fn discovery(
    entry: &ChainEntry,
    config: &Config,
    scenario: &Scenario,
    places: &Places,
) -> Json {
    code(entry, config, scenario, places).discovery(&entry.name)
}

fn code<'a>(
    entry: &'a ChainEntry,
    config: &'a Config,
    scenario: &'a Scenario,
    places: &'a Places,
) -> Code<'a> {
    match places.native {
        true => Code::Module(module(entry, config, scenario, places)),
        false => Code::Wasm(wasm(entry, config, scenario, places)),
    }
}

fn module<'a>(
    entry: &'a ChainEntry,
    config: &'a Config,
    scenario: &'a Scenario,
    places: &'a Places,
) -> write::Module<'a> {
    let catalogue = &scenario.catalogue;
    let suite = entry.suite().unwrap_or_default();
    let alone = catalogue.member(suite).map(|member| member.filter.name);
    write::Module {
        file: places.wasm.get(&entry.name).map(String::as_str),
        filter_name: alone.unwrap_or(&entry.root_id),
        environment: &scenario.env,
        configuration: match config {
            Config::Absent => None,
            Config::Struct(json) | Config::Json(json) => Some(Configuration::Struct(json)),
            text => Some(Configuration::Text(text.text())),
        },
    }
}

fn wasm<'a>(
    entry: &'a ChainEntry,
    config: &'a Config,
    scenario: &'a Scenario,
    places: &'a Places,
) -> write::Wasm<'a> {
    write::Wasm {
        file: places.wasm.get(&entry.name).map(String::as_str),
        root_id: &entry.root_id,
        vm_id: match places.listener.as_str() {
            "" => entry.vm_id.clone(),
            listener => format!("{listener}@{}", entry.vm_id),
        },
        failure_policy: entry.failure_policy.envoy(),
        stop_iteration: entry.may_stop_iteration(&scenario.catalogue),
        environment: &scenario.env,
        configuration: match config {
            Config::Absent => None,
            Config::Struct(json) => Some(Configuration::Struct(json)),
            text => Some(Configuration::Text(text.text())),
        },
    }
}

/// A virtual host. `natives` are the filters in a dynamic module, by name, and its file: it cannot
/// read a virtual host's metadata, nor what is nested in a route's, and has a configuration of the
/// route in their place.
fn host<'a>(host: &'a VirtualHost, natives: &[(&str, &str)]) -> Host<'a> {
    let routes = host.routes.iter().map(|route| Route {
        name: route.name.as_deref(),
        path: &route.path,
        headers: &route.headers,
        cluster: match route.direct_response {
            Some(_) => None,
            None => Some(&route.cluster),
        },
        scope: scope(
            &[host.metadata.as_ref(), route.metadata.as_ref()],
            &route.switches,
            natives,
        ),
        timeout_ms: route.timeout_ms,
        idle_timeout_ms: route.idle_timeout_ms,
        beside: &route.written.0,
        action: &route.written.1,
    });
    Host {
        name: &host.name,
        domains: &host.domains,
        scope: scope(&[host.metadata.as_ref()], &host.switches, natives),
        routes: routes.collect(),
    }
}

/// What is said at the last of these levels; the others enclose it.
fn scope<'a>(
    levels: &[Option<&'a Metadata>],
    switches: &'a Switches,
    natives: &[(&str, &str)],
) -> Scope<'a> {
    let mut said = Map::new();
    for metadata in levels.iter().flatten() {
        said.extend(metadata.get("modelgate").cloned().unwrap_or_default());
    }
    let configured = natives.iter().filter(|_| !said.is_empty());
    let configured = configured.map(|(name, file)| {
        let typed = write::Module::for_route(file, &said);
        ((*name).to_owned(), typed)
    });
    Scope {
        metadata: levels.last().copied().flatten(),
        disable: &switches.disable,
        enable: &switches.enable,
        configured: configured.collect(),
    }
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
