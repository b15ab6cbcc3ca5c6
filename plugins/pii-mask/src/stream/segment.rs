//! Where streamed text may be cut: places that no finding spans, told as early as possible.
//!
//! A finding has no character of the kind [`Kind::Break`] in it, and goes over a space only inside a number written in
//! groups, inside an account number, to a word that tells what a number was ("office"), or inside a PEM block. So a cut is
//! possible behind every break, and behind every space after which none of these can go on. Which cuts there are depends
//! on the text alone, not on the pieces it comes in.

use crate::detect::boundary::{Kind, kind};
use crate::detect::phone::LABELS;
use crate::detect::secret::{PEM_BEGIN, PEM_END, is_pem};

/// How far an account number written in groups can reach from its country code, in bytes.
const IBAN_REACH: usize = crate::detect::LONGEST_IBAN;

/// Reads text character by character; offsets are into the caller's buffer.
#[derive(Debug, Default)]
pub struct Segmenter {
    place: Place,
    /// The segment holds a digit: more groups may follow a space.
    digit: bool,
    /// Up to where groups of an account number may follow.
    iban_until: usize,
    pem: Option<Pem>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a word, or before the first one.
    #[default]
    Word,
    /// Behind a space that may be inside a finding.
    Gap,
    /// In a word behind such a space that may become one of [`LABELS`]; where it begins.
    Label(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pem {
    Open,
    LastLine,
}

impl Segmenter {
    /// Takes the character of `buffer` at `at`; gives an offset at which the text may be cut, if there is a new one.
    /// `floor` is where the segment can begin at the earliest.
    pub fn step(
        &mut self,
        buffer: &str,
        floor: usize,
        at: usize,
        character: char,
    ) -> Option<usize> {
        let next = at.saturating_add(character.len_utf8());
        if let Some(pem) = self.pem {
            if character.is_ascii() && is_pem(character as u8) {
                self.in_pem(pem, buffer, floor, next);
                return None;
            }
            // The block is broken off here. What it was is found in the segment, which ends as any other.
            self.pem = None;
        }
        match (kind(character), self.place) {
            (Kind::Break, _) => self.cut(next),
            (Kind::Space, Place::Label(start)) if !is_label(buffer.get(start..at)) => {
                self.cut(next)
            }
            (Kind::Space, _) if ends_with(buffer, floor, next, PEM_BEGIN) => {
                self.pem = Some(Pem::Open);
                None
            }
            (Kind::Space, _) if self.digit || at < self.iban_until => {
                self.place = Place::Gap;
                None
            }
            (Kind::Space, _) => self.cut(next),
            (Kind::Word, Place::Gap) => self.after_gap(buffer, at, character),
            (Kind::Word, Place::Label(start)) => self.in_label(buffer, start, at, character),
            (Kind::Word, Place::Word) => {
                self.word(buffer, at, character);
                None
            }
        }
    }

    /// Offsets shift: `bytes` at the buffer's front are gone.
    pub fn shift(&mut self, bytes: usize) {
        self.iban_until = self.iban_until.saturating_sub(bytes);
        if let Place::Label(start) = &mut self.place {
            *start = start.saturating_sub(bytes);
        }
    }

    fn cut(&mut self, at: usize) -> Option<usize> {
        *self = Self::default();
        Some(at)
    }

    fn word(&mut self, buffer: &str, at: usize, character: char) {
        if !character.is_ascii_digit() {
            return;
        }
        self.digit = true;
        let head = at
            .checked_sub(3)
            .and_then(|from| buffer.as_bytes().get(from..=at));
        if let Some([a, b, c, _]) = head
            && a.is_ascii_alphabetic()
            && b.is_ascii_alphabetic()
            && c.is_ascii_digit()
        {
            self.iban_until = self.iban_until.max(at.saturating_add(IBAN_REACH));
        }
    }

    fn after_gap(&mut self, buffer: &str, at: usize, character: char) -> Option<usize> {
        let number = character.is_ascii_digit()
            || "(+-./)".contains(character)
            || ('\u{2010}'..='\u{2015}').contains(&character);
        let account = at < self.iban_until && character.is_ascii_alphanumeric();
        if number || account {
            self.place = Place::Word;
            self.word(buffer, at, character);
            None
        } else if is_label_front(buffer.get(at..at.saturating_add(character.len_utf8()))) {
            self.place = Place::Label(at);
            None
        } else {
            let cut = self.cut(at);
            self.word(buffer, at, character);
            cut
        }
    }

    fn in_label(
        &mut self,
        buffer: &str,
        start: usize,
        at: usize,
        character: char,
    ) -> Option<usize> {
        let next = at.saturating_add(character.len_utf8());
        if is_label_front(buffer.get(start..next)) {
            return None;
        }
        if !character.is_ascii_alphanumeric() && is_label(buffer.get(start..at)) {
            self.place = Place::Word;
            return None;
        }
        let cut = self.cut(start);
        self.word(buffer, at, character);
        cut
    }

    fn in_pem(&mut self, pem: Pem, buffer: &str, floor: usize, next: usize) {
        let done = |suffix| ends_with(buffer, floor, next, suffix);
        match pem {
            Pem::Open if done(PEM_END) => self.pem = Some(Pem::LastLine),
            // A word may go on behind it: the next break or space is where the segment ends.
            Pem::LastLine if done(b"-----") && !done(b"-----END -----") => {
                *self = Self::default();
            }
            _ => {}
        }
    }
}

fn ends_with(buffer: &str, floor: usize, next: usize, suffix: &[u8]) -> bool {
    buffer
        .as_bytes()
        .get(floor..next)
        .is_some_and(|text| text.ends_with(suffix))
}

fn is_label(word: Option<&str>) -> bool {
    word.is_some_and(|word| LABELS.iter().any(|label| label.eq_ignore_ascii_case(word)))
}

fn is_label_front(front: Option<&str>) -> bool {
    front.is_some_and(|front| {
        LABELS.iter().any(|label| {
            label
                .get(..front.len())
                .is_some_and(|part| part.eq_ignore_ascii_case(front))
        })
    })
}
