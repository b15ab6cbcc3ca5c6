//! The chain of filters and the routes of a scenario.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use modelgate_kit::vm::CHAIN;

use super::upstream::Cluster;
use super::{UPSTREAM, traffic};
use crate::suite::{BUNDLE, GUESTS, file_name, modules};
use located_yaml::read::{At, Fields};
use located_yaml::{Key, Node, Style, Value};
use modelgate_envoy::own::{Kind, Secrets, Written, flag, header_changes, rewrite};
use proxy_wasm_simulator::{HeaderChanges, Rewrite};

/// One filter of the chain.
#[derive(Clone, Debug)]
pub struct ChainEntry {
    /// Name of the filter in the proxy; unique in the chain.
    pub name: String,
    /// Where its code comes from.
    pub wasm: Wasm,
    /// Its configuration.
    pub config: Config,
    /// Which of the filters inside the module (`root_id`).
    pub root_id: String,
    /// Filters with the same id and code share a VM (`vm_id`).
    pub vm_id: String,
    /// Whether headers can be held back while the body arrives; `None` = as the filter needs it.
    pub stop_iteration: Option<bool>,
    /// What happens to requests after a panic.
    pub failure_policy: FailurePolicy,
    /// Off unless a route turns it on.
    pub disabled: bool,
}

/// The code of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wasm {
    /// A module of the suite: a filter's (`jwt-auth`), or the one that holds all of them
    /// (`modelgate`).
    Suite(String),
    /// The harness's guests (`harness/guests`), of which `root_id` chooses one.
    Guests,
    /// A file, relative to the scenario's folder.
    File(PathBuf),
    /// None: it is one of Envoy's own filters.
    Own(Box<Written>),
}

impl Wasm {
    /// Its file, if it has one: `modules` is the folder with what is built, `folder` the
    /// scenario's.
    pub fn file(&self, modules: &Path, folder: &Path) -> Option<PathBuf> {
        match self {
            Self::Suite(name) => Some(modules.join(file_name(name))),
            Self::Guests => Some(modules.join(file_name(GUESTS))),
            Self::File(path) => Some(folder.join(path)),
            Self::Own(_) => None,
        }
    }
}

/// The configuration that a filter is given.
#[derive(Clone, Debug, PartialEq)]
pub enum Config {
    /// None at all.
    Absent,
    /// This text as it is.
    Text(String),
    /// JSON, handed over as text.
    Json(Json),
    /// JSON, handed over as a protobuf `Struct`: what filters must refuse or understand.
    Struct(Json),
}

impl Config {
    /// The text that the filter reads; a `Struct` is not text.
    pub fn text(&self) -> String {
        match self {
            Self::Absent | Self::Struct(_) => String::new(),
            Self::Text(text) => text.clone(),
            Self::Json(json) => json.to_string(),
        }
    }
}

/// What the proxy does with requests after a filter's VM has trapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// A new VM for the next request.
    #[default]
    Reload,
    /// 503 until restart.
    Closed,
    /// Unfiltered until restart.
    Open,
}

impl FailurePolicy {
    /// As Envoy writes it.
    pub fn envoy(self) -> &'static str {
        match self {
            Self::Reload => "FAIL_RELOAD",
            Self::Closed => "FAIL_CLOSED",
            Self::Open => "FAIL_OPEN",
        }
    }
}

/// Settings of the proxy itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gateway {
    /// Worker threads; 0 = one.
    pub workers: u32,
    /// Bytes of a body that may be held back; `None` = the proxy's default.
    pub buffer_limit_bytes: Option<u32>,
    /// The client's address is the connection's own, whatever `x-forwarded-for` says.
    pub use_remote_address: bool,
    /// Protocols that a connection may be upgraded to, such as `websocket`.
    pub upgrades: Vec<String>,
}

/// A virtual host.
#[derive(Clone, Debug)]
pub struct VirtualHost {
    /// Its name.
    pub name: String,
    /// Hosts it answers for; `*` for any.
    pub domains: Vec<String>,
    /// Metadata by namespace.
    pub metadata: Option<Json>,
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
    /// Where it leads.
    pub cluster: String,
    /// Metadata by namespace.
    pub metadata: Option<Json>,
    /// Filters switched for it.
    pub switches: Switches,
    /// Time for the whole answer; `None` = the proxy's default.
    pub timeout_ms: Option<u64>,
    /// How long an exchange may be silent; `None` = for ever.
    pub idle_timeout_ms: Option<u64>,
    /// What it changes in the headers of requests.
    pub header_changes: HeaderChanges,
    /// Where the upstream is told that requests go.
    pub rewrite: Rewrite,
    /// The same two as they are written for Envoy: members of the route, and of its action.
    pub written: (Map<String, Json>, Map<String, Json>),
}

