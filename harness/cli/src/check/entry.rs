//! An entry of a chain: code of the suite (one filter, or several of them from the module that
//! holds all), or somebody else's filter.

use modelgate_kit::config::strict::nearest;
use modelgate_kit::vm::CHAIN;

use super::api::type_name;
use super::environment::Passed;
use super::locate::Map;
use crate::SUITE;
pub(super) use crate::build::native::Form;
use crate::build::native::LIBRARY;
use located_yaml::{Node, Place};
use modelgate_scenario::catalogue::{Member, file_name};

const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
const NATIVE: &str = "envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter";

/// An entry of `http_filters`, or what stands in for one.
pub(super) struct Slot<'a> {
    /// Name in the chain.
    pub name: String,
    /// The entry in the list.
    pub node: &'a Node,
    /// `disabled: true`: off unless a route says otherwise.
    pub disabled: bool,
    /// Where `is_optional: true` stands: a proxy that cannot run it goes on without it.
    pub optional: Option<Place>,
    /// What it runs.
    pub what: What<'a>,
}

/// What an entry runs.
pub(super) enum What<'a> {
    /// Code of the suite.
    Ours(Box<Entry<'a>>),
    /// It looks like code of the suite, and cannot be read: why, and what to do.
    Unreadable(String, String, Place),
    /// It arrives by discovery, and is not at hand.
    Elsewhere,
    /// Somebody else's filter, with the type of its configuration.
    Other(String),
}

/// A filter of the proxy with code of the suite.
pub(super) struct Entry<'a> {
    /// Name in the chain.
    pub name: String,
    /// The entry in the list.
    pub node: &'a Node,
    /// In which form.
    pub form: Form,
    /// `PluginConfig`, or `DynamicModuleFilter` in the native form.
    pub config: &'a Node,
    /// What its module is told to be.
    pub runs: Runs,
    /// The configuration's text with the places in it.
    pub map: Map,
    /// Number of the file it stands in.
    pub file: usize,
    /// The environment on a host other than Envoy.
    pub passed: Option<&'a Passed>,
}

/// What an entry runs.
#[derive(Clone, Copy)]
pub(super) enum Runs {
    /// One filter.
    One(Member),
    /// The filters that its configuration lists.
    Chain,
    /// Nothing: the module that holds all filters has none of this `root_id`.
    Nothing,
}

/// A filter that an entry runs.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// Which.
    pub member: Member,
    /// Its number in the configuration of a chain.
    at: Option<usize>,
}

impl Part {
    /// A path inside the filter's own configuration, as one of the entry's.
    pub fn path(&self, inside: &str) -> String {
        match self.at {
            Some(at) => format!("filters[{at}].config.{inside}"),
            None => inside.to_owned(),
        }
    }

    /// The path of the filter itself.
    pub fn own_path(&self) -> String {
        self.at
            .map(|at| format!("filters[{at}]"))
            .unwrap_or_default()
    }

    /// What to call it in a sentence about itself.
    pub fn subject(&self) -> &'static str {
        match self.at {
            Some(_) => self.member.filter.name,
            None => "it",
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.member.filter.name
    }
}

/// The node at a path of members.
pub(super) fn node<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, key| node.member(key))
}

/// The text at a path of members.
pub(super) fn text<'a>(at: &'a Node, path: &[&str]) -> Option<&'a str> {
    node(at, path).and_then(Node::text)
}

/// Whether a flag at a path of members is set.
pub(super) fn flag(at: &Node, path: &[&str]) -> bool {
    text(at, path) == Some("true")
}

/// The filter that a name in a configuration means: `jwt-auth`, `jwt_auth`, `modelgate.jwt_auth`,
/// `jwt_auth.wasm`.
pub(super) fn ours(name: &str) -> bool {
    let name = plain(name);
    SUITE.member(name).is_some() || name == SUITE.bundle()
}

/// The filter of the suite whose name it is, however it is written.
pub(super) fn named(name: &str) -> Option<Member> {
    SUITE.member(plain(name))
}

/// A name without what is put around it: `modelgate.jwt_auth`, `jwt_auth.wasm`.
fn plain(name: &str) -> &str {
    let name = name.strip_suffix(".wasm").unwrap_or(name);
    name.strip_prefix("modelgate.").unwrap_or(name)
}

pub(super) fn runs(candidate: &str, root_id: Option<&str>) -> Option<Runs> {
    let candidate = plain(candidate);
    if candidate != SUITE.bundle() {
        return SUITE.member(candidate).map(Runs::One);
    }
    // A `root_id` is compared as it stands.
    let named = SUITE
        .filters()
        .iter()
        .find(|member| Some(member.filter.name) == root_id);
    Some(match named {
        Some(member) => Runs::One(*member),
        None if root_id == Some(CHAIN) => Runs::Chain,
        None => Runs::Nothing,
    })
}

