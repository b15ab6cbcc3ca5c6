//! Digits that begin nothing, sixty-four bytes at a time: cells of tables and elements of lists
//! that are short, by what stands on both sides of them; digits in the midst of long base64.
//!
//! What is said here to be nothing is nothing to every verifier; a test holds both against each
//! other.

use modelgate_kit::lanes::{Lanes, WIDTH};

/// Most digits of what is passed over, and most places of its fraction.
const MOST_DIGITS: u32 = 4;
const MOST_PLACES: u32 = 6;

/// What is known of the bytes of a block.
pub struct Block {
    pub lanes: Lanes,
    pub digits: u64,
    pub letters: u64,
    /// The byte before it, if there is one.
    pub before: Option<u8>,
}

/// What stands in front of digits that are an element by themselves: a comma, a bracket, a bar, the
/// end of a line.
const fn opens(byte: u8) -> bool {
    divides(byte) || matches!(byte, b'[' | b']' | b'{' | b'}' | b')')
}

/// What divides the cells of a table in front of one.
const fn divides(byte: u8) -> bool {
    matches!(byte, b',' | b';' | b'|' | b'\n')
}

/// Numbers that are nothing: all their digits, and the first digits of those that are cells.
#[derive(Default)]
pub struct Numbers {
    pub digits: u64,
    pub cells: u64,
}

/// Up to four digits between what divides, perhaps with a fraction: not those of a telephone with a
/// point between, and none behind a zero.
#[inline]
pub fn numbers(block: &Block) -> Numbers {
    let Block { lanes, digits, .. } = *block;
    let dividers = lanes.are(b',') | lanes.are(b';') | lanes.are(b'|');
    let lines = lanes.are(b'\n').bits();
    // `{`, `|` and `}` follow each other, and `[`, the backslash and `]`.
    let brackets = lanes.are(b'[') | lanes.are(b']') | lanes.are(b'{') | lanes.are(b'}');
    let (dividers, brackets) = (dividers.bits(), brackets.bits());
    let closed = lanes.are(b')').bits();
    let first = |is: fn(u8) -> bool| u64::from(block.before.is_some_and(is));
    let fronts = (dividers | brackets | lines | closed) << 1 | first(opens);
    let starts = digits & !(digits << 1) & fronts;
    if starts == 0 {
        return Numbers::default();
    }
    let ends = dividers | brackets | (lanes.are(b'\t') | lanes.are(b'"') | lanes.are(b'=')).bits();
    let two = digits & digits >> 1;
    let four = two & two >> 2;
    // Those of up to four digits, and where they end.
    let starts = starts & !(four & digits >> 4);
    let runs = digits & !digits.wrapping_add(starts);
    let behind = |starts: u64| digits.wrapping_add(starts) & !digits;
    // Four digits of a card may go on in the next line.
    let alone = behind(starts) & (ends | (lines & !((starts & four) << 4)));
    // Whole numbers before a point: no zero and more.
    let points = behind(starts & !(lanes.are(b'0').bits() & two)) & lanes.are(b'.').bits();
    // Up to six places; a telephone has three digits and four.
    let phones = points >> 1 & runs & runs << 1 & runs << 2;
    let places = points << 1 & digits & !(four & four >> 3);
    let places = places & !(phones << 2 & four);
    let mut fraction = behind(places) & (ends | lines);
    let mut found = 0;
    for _ in 0..MOST_PLACES {
        fraction = fraction >> 1 & digits;
        found |= fraction;
    }
    let mut whole = alone | (found & places) >> 1;
    for _ in 0..MOST_DIGITS {
        whole = whole >> 1 & runs;
        found |= whole;
    }
    Numbers {
        digits: found,
        cells: found & starts & ((dividers | lines) << 1 | first(divides)),
    }
}

/// How much base64 stands before what is passed over: all that is read to the left of a digit.
const BASE64: usize = 2 * WIDTH;
/// The last byte of a block.
const LAST: u64 = 1 << (WIDTH - 1);
/// Digits that may be a number by themselves.
const LONG: u32 = 7;

/// What is known of base64 from one block to the next.
#[derive(Debug, Default)]
pub struct Base64 {
    /// How many bytes of it end the last block, in whole blocks.
    length: usize,
    /// Two signs without a letter between stood in the last block.
    gap: bool,
    /// The part that goes over the last block's end may be an address.
    kept: bool,
}

