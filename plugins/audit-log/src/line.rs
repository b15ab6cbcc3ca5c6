//! The event as one short line of JSON, for Envoy's own access log: the filter leaves it in filter
//! state, and `%FILTER_STATE(...:PLAIN)%` puts it where the operator's access log goes.
//!
//! At most [`LARGEST`] bytes, because hosts cut longer log lines (nginx at 2,048 bytes with its
//! prefix). Fields stand in the catalogue's order, the most telling first; a field that no longer
//! fits is left out whole, and `"cut":true` then says so. A line is therefore always valid JSON.

use crate::event::{Event, Value};
use crate::json;

/// The longest line, in bytes.
pub const LARGEST: usize = 1_500;

/// What follows when a field had to be left out.
const CUT: &[u8] = b",\"cut\":true";

/// Writes `event` as one line, without a line break.
pub fn write(event: &Event) -> Vec<u8> {
    let mut line = Vec::with_capacity(1_024);
    line.extend_from_slice(b"{\"time_unix_ms\":");
    json::number(&mut line, event.time_unix_ns / 1_000_000);
    let mut cut = false;
    let mut add = |member: &'static str, write: &mut dyn FnMut(&mut Vec<u8>)| {
        let before = line.len();
        line.extend_from_slice(member.as_bytes());
        write(&mut line);
        // Room for the mark of a cut and the closing brace.
        if line.len() + CUT.len() >= LARGEST {
            line.truncate(before);
            cut = true;
        }
    };
    if let Some(trace) = &event.trace {
        add(",\"trace_id\":", &mut |out| {
            json::string(out, &trace.trace_id_hex())
        });
        add(",\"span_id\":", &mut |out| {
            json::string(out, &trace.span_id_hex())
        });
    }
    event.fields(|field, value| add(field.member, &mut |out| write_value(out, &value)));
    if cut {
        line.extend_from_slice(CUT);
    }
    line.push(b'}');
    line
}

fn write_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Text(text) => json::string(out, text),
        Value::Number(number) => json::number(out, *number),
        Value::List(items) => {
            out.push(b'[');
            json::separated(out, items, |out, item| json::string(out, item));
            out.push(b']');
        }
        Value::Counts(counts) => {
            out.push(b'{');
            json::separated(out, counts, |out, (kind, count)| {
                json::string(out, kind);
                out.push(b':');
                json::number(out, *count);
            });
            out.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::samples;

    fn parsed(event: &Event) -> serde_json::Value {
        let line = write(event);
        assert!(line.len() <= LARGEST, "{} bytes", line.len());
        assert!(!line.contains(&b'\n'));
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn a_full_event_fits_on_one_line() {
        assert_eq!(
            parsed(&samples::full()),
            serde_json::json!({
                "time_unix_ms": 1_763_712_000_123_u64, "trace_id": "0af7651916cd43dd8448eb211c80319c",
                "span_id": "b7ad6b7169203331", "worker": "w-1", "sequence": 42, "outcome": "denied", "status": 403,
                "filter": "consumer_acl", "reason": "group_refused", "rule": "only-ml", "would_deny": ["rate_limit:burst"],
                "request_id": "9f2c", "consumer": "team-a", "method": "POST", "path": "/v2/models/iris/infer",
                "model": "iris", "model_version": "3", "target": "canary", "backend": "models-b",
                "served_model": "iris-forest", "served_version": "4", "operation": "infer", "dialect": "open_inference",
                "subject_hash": "00112233445566778899aabbccddeeff", "issuer": "https://idp.example", "audience": ["models"], "kid": "k1",
                "auth_method": "jwt", "credential": "key-7", "host": "gateway.example", "route": "models",
                "groups": ["ml", "ops"], "masked": {"email": 2, "iban": 1}, "total_ms": 12, "upstream_ms": 7,
                "request_bytes": 512, "response_bytes": 128, "flags": ["UF"],
                "details": "modelgate_consumer_acl_group_refused",
            })
        );
    }

    #[test]
    fn what_does_not_fit_is_left_out_whole_and_the_line_says_so() {
        let line = parsed(&samples::largest());
        assert_eq!(line.get("cut"), Some(&serde_json::Value::Bool(true)));
        assert_eq!(line.get("outcome"), Some(&"upstream_failed".into()));
        assert_eq!(line.get("sequence"), Some(&u64::MAX.into()));
        assert_eq!(line.get("groups"), None);
    }

    #[test]
    fn an_event_of_which_little_is_known_is_a_line_too() {
        let line = parsed(&samples::bare());
        assert_eq!(line.get("outcome"), Some(&"client_gone".into()));
        assert_eq!(line.get("cut"), None);
    }
}
