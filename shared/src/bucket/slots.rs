//! Where TATs live: a fixed number of slots in shared data, so that keys which a client chooses can neither fill the memory nor make
//! the host's table grow under its lock.
//!
//! A key's 64-bit keyed hash picks one *set*; a set is one value of shared data and holds a few *ways*, each with the fingerprint and
//! the TATs of one key. Because a whole set is swapped at once, two workers cannot place the same key twice. A key that is not in its
//! set takes an empty way, else one whose buckets are full (forgetting it loses nothing), else the one that will be full soonest: that
//! last case forgets what somebody had used, and is counted.
//!
//! A value: version, ways, windows, 0, set number (4 bytes), per way the fingerprint and the TATs (8 bytes each), checksum (8 bytes), all
//! little-endian. Anything else under the key (another layout, another table, torn or foreign bytes) is a miss, and is counted.
//!
//! nginx compares shared keys by their CRC-32 alone. The set number is the last four characters of a key and nothing else differs, and
//! CRC-32 tells any two messages apart that differ only within 32 adjacent bits: no two sets of a table are ever mixed up. Sets of
//! different tables are told apart by the checksum, whose key is derived from the prefix.

use super::siphash::{Seed, siphash24};
use super::store::{Prepared, Store, StoreFailed, Swap, create};

/// Most ways of a set.
pub const MAX_WAYS: u8 = 8;
/// Most windows of a key.
pub const MAX_WINDOWS: u8 = 8;
/// Most sets of a table: what four characters of 6 bits can name.
const MAX_SETS: u32 = 1 << 24;

const VERSION: u8 = 1;
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The size of a table. Memory in the host is about `sets × (100 + ways × (8 + 8 × windows))` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of sets, 1 to 16,777,216.
    pub sets: u32,
    /// Keys that fit in a set, 1 to 8.
    pub ways: u8,
    /// TATs that a key has, 1 to 8.
    pub windows: u8,
}

/// A number of a [`Shape`] lies outside its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapeError;

impl core::fmt::Display for ShapeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "a table has 1 to {MAX_SETS} sets of 1 to {MAX_WAYS} ways with 1 to {MAX_WINDOWS} windows"
        )
    }
}

/// A table of buckets in shared data.
#[derive(Debug)]
pub struct Table {
    prefix: String,
    shape: Shape,
    placing: Seed,
    sealing: Seed,
}

