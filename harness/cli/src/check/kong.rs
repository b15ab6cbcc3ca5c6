//! Kong's declarative configuration: the filter chains of services and routes.
//!
//! A request passes the chain of its service, then that of its route. Filters that stand among the
//! plugins run in an order of Kong's own. `kong.conf` beside the file is read with it.

pub(super) mod conf;

use std::collections::BTreeSet;
use std::path::Path;

use super::allow::Allowances;
use super::codes;
use super::entry::{self, flag, text};
use super::files::{Files, Sink};
use super::finding::Finding;
use super::wasmx::{self, Filter, Way, Written};
use super::{Outcome, finish};
use crate::SUITE;
use conf::Conf;
use located_yaml::{Node, Place, Value};
use modelgate_kit::config::strict::nearest;

/// Plugins of Kong's that refuse who is not known, unless they are given an `anonymous` consumer.
const AUTHENTICATORS: [&str; 13] = [
    "acl",
    "basic-auth",
    "header-cert-auth",
    "hmac-auth",
    "jwt",
    "key-auth",
    "key-auth-enc",
    "ldap-auth",
    "ldap-auth-advanced",
    "mtls-auth",
    "oauth2",
    "oauth2-introspection",
    "openid-connect",
];

/// Members of a filter in a chain.
const MEMBERS: [&str; 3] = ["name", "enabled", "config"];

/// Whether a document is a declarative configuration of Kong's.
pub(super) fn is_declarative(document: &Node) -> bool {
    let services = document.member("services");
    document.member("_format_version").is_some()
        || services.is_some_and(|services| matches!(services.value, Value::List(_)))
}

/// A service or a route, with what hangs on it.
struct Entity<'a> {
    node: &'a Node,
    /// Name or id.
    name: &'a str,
    /// The name of a route's service.
    service: Option<&'a str>,
    chains: Vec<&'a Node>,
    guarded: bool,
}

impl<'a> Entity<'a> {
    fn of(node: &'a Node, service: Option<&'a str>) -> Self {
        let chains = items(node, "filter_chains");
        Self {
            node,
            name: text(node, &["name"])
                .or_else(|| text(node, &["id"]))
                .unwrap_or_default(),
            service: service.or_else(|| reference(node, "service")),
            chains: chains.iter().collect(),
            guarded: items(node, "plugins").iter().any(authenticates),
        }
    }
}

fn items<'a>(node: &'a Node, name: &str) -> &'a [Node] {
    node.member(name).map(Node::items).unwrap_or_default()
}

/// The name that a member refers to: `service: api`, `service: { name: api }`.
fn reference<'a>(node: &'a Node, member: &str) -> Option<&'a str> {
    let written = node.member(member)?;
    written
        .text()
        .or_else(|| text(written, &["name"]))
        .or_else(|| text(written, &["id"]))
}

/// Whether a plugin refuses strangers.
fn authenticates(plugin: &Node) -> bool {
    let anonymous = super::entry::node(plugin, &["config", "anonymous"]);
    text(plugin, &["name"]).is_some_and(|name| AUTHENTICATORS.contains(&name))
        && text(plugin, &["enabled"]) != Some("false")
        && anonymous.is_none_or(Node::is_null)
}

/// Everything of a file.
struct Declared<'a> {
    services: Vec<Entity<'a>>,
    routes: Vec<Entity<'a>>,
    /// Whether a plugin for all of Kong refuses strangers.
    guarded: bool,
    findings: Vec<Finding>,
}

