//! What a table's buckets are, so that they can be taken over by a table of another layout: other
//! windows, or another number of sets.
//!
//! Tables that succeed one another under one name leave a note of their layout in shared data.
//! Whoever is configured with another one takes the buckets over: each TAT goes to the windows of
//! the same length, and what windows that are gone held goes to those that had no predecessor. A
//! TAT keeps its time, so that nobody gets more than before; that of two that meet the higher one
//! stays.
//!
//! Requests that other workers count in the old table meanwhile are found when these are configured
//! in turn, within [`SETTLE_NS`].

use super::slots::{MAX_WAYS, MAX_WINDOWS, Set, Shape, Table};
use super::{Seed, siphash24};
use crate::shared_data::{Store, StoreFailed, Swap, create};

/// How long after a change workers that are configured look into the old table once more.
const SETTLE_NS: u64 = 60_000_000_000;
/// How often a value that others write meanwhile is tried again.
const ATTEMPTS: u8 = 8;
/// It tells layouts apart and need not be secret.
const OPEN: Seed = Seed { k0: 0, k1: 0 };

/// The shape of a table and what its TATs belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    shape: Shape,
    /// For each TAT the lengths of the windows that it may belong to, in nanoseconds, ascending:
    /// tiers have windows of their own.
    lengths: Vec<Vec<u64>>,
}

impl Layout {
    /// A table of this shape, whose buckets are counted in one of these lists of windows, given by
    /// their lengths in nanoseconds.
    pub fn new(shape: Shape, lists: &[Vec<u64>]) -> Self {
        let lengths = (0..usize::from(shape.windows))
            .map(|at| {
                let mut all: Vec<u64> = lists
                    .iter()
                    .filter_map(|list| list.get(at).copied())
                    .collect();
                all.sort_unstable();
                all.dedup();
                all
            })
            .collect();
        Self { shape, lengths }
    }

    /// The table of this layout among those of `name`.
    ///
    /// # Errors
    /// [`StoreFailed`] if the shape is out of range.
    pub fn table(&self, name: &str, seed: Seed) -> Result<Table, StoreFailed> {
        let signature = siphash24(OPEN, &self.encode());
        let prefix = format!("{name}{signature:016x}.");
        Table::new(&prefix, self.shape, seed).map_err(|_| StoreFailed)
    }

    fn encode(&self) -> Vec<u8> {
        let shape = [
            u64::from(self.shape.sets),
            u64::from(self.shape.ways),
            u64::from(self.shape.windows),
        ];
        let lengths = self.lengths.iter().flat_map(|lengths| {
            let count = u64::try_from(lengths.len()).unwrap_or(u64::MAX);
            core::iter::once(count).chain(lengths.iter().copied())
        });
        shape
            .into_iter()
            .chain(lengths)
            .flat_map(u64::to_le_bytes)
            .collect()
    }

    fn decode(words: &mut impl Iterator<Item = u64>) -> Option<Self> {
        let shape = Shape {
            sets: words.next()?.try_into().ok()?,
            ways: words.next()?.try_into().ok()?,
            windows: words.next()?.try_into().ok()?,
        };
        if shape.ways > MAX_WAYS || shape.windows > MAX_WINDOWS {
            return None;
        }
        let lengths = (0..shape.windows)
            .map(|_| {
                let count = usize::try_from(words.next()?).ok()?;
                let lengths: Vec<u64> = words.by_ref().take(count).collect();
                (lengths.len() == count).then_some(lengths)
            })
            .collect::<Option<_>>()?;
        Some(Self { shape, lengths })
    }

    /// For each TAT of this layout those of an older one that it goes on from.
    fn from(&self, old: &Self) -> Vec<Vec<usize>> {
        let meets = |one: &[u64], other: &[u64]| one.iter().any(|length| other.contains(length));
        let orphans: Vec<usize> = old
            .lengths
            .iter()
            .enumerate()
            .filter(|(_, gone)| !self.lengths.iter().any(|kept| meets(gone, kept)))
            .map(|(at, _)| at)
            .collect();
        self.lengths
            .iter()
            .map(|own| {
                let same: Vec<usize> = (old.lengths.iter().enumerate())
                    .filter(|(_, other)| meets(own, other))
                    .map(|(at, _)| at)
                    .collect();
                if same.is_empty() {
                    orphans.clone()
                } else {
                    same
                }
            })
            .collect()
    }
}