/// The last part of the path of a module's file, or of the URL that it is fetched from.
pub(super) fn module(config: &Node) -> Option<&str> {
    let code = node(config, &["vm_config", "code"])?;
    text(code, &["local", "filename"])
        .or_else(|| text(code, &["remote", "http_uri", "uri"]))
        .and_then(|path| path.rsplit('/').next())
}

/// Whether a dynamic module's filter is the suite's: by its name, or by its module's.
fn is_native(filter: &Node) -> bool {
    let module = filter.member("dynamic_module_config");
    let names: [&[&str]; 3] = [
        &["name"],
        &["module", "local", "filename"],
        &["module", "remote", "http_uri", "uri"],
    ];
    let file = names
        .into_iter()
        .find_map(|path| text(module?, path)?.rsplit('/').next());
    let is_library = file.is_some_and(|file| {
        let name = file.strip_prefix("lib").unwrap_or(file);
        name.starts_with(SUITE.bundle()) || nearest(file, &[LIBRARY]).is_some()
    });
    is_library || text(filter, &["filter_name"]).is_some_and(ours)
}

impl What<'_> {
    /// Whether it may be a filter of the suite that was not read.
    pub fn is_unread(&self) -> bool {
        matches!(self, Self::Elsewhere | Self::Unreadable(..))
    }
}

/// Where an entry says that a proxy may leave it out.
pub(super) fn optional(entry: &Node) -> Option<Place> {
    let says = flag(entry, &["is_optional"]);
    entry
        .member("is_optional")
        .filter(|_| says)
        .map(|node| node.place)
}

impl<'a> Slot<'a> {
    /// Reads an item of `http_filters`, or a resource that stands in for one. `source` is the text
    /// of its file.
    pub fn read(entry: &'a Node, source: &str, file: usize) -> Self {
        let name = text(entry, &["name"]).unwrap_or_default();
        let what = Self::what(entry, name, source, file);
        Self {
            name: match (&what, name) {
                (What::Ours(entry), "") => entry.name.clone(),
                _ => name.to_owned(),
            },
            node: entry,
            disabled: flag(entry, &["disabled"]),
            optional: optional(entry),
            what,
        }
    }

    fn what(entry: &'a Node, name: &str, source: &str, file: usize) -> What<'a> {
        // What runs until the first one arrives.
        let first = || node(entry, &["config_discovery", "default_config"]);
        let Some(typed) = entry.member("typed_config").or_else(first) else {
            if entry.member("config_discovery").is_some() {
                return What::Elsewhere;
            }
            return match ours(name) {
                true => What::Unreadable(
                    "it has no `typed_config`".to_owned(),
                    format!("write `typed_config` with `\"@type\": type.googleapis.com/{WASM}`"),
                    entry.place,
                ),
                false => What::Other(String::new()),
            };
        };
        let written = text(typed, &["@type"]).map(type_name).unwrap_or_default();
        // A TypedStruct, as some control planes write it.
        let (kind, wasm) = match text(typed, &["type_url"]) {
            Some(url) if written.ends_with("TypedStruct") || written.is_empty() => {
                (type_name(url), typed.member("value"))
            }
            _ => (written, Some(typed)),
        };
        if let Some(filter) = wasm.filter(|filter| kind == NATIVE && is_native(filter)) {
            return What::Ours(Box::new(Entry::native(entry, name, filter, source, file)));
        }
        let config = wasm.and_then(|wasm| wasm.member("config"));
        if kind != WASM {
            let looks = ours(name)
                || config.is_some_and(|config| module(config).is_some_and(ours))
                || config
                    .and_then(|config| text(config, &["root_id"]))
                    .is_some_and(ours);
            let known = super::api::message(kind).is_some() && !kind.contains(".wasm.");
            return match looks && !known {
                true => What::Unreadable(
                    match kind {
                        "" => "its `typed_config` has no `@type`".to_owned(),
                        kind => format!("its `@type` is {kind}, not that of a Wasm filter"),
                    },
                    format!("write `\"@type\": type.googleapis.com/{WASM}`"),
                    typed.member("@type").unwrap_or(typed).place,
                ),
                false => What::Other(kind.to_owned()),
            };
        }
        let Some(config) = config else {
            return match ours(name) {
                true => What::Unreadable(
                    "it has no `config`".to_owned(),
                    "write `config:` with `vm_config` and `configuration`".to_owned(),
                    typed.place,
                ),
                false => What::Other(kind.to_owned()),
            };
        };
        let root_id = text(config, &["root_id"]);
        let candidates = [module(config), root_id, text(config, &["name"]), Some(name)];
        let runs = candidates
            .into_iter()
            .flatten()
            .find_map(|candidate| runs(candidate, root_id));
        match runs {
            Some(runs) => What::Ours(Box::new(Entry::new(
                entry, name, config, runs, source, file,
            ))),
            None => match misspelt(config) {
                Some((place, hint)) => What::Unreadable(
                    "no module of the suite has this name".to_owned(),
                    hint,
                    place,
                ),
                None => What::Other(kind.to_owned()),
            },
        }
    }
}

/// A module in a folder of the suite's whose name is nearly that of one of ours. Elsewhere it may
/// be somebody else's: `jwt_authn.wasm` is.
fn misspelt(config: &Node) -> Option<(Place, String)> {
    let written = node(config, &["vm_config", "code", "local", "filename"])?;
    let path = written.text()?;
    let (folder, name) = path.rsplit_once('/')?;
    let known: Vec<String> = SUITE.modules().into_iter().map(file_name).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let near = nearest(name, &known).filter(|_| folder.ends_with("modelgate"))?;
    Some((written.place, format!("did you mean `{near}`?")))
}

impl<'a> Entry<'a> {
    fn new(
        node: &'a Node,
        name: &str,
        config: &'a Node,
        runs: Runs,
        source: &str,
        file: usize,
    ) -> Self {
        let fallback = match &runs {
            Runs::One(member) => member.filter.name,
            Runs::Chain | Runs::Nothing => SUITE.bundle(),
        };
        let configuration = config.member("configuration");
        Self {
            name: match name {
                "" => fallback.to_owned(),
                name => name.to_owned(),
            },
            node,
            form: Form::Wasm,
            config,
            runs,
            map: Map::of(source, configuration.and_then(|node| node.member("value"))),
            file,
            passed: None,
        }
    }

