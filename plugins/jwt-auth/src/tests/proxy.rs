//! This filter on the kit's proxy for tests, with keys and tokens to try: what came of a request in
//! one value, and callouts by their number.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modelgate_kit::host::{Side, Status};
use modelgate_kit::testing::{self, TestGateway};
use modelgate_kit::vm::verdict::Action;
use p256::ecdsa::signature::Signer as _;
use serde_json::{Value, json};

use crate::JwtAuth;

/// 2027-01-15T08:00:00Z.
pub const START_S: u64 = 1_800_000_000;

/// What came of a request so far.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It went on; its headers that are gone (`-name`) or other than they came (`name=value`).
    Passed(Vec<String>),
    /// It is held.
    Held,
    /// It was answered: status and reason code.
    Refused(u16, String),
}

/// Workers that have shared data in common.
pub struct Workers(pub Rc<testing::FakeProxy>);

impl Workers {
    pub fn new() -> Self {
        Self(testing::FakeProxy::new(START_S * 1_000_000_000))
    }

    /// From now on the host refuses shared data.
    pub fn refuse(&self) {
        self.0.break_shared_data(Some(Status::InternalFailure));
    }

    pub fn keys(&self) -> Vec<String> {
        self.0.shared_keys()
    }
}

/// One worker.
pub struct Proxy {
    gate: TestGateway,
    sent: Vec<Vec<(String, String)>>,
    first: u32,
    answered: u32,
}

impl Proxy {
    pub fn new(config: &Value) -> Self {
        Self::sharing(config, &Workers::new())
    }

    /// A worker of the same proxy as others.
    pub fn sharing(config: &Value, workers: &Workers) -> Self {
        Self {
            gate: open(config, workers).unwrap(),
            sent: Vec::new(),
            first: 0,
            answered: 0,
        }
    }

    /// Everything that is wrong with a configuration.
    pub fn problems(config: &Value) -> Vec<String> {
        open(config, &Workers::new()).err().unwrap_or_default()
    }

    /// Sends a request's headers; its number and what came of it at once.
    pub fn send(&mut self, headers: &[(&str, &str)]) -> (u32, Outcome) {
        let mut all = vec![(":method", "POST")];
        if !headers.iter().any(|(name, _)| *name == ":path") {
            all.push((":path", "/v1/models"));
        }
        all.extend(headers);
        let (context, action) = self.gate.begin(&all, false);
        if self.sent.is_empty() {
            self.first = context;
        }
        let kept = all
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.sent.push(kept.collect());
        (context, self.outcome(context, action == Action::Continue))
    }

    /// Sends a request with this bearer token.
    pub fn bear(&mut self, token: &str) -> Outcome {
        self.send(&[("authorization", &format!("Bearer {token}"))])
            .1
    }

    fn outcome(&self, context: u32, goes_on: bool) -> Outcome {
        let record = self.gate.record(context);
        assert!(record.replies <= 1, "answered twice");
        if let Some(reply) = &record.reply {
            assert!(!goes_on, "answered and let go");
            let reason = reply.details.rsplit('.').next().unwrap_or_default();
            return Outcome::Refused(reply.status, reason.to_owned());
        }
        if !goes_on {
            return Outcome::Held;
        }
        let sent = &self.sent[(context - self.first) as usize];
        let mut changes = Vec::new();
        for (name, value) in sent {
            match record.request_header(name) {
                None => changes.push(format!("-{name}")),
                Some(now) if now != value => changes.push(format!("{name}={now}")),
                Some(_) => {}
            }
        }
        for (name, value) in &record.request {
            if !sent.iter().any(|(known, _)| known == name) {
                changes.push(format!("{name}={}", String::from_utf8_lossy(value)));
            }
        }
        Outcome::Passed(changes)
    }

    /// What came of a held request by now.
    pub fn later(&mut self, context: u32) -> Outcome {
        let resumed = self.gate.record(context).resumed;
        self.outcome(context, resumed.contains(&Side::Request))
    }

    /// A chunk of a held request's body: whether it may go on.
    pub fn body(&mut self, context: u32) -> bool {
        self.gate.body(context, Side::Request, b"abc", true) == Action::Continue
    }

    /// Lets time pass (for all workers), and ticks.
    pub fn pass_ms(&mut self, ms: u64) {
        self.gate.proxy().pass_ns(ms * 1_000_000);
        self.gate.tick();
    }

