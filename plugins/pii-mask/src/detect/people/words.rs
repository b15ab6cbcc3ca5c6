//! Reads a text word by word, and remembers how far it has looked.

use super::class::Class;
use super::table::{BASIS, class_of, hash, of};
use crate::detect::boundary::{Kind, ends_escape, is_letter, kind};
use crate::detect::fold;
use crate::detect::hints::plain;
use core::ops::Range;

/// Most letters of a word that is looked at.
const MOST: usize = 32;

/// Forms of companies in two or three large letters.
const LEGAL: [u32; 13] = [
    of("sa"),
    of("se"),
    of("ag"),
    of("kg"),
    of("ev"),
    of("ug"),
    of("bv"),
    of("nv"),
    of("sas"),
    of("spa"),
    of("srl"),
    of("snc"),
    of("lda"),
];

/// Most letters before an apostrophe within a word: `D'Arc`, `Sant'Angelo`.
const APOSTROPHE: usize = 5;

/// How a word is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// In small letters.
    Small,
    /// One large letter.
    Letter,
    /// A large letter in front.
    Capital,
    /// In large letters.
    Large,
    /// Otherwise, or glued to something: no word of prose.
    Other,
}

/// A word.
#[derive(Debug, Clone)]
pub struct Word {
    /// Its letters, with hyphens and apostrophes, and the full stop of an initial.
    pub span: Range<usize>,
    /// How it is written.
    pub shape: Shape,
    /// What it is.
    pub class: Class,
    /// Of all its letters.
    pub hash: u32,
    letters: [u8; MOST],
    length: usize,
}

impl Word {
    /// Whether it has a capital in front as names have.
    pub const fn is_name_like(&self) -> bool {
        matches!(self.shape, Shape::Capital | Shape::Large)
    }

    /// Its letters, without accents and in lower case.
    pub fn letters(&self) -> &[u8] {
        self.letters.get(..self.length).unwrap_or_default()
    }
}

/// A text under scan.
#[derive(Debug)]
pub struct Reader<'a> {
    /// All of it.
    pub text: &'a str,
    /// Behind the last character that has been looked at.
    pub seen: usize,
    /// Whether it has looked for more than there is.
    pub ended: bool,
}

impl<'a> Reader<'a> {
    /// Of a text of which nothing has been looked at.
    pub const fn of(text: &'a str) -> Self {
        Self {
            text,
            seen: 0,
            ended: false,
        }
    }

    /// What is looked at from here on counts.
    pub const fn begin(&mut self, at: usize) {
        (self.seen, self.ended) = (at, false);
    }

    /// The character at `at` as it reads, and where the next one begins. What nobody sees is left
    /// out.
    pub fn look(&mut self, mut at: usize) -> Option<(char, usize)> {
        loop {
            let Some(byte) = self.text.as_bytes().get(at) else {
                self.seen = self.text.len();
                self.ended = true;
                return None;
            };
            if byte.is_ascii() {
                let next = at.saturating_add(1);
                self.seen = self.seen.max(next);
                return Some((char::from(*byte), next));
            }
            let character = self.text.get(at..)?.chars().next()?;
            let next = at.saturating_add(character.len_utf8());
            self.seen = self.seen.max(next);
            if !fold::is_invisible(character) {
                return Some((fold::folded(character).unwrap_or(character), next));
            }
            at = next;
        }
    }

    /// Whether the character at `at` is one of these; where the next one begins.
    pub fn is_one(&mut self, at: usize, of: &[char]) -> Option<usize> {
        self.look(at)
            .filter(|(character, _)| of.contains(character))
            .map(|(_, next)| next)
    }

    /// Behind one space.
    pub fn space(&mut self, at: usize) -> Option<usize> {
        let (character, next) = self.look(at)?;
        (character != '\t' && kind(character) == Kind::Space).then_some(next)
    }

    /// Behind a space, if there is one.
    pub fn maybe_space(&mut self, at: usize) -> usize {
        self.space(at).unwrap_or(at)
    }

