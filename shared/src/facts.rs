//! Typed facts that one filter leaves for the next, and for the access log.
//!
//! A fact is a small JSON document in the exchange's filter state under `modelgate.NAME`; Envoy's
//! access log shows it with `%FILTER_STATE(wasm.modelgate.NAME:PLAIN)%`. Clients cannot write
//! filter state. Where a host has none (nginx), facts are properties of the request, which neither
//! client nor upstream see: see [`crate::hosts::nginx`].

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::claim::{ANY, ClaimPath, Finding, Reading, Readings, Split, Word, words};
use crate::exchange::Exchange;
use crate::host::Status;
use crate::names::Names;

/// Something that one filter tells the following ones.
pub trait Fact: Serialize + DeserializeOwned + 'static {
    /// Name in the filter state, after `modelgate.`.
    const NAME: &'static str;
}

/// Who calls: left by the filter that verified it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// Name that policies use for the caller.
    pub consumer: String,
    /// `jwt`, `key`, …
    pub method: String,
    /// Who vouches for it: an issuer, a key store.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// Subject as the issuer names it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Public id of the credential (key id, `jti`); never the credential.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub credential: String,
    /// Groups and roles.
    #[serde(skip_serializing_if = "has_none")]
    pub groups: Names,
    /// The caller may be in further groups, which the token does not say or not readably: no rule
    /// may count on an absent one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub groups_unknown: bool,
    /// OAuth scopes.
    #[serde(skip_serializing_if = "has_none")]
    pub scopes: Names,
    /// There may be further scopes, as with groups.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub scopes_unknown: bool,
    /// Verified claims, or labels of a key, that the filter was told to pass on. They are written
    /// in the order of their names, and so are the members of objects in them.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    #[cfg_attr(not(target_family = "wasm"), serde(serialize_with = "sorted::map"))]
    pub claims: serde_json::Map<String, serde_json::Value>,
    /// Names of claims that the caller has but whose values are unknown; `*` stands for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims_unknown: Vec<String>,
    /// What rules have read of the claims.
    #[serde(skip)]
    pub readings: Readings<String>,
}

fn has_none(names: &Names) -> bool {
    names.is_empty()
}

/// JSON with the members of every object in the order of their names. In modules `serde_json` sorts
/// by itself; in a native build another crate may have switched its feature `preserve_order` on,
/// for all.
#[cfg(not(target_family = "wasm"))]
mod sorted {
    use serde::ser::{Serialize, SerializeSeq as _, Serializer};
    use serde_json::{Map, Value};

    pub fn map<S: Serializer>(members: &Map<String, Value>, to: S) -> Result<S::Ok, S::Error> {
        let mut members: Vec<_> = members.iter().collect();
        crate::sorting::sort_by_key(&mut members, |(name, _)| *name);
        to.collect_map(
            members
                .into_iter()
                .map(|(name, value)| (name, Sorted(value))),
        )
    }

    struct Sorted<'a>(&'a Value);

    impl Serialize for Sorted<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            match self.0 {
                Value::Object(members) => map(members, to),
                Value::Array(items) => {
                    let mut list = to.serialize_seq(Some(items.len()))?;
                    for item in items {
                        list.serialize_element(&Sorted(item))?;
                    }
                    list.end()
                }
                scalar => scalar.serialize(to),
            }
        }
    }
}

impl Identity {
    /// What is known of a claim: one that was handed on under the text of its path, or inside
    /// another.
    pub fn look(&self, path: &ClaimPath) -> Finding<'_> {
        let is_unknown = |name: &String| name == path.text() || name == path.first() || name == ANY;
        if self.claims_unknown.iter().any(is_unknown) {
            return Finding::Unknown;
        }
        match self.claims.get(path.text()) {
            Some(value) => Finding::Value(value),
            None => path.look(&self.claims),
        }
    }

    /// The one word of a claim, as bytes that tell it from others; nothing where the claim is not
    /// known, or has several.
    pub fn one_word(&self, path: &ClaimPath) -> Option<Vec<u8>> {
        let Finding::Value(value) = self.look(path) else {
            return None;
        };
        match words(value, Split::Whole)?.as_slice() {
            [Word::Text(text)] => Some(text.as_bytes().to_vec()),
            [Word::Number(number)] => Some(number.to_string().into_bytes()),
            [Word::Bool(flag)] => Some(flag.to_string().into_bytes()),
            _ => None,
        }
    }

    /// The words of a claim, read the first time that they are asked for.
    pub fn read(&self, path: &ClaimPath, split: Split) -> Rc<Reading<String>> {
        self.readings
            .get(path, split, || Reading::of(self.look(path), split))
    }
}

