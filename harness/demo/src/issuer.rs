//! An OIDC issuer on loopback: discovery document, JWKS, and a token endpoint for client
//! credentials (RFC 6749 section 4.4). Keys and signatures are those of `jwt-simple`, an
//! implementation that shares nothing with the suite's own verification.
//!
//! It says that it is whoever the configuration of the gateway trusts, rotates its keys and goes
//! away on command. It keeps no sessions, and its clients are made up: never a place for a secret
//! that matters.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use jwt_simple::prelude::{
    Claims, Duration, ECDSAP256KeyPairLike, ES256KeyPair, RS256KeyPair, RSAKeyPairLike,
};
use modelgate_kit::query;
use serde_json::{Map, Value as Json, json};

use super::loopback::{self, Body, Loopback, Service};
use super::random;

/// Bits of the RSA key.
const RSA_BITS: usize = 2048;
/// How long a token from the token endpoint is good, in seconds.
const LIFETIME_S: u64 = 3600;

/// Someone who may ask for tokens.
#[derive(Clone, Debug)]
pub struct Client {
    /// Client id; also the subject of its tokens.
    pub id: &'static str,
    /// Client secret.
    pub secret: String,
    /// Claims of its tokens, beside those that every token has.
    pub claims: Map<String, Json>,
}

/// What an issuer is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer that it says it is.
    pub url: String,
    /// `aud` of its tokens.
    pub audience: String,
    /// How long others may keep its keys, in seconds.
    pub keys_max_age_s: u64,
    /// Who may ask for tokens.
    pub clients: Vec<Client>,
}

/// The issuer; it ends when dropped.
#[derive(Debug)]
pub struct Issuer {
    state: Arc<IssuerState>,
    server: Loopback,
}

impl Issuer {
    /// Makes a key and starts listening on `port`; 0 = any free one.
    ///
    /// # Errors
    /// If no key can be made, or the port is taken.
    pub fn start(settings: Settings, port: u16) -> Result<Self> {
        let state = Arc::new(IssuerState {
            settings,
            state: Mutex::new(State {
                keys: vec![Key::rsa("rsa-1")?],
                fetched: 0,
                fetched_at: None,
            }),
        });
        let server = Loopback::start(Arc::clone(&state), port)?;
        Ok(Self { state, server })
    }

    /// The server, to take it away and bring it back.
    pub const fn server(&self) -> &Loopback {
        &self.server
    }

    /// Signs with a new key from now on; the old ones stay published. Gives the new key's id.
    pub fn rotate(&self) -> String {
        let mut state = self.state.lock();
        let key = Key::ecdsa(&format!("ec-{}", state.keys.len().saturating_add(1)));
        let id = key.id.clone();
        state.keys.push(key);
        id
    }

    /// How often the keys have been fetched.
    pub fn fetched(&self) -> u64 {
        self.state.lock().fetched
    }

    /// How long ago the keys were fetched last; `None` if they never were.
    pub fn since_fetch(&self) -> Option<std::time::Duration> {
        self.state.lock().fetched_at.map(|at| at.elapsed())
    }

    /// A client's secret; `None` if there is no such client.
    pub fn secret(&self, client: &str) -> Option<&str> {
        let mut clients = self.state.settings.clients.iter();
        let client = clients.find(|known| known.id == client)?;
        Some(&client.secret)
    }

    /// A token for a client, as the token endpoint gives it.
    ///
    /// # Errors
    /// If there is no such client.
    pub fn mint(&self, client: &str, lifetime_s: u64) -> Result<String> {
        let settings = &self.state.settings;
        let client = settings.clients.iter().find(|known| known.id == client);
        self.state
            .mint(client.context("no such client")?, lifetime_s)
    }
}

#[derive(Debug)]
struct IssuerState {
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The last one signs.
    keys: Vec<Key>,
    fetched: u64,
    fetched_at: Option<Instant>,
}

impl IssuerState {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mint(&self, client: &Client, lifetime_s: u64) -> Result<String> {
        let mut custom = client.claims.clone();
        custom.insert("client_id".into(), client.id.into());
        let claims =
            Claims::with_custom_claims(Json::Object(custom), Duration::from_secs(lifetime_s))
                .with_issuer(&self.settings.url)
                .with_audience(&self.settings.audience)
                .with_subject(client.id)
                .with_jwt_id(random::hex(8)?);
        let state = self.lock();
        state.keys.last().context("no key")?.sign(claims)
    }

