//! An entry of a chain that runs code of the suite: one filter, or several of them from the module that holds all.

use modelgate_kit::vm::CHAIN;

use super::locate::Map;
use crate::artifacts::BUNDLE;
use crate::suite::{self, Member};
use crate::yaml::{Node, Place};

/// A Wasm filter of the proxy with code of the suite.
pub(super) struct Entry<'a> {
    /// Name in the chain.
    pub name: String,
    /// The entry in the list.
    pub node: &'a Node,
    /// `PluginConfig`.
    pub config: &'a Node,
    /// What its module is told to be.
    pub runs: Runs,
    /// The configuration's text with the places in it.
    pub map: Map,
}

/// What an entry runs.
pub(super) enum Runs {
    /// One filter.
    One(Member),
    /// The filters that its configuration lists.
    Chain,
    /// Nothing: the module that holds all filters has none of this `root_id`.
    Nothing,
}

/// A filter that an entry runs.
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
}

/// The text at a path of members.
fn text<'a>(node: &'a Node, path: &[&str]) -> Option<&'a str> {
    path.iter()
        .try_fold(node, |node, key| node.member(key))
        .and_then(Node::text)
}

fn runs(candidate: &str, root_id: Option<&str>) -> Option<Runs> {
    if candidate.strip_suffix(".wasm").unwrap_or(candidate) != BUNDLE {
        return suite::member(candidate).map(Runs::One);
    }
    // A `root_id` is compared as it stands.
    let named = suite::members()
        .into_iter()
        .find(|member| Some(member.filter.name) == root_id);
    Some(match named {
        Some(member) => Runs::One(member),
        None if root_id == Some(CHAIN) => Runs::Chain,
        None => Runs::Nothing,
    })
}

impl<'a> Entry<'a> {
    /// Reads an item of `http_filters`; `None` for other people's.
    pub fn read(node: &'a Node) -> Option<Self> {
        const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
        let typed = node.member("typed_config")?;
        let of_type =
            |node: &Node, key: &str| text(node, &[key]).is_some_and(|text| text.ends_with(WASM));
        let wasm = match () {
            () if of_type(typed, "@type") => typed,
            // A TypedStruct, as some control planes write it.
            () if of_type(typed, "type_url") => typed.member("value")?,
            () => return None,
        };
        let config = wasm.member("config")?;
        let file = text(config, &["vm_config", "code", "local", "filename"])
            .and_then(|path| path.rsplit('/').next());
        let name = text(node, &["name"]);
        let root_id = text(config, &["root_id"]);
        let candidates = [file, root_id, text(config, &["name"]), name];
        let runs = candidates
            .into_iter()
            .flatten()
            .find_map(|candidate| runs(candidate, root_id))?;
        let fallback = match &runs {
            Runs::One(member) => member.filter.name,
            Runs::Chain | Runs::Nothing => BUNDLE,
        };
        let configuration = config.member("configuration");
        Some(Self {
            name: name.unwrap_or(fallback).to_owned(),
            node,
            config,
            runs,
            map: Map::of(configuration.and_then(|node| node.member("value"))),
        })
    }

    /// The filters that it runs, as far as they are known, in the order of requests.
    pub fn parts(&self) -> Vec<Part> {
        let listed = |(at, node): (usize, &Node)| {
            let name = text(node, &["filter"])?;
            let mut members = suite::members().into_iter();
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

    /// Where a path of the configuration stands in the file; else where the configuration does, or the entry.
    pub fn place(&self, path: &str) -> Place {
        let configuration = self.config.member("configuration");
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
