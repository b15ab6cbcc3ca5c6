//! YAML that remembers where each value stands.
//!
//! Scenario files and Envoy configurations are read into [`Node`]s, so that every complaint names a
//! line and a column. Scalars keep their text and are typed (YAML 1.2 core schema) only when
//! somebody asks. Duplicate keys are refused; anchors and aliases work; a key tagged `!ignore` is
//! left out, as Envoy does; other tags are read past, as there, and several documents where one is
//! expected. Depth and size are bounded. What yaml-cpp (Envoy) and libyaml take beyond the
//! specification is taken too, as far as it is met: see `lenient`.

mod de;
mod flow;
mod lenient;
pub mod read;
pub mod schema;
pub mod shape;
pub mod write;

use std::collections::HashMap;
use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::Value as Json;

/// How deep lists and mappings may nest.
const MAX_DEPTH: usize = 96;
/// How many values a document may hold, aliases counted as what they stand for.
const MAX_NODES: usize = 1_000_000;

/// A place in a file; both numbers count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why a text is not the YAML that we read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for YamlError {}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A scalar.
    Scalar {
        /// The text.
        text: String,
        /// How it was written.
        style: Style,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in its written order.
    Map(Vec<(Key, Node)>),
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: it may be a number, a boolean or null.
    Plain,
    /// In quotes.
    Quoted,
    /// As a literal block (`|`): its lines are the lines of the file after the one it begins on.
    Block,
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Where it stands.
    pub place: Place,
    /// Its text.
    pub text: String,
}

impl Node {
    /// Reads one document; an empty text is null.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        let nodes = lenient::read(text, |text| Ok(vec![Loader::new(text).document()?]))?;
        nodes
            .into_iter()
            .next()
            .ok_or_else(|| refuse(Place::default(), "no document"))
    }

    /// Reads every document of a text; an empty one is null.
    pub fn documents(text: &str) -> Result<Vec<Self>, YamlError> {
        lenient::read(text, |text| Loader::new(text).documents())
    }

    /// The text of a quoted scalar or of a plain one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether it is null (`null`, `~` or nothing at all).
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, style: Style::Plain } if is_null(text))
    }

    /// The value of a member.
    pub fn member(&self, name: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(members) => members
                .iter()
                .find(|(key, _)| key.text == name)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// The items of a sequence; nothing for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The members of a mapping; nothing for anything else.
    pub fn members(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(members) => members,
            _ => &[],
        }
    }

    /// As JSON, typed by the YAML 1.2 core schema. Infinities and NaN, which JSON does not have,
    /// stay text.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Scalar {
                text,
                style: Style::Quoted | Style::Block,
            } => Json::String(text.clone()),
            Value::Scalar {
                text,
                style: Style::Plain,
            } => scalar(text),
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(members) => Json::Object(
                members
                    .iter()
                    .map(|(key, node)| (key.text.clone(), node.to_json()))
                    .collect(),
            ),
        }
    }

    /// JSON as nodes that all stand at `place`.
    pub fn from_json(json: &Json, place: Place) -> Self {
        let plain = |text: String| Value::Scalar {
            text,
            style: Style::Plain,
        };
        let value = match json {
            Json::Null => plain("null".into()),
            Json::Bool(value) => plain(value.to_string()),
            Json::Number(number) => plain(number.to_string()),
            Json::String(text) => Value::Scalar {
                text: text.clone(),
                style: Style::Quoted,
            },
            Json::Array(items) => Value::List(
                items
                    .iter()
                    .map(|item| Self::from_json(item, place))
                    .collect(),
            ),
            Json::Object(members) => Value::Map(
                members
                    .iter()
                    .map(|(name, value)| {
                        (
                            Key {
                                place,
                                text: name.clone(),
                            },
                            Self::from_json(value, place),
                        )
                    })
                    .collect(),
            ),
        };
        Self { place, value }
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A plain scalar as JSON.
fn scalar(text: &str) -> Json {
    match text {
        _ if is_null(text) => return Json::Null,
        "true" | "True" | "TRUE" => return Json::Bool(true),
        "false" | "False" | "FALSE" => return Json::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let text = text.strip_prefix('+').unwrap_or(text);
        if let Ok(number) = text.parse::<i64>() {
            return number.into();
        }
        if let Ok(number) = text.parse::<u64>() {
            return number.into();
        }
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(number) = text
            .strip_prefix(prefix)
            .and_then(|digits| u64::from_str_radix(digits, radix).ok())
        {
            return number.into();
        }
    }
    let numeric = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    if numeric
        && let Ok(number) = text.parse::<f64>()
        && let Some(number) = serde_json::Number::from_f64(number)
    {
        return Json::Number(number);
    }
    Json::String(text.to_owned())
}

/// The tab that the parser complains of at the beginning of the text before it: the first one that
/// indents a line behind `at`.
fn tab_behind(text: &str, at: Place) -> Option<Place> {
    let indented = |line: &str| {
        let mut indent = line.chars().take_while(|letter| letter.is_whitespace());
        indent.position(|letter| letter == '\t')
    };
    let mut lines = text.lines().zip(1..).skip(at.line.checked_sub(1)?);
    let (line, _) = lines.next()?;
    let mut rest = line.chars().skip(at.column.saturating_sub(1));
    if rest.any(|letter| letter == '\t') {
        return None;
    }
    let (tab, line) = lines.find_map(|(line, number)| Some((indented(line)?, number)))?;
    let column = tab.checked_add(1)?;
    Some(Place { line, column })
}

struct Loader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    text: &'a str,
    open: flow::Open,
}

