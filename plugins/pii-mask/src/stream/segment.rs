//! Where streamed text may be cut: places that no finding spans, told as early as possible.
//!
//! A finding has no character of the kind [`Kind::Break`] in it, and goes over a space only inside
//! a number written in groups, inside an account number, to a word that tells what a number was
//! ("office"), or inside a private key. So a cut is possible behind every break, and behind every
//! space after which none of these can go on. Which cuts there are depends on the text alone, not
//! on the pieces it comes in.

use crate::detect::armor::{self, Armor, Step};
use crate::detect::behind;
use crate::detect::boundary::{Kind, LOOK_BEHIND, is_dash, is_letter, is_unspaced, kind};
use crate::detect::dates;
use crate::detect::email::{self, BEFORE_ADDRESSES, MAX_UNSPACED};
use crate::detect::fold;
use crate::detect::mrz::Lines;
use crate::detect::phone::LABELS;
use crate::detect::secret::names_aws_secret;
use crate::detect::words::may_be_of_webhook;
use core::ops::Range;
use std::borrow::Cow;

mod month;
mod plate;
mod zone;

use month::is_month_front;
use plate::{Capitals, ends_in_capitals, is_capital, may_be_letters};

/// How far an account number written in groups can reach from its country code, in bytes.
const IBAN_REACH: usize = crate::detect::LONGEST_IBAN;

/// Shortest part of an address of the web behind which a text may be cut.
const SHORTEST_PART: usize = 3;

/// Ends of lines in a row that a card's number may go over, and the one that shows that it goes on.
const MOST_LINES: u8 = 4;

/// Reads text character by character; offsets are into the caller's buffer.
#[derive(Debug, Default)]
pub struct Segmenter {
    place: Place,
    /// Digits that the segment holds: more groups may follow a space.
    digits: u8,
    /// Ends of lines that a number may have gone over.
    lines: u8,
    /// It holds an `@`: a domain may follow.
    address: bool,
    /// Letters of a script without spaces, which may be the local part of an address.
    run: Range<usize>,
    /// Bytes of it that nobody sees.
    hidden: usize,
    /// Up to where groups of an account number may follow.
    iban_until: usize,
    key: Option<Key>,
    /// Where the part of an address of the web begins that is being read: its host, or what slashes
    /// and the like divide behind that.
    part: Option<Part>,
    /// Groups of capital letters that follow each other.
    capitals: Capitals,
}

/// See [`Segmenter::part`].
#[derive(Debug, Clone, Copy)]
struct Part {
    from: usize,
    is_host: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a word, or before the first one.
    #[default]
    Word,
    /// Behind a space that may be inside a finding.
    Gap,
    /// Behind the end of a line that may be inside a card's number.
    Line,
    /// Behind a bracket behind such a space.
    Bracket,
    /// In a word behind such a space that may become one of [`LABELS`] or a phrase that tells what
    /// the number was; where it begins.
    Label(usize),
    /// In capital letters behind such a space, which may be a plate's; where they begin.
    Letters(usize),
}

/// What is held over breaks: a private key, a machine-readable zone, or what may become one.
#[derive(Debug)]
enum Key {
    /// A key's first line, which begins here.
    FirstLine(usize),
    Open(Box<Armor>),
    /// Lines of a zone, whose first `<` stands here.
    Zone(usize, Lines),
}

impl Segmenter {
    /// Takes the character of `buffer` at `at`; gives an offset at which the text may be cut, if
    /// there is a new one. `floor` is where the segment can begin at the earliest.
    pub fn step(
        &mut self,
        buffer: &str,
        floor: usize,
        at: usize,
        character: char,
    ) -> Option<usize> {
        self.step_by::<true>(buffer, floor, at, character)
    }

