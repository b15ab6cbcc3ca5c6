//! What a plugin does by one configuration, whatever route it runs on.

use serde_json::{Map, Value as Json, json};

use super::super::ledger::{At, Try};
use super::super::providers::{Place, Shown};
use super::super::{native, providers};
use super::callers;
use crate::gateway::{Upstream, typed};

/// What a plugin becomes on a route.
pub enum Does {
    /// A configuration of one of the suite's filters.
    Plan(&'static str, Map<String, Json>),
    /// A configuration of one of Envoy's own.
    Native(&'static str, Json),
    /// A server, how its paths are rewritten, and its key.
    Server(Box<Upstream>, Option<Json>, Option<Shown>),
    /// Nothing.
    Nothing,
}

/// What a plugin does by one configuration.
pub fn does(plugin: &str, config: &At<'_>) -> Try<Does> {
    match plugin {
        "cluster-key-rate-limit" => Ok(Does::Plan("rate-limit", callers::limits(config, plugin)?)),
        "ip-restriction" => {
            if let Some(source) = config.get("ip_source_type")
                && source.text().as_deref() != Some("origin-source")
            {
                return Err(source.obstacle("addresses in headers are what clients write"));
            }
            match native::addresses(config)? {
                native::Own::Filter(name, config) => Ok(Does::Native(name, config)),
                _ => Ok(Does::Nothing),
            }
        }
        "request-block" => block(config),
        "ai-data-masking" => masking(config),
        "ai-proxy" => proxy(config),
        _ => {
            Err(config.obstacle("no filter of the suite or of Envoy's is known to do what it does"))
        }
    }
}

/// `request-block`: `rbac` that refuses.
fn block(config: &At<'_>) -> Try<Does> {
    for member in ["block_headers", "block_bodies"] {
        if let Some(found) = config.get(member)
            && !found.items().is_empty()
        {
            return Err(found.obstacle(format!(
                "{member}: only addresses of requests are looked at"
            )));
        }
    }
    let any_case = config.flag_of("case_sensitive") == Some(false);
    let path = |matcher: Json| json!({ "header": { "name": ":path", "string_match": matcher } });
    let mut permissions = Vec::new();
    for text in config.texts("block_urls") {
        permissions.push(path(json!({ "contains": text, "ignore_case": any_case })));
    }
    for text in config.texts("block_exact_urls") {
        permissions.push(path(json!({ "exact": text, "ignore_case": any_case })));
    }
    for member in ["block_regexp_urls", "block_regexp_url"] {
        if config.get(member).is_none() {
            continue;
        }
        for text in config.texts(member) {
            if regex::Regex::new(&text).is_err() {
                return Err(
                    config.obstacle(format!("{member}: a pattern that Envoy does not have"))
                );
            }
            let case = if any_case { "(?i)" } else { "" };
            permissions.push(path(
                json!({ "safe_regex": { "regex": format!("{case}.*({text}).*") } }),
            ));
        }
    }
    for member in ["blocked_code", "blocked_message"] {
        if let Some(found) = config.get(member) {
            found.changed(
                "request-block",
                "a refused request gets 403 and Envoy's answer",
            );
        }
    }
    if permissions.is_empty() {
        return Ok(Does::Nothing);
    }
    let policy = json!({ "permissions": permissions, "principals": [ { "any": true } ] });
    let rules = json!({ "action": "DENY", "policies": { "blocked": policy } });
    Ok(Does::Native(
        "request-block",
        typed(
            "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
            json!({ "rbac": { "rules": rules } }),
        ),
    ))
}

/// `ai-data-masking`: pii-mask, where it looks for what that knows.
fn masking(config: &At<'_>) -> Try<Does> {
    if config
        .get("deny_words")
        .is_some_and(|list| !list.items().is_empty())
    {
        return Err(config.obstacle("deny_words: no filter looks for words"));
    }
    if config.flag_of("system_deny") == Some(true) {
        return Err(config.obstacle("system_deny: no filter has a list of words"));
    }
    let mut entities = Map::new();
    for rule in config.list("replace_roles") {
        let pattern = rule.text_of("regex").unwrap_or_default();
        let entity = match pattern.as_str() {
            "%{EMAILADDRESS}" | "%{EMAILLOCALPART}@%{HOSTNAME:domain}" => "email",
            "%{IP}" | "%{IPV4}" | "%{IPV6}" => "ip",
            "%{MOBILE}" => "phone",
            "%{BANKCARD}" | "%{CREDITCARD}" => "card",
            _ => {
                return Err(rule.obstacle(
                    "regex: patterns are not taken over; write them as `custom` of pii-mask",
                ));
            }
        };
        for member in ["type", "restore", "value"] {
            if let Some(found) = rule.get(member) {
                found.changed("ai-data-masking", "findings are replaced by their kind, such as [EMAIL], and not restored in the answer");
            }
        }
        entities.insert(entity.into(), json!({ "action": "redact" }));
    }
    for member in [
        "deny_openai",
        "deny_jsonpath",
        "deny_raw",
        "deny_code",
        "deny_message",
        "deny_raw_message",
        "deny_content_type",
    ] {
        if let Some(found) = config.get(member) {
            found.changed("ai-data-masking", "pii-mask looks at whole bodies and streams, both ways, and masks every kind of personal data that it knows");
        }
    }
    Ok(Does::Plan(
        "pii-mask",
        Map::from_iter([("entities".to_owned(), entities.into())]),
    ))
}

/// `ai-proxy`: the provider's server and key.
fn proxy(config: &At<'_>) -> Try<Does> {
    let provider = match config.get("provider") {
        Some(provider) => provider,
        None => match (
            config.list("providers").as_slice(),
            config.text_of("activeProviderId"),
        ) {
            ([only], _) => only.clone(),
            (many, Some(active)) => {
                let mut many = many.iter();
                let found = many.find(|one| one.text_of("id").as_deref() == Some(&active));
                found
                    .cloned()
                    .ok_or_else(|| config.obstacle("activeProviderId names no provider"))?
            }
            _ => return Err(config.obstacle("it has no provider")),
        },
    };
    let kind = provider.text_of("type").unwrap_or_default();
    let custom = provider.text_of("openaiCustomUrl");
    let (upstream, path) = providers::server(&provider, &kind, custom.as_deref())?;
    for (member, text) in [
        (
            "modelMapping",
            "callers name the provider's models themselves",
        ),
        ("protocol", "requests and answers pass as they are"),
        ("timeout", "a stream may last, with 60 s of silence at most"),
        (
            "failover",
            "the key is not exchanged for another when it fails",
        ),
        ("retryOnFailure", "requests are not tried again"),
        ("id", "it is the only provider"),
    ] {
        if let Some(found) = provider.get(member) {
            found.changed("ai-proxy", text);
        }
    }
    let mut key = None;
    if let Some(tokens) = provider.get("apiTokens") {
        tokens.swallow();
        let holds = format!("one of the apiTokens of provider {kind}");
        let name = provider
            .ledger()
            .variable(&format!("{kind}_API_KEY"), &holds, &tokens);
        tokens.changed(
            "ai-proxy",
            format!("one key is read from the variable {name}; none is in the new file"),
        );
        let place = Place::Header("authorization".to_owned(), Some("Bearer".to_owned()));
        key = Some(Shown::key(&place, &name));
    }
    let rewrite = (path != "/v1").then(|| {
        json!({ "regex_rewrite": {
            "pattern": { "regex": "^/v1/?(.*)$" },
            "substitution": format!("{path}/\\1"),
        } })
    });
    Ok(Does::Server(Box::new(upstream), rewrite, key))
}
