//! One running text: its pieces, where each came from, and what is to change in them.

use crate::detect::Finding;
use crate::mask::{Action, Masker, Tally};
use crate::stream::{Sink, TextStream};
use core::ops::Range;
use std::collections::VecDeque;

/// A piece of a text, in an event that waits until all of the piece has been decided on.
#[derive(Debug)]
pub struct Piece {
    /// Number of the event.
    pub event: u64,
    /// Where the piece stands in the event's data, without quotes.
    pub span: Range<usize>,
    /// What changes, by offsets into the decoded piece.
    pub changes: Vec<(Range<usize>, String)>,
    /// What was found in the piece by itself; it counts where nothing of `changes` overlaps it.
    pub alone: Vec<(Finding, Action)>,
    /// Offsets into the text.
    from: usize,
    to: usize,
}

/// Pieces that have not been decided on, and those that have.
#[derive(Debug, Default)]
struct Pieces {
    waiting: VecDeque<Piece>,
    decided: Vec<Piece>,
    /// Up to where the text is decided.
    at: usize,
    /// Length of the text so far.
    end: usize,
}

impl Pieces {
    fn advance(&mut self, length: usize) {
        self.at = self.at.saturating_add(length);
        while let Some(piece) = self.waiting.pop_front_if(|piece| piece.to <= self.at) {
            self.decided.push(piece);
        }
    }
}

impl Sink for Pieces {
    fn keep(&mut self, text: &str) {
        self.advance(text.len());
    }

    /// The replacement stands in the piece where the value began; the others lose their part of it.
    fn replace(&mut self, length: usize, with: &str) {
        let end = self.at.saturating_add(length);
        let mut with = with;
        for piece in self.waiting.iter_mut().take_while(|piece| piece.from < end) {
            let from = self.at.max(piece.from).saturating_sub(piece.from);
            let to = end.min(piece.to).saturating_sub(piece.from);
            piece
                .changes
                .push((from..to, core::mem::take(&mut with).to_owned()));
        }
        self.advance(length);
    }
}

/// A running text.
#[derive(Debug, Default)]
pub struct Track {
    stream: TextStream,
    pieces: Pieces,
    /// The last piece, of a text that may be none.
    last: String,
    /// How many pieces in a row were the same.
    same: usize,
    /// One of the pieces was longer than a model's token.
    has_long: bool,
    /// Something was found at the very end of the last piece.
    complete: bool,
}

/// How a piece of a text that may be none stands to the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may go on from it.
    GoesOn,
    /// It is no continuation.
    Begins,
    /// It is no text.
    Value,
}

/// Equal values in a row that are no text: a card of one digit has four pieces at most of it.
const MOST_EQUAL: usize = 6;
/// Shortest values of one form that are taken for a column of records: tokens of digits are shorter.
const SHORTEST_COLUMN: usize = 5;
/// Longer than the tokens of a model.
const LONG_PIECE: usize = 48;
/// Values this long are texts by themselves.
const LONGEST_PIECE: usize = 256;

impl Track {
    /// Takes a piece. `alone` is what was found in it by itself, for a text that may be none.
    pub fn push(
        &mut self,
        event: u64,
        span: Range<usize>,
        text: &str,
        alone: Vec<(Finding, Action)>,
        masker: &Masker,
        tally: &mut Tally,
    ) {
        let from = self.pieces.end;
        let to = from.saturating_add(text.len());
        self.pieces.end = to;
        self.pieces.waiting.push_back(Piece {
            event,
            span,
            changes: Vec::new(),
            alone,
            from,
            to,
        });
        self.stream.push(text, masker, tally, &mut self.pieces);
    }

    /// The text has ended.
    pub fn finish(&mut self, masker: &Masker, tally: &mut Tally) {
        self.stream.finish(masker, tally, &mut self.pieces);
    }

    /// Takes notice of the next piece of a text that may be none, and of what was found in it by itself.
    pub fn judge(&mut self, text: &str, alone: &[(Finding, Action)], record: bool) -> Verdict {
        let equal = self.last == text;
        self.same = if equal {
            self.same.saturating_add(1)
        } else {
            0
        };
        self.has_long |= text.len() > LONG_PIECE;
        let begins = alone
            .first()
            .is_some_and(|(found, _)| found.span.start == 0);
        let between = (record || self.has_long) && (self.complete || begins);
        self.complete = alone
            .last()
            .is_some_and(|(found, _)| found.span.end == text.len());
        let verdict = if self.same >= MOST_EQUAL {
            Verdict::Value
        } else if between
            || self.last.len().min(text.len()) > LONGEST_PIECE
            || is_column(&self.last, text)
        {
            Verdict::Begins
        } else {
            Verdict::GoesOn
        };
        if !equal {
            text.clone_into(&mut self.last);
        }
        verdict
    }

    /// The first event that waits for this text.
    pub fn oldest(&self) -> Option<u64> {
        Some(self.pieces.waiting.front()?.event)
    }

    /// Whether a piece waits.
    pub fn is_waiting(&self) -> bool {
        !self.pieces.waiting.is_empty()
    }

    /// Pieces that have been decided on since the last time.
    pub fn decided(&mut self) -> impl Iterator<Item = Piece> + '_ {
        self.pieces.decided.drain(..)
    }
}

/// Whether two values have one form, as those of a column have and tokens of a text do not: the same length and the same kinds
/// of characters.
fn is_column(one: &str, other: &str) -> bool {
    let kind = |character: char| match character {
        '0'..='9' => '0',
        'a'..='z' => 'a',
        'A'..='Z' => 'A',
        other => other,
    };
    one.len() >= SHORTEST_COLUMN
        && one.len() == other.len()
        && one.chars().map(kind).eq(other.chars().map(kind))
        && one.chars().any(|character| character.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_column_are_no_pieces_of_a_text() {
        for (one, other, column) in [
            ("12345678", "87654321", true),
            ("A-1234", "B-9876", true),
            ("4111", "1111", false),
            (" 4111", "1111 ", false),
            ("hello", "world", false),
        ] {
            assert_eq!(is_column(one, other), column, "{one} {other}");
        }
    }
}