    /// Behind a row of at most `most` digits, and how many they are.
    pub fn digits(&mut self, mut at: usize, most: usize) -> (usize, usize) {
        let mut count = 0;
        while count < most
            && let Some((digit, next)) = self.look(at)
            && digit.is_ascii_digit()
        {
            (at, count) = (next, count.saturating_add(1));
        }
        (at, count)
    }

    /// The word at `at`, where a letter stands.
    pub fn word(&mut self, at: usize) -> Option<Word> {
        let mut word = Word {
            span: at..at,
            shape: Shape::Other,
            class: Class::NONE,
            hash: BASIS,
            letters: [0; MOST],
            length: 0,
        };
        let (mut large, mut inner, mut first) = (0_usize, false, false);
        // Whether a part has just begun: behind an apostrophe, a hyphen, `Mc`.
        let mut fresh = true;
        let mut part = None;
        let mut end = at;
        while let Some((letter, next)) = self.look(end) {
            if is_word_letter(letter) {
                if word.length == MOST {
                    word.span.end = end;
                    return Some(word);
                }
                let is_large = is_large(letter);
                if is_large {
                    large = large.saturating_add(1);
                    inner |=
                        !fresh && word.length.saturating_sub(large) > 0 && !may_be_inner(&word);
                }
                first |= is_large && word.length == 0;
                let letter = without_accent(letter);
                word.hash = hash(word.hash, letter);
                if let Some(slot) = word.letters.get_mut(word.length) {
                    *slot = letter;
                }
                word.length = word.length.saturating_add(1);
                (end, fresh) = (next, false);
                continue;
            }
            let joins = match letter {
                '\'' | '\u{2019}' | '\u{2bc}' => word.length <= APOSTROPHE,
                '-' | '\u{2010}' | '\u{2011}' => first,
                _ => false,
            };
            let goes_on = joins
                && self.look(next).is_some_and(|(letter, _)| {
                    is_large(letter)
                        || (word.length == 1 && is_word_letter(letter) && !first)
                        || (first && self.is_between(next))
                });
            if !goes_on {
                break;
            }
            part.get_or_insert((word.hash, word.length));
            (end, fresh) = (next, true);
        }
        word.span.end = end;
        word.shape = match (first, large, word.length) {
            (_, _, 0) => return None,
            _ if inner => Shape::Other,
            (false, 0, _) => Shape::Small,
            (true, 1, 1) => Shape::Letter,
            (true, large, length) if large == length && length > 1 => Shape::Large,
            (true, ..) => Shape::Capital,
            // `d'Arc`
            (false, 1, _) if part.is_some_and(|(_, length)| length <= 2) => Shape::Capital,
            (false, ..) => Shape::Other,
        };
        if word.shape == Shape::Letter
            && let Some(next) = self.is_one(end, &['.'])
        {
            word.span.end = next;
        }
        let class = class_of(word.hash);
        if !self.begins(at) || self.goes_on(word.span.end, word.shape, class) {
            word.shape = Shape::Other;
            return Some(word);
        }
        word.class = match word.shape {
            // `Sá` is a surname, `SA` a company's form.
            Shape::Capital if LEGAL.contains(&word.hash) => class.without(Class::ORG),
            _ => class,
        };
        if let Some((hash, length)) = part
            && word.class == Class::NONE
            && length > 2
        {
            // `Anne-Marie`, and not `Mercedes-Benz`.
            let front = class_of(hash);
            let class = Class::GIVEN.or(Class::SURNAME);
            word.class = if front.is(class) && !front.is(Class::UNSURE) {
                front
            } else {
                Class::NONE
            };
        }
        Some(word)
    }

    /// Whether a few small letters and another hyphen follow: `-sur-`.
    fn is_between(&mut self, mut at: usize) -> bool {
        for count in 0..5 {
            match self.look(at) {
                Some(('-', _)) => return count > 0,
                Some((letter, next)) if letter.is_ascii_lowercase() => at = next,
                _ => break,
            }
        }
        false
    }

