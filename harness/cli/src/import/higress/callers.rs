//! `key-auth` and `jwt-auth` of Higress, and its limits.

use serde_json::{Map, Value as Json, json};

use super::super::digest;
use super::super::jwks;
use super::super::ledger::{At, Try};
use super::super::token::add_places;

/// A consumer of a plugin's.
pub struct Caller {
    /// Its name.
    pub name: String,
    /// What it becomes: keys, or an issuer.
    pub becomes: Vec<Json>,
}

/// Everything of an authenticating plugin's.
pub struct Authenticator {
    /// The crate.
    pub krate: &'static str,
    /// The member that callers stand in.
    pub member: &'static str,
    /// Its plan, without callers.
    pub plan: Map<String, Json>,
    /// Its callers.
    pub callers: Vec<Caller>,
    /// Whether it is for every route: said, or left to whether there are rules.
    pub everywhere: Option<bool>,
}

impl Authenticator {
    /// A plan for some callers, or for all of them.
    pub fn plan(&self, allowed: Option<&[String]>) -> Option<Map<String, Json>> {
        let may = |one: &&Caller| allowed.is_none_or(|allowed| allowed.contains(&one.name));
        let callers: Vec<Json> = self
            .callers
            .iter()
            .filter(may)
            .flat_map(|one| one.becomes.clone())
            .collect();
        if callers.is_empty() {
            return None;
        }
        let mut plan = self.plan.clone();
        plan.insert(self.member.to_owned(), callers.into());
        Some(plan)
    }
}

fn named(at: &At<'_>) -> Try<String> {
    let name = at.text_of("name").unwrap_or_default();
    match digest::is_name(&name) && !name.contains('*') {
        true => Ok(name),
        false => {
            Err(at.obstacle("a caller's name is visible ASCII without commas, spaces and stars"))
        }
    }
}

fn headers() -> Json {
    json!({ "consumer": "x-mse-consumer" })
}

/// `key-auth`.
pub fn keys(config: &At<'_>) -> Try<Authenticator> {
    let mut places = Vec::new();
    let in_header = config.flag_of("in_header") != Some(false);
    let in_query = config.flag_of("in_query") == Some(true);
    let mut bearer = false;
    for name in config.texts("keys") {
        if in_header && name.eq_ignore_ascii_case("authorization") {
            bearer = true;
            places.push(json!({ "header": "authorization", "scheme": "Bearer" }));
        } else if in_header {
            places.push(json!({ "header": name.to_ascii_lowercase() }));
        }
        if in_query {
            places.push(json!({ "query": name }));
        }
    }
    if places.is_empty() {
        return Err(config.obstacle("it names no place for keys"));
    }
    let mut callers = Vec::new();
    for at in config.list("consumers") {
        let name = named(&at)?;
        for own in ["keys", "in_header", "in_query"] {
            if let Some(found) = at.get(own) {
                return Err(found.obstacle("a consumer has places of its own for its key"));
            }
        }
        let mut secrets = at.texts("credentials");
        secrets.extend(at.text_of("credential"));
        let mut becomes = Vec::new();
        for (index, secret) in secrets.iter().enumerate() {
            let secret = match bearer {
                true => secret.strip_prefix("Bearer ").unwrap_or(secret),
                false => secret,
            };
            if secret.is_empty() || secret.contains("${") {
                return Err(at.obstacle("its key is not in the file"));
            }
            let id = format!("{name}.{}", index.saturating_add(1));
            becomes.push(digest::key(&id, secret, &name, &[]));
        }
        at.taken(
            &format!("consumer {name}"),
            "its keys, as SHA-256 digests; the keys are not in the new file",
        );
        callers.push(Caller { name, becomes });
    }
    let mut plan = Map::new();
    plan.insert("credential_from".into(), places.into());
    plan.insert("credential_to_upstream".into(), "keep".into());
    plan.insert("identity_headers".into(), headers());
    Ok(Authenticator {
        krate: "key-auth",
        member: "keys",
        plan,
        callers,
        everywhere: config.flag_of("global_auth"),
    })
}

/// `jwt-auth`.
pub fn tokens(config: &At<'_>, audiences: &[String]) -> Try<Authenticator> {
    let mut callers = Vec::new();
    let mut places: Option<Vec<Json>> = None;
    let mut told: Vec<Json> = Vec::new();
    let mut keeps = true;
    for at in config.list("consumers") {
        let name = named(&at)?;
        let issuer = at.text_of("issuer").unwrap_or_default();
        if issuer.is_empty() || issuer.contains(['{', '}']) {
            return Err(at.obstacle("it has no issuer that jwt-auth could find it by"));
        }
        let text = at.text_of("jwks").unwrap_or_default();
        let keys = jwks::keys(&at, &text, &name)?;
        let own = token_places(&at)?;
        if places.as_ref().is_some_and(|known| *known != own) {
            return Err(at.obstacle("consumers have their tokens in different places"));
        }
        places = Some(own);
        for one in at.list("claims_to_headers") {
            let header = one
                .text_of("header")
                .unwrap_or_default()
                .to_ascii_lowercase();
            let claim = one.text_of("claim").unwrap_or_default();
            one.get("override").inspect(At::swallow);
            let written = json!({ "claim": claim, "header": header });
            if !told.contains(&written) {
                told.push(written);
            }
        }
        keeps &= at.flag_of("keep_token") != Some(false);
        let skew = at.number_of("clock_skew_seconds").unwrap_or(60).min(600);
        at.taken(
            &format!("consumer {name}"),
            "an issuer whose tokens are this consumer's",
        );
        callers.push(Caller {
            becomes: vec![json!({
                "issuer": issuer,
                "keys": keys,
                "audiences": audiences,
                "required_claims": ["iss", "exp"],
                "clock_skew_s": skew,
                "consumer_claim": [],
                "consumer": name,
                "groups_claim": [],
            })],
            name,
        });
    }
    let mut headers = headers();
    if !told.is_empty() {
        crate::gateway::put(&mut headers, "claims", told);
    }
    let mut plan = Map::new();
    if let Some(places) = places {
        plan.insert("credential_from".into(), places.into());
    }
    let sees = if keeps { "keep" } else { "strip" };
    plan.insert("credential_to_upstream".into(), sees.into());
    plan.insert("identity_headers".into(), headers);
    Ok(Authenticator {
        krate: "jwt-auth",
        member: "issuers",
        plan,
        callers,
        everywhere: config.flag_of("global_auth"),
    })
}

