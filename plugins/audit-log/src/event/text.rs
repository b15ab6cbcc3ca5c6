//! Decides how a piece of text that a client, a token or an upstream chose may stand in an audit
//! record: shortened to a fixed length, and with every byte that could break a line, move a cursor
//! or reorder the display made visible.
//!
//! The escape is one to one (`\` itself is escaped), so two different inputs that both fit never
//! look alike. It is not a redaction: what must not be recorded must not come here.

use std::fmt;

/// What stands at the end of a text that did not fit.
const CUT: &str = "…";

/// Printable text of at most `MAX` bytes of UTF-8, the mark of a cut included.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// Makes `bytes` printable and short. Work and memory are bounded by `MAX`, whatever the length
    /// of the input.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        // Nearly every text: nothing to escape, nothing to cut. No branch in the loop, so that
        // several bytes are looked at in one step.
        let plain = |bytes: &[u8]| {
            bytes.iter().fold(true, |plain, byte| {
                plain & matches!(byte, b' '..=b'~') & (*byte != b'\\')
            })
        };
        if bytes.len() <= MAX
            && plain(bytes)
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            return Self(text.to_owned());
        }
        let mut text = String::new();
        // Where the text must be cut back to, should the mark of a cut be needed.
        let mut last_fit = 0;
        for unit in units(bytes) {
            if text.len() + unit.len() > MAX {
                text.truncate(last_fit);
                if MAX >= CUT.len() {
                    text.push_str(CUT);
                }
                break;
            }
            text.push_str(unit.as_str());
            if text.len() + CUT.len() <= MAX {
                last_fit = text.len();
            }
        }
        Self(text)
    }

    /// The same, or `None` where there is nothing to show.
    pub fn some(bytes: impl AsRef<[u8]>) -> Option<Self> {
        let text = Self::of(bytes);
        (!text.0.is_empty()).then_some(text)
    }

    /// The printable text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// One character as it is shown: itself or an escape, at most eight bytes (`\u202e`).
struct Unit {
    bytes: [u8; 8],
    len: usize,
}

impl Unit {
    fn new(text: fmt::Arguments<'_>) -> Self {
        use std::io::Write;
        let mut unit = Self {
            bytes: [0; 8],
            len: 0,
        };
        let mut room = unit.bytes.as_mut_slice();
        // Cannot fail: the longest form is six bytes.
        let _ = room.write_fmt(text);
        unit.len = 8usize.saturating_sub(room.len());
        unit
    }

    fn len(&self) -> usize {
        self.len
    }

    fn as_str(&self) -> &str {
        self.bytes
            .get(..self.len)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

fn units(bytes: &[u8]) -> impl Iterator<Item = Unit> + '_ {
    bytes.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(shown);
        let invalid = chunk
            .invalid()
            .iter()
            .map(|byte| Unit::new(format_args!("\\x{byte:02x}")));
        valid.chain(invalid)
    })
}

fn shown(c: char) -> Unit {
    match c {
        '\\' => Unit::new(format_args!("\\\\")),
        '\n' => Unit::new(format_args!("\\n")),
        '\r' => Unit::new(format_args!("\\r")),
        '\t' => Unit::new(format_args!("\\t")),
        c if c.is_ascii_control() => Unit::new(format_args!("\\u{:04x}", u32::from(c))),
        c if c.is_control() || reorders(c) => Unit::new(format_args!("\\u{:04x}", u32::from(c))),
        c => Unit::new(format_args!("{c}")),
    }
}

/// Characters that are not controls, and yet hide or reorder what stands beside them: line and
/// paragraph separators, zero-width characters, bidirectional marks, embeddings and isolates
/// (Unicode Standard Annex 9), the byte order mark.
fn reorders(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(
            Text::<64>::of("/v1/chat/completions é 日本").as_str(),
            "/v1/chat/completions é 日本"
        );
    }

    #[test]
    fn control_and_reordering_characters_are_made_visible() {
        let text = Text::<99>::of("a\nb\r\t\u{1b}[31m\u{7f}\u{85}\u{202e}\u{2028}\\");
        assert_eq!(
            text.as_str(),
            "a\\nb\\r\\t\\u001b[31m\\u007f\\u0085\\u202e\\u2028\\\\"
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown_in_hexadecimal() {
        assert_eq!(Text::<64>::of(b"ok\xff\xc3(").as_str(), "ok\\xff\\xc3(");
    }

    #[test]
    fn a_long_text_ends_with_the_mark_of_a_cut_within_its_limit() {
        assert_eq!(Text::<8>::of("123456789").as_str(), "12345…");
        assert_eq!(Text::<8>::of("12345678").as_str(), "12345678");
        assert_eq!(Text::<8>::of("1234567\n9").as_str(), "12345…");
        assert_eq!(Text::<2>::of("123").as_str(), "");
    }

    #[test]
    fn nothing_is_no_text() {
        assert_eq!(Text::<8>::some(""), None);
        assert!(Text::<8>::some("x").is_some());
    }

    proptest! {
        #[test]
        fn every_text_is_short_and_printable(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = Text::<40>::of(&bytes);
            prop_assert!(text.as_str().len() <= 40);
            prop_assert!(!text.as_str().chars().any(|c| c.is_control() || reorders(c)));
        }

        #[test]
        fn texts_that_fit_are_told_apart(a in "\\PC{0,8}|[\\x00-\\xff]{0,4}", b in "\\PC{0,8}|[\\x00-\\xff]{0,4}") {
            prop_assert_eq!(a == b, Text::<400>::of(&a) == Text::<400>::of(&b));
        }
    }
}
