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
            let as_form = pairs(masked.as_deref().unwrap_or(body), scope, masker, tally);
            return Ok(as_form.ok().flatten().or(masked));
        }
    }
    pairs(body, scope, masker, tally)
}

fn pairs(
    body: &[u8],
    scope: &Scope,
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<Vec<u8>>, MalformedForm> {
    let mut out = Vec::with_capacity(body.len());
    let mut changed = false;
    for (count, pair) in body.split(|byte| *byte == b'&').enumerate() {
        if count > 0 {
            out.push(b'&');
        }
        let equals = memchr::memchr(b'=', pair);
        let (name, value) = pair
            .split_at_checked(equals.unwrap_or(pair.len()))
            .ok_or(MalformedForm)?;
        let plain = decode(name)?;
        explain::at(|| format!("field `{plain}`"));
        if scope.names {
            changed |= mask(name, &plain, "", masker, tally, &mut out);
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
            changed |= mask(value, &decode(value)?, &plain, masker, tally, &mut out);
        }
    }
    Ok(changed.then_some(out))
}

/// Writes a name or value with its findings replaced; whether there were any.
fn mask(
    written: &[u8],
    plain: &str,
    label: &str,
    masker: &Masker,
    tally: &mut Tally,
    out: &mut Vec<u8>,
) -> bool {
    let found = masker.find(plain, 0, label);
    let mut rest = written;
    let mut at = 0_usize;
    for (finding, action) in &found {
        let (before, behind) = split(rest, finding.span.start.saturating_sub(at));
        let (_, behind) = split(behind, finding.span.len());
        out.extend_from_slice(before);
        let value = plain.get(finding.span.clone()).unwrap_or_default();
        let mut with = String::new();
        masker.replace(finding, *action, value, tally, &mut with);
        encode(&with, out);
        (rest, at) = (behind, finding.span.end);
    }
    out.extend_from_slice(rest);
    !found.is_empty()
}

/// Splits what is written behind so many bytes of what it means.
fn split(written: &[u8], bytes: usize) -> (&[u8], &[u8]) {
    let mut at = 0_usize;
    for _ in 0..bytes {
        let length = if written.get(at) == Some(&b'%') { 3 } else { 1 };
        at = at.saturating_add(length);
    }
    written
        .split_at_checked(at)
        .unwrap_or((written, b"".as_slice()))
}

fn decode(encoded: &[u8]) -> Result<Cow<'_, str>, MalformedForm> {
    if !encoded.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return core::str::from_utf8(encoded)
            .map(Cow::Borrowed)
            .map_err(|_| MalformedForm);
    }
    let mut plain = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    loop {
        rest = match rest {
            [] => break,
            [b'+', after @ ..] => {
                plain.push(b' ');
                after
            }
            [b'%', high, low, after @ ..] => {
                let digit = |byte: &u8| {
                    char::from(*byte)
                        .to_digit(16)
                        .and_then(|digit| u8::try_from(digit).ok())
                };
                let (Some(high), Some(low)) = (digit(high), digit(low)) else {
                    return Err(MalformedForm);
                };
                plain.push(high << 4 | low);
                after
            }
            [b'%', ..] => return Err(MalformedForm),
            [byte, after @ ..] => {
                plain.push(*byte);
                after
            }
        };
    }
    String::from_utf8(plain)
        .map(Cow::Owned)
        .map_err(|_| MalformedForm)
}

fn encode(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(byte),
            b' ' => out.push(b'+'),
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
