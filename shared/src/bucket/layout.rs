//! What a table's buckets are, so that they can be taken over by a table of another layout: other
//! windows, or another number of sets.
//!
//! Tables that succeed one another under one name leave a note of their layout in shared data.
//! Whoever is configured with another one takes the buckets over: each TAT goes to the windows of
//! the same length, and what windows that are gone held goes to those that had no predecessor. Of
//! two that meet the higher one stays. Where only rates have changed, the table stays and each of
//! its sets is marked once it is carried over.
//!
//! Units that were taken stay taken, and what is left of a bucket that is in use does not grow by
//! the change ([`Rate::carry`]): so over any time nobody gets more than one full bucket, and what
//! each limit lets grow back while it is in force. A bucket that is whole is whole under the new
//! limit. Which tier a bucket is counted in is not known;
//! of several rates the one counts that leaves least.
//!
//! Requests that other workers count in the old table meanwhile are found when these are configured
//! in turn, within [`SETTLE_NS`].

use super::shape::{MAX_WAYS, MAX_WINDOWS, Shape};
use super::slots::{Set, Table};
use super::{Rate, Seed, siphash24};
use crate::shared_data::{Store, StoreFailed, Swap, create};
use crate::sorting;

/// How long after a change workers that are configured look into the old table once more.
const SETTLE_NS: u64 = 60_000_000_000;
/// How often a value that others write meanwhile is tried again.
const ATTEMPTS: u8 = 8;
/// Lists of windows of which the rates are kept; buckets of further ones keep their time.
const MOST_LISTS: usize = 32;
/// It tells layouts apart and need not be secret.
const OPEN: Seed = Seed { k0: 0, k1: 0 };

/// The shape of a table and what its TATs belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    shape: Shape,
    /// For each TAT the lengths of the windows that it may belong to, in nanoseconds, ascending:
    /// tiers have windows of their own.
    lengths: Vec<Vec<u64>>,
    /// The first lists of windows.
    lists: Vec<Vec<Rate>>,
    /// There are more of them.
    more: bool,
}

impl Layout {
    /// A table of this shape, whose buckets are counted in one of these lists of windows.
    pub fn new<'a>(shape: Shape, lists: impl Iterator<Item = &'a [Rate]> + Clone) -> Self {
        let lengths = (0..usize::from(shape.windows))
            .map(|at| {
                let window = |list: &'a [Rate]| list.get(at).map(Rate::window_ns);
                let mut all: Vec<u64> = lists.clone().filter_map(window).collect();
                sorting::sort(&mut all);
                all.dedup();
                all
            })
            .collect();
        Self {
            shape,
            lengths,
            more: lists.clone().nth(MOST_LISTS).is_some(),
            lists: lists.take(MOST_LISTS).map(<[Rate]>::to_vec).collect(),
        }
    }

    /// Whether buckets of both stand in one table.
    fn is_in_place(&self, other: &Self) -> bool {
        self.shape == other.shape && self.lengths == other.lengths
    }

    /// The table of this layout among those of `name`.
    ///
    /// # Errors
    /// [`StoreFailed`] if the shape is out of range.
    pub fn table(&self, name: &str, seed: Seed) -> Result<Table, StoreFailed> {
        let signature = siphash24(OPEN, &self.encode_place());
        let prefix = format!("{name}{signature:016x}.");
        Table::new(&prefix, self.shape, seed).map_err(|_| StoreFailed)
    }

    /// What tells tables apart.
    fn encode_place(&self) -> Vec<u8> {
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

    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.encode_place();
        let mut add = |word: u64| bytes.extend(word.to_le_bytes());
        add(u64::from(self.more));
        add(count(self.lists.len()));
        for list in &self.lists {
            add(count(list.len()));
            for rate in list {
                [rate.quota(), rate.window_ns(), rate.burst()]
                    .into_iter()
                    .for_each(&mut add);
            }
        }
        bytes
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
        let more = words.next()? != 0;
        let lists = words.next().filter(|lists| *lists <= count(MOST_LISTS))?;
        let lists = (0..lists)
            .map(|_| {
                let rates = words.next()?;
                let rates = (0..rates.min(u64::from(MAX_WINDOWS)))
                    .map(|_| Rate::new(words.next()?, words.next()?, words.next()?).ok());
                rates.collect::<Option<_>>()
            })
            .collect::<Option<_>>()?;
        Some(Self {
            shape,
            lengths,
            lists,
            more,
        })
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

/// How the TATs of one layout become those of another.
struct Carrying<'a> {
    new: &'a Layout,
    old: &'a Layout,
    /// For each TAT of the new one those of the old one that it goes on from.
    from: Vec<Vec<usize>>,
    now_ns: u64,
}

impl<'a> Carrying<'a> {
    fn new(new: &'a Layout, old: &'a Layout, now_ns: u64) -> Self {
        Self {
            new,
            old,
            from: new.from(old),
            now_ns,
        }
    }

    /// The TATs of a key, or of a floor.
    fn carry(&self, tats: &[u64]) -> Vec<u64> {
        let of = |(to, from): (usize, &Vec<usize>)| {
            let all = from.iter().filter_map(|at| Some((*at, *tats.get(*at)?)));
            all.map(|(at, tat)| self.tat(to, at, tat)).max()
        };
        let carried = self.from.iter().enumerate().map(of);
        carried.map(Option::unwrap_or_default).collect()
    }

