//! A gateway on its way from another product to Envoy: routes, each with what is asked on it, and
//! servers.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::{digest, provider_key};
use crate::SUITE;
use crate::gateway::{self, put, switched_off, typed};

/// A route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Hosts that it is for; empty for all.
    pub hosts: Vec<String>,
    /// Envoy's `match`es, any of which leads here.
    pub matches: Vec<Match>,
    /// What happens with the request.
    pub action: Action,
    /// Members of Envoy's route besides.
    pub more: Map<String, Json>,
    /// Configurations of the suite's filters that run here, by crate.
    pub plans: BTreeMap<&'static str, Map<String, Json>>,
    /// Configurations of Envoy's own filters that run here, by name.
    pub native: BTreeMap<&'static str, Json>,
    /// Secrets that go to the server.
    pub injected: Vec<Injected>,
    /// Whether plaintext requests are turned away.
    pub needs_tls: bool,
}

/// A secret that takes the place of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// The header.
    pub header: String,
    /// What stands before the secret.
    pub before: &'static str,
    /// The variable of the environment that has it.
    pub variable: String,
}

/// One way to a route.
#[derive(Clone, Debug)]
pub struct Match {
    /// Envoy's `match`.
    pub condition: Json,
    /// The larger, the earlier it is tried.
    pub rank: (usize, u64, usize),
    /// What Envoy rewrites the path to.
    pub rewrite: Option<Json>,
}

/// What happens with a request.
#[derive(Clone, Debug)]
pub enum Action {
    /// It goes to a cluster: Envoy's `route`.
    Forward(Map<String, Json>),
    /// It is answered.
    Reply(u16, String),
}

/// Everything.
#[derive(Debug, Default)]
pub struct Gateway {
    /// Routes.
    pub routes: Vec<Route>,
    /// Clusters of Envoy's.
    pub clusters: Vec<Json>,
    /// Access logs of Envoy's besides standard output.
    pub logs: Vec<Json>,
    /// A sink of audit-log's.
    pub audit: Map<String, Json>,
    /// Secrets of Envoy's.
    pub secrets: Vec<Json>,
    /// Where it listens.
    pub port: u16,
    /// How many proxies in front are trusted.
    pub trusted_hops: u64,
}

/// Name, type, configuration, and whether it stands behind the suite's.
type Native = (&'static str, &'static str, fn() -> Json, bool);

/// Envoy's own filters that routes may ask for, in the order of a chain.
const NATIVE: [Native; 5] = [
    (
        "envoy.filters.http.cors",
        "envoy.extensions.filters.http.cors.v3.Cors",
        || json!({}),
        false,
    ),
    (
        "ip-restriction",
        "envoy.extensions.filters.http.rbac.v3.RBAC",
        || json!({}),
        false,
    ),
    (
        "basic-auth",
        "envoy.extensions.filters.http.basic_auth.v3.BasicAuth",
        || json!({ "users": { "environment_variable": "BASIC_AUTH_USERS" } }),
        false,
    ),
    (
        "request-block",
        "envoy.extensions.filters.http.rbac.v3.RBAC",
        || json!({}),
        false,
    ),
    (
        "request-size",
        "envoy.extensions.filters.http.buffer.v3.Buffer",
        || json!({ "max_request_bytes": 1_048_576 }),
        true,
    ),
];

/// A filter's entry in a chain.
pub fn entry(krate: &str, config: &Json) -> Option<Json> {
    let member = SUITE.member(krate)?;
    let config = located_yaml::Node::from_json(config, located_yaml::Place::default());
    Some(gateway::entry(&gateway::Filter::new(member, config)))
}

