//! A declarative configuration of Kong's (decK, or DB-less mode) as a gateway.
//!
//! Of each plugin one configuration runs for a request, that with the narrowest scope; so each
//! route gets the plugins that would run on it. Plugins of consumers are taken
//! over where they limit.

mod ai;
mod auth;
mod does;
mod entities;
pub mod known;
mod limits;
mod oidc;
mod on_route;
mod plugins;
mod routes;
mod sanitizer;

use serde_json::Value as Json;

use super::Options;
use super::ledger::At;
use super::model::Gateway;
use auth::{Credentials, Used};
use entities::Entities;

/// Whether a document is one of Kong's.
pub fn is_declarative(root: &At<'_>) -> bool {
    [
        "_format_version",
        "services",
        "routes",
        "consumers",
        "plugins",
    ]
    .iter()
    .any(|name| root.node.member(name).is_some())
        && root.node.member("static_resources").is_none()
        && root.node.member("kind").is_none()
}

/// The whole file.
pub fn import(root: &At<'_>, options: &Options) -> Json {
    for (name, text) in [
        ("_format_version", "how the file is to be read"),
        ("_transform", "how the file is to be read"),
        ("_comment", "it changes nothing"),
        ("_ignore", "Kong passes over it as well"),
        ("_workspace", "its name"),
        ("_konnect", "its control plane"),
    ] {
        if let Some(found) = root.get(name) {
            found.swallow();
            found.taken(name, text);
        }
    }
    if let Some(info) = root.get("_info") {
        if let Some(defaults) = info.get("defaults") {
            let said = "decK fills these values in where the file has none: import what `deck gateway dump` writes instead";
            defaults.missing("_info.defaults", said, true);
        }
        if let Some(tags) = info.get("select_tags") {
            tags.swallow();
            tags.taken("_info.select_tags", "what decK selects in Kong");
        }
    }
    let version = root.text_of("_format_version").unwrap_or_default();
    for (name, protects) in [
        ("certificates", false),
        ("snis", false),
        ("ca_certificates", true),
        ("vaults", false),
        ("filter_chains", true),
        ("rbac_roles", false),
        ("licenses", false),
        ("partials", true),
        ("keys", false),
        ("key_sets", false),
        ("parameters", false),
        ("workspaces", false),
    ] {
        if let Some(found) = root.get(name) {
            found.missing(name, "entities of this kind are not taken over", protects);
        }
    }
    let all = Entities::read(root);
    let runs = |name: &str| {
        all.plugins
            .iter()
            .any(|one| one.enabled && one.name == name)
    };
    let used = Used {
        jwt: runs("jwt"),
        key: runs("key-auth"),
        basic: runs("basic-auth"),
    };
    let credentials = Credentials::read(&all, used, options);
    let targets: Vec<routes::Target> = all
        .services
        .iter()
        .map(|service| routes::target(service, &all))
        .collect();
    let mut gateway = Gateway {
        port: 8000,
        ..Gateway::default()
    };
    for target in &targets {
        gateway.clusters.extend(target.cluster.clone());
    }
    let has_old_paths = version.starts_with(['1', '2']);
    for route in &all.routes {
        let target = route.service.and_then(|index| targets.get(index));
        gateway
            .routes
            .push(routes::route(route, target, has_old_paths));
    }
    plugins::apply(&all, &credentials, options, &mut gateway);
    gateway.bootstrap()
}
