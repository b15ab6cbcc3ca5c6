//! Where TATs live: a fixed number of slots in shared data, so that keys which a client chooses can
//! neither fill the memory nor make the host's table grow under its lock.
//!
//! A key's 64-bit keyed hash picks one *set*; a set is one value of shared data and holds its
//! *ways*, each with the fingerprint and the TATs of one key. Because a whole set is swapped at
//! once, two workers cannot place the same key twice. A key that is not in its set takes an empty
//! way, else one whose buckets are full (forgetting it loses nothing), else the one that will be
//! full soonest: that last case forgets what somebody had used, and is counted.
//!
//! What is forgotten is never given back: the *floor* of a set is the highest TAT of each window
//! that was forgotten in it, and whoever is not held begins there. Whoever was forgotten had used
//! no more than that, so nobody ever gets more than the limit; somebody who is new gets less, until
//! the floor has passed (the idea is that of space-saving counters: Metwally, Agrawal and El
//! Abbadi, 2005).
//!
//! A value: version, ways, windows, a mark of whoever has carried it over ([`super::layout`]), set
//! number (4 bytes), the floor (8 bytes a window), per way
//! the fingerprint and the TATs (8 bytes each), checksum (8 bytes), all little-endian. Anything
//! else under the key (another layout, another table, torn or foreign bytes) is a miss, and is
//! counted.
//!
//! nginx compares shared keys by their CRC-32 alone. The set number is the last four characters of
//! a key and nothing else differs, and CRC-32 tells any two messages apart that differ only within
//! 32 adjacent bits: no two sets of a table are ever mixed up. Sets of different tables are told
//! apart by the checksum, whose key is derived from the prefix.

use core::ops::RangeInclusive;

use super::shape::{CHECKSUM, HEADER, MAX_SETS, MAX_WAYS, MAX_WINDOWS, Shape, ShapeError};
use super::siphash::{Seed, siphash24};
use crate::shared_data::{Store, StoreFailed, Swap, create};

const VERSION: u8 = 2;
/// Where the mark stands.
const MARK: usize = 3;
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What [`Table::prepare`] found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Slots that did not exist and do now.
    pub created: u32,
    /// Slots that another worker (or an earlier configuration) had made.
    pub found: u32,
}

/// A table of buckets in shared data.
#[derive(Debug)]
pub struct Table {
    prefix: String,
    shape: Shape,
    placing: Seed,
    sealing: u64,
}

