//! The texts of a message in Protocol Buffers (the encoding document of protobuf.dev), read and
//! written anew with the lengths around them.
//!
//! Of the services that [`services`] knows each field is read for what it is. Of others a field
//! with a length (wire type 2) tells by its bytes: UTF-8 without control characters is a text,
//! fields in a row are a message, and the rest is neither. What may be both is a message if nearly
//! all of it is texts and nothing that is looked for goes over their ends. Numbers are not looked
//! at: nothing calls them.
//!
//! The texts are given as a document of JSON with the names of the fields, so that they are read
//! with their context, and as pieces of running texts, like everybody else's.

pub mod services;

use crate::document::LIMITS;
use crate::mask::Masker;
use crate::tensors::Kind;
use core::ops::Range;
use modelgate_kit::json::{Token, Walker, escape_into};
use services::{Field, Fields};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

/// How deep messages may stand in one another; what is deeper is no message.
const MOST_DEPTH: usize = 20;

/// A message that has been read.
#[derive(Debug, Default)]
pub struct Message {
    nodes: Vec<Node>,
    /// It has bytes that are neither text nor a message nor known to be numbers.
    opaque: bool,
}

/// Something with a length.
#[derive(Debug)]
struct Node {
    /// Where its length is written.
    length: Range<usize>,
    content: Range<usize>,
    key: Key,
    inside: Inside,
}

#[derive(Debug)]
enum Inside {
    Text,
    /// A text behind its length in four bytes, little-endian.
    Element,
    Message(Vec<Node>),
    /// The elements of a BYTES tensor.
    Elements(Vec<Node>),
}

/// What a field is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// Its number, where nothing else is known.
    Number(u64),
    Known(&'static str),
    /// What stands beside it calls it so.
    Called(Rc<str>),
}

/// A message while it is read.
#[derive(Default)]
struct Reading {
    nodes: Vec<Node>,
    opaque: bool,
    /// It has a field of four or eight bytes.
    fixed: bool,
    /// Bytes of its texts.
    texts: usize,
}

/// A field as it is written.
struct Wire {
    number: u64,
    kind: u8,
    /// Where its length is written, if it has one.
    length: Range<usize>,
    content: Range<usize>,
}

impl Message {
    /// Reads a message; none if it is not one. `fields` is what is known of it.
    pub fn read(bytes: &[u8], fields: Option<Fields>, masker: &Masker) -> Option<Self> {
        let reader = Reader { bytes, masker };
        let read = reader.message(0..bytes.len(), fields, None, 0, false)?;
        Some(Self {
            nodes: read.nodes,
            opaque: read.opaque,
        })
    }

    /// Whether it has bytes that nobody can read.
    pub const fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// Its texts as a document, in the order of their bytes.
    pub fn json(&self, bytes: &[u8]) -> String {
        let mut out = String::new();
        object(bytes, &self.nodes, &mut out);
        out
    }

