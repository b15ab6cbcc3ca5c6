//! Masks whole bodies: JSON documents, forms and plain text. What is not changed keeps its bytes.
//!
//! In JSON every string value is scanned decoded, with the name of its member as context; so are
//! member names. Numbers whose member's name says that they are a card, a social security number or
//! a telephone become strings. In answers a value of a member `logprobs`, which repeats the text
//! token by token, becomes `null`, and a text that runs on over the elements of an array is read as
//! one.

mod form;
mod labels;
mod strings;

pub use form::{MalformedForm, form};
pub use labels::{Labels, tail};
pub use strings::Strings;

use crate::detect::SHORTEST_NUMBER;
use crate::events;
use crate::mask::{Masker, Tally};
use core::ops::Range;
use modelgate_kit::json::{
    DuplicateMembers, Edits, JsonError, Limits, NonFinite, Path, Token, Walker, escape_into,
};
use std::borrow::Cow;

/// What of a JSON document is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Member names too.
    pub names: bool,
    /// Numbers too.
    pub numbers: bool,
    /// `logprobs` become null.
    pub drop_logprobs: bool,
    /// Paths whose values are left alone, with everything beneath: member names and indices, `*`
    /// for any step.
    pub skip: Vec<Vec<String>>,
}

/// The limits of a document besides its length, which the filter bounds before.
pub const LIMITS: Limits = Limits {
    max_bytes: usize::MAX,
    max_depth: 128,
    duplicate_members: DuplicateMembers::Accept,
    non_finite: NonFinite::Accept,
};

impl Scope {
    /// Whether the value at this path is left alone.
    pub fn skips(&self, path: &Path<'_, '_>) -> bool {
        self.skip.iter().any(|pattern| {
            pattern.len() <= path.depth()
                && path.segments().zip(pattern).all(|(segment, want)| {
                    want == "*"
                        || match segment {
                            modelgate_kit::json::Segment::Member(name) => name.equals(want),
                            modelgate_kit::json::Segment::Index(index) => {
                                *want == index.to_string()
                            }
                        }
                })
        })
    }
}

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
                let label = || labels.label(&path, found.span());
                if let Some(raw) = number(found.raw(), label, masker, tally) {
                    edits.replace_raw(found.span(), raw);
                }
            }
            _ => {}
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

/// The string that takes a number's place if something is found in it.
pub fn number<'a>(
    raw: &str,
    label: impl FnOnce() -> Cow<'a, str>,
    masker: &Masker,
    tally: &mut Tally,
) -> Option<String> {
    let whole = raw.strip_prefix('-').unwrap_or(raw);
    let length = whole.bytes().take_while(u8::is_ascii_digit).count();
    if length < SHORTEST_NUMBER {
        return None;
    }
    // 4111111111111111.0 is the same number.
    let (digits, rest) = whole.split_at_checked(length)?;
    if !rest.is_empty() && !rest.strip_prefix('.')?.bytes().all(|digit| digit == b'0') {
        return None;
    }
    let masked = masker.mask_number(digits, &label(), tally)?;
    let mut quoted = String::from("\"");
    escape_into(&masked, &mut quoted);
    quoted.push('"');
    Some(quoted)
}

/// Whether a body begins as JSON does that somebody sends: an object, an array, a string.
pub fn may_be_json(body: &[u8]) -> bool {
    matches!(
        body.trim_ascii_start().first(),
        None | Some(b'{' | b'[' | b'"')
    )
}

/// Masks plain text; none if nothing changes.
///
/// # Errors
/// The body is not UTF-8.
pub fn text(
    body: &[u8],
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<Vec<u8>>, core::str::Utf8Error> {
    Ok(masker
        .mask(core::str::from_utf8(body)?, "", tally)
        .map(String::into_bytes))
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
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let masked = if line.trim_ascii().is_empty() {
            None
        } else {
            json(line, scope, masker, tally)?
        };
        changed |= masked.is_some();
        out.extend_from_slice(masked.as_deref().unwrap_or(line));
    }
    Ok(changed.then_some(out))
}

/// Notices values of members named `logprobs` that are objects or arrays.
#[derive(Debug, Default)]
pub struct Logprobs {
    /// Depth inside the value, and where it begins.
    open: Option<(usize, usize)>,
    done: Option<Range<usize>>,
}

impl Logprobs {
    /// Whether the token that the walker has just given belongs to such a value.
    pub fn hold(&mut self, walker: &Walker<'_>, token: &Token<'_>) -> bool {
        let depth = walker.path().depth();
        match (self.open, token) {
            (None, Token::ObjectStart | Token::ArrayStart) => {
                let named = walker
                    .path()
                    .segments()
                    .rev()
                    .nth(1)
                    .is_some_and(|step| step.is_member("logprobs"));
                if named {
                    self.open = Some((depth, walker.offset().saturating_sub(1)));
                }
                named
            }
            (None, _) => false,
            (Some((inside, start)), Token::ObjectEnd | Token::ArrayEnd) if depth < inside => {
                self.open = None;
                self.done = Some(start..walker.offset());
                true
            }
            (Some(_), _) => true,
        }
    }

    /// The span of a value that has just ended.
    pub fn take(&mut self) -> Option<Range<usize>> {
        self.done.take()
    }
}

#[cfg(test)]
mod tests;
