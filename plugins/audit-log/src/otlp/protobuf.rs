//! A batch in Protobuf's wire format (Protocol Buffers, "Encoding"): what is written of
//! `opentelemetry/proto/collector/logs/v1/logs_service.proto` and the messages below it.
//!
//! Lengths are counted before a message is written, so nothing is moved and no message is written
//! into memory of its own.

use super::{EVENT_NAME, Name, SCOPE, VERSION, attributes, severity, summary};
use crate::event::{Event, Value};

/// Wire types.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED32: u64 = 5;

/// The `Resource` of a batch, as a field of `ResourceLogs`.
pub fn head<'a>(resource: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut attributes = Vec::new();
    for (name, value) in resource {
        key_value(&mut attributes, 1, name, &Value::Text(value));
    }
    let mut head = Vec::new();
    bytes(&mut head, 1, &attributes);
    head
}

/// One `LogRecord`, without tag and length.
pub fn record(out: &mut Vec<u8>, event: &Event) {
    let (number, severity) = severity(event.outcome);
    fixed64(out, 1, event.time_unix_ns);
    fixed64(out, 11, event.time_unix_ns);
    tag(out, 2, VARINT);
    varint(out, number);
    bytes(out, 3, severity.as_bytes());
    any_value(out, 5, &Value::Text(&summary(event)));
    attributes(event, |name, value| {
        let name = match &name {
            Name::Field(field) => field.attribute,
            Name::Other(name) => name,
        };
        key_value(out, 6, name, &value);
    });
    if let Some(trace) = &event.trace {
        tag(out, 8, FIXED32);
        out.extend_from_slice(&u32::from(trace.flags).to_le_bytes());
        bytes(out, 9, &trace.trace_id.to_be_bytes());
        bytes(out, 10, &trace.span_id.to_be_bytes());
    }
    bytes(out, 12, EVENT_NAME.as_bytes());
}

/// A request body: `head`, the count of dropped events, `records`.
pub fn batch<'a>(
    head: &[u8],
    records: impl IntoIterator<Item = &'a [u8]> + Clone,
    (dropped, count): (&str, u64),
) -> Vec<u8> {
    let mut scope = Vec::new();
    bytes(&mut scope, 1, SCOPE.as_bytes());
    bytes(&mut scope, 2, VERSION.as_bytes());
    key_value(&mut scope, 3, dropped, &Value::Number(count));
    let of_records = records
        .clone()
        .into_iter()
        .map(|record| field(2, record.len()));
    let scope_logs = of_records.fold(field(1, scope.len()), usize::saturating_add);
    let resource_logs = head.len().saturating_add(field(2, scope_logs));
    let mut out = Vec::with_capacity(field(1, resource_logs));
    delimited(&mut out, 1, resource_logs);
    out.extend_from_slice(head);
    delimited(&mut out, 2, scope_logs);
    bytes(&mut out, 1, &scope);
    for record in records {
        bytes(&mut out, 2, record);
    }
    out
}

/// `partial_success.rejected_log_records` of an `ExportLogsServiceResponse`; 0 for everything else.
pub fn rejected(answer: &[u8]) -> u64 {
    let partial = Fields(answer).find_map(|(number, read)| match read {
        Read::Bytes(partial) if number == 1 => Some(partial),
        _ => None,
    });
    let count = partial.and_then(|partial| {
        Fields(partial).find_map(|(number, read)| match read {
            Read::Number(count) if number == 1 => Some(count),
            _ => None,
        })
    });
    // A signed integer: what is below zero is nothing.
    count
        .filter(|count| *count <= i64::MAX.unsigned_abs())
        .unwrap_or(0)
}

/// One `KeyValue`, as a field.
fn key_value(out: &mut Vec<u8>, number: u64, name: &str, value: &Value<'_>) {
    delimited(out, number, key_value_length(name, value));
    bytes(out, 1, name.as_bytes());
    any_value(out, 2, value);
}

fn key_value_length(name: &str, value: &Value<'_>) -> usize {
    field(1, name.len()).saturating_add(field(2, any_value_length(value)))
}

/// One `AnyValue`, as a field.
fn any_value(out: &mut Vec<u8>, number: u64, value: &Value<'_>) {
    delimited(out, number, any_value_length(value));
    match value {
        Value::Text(text) => bytes(out, 1, text.as_bytes()),
        Value::Number(number) => {
            tag(out, 3, VARINT);
            varint(out, signed(*number));
        }
        Value::List(items) => {
            delimited(out, 5, list_length(items));
            for item in items {
                any_value(out, 1, &Value::Text(item));
            }
        }
        Value::Counts(counts) => {
            delimited(out, 6, counts_length(counts));
            for (kind, count) in counts {
                key_value(out, 1, kind, &Value::Number(*count));
            }
        }
    }
}

fn any_value_length(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => field(1, text.len()),
        Value::Number(number) => varint_length(signed(*number)).saturating_add(1),
        Value::List(items) => field(5, list_length(items)),
        Value::Counts(counts) => field(6, counts_length(counts)),
    }
}

fn list_length(items: &[&str]) -> usize {
    let items = items.iter();
    let lengths = items.map(|item| field(1, any_value_length(&Value::Text(item))));
    lengths.fold(0, usize::saturating_add)
}

