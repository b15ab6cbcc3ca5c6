//! E-mail addresses: from the `@` to the left over a dot-atom (RFC 5322 section 3.2.3, without the
//! signs that text puts around addresses), to the right over the labels of a domain name whose last
//! one can be a top-level domain. Quoted local parts and address literals are not recognised.

use super::boundary::{ends_escape, is_ideograph, is_letter};
use super::{Certainty, Entity, Finding, Scene};
use core::ops::Range;

/// Longest stretch that is read to each side, in bytes; RFC 5321 allows 64 and 255.
const MAX_SIDE: usize = 255;

/// Signs that may stand in a local part, but not at its front.
const SIGNS: [char; 5] = ['.', '%', '+', '\'', '-'];

/// The address whose `@` stands at `at`.
pub fn find(scene: Scene<'_>, at: usize) -> Option<Finding> {
    find_around(scene, at..at.saturating_add(1))
}

/// The address whose `@` is written `%40`, as in a URL; `at` is where the 4 stands.
pub fn find_escaped(scene: Scene<'_>, at: usize) -> Option<Finding> {
    const ESCAPE: &[u8] = b"%40";
    let start = at.checked_sub(1)?;
    let end = start.saturating_add(ESCAPE.len());
    if scene.bytes.get(start) != Some(&b'%') || scene.bytes.get(start..end) != Some(ESCAPE) {
        return None;
    }
    find_around(scene, start..end)
}

fn find_around(scene: Scene<'_>, sign: Range<usize>) -> Option<Finding> {
    if !scene.wanted.has(Entity::Email) {
        return None;
    }
    let start = local_start(scene, sign.start)?;
    let end = domain_end(scene, sign.end)?;
    if is_something_else(scene, start..sign.start, sign.end..end) {
        return None;
    }
    Some(Finding {
        span: start..end,
        entity: Entity::Email,
        certainty: Certainty::Shape,
        quotes: None,
    })
}

/// Forms of source code: a picture for fine screens (`icon@2x.png`), a repository
/// (`git@github.com:`), a call on a product of matrices (`p@q.sum()`).
fn is_something_else(scene: Scene<'_>, local: Range<usize>, domain: Range<usize>) -> bool {
    const PICTURES: [&[u8]; 8] = [
        b"png", b"jpg", b"jpeg", b"webp", b"gif", b"svg", b"avif", b"pdf",
    ];
    let end = domain.end;
    let local = scene.bytes.get(local).unwrap_or_default();
    let domain = scene.bytes.get(domain).unwrap_or_default();
    let mut labels = domain.split(|byte| *byte == b'.');
    let first = labels.next().unwrap_or_default();
    let scaled = matches!(first, [b'1'..=b'9', b'x']);
    let picture = scaled
        && labels
            .next_back()
            .is_some_and(|last| PICTURES.contains(&last));
    let repository = local == b"git" && matches!(scene.bytes.get(end), Some(b':' | b'/'));
    let called = scene
        .bytes
        .get(end..)
        .is_some_and(|rest| rest.starts_with(b"()"));
    picture || repository || called
}

fn local_start(scene: Scene<'_>, at: usize) -> Option<usize> {
    let mut start = at;
    for character in scene.text.get(scene.floor..at)?.chars().rev() {
        let local = character.is_ascii_alphanumeric()
            || character == '_'
            || SIGNS.contains(&character)
            || is_letter(character);
        let before = start.saturating_sub(character.len_utf8());
        if !local || at.saturating_sub(before) > MAX_SIDE {
            break;
        }
        start = before;
    }
    // An escape's letters in front belong to the escape; hex digits of \uXXXX too.
    for length in [1, 5] {
        let after = start.saturating_add(length);
        let backslash = start
            .checked_sub(1)
            .and_then(|before| scene.bytes.get(before))
            == Some(&b'\\');
        if after < at && backslash && ends_escape(scene.bytes, after) {
            start = after;
            break;
        }
    }
    // What text puts in front of an address is not its beginning.
    let local = scene.text.get(start..at)?;
    let start = at.saturating_sub(local.trim_start_matches(SIGNS).len());
    (start < at).then_some(start)
}

/// The furthest end of a domain of two labels or more whose last label can be a top-level domain.
fn domain_end(scene: Scene<'_>, from: usize) -> Option<usize> {
    let mut at = from;
    let mut end = None;
    let mut labels = 0_usize;
    while at.saturating_sub(from) <= MAX_SIDE {
        let rest = scene.text.get(at..)?;
        // A label of ideographs ends where other letters begin: text in them has no spaces.
        let ideographs = rest.chars().next().is_some_and(is_ideograph);
        let is_label = |character: char| {
            if ideographs {
                is_ideograph(character)
            } else {
                character.is_ascii_alphanumeric() || character == '-' || is_letter(character)
            }
        };
        let length = rest
            .find(|character| !is_label(character))
            .unwrap_or(rest.len());
        let label = rest.get(..length)?;
        let trimmed = label.trim_end_matches('-');
        let behind = at.saturating_add(trimmed.len());
        if trimmed.is_empty() || label.starts_with('-') || behind.saturating_sub(from) > MAX_SIDE {
            break;
        }
        labels = labels.saturating_add(1);
        if labels > 1 && (!ideographs || IDEOGRAPHIC.contains(&trimmed)) && is_top_level(trimmed) {
            end = Some(behind);
        }
        at = at.saturating_add(length);
        if scene.bytes.get(at) != Some(&b'.') || trimmed.len() != length {
            break;
        }
        at = at.saturating_add(1);
    }
    end
}

/// Top-level domains of ideographs.
const IDEOGRAPHIC: [&str; 12] = [
    "中国",
    "中國",
    "公司",
    "网络",
    "網路",
    "香港",
    "台湾",
    "台灣",
    "한국",
    "コム",
    "在线",
    "中文网",
];

/// Letters only (of any script), or the ASCII form of an internationalised label.
fn is_top_level(label: &str) -> bool {
    let ascii_form = label
        .get(..4)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--"));
    label.len() >= 2
        && (ascii_form
            || !label
                .bytes()
                .any(|byte| byte.is_ascii_digit() || byte == b'-'))
}
