//! Names and addresses that are nobody's: words for words, what tells a street from a name stays.

use super::Chance;
use crate::detect::people::{Piece, pieces};

/// Given names and surnames that are hardly ever words: of different letters in front, so that none
/// begins another.
const GIVEN: [&str; 16] = [
    "Alwin", "Brisa", "Corvin", "Delfina", "Elowen", "Fenja", "Gerwin", "Hedda", "Isaro", "Jorina", "Kelvar", "Liora",
    "Mirelle", "Norvin", "Odalis", "Perrin",
];
const SURNAMES: [&str; 32] = [
    "Abendrot", "Belvoir", "Calderwood", "Dornfeld", "Eschenbach", "Fairwater", "Grunfeld", "Hollander", "Ibarguren", "Jessenfeld",
    "Kestrelman", "Lindqvister", "Montclare", "Northcombe", "Ostermoor", "Pellworth", "Quarrington", "Ravensloe", "Silberthal",
    "Thornbury", "Ullersdorf", "Vandermoor", "Westerlake", "Xanderfeld", "Yarrowdale", "Zellerbach", "Ashgrave", "Birkenau",
    "Corrigale", "Dunmarsh", "Ellsworthy", "Fontemara",
];

fn one<'a>(of: &[&'a str], chance: &mut Chance) -> &'a str {
    let at = usize::try_from(chance.below(256)).unwrap_or_default();
    of.get(at % of.len().max(1)).copied().unwrap_or_default()
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
