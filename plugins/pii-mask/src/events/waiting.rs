//! An event that waits, and what becomes of it.

use super::track::Piece;
use crate::detect::Finding;
use crate::document::LIMITS;
use crate::mask::{Action, Masker, Tally};
use core::ops::Range;
use modelgate_kit::json::{Edits, Token, Walker, escape_into};
use std::collections::VecDeque;

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
            changes,
            reported,
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
        let mut replace = |finding: &Finding, action: Action| {
            let value = decoded.get(finding.span.clone()).unwrap_or_default();
            let mut with = String::new();
            masker.replace(finding, action, value, tally, &mut with);
            with
        };
        // Both lists ascend, and no two of one list overlap. What was found in the piece and goes
        // beyond what was found in the text is replaced with it.
        let mut changes = VecDeque::from(changes);
        let mut merged: Vec<(Range<usize>, String)> = Vec::with_capacity(changes.len());
        for (finding, action) in alone {
            let own = &finding.span;
            if !action.changes() {
                let next = reported.partition_point(|other| other.end <= own.start);
                let overlaps = reported.get(next).is_some_and(|next| next.start < own.end);
                if !overlaps {
                    replace(&finding, action);
                }
                continue;
            }
            while let Some(before) = changes.pop_front_if(|(span, _)| span.end <= own.start) {
                merged.push(before);
            }
            let Some((mut span, mut with)) = changes.pop_front_if(|(span, _)| span.start < own.end)
            else {
                merged.push((own.clone(), replace(&finding, action)));
                continue;
            };
            if with.is_empty() && own.end > span.end {
                with = replace(&finding, action);
            }
            span = span.start.min(own.start)..span.end.max(own.end);
            while let Some((more, _)) = changes.pop_front_if(|(more, _)| more.start < span.end) {
                span.end = span.end.max(more.end);
            }
            // The next one may overlap it too.
            changes.push_front((span, with));
        }
        merged.extend(changes);
        let mut offsets = string.map(|string| string.offsets());
        // Offsets of the token are those behind its quote.
        let base = span.start.saturating_sub(usize::from(self.is_json));
        for (change, with) in merged {
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
