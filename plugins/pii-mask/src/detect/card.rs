//! Payment card numbers: 12 to 19 digits, an issuer's prefix with its lengths, the Luhn check digit
//! (ISO/IEC 7812-1). One random number in ten has a right check digit, so what is called an id is
//! no card, nor is a number of JSON without a name that says so ([`names`]).

use super::behind::{Called, called};
use super::boundary::{ends, word_before};
use super::groups::{Chain, group_end};
use super::ids::digits::luhn_of;
use super::names::{self, Words};
use super::{Scene, boundary};

/// Digits of the shortest number.
const SHORTEST: usize = 12;

/// How many of the chain's first groups are a card number: the most that fit.
pub fn match_groups(scene: Scene<'_>, chain: &Chain<'_>) -> Option<usize> {
    let mut total = 0_usize;
    let mut matching = None;
    for (index, length) in chain.lengths().enumerate() {
        let count = index.saturating_add(1);
        total = total.saturating_add(length);
        // Groups have four to six digits; the last may have fewer, or more, but not behind a point:
        // 2335.846261804809 is a fraction.
        let grouped = count == 1
            || chain
                .lengths()
                .take(index)
                .all(|length| (4..=6).contains(&length));
        if total > 19 || !grouped || (count > 1 && length > 6 && chain.separator(0) == b".") {
            break;
        }
        let separated = || {
            matches!(
                chain.single_separator(count),
                Some(b"" | b" " | b"-" | b"." | b"/" | b"  " | b" - ")
            )
        };
        let mut digits = [0_u8; 19];
        if total >= SHORTEST
            && separated()
            && can_end(chain, count)
            && chain.copy_digits(count, &mut digits).is_some_and(|digits| {
                is_luhn(digits) && is_issued(digits, || is_told(scene, chain, count))
            })
            && (stands_alone(scene, chain, count) || is_called(scene, chain, count))
            && (count > 1 || !is_id(scene, chain.start()))
        {
            matching = Some(count);
        }
    }
    matching
}

/// Sixteen digits, and up to three bytes between their groups.
const LONGEST_LINES: usize = 25;

/// Where a card ends that begins at `at` and goes on behind the end of a line: all of its groups as
/// cards are printed, and no number directly before or behind them, as columns have. If each group
/// has a line of its own, words must stand before the first one.
pub fn match_lines(scene: Scene<'_>, at: usize) -> Option<usize> {
    // Its groups are 15 digits or more, with a line's end between: most numbers have none so near.
    let near = scene.bytes.get(at..)?;
    memchr::memchr(
        b'\n',
        near.get(..near.len().min(LONGEST_LINES))
            .unwrap_or_default(),
    )?;
    let mut digits = [0_u8; 19];
    let (mut length, mut groups, mut lines) = (0_usize, [0_usize; 4], 0_usize);
    let (mut from, mut end) = (at, at);
    for group in &mut groups {
        end = group_end(scene.bytes, from);
        let values = scene.bytes.get(from..end)?;
        *group = values.len();
        for digit in values {
            *digits.get_mut(length)? = digit.wrapping_sub(b'0');
            length = length.saturating_add(1);
        }
        if !matches!(group, 4..=6) {
            return None;
        }
        let Some((behind, line)) = next_group(scene.bytes, end) else {
            break;
        };
        from = behind;
        lines = lines.saturating_add(usize::from(line));
    }
    let printed = matches!(groups, [4, 4, 4, 4] | [4, 6, 5, 0]);
    let digits = digits.get(..length)?;
    if !printed || from > end || lines == 0 || !ends(scene.bytes, end) {
        return None;
    }
    let left = scene.bytes.get(..at)?;
    let before = boundary::reach(scene, at);
    let line = before.rsplit(|byte| *byte == b'\n').next()?;
    let in_words = line.iter().any(u8::is_ascii_alphabetic);
    let spaces = left.iter().rev().take(3);
    let column = left
        .get(
            ..left
                .len()
                .saturating_sub(spaces.take_while(|byte| byte.is_ascii_whitespace()).count()),
        )?
        .last()
        .is_some_and(u8::is_ascii_digit);
    (!column && (lines == 1 || in_words) && is_luhn(digits) && is_issued(digits, || true))
        .then_some(end)
}

