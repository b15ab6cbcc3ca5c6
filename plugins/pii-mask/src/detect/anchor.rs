//! The bytes without which nothing that is looked for can begin or be recognised, sixty-four at a
//! time.

use super::passed::{self, Base64, Block};
use modelgate_kit::lanes::{Lanes, WIDTH};

/// Whether a byte is an anchor: a digit, `:`, `;`, `@`, `I`, `J`, `_` or `-`.
const fn is_anchor(byte: u8) -> bool {
    matches!(byte, b'0'..=b';' | b'@' | b'I' | b'J' | b'_' | b'-')
}

/// Those of sixty-four bytes that are anchors.
#[inline]
fn anchors(lanes: Lanes) -> u64 {
    let ranges = lanes.between(b'0', b';') | lanes.between(b'I', b'J');
    (ranges | lanes.are(b'@') | lanes.are(b'_') | lanes.are(b'-')).bits()
}

/// Longest text that is looked at byte by byte.
const SHORT: usize = 8;

/// Whether a text has no anchor and reads as it is written: nothing can be found in it.
pub fn is_none_in(bytes: &[u8]) -> bool {
    let is_none = |lanes: Lanes| anchors(lanes) | lanes.between(0x80, u8::MAX).bits() == 0;
    let (blocks, rest) = bytes.as_chunks::<WIDTH>();
    let is_plain = |byte: &u8| byte.is_ascii() && !is_anchor(*byte);
    blocks.iter().all(|block| is_none(Lanes::new(block)))
        && if rest.len() <= SHORT {
            rest.iter().all(is_plain)
        } else {
            is_none(Lanes::front(rest))
        }
}

/// Letters and digits in a row behind which nothing begins: more than anything reads to the left
/// for where a word begins.
const DEEP: u32 = 16;

/// The anchors of a text, one after the other.
#[derive(Debug)]
pub struct Anchors<'a> {
    bytes: &'a [u8],
    /// Where the bytes begin that were looked at last, if any were.
    block: Option<usize>,
    /// Which of them are anchors.
    anchors: u64,
    /// Of these, digits and letters that stand so deep in a word that only the word as a whole, or
    /// its front, can tell of them.
    deep: u64,
    /// Which of the last bytes before the next block belong to words.
    words: u128,
    base64: Base64,
    /// The first digits of numbers that are nothing and may be cells of a table.
    cells: u64,
    /// Such a number has been passed over.
    has_cells: bool,
    /// Nothing is passed over.
    each: bool,
}

impl<'a> Anchors<'a> {
    /// Of this text: those at which something may be found, or with `each` all of them.
    pub fn of(bytes: &'a [u8], each: bool) -> Self {
        Self {
            bytes,
            block: None,
            anchors: 0,
            deep: 0,
            words: 0,
            base64: Base64::default(),
            cells: 0,
            has_cells: false,
            each,
        }
    }

    /// Whether a number that may be a cell of a table has been passed over.
    pub const fn has_cells(&self) -> bool {
        self.has_cells
    }

    /// The first anchor at or behind `at`, which must not descend from call to call. Before
    /// `word_done` words have been judged as a whole: what stands deep in one of them is left out.
    #[inline]
    pub fn next(&mut self, mut at: usize, word_done: usize) -> Option<usize> {
        loop {
            let block = match self.block {
                Some(block) if at.saturating_sub(block) < WIDTH => block,
                last => self.look(last, at)?,
            };
            let behind = |at: usize| u64::MAX << (at.saturating_sub(block) % WIDTH);
            let mut left = self.anchors & behind(at);
            if word_done >= block.saturating_add(WIDTH) {
                left &= !self.deep;
            } else if word_done > at {
                left &= !(self.deep & !behind(word_done));
            }
            let first = left & left.wrapping_neg();
            self.has_cells |= self.cells & behind(at) & first.wrapping_sub(1) != 0;
            if left != 0 {
                let found = usize::try_from(left.trailing_zeros()).unwrap_or_default();
                return Some(block.saturating_add(found));
            }
            at = block.saturating_add(WIDTH);
        }
    }

