//! Digits that are no number that is looked for, told by the bytes beside them: most digits in
//! logs, tables and programs are parts of dates and times, fractions, counts and names.
//!
//! What is said here to be none is none to [`super::number`] too; a test holds both against each
//! other.

use super::Scene;
use super::class::{base64, joins};
use super::groups::{SHORTEST, group_end};
use core::ops::Range;

/// Digits of the longest number without separators that can be anything.
const LONGEST: usize = 20;
/// Characters that may stand between two groups.
const MOST_SEPARATORS: usize = 3;
/// Places of a fraction that has too many for a group of a card.
const LONG_FRACTION: usize = 7;
/// Digits of the shortest card.
const SHORTEST_CARD: usize = 12;

/// Where to read on behind digits that begin no number; none if they may. They begin at a digit
/// behind none, or behind a finding. Where they begin a date, a time or a fraction, what follows of
/// that is nothing, either.
pub fn behind_none(scene: Scene<'_>, digits: Range<usize>) -> Option<usize> {
    let near = Near {
        bytes: scene.bytes,
        at: digits.start,
    };
    let before = near.before(1);
    match before {
        Some(before) if is_word(before) && !near.may_follow(before) => return Some(digits.end),
        Some(b'-' | b'.' | b'/')
            if near.before(2).is_some_and(|byte| byte.is_ascii_digit())
                && scene.found_until != digits.start.checked_sub(1) =>
        {
            // A later part of something longer.
            return Some(digits.end);
        }
        _ => {}
    }
    let length = digits.end.saturating_sub(digits.start);
    let is_none = match length {
        0..SHORTEST => return is_short(near, digits),
        SHORTEST..=LONGEST => false,
        // With zeros in front it may be shorter.
        _ => {
            let behind = scene.bytes.get(digits.end);
            near.before(0) != Some(b'0') && behind.is_none_or(|byte| b",]} \n\"".contains(byte))
        }
    };
    is_none.then_some(digits.end)
}

/// Where to read on behind a date with a time, as logs have it (RFC 3339, or with a space, ISO
/// 8601's comma, or no zone), which stands by itself. Of it only a word in front can make
/// something: where it begins ([`super::ids`], [`super::named`]). Where a number may begin with its
/// seconds, these are where to read on.
pub fn behind_timestamp(bytes: &[u8], digits: Range<usize>) -> Option<usize> {
    /// Bytes of a date and a time.
    const LENGTH: usize = 19;
    if digits.len() != 4 {
        return None;
    }
    let (stamp, rest) = bytes.get(digits.start..)?.split_first_chunk::<LENGTH>()?;
    let [
        _,
        _,
        _,
        _,
        b'-',
        m0,
        m1,
        b'-',
        d0,
        d1,
        b'T' | b' ',
        h0,
        h1,
        b':',
        n0,
        n1,
        b':',
        s0,
        s1,
    ] = stamp
    else {
        return None;
    };
    let all = [m0, m1, d0, d1, h0, h1, n0, n1, s0, s1];
    let before = digits.start.checked_sub(1).and_then(|at| bytes.get(at));
    if !all.into_iter().all(u8::is_ascii_digit) || !before.is_none_or(|byte| is_apart(*byte)) {
        return None;
    }
    let end = digits.start.saturating_add(LENGTH);
    let places = match rest {
        [b'.', places @ ..] => group_end(places, 0),
        _ => 0,
    };
    let fraction = if places > 0 {
        places.saturating_add(1)
    } else {
        0
    };
    let behind = rest.get(fraction..)?;
    let (zone, ended) = match behind {
        [b'Z', next, ..] => (1, is_apart(*next)),
        [b'Z'] => (1, true),
        [b'+', a, b, b':', c, d, next, ..] if [a, b, c, d].into_iter().all(u8::is_ascii_digit) => {
            (6, is_apart(*next) && !b" ()".contains(next))
        }
        // What a number goes on with, and the name of a month.
        [b' ', next, ..] => {
            let letter = places == 0 && next.is_ascii_alphabetic();
            let goes_on = b" ()+-./".contains(next) || next.is_ascii_digit();
            (0, next.is_ascii() && !letter && !goes_on)
        }
        [next, ..] => (0, is_apart(*next) && !b"()".contains(next)),
        [] => (0, true),
    };
    Some(if ended {
        end.saturating_add(fraction).saturating_add(zone)
    } else {
        end.saturating_sub(2)
    })
}