/// What is noted about the tables of one name.
#[derive(Debug, PartialEq, Eq)]
struct Note {
    since_ns: u64,
    current: Layout,
    /// What the buckets were taken over from.
    before: Option<Layout>,
}

impl Note {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.since_ns.to_le_bytes().to_vec();
        bytes.extend(self.current.encode());
        bytes.extend(self.before.iter().flat_map(Layout::encode));
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.as_chunks::<8>() else {
            return None;
        };
        let mut words = words
            .iter()
            .map(|word| u64::from_le_bytes(*word))
            .peekable();
        let since_ns = words.next()?;
        let current = Layout::decode(&mut words)?;
        let before = match words.peek() {
            Some(_) => Some(Layout::decode(&mut words)?),
            None => None,
        };
        Some(Self {
            since_ns,
            current,
            before,
        })
    }
}

/// The table of this layout under `name`, with the buckets of the one that was there before.
///
/// # Errors
/// [`StoreFailed`] if shared data cannot be read or written, or the layout's shape is out of range.
pub fn succeed(
    store: &dyn Store,
    name: &str,
    layout: &Layout,
    seed: Seed,
    now_ns: u64,
) -> Result<Table, StoreFailed> {
    let table = layout.table(name, seed)?;
    table.prepare(store)?;
    let key = format!("{name}layout");
    for _ in 0..ATTEMPTS {
        let found = store.load(&key)?;
        let cas = found.as_ref().map(|(_, cas)| *cas);
        let noted = found.and_then(|(bytes, _)| Note::decode(&bytes));
        let before = match noted {
            Some(Note {
                current,
                before,
                since_ns,
            }) if current == *layout => {
                let fresh = now_ns.saturating_sub(since_ns) < SETTLE_NS;
                if let Some(before) = before.filter(|_| fresh) {
                    take_over(
                        store,
                        &table,
                        layout,
                        &before.table(name, seed)?,
                        &before,
                        now_ns,
                    )?;
                }
                return Ok(table);
            }
            Some(note) => Some(note.current),
            None => None,
        };
        if let Some(before) = &before {
            take_over(
                store,
                &table,
                layout,
                &before.table(name, seed)?,
                before,
                now_ns,
            )?;
        }
        let note = Note {
            since_ns: now_ns,
            current: layout.clone(),
            before,
        }
        .encode();
        let swapped = match cas {
            Some(cas) => store.swap(&key, &note, cas)?,
            None => create(store, &key, &note)?,
        };
        if swapped == Swap::Done {
            break;
        }
    }
    Ok(table)
}

/// Takes over what the sets of another table hold.
fn take_over(
    store: &dyn Store,
    table: &Table,
    layout: &Layout,
    old: &Table,
    old_layout: &Layout,
    now_ns: u64,
) -> Result<(), StoreFailed> {
    let from = layout.from(old_layout);
    let mut read: Option<(u32, Option<Set>)> = None;
    for number in 0..layout.shape.sets {
        let mut sources = Vec::new();
        for other in old.overlapping(table, number) {
            if read.as_ref().is_none_or(|(at, _)| *at != other) {
                let found = store.load(&old.key(other))?;
                read = Some((other, found.and_then(|(bytes, _)| old.open(other, bytes))));
            }
            sources.extend(read.iter().filter_map(|(_, set)| set.clone()));
        }
        if sources.iter().all(|set| set.is_over(now_ns)) {
            continue;
        }
        for _ in 0..ATTEMPTS {
            let Some((bytes, cas)) = store.load(&table.key(number))? else {
                break;
            };
            let mut set = table
                .open(number, bytes)
                .unwrap_or_else(|| table.empty(number));
            for source in &sources {
                let own = |fingerprint| table.set_of(fingerprint) == number;
                set.take_over(source, &from, own, now_ns);
            }
            for source in &sources {
                set.raise_floor(source, &from);
            }
            if store.swap(&table.key(number), &table.seal(&set), cas)? == Swap::Done {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
