//! JSON in the protobuf forms that Envoy hands to filters: `google.protobuf.Struct`, and
//! `envoy.config.core.v3.Metadata` around it.
//!
//! Only writing, only these two messages. Members are written in the order of the JSON text;
//! numbers are doubles, as in `Struct`.

use serde_json::{Map, Value};

/// A JSON object as the bytes of a `google.protobuf.Struct`; anything but an object is an empty
/// one.
pub fn struct_bytes(json: &Value) -> Vec<u8> {
    json.as_object().map(fields).unwrap_or_default()
}

/// Metadata by namespace as the bytes of an `envoy.config.core.v3.Metadata`.
pub fn metadata_bytes(namespaces: &Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    for (namespace, value) in namespaces {
        let mut entry = Vec::new();
        field(&mut entry, 1, namespace.as_bytes());
        field(&mut entry, 2, &struct_bytes(value));
        field(&mut out, 1, &entry);
    }
    out
}

fn fields(object: &Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, member) in object {
        let mut entry = Vec::new();
        field(&mut entry, 1, name.as_bytes());
        field(&mut entry, 2, &value(member));
        field(&mut out, 1, &entry);
    }
    out
}

fn value(json: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match json {
        Value::Null => out.extend([8, 0]),
        Value::Number(number) => {
            out.push(17);
            out.extend(number.as_f64().unwrap_or_default().to_le_bytes());
        }
        Value::String(text) => field(&mut out, 3, text.as_bytes()),
        Value::Bool(flag) => out.extend([32, u8::from(*flag)]),
        Value::Object(object) => field(&mut out, 5, &fields(object)),
        Value::Array(items) => {
            let mut list = Vec::new();
            for item in items {
                field(&mut list, 1, &value(item));
            }
            field(&mut out, 6, &list);
        }
    }
    out
}

/// A length-delimited field.
pub(super) fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push((number << 3) | 2);
    let mut rest = bytes.len();
    while rest >= 0x80 {
        out.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).unwrap_or_default());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_of_value_has_its_field() {
        let bytes = struct_bytes(&json!({"a": "b"}));
        assert_eq!(bytes, [10, 8, 10, 1, b'a', 18, 3, 26, 1, b'b']);
        assert_eq!(value(&json!(true)), [32, 1]);
        assert_eq!(value(&json!(null)), [8, 0]);
        assert_eq!(value(&json!(1.0)), [17, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
        assert_eq!(value(&json!([false])), [50, 4, 10, 2, 32, 0]);
        assert_eq!(value(&json!({})), [42, 0]);
    }

    #[test]
    fn long_fields_have_long_sizes() {
        let bytes = value(&json!("x".repeat(300)));
        assert_eq!(bytes.get(..3), Some(&[26, 0xac, 0x02][..]));
        assert_eq!(bytes.len(), 303);
    }
}
