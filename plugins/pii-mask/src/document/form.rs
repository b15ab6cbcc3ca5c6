//! Forms (WHATWG URL, section 5.1 "application/x-www-form-urlencoded"). What is not found keeps its
//! bytes.

use super::{Scope, json};
use crate::mask::{Masker, Tally};
use modelgate_kit::explain;
use std::borrow::Cow;

/// A form that cannot be read in one way only: a broken percent escape, or bytes that are not
/// UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedForm;

/// Masks a form; none if nothing changes.
///
/// What calls itself a form may be JSON: `curl -d` says so of whatever it is given, and servers of
/// models read it as JSON all the same. Then it is read both ways.
///
/// # Errors
/// [`MalformedForm`].
pub fn form(
    body: &[u8],
    scope: &Scope,
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<Vec<u8>>, MalformedForm> {
    if body.trim_ascii_start().starts_with(b"{") || body.trim_ascii_start().starts_with(b"[") {
        let mut found = tally.clone();
        if let Ok(masked) = json(body, scope, masker, &mut found) {
            *tally = found;
            // What has been put back is not looked at again.
            if masker.restores() {
                return Ok(masked);
            }
            // A document need not be a form: `100%` is no escape.
            let document = masked.as_deref().unwrap_or(body);
            let as_form = pairs(document, Rules::FORM, scope, masker, tally);
            return Ok(as_form.ok().flatten().or(masked));
        }
    }
    pairs(body, Rules::FORM, scope, masker, tally)
}

/// How an encoded text is read.
#[derive(Debug, Clone, Copy)]
struct Rules {
    /// An escape that is none makes it unreadable; otherwise it stands for itself.
    strict: bool,
    /// `+` is a space, as in forms and queries.
    plus_is_space: bool,
}

impl Rules {
    const FORM: Self = Self {
        strict: true,
        plus_is_space: true,
    };
    const QUERY: Self = Self {
        strict: false,
        plus_is_space: true,
    };
    const PATH: Self = Self {
        strict: false,
        plus_is_space: false,
    };
}

/// Masks a query, without its `?`; none if nothing changes. An escape that is none stands for
/// itself, as most servers read it.
///
/// # Errors
/// [`MalformedForm`]: it is not UTF-8.
pub fn query(
    query: &[u8],
    scope: &Scope,
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<Vec<u8>>, MalformedForm> {
    pairs(query, Rules::QUERY, scope, masker, tally)
}

/// Masks a URL: its query as one, what stands before as text; none if nothing changes.
///
/// # Errors
/// [`MalformedForm`]: it is not UTF-8.
pub fn url(
    url: &[u8],
    scope: &Scope,
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<Vec<u8>>, MalformedForm> {
    let end = memchr::memchr(b'?', url).unwrap_or(url.len());
    let (path, rest) = url.split_at_checked(end).ok_or(MalformedForm)?;
    let mut out = Vec::with_capacity(url.len());
    let plain = decode(path, Rules::PATH)?;
    let mut changed = mask(path, &plain, "", Rules::PATH, masker, tally, &mut out);
    if let Some(behind) = rest.strip_prefix(b"?") {
        out.push(b'?');
        let masked = query(behind, scope, masker, tally)?;
        changed |= masked.is_some();
        out.extend_from_slice(masked.as_deref().unwrap_or(behind));
    }
    Ok(changed.then_some(out))
}

fn pairs(
    body: &[u8],
    rules: Rules,
    scope: &Scope,
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<Vec<u8>>, MalformedForm> {
    let mut out = Vec::with_capacity(body.len());
    let mut changed = false;
    let mut at = 0_usize;
    for (count, pair) in body.split(|byte| *byte == b'&').enumerate() {
        if count > 0 {
            out.push(b'&');
        }
        let start = at;
        at = at.saturating_add(pair.len()).saturating_add(1);
        let equals = memchr::memchr(b'=', pair);
        let (name, value) = pair
            .split_at_checked(equals.unwrap_or(pair.len()))
            .ok_or(MalformedForm)?;
        let plain = decode(name, rules)?;
        explain::at(|| format!("field `{plain}`"));
        if scope.names {
            changed |= explain::inside(start, || {
                mask(name, &plain, "", rules, masker, tally, &mut out)
            });
        } else {
            out.extend_from_slice(name);
        }
        let Some(value) = value.strip_prefix(b"=") else {
            continue;
        };
        out.push(b'=');
        let skipped = scope
            .skip
            .iter()
            .any(|path| matches!(path.as_slice(), [only] if *only == plain));
        if skipped {
            out.extend_from_slice(value);
        } else {
            let means = decode(value, rules)?;
            let start = start.saturating_add(name.len()).saturating_add(1);
            changed |= explain::inside(start, || {
                mask(value, &means, &plain, rules, masker, tally, &mut out)
            });
        }
    }
    Ok(changed.then_some(out))
}

/// Writes a name or value with its findings replaced; whether there were any.
fn mask(
    written: &[u8],
    plain: &str,
    label: &str,
    rules: Rules,
    masker: &Masker,
    tally: &mut Tally,
    out: &mut Vec<u8>,
) -> bool {
    explain::spot(|| 0..written.len());
    if let Some(masked) = masker.mask_base64(plain, label, tally) {
        encode(&masked, rules, out);
        return true;
    }
    let found = masker.find(plain, 0, label);
    let mut rest = written;
    let mut at = 0_usize;
    for (finding, action) in &found {
        let (before, behind) = split(rest, finding.span.start.saturating_sub(at));
        let (own, behind) = split(behind, finding.span.len());
        out.extend_from_slice(before);
        let value = plain.get(finding.span.clone()).unwrap_or_default();
        explain::spot(|| {
            let end = written.len().saturating_sub(behind.len());
            end.saturating_sub(own.len())..end
        });
        let mut with = String::new();
        masker.replace(finding, *action, value, tally, &mut with);
        match action.changes() {
            true => encode(&with, rules, out),
            false => out.extend_from_slice(own),
        }
        (rest, at) = (behind, finding.span.end);
    }
    out.extend_from_slice(rest);
    found.iter().any(|(_, action)| action.changes())
}

/// Splits what is written behind so many bytes of what it means.
fn split(written: &[u8], bytes: usize) -> (&[u8], &[u8]) {
    let mut at = 0_usize;
    for _ in 0..bytes {
        let behind = written.get(at.saturating_add(1)..).unwrap_or_default();
        let is_escape = written.get(at) == Some(&b'%') && escaped(behind).is_some();
        at = at.saturating_add(if is_escape { 3 } else { 1 });
    }
    written
        .split_at_checked(at)
        .unwrap_or((written, b"".as_slice()))
}

/// What an encoded text means.
fn decode(encoded: &[u8], rules: Rules) -> Result<Cow<'_, str>, MalformedForm> {
    if !encoded.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return core::str::from_utf8(encoded)
            .map(Cow::Borrowed)
            .map_err(|_| MalformedForm);
    }
    let mut plain = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        plain.push(match first {
            b'+' if rules.plus_is_space => b' ',
            b'%' => match escaped(after) {
                Some(byte) => {
                    rest = after.get(2..).unwrap_or_default();
                    byte
                }
                None if rules.strict => return Err(MalformedForm),
                None => b'%',
            },
            other => *other,
        });
    }
    String::from_utf8(plain)
        .map(Cow::Owned)
        .map_err(|_| MalformedForm)
}

/// The byte that the two digits stand for which begin a text.
fn escaped(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| {
        let digit = char::from(*digits.get(at)?).to_digit(16)?;
        u8::try_from(digit).ok()
    };
    Some(digit(0)? << 4 | digit(1)?)
}

fn encode(text: &str, rules: Rules, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(byte),
            b' ' if rules.plus_is_space => out.push(b'+'),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push(b'%');
                out.extend(
                    [byte >> 4, byte & 15]
                        .iter()
                        .filter_map(|digit| HEX.get(usize::from(*digit))),
                );
            }
        }
    }
}
