//! `openid-connect`: its bearer tokens, by an issuer of jwt-auth that is found by discovery. The
//! other ways to identify oneself there (logins, sessions, passwords) end.

use serde_json::{Map, Value as Json, json};

use super::super::Options;
use super::super::digest;
use super::super::ledger::{At, Try};
use super::auth::{self, Plan};
use super::entities::Entities;
use crate::gateway::{Upstream, cluster, put};

/// An issuer, read.
pub struct Provider {
    /// The plan of jwt-auth.
    pub plan: Plan,
    /// Its server.
    pub cluster: Json,
}

/// What discovery documents are called.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Members that are read below.
const READ: [&str; 24] = [
    "anonymous",
    "audience_claim",
    "audience_required",
    "auth_methods",
    "authenticated_groups_claim",
    "bearer_token_cookie_name",
    "bearer_token_param_type",
    "consumer_by",
    "consumer_claim",
    "consumer_optional",
    "groups_claim",
    "groups_required",
    "hide_credentials",
    "issuer",
    "issuers_allowed",
    "leeway",
    "roles_claim",
    "roles_required",
    "run_on_preflight",
    "scopes_claim",
    "scopes_required",
    "ssl_verify",
    "upstream_headers_claims",
    "upstream_headers_names",
];

/// Beginnings of members that are about what ends: logins, sessions, calls to other endpoints, what
/// servers and clients are told besides.
const ENDS: [&str; 21] = [
    "authorization_",
    "by_username_ignore_case",
    "cache_",
    "client_",
    "credential_claim",
    "discovery_headers_",
    "display_errors",
    "downstream_",
    "end_session_",
    "forbidden_",
    "http_",
    "introspection_",
    "introspect_",
    "keepalive",
    "log",
    "redirect_uri",
    "rediscovery_lifetime",
    "response_",
    "session_",
    "timeout",
    "unauthorized_",
];

/// The same, of which the whole name is to fit or the meaning was looked at one by one.
const ENDS_TOO: [&str; 12] = [
    "audience",
    "domains",
    "refresh_tokens",
    "scopes",
    "search_user_info",
    "token_endpoint",
    "token_endpoint_auth_method",
    "upstream_access_token_header",
    "verify_claims",
    "verify_nonce",
    "verify_parameters",
    "verify_signature",
];

/// A claim as Kong has it, a path of members.
fn claim(config: &At<'_>, member: &str) -> Option<String> {
    config.get(member)?;
    let steps = config.texts(member);
    match steps.as_slice() {
        [] => None,
        [one] if !one.contains(['/', '~', '.']) => Some(one.clone()),
        many => {
            let step = |step: &String| step.replace('~', "~0").replace('/', "~1");
            Some(format!(
                "/{}",
                many.iter().map(step).collect::<Vec<_>>().join("/")
            ))
        }
    }
}

/// Words any of which is asked for.
fn any_of(config: &At<'_>, member: &str) -> Try<Vec<String>> {
    let words = config.texts(member);
    match words.iter().any(|word| word.contains([' ', '*'])) {
        true => Err(config.obstacle(format!(
            "{member}: words that must all be there, or with stars, have no counterpart"
        ))),
        false => Ok(words),
    }
}

/// The issuer that `iss` must be.
fn issuer(config: &At<'_>) -> Try<String> {
    let at = config.get("issuer");
    let at = at.ok_or_else(|| config.obstacle("it has no issuer"))?;
    let text = at.text().unwrap_or_default();
    if auth::is_reference(&text) || text.contains(['{', '}', '?', '#']) {
        return Err(at.obstacle("its issuer is not in the file"));
    }
    let found = text.strip_suffix(WELL_KNOWN).unwrap_or(&text).to_owned();
    let allowed = config.texts("issuers_allowed");
    match allowed.as_slice() {
        [] => Ok(found),
        [one] if one.trim_end_matches('/') == found.trim_end_matches('/') => Ok(one.clone()),
        _ => Err(config.obstacle("issuers_allowed: tokens of other issuers than the one asked")),
    }
}

