//! Addresses of the post: a street with its number, in the order of the countries at hand, or a
//! post-office box.

use super::class::Class;
use super::said::Left;
use super::table::of;
use super::town::{between, is_sentence, tail, unit, word_at};
use super::words::{Reader, Shape, Word, is_large, is_word_letter};
use crate::detect::Certainty;
use crate::detect::boundary::ends_escape;
use core::ops::Range;

/// Most words of a street's name.
const NAME: usize = 6;
/// Most digits of a house's number, and of what follows them behind a hyphen.
const DIGITS: usize = 5;
/// Longest value of a member that is an address as a whole, in bytes.
const LONGEST: usize = 200;

/// Ends of words that name a street: German and Dutch.
const ENDS: [&[u8]; 16] = [
    b"strasse",
    b"strase",
    b"str",
    b"weg",
    b"platz",
    b"allee",
    b"gasse",
    b"damm",
    b"chaussee",
    b"straat",
    b"laan",
    b"gracht",
    b"plein",
    b"singel",
    b"plantsoen",
    b"dreef",
];
/// The same of words that may be something else.
const MORE_ENDS: [&[u8]; 16] = [
    b"ring",
    b"hof",
    b"baan",
    b"pad",
    b"park",
    b"markt",
    b"steig",
    b"stieg",
    b"boulevard",
    b"berg",
    b"kade",
    b"ufer",
    b"steeg",
    b"feld",
    b"kamp",
    b"graben",
];
/// How streets begin that have no other word for one: `Am Markt 5`, `Unter den Linden 7`.
const BESIDE: [u32; 9] = [
    of("am"),
    of("an"),
    of("im"),
    of("auf"),
    of("zum"),
    of("zur"),
    of("unter"),
    of("hinter"),
    of("vor"),
];
/// `R.` for `Rua`, `C.` for `Calle`.
const ABBREVIATED: [u32; 2] = [of("r"), of("c")];
const BOX: [u32; 4] = [of("postfach"), of("postbus"), of("apartado"), of("pobox")];

/// The address that begins with this word: `Hauptstraße 12`, `Calle Mayor, 5`.
pub fn at_word(reader: &mut Reader<'_>, word: &Word) -> Option<(Range<usize>, Certainty)> {
    let start = word.span.start;
    let is_box = BOX.contains(&word.hash) || [of("po"), of("p")].contains(&word.hash);
    let end = if is_box {
        post_box(reader, word)?
    } else if word.class.is(Class::FRONT) && word.shape != Shape::Other {
        let name = name(reader, word.span.end, true)?;
        let Some(end) = number_behind(reader, name) else {
            // `rue Girard, 57400 Blanchet`
            let whole = tail(reader, name);
            return (whole > name).then_some((start..whole, Certainty::Shape));
        };
        let is_word = word.class.is(Class::WORD)
            && (word.shape == Shape::Small || word.class.is(Class::BACK.or(Class::ORG)));
        if is_word {
            return sure(reader, start, end);
        }
        end
    } else if word.class.is(Class::UNIT) && word.is_name_like() {
        let unit = unit(reader, start)?;
        let at = between(reader, unit)?;
        let word = word_at(reader, at)?;
        english(reader, word)?.0
    } else if word.is_name_like() || ABBREVIATED.contains(&word.hash) {
        let (end, is_sure) = late(reader, word)?;
        if !is_sure {
            return sure(reader, start, end);
        }
        end
    } else {
        return None;
    };
    let end = tail(reader, end);
    Some((start..end, Certainty::Shape))
}

/// An address from `start` to `end`, if a town follows, or something before it says that it is one.
fn sure(reader: &mut Reader<'_>, start: usize, end: usize) -> Option<(Range<usize>, Certainty)> {
    let whole = tail(reader, end);
    let is_sure = whole > end || Left::of(reader.text, start).says_place();
    is_sure.then_some((start..whole, Certainty::Shape))
}

