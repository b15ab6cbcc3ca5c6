//! Public keys as operators paste them: PEM armour (RFC 7468 section 13) around a
//! SubjectPublicKeyInfo.
//!
//! Takes exactly one block, labelled `PUBLIC KEY`. A certificate or a private key is refused by its
//! label: the one would have to be validated, the other has no business in a gateway's
//! configuration. In a JWK, the certificate of `x5c` may carry the key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::der;
use super::ecdsa::{Curve, EcKey};
use super::jwk::{KeyFault, Material, ed25519};
use super::rsa::RsaKey;

/// The DER inside the one `PUBLIC KEY` block.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, KeyFault> {
    let body = text
        .trim()
        .strip_prefix("-----BEGIN PUBLIC KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
        .ok_or(KeyFault::NotPublicKeyPem)?;
    let digits: String = body
        .chars()
        .filter(|character| !character.is_ascii_whitespace())
        .collect();
    STANDARD.decode(digits).map_err(|_| KeyFault::BadEncoding)
}

/// The key of a certificate in `x5c` (RFC 7517 section 4.7: standard base64 of DER), for a key of
/// this type and, if it names one, curve.
///
/// The certificate is only what carries the key: the set that it stands in vouches for it, as for a
/// key without one. So neither its signature nor its dates are looked at, nor the rest of the
/// chain.
pub(super) fn parse_certificate(
    text: &str,
    kind: &str,
    curve: Option<Curve>,
) -> Result<Material, KeyFault> {
    let der = STANDARD
        .decode(text)
        .map_err(|_| KeyFault::BadCertificate)?;
    let info = certified_key(&der).ok_or(KeyFault::BadCertificate)?;
    let material = parse_info(info)?;
    let fits = match &material {
        Material::Rsa(_) => kind == "RSA",
        Material::Ec(key) => kind == "EC" && curve.is_none_or(|curve| key.curve() == curve),
        _ => false,
    };
    if fits {
        Ok(material)
    } else {
        Err(KeyFault::BadCertificate)
    }
}

/// The SubjectPublicKeyInfo of a certificate (RFC 5280 section 4.1).
fn certified_key(der: &[u8]) -> Option<&[u8]> {
    let mut outer = der::Reader::new(der);
    let mut certificate = der::Reader::new(outer.element(der::SEQUENCE)?);
    let mut fields = der::Reader::new(certificate.element(der::SEQUENCE)?);
    let _version = fields.element(der::CONTEXT_0);
    fields.element(der::INTEGER)?;
    // Algorithm of the signature, issuer, validity, subject.
    for _ in 0..4 {
        fields.element(der::SEQUENCE)?;
    }
    fields.whole(der::SEQUENCE)
}

/// The key in a DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
pub(super) fn parse_info(info: &[u8]) -> Result<Material, KeyFault> {
    let mut outer = der::Reader::new(info);
    let mut parts = der::Reader::new(outer.element(der::SEQUENCE).ok_or(KeyFault::BadEncoding)?);
    let mut identifier =
        der::Reader::new(parts.element(der::SEQUENCE).ok_or(KeyFault::BadEncoding)?);
    let bits = parts.bit_string().ok_or(KeyFault::BadEncoding)?;
    let algorithm = identifier.element(der::OID).ok_or(KeyFault::BadEncoding)?;
    let material = match algorithm {
        der::RSA_ENCRYPTION => {
            // RFC 3279 section 2.3.1: the parameters are NULL.
            if identifier.element(der::NULL) != Some(&[]) {
                return Err(KeyFault::BadEncoding);
            }
            Material::Rsa(RsaKey::from_bits(bits)?)
        }
        der::EC_PUBLIC_KEY => {
            let curve = identifier
                .element(der::OID)
                .and_then(Curve::from_oid)
                .ok_or(KeyFault::UnknownType)?;
            Material::Ec(EcKey::new(curve, bits)?)
        }
        der::ED25519 => ed25519(bits)?,
        _ => return Err(KeyFault::UnknownType),
    };
    if identifier.is_at_end() && parts.is_at_end() && outer.is_at_end() {
        Ok(material)
    } else {
        Err(KeyFault::BadEncoding)
    }
}
