//! Credentials in forms that their issuers have made recognisable: a prefix, an alphabet, a length.
//!
//! Each begins a word; the tail is the longest run of its alphabet. AWS secret keys have no form
//! but 40 characters of base64: they count only beside the word "secret" (or the label of their
//! field).

use super::boundary::{LOOK_BEHIND, begins, context_contains, ends, ends_escape};
use super::class::{base64, base64_front, base64_url, beginning, ending};
use super::forms::{AROUND_I, Alphabet, Form, ending_in};
use super::{Certainty, Entity, Finding, Scene, armor, copies, signed, web_token, words};
use core::ops::Range;
use modelgate_kit::lanes::{Lanes, WIDTH};

/// The credential that the anchor at `at` belongs to.
pub(super) fn find(scene: Scene<'_>, at: usize) -> Option<Finding> {
    let found = |(span, entity)| Finding {
        span,
        entity,
        certainty: Certainty::Check,
        quotes: None,
    };
    let next = || scene.bytes.get(at.saturating_add(1)).copied();
    match scene.bytes.get(at)? {
        b'I' => around_i(scene, at)
            .or_else(|| web_token::find(scene, at))
            .map(found),
        b'J' => web_token::find(scene, at)
            .or_else(|| {
                let signed = next() == Some(b'Q');
                signed.then(|| words::signed_within(scene, at)).flatten()
            })
            .map(found)
            .or_else(|| copies::of_aws(scene, at)),
        b'-' if matches!(next(), Some(b'-' | b'U'))
            && matches!(
                scene.bytes.get(at.saturating_add(1)..),
                Some([b'-', b'-', b'-', b'-' | b' ', ..] | [b'U', b's', b'e', b'r', b'-', ..])
            ) =>
        {
            private_key(scene, at).map(|span| found((span, Entity::PrivateKey)))
        }
        _ => {
            if !scene.bytes.get(at.checked_sub(1)?)?.is_ascii_alphanumeric() {
                return None;
            }
            ending_in(scene.bytes, scene.floor, at)
                .find_map(|form| {
                    let start = at.saturating_add(1).checked_sub(form.prefix.len())?;
                    form_at(scene, start, form)
                })
                .map(found)
        }
    }
}

/// The credential whose prefix has the `I` at `at`.
fn around_i(scene: Scene<'_>, at: usize) -> Option<(Range<usize>, Entity)> {
    if !is_in_prefix(scene.bytes, at) {
        return None;
    }
    AROUND_I.iter().find_map(|(before, form)| {
        let start = at.checked_sub(*before)?;
        scene
            .bytes
            .get(start..)?
            .starts_with(form.prefix)
            .then(|| form_at(scene, start, form))?
    })
}

/// Whether what stands beside the `I` at `at` does so in one of the prefixes.
fn is_in_prefix(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    let next = bytes.get(at.saturating_add(1));
    matches!(before, Some(b'A' | b'r' | b'X')) || matches!(next, Some(b'A' | b'z' | b'Q' | b'v'))
}

/// Whether a secret key of AWS may follow: its id, or a word that names it, stands in the text.
pub fn names_aws_secret(text: &[u8]) -> bool {
    holds_id(text) || holds_word(text)
}

/// Whether the text holds the word that names a secret key of AWS.
fn holds_word(text: &[u8]) -> bool {
    let mut windows = text.windows(SECRET.len());
    windows.any(|window| window.eq_ignore_ascii_case(SECRET))
}

/// Whether a word of `text[floor..]` begins as credentials do, or one of AWS may stand there.
pub fn may_begin(text: &str, floor: usize) -> bool {
    let bytes = text.as_bytes();
    let held = bytes.get(floor..).unwrap_or_default();
    let has = |part: &[u8]| memchr::memmem::find(held, part).is_some();
    let front = bytes
        .get(floor.saturating_sub(LOOK_BEHIND)..)
        .unwrap_or_default();
    let named = holds_word(front);
    let mixed = held.iter().any(u8::is_ascii_digit) && held.iter().any(u8::is_ascii_alphabetic);
    let has_form =
        || memchr::memchr2_iter(b'-', b'_', held).any(|at| ending_in(held, 0, at).next().is_some());
    (named && mixed)
        || signed::may_begin(held)
        || has(b"eyJ")
        || AROUND_I.iter().any(|(_, form)| has(form.prefix))
        || words::FRONTS.iter().any(|front| has(front))
        || has_form()
}