/// The paths a route takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// All that begin so.
    Prefix(String),
    /// This one.
    Exact(String),
}

/// Filters switched off or on for a route or a virtual host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// Off here.
    pub disable: Vec<String>,
    /// On here, though off in the chain.
    pub enable: Vec<String>,
}

pub(super) fn read_chain(at: &At<'_>) -> Vec<ChainEntry> {
    let mut entries: Vec<ChainEntry> = Vec::new();
    for item in at.list() {
        let Some(entry) = ChainEntry::read(&item) else {
            continue;
        };
        if entries.iter().any(|other| other.name == entry.name) {
            item.refuse::<()>(format!(
                "two filters are called {:?}; name one with `as`",
                entry.name
            ));
        }
        entries.push(entry);
    }
    entries
}

/// Says of each entry of the chain whose filter has one of these names, in kebab-case or in
/// snake_case, that its code is in the file `module`.
pub(super) fn give_module(root: &mut Node, names: &[String], module: &Path) {
    let Value::Map(members) = &mut root.value else {
        return;
    };
    let chains = members.iter_mut().filter(|(key, _)| key.text == "chain");
    for (_, chain) in chains {
        let Value::List(entries) = &mut chain.value else {
            continue;
        };
        for entry in entries {
            let place = entry.place;
            let Value::Map(fields) = &mut entry.value else {
                continue;
            };
            let is_named = |(key, _): &(Key, Node)| names.contains(&key.text.replace('-', "_"));
            if fields.iter().any(is_named) && !fields.iter().any(|(key, _)| key.text == "wasm") {
                let key = Key {
                    place,
                    text: "wasm".to_owned(),
                };
                let value = Value::Scalar {
                    text: module.to_string_lossy().into_owned(),
                    style: Style::Quoted,
                };
                fields.push((key, Node { place, value }));
            }
        }
    }
}

pub(super) fn read_env(at: &At<'_>) -> BTreeMap<String, String> {
    at.entries()
        .into_iter()
        .filter_map(|(key, value)| Some((key.text.clone(), value.text()?)))
        .collect()
}

impl ChainEntry {
    /// The module of the suite that it runs, if it is one.
    pub fn suite(&self) -> Option<&str> {
        match &self.wasm {
            Wasm::Suite(name) => Some(name),
            Wasm::Guests | Wasm::File(_) | Wasm::Own(_) => None,
        }
    }

    /// A chain of filters in one entry, from the module that holds them all.
    pub fn bundled(krate: &str, config: Config, failure_policy: FailurePolicy) -> Self {
        Self {
            name: krate.to_owned(),
            wasm: Wasm::Suite(krate.to_owned()),
            config,
            root_id: CHAIN.to_owned(),
            vm_id: krate.to_owned(),
            stop_iteration: None,
            failure_policy,
            disabled: false,
        }
    }

    fn read(at: &At<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let wasm = fields.take("wasm").and_then(|at| at.text());
        let alias = fields.take("as").and_then(|at| at.text());
        let envoy = fields.take("envoy");
        let as_struct = fields
            .take("config_as")
            .and_then(|at| at.word(&[("text", false), ("struct", true)]))
            .unwrap_or(false);
        let rest = fields.rest();
        let [(key, config)] = rest.as_slice() else {
            return at.refuse("name one filter, such as `jwt-auth: {…}`, beside `as`, `wasm`, `config_as` and `envoy`");
        };
        let filter = key.text.clone();
        let code = code(&filter, wasm, config)?;
        // The filters' own name is in snake case, as module names must be on some hosts.
        let id = match &code {
            Wasm::Suite(name) => name.replace('-', "_"),
            Wasm::Guests | Wasm::File(_) | Wasm::Own(_) => filter.clone(),
        };
        let code_is_bundle = code == Wasm::Suite(BUNDLE.to_owned());
        let mut entry = Self {
            name: alias.unwrap_or_else(|| filter.clone()),
            wasm: code,
            config: read_config(config, as_struct),
            root_id: if code_is_bundle {
                CHAIN.to_owned()
            } else {
                id.clone()
            },
            vm_id: id,
            stop_iteration: None,
            failure_policy: FailurePolicy::default(),
            disabled: false,
        };
        if let Some(envoy) = envoy.and_then(|at| at.fields()) {
            match &entry.wasm {
                Wasm::Own(_) => entry.read_disabled(envoy),
                Wasm::Suite(_) | Wasm::Guests | Wasm::File(_) => entry.read_knobs(envoy),
            }
        }
        Some(entry)
    }

