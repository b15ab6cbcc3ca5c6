//! The filter on the kit's proxy for tests: what came of a request in one value, and what was asked
//! of whom.

use modelgate_kit::host::Side;
use modelgate_kit::testing::{FakeProxy, Sent, TestGateway};
use modelgate_kit::vm::verdict::Action;
use serde_json::Value;

use crate::UpstreamAuth;

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

/// One worker.
pub struct Gate {
    pub gate: TestGateway,
    sent: Vec<(u32, Vec<(String, String)>)>,
}

fn open(config: &Value) -> Result<TestGateway, Vec<String>> {
    let proxy = FakeProxy::new(START_S * 1_000_000_000);
    proxy.set_environment("API_KEY", "from-environment");
    // No jitter.
    proxy.always_draw(0);
    TestGateway::open::<UpstreamAuth>(proxy, &config.to_string())
}

/// Everything that is wrong with a configuration.
pub fn problems(config: &Value) -> Vec<String> {
    open(config).err().unwrap_or_default()
}

impl Gate {
    pub fn new(config: &Value) -> Self {
        Self {
            gate: open(config).unwrap(),
            sent: Vec::new(),
        }
    }

    /// Sends a request's headers; its number, and what came of it at once.
    pub fn send(&mut self, headers: &[(&str, &str)]) -> (u32, Outcome) {
        let mut all = Vec::new();
        for default in [(":method", "POST"), (":path", "/v1")] {
            if !headers.iter().any(|(name, _)| *name == default.0) {
                all.push(default);
            }
        }
        all.extend(headers);
        let (context, action) = self.gate.begin(&all, false);
        let kept = all
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.sent.push((context, kept.collect()));
        (context, self.outcome(context, action == Action::Continue))
    }

    /// What came of a request with these headers.
    pub fn passes(&mut self, headers: &[(&str, &str)]) -> Vec<String> {
        match self.send(headers).1 {
            Outcome::Passed(changes) => changes,
            other => panic!("{other:?}"),
        }
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
        let mut sent = self.sent.iter();
        let (_, sent) = sent.find(|(known, _)| *known == context).unwrap();
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
        changes.sort();
        changes.dedup();
        Outcome::Passed(changes)
    }

    /// What came of a held request by now.
    pub fn later(&mut self, context: u32) -> Outcome {
        let resumed = self.gate.record(context).resumed;
        self.outcome(context, resumed.contains(&Side::Request))
    }

    /// The backend answers.
    pub fn respond(&mut self, context: u32, status: &str) {
        self.gate.respond(context, &[(":status", status)], true);
        self.gate.end(context);
    }

    /// Lets time pass, and ticks.
    pub fn pass_ms(&mut self, ms: u64) {
        self.gate.proxy().pass_ns(ms * 1_000_000);
        self.gate.tick();
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Sent> {
        self.gate.proxy().calls()
    }

    /// The parameters of the last call's body.
    pub fn form(&self) -> Vec<(String, String)> {
        let calls = self.calls();
        let body = &calls.last().unwrap().body;
        let target = [b"/?", body.as_slice()].concat();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        modelgate_kit::query::parameters(&target)
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    /// One parameter of the last call's body.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut form = self.form().into_iter();
        form.find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// Answers the call of this number, from 1.
    pub fn answer(&mut self, number: usize, status: &str, body: &str) {
        let number = u32::try_from(number).unwrap();
        self.gate
            .answer(number, &[(":status", status)], body.as_bytes());
    }

    /// Answers the last call with a token.
    pub fn give(&mut self, token: &str, expires_in: u64) {
        let body = format!(
            r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{expires_in}}}"#
        );
        self.answer(self.calls().len(), "200", &body);
    }

    pub fn logs(&self) -> String {
        self.gate.proxy().logs().join("\n")
    }
}
