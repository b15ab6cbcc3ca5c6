//! The guided tour: real requests through the whole chain, each with what every part did, and
//! whether it should have.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};
use tokio::time::{Instant, sleep};

use super::client::{Call, send};
use super::gateway::Gateway;
use super::random;
use super::report::{Line, Report, brief};
use super::sagemaker::{LEAKED_CARD, LEAKED_EMAIL};
use super::seen::{Backend, Expected, Seen};
use super::world::{ANN, BOB, KEYS_EVERY_S, KEYS_INTERVAL_S, NIGHTLY, TOM, World};

/// How long an audit event may take.
const EVENT: Duration = Duration::from_secs(10);
/// How long something in the background may take: a retry, a fetch.
const BACKGROUND: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);
/// Seconds that the tokens of the tour are good.
const LIFETIME_S: u64 = 3600;
/// Requests that the tier `trial` may make in a minute.
const TRIAL: usize = 3;

const SCORE: &str = "/endpoints/churn/invocations";
const ASK: &str = "/endpoints/assistant/invocations";
const CHAT: &str = "/endpoints/assistant/openai/v1/chat/completions";
const CUSTOMER_EMAIL: &str = "mary@acme-industries.com";
const CUSTOMER_SSN: &str = "536-90-4399";

/// A tour under way.
pub struct Tour<'a> {
    world: &'a World,
    gateway: &'a mut Gateway,
    report: &'a Report,
    /// What `$NAME` stands for in headers.
    variables: BTreeMap<&'static str, String>,
    taken: usize,
    failed: usize,
}

/// A call that has scores made.
pub fn score() -> Call {
    Call::post(SCORE, "37,2,0.5,119").with("content-type", "text/csv")
}

/// A call that asks the assistant.
pub fn ask(question: &str) -> Call {
    Call::post(ASK, &json!({"inputs": question}).to_string())
        .with("content-type", "application/json")
}

/// A call that has the assistant answer in a stream.
pub fn chat(question: &str) -> Call {
    // In two lines, so that it fits a terminal.
    let messages = json!([{"role": "user", "content": question}]);
    let body = format!("{{\"model\":\"assistant\",\"stream\":true,\n\"messages\":{messages}}}");
    Call::post(CHAT, &body).with("content-type", "application/json")
}

impl<'a> Tour<'a> {
    /// A tour through `gateway`.
    ///
    /// # Errors
    /// If no tokens can be had.
    pub fn new(world: &'a World, gateway: &'a mut Gateway, report: &'a Report) -> Result<Self> {
        let mut tour = Self {
            world,
            gateway,
            report,
            variables: BTreeMap::new(),
            taken: 0,
            failed: 0,
        };
        for (variable, person) in [("$ANN", ANN), ("$BOB", BOB), ("$TOM", TOM)] {
            let token = world.issuer.mint(person, LIFETIME_S)?;
            tour.variables.insert(variable, token);
        }
        tour.variables.insert("$API_KEY", world.api_key.clone());
        Ok(tour)
    }

    /// Takes all steps; gives how many were taken, and how many went otherwise than they should.
    ///
    /// # Errors
    /// If a step could not be carried out.
    pub async fn take(&mut self) -> Result<(usize, usize)> {
        self.nobody().await?;
        self.tampered().await?;
        self.wrong_group().await?;
        self.forged_headers().await?;
        self.allowed().await?;
        self.api_key().await?;
        self.personal_data().await?;
        self.stream().await?;
        self.over_limit().await?;
        self.rotation().await?;
        self.issuer_down().await?;
        self.sink_down().await?;
        self.wrong_secret().await?;
        self.all_is_well().await?;
        Ok((self.taken, self.failed))
    }

    /// What `$NAME` stands for in the lines shown, as exports for a POSIX shell.
    pub fn variables_for_a_shell(&self) -> String {
        let export = |(name, value): (&&str, &String)| {
            format!("export {}={value}\n", name.trim_start_matches('$'))
        };
        self.variables.iter().map(export).collect()
    }