    /// The calls so far, as `cluster authority/path`.
    pub fn calls(&self) -> Vec<String> {
        let calls = self.gate.proxy().calls();
        let texts = calls.iter().map(|call| {
            let header = |name| call.header(name).unwrap();
            format!(
                "{} {}{}",
                call.details,
                header(":authority"),
                header(":path")
            )
        });
        texts.collect()
    }

    /// Answers the last call; whether it was still open.
    pub fn answer(&mut self, status: u16, body: &str) -> bool {
        let number = u32::try_from(self.gate.proxy().calls().len()).unwrap();
        if number <= self.answered {
            return false;
        }
        self.answered = number;
        let status = status.to_string();
        self.gate
            .answer(number, &[(":status", &status)], body.as_bytes());
        true
    }

    /// The identity that the last request left for later filters.
    pub fn identity(&self) -> Option<Value> {
        let last = self.first + u32::try_from(self.sent.len()).unwrap() - 1;
        let properties = self.gate.record(last).properties;
        serde_json::from_slice(properties.get("modelgate.identity")?).ok()
    }

    /// `retry-after` of the last request's reply.
    pub fn retry_after(&self) -> Option<String> {
        let last = self.first + u32::try_from(self.sent.len()).unwrap() - 1;
        let reply = self.gate.record(last).reply.clone()?;
        let found = reply.headers.iter().find(|(name, _)| name == "retry-after");
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    /// How many signatures were looked at.
    pub fn verifications(&self) -> usize {
        self.gate.proxy().foreign_calls()
    }

    pub fn logs(&self) -> String {
        self.gate.proxy().logs().join("\n")
    }
}

fn open(config: &Value, workers: &Workers) -> Result<TestGateway, Vec<String>> {
    let proxy = workers.0.beside();
    proxy.set_environment("JWT_SECRET", &"s".repeat(64));
    proxy.refuse_upstream("unknown");
    // No jitter in when keys are fetched.
    proxy.always_draw(0);
    TestGateway::open::<JwtAuth>(proxy, &config.to_string())
}

fn key(seed: u8) -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap()
}

/// A JWK Set of public keys, each by its seed and `kid`.
pub fn jwks(keys: &[(u8, &str)]) -> Value {
    let keys: Vec<Value> = keys
        .iter()
        .map(|(seed, kid)| {
            let point = key(*seed).verifying_key().to_sec1_point(false);
            let bytes = point.as_bytes();
            json!({
                "kty": "EC", "crv": "P-256", "kid": kid,
                "x": URL_SAFE_NO_PAD.encode(&bytes[1..33]), "y": URL_SAFE_NO_PAD.encode(&bytes[33..]),
            })
        })
        .collect();
    json!({ "keys": keys })
}

/// A token signed by the key of this seed.
pub fn mint(seed: u8, kid: Option<&str>, claims: &Value) -> String {
    let mut header = json!({"alg": "ES256"});
    if let Some(kid) = kid {
        header["kid"] = json!(kid);
    }
    let text = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let signature: p256::ecdsa::Signature = key(seed).sign(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

/// A token as a load balancer of this ARN makes it: padded, and with the signer in its header.
pub fn mint_padded(seed: u8, kid: &str, signer: &str, claims: &Value) -> String {
    use base64::engine::general_purpose::URL_SAFE;
    let header = json!({"alg": "ES256", "typ": "JWT", "kid": kid, "signer": signer});
    let text = format!(
        "{}.{}",
        URL_SAFE.encode(header.to_string()),
        URL_SAFE.encode(claims.to_string())
    );
    let signature: p256::ecdsa::Signature = key(seed).sign(text.as_bytes());
    format!("{text}.{}", URL_SAFE.encode(signature.to_bytes()))
}

/// The public key of this seed, in PEM.
pub fn pem(seed: u8) -> String {
    use base64::engine::general_purpose::STANDARD;
    // RFC 5480: id-ecPublicKey on secp256r1, and the point.
    let mut der = vec![
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    der.extend_from_slice(key(seed).verifying_key().to_sec1_point(false).as_bytes());
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(der)
    )
}

/// Claims that are good at the start.
pub fn claims() -> Value {
    json!({"iss": "https://idp.test", "aud": "models", "sub": "ann", "iat": START_S, "exp": START_S + 600})
}
