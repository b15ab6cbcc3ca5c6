//! Numbers that are no more than letters and digits: of passports, licences, plates, accounts and
//! records, and dates of birth.

use super::{can_end, finding};
use crate::detect::id::{Id, Ids};
use crate::detect::{Certainty, Entity, Finding, Scene, boundary, dates};

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
    most: 9,
    digits: 5,
    between: b"",
};
const LICENSE: Code = Code {
    least: 5,
    most: 20,
    digits: 4,
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
        let end = code_end(scene.bytes, start, &code)?;
        let start = match id {
            Id::Plate => district(scene, start),
            _ => start,
        };
        let code = scene.bytes.get(start..end)?;
        let mixed = code.iter().any(u8::is_ascii_uppercase);
        let fits = match id {
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