impl<'a> Declared<'a> {
    fn of(root: &'a Node) -> Self {
        let mut declared = Self {
            services: Vec::new(),
            routes: Vec::new(),
            guarded: false,
            findings: Vec::new(),
        };
        for service in items(root, "services") {
            let entity = Entity::of(service, None);
            let name = entity.name;
            declared.services.push(entity);
            let routes = items(service, "routes").iter();
            let routes = routes.map(|route| Entity::of(route, Some(name)));
            declared.routes.extend(routes);
        }
        let routes = items(root, "routes").iter();
        declared
            .routes
            .extend(routes.map(|route| Entity::of(route, None)));
        for chain in items(root, "filter_chains") {
            declared.attach(chain);
        }
        for plugin in items(root, "plugins")
            .iter()
            .filter(|plugin| authenticates(plugin))
        {
            match (reference(plugin, "service"), reference(plugin, "route")) {
                (None, None) => declared.guarded |= plugin.member("consumer").is_none(),
                (_, Some(route)) => guard(&mut declared.routes, route),
                (Some(service), None) => guard(&mut declared.services, service),
            }
        }
        declared.plugins(root);
        declared
    }

    /// A chain that names what it belongs to.
    fn attach(&mut self, chain: &'a Node) {
        let (service, route) = (reference(chain, "service"), reference(chain, "route"));
        let (entities, name) = match (service, route) {
            (Some(name), None) => (&mut self.services, name),
            (None, Some(name)) => (&mut self.routes, name),
            (service, _) => {
                let problem = match service {
                    None => "the chain belongs to no service and to no route",
                    Some(_) => "the chain belongs to a service and to a route",
                };
                let hint = "write `service: NAME` or `route: NAME`; both at once in two chains";
                return self.refuse(chain.place, "filter_chains", problem.to_owned(), hint);
            }
        };
        match entities.iter_mut().find(|entity| entity.name == name) {
            Some(entity) => entity.chains.push(chain),
            None => {
                let names: Vec<&str> = entities.iter().map(|entity| entity.name).collect();
                let hint = match nearest(name, &names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "write the service or route in this file".to_owned(),
                };
                let problem = format!("the chain belongs to {name:?}, which is not in this file");
                self.refuse(chain.place, "filter_chains", problem, &hint);
            }
        }
    }

    fn refuse(&mut self, place: Place, name: &str, problem: String, hint: &str) {
        let finding = Finding::new(&codes::FILTER_CHAIN, place, name, problem, hint);
        self.findings.push(finding);
    }

    /// Filters of the suite among the plugins, wherever these stand.
    fn plugins(&mut self, at: &Node) {
        for (key, value) in at.members() {
            if key.text == "plugins" {
                for plugin in value.items() {
                    let name = text(plugin, &["name"]).unwrap_or_default();
                    if is_filter(name) {
                        let problem =
                            "Kong runs it in an order of its own there, not in that of the list";
                        let hint = "write it into `filter_chains` of the service or the route";
                        let finding =
                            Finding::new(&codes::AS_PLUGIN, plugin.place, name, problem, hint);
                        self.findings.push(finding);
                    }
                }
            }
            self.plugins(value);
        }
        at.items().iter().for_each(|item| self.plugins(item));
    }

    /// The filters of an entity's chain.
    fn filters(&mut self, chains: &[&Node]) -> Vec<Filter> {
        let mut enabled = chains.iter();
        let Some(chain) = enabled.next() else {
            return Vec::new();
        };
        for second in enabled {
            let problem = format!("a second chain of the same, first at {}", chain.place);
            self.refuse(second.place, "filter_chains", problem, "write one chain");
        }
        if text(chain, &["enabled"]) == Some("false") {
            return Vec::new();
        }
        let listed = items(chain, "filters");
        if listed.is_empty() {
            let problem = "the chain lists no filters".to_owned();
            self.refuse(chain.place, "filter_chains", problem, "write `filters:`");
        }
        let on = |filter: &&Node| text(filter, &["enabled"]) != Some("false");
        listed
            .iter()
            .filter(on)
            .filter_map(|node| self.filter(node))
            .collect()
    }

