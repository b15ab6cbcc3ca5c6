//! Text as it reads: without characters that nobody sees, digits of all scripts and full-width
//! forms as their ASCII counterparts. What is found there is found in the text as it is written.

use core::ops::Range;
use std::borrow::Cow;

/// Whether a character has no width and no meaning of its own: soft hyphen, grapheme joiner,
/// zero-width space, joiners, direction marks, word joiner and invisible operators, variation
/// selectors, byte order mark, tags.
pub const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180b}'..='\u{180e}'
            | '\u{115f}'..='\u{1160}'
            | '\u{3164}'
            | '\u{ffa0}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e01ef}'
    )
}

/// Zeros of scripts that have decimal digits of their own: Arabic, Persian, N'Ko, those of India
/// and Sri Lanka, Thai, Lao, Tibetan, Burmese, Khmer, Mongolian.
const ZEROS: [u32; 19] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x17E0, 0x1810,
];

/// The ASCII character that this one stands for: a digit of another script, a full-width letter,
/// digit or sign of addresses and numbers.
pub fn folded(character: char) -> Option<char> {
    match character {
        '\u{660}'..'\u{1820}' => {
            let code = u32::from(character);
            let digit = ZEROS
                .iter()
                .map(|zero| code.wrapping_sub(*zero))
                .find(|digit| *digit < 10)?;
            char::from_digit(digit, 10)
        }
        '\u{fe6b}' => Some('@'),
        // Digits of mathematical alphabets: five in a row, from zero to nine each.
        '\u{1d7ce}'..='\u{1d7ff}' => {
            char::from_digit(u32::from(character).saturating_sub(0x1D7CE) % 10, 10)
        }
        '\u{ff0b}'
        | '\u{ff0d}'
        | '\u{ff0e}'
        | '\u{ff10}'..='\u{ff19}'
        | '\u{ff20}'..='\u{ff3a}'
        | '\u{ff3f}'
        | '\u{ff41}'..='\u{ff5a}' => char::from_u32(u32::from(character).saturating_sub(0xFEE0)),
        _ => None,
    }
}

/// A text as it reads, and how offsets in it are those of the text as it is written.
#[derive(Debug)]
pub struct Folded {
    /// As it reads.
    pub text: String,
    /// Behind each change: the offset as it reads, the offset as it is written, whether a character
    /// was left out.
    changes: Vec<(usize, usize, bool)>,
}

impl Folded {
    /// Of an empty text, for one of this length.
    pub fn with_capacity(length: usize) -> Self {
        Self {
            text: String::with_capacity(length),
            changes: Vec::new(),
        }
    }