impl Gateway {
    /// As a bootstrap.
    pub fn bootstrap(mut self) -> Json {
        let chain = self.chain();
        let mut manager = json!({
            "stat_prefix": "gateway",
            "use_remote_address": true,
            "xff_num_trusted_hops": self.trusted_hops,
            "normalize_path": true,
            "merge_slashes": true,
            "path_with_escaped_slashes_action": "REJECT_REQUEST",
            "common_http_protocol_options": { "headers_with_underscores_action": "REJECT_REQUEST" },
            "always_set_request_id_in_response": true,
        });
        let mut logs = vec![gateway::access_log()];
        logs.append(&mut self.logs);
        put(&mut manager, "access_log", logs);
        put(&mut manager, "route_config", self.table());
        put(&mut manager, "http_filters", chain);
        let manager = json!({
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": typed(
                "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                manager,
            ),
        });
        let address = |host: &str, port: u16| json!({ "socket_address": { "address": host, "port_value": port } });
        json!({
            "admin": { "address": address("127.0.0.1", 9901) },
            "static_resources": {
                "listeners": [ {
                    "name": "gateway",
                    "address": address("0.0.0.0", self.port),
                    "per_connection_buffer_limit_bytes": 2_097_152,
                    "filter_chains": [ { "filters": [ manager ] } ],
                } ],
                "clusters": self.clusters,
                "secrets": self.secrets,
            },
            "stats_config": gateway::stats(),
        })
    }

    /// The filters; what differs by route is written on the routes.
    fn chain(&mut self) -> Json {
        let mut chain = Vec::new();
        chain.extend(entry("audit-log", &self.audit.clone().into()));
        let natives = |behind: bool| NATIVE.iter().filter(move |one| one.3 == behind);
        for (name, kind, config, _) in natives(false) {
            chain.extend(self.native(name, kind, config()));
        }
        for member in SUITE.filters() {
            chain.extend(self.own(member.krate));
        }
        for (name, kind, config, _) in natives(true) {
            chain.extend(self.native(name, kind, config()));
        }
        self.inject(&mut chain);
        chain.push(gateway::router());
        chain.into()
    }

    /// Filters that put secrets into requests, off but where a route asks for them. Envoy does not
    /// start without the variables, and refuses requests where they are empty.
    fn inject(&mut self, chain: &mut Vec<Json>) {
        let mut all: Vec<Injected> = Vec::new();
        for route in &mut self.routes {
            for one in route.injected.clone() {
                for name in one.filters() {
                    let on = json!({ "config": {} });
                    route.per_filter(&name, typed("envoy.config.route.v3.FilterConfig", on));
                }
                if !all.contains(&one) {
                    all.push(one);
                }
            }
        }
        for one in &all {
            let names = one.filters();
            let filters = provider_key::credential(&one.variable, &names, &one.header, one.before);
            for mut filter in filters {
                put(&mut filter, "disabled", true);
                chain.push(filter);
            }
            self.secrets
                .push(provider_key::secret(&one.variable, &one.variable));
        }
    }

    /// One of Envoy's own, off but where a route asks for it.
    fn native(&mut self, name: &'static str, kind: &str, config: Json) -> Option<Json> {
        let asked = |route: &Route| route.native.contains_key(name);
        if !self.routes.iter().any(asked) {
            return None;
        }
        for route in &mut self.routes {
            if let Some(config) = route.native.get(name) {
                let config = config.clone();
                route.per_filter(name, config);
            }
        }
        Some(json!({ "name": name, "disabled": true, "typed_config": typed(kind, config) }))
    }

    /// One of the suite's: the plan of most routes is the base, others are profiles of it.
    fn own(&mut self, krate: &'static str) -> Option<Json> {
        let mut plans: Vec<(Map<String, Json>, usize)> = Vec::new();
        for plan in self
            .routes
            .iter()
            .filter_map(|route| route.plans.get(krate))
        {
            match plans.iter_mut().find(|(known, _)| known == plan) {
                Some((_, count)) => *count = count.saturating_add(1),
                None => plans.push((plan.clone(), 1)),
            }
        }
        let (base, _) = plans.iter().max_by_key(|(_, count)| *count)?.clone();
        let mut profiles = Map::new();
        let filter = krate.replace('-', "_");
        for route in &mut self.routes {
            match route.plans.get(krate) {
                None => route.per_filter(krate, switched_off()),
                Some(plan) if *plan == base => {}
                Some(plan) => {
                    let patch = patch(&base, plan);
                    let known = profiles.iter().find(|(_, known)| **known == patch);
                    let name = known.map(|(name, _)| name.clone());
                    let name = name.unwrap_or_else(|| {
                        let name = free(&route.name, &profiles);
                        profiles.insert(name.clone(), patch);
                        name
                    });
                    route.choose(&filter, &name);
                }
            }
        }
        let mut config = base;
        if !profiles.is_empty() {
            config.insert("profiles".into(), profiles.into());
        }
        entry(krate, &config.into())
    }

    /// The virtual hosts: a request is looked for in the one that fits its host best, so each has
    /// every route that could be meant there, in the order in which they are tried.
    fn table(&self) -> Json {
        let mut domains: Vec<&str> = Vec::new();
        for host in self.routes.iter().flat_map(|route| &route.hosts) {
            if !domains.contains(&host.as_str()) {
                domains.push(host);
            }
        }
        domains.push("*");
        let hosts: Vec<Json> = domains.iter().map(|domain| self.host(domain)).collect();
        json!({
            "name": "routes",
            "ignore_port_in_host_matching": true,
            "virtual_hosts": hosts,
        })
    }

    fn host(&self, domain: &str) -> Json {
        // A wildcard is less than a name, and no host at all is least.
        let fits = |route: &Route| -> Option<usize> {
            if route.hosts.is_empty() {
                return Some(0);
            }
            let of = |host: &String| match host.strip_prefix('*').or(host.strip_suffix('*')) {
                _ if host == domain => Some(if host.contains('*') { 1 } else { 2 }),
                Some(end) if domain.ends_with(end) || domain.starts_with(end) => Some(1),
                _ => None,
            };
            route.hosts.iter().filter_map(of).max()
        };
        let mut ways: Vec<(usize, &Match, &Route)> = Vec::new();
        for route in &self.routes {
            let Some(specific) = fits(route) else {
                continue;
            };
            ways.extend(route.matches.iter().map(|way| (specific, way, route)));
        }
        ways.sort_by(|one, other| {
            let rank = |(specific, way, _): &(usize, &Match, &Route)| {
                let (criteria, priority, length) = way.rank;
                (
                    criteria.saturating_add((*specific > 0).into()),
                    *specific,
                    priority,
                    length,
                )
            };
            rank(other).cmp(&rank(one))
        });
        let routes: Vec<Json> = ways
            .iter()
            .flat_map(|(_, way, route)| route.written(way))
            .collect();
        let name = match domain {
            "*" => "everywhere".to_owned(),
            domain => domain.to_owned(),
        };
        json!({ "name": name, "domains": [domain], "routes": routes })
    }
}