/// The address that begins with the number at `at`: `12 Main Street`, `5, rue de la Paix`; or where
/// the number ends.
pub fn at_number(reader: &mut Reader<'_>, at: usize) -> Result<(Range<usize>, Certainty), usize> {
    let (end, digits) = reader.digits(at, DIGITS.saturating_add(1));
    find_behind(reader, at, end, digits).ok_or(end.max(at.saturating_add(1)))
}

fn find_behind(
    reader: &mut Reader<'_>,
    start: usize,
    end: usize,
    digits: usize,
) -> Option<(Range<usize>, Certainty)> {
    let before = start.checked_sub(1);
    let before = before.and_then(|before| reader.text.as_bytes().get(before));
    let glued = before
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || b"._-/+#$@".contains(byte))
        && before != Some(&b':')
        && !ends_escape(reader.text.as_bytes(), start);
    if digits > DIGITS || glued {
        return None;
    }
    let start_end = number_end(reader, end)?;
    let end = start_end;
    let comma = reader.is_one(end, &[',']).unwrap_or(end);
    let mut at = reader.space(comma)?;
    // `12 bis rue`
    let mut word = word_at(reader, at)?;
    if word.hash == of("bis") || (word.hash == of("ter") && word.shape == Shape::Small) {
        at = reader.space(word.span.end)?;
        word = word_at(reader, at)?;
    }
    if word.class.is(Class::FRONT)
        && let Some(end) = name(reader, word.span.end, false)
    {
        let named = reader.text.get(word.span.end..end).unwrap_or_default();
        let plain = word.class.is(Class::WORD) && comma == start_end && !named.contains(" de ");
        if plain {
            return sure(reader, start, end);
        }
        return Some((start..tail(reader, end), Certainty::Shape));
    }
    if comma != end {
        return None;
    }
    let (end, class) = english(reader, word)?;
    if !class.is(Class::BACK) {
        return sure(reader, start, end);
    }
    Some((start..tail(reader, end), Certainty::Shape))
}

/// Up to three words and a kind of street: `Martin Luther King Blvd.`, `5th Avenue`.
fn english(reader: &mut Reader<'_>, first: Word) -> Option<(usize, Class)> {
    let mut found = None;
    let mut word = first;
    for count in 0..NAME {
        let ends = word.class.is(Class::BACK.or(Class::FAR));
        let can_end = count > 0 && ends && word.shape != Shape::Other;
        if can_end {
            let end = reader
                .is_one(word.span.end, &['.'])
                .filter(|_| word.letters().len() <= 4);
            found = Some((end.unwrap_or(word.span.end), word.class));
        }
        let is_name = word.is_name_like() || word.shape == Shape::Letter;
        if !is_name || (!ends && is_sentence(word.class)) {
            break;
        }
        if can_end && word.class.is(Class::BACK) {
            break;
        }
        let Some(next) = reader.space(word.span.end) else {
            break;
        };
        match word_at(reader, next) {
            Some(next) => word = next,
            None => break,
        }
    }
    let (end, class) = found?;
    // `Avenue NW`
    let direction = reader.space(end).and_then(|next| word_at(reader, next));
    let direction = direction.filter(|word| {
        [b"n", b"s", b"e", b"w"]
            .iter()
            .any(|one| word.letters() == *one)
            || [b"nw", b"ne", b"sw", b"se"]
                .iter()
                .any(|one| word.letters() == *one)
    });
    let end = direction
        .filter(|word| matches!(word.shape, Shape::Large | Shape::Letter))
        .map_or(end, |word| word.span.end);
    Some((end, class))
}

