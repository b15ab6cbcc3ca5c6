//! E-mail addresses: from the `@` to the left over a dot-atom (RFC 5322 section 3.2.3, without the signs that text puts
//! around addresses), to the right over the labels of a domain name whose last one can be a top-level domain.
//! Quoted local parts and address literals are not recognised.

use super::boundary::{ends_escape, is_word};
use super::{Certainty, Entity, Finding, Scene};

/// Longest stretch that is read to each side, in bytes; RFC 5321 allows 64 and 255.
const MAX_SIDE: usize = 255;

pub fn find(scene: Scene<'_>, at: usize) -> Option<Finding> {
    let start = local_start(scene, at)?;
    let end = domain_end(scene.bytes, at.saturating_add(1))?;
    Some(Finding {
        span: start..end,
        entity: Entity::Email,
        certainty: Certainty::Shape,
    })
}

fn local_start(scene: Scene<'_>, at: usize) -> Option<usize> {
    let from = at.saturating_sub(MAX_SIDE).max(scene.floor);
    let left = scene.bytes.get(from..at)?;
    let is_local = |byte: &u8| is_word(*byte) || b".%+'-".contains(byte);
    let run = left.iter().rev().take_while(|byte| is_local(byte)).count();
    let mut start = at.saturating_sub(run);
    // An escape's letters in front belong to the escape; hex digits of \uXXXX too.
    for length in [1, 5] {
        let after = start.saturating_add(length);
        if after < at
            && start > 0
            && ends_escape(scene.bytes, after)
            && scene.bytes.get(start.saturating_sub(1)) == Some(&b'\\')
        {
            start = after;
            break;
        }
    }
    // What text puts in front of an address; and a character of which the bound has left only a part.
    while start < at
        && scene
            .bytes
            .get(start)
            .is_some_and(|byte| b".%+'-".contains(byte) || is_continuation(*byte))
    {
        start = start.saturating_add(1);
    }
    (start < at).then_some(start)
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// The furthest end of a domain of two labels or more whose last label can be a top-level domain.
fn domain_end(bytes: &[u8], from: usize) -> Option<usize> {
    let limit = from.saturating_add(MAX_SIDE).min(bytes.len());
    let mut at = from;
    let mut end = None;
    let mut labels = 0_usize;
    loop {
        let rest = bytes.get(at..limit)?;
        let length = rest.iter().take_while(|byte| is_label(**byte)).count();
        let label = rest.get(..length)?;
        let trimmed = without_end_hyphens(label);
        if trimmed.is_empty() || label.first() == Some(&b'-') {
            break;
        }
        labels = labels.saturating_add(1);
        if labels > 1 && is_top_level(trimmed) {
            end = Some(at.saturating_add(trimmed.len()));
        }
        at = at.saturating_add(length);
        if bytes.get(at) != Some(&b'.') || trimmed.len() != length {
            break;
        }
        at = at.saturating_add(1);
    }
    // The bound may have cut a character.
    end.filter(|end| !bytes.get(*end).copied().is_some_and(is_continuation))
}

fn without_end_hyphens(mut label: &[u8]) -> &[u8] {
    while let Some(rest) = label.strip_suffix(b"-") {
        label = rest;
    }
    label
}

fn is_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte >= 0x80
}

/// Letters only (of any script), or the ASCII form of an internationalised label.
fn is_top_level(label: &[u8]) -> bool {
    let ascii_form = label
        .get(..4)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"xn--"));
    label.len() >= 2
        && (ascii_form
            || label
                .iter()
                .all(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80))
}
