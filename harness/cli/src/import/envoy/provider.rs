//! One provider of `jwt_authn` as an issuer of jwt-auth's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::super::Options;
use super::super::jwks;
use super::super::ledger::{At, Try};
use super::super::token::add_places;
use super::paths::only;
use super::translation::{header_place, milliseconds, none_of};

/// A provider, read.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// The issuer, without its audiences.
    pub issuer: Json,
    /// Its own audiences.
    pub audiences: Vec<String>,
    /// Claims that must be there besides.
    pub required: Vec<&'static str>,
    /// Where its tokens stand.
    pub places: Vec<Json>,
    /// Whether the upstream sees the token.
    pub keeps: bool,
    /// Claims and the headers that they go to.
    pub headers: Vec<Json>,
    /// The key of its claims in dynamic metadata.
    pub metadata: Option<String>,
    /// How many verified tokens are remembered.
    pub cache: Option<u64>,
}

const KNOWN: [&str; 15] = [
    "issuer",
    "audiences",
    "remote_jwks",
    "local_jwks",
    "forward",
    "from_headers",
    "from_params",
    "from_cookies",
    "payload_in_metadata",
    "claim_to_headers",
    "clock_skew_seconds",
    "require_expiration",
    "max_lifetime",
    "jwt_cache_config",
    "subjects",
];

/// Reads a provider.
pub fn read(name: &str, at: &At<'_>, options: &Options) -> Try<Provider> {
    none_of(
        at,
        &[
            (
                "forward_payload_header",
                "the suite hands on claims, never the whole payload",
            ),
            ("header_in_metadata", "the token's header is left nowhere"),
            (
                "failed_status_in_metadata",
                "the reason of a refusal is in `modelgate.denied`",
            ),
            (
                "clear_route_cache",
                "the route is not chosen again by claims",
            ),
            (
                "normalize_payload_in_metadata",
                "claims are read where they are needed",
            ),
        ],
    )?;
    only(at, &KNOWN)?;
    let issuer = at
        .text_of("issuer")
        .filter(|issuer| !issuer.is_empty())
        .ok_or_else(|| {
            at.obstacle("it has no issuer: Envoy takes a token of any, jwt-auth of named ones only")
        })?;
    if issuer.contains(['{', '}']) {
        return Err(at.obstacle("its issuer has braces, which stand for a tenant in jwt-auth"));
    }
    let mut audiences = at.texts("audiences");
    if audiences.is_empty() {
        audiences.clone_from(&options.audiences);
    }
    let mut required = vec!["iss"];
    if at.flag_of("require_expiration") == Some(true) {
        required.push("exp");
    }
    let mut written = json!({ "issuer": issuer, "keys": keys(at, name)? });
    let mut put = |member: &str, value: Json| crate::gateway::put(&mut written, member, value);
    let skew = at.number_of("clock_skew_seconds").unwrap_or(60);
    if skew > 600 {
        return Err(at.obstacle("clock_skew_seconds: at most 600 are taken"));
    }
    put("clock_skew_s", skew.into());
    if let Some(lifetime) = at.get("max_lifetime") {
        let seconds = milliseconds(&lifetime)? / 1000;
        if seconds > 0 {
            put("max_lifetime_s", seconds.clamp(1, 31_536_000).into());
            required.push("exp");
            lifetime.changed(
                &format!("provider {name}"),
                "Envoy limits the time that a token still has; `max_lifetime_s` limits it from `iat` to `exp`, and a token without `iat` is refused",
            );
        }
    }
    if let Some(subjects) = at.get("subjects") {
        only(&subjects, &["exact"])?;
        let subject = subjects
            .text_of("exact")
            .ok_or_else(|| subjects.obstacle("only an exact subject has a counterpart"))?;
        if subject.contains('*') {
            return Err(subjects.obstacle("a star in a value stands for any text in jwt-auth"));
        }
        put("claims", json!([{ "claim": "sub", "any_of": [subject] }]));
    }
    // A token without `sub` has a caller nevertheless: Envoy asks for none.
    put("consumer", format!("provider:{name}").into());
    let cache = at.get("jwt_cache_config");
    let cache = cache.map(|config| {
        config.changed(
            &format!("provider {name}"),
            "each worker remembers verified tokens, of all issuers together (`token_cache_entries`)",
        );
        config.number_of("jwt_cache_size").unwrap_or(100)
    });
    Ok(Provider {
        name: name.to_owned(),
        issuer: written,
        audiences,
        required,
        places: places(at)?,
        keeps: at.flag_of("forward") == Some(true),
        headers: headers(at, name)?,
        metadata: at.text_of("payload_in_metadata"),
        cache: cache.map(|entries| entries.clamp(1, 100_000)),
    })
}