/// The name of a street behind its kind; `numbered` says that a number follows. Where it ends.
fn name(reader: &mut Reader<'_>, at: usize, numbered: bool) -> Option<usize> {
    let mut at = reader.is_one(at, &['.', '/']).unwrap_or(at);
    let mut end = None;
    for _ in 0..NAME {
        let next = reader.maybe_space(at);
        let Some((sign, _)) = reader.look(next) else {
            break;
        };
        if sign.is_ascii_digit() && (!numbered || end.is_none()) {
            // `rue du 8 Mai 1945`, `Via 25 Aprile`
            let (digits, count) = reader.digits(next, 4);
            let is_day = !numbered || count <= 2;
            let behind = reader.space(digits).filter(|_| is_day);
            let behind = behind.and_then(|behind| word_at(reader, behind));
            let Some(month) = behind
                .filter(|word| word.is_name_like() || (!numbered && word.letters().len() > 2))
            else {
                break;
            };
            at = month.span.end;
            end = Some(at);
            continue;
        }
        let Some(word) = word_at(reader, next) else {
            break;
        };
        let of_name = word.is_name_like() || word.shape == Shape::Letter;
        let between = word.shape == Shape::Small
            && word.class.is(Class::PARTICLE.or(Class::STOP))
            && word.letters().len() <= 3;
        if of_name {
            end = Some(
                reader
                    .is_one(word.span.end, &['.'])
                    .filter(|_| word.letters().len() <= 4)
                    .unwrap_or(word.span.end),
            );
        } else if !between {
            break;
        }
        at = end
            .filter(|end| *end > word.span.start)
            .unwrap_or(word.span.end);
    }
    end
}

/// `Hauptstr. 5a`, `Berliner Straße 5`, `Am Markt 5`.
/// Where it ends, and whether it is nothing else.
fn late(reader: &mut Reader<'_>, first: &Word) -> Option<(usize, bool)> {
    let mut word = first.clone();
    if BESIDE.contains(&word.hash) && word.shape == Shape::Capital {
        let name = name(reader, word.span.end, true)?;
        return Some((number_behind(reader, name)?, true));
    }
    // `R. de Soares, 60`
    if ABBREVIATED.contains(&word.hash) && word.shape == Shape::Letter && word.span.len() > 1 {
        let name = name(reader, word.span.end, true)?;
        return Some((number_behind(reader, name)?, false));
    }
    if word.class.is(Class::STOP) && !word.class.is(Class::SURNAME) {
        return None;
    }
    for count in 0..3 {
        let is_name = matches!(word.shape, Shape::Capital | Shape::Small);
        let is_kind = count > 0 && word.class.is(Class::LATE);
        if !is_name || (count > 0 && !is_kind && is_sentence(word.class)) {
            return None;
        }
        let is_sure = is_kind || is_compound(&word, &ENDS);
        if is_sure || is_compound(&word, &MORE_ENDS) {
            let end = reader
                .is_one(word.span.end, &['.'])
                .unwrap_or(word.span.end);
            return Some((number_behind(reader, end)?, is_sure));
        }
        if !word.is_name_like() {
            return None;
        }
        let next = reader.space(word.span.end)?;
        word = word_at(reader, next)?;
    }
    None
}

/// How many bytes the end of a word has that says that it is a street's: `straße`.
pub fn compound(word: &Word) -> Option<usize> {
    let letters = word.letters();
    let ends = ENDS.iter().chain(&MORE_ENDS);
    let end = ends
        .filter(|end| letters.ends_with(end))
        .max_by_key(|end| end.len())?;
    // `ß` is one letter of two bytes.
    let written = if *end == b"strase" {
        end.len().saturating_add(1)
    } else {
        end.len()
    };
    (letters.len() >= end.len().saturating_add(3)).then_some(written)
}

fn is_compound(word: &Word, ends: &[&[u8]]) -> bool {
    let letters = word.letters();
    word.shape == Shape::Capital
        && ends
            .iter()
            .any(|end| letters.ends_with(end) && letters.len() >= end.len().saturating_add(3))
}

