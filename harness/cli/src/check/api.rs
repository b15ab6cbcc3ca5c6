//! The messages of Envoy's configuration, as the newest supported release has them.
//!
//! `harness/api/envoy.txt` was derived from the descriptors in the binary itself
//! (`harness/api/derive.py`, which also explains the format). Release 1.36 has no message, field or
//! value that 1.40 lacks, but for three that configurations do not name.

use std::collections::HashMap;
use std::sync::OnceLock;

const TEXT: &str = include_str!("../../api/envoy.txt");

/// The type that an Any or a TypedStruct names, without what stands before its last slash.
pub(super) fn type_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

/// A message.
#[derive(Debug)]
pub(super) struct Message {
    /// Full name.
    pub name: String,
    /// Its fields, in the order of their definition.
    pub fields: Vec<Field>,
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    /// Name as in the definition, `like_this`.
    pub name: &'static str,
    /// How many values it has.
    pub shape: Shape,
    /// What each of them is.
    pub kind: Kind,
    /// The oneof that it is part of, by its place in the message.
    pub oneof: Option<Oneof>,
    /// What Envoy's validation asks of it.
    pub rules: Vec<Rule>,
}

/// Fields of which at most one is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Oneof {
    /// Its place in the message.
    pub place: usize,
    /// Whether one of them must be set.
    pub required: bool,
}

/// A constraint of protoc-gen-validate. Numbers of a duration are seconds; sizes are characters,
/// bytes, items or entries.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rule {
    Required,
    Above(f64),
    AtLeast(f64),
    Below(f64),
    AtMost(f64),
    /// None of these values of an enum.
    NotIn(Vec<i64>),
    MinSize(usize),
    MaxSize(usize),
    Unique,
    /// A text without NUL, CR and LF.
    Line,
    /// A text of the characters that a header's name has.
    Header,
    /// A text of the characters that a header's value has.
    Value,
    /// This truth value.
    Const(bool),
    /// One of these texts.
    In(Vec<String>),
    Prefix(String),
    Suffix(String),
    /// A text that this regular expression matches.
    Pattern(String),
    /// What is not written is not judged.
    IgnoreAbsent,
    /// What is empty is not judged.
    IgnoreEmpty,
    /// Of each item of a list or value of a map.
    Each(Box<Self>),
    /// Of each key of a map.
    Key(Box<Self>),
}

/// How many values a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    List,
    Map,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bytes,
    Bool,
    Whole,
    Unsigned,
    Number,
    Message(String),
    Enum(String),
}

/// The values of an enum, with their numbers.
pub(super) type Values = Vec<(&'static str, i64)>;

struct Api {
    messages: HashMap<String, Message>,
    enums: HashMap<String, Values>,
}

/// The message of this name.
pub(super) fn message(name: &str) -> Option<&'static Message> {
    api().messages.get(name)
}

/// The enum of this name.
pub(super) fn values(name: &str) -> Option<&'static Values> {
    api().enums.get(name)
}

/// The names of all messages.
pub(super) fn messages() -> impl Iterator<Item = &'static str> {
    api().messages.keys().map(String::as_str)
}

impl Message {
    /// The field that a member's name stands for, in either spelling that protobuf's JSON takes.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields
            .iter()
            .find(|field| field.name == name || camel(field.name) == name)
    }

    /// The only field whose name has the same words in another order (`rewrite_prefix`), or begins
    /// with these (`port`).
    pub fn alike(&self, name: &str) -> Option<&'static str> {
        let words = |name: &str| {
            let mut words: Vec<String> = name.split('_').map(ToOwned::to_owned).collect();
            words.sort();
            words
        };
        let begins = |field: &Field| {
            let rest = field.name.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with('_'))
        };
        let mut alike = self
            .fields
            .iter()
            .filter(|field| words(field.name) == words(name) || begins(field));
        let first = alike.next()?;
        alike.next().is_none().then_some(first.name)
    }

    /// The field whose message has a field of this name.
    pub fn holder(&self, name: &str) -> Option<&'static str> {
        let holds = |field: &&Field| match &field.kind {
            Kind::Message(inner) => message(inner).is_some_and(|inner| inner.field(name).is_some()),
            _ => false,
        };
        Some(self.fields.iter().find(holds)?.name)
    }

    /// The name without its package.
    pub fn short(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }
}

/// `like_this` as `likeThis`.
pub(super) fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

fn api() -> &'static Api {
    static API: OnceLock<Api> = OnceLock::new();
    API.get_or_init(|| {
        let mut api = Api {
            messages: HashMap::new(),
            enums: HashMap::new(),
        };
        for line in TEXT.lines() {
            let mut words = line.split(' ');
            let (what, name) = (words.next(), words.next().unwrap_or_default());
            let name = long(name);
            if what == Some("e") {
                api.enums.insert(name, words.zip(0..).map(value).collect());
            } else {
                let fields = words.filter_map(field).collect();
                api.messages.insert(name.clone(), Message { name, fields });
            }
        }
        api
    })
}

