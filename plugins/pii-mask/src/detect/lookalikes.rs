//! What has the form of a telephone number and is something else: dates, bytes, code points, rows
//! of numbers, exponents, places on earth.

use super::Scene;
use super::boundary::begins;
use super::groups::Chain;

/// Whether groups are bytes in hexadecimal digits, of which most begin with a zero (`00 43 00 65`),
/// or one more is nothing but zeros.
pub fn is_of_bytes(chain: &Chain<'_>, count: usize) -> bool {
    const MOST: usize = 2;
    let is_byte = |index: &usize| matches!(chain.group(*index), [b'0', _]);
    let pairs = chain.lengths().take(count).all(|length| length == 2);
    (1..chain.len()).filter(is_byte).count() > MOST
        || (pairs && (1..count).any(|index| chain.group(index) == b"00"))
}

/// Whether all groups have four digits or five, and a later one begins with a zero or has five:
/// code points of Unicode, `0045 0304 0300`, `0061 3099 11235`.
pub fn is_of_code_points(chain: &Chain<'_>, count: usize) -> bool {
    let is_point = |group: &[u8]| group.len() == 5 || group.starts_with(b"0");
    count > 2
        && chain.group(0).len() == 4
        && chain
            .lengths()
            .take(count)
            .all(|length| matches!(length, 4 | 5))
        && (1..count).any(|index| is_point(chain.group(index)))
}

/// Whether the plus at `at` stands between numbers, or is the sign of an exponent: `30+20221128`,
/// `9E+100000000`.
pub fn is_sign_between(bytes: &[u8], at: usize) -> bool {
    matches!(
        bytes.get(at.saturating_sub(2)..at),
        Some([.., b'0'..=b'9'] | [b'0'..=b'9' | b'.', b'e' | b'E'])
    )
}

/// Whether two groups are a number with a minus before it, or with nothing but zeros behind its
/// point: `-0345678.5432`, `01234.000`.
pub fn is_negative_fraction(chain: &Chain<'_>, count: usize) -> bool {
    let left = chain.bytes().get(..chain.start()).unwrap_or_default();
    let negative = match left {
        [.., before, b'-'] => !before.is_ascii_alphanumeric() && *before != b'-',
        left => left == b"-",
    };
    count == 2
        && chain.separator(0) == b"."
        && (negative || chain.group(1).iter().all(|digit| *digit == b'0'))
}

/// Whether it is latitude and longitude as ISO 6709 writes them, in degrees and minutes or with
/// seconds: `+4953-09709`, `+394421-1045903`.
pub fn is_place(chain: &Chain<'_>) -> bool {
    let (latitude, longitude) = (chain.group(0), chain.group(1));
    let sized = matches!((latitude.len(), longitude.len()), (4, 5) | (6, 7));
    let minutes = |digits: &[u8]| digits.chunks(2).all(|pair| value(pair) < 60);
    let fits = |digits: &[u8], degrees: usize, most: u32| {
        let (front, rest) = digits.split_at_checked(degrees).unwrap_or_default();
        value(front) <= most && minutes(rest)
    };
    sized
        && chain.separator(0) == b"-"
        && !matches!(chain.separator(1), [b'-' | b'.' | b'/', ..])
        && fits(latitude, 2, 90)
        && fits(longitude, 3, 180)
}

/// Whether what has a plus is a date whose year has a sign (ISO 8601), `+12024-12-31`.
pub fn is_signed_date(chain: &Chain<'_>) -> bool {
    chain.group(0).len() >= 4
        && chain.separator(0) == b"-"
        && chain.separator(1) == b"-"
        && chain.group(1).len() == 2
        && chain.group(2).len() == 2
        && (1..=12).contains(&value(chain.group(1)))
        && (1..=31).contains(&value(chain.group(2)))
}

/// Whether all digits are zeros and ones, which a number in binary digits has.
pub fn is_binary(chain: &Chain<'_>, count: usize) -> bool {
    let mut digits = (0..count).flat_map(|index| chain.group(index));
    digits.all(|digit| matches!(digit, b'0' | b'1'))
}

