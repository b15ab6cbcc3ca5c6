//! Numbers that people, their papers, accounts and vehicles have, by what they are called and by
//! their check digits.
//!
//! What has neither a form nor check digits that other numbers lack counts beside a word alone
//! ([`super::hints`]), or under such a name. A stretch of letters and digits is looked at once.

mod checks;
mod codes;
pub mod digits;
mod outline;
mod plates;
mod registers;
mod schemes;
mod things;
pub mod told;
mod vat;

use super::boundary::{CONTEXT_REACH, ends, ends_escape, word_before};
use super::class::{base64_front, beginning, ending};
use super::groups::separator;
use super::hints::{self, Hints};
use super::id::{Id, Ids};
use super::meaning::Meaning;
use super::names::is_number_of_things;
use super::{Certainty, Entity, EntitySet, Finding, Scene};
use super::{bic, crypto, dates, mrz, token};
use core::ops::Range;
use modelgate_kit::lanes::Lanes;
use outline::Written;
use schemes::{ALONE, SCHEMES, Scheme, scheme};

/// What is found here.
const ENTITIES: [Entity; 11] = [
    Entity::NationalId,
    Entity::TaxId,
    Entity::Passport,
    Entity::DriverLicense,
    Entity::DateOfBirth,
    Entity::CryptoAddress,
    Entity::Bic,
    Entity::BankAccount,
    Entity::Vin,
    Entity::LicensePlate,
    Entity::MedicalId,
];

/// Whether anything of it is looked for.
pub fn is_wanted(wanted: EntitySet) -> bool {
    ENTITIES.into_iter().any(|entity| wanted.has(entity))
}

/// Longest stretch of letters and digits that may be one: an address of Bitcoin.
const LONGEST_RUN: usize = 90;
/// How far such a stretch is read to the left of its first digit.
const LONGEST_FRONT: usize = 40;
/// Most letters and digits of a number.
const MOST: usize = 24;

/// What is known about one text from one number to the next.
#[derive(Debug)]
pub struct Known {
    hints: Hints,
    /// Up to where stretches have been looked at.
    done: usize,
}

impl Known {
    /// Of a text of which nothing has been read.
    pub const fn new() -> Self {
        Self {
            hints: Hints::new(),
            done: 0,
        }
    }
}

/// What the date that begins with these digits is, by the words beside it: one with a time, which
/// stands by itself.
pub fn find_date(
    scene: Scene<'_>,
    digits: Range<usize>,
    known: &mut Option<Known>,
) -> Option<Finding> {
    let done = known
        .as_ref()
        .is_some_and(|known| digits.start < known.done);
    if done || !begins(scene, digits.start) {
        return None;
    }
    let said = known
        .get_or_insert_with(Known::new)
        .hints
        .at(scene, digits.start);
    let said = scene.wanted.permitted(said);
    (!said.is_empty()).then(|| called(scene, &digits, said))?
}

/// What the stretch of letters and digits around these digits begins.
pub fn find(scene: Scene<'_>, digits: Range<usize>, known: &mut Option<Known>) -> Option<Finding> {
    let at = digits.start;
    if known.as_ref().is_some_and(|known| at < known.done) || is_nothing(scene, &digits) {
        return None;
    }
    let end = digits.end;
    let run = run_around(scene, digits);
    let behind = scene.bytes.get(run.end..).unwrap_or_default();
    if mrz::may_hold(scene.bytes, &run, end, behind)
        && let Some(zone) = mrz::find(&scene, at)
    {
        return Some(zone);
    }
    if run.len() > LONGEST_RUN || !may_begin(scene, &run, behind) || !begins(scene, run.start) {
        // Of a short one the digits are looked at once in any case.
        if run.len() > SHORT {
            known.get_or_insert_with(Known::new).done = run.end;
        } else if plates::may_stand(scene.bytes, run.start, behind) {
            return plate(&scene, run.start, known);
        }
        return None;
    }
    let known = known.get_or_insert_with(Known::new);
    known.done = run.end;
    alone(scene, &run, behind).or_else(|| {
        if is_in_base64(scene, run.start) {
            return None;
        }
        let said = scene.wanted.permitted(known.hints.at(scene, run.start));
        (!said.is_empty()).then(|| called(scene, &run, said))?
    })
}

