//! What Envoy refuses by code of its own, beyond the constraints of its API: extensions without
//! settings, addresses that are none, clusters and listeners that cannot work. Tried on Envoy 1.40
//! (harness/cli/tests/check_breaks.rs).

use std::collections::HashSet;
use std::net::IpAddr;

use super::api::{Kind, Message, Shape};
use super::codes;
use super::entry::{flag, node, text};
use super::finding::Finding;
use located_yaml::Node;

/// Judges a message that is read; without `whole`, what is missing in it is not judged.
pub(super) fn check(at: &Node, message: &Message, whole: bool, findings: &mut Vec<Finding>) {
    let mut judge = Judge {
        name: message.short(),
        findings,
    };
    if whole {
        judge.missing(at, message);
    }
    match message.name.as_str() {
        "envoy.config.bootstrap.v3.Admin" => judge.bound(at),
        "envoy.config.listener.v3.Listener" => judge.listener(at, whole),
        "envoy.config.listener.v3.FilterChain" => judge.last(at),
        "envoy.config.cluster.v3.Cluster" => judge.cluster(at, whole),
        "envoy.config.metrics.v3.TagSpecifier" => judge.tag(at, whole),
        "envoy.config.route.v3.RouteConfiguration" => judge.hosts(at),
        "envoy.extensions.wasm.v3.VmConfig" => {
            judge.environment(at);
            if whole {
                judge.needs(at, "code");
            }
        }
        "envoy.extensions.wasm.v3.PluginConfig" if whole => judge.needs(at, "vm_config"),
        "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext" if whole => judge.trust(at),
        "envoy.extensions.transport_sockets.tls.v3.Secret" if whole => {
            judge.needs(at, "name");
            let kinds = message.fields.iter().filter(|field| field.oneof.is_some());
            if !kinds.into_iter().any(|kind| at.member(kind.name).is_some()) {
                judge.refuse(at, "there is no secret in it", "write `generic_secret`");
            }
        }
        _ => {}
    }
}

/// Extensions that work by their names alone.
const BARE: [&str; 2] = [
    "envoy.transport_sockets.raw_buffer",
    "envoy.filters.network.echo",
];

/// Messages whose extension Envoy makes when it starts: without `typed_config` there is none.
const EXTENSIONS: [&str; 6] = [
    "envoy.config.accesslog.v3.AccessLog",
    "envoy.config.core.v3.TransportSocket",
    "envoy.config.core.v3.TypedExtensionConfig",
    "envoy.config.listener.v3.Filter",
    "envoy.config.listener.v3.ListenerFilter",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
];

