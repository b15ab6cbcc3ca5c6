//! Writing an Envoy bootstrap: one listener with a chain of filters, routes, clusters on loopback.
//!
//! Filters get their configuration as `StringValue` unless it is a `Struct`. The listener and the
//! admin interface bind to loopback, and the access log is one line of JSON on stdout for each
//! exchange.

use std::collections::BTreeMap;

use proxy_wasm_simulator::{HeaderCondition, PathMatch, Wanted};
use serde_json::{Map, Value as Json, json};

use super::adapt::{address, loopback};
use super::own::{Kind, Secrets};

/// The name of the listener of a bootstrap that stands alone.
pub const LISTENER: &str = "gateway";
/// The name of the member of an access-log line that holds the listener's name.
pub const SERVED_BY: &str = "modelgate_listener";
/// The name of the member of an access-log line that holds the client's address; no other line on
/// stdout has it.
pub const CLIENT: &str = "modelgate_client";
/// What the names of facts are prefixed with in an access-log line.
pub const FACT: &str = "fact.";

const PREFIX: &str = "type.googleapis.com/";
const STRING_VALUE: &str = "type.googleapis.com/google.protobuf.StringValue";
const STRUCT: &str = "type.googleapis.com/google.protobuf.Struct";
const WASM_FILTER: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const MODULE_FILTER: &str =
    "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter";
const MODULE_ROUTE: &str = "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilterPerRoute";

/// A bootstrap.
#[derive(Clone, Debug)]
pub struct Bootstrap<'a> {
    /// Name of the listener.
    pub listener: &'a str,
    /// Port of the listener; 0 = any free one.
    pub listener_port: u16,
    /// Port of the admin interface; 0 = any free one.
    pub admin_port: u16,
    /// The chain, without the router.
    pub filters: Vec<Filter<'a>>,
    /// Facts in the filter state that a line of the access log shows.
    pub facts: Vec<&'a str>,
    /// Secrets by name.
    pub secrets: &'a Secrets,
    /// Virtual hosts.
    pub hosts: Vec<Host<'a>>,
    /// Servers on loopback.
    pub clusters: Vec<Cluster<'a>>,
    /// Whether the client is whoever the connection comes from.
    pub use_remote_address: bool,
    /// Protocols that a connection may be upgraded to.
    pub upgrades: &'a [String],
    /// Bytes of a body that may be held back; `None` = Envoy's default.
    pub buffer_limit_bytes: Option<u32>,
}

/// A filter of the chain.
#[derive(Clone, Debug)]
pub struct Filter<'a> {
    /// Its name in the chain.
    pub name: &'a str,
    /// Off unless a route turns it on.
    pub disabled: bool,
    /// What it is.
    pub code: Code<'a>,
}

/// What a filter is.
#[derive(Clone, Debug)]
pub enum Code<'a> {
    /// One of Envoy's own with this configuration, which lacks its type.
    Own(Kind, &'a Json),
    /// A module.
    Wasm(Wasm<'a>),
    /// A dynamic module.
    Module(Module<'a>),
    /// Whatever stands in this file, which Envoy reads again when another file takes its place.
    Discovered {
        /// The file.
        path: &'a str,
        /// It is a filter in a dynamic module.
        native: bool,
    },
}

/// A filter in a module.
#[derive(Clone, Debug)]
pub struct Wasm<'a> {
    /// The module's file; `None` = it is named later.
    pub file: Option<&'a str>,
    /// Which of the filters inside the module.
    pub root_id: &'a str,
    /// Filters with the same id and code share a VM.
    pub vm_id: String,
    /// What happens to requests after a panic, as Envoy writes it.
    pub failure_policy: &'a str,
    /// Whether headers can be held back while the body arrives.
    pub stop_iteration: bool,
    /// Environment variables of its VM.
    pub environment: &'a BTreeMap<String, String>,
    /// Its configuration, if it has one.
    pub configuration: Option<Configuration<'a>>,
}

/// A filter in a dynamic module.
#[derive(Clone, Debug)]
pub struct Module<'a> {
    /// The module's file; `None` = it is named later.
    pub file: Option<&'a str>,
    /// Which of the filters inside the module.
    pub filter_name: &'a str,
    /// Environment variables for it.
    pub environment: &'a BTreeMap<String, String>,
    /// Its configuration, if it has one.
    pub configuration: Option<Configuration<'a>>,
}

