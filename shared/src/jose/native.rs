//! The verifier of the native form: ring's code in place of the module's own, for RSA PKCS#1 v1.5
//! and for ECDSA on P-256 and P-384. It takes the place that Envoy's function has in the wasm form,
//! and gives the same verdicts as the module's own code.
//!
//! What it is asked about has been looked at before: keys have 2048 to 8192 bits and an odd
//! exponent from 3 to 2^33 - 1, or are points on their curve; signatures have the length of the
//! key. ring takes each of these, so what it refuses is a bad signature.
//!
//! What it cannot do: P-521, which ring does not have.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
    VerificationAlgorithm,
};

use super::accelerator::{Accelerator, SignatureQuery};
use super::algorithm::Hash;
use super::der::{self, Reader};
use super::ecdsa::Curve;

/// ring's verifier.
#[derive(Clone, Copy, Debug, Default)]
pub struct NativeVerifier;

impl Accelerator for NativeVerifier {
    fn verify(&self, query: &SignatureQuery<'_>) -> Option<bool> {
        let (algorithm, key) = key(query)?;
        let key = UnparsedPublicKey::new(algorithm, key);
        Some(key.verify(query.text, query.signature).is_ok())
    }
}

/// ring's algorithm for a question, and the key as ring wants it: RSAPublicKey (RFC 8017 appendix
/// A.1.1), or an uncompressed point (SEC 1 section 2.3.3).
fn key<'a>(query: &SignatureQuery<'a>) -> Option<(&'static dyn VerificationAlgorithm, &'a [u8])> {
    let mut outer = Reader::new(query.public_key);
    let mut info = Reader::new(outer.element(der::SEQUENCE)?);
    let mut identifier = Reader::new(info.element(der::SEQUENCE)?);
    let (kind, key) = (identifier.element(der::OID)?, info.bit_string()?);
    let algorithm: &dyn VerificationAlgorithm = match kind {
        der::RSA_ENCRYPTION => match query.hash {
            Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
            Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
            Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
        },
        der::EC_PUBLIC_KEY => match (Curve::from_oid(identifier.element(der::OID)?)?, query.hash) {
            (Curve::P256, Hash::Sha256) => &ECDSA_P256_SHA256_ASN1,
            (Curve::P384, Hash::Sha384) => &ECDSA_P384_SHA384_ASN1,
            _ => return None,
        },
        _ => return None,
    };
    Some((algorithm, key))
}

#[cfg(test)]
mod tests {
    use ::p256::ecdsa::signature::Signer as _;

    use super::super::algorithm::Algorithm;
    use super::super::ecdsa::EcKey;
    use super::super::rsa::RsaKey;
    use super::*;

    /// What the module's own code says, once it is sure that ring says the same.
    fn same(verdict: impl Fn(Option<&dyn Accelerator>) -> bool) -> bool {
        let (own, rings) = (verdict(None), verdict(Some(&NativeVerifier)));
        assert_eq!(own, rings);
        own
    }

