//! One running text: its pieces, where each came from, and what is to change in them.

use super::Doubt;
use crate::detect::email::is_local;
use crate::detect::{Entity, Finding};
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
    /// What was found and stays, by offsets into the decoded piece.
    pub reported: Vec<Range<usize>>,
    /// What was found in the piece by itself; it counts where nothing of `changes` and `reported`
    /// overlaps it.
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
    /// Each piece is the text from its beginning.
    again: bool,
    /// What has been replaced of such a text: it comes again in each piece.
    replaced: Vec<(Range<usize>, String)>,
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

    fn report(&mut self, text: &str) {
        let end = self.at.saturating_add(text.len());
        for piece in self.waiting.iter_mut().take_while(|piece| piece.from < end) {
            let from = self.at.max(piece.from).saturating_sub(piece.from);
            let to = end.min(piece.to).saturating_sub(piece.from);
            piece.reported.push(from..to);
        }
        self.advance(text.len());
    }

    /// The replacement stands in the piece where the value began; the others lose their part of it.
    /// Of pieces that each are the text from its beginning, all have it.
    fn replace(&mut self, length: usize, with: &str) {
        let end = self.at.saturating_add(length);
        if self.again {
            self.replaced.push((self.at..end, with.to_owned()));
            for piece in &mut self.waiting {
                let to = end.min(piece.to);
                piece.changes.push((self.at..to, with.to_owned()));
            }
            return self.advance(length);
        }
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
    /// One of the pieces began or ended with a space, as words of a text do and values do not.
    spaced: bool,
    /// One of the pieces had a letter in it.
    worded: bool,
    /// Lengths of the last pieces, while they are groups of digits as cards have.
    groups: Vec<usize>,
    /// Such groups came that are no card's: they are numbers of their own.
    is_row: bool,
    /// What was found at the very end of the last piece.
    complete: Option<Entity>,
    growth: Growth,
    /// It may be no text, but several values.
    doubtful: bool,
    /// What waits would leave the front of a value behind, if that has been looked at.
    begins_value: Option<bool>,
    /// It was let go in the middle of a word.
    left: bool,
    /// And went on with that word: its silence says nothing.
    came_back: bool,
    /// When it had its last piece, in events with pieces.
    pub heard: u64,
}

/// Whether each piece is the text from its beginning, longer than the one before (DashScope, unless
/// asked for increments).
#[derive(Debug, Default)]
enum Growth {
    #[default]
    Unseen,
    /// So far; the last piece.
    So(String),
    No,
}

/// Shortest piece that is taken for the beginning of the next.
const SHORTEST_BEGINNING: usize = 3;

/// How a piece of a text that may be none stands to the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may go on from it.
    GoesOn,
    /// It is no continuation.
    Begins,
    /// It is no text.
    Value,
    /// It and those before it are values.
    Row,
}

/// The groups that cards are printed in.
const PRINTED: [&[usize]; 2] = [&[4, 4, 4, 4], &[4, 6, 5]];