fn long(name: &str) -> String {
    match name.split_at_checked(1) {
        Some(("~", rest)) => format!("envoy.config.{rest}"),
        Some(("^", rest)) => format!("envoy.extensions.{rest}"),
        _ => name.to_owned(),
    }
}

fn value((word, place): (&'static str, i64)) -> (&'static str, i64) {
    match word.split_once('=') {
        Some((name, number)) => (name, number.parse().unwrap_or(place)),
        None => (word, place),
    }
}

fn field(word: &'static str) -> Option<Field> {
    let mut parts = word.split(';');
    let (name, kind) = parts.next()?.split_once(':')?;
    let rules = parts.filter_map(rule).collect();
    let (kind, oneof) = match kind.split_once('|') {
        Some((kind, place)) => {
            let (place, required) = match place.strip_suffix('!') {
                Some(place) => (place, true),
                None => (place, false),
            };
            let place = place.parse().ok()?;
            (kind, Some(Oneof { place, required }))
        }
        None => (kind, None),
    };
    let (shape, kind) = match kind.split_at_checked(1)? {
        ("*", rest) => (Shape::List, rest),
        ("%", rest) => (Shape::Map, rest),
        _ => (Shape::One, kind),
    };
    let kind = match kind.split_at_checked(1)? {
        ("@", name) => Kind::Message(long(name)),
        ("#", name) => Kind::Enum(long(name)),
        ("s", _) => Kind::Text,
        ("y", _) => Kind::Bytes,
        ("b", _) => Kind::Bool,
        ("i", _) => Kind::Whole,
        ("u", _) => Kind::Unsigned,
        _ => Kind::Number,
    };
    Some(Field {
        name,
        shape,
        kind,
        oneof,
        rules,
    })
}

fn rule(word: &str) -> Option<Rule> {
    if let Some(inner) = word.strip_prefix("each.") {
        return Some(Rule::Each(Box::new(rule(inner)?)));
    }
    if let Some(inner) = word.strip_prefix("key.") {
        return Some(Rule::Key(Box::new(rule(inner)?)));
    }
    let (word, value) = word.split_once('=').unwrap_or((word, ""));
    Some(match word {
        "required" => Rule::Required,
        "gt" => Rule::Above(value.parse().ok()?),
        "gte" => Rule::AtLeast(value.parse().ok()?),
        "lt" => Rule::Below(value.parse().ok()?),
        "lte" => Rule::AtMost(value.parse().ok()?),
        "notin" => Rule::NotIn(value.split(',').filter_map(|n| n.parse().ok()).collect()),
        "min" => Rule::MinSize(value.parse().ok()?),
        "max" => Rule::MaxSize(value.parse().ok()?),
        "unique" => Rule::Unique,
        "line" => Rule::Line,
        "header" => Rule::Header,
        "value" => Rule::Value,
        "const" => Rule::Const(value == "1"),
        "in" => Rule::In(value.split(',').map(decoded).collect()),
        "prefix" => Rule::Prefix(decoded(value)),
        "suffix" => Rule::Suffix(decoded(value)),
        "pattern" => Rule::Pattern(decoded(value)),
        "absent" => Rule::IgnoreAbsent,
        "empty" => Rule::IgnoreEmpty,
        _ => return None,
    })
}

/// A text without its percent-encoding.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        decoded.extend(u8::from_str_radix(digits, 16).ok().map(char::from));
        decoded.push_str(rest);
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_a_field_names_is_there() {
        assert!(api().messages.len() > 1000 && api().enums.len() > 100);
        for message in api().messages.values() {
            for field in &message.fields {
                let known = match &field.kind {
                    Kind::Message(name) => {
                        name.starts_with("google.protobuf.") || super::message(name).is_some()
                    }
                    Kind::Enum(name) => {
                        name.starts_with("google.protobuf.") || values(name).is_some()
                    }
                    _ => true,
                };
                assert!(known, "{}.{}: {:?}", message.name, field.name, field.kind);
            }
        }
    }

    #[test]
    fn every_constraint_is_understood() {
        let written: usize = TEXT.lines().map(|line| line.matches(';').count()).sum();
        let fields = || api().messages.values().flat_map(|message| &message.fields);
        let read: usize = fields().map(|field| field.rules.len()).sum();
        assert!(written > 1000 && written == read, "{written} {read}");
        let oneofs: usize = TEXT.lines().map(|line| line.matches('|').count()).sum();
        let read = fields().filter(|field| field.oneof.is_some()).count();
        assert_eq!(read, oneofs);
    }

    #[test]
    fn both_spellings_name_a_field() {
        let plugin = message("envoy.extensions.wasm.v3.PluginConfig").unwrap();
        for name in [
            "allow_on_headers_stop_iteration",
            "allowOnHeadersStopIteration",
        ] {
            assert_eq!(
                plugin.field(name).map(|field| field.name),
                Some("allow_on_headers_stop_iteration")
            );
        }
        assert!(plugin.field("AllowOnHeadersStopIteration").is_none());
        assert_eq!(
            values("envoy.extensions.wasm.v3.FailurePolicy").unwrap()[3],
            ("FAIL_OPEN", 3)
        );
    }
}
