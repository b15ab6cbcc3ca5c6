//! E-mail addresses: from the `@` to the left over a dot-atom (RFC 5322 section 3.2.3, without the
//! signs that text puts around addresses; RFC 6531 section 3.3 for other scripts), to the right
//! over the labels of a domain name whose last one can be a top-level domain. Quoted local parts
//! and address literals are not recognised.

use super::boundary::{ends_escape, is_letter, is_unspaced};
use super::{Certainty, Entity, Finding, Scene};
use core::ops::Range;
use std::borrow::Cow;

/// Longest stretch that is read to each side, in bytes; RFC 5321 allows 64 and 255.
const MAX_SIDE: usize = 255;

/// Signs that may stand in a local part, but not at its front.
const SIGNS: [char; 5] = ['.', '%', '+', '\'', '-'];

/// The address whose `@` stands at `at`.
pub fn find(scene: Scene<'_>, at: usize) -> Option<Finding> {
    find_around(scene, at..at.saturating_add(1))
}

/// The address whose `@` is written `%40`, as in a URL, or escaped again (`%2540`); `at` is where
/// the digits begin.
pub fn find_escaped(scene: Scene<'_>, at: usize) -> Option<Finding> {
    let start = at.checked_sub(1)?;
    let length = escape_length(scene.bytes.get(start..)?)?;
    find_around(scene, start..start.saturating_add(length))
}

/// Times that an escape or a reference is looked for within one.
const LAYERS: usize = 3;

/// How long the escape is that a text begins with, if it is that of an `@`.
fn escape_length(text: &[u8]) -> Option<usize> {
    let digits = text.strip_prefix(b"%")?;
    let mut rest = digits;
    for _ in 0..LAYERS {
        rest = rest.strip_prefix(b"25").unwrap_or(rest);
    }
    let behind = rest.strip_prefix(b"40")?;
    Some(text.len().saturating_sub(behind.len()))
}

/// The address whose `@` is a character reference of HTML, which ends with the semicolon at `at`.
pub fn find_entity(scene: Scene<'_>, at: usize) -> Option<Finding> {
    let end = at.saturating_add(1);
    let start = sign_start(scene.bytes.get(..end)?)?;
    find_around(scene, start..end)
}

/// What stands for the `&` of a reference that was written into HTML again.
const AGAIN: &[u8] = b"amp;";
/// Longest reference that is read: `&amp;amp;amp;#0000064;`.
const REFERENCE: usize = 10 + LAYERS * AGAIN.len();

/// Where the `@` begins that ends `text` and is written as a character reference of HTML:
/// `&#64;`, `&#x40;`, `&commat;`, also written into HTML again: `&amp;#64;`.
pub fn sign_start(text: &[u8]) -> Option<usize> {
    let before = text.strip_suffix(b";")?;
    if !matches!(before, [.., b'4' | b'0' | b't']) {
        return None;
    }
    let from = text.len().saturating_sub(REFERENCE);
    let start = from.saturating_add(memchr::memrchr(b'&', before.get(from..)?)?);
    let number = |digits: &[u8], wanted: &[u8]| {
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.get(zeros..) == Some(wanted)
    };
    let mut name = before.get(start.saturating_add(1)..)?;
    for _ in 0..LAYERS {
        name = name.strip_prefix(AGAIN).unwrap_or(name);
    }
    let is_sign = match name {
        [b'#', b'x' | b'X', digits @ ..] => number(digits, b"40"),
        [b'#', digits @ ..] => number(digits, b"64"),
        name => name == b"commat",
    };
    is_sign.then_some(start)
}

/// Whether a text ends in a reference to an `&`, with which another may begin.
pub fn ends_in_ampersand(text: &[u8]) -> bool {
    text.strip_suffix(AGAIN)
        .is_some_and(|before| before.ends_with(b"&") || before.ends_with(AGAIN))
}

/// The text without what may be the front of a character reference at its end.
pub fn without_sign_front(text: &str) -> &str {
    let near = text.len().saturating_sub(REFERENCE);
    match text.rfind('&').filter(|at| *at >= near) {
        Some(at) if text.bytes().skip(at.saturating_add(1)).all(is_in_reference) => {
            text.get(..at).unwrap_or_default()
        }
        _ => text,
    }
}

const fn is_in_reference(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'#' | b';')
}

/// An address with its `@` as one, however that is written.
pub fn plain(address: &str) -> Cow<'_, str> {
    if address.contains('@') {
        return Cow::Borrowed(address);
    }
    let escape = || {
        memchr::memchr_iter(b'%', address.as_bytes()).find_map(|at| {
            let length = escape_length(address.as_bytes().get(at..)?)?;
            Some(at..at.saturating_add(length))
        })
    };
    let reference = || {
        let end = address.find(';')?.saturating_add(1);
        Some(sign_start(address.as_bytes().get(..end)?)?..end)
    };
    match reference().or_else(escape) {
        Some(sign) => {
            let mut plain = address.to_owned();
            plain.replace_range(sign, "@");
            Cow::Owned(plain)
        }
        None => Cow::Borrowed(address),
    }
}