    fn tat(&self, to: usize, from: usize, tat_ns: u64) -> u64 {
        let ahead_ns = tat_ns.saturating_sub(self.now_ns);
        if ahead_ns == 0 {
            return tat_ns;
        }
        let pairs = self.new.lists.iter().zip(&self.old.lists);
        let rates = pairs.filter_map(|(new, old)| Some((new.get(to)?, old.get(from)?)));
        let carried = rates.map(|(new, old)| old.carry(ahead_ns, new)).max();
        // Its tier may be one that has no counterpart.
        let others = [self.new, self.old].iter().any(|one| one.more)
            || self.new.lists.len() != self.old.lists.len();
        let kept = (others || carried.is_none()).then_some(ahead_ns);
        let ahead_ns = carried.max(kept).unwrap_or(ahead_ns);
        self.now_ns.saturating_add(ahead_ns)
    }
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

/// What is noted about the tables of one name.
#[derive(Debug, PartialEq, Eq)]
struct Note {
    since_ns: u64,
    /// Marks the sets whose TATs are those of `current`; 0 marks none.
    mark: u8,
    current: Layout,
    /// What the buckets were taken over from.
    before: Option<Layout>,
}

impl Note {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.since_ns.to_le_bytes().to_vec();
        bytes.extend(u64::from(self.mark).to_le_bytes());
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
        let mark = words.next()?.try_into().ok()?;
        let current = Layout::decode(&mut words)?;
        let before = match words.peek() {
            Some(_) => Some(Layout::decode(&mut words)?),
            None => None,
        };
        Some(Self {
            since_ns,
            mark,
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
        let mark = noted.as_ref().map_or(0, |note| note.mark);
        let before = match noted {
            Some(note) if note.current == *layout => {
                let fresh = now_ns.saturating_sub(note.since_ns) < SETTLE_NS;
                if let Some(before) = note.before.filter(|_| fresh) {
                    take_over(store, name, &table, layout, &before, mark, seed, now_ns)?;
                }
                return Ok(table);
            }
            Some(note) => Some(note.current),
            None => None,
        };
        let mark = mark.checked_add(1).unwrap_or(1);
        // Sets that are carried over where they stand must not be so twice: the note comes first.
        let in_place = before.as_ref().filter(|old| old.is_in_place(layout));
        if let Some(old) = before.as_ref().filter(|_| in_place.is_none()) {
            take_over(store, name, &table, layout, old, mark, seed, now_ns)?;
        }
        let note = Note {
            since_ns: now_ns,
            mark,
            current: layout.clone(),
            before: before.clone(),
        }
        .encode();
        let swapped = match cas {
            Some(cas) => store.swap(&key, &note, cas)?,
            None => create(store, &key, &note)?,
        };
        if swapped == Swap::Done {
            if let Some(old) = in_place {
                carry_in_place(store, &table, layout, old, mark, now_ns)?;
            }
            break;
        }
    }
    Ok(table)
}

/// Takes over what stands in the table of another layout, which may be the same table.
#[expect(clippy::too_many_arguments)]
fn take_over(
    store: &dyn Store,
    name: &str,
    table: &Table,
    layout: &Layout,
    before: &Layout,
    mark: u8,
    seed: Seed,
    now_ns: u64,
) -> Result<(), StoreFailed> {
    if before.is_in_place(layout) {
        return carry_in_place(store, table, layout, before, mark, now_ns);
    }
    let old = before.table(name, seed)?;
    merge(store, table, layout, &old, before, mark, now_ns)
}

/// Carries over what each set holds that is not marked yet.
fn carry_in_place(
    store: &dyn Store,
    table: &Table,
    layout: &Layout,
    old: &Layout,
    mark: u8,
    now_ns: u64,
) -> Result<(), StoreFailed> {
    let carrying = Carrying::new(layout, old, now_ns);
    for number in 0..layout.shape.sets {
        for _ in 0..ATTEMPTS {
            let Some((bytes, cas)) = store.load(&table.key(number))? else {
                break;
            };
            let Some(mut set) = table.open(number, bytes).filter(|set| set.mark() != mark) else {
                break;
            };
            // Also one in which nothing is taken: what will be is counted by the new rates.
            set.carry(mark, |tats| carrying.carry(tats));
            if store.swap(&table.key(number), &table.seal(&set), cas)? == Swap::Done {
                break;
            }
        }
    }
    Ok(())
}

/// Takes over what the sets of another table hold.
fn merge(
    store: &dyn Store,
    table: &Table,
    layout: &Layout,
    old: &Table,
    old_layout: &Layout,
    mark: u8,
    now_ns: u64,
) -> Result<(), StoreFailed> {
    let carrying = Carrying::new(layout, old_layout, now_ns);
    let carry = |tats: &[u64]| carrying.carry(tats);
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
                set.take_over(source, carry, own, now_ns);
            }
            for source in &sources {
                set.raise_floor(source, carry);
            }
            set.set_mark(mark);
            if store.swap(&table.key(number), &table.seal(&set), cas)? == Swap::Done {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
