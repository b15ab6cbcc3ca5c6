//! The keys that are known, and the question whether a presented one is among them.
//!
//! Keys are stored as SHA-256 digests: they are long and random, so a fast hash is enough, and
//! whoever reads the configuration cannot use them. The digests are in order. Looking one up takes
//! a number of steps that depends on the number of keys only, and known, unknown, expired and
//! future keys go through the same steps; the last comparison takes the same time wherever the
//! first difference is. (The digest of what was presented cannot be steered, so the order of the
//! search tells nothing about any key.)
//!
//! There may be a hundred thousand keys, and there is a keyring for each worker of the proxy. So a
//! key is a `Record` of 56 bytes and its id; what is said of its holder is kept once for all keys
//! of which the same is said.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use modelgate_kit::config::fingerprint;
use modelgate_kit::config::types::refused_unlike;
use modelgate_kit::explain::{Note, instant};
use modelgate_kit::facts::{Identity, Serialized};
use modelgate_kit::sorting;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::store::{Blocks, Place, Texts};

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// What belongs to a digest.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Digest of the key.
    pub digest: Digest,
    /// First instant at which it is good, in nanoseconds since the Unix epoch.
    pub not_before_ns: u64,
    /// First instant at which it is no longer good.
    pub expires_at_ns: u64,
    /// Public name of the key.
    pub id: String,
    /// Who presents it: the identity without the key's id, as the fact is written.
    pub holder: Vec<u8>,
}

/// An entry as it is kept.
#[derive(Debug)]
struct Record {
    digest: Digest,
    not_before_ns: u64,
    expires_at_ns: u64,
    id: Place,
    holder: Place,
}

/// Why a key is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unaccepted {
    /// Nobody has it.
    Unknown,
    /// Its time has not come.
    NotYetValid,
    /// Its time is over.
    Expired,
}

/// Identities that are kept as they were read.
const REMEMBERED: usize = 256;

/// An identity that was read, and the place of its entry.
type Read = Option<(usize, Serialized<Identity>)>;

/// Keys that are being read.
#[derive(Debug, Default)]
pub struct Builder {
    records: Blocks<Record>,
    texts: Texts,
    /// Where holders stand, by their fingerprints.
    holders: BTreeMap<u64, Place>,
}

impl Builder {
    /// One more key.
    pub fn add(&mut self, entry: &Entry) {
        let print = fingerprint(&entry.holder);
        let known = self.holders.get(&print).copied();
        let holder = known.filter(|place| self.texts.get(*place) == entry.holder);
        let holder = holder.unwrap_or_else(|| {
            let place = self.texts.add(&entry.holder);
            self.holders.insert(print, place);
            place
        });
        self.records.push(Record {
            digest: entry.digest,
            not_before_ns: entry.not_before_ns,
            expires_at_ns: entry.expires_at_ns,
            id: self.texts.add(entry.id.as_bytes()),
            holder,
        });
    }

    /// The ring.
    pub fn finish(mut self) -> Keyring {
        self.records.shrink();
        let digest_of = |at: &u32| Some(&self.records.get(index(*at))?.digest);
        // The first bytes as a number: digests hardly ever agree in them.
        let number_of = |at: &u32| {
            digest_of(at)?
                .first_chunk()
                .copied()
                .map(u64::from_be_bytes)
        };
        let count = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = (0..count).collect();
        sorting::sort_spread(
            &mut order,
            |at| number_of(at).unwrap_or_default(),
            |one, other| digest_of(one) < digest_of(other),
        );
        Keyring {
            records: self.records,
            texts: self.texts,
            order,
            read: RefCell::default(),
        }
    }
}

/// All keys.
#[derive(Debug, Default)]
pub struct Keyring {
    records: Blocks<Record>,
    texts: Texts,
    /// The records in the order of their digests.
    order: Vec<u32>,
    /// By the last bits of the place: keys that are used take a look-up, not a reading.
    read: RefCell<Vec<Read>>,
}

const fn index(at: u32) -> usize {
    at as usize
}

impl Keyring {
    fn record(&self, at: usize) -> Option<&Record> {
        self.records.get(index(*self.order.get(at)?))
    }

    /// Keys with the digest of an earlier one, by the order in which they were added.
    pub fn same_digests(&self) -> impl Iterator<Item = u32> {
        let pairs = self.order.iter().zip(self.order.iter().skip(1));
        let digest = |at: &u32| self.records.get(index(*at)).map(|record| record.digest);
        pairs
            .filter(move |(one, other)| digest(one) == digest(other))
            .map(|(one, other)| *one.max(other))
    }

