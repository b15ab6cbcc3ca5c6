//! Credentials that something inside them, before them or behind them tells: the signature that an
//! issuer puts into its keys, the name in front of them in a connection string, the parameter of a
//! signed address, a part of a known form; and copies of keys in base64.

use super::boundary::{LOOK_BEHIND, begins, context_contains, ends};
use super::class::{base64_url, ending};
use super::copies;
use super::{Certainty, Entity, Finding, Scene};
use core::ops::Range;

/// Where a signature of Azure's stands: length of the word, offset, and the signatures. Behind
/// words whose length is no multiple of four `=` fills up.
const AZURE: [(usize, usize, &[&[u8]]); 4] = [
    (86, 76, &[b"+ASt", b"+ABa", b"APIM", b"ACDb", b"/AM7"]),
    (
        43,
        33,
        &[b"+ASb", b"+AEh", b"+ARm", b"AIoT", b"AzCa", b"/AM7"],
    ),
    (52, 42, &[b"AzSe", b"+ACR"]),
    (54, 44, &[b"AzFu"]),
];

/// Names of the fields of connection strings that hold keys, as they end: without signs, in lower
/// case.
const NAMES: [&[u8]; 12] = [
    b"accountkey",
    b"accesskey",
    b"storagekey",
    b"primarykey",
    b"secondarykey",
    b"masterkey",
    b"sharedkey",
    b"privatekey",
    b"secretkey",
    b"signingkey",
    b"encryptionkey",
    b"presharedkey",
];

/// The credential that `word`, which begins at `start` and holds a digit, is or belongs to.
pub(super) fn find(scene: Scene<'_>, start: usize, word: &[u8]) -> Option<Finding> {
    let end = start.saturating_add(word.len());
    let wanted = |entity: Entity| scene.wanted.has(entity);
    let found = |span: Range<usize>, certainty| {
        (span.start >= scene.floor).then_some(Finding {
            span,
            entity: Entity::ApiKey,
            certainty,
            quotes: None,
        })
    };
    // Groups of digits are numbers, but where a parameter begins with one.
    let before = start.checked_sub(1).and_then(|at| scene.bytes.get(at));
    let in_parameter = matches!(before, Some(b'=' | b'%'));
    if !in_parameter && word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if wanted(Entity::ApiKey) {
        let span = azure(scene, start..end, word)
            .or_else(|| around(scene, start..end, word))
            .or_else(|| parameter(scene, start));
        if let Some(finding) = span.and_then(|span| found(span, Certainty::Check)) {
            return Some(finding);
        }
        let span = named(scene, start..end, word);
        if let Some(finding) = span.and_then(|span| found(span, Certainty::Context)) {
            return Some(finding);
        }
    }
    copies::find(scene, start, word)
}

/// The credential that a part of a word in a path is or belongs to.
pub(super) fn find_in_part(scene: Scene<'_>, start: usize, part: &[u8]) -> Option<Finding> {
    let span = start..start.saturating_add(part.len());
    if start < scene.floor || !scene.wanted.has(Entity::ApiKey) {
        return None;
    }
    around(scene, span, part).map(|span| Finding {
        span,
        entity: Entity::ApiKey,
        certainty: Certainty::Check,
        quotes: None,
    })
}

/// A key of Azure's, by its signature or by its name.
fn azure(scene: Scene<'_>, span: Range<usize>, word: &[u8]) -> Option<Range<usize>> {
    let (length, filled) = (word.len(), scene.bytes.get(span.end) == Some(&b'='));
    if !matches!(length, 43 | 52 | 54 | 84 | 86) || filled == (length % 4 == 0) {
        return None;
    }
    if !begins(scene.bytes, span.start) || !ends(scene.bytes, span.end) {
        return None;
    }
    let at = |offset: usize| word.get(offset..offset.saturating_add(4));
    let signed = AZURE.iter().any(|(whole, offset, signatures)| {
        *whole == length && signatures.iter().any(|known| at(*offset) == Some(known))
    });
    let of_devops = length == 84 && at(76) == Some(b"AZDO");
    let is_named = || matches!(length, 43 | 86) && is_key_by_name(scene, span.start);
    (signed || of_devops || is_named()).then_some(span)
}

