//! Audit events as OpenTelemetry log records, sent as `ExportLogsServiceRequest` in JSON over HTTP
//! (OTLP 1.x, `opentelemetry/proto/logs/v1/logs.proto` in Protobuf's JSON mapping with OTLP's
//! exception: trace and span ids are hexadecimal, not base64; 64-bit integers are decimal strings).
//!
//! A record is encoded once, when the event ends; a batch is an envelope around encoded records, so
//! a retry costs no encoding and the queue knows the size of what it holds. What a collector
//! answers is read in [`crate::answer`].

use std::cell::Cell;

use crate::event::{Event, Outcome, Value};
use crate::json;

/// The media type of a batch.
pub const CONTENT_TYPE: &str = "application/json";

/// The path that collectors listen on unless configured otherwise.
pub const DEFAULT_PATH: &str = "/v1/logs";

/// No record of an event is longer, in bytes.
pub const LONGEST_RECORD: usize = 20_480;

/// The event name of each record.
const EVENT_NAME: &str = "modelgate.request";

/// Encodes events and batches for one source.
pub struct Otlp {
    /// Everything before the count of dropped events.
    head: Vec<u8>,
    /// Where records are written before each gets memory of its own size.
    scratch: Cell<Vec<u8>>,
}

impl Otlp {
    /// For the source that `resource` describes: attribute names and values, such as
    /// `service.name`.
    pub fn new<'a>(resource: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut head = b"{\"resourceLogs\":[{\"resource\":{\"attributes\":[".to_vec();
        json::separated(&mut head, resource, |out, (name, value)| {
            attribute(out, name, &Value::Text(value))
        });
        head.extend_from_slice(
            b"]},\"scopeLogs\":[{\"scope\":{\"name\":\"modelgate.audit_log\",\"version\":",
        );
        json::string(&mut head, env!("CARGO_PKG_VERSION"));
        head.extend_from_slice(b",\"attributes\":[");
        Self {
            head,
            scratch: Cell::default(),
        }
    }

    /// One `LogRecord`.
    pub fn record(&self, event: &Event) -> Vec<u8> {
        let (number, severity) = severity(event.outcome);
        let mut scratch = self.scratch.take();
        scratch.clear();
        let out = &mut scratch;
        out.extend_from_slice(b"{\"timeUnixNano\":");
        json::quoted_number(out, event.time_unix_ns);
        out.extend_from_slice(b",\"observedTimeUnixNano\":");
        json::quoted_number(out, event.time_unix_ns);
        out.extend_from_slice(b",\"severityNumber\":");
        json::number(out, number);
        out.extend_from_slice(b",\"severityText\":");
        json::name(out, severity);
        out.extend_from_slice(b",\"eventName\":");
        json::name(out, EVENT_NAME);
        out.extend_from_slice(b",\"body\":{\"stringValue\":");
        json::string(out, &summary(event));
        out.push(b'}');
        if let Some(trace) = &event.trace {
            out.extend_from_slice(b",\"traceId\":");
            json::string(out, &trace.trace_id_hex());
            out.extend_from_slice(b",\"spanId\":");
            json::string(out, &trace.span_id_hex());
            out.extend_from_slice(b",\"flags\":");
            json::number(out, u64::from(trace.flags));
        }
        out.extend_from_slice(b",\"attributes\":[");
        let mut first = true;
        let mut comma = |out: &mut Vec<u8>| {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
        };
        event.fields(|field, value| match value {
            // Flat names: log stores index these, and not the members of a map.
            Value::Counts(counts) => {
                for (kind, count) in counts {
                    comma(out);
                    let name = format!("{}.{kind}", field.attribute);
                    attribute(out, &name, &Value::Number(count));
                }
            }
            value => {
                comma(out);
                out.extend_from_slice(field.key_value.as_bytes());
                any_value(out, &value);
                out.push(b'}');
            }
        });
        if let Some(error) = error_type(event) {
            comma(out);
            known_attribute(out, "error.type", &Value::Text(&error));
        }
        out.extend_from_slice(b"]}");
        let record = out.clone();
        self.scratch.set(scratch);
        record
    }

    /// One request body around `records`. `dropped_total` is how many events this worker has lost
    /// so far: it travels with every batch, so that the receiver learns of a loss from the stream
    /// itself.
    pub fn batch<'a>(
        &self,
        records: impl IntoIterator<Item = &'a [u8]>,
        dropped_total: u64,
    ) -> Vec<u8> {
        let mut out = self.head.clone();
        known_attribute(
            &mut out,
            "modelgate.dropped_total",
            &Value::Number(dropped_total),
        );
        out.extend_from_slice(b"]},\"logRecords\":[");
        json::separated(&mut out, records, |out, record| {
            out.extend_from_slice(record)
        });
        out.extend_from_slice(b"]}]}]}");
        out
    }
}

/// One `KeyValue`.
fn attribute(out: &mut Vec<u8>, name: &str, value: &Value<'_>) {
    out.extend_from_slice(b"{\"key\":");
    json::string(out, name);
    value_of(out, value);
}

