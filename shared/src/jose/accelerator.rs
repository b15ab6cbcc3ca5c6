//! A faster verifier that the host may have, and how to ask it.
//!
//! Envoy's foreign function `verify_signature` checks RSA PKCS#1 v1.5 and ECDSA signatures in
//! native code: about 33 µs for RS256 where the module itself needs ten times that. The question is
//! a protobuf message (`envoy.source.extensions.common.wasm. VerifySignatureArguments`), the answer
//! another (`VerifySignatureResult`). The host call itself is the caller's.
//!
//! What it cannot do: RSA-PSS, Ed25519 and HMAC, which Envoy's function does not know.

use super::algorithm::Hash;

/// The name that Envoy registers the function under.
pub const FOREIGN_FUNCTION: &str = "verify_signature";

/// Something that may verify a signature for us.
pub trait Accelerator {
    /// Whether the signature is good; `None` when this one cannot tell, and the module is to find
    /// out itself.
    fn verify(&self, query: &SignatureQuery<'_>) -> Option<bool>;
}

/// One question to an [`Accelerator`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureQuery<'a> {
    /// The hash under the signature.
    pub hash: Hash,
    /// The public key as DER SubjectPublicKeyInfo.
    pub public_key: &'a [u8],
    /// PKCS#1 v1.5 bytes, or an ECDSA signature in DER (not the `r || s` of JOSE).
    pub signature: &'a [u8],
    /// What was signed.
    pub text: &'a [u8],
}

impl<'a> SignatureQuery<'a> {
    /// The argument of [`FOREIGN_FUNCTION`]: fields 1 hash_function, 2 public_key, 3 signature, 4
    /// text.
    pub fn encode(&self) -> Vec<u8> {
        let fields = [
            self.hash.name().as_bytes(),
            self.public_key,
            self.signature,
            self.text,
        ];
        let length: usize = fields
            .iter()
            .map(|field| field.len().saturating_add(6))
            .sum();
        let mut out = Vec::with_capacity(length);
        for (tag, field) in [0x0a, 0x12, 0x1a, 0x22].into_iter().zip(fields) {
            out.push(tag);
            push_varint(&mut out, field.len());
            out.extend_from_slice(field);
        }
        out
    }

    /// Reads what [`SignatureQuery::encode`] has written, and nothing else.
    pub fn decode(argument: &'a [u8]) -> Option<Self> {
        let mut rest = argument;
        let [hash, public_key, signature, text] = [
            take_field(&mut rest, 0x0a)?,
            take_field(&mut rest, 0x12)?,
            take_field(&mut rest, 0x1a)?,
            take_field(&mut rest, 0x22)?,
        ];
        let hashes = [Hash::Sha256, Hash::Sha384, Hash::Sha512];
        let hash = hashes
            .into_iter()
            .find(|known| known.name().as_bytes() == hash)?;
        rest.is_empty().then_some(Self {
            hash,
            public_key,
            signature,
            text,
        })
    }
}

/// The most bits that a length is taken for: 256 MB.
const LENGTH_BITS: u32 = 28;

/// Appends a number as a varint.
fn push_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes the next field off `rest` and gives its content, if it is the length-delimited one with
/// this tag.
fn take_field<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let mut after = rest.strip_prefix(&[tag])?;
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let (byte, left) = after.split_first()?;
        after = left;
        if shift >= LENGTH_BITS {
            return None;
        }
        length |= usize::from(byte & 0x7f) << shift;
        shift = shift.saturating_add(7);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (content, left) = after.split_at_checked(length)?;
    *rest = left;
    Some(content)
}

/// The message that a digest did not verify.
const REFUSED: &[u8] = b"Failed to verify digest";

/// An answer of [`FOREIGN_FUNCTION`], as [`decode_answer`] reads it.
pub fn encode_answer(is_good: bool) -> Vec<u8> {
    match is_good {
        true => vec![0x08, 0x01],
        false => [&[0x12, REFUSED.len() as u8], REFUSED].concat(),
    }
}

/// Reads the answer of [`FOREIGN_FUNCTION`].
///
/// Good is exactly the bytes `08 01` (field 1, true) and nothing else. A refusal is Envoy's message
/// that the digest did not verify; any other error (a key that its library does not take, say) is
/// `None`, so that the module decides itself.
pub fn decode_answer(answer: &[u8]) -> Option<bool> {
    // Field 2, error: a short text, so its length is one byte or two.
    match answer {
        [0x08, 0x01] => Some(true),
        [0x12, 0..=0x7f, error @ ..] | [0x12, 0x80..=0xff, 0..=0x7f, error @ ..]
            if error.starts_with(REFUSED) =>
        {
            Some(false)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_four_length_delimited_fields() {
        let text = [b'x'; 200];
        let query = SignatureQuery {
            hash: Hash::Sha256,
            public_key: b"key",
            signature: b"",
            text: &text,
        };
        let mut expected = b"\x0a\x06sha256\x12\x03key\x1a\x00\x22\xc8\x01".to_vec();
        expected.extend_from_slice(&text);
        assert_eq!(query.encode(), expected);
        assert_eq!(SignatureQuery::decode(&expected), Some(query));
        for cut in 0..expected.len() {
            assert_eq!(SignatureQuery::decode(&expected[..cut]), None, "{cut}");
        }
        expected.push(0);
        assert_eq!(SignatureQuery::decode(&expected), None);
        let other = b"\x0a\x06sha225\x12\x00\x1a\x00\x22\x00";
        assert_eq!(SignatureQuery::decode(other), None);
        let endless = b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(SignatureQuery::decode(endless), None);
    }

    #[test]
    fn answers_are_read_as_they_are_written() {
        for good in [true, false] {
            assert_eq!(decode_answer(&encode_answer(good)), Some(good));
        }
    }

    #[test]
    fn only_the_two_bytes_of_success_are_success() {
        assert_eq!(decode_answer(&[0x08, 0x01]), Some(true));
        for other in [
            &[][..],
            &[0x08],
            &[0x08, 0x00],
            &[0x08, 0x02],
            &[0x08, 0x01, 0x12, 0x00],
            &[0x08, 0x81, 0x00],
            &[0x01],
            b"\x12\x05other",
        ] {
            assert_eq!(decode_answer(other), None, "{other:x?}");
        }
    }

    #[test]
    fn a_digest_that_did_not_verify_is_a_refusal() {
        assert_eq!(
            decode_answer(b"\x12\x27Failed to verify digest. Error code: 0"),
            Some(false)
        );
        assert_eq!(
            decode_answer(b"\x12\xa7\x01Failed to verify digest. Error code: 0"),
            Some(false)
        );
        assert_eq!(
            decode_answer(b"\x12\x23Failed to initialize digest verify."),
            None
        );
    }
}
