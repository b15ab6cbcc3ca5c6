//! Names and addresses that are nobody's: words for words, what tells a street from a name stays.

use super::Chance;
use crate::detect::people::{Piece, pieces};

/// Given names and surnames that are hardly ever words: of different letters in front, so that none
/// begins another.
const GIVEN: [&str; 16] = [
    "Alwin", "Brisa", "Corvin", "Delfina", "Elowen", "Fenja", "Gerwin", "Hedda", "Isaro", "Jorina",
    "Kelvar", "Liora", "Mirelle", "Norvin", "Odalis", "Perrin",
];
const SURNAMES: [&str; 32] = [
    "Abendrot",
    "Belvoir",
    "Calderwood",
    "Dornfeld",
    "Eschenbach",
    "Fairwater",
    "Grunfeld",
    "Hollander",
    "Ibarguren",
    "Jessenfeld",
    "Kestrelman",
    "Lindqvister",
    "Montclare",
    "Northcombe",
    "Ostermoor",
    "Pellworth",
    "Quarrington",
    "Ravensloe",
    "Silberthal",
    "Thornbury",
    "Ullersdorf",
    "Vandermoor",
    "Westerlake",
    "Xanderfeld",
    "Yarrowdale",
    "Zellerbach",
    "Ashgrave",
    "Birkenau",
    "Corrigale",
    "Dunmarsh",
    "Ellsworthy",
    "Fontemara",
];

fn one<'a>(of: &[&'a str], chance: &mut Chance) -> &'a str {
    let at = usize::try_from(chance.below(256)).unwrap_or_default();
    of.get(at % of.len().max(1)).copied().unwrap_or_default()
}

/// Whether a word is one that names are made up of, in any case.
pub fn is_made_up(word: &[u8]) -> bool {
    let mut all = GIVEN.iter().chain(&SURNAMES);
    all.any(|name| name.as_bytes().eq_ignore_ascii_case(word))
}

/// Another name or address in the same form: names for names, digits for digits, and particles,
/// kinds of streets and signs as they are.
pub fn people(written: &str, chance: &mut Chance) -> String {
    let mut fake = String::new();
    for piece in pieces(written) {
        match piece {
            Piece::Given => fake.push_str(one(&GIVEN, chance)),
            Piece::Name => fake.push_str(one(&SURNAMES, chance)),
            // `Hauptstraße`
            Piece::Compound(end) => {
                fake.push_str(one(&SURNAMES, chance));
                fake.push_str(end);
            }
            Piece::Digit => fake.push(chance.digit()),
            Piece::Letter => fake.push(chance.letter().to_ascii_uppercase()),
            Piece::Same(text) => fake.push_str(text),
        }
    }
    fake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_stays() {
        for (written, kept) in [
            ("Anna Meier", &[" "][..]),
            ("Jan van der Meer", &[" van der "]),
            ("J. Meier", &[". "]),
            (
                "Hauptstra\u{df}e 12a, 10115 Berlin",
                &["stra\u{df}e ", ", "],
            ),
            (
                "12 Main Street, Springfield, IL 62701",
                &[" Street, ", ", "],
            ),
            ("5, rue de la Paix", &[", rue de la "]),
            (
                "Calle Mayor 5, 2\u{ba} dcha.",
                &["Calle ", ", ", "\u{ba} dcha."],
            ),
        ] {
            for attempt in 0..20 {
                let fake = people(written, &mut Chance::of(&[7; 32], attempt));
                let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
                assert_eq!(digits(&fake), digits(written), "{fake}");
                assert!(kept.iter().all(|part| fake.contains(part)), "{fake}");
                for part in ["Anna", "Meier", "Haupt", "Berlin", "Main", "Paix", "Mayor"] {
                    assert!(!fake.contains(part), "{fake}");
                }
            }
        }
    }

    #[test]
    fn no_name_begins_another() {
        let names: Vec<_> = GIVEN.iter().chain(&SURNAMES).collect();
        for (at, name) in names.iter().enumerate() {
            let others = names.iter().enumerate().filter(|(other, _)| *other != at);
            assert!(
                others.clone().all(|(_, other)| !other.starts_with(**name)),
                "{name}"
            );
        }
    }
}
