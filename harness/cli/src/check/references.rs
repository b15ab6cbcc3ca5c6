//! What a configuration refers to: clusters, and variables of the environment.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use modelgate_kit::config::strict::nearest;

use super::api::{self, Kind, Shape, type_name};
use super::chain::Chain;
use super::codes;
use super::dump::REDACTED;
use super::entry::{node, text};
use super::files::{Files, Sink, kind_of};
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
            written |= root.member("static_resources").is_some();
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

/// Clusters that routes name.
pub(super) fn check(chain: &Chain<'_>, clusters: &Clusters, sink: &mut Sink<'_>) {
    let mut missing = |file: usize, what: &str, written: Option<&Node>| {
        missing(file, what, written, clusters, sink);
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
}

/// Messages of Envoy's that name a cluster for themselves, with the field that does: keys of
/// jwt_authn, oauth2, ext_authz over HTTP and remote modules (`HttpUri`), ext_authz, ext_proc, rate
/// limits, access logs and tracers over gRPC (`EnvoyGrpc`), and those with a name of their own.
/// What routes name is judged with the routes.
const SERVICES: [(&str, &str); 10] = [
    ("envoy.config.core.v3.HttpUri", "cluster"),
    ("envoy.config.core.v3.GrpcService.EnvoyGrpc", "cluster_name"),
    ("envoy.config.metrics.v3.StatsdSink", "tcp_cluster_name"),
    ("envoy.config.trace.v3.DatadogConfig", "collector_cluster"),
    ("envoy.config.trace.v3.LightstepConfig", "collector_cluster"),
    ("envoy.config.trace.v3.ZipkinConfig", "collector_cluster"),
    (
        "envoy.extensions.access_loggers.fluentd.v3.FluentdAccessLogConfig",
        "cluster",
    ),
    (
        "envoy.extensions.filters.http.gcp_authn.v3.GcpAuthnFilterConfig",
        "cluster",
    ),
    (
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "cluster",
    ),
    (
        "envoy.extensions.tracers.fluentd.v3.FluentdConfig",
        "cluster",
    ),
];

/// Clusters that [`SERVICES`] name, wherever such a message stands. What is not known to be a
/// message of Envoy's (a Struct) is not judged.
pub(super) fn check_services(files: &Files, clusters: &Clusters, sink: &mut Sink<'_>) {
    for (file, root) in files.roots() {
        let kind = kind_of(root).and_then(api::message);
        let mut pending = vec![(root, kind, "")];
        while let Some((at, kind, around)) = pending.pop() {
            let named = text(at, &["@type"]);
            let message = named.map_or(kind, |url| api::message(type_name(url)));
            // The entry that it is part of: a filter, an access log, a tracer.
            let entry = text(at, &["name"]).filter(|_| at.member("typed_config").is_some());
            let around = entry.unwrap_or(around);
            pending.extend(at.items().iter().map(|item| (item, kind, around)));
            let Some(message) = message else {
                if named.is_none() {
                    let members = at.members().iter();
                    pending.extend(members.map(|(_, value)| (value, None, around)));
                }
                continue;
            };
            if let Some((_, field)) = SERVICES.iter().find(|(name, _)| *name == message.name) {
                let what = if around.is_empty() {
                    message.short()
                } else {
                    around
                };
                missing(file, what, at.member(field), clusters, sink);
            }
            let inner = at.members().iter().filter_map(|(key, value)| {
                let field = message.field(&key.text)?;
                let Kind::Message(name) = &field.kind else {
                    return None;
                };
                let kind = match name.as_str() {
                    "google.protobuf.Struct" if message.short() == "TypedStruct" => {
                        Some(api::message(type_name(text(at, &["type_url"])?))?)
                    }
                    "google.protobuf.Any" => None,
                    name => Some(api::message(name)?),
                };
                Some((field, kind, value))
            });
            for (field, kind, value) in inner {
                match field.shape {
                    Shape::Map => {
                        let members = value.members().iter();
                        pending.extend(members.map(|(_, value)| (value, kind, around)));
                    }
                    _ => pending.push((value, kind, around)),
                }
            }
        }
    }
}

/// A finding when no cluster has the name that is written.
fn missing(
    file: usize,
    what: &str,
    written: Option<&Node>,
    clusters: &Clusters,
    sink: &mut Sink<'_>,
) {
    let Some(name) = written.and_then(Node::text) else {
        return;
    };
    if let Some(written) = written.filter(|_| !clusters.has(name)) {
        let problem = format!("no cluster is called {name:?}");
        let hint = clusters.hint(name);
        let finding = Finding::new(&codes::NO_CLUSTER, written.place, what, problem, hint);
        sink.add(file, finding);
    }
}

/// The files of modules that are not on this machine. They may be on Envoy's.
pub(super) fn missing_modules(chain: &Chain<'_>) -> Vec<String> {
    let files = chain.entries().into_iter().filter_map(|entry| {
        let file = entry.code()?.text()?;
        (!Path::new(file).is_file()).then(|| file.to_owned())
    });
    files.collect()
}

/// The variables of the environment that a configuration reads: given to modules, in headers, and
/// as sources of data.
pub(super) fn environment(files: &Files) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, root) in files.roots() {
        collect(root, &mut names);
    }
    // What is running hides them.
    REDACTED.iter().for_each(|name| {
        names.remove(*name);
    });
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
