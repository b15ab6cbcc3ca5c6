//! Keys and tokens of a scenario: what the file says of them, and the minted results.
//!
//! Minting is done by an implementation that is not the suite's own (`mint`, feature `mint`), so
//! that a token which the filters accept was accepted for being right and not for being made by the
//! same code.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::template::Minting;
use located_yaml::Node;
use located_yaml::read::{At, Report};

mod mint;

/// Signature algorithms (RFC 7518 section 3.1, RFC 8037) that can be minted.
pub const ALGORITHMS: [&str; 12] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256",
    "HS384", "HS512",
];

/// A key as the file describes it.
#[derive(Clone, Debug)]
// Without the feature a description is checked and not used.
pub(super) struct KeySpec {
    /// What the file calls it: the same name is the same key.
    pub name: String,
    pub algorithm: String,
    /// `kid`; `None` = without one.
    pub kid: Option<String>,
    /// For HS algorithms: the shared secret.
    pub secret: Option<String>,
    /// Members of the published JWK that are set, or left out where they are null.
    pub jwk: Map<String, Json>,
}

/// A token as the file describes it.
#[derive(Clone, Debug)]
pub(super) struct TokenSpec {
    /// The key that signs it; `None` = `alg: none`.
    pub key: Option<KeySpec>,
    /// All claims.
    pub claims: Map<String, Json>,
    /// The text in place of the claims, whatever it is.
    pub claims_text: Option<String>,
    /// `typ`.
    pub typ: Option<String>,
    /// `cty`.
    pub cty: Option<String>,
    /// What is changed after signing.
    pub tamper: Option<Part>,
}

/// A part of a compact JWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Header,
    Claims,
    Signature,
}

/// What templates can name.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenStore {
    tokens: BTreeMap<String, String>,
    jwks: BTreeMap<String, Json>,
    pems: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
}

impl TokenStore {
    /// Reads `keys` and `tokens`, generates and mints.
    pub fn open(
        keys: Option<&Node>,
        tokens: Option<&Node>,
        now_s: u64,
        minting: Minting,
        report: &Report,
    ) -> Self {
        let mut token_store = Self::default();
        let mut specs = BTreeMap::new();
        for (key, at) in keys
            .map(|node| report.root(node).entries())
            .unwrap_or_default()
        {
            let Some(spec) = KeySpec::read(&key.text, &at) else {
                continue;
            };
            if let Err(message) = token_store.add_key(&key.text, &spec, minting) {
                at.refuse::<()>(message);
            }
            specs.insert(key.text.clone(), spec);
        }
        for (key, at) in tokens
            .map(|node| report.root(node).entries())
            .unwrap_or_default()
        {
            let Some(spec) = TokenSpec::read(&at, &specs, now_s) else {
                continue;
            };
            match mint_token(&spec, minting) {
                Ok(token) => drop(token_store.tokens.insert(key.text.clone(), token)),
                Err(message) => drop(at.refuse::<()>(message)),
            }
        }
        token_store
    }

    fn add_key(&mut self, name: &str, spec: &KeySpec, minting: Minting) -> Result<(), String> {
        if let Some(secret) = &spec.secret {
            self.secrets.insert(name.to_owned(), secret.clone());
        }
        let (mut jwk, pem) = public_key(spec, minting)?;
        if let Some(members) = jwk.as_object_mut() {
            for (name, value) in &spec.jwk {
                match value {
                    Json::Null => drop(members.remove(name)),
                    value => drop(members.insert(name.clone(), value.clone())),
                }
            }
        }
        self.jwks.insert(name.to_owned(), jwk);
        self.pems.extend(pem.map(|pem| (name.to_owned(), pem)));
        Ok(())
    }

    pub fn token(&self, name: &str) -> Result<Json, String> {
        self.tokens
            .get(name)
            .map(|token| Json::from(token.clone()))
            .ok_or_else(|| format!("no token is called {name:?}"))
    }

    pub fn jwk(&self, name: &str) -> Result<Json, String> {
        self.jwks
            .get(name)
            .cloned()
            .ok_or_else(|| format!("no key is called {name:?}"))
    }

    pub fn jwks(&self, names: &str) -> Result<Json, String> {
        let keys: Result<Vec<Json>, String> = names
            .split(',')
            .filter(|name| !name.is_empty())
            .map(|name| self.jwk(name.trim()))
            .collect();
        Ok(json!({ "keys": keys? }))
    }

    pub fn pem(&self, name: &str) -> Result<Json, String> {
        self.pems
            .get(name)
            .map(|pem| Json::from(pem.clone()))
            .ok_or_else(|| format!("no public key is called {name:?}"))
    }

    pub fn secret(&self, name: &str) -> Result<Json, String> {
        self.secrets
            .get(name)
            .map(|secret| Json::from(secret.clone()))
            .ok_or_else(|| format!("no HS key is called {name:?}"))
    }
}

