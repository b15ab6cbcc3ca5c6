//! The chains of a configuration: their filters, and the routes that requests take through them.

use modelgate_kit::profile::written::merge;
use serde_json::Value as Json;

use super::entry::{Entry, Form, Part, Slot, What, flag, node, optional, text};
use super::files::Files;
use super::route_config::RouteConfig;
use located_yaml::{Node, Place};

/// A chain of filters.
pub(super) struct Chain<'a> {
    /// Number of the file it stands in.
    pub file: usize,
    /// The HTTP connection manager, or what holds the list.
    pub manager: &'a Node,
    /// The listener around it.
    pub listener: Option<&'a Node>,
    /// The listener's chain of network filters around it.
    pub filter_chain: Option<&'a Node>,
    /// Whether it belongs to a cluster: its filters run after those of the listener's chain.
    pub upstream: bool,
    /// Whether it is for upgraded connections only, in place of the chain of its connection
    /// manager.
    pub upgrade: bool,
    /// Whether it is a single filter inside of another one, which decides when it runs.
    pub nested: bool,
    /// What stands around it on a host other than Envoy.
    pub elsewhere: Option<Elsewhere>,
    /// Its filters.
    pub slots: Vec<Slot<'a>>,
    /// The routes that requests may take; none if they are not at hand.
    pub views: Vec<View<'a>>,
}

/// What stands around a chain on a host other than Envoy. Such a chain is whole as it stands.
#[derive(Clone, Copy)]
pub(super) struct Elsewhere {
    /// Whether the host refuses strangers itself.
    pub guarded: bool,
}

/// A way of a request: a route, and one of its clusters if it has several.
pub(super) struct View<'a> {
    /// Number of the file it stands in.
    pub file: usize,
    /// Where the route stands.
    pub place: Place,
    /// What to call it.
    pub name: String,
    /// Weighted cluster, route, virtual host and route configuration, as far as they are there:
    /// what is nearer to the request first.
    pub levels: Vec<&'a Node>,
    /// The route.
    pub route: &'a Node,
}

/// A filter of the suite in a chain.
#[derive(Clone, Copy)]
pub(super) struct Ours<'c, 'a> {
    pub slot: &'c Slot<'a>,
    pub entry: &'c Entry<'a>,
    pub part: Part,
}

impl<'a> Chain<'a> {
    /// Every chain of the files.
    pub fn all(files: &'a Files) -> Vec<Self> {
        let mut chains = Vec::new();
        for (file, root) in files.roots() {
            find(
                root,
                file,
                files,
                Around::default(),
                Standing::Apart,
                &mut chains,
            );
        }
        // Filters in files of their own that no chain asks for.
        let wanted = |chains: &[Chain<'_>], name: &str| {
            chains
                .iter()
                .any(|chain| chain.slots.iter().any(|slot| slot.name == name))
        };
        for (file, root) in files.roots() {
            let resources = root
                .member("resources")
                .map(Node::items)
                .unwrap_or_default();
            for resource in resources.iter().chain([root]) {
                let source = files.get(file).map_or("", |file| &file.text);
                let is_filter = text(resource, &["@type"])
                    .is_some_and(|kind| kind.ends_with("TypedExtensionConfig"));
                let name = text(resource, &["name"]).unwrap_or_default();
                if is_filter && !wanted(&chains, name) {
                    chains.push(Chain {
                        file,
                        manager: resource,
                        listener: None,
                        filter_chain: None,
                        upstream: false,
                        upgrade: false,
                        nested: false,
                        elsewhere: None,
                        slots: vec![Slot::read(resource, source, file)],
                        views: Vec::new(),
                    });
                }
            }
        }
        chains
    }

    /// Whether it is a chain of its own and not a few filters for one.
    pub fn is_whole(&self) -> bool {
        let is_router = |slot: &Slot<'_>| matches!(&slot.what, What::Other(kind) if kind.ends_with("router.v3.Router"));
        self.elsewhere.is_some()
            || self.manager.member("stat_prefix").is_some()
            || self.slots.iter().any(is_router)
    }

    /// Whether what holds the filters has settings of its own: an HTTP connection manager, or the
    /// protocol options of a cluster. A list of filters and a filter in a file of its own have
    /// none.
    pub fn has_manager(&self) -> bool {
        let is_resource = |kind: &str| kind.ends_with("TypedExtensionConfig");
        self.manager.member("stat_prefix").is_some()
            || text(self.manager, &["@type"]).is_some_and(|kind| !is_resource(kind))
    }