/// The plate around digits that are too short to be anything else.
#[cold]
fn plate(scene: &Scene<'_>, start: usize, known: &mut Option<Known>) -> Option<Finding> {
    let scene = *scene;
    if !scene.wanted.has(Entity::LicensePlate) || !begins(scene, start) {
        return None;
    }
    let known = known.get_or_insert_with(Known::new);
    let said = known.hints.at(scene, start);
    said.has(Id::Plate).then(|| plates::find(scene, start))?
}

/// Whether the bytes beside the digits at `at` tell that they begin nothing, as those of most
/// numbers in tables do.
#[inline]
fn is_nothing(scene: Scene<'_>, digits: &Range<usize>) -> bool {
    let at = digits.start;
    let before = at.checked_sub(1).and_then(|before| scene.bytes.get(before));
    let Some(before) = before.filter(|before| before.is_ascii() && !before.is_ascii_alphanumeric())
    else {
        return false;
    };
    if !begins(scene, at) {
        return true;
    }
    let divides = |byte: &u8| {
        matches!(
            byte,
            b',' | b':'
                | b';'
                | b'|'
                | b'\t'
                | b'\n'
                | b'"'
                | b'='
                | b'['
                | b']'
                | b'('
                | b')'
                | b'{'
                | b'}'
        )
    };
    let behind = scene.bytes.get(digits.end);
    digits.len() <= SHORT && divides(before) && behind.is_none_or(divides)
}

/// Whether nothing but base64 stands within reach of words before `start`.
fn is_in_base64(scene: Scene<'_>, start: usize) -> bool {
    let from = start.checked_sub(CONTEXT_REACH);
    let near = from.and_then(|from| scene.bytes.get(from..));
    near.is_some_and(|near| base64_front(Lanes::front(near)) >= CONTEXT_REACH)
}

/// Letters and digits of what is too short to be a number by itself.
const SHORT: usize = 4;
/// Fewest digits of a number in groups.
const FEWEST: usize = 6;
/// The same of its first three groups: `2 55 08 14 168 025 38`.
const THREE_GROUPS: usize = 5;

/// Whether a stretch may be a number, or begin one, as far as its length and what is glued to it
/// tell: most are too short, and need no look at what stands before them.
fn may_begin(scene: Scene<'_>, run: &Range<usize>, behind: &[u8]) -> bool {
    let digits = |bytes: &[u8]| {
        let few = bytes.iter().take(FEWEST);
        few.take_while(|byte| byte.is_ascii_digit()).count()
    };
    let group = separator(behind).map(|(sign, length)| {
        let next = behind.get(length..).unwrap_or_default();
        (sign, digits(next), next)
    });
    match group {
        // A decimal fraction.
        Some((b'.', length @ 1.., next))
            if !matches!(next.get(length), Some(b'.' | b'-' | b'/' | b'0'..=b'9'))
                && scene.bytes.get(run.start).is_some_and(u8::is_ascii_digit)
                && run.len() <= FEWEST =>
        {
            false
        }
        _ if run.len() > SHORT => true,
        Some((_, length @ 1.., next)) => {
            let third = next.get(length.saturating_add(1)..).map_or(0, digits);
            let letter = next.get(length).is_some_and(u8::is_ascii_alphabetic);
            let total = run.len().saturating_add(length).saturating_add(third);
            // More groups may follow a third one.
            letter
                || total >= FEWEST
                || (third > 0 && total >= THREE_GROUPS)
                || dates::date(scene, run.start).is_some()
        }
        // `AB12-CD`
        Some((b'-', _, [b'A'..=b'Z', ..])) => true,
        // Plates, and dates with the name of a month.
        _ => {
            let mixed = run.len() == SHORT
                && scene
                    .bytes
                    .get(run.start)
                    .is_some_and(u8::is_ascii_uppercase);
            let before = run.start.checked_sub(1).and_then(|at| scene.bytes.get(at));
            let may = before == Some(&b' ')
                || behind.first().is_some_and(|byte| {
                    matches!(byte, b' ' | b'-' | b'.')
                        || byte.is_ascii_alphabetic()
                        || !byte.is_ascii()
                });
            mixed || (may && dates::has_month(scene.bytes, run.start))
        }
    }
}