/// Whether what stands before `at`, or is the label of a text that begins there, is the name of a
/// key.
fn is_key_by_name(scene: Scene<'_>, at: usize) -> bool {
    let ends_in_name = |text: &[u8]| {
        let mut name = [0_u8; 24];
        let letters = text
            .iter()
            .rev()
            .take(40)
            .filter(|byte| byte.is_ascii_alphanumeric());
        for (to, from) in name.iter_mut().rev().zip(letters) {
            *to = from.to_ascii_lowercase();
        }
        NAMES.iter().any(|known| name.ends_with(known))
    };
    let left = scene.bytes.get(..at).unwrap_or_default();
    let divided = left
        .last()
        .is_some_and(|byte| !byte.is_ascii_alphanumeric());
    (divided && ends_in_name(left)) || (at == 0 && ends_in_name(scene.label.as_bytes()))
}

/// A credential of which the word is a part, or begins it.
fn around(scene: Scene<'_>, span: Range<usize>, word: &[u8]) -> Option<Range<usize>> {
    let bytes = scene.bytes;
    let (first, length) = (*word.first()?, word.len());
    let alphanumeric = || word.iter().all(u8::is_ascii_alphanumeric);
    let of_length =
        |lengths: Range<usize>| (lengths.contains(&length) && alphanumeric()).then(|| span.clone());
    let rest = bytes.get(span.end..)?;
    let found = match first {
        b'E' if word.starts_with(b"EZAK") || word.starts_with(b"EZTK") => of_length(58..59),
        // Facebook's, and Square's; numbers in base64 have rows of `A`.
        b'E' if word.starts_with(b"EAA") => of_length(100..400)
            .or_else(|| run(bytes, span.start, 64..65).filter(|_| word.starts_with(b"EAAA")))
            .filter(|found| !holds(bytes.get(found.clone()).unwrap_or_default(), b"AAAA")),
        b'A' if word.starts_with(b"ATBB") => of_length(36..41),
        b'A' if word.starts_with(b"ATTA") => {
            of_length(76..77).filter(|_| is_hex(word.get(4..).unwrap_or_default()))
        }
        b'n' if word.starts_with(b"nsec1") => of_length(63..64),
        b'A' if word.starts_with(b"AKCp") => of_length(73..74),
        b'A' if word.starts_with(b"AKID") => of_length(36..37),
        b'A' if word.starts_with(&[b'A'; 22]) => bearer(bytes, span.start),
        b'G' if word.starts_with(b"GOOG1E") => of_length(61..62),
        b'c' if word.starts_with(b"cmVmdGtu") => of_length(64..65),
        b'4' if word.starts_with(b"4b1d") => of_length(42..43),
        b's' if word == b"sha256" && rest.first() == Some(&b'~') => {
            run(bytes, span.end.saturating_add(1), 43..44).map(|tail| span.start..tail.end)
        }
        b'p' if word.starts_with(b"pat") && length == 17 => airtable(bytes, span.start),
        b'M' | b'N' | b'O' if is_number_in_base64(word) => discord(bytes, span.clone()),
        b'a' if word == b"atlasv1" => terraform(bytes, span.clone()),
        _ => None,
    };
    found
        .or_else(|| {
            let left = span.start.checked_sub(18)?;
            (length == 64).then(|| airtable(bytes, left)).flatten()
        })
        .or_else(|| mailchimp(bytes, span.clone(), word))
        .or_else(|| maxmind(bytes, span.clone()))
        .or_else(|| client_secret(bytes, span.end))
        .filter(|found| begins(bytes, found.start) && ends(bytes, found.end))
        .or_else(|| behind_start(bytes, span.start))
}

