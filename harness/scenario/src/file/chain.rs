//! The chain of filters of a scenario.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use modelgate_kit::vm::CHAIN;

use crate::catalogue::{Catalogue, GUESTS, file_name};
use located_yaml::read::At;
use located_yaml::{Key, Node, Style, Value};
use modelgate_envoy::config::own::{Kind, Secrets, Written};

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
    pub(super) fn of(json: Json) -> Self {
        match json {
            Json::Null => Self::Absent,
            Json::String(text) => Self::Text(text),
            json => Self::Json(json),
        }
    }

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum FailurePolicy {
    /// A new VM for the next request.
    #[default]
    #[serde(rename = "FAIL_RELOAD")]
    Reload,
    /// 503 until restart.
    #[serde(rename = "FAIL_CLOSED")]
    Closed,
    /// Unfiltered until restart.
    #[serde(rename = "FAIL_OPEN")]
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

/// A filter of the chain: its name with its configuration, and these.
#[derive(JsonSchema)]
#[schemars(rename = "Filter", extend("minProperties" = 1))]
#[allow(
    dead_code,
    reason = "the schema is derived from it; the filter's name is a key besides"
)]
pub(super) struct WrittenEntry {
    /// Name in the chain, where a filter occurs twice.
    r#as: Option<String>,
    /// Module that is not the suite's, relative to the file; or `guests`.
    wasm: Option<String>,
    /// How the configuration is handed over: as text, or as a protobuf Struct.
    config_as: Option<ConfigAs>,
    /// What Envoy is told of it.
    envoy: Option<Knobs>,
}

/// How a configuration is handed over.
#[derive(PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum ConfigAs {
    Text,
    Struct,
}

/// What Envoy is told of a filter.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Knobs {
    /// Whether headers can be held back while the body arrives; as the filter needs it if not
    /// given.
    allow_on_headers_stop_iteration: Option<bool>,
    /// What happens to requests after a panic.
    #[serde(default)]
    failure_policy: FailurePolicy,
    /// Which of the filters inside the module; the filter's name if not given.
    root_id: Option<String>,
    /// Filters with the same id and code share a VM; the filter's name if not given.
    vm_id: Option<String>,
    /// Off unless a route turns it on.
    #[serde(default)]
    disabled: bool,
}

/// What Envoy is told of a filter of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnKnobs {
    #[serde(default)]
    disabled: bool,
}

pub(super) fn read_chain(at: &At<'_>, catalogue: &Catalogue) -> Vec<ChainEntry> {
    let mut entries: Vec<ChainEntry> = Vec::new();
    for item in at.list() {
        let Some(entry) = ChainEntry::read(&item, catalogue) else {
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

impl ChainEntry {
    /// The module of the suite that it runs, if it is one.
    pub fn suite(&self) -> Option<&str> {
        match &self.wasm {
            Wasm::Suite(name) => Some(name),
            Wasm::Guests | Wasm::File(_) | Wasm::Own(_) => None,
        }
    }

    /// Whether Envoy must let it hold back headers while the body arrives
    /// (`allow_on_headers_stop_iteration`): as the scenario says, else where its filter needs it,
    /// or one of its chain. Where the code is no listed filter's it stays off, as in Envoy.
    pub fn may_stop_iteration(&self, catalogue: &Catalogue) -> bool {
        self.stop_iteration.unwrap_or_else(|| match self.suite() {
            Some(name) if name != catalogue.bundle() => catalogue.buffers_request(name),
            Some(_) if self.root_id == CHAIN => {
                catalogue.chain_needs_stop_iteration(&self.config.text())
            }
            Some(_) => catalogue.buffers_request(&self.root_id),
            // Filters that are compiled into Envoy stop what they stop.
            None => matches!(self.wasm, Wasm::Own(_)),
        })
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

    fn read(at: &At<'_>, catalogue: &Catalogue) -> Option<Self> {
        let mut fields = at.fields()?;
        let wasm = fields.take("wasm").and_then(|at| at.text());
        let alias = fields.take("as").and_then(|at| at.text());
        let envoy = fields.take("envoy");
        let config_as = fields.take("config_as").and_then(|at| at.parse());
        let rest = fields.rest();
        let [(key, config)] = rest.as_slice() else {
            return at.refuse("name one filter, such as `jwt-auth: {…}`, beside `as`, `wasm`, `config_as` and `envoy`");
        };
        let filter = key.text.clone();
        let code = code(&filter, wasm, config, catalogue)?;
        // The filters' own name is in snake case, as module names must be on some hosts.
        let id = match &code {
            Wasm::Suite(name) => name.replace('-', "_"),
            Wasm::Guests | Wasm::File(_) | Wasm::Own(_) => filter.clone(),
        };
        let code_is_bundle = code == Wasm::Suite(catalogue.bundle().to_owned());
        let mut entry = Self {
            name: alias.unwrap_or_else(|| filter.clone()),
            wasm: code,
            config: match config_as {
                Some(ConfigAs::Struct) => Config::Struct(config.json()),
                Some(ConfigAs::Text) | None => Config::of(config.json()),
            },
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
        if let Some(envoy) = envoy {
            match &entry.wasm {
                Wasm::Own(_) => entry.disabled = envoy.parse::<OwnKnobs>()?.disabled,
                Wasm::Suite(_) | Wasm::Guests | Wasm::File(_) => entry.tell(envoy.parse()?),
            }
        }
        Some(entry)
    }

    fn tell(&mut self, knobs: Knobs) {
        self.stop_iteration = knobs.allow_on_headers_stop_iteration;
        self.failure_policy = knobs.failure_policy;
        self.disabled = knobs.disabled;
        self.root_id = knobs.root_id.unwrap_or_else(|| self.root_id.clone());
        self.vm_id = knobs.vm_id.unwrap_or_else(|| self.vm_id.clone());
    }
}

/// The code of a filter of this name: from the file that `wasm` names, or the suite's, or Envoy's
/// own.
fn code(
    filter: &str,
    wasm: Option<String>,
    config: &At<'_>,
    catalogue: &Catalogue,
) -> Option<Wasm> {
    if let Some(path) = wasm {
        return Some(match path == GUESTS {
            true => Wasm::Guests,
            false => Wasm::File(path.into()),
        });
    }
    let modules = catalogue.modules();
    if modules.contains(&filter) {
        return Some(Wasm::Suite(filter.to_owned()));
    }
    if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == filter) {
        return Some(Wasm::Own(Box::new(kind.read(config.fields()?)?)));
    }
    config.refuse(format!(
        "no filter of the suite ({}) and none of Envoy's that is served here ({}); for another give `wasm: path/to/file.wasm`, or `wasm: guests` for one of harness/guests",
        modules.join(", "),
        Kind::ALL.map(Kind::name).join(", ")
    ))
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
