//! Check digits and inner structure of numbers that authorities give to people, over the number in
//! capitals without separators. The algorithms are those of the issuing authorities, as far as they
//! publish them; the tests ask python-stdnum.

use super::digits::{
    digit, ends_in, last, letter, luhn, mod_11_10, part, value, verhoeff, weighed,
};

/// Whether two digits each are a month and a day of it.
pub fn is_date(month: u64, day: u64) -> bool {
    let days = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Year, month and day in two digits each.
pub fn has_ymd(number: &[u8], from: usize) -> bool {
    is_date(
        part(number, from.saturating_add(2), from.saturating_add(4)),
        part(number, from.saturating_add(4), from.saturating_add(6)),
    )
}

/// Day, month and year in two digits each.
pub fn has_dmy(number: &[u8]) -> bool {
    is_date(part(number, 2, 4), part(number, 0, 2))
}

pub fn germany(number: &[u8]) -> bool {
    let mut counts = [0_u8; 10];
    for byte in number.iter().take(10) {
        if let Some(count) = counts.get_mut(usize::try_from(value(*byte)).unwrap_or_default()) {
            *count = count.saturating_add(1);
        }
    }
    let repeated = counts.iter().filter(|count| **count > 1);
    let few = counts.iter().all(|count| *count <= 3);
    digit(number, 0) > 0 && repeated.count() == 1 && few && mod_11_10(number)
}

/// The serial number of an identity card (ICAO 9303 weights 7, 3, 1); without its check digit its
/// form.
pub fn germany_card(number: &[u8]) -> bool {
    let serial = number.get(..9).unwrap_or_default();
    let known = serial
        .iter()
        .all(|byte| byte.is_ascii_digit() || b"CFGHJKLMNPRTVWXYZ".contains(byte));
    let sum = serial.iter().zip([7, 3, 1].iter().cycle());
    let sum = sum
        .map(|(byte, weight)| match byte {
            b'0'..=b'9' => value(*byte) * weight,
            letter => (u32::from(letter.wrapping_sub(b'A')) + 10) * weight,
        })
        .fold(0, u32::saturating_add);
    known && (number.len() == 9 || ends_in(number, sum % 10))
}

pub fn france(number: &[u8]) -> bool {
    let mut body = number.to_vec();
    // Corsica: 2A counts as 19, 2B as 18.
    match number.get(5..7) {
        Some(b"2A") => body.splice(5..7, *b"19").for_each(drop),
        Some(b"2B") => body.splice(5..7, *b"18").for_each(drop),
        _ => {}
    }
    let digits = body.iter().all(u8::is_ascii_digit);
    let month = part(&body, 3, 5);
    let known =
        matches!(digit(number, 0), 1..=4 | 7 | 8) && matches!(month, 1..=12 | 20..=42 | 50..=99);
    digits && known && 97 - part(&body, 0, 13) % 97 == part(&body, 13, 15)
}

const SPAIN: &[u8] = b"TRWAGMYFPDXBNJZSQVHLCKE";

pub fn spain(number: &[u8]) -> bool {
    letter(SPAIN, part(number, 0, 8) % 23) == number.last().copied()
}

pub fn spain_foreigner(number: &[u8]) -> bool {
    let front = match number.first() {
        Some(b'X') => 0,
        Some(b'Y') => 10_000_000,
        Some(b'Z') => 20_000_000,
        _ => return false,
    };
    letter(SPAIN, (front + part(number, 1, 8)) % 23) == number.last().copied()
}

/// DM 23/12/1976; with the letters that stand for digits where two people had one code.
pub fn italy(number: &[u8]) -> bool {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    const FOR_DIGITS: &[u8] = b"LMNPQRSTUV";
    let at = |byte: u8| match byte {
        b'0'..=b'9' => byte.wrapping_sub(b'0'),
        letter => letter.wrapping_sub(b'A'),
    };
    let sum = number
        .iter()
        .take(15)
        .enumerate()
        .map(|(place, byte)| match place % 2 {
            0 => ODD.get(usize::from(at(*byte))).copied().unwrap_or_default(),
            _ => u32::from(at(*byte)),
        })
        .fold(0, u32::saturating_add);
    let shaped = number.iter().enumerate().all(|(place, byte)| match place {
        6 | 7 | 9 | 10 | 12..=14 => byte.is_ascii_digit() || FOR_DIGITS.contains(byte),
        8 => b"ABCDEHLMPRST".contains(byte),
        _ => byte.is_ascii_uppercase(),
    });
    shaped && number.last() == letter(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", u64::from(sum % 26)).as_ref()
}

pub fn portugal(number: &[u8]) -> bool {
    let sum = weighed(number, &[9, 8, 7, 6, 5, 4, 3, 2]);
    digit(number, 0) > 0 && ends_in(number, (11 - sum % 11) % 11 % 10)
}

/// The citizen card: letters count from ten, every second place twice.
pub fn portugal_card(number: &[u8]) -> bool {
    let sum = number
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            let value = char::from(*byte).to_digit(36).unwrap_or_default();
            match at % 2 {
                0 if value * 2 > 9 => value * 2 - 9,
                0 => value * 2,
                _ => value,
            }
        })
        .fold(0, u32::saturating_add);
    sum.is_multiple_of(10)
}

