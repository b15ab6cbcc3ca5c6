//! The two paddings of RSA signatures (RFC 8017 section 9): whether an encoded message is that of a
//! text.
//!
//! PKCS#1 v1.5 is compared with the one encoding that is right, never parsed, so that there is
//! nothing to be lenient about. PSS is taken apart as the RFC says, with MGF1 over the same hash
//! and a salt as long as the hash (RFC 7518 section 3.5).

use sha2::{Digest, Sha256, Sha384, Sha512};

use super::algorithm::Hash;

impl Hash {
    /// The digest of some parts, one after the other.
    fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        fn of<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let mut digest = D::new();
            for part in parts {
                digest.update(part);
            }
            digest.finalize().to_vec()
        }
        match self {
            Self::Sha256 => of::<Sha256>(parts),
            Self::Sha384 => of::<Sha384>(parts),
            Self::Sha512 => of::<Sha512>(parts),
        }
    }

    /// DigestInfo up to the digest itself (RFC 8017 section 9.2, note 1).
    const fn digest_info(self) -> [u8; 19] {
        let (last_of_oid, length) = match self {
            Self::Sha256 => (1, 32),
            Self::Sha384 => (2, 48),
            Self::Sha512 => (3, 64),
        };
        [
            0x30,
            0x11 + length,
            0x30,
            0x0d,
            0x06,
            0x09,
            0x60,
            0x86,
            0x48,
            0x01,
            0x65,
            0x03,
            0x04,
            0x02,
            last_of_oid,
            0x05,
            0x00,
            0x04,
            length,
        ]
    }
}

/// EMSA-PKCS1-v1_5 (RFC 8017 section 9.2): whether `encoded`, as long as the modulus, is the
/// encoding of `text`.
pub(super) fn is_pkcs1(encoded: &[u8], hash: Hash, text: &[u8]) -> bool {
    let tail = [&hash.digest_info()[..], &hash.digest(&[text])].concat();
    let Some(filling) = encoded
        .len()
        .checked_sub(tail.len().saturating_add(3))
        .filter(|filling| *filling >= 8)
    else {
        return false;
    };
    let expected = [&[0, 1][..], &vec![0xff; filling], &[0], &tail].concat();
    encoded == expected
}

/// EMSA-PSS-VERIFY (RFC 8017 section 9.1.2): whether `encoded`, as long as a modulus of so many
/// bits, is an encoding of `text`.
pub(super) fn is_pss(encoded: &[u8], modulus_bits: usize, hash: Hash, text: &[u8]) -> bool {
    let bits = modulus_bits.saturating_sub(1);
    // A modulus of 8n + 1 bits has one byte more than the encoding, which then is zero.
    let encoded = if bits.is_multiple_of(8) {
        match encoded.split_first() {
            Some((0, encoded)) => encoded,
            _ => return false,
        }
    } else {
        encoded
    };
    let Some((0xbc, encoded)) = encoded.split_last() else {
        return false;
    };
    let Some((masked, seed)) = encoded
        .len()
        .checked_sub(hash.len_bytes())
        .and_then(|at| encoded.split_at_checked(at))
    else {
        return false;
    };
    let unused = bits.div_ceil(8).saturating_mul(8).saturating_sub(bits);
    let outside = !(0xff_u8 >> unused);
    if masked.first().is_none_or(|first| first & outside != 0) {
        return false;
    }
    let mut block: Vec<u8> = masked
        .iter()
        .zip(mask(hash, seed, masked.len()))
        .map(|(byte, mask)| byte ^ mask)
        .collect();
    if let Some(first) = block.first_mut() {
        *first &= !outside;
    }
    let Some((filling, salt)) = block
        .len()
        .checked_sub(hash.len_bytes())
        .and_then(|at| block.split_at_checked(at))
    else {
        return false;
    };
    let Some((1, zeros)) = filling.split_last() else {
        return false;
    };
    zeros.iter().all(|byte| *byte == 0)
        && hash.digest(&[&[0; 8], &hash.digest(&[text]), salt]) == seed
}

/// MGF1 (RFC 8017 appendix B.2.1).
fn mask(hash: Hash, seed: &[u8], length: usize) -> impl Iterator<Item = u8> + '_ {
    (0_u32..)
        .flat_map(move |counter| hash.digest(&[seed, &counter.to_be_bytes()]))
        .take(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EMSA-PSS-ENCODE (RFC 8017 section 9.1.1).
    fn encode_pss(modulus_bits: usize, hash: Hash, text: &[u8], salt: &[u8]) -> Vec<u8> {
        let bits = modulus_bits - 1;
        let length = bits.div_ceil(8);
        let seed = hash.digest(&[&[0; 8], &hash.digest(&[text]), salt]);
        let mut block = vec![0; length - salt.len() - seed.len() - 2];
        block.push(1);
        block.extend_from_slice(salt);
        let mut out: Vec<u8> = block
            .iter()
            .zip(mask(hash, &seed, block.len()))
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        out[0] &= 0xff >> (8 * length - bits);
        out.extend_from_slice(&seed);
        out.push(0xbc);
        [vec![0; modulus_bits.div_ceil(8) - length], out].concat()
    }

    #[test]
    fn every_length_of_modulus_has_its_pss_encoding() {
        for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            for bits in 2041..2058 {
                let encoded = encode_pss(bits, hash, b"text", &vec![7; hash.len_bytes()]);
                assert!(is_pss(&encoded, bits, hash, b"text"), "{bits}");
                assert!(!is_pss(&encoded, bits, hash, b"texts"), "{bits}");
                let longer = encode_pss(bits, hash, b"text", &vec![7; hash.len_bytes() + 1]);
                assert!(
                    !is_pss(&longer, bits, hash, b"text"),
                    "{bits}: another length of salt"
                );
            }
        }
    }

    #[test]
    fn every_changed_bit_of_an_encoding_is_seen() {
        let salt = [7; 32];
        let pss = encode_pss(2048, Hash::Sha256, b"text", &salt);
        let tail = [
            &Hash::Sha256.digest_info()[..],
            &Hash::Sha256.digest(&[b"text"]),
        ]
        .concat();
        let pkcs1 = [&[0, 1][..], &vec![0xff; 256 - 3 - tail.len()], &[0], &tail].concat();
        assert!(
            is_pss(&pss, 2048, Hash::Sha256, b"text") && is_pkcs1(&pkcs1, Hash::Sha256, b"text")
        );
        for at in 0..256 * 8 {
            let flip = |encoded: &[u8]| {
                let mut changed = encoded.to_vec();
                changed[at / 8] ^= 1 << (at % 8);
                changed
            };
            assert!(
                !is_pss(&flip(&pss), 2048, Hash::Sha256, b"text"),
                "bit {at}"
            );
            assert!(!is_pkcs1(&flip(&pkcs1), Hash::Sha256, b"text"), "bit {at}");
        }
    }

    #[test]
    fn what_is_too_short_is_no_encoding() {
        for length in 0..120 {
            assert!(!is_pkcs1(&vec![0xbc; length], Hash::Sha512, b""));
            assert!(!is_pss(&vec![0xbc; length], length * 8, Hash::Sha512, b""));
            assert!(!is_pss(
                &vec![0xbc; length],
                length * 8 + 1,
                Hash::Sha512,
                b""
            ));
        }
    }
}
