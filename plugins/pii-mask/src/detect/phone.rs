//! Telephone numbers: international with `+` or `00` (E.164: country code, then a length that fits it), North American
//! shape (3-3-4, written with brackets, hyphens or dots), national with a trunk `0`, and anything of a plausible length
//! beside a word such as "phone" or "call". Dates are not numbers. No numbering plan is consulted below the country code.

use super::boundary::{ends, left_words};
use super::number::Chain;
use super::{Certainty, Scene};
use core::ops::{Range, RangeInclusive};

/// What a word to the left says about a number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    /// A telephone.
    Phone,
    /// Some number: a telephone's, unless it is one of something else.
    Number,
    /// A number of something else.
    Other,
}

fn hint(word: &[u8]) -> Option<Hint> {
    Some(match word {
        b"phone" | b"phones" | b"telephone" | b"tel" | b"mobile" | b"cell" | b"cellphone"
        | b"fax" | b"call" | b"calling" | b"called" | b"dial" | b"reach" | b"contact"
        | b"whatsapp" | b"signal" | b"sms" | b"ring" | b"answering" | b"handy" | b"telefon"
        | b"msisdn" => Hint::Phone,
        b"number" | b"numbers" => Hint::Number,
        b"order" | b"account" | b"invoice" | b"ticket" | b"tracking" | b"serial" | b"id"
        | b"passport" | b"license" | b"licence" | b"routing" | b"policy" | b"case"
        | b"reference" | b"ref" | b"ssn" | b"social" | b"card" | b"isbn" | b"zip" | b"postal"
        | b"part" | b"model" | b"version" | b"build" | b"port" | b"row" | b"bank" | b"member"
        | b"credit" => Hint::Other,
        _ => return None,
    })
}

/// Words that tell what a number was, behind it.
pub const LABELS: [&str; 9] = [
    "office", "fax", "mobile", "cell", "home", "work", "tel", "phone", "direct",
];

pub fn match_groups(scene: Scene<'_>, chain: &Chain<'_>) -> Option<(Range<usize>, Certainty)> {
    let (start, plus) = lead(scene, chain);
    let (count, certainty) = if plus {
        international(chain, 0)?
    } else if let Some(found) = exit_code(chain)
        .or_else(|| north_american(chain))
        .or_else(|| trunk(chain))
    {
        found
    } else {
        in_context(scene, chain, start)?
    };
    Some((
        start..extension_end(scene.bytes, chain.end(count)),
        certainty,
    ))
}

/// Where the number begins with its `+` and bracket, and whether it has the `+`.
fn lead(scene: Scene<'_>, chain: &Chain<'_>) -> (usize, bool) {
    let mut start = chain.start();
    let closes = chain.separator(0).starts_with(b")");
    let before = |start: usize| start.checked_sub(1).filter(|at| *at >= scene.floor);
    let bracket =
        |start: usize| before(start).filter(|at| closes && scene.bytes.get(*at) == Some(&b'('));
    let bracketed = bracket(start);
    start = bracketed.unwrap_or(start);
    let plus = before(start).filter(|at| scene.bytes.get(*at) == Some(&b'+'));
    start = plus.unwrap_or(start);
    if bracketed.is_none() {
        start = bracket(start).unwrap_or(start);
    }
    (start, plus.is_some())
}

/// The groups that make a country code and a number of its length, after `skip` digits of an exit code.
fn international(chain: &Chain<'_>, skip: usize) -> Option<(usize, Certainty)> {
    (1..=chain.len()).rev().find_map(|count| {
        let mut digits = [0_u8; 20];
        let digits = chain.copy_digits(count, &mut digits)?.get(skip..)?;
        let (code, national) = country(digits)?;
        let fits = national.contains(&digits.len().checked_sub(code)?);
        (fits && has_plain_separators(chain, count) && can_end(chain, count))
            .then_some((count, Certainty::Shape))
    })
}

fn exit_code(chain: &Chain<'_>) -> Option<(usize, Certainty)> {
    if chain.group(0).starts_with(b"00") {
        international(chain, 2).filter(|(count, _)| *count > 1)
    } else {
        None
    }
}

/// Length of the country code and possible lengths of what follows it (ITU-T E.164 and its list of assigned codes).
fn country(digits: &[u8]) -> Option<(usize, RangeInclusive<usize>)> {
    let [first, second, ..] = digits else {
        return None;
    };
    let two = first * 10 + second;
    Some(match two {
        10..=19 => (1, 10..=10),
        70..=79 => (1, 10..=10),
        30 | 51..=53 | 55..=58 | 90 | 91 | 98 => (2, 8..=11),
        20
        | 27
        | 31..=34
        | 36
        | 40
        | 41
        | 45..=48
        | 54
        | 60
        | 61
        | 63..=66
        | 81
        | 82
        | 84
        | 86
        | 92..=95 => (2, 7..=11),
        39 | 43 | 44 | 49 | 62 => (2, 6..=12),
        21..=26
        | 28
        | 29
        | 35
        | 37
        | 38
        | 42
        | 50
        | 59
        | 67..=69
        | 80
        | 85
        | 87
        | 88
        | 96
        | 97
        | 99 => (3, 6..=11),
        _ => return None,
    })
}

