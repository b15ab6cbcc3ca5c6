//! Kinds of values of the operator's own: patterns and lists of terms from the configuration.
//!
//! Patterns are compiled once, by an engine whose time is linear in the text; each has a longest
//! match, known from how it is written, so that a stream holds no more than that. A value that
//! neither its check nor the words beside it confirm is none.

mod length;

use crate::detect::boundary::{self, CONTEXT_REACH, begins, ends};
use crate::detect::ids::digits;
use crate::detect::{Certainty, Custom, Entity, Finding, together};
use core::ops::Range;
use regex_lite::{Regex, RegexBuilder};
use std::collections::BTreeMap;

pub use length::{Refused, longest};

/// Longest match of a pattern, and longest term, in bytes.
pub const LONGEST: usize = 256;
/// The most memory that a compiled pattern may take, in bytes.
const MOST_MEMORY: usize = 1 << 17;

/// How many matches are tried that begin at one place, each shorter by a word at least.
const MOST_SHORTER: usize = 4;

/// What letters and digits of a value must satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Check {
    /// Nothing.
    #[default]
    None,
    /// ISO/IEC 7812-1 annex B.
    Luhn,
    /// J. Verhoeff's check digit.
    Verhoeff,
    /// ISO/IEC 7064, modulus 11 and 10.
    Mod11And10,
    /// ISO/IEC 7064, modulus 97 and 10.
    Mod97And10,
}

impl Check {
    fn holds(self, value: &str) -> bool {
        let number: Vec<u8> = value.bytes().filter(u8::is_ascii_digit).collect();
        match self {
            Check::None => true,
            Check::Luhn => digits::luhn(&number),
            Check::Verhoeff => !number.is_empty() && digits::verhoeff(&number),
            Check::Mod11And10 => digits::mod_11_10(&number),
            Check::Mod97And10 => digits::mod_97_10(value.as_bytes()),
        }
    }
}

/// One kind.
#[derive(Debug)]
pub struct Kind {
    entity: Entity,
    what: What,
    words: Vec<String>,
    check: Check,
    whole_words: bool,
}

#[derive(Debug)]
enum What {
    /// A pattern, and how each of its matches begins.
    Pattern(Regex, String),
    /// Terms in lower case, by their first word; the longest first.
    Terms(BTreeMap<String, Vec<String>>),
}

/// Why a pattern is none.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// What the engine says.
    Syntax(String),
    /// It matches the empty text.
    Empty,
    /// Its matches have no bound, or one above [`LONGEST`].
    Length(Refused),
}

impl Kind {
    /// Values that match a pattern.
    ///
    /// # Errors
    /// The pattern cannot be used.
    pub fn pattern(entity: Custom, pattern: &str) -> Result<Self, Fault> {
        longest(pattern, LONGEST).map_err(Fault::Length)?;
        let regex = compile(pattern)?;
        if regex.is_match("") {
            return Err(Fault::Empty);
        }
        let front = length::front(pattern).to_owned();
        Ok(Self::of(entity, What::Pattern(regex, front)))
    }

    /// Values of a list, whatever their case.
    pub fn terms<'a>(entity: Custom, terms: impl IntoIterator<Item = &'a str>) -> Self {
        let mut by_word: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for term in terms {
            let term = term.to_lowercase();
            by_word
                .entry(first_word(&term).to_owned())
                .or_default()
                .push(term);
        }
        for terms in by_word.values_mut() {
            terms.sort_by_key(|term| core::cmp::Reverse(term.len()));
        }
        Self::of(entity, What::Terms(by_word))
    }

    fn of(entity: Custom, what: What) -> Self {
        Self {
            entity: Entity::Custom(entity),
            what,
            words: Vec::new(),
            check: Check::None,
            whole_words: true,
        }
    }

    /// The same, only beside one of these words, and if the check holds.
    #[must_use]
    pub fn confirmed_by(mut self, words: &[String], check: Check, whole_words: bool) -> Self {
        self.words = words.iter().map(|word| word.to_lowercase()).collect();
        (self.check, self.whole_words) = (check, whole_words);
        self
    }

    const fn certainty(&self) -> Certainty {
        match self.check {
            Check::None if self.words.is_empty() => Certainty::Shape,
            Check::None => Certainty::Context,
            _ => Certainty::Check,
        }
    }

    /// Gives the values in `text[floor..]` to `found`.
    fn find(&self, text: &str, floor: usize, label: &str, found: &mut Vec<Finding>) {
        let mut take = |span: Range<usize>| {
            let value = text.get(span.clone()).unwrap_or_default();
            let whole =
                !self.whole_words || (begins_word(text, span.start) && ends_word(text, span.end));
            let fits = whole && self.check.holds(value) && self.is_named(text, span.start, label);
            if fits {
                found.push(Finding {
                    span,
                    entity: self.entity,
                    certainty: self.certainty(),
                    quotes: None,
                });
            }
            fits
        };
        match &self.what {
            What::Pattern(regex, front) => {
                let mut at = floor;
                while let Some(from) = next(text, at, front)
                    && let Some(matched) = regex.find_at(text, from)
                {
                    let span = matched.range();
                    // `B123( [a-z]{2})?` in `B123 and`: what may be left out may end in a word.
                    let mut next = Some(span.clone());
                    let taken = (0..MOST_SHORTER).find_map(|_| {
                        let tried = next.take()?;
                        if take(tried.clone()) {
                            return Some(tried.end);
                        }
                        let end = last_word_end(text, tried)?;
                        let shorter = regex.find_at(text.get(..end)?, span.start)?.range();
                        next = (shorter.start == span.start).then_some(shorter);
                        None
                    });
                    at = taken.unwrap_or_else(|| behind(text, span.start));
                }
            }
            What::Terms(by_word) => {
                let mut at = floor;
                while let Some(start) = next_word(text, at) {
                    let rest = text.get(start..).unwrap_or_default();
                    let word = first_word(rest);
                    let length = by_word.get(&word.to_lowercase()).and_then(|terms| {
                        terms.iter().find_map(|term| {
                            let length = reads_as(rest, term)?;
                            take(start..start.saturating_add(length)).then_some(length)
                        })
                    });
                    at = start.saturating_add(length.unwrap_or(word.len().max(1)));
                }
            }
        }
    }

    /// Whether one of the words stands within reach, or in the text's name; or none is asked for.
    fn is_named(&self, text: &str, at: usize, label: &str) -> bool {
        let from = text.floor_char_boundary(at.saturating_sub(CONTEXT_REACH));
        let left = || text.get(from..at).unwrap_or_default().to_lowercase();
        self.words.is_empty()
            || [left(), label.to_lowercase()].iter().any(|context| {
                self.words.iter().any(|word| {
                    context.match_indices(word.as_str()).any(|(start, word)| {
                        begins_word(context, start)
                            && ends_word(context, start.saturating_add(word.len()))
                    })
                })
            })
    }
}

