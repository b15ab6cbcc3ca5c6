//! Whole numbers as JSON and tables may spell them: with an exponent, a fraction of zeros, or zeros
//! in front (`4.111111111111111e15`, `4111111111111111.0`).

use std::borrow::Cow;

/// Digits of the longest number that can be anything.
const MOST_DIGITS: usize = 19;
/// Digits of the longest spelling that is read.
const LONGEST: usize = 40;
/// Digits of an exponent.
const EXPONENT: usize = 3;

/// A whole number.
#[derive(Debug, PartialEq, Eq)]
pub struct Whole<'a> {
    /// Its digits, without zeros in front.
    pub digits: Cow<'a, str>,
    /// Bytes that spell it.
    pub length: usize,
}

/// The number that begins with the digit at the front of `text`, if it is whole. What stands behind
/// it is the caller's to judge.
pub fn read(text: &[u8]) -> Option<Whole<'_>> {
    let whole = digits(text);
    let behind = text.get(whole.len()..)?;
    let fraction = behind.strip_prefix(b".").map(digits).unwrap_or_default();
    let mut length = whole.len();
    if !fraction.is_empty() {
        length = length.saturating_add(1).saturating_add(fraction.len());
    }
    let exponent = exponent(text.get(length..)?);
    if fraction.is_empty() && exponent.is_none() {
        let zeros = whole.iter().take_while(|digit| **digit == b'0').count();
        return Some(Whole {
            digits: Cow::Borrowed(core::str::from_utf8(whole.get(zeros..)?).ok()?),
            length,
        });
    }
    let (exponent, exponent_length) = exponent.unwrap_or_default();
    length = length.saturating_add(exponent_length);
    let places = i32::try_from(fraction.len()).ok()?;
    let shift = exponent.checked_sub(places)?;
    // Most numbers with a point are none.
    let broken = shift < 0 && fraction.last().or(whole.last()) != Some(&b'0');
    if broken || whole.len().saturating_add(fraction.len()) > LONGEST {
        return None;
    }
    let mut value = String::with_capacity(LONGEST);
    value.push_str(core::str::from_utf8(whole).ok()?);
    value.push_str(core::str::from_utf8(fraction).ok()?);
    let mut value = value.trim_start_matches('0').to_owned();
    match usize::try_from(shift) {
        Ok(zeros) if value.len().saturating_add(zeros) <= MOST_DIGITS => {
            value.extend(core::iter::repeat_n('0', zeros));
        }
        Ok(_) => return None,
        Err(_) => {
            let places = usize::try_from(shift.unsigned_abs()).ok()?;
            let point = value.len().checked_sub(places)?;
            if value.bytes().skip(point).any(|digit| digit != b'0') {
                return None;
            }
            value.truncate(point);
        }
    }
    Some(Whole {
        digits: Cow::Owned(value),
        length,
    })
}

fn digits(text: &[u8]) -> &[u8] {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.get(..length).unwrap_or_default()
}

/// The exponent at the front, and its length.
fn exponent(text: &[u8]) -> Option<(i32, usize)> {
    let behind = text
        .strip_prefix(b"e")
        .or_else(|| text.strip_prefix(b"E"))?;
    let (negative, plain) = match behind {
        [b'-', plain @ ..] => (true, plain),
        [b'+', plain @ ..] => (false, plain),
        plain => (false, plain),
    };
    let digits = digits(plain);
    if !(1..=EXPONENT).contains(&digits.len()) {
        return None;
    }
    let value: i32 = core::str::from_utf8(digits).ok()?.parse().ok()?;
    let length = text.len().saturating_sub(plain.len());
    let value = if negative { -value } else { value };
    Some((value, length.saturating_add(digits.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_read_however_it_is_spelled() {
        for (text, digits, length) in [
            ("4111,", "4111", 4),
            ("004111", "4111", 6),
            ("4111.0", "4111", 6),
            ("4111.00e0]", "4111", 9),
            ("4.111e3", "4111", 7),
            ("4.111E+03", "4111", 9),
            ("0.4111e4", "4111", 8),
            ("411100e-2", "4111", 9),
            ("41.11e2x", "4111", 7),
            ("41.1e2", "4110", 6),
            ("4111.", "4111", 4),
            ("4111e", "4111", 4),
            ("4111e+", "4111", 4),
            ("4111e0000", "4111", 4),
            ("0", "", 1),
            ("0.0e9", "000000000", 5),
        ] {
            let read = read(text.as_bytes()).map(|whole| (whole.digits.into_owned(), whole.length));
            let zeros = digits.bytes().all(|digit| digit == b'0');
            match read {
                Some((_, read)) if zeros => assert_eq!(read, length, "{text}"),
                read => assert_eq!(read, Some((digits.to_owned(), length)), "{text}"),
            }
        }
        let long = format!("1.{}", "0".repeat(50));
        for text in [
            "4111.5", "4.1115e3", "41e20", "411e-2", "4e-9", "1e999", &long,
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }
}