    /// The text goes on as it is written.
    pub fn keep(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The text goes on with a character that is written otherwise, up to this offset.
    pub fn replace(&mut self, character: char, end: usize) {
        self.text.push(character);
        self.changes.push((self.text.len(), end, false));
    }

    /// None if from `floor` on the text reads as it is written.
    pub fn read(text: &str, floor: usize) -> Option<Self> {
        if !changes(text, floor) {
            return None;
        }
        let mut folded = Self {
            text: String::with_capacity(text.len()),
            changes: Vec::new(),
        };
        for (at, character) in text.char_indices() {
            let after = at.saturating_add(character.len_utf8());
            if is_invisible(character) {
                folded.changes.push((folded.text.len(), after, true));
            } else if let Some(ascii) = self::folded(character) {
                folded.text.push(ascii);
                folded.changes.push((folded.text.len(), after, false));
            } else {
                folded.text.push(character);
            }
        }
        Some(folded)
    }

    /// Where the text reads on that is written from `written` on.
    pub fn floor(&self, written: usize) -> usize {
        let known = self.changes.partition_point(|(_, at, _)| *at <= written);
        let (reads, at) = self.behind(known);
        let next = self
            .changes
            .get(known)
            .map_or(self.text.len(), |(reads, _, _)| *reads);
        reads.saturating_add(written.saturating_sub(at)).min(next)
    }

    /// The bytes as they are written: without what is left out around them.
    pub fn written(&self, reads: Range<usize>) -> Range<usize> {
        let start = self.changes.partition_point(|(at, ..)| *at <= reads.start);
        let mut end = self.changes.partition_point(|(at, ..)| *at < reads.end);
        while self
            .changes
            .get(end)
            .is_some_and(|(at, _, left_out)| *at == reads.end && !left_out)
        {
            end = end.saturating_add(1);
        }
        let offset = |known: usize, reads: usize| {
            let (from, at) = self.behind(known);
            at.saturating_add(reads.saturating_sub(from))
        };
        offset(start, reads.start)..offset(end, reads.end)
    }

    /// Both offsets behind the first so many changes.
    fn behind(&self, changes: usize) -> (usize, usize) {
        changes
            .checked_sub(1)
            .and_then(|last| self.changes.get(last))
            .map_or((0, 0), |(reads, at, _)| (*reads, *at))
    }
}

const HANGUL_FILLER: &str = "\u{3164}";

/// Whether a character of `text[from..]` is left out or folded.
fn changes(text: &str, from: usize) -> bool {
    let bytes = text.as_bytes().get(from..).unwrap_or_default();
    let is_change = |at: usize| {
        // Full-width punctuation, which text in Chinese and Japanese is full of.
        let punctuation = matches!(
            bytes.get(at..),
            Some([0xEF, 0xBC, 0x80..=0x8A | 0x8C | 0x8F | 0x9A..=0x9F, ..])
        );
        let rest = || {
            text.get(from.saturating_add(at)..)
                .and_then(|rest| rest.chars().next())
        };
        !punctuation && rest().is_some_and(reads_otherwise)
    };
    // The bytes with which such characters begin in UTF-8.
    !is_ascii(bytes)
        && (memchr::memchr3_iter(0xC2, 0xE2, 0xEF, bytes).any(is_change)
            || memchr::memchr3_iter(0xD9, 0xDB, 0xE0, bytes).any(is_change)
            || memchr::memchr3_iter(0xCD, 0xD8, 0xDF, bytes).any(is_change)
            || memchr::memchr3_iter(0xE1, 0xF0, 0xF3, bytes).any(is_change)
            // Its first byte is that of kana, too.
            || memchr::memmem::find(bytes, HANGUL_FILLER.as_bytes()).is_some())
}

/// The same as the method of this name, 32 bytes at a time.
fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let (blocks, rest) = bytes.as_chunks::<32>();
    blocks.iter().all(|block| match block.as_chunks::<8>().0 {
        [a, b, c, d] => {
            let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
            (word(a) | word(b) | word(c) | word(d)) & HIGH_BITS == 0
        }
        _ => false,
    }) && rest.is_ascii()
}

/// Whether a character is left out or folded.
pub fn reads_otherwise(character: char) -> bool {
    is_invisible(character) || folded(character).is_some()
}

/// The text as it reads.
pub fn plain(text: &str) -> Cow<'_, str> {
    Folded::read(text, 0).map_or(Cow::Borrowed(text), |folded| Cow::Owned(folded.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_as_it_reads_is_given_as_it_is_written() {
        for (text, reads, found, written) in [
            ("x 4\u{200b}1 y", "x 41 y", "41", "4\u{200b}1"),
            ("\u{feff}41\u{ad}", "41", "41", "41"),
            ("a\u{200b}\u{200b}４１b\u{200b}", "a41b", "41", "４１"),
            ("٤1٣", "413", "413", "٤1٣"),
            ("é４", "é4", "4", "４"),
            ("ａ＠ｂ．ｃ", "a@b.c", "a@b.c", "ａ＠ｂ．ｃ"),
            ("a\u{34f}@b\u{fe0f}", "a@b", "a@b", "a\u{34f}@b"),
            ("\u{1d7d2}\u{1d7d9}", "41", "41", "\u{1d7d2}\u{1d7d9}"),
            ("၄၁ ៤១ ߄߁", "41 41 41", "41 41 41", "၄၁ ៤១ ߄߁"),
            ("4\u{e0031}\u{202e}1", "41", "41", "4\u{e0031}\u{202e}1"),
        ] {
            let folded = Folded::read(text, 0).unwrap();
            assert_eq!(folded.text, reads);
            let at = reads.find(found).unwrap();
            assert_eq!(&text[folded.written(at..at + found.len())], written);
            assert_eq!(folded.floor(text.find(written).unwrap()), at);
            assert_eq!(folded.floor(text.len()), reads.len());
            assert_eq!(folded.floor(0), 0);
        }
        for text in [
            "",
            "plain",
            "größer",
            "今天天气很好，我们一起去公园。",
            "— “x” …",
        ] {
            assert!(Folded::read(text, 0).is_none(), "{text}");
        }
    }
}