/// Equal values in a row that are no text: of a card's number four groups are the same at most, or
/// all but one of its digits.
const MOST_EQUAL: usize = 6;
const MOST_EQUAL_BYTES: usize = 19;
/// Shortest values of one form that are taken for a column of records: tokens of digits are
/// shorter.
const SHORTEST_COLUMN: usize = 5;
/// Places of the longest fraction that may be a group of digits behind a point.
const LONGEST_FRACTION: usize = 4;
/// Longer than the tokens of a model: it may be a text of its own.
pub const LONG_PIECE: usize = 48;

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
        let new = match core::mem::take(&mut self.growth) {
            Growth::So(last) if grows(&last, text, self.pieces.again) => {
                if !self.pieces.again && last.len() >= SHORTEST_BEGINNING {
                    self.begin_again(last.len());
                }
                text
            }
            Growth::Unseen => text,
            Growth::So(_) | Growth::No => {
                self.pieces.again = false;
                ""
            }
        };
        self.growth = if new.is_empty() {
            Growth::No
        } else {
            Growth::So(new.to_owned())
        };
        let (from, more, changes) = if self.pieces.again {
            let more = text.get(self.pieces.end..).unwrap_or_default();
            (0, more, self.pieces.replaced.clone())
        } else {
            (self.pieces.end, text, Vec::new())
        };
        let to = from.saturating_add(text.len());
        self.pieces.end = to;
        self.pieces.waiting.push_back(Piece {
            event,
            span,
            changes,
            reported: Vec::new(),
            alone: if self.pieces.again { Vec::new() } else { alone },
            from,
            to,
        });
        self.begins_value = None;
        if core::mem::take(&mut self.left) {
            self.came_back |= more.starts_with(is_local) || more.starts_with('@');
        }
        self.stream.push(more, masker, tally, &mut self.pieces);
        self.pieces.advance(0);
    }

    /// Whether the piece is the last one again and more.
    pub fn comes_again(&self, text: &str) -> bool {
        self.pieces.again && matches!(&self.growth, Growth::So(last) if grows(last, text, true))
    }

    /// The text begins anew with a piece whose beginning is the last one, of this length.
    fn begin_again(&mut self, length: usize) {
        let pieces = &mut self.pieces;
        let last = pieces.waiting.pop_back_if(|piece| {
            piece.to == pieces.end && piece.to.saturating_sub(piece.from) == length
        });
        pieces.decided.extend(pieces.waiting.drain(..));
        (pieces.at, pieces.end, pieces.again) = (0, 0, true);
        if let Some(mut last) = last {
            (last.from, last.to) = (0, length);
            last.changes.clear();
            pieces.waiting.push_back(last);
        }
        self.stream = TextStream::default();
    }

    /// Lets go what waits of a text that may go on: what comes of it is read together with that.
    pub fn rest(&mut self, masker: &Masker, tally: &mut Tally) {
        if self.pieces.again {
            return self.finish(masker, tally);
        }
        let at = self.pieces.at;
        self.left = self.ends_in_word();
        self.stream.rest(masker, tally, &mut self.pieces);
        self.pieces.at = at;
    }

    /// Whether what waits ends as the front of an address may.
    pub fn ends_in_word(&self) -> bool {
        self.stream.ends_in_word()
    }

    /// Whether it has been silent in the middle of a word before, and gone on with it.
    pub const fn comes_back(&self) -> bool {
        self.came_back
    }

    /// Whether what waits may be the front of a value that would stay as it is. It is looked at
    /// once for each piece.
    pub fn may_begin_a_value(&mut self, masker: &Masker) -> bool {
        let (again, stream) = (self.pieces.again, &self.stream);
        *self
            .begins_value
            .get_or_insert_with(|| again || stream.may_begin_a_value(masker))
    }

    /// Whether it may be no text, but several values.
    pub fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// The text has ended.
    pub fn finish(&mut self, masker: &Masker, tally: &mut Tally) {
        self.stream.finish(masker, tally, &mut self.pieces);
    }

    /// Takes notice of the next piece of a text that may be none, and of what was found in it by
    /// itself.
    pub fn judge(&mut self, text: &str, alone: &[(Finding, Action)], doubt: Doubt) -> Verdict {
        self.doubtful = true;
        let equal = self.last == text;
        self.same = if equal {
            self.same.saturating_add(1)
        } else {
            0
        };
        self.has_long |= text.len() > LONG_PIECE;
        self.spaced |= text.starts_with(' ') || text.ends_with(' ');
        self.worded |= text.contains(char::is_alphabetic);
        let begins = alone
            .first()
            .filter(|(found, _)| found.span.start == 0)
            .map(|(found, _)| found.entity);
        let may_be_values = match doubt {
            Doubt::None | Doubt::Text => false,
            Doubt::Line => self.has_long,
            Doubt::Record => true,
        };
        let between = may_be_values
            && match (self.complete, begins) {
                (None, None) => false,
                (Some(_), Some(_)) => true,
                (Some(one), None) => !goes_over(one, text.chars(), doubt),
                (None, Some(other)) => {
                    other.is_credential() || !goes_over(other, self.last.chars().rev(), doubt)
                }
            };
        self.complete = alone
            .last()
            .filter(|(found, _)| found.span.end == text.len())
            .map(|(found, _)| found.entity);
        let verdict = if is_measure(text)
            || (self.same >= MOST_EQUAL && self.same.saturating_mul(text.len()) >= MOST_EQUAL_BYTES)
        {
            Verdict::Value
        } else if let Some(verdict) = self.group(text) {
            verdict
        } else if (!self.spaced && (between || is_column(&self.last, text)))
            || are_two_numbers(&self.last, text, self.spaced || self.worded)
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

    /// What a piece is behind groups of digits, and perhaps one more of them: four of a card are
    /// read together, unless more follow.
    fn group(&mut self, text: &str) -> Option<Verdict> {
        let is_group = matches!(text.len(), 4..=6) && text.bytes().all(|one| one.is_ascii_digit());
        // Behind other numbers they are numbers, too.
        self.is_row |= !is_group && Decimal::read(text).is_some();
        if !is_group || self.is_row || self.spaced || self.worded {
            self.groups.clear();
            return None;
        }
        self.groups.push(text.len());
        if PRINTED.iter().any(|card| card.starts_with(&self.groups)) {
            return (self.groups.len() > 1).then_some(Verdict::GoesOn);
        }
        self.is_row = self.groups.len() > 1;
        self.groups.clear();
        self.is_row.then_some(Verdict::Row)
    }

    /// What waits goes as it is, each piece by itself.
    pub fn take_apart(&mut self) {
        self.pieces.decided.extend(self.pieces.waiting.drain(..));
        self.pieces.at = self.pieces.end;
        self.stream = TextStream::default();
    }

    /// Whether the last of its pieces that wait is in this event.
    pub fn is_last_in(&self, event: u64) -> bool {
        self.pieces
            .waiting
            .back()
            .is_some_and(|piece| piece.event == event)
    }

    /// Whether it has had no piece.
    pub fn is_new(&self) -> bool {
        self.pieces.end == 0
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

/// Whether what was found at the seam of two pieces, and stands in one of them, may go on in the
/// other: its characters from the seam.
fn goes_over(found: Entity, mut other: impl Iterator<Item = char>, doubt: Doubt) -> bool {
    let next = other.next();
    let digit = |one: Option<char>| one.is_some_and(|one| one.is_ascii_digit());
    match found {
        found if found.is_credential() => {
            next.is_some_and(|one| one.is_ascii_alphanumeric() || "-_.+/".contains(one))
        }
        Entity::Phone | Entity::Card | Entity::Ssn | Entity::Iban | Entity::Ip => {
            let sign = next.is_some_and(|one| " -.".contains(one));
            doubt == Doubt::Line && (digit(next) || (sign && digit(other.next())))
        }
        _ => false,
    }
}

/// Whether a piece is the last one and more, or, where that is known to be so, the last one.
fn grows(last: &str, text: &str, again: bool) -> bool {
    text.starts_with(last) && (again || text.len() > last.len())
}

/// Whether a value is a decimal number by itself, with more places than the tokens and groups have
/// that numbers are written in.
fn is_measure(text: &str) -> bool {
    let number = text.trim().trim_end_matches('%');
    number.len() > LONGEST_FRACTION
        && number
            .rsplit_once('.')
            .is_some_and(|(_, fraction)| fraction.len() > LONGEST_FRACTION)
        && number.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Digits of the longest integer that may be a token of a longer number, where nothing else shows
/// that there is a text.
const LONGEST_TOKEN: usize = 3;

/// A decimal number, with its sign and percent sign, by itself.
struct Decimal<'a> {
    whole: &'a str,
    /// Behind its point; none of an integer.
    fraction: Option<&'a str>,
}

impl<'a> Decimal<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let number = text.strip_prefix(['-', '+']).unwrap_or(text);
        let plain = number.strip_suffix('%');
        let number = plain.unwrap_or(number);
        let (whole, fraction) = match number.rsplit_once(['.', ',']) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (number, plain.map(|_| "")),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let grouped = |part: &str| {
            part.split([',', '\''])
                .all(|group| !group.is_empty() && digits(group))
        };
        (grouped(whole)
            && fraction.is_none_or(|fraction| {
                digits(fraction) && (plain.is_some() || !fraction.is_empty())
            }))
        .then_some(Self { whole, fraction })
    }
}

/// Whether two values in a row are a number each, and no pieces of one. In a text (`in_text`) they
/// are only if together they would have more digits between their points than any number that is
/// written in groups.
fn are_two_numbers(one: &str, other: &str, in_text: bool) -> bool {
    let (Some(one), Some(other)) = (Decimal::read(one), Decimal::read(other)) else {
        return false;
    };
    if let (Some(fraction), Some(_), true) = (one.fraction, other.fraction, in_text) {
        return fraction.len().saturating_add(other.whole.len()) > LONGEST_FRACTION;
    }
    let token =
        |number: &Decimal<'_>| number.fraction.is_none() && number.whole.len() <= LONGEST_TOKEN;
    !(in_text || (token(&one) && token(&other)))
}

/// Whether two values have one form, as those of a column have and tokens of a text do not: the
/// same length and the same kinds of characters.
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
