//! The issuers of tokens: their key sets where these are given, and what happens where they are
//! not.
//!
//! A signature is checked with real keys, or it is said that it was not. With `--assume-verified` a
//! token of an issuer without keys is signed anew by a stand-in, whose keys the gateway then gets:
//! its signature says nothing, and all else about it is judged as ever.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use modelgate_kit::explain::Told;
use modelgate_kit::http_url::HttpUrl;
use modelgate_kit::jose::TENANT;
use modelgate_scenario::engine::explained::{Explained, stand_in};
use modelgate_scenario::file::Request;
use serde_json::{Value as Json, json};

use super::environment::Environment;

/// Where the metadata of a played issuer says that its keys are.
const KEYS: &str = "https://keys.invalid/";

/// What stands in a URL for the name of a key.
const KID: &str = "{kid}";

/// Issuers by what is known of their signatures.
#[derive(Debug, Default)]
pub struct Issuers {
    /// Signatures are assumed to be good.
    pub assumed: BTreeSet<String>,
    /// Signatures cannot be checked.
    pub unchecked: BTreeSet<String>,
}

/// Where an issuer's keys come from, as `jwt-auth` tells it.
struct Source {
    issuer: String,
    kind: Kind,
}

enum Kind {
    Given,
    Secret {
        variable: Option<String>,
        is_text: bool,
    },
    Called(Called),
}

/// Keys that are fetched.
struct Called {
    source: String,
    url: String,
    cluster: String,
    keys_cluster: Option<String>,
}

impl Source {
    fn of(told: &Told) -> Option<Self> {
        let data = &told.note.data;
        let text = |name: &str| data.get(name)?.as_str().map(str::to_owned);
        if told.note.step != "key_source" {
            return None;
        }
        let kind = match text("source")?.as_str() {
            "given" => Kind::Given,
            "secret" => Kind::Secret {
                variable: text("variable"),
                is_text: data.get("is_text")?.as_bool()?,
            },
            source => Kind::Called(Called {
                source: source.to_owned(),
                url: text("url")?,
                cluster: text("cluster")?,
                keys_cluster: text("keys_cluster"),
            }),
        };
        let issuer = text("issuer")?;
        Some(Self { issuer, kind })
    }

    /// Whether a token that names this issuer may be one of this source.
    fn may_sign(&self, named: &str) -> bool {
        match self.issuer.split_once(TENANT) {
            Some((before, after)) => named.starts_with(before) && named.ends_with(after),
            None => self.issuer == named,
        }
    }
}

/// A token of the request, as far as it can be read.
struct Token {
    text: String,
    algorithm: String,
    kid: Option<String>,
    issuer: Option<String>,
}

impl Token {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut json =
            || -> Option<Json> { serde_json::from_slice(&stand_in::decoded(parts.next()?)?).ok() };
        let (header, claims) = (json()?, json()?);
        let text_of = |json: &Json, name: &str| Some(json.get(name)?.as_str()?.to_owned());
        Some(Self {
            text: text.to_owned(),
            algorithm: text_of(&header, "alg")?,
            kid: text_of(&header, "kid"),
            issuer: text_of(&claims, "iss"),
        })
    }
}

/// The tokens in a request: whatever has the form of one, in headers and path.
fn tokens(request: &Request) -> Vec<Token> {
    let is_part = |byte: char| byte.is_ascii_alphanumeric() || "-_=.".contains(byte);
    let values = request
        .headers
        .iter()
        .map(|(_, value)| String::from_utf8_lossy(value));
    let texts = values.chain([request.path.as_str().into()]);
    let mut found: Vec<Token> = Vec::new();
    for text in texts {
        // The name of a parameter or cookie stands before its value.
        for word in text.split(|character| !is_part(character)) {
            let word = word.find('=').map_or(word, |at| {
                let (name, value) = word.split_at_checked(at).unwrap_or((word, ""));
                if name.contains('.') {
                    word
                } else {
                    value.trim_start_matches('=')
                }
            });
            if word.matches('.').count() == 2 && !found.iter().any(|one| one.text == word) {
                found.extend(Token::read(word));
            }
        }
    }
    found
}

/// Plays the issuers; gives what the gateway is sent in place of `request`.
///
/// # Errors
/// If key sets were given for an issuer that fetches none.
pub fn play(
    explained: &mut Explained,
    given: &BTreeMap<String, Vec<u8>>,
    assume: bool,
    environment: &Environment<'_>,
    request: &Request,
) -> Result<(Issuers, Request, Vec<String>)> {
    let sources: Vec<Source> = explained.at_start().iter().filter_map(Source::of).collect();
    check_names(given, &sources)?;
    let tokens = tokens(request);
    let mut issuers = Issuers::default();
    let mut sent = request.clone();
    let mut hidden: Vec<String> = tokens.iter().map(|token| token.text.clone()).collect();
    for source in &sources {
        let (issuer, theirs) = (&source.issuer, |token: &&Token| match &token.issuer {
            Some(named) => source.may_sign(named),
            None => sources.len() == 1,
        });
        let own: Vec<&Token> = tokens.iter().filter(theirs).collect();
        let is_there = match &source.kind {
            Kind::Given => true,
            Kind::Secret { variable, .. } => {
                variable.as_deref().is_none_or(|name| environment.has(name))
            }
            Kind::Called(_) => given.contains_key(issuer),
        };
        let mut secret = Vec::new();
        match &source.kind {
            Kind::Called(called) => {
                let keys = match given.get(issuer) {
                    Some(keys) => Some(keys.clone()),
                    None if assume => Some(stand_ins(&own)),
                    None => None,
                };
                let pem = given.get(issuer).cloned().or_else(|| {
                    let pem = stand_in::pem().map(String::into_bytes);
                    pem.filter(|_| assume)
                });
                called.serve(explained, issuer, keys, pem, &own);
            }
            Kind::Secret {
                variable: Some(name),
                is_text,
            } if !is_there => {
                let text = environment.value(name).unwrap_or_default();
                secret = match is_text {
                    true => text.into_bytes(),
                    false => stand_in::decoded(&text).unwrap_or_default(),
                };
            }
            Kind::Secret { .. } | Kind::Given => {}
        }
        match (is_there, assume) {
            (true, _) => {}
            (false, false) => {
                issuers.unchecked.insert(issuer.clone());
            }
            (false, true) => {
                issuers.assumed.insert(issuer.clone());
                for token in own {
                    if let Some(signed) = stand_in::signed(&token.text, &secret) {
                        replace(&mut sent, &token.text, &signed);
                        hidden.push(signed);
                    }
                }
            }
        }
    }
    Ok((issuers, sent, hidden))
}

