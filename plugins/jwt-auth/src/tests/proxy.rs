//! A proxy for tests: one VM with this filter, a virtual clock, shared data that several VMs can have in common, and callouts that a
//! test answers itself.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modelgate_kit::filter::Registration;
use modelgate_kit::headers::encode_refs;
use modelgate_kit::host::{
    Buffer, Dispatch, Host, Level, LocalReply, Map, MetricKind, Side, Status,
};
use modelgate_kit::verdict::Action;
use modelgate_kit::vm::{Part, Vm};
use p256::ecdsa::signature::Signer as _;
use serde_json::{Value, json};

use crate::JwtAuth;

/// 2027-01-15T08:00:00Z.
pub const START_S: u64 = 1_800_000_000;

/// Shared data, and the number that the next write gets.
#[derive(Default)]
pub struct SharedMemory {
    entries: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    refused: Cell<bool>,
}

impl SharedMemory {
    /// From now on the host refuses shared data.
    pub fn refuse(&self) {
        self.refused.set(true);
    }

    pub fn keys(&self) -> Vec<String> {
        self.entries.borrow().keys().cloned().collect()
    }
}

#[derive(Default)]
struct Inner {
    now_ms: Cell<u64>,
    context: Cell<u32>,
    request: RefCell<Vec<(String, String)>>,
    config: RefCell<Vec<u8>>,
    answer: RefCell<(Vec<u8>, Vec<u8>)>,
    shared: Rc<SharedMemory>,
    properties: RefCell<BTreeMap<String, Vec<u8>>>,
    calls: RefCell<Vec<(u32, String)>>,
    verifications: Cell<usize>,
    written: RefCell<Vec<String>>,
    replies: RefCell<BTreeMap<u32, (u16, String)>>,
    resumed: RefCell<Vec<u32>>,
    logs: RefCell<Vec<String>>,
}

