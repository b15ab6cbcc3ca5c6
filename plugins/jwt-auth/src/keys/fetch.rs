//! Asking an issuer for its keys: one call for a JWK Set, or two with OpenID Connect discovery.
//!
//! Only a 200 with a JWK Set that has at least one usable key is a success; everything else leaves
//! the keys that we have. A metadata document must name the very issuer that it was asked for
//! (OpenID Connect Discovery 1.0 section 4.3).

use std::fmt;

use modelgate_kit::call::Call;
use modelgate_kit::config::SecretBytes;
use modelgate_kit::http_url::HttpUrl;
use modelgate_kit::jose::{KeySet, KeySetFault, Secrets, parse_strict};
use modelgate_kit::root::Root;
use serde_json::Value;

use super::fault::FetchFault;
use super::per_kid::{self, Template};

/// Where keys are fetched from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A JWK Set.
    Keys {
        /// Where it is.
        location: HttpUrl,
        /// Cluster that is called.
        cluster: String,
    },
    /// Metadata that says where the JWK Set is.
    Discovery {
        /// The issuer that the metadata must name.
        issuer: String,
        /// Where the metadata is.
        location: HttpUrl,
        /// Cluster that is called for it.
        cluster: String,
        /// Cluster that is called for the keys.
        keys_cluster: String,
    },
    /// Keys that are fetched one by one, by their names.
    PerKid {
        /// Where each is.
        template: Template,
        /// Cluster that is called.
        cluster: String,
        /// Who may have signed, by the token's header: all of them sign with keys of this place.
        signers: Vec<String>,
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
            Self::PerKid {
                template, cluster, ..
            } => write!(out, "{} by {cluster}", template.text()),
        }
    }
}

/// Headers of the calls, which may carry a credential of ours.
#[derive(Clone, Default)]
pub struct CallHeaders(pub Vec<(String, SecretBytes)>);

impl CallHeaders {
    fn to_send(&self) -> Vec<(String, Vec<u8>)> {
        let ours = self.0.iter();
        let mut headers: Vec<(String, Vec<u8>)> = ours
            .map(|(name, value)| (name.clone(), value.expose().to_vec()))
            .collect();
        if !headers.iter().any(|(name, _)| name == "accept") {
            headers.push(("accept".to_owned(), b"application/json".to_vec()));
        }
        headers
    }
}

impl Origin {
    /// Fetches the keys, of a place for single keys those of these names: their text, and what it
    /// says.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn fetch(
        &self,
        root: &Root,
        headers: &CallHeaders,
        names: &[String],
        timeout_ms: u32,
        max_bytes: usize,
    ) -> Result<(String, KeySet), FetchFault> {
        let ask = |location, cluster| ask(root, location, cluster, headers, timeout_ms, max_bytes);
        let (location, cluster) = match self {
            Self::Keys { location, cluster } => (location.clone(), cluster),
            Self::Discovery {
                issuer,
                location,
                cluster,
                keys_cluster,
            } => {
                let metadata = ask(location.clone(), cluster).await?;
                (keys_location(&metadata, issuer)?, keys_cluster)
            }
            Self::PerKid {
                template, cluster, ..
            } => {
                let mut found: Vec<(String, String)> = Vec::new();
                for kid in names {
                    let Some(location) = template.of(kid) else {
                        continue;
                    };
                    match ask(location, cluster).await {
                        Ok(body) => {
                            let pem = String::from_utf8_lossy(&body).into_owned();
                            per_kid::read_one(kid, &pem)?;
                            found.push((kid.clone(), pem));
                        }
                        // There is no key of that name.
                        Err(FetchFault::Status(400 | 403 | 404 | 410)) => {}
                        Err(fault) => return Err(fault),
                    }
                }
                let text = per_kid::write(&found);
                let set = per_kid::read(text.as_bytes())?;
                return Ok((text, set));
            }
        };
        let text = ask(location, cluster).await?;
        let set = self.read(&text)?;
        // A JSON text is UTF-8, or it would not have been read.
        Ok((
            String::from_utf8(text).map_err(|_| FetchFault::KeySet(KeySetFault::NotAKeySet))?,
            set,
        ))
    }

    /// Reads what was fetched, here or by another worker.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, text: &[u8]) -> Result<KeySet, FetchFault> {
        match self {
            Self::Keys { .. } | Self::Discovery { .. } => parse_keys(text),
            Self::PerKid { .. } => per_kid::read(text),
        }
    }

    /// Whether keys are fetched one by one.
    pub const fn is_per_kid(&self) -> bool {
        matches!(self, Self::PerKid { .. })
    }

    /// Longest time of a whole fetch, in milliseconds.
    pub const fn longest_ms(&self, timeout_ms: u32) -> u64 {
        let calls = match self {
            Self::Keys { .. } => 1,
            Self::Discovery { .. } => 2,
            Self::PerKid { .. } => 8,
        };
        // A second more for the host to report the time-out.
        calls * (timeout_ms as u64 + 1000)
    }
}

/// Reads a key set from the outside: never a secret, at least one usable key.
fn parse_keys(text: &[u8]) -> Result<KeySet, FetchFault> {
    let set = KeySet::parse(text, Secrets::Refused).map_err(FetchFault::KeySet)?;
    if set.is_empty() {
        Err(FetchFault::NoKeys(
            set.describe_skipped().unwrap_or_default(),
        ))
    } else {
        Ok(set)
    }
}

