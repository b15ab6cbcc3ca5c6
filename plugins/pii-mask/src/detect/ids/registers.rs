//! Check digits of numbers in registers of voters, pupils, taxpayers and patients, over the number
//! in capitals without separators; the tests ask python-stdnum.

use super::checks::{has_dmy, has_ymd};
use super::digits::{digit, ends_in, last, letter, luhn, part, value, verhoeff, weighed};

/// The number of a citizen, or of a taxpayer, with its check digit behind (Colombia).
pub fn colombia(number: &[u8]) -> bool {
    const WEIGHTS: [u32; 10] = [3, 7, 13, 17, 19, 23, 29, 37, 41, 43];
    let (check, body) = number.split_last().unwrap_or((&0, &[]));
    let sum = body
        .iter()
        .rev()
        .zip(WEIGHTS)
        .map(|(byte, weight)| value(*byte) * weight)
        .fold(0, u32::saturating_add);
    letter(b"01987654321", u64::from(sum % 11)) == Some(*check)
}

/// Date of birth, and a digit for the century; its check digit is not published (Cuba).
pub fn cuba(number: &[u8]) -> bool {
    has_ymd(number, 0)
}

/// With its check digit, or the letter that stands for it (Peru).
pub fn peru(number: &[u8]) -> bool {
    let rest = u64::from(weighed(number, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11);
    let check = number.get(8).copied();
    check == letter(b"65432110987", rest) || check == letter(b"KJIHGFEDCBA", rest)
}

/// Of natural persons: `V` and `E` (Venezuela).
pub fn venezuela(number: &[u8]) -> bool {
    let kind = match number.first() {
        Some(b'V') => 4,
        Some(b'E') => 8,
        Some(b'P') => 16,
        _ => return false,
    };
    let sum = weighed(
        number.get(1..).unwrap_or_default(),
        &[3, 2, 7, 6, 5, 4, 3, 2],
    );
    letter(b"00987654321", u64::from((sum + kind) % 11)) == number.last().copied()
}

/// A citizen of Costa Rica: province, volume, entry.
pub fn costa_rica(number: &[u8]) -> bool {
    let number = number.strip_prefix(b"0").unwrap_or(number);
    number.len() == 9 && matches!(digit(number, 0), 1..=9)
}

/// Where and when, a serial, a check digit (El Salvador).
pub fn el_salvador(number: &[u8]) -> bool {
    let check = if part(number, 10, 13) <= 100 {
        weighed(number, &[14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11 % 10
    } else {
        let sum = weighed(number, &[2, 7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
        (11 - sum % 11) % 11 % 10
    };
    matches!(digit(number, 0), 0 | 1 | 9) && ends_in(number, check)
}

/// The first letter of the surname, date of birth, a serial (Mauritius).
pub fn mauritius(number: &[u8]) -> bool {
    let sum = number
        .iter()
        .take(13)
        .zip((2..=14).rev())
        .map(|(byte, weight): (&u8, u32)| {
            char::from(*byte).to_digit(36).unwrap_or_default() * weight
        })
        .fold(0, u32::saturating_add);
    let check = letter(b"0123456789ABCDEFG", u64::from((17 - sum % 17) % 17));
    has_dmy(number.get(1..).unwrap_or_default()) && check == number.last().copied()
}

/// A foreigner in Bulgaria.
pub fn bulgaria_foreigner(number: &[u8]) -> bool {
    ends_in(
        number,
        weighed(number, &[21, 19, 17, 13, 11, 9, 7, 3, 1]) % 10,
    )
}

/// A voter's card (India).
pub fn india_voter(number: &[u8]) -> bool {
    luhn(number.get(3..).unwrap_or_default())
}

/// A number that stands for that of a person's Aadhaar (India).
pub fn india_virtual(number: &[u8]) -> bool {
    digit(number, 0) > 1 && verhoeff(number)
}

/// A person's number with the tax authority (France).
pub fn france_tax(number: &[u8]) -> bool {
    digit(number, 0) <= 3 && part(number, 0, 10) % 511 == part(number, 10, 13)
}

/// Identity cards (Uruguay).
pub fn uruguay(number: &[u8]) -> bool {
    let sum = weighed(number, &[2, 9, 8, 7, 6, 3, 4]);
    ends_in(number, (10 - sum % 10) % 10)
}

/// Pupils in England.
pub fn britain_pupil(number: &[u8]) -> bool {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRTUVWXYZ0123456789";
    let place = |byte: &u8| LETTERS.iter().position(|known| known == byte);
    let mut sum = 0_usize;
    for (byte, weight) in number.iter().skip(1).zip(2_usize..) {
        let Some(place) = place(byte) else {
            return false;
        };
        sum = sum.saturating_add(place.saturating_mul(weight));
    }
    matches!(part(number, 1, 4), 201..=394 | 420 | 800..=938)
        && LETTERS.get(sum % 23) == number.first()
}

/// Taxpayers in Poland.
pub fn poland_tax(number: &[u8]) -> bool {
    ends_in(number, weighed(number, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11)
}

/// Taxpayers in Turkey.
pub fn turkey_tax(number: &[u8]) -> bool {
    let sum = number
        .iter()
        .take(9)
        .rev()
        .zip(1..)
        .map(|(byte, place)| match (value(*byte) + place) % 10 {
            0 => 0,
            shifted => match shifted * (1 << place) % 9 {
                0 => 9,
                rest => rest,
            },
        })
        .fold(0, u32::saturating_add);
    ends_in(number, (10 - sum % 10) % 10)
}

/// Taxpayers in Vietnam, people and companies.
pub fn vietnam(number: &[u8]) -> bool {
    let sum = weighed(number, &[31, 29, 23, 19, 17, 13, 7, 5, 3]);
    part(number, 2, 9) > 0 && 10 - sum % 11 == digit(number, 9)
}

/// Taxpayers in South Africa.
pub fn south_africa_tax(number: &[u8]) -> bool {
    matches!(digit(number, 0), 0..=3 | 9) && luhn(number)
}

/// Taxpayers in Indonesia: the check digit is the ninth.
pub fn indonesia_tax(number: &[u8]) -> bool {
    luhn(number.get(..9).unwrap_or_default())
}

/// Taxpayers in Kenya: `A` for persons, `P` for others.
pub fn kenya(number: &[u8]) -> bool {
    matches!(number.first(), Some(b'A' | b'P')) && number.last().is_some_and(u8::is_ascii_uppercase)
}

/// Taxpayers in Austria: the office, and Luhn's digit.
pub fn austria_tax(number: &[u8]) -> bool {
    part(number, 0, 2) > 1 && luhn(number)
}

/// Those who prepare the returns of others (United States).
pub fn preparer(number: &[u8]) -> bool {
    number.first() == Some(&b'P') && part(number, 1, 9) > 0
}

/// Companies in Brazil, among them those of one person.
pub fn brazil_company(number: &[u8]) -> bool {
    let rest = |weights: &[u32]| match weighed(number, weights) % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    let one = rest(&[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]);
    let two = rest(&[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]);
    part(number, 0, 12) > 0 && digit(number, 12) == one && ends_in(number, two)
}

/// Personal health numbers of British Columbia.
pub fn british_columbia(number: &[u8]) -> bool {
    let sum = weighed(
        number.get(1..).unwrap_or_default(),
        &[2, 4, 8, 5, 10, 9, 7, 3],
    );
    digit(number, 0) == 9 && (11 - sum % 11) % 11 == last(number)
}

/// A bank account in Spain: bank and branch, two check digits, the account.
pub fn spain_account(number: &[u8]) -> bool {
    let check = |digits: &[u8], weights: &[u32]| match weighed(digits, weights) % 11 {
        rest @ 0..=1 => rest,
        rest => 11 - rest,
    };
    let one = check(number, &[4, 8, 5, 10, 9, 7, 3, 6]);
    let two = check(
        number.get(10..).unwrap_or_default(),
        &[1, 2, 4, 8, 5, 10, 9, 7, 3, 6],
    );
    part(number, 0, 10) > 0 && digit(number, 8) == one && digit(number, 9) == two
}

/// A bank account in Norway.
pub fn norway_account(number: &[u8]) -> bool {
    last(number) == weighed(number, &[6, 7, 8, 9, 4, 5, 6, 7, 8, 9]) % 11 && part(number, 0, 4) > 0
}

/// A bank account in Argentina: bank and branch, and the account, each with a check digit.
pub fn argentina_account(number: &[u8]) -> bool {
    let check = |digits: &[u8], weights: &[u32]| (10 - weighed(digits, weights) % 10) % 10;
    let bank = check(number, &[7, 1, 3, 9, 7, 1, 3]);
    let account = check(
        number.get(8..).unwrap_or_default(),
        &[3, 9, 7, 1, 3, 9, 7, 1, 3, 9, 7, 1, 3],
    );
    part(number, 0, 7) > 0 && digit(number, 7) == bank && ends_in(number, account)
}

/// A bank account in Czechia or Slovakia: prefix and root by themselves, the bank behind.
pub fn czechia_account(number: &[u8]) -> bool {
    let (root, _) = number
        .split_at_checked(number.len().saturating_sub(4))
        .unwrap_or_default();
    let prefix = root.len().saturating_sub(10);
    let is_one = |digits: &[u8]| {
        let weights = [1, 2, 4, 8, 5, 10, 9, 7, 3, 6];
        let sum = digits.iter().rev().zip(weights);
        let sum = sum.map(|(byte, weight)| value(*byte) * weight);
        sum.fold(0, u32::saturating_add).is_multiple_of(11)
    };
    let (prefix, root) = root.split_at_checked(prefix).unwrap_or_default();
    is_one(prefix) && is_one(root) && part(root, 0, root.len()) > 0
}

/// A branch of a bank in India: the fifth place is a zero.
pub fn india_branch(number: &[u8]) -> bool {
    number.get(4) == Some(&b'0')
}
