//! Registration plates of vehicles as countries write them: groups of capital letters and digits
//! with a space or a hyphen between.
//!
//! Which letters and digits a plate has is no more than a hint, so that all of this counts beside
//! a word alone: forms that other things hardly have within its reach, others directly behind it,
//! and any under a name that says so. At most two groups of letters follow each other, and letters
//! that stand apart are three at most: so a stream holds the whole.

use super::{can_end, finding};
use crate::detect::hints;
use crate::detect::id::Id;
use crate::detect::{Certainty, Entity, Finding, Scene, boundary};

/// A part of a form: how many letters or digits, or what stands between.
#[derive(Clone, Copy)]
enum Part {
    Letters(usize, usize),
    Digits(usize, usize),
    /// A space or a hyphen.
    Gap,
    Hyphen,
}
use Part::{Digits, Gap, Hyphen, Letters};

const L1: Part = Letters(1, 1);
const L2: Part = Letters(2, 2);
const L3: Part = Letters(3, 3);
const D1: Part = Digits(1, 1);
const D2: Part = Digits(2, 2);
const D3: Part = Digits(3, 3);
const D4: Part = Digits(4, 4);

/// Forms that other things hardly have.
const FORMS: &[&[Part]] = &[
    // Germany: `B-MW 1234`, `HH-XY 99E`
    &[Letters(1, 3), Hyphen, Letters(1, 2), Gap, Digits(1, 4)],
    &[Letters(1, 3), Hyphen, Letters(1, 2), Gap, Digits(1, 4), L1],
    &[Letters(1, 3), Hyphen, Letters(1, 2), Digits(1, 4)],
    &[Letters(1, 3), Hyphen, Letters(1, 2), Digits(1, 4), L1],
    // France, Italy: `AB 123 CD`; France before 2009, the Netherlands: `1234 AB 75`
    &[L2, Gap, D3, Gap, L2],
    &[L2, Gap, D3, L2],
    &[Digits(2, 4), Gap, Letters(2, 3), Gap, D2],
    // The Netherlands, Portugal
    &[L2, Hyphen, L2, Hyphen, D2],
    &[L2, Gap, D2, Gap, L2],
    &[L2, Gap, D2, Gap, D2],
    &[D2, Gap, D2, Gap, L2],
    // Belgium: `1 ABC 123`
    &[D1, Gap, L3, Gap, D3],
    // Spain before 2000, Austria: `M 1234 AB`, `W 12345 A`
    &[Letters(1, 2), Gap, Digits(3, 5), Gap, Letters(1, 3)],
    // The United Kingdom: `AB12 CDE`, `A123 BCD`, `ABC 123D`; Sweden, Finland: `ABC 12D`
    &[L2, D2, Gap, L3],
    &[L1, Digits(2, 3), Gap, L3],
    &[L3, Gap, Digits(2, 3), L1],
    // California, Brazil, Mexico: `8ABC 123`, `ABC-1D23`, `ABC-123-A`
    &[D1, L3, Gap, D3],
    &[L3, Gap, D1, L1, D2],
    &[L3, Gap, D3, Gap, L1],
    &[L3, Gap, D2, Gap, D2],
    // India: `KA 05 MN 1234`; Ireland: `12 D 12345`; Victoria: `1AB 2CD`
    &[L2, Gap, Digits(1, 2), Gap, Letters(1, 3), Gap, D4],
    &[Digits(2, 3), Gap, Letters(1, 2), Gap, Digits(3, 6)],
    &[D1, L2, Gap, D1, L2],
];

/// Forms that are those of products and standards, too.
const COMMON: &[&[Part]] = &[
    // Poland, Brazil, states of the United States and of Australia: `ABC 1234`, `WX 12345`
    &[Letters(2, 3), Gap, Digits(3, 6)],
    // Switzerland: `ZH 123 456`
    &[L2, Gap, D3, Gap, D3],
    // Germany
    &[Letters(1, 3), Gap, Letters(1, 2), Gap, Digits(1, 4)],
    &[Letters(1, 3), Gap, Letters(1, 2), Gap, Digits(1, 4), L1],
    // The United Kingdom: `A1 BCD`
    &[Letters(1, 2), Digits(1, 2), Gap, L3],
    &[D3, Hyphen, L3],
];

/// What may stand between the word and such a plate.
const BETWEEN: [&[u8]; 26] = [
    b"is", b"was", b"reads", b"of", b"the", b"my", b"number", b"no", b"nr", b"lautet", b"ist",
    b"war", b"nummer", b"est", b"la", b"le", b"es", b"el", b"del", b"coche", b"del", b"veicolo",
    b"do", b"carro", b"het", b"van",
];