impl Table {
    /// A table under `prefix`, which names filter and configuration: whoever uses the same prefix
    /// and seed shares the buckets.
    pub fn new(prefix: &str, shape: Shape, seed: Seed) -> Result<Self, ShapeError> {
        let fits = (1..=MAX_SETS).contains(&shape.sets)
            && (1..=MAX_WAYS).contains(&shape.ways)
            && (1..=MAX_WINDOWS).contains(&shape.windows);
        if !fits {
            return Err(ShapeError);
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            shape,
            placing: seed.derive(b"place"),
            sealing: siphash24(seed, prefix.as_bytes()),
        })
    }

    /// The size that the table was made with.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Creates every slot that does not exist. To be called when the filter is configured:
    /// afterwards no key is ever added, so the host never has to grow its table while requests wait
    /// for its lock.
    pub fn prepare(&self, store: &dyn Store) -> Result<Prepared, StoreFailed> {
        let mut prepared = Prepared::default();
        // Slots are made in order: where the last one exists, another worker has made them all.
        if store
            .load(&self.key(self.shape.sets.saturating_sub(1)))?
            .is_some()
        {
            return Ok(Prepared {
                created: 0,
                found: self.shape.sets,
            });
        }
        for number in 0..self.shape.sets {
            let set = Set::empty(self.shape, number);
            match create(store, &self.key(number), &set.seal(self.sealing))? {
                Swap::Done => prepared.created = prepared.created.saturating_add(1),
                Swap::Mismatch => prepared.found = prepared.found.saturating_add(1),
            }
        }
        Ok(prepared)
    }

    /// Whether the first set is still there when the last one is: where memory has an end, what was
    /// made first gives way to what is made last.
    pub fn is_in_place(&self, store: &dyn Store) -> bool {
        let ends = [0, self.shape.sets.saturating_sub(1)];
        let mut ends = ends.iter().map(|set| store.load(&self.key(*set)));
        ends.all(|set| matches!(set, Ok(Some(_))))
    }

    /// Which set and which fingerprint belong to the key of a bucket.
    pub(super) fn place(&self, bucket: &[u8]) -> Place {
        // 0 marks an empty way.
        let fingerprint = siphash24(self.placing, bucket).max(1);
        Place {
            set: self.set_of(fingerprint),
            fingerprint,
        }
    }

    /// The set that a fingerprint belongs to: sets part the range of hashes evenly, in order.
    pub(super) fn set_of(&self, fingerprint: u64) -> u32 {
        let scaled = (u128::from(fingerprint) * u128::from(self.shape.sets)) >> 64;
        u32::try_from(scaled).unwrap_or_default()
    }

    /// The sets of this table that hold keys of a set of another.
    pub(super) fn overlapping(&self, other: &Self, set: u32) -> RangeInclusive<u32> {
        let lowest =
            |set: u32| (u128::from(set) << 64).div_ceil(u128::from(other.shape.sets.max(1)));
        let hash = |wide: u128| u64::try_from(wide).unwrap_or(u64::MAX);
        let first = hash(lowest(set));
        let last = hash(lowest(set.saturating_add(1)).saturating_sub(1));
        self.set_of(first)..=self.set_of(last)
    }

    pub(super) fn key(&self, set: u32) -> String {
        let mut key = String::with_capacity(self.prefix.len().saturating_add(4));
        key.push_str(&self.prefix);
        for shift in [18, 12, 6, 0] {
            let digit = usize::try_from((set >> shift) & 63).unwrap_or_default();
            key.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'A')));
        }
        key
    }

    /// The set that these bytes are, or `None` where they are not this set of this table.
    pub(super) fn open(&self, number: u32, bytes: Vec<u8>) -> Option<Set> {
        Set::open(self.shape, number, self.sealing, bytes)
    }

    pub(super) fn empty(&self, number: u32) -> Set {
        Set::empty(self.shape, number)
    }

    pub(super) fn seal(&self, set: &Set) -> Vec<u8> {
        set.seal(self.sealing)
    }
}

/// Where a key belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub set: u32,
    pub fingerprint: u64,
}

/// One value of shared data, read; worked on in place, because every request reads one and most
/// write one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    shape: Shape,
    /// Header, floor and ways; the checksum is added when it is sealed.
    bytes: Vec<u8>,
}

/// What a set says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// The TATs to judge by.
    pub tats_ns: [u64; MAX_WINDOWS as usize],
    /// The set holds this key. Else the TATs are what keys were forgotten with: this may have been
    /// one of them.
    pub held: bool,
}

impl Set {
    fn empty(shape: Shape, number: u32) -> Self {
        let mut bytes = Self::header(shape, number).to_vec();
        bytes.resize(shape.set_bytes(), 0);
        Self { shape, bytes }
    }

    fn header(shape: Shape, number: u32) -> [u8; HEADER] {
        let [a, b, c, d] = number.to_le_bytes();
        [VERSION, shape.ways, shape.windows, 0, a, b, c, d]
    }