/// Where the next group begins that is divided from one which ends at `end` by a space, a hyphen or
/// the end of a line; and whether by that.
fn next_group(bytes: &[u8], end: usize) -> Option<(usize, bool)> {
    let rest = bytes.get(end..)?;
    let (line, behind) = match rest {
        [b' ' | b'-', b'0'..=b'9', ..] => (false, 1),
        [b'\n', b'0'..=b'9', ..] => (true, 1),
        [b' ' | b'\r', b'\n', b'0'..=b'9', ..] => (true, 2),
        [b' ', b'\r', b'\n', b'0'..=b'9', ..] => (true, 3),
        _ => return None,
    };
    Some((end.saturating_add(behind), line))
}

/// Whether these ASCII digits, which are a number of JSON, can be a card's.
pub fn is_card(digits: &[u8]) -> bool {
    can_be(digits, true)
}

/// Whether these ASCII digits are a card's though nothing beside them tells.
pub fn is_usual(digits: &[u8]) -> bool {
    can_be(digits, false)
}

fn can_be(digits: &[u8], told: bool) -> bool {
    let mut values = [0_u8; 19];
    let Some(values) = values.get_mut(..digits.len()) else {
        return false;
    };
    for (value, digit) in values.iter_mut().zip(digits) {
        *value = digit.wrapping_sub(b'0');
    }
    values.len() >= SHORTEST && is_luhn(values) && is_issued(values, || told)
}

/// Behind a card its security code, its date or a second card may be glued on. A fraction is no
/// card's end.
fn can_end(chain: &Chain<'_>, count: usize) -> bool {
    let fraction = || count == 1 || chain.separator(0) == b"." || chain.group(count).len() > 4;
    ends(chain.bytes(), chain.end(count)) && (chain.glue(count) != Some(b'.') || !fraction())
}

/// Whether something beside the number says that it is a card: a word, or that it is written in
/// groups. Slashes divide other numbers too.
fn is_told(scene: Scene<'_>, chain: &Chain<'_>, count: usize) -> bool {
    (count > 1 && chain.separator(0) != b"/") || is_called(scene, chain, count)
}

/// Whether a word beside the number says that it is a card.
fn is_called(scene: Scene<'_>, chain: &Chain<'_>, count: usize) -> bool {
    called(scene.bytes, chain.end(count)) == Some(Called::Card)
        || is_called_card(scene, chain.start())
}

/// Whether a word before the number, or the name of the text, says that it is a card.
pub fn is_called_card(scene: Scene<'_>, at: usize) -> bool {
    boundary::context_has(scene, at, &names::CARDS)
        || boundary::context_has(scene, at, &["credit", "debit"])
}

/// Whether nothing around the number shows that it is something else's: groups that are a part of a
/// row of numbers as long, columns, the places of a fraction.
fn stands_alone(scene: Scene<'_>, chain: &Chain<'_>, count: usize) -> bool {
    if count == 1 {
        return !chain.is_fraction_behind_zero();
    }
    let in_row = || {
        chain.separator(0).starts_with(b" ")
            && chain.is_in_row(count, ROW_NUMBER, scene.found_until)
            && !chain
                .behind(count)
                .is_some_and(|behind| is_printed_card(&behind))
    };
    is_printed(chain, count)
        && !in_row()
        && !(is_short(chain, count) && is_behind_group(scene, chain))
}

/// Whether the groups have fewer digits than nearly all cards: any three groups of a longer number
/// are that.
fn is_short(chain: &Chain<'_>, count: usize) -> bool {
    chain.lengths().take(count).sum::<usize>() < 14
}

/// Whether another group, which is no card's, stands directly before these.
fn is_behind_group(scene: Scene<'_>, chain: &Chain<'_>) -> bool {
    let start = chain.start();
    let left = scene.bytes.get(..start).unwrap_or_default();
    matches!(left, [.., b'0'..=b'9', b' ' | b'-']) && scene.found_until != start.checked_sub(1)
}