/// Whether a byte before or behind a word leaves it by itself.
const fn is_apart(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t'
            | b'\n'
            | b'\r'
            | b'"'
            | b'\''
            | b'`'
            | b'('
            | b')'
            | b'['
            | b']'
            | b'{'
            | b'}'
            | b'<'
            | b'>'
            | b'|'
            | b','
            | b';'
    )
}

/// Whether digits with these bytes before and behind them are a word by themselves, and in nothing
/// that has several words.
#[inline]
pub fn stand_alone(before: Option<&u8>, behind: Option<&u8>) -> bool {
    before.is_none_or(|byte| !joins(*byte)) && behind.is_none_or(|byte| ends_word(*byte))
}

/// Whether a word that a credential may be ends before a byte.
#[inline]
fn ends_word(byte: u8) -> bool {
    !base64(byte) && byte != b'~'
}

/// Whether a byte belongs to a word.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What stands before a place.
#[derive(Clone, Copy)]
struct Near<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Near<'_> {
    /// The byte so many before it; with 0 the one there.
    fn before(self, count: usize) -> Option<u8> {
        self.bytes.get(self.at.checked_sub(count)?).copied()
    }

    /// Whether a number may follow a byte of a word: the last letter of a name that numbers are
    /// glued to, or of an escape.
    fn may_follow(self, before: u8) -> bool {
        let ends_name = |byte: u8| {
            matches!(
                byte.to_ascii_lowercase(),
                b'n' | b'c' | b'd' | b'l' | b'e' | b'x' | b'b'
            )
        };
        ends_name(before)
            || (before == b'_' && self.before(2).is_some_and(ends_name))
            || self.before(2) == Some(b'\\')
            || self.before(6) == Some(b'\\')
    }
}

/// Where to read on behind fewer digits than a number has by itself, if they are none with what
/// stands behind them, either.
fn is_short(near: Near<'_>, digits: Range<usize>) -> Option<usize> {
    let bytes = near.bytes;
    let length = digits.end.saturating_sub(digits.start);
    let behind = bytes.get(digits.end..).unwrap_or_default();
    // What is in no word, and in no value with dots, is judged by itself.
    let apart = || {
        near.before(1)
            .is_none_or(|byte| !joins(byte) && byte != b':')
    };
    match behind {
        // Four digits of a card whose next group may stand in the next line.
        [b'\r' | b' ', b'\r' | b'\n', ..] if length == 4 => return None,
        // The next line begins with a date.
        [b'\n', a, b, c, d, b'-', e, f, b'-', ..]
            if [a, b, c, d, e, f].into_iter().all(u8::is_ascii_digit) =>
        {
            return Some(digits.end);
        }
        [b'\n' | b' ' | b'-', a, b, c, d, ..]
            if length == 4 && [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()) =>
        {
            return None;
        }
        [b' ' | b'-' | b'.' | b'/' | b'(' | b')' | 0x80.., ..] => {}
        // Up to the seconds of a time.
        [b':', ..]
            if length == 2 && is_time(behind) && (apart() || near.before(1) == Some(b'T')) =>
        {
            return Some(digits.end.saturating_add(4));
        }
        _ => return Some(digits.end),
    }
    let chain = Chain::read(bytes, digits.end, length)?;
    // A power of ten stands behind a fraction.
    if chain.fraction.is_some() && matches!(bytes.get(chain.second_end), Some(b'e' | b'E')) {
        return None;
    }
    if chain.is_decimal(near, length) {
        let ended = bytes
            .get(chain.second_end)
            .is_none_or(|byte| ends_word(*byte));
        return Some(if ended && apart() {
            chain.second_end
        } else {
            digits.end
        });
    }
    if chain.is_date(near) {
        // Up to the day, which may be a part of a word.
        let day = digits.start.saturating_add(8);
        return Some(if apart() { day } else { digits.end });
    }
    chain.is_little().then_some(digits.end)
}