impl KeySpec {
    fn read(name: &str, at: &At<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let words: Vec<(&str, &str)> = ALGORITHMS
            .iter()
            .map(|algorithm| (*algorithm, *algorithm))
            .collect();
        let algorithm = fields
            .take("alg")
            .map_or(Some("ES256"), |at| at.word(&words))?
            .to_owned();
        let kid = read_kid(fields.take("kid"), Some(name.to_owned()));
        let secret = fields.take("secret");
        let hs = algorithm.starts_with("HS");
        if let (Some(at), false) = (&secret, hs) {
            at.refuse::<()>("only HS algorithms have a secret");
        }
        // 64 bytes: enough for HS512 (RFC 7518 section 3.2).
        let secret = hs.then(|| {
            secret
                .and_then(|at| at.text())
                .unwrap_or_else(|| format!("{name:.<64}"))
        });
        let jwk = match fields.take("jwk") {
            None => Map::new(),
            Some(at) => match at.json() {
                Json::Object(members) => members,
                _ => at.refuse("expected a mapping of members of the JWK")?,
            },
        };
        fields.close();
        Some(Self {
            name: name.to_owned(),
            algorithm,
            kid,
            secret,
            jwk,
        })
    }
}

/// A `kid`; null says that there is none.
fn read_kid(at: Option<At<'_>>, otherwise: Option<String>) -> Option<String> {
    match at {
        None => otherwise,
        Some(at) if at.node.is_null() => None,
        Some(at) => at.text(),
    }
}

impl TokenSpec {
    fn read(at: &At<'_>, keys: &BTreeMap<String, KeySpec>, now_s: u64) -> Option<Self> {
        let mut fields = at.fields()?;
        let unsigned = fields
            .take("unsigned")
            .and_then(|at| at.only_true())
            .unwrap_or_default();
        let key = match fields.take("key") {
            Some(at) if unsigned => at.refuse("an unsigned token has no key"),
            None if unsigned => None,
            Some(at) => match keys.get(&at.text()?) {
                Some(key) => Some(key.clone()),
                None => at.refuse("no key of the file has this name"),
            },
            None => at.refuse("give the `key` that signs it, or `unsigned: true`"),
        };
        let kid = fields.take("kid");
        let key = key.map(|key| KeySpec {
            kid: read_kid(kid, key.kid.clone()),
            ..key
        });
        let claims_text = fields.take("claims_text");
        if let Some(text) = &claims_text
            && [
                "claims",
                "expires_in_s",
                "issued_ago_s",
                "not_before_in_s",
                "omit",
            ]
            .into_iter()
            .any(|name| at.node.member(name).is_some())
        {
            text.refuse::<()>("stands in place of all claims");
        }
        let claims_text = claims_text.and_then(|at| at.text());
        let mut claims = Map::new();
        let mut time = |name: &str, offset: Option<i64>| {
            if let Some(offset) = offset {
                claims.insert(name.to_owned(), now_s.saturating_add_signed(offset).into());
            }
        };
        time(
            "exp",
            fields
                .take("expires_in_s")
                .map_or(Some(300), |at| at.signed()),
        );
        time(
            "iat",
            fields
                .take("issued_ago_s")
                .map_or(Some(0), |at| at.signed())
                .map(i64::saturating_neg),
        );
        time(
            "nbf",
            fields.take("not_before_in_s").and_then(|at| at.signed()),
        );
        if let Some(at) = fields.take("claims") {
            match at.json() {
                Json::Object(members) => claims.extend(members),
                _ => drop(at.refuse::<()>("expected a mapping of claims")),
            }
        }
        for at in fields
            .take("omit")
            .map(|at| at.one_or_many())
            .unwrap_or_default()
        {
            claims.remove(&at.text()?);
        }
        let parts = [
            ("header", Part::Header),
            ("claims", Part::Claims),
            ("signature", Part::Signature),
        ];
        let typ = fields.take("typ").and_then(|at| at.text());
        let cty = fields.take("cty").and_then(|at| at.text());
        let tamper = fields.take("tamper").and_then(|at| at.word(&parts));
        fields.close();
        if key.is_none() && !unsigned {
            return None;
        }
        Some(Self {
            key,
            claims,
            claims_text,
            typ,
            cty,
            tamper,
        })
    }
}

fn public_key(spec: &KeySpec, minting: Minting) -> Result<(Json, Option<String>), String> {
    match minting {
        Minting::Pretend => Ok((
            json!({"kty": "pretended", "kid": spec.kid}),
            Some("pretended".into()),
        )),
        Minting::Real => mint::public_key(spec),
    }
}

fn mint_token(spec: &TokenSpec, minting: Minting) -> Result<String, String> {
    match minting {
        Minting::Pretend => Ok("pretended.token.text".into()),
        Minting::Real => mint::token(spec),
    }
}