/// What a secret key of AWS is called.
const SECRET: &[u8] = b"secret";

/// How much of a tail is judged, in bytes.
pub const FRONT: usize = 64;

/// Bytes of a prefix that base64 has by chance.
const SHORT_PREFIX: usize = 3;

/// The credential that begins at `start`.
fn form_at(scene: Scene<'_>, start: usize, form: &Form) -> Option<(Range<usize>, Entity)> {
    if start < scene.floor || !begins(scene.bytes, start) {
        return None;
    }
    // Base64 has dashes, and behind one of them anything.
    let before = scene.bytes.get(start.saturating_sub(2)..start);
    if form.random
        && form.prefix.len() <= SHORT_PREFIX
        && matches!(before, Some([left, b'-']) if left.is_ascii_alphanumeric())
    {
        return None;
    }
    let word = scene.bytes.get(start..)?;
    if !scene.wanted.has(form.entity) {
        return None;
    }
    if matches!(form.prefix, b"acc-" | b"acc_") {
        return signed::around_account(scene, start).map(|span| (span, form.entity));
    }
    let tail = word.get(form.prefix.len()..)?;
    if !looks_like_a_key(form, tail) {
        return None;
    }
    let length = tail.iter().take_while(|byte| form.tail.has(**byte)).count();
    let end = start
        .saturating_add(form.prefix.len())
        .saturating_add(length);
    let fits = form.most == 0 || length <= form.most;
    if !fits || !ends(scene.bytes, end) || !is_grouped(form, tail.get(..length)?) {
        return None;
    }
    // A token of Slack that is renewed has two prefixes: `xoxe.xoxp-1-…`.
    let renewed = start
        .checked_sub(RENEWED.len())
        .filter(|from| *from >= scene.floor && scene.bytes.get(*from..start) == Some(RENEWED))
        .filter(|from| form.entity == Entity::SlackToken && begins(scene.bytes, *from));
    Some((
        renewed.unwrap_or(start)..routable_end(scene.bytes, form, end),
        form.entity,
    ))
}

const RENEWED: &[u8] = b"xoxe.";

/// Behind the parts `.01.1a2b3c4d5` of a routable token of GitLab, if it has them.
fn routable_end(bytes: &[u8], form: &Form, end: usize) -> usize {
    if !form.prefix.starts_with(b"gl") {
        return end;
    }
    let part = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        let Some(rest) = rest.strip_prefix(b".") else {
            return (from, 0);
        };
        let length = rest
            .iter()
            .take(16)
            .take_while(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            .count();
        (from.saturating_add(1).saturating_add(length), length)
    };
    match part(end) {
        (first, 2) => match part(first) {
            (second, 7..=9) if ends(bytes, second) => second,
            _ => end,
        },
        (first, 9) if ends(bytes, first) => first,
        _ => end,
    }
}

/// Whether a tail has groups as they must be, with digits in it and letters.
fn is_grouped(form: &Form, tail: &[u8]) -> bool {
    let fits = |lengths: &[usize]| {
        let groups = tail.split(|byte| *byte == b'-').map(<[u8]>::len);
        groups.eq(lengths.iter().copied())
    };
    form.groups.is_empty()
        || (form.groups.iter().any(|lengths| fits(lengths))
            && tail.iter().any(u8::is_ascii_digit)
            && tail.iter().any(u8::is_ascii_alphabetic))
}

/// Whether a tail is long enough and, where the prefix alone says little, mixes letters with digits
/// or both cases in one stretch longer than words are. Only its front is looked at: a chain of
/// false beginnings costs no more than its length.
fn looks_like_a_key(form: &Form, tail: &[u8]) -> bool {
    if form.mixed && !has_stretch(tail) {
        return false;
    }
    let (mut length, mut stretch, mut longest) = (0_usize, 0_usize, 0_usize);
    let (mut digit, mut lower, mut upper) = (false, false, 0_usize);
    for byte in tail
        .iter()
        .take(FRONT)
        .take_while(|byte| form.tail.has(**byte))
    {
        length += 1;
        stretch = if byte.is_ascii_alphanumeric() {
            stretch + 1
        } else {
            0
        };
        longest = longest.max(stretch);
        digit |= byte.is_ascii_digit();
        lower |= byte.is_ascii_lowercase();
        upper += usize::from(byte.is_ascii_uppercase());
        let mixed = (digit && (lower || upper > 0)) || (lower && upper > 2);
        let chance = (digit && lower && upper > 0) || (mixed && digit && longest >= CHANCE);
        if length >= form.least
            && (!form.mixed || (mixed && longest >= STRETCH))
            && (!form.random || chance)
        {
            return true;
        }
    }
    false
}

