//! Numbers of taxpayers for value-added tax in the European Union (Directive 2006/112/EC, article
//! 215): the letters of a country and its own number, with the check digits that the states give
//! them. The tests ask python-stdnum.

use super::checks;
use super::digits::{ends_in, letter, luhn, mod_11_10, mod_97_10, part, value, weighed};

/// How they are written: letters and digits in one piece, or digits behind the letters, in groups
/// or a space apart.
pub const FORMS: &str = "aaaddddddddd|aaadddddddd|aadddddddddddd|aaddddddddddd|aadddddddddd|\
aaddddddddd|aadddddddd|aaddddddda|aadddddddda|aaaddddddda|aaddddddddaa|aadddddddaa|aaaxddddddddd|\
aaxxddddddddd|aadddddddddadd|aadaddddda|aaddddddd|aadddddd|\
aaddd.ddd.ddd|aadddd.ddd.ddd|aaddd-ddd-ddd|aaddd ddd ddd|\
aa ddd ddd ddd|aa dddd.ddd.ddd|aa dddd ddd ddd|aa dd ddd ddd ddd|aa ddddddddddd|aa dddddddddd|aa ddddddddd|aa dddddddd";

/// Whether it is one of these numbers.
pub fn europe(number: &[u8]) -> bool {
    let (country, own) = number.split_at_checked(2).unwrap_or_default();
    let all = own.iter().all(u8::is_ascii_digit);
    let is = |length: usize, weights: &[u32], modulus: u32| {
        all && own.len() == length && weighed(own, weights).is_multiple_of(modulus)
    };
    match country {
        b"AT" => austria(own),
        b"BE" => {
            all && own.len() == 10
                && matches!(own.first(), Some(b'0' | b'1'))
                && 97 - part(own, 0, 8) % 97 == part(own, 8, 10)
        }
        b"BG" => all && bulgaria(own),
        b"CY" => cyprus(own),
        b"CZ" => all && czechia(own),
        b"DE" => all && own.len() == 9 && own.first() != Some(&b'0') && mod_11_10(own),
        b"DK" => own.first() != Some(&b'0') && is(8, &[2, 7, 6, 5, 4, 3, 2, 1], 11),
        b"EE" => is(9, &[3, 7, 1, 3, 7, 1, 3, 7, 1], 10),
        b"EL" | b"GR" => {
            let sum = weighed(own, &[256, 128, 64, 32, 16, 8, 4, 2]);
            all && own.len() == 9 && ends_in(own, sum % 11 % 10) && sum > 0
        }
        b"ES" => spain(own),
        b"FI" => is(8, &[7, 9, 10, 5, 8, 4, 2, 1], 11),
        b"FR" => france(own),
        b"GB" | b"XI" => all && britain(own),
        b"HR" => all && own.len() == 11 && mod_11_10(own),
        b"HU" => is(8, &[9, 7, 3, 1, 9, 7, 3, 1], 10),
        b"IE" => ireland(own),
        b"IT" => {
            all && own.len() == 11
                && luhn(own)
                && matches!(part(own, 7, 10), 1..=100 | 120 | 121 | 888 | 999)
        }
        b"LT" => all && lithuania(own),
        b"LU" => all && own.len() == 8 && part(own, 0, 6) % 89 == part(own, 6, 8),
        b"LV" => all && latvia(own),
        b"MT" => own.first() != Some(&b'0') && is(8, &[3, 4, 6, 7, 8, 9, 10, 1], 37),
        b"NL" => netherlands(number, own),
        b"PL" => all && own.len() == 10 && super::registers::poland_tax(own),
        b"PT" => all && own.len() == 9 && checks::portugal(own),
        b"RO" => all && romania(own),
        b"SE" => all && own.len() == 12 && part(own, 10, 12) > 0 && own.get(..10).is_some_and(luhn),
        b"SI" => {
            let rest = 11 - weighed(own, &[8, 7, 6, 5, 4, 3, 2]) % 11;
            all && own.len() == 8
                && own.first() != Some(&b'0')
                && rest < 11
                && ends_in(own, rest % 10)
        }
        b"SK" => {
            all && own.len() == 10
                && own.first() != Some(&b'0')
                && part(own, 0, 10).is_multiple_of(11)
                && own.get(2).is_some_and(|third| b"234789".contains(third))
        }
        _ => false,
    }
}