/// The key in which a word at `at` stands that begins it or follows a sign in it: one of Yandex, or
/// the secret in an access token of an application of Facebook (`123456789012345|…`).
fn behind_start(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    const LONGEST: usize = 42;
    let left = bytes.get(..at)?;
    let inside = match left.last() {
        Some(b'-' | b'_') => ending(left, LONGEST, base64_url),
        _ => 0,
    };
    let start = at.checked_sub(inside)?;
    let value = bytes.get(start..)?;
    if value.starts_with(b"AQVN") {
        return run(bytes, start, 39..43)
            .filter(|found| begins(bytes, start) && ends(bytes, found.end));
    }
    let front = bytes.get(..start)?;
    let (app, start) = match (front, value) {
        ([app @ .., b'|'], _) => (app, start),
        ([app @ .., b'%'], [b'7', b'C' | b'c', ..]) => (app, start.saturating_add(2)),
        _ => return None,
    };
    let digits = app.iter().rev().take(17);
    let digits = digits.take_while(|byte| byte.is_ascii_digit()).count();
    let found = run(bytes, start, 27..41).filter(|_| matches!(digits, 15 | 16))?;
    // Cells of a table have other forms: numbers, words, sums in hexadecimal digits.
    let value = bytes.get(found.clone())?;
    let mixed = value.iter().any(u8::is_ascii_digit)
        && value.iter().any(u8::is_ascii_uppercase)
        && value.iter().any(u8::is_ascii_lowercase);
    (mixed && ends(bytes, found.end)).then_some(found)
}

