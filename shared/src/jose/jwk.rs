//! One key: from a JWK (RFC 7517, RFC 7518 section 6, RFC 8037) or a PEM public key.
//!
//! Decides whether a key may verify signatures at all, and with which algorithms: the key's own
//! type and curve bind them, and `alg`, `use` and `key_ops` narrow that. Private members of
//! public-key types are never read. Secrets are taken only where the caller says so, are wiped when
//! dropped, and appear in no output.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::accelerator::Accelerator;
use super::algorithm::{Algorithm, Hash};
use super::ecdsa::{Curve, EcKey};
use super::rsa::RsaKey;
use super::strict::parse_object;
use super::{base64url, der, pem};

/// The smallest RSA modulus, in bits (RFC 7518 section 3.3).
pub const MIN_RSA_BITS: usize = 2048;

/// Whether keys of type `oct` are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// No: the keys come from a place that everybody reads.
    Refused,
    /// Yes: the operator configured a secret.
    Allowed,
}

/// Why a key is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyFault {
    /// Not a JSON object, or one with a member named twice.
    NotAnObject,
    /// `kty`, `crv` or the key's algorithm is none of ours.
    UnknownType,
    /// A member that the key type needs is missing or of the wrong kind.
    BadMember,
    /// `use`, `key_ops` or `alg` says that it is for something else.
    NotForSignatures,
    /// `alg` is no signature algorithm that we know.
    UnknownAlgorithm,
    /// A number in standard base64, or padded (RFC 7518 section 2 wants base64url).
    StandardBase64,
    /// The key is in `x5c` only, and its first certificate cannot be read or has another type of
    /// key.
    BadCertificate,
    /// The private part of the key is published with it.
    PrivatePublished,
    /// It comes after as many keys as a set may have.
    TooMany,
    /// An RSA modulus outside 2048 to 8192 bits.
    RsaSize,
    /// An RSA exponent that is even, 1, or above 33 bits.
    RsaExponent,
    /// An RSA modulus from the generator of CVE-2017-15361 (ROCA).
    RsaWeak,
    /// Coordinates that are no point on the curve, or one of small order.
    NotOnCurve,
    /// A secret where secrets are not taken.
    SecretRefused,
    /// A secret shorter than the hash (RFC 7518 section 3.2).
    SecretShort,
    /// Not one PEM block labelled `PUBLIC KEY`.
    NotPublicKeyPem,
    /// Base64 or DER that is not canonical.
    BadEncoding,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotAnObject => "not a JSON object with unique member names",
            Self::UnknownType => {
                "key type or curve not supported (RSA, P-256, P-384, P-521, Ed25519)"
            }
            Self::BadMember => "a member of the key is missing or malformed",
            Self::NotForSignatures => {
                "`use`, `key_ops` or `alg` does not allow verifying signatures with this key"
            }
            Self::UnknownAlgorithm => "its `alg` is no signature algorithm that is known here",
            Self::StandardBase64 => {
                "a number is written in standard or padded base64, not in base64url (RFC 7518 section 2)"
            }
            Self::BadCertificate => {
                "no key but in `x5c`, whose first certificate cannot be read or is for another type of key"
            }
            Self::PrivatePublished => {
                "its private part is published with it, so that anybody can sign"
            }
            Self::TooMany => "there are too many keys",
            Self::RsaSize => "RSA modulus outside 2048 to 8192 bits",
            Self::RsaExponent => "RSA exponent even, 1 or too large",
            Self::RsaWeak => "RSA modulus made by the flawed generator of CVE-2017-15361",
            Self::NotOnCurve => "not a usable point on the curve",
            Self::SecretRefused => "a shared secret is not allowed here",
            Self::SecretShort => {
                "secret shorter than the hash of its algorithm (at least 32 bytes)"
            }
            Self::NotPublicKeyPem => "not exactly one PEM block labelled PUBLIC KEY",
            Self::BadEncoding => "base64 or DER is not canonical",
        })
    }
}

impl std::error::Error for KeyFault {}

/// What a key is made of.
#[derive(Clone)]
pub(super) enum Material {
    Rsa(RsaKey),
    Ec(EcKey),
    Ed25519 { key: VerifyingKey, info: Vec<u8> },
    Secret(Zeroizing<Vec<u8>>),
}

/// A key that may verify signatures.
#[derive(Clone)]
pub struct Key {
    kid: Option<String>,
    issuer: Option<String>,
    algorithm: Option<Algorithm>,
    material: Material,
}

