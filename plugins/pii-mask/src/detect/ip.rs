//! IP addresses: four octets (no leading zeros), or what the standard library reads as IPv6 (RFC
//! 4291 section 2.2), with a zone (RFC 4007) or a prefix length. What is nobody's address or
//! something else's form is not reported: `0.0.0.0`, `::`, `1::`, slices (`x[::2]`), versions and
//! sections beside their word, an IPv6 address without any digit, an EUI-64.

use super::boundary::{begins, ends, word_before};
use super::groups::{Chain, group_end};
use super::names::Words;
use super::{Certainty, Entity, Finding, Scene};
use core::net::Ipv6Addr;

/// The longest written IPv6 address: eight groups, the last two in dotted form.
const MAX_V6: usize = 45;

/// Words that call four numbers with dots something else: a version, a section, the version of a
/// browser.
const NOT_ADDRESSES: [&str; 27] = [
    "version",
    "versions",
    "ver",
    "v",
    "release",
    "releases",
    "rev",
    "revision",
    "build",
    "section",
    "sections",
    "sec",
    "clause",
    "chapter",
    "article",
    "appendix",
    "paragraph",
    "para",
    "ec",
    "oid",
    "oids",
    "identifier",
    "chrome",
    "chromium",
    "edg",
    "opr",
    "safari",
];

/// Where an IPv4 address that is the chain's first four groups ends.
pub fn match_v4(scene: Scene<'_>, chain: &Chain<'_>) -> Option<usize> {
    let octet = |index: usize| {
        let group = chain.group(index);
        let fits =
            (1..=3).contains(&group.len()) && (group.len() == 1 || group.first() != Some(&b'0'));
        let value = group.iter().take(4).fold(0_u32, |value, digit| {
            value * 10 + u32::from(digit.wrapping_sub(b'0'))
        });
        (fits && value <= 255).then_some(value)
    };
    let dotted = |from: usize| {
        let between = from..from.saturating_add(3);
        between.clone().all(|index| chain.separator(index) == b".")
            && (from..from.saturating_add(4)).all(|index| octet(index).is_some())
    };
    // Addresses of "this network" (RFC 6890) are nobody's.
    if !dotted(0) || octet(0) == Some(0) {
        return None;
    }
    let end = chain.end(4);
    let with_prefix = prefix_end(chain.bytes(), end, 32);
    // A fifth group makes it a version or the like; a slash is something else's beginning, a hyphen
    // a range's middle.
    let apart = match chain.glue(4) {
        None => true,
        Some(b'/') => true,
        Some(b'-') => dotted(4) || (chain.glue(5).is_none() && octet(4) >= octet(3)),
        Some(_) => false,
    };
    (apart && ends(chain.bytes(), end) && !is_named_otherwise(scene, chain.start()))
        .then_some(with_prefix)
}

/// Whether the word before, or the name of the text if the address begins it, says that it is none.
fn is_named_otherwise(scene: Scene<'_>, at: usize) -> bool {
    let before = word_before(scene.bytes, at);
    let told = if at == 0 {
        Words::read(scene.label.as_bytes())
    } else {
        Words::read(before)
    };
    told.ends_with(&NOT_ADDRESSES)
}

/// The IPv6 address that holds the colon at `at`, and up to where colons have been read.
pub fn find_v6(scene: Scene<'_>, at: usize) -> (Option<Finding>, usize) {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b':';
    let left = scene.bytes.get(scene.floor..at).unwrap_or_default();
    let start = at.saturating_sub(
        left.iter()
            .rev()
            .take(MAX_V6)
            .take_while(|byte| is_part(byte))
            .count(),
    );
    let rest = scene.bytes.get(at..).unwrap_or_default();
    let end = at.saturating_add(
        rest.iter()
            .take_while(|byte| is_part(byte) || **byte == b'.')
            .count(),
    );
    let written = scene.bytes.get(start..end).unwrap_or_default();
    if !scene.wanted.has(Entity::Ip)
        || written.len() > MAX_V6.saturating_mul(2)
        || !has_colons(written)
    {
        return (None, end);
    }
    (address(scene, start, end), end)
}

