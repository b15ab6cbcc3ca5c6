//! What one claim says, read once for all rules over it.
//!
//! A claim is a list of words: one scalar is one word, an array of scalars is several, and text is
//! split where a rule says so. A claim of any other shape (null, an object, an array with one in
//! it) has no words that could be known.
//!
//! A token may bring along a thousand words and a configuration ask for as many. Reading all for
//! each question would be their product, so they are sorted before the first.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use serde_json::{Number, Value};

use super::path::{ClaimPath, Finding};
use super::rule::{Split, Wanted};
use crate::glob::Glob;
use crate::sorting;

/// What a claim says.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading<T> {
    /// It is not there.
    Absent,
    /// It is elsewhere, or null, or hidden behind something unreadable.
    Unknown,
    /// It is there, and is no list of words.
    Unreadable,
    /// These words.
    Words(Words<T>),
}

impl<'a, T: From<&'a str> + Ord> Reading<T> {
    /// Reads what was found.
    pub fn of(found: Finding<'a>, split: Split) -> Self {
        match found {
            Finding::Absent => Self::Absent,
            Finding::Unknown | Finding::Value(Value::Null) => Self::Unknown,
            Finding::Value(value) => match words(value, split) {
                Some(words) => Self::Words(words.into_iter().collect()),
                None => Self::Unreadable,
            },
        }
    }
}

/// The words of a claim, each once, in ascending order.
#[derive(Clone, Debug, PartialEq)]
pub struct Words<T> {
    texts: Vec<T>,
    numbers: Vec<Number>,
    flags: Vec<bool>,
}

impl<'a, T: From<&'a str> + Ord> FromIterator<Word<'a>> for Words<T> {
    fn from_iter<I: IntoIterator<Item = Word<'a>>>(words: I) -> Self {
        let mut read = Self {
            texts: Vec::new(),
            numbers: Vec::new(),
            flags: Vec::new(),
        };
        for word in words {
            match word {
                Word::Text(text) => read.texts.push(T::from(text)),
                Word::Number(number) => read.numbers.push(number.clone()),
                Word::Bool(flag) if !read.flags.contains(&flag) => read.flags.push(flag),
                Word::Bool(_) => {}
            }
        }
        read.texts.sort_unstable();
        read.texts.dedup();
        sorting::sort_by(&mut read.numbers, |a, b| {
            size(a).total_cmp(&size(b)).is_lt()
        });
        read.numbers.dedup();
        read
    }
}

impl<T: AsRef<str>> Words<T> {
    /// Whether one is among them.
    pub fn has(&self, wanted: &Wanted) -> bool {
        match wanted {
            Wanted::Text(glob) => self.has_text(glob),
            Wanted::Other(Value::Bool(flag)) => self.flags.contains(flag),
            Wanted::Other(Value::Number(wanted)) => self.has_number(wanted),
            Wanted::Other(_) => false,
        }
    }

    fn has_text(&self, wanted: &Glob) -> bool {
        if let Some(text) = wanted.literal() {
            let found = self
                .texts
                .binary_search_by(|known| known.as_ref().cmp(text));
            return found.is_ok();
        }
        let prefix = wanted.prefix();
        let first = self.texts.partition_point(|text| text.as_ref() < prefix);
        let those = self.texts.get(first..).unwrap_or_default().iter();
        those
            .map(AsRef::as_ref)
            .take_while(|text: &&str| text.starts_with(prefix))
            .any(|text| wanted.matches(text))
    }

    /// 1 and 1.0 are one number (RFC 8259 section 6 leaves that to us); whole numbers compare
    /// exactly.
    fn has_number(&self, wanted: &Number) -> bool {
        let same_size = size(wanted);
        let first = self
            .numbers
            .partition_point(|number| size(number).total_cmp(&same_size).is_lt());
        let those = self.numbers.get(first..).unwrap_or_default().iter();
        those
            .take_while(|number| size(number).total_cmp(&same_size).is_eq())
            .any(|number| number == wanted || number.is_f64() || wanted.is_f64())
    }

    /// The texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(AsRef::as_ref)
    }

    /// What is no text, as [`Other`]s.
    pub fn others(&self) -> impl Iterator<Item = Other> + '_ {
        let numbers = self.numbers.iter().map(Other::of_number);
        numbers.chain(self.flags.iter().copied().map(Other::of_flag))
    }
}

/// The nearest binary fraction; zero has one sign.
fn size(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN) + 0.0
}

/// A number or a truth value, for indexes. Two that are the same word are equal; numbers beyond
/// 2^53 may be without being the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Other(u64);

impl Other {
    fn of_number(number: &Number) -> Self {
        Self(size(number).to_bits())
    }

    /// Its bits are those of no number in JSON.
    fn of_flag(flag: bool) -> Self {
        Self(u64::MAX.saturating_sub(u64::from(flag)))
    }

    /// Of a word that a rule looks for and that is no text.
    pub fn of(wanted: &Value) -> Option<Self> {
        match wanted {
            Value::Number(number) => Some(Self::of_number(number)),
            Value::Bool(flag) => Some(Self::of_flag(*flag)),
            _ => None,
        }
    }
}

