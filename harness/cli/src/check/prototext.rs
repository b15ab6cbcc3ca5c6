//! Protobuf's text form, in which Envoy reads files that end in `.pb_text`.
//!
//! A file is read in two steps: by its grammar (protobuf.dev/reference/protobuf/textformat-spec),
//! then by the messages of Envoy's API into the form that JSON and YAML have, so that the same
//! rules are for it. Places are kept.

use located_yaml::{Key, Node, Place, Style, Value};

use super::api::{self, Kind, Message, Shape, type_name};
use super::files::BOOTSTRAP;

/// How deep messages may nest.
const MAX_DEPTH: usize = 96;

/// Why a text is not of this form.
pub(super) struct Malformed {
    pub place: Place,
    pub problem: String,
}

/// Reads a text, if it is a bootstrap in this form: it begins with a field of one and a brace.
pub(super) fn read(text: &str) -> Option<Result<Node, Malformed>> {
    let bootstrap = api::message(BOOTSTRAP)?;
    let mut ahead = Reader::new(text);
    ahead.skip();
    let name = ahead.word();
    ahead.skip();
    let begins = bootstrap.field(&name).is_some() && matches!(ahead.peek(), Some('{' | '<'));
    if !begins {
        return None;
    }
    let place = Place { line: 1, column: 1 };
    let read = Reader::new(text).message(None, place, 0);
    Some(read.map(|node| message(&node, bootstrap)))
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    place: Place,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars().peekable(),
            place: Place { line: 1, column: 1 },
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        if next == '\n' {
            self.place.line = self.place.line.saturating_add(1);
            self.place.column = 1;
        } else {
            self.place.column = self.place.column.saturating_add(1);
        }
        Some(next)
    }

    /// Takes a character, if it is the next one.
    fn takes(&mut self, wanted: char) -> bool {
        self.peek() == Some(wanted) && self.next().is_some()
    }

    /// White space and comments.
    fn skip(&mut self) {
        while let Some(next) = self.peek() {
            if next == '#' {
                while self.next().is_some_and(|next| next != '\n') {}
            } else if next.is_ascii_whitespace() {
                self.next();
            } else {
                return;
            }
        }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        let part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+');
        while let Some(next) = self.rest.peek().copied().filter(part) {
            word.push(next);
            self.next();
        }
        word
    }

    fn refuse<T>(&self, problem: impl Into<String>) -> Result<T, Malformed> {
        Err(Malformed {
            place: self.place,
            problem: problem.into(),
        })
    }

    /// Fields up to the end of their message, or of the text.
    fn message(
        &mut self,
        end: Option<char>,
        place: Place,
        depth: usize,
    ) -> Result<Node, Malformed> {
        if depth > MAX_DEPTH {
            return self.refuse("messages nest too deep");
        }
        let mut members: Vec<(Key, Node)> = Vec::new();
        loop {
            self.skip();
            match self.peek() {
                next if next == end => {
                    self.next();
                    break;
                }
                None => return self.refuse("the text ends in the middle of a message"),
                Some(_) => {}
            }
            let key = self.name()?;
            self.skip();
            let colon = self.takes(':');
            self.skip();
            let node = self.value(colon, depth)?;
            self.skip();
            if matches!(self.peek(), Some(',' | ';')) {
                self.next();
            }
            add(&mut members, key, node);
        }
        Ok(Node {
            place,
            value: Value::Map(members),
        })
    }

    /// The name of a field, or of the type of an `Any` in brackets.
    fn name(&mut self) -> Result<Key, Malformed> {
        let place = self.place;
        let text = if self.takes('[') {
            let mut url = String::from("[");
            loop {
                match self.next() {
                    Some(']') => break url,
                    Some(next) if next != '\n' => url.push(next),
                    _ => return self.refuse("the name of a type ends with `]`"),
                }
            }
        } else {
            self.word()
        };
        match text.is_empty() {
            true => self.refuse("a field begins with its name"),
            false => Ok(Key { place, text }),
        }
    }

    fn value(&mut self, colon: bool, depth: usize) -> Result<Node, Malformed> {
        let place = self.place;
        let close = match self.peek() {
            Some('{') => Some('}'),
            Some('<') => Some('>'),
            Some('[') => None,
            _ if colon => return self.scalar(),
            _ => return self.refuse("a `:` or a message is missing behind the name of a field"),
        };
        self.next();
        if close.is_some() {
            return self.message(close, place, depth.saturating_add(1));
        }
        let mut items = Vec::new();
        loop {
            self.skip();
            if self.takes(']') {
                break;
            }
            items.push(self.value(true, depth.saturating_add(1))?);
            self.skip();
            if !self.takes(',') && self.peek() != Some(']') {
                return self.refuse("a `,` or `]` is missing");
            }
            if depth > MAX_DEPTH {
                return self.refuse("lists nest too deep");
            }
        }
        Ok(Node {
            place,
            value: Value::List(items),
        })
    }

    fn scalar(&mut self) -> Result<Node, Malformed> {
        let place = self.place;
        let (text, style) = match self.peek() {
            Some('"' | '\'') => (self.texts()?, Style::Quoted),
            _ => (self.word(), Style::Plain),
        };
        if style == Style::Plain && text.is_empty() {
            return self.refuse("a value is missing");
        }
        Ok(Node {
            place,
            value: Value::Scalar { text, style },
        })
    }

    /// Texts in quotes, one after another, which are one.
    fn texts(&mut self) -> Result<String, Malformed> {
        let mut bytes = Vec::new();
        while let Some(quote @ ('"' | '\'')) = self.peek() {
            self.next();
            loop {
                match self.next() {
                    Some(next) if next == quote => break,
                    Some('\\') => self.escape(&mut bytes)?,
                    Some(next) if next != '\n' => {
                        bytes.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    _ => return self.refuse("the text has no end on its line"),
                }
            }
            self.skip();
        }
        String::from_utf8(bytes).or_else(|_| self.refuse("the text is not UTF-8"))
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), Malformed> {
        let plain = match self.peek() {
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('a') => 7,
            Some('b') => 8,
            Some('f') => 12,
            Some('v') => 11,
            Some(same @ ('\\' | '\'' | '"' | '?')) => u8::try_from(same).unwrap_or(b'?'),
            Some('x' | 'X') => {
                self.next();
                bytes.push(u8::try_from(self.digits(16, 2)?).unwrap_or(u8::MAX));
                return Ok(());
            }
            Some(kind @ ('u' | 'U')) => {
                self.next();
                let most = if kind == 'u' { 4 } else { 8 };
                let Some(c) = char::from_u32(self.digits(16, most)?) else {
                    return self.refuse("this escape is no character");
                };
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            Some('0'..='7') => {
                bytes.push(u8::try_from(self.digits(8, 3)? & 0xff).unwrap_or(u8::MAX));
                return Ok(());
            }
            _ => return self.refuse("there is no such escape"),
        };
        self.next();
        bytes.push(plain);
        Ok(())
    }

    /// The number that at most so many digits are.
    fn digits(&mut self, radix: u32, most: usize) -> Result<u32, Malformed> {
        let mut number = None;
        for _ in 0..most {
            let Some(digit) = self.peek().and_then(|next| next.to_digit(radix)) else {
                break;
            };
            self.next();
            let before = number.unwrap_or(0_u32).saturating_mul(radix);
            number = Some(before.saturating_add(digit));
        }
        number.map_or_else(|| self.refuse("an escape has no digits"), Ok)
    }
}

/// Adds a field; one that is there already is a list with the new value behind.
fn add(members: &mut Vec<(Key, Node)>, key: Key, node: Node) {
    let Some((_, known)) = members.iter_mut().find(|(known, _)| known.text == key.text) else {
        members.push((key, node));
        return;
    };
    let list = |node: Node| match node.value {
        Value::List(items) => items,
        _ => vec![node],
    };
    let mut items = list(known.clone());
    items.append(&mut list(node));
    known.value = Value::List(items);
}

/// A message in the form that it has in JSON.
fn message(node: &Node, message: &Message) -> Node {
    let members = node.members().iter().map(|(key, value)| {
        let value = match message.field(&key.text) {
            Some(field) if field.shape == Shape::Map => map(value, &field.kind),
            Some(field) => each(value, &|value| of_kind(value, &field.kind)),
            None => value.clone(),
        };
        (key.clone(), value)
    });
    match node.value {
        Value::Map(_) => with(node, Value::Map(members.collect())),
        _ => node.clone(),
    }
}

fn with(node: &Node, value: Value) -> Node {
    Node {
        place: node.place,
        value,
    }
}

/// A value, or each of several.
fn each(node: &Node, of: &dyn Fn(&Node) -> Node) -> Node {
    match &node.value {
        Value::List(items) => with(node, Value::List(items.iter().map(of).collect())),
        _ => of(node),
    }
}

fn of_kind(node: &Node, kind: &Kind) -> Node {
    let Kind::Message(name) = kind else {
        return node.clone();
    };
    match name.as_str() {
        "google.protobuf.Any" => any(node),
        "google.protobuf.Struct" => structure(node),
        name => match api::message(name) {
            Some(inner) => message(node, inner),
            None => node.clone(),
        },
    }
}

/// Entries with `key` and `value` as a mapping.
fn map(node: &Node, kind: &Kind) -> Node {
    let entries = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let members = entries.iter().filter_map(|entry| {
        let key = entry.member("key")?;
        let key = Key {
            place: key.place,
            text: key.text()?.to_owned(),
        };
        let null = Node::from_json(&serde_json::Value::Null, entry.place);
        Some((key, of_kind(entry.member("value").unwrap_or(&null), kind)))
    });
    with(node, Value::Map(members.collect()))
}

/// `{ [type.googleapis.com/NAME] { … } }` with its `@type`.
fn any(node: &Node) -> Node {
    let [(key, inner)] = node.members() else {
        return node.clone();
    };
    let Some(url) = key.text.strip_prefix('[') else {
        return node.clone();
    };
    let kind = Node {
        place: key.place,
        value: Value::Scalar {
            text: url.to_owned(),
            style: Style::Quoted,
        },
    };
    let named = |place, text: &str| Key {
        place,
        text: text.to_owned(),
    };
    let mut members = vec![(named(key.place, "@type"), kind)];
    match type_name(url) {
        "google.protobuf.Struct" => {
            members.push((named(inner.place, "value"), structure(inner)));
        }
        name => {
            let read = api::message(name).map(|known| message(inner, known));
            members.extend_from_slice(read.as_ref().unwrap_or(inner).members());
        }
    }
    with(node, Value::Map(members))
}

/// A `Struct` as the mapping that it stands for.
fn structure(node: &Node) -> Node {
    let fields = node.member("fields");
    let whole = fields.map(|fields| {
        let entries = map(fields, &Kind::Text);
        let members = entries.members().iter();
        Value::Map(
            members
                .map(|(key, value)| (key.clone(), free(value)))
                .collect(),
        )
    });
    with(node, whole.unwrap_or_else(|| Value::Map(Vec::new())))
}

/// A `google.protobuf.Value`.
fn free(node: &Node) -> Node {
    match node.members() {
        [(key, value)] => match key.text.as_str() {
            "struct_value" => structure(value),
            "list_value" => {
                let null = Node::from_json(&serde_json::Value::Null, value.place);
                let items = value.member("values").unwrap_or(&null);
                match &items.value {
                    Value::List(_) => each(items, &free),
                    _ if items.is_null() => with(items, Value::List(Vec::new())),
                    _ => with(items, Value::List(vec![free(items)])),
                }
            }
            "null_value" => Node::from_json(&serde_json::Value::Null, value.place),
            _ => value.clone(),
        },
        _ => node.clone(),
    }
}