    async fn nobody(&mut self) -> Result<()> {
        let expected = Expected {
            status: 401,
            refused: Some(("key_auth", "key_missing")),
            ..Expected::default()
        };
        let about = "Neither a token nor an API key: nobody gets in unnamed. The refusal comes in the error format of SageMaker.";
        self.step("No credentials", about, score(), expected).await
    }

    async fn tampered(&mut self) -> Result<()> {
        let bob = self.variables.get("$BOB").context("no token")?;
        let tampered = promoted(bob).context("a token that is none")?;
        self.variables.insert("$TAMPERED", tampered);
        let expected = Expected {
            status: 401,
            refused: Some(("jwt_auth", "signature_refused")),
            ..Expected::default()
        };
        let about = "Bob has written himself into the group data-science. The signature does not cover that.";
        self.step(
            "A tampered token",
            about,
            bearer(score(), "$TAMPERED"),
            expected,
        )
        .await
    }

    async fn wrong_group(&mut self) -> Result<()> {
        let about = "Bob's own token is good, but his group marketing may use no model.";
        let call = bearer(score(), "$BOB");
        self.step("The wrong group", about, call, bob_denied())
            .await
    }

    async fn forged_headers(&mut self) -> Result<()> {
        let about = "Bob claims in headers to be somebody else, and asks for another profile. Only verified facts count.";
        let call = bearer(score(), "$BOB")
            .with("x-consumer", ANN)
            .with("x-groups", "data-science")
            .with(
                "x-modelgate-identity",
                r#"{"consumer":"ann","groups":["data-science"]}"#,
            )
            .with("x-modelgate-profile", "off");
        self.step("Forged identity headers", about, call, bob_denied())
            .await
    }

    async fn allowed(&mut self) -> Result<()> {
        let about =
            "Ann may. Her token is removed, and the request is signed with the gateway's AWS key.";
        self.step("Allowed", about, bearer(score(), "$ANN"), ann())
            .await
    }

    async fn api_key(&mut self) -> Result<()> {
        let expected = Expected {
            status: 200,
            identity: Some((NIGHTLY, "key")),
            rule: Some("batch-scores"),
            backend: Backend::Accepts,
            ..Expected::default()
        };
        let about =
            "A job without a token has an API key, of which the gateway knows only the digest.";
        let call = score().with("x-api-key", "$API_KEY");
        self.step("An API key", about, call, expected).await
    }

    async fn personal_data(&mut self) -> Result<()> {
        let expected = Expected {
            masked: &[
                ("request", "email", 1),
                ("request", "ssn", 1),
                ("response", "card", 1),
                ("response", "email", 1),
            ],
            ..ann()
        };
        let about = "The question holds personal data, and so does the model's answer: neither passes. The customer's address comes back to Ann.";
        let question = format!("Mail {CUSTOMER_EMAIL} about SSN {CUSTOMER_SSN}.");
        let call = bearer(ask(&question), "$ANN");
        self.head("Personal data, in and out", about, &call);
        let seen = self.send(&call).await?;
        let mut lines = seen.lines(&expected);
        let arrived = seen
            .received
            .as_ref()
            .map(|received| String::from_utf8_lossy(&received.body).into_owned());
        let arrived = arrived.unwrap_or_default();
        let clean = arrived.contains("<EMAIL_1>")
            && !arrived.contains(CUSTOMER_EMAIL)
            && !arrived.contains(CUSTOMER_SSN);
        lines.push(Line::new(
            "backend",
            format!("received {}", brief(&arrived, 110)),
            clean,
            "no e-mail address and no SSN",
        ));
        lines.push(put_back(&seen));
        lines.push(unleaked(&seen));
        self.tell(&lines);
        Ok(())
    }

