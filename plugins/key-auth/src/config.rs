//! What the operator writes, and how it becomes the keyring that runs.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use modelgate_kit::config::long::{self, Gather};
use modelgate_kit::config::types::{ListedName, NonEmpty, Realm};
use modelgate_kit::config::{Bounded, Problems, StripOrKeep, strict};
use modelgate_kit::credential::WrittenPlace;
use modelgate_kit::facts::{Identity, Serialized};
use modelgate_kit::identity_headers::WrittenIdentityHeaders;
use modelgate_kit::sorting;
use modelgate_kit::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::keyring::{Builder, Digest, Entry, KeyDigest, Keyring, is_of_no_key};

/// Configuration of `key-auth`. Without keys, every request is refused.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The keys, as digests.
    pub keys: Vec<WrittenKey>,
    /// Where a key may stand; all places are looked at, and a request with two keys is refused.
    /// Keys in the query end up in logs and histories: only for clients that cannot send headers.
    pub credential_from: NonEmpty<WrittenPlace>,
    /// A request without a key: `deny`, `deny_unidentified` (it passes if an earlier filter has
    /// verified its caller), or `allow` (it passes in any case; put `consumer-acl` behind).
    pub on_missing: OnMissing,
    /// A request whose caller an earlier filter has verified already, and which carries a key too:
    /// `deny`, `replace` that identity by the key's, or `keep` it (the key must be good
    /// nevertheless).
    pub on_other_identity: OnOtherIdentity,
    /// Whether the upstream sees the key: `strip` takes it out of every header, cookie and query
    /// parameter, also of those that `credential_from` does not list; `keep` leaves it, with every
    /// copy that the client has sent.
    pub credential_to_upstream: StripOrKeep,
    /// Request headers that tell the upstream who calls. What a client sends under these names, or
    /// under names that differ in `-`, `_` and the like only, is always removed.
    pub identity_headers: WrittenIdentityHeaders,
    /// Realm in `WWW-Authenticate`. Printable ASCII without quotes.
    pub realm: Realm,
    /// Longest key that is looked up, in bytes.
    pub max_key_bytes: Bounded<16, 4_096>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            credential_from: NonEmpty::one(WrittenPlace::header("x-api-key", None)),
            on_missing: OnMissing::Deny,
            on_other_identity: OnOtherIdentity::Deny,
            credential_to_upstream: StripOrKeep::Strip,
            identity_headers: WrittenIdentityHeaders::default(),
            realm: Realm::default(),
            max_key_bytes: Bounded::new(256),
        }
    }
}

/// One key. A consumer may have several, so that keys can be rotated.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenKey {
    /// Public name of the key, for logs and audit events; unique. Never the key or a part of it.
    pub id: ListedName,
    /// `sha256:` and the hexadecimal SHA-256 digest of the key: `printf %s "$KEY" | sha256sum`.
    pub digest: KeyDigest,
    /// Who presents it.
    pub consumer: ListedName,
    /// Groups of the consumer.
    #[serde(default)]
    pub groups: Vec<ListedName>,
    /// First instant at which the key is good (RFC 3339).
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// First instant at which it is no longer good (RFC 3339). From 21 July 2554 on, and up to the
    /// year 9999, it means: never.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// What else is known of the key: claims of the identity, for access rules, limits and audit
    /// events.
    #[serde(default, deserialize_with = "strict::distinct")]
    pub labels: BTreeMap<String, String>,
}

/// What becomes of a request without a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnMissing {
    /// It is refused.
    #[default]
    Deny,
    /// It is refused, unless an earlier filter has verified the caller.
    DenyUnidentified,
    /// It passes, whether there is an identity or not.
    Allow,
}

/// What becomes of a second identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnOtherIdentity {
    /// The request is refused.
    #[default]
    Deny,
    /// The key's identity takes the place of the other.
    Replace,
    /// The other identity stays.
    Keep,
}

/// Compiles all keys; what is wrong with them is added to `problems`.
pub fn compile_keys(keys: Vec<WrittenKey>, problems: &mut Problems) -> Keyring {
    let mut ids = BTreeSet::new();
    let mut digests: BTreeSet<Digest> = BTreeSet::new();
    let mut ring = Builder::default();
    for (at, key) in keys.into_iter().enumerate() {
        problems.within(&format!("keys[{at}]"), |problems| {
            if !ids.insert(key.id.clone()) {
                same_id("id", problems);
            }
            let entry = key.compile(problems);
            if !digests.insert(entry.digest) {
                same_digest("digest", problems);
            }
            ring.add(&entry);
        });
    }
    ring.finish()
}