    /// The fingerprint of each key's id, in the order in which they were added.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        let count = u32::try_from(self.order.len()).unwrap_or(u32::MAX);
        let id = |at| Some(self.texts.get(self.records.get(index(at))?.id));
        (0..count).filter_map(id).map(fingerprint)
    }

    /// The entry next to a digest, its place, and whether it is the one: the same work for every
    /// digest.
    fn nearest(&self, digest: &Digest) -> Option<(usize, &Record, bool)> {
        let mut from = 0_usize;
        let mut left = self.order.len();
        while left > 1 {
            let half = left / 2;
            let middle = from.saturating_add(half);
            if self
                .record(middle)
                .is_some_and(|record| record.digest <= *digest)
            {
                from = middle;
            }
            left = left.saturating_sub(half);
        }
        let nearest = self.record(from)?;
        Some((from, nearest, bool::from(nearest.digest.ct_eq(digest))))
    }

    /// Whether this is a key, good or not.
    pub fn knows(&self, key: &[u8]) -> bool {
        self.nearest(&Sha256::digest(key).into())
            .is_some_and(|(_, _, known)| known)
    }

    /// Whose key this is.
    ///
    /// # Errors
    /// Why it is not accepted at this time.
    pub fn identify(&self, key: &[u8], now_ns: u64) -> Result<Serialized<Identity>, Unaccepted> {
        let digest: Digest = Sha256::digest(key).into();
        let (place, nearest, known) = self.nearest(&digest).ok_or(Unaccepted::Unknown)?;
        // Nothing is no key, whoever has its digest.
        let known = known && !key.trim_ascii().is_empty();
        let begun = nearest.not_before_ns <= now_ns;
        let over = nearest.expires_at_ns <= now_ns;
        match (known, begun, over) {
            (false, _, _) => Err(Unaccepted::Unknown),
            (true, _, true) => Err(Unaccepted::Expired),
            (true, false, false) => Err(Unaccepted::NotYetValid),
            // The fact was written by us: it can be read.
            (true, true, false) => self.read(place, nearest).ok_or(Unaccepted::Unknown),
        }
    }

    /// What is known of a key, for whoever asks why: its id, never the key.
    pub fn told(&self, key: &[u8], now_ns: u64) -> Note {
        const NS_PER_S: u64 = 1_000_000_000;
        let digest: Digest = Sha256::digest(key).into();
        let Some((_, record, true)) = self.nearest(&digest) else {
            let count = self.records.len();
            let text = format!("None of the {count} configured keys is this one.");
            return Note::fail("key", text).with("known", false);
        };
        let id = String::from_utf8_lossy(self.texts.get(record.id)).into_owned();
        let holder: Option<Identity> = serde_json::from_slice(self.texts.get(record.holder)).ok();
        let owner = holder.unwrap_or_default().consumer;
        let (begins_s, ends_s) = (
            record.not_before_ns / NS_PER_S,
            record.expires_at_ns / NS_PER_S,
        );
        let until = match record.expires_at_ns {
            u64::MAX => "does not expire".to_owned(),
            ends if ends <= now_ns => format!("has expired at {}", instant(ends_s)),
            _ => format!("expires at {}", instant(ends_s)),
        };
        let from = match record.not_before_ns > now_ns {
            true => format!(", is good from {} only", instant(begins_s)),
            false => String::new(),
        };
        let good = (record.not_before_ns..record.expires_at_ns).contains(&now_ns);
        let text = format!("The key is `{id}` of `{owner}`; it {until}{from}.");
        let note = Note::info("key", text).marked(good).with("known", true);
        note.with("key", id).with("owner", owner)
    }

    fn read(&self, place: usize, record: &Record) -> Option<Serialized<Identity>> {
        let mut read = self.read.borrow_mut();
        if read.is_empty() {
            read.resize(REMEMBERED.min(self.order.len()), None);
        }
        let slot = place.checked_rem(read.len())?;
        let slot = read.get_mut(slot)?;
        if let Some((known, identity)) = slot
            && *known == place
        {
            return Some(identity.clone());
        }
        let mut identity: Identity = serde_json::from_slice(self.texts.get(record.holder)).ok()?;
        identity.credential = String::from_utf8(self.texts.get(record.id).to_vec()).ok()?;
        let identity = Serialized::from(identity);
        *slot = Some((place, identity.clone()));
        Some(identity)
    }
}

/// Texts that a shell or a template makes where a key should be: nothing, a line's end, a prefix
/// alone, a variable that was not filled in.
const NO_KEYS: [&[u8]; 16] = [
    b"",
    b"\n",
    b"\r\n",
    b" ",
    b" \n",
    b"\t",
    b"\0",
    b"\"\"",
    b"''",
    b"-",
    b"-\n",
    b"mg_",
    b"mg_\n",
    b"$KEY",
    b"null",
    b"undefined",
];

/// Their digests.
static OF_NO_KEYS: LazyLock<[Digest; NO_KEYS.len()]> =
    LazyLock::new(|| NO_KEYS.map(|text| Sha256::digest(text).into()));

/// Whether this is the digest of something that is no key.
pub fn is_of_no_key(digest: &Digest) -> bool {
    OF_NO_KEYS.contains(digest)
}

/// A digest as it is written in a configuration: `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Debug, schemars::JsonSchema)]
#[schemars(with = "String", inline)]
pub struct KeyDigest(pub Digest);