    fn filter(&mut self, node: &Node) -> Option<Filter> {
        let Some(name) = text(node, &["name"]) else {
            let problem = "a filter without a name".to_owned();
            self.refuse(node.place, "filter_chains", problem, "write `name:`");
            return None;
        };
        for (key, _) in node.members() {
            if !MEMBERS.contains(&key.text.as_str()) {
                let hint = match nearest(&key.text, &MEMBERS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("a filter has {}", MEMBERS.join(", ")),
                };
                let problem = format!("a filter has no `{}`", key.text);
                self.refuse(key.place, name, problem, &hint);
            }
        }
        if !is_filter(name) {
            let known: Vec<&str> = SUITE
                .filters()
                .iter()
                .map(|member| member.filter.name)
                .collect();
            let meant = SUITE.member(name).map(|member| member.filter.name);
            if let Some(meant) = meant.or_else(|| nearest(name, &known)) {
                let place = node.member("name").unwrap_or(node).place;
                let problem = "Kong knows no filter of this name";
                let hint = format!("did you mean `{meant}`?");
                let finding = Finding::new(&codes::UNKNOWN_FILTER, place, name, problem, hint);
                self.findings.push(finding);
                return None;
            }
        }
        let config = match node.member("config") {
            None => Written::Absent,
            Some(config) if config.is_null() => Written::Absent,
            Some(config) if config.text().is_some() => {
                if is_filter(name) {
                    let problem = "the configuration is a text, which Kong refuses where the filter's `meta.json` describes a mapping";
                    let hint = "write it as YAML below `config:`";
                    let finding =
                        Finding::new(&codes::CONFIG_AS_TEXT, config.place, name, problem, hint);
                    self.findings.push(finding);
                }
                Written::Text(config.clone())
            }
            Some(config) => Written::Yaml(config.clone()),
        };
        Some(Filter {
            name: name.to_owned(),
            node: node.clone(),
            runs: is_filter(name).then(|| entry::runs(name, None)).flatten(),
            config,
        })
    }
}

/// Whether Kong's name of a filter is that of one of the suite.
fn is_filter(name: &str) -> bool {
    let mut filters = SUITE.filters().iter();
    filters.any(|member| member.filter.name == name)
}