    /// Of the native form. The library compares `filter_name` as it stands.
    fn native(node: &'a Node, name: &str, filter: &'a Node, source: &str, file: usize) -> Self {
        let called = text(filter, &["filter_name"]);
        let value = super::entry::node(filter, &["filter_config", "value"]);
        Self {
            form: Form::Native,
            map: match value {
                Some(value) if value.text().is_none() => Map::of_yaml(value),
                value => Map::of(source, value),
            },
            runs: runs(SUITE.bundle(), called).unwrap_or(Runs::Nothing),
            ..Self::new(node, name, filter, Runs::Nothing, source, file)
        }
    }

    /// What the filters are configured with, where it is written.
    pub fn configuration(&self) -> Option<&'a Node> {
        self.config.member(match self.form {
            Form::Wasm => "configuration",
            Form::Native => "filter_config",
        })
    }

    /// `environment_variables`: what the filters see of the environment.
    pub fn variables(&self) -> Option<&Node> {
        const VARIABLES: &str = "environment_variables";
        match self.form {
            Form::Wasm => super::entry::node(self.config, &["vm_config", VARIABLES]),
            Form::Native => self.map.json().member(VARIABLES),
        }
    }

    /// The file of its code on the proxy's machine.
    pub fn code(&self) -> Option<&'a Node> {
        let path: &[&str] = match self.form {
            Form::Wasm => &["vm_config", "code", "local", "filename"],
            Form::Native => &["dynamic_module_config", "module", "local", "filename"],
        };
        super::entry::node(self.config, path)
    }

    /// The filters that it runs, as far as they are known, in the order of requests.
    pub fn parts(&self) -> Vec<Part> {
        let listed = |(at, node): (usize, &Node)| {
            let name = text(node, &["filter"])?;
            let mut members = SUITE.filters().iter().copied();
            Some(Part {
                member: members.find(|member| member.filter.name == name)?,
                at: Some(at),
            })
        };
        match self.runs {
            Runs::One(member) => vec![Part { member, at: None }],
            Runs::Chain => {
                let filters = self.map.json().member("filters").map(Node::items);
                let filters = filters.unwrap_or_default().iter();
                filters.enumerate().filter_map(listed).collect()
            }
            Runs::Nothing => Vec::new(),
        }
    }

    /// The configuration of one of its filters.
    pub fn config_of(&self, part: &Part) -> Option<&Node> {
        match part.at {
            None => Some(self.map.json()),
            Some(at) => {
                let filters = self.map.json().member("filters")?;
                filters.items().get(at)?.member("config")
            }
        }
    }

    /// Where a path of the configuration stands in the file; else where the configuration does, or
    /// the entry.
    pub fn place(&self, path: &str) -> Place {
        let configuration = self.configuration();
        let value = configuration.and_then(|node| node.member("value"));
        let whole = value.or(configuration).unwrap_or(self.node).place;
        self.map.place(path).unwrap_or(whole)
    }

    /// What to call one of its filters beside those of other entries.
    pub fn called(&self, part: &Part) -> String {
        match part.at {
            Some(_) => format!("{} in {}", part.member.filter.name, self.name),
            None => self.name.clone(),
        }
    }
}