impl<'a> Loader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            anchors: HashMap::new(),
            nodes: 0,
            text,
            open: flow::Open::default(),
        }
    }

    fn event(&mut self) -> Result<(Event<'a>, Place), YamlError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let at = place(span);
                self.open.note(&event, at, self.text)?;
                Ok((event, at))
            }
            Some(Err(error)) => {
                let at = Place {
                    line: error.marker().line(),
                    column: error.marker().col().saturating_add(1),
                };
                let tab = error
                    .info()
                    .contains("tab")
                    .then(|| tab_behind(self.text, at));
                Err(refuse(tab.flatten().unwrap_or(at), error.info()))
            }
            None => Ok((Event::StreamEnd, Place::default())),
        }
    }

    fn document(self) -> Result<Node, YamlError> {
        let mut documents = self.documents()?;
        match documents.get(1) {
            Some(second) => Err(refuse(
                second.place,
                "a second document: one file holds one document",
            )),
            None => Ok(documents.swap_remove(0)),
        }
    }

    /// All documents, at least one.
    fn documents(mut self) -> Result<Vec<Node>, YamlError> {
        let mut roots = Vec::new();
        loop {
            let (event, at) = self.event()?;
            match event {
                Event::StreamEnd => break,
                // An anchor is known in its own document only.
                Event::DocumentStart(_) => self.anchors.clear(),
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                event => roots.push(self.node(event, at, 0)?),
            }
        }
        if roots.is_empty() {
            let value = Value::Scalar {
                text: String::new(),
                style: Style::Plain,
            };
            let place = Place { line: 1, column: 1 };
            roots.push(Node { place, value });
        }
        Ok(roots)
    }

    fn node(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node, YamlError> {
        self.count(place, 1)?;
        if depth > MAX_DEPTH {
            return Err(refuse(place, "nested too deep"));
        }
        let (anchor, value) = match event {
            Event::Alias(anchor) => {
                let node = self
                    .anchors
                    .get(&anchor)
                    .cloned()
                    .ok_or_else(|| refuse(place, "an alias of something that is still open"))?;
                self.count(place, size(&node))?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let mut style = match style {
                    ScalarStyle::Plain if text.starts_with(['|', '>']) => {
                        return Err(refuse(place, "a block of text cannot stand here"));
                    }
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::Literal => Style::Block,
                    _ => Style::Quoted,
                };
                // A lone `!` says that it is a text. Envoy reads past all others, and past what
                // quotes say: to it `!!str 5` and `!!int "5"` are numbers.
                style = match (tag, style) {
                    (Some(tag), _) if is_text(&tag) => Style::Quoted,
                    (Some(_), Style::Quoted) => Style::Plain,
                    (_, style) => style,
                };
                (
                    anchor,
                    Value::Scalar {
                        text: text.into_owned(),
                        style,
                    },
                )
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    let (event, at) = self.event()?;
                    if event == Event::SequenceEnd {
                        break;
                    }
                    items.push(self.node(event, at, depth.saturating_add(1))?);
                }
                (anchor, Value::List(items))
            }
            Event::MappingStart(anchor, _) => (anchor, Value::Map(self.members(depth)?)),
            other => return Err(refuse(place, &format!("unexpected {other:?}"))),
        };
        let node = Node { place, value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn members(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, YamlError> {
        let mut members: Vec<(Key, Node)> = Vec::new();
        let mut seen = HashMap::new();
        loop {
            let (event, at) = self.event()?;
            let (text, ignored) = match event {
                Event::MappingEnd => return Ok(members),
                Event::Scalar(text, _, _, tag) => {
                    (text.into_owned(), tag.is_some_and(|tag| is_ignored(&tag)))
                }
                _ => return Err(refuse(at, "a key must be a plain or quoted text")),
            };
            if let Some(before) = seen.insert(text.clone(), at) {
                return Err(refuse(
                    at,
                    &format!("the key {text:?} stands twice, first at {before}"),
                ));
            }
            let (event, value_at) = self.event()?;
            let value = self.node(event, value_at, depth.saturating_add(1))?;
            if !ignored {
                members.push((Key { place: at, text }, value));
            }
        }
    }

    fn count(&mut self, at: Place, more: usize) -> Result<(), YamlError> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > MAX_NODES {
            Err(refuse(at, "the document is too large"))
        } else {
            Ok(())
        }
    }
}

/// Whether a tag is a lone `!`.
fn is_text(tag: &saphyr_parser::Tag) -> bool {
    matches!(
        (tag.handle.as_str(), tag.suffix.as_str()),
        ("", "!") | ("!", "")
    )
}

/// Whether a key is there for its anchors only, as in Envoy (`!ignore templates: { a: &a … }`).
fn is_ignored(tag: &saphyr_parser::Tag) -> bool {
    tag.handle == "!" && tag.suffix == "ignore"
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::Scalar { .. } => 1,
        Value::List(items) => items
            .iter()
            .fold(1, |sum: usize, item| sum.saturating_add(size(item))),
        Value::Map(members) => members
            .iter()
            .fold(1, |sum: usize, (_, value)| sum.saturating_add(size(value))),
    }
}

