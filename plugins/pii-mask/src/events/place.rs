//! Which strings of an event are pieces of a running text, and of which one.
//!
//! Known: OpenAI chat, completions and responses, Anthropic messages, Gemini, Ollama, Cohere, TGI, Triton. In general every
//! string beneath a member `delta` is a piece; the table adds what other protocols call theirs. A text is told apart from
//! others by its path (an array element by its own `index` member, not by its position, which is 0 in every event) and by
//! the event's type and ids.

use crate::document::{LIMITS, Logprobs, Scope};
use core::ops::Range;
use modelgate_kit::json::{JsonError, Literal, Path, Segment, Text, Token, Walker};

/// Members of a delta that are no text.
const NO_TEXT: [&str; 11] = [
    "role",
    "id",
    "type",
    "name",
    "signature",
    "stop_reason",
    "stop_sequence",
    "finish_reason",
    "index",
    "status",
    "object",
];

/// Running texts that no `delta` leads to; `*` is any element.
const TEXTS: [&[&str]; 8] = [
    &["choices", "*", "text"],
    &["candidates", "*", "content", "parts", "*", "text"],
    &["message", "content"],
    &["message", "thinking"],
    &["response"],
    &["text"],
    &["text_output"],
    &["token", "text"],
];

/// Members of an event that tell its text from others of the same type.
const IDS: [&str; 5] = [
    "index",
    "item_id",
    "output_index",
    "content_index",
    "summary_index",
];

/// Ids by name.
pub type Ids = Vec<(String, String)>;

/// Names a running text within a stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextId {
    /// Event type and path.
    path: String,
    /// Choice, block, item…
    ids: Ids,
}

impl TextId {
    /// Whether every id that both know is the same; a list without ids fits every text.
    pub fn fits(&self, ids: &Ids) -> bool {
        ids.iter().all(|(name, value)| {
            self.ids
                .iter()
                .all(|(known, own)| known != name || own == value)
        })
    }
}

/// Something in an event's data that is looked at.
#[derive(Debug)]
pub enum Place<'a> {
    /// A string that stands for itself, with the name of its member.
    Single(Text<'a>, String),
    /// A piece of a running text; how many string values come before it.
    Piece(Text<'a>, TextId, usize),
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
    /// Texts that end with this event: those that fit one of these.
    pub ended: Vec<Ids>,
}

impl Event<'_> {
    /// Whether the text ends with this event.
    pub fn ends(&self, id: &TextId) -> bool {
        self.ended.iter().any(|ids| id.fits(ids))
    }
}

/// One step of a remembered path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Index(usize),
}

fn steps(path: &Path<'_, '_>) -> Vec<Step> {
    let step = |segment| match segment {
        Segment::Member(name) => Step::Member(name.decode().into_owned()),
        Segment::Index(index) => Step::Index(index),
    };
    path.segments().map(step).collect()
}

/// Reads an event's data.
///
/// # Errors
/// The data are not JSON.
pub fn read<'a>(data: &'a str, scope: &Scope) -> Result<Event<'a>, JsonError> {
    let mut walker = Walker::new(data.as_bytes(), LIMITS)?;
    let mut found: Vec<(Place<'a>, Option<Vec<Step>>)> = Vec::new();
    let mut indices: Vec<(Vec<Step>, String)> = Vec::new();
    let mut finished: Vec<Vec<Step>> = Vec::new();
    let mut top = Top::default();
    let mut logprobs = Logprobs::default();
    let mut ordinal = 0_usize;
    while let Some(token) = walker.next_token()? {
        if scope.drop_logprobs && logprobs.hold(&walker, &token) {
            ordinal = ordinal.saturating_add(usize::from(matches!(token, Token::String(_))));
            found.extend(logprobs.take().map(|span| (Place::Logprobs(span), None)));
            continue;
        }
        let path = walker.path();
        let label = path
            .last_member()
            .map(|name| name.decode().into_owned())
            .unwrap_or_default();
        let at_top = path.depth() == 1;
        match token {
            Token::Key(name) if scope.names && !scope.skips(&path) => {
                found.push((Place::Single(name, String::new()), None));
            }
            Token::String(string) => {
                if at_top {
                    top.note(&label, &string.decode());
                } else if matches!(label.as_str(), "finish_reason" | "finishReason") {
                    finished.push(parent(steps(&path)));
                }
                if !scope.skips(&path) {
                    // Which text it belongs to shows at the event's end; until then the place holds its number.
                    let id = TextId {
                        path: String::new(),
                        ids: Ids::new(),
                    };
                    found.push((Place::Piece(string, id, ordinal), Some(steps(&path))));
                }
                ordinal = ordinal.saturating_add(1);
            }
            Token::Number(number) => {
                if at_top {
                    top.note(&label, number.raw());
                } else if label == "index" {
                    indices.push((parent(steps(&path)), number.raw().to_owned()));
                }
                if scope.numbers && !scope.skips(&path) {
                    found.push((Place::Number(number.raw(), number.span(), label), None));
                }
            }
            Token::Literal(Literal::True)
                if at_top && matches!(label.as_str(), "done" | "is_finished") =>
            {
                top.done = true
            }
            _ => {}
        }
    }
    let resolve = |(place, path): (Place<'a>, Option<Vec<Step>>)| match (place, path) {
        (Place::Piece(string, _, ordinal), Some(path)) if top.has_pieces() && is_piece(&path) => {
            Place::Piece(string, text_id(&path, &indices, &top), ordinal)
        }
        (Place::Piece(string, ..), path) => {
            Place::Single(string, label_of(path.as_deref().unwrap_or_default()))
        }
        (other, _) => other,
    };
    let places = found.into_iter().map(resolve).collect();
    let mut ended: Vec<Ids> = finished
        .iter()
        .map(|path| element_ids(path, &indices))
        .collect();
    if top.ends() {
        ended.push(top.ids);
    }
    Ok(Event { places, ended })
}