    fn seal(&self, seed: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes.len().saturating_add(CHECKSUM));
        bytes.extend_from_slice(&self.bytes);
        bytes.extend_from_slice(&checksum(seed, &self.bytes).to_le_bytes());
        bytes
    }

    fn open(shape: Shape, number: u32, seed: u64, mut bytes: Vec<u8>) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<CHECKSUM>()?;
        let own = Self::header(shape, number);
        let mark = body.get(MARK).copied().unwrap_or_default();
        let head = own.iter().enumerate().map(|(at, byte)| match at {
            MARK => mark,
            _ => *byte,
        });
        let whole = body.len() == shape.set_bytes() && head.eq(body.iter().copied().take(HEADER));
        if !whole || checksum(seed, body) != u64::from_le_bytes(*sum) {
            return None;
        }
        bytes.truncate(shape.set_bytes());
        Some(Self { shape, bytes })
    }

    /// The floor's words, and the ways'.
    fn parts(&self) -> (&[u8], &[u8]) {
        let rest = self.bytes.get(HEADER..).unwrap_or_default();
        rest.split_at_checked(self.shape.tat_bytes())
            .unwrap_or_default()
    }

    fn ways(&self) -> impl Iterator<Item = &[u8]> {
        self.parts().1.chunks_exact(self.shape.way_bytes())
    }

    /// The TATs of a key; where the set does not hold it, those that no forgotten key exceeds.
    pub(super) fn standing(&self, fingerprint: u64) -> Standing {
        let wanted = fingerprint.to_le_bytes();
        let found = self.ways().find_map(|way| way.strip_prefix(&wanted));
        let mut standing = Standing {
            tats_ns: [0; MAX_WINDOWS as usize],
            held: found.is_some(),
        };
        let held = found.unwrap_or(self.parts().0);
        for (tat, word) in standing.tats_ns.iter_mut().zip(words(held)) {
            *tat = word;
        }
        standing
    }

    /// Who has carried it over; 0 where nobody has.
    pub(super) fn mark(&self) -> u8 {
        self.bytes.get(MARK).copied().unwrap_or_default()
    }

    pub(super) fn set_mark(&mut self, mark: u8) {
        if let Some(place) = self.bytes.get_mut(MARK) {
            *place = mark;
        }
    }

    /// Carries every key and the floor over, and marks the set.
    pub(super) fn carry(&mut self, mark: u8, carry: impl Fn(&[u64]) -> Vec<u64>) {
        self.set_mark(mark);
        let (tat_bytes, way_bytes) = (self.shape.tat_bytes(), self.shape.way_bytes());
        let rest = self.bytes.get_mut(HEADER..).unwrap_or_default();
        let Some((floor, ways)) = rest.split_at_mut_checked(tat_bytes) else {
            return;
        };
        let ways = ways.chunks_exact_mut(way_bytes);
        let of_ways = ways.filter_map(|way| way.get_mut(8..));
        for tats in std::iter::once(floor).chain(of_ways) {
            let carried = carry(&words(tats).collect::<Vec<_>>());
            for (tat, carried) in tats.as_chunks_mut::<8>().0.iter_mut().zip(carried) {
                *tat = carried.to_le_bytes();
            }
        }
    }

    /// Whether everything in it is full again.
    pub(super) fn is_over(&self, now_ns: u64) -> bool {
        let latest = |way: &[u8]| words(way).skip(1).max().unwrap_or(0);
        let (floor, _) = self.parts();
        words(floor).all(|tat| tat <= now_ns) && self.ways().all(|way| latest(way) <= now_ns)
    }

    /// Takes over the keys of another set that are `own` ones; `carry` makes its TATs this one's.
    pub(super) fn take_over(
        &mut self,
        other: &Self,
        carry: impl Fn(&[u64]) -> Vec<u64>,
        own: impl Fn(u64) -> bool,
        now_ns: u64,
    ) {
        for way in other.ways() {
            let mut held = words(way);
            let Some(fingerprint) = held.next().filter(|name| *name != 0 && own(*name)) else {
                continue;
            };
            let mut tats = carry(&held.collect::<Vec<_>>());
            if tats.iter().any(|tat| *tat > now_ns) {
                for (tat, known) in tats.iter_mut().zip(self.standing(fingerprint).tats_ns) {
                    *tat = known.max(*tat);
                }
                self.put(fingerprint, &tats, now_ns);
            }
        }
    }

    /// Raises the floor to that of another set, whose keys may have been forgotten there.
    pub(super) fn raise_floor(&mut self, other: &Self, carry: impl Fn(&[u64]) -> Vec<u64>) {
        let higher = carry(&words(other.parts().0).collect::<Vec<_>>());
        let rest = self.bytes.get_mut(HEADER..).unwrap_or_default();
        let (floor, _) = rest.as_chunks_mut::<8>();
        for (floor, higher) in floor.iter_mut().zip(higher) {
            *floor = u64::from_le_bytes(*floor).max(higher).to_le_bytes();
        }
    }

    /// Stores the TATs of a key. True if a bucket that was not full had to be forgotten for it.
    pub(super) fn put(&mut self, fingerprint: u64, tats_ns: &[u64], now_ns: u64) -> bool {
        let wanted = fingerprint.to_le_bytes();
        let held = self.ways().position(|way| way.starts_with(&wanted));
        let full_again_at = |way: &[u8]| words(way).skip(1).max().unwrap_or(0);
        let mut evicted = false;
        let at = match held {
            Some(at) => at,
            None => {
                // An empty way has TAT 0 and so comes before every other.
                let soonest = self
                    .ways()
                    .map(full_again_at)
                    .enumerate()
                    .min_by_key(|(_, full)| *full);
                let Some((at, full)) = soonest else {
                    return false;
                };
                evicted = full > now_ns;
                at
            }
        };
        let (tat_bytes, way_bytes) = (self.shape.tat_bytes(), self.shape.way_bytes());
        let rest = self.bytes.get_mut(HEADER..).unwrap_or_default();
        let Some((floor, ways)) = rest.split_at_mut_checked(tat_bytes) else {
            return false;
        };
        let Some(way) = ways.chunks_exact_mut(way_bytes).nth(at) else {
            return false;
        };
        let (floor, _) = floor.as_chunks_mut::<8>();
        let (way, _) = way.as_chunks_mut::<8>();
        let Some((name, tats)) = way.split_first_mut() else {
            return false;
        };
        if evicted {
            for (floor, gone) in floor.iter_mut().zip(tats.iter()) {
                let higher = u64::from_le_bytes(*floor).max(u64::from_le_bytes(*gone));
                *floor = higher.to_le_bytes();
            }
        }
        *name = wanted;
        let new = tats_ns.iter().copied().chain(std::iter::repeat(0));
        for (tat, new) in tats.iter_mut().zip(new) {
            *tat = new.to_le_bytes();
        }
        evicted
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|word| u64::from_le_bytes(*word))
}

