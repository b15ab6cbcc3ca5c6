//! Text as it reads: without characters that nobody sees, digits of all scripts, full-width forms,
//! circled and raised ones as their ASCII counterparts. What is found there is found in the text as
//! it is written. Letters of Cyrillic and Greek that look like Latin ones are read as these in keys
//! alone.

use core::ops::Range;
use modelgate_kit::lanes::{Lanes, WIDTH};
use std::borrow::Cow;

/// Whether a character has no width and no meaning of its own: soft hyphen, grapheme joiner,
/// zero-width space, joiners, direction marks, word joiner and invisible operators, variation
/// selectors, the frame of a key cap, byte order mark, tags.
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
            | '\u{20e3}'
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

/// Rows of digits in circles and brackets, raised and lowered ones: the first of each, what it is,
/// and the last.
const ROWS: [(char, u32, char); 11] = [
    ('\u{b2}', 2, '\u{b3}'),
    ('\u{b9}', 1, '\u{b9}'),
    ('\u{2070}', 0, '\u{2070}'),
    ('\u{2074}', 4, '\u{2079}'),
    ('\u{2080}', 0, '\u{2089}'),
    ('\u{2460}', 1, '\u{2468}'),
    ('\u{2474}', 1, '\u{247c}'),
    ('\u{24f5}', 1, '\u{24fd}'),
    ('\u{2776}', 1, '\u{277e}'),
    ('\u{2780}', 1, '\u{2788}'),
    ('\u{278a}', 1, '\u{2792}'),
];

/// The digit that such a character is.
fn digit_in_row(character: char) -> Option<char> {
    let row = ROWS
        .iter()
        .find(|(first, _, last)| (*first..=*last).contains(&character));
    let (first, digit, _) = row?;
    let further = u32::from(character).saturating_sub(u32::from(*first));
    char::from_digit(digit.saturating_add(further), 10)
}

/// The letter of this number, small ones behind capitals.
fn letter(number: u32) -> Option<char> {
    let (first, number) = match number {
        0..26 => ('A', number),
        _ => ('a', number.saturating_sub(26)),
    };
    char::from_u32(u32::from(first).saturating_add(number))
}