impl Fact for Identity {
    const NAME: &'static str = "identity";
}

/// What an access rule decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decision {
    /// Filter that decided.
    pub filter: String,
    /// `allow` or `deny`.
    pub effect: String,
    /// Rule that decided; empty for the default.
    pub rule: String,
    /// The verdict was only recorded, not enforced.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
}

impl Fact for Decision {
    const NAME: &'static str = "decision";
}

/// Why the exchange was ended by a filter; left by the kit with every reply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Denied {
    /// Filter that replied.
    pub filter: String,
    /// Reason code.
    pub reason: String,
    /// HTTP status of the reply.
    pub status: u16,
    /// The token that was refused although its signature is good: whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<RefusedToken>,
}

/// What a refused token says of itself: only of one whose signature was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefusedToken {
    /// Who has signed it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// A pseudonym of whom it is about ([`crate::pseudonym`]); never the subject itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<String>,
    /// `kid` of the key that has signed it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kid: String,
}

impl Fact for Denied {
    const NAME: &'static str = "denied";
}

/// How a caller could have authenticated: left by filters that have let a request pass without a
/// credential. Every 401 of a later filter lists them (RFC 9110 section 11.6.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Challenges {
    /// Values of `www-authenticate`.
    pub offered: Vec<String>,
}

impl Fact for Challenges {
    const NAME: &'static str = "challenges";
}

/// Which limit counted, and what it left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limited {
    /// Name of the tightest policy.
    pub policy: String,
    /// Units left in it.
    pub remaining: u64,
    /// The verdict was only recorded, not enforced.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
}

impl Fact for Limited {
    const NAME: &'static str = "limit";
}

/// How many values of each kind were masked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Masked {
    /// In the request: entity → count.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub request: BTreeMap<String, u64>,
    /// In the response: entity → count.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub response: BTreeMap<String, u64>,
    /// Found in the request, and passed all the same: entity → count.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub request_reported: BTreeMap<String, u64>,
    /// Found in the response, and passed all the same: entity → count.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub response_reported: BTreeMap<String, u64>,
    /// Reason codes that request or response would have been refused for, in shadow mode.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub would_deny: Vec<String>,
}

impl Fact for Masked {
    const NAME: &'static str = "masked";
}

/// Which model is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelCall {
    /// Protocol of the request, e.g. `openai`.
    pub dialect: String,
    /// Operation, e.g. `chat`.
    pub operation: String,
    /// Model or endpoint; several are joined by slashes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Where the request names several, each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Version, label or variant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Where it was sent, once that is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Box<Routed>>,
}

/// Which model, in which version, answers: the lineage of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Routed {
    /// The name that the request has asked for.
    pub name: String,
    /// Tag of the target that was chosen.
    pub target: String,
    /// Where it stands, by the name that the proxy's routes know.
    pub backend: String,
    /// The name that the server knows the model by.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Version, label, variant, deployment or inference component.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Why this target: `pin`, `override`, `split`, `rollback`, `fallback`, …
    pub why: String,
}

impl ModelCall {
    /// The models, each by itself; none if none is known.
    pub fn names(&self) -> Vec<String> {
        match (self.models.as_slice(), self.model.as_str()) {
            ([], "") => Vec::new(),
            ([], model) => vec![model.to_owned()],
            (models, _) => models.to_vec(),
        }
    }
}

impl Fact for ModelCall {
    const NAME: &'static str = "model";
}

/// Key of a fact in the filter state.
fn key(name: &str) -> String {
    ["modelgate.", name].concat()
}