    /// The same; `ZONES` says that zones may begin.
    fn step_by<const ZONES: bool>(
        &mut self,
        buffer: &str,
        floor: usize,
        at: usize,
        character: char,
    ) -> Option<usize> {
        let next = at.saturating_add(character.len_utf8());
        if self.key.is_some()
            && let Some(key) = self.key.take()
        {
            if let Key::Zone(from, lines) = key {
                return self.in_zone(lines, from, buffer, floor, at..next);
            }
            self.key = in_key(key, buffer, next, character);
            if self.key.is_none() {
                // What was read as a key may be other things too: the segment ends as one does that
                // holds all of them.
                (self.digits, self.place) = (behind::LEAST_DIGITS, Place::Word);
                self.iban_until = next.saturating_add(IBAN_REACH);
                if ZONES && self.begins_zone(buffer, floor, at, character) {
                    return None;
                }
                return (kind(character) == Kind::Break)
                    .then(|| self.cut(next))
                    .flatten();
            }
            return None;
        }
        let (kind, character) = if character == ';' && ends_in_sign(buffer, next) {
            (Kind::Word, '@')
        } else if character == ';' && ends_in_ampersand(buffer, next) {
            (Kind::Word, character)
        } else if email::is_full_stop(character) && self.address && has_no_dot(buffer, floor, at) {
            (Kind::Word, '.')
        } else if character.is_ascii() {
            (kind(character), character)
        } else if fold::is_invisible(character) {
            if self.run.end == at {
                self.run.end = next;
                self.hidden = self.hidden.saturating_add(character.len_utf8());
            }
            return None;
        } else if is_unspaced(character) && fold::folded(character).is_none() {
            if !self.address || self.place != Place::Word {
                return self.unspaced(buffer, floor, at..next, character);
            }
            (Kind::Word, character)
        } else {
            let reads = fold::folded(character).unwrap_or(character);
            if ZONES && self.begins_zone(buffer, floor, at, reads) {
                return None;
            }
            (kind(character), reads)
        };
        // Other letters behind such text begin an address by themselves.
        let is_letter = character.is_ascii_alphabetic() || is_letter(character);
        if is_letter && self.run.end == at && !self.run.is_empty() {
            let cut = self.cut(at);
            self.word(buffer, at, character);
            return cut;
        }
        match (kind, self.place) {
            (Kind::Break, Place::Word | Place::Gap)
                if matches!(character, '\n' | '\r') && self.may_go_over_line(buffer, at) =>
            {
                self.lines = self.lines.saturating_add(u8::from(character == '\n'));
                self.place = if character == '\n' {
                    Place::Line
                } else {
                    Place::Gap
                };
                None
            }
            (Kind::Break, Place::Word | Place::Gap)
                if character == '\n' && at < self.iban_until =>
            {
                self.place = Place::Gap;
                None
            }
            (Kind::Break, _) if ZONES && self.begins_zone(buffer, floor, at, character) => None,
            (Kind::Break, _) => self.cut(next),
            (Kind::Space, Place::Line) => self.cut(next),
            // `17 de mayo `: ` de` may follow.
            (Kind::Space, Place::Label(start)) if is_month_front(buffer.get(start..next)) => None,
            (Kind::Space, Place::Label(start)) if !self.is_label(buffer.get(start..at)) => {
                if self.is_label_front(buffer.get(start..next)) {
                    return None;
                }
                self.cut(next)
            }
            (Kind::Space, _) if let Some(front) = key_front(buffer, floor, next) => {
                let start = next.saturating_sub(front);
                self.key = in_key(Key::FirstLine(start), buffer, next, character);
                None
            }
            (Kind::Space, Place::Letters(start)) if character != '\t' => {
                self.behind_letters(buffer, start, next)
            }
            (Kind::Space, _) if (self.digits > 0 && character != '\t') || at < self.iban_until => {
                self.place = Place::Gap;
                None
            }
            (Kind::Space, Place::Word) if character != '\t' && ends_in_capitals(buffer, at) => {
                self.capitals.begin();
                self.place = Place::Gap;
                None
            }
            (Kind::Space, _) => self.cut(next),
            (Kind::Word, Place::Line) if !character.is_ascii_digit() => {
                let cut = self.cut(at);
                self.word(buffer, at, character);
                cut
            }
            (Kind::Word, Place::Bracket) if self.is_label_front(buffer.get(at..next)) => {
                self.place = Place::Label(at);
                None
            }
            (Kind::Word, Place::Gap) => self.after_gap(buffer, at..next, character),
            (Kind::Word, Place::Label(start)) => self.in_label(buffer, start, at..next, character),
            (Kind::Word, Place::Letters(start)) => {
                self.in_letters(buffer, start, at..next, character)
            }
            (Kind::Word, Place::Word) if matches!(character, '/' | '?' | '#' | '&') => {
                self.behind_part(buffer, floor, at)
            }
            (Kind::Word, Place::Word | Place::Line | Place::Bracket) => {
                self.place = Place::Word;
                self.word(buffer, at, character);
                None
            }
        }
    }

