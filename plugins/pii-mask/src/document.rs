//! Masks whole bodies: JSON documents, forms and plain text. What is not changed keeps its bytes.
//!
//! In JSON every string value is scanned decoded, with the name of its member as context; so are
//! member names. Numbers whose member's name says that they are a card, a social security number or
//! a telephone become strings. In answers a value of a member `logprobs`, which repeats the text
//! token by token, becomes `null`, and a text that runs on over the elements of an array is read as
//! one.

mod form;
mod labels;
mod logprobs;
mod number;
mod pieces;
mod scope;
mod strings;

pub use form::{MalformedForm, form, query, url};
pub use labels::{Labels, says_nothing, tail};
pub use logprobs::Logprobs;
pub use number::number;
pub use scope::{LIMITS, Scope};
pub use strings::Strings;

use crate::events;
use crate::mask::{Masker, Tally};
use modelgate_kit::explain;
use modelgate_kit::json::{Edits, JsonError, Token, Walker};

/// Masks a JSON document; none if nothing changes.
///
/// # Errors
/// The body is not JSON.
pub fn json(
    body: &[u8],
    scope: &Scope,
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<Vec<u8>>, JsonError> {
    let mut walker = Walker::new(body, LIMITS)?;
    let mut edits = Edits::new();
    let mut strings = Strings::of(body);
    let mut labels = Labels::of(body);
    let mut logprobs = Logprobs::default();
    let before = tally.clone();
    let mut runs_on = false;
    while let Some(token) = walker.next_token()? {
        if scope.drop_logprobs && logprobs.hold(&walker, &token) {
            if let Some(span) = logprobs.take() {
                edits.replace_raw(span, "null".to_owned());
            }
            continue;
        }
        let path = walker.path();
        explain::at(|| path.to_string());
        match token {
            Token::String(text) if !scope.skips(&path) => {
                runs_on |= scope.drop_logprobs && !runs_on && events::runs_on(&path);
                let label = labels.label(&path, text.span());
                labels.note(&path, text);
                strings.value(&text, &label, masker, tally, |span, raw| {
                    edits.replace_raw(span, raw)
                });
            }
            Token::Key(name) if scope.names && !scope.skips(&path) => {
                Strings::name(&name, masker, tally, |span, raw| {
                    edits.replace_raw(span, raw)
                });
            }
            Token::Number(found) if scope.numbers && !scope.skips(&path) => {
                explain::spot(|| found.span());
                let label = || labels.label(&path, found.span());
                if let Some(raw) = number(found.raw(), label, &mut strings, masker, tally) {
                    edits.replace_raw(found.span(), raw);
                }
            }
            _ => {}
        }
        // Shorter numbers are nothing.
        if matches!(token, Token::ArrayStart | Token::Number(_)) {
            walker.pass_numbers();
        }
    }
    if runs_on && let Ok(data) = core::str::from_utf8(body) {
        let mut together = before;
        if let Ok(masked) = events::document(data, scope, masker, &mut together) {
            *tally = together;
            return Ok(masked.map(String::into_bytes));
        }
    }
    Ok((!edits.is_empty()).then(|| edits.apply(body)))
}

/// Whether a body begins as JSON does that somebody sends: an object, an array, a string.
pub fn may_be_json(body: &[u8]) -> bool {
    matches!(
        body.trim_ascii_start().first(),
        None | Some(b'{' | b'[' | b'"')
    )
}

/// A body that should be text and is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoText;

/// How much of a body is text in UTF-8, and whether what follows can be none. Of UTF-16 and UTF-32
/// letters of ASCII are UTF-8, too, with zeros between them: no text has these.
pub fn text_in(body: &[u8]) -> (&str, bool) {
    let (text, broken) = match core::str::from_utf8(body) {
        Ok(text) => (text, false),
        Err(error) => {
            let valid = body.get(..error.valid_up_to()).unwrap_or_default();
            // Without a length the error is an unfinished character at the end, which may go on.
            (
                core::str::from_utf8(valid).unwrap_or_default(),
                error.error_len().is_some(),
            )
        }
    };
    match memchr::memchr(0, text.as_bytes()) {
        Some(zero) => (text.get(..zero).unwrap_or_default(), true),
        None => (text, broken),
    }
}

/// Masks plain text of this name; none if nothing changes.
///
/// # Errors
/// The body is not text in UTF-8.
pub fn text(
    body: &[u8],
    name: &str,
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<Vec<u8>>, NoText> {
    let (text, _) = text_in(body);
    if text.len() < body.len() {
        return Err(NoText);
    }
    Ok(masker.mask(text, name, tally).map(String::into_bytes))
}

/// Masks JSON documents, a line each; none if nothing changes.
///
/// # Errors
/// A line is not JSON.
pub fn json_lines(
    body: &[u8],
    scope: &Scope,
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<Vec<u8>>, JsonError> {
    let mut out = Vec::with_capacity(body.len());
    let mut changed = false;
    let mut at = 0_usize;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let masked = if line.trim_ascii().is_empty() {
            None
        } else {
            explain::inside(at, || json(line, scope, masker, tally))?
        };
        at = at.saturating_add(line.len());
        changed |= masked.is_some();
        out.extend_from_slice(masked.as_deref().unwrap_or(line));
    }
    Ok(changed.then_some(out))
}

#[cfg(test)]
mod tests;