impl Injected {
    /// The names of the filters that put it there.
    fn filters(&self) -> [String; 2] {
        let name = digest::plain(&self.variable, 60).replace('_', "-");
        [format!("inject-{name}"), format!("write-{name}")]
    }
}

impl Route {
    /// A route that nothing is asked on yet.
    pub fn new(name: String, hosts: Vec<String>, action: Action) -> Self {
        Self {
            name,
            hosts,
            matches: Vec::new(),
            action,
            more: Map::new(),
            plans: BTreeMap::new(),
            native: BTreeMap::new(),
            injected: Vec::new(),
            needs_tls: false,
        }
    }

    /// Says something of a filter here.
    fn per_filter(&mut self, name: &str, config: Json) {
        let configs = self.more.entry("typed_per_filter_config");
        put(configs.or_insert_with(|| json!({})), name, config);
    }

    /// Chooses a profile of a filter.
    fn choose(&mut self, filter: &str, profile: &str) {
        let mut at = self.more.entry("metadata").or_insert_with(|| json!({}));
        for step in ["filter_metadata", "modelgate"] {
            if at.get(step).is_none() {
                put(at, step, json!({}));
            }
            match at.get_mut(step) {
                Some(below) => at = below,
                None => return,
            }
        }
        put(at, filter, json!({ "profile": profile }));
    }

    /// Closes it: nothing that is asked here reaches a server.
    pub fn close(&mut self, why: &str) {
        let body = json!({ "message": format!("This route was closed by the import: {why}") });
        self.action = Action::Reply(403, body.to_string());
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        matches!(self.action, Action::Reply(403, _))
    }

    /// The routes of Envoy's for one match.
    fn written(&self, way: &Match) -> Vec<Json> {
        let mut route = json!({ "name": self.name, "match": way.condition });
        match &self.action {
            Action::Forward(action) => {
                let mut action = Json::from(action.clone());
                if let Some(Json::Object(rewrite)) = &way.rewrite {
                    for (name, value) in rewrite {
                        put(&mut action, name, value.clone());
                    }
                }
                put(&mut route, "route", action);
            }
            Action::Reply(status, body) => {
                let reply = json!({ "status": status, "body": { "inline_string": body } });
                put(&mut route, "direct_response", reply);
            }
        }
        for (name, value) in &self.more {
            put(&mut route, name, value.clone());
        }
        if !self.needs_tls {
            return vec![route];
        }
        let mut turned_away = route.clone();
        if let (Some(secure), Json::Object(members)) = (route.get_mut("match"), &mut turned_away) {
            let https =
                json!({ "name": "x-forwarded-proto", "string_match": { "exact": "https" } });
            match secure.get_mut("headers").and_then(Json::as_array_mut) {
                Some(headers) => headers.push(https),
                None => put(secure, "headers", json!([https])),
            }
            members.shift_remove("route");
            let body = json!({ "message": "Please use HTTPS protocol" }).to_string();
            let reply = json!({ "status": 426, "body": { "inline_string": body } });
            members.insert("direct_response".into(), reply);
        }
        vec![route, turned_away]
    }
}

/// What turns a configuration into another (RFC 7396).
fn patch(base: &Map<String, Json>, plan: &Map<String, Json>) -> Json {
    let mut patch = Map::new();
    for (name, value) in plan {
        match base.get(name) {
            Some(known) if known == value => {}
            // Of an object only what it has would be replaced.
            Some(Json::Object(known)) if value.is_object() => {
                let inner = value.as_object().cloned().unwrap_or_default();
                patch.insert(name.clone(), self::patch(known, &inner));
            }
            _ => {
                patch.insert(name.clone(), value.clone());
            }
        }
    }
    for name in base.keys().filter(|name| !plan.contains_key(*name)) {
        patch.insert(name.clone(), Json::Null);
    }
    patch.into()
}

/// A name for a profile that no other has.
fn free(wanted: &str, taken: &Map<String, Json>) -> String {
    let base = digest::plain(wanted, 40);
    let mut name = base.clone();
    let mut number = 1_usize;
    while taken.contains_key(&name) {
        number = number.saturating_add(1);
        name = format!("{base}_{number}");
    }
    name
}