/// Whether minutes and seconds stand there behind their colons, perhaps a fraction, and no more of
/// an address.
fn is_time(behind: &[u8]) -> bool {
    let digits = |pair: [u8; 2]| pair.iter().all(u8::is_ascii_digit);
    let [b':', a, b, b':', c, d, rest @ ..] = behind else {
        return false;
    };
    let rest = match rest {
        [b'.', fraction @ ..] => {
            let length = group_end(fraction, 0);
            fraction.get(length..).unwrap_or_default()
        }
        rest => rest,
    };
    let goes_on = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    digits([*a, *b]) && digits([*c, *d]) && !rest.first().is_some_and(goes_on)
}

/// The groups of digits behind a first one, as far as they are needed.
struct Chain {
    /// Number of groups, and their digits, with the first: no more than show that there are many.
    count: usize,
    total: usize,
    /// What stands behind the first group if it is one character.
    separator: Option<u8>,
    /// Digits of the second group, and where they end.
    second: usize,
    second_end: usize,
    /// Digits of the second group if it stands behind a point.
    fraction: Option<usize>,
}

impl Chain {
    /// None if characters beyond ASCII may stand between groups.
    fn read(bytes: &[u8], end: usize, length: usize) -> Option<Self> {
        let mut chain = Self {
            count: 1,
            total: length,
            separator: None,
            second: 0,
            second_end: end,
            fraction: None,
        };
        let mut at = end;
        loop {
            let between = bytes.get(at..).unwrap_or_default();
            let is_separator = |byte: &&u8| matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')');
            let separators = between.iter().take(MOST_SEPARATORS);
            let separators = separators.take_while(is_separator).count();
            let next = at.saturating_add(separators);
            match between.get(separators) {
                Some(byte) if separators < MOST_SEPARATORS && !byte.is_ascii() => return None,
                Some(byte) if separators > 0 && byte.is_ascii_digit() => {}
                _ => return Some(chain),
            }
            let end = group_end(bytes, next);
            let digits = end.saturating_sub(next);
            if chain.count == 1 {
                chain.separator = between.first().copied().filter(|_| separators == 1);
                (chain.second, chain.second_end) = (digits, end);
                chain.fraction = (chain.separator == Some(b'.')).then_some(digits);
            }
            chain.count = chain.count.saturating_add(1);
            chain.total = chain.total.saturating_add(digits);
            if chain.count > 2 && !chain.is_little() {
                return Some(chain);
            }
            at = end;
        }
    }

    /// Whether it has fewer groups than addresses and fewer digits than telephones.
    const fn is_little(&self) -> bool {
        self.count < 4 && self.total < SHORTEST.saturating_sub(1) || self.count == 1
    }

    /// Whether it is a number with a fraction that is no telephone and no card: those have points
    /// between groups too.
    fn is_decimal(&self, near: Near<'_>, length: usize) -> bool {
        let Some(places) = self.fraction.filter(|_| self.count == 2) else {
            return false;
        };
        let zero = near.before(0) == Some(b'0') && length > 1;
        let card = places < LONG_FRACTION && self.total >= SHORTEST_CARD;
        let phone = length == 3 && places == 4;
        near.before(1) != Some(b'+') && !zero && !card && !phone
    }

    /// Whether it is a date as ISO 8601 has it, or with other separators, and nothing glued on.
    fn is_date(&self, near: Near<'_>) -> bool {
        let Some(text) = near.bytes.get(near.at..) else {
            return false;
        };
        let Some(([y0, y1, y2, y3, one, m0, m1, two, d0, d1], behind)) = text.split_first_chunk()
        else {
            return false;
        };
        let pair = |tens: &u8, ones: &u8| {
            let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
            let value = |digit: &u8| u32::from(digit.wrapping_sub(b'0'));
            digits.then(|| value(tens) * 10 + value(ones))
        };
        let (Some(century), Some(_), Some(month), Some(day)) =
            (pair(y0, y1), pair(y2, y3), pair(m0, m1), pair(d0, d1))
        else {
            return false;
        };
        let ended = match behind {
            [b'-' | b'.' | b'/', next, ..] => !next.is_ascii_digit(),
            [byte, ..] => byte.is_ascii() && !matches!(byte, b'0'..=b'9' | b'x' | b'X'),
            [] => true,
        };
        let real = |one: u32| (1..=31).contains(&one);
        near.before(1) != Some(b'+')
            && matches!(one, b'-' | b'.' | b'/')
            && one == two
            && ended
            && (18..22).contains(&century)
            && real(month)
            && real(day)
            && (month <= 12 || day <= 12)
    }
}
