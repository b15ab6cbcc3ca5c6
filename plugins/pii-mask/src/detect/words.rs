//! Credentials without a dash or an underscore behind their prefix: the word around a digit tells
//! them, or a colon, or a signature within. Each has a length, or an alphabet that words have not.

use super::boundary::{begins, ends};
use super::class::{base64_url, ending};
use super::{Certainty, Entity, Finding, Scene};
use core::ops::Range;

/// How these credentials begin.
pub const FRONTS: [&[u8]; 24] = [
    b"dapi",
    b"ya29.",
    BEDROCK,
    b"dt0c01.",
    b"dt0s01.",
    b"ATATT3",
    b"ATCTT3",
    b"GR1348941",
    b"SG.",
    b"hvs.",
    b"hvb.",
    b"hvr.",
    b"dp.pt.",
    b"dp.st.",
    b"ACCA",
    b"JQQJ99",
    b":AA",
    b"mfa.",
    b"sk.eyJ",
    b"sl.u.",
    b"pat.",
    b"sat.",
    b"sig=",
    b"LS0t",
];

/// Keys of Bedrock: what their base64 says is that they are one.
const BEDROCK: &[u8] = b"ABSKQmVkcm9ja0FQSUtleS";

/// What a word in front of a dot says, how long the part behind the dot is, and how long the one
/// behind a second dot, if there is one.
const DOTTED: [(&[u8], Range<usize>, Range<usize>); 16] = [
    (b"SG.", 20..25, 40..46),
    (b"hvs.", 24..512, 0..0),
    (b"hvb.", 80..1024, 0..0),
    (b"hvr.", 80..1024, 0..0),
    (b"dp.pt.", 40..45, 0..0),
    (b"dp.st.", 40..45, 0..0),
    (b"dp.ct.", 40..45, 0..0),
    (b"dp.sa.", 40..45, 0..0),
    (b"dp.scim.", 40..45, 0..0),
    (b"dp.audit.", 40..45, 0..0),
    // Discord's, of users with a second factor; Mapbox's, Dropbox's.
    (b"mfa.", 84..85, 0..0),
    (b"sk.", 40..200, 22..23),
    (b"sl.u.", 130..1500, 0..0),
    (b"amzn1.oa2-cs.v1.", 64..65, 0..0),
    (PERSONAL, 22..23, 24..25),
    (SERVICE, 22..23, 24..25),
];

/// How Harness's tokens begin, which have a third part.
const PERSONAL: &[u8] = b"pat.";
const SERVICE: &[u8] = b"sat.";
const THIRD: Range<usize> = 20..21;

/// The longest part of [`DOTTED`] that is looked over for its front.
const PART: usize = 24;

/// The credential that `word`, which begins at `start` and holds a digit, is or begins.
pub(super) fn find(scene: Scene<'_>, start: usize, word: &[u8]) -> Option<(Range<usize>, Entity)> {
    let bytes = scene.bytes;
    let api_key = scene.wanted.has(Entity::ApiKey);
    let first = *word.first()?;
    // A chain of false beginnings costs no more than its length.
    let is_front = start >= scene.floor && begins(bytes, start);
    let found = match first {
        _ if !is_front => None,
        // `A3T` and one more begins the ids of the first keys.
        b'A' if word.len() == 20 && (word.starts_with(b"ACCA") || word.starts_with(b"A3T")) => {
            let tail = word.get(4..)?;
            let fits = tail.iter().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'));
            return (fits && whole(scene, start, word.len()))
                .then(|| (start..start.saturating_add(20), Entity::AwsAccessKey));
        }
        _ if !api_key => return None,
        b'd' if word.starts_with(b"dapi") || word.starts_with(b"dose") => {
            hexadecimal(word.get(4..)?, 32).then_some(word.len())
        }
        // What renews a token of Google's.
        b'1' if bytes.get(start..)?.starts_with(b"1//0") => {
            let length = run(bytes, start.saturating_add(3), base64_url);
            (60..600)
                .contains(&length)
                .then(|| length.saturating_add(3))
        }
        b'S' if word.starts_with(b"SK") => hexadecimal(word.get(2..)?, 32).then_some(word.len()),
        b'o' if word.starts_with(b"oy2") => {
            let lower = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            (word.len() == 46 && word.iter().all(lower)).then_some(46)
        }
        b'A' if word.starts_with(BEDROCK) => {
            let filled = run(bytes, start.saturating_add(word.len()), |byte| byte == b'=');
            (word.len() >= 100).then(|| word.len().saturating_add(filled))
        }
        b'A' if word.starts_with(b"ATATT3") || word.starts_with(b"ATCTT3") => {
            let length = run(bytes, start, |byte| base64_url(byte) || byte == b'=');
            (length >= 100).then_some(length)
        }
        b'G' if word.starts_with(b"GR1348941") => {
            let length = run(bytes, start, base64_url);
            (length >= 29).then_some(length)
        }
        b'y' if word == b"ya29" => parts(bytes, start, b"ya29.", 30..2048, 0..0),
        b't' if word == b"t1" => parts(bytes, start, b"t1.", 20..600, 86..87),
        b'd' if word == b"dt0c01" => parts(bytes, start, b"dt0c01.", 24..25, 64..65),
        b'd' if word == b"dt0s01" => parts(bytes, start, b"dt0s01.", 8..25, 64..65),
        _ => None,
    };
    match found {
        Some(length) => whole(scene, start, length)
            .then(|| (start..start.saturating_add(length), Entity::ApiKey)),
        None => dotted(scene, start).map(|span| (span, Entity::ApiKey)),
    }
}

