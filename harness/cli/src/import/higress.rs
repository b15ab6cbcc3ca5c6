//! WasmPlugins of Higress, with the Ingresses and McpBridges beside them, as a gateway.
//!
//! A plugin has a configuration for everything and others for Ingresses, hosts or services. Of
//! these the first that fits runs on a route.

mod callers;
mod does;
pub mod plugins;
mod resources;

use serde_json::Value as Json;

use super::Options;
use super::ledger::At;
use super::model::Gateway;

/// Whether a resource is a WasmPlugin.
pub fn is_plugin(at: &At<'_>) -> bool {
    let kind = at.node.member("kind").and_then(|node| node.text());
    let api = at.node.member("apiVersion").and_then(|node| node.text());
    kind == Some("WasmPlugin") && api.is_some_and(|api| api.starts_with("extensions."))
}

/// All resources of a file.
pub fn import(resources: &[At<'_>], options: &Options) -> Json {
    let mut gateway = Gateway {
        port: 8080,
        ..Gateway::default()
    };
    let mut names = resources::routes(resources, &mut gateway);
    let plugins: Vec<plugins::Plugin<'_>> = resources
        .iter()
        .filter(|at| is_plugin(at))
        .map(plugins::Plugin::read)
        .collect();
    if gateway.routes.is_empty() {
        plugins::routes_of_rules(&plugins, &mut gateway, &mut names);
    }
    plugins::apply(&plugins, options, &mut gateway, &names);
    for at in resources {
        let kind = resources::kind(at);
        if !is_plugin(at) && !["Ingress", "McpBridge"].contains(&kind.as_str()) {
            at.missing(&kind, "resources of this kind are not taken over", false);
        }
    }
    gateway.bootstrap()
}