/// The letters and digits around these digits.
fn run_around(scene: Scene<'_>, digits: Range<usize>) -> Range<usize> {
    let at = digits.start;
    let left = scene.bytes.get(scene.floor.min(at)..at).unwrap_or_default();
    let before = ending(left, LONGEST_FRONT, |byte| byte.is_ascii_alphanumeric());
    let mut start = at.saturating_sub(before);
    // The letter of an escape is none of the word's.
    let first = start.saturating_add(1);
    if ends_escape(scene.bytes, first) {
        start = first.min(at);
    }
    let rest = scene.bytes.get(digits.end..).unwrap_or_default();
    let more = (LONGEST_RUN + 1).saturating_sub(digits.len());
    let length = beginning(rest, more, |byte| byte.is_ascii_alphanumeric());
    start..digits.end.saturating_add(length)
}

/// Whether a number can begin at `start`: not behind a letter, and not in the middle of a longer
/// number.
fn begins(scene: Scene<'_>, start: usize) -> bool {
    let before = scene
        .bytes
        .get(start.saturating_sub(2)..start)
        .unwrap_or_default();
    match before {
        [.., b'_'] => false,
        [.., last] if last.is_ascii_alphanumeric() => ends_escape(scene.bytes, start),
        [letter, b'.'] => letter.is_ascii_alphabetic(),
        [digit, b'-' | b'/' | b'+' | b','] => !digit.is_ascii_digit(),
        [b'.'] => false,
        _ => true,
    }
}

/// Whether it can end at `end`: no letter and no further group is glued to it.
fn can_end(bytes: &[u8], end: usize) -> bool {
    let glued = matches!(
        bytes.get(end..),
        Some([b'-' | b'.' | b'/' | b'@', next, ..]) if next.is_ascii_alphanumeric()
    );
    ends(bytes, end) && !glued
}

/// The letters and digits of a number, in capitals.
#[derive(Default)]
struct Compact {
    letters: [u8; MOST],
    length: usize,
    /// A letter was a small one.
    small: bool,
}

impl Compact {
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.letters.get_mut(self.length) {
            *slot = byte.to_ascii_uppercase();
            self.length = self.length.saturating_add(1);
        }
        self.small |= byte.is_ascii_lowercase();
    }

    fn get(&self) -> &[u8] {
        self.letters.get(..self.length).unwrap_or_default()
    }
}

/// Where a number of this form ends that begins at `start`.
fn match_form(bytes: &[u8], start: usize, form: &str) -> Option<(usize, Compact)> {
    let mut compact = Compact::default();
    let mut at = start;
    for sign in form.bytes() {
        let rest = bytes.get(at..)?;
        let byte = *rest.first()?;
        let fits = match sign {
            b'd' => byte.is_ascii_digit(),
            b'a' => byte.is_ascii_alphabetic(),
            b'x' => byte.is_ascii_alphanumeric(),
            b's' => {
                b"-+".contains(&byte)
                    || (b'A'..=b'F').contains(&byte)
                    || (b'U'..=b'Y').contains(&byte)
            }
            _ => {
                let optional = sign == b'~';
                // Of those who are older than a hundred years in Sweden.
                let plus = (byte == b'+' && sign == byte).then_some((byte, 1));
                let found = plus.or_else(|| separator(rest)).filter(|(found, length)| {
                    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
                    let digits = before.is_some_and(u8::is_ascii_digit)
                        && rest.get(*length).is_some_and(u8::is_ascii_digit);
                    if optional {
                        b" -./".contains(found) && (*found != b' ' || digits)
                    } else {
                        *found == sign
                    }
                });
                match found {
                    Some((_, length)) => at = at.saturating_add(length),
                    None if optional => {}
                    None => return None,
                }
                continue;
            }
        };
        if !fits {
            return None;
        }
        if byte.is_ascii_alphanumeric() {
            compact.push(byte);
        }
        at = at.saturating_add(1);
    }
    Some((at, compact))
}

fn finding(span: Range<usize>, entity: Entity, certainty: Certainty) -> Finding {
    Finding {
        span,
        entity,
        certainty,
        quotes: None,
    }
}

