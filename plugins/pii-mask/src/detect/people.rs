//! Names of persons and addresses of the post: what rules, lists of words and what stands beside
//! them tell. Looked for only where a configuration asks.
//!
//! Algorithm: the text is read word by word. A word with a capital, a title, a kind of street or a
//! number may begin a finding; from there a bounded number of words is read. To the left no more is
//! read than anywhere else. The reader remembers how far it has looked, so that of a text that
//! comes in pieces it is known where one may be cut: between two stretches, each with all that was
//! looked at for it, and before the first whose words go on behind the end. So a stream is read as
//! the whole.
//!
//! What it cannot do: tell a name that is in no list and beside nothing that calls for one, names
//! in small letters but as values of members, names in scripts without capitals.

mod class;
mod given;
mod person;
mod pieces;
mod said;
mod street;
mod surnames;
mod table;
mod town;
mod vocabulary;
mod words;

pub use pieces::{Piece, pieces};

use super::columns::{Column, Columns};
use super::{Certainty, Entity, EntitySet, Finding};
use core::ops::Range;
use said::{Left, Said};
use words::Reader;

/// Where a text may not be cut.
#[derive(Debug, Default)]
pub struct Held {
    /// Stretches that are read together, each with what was looked at behind it.
    stretches: Vec<Range<usize>>,
    /// From here on more of the text may change what is found.
    open: Option<usize>,
}

impl Held {
    /// The last of these places, in ascending order, at which it may.
    pub fn last_apart(&self, places: &[usize]) -> Option<usize> {
        let fits = |place: &&usize| {
            let before = self.stretches.partition_point(|one| one.start < **place);
            let before = self.stretches.get(..before).unwrap_or_default();
            // Of stretches that overlap the earlier may go further.
            !before
                .iter()
                .rev()
                .take(OVERLAPS)
                .any(|one| one.end > **place)
        };
        let until = places.partition_point(|place| self.open.is_none_or(|open| *place <= open));
        places.get(..until)?.iter().rev().find(fits).copied()
    }

    /// Whether more of the text may change what stands before this place.
    pub fn opens_before(&self, place: usize) -> bool {
        self.open.is_some_and(|open| open < place)
    }
}

/// More stretches than can be read over one place.
const OVERLAPS: usize = 64;

/// Finds what is wanted in `text[floor..]`.
#[must_use]
pub fn find(text: &str, floor: usize, label: &str, wanted: EntitySet) -> Vec<Finding> {
    if floor == 0
        && let Some(whole) = whole(text, label, wanted)
    {
        return vec![whole];
    }
    next(text, floor, wanted, &mut columns())
}

/// As [`find`], of a text that comes in pieces: `text[floor..]` is the next one, and `columns` has
/// read those before.
pub fn next(text: &str, floor: usize, wanted: EntitySet, columns: &mut Columns) -> Vec<Finding> {
    let mut findings = Vec::new();
    read(text, floor, wanted, |found, _, _| findings.extend(found));
    let mut cells = Vec::new();
    columns.read(
        text.get(floor..).unwrap_or_default(),
        |cell, column, before| {
            let cell = cell.start.saturating_add(floor)..cell.end.saturating_add(floor);
            if before == 0
                && let Column::Named(name) = column
                && let Some(mut found) =
                    whole(text.get(cell.clone()).unwrap_or_default(), name, wanted)
            {
                found.span = found.span.start.saturating_add(cell.start)
                    ..found.span.end.saturating_add(cell.start);
                cells.push(found);
            }
        },
    );
    if cells.is_empty() {
        return findings;
    }
    super::together(cells, findings)
}

/// Where `text[floor..]` may not be cut, if more of it may come; `columns` has read what was
/// before.
#[must_use]
pub fn held(text: &str, floor: usize, wanted: EntitySet, columns: &Columns) -> Held {
    let mut held = Held::default();
    let mut open = |at: usize| held.open = Some(held.open.map_or(at, |known: usize| known.min(at)));
    let mut stretches = Vec::new();
    read(text, floor, wanted, |_, stretch, ended| {
        if ended {
            open(stretch.start);
        }
        stretches.push(stretch);
    });
    let mut columns = columns.clone();
    let rest = text.get(floor..).unwrap_or_default();
    columns.read(rest, |cell, column, _| {
        if matches!(column, Column::Named(_)) {
            if cell.end == rest.len() {
                open(cell.start.saturating_add(floor));
            }
            stretches.push(cell.start.saturating_add(floor)..cell.end.saturating_add(floor));
        }
    });
    stretches.sort_by_key(|stretch| (stretch.start, stretch.end));
    held.stretches = stretches;
    held
}

