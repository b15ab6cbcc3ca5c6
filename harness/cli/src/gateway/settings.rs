//! Filters' configurations, put together from what stands in a gateway file. Each value keeps its
//! place there.

use std::collections::BTreeSet;

use located_yaml::read::At;
use located_yaml::{Key, Node, Place, Value};

use super::servers::text;

/// The variables that aws-sigv4 reads where its credentials are not written.
const AWS: [&str; 3] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];
/// Those that it reads where a container's endpoint is not written.
const AWS_CONTAINER: [&str; 3] = [
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

/// A mapping that stands at this place.
pub(super) fn object<const N: usize>(place: Place, members: [(&str, Node); N]) -> Node {
    let members = members.map(|(name, value)| (key(value.place, name), value));
    let value = Value::Map(members.into());
    Node { place, value }
}

fn key(place: Place, name: &str) -> Key {
    let text = name.to_owned();
    Key { place, text }
}

/// Adds a member to a mapping.
pub(super) fn put(node: &mut Node, name: &str, value: Node) {
    if let Value::Map(members) = &mut node.value {
        members.push((key(value.place, name), value));
    }
}

/// A member of a mapping, to change.
pub(super) fn member_mut<'a>(node: &'a mut Node, name: &str) -> Option<&'a mut Node> {
    match &mut node.value {
        Value::Map(members) => members
            .iter_mut()
            .find(|(key, _)| key.text == name)
            .map(|(_, value)| value),
        _ => None,
    }
}

/// What a filter takes from clients: the one list that has parts from both.
const CLIENT_HEADERS: &str = "client_headers";

/// Lets headers through that model-route writes.
pub(super) fn let_through(config: &mut Node, headers: &[&str]) {
    if !headers.is_empty() {
        let place = config.place;
        let listed = headers.iter().map(|header| text(place, header)).collect();
        let value = Value::List(listed);
        put(config, CLIENT_HEADERS, Node { place, value });
    }
}

/// Adds settings to those that follow from the rest of the file; neither takes the other's place.
pub(super) fn add(to: &mut Node, from: &At<'_>) {
    for (key, value) in from.entries() {
        match member_mut(to, &key.text) {
            Some(there) if value.is_map() && matches!(there.value, Value::Map(_)) => {
                add(there, &value);
            }
            Some(Node {
                value: Value::List(there),
                ..
            }) if key.text == CLIENT_HEADERS => {
                let items = value.node.items().iter();
                let written =
                    items.filter(|item| !there.iter().any(|one| one.text() == item.text()));
                let written: Vec<Node> = written.cloned().collect();
                there.extend(written);
            }
            Some(_) => {
                value.refuse::<()>(
                    "it follows from another part of this file, and cannot be written twice",
                );
            }
            None => put(to, &key.text, value.node.clone()),
        }
    }
}

/// jwt-auth's issuers, with discovery where nothing is said of keys, and the URL of the server to
/// call where no cluster is named.
pub(super) fn issuers(at: &At<'_>) -> Node {
    let mut seen = BTreeSet::new();
    let mut node = at.node.clone();
    let Value::List(items) = &mut node.value else {
        return node;
    };
    for item in items {
        let issuer = item.member("issuer").and_then(Node::text);
        let issuer = issuer.unwrap_or_default().to_owned();
        let place = item.place;
        if item.member("keys").is_none() {
            // A second entry for an issuer has the keys of the first.
            if seen.insert(issuer.clone()) {
                let discovery = object(place, [("cluster", text(place, &issuer))]);
                put(item, "keys", object(place, [("discovery", discovery)]));
            }
            continue;
        }
        seen.insert(issuer.clone());
        let Some(keys) = member_mut(item, "keys") else {
            continue;
        };
        for source in ["discovery", "fetch"] {
            let Some(source) = member_mut(keys, source) else {
                continue;
            };
            if source.member("cluster").is_none() {
                let url = source.member("url").and_then(Node::text).unwrap_or(&issuer);
                let url = text(source.place, url);
                put(source, "cluster", url);
            }
        }
    }
    node
}

/// The server that a source of upstream-auth calls where its cluster is left out, and none of its
/// own members says it.
const SOURCES: [(&str, &str); 5] = [
    ("entra", "https://login.microsoftonline.com"),
    ("entra_on_behalf_of", "https://login.microsoftonline.com"),
    ("managed_identity", "http://169.254.169.254"),
    ("google_service_account", "https://oauth2.googleapis.com"),
    ("google_metadata", "http://metadata.google.internal"),
];