impl fmt::Debug for Key {
    /// Only what is no secret: the key type, not the key; `kid` may be chosen by anyone and is left
    /// out too.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.material {
            Material::Rsa(_) => "RSA",
            Material::Ec(_) => "EC",
            Material::Ed25519 { .. } => "Ed25519",
            Material::Secret(_) => "secret",
        };
        out.debug_struct("Key")
            .field("kind", &kind)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// Reads one JWK.
    ///
    /// # Errors
    /// The reason why it cannot verify signatures.
    pub fn parse_jwk(text: &[u8], secrets: Secrets) -> Result<Self, KeyFault> {
        Self::from_members(&parse_object(text).ok_or(KeyFault::NotAnObject)?, secrets)
    }

    /// Reads one PEM block labelled `PUBLIC KEY`. `algorithm` binds an RSA key to one of its six;
    /// the others need none.
    ///
    /// # Errors
    /// The reason why it cannot verify signatures.
    pub fn parse_pem(
        text: &str,
        kid: Option<String>,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, KeyFault> {
        Self::new(kid, algorithm, pem::parse_info(&pem::decode(text)?)?)
    }

    /// Takes a shared secret for the HMAC algorithms, or for one of them.
    ///
    /// # Errors
    /// [`KeyFault::SecretShort`] below the length of the hash.
    pub fn secret(
        bytes: Vec<u8>,
        kid: Option<String>,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, KeyFault> {
        Self::new(kid, algorithm, Material::Secret(Zeroizing::new(bytes)))
    }

    fn new(
        kid: Option<String>,
        algorithm: Option<Algorithm>,
        material: Material,
    ) -> Result<Self, KeyFault> {
        if let Material::Secret(bytes) = &material
            && bytes.len() < algorithm.map_or(Hash::Sha256, Algorithm::hash).len_bytes()
        {
            return Err(KeyFault::SecretShort);
        }
        let key = Self {
            kid,
            issuer: None,
            algorithm,
            material,
        };
        match key.algorithm {
            Some(algorithm) if !key.fits(algorithm) => Err(KeyFault::NotForSignatures),
            _ => Ok(key),
        }
    }

    pub(super) fn from_members(
        members: &Map<String, Value>,
        secrets: Secrets,
    ) -> Result<Self, KeyFault> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let bytes = |name: &str| {
            let text = text(name).ok_or(KeyFault::BadMember)?;
            base64url(text.as_bytes()).ok_or(if text.contains(['+', '/', '=']) {
                KeyFault::StandardBase64
            } else {
                KeyFault::BadMember
            })
        };
        let kid = match members.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(KeyFault::BadMember),
        };
        let kind = text("kty").ok_or(KeyFault::BadMember)?;
        let curve = match kind {
            "RSA" | "oct" => None,
            "EC" => match text("crv") {
                Some(curve) => Some(Curve::parse(curve).ok_or(KeyFault::UnknownType)?),
                None => None,
            },
            "OKP" if text("crv") == Some("Ed25519") => None,
            _ => return Err(KeyFault::UnknownType),
        };
        if !is_for_verifying(members) {
            return Err(KeyFault::NotForSignatures);
        }
        let algorithm = match members.get("alg") {
            None => None,
            Some(name) => Some(
                name.as_str()
                    .and_then(Algorithm::parse)
                    .ok_or(KeyFault::UnknownAlgorithm)?,
            ),
        };
        let material = match kind {
            "RSA" | "EC" if !members.contains_key("n") && !members.contains_key("x") => {
                let certificate = members.get("x5c").and_then(|chain| chain.get(0)?.as_str());
                pem::parse_certificate(certificate.ok_or(KeyFault::BadMember)?, kind, curve)?
            }
            "RSA" => Material::Rsa(RsaKey::new(&bytes("n")?, &bytes("e")?)?),
            "EC" => {
                let curve = curve.ok_or(KeyFault::BadMember)?;
                let (x, y) = (bytes("x")?, bytes("y")?);
                // RFC 7518 section 6.2.1.2: each coordinate has the full length.
                if x.len() != curve.coordinate_bytes() || y.len() != curve.coordinate_bytes() {
                    return Err(KeyFault::BadMember);
                }
                Material::Ec(EcKey::new(curve, &[&[4], &x[..], &y[..]].concat())?)
            }
            "OKP" => ed25519(&bytes("x")?)?,
            _ if secrets == Secrets::Refused => return Err(KeyFault::SecretRefused),
            _ => Material::Secret(Zeroizing::new(bytes("k")?)),
        };
        let key = Self::new(kid, algorithm, material)?;
        Ok(Self {
            issuer: text("issuer").map(str::to_owned),
            ..key
        })
    }

    /// Whether the members of a public-key type have its private part too (RFC 7518 sections 6.2.2
    /// and 6.3.2, RFC 8037 section 2).
    pub(super) fn is_private(members: &Map<String, Value>) -> bool {
        members.get("kty").is_some_and(|kind| kind != "oct")
            && ["d", "p", "q", "dp", "dq", "qi", "oth"]
                .iter()
                .any(|name| members.contains_key(*name))
    }

    /// The key's name, if it has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whose it is, where it says so (`issuer`, a member of Entra ID's keys).
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Whether it is a shared secret.
    pub const fn is_secret(&self) -> bool {
        matches!(self.material, Material::Secret(_))
    }

    /// The public key as DER SubjectPublicKeyInfo; a secret has none.
    pub fn public_key_info(&self) -> Option<&[u8]> {
        match &self.material {
            Material::Rsa(key) => Some(key.info()),
            Material::Ec(key) => Some(key.info()),
            Material::Ed25519 { info, .. } => Some(info),
            Material::Secret(_) => None,
        }
    }

    /// Whether type, curve, length and the key's own `alg` allow this algorithm (RFC 8725 section
    /// 3.1).
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        if self.algorithm.is_some_and(|bound| bound != algorithm) {
            return false;
        }
        match &self.material {
            Material::Rsa(_) => matches!(
                algorithm,
                Algorithm::Rs256
                    | Algorithm::Rs384
                    | Algorithm::Rs512
                    | Algorithm::Ps256
                    | Algorithm::Ps384
                    | Algorithm::Ps512
            ),
            Material::Ec(key) => key.curve().algorithm() == algorithm,
            Material::Ed25519 { .. } => algorithm == Algorithm::EdDsa,
            Material::Secret(bytes) => {
                algorithm.is_symmetric() && bytes.len() >= algorithm.hash().len_bytes()
            }
        }
    }

    /// Whether both are the same secret.
    pub(super) fn same_secret(&self, other: &Self) -> bool {
        matches!((&self.material, &other.material), (Material::Secret(a), Material::Secret(b)) if a == b)
    }

    /// Whether the signature over the text is this key's; false for an algorithm that does not fit.
    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        text: &[u8],
        signature: &[u8],
        accelerator: Option<&dyn Accelerator>,
    ) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        match &self.material {
            Material::Rsa(key) => key.verify(algorithm, text, signature, accelerator),
            Material::Ec(key) => key.verify(text, signature, accelerator),
            // Strict: refuses small-order points, so that a signature is for one message only (RFC
            // 8032 section 8.4 leaves it open).
            Material::Ed25519 { key, .. } => Signature::from_slice(signature)
                .is_ok_and(|parsed| key.verify_strict(text, &parsed).is_ok()),
            Material::Secret(bytes) => match algorithm.hash() {
                Hash::Sha256 => mac_is::<Hmac<Sha256>>(bytes, text, signature),
                Hash::Sha384 => mac_is::<Hmac<Sha384>>(bytes, text, signature),
                Hash::Sha512 => mac_is::<Hmac<Sha512>>(bytes, text, signature),
            },
        }
    }
}