/// Gives each stretch of `text[floor..]` that is read together: what was found in it, the stretch
/// with what was looked at behind it, and whether more of the text may change that.
fn read(
    text: &str,
    floor: usize,
    wanted: EntitySet,
    mut each: impl FnMut(Option<Finding>, Range<usize>, bool),
) {
    let mut reader = Reader::of(text);
    let mut at = floor;
    while let Some(byte) = text.as_bytes().get(at).copied() {
        let start = at;
        reader.begin(at);
        let found = match byte {
            b'0'..=b'9' if wanted.has(Entity::StreetAddress) => {
                match street::at_number(&mut reader, at) {
                    Ok((span, certainty)) => {
                        at = span.end;
                        Some((span, Entity::StreetAddress, certainty))
                    }
                    Err(end) => {
                        at = end;
                        None
                    }
                }
            }
            // The letter of an escape begins no word.
            b'\\' => {
                let escape =
                    reader.is_one(at.saturating_add(1), &['n', 'r', 't', 'b', 'f', '\\', '"']);
                at = escape.unwrap_or(at.saturating_add(1));
                None
            }
            byte if byte.is_ascii_alphabetic() || !byte.is_ascii() => {
                let letter = reader.look(at);
                match letter {
                    Some((letter, _)) if words::is_word_letter(letter) => {
                        let (end, found) = word(&mut reader, at, wanted);
                        at = end.max(at.saturating_add(1));
                        found
                    }
                    Some((_, next)) => {
                        at = next;
                        continue;
                    }
                    None => break,
                }
            }
            _ => {
                at = at.saturating_add(1);
                continue;
            }
        };
        let found = found.map(|(span, entity, certainty)| Finding {
            span,
            entity,
            certainty,
            quotes: None,
        });
        each(found, start..reader.seen, reader.ended);
    }
}

type Found = Option<(Range<usize>, Entity, Certainty)>;

/// Reads what begins with the word at `at`: where it is read on, and what was found.
fn word(reader: &mut Reader<'_>, at: usize, wanted: EntitySet) -> (usize, Found) {
    let Some(word) = reader.word(at) else {
        return (at, None);
    };
    if wanted.has(Entity::StreetAddress)
        && let Some((span, certainty)) = street::at_word(reader, &word)
    {
        return (span.end, Some((span, Entity::StreetAddress, certainty)));
    }
    if !wanted.has(Entity::Person) {
        return (word.span.end, None);
    }
    let taken = person::take(reader, &word);
    let found = taken
        .name
        .map(|(span, certainty)| (span, Entity::Person, certainty));
    (taken.end.max(word.span.end), found)
}

/// The name or address that all of a text is by what it is called.
fn whole(text: &str, label: &str, wanted: EntitySet) -> Option<Finding> {
    if label.is_empty() {
        return None;
    }
    let left = Left::of_name(label);
    let address = || {
        let span = wanted
            .has(Entity::StreetAddress)
            .then(|| street::whole(text, &left))??;
        Some((span, Entity::StreetAddress))
    };
    let person = || {
        let span = wanted
            .has(Entity::Person)
            .then(|| person::whole(text, left.says()))??;
        Some((span, Entity::Person))
    };
    let (span, entity) = address().or_else(person)?;
    Some(Finding {
        span,
        entity,
        certainty: Certainty::Context,
        quotes: None,
    })
}

/// Of a table in a text that comes in pieces, of which nothing has been read.
#[must_use]
pub fn columns() -> Columns {
    Columns::named(is_named)
}

/// Whether a column of this name holds names or addresses.
fn is_named(name: &str) -> bool {
    let left = Left::of_name(name);
    left.is_place() || matches!(left.says(), Said::Name | Said::Role)
}

#[cfg(test)]
mod tests;
