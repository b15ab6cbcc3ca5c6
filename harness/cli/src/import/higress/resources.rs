//! Resources that stand beside plugins: where requests come in, and where they go.

use std::collections::BTreeMap;

use serde_json::{Map, json};

use super::super::ledger::At;
use super::super::model::{Action, Gateway, Match, Route};
use crate::gateway::{Upstream, cluster};

/// A route, and the names that rules of plugins have for it.
pub struct Named {
    /// The names of its Ingress: with its namespace, and without.
    pub ingress: Vec<String>,
    /// The names of its services.
    pub services: Vec<String>,
}

/// Namespace and name of a resource.
pub fn name(at: &At<'_>) -> (String, String) {
    let text = |name: &str| at.at(&["metadata", name]).and_then(|at| at.text());
    let space = text("namespace").unwrap_or_else(|| "default".to_owned());
    (space, text("name").unwrap_or_default())
}

/// Servers that an McpBridge names: their services' names and where they are.
pub fn registries(resources: &[At<'_>]) -> BTreeMap<String, Upstream> {
    let mut known = BTreeMap::new();
    for at in resources.iter().filter(|at| kind(at) == "McpBridge") {
        at.taken("McpBridge", "clusters");
        head(at);
        for one in at
            .at(&["spec", "registries"])
            .map(|at| at.items())
            .unwrap_or_default()
        {
            let name = one.text_of("name").unwrap_or_default();
            let kind = one.text_of("type").unwrap_or_default();
            let domain = one.text_of("domain").unwrap_or_default();
            let tls = one
                .text_of("protocol")
                .is_some_and(|protocol| protocol == "https");
            let scheme = if tls { "https" } else { "http" };
            let url = match (kind.as_str(), one.number_of("port")) {
                ("dns", Some(port)) => format!("{scheme}://{domain}:{port}"),
                // Its domain has the port.
                ("static", _) => format!("{scheme}://{domain}"),
                _ => String::new(),
            };
            match Upstream::of_url(&name, &url) {
                Ok(server) => {
                    known.insert(format!("{name}.{kind}"), server);
                }
                Err(_) => one.missing(
                    "registry",
                    "only registries of the types dns and static with one server are taken over",
                    false,
                ),
            }
        }
    }
    known
}

/// The kind of a resource.
pub fn kind(at: &At<'_>) -> String {
    at.text_of("kind").unwrap_or_default()
}

/// What every resource has, and what changes nothing for requests.
pub fn head(at: &At<'_>) {
    at.get("apiVersion").inspect(At::swallow);
    at.get("status").inspect(At::swallow);
    if let Some(metadata) = at.get("metadata") {
        for name in [
            "name",
            "namespace",
            "labels",
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
        ] {
            metadata.get(name).inspect(At::swallow);
        }
    }
}

/// Routes of all Ingresses.
pub fn routes(resources: &[At<'_>], gateway: &mut Gateway) -> Vec<Named> {
    let servers = registries(resources);
    let mut names = Vec::new();
    for at in resources.iter().filter(|at| kind(at) == "Ingress") {
        ingress(at, &servers, gateway, &mut names);
    }
    names
}

fn ingress(
    at: &At<'_>,
    servers: &BTreeMap<String, Upstream>,
    gateway: &mut Gateway,
    names: &mut Vec<Named>,
) {
    head(at);
    let (space, name) = name(at);
    let subject = format!("Ingress {space}/{name}");
    at.taken(&subject, "routes and clusters");
    let Annotations {
        destination,
        needs_tls,
        closing,
    } = annotations(at);
    let Some(spec) = at.get("spec") else { return };
    spec.get("ingressClassName").inspect(At::swallow);
    if let Some(tls) = spec.get("tls") {
        tls.missing(
            &subject,
            "the listener speaks plaintext: give it a `transport_socket` with your certificate",
            false,
        );
    }
    for rule in spec.list("rules") {
        let host = rule.text_of("host").filter(|host| !host.is_empty());
        for path in rule
            .at(&["http", "paths"])
            .map(|at| at.items())
            .unwrap_or_default()
        {
            let text = path.text_of("path").unwrap_or_else(|| "/".to_owned());
            let exact = path.text_of("pathType").is_some_and(|kind| kind == "Exact");
            let server = server(&path, &space, destination.as_deref(), servers);
            let condition = match (exact, text.trim_end_matches('/')) {
                (true, _) => json!({ "path": text }),
                (false, "") => json!({ "prefix": "/" }),
                (false, folder) => json!({ "path_separated_prefix": folder }),
            };
            let mut services = Vec::new();
            let action = match server {
                Some(server) => {
                    services.push(server.name.clone());
                    let mut action = Map::new();
                    action.insert("cluster".into(), server.name.clone().into());
                    if server.tls {
                        action.insert("host_rewrite_literal".into(), server.host.clone().into());
                    }
                    let written = cluster(&server);
                    if !gateway.clusters.contains(&written) {
                        gateway.clusters.push(written);
                    }
                    Action::Forward(action)
                }
                None => {
                    path.missing(
                        &subject,
                        "its server is not in this file: the route is closed",
                        false,
                    );
                    nowhere()
                }
            };
            let name_of = format!("{name}-{}", gateway.routes.len().saturating_add(1));
            let mut route = Route::new(name_of, host.iter().cloned().collect(), action);
            route.needs_tls = needs_tls;
            if let Some(name) = &closing {
                route.close(&format!("its annotation {name} is not taken over"));
            }
            route.matches.push(Match {
                condition,
                rank: (1, exact.into(), text.len()),
                rewrite: None,
            });
            gateway.routes.push(route);
            names.push(Named {
                ingress: vec![name.clone(), format!("{space}/{name}")],
                services,
            });
        }
    }
}

/// What the annotations of an Ingress say.
#[derive(Default)]
struct Annotations {
    /// Where its requests go.
    destination: Option<String>,
    /// Whether plaintext requests are turned away.
    needs_tls: bool,
    /// One that may say who gets in, and is not taken over.
    closing: Option<String>,
}

/// Annotations of gateways that let nobody in who was kept out: beginnings of their names.
const HARMLESS: [&str; 12] = [
    "canary-by-cookie-ttl",
    "cors-",
    "enable-cors",
    "enable-proxy-next-upstream",
    "load-balance",
    "proxy-body-size",
    "proxy-connect-timeout",
    "proxy-next-upstream",
    "proxy-read-timeout",
    "proxy-send-timeout",
    "resource-definer",
    "timeout",
];

fn annotations(at: &At<'_>) -> Annotations {
    let mut said = Annotations::default();
    let list = at.at(&["metadata", "annotations"]);
    for (key, value) in list.map(|list| list.members()).unwrap_or_default() {
        let text = value.text().unwrap_or_default();
        let (prefix, name) = key.split_once('/').unwrap_or(("", key));
        let of_gateway = prefix == "higress.io" || prefix.ends_with("ingress.kubernetes.io");
        match name {
            "destination" if of_gateway => {
                said.destination = text.split_whitespace().next().map(str::to_owned);
            }
            "ssl-redirect" | "force-ssl-redirect" if of_gateway => {
                said.needs_tls |= text == "true";
                value.changed(
                    key,
                    "plaintext requests get 426, where they were redirected",
                );
            }
            _ if of_gateway && text == "false" => {
                value.taken(key, "it is off");
            }
            _ if !of_gateway => value.taken(key, "it changes nothing for requests"),
            _ if HARMLESS.iter().any(|start| name.starts_with(start)) => {
                value.missing(key, "the annotation is not taken over", false);
            }
            _ => {
                value.missing(
                    key,
                    "the annotation is not taken over, and may say who gets in: its routes are closed (403)",
                    true,
                );
                said.closing = Some(name.to_owned());
            }
        }
    }
    said
}

/// What is answered where the server is not known.
pub fn nowhere() -> Action {
    let body = json!({ "message": "The server of this route was not imported." });
    Action::Reply(503, body.to_string())
}

/// The server behind a path.
fn server(
    path: &At<'_>,
    space: &str,
    destination: Option<&str>,
    servers: &BTreeMap<String, Upstream>,
) -> Option<Upstream> {
    if let Some(destination) = destination {
        path.get("backend").inspect(At::swallow);
        let name = destination.split(':').next().unwrap_or_default();
        return servers.get(name).cloned();
    }
    let service = path.at(&["backend", "service"])?;
    let name = service.text_of("name")?;
    let port = service.at(&["port", "number"])?.number()?;
    Upstream::of_url(&name, &format!("http://{name}.{space}.svc:{port}")).ok()
}