    /// The word at `at`, which may stand directly behind a full stop: `Dr.Meier`, `J.R.`
    pub fn word_behind_dot(&mut self, at: usize) -> Option<Word> {
        let mut word = self.word(at)?;
        let bytes = self.text.as_bytes();
        let dot = at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'.');
        if dot && word.shape == Shape::Other && word.length > 0 {
            let mut other = Reader::of(self.text.get(at..)?);
            let read = other.word(0)?;
            (word.shape, word.class) = (read.shape, read.class);
        }
        Some(word)
    }

    /// Whether a word of prose can begin at `at`.
    fn begins(&self, at: usize) -> bool {
        let bytes = self.text.as_bytes();
        let Some(before) = at.checked_sub(1).and_then(|before| bytes.get(before)) else {
            return true;
        };
        match before {
            byte if !byte.is_ascii() => {
                let left = self.text.get(..at).unwrap_or_default();
                !left.chars().next_back().is_some_and(is_letter)
            }
            byte if byte.is_ascii_alphanumeric() => ends_escape(bytes, at),
            b'-' | b'/' => {
                let left = at.checked_sub(2).and_then(|left| bytes.get(left));
                *before == b'-' && left.is_none_or(|left| left.is_ascii_whitespace())
            }
            b'_' | b'@' | b'#' | b'$' | b'%' | b'~' | b'.' | b'&' | b'\\' => false,
            _ => true,
        }
    }

    /// Whether something is glued to what ends at `at`.
    fn goes_on(&mut self, at: usize, shape: Shape, class: Class) -> bool {
        let Some((character, next)) = self.look(at) else {
            return false;
        };
        match character {
            '0'..='9' | '_' | '@' | '/' | '(' | '[' => true,
            // `Option<String>`
            '<' => self.look(next).is_some_and(|(next, _)| is_large(next)),
            '.' | ':' | '-' => {
                let next = self.look(next).map_or(' ', |(next, _)| next);
                next.is_ascii_digit()
                    || next == ':'
                    // `Dr.Meier`, `Sig.ra`
                    || (next.is_ascii_alphabetic() && character != ':' && !(character == '.' && class.is(Class::TITLE)))
            }
            '\'' | '\u{2019}' => {
                let Some((letter, next)) = self.look(next) else {
                    return false;
                };
                let ends = !self
                    .look(next)
                    .is_some_and(|(next, _)| is_word_letter(next));
                is_word_letter(letter) && (!matches!(letter, 's' | 'S') || !ends)
            }
            letter if is_word_letter(letter) => shape != Shape::Letter,
            _ => false,
        }
    }
}

/// Whether a large letter may stand within a name: `McDonald`, `MacArthur`, `DeVito`.
fn may_be_inner(word: &Word) -> bool {
    const FRONTS: [&[u8]; 9] = [
        b"mc", b"mac", b"de", b"di", b"da", b"la", b"le", b"van", b"fitz",
    ];
    FRONTS.contains(&word.letters())
}

/// Letters that words of the languages at hand, or names in their texts, have.
pub fn is_word_letter(character: char) -> bool {
    character.is_ascii_alphabetic()
        || (is_letter(character) && !matches!(character, '\u{d7}' | '\u{f7}'))
}

/// Whether a letter is a large one: Latin, Greek, Cyrillic.
pub fn is_large(character: char) -> bool {
    let code = u32::from(character);
    match character {
        'A'..='Z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{de}' | '\u{178}' => true,
        '\u{391}'..='\u{3a9}' | '\u{400}'..='\u{42f}' => true,
        '\u{100}'..='\u{137}' | '\u{14a}'..='\u{177}' => code.is_multiple_of(2),
        '\u{139}'..='\u{148}' | '\u{179}'..='\u{17e}' => !code.is_multiple_of(2),
        _ => false,
    }
}

/// A letter in lower case without its accent; of other scripts none that a word in a list has.
pub fn without_accent(letter: char) -> u8 {
    if letter.is_ascii() {
        return u8::try_from(letter).unwrap_or(b'-').to_ascii_lowercase();
    }
    let mut bytes = [0; 4];
    match letter.encode_utf8(&mut bytes).as_bytes() {
        [lead @ 0xC3..=0xC5, next] => plain(*lead, *next),
        _ => 0,
    }
}
