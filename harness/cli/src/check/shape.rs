//! Reading configuration as Envoy does: protobuf's JSON form of messages that are known.
//!
//! The result is the same tree in one spelling: names of fields as in their definition, values of
//! enums in capitals, booleans as `true` and `false`, lists where lists are meant. What Envoy would
//! refuse is a finding. Tried on Envoy 1.40: it takes both spellings of a name, an enum's value in
//! any case or as a number, one mapping in place of a list of one, `{ value: 5 }` for a wrapped
//! `5`, and (through yaml-cpp) `yes` and `on` for `true`.

use modelgate_kit::config::strict::nearest;

use super::api::{self, Field, Kind, Message, Shape, camel, type_name};
use super::codes::{self, Severity};
use super::constraints;
use super::finding::Finding;
use super::judged;
use super::scalars::{
    flattened, hexadecimal, is_parts, is_plain, is_seconds, is_wrapped, kind, range, truth,
    yaml_truth,
};
use located_yaml::{Key, Node, Style, Value};

/// Reads `node` as a message. Unless it is a `whole` one, fields that Envoy needs may be missing.
pub(super) fn read(node: &Node, message: &Message, whole: bool, found: &mut Vec<Finding>) -> Node {
    Reader {
        findings: found,
        whole,
    }
    .message(node, message)
}

/// Reads `node` as a `google.protobuf.Any`, which names its own type.
pub(super) fn read_any(node: &Node, findings: &mut Vec<Finding>) -> Node {
    Reader {
        findings,
        whole: true,
    }
    .any(node)
}

/// Reads what no message describes: the messages in it that name their type.
pub(super) fn read_deep(node: &Node, findings: &mut Vec<Finding>) -> Node {
    Reader {
        findings,
        whole: false,
    }
    .deep(node)
}

struct Reader<'a> {
    findings: &'a mut Vec<Finding>,
    /// Whether fields that Envoy needs must be there.
    whole: bool,
}

