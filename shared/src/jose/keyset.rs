//! A set of keys, and which of them a token is tried against.
//!
//! A token with a `kid` is tried against the keys of that name; only where no key has the name,
//! against keys without any name. A token without `kid` is tried against every key that fits its
//! algorithm. At most [`MAX_TRIED`] are tried. Several keys may have one name (RFC 7517 section 4.5
//! asks only that they should not): each is the issuer's. Different secrets of one name are left
//! out: of two that are both typed by hand, one is a mistake.
//!
//! A key that cannot be used is left out with the reason, so that one novelty in an issuer's set
//! does not lock everybody out, and so is what comes after the first [`MAX_KEYS`]. Only secrets
//! beside public keys make a whole set unusable.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::accelerator::Accelerator;
use super::algorithm::Algorithms;
use super::header::Header;
use super::jwk::{Key, KeyFault, Secrets};
use super::refusal::Refusal;
use super::strict::{objects_in, parse_object};
use crate::sorting;

/// The most keys in one set.
pub const MAX_KEYS: usize = 1024;
/// The most keys that one token is tried against.
pub const MAX_TRIED: usize = 8;
/// The most keys that are named where some were left out.
const MAX_NAMED: usize = 8;
/// The most keys whose names are kept where they were left out.
const MAX_UNUSABLE: usize = 64;
/// The longest `kid` that is shown, in bytes.
const MAX_SHOWN_BYTES: usize = 64;

/// Why a whole set of keys is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeySetFault {
    /// Not a JSON object with an array `keys` (RFC 7517 section 5), or one with a member named
    /// twice.
    NotAKeySet,
    /// Secrets and public keys in one set.
    MixedSecrets,
}

impl fmt::Display for KeySetFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotAKeySet => "not a JSON object with an array `keys`, each name once",
            Self::MixedSecrets => "shared secrets and public keys in one set",
        })
    }
}

impl std::error::Error for KeySetFault {}

/// A key that was left out of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LeftOut {
    /// Its `kid` as far as it can be shown, or its place.
    name: String,
    fault: KeyFault,
}

/// The keys of one issuer.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
    left_out: Vec<LeftOut>,
    /// Names of keys that were left out.
    unusable: Vec<String>,
    skipped: usize,
}

impl KeySet {
    /// Reads a JWK Set.
    ///
    /// # Errors
    /// When it is not one, or mixes secrets and public keys. A set without one usable key is no
    /// error: see [`KeySet::is_empty`].
    pub fn parse(text: &[u8], secrets: Secrets) -> Result<Self, KeySetFault> {
        let list = objects_in(text, "keys").ok_or(KeySetFault::NotAKeySet)?;
        let mut keys = Vec::new();
        let mut left_out = Vec::new();
        let mut malformed = Vec::new();
        let mut unusable = Vec::new();
        let mut skipped = list.len().saturating_sub(MAX_KEYS);
        for (at, written) in list.iter().enumerate().take(MAX_KEYS) {
            let key = match parse_object(written) {
                None => Err(KeyFault::NotAnObject),
                // Where everybody reads the set, everybody can sign with a private key in it.
                Some(members) if secrets == Secrets::Refused && Key::is_private(&members) => {
                    Err(KeyFault::PrivatePublished)
                }
                Some(members) => Key::from_members(&members, secrets),
            };
            match key {
                Ok(key) => keys.push(key),
                Err(fault) => {
                    let kid = kid_of(written);
                    skipped = skipped.saturating_add(1);
                    if left_out.len() < MAX_NAMED {
                        let name = shown(kid.as_deref().unwrap_or_default(), at);
                        left_out.push(LeftOut { name, fault });
                    }
                    if let Some(kid) = &kid
                        && unusable.len() < MAX_UNUSABLE
                        && kid.len() <= MAX_SHOWN_BYTES
                    {
                        unusable.push(kid.clone());
                    }
                    if let (KeyFault::BadMember | KeyFault::NotAnObject, Some(kid)) = (fault, kid) {
                        malformed.push(kid);
                    }
                }
            }
        }
        if list.len() > MAX_KEYS && left_out.len() < MAX_NAMED {
            let name = format!("all after the first {MAX_KEYS}");
            let fault = KeyFault::TooMany;
            left_out.push(LeftOut { name, fault });
        }
        // A malformed secret may be the one that its name was meant for.
        sorting::sort(&mut malformed);
        let is_meant = |key: &Key| {
            let kid = key.kid().filter(|_| key.is_secret());
            let is_malformed = |kid| malformed.binary_search_by(|of: &String| of.as_str().cmp(kid));
            kid.is_none_or(|kid| is_malformed(kid).is_err())
        };
        let read = keys.len();
        keys.retain(is_meant);
        skipped = skipped.saturating_add(read.saturating_sub(keys.len()));
        let mut set = Self::from_keys(keys)?;
        set.left_out = left_out;
        set.unusable = unusable;
        set.skipped = set.skipped.saturating_add(skipped);
        Ok(set)
    }

