//! What a configuration refers to: clusters, and variables of the environment.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use modelgate_kit::config::strict::nearest;

use super::chain::Chain;
use super::codes;
use super::entry::{node, text};
use super::files::{Files, Sink};
use super::finding::Finding;
use located_yaml::{Key, Node, Value};

/// The clusters that the files define.
pub(super) struct Clusters {
    names: HashSet<String>,
    /// Others may arrive by discovery, or stand in another file.
    open: bool,
}

impl Clusters {
    /// Of all files; a name that stands twice is a finding.
    pub fn of(files: &Files, sink: &mut Sink<'_>) -> Self {
        let mut names = HashSet::new();
        let mut written = false;
        let mut discovered = false;
        for (file, root) in files.roots() {
            let listed = node(root, &["static_resources", "clusters"]);
            written |= listed.is_some();
            let source = node(root, &["dynamic_resources", "cds_config"]);
            discovered |=
                source.is_some() || node(root, &["dynamic_resources", "ads_config"]).is_some();
            let resources = root
                .member("resources")
                .map(Node::items)
                .unwrap_or_default();
            let of_kind = |node: &&Node| {
                text(node, &["@type"])
                    .is_some_and(|kind| kind.ends_with("config.cluster.v3.Cluster"))
            };
            let clusters = listed.map(Node::items).unwrap_or_default().iter();
            for cluster in clusters.chain(resources.iter().filter(of_kind)) {
                let Some(name) = cluster.member("name") else {
                    continue;
                };
                let text = name.text().unwrap_or_default();
                if !names.insert(text.to_owned()) {
                    let problem = format!("a second cluster is called {text:?}");
                    let finding = Finding::new(
                        &codes::CLUSTER_TWICE,
                        name.place,
                        "cluster",
                        problem,
                        "give it another name",
                    );
                    sink.add(file, finding);
                }
            }
        }
        Self {
            names,
            open: !written || discovered,
        }
    }

    /// Of which none is known.
    pub fn unknown() -> Self {
        Self {
            names: HashSet::new(),
            open: true,
        }
    }

    /// Whether a name may be that of a cluster.
    pub fn has(&self, name: &str) -> bool {
        self.open || self.names.contains(name)
    }

    /// What to do about a name that is not.
    pub fn hint(&self, name: &str) -> String {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        match nearest(name, &names) {
            Some(near) => {
                format!("did you mean `{near}`? Otherwise add it to static_resources.clusters")
            }
            None => "add it to static_resources.clusters".to_owned(),
        }
    }
}

/// Every member that names a cluster in a configuration, with its path.
pub(super) fn named_clusters(node: &Node) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut pending = vec![(String::new(), node)];
    while let Some((path, node)) = pending.pop() {
        for (Key { text: key, .. }, value) in node.members() {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            match &value.value {
                Value::Scalar { text, .. }
                    if matches!(key.as_str(), "cluster" | "keys_cluster") =>
                {
                    found.push((path, text.clone()));
                }
                _ => pending.push((path, value)),
            }
        }
        for (index, item) in node.items().iter().enumerate() {
            pending.push((format!("{path}[{index}]"), item));
        }
    }
    found.reverse();
    found
}

/// Clusters that routes and modules name.
pub(super) fn check(chain: &Chain<'_>, clusters: &Clusters, sink: &mut Sink<'_>) {
    let mut missing = |file: usize, what: &str, written: Option<&Node>| {
        let Some(written) = written else { return };
        let name = written.text().unwrap_or_default();
        if !clusters.has(name) {
            let problem = format!("no cluster is called {name:?}");
            let hint = clusters.hint(name);
            let finding = Finding::new(&codes::NO_CLUSTER, written.place, what, problem, hint);
            sink.add(file, finding);
        }
    };
    for view in &chain.views {
        missing(
            view.file,
            &view.name,
            node(view.route, &["route", "cluster"]),
        );
        if let Some(nearest) = view.levels.first() {
            // A weighted cluster; routes have no `weight`.
            if nearest.member("weight").is_some() {
                missing(view.file, &view.name, nearest.member("name"));
            }
        }
        let action = view.route.member("route");
        for level in action.into_iter().chain(view.levels.iter().copied()) {
            let mirrors = level.member("request_mirror_policies").map(Node::items);
            for mirror in mirrors.unwrap_or_default() {
                missing(view.file, &view.name, mirror.member("cluster"));
            }
        }
    }
    for entry in chain.entries() {
        let cluster = node(
            entry.config,
            &["vm_config", "code", "remote", "http_uri", "cluster"],
        );
        missing(entry.file, &entry.name, cluster);
    }
}

/// The files of modules that are not on this machine. They may be on Envoy's.
pub(super) fn missing_modules(chain: &Chain<'_>) -> Vec<String> {
    let files = chain.entries().into_iter().filter_map(|entry| {
        let file = text(entry.config, &["vm_config", "code", "local", "filename"])?;
        (!Path::new(file).is_file()).then(|| file.to_owned())
    });
    files.collect()
}

/// The variables of the environment that a configuration reads: given to modules, in headers, and as sources of data.
pub(super) fn environment(files: &Files) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, root) in files.roots() {
        collect(root, &mut names);
    }
    names
}

fn collect(at: &Node, names: &mut BTreeSet<String>) {
    for (key, value) in at.members() {
        match key.text.as_str() {
            "host_env_keys" => {
                names.extend(
                    value
                        .items()
                        .iter()
                        .filter_map(Node::text)
                        .map(str::to_owned),
                );
            }
            "environment_variable" => names.extend(value.text().map(str::to_owned)),
            _ => collect(value, names),
        }
    }
    for item in at.items() {
        collect(item, names);
    }
    if let Some(text) = at.text() {
        names.extend(environment_in(text).map(str::to_owned));
    }
}

/// The variables that `%ENVIRONMENT(NAME)%` names in a text.
pub(super) fn environment_in(text: &str) -> impl Iterator<Item = &str> {
    text.split("%ENVIRONMENT(").skip(1).filter_map(|rest| {
        rest.split_once(')')
            .map(|(name, _)| name.split(':').next().unwrap_or(name))
    })
}
