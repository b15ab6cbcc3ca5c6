//! Tokens and keys: JSON Web Signature, JSON Web Key and JSON Web Token, as strict as the RFCs let
//! us be.
//!
//! Decides whether a compact JWS was signed by one of the keys we trust, and whether what it claims
//! is acceptable now. The way through is a chain of types, so that no step can be left out: bytes
//! become a [`Token`] (parsed, believed in nothing), [`Token::verify`] needs a [`KeySet`] and
//! yields a [`Verified`] token, and [`Expectations::check`] takes only that.
//!
//! What it cannot do: it does not fetch keys, knows no clock and no host, decrypts nothing (JWE),
//! and does not follow the header's `jku`, `x5u`, `jwk` or `x5c`, which name a key the sender chose
//! (RFC 8725 section 3.10).

mod accelerator;
mod algorithm;
mod claims;
mod der;
mod ecdsa;
mod expect;
mod header;
mod issuer;
mod jwk;
mod keyset;
mod modulus;
#[cfg(all(feature = "dynamic", unix))]
mod native;
mod padding;
mod pem;
mod refusal;
mod rsa;
mod strict;
mod token;

pub use crate::claim::{ClaimPath, ClaimRule, Finding, PathFault, Scopes, Split, Test, Wanted};
pub use accelerator::{
    Accelerator, FOREIGN_FUNCTION, SignatureQuery, decode_answer, encode_answer,
};
pub use algorithm::{Algorithm, Algorithms, Hash};
pub use claims::Claims;
pub use expect::{DEFAULT_TYPES, Expectations};
pub use header::{Header, media_type};
pub use issuer::{IssuerName, TENANT};
pub use jwk::{Key, KeyFault, MIN_RSA_BITS, Secrets};
pub use keyset::{KeySet, KeySetFault, MAX_KEYS, MAX_TRIED};
#[cfg(all(feature = "dynamic", unix))]
pub use native::NativeVerifier;
pub use refusal::Refusal;
pub use strict::parse_strict;
pub use token::{Token, Verified};

#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Decodes base64url as RFC 7515 section 2 wants it: no padding, no whitespace, no other alphabet,
/// and no set bits after the last whole byte, so that one value has one spelling.
fn base64url(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
