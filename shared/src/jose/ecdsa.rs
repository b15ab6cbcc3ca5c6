//! ECDSA on the three NIST curves (RFC 7518 section 3.4), with `r || s` signatures of exactly the
//! curve's length.
//!
//! Decides that a point is on its curve before it becomes a key. A signature with a high `s` is as
//! good as its twin, as the RFC has it; nothing here takes a signature as an identifier.

use ::p256::ecdsa::signature::Verifier as _;
use ::p256::elliptic_curve::point::AffineCoordinates;

use super::accelerator::{Accelerator, SignatureQuery};
use super::algorithm::Algorithm;
use super::der;
use super::jwk::KeyFault;

/// A curve that JOSE signs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// Reads a JWK's `crv` (RFC 7518 section 6.2.1.1).
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "P-256" => Self::P256,
            "P-384" => Self::P384,
            "P-521" => Self::P521,
            _ => return None,
        })
    }

    /// Reads the content of the curve's OBJECT IDENTIFIER (RFC 5480 section 2.1.1.1).
    pub(super) fn from_oid(oid: &[u8]) -> Option<Self> {
        [Self::P256, Self::P384, Self::P521]
            .into_iter()
            .find(|curve| curve.oid() == oid)
    }

    const fn oid(self) -> &'static [u8] {
        match self {
            Self::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Self::P384 => &[0x2b, 0x81, 0x04, 0x00, 0x22],
            Self::P521 => &[0x2b, 0x81, 0x04, 0x00, 0x23],
        }
    }

    /// The only algorithm that uses the curve.
    pub(super) const fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::Es256,
            Self::P384 => Algorithm::Es384,
            Self::P521 => Algorithm::Es512,
        }
    }

    /// Length of one coordinate, and of `r` and of `s`, in bytes.
    pub(super) const fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

#[derive(Clone)]
enum Point {
    P256(::p256::ecdsa::VerifyingKey),
    P384(::p384::ecdsa::VerifyingKey),
    P521(::p521::ecdsa::VerifyingKey),
}

/// A public key on one of the curves.
#[derive(Clone)]
pub(super) struct EcKey {
    curve: Curve,
    point: Point,
    info: Vec<u8>,
}

impl EcKey {
    /// Builds a key from its uncompressed point, `04 || x || y` (SEC 1 section 2.3.3).
    pub(super) fn new(curve: Curve, point: &[u8]) -> Result<Self, KeyFault> {
        let Some((4, coordinates)) = point.split_first() else {
            return Err(KeyFault::BadMember);
        };
        let length = curve.coordinate_bytes();
        let (x, y) = coordinates
            .split_at_checked(length)
            .ok_or(KeyFault::BadMember)?;
        if y.len() != length {
            return Err(KeyFault::BadMember);
        }
        // From both coordinates, and not through the library's reader of points: that one also
        // takes compressed points, and the square roots for them are some 40 KB of a module.
        let parsed = match curve {
            Curve::P256 => affine::<::p256::AffinePoint>(x, y)
                .and_then(|point| ::p256::ecdsa::VerifyingKey::from_affine(point).ok())
                .map(Point::P256),
            Curve::P384 => affine::<::p384::AffinePoint>(x, y)
                .and_then(|point| ::p384::ecdsa::VerifyingKey::from_affine(point).ok())
                .map(Point::P384),
            Curve::P521 => affine::<::p521::AffinePoint>(x, y)
                .and_then(|point| ::p521::ecdsa::VerifyingKey::from_affine(point).ok())
                .map(Point::P521),
        };
        let info = der::public_key_info(
            der::EC_PUBLIC_KEY,
            &der::element(der::OID, &[curve.oid()]),
            point,
        );
        Ok(Self {
            curve,
            point: parsed.ok_or(KeyFault::NotOnCurve)?,
            info,
        })
    }

    /// The key's curve.
    pub(super) const fn curve(&self) -> Curve {
        self.curve
    }

    /// The key as DER SubjectPublicKeyInfo.
    pub(super) fn info(&self) -> &[u8] {
        &self.info
    }

