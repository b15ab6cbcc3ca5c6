//! Hardware addresses (IEEE 802): six pairs of hexadecimal digits with colons or hyphens between.
//! Longer rows are fingerprints of keys, eight pairs an EUI-64.

use super::{Certainty, Entity, Finding, Scene};

const LENGTH: usize = 17;

/// The address whose first pair ends before the sign at `at`.
pub fn find(scene: Scene<'_>, at: usize) -> Option<Finding> {
    let bytes = scene.bytes;
    let sign = bytes.get(at)?;
    let start = at.checked_sub(2).filter(|start| *start >= scene.floor)?;
    let end = start.saturating_add(LENGTH);
    let address = bytes.get(start..end)?;
    let fits = address
        .iter()
        .enumerate()
        .all(|(place, byte)| match place % 3 {
            2 => byte == sign,
            _ => byte.is_ascii_hexdigit(),
        });
    // With hyphens, digits alone are other numbers.
    if !fits || (*sign == b'-' && !address.iter().any(u8::is_ascii_alphabetic)) {
        return None;
    }
    // Zeros or ones throughout are nobody's address.
    let same = |one: u8| {
        let is_one = |byte: &u8| byte == sign || byte.eq_ignore_ascii_case(&one);
        address.iter().all(is_one)
    };
    let all_ones = same(b'f') || same(b'0');
    let goes_on = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_:-".contains(byte))
    };
    let before = start.checked_sub(1).and_then(|before| bytes.get(before));
    // A colon or hyphen before or behind counts if a digit follows it.
    let glued_before = goes_on(before)
        && (!matches!(before, Some(b':' | b'-'))
            || start
                .checked_sub(2)
                .and_then(|two| bytes.get(two))
                .is_some_and(u8::is_ascii_hexdigit));
    let behind = bytes.get(end);
    let glued_behind = goes_on(behind)
        && (!matches!(behind, Some(b':' | b'-'))
            || bytes
                .get(end.saturating_add(1))
                .is_some_and(u8::is_ascii_hexdigit));
    let escaped = super::boundary::ends_escape(bytes, start);
    (!all_ones && !glued_behind && (!glued_before || escaped)).then_some(Finding {
        span: start..end,
        entity: Entity::Mac,
        certainty: Certainty::Shape,
        quotes: None,
    })
}
