//! What a value of a JSON document is called: by its member, or, where that name says nothing, by
//! what stands around it.
//!
//! `{"card":{"number":4111111111111111}}` is called `card.number`,
//! `{"type":"SSN","value":"308630237"}` `SSN.value`, in either order, and a cell of
//! `{"columns":["name","ssn"],"data":[["ann","308630237"]]}` by its column, and an element of
//! `{"inputs":[{"name":"ssn","data":["308630237"]}]}` by its tensor. A number that answers a
//! question (`"What is your SSN?"`, the message before) is called by that. All of it is read in one
//! pass, and names are bounded.

use crate::detect::LABEL;
use core::ops::Range;
use modelgate_kit::json::{Path, Segment, Text};
use std::borrow::Cow;

/// Longest part of a label besides the last.
const PART: usize = 40;
/// Most parts.
const MOST_PARTS: usize = 3;
/// Most bytes between the end of a value that names and the beginning of the value that it names.
const REACH: usize = 64;
/// Longest end of a question that is read, and most bytes between it and its answer.
const QUESTION: usize = 48;
const TURN: usize = 96;
/// Most columns that are known by name.
const MOST_COLUMNS: usize = 128;

/// Names that say nothing of what their values are.
pub fn says_nothing(name: &str) -> bool {
    matches!(
        name,
        "number"
            | "numbers"
            | "Number"
            | "num"
            | "no"
            | "nr"
            | "value"
            | "values"
            | "Value"
            | "val"
            | "raw"
            | "digits"
            | "string"
            | "S"
            | "N"
            | "v"
            | "_"
            | "$t"
            | "#text"
            | "_text"
            | "stringValue"
            | "string_value"
            | "plaintext"
    )
}

/// The end of a path's names, each behind a dot, that says what a value is.
pub fn tail(names: &str) -> &str {
    let mut from = names.len();
    for _ in 0..MOST_PARTS {
        let Some((before, name)) = names.get(..from).and_then(|names| names.rsplit_once('.'))
        else {
            break;
        };
        from = before.len();
        if !says_nothing(name) {
            break;
        }
    }
    names.get(from..).unwrap_or_default()
}

/// Names of members that tell what the value beside them is.
fn names_another(name: &str) -> bool {
    matches!(
        name,
        "type"
            | "Type"
            | "name"
            | "Name"
            | "key"
            | "Key"
            | "label"
            | "Label"
            | "kind"
            | "field"
            | "title"
            | "attribute"
            | "property"
    )
}

/// Names of members that hold what somebody says.
fn says(name: &str) -> bool {
    matches!(
        name,
        "content" | "text" | "answer" | "a" | "value" | "response" | "reply" | "message" | "input"
    )
}

/// The string without escapes at the front of `text`, and what stands behind it.
fn quoted(text: &[u8]) -> Option<(&str, &[u8])> {
    let text = text.trim_ascii_start().strip_prefix(b"\"")?;
    let (string, behind) = text.split_at_checked(memchr::memchr2(b'"', b'\\', text)?)?;
    Some((
        core::str::from_utf8(string).ok()?,
        behind.strip_prefix(b"\"")?,
    ))
}

/// Names of the columns of a table, and of its rows.
fn holds_columns(name: &str) -> bool {
    matches!(
        name,
        "columns" | "column_names" | "header" | "headers" | "fields" | "feature_names"
    )
}

fn holds_rows(name: &str) -> bool {
    matches!(name, "data" | "rows" | "records" | "values" | "instances")
}

/// The lists of tensors in the Open Inference Protocol.
fn holds_tensors(name: &str) -> bool {
    matches!(name, "inputs" | "outputs")
}

/// Where a tensor stands: depth of its members, and its number in its list.
type Place = (usize, usize);

/// The tensor that a path leads into, if it leads to its `data` or its `name`, and which it is.
fn in_tensor<'a>(path: &Path<'_, 'a>) -> Option<(Place, Text<'a>)> {
    let mut steps = path
        .segments()
        .enumerate()
        .skip_while(|(_, step)| match step {
            Segment::Member(name) => !holds_tensors(name.raw()),
            Segment::Index(_) => true,
        });
    steps.next()?;
    let (at, Segment::Index(number)) = steps.next()? else {
        return None;
    };
    match steps.next()? {
        (_, Segment::Member(name)) => Some(((at, number), name)),
        (_, Segment::Index(_)) => None,
    }
}