/// Letters and digits in a row that are longer than words are, and than words with a date are.
const STRETCH: usize = 16;
const CHANCE: usize = 12;

/// Whether the front of a tail may have such a stretch: it has one of the places at which every
/// stretch is looked for.
fn has_stretch(tail: &[u8]) -> bool {
    let front = tail.get(..tail.len().min(FRONT)).unwrap_or_default();
    (STRETCH.saturating_sub(1)..front.len())
        .step_by(STRETCH)
        .any(|at| {
            let (left, right) = front.split_at_checked(at).unwrap_or_default();
            let after = right
                .iter()
                .take(STRETCH)
                .take_while(|byte| byte.is_ascii_alphanumeric())
                .count();
            let before = left
                .iter()
                .rev()
                .take(STRETCH)
                .take_while(|byte| byte.is_ascii_alphanumeric())
                .count();
            after > 0 && before.saturating_add(after) >= STRETCH
        })
}

/// A credential in the word around the digit at `at`: a secret key of AWS, or one that is told by
/// how that word begins; and where the word ends.
/// `each`: also a word that shows at a glance that it is none.
pub(super) fn find_in_word(scene: Scene<'_>, at: usize, each: bool) -> (Option<Finding>, usize) {
    const LENGTH: usize = 40;
    let left = scene.bytes.get(..at).unwrap_or_default();
    let start = at.saturating_sub(ending(left, LENGTH.saturating_add(1), base64));
    let end = word_end(scene.bytes, at);
    if !each && is_ordinary(scene.bytes, start..end) {
        return (None, end);
    }
    let start = behind_escape(scene.bytes, start).min(end);
    let word = scene.bytes.get(start..end).unwrap_or_default();
    if let Some((span, entity)) = words::find(scene, start, word) {
        let end = span.end;
        let finding = Finding {
            span,
            entity,
            certainty: Certainty::Check,
            quotes: None,
        };
        return (Some(finding), end);
    }
    if let Some(finding) =
        signed::find(scene, start, word).or_else(|| find_in_part(scene, start, word, each))
    {
        return (Some(finding), end);
    }
    let mixed = word.iter().any(u8::is_ascii_uppercase) && word.iter().any(u8::is_ascii_lowercase);
    // The id of the key tells as well as the word, before it or behind it.
    let named = || {
        ["secret", "AKIA", "ASIA"]
            .iter()
            .any(|name| context_contains(scene, start, name))
            || (is_named_behind(scene.bytes.get(end..).unwrap_or_default())
                && !goes_over_parts(scene.bytes, start..end))
    };
    let wanted = scene.wanted.has(Entity::AwsSecretKey);
    let found = wanted && word.len() == LENGTH && start >= scene.floor && mixed && named();
    let finding = Finding {
        span: start..end,
        entity: Entity::AwsSecretKey,
        certainty: Certainty::Context,
        quotes: None,
    };
    (found.then_some(finding), end)
}

/// Where the letters, digits, slashes and plus signs end that begin at `at`.
fn word_end(bytes: &[u8], mut at: usize) -> usize {
    let length = beginning(bytes.get(at..).unwrap_or_default(), SHORT, base64);
    at = at.saturating_add(length);
    if length < SHORT {
        return at;
    }
    loop {
        let lanes = Lanes::front(bytes.get(at..).unwrap_or_default());
        let length = base64_front(lanes);
        at = at.saturating_add(length);
        if length < WIDTH {
            return at;
        }
    }
}

/// Bytes of the longest word that is no credential unless its front or its neighbours say so.
const SHORT: usize = 16;

