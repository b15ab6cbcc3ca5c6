//! What is said of a number behind it: `308630237 is my SSN`, `5550132 (my cell)`.
//!
//! A phrase is made of single words with one space between: perhaps a verb, whose it is, perhaps
//! what kind it is of, and what it is. Streams hold a number while what follows may become such a
//! phrase, so phrases are short and their words few.

use super::boundary::ends;

/// What a number is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Called {
    Phone,
    Ssn,
    Card,
}

/// Fewest digits of a number that a phrase can tell about.
pub const LEAST_DIGITS: u8 = 7;
/// Longest phrase, in bytes.
const LONGEST: usize = 48;
/// Most words before the last.
const MOST_WORDS: usize = 5;

const VERBS: [&str; 4] = ["is", "was", "are", "as"];
const OWNERS: [&str; 6] = ["my", "his", "her", "our", "your", "their"];
const KINDS: [&str; 14] = [
    "new", "old", "personal", "private", "home", "work", "office", "direct", "us", "credit",
    "debit", "bank", "full", "current",
];
const NAMES: [(&str, Called); 16] = [
    ("phone", Called::Phone),
    ("telephone", Called::Phone),
    ("mobile", Called::Phone),
    ("cell", Called::Phone),
    ("cellphone", Called::Phone),
    ("fax", Called::Phone),
    ("tel", Called::Phone),
    ("number", Called::Phone),
    ("ssn", Called::Ssn),
    ("itin", Called::Ssn),
    ("tin", Called::Ssn),
    ("social", Called::Ssn),
    ("card", Called::Card),
    ("visa", Called::Card),
    ("mastercard", Called::Card),
    ("amex", Called::Card),
];
/// Names that stand directly behind a number, too.
const DIRECT: [&str; 2] = ["ssn", "itin"];

/// What a text is that begins behind a number and its space or bracket.
#[derive(Debug, PartialEq, Eq)]
enum Phrase {
    No,
    /// It may become one.
    Front,
    Whole(Called),
}

fn read(text: &[u8]) -> Phrase {
    let mut words = text.split(|byte| *byte == b' ').peekable();
    let (mut verb, mut owner) = (false, false);
    for _ in 0..MOST_WORDS {
        let Some(word) = words.next() else {
            break;
        };
        let last = words.peek().is_none();
        let length = word.iter().take_while(|byte| byte.is_ascii_alphanumeric());
        let length = length.count();
        let alone = word.get(..length).unwrap_or_default();
        let named = NAMES.iter().find(|(name, _)| {
            alone.eq_ignore_ascii_case(name.as_bytes())
                && (owner || (!verb && DIRECT.contains(name)))
        });
        if let Some((_, called)) = named {
            return Phrase::Whole(*called);
        }
        if length < word.len() {
            return Phrase::No;
        }
        let allowed = |words: &[&str]| {
            words.iter().any(|wanted| {
                if last {
                    wanted
                        .as_bytes()
                        .get(..length)
                        .is_some_and(|front| front.eq_ignore_ascii_case(word))
                } else {
                    word.eq_ignore_ascii_case(wanted.as_bytes())
                }
            })
        };
        let is_verb = !verb && !owner && allowed(&VERBS);
        let is_owner = !owner && allowed(&OWNERS);
        let front = is_verb
            || is_owner
            || (owner && allowed(&KINDS))
            || (last && owner && NAMES.iter().any(|(name, _)| allowed(&[name])))
            || (last && !owner && !verb && allowed(&DIRECT));
        if !front {
            return Phrase::No;
        }
        if last {
            return Phrase::Front;
        }
        verb |= is_verb;
        owner |= is_owner;
    }
    Phrase::No
}

/// What the number that ends at `end` is called behind it.
pub fn called(bytes: &[u8], end: usize) -> Option<Called> {
    let rest = bytes.get(end..)?.strip_prefix(b" ")?;
    let rest = rest.strip_prefix(b"(").unwrap_or(rest);
    if !rest.first()?.is_ascii_alphabetic() {
        return None;
    }
    let text = rest.get(..rest.len().min(LONGEST)).unwrap_or_default();
    let length = text
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b' ')
        .count();
    let text = text.get(..length).unwrap_or_default();
    // A word that goes on beyond what is read is none that is known.
    let text = if ends(rest, length) {
        text
    } else {
        text.get(..memchr::memrchr(b' ', text)?).unwrap_or_default()
    };
    match read(text) {
        Phrase::Whole(called) => Some(called),
        Phrase::No | Phrase::Front => None,
    }
}

/// Whether a text behind a number and its space or bracket is the front of a phrase, or a whole
/// one.
pub fn may_call(text: &str) -> bool {
    text.len() <= LONGEST && read(text.as_bytes()) != Phrase::No
}

/// Whether it is a whole phrase.
pub fn calls(text: &str) -> bool {
    matches!(read(text.as_bytes()), Phrase::Whole(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_tells_what_the_number_is() {
        for (text, expected) in [
            (" is my SSN", Some(Called::Ssn)),
            (" is my social security number", Some(Called::Ssn)),
            (" (my card)", Some(Called::Card)),
            (" (SSN)", Some(Called::Ssn)),
            (" was her new work phone.", Some(Called::Phone)),
            (" is my number, call", Some(Called::Phone)),
            (" my credit card", Some(Called::Card)),
            (" is my SSNs", None),
            (" is my friend", None),
            (
                " is my phone MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7",
                Some(Called::Phone),
            ),
            (" is the number of cards", None),
            (" cards", None),
            (" card", None),
            (" is SSN", None),
            (", my SSN", None),
            ("  my SSN", None),
            (" my new new new new new card", None),
            ("", None),
        ] {
            assert_eq!(called(text.as_bytes(), 0), expected, "{text}");
            let inside = text.strip_prefix(" ").unwrap_or_default();
            let inside = inside.strip_prefix("(").unwrap_or(inside);
            let word_end =
                expected.and_then(|_| (0..=inside.len()).find(|end| calls(&inside[..*end])));
            for end in 1..word_end.unwrap_or_default() {
                assert!(may_call(&inside[..end]), "{}", &inside[..end]);
            }
            assert_eq!(word_end.is_some(), expected.is_some(), "{text}");
        }
    }
}
