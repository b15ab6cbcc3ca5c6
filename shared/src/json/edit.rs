//! Replacements in a document, applied in one copy: everything outside them keeps its bytes.

use core::ops::Range;

/// Replacements collected while a document is walked.
///
/// They are meant to come in ascending order and not to overlap; those that do overlap are joined
/// into one that covers both, so that nothing that was to be replaced can survive.
#[derive(Debug, Default)]
pub struct Edits {
    parts: Vec<(Range<usize>, String)>,
}

impl Edits {
    /// No replacements.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to replace.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Replaces bytes inside a string by this text, escaped as JSON needs it.
    pub fn replace_text(&mut self, span: Range<usize>, text: &str) {
        let mut escaped = String::with_capacity(text.len());
        escape_into(text, &mut escaped);
        self.replace_raw(span, escaped);
    }

    /// Replaces bytes by these, which must keep the document JSON.
    pub fn replace_raw(&mut self, span: Range<usize>, raw: String) {
        match self.parts.last_mut() {
            Some((last, text)) if span.start < last.end => {
                last.start = last.start.min(span.start);
                last.end = last.end.max(span.end);
                text.push_str(&raw);
            }
            _ => self.parts.push((span, raw)),
        }
    }

    /// The document with the replacements made. Spans beyond its end are cut.
    #[must_use]
    pub fn apply(&self, document: &[u8]) -> Vec<u8> {
        let added: usize = self.parts.iter().map(|(_, text)| text.len()).sum();
        let mut edited = Vec::with_capacity(document.len().saturating_add(added));
        let mut from = 0;
        for (span, text) in &self.parts {
            edited.extend_from_slice(document.get(from..span.start).unwrap_or_default());
            edited.extend_from_slice(text.as_bytes());
            from = span.end.max(from);
        }
        edited.extend_from_slice(document.get(from..).unwrap_or_default());
        edited
    }
}

/// Appends `text` as the inside of a JSON string: quotes, backslashes and control characters
/// escaped, the rest as is.
pub fn escape_into(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                let code = u32::from(control);
                out.push_str("\\u00");
                for digit in [code >> 4, code & 0xF] {
                    out.extend(char::from_digit(digit, 16));
                }
            }
            plain => out.push(plain),
        }
    }
}