    #[test]
    fn ecdsa_is_judged_as_by_the_modules_own_code() {
        let p256 = ::p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let p384 = ::p384::ecdsa::SigningKey::from_slice(&[7; 48]).unwrap();
        let p521 = ::p521::ecdsa::SigningKey::from_slice(&[1; 66]).unwrap();
        let (a, b): (::p256::ecdsa::Signature, ::p384::ecdsa::Signature) =
            (p256.sign(b"text"), p384.sign(b"text"));
        let c: ::p521::ecdsa::Signature = p521.sign(b"text");
        let cases = [
            (
                Curve::P256,
                p256.verifying_key()
                    .to_sec1_point(false)
                    .as_bytes()
                    .to_vec(),
                a.to_bytes().to_vec(),
                Some(true),
            ),
            (
                Curve::P384,
                p384.verifying_key()
                    .to_sec1_point(false)
                    .as_bytes()
                    .to_vec(),
                b.to_bytes().to_vec(),
                Some(true),
            ),
            (
                Curve::P521,
                p521.verifying_key()
                    .to_sec1_point(false)
                    .as_bytes()
                    .to_vec(),
                c.to_bytes().to_vec(),
                None,
            ),
        ];
        for (curve, point, signature, knows) in cases {
            let key = EcKey::new(curve, &point).unwrap();
            let query = SignatureQuery {
                hash: curve.algorithm().hash(),
                public_key: key.info(),
                signature: &super::super::ecdsa::der_signature(&signature),
                text: b"text",
            };
            assert_eq!(NativeVerifier.verify(&query), knows, "{curve:?}");
            assert!(same(|by| key.verify(b"text", &signature, by)));
            assert!(!same(|by| key.verify(b"texT", &signature, by)));
            for at in 0..signature.len() {
                let mut bent = signature.clone();
                bent[at] ^= 1;
                assert!(!same(|by| key.verify(b"text", &bent, by)), "{at}");
            }
            let half = signature.len() / 2;
            let swapped = [&signature[half..], &signature[..half]].concat();
            assert!(!same(|by| key.verify(b"text", &swapped, by)));
        }
    }

    /// A multiple of the order is another way to write zero, and a high `s` a good one.
    #[test]
    fn a_high_s_is_as_good_as_its_twin() {
        let signer = ::p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let point = signer.verifying_key().to_sec1_point(false);
        let key = EcKey::new(Curve::P256, point.as_bytes()).unwrap();
        let signature: ::p256::ecdsa::Signature = signer.sign(b"text");
        let (r, s) = signature.split_scalars();
        let twin = ::p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
        assert_ne!(twin, signature);
        for signature in [signature, twin] {
            assert!(same(|by| key.verify(b"text", &signature.to_bytes(), by)));
        }
    }

    /// Signatures over `text` with SHA-256, under moduli that are primes of the form 2^bits - c: so
    /// the private exponent is known, and Python's `pow` has computed them.
    const RSA: [(usize, u64, u64, &str); 3] = [
        (
            2048,
            2543,
            3,
            "de2ac4cd830f84159253499e6eb6a6c6dc63bdb05e5d854d899d5772d4a5ea75e8826c313a7980f3f18f581c5965c0abe05b9cdc13759c6afe176604a132f4efb31dbd64913e4caca6b5edc575900164a0c53a66bde58bb47fb82fed86d6ccb437c276e4414f0ac3710a8cba6e2522b69f90bd4f9afd445a8079fed2bb2c449fc3d795f1ed43465796d2a7d294acb5dfa07e6950ca42176b774eb01ca403142e2544f42849fa31940630683723f13d0b27fe1af614c0cbc689ed59a3c6bdf2732ffddb3863d39b3421c2841c1dc9e4bd57f50a19263bb4f2ff85247214356c97eba137e79c493706f83a78d66e6b6ba8ac39fea594c729281faa0fdb4f747af9",
        ),
        (
            2203,
            1,
            65_537,
            "01a23b41737f135d81de5c01ff94ccd21a08679548ed7bec105815fb6e45b2c9229b9e5aea14c67bc5d73df336f13407f7bd716bb25709d3c0b2eae24abd626e0d9e708feb76e46dba779967ce3d358e5947fcb429d536b22fb6bfc3a3e3ad35f2a1b10d4522c2129d13f9614d751f7866a602e2515764ef301a1f9c0374f0fa58752c65b17f515f7653e0685c9ab429e5bc020c4c47cdb5eb9bc1e696b3d11538e26f293c9d5aa724f8ed1e7a92cc7a79c97bfc0448cc538f4ce2cda45378d31a329409671932d36d3a6c7c65978eb5ff34c9983994730b9a778bb8170e4912d22c351ebc218f2a8b25f40748c745c9373d28f505ab2370918bdf240b16857a74bd97d04ea357f874858a8a616e8d386206e971",
        ),
        (
            4423,
            1,
            8_589_934_583,
            "076970dbdcc1155210820bb4b5f426a3f7c8eb21add98e29a117706b9aee8223d4743b7e09d8899eb3d0b90eb93ed1d303ae4f30221b91b572da40b82f6d2ebe9a3558339c589c523d13262ece67c5c9528112e08dfa5dacc76fdfdf17cf3eb8b00ba6a243ce31c6f34422ac15a04c3e05268496c3ddd9b73aa54df094f060b6723b6091697eb600634b80c06bafe348df0db0b5bbd93bb95cfbec884607ee9bacc7d22d6c67f40844d213f3d1dc51ddbf49384acaff6996b84c12cb4a04aac1f03f894a37bc4c5e862e2e99765435748237fcf9e118dff53a20058fb292780ec7e19b43679defacc4243e839b1a89e0375943d4f3fc4f3a455a35d7e78d8775d47329b8975aa06b84a2bd3c845575eb313c12fa386e33b67894a458608474b1350aa7d04495032d09bf3cbab16a2535c4c55e942aac5ff964f0bfe75139b82c7d742332b1aa45ab89d2fa6b5a37809e909f5b0301a875ef81728868bafd660c8297b538ca745fadafbb4e5f918a5519b5fc666d5ada41c9971106760df332881b7cdbd83ce3122636e5f2aa5c9009e7558e7796717e794c34c0609e410ec47e0270ca946342383b7e7e80345ce08057ec4d42152145d1c7d543262748ac0c4db03aea9eac3672dff572295aae164456fad114325bebe729b005bd06c90e2123f104e1c4244e93a07d4dee22e22c07cf5efd98ca0e7e3bf01555c18cf5a732c853b9a096ee53e802289a43eb0c8043e43962a5384327cd0003a0b2e1b1b7549918ac8d2e2afefee6f4",
        ),
    ];