impl Table {
    /// A table under `prefix`, which names filter and configuration: whoever uses the same prefix and seed shares the buckets.
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
            sealing: seed.derive(prefix.as_bytes()),
        })
    }

    /// The size that the table was made with.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Creates every slot that does not exist. To be called when the filter is configured: afterwards no key is ever added, so the
    /// host never has to grow its table while requests wait for its lock.
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

    /// Which set and which fingerprint belong to the key of a bucket.
    pub(super) fn place(&self, bucket: &[u8]) -> Place {
        let hash = siphash24(self.placing, bucket);
        let scaled = (u128::from(hash) * u128::from(self.shape.sets)) >> 64;
        // 0 marks an empty way.
        Place {
            set: u32::try_from(scaled).unwrap_or_default(),
            fingerprint: hash.max(1),
        }
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
    pub(super) fn open(&self, number: u32, bytes: &[u8]) -> Option<Set> {
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

/// One value of shared data, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    shape: Shape,
    number: u32,
    ways: Vec<Way>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Way {
    fingerprint: u64,
    tats_ns: [u64; MAX_WINDOWS as usize],
}

impl Way {
    fn full_again_at(&self) -> u64 {
        self.tats_ns.iter().copied().max().unwrap_or(0)
    }
}

impl Set {
    fn empty(shape: Shape, number: u32) -> Self {
        Self {
            shape,
            number,
            ways: vec![Way::default(); usize::from(shape.ways)],
        }
    }

    fn header(shape: Shape, number: u32) -> [u8; 8] {
        let [a, b, c, d] = number.to_le_bytes();
        [VERSION, shape.ways, shape.windows, 0, a, b, c, d]
    }

    fn seal(&self, seed: Seed) -> Vec<u8> {
        let mut bytes =
            Vec::with_capacity(16 + usize::from(MAX_WAYS) * 8 * (1 + usize::from(MAX_WINDOWS)));
        bytes.extend_from_slice(&Self::header(self.shape, self.number));
        for way in &self.ways {
            bytes.extend_from_slice(&way.fingerprint.to_le_bytes());
            for tat in way.tats_ns.iter().take(usize::from(self.shape.windows)) {
                bytes.extend_from_slice(&tat.to_le_bytes());
            }
        }
        let checksum = siphash24(seed, &bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn open(shape: Shape, number: u32, seed: Seed, bytes: &[u8]) -> Option<Self> {
        let (sealed, checksum) = bytes.split_last_chunk::<8>()?;
        let body = sealed.strip_prefix(&Self::header(shape, number))?;
        let (words, rest) = body.as_chunks::<8>();
        let words_per_way = usize::from(shape.windows).checked_add(1)?;
        let whole =
            rest.is_empty() && words.len() == words_per_way.checked_mul(usize::from(shape.ways))?;
        if !whole || siphash24(seed, sealed) != u64::from_le_bytes(*checksum) {
            return None;
        }
        let ways = words.chunks_exact(words_per_way).map(|words| {
            let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
            let mut way = Way {
                fingerprint: words.next().unwrap_or_default(),
                ..Way::default()
            };
            for (tat, word) in way.tats_ns.iter_mut().zip(words) {
                *tat = word;
            }
            way
        });
        Some(Self {
            shape,
            number,
            ways: ways.collect(),
        })
    }

    /// The TATs of a key; all 0 where the set does not hold it.
    pub(super) fn tats(&self, fingerprint: u64) -> [u64; MAX_WINDOWS as usize] {
        self.ways
            .iter()
            .find(|way| way.fingerprint == fingerprint)
            .map_or([0; MAX_WINDOWS as usize], |way| way.tats_ns)
    }

    /// Stores the TATs of a key. True if a bucket that was not full had to be forgotten for it.
    pub(super) fn put(&mut self, fingerprint: u64, tats_ns: &[u64], now_ns: u64) -> bool {
        let held = self
            .ways
            .iter_mut()
            .find(|way| way.fingerprint == fingerprint);
        let mut evicted = false;
        let way = match held {
            Some(way) => way,
            None => {
                // An empty way has TAT 0 and so comes before every other.
                let Some(way) = self.ways.iter_mut().min_by_key(|way| way.full_again_at()) else {
                    return false;
                };
                evicted = way.full_again_at() > now_ns;
                way.fingerprint = fingerprint;
                way
            }
        };
        way.tats_ns = [0; MAX_WINDOWS as usize];
        for (tat, new) in way
            .tats_ns
            .iter_mut()
            .take(usize::from(self.shape.windows))
            .zip(tats_ns)
        {
            *tat = *new;
        }
        evicted
    }
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
            Shape { ways: 9, ..SHAPE },
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
        assert!(set.put(5, &[90, 90], 10), "2 had 10 ns to go");
        assert_eq!(set.tats(2)[..2], [0, 0]);
        assert_eq!(set.tats(1)[..2], [50, 50]);
        assert!(!set.put(6, &[90, 90], 30), "4 was full again at 30");
        assert_eq!(set.tats(4)[..2], [0, 0]);
        assert!(!set.put(6, &[95, 95], 30), "a held key moves in place");
        assert_eq!(set.tats(6)[..2], [95, 95]);
    }

    #[test]
    fn another_set_table_seed_or_layout_is_a_miss() {
        let table = table();
        let mut set = table.empty(3);
        set.put(77, &[1, 2], 0);
        let bytes = table.seal(&set);
        assert_eq!(table.open(3, &bytes), Some(set));
        assert_eq!(table.open(2, &bytes), None);
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
            assert_eq!(other.unwrap().open(3, &bytes), None);
        }
    }

    proptest! {
        #[test]
        fn any_changed_byte_or_length_is_a_miss(at in 0_usize..112, flip in 1_u8..=255, cut in 0_usize..112) {
            let table = table();
            let mut set = table.empty(3);
            set.put(77, &[1, 2], 0);
            let bytes = table.seal(&set);
            prop_assert_eq!(bytes.len(), 112);
            let mut torn = bytes.clone();
            torn[at] ^= flip;
            prop_assert_eq!(table.open(3, &torn), None);
            prop_assert_eq!(table.open(3, &bytes[..cut]), None);
        }

        #[test]
        fn foreign_bytes_are_a_miss(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(table().open(0, &bytes), None);
        }
    }
}