/// One `KeyValue` under a name of this crate's own.
fn known_attribute(out: &mut Vec<u8>, name: &'static str, value: &Value<'_>) {
    out.extend_from_slice(b"{\"key\":");
    json::name(out, name);
    value_of(out, value);
}

fn value_of(out: &mut Vec<u8>, value: &Value<'_>) {
    out.extend_from_slice(b",\"value\":");
    any_value(out, value);
    out.push(b'}');
}

/// One `AnyValue`.
fn any_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Text(text) => {
            out.extend_from_slice(b"{\"stringValue\":");
            json::string(out, text);
            out.push(b'}');
        }
        Value::Number(number) => {
            // A signed 64-bit integer.
            let number = (*number).min(i64::MAX.unsigned_abs());
            out.extend_from_slice(b"{\"intValue\":");
            json::quoted_number(out, number);
            out.push(b'}');
        }
        Value::List(items) => {
            out.extend_from_slice(b"{\"arrayValue\":{\"values\":[");
            json::separated(out, items, |out, item| any_value(out, &Value::Text(item)));
            out.extend_from_slice(b"]}}");
        }
        Value::Counts(counts) => {
            out.extend_from_slice(b"{\"kvlistValue\":{\"values\":[");
            json::separated(out, counts, |out, (kind, count)| {
                attribute(out, kind, &Value::Number(*count))
            });
            out.extend_from_slice(b"]}}");
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::samples;
    use serde_json::{Value as Json, json};

    fn attribute_of<'a>(record: &'a Json, name: &str) -> Option<&'a Json> {
        let attributes = record.get("attributes")?.as_array()?;
        attributes
            .iter()
            .find(|attribute| attribute["key"] == name)
            .map(|attribute| &attribute["value"])
    }

    fn record(event: &Event) -> Json {
        serde_json::from_slice(&Otlp::new([]).record(event)).unwrap()
    }

    #[test]
    fn a_record_has_time_severity_trace_and_attributes() {
        let record = record(&samples::full());
        assert_eq!(record["timeUnixNano"], "1763712000123456789");
        assert_eq!(record["severityNumber"], 13);
        assert_eq!(record["severityText"], "WARN");
        assert_eq!(record["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(record["spanId"], "b7ad6b7169203331");
        assert_eq!(record["flags"], 1);
        assert_eq!(
            record["body"],
            json!({"stringValue": "denied POST /v2/models/iris/infer group_refused"})
        );
        for (name, value) in [
            ("http.response.status_code", json!({"intValue": "403"})),
            ("url.path", json!({"stringValue": "/v2/models/iris/infer"})),
            ("modelgate.rule", json!({"stringValue": "only-ml"})),
            ("modelgate.masked.email", json!({"intValue": "2"})),
            ("error.type", json!({"stringValue": "group_refused"})),
            (
                "user.hash",
                json!({"stringValue": "00112233445566778899aabbccddeeff"}),
            ),
            (
                "modelgate.groups",
                json!({"arrayValue": {"values": [{"stringValue": "ml"}, {"stringValue": "ops"}]}}),
            ),
        ] {
            assert_eq!(attribute_of(&record, name), Some(&value), "{name}");
        }
    }

    #[test]
    fn an_allowed_request_has_no_error_type() {
        let mut event = samples::full();
        event.outcome = Outcome::Allowed;
        assert_eq!(attribute_of(&record(&event), "error.type"), None);
        event.outcome = Outcome::LocalError;
        event.decided.reason = None;
        assert_eq!(
            attribute_of(&record(&event), "error.type"),
            Some(&json!({"stringValue": "403"}))
        );
    }

    #[test]
    fn a_record_of_the_largest_event_is_bounded_and_valid() {
        let encoded = Otlp::new([]).record(&samples::largest());
        assert!(encoded.len() <= LONGEST_RECORD, "{} bytes", encoded.len());
        let record: Json = serde_json::from_slice(&encoded).unwrap();
        assert_eq!(
            attribute_of(&record, "modelgate.sequence"),
            Some(&json!({"intValue": i64::MAX.to_string()}))
        );
    }

    #[test]
    fn a_batch_wraps_records_and_names_the_source_and_the_loss() {
        let otlp = Otlp::new([("service.name", "gate\"way")]);
        let records = [otlp.record(&samples::full()), otlp.record(&samples::bare())];
        let batch: Json =
            serde_json::from_slice(&otlp.batch(records.iter().map(Vec::as_slice), 7)).unwrap();
        let source = &batch["resourceLogs"][0];
        assert_eq!(
            source["resource"]["attributes"][0]["value"]["stringValue"],
            "gate\"way"
        );
        let scope = &source["scopeLogs"][0];
        assert_eq!(scope["scope"]["attributes"][0]["value"]["intValue"], "7");
        assert_eq!(scope["logRecords"].as_array().map(Vec::len), Some(2));
    }
}
