//! Envoy's own filters for the nearest job, configured as far as possible like a case's.

use anyhow::{Context, Result};
use modelgate_scenario::file::{Scenario, Step};
use serde_json::{Value as Json, json};

/// What the case of this name is compared to, and what the table calls it; nothing where Envoy has
/// no filter for the job. For the chain it is Envoy's own chain, with the same access log: it masks
/// nothing, hashes no body and tells no filter who calls.
///
/// # Errors
/// If the case lacks what Envoy's filter has to be told.
pub fn of(case: &str, scenario: &Scenario) -> Result<Option<(&'static str, Vec<Json>)>> {
    Ok(Some(match case {
        "chain" => (
            "jwt_authn, rbac, local_ratelimit, aws_request_signing",
            vec![
                jwt_authn(scenario, true)?,
                rbac(),
                local_ratelimit(),
                aws_request_signing(),
            ],
        ),
        "jwt-auth" => ("jwt_authn, cached", vec![jwt_authn(scenario, true)?]),
        "jwt-auth-uncached" => ("jwt_authn", vec![jwt_authn(scenario, false)?]),
        "key-auth" => ("api_key_auth", vec![api_key_auth(scenario)?]),
        "consumer-acl" => ("rbac", vec![rbac()]),
        "rate-limit" => ("local_ratelimit", vec![local_ratelimit()]),
        "aws-sigv4" => ("aws_request_signing", vec![aws_request_signing()]),
        _ => return Ok(None),
    }))
}

/// An entry of the chain, with the type of its configuration.
fn filter(name: &str, message: &str, mut config: Json) -> Json {
    let kind = format!("type.googleapis.com/envoy.extensions.filters.http.{name}.v3.{message}");
    if let Some(config) = config.as_object_mut() {
        config.insert("@type".to_owned(), kind.into());
    }
    json!({"name": format!("envoy.filters.http.{name}"), "typed_config": config})
}

fn jwt_authn(scenario: &Scenario, cached: bool) -> Result<Json> {
    let mut entries = scenario.chain.iter();
    let entry = entries.find(|entry| entry.suite() == Some("jwt-auth"));
    let entry = entry.context("a case without jwt-auth")?;
    let config: Json =
        serde_json::from_str(&entry.config.text()).context("the configuration of jwt-auth")?;
    let issuer = config
        .pointer("/issuers/0")
        .context("a case without an issuer")?;
    let keys = issuer
        .pointer("/keys/jwks")
        .context("a case without inline keys")?;
    let mut provider = json!({
        "issuer": issuer.get("issuer"),
        "audiences": issuer.get("audiences"),
        "local_jwks": {"inline_string": keys.to_string()},
    });
    if let (true, Some(provider)) = (cached, provider.as_object_mut()) {
        provider.insert("jwt_cache_config".into(), json!({"jwt_cache_size": 100}));
    }
    let config = json!({
        "providers": {"idp": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "idp"}}],
    });
    Ok(filter("jwt_authn", "JwtAuthentication", config))
}

fn api_key_auth(scenario: &Scenario) -> Result<Json> {
    let config = json!({
        "credentials": [{"key": header(scenario, "x-api-key")?, "client": "team-a"}],
        "key_sources": [{"header": "x-api-key"}],
    });
    Ok(filter("api_key_auth", "ApiKeyAuth", config))
}

fn rbac() -> Json {
    let config = json!({
        "rules": {"action": "ALLOW", "policies": {"infer": {
            "permissions": [{"url_path": {"path": {"prefix": "/v2/models/"}}}],
            "principals": [{"any": true}],
        }}},
    });
    filter("rbac", "RBAC", config)
}

fn local_ratelimit() -> Json {
    let config = json!({
        "stat_prefix": "limit",
        "token_bucket": {"max_tokens": 1_000_000, "tokens_per_fill": 1_000_000, "fill_interval": "1s"},
        "filter_enabled": {"default_value": {"numerator": 100}},
        "filter_enforced": {"default_value": {"numerator": 100}},
    });
    filter("local_ratelimit", "LocalRateLimit", config)
}

fn aws_request_signing() -> Json {
    let config = json!({"service_name": "sagemaker", "region": "eu-central-1"});
    filter("aws_request_signing", "AwsRequestSigning", config)
}

fn header(scenario: &Scenario, name: &str) -> Result<String> {
    let traffic = scenario
        .steps
        .iter()
        .find_map(Step::traffic)
        .context("a case without a request")?;
    let found = traffic
        .request
        .headers
        .iter()
        .find(|(known, _)| known == name);
    let (_, value) = found.with_context(|| format!("a case without the header {name}"))?;
    Ok(String::from_utf8(value.to_vec())?)
}