pub fn netherlands(number: &[u8]) -> bool {
    let sum = weighed(number, &[9, 8, 7, 6, 5, 4, 3, 2]);
    sum % 11 == last(number) && part(number, 0, 9) > 9_999_999
}

pub fn belgium(number: &[u8]) -> bool {
    let (body, check) = (part(number, 0, 9), part(number, 9, 11));
    // The month of whoever has no day of birth is 0; 20 and 40 more tell of other registers.
    let month = part(number, 2, 4) % 20;
    month <= 12
        && body > 0
        && (97 - body % 97 == check || 97 - (2_000_000_000 + body) % 97 == check)
}

pub fn poland(number: &[u8]) -> bool {
    let sum = weighed(number, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]);
    is_date(part(number, 2, 4) % 20, part(number, 4, 6)) && ends_in(number, (10 - sum % 10) % 10)
}

pub fn sweden(number: &[u8]) -> bool {
    let number = number
        .get(number.len().saturating_sub(10)..)
        .unwrap_or_default();
    // A coordination number has 60 more as its day.
    let day = part(number, 4, 6);
    let day = if day > 60 { day - 60 } else { day };
    is_date(part(number, 2, 4), day) && luhn(number)
}

pub fn norway(number: &[u8]) -> bool {
    let one = weighed(number, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]);
    let two = weighed(number, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]);
    let (day, month) = (part(number, 0, 2), part(number, 2, 4));
    let day = if day > 40 { day - 40 } else { day };
    let month = if month > 40 { month - 40 } else { month };
    is_date(month, day) && one.is_multiple_of(11) && two.is_multiple_of(11)
}

/// Its check digit is no longer one since 2007.
pub fn denmark(number: &[u8]) -> bool {
    has_dmy(number)
}

pub fn finland(number: &[u8]) -> bool {
    let serial = part(
        number,
        number.len().saturating_sub(4),
        number.len().saturating_sub(1),
    );
    let value = part(number, 0, 6) * 1000 + serial;
    let check = letter(b"0123456789ABCDEFHJKLMNPRSTUVWXY", value % 31);
    has_dmy(number) && serial >= 2 && check == number.last().copied()
}