    async fn stream(&mut self) -> Result<()> {
        let expected = Expected {
            masked: &[
                ("request", "email", 1),
                ("response", "card", 1),
                ("response", "email", 1),
            ],
            ..ann()
        };
        let about = "The answer streams, cut in the middle of an address and of the placeholder that stands for another. What is masked is masked all the same, what was replaced is put back, and the rest flows.";
        let question = format!("Who is {CUSTOMER_EMAIL}?");
        let call = bearer(chat(&question), "$ANN");
        self.head("A streaming answer", about, &call);
        let seen = self.send(&call).await?;
        let mut lines = seen.lines(&expected);
        let streamed = seen
            .answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/event-stream"))
            && seen.answer.pieces > 1
            && seen.answer.text().trim_end().ends_with("data: [DONE]");
        lines.push(Line::new(
            "client",
            format!("got {} pieces of the stream", seen.answer.pieces),
            streamed,
            "a whole stream in several pieces",
        ));
        lines.push(put_back(&seen));
        lines.push(unleaked(&seen));
        self.tell(&lines);
        Ok(())
    }

    async fn over_limit(&mut self) -> Result<()> {
        let about = format!("Tom's tier allows {TRIAL} requests a minute. This is the one after.");
        let call = bearer(score(), "$TOM");
        self.head("Over the limit", &about, &call);
        for _ in 0..TRIAL {
            let seen = self.send(&call).await?;
            let status = seen.answer.status;
            self.note(&Line::new(
                "client",
                format!("{status} within the limit"),
                status == 200,
                "200",
            ));
        }
        let expected = Expected {
            status: 429,
            refused: Some(("rate_limit", "limit_exceeded")),
            identity: Some((TOM, "jwt")),
            rule: Some("data-science"),
            ..Expected::default()
        };
        let seen = self.send(&call).await?;
        let mut lines = seen.lines(&expected);
        let after = seen
            .answer
            .header("retry-after")
            .and_then(|value| value.parse::<u64>().ok());
        let told = after.map_or("not told when to come back".into(), |seconds| {
            format!("told to come back in {seconds} s")
        });
        lines.push(Line::new(
            "client",
            told,
            after.is_some_and(|seconds| (1..=60).contains(&seconds)),
            "Retry-After within a minute",
        ));
        self.tell(&lines);
        Ok(())
    }

    /// Waits until the gateway has fetched the keys so long ago that it may do so again, and so
    /// recently that it is not about to.
    async fn between_fetches(&self) {
        let wanted =
            Duration::from_secs(KEYS_INTERVAL_S) + POLL * 2..Duration::from_secs(KEYS_EVERY_S) / 2;
        let end = Instant::now() + BACKGROUND;
        while Instant::now() < end {
            let since = self.world.issuer.since_fetch();
            if since.is_some_and(|since| wanted.contains(&since)) {
                return;
            }
            sleep(POLL).await;
        }
    }

    async fn rotation(&mut self) -> Result<()> {
        self.between_fetches().await;
        let fetched = self.world.issuer.fetched();
        let key = self.world.issuer.rotate();
        let token = self.world.issuer.mint(ANN, LIFETIME_S)?;
        self.variables.insert("$ANN", token);
        let about = format!(
            "The issuer signs with a new key, {key}, that the gateway has never seen. It asks for it once, and works at once."
        );
        let call = bearer(score(), "$ANN");
        self.head("Keys are rotated", &about, &call);
        let seen = self.send(&call).await?;
        let mut lines = seen.lines(&ann());
        let fetches = self.world.issuer.fetched().saturating_sub(fetched);
        lines.push(Line::new(
            "issuer",
            format!("was asked {fetches} time(s) for its keys"),
            fetches >= 1,
            "at least once",
        ));
        self.tell(&lines);
        Ok(())
    }

    async fn issuer_down(&mut self) -> Result<()> {
        let before = self.counted("jwt_auth", "key_fetch_failures").await?;
        self.world.issuer.server().down();
        let token = self.world.issuer.mint(ANN, LIFETIME_S)?;
        self.variables.insert("$ANN", token);
        let about = format!(
            "The issuer is gone, and its keys are older than the {KEYS_EVERY_S} s after which they are fetched anew: they serve on."
        );
        let call = bearer(score(), "$ANN");
        self.head("The issuer is down", &about, &call);
        sleep(Duration::from_secs(KEYS_EVERY_S)).await;
        let failed = self
            .await_count("jwt_auth", "key_fetch_failures", before)
            .await?;
        let seen = self.send(&call).await?;
        let mut lines = seen.lines(&ann());
        let said = format!(
            "failed {failed} time(s) to fetch the keys, and verified a new token with those that it has"
        );
        lines.push(Line::new("jwt_auth", said, failed > 0, "a failed fetch"));
        self.tell(&lines);
        self.world.issuer.server().up()
    }

