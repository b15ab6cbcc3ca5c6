//! Machine-readable zones of travel documents (ICAO Doc 9303): passports (two lines of 44), visas
//! (two of 44 or 36), cards of identity and of residence (three of 30, two of 36), and the card
//! that France gave out until 2021.
//!
//! Algorithm: letters, digits and `<` in a row, of the exact length of a line, in which the check
//! digits of the document's number, of the birth and of the expiry are right. One such line counts
//! by itself, and the lines beside it that are as long belong to it. The composite check digit is
//! not asked for: visas have none, and where it alone is wrong the rest still tells.
//!
//! What it cannot do: the line of names by itself, which has no check digit.

use super::class::{beginning, ending};
use super::{Certainty, Entity, Finding, Scene, fold};
use core::ops::Range;

/// Letters and digits of a line: of a card, of a smaller document, of a passport.
const CARD: usize = 30;
const SMALL: usize = 36;
const BOOK: usize = 44;
/// Those of lines with nothing between.
const TWO_SMALL: usize = 2 * SMALL;
const TWO_BOOK: usize = 2 * BOOK;
const THREE_CARD: usize = 3 * CARD;
/// Most that stands between two lines.
const MOST_BETWEEN: usize = 16;
/// Letters and digits around the dates, where no `<` stands among them.
const SHORTEST_RUN: usize = 15;

/// Whether these letters and digits may be a part of a machine-readable zone, by their length and
/// what stands beside them. Most that are long are base64 and the like.
#[inline]
pub fn may_hold(bytes: &[u8], run: &Range<usize>, digits_end: usize, behind: &[u8]) -> bool {
    if run.len() < SHORTEST_RUN {
        return behind.first() == Some(&b'<');
    }
    let before = run.start.checked_sub(1).and_then(|at| bytes.get(at));
    !matches!(before, Some(b'+' | b'/'))
        && !bytes.get(digits_end).is_some_and(u8::is_ascii_lowercase)
}

/// The zone, or as many lines of it as there are, with the digit at `at` in it, in a stretch of
/// letters and digits that is long or has a `<` behind it.
#[cold]
pub fn find(scene: &Scene<'_>, at: usize) -> Option<Finding> {
    let scene = *scene;
    // Most that are long are base64 and the like, with small letters.
    let front = scene.bytes.get(at..)?.first_chunk::<4>();
    if front.is_some_and(|front| front.iter().any(u8::is_ascii_lowercase)) {
        return None;
    }
    let left = scene.bytes.get(scene.floor.min(at)..at)?;
    let right = scene.bytes.get(at..)?;
    let start = at.saturating_sub(ending(left, THREE_CARD, is_sign));
    let mut end = at.saturating_add(beginning(right, LONGEST_ROW, is_sign));
    let last = end.saturating_sub(1);
    if scene.bytes.get(last..).is_some_and(is_tag) {
        end = last;
    }
    let row = start..end;
    if !is_size(row.len()) || !is_row(scene.bytes, &row) {
        return None;
    }
    let span = match row.len() {
        CARD => card(scene, row.clone()),
        SMALL | BOOK => book(scene, row.clone()),
        _ => glued(scene.bytes.get(row.clone())?).then(|| row.clone()),
    }?;
    let found = scene.bytes.get(span.clone())?;
    let entity = entity(found, scene.bytes.get(row)?);
    scene.wanted.has(entity).then_some(Finding {
        span,
        entity,
        certainty: Certainty::Check,
        quotes: None,
    })
}

/// Whether a value is a zone, or a line of one.
pub fn is_zone(value: &str) -> bool {
    let is_part = |byte: u8| is_sign(byte) || is_gap(byte);
    value.len() >= CARD && value.contains('<') && value.bytes().all(is_part)
}

/// The lines of such a value with a space between, where the source of a string has escapes there.
pub fn plain(value: &str) -> Option<String> {
    if !value.contains('\\') || !is_zone(value) {
        return None;
    }
    let mut plain = String::with_capacity(value.len());
    let lines = value.split(|one| u8::try_from(one).is_ok_and(is_gap));
    for line in lines.filter(|line| !line.is_empty()) {
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.push_str(line);
    }
    Some(plain)
}

/// Passports and visas begin with their letter; where the line of names is missing, the others are
/// told by their length, and by the composite check digit, which visas have not.
fn entity(found: &[u8], row: &[u8]) -> Entity {
    let has_front = found.len() > row.len() || row.len() >= TWO_SMALL;
    let is_passport = match (found.first(), row.len()) {
        (_, CARD | THREE_CARD) => false,
        (Some(first), _) if has_front => b"PV".contains(first),
        (_, SMALL) => !is_small_card(row),
        _ => true,
    };
    match is_passport {
        true => Entity::Passport,
        false => Entity::NationalId,
    }
}

