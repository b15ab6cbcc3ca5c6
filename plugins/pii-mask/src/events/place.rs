//! Reads an event: which strings of it are pieces of which running text, and which texts end with
//! it.
//!
//! A text is told apart from others by the event's type, by the names on its path, by the choice,
//! block or call that it belongs to (an array's element by its own `index` if it says one, else by
//! its position, which is the same in every event), and by ids that the event itself names. The
//! work is linear in the event's length.

use super::role::{self, Role, role};
use crate::detect::LABEL;
use crate::document::{LIMITS, Labels, Logprobs, Scope, tail};
use core::ops::Range;
use modelgate_kit::json::{JsonError, Literal, Path, Segment, Text, Token, Walker};
use std::collections::BTreeSet;

/// Members of an event that tell its text from others of the same type.
const IDS: [&str; 10] = [
    "item_id",
    "output_index",
    "content_index",
    "summary_index",
    "message_id",
    "messageId",
    "tool_call_id",
    "toolCallId",
    "part_id",
    "contentBlockIndex",
];

/// Longest value of a type or an id that is kept.
const LONGEST_ID: usize = 256;

/// Ids by name.
pub type Ids = Vec<(String, String)>;

/// Names a running text within a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextId {
    /// Names on the path, from the event down.
    pub names: String,
    /// Containers on the path with the element of each: choice, call…
    pub elements: Ids,
    /// Ids of the event.
    pub ids: Ids,
    /// Type of the event.
    pub kind: String,
}

impl TextId {
    /// Whether every id that both know is the same.
    fn agrees(&self, ids: &Ids) -> bool {
        ids.iter().all(|(name, value)| {
            self.ids
                .iter()
                .all(|(known, own)| known != name || own == value)
        })
    }

    /// Whether it has one of these ids, whatever its value.
    fn shares(&self, ids: &Ids) -> bool {
        ids.iter()
            .any(|(name, _)| self.ids.iter().any(|(known, _)| known == name))
    }

    /// Whether both are of one speaker: the same choice, block, message.
    pub fn beside(&self, other: &Self) -> bool {
        self.elements == other.elements && self.agrees(&other.ids)
    }

    /// Whether both are of choices that go on side by side, or of calls and the like.
    pub fn is_parallel(&self, other: &Self) -> bool {
        let containers = |id: &'_ Self| -> Vec<String> {
            id.elements.iter().map(|(name, _)| name.clone()).collect()
        };
        self.ids == other.ids
            && self.elements != other.elements
            && containers(self) == containers(other)
    }

    /// Whether it is the same text but for the event's type.
    pub fn continues(&self, other: &Self) -> bool {
        self.names == other.names && self.beside(other)
    }
}