/// What has been read of an identity's claims so far. It is no part of the identity: a copy begins
/// empty, and any two are equal.
pub struct Readings<T> {
    whole: RefCell<BTreeMap<String, Rc<Reading<T>>>>,
    spaces: RefCell<BTreeMap<String, Rc<Reading<T>>>>,
}

impl<T> Readings<T> {
    /// What the claim at a path says; `read` is asked the first time.
    pub fn get(
        &self,
        path: &ClaimPath,
        split: Split,
        read: impl FnOnce() -> Reading<T>,
    ) -> Rc<Reading<T>> {
        let known = match split {
            Split::Whole => &self.whole,
            Split::Spaces => &self.spaces,
        };
        if let Some(reading) = known.borrow().get(path.text()) {
            return Rc::clone(reading);
        }
        let reading = Rc::new(read());
        known
            .borrow_mut()
            .insert(path.text().to_owned(), Rc::clone(&reading));
        reading
    }
}

impl<T> Default for Readings<T> {
    fn default() -> Self {
        Self {
            whole: RefCell::default(),
            spaces: RefCell::default(),
        }
    }
}

impl<T> Clone for Readings<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T> PartialEq for Readings<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> fmt::Debug for Readings<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Readings")
    }
}

/// One word of a claim.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Word<'a> {
    /// Text.
    Text(&'a str),
    /// A number.
    Number(&'a Number),
    /// A truth value.
    Bool(bool),
}

/// The claim's words; `None` for a shape that is not a list of scalars.
pub fn words(value: &Value, split: Split) -> Option<Vec<Word<'_>>> {
    match value {
        Value::String(text) if split == Split::Spaces => Some(
            text.split(' ')
                .filter(|word| !word.is_empty())
                .map(Word::Text)
                .collect(),
        ),
        Value::Array(items) => items.iter().map(word).collect(),
        one => word(one).map(|word| vec![word]),
    }
}

fn word(value: &Value) -> Option<Word<'_>> {
    Some(match value {
        Value::String(text) => Word::Text(text),
        Value::Number(number) => Word::Number(number),
        Value::Bool(flag) => Word::Bool(*flag),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Compares each word with what is wanted, one after the other.
    fn plainly(words: &[Word<'_>], wanted: &Wanted) -> bool {
        words.iter().any(|word| match (word, wanted) {
            (Word::Text(text), Wanted::Text(wanted)) => wanted.matches(text),
            (Word::Bool(flag), Wanted::Other(Value::Bool(wanted))) => flag == wanted,
            (Word::Number(number), Wanted::Other(Value::Number(wanted))) => {
                *number == wanted
                    || ((number.is_f64() || wanted.is_f64()) && number.as_f64() == wanted.as_f64())
            }
            _ => false,
        })
    }

    fn scalar() -> impl Strategy<Value = Value> {
        prop_oneof![
            "[ab]{0,3}".prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            (-2_i64..3).prop_map(Value::from),
            (-2_i32..3).prop_map(|n| json!(f64::from(n))),
            (0_u64..3).prop_map(|n| json!(9_007_199_254_740_991 + n)),
            (0_u64..3).prop_map(|n| json!(u64::MAX - n)),
            Just(json!(-0.0)),
            Just(json!(1.8446744073709552e19)),
            Just(json!(9007199254740992.0)),
        ]
    }

    proptest! {
        #[test]
        fn sorted_words_answer_as_unsorted_ones(
            list in proptest::collection::vec(scalar(), 0..8), wanted in scalar(), glob in "[ab*]{0,4}",
        ) {
            let value = Value::Array(list);
            let plain = words(&value, Split::Whole).unwrap();
            let sorted: Words<&str> = plain.iter().copied().collect();
            for wanted in [Wanted::from(wanted), Wanted::from(Value::from(glob))] {
                prop_assert_eq!(sorted.has(&wanted), plainly(&plain, &wanted), "{:?}", wanted);
                // The same word is the same in an index.
                if let Wanted::Other(other) = &wanted
                    && sorted.has(&wanted)
                {
                    prop_assert!(sorted.others().any(|known| Some(known) == Other::of(other)));
                }
            }
        }
    }

    #[test]
    fn a_claim_is_read_once_for_each_way_of_splitting() {
        let value = json!("a b");
        let readings: Readings<&str> = Readings::default();
        let path = ClaimPath::parse("scope").unwrap();
        let mut asked = 0;
        for split in [Split::Whole, Split::Spaces, Split::Whole] {
            let reading = readings.get(&path, split, || {
                asked += 1;
                Reading::of(Finding::Value(&value), split)
            });
            let Reading::Words(words) = &*reading else {
                panic!("{reading:?}");
            };
            let expected: &[&str] = match split {
                Split::Whole => &["a b"],
                Split::Spaces => &["a", "b"],
            };
            assert_eq!(words.texts().collect::<Vec<_>>(), expected);
        }
        assert_eq!(asked, 2);
    }
}
