//! Keys that stand in for an issuer's, where these are not at hand: a token is signed anew with
//! one, header and claims as they are, so that all else about it is judged as ever.
//!
//! The keys are the same for everybody and no secret. Whoever uses them says that the signature of
//! the token was not checked.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::Signer as _;
use getrandom::SysRng;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pss::Pss;
use rsa::rand_core::UnwrapErr;
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, RsaPrivateKey};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// The primes of the RSA key, in hexadecimal.
const P: &str = "f9fbb6475b1ee462e0889f91c7ec7f1f5c9c142d79aaad63a41fc53a7fb8381f2481a653526b4cf67227601c\
eabccbf02359afeba2a3fb20f20d5a5931047ec2a9fd3cbf5210b1775879df3d23599ffb42e3015cde739bc0\
5fda2d169715d6d3cb129707e484eeb5d605a832cbedcaede2e4ced54f49828d1013d7d45900cff7";
const Q: &str = "c4eedf39e81f00951d9fc4d00045fd7649080761308d5f57d0d9e33a8ca3735565e34c1de3c7d82e721712b4\
404cdad289807fbf15bec714b9273dd377630be1a7d441a0f2813a6f589402dc94f5a79884595221b0df3a0d\
e9753258279d078d92df8949cafd38f2afaee9bac0f28460017989454f7dbde35f73a00b23157463";
const PRIME_BITS: u32 = 1024;
const EXPONENT: u64 = 65_537;

/// The private key of the elliptic curves and of Ed25519.
const SCALAR: [u8; 32] = [7; 32];

/// What stands before the point of a P-256 key in its DER (RFC 5480 section 2).
const P256_DER: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A private key of a curve: the scalar, filled up in front to as many bytes as the curve has.
macro_rules! on_curve {
    ($curve:ident, $bytes:literal) => {{
        let mut scalar = [0_u8; $bytes];
        for (to, from) in scalar.iter_mut().rev().zip(SCALAR) {
            *to = from;
        }
        $curve::ecdsa::SigningKey::from_slice(&scalar).ok()
    }};
}

fn rsa_key() -> Option<RsaPrivateKey> {
    let number = |text: &str| BoxedUint::from_be_hex(text, PRIME_BITS).into_option();
    RsaPrivateKey::from_p_q(number(P)?, number(Q)?, BoxedUint::from(EXPONENT)).ok()
}

/// A token with its header and claims, signed by the stand-in for its algorithm; HS algorithms by
/// `secret`. Nothing for what is no token, and for algorithms without a stand-in.
pub fn signed(token: &str, secret: &[u8]) -> Option<String> {
    let (text, _) = token.rsplit_once('.')?;
    let header = text.split('.').next()?;
    let header: Json = serde_json::from_slice(&decoded(header)?).ok()?;
    let signature = sign(header.get("alg")?.as_str()?, text.as_bytes(), secret)?;
    Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Base64url, padded or not: tokens of AWS load balancers are.
pub fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()
}

fn sign(algorithm: &str, text: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    macro_rules! hmac {
        ($hash:ty) => {{
            let mut mac = Hmac::<$hash>::new_from_slice(secret).ok()?;
            mac.update(text);
            Some(mac.finalize().into_bytes().to_vec())
        }};
    }
    macro_rules! pkcs1 {
        ($hash:ty) => {
            rsa_key()?
                .sign(Pkcs1v15Sign::new::<$hash>(), &<$hash>::digest(text))
                .ok()
        };
    }
    macro_rules! pss {
        ($hash:ty) => {
            rsa_key()?
                .sign_with_rng(
                    &mut UnwrapErr(SysRng),
                    Pss::<$hash>::new(),
                    &<$hash>::digest(text),
                )
                .ok()
        };
    }
    macro_rules! ecdsa {
        ($curve:ident, $bytes:literal) => {{
            let signature: $curve::ecdsa::Signature = on_curve!($curve, $bytes)?.sign(text);
            Some(signature.to_vec())
        }};
    }
    match algorithm {
        "HS256" => hmac!(Sha256),
        "HS384" => hmac!(Sha384),
        "HS512" => hmac!(Sha512),
        "RS256" => pkcs1!(Sha256),
        "RS384" => pkcs1!(Sha384),
        "RS512" => pkcs1!(Sha512),
        "PS256" => pss!(Sha256),
        "PS384" => pss!(Sha384),
        "PS512" => pss!(Sha512),
        "ES256" => ecdsa!(p256, 32),
        "ES384" => ecdsa!(p384, 48),
        "ES512" => ecdsa!(p521, 66),
        "EdDSA" | "Ed25519" => {
            let key = ed25519_dalek::SigningKey::from_bytes(&SCALAR);
            Some(key.sign(text).to_bytes().to_vec())
        }
        _ => None,
    }
}

