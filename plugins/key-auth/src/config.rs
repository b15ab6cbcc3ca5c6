//! What the operator writes, and how it becomes the keyring that runs.

use std::any::Any;
use std::collections::BTreeMap;
use std::rc::Rc;

use modelgate_kit::config::long::Gather;
use modelgate_kit::config::{Bounded, Problems, strict};
use modelgate_kit::credential::{Place, WrittenPlace};
use modelgate_kit::facts::{Identity, Serialized};
use modelgate_kit::timestamp::parse_rfc3339;
use serde::Deserialize;

use crate::keyring::{Builder, Digest, Entry, Keyring, is_of_no_key, parse_digest};

/// Configuration of `key-auth`. Without keys, every request is refused.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The keys, as digests.
    pub keys: Vec<WrittenKey>,
    /// Where a key may stand; all places are looked at, and a request with two keys is refused.
    /// Keys in the query end up in logs and histories: only for clients that cannot send headers.
    pub key_from: Vec<WrittenPlace>,
    /// A request without a key: `deny`, `deny_unidentified` (it passes if an earlier filter has
    /// verified its caller), or `allow` (it passes in any case; put `consumer-acl` behind).
    pub on_missing_key: OnMissing,
    /// A request whose caller an earlier filter has verified already, and which carries a key too:
    /// `deny`, `replace` that identity by the key's, or `keep` it (the key must be good
    /// nevertheless).
    pub on_other_identity: OnOtherIdentity,
    /// What becomes of the key on the way to the upstream: `strip` takes it out of every header,
    /// cookie and query parameter, also of those that `key_from` does not list; `forward` leaves
    /// it, with every copy that the client has sent.
    pub forwarding: Forwarding,
    /// Request headers that tell the upstream who calls. What a client sends under these names, or
    /// under names that differ in `-`, `_` and the like only, is always removed.
    pub identity_headers: IdentityHeaders,
    /// Realm in `WWW-Authenticate`. Printable ASCII without quotes.
    pub realm: String,
    /// Longest key that is looked up, in bytes.
    pub max_key_bytes: Bounded<16, 4_096>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            key_from: vec![WrittenPlace::header("x-api-key", None)],
            on_missing_key: OnMissing::Deny,
            on_other_identity: OnOtherIdentity::Deny,
            forwarding: Forwarding::Strip,
            identity_headers: IdentityHeaders::default(),
            realm: "modelgate".to_owned(),
            max_key_bytes: Bounded::new(256),
        }
    }
}

/// One key. A consumer may have several, so that keys can be rotated.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub struct WrittenKey {
    /// Public name of the key, for logs and audit events; unique. Never the key or a part of it.
    pub id: String,
    /// `sha256:` and the hexadecimal SHA-256 digest of the key: `printf %s "$KEY" | sha256sum`.
    pub digest: String,
    /// Who presents it.
    pub consumer: String,
    /// Groups of the consumer.
    #[serde(default)]
    pub groups: Vec<String>,
    /// First instant at which the key is good (RFC 3339).
    #[serde(default)]
    pub not_before: Option<String>,
    /// First instant at which it is no longer good (RFC 3339). From 21 July 2554 on, and up to the
    /// year 9999, it means: never.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// What else is known of the key: claims of the identity, for access rules, limits and audit
    /// events.
    #[serde(default, deserialize_with = "strict::distinct")]
    pub labels: BTreeMap<String, String>,
}

/// What becomes of a request without a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
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

/// What becomes of the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum Forwarding {
    /// It is taken out of the request.
    #[default]
    Strip,
    /// It goes on to the upstream.
    Forward,
}

/// Names of headers for the upstream.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct IdentityHeaders {
    /// Header with the consumer.
    pub consumer: Option<String>,
    /// Header with the id of the key.
    pub credential: Option<String>,
    /// Header with the groups, joined by commas.
    pub groups: Option<String>,
}

/// Longest id, consumer or group, in bytes.
const LONGEST_NAME: usize = 256;

impl IdentityHeaders {
    /// Every name that is written, with the member that names it.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> + Clone {
        [
            ("consumer", &self.consumer),
            ("credential", &self.credential),
            ("groups", &self.groups),
        ]
        .into_iter()
        .filter_map(|(member, name)| Some((member, name.as_deref()?)))
    }

    /// Checks the names; what is wrong with them is added to `problems`.
    pub fn check(&self, places: &[Place], problems: &mut Problems) {
        for (member, name) in self.named() {
            let carries_keys = places
                .iter()
                .any(|place| matches!(place, Place::Header { name: header, .. } if header == name));
            if !is_header_name(name) {
                problems.add(
                    format!("identity_headers.{member}"),
                    "is not the name of a header",
                    "write it in lower case, such as x-consumer",
                );
            } else if carries_keys {
                problems.add(
                    format!("identity_headers.{member}"),
                    "is a header that carries keys",
                    "choose another name",
                );
            }
        }
    }
}

