//! Another date in the form of one: day and year are others, and a month in letters stays.

use super::Chance;

/// A date in the form of `written`: a year moves by one to five, and numbers that are days or
/// months become others below 29 or 13, with as many digits where that is possible.
pub fn date(written: &str, chance: &mut Chance) -> String {
    let years = chance.below(5).saturating_add(1);
    let mut out = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(start) = rest.find(|one: char| one.is_ascii_digit()) {
        out.push_str(rest.get(..start).unwrap_or_default());
        rest = rest.get(start..).unwrap_or_default();
        let end = rest.find(|one: char| !one.is_ascii_digit());
        let (digits, behind) = rest.split_at(end.unwrap_or(rest.len()));
        group(digits, years, chance, &mut out);
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// One group of digits, moved.
fn group(digits: &str, years: u32, chance: &mut Chance, out: &mut String) {
    let parts: &[usize] = match digits.len() {
        8 if digits.starts_with("19") || digits.starts_with("20") => &[4, 2, 2],
        8 => &[2, 2, 4],
        6 => &[2, 2, 2],
        length => &[length],
    };
    let mut rest = digits;
    for length in parts {
        let Some((part, behind)) = rest.split_at_checked(*length) else {
            break;
        };
        rest = behind;
        let value: u32 = part.parse().unwrap_or_default();
        let moved = match value {
            // A day.
            13..=31 => chance.below(16).saturating_add(13),
            1..=12 => chance.below(12).saturating_add(1),
            // A year.
            year => year.saturating_sub(years),
        };
        let width = part.len();
        let moved = if width == 1 && moved > 9 {
            moved.saturating_sub(9)
        } else {
            moved
        };
        out.push_str(&format!("{moved:0width$}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Entity, EntitySet, scan};

    #[test]
    fn a_date_becomes_another_in_its_form() {
        for (written, year) in [
            ("17.05.1980", "1980"),
            ("5/17/80", "80"),
            ("1980-05-17", "1980"),
            ("17 May 1980", "1980"),
            ("17 de mayo de 1980", "1980"),
            ("19800517", "1980"),
            ("31121999", "1999"),
            ("1.1.2000", "2000"),
        ] {
            for attempt in 0..50 {
                let moved = date(written, &mut Chance::of(&[7; 32], attempt));
                let shape = |text: &str| text.replace(|one: char| one.is_ascii_digit(), "0");
                assert_eq!(shape(&moved), shape(written));
                assert!(
                    !moved.starts_with(year) && !moved.ends_with(year),
                    "{moved}"
                );
                let found = scan(&moved, 0, "date_of_birth", EntitySet::all());
                assert_eq!(found.len(), 1, "{moved}");
                assert_eq!(found[0].entity, Entity::DateOfBirth, "{moved}");
            }
        }
    }
}
