//! Providers of models that speak OpenAI's protocol, and what they are shown.

use serde_json::{Map, Value as Json, json};

use super::ledger::{At, Try};
use crate::gateway::{Upstream, put};

/// Where a key travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A header, and the scheme before the key.
    Header(String, Option<String>),
    /// A query parameter.
    Query(String),
}

/// The gateway's own credential at a provider: a configuration of upstream-auth, and the servers
/// that are called for it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The configuration.
    pub plan: Map<String, Json>,
    /// The servers besides the provider's own.
    pub servers: Vec<Upstream>,
}

impl Shown {
    /// A key that a variable of the environment has.
    pub fn key(place: &Place, variable: &str) -> Self {
        let mut plan = json!({ "credential": { "static": { "value": { "env": variable } } } });
        let bearer = Place::Header("authorization".to_owned(), Some("Bearer".to_owned()));
        match place {
            usual if *usual == bearer => {}
            Place::Header(header, None) => put(&mut plan, "send_as", json!({ "header": header })),
            Place::Header(header, Some(scheme)) => {
                put(
                    &mut plan,
                    "send_as",
                    json!({ "header": header, "scheme": scheme }),
                );
            }
            Place::Query(name) => put(&mut plan, "send_as", json!({ "query": name })),
        }
        Self::of(plan, Vec::new())
    }

    /// A token of a source of upstream-auth's, which calls these servers.
    pub fn token(source: &str, members: &Json, servers: Vec<Upstream>) -> Self {
        Self::of(json!({ "credential": { source: members } }), servers)
    }

    fn of(plan: Json, servers: Vec<Upstream>) -> Self {
        let plan = match plan {
            Json::Object(plan) => plan,
            _ => Map::new(),
        };
        Self { plan, servers }
    }
}

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
