//! Payment card numbers: 13 to 19 digits, an issuer's prefix with its lengths, the Luhn check digit (ISO/IEC 7812-1).

use super::number::Chain;

/// How many of the chain's first groups are a card number: the most that fit.
pub fn match_groups(chain: &Chain<'_>) -> Option<usize> {
    let mut total = 0_usize;
    let mut matching = None;
    for (index, length) in chain.lengths().enumerate() {
        let count = index.saturating_add(1);
        total = total.saturating_add(length);
        // Printed groups have four to six digits; the last may be shorter.
        let grouped = count == 1
            || chain
                .lengths()
                .take(index)
                .all(|length| (4..=6).contains(&length));
        if total > 19 || !grouped {
            break;
        }
        let separated = matches!(
            chain.single_separator(count),
            Some(b"" | b" " | b"-" | b".")
        );
        let mut digits = [0_u8; 19];
        if total >= 13
            && separated
            && chain.can_end(count)
            && chain
                .copy_digits(count, &mut digits)
                .is_some_and(|digits| is_issued(digits) && is_luhn(digits))
        {
            matching = Some(count);
        }
    }
    matching
}

/// Whether an issuer gives out numbers of this prefix and length.
fn is_issued(digits: &[u8]) -> bool {
    let prefix = |count: usize| {
        digits
            .get(..count)
            .unwrap_or_default()
            .iter()
            .fold(0_u32, |value, digit| {
                value.wrapping_mul(10).wrapping_add(u32::from(*digit))
            })
    };
    let length = digits.len();
    match prefix(1) {
        // UATP
        1 => length == 15,
        // Mastercard, Mir
        2 => {
            (length == 16 && (2221..=2720).contains(&prefix(4)))
                || (length >= 16 && (2200..=2204).contains(&prefix(4)))
        }
        // American Express, Diners Club, JCB
        3 => match prefix(2) {
            34 | 37 => length == 15,
            36 | 38 | 39 => (14..=19).contains(&length),
            30 => (14..=19).contains(&length) && (300..=309).contains(&prefix(3)),
            35 => length >= 16 && (3528..=3589).contains(&prefix(4)),
            _ => false,
        },
        // Visa
        4 => matches!(length, 13 | 16 | 19),
        // Mastercard; Maestro, Dankort
        5 => match prefix(2) {
            51..=55 => length == 16,
            50 | 56..=58 => true,
            _ => false,
        },
        // Discover, UnionPay, Maestro, RuPay
        6 => (prefix(2) >= 62 && length >= 16) || matches!(prefix(2), 60 | 63 | 67..=69),
        // RuPay
        8 => matches!(prefix(2), 81 | 82) && length >= 16,
        // Troy
        9 => prefix(4) == 9792 && length == 16,
        _ => false,
    }
}

fn is_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit @ 5..) => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    // All zeros pass, but are nobody's.
    sum.is_multiple_of(10) && sum > 0
}