    /// Makes a set of keys that were read one by one.
    ///
    /// # Errors
    /// When there are secrets and public keys among them.
    pub fn from_keys(keys: Vec<Key>) -> Result<Self, KeySetFault> {
        let secrets = keys.iter().filter(|key| key.is_secret()).count();
        if secrets != 0 && secrets != keys.len() {
            return Err(KeySetFault::MixedSecrets);
        }
        let before = keys.len();
        let keys = if secrets == 0 {
            keys
        } else {
            unambiguous(keys)
        };
        Ok(Self {
            skipped: before.saturating_sub(keys.len()),
            keys,
            ..Self::default()
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

    /// The keys that were left out, each with its reason, for operators; none if there are none.
    pub fn describe_skipped(&self) -> Option<String> {
        let first = self.left_out.first()?;
        let mut text = format!("`{}` ({})", first.name, first.fault);
        for other in self.left_out.iter().skip(1) {
            text.push_str(&format!(", `{}` ({})", other.name, other.fault));
        }
        if self.skipped > self.left_out.len() {
            text.push_str(&format!("; {} in all", self.skipped));
        }
        Some(text)
    }

    /// The keys that can be used.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// Whether one of the keys has this name.
    pub fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    /// Finds the key whose signature this is.
    ///
    /// # Errors
    /// [`Refusal::AlgorithmRefused`], [`Refusal::KeyUnknown`] (newer keys might help),
    /// [`Refusal::KeyUnusable`] or [`Refusal::SignatureRefused`].
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
        let has_name = named.is_some_and(|kid| self.has(kid));
        let is_candidate = |key: &&Key| match (named, has_name) {
            (None, _) => true,
            (Some(_), true) => key.kid() == named,
            (Some(_), false) => key.kid().is_none(),
        };
        let is_unusable =
            || named.is_some_and(|kid| self.unusable.iter().any(|unusable| unusable == kid));
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
            (_, false) if is_unusable() => Refusal::KeyUnusable,
            (true, _) => Refusal::SignatureRefused,
            (false, true) => Refusal::AlgorithmRefused,
            (false, false) => Refusal::KeyUnknown,
        })
    }
}

/// The secrets without those that have one name and are not the same.
fn unambiguous(keys: Vec<Key>) -> Vec<Key> {
    let mut by_name: BTreeMap<&str, (&Key, bool)> = BTreeMap::new();
    for key in &keys {
        let Some(kid) = key.kid() else { continue };
        by_name
            .entry(kid)
            .and_modify(|(first, clear)| *clear &= first.same_secret(key))
            .or_insert((key, true));
    }
    let clear: Vec<bool> = keys
        .iter()
        .map(|key| {
            let named = key.kid().and_then(|kid| by_name.get(kid));
            named.is_none_or(|(_, clear)| *clear)
        })
        .collect();
    let kept = keys.into_iter().zip(clear);
    kept.filter_map(|(key, clear)| clear.then_some(key))
        .collect()
}

/// The `kid` of a key that cannot be used, whatever is wrong with its other members.
fn kid_of(written: &[u8]) -> Option<String> {
    let members: Value = serde_json::from_slice(written).ok()?;
    members.get("kid")?.as_str().map(str::to_owned)
}

/// How a key is called in a log: its `kid`, or its place in the set. Only what cannot disturb a
/// line is shown of it.
fn shown(kid: &str, at: usize) -> String {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'`';
    if kid.is_empty() || !kid.bytes().all(is_plain) {
        return format!("keys[{at}]");
    }
    match kid.get(..MAX_SHOWN_BYTES) {
        Some(beginning) if kid.len() > MAX_SHOWN_BYTES => format!("{beginning}…"),
        _ => kid.to_owned(),
    }
}
