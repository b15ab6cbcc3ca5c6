//! Which plugins run on which route, and what they become there.

use serde_json::{Map, Value as Json, json};

use super::super::Options;
use super::super::ledger::{At, Obstacle, Try};
use super::super::model::{Action, Gateway, Match, Route};
use super::callers::{self, Authenticator};
use super::does::{Does, does};
use super::resources::{self, Named};
use crate::gateway::cluster;

/// A WasmPlugin.
pub struct Plugin<'a> {
    at: At<'a>,
    /// Which: the name of its image.
    name: String,
    everywhere: Option<At<'a>>,
    rules: Vec<Rule<'a>>,
}

/// A configuration for some routes.
struct Rule<'a> {
    at: At<'a>,
    ingress: Vec<String>,
    domains: Vec<String>,
    services: Vec<String>,
    config: Option<At<'a>>,
}

/// Plugins that keep nobody out.
pub const HARMLESS: [&str; 15] = [
    "ai-statistics",
    "ai-cache",
    "ai-history",
    "ai-prompt-decorator",
    "ai-prompt-template",
    "ai-rag",
    "ai-search",
    "ai-transformer",
    "ai-image-reader",
    "cors",
    "transformer",
    "custom-response",
    "cache-control",
    "request-log",
    "traffic-tag",
];

impl<'a> Plugin<'a> {
    /// Reads one.
    pub fn read(at: &At<'a>) -> Self {
        resources::head(at);
        let (_, called) = resources::name(at);
        at.at(&["metadata", "annotations"]).inspect(At::swallow);
        let spec = at.get("spec");
        let spec = spec.as_ref().unwrap_or(at);
        let url = spec.text_of("url").unwrap_or_default();
        let image = url.rsplit('/').next().unwrap_or_default();
        let image = image.split([':', '@']).next().unwrap_or_default();
        let name = image.strip_suffix(".wasm").unwrap_or(image);
        let name = if name.is_empty() {
            called
        } else {
            name.to_owned()
        };
        for member in [
            "phase",
            "priority",
            "imagePullPolicy",
            "imagePullSecret",
            "sha256",
            "pluginName",
            "failStrategy",
            "selector",
            "verificationKey",
            "vmConfig",
        ] {
            spec.get(member).inspect(At::swallow);
        }
        let off = spec.flag_of("defaultConfigDisable") == Some(true);
        let mut everywhere = spec
            .get("defaultConfig")
            .or_else(|| spec.get("pluginConfig"));
        let mut rules: Vec<Rule<'a>> = spec.list("matchRules").iter().map(Rule::read).collect();
        // As Envoy gets it: rules within the configuration.
        let within = everywhere
            .as_ref()
            .map(|config| config.list("_rules_"))
            .unwrap_or_default();
        rules.extend(within.iter().map(Rule::within));
        if off {
            everywhere = everywhere.filter(|config| {
                config.swallow();
                false
            });
        }
        Self {
            at: at.clone(),
            name,
            everywhere,
            rules,
        }
    }

    /// Whether it may say who calls: such a plugin may be for everything by its rules alone.
    fn may_identify(&self) -> bool {
        let parts = ["auth", "oidc", "jwt", "sso", "login", "session"];
        parts.iter().any(|part| self.name.contains(part))
    }

    /// The first configuration for a route that a rule has.
    fn rule(&self, route: &Route, names: &Named) -> Option<&Rule<'a>> {
        self.rules.iter().find(|rule| rule.fits(route, names))
    }
}

impl<'a> Rule<'a> {
    fn read(at: &At<'a>) -> Self {
        let off = at.flag_of("configDisable") == Some(true);
        at.get("routeType").inspect(At::swallow);
        Self {
            at: at.clone(),
            ingress: at.texts("ingress"),
            domains: at.texts("domain"),
            services: at.texts("service"),
            config: at.get("config").filter(|config| {
                if off {
                    config.swallow();
                }
                !off
            }),
        }
    }