const fn is_sign(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'<')
}

const fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'\\' | b'r' | b'n')
}

const fn is_size(length: usize) -> bool {
    matches!(
        length,
        CARD | SMALL | BOOK | TWO_SMALL | TWO_BOOK | THREE_CARD
    )
}

/// Whether nothing is glued to this stretch, and a line begins with a letter or digit.
fn is_row(bytes: &[u8], row: &Range<usize>) -> bool {
    let before = bytes.get(row.start.saturating_sub(2)..row.start);
    let begins = match before.unwrap_or_default() {
        [b'\\', b'n' | b'r'] => true,
        [.., before] => !before.is_ascii_alphanumeric() && !b"_<".contains(before),
        [] => true,
    };
    begins
        && bytes.get(row.start) != Some(&b'<')
        && match bytes.get(row.end..) {
            Some([b'<', ..]) => bytes.get(row.end..).is_some_and(is_tag),
            Some([behind, ..]) => !behind.is_ascii_alphanumeric() && *behind != b'_',
            _ => true,
        }
}

/// Whether what begins here is a tag of markup, whose sign is none of the line's.
fn is_tag(bytes: &[u8]) -> bool {
    matches!(bytes, [b'<', b'/' | b'!' | b'a'..=b'z', ..])
}

/// The line directly before this one that is as long. It has a `<`: by the first one a stream tells
/// that a zone may begin.
fn before(scene: Scene<'_>, line: &Range<usize>) -> Option<Range<usize>> {
    let left = scene.bytes.get(scene.floor.min(line.start)..line.start)?;
    let gap = ending(left, MOST_BETWEEN, is_gap);
    let end = line.start.saturating_sub(gap);
    let row = end.checked_sub(line.len())?..end;
    let marked = scene.bytes.get(row.clone())?.contains(&b'<');
    let is_line =
        marked && row.start >= scene.floor && is_beside(scene.bytes, &row, end..line.start);
    is_line.then_some(row)
}

/// The same behind it.
fn behind(scene: Scene<'_>, line: &Range<usize>) -> Option<Range<usize>> {
    let right = scene.bytes.get(line.end..)?;
    let gap = beginning(right, MOST_BETWEEN, is_gap);
    let start = line.end.saturating_add(gap);
    let row = start..start.saturating_add(line.len());
    is_beside(scene.bytes, &row, line.end..start).then_some(row)
}

/// Whether a stretch is a line, and divided from the next one.
fn is_beside(bytes: &[u8], row: &Range<usize>, gap: Range<usize>) -> bool {
    let all = |row: &[u8]| row.iter().all(|byte| is_sign(*byte));
    let mut between = Between::default();
    !gap.is_empty()
        && bytes.get(row.clone()).is_some_and(all)
        && is_row(bytes, row)
        && bytes
            .get(gap)
            .is_some_and(|gap| gap.iter().all(|byte| between.step(char::from(*byte))))
        && !between.escape
}

/// What may stand between two lines: spaces and ends of lines, also as a string's source has them.
#[derive(Debug, Default, Clone, Copy)]
struct Between {
    length: usize,
    escape: bool,
}

impl Between {
    /// Takes the next sign; false if it is none of them.
    fn step(&mut self, sign: char) -> bool {
        self.length = self.length.saturating_add(1);
        let fits = match sign {
            ' ' | '\t' | '\r' | '\n' => !self.escape,
            '\\' => true,
            'r' | 'n' => self.escape,
            _ => false,
        };
        self.escape = sign == '\\';
        fits && self.length <= MOST_BETWEEN
    }
}

/// Three lines of a card, of which one is right that has check digits.
fn card(scene: Scene<'_>, line: Range<usize>) -> Option<Range<usize>> {
    let text = scene.bytes.get(line.clone())?;
    let has =
        |line: &Range<usize>, is: fn(&[u8]) -> bool| scene.bytes.get(line.clone()).is_some_and(is);
    let (start, second) = if is_first_of_card(text) {
        let second = behind(scene, &line).filter(|next| !has(next, is_names));
        (line.start, second.unwrap_or_else(|| line.clone()))
    } else if is_second_of_card(text) {
        let first = before(scene, &line).filter(|first| !has(first, is_names));
        (first.map_or(line.start, |first| first.start), line.clone())
    } else {
        return None;
    };
    let begun = start < second.start || has(&second, |line| line.contains(&b'<'));
    let names = behind(scene, &second).filter(|names| begun && has(names, is_names));
    Some(start..names.map_or(second.end, |names| names.end))
}