/// The pattern, compiled.
fn compile(pattern: &str) -> Result<Regex, Fault> {
    RegexBuilder::new(pattern)
        .size_limit(MOST_MEMORY)
        .build()
        .map_err(|error| Fault::Syntax(error.to_string()))
}

/// A pattern that all of a value must match.
///
/// # Errors
/// It is none.
pub fn compile_whole(pattern: &str) -> Result<Regex, Fault> {
    // By itself first: what it says of a bracket that is not closed is then of what was written.
    compile(pattern)?;
    compile(&format!("^(?:{pattern})$"))
}

/// The next place at or behind `at` where a match may begin.
fn next(text: &str, at: usize, front: &str) -> Option<usize> {
    let rest = text.get(at..)?;
    rest.find(front).map(|found| at.saturating_add(found))
}

/// Behind the character at `at`.
fn behind(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let length = rest.chars().next().map_or(1, char::len_utf8);
    at.saturating_add(length)
}

fn begins_word(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default().chars().next_back();
    let inside = before.is_some_and(is_of_word);
    let word = text.get(at..).unwrap_or_default().chars().next();
    !inside || !word.is_some_and(is_of_word) || begins(text.as_bytes(), at)
}

fn ends_word(text: &str, at: usize) -> bool {
    let next = text.get(at..).unwrap_or_default().chars().next();
    let last = text.get(..at).unwrap_or_default().chars().next_back();
    let inside = next.is_some_and(is_of_word) && last.is_some_and(is_of_word);
    !inside && (ends(text.as_bytes(), at) || !last.is_some_and(is_of_word))
}

/// Letters of scripts without spaces divide, as they do everywhere.
fn is_of_word(character: char) -> bool {
    (character.is_alphanumeric() && boundary::kind(character) == boundary::Kind::Word)
        || character == '_'
}

/// Where the last word ends in this part of a text before its own end.
fn last_word_end(text: &str, part: Range<usize>) -> Option<usize> {
    let inside = text.get(part.clone())?.char_indices().rev();
    let mut ends = inside.map(|(at, _)| part.start.saturating_add(at));
    ends.find(|at| *at > part.start && ends_word(text, *at))
}

/// Where the next word begins at or behind `at`.
fn next_word(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    rest.find(is_of_word).map(|found| at.saturating_add(found))
}

/// The letters and digits that a text begins with; of a term that begins with a sign none.
fn first_word(text: &str) -> &str {
    let end = text
        .find(|character| !is_of_word(character))
        .unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// How much of a text reads as this term, which is in lower case.
fn reads_as(text: &str, term: &str) -> Option<usize> {
    let mut wanted = term.chars();
    let mut length = 0_usize;
    let mut left = wanted.next();
    for character in text.chars() {
        if left.is_none() {
            break;
        }
        for lower in character.to_lowercase() {
            if left != Some(lower) {
                return None;
            }
            left = wanted.next();
        }
        length = length.saturating_add(character.len_utf8());
    }
    left.is_none().then_some(length)
}

/// All kinds of a configuration.
#[derive(Debug, Default)]
pub struct Customs {
    kinds: Vec<Kind>,
}

impl Customs {
    /// Of these.
    pub const fn new(kinds: Vec<Kind>) -> Self {
        Self { kinds }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The values in `text[floor..]`, in their order and apart.
    pub fn find(&self, text: &str, floor: usize, label: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        for kind in &self.kinds {
            kind.find(text, floor, label, &mut found);
        }
        together(found, Vec::new())
    }

    /// The last of these places, in ascending order, that no value spans, and that has so much of
    /// the text behind it that none can.
    pub fn last_apart(&self, text: &str, floor: usize, places: &[usize]) -> Option<usize> {
        let sure = text.len().saturating_sub(LONGEST);
        let found = self.find(text, floor, "");
        let apart = |place: &&usize| {
            let at = found.partition_point(|finding| finding.span.end <= **place);
            found
                .get(at)
                .is_none_or(|finding| finding.span.start >= **place)
        };
        let until = places.partition_point(|place| *place <= sure);
        places.get(..until)?.iter().rev().find(apart).copied()
    }
}

#[cfg(test)]
mod tests;