impl Host for Inner {
    fn now_ns(&self) -> u64 {
        self.now_ms.get() * 1_000_000
    }
    fn random(&self) -> u64 {
        0
    }
    fn environment(&self, name: &str) -> Option<String> {
        (name == "JWT_SECRET").then(|| "s".repeat(64))
    }
    fn pairs(&self, map: Map) -> Result<Vec<u8>, Status> {
        if map == Map::CallHeaders {
            return Ok(self.answer.borrow().0.clone());
        }
        let request = self.request.borrow();
        let pairs: Vec<(&str, &[u8])> = request
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        Ok(encode_refs(&pairs))
    }
    fn set_header(&self, _: Map, name: &str, value: &[u8]) -> Result<(), Status> {
        self.written
            .borrow_mut()
            .push(format!("{name}={}", String::from_utf8_lossy(value)));
        Ok(())
    }
    fn add_header(&self, _: Map, _: &str, _: &[u8]) -> Result<(), Status> {
        Err(Status::Unimplemented)
    }
    fn remove_header(&self, _: Map, name: &str) -> Result<(), Status> {
        self.written.borrow_mut().push(format!("-{name}"));
        Ok(())
    }
    fn body(&self, buffer: Buffer, _: usize, _: usize) -> Result<Vec<u8>, Status> {
        Ok(match buffer {
            Buffer::PluginConfig => self.config.borrow().clone(),
            Buffer::CallBody => self.answer.borrow().1.clone(),
            _ => Vec::new(),
        })
    }
    fn set_body(&self, _: Buffer, _: usize, _: usize, _: &[u8]) -> Result<(), Status> {
        Err(Status::Unimplemented)
    }
    fn reply(&self, reply: &LocalReply<'_>) -> Result<(), Status> {
        let reason = reply.details.rsplit('.').next().unwrap_or_default();
        let answer = (reply.status, reason.to_owned());
        let before = self.replies.borrow_mut().insert(self.context.get(), answer);
        assert_eq!(before, None, "answered twice");
        Ok(())
    }
    fn resume(&self, _: Side) -> Result<(), Status> {
        self.resumed.borrow_mut().push(self.context.get());
        Ok(())
    }
    fn dispatch(&self, call: &Dispatch<'_>) -> Result<u32, Status> {
        if call.upstream == "unknown" {
            return Err(Status::BadArgument);
        }
        let header = |name: &str| {
            let (_, value) = call
                .headers
                .iter()
                .find(|(known, _)| *known == name)
                .unwrap();
            String::from_utf8_lossy(value).into_owned()
        };
        let mut calls = self.calls.borrow_mut();
        let number = u32::try_from(calls.len()).unwrap() + 1;
        calls.push((
            number,
            format!(
                "{} {}{}",
                call.upstream,
                header(":authority"),
                header(":path")
            ),
        ));
        Ok(number)
    }
    fn property(&self, path: &[&str]) -> Result<Vec<u8>, Status> {
        self.properties
            .borrow()
            .get(&path.join("."))
            .cloned()
            .ok_or(Status::NotFound)
    }
    fn set_property(&self, name: &str, value: &[u8]) -> Result<(), Status> {
        self.properties
            .borrow_mut()
            .insert(name.to_owned(), value.to_vec());
        Ok(())
    }
    fn shared(&self, key: &str) -> Result<(Vec<u8>, u32), Status> {
        if self.shared.refused.get() {
            return Err(Status::InternalFailure);
        }
        self.shared
            .entries
            .borrow()
            .get(key)
            .cloned()
            .ok_or(Status::NotFound)
    }
    fn set_shared(&self, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        if self.shared.refused.get() {
            return Err(Status::InternalFailure);
        }
        let mut entries = self.shared.entries.borrow_mut();
        let number = entries.get(key).map_or(0, |(_, number)| *number);
        if number != 0 && cas != 0 && cas != number {
            return Err(Status::CasMismatch);
        }
        entries.insert(key.to_owned(), (value.to_vec(), number + 1));
        Ok(())
    }
    fn define_metric(&self, _: MetricKind, _: &str) -> Result<u32, Status> {
        Ok(0)
    }
    fn increment(&self, _: u32, _: i64) -> Result<(), Status> {
        Ok(())
    }
    fn record(&self, _: u32, _: u64) -> Result<(), Status> {
        Ok(())
    }
    fn log(&self, _: Level, line: &str) {
        self.logs.borrow_mut().push(line.to_owned());
    }
    fn foreign(&self, _: &str, _: &[u8]) -> Result<Vec<u8>, Status> {
        self.verifications.set(self.verifications.get() + 1);
        Err(Status::NotFound)
    }
    fn set_tick(&self, _: u32) -> Result<(), Status> {
        Ok(())
    }
    fn focus(&self, context: u32) -> Result<(), Status> {
        self.context.set(context);
        Ok(())
    }
}

/// What came of a request so far.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It went on; header changes in their order.
    Passed(Vec<String>),
    /// It is held.
    Held,
    /// It was answered: status and reason code.
    Refused(u16, String),
}

/// One worker.
pub struct Proxy {
    host: Rc<Inner>,
    vm: Vm,
    next: u32,
    answered: u32,
}

impl Proxy {
    pub fn new(config: &Value) -> Self {
        Self::sharing(config, &Rc::default())
    }

    /// A worker of the same proxy as others.
    pub fn sharing(config: &Value, shared: &Rc<SharedMemory>) -> Self {
        let host = Rc::new(Inner {
            shared: Rc::clone(shared),
            ..Inner::default()
        });
        host.now_ms.set(START_S * 1000);
        let mut proxy = Self {
            vm: Vm::new(
                Rc::clone(&host) as Rc<dyn Host>,
                &[Registration::of::<JwtAuth>()],
            ),
            host,
            next: 1,
            answered: 0,
        };
        proxy.vm.create(1, 0);
        let text = config.to_string();
        *proxy.host.config.borrow_mut() = text.clone().into_bytes();
        assert!(
            proxy.vm.configure(1, text.len()),
            "{:?}",
            proxy.host.logs.borrow()
        );
        proxy
    }