/// Two lines, of which the second is right.
fn book(scene: Scene<'_>, line: Range<usize>) -> Option<Range<usize>> {
    let text = scene.bytes.get(line.clone())?;
    if !is_second(text) {
        return None;
    }
    let first = before(scene, &line).filter(|first| {
        let first = scene.bytes.get(first.clone()).unwrap_or_default();
        first.first().is_some_and(u8::is_ascii_uppercase) && !is_second(first)
    });
    Some(first.map_or(line.start, |first| first.start)..line.end)
}

/// All lines without anything between.
fn glued(text: &[u8]) -> bool {
    match text.len() {
        THREE_CARD => {
            let (first, rest) = text.split_at_checked(CARD).unwrap_or_default();
            let (second, names) = rest.split_at_checked(CARD).unwrap_or_default();
            is_names(names) && (is_first_of_card(first) || is_second_of_card(second))
        }
        length => text.get(length / 2..).is_some_and(is_second),
    }
}

/// Letters alone, with `<` between and behind them.
fn is_names(line: &[u8]) -> bool {
    !line.iter().any(u8::is_ascii_digit)
}

/// The first line of a card: its kind, who gave it out, its number.
fn is_first_of_card(line: &[u8]) -> bool {
    let kind = line.first().is_some_and(|kind| b"ACIP".contains(kind));
    kind && is_country(line, 2)
        && line.contains(&b'<')
        && (is_checked(line, 5..14) || is_long_number(line))
}

/// A number that is too long for its place goes on behind it, with its check digit at the end.
fn is_long_number(line: &[u8]) -> bool {
    let (Some(front), Some([b'<', rest @ ..])) = (line.get(5..14), line.get(14..)) else {
        return false;
    };
    let end = rest.iter().position(|byte| *byte == b'<');
    let rest = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    let Some((check, rest)) = rest.split_last() else {
        return false;
    };
    check.is_ascii_digit() && *check == check_digit(front.iter().chain(rest))
}

/// The second line of a card: birth, sex, expiry, nationality.
fn is_second_of_card(line: &[u8]) -> bool {
    has_dates(line, 0) && is_country(line, 15) && line.last().is_some_and(u8::is_ascii_digit)
}

/// The second line of the others: number, nationality, birth, sex, expiry.
fn is_second(line: &[u8]) -> bool {
    (is_checked(line, 0..9) && is_country(line, 10) && has_dates(line, 13))
        || is_second_of_france(line)
}

/// Number, given names, birth and sex.
fn is_second_of_france(line: &[u8]) -> bool {
    line.len() == SMALL
        && is_checked(line, 0..12)
        && line.get(13..27).is_some_and(is_names)
        && has_date(line, 27)
        && line.get(34).is_some_and(|sex| b"MF".contains(sex))
}

/// Whether it is the second line of a small card, not of a visa, by its last check digit.
fn is_small_card(line: &[u8]) -> bool {
    let parts = [0..10, 13..20, 21..35];
    let parts = parts
        .into_iter()
        .filter_map(|part| line.get(part))
        .flatten();
    is_second_of_france(line) || line.last() == Some(&check_digit(parts))
}

/// Birth, sex and expiry, from this place on; one of the dates may be unknown.
fn has_dates(line: &[u8], at: usize) -> bool {
    let place = |behind: usize| at.saturating_add(behind);
    let sex = line.get(place(7));
    has_date(line, at)
        && sex.is_some_and(|sex| b"MFX<".contains(sex))
        && has_date(line, place(8))
        && [at, place(8)]
            .into_iter()
            .any(|at| line.get(at).is_some_and(u8::is_ascii_digit))
}

/// A date of six digits, of which each two may be unknown, and its check digit.
fn has_date(line: &[u8], at: usize) -> bool {
    let date = line.get(at..at.saturating_add(6));
    let Some([y0, y1, m0, m1, d0, d1]) = date else {
        return false;
    };
    let fits = |pair: [u8; 2], most: u8| match pair {
        [b'<', b'<'] => true,
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            let value = (tens & 0xF).saturating_mul(10).saturating_add(ones & 0xF);
            most == 99 || (1..=most).contains(&value)
        }
        _ => false,
    };
    fits([*y0, *y1], 99)
        && fits([*m0, *m1], 12)
        && fits([*d0, *d1], 31)
        && is_checked(line, at..at.saturating_add(6))
}