    /// The message with the texts of this document, which [`Message::json`] has given; none if they
    /// are not as many.
    pub fn with(&self, bytes: &[u8], json: &str) -> Option<Vec<u8>> {
        let mut texts = Vec::new();
        let mut walker = Walker::new(json.as_bytes(), LIMITS).ok()?;
        while let Some(token) = walker.next_token().ok()? {
            if let Token::String(text) = token {
                texts.push(text.decode());
            }
        }
        let mut texts = texts.into_iter();
        let mut next = || Some(texts.next()?.into_owned().into_bytes());
        let mut out = Vec::with_capacity(bytes.len());
        write(bytes, 0..bytes.len(), &self.nodes, &mut next, &mut out)?;
        next().is_none().then_some(out)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    masker: &'a Masker,
}

impl Reader<'_> {
    /// Reads a message; none if these bytes are none. `called` is what stands around it calls it;
    /// `within` says that it stands in something that may be a text.
    fn message(
        &self,
        span: Range<usize>,
        fields: Option<Fields>,
        called: Option<&Rc<str>>,
        depth: usize,
        within: bool,
    ) -> Option<Reading> {
        if depth > MOST_DEPTH {
            return None;
        }
        let tensors = self.tensors(&span, fields)?;
        let mut tensors = tensors.iter();
        let mut read = Reading::default();
        let mut at = span.start;
        while at < span.end {
            let wire = wire(self.bytes, at, span.end)?;
            at = wire.content.end;
            read.fixed |= matches!(wire.kind, 1 | 5);
            if wire.kind != LENGTH {
                continue;
            }
            match known(fields, wire.number) {
                // One that is empty is the tensor of its place all the same.
                Some(Field::Raw(_)) if wire.content.is_empty() => drop(tensors.next()?),
                _ if wire.content.is_empty() => {}
                Some(Field::Numbers) => {}
                Some(Field::Text(name)) => {
                    read.text(self.bytes, wire, Key::Known(name));
                }
                Some(Field::Called) => {
                    let key =
                        called.map_or(Key::Known("data"), |name| Key::Called(Rc::clone(name)));
                    read.text(self.bytes, wire, key);
                }
                Some(Field::Message(name, inner)) => {
                    let content = wire.content.clone();
                    let inner = self.message(
                        content,
                        Some(inner),
                        called,
                        depth.saturating_add(1),
                        within,
                    )?;
                    read.inner(wire, Key::Known(name), inner);
                }
                Some(Field::Named(name, inner)) => {
                    let content = wire.content.clone();
                    let called = self.name_in(&content);
                    let depth = depth.saturating_add(1);
                    let inner =
                        self.message(content, Some(inner), called.as_ref(), depth, within)?;
                    read.inner(wire, Key::Known(name), inner);
                }
                Some(Field::Raw(_)) => {
                    let (name, kind) = tensors.next()?;
                    match kind {
                        Kind::Numbers => {}
                        Kind::Bytes => self.elements(wire, name, &mut read)?,
                        Kind::Unknown => return None,
                    }
                }
                None => self.unknown(wire, depth, within, &mut read),
            }
        }
        Some(read)
    }

    /// A field of which nothing is known.
    fn unknown(&self, wire: Wire, depth: usize, within: bool, read: &mut Reading) {
        let key = Key::Number(wire.number);
        let bytes = self.bytes.get(wire.content.clone()).unwrap_or_default();
        let text = core::str::from_utf8(bytes)
            .ok()
            .filter(|text| is_printable(text));
        let depth = depth.saturating_add(1);
        let content = wire.content.clone();
        let message = self.message(content, None, None, depth, within || text.is_some());
        match (text, message) {
            (Some(text), Some(message)) if message.is_texts(bytes.len()) => {
                // Within what may be a text, the outermost tells.
                if !within && self.crosses(text, wire.content.start, &message.nodes) {
                    read.text(self.bytes, wire, key);
                } else {
                    read.inner(wire, key, message);
                }
            }
            (Some(_), _) => read.text(self.bytes, wire, key),
            (None, Some(message)) => read.inner(wire, key, message),
            (None, None) => read.opaque = true,
        }
    }

    /// Whether something is found in a text that does not stand in one of these nodes.
    fn crosses(&self, text: &str, start: usize, nodes: &[Node]) -> bool {
        let mut leaves = Vec::new();
        texts_of(nodes, &mut leaves);
        let found = self.masker.find(text, 0, "");
        found.iter().any(|(finding, _)| {
            let from = finding.span.start.saturating_add(start);
            let end = finding.span.end.saturating_add(start);
            let next = leaves.partition_point(|leaf| leaf.end < end);
            leaves.get(next).is_none_or(|leaf| leaf.start > from)
        })
    }

    /// The elements of a BYTES tensor; none if it is not laid out as one.
    fn elements(&self, wire: Wire, name: &Rc<str>, read: &mut Reading) -> Option<()> {
        let mut elements = Vec::new();
        let mut at = wire.content.start;
        while at < wire.content.end {
            let behind = at.checked_add(4)?;
            let length: [u8; 4] = self.bytes.get(at..behind)?.try_into().ok()?;
            let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
            let end = behind.checked_add(length)?;
            if end > wire.content.end {
                return None;
            }
            let element = self.bytes.get(behind..end)?;
            if core::str::from_utf8(element).is_err() {
                read.opaque = true;
            } else if !element.is_empty() {
                elements.push(Node {
                    length: at..behind,
                    content: behind..end,
                    key: Key::Called(Rc::clone(name)),
                    inside: Inside::Element,
                });
            }
            at = end;
        }
        read.push(
            wire,
            Key::Called(Rc::clone(name)),
            Inside::Elements(elements),
        );
        Some(())
    }