/// The access key of Authress in which the account begins at `at`: the client, the key's id, the
/// account, and what signs, with dots between.
pub(super) fn around_account(scene: Scene<'_>, at: usize) -> Option<Range<usize>> {
    const CLIENTS: [&[u8]; 4] = [b"sc_", b"ext_", b"scauth_", b"authress_"];
    let is_small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let left = scene.bytes.get(..at)?.strip_suffix(b".")?;
    let id = ending(left, 7, is_small);
    let left = left
        .get(..left.len().checked_sub(id)?)?
        .strip_suffix(b".")?;
    let client = ending(left, 31, is_small);
    let left = left.get(..left.len().checked_sub(client)?)?;
    let front = CLIENTS
        .iter()
        .filter(|front| left.ends_with(front))
        .max_by_key(|front| front.len())?;
    let start = left.len().checked_sub(front.len())?;
    let rest = scene.bytes.get(at.saturating_add(4)..)?;
    let is_account = |byte: u8| is_small(byte) || byte == b'-';
    let account = rest
        .iter()
        .take(33)
        .take_while(|byte| is_account(**byte))
        .count();
    let rest = rest.get(account..)?.strip_prefix(b".")?;
    let is_tail = |byte: u8| base64_url(byte) || matches!(byte, b'+' | b'/');
    let tail = rest
        .iter()
        .take(121)
        .take_while(|byte| is_tail(**byte))
        .count();
    let lengths = [
        (id, 4..7),
        (client, 5..31),
        (account, 10..33),
        (tail, 30..121),
    ];
    let fits = lengths
        .iter()
        .all(|(length, lengths)| lengths.contains(length));
    let end = at
        .saturating_add(5)
        .saturating_add(account)
        .saturating_add(tail);
    (fits && start >= scene.floor && begins(scene.bytes, start)).then_some(start..end)
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Letters, digits, dashes and underscores from `start`, if there are so many.
fn run(bytes: &[u8], start: usize, lengths: Range<usize>) -> Option<Range<usize>> {
    let rest = bytes.get(start..)?.iter().take(lengths.end);
    let length = rest.take_while(|byte| base64_url(**byte)).count();
    lengths
        .contains(&length)
        .then(|| start..start.saturating_add(length))
}

fn is_hex(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Twitter's bearer token: base64 with percent escapes, which numbers in base64 have not.
fn bearer(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let rest = bytes.get(start..)?;
    let length = rest
        .iter()
        .take(160)
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'%')
        .count();
    let escaped = rest.get(..length)?.contains(&b'%');
    ((100..140).contains(&length) && escaped).then(|| start..start.saturating_add(length))
}

/// `pat`, 14 letters and digits, a dot, 64 hexadecimal digits.
fn airtable(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let token = bytes.get(start..start.checked_add(82)?)?;
    let (front, tail) = token.split_at_checked(18)?;
    let (id, dot) = front.split_at_checked(17)?;
    (id.starts_with(b"pat")
        && id.iter().all(u8::is_ascii_alphanumeric)
        && dot == b"."
        && is_hex(tail))
    .then(|| start..start.saturating_add(token.len()))
}

/// Whether a word is base64 of decimal digits: the id of an application of Discord's.
fn is_number_in_base64(word: &[u8]) -> bool {
    (23..=28).contains(&word.len())
        && copies::decode(word)
            .is_some_and(|text| text.len() >= 17 && text.iter().all(u8::is_ascii_digit))
}

/// The token of a Discord bot: the id, the time, the signature, with dots between.
fn discord(bytes: &[u8], id: Range<usize>) -> Option<Range<usize>> {
    let part = |from: usize, lengths: Range<usize>| {
        (bytes.get(from) == Some(&b'.'))
            .then(|| run(bytes, from.saturating_add(1), lengths))
            .flatten()
    };
    let time = part(id.end, 6..8)?;
    let signature = part(time.end, 27..46)?;
    Some(id.start..signature.end)
}

/// A token of Terraform's: 14 letters and digits, `.atlasv1.`, 60 and more.
fn terraform(bytes: &[u8], mark: Range<usize>) -> Option<Range<usize>> {
    let start = mark.start.checked_sub(15)?;
    let front = bytes.get(start..mark.start)?;
    let id = front.strip_suffix(b".")?;
    let dotted = bytes.get(mark.end) == Some(&b'.');
    let tail = run(bytes, mark.end.saturating_add(1), 60..72)?;
    (dotted && id.iter().all(u8::is_ascii_alphanumeric)).then_some(start..tail.end)
}

/// A key of Mailchimp's: 32 hexadecimal digits, and which of its data centres is meant.
fn mailchimp(bytes: &[u8], span: Range<usize>, word: &[u8]) -> Option<Range<usize>> {
    if word.len() != 32 || !is_hex(word) {
        return None;
    }
    let place = bytes.get(span.end..)?.strip_prefix(b"-us")?;
    let digits = place
        .iter()
        .take(3)
        .take_while(|byte| byte.is_ascii_digit());
    let digits = digits.count();
    let end = span.end.saturating_add(3).saturating_add(digits);
    (1..=2).contains(&digits).then_some(span.start..end)
}

/// A licence key of MaxMind's: six letters and digits, 29 more, `mmk`.
fn maxmind(bytes: &[u8], tail: Range<usize>) -> Option<Range<usize>> {
    let end = tail.end.saturating_add(4);
    let marked = tail.len() == 29 && bytes.get(tail.end..end) == Some(b"_mmk");
    let start = tail.start.checked_sub(7).filter(|_| marked)?;
    let front = bytes.get(start..tail.start)?.strip_suffix(b"_")?;
    let fits = front.iter().all(u8::is_ascii_alphanumeric);
    fits.then_some(start..end)
}

/// A client secret of Microsoft Entra: three signs, a digit, `Q~`, and 31 to 34 more. The digit
/// ends at `at`.
fn client_secret(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    // The word ends behind its `Q`.
    if bytes.get(at) != Some(&b'~') {
        return None;
    }
    let is_part = |byte: &u8| base64_url(*byte) || matches!(byte, b'.' | b'~');
    let start = at.checked_sub(5)?;
    let front = bytes.get(start..at)?;
    let marked = matches!(front, [.., b'7' | b'8', b'Q']);
    let tail = bytes.get(at.saturating_add(1)..)?;
    let length = tail
        .iter()
        .take(36)
        .take_while(|byte| is_part(byte))
        .count();
    let fits = marked && front.iter().all(is_part) && (31..=34).contains(&length);
    fits.then(|| start..at.saturating_add(1).saturating_add(length))
}

/// The value of a parameter that signs an address, in which the word at `start` stands: `sig` of a
/// shared access signature, the signature of a presigned address.
fn parameter(scene: Scene<'_>, start: usize) -> Option<Range<usize>> {
    const LONGEST: usize = 64;
    const LONGEST_SIGNATURE: usize = 1100;
    let is_part = |byte: u8| base64_url(byte) || matches!(byte, b'%' | b'+' | b'/');
    let left = scene.bytes.get(..start)?;
    if !matches!(left.last(), Some(b'=' | b'%' | b'-' | b'_')) {
        return None;
    }
    let inside = left.iter().rev().take(LONGEST);
    let inside = inside.take_while(|byte| is_part(**byte)).count();
    let from = start.checked_sub(inside)?;
    let name = scene.bytes.get(..from)?.strip_suffix(b"=")?;
    let ends_name = |known: &[u8]| {
        name.len()
            .checked_sub(known.len())
            .and_then(|at| name.split_at_checked(at))
            .is_some_and(|(before, last)| {
                last.eq_ignore_ascii_case(known)
                    && !before.last().is_some_and(u8::is_ascii_alphanumeric)
            })
    };
    let rest = scene.bytes.get(from..)?;
    let value = rest.iter().take(LONGEST_SIGNATURE);
    let length = value.take_while(|byte| is_part(**byte)).count();
    let value = rest.get(..length)?;
    let fits = if ends_name(b"sig") {
        // 32 bytes in base64, escaped or not, filled up or not.
        let signs = value.iter().filter(|byte| **byte == b'%').count();
        let escapes = signs.saturating_mul(2);
        let read = length.saturating_sub(escapes);
        matches!(read, 43 | 44)
    } else if ends_name(b"X-Amz-Signature") {
        length == 64 && is_hex(value)
    } else {
        ends_name(b"X-Goog-Signature") && length >= 256 && is_hex(value)
    };
    fits.then(|| from..from.saturating_add(length))
}

/// A key that its provider's name beside it tells: of Cloudflare, in the form without a prefix, and
/// of Mailgun, in three groups.
fn named(scene: Scene<'_>, span: Range<usize>, word: &[u8]) -> Option<Range<usize>> {
    let bytes = scene.bytes;
    if word.len() == 32 && is_hex(word) {
        let end = span.end.saturating_add(18);
        let is_key = matches!(
            bytes.get(span.end..end)?,
            [b'-', one @ .., ] if one.get(8) == Some(&b'-')
                && one.iter().enumerate().all(|(at, byte)| at == 8 || is_hex(&[*byte]))
        );
        let fits = is_key && begins(bytes, span.start) && ends(bytes, end);
        return (fits && context_contains(scene, span.start, "mailgun")).then_some(span.start..end);
    }
    // The word may be a part between dashes.
    const LENGTHS: [usize; 2] = [40, 37];
    let left = bytes.get(span.start.saturating_sub(40)..span.start)?;
    let before = left
        .iter()
        .rev()
        .take_while(|byte| base64_url(**byte))
        .count();
    let from = span.start.saturating_sub(before);
    let whole = run(bytes, from, 37..41)?;
    let value = bytes.get(whole.clone())?;
    let of_length = match LENGTHS.iter().position(|length| *length == value.len()) {
        Some(0) => {
            value.iter().any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase)
        }
        Some(_) => is_hex(value),
        None => false,
    };
    let called = || {
        ["cloudflare", "CF_API", "CF-API"]
            .iter()
            .any(|name| context_contains(scene, from, name))
    };
    (of_length && begins(bytes, from) && ends(bytes, whole.end) && called()).then_some(whole)
}

/// Whether a text ends in a word long and mixed enough to be the front of such a credential.
pub fn may_begin(held: &[u8]) -> bool {
    const SHORTEST: usize = 20;
    let is_part = |byte: &&u8| base64_url(**byte) || b".~%+/".contains(byte);
    let length = held
        .iter()
        .rev()
        .take(LOOK_BEHIND)
        .take_while(is_part)
        .count();
    let word = held
        .get(held.len().saturating_sub(length)..)
        .unwrap_or_default();
    length >= SHORTEST
        && word.iter().any(u8::is_ascii_digit)
        && word.iter().any(u8::is_ascii_alphabetic)
}
