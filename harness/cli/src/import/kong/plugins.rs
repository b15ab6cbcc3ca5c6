//! Kong's plugins, read one by one: what each becomes wherever it runs.

use serde_json::Value as Json;

use super::super::Options;
use super::super::ledger::{At, Obstacle, Try};
use super::super::model::Gateway;
use super::super::native::{self, Own};
use super::auth::{self, Credentials};
use super::does::Does;
use super::entities::{Entities, Plugin};
use super::known::{HARMLESS, HINTS};
use super::on_route::On;
use super::{ai, limits, oidc, sanitizer};

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
    if let Some(group) = &plugin.group {
        words.push(format!("consumer group {group}"));
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
    for member in ["service", "route", "consumer", "consumer_group"] {
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
    let is_limit = plugin.name.starts_with("rate-limiting");
    if let Some(group) = plugin.group.as_ref().filter(|_| !is_limit) {
        return closes(format!(
            "of plugins for a consumer group ({group}) only limits are taken over"
        ));
    }
    let mark = at.ledger().mark();
    let config = match all.config(at) {
        Ok(config) => config,
        Err(found) => return closes(format!("line {}: {}", found.place.line, found.reason)),
    };
    if let Some(consumer) = plugin.consumer.filter(|_| !is_limit) {
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
    if plugin.group.is_some() && all.members(plugin).is_empty() {
        at.swallow();
        at.missing(
            &subject,
            "no consumer of this file is in the group: it limits nobody",
            true,
        );
        return None;
    }
    match translate(plugin, config.as_ref(), all, credentials, &scope, options) {
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
    all: &Entities<'a>,
    credentials: &Credentials,
    scope: &str,
    options: &Options,
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
        "openid-connect" => (
            Does::Tokens(Box::new(oidc::read(&needed()?, all, options)?)),
            "jwt-auth: bearer tokens of the issuer, whose keys are found by discovery",
        ),
        "ai-proxy" | "ai-proxy-advanced" => {
            let config = needed()?;
            let provider = match plugin.name.as_str() {
                "ai-proxy" => ai::read(&config)?,
                _ => ai::read_advanced(&config)?,
            };
            (
                Does::Provider(provider),
                "the provider as a server, with the gateway's own key",
            )
        }
        "ai-sanitizer" => (
            Does::Mask(sanitizer::read(config)?),
            "pii-mask, without a service beside the gateway",
        ),
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