/// What needs no word beside it.
fn alone(scene: Scene<'_>, run: &Range<usize>, behind: &[u8]) -> Option<Finding> {
    let front = scene.bytes.get(run.clone())?;
    let letter = front.first()?.is_ascii_alphabetic();
    let glue = behind.first().copied().unwrap_or_default();
    // Which forms can begin so; most stretches begin none. Groups have the same sign on both sides.
    let grouped = || {
        let next = behind.get(1..).unwrap_or_default();
        let digits = next.iter().take(MOST);
        let digits = digits.take_while(|byte| byte.is_ascii_digit()).count();
        digits > 1
            && next
                .get(digits)
                .is_some_and(|byte| *byte == glue || !byte.is_ascii())
    };
    let begins_one = match (front.len(), letter, glue) {
        (9 | 10 | 16, true, _) | (17 | 18, ..) | (6, false, b'-' | b'+') | (11, false, _) => true,
        (1..=3, false, b'.' | b'-') | (1, false, b' ') => grouped(),
        (4, false, b'-') => behind.get(1).is_some_and(u8::is_ascii_alphabetic),
        _ => false,
    };
    if !begins_one {
        return crypto::alone(scene, run);
    }
    let may = |form: &str| match (front.len(), letter, glue) {
        (9 | 10 | 16, true, _) | (17 | 18, _, _) => form.len() == front.len(),
        (6, false, b'-' | b'+') | (11, false, _) => form.len() == 11,
        (1..=4, false, b'.' | b'-' | b' ') => form.as_bytes().get(front.len()) == Some(&glue),
        _ => false,
    };
    let found = ALONE
        .iter()
        .filter(|(_, form)| may(form))
        .find_map(|(id, form)| {
            let (end, compact) = match_form(scene.bytes, run.start, form)?;
            let scheme = scheme(*id)?;
            let fits = !compact.small
                && scene.wanted.has(scheme.entity)
                && scene.wanted.permits(*id)
                && can_end(scene.bytes, end)
                && stands_alone(*id, scheme, compact.get())
                && !is_glued(scene, run.start)
                && !is_number_of_things(word_before(scene.bytes, run.start));
            fits.then(|| finding(run.start..end, scheme.entity, Certainty::Check))
        });
    found.or_else(|| crypto::alone(scene, run))
}

/// Whether letters and digits of such a form are the number without a word beside them.
fn stands_alone(id: Id, scheme: &Scheme, number: &[u8]) -> bool {
    match id {
        Id::Vin => things::vehicle(number),
        // A date and four digits are a number of many things.
        Id::Fi => number.iter().any(u8::is_ascii_uppercase) && (scheme.check)(number),
        _ => (scheme.check)(number),
    }
}

/// Whether a word or number ends right before the sign that stands before `start`.
fn is_glued(scene: Scene<'_>, start: usize) -> bool {
    matches!(
        scene.bytes.get(start.saturating_sub(2)..start),
        Some([word, b'-' | b'.' | b'/' | b'+']) if word.is_ascii_alphanumeric()
    )
}

/// What the words beside it call it.
fn called(scene: Scene<'_>, run: &Range<usize>, said: Ids) -> Option<Finding> {
    let start = run.start;
    let lettered = match said.has(Id::AnyNational) {
        true => said.among(LETTERED).with(LETTERED_NATIONAL),
        false => said.among(LETTERED),
    };
    let found = letters_before(scene, start)
        .filter(|_| !lettered.is_empty())
        .and_then(|start| by_scheme(scene, start, lettered))
        .or_else(|| by_scheme(scene, start, said))
        .or_else(|| said.has(Id::Plate).then(|| plates::find(scene, start))?)
        .or_else(|| codes::find(scene, start, said))
        .or_else(|| crypto::called(scene, run, said))
        .or_else(|| bic::at(scene, run, said))?;
    if !scene.wanted.has(found.entity) || !can_end(scene.bytes, found.span.end) {
        return None;
    }
    // A number where JSON has its numbers is called by its own name alone.
    let digits = scene.bytes.get(found.span.clone())?;
    if digits.iter().all(u8::is_ascii_digit)
        && let Some(token) = token::around(scene.bytes, start)
    {
        let digits = token.digits.as_bytes();
        let (entity, certainty) = match token.name {
            Some(name) => judge(digits, name, &Meaning::default(), scene.wanted)?,
            None => judge(digits, scene.label.as_bytes(), scene.meaning, scene.wanted)?,
        };
        return Some(Finding {
            span: token.span,
            entity,
            certainty,
            quotes: Some(token.quotes),
        });
    }
    Some(found)
}

/// Numbers whose letters may stand apart from their digits.
const LETTERED: Ids = Ids::of(&[Id::EsNie, Id::Ve, Id::Gb, Id::Vat]);
/// Those of them that have check digits and are people's.
const LETTERED_NATIONAL: Ids = Ids::of(&[Id::EsNie, Id::Ve]);

