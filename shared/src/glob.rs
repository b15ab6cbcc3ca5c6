//! Patterns of names: literal text in which `*` stands for any run of characters, the empty one
//! included.
//!
//! Nothing else is special. What stands between two `*` is taken where it first occurs, which is
//! enough because a later place could not do better; each search is linear (two-way string
//! matching), and so is all of it.
//!
//! Of many patterns [`Patterns`] finds those that a text can fit without trying the others.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::ptr;

use crate::sorting;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Exact(String),
    Any,
    Starred(String),
}

impl Glob {
    /// Compiles a pattern; every text is one.
    pub fn new(pattern: &str) -> Self {
        Self(match pattern {
            "*" => Form::Any,
            _ if pattern.contains('*') => Form::Starred(pattern.to_owned()),
            _ => Form::Exact(pattern.to_owned()),
        })
    }

    /// Whether the whole text fits the pattern. Case matters.
    pub fn matches(&self, text: &str) -> bool {
        match &self.0 {
            Form::Any => true,
            Form::Exact(name) => name == text,
            Form::Starred(pattern) => fits(pattern, text),
        }
    }

    /// The pattern as it is written.
    pub fn text(&self) -> &str {
        match &self.0 {
            Form::Any => "*",
            Form::Exact(text) | Form::Starred(text) => text,
        }
    }

    /// The one text that the pattern stands for, if it has no `*`: what an index can be built on.
    pub fn literal(&self) -> Option<&str> {
        match &self.0 {
            Form::Exact(name) => Some(name),
            Form::Any | Form::Starred(_) => None,
        }
    }

    /// What every text that fits begins with: all of it before the first `*`.
    pub fn prefix(&self) -> &str {
        match &self.0 {
            Form::Any => "",
            Form::Exact(name) => name,
            Form::Starred(pattern) => pattern.split('*').next().unwrap_or_default(),
        }
    }

    /// By what an index finds it.
    fn key(&self) -> Key<'_> {
        let (front, pattern) = (
            self.prefix(),
            match &self.0 {
                Form::Any => return Key::Front(""),
                Form::Exact(name) => return Key::Whole(name),
                Form::Starred(pattern) => pattern,
            },
        );
        let longest = pattern.split('*').max_by_key(|piece| piece.len());
        match longest {
            Some(piece) if front.len() < LONG_FRONT && piece.len() > front.len() => {
                Key::Inside(piece)
            }
            _ => Key::Front(front),
        }
    }

    /// How well [`Patterns`] can tell it from others; nothing if it cannot: there is nothing in it
    /// but `*`.
    pub fn selectivity(&self) -> Option<Selectivity> {
        match self.key() {
            Key::Whole(_) => Some(Selectivity::Whole),
            Key::Front("") => None,
            Key::Front(_) => Some(Selectivity::Front),
            Key::Inside(_) => Some(Selectivity::Inside),
        }
    }
}

/// A front that is as long tells patterns apart, whatever stands behind their first `*`.
const LONG_FRONT: usize = 4;

/// By what a pattern is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key<'a> {
    /// The one text that fits.
    Whole(&'a str),
    /// What every text that fits begins with.
    Front(&'a str),
    /// What every text that fits has in it somewhere.
    Inside(&'a str),
}

/// How well a pattern can be told from others, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selectivity {
    /// By a piece that stands somewhere in a text.
    Inside,
    /// By what a text begins with.
    Front,
    /// One text fits.
    Whole,
}

/// Something for each of many patterns, found by the texts that fit. Patterns that begin with the
/// same text before their first `*` share one entry, and so do those that begin with a `*`, or with
/// hardly more, and have the same longest piece: what is found is a superset.
#[derive(Clone, Debug)]
pub struct Patterns<S> {
    exact: BTreeMap<Box<str>, S>,
    /// Those with `*`. There may be many lists of patterns, and most have none.
    starred: Option<Box<Starred<S>>>,
}

#[derive(Clone, Debug)]
struct Starred<S> {
    /// By what stands in front.
    front: BTreeMap<Box<str>, S>,
    /// By a piece that stands somewhere.
    inside: BTreeMap<Box<str>, S>,
    /// How the pieces begin.
    beginnings: Beginnings,
}

/// Pairs of bytes that texts begin with, of which some share a bit: where none stands, no lookup is
/// needed.
#[derive(Clone, Copy, Debug, Default)]
struct Beginnings([u64; 4]);

impl Beginnings {
    const fn bit(one: u8, other: u8) -> (usize, u64) {
        let bit = one ^ other.rotate_left(3);
        ((bit >> 6) as usize, 1 << (bit & 63))
    }

    fn add(&mut self, text: &str) {
        match *text.as_bytes() {
            [] => self.0 = [u64::MAX; 4],
            // Anything may follow.
            [one] => (0..=u8::MAX).for_each(|other| self.add_pair(one, other)),
            [one, other, ..] => self.add_pair(one, other),
        }
    }

    fn add_pair(&mut self, one: u8, other: u8) {
        let (word, bit) = Self::bit(one, other);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    /// Whether a text that was added may begin so; at the end of a text, `other` is anything.
    fn may_be(&self, one: u8, other: u8) -> bool {
        let (word, bit) = Self::bit(one, other);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }
}

impl<S> Default for Patterns<S> {
    fn default() -> Self {
        Self {
            exact: BTreeMap::new(),
            starred: None,
        }
    }
}

impl<S> Default for Starred<S> {
    fn default() -> Self {
        Self {
            front: BTreeMap::new(),
            inside: BTreeMap::new(),
            beginnings: Beginnings::default(),
        }
    }
}

impl<S> Patterns<S> {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.starred.is_none()
    }

    /// Adds to `found` the entries of all patterns that the text can fit, each once.
    pub fn find<'a>(&'a self, text: &str, found: &mut Vec<&'a S>) {
        found.extend(self.exact.get(text));
        let Some(Starred {
            front,
            inside,
            beginnings,
        }) = self.starred.as_deref()
        else {
            return;
        };
        begin(front, text, found);
        if inside.is_empty() {
            return;
        }
        let mut pieces = Vec::new();
        let next = text.bytes().skip(1).chain([0]);
        for (at, (one, other)) in text.bytes().zip(next).enumerate() {
            if beginnings.may_be(one, other)
                && let Some(rest) = text.get(at..)
            {
                begin(inside, rest, &mut pieces);
            }
        }
        sorting::sort_by_key(&mut pieces, |entry| ptr::from_ref(*entry).addr());
        pieces.dedup_by(|one, other| ptr::eq(*one, *other));
        found.append(&mut pieces);
    }
}

