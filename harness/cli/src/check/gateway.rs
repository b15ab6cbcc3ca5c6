//! What is checked of a bootstrap besides its chains: the admin interface, secrets, and where
//! clusters connect to.

use std::collections::HashSet;
use std::net::IpAddr;

use super::codes;
use super::dump::REDACTED;
use super::entry::{node, text};
use super::files::{Files, Sink};
use super::finding::Finding;
use super::values::in_envoy;
use located_yaml::Node;

/// Everything of this kind in the files.
pub(super) fn check(files: &Files, sink: &mut Sink<'_>) {
    for (file, root) in files.roots() {
        admin(file, root, sink);
        let secrets = node(root, &["static_resources", "secrets"]).map(Node::items);
        let mut seen = HashSet::new();
        for secret in secrets.unwrap_or_default() {
            inline(file, secret, sink);
            if let Some(name) = secret.member("name")
                && let Some(text) = name.text().filter(|text| !seen.insert(*text))
            {
                let problem = format!("a second secret is called {text:?}");
                let hint = "give it another name";
                let finding = Finding::new(&codes::CONSTRAINT, name.place, "secret", problem, hint);
                sink.add(file, finding);
            }
        }
        let listed = |member: &str| {
            node(root, &["static_resources", member])
                .map(Node::items)
                .unwrap_or_default()
        };
        for cluster in listed("clusters") {
            plaintext(file, cluster, sink);
            in_envoy(file, cluster, sink);
        }
        for listener in listed("listeners") {
            in_envoy(file, listener, sink);
        }
        if root.member("static_resources").is_some() {
            let known = listed("secrets").iter();
            let known = known.filter_map(|secret| text(secret, &["name"])).collect();
            named(file, root, &known, sink);
        }
    }
}

fn admin(file: usize, root: &Node, sink: &mut Sink<'_>) {
    let address = node(root, &["admin", "address", "socket_address", "address"]);
    let Some(address) = address else { return };
    let written = address.text().and_then(|text| text.parse::<IpAddr>().ok());
    if written.is_some_and(|address| address.to_canonical().is_unspecified()) {
        let finding = Finding::new(
            &codes::ADMIN,
            address.place,
            "admin",
            "whoever reaches this port can read the configuration and stop Envoy",
            "bind it to 127.0.0.1, and give Prometheus a listener that routes /stats/prometheus only",
        );
        sink.add(file, finding);
    }
}

/// A secret's own text.
fn inline(file: usize, secret: &Node, sink: &mut Sink<'_>) {
    for (key, value) in secret.members() {
        if matches!(key.text.as_str(), "inline_string" | "inline_bytes")
            && value.text().is_some_and(|text| {
                !text.contains("-----BEGIN CERTIFICATE") && !REDACTED.contains(&text)
            })
        {
            let finding = Finding::new(
                &codes::INLINE_SECRET,
                key.place,
                "secret",
                "a secret stands in the file",
                "write `environment_variable: NAME` or `filename: PATH`",
            );
            sink.add(file, finding);
        }
        inline(file, value, sink);
    }
    for item in secret.items() {
        inline(file, item, sink);
    }
}

/// Credentials that name a secret of the bootstrap that is not there.
fn named(file: usize, at: &Node, known: &HashSet<&str>, sink: &mut Sink<'_>) {
    const REFERENCES: [&str; 4] = ["credential", "token_secret", "hmac_secret", "client_secret"];
    for (key, value) in at.members() {
        let name = value.member("name").filter(|_| {
            let fetched = value.member("sds_config").is_some();
            REFERENCES.contains(&key.text.as_str())
                && !fetched
                && value.member("typed_config").is_none()
        });
        if let Some(name) = name
            && let Some(written) = name.text().filter(|name| !known.contains(name))
        {
            let problem = format!("no secret is called {written:?}");
            let hint = "add it to static_resources.secrets, or say in `sds_config` where it is";
            let finding = Finding::new(&codes::NO_SECRET, name.place, &key.text, problem, hint);
            sink.add(file, finding);
        }
        named(file, value, known, sink);
    }
    for item in at.items() {
        named(file, item, known, sink);
    }
}

/// Port 443 without TLS.
fn plaintext(file: usize, cluster: &Node, sink: &mut Sink<'_>) {
    if cluster.member("transport_socket").is_some()
        || cluster.member("transport_socket_matches").is_some()
    {
        return;
    }
    let localities = node(cluster, &["load_assignment", "endpoints"]).map(Node::items);
    for locality in localities.unwrap_or_default() {
        let endpoints = locality.member("lb_endpoints").map(Node::items);
        for endpoint in endpoints.unwrap_or_default() {
            let port = node(
                endpoint,
                &["endpoint", "address", "socket_address", "port_value"],
            );
            if port.and_then(Node::text) == Some("443") {
                let name = text(cluster, &["name"]).unwrap_or("cluster");
                let finding = Finding::new(
                    &codes::PLAINTEXT,
                    port.map_or(endpoint.place, |port| port.place),
                    name,
                    "it connects to port 443 without TLS",
                    "add `transport_socket` with an UpstreamTlsContext",
                );
                sink.add(file, finding);
            }
        }
    }
}
