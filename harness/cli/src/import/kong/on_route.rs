//! Which plugins run on a route, and what the route becomes by them.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::super::model::{Action, Route};
use super::super::native::Own;
use super::auth;
use super::does::Does;
use super::entities::{Entities, Plugin};

/// A route, with what runs on it.
pub struct On<'r, 'a> {
    /// Everything in the file.
    pub all: &'r Entities<'a>,
    /// What each plugin becomes.
    pub does: &'r [Option<Does<'a>>],
    /// The route.
    pub index: usize,
    /// Its service.
    pub service: Option<usize>,
}

impl<'r, 'a> On<'r, 'a> {
    /// How narrow the scope of a plugin is, if it is for this route; consumers apart.
    fn weight(&self, plugin: &Plugin<'_>) -> Option<u8> {
        let of_route = plugin.route.is_none_or(|route| route == self.index);
        let of_service = plugin
            .service
            .is_none_or(|service| Some(service) == self.service);
        let weight = u8::from(plugin.route.is_some()) * 2 + u8::from(plugin.service.is_some());
        (of_route && of_service).then_some(weight)
    }

    /// The plugins that run for anybody, by name.
    fn effective(&self) -> BTreeMap<&'r str, &'r Does<'a>> {
        let mut best: BTreeMap<&str, (u8, &Does<'a>)> = BTreeMap::new();
        for (plugin, does) in self.all.plugins.iter().zip(self.does) {
            let (Some(does), None, None) = (does, plugin.consumer, &plugin.group) else {
                continue;
            };
            let Some(weight) = self.weight(plugin) else {
                continue;
            };
            let known = best.get(plugin.name.as_str()).map(|(known, _)| *known);
            if known.is_none_or(|known| weight >= known) {
                best.insert(&plugin.name, (weight, does));
            }
        }
        best.into_iter()
            .map(|(name, (_, does))| (name, does))
            .collect()
    }

    /// Closes the route, and says so.
    fn close(&self, route: &mut Route, why: &str) {
        route.close(why);
        if let Some(one) = self.all.routes.get(self.index) {
            let at = one.at.get("name").unwrap_or_else(|| one.at.clone());
            at.missing_note(
                &format!("route {}", one.name),
                format!("{why}: it is closed (403)"),
                true,
            );
        }
    }

    /// Applies them; clusters that the route needs are given.
    pub fn apply(&self, route: &mut Route) -> Vec<Json> {
        let effective = self.effective();
        let mut providers =
            ["ai-proxy", "ai-proxy-advanced"]
                .iter()
                .filter_map(|name| match effective.get(name) {
                    Some(Does::Provider(provider)) => Some(provider),
                    _ => None,
                });
        let provider = providers.next();
        let has_two = providers.next().is_some();
        let mut clusters: Vec<Json> = Vec::new();
        clusters.extend(
            provider
                .into_iter()
                .flat_map(|provider| provider.apply(route)),
        );
        if let Some(Does::Tokens(issuer)) = effective.get("openid-connect") {
            clusters.push(issuer.cluster.clone());
        }
        if let Some(Does::Mask(plan)) = effective.get("ai-sanitizer") {
            route.plans.insert("pii-mask", plan.clone());
        }
        for does in effective.values() {
            if let Does::Own(own) = does {
                put_own(route, own);
            }
        }
        // A plugin for some consumers that is not taken over leaves nobody in.
        let of_consumers = self
            .all
            .plugins
            .iter()
            .zip(self.does)
            .filter_map(|(plugin, does)| {
                let is_narrow = plugin.consumer.is_some() || plugin.group.is_some();
                let is_here = is_narrow && self.weight(plugin).is_some();
                does.as_ref().filter(|_| is_here)
            });
        for does in effective.values().copied().chain(of_consumers) {
            if let Does::Closes(name) = does {
                route.close(&format!("the plugin {name} is not taken over"));
            }
        }
        if let Err(why) = self.identities(route, &effective) {
            self.close(route, why);
        }
        if has_two {
            self.close(route, "two plugins say which provider it leads to");
        }
        if let Some(provider) = provider
            && let Err(why) = provider.restrict(route)
        {
            self.close(route, why);
        }
        if let Err(why) = self.limits(route, &effective) {
            self.close(route, &why);
        }
        if AUTHENTICATION
            .iter()
            .any(|name| effective.contains_key(name))
        {
            unspoofed(route);
        }
        clusters
    }

