//! What a number is: a chain of groups is read once, then the recognisers of IP addresses, cards,
//! social security numbers and telephone numbers judge its first groups.

use super::boundary::{begins, ends};
use super::groups::{Chain, SHORTEST, group_end, separator};
use super::meaning::{Meaning, OfNumbers};
use super::{Certainty, Entity, EntitySet, Finding, Scene};
use super::{card, decimal, ids, ip, names, phone, ssn, token};
use core::ops::Range;

/// What the number is that begins with the digit at `at`. `last` is the chain that was read last:
/// of a row of numbers each is read once.
pub fn find<'a>(scene: Scene<'a>, at: usize, last: &mut Option<Chain<'a>>) -> Option<Finding> {
    if !can_begin(scene, at) {
        return None;
    }
    let end = group_end(scene.bytes, at);
    let length = end.saturating_sub(at);
    let finding = |span: Range<usize>, entity, certainty| {
        Some(Finding {
            span,
            entity,
            certainty,
            quotes: None,
        })
    };
    if length == 4
        && scene.wanted.has(Entity::Card)
        && let Some(end) = card::match_lines(scene, at)
    {
        return finding(at..end, Entity::Card, Certainty::Check);
    }
    // Most numbers are short and stand alone.
    if length < SHORTEST && separator(scene.bytes.get(end..).unwrap_or_default()).is_none() {
        return None;
    }
    let spelled = || is_spelled(scene.bytes.get(end..).unwrap_or_default());
    if length >= SHORTEST || spelled() {
        if is_fraction_without_zero(scene.bytes, at) {
            return None;
        }
        if let Some(token) = token::around(scene.bytes, at) {
            return in_json(scene, token);
        }
        if let Some(found) = told(scene, at, length) {
            return Some(found);
        }
    }
    let chain = match last {
        Some(chain) if chain.second() == Some(at) => {
            chain.go_on();
            chain
        }
        last => last.insert(Chain::read(scene.bytes, at)),
    };
    let chain = &*chain;
    if (chain.len() < 4 && chain.total() < SHORTEST.saturating_sub(1)) || chain.is_fraction() {
        return None;
    }
    if scene.wanted.has(Entity::Ip)
        && let Some(end) = ip::match_v4(scene, chain)
    {
        return finding(at..end, Entity::Ip, Certainty::Shape);
    }
    if scene.wanted.has(Entity::Card)
        && let Some(count) = card::match_groups(scene, chain)
    {
        return finding(at..chain.end(count), Entity::Card, Certainty::Check);
    }
    if scene.wanted.has(Entity::Ssn)
        && let Some((count, certainty)) = ssn::match_groups(scene, chain)
    {
        return finding(at..chain.end(count), Entity::Ssn, certainty);
    }
    if scene.wanted.has(Entity::Phone)
        && let Some((span, certainty)) = phone::match_groups(scene, chain)
    {
        return finding(span, Entity::Phone, certainty);
    }
    None
}

/// Most places of a fraction before an exponent.
const PLACES: usize = 20;

/// Whether a point, places and an exponent stand behind the first digits of a number.
fn is_spelled(behind: &[u8]) -> bool {
    let Some(places) = behind.strip_prefix(b".") else {
        return false;
    };
    let length = places.iter().take(PLACES);
    let length = length.take_while(|byte| byte.is_ascii_digit()).count();
    length > 0 && matches!(places.get(length), Some(b'e' | b'E'))
}

/// What a number with a fraction of zeros or an exponent is, `length` digits before it, beside a
/// word that tells: tables write whole numbers so.
fn told(scene: Scene<'_>, at: usize, length: usize) -> Option<Finding> {
    let text = scene.bytes.get(at..)?;
    if !matches!(text.get(length), Some(b'.' | b'e' | b'E')) {
        return None;
    }
    let whole = decimal::read(text).filter(|whole| whole.length > length)?;
    let end = at.saturating_add(whole.length);
    let goes_on = matches!(scene.bytes.get(end..), Some([b'.' | b'-', b'0'..=b'9', ..]));
    if goes_on || !ends(scene.bytes, end) {
        return None;
    }
    let can_be = Shapes::of(whole.digits.as_bytes(), scene.wanted);
    let (entity, certainty) = if can_be.card && card::is_called_card(scene, at) {
        (Entity::Card, Certainty::Check)
    } else if can_be.ssn && ssn::is_named(scene, at) {
        (Entity::Ssn, Certainty::Context)
    } else if can_be.phone && phone::is_told(scene, at) {
        (Entity::Phone, Certainty::Context)
    } else {
        return None;
    };
    Some(Finding {
        span: at..end,
        entity,
        certainty,
        quotes: None,
    })
}

/// What a number in JSON can be by its digits.
struct Shapes {
    card: bool,
    phone: bool,
    ssn: bool,
}

impl Shapes {
    fn of(digits: &[u8], wanted: EntitySet) -> Self {
        let length = digits.len();
        Self {
            card: wanted.has(Entity::Card) && card::is_card(digits),
            phone: wanted.has(Entity::Phone)
                && (7..=15).contains(&length)
                && !digits.ends_with(b"00000")
                && digits.first() != Some(&b'0'),
            // A number has lost its leading zeros.
            ssn: wanted.has(Entity::Ssn) && ssn::is_given_number(digits),
        }
    }
}

