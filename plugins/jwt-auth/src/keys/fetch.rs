//! Asking an issuer for its keys: one call for a JWK Set, or two with OpenID Connect discovery.
//!
//! Only a 200 with a JWK Set that has at least one usable key is a success; everything else leaves the keys that we have. A metadata
//! document must name the very issuer that it was asked for (OpenID Connect Discovery 1.0 section 4.3).

use std::fmt;

use modelgate_kit::call::Call;
use modelgate_kit::jose::{KeySet, KeySetFault, Secrets, parse_strict};
use modelgate_kit::root::Root;
use serde_json::Value;

use super::location::Location;

/// Where keys are fetched from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A JWK Set.
    Keys {
        /// Where it is.
        location: Location,
        /// Cluster that is called.
        cluster: String,
    },
    /// Metadata that says where the JWK Set is.
    Discovery {
        /// The issuer that the metadata must name.
        issuer: String,
        /// Where the metadata is.
        location: Location,
        /// Cluster that is called for it.
        cluster: String,
        /// Cluster that is called for the keys.
        keys_cluster: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys { location, cluster } => write!(out, "{location} by {cluster}"),
            Self::Discovery {
                issuer,
                location,
                cluster,
                keys_cluster,
            } => {
                write!(
                    out,
                    "{location} by {cluster}, keys by {keys_cluster}, of {issuer}"
                )
            }
        }
    }
}

/// Why a fetch failed; shown to operators, so nothing of what came is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchFault {
    /// No answer: cluster unknown, connection refused, or the answer too long.
    NoAnswer,
    /// An answer with this status.
    Status(u16),
    /// Metadata that is no JSON object, names another issuer, or has no usable `jwks_uri`.
    Metadata,
    /// Not a JWK Set.
    KeySet(KeySetFault),
    /// A JWK Set without a key that we can use.
    NoKeys,
}

impl fmt::Display for FetchFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => out.write_str(
                "no answer (cluster unknown or unreachable, or the document above max_bytes)",
            ),
            Self::Status(status) => write!(out, "status {status}"),
            Self::Metadata => {
                out.write_str("the metadata names another issuer, or no usable jwks_uri")
            }
            Self::KeySet(fault) => write!(out, "not a usable JWK Set: {fault}"),
            Self::NoKeys => out.write_str("the JWK Set has no key that can be used"),
        }
    }
}

impl Origin {
    /// Fetches the JWK Set: its text, and what it says.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn fetch(
        &self,
        root: &Root,
        timeout_ms: u32,
        max_bytes: usize,
    ) -> Result<(String, KeySet), FetchFault> {
        let (location, cluster) = match self {
            Self::Keys { location, cluster } => (location.clone(), cluster),
            Self::Discovery {
                issuer,
                location,
                cluster,
                keys_cluster,
            } => {
                let metadata = ask(root, location, cluster, timeout_ms, max_bytes).await?;
                (
                    keys_location(&metadata, issuer).ok_or(FetchFault::Metadata)?,
                    keys_cluster,
                )
            }
        };
        let text = ask(root, &location, cluster, timeout_ms, max_bytes).await?;
        let set = parse_keys(&text)?;
        // A JSON text is UTF-8, or it would not have been read.
        Ok((
            String::from_utf8(text).map_err(|_| FetchFault::KeySet(KeySetFault::NotAKeySet))?,
            set,
        ))
    }

    /// Longest time of a whole fetch, in milliseconds.
    pub const fn longest_ms(&self, timeout_ms: u32) -> u64 {
        let calls = match self {
            Self::Keys { .. } => 1,
            Self::Discovery { .. } => 2,
        };
        // A second more for the host to report the time-out.
        calls * (timeout_ms as u64 + 1000)
    }
}

/// Reads a key set from the outside: never a secret, at least one usable key.
pub fn parse_keys(text: &[u8]) -> Result<KeySet, FetchFault> {
    let set = KeySet::parse(text, Secrets::Refused).map_err(FetchFault::KeySet)?;
    if set.is_empty() {
        Err(FetchFault::NoKeys)
    } else {
        Ok(set)
    }
}

async fn ask(
    root: &Root,
    location: &Location,
    cluster: &str,
    timeout_ms: u32,
    max_bytes: usize,
) -> Result<Vec<u8>, FetchFault> {
    let call = Call {
        upstream: cluster.to_owned(),
        method: "GET",
        scheme: location.scheme,
        authority: location.authority.clone(),
        path: location.path.clone(),
        headers: vec![("accept".to_owned(), b"application/json".to_vec())],
        body: Vec::new(),
        timeout_ms,
        max_answer_bytes: max_bytes,
    };
    let answer = root.call(&call).await.map_err(|_| FetchFault::NoAnswer)?;
    match answer.status {
        200 => Ok(answer.body),
        status => Err(FetchFault::Status(status)),
    }
}

fn keys_location(metadata: &[u8], issuer: &str) -> Option<Location> {
    let metadata = parse_strict(metadata)?;
    if metadata.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return None;
    }
    Location::parse(metadata.get("jwks_uri")?.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_counts_only_for_the_issuer_it_names() {
        let read = |text: &str| {
            keys_location(text.as_bytes(), "https://idp.test").map(|location| location.to_string())
        };
        assert_eq!(
            read(r#"{"issuer":"https://idp.test","jwks_uri":"https://keys.test/k"}"#).as_deref(),
            Some("https://keys.test/k")
        );
        for text in [
            r#"{"issuer":"https://idp.test/","jwks_uri":"https://keys.test/k"}"#,
            r#"{"jwks_uri":"https://keys.test/k"}"#,
            r#"{"issuer":"https://evil.test","issuer":"https://idp.test","jwks_uri":"https://keys.test/k"}"#,
            r#"{"issuer":"https://idp.test"}"#,
            r#"{"issuer":"https://idp.test","jwks_uri":"file:///etc/passwd"}"#,
            "[]",
            "",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_set_from_outside_needs_a_usable_public_key() {
        assert_eq!(
            parse_keys(br#"{"keys":[]}"#).err(),
            Some(FetchFault::NoKeys)
        );
        let secret =
            br#"{"keys":[{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;
        assert_eq!(parse_keys(secret).err(), Some(FetchFault::NoKeys));
        assert_eq!(
            parse_keys(b"<html>").err(),
            Some(FetchFault::KeySet(KeySetFault::NotAKeySet))
        );
    }
}
