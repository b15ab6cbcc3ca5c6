//! Credentials in forms that their issuers have made recognisable: a prefix, an alphabet, a length.
//!
//! Each begins a word; the tail is the longest run of its alphabet. AWS secret keys have no form but 40 characters of
//! base64: they count only beside the word "secret" (or the label of their field).

use super::boundary::{begins, context_contains, ends};
use super::{Certainty, Entity, Finding, Scene};
use core::ops::Range;

/// One form: what it is, its prefix, which bytes may follow, how many at least.
struct Form {
    entity: Entity,
    prefix: &'static [u8],
    tail: Alphabet,
    least: usize,
    /// Longest tail; 0 if open.
    most: usize,
    /// Whether the tail must mix letters and digits: so no hyphenated words are taken for keys.
    mixed: bool,
}

const fn form(entity: Entity, prefix: &'static [u8], tail: Alphabet, least: usize) -> Form {
    Form {
        entity,
        prefix,
        tail,
        least,
        most: 0,
        mixed: true,
    }
}

/// What the tail of a credential is written in.
#[derive(Clone, Copy)]
enum Alphabet {
    Alphanumeric,
    /// Upper case, and the digits of base32.
    Base32,
    Base64Url,
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Alphabet::Alphanumeric => byte.is_ascii_alphanumeric(),
            Alphabet::Base32 => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
            Alphabet::Base64Url => base64_url(byte),
        }
    }
}

fn base64_url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The forms, by the anchor byte that makes the scan look: the last byte of the prefix, or the `I` within.
const FORMS: &[Form] = &[
    Form {
        most: 16,
        mixed: false,
        ..form(Entity::AwsAccessKey, b"AKIA", Alphabet::Base32, 16)
    },
    Form {
        most: 16,
        mixed: false,
        ..form(Entity::AwsAccessKey, b"ASIA", Alphabet::Base32, 16)
    },
    form(Entity::ApiKey, b"AIza", Alphabet::Base64Url, 35),
    form(Entity::GithubToken, b"ghp_", Alphabet::Alphanumeric, 36),
    form(Entity::GithubToken, b"gho_", Alphabet::Alphanumeric, 36),
    form(Entity::GithubToken, b"ghu_", Alphabet::Alphanumeric, 36),
    form(Entity::GithubToken, b"ghs_", Alphabet::Alphanumeric, 36),
    form(Entity::GithubToken, b"ghr_", Alphabet::Alphanumeric, 36),
    form(Entity::GithubToken, b"github_pat_", Alphabet::Base64Url, 50),
    form(Entity::ApiKey, b"sk_live_", Alphabet::Alphanumeric, 16),
    form(Entity::ApiKey, b"sk_test_", Alphabet::Alphanumeric, 16),
    form(Entity::ApiKey, b"rk_live_", Alphabet::Alphanumeric, 16),
    form(Entity::ApiKey, b"hf_", Alphabet::Alphanumeric, 30),
    form(Entity::ApiKey, b"npm_", Alphabet::Alphanumeric, 36),
    form(Entity::ApiKey, b"sk-", Alphabet::Base64Url, 20),
    form(Entity::ApiKey, b"glpat-", Alphabet::Base64Url, 20),
    form(Entity::SlackToken, b"xoxa-", Alphabet::Base64Url, 10),
    form(Entity::SlackToken, b"xoxb-", Alphabet::Base64Url, 10),
    form(Entity::SlackToken, b"xoxe-", Alphabet::Base64Url, 10),
    form(Entity::SlackToken, b"xoxo-", Alphabet::Base64Url, 10),
    form(Entity::SlackToken, b"xoxp-", Alphabet::Base64Url, 10),
    form(Entity::SlackToken, b"xoxr-", Alphabet::Base64Url, 10),
    form(Entity::SlackToken, b"xoxs-", Alphabet::Base64Url, 10),
    form(Entity::SlackToken, b"xapp-", Alphabet::Base64Url, 10),
];

/// The credential that the anchor at `at` belongs to.
pub(super) fn find(scene: Scene<'_>, at: usize) -> Option<Finding> {
    let found = |(span, entity)| Finding {
        span,
        entity,
        certainty: Certainty::Check,
        quotes: None,
    };
    match scene.bytes.get(at)? {
        b'I' => form_at(scene, at.checked_sub(2)?)
            .or_else(|| form_at(scene, at.checked_sub(1)?))
            .map(found),
        b'J' => json_web_token(scene, at.checked_sub(2)?).map(|span| found((span, Entity::Jwt))),
        b'-' if scene
            .bytes
            .get(at..)
            .is_some_and(|rest| rest.starts_with(PEM_BEGIN)) =>
        {
            private_key(scene, at).map(|span| found((span, Entity::PrivateKey)))
        }
        anchor => {
            if !scene.bytes.get(at.checked_sub(1)?)?.is_ascii_alphanumeric() {
                return None;
            }
            let before = scene
                .bytes
                .get(at.saturating_sub(12).max(scene.floor)..=at)?;
            FORMS
                .iter()
                .filter(|form| form.prefix.last() == Some(anchor) && before.ends_with(form.prefix))
                .find_map(|form| {
                    form_at(scene, at.saturating_add(1).checked_sub(form.prefix.len())?)
                })
                .map(found)
        }
    }
}

