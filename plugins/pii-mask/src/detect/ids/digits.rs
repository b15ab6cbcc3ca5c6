//! Digits of numbers, and the check digits that many kinds of them share.

/// The value of a digit.
pub(super) fn value(byte: u8) -> u32 {
    char::from(byte).to_digit(10).unwrap_or_default()
}

pub(super) fn digit(number: &[u8], at: usize) -> u32 {
    number.get(at).copied().map_or(0, value)
}

pub(super) fn last(number: &[u8]) -> u32 {
    number.last().copied().map_or(0, value)
}

/// Some of the digits as one number.
pub(super) fn part(number: &[u8], from: usize, to: usize) -> u64 {
    let part = number.get(from..to).unwrap_or_default();
    part.iter().fold(0_u64, |sum, byte| {
        sum.wrapping_mul(10).wrapping_add(u64::from(value(*byte)))
    })
}

pub(super) fn weighed(number: &[u8], weights: &[u32]) -> u32 {
    number
        .iter()
        .zip(weights)
        .map(|(byte, weight)| value(*byte).saturating_mul(*weight))
        .fold(0, u32::saturating_add)
}

/// Whether the last digit is this one.
pub(super) fn ends_in(number: &[u8], check: u32) -> bool {
    last(number) == check
}

/// The letter or digit that a table has for a remainder.
pub(super) fn letter(table: &[u8], remainder: u64) -> Option<u8> {
    table.get(usize::try_from(remainder).ok()?).copied()
}

/// ISO/IEC 7812-1 annex B.
pub fn luhn(number: &[u8]) -> bool {
    luhn_of(number.iter().map(|byte| value(*byte)))
}

/// The same of the values of digits. All zeros pass the check, but are nobody's.
pub fn luhn_of(digits: impl DoubleEndedIterator<Item = u32>) -> bool {
    let places = digits.rev().enumerate();
    let sum = places
        .map(|(place, digit)| match (place % 2, digit) {
            (0, digit) => digit,
            (_, digit @ 5..) => digit.saturating_mul(2).saturating_sub(9),
            (_, digit) => digit.saturating_mul(2),
        })
        .fold(0, u32::saturating_add);
    sum.is_multiple_of(10) && sum > 0
}

/// ISO/IEC 7064, modulus 11 and 10.
pub fn mod_11_10(number: &[u8]) -> bool {
    let check = number.iter().fold(5_u32, |check, byte| {
        let check = if check == 0 { 10 } else { check };
        (check * 2 % 11 + value(*byte)) % 10
    });
    check == 1
}

/// ISO/IEC 7064, modulus 97 and 10: letters count from ten.
pub fn mod_97_10(number: &[u8]) -> bool {
    let values = number
        .iter()
        .filter_map(|byte| char::from(*byte).to_digit(36));
    let rest = values.fold(0_u32, |rest, value| {
        let shift = if value > 9 { 100 } else { 10 };
        (rest * shift + value) % 97
    });
    rest == 1
}

/// J. Verhoeff's digits: the dihedral group of order ten.
pub fn verhoeff(number: &[u8]) -> bool {
    const SHIFT: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let times = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let check = number
        .iter()
        .rev()
        .enumerate()
        .fold(0_u32, |check, (at, byte)| {
            let mut digit = value(*byte);
            for _ in 0..at % 8 {
                let place = usize::try_from(digit).unwrap_or_default();
                digit = SHIFT.get(place).copied().map_or(0, u32::from);
            }
            times(check, digit)
        });
    check == 0
}
