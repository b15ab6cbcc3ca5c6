//! An event that is the one before it but for its piece of text, and perhaps for its number or its
//! own id, as nearly all events of a stream are: what was read of that one holds for it too.

use super::Form;
use super::place::{Event, Place, TextId};
use super::role::Role;
use crate::detect::SHORTEST_NUMBER;
use crate::detect::secret::may_be_aws_secret;
use crate::document::{LIMITS, says_nothing};
use crate::mask::Masker;
use core::ops::Range;
use modelgate_kit::json::{Text, Token, Walker};

/// An event with one piece of what is known to be a text, and nothing else that becomes something.
#[derive(Debug)]
pub struct Again {
    form: Form,
    name: String,
    data: String,
    known: Known,
}

/// What can be known again of an event.
#[derive(Debug)]
pub struct Known {
    /// The text that the piece belongs to.
    pub id: TextId,
    /// What may be another in each event, in its order.
    parts: Vec<Part>,
}

/// What may be another in each event.
#[derive(Debug)]
struct Part {
    /// Where it stands, without quotes.
    span: Range<usize>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The piece of the text.
    Piece,
    /// A string of this name.
    String(&'static str),
    Number,
}

/// Names of members that are others in each event, and say nothing of it or of what stands beside
/// them: ids, what hides the lengths of tokens, and counters.
const STRINGS: [&str; 4] = ["id", "obfuscation", "event_id", "timestamp"];
const NUMBERS: [&str; 1] = ["sequence_number"];

impl Again {
    /// What can be known again of an event; none if what another event with the same bytes around
    /// its piece is depends on more than these. That nothing was found in it beside the piece is
    /// the caller's to say.
    pub fn of(event: &Event<'_>, form: Form) -> Option<Known> {
        let certain = matches!(form, Form::Event | Form::Coded | Form::Named);
        if !certain || event.awaited || event.ending.any() || event.index.is_some() {
            return None;
        }
        let mut piece = None;
        let mut parts = Vec::new();
        let mut asks = false;
        let varies = |names: &[&'static str], label: &str| {
            let mut names = names.iter();
            names.find(|name| **name == label).copied()
        };
        for place in &event.places {
            match place {
                Place::Piece(text, id, Role::Text) if piece.is_none() => {
                    // A name that a few values give another meaning.
                    if names_what_follows(text.raw()) || id.names == ".msg" {
                        return None;
                    }
                    piece = Some(id.clone());
                    parts.push(Part {
                        span: text.span(),
                        kind: Kind::Piece,
                    });
                }
                Place::Piece(..) | Place::Logprobs(_) => return None,
                Place::Single(text, label) => {
                    if is_told_by_others(label) || may_be_aws_secret(text.raw().as_bytes()) {
                        return None;
                    }
                    asks |= names_what_follows(text.raw());
                    parts.extend(varies(&STRINGS, label).map(|name| Part {
                        span: text.span(),
                        kind: Kind::String(name),
                    }));
                }
                Place::Number(_, span, label) => {
                    if is_told_by_others(label) {
                        return None;
                    }
                    parts.extend(varies(&NUMBERS, label).map(|_| Part {
                        span: span.clone(),
                        kind: Kind::Number,
                    }));
                }
                Place::Name(_) => {}
            }
        }
        // How far behind a question something stands may matter.
        parts.retain(|part| !asks || part.kind == Kind::Piece);
        Some(Known { id: piece?, parts })
    }

    /// The event with these data.
    pub fn new(form: Form, name: &str, data: &str, known: Known) -> Self {
        Self {
            form,
            name: name.to_owned(),
            data: data.to_owned(),
            known,
        }
    }

    /// The text that the piece belongs to.
    pub const fn id(&self) -> &TextId {
        &self.known.id
    }

    /// The piece of an event that is this one but for it, and for what is another in each event and
    /// is nothing to `masker`.
    pub fn piece<'a>(
        &self,
        data: &'a str,
        name: &str,
        form: Form,
        masker: &Masker,
    ) -> Option<(Text<'a>, Range<usize>)> {
        if form != self.form || name != self.name {
            return None;
        }
        let (mut found, mut known, mut at) = (None, 0, 0_usize);
        for part in &self.known.parts {
            let fixed = self.data.get(known..part.span.start)?;
            let (front, rest) = data.get(at..)?.split_at_checked(fixed.len())?;
            if !same(front, fixed) {
                return None;
            }
            at = at.saturating_add(fixed.len());
            let end = match part.kind {
                Kind::Number => {
                    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                    // One with more may be something.
                    let fits = (1..SHORTEST_NUMBER).contains(&digits)
                        && (digits == 1 || !rest.starts_with('0'));
                    fits.then(|| at.saturating_add(digits))?
                }
                Kind::Piece | Kind::String(_) => at.saturating_add(string_end(rest)?),
            };
            let text = || string(data.get(at.checked_sub(1)?..end.saturating_add(1))?);
            match part.kind {
                Kind::Number => {}
                // Most are what they were.
                Kind::String(_) if same(data.get(at..end)?, self.data.get(part.span.clone())?) => {}
                Kind::String(name) => {
                    let text = text()?;
                    let raw = text.raw();
                    let other = raw.contains('\\')
                        || names_what_follows(raw)
                        || may_be_aws_secret(raw.as_bytes())
                        || !masker.is_nothing(raw, name);
                    if other {
                        return None;
                    }
                }
                Kind::Piece => {
                    let text = text().filter(|text| !names_what_follows(text.raw()))?;
                    found = Some((text, at..end));
                }
            }
            (known, at) = (part.span.end, end);
        }
        let is_same = same(data.get(at..)?, self.data.get(known..)?);
        found.filter(|_| is_same)
    }
}

/// Where a string ends whose opening quote stands before `text`.
fn string_end(text: &str) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let rest = text.as_bytes().get(at..)?;
        let sign = memchr::memchr2(b'"', b'\\', rest)?;
        if rest.get(sign) == Some(&b'"') {
            return Some(at.saturating_add(sign));
        }
        at = at.saturating_add(sign).saturating_add(2);
    }
}

/// The string that a text in quotes is, if it is one.
fn string(quoted: &str) -> Option<Text<'_>> {
    let mut walker = Walker::new(quoted.as_bytes(), LIMITS).ok()?;
    let Ok(Some(Token::String(text))) = walker.next_token() else {
        return None;
    };
    (text.raw().len().saturating_add(2) == quoted.len()).then_some(text)
}

/// Whether two texts are the same, sixteen bytes at a time: a comparison of memory goes byte by
/// byte in WebAssembly.
fn same(one: &str, other: &str) -> bool {
    let ((one, ends), (other, other_ends)) = (
        one.as_bytes().as_chunks::<16>(),
        other.as_bytes().as_chunks::<16>(),
    );
    let same = |(one, other): (&[u8; 16], &[u8; 16])| {
        u128::from_le_bytes(*one) == u128::from_le_bytes(*other)
    };
    one.len() == other.len() && one.iter().zip(other).all(same) && ends == other_ends
}

/// Whether what stands behind a text may be called by its end: it is a question, or a label.
fn names_what_follows(text: &str) -> bool {
    text.ends_with(['?', ':'])
}

/// Whether a value has its name from what stands around it.
fn is_told_by_others(label: &str) -> bool {
    label.contains('.') || says_nothing(label)
}