/// Where letters begin that stand before a number, with a space or a hyphen between:
/// `AB 12 34 56 C`, `X-1234567-L`.
fn letters_before(scene: Scene<'_>, start: usize) -> Option<usize> {
    let from = |length: usize| {
        start
            .checked_sub(length)
            .filter(|from| *from >= scene.floor)
    };
    let capitals = |from: &usize| {
        matches!(
            scene.bytes.get(*from..start),
            Some([b'A'..=b'Z', b'A'..=b'Z', b' '] | [b'A'..=b'Z', b'-'])
        ) && begins(scene, *from)
    };
    from(3)
        .filter(capitals)
        .or_else(|| from(2).filter(capitals))
}

fn by_scheme(scene: Scene<'_>, start: usize, said: Ids) -> Option<Finding> {
    let any = said.has(Id::AnyNational);
    let written = Written::read(scene.bytes, start);
    SCHEMES
        .iter()
        .filter(|scheme| scheme.outline.may_begin(written))
        .filter(|scheme| said.has(scheme.id) || (any && is_national(scheme)))
        .filter(|scheme| scene.wanted.has(scheme.entity) && scene.wanted.permits(scheme.id))
        .find_map(|scheme| {
            let mut forms = scheme.forms.split('|');
            let end = forms.find_map(|form| {
                let (end, compact) = match_form(scene.bytes, start, form)?;
                let fits = can_end(scene.bytes, end) && (scheme.check)(compact.get());
                fits.then_some(end)
            })?;
            Some(finding(start..end, scheme.entity, scheme.certainty))
        })
}

fn is_national(scheme: &Scheme) -> bool {
    scheme.entity == Entity::NationalId && scheme.certainty == Certainty::Check
}

/// Fewest digits of a number of JSON that can be one.
const SHORTEST: usize = 7;
/// Longest: of another kind.
const LONGEST: usize = 18;
/// Most zeros in front that are lost.
const LOST: usize = 2;

/// What a number in JSON is, by its digits and the name above it. Zeros in front may be lost.
pub fn judge(
    digits: &[u8],
    name: &[u8],
    meaning: &Meaning,
    wanted: EntitySet,
) -> Option<(Entity, Certainty)> {
    if !(SHORTEST..=LONGEST).contains(&digits.len()) || !is_wanted(wanted) {
        return None;
    }
    let label = (core::str::from_utf8(name).ok()?, meaning);
    let said = wanted.permitted(hints::of_label(label));
    if said.is_empty() {
        return None;
    }
    let any = said.has(Id::AnyNational);
    let known = SCHEMES
        .iter()
        .filter(|scheme| scheme.outline.may_be_digits(digits.len(), LOST))
        .filter(|scheme| said.has(scheme.id) || (any && is_national(scheme)))
        .filter(|scheme| wanted.has(scheme.entity) && wanted.permits(scheme.id))
        .find(|scheme| {
            scheme.forms.split('|').any(|form| {
                let plain = form.bytes().all(|sign| b"dx~".contains(&sign));
                let length = form.bytes().filter(|sign| b"dx".contains(sign)).count();
                let lost = length.saturating_sub(digits.len());
                let mut padded = [b'0'; MOST];
                for (to, from) in padded.iter_mut().skip(lost).zip(digits) {
                    *to = *from;
                }
                plain
                    && lost <= LOST
                    && digits.len() <= length
                    && padded.get(..length).is_some_and(scheme.check)
            })
        });
    if let Some(scheme) = known {
        return Some((scheme.entity, scheme.certainty));
    }
    let kinds = [
        (Id::Passport, Entity::Passport, 7..=9),
        (Id::License, Entity::DriverLicense, 7..=18),
        (Id::Account, Entity::BankAccount, 7..=17),
        (Id::Mrn, Entity::MedicalId, 7..=14),
    ];
    if said.has(Id::Birth) && wanted.has(Entity::DateOfBirth) && dates::is_compact(digits) {
        return Some((Entity::DateOfBirth, Certainty::Context));
    }
    kinds
        .into_iter()
        .find(|(id, entity, lengths)| {
            said.has(*id) && wanted.has(*entity) && lengths.contains(&digits.len())
        })
        .map(|(_, entity, _)| (entity, Certainty::Context))
}

/// Whether a name is that of one of these, so that the cells of such a column are.
pub fn is_named(name: &str) -> bool {
    !hints::of_name(name).is_empty() && !hints::of_name(name).has(Id::Other)
}

#[cfg(test)]
mod tests;
