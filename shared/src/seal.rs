//! Facts on hosts without filter state (nginx): one request header that only this gateway can have
//! written.
//!
//! `x-modelgate-facts: MILLISECONDS.BASE64URL(JSON).BASE64URL(HMAC-SHA-256)`. The key is the VM's
//! environment variable `MODELGATE_FACTS_KEY` (at least 32 bytes, the same for every filter of the
//! chain). A header without a valid seal, or older than 30 seconds, is as good as absent, so a
//! client cannot set a fact; publishing overwrites whatever is there. Without the key there are no
//! facts, and filters that need one deny.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::exchange::Exchange;
use crate::headers::Occurrence;
use crate::host::Status;

/// Header that carries sealed facts.
pub const FACTS_HEADER: &str = "x-modelgate-facts";
/// Environment variable with the sealing key.
pub const FACTS_KEY: &str = "MODELGATE_FACTS_KEY";
/// Shortest key, in bytes.
const SHORTEST_KEY: usize = 32;
/// How long a seal is good, in milliseconds.
const LIFETIME_MS: u64 = 30_000;

impl Exchange {
    pub(crate) fn publish_sealed(&self, name: &str, value: &[u8]) -> Result<(), Status> {
        if self.0.response_seen.get() {
            // Request headers have gone, and writing one traps on nginx, which then delivers the
            // answer as it came.
            return Ok(());
        }
        let key = self.facts_key().ok_or(Status::NotFound)?;
        let mut facts = self.open_seal(&key).unwrap_or_default();
        facts.insert(
            name.to_owned(),
            serde_json::from_slice(value).map_err(|_| Status::SerializationFailure)?,
        );
        let request = self.request().headers()?;
        for name in request.lookalikes(std::iter::once(FACTS_HEADER)) {
            if let Ok(name) = std::str::from_utf8(name)
                && name != FACTS_HEADER
            {
                self.request().remove_header(name)?;
            }
        }
        self.request()
            .set_header(FACTS_HEADER, seal(&key, self.now_ns() / 1_000_000, &facts))
    }

    pub(crate) fn sealed(&self, name: &str) -> Option<Vec<u8>> {
        let facts = self.open_seal(&self.facts_key()?)?;
        serde_json::to_vec(facts.get(name)?).ok()
    }

    fn facts_key(&self) -> Option<Vec<u8>> {
        self.host()
            .environment(FACTS_KEY)
            .map(String::into_bytes)
            .filter(|key| key.len() >= SHORTEST_KEY)
    }

    fn open_seal(&self, key: &[u8]) -> Option<Map<String, Value>> {
        let headers = self.request().headers().ok()?;
        let Occurrence::Once(value) = headers.once(FACTS_HEADER) else {
            return None;
        };
        open(key, self.now_ns() / 1_000_000, value)
    }
}

fn mac(key: &[u8], signed: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(b"modelgate facts 1\n");
    mac.update(signed.as_bytes());
    Some(mac)
}

fn seal(key: &[u8], now_ms: u64, facts: &Map<String, Value>) -> String {
    let json = Value::Object(facts.clone()).to_string();
    let signed = format!("{now_ms}.{}", URL_SAFE_NO_PAD.encode(json));
    let tag = mac(key, &signed)
        .map(|m| URL_SAFE_NO_PAD.encode(m.finalize().into_bytes()))
        .unwrap_or_default();
    format!("{signed}.{tag}")
}

fn open(key: &[u8], now_ms: u64, value: &[u8]) -> Option<Map<String, Value>> {
    let (signed, tag) = std::str::from_utf8(value).ok()?.rsplit_once('.')?;
    mac(key, signed)?
        .verify_slice(&URL_SAFE_NO_PAD.decode(tag).ok()?)
        .ok()?;
    let (at, json) = signed.split_once('.')?;
    let at: u64 = at.parse().ok()?;
    if now_ms.abs_diff(at) > LIFETIME_MS {
        return None;
    }
    match serde_json::from_slice(&URL_SAFE_NO_PAD.decode(json).ok()?).ok()? {
        Value::Object(facts) => Some(facts),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_only_unchanged_in_time_and_with_its_key() {
        let key = [7u8; 32];
        let facts: Map<String, Value> =
            serde_json::from_str(r#"{"identity":{"consumer":"ann"}}"#).unwrap();
        let sealed = seal(&key, 1_000_000, &facts);
        assert_eq!(open(&key, 1_000_500, sealed.as_bytes()), Some(facts));
        assert_eq!(open(&[8u8; 32], 1_000_500, sealed.as_bytes()), None);
        assert_eq!(
            open(&key, 1_000_000 + LIFETIME_MS + 1, sealed.as_bytes()),
            None
        );
        for at in 0..sealed.len() {
            let mut bent = sealed.clone().into_bytes();
            bent[at] ^= 1;
            assert_eq!(open(&key, 1_000_500, &bent), None, "byte {at}");
        }
    }

    #[test]
    fn what_is_unknown_of_a_caller_travels_with_what_is_known() {
        use crate::facts::Identity;
        let identity = Identity {
            consumer: "ann".to_owned(),
            groups_unknown: true,
            scopes_unknown: true,
            claims_unknown: vec!["dept".to_owned()],
            ..Identity::default()
        };
        let facts: Map<String, Value> = [(
            "identity".to_owned(),
            serde_json::to_value(&identity).unwrap(),
        )]
        .into_iter()
        .collect();
        let key = [7u8; 32];
        let opened = open(&key, 1_000, seal(&key, 1_000, &facts).as_bytes()).unwrap();
        assert_eq!(
            serde_json::from_value::<Identity>(opened["identity"].clone()).unwrap(),
            identity
        );
    }
}