/// The public key for an algorithm, under this name; nothing for algorithms without a stand-in.
pub fn jwk(algorithm: &str, kid: Option<&str>) -> Option<Json> {
    let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    macro_rules! point {
        ($curve:ident, $bytes:literal, $name:literal) => {{
            let point = on_curve!($curve, $bytes)?.verifying_key().to_sec1_point(false);
            let (x, y) = point.as_bytes().get(1..)?.split_at_checked($bytes)?;
            json!({"kty": "EC", "crv": $name, "x": encoded(x), "y": encoded(y)})
        }};
    }
    let mut key = match algorithm {
        "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" => {
            let key = rsa_key()?;
            json!({"kty": "RSA", "n": encoded(&key.n_bytes()), "e": encoded(&key.e_bytes())})
        }
        "ES256" => point!(p256, 32, "P-256"),
        "ES384" => point!(p384, 48, "P-384"),
        "ES512" => point!(p521, 66, "P-521"),
        "EdDSA" | "Ed25519" => {
            let key = ed25519_dalek::SigningKey::from_bytes(&SCALAR).verifying_key();
            json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(&key.to_bytes())})
        }
        _ => return None,
    };
    let members = key.as_object_mut()?;
    members.insert("use".into(), "sig".into());
    members.insert("alg".into(), algorithm.into());
    members.extend(kid.map(|kid| ("kid".to_owned(), kid.into())));
    Some(key)
}

/// The public key for ES256 in PEM: issuers that publish keys one by one have such.
pub fn pem() -> Option<String> {
    let point = on_curve!(p256, 32)?.verifying_key().to_sec1_point(false);
    let der = [&P256_DER[..], point.as_bytes()].concat();
    let text = STANDARD.encode(der);
    let (first, rest) = text.split_at_checked(64)?;
    Some(format!(
        "-----BEGIN PUBLIC KEY-----\n{first}\n{rest}\n-----END PUBLIC KEY-----\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelgate_kit::jose::{Algorithm, Algorithms, Key, KeySet, Secrets, Token};

    const SECRET: [u8; 64] = [b's'; 64];

    fn token(algorithm: &str) -> String {
        let header = json!({"alg": algorithm, "kid": "k"}).to_string();
        let claims = r#"{ "sub": "ann",  "exp": 1 }"#;
        let parts = [header.as_str(), claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{}.b3RoZXI", parts.join("."))
    }

    #[test]
    fn every_algorithm_has_a_stand_in_whose_signature_is_good() {
        for algorithm in [
            "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
            "EdDSA", "HS256", "HS384", "HS512",
        ] {
            let before = token(algorithm);
            let after = signed(&before, &SECRET).unwrap();
            assert_eq!(
                before.rsplit_once('.').unwrap().0,
                after.rsplit_once('.').unwrap().0
            );
            let (set, family) = match jwk(algorithm, Some("k")) {
                Some(key) => {
                    let set = json!({"keys": [key]}).to_string();
                    let set = KeySet::parse(set.as_bytes(), Secrets::Refused).unwrap();
                    (set, Algorithms::ASYMMETRIC)
                }
                None => {
                    let kid = Some("k".to_owned());
                    let key = Key::secret(SECRET.to_vec(), kid, Algorithm::parse(algorithm));
                    let set = KeySet::from_keys(vec![key.unwrap()]).unwrap();
                    (set, Algorithms::SYMMETRIC)
                }
            };
            let token = Token::parse(after.as_bytes(), 8_192).unwrap();
            assert!(token.verify(&set, family, None).is_ok(), "{algorithm}");
            let token = Token::parse(before.as_bytes(), 8_192).unwrap();
            assert!(token.verify(&set, family, None).is_err(), "{algorithm}");
        }
    }

    #[test]
    fn what_has_no_stand_in_is_left_alone() {
        assert_eq!(signed(&token("none"), &SECRET), None);
        assert_eq!(signed("no token", &SECRET), None);
        assert!(Key::parse_pem(&pem().unwrap(), None, None).is_ok());
    }
}