    fn discovery(&self) -> Response<Body> {
        let at = |path: &str| format!("{}{path}", self.settings.url);
        loopback::json(
            StatusCode::OK,
            &json!({
                "issuer": self.settings.url,
                "token_endpoint": at("/token"),
                "jwks_uri": at("/keys"),
                "grant_types_supported": ["client_credentials"],
                "response_types_supported": ["token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256", "ES256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            }),
        )
    }

    fn keys(&self) -> Response<Body> {
        let mut state = self.lock();
        state.fetched = state.fetched.saturating_add(1);
        state.fetched_at = Some(Instant::now());
        let keys: Vec<&Json> = state.keys.iter().map(|key| &key.jwk).collect();
        let mut answer = loopback::json(StatusCode::OK, &json!({"keys": keys}));
        let max_age = format!("max-age={}", self.settings.keys_max_age_s);
        if let Ok(value) = HeaderValue::from_str(&max_age) {
            answer.headers_mut().insert(CACHE_CONTROL, value);
        }
        answer
    }

    /// RFC 6749 sections 4.4 and 5.
    fn token(&self, headers: &HeaderMap, form: &str) -> Response<Body> {
        let refused =
            |status: StatusCode, code: &str| loopback::json(status, &json!({"error": code}));
        if parameter(form, "grant_type").as_deref() != Some("client_credentials") {
            return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type");
        }
        let posted = || {
            Some((
                parameter(form, "client_id")?,
                parameter(form, "client_secret")?,
            ))
        };
        let Some((id, secret)) = basic(headers).or_else(posted) else {
            return refused(StatusCode::UNAUTHORIZED, "invalid_client");
        };
        let mut clients = self.settings.clients.iter();
        let client = clients.find(|client| client.id == id && client.secret == secret);
        let Some(client) = client else {
            return refused(StatusCode::UNAUTHORIZED, "invalid_client");
        };
        match self.mint(client, LIFETIME_S) {
            Ok(token) => loopback::json(
                StatusCode::OK,
                &json!({"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME_S}),
            ),
            Err(_) => refused(StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        }
    }
}

impl Service for IssuerState {
    async fn answer(&self, request: Request<Bytes>) -> Response<Body> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/.well-known/openid-configuration") => self.discovery(),
            (&Method::GET, "/keys") => self.keys(),
            (&Method::POST, "/token") => {
                self.token(request.headers(), &String::from_utf8_lossy(request.body()))
            }
            _ => loopback::json(StatusCode::NOT_FOUND, &json!({"error": "not_found"})),
        }
    }
}

/// A parameter of a form that has it once.
fn parameter(form: &str, name: &str) -> Option<String> {
    // A form is written as a query is.
    let taken = query::take_parameter(&format!("?{form}"), name)?;
    match <[Vec<u8>; 1]>::try_from(taken.values) {
        Ok([value]) => String::from_utf8(value).ok(),
        Err(_) => None,
    }
}

/// Client id and secret from HTTP basic authentication (RFC 6749 section 2.3.1).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let decoded = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    let plain = |text: &str| String::from_utf8(query::decode(text).collect()).ok();
    Some((plain(id)?, plain(secret)?))
}

struct Key {
    id: String,
    /// The public half, as published.
    jwk: Json,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RS256KeyPair>),
    Ecdsa(Box<ES256KeyPair>),
}

/// Private keys are not printed.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

impl Key {
    fn rsa(id: &str) -> Result<Self> {
        let pair = RS256KeyPair::generate(RSA_BITS)
            .map_err(explain)?
            .with_key_id(id);
        Ok(Self {
            id: id.to_owned(),
            jwk: serde_json::from_str(&pair.public_key().to_jwk())?,
            pair: Pair::Rsa(Box::new(pair)),
        })
    }

    fn ecdsa(id: &str) -> Self {
        let pair = ES256KeyPair::generate().with_key_id(id);
        Self {
            id: id.to_owned(),
            jwk: serde_json::from_str(&pair.public_key().to_jwk()).unwrap_or_default(),
            pair: Pair::Ecdsa(Box::new(pair)),
        }
    }

    fn sign(&self, claims: jwt_simple::claims::JWTClaims<Json>) -> Result<String> {
        match &self.pair {
            Pair::Rsa(pair) => pair.sign(claims).map_err(explain),
            Pair::Ecdsa(pair) => pair.sign(claims).map_err(explain),
        }
    }
}

fn explain(error: jwt_simple::Error) -> anyhow::Error {
    anyhow!("{error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Call, send};
    use modelgate_kit::jose;

    fn issuer() -> Issuer {
        let claims = json!({"groups": ["data-science"]});
        let client = Client {
            id: "ann",
            secret: "s & s".into(),
            claims: claims.as_object().unwrap().clone(),
        };
        let settings = Settings {
            url: "https://login.example.com".into(),
            audience: "models".into(),
            keys_max_age_s: 7,
            clients: vec![client],
        };
        Issuer::start(settings, 0).unwrap()
    }

    async fn keys(issuer: &Issuer) -> Json {
        let answer = send(issuer.server().port(), &Call::get("/keys"))
            .await
            .unwrap();
        assert_eq!(answer.header("cache-control"), Some("max-age=7"));
        serde_json::from_slice(&answer.body).unwrap()
    }

    fn claims(token: &str) -> Json {
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let part = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn discovery_leads_to_the_keys() {
        let issuer = issuer();
        let path = "/.well-known/openid-configuration";
        let answer = send(issuer.server().port(), &Call::get(path))
            .await
            .unwrap();
        let document: Json = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(document["issuer"], "https://login.example.com");
        assert_eq!(document["jwks_uri"], "https://login.example.com/keys");
        assert_eq!(keys(&issuer).await["keys"][0]["kid"], "rsa-1");
        assert_eq!(issuer.fetched(), 1);
        assert!(issuer.since_fetch().is_some());
    }

    #[tokio::test]
    async fn a_client_gets_a_token_with_its_claims_by_form_or_basic_authentication() {
        let issuer = issuer();
        let form = Call::post(
            "/token",
            "grant_type=client_credentials&client_id=ann&client_secret=s+%26+s",
        );
        let basic = Call::post("/token", "grant_type=client_credentials").with(
            "authorization",
            &format!("Basic {}", STANDARD.encode("ann:s+%26+s")),
        );
        for call in [form, basic] {
            let answer = send(issuer.server().port(), &call).await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            let answer: Json = serde_json::from_slice(&answer.body).unwrap();
            let claims = claims(answer["access_token"].as_str().unwrap());
            assert_eq!(claims["sub"], "ann");
            assert_eq!(claims["aud"], "models");
            assert_eq!(claims["groups"], json!(["data-science"]));
        }
    }

    #[tokio::test]
    async fn a_wrong_secret_or_grant_gets_no_token() {
        let issuer = issuer();
        for (form, status) in [
            (
                "grant_type=client_credentials&client_id=ann&client_secret=x",
                401,
            ),
            (
                "grant_type=client_credentials&client_id=bob&client_secret=s+%26+s",
                401,
            ),
            ("grant_type=client_credentials", 401),
            (
                "grant_type=password&client_id=ann&client_secret=s+%26+s",
                400,
            ),
            (
                "grant_type=client_credentials&client_id=ann&client_id=ann&client_secret=s+%26+s",
                401,
            ),
        ] {
            let answer = send(issuer.server().port(), &Call::post("/token", form))
                .await
                .unwrap();
            assert_eq!(answer.status, status, "{form}");
            assert!(!answer.text().contains("access_token"), "{form}");
        }
    }

    #[tokio::test]
    async fn after_a_rotation_tokens_name_the_new_key_and_both_are_published() {
        let issuer = issuer();
        let kid = |token: &str| {
            use base64::engine::general_purpose::URL_SAFE_NO_PAD;
            let header = URL_SAFE_NO_PAD
                .decode(token.split('.').next().unwrap())
                .unwrap();
            let header: Json = serde_json::from_slice(&header).unwrap();
            header["kid"].as_str().unwrap().to_owned()
        };
        assert_eq!(kid(&issuer.mint("ann", 60).unwrap()), "rsa-1");
        let new = issuer.rotate();
        assert_eq!(kid(&issuer.mint("ann", 60).unwrap()), new);
        let published = keys(&issuer).await;
        assert_eq!(published["keys"].as_array().unwrap().len(), 2);
        assert_eq!(published["keys"][1]["kid"], new);
        assert!(!published.to_string().contains("\"d\""));
        let set = jose::KeySet::parse(published.to_string().as_bytes(), jose::Secrets::Refused);
        assert!(set.is_ok());
        assert!(issuer.mint("bob", 60).is_err());
    }
}