    /// The filters of the suite, in the order of requests.
    pub fn ours(&self) -> Vec<Ours<'_, 'a>> {
        let entries = self.slots.iter().filter_map(|slot| match &slot.what {
            What::Ours(entry) => Some((slot, entry.as_ref())),
            _ => None,
        });
        entries
            .flat_map(|(slot, entry)| {
                entry
                    .parts()
                    .into_iter()
                    .map(move |part| Ours { slot, entry, part })
            })
            .collect()
    }

    /// The entries with code of the suite.
    pub fn entries(&self) -> Vec<&Entry<'a>> {
        self.slots
            .iter()
            .filter_map(|slot| match &slot.what {
                What::Ours(entry) => Some(entry.as_ref()),
                _ => None,
            })
            .collect()
    }

    /// Where a filter stands in the chain.
    pub fn position(&self, slot: &Slot<'_>) -> usize {
        self.slots
            .iter()
            .position(|other| std::ptr::eq(other.node, slot.node))
            .unwrap_or_default()
    }
}

fn find<'a>(
    at: &'a Node,
    file: usize,
    files: &'a Files,
    mut around: Around<'a>,
    standing: Standing,
    chains: &mut Vec<Chain<'a>>,
) {
    let chained = ["filter_chains", "default_filter_chain"];
    if chained.iter().any(|name| at.member(name).is_some()) {
        around = Around {
            listener: Some(at),
            filter_chain: None,
        };
    } else if around.filter_chain.is_none() && at.member("filters").is_some() {
        around.filter_chain = Some(at);
    }
    if let Some(filters) = at.member("http_filters") {
        let read = |entry: &'a Node| {
            let name = text(entry, &["name"]).unwrap_or_default();
            let found = entry
                .member("config_discovery")
                .and_then(|_| files.resource("TypedExtensionConfig", name));
            let source = |number: usize| files.get(number).map_or("", |file| &file.text);
            match found {
                Some((number, resource)) => Slot {
                    disabled: flag(entry, &["disabled"]),
                    optional: optional(entry),
                    ..Slot::read(resource, source(number), number)
                },
                None => Slot::read(entry, source(file), file),
            }
        };
        let upstream =
            text(at, &["@type"]).is_some_and(|kind| kind.ends_with("HttpProtocolOptions"));
        let mut chain = |filters: &'a Node, upgrade| {
            chains.push(Chain {
                file,
                manager: at,
                listener: around.listener,
                filter_chain: around.filter_chain,
                upstream,
                upgrade,
                nested: false,
                elsewhere: None,
                slots: filters.items().iter().map(read).collect(),
                views: views(at, file, files),
            });
        };
        chain(filters, false);
        let upgrades = at.member("upgrade_configs").map(Node::items);
        let own = upgrades.unwrap_or_default().iter();
        own.filter_map(|upgrade| upgrade.member("filters"))
            .for_each(|filters| chain(filters, true));
    }
    let is_resource =
        text(at, &["@type"]).is_some_and(|kind| kind.ends_with("TypedExtensionConfig"));
    if standing == Standing::Apart && !is_resource && at.member("typed_config").is_some() {
        let source = files.get(file).map_or("", |file| &file.text);
        let slot = Slot::read(at, source, file);
        if matches!(slot.what, What::Ours(_)) {
            chains.push(Chain {
                file,
                manager: at,
                listener: None,
                filter_chain: None,
                upstream: false,
                upgrade: false,
                nested: true,
                elsewhere: None,
                slots: vec![slot],
                views: Vec::new(),
            });
        }
    }
    for (key, value) in at.members() {
        let standing = match (standing, key.text.as_str()) {
            (_, "http_filters") | (Standing::Upgrade, "filters") => Standing::List,
            (_, "upgrade_configs") => Standing::Upgrade,
            _ => Standing::Apart,
        };
        find(value, file, files, around, standing, chains);
    }
    for item in at.items() {
        let standing = match standing {
            Standing::List => Standing::Item,
            Standing::Upgrade => Standing::Upgrade,
            _ => Standing::Apart,
        };
        find(item, file, files, around, standing, chains);
    }
}

