//! Where words begin and end, and which words stand to the left.
//!
//! Text often is itself the source of a string (a tool call's arguments are JSON inside JSON):
//! after a backslash an escape's letter is no letter of the word that follows it, as in
//! `\nann@example.com`.

use super::{Scene, fold};

/// How far, in bytes, anything is read to the left of where a finding may begin.
pub const LOOK_BEHIND: usize = 96;

/// How far a context word may be from what it tells about, in bytes.
pub const CONTEXT_REACH: usize = 48;

/// How a character bears on where words and findings can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Can be inside a finding.
    Word,
    /// Stands between the groups of a number, and between words.
    Space,
    /// Is never part of a finding (but for a PEM block) and ends any.
    Break,
}

/// The kind of a character. Letters of the scripts that put spaces between words make words; those
/// of the others break: numbers and keys stand directly beside them.
pub fn kind(character: char) -> Kind {
    match character {
        ' ' | '\t' | '\u{a0}' => Kind::Space,
        '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Kind::Space,
        'A'..='Z' | 'a'..='z' | '0'..='9' => Kind::Word,
        '.' | '_' | '%' | '+' | '\'' | '-' | '/' | ':' | '(' | ')' | '@' | '~' => Kind::Word,
        // A character reference may be the sign of an address.
        '&' | '#' => Kind::Word,
        // Signs of passwords.
        '!' | '$' | '*' | '^' => Kind::Word,
        _ if is_dash(character) => Kind::Word,
        _ if is_letter(character) => Kind::Word,
        _ if fold::reads_otherwise(character) => Kind::Word,
        _ => Kind::Break,
    }
}

