//! JSON for headers, claims and key sets: a member named twice is an error at any depth.
//!
//! Two readers that differ on which of two `alg` or `sub` members counts are an attack (RFC 7515
//! section 4, RFC 7519 section 4), and serde_json on its own lets the last one win. The depth is
//! bounded by serde_json (128 levels). Numbers beyond the range of a double are errors.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::config::strict::Unique;
use crate::json::{Limits, Token, Walker};

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

/// What stands in the array `member` of an object, element by element: the text of each object, and
/// nothing in the place of anything else. So what is wrong within one of them spoils no other.
/// `None` when the text is not JSON, is no object with such an array, or has one of its own names
/// twice.
pub(super) fn objects_in<'a>(text: &'a [u8], member: &str) -> Option<Vec<&'a [u8]>> {
    let mut walker = Walker::new(text, Limits::default()).ok()?;
    if walker.next_token().ok()? != Some(Token::ObjectStart) {
        return None;
    }
    let mut names = BTreeSet::new();
    let (mut list, mut found) = (Vec::new(), false);
    let (mut depth, mut begin) = (1_usize, 0_usize);
    let (mut is_next, mut inside) = (false, false);
    while let Some(token) = walker.next_token().ok()? {
        let (at, behind) = (depth, walker.offset());
        match token {
            Token::ObjectStart | Token::ArrayStart => depth = depth.checked_add(1)?,
            Token::ObjectEnd | Token::ArrayEnd => depth = depth.checked_sub(1)?,
            _ => {}
        }
        match (at, token) {
            (1, Token::Key(name)) => {
                let name = name.decode();
                is_next = name == member;
                if !names.insert(name) {
                    return None;
                }
            }
            (1, Token::ArrayStart) if is_next => (inside, found) = (true, true),
            (1, _) if is_next => return None,
            (2, Token::ArrayEnd) => (inside, is_next) = (false, false),
            (2, Token::ObjectStart) if inside => begin = behind.checked_sub(1)?,
            (2, _) if inside => list.push(&[] as &[u8]),
            (3, Token::ObjectEnd) if inside && depth == 2 => list.push(text.get(begin..behind)?),
            _ => {}
        }
    }
    found.then_some(list)
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

    #[test]
    fn what_is_wrong_in_one_object_spoils_no_other() {
        let read = |text: &'static str| {
            let objects = objects_in(text.as_bytes(), "keys")?;
            let texts = objects
                .into_iter()
                .map(|text| std::str::from_utf8(text).unwrap());
            Some(texts.collect::<Vec<_>>().join("|"))
        };
        for (text, objects) in [
            (r#"{"keys":[]}"#, ""),
            (
                r#"{"keys":[ {"a":1,"a":[{"keys":[{}]}]} , {} ]}"#,
                r#"{"a":1,"a":[{"keys":[{}]}]}|{}"#,
            ),
            (
                r#"{"x":[{"keys":[{"y":1}]}],"k\u0065ys":[{"b":1e999},7,[{}],"c",null,{}]}"#,
                r#"{"b":1e999}|||||{}"#,
            ),
            (
                r#"{"keys":[{"a":"\ud800"}],"x":{"x":[{}]}}"#,
                r#"{"a":"\ud800"}"#,
            ),
        ] {
            assert_eq!(read(text).as_deref(), Some(objects), "{text}");
        }
        for text in [
            "",
            "[]",
            "{}",
            r#"{"keys":{}}"#,
            r#"{"keys":7}"#,
            r#"{"x":{"keys":[]}}"#,
            r#"{"keys":[],"keys":[]}"#,
            r#"{"keys":[],"k\u0065ys":[]}"#,
            r#"{"x":1,"keys":[],"x":1}"#,
            r#"{"keys":[{}]"#,
            r#"{"keys":[{}]} {}"#,
            r#"{"keys":[{"a":}]}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn objects_are_those_that_a_full_parser_finds(
            text in r#"\{"keys":\[(\{("a":(1|\[\{"b":2\}\]))?\}|7|"s"|\[\{\}\])(,(\{"c":\{\}\}|null))?\](,"x":\[\{\}\])?\}"#,
        ) {
            let whole: Value = serde_json::from_str(&text).unwrap();
            let objects = whole["keys"].as_array().unwrap().iter().map(Value::as_object).collect::<Vec<_>>();
            let found = objects_in(text.as_bytes(), "keys").unwrap();
            prop_assert_eq!(found.iter().map(|text| parse_object(text)).collect::<Vec<_>>(),
                objects.into_iter().map(Option::<&Map<_, _>>::cloned).collect::<Vec<_>>());
        }

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
