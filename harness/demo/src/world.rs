//! Everything around the gateway, on this machine: who calls, who vouches for them, what is behind,
//! and where events go.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use bytes::Bytes;
use hyper::{Request, Response};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::bootstrap::{Change, Places};
use super::issuer::{Client, Issuer, Settings};
use super::loopback::{Body, Loopback, Service};
use super::random;
use super::sagemaker::{Account, Received, SageMaker};
use super::sink::Sink;

/// The issuer that `envoy/sagemaker.yaml` trusts.
const ISSUER: &str = "https://login.example.com";
/// The audience that it demands.
const AUDIENCE: &str = "models";
/// The region that it signs for.
pub const REGION: &str = "eu-central-1";
/// In the group `data-science`: may use every model.
pub const ANN: &str = "ann";
/// In the group `marketing`: may use none.
pub const BOB: &str = "bob";
/// In the group `trial`: may use every model, three times a minute.
pub const TOM: &str = "tom";
/// The holder of the API key: may have `churn` score.
pub const NIGHTLY: &str = "nightly-scoring";
/// How old keys may be before they are fetched anew, in seconds.
pub const KEYS_EVERY_S: u64 = 5;
/// The least time between two fetches, in seconds.
pub const KEYS_INTERVAL_S: u64 = 1;

/// Everything around the gateway.
pub struct World {
    /// Vouches for Ann, Bob and Tom.
    pub issuer: Issuer,
    /// Takes audit events.
    pub sink: Sink,
    /// Has the models.
    pub backend: Backend,
    /// The API key.
    pub api_key: String,
    account: Account,
}

impl World {
    /// Starts all of it on free ports.
    ///
    /// # Errors
    /// If a port or randomness cannot be had.
    pub fn start() -> Result<Self> {
        let account = Account {
            access_key_id: format!("ASIA{}", random::hex(8)?.to_uppercase()),
            secret_access_key: random::hex(20)?,
            session_token: Some(random::hex(32)?),
            region: REGION.into(),
            service: "sagemaker".into(),
        };
        let person = |id, group: &str| -> Result<Client> {
            let claims = json!({"groups": [group], "scope": "predict"});
            Ok(Client {
                id,
                secret: random::hex(8)?,
                claims: claims.as_object().cloned().unwrap_or_default(),
            })
        };
        let settings = Settings {
            url: ISSUER.into(),
            audience: AUDIENCE.into(),
            keys_max_age_s: KEYS_EVERY_S,
            clients: vec![
                person(ANN, "data-science")?,
                person(BOB, "marketing")?,
                person(TOM, "trial")?,
            ],
        };
        Ok(Self {
            issuer: Issuer::start(settings, 0)?,
            sink: Sink::start(0)?,
            backend: Backend::start(account.clone())?,
            api_key: random::hex(32)?,
            account,
        })
    }

    /// Where the gateway finds all of it.
    pub fn places(&self, port: u16, wasm: &Path) -> Places {
        Places {
            port,
            wasm: wasm.to_owned(),
            clusters: [
                ("login", self.issuer.server().port()),
                ("logs", self.sink.server().port()),
                ("sagemaker", self.backend.port()),
            ]
            .into(),
        }
    }

    /// What differs in the filters' settings: the digest of the API key, and times that are short
    /// enough to watch.
    pub fn changes(&self) -> Vec<Change> {
        let digest = format!("sha256:{}", random::hex_of(&Sha256::digest(&self.api_key)));
        let refresh = "/issuers/0/keys/discovery/refresh";
        let change = |filter, pointer, value| Change {
            filter,
            pointer,
            value,
        };
        vec![
            change("key_auth", "/keys/0/digest", digest.into()),
            change(
                "jwt_auth",
                refresh,
                json!({"every_s": KEYS_EVERY_S, "min_interval_s": KEYS_INTERVAL_S}),
            ),
            change("audit_log", "/sink/batch", json!({"max_age_ms": 0})),
        ]
    }

    /// The environment of the gateway: its AWS key.
    pub fn environment(&self) -> Vec<(&'static str, &str)> {
        let token = self.account.session_token.as_deref().unwrap_or_default();
        vec![
            ("AWS_ACCESS_KEY_ID", &self.account.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &self.account.secret_access_key),
            ("AWS_SESSION_TOKEN", token),
        ]
    }

    /// From now on the backend knows the key by another secret; or by the gateway's again.
    ///
    /// # Errors
    /// If randomness cannot be had.
    pub fn exchange_secret(&self, right: bool) -> Result<()> {
        let mut account = self.account.clone();
        if !right {
            account.secret_access_key = random::hex(20)?;
        }
        self.backend.state.admit(account);
        Ok(())
    }
}

/// The backend; the account that it lets in can change while it runs.
pub struct Backend {
    state: Arc<WorldState>,
    server: Loopback,
}

impl Backend {
    fn start(account: Account) -> Result<Self> {
        let state = Arc::new(WorldState {
            current: Mutex::new(Arc::new(SageMaker::new(account))),
        });
        let server = Loopback::start(Arc::clone(&state), 0).context("the backend")?;
        Ok(Self { state, server })
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.server.port()
    }

    /// The request of this trace, as it came; `None` if none came.
    pub fn of_trace(&self, trace_id: &str) -> Option<Received> {
        let received = self.state.current().received().into_iter();
        received.rev().find(|received| {
            let parent = received.headers.get("traceparent");
            parent.is_some_and(|parent| {
                parent
                    .to_str()
                    .is_ok_and(|parent| parent.contains(trace_id))
            })
        })
    }
}

struct WorldState {
    current: Mutex<Arc<SageMaker>>,
}

impl WorldState {
    fn current(&self) -> Arc<SageMaker> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn admit(&self, account: Account) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(SageMaker::new(account));
    }
}

impl Service for WorldState {
    async fn answer(&self, request: Request<Bytes>) -> Response<Body> {
        self.current().answer(request).await
    }
}
