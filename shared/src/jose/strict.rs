//! JSON for headers, claims and key sets: a member named twice is an error at any depth.
//!
//! Two readers that differ on which of two `alg` or `sub` members counts are an attack (RFC 7515
//! section 4, RFC 7519 section 4), and serde_json on its own lets the last one win. The depth is
//! bounded by serde_json (128 levels). Numbers beyond the range of a double are errors.

use serde_json::{Map, Value};

use crate::config::strict::Unique;

/// Parses one JSON text with nothing after it; `None` when it is not JSON or names a member of one
/// object twice.
pub fn parse_strict(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok().map(|Unique(value)| value)
}

/// Like [`parse_strict`], for a text that must be an object.
pub(super) fn parse_object(text: &[u8]) -> Option<Map<String, Value>> {
    match parse_strict(text)? {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_member_named_twice_is_refused_at_any_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"[{"a":[{"x":null,"x":null}]}]"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            assert_eq!(parse_strict(text.as_bytes()), None, "{text}");
        }
        assert!(parse_strict(br#"{"a":{"b":1},"c":{"b":1}}"#).is_some());
    }

    #[test]
    fn what_is_not_one_json_text_is_refused() {
        for text in [
            "",
            "{",
            "{} {}",
            "{}x",
            "nul",
            "{'a':1}",
            "{\"a\":NaN}",
            "{\"a\":1e999}",
            "\u{feff}{}",
            "{\"a\":1,}",
            "01",
        ] {
            assert_eq!(parse_strict(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_strict(b"\"\xff\""), None);
        assert_eq!(parse_strict(&b"[".repeat(10_000)), None);
    }

    proptest! {
        #[test]
        fn without_duplicates_it_reads_what_serde_json_reads(
            text in r#"\{("a":(1|-2|3\.5|true|null|"s"|\[1,\{\}\])(,"b":\{"c":("\\u00e9"|2)\})?)?\}"#,
        ) {
            prop_assert_eq!(parse_strict(text.as_bytes()), serde_json::from_str(&text).ok());
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_never_say_more_than_serde_json(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(value) = parse_strict(&text) {
                prop_assert_eq!(Some(value), serde_json::from_slice(&text).ok());
            }
        }
    }
}