    /// Authentication and access.
    fn identities(
        &self,
        route: &mut Route,
        effective: &BTreeMap<&str, &Does<'a>>,
    ) -> Result<(), &'static str> {
        let plan = |name: &str| match effective.get(name) {
            Some(Does::Jwt(plan) | Does::Key(plan)) => Some(plan),
            Some(Does::Tokens(issuer)) => Some(&issuer.plan),
            _ => None,
        };
        let (jwt, key) = match (plan("jwt"), plan("openid-connect"), plan("key-auth")) {
            (Some(_), Some(_), _) => {
                return Err("it asks for tokens of two plugins, jwt and openid-connect");
            }
            (jwt, tokens, key) => (jwt.or(tokens), key),
        };
        let acl = match effective.get("acl") {
            Some(Does::Acl(config)) => Some(config),
            _ => None,
        };
        if let Some(Does::Basic) = effective.get("basic-auth") {
            if jwt.is_some() || key.is_some() || acl.is_some() {
                return Err("basic-auth stands beside other authentication or an acl");
            }
            let on = crate::gateway::typed(
                "envoy.config.route.v3.FilterConfig",
                json!({ "config": {} }),
            );
            route.native.insert("basic-auth", on);
        }
        let plans: Vec<&auth::Plan> = jwt.into_iter().chain(key).collect();
        let optional = !plans.is_empty() && plans.iter().all(|plan| plan.anonymous.is_some());
        let any_optional = plans.iter().any(|plan| plan.anonymous.is_some());
        if any_optional && !optional {
            return Err(
                "one of its authentication plugins takes strangers for a consumer, and another does not",
            );
        }
        let stranger = plans.iter().find_map(|plan| plan.anonymous.as_deref());
        let stranger = match stranger {
            Some(wanted) => match self.consumer(wanted) {
                Some(index) => Some(index),
                None => return Err("no consumer has the name that strangers are taken for"),
            },
            None => None,
        };
        let is_refused = stranger.is_some_and(|index| {
            self.all.plugins.iter().any(|plugin| {
                plugin.enabled
                    && plugin.name == "request-termination"
                    && plugin.consumer == Some(index)
                    && self.weight(plugin).is_some()
            })
        });
        let passes = optional && !is_refused;
        let shows_groups = acl.is_some_and(|config| {
            config
                .node
                .member("hide_groups_header")
                .and_then(|node| node.text())
                != Some("true")
        });
        let written = |plan: &auth::Plan, missing: &str| {
            let mut plan = plan.plan.clone();
            plan.insert("on_missing".into(), missing.into());
            if shows_groups && let Some(headers) = plan.get_mut("identity_headers") {
                crate::gateway::put(headers, "groups", "x-consumer-groups");
            }
            plan
        };
        if let Some(jwt) = jwt {
            let later = key.is_some() && optional;
            let missing = if passes || later { "allow" } else { "deny" };
            route.plans.insert("jwt-auth", written(jwt, missing));
        }
        if let Some(key) = key {
            let missing = match (passes, jwt.is_some() && optional) {
                (true, _) => "allow",
                (false, true) => "deny_unidentified",
                (false, false) => "deny",
            };
            let mut plan = written(key, missing);
            if jwt.is_some() {
                // Of two that must both be there, the last says who calls.
                let other = if optional { "keep" } else { "replace" };
                plan.insert("on_other_identity".into(), other.into());
                if optional {
                    self.tell_apart(&mut plan);
                }
            }
            route.plans.insert("key-auth", plan);
        }
        if let Some(config) = acl {
            if plans.is_empty() {
                return Err("it has an acl, and nothing that says who calls");
            }
            let groups = stranger.and_then(|index| self.all.consumers.get(index));
            let groups = groups.filter(|_| passes).map(|one| one.groups.as_slice());
            let plan = auth::acl(config, groups);
            route
                .plans
                .insert("consumer-acl", plan.map_err(|_| "its acl cannot be read")?);
        }
        Ok(())
    }

    /// key-auth removes the headers that it writes, also where the token filter has written them:
    /// so it writes others where either may say who calls.
    fn tell_apart(&self, plan: &mut Map<String, Json>) {
        let Some(headers) = plan.get_mut("identity_headers") else {
            return;
        };
        let text = headers.to_string().replace("\"x-", "\"x-key-");
        if let Ok(renamed) = serde_json::from_str(&text) {
            *headers = renamed;
        }
        if let Some(route) = self.all.routes.get(self.index) {
            route.at.changed_note(
                &format!("route {}", route.name),
                "a caller by token is told to the server in `x-consumer-*` and `x-credential-identifier`, a caller by key in `x-key-consumer-*` and `x-key-credential-identifier`",
            );
        }
    }

    fn consumer(&self, wanted: &str) -> Option<usize> {
        self.all.consumers.iter().position(|one| {
            one.name == wanted || one.at.text_of("id").is_some_and(|id| id == wanted)
        })
    }

    /// How narrow the scope of a plugin is in Kong's order, consumers and their groups included.
    fn rank(plugin: &Plugin<'_>, weight: u8) -> u8 {
        match (plugin.consumer.is_some(), plugin.group.is_some(), weight) {
            (true, _, 3) => 11,
            (_, true, 3) => 10,
            (true, _, 2) => 9,
            (true, _, 1) => 8,
            (_, true, 2) => 7,
            (_, true, 1) => 6,
            (false, false, 3) => 5,
            (true, _, _) => 4,
            (_, true, _) => 3,
            _ => weight.min(2),
        }
    }

    /// The limits of single consumers, by plugin: whose each is.
    fn own_limits(&self, name: &str, others: u8) -> Result<BTreeMap<usize, Vec<String>>, String> {
        let mut best: BTreeMap<usize, (u8, usize)> = BTreeMap::new();
        for (at, (plugin, does)) in self.all.plugins.iter().zip(self.does).enumerate() {
            let Some(weight) = self.weight(plugin).filter(|_| plugin.name == name) else {
                continue;
            };
            let rank = Self::rank(plugin, weight);
            if !matches!(does, Some(Does::Limit(_))) || rank < others {
                continue;
            }
            for consumer in self.all.members(plugin) {
                match best.get(&consumer) {
                    Some((known, _)) if *known > rank => {}
                    Some((known, _)) if *known == rank && plugin.group.is_some() => {
                        let name = self.all.consumers.get(consumer).map_or("", |one| &one.name);
                        return Err(format!(
                            "{name} is in two consumer groups with limits of their own"
                        ));
                    }
                    _ => drop(best.insert(consumer, (rank, at))),
                }
            }
        }
        let mut whose: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (consumer, (_, at)) in best {
            let name = self.all.consumers.get(consumer).map(|one| one.name.clone());
            whose.entry(at).or_default().extend(name);
        }
        Ok(whose)
    }

    /// Limits, those of single consumers in place of those of all.
    fn limits(
        &self,
        route: &mut Route,
        effective: &BTreeMap<&str, &Does<'a>>,
    ) -> Result<(), String> {
        let has_callers =
            route.plans.contains_key("jwt-auth") || route.plans.contains_key("key-auth");
        let mut policies: Vec<Json> = Vec::new();
        let mut plan: Option<Map<String, Json>> = None;
        for name in ["rate-limiting", "rate-limiting-advanced"] {
            let of_all = self.all.plugins.iter().filter(|plugin| {
                let is_wide = plugin.consumer.is_none() && plugin.group.is_none();
                plugin.name == name && plugin.enabled && is_wide
            });
            let ranks = of_all.filter_map(|plugin| Some(Self::rank(plugin, self.weight(plugin)?)));
            let own = self.own_limits(name, ranks.max().unwrap_or_default())?;
            let but: Vec<String> = own.values().flatten().cloned().collect();
            if let Some(Does::Limit(limit)) = effective.get(name) {
                policies.extend(limit.policies(has_callers, None, &but));
                plan = Some(limit.plan(Vec::new()));
            }
            for (at, consumers) in own.iter().filter(|_| has_callers) {
                if let Some(Some(Does::Limit(limit))) = self.does.get(*at) {
                    policies.extend(limit.policies(true, Some(consumers), &[]));
                    plan = plan.or_else(|| Some(limit.plan(Vec::new())));
                }
            }
        }
        if let Some(mut plan) = plan.filter(|_| !policies.is_empty()) {
            plan.insert("policies".into(), policies.into());
            route.plans.insert("rate-limit", plan);
        }
        Ok(())
    }
}

