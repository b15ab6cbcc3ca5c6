//! What a running Envoy says that its configuration is: the document of `/config_dump`, in either
//! spelling.
//!
//! The bootstrap stands in it as it was read, with everything static; what arrived by discovery
//! stands beside it, what is on its way in or out as well. Read is what serves.

use super::api::type_name;
use super::entry::text;
use located_yaml::{Key, Node, Value};

/// The kinds of resources that are read.
const RESOURCES: [&str; 4] = [
    "envoy.config.listener.v3.Listener",
    "envoy.config.cluster.v3.Cluster",
    "envoy.config.route.v3.RouteConfiguration",
    "envoy.config.core.v3.TypedExtensionConfig",
];

/// Kinds of resources that no filter stands in.
const WITHOUT_FILTERS: [&str; 6] = [
    "envoy.config.cluster.v3.Cluster",
    "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "envoy.config.route.v3.RouteConfiguration",
    "envoy.config.route.v3.ScopedRouteConfiguration",
    "envoy.config.route.v3.VirtualHost",
    "envoy.extensions.transport_sockets.tls.v3.Secret",
];

/// What stands in place of a secret: as a text, and as bytes.
pub(super) const REDACTED: [&str; 2] = ["[redacted]", "W3JlZGFjdGVkXQ=="];

/// What stands in a dump.
pub(super) struct Dump<'a> {
    /// The bootstrap, if it is in it.
    pub bootstrap: Option<&'a Node>,
    /// Resources of discovery in the form in which they arrive.
    pub resources: Node,
}

/// Opens a document if it is a dump.
pub(super) fn open(document: &Node) -> Option<Dump<'_>> {
    let configs = document.member("configs")?.items();
    let dumped = |config: &Node| kind(config).starts_with("envoy.admin.");
    if configs.is_empty() || !configs.iter().all(dumped) {
        return None;
    }
    let bootstrap = configs
        .iter()
        .filter(|config| kind(config).ends_with(".BootstrapConfigDump"))
        .find_map(|config| config.member("bootstrap"));
    let mut found = Vec::new();
    for config in configs {
        collect(config, bootstrap.is_some(), &mut found);
    }
    let key = Key {
        place: document.place,
        text: "resources".to_owned(),
    };
    let list = Node {
        place: document.place,
        value: Value::List(found.into_iter().cloned().collect()),
    };
    Some(Dump {
        bootstrap,
        resources: Node {
            place: document.place,
            value: Value::Map(vec![(key, list)]),
        },
    })
}

/// Whether a document holds resources of discovery, and none in which a filter could stand.
pub(super) fn is_without_filters(document: &Node) -> bool {
    let resources = match document.member("resources") {
        Some(list) => list.items(),
        None => std::slice::from_ref(document),
    };
    let without = |resource: &Node| WITHOUT_FILTERS.contains(&kind(resource));
    !resources.is_empty() && resources.iter().all(without)
}

fn kind(node: &Node) -> &str {
    text(node, &["@type"]).map(type_name).unwrap_or_default()
}

/// The resources below a node. Those that are static stand in the bootstrap already.
fn collect<'a>(at: &'a Node, in_bootstrap: bool, found: &mut Vec<&'a Node>) {
    if RESOURCES.contains(&kind(at)) {
        found.push(at);
        return;
    }
    for (key, value) in at.members() {
        let small = key.text.to_ascii_lowercase();
        let serves = !["warming", "draining", "error"]
            .iter()
            .any(|state| small.contains(state));
        let again = small == "bootstrap" || (in_bootstrap && small.starts_with("static"));
        if serves && !again {
            collect(value, in_bootstrap, found);
        }
    }
    for item in at.items() {
        collect(item, in_bootstrap, found);
    }
}