/// Whether the groups are four octets with points between, the first a zero: an address that is
/// nobody's.
pub fn is_of_octets(chain: &Chain<'_>, count: usize) -> bool {
    count == 4
        && chain.group(0) == b"0"
        && (0..3).all(|index| chain.separator(index) == b".")
        && (0..4).all(|index| chain.group(index).len() <= 3 && value(chain.group(index)) < 256)
}

/// Whether two groups are the years of a span: `2017-2020`.
pub fn is_of_years(chain: &Chain<'_>, count: usize) -> bool {
    count == 2
        && (0..2).all(|index| {
            let year = chain.group(index);
            year.len() == 4 && (1800..2200).contains(&value(year))
        })
}

/// Whether a bracket opens before `at` as that of an index does, or signs that hold it together
/// with a name: `text[500-150:]`, `_-1208892523==`.
pub fn is_in_name(bytes: &[u8], at: usize) -> bool {
    matches!(
        bytes.get(at.saturating_sub(2)..at),
        Some(
            [b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_', b'[']
            | [b'_' | b'=', b'-']
            | [b'[', b'*' | b'.'],
        )
    )
}

fn value(digits: &[u8]) -> u32 {
    digits.iter().take(7).fold(0_u32, |value, digit| {
        value
            .wrapping_mul(10)
            .wrapping_add(u32::from(digit.wrapping_sub(b'0')))
    })
}

/// Whether groups of two digits, perhaps behind a zero apart, are a part of a longer row of numbers
/// (bytes in hex, drawn numbers, cells) or no French number, which begins with 01 to 09.
pub fn is_row(scene: Scene<'_>, chain: &Chain<'_>, count: usize) -> bool {
    let apart = chain.group(0) == b"0";
    let mut pairs = chain.lengths().take(count).skip(usize::from(apart));
    let in_pairs = pairs.all(|length| length == 2);
    if !in_pairs && !apart {
        return false;
    }
    let pair =
        |pair: Option<&[u8]>| pair.is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
    let (start, end) = (chain.start(), chain.end(count));
    let is_space = |at: Option<usize>| at.and_then(|at| scene.bytes.get(at)) == Some(&b' ');
    let before = is_space(start.checked_sub(1))
        && pair(
            start
                .checked_sub(3)
                .and_then(|from| scene.bytes.get(from..start.saturating_sub(1))),
        )
        && begins(scene.bytes, start.saturating_sub(3));
    let digit = |at: Option<usize>| {
        at.and_then(|at| scene.bytes.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    let cell_before = is_space(start.checked_sub(1)) && digit(start.checked_sub(2));
    let cell_behind = is_space(Some(end)) && digit(end.checked_add(1));
    if apart {
        // `0 70 60 60 50 60`: nobody writes telephones so.
        return in_pairs || cell_before || cell_behind;
    }
    chain.group(0) == b"00"
        || before
        || (count < chain.len() && chain.lengths().nth(count) == Some(2) && is_space(Some(end)))
}

/// 2024-11-21, 21.11.2024, 21/11/24: three groups that read as a day, a month and a year; or what
/// stands between the day of a date and the year of the next: "28 `02 2009 19 08` 2021".
pub fn is_date(chain: &Chain<'_>, count: usize) -> bool {
    let value = |index: usize| value(chain.group(index));
    let day_and_month =
        |a: u32, b: u32| (1..=31).contains(&a) && (1..=31).contains(&b) && (a <= 12 || b <= 12);
    let separator = chain.separator(0);
    if count < 3
        || separator != chain.separator(1)
        || !matches!(separator, b"-" | b"." | b"/" | b" ")
    {
        return false;
    }
    let mut lengths = chain.lengths();
    match (lengths.next(), lengths.next(), lengths.next()) {
        (Some(4), Some(1..=2), Some(1..=2)) => {
            (1800..2200).contains(&value(0)) && day_and_month(value(1), value(2))
        }
        (Some(1..=2), Some(1..=2), Some(4)) => {
            (1800..2200).contains(&value(2)) && day_and_month(value(0), value(1))
        }
        (Some(2), Some(4), Some(2)) => {
            count == 4
                && lengths.next() == Some(2)
                && (1..=12).contains(&value(0))
                && (1800..2200).contains(&value(1))
                && (1..=31).contains(&value(2))
                && (1..=12).contains(&value(3))
        }
        _ => false,
    }
}