    /// The tensors whose contents stand in fields of their own: names and types in their order.
    fn tensors(&self, span: &Range<usize>, fields: Option<Fields>) -> Option<Vec<(Rc<str>, Kind)>> {
        let raw = fields.unwrap_or_default().iter();
        let mut raw = raw.filter_map(|(_, field)| match field {
            Field::Raw(tensors) => Some(*tensors),
            _ => None,
        });
        let mut tensors = Vec::new();
        let Some(list) = raw.next() else {
            return Some(tensors);
        };
        let mut at = span.start;
        while at < span.end {
            let tensor = wire(self.bytes, at, span.end)?;
            at = tensor.content.end;
            if tensor.number != list || tensor.kind != LENGTH {
                continue;
            }
            let name = self.name_in(&tensor.content).unwrap_or_else(|| "".into());
            let datatype = self.text_in(&tensor.content, services::DATATYPE);
            tensors.push((name, Kind::of(datatype.unwrap_or_default())));
        }
        Some(tensors)
    }

    /// What the first field of a message says, which calls what else is in it.
    fn name_in(&self, span: &Range<usize>) -> Option<Rc<str>> {
        Some(self.text_in(span, services::NAME)?.into())
    }

    /// The text of a field; of several the last one, as every reader takes it.
    fn text_in(&self, span: &Range<usize>, number: u64) -> Option<&str> {
        let (mut at, mut found) = (span.start, None);
        while at < span.end {
            let wire = wire(self.bytes, at, span.end)?;
            at = wire.content.end;
            if wire.number == number && wire.kind == LENGTH {
                found = self.bytes.get(wire.content);
            }
        }
        core::str::from_utf8(found?).ok()
    }
}

impl Reading {
    fn push(&mut self, wire: Wire, key: Key, inside: Inside) {
        self.nodes.push(Node {
            length: wire.length,
            content: wire.content,
            key,
            inside,
        });
    }

    /// A field that should be text.
    fn text(&mut self, bytes: &[u8], wire: Wire, key: Key) {
        let text = bytes.get(wire.content.clone()).unwrap_or_default();
        if core::str::from_utf8(text).is_ok() {
            self.texts = self.texts.saturating_add(text.len());
            self.push(wire, key, Inside::Text);
        } else {
            self.opaque = true;
        }
    }

    fn inner(&mut self, wire: Wire, key: Key, inner: Self) {
        self.opaque |= inner.opaque;
        self.fixed |= inner.fixed;
        self.texts = self.texts.saturating_add(inner.texts);
        if !inner.nodes.is_empty() {
            self.push(wire, key, Inside::Message(inner.nodes));
        }
    }

    /// Whether nearly all of its bytes are texts: so no text reads by chance.
    const fn is_texts(&self, length: usize) -> bool {
        !self.opaque && !self.fixed && self.texts.saturating_mul(2) > length
    }
}

/// The wire type of what has a length.
const LENGTH: u8 = 2;

/// The field at `at`; none if there is none, or it ends behind `end`. Groups are not read.
fn wire(bytes: &[u8], at: usize, end: usize) -> Option<Wire> {
    let (tag, behind) = varint(bytes, at, end)?;
    let (number, kind) = (tag >> 3, u8::try_from(tag & 7).ok()?);
    if !(1..=services::LARGEST).contains(&number) {
        return None;
    }
    let (from, to) = match kind {
        0 => (behind, varint(bytes, behind, end)?.1),
        1 => (behind, behind.checked_add(8)?),
        5 => (behind, behind.checked_add(4)?),
        LENGTH => {
            let (length, from) = varint(bytes, behind, end)?;
            (from, from.checked_add(usize::try_from(length).ok()?)?)
        }
        _ => return None,
    };
    (to <= end).then_some(Wire {
        number,
        kind,
        length: behind..from,
        content: from..to,
    })
}