/// What is around a chain.
#[derive(Clone, Copy, Default)]
struct Around<'a> {
    listener: Option<&'a Node>,
    filter_chain: Option<&'a Node>,
}

/// Where a node stands: in a chain, or anywhere else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    List,
    Item,
    Upgrade,
    Apart,
}

fn views<'a>(manager: &'a Node, file: usize, files: &'a Files) -> Vec<View<'a>> {
    let named = |name: &str| files.resource("RouteConfiguration", name);
    let one = match manager.member("route_config") {
        Some(routes) => Some((file, routes)),
        None => text(manager, &["rds", "route_config_name"]).and_then(named),
    };
    let scopes = [
        "scoped_routes",
        "scoped_route_configurations_list",
        "scoped_route_configurations",
    ];
    let scopes = node(manager, &scopes).map(Node::items).unwrap_or_default();
    let scoped = scopes.iter().filter_map(|scope| {
        let inline = scope.member("route_configuration");
        let by_name = || text(scope, &["route_configuration_name"]).and_then(named);
        inline.map(|routes| (file, routes)).or_else(by_name)
    });
    let configurations = one.into_iter().chain(scoped);
    configurations
        .flat_map(|(file, routes)| views_of(file, routes))
        .collect()
}

fn views_of<'a>(file: usize, routes: &'a Node) -> Vec<View<'a>> {
    let mut views = Vec::new();
    let hosts = routes.member("virtual_hosts").map(Node::items);
    for host in hosts.unwrap_or_default() {
        let listed = host.member("routes").map(Node::items).unwrap_or_default();
        let mut found: Vec<&Node> = listed.iter().collect();
        if let Some(matcher) = host.member("matcher") {
            matched_routes(matcher, &mut found);
        }
        for route in found {
            let weighted = node(route, &["route", "weighted_clusters", "clusters"]);
            let weighted = weighted.map(Node::items).unwrap_or_default();
            let view = |nearest: Option<&'a Node>| View {
                file,
                place: route.place,
                name: called(route),
                levels: nearest.into_iter().chain([route, host, routes]).collect(),
                route,
            };
            match weighted {
                [] => views.push(view(None)),
                clusters => views.extend(clusters.iter().map(|cluster| view(Some(cluster)))),
            }
        }
    }
    views
}

/// The routes that a tree of matchers chooses from.
fn matched_routes<'a>(at: &'a Node, found: &mut Vec<&'a Node>) {
    match text(at, &["@type"]) {
        Some(kind) if kind.ends_with("config.route.v3.Route") => found.push(at),
        Some(kind) if kind.ends_with("config.route.v3.RouteList") => {
            found.extend(at.member("routes").map(Node::items).unwrap_or_default());
        }
        _ => {
            at.members()
                .iter()
                .for_each(|(_, value)| matched_routes(value, found));
            at.items()
                .iter()
                .for_each(|item| matched_routes(item, found));
        }
    }
}

/// A route in words.
fn called(route: &Node) -> String {
    if let Some(name) = text(route, &["name"]) {
        return format!("route {name}");
    }
    let Some(found) = route.member("match") else {
        return "a route".to_owned();
    };
    let path = ["path", "prefix", "path_separated_prefix"]
        .into_iter()
        .find_map(|kind| text(found, &[kind]))
        .or_else(|| text(found, &["safe_regex", "regex"]));
    match path {
        Some(path) => format!("route {path}"),
        None => "a route".to_owned(),
    }
}

impl<'a> View<'a> {
    /// Whether a filter runs on this route.
    pub fn runs(&self, slot: &Slot<'_>) -> bool {
        self.overrides(&slot.name)
            .next()
            .map_or(!slot.disabled, |config| !flag(config, &["disabled"]))
    }

    /// The configuration that the route has for a filter; of several the nearest.
    pub fn config_of(&self, filter: &str) -> Option<&Node> {
        self.configs_of(filter).next()
    }

    /// What weighted cluster, route, virtual host and route configuration have for a filter.
    pub fn configs_of(&self, filter: &str) -> impl Iterator<Item = &Node> {
        self.overrides(filter).filter_map(|config| {
            let switch = text(config, &["@type"])
                .is_some_and(|kind| kind.ends_with("route.v3.FilterConfig"));
            match switch {
                true => config
                    .member("config")
                    .filter(|config| !config.members().is_empty()),
                false => Some(config),
            }
        })
    }

