//! `modelgate pii`: what pii-mask finds in a text, and why.
//!
//! The text goes through the filter's own code as the body of a request, or of an answer where it
//! is a stream; what the filter tells of its findings is put together here. Nothing is decided
//! here, and nobody is called.

mod configuration;
mod document;
mod text;

use std::path::PathBuf;

use anyhow::{Result, bail};
use modelgate_kit::explain::Recorder;
use modelgate_kit::facts::Denied;
use modelgate_kit::host::Side;
use modelgate_kit::testing::{FakeProxy, TestGateway};
use serde_json::json;

use crate::SUITE;

pub use document::{Finding, Outcome, Report};
pub use text::{summary, text};

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The text.
    pub body: Vec<u8>,
    /// What it is; guessed where nothing is given.
    pub content_type: Option<String>,
    /// The filter's configuration, or a gateway file or Envoy configuration that has it.
    pub config: Option<PathBuf>,
    /// Which of its profiles applies.
    pub profile: Option<String>,
    /// What was found is not shown.
    pub redacted: bool,
}

/// The filter, and its crate.
const FILTER: &str = "pii_mask";
const CRATE: &str = "pii-mask";
/// The name of the header that a refusal says its reason in.
const REASON: &str = "x-modelgate-reason";

/// Looks for personal data; `variable` knows the environment.
///
/// # Errors
/// If the configuration cannot be read or is refused.
pub fn look(question: &Question, variable: &dyn Fn(&str) -> Option<String>) -> Result<Report> {
    let config = configuration::read(question.config.as_deref())?;
    let config = configuration::of_profile(config, question.profile.as_deref())?;
    let proxy = FakeProxy::new(0);
    for (name, value) in configuration::environment(&config, variable) {
        proxy.set_environment(&name, &value);
    }
    let chain = json!({
        "facts_to_filter_state": true,
        "filters": [{ "filter": FILTER, "config": config }],
    });
    let filters = SUITE.filters_in(CRATE);
    let mut gate = match TestGateway::chain(proxy, &filters, &chain.to_string()) {
        Ok(gate) => gate,
        Err(lines) => bail!(
            "the filter refuses its configuration:\n{}",
            lines.join("\n")
        ),
    };
    let kind = question
        .content_type
        .clone()
        .unwrap_or_else(|| guess(&question.body).to_owned());
    let is_stream = kind.trim_start().starts_with("text/event-stream");
    let recorder = Recorder::start();
    let (context, side) = match is_stream {
        true => (answer(&mut gate, &kind, &question.body), Side::Response),
        false => (request(&mut gate, &kind, &question.body), Side::Request),
    };
    let told = recorder.take();
    let record = gate.record(context);
    let reply = record.reply.as_ref();
    let late = gate.fact::<Denied>(context).map(|denied| denied.reason);
    let reason = reply.and_then(|reply| reply.header(REASON).map(str::to_owned));
    let refused = reason.or(late);
    let passed = match side {
        Side::Request => record.passed.request,
        Side::Response => record.passed.response,
    };
    let outcome = Outcome::of(refused, passed != question.body);
    Ok(Report::of(question, &kind, is_stream, &told, outcome))
}

fn request(gate: &mut TestGateway, kind: &str, body: &[u8]) -> u32 {
    let headers = [
        (":method", "POST"),
        (":path", "/"),
        (":authority", "localhost"),
        ("content-type", kind),
    ];
    let (context, _) = gate.begin(&headers, body.is_empty());
    if !body.is_empty() && gate.record(context).reply.is_none() {
        gate.body(context, Side::Request, body, true);
    }
    context
}

fn answer(gate: &mut TestGateway, kind: &str, body: &[u8]) -> u32 {
    let headers = [
        (":method", "GET"),
        (":path", "/"),
        (":authority", "localhost"),
    ];
    let (context, _) = gate.begin(&headers, true);
    gate.respond(
        context,
        &[(":status", "200"), ("content-type", kind)],
        false,
    );
    gate.body(context, Side::Response, body, true);
    context
}

/// What a text most likely is.
fn guess(body: &[u8]) -> &'static str {
    let text = body.trim_ascii_start();
    let is_json = |bytes: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
    let begins_as_json = text.starts_with(b"{") || text.starts_with(b"[");
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut lines = lines.by_ref().filter(|line| !line.trim_ascii().is_empty());
    if text.starts_with(b"data:") || text.starts_with(b"event:") {
        "text/event-stream"
    } else if begins_as_json && is_json(text) {
        "application/json"
    } else if begins_as_json && lines.all(is_json) {
        "application/x-ndjson"
    } else {
        "text/plain"
    }
}

#[cfg(test)]
mod tests;