struct Judge<'a> {
    name: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Judge<'_> {
    fn refuse(&mut self, at: &Node, problem: impl Into<String>, hint: &str) {
        let finding = Finding::new(&codes::CONSTRAINT, at.place, self.name, problem, hint);
        self.findings.push(finding);
    }

    fn needs(&mut self, at: &Node, name: &str) {
        if at.member(name).is_none() {
            self.refuse(at, format!("`{name}` is missing"), "");
        }
    }

    /// What must be there, whatever the API says.
    fn missing(&mut self, at: &Node, message: &Message) {
        let name = text(at, &["name"]).unwrap_or_default();
        let sources = ["config_discovery", "hcm_filter"];
        let elsewhere = sources.iter().any(|source| at.member(source).is_some());
        let settings = at.member("typed_config");
        let empty = settings.is_none_or(|settings| settings.members().is_empty());
        if EXTENSIONS.contains(&message.name.as_str())
            && empty
            && !elsewhere
            && !BARE.contains(&name)
        {
            let hint = "write `typed_config` with its `@type`";
            self.refuse(at, format!("{name:?} has no `typed_config`"), hint);
        }
        for field in &message.fields {
            let (true, Kind::Message(kind)) = (field.shape == Shape::Map, &field.kind) else {
                continue;
            };
            if field.name != "typed_per_filter_config" || kind != "google.protobuf.Any" {
                continue;
            }
            let configs = at.member(field.name).map(Node::members);
            for (key, config) in configs.unwrap_or_default() {
                let switch = text(config, &["@type"])
                    .is_some_and(|kind| kind.ends_with("route.v3.FilterConfig"));
                let says = config.member("config").is_some() || flag(config, &["disabled"]);
                if config.members().is_empty() || (switch && !says) {
                    let problem = format!("`{}` has nothing in it", key.text);
                    self.refuse(
                        config,
                        problem,
                        "write `disabled: true`, or `config: {}` to switch it on",
                    );
                }
            }
        }
    }

    /// A variable has one value.
    fn environment(&mut self, at: &Node) {
        let given = at.member("environment_variables");
        let of = |name: &str| given.and_then(|given| given.member(name));
        let values = of("key_values").map(Node::members).unwrap_or_default();
        let mut seen: HashSet<&str> = values.iter().map(|(key, _)| key.text.as_str()).collect();
        for node in of("host_env_keys").map(Node::items).unwrap_or_default() {
            let name = node.text().unwrap_or_default();
            if !seen.insert(name) {
                let hint = "name it once, in `host_env_keys` or in `key_values`";
                self.refuse(node, format!("the variable {name:?} stands twice"), hint);
            }
        }
    }

    fn listener(&mut self, at: &Node, whole: bool) {
        if whole && at.member("api_listener").is_none() {
            self.needs(at, "address");
        }
        self.bound(at);
        let chains = at.member("filter_chains").map(Node::items);
        let mut seen = HashSet::new();
        for chain in chains.unwrap_or_default() {
            let wanted = chain.member("filter_chain_match").map(Node::to_json);
            let wanted = wanted.unwrap_or_else(|| serde_json::json!({}));
            let matched = at.member("filter_chain_matcher").is_some();
            if !seen.insert(wanted.to_string()) && !matched {
                self.refuse(chain, "two filter chains match the same connections", "");
            }
        }
    }

    /// What ends a chain of network filters stands at its end.
    fn last(&mut self, at: &Node) {
        const LAST: [&str; 2] = [".HttpConnectionManager", ".TcpProxy"];
        let filters = at.member("filters").map(Node::items).unwrap_or_default();
        let all = filters.len().saturating_sub(1);
        for filter in filters.iter().take(all) {
            let kind = text(filter, &["typed_config", "@type"]).unwrap_or_default();
            if LAST.iter().any(|last| kind.ends_with(last)) {
                self.refuse(
                    filter,
                    "it ends the chain, and others stand behind it",
                    "put it last",
                );
            }
        }
    }

    /// Where connections are taken.
    fn bound(&mut self, at: &Node) {
        if let Some(address) = node(at, &["address", "socket_address"]) {
            self.address(address);
        }
    }

    /// An address that is not looked up.
    fn address(&mut self, socket: &Node) {
        let Some(address) = socket.member("address") else {
            return;
        };
        let written = address.text().unwrap_or_default();
        let plain = written.split('%').next().unwrap_or_default();
        let resolved = socket.member("resolver_name").is_some();
        if !resolved && !written.is_empty() && plain.parse::<IpAddr>().is_err() {
            let problem = format!("{written:?} is no IP address");
            self.refuse(
                address,
                problem,
                "names are looked up in clusters of type STRICT_DNS and LOGICAL_DNS only",
            );
        }
    }

    fn cluster(&mut self, at: &Node, whole: bool) {
        let kind = match at.member("cluster_type") {
            Some(_) => return,
            None => text(at, &["type"]).unwrap_or("STATIC"),
        };
        if kind == "EDS" && whole {
            self.needs(at, "eds_cluster_config");
        }
        let load = at.member("load_assignment");
        let groups = load.and_then(|load| load.member("endpoints"));
        let groups = groups.map(Node::items).unwrap_or_default();
        let endpoints = || {
            let listed = groups
                .iter()
                .filter_map(|group| group.member("lb_endpoints"));
            listed.flat_map(Node::items)
        };
        let place = load.unwrap_or(at);
        if kind == "LOGICAL_DNS" && whole && (groups.len() != 1 || endpoints().count() != 1) {
            let problem = "a LOGICAL_DNS cluster has one group with one endpoint";
            self.refuse(place, problem, "write `type: STRICT_DNS` for several");
        }
        for endpoint in endpoints() {
            if endpoint.member("endpoint_name").is_some() {
                continue;
            }
            let address = node(endpoint, &["endpoint", "address"]);
            match address.map(|address| address.member("socket_address")) {
                Some(Some(socket)) if kind == "STATIC" => self.address(socket),
                None if whole && kind == "STATIC" => {
                    self.refuse(endpoint, "the endpoint has no `address`", "")
                }
                _ => {}
            }
        }
    }

    /// Names in certificates say something only where somebody is trusted to have written them.
    fn trust(&mut self, at: &Node) {
        const NAMES: [&str; 2] = ["match_typed_subject_alt_names", "match_subject_alt_names"];
        const TRUSTED: [&str; 3] = [
            "trusted_ca",
            "system_root_certs",
            "ca_certificate_provider_instance",
        ];
        let Some(validation) = at.member("validation_context") else {
            return;
        };
        let mut named = NAMES.iter().filter_map(|name| validation.member(name));
        let trusts = TRUSTED.iter().any(|name| validation.member(name).is_some());
        if !trusts && named.any(|names| !names.items().is_empty()) {
            self.refuse(
                validation,
                "names in certificates are compared, and no authority is trusted",
                "write `trusted_ca`",
            );
        }
    }

    fn tag(&mut self, at: &Node, whole: bool) {
        let name = text(at, &["tag_name"]).unwrap_or_default();
        let regex = text(at, &["regex"]).unwrap_or_default();
        let fixed = text(at, &["fixed_value"]).is_some_and(|value| !value.is_empty());
        if whole && name.is_empty() {
            self.refuse(at, "`tag_name` is missing", "");
        } else if whole && regex.is_empty() && !fixed && !name.starts_with("envoy.") {
            let problem = format!("{name:?} is none of Envoy's own tags, and has no `regex`");
            self.refuse(at, problem, "");
        }
    }

    /// Domains are those of one host.
    fn hosts(&mut self, at: &Node) {
        let mut domains = HashSet::new();
        let mut names = HashSet::new();
        let hosts = at.member("virtual_hosts").map(Node::items);
        for host in hosts.unwrap_or_default() {
            if let Some(name) = host.member("name")
                && let Some(text) = name.text().filter(|text| !names.insert(text.to_owned()))
            {
                self.refuse(
                    name,
                    format!("a second virtual host is called {text:?}"),
                    "",
                );
            }
            let listed = host.member("domains").map(Node::items);
            for domain in listed.unwrap_or_default() {
                let written = domain.text().unwrap_or_default().to_ascii_lowercase();
                if !domains.insert(written.clone()) {
                    self.refuse(domain, format!("the domain {written:?} stands twice"), "");
                }
            }
        }
    }
}