    /// Everything that is wrong with a configuration.
    pub fn problems(config: &Value) -> Vec<String> {
        let host = Rc::new(Inner::default());
        let mut vm = Vm::new(
            Rc::clone(&host) as Rc<dyn Host>,
            &[Registration::of::<JwtAuth>()],
        );
        vm.create(1, 0);
        let text = config.to_string();
        *host.config.borrow_mut() = text.clone().into_bytes();
        vm.configure(1, text.len());
        host.logs.take()
    }

    /// Sends a request's headers; its number and what came of it at once.
    pub fn send(&mut self, headers: &[(&str, &str)]) -> (u32, Outcome) {
        self.next += 1;
        let context = self.next;
        let mut all = vec![(":method".to_owned(), "POST".to_owned())];
        if !headers.iter().any(|(name, _)| *name == ":path") {
            all.push((":path".to_owned(), "/v1/models".to_owned()));
        }
        all.extend(
            headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        *self.host.request.borrow_mut() = all;
        self.host.written.take();
        self.host.resumed.take();
        self.host.properties.take();
        self.host.context.set(context);
        self.vm.create(context, 1);
        let action = self
            .vm
            .message(context, Side::Request, Part::Headers(false));
        (context, self.outcome(context, action == Action::Continue))
    }

    /// Sends a request with this bearer token.
    pub fn bear(&mut self, token: &str) -> Outcome {
        self.send(&[("authorization", &format!("Bearer {token}"))])
            .1
    }

    fn outcome(&self, context: u32, goes_on: bool) -> Outcome {
        if let Some((status, reason)) = self.host.replies.borrow().get(&context) {
            assert!(!goes_on, "answered and let go");
            return Outcome::Refused(*status, reason.clone());
        }
        if goes_on {
            Outcome::Passed(self.host.written.take())
        } else {
            Outcome::Held
        }
    }

    /// What came of a held request by now.
    pub fn later(&mut self, context: u32) -> Outcome {
        let goes_on = self.host.resumed.borrow().contains(&context);
        self.outcome(context, goes_on)
    }

    /// A chunk of a held request's body: whether it may go on.
    pub fn body(&mut self, context: u32) -> bool {
        self.host.context.set(context);
        self.vm.message(context, Side::Request, Part::Body(3, true)) == Action::Continue
    }

    /// Lets time pass, and ticks.
    pub fn pass_ms(&mut self, ms: u64) {
        self.host.now_ms.set(self.host.now_ms.get() + ms);
        self.host.context.set(1);
        self.vm.tick(1);
    }

    /// The calls so far, as `cluster authority/path`.
    pub fn calls(&self) -> Vec<String> {
        self.host
            .calls
            .borrow()
            .iter()
            .map(|(_, call)| call.clone())
            .collect()
    }

    /// Answers the last call; whether it was still open.
    pub fn answer(&mut self, status: u16, body: &str) -> bool {
        let number = u32::try_from(self.host.calls.borrow().len()).unwrap();
        if number <= self.answered {
            return false;
        }
        self.answered = number;
        let headers = encode_refs(&[(":status", status.to_string().as_bytes())]);
        *self.host.answer.borrow_mut() = (headers, body.as_bytes().to_vec());
        self.host.context.set(1);
        self.vm.answer(1, number, 1, body.len());
        true
    }

    /// The identity that was left for later filters.
    pub fn identity(&self) -> Option<Value> {
        let properties = self.host.properties.borrow();
        serde_json::from_slice(properties.get("modelgate.identity")?).ok()
    }

    /// How many signatures were looked at.
    pub fn verifications(&self) -> usize {
        self.host.verifications.get()
    }

    pub fn logs(&self) -> String {
        self.host.logs.borrow().join("\n")
    }
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

/// Claims that are good at the start.
pub fn claims() -> Value {
    json!({"iss": "https://idp.test", "aud": "models", "sub": "ann", "iat": START_S, "exp": START_S + 600})
}