fn austria(own: &[u8]) -> bool {
    let Some(digits) = own.strip_prefix(b"U") else {
        return false;
    };
    let sum = digits
        .iter()
        .take(7)
        .enumerate()
        .map(|(at, byte)| match (at % 2, value(*byte)) {
            (0, digit) => digit,
            (_, digit) => digit * 2 / 10 + digit * 2 % 10,
        })
        .fold(0, u32::saturating_add);
    digits.len() == 8 && digits.iter().all(u8::is_ascii_digit) && ends_in(digits, (96 - sum) % 10)
}

fn bulgaria(own: &[u8]) -> bool {
    match own.len() {
        9 => {
            let mut check = weighed(own, &[1, 2, 3, 4, 5, 6, 7, 8]) % 11;
            if check == 10 {
                check = weighed(own, &[3, 4, 5, 6, 7, 8, 9, 10]) % 11;
            }
            ends_in(own, check % 10)
        }
        10 => {
            let other = (11 - weighed(own, &[4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
            checks::bulgaria(own)
                || super::registers::bulgaria_foreigner(own)
                || ends_in(own, other)
        }
        _ => false,
    }
}

fn cyprus(own: &[u8]) -> bool {
    const ODD: [u32; 10] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21];
    let (check, digits) = own.split_last().unwrap_or((&0, &[]));
    let sum = digits
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            let digit = value(*byte);
            let place = usize::try_from(digit).unwrap_or_default();
            match at % 2 {
                0 => ODD.get(place).copied().unwrap_or_default(),
                _ => digit,
            }
        })
        .fold(0, u32::saturating_add);
    digits.len() == 8
        && digits.iter().all(u8::is_ascii_digit)
        && letter(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", u64::from(sum % 26)) == Some(*check)
}

fn czechia(own: &[u8]) -> bool {
    match own.len() {
        8 => {
            let rest = (11 - weighed(own, &[8, 7, 6, 5, 4, 3, 2]) % 11) % 11;
            let check = if rest == 0 { 1 } else { rest % 10 };
            own.first() != Some(&b'9') && ends_in(own, check)
        }
        9 if own.first() == Some(&b'6') => {
            let rest = weighed(own.get(1..).unwrap_or_default(), &[8, 7, 6, 5, 4, 3, 2]) % 11;
            // (8 − (10 − rest) mod 11) mod 10, without a sign.
            ends_in(own, (18 - (10 - rest) % 11) % 10) || checks::czechia(own)
        }
        9 | 10 => checks::czechia(own),
        _ => false,
    }
}

fn spain(own: &[u8]) -> bool {
    let digits = own.get(1..8).unwrap_or_default();
    if own.len() != 9 {
        return false;
    }
    if own
        .get(..8)
        .is_some_and(|front| front.iter().all(u8::is_ascii_digit))
    {
        return checks::spain(own);
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    if own.first().is_some_and(|first| b"XYZ".contains(first)) {
        return checks::spain_foreigner(own);
    }
    // Companies: Luhn's digit, or the letter for it.
    let check = (0..=9).find(|check| {
        let mut all = [b'0'; 8];
        for (to, from) in all.iter_mut().zip(digits) {
            *to = *from;
        }
        if let Some(last) = all.last_mut() {
            *last = b'0'.saturating_add(*check);
        }
        luhn(&all)
    });
    let Some(check) = check else {
        return false;
    };
    let given = own.last().copied();
    own.first()
        .is_some_and(|kind| b"ABCDEFGHJNPQRSUVW".contains(kind))
        && (given == Some(b'0'.saturating_add(check))
            || given == letter(b"JABCDEFGHI", u64::from(check)))
}

fn france(own: &[u8]) -> bool {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let (front, siren) = own.split_at_checked(2).unwrap_or_default();
    let place = |at: usize| {
        let byte = front.get(at)?;
        let place = LETTERS.iter().position(|known| known == byte)?;
        u64::try_from(place).ok()
    };
    let (Some(one), Some(two)) = (place(0), place(1)) else {
        return false;
    };
    let company = part(siren, 0, 9);
    let known = siren.len() == 9
        && siren.iter().all(u8::is_ascii_digit)
        && (siren.starts_with(b"000") || luhn(siren));
    let check = match (one < 10, two < 10) {
        (true, true) => return known && one * 10 + two == (company * 100 + 12) % 97,
        (true, false) => (one * 24 + two).checked_sub(10),
        (false, _) => (one * 34 + two).checked_sub(100),
    };
    known && check.is_some_and(|check| (company + 1 + check / 11) % 11 == check % 11)
}

/// Of nine digits: modulus 97, by the old way or with 55 more.
fn britain(own: &[u8]) -> bool {
    let sum = u64::from(weighed(own, &[8, 7, 6, 5, 4, 3, 2])) + part(own, 7, 9);
    own.len() == 9
        && part(own, 0, 7) > 0
        && (sum.is_multiple_of(97) || (sum + 55).is_multiple_of(97))
}

fn ireland(own: &[u8]) -> bool {
    let digits = |from: usize, to: usize| {
        let part = own.get(from..to);
        part.is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let ends = |from: usize| {
        let rest = own.get(from..);
        rest.is_some_and(|rest| rest.iter().all(u8::is_ascii_uppercase))
    };
    if digits(0, 7) && matches!(own.len(), 8 | 9) && ends(7) {
        let second = matches!(own.get(8), None | Some(b'A'..=b'I' | b'W'));
        return second && checks::ireland(own);
    }
    // The old way: the second place is a letter.
    let (Some(first), Some(rest)) = (own.first(), own.get(2..7)) else {
        return false;
    };
    let mut number = [b'0'; 8];
    let order = rest.iter().chain([first]).chain(own.get(7));
    for (to, from) in number.iter_mut().skip(1).zip(order) {
        *to = *from;
    }
    own.len() == 8 && digits(0, 1) && digits(2, 7) && ends(7) && checks::ireland(&number)
}

fn lithuania(own: &[u8]) -> bool {
    let body = own.len().saturating_sub(1);
    let sum = |shift: u32| {
        let places = (0..).map(|at: u32| 1 + (at + shift) % 9);
        own.iter()
            .take(body)
            .zip(places)
            .map(|(byte, weight)| value(*byte) * weight)
            .fold(0, u32::saturating_add)
    };
    let mut check = sum(0) % 11;
    if check == 10 {
        check = sum(2) % 11 % 10;
    }
    let marked = body.checked_sub(1).and_then(|at| own.get(at)) == Some(&b'1');
    matches!(own.len(), 9 | 12) && marked && ends_in(own, check)
}

fn latvia(own: &[u8]) -> bool {
    own.len() == 11
        && match own.first() {
            Some(b'4'..) => weighed(own, &[9, 1, 4, 8, 3, 10, 2, 5, 7, 6, 1]) % 11 == 3,
            _ => checks::latvia(own),
        }
}

fn netherlands(number: &[u8], own: &[u8]) -> bool {
    let (digits, rest) = own.split_at_checked(9).unwrap_or_default();
    let shaped = own.len() == 12
        && digits.iter().all(u8::is_ascii_digit)
        && rest.first() == Some(&b'B')
        && rest.iter().skip(1).all(u8::is_ascii_digit)
        && part(own, 10, 12) > 0;
    shaped && (checks::netherlands(digits) || mod_97_10(number))
}

fn romania(own: &[u8]) -> bool {
    let (_, body) = own.split_last().unwrap_or((&0, &[]));
    let sum = body
        .iter()
        .rev()
        .zip([2, 3, 5, 7, 1, 2, 3, 5, 7])
        .map(|(byte, weight)| value(*byte) * weight)
        .fold(0_u32, u32::saturating_add);
    (6..=10).contains(&own.len()) && own.first() != Some(&b'0') && ends_in(own, sum * 10 % 11 % 10)
}
