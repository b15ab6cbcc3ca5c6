//! What a number is: a chain of groups is read once, then the recognisers of IP addresses, cards,
//! social security numbers and telephone numbers judge its first groups.

use super::boundary::begins;
use super::groups::{Chain, SHORTEST, group_end, separator};
use super::{Certainty, Entity, EntitySet, Finding, Scene, card, ip, names, phone, ssn, token};
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
    if length >= SHORTEST {
        if is_fraction_without_zero(scene.bytes, at) {
            return None;
        }
        if let Some(token) = token::around(scene.bytes, at) {
            return in_json(scene, token);
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

/// What a number of JSON inside the text is.
fn in_json(scene: Scene<'_>, token: token::Token<'_>) -> Option<Finding> {
    let digits = scene.bytes.get(token.digits.clone())?;
    let name = token.name.unwrap_or(scene.label.as_bytes());
    let (entity, certainty) = judge(digits, name, scene.wanted)?;
    Some(Finding {
        span: token.span,
        entity,
        certainty,
        quotes: Some(token.quotes),
    })
}

/// What a number in JSON is, by its digits and the name above it, and what that rests on.
pub fn judge(digits: &[u8], name: &[u8], wanted: EntitySet) -> Option<(Entity, Certainty)> {
    let length = digits.len();
    // The digits are judged first: they cost less than the name.
    let card = wanted.has(Entity::Card) && card::is_card(digits);
    let phone = wanted.has(Entity::Phone)
        && (7..=15).contains(&length)
        && !digits.ends_with(b"00000")
        && digits.first() != Some(&b'0');
    // A number has lost its leading zeros.
    let ssn = wanted.has(Entity::Ssn) && ssn::is_given_number(digits);
    if !(card || phone || ssn) {
        return None;
    }
    let words = names::Words::read(name);
    if card && names::is_card(&words) {
        Some((Entity::Card, Certainty::Check))
    } else if ssn && names::is_ssn(&words) {
        Some((Entity::Ssn, Certainty::Context))
    } else if phone && names::is_phone(&words) {
        Some((Entity::Phone, Certainty::Context))
    } else {
        None
    }
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