impl<S: Default> Patterns<S> {
    /// The entry of a pattern.
    pub fn entry(&mut self, pattern: &Glob) -> &mut S {
        let starred = &mut self.starred;
        let (entries, key) = match pattern.key() {
            Key::Whole(name) => (&mut self.exact, name),
            Key::Front(text) => (&mut starred.get_or_insert_default().front, text),
            Key::Inside(text) => {
                let starred = starred.get_or_insert_default();
                starred.beginnings.add(text);
                (&mut starred.inside, text)
            }
        };
        entries.entry(key.into()).or_default()
    }
}

/// Adds to `found` the entries of all keys that the text begins with.
fn begin<'a, S>(entries: &'a BTreeMap<Box<str>, S>, text: &str, found: &mut Vec<&'a S>) {
    // The last entry at or before a text is the longest that it begins with, or else shares
    // with it whatever any entry does that it begins with.
    let mut probe = text;
    let before = |probe: &str| {
        let range = (Bound::Unbounded, Bound::Included(probe));
        entries.range::<str, _>(range).next_back()
    };
    while let Some((prefix, entry)) = before(probe) {
        let shorter = if probe.starts_with(&**prefix) {
            found.push(entry);
            let mut chars = prefix.chars();
            let Some(_) = chars.next_back() else {
                return;
            };
            chars.as_str().len()
        } else {
            common(probe, prefix)
        };
        probe = probe.get(..shorter).unwrap_or_default();
    }
}

/// Length of what two texts begin with alike, in whole characters.
fn common(one: &str, other: &str) -> usize {
    let alike = one.char_indices().zip(other.chars());
    alike
        .take_while(|((_, a), b)| a == b)
        .map(|((at, a), _)| at.saturating_add(a.len_utf8()))
        .last()
        .unwrap_or_default()
}

fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let (Some(first), Some(last)) = (pieces.next(), pieces.next_back()) else {
        return false;
    };
    let inside = text
        .strip_prefix(first)
        .and_then(|rest| rest.strip_suffix(last));
    let Some(mut rest) = inside else {
        return false;
    };
    pieces.all(|piece| {
        let found = rest.split_once(piece);
        found.is_some_and(|(_, behind)| {
            rest = behind;
            true
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_stand_for_any_run() {
        for (pattern, fitting, other) in [
            ("*", &["", "a", "a/b"][..], &[][..]),
            ("gpt-4", &["gpt-4"], &["gpt-4o", "GPT-4", "agpt-4", ""]),
            ("gpt-4*", &["gpt-4", "gpt-4o"], &["gpt-3", "xgpt-4"]),
            (
                "*-large",
                &["-large", "e5-large"],
                &["e5-large-v2", "large"],
            ),
            ("a*b*c", &["abc", "aXbYc", "abbcbc"], &["acb", "ab", "abcd"]),
            ("**", &["", "x"], &[]),
            ("", &[""], &["x"]),
            ("a*a", &["aa", "aba"], &["a"]),
        ] {
            for text in fitting {
                assert!(Glob::new(pattern).matches(text), "{pattern} {text}");
            }
            for text in other {
                assert!(!Glob::new(pattern).matches(text), "{pattern} {text}");
            }
        }
    }

    /// The definition, written the slow way.
    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|at| slow(rest, &text[at..])),
            Some((wanted, rest)) => text
                .split_first()
                .is_some_and(|(found, after)| wanted == found && slow(rest, after)),
        }
    }

    proptest! {
        #[test]
        fn every_pattern_that_fits_is_found(
            patterns in proptest::collection::vec("[ab\u{e9}*]{0,5}", 0..12), text in "[ab\u{e9}]{0,8}",
        ) {
            let mut index: Patterns<Vec<usize>> = Patterns::default();
            for (at, pattern) in patterns.iter().enumerate() {
                index.entry(&Glob::new(pattern)).push(at);
            }
            let mut found = Vec::new();
            index.find(&text, &mut found);
            let found: Vec<usize> = found.into_iter().flatten().copied().collect();
            for (at, pattern) in patterns.iter().enumerate() {
                let glob = Glob::new(pattern);
                let times = found.iter().filter(|other| **other == at).count();
                let can = match glob.key() {
                    Key::Whole(name) => name == text,
                    Key::Front(front) => text.starts_with(front),
                    Key::Inside(piece) => text.contains(piece),
                };
                prop_assert!(can || !glob.matches(&text), "{}", pattern);
                prop_assert_eq!(times, usize::from(can), "{}", pattern);
            }
        }

        #[test]
        fn agrees_with_the_definition(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(Glob::new(&pattern).matches(&text), slow(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
