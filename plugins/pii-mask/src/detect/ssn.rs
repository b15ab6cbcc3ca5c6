//! Social security numbers of the United States: area, group and serial as the Social Security Administration gives
//! them out (20 CFR 422.103; no area 000, 666 or 900 and above, no group 00, no serial 0000). Nine digits without
//! separators count only beside a word that names them.

use super::boundary::context_has;
use super::number::Chain;
use super::{Certainty, Scene};

const NAMES: [&str; 6] = ["ssn", "ssns", "social", "socials", "security", "taxpayer"];

/// Printed on specimens and in advertisements until everyone used them.
const SPECIMENS: [u32; 3] = [78_051_120, 219_099_999, 457_555_462];

/// How many of the chain's first groups are a number, and what that rests on.
pub fn match_groups(scene: Scene<'_>, chain: &Chain<'_>) -> Option<(usize, Certainty)> {
    let shaped = chain.len() >= 3
        && chain.lengths().take(3).eq([3, 2, 4])
        && matches!(chain.single_separator(3), Some(b"-" | b" " | b"."));
    let count = if shaped { 3 } else { 1 };
    if !chain.can_end(count) {
        return None;
    }
    let mut digits = [0_u8; 9];
    let digits = chain.copy_digits(count, &mut digits)?;
    if digits.len() != 9 {
        return None;
    }
    let value = digits.iter().fold(0_u32, |value, digit| {
        value.wrapping_mul(10).wrapping_add(u32::from(*digit))
    });
    let (area, group, serial) = (value / 1_000_000, value / 10_000 % 100, value % 10_000);
    let given = !matches!(area, 0 | 666 | 900..)
        && group != 0
        && serial != 0
        && !SPECIMENS.contains(&value);
    if !given {
        return None;
    }
    if shaped {
        return Some((3, Certainty::Shape));
    }
    context_has(scene, chain.start(), &NAMES).then_some((1, Certainty::Context))
}
