//! An event that is the one before it but for its piece of text, as nearly all events of a stream
//! are: what was read of that one holds for it too.

use super::Form;
use super::place::{Event, Place, TextId};
use super::role::Role;
use crate::detect::secret::may_be_aws_secret;
use crate::document::{LIMITS, says_nothing};
use core::ops::Range;
use modelgate_kit::json::{Text, Token, Walker};

/// An event with one piece of what is known to be a text, and nothing else that becomes something.
#[derive(Debug)]
pub struct Again {
    form: Form,
    name: String,
    data: String,
    /// Where its piece stands, without quotes.
    piece: Range<usize>,
    /// The text that the piece belongs to.
    pub id: TextId,
}

impl Again {
    /// What can be known again of an event; none if what another event with the same bytes around
    /// its piece is depends on more than these. That nothing was found in it beside the piece is
    /// the caller's to say.
    pub fn of(event: &Event<'_>, form: Form) -> Option<(Range<usize>, TextId)> {
        let certain = matches!(form, Form::Event | Form::Coded | Form::Named);
        if !certain || event.awaited || event.ending.any() || event.index.is_some() {
            return None;
        }
        let mut found = None;
        for place in &event.places {
            match place {
                Place::Piece(text, id, Role::Text) if found.is_none() => {
                    // A name that a few values give another meaning.
                    if names_what_follows(text.raw()) || id.names == ".msg" {
                        return None;
                    }
                    found = Some((text.span(), id.clone()));
                }
                Place::Piece(..) | Place::Logprobs(_) => return None,
                Place::Single(text, label)
                    if is_told_by_others(label) || may_be_aws_secret(text.raw().as_bytes()) =>
                {
                    return None;
                }
                Place::Number(_, _, label) if is_told_by_others(label) => return None,
                Place::Single(..) | Place::Number(..) | Place::Name(_) => {}
            }
        }
        found
    }

    /// The event with these data.
    pub fn new(form: Form, name: &str, data: &str, (piece, id): (Range<usize>, TextId)) -> Self {
        Self {
            form,
            name: name.to_owned(),
            data: data.to_owned(),
            piece,
            id,
        }
    }

    /// The piece of an event that is this one but for it.
    pub fn piece<'a>(
        &self,
        data: &'a str,
        name: &str,
        form: Form,
    ) -> Option<(Text<'a>, Range<usize>)> {
        if form != self.form || name != self.name {
            return None;
        }
        let (before, behind) = (
            self.data.get(..self.piece.start)?,
            self.data.get(self.piece.end..)?,
        );
        let end = data.len().checked_sub(behind.len())?;
        let is_same = end >= before.len()
            && data
                .get(..before.len())
                .is_some_and(|front| same(front, before))
            && data.get(end..).is_some_and(|tail| same(tail, behind));
        let span = before.len()..end;
        let quoted = span.start.checked_sub(1)?..span.end.saturating_add(1);
        let quoted = data.get(quoted).filter(|_| is_same)?;
        let mut walker = Walker::new(quoted.as_bytes(), LIMITS).ok()?;
        let Ok(Some(Token::String(text))) = walker.next_token() else {
            return None;
        };
        let is_whole = text.raw().len() == span.len() && !names_what_follows(text.raw());
        is_whole.then_some((text, span))
    }
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
