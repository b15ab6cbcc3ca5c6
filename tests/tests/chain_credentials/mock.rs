//! A mock of a container's endpoint and of the service behind it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use modelgate_demo::loopback::{self, Body, Service};
use modelgate_demo::sagemaker::{Account, verify};
use serde_json::{Value, json};

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// `2026-11-29T12:00:00Z`, as AWS writes it.
fn timestamp(ms: u64) -> String {
    let stamp = aws_sigv4::date::AmzDate::from_unix_nanos(ms * 1_000_000).to_string();
    let part = |from: usize, to: usize| &stamp[from..to];
    format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(9, 11),
        part(11, 13),
        part(13, 15)
    )
}

/// A mock of a container's endpoint and of a service behind it: each key lives for so long, and the
/// service takes none that has ended. The id of a key says when it ends, and its secret follows
/// from the id.
pub struct MockAws {
    life: Duration,
    /// Keys that were given.
    pub given: AtomicUsize,
    /// Requests that were taken.
    pub taken: AtomicUsize,
    /// Why others were not.
    pub refused: Mutex<Vec<String>>,
    /// Requests as they were received, if they are to be kept.
    pub received: Mutex<Vec<(String, HeaderMap, Bytes)>>,
    /// The token that STS takes for a role.
    pub token: Mutex<String>,
    /// How many of the next requests fail after a second, with 503.
    pub fails: AtomicUsize,
}

impl MockAws {
    /// A mock whose keys live for so long.
    pub fn new(life: Duration) -> Arc<Self> {
        Arc::new(Self {
            life,
            given: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            refused: Mutex::default(),
            received: Mutex::default(),
            token: Mutex::default(),
            fails: AtomicUsize::new(0),
        })
    }

    fn keep(&self, request: (String, HeaderMap, Bytes)) {
        let mut received = self.received.lock().unwrap();
        if received.len() < 64 {
            received.push(request);
        }
    }

    fn account(id: &str) -> Account {
        Account {
            access_key_id: id.to_owned(),
            secret_access_key: format!("secret-of-{id}"),
            session_token: Some(format!("session-of-{id}")),
            region: "eu-central-1".to_owned(),
            service: "sagemaker".to_owned(),
        }
    }

    fn give(&self) -> Value {
        self.given.fetch_add(1, Ordering::SeqCst);
        let life_ms = u64::try_from(self.life.as_millis()).unwrap();
        // Whole seconds: `Expiration` has no parts of them.
        let ends_ms = (now_ms() + life_ms) / 1000 * 1000;
        let id = format!("ASIA{ends_ms:016}");
        let account = Self::account(&id);
        json!({
            "AccessKeyId": id,
            "SecretAccessKey": account.secret_access_key,
            "Token": account.session_token,
            "Expiration": timestamp(ends_ms),
        })
    }

    /// `AssumeRoleWithWebIdentity`.
    fn assume(&self, form: &[u8]) -> Response<Body> {
        let token = format!("WebIdentityToken={}", self.token.lock().unwrap());
        if !String::from_utf8_lossy(form).ends_with(&token) {
            let why =
                "<ErrorResponse><Error><Code>ExpiredTokenException</Code></Error></ErrorResponse>";
            return loopback::whole(StatusCode::BAD_REQUEST, "text/xml", why);
        }
        let key = self.give();
        let text = |name: &str| key[name].as_str().unwrap();
        let answer = format!(
            "<R><Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials></R>",
            text("AccessKeyId"),
            text("SecretAccessKey"),
            text("Token"),
            text("Expiration")
        );
        loopback::whole(StatusCode::OK, "text/xml", answer)
    }

    /// What the service says of a request.
    pub fn judge(&self, request: &Request<Bytes>) -> Result<(), String> {
        let authorization = request.headers().get("authorization");
        let authorization = authorization.and_then(|value| value.to_str().ok());
        let (_, credential) = authorization
            .and_then(|value| value.split_once("Credential="))
            .ok_or("no signature")?;
        let id = credential.split('/').next().unwrap_or_default();
        let ends_ms: u64 = id
            .trim_start_matches("ASIA")
            .parse()
            .map_err(|_| "no key of ours")?;
        if now_ms() > ends_ms {
            return Err("the key has ended".to_owned());
        }
        verify(&Self::account(id), request, SystemTime::now()).map_err(|refusal| refusal.message)
    }
}

impl Service for MockAws {
    async fn answer(&self, request: Request<Bytes>) -> Response<Body> {
        if request.uri().path() == "/credentials" {
            return loopback::json(StatusCode::OK, &self.give());
        }
        if request.uri().path() == "/" {
            return self.assume(request.body());
        }
        let kept = (
            request.uri().to_string(),
            request.headers().clone(),
            request.body().clone(),
        );
        self.keep(kept);
        let fails = |left: usize| left.checked_sub(1);
        let failing = self
            .fails
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails);
        if failing.is_ok() {
            tokio::time::sleep(Duration::from_millis(1100)).await;
            return loopback::whole(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "again");
        }
        match self.judge(&request) {
            Ok(()) => {
                self.taken.fetch_add(1, Ordering::SeqCst);
                loopback::json(StatusCode::OK, &json!({"ok": true}))
            }
            Err(why) => {
                let refusal = json!({ "message": &why });
                self.refused.lock().unwrap().push(why);
                loopback::json(StatusCode::FORBIDDEN, &refusal)
            }
        }
    }
}