/// The configuration of a filter in a module.
#[derive(Clone, Debug)]
pub enum Configuration<'a> {
    /// As text.
    Text(String),
    /// As a protobuf `Struct`, whose bytes the filter reads.
    Struct(&'a Json),
}

/// A virtual host.
#[derive(Clone, Debug)]
pub struct Host<'a> {
    /// Its name.
    pub name: &'a str,
    /// Hosts that it answers for.
    pub domains: &'a [String],
    /// What it says of filters.
    pub scope: Scope<'a>,
    /// Its routes, first match first.
    pub routes: Vec<Route<'a>>,
}

/// A route.
#[derive(Clone, Debug)]
pub struct Route<'a> {
    /// Its name, if it has one.
    pub name: Option<&'a str>,
    /// The paths that it takes.
    pub path: &'a PathMatch,
    /// The headers that it asks for.
    pub headers: &'a [HeaderCondition],
    /// Where it leads; `None` = it answers by itself, as `beside` says.
    pub cluster: Option<&'a str>,
    /// What it says of filters.
    pub scope: Scope<'a>,
    /// Milliseconds for the whole answer.
    pub timeout_ms: Option<u64>,
    /// Milliseconds that an exchange may be silent.
    pub idle_timeout_ms: Option<u64>,
    /// Other members of the route, as Envoy has them.
    pub beside: &'a Map<String, Json>,
    /// Other members of its action, as Envoy has them.
    pub action: &'a Map<String, Json>,
}

/// What a route or a virtual host says of filters.
#[derive(Clone, Debug, Default)]
pub struct Scope<'a> {
    /// Metadata by namespace.
    pub metadata: Option<&'a BTreeMap<String, Map<String, Json>>>,
    /// Filters that are off here.
    pub disable: &'a [String],
    /// Filters that are on here, though off in the chain.
    pub enable: &'a [String],
    /// Filters that have a configuration here.
    pub configured: BTreeMap<String, Json>,
}

/// A server on loopback.
#[derive(Clone, Copy, Debug)]
pub struct Cluster<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its port.
    pub port: u16,
    /// Speaks HTTP/2 instead of HTTP/1.1.
    pub http2: bool,
}

impl Bootstrap<'_> {
    /// As JSON, which Envoy reads from a file that ends in `.json`.
    pub fn json(&self) -> Json {
        let secrets = self.secrets.iter();
        let secrets: Vec<Json> = secrets
            .map(|(name, secret)| {
                json!({"name": name, "generic_secret": {"secret": secret.source()}})
            })
            .collect();
        json!({
            "node": node(),
            "admin": {"address": address(loopback(self.admin_port))},
            "static_resources": {
                "listeners": [self.listener()],
                "clusters": self.clusters(),
                "secrets": secrets,
            },
        })
    }

    /// The servers alone.
    pub fn clusters(&self) -> Vec<Json> {
        self.clusters.iter().map(Cluster::json).collect()
    }

    /// The listener alone.
    pub fn listener(&self) -> Json {
        let mut filters: Vec<Json> = self.filters.iter().map(Filter::json).collect();
        filters.push(json!({
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }));
        let hosts: Vec<Json> = self.hosts.iter().map(Host::json).collect();
        let mut manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "gateway",
            "codec_type": "AUTO",
            "access_log": [self.access_log()],
            "route_config": {"name": "routes", "virtual_hosts": hosts},
            "use_remote_address": self.use_remote_address,
            "always_set_request_id_in_response": true,
            "http_filters": filters,
        });
        let upgrades = self.upgrades.iter();
        let upgrades: Vec<Json> = upgrades
            .map(|protocol| json!({"upgrade_type": protocol}))
            .collect();
        if !upgrades.is_empty() {
            add(&mut manager, "upgrade_configs", upgrades);
            // By HTTP/2 an upgrade is an extended CONNECT.
            let options = json!({"allow_connect": true});
            add(&mut manager, "http2_protocol_options", options);
        }
        let mut listener = json!({
            "name": self.listener,
            "address": address(loopback(self.listener_port)),
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager,
            }]}],
        });
        if let Some(limit) = self.buffer_limit_bytes {
            add(&mut listener, "per_connection_buffer_limit_bytes", limit);
        }
        listener
    }

    fn access_log(&self) -> Json {
        let mut format = Map::new();
        format.insert(SERVED_BY.into(), self.listener.into());
        format.insert(CLIENT.into(), "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%".into());
        format.insert("details".into(), "%RESPONSE_CODE_DETAILS%".into());
        format.insert("flags".into(), "%RESPONSE_FLAGS%".into());
        for fact in &self.facts {
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
}

/// Envoy reads no configuration from elsewhere without a name of its own.
fn node() -> Json {
    json!({"id": LISTENER, "cluster": LISTENER})
}

/// A bootstrap without anything of its own: listeners and clusters stand in two files, which Envoy
/// reads again when others take their places (LDS and CDS by file).
pub fn discovering(admin_port: u16, listeners: &str, clusters: &str) -> Json {
    let source =
        |path: &str| json!({"path_config_source": {"path": path}, "resource_api_version": "V3"});
    json!({
        "node": node(),
        "admin": {"address": address(loopback(admin_port))},
        "dynamic_resources": {"lds_config": source(listeners), "cds_config": source(clusters)},
    })
}

/// What stands in the files of [`discovering`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Listeners.
    Listener,
    /// Clusters.
    Cluster,
}

