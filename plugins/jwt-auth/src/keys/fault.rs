//! Why keys could not be fetched.

use std::fmt;

use modelgate_kit::jose::KeySetFault;

/// Why a fetch failed; shown to operators. Of what came it says only what names a place, an issuer
/// or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchFault {
    /// No answer: cluster unknown, connection refused, or the answer too long.
    NoAnswer,
    /// An answer with this status.
    Status(u16),
    /// A redirect with this status, and where to: redirects are not followed, because the cluster
    /// decides whom we connect to.
    Redirect(u16, String),
    /// Metadata that is no JSON object with unique names.
    Metadata,
    /// Metadata of this issuer, which is not the one that was asked for.
    OtherIssuer(String),
    /// Metadata without a `jwks_uri` that is an http or https URL.
    NoKeysLocation,
    /// Not a JWK Set.
    KeySet(KeySetFault),
    /// A JWK Set without a key that we can use; why.
    NoKeys(String),
}

impl fmt::Display for FetchFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => out.write_str(
                "no answer (cluster unknown or unreachable, or the document above max_bytes)",
            ),
            Self::Status(status) => write!(out, "status {status}"),
            Self::Redirect(status, target) => write!(
                out,
                "status {status} to {target} (redirects are not followed: write that URL, and the cluster that leads there)"
            ),
            Self::Metadata => out.write_str("the metadata is no JSON object with unique names"),
            Self::OtherIssuer(issuer) => write!(
                out,
                "the metadata names another issuer: {issuer} (OpenID Connect Discovery 1.0 section 4.3)"
            ),
            Self::NoKeysLocation => out.write_str("the metadata has no usable jwks_uri"),
            Self::KeySet(fault) => write!(out, "not a usable JWK Set: {fault}"),
            Self::NoKeys(keys) if keys.is_empty() => out.write_str("the JWK Set has no key"),
            Self::NoKeys(keys) => {
                write!(out, "the JWK Set has no key that can be used: {keys}")
            }
        }
    }
}