/// Most groups of a plate before the digits that lead to it.
const BEFORE: usize = 2;
/// Most groups and signs, and most letters and digits, of one.
const MOST_PARTS: usize = 8;
const MOST: usize = 11;

/// Whether digits that are short may belong to a plate, by what stands beside them: a group of a
/// few capital letters.
#[inline]
pub fn may_stand(bytes: &[u8], start: usize, behind: &[u8]) -> bool {
    let before = |length: usize| start.checked_sub(length).and_then(|at| bytes.get(at));
    match behind {
        [b' ' | b'-', b'A'..=b'Z', next, ..] if !next.is_ascii_lowercase() => true,
        [b' ' | b'-', b'A'..=b'Z'] => true,
        _ => {
            matches!(before(1), Some(b' ' | b'-'))
                && matches!(before(2), Some(b'A'..=b'Z' | 0x84 | 0x96 | 0x9C))
                && !(3..=5).all(|length| before(length).is_some_and(u8::is_ascii_uppercase))
        }
    }
}

/// The plate with these digits in it, or behind its first letters.
pub(super) fn find(scene: Scene<'_>, start: usize) -> Option<Finding> {
    let mut from = start;
    let mut found = None;
    for _ in 0..=BEFORE {
        let end = at(scene, from);
        found = end.map(|end| from..end).or(found);
        let Some(next) = group_before(scene, from) else {
            break;
        };
        from = next;
    }
    let span = found?;
    Some(finding(span, Entity::LicensePlate, Certainty::Context))
}

/// Where the group of letters begins that stands before a group, with a space or a hyphen between.
fn group_before(scene: Scene<'_>, at: usize) -> Option<usize> {
    let left = scene.bytes.get(scene.floor.min(at)..at)?;
    let [left @ .., b' ' | b'-'] = left else {
        return None;
    };
    let mut rest = left;
    let mut letters = 0_usize;
    while let Some(length) = letter_behind(rest) {
        letters = letters.saturating_add(1);
        rest = rest.get(..rest.len().saturating_sub(length))?;
    }
    let start = scene.floor.min(at).saturating_add(rest.len());
    ((1..=3).contains(&letters) && begins(scene.bytes, start)).then_some(start)
}

/// Whether a group can begin here: behind no letter and no digit, of whatever script.
fn begins(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    boundary::begins(bytes, at) && before.is_none_or(u8::is_ascii)
}

/// How long the capital letter is that ends a text: of ASCII, or Ä, Ö, Ü.
fn letter_behind(text: &[u8]) -> Option<usize> {
    match text {
        [.., b'A'..=b'Z'] => Some(1),
        [.., 0xC3, 0x84 | 0x96 | 0x9C] => Some(2),
        _ => None,
    }
}

/// The same of one that begins it.
fn letter(text: &[u8]) -> Option<usize> {
    match text {
        [b'A'..=b'Z', ..] => Some(1),
        [0xC3, 0x84 | 0x96 | 0x9C, ..] => Some(2),
        _ => None,
    }
}

/// A part as it stands in a text.
#[derive(Clone, Copy, Default)]
struct Written {
    /// `a`, `d`, or the sign between.
    kind: u8,
    count: usize,
    end: usize,
}

/// Where the plate ends that begins here.
fn at(scene: Scene<'_>, start: usize) -> Option<usize> {
    if !begins(scene.bytes, start) {
        return None;
    }
    let mut parts = [Written::default(); MOST_PARTS];
    let count = read(scene.bytes, start, &mut parts);
    let parts = parts.get(..count)?;
    let longest = |forms: &[&[Part]]| {
        let ends = forms.iter().filter_map(|form| fits(form, parts));
        ends.filter(|end| can_end(scene.bytes, *end)).max()
    };
    longest(FORMS)
        .or_else(|| spanish(scene.bytes, parts))
        .or_else(|| longest(COMMON).filter(|_| is_directly_named(scene, start)))
        .or_else(|| whole(scene, start, parts))
}

/// Reads parts from here on; how many.
fn read(bytes: &[u8], start: usize, parts: &mut [Written]) -> usize {
    let (mut at, mut count) = (start, 0_usize);
    for part in parts {
        let from = at;
        let rest = |at: usize| bytes.get(at..).unwrap_or_default();
        let mut letters = 0_usize;
        while let Some(length) = letter(rest(at)) {
            (at, letters) = (at.saturating_add(length), letters.saturating_add(1));
        }
        *part = match rest(at) {
            _ if letters > 0 => Written {
                kind: b'a',
                count: letters,
                end: at,
            },
            [b'0'..=b'9', ..] => {
                let digits = rest(at).iter().take(MOST);
                let digits = digits.take_while(|byte| byte.is_ascii_digit()).count();
                at = at.saturating_add(digits);
                Written {
                    kind: b'd',
                    count: digits,
                    end: at,
                }
            }
            [sign @ (b' ' | b'-'), behind @ ..]
                if from > start
                    && (letter(behind).is_some()
                        || behind.first().is_some_and(u8::is_ascii_digit)) =>
            {
                at = at.saturating_add(1);
                Written {
                    kind: *sign,
                    count: 1,
                    end: at,
                }
            }
            _ => return count,
        };
        count = count.saturating_add(1);
    }
    count
}