    async fn sink_down(&mut self) -> Result<()> {
        let before = self.counted("audit_log", "retried").await?;
        let sink = &self.world.sink;
        sink.server().down();
        let expected = Expected {
            audit_later: true,
            ..ann()
        };
        let about = "The log store is gone. Requests go on; events wait, and are sent again.";
        let call = bearer(score(), "$ANN");
        self.head("The log store is down", about, &call);
        let (trace_id, mut seen) = self.send_without_audit(&call).await?;
        let mut lines = seen.lines(&expected);
        let retried = self.await_count("audit_log", "retried", before).await?;
        lines.push(Line::new(
            "audit_log",
            format!("failed {retried} time(s) to send, and keeps the event"),
            retried > 0,
            "a retry",
        ));
        sink.server().up()?;
        seen.audit = sink.await_trace(&trace_id, BACKGROUND).await;
        lines.push(seen.audit(&expected));
        let lost = self.counted("audit_log", "dropped").await?;
        lines.push(Line::new(
            "audit_log",
            format!("lost {lost} events since the start"),
            lost == 0,
            "none",
        ));
        self.tell(&lines);
        Ok(())
    }

    async fn wrong_secret(&mut self) -> Result<()> {
        self.world.exchange_secret(false)?;
        let expected = Expected {
            status: 403,
            backend: Backend::Refuses("InvalidSignatureException"),
            ..ann()
        };
        let about = "The backend now knows the gateway's key by another secret. It refuses: so the signatures above were really verified.";
        let call = bearer(score(), "$ANN");
        self.step("The wrong AWS secret", about, call, expected)
            .await?;
        self.world.exchange_secret(true)
    }

    async fn all_is_well(&mut self) -> Result<()> {
        let about = "Everything is back, and so is the answer.";
        self.step("All is well", about, bearer(score(), "$ANN"), ann())
            .await
    }

    /// One request, and all that was expected of it.
    async fn step(
        &mut self,
        title: &str,
        about: &str,
        call: Call,
        expected: Expected,
    ) -> Result<()> {
        self.head(title, about, &call);
        let seen = self.send(&call).await?;
        self.tell(&seen.lines(&expected));
        Ok(())
    }

    fn head(&mut self, title: &str, about: &str, call: &Call) {
        self.taken = self.taken.saturating_add(1);
        let request = call.curl(&format!("http://127.0.0.1:{}", self.gateway.port()));
        let head = self.report.head(self.taken, title, about, &[request]);
        self.report.print(&head);
    }

    /// The lines that a step ends with.
    fn tell(&mut self, lines: &[Line]) {
        self.report.print(&self.report.lines(lines));
        if lines.iter().any(|line| line.instead_of.is_some()) {
            self.failed = self.failed.saturating_add(1);
        }
    }

    /// A line amid a step; the step fails with it.
    fn note(&mut self, line: &Line) {
        self.tell(std::slice::from_ref(line));
    }

    async fn send(&mut self, call: &Call) -> Result<Seen> {
        let (trace_id, mut seen) = self.send_without_audit(call).await?;
        seen.audit = self.world.sink.await_trace(&trace_id, EVENT).await;
        Ok(seen)
    }