/// Whether so many bytes from `start` are a word that may be judged.
fn whole(scene: Scene<'_>, start: usize, length: usize) -> bool {
    start >= scene.floor
        && begins(scene.bytes, start)
        && ends(scene.bytes, start.saturating_add(length))
}

/// How many bytes from `at` on are of a kind. Where the run alone decides, what it went over is
/// found and not read again.
fn run(bytes: &[u8], at: usize, is_one: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| is_one(**byte)).count()
}

fn hexadecimal(tail: &[u8], length: usize) -> bool {
    tail.len() == length
        && tail
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// How long what begins with `front` is, if its parts have these lengths.
fn parts(
    bytes: &[u8],
    start: usize,
    front: &[u8],
    first: Range<usize>,
    second: Range<usize>,
) -> Option<usize> {
    let rest = bytes.get(start..)?.strip_prefix(front)?;
    // No more than decides: it may be read again from the next word.
    let one = run(rest.get(..rest.len().min(first.end))?, 0, base64_url);
    if !first.contains(&one) {
        return None;
    }
    let length = front.len().saturating_add(one);
    if second.is_empty() {
        return Some(length);
    }
    let rest = rest.get(one..)?.strip_prefix(b".")?;
    let two = run(rest, 0, base64_url);
    second
        .contains(&two)
        .then(|| length.saturating_add(1).saturating_add(two))
}

/// How many bytes of letters, digits, dashes and underscores end `left`, as far as counts.
fn part_before(left: &[u8]) -> usize {
    ending(left, PART, base64_url)
}

/// Whether what stands behind `left` may be in a part behind a dot of one of [`DOTTED`].
pub(super) fn may_be_dotted(left: &[u8]) -> bool {
    let before = |left: &[u8]| left.len().saturating_sub(part_before(left));
    // Each front ends in a letter, or in `v1`, and a dot.
    let is_front = |left: &[u8]| {
        matches!(
            left,
            [
                ..,
                b'G' | b's' | b'b' | b'r' | b't' | b'a' | b'm' | b'k' | b'u' | b'o',
                b'.'
            ] | [.., b'v', b'1', b'.']
        )
    };
    let Some(front) = left.get(..before(left)) else {
        return false;
    };
    let Some(first) = front.strip_suffix(b".") else {
        return false;
    };
    is_front(front) || first.get(..before(first)).is_some_and(is_front)
}

/// The credential whose part behind a dot holds what begins at `start`.
fn dotted(scene: Scene<'_>, start: usize) -> Option<Range<usize>> {
    let bytes = scene.bytes;
    let left = bytes.get(..start)?;
    if !matches!(left.last(), Some(b'.' | b'-' | b'_')) || !may_be_dotted(left) {
        return None;
    }
    let before_part = |left: &[u8]| left.len().saturating_sub(part_before(left));
    let from = |at: usize| {
        let left = bytes.get(..at)?;
        DOTTED.iter().find_map(|(front, first, second)| {
            let start = left.ends_with(front).then_some(left.len())?;
            let start = start.checked_sub(front.len())?;
            let mut length = parts(bytes, start, front, first.clone(), second.clone())?;
            if matches!(*front, PERSONAL | SERVICE) {
                let end = start.saturating_add(length);
                length = length.saturating_add(parts(bytes, end, b".", THIRD, 0..0)?);
            }
            whole(scene, start, length).then(|| start..start.saturating_add(length))
        })
    };
    let at = before_part(left);
    from(at).or_else(|| {
        // Or the part behind the second dot does.
        let left = left.get(..at)?.strip_suffix(b".")?;
        from(before_part(left))
    })
}

/// The key of Azure's AI services whose signature begins with the `J` at `at`: 84 letters and
/// digits, the signature behind the first 52.
pub(super) fn signed_within(scene: Scene<'_>, at: usize) -> Option<(Range<usize>, Entity)> {
    const LENGTH: usize = 84;
    if !scene.bytes.get(at..)?.starts_with(b"JQQJ99") || !scene.wanted.has(Entity::ApiKey) {
        return None;
    }
    let start = at.checked_sub(52)?;
    let word = scene.bytes.get(start..start.saturating_add(LENGTH))?;
    let fits = word.iter().all(u8::is_ascii_alphanumeric) && whole(scene, start, LENGTH);
    fits.then(|| (start..start.saturating_add(LENGTH), Entity::ApiKey))
}

/// The token of a Telegram bot, or the address of a webhook, around the colon at `at`.
pub(super) fn around_colon(scene: Scene<'_>, at: usize) -> Option<Finding> {
    let behind = scene.bytes.get(at.saturating_add(1)..)?;
    let (span, entity) = match behind {
        [b'A', b'A', ..] => (bot(scene, at, behind)?, Entity::ApiKey),
        [b'/', b'/', rest @ ..] => webhook(rest, at.saturating_add(3))?,
        _ => return None,
    };
    (span.start >= scene.floor && scene.wanted.has(entity)).then_some(Finding {
        span,
        entity,
        certainty: Certainty::Check,
        quotes: None,
    })
}

fn bot(scene: Scene<'_>, at: usize, behind: &[u8]) -> Option<Range<usize>> {
    let left = scene.bytes.get(..at)?;
    let digits = left.iter().rev().take(17);
    let digits = digits.take_while(|byte| byte.is_ascii_digit()).count();
    let start = at.checked_sub(digits)?;
    let end = at.saturating_add(36);
    let fits = (7..=16).contains(&digits)
        && run(behind, 0, base64_url) == 35
        && begins(scene.bytes, start);
    fits.then_some(start..end)
}

/// Hosts whose addresses are credentials, what their paths begin with, and how long these are at
/// least.
const WEBHOOKS: [(&[u8], Entity, usize); 9] = [
    (b"hooks.slack.com/services/", Entity::SlackToken, 30),
    (b"hooks.slack.com/workflows/", Entity::SlackToken, 30),
    (b"hooks.slack.com/triggers/", Entity::SlackToken, 30),
    (b"discord.com/api/webhooks/", Entity::ApiKey, 70),
    (b"discordapp.com/api/webhooks/", Entity::ApiKey, 70),
    (b"canary.discord.com/api/webhooks/", Entity::ApiKey, 70),
    (b"ptb.discord.com/api/webhooks/", Entity::ApiKey, 70),
    (b"outlook.office.com/webhook/", Entity::ApiKey, 100),
    (b"hooks.zapier.com/hooks/catch/", Entity::ApiKey, 12),
];

/// The same where a name of the customer stands before: how the host goes on, and the path.
const OF_TENANTS: (&[u8], usize) = (b".webhook.office.com/webhookb2/", 100);
/// The longest such name (RFC 1035 section 2.3.4).
const LONGEST_NAME: usize = 63;

/// Whether the path behind a host may be the credential of a webhook.
pub fn may_be_of_webhook(host: &[u8]) -> bool {
    let (of_tenants, _) = OF_TENANTS;
    WEBHOOKS.iter().any(|(front, ..)| front.starts_with(host))
        || of_tenants
            .strip_suffix(b"/webhookb2/")
            .is_some_and(|end| host.ends_with(end))
}

/// The path of a webhook, whose address without its scheme is `rest` and begins at `at`.
fn webhook(rest: &[u8], at: usize) -> Option<(Range<usize>, Entity)> {
    let path = |front: usize, least: usize| {
        let path = rest.get(front..)?;
        // The path of a webhook of Teams has an `@` between two ids.
        let length = run(path, 0, |byte| {
            base64_url(byte) || matches!(byte, b'/' | b'@')
        });
        let start = at.saturating_add(front);
        (length >= least).then(|| start..start.saturating_add(length))
    };
    let known = WEBHOOKS.iter().find(|(front, ..)| rest.starts_with(front));
    if let Some((front, entity, least)) = known {
        return path(front.len(), *least).map(|span| (span, *entity));
    }
    let (host, least) = OF_TENANTS;
    let name = rest.iter().take(LONGEST_NAME);
    let name = name.take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-');
    let name = name.count();
    rest.get(name..)?.starts_with(host).then_some(())?;
    path(name.saturating_add(host.len()), least).map(|span| (span, Entity::ApiKey))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_behind_a_dot_may_be_one() {
        for (front, ..) in DOTTED {
            let text = [b" ", front].concat();
            assert!(may_be_dotted(&text));
            assert!(may_be_dotted(&[&text, b"a-b_".as_slice()].concat()));
            assert!(may_be_dotted(&[&text, b"a-b_.c-".as_slice()].concat()));
        }
        for other in [b"".as_slice(), b".", b"12.", b"1.12.", b"a-"] {
            assert!(!may_be_dotted(other));
        }
    }
}