    /// Looks at the bytes from `at` on; none at the end of the text.
    fn look(&mut self, last: Option<usize>, at: usize) -> Option<usize> {
        let mut from = at;
        self.cells = 0;
        if last.and_then(|last| last.checked_add(WIDTH)) != Some(at) {
            self.words = 0;
            self.base64 = Base64::default();
        }
        // Most blocks of prose have none.
        let lanes = loop {
            let rest = self.bytes.get(from..).filter(|rest| !rest.is_empty())?;
            let lanes = Lanes::front(rest);
            self.anchors = anchors(lanes);
            if self.anchors != 0 {
                break lanes;
            }
            self.words = 0;
            from = from.saturating_add(WIDTH);
        };
        let digits = lanes.between(b'0', b'9');
        let letters = lanes.letters();
        let words = u128::from((digits | letters | lanes.are(b'_')).bits());
        // From the lowest bit on those of the bytes before, then those of the block.
        let mut run = words << DEEP | self.words;
        for step in [1, 2, 4, 8] {
            run &= run >> step;
        }
        #[allow(clippy::cast_possible_truncation)] // its lower half
        let deep = run as u64;
        // A key with a signature within: `JQQJ99`.
        let signed = lanes.are(b'J').bits() & (lanes.are(b'Q').bits() >> 1 | 1 << (WIDTH - 1));
        self.deep = deep & (digits | lanes.between(b'I', b'J')).bits() & !signed;
        self.words = words >> (u64::BITS - DEEP);
        self.block = Some(from);
        if from != at || digits.bits() == 0 {
            self.base64 = Base64::default();
        }
        if !self.each && digits.bits() != 0 {
            let block = Block {
                lanes,
                digits: digits.bits(),
                letters: letters.bits(),
                before: from
                    .checked_sub(1)
                    .and_then(|at| self.bytes.get(at))
                    .copied(),
            };
            let numbers = passed::numbers(&block);
            self.anchors &= !numbers.digits;
            self.cells = numbers.cells;
            self.deep |= self.base64.digits(&block);
        }
        Some(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_anchor_may_read_otherwise() {
        assert!(is_none_in(b"") && is_none_in(&[b'x'; 150]));
        for length in [5, 70, 150] {
            for at in 0..length {
                for byte in *b"0129:;@IJ_-\x80\xc3\xff" {
                    let mut bytes = vec![b'x'; length];
                    bytes[at] = byte;
                    assert!(!is_none_in(&bytes), "{at} of {length}");
                }
            }
        }
    }

    #[test]
    fn every_anchor_is_found_wherever_it_stands() {
        for anchor in *b"0129:;@IJ_-" {
            for at in 0..150 {
                let mut bytes = vec![b' '; 150];
                bytes[at] = anchor;
                for from in [0, at / 2, at] {
                    let mut anchors = Anchors::of(&bytes, false);
                    assert_eq!(anchors.next(from, 0), Some(at));
                    assert_eq!(anchors.next(at, 150), Some(at));
                    assert_eq!(anchors.next(at + 1, 0), None);
                    assert_eq!(anchors.next(150, 0), None);
                }
            }
        }
    }

    /// In a word that has been judged only what stands near its beginning is looked at.
    #[test]
    fn what_stands_deep_in_a_word_that_is_known_is_left_out() {
        for before in 0..130 {
            for length in [10, 40, 200] {
                let text = [vec![b' '; before], vec![b'7'; length], b" 1".to_vec()].concat();
                let end = before + length;
                let all = |word_done: usize| {
                    let (mut anchors, mut at) = (Anchors::of(&text, false), 0);
                    let mut found = Vec::new();
                    while let Some(next) = anchors.next(at, word_done) {
                        found.push(next);
                        at = next + 1;
                    }
                    found
                };
                let mut expected: Vec<usize> = (before..end).collect();
                expected.push(end + 1);
                assert_eq!(all(0), expected);
                // Where the word begins in another block than the first, a few more are.
                let known = all(end);
                assert!(known.starts_with(&expected[..length.min(16)]));
                assert!(known.ends_with(&[end + 1]));
                let most = 17 + if before % 64 == 0 { 0 } else { 16 };
                assert!(known.len() <= most, "{before} {length}: {known:?}");
                let half = all(before + length / 2);
                assert!(half.ends_with(&expected[length / 2..]));
            }
        }
        for (text, found) in [
            ("x".repeat(20) + "J", None),
            ("x".repeat(20) + "JQ", Some(20)),
        ] {
            // Their last byte may stand before a block's end or not.
            let text = text + &" ".repeat(60);
            assert_eq!(Anchors::of(text.as_bytes(), false).next(0, 90), found);
        }
    }
}