fn token_places(at: &At<'_>) -> Try<Vec<Json>> {
    let mut places = Vec::new();
    for header in at.list("from_headers") {
        let name = header
            .text_of("name")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let prefix = header.text_of("value_prefix").unwrap_or_default();
        places.push(match prefix.strip_suffix(' ') {
            _ if prefix.is_empty() => json!({ "header": name }),
            Some(scheme) => json!({ "header": name, "scheme": scheme }),
            None => return Err(header.obstacle("value_prefix is no scheme with a space after it")),
        });
    }
    add_places(at, &mut places);
    Ok(places)
}

const WINDOWS: [(&str, u64); 4] = [
    ("query_per_second", 1),
    ("query_per_minute", 60),
    ("query_per_hour", 3600),
    ("query_per_day", 86_400),
];

fn windows(at: &At<'_>) -> Try<Vec<Json>> {
    let written = WINDOWS.iter().filter_map(|(name, seconds)| {
        let quota = at.number_of(name).filter(|quota| *quota > 0)?;
        Some(json!({ "quota": quota, "window_s": seconds }))
    });
    let written: Vec<Json> = written.collect();
    match written.is_empty() {
        true => Err(at.obstacle("it has no limit")),
        false => Ok(written),
    }
}

/// `cluster-key-rate-limit`.
pub fn limits(config: &At<'_>, name: &str) -> Try<Map<String, Json>> {
    let mut policies: Vec<Json> = Vec::new();
    let add = |policies: &mut Vec<Json>, by: Json, who: Json, windows: Vec<Json>| {
        let number = policies.len().saturating_add(1);
        let name = digest::plain(&format!("{name}_{number}"), 40);
        policies.push(json!({ "name": name, "by": by, "who": who, "windows": windows }));
    };
    let anybody = json!({ "identity": "any" });
    if let Some(all) = config.get("global_threshold") {
        add(&mut policies, json!([]), anybody.clone(), windows(&all)?);
    }
    for item in config.list("rule_items") {
        let keys = item.list("limit_keys");
        for key in &keys {
            let wanted = key.text_of("key").unwrap_or_default();
            let windows = windows(key)?;
            if item.get("limit_by_consumer").is_some() {
                add(
                    &mut policies,
                    json!(["consumer"]),
                    json!({ "consumers": [wanted] }),
                    windows,
                );
            } else if item.get("limit_by_per_consumer").is_some() && wanted == "*" {
                add(
                    &mut policies,
                    json!(["consumer"]),
                    json!({ "identity": "required" }),
                    windows,
                );
            } else if let Some(from) = item.text_of("limit_by_per_ip")
                && from == "from-remote-addr"
                && matches!(wanted.as_str(), "0.0.0.0/0" | "*")
            {
                add(&mut policies, json!(["ip"]), anybody.clone(), windows);
            } else if let Some(header) = item
                .text_of("limit_by_per_header")
                .filter(|_| wanted == "*")
            {
                add(
                    &mut policies,
                    json!([{ "header": header.to_ascii_lowercase() }]),
                    anybody.clone(),
                    windows,
                );
                if let Some(policy) = policies.last_mut() {
                    crate::gateway::put(policy, "on_missing", "skip");
                }
            } else {
                return Err(key.obstacle("limits by values of headers, parameters or cookies, or by ranges of addresses, have no counterpart"));
            }
        }
        item.get("limit_by_consumer").inspect(At::swallow);
        item.get("limit_by_per_consumer").inspect(At::swallow);
    }
    for (member, text) in [
        (
            "redis",
            "each proxy counts by itself: divide the quota by the number of proxies",
        ),
        ("rejected_code", "a request over the limit gets 429"),
        (
            "rejected_msg",
            "a request over the limit gets the answer of its protocol's errors",
        ),
        (
            "show_limit_quota_header",
            "clients are told their limits in `RateLimit` and `X-RateLimit-*`",
        ),
        ("rule_name", "policies have names of their own"),
    ] {
        if let Some(found) = config.get(member) {
            found.changed("cluster-key-rate-limit", text);
        }
    }
    config.changed_note(
        "cluster-key-rate-limit",
        "quotas grow back evenly over their window",
    );
    let mut plan = Map::new();
    plan.insert("policies".into(), policies.into());
    plan.insert("headers".into(), "both".into());
    plan.insert("buckets".into(), json!({ "shared_as": "imported" }));
    plan.insert("model_from_body".into(), json!({ "mode": "ignore" }));
    Ok(plan)
}