/// Something in an event's data that is looked at.
#[derive(Debug)]
pub enum Place<'a> {
    /// A member's name.
    Name(Text<'a>),
    /// A string that stands for itself, with the name of its member.
    Single(Text<'a>, String),
    /// A piece of a text, and whether it is known to be one.
    Piece(Text<'a>, TextId, Role),
    /// A number as written, where it stands, the name of its member.
    Number(&'a str, Range<usize>, String),
    /// The value of a member `logprobs`.
    Logprobs(Range<usize>),
}

/// What an event holds, in the order of its bytes.
#[derive(Debug, Default)]
pub struct Event<'a> {
    /// What is looked at.
    pub places: Vec<Place<'a>>,
    /// The event's own number, which may be that of a choice or a mere counter.
    pub index: Option<u64>,
    /// Whether it is an event of a stream for certain, and not a document of its own.
    pub of_stream: bool,
    /// Somebody waits for it, whatever else goes on.
    pub awaited: bool,
    /// Its ids.
    pub ids: Ids,
    /// Which texts end with it.
    pub ending: Ending,
}

impl Event<'_> {
    /// Whether it has a piece, if an empty one, of what is known to be a text.
    pub fn has_text(&self) -> bool {
        self.places
            .iter()
            .any(|place| matches!(place, Place::Piece(_, _, Role::Text)))
    }

    /// The event's data stood behind a code, which tells texts apart as a type does.
    pub fn behind_code(&mut self, code: &str) {
        for place in &mut self.places {
            if let Place::Piece(_, id, _) = place {
                id.kind.insert_str(0, code);
            }
        }
    }
}

/// Which texts end with an event.
#[derive(Debug, Default)]
pub struct Ending {
    finished: BTreeSet<Ids>,
    closed: Option<Closed>,
}

/// Which texts an event of a closing type ends.
#[derive(Debug)]
enum Closed {
    All,
    /// Those that share its ids; of the others those whose type begins as its own.
    Of {
        ids: Ids,
        stem: String,
    },
}

impl Ending {
    /// Every text ends.
    pub fn close(&mut self) {
        self.closed = Some(Closed::All);
    }

    /// The event is of this type and has these ids.
    pub fn close_kind(&mut self, kind: &str, ids: &Ids) {
        const WORDS: [&str; 7] = [
            "end",
            "done",
            "final",
            "finish",
            "complete",
            "completed",
            "stop",
        ];
        const ENDS: [&str; 9] = [
            "_stop",
            "_end",
            "-end",
            "_END",
            "Stop",
            ".done",
            ".completed",
            ".failed",
            ".incomplete",
        ];
        const WHOLE: [&str; 5] = ["message", "stream", "response", "run", "chat"];
        if WORDS.contains(&kind) || kind == "message_delta" {
            self.close();
        } else if let Some(stem) = ENDS.iter().find_map(|end| kind.strip_suffix(end)) {
            self.closed = Some(if ids.is_empty() && WHOLE.contains(&stem) {
                Closed::All
            } else {
                Closed::Of {
                    ids: ids.clone(),
                    stem: stem.to_owned(),
                }
            });
        }
    }

    /// Whether any does.
    pub fn any(&self) -> bool {
        self.closed.is_some() || !self.finished.is_empty()
    }

    /// Whether this one does.
    pub fn ends(&self, id: &TextId) -> bool {
        let closed = match &self.closed {
            None => false,
            Some(Closed::All) => true,
            Some(Closed::Of { ids, .. }) if id.shares(ids) => id.agrees(ids),
            Some(Closed::Of { stem, .. }) => !stem.is_empty() && id.kind.starts_with(stem),
        };
        closed
            || (!self.finished.is_empty()
                && (0..=id.elements.len()).any(|count| {
                    id.elements
                        .get(..count)
                        .is_some_and(|outer| self.finished.contains(outer))
                }))
    }
}

/// An element of an array on the way.
struct Element {
    parent: Option<usize>,
    container: String,
    position: usize,
    index: Option<String>,
}

/// What a string is, until the event has been read to its end.
struct Found<'a> {
    place: Place<'a>,
    element: Option<usize>,
}