impl Reader<'_> {
    fn wrong(&mut self, node: &Node, message: &str, problem: String, hint: &str) {
        self.findings.push(Finding::new(
            &codes::WRONG_VALUE,
            node.place,
            message,
            problem,
            hint,
        ));
    }

    fn message(&mut self, node: &Node, message: &Message) -> Node {
        self.members(node, message, None)
    }

    /// The members of a message; `kept` is one that is none of its fields.
    fn members(&mut self, node: &Node, message: &Message, kept: Option<&str>) -> Node {
        let nothing = Vec::new();
        let members = match &node.value {
            Value::Map(members) => members,
            // In a list, an empty message.
            _ if node.is_null() => &nothing,
            _ => {
                let problem = format!("a {} is a mapping; this is {}", message.short(), kind(node));
                self.wrong(node, message.short(), problem, "");
                return Node {
                    place: node.place,
                    value: Value::Map(nothing),
                };
            }
        };
        let mut read: Vec<(Key, Node)> = Vec::with_capacity(members.len());
        for (key, value) in members {
            if Some(key.text.as_str()) == kept {
                read.push((key.clone(), value.clone()));
                continue;
            }
            // A misspelt one is read as what was meant, so that what stands below it is looked at
            // too.
            let meant = message.field(&key.text).or_else(|| {
                let meant = self.unknown(key, message)?;
                let taken = |(other, _): &(Key, Node)| {
                    message.field(&other.text).map(|field| field.name) == Some(meant.name)
                };
                (!members.iter().any(taken)).then_some(meant)
            });
            let Some(field) = meant else {
                let value = self.deep(value);
                read.push((key.clone(), value));
                continue;
            };
            if value.is_null() {
                continue;
            }
            if let Some((before, _)) = read.iter().find(|(before, _)| before.text == field.name) {
                self.findings.push(Finding::new(
                    &codes::TWO_SPELLINGS,
                    key.place,
                    message.short(),
                    format!("`{}` stands twice, first at {}", field.name, before.place),
                    "remove one: Envoy takes the last",
                ));
            }
            let value = self.field(value, field, message);
            read.retain(|(before, _)| before.text != field.name);
            read.push((
                Key {
                    place: key.place,
                    text: field.name.to_owned(),
                },
                value,
            ));
        }
        let read = Node {
            place: node.place,
            value: Value::Map(read),
        };
        constraints::check(&read, message, self.whole, self.findings);
        judged::check(&read, message, self.whole, self.findings);
        read
    }

    /// Reports a name that is no field; gives the one that was meant.
    fn unknown<'m>(&mut self, key: &Key, message: &'m Message) -> Option<&'m Field> {
        let mut meant = None;
        let finding = if key.text == "<<" {
            merge_key(key, message)
        } else {
            let names: Vec<String> = message
                .fields
                .iter()
                .flat_map(|field| [field.name.to_owned(), camel(field.name)])
                .collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let written = key.text.replace('-', "_");
            let near = nearest(&written, &names).or_else(|| message.alike(&written));
            meant = near.and_then(|name| message.field(name));
            let hint = match (near, message.holder(&written)) {
                (Some(name), _) => format!("did you mean `{name}`?"),
                (None, Some(holder)) => format!("write it below `{holder}`"),
                (None, None) if names.is_empty() => "no field is expected here".to_owned(),
                (None, None) => String::new(),
            };
            let problem = format!("`{}` is no field of a {}", key.text, message.short());
            Finding::new(
                &codes::UNKNOWN_FIELD,
                key.place,
                message.short(),
                problem,
                hint,
            )
        };
        self.findings.push(finding);
        meant
    }

    /// What no message describes, with the messages in it that name their type.
    fn deep(&mut self, node: &Node) -> Node {
        if node.member("@type").is_some() {
            return self.any(node);
        }
        let value = match &node.value {
            Value::List(items) => Value::List(items.iter().map(|item| self.deep(item)).collect()),
            Value::Map(members) => Value::Map(
                members
                    .iter()
                    .map(|(key, value)| (key.clone(), self.deep(value)))
                    .collect(),
            ),
            scalar => scalar.clone(),
        };
        Node {
            place: node.place,
            value,
        }
    }

    fn field(&mut self, node: &Node, field: &Field, message: &Message) -> Node {
        let value = match field.shape {
            Shape::One => return self.value(node, &field.kind, field, message),
            Shape::List => {
                let read = |item: &Node| self.value(item, &field.kind, field, message);
                let items = match &node.value {
                    Value::List(_) => flattened(node).into_iter().map(read).collect(),
                    _ => vec![self.value(node, &field.kind, field, message)],
                };
                Value::List(items)
            }
            Shape::Map => match &node.value {
                Value::Map(members) => Value::Map(
                    members
                        .iter()
                        .map(|(key, node)| {
                            let value = self.value(node, &field.kind, field, message);
                            (key.clone(), value)
                        })
                        .collect(),
                ),
                _ => {
                    let problem = format!("`{}` is a mapping; this is {}", field.name, kind(node));
                    self.wrong(node, message.short(), problem, "");
                    Value::Map(Vec::new())
                }
            },
        };
        Node {
            place: node.place,
            value,
        }
    }

    fn value(&mut self, node: &Node, kind: &Kind, field: &Field, message: &Message) -> Node {
        match kind {
            Kind::Text | Kind::Bytes => self.text(node, field, message),
            Kind::Bool => self.boolean(node, field, message),
            Kind::Whole | Kind::Unsigned | Kind::Number => self.number(node, field, message),
            Kind::Enum(name) => self.one_of(node, name, field, message),
            Kind::Message(name) => match name.strip_prefix("google.protobuf.") {
                Some("Any") => self.any(node),
                Some(wrapper) if wrapper.ends_with("Value") && is_wrapped(node, wrapper) => {
                    let absent = match wrapper {
                        "BoolValue" => "false",
                        "StringValue" | "BytesValue" => "",
                        _ => "0",
                    };
                    match node.member("value") {
                        Some(value) => self.value(value, kind, field, message),
                        None => plain(node, absent),
                    }
                }
                Some("BoolValue") => self.boolean(node, field, message),
                Some("StringValue" | "BytesValue") => self.text(node, field, message),
                Some(
                    "UInt32Value" | "UInt64Value" | "Int32Value" | "Int64Value" | "DoubleValue"
                    | "FloatValue",
                ) => self.number(node, field, message),
                Some("Duration") if is_parts(node, &["seconds", "nanos"]) => node.clone(),
                Some("Duration") => self.duration(node, field, message),
                Some("Struct") if !matches!(node.value, Value::Map(_)) && !node.is_null() => {
                    let problem = format!(
                        "`{}` is a mapping; this is {}",
                        field.name,
                        super::scalars::kind(node)
                    );
                    self.wrong(node, message.short(), problem, "");
                    node.clone()
                }
                Some(_) => {
                    self.merges(node, message);
                    node.clone()
                }
                None => match api::message(name) {
                    Some(inner) if name.ends_with(".TypedStruct") => {
                        self.members(node, inner, None)
                    }
                    Some(inner) => self.message(node, inner),
                    None => node.clone(),
                },
            },
        }
    }

    /// A merge key in a free mapping is a key like any other to Envoy, which its author did not
    /// mean.
    fn merges(&mut self, node: &Node, message: &Message) {
        for (key, value) in node.members() {
            if key.text == "<<" {
                self.findings.push(merge_key(key, message));
            }
            self.merges(value, message);
        }
        for item in node.items() {
            self.merges(item, message);
        }
    }

    fn scalar<'n>(&mut self, node: &'n Node, field: &Field, message: &Message) -> Option<&'n str> {
        let text = node.text();
        if text.is_none() {
            let problem = format!("`{}` is a single value; this is {}", field.name, kind(node));
            self.wrong(node, message.short(), problem, "");
        }
        text
    }

    fn text(&mut self, node: &Node, field: &Field, message: &Message) -> Node {
        let Some(text) = self.scalar(node, field, message) else {
            return node.clone();
        };
        if is_plain(node)
            && (yaml_truth(text).is_some()
                || text.parse::<i64>().is_ok()
                || hexadecimal(text).is_some())
        {
            let problem = format!("`{}` is a text; this is {}", field.name, kind(node));
            self.wrong(node, message.short(), problem, "write it in quotes");
        }
        node.clone()
    }

    fn boolean(&mut self, node: &Node, field: &Field, message: &Message) -> Node {
        let Some(text) = self.scalar(node, field, message) else {
            return node.clone();
        };
        match truth(node, text) {
            Some(value) => plain(node, &value.to_string()),
            None => {
                let problem = format!("`{}` is true or false", field.name);
                self.wrong(node, message.short(), problem, "write `true` or `false`");
                node.clone()
            }
        }
    }

    fn number(&mut self, node: &Node, field: &Field, message: &Message) -> Node {
        if let Some(text) = self.scalar(node, field, message) {
            let hexadecimal = hexadecimal(text).is_some();
            let whole = match field.kind {
                Kind::Number => true,
                _ => text
                    .parse::<f64>()
                    .is_ok_and(|number| number.fract() == 0.0),
            };
            let special = matches!(text, "NaN" | "Infinity" | "-Infinity");
            if !hexadecimal && !special && (text.parse::<f64>().is_err() || !whole) {
                let problem = format!("`{}` is a number", field.name);
                self.wrong(node, message.short(), problem, "");
            } else if let Some((least, most)) = range(&field.kind)
                && text
                    .parse::<f64>()
                    .is_ok_and(|number| number < least || number > most)
            {
                let bounds = match most.is_finite() {
                    true => format!("from {least} to {most}"),
                    false => format!("of at least {least}"),
                };
                let problem = format!("`{}` is a whole number {bounds}", field.name);
                self.wrong(node, message.short(), problem, "");
            }
        }
        node.clone()
    }

    fn duration(&mut self, node: &Node, field: &Field, message: &Message) -> Node {
        let text = self.scalar(node, field, message);
        let seconds = |text: &str| text.strip_suffix('s').is_some_and(is_seconds);
        if text.is_some_and(|text| !seconds(text)) {
            let problem = format!("`{}` is a duration in seconds", field.name);
            let hint = "write it with an `s`, such as `5s` or `0.25s`";
            self.wrong(node, message.short(), problem, hint);
        }
        node.clone()
    }

    fn one_of(&mut self, node: &Node, name: &str, field: &Field, message: &Message) -> Node {
        let Some(text) = self.scalar(node, field, message) else {
            return node.clone();
        };
        let Some(values) = api::values(name) else {
            return node.clone();
        };
        let number = text.parse::<i64>().ok();
        let wanted = text.to_ascii_uppercase().replace('-', "_");
        let known = values
            .iter()
            .find(|(value, at)| number == Some(*at) || value.eq_ignore_ascii_case(text));
        if let Some((value, _)) = known {
            return plain(node, value);
        }
        let names: Vec<&str> = values.iter().map(|(value, _)| *value).collect();
        let hint = match nearest(&wanted, &names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("one of {}", names.join(", ")),
        };
        let problem = format!("{text:?} is no value of `{}`", field.name);
        self.wrong(node, message.short(), problem, &hint);
        node.clone()
    }

    fn any(&mut self, node: &Node) -> Node {
        let Value::Map(_) = &node.value else {
            if !node.is_null() {
                let problem = format!(
                    "a message with its `@type` is a mapping; this is {}",
                    kind(node)
                );
                self.wrong(node, "Any", problem, "");
            }
            return node.clone();
        };
        let Some(kind_node) = node.member("@type") else {
            // An empty one is an absent one.
            if node.members().is_empty() {
                return node.clone();
            }
            let problem = "`@type` is missing: Envoy cannot tell what this is".to_owned();
            self.wrong(node, "Any", problem, "");
            return node.clone();
        };
        let written = kind_node.text().unwrap_or_default();
        let name = type_name(written);
        if written.find('/').is_none_or(|at| at == 0) {
            let problem = format!("{written:?} is no URL of a type");
            let hint = format!("write `type.googleapis.com/{name}`");
            self.wrong(kind_node, "@type", problem, &hint);
        }
        if name.starts_with("google.protobuf.") {
            // These have a JSON form of their own, which stands in `value`.
            let others = node.members().iter().map(|(key, _)| key);
            let other = others
                .into_iter()
                .find(|key| !matches!(key.text.as_str(), "@type" | "value"));
            if let Some(key) = other {
                let problem = format!("`{}` is no field of a {name}", key.text);
                let finding = Finding::new(&codes::UNKNOWN_FIELD, key.place, name, problem, "");
                self.findings.push(finding);
            }
            return node.clone();
        }
        if name.ends_with(".TypedStruct") {
            return self.typed_struct(node, name);
        }
        match api::message(name) {
            Some(message) => self.members(node, message, Some("@type")),
            None => {
                self.unknown_type(kind_node, name);
                node.clone()
            }
        }
    }

    /// A TypedStruct holds a message of the type that `type_url` names, in JSON.
    fn typed_struct(&mut self, node: &Node, name: &str) -> Node {
        let Some(message) = api::message(name) else {
            return node.clone();
        };
        let mut read = self.members(node, message, Some("@type"));
        let url = read.member("type_url");
        let inner = url
            .and_then(Node::text)
            .map(type_name)
            .and_then(api::message);
        if let (Some(inner), Value::Map(members)) = (inner, &mut read.value) {
            for (key, value) in members {
                if key.text == "value" {
                    *value = self.message(value, inner);
                }
            }
        }
        read
    }

    fn unknown_type(&mut self, node: &Node, name: &str) {
        let names: Vec<&str> = api::messages()
            .filter(|known| known.len().abs_diff(name.len()) <= 3)
            .collect();
        let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let near = nearest(name, &names)
            .filter(|near| {
                let difference = near
                    .bytes()
                    .zip(name.bytes())
                    .filter(|(a, b)| a != b)
                    .count();
                difference <= 3 || last(near) == last(name)
            })
            .or_else(|| {
                // `…filters.http.wasm.v2.Wasm`, `…http.wasm.Wasm`.
                name.ends_with(".Wasm")
                    .then_some("envoy.extensions.filters.http.wasm.v3.Wasm")
            });
        let problem = format!("Envoy has no message {name}");
        let mut finding = Finding::new(&codes::UNKNOWN_TYPE, node.place, "@type", problem, "");
        if let Some(near) = near {
            finding.severity = Severity::Error;
            finding.hint = format!("did you mean `type.googleapis.com/{near}`?");
        }
        self.findings.push(finding);
    }
}

fn merge_key(key: &Key, message: &Message) -> Finding {
    Finding::new(
        &codes::MERGE_KEY,
        key.place,
        message.short(),
        "Envoy does not merge mappings: it takes `<<` for a name like any other",
        "write the members out; a plain alias of the whole (`key: *name`) works",
    )
}

fn plain(node: &Node, text: &str) -> Node {
    Node {
        place: node.place,
        value: Value::Scalar {
            text: text.to_owned(),
            style: Style::Plain,
        },
    }
}

#[cfg(test)]
mod tests;
