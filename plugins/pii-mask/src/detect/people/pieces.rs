//! The pieces of a name or an address, for what stands in its place.

use super::class::Class;
use super::street;
use super::words::{Reader, Shape, Word, is_word_letter};

/// A piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A given name.
    Given,
    /// Another name.
    Name,
    /// A name with this at its end, which says that it is a street's.
    Compound(&'a str),
    /// A digit.
    Digit,
    /// A letter of an initial or a code.
    Letter,
    /// What stays.
    Same(&'a str),
}

/// What stays of an address.
const KINDS: Class = Class::FRONT
    .or(Class::BACK)
    .or(Class::FAR)
    .or(Class::LATE)
    .or(Class::UNIT)
    .or(Class::PARTICLE);

/// The pieces, in their order.
pub fn pieces(written: &str) -> Vec<Piece<'_>> {
    let mut reader = Reader::of(written);
    let mut pieces = Vec::new();
    let mut at = 0;
    let has_digit = written.bytes().any(|byte| byte.is_ascii_digit());
    while let Some((character, next)) = reader.look(at) {
        let same = |from: usize, to: usize| Piece::Same(written.get(from..to).unwrap_or_default());
        if character.is_ascii_digit() {
            pieces.push(Piece::Digit);
            at = next;
        } else if is_word_letter(character)
            && let Some(word) = reader.word(at)
        {
            let end = word.span.end.max(next);
            match of_word(&word, written, has_digit) {
                Some(piece) => pieces.push(piece),
                None if word.letters().len() <= 2 => {
                    let letters = written.get(at..end).unwrap_or_default().chars();
                    pieces.extend(letters.map(|letter| match letter {
                        letter if letter.is_alphabetic() => Piece::Letter,
                        '.' => Piece::Same("."),
                        _ => Piece::Same("-"),
                    }));
                }
                None => pieces.push(same(at, end)),
            }
            at = end;
        } else {
            pieces.push(same(at, next));
            at = next;
        }
    }
    pieces
}

/// What a word is; none if it stays, or if it is too short for a name.
fn of_word<'a>(word: &Word, written: &'a str, has_digit: bool) -> Option<Piece<'a>> {
    let is_small = word.shape == Shape::Small;
    let stays = match has_digit {
        true => is_small || word.class.is(KINDS),
        false => is_small && word.class.is(Class::PARTICLE),
    };
    let is_code = has_digit || word.shape == Shape::Letter;
    if word.letters().len() <= 2 && is_code && !stays {
        return None;
    }
    if stays {
        return Some(Piece::Same(written.get(word.span.clone())?));
    }
    if has_digit && let Some(length) = street::compound(word) {
        let end = word.span.end.saturating_sub(length);
        if let Some(end) = written.get(end..word.span.end) {
            return Some(Piece::Compound(end));
        }
    }
    let given = Class::GIVEN.or(Class::UNSURE);
    Some(match !has_digit && word.class.is(given) {
        true => Piece::Given,
        false => Piece::Name,
    })
}
