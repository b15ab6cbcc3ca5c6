//! The proxy of a scenario: its settings, virtual hosts and routes.

use std::collections::BTreeMap;

use located_yaml::read::{At, at_member};
use located_yaml::shape::{Many, Source};
use modelgate_envoy::config::own::{answer_changes, direct_response, header_changes, rewrite};
use modelgate_kit::config::Bounded;
use proxy_wasm_simulator::{
    DirectResponse, HeaderChanges, HeaderCondition, PathMatch, Rewrite, Wanted,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::UPSTREAM;
use super::chain::ChainEntry;
use super::message::MAX_WAIT_MS;
use super::upstream::Cluster;

/// Settings of the proxy itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    /// Worker threads; 1 if not given.
    workers: Option<Bounded<1, 16>>,
    /// Bytes of a body that may be held back; the proxy's default if not given.
    buffer_limit_bytes: Option<Bounded<1, MAX_BUFFER>>,
    /// The client's address is the connection's own, whatever `x-forwarded-for` says.
    pub use_remote_address: bool,
    /// Protocols that a connection may be upgraded to, such as `websocket`.
    upgrades: Many<String>,
}

/// The largest buffer that a scenario may ask for.
const MAX_BUFFER: u64 = 1 << 30;

impl Gateway {
    /// Worker threads.
    pub fn workers(&self) -> u32 {
        self.workers.map_or(1, Bounded::short)
    }

    /// Bytes of a body that may be held back; `None` = the proxy's default.
    pub fn buffer_limit_bytes(&self) -> Option<u32> {
        self.buffer_limit_bytes.map(Bounded::short)
    }

    /// Protocols that a connection may be upgraded to.
    pub fn upgrades(&self) -> &[String] {
        &self.upgrades.0
    }
}

/// A virtual host.
#[derive(Clone, Debug)]
pub struct VirtualHost {
    /// Its name.
    pub name: String,
    /// Hosts it answers for; `*` for any.
    pub domains: Vec<String>,
    /// Metadata by namespace.
    pub metadata: Option<Metadata>,
    /// Filters switched for it.
    pub switches: Switches,
    /// Its routes, first match first.
    pub routes: Vec<Route>,
}

/// A route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name, if any.
    pub name: Option<String>,
    /// The paths it takes.
    pub path: PathMatch,
    /// The headers that it asks for.
    pub headers: Vec<HeaderCondition>,
    /// Where it leads.
    pub cluster: String,
    /// Metadata by namespace.
    pub metadata: Option<Metadata>,
    /// Filters switched for it.
    pub switches: Switches,
    /// Time for the whole answer; `None` = the proxy's default.
    pub timeout_ms: Option<u64>,
    /// How long an exchange may be silent; `None` = for ever.
    pub idle_timeout_ms: Option<u64>,
    /// What it changes in the headers of requests.
    pub header_changes: HeaderChanges,
    /// What it changes in the headers of answers.
    pub answer_changes: HeaderChanges,
    /// What it answers by itself, and sends to no cluster.
    pub direct_response: Option<DirectResponse>,
    /// Where the upstream is told that requests go.
    pub rewrite: Rewrite,
    /// The same as they are written for Envoy: members of the route, and of its action.
    pub written: (Map<String, Json>, Map<String, Json>),
}

/// A route: which paths it takes, and what happens there.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Route")]
pub(super) struct WrittenRoute {
    /// Name.
    name: Option<String>,
    /// Takes paths that begin so; `/` if neither this nor `path` is given.
    prefix: Option<String>,
    /// Takes this path.
    path: Option<String>,
    /// Takes requests that have each of these headers with this value.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Cluster that it leads to; `upstream` if not given.
    cluster: Option<String>,
    /// Metadata by namespace.
    metadata: Option<Metadata>,
    /// Filters of the chain that are off here.
    #[serde(default)]
    disable: Many<String>,
    /// Filters of the chain that are on here, though off in the chain.
    #[serde(default)]
    enable: Many<String>,
    /// Milliseconds for the whole answer; the proxy's default if not given.
    timeout_ms: Option<Bounded<1, MAX_WAIT_MS>>,
    /// Milliseconds that an exchange may be silent.
    idle_timeout_ms: Option<Bounded<1, MAX_WAIT_MS>>,
    /// As in Envoy's route.
    request_headers_to_add: Option<Json>,
    /// As in Envoy's route.
    request_headers_to_remove: Option<Json>,
    /// As in Envoy's route.
    response_headers_to_add: Option<Json>,
    /// As in Envoy's route.
    response_headers_to_remove: Option<Json>,
    /// As in Envoy's route: an answer of its own, in place of a cluster.
    direct_response: Option<Json>,
    /// As in Envoy's route action.
    host_rewrite_literal: Option<Json>,
    /// As in Envoy's route action.
    prefix_rewrite: Option<Json>,
    /// As in Envoy's route action.
    regex_rewrite: Option<Json>,
}

/// A virtual host besides the default one.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "VirtualHost")]
pub(super) struct WrittenHost {
    /// Hosts that it answers for.
    domains: Many<String>,
    /// Metadata by namespace.
    metadata: Option<Metadata>,
    /// Filters of the chain that are off here.
    #[serde(default)]
    disable: Many<String>,
    /// Filters of the chain that are on here, though off in the chain.
    #[serde(default)]
    enable: Many<String>,
    /// Routes, first match first; one to `upstream` if not given.
    #[schemars(with = "Option<Vec<WrittenRoute>>")]
    routes: Option<Source>,
}

/// Keys and values by namespace.
pub type Metadata = BTreeMap<String, Map<String, Json>>;

