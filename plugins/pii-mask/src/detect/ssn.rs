//! Social security numbers of the United States: area, group and serial as the Social Security
//! Administration gives them out (20 CFR 422.103; no area 000, 666 or 900 and above, no group 00,
//! no serial 0000). Beside a word that names them, taxpayer numbers of other areas (ITIN), nine
//! digits without separators, and other separators count too.

use super::behind::{Called, called};
use super::boundary::{label_words, text_words, word_before};
use super::groups::Chain;
use super::names::is_part_number;
use super::{Certainty, Scene};

/// Printed on specimens and in advertisements until everyone used them.
const SPECIMENS: [u32; 3] = [78_051_120, 219_099_999, 457_555_462];

/// How many of the chain's first groups are a number, and what that rests on.
pub fn match_groups(scene: Scene<'_>, chain: &Chain<'_>) -> Option<(usize, Certainty)> {
    let shaped = chain.len() >= 3 && chain.lengths().take(3).eq([3, 2, 4]);
    let count = if shaped { 3 } else { 1 };
    // Behind a written number a suffix or a second number may be glued on.
    let ends =
        chain.can_end(count) || (shaped && chain.glue(count) != Some(b'.') && is_word_end(chain));
    if !ends {
        return None;
    }
    if chain.lengths().take(count).sum::<usize>() != 9 {
        return None;
    }
    let mut digits = [0_u8; 9];
    let digits = chain.copy_digits(count, &mut digits)?;
    let (value, given) = read(digits);
    let separator = chain.single_separator(count);
    let in_row = || {
        separator == Some(b" ")
            && (chain.is_in_row(count, 1, scene.found_until) || chain.begins_in_fraction(count))
    };
    let of_a_part = || is_part_number(word_before(scene.bytes, chain.start()));
    // A country's code stands behind a plus.
    let plus = chain
        .start()
        .checked_sub(1)
        .and_then(|at| scene.bytes.get(at))
        == Some(&b'+');
    let divided = matches!(separator, Some(b"-" | b" " | b"."));
    if shaped && given && divided && !plus && !in_row() && !of_a_part() {
        return Some((3, Certainty::Shape));
    }
    let separated = matches!(
        separator,
        Some(b"" | b"-" | b" " | b"." | b"/" | b" - " | b"  ")
    );
    let possible = separated && is_possible(value) && !SPECIMENS.contains(&value);
    let named = || {
        is_named(scene, chain.start()) || called(scene.bytes, chain.end(count)) == Some(Called::Ssn)
    };
    (possible && named()).then_some((count, Certainty::Context))
}

fn is_word_end(chain: &Chain<'_>) -> bool {
    super::boundary::ends(chain.bytes(), chain.end(3))
}

/// The number, and whether it can have been given out.
fn read(digits: &[u8]) -> (u32, bool) {
    let value = digits.iter().fold(0_u32, |value, digit| {
        value.wrapping_mul(10).wrapping_add(u32::from(*digit))
    });
    let given = !matches!(value / 1_000_000, 666 | 900..) && is_possible(value);
    (value, given && !SPECIMENS.contains(&value))
}

/// An area, a group and a serial number that are not zero.
fn is_possible(value: u32) -> bool {
    value >= 1_000_000 && !(value / 10_000).is_multiple_of(100) && !value.is_multiple_of(10_000)
}

/// Whether these ASCII digits, which are a number of JSON, can be one; leading zeros may be lost.
pub fn is_given_number(digits: &[u8]) -> bool {
    if !(7..=9).contains(&digits.len()) {
        return false;
    }
    let value = digits.iter().fold(0_u32, |value, digit| {
        value
            .wrapping_mul(10)
            .wrapping_add(u32::from(digit.wrapping_sub(b'0')))
    });
    is_possible(value)
}

/// Words between a name and its number: "my social security number is", "social: ".
const BETWEEN: [&[u8]; 9] = [
    b"number", b"numbers", b"no", b"num", b"nr", b"is", b"was", b"are", b"of",
];

/// Whether a word to the left, or the name of the text, is one for such numbers: SSN, S.S.N., ITIN,
/// TIN, tax id, social security; "social" and "taxpayer" alone if they stand directly before.
pub fn is_named(scene: Scene<'_>, at: usize) -> bool {
    let mut text = Naming::default();
    text_words(scene, at, |word| text.hear(word));
    let mut label = Naming::default();
    label_words(scene, |word| label.hear(word));
    text.names() || label.names()
}

/// What words say, one after the other.
#[derive(Default)]
struct Naming {
    named: bool,
    /// "social" and what may stand between it and the number.
    alone: bool,
    /// The last two words, if they are single letters.
    before: [[u8; 2]; 2],
    tax: bool,
    social: bool,
}

impl Naming {
    fn names(&self) -> bool {
        self.named || self.alone
    }

    fn hear(&mut self, word: &[u8]) {
        let letters = |letters: [u8; 3]| {
            word.len() == 1
                && self
                    .before
                    .iter()
                    .zip(letters)
                    .all(|(seen, letter)| *seen == [letter, 1])
                && word.first() == letters.last()
        };
        self.named |= matches!(
            word,
            b"ssn"
                | b"ssns"
                | b"itin"
                | b"itins"
                | b"tin"
                | b"taxid"
                | b"taxpayer"
                | b"socialsecurity"
        ) || (self.tax
            && matches!(word, b"id" | b"ids" | b"identification" | b"number" | b"no"))
            || (self.social
                && matches!(
                    word,
                    b"security" | b"sec" | b"number" | b"no" | b"insurance"
                ))
            || letters(*b"ssn")
            || letters(*b"tin");
        self.alone = match word {
            b"social" | b"socials" => true,
            _ => self.alone && BETWEEN.contains(&word),
        };
        // "SS# 410787235"
        self.alone |= word == b"ss";
        self.tax = word == b"tax" || word == b"taxpayer";
        self.social = matches!(word, b"social" | b"soc");
        self.before.rotate_left(1);
        if let Some(slot) = self.before.last_mut() {
            *slot = [
                word.first().copied().unwrap_or_default(),
                u8::from(word.len() == 1),
            ];
        }
    }
}