/// `P.O. Box 12`, `Postfach 12 34`
fn post_box(reader: &mut Reader<'_>, word: &Word) -> Option<usize> {
    let mut at = reader
        .is_one(word.span.end, &['.'])
        .unwrap_or(word.span.end);
    if word.shape == Shape::Letter {
        if word.letters() != b"p" {
            return None;
        }
        at = reader.maybe_space(at);
        at = reader.is_one(at, &['O', 'o'])?;
        at = reader.is_one(at, &['.']).unwrap_or(at);
    }
    if !BOX.contains(&word.hash) {
        at = reader.space(at)?;
        let word = word_at(reader, at)?;
        if word.hash != of("box") {
            return None;
        }
        at = word.span.end;
    } else if word.hash == of("apartado") {
        // `de correos`
        for _ in 0..2 {
            if let Some(next) = reader.space(at)
                && let Some(word) = word_at(reader, next)
            {
                at = word.span.end;
            }
        }
    }
    at = reader.space(at)?;
    let (mut end, count) = reader.digits(at, 7);
    if count == 0 {
        return None;
    }
    for _ in 0..2 {
        if let Some(next) = reader.space(end) {
            let (group, count) = reader.digits(next, 2);
            end = if count == 2 { group } else { end };
        }
    }
    number_end(reader, end)
}

/// A house's number behind a street: `12`, `12a`, `12-14`, `, nº 5`, `s/n`. Where it ends.
fn number_behind(reader: &mut Reader<'_>, end: usize) -> Option<usize> {
    let at = reader.is_one(end, &[',']).unwrap_or(end);
    let mut at = reader.space(at)?;
    if let Some((letter, _)) = reader.look(at)
        && matches!(letter, 'n' | 'N' | 's' | 'S')
    {
        let (_, next) = reader.look(at)?;
        if matches!(letter, 's' | 'S') {
            let slash = reader.is_one(next, &['/'])?;
            return reader.is_one(slash, &['n', 'N']);
        }
        at = reader.is_one(next, &['.', '\u{ba}', '\u{b0}', 'r', 'o'])?;
        at = reader.is_one(at, &['.', '\u{ba}', '\u{b0}']).unwrap_or(at);
        at = reader.maybe_space(at);
    }
    let (end, count) = reader.digits(at, DIGITS);
    if !(1..DIGITS).contains(&count) {
        return None;
    }
    number_end(reader, end)
}

/// What belongs to a number that ends its digits at `end`: a letter, a range.
fn number_end(reader: &mut Reader<'_>, mut end: usize) -> Option<usize> {
    if let Some((letter, next)) = reader.look(end)
        && letter.is_ascii_alphabetic()
    {
        end = next;
    } else if let Some(next) = reader.is_one(end, &['-', '/', '\u{2013}']) {
        let (digits, count) = reader.digits(next, 4);
        if count > 0 {
            end = digits;
            if let Some((letter, next)) = reader.look(end)
                && letter.is_ascii_alphabetic()
            {
                end = next;
            }
        } else if let Some((letter, behind)) = reader.look(next)
            && is_large(letter)
        {
            end = behind;
        } else {
            return None;
        }
    }
    match reader.look(end) {
        None => Some(end),
        Some((sign, next)) => {
            let digit = reader
                .look(next)
                .is_some_and(|(next, _)| next.is_ascii_digit());
            let goes_on = is_word_letter(sign)
                || sign.is_ascii_digit()
                || matches!(sign, '_' | '%' | '@' | '\u{20ac}' | '(')
                || (digit && matches!(sign, '.' | ',' | ':' | '-' | '/'));
            (!goes_on).then_some(end)
        }
    }
}

/// Whether all of a text that is called so is an address; its bytes without what surrounds it.
pub fn whole(text: &str, left: &Left) -> Option<Range<usize>> {
    if !left.is_place() {
        return None;
    }
    let trimmed =
        text.trim_matches(|sign: char| sign.is_whitespace() || matches!(sign, '"' | '\''));
    let start = text.find(trimmed)?;
    let letters = trimmed.split(|sign: char| !sign.is_alphabetic());
    let has_word = letters.into_iter().any(|word| word.chars().count() > 2);
    let digit = trimmed.bytes().any(|byte| byte.is_ascii_digit());
    let signs = trimmed.contains(['@', '_', '{', '<', '=', '\\', '?', '*', '+', '['])
        || trimmed.contains("://")
        || trimmed.contains("::");
    let spaced = trimmed.contains([' ', '\n', '\u{a0}']);
    let is_one =
        trimmed.len() <= LONGEST && !signs && has_word && spaced && (digit || left.is_street());
    is_one.then(|| start..start.saturating_add(trimmed.len()))
}