/// Reads the keys one by one, without a list of what was written.
#[derive(Default)]
pub struct Keys {
    ring: Builder,
    /// How many have come.
    count: u32,
    /// Places of those that could not be read.
    left_out: Vec<u32>,
}

impl Keys {
    /// Begins with none.
    pub fn begin() -> Box<dyn Gather> {
        Box::new(Self::default())
    }
}

impl Gather for Keys {
    fn add(&mut self, element: &[u8], problems: &mut Problems) -> Option<()> {
        // Only of what is wrong is more read than the key.
        match serde_json::from_slice::<WrittenKey>(element) {
            Ok(key) => self.ring.add(&key.compile(problems)),
            Err(_) => {
                if let Some(key) = long::element::<WrittenKey>(element, problems)? {
                    // What else is wrong with it.
                    let _ = key.compile(problems);
                }
                self.left_out.push(self.count);
            }
        }
        self.count = self.count.saturating_add(1);
        Some(())
    }

    fn finish(self: Box<Self>, problems: &mut Problems) -> Rc<dyn Any> {
        let ring = self.ring.finish();
        // Of each that was added its place in the list.
        let mut places = Vec::new();
        if !self.left_out.is_empty() {
            let mut left_out = self.left_out.iter().peekable();
            let is_in = |at: &u32| left_out.next_if_eq(&at).is_none();
            places.extend((0..self.count).filter(is_in));
        }
        let place = |at: u32| index(places.get(index(at)).copied().unwrap_or(at));
        for at in ring.same_digests() {
            same_digest(&format!("[{}].digest", place(at)), problems);
        }
        // Their places are memory that only a refusal needs.
        let mut ids = Vec::with_capacity(index(self.count));
        ids.extend(ring.ids());
        sorting::sort_spread(&mut ids, |id| *id, u64::lt);
        if ids
            .iter()
            .zip(ids.iter().skip(1))
            .any(|(one, other)| one == other)
        {
            let mut ids: Vec<(u64, u32)> = ring.ids().zip(0..).collect();
            sorting::sort(&mut ids);
            for ((one, _), (other, at)) in ids.iter().zip(ids.iter().skip(1)) {
                if one == other {
                    same_id(&format!("[{}].id", place(*at)), problems);
                }
            }
        }
        Rc::new(ring)
    }
}

const fn index(at: u32) -> usize {
    at as usize
}

fn same_id(path: &str, problems: &mut Problems) {
    problems.add(
        path,
        "is the id of another key too",
        "ids tell keys apart in audit events",
    );
}

fn same_digest(path: &str, problems: &mut Problems) {
    problems.add(
        path,
        "is the digest of another key too",
        "one key belongs to one consumer",
    );
}

impl WrittenKey {
    fn compile(self, problems: &mut Problems) -> Entry {
        let not_before_ns = self.not_before.map_or(0, |Timestamp(ns)| ns);
        let expires_at_ns = self.expires_at.map_or(u64::MAX, |Timestamp(ns)| ns);
        if not_before_ns >= expires_at_ns {
            let (path, problem) = match self.expires_at {
                Some(_) => ("expires_at", "is not after not_before"),
                None => (
                    "not_before",
                    "lies behind 21 July 2554, when time ends here",
                ),
            };
            problems.add(path, problem, "the key would never be good");
        }
        let KeyDigest(digest) = self.digest;
        if is_of_no_key(&digest) {
            problems.add(
                "digest",
                "is the digest of an empty text, or of another that is no key",
                "was the variable empty when the digest was made? Make a key first: KEY=\"mg_$(openssl rand -hex 24)\"",
            );
        }
        let mut identity = Identity {
            consumer: self.consumer.into_string(),
            method: "key".to_owned(),
            groups: self.groups.into_iter().map(String::from).collect(),
            ..Identity::default()
        };
        // One by one: to collect a map, the standard library sorts.
        for (name, value) in self.labels {
            identity.claims.insert(name, value.into());
        }
        Entry {
            digest,
            not_before_ns,
            expires_at_ns,
            id: self.id.into_string(),
            holder: Serialized::from(identity).json().into(),
        }
    }
}
