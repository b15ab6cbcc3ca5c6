//! The files of a configuration: the one that is checked, and those that it names
//! (`path_config_source`), each read as the messages it holds.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use modelgate_kit::config::strict::nearest;

use super::api;
use super::codes;
use super::dump;
use super::entry::{node, text};
use super::finding::Finding;
use super::shape;
use located_yaml::{Key, Node, Place, Value, YamlError};
use modelgate_envoy::config::adapt::discovered::candidates;

/// More files than this are not followed.
const MOST: usize = 64;

/// A file.
pub(super) struct File {
    /// Where it is; absent for the one that is checked.
    pub path: Option<PathBuf>,
    /// What stands in it.
    pub text: String,
    /// Its documents, read.
    pub roots: Vec<Node>,
}

/// All files.
pub(super) struct Files(Vec<File>);

/// Findings, each with the file that it is in.
pub(super) struct Sink<'a> {
    files: &'a Files,
    seen: HashSet<(usize, Place, &'static str, String, String)>,
    /// The findings.
    pub list: Vec<Finding>,
}

impl<'a> Sink<'a> {
    pub fn new(files: &'a Files) -> Self {
        Self {
            files,
            seen: HashSet::new(),
            list: Vec::new(),
        }
    }

    /// Adds a finding in a file; what was said before is not said again.
    pub fn add(&mut self, file: usize, mut finding: Finding) {
        let (place, id) = (finding.place, finding.code.id);
        let words = (finding.problem.clone(), finding.path.clone());
        if self.seen.insert((file, place, id, words.0, words.1)) {
            finding.file = self.files.get(file).and_then(|file| file.path.clone());
            self.list.push(finding);
        }
    }
}

impl Files {
    /// A file alone, without messages of Envoy's.
    pub fn alone(text: &str) -> Self {
        Self(vec![File {
            path: None,
            text: text.to_owned(),
            roots: Vec::new(),
        }])
    }

    /// Reads the documents of the file that is checked, and the files that they name. `folder` is
    /// where that file is.
    pub fn load(
        text: &str,
        documents: &[Node],
        folder: Option<&Path>,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let roots: Vec<Node> = documents
            .iter()
            .flat_map(|document| read(document, findings))
            .collect();
        let mut files = Self(vec![File {
            path: None,
            text: text.to_owned(),
            roots,
        }]);
        let mut at = 0;
        while let Some(file) = files.0.get(at) {
            let mut sources = Vec::new();
            for root in &file.roots {
                find_sources(root, "", &mut sources);
            }
            let of = file.path.clone();
            for source in sources {
                files.follow(&source, of.as_deref(), folder, findings);
            }
            at += 1;
        }
        files
    }

    fn follow(
        &mut self,
        source: &Source,
        of: Option<&Path>,
        folder: Option<&Path>,
        findings: &mut Vec<Finding>,
    ) {
        let mut missing = |problem: String| {
            let mut finding = Finding::new(
                &codes::NOT_READ,
                source.place,
                source.what,
                problem,
                "check what it holds too",
            );
            finding.file = of.map(Path::to_owned);
            findings.push(finding);
        };
        let Some(path) = &source.path else {
            missing("arrives from a control plane, and was not read".to_owned());
            return;
        };
        let Some(found) = candidates(Path::new(path), folder).find(|path| path.is_file()) else {
            missing(format!("the file {path} is not here, and was not read"));
            return;
        };
        if self.0.len() >= MOST || self.0.iter().any(|file| file.path.as_ref() == Some(&found)) {
            return;
        }
        let read_file = || -> Result<(String, Vec<Node>), String> {
            let text = std::fs::read_to_string(&found).map_err(|error| error.to_string())?;
            let documents = Node::documents(&text).map_err(|error: YamlError| error.to_string())?;
            Ok((text, documents))
        };
        match read_file() {
            Ok((text, documents)) => {
                let mut inside = Vec::new();
                let roots = documents
                    .iter()
                    .flat_map(|document| read(document, &mut inside))
                    .collect();
                for mut finding in inside {
                    finding.file = Some(found.clone());
                    findings.push(finding);
                }
                self.0.push(File {
                    path: Some(found),
                    text,
                    roots,
                });
            }
            Err(error) => findings.push(Finding::new(
                &codes::SYNTAX,
                source.place,
                source.what,
                format!("{}: {error}", found.display()),
                "",
            )),
        }
    }

    /// A file by its number.
    pub fn get(&self, number: usize) -> Option<&File> {
        self.0.get(number)
    }

    /// Every document, with the number of its file.
    pub fn roots(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.0
            .iter()
            .enumerate()
            .flat_map(|(number, file)| file.roots.iter().map(move |root| (number, root)))
    }

    /// The resource of a type (by the end of its name) with this name, with the number of its file.
    pub fn resource(&self, kind: &str, name: &str) -> Option<(usize, &Node)> {
        self.roots().find_map(|(file, root)| {
            let of_kind = |node: &&Node| {
                text(node, &["@type"]).is_some_and(|written| written.ends_with(kind))
                    && text(node, &["name"]) == Some(name)
            };
            let resources = root.member("resources").map(Node::items);
            let found = resources.unwrap_or_default().iter().find(of_kind);
            found
                .or_else(|| Some(root).filter(of_kind))
                .map(|node| (file, node))
        })
    }
}

