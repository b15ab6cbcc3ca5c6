//! An event that waits, and what becomes of it.

use super::track::Piece;
use crate::document::LIMITS;
use crate::mask::{Masker, Tally};
use core::ops::Range;
use modelgate_kit::json::{Edits, Token, Walker, escape_into};

/// An event that waits.
#[derive(Debug)]
pub struct Waiting {
    /// It as it came.
    pub raw: Vec<u8>,
    /// Its data.
    pub data: String,
    /// What changes in them.
    pub edits: Vec<(Range<usize>, String)>,
    /// Pieces that have not been decided on.
    pub open: usize,
    /// Whether the data are JSON.
    pub is_json: bool,
}

/// An event that goes.
#[derive(Debug, PartialEq, Eq)]
pub struct Ready {
    /// It as it came.
    pub raw: Vec<u8>,
    /// Its new data, if they change.
    pub data: Option<String>,
}

impl Waiting {
    /// What goes in its place.
    pub fn ready(self) -> Ready {
        let Self {
            raw,
            data,
            mut edits,
            ..
        } = self;
        if edits.is_empty() {
            return Ready { raw, data: None };
        }
        in_order(&mut edits);
        let mut applied = Edits::new();
        for (span, text) in edits {
            applied.replace_raw(span, text);
        }
        // Edits go from character to character: text stays text.
        let data = String::from_utf8(applied.apply(data.as_bytes())).unwrap_or_default();
        Ready {
            raw,
            data: Some(data),
        }
    }

    /// Makes changes of a piece edits of the data.
    pub fn change(&mut self, piece: Piece, masker: &Masker, tally: &mut Tally) {
        let Piece {
            span,
            mut changes,
            alone,
            ..
        } = piece;
        let quoted = if self.is_json {
            span.start.saturating_sub(1)..span.end.saturating_add(1)
        } else {
            span.clone()
        };
        let source = self.data.get(quoted).unwrap_or_default();
        let token = self.is_json.then(|| {
            // These data have been read before: no error is to come.
            Walker::new(source.as_bytes(), LIMITS).and_then(|mut walker| walker.next_token())
        });
        let string = match token {
            Some(Ok(Some(Token::String(string)))) => Some(string),
            _ => None,
        };
        let decoded = string.map_or(source.into(), |string| string.decode());
        // Both lists ascend, and no two of one list overlap.
        let together: Vec<Range<usize>> = changes.iter().map(|(span, _)| span.clone()).collect();
        let mut together = together.into_iter().peekable();
        for (finding, action) in alone {
            while together
                .next_if(|span| span.end <= finding.span.start)
                .is_some()
            {}
            if together
                .peek()
                .is_none_or(|span| finding.span.end <= span.start)
            {
                let value = decoded.get(finding.span.clone()).unwrap_or_default();
                let mut with = String::new();
                masker.replace(&finding, action, value, tally, &mut with);
                changes.push((finding.span, with));
            }
        }
        in_order(&mut changes);
        let mut offsets = string.map(|string| string.offsets());
        // Offsets of the token are those behind its quote.
        let base = span.start.saturating_sub(usize::from(self.is_json));
        for (change, with) in changes {
            let mut locate = |at: usize| match &mut offsets {
                Some(offsets) => base.saturating_add(offsets.locate(at)),
                None => base.saturating_add(at),
            };
            let (from, to) = (locate(change.start), locate(change.end));
            let mut raw = String::with_capacity(with.len());
            if self.is_json {
                escape_into(&with, &mut raw);
            } else {
                raw.push_str(&with);
            }
            self.edits.push((from..to, raw));
        }
    }
}

/// One place for it keeps the module small.
#[inline(never)]
fn in_order(changes: &mut [(Range<usize>, String)]) {
    changes.sort_by_key(|(span, _)| span.start);
}
