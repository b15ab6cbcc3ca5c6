//! A set of keys, and which of them a token is tried against.
//!
//! A token with a `kid` is tried against the keys of that name; only where no key has the name, against keys without any name. A
//! token without `kid` is tried against every key that fits its algorithm, up to [`MAX_TRIED`].
//! A key that cannot be used is left out and counted, so that one novelty in an issuer's set does not lock everybody out. Two
//! things make a set ambiguous and are refused: secrets beside public keys (whole set), different keys of one name and
//! algorithm (those keys, also when one of them is malformed: it may be the one that was meant).

use serde_json::{Map, Value};

use super::accelerator::Accelerator;
use super::algorithm::{Algorithm, Algorithms};
use super::header::Header;
use super::jwk::{Key, KeyFault, Secrets};
use super::refusal::Refusal;
use super::strict::parse_object;

/// The most keys in one set.
pub const MAX_KEYS: usize = 128;
/// The most keys that one token is tried against.
pub const MAX_TRIED: usize = 8;

/// Why a whole set of keys is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeySetFault {
    /// Not a JSON object with an array `keys` (RFC 7517 section 5), or one with a member named twice.
    NotAKeySet,
    /// More than [`MAX_KEYS`].
    TooManyKeys,
    /// Secrets and public keys in one set.
    MixedSecrets,
}

impl std::fmt::Display for KeySetFault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotAKeySet => {
                out.write_str("not a JSON object with an array `keys`, each name once")
            }
            Self::TooManyKeys => write!(out, "more than {MAX_KEYS} keys"),
            Self::MixedSecrets => out.write_str("shared secrets and public keys in one set"),
        }
    }
}

impl std::error::Error for KeySetFault {}

/// The keys of one issuer.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
    skipped: usize,
}

impl KeySet {
    /// Reads a JWK Set.
    ///
    /// # Errors
    /// When it is not one, or is ambiguous as a whole. A set without one usable key is no error: see [`KeySet::is_empty`].
    pub fn parse(text: &[u8], secrets: Secrets) -> Result<Self, KeySetFault> {
        let members = parse_object(text).ok_or(KeySetFault::NotAKeySet)?;
        let Some(Value::Array(list)) = members.get("keys") else {
            return Err(KeySetFault::NotAKeySet);
        };
        if list.len() > MAX_KEYS {
            return Err(KeySetFault::TooManyKeys);
        }
        let mut usable = Vec::new();
        let mut malformed = Vec::new();
        for members in list.iter().filter_map(Value::as_object) {
            match Key::from_members(members, secrets) {
                Ok(key) => usable.push((kind_and_name(members), key)),
                // For something else, or of a type that we do not know: no claim on the name.
                Err(
                    KeyFault::NotForSignatures | KeyFault::UnknownType | KeyFault::SecretRefused,
                ) => {}
                Err(_) => malformed.push(kind_and_name(members)),
            }
        }
        usable.retain(|((kind, name), _)| name.is_none() || !malformed.contains(&(*kind, *name)));
        let mut set = Self::from_keys(usable.into_iter().map(|(_, key)| key).collect())?;
        set.skipped = list.len().saturating_sub(set.keys.len());
        Ok(set)
    }

    /// Makes a set of keys that were read one by one.
    ///
    /// # Errors
    /// When there are too many, or secrets and public keys.
    pub fn from_keys(keys: Vec<Key>) -> Result<Self, KeySetFault> {
        if keys.len() > MAX_KEYS {
            return Err(KeySetFault::TooManyKeys);
        }
        let secrets = keys.iter().filter(|key| key.is_secret()).count();
        if secrets != 0 && secrets != keys.len() {
            return Err(KeySetFault::MixedSecrets);
        }
        let before = keys.len();
        let clear: Vec<bool> = keys
            .iter()
            .map(|key| !keys.iter().any(|other| is_ambiguous(key, other)))
            .collect();
        let keys: Vec<Key> = keys
            .into_iter()
            .zip(clear)
            .filter_map(|(key, clear)| clear.then_some(key))
            .collect();
        Ok(Self {
            skipped: before.saturating_sub(keys.len()),
            keys,
        })
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can be used.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys were left out.
    pub const fn skipped(&self) -> usize {
        self.skipped
    }

    /// The keys that can be used.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// Finds the key whose signature this is.
    ///
    /// # Errors
    /// [`Refusal::AlgorithmRefused`], [`Refusal::KeyUnknown`] (newer keys might help) or [`Refusal::SignatureRefused`].
    pub fn verify(
        &self,
        header: &Header,
        text: &[u8],
        signature: &[u8],
        allowed: Algorithms,
        accelerator: Option<&dyn Accelerator>,
    ) -> Result<&Key, Refusal> {
        if !allowed.contains(header.algorithm) {
            return Err(Refusal::AlgorithmRefused);
        }
        let named = header.kid.as_deref();
        let has_name = named.is_some() && self.keys.iter().any(|key| key.kid() == named);
        let is_candidate = |key: &&Key| match (named, has_name) {
            (None, _) => true,
            (Some(_), true) => key.kid() == named,
            (Some(_), false) => key.kid().is_none(),
        };
        let mut tried = false;
        for key in self
            .keys
            .iter()
            .filter(is_candidate)
            .filter(|key| key.fits(header.algorithm))
            .take(MAX_TRIED)
        {
            tried = true;
            if key.verify(header.algorithm, text, signature, accelerator) {
                return Ok(key);
            }
        }
        Err(match (tried, has_name) {
            (true, _) => Refusal::SignatureRefused,
            (false, true) => Refusal::AlgorithmRefused,
            (false, false) => Refusal::KeyUnknown,
        })
    }
}

fn kind_and_name(members: &Map<String, Value>) -> (Option<&Value>, Option<&Value>) {
    (members.get("kty"), members.get("kid"))
}

/// Whether one name stands for two different keys that one algorithm could use (RFC 7517 section 4.5 leaves the choice open).
fn is_ambiguous(key: &Key, other: &Key) -> bool {
    key.kid().is_some()
        && key.kid() == other.kid()
        && !key.same_material(other)
        && Algorithm::ALL
            .into_iter()
            .any(|algorithm| key.fits(algorithm) && other.fits(algorithm))
}