    fn within(at: &At<'a>) -> Self {
        Self {
            at: at.clone(),
            ingress: at.texts("_match_route_"),
            domains: at.texts("_match_domain_"),
            services: at.texts("_match_service_"),
            config: Some(at.clone()),
        }
    }

    fn fits(&self, route: &Route, names: &Named) -> bool {
        let of_host = |host: &String| {
            self.domains
                .iter()
                .any(|domain| match domain.strip_prefix('*') {
                    Some(end) => host.ends_with(end),
                    None => host == domain,
                })
        };
        let of_service = |wanted: &String| {
            let name = wanted.split('.').next().unwrap_or_default();
            names
                .services
                .iter()
                .any(|service| service == wanted || service == name)
        };
        self.ingress
            .iter()
            .any(|wanted| names.ingress.contains(wanted))
            || route.hosts.iter().any(of_host)
            || self.services.iter().any(of_service)
    }
}

/// Without Ingresses the hosts that rules name are the routes, and everything else is one.
pub fn routes_of_rules(plugins: &[Plugin<'_>], gateway: &mut Gateway, names: &mut Vec<Named>) {
    let mut hosts: Vec<String> = Vec::new();
    for domain in plugins
        .iter()
        .flat_map(|one| &one.rules)
        .flat_map(|rule| &rule.domains)
    {
        if !hosts.contains(domain) && domain != "*" {
            hosts.push(domain.clone());
        }
    }
    let all = hosts.into_iter().map(|host| vec![host]).chain([Vec::new()]);
    for hosts in all {
        let name = hosts
            .first()
            .cloned()
            .unwrap_or_else(|| "everything".to_owned());
        let mut route = Route::new(name, hosts, resources::nowhere());
        route.matches.push(Match {
            condition: json!({ "prefix": "/" }),
            rank: (0, 0, 0),
            rewrite: None,
        });
        gateway.routes.push(route);
        names.push(Named {
            ingress: Vec::new(),
            services: Vec::new(),
        });
    }
}

/// Applies all plugins.
pub fn apply(plugins: &[Plugin<'_>], options: &Options, gateway: &mut Gateway, names: &[Named]) {
    let mut injectors = Vec::new();
    for plugin in plugins {
        let subject = plugin.name.clone();
        let at = &plugin.at;
        if HARMLESS.contains(&plugin.name.as_str()) {
            at.swallow();
            at.missing(
                &subject,
                "no filter takes its place; it keeps nobody out",
                false,
            );
            continue;
        }
        if options.without.contains(&plugin.name) {
            at.swallow();
            at.missing(
                &subject,
                "it is left out, as --without says; its routes are open",
                true,
            );
            continue;
        }
        let mark = at.ledger().mark();
        let applied = apply_one(plugin, options, gateway, names, &mut injectors);
        unmatched(plugin, gateway, names);
        match applied {
            Ok(became) => at.guarded(&subject, became),
            Err(Obstacle { place, reason }) => {
                at.ledger().back_to(mark);
                at.swallow();
                let said = format!(
                    "line {}: {reason}. Routes that it is for are closed (403)",
                    place.line
                );
                at.missing(&subject, said, true);
                for (route, names) in gateway.routes.iter_mut().zip(names) {
                    let config = plugin
                        .rule(route, names)
                        .map_or(plugin.everywhere.is_some(), |rule| rule.config.is_some());
                    if config || (plugin.may_identify() && !plugin.rules.is_empty()) {
                        route.close(&format!("the plugin {} is not taken over", plugin.name));
                    }
                }
            }
        }
    }
    for cluster in injectors {
        if !gateway.clusters.contains(&cluster) {
            gateway.clusters.push(cluster);
        }
    }
}

/// Rules for routes that are not in the file.
fn unmatched(plugin: &Plugin<'_>, gateway: &Gateway, names: &[Named]) {
    for rule in &plugin.rules {
        let fits = |(route, names): (&Route, &Named)| rule.fits(route, names);
        if !gateway.routes.iter().zip(names).any(fits) {
            rule.at.swallow();
            rule.at.missing(
                &plugin.name,
                "its Ingress, host or service is not in this file: put those resources into it",
                true,
            );
        }
    }
}

fn apply_one(
    plugin: &Plugin<'_>,
    options: &Options,
    gateway: &mut Gateway,
    names: &[Named],
    clusters: &mut Vec<Json>,
) -> Try<&'static str> {
    let authenticator: Option<Authenticator> = match (plugin.name.as_str(), &plugin.everywhere) {
        ("key-auth", Some(config)) => Some(callers::keys(config)?),
        ("jwt-auth", Some(config)) => Some(callers::tokens(config, &options.audiences)?),
        ("key-auth" | "jwt-auth", None) => return Err(plugin.at.obstacle("it has no consumers")),
        _ => None,
    };
    if let Some(authenticator) = authenticator {
        return authenticate(plugin, &authenticator, gateway, names);
    }
    let mut cached: Vec<(String, Does)> = Vec::new();
    for (route, names) in gateway.routes.iter_mut().zip(names) {
        let config = match plugin.rule(route, names) {
            Some(rule) => rule.config.as_ref(),
            None => plugin.everywhere.as_ref(),
        };
        let Some(config) = config else { continue };
        if !cached.iter().any(|(path, _)| *path == config.path) {
            cached.push((config.path.clone(), does(&plugin.name, config)?));
        }
        let does = cached.iter().find(|(path, _)| *path == config.path);
        match does.map(|(_, does)| does) {
            Some(Does::Plan(krate, plan)) => {
                route.plans.insert(krate, plan.clone());
            }
            Some(Does::Native(name, config)) => {
                route.native.insert(name, config.clone());
            }
            Some(Does::Server(server, rewrite, key)) => {
                clusters.push(cluster(server));
                let mut action = Map::new();
                action.insert("cluster".into(), server.name.clone().into());
                action.insert("host_rewrite_literal".into(), server.host.clone().into());
                action.insert("timeout".into(), "0s".into());
                action.insert("idle_timeout".into(), "60s".into());
                if !route.is_closed() {
                    route.action = Action::Forward(action);
                }
                if let Some(shown) = key {
                    clusters.extend(shown.servers.iter().map(cluster));
                    route.plans.insert("upstream-auth", shown.plan.clone());
                }
                for way in &mut route.matches {
                    way.rewrite.clone_from(rewrite);
                }
            }
            Some(Does::Nothing) | None => {}
        }
    }
    Ok(match plugin.name.as_str() {
        "ai-proxy" => "the provider as a server, with the gateway's own key",
        "cluster-key-rate-limit" => "rate-limit",
        "ai-data-masking" => "pii-mask",
        _ => "Envoy's own rbac",
    })
}

/// Callers on the routes that ask for them.
fn authenticate(
    plugin: &Plugin<'_>,
    authenticator: &Authenticator,
    gateway: &mut Gateway,
    names: &[Named],
) -> Try<&'static str> {
    let everywhere = authenticator.everywhere.unwrap_or(plugin.rules.is_empty());
    for (route, names) in gateway.routes.iter_mut().zip(names) {
        let rule = plugin
            .rule(route, names)
            .and_then(|rule| rule.config.as_ref());
        let allowed = rule.map(|config| config.texts("allow"));
        if rule.is_none() && !everywhere {
            continue;
        }
        match authenticator.plan(allowed.as_deref()) {
            Some(plan) => {
                route.plans.insert(authenticator.krate, plan);
            }
            None => route.close("nobody is allowed to call it"),
        }
    }
    plugin.at.changed_note(
        &plugin.name,
        "a caller who is known but not allowed on a route gets 401 instead of 403; a request with two credentials is refused; the caller's name is in `x-mse-consumer`",
    );
    if authenticator.krate == "jwt-auth" {
        plugin.at.changed_note(
            &plugin.name,
            "a token with an `aud` is refused unless it names one of --audience, which Higress does not look at",
        );
    }
    Ok(authenticator.krate)
}