impl Resource {
    /// The text of a file with these, and no others.
    pub fn file(self, resources: &[Json]) -> Json {
        let message = match self {
            Self::Listener => "envoy.config.listener.v3.Listener",
            Self::Cluster => "envoy.config.cluster.v3.Cluster",
        };
        let typed = resources.iter().map(|resource| {
            let mut resource = resource.clone();
            add(&mut resource, "@type", format!("{PREFIX}{message}"));
            resource
        });
        json!({"resources": typed.collect::<Vec<Json>>()})
    }
}

impl Filter<'_> {
    fn json(&self) -> Json {
        let (member, value) = match &self.code {
            Code::Discovered { path, native } => (
                "config_discovery",
                json!({
                    "config_source": {"path_config_source": {"path": path}, "resource_api_version": "V3"},
                    "type_urls": [if *native { MODULE_FILTER } else { WASM_FILTER }],
                }),
            ),
            code => ("typed_config", code.typed(self.name)),
        };
        json!({"name": self.name, "disabled": self.disabled, member: value})
    }
}

impl Code<'_> {
    fn typed(&self, name: &str) -> Json {
        match self {
            Self::Own(kind, config) => own(*kind, config),
            Self::Wasm(wasm) => wasm.typed(name),
            Self::Module(module) => module.typed(),
            Self::Discovered { .. } => Json::Null,
        }
    }

    /// What stands in the file of [`Code::Discovered`]: the filter `name`, which is this.
    pub fn discovery(&self, name: &str) -> Json {
        json!({"resources": [{
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": name,
            "typed_config": self.typed(name),
        }]})
    }
}

impl Module<'_> {
    fn typed(&self) -> Json {
        let mut config = json!({
            "@type": MODULE_FILTER,
            "dynamic_module_config": dynamic_module(self.file),
            "filter_name": self.filter_name,
        });
        let mut written = match &self.configuration {
            Some(Configuration::Text(text)) => {
                let value = json!({"@type": STRING_VALUE, "value": text});
                add(&mut config, "filter_config", value);
                return config;
            }
            Some(Configuration::Struct(json)) => (*json).clone(),
            None => json!({}),
        };
        if !self.environment.is_empty() {
            let variables = json!({"key_values": self.environment});
            add(&mut written, "environment_variables", variables);
        }
        // As text: a Struct has no whole numbers.
        let value = json!({"@type": STRING_VALUE, "value": written.to_string()});
        add(&mut config, "filter_config", value);
        config
    }

    /// What a route or virtual host says to a filter in the dynamic module of this file.
    pub fn for_route(file: &str, said: &Map<String, Json>) -> Json {
        json!({
            "@type": MODULE_ROUTE,
            "dynamic_module_config": dynamic_module(Some(file)),
            "per_route_config_name": "modelgate",
            "filter_config": {"@type": STRUCT, "value": said},
        })
    }
}

/// Metrics get the prefix that Envoy gives those of wasm modules.
fn dynamic_module(file: Option<&str>) -> Json {
    json!({"module": {"local": {"filename": file}}, "metrics_namespace": "wasmcustom"})
}

fn own(kind: Kind, config: &Json) -> Json {
    let mut typed = config.clone();
    let url = format!("{PREFIX}{}", kind.message());
    add(&mut typed, "@type", url);
    typed
}

