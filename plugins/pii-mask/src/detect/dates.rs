//! Dates as people write them, beside a word that says whose they are: `17.05.1980`, `5/17/80`,
//! `1980-05-17`, `17 May 1980`, `17 de mayo de 1980`; of `May 17, 1980` the day and the year, one
//! by one, for what stands between them ends whatever a stream holds.

use super::Scene;
use super::boundary::ends;
use super::groups::group_end;

/// Names of months and what they are cut to, without accents, in the seven languages, that begin
/// with this letter.
const fn months(first: u8) -> &'static [&'static str] {
    match first {
        b'a' => &[
            "april", "august", "apr", "aug", "avril", "aout", "abril", "agosto", "aprile",
            "augustus",
        ],
        b'd' => &[
            "december",
            "dec",
            "dezember",
            "dez",
            "decembre",
            "diciembre",
            "dicembre",
            "dezembro",
        ],
        b'e' => &["enero"],
        b'f' => &[
            "february",
            "feb",
            "februar",
            "fevrier",
            "febrero",
            "febbraio",
            "fevereiro",
            "februari",
        ],
        b'g' => &["gennaio", "giugno"],
        b'j' => &[
            "january", "june", "july", "jan", "jun", "jul", "januar", "juni", "juli", "janvier",
            "juin", "juillet", "junio", "julio", "janeiro", "junho", "julho", "januari",
        ],
        b'l' => &["luglio"],
        b'm' => &[
            "march", "may", "mar", "marz", "maerz", "mai", "mars", "marzo", "mayo", "maggio",
            "marco", "maio", "maart", "mei",
        ],
        b'n' => &["november", "nov", "novembre", "noviembre", "novembro"],
        b'o' => &[
            "october", "oct", "oktober", "okt", "octobre", "octubre", "ottobre", "outubro",
        ],
        b's' => &[
            "september",
            "sep",
            "sept",
            "septembre",
            "septiembre",
            "setiembre",
            "settembre",
            "setembro",
        ],
        _ => &[],
    }
}

/// The longest phrase: `de setiembre de`.
const LONGEST: usize = 24;

/// Where the date, or a part of it, ends that begins at `start`.
pub fn date(scene: Scene<'_>, start: usize) -> Option<usize> {
    let bytes = scene.bytes;
    let end = in_digits(bytes, start)
        .or_else(|| with_month(bytes, start))
        .or_else(|| behind_month(bytes, start))?;
    ends(bytes, end).then_some(end)
}

/// Whether a date with the name of its month, or a part of one, begins at `start`.
pub fn has_month(bytes: &[u8], start: usize) -> bool {
    with_month(bytes, start).is_some() || behind_month(bytes, start).is_some()
}

fn value(digits: &[u8]) -> u32 {
    digits.iter().take(4).fold(0, |value, digit| {
        value * 10 + u32::from(digit.wrapping_sub(b'0'))
    })
}

fn is_year(digits: &[u8]) -> bool {
    digits.len() == 4 && (1880..2100).contains(&value(digits))
}

fn is_day(digits: &[u8]) -> bool {
    (1..=2).contains(&digits.len()) && (1..=31).contains(&value(digits))
}

fn is_month(digits: &[u8]) -> bool {
    (1..=2).contains(&digits.len()) && (1..=12).contains(&value(digits))
}

/// Year, month and day in eight digits, in the order of one of the countries.
pub fn is_compact(digits: &[u8]) -> bool {
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    let day_and_month =
        |a: &[u8], b: &[u8]| (is_day(a) && is_month(b)) || (is_month(a) && is_day(b));
    digits.len() == 8
        && ((is_year(part(0, 4)) && is_month(part(4, 6)) && is_day(part(6, 8)))
            || (is_year(part(4, 8)) && day_and_month(part(0, 2), part(2, 4))))
}

fn in_digits(bytes: &[u8], start: usize) -> Option<usize> {
    let first_end = group_end(bytes, start);
    let first = bytes.get(start..first_end)?;
    if is_compact(first) {
        return Some(first_end);
    }
    let sign = *bytes.get(first_end).filter(|sign| b"./- ".contains(sign))?;
    // `17. 5. 1980`
    let spaced =
        |at: usize| at.saturating_add(usize::from(sign == b'.' && bytes.get(at) == Some(&b' ')));
    let second_start = spaced(first_end.saturating_add(1));
    let second_end = group_end(bytes, second_start);
    let second = bytes.get(second_start..second_end)?;
    if bytes.get(second_end) != Some(&sign) {
        return None;
    }
    let third_start = spaced(second_end.saturating_add(1));
    let third_end = group_end(bytes, third_start);
    let third = bytes.get(third_start..third_end)?;
    let year_first = is_year(first) && is_month(second) && is_day(third);
    let year_last = (is_year(third) || third.len() == 2)
        && ((is_day(first) && is_month(second)) || (is_month(first) && is_day(second)));
    (year_first || year_last).then_some(third_end)
}