/// Tells a whole value of this table from a torn or foreign one. Each step is a bijection of the
/// sum and of the word, so that a value in which one word differs has another sum. Against values
/// that somebody has made up it would not help; nobody else writes here.
fn checksum(seed: u64, bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let sum = words(bytes).fold(seed, |sum, word| {
        (sum ^ word).wrapping_mul(ODD).rotate_left(29)
    });
    let sum = (sum ^ (sum >> 32)).wrapping_mul(ODD);
    sum ^ (sum >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHAPE: Shape = Shape {
        sets: 5,
        ways: 4,
        windows: 2,
    };
    const SEED: Seed = Seed { k0: 7, k1: 9 };

    fn table() -> Table {
        Table::new("rl/test/", SHAPE, SEED).unwrap()
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xEDB8_8320 & (0_u32.wrapping_sub(crc & 1)))
            })
        })
    }

    #[test]
    fn a_shape_outside_its_ranges_is_refused() {
        for shape in [
            Shape { sets: 0, ..SHAPE },
            Shape {
                sets: MAX_SETS + 1,
                ..SHAPE
            },
            Shape { ways: 0, ..SHAPE },
            Shape { ways: 65, ..SHAPE },
            Shape {
                windows: 0,
                ..SHAPE
            },
            Shape {
                windows: 9,
                ..SHAPE
            },
        ] {
            assert_eq!(
                Table::new("p", shape, SEED).err(),
                Some(ShapeError),
                "{shape:?}"
            );
        }
    }

    #[test]
    fn no_two_keys_of_a_table_have_the_same_crc32() {
        let table = Table::new(
            "rate_limit/0123456789abcdef/",
            Shape {
                sets: 1 << 17,
                ..SHAPE
            },
            SEED,
        )
        .unwrap();
        let mut sums: Vec<u32> = (0..1 << 17)
            .map(|set| crc32(table.key(set).as_bytes()))
            .collect();
        sums.sort_unstable();
        sums.dedup();
        assert_eq!(sums.len(), 1 << 17);
    }

    #[test]
    fn keys_spread_over_all_sets() {
        let table = table();
        let mut seen = [0_u32; 5];
        for i in 0..1_000_u32 {
            seen[usize::try_from(table.place(&i.to_le_bytes()).set).unwrap()] += 1;
        }
        assert!(
            seen.iter().all(|count| (120..=280).contains(count)),
            "{seen:?}"
        );
    }

    #[test]
    fn the_key_that_will_be_full_soonest_is_forgotten_and_only_a_live_one_counts() {
        let mut set = table().empty(0);
        for (fingerprint, tat) in [(1, 50), (2, 20), (3, 40), (4, 30)] {
            assert!(!set.put(fingerprint, &[tat, tat], 10));
        }
        let tats = |set: &Set, fingerprint| {
            let standing = set.standing(fingerprint);
            (standing.held, standing.tats_ns[0], standing.tats_ns[1])
        };
        assert_eq!(tats(&set, 9), (false, 0, 0));
        assert!(set.put(5, &[90, 90], 10), "2 had 10 ns to go");
        assert_eq!(tats(&set, 2), (false, 20, 20));
        assert_eq!(tats(&set, 1), (true, 50, 50));
        assert!(!set.put(6, &[90, 90], 30), "4 was full again at 30");
        assert_eq!(tats(&set, 4), (false, 20, 20));
        assert!(!set.put(6, &[95, 95], 30), "a held key moves in place");
        assert_eq!(tats(&set, 6), (true, 95, 95));
    }

    #[test]
    fn the_floor_is_the_highest_that_was_forgotten_in_each_window() {
        let mut set = table().empty(0);
        for (fingerprint, tats) in [(1, [20, 60]), (2, [50, 30]), (3, [99, 99]), (4, [99, 99])] {
            set.put(fingerprint, &tats, 10);
        }
        assert!(set.put(5, &[200, 200], 10), "2 is full again at 50");
        assert!(set.put(6, &[200, 200], 10), "1 is full again at 60");
        let standing = set.standing(1);
        assert_eq!(
            (standing.held, &standing.tats_ns[..2]),
            (false, &[50, 60][..])
        );
    }

    #[test]
    fn another_set_table_seed_or_layout_is_a_miss() {
        let table = table();
        let mut set = table.empty(3);
        set.put(77, &[1, 2], 0);
        let bytes = table.seal(&set);
        assert_eq!(table.open(3, bytes.clone()), Some(set));
        assert_eq!(table.open(2, bytes.clone()), None);
        for other in [
            Table::new("rl/other/", SHAPE, SEED),
            Table::new("rl/test/", SHAPE, Seed { k0: 8, k1: 9 }),
            Table::new("rl/test/", Shape { ways: 2, ..SHAPE }, SEED),
            Table::new(
                "rl/test/",
                Shape {
                    windows: 1,
                    ..SHAPE
                },
                SEED,
            ),
        ] {
            assert_eq!(other.unwrap().open(3, bytes.clone()), None);
        }
    }

    proptest! {
        #[test]
        fn any_changed_byte_or_length_is_a_miss(at in 0_usize..128, flip in 1_u8..=255, cut in 0_usize..128) {
            let table = table();
            let mut set = table.empty(3);
            set.put(77, &[1, 2], 0);
            let bytes = table.seal(&set);
            prop_assert_eq!(bytes.len(), 128);
            let mut torn = bytes.clone();
            torn[at] ^= flip;
            prop_assert_eq!(table.open(3, torn), None);
            prop_assert_eq!(table.open(3, bytes[..cut].to_vec()), None);
        }

        #[test]
        fn foreign_bytes_are_a_miss(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(table().open(0, bytes), None);
        }
    }
}
