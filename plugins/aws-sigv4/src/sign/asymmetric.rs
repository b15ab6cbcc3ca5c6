//! Signature Version 4A: a key for ECDSA (P-256) that is derived of the access key, and is the same
//! in every region and on every day. What it signs is good for a set of regions.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
//!
//! `fixed = 1 (32 bits) || "AWS4-ECDSA-P256-SHA256" || 0 || access key id || counter || 256 (32
//! bits)`, `candidate = HMAC-SHA256("AWS4A" + secret, fixed)`; the first candidate that is at most
//! n - 2 is the key less one (NIST SP 800-108 in counter mode, and FIPS 186-4 B.4.2).

use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::credentials::Credentials;

/// The name of the algorithm.
pub const ALGORITHM: &[u8] = b"AWS4-ECDSA-P256-SHA256";
/// Most counters that are tried: the next would not fit.
const MOST_TRIES: u8 = 254;
/// The order of the curve, less two.
const LARGEST: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x4f,
];

/// The key of an access key. Wiped when dropped.
pub struct Key(SigningKey);

impl Key {
    /// Derives it; none where no counter gives one, which no access key has been seen to do.
    pub fn derive(credentials: &Credentials) -> Option<Self> {
        let secret = credentials.secret_access_key().as_bytes();
        let mut seed = Zeroizing::new(Vec::with_capacity(secret.len().saturating_add(5)));
        seed.extend_from_slice(b"AWS4A");
        seed.extend_from_slice(secret);
        (1..=MOST_TRIES).find_map(|counter| {
            let candidate = candidate(&seed, credentials.access_key_id(), counter)?;
            let key = plus_one(candidate.as_slice())?;
            SigningKey::from_slice(key.as_slice()).ok().map(Self)
        })
    }

    /// The signature of a text, in DER, in lower-case hexadecimal. The same for the same text (RFC
    /// 6979).
    pub fn sign(&self, text: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(text);
        let der = signature.to_der();
        let mut hex = Vec::with_capacity(144);
        for byte in der.as_bytes() {
            hex.extend_from_slice(&[super::hex_digit(byte >> 4), super::hex_digit(byte & 15)]);
        }
        hex
    }
}

fn candidate(seed: &[u8], access_key_id: &str, counter: u8) -> Option<Zeroizing<[u8; 32]>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(seed).ok()?;
    mac.update(&1_u32.to_be_bytes());
    mac.update(ALGORITHM);
    mac.update(&[0]);
    mac.update(access_key_id.as_bytes());
    mac.update(&[counter]);
    mac.update(&256_u32.to_be_bytes());
    Some(Zeroizing::new(mac.finalize().into_bytes().into()))
}

/// A candidate and one; none where it is above what fits. In the same time for each.
fn plus_one(candidate: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let (mut greater, mut equal) = (0_u8, 1_u8);
    for (ours, most) in candidate.iter().zip(&LARGEST) {
        let (ours, most) = (u16::from(*ours), u16::from(*most));
        // Of the difference of two bytes, the sign.
        let is_greater = (most.wrapping_sub(ours) >> 15) as u8;
        let is_less = (ours.wrapping_sub(most) >> 15) as u8;
        greater |= is_greater & equal;
        equal &= 1 ^ (is_greater | is_less);
    }
    if greater == 1 {
        return None;
    }
    let mut key = Zeroizing::new([0_u8; 32]);
    let mut carry = 1_u16;
    for (to, from) in key.iter_mut().zip(candidate).rev() {
        let sum = u16::from(*from).wrapping_add(carry);
        *to = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_no_key() {
        assert!(plus_one(&[0xff; 32]).is_none());
        let mut above = LARGEST;
        above[31] += 1;
        assert!(plus_one(&above).is_none());
        let mut largest = LARGEST;
        largest[31] += 1;
        assert_eq!(plus_one(&LARGEST).unwrap().as_slice(), largest);
        let carried = [&[0_u8; 30][..], &[1, 0]].concat();
        assert_eq!(
            plus_one(&[&[0_u8; 31][..], &[0xff]].concat())
                .unwrap()
                .as_slice(),
            carried
        );
    }

    /// The example of AWS's own libraries (aws-c-auth, `key_derivation_tests.c`).
    #[test]
    fn the_key_of_awss_example_is_derived() {
        let credentials = Credentials::new(
            "AKISORANDOMAASORANDOM".to_owned(),
            Zeroizing::new("q+jcrXGc+0zWN6uzclKVhvMmUsIfRPa4rlRandom".to_owned()),
            None,
        );
        let key = Key::derive(&credentials.unwrap()).unwrap();
        let hex: String = key
            .0
            .to_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            "7fd3bd010c0d9c292141c2b77bfbde1042c92e6836fff749d1269ec890fca1bd"
        );
    }
}
