//! International bank account numbers (ISO 13616): a country of the registry, its length, check
//! digits (ISO 7064, modulus 97). Written in one piece or in groups of four; one id in thousands (a
//! UUID, say) has right check digits too.

use super::boundary::{begins, context_has, ends};
use super::groups::separator;
use super::{Certainty, Entity, Finding, Scene};

/// Country and length, from the SWIFT IBAN registry.
const COUNTRIES: &[(&[u8; 2], u8)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// Countries whose numbers have no letters behind the country's own: most that a hexadecimal id can
/// begin with.
const DIGITS_ONLY: [&[u8; 2]; 24] = [
    b"AE", b"AT", b"BA", b"BE", b"CZ", b"DE", b"DK", b"EE", b"ES", b"FI", b"HR", b"HU", b"IL",
    b"IS", b"LT", b"ME", b"NO", b"PL", b"PT", b"RS", b"SE", b"SI", b"SK", b"XK",
];

/// Longest written form, in bytes: nine groups with two separators of three bytes between. A stream
/// holds as much.
pub const LONGEST: usize = 92;

/// The number whose first check digit stands at `at`.
pub fn find(scene: Scene<'_>, at: usize) -> Option<Finding> {
    if !scene.wanted.has(Entity::Iban) {
        return None;
    }
    // `DE 89…`
    let spaced = is_spaced(scene.bytes, at);
    let length = if spaced { 3 } else { 2 };
    let start = at
        .checked_sub(length)
        .filter(|start| *start >= scene.floor)?;
    let [
        a @ (b'A'..=b'Z' | b'a'..=b'z'),
        b @ (b'A'..=b'Z' | b'a'..=b'z'),
        ..,
    ] = scene.bytes.get(start..)?
    else {
        return None;
    };
    let digits = scene.bytes.get(at..at.saturating_add(2))?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if a.is_ascii_lowercase() != b.is_ascii_lowercase()
        || !(begins(scene.bytes, start) || is_glued_to_its_name(scene.bytes, start))
    {
        return None;
    }
    let country = [a.to_ascii_uppercase(), b.to_ascii_uppercase()];
    let index = COUNTRIES
        .binary_search_by_key(&country, |(country, _)| **country)
        .ok()?;
    let length = usize::from(COUNTRIES.get(index)?.1);
    let mut number = [0_u8; 34];
    let number = number.get_mut(..length)?;
    let mut end = start;
    // Its groups may have other lengths where a word says what it is.
    let (mut in_group, mut printed) = (0_usize, true);
    let mut is_grouped = false;
    for character in number.iter_mut() {
        if end > start {
            let next = separators_end(scene.bytes, end);
            let behind_country = spaced && end == start.saturating_add(2);
            if next > end && !behind_country {
                printed &= in_group == 4;
                is_grouped = true;
                in_group = 0;
            }
            end = next;
        }
        in_group = in_group.saturating_add(1);
        *character = scene
            .bytes
            .get(end)
            .copied()
            .filter(u8::is_ascii_alphanumeric)?;
        end = end.saturating_add(1);
    }
    printed &= !is_grouped || in_group <= 4;
    let of_digits = DIGITS_ONLY.contains(&&country);
    if (of_digits || spaced) && !(of_digits && number.iter().skip(2).all(u8::is_ascii_digit)) {
        return None;
    }
    let found = end.saturating_sub(start) <= LONGEST
        && ends(scene.bytes, end)
        && checks(number)
        && (printed || context_has(scene, start, &["iban", "account", "konto", "acct"]));
    found.then_some(Finding {
        span: start..end,
        entity: Entity::Iban,
        certainty: Certainty::Check,
        quotes: None,
    })
}

/// Whether two capital letters and a space stand before the number at `at`, as a country's before
/// its digits: of letters behind them a stream would not know.
pub fn is_spaced(bytes: &[u8], at: usize) -> bool {
    matches!(
        bytes.get(at.saturating_sub(3)..at),
        Some([b'A'..=b'Z', b'A'..=b'Z', b' '])
    )
}

/// Behind at most two separators: spaces of all kinds (bank pages and PDFs have no-break ones),
/// tabs, ends of lines, hyphens, dots. Check digits over all of it tell that cells of a table
/// belong together.
fn separators_end(bytes: &[u8], mut at: usize) -> usize {
    for _ in 0..2 {
        let length = match bytes.get(at..).unwrap_or_default() {
            [b'\t' | b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            rest => match separator(rest) {
                Some((b' ' | b'-' | b'.', length)) => length,
                _ => break,
            },
        };
        at = at.saturating_add(length);
    }
    at
}

/// `IBANDE89…`
fn is_glued_to_its_name(bytes: &[u8], start: usize) -> bool {
    let Some(name) = start.checked_sub(4) else {
        return false;
    };
    begins(bytes, name)
        && bytes
            .get(name..start)
            .is_some_and(|name| name.eq_ignore_ascii_case(b"iban"))
}

/// The first four characters moved to the end, letters as 10 to 35: the number modulo 97 is 1.
fn checks(number: &[u8]) -> bool {
    let (head, rest) = number.split_at_checked(4).unwrap_or_default();
    let remainder = rest
        .iter()
        .chain(head)
        .fold(0_u32, |remainder, character| match character {
            b'0'..=b'9' => (remainder * 10 + u32::from(character - b'0')) % 97,
            letter => {
                (remainder * 100 + u32::from(letter.to_ascii_uppercase().wrapping_sub(b'A')) + 10)
                    % 97
            }
        });
    remainder == 1
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_countries_are_sorted_for_the_search() {
        assert!(super::COUNTRIES.is_sorted_by_key(|(country, _)| **country));
    }
}