/// Whether a short word is none that [`words`], [`signed`] or [`copies`] know.
fn is_ordinary(bytes: &[u8], word: Range<usize>) -> bool {
    let left = bytes.get(..word.start).unwrap_or_default();
    let right = bytes.get(word.end..).unwrap_or_default();
    let word = bytes.get(word).unwrap_or_default();
    let front = matches!(
        word,
        [b'A', b'T' | b'Q', ..]
            | [b'E', b'A', ..]
            | [b'G', b'R', ..]
            | [b'a', b't', ..]
            | [b'd', b't', ..]
            | [b's', b'h', ..]
            | [b't', b'1']
            | [b'y', b'a', ..]
            | [b'1', b'/', ..]
    );
    let joined = matches!(right.first(), Some(b'-' | b'_'));
    let named = || !word.iter().all(u8::is_ascii_digit) && may_be_named(left, word.len(), right);
    let beside = match left {
        _ if right.first() == Some(&b'~') => true,
        // The value of a parameter whose name ends as "sig" and "signature" do.
        [.., b'g' | b'G' | b'e' | b'E', b'='] | [b'='] | [.., b'%' | b'\\'] => true,
        [.., b'='] => joined,
        [.., b'.' | b'-' | b'_'] if words::may_be_dotted(left) => true,
        [.., b'-' | b'_'] => named(),
        _ => joined && named(),
    };
    let divided = || {
        memchr::memchr2_iter(b'/', b'+', word).any(|sign| {
            let behind = word.get(sign.saturating_add(1)..).unwrap_or_default();
            let length = memchr::memchr2(b'/', b'+', behind).unwrap_or(behind.len());
            let next = behind.get(length).or(right.first()).copied();
            may_be_part(behind.get(..length).unwrap_or_default(), next)
        })
    };
    word.len() <= SHORT && !front && !beside && !divided()
}

/// Where the word at `start` begins if its first letter belongs to an escape (`\n`, `\u00e9`) of a
/// string's source.
fn behind_escape(bytes: &[u8], start: usize) -> usize {
    [1, 5]
        .into_iter()
        .map(|length| start.saturating_add(length))
        .find(|end| ends_escape(bytes, *end))
        .unwrap_or(start)
}

/// Whether a word between dashes may be a part of a key that its provider's name tells, or of a
/// signature.
fn may_be_named(left: &[u8], length: usize, right: &[u8]) -> bool {
    const LONGEST: usize = 42;
    let before = ending(left, LONGEST + 1, base64_url);
    let front = left.get(..left.len().saturating_sub(before));
    let value = matches!(front, Some([.., b'=' | b'%' | b'+' | b'/' | b'|']));
    let after = beginning(right, LONGEST + 1, base64_url);
    let whole = before.saturating_add(length).saturating_add(after);
    before > LONGEST || value || (37..=LONGEST).contains(&whole)
}

/// The first credential that is a part of a word, between its slashes and plus signs: in a path,
/// say.
fn find_in_part(scene: Scene<'_>, start: usize, word: &[u8], each: bool) -> Option<Finding> {
    let mut from = 0_usize;
    loop {
        let rest = word.get(from..)?;
        let length = memchr::memchr2(b'/', b'+', rest).unwrap_or(rest.len());
        if from == 0 && length == word.len() {
            return None;
        }
        let part = rest.get(..length)?;
        let at = start.saturating_add(from);
        let behind = || scene.bytes.get(at.saturating_add(length)).copied();
        if from == 0 || each || may_be_part(part, behind()) {
            let found = signed::find_in_part(scene, at, part).or_else(|| {
                let (span, entity) = words::find(scene, at, part)?;
                Some(Finding {
                    span,
                    entity,
                    certainty: Certainty::Check,
                    quotes: None,
                })
            });
            if found.is_some() {
                return found;
            }
        }
        from = from.saturating_add(length).saturating_add(1);
    }
}

/// Whether a part behind a slash or plus sign may be a credential that [`signed`] or [`words`]
/// know, by its front, its length, and the byte behind it.
fn may_be_part(part: &[u8], behind: Option<u8>) -> bool {
    let front = match part {
        [b'A', ..] | [b'1'] => true,
        [b'M' | b'N' | b'O', ..] => (23..=28).contains(&part.len()),
        [one, other, ..] => matches!(
            [*one, *other],
            [b'4', b'b']
                | [b'E', b'A' | b'Z']
                | [b'G', b'O' | b'R']
                | [b'S', b'K']
                | [b'a', b't']
                | [b'c', b'm']
                | [b'd', b'a' | b'o' | b't']
                | [b'n', b's']
                | [b'o', b'y']
                | [b'p', b'a']
                | [b's', b'h']
                | [b't', b'1']
                | [b'y', b'a']
        ),
        _ => false,
    };
    front || matches!(part.len(), 29 | 32 | 64) || behind == Some(b'~')
}

