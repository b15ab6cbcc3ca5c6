//! A batch in JSON: Protobuf's JSON mapping with OTLP's exceptions (OTLP 1.x, "JSON Protobuf
//! Encoding"): trace and span ids are hexadecimal, not base64; 64-bit integers are decimal strings.

use super::{EVENT_NAME, Name, SCOPE, VERSION, attributes, severity, summary};
use crate::event::{Event, Value};
use crate::json;

/// What stands before the count of dropped events.
pub fn head<'a>(resource: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut head = b"{\"resourceLogs\":[{\"resource\":{\"attributes\":[".to_vec();
    json::separated(&mut head, resource, |out, (name, value)| {
        attribute(out, name, &Value::Text(value))
    });
    head.extend_from_slice(b"]},\"scopeLogs\":[{\"scope\":{\"name\":");
    json::name(&mut head, SCOPE);
    head.extend_from_slice(b",\"version\":");
    json::name(&mut head, VERSION);
    head.extend_from_slice(b",\"attributes\":[");
    head
}

/// One `LogRecord`.
pub fn record(out: &mut Vec<u8>, event: &Event) {
    let (number, severity) = severity(event.outcome);
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
    attributes(event, |name, value| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        match name {
            Name::Field(field) => {
                out.extend_from_slice(field.key_value.as_bytes());
                any_value(out, &value);
                out.push(b'}');
            }
            Name::Other(name) => attribute(out, name, &value),
        }
    });
    out.extend_from_slice(b"]}");
}

/// A request body: `head`, the count of dropped events, `records`.
pub fn batch<'a>(
    head: &[u8],
    records: impl IntoIterator<Item = &'a [u8]>,
    (dropped, count): (&str, u64),
) -> Vec<u8> {
    let mut out = head.to_vec();
    attribute(&mut out, dropped, &Value::Number(count));
    out.extend_from_slice(b"]},\"logRecords\":[");
    json::separated(&mut out, records, |out, record| {
        out.extend_from_slice(record)
    });
    out.extend_from_slice(b"]}]}]}");
    out
}

/// One `KeyValue`.
fn attribute(out: &mut Vec<u8>, name: &str, value: &Value<'_>) {
    out.extend_from_slice(b"{\"key\":");
    json::string(out, name);
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

#[cfg(test)]
mod tests {
    use super::super::{Format, Otlp};
    use crate::event::{Event, Outcome, samples};
    use serde_json::{Value as Json, json};

    fn attribute_of<'a>(record: &'a Json, name: &str) -> Option<&'a Json> {
        let attributes = record.get("attributes")?.as_array()?;
        attributes
            .iter()
            .find(|attribute| attribute["key"] == name)
            .map(|attribute| &attribute["value"])
    }

    fn record(event: &Event) -> Json {
        serde_json::from_slice(&Otlp::new(Format::OtlpJson, []).record(event)).unwrap()
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
        let encoded = Otlp::new(Format::OtlpJson, []).record(&samples::largest());
        assert!(
            encoded.len() <= super::super::LONGEST_RECORD,
            "{} bytes",
            encoded.len()
        );
        let record: Json = serde_json::from_slice(&encoded).unwrap();
        assert_eq!(
            attribute_of(&record, "modelgate.sequence"),
            Some(&json!({"intValue": i64::MAX.to_string()}))
        );
    }

    #[test]
    fn a_batch_wraps_records_and_names_the_source_and_the_loss() {
        let otlp = Otlp::new(Format::OtlpJson, [("service.name", "gate\"way")]);
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