/// What may stand behind the digits of a day.
const ORDINALS: [&[u8]; 6] = [b"th", b"st", b"nd", b"rd", b"er", b"."];

/// `17 May 1980`, `17. Mai 1980`, `17-May-1980`, `17th May 1980`.
fn with_month(bytes: &[u8], start: usize) -> Option<usize> {
    let day_end = group_end(bytes, start);
    if !is_day(bytes.get(start..day_end)?) {
        return None;
    }
    let behind = bytes.get(day_end..)?;
    let ordinal = ORDINALS.iter().find(|ordinal| behind.starts_with(ordinal));
    let mut month = day_end.saturating_add(ordinal.map_or(0, |ordinal| ordinal.len()));
    if let Some(b' ' | b'-') = bytes.get(month) {
        month = month.saturating_add(1);
    } else if ordinal != Some(&&b"."[..]) {
        return None;
    }
    let rest = bytes.get(month..)?;
    let rest = rest.get(..rest.len().min(LONGEST))?;
    let length = rest.iter().position(u8::is_ascii_digit)?;
    let phrase = core::str::from_utf8(rest.get(..length)?).ok()?;
    if !is_month_phrase(phrase.strip_suffix([' ', '-'])?) {
        return None;
    }
    let year = month.saturating_add(length);
    let end = group_end(bytes, year);
    is_year(bytes.get(year..end)?).then_some(end)
}

/// The day or the year behind the name of a month: `May 17`, `May 17, 1980`.
fn behind_month(bytes: &[u8], start: usize) -> Option<usize> {
    let end = group_end(bytes, start);
    let digits = bytes.get(start..end)?;
    let left = bytes.get(start.saturating_sub(LONGEST)..start)?;
    let left = if is_year(digits) {
        let left = left
            .strip_suffix(b", ")
            .or_else(|| left.strip_suffix(b" "))?;
        let day = left
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_alphanumeric());
        let (left, day) = left.split_at_checked(left.len().saturating_sub(day.count()))?;
        day.first().filter(|first| first.is_ascii_digit())?;
        left
    } else if is_day(digits) {
        left
    } else {
        return None;
    };
    let left = left.strip_suffix(b" ")?;
    let left = left.strip_suffix(b".").unwrap_or(left);
    let letters = left
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphabetic());
    let month = left.get(left.len().saturating_sub(letters.count())..)?;
    let month = core::str::from_utf8(month).ok()?;
    // An ordinal's letters belong to the day.
    let behind = bytes.get(end..).unwrap_or_default();
    let ordinal = [&b"th"[..], b"st", b"nd", b"rd"]
        .iter()
        .any(|ordinal| behind.starts_with(ordinal));
    is_month_name(month).then(|| end.saturating_add(if ordinal { 2 } else { 0 }))
}

fn is_month_name(word: &str) -> bool {
    let first = word.as_bytes().first().map_or(0, u8::to_ascii_lowercase);
    months(first).iter().any(|month| reads_as(word, month))
}

/// Whether a word is this one without its accents.
fn reads_as(word: &str, month: &str) -> bool {
    let mut letters = word.chars().map(without_accent);
    month.chars().all(|letter| letters.next() == Some(letter)) && letters.next().is_none()
}

fn without_accent(letter: char) -> char {
    match letter {
        'ä' | 'Ä' => 'a',
        'é' | 'É' => 'e',
        'û' | 'Û' => 'u',
        'ç' | 'Ç' => 'c',
        letter => letter.to_ascii_lowercase(),
    }
}

/// Whether what stands between a day and a year is the name of a month.
pub fn is_month_phrase(text: &str) -> bool {
    let text = text
        .strip_prefix("de ")
        .or_else(|| text.strip_prefix("of "))
        .unwrap_or(text);
    let text = text.strip_suffix(" de").unwrap_or(text);
    let text = text.strip_suffix('.').unwrap_or(text);
    is_month_name(text)
}

/// Whether a text may be the front of such a phrase.
pub fn may_be_month_phrase(text: &str) -> bool {
    let begins = |whole: &str, text: &str| {
        let mut letters = whole.chars();
        text.chars()
            .map(without_accent)
            .all(|letter| letters.next() == Some(letter))
    };
    let month = |text: &str| {
        let (word, more) = text.split_at(
            text.find(|letter: char| !letter.is_alphabetic())
                .unwrap_or(text.len()),
        );
        if more.is_empty() {
            let first = word.as_bytes().first().map_or(0, u8::to_ascii_lowercase);
            months(first).iter().any(|month| begins(month, word))
        } else {
            is_month_name(word) && (". de".starts_with(more) || " de".starts_with(more))
        }
    };
    begins("de ", text)
        || begins("of ", text)
        || month(
            text.strip_prefix("de ")
                .or_else(|| text.strip_prefix("of "))
                .unwrap_or(text),
        )
}