/// A number of seven bits a byte, and where it ends.
fn varint(bytes: &[u8], at: usize, end: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (count, byte) in bytes.get(at..end)?.iter().take(10).enumerate() {
        let shift = u32::try_from(count.saturating_mul(7)).ok()?;
        value |= u64::from(byte & 0x7F).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, at.saturating_add(count).saturating_add(1)));
        }
    }
    None
}

fn put_varint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7F).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}

fn known(fields: Option<Fields>, number: u64) -> Option<Field> {
    let mut fields = fields.unwrap_or_default().iter();
    fields
        .find(|(known, _)| *known == number)
        .map(|(_, field)| *field)
}

/// Whether a text has no control characters but those of lines and tabs.
fn is_printable(text: &str) -> bool {
    text.chars()
        .all(|one| !one.is_control() || matches!(one, '\t' | '\n' | '\r'))
}

fn texts_of(nodes: &[Node], out: &mut Vec<Range<usize>>) {
    for node in nodes {
        match &node.inside {
            Inside::Text | Inside::Element => out.push(node.content.clone()),
            Inside::Message(inner) | Inside::Elements(inner) => texts_of(inner, out),
        }
    }
}

/// Writes nodes as an object: each run of one field is an array.
fn object(bytes: &[u8], nodes: &[Node], out: &mut String) {
    let mut runs: BTreeMap<&Key, usize> = BTreeMap::new();
    out.push('{');
    for (at, run) in nodes.chunk_by(|one, next| one.key == next.key).enumerate() {
        let Some(first) = run.first() else {
            continue;
        };
        if at > 0 {
            out.push(',');
        }
        out.push('"');
        match &first.key {
            Key::Number(number) => {
                let _ = write!(out, "f{number}");
            }
            Key::Known(name) => out.push_str(name),
            Key::Called(name) => escape_into(name, out),
        }
        // The texts of another run are others.
        let before = runs.entry(&first.key).or_default();
        *before = before.saturating_add(1);
        if *before > 1 {
            let _ = write!(out, ".{before}");
        }
        out.push_str("\":");
        match &first.inside {
            Inside::Elements(_) if run.len() == 1 => array(bytes, run, out),
            _ => {
                out.push('[');
                array(bytes, run, out);
                out.push(']');
            }
        }
    }
    out.push('}');
}

/// Writes nodes behind one another.
fn array(bytes: &[u8], nodes: &[Node], out: &mut String) {
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        match &node.inside {
            Inside::Text | Inside::Element => {
                let text = bytes.get(node.content.clone()).unwrap_or_default();
                out.push('"');
                escape_into(core::str::from_utf8(text).unwrap_or_default(), out);
                out.push('"');
            }
            Inside::Message(inner) => object(bytes, inner, out),
            Inside::Elements(inner) => {
                out.push('[');
                array(bytes, inner, out);
                out.push(']');
            }
        }
    }
}

/// Writes the bytes of `span` with the next texts in place of those of the nodes, and lengths that
/// fit; none if a text is missing.
fn write(
    bytes: &[u8],
    span: Range<usize>,
    nodes: &[Node],
    next: &mut dyn FnMut() -> Option<Vec<u8>>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let mut at = span.start;
    for node in nodes {
        let content = match &node.inside {
            Inside::Text | Inside::Element => next()?,
            Inside::Message(inner) | Inside::Elements(inner) => {
                let mut content = Vec::with_capacity(node.content.len());
                write(bytes, node.content.clone(), inner, next, &mut content)?;
                content
            }
        };
        out.extend_from_slice(bytes.get(at..node.length.start)?);
        if content.len() == node.content.len() {
            out.extend_from_slice(bytes.get(node.length.clone())?);
        } else if matches!(node.inside, Inside::Element) {
            out.extend_from_slice(&u32::try_from(content.len()).ok()?.to_le_bytes());
        } else {
            put_varint(content.len(), out);
        }
        out.extend_from_slice(&content);
        at = node.content.end;
    }
    out.extend_from_slice(bytes.get(at..span.end)?);
    Some(())
}