/// Compiles all keys; what is wrong with them is added to `problems`.
pub fn compile_keys(keys: Vec<WrittenKey>, problems: &mut Problems) -> Keyring {
    let mut ids = BTreeMap::new();
    let mut digests: BTreeMap<Digest, usize> = BTreeMap::new();
    let mut ring = Builder::default();
    for (at, key) in keys.into_iter().enumerate() {
        problems.within(&format!("keys[{at}]"), |problems| {
            if let Some(other) = ids.insert(key.id.clone(), at) {
                problems.add(
                    "id",
                    format!("is the id of keys[{other}] too"),
                    "ids tell keys apart in audit events",
                );
            }
            let entry = key.compile(problems);
            if let Some(entry) = &entry
                && let Some(other) = digests.insert(entry.digest, at)
            {
                problems.add(
                    "digest",
                    format!("is the digest of keys[{other}] too"),
                    "one key belongs to one consumer",
                );
            }
            if let Some(entry) = entry {
                ring.add(&entry);
            }
        });
    }
    ring.finish()
}

/// Reads the keys one by one, where nothing is wrong with any of them: without a list of what was
/// written.
#[derive(Default)]
pub struct Keys(Builder);

impl Keys {
    /// Begins with none.
    pub fn begin() -> Box<dyn Gather> {
        Box::new(Self::default())
    }
}

impl Gather for Keys {
    fn add(&mut self, element: &[u8]) -> Option<()> {
        let mut problems = Problems::default();
        let key: WrittenKey = serde_json::from_slice(element).ok()?;
        let entry = key.compile(&mut problems)?;
        self.0.add(&entry);
        problems.is_empty().then_some(())
    }

    fn finish(self: Box<Self>) -> Option<Rc<dyn Any>> {
        let ring = self.0.finish();
        ring.is_distinct().then(|| Rc::new(ring) as Rc<dyn Any>)
    }
}

impl WrittenKey {
    fn compile(self, problems: &mut Problems) -> Option<Entry> {
        for (member, name) in [("id", &self.id), ("consumer", &self.consumer)]
            .into_iter()
            .chain(self.groups.iter().map(|group| ("groups", group)))
        {
            if !(1..=LONGEST_NAME).contains(&name.len())
                || !name
                    .bytes()
                    .all(|byte| matches!(byte, b'!'..=b'~') && byte != b',')
            {
                problems.add(
                    member,
                    "is not a name",
                    "write 1 to 256 visible ASCII characters without commas and spaces",
                );
            }
        }
        let mut time = |member: &str, written: Option<&str>, otherwise: u64| match written {
            None => otherwise,
            Some(text) => parse_rfc3339(text).unwrap_or_else(|| {
                problems.add(
                    member,
                    "is not a date and time",
                    "write it as 2026-11-21T08:00:00Z (RFC 3339)",
                );
                otherwise
            }),
        };
        let not_before_ns = time("not_before", self.not_before.as_deref(), 0);
        let expires_at_ns = time("expires_at", self.expires_at.as_deref(), u64::MAX);
        if not_before_ns >= expires_at_ns {
            problems.add(
                "expires_at",
                "is not after not_before",
                "the key would never be good",
            );
        }
        let Some(digest) = parse_digest(&self.digest) else {
            problems.add("digest", "is not a digest", "write `sha256:` and the 64 digits that `printf %s \"$KEY\" | sha256sum` prints; never the key itself");
            return None;
        };
        if is_of_no_key(&digest) {
            problems.add(
                "digest",
                "is the digest of an empty text, or of another that is no key",
                "was the variable empty when the digest was made? Make a key first: KEY=\"mg_$(openssl rand -hex 24)\"",
            );
        }
        let identity = Identity {
            consumer: self.consumer,
            method: "key".to_owned(),
            groups: self.groups.into(),
            claims: self
                .labels
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect(),
            ..Identity::default()
        };
        Some(Entry {
            digest,
            not_before_ns,
            expires_at_ns,
            id: self.id,
            holder: Serialized::from(identity).json().into(),
        })
    }
}

fn is_header_name(name: &str) -> bool {
    is_token(name) && !name.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// A token of RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
