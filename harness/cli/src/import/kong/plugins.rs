//! Which plugins run on which route, and what they become there.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::super::Options;
use super::super::ledger::{At, Obstacle, Try};
use super::super::model::{Action, Gateway, Route};
use super::super::native::{self, Own};
use super::ai;
use super::auth::{self, Credentials};
use super::entities::{Entities, Plugin};
use super::known::{HARMLESS, HINTS};
use super::limits::{self, Limit};

/// What a plugin becomes, wherever it runs.
enum Does<'a> {
    /// Who calls: the token filter, the key filter or Envoy's own.
    Jwt(auth::Plan),
    /// An API key.
    Key(auth::Plan),
    /// A password.
    Basic,
    /// Whose groups may call; where its configuration stands.
    Acl(At<'a>),
    /// How much.
    Limit(Limit),
    /// Envoy's own work.
    Own(Own),
    /// A provider of models.
    Provider(ai::Provider),
    /// It protects, and cannot be taken over.
    Closes(String),
}

/// Applies all plugins.
pub fn apply(
    all: &Entities<'_>,
    credentials: &Credentials,
    options: &Options,
    gateway: &mut Gateway,
) {
    let does: Vec<Option<Does<'_>>> = all
        .plugins
        .iter()
        .map(|plugin| read(plugin, all, credentials, options))
        .collect();
    for one in &does {
        if let Some(Does::Own(Own::Log(log))) = one
            && !gateway.logs.contains(log)
        {
            gateway.logs.push(log.clone());
        }
    }
    let mut clusters: Vec<Json> = Vec::new();
    for (index, route) in gateway.routes.iter_mut().enumerate() {
        let service = all.routes.get(index).and_then(|route| route.service);
        let on = On {
            all,
            does: &does,
            index,
            service,
        };
        clusters.extend(on.apply(route));
    }
    for cluster in clusters {
        if !gateway.clusters.contains(&cluster) {
            gateway.clusters.push(cluster);
        }
    }
}

/// What a plugin is for, in words.
fn scope(plugin: &Plugin<'_>, all: &Entities<'_>) -> String {
    let mut words = Vec::new();
    if let Some(route) = plugin.route.and_then(|at| all.routes.get(at)) {
        words.push(format!("route {}", route.name));
    }
    if let Some(service) = plugin.service.and_then(|at| all.services.get(at)) {
        words.push(format!("service {}", service.name));
    }
    if let Some(consumer) = plugin.consumer.and_then(|at| all.consumers.get(at)) {
        words.push(format!("consumer {}", consumer.name));
    }
    if words.is_empty() {
        "everything".to_owned()
    } else {
        words.join(", ")
    }
}

/// Reads one plugin, and reports it.
fn read<'a>(
    plugin: &Plugin<'a>,
    all: &Entities<'a>,
    credentials: &Credentials,
    options: &Options,
) -> Option<Does<'a>> {
    let at = &plugin.at;
    let scope = scope(plugin, all);
    let subject = format!("{} for {scope}", plugin.name);
    for member in ["service", "route", "consumer"] {
        at.get(member).inspect(At::swallow);
    }
    at.get("protocols").inspect(At::swallow);
    if !plugin.enabled {
        at.swallow();
        at.taken(&subject, "it is not enabled, and left out");
        return None;
    }
    if let Some((_, text)) = HARMLESS.iter().find(|(name, _)| *name == plugin.name) {
        at.swallow();
        at.missing(&subject, *text, false);
        return None;
    }
    if options.without.contains(&plugin.name) {
        at.swallow();
        at.missing(
            &subject,
            "it is left out, as --without says; its routes are open",
            true,
        );
        return None;
    }
    let closes = |reason: String| {
        at.swallow();
        at.missing(
            &subject,
            format!("{reason}. Routes that it is for are closed (403)"),
            true,
        );
        Some(Does::Closes(plugin.name.clone()))
    };
    if plugin.group {
        return closes("plugins for groups of consumers are not taken over".to_owned());
    }
    let mark = at.ledger().mark();
    let config = at.get("config");
    if let Some(consumer) = plugin
        .consumer
        .filter(|_| !plugin.name.starts_with("rate-limiting"))
    {
        let one = all.consumers.get(consumer);
        let name = one.map_or("", |one| one.name.as_str());
        // Only strangers can be taken for a consumer without credentials.
        let is_nobody = one.is_some_and(|one| one.credentials.is_empty());
        if plugin.name == "request-termination" && is_nobody {
            at.swallow();
            at.guarded(
                &subject,
                "a request without a credential is refused, with 401",
            );
            return None;
        }
        return closes(format!(
            "of plugins for a consumer ({name}) only limits are taken over"
        ));
    }
    match translate(plugin, config.as_ref(), credentials, &scope) {
        Ok(Some((does, became))) => {
            match &does {
                Does::Basic | Does::Own(_) => at.kept_guarded(&subject, became),
                _ => at.guarded(&subject, became),
            }
            Some(does)
        }
        Ok(None) => {
            let known = HINTS.iter().find(|(name, _)| *name == plugin.name);
            let nothing = "no filter of the suite or of Envoy's is known to do what it does";
            closes(known.map_or(nothing, |(_, hint)| hint).to_owned())
        }
        Err(Obstacle { place, reason }) => {
            at.ledger().back_to(mark);
            closes(format!("line {}: {reason}", place.line))
        }
    }
}