fn places(config: &At<'_>) -> Vec<Json> {
    let kinds = match config.get("bearer_token_param_type") {
        Some(_) => config.texts("bearer_token_param_type"),
        None => ["header", "query", "body"].map(str::to_owned).to_vec(),
    };
    let mut places = Vec::new();
    for kind in &kinds {
        match kind.as_str() {
            "header" => places.push(json!({ "header": "authorization", "scheme": "Bearer" })),
            "query" => places.push(json!({ "query": "access_token" })),
            "cookie" => {
                let name = config.text_of("bearer_token_cookie_name");
                places.extend(name.map(|name| json!({ "cookie": name })));
            }
            _ => config.changed_note(
                "openid-connect",
                "tokens in bodies and in headers other than `authorization` are not looked at",
            ),
        }
    }
    places
}

/// What a token must say besides.
fn conditions(config: &At<'_>, written: &mut Json) -> Try<()> {
    for (member, usual) in [("scopes_claim", "scope"), ("audience_claim", "aud")] {
        if let Some(other) = claim(config, member).filter(|claim| claim != usual) {
            return Err(config.obstacle(format!("{member}: {other} is not looked at")));
        }
    }
    let mut claims: Vec<Json> = Vec::new();
    let scopes = config.texts("scopes_required");
    match scopes.as_slice() {
        [] => {}
        // The words of one entry must all be there, and one entry is enough.
        [all] => put(
            written,
            "scopes",
            json!(all.split_whitespace().collect::<Vec<_>>()),
        ),
        _ => {
            let scopes = any_of(config, "scopes_required")?;
            claims.push(json!({ "claim": "scope", "split": "spaces", "any_of": scopes }));
        }
    }
    for (required, place, usual) in [
        ("groups_required", "groups_claim", "groups"),
        ("roles_required", "roles_claim", "roles"),
    ] {
        let words = any_of(config, required)?;
        let claim = claim(config, place).unwrap_or_else(|| usual.to_owned());
        if !words.is_empty() {
            claims.push(json!({ "claim": claim, "any_of": words }));
        }
    }
    if !claims.is_empty() {
        put(written, "claims", claims);
    }
    Ok(())
}

/// Who calls: a consumer of Kong's, where it asks for one.
fn caller(config: &At<'_>, all: &Entities<'_>, written: &mut Json) -> Try<()> {
    let groups = claim(config, "authenticated_groups_claim");
    put(
        written,
        "groups_claim",
        json!(groups.into_iter().collect::<Vec<_>>()),
    );
    let optional = config.flag_of("consumer_optional") == Some(true);
    let by = config.texts("consumer_by");
    let Some(name) = claim(config, "consumer_claim") else {
        put(written, "consumer_claim", json!(["sub"]));
        config.changed_note("openid-connect", "a caller is called what `sub` says");
        return Ok(());
    };
    put(written, "consumer_claim", json!([name]));
    if optional {
        config.changed_note(
            "openid-connect",
            "a caller is called what the claim says, consumer or not; groups of consumers (acl) do not come with it",
        );
        return Ok(());
    }
    if !by.is_empty() && !by.iter().any(|one| one == "username") {
        return Err(config.obstacle("consumer_by: callers are known by `username` only"));
    }
    let names = all
        .consumers
        .iter()
        .filter_map(|one| one.at.text_of("username"));
    let names: Vec<String> = names
        .filter(|name| digest::is_name(name) && !name.contains('*'))
        .collect();
    if names.is_empty() {
        return Err(config.obstacle("no consumer of this file could be meant by the claim"));
    }
    let condition = json!({ "claim": name, "any_of": names });
    match written.get_mut("claims").and_then(Json::as_array_mut) {
        Some(claims) => claims.push(condition),
        None => put(written, "claims", json!([condition])),
    }
    config.changed_note(
        "openid-connect",
        "a caller is a consumer whose `username` the claim has; `custom_id` is not compared, and groups of consumers (acl) do not come with it",
    );
    Ok(())
}

