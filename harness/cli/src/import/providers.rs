//! Providers of models that speak OpenAI's protocol.

use super::ledger::{At, Try};
use crate::gateway::Upstream;

/// Providers: type, server, and the path that OpenAI's `/v1` has there.
const PROVIDERS: [(&str, &str, &str); 9] = [
    ("openai", "https://api.openai.com", "/v1"),
    ("deepseek", "https://api.deepseek.com", "/v1"),
    ("moonshot", "https://api.moonshot.cn", "/v1"),
    ("groq", "https://api.groq.com", "/openai/v1"),
    ("mistral", "https://api.mistral.ai", "/v1"),
    ("together-ai", "https://api.together.xyz", "/v1"),
    ("openrouter", "https://openrouter.ai", "/api/v1"),
    ("github", "https://models.inference.ai.azure.com", ""),
    ("grok", "https://api.x.ai", "/v1"),
];

/// The server of a provider, and its path; `custom` is a URL in place of the usual one.
pub fn server(at: &At<'_>, kind: &str, custom: Option<&str>) -> Try<(Upstream, String)> {
    let known = PROVIDERS.iter().find(|(name, _, _)| *name == kind);
    let (_, server, base) = known.ok_or_else(|| {
        at.obstacle(format!(
            "provider {kind:?} is not known to speak OpenAI's protocol, and nothing translates requests and answers"
        ))
    })?;
    let url = custom.map_or_else(|| format!("{server}{base}"), str::to_owned);
    let upstream = Upstream::of_url(kind, &url).map_err(|said| at.obstacle(said))?;
    let path = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'));
    let path = path.map_or(String::new(), |(_, path)| {
        format!("/{}", path.trim_end_matches('/'))
    });
    Ok((upstream, path))
}