    fn hex(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        digits
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
            .collect()
    }

    /// 2^bits - less, of which only the last eight bytes are not all ones.
    fn below_power_of_two(bits: usize, less: u64) -> Vec<u8> {
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        bytes[0] >>= (8 - bits % 8) % 8;
        let at = bytes.len() - 8;
        bytes[at..].copy_from_slice(&0_u64.wrapping_sub(less).to_be_bytes());
        bytes
    }

    #[test]
    fn rsa_is_judged_as_by_the_modules_own_code() {
        for (bits, less, exponent, signature) in RSA {
            let modulus = below_power_of_two(bits, less);
            let key = RsaKey::new(&modulus, &exponent.to_be_bytes()).unwrap();
            let signature = hex(signature);
            let query = SignatureQuery {
                hash: Hash::Sha256,
                public_key: key.info(),
                signature: &signature,
                text: b"text",
            };
            assert_eq!(NativeVerifier.verify(&query), Some(true), "{bits} bits");
            let judged = |algorithm, text: &[u8], signature: &[u8]| {
                same(|by| key.verify(algorithm, text, signature, by))
            };
            assert!(judged(Algorithm::Rs256, b"text", &signature));
            assert!(!judged(Algorithm::Rs256, b"texT", &signature));
            assert!(!judged(Algorithm::Rs384, b"text", &signature));
            assert!(!judged(Algorithm::Rs512, b"text", &signature));
            for at in [0, 1, signature.len() / 2, signature.len() - 1] {
                let mut bent = signature.clone();
                bent[at] ^= 1;
                assert!(!judged(Algorithm::Rs256, b"text", &bent), "{at}");
            }
            for all in [0, 1, 0xff] {
                let bytes = vec![all; signature.len()];
                assert!(!judged(Algorithm::Rs256, b"text", &bytes));
            }
            assert!(!judged(Algorithm::Rs256, b"text", &modulus));
        }
    }
}
