//! Copies of keys in base64, by themselves: what a Kubernetes Secret, a kubeconfig or an
//! environment file holds.
//!
//! Only what begins with a key is one: its first letters, and so those of the copy, are fixed.
//! Anything else in base64 (images, tensors, text in which a key stands somewhere) is not decoded.

use super::boundary::{begins, ends};
use super::{Certainty, Entity, EntitySet, Finding, Meaning, Scene, scan_written};

/// How the keys begin of which copies are looked for, in three letters: those of four in base64.
const FRONTS: [&[u8; 3]; 30] = [
    b"---", b"ghp", b"gho", b"ghu", b"ghs", b"ghr", b"git", b"sk-", b"sk_", b"rk_", b"AKI", b"ASI",
    b"AIz", b"xox", b"xap", b"glp", b"gld", b"npm", b"hf_", b"gsk", b"pyp", b"SG.", b"dop", b"doo",
    b"dck", b"shp", b"r8_", b"xai", b"pul", b"whs",
];

/// The longest copy that is read, in bytes; of a private key its first line.
const LONGEST: usize = 1024;
const FIRST_LINE: usize = 96;
/// The shortest key is longer.
const SHORTEST: usize = 20;

/// The copy that `word` is, which begins at `start`.
pub(super) fn find(scene: Scene<'_>, start: usize, word: &[u8]) -> Option<Finding> {
    let front: [u8; 3] = decode(word.get(..4)?)?.try_into().ok()?;
    if word.len() < SHORTEST || !FRONTS.contains(&&front) || start < scene.floor {
        return None;
    }
    let end = start.saturating_add(word.len());
    if !begins(scene.bytes, start) || !ends(scene.bytes, end) {
        return None;
    }
    let entity = if front == *b"---" {
        let line = decode(word.get(..word.len().min(FIRST_LINE))?)?;
        let label = b"PRIVATE KEY";
        let is_key =
            line.starts_with(b"-----BEGIN ") && line.windows(label.len()).any(|part| part == label);
        is_key.then_some(Entity::PrivateKey)
    } else if word.len() <= LONGEST {
        key(&decode(word)?)
    } else {
        None
    };
    let entity = entity.filter(|entity| scene.wanted.has(*entity))?;
    Some(Finding {
        span: start..end,
        entity,
        certainty: Certainty::Check,
        quotes: None,
    })
}

/// The same of an id of AWS, whose copy may have no digit; the `J` of its front stands at `at`.
pub(super) fn of_aws(scene: Scene<'_>, at: usize) -> Option<Finding> {
    const ENDS: usize = 40;
    let start = at.checked_sub(3)?;
    let rest = scene.bytes.get(start..)?;
    if !rest.starts_with(b"QUtJ") && !rest.starts_with(b"QVNJ") {
        return None;
    }
    let word = rest.iter().take(ENDS);
    let length = word.take_while(|byte| byte.is_ascii_alphanumeric()).count();
    find(scene, start, rest.get(..length)?)
}

/// What a text is, if it is one key and nothing but white space behind it.
fn key(text: &[u8]) -> Option<Entity> {
    let text = core::str::from_utf8(text).ok()?.trim_end();
    let (found, _) = scan_written(text, 0, ("", &Meaning::default()), EntitySet::all());
    let [finding] = found.as_slice() else {
        return None;
    };
    let is_whole = finding.span == (0..text.len()) && finding.entity.is_credential();
    is_whole.then_some(finding.entity)
}

/// What base64 says, in either alphabet, without what fills it up; none if it is no base64.
pub(super) fn decode(word: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(word.len());
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in word {
        let value = match byte {
            b'A'..=b'Z' => byte.wrapping_sub(b'A'),
            b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count = count.wrapping_add(6);
        if count >= 8 {
            count = count.wrapping_sub(8);
            text.extend(u8::try_from((bits >> count) & 0xff));
            bits &= (1 << count) - 1;
        }
    }
    Some(text)
}