    async fn send_without_audit(&mut self, call: &Call) -> Result<(String, Seen)> {
        let mut call = call.clone();
        for (_, value) in &mut call.headers {
            for (variable, meaning) in &self.variables {
                *value = value.replace(variable, meaning);
            }
        }
        let trace_id = random::hex(16)?;
        let call = call.with(
            "traceparent",
            &format!("00-{trace_id}-{}-01", random::hex(8)?),
        );
        let answer = send(self.gateway.port(), &call).await?;
        let seen = Seen {
            answer,
            access: self.gateway.access_line(&trace_id).await?,
            received: self.world.backend.of_trace(&trace_id),
            audit: None,
        };
        Ok((trace_id, seen))
    }

    /// The sum of a filter's metrics with this last name, whatever tags they have.
    async fn counted(&mut self, filter: &str, name: &str) -> Result<u64> {
        let (head, tail) = (format!("modelgate.{filter}."), format!(".{name}"));
        let metrics = self.gateway.metrics().await?;
        let counts = metrics
            .iter()
            .filter(|(metric, _)| metric.starts_with(&head) && metric.ends_with(&tail));
        Ok(counts.map(|(_, count)| count).sum())
    }

    /// How much more it is than `before`, as soon as it is more; 0 if it does not become so in
    /// time.
    async fn await_count(&mut self, filter: &str, name: &str, before: u64) -> Result<u64> {
        let deadline = Instant::now() + BACKGROUND;
        loop {
            let more = self.counted(filter, name).await?.saturating_sub(before);
            if more > 0 || Instant::now() > deadline {
                return Ok(more);
            }
            sleep(POLL).await;
        }
    }
}

fn bearer(call: Call, variable: &str) -> Call {
    call.with("authorization", &format!("Bearer {variable}"))
}

fn ann() -> Expected {
    Expected {
        status: 200,
        identity: Some((ANN, "jwt")),
        rule: Some("data-science"),
        backend: Backend::Accepts,
        ..Expected::default()
    }
}

fn bob_denied() -> Expected {
    Expected {
        status: 403,
        refused: Some(("consumer_acl", "access_denied")),
        identity: Some((BOB, "jwt")),
        ..Expected::default()
    }
}

/// What the request had is in the answer again, which the model wrote with a placeholder.
fn put_back(seen: &Seen) -> Line {
    let received = seen.received.as_ref();
    let arrived = received.map(|received| String::from_utf8_lossy(&received.body).into_owned());
    let text = seen.answer.text();
    Line::new(
        "client",
        format!("reads {CUSTOMER_EMAIL} where the model saw and wrote <EMAIL_1>"),
        arrived.is_some_and(|arrived| {
            arrived.contains("<EMAIL_1>") && !arrived.contains(CUSTOMER_EMAIL)
        }) && text.contains(CUSTOMER_EMAIL)
            && !text.contains("EMAIL_1"),
        "the customer's address, and no placeholder",
    )
}

/// What the model gives away does not reach the client.
fn unleaked(seen: &Seen) -> Line {
    let text = seen.answer.text();
    let clean =
        text.contains("[EMAIL]") && !text.contains(LEAKED_EMAIL) && !text.contains(LEAKED_CARD);
    let last_digits = LEAKED_CARD
        .get(LEAKED_CARD.len().saturating_sub(4)..)
        .unwrap_or_default();
    Line::new(
        "client",
        "sees neither the address nor the card number that the model gave away",
        clean && text.contains(last_digits),
        "[EMAIL], and of the card its last four digits",
    )
}

/// A token with its owner written into the group that may, and its signature as it was.
fn promoted(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let mut claims: Json = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    *claims.get_mut("groups")? = json!(["data-science"]);
    Some(format!(
        "{header}.{}.{signature}",
        URL_SAFE_NO_PAD.encode(claims.to_string())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promoted_token_differs_in_its_groups_alone() {
        let encode = |json: Json| URL_SAFE_NO_PAD.encode(json.to_string());
        let token = format!(
            "h.{}.s",
            encode(json!({"sub": "bob", "groups": ["x"], "exp": 1}))
        );
        let claims = encode(json!({"sub": "bob", "groups": ["data-science"], "exp": 1}));
        assert_eq!(promoted(&token), Some(format!("h.{claims}.s")));
        assert_eq!(promoted("x"), None);
    }
}