/// Whether the first groups are a card's as it is printed.
fn is_printed_card(chain: &Chain<'_>) -> bool {
    let mut digits = [0_u8; 19];
    (3..=4).any(|count| {
        count <= chain.len()
            && is_printed(chain, count)
            && chain.copy_digits(count, &mut digits).is_some_and(|digits| {
                digits.len() >= 14 && is_luhn(digits) && is_issued(digits, || true)
            })
    })
}

/// Digits of a number beside a card that shows a row: its date has fewer.
const ROW_NUMBER: usize = 3;

/// Whether the groups are those that cards are printed in and forms ask for: fours, the last one
/// with what is left, or 4-6-5 and the like (American Express, Diners Club, UATP). Others are
/// columns of numbers, unless a word tells.
fn is_printed(chain: &Chain<'_>, count: usize) -> bool {
    let length = |index: usize| chain.lengths().nth(index).unwrap_or_default();
    let last = length(count.saturating_sub(1));
    let fours = || {
        chain
            .lengths()
            .take(count.saturating_sub(1))
            .all(|length| length == 4)
    };
    match count {
        3 if length(1) == 6 => length(0) == 4 && (4..=9).contains(&last),
        3 => fours() && (4..=5).contains(&last),
        4 => fours() && last <= 7,
        5 => fours() && last <= 3,
        _ => false,
    }
}

/// Whether the word before, or the name of the text if the number is all of it, calls the number an
/// id.
fn is_id(scene: Scene<'_>, at: usize) -> bool {
    let before = word_before(scene.bytes, at);
    if !before.is_empty() {
        return names::is_id(&Words::read(before))
            && !boundary::context_has(scene, at, &names::CARDS);
    }
    names::is_id(&Words::read(scene.label.as_bytes()))
}

/// Whether an issuer gives out numbers of this prefix and length. Lengths that most numbers of this
/// front are not, and that article numbers (EAN-13) and ids share, count only if something beside
/// the number tells (`told`).
fn is_issued(digits: &[u8], told: impl FnOnce() -> bool) -> bool {
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
        // Mastercard, Mir, BORICA, Carnet
        2 => match prefix(4) {
            2221..=2720 => length == 16,
            2200..=2204 => length == 16 || ((17..=19).contains(&length) && told()),
            2205 | 2869 => length == 16 && told(),
            _ => false,
        },
        // American Express, Diners Club, JCB
        3 => match prefix(2) {
            34 | 37 => length == 15,
            36 | 38 | 39 => length == 14 || ((15..=19).contains(&length) && told()),
            30 => {
                matches!(prefix(3), 300..=305 | 309)
                    && (length == 14 || ((15..=19).contains(&length) && told()))
            }
            35 => {
                (3528..=3589).contains(&prefix(4))
                    && (length == 16 || ((17..=19).contains(&length) && told()))
            }
            _ => false,
        },
        // Visa; of 13 digits they are no longer given out, of 19 seldom
        4 => length == 16 || (matches!(length, 13 | 19) && told()),
        // Mastercard; Maestro, Dankort, Elo, Verve
        5 => match prefix(2) {
            51..=55 => length == 16,
            50 if (5060..=5079).contains(&prefix(4)) => matches!(length, 16 | 18 | 19) || told(),
            50 | 56..=58 => length == 16 || told(),
            _ => false,
        },
        // Discover, UnionPay, Maestro, RuPay, Elo, Verve
        6 => match prefix(2) {
            62 => length == 16 || length == 19 || ((17..=18).contains(&length) && told()),
            65 | 67 => length == 16 || told(),
            60 | 61 | 63 | 64 | 66 | 68 | 69 => {
                let usual = matches!(
                    prefix(4),
                    6011 | 6062 | 6069..=6085 | 6304 | 6362 | 6363 | 6368 | 6370..=6399 | 6440..=6499
                );
                (length == 16 && usual) || told()
            }
            _ => false,
        },
        // RuPay; Uzcard
        8 => match prefix(2) {
            81 | 82 => length == 16,
            86 => length == 16 && prefix(4) == 8600 && told(),
            _ => false,
        },
        // Troy; Humo
        9 => length == 16 && (prefix(4) == 9792 || (prefix(4) == 9860 && told())),
        _ => false,
    }
}

fn is_luhn(digits: &[u8]) -> bool {
    luhn_of(digits.iter().map(|digit| u32::from(*digit)))
}