/// How much of a tail is judged, in bytes.
const FRONT: usize = 64;

/// The credential that begins at `start`.
fn form_at(scene: Scene<'_>, start: usize) -> Option<(Range<usize>, Entity)> {
    if start < scene.floor || !begins(scene.bytes, start) {
        return None;
    }
    let word = scene.bytes.get(start..)?;
    let form = FORMS.iter().find(|form| word.starts_with(form.prefix))?;
    if !scene.wanted.has(form.entity) {
        return None;
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
    (fits && ends(scene.bytes, end)).then_some((start..end, form.entity))
}

/// Whether a tail is long enough, mixes letters and digits, and has one stretch longer than words are (`sk-` and its like
/// are followed by hyphens too). Only its front is looked at: a chain of false beginnings costs no more than its length.
fn looks_like_a_key(form: &Form, tail: &[u8]) -> bool {
    let (mut length, mut stretch, mut longest) = (0_usize, 0_usize, 0_usize);
    let (mut digit, mut letter) = (!form.mixed, !form.mixed);
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
        letter |= byte.is_ascii_alphabetic();
        if length >= form.least && digit && letter && longest >= form.least.min(16) {
            return true;
        }
    }
    false
}

/// An AWS secret key in the word around the digit at `at`; and where that word ends.
pub(super) fn find_aws_secret(scene: Scene<'_>, at: usize) -> (Option<Finding>, usize) {
    const LENGTH: usize = 40;
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let left = scene.bytes.get(..at).unwrap_or_default();
    let start = at.saturating_sub(
        left.iter()
            .rev()
            .take(LENGTH.saturating_add(1))
            .take_while(is_part)
            .count(),
    );
    let right = scene.bytes.get(at..).unwrap_or_default();
    let end = at.saturating_add(right.iter().take_while(is_part).count());
    let word = scene.bytes.get(start..end).unwrap_or_default();
    let mixed = word.iter().any(u8::is_ascii_uppercase) && word.iter().any(u8::is_ascii_lowercase);
    let named = || context_contains(scene, start, "secret");
    let found = word.len() == LENGTH && start >= scene.floor && mixed && named();
    let finding = Finding {
        span: start..end,
        entity: Entity::AwsSecretKey,
        certainty: Certainty::Context,
        quotes: None,
    };
    (found.then_some(finding), end)
}

/// A token in compact form (RFC 7515 section 7.1): a header that begins as `{"` does, and at least one more part that
/// does so too, or four more (RFC 7516).
fn json_web_token(scene: Scene<'_>, start: usize) -> Option<Range<usize>> {
    const OBJECT: &[u8] = b"eyJ";
    let before = start
        .checked_sub(1)
        .and_then(|before| scene.bytes.get(before));
    if !scene.wanted.has(Entity::Jwt)
        || start < scene.floor
        || !begins(scene.bytes, start)
        || before == Some(&b'-')
    {
        return None;
    }
    let word = scene.bytes.get(start..)?;
    if !word.starts_with(OBJECT) {
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
        signed = parts == 1
            && end.saturating_sub(from) >= 8
            && word
                .get(from..)
                .is_some_and(|rest| rest.starts_with(OBJECT));
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
    Some(start..start.saturating_add(token.len()))
}

/// How every PEM block begins (RFC 7468).
pub const PEM_BEGIN: &[u8] = b"-----BEGIN ";
/// How its last line begins.
pub const PEM_END: &[u8] = b"-----END ";
const PEM_DASHES: &[u8] = b"-----";

/// Whether the byte can stand between a PEM block's first and last line; backslashes for line ends written `\n`.
pub fn is_pem(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte.is_ascii_whitespace()
        || matches!(byte, b'+' | b'/' | b'=' | b'\\' | b':' | b',' | b'-')
}

/// A private key from its first line to its last, or to where no such line can come any more.
fn private_key(scene: Scene<'_>, start: usize) -> Option<Range<usize>> {
    if !scene.wanted.has(Entity::PrivateKey) || start < scene.floor {
        return None;
    }
    let block = scene.bytes.get(start..)?;
    let label = block.get(PEM_BEGIN.len()..)?;
    let label_length = label
        .iter()
        .take(40)
        .take_while(|byte| matches!(byte, b'A'..=b'Z' | b' '))
        .count();
    let (label, rest) = label.split_at_checked(label_length)?;
    if !label.ends_with(b"PRIVATE KEY") || !rest.starts_with(PEM_DASHES) {
        return None;
    }
    let body = rest.get(PEM_DASHES.len()..)?;
    let run = body.iter().take_while(|byte| is_pem(**byte)).count();
    let body_run = body.get(..run)?;
    let length = match memchr::memmem::find(body_run, PEM_END) {
        Some(end) => {
            let last = body_run.get(end.saturating_add(PEM_END.len())..)?;
            let dashes = memchr::memmem::find(last, PEM_DASHES)
                .map_or(last.len(), |at| at.saturating_add(PEM_DASHES.len()));
            end.saturating_add(PEM_END.len()).saturating_add(dashes)
        }
        None => run,
    };
    let before_body = block.len().saturating_sub(body.len());
    Some(start..start.saturating_add(before_body).saturating_add(length))
}
