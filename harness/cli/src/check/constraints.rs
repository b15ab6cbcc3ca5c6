//! Constraints that Envoy puts on its messages beyond their types: fields that exclude each other,
//! and those of protoc-gen-validate (what must be written, ranges, lengths). They are part of the
//! descriptors (`harness/cli/api/derive.py`). Envoy refuses a file that breaks one.

use std::collections::HashSet;

use super::api::{self, Field, Kind, Message, Oneof, Rule, Shape};
use super::codes;
use super::finding::Finding;
use super::scalars::{hexadecimal, is_seconds};
use located_yaml::{Node, Value};
use regex::Regex;

/// Judges the fields of a message that is read (in one spelling), not those of the messages in it.
/// Without `whole` the message may be a part of one (a patch, a piece of a file), and what is
/// missing is not judged.
pub(super) fn check(node: &Node, message: &Message, whole: bool, findings: &mut Vec<Finding>) {
    let mut judge = Judge { message, findings };
    judge.oneofs(node, whole);
    for field in &message.fields {
        match node.member(field.name) {
            Some(value) => judge.written(value, field),
            None if whole && field.oneof.is_none() => judge.absent(node, field),
            None => {}
        }
    }
}

struct Judge<'a> {
    message: &'a Message,
    findings: &'a mut Vec<Finding>,
}

impl Judge<'_> {
    fn refuse(&mut self, node: &Node, problem: String) {
        self.findings.push(Finding::new(
            &codes::CONSTRAINT,
            node.place,
            self.message.short(),
            problem,
            "",
        ));
    }

    fn oneofs(&mut self, node: &Node, whole: bool) {
        let message = self.message;
        let of = |oneof: Oneof| {
            let fields = message.fields.iter();
            fields.filter(move |field| field.oneof == Some(oneof))
        };
        let mut seen: Vec<(Oneof, &str)> = Vec::new();
        for (key, _) in node.members() {
            let field = message.fields.iter().find(|field| field.name == key.text);
            let Some((field, oneof)) = field.and_then(|field| Some((field, field.oneof?))) else {
                continue;
            };
            match seen.iter().find(|(other, _)| *other == oneof) {
                Some((_, before)) => self.findings.push(Finding::new(
                    &codes::ONE_OF,
                    key.place,
                    message.short(),
                    format!("`{}` and `{before}` exclude each other", field.name),
                    "remove one",
                )),
                None => seen.push((oneof, field.name)),
            }
        }
        let mut wanted: Vec<Oneof> = message
            .fields
            .iter()
            .filter_map(|field| field.oneof.filter(|oneof| oneof.required))
            .collect();
        wanted.dedup();
        for oneof in wanted.into_iter().filter(|_| whole) {
            if !seen.iter().any(|(other, _)| *other == oneof) {
                let names: Vec<String> =
                    of(oneof).map(|field| format!("`{}`", field.name)).collect();
                self.findings.push(Finding::new(
                    &codes::ONE_OF,
                    node.place,
                    message.short(),
                    format!("one of {} is missing", names.join(", ")),
                    "",
                ));
            }
        }
    }

    /// A field that is not written has its type's zero, but for messages and wrapped values.
    fn absent(&mut self, node: &Node, field: &Field) {
        let ignored = |rule: &Rule| matches!(rule, Rule::IgnoreAbsent | Rule::IgnoreEmpty);
        if field.rules.iter().any(ignored) {
            return;
        }
        let message = field.shape == Shape::One && matches!(field.kind, Kind::Message(_));
        let wrong = field.rules.iter().any(|rule| match rule {
            Rule::Required => true,
            Rule::MinSize(least) => !message && *least > 0,
            Rule::NotIn(values) => values.contains(&0),
            Rule::Above(_) | Rule::AtLeast(_) | Rule::Below(_) | Rule::AtMost(_) => {
                !message && outside(rule, 0.0).is_some()
            }
            Rule::Const(wanted) => *wanted,
            rule => field.shape == Shape::One && !message && unfit("", rule).is_some(),
        });
        if wrong {
            self.refuse(node, format!("`{}` is missing", field.name));
        }
    }

    fn written(&mut self, node: &Node, field: &Field) {
        let size = match &node.value {
            Value::List(items) => Some(items.len()),
            Value::Map(members) if field.shape == Shape::Map => Some(members.len()),
            _ => None,
        };
        if field.rules.contains(&Rule::IgnoreEmpty)
            && (size == Some(0) || matches!(node.text(), Some("" | "0")))
        {
            return;
        }
        for rule in &field.rules {
            match rule {
                Rule::Each(rule) => {
                    for item in node.items() {
                        self.one(item, rule, field);
                    }
                    if field.shape == Shape::Map {
                        for (_, value) in node.members() {
                            self.one(value, rule, field);
                        }
                    }
                }
                Rule::Key(rule) => {
                    for (key, value) in node.members() {
                        let short = matches!(**rule, Rule::MinSize(least) if key.text.chars().count() < least);
                        let unfit = unfit(&key.text, rule);
                        let problem = match (short, unfit) {
                            (true, _) => format!("a key of `{}` is too short", field.name),
                            (_, Some(unfit)) => format!("a key of `{}` {unfit}", field.name),
                            _ => continue,
                        };
                        self.refuse(value, problem);
                    }
                }
                Rule::Unique => {
                    let mut seen = HashSet::new();
                    for item in node.items() {
                        if item.text().is_some_and(|text| !seen.insert(text)) {
                            self.refuse(item, format!("`{}` has this twice", field.name));
                        }
                    }
                }
                Rule::MinSize(least) if size.is_some_and(|size| size < *least) => {
                    let problem = format!("`{}` has at least {least} of them", field.name);
                    self.refuse(node, problem);
                }
                Rule::MaxSize(most) if size.is_some_and(|size| size > *most) => {
                    let problem = format!("`{}` has at most {most} of them", field.name);
                    self.refuse(node, problem);
                }
                rule if field.shape == Shape::One => self.one(node, rule, field),
                _ => {}
            }
        }
    }

    /// A rule of a single value. What is not of the field's type was said already.
    fn one(&mut self, node: &Node, rule: &Rule, field: &Field) {
        let parts;
        let text = match (node.text(), &field.kind) {
            (Some(text), _) => text,
            (None, Kind::Message(of)) if of == "google.protobuf.Duration" => {
                parts = in_seconds(node);
                &parts
            }
            (None, _) => return,
        };
        let name = field.name;
        let length = || match field.kind {
            // Bytes are in base64.
            Kind::Bytes => text.trim_end_matches('=').len().saturating_mul(3) / 4,
            _ => text.chars().count(),
        };
        let problem = match rule {
            Rule::MinSize(1) if text.is_empty() => Some(format!("`{name}` is empty")),
            Rule::MinSize(least) if length() < *least => {
                Some(format!("`{name}` has at least {least} characters"))
            }
            Rule::MaxSize(most) if length() > *most => {
                Some(format!("`{name}` has at most {most} characters"))
            }
            Rule::NotIn(values) => {
                let number = match &field.kind {
                    Kind::Enum(of) => api::values(of).and_then(|known| {
                        known
                            .iter()
                            .find(|(value, _)| *value == text)
                            .map(|known| known.1)
                    }),
                    _ => None,
                };
                let taken = number.is_some_and(|number| values.contains(&number));
                taken.then(|| format!("{text} cannot be used for `{name}`"))
            }
            Rule::Above(_) | Rule::AtLeast(_) | Rule::Below(_) | Rule::AtMost(_) => {
                let number = match &field.kind {
                    Kind::Message(of) if of == "google.protobuf.Duration" => text
                        .strip_suffix('s')
                        .filter(|text| is_seconds(text))
                        .and_then(|text| text.parse().ok()),
                    _ => {
                        #[allow(clippy::cast_precision_loss, reason = "bounds are far below")]
                        let from_hexadecimal = hexadecimal(text).map(|number| number as f64);
                        text.parse::<f64>().ok().or(from_hexadecimal)
                    }
                };
                let unit = match &field.kind {
                    Kind::Message(of) if of == "google.protobuf.Duration" => "s",
                    _ => "",
                };
                let outside = number.and_then(|number| outside(rule, number));
                outside.map(|(words, bound)| format!("`{name}` is {words} {bound}{unit}"))
            }
            Rule::Const(wanted) => {
                (text != wanted.to_string()).then(|| format!("`{name}` can only be {wanted}"))
            }
            rule => unfit(text, rule).map(|unfit| format!("`{name}` {unfit}")),
        };
        if let Some(problem) = problem {
            self.refuse(node, problem);
        }
    }
}