/// Compares the whole tag in constant time.
fn mac_is<M: Mac + KeyInit>(secret: &[u8], text: &[u8], tag: &[u8]) -> bool {
    <M as KeyInit>::new_from_slice(secret).is_ok_and(|mut mac| {
        mac.update(text);
        mac.verify_slice(tag).is_ok()
    })
}

/// RFC 7517 sections 4.2 and 4.3: when the key says what it is for, that must be to verify
/// signatures.
fn is_for_verifying(members: &Map<String, Value>) -> bool {
    let used = match members.get("use") {
        None => true,
        Some(purpose) => purpose == "sig",
    };
    let allowed = match members.get("key_ops") {
        None => true,
        Some(operations) => operations
            .as_array()
            .is_some_and(|list| list.iter().any(|operation| operation == "verify")),
    };
    used && allowed
}

/// Builds an Ed25519 key from its 32 bytes (RFC 8032 section 5.1.5).
pub(super) fn ed25519(bytes: &[u8]) -> Result<Material, KeyFault> {
    let bytes: &[u8; 32] = bytes.try_into().map_err(|_| KeyFault::BadMember)?;
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyFault::NotOnCurve)?;
    if key.is_weak() {
        return Err(KeyFault::NotOnCurve);
    }
    Ok(Material::Ed25519 {
        key,
        info: der::public_key_info(der::ED25519, &[], bytes),
    })
}