impl Wasm<'_> {
    fn typed(&self, name: &str) -> Json {
        let mut config = json!({
            "name": name,
            "root_id": self.root_id,
            "failure_policy": self.failure_policy,
            "allow_on_headers_stop_iteration": self.stop_iteration,
            "vm_config": {
                "vm_id": self.vm_id,
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": self.file}},
                "environment_variables": {"key_values": self.environment},
            },
        });
        if let Some(configuration) = &self.configuration {
            let value = match configuration {
                Configuration::Text(text) => {
                    json!({"@type": STRING_VALUE, "value": text})
                }
                Configuration::Struct(json) => {
                    json!({"@type": STRUCT, "value": json})
                }
            };
            add(&mut config, "configuration", value);
        }
        json!({"@type": WASM_FILTER, "config": config})
    }
}

impl Host<'_> {
    fn json(&self) -> Json {
        let routes: Vec<Json> = self.routes.iter().map(Route::json).collect();
        let mut json = json!({"name": self.name, "domains": self.domains, "routes": routes});
        self.scope.add_to(&mut json);
        json
    }
}

fn header_match(HeaderCondition { name, value }: &HeaderCondition) -> Json {
    let matcher = match value {
        Wanted::Exact { text, ignore_case } => json!({"exact": text, "ignore_case": ignore_case}),
        Wanted::Pattern(pattern) => json!({"safe_regex": {"regex": pattern.text()}}),
    };
    json!({"name": name, "string_match": matcher})
}

impl Route<'_> {
    fn json(&self) -> Json {
        let mut asked = match self.path {
            PathMatch::Prefix(prefix) => json!({"prefix": prefix}),
            PathMatch::Exact(path) => json!({"path": path}),
            PathMatch::Below(path) => json!({"path_separated_prefix": path}),
            PathMatch::Pattern(pattern) => json!({"safe_regex": {"regex": pattern.text()}}),
        };
        if !self.headers.is_empty() {
            add(
                &mut asked,
                "headers",
                self.headers.iter().map(header_match).collect::<Vec<_>>(),
            );
        }
        let mut json = json!({"match": asked});
        if let Some(cluster) = self.cluster {
            let mut action = self.action.clone();
            action.insert("cluster".into(), cluster.into());
            for (name, ms) in [
                ("timeout", self.timeout_ms),
                ("idle_timeout", self.idle_timeout_ms),
            ] {
                action.extend(ms.map(|ms| (name.to_owned(), seconds(ms).into())));
            }
            add(&mut json, "route", action);
        }
        if let Some(members) = json.as_object_mut() {
            members.extend(self.beside.clone());
        }
        if let Some(name) = self.name {
            add(&mut json, "name", name);
        }
        self.scope.add_to(&mut json);
        json
    }
}

impl Scope<'_> {
    fn add_to(&self, json: &mut Json) {
        if let Some(metadata) = self.metadata {
            add(json, "metadata", json!({"filter_metadata": metadata}));
        }
        let switched = |mut config: Json| {
            add(
                &mut config,
                "@type",
                "type.googleapis.com/envoy.config.route.v3.FilterConfig",
            );
            config
        };
        let off = self.disable.iter();
        let off = off.map(|name| (name.clone(), switched(json!({"disabled": true}))));
        let on = self.enable.iter();
        let on = on.map(|name| {
            let config = self.configured.get(name).cloned();
            let config = config.unwrap_or_else(|| json!({}));
            (name.clone(), switched(json!({"config": config})))
        });
        let configured = self.configured.clone().into_iter();
        let per_filter: Map<String, Json> = configured.chain(off).chain(on).collect();
        if !per_filter.is_empty() {
            add(json, "typed_per_filter_config", per_filter);
        }
    }
}

impl Cluster<'_> {
    fn json(&self) -> Json {
        let endpoint = json!({"endpoint": {"address": address(loopback(self.port))}});
        let mut json = json!({
            "name": self.name,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {"cluster_name": self.name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        });
        if self.http2 {
            let options = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }});
            add(&mut json, "typed_extension_protocol_options", options);
        }
        json
    }
}

/// Adds a member to a mapping.
fn add(json: &mut Json, name: &str, value: impl Into<Json>) {
    if let Some(members) = json.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

/// A protobuf duration in JSON.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}s", ms / 1000, ms % 1000)
}