fn parent(mut path: Vec<Step>) -> Vec<Step> {
    path.pop();
    path
}

fn label_of(path: &[Step]) -> String {
    let member = path.iter().rev().find_map(|step| match step {
        Step::Member(name) => Some(name.clone()),
        Step::Index(_) => None,
    });
    member.unwrap_or_default()
}

/// What the members of the event itself say.
#[derive(Default)]
struct Top {
    kind: String,
    ids: Ids,
    done: bool,
}

impl Top {
    fn note(&mut self, name: &str, value: &str) {
        if matches!(name, "type" | "event_type") {
            value.clone_into(&mut self.kind);
        } else if IDS.contains(&name) {
            self.ids.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Whether running texts can go on in it: an event that closes something repeats texts as a whole.
    fn has_pieces(&self) -> bool {
        !self.done
            && ![".done", ".completed", "-end"]
                .iter()
                .any(|end| self.kind.ends_with(end))
    }

    /// Whether it closes the texts of its ids.
    fn ends(&self) -> bool {
        const ENDS: [&str; 7] = [
            "_stop",
            "_end",
            "-end",
            ".done",
            ".completed",
            ".failed",
            ".incomplete",
        ];
        self.done || self.kind == "message_delta" || ENDS.iter().any(|end| self.kind.ends_with(end))
    }
}

fn is_piece(path: &[Step]) -> bool {
    if path
        .iter()
        .any(|step| matches!(step, Step::Member(name) if name == "delta"))
    {
        return !NO_TEXT.contains(&label_of(path).as_str());
    }
    TEXTS.iter().any(|pattern| {
        pattern.len() == path.len()
            && pattern.iter().zip(path).all(|(want, step)| match step {
                Step::Member(name) => name == want,
                Step::Index(_) => *want == "*",
            })
    })
}

fn text_id(path: &[Step], indices: &[(Vec<Step>, String)], top: &Top) -> TextId {
    let mut written = top.kind.clone();
    for step in path {
        match step {
            Step::Member(name) => {
                written.push('.');
                written.push_str(name);
            }
            Step::Index(_) => written.push_str(".*"),
        }
    }
    let mut ids = element_ids(path, indices);
    ids.extend(top.ids.iter().cloned());
    TextId { path: written, ids }
}

/// For every array on the way: the element's own index if it says one, else its position.
fn element_ids(path: &[Step], indices: &[(Vec<Step>, String)]) -> Ids {
    let mut ids = Ids::new();
    let mut name = String::new();
    for (depth, step) in path.iter().enumerate() {
        match step {
            Step::Member(member) => {
                name.push('.');
                name.push_str(member);
            }
            Step::Index(position) => {
                let here = path.get(..=depth).unwrap_or_default();
                let own = indices
                    .iter()
                    .find(|(container, _)| container == here)
                    .map(|(_, index)| index.clone());
                ids.push((name.clone(), own.unwrap_or_else(|| position.to_string())));
            }
        }
    }
    ids
}