    /// Whether the signature over the text is good.
    pub(super) fn verify(
        &self,
        text: &[u8],
        signature: &[u8],
        accelerator: Option<&dyn Accelerator>,
    ) -> bool {
        // Both ways see only signatures whose halves are in range, so they cannot differ on what is
        // well-formed.
        match &self.point {
            Point::P256(key) => {
                ::p256::ecdsa::Signature::from_slice(signature).is_ok_and(|parsed| {
                    self.asked(text, signature, accelerator)
                        .unwrap_or_else(|| key.verify(text, &parsed).is_ok())
                })
            }
            Point::P384(key) => {
                ::p384::ecdsa::Signature::from_slice(signature).is_ok_and(|parsed| {
                    self.asked(text, signature, accelerator)
                        .unwrap_or_else(|| key.verify(text, &parsed).is_ok())
                })
            }
            Point::P521(key) => {
                ::p521::ecdsa::Signature::from_slice(signature).is_ok_and(|parsed| {
                    self.asked(text, signature, accelerator)
                        .unwrap_or_else(|| key.verify(text, &parsed).is_ok())
                })
            }
        }
    }

    fn asked(
        &self,
        text: &[u8],
        signature: &[u8],
        accelerator: Option<&dyn Accelerator>,
    ) -> Option<bool> {
        accelerator?.verify(&SignatureQuery {
            hash: self.curve.algorithm().hash(),
            public_key: &self.info,
            signature: &der_signature(signature),
            text,
        })
    }
}

/// The point with these coordinates, if it is on its curve.
fn affine<P>(x: &[u8], y: &[u8]) -> Option<P>
where
    P: AffineCoordinates,
    P::FieldRepr: for<'a> TryFrom<&'a [u8]>,
{
    P::from_coordinates(&x.try_into().ok()?, &y.try_into().ok()?).into_option()
}

/// JOSE's `r || s` as ECDSA-Sig-Value (RFC 3279 section 2.2.3).
pub(super) fn der_signature(joined: &[u8]) -> Vec<u8> {
    let (r, s) = joined
        .split_at_checked(joined.len() / 2)
        .unwrap_or_default();
    der::element(der::SEQUENCE, &[&der::unsigned(r), &der::unsigned(s)])
}

#[cfg(test)]
mod tests {
    use ::p256::ecdsa::signature::Signer as _;
    use proptest::prelude::*;

    use super::*;

    fn signer() -> ::p256::ecdsa::SigningKey {
        ::p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()
    }

    fn key() -> EcKey {
        EcKey::new(
            Curve::P256,
            signer().verifying_key().to_sec1_point(false).as_bytes(),
        )
        .unwrap()
    }

    #[test]
    fn a_point_off_the_curve_is_no_key() {
        let mut point = signer()
            .verifying_key()
            .to_sec1_point(false)
            .as_bytes()
            .to_vec();
        point[64] ^= 1;
        assert_eq!(
            EcKey::new(Curve::P256, &point).err(),
            Some(KeyFault::NotOnCurve)
        );
        assert_eq!(
            EcKey::new(Curve::P384, &point).err(),
            Some(KeyFault::BadMember)
        );
        point[0] = 2;
        assert_eq!(
            EcKey::new(Curve::P256, &point[..33]).err(),
            Some(KeyFault::BadMember)
        );
    }

    struct Asked(std::cell::RefCell<Vec<Vec<u8>>>, Option<bool>);
    impl Accelerator for Asked {
        fn verify(&self, query: &SignatureQuery<'_>) -> Option<bool> {
            self.0.borrow_mut().push(query.signature.to_vec());
            self.1
        }
    }

    #[test]
    fn the_accelerator_decides_when_it_can_and_sees_der() {
        let signature: ::p256::ecdsa::Signature = signer().sign(b"text");
        let bytes = signature.to_bytes();
        for (answer, good) in [(Some(true), true), (Some(false), false), (None, true)] {
            let accelerator = Asked(Default::default(), answer);
            assert_eq!(
                key().verify(b"text", &bytes, Some(&accelerator)),
                good,
                "{answer:?}"
            );
            assert_eq!(accelerator.0.borrow()[0], signature.to_der().as_bytes());
        }
        let accelerator = Asked(Default::default(), Some(true));
        assert!(
            !key().verify(b"text", &bytes[..63], Some(&accelerator)),
            "too short for any verifier"
        );
        assert!(
            !key().verify(b"text", &[0; 64], Some(&accelerator)),
            "r and s of zero"
        );
        assert!(accelerator.0.borrow().is_empty());
    }

    proptest! {
        #[test]
        fn der_signatures_are_those_of_the_curve_library(text in any::<[u8; 8]>()) {
            let signature: ::p256::ecdsa::Signature = signer().sign(&text);
            let der = der_signature(&signature.to_bytes());
            let expected = signature.to_der();
            prop_assert_eq!(&der[..], expected.as_bytes());
        }
    }
}