/// Filters switched off or on for a route or a virtual host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// Off here.
    pub disable: Vec<String>,
    /// On here, though off in the chain.
    pub enable: Vec<String>,
}

/// The virtual hosts of `virtual_hosts` and `routes`, both members of `file`.
pub(super) fn read_virtual_hosts(
    file: &At<'_>,
    chain: &[ChainEntry],
    clusters: &BTreeMap<String, Cluster>,
) -> Vec<VirtualHost> {
    let reader = RouteReader { chain, clusters };
    let mut all: Vec<VirtualHost> = Vec::new();
    let (hosts, routes) = (file.member("virtual_hosts"), file.member("routes"));
    for (key, at) in hosts.map(|at| at.entries()).unwrap_or_default() {
        all.extend(reader.virtual_host(&key.text, &at));
    }
    if all
        .iter()
        .any(|host| host.domains.iter().any(|domain| domain == "*"))
    {
        if let Some(routes) = routes {
            routes.refuse::<()>("a virtual host for \"*\" has routes of its own already");
        }
        return all;
    }
    all.push(VirtualHost {
        name: "default".into(),
        domains: vec!["*".into()],
        metadata: None,
        switches: Switches::default(),
        routes: reader.routes(routes.as_ref()),
    });
    all
}

struct RouteReader<'a> {
    chain: &'a [ChainEntry],
    clusters: &'a BTreeMap<String, Cluster>,
}

impl RouteReader<'_> {
    fn virtual_host(&self, name: &str, at: &At<'_>) -> Option<VirtualHost> {
        let written: WrittenHost = at.parse()?;
        let routes = written.routes.as_ref().map(|routes| routes.at(at.report()));
        self.know(at.member("disable"));
        self.know(at.member("enable"));
        Some(VirtualHost {
            name: name.to_owned(),
            domains: written.domains.0,
            metadata: written.metadata,
            switches: Switches {
                disable: written.disable.0,
                enable: written.enable.0,
            },
            routes: self.routes(routes.as_ref()),
        })
    }

    fn routes(&self, at: Option<&At<'_>>) -> Vec<Route> {
        let Some(at) = at else {
            return vec![Route {
                name: None,
                path: PathMatch::Prefix("/".into()),
                headers: Vec::new(),
                cluster: UPSTREAM.into(),
                metadata: None,
                switches: Switches::default(),
                timeout_ms: None,
                idle_timeout_ms: None,
                header_changes: HeaderChanges::default(),
                answer_changes: HeaderChanges::default(),
                direct_response: None,
                rewrite: Rewrite::default(),
                written: (Map::new(), Map::new()),
            }];
        };
        at.list().iter().filter_map(|at| self.route(at)).collect()
    }

    fn route(&self, at: &At<'_>) -> Option<Route> {
        let written: WrittenRoute = at.parse()?;
        let path = match (written.prefix, written.path) {
            (Some(_), Some(_)) => return at.refuse("give `prefix` or `path`, not both"),
            (_, Some(path)) => PathMatch::Exact(path),
            (prefix, None) => PathMatch::Prefix(prefix.unwrap_or_else(|| "/".into())),
        };
        let cluster = written.cluster.unwrap_or_else(|| UPSTREAM.to_owned());
        if !self.clusters.contains_key(&cluster) {
            let message = format!("no cluster is called {cluster:?}");
            return at.refuse(at_member("cluster", &message));
        }
        self.know(at.member("disable"));
        self.know(at.member("enable"));
        let mut fields = at.fields()?;
        Some(Route {
            name: written.name,
            path,
            headers: written.headers.into_iter().map(asked_for).collect(),
            cluster,
            metadata: written.metadata,
            switches: Switches {
                disable: written.disable.0,
                enable: written.enable.0,
            },
            timeout_ms: written.timeout_ms.map(Bounded::value),
            idle_timeout_ms: written.idle_timeout_ms.map(Bounded::value),
            written: (
                as_written([
                    ("request_headers_to_add", written.request_headers_to_add),
                    (
                        "request_headers_to_remove",
                        written.request_headers_to_remove,
                    ),
                    ("response_headers_to_add", written.response_headers_to_add),
                    (
                        "response_headers_to_remove",
                        written.response_headers_to_remove,
                    ),
                    ("direct_response", written.direct_response),
                ]),
                as_written([
                    ("host_rewrite_literal", written.host_rewrite_literal),
                    ("prefix_rewrite", written.prefix_rewrite),
                    ("regex_rewrite", written.regex_rewrite),
                ]),
            ),
            header_changes: header_changes(&mut fields),
            answer_changes: answer_changes(&mut fields),
            direct_response: direct_response(&mut fields)?,
            rewrite: rewrite(&mut fields),
        })
    }

    /// Refuses names that no filter of the chain has.
    fn know(&self, filters: Option<At<'_>>) {
        for at in filters.iter().flat_map(At::one_or_many) {
            let named = |entry: &ChainEntry| at.node.text() == Some(&entry.name);
            if !self.chain.iter().any(named) {
                at.refuse::<()>("no filter of the chain has this name");
            }
        }
    }
}

/// A header that a route asks for, with its value.
fn asked_for((name, text): (String, String)) -> HeaderCondition {
    HeaderCondition {
        name: name.to_ascii_lowercase(),
        value: Wanted::Exact {
            text,
            ignore_case: false,
        },
    }
}

/// Members that are handed to Envoy as they are.
fn as_written<const N: usize>(members: [(&str, Option<Json>); N]) -> Map<String, Json> {
    let given = members.into_iter();
    given
        .filter_map(|(name, json)| Some((name.to_owned(), json?)))
        .collect()
}
