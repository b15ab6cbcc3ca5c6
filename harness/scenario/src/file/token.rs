//! Keys and tokens of a scenario: what the file says of them, and the minted results.
//!
//! Minting is done by an implementation that is not the suite's own (`mint`, feature `mint`), so
//! that a token which the filters accept was accepted for being right and not for being made by the
//! same code.

use std::collections::BTreeMap;

use located_yaml::Node;
use located_yaml::read::{At, Report, at_member};
use located_yaml::shape::{Many, Source, True};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

mod mint;

/// Signature algorithms (RFC 7518 section 3.1, RFC 8037) that can be minted.
pub const ALGORITHMS: [&str; 12] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256",
    "HS384", "HS512",
];

/// Whether tokens are minted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Minting {
    /// Yes.
    Real,
    /// Stand-ins are used instead: enough to check a file.
    Pretend,
}

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

/// A key pair or a shared secret.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Key")]
pub(super) struct WrittenKey {
    /// Algorithm; ES256 if not given.
    alg: Option<Algorithm>,
    /// `kid`; the key's name if not given, none if null.
    #[schemars(extend("anyOf" = [{ "type": "string" }, { "const": null }]))]
    kid: Option<Source>,
    /// Shared secret of an HS algorithm; made of the key's name if not given.
    secret: Option<String>,
    /// Members of the published JWK that are set, or left out where they are null.
    #[serde(default)]
    jwk: Map<String, Json>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, with = "String", extend("enum" = ALGORITHMS))]
struct Algorithm(String);

impl TryFrom<String> for Algorithm {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match ALGORITHMS.contains(&name.as_str()) {
            true => Ok(Self(name)),
            false => Err(format!("expected one of: {}", ALGORITHMS.join(", "))),
        }
    }
}

/// A token (JWT).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Token")]
pub(super) struct WrittenToken {
    /// The key that signs it.
    key: Option<String>,
    /// It has no signature (`alg: none`), and no key.
    unsigned: Option<True>,
    /// `kid`; the key's if not given, none if null.
    #[schemars(extend("anyOf" = [{ "type": "string" }, { "const": null }]))]
    kid: Option<Source>,
    /// Claims.
    claims: Option<Map<String, Json>>,
    /// The text in place of all claims, whatever it is; ES256 and RS256.
    claims_text: Option<String>,
    /// `exp`, in seconds from now; 300 if not given.
    expires_in_s: Option<i64>,
    /// `iat`, in seconds before now; 0 if not given.
    issued_ago_s: Option<i64>,
    /// `nbf`, in seconds from now; none if not given.
    not_before_in_s: Option<i64>,
    /// Claims that are left out.
    omit: Option<Many<String>>,
    /// `typ`.
    typ: Option<String>,
    /// `cty`.
    cty: Option<String>,
    /// What is changed after signing.
    tamper: Option<Part>,
}

/// A part of a compact JWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
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
    private_pems: BTreeMap<String, String>,
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
            .map(|node| report.at(node, "keys".into()).entries())
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
            .map(|node| report.at(node, "tokens".into()).entries())
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
        let private = private_key(spec, minting)?;
        self.private_pems
            .extend(private.map(|pem| (name.to_owned(), pem)));
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

    pub fn private_pem(&self, name: &str) -> Result<Json, String> {
        self.private_pems
            .get(name)
            .map(|pem| Json::from(pem.clone()))
            .ok_or_else(|| format!("no private key is called {name:?}"))
    }

    /// The key file of a Google service account with this key, as text.
    pub fn service_account(&self, name: &str) -> Result<Json, String> {
        let key = json!({
            "type": "service_account",
            "client_email": format!("{name}@project.iam.gserviceaccount.com"),
            "private_key_id": name,
            "private_key": self.private_pem(name)?,
            "token_uri": "https://oauth2.googleapis.com/token",
        });
        Ok(key.to_string().into())
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
        let written: WrittenKey = at.parse()?;
        let algorithm = written.alg.map_or_else(|| "ES256".to_owned(), |alg| alg.0);
        let hs = algorithm.starts_with("HS");
        if written.secret.is_some() && !hs {
            let message = "only HS algorithms have a secret";
            at.refuse::<()>(at_member("secret", message));
        }
        // 64 bytes: enough for HS512 (RFC 7518 section 3.2).
        let secret = hs.then(|| written.secret.unwrap_or_else(|| format!("{name:.<64}")));
        Some(Self {
            name: name.to_owned(),
            algorithm,
            kid: read_kid(written.kid, at.report(), Some(name.to_owned())),
            secret,
            jwk: written.jwk,
        })
    }
}

/// A `kid`; null says that there is none.
fn read_kid(kid: Option<Source>, report: &Report, otherwise: Option<String>) -> Option<String> {
    let Some(kid) = kid else {
        return otherwise;
    };
    let at = kid.at(report);
    match at.node.is_null() {
        true => None,
        false => at.text(),
    }
}

impl TokenSpec {
    fn read(at: &At<'_>, keys: &BTreeMap<String, KeySpec>, now_s: u64) -> Option<Self> {
        let written: WrittenToken = at.parse()?;
        let at_key = |message| at.refuse(at_member("key", message));
        let key = match (written.key, written.unsigned) {
            (Some(_), Some(True)) => return at_key("an unsigned token has no key"),
            (None, Some(True)) => None,
            (None, None) => {
                return at.refuse("give the `key` that signs it, or `unsigned: true`");
            }
            (Some(name), None) => match keys.get(&name) {
                Some(key) => Some(key.clone()),
                None => return at_key("no key of the file has this name"),
            },
        };
        let key = key.map(|key| KeySpec {
            kid: read_kid(written.kid, at.report(), key.kid.clone()),
            ..key
        });
        let times = [
            written.expires_in_s,
            written.issued_ago_s,
            written.not_before_in_s,
        ];
        if written.claims_text.is_some()
            && (written.claims.is_some()
                || written.omit.is_some()
                || times.iter().any(Option::is_some))
        {
            let message = "stands in place of all claims";
            at.refuse::<()>(at_member("claims_text", message));
        }
        let [expires, issued, not_before] = times;
        let times = [
            ("exp", Some(expires.unwrap_or(300))),
            ("iat", Some(issued.unwrap_or(0).saturating_neg())),
            ("nbf", not_before),
        ];
        let mut claims = Map::new();
        for (name, offset) in times {
            let time = offset.map(|offset| now_s.saturating_add_signed(offset));
            claims.extend(time.map(|time| (name.to_owned(), time.into())));
        }
        claims.extend(written.claims.unwrap_or_default());
        for name in written.omit.unwrap_or_default().0 {
            claims.remove(&name);
        }
        Some(Self {
            key,
            claims,
            claims_text: written.claims_text,
            typ: written.typ,
            cty: written.cty,
            tamper: written.tamper,
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

fn private_key(spec: &KeySpec, minting: Minting) -> Result<Option<String>, String> {
    match minting {
        Minting::Pretend => Ok(Some("pretended".into())),
        Minting::Real => mint::private_key(spec),
    }
}

fn mint_token(spec: &TokenSpec, minting: Minting) -> Result<String, String> {
    match minting {
        Minting::Pretend => Ok("pretended.token.text".into()),
        Minting::Real => mint::token(spec),
    }
}