/// What a number of JSON inside the text is.
fn in_json(scene: Scene<'_>, token: token::Token<'_>) -> Option<Finding> {
    let digits = token.digits.as_bytes();
    let (entity, certainty) = match token.name {
        Some(name) => judge(digits, name, &Meaning::default(), scene.wanted)?,
        None => judge(digits, scene.label.as_bytes(), scene.meaning, scene.wanted)?,
    };
    Some(Finding {
        span: token.span,
        entity,
        certainty,
        quotes: Some(token.quotes),
    })
}

/// What a number in JSON is, by its digits and the name above it, and what that rests on.
pub fn judge(
    digits: &[u8],
    name: &[u8],
    meaning: &Meaning,
    wanted: EntitySet,
) -> Option<(Entity, Certainty)> {
    // The digits are judged first: they cost less than the name.
    let Shapes { card, phone, ssn } = Shapes::of(digits, wanted);
    let known = || ids::judge(digits, name, meaning, wanted);
    if !(card || phone || ssn) {
        return known();
    }
    let of_numbers = meaning.of_numbers.get_or_init(|| {
        let words = names::Words::read(name);
        OfNumbers {
            card: names::is_card(&words),
            ssn: names::is_ssn(&words),
            phone: names::is_phone(&words),
        }
    });
    if card && of_numbers.card {
        Some((Entity::Card, Certainty::Check))
    } else if ssn && of_numbers.ssn {
        Some((Entity::Ssn, Certainty::Context))
    } else if phone && of_numbers.phone {
        Some((Entity::Phone, Certainty::Context))
    } else {
        known()
    }
}

/// What a number is whose groups are the elements of an array, of this name: a card in the groups
/// that cards are printed in, the others only by their name.
pub fn judge_groups(groups: &[&str], name: &str, wanted: EntitySet) -> Option<(Entity, Certainty)> {
    let mut lengths = [0_usize; 4];
    for (length, group) in lengths.iter_mut().zip(groups) {
        *length = group.len();
    }
    let shape = match lengths {
        [4, 4, 4, 4] | [4, 6, 4..=5, 0] => Entity::Card,
        [3, 2, 4, 0] => Entity::Ssn,
        [3, 3, 4, 0] => Entity::Phone,
        _ => return None,
    };
    let digits = groups.concat();
    let meaning = Meaning::default();
    let judged = judge(digits.as_bytes(), name.as_bytes(), &meaning, wanted);
    if judged.is_some_and(|(entity, _)| entity == shape) {
        return judged;
    }
    let is_card = shape == Entity::Card
        && wanted.has(Entity::Card)
        && !names::is_id(&names::Words::read(name.as_bytes()))
        && card::is_usual(digits.as_bytes());
    is_card.then_some((Entity::Card, Certainty::Check))
}

/// `.9957417845` behind a space, a comma, a bracket or a sign: a fraction whose zero is not
/// written.
fn is_fraction_without_zero(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(at.saturating_sub(3)..at).unwrap_or_default();
    let Some((b'.', before)) = before.split_last() else {
        return false;
    };
    let apart =
        |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b'[' | b'(' | b'=' | b':');
    match before {
        [.., byte, b'-' | b'+'] => apart(byte),
        [b'-' | b'+'] => true,
        [.., byte] => apart(byte),
        [] => true,
    }
}

/// Words to which a number is glued: `SSN308-63-0237`, `cc4111…`, `card_4111…`.
const GLUED: [&str; 8] = ["ssn", "itin", "cc", "card", "pan", "tel", "phone", "fax"];

/// Whether a number can begin at the digit at `at`: it is no later part of a word or of a longer
/// number.
fn can_begin(scene: Scene<'_>, at: usize) -> bool {
    if !begins(scene.bytes, at) {
        return is_glued_to_its_name(scene.bytes, at);
    }
    let before = scene
        .bytes
        .get(at.saturating_sub(16)..at)
        .unwrap_or_default();
    let Some((b'-' | b'.' | b'/', before)) = before.split_last() else {
        return true;
    };
    // Behind glue: a word that holds a digit makes this a part of something longer (a version, a
    // date, a UUID), unless that is a finding of its own: two cards, a range of addresses.
    scene.found_until == Some(at.saturating_sub(1))
        || !before
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .any(u8::is_ascii_digit)
}

/// Whether the letters directly before `at` are one of [`GLUED`], or the `%B` of a magnetic stripe
/// (ISO/IEC 7813).
fn is_glued_to_its_name(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(at.saturating_sub(8)..at).unwrap_or_default();
    if before.ends_with(b"%B") {
        return true;
    }
    let letters = before.strip_suffix(b"_").unwrap_or(before);
    let length = letters
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let (front, word) = letters
        .split_at_checked(letters.len().saturating_sub(length))
        .unwrap_or_default();
    let apart = front
        .last()
        .map_or(at <= 8, |byte| !byte.is_ascii_alphanumeric());
    apart
        && GLUED
            .iter()
            .any(|glued| word.eq_ignore_ascii_case(glued.as_bytes()))
}
