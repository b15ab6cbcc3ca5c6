//! Whether what has been read goes on with what comes.

use crate::detect::Entity;
use crate::detect::boundary::{Kind, is_dash, kind};
use crate::detect::fold;

/// Whether a credential that has been replaced goes on with this character.
pub fn goes_on(entity: Entity, character: char) -> bool {
    let between = match entity {
        Entity::AwsSecretKey => "-_+/%",
        // A copy in base64.
        Entity::PrivateKey => "+/",
        _ => "-_.",
    };
    character.is_ascii_alphanumeric() || between.contains(character)
}

/// Most digits of a number that is no more than begun: one group of an account or card.
const FEW_DIGITS: usize = 4;

/// Whether text ends with more digits than a group has, and signs that stand in numbers between
/// them. A date is none, and a full stop ends a number without points.
pub fn number_goes_on(text: &str) -> bool {
    let read = |one: char| fold::folded(one).unwrap_or(one);
    let is_number = |one: char| {
        fold::is_invisible(one)
            || read(one).is_ascii_digit()
            || " .-:()+/\u{a0}".contains(read(one))
            || kind(one) == Kind::Space
            || is_dash(one)
    };
    let number = text
        .get(text.trim_end_matches(is_number).len()..)
        .unwrap_or_default();
    let digits = number
        .chars()
        .filter(|one| read(*one).is_ascii_digit())
        .count();
    let plain = number.trim_end();
    let ended = plain
        .strip_suffix('.')
        .is_some_and(|number| !number.contains('.'));
    let mut groups = number.trim().split('-').map(str::len);
    let date = [groups.next(), groups.next(), groups.next(), groups.next()]
        == [Some(4), Some(2), Some(2), None];
    digits > FEW_DIGITS && !date && !ended
}
