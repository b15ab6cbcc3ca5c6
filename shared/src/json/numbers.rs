//! Arrays of numbers, as tensors are: elements that are numbers of the plainest form are checked
//! sixty-four bytes at a time, by what stands beside what.

use crate::lanes::{Lanes, WIDTH};

/// Digits in a row before a point that are not passed over.
pub const WHOLE: usize = 7;

/// Elements at the front of a text.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Bytes of them, each with its comma.
    pub bytes: usize,
    /// Number of them.
    pub count: usize,
}

/// The numbers at the front of `text` that have a comma behind them, no exponent and fewer than
/// [`WHOLE`] digits before their point (RFC 8259 section 6). Before one spaces and ends of lines
/// may stand. It begins where an element may.
pub fn plain(text: &[u8]) -> Run {
    let mut run = Run::default();
    loop {
        let rest = text.get(run.bytes..).unwrap_or_default();
        let (bytes, count) = front(Lanes::front(rest));
        if count == 0 {
            return run;
        }
        run.bytes = run.bytes.saturating_add(bytes);
        run.count = run.count.saturating_add(count);
    }
}

/// Bytes and number of such elements among sixty-four bytes.
#[inline]
fn front(lanes: Lanes) -> (usize, usize) {
    let digits = lanes.between(b'0', b'9').bits();
    let commas = lanes.are(b',').bits();
    let points = lanes.are(b'.').bits();
    let minus = lanes.are(b'-').bits();
    let spaces = (lanes.are(b' ') | lanes.are(b'\n')).bits();
    let zeros = lanes.are(b'0').bits();

    // Where an element, or a space before it, may begin; and its first digit.
    let begins = (commas | spaces) << 1 | 1;
    let first = begins & digits | (minus & begins) << 1;
    // A digit stands before a comma and a point, and behind a point and a minus.
    let behind = (digits << 1) & (commas | points) | spaces | digits | minus;
    let mut wrong = !behind | (points | minus) << 1 & !digits;
    wrong |= (spaces | minus) & !begins | begins & !(spaces | digits | minus);
    wrong |= (first & zeros) << 1 & digits;
    // An addition carries over the digits behind a point to what follows them: no second point.
    let carried = digits.wrapping_add((points << 1) & digits);
    wrong |= carried & !digits & points;
    let mut whole = digits & carried;
    for step in [1, 2, WHOLE - 4] {
        whole &= whole >> step;
    }
    wrong |= whole;

    let right = !(u64::MAX
        .checked_shl(wrong.trailing_zeros())
        .unwrap_or_default());
    let complete = commas & right;
    let number = |bits: u32| usize::try_from(bits).unwrap_or(WIDTH);
    let bytes = number(u64::BITS.saturating_sub(complete.leading_zeros()));
    (bytes, number(complete.count_ones()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, by the definition.
    fn by_definition(text: &str) -> Run {
        let mut run = Run::default();
        for element in text.split_inclusive(',') {
            let Some(number) = element.strip_suffix(',') else {
                break;
            };
            let number = number.trim_start_matches([' ', '\n']);
            let whole = number
                .trim_start_matches('-')
                .split('.')
                .next()
                .unwrap_or_default();
            let is_number = serde_json::from_str::<serde_json::Number>(number).is_ok()
                && !number.contains(['e', 'E'])
                && number.trim() == number;
            if !is_number || whole.len() >= WHOLE {
                break;
            }
            run.bytes += element.len();
            run.count += 1;
        }
        run
    }

    fn holds(text: &str) {
        // A number that has no room among sixty-four bytes is left to others.
        let (found, expected) = (plain(text.as_bytes()), by_definition(text));
        let long = |run: Run| {
            let element = text.get(run.bytes..).unwrap_or_default().split(',').next();
            element.is_some_and(|element| element.len() >= WIDTH)
        };
        assert!(
            found == expected || (long(found) && found.bytes < expected.bytes),
            "{text:?}: {found:?}, {expected:?}"
        );
    }

    #[test]
    fn numbers_are_passed_over_up_to_the_first_that_is_none() {
        for text in [
            "",
            "1",
            "1,",
            "-1,",
            "1,2,3",
            "0.5,-0.25, 17,\n3,x",
            "1,,2,",
            "01,",
            "0,",
            "-0,",
            "-01,",
            "-,",
            ".5,",
            "5.,",
            "1.2.3,",
            "1.5.,",
            "1e5,",
            "1 ,",
            "1 2,",
            "- 1,",
            "1-2,",
            "--1,",
            "123456,",
            "1234567,",
            "1234567.5,",
            "1.2345678,",
            "123456.12345678,",
            "[1,",
            "\"1,\",",
            "1,\u{e9},",
            "1,NaN,",
            "+1,",
            ",1",
            " 1,",
            "1.-5,",
            "1.5-,",
            "1,\t2,",
            "0.,",
            "00,",
            "0.0,",
        ] {
            for before in ["", "7,", "0.125,-3, 44,"] {
                holds(&format!("{before}{text}"));
                holds(&format!("{}{text}", before.repeat(20)));
            }
        }
        let floats = "-0.12345678,".repeat(100);
        assert_eq!(
            plain(floats.as_bytes()),
            Run {
                bytes: floats.len(),
                count: 100
            }
        );
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_as_the_grammar_has_it(text in "([0-9]{1,8}|0|-|\\.|,|,|, |\n|e|x|[1-9]\\.[0-9]{1,9}){0,60}") {
            holds(&text);
        }
    }
}