    /// A sign that divides the parts of an address of the web, at `at`. Behind its host nothing
    /// that is looked for goes over a part of small letters, but for the paths of webhooks.
    fn behind_part(&mut self, buffer: &str, floor: usize, at: usize) -> Option<usize> {
        let next = at.saturating_add(1);
        let part = self.part.take();
        // One may stand in the path of another.
        let begins = buffer
            .as_bytes()
            .get(..next)
            .is_some_and(|text| text.ends_with(b"://"));
        if begins {
            self.part = Some(Part {
                from: next,
                is_host: true,
            });
            return None;
        }
        let part = part?;
        let text = buffer.as_bytes().get(part.from..at).unwrap_or_default();
        let is_small = |byte: &u8| byte.is_ascii_lowercase() || b"-.".contains(byte);
        let goes_on = match part.is_host {
            true => {
                let of_host = |byte: &u8| is_small(byte) || byte.is_ascii_digit();
                !text.is_empty() && text.iter().all(of_host) && !may_be_of_webhook(text)
            }
            false => !self.address && self.key.is_none(),
        };
        // `ann&#64;example.org`: what follows may be the sign of an address.
        let is_sign = buffer.as_bytes().get(at) == Some(&b'&');
        let ends = goes_on
            && !is_sign
            && text.len() >= SHORTEST_PART
            && text.iter().all(is_small)
            && next >= self.iban_until;
        if ends {
            // Read once: where it may be one, the rest of the address stays together.
            let near = floor.saturating_sub(LOOK_BEHIND);
            if names_aws_secret(buffer.as_bytes().get(near..at).unwrap_or_default()) {
                return None;
            }
        }
        let cut = ends.then(|| self.cut(next)).flatten();
        self.part = goes_on.then_some(Part {
            from: next,
            is_host: false,
        });
        cut
    }

    /// A letter of a script without spaces that is in no domain. It ends whatever stands before it,
    /// but for such letters and the signs that join them, and stays as long as it may be in the
    /// local part of an address.
    fn unspaced(
        &mut self,
        buffer: &str,
        floor: usize,
        span: Range<usize>,
        character: char,
    ) -> Option<usize> {
        if BEFORE_ADDRESSES.contains(character) {
            return self.cut(span.end);
        }
        let joined = || {
            let left = buffer.get(floor..span.start).unwrap_or_default();
            let read = left.trim_end_matches(fold::is_invisible);
            read.ends_with(['.', '_', '-'])
        };
        if !self.run.is_empty() && self.run.end == span.start {
            self.run.end = span.end;
        } else if self.place == Place::Word && joined() {
            self.run = span;
            return None;
        } else {
            let cut = self.cut(span.start);
            self.run = span;
            return cut.filter(|cut| *cut > floor);
        }
        let hidden = self.hidden.min(MAX_UNSPACED);
        let longest = span.end.saturating_sub(MAX_UNSPACED.saturating_add(hidden));
        if self.run.start >= longest {
            return None;
        }
        let mut from = longest;
        while !buffer.is_char_boundary(from) {
            from = from.saturating_add(1);
        }
        let cut = self.cut(from);
        self.run = from..span.end;
        self.hidden = hidden;
        cut
    }

    /// Whether the segment is a word that has nothing of a number, a key or an address with its
    /// `@` in it.
    pub fn is_plain(&self) -> bool {
        let in_word = matches!(self.place, Place::Word);
        in_word && self.digits == 0 && !self.address && self.iban_until == 0 && self.key.is_none()
    }

    /// Whether the segment is in a private key, an address, or what may be a machine-readable zone.
    pub fn is_in_value(&self) -> bool {
        self.address || self.key.is_some()
    }