/// (415) 555-0132, 415-555-0132, 1.415.555.0132, with spaces only if the plan's first digits fit.
fn north_american(chain: &Chain<'_>) -> Option<(usize, Certainty)> {
    let skip = usize::from(chain.group(0) == b"1");
    if !chain.lengths().skip(skip).take(3).eq([3, 3, 4]) {
        return None;
    }
    let count = skip.saturating_add(3);
    let area = chain.separator(skip);
    let exchange = chain.separator(skip.saturating_add(1));
    let in_plan = |index: usize| {
        chain
            .group(skip.saturating_add(index))
            .first()
            .is_some_and(|digit| *digit >= b'2')
    };
    let shaped = match area {
        b")" | b") " | b")-" => matches!(exchange, b"-" | b" " | b"."),
        b"-" | b"." => exchange == area,
        b" " => matches!(exchange, b"-" | b" ") && in_plan(0) && in_plan(1),
        _ => false,
    };
    (shaped && can_end(chain, count)).then_some((count, Certainty::Shape))
}

/// National numbers with a trunk 0 and at least one separator: 10 or 11 digits in all.
fn trunk(chain: &Chain<'_>) -> Option<(usize, Certainty)> {
    if !chain.group(0).starts_with(b"0") {
        return None;
    }
    (2..=chain.len()).rev().find_map(|count| {
        let total: usize = chain.lengths().take(count).sum();
        let uniform = chain
            .single_separator(count)
            .is_some_and(|separator| matches!(separator, b" " | b"-" | b"." | b"/"))
            || chain.separator(0).starts_with(b")")
            || (count > 2 && chain.separator(0) == b" (");
        let grouped = chain.lengths().take(count).skip(1).all(|length| length > 1);
        let fits = (10..=11).contains(&total)
            && uniform
            && grouped
            && !is_date(chain, count)
            && can_end(chain, count);
        fits.then_some((count, Certainty::Shape))
    })
}

/// Any groups of a plausible length, if a word to the left or directly behind tells what they are.
fn in_context(scene: Scene<'_>, chain: &Chain<'_>, start: usize) -> Option<(usize, Certainty)> {
    let mut total = 0_usize;
    let mut fitting = None;
    for (index, length) in chain.lengths().enumerate() {
        let count = index.saturating_add(1);
        total = total.saturating_add(length);
        if total > 13 || (count > 1 && !(2..=8).contains(&length)) {
            break;
        }
        let shortest = if count == 1 { 7 } else { 6 };
        // The first group alone may be longer than groups are.
        let first_fits = count == 1 || (2..=8).contains(&chain.group(0).len());
        if total >= shortest && first_fits && can_end(chain, count) {
            fitting = Some(count);
        }
    }
    let count =
        fitting.filter(|count| has_plain_separators(chain, *count) && !is_date(chain, *count))?;
    let (mut phone, mut number, mut other) =
        (label_follows(scene.bytes, chain.end(count)), false, false);
    left_words(scene, start, |word| match hint(word) {
        Some(Hint::Phone) => phone = true,
        Some(Hint::Number) => number = true,
        Some(Hint::Other) => other = true,
        None => {}
    });
    (phone || (number && !other)).then_some((count, Certainty::Context))
}

/// Whether one of [`LABELS`] stands behind, after a space, a hyphen or an opening bracket.
fn label_follows(bytes: &[u8], end: usize) -> bool {
    let rest = bytes.get(end..).unwrap_or_default();
    let rest = rest
        .strip_prefix(b" (")
        .or_else(|| rest.strip_prefix(b" "))
        .or_else(|| rest.strip_prefix(b"-"))
        .unwrap_or_default();
    let length = rest
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let word = rest.get(..length).unwrap_or_default();
    LABELS
        .iter()
        .any(|label| word.eq_ignore_ascii_case(label.as_bytes()))
}

/// Between groups stand one space, hyphen, dot or slash, or a bracket with a space.
fn has_plain_separators(chain: &Chain<'_>, count: usize) -> bool {
    (0..count.saturating_sub(1)).all(|index| {
        matches!(
            chain.separator(index),
            b" " | b"-" | b"." | b"/" | b")" | b"(" | b") " | b" (" | b")-" | b"-(" | b" - "
        )
    })
}

/// A number can end there, an extension may follow.
fn can_end(chain: &Chain<'_>, count: usize) -> bool {
    chain.can_end(count) || extension(chain.bytes(), chain.end(count)).is_some()
}

/// Behind an extension written as `x123`.
fn extension_end(bytes: &[u8], end: usize) -> usize {
    extension(bytes, end).unwrap_or(end)
}

/// Where an extension that begins at `at` ends.
fn extension(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes
        .get(at..)?
        .strip_prefix(b"x")
        .or_else(|| bytes.get(at..)?.strip_prefix(b"X"))?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let end = at.saturating_add(1).saturating_add(digits);
    ((1..=7).contains(&digits) && ends(bytes, end)).then_some(end)
}

/// 2024-11-21, 21.11.2024, 21/11/24: three groups that read as a day, a month and a year.
fn is_date(chain: &Chain<'_>, count: usize) -> bool {
    let value = |index: usize| {
        chain
            .group(index)
            .iter()
            .take(4)
            .fold(0_u32, |value, digit| {
                value
                    .wrapping_mul(10)
                    .wrapping_add(u32::from(digit.wrapping_sub(b'0')))
            })
    };
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
        _ => false,
    }
}