/// upstream-auth's `credential`: the URL of the server to call where no cluster is named, and a
/// variable alone as a key.
pub(super) fn credential(at: &At<'_>) -> Node {
    let mut node = at.node.clone();
    let place = node.place;
    if node.member("env").is_some() {
        return object(place, [("static", object(place, [("value", node)]))]);
    }
    for (name, server) in SOURCES {
        let Some(source) = member_mut(&mut node, name) else {
            continue;
        };
        if matches!(source.value, Value::Map(_)) && source.member("cluster").is_none() {
            let written = ["url", "authority"]
                .iter()
                .find_map(|name| source.member(name));
            let url = written.and_then(Node::text).unwrap_or(server);
            let url = text(source.place, url);
            put(source, "cluster", url);
        }
    }
    endpoints(&mut node);
    node
}

/// Names the server of an endpoint that has a URL and nothing else.
fn endpoints(node: &mut Node) {
    let Value::Map(members) = &mut node.value else {
        return;
    };
    for (key, value) in members {
        let is_endpoint = matches!(key.text.as_str(), "token_endpoint" | "assertion_from");
        match value.member("url").and_then(Node::text) {
            Some(url) if is_endpoint && value.member("cluster").is_none() => {
                let url = text(value.place, url);
                put(value, "cluster", url);
            }
            _ => endpoints(value),
        }
    }
}

/// The servers that aws-sigv4's sources of credentials and roles call where no cluster is named:
/// the machine's and the container's own addresses, and AWS's in the region.
pub(super) fn aws_servers(node: &mut Node, region: &str) {
    let Value::Map(members) = &mut node.value else {
        if let Value::List(items) = &mut node.value {
            items.iter_mut().for_each(|item| aws_servers(item, region));
        }
        return;
    };
    for (key, value) in members {
        let server = match key.text.as_str() {
            "instance_metadata" => Some("http://169.254.169.254".to_owned()),
            "container" => Some("http://169.254.170.2".to_owned()),
            "web_identity" | "assume_role" => Some(regional("sts", region)),
            "secrets_manager" => Some(regional("secretsmanager", region)),
            // Only where it is fetched.
            "token" | "authorization_token" if value.member("url").is_some() => Some(String::new()),
            _ => None,
        };
        if let Some(server) = server {
            let items = match &mut value.value {
                Value::List(items) => items.as_mut_slice(),
                _ => std::slice::from_mut(&mut *value),
            };
            items.iter_mut().for_each(|item| name_server(item, &server));
        }
        aws_servers(value, region);
    }
}

/// Names the server of something that is called, where that is left out.
fn name_server(item: &mut Node, server: &str) {
    if matches!(item.value, Value::Map(_)) && item.member("cluster").is_none() {
        let written = item.member("url").and_then(Node::text);
        let url = text(item.place, written.unwrap_or(server));
        put(item, "cluster", url);
    }
}

/// An endpoint of AWS's in a region (docs.aws.amazon.com/general/latest/gr/rande.html).
pub(crate) fn regional(service: &str, region: &str) -> String {
    let end = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://{service}.{region}.amazonaws.com{end}")
}

/// The variables of the environment that a filter reads.
pub(super) fn environment(filter: &str, config: &Node) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    named(config, &mut found);
    if filter == "aws_sigv4" {
        match config.member("credentials") {
            None => found.extend(AWS.map(ToOwned::to_owned)),
            Some(written) => {
                // A source, or a list of them.
                for source in std::iter::once(written).chain(written.items()) {
                    let container = source.member("container");
                    if source.member("environment").is_some() {
                        found.extend(AWS.map(ToOwned::to_owned));
                    }
                    if container.is_some_and(|container| container.member("url").is_none()) {
                        found.extend(AWS_CONTAINER.map(ToOwned::to_owned));
                    }
                }
            }
        }
    }
    if filter == "upstream_auth" && asks_app_service(config) {
        found.extend(["IDENTITY_ENDPOINT", "IDENTITY_HEADER"].map(ToOwned::to_owned));
    }
    found
}

fn asks_app_service(node: &Node) -> bool {
    let members = node.members().iter();
    let mut values = members.map(|(key, value)| (key.text.as_str(), value));
    values.any(|(name, value)| {
        (name == "endpoint" && value.text() == Some("app_service")) || asks_app_service(value)
    })
}

fn named(node: &Node, found: &mut BTreeSet<String>) {
    let members = node.members();
    if let [(key, value)] = members
        && key.text == "env"
    {
        found.extend(value.text().map(ToOwned::to_owned));
    }
    for (_, value) in members {
        named(value, found);
    }
    for item in node.items() {
        named(item, found);
    }
}