    /// Offsets shift: `bytes` at the buffer's front are gone.
    pub fn shift(&mut self, bytes: usize) {
        self.iban_until = self.iban_until.saturating_sub(bytes);
        self.run = self.run.start.saturating_sub(bytes)..self.run.end.saturating_sub(bytes);
        if let Some(part) = &mut self.part {
            part.from = part.from.saturating_sub(bytes);
        }
        match &mut self.key {
            Some(Key::FirstLine(start)) => *start = start.saturating_sub(bytes),
            Some(Key::Zone(from, lines)) => {
                *from = from.saturating_sub(bytes);
                lines.shift(bytes);
            }
            Some(Key::Open(_)) | None => {}
        }
        if let Place::Label(start) | Place::Letters(start) = &mut self.place {
            *start = start.saturating_sub(bytes);
        }
        self.capitals.shift(bytes);
    }

    fn cut(&mut self, at: usize) -> Option<usize> {
        *self = Self::default();
        Some(at)
    }

    fn word(&mut self, buffer: &str, at: usize, character: char) {
        if !character.is_ascii_digit() {
            self.address |= character == '@';
            return;
        }
        self.digits = self.digits.saturating_add(1);
        self.capitals = Capitals::default();
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

    fn after_gap(&mut self, buffer: &str, span: Range<usize>, character: char) -> Option<usize> {
        let at = span.start;
        let number =
            character.is_ascii_digit() || "(+-./)".contains(character) || is_dash(character);
        let account = at < self.iban_until && character.is_ascii_alphanumeric();
        let insured = || character.is_ascii_alphabetic() && ends_in_insurance(buffer, at);
        if number || account || insured() {
            self.place = if character == '(' {
                Place::Bracket
            } else {
                Place::Word
            };
            self.word(buffer, at, character);
            None
        } else if is_capital(character) {
            self.letters(at)
        } else if self.is_label_front(buffer.get(span.clone())) {
            self.place = Place::Label(self.month_since(buffer, &span).unwrap_or(at));
            None
        } else if let Some(start) = self.month_since(buffer, &span) {
            self.place = Place::Label(start);
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
        span: Range<usize>,
        character: char,
    ) -> Option<usize> {
        let at = span.start;
        if self.is_label_front(buffer.get(start..span.end)) {
            return None;
        }
        let month = || buffer.get(start..at)?.strip_suffix(' ');
        if character.is_ascii_digit() && month().is_some_and(dates::is_month_phrase) {
            self.place = Place::Word;
            self.word(buffer, at, character);
            return None;
        }
        // Before and behind what reads otherwise than it is written a word may end, and may go on.
        let label = buffer.get(start..at).unwrap_or_default();
        let written = label.trim_end_matches(fold::is_invisible);
        let plain = buffer.as_bytes().get(at).is_some_and(u8::is_ascii);
        let ends = !character.is_ascii_alphanumeric() || !plain || written.len() < label.len();
        if ends && self.is_label(Some(written)) {
            self.place = Place::Word;
            return None;
        }
        if may_be_letters(label) && (character.is_ascii_digit() || is_capital(character)) {
            return self.after_gap(buffer, at..span.end, character);
        }
        let cut = self.cut(start);
        self.word(buffer, at, character);
        cut
    }

    /// Whether a card's number may go on behind the end of a line at `at`: its group, of four
    /// digits or more, ends there.
    fn may_go_over_line(&self, buffer: &str, at: usize) -> bool {
        let left = buffer.get(..at).unwrap_or_default();
        let left = left.strip_suffix('\r').unwrap_or(left);
        let left = left.strip_suffix(' ').unwrap_or(left);
        let reads = left.chars().rev().filter(|one| !fold::is_invisible(*one));
        let digits = reads
            .take(4)
            .take_while(|one| fold::folded(*one).unwrap_or(*one).is_ascii_digit());
        self.lines < MOST_LINES && self.digits >= 4 && digits.count() == 4
    }

    fn is_label(&self, text: Option<&str>) -> bool {
        text.is_some_and(|text| {
            let text = &*as_it_reads(text);
            LABELS.iter().any(|label| label.eq_ignore_ascii_case(text))
                || (self.digits >= behind::LEAST_DIGITS && behind::calls(text))
                || dates::is_month_phrase(text)
        })
    }

    fn is_label_front(&self, front: Option<&str>) -> bool {
        front.is_some_and(|front| {
            let front = &*as_it_reads(front);
            LABELS.iter().any(|label| {
                label
                    .get(..front.len())
                    .is_some_and(|part| part.eq_ignore_ascii_case(front))
            }) || (self.digits >= behind::LEAST_DIGITS && behind::may_call(front))
                || is_month_front(Some(front))
        })
    }

    /// The private key that the text is in.
    pub fn take_key(&mut self) -> Option<Armor> {
        match self.key.take() {
            Some(Key::Open(armor)) => Some(*armor),
            other => {
                self.key = other;
                None
            }
        }
    }
}

/// The text without invisible characters, and full-width forms as their counterparts.
fn as_it_reads(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let visible = text.chars().filter(|one| !fold::is_invisible(*one));
    Cow::Owned(
        visible
            .map(|one| fold::folded(one).unwrap_or(one))
            .collect(),
    )
}

/// The characters that end before `at`, from the last one on, as they read.
fn read_back(buffer: &str, at: usize) -> impl Iterator<Item = char> {
    let left = buffer.get(..at).unwrap_or_default();
    let seen = left.chars().rev().filter(|one| !fold::is_invisible(*one));
    seen.map(|one| fold::folded(one).unwrap_or(one))
}

/// Whether a number as `AB 12 34 56 C` ends before `at`, of three pairs of digits, whose last
/// letter may follow.
fn ends_in_insurance(buffer: &str, at: usize) -> bool {
    let mut left = read_back(buffer, at).peekable();
    let pairs = (0..3).all(|_| {
        left.next().is_some_and(|one| kind(one) == Kind::Space)
            && left.next().is_some_and(|one| one.is_ascii_digit())
            && left.next().is_some_and(|one| one.is_ascii_digit())
    });
    left.next_if(|one| kind(*one) == Kind::Space);
    pairs && left.take(2).filter(char::is_ascii_uppercase).count() == 2
}

/// Whether what ends before `next` is the sign of an address, written as a character reference.
fn ends_in_sign(buffer: &str, next: usize) -> bool {
    let text = buffer.as_bytes().get(..next).unwrap_or_default();
    email::sign_start(text).is_some()
}

/// Whether what ends before `next` is the sign that a character reference begins with, written as
/// one.
fn ends_in_ampersand(buffer: &str, next: usize) -> bool {
    let text = buffer.as_bytes().get(..next).unwrap_or_default();
    email::ends_in_ampersand(text)
}

/// Whether the domain that ends before `at` has only one label as yet.
fn has_no_dot(buffer: &str, floor: usize, at: usize) -> bool {
    let held = buffer.get(floor..at).unwrap_or_default();
    let domain = held.rsplit(['@', '\u{ff20}', '\u{fe6b}', ';']).next();
    domain.is_some_and(|domain| !domain.is_empty() && !domain.contains(['.', '\u{ff0e}']))
}

/// How long the front of a private key's first line is that ends before `next`.
fn key_front(buffer: &str, floor: usize, next: usize) -> Option<usize> {
    armor::front(buffer.as_bytes().get(floor..next)?)
}

/// The key with its next character; none if it has ended.
fn in_key(key: Key, buffer: &str, next: usize, character: char) -> Option<Key> {
    match key {
        Key::FirstLine(start) => {
            let line = buffer.as_bytes().get(start..next)?;
            // Within what began as a first line another may begin.
            let front = match character {
                ' ' => armor::front(line).unwrap_or(line.len()),
                _ => line.len(),
            };
            let start = next.saturating_sub(front);
            let line = buffer.as_bytes().get(start..next)?;
            let begun = match character {
                ' ' | '-' => armor::begin(line),
                _ => None,
            };
            match begun {
                Some((armor, length)) if length == line.len() => Some(Key::Open(Box::new(armor))),
                _ => (line.len() <= armor::LONGEST_FIRST_LINE
                    && character.is_ascii()
                    && armor::is_in_first_line(character as u8))
                .then_some(Key::FirstLine(start)),
            }
        }
        Key::Open(mut armor) => {
            let inside = armor.step_over(character) == Step::Inside;
            inside.then_some(Key::Open(armor))
        }
        zone @ Key::Zone(..) => Some(zone),
    }
}