/// Reads an event's data.
///
/// # Errors
/// The data are not JSON.
pub fn read<'a>(data: &'a str, scope: &Scope) -> Result<Event<'a>, JsonError> {
    let mut walker = Walker::new(data.as_bytes(), LIMITS)?;
    let mut found: Vec<Found<'a>> = Vec::new();
    let mut elements = Elements::default();
    let mut finished: Vec<Option<usize>> = Vec::new();
    let mut top = Top::default();
    let mut event = Event::default();
    let mut logprobs = Logprobs::default();
    let mut rpc = Rpc::default();
    let mut labels = Labels::of(data.as_bytes());
    while let Some(token) = walker.next_token()? {
        let path = walker.path();
        elements.follow(&path, &token);
        if scope.drop_logprobs && logprobs.hold(&walker, &token) {
            found.extend(logprobs.take().map(|span| Found {
                place: Place::Logprobs(span),
                element: None,
            }));
            continue;
        }
        let at_top = path.depth() == 1;
        let name = || {
            path.last_member()
                .map(|name| name.decode_end(LABEL))
                .unwrap_or_default()
        };
        match token {
            Token::Key(name) => {
                let written = name.decode_end(LABEL);
                event.of_stream |= role::is_of_stream(&written);
                rpc.note(&path, &written);
                if scope.names && !scope.skips(&path) {
                    found.push(Found {
                        place: Place::Name(name),
                        element: None,
                    });
                }
            }
            Token::String(string) => {
                let name = name();
                if at_top {
                    top.note(&name, &string.decode());
                }
                if role::is_finish_reason(&name) && !role::goes_on(&string.decode()) {
                    finished.push(elements.at(&path));
                }
                if scope.skips(&path) {
                    continue;
                }
                let label = labels.label(&path, string.span()).into_owned();
                labels.note(&path, string);
                let place = match role(&path) {
                    Role::Whole => Place::Single(string, label),
                    // Gradio's queue calls its events so, and nothing else a text.
                    Role::Text if at_top && name == "msg" && is_process(&string.decode()) => {
                        Place::Single(string, label)
                    }
                    // Which text it belongs to shows at the event's end.
                    role => Place::Piece(
                        string,
                        TextId {
                            names: names(&path),
                            ..TextId::default()
                        },
                        role,
                    ),
                };
                let element = elements.at(&path);
                found.push(Found { place, element });
            }
            Token::Number(number) => {
                let name = name();
                if at_top {
                    top.note(&name, number.raw());
                } else if name == "index" {
                    elements.number(&path, number.raw());
                }
                if scope.numbers && !scope.skips(&path) {
                    let label = labels.label(&path, number.span()).into_owned();
                    let place = Place::Number(number.raw(), number.span(), label);
                    found.push(Found {
                        place,
                        element: None,
                    });
                }
            }
            Token::Literal(Literal::True) if role::is_finished(&name()) => {
                finished.push(elements.at(&path));
            }
            _ => {}
        }
    }
    event.index = top.index.as_deref().and_then(|index| index.parse().ok());
    if top.index_is_id() {
        top.ids
            .extend(top.index.take().map(|index| ("index".to_owned(), index)));
        event.index = None;
    }
    let repeats = top.repeats();
    event.places = found
        .into_iter()
        .map(|Found { place, element }| match place {
            Place::Piece(string, id, _) if repeats => {
                Place::Single(string, tail(&id.names).to_owned())
            }
            Place::Piece(string, mut id, role) => {
                id.elements = elements.chain(element);
                id.ids.clone_from(&top.ids);
                id.kind.clone_from(&top.kind);
                Place::Piece(string, id, role)
            }
            other => other,
        })
        .collect();
    // One by one: to collect a set, the standard library sorts.
    let finished = finished.into_iter().map(|element| elements.chain(element));
    event.ending.finished.clear();
    event.ending.finished.extend(finished);
    event.awaited = rpc.is_awaited();
    // A delta that has text is none of Anthropic's, which ends a message.
    let is_piece = top.kind == "message_delta" && event.has_text();
    if !event.awaited && !is_piece {
        event.ending.close_kind(&top.kind, &top.ids);
    }
    event.ids = top.ids;
    Ok(event)
}

/// Whether a value is the type of an event of Gradio's.
fn is_process(value: &str) -> bool {
    value.starts_with("process_") || matches!(value, "estimation" | "heartbeat" | "close_stream")
}

/// The names on a path, each behind a dot: their ends, so that a value costs the same under names
/// of any length.
fn names(path: &Path<'_, '_>) -> String {
    let mut names = String::new();
    for segment in path.segments() {
        if let Segment::Member(name) = segment {
            names.push('.');
            names.push_str(&name.decode_end(LABEL));
        }
    }
    names
}

fn last_name(names: &str) -> &str {
    names.rsplit_once('.').map_or("", |(_, last)| last)
}

/// The elements of arrays in an event, numbered as they come.
#[derive(Default)]
struct Elements {
    all: Vec<Element>,
    /// Elements that are open: how deep each stands, and its number.
    open: Vec<(usize, usize)>,
}

impl Elements {
    /// Takes notice of a token.
    fn follow(&mut self, path: &Path<'_, '_>, token: &Token<'_>) {
        // What a value's start says of depth and path differs between scalars and containers: only
        // the path's steps count.
        if !matches!(
            token,
            Token::String(_)
                | Token::Number(_)
                | Token::Literal(_)
                | Token::Key(_)
                | Token::ArrayStart
                | Token::ObjectStart
        ) {
            return;
        }
        let mut open = 0_usize;
        let mut container: Option<String> = None;
        for (depth, segment) in path.segments().enumerate() {
            let Segment::Index(position) = segment else {
                continue;
            };
            let known = self.open.get(open).is_some_and(|(at, number)| {
                *at == depth
                    && self
                        .all
                        .get(*number)
                        .is_some_and(|element| element.position == position)
            });
            if !known {
                self.open.truncate(open);
                let parent = self.open.last().map(|(_, number)| *number);
                let container = container.get_or_insert_with(|| {
                    let mut written = String::new();
                    for step in path.segments().take(depth) {
                        if let Segment::Member(name) = step {
                            written.push('.');
                            written.push_str(&name.decode_end(LABEL));
                        }
                    }
                    written
                });
                self.open.push((depth, self.all.len()));
                self.all.push(Element {
                    parent,
                    container: container.clone(),
                    position,
                    index: None,
                });
            }
            container = None;
            open = open.saturating_add(1);
        }
        self.open.truncate(open);
    }