/// Hyphens and dashes beyond ASCII, and the minus sign.
pub fn is_dash(character: char) -> bool {
    matches!(character, '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// Letters beyond ASCII that can be part of an address: Latin, Greek, Cyrillic and their neighbours
/// up to Lao.
pub fn is_letter(character: char) -> bool {
    matches!(character, '\u{c0}'..'\u{e00}' | '\u{1e00}'..'\u{2000}')
}

/// Letters of scripts that have no spaces between words (or, in Korea's, none before particles): of
/// China, Japan and Korea, Thai, Lao, Burmese, Khmer. In text they break, in an address they are
/// letters.
pub fn is_unspaced(character: char) -> bool {
    matches!(
        character,
        '\u{e00}'..='\u{eff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{3005}'
            | '\u{3040}'..='\u{30ff}'
            | '\u{3400}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7af}'
            | '\u{20000}'..='\u{3134f}'
    )
}

/// Whether a word can begin at `at`.
pub fn begins(bytes: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else {
        return true;
    };
    !bytes.get(before).copied().is_some_and(is_word) || ends_escape(bytes, at)
}

/// Whether a word can end before `at`.
pub fn ends(bytes: &[u8], at: usize) -> bool {
    !bytes.get(at).copied().is_some_and(is_word)
}

/// Whether the byte belongs to a word. Characters beyond ASCII divide: numbers and keys stand
/// directly beside CJK text.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether an escape (`\n`, `\u00e9`) of a string's source ends right before `at`.
pub fn ends_escape(bytes: &[u8], at: usize) -> bool {
    let escape = |length: usize, letters: &[u8]| {
        let Some(backslash) = at.checked_sub(length) else {
            return false;
        };
        let Some([b'\\', letter, digits @ ..]) = bytes.get(backslash..at) else {
            return false;
        };
        letters.contains(letter)
            && digits.iter().all(u8::is_ascii_hexdigit)
            && !is_escaped(bytes, backslash)
    };
    escape(2, b"nrtbf") || escape(6, b"u")
}

/// Whether the backslash at `at` is itself escaped. A long run of them is not counted out: it
/// counts as not escaped.
fn is_escaped(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(at.saturating_sub(8)..at).unwrap_or_default();
    let run = before
        .iter()
        .rev()
        .take_while(|byte| **byte == b'\\')
        .count();
    run < 8 && run % 2 == 1
}

/// The word that stands directly before `at`, with no more than signs between; empty if none does.
/// Its front may be cut off.
pub fn word_before(bytes: &[u8], at: usize) -> &[u8] {
    const SIGNS: usize = 4;
    const LONGEST: usize = 18;
    let left = bytes
        .get(at.saturating_sub(SIGNS + LONGEST)..at)
        .unwrap_or_default();
    let signs = left
        .iter()
        .rev()
        .take(SIGNS)
        .take_while(|byte| !byte.is_ascii_alphanumeric())
        .count();
    let left = left
        .get(..left.len().saturating_sub(signs))
        .unwrap_or_default();
    let letters = left
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'_')
        .count();
    left.get(left.len().saturating_sub(letters)..)
        .unwrap_or_default()
}

/// Whether one of these words (lower case) stands within reach to the left of `at`, or in the
/// text's label.
pub fn context_has(scene: Scene<'_>, at: usize, words: &[&str]) -> bool {
    let mut found = false;
    left_words(scene, at, |word| {
        found |= words.iter().any(|wanted| word == wanted.as_bytes())
    });
    found
}

/// Whether this (lower case) is part of the text to the left of `at`, or of the label.
pub fn context_contains(scene: Scene<'_>, at: usize, part: &str) -> bool {
    let contains = |text: &[u8]| {
        text.windows(part.len())
            .any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
    };
    let left = scene
        .bytes
        .get(at.saturating_sub(LOOK_BEHIND)..at)
        .unwrap_or_default();
    contains(left) || contains(scene.label.as_bytes())
}

/// What stands to the left of `at` within reach of context.
pub fn reach(scene: Scene<'_>, at: usize) -> &[u8] {
    scene
        .bytes
        .get(at.saturating_sub(CONTEXT_REACH)..at)
        .unwrap_or_default()
}

/// Gives each word to the left and in the label in lower case; divided at everything that is no
/// ASCII letter and at `camelCase` humps: `phoneNumber` is two. Words longer than any that is
/// looked for are left out.
pub fn left_words(scene: Scene<'_>, at: usize, mut each: impl FnMut(&[u8])) {
    text_words(scene, at, &mut each);
    label_words(scene, &mut each);
}

/// The same for the label alone.
pub fn label_words(scene: Scene<'_>, mut each: impl FnMut(&[u8])) {
    words(scene.label.as_bytes(), false, &mut each);
}

/// The same for the text alone.
pub fn text_words(scene: Scene<'_>, at: usize, mut each: impl FnMut(&[u8])) {
    let left = reach(scene, at);
    // In a row of numbers no words are looked for.
    if left
        .iter()
        .fold(false, |has, byte| has | byte.is_ascii_alphabetic())
    {
        words(left, at > CONTEXT_REACH, &mut each);
    }
}

fn words(text: &[u8], cut_off: bool, each: &mut impl FnMut(&[u8])) {
    const LONGEST: usize = 18;
    let whole = text
        .split(|byte| !byte.is_ascii_alphabetic())
        .skip(usize::from(cut_off));
    for word in whole {
        for part in word.chunk_by(|a, b| !(a.is_ascii_lowercase() && b.is_ascii_uppercase())) {
            let mut lower = [0_u8; LONGEST];
            if let Some(lower) = lower
                .get_mut(..part.len())
                .filter(|lower| !lower.is_empty())
            {
                lower.copy_from_slice(part);
                lower.make_ascii_lowercase();
                each(lower);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_of_a_nested_string_is_no_part_of_the_word() {
        for (text, expected) in [
            (r"\n", true),
            (r"\\n", false),
            (r"\\\n", true),
            (r"\u00e9", true),
            (r"\u00g9", false),
            ("n", false),
            (r"\q", false),
        ] {
            assert_eq!(ends_escape(text.as_bytes(), text.len()), expected, "{text}");
        }
        assert!(begins(br"x\n4", 3));
        assert!(!begins(b"xn4", 2));
    }

    #[test]
    fn context_is_whole_words_within_reach() {
        let has = |left: &str, label: &str| {
            let scene = Scene {
                text: left,
                bytes: left.as_bytes(),
                floor: 0,
                found_until: None,
                label,
                meaning: &Default::default(),
                wanted: Default::default(),
            };
            context_has(scene, left.len(), &["phone"])
        };
        assert!(has("Phone: ", ""));
        assert!(has("", "phoneNumber"));
        assert!(has("", "home_phone"));
        assert!(has("myPhone=", ""));
        assert!(!has("telephones ", ""));
        assert!(!has(&format!("phone {}", "x ".repeat(30)), ""));
    }
}