impl Base64 {
    /// Digits of the next block that are nothing if they belong to a word that is known as a whole.
    ///
    /// Between two signs there may be an account, where two letters begin it, an address of a
    /// cryptocurrency, by its first letter, or a number, if it has many digits or more behind a
    /// slash.
    #[inline]
    pub fn digits(&mut self, block: &Block) -> u64 {
        let Block {
            lanes,
            digits,
            letters,
            ..
        } = *block;
        let words = digits | letters;
        let slashes = lanes.are(b'/').bits();
        let signs = slashes | lanes.are(b'+').bits();
        if words | signs != u64::MAX {
            *self = Self::default();
            return 0;
        }
        let before = block.before.is_some_and(|byte| b"+/".contains(&byte));
        let behind_sign = signs << 1 | u64::from(before);
        let gap = signs & behind_sign != 0;
        let known = self.length >= BASE64 && !gap && !self.gap;
        let addresses = lanes.between(b'0', b'1') | lanes.are(b'3') | lanes.are(b'9');
        let addresses = addresses | lanes.are(b'A') | lanes.are(b'D') | lanes.between(b'L', b'M');
        let addresses = addresses | lanes.are(b'T') | lanes.are(b'b') | lanes.are(b'l');
        let addresses = (addresses | lanes.are(b't')).bits();
        let carried = u64::from(self.length == 0 || self.kept);
        let starts = (addresses & behind_sign) | (carried & words & !behind_sign);
        let kept = words & !words.wrapping_add(starts);
        *self = Self {
            length: self.length.saturating_add(WIDTH),
            gap,
            kept: kept >> (WIDTH - 1) == 1,
        };
        if !known {
            return 0;
        }
        let firsts = digits & !(digits << 1);
        // Those of which something stands in another block are left.
        let mut left = firsts & 0b111;
        let mut long = firsts;
        for length in 1..LONG {
            let ended = long & !(digits >> length);
            left |= ended & slashes >> length & (digits >> length >> 1 | LAST >> length);
            long &= digits >> length;
        }
        left |= long;
        // `/DE89`, and `ibanDE89`.
        let fronts = behind_sign << 2 | (lanes.are(b'n') | lanes.are(b'N')).bits() << 3;
        left |= firsts & digits >> 1 & fronts;
        let ends = !u64::MAX
            .checked_shr(digits.leading_ones())
            .unwrap_or_default();
        digits & digits.wrapping_add(left) & !ends & !kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str, from: usize) -> Block {
        let lanes = Lanes::front(&text.as_bytes()[from..]);
        Block {
            lanes,
            digits: lanes.between(b'0', b'9').bits(),
            letters: lanes.letters().bits(),
            before: from.checked_sub(1).map(|at| text.as_bytes()[at]),
        }
    }

    /// A sign for each byte: of what is passed over, and of what begins a cell.
    fn shown(text: &str) -> String {
        let numbers = numbers(&block(text, 0));
        let sign = |at: usize| match (numbers.digits >> at & 1, numbers.cells >> at & 1) {
            (0, _) => '.',
            (_, 0) => '#',
            _ => 'c',
        };
        (0..text.len()).map(sign).collect()
    }

    #[test]
    fn short_numbers_between_dividers_are_passed_over() {
        for (text, expected) in [
            ("7,12,345,6789,12345,", "..c#.c##.c###......."),
            ("a[12]{3}|4|", "..##..#..c."),
            (",12\n,1234\n,123.4\n", ".c#........c##.#."),
            (",0.25,10.5,01.5,00,", ".c.##.c#.#......c#."),
            (",1.123456,1.1234567,", ".c.######..........."),
            (",415.5132,415.51,", "..........c##.##."),
            (",1.2.3,1-2,1:2,+1,1 ,", "....................."),
            (",1", ".."),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn digits_in_long_base64_are_passed_over() {
        let passed = |part: &str| {
            let part = format!("{part:x<64}");
            let text = format!("{}{part}", "x".repeat(2 * WIDTH));
            let mut base64 = Base64::default();
            let all: Vec<u64> = (0..3)
                .map(|at| base64.digits(&block(&text, at * WIDTH)))
                .collect();
            assert_eq!(all[..2], [0, 0]);
            let digits = block(&text, 2 * WIDTH).digits;
            assert_eq!(all[2] & !digits, 0);
            (all[2].count_ones(), digits.count_ones())
        };
        // What goes on from the first block may be an address, as far as can be seen.
        assert_eq!(passed("aaaa1aaa/Q2q22q/R5"), (4, 5));
        for (part, left) in [
            ("aaaa/Q2q222222q/RR5q", 0),
            ("aaaa/Q2222222q", 7),
            ("aaaa/Q2/5q", 1),
            ("aaaa/QQ22q", 2),
            ("aaaa/1q2", 2),
            ("aaaa//Q2", 1),
        ] {
            let (passed, digits) = passed(part);
            assert_eq!(digits - passed, left, "{part}");
        }
        assert_eq!(passed("aaaa/Q2=").0, 0);
    }
}