    fn overrides(&self, filter: &str) -> impl Iterator<Item = &Node> {
        self.levels
            .iter()
            .filter_map(move |level| node(level, &["typed_per_filter_config", filter]))
    }

    /// The profile that metadata names for a filter, with the place of its name. In the native form
    /// the configuration of the route stands in place of what cannot be read there.
    pub fn profile(&self, ours: &Ours<'_, '_>) -> Option<(String, Place)> {
        let filter = ours.part.name();
        let named = |level: &Node, path: &[&str]| {
            let namespace = node(level, &["metadata", "filter_metadata", "modelgate"])?;
            let found = node(namespace, path)?;
            Some((found.text()?.to_owned(), found.place))
        };
        let (route, host) = (self.level(3)?, self.level(2)?);
        match ours.entry.form {
            Form::Wasm => {
                let on = |path: &[&str]| named(route, path).or_else(|| named(host, path));
                on(&[filter, "profile"]).or_else(|| on(&["profile"]))
            }
            Form::Native => {
                let config = self.config_of(&ours.slot.name);
                let written = config.and_then(RouteConfig::read);
                let on = |path: &[&str]| written.as_ref()?.text(path);
                on(&[filter, "profile"])
                    .or_else(|| named(route, &["profile"]))
                    .or_else(|| on(&["profile"]))
            }
        }
    }

    /// A level, counted from the outermost: the route configuration is 1, the virtual host 2, the
    /// route 3.
    pub fn level(&self, outermost: usize) -> Option<&'a Node> {
        let at = self.levels.len().checked_sub(outermost)?;
        self.levels.get(at).copied()
    }

    /// The cluster that requests go to, where the route, or its weighted part, names it.
    pub fn cluster(&self) -> Option<&'a str> {
        let weighted = self.levels.first().copied();
        weighted
            .filter(|level| level.member("weight").is_some())
            .and_then(|part| text(part, &["name"]))
            .or_else(|| text(self.route, &["route", "cluster"]))
    }

    /// Whether requests go on to a cluster from here.
    pub fn forwards(&self) -> bool {
        self.route.member("route").is_some()
    }
}

/// Every configuration that a filter may run with: the base and all profiles.
pub(super) fn all_plans(ours: &Ours<'_, '_>) -> Vec<Json> {
    let written = ours.entry.config_of(&ours.part).map(Node::to_json);
    let written = written.unwrap_or_default();
    let profiles = written.get("profiles").and_then(Json::as_object);
    let mut plans: Vec<Json> = profiles
        .into_iter()
        .flatten()
        .map(|(_, profile)| {
            let mut plan = written.clone();
            merge(&mut plan, profile.clone());
            plan
        })
        .collect();
    plans.insert(0, written);
    plans
}

/// The configurations that a filter may run with on a route: what metadata chooses, or the base and
/// whatever rules choose.
pub(super) fn plans(ours: &Ours<'_, '_>, view: Option<&View<'_>>) -> Vec<Json> {
    let written = match ours.entry.config_of(&ours.part) {
        Some(config) => config.to_json(),
        None => Json::Null,
    };
    let profile_named = |name: &str| {
        let overrides = written.get("profiles")?.get(name)?;
        let mut merged = written.clone();
        merge(&mut merged, overrides.clone());
        Some(merged)
    };
    let has_profiles = written
        .get("profiles")
        .and_then(Json::as_object)
        .is_some_and(|profiles| !profiles.is_empty());
    let rules = written
        .get("profile_rules")
        .and_then(Json::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let chosen = view
        .filter(|_| has_profiles)
        .and_then(|view| view.profile(ours));
    let mut plans = match &chosen {
        Some((name, _)) => profile_named(name).into_iter().collect(),
        None => vec![written.clone()],
    };
    for rule in rules {
        let by_headers = rule
            .pointer("/match/headers")
            .and_then(Json::as_array)
            .is_some_and(|headers| !headers.is_empty());
        // Metadata goes before rules, but for those that look at headers, which may raise.
        if chosen.is_none() || by_headers {
            let name = rule.get("profile").and_then(Json::as_str);
            plans.extend(name.and_then(profile_named));
        }
    }
    plans
}