/// Estonia and Lithuania.
pub fn estonia(number: &[u8]) -> bool {
    let mut check = weighed(number, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    if check == 10 {
        check = weighed(number, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10;
    }
    let dated = matches!(digit(number, 0), 1..=8) && has_ymd(number, 1);
    dated && ends_in(number, check)
}

/// Numbers since 2017 begin with 32 and say nothing.
pub fn latvia(number: &[u8]) -> bool {
    let sum = weighed(number, &[10, 5, 8, 4, 2, 1, 6, 3, 7, 9]);
    number.starts_with(b"32") || (has_dmy(number) && ends_in(number, (1 + sum) % 11 % 10))
}

pub fn czechia(number: &[u8]) -> bool {
    let month = part(number, 2, 4);
    let month = match month {
        71.. => month - 70,
        51.. => month - 50,
        21.. => month - 20,
        month => month,
    };
    let check = part(number, 0, 9) % 11 % 10;
    is_date(month, part(number, 4, 6)) && (number.len() == 9 || u64::from(last(number)) == check)
}

pub fn romania(number: &[u8]) -> bool {
    let sum = weighed(number, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]);
    let check = if sum % 11 == 10 { 1 } else { sum % 11 };
    digit(number, 0) > 0 && has_ymd(number, 1) && ends_in(number, check)
}

pub fn bulgaria(number: &[u8]) -> bool {
    let sum = weighed(number, &[2, 4, 8, 5, 10, 9, 7, 3, 6]);
    let month = match part(number, 2, 4) {
        month @ 41.. => month - 40,
        month @ 21.. => month - 20,
        month => month,
    };
    is_date(month, part(number, 4, 6)) && ends_in(number, sum % 11 % 10)
}

/// The numbers of Yugoslavia's successors.
pub fn yugoslavia(number: &[u8]) -> bool {
    let sum = weighed(number, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
    has_dmy(number) && ends_in(number, (11 - sum % 11) % 11 % 10)
}

pub fn greece(number: &[u8]) -> bool {
    has_dmy(number) && luhn(number)
}

pub fn turkey(number: &[u8]) -> bool {
    let odd = weighed(number, &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
    let even = weighed(number, &[0, 1, 0, 1, 0, 1, 0, 1]);
    // (7 · odd − even) mod 10
    let ten = (odd * 7 + even * 9) % 10;
    let sum = (odd + even + ten) % 10;
    digit(number, 0) > 0 && digit(number, 9) == ten && ends_in(number, sum)
}

pub fn ireland(number: &[u8]) -> bool {
    let sum = weighed(number, &[8, 7, 6, 5, 4, 3, 2]);
    let second = match number.get(8) {
        Some(letter @ b'A'..=b'I') => u32::from(letter.wrapping_sub(b'A')) + 1,
        _ => 0,
    };
    letter(
        b"WABCDEFGHIJKLMNOPQRSTUV",
        u64::from((sum + second * 9) % 23),
    ) == number.get(7).copied()
}

/// National insurance: prefixes that are given out; no check digit.
pub fn britain(number: &[u8]) -> bool {
    let [a, b, .., last] = number else {
        return false;
    };
    let refused = [*b"BG", *b"GB", *b"KN", *b"NK", *b"NT", *b"TN", *b"ZZ"].contains(&[*a, *b]);
    !refused && !b"DFIQUV".contains(a) && !b"DFIOQUV".contains(b) && (b'A'..=b'D').contains(last)
}

pub fn switzerland(number: &[u8]) -> bool {
    let sum = weighed(number, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]);
    number.starts_with(b"756") && sum.is_multiple_of(10)
}

pub fn austria(number: &[u8]) -> bool {
    let sum = weighed(number, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    // People whose day of birth is not known have months above 12.
    let month = part(number, 6, 8);
    digit(number, 0) > 0 && (1..=15).contains(&month) && sum % 11 == digit(number, 3)
}

pub fn brazil(number: &[u8]) -> bool {
    let one = weighed(number, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10;
    let two = weighed(number, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10;
    let same = number.iter().all(|byte| Some(byte) == number.first());
    !same && digit(number, 9) == one && ends_in(number, two)
}

pub fn chile(number: &[u8]) -> bool {
    let (check, body) = number.split_last().unwrap_or((&0, &[]));
    let sum = body
        .iter()
        .rev()
        .zip([2, 3, 4, 5, 6, 7].iter().cycle())
        .map(|(byte, weight)| value(*byte) * weight)
        .fold(0, u32::saturating_add);
    letter(b"0K987654321", u64::from(sum % 11)) == Some(*check) && part(body, 0, body.len()) > 0
}

pub fn argentina(number: &[u8]) -> bool {
    let sum = weighed(number, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
    let check = letter(b"09987654321", u64::from(sum % 11));
    matches!(part(number, 0, 2), 20 | 23 | 24 | 27) && check == number.last().copied()
}

pub fn mexico(number: &[u8]) -> bool {
    const STATES: &[u8] = b"ASBCBSCCCHCLCMCSDFDGGRGTHGJCMCMNMSNENLNTOCPLQRQTSLSPSRTCTLTSVZYNZS";
    let sum = number
        .iter()
        .take(17)
        .zip((2..=18).rev())
        .map(|(byte, weight)| {
            // The alphabet has Ñ behind N.
            let letter = char::from(*byte).to_digit(36).unwrap_or_default();
            (letter + u32::from(*byte > b'N')) * weight
        })
        .fold(0_u32, u32::saturating_add);
    let state = number.get(11..13).unwrap_or_default();
    has_ymd(number, 4)
        && matches!(number.get(10), Some(b'H' | b'M' | b'X'))
        && STATES.chunks(2).any(|known| known == state)
        && ends_in(number, (10 - sum % 10) % 10)
}

/// With its last letter, which nobody checks.
pub fn mexico_taxpayer(number: &[u8]) -> bool {
    has_ymd(number, 4)
}

pub fn india(number: &[u8]) -> bool {
    digit(number, 0) > 1 && verhoeff(number)
}

/// A person's (`P`) account number; no check digit is published.
pub fn india_account(number: &[u8]) -> bool {
    number.get(3) == Some(&b'P') && part(number, 5, 9) > 0
}

/// GB 11643, ISO/IEC 7064 modulus 11 and 2.
pub fn china(number: &[u8]) -> bool {
    let sum = weighed(
        number,
        &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2],
    );
    let check = letter(b"10X98765432", u64::from(sum % 11));
    matches!(part(number, 0, 2), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 91)
        && matches!(part(number, 6, 8), 18..=20)
        && has_ymd(number, 8)
        && check == number.last().copied()
}

/// Since October 2020 the last digits are given out by chance.
pub fn korea(number: &[u8]) -> bool {
    has_ymd(number, 0)
}

pub fn japan(number: &[u8]) -> bool {
    let sum = weighed(number, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
    ends_in(number, (11 - sum % 11) % 11 % 10)
}

pub fn singapore(number: &[u8]) -> bool {
    let sum = weighed(number.get(1..).unwrap_or_default(), &[2, 7, 6, 5, 4, 3, 2]);
    let (more, table): (u32, &[u8]) = match number.first() {
        Some(b'S') => (0, b"JZIHGFEDCBA"),
        Some(b'T') => (4, b"JZIHGFEDCBA"),
        Some(b'F') => (0, b"XWUTRQPNMLK"),
        Some(b'G') => (4, b"XWUTRQPNMLK"),
        Some(b'M') => (3, b"KLJNPQRTUWX"),
        _ => return false,
    };
    let rest = (sum + more) % 11;
    let rest = if number.first() == Some(&b'M') {
        10 - rest
    } else {
        rest
    };
    letter(table, u64::from(rest)) == number.last().copied()
}

/// Date and place of birth.
pub fn malaysia(number: &[u8]) -> bool {
    has_ymd(number, 0)
        && matches!(part(number, 6, 8), 1..=16 | 21..=68 | 71..=72 | 74..=79 | 82..=93 | 98..=99)
}

pub fn thailand(number: &[u8]) -> bool {
    let sum = weighed(number, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    matches!(digit(number, 0), 1..=8) && ends_in(number, (11 - sum % 11) % 10)
}

/// Place and date of birth; a woman's day has 40 more.
pub fn indonesia(number: &[u8]) -> bool {
    let day = part(number, 6, 8);
    let day = if day > 40 { day - 40 } else { day };
    is_date(part(number, 8, 10), day)
        && matches!(part(number, 0, 2), 11..=94)
        && part(number, 12, 16) > 0
}

pub fn south_africa(number: &[u8]) -> bool {
    has_ymd(number, 0) && digit(number, 10) <= 2 && luhn(number)
}

pub fn australia(number: &[u8]) -> bool {
    let weights: &[u32] = match number.len() {
        8 => &[10, 7, 8, 4, 6, 3, 5, 1],
        _ => &[1, 4, 3, 7, 5, 8, 6, 9, 10],
    };
    weighed(number, weights).is_multiple_of(11) && part(number, 0, 8) > 0
}

pub fn new_zealand(number: &[u8]) -> bool {
    let amount = part(number, 0, number.len());
    let mut padded = [b'0'; 9];
    let front = 9_usize.saturating_sub(number.len());
    for (to, from) in padded.iter_mut().skip(front).zip(number) {
        *to = *from;
    }
    let rest = |weights: &[u32]| (11 - weighed(&padded, weights) % 11) % 11;
    let mut check = rest(&[3, 2, 7, 6, 5, 4, 3, 2]);
    if check == 10 {
        check = rest(&[7, 4, 3, 2, 5, 2, 7, 6]);
    }
    (10_000_001..150_000_000).contains(&amount) && ends_in(number, check)
}

pub fn hungary_social(number: &[u8]) -> bool {
    ends_in(number, weighed(number, &[3, 7, 3, 7, 3, 7, 3, 7]) % 10)
}

pub fn hungary_tax(number: &[u8]) -> bool {
    let sum = weighed(number, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    digit(number, 0) == 8 && ends_in(number, sum % 11)
}

pub fn iceland(number: &[u8]) -> bool {
    let sum = weighed(number, &[3, 2, 7, 6, 5, 4, 3, 2, 1]);
    has_dmy(number) && matches!(last(number), 0 | 8 | 9) && sum.is_multiple_of(11)
}

pub fn ukraine(number: &[u8]) -> bool {
    // The first weight is minus one: ten, modulo eleven.
    let sum = weighed(number, &[10, 5, 7, 9, 4, 6, 10, 5, 7]);
    ends_in(number, sum % 11 % 10)
}

pub fn russia(number: &[u8]) -> bool {
    let one = weighed(number, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10;
    let two = weighed(number, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10;
    digit(number, 10) == one && ends_in(number, two)
}

pub fn russia_pension(number: &[u8]) -> bool {
    let sum = weighed(number, &[9, 8, 7, 6, 5, 4, 3, 2, 1]);
    u64::from(sum % 101 % 100) == part(number, 9, 11) && part(number, 0, 9) > 1_001_998
}

pub fn ecuador(number: &[u8]) -> bool {
    matches!(part(number, 0, 2), 1..=24 | 30) && digit(number, 2) < 6 && luhn(number)
}

/// A letter counts as two digits.
pub fn taiwan(number: &[u8]) -> bool {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let first = number.first().copied().unwrap_or_default();
    let Some(place) = LETTERS.iter().position(|known| *known == first) else {
        return false;
    };
    let front = u32::try_from(place).unwrap_or_default() + 10;
    let rest = number.get(1..).unwrap_or_default();
    let sum = front / 10 + front % 10 * 9 + weighed(rest, &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    matches!(digit(number, 1), 1 | 2 | 8 | 9) && sum.is_multiple_of(10)
}

/// One letter or two, six digits, and a check digit in brackets or without.
pub fn hong_kong(number: &[u8]) -> bool {
    let (check, body) = number.split_last().unwrap_or((&0, &[]));
    // A space stands for the second letter, as 36.
    let front = if body.len() == 7 { 36 * 9 } else { 0 };
    let sum = body
        .iter()
        .rev()
        .zip(2..)
        .map(|(byte, weight): (&u8, u32)| {
            char::from(*byte).to_digit(36).unwrap_or_default() * weight
        })
        .fold(front, u32::saturating_add);
    letter(b"0A987654321", u64::from(sum % 11)) == Some(*check)
}

/// Place, serial, sex; no check digit.
pub fn pakistan(number: &[u8]) -> bool {
    matches!(digit(number, 0), 1..=8)
}

/// A number without a check digit.
pub fn any(number: &[u8]) -> bool {
    number.iter().any(|byte| *byte != b'0')
}
