//! Business identifier codes (ISO 9362): four letters, a country's two, two letters or digits, and
//! perhaps three more; only beside a word that says so, for words have the same form.

use super::boundary::{CONTEXT_REACH, begins, ends};
use super::countries::is_country;
use super::hints;
use super::id::{Id, Ids};
use super::{Certainty, Entity, Finding, Label, Scene};
use core::ops::Range;

/// Whether these letters and digits are one.
fn is_code(code: &[u8]) -> bool {
    let (bank, rest) = code.split_at_checked(4).unwrap_or_default();
    let (country, place) = rest.split_at_checked(2).unwrap_or_default();
    matches!(code.len(), 8 | 11)
        && bank.iter().all(u8::is_ascii_uppercase)
        && is_country(country)
        && place
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn finding(span: Range<usize>) -> Finding {
    Finding {
        span,
        entity: Entity::Bic,
        certainty: Certainty::Context,
        quotes: None,
    }
}

/// The code that these letters and digits are.
pub fn at(scene: Scene<'_>, run: &Range<usize>, said: Ids) -> Option<Finding> {
    let code = scene.bytes.get(run.clone())?;
    (said.has(Id::Bic) && is_code(code)).then(|| finding(run.clone()))
}

/// All of a text that a name calls one.
pub fn whole(text: &str, label: Label<'_>) -> Option<Finding> {
    let named = || hints::of_label(label).has(Id::Bic);
    (is_code(text.as_bytes()) && named()).then(|| finding(0..text.len()))
}

/// The code behind `floor` whose name was read before it.
pub fn at_front(scene: Scene<'_>) -> Option<Finding> {
    let from = scene.floor.saturating_sub(CONTEXT_REACH);
    let left = scene.bytes.get(from..scene.floor)?;
    memchr::memrchr_iter(b'I', left).find_map(|name| behind_name(scene, from.saturating_add(name)))
}

/// What may stand between the words and the code.
fn is_sign(byte: u8) -> bool {
    b" :=/\"'(#-".contains(&byte)
}

/// Words between the name and the code.
const BETWEEN: [&[u8]; 6] = [b"code", b"is", b"no", b"number", b"bic", b"swift"];

/// The code without a digit behind the word that holds the `I` at `at`: `BIC: DEUTDEFF`.
pub fn behind_name(scene: Scene<'_>, at: usize) -> Option<Finding> {
    let bytes = scene.bytes;
    let named = |before: usize, name: &[u8]| {
        let start = at.checked_sub(before)?;
        let end = start.saturating_add(name.len());
        let fits = bytes.get(start..end)? == name && begins(bytes, start) && ends(bytes, end);
        fits.then_some(end)
    };
    let mut from = named(1, b"BIC").or_else(|| named(2, b"SWIFT"))?;
    for _ in 0..4 {
        let rest = bytes.get(from..)?;
        let signs = rest
            .iter()
            .take(4)
            .take_while(|byte| is_sign(**byte))
            .count();
        let word = rest.get(signs..)?;
        let length = word
            .iter()
            .take(12)
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let word = word.get(..length)?;
        let start = from.saturating_add(signs);
        let end = start.saturating_add(length);
        if signs > 0 && is_code(word) && ends(bytes, end) && start >= scene.floor {
            return Some(finding(start..end));
        }
        if signs == 0 || !BETWEEN.iter().any(|known| word.eq_ignore_ascii_case(known)) {
            return None;
        }
        from = end;
    }
    None
}
