//! Envoy's foreign function `verify_signature`: RSA PKCS#1 v1.5, and ECDSA on P-256 and P-384 with
//! DER signatures.
//!
//! Question and answer are protobuf messages
//! (source/extensions/common/wasm/ext/verify_signature.proto). As in Envoy, success is exactly
//! `result: true`; a wrong signature has no error status but an error text; a key that cannot be
//! read is a bad argument. PSS, Ed25519 and SHA-1 are not served.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::pkcs8::DecodePublicKey as _;
use rsa::pkcs1v15::Pkcs1v15Sign;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};

use crate::abi::{HostResult, Status};

const WRONG: &str = "Failed to verify digest. Error code: 0";

/// Answers a question, both as protobuf.
pub(crate) fn answer(question: &[u8]) -> HostResult<Vec<u8>> {
    let [hash, key, signature, text, pem] = read(question).ok_or(Status::BadArgument)?;
    let key = match (key, pem) {
        (key, []) if !key.is_empty() => Key::parse_der(key),
        ([], pem) if !pem.is_empty() => std::str::from_utf8(pem).ok().and_then(Key::parse_pem),
        _ => None,
    };
    let key = key.ok_or(Status::BadArgument)?;
    let (digest, padding) = match hash {
        b"sha224" => (Sha224::digest(text).to_vec(), Pkcs1v15Sign::new::<Sha224>()),
        b"sha256" => (Sha256::digest(text).to_vec(), Pkcs1v15Sign::new::<Sha256>()),
        b"sha384" => (Sha384::digest(text).to_vec(), Pkcs1v15Sign::new::<Sha384>()),
        b"sha512" => (Sha512::digest(text).to_vec(), Pkcs1v15Sign::new::<Sha512>()),
        other => {
            return Ok(error(&format!(
                "{} is not supported.",
                String::from_utf8_lossy(other)
            )));
        }
    };
    Ok(if key.verify(padding, &digest, signature) {
        vec![8, 1]
    } else {
        error(WRONG)
    })
}

enum Key {
    Rsa(rsa::RsaPublicKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
}

impl Key {
    fn parse_der(der: &[u8]) -> Option<Self> {
        let rsa = || {
            rsa::RsaPublicKey::from_public_key_der(der)
                .map(Self::Rsa)
                .ok()
        };
        let p256 = || {
            p256::ecdsa::VerifyingKey::from_public_key_der(der)
                .map(Self::P256)
                .ok()
        };
        let p384 = || {
            p384::ecdsa::VerifyingKey::from_public_key_der(der)
                .map(Self::P384)
                .ok()
        };
        rsa().or_else(p256).or_else(p384)
    }

    fn parse_pem(pem: &str) -> Option<Self> {
        use base64::Engine as _;
        let body = pem.trim().strip_prefix("-----BEGIN PUBLIC KEY-----")?;
        let body = body.strip_suffix("-----END PUBLIC KEY-----")?;
        let body: String = body.split_ascii_whitespace().collect();
        Self::parse_der(
            &base64::engine::general_purpose::STANDARD
                .decode(body)
                .ok()?,
        )
    }

    fn verify(&self, padding: Pkcs1v15Sign, digest: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa(key) => key.verify(padding, digest, signature).is_ok(),
            Self::P256(key) => {
                let signature = p256::ecdsa::Signature::from_der(signature);
                signature.is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok())
            }
            Self::P384(key) => {
                let signature = p384::ecdsa::Signature::from_der(signature);
                signature.is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok())
            }
        }
    }
}

/// Fields 1 to 5 of the question, empty where absent; the last of several wins.
fn read(mut message: &[u8]) -> Option<[&[u8]; 5]> {
    let mut fields: [&[u8]; 5] = [&[]; 5];
    while let Some((tag, rest)) = message.split_first() {
        let (number, wire) = (usize::from(tag >> 3), tag & 7);
        let (length, rest) = varint(rest)?;
        // Every field of the message is a string or bytes.
        let (value, rest) = (wire == 2).then(|| rest.split_at_checked(length))??;
        if let Some(field) = number
            .checked_sub(1)
            .and_then(|index| fields.get_mut(index))
        {
            *field = value;
        }
        message = rest;
    }
    Some(fields)
}

fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0usize;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        value |=
            usize::from(byte & 0x7f).checked_shl(u32::try_from(index).ok()?.checked_mul(7)?)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index.checked_add(1)?..)?));
        }
    }
    None
}

fn error(text: &str) -> Vec<u8> {
    let mut message = vec![0x12, u8::try_from(text.len().min(127)).unwrap_or_default()];
    message.extend(text.bytes().take(127));
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::field;
    use p256::ecdsa::signature::hazmat::PrehashSigner as _;
    use rsa::pkcs8::EncodePublicKey as _;

    fn key() -> (p256::ecdsa::SigningKey, Vec<u8>) {
        let signer = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        // RFC 5480: id-ecPublicKey on prime256v1, then the point.
        let mut public = vec![
            0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86,
            0x48, 0xce, 0x3d, 3, 1, 7, 3, 0x42, 0,
        ];
        public.extend(signer.verifying_key().to_sec1_point(false).as_bytes());
        (signer, public)
    }

    fn question(signature: &[u8], public_key: &[u8], text: &[u8]) -> Vec<u8> {
        let mut question = Vec::new();
        for (number, value) in (1..).zip([b"sha256", public_key, signature, text]) {
            field(&mut question, number, value);
        }
        question
    }

    fn ask(signature: &[u8], public_key: &[u8], text: &[u8]) -> HostResult<Vec<u8>> {
        answer(&question(signature, public_key, text))
    }

    #[test]
    fn an_ecdsa_signature_in_der_is_verified_and_a_joined_one_refused() {
        let (signer, public) = key();
        let signature: p256::ecdsa::Signature =
            signer.sign_prehash(&Sha256::digest(b"text")).unwrap();
        let der = signature.to_der();
        assert_eq!(ask(der.as_bytes(), &public, b"text"), Ok(vec![8, 1]));
        for (signature, text) in [
            (der.as_bytes(), &b"other"[..]),
            (&signature.to_bytes(), b"text"),
            (b"", b"text"),
        ] {
            assert_eq!(ask(signature, &public, text), Ok(error(WRONG)));
        }
    }

    #[test]
    fn an_rsa_signature_is_verified() {
        // RFC 7515 appendix A.2: a JWS with RS256 and its key.
        let url = |text: &str| {
            use base64::Engine as _;
            base64::engine::general_purpose::URL_SAFE_NO_PAD
                .decode(text)
                .unwrap()
        };
        let modulus = url(
            "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        );
        let signature = url(
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        );
        let text = b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let key = rsa::RsaPublicKey::new(
            rsa::BoxedUint::from_be_slice_vartime(&modulus),
            rsa::BoxedUint::from(65_537u32),
        )
        .unwrap();
        let public = key.to_public_key_der().unwrap().into_vec();
        assert_eq!(ask(&signature, &public, text), Ok(vec![8, 1]));
        assert_eq!(ask(&signature, &public, b"other"), Ok(error(WRONG)));
    }

    #[test]
    fn a_key_that_cannot_be_read_and_a_torn_question_are_bad_arguments() {
        let (_, public) = key();
        assert_eq!(ask(b"", b"", b""), Err(Status::BadArgument));
        assert_eq!(ask(b"", b"no key", b""), Err(Status::BadArgument));
        let question = question(b"", &public, b"t");
        for length in 1..question.len() {
            let torn = question.get(..length).unwrap();
            assert_ne!(answer(torn), Ok(vec![8, 1]));
        }
        assert_eq!(
            answer(&[0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]),
            Err(Status::BadArgument)
        );
    }

    #[test]
    fn a_hash_without_a_name_is_an_error_text() {
        let (_, public) = key();
        let mut question = b"\x0a\x03md5\x12".to_vec();
        question.push(u8::try_from(public.len()).unwrap());
        question.extend(public);
        assert_eq!(
            answer(&question),
            Ok(b"\x12\x15md5 is not supported.".to_vec())
        );
    }
}