/// The ASCII character that this one stands for: a digit of another script, a full-width letter,
/// digit or sign of addresses and numbers, a letter or digit of mathematical alphabets, in a circle
/// or raised.
pub fn folded(character: char) -> Option<char> {
    match character {
        '\u{b2}' | '\u{b3}' | '\u{b9}' | '\u{2070}'..='\u{2089}' => digit_in_row(character),
        '\u{24b6}'..='\u{24e9}' => letter(u32::from(character).saturating_sub(0x24B6)),
        '\u{24ea}' | '\u{24ff}' => Some('0'),
        '\u{2460}'..='\u{24fd}' | '\u{2776}'..='\u{2792}' => digit_in_row(character),
        // Letters of mathematical alphabets: capitals and small ones, again and again.
        '\u{1d400}'..='\u{1d6a3}' => letter(u32::from(character).saturating_sub(0x1D400) % 52),
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

    /// The text goes on with something that is left out, up to this offset.
    pub fn leave_out(&mut self, end: usize) {
        self.changes.push((self.text.len(), end, true));
    }

    /// None if from `floor` on the text reads as it is written.
    pub fn read(text: &str, floor: usize) -> Option<Self> {
        changes(text, floor).then(|| Self::read_by(text, folded))
    }

    /// The text as it reads where letters stand for those that they look like, too; none if
    /// `text[floor..]` has none of them beside ASCII.
    pub fn read_alike(text: &str, floor: usize) -> Option<Self> {
        let alike = |one| folded(one).or_else(|| looks_like(one));
        mixes_alike(text.as_bytes().get(floor..)?).then(|| Self::read_by(text, alike))
    }

    fn read_by(text: &str, ascii: impl Fn(char) -> Option<char>) -> Self {
        let mut folded = Self {
            text: String::with_capacity(text.len()),
            changes: Vec::new(),
        };
        for (at, character) in text.char_indices() {
            let after = at.saturating_add(character.len_utf8());
            if is_invisible(character) {
                folded.leave_out(after);
            } else if let Some(ascii) = ascii(character) {
                folded.replace(ascii, after);
            } else {
                folded.text.push(character);
            }
        }
        folded
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

/// Capitals and small letters of Cyrillic and Greek that cannot be told from Latin ones.
const ALIKE: [(&str, &str); 4] = [
    (
        "\u{410}\u{412}\u{415}\u{417}\u{41a}\u{41c}\u{41d}\u{41e}\u{420}\u{421}\u{422}\u{423}\u{425}\u{405}\u{406}\u{408}\u{51a}\u{51c}",
        "ABE3KMHOPCTYXSIJQW",
    ),
    (
        "\u{430}\u{435}\u{43e}\u{440}\u{441}\u{443}\u{445}\u{455}\u{456}\u{458}\u{4bb}\u{4cf}\u{501}\u{51b}\u{51d}",
        "aeopcyxsijhldqw",
    ),
    (
        "\u{391}\u{392}\u{395}\u{396}\u{397}\u{399}\u{39a}\u{39c}\u{39d}\u{39f}\u{3a1}\u{3a4}\u{3a5}\u{3a7}\u{37f}",
        "ABEZHIKMNOPTYXJ",
    ),
    (
        "\u{3b1}\u{3b9}\u{3ba}\u{3bd}\u{3bf}\u{3c1}\u{3c5}\u{3f2}\u{3f3}",
        "aikvopucj",
    ),
];

/// The Latin letter that one of Cyrillic or Greek looks like.
pub fn looks_like(character: char) -> Option<char> {
    if !matches!(character, '\u{370}'..'\u{530}') {
        return None;
    }
    let (letters, latin) = ALIKE
        .iter()
        .find(|(letters, _)| letters.contains(character))?;
    let at = letters.chars().position(|one| one == character)?;
    latin.chars().nth(at)
}

/// Whether a letter that looks like a Latin one stands beside a letter or digit of ASCII.
pub fn mixes_alike(text: &[u8]) -> bool {
    let is_ascii = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let mixes = |at: usize| {
        let beside =
            is_ascii(text.get(at.wrapping_sub(1))) || is_ascii(text.get(at.wrapping_add(2)));
        let letter = || {
            text.get(at..at.checked_add(2)?)
                .and_then(|two| core::str::from_utf8(two).ok())
        };
        beside && letter().is_some_and(|letter| letter.chars().any(|one| looks_like(one).is_some()))
    };
    !is_ascii_only(text)
        && (memchr::memchr3_iter(0xD0, 0xD1, 0xCE, text).any(mixes)
            || memchr::memchr3_iter(0xCD, 0xCF, 0xD2, text).any(mixes)
            || memchr::memchr3_iter(0xD3, 0xD4, 0xD5, text).any(mixes))
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
    !is_ascii_only(bytes)
        && (memchr::memchr3_iter(0xC2, 0xE2, 0xEF, bytes).any(is_change)
            || memchr::memchr3_iter(0xD9, 0xDB, 0xE0, bytes).any(is_change)
            || memchr::memchr3_iter(0xCD, 0xD8, 0xDF, bytes).any(is_change)
            || memchr::memchr3_iter(0xE1, 0xF0, 0xF3, bytes).any(is_change)
            // Its first byte is that of kana, too.
            || memchr::memmem::find(bytes, HANGUL_FILLER.as_bytes()).is_some())
}

/// Whether all bytes are ASCII.
pub fn is_ascii_only(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<WIDTH>();
    blocks.iter().all(|block| Lanes::new(block).are_ascii()) && rest.is_ascii()
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
            ("④①⓪⑨", "4109", "4109", "④①⓪⑨"),
            ("⑷⑴➃➊❶⓵", "414111", "414", "⑷⑴➃"),
            ("⁴¹²³⁰⁵⁹ ₄₁₀₉", "4123059 4109", "4109", "₄₁₀₉"),
            (
                "4\u{fe0f}\u{20e3}1\u{fe0f}\u{20e3}",
                "41",
                "41",
                "4\u{fe0f}\u{20e3}1",
            ),
            ("\u{1d41a}\u{1d427}ⓝ", "ann", "ann", "\u{1d41a}\u{1d427}ⓝ"),
            ("Ⓐⓩ\u{1d670}\u{1d6a3}", "AzAz", "zA", "ⓩ\u{1d670}"),
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
            "⑩ ⑳ ⒈ ⒜ ½ ª ⁺⁻ ₊ ➓",
        ] {
            assert!(Folded::read(text, 0).is_none(), "{text}");
        }
    }

    #[test]
    fn letters_that_look_alike_are_read_where_ascii_stands_beside_them() {
        for (letters, latin) in ALIKE {
            assert_eq!(letters.chars().count(), latin.len());
            for letter in letters.chars() {
                assert_eq!(letter.len_utf8(), 2);
                assert!(mixes_alike(format!("x{letter}").as_bytes()), "{letter}");
                assert!(mixes_alike(format!("{letter}0").as_bytes()), "{letter}");
                assert!(!mixes_alike(format!("-{letter} x").as_bytes()), "{letter}");
            }
        }
        let text = "да gh\u{440}_x\u{200b}\u{391}1";
        let folded = Folded::read_alike(text, 0).unwrap();
        assert_eq!(folded.text, "дa ghp_xA1");
        let at = folded.text.find("ghp").unwrap();
        assert_eq!(folded.written(at..folded.text.len()), 5..text.len());
        for text in [
            "",
            "plain",
            "größe1",
            "Привет, мир",
            "в Windows-системе",
            "xя1",
            "Ωx1",
        ] {
            assert!(Folded::read_alike(text, 0).is_none(), "{text}");
        }
    }
}