/// The facts of one exchange as the filters of a fused chain hand them on: as they are, by name.
pub(crate) struct Remembered {
    /// Names of those that only filters of the chain leave.
    own: Rc<[&'static str]>,
    /// They are written to the filter state too.
    shown: bool,
    known: RefCell<Vec<(&'static str, Rc<dyn Any>)>>,
}

impl Remembered {
    pub fn new(own: Rc<[&'static str]>, shown: bool) -> Self {
        Self {
            own,
            shown,
            known: RefCell::default(),
        }
    }

    fn get<F: Fact>(&self) -> Option<Rc<F>> {
        let known = self.known.borrow();
        let (_, fact) = known.iter().find(|(name, _)| *name == F::NAME)?;
        Rc::clone(fact).downcast().ok()
    }

    /// Whether nobody outside the chain can have left it.
    fn would_know<F: Fact>(&self) -> bool {
        self.own.contains(&F::NAME)
    }

    fn keep<F: Fact>(&self, fact: Rc<F>) {
        let mut known = self.known.borrow_mut();
        known.retain(|(name, _)| *name != F::NAME);
        known.push((F::NAME, fact));
    }
}

/// A fact, written out once for many exchanges: who a cached token or a stored key belongs to does
/// not change.
#[derive(Clone)]
pub struct Serialized<F> {
    fact: Rc<F>,
    /// Empty if the fact cannot be written, which no fact of the kit is.
    json: Rc<[u8]>,
}

impl<F: Fact> Serialized<F> {
    /// The fact in its written form.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// A fact from its written form; nothing if it is none.
    pub fn from_json(json: &[u8]) -> Option<Self> {
        Some(Self {
            fact: Rc::new(serde_json::from_slice(json).ok()?),
            json: json.into(),
        })
    }
}

impl<F: Fact> From<F> for Serialized<F> {
    fn from(fact: F) -> Self {
        Self {
            json: serde_json::to_vec(&fact).unwrap_or_default().into(),
            fact: Rc::new(fact),
        }
    }
}

impl<F> std::ops::Deref for Serialized<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.fact
    }
}

/// Facts may name a caller: nothing is shown.
impl<F: Fact> std::fmt::Debug for Serialized<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Serialized({})", F::NAME)
    }
}

impl Exchange {
    /// Leaves a fact for the filters that follow.
    ///
    /// # Errors
    /// The host's status. Whoever depends on the fact being there must deny.
    pub fn publish<F: Fact>(&self, fact: F) -> Result<(), Status> {
        match &self.0.facts {
            Some(facts) if !facts.shown => {
                facts.keep(Rc::new(fact));
                Ok(())
            }
            _ => self.publish_serialized(&fact.into()),
        }
    }

    /// As [`Exchange::publish`], for a fact that is at hand in its written form.
    ///
    /// # Errors
    /// As [`Exchange::publish`].
    pub fn publish_serialized<F: Fact>(&self, written: &Serialized<F>) -> Result<(), Status> {
        if let Some(facts) = &self.0.facts {
            facts.keep(Rc::clone(&written.fact));
            if !facts.shown {
                return Ok(());
            }
        }
        if written.json.is_empty() {
            return Err(Status::SerializationFailure);
        }
        self.host().set_property(&key(F::NAME), &written.json)
    }

    /// Adds ways to authenticate to those that earlier filters have left.
    pub fn offer(&self, challenges: &Serialized<Challenges>) {
        // A host without facts loses a hint, nothing else.
        let _ = match self.fact::<Challenges>() {
            None => self.publish_serialized(challenges),
            Some(earlier) => {
                let mut all = (*earlier).clone();
                for challenge in &challenges.offered {
                    if !all.offered.contains(challenge) {
                        all.offered.push(challenge.clone());
                    }
                }
                self.publish(all)
            }
        };
    }

    /// The fact that an earlier filter left, if any.
    pub fn fact<F: Fact>(&self) -> Option<Rc<F>> {
        if let Some(facts) = &self.0.facts {
            match facts.get() {
                None if !facts.would_know::<F>() => {}
                known => return known,
            }
        }
        let value = self.property(&[&key(F::NAME)])?;
        let fact = Rc::new(serde_json::from_slice(&value).ok()?);
        if let Some(facts) = &self.0.facts {
            facts.keep(Rc::clone(&fact));
        }
        Some(fact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_written_in_the_order_of_their_names() {
        let read = r#"{"claims":{"z":{"b":[{"d":1,"c":null}],"a":"x"},"y":1.5}}"#;
        let identity: Identity = serde_json::from_str(read).unwrap();
        let written = serde_json::to_string(&identity).unwrap();
        assert_eq!(
            written,
            r#"{"consumer":"","method":"","claims":{"y":1.5,"z":{"a":"x","b":[{"c":null,"d":1}]}}}"#
        );
        assert_eq!(
            serde_json::from_str::<Identity>(&written).unwrap(),
            identity
        );
    }
}