fn place(span: Span) -> Place {
    Place {
        line: span.start.line(),
        column: span.start.col().saturating_add(1),
    }
}

fn refuse(place: Place, message: &str) -> YamlError {
    YamlError {
        place,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_are_typed_by_the_core_schema() {
        let text = "{a: 1, b: -2.5, c: yes, d: true, e: ~, f: '1', g: 1.2.3, h: 0x1f, i: 2026-01-01, j: 18446744073709551615, k: 1e3, l: -x, m: 00x}";
        let node = Node::parse(text).unwrap();
        let want = json!({"a": 1, "b": -2.5, "c": "yes", "d": true, "e": null, "f": "1", "g": "1.2.3", "h": 31, "i": "2026-01-01",
                          "j": u64::MAX, "k": 1000.0, "l": "-x", "m": "00x"});
        assert_eq!(node.to_json(), want);
    }

    #[test]
    fn places_count_from_one() {
        let node = Node::parse("a:\n  b: [1,\n    x]\n").unwrap();
        let list = node.member("a").and_then(|a| a.member("b")).unwrap();
        assert_eq!(
            (list.place, list.items()[1].place),
            (Place { line: 2, column: 6 }, Place { line: 3, column: 5 })
        );
    }

    #[test]
    fn a_tab_is_reported_where_it_stands() {
        for (text, line, column) in [
            ("a:\n  b: 1\n\tc: 2\n", 3, 1),
            ("a:\n  b: 1\n\n \tc: 2\n", 4, 2),
            ("a:\n\tb: 1\n", 2, 2),
        ] {
            let error = Node::parse(text).unwrap_err();
            assert_eq!(error.place, Place { line, column }, "{text:?}: {error}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        let error = Node::parse("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!(error.place, Place { line: 3, column: 1 });
        assert!(error.message.contains("twice"), "{error}");
    }

    #[test]
    fn aliases_stand_for_their_anchor_and_cannot_blow_up() {
        assert_eq!(
            Node::parse("a: &x [1, 2]\nb: *x\n").unwrap().to_json(),
            json!({"a": [1, 2], "b": [1, 2]})
        );
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..12 {
            let before = level - 1;
            let list = vec![format!("*a{before}"); 10].join(",");
            bomb.push_str(&format!("a{level}: &a{level} [{list}]\n"));
        }
        assert!(
            Node::parse(&bomb)
                .unwrap_err()
                .message
                .contains("too large")
        );
        assert!(Node::parse(&"[".repeat(5000)).is_err());
    }

    #[test]
    fn a_second_document_is_refused() {
        assert!(
            Node::parse("---\na: 1\n---\nb: 1\n")
                .unwrap_err()
                .message
                .contains("second document")
        );
        assert!(Node::parse("").unwrap().is_null());
    }

    #[test]
    fn documents_are_read_one_by_one_and_share_no_anchors() {
        let documents = Node::documents("---\na: &x 1\n---\nb: 2\n...\n").unwrap();
        assert_eq!(
            documents.iter().map(Node::to_json).collect::<Vec<_>>(),
            [json!({"a": 1}), json!({"b": 2})]
        );
        assert_eq!(documents[1].place.line, 4);
        assert!(Node::documents("a: &x 1\n---\nb: *x\n").is_err());
        assert_eq!(Node::documents("").unwrap().len(), 1);
    }

    #[test]
    fn an_ignored_key_is_there_for_its_anchors() {
        let node = Node::parse("!ignore t: { a: &a [1] }\nb: *a\n").unwrap();
        assert_eq!(node.to_json(), json!({"b": [1]}));
    }

    #[test]
    fn json_makes_the_way_there_and_back() {
        let json = json!({"a": [1, "1", null, true, {"b": "null"}], "c": 1.5});
        assert_eq!(Node::from_json(&json, Place::default()).to_json(), json);
    }
}
