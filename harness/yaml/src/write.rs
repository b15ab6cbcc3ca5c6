//! JSON as YAML that people read: block style, short lists and mappings on one line, texts of
//! several lines as blocks.
//!
//! A text stands without quotes only where every reader of YAML, of 1.1 too, takes it for a text.

use serde_json::Value as Json;

/// The longest list or mapping that stands on one line, in characters.
const INLINE: usize = 72;
/// Words that some readers take for something else than a text.
const WORDS: [&str; 10] = [
    "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan",
];

/// A document.
pub fn document(value: &Json) -> String {
    let mut text = String::new();
    match flat(value) {
        Some(line) if !nested(value) => text.push_str(&line),
        _ => block(
            value,
            if value.is_string() { 2 } else { 0 },
            false,
            &mut text,
        ),
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Several documents in one file.
pub fn documents(values: &[Json]) -> String {
    let texts: Vec<String> = values.iter().map(document).collect();
    texts.join("---\n")
}

fn nested(value: &Json) -> bool {
    match value {
        Json::Array(items) => !items.is_empty(),
        Json::Object(members) => !members.is_empty(),
        _ => false,
    }
}

fn indent(depth: usize, text: &mut String) {
    text.extend(std::iter::repeat_n(' ', depth));
}

/// Writes members or items below each other. `begun` where the line of the first one has its
/// indentation already.
fn block(value: &Json, depth: usize, begun: bool, text: &mut String) {
    let mut begun = begun;
    let mut start = |text: &mut String| {
        if !std::mem::take(&mut begun) {
            indent(depth, text);
        }
    };
    match value {
        Json::Object(members) => {
            for (key, value) in members {
                start(text);
                text.push_str(&scalar(key));
                text.push(':');
                after_key(value, depth, text);
            }
        }
        Json::Array(items) => {
            for item in items {
                start(text);
                text.push_str("- ");
                match flat(item) {
                    Some(line) => {
                        text.push_str(&line);
                        text.push('\n');
                    }
                    None => block(item, depth.saturating_add(2), true, text),
                }
            }
        }
        // Of several lines.
        other => literal(other.as_str().unwrap_or_default(), depth, text),
    }
}

/// What stands behind the colon of a key.
fn after_key(value: &Json, depth: usize, text: &mut String) {
    if let Some(line) = flat(value) {
        text.push(' ');
        text.push_str(&line);
        text.push('\n');
        return;
    }
    match value {
        Json::Array(_) => {
            text.push('\n');
            block(value, depth, false, text);
        }
        Json::Object(_) => {
            text.push('\n');
            block(value, depth.saturating_add(2), false, text);
        }
        _ => {
            text.push(' ');
            block(value, depth.saturating_add(2), true, text);
        }
    }
}

/// A text as a literal block.
fn literal(value: &str, depth: usize, text: &mut String) {
    text.push_str(match value.ends_with('\n') {
        true => "|\n",
        false => "|-\n",
    });
    for line in value.lines() {
        if !line.is_empty() {
            indent(depth, text);
            text.push_str(line);
        }
        text.push('\n');
    }
}

/// Whether a literal block gives a text back as it is.
fn is_literal(value: &str) -> bool {
    let plain = |c: char| c == '\n' || (c >= ' ' && c != '\u{7f}' && !c.is_control());
    value.trim_end_matches('\n').contains('\n')
        && !value.starts_with([' ', '\n'])
        && !value.ends_with("\n\n")
        && value.chars().all(plain)
}

/// On one line, if it is short enough for that.
fn flat(value: &Json) -> Option<String> {
    let line = match value {
        Json::String(value) if is_literal(value) => return None,
        Json::String(value) => return Some(scalar(value)),
        Json::Array(items) if items.is_empty() => return Some("[]".to_owned()),
        Json::Object(members) if members.is_empty() => return Some("{}".to_owned()),
        Json::Array(items) if items.iter().any(nested) => return None,
        Json::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(flat).collect();
            format!("[ {} ]", items?.join(", "))
        }
        Json::Object(members) => {
            let deep = |value: &Json| match value {
                Json::Array(items) => items.iter().any(nested),
                Json::Object(members) => members.values().any(nested),
                _ => false,
            };
            if members.values().any(deep) {
                return None;
            }
            let pair = |(key, value): (&String, &Json)| {
                flat(value).map(|value| format!("{}: {value}", scalar(key)))
            };
            let members: Option<Vec<String>> = members.iter().map(pair).collect();
            format!("{{ {} }}", members?.join(", "))
        }
        other => return Some(other.to_string()),
    };
    (line.chars().count() <= INLINE).then_some(line)
}

/// A text on one line: in quotes, unless it needs none anywhere.
fn scalar(value: &str) -> String {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '/' || c == '_';
    let goes_on = |c: char| c.is_ascii_alphanumeric() || " ./_-:*()=+".contains(c);
    let plain = value.starts_with(begins)
        && value.chars().all(goes_on)
        && !value.contains(": ")
        && !value.ends_with([' ', ':'])
        && !WORDS.contains(&value.to_ascii_lowercase().as_str());
    let easy = value.contains(['"', '\\']) && !value.contains('\'');
    match (plain, easy && !value.contains(char::is_control)) {
        (true, _) => value.to_owned(),
        (false, true) => format!("'{value}'"),
        // JSON's quotes are YAML's.
        (false, false) => Json::String(value.to_owned()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Node;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_again() {
        let texts = [
            "",
            " ",
            "a",
            "yes",
            "No",
            "1",
            "1e3",
            "0x1f",
            "12:30",
            "~",
            "a: b",
            "a #b",
            "a:",
            "-",
            "- a",
            "ä",
            "\u{7f}",
            "a\nb",
            "a\nb\n",
            "a\n\nb\n",
            "\na\n",
            " a\nb\n",
            "a\n b\n",
            "a\n\n",
            "a\tb\nc",
            "{}",
            "[",
            "%A%",
            "*",
            "a, b",
            "@type",
            "null",
            ".5",
            "a\r\nb",
            "on",
            "a b  c",
            "'",
            "\"",
            "!x",
            "&x",
            "a\u{2028}b\nc",
        ];
        for text in texts {
            let shapes = [
                json!(text),
                json!([text]),
                json!({ "k": text }),
                json!({ text: [ { "a": text, "b": [ [ text ], {} ] }, [ [ 1, [ true, null ] ] ] ] }),
                json!([{ "a": { "b": { "c": { "d": text } } }, "e": [] }]),
            ];
            for shape in shapes {
                let written = document(&shape);
                let read = Node::parse(&written).map(|node| node.to_json());
                assert_eq!(read.as_ref(), Ok(&shape), "{written}");
            }
        }
    }

    #[test]
    fn short_values_stand_on_one_line() {
        let value = json!({
            "match": { "prefix": "/v1/" },
            "long": { "a": { "b": [ [ 1 ] ] } },
            "list": [ { "x": 1 }, [ "a", "b" ] ],
            "text": "one\ntwo\n",
        });
        assert_eq!(
            documents(&[value, json!({ "a": "yes" })]),
            "match: { prefix: /v1/ }\nlong:\n  a:\n    b:\n    - [ 1 ]\nlist:\n- { x: 1 }\n- [ a, b ]\ntext: |\n  one\n  two\n---\na: \"yes\"\n"
        );
    }
}