/// Plugins that say who calls.
const AUTHENTICATION: [&str; 4] = ["jwt", "key-auth", "openid-connect", "basic-auth"];

/// Headers in which Kong tells servers who calls.
const TOLD: [&str; 7] = [
    "x-consumer-id",
    "x-consumer-custom-id",
    "x-consumer-username",
    "x-consumer-groups",
    "x-credential-identifier",
    "x-anonymous-consumer",
    "x-authenticated-groups",
];

/// No client says in Kong's name who it is: of these headers, those that no filter writes on this
/// route, and so removes before, are removed.
fn unspoofed(route: &mut Route) {
    let headers = route
        .plans
        .values()
        .filter_map(|plan| plan.get("identity_headers"));
    let written: Vec<String> = headers.map(Json::to_string).collect();
    let is_written = |name: &&str| {
        let quoted = format!("\"{name}\"");
        written.iter().any(|headers| headers.contains(&quoted))
    };
    let removed: Vec<&str> = TOLD
        .iter()
        .copied()
        .filter(|name| !is_written(name))
        .collect();
    let members = Map::from_iter([("request_headers_to_remove".to_owned(), json!(removed))]);
    put_own(route, &Own::Members(members, Vec::new()));
}

/// What Envoy itself does on a route.
fn put_own(route: &mut Route, own: &Own) {
    match own {
        Own::Filter(name, config) => {
            route.native.insert(name, config.clone());
        }
        Own::Members(members, injected) => {
            route.injected.extend(injected.iter().cloned());
            for (name, value) in members {
                let known = route.more.entry(name.clone()).or_insert_with(|| json!([]));
                if let (Some(known), Some(more)) = (known.as_array_mut(), value.as_array()) {
                    known.extend(more.iter().cloned());
                }
            }
        }
        Own::Reply(status, body) => route.action = Action::Reply(*status, body.clone()),
        Own::Log(_) | Own::Nothing => {}
    }
}