    fn read_knobs(&mut self, mut fields: Fields<'_>) {
        const POLICIES: [(&str, FailurePolicy); 3] = [
            ("FAIL_RELOAD", FailurePolicy::Reload),
            ("FAIL_CLOSED", FailurePolicy::Closed),
            ("FAIL_OPEN", FailurePolicy::Open),
        ];
        self.stop_iteration = fields
            .take("allow_on_headers_stop_iteration")
            .and_then(|at| at.boolean());
        self.failure_policy = fields
            .take("failure_policy")
            .and_then(|at| at.word(&POLICIES))
            .unwrap_or_default();
        if let Some(root_id) = fields.take("root_id").and_then(|at| at.text()) {
            self.root_id = root_id;
        }
        if let Some(vm_id) = fields.take("vm_id").and_then(|at| at.text()) {
            self.vm_id = vm_id;
        }
        self.read_disabled(fields);
    }

    fn read_disabled(&mut self, mut fields: Fields<'_>) {
        self.disabled = flag(&mut fields, "disabled");
        fields.close();
    }
}

/// The code of a filter of this name: from the file that `wasm` names, or the suite's, or Envoy's
/// own.
fn code(filter: &str, wasm: Option<String>, config: &At<'_>) -> Option<Wasm> {
    if let Some(path) = wasm {
        return Some(match path == GUESTS {
            true => Wasm::Guests,
            false => Wasm::File(path.into()),
        });
    }
    if modules().contains(&filter) {
        return Some(Wasm::Suite(filter.to_owned()));
    }
    if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == filter) {
        return Some(Wasm::Own(Box::new(kind.read(config.fields()?)?)));
    }
    config.refuse(format!(
        "no filter of the suite ({}) and none of Envoy's that is served here ({}); for another give `wasm: path/to/file.wasm`, or `wasm: guests` for one of harness/guests",
        modules().join(", "),
        Kind::ALL.map(Kind::name).join(", ")
    ))
}

pub(super) fn read_config(at: &At<'_>, as_struct: bool) -> Config {
    match at.json() {
        json if as_struct => Config::Struct(json),
        Json::Null => Config::Absent,
        Json::String(text) => Config::Text(text),
        json => Config::Json(json),
    }
}

impl Gateway {
    pub(super) fn read(at: &At<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let workers = fields
            .take("workers")
            .and_then(|at| at.within(1, 16))
            .unwrap_or(1);
        let buffer_limit_bytes = fields
            .take("buffer_limit_bytes")
            .and_then(|at| at.within(1, 1 << 30));
        let use_remote_address = fields
            .take("use_remote_address")
            .and_then(|at| at.boolean())
            .unwrap_or(false);
        let upgrades = fields.take("upgrades").map(|at| at.one_or_many());
        let upgrades = upgrades.iter().flatten().filter_map(At::text).collect();
        fields.close();
        Some(Self {
            workers,
            buffer_limit_bytes,
            use_remote_address,
            upgrades,
        })
    }
}

pub(super) fn read_virtual_hosts(
    hosts: Option<&At<'_>>,
    routes: Option<&At<'_>>,
    chain: &[ChainEntry],
    clusters: &BTreeMap<String, Cluster>,
) -> Vec<VirtualHost> {
    let reader = RouteReader { chain, clusters };
    let mut all: Vec<VirtualHost> = Vec::new();
    for (key, at) in hosts.map(At::entries).unwrap_or_default() {
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
        routes: reader.routes(routes),
    });
    all
}

struct RouteReader<'a> {
    chain: &'a [ChainEntry],
    clusters: &'a BTreeMap<String, Cluster>,
}