/// A digest that stands for one that was refused.
const RIGHT: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

impl<'de> Deserialize<'de> for KeyDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = parse_digest(&String::deserialize(deserializer)?);
        read.map(Self).ok_or_else(|| {
            refused_unlike(
                RIGHT,
                "is not a digest",
                "write `sha256:` and the 64 digits that `printf %s \"$KEY\" | sha256sum` prints; never the key itself",
            )
        })
    }
}

/// Tools show the defaults of a configuration, and none has one of these.
impl serde::Serialize for KeyDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

fn parse_digest(text: &str) -> Option<Digest> {
    let (pairs, rest) = text.strip_prefix("sha256:")?.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != 32 {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        let digit = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
        };
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(key: &[u8], not_before_ns: u64, expires_at_ns: u64) -> Entry {
        let consumer = String::from_utf8_lossy(key).into_owned();
        Entry {
            digest: Sha256::digest(key).into(),
            not_before_ns,
            expires_at_ns,
            id: format!("{consumer}-1"),
            holder: Serialized::from(Identity {
                consumer,
                ..Identity::default()
            })
            .json()
            .into(),
        }
    }

    fn ring(entries: impl IntoIterator<Item = Entry>) -> Keyring {
        let mut builder = Builder::default();
        for entry in entries {
            builder.add(&entry);
        }
        builder.finish()
    }

    #[test]
    fn a_key_is_good_from_its_first_to_its_last_instant() {
        let ring = ring([entry(b"k", 10, 20)]);
        for (now, outcome) in [
            (9, Err(Unaccepted::NotYetValid)),
            (10, Ok("k")),
            (19, Ok("k")),
            (20, Err(Unaccepted::Expired)),
        ] {
            assert_eq!(
                ring.identify(b"k", now)
                    .map(|identity| identity.consumer.clone())
                    .as_deref()
                    .map_err(|unaccepted| *unaccepted),
                outcome,
                "{now}"
            );
        }
    }

    #[test]
    fn an_empty_ring_knows_nobody() {
        assert_eq!(
            Keyring::default().identify(b"", 0).err(),
            Some(Unaccepted::Unknown)
        );
    }

    #[test]
    fn nothing_is_no_key() {
        for nothing in ["", " ", "\n", "\t\r\n"] {
            let ring = ring([entry(nothing.as_bytes(), 0, u64::MAX)]);
            assert_eq!(
                ring.identify(nothing.as_bytes(), 1).err(),
                Some(Unaccepted::Unknown),
                "{nothing:?}"
            );
        }
        assert_eq!(
            parse_digest("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
                .map(|digest| is_of_no_key(&digest)),
            Some(true)
        );
        assert!(!is_of_no_key(&Sha256::digest(b"mg_1").into()));
    }

    #[test]
    fn what_is_there_twice_is_found() {
        let doubles = |change: fn(&mut Entry)| {
            let named = |number: u16| Entry {
                id: format!("key-{number}"),
                ..entry(&number.to_le_bytes(), 0, u64::MAX)
            };
            let mut entries: Vec<Entry> = (0..700).map(named).collect();
            change(&mut entries[600]);
            let ring = ring(entries);
            let ids: Vec<u64> = ring.ids().collect();
            let same: Vec<u32> = ring.same_digests().collect();
            (same, ids.len(), ids[600] == ids[7])
        };
        assert_eq!(doubles(|_| {}), (vec![], 700, false));
        let digest = |entry: &mut Entry| entry.digest = Sha256::digest(7_u16.to_le_bytes()).into();
        assert_eq!(doubles(digest), (vec![600], 700, false));
        let id = |entry: &mut Entry| entry.id = "key-7".to_owned();
        assert_eq!(doubles(id), (vec![], 700, true));
    }

    #[test]
    fn digests_are_read_as_sha256sum_prints_them() {
        let text = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        assert_eq!(parse_digest(text), Some(Sha256::digest(b"foo").into()));
        assert_eq!(
            parse_digest(&text.to_uppercase().replace("SHA256", "sha256")),
            parse_digest(text)
        );
        for bad in [
            "",
            "sha256:",
            "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            "sha512:00",
            &text[..70],
            &format!("{text}00"),
            &text.replace('2', "g"),
        ] {
            assert_eq!(parse_digest(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_key_is_found_and_no_other(count in 0_u16..600, probe in 0_u16..800) {
            let ring = ring((0..count).map(|number| entry(&number.to_le_bytes(), 0, u64::MAX)));
            // Twice: read, and remembered.
            for _ in 0..2 {
                let found = ring.identify(&probe.to_le_bytes(), 1);
                prop_assert_eq!(found.is_ok(), probe < count);
                if let Ok(identity) = found {
                    let name = String::from_utf8_lossy(&probe.to_le_bytes()).into_owned();
                    prop_assert_eq!(&identity.consumer, &name);
                    prop_assert_eq!(&identity.credential, &format!("{name}-1"));
                }
            }
        }
    }
}