pub(super) const BOOTSTRAP: &str = "envoy.config.bootstrap.v3.Bootstrap";
const FILTER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter";

/// What a document is taken for when it does not say its type: the message whose fields it has.
const KINDS: [&str; 10] = [
    BOOTSTRAP,
    "envoy.service.discovery.v3.DiscoveryResponse",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    FILTER,
    "envoy.config.listener.v3.Listener",
    "envoy.config.cluster.v3.Cluster",
    "envoy.config.route.v3.RouteConfiguration",
    "envoy.config.route.v3.VirtualHost",
    "envoy.config.route.v3.Route",
    "envoy.extensions.wasm.v3.PluginConfig",
];

/// A document as the messages that it holds.
fn read(document: &Node, findings: &mut Vec<Finding>) -> Vec<Node> {
    if let Value::List(items) = &document.value {
        let filter = api::message(FILTER).filter(|_| items.iter().all(is_filter));
        let mut read = |item: &Node| match filter {
            Some(message) => vec![shape::read(item, message, false, findings)],
            None => read(item, findings),
        };
        let items: Vec<Node> = items.iter().flat_map(&mut read).collect();
        return chain_of(document, items);
    }
    if document.member("@type").is_some() {
        return vec![shape::read_any(document, findings)];
    }
    if let Some(dump) = dump::open(document) {
        let message = api::message(BOOTSTRAP);
        let bootstrap = dump.bootstrap.zip(message);
        let bootstrap = bootstrap.map(|(node, message)| shape::read(node, message, true, findings));
        let resources = shape::read_deep(&dump.resources, findings);
        return bootstrap.into_iter().chain([resources]).collect();
    }
    let Some(message) = kind_of(document).and_then(api::message) else {
        return vec![shape::read_deep(document, findings)];
    };
    // Other kinds may be pieces of a file, or patches.
    let whole = matches!(message.short(), "Bootstrap" | "DiscoveryResponse");
    let root = shape::read(document, message, whole, findings);
    match message.short() {
        "HttpFilter" => chain_of(document, vec![root]),
        _ => vec![root],
    }
}

/// Whether an item of a list is a filter, in either spelling.
fn is_filter(item: &Node) -> bool {
    let names = [
        "typed_config",
        "typedConfig",
        "config_discovery",
        "configDiscovery",
    ];
    names.iter().any(|name| item.member(name).is_some()) && item.member("@type").is_none()
}

/// Filters of a list as a chain; what is not one stays as it is.
fn chain_of(document: &Node, items: Vec<Node>) -> Vec<Node> {
    let (filters, mut others): (Vec<Node>, Vec<Node>) = items.into_iter().partition(is_filter);
    if !filters.is_empty() {
        let key = Key {
            place: document.place,
            text: "http_filters".to_owned(),
        };
        let list = Node {
            place: document.place,
            value: Value::List(filters),
        };
        others.push(Node {
            place: document.place,
            value: Value::Map(vec![(key, list)]),
        });
    }
    others
}

/// The kind whose fields a document has; of several the one that it fits best.
pub(super) fn kind_of(document: &Node) -> Option<&'static str> {
    let score = |kind: &'static str| -> i64 {
        let Some(message) = api::message(kind) else {
            return 0;
        };
        let names: Vec<&str> = message.fields.iter().map(|field| field.name).collect();
        document
            .members()
            .iter()
            .map(|(key, _)| match message.field(&key.text) {
                Some(_) => 2,
                None if nearest(&key.text, &names).is_some_and(|near| begins_alike(near, key)) => 1,
                None => -1,
            })
            .sum()
    };
    let best = KINDS.into_iter().rev().max_by_key(|kind| score(kind))?;
    (score(best) > 0).then_some(best)
}

/// Whether a misspelt name begins as the right one does: it is then a slip, and not another word.
fn begins_alike(name: &str, key: &Key) -> bool {
    name.get(..5)
        .is_some_and(|begin| key.text.starts_with(begin))
}

/// Where a part of the configuration comes from.
struct Source {
    place: Place,
    what: &'static str,
    path: Option<String>,
}

fn find_sources(at: &Node, key: &str, found: &mut Vec<Source>) {
    let (what, source) = match key {
        "lds_config" => ("listeners", Some(at)),
        "cds_config" => ("clusters", Some(at)),
        "rds" => ("routes", at.member("config_source")),
        "config_discovery" => ("filter", at.member("config_source")),
        // Secrets are nobody's business.
        "sds_config" => return,
        _ => ("", None),
    };
    if let Some(source) = source.filter(|source| !source.is_null()) {
        let path = text(source, &["path_config_source", "path"])
            .or_else(|| text(source, &["path"]))
            .map(str::to_owned);
        let place = node(source, &["path_config_source", "path"])
            .unwrap_or(at)
            .place;
        found.push(Source { place, what, path });
    }
    for (key, value) in at.members() {
        find_sources(value, &key.text, found);
    }
    for item in at.items() {
        find_sources(item, key, found);
    }
}