/// Whether there are as many colons as in an address: two in a row, or six or seven in all.
fn has_colons(text: &[u8]) -> bool {
    let (mut count, mut last, mut double) = (0_usize, false, false);
    for byte in text {
        let is_one = *byte == b':';
        double |= is_one && last;
        count = count.saturating_add(usize::from(is_one));
        last = is_one;
    }
    double || count >= 6
}

fn address(scene: Scene<'_>, mut start: usize, mut end: usize) -> Option<Finding> {
    let is = |at: usize, byte: u8| scene.bytes.get(at) == Some(&byte);
    // A colon in front or behind is the sentence's, unless it is one of two.
    if is(start, b':') && !is(start.saturating_add(1), b':') {
        start = start.saturating_add(1);
    }
    // `src:2001:db8::1`: the letters that happen to be hex digits are the end of a word.
    let first = scene
        .bytes
        .get(start..end)?
        .split(|byte| *byte == b':')
        .next()?;
    if !begins(scene.bytes, start) && !first.is_empty() && first.iter().all(u8::is_ascii_alphabetic)
    {
        start = start.saturating_add(first.len()).saturating_add(1);
    }
    while end > start
        && (is(end.saturating_sub(1), b'.')
            || (is(end.saturating_sub(1), b':') && !is(end.saturating_sub(2), b':')))
    {
        end = end.saturating_sub(1);
    }
    let written = scene.bytes.get(start..end)?;
    if !begins(scene.bytes, start)
        || !ends(scene.bytes, end)
        || !written.iter().any(u8::is_ascii_digit)
    {
        return None;
    }
    core::str::from_utf8(written)
        .ok()?
        .parse::<Ipv6Addr>()
        .ok()?;
    if !is_somebodys(scene.bytes, written, start) {
        return None;
    }
    let end = zone_end(scene.bytes, end);
    let end = prefix_end(scene.bytes, end, 128);
    Some(Finding {
        span: start..end,
        entity: Entity::Ip,
        certainty: Certainty::Shape,
        quotes: None,
    })
}

/// Whether it is written as addresses in use are, whose first group is long or left out: not `1::`,
/// a slice of a list (`x[::2]`), or eight groups of two digits (the EUI-64 of a device).
fn is_somebodys(bytes: &[u8], written: &[u8], start: usize) -> bool {
    if written.contains(&b'.') {
        return true;
    }
    let mut groups = written.split(|byte| *byte == b':');
    let first = groups.next().unwrap_or_default();
    if !first.is_empty() {
        return first.len() > 2
            || written.starts_with(b"64:ff9b:")
            || groups.any(|group| group.len() > 2);
    }
    if written.len() > b"::12".len() {
        return true;
    }
    let before = start
        .checked_sub(2)
        .and_then(|from| bytes.get(from..start))
        .unwrap_or_default();
    let sliced =
        matches!(before, [name, b'['] if name.is_ascii_alphanumeric() || b"_])\"'".contains(name));
    written == b"::1" && !sliced
}

fn zone_end(bytes: &[u8], at: usize) -> usize {
    let Some(rest) = bytes.get(at..).and_then(|rest| rest.strip_prefix(b"%")) else {
        return at;
    };
    let zone = rest
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    if (1..=16).contains(&zone) {
        at.saturating_add(1).saturating_add(zone)
    } else {
        at
    }
}

/// Behind a prefix length of at most `bits`.
fn prefix_end(bytes: &[u8], at: usize, bits: u32) -> usize {
    let first = at.saturating_add(1);
    let end = group_end(bytes, first);
    let value = bytes
        .get(first..end)
        .unwrap_or_default()
        .iter()
        .take(4)
        .fold(0_u32, |value, digit| {
            value * 10 + u32::from(digit.wrapping_sub(b'0'))
        });
    // Behind the slash a second address may begin.
    let address = matches!(bytes.get(end..), Some([b'.', b'0'..=b'9', ..]));
    let fits = bytes.get(at) == Some(&b'/')
        && end > first
        && value <= bits
        && ends(bytes, end)
        && !address;
    if fits { end } else { at }
}