async fn ask(
    root: &Root,
    location: HttpUrl,
    cluster: &str,
    headers: &CallHeaders,
    timeout_ms: u32,
    max_bytes: usize,
) -> Result<Vec<u8>, FetchFault> {
    let call = Call {
        upstream: cluster.to_owned(),
        method: "GET",
        scheme: location.scheme,
        authority: location.authority.clone(),
        path: location.path.clone(),
        headers: headers.to_send(),
        body: Vec::new(),
        timeout_ms,
        max_answer_bytes: max_bytes,
        body_optional: false,
    };
    let answer = root.call(&call).await.map_err(|_| FetchFault::NoAnswer)?;
    match answer.status {
        200 => Ok(answer.body),
        status => match answer.headers.text("location") {
            Some(target) if (300..400).contains(&status) => Err(FetchFault::Redirect(
                status,
                shown_target(target, &location),
            )),
            _ => Err(FetchFault::Status(status)),
        },
    }
}

/// Where a redirect leads: host and path. A query may carry a secret, and is left out.
fn shown_target(target: &str, from: &HttpUrl) -> String {
    let absolute = match target.strip_prefix('/') {
        Some(_) if !target.starts_with("//") => {
            format!("{}://{}{target}", from.scheme, from.authority)
        }
        _ => target.to_owned(),
    };
    let whole = absolute.split(['#', '?']).next().unwrap_or_default();
    match HttpUrl::parse(whole) {
        Some(location) => shown(&location.to_string()),
        None => "a place that is no http or https URL".to_owned(),
    }
}

/// Text of another party in a log line: printable ASCII, and not much of it.
fn shown(text: &str) -> String {
    const MOST: usize = 200;
    text.chars()
        .map(|character| match character {
            ' '..='~' => character,
            _ => '?',
        })
        .take(MOST)
        .collect()
}

fn keys_location(metadata: &[u8], issuer: &str) -> Result<HttpUrl, FetchFault> {
    let metadata = parse_strict(metadata)
        .filter(Value::is_object)
        .ok_or(FetchFault::Metadata)?;
    let text = |name: &str| metadata.get(name).and_then(Value::as_str);
    match text("issuer") {
        Some(named) if named == issuer => {}
        Some(named) => return Err(FetchFault::OtherIssuer(shown(named))),
        None => return Err(FetchFault::OtherIssuer("none".to_owned())),
    }
    text("jwks_uri")
        .and_then(HttpUrl::parse)
        .ok_or(FetchFault::NoKeysLocation)
}

/// Where an issuer's metadata is (OpenID Connect Discovery 1.0 section 4: appended to the issuer, a
/// final slash dropped).
pub fn well_known(issuer: &str) -> String {
    format!(
        "{}/.well-known/openid-configuration",
        issuer.strip_suffix('/').unwrap_or(issuer)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_counts_only_for_the_issuer_it_names() {
        let read = |text: &str| keys_location(text.as_bytes(), "https://idp.test");
        let found = read(r#"{"issuer":"https://idp.test","jwks_uri":"https://keys.test/k"}"#);
        assert_eq!(found.unwrap().to_string(), "https://keys.test/k");
        let other = |issuer: &str| FetchFault::OtherIssuer(issuer.to_owned());
        for (text, fault) in [
            (
                r#"{"issuer":"https://idp.test/","jwks_uri":"https://keys.test/k"}"#,
                other("https://idp.test/"),
            ),
            (
                r#"{"issuer":"https://idp\u000a.test","jwks_uri":"https://keys.test/k"}"#,
                other("https://idp?.test"),
            ),
            (r#"{"jwks_uri":"https://keys.test/k"}"#, other("none")),
            (
                r#"{"issuer":"https://evil.test","issuer":"https://idp.test","jwks_uri":"https://keys.test/k"}"#,
                FetchFault::Metadata,
            ),
            (
                r#"{"issuer":"https://idp.test"}"#,
                FetchFault::NoKeysLocation,
            ),
            (
                r#"{"issuer":"https://idp.test","jwks_uri":"file:///etc/passwd"}"#,
                FetchFault::NoKeysLocation,
            ),
            ("[]", FetchFault::Metadata),
            ("", FetchFault::Metadata),
        ] {
            assert_eq!(read(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn a_set_from_outside_needs_a_usable_public_key() {
        let fault = parse_keys(br#"{"keys":[]}"#).err().unwrap();
        assert_eq!(fault.to_string(), "the JWK Set has no key");
        let secret = br#"{"keys":[{"kty":"oct","kid":"s","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;
        let fault = parse_keys(secret).err().unwrap().to_string();
        assert!(fault.contains("`s` (a shared secret"), "{fault}");
        assert_eq!(
            parse_keys(b"<html>").err(),
            Some(FetchFault::KeySet(KeySetFault::NotAKeySet))
        );
    }

    #[test]
    fn of_a_redirect_host_and_path_are_shown() {
        let from = HttpUrl::parse("https://idp.test/keys").unwrap();
        for (target, shown) in [
            (
                "https://new.test/jwks?token=s3cret",
                "https://new.test/jwks",
            ),
            ("/new?token=s3cret#x", "https://idp.test/new"),
            (
                "https://user:s3cret@new.test/",
                "a place that is no http or https URL",
            ),
            ("//new.test/", "a place that is no http or https URL"),
            ("new", "a place that is no http or https URL"),
        ] {
            assert_eq!(shown_target(target, &from), shown);
        }
    }

    #[test]
    fn the_metadata_is_below_the_issuer() {
        assert_eq!(
            well_known("https://idp.test"),
            "https://idp.test/.well-known/openid-configuration"
        );
        assert_eq!(
            well_known("https://idp.test/realm/"),
            "https://idp.test/realm/.well-known/openid-configuration"
        );
    }
}