/// Where a form ends that the first of these parts are.
fn fits(form: &[Part], parts: &[Written]) -> Option<usize> {
    let part_fits = |(part, written): (&Part, &Written)| match part {
        Letters(least, most) => written.kind == b'a' && (least..=most).contains(&&written.count),
        Digits(least, most) => written.kind == b'd' && (least..=most).contains(&&written.count),
        Gap => b" -".contains(&written.kind),
        Hyphen => written.kind == b'-',
    };
    let written = parts.get(..form.len())?;
    form.iter()
        .zip(written)
        .all(part_fits)
        .then(|| written.last().map(|last| last.end))?
}

/// Four digits and three letters that are no vowels: Spain's since 2000.
fn spanish(bytes: &[u8], parts: &[Written]) -> Option<usize> {
    let end = fits(&[D4, Gap, L3], parts)?;
    let letters = bytes.get(end.saturating_sub(3)..end)?;
    let none = |letter: &u8| b"AEIOUQ".contains(letter);
    (!letters.iter().any(none) && can_end(bytes, end)).then_some(end)
}

/// Whether the word for a plate stands directly before it, or the text is called so.
fn is_directly_named(scene: Scene<'_>, start: usize) -> bool {
    let mut left = boundary::reach(scene, start);
    for _ in 0..4 {
        let is_sign = |byte: &u8| b" \t:=#\"'(*`>.".contains(byte);
        let signs = left.iter().rev().take_while(|byte| is_sign(byte)).count();
        left = left
            .get(..left.len().saturating_sub(signs))
            .unwrap_or_default();
        let Some((front, word)) = last_word(left) else {
            return is_name(scene.label.as_bytes());
        };
        let pair = last_word(front.trim_ascii_end()).map(|(_, first)| first);
        let is_phrase = || {
            let from = front
                .trim_ascii_end()
                .len()
                .saturating_sub(pair.map_or(0, <[u8]>::len));
            pair.is_some_and(|first| !is_name(first)) && left.get(from..).is_some_and(is_name)
        };
        if is_name(word) || is_phrase() {
            return true;
        }
        if !BETWEEN
            .iter()
            .any(|between| between.eq_ignore_ascii_case(word))
        {
            return false;
        }
        left = front;
    }
    false
}

/// The last word of a text, and what stands before it.
fn last_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let of_word = |byte: &&u8| byte.is_ascii_alphabetic() || !byte.is_ascii();
    let length = text.iter().rev().take_while(of_word).count();
    text.split_at_checked(text.len().saturating_sub(length))
        .filter(|(_, word)| !word.is_empty())
}

/// Whether a word or name says that plates stand beside it.
fn is_name(name: &[u8]) -> bool {
    core::str::from_utf8(name).is_ok_and(|name| hints::of_name(name).has(Id::Plate))
}

/// All of a text with such a name: groups that may be a plate's.
fn whole(scene: Scene<'_>, start: usize, parts: &[Written]) -> Option<usize> {
    let last = parts.last()?;
    let edge = |text: &[u8]| text.trim_ascii().is_empty();
    let is_all =
        scene.bytes.get(..start).is_some_and(edge) && scene.bytes.get(last.end..).is_some_and(edge);
    if !is_all || !hints::of_label((scene.label, scene.meaning)).has(Id::Plate) {
        return None;
    }
    let count = |kind: u8| {
        parts
            .iter()
            .filter(|part| part.kind == kind)
            .map(|part| part.count)
            .sum::<usize>()
    };
    let (letters, digits) = (count(b'a'), count(b'd'));
    let is_short = parts
        .iter()
        .all(|part| part.kind != b'a' || part.count <= 3);
    let mut groups = parts
        .iter()
        .filter(|part| !b" -".contains(&part.kind))
        .map(|part| part.kind);
    let in_row = groups
        .clone()
        .zip(groups.clone().skip(1))
        .zip(groups.clone().skip(2));
    let mut in_row = in_row.map(|((a, b), c)| [a, b, c]);
    let fits = letters > 0
        && digits > 0
        && letters.saturating_add(digits) <= MOST
        && is_short
        && groups.next().is_some()
        && !in_row.any(|kinds| kinds == [b'a'; 3]);
    fits.then_some(last.end)
}

#[cfg(test)]
mod tests;