fn counts_length(counts: &[(&str, u64)]) -> usize {
    let counts = counts.iter();
    let lengths =
        counts.map(|(kind, count)| field(1, key_value_length(kind, &Value::Number(*count))));
    lengths.fold(0, usize::saturating_add)
}

/// A signed 64-bit integer holds it.
fn signed(number: u64) -> u64 {
    number.min(i64::MAX.unsigned_abs())
}

/// How long a field of so many bytes is, with tag and length.
fn field(number: u64, length: usize) -> usize {
    varint_length(number << 3)
        .saturating_add(varint_length(wide(length)))
        .saturating_add(length)
}

fn tag(out: &mut Vec<u8>, number: u64, wire_type: u64) {
    varint(out, number << 3 | wire_type);
}

/// Tag and length of a field; its bytes follow.
fn delimited(out: &mut Vec<u8>, number: u64, length: usize) {
    tag(out, number, LENGTH_DELIMITED);
    varint(out, wide(length));
}

fn bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    delimited(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

fn fixed64(out: &mut Vec<u8>, number: u64, value: u64) {
    tag(out, number, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn varint_length(value: u64) -> usize {
    let bits = u64::BITS.saturating_sub(value.leading_zeros()).max(1);
    usize::try_from(bits.div_ceil(7)).unwrap_or(usize::MAX)
}

fn wide(length: usize) -> u64 {
    // 64 bits hold every length.
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// What a field holds.
enum Read<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The fields of a message, up to one that cannot be read; what is left begins with it.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Read<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = read_varint(&mut self.0)?;
        let read = match tag & 7 {
            VARINT => Read::Number(read_varint(&mut self.0)?),
            LENGTH_DELIMITED => {
                let length = usize::try_from(read_varint(&mut self.0)?).ok()?;
                Read::Bytes(self.0.split_off(..length)?)
            }
            FIXED64 => self.0.split_off(..8).map(|_| Read::Fixed)?,
            FIXED32 => self.0.split_off(..4).map(|_| Read::Fixed)?,
            _ => return None,
        };
        Some((tag >> 3, read))
    }
}

/// A number of at most ten bytes.
fn read_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for position in 0..10 {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::{Format, LONGEST_RECORD, Otlp};
    use super::*;
    use crate::event::samples;
    use proptest::prelude::*;

    /// The fields of a message that can be read to its end.
    fn whole(message: &[u8]) -> Vec<(u64, Read<'_>)> {
        let mut fields = Fields(message);
        let read = fields.by_ref().collect();
        assert!(fields.0.is_empty(), "{} bytes are left", fields.0.len());
        read
    }

    fn inner<'a>(read: &[(u64, Read<'a>)], number: u64) -> Vec<&'a [u8]> {
        let of_number = read.iter().filter(|(own, _)| *own == number);
        of_number
            .map(|(_, read)| match read {
                Read::Bytes(bytes) => *bytes,
                _ => panic!("field {number} is no message"),
            })
            .collect()
    }

    #[test]
    fn every_length_is_right() {
        let otlp = Otlp::new(Format::OtlpProtobuf, [("service.name", "gateway")]);
        let events = [samples::full(), samples::bare(), samples::largest()];
        let records: Vec<_> = events.iter().map(|event| otlp.record(event)).collect();
        for record in &records {
            assert!(record.len() <= LONGEST_RECORD, "{} bytes", record.len());
            for attribute in inner(&whole(record), 6) {
                let attribute = whole(attribute);
                assert_eq!(inner(&attribute, 1).len(), 1);
                for value in inner(&attribute, 2) {
                    for list in inner(&whole(value), 5) {
                        inner(&whole(list), 1)
                            .into_iter()
                            .for_each(|item| drop(whole(item)));
                    }
                }
            }
        }
        let batch = otlp.batch(records.iter().map(Vec::as_slice), 7);
        let resource_logs = inner(&whole(&batch), 1);
        let [resource_logs] = resource_logs.as_slice() else {
            panic!("one source")
        };
        let scope_logs = inner(&whole(resource_logs), 2);
        let [scope_logs] = scope_logs.as_slice() else {
            panic!("one scope")
        };
        assert_eq!(inner(&whole(scope_logs), 2), records);
    }

    #[test]
    fn a_record_takes_fewer_bytes_than_in_json() {
        let [protobuf, json] = [Format::OtlpProtobuf, Format::OtlpJson]
            .map(|format| Otlp::new(format, []).record(&samples::full()).len());
        assert!(protobuf * 3 < json * 2, "{protobuf} and {json} bytes");
    }

    #[test]
    fn what_was_not_taken_is_read() {
        for (answer, count) in [
            (&b""[..], 0),
            (b"\x0a\x02\x08\x03", 3),
            (b"\x0a\x05\x08\x03\x12\x01x", 3),
            (b"\x12\x01x\x0a\x03\x08\x80\x01", 128),
            // -3.
            (b"\x0a\x0b\x08\xfd\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0),
            (b"\x0a\x7f\x08\x03", 0),
            (b"<html>", 0),
            (b"ok", 0),
        ] {
            assert_eq!(rejected(answer), count, "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_back(number: u64) {
            let mut out = Vec::new();
            varint(&mut out, number);
            prop_assert_eq!(out.len(), varint_length(number));
            prop_assert_eq!(read_varint(&mut out.as_slice()), Some(number));
        }

        #[test]
        fn no_answer_is_too_odd(answer: Vec<u8>) {
            rejected(&answer);
        }
    }
}
