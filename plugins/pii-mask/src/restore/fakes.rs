//! Fakes in a text: they are known by nothing but that they were given out.

use super::Place;
use crate::mask::fake::{LONGEST, is_made_up};
use core::ops::{Bound, Range};
use std::collections::BTreeMap;

/// How much of a fake is looked up before the rest is compared.
const FRONT: usize = 3;

/// The fakes of one exchange.
#[derive(Default)]
pub struct Fakes {
    /// As they are written, in lower case.
    written: BTreeMap<String, Place>,
    /// Words of the request: a fake made of them alone is none.
    words: BTreeMap<String, Place>,
    /// By entity and value in one spelling: models write numbers in groups of their own.
    readings: BTreeMap<String, Place>,
    /// What they begin with, a bit for each byte of ASCII.
    firsts: u128,
    /// Length of the longest.
    longest: usize,
}

impl Fakes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// Takes notice of what a body holds.
    pub fn reserve(&mut self, body: &[u8]) {
        // A fake has a digit, an `@` or such a name, and is no longer than this.
        for word in words(body).filter(|word| word.len() <= LONGEST) {
            if is_telling(word) || is_made_up(word) {
                let word = String::from_utf8_lossy(word).to_ascii_lowercase();
                self.words.entry(word).or_default();
            }
        }
    }

    /// The request has been read.
    pub fn settle(&mut self) {
        self.words.clear();
    }

    /// The fake that reads like this.
    pub fn reads(&self, reading: &str) -> Option<Place> {
        self.readings.get(reading).copied()
    }

    /// Adds a fake, and how it reads; false if it cannot be told from what the request holds, or
    /// from another.
    pub fn add(&mut self, fake: &str, reading: String, place: Place) -> bool {
        let fake = fake.to_ascii_lowercase();
        let telling = words(fake.as_bytes()).any(is_telling);
        let held = words(fake.as_bytes())
            .filter(|word| match telling {
                true => is_telling(word),
                false => is_made_up(word),
            })
            .all(|word| {
                let word = core::str::from_utf8(word).unwrap_or_default();
                self.words.contains_key(word)
            });
        // None begins another: the longest that fits a text is then the only one.
        let from: (Bound<&str>, Bound<&str>) = (Bound::Included(&fake), Bound::Unbounded);
        let longer = self.written.range::<str, _>(from).next();
        let to: (Bound<&str>, Bound<&str>) = (Bound::Unbounded, Bound::Included(&fake));
        let shorter = self.written.range::<str, _>(to).next_back();
        let clashes = longer.is_some_and(|(other, _)| other.starts_with(&fake))
            || shorter.is_some_and(|(other, _)| fake.starts_with(other.as_str()));
        if held || clashes {
            return false;
        }
        let first = fake.bytes().next().unwrap_or_default();
        self.firsts |= 1_u128.checked_shl(u32::from(first)).unwrap_or_default();
        self.longest = self.longest.max(fake.len());
        self.written.insert(fake, place);
        self.readings.insert(reading, place);
        true
    }

    /// The fakes in `text[floor..]`.
    pub fn find(&self, text: &str, floor: usize) -> Vec<(Range<usize>, Place)> {
        let mut found = Vec::new();
        if self.is_empty() {
            return found;
        }
        let mut at = floor;
        while at < text.len() {
            if !self.may_begin(text.as_bytes(), at) {
                at = at.saturating_add(1);
                continue;
            }
            match self.longest(text, at) {
                Some((end, place))
                    if !goes_on(text.as_bytes(), end) && !in_word(text.as_bytes(), at..end) =>
                {
                    found.push((at..end, place));
                    at = end;
                }
                _ => at = at.saturating_add(1),
            }
        }
        found
    }

    /// Whether one stands over `place`, or may if the text goes on.
    pub fn spans(&self, text: &str, floor: usize, place: usize) -> bool {
        let bytes = text.as_bytes();
        let from = floor.max(place.saturating_sub(self.longest));
        !self.is_empty()
            && (from..place).any(|at| {
                if !self.may_begin(bytes, at) {
                    return false;
                }
                let rest = bytes.get(at..).unwrap_or_default();
                if rest.len() <= self.longest && self.any_begins(&self.lower(rest)) {
                    return true;
                }
                self.longest(text, at).is_some_and(|(end, _)| end > place)
            })
    }

    /// Whether one may begin here by its first bytes.
    fn may_begin(&self, bytes: &[u8], at: usize) -> bool {
        let first = bytes.get(at).copied().unwrap_or_default();
        let bit = 1_u128.checked_shl(u32::from(first.to_ascii_lowercase()));
        if self.firsts & bit.unwrap_or_default() == 0 || goes_on(bytes, at) {
            return false;
        }
        let front = bytes.get(at..).unwrap_or_default();
        let front = front.get(..front.len().min(FRONT)).unwrap_or_default();
        front.is_ascii() && !front.is_empty() && self.any_begins(&self.lower(front))
    }

    fn any_begins(&self, front: &str) -> bool {
        let from: (Bound<&str>, Bound<&str>) = (Bound::Included(front), Bound::Unbounded);
        let first = self.written.range::<str, _>(from).next();
        first.is_some_and(|(fake, _)| fake.starts_with(front))
    }

    /// The front of a text in lower case, as much as a fake is long.
    fn lower(&self, bytes: &[u8]) -> String {
        let front = bytes.get(..bytes.len().min(self.longest));
        let mut chunks = front.unwrap_or_default().utf8_chunks();
        let valid = chunks.next().map_or("", |chunk| chunk.valid());
        valid.to_ascii_lowercase()
    }

    /// The fake that begins at `at`, and where it ends.
    fn longest(&self, text: &str, at: usize) -> Option<(usize, Place)> {
        let window = self.lower(text.as_bytes().get(at..)?);
        let to: (Bound<&str>, Bound<&str>) = (Bound::Unbounded, Bound::Included(&window));
        let (fake, place) = self.written.range::<str, _>(to).next_back()?;
        window
            .starts_with(fake.as_str())
            .then(|| (at.saturating_add(fake.len()), *place))
    }
}

/// Whether a word has a digit or an `@`.
fn is_telling(word: &[u8]) -> bool {
    word.iter()
        .any(|byte| byte.is_ascii_digit() || *byte == b'@')
}

/// Whether a name is the front or the end of a longer word.
fn in_word(bytes: &[u8], span: Range<usize>) -> bool {
    let name = bytes.get(span.clone()).unwrap_or_default();
    let letter = |at: Option<usize>| {
        let byte = at.and_then(|at| bytes.get(at));
        byte.is_some_and(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii())
    };
    !is_telling(name) && (letter(span.start.checked_sub(1)) || letter(Some(span.end)))
}

/// Whether a number goes on over this place.
fn goes_on(bytes: &[u8], at: usize) -> bool {
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    is_digit(at) && at.checked_sub(1).is_some_and(is_digit)
}

fn words(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|byte| !(byte.is_ascii_alphanumeric() || b".@:-_+".contains(byte)))
        .filter(|word| !word.is_empty())
}