fn check_names(given: &BTreeMap<String, Vec<u8>>, sources: &[Source]) -> Result<()> {
    let called = |source: &&Source| matches!(source.kind, Kind::Called(_));
    let known: BTreeSet<&str> = sources
        .iter()
        .filter(called)
        .map(|source| source.issuer.as_str())
        .collect();
    for name in given.keys() {
        if !known.contains(name.as_str()) {
            let known: Vec<&str> = known.into_iter().collect();
            match known.as_slice() {
                [] => {
                    bail!("--jwks {name}: the configuration has no issuer whose keys are fetched")
                }
                known => bail!(
                    "--jwks {name}: no such issuer; keys are fetched from {}",
                    known.join(", ")
                ),
            }
        }
    }
    Ok(())
}

/// The key set of stand-ins for these tokens.
fn stand_ins(tokens: &[&Token]) -> Vec<u8> {
    let keys = tokens
        .iter()
        .filter_map(|token| stand_in::jwk(&token.algorithm, token.kid.as_deref()));
    // A set without a key would be taken for a fault of the issuer's.
    let mut keys: Vec<Json> = keys.collect();
    if keys.is_empty() {
        keys.extend(stand_in::jwk("ES256", None));
    }
    json!({ "keys": keys }).to_string().into_bytes()
}

impl Called {
    fn serve(
        &self,
        explained: &mut Explained,
        issuer: &str,
        keys: Option<Vec<u8>>,
        pem: Option<Vec<u8>>,
        tokens: &[&Token],
    ) {
        if self.source == "pem_per_kid" {
            for kid in tokens.iter().filter_map(|token| token.kid.as_deref()) {
                if let Some(url) = HttpUrl::parse(&self.url.replace(KID, kid)) {
                    explained.serve(&self.cluster, &url, pem.clone());
                }
            }
            return;
        }
        let Some(url) = HttpUrl::parse(&self.url) else {
            return;
        };
        if self.source == "fetch" {
            return explained.serve(&self.cluster, &url, keys);
        }
        let place = format!("{KEYS}{}{}", url.authority, url.path);
        let metadata = json!({"issuer": issuer, "jwks_uri": place}).to_string();
        let is_there = keys.is_some();
        explained.serve(&self.cluster, &url, is_there.then(|| metadata.into_bytes()));
        if let Some(place) = HttpUrl::parse(&place) {
            let cluster = self.keys_cluster.as_deref().unwrap_or(&self.cluster);
            explained.serve(cluster, &place, keys);
        }
    }
}

fn replace(request: &mut Request, token: &str, by: &str) {
    request.path = request.path.replace(token, by);
    for (_, value) in &mut request.headers {
        if let Ok(text) = std::str::from_utf8(value)
            && text.contains(token)
        {
            *value = text.replace(token, by).into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn token(issuer: &str) -> String {
        let parts = [
            r#"{"alg":"ES256","kid":"k"}"#.to_owned(),
            json!({ "iss": issuer }).to_string(),
            "signature".to_owned(),
        ];
        parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
    }

    #[test]
    fn tokens_are_found_wherever_they_stand() {
        let (one, two, three) = (token("a"), token("b"), token("c"));
        let mut request = Request {
            method: "GET".to_owned(),
            path: format!("/x?access_token={one}&y=1.2.3"),
            authority: String::new(),
            headers: vec![
                ("authorization".to_owned(), format!("Bearer {two}").into()),
                ("cookie".to_owned(), format!("a=b; session={three}").into()),
                ("again".to_owned(), two.clone().into()),
            ],
            body: Default::default(),
            disconnect_after_ms: None,
            http2: false,
            upgrade: None,
        };
        let found: Vec<_> = tokens(&request)
            .into_iter()
            .map(|token| token.text)
            .collect();
        assert_eq!(found, [two.clone(), three, one.clone()]);
        replace(&mut request, &two, "NEW");
        replace(&mut request, &one, "NEW");
        assert_eq!(request.path, "/x?access_token=NEW&y=1.2.3");
        assert_eq!(&*request.headers[0].1, b"Bearer NEW");
    }

    #[test]
    fn an_issuer_of_many_tenants_may_sign_for_each() {
        let source = |issuer: &str| Source {
            issuer: issuer.to_owned(),
            kind: Kind::Given,
        };
        assert!(source("https://a/{tenantid}/v2").may_sign("https://a/t1/v2"));
        assert!(!source("https://a/{tenantid}/v2").may_sign("https://b/t1/v2"));
        assert!(!source("https://a").may_sign("https://a/"));
    }
}