type Became<'a> = Option<(Does<'a>, &'static str)>;

fn translate<'a>(
    plugin: &Plugin<'a>,
    config: Option<&At<'a>>,
    credentials: &Credentials,
    scope: &str,
) -> Try<Became<'a>> {
    let needed = || {
        config
            .cloned()
            .ok_or_else(|| plugin.at.obstacle("it has no config"))
    };
    let own = |own: Own, became: &'static str| Ok(Some((Does::Own(own), became)));
    Ok(Some(match plugin.name.as_str() {
        "jwt" => {
            let plan = auth::jwt(config, credentials, false)?;
            plugin.at.changed_note(
                "jwt",
                "`exp` and `nbf` are always verified. A token with an `aud` is refused unless it names one of --audience, which Kong does not look at; one without is taken. `x-credential-identifier` is the token's `jti`, and `x-consumer-custom-id` is not sent",
            );
            (
                Does::Jwt(plan),
                "jwt-auth: each jwt_secret is an issuer whose tokens are its consumer's",
            )
        }
        "key-auth" => {
            let plan = auth::key(config, credentials, false)?;
            plugin
                .at
                .changed_note("key-auth", "a request with two keys is refused");
            (Does::Key(plan), "key-auth")
        }
        "basic-auth" => {
            for name in ["anonymous"] {
                if let Some(found) = config.and_then(|at| at.get(name)) {
                    return Err(
                        found.obstacle("Envoy's basic_auth refuses a request without a password")
                    );
                }
            }
            config.inspect(|at| at.swallow());
            if !credentials.passwords {
                return Err(plugin.at.obstacle("no consumer has a password"));
            }
            plugin.at.changed_note(
                "basic-auth",
                "Envoy's basic_auth takes the users in the variable BASIC_AUTH_USERS; filters of the suite do not know them",
            );
            (Does::Basic, "Envoy's own basic_auth")
        }
        "acl" => {
            let config = needed()?;
            auth::acl(&config, None)?;
            (
                Does::Acl(config),
                "consumer-acl, by the groups of the caller",
            )
        }
        "rate-limiting" | "rate-limiting-advanced" => {
            let limit = limits::read(plugin, &needed()?, scope)?;
            (Does::Limit(limit), "rate-limit")
        }
        "ip-restriction" => {
            return own(
                native::addresses(&needed()?)?,
                "Envoy's own rbac, by address",
            );
        }
        "request-size-limiting" => return own(native::size(config)?, "Envoy's own buffer"),
        "cors" => return own(native::cors(config)?, "Envoy's own cors"),
        "correlation-id" => return own(native::correlation(config), "headers of the route"),
        "request-termination" => {
            return own(native::termination(config)?, "an answer of the route's");
        }
        "request-transformer" | "response-transformer" => {
            let changes = native::transformer(&plugin.name, &needed()?);
            return own(changes, "headers of the route");
        }
        "file-log" => {
            return own(
                native::file_log(&needed()?),
                "an access log of Envoy's, for all routes",
            );
        }
        "ai-proxy" => {
            let provider = ai::read(&needed()?)?;
            (
                Does::Provider(provider),
                "the provider as a server, with the gateway's own key",
            )
        }
        "prometheus" => {
            config.inspect(|at| at.swallow());
            plugin.at.changed_note(
                "prometheus",
                "Envoy's metrics and those of the filters are at `/stats/prometheus` of the admin interface, under their own names",
            );
            return own(Own::Nothing, "Envoy's metrics");
        }
        _ => return Ok(None),
    }))
}