/// Reads the plugin.
///
/// # Errors
/// If it takes no bearer tokens, or asks for what jwt-auth does not look at.
pub fn read(config: &At<'_>, all: &Entities<'_>, options: &Options) -> Try<Provider> {
    let methods = config.texts("auth_methods");
    if !methods.is_empty() && !methods.iter().any(|method| method == "bearer") {
        return Err(config.obstacle(
            "auth_methods: bearer tokens are not among them. Envoy's oauth2 filter has logins and sessions",
        ));
    }
    if methods.iter().map(String::as_str).ne(["bearer"]) {
        config.changed_note(
            "openid-connect",
            "only bearer tokens that are JWTs are taken; who comes with a login, session, password or opaque token gets 401",
        );
    }
    for (member, value) in config.members() {
        if READ.contains(&member) {
            continue;
        }
        let ends = ENDS_TOO.contains(&member) || ENDS.iter().any(|start| member.starts_with(start));
        if !ends {
            return Err(value.obstacle(format!("{member} is not known to have a counterpart")));
        }
        value.changed(
            "openid-connect",
            "it is about logins, sessions and calls that are not made, or about what is always verified here",
        );
    }
    let issuer = issuer(config)?;
    let server = Upstream::of_url("issuer", &issuer).map_err(|said| config.obstacle(said))?;
    let name = digest::plain(&format!("issuer_{}", server.host), 60);
    let server = Upstream {
        name: name.clone(),
        ..server
    };
    if config.flag_of("ssl_verify") == Some(false) {
        config.changed_note("ssl_verify", "the issuer's certificate is always verified");
    }
    let audiences = any_of(config, "audience_required")?;
    let required = match audiences.is_empty() {
        true => json!(["iss", "exp"]),
        false => json!(["iss", "exp", "aud"]),
    };
    let audiences = if audiences.is_empty() {
        options.audiences.clone()
    } else {
        audiences
    };
    let mut written = json!({
        "issuer": issuer,
        "keys": { "discovery": { "cluster": name } },
        "audiences": audiences,
        "required_claims": required,
        "clock_skew_s": config.number_of("leeway").unwrap_or_default().min(600),
    });
    conditions(config, &mut written)?;
    caller(config, all, &mut written)?;
    let mut plan = Map::new();
    let places = places(config);
    if places.is_empty() {
        return Err(config.obstacle("bearer_token_param_type: no place is left to look at"));
    }
    plan.insert("issuers".into(), json!([written]));
    plan.insert("credential_from".into(), places.into());
    let hides = config.flag_of("hide_credentials") == Some(true);
    let sees = if hides { "strip" } else { "keep" };
    plan.insert("credential_to_upstream".into(), sees.into());
    let told = config.texts("upstream_headers_claims");
    let names = config.texts("upstream_headers_names");
    let told: Vec<Json> = told
        .iter()
        .zip(&names)
        .map(|(claim, name)| json!({ "claim": claim, "header": name.to_ascii_lowercase() }))
        .collect();
    // A name that need not be a consumer's is not told as one.
    let is_consumer =
        config.get("consumer_claim").is_some() && config.flag_of("consumer_optional") != Some(true);
    let mut headers = match is_consumer {
        true => json!({ "consumer": "x-consumer-username" }),
        false => json!({ "consumer": "x-credential-identifier" }),
    };
    if !told.is_empty() {
        put(&mut headers, "claims", told);
    }
    plan.insert("identity_headers".into(), headers);
    auth::preflight(config);
    config.changed_note(
        "openid-connect",
        format!(
            "`iss` of tokens must be {issuer:?} to the letter; keys are fetched from its host: where they are on another one, add its cluster as `keys_cluster`"
        ),
    );
    let anonymous = config.text_of("anonymous").filter(|name| !name.is_empty());
    Ok(Provider {
        plan: Plan { plan, anonymous },
        cluster: cluster(&server),
    })
}