/// Three letters, or fewer with `<` behind: `D<<`.
fn is_country(line: &[u8], at: usize) -> bool {
    let code = line.get(at..at.saturating_add(3));
    matches!(
        code,
        Some([b'A'..=b'Z', b'<', b'<'] | [b'A'..=b'Z', b'A'..=b'Z', b'A'..=b'Z' | b'<'])
    )
}

/// Whether the check digit behind a part of a line is right; that of nothing may be missing.
fn is_checked(line: &[u8], part: Range<usize>) -> bool {
    let (check, part) = (line.get(part.end), line.get(part));
    part.is_some_and(|part| match check {
        Some(b'<') => part.iter().all(|byte| *byte == b'<'),
        check => check == Some(&check_digit(part)),
    })
}

/// Weights 7, 3, 1; letters from 10 on, and `<` counts nothing.
fn check_digit<'a>(part: impl IntoIterator<Item = &'a u8>) -> u8 {
    let values = part
        .into_iter()
        .map(|byte| char::from(*byte).to_digit(36).unwrap_or_default());
    let weighed = values.zip([7, 3, 1].into_iter().cycle());
    let sum = weighed.fold(0_u32, |sum, (value, weight)| {
        sum.saturating_add(value.saturating_mul(weight))
    });
    b'0'.saturating_add(u8::try_from(sum % 10).unwrap_or_default())
}

/// Longest row of signs that may be one or more lines, with that of a tag behind it.
const LONGEST_ROW: usize = THREE_CARD + 1;

/// Reads what may be the lines of a zone as they come, so that none goes before the others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lines {
    /// Signs of the line, as it reads.
    length: usize,
    /// The same as it is written: from the last character on that nobody sees.
    written: usize,
    between: Between,
    /// Where the last line ends.
    end: Option<usize>,
}

impl Lines {
    /// What may be the front of a line, by the characters before its first `<`, from the last one
    /// on.
    pub fn begin(back: impl Iterator<Item = char>) -> Option<Self> {
        let mut lines = Self::default();
        let (mut front, mut is_hidden, mut may_begin) = ('<', false, false);
        for character in back.take(2 * LONGEST_ROW) {
            let reads = fold::folded(character).unwrap_or(character);
            if fold::is_invisible(character) {
                may_begin |= front != '<';
                is_hidden = true;
            } else if is_in_line(reads) && lines.written < LONGEST_ROW {
                lines.length = lines.length.saturating_add(1);
                lines.written = lines.written.saturating_add(usize::from(!is_hidden));
                front = reads;
            } else {
                break;
            }
        }
        may_begin |= front != '<';
        (may_begin && lines.add()).then_some(lines)
    }

    /// Takes one more sign of a line; false if it is too long.
    fn add(&mut self) -> bool {
        self.length = self.length.saturating_add(1);
        self.written = self.written.saturating_add(1);
        self.written <= LONGEST_ROW
    }

    /// Whether the line is as long as this makes lines.
    fn is(&self, is_size: fn(usize) -> bool) -> bool {
        is_size(self.length) || is_size(self.written)
    }

    /// Takes the next character, which stands at `at`; false if no zone goes on with it.
    pub fn step(&mut self, at: usize, character: char) -> bool {
        let reads = fold::folded(character).unwrap_or(character);
        if fold::is_invisible(character) {
            self.written = 0;
            return true;
        }
        if is_in_line(reads) {
            if self.between.length > 0 {
                if self.between.escape || reads == '<' {
                    return false;
                }
                let end = self.end;
                *self = Self {
                    end,
                    ..Self::default()
                };
            }
            let fits = self.add();
            if !fits {
                self.end = Some(at);
            }
            return fits;
        }
        let is_first = self.between.length == 0;
        let goes_on = self.is(is_size) && self.between.step(reads);
        if is_first && self.is(|length| length >= CARD) {
            // Perhaps without the sign of a tag behind it; what is glued to it must be seen, too.
            let may_end = self.is(is_size) || self.is(|length| is_size(length.saturating_sub(1)));
            self.end = Some(at.saturating_add(usize::from(may_end && !goes_on)));
        }
        goes_on
    }

    /// Where the last line ends: what stands before goes with it.
    pub const fn end(&self) -> Option<usize> {
        self.end
    }

    /// Offsets shift: so many bytes at the front are gone.
    pub fn shift(&mut self, bytes: usize) {
        self.end = self.end.map(|end| end.saturating_sub(bytes));
    }
}

fn is_in_line(character: char) -> bool {
    u8::try_from(character).is_ok_and(is_sign)
}

#[cfg(test)]
mod tests;
