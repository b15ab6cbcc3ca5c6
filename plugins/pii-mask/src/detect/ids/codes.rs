//! Numbers that are no more than letters and digits: of passports, licences, plates, accounts and
//! records, and dates of birth.

use super::{can_end, finding, match_form};
use crate::detect::id::{Id, Ids};
use crate::detect::{Certainty, Entity, Finding, Scene, boundary, dates};
use core::ops::Range;

/// Letters and digits, hyphens and spaces between groups, with so many of them and of digits among
/// them.
struct Code {
    least: usize,
    most: usize,
    digits: usize,
    between: &'static [u8],
}

const PASSPORT: Code = Code {
    least: 6,
    most: 10,
    digits: 2,
    between: b"",
};
const LICENSE: Code = Code {
    least: 5,
    most: 20,
    digits: 3,
    between: b"- ",
};
const PLATE: Code = Code {
    least: 4,
    most: 8,
    digits: 1,
    between: b"-",
};
const ACCOUNT: Code = Code {
    least: 6,
    most: 17,
    digits: 6,
    between: b"- ",
};
const RECORD: Code = Code {
    least: 5,
    most: 14,
    digits: 4,
    between: b"-",
};

/// What has no form but that it is letters and digits.
pub(super) fn find(scene: Scene<'_>, start: usize, said: Ids) -> Option<Finding> {
    if said.has(Id::Birth)
        && scene.wanted.has(Entity::DateOfBirth)
        && let Some(end) = dates::date(scene, start)
    {
        return Some(finding(start..end, Entity::DateOfBirth, Certainty::Context));
    }
    let kinds = [
        (Id::Passport, Entity::Passport, PASSPORT),
        (Id::License, Entity::DriverLicense, LICENSE),
        (Id::Plate, Entity::LicensePlate, PLATE),
        (Id::Account, Entity::BankAccount, ACCOUNT),
        (Id::Mrn, Entity::MedicalId, RECORD),
    ];
    kinds.into_iter().find_map(|(id, entity, code)| {
        if !said.has(id) || !scene.wanted.has(entity) {
            return None;
        }
        let groups = match id {
            Id::Passport => match_form(scene.bytes, start, "ddd ddd ddd"),
            Id::License => match_form(scene.bytes, start, "ddddd/dd/dddd"),
            _ => None,
        };
        let groups = groups
            .map(|(end, _)| end)
            .filter(|end| can_end(scene.bytes, *end));
        let end = groups.or_else(|| code_end(scene.bytes, start, &code))?;
        let (start, end) = match id {
            Id::Plate => (district(scene, start), end),
            Id::Passport => (series(scene, start..end), end),
            Id::License => (
                series(scene, start..end),
                letter_behind(scene.bytes, start..end),
            ),
            _ => (start, end),
        };
        let code = scene.bytes.get(start..end)?;
        let count = |is: fn(&u8) -> bool| code.iter().filter(|byte| is(byte)).count();
        let (digits, letters) = (count(u8::is_ascii_digit), count(u8::is_ascii_uppercase));
        let mixed = letters > 0;
        let fits = match id {
            // Of nine letters and digits as chance gives them few may be digits.
            Id::Passport if mixed => digits >= 5 || code.len() >= 8,
            Id::Passport => digits <= 9,
            Id::License => digits >= 4 || (mixed && code.len() >= 9),
            Id::Plate => mixed,
            Id::Account => !mixed,
            _ => true,
        };
        (fits && dates::date(scene, start).is_none())
            .then(|| finding(start..end, entity, Certainty::Context))
    })
}

/// Where a plate begins whose letters and digits from `start` on stand behind a district's:
/// `M-AB1234`.
fn district(scene: Scene<'_>, start: usize) -> usize {
    let left = scene.bytes.get(scene.floor..start).unwrap_or_default();
    let Some(left) = left.strip_suffix(b"-") else {
        return start;
    };
    let letters = left.iter().rev().take(4);
    let length = letters.take_while(|byte| byte.is_ascii_uppercase()).count();
    let begin = start.saturating_sub(length.saturating_add(1));
    if (1..=3).contains(&length) && boundary::begins(scene.bytes, begin) {
        begin
    } else {
        start
    }
}

/// Where the letters of a series begin that stand before its digits, with a space or a hyphen
/// between: `YA 1234567`, `L-123456`.
fn series(scene: Scene<'_>, digits: Range<usize>) -> usize {
    /// Digits of the shortest such number.
    const SHORTEST: usize = 6;
    let start = digits.start;
    let number = scene.bytes.get(digits).unwrap_or_default();
    let first = number.first().is_some_and(u8::is_ascii_digit);
    let left = scene.bytes.get(scene.floor.min(start)..start);
    let length = match left.unwrap_or_default() {
        // What abbreviates "number".
        [.., b'N', b'O' | b'R', b' ' | b'-'] | [.., b'I', b'D', b' ' | b'-'] => return start,
        [.., b'A'..=b'Z', b'A'..=b'Z', b' ' | b'-'] => 3,
        [.., b'A'..=b'Z', b' ' | b'-'] => 2,
        _ => return start,
    };
    let begin = start.saturating_sub(length);
    let fits = first && number.len() >= SHORTEST && boundary::begins(scene.bytes, begin);
    if fits { begin } else { start }
}

/// Where a number of seven or eight digits ends, with the letter that may stand behind a space:
/// `12345678 Z`.
fn letter_behind(bytes: &[u8], number: Range<usize>) -> usize {
    let end = number.end;
    let more = end.saturating_add(2);
    let digits = bytes.get(number).unwrap_or_default();
    let fits = matches!(digits.len(), 7 | 8)
        && digits.iter().all(u8::is_ascii_digit)
        && matches!(bytes.get(end..), Some([b' ', b'A'..=b'Z', ..]))
        && can_end(bytes, more);
    if fits { more } else { end }
}

fn code_end(bytes: &[u8], start: usize, code: &Code) -> Option<usize> {
    let (mut at, mut end) = (start, None);
    let (mut length, mut digits) = (0_usize, 0_usize);
    loop {
        match bytes.get(at) {
            Some(byte) if byte.is_ascii_digit() || byte.is_ascii_uppercase() => {
                length = length.saturating_add(1);
                digits = digits.saturating_add(usize::from(byte.is_ascii_digit()));
                at = at.saturating_add(1);
            }
            byte => {
                let whole = (code.least..=code.most).contains(&length)
                    && digits >= code.digits
                    && can_end(bytes, at);
                if whole {
                    end = Some(at);
                }
                let next = bytes.get(at.saturating_add(1));
                let goes_on = byte.is_some_and(|byte| match byte {
                    b' ' => {
                        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
                        before.is_some_and(u8::is_ascii_digit) && next.is_some_and(u8::is_ascii_digit)
                    }
                    _ => next.is_some_and(|next| next.is_ascii_digit() || next.is_ascii_uppercase()),
                } && code.between.contains(byte));
                if !goes_on || length > code.most {
                    return end;
                }
                at = at.saturating_add(1);
            }
        }
    }
}