/// How far behind a secret key of AWS its id is looked for, and on its line the word for it, in
/// bytes.
pub const BEHIND: usize = 96;
const WORD_BEHIND: usize = 48;

/// Whether a word has parts of an address of the web in it, behind which a stream goes on
/// (`example/Ab1…`): it is no key.
fn goes_over_parts(bytes: &[u8], word: Range<usize>) -> bool {
    const LONGEST: usize = 64;
    let is_small =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let text = bytes.get(word.clone()).unwrap_or_default();
    memchr::memchr_iter(b'/', text).any(|slash| {
        let left = bytes
            .get(..word.start.saturating_add(slash))
            .unwrap_or_default();
        let part = ending(left, LONGEST, is_small);
        let before = left.len().checked_sub(part.saturating_add(1));
        let before = before.and_then(|before| left.get(before));
        part >= 3 && (part == LONGEST || before.is_some_and(|sign| b"/?#&".contains(sign)))
    })
}

/// Whether the id of a key or, on the same line, the word "secret" stands near the front.
fn is_named_behind(text: &[u8]) -> bool {
    let near = text.get(..text.len().min(WORD_BEHIND)).unwrap_or_default();
    let line = near.split(|byte| *byte == b'\n').next().unwrap_or_default();
    holds_word(line) || holds_id(text.get(..text.len().min(BEHIND)).unwrap_or_default())
}

/// Whether the text holds the id of an AWS access key.
pub fn holds_id(text: &[u8]) -> bool {
    const ID: usize = 20;
    text.windows(ID).enumerate().any(|(at, id)| {
        matches!(id, [b'A', b'B' | b'K' | b'S', b'I', b'A', tail @ ..] if tail.iter().all(|byte| Alphabet::Base32.has(*byte)))
            && begins(text, at)
            && ends(text, at.saturating_add(ID))
    })
}

/// Whether the text holds what a secret key of AWS may be: what follows may name it. Every stretch
/// of its length has one of the places that are looked at.
pub fn may_be_aws_secret(text: &[u8]) -> bool {
    const LENGTH: usize = 40;
    // `\u003e` before it.
    const ESCAPE: usize = 5;
    let mut at = LENGTH.saturating_sub(1);
    while let Some(byte) = text.get(at) {
        if !base64(*byte) {
            at = at.saturating_add(LENGTH);
            continue;
        }
        let reach = LENGTH.saturating_add(ESCAPE);
        let before = ending(text.get(..at).unwrap_or_default(), reach, base64);
        let (start, end) = (at.saturating_sub(before), word_end(text, at));
        let word = text.get(start..end).unwrap_or_default();
        let escaped = start.checked_sub(1).and_then(|at| text.get(at)) == Some(&b'\\');
        let fits = match escaped {
            true => (LENGTH..=reach).contains(&word.len()),
            false => word.len() == LENGTH,
        };
        let found = fits
            && word.iter().any(u8::is_ascii_uppercase)
            && word.iter().any(u8::is_ascii_lowercase)
            && word.iter().any(u8::is_ascii_digit);
        if found {
            return true;
        }
        // Behind it another one begins at the earliest.
        at = end.saturating_add(LENGTH);
    }
    false
}

/// A private key whose first line begins, or has its first dash, at `at`.
fn private_key(scene: Scene<'_>, at: usize) -> Option<Range<usize>> {
    // PuTTY's files begin with a name, a dash within.
    let start = if scene.bytes.get(at..)?.starts_with(b"-User-Key") {
        at.checked_sub(b"PuTTY".len())?
    } else {
        at
    };
    if !scene.wanted.has(Entity::PrivateKey) || start < scene.floor {
        return None;
    }
    let (length, _) = armor::read(scene.bytes.get(start..)?)?;
    Some(start..start.saturating_add(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_shows_beside_its_letter() {
        for (before, form) in AROUND_I {
            assert!(is_in_prefix(form.prefix, *before));
        }
    }
}
