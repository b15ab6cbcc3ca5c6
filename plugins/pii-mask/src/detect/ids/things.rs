//! Check digits of numbers that taxpayers, banks, vehicles, patients and providers of health care
//! have.

use super::digits::{digit, ends_in, letter, luhn, part, value, weighed};

/// The first two digits name the campus that gave it out.
pub fn employer(number: &[u8]) -> bool {
    !matches!(part(number, 0, 2), 0 | 7..=9 | 17..=19 | 28 | 29 | 49 | 69 | 70 | 78 | 79 | 89 | 96 | 97)
}

pub fn britain_taxpayer(number: &[u8]) -> bool {
    let sum = weighed(
        number.get(1..).unwrap_or_default(),
        &[6, 7, 8, 9, 10, 5, 4, 3, 2],
    );
    letter(b"21987654321", u64::from(sum % 11)) == number.first().copied()
}

/// American Bankers Association; the first two digits are the Federal Reserve's.
pub fn routing(number: &[u8]) -> bool {
    let sum = weighed(number, &[3, 7, 1, 3, 7, 1, 3, 7, 1]);
    matches!(part(number, 0, 2), 1..=12 | 21..=32 | 61..=72 | 80) && sum.is_multiple_of(10)
}

pub fn clabe(number: &[u8]) -> bool {
    let sum = number
        .iter()
        .take(17)
        .zip([3, 7, 1].iter().cycle())
        .map(|(byte, weight)| value(*byte) * weight % 10)
        .fold(0, u32::saturating_add);
    ends_in(number, (10 - sum % 10) % 10)
}

/// ISO 3779 in the form of 49 CFR part 565: the ninth place is a check digit.
pub fn vehicle(number: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let sum = number
        .iter()
        .zip(WEIGHTS)
        .map(|(byte, weight)| {
            let value = match byte {
                b'0'..=b'9' => value(*byte),
                b'A'..=b'H' => u32::from(byte.wrapping_sub(b'A')) + 1,
                b'J'..=b'N' => u32::from(byte.wrapping_sub(b'J')) + 1,
                b'P' => 7,
                b'R' => 9,
                letter => u32::from(letter.wrapping_sub(b'S')) + 2,
            };
            value * weight
        })
        .fold(0, u32::saturating_add);
    is_vehicle(number) && letter(b"0123456789X", u64::from(sum % 11)) == number.get(8).copied()
}

/// The form alone: no I, O and Q, letters and digits, digits at the end.
pub fn is_vehicle(number: &[u8]) -> bool {
    let end = number.get(13..).unwrap_or_default();
    !number.iter().any(|byte| b"IOQ".contains(byte))
        && end.iter().all(u8::is_ascii_digit)
        && number
            .iter()
            .filter(|byte| byte.is_ascii_uppercase())
            .count()
            >= 3
}

/// Providers of health care: Luhn behind 80840 (45 CFR 162.406).
pub fn provider(number: &[u8]) -> bool {
    let mut all = *b"808400000000000";
    for (to, from) in all.iter_mut().skip(5).zip(number) {
        *to = *from;
    }
    matches!(digit(number, 0), 1 | 2) && luhn(&all)
}

pub fn nhs(number: &[u8]) -> bool {
    let sum = weighed(number, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    sum.is_multiple_of(11) && digit(number, 0) > 2
}

/// Registrants of the Drug Enforcement Administration.
pub fn drugs(number: &[u8]) -> bool {
    let digits = number.get(2..).unwrap_or_default();
    let sum = weighed(digits, &[1, 2, 1, 2, 1, 2]);
    number
        .first()
        .is_some_and(|kind| b"ABCDEFGHJKLMPRSTUX".contains(kind))
        && ends_in(number, sum % 10)
}

/// Statutory health insurance in Germany: the letter counts as two digits.
pub fn germany_insured(number: &[u8]) -> bool {
    let first = number
        .first()
        .map_or(0, |byte| u32::from(byte.wrapping_sub(b'A')) + 1);
    let digits = [first / 10, first % 10].into_iter();
    let rest = number.iter().skip(1).take(8).map(|byte| value(*byte));
    let sum = digits
        .chain(rest)
        .zip([1, 2].iter().cycle())
        .map(|(digit, weight)| {
            let product = digit * weight;
            product / 10 + product % 10
        })
        .fold(0, u32::saturating_add);
    ends_in(number, sum % 10)
}

/// Medicare in the United States: the places of letters and digits; no S, L, O, I, B, Z.
pub fn medicare(number: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_uppercase() && !b"SLOIBZ".contains(byte);
    number.iter().enumerate().all(|(at, byte)| match at {
        0 => (b'1'..=b'9').contains(byte),
        1 | 4 | 7 | 8 => letter(byte),
        2 | 5 => letter(byte) || byte.is_ascii_digit(),
        _ => byte.is_ascii_digit(),
    })
}

pub fn australia_medicare(number: &[u8]) -> bool {
    let sum = weighed(number, &[1, 3, 7, 9, 1, 3, 7, 9]);
    matches!(digit(number, 0), 2..=6) && sum % 10 == digit(number, 8)
}
