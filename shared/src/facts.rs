//! Typed facts that one filter leaves for the next, and for the access log.
//!
//! A fact is a small JSON document in the exchange's filter state under `modelgate.NAME`; Envoy's access log shows it with
//! `%FILTER_STATE(wasm.modelgate.NAME:PLAIN)%`. Clients cannot write filter state. Where a host has none (nginx), facts travel in
//! one header that carries a keyed seal: see [`crate::seal`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::exchange::Exchange;
use crate::host::Status;

/// Something that one filter tells the following ones.
pub trait Fact: Serialize + DeserializeOwned {
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// OAuth scopes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Verified claims, or labels of a key, that the filter was told to pass on.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub claims: serde_json::Map<String, serde_json::Value>,
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
}

impl Fact for Denied {
    const NAME: &'static str = "denied";
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
    /// Model or endpoint.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Version, label or variant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
}

impl Fact for ModelCall {
    const NAME: &'static str = "model";
}

/// Key of a fact in the filter state.
fn key(name: &str) -> String {
    format!("modelgate.{name}")
}

impl Exchange {
    /// Leaves a fact for the filters that follow.
    ///
    /// # Errors
    /// The host's status. Whoever depends on the fact being there must deny.
    pub fn publish<F: Fact>(&self, fact: &F) -> Result<(), Status> {
        let value = serde_json::to_vec(fact).map_err(|_| Status::SerializationFailure)?;
        match self.host().set_property(&key(F::NAME), &value) {
            Err(Status::NotFound | Status::Unimplemented) => self.publish_sealed(F::NAME, &value),
            result => result,
        }
    }

    /// The fact that an earlier filter left, if any.
    pub fn fact<F: Fact>(&self) -> Option<F> {
        let value = match self.host().property(&[&key(F::NAME)]) {
            Ok(value) => value,
            Err(_) => self.sealed(F::NAME)?,
        };
        serde_json::from_slice(&value).ok()
    }
}
