//! Plates of vehicles, and other numbers with letters that stand apart, in a text that comes
//! character by character: capital letters and digits stay together over spaces, as long as at most
//! two groups of letters follow each other.

use super::month::is_month_front;
use super::{Place, Segmenter, as_it_reads, kind, read_back};
use crate::detect::boundary::Kind;
use core::ops::Range;

/// Most letters of a group.
const MOST: usize = 3;

/// Groups of capital letters that follow each other.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Capitals {
    groups: u8,
    /// Where the last one begins.
    last: usize,
}

impl Capitals {
    /// The first one has been read.
    pub(super) const fn begin(&mut self) {
        self.groups = 1;
    }

    pub(super) const fn shift(&mut self, bytes: usize) {
        self.last = self.last.saturating_sub(bytes);
    }
}

impl Segmenter {
    /// Capital letters begin at `at`, behind a gap. Of three groups the first goes.
    pub(super) fn letters(&mut self, at: usize) -> Option<usize> {
        let Capitals { groups, last } = self.capitals;
        let cut = (groups >= 2).then(|| self.cut(last)).flatten();
        self.capitals = Capitals {
            groups: groups.saturating_add(1).min(2),
            last: at,
        };
        self.place = Place::Letters(at);
        cut
    }

    /// A space behind such letters, which ends before `next`.
    pub(super) fn behind_letters(
        &mut self,
        buffer: &str,
        start: usize,
        next: usize,
    ) -> Option<usize> {
        let front = buffer.get(start..next);
        self.place = match is_month_front(front) || self.is_label_front(front) {
            true => Place::Label(start),
            false => Place::Gap,
        };
        None
    }

    /// The next character of a word that began with such letters.
    pub(super) fn in_letters(
        &mut self,
        buffer: &str,
        start: usize,
        span: Range<usize>,
        character: char,
    ) -> Option<usize> {
        let before = buffer.get(start..span.start).unwrap_or_default();
        if is_capital(character) && as_it_reads(before).chars().count() < MOST {
            return None;
        }
        // As they are written the letters may end here, or before what reads otherwise.
        let written = buffer.get(start..span.end).unwrap_or_default();
        if !character.is_ascii_alphanumeric() || !written.is_ascii() {
            self.place = Place::Word;
            self.word(buffer, span.start, character);
            return None;
        }
        self.place = Place::Label(start);
        self.in_label(buffer, start, span, character)
    }
}

/// A capital letter of plates.
pub(super) const fn is_capital(character: char) -> bool {
    matches!(character, 'A'..='Z' | 'Ä' | 'Ö' | 'Ü')
}

/// Whether up to three capital letters end before `at` that a number may follow, as in `AB 123 CD`.
pub(super) fn ends_in_capitals(buffer: &str, at: usize) -> bool {
    let mut left = read_back(buffer, at).peekable();
    let mut letters = 0_usize;
    while letters <= MOST && left.next_if(|one| is_capital(*one)).is_some() {
        letters = letters.saturating_add(1);
    }
    // The letter of an escape may stand before them.
    (1..=MOST).contains(&letters)
}

/// Whether a text is such letters and the space behind them.
pub(super) fn may_be_letters(text: &str) -> bool {
    let text = as_it_reads(text);
    let letters = text.trim_end_matches(|one| kind(one) == Kind::Space);
    letters.len() < text.len()
        && (1..=MOST).contains(&letters.chars().count())
        && letters.chars().all(is_capital)
}