/// Reads the names of one document as they come.
#[derive(Debug)]
pub struct Labels<'a> {
    document: &'a [u8],
    /// A value that names the one behind it, and where it ends.
    beside: Option<(Text<'a>, usize)>,
    /// A question, and where it ends.
    asked: Option<(Text<'a>, usize)>,
    /// The depth of a table's columns, and their names.
    columns: (usize, Vec<Text<'a>>),
    /// The name of a tensor, and where it stands.
    tensor: Option<(Place, Text<'a>)>,
}

impl<'a> Labels<'a> {
    /// Of this document.
    pub const fn of(document: &'a [u8]) -> Self {
        Self {
            document,
            beside: None,
            asked: None,
            columns: (0, Vec::new()),
            tensor: None,
        }
    }

    /// What the value at this path is called that stands at `span`.
    pub fn label(&self, path: &Path<'_, 'a>, span: Range<usize>) -> Cow<'a, str> {
        let Some(name) = path.last_member() else {
            return Cow::default();
        };
        if let Some(column) = self.column(path) {
            return column.decode_end(LABEL);
        }
        if let Some(tensor) = self.tensor(path) {
            return tensor.decode_end(LABEL);
        }
        if let Some(question) = self.asked(name.raw(), span.start) {
            return question.decode_end(QUESTION);
        }
        if !says_nothing(name.raw()) {
            return name.decode_end(LABEL);
        }
        let mut parts = Vec::with_capacity(MOST_PARTS);
        let members = path.segments().rev().filter_map(|step| match step {
            Segment::Member(name) => Some(name),
            Segment::Index(_) => None,
        });
        for name in members.take(MOST_PARTS) {
            parts.push(name.decode_end(PART));
            if !says_nothing(name.raw()) {
                break;
            }
        }
        match self.beside(span.start) {
            Some(name) => parts.push(name.decode_end(PART)),
            None => parts.extend(self.behind(span.end).map(Cow::Borrowed)),
        }
        parts.reverse();
        Cow::Owned(parts.join("."))
    }

    /// Takes notice of a string at this path.
    pub fn note(&mut self, path: &Path<'_, 'a>, text: Text<'a>) {
        let short = text.raw().len() <= PART;
        if text.raw().ends_with(['?', ':']) {
            self.asked = Some((text, text.span().end));
        }
        if let Some((place, member)) = in_tensor(path)
            && member.raw() == "name"
        {
            self.tensor = Some((place, text));
        }
        match path.segments().next_back() {
            Some(Segment::Member(name)) if short && names_another(name.raw()) => {
                self.beside = Some((text, text.span().end));
            }
            Some(Segment::Index(index)) if self.is_in(path, 1, holds_columns) => {
                if index == 0 {
                    self.columns = (path.depth(), Vec::new());
                }
                let (depth, columns) = &mut self.columns;
                if *depth == path.depth() && columns.len() == index && index < MOST_COLUMNS {
                    columns.push(text);
                }
            }
            _ => {}
        }
    }

    /// Whether the member so many steps above the innermost one has such a name.
    fn is_in(&self, path: &Path<'_, 'a>, above: usize, such: fn(&str) -> bool) -> bool {
        matches!(path.segments().rev().nth(above), Some(Segment::Member(name)) if such(name.raw()))
    }

    /// What the tensor is called whose data the path leads into.
    fn tensor(&self, path: &Path<'_, 'a>) -> Option<Text<'a>> {
        let (place, name) = self.tensor?;
        let (at, member) = in_tensor(path)?;
        (at == place && member.raw() == "data").then_some(name)
    }

    fn column(&self, path: &Path<'_, 'a>) -> Option<Text<'a>> {
        let (depth, columns) = &self.columns;
        if columns.is_empty() || path.depth() != depth.saturating_add(1) {
            return None;
        }
        match path.segments().next_back() {
            Some(Segment::Index(index)) if self.is_in(path, 2, holds_rows) => {
                columns.get(index).copied()
            }
            _ => None,
        }
    }

    /// The question that the number answers which begins at `start`, below a name of what is said.
    fn asked(&self, name: &str, start: usize) -> Option<Text<'a>> {
        let (question, end) = self.asked?;
        let near = start.saturating_sub(end) <= TURN;
        let number = self.document.get(start).is_some_and(u8::is_ascii_digit);
        (near && number && says(name)).then_some(question)
    }

    /// The value that names the one which begins at `start`: no object begins or ends between.
    fn beside(&self, start: usize) -> Option<Text<'a>> {
        let (name, end) = self.beside?;
        let between = self.document.get(end..start)?;
        let apart = |byte: &u8| matches!(byte, b'{' | b'}' | b'[' | b']');
        (between.len() <= REACH && !between.iter().any(apart)).then_some(name)
    }

    /// The value, in the same object, that names the one which ends at `end`:
    /// `"308630237","type":"SSN"`. What is written with escapes names nothing.
    fn behind(&self, end: usize) -> Option<&'a str> {
        let rest = self.document.get(end..)?;
        let rest = rest.get(..rest.len().min(REACH)).unwrap_or_default();
        let mut rest = rest.strip_prefix(b"\"").unwrap_or(rest);
        loop {
            rest = rest.trim_ascii_start().strip_prefix(b",")?;
            let (name, behind) = quoted(rest)?;
            rest = behind.trim_ascii_start().strip_prefix(b":")?;
            if let Some((value, behind)) = quoted(rest) {
                if names_another(name) {
                    return (value.len() <= PART).then_some(value);
                }
                rest = behind;
            } else {
                let scalar = |byte: &u8| !matches!(byte, b',' | b'{' | b'}' | b'[' | b']' | b'"');
                let length = rest.iter().take_while(|byte| scalar(byte)).count();
                rest = rest.get(length..)?;
            }
        }
    }
}
