//! JSON web tokens in compact form, which begin as base64 of a JSON object does.

use super::boundary::begins;
use super::class::base64_url;
use super::{Entity, Scene};
use core::ops::Range;

/// Whether base64 begins as that of a JSON object does: `{"`, or white space behind the brace.
pub fn is_object(base64: &[u8]) -> bool {
    matches!(
        base64,
        [b'e', b'y', b'J' | b'A', ..] | [b'e', b'w', b'o' | b'0' | b'k', ..]
    )
}

/// The token whose header holds the `I` or `J` at `at` near its front.
pub fn find(scene: Scene<'_>, at: usize) -> Option<(Range<usize>, Entity)> {
    if !scene.wanted.has(Entity::Jwt) {
        return None;
    }
    // `eyJ`; `eyAi…Ijog` and the like.
    let before = scene.bytes.get(at.saturating_sub(8)..at)?;
    if !before.iter().fold(false, |has, byte| has | (*byte == b'e')) {
        return None;
    }
    (2..=8)
        .filter_map(|before| at.checked_sub(before))
        .filter(|start| scene.bytes.get(*start) == Some(&b'e'))
        .find_map(|start| token_at(scene, start))
        .map(|span| (span, Entity::Jwt))
}

/// A token in compact form (RFC 7515 section 7.1): a header that begins as an object does, and at
/// least one more part that does so too, or four more (RFC 7516).
fn token_at(scene: Scene<'_>, start: usize) -> Option<Range<usize>> {
    let before = start
        .checked_sub(1)
        .and_then(|before| scene.bytes.get(before));
    let word = scene.bytes.get(start..)?;
    if !is_object(word)
        || start < scene.floor
        || !begins(scene.bytes, start)
        || before == Some(&b'-')
    {
        return None;
    }
    // At most five parts are read before the verdict: a chain of false beginnings stays linear.
    let part = |at: usize| {
        let rest = word.get(at..).unwrap_or_default();
        at.saturating_add(rest.iter().take_while(|byte| base64_url(**byte)).count())
    };
    let divided = |end: usize| word.get(end) == Some(&b'.');
    let header = part(0);
    let mut end = header;
    let mut parts = 1;
    let mut signed = false;
    while parts < 5 && !signed && divided(end) {
        let from = end.saturating_add(1);
        end = part(from);
        signed =
            parts == 1 && end.saturating_sub(from) >= 8 && word.get(from..).is_some_and(is_object);
        parts += 1;
    }
    if header < 10 || !(signed || parts == 5) {
        return None;
    }
    let length = word
        .iter()
        .take_while(|byte| base64_url(**byte) || **byte == b'.')
        .count();
    let mut token = word.get(..length)?;
    while let Some(rest) = token.strip_suffix(b".") {
        token = rest;
    }
    // An unsigned token ends in a dot (RFC 7519 section 6.1).
    let unsigned = usize::from(
        token.len() < length && token.iter().filter(|byte| **byte == b'.').count() == 1,
    );
    let token = word.get(..token.len().saturating_add(unsigned))?;
    Some(start..start.saturating_add(token.len()))
}