    /// The innermost element that a value at this path stands in.
    fn at(&self, path: &Path<'_, '_>) -> Option<usize> {
        let inside = path
            .segments()
            .filter(|step| matches!(step, Segment::Index(_)))
            .count();
        let (_, number) = self.open.get(inside.checked_sub(1)?)?;
        Some(*number)
    }

    /// An element says its own number: the member stands directly in it.
    fn number(&mut self, path: &Path<'_, '_>, raw: &str) {
        let directly = path
            .segments()
            .rev()
            .nth(1)
            .is_some_and(|step| matches!(step, Segment::Index(_)));
        if let Some(number) = self.at(path).filter(|_| directly)
            && let Some(element) = self.all.get_mut(number)
        {
            element.index = Some(raw.to_owned());
        }
    }

    /// The elements around one, from the outermost to itself.
    fn chain(&self, innermost: Option<usize>) -> Ids {
        let mut chain = Ids::new();
        let mut at = innermost;
        while let Some(element) = at.and_then(|number| self.all.get(number)) {
            at = element.parent;
            // An array of answers is a stream by another name.
            let sequence =
                element.container.is_empty() || role::is_sequence(last_name(&element.container));
            match &element.index {
                Some(index) => chain.push((element.container.clone(), index.clone())),
                None if sequence => {}
                None => chain.push((element.container.clone(), element.position.to_string())),
            }
        }
        chain.reverse();
        chain
    }
}

/// Whether the event is a message of JSON-RPC that somebody waits for: MCP answers and asks in
/// events, and nothing more comes until the other side has read them.
#[derive(Default)]
struct Rpc {
    jsonrpc: bool,
    id: bool,
    method: bool,
    outcome: bool,
    /// A result that goes on, of A2A.
    goes_on: bool,
}

impl Rpc {
    fn note(&mut self, path: &Path<'_, '_>, name: &str) {
        match path.depth() {
            1 => match name {
                "jsonrpc" => self.jsonrpc = true,
                "id" => self.id = true,
                "method" => self.method = true,
                "result" | "error" => self.outcome = true,
                _ => {}
            },
            2 if path
                .segments()
                .next()
                .is_some_and(|step| step.is_member("result")) =>
            {
                self.goes_on |= matches!(
                    name,
                    "kind" | "artifact" | "status" | "final" | "append" | "lastChunk"
                        // The protocol's version 1.
                        | "artifactUpdate" | "statusUpdate"
                );
            }
            _ => {}
        }
    }

    const fn is_awaited(&self) -> bool {
        self.jsonrpc && ((self.outcome && !self.goes_on) || (self.method && self.id))
    }
}

/// What the members of the event itself say.
#[derive(Default)]
struct Top {
    kind: String,
    ids: Ids,
    index: Option<String>,
}

impl Top {
    fn note(&mut self, name: &str, value: &str) {
        if value.len() > LONGEST_ID {
            return;
        }
        if matches!(name, "type" | "event_type" | "event" | "method" | "kind") {
            value.clone_into(&mut self.kind);
        } else if name == "index" {
            self.index = Some(value.to_owned());
        } else if IDS.contains(&name) {
            self.ids.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Whether the event's own `index` names a block: Anthropic, Cohere, OpenAI responses.
    /// Elsewhere it may be a counter of events.
    fn index_is_id(&self) -> bool {
        self.kind.starts_with("content_block")
            || self.kind.starts_with("response.")
            || self.kind.starts_with("content-")
            || self.kind.starts_with("tool-")
    }

    /// Whether the event repeats texts as a whole.
    fn repeats(&self) -> bool {
        [".done", ".completed"]
            .iter()
            .any(|end| self.kind.ends_with(end))
    }
}