/// What a bound asks for, when a number is outside of it.
fn outside(rule: &Rule, number: f64) -> Option<(&'static str, f64)> {
    let (inside, words, bound) = match rule {
        Rule::Above(bound) => (number > *bound, "more than", *bound),
        Rule::AtLeast(bound) => (number >= *bound, "at least", *bound),
        Rule::Below(bound) => (number < *bound, "less than", *bound),
        Rule::AtMost(bound) => (number <= *bound, "at most", *bound),
        _ => return None,
    };
    (!inside).then_some((words, bound))
}

/// A duration that is written in its parts, as one in seconds.
fn in_seconds(node: &Node) -> String {
    let part = |name: &str| {
        let number = node.member(name).and_then(Node::text);
        number
            .and_then(|text| text.parse::<i64>().ok())
            .unwrap_or_default()
    };
    format!("{}.{:09}s", part("seconds"), part("nanos"))
}

/// What a text lacks that a rule asks for.
fn unfit(text: &str, rule: &Rule) -> Option<String> {
    let (fits, unfit) = match rule {
        Rule::Line => (!text.contains(['\0', '\r', '\n']), "is one line".to_owned()),
        Rule::Header => (
            is_header_name(text),
            "is the name of a header, and has a character that none has".to_owned(),
        ),
        Rule::Value => (
            text.chars().all(|c| c == '\t' || !c.is_ascii_control()),
            "is the value of a header, and has a character that none has".to_owned(),
        ),
        Rule::In(known) => {
            let words: Vec<&str> = known.iter().map(String::as_str).collect();
            (
                words.contains(&text),
                format!("is one of {}", words.join(", ")),
            )
        }
        Rule::Prefix(prefix) => (
            text.starts_with(prefix.as_str()),
            format!("begins with `{prefix}`"),
        ),
        Rule::Suffix(suffix) => (
            text.ends_with(suffix.as_str()),
            format!("ends with `{suffix}`"),
        ),
        Rule::Pattern(pattern) => (
            Regex::new(pattern).is_ok_and(|regex| regex.is_match(text)),
            format!("does not match `{pattern}`"),
        ),
        _ => return None,
    };
    (!fits).then_some(unfit)
}

/// Whether a text has no other characters than names of headers do; a colon may stand in front.
fn is_header_name(text: &str) -> bool {
    let name = text.strip_prefix(':').unwrap_or(text);
    // As protoc-gen-validate writes the class, it has all from `+` to `.`.
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+,-.^_|~`".contains(c);
    !name.is_empty() && name.chars().all(fits)
}
