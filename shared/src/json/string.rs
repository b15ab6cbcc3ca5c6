//! A string of a document: its bytes between the quotes, its decoded text, and the way back from
//! one to the other.

use core::ops::Range;
use std::borrow::Cow;

/// A string token: a borrowed slice of the document, whose escapes the walker has already checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a str,
    start: usize,
    escaped: bool,
}

impl<'a> Text<'a> {
    pub(super) fn new(raw: &'a str, start: usize, escaped: bool) -> Self {
        Self {
            raw,
            start,
            escaped,
        }
    }

    /// The bytes between the quotes, as written.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Where the bytes between the quotes stand in the document.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.start..self.start.saturating_add(self.raw.len())
    }

    /// The text that the string means; borrowed when it has no escape. Lone surrogates become
    /// U+FFFD.
    #[must_use]
    pub fn decode(&self) -> Cow<'a, str> {
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        let mut text = String::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let Some((unit, length)) = next_unit(rest) {
            match unit {
                Unit::Plain(run) => text.push_str(run),
                Unit::Escape(character) => text.push(character),
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        Cow::Owned(text)
    }

    /// The decoded text without its beginning: what the last `bytes` bytes as written mean, or a
    /// few more. It costs no more however long the string is. Where these begin inside an escape,
    /// what is left of the escape is taken as it stands.
    #[must_use]
    pub fn decode_end(&self, bytes: usize) -> Cow<'a, str> {
        let mut from = self.raw.len().saturating_sub(bytes);
        while !self.raw.is_char_boundary(from) {
            from = from.saturating_sub(1);
        }
        // Not behind a backslash that may be the first half of an escape.
        let backslashes = |from: usize| {
            let before = self.raw.as_bytes().get(..from).unwrap_or_default();
            let run = before.iter().rev().take(bytes);
            run.take_while(|byte| **byte == b'\\').count()
        };
        from = from.saturating_sub(backslashes(from) % 2);
        Text {
            raw: self.raw.get(from..).unwrap_or_default(),
            ..*self
        }
        .decode()
    }

    /// Whether the decoded text is `other`; allocates only for a string with escapes.
    #[must_use]
    pub fn equals(&self, other: &str) -> bool {
        if self.escaped {
            self.decode() == other
        } else {
            self.raw == other
        }
    }

    /// A cursor that translates offsets into the decoded text to offsets in the document.
    #[must_use]
    pub fn offsets(&self) -> Offsets<'a> {
        Offsets {
            rest: self.raw,
            escaped: self.escaped,
            decoded: 0,
            at: self.start,
        }
    }
}

/// Translates ascending offsets of the decoded text to byte offsets of the document, in one pass
/// over the string.
#[derive(Debug, Clone)]
pub struct Offsets<'a> {
    rest: &'a str,
    escaped: bool,
    decoded: usize,
    at: usize,
}

impl Offsets<'_> {
    /// The document offset of the character that holds byte `decoded` of the decoded text; its end
    /// for the text's length. Offsets must not descend: an earlier one yields the current place.
    pub fn locate(&mut self, decoded: usize) -> usize {
        while self.decoded < decoded && !self.rest.is_empty() {
            let wanted = decoded.saturating_sub(self.decoded);
            let (in_text, in_document) = if self.escaped {
                match next_unit(self.rest) {
                    Some((Unit::Plain(run), _)) => (run.len().min(wanted), run.len().min(wanted)),
                    Some((Unit::Escape(character), length)) => (character.len_utf8(), length),
                    None => break,
                }
            } else {
                let step = self.rest.len().min(wanted);
                (step, step)
            };
            let Some(rest) = self.rest.get(in_document..) else {
                break;
            };
            self.rest = rest;
            self.decoded = self.decoded.saturating_add(in_text);
            self.at = self.at.saturating_add(in_document);
        }
        self.at
    }
}

enum Unit<'a> {
    /// A run without an escape.
    Plain(&'a str),
    /// What one escape (two for a surrogate pair) means.
    Escape(char),
}

/// The first unit of the raw text and its length there; none at its end.
fn next_unit(raw: &str) -> Option<(Unit<'_>, usize)> {
    let plain = memchr::memchr(b'\\', raw.as_bytes()).unwrap_or(raw.len());
    if plain > 0 {
        return Some((Unit::Plain(raw.get(..plain)?), plain));
    }
    let character = match raw.as_bytes().get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return Some(unicode_escape(raw)),
        other => char::from(*other),
    };
    Some((Unit::Escape(character), 2))
}

/// `\uXXXX`, joined with a following low surrogate when it is a high one (RFC 8259 section 7).
fn unicode_escape(raw: &str) -> (Unit<'_>, usize) {
    let unit = |at: usize| {
        let digits = raw.get(at..at.saturating_add(6))?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let first = unit(0).unwrap_or(0xFFFD);
    if (0xD800..0xDC00).contains(&first)
        && let Some(second) = unit(6)
        && (0xDC00..0xE000).contains(&second)
    {
        let joined = 0x1_0000 + ((first & 0x3FF) << 10) + (second & 0x3FF);
        return (
            Unit::Escape(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER)),
            12,
        );
    }
    (
        Unit::Escape(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)),
        6,
    )
}