fn find_around(scene: Scene<'_>, sign: Range<usize>) -> Option<Finding> {
    if !scene.wanted.has(Entity::Email) {
        return None;
    }
    // Of a row of signs no domain begins, but the local part of each may be long.
    let end = domain_end(scene, sign.end)?;
    let start = local_start(scene, sign.start)?;
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

/// Longest local part, in octets (RFC 5321 section 4.5.3.1.1).
pub const LONGEST_LOCAL: usize = 64;

/// Whether a character may stand in a local part.
pub fn is_local(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || character == '_'
        || SIGNS.contains(&character)
        || is_letter(character)
}

fn local_start(scene: Scene<'_>, at: usize) -> Option<usize> {
    let mut start = at;
    for character in scene.text.get(scene.floor..at)?.chars().rev() {
        let before = start.saturating_sub(character.len_utf8());
        if !is_local(character) || at.saturating_sub(before) > MAX_SIDE {
            break;
        }
        start = before;
    }
    start = unspaced_start(scene, start, at);
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

/// Longest local part in scripts without spaces, in bytes (RFC 6531 section 3.3: 64 octets).
pub const MAX_UNSPACED: usize = 64;

/// Words of Chinese that stand before addresses, and end the text in front of one.
pub const BEFORE_ADDRESSES: &str = "是为為至到给給于於请請";

/// Where a local part begins that goes on to the left of `start` in a script that has no spaces
/// between its words (RFC 6531): directly before the `@`, behind a sign, or with a single character
/// before digits. Other letters and digits behind such text are an address by themselves:
/// `请联系ann@example.com`.
fn unspaced_start(scene: Scene<'_>, start: usize, at: usize) -> usize {
    let mut start = start;
    loop {
        let right = scene.text.get(start..at).unwrap_or_default();
        let left = scene.text.get(scene.floor..start).unwrap_or_default();
        let length = unspaced_end(left);
        let run = left
            .get(left.len().saturating_sub(length)..)
            .unwrap_or_default();
        let before = left
            .get(..left.len().saturating_sub(length))
            .unwrap_or_default();
        let signed = before.ends_with(['.', '_', '-']);
        let digits = right.bytes().all(|byte| byte.is_ascii_digit());
        let goes_on = right.is_empty()
            || right.starts_with(['.', '_', '-'])
            || (digits && (signed || run.chars().count() == 1));
        if length == 0 || !goes_on || at.saturating_sub(start).saturating_add(length) > MAX_SIDE {
            return start;
        }
        start = start.saturating_sub(length);
        // Letters and signs before it.
        let front = before.trim_end_matches(|one: char| {
            one.is_ascii_alphanumeric() || one == '_' || SIGNS.contains(&one)
        });
        let more = before.len().saturating_sub(front.len());
        if !signed || more > MAX_UNSPACED {
            return start;
        }
        start = start.saturating_sub(more);
    }
}

/// How many bytes at the end of a text are one word, as far as can be told, in a script without
/// spaces. Hiragana before other characters of Japanese are particles.
fn unspaced_end(text: &str) -> usize {
    let hiragana = |one: char| matches!(one, '\u{3041}'..='\u{309f}');
    let mut length = 0_usize;
    let mut last = None;
    for one in text.chars().rev() {
        let word = is_unspaced(one)
            && !BEFORE_ADDRESSES.contains(one)
            && last.is_none_or(|last| hiragana(last) || !hiragana(one));
        let longer = length.saturating_add(one.len_utf8());
        if !word || longer > MAX_UNSPACED {
            break;
        }
        (length, last) = (longer, Some(one));
    }
    length
}

/// The furthest end of a domain of two labels or more whose last label can be a top-level domain.
fn domain_end(scene: Scene<'_>, from: usize) -> Option<usize> {
    let mut at = from;
    let mut end = None;
    let mut labels = 0_usize;
    while at.saturating_sub(from) <= MAX_SIDE {
        let rest = scene.text.get(at..)?;
        // A label of ideographs ends where other letters begin: text in them has no spaces.
        let ideographs = rest.chars().next().is_some_and(is_unspaced);
        let is_label = |character: char| {
            if ideographs {
                is_unspaced(character)
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
        let dot = match scene.text.get(at..).and_then(|rest| rest.chars().next()) {
            Some('.') => 1,
            Some(other) if is_full_stop(other) && labels == 1 => other.len_utf8(),
            _ => break,
        };
        if trimmed.len() != length {
            break;
        }
        at = at.saturating_add(dot);
    }
    end
}

/// The full stops of ideographs, which divide labels too (RFC 3490 section 3.1). In text they end a
/// sentence: only behind the first label they are read as a dot.
pub const fn is_full_stop(character: char) -> bool {
    matches!(character, '\u{3002}' | '\u{ff61}')
}

/// Top-level domains in scripts without spaces.
const IDEOGRAPHIC: [&str; 36] = [
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
    "みんな",
    "世界",
    "商城",
    "集团",
    "政务",
    "机构",
    "信息",
    "移动",
    "时尚",
    "新加坡",
    "澳門",
    "澳门",
    "网址",
    "网站",
    "企业",
    "商标",
    "삼성",
    "닷컴",
    "닷넷",
    "ストア",
    "クラウド",
    "ポイント",
    "ไทย",
    "ลาว",
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