/// A route, with what runs on it.
struct On<'r, 'a> {
    all: &'r Entities<'a>,
    does: &'r [Option<Does<'a>>],
    index: usize,
    service: Option<usize>,
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
            let (Some(does), None) = (does, plugin.consumer) else {
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

    /// Applies them; a cluster that the route needs is given.
    fn apply(&self, route: &mut Route) -> Option<Json> {
        let effective = self.effective();
        let provider = match effective.get("ai-proxy") {
            Some(Does::Provider(provider)) => Some(provider),
            _ => None,
        };
        let cluster = provider.map(|provider| provider.apply(route));
        for does in effective.values() {
            if let Does::Own(own) = does {
                put_own(route, own);
            }
        }
        // A plugin of one consumer's that is not taken over leaves nobody in.
        let of_consumers = self
            .all
            .plugins
            .iter()
            .zip(self.does)
            .filter_map(|(plugin, does)| {
                let is_here = plugin.consumer.is_some() && self.weight(plugin).is_some();
                does.as_ref().filter(|_| is_here)
            });
        for does in effective.values().copied().chain(of_consumers) {
            if let Does::Closes(name) = does {
                route.close(&format!("the plugin {name} is not taken over"));
            }
        }
        if let Err(why) = self.identities(route, &effective) {
            route.close(why);
        }
        if let Some(provider) = provider {
            provider.restrict(route);
        }
        self.limits(route, &effective);
        cluster
    }

    /// Authentication and access.
    fn identities(
        &self,
        route: &mut Route,
        effective: &BTreeMap<&str, &Does<'a>>,
    ) -> Result<(), &'static str> {
        let plan = |name: &str| match effective.get(name) {
            Some(Does::Jwt(plan) | Does::Key(plan)) => Some(plan),
            _ => None,
        };
        let (jwt, key) = (plan("jwt"), plan("key-auth"));
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

    /// Limits, those of single consumers in place of those of all.
    fn limits(&self, route: &mut Route, effective: &BTreeMap<&str, &Does<'a>>) {
        let has_callers =
            route.plans.contains_key("jwt-auth") || route.plans.contains_key("key-auth");
        let mut policies: Vec<Json> = Vec::new();
        let mut plan: Option<Map<String, Json>> = None;
        for name in ["rate-limiting", "rate-limiting-advanced"] {
            let mut own: BTreeMap<usize, (u8, &Limit)> = BTreeMap::new();
            for (plugin, does) in self.all.plugins.iter().zip(self.does) {
                let (Some(Does::Limit(limit)), Some(consumer)) = (does, plugin.consumer) else {
                    continue;
                };
                let Some(weight) = self.weight(plugin).filter(|_| plugin.name == name) else {
                    continue;
                };
                if own.get(&consumer).is_none_or(|(known, _)| weight >= *known) {
                    own.insert(consumer, (weight, limit));
                }
            }
            let name_of =
                |index: &usize| self.all.consumers.get(*index).map(|one| one.name.clone());
            let but: Vec<String> = own.keys().filter_map(name_of).collect();
            if let Some(Does::Limit(limit)) = effective.get(name) {
                policies.extend(limit.policies(has_callers, None, &but));
                plan = Some(limit.plan(Vec::new()));
            }
            for (consumer, (_, limit)) in own.iter().filter(|_| has_callers) {
                let Some(consumer) = name_of(consumer) else {
                    continue;
                };
                policies.extend(limit.policies(true, Some(&consumer), &[]));
                plan = plan.or_else(|| Some(limit.plan(Vec::new())));
            }
        }
        if let Some(mut plan) = plan.filter(|_| !policies.is_empty()) {
            plan.insert("policies".into(), policies.into());
            route.plans.insert("rate-limit", plan);
        }
    }
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