fn guard(entities: &mut [Entity<'_>], name: &str) {
    for entity in entities.iter_mut().filter(|entity| entity.name == name) {
        entity.guarded = true;
    }
}

/// Checks a document; `folder` is where `kong.conf` is looked for.
pub(super) fn check(text: &str, root: &Node, folder: Option<&Path>) -> Outcome {
    let mut outcome = Outcome::default();
    let files = Files::alone(text);
    let mut sink = Sink::new(&files);
    let mut declared = Declared::of(root);
    let services: Vec<Vec<Filter>> = chains(&declared.services)
        .iter()
        .map(|chains| declared.filters(chains))
        .collect();
    let routes: Vec<Vec<Filter>> = chains(&declared.routes)
        .iter()
        .map(|chains| declared.filters(chains))
        .collect();
    let (conf, path) = match folder.map(|folder| folder.join("kong.conf")) {
        Some(path) => (
            std::fs::read_to_string(&path)
                .ok()
                .and_then(|text| Conf::read(&text)),
            path,
        ),
        None => (None, Path::new("kong.conf").to_owned()),
    };
    let buffer = conf.as_ref().map(Conf::body_buffer);
    let mut ways = Vec::new();
    for (route, own) in declared.routes.iter().zip(&routes) {
        let service = declared
            .services
            .iter()
            .zip(&services)
            .find(|(service, _)| Some(service.name) == route.service);
        let before = service
            .map(|(_, filters)| filters.as_slice())
            .unwrap_or_default();
        let guarded = service.is_some_and(|(service, _)| service.guarded);
        let way = Way {
            node: route.node,
            filters: before.iter().chain(own).collect(),
            guarded: declared.guarded || route.guarded || guarded,
            body_buffer: buffer,
            unbuffered: unbuffered(route.node),
        };
        signed(&way, route, service.map(|(service, _)| service), &mut sink);
        ways.push(way);
    }
    for (service, filters) in declared.services.iter().zip(&services) {
        let mut routes = declared.routes.iter();
        if !routes.any(|route| route.service == Some(service.name)) {
            ways.push(Way {
                node: service.node,
                filters: filters.iter().collect(),
                guarded: declared.guarded || service.guarded,
                body_buffer: buffer,
                unbuffered: None,
            });
        }
    }
    let settings = conf.as_ref().map_or_else(conf::unread, Conf::settings);
    wasmx::check(&ways, &settings, text, &files, &mut sink, &mut outcome);
    let used: BTreeSet<&str> = ways
        .iter()
        .flat_map(|way| &way.filters)
        .filter(|filter| filter.runs.is_some())
        .map(|filter| filter.name.as_str())
        .collect();
    let used: Vec<&str> = used.into_iter().collect();
    let mut found = std::mem::take(&mut declared.findings);
    found.append(&mut sink.list);
    match &conf {
        Some(conf) => found.extend(
            conf.check(&used)
                .into_iter()
                .chain(conf.modules(&used))
                .map(|finding| Finding {
                    file: Some(path.clone()),
                    ..finding
                }),
        ),
        None if used.is_empty() => {}
        None => {
            let problem =
                "there is no kong.conf beside this file: what it must set was not checked";
            let hint = "wasm, wasm_filters_path, nginx_wasm_shm_kv_modelgate, nginx_http_client_body_buffer_size and nginx_main_env (kong/kong.conf)";
            let place = root.place;
            found.push(Finding::new(
                &codes::SETTINGS_ELSEWHERE,
                place,
                "kong.conf",
                problem,
                hint,
            ));
        }
    }
    // What stands among the plugins is there, if in the wrong place.
    let misplaced = found
        .iter()
        .filter(|finding| finding.code == &codes::AS_PLUGIN)
        .count();
    outcome.unread = outcome.unread.saturating_add(misplaced);
    let allowances = Allowances::of(text, std::slice::from_ref(root), &mut found);
    finish(&allowances, outcome, found)
}

fn chains<'a>(entities: &[Entity<'a>]) -> Vec<Vec<&'a Node>> {
    entities
        .iter()
        .map(|entity| entity.chains.clone())
        .collect()
}

/// Where a route says that bodies are not collected.
fn unbuffered(route: &Node) -> Option<Place> {
    let written = route.member("request_buffering")?;
    (written.text() == Some("false")).then_some(written.place)
}

/// What Kong changes of a request behind the filters, and a signature names.
fn signed(way: &Way<'_>, route: &Entity<'_>, service: Option<&Entity<'_>>, sink: &mut Sink<'_>) {
    let signs = way
        .filters
        .iter()
        .any(|filter| filter.runs.is_some() && filter.name == "aws_sigv4");
    if !signs {
        return;
    }
    let mut add = |node: &Node, problem: &str, hint: &str| {
        let finding = Finding::new(&codes::CHANGED, node.place, "aws_sigv4", problem, hint);
        sink.add(0, finding);
    };
    if text(route.node, &["strip_path"]) != Some("false") {
        let place = route.node.member("strip_path").unwrap_or(route.node);
        let problem =
            "Kong takes the route's path off behind the filters: the signature is of another path";
        add(place, problem, "write `strip_path: false`");
    }
    if flag(route.node, &["preserve_host"]) {
        let place = route.node.member("preserve_host").unwrap_or(route.node);
        let problem = "Kong sends the client's host: the signature is of the service's";
        add(place, problem, "write `preserve_host: false`");
    }
    let path = service.and_then(|service| service.node.member("path"));
    if let Some(path) =
        path.filter(|path| !matches!(path.text(), Some("" | "/")) && !path.is_null())
    {
        let problem = "Kong puts the service's path in front behind the filters: the signature is of another path";
        add(path, problem, "write the service without a path");
    }
}

#[cfg(test)]
mod tests;