/// Where tokens stand; what Envoy looks at where nothing is said.
fn places(at: &At<'_>) -> Try<Vec<Json>> {
    let mut places = Vec::new();
    for header in at.list("from_headers") {
        only(&header, &["name", "value_prefix"])?;
        let name = header.text_of("name").unwrap_or_default();
        let prefix = header.text_of("value_prefix").unwrap_or_default();
        if name.eq_ignore_ascii_case("cookie") {
            return Err(header.obstacle("a cookie is named as such in jwt-auth"));
        }
        places.push(match prefix.strip_suffix(' ') {
            _ if prefix.is_empty() => header_place(&name, None),
            Some(scheme) if modelgate_kit::config::types::is_token(scheme) => {
                header_place(&name, Some(scheme))
            }
            _ => {
                return Err(header.obstacle(
                    "value_prefix: only an authentication scheme with a space after it has a counterpart",
                ));
            }
        });
    }
    add_places(at, &mut places);
    Ok(places)
}

fn headers(at: &At<'_>, provider: &str) -> Try<Vec<Json>> {
    let mut headers = Vec::new();
    for one in at.list("claim_to_headers") {
        only(&one, &["header_name", "claim_name"])?;
        let header = one.text_of("header_name").unwrap_or_default();
        let claim = one.text_of("claim_name").unwrap_or_default();
        // Envoy goes down at every dot.
        let claim = match claim.contains('.') {
            true => format!(
                "/{}",
                claim
                    .replace('~', "~0")
                    .replace('/', "~1")
                    .replace('.', "/")
            ),
            false => claim,
        };
        one.changed(
            &format!("provider {provider}"),
            "a list goes to the header joined by commas, where Envoy writes it as JSON in base64; a value that no header can have is a refusal",
        );
        headers.push(json!({ "claim": claim, "header": header.to_ascii_lowercase() }));
    }
    Ok(headers)
}

/// Where keys come from.
fn keys(at: &At<'_>, provider: &str) -> Try<Json> {
    if let Some(remote) = at.get("remote_jwks") {
        return fetched(&remote, provider);
    }
    let local = at
        .get("local_jwks")
        .ok_or_else(|| at.obstacle("it has no keys"))?;
    only(&local, &["inline_string", "inline_bytes"]).map_err(|found| {
        local.obstacle(format!(
            "local_jwks: {}; keys can be written inline, or fetched",
            found.reason
        ))
    })?;
    let text = match (
        local.text_of("inline_string"),
        local.text_of("inline_bytes"),
    ) {
        (Some(text), _) => text,
        (None, Some(bytes)) => {
            let bytes = STANDARD.decode(bytes).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            text.ok_or_else(|| local.obstacle("inline_bytes is not a text in base64"))?
        }
        (None, None) => return Err(local.obstacle("its keys are elsewhere")),
    };
    jwks::keys(&local, &text, &format!("provider {provider}"))
}

fn fetched(remote: &At<'_>, provider: &str) -> Try<Json> {
    only(
        remote,
        &["http_uri", "cache_duration", "async_fetch", "retry_policy"],
    )?;
    let uri = remote
        .get("http_uri")
        .ok_or_else(|| remote.obstacle("it has no http_uri"))?;
    only(&uri, &["uri", "cluster", "timeout"])?;
    let url = uri.text_of("uri").unwrap_or_default();
    let cluster = uri.text_of("cluster").unwrap_or_default();
    if modelgate_kit::http_url::HttpUrl::parse(&url).is_none() || cluster.is_empty() {
        return Err(uri.obstacle("its URL or its cluster cannot be read"));
    }
    let mut refresh = json!({});
    let put = |to: &mut Json, name: &str, value: u64| crate::gateway::put(to, name, value);
    let every = remote.get("cache_duration");
    let every = every.map_or(Ok(600_000), |at| milliseconds(&at))? / 1000;
    put(&mut refresh, "every_s", every.clamp(5, 86_400));
    if let Some(timeout) = uri.get("timeout") {
        put(
            &mut refresh,
            "timeout_ms",
            milliseconds(&timeout)?.clamp(50, 60_000),
        );
    }
    let subject = format!("provider {provider}");
    remote.changed_note(
        &subject,
        "a token by a key that the issuer does not publish gets 503 with `retry-after` until its keys may be fetched anew (`min_interval_s`), and then 401",
    );
    if let Some(found) = remote.get("async_fetch") {
        found.changed(
            &subject,
            "keys are always fetched before they are needed, once for all workers; requests wait for them for `wait_ms` at most, then get 503",
        );
    }
    if let Some(found) = remote.get("retry_policy") {
        found.changed(
            &subject,
            "a fetch that failed is tried again after `min_interval_s`; keys that are there serve for `max_stale_s` longer",
        );
    }
    Ok(json!({ "fetch": { "url": url, "cluster": cluster, "refresh": refresh } }))
}
