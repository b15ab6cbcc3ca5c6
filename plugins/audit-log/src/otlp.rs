//! Audit events as OpenTelemetry log records, sent as `ExportLogsServiceRequest` over HTTP (OTLP
//! 1.x, `opentelemetry/proto/logs/v1/logs.proto`), in JSON or as Protobuf.
//!
//! A record is encoded once, when the event ends; a batch is an envelope around encoded records, so
//! a retry costs no encoding and the queue knows the size of what it holds. What a collector
//! answers is read in [`crate::answer`].

mod json;
mod protobuf;

use std::cell::Cell;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Event, Field, Outcome, Value};

pub use protobuf::rejected as rejected_in_protobuf;

/// The path that collectors listen on unless configured otherwise.
pub const DEFAULT_PATH: &str = "/v1/logs";

/// No record of an event is longer, in bytes, however it is encoded.
pub const LONGEST_RECORD: usize = 20_480;

/// The event name of each record.
const EVENT_NAME: &str = "modelgate.request";

/// Who writes the records.
const SCOPE: &str = "modelgate.audit_log";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How events are written for the sink.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// OpenTelemetry log records: OTLP over HTTP, in JSON.
    #[default]
    OtlpJson,
    /// The same as Protobuf, which takes fewer bytes and less time.
    OtlpProtobuf,
}

/// Encodes events and batches for one source.
pub struct Otlp {
    format: Format,
    /// What of a batch stands before the count of dropped events.
    head: Vec<u8>,
    /// Where records are written before each gets memory of its own size.
    scratch: Cell<Vec<u8>>,
}

impl Otlp {
    /// For the source that `resource` describes: attribute names and values, such as
    /// `service.name`.
    pub fn new<'a>(format: Format, resource: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self {
            format,
            head: match format {
                Format::OtlpJson => json::head(resource),
                Format::OtlpProtobuf => protobuf::head(resource),
            },
            scratch: Cell::default(),
        }
    }

    /// The media type of a batch.
    pub const fn content_type(&self) -> &'static str {
        match self.format {
            Format::OtlpJson => "application/json",
            Format::OtlpProtobuf => "application/x-protobuf",
        }
    }

    /// One `LogRecord`.
    pub fn record(&self, event: &Event) -> Vec<u8> {
        let mut scratch = self.scratch.take();
        scratch.clear();
        match self.format {
            Format::OtlpJson => json::record(&mut scratch, event),
            Format::OtlpProtobuf => protobuf::record(&mut scratch, event),
        }
        let record = scratch.clone();
        self.scratch.set(scratch);
        record
    }

    /// One request body around `records`. `dropped_total` is how many events this worker has lost
    /// so far: it travels with every batch, so that the receiver learns of a loss from the stream
    /// itself.
    pub fn batch<'a>(
        &self,
        records: impl IntoIterator<Item = &'a [u8]> + Clone,
        dropped_total: u64,
    ) -> Vec<u8> {
        let dropped = ("modelgate.dropped_total", dropped_total);
        match self.format {
            Format::OtlpJson => json::batch(&self.head, records, dropped),
            Format::OtlpProtobuf => protobuf::batch(&self.head, records, dropped),
        }
    }
}

/// What an attribute is called.
enum Name<'a> {
    /// As a field of the catalogue.
    Field(Field),
    /// Otherwise.
    Other(&'a str),
}

/// Shows each attribute of the event's record to `visit`.
fn attributes(event: &Event, mut visit: impl FnMut(Name<'_>, Value<'_>)) {
    event.fields(|field, value| match value {
        // Flat names: log stores index these, and not the members of a map.
        Value::Counts(counts) => {
            for (kind, count) in counts {
                let name = format!("{}.{kind}", field.attribute);
                visit(Name::Other(&name), Value::Number(count));
            }
        }
        value => visit(Name::Field(field), value),
    });
    if let Some(error) = error_type(event) {
        visit(Name::Other("error.type"), Value::Text(&error));
    }
}

/// `SeverityNumber` and its name.
fn severity(outcome: Outcome) -> (u64, &'static str) {
    match outcome {
        Outcome::Allowed | Outcome::ClientGone => (9, "INFO"),
        Outcome::Denied => (13, "WARN"),
        Outcome::UpstreamFailed | Outcome::LocalError => (17, "ERROR"),
    }
}

/// The record's body: the event in a few words, of fields that it has anyway.
fn summary(event: &Event) -> String {
    let mut words = vec![event.outcome.as_str()];
    words.extend(event.what.method.as_ref().map(|method| method.as_str()));
    words.extend(event.what.path.as_ref().map(|path| path.as_str()));
    words.extend(event.decided.reason.as_ref().map(|reason| reason.as_str()));
    words.join(" ")
}

/// `error.type` of the conventions for HTTP: the reason code, else the status, only where something
/// went wrong.
fn error_type(event: &Event) -> Option<String> {
    if event.outcome == Outcome::Allowed {
        return None;
    }
    let reason = event
        .decided
        .reason
        .as_ref()
        .map(|reason| reason.as_str().to_owned());
    let status = event
        .answered
        .status
        .filter(|status| *status >= 400)
        .map(|status| status.to_string());
    Some(
        reason
            .or(status)
            .unwrap_or_else(|| event.outcome.as_str().to_owned()),
    )
}