impl RouteReader<'_> {
    fn virtual_host(&self, name: &str, at: &At<'_>) -> Option<VirtualHost> {
        let mut fields = at.fields()?;
        let domains = fields
            .need("domains")
            .map(|at| at.one_or_many())
            .unwrap_or_default();
        let host = VirtualHost {
            name: name.to_owned(),
            domains: domains.iter().filter_map(At::text).collect(),
            metadata: fields.take("metadata").and_then(|at| read_metadata(&at)),
            switches: self.switches(&mut fields),
            routes: self.routes(fields.take("routes").as_ref()),
        };
        fields.close();
        Some(host)
    }

    fn routes(&self, at: Option<&At<'_>>) -> Vec<Route> {
        let Some(at) = at else {
            return vec![Route {
                name: None,
                path: PathMatch::Prefix("/".into()),
                cluster: UPSTREAM.into(),
                metadata: None,
                switches: Switches::default(),
                timeout_ms: None,
                idle_timeout_ms: None,
                header_changes: HeaderChanges::default(),
                rewrite: Rewrite::default(),
                written: (Map::new(), Map::new()),
            }];
        };
        at.list().iter().filter_map(|at| self.route(at)).collect()
    }

    fn route(&self, at: &At<'_>) -> Option<Route> {
        let mut fields = at.fields()?;
        let prefix = fields.take("prefix").and_then(|at| at.text());
        let exact = fields.take("path").and_then(|at| at.text());
        let path = match (prefix, exact) {
            (Some(_), Some(_)) => return at.refuse("give `prefix` or `path`, not both"),
            (_, Some(path)) => PathMatch::Exact(path),
            (prefix, None) => PathMatch::Prefix(prefix.unwrap_or_else(|| "/".into())),
        };
        let cluster = match fields.take("cluster") {
            None => UPSTREAM.to_owned(),
            Some(at) => match at.text()? {
                name if self.clusters.contains_key(&name) => name,
                name => at.refuse(format!("no cluster is called {name:?}"))?,
            },
        };
        let route = Route {
            name: fields.take("name").and_then(|at| at.text()),
            path,
            cluster,
            metadata: fields.take("metadata").and_then(|at| read_metadata(&at)),
            switches: self.switches(&mut fields),
            timeout_ms: fields
                .take("timeout_ms")
                .and_then(|at| at.within(1, traffic::MAX_WAIT_MS)),
            idle_timeout_ms: fields
                .take("idle_timeout_ms")
                .and_then(|at| at.within(1, traffic::MAX_WAIT_MS)),
            written: (
                written(
                    &mut fields,
                    &["request_headers_to_add", "request_headers_to_remove"],
                ),
                written(&mut fields, &["host_rewrite_literal", "prefix_rewrite"]),
            ),
            header_changes: header_changes(&mut fields),
            rewrite: rewrite(&mut fields),
        };
        fields.close();
        Some(route)
    }

    fn switches(&self, fields: &mut Fields<'_>) -> Switches {
        let disable = fields
            .take("disable")
            .map(|at| self.filters(&at))
            .unwrap_or_default();
        let enable = fields
            .take("enable")
            .map(|at| self.filters(&at))
            .unwrap_or_default();
        Switches { disable, enable }
    }

    fn filters(&self, at: &At<'_>) -> Vec<String> {
        let known = |at: &At<'_>| {
            let name = at.text()?;
            match self.chain.iter().any(|entry| entry.name == name) {
                true => Some(name),
                false => at.refuse("no filter of the chain has this name"),
            }
        };
        at.one_or_many().iter().filter_map(known).collect()
    }
}

/// Refuses filters whose secret the scenario does not give.
pub(super) fn need_secrets(root: &At<'_>, chain: &[ChainEntry], secrets: &Secrets) {
    for entry in chain {
        if let Wasm::Own(own) = &entry.wasm
            && let Some(name) = own.secret().filter(|name| !secrets.contains_key(*name))
        {
            root.refuse::<()>(format!("{} needs `secrets: {{ {name}: … }}`", entry.name));
        }
    }
}

/// Members that are handed to Envoy as they are.
fn written(fields: &mut Fields<'_>, names: &[&'static str]) -> Map<String, Json> {
    let member = |name: &&'static str| Some(((*name).to_owned(), fields.take(name)?.json()));
    names.iter().filter_map(member).collect()
}

fn read_metadata(at: &At<'_>) -> Option<Json> {
    for (_, namespace) in at.entries() {
        if !namespace.is_map() {
            return namespace
                .refuse("metadata is a mapping of namespaces, each with keys of its own");
        }
    }
    Some(at.json())
}
