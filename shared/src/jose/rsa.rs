//! RSA public keys and the two RSA signature schemes (RFC 7518 sections 3.3 and 3.5).
//!
//! Decides which moduli and exponents are worth trusting: 2048 to 8192 bits, an odd exponent above
//! 1, and not made by the key generator whose primes can be recovered from the modulus (ROCA,
//! CVE-2017-15361). PSS salts are as long as the hash.

use super::accelerator::{Accelerator, SignatureQuery};
use super::algorithm::Algorithm;
use super::der;
use super::jwk::{KeyFault, MIN_RSA_BITS};
use super::modulus::Modulus;
use super::padding::{is_pkcs1, is_pss};

const MAX_RSA_BITS: usize = 8192;
/// Exponents are small primes in practice, 65537 mostly; a large one only makes verifying dear.
const MAX_EXPONENT: u64 = (1 << 33) - 1;

/// A public key that passed the checks above.
#[derive(Clone)]
pub(super) struct RsaKey {
    modulus: Modulus,
    exponent: u64,
    info: Vec<u8>,
}

impl RsaKey {
    /// Builds a key from big-endian modulus and exponent.
    pub(super) fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyFault> {
        let modulus = der::without_leading_zeros(modulus);
        let exponent = der::without_leading_zeros(exponent);
        // Looked at before any arithmetic, whose cost grows with the length.
        if modulus.len() > MAX_RSA_BITS / 8 {
            return Err(KeyFault::RsaSize);
        }
        let number = match exponent {
            [] | [0..=2] => return Err(KeyFault::RsaExponent),
            digits if digits.len() <= 5 => digits
                .iter()
                .fold(0, |number, digit| (number << 8) | u64::from(*digit)),
            _ => return Err(KeyFault::RsaExponent),
        };
        if number & 1 == 0 || number > MAX_EXPONENT {
            return Err(KeyFault::RsaExponent);
        }
        let ready = match Modulus::new(modulus) {
            Some(ready) if ready.bits() >= MIN_RSA_BITS => ready,
            Some(_) => return Err(KeyFault::RsaSize),
            None if modulus.len() * 8 < MIN_RSA_BITS => return Err(KeyFault::RsaSize),
            None => return Err(KeyFault::BadMember),
        };
        if has_roca_fingerprint(modulus) {
            return Err(KeyFault::RsaWeak);
        }
        let key = der::element(
            der::SEQUENCE,
            &[&der::unsigned(modulus), &der::unsigned(exponent)],
        );
        let info = der::public_key_info(der::RSA_ENCRYPTION, &der::element(der::NULL, &[]), &key);
        Ok(Self {
            modulus: ready,
            exponent: number,
            info,
        })
    }

    /// Builds a key from the bits of a SubjectPublicKeyInfo: an RSAPublicKey (RFC 8017 appendix
    /// A.1.1).
    pub(super) fn from_bits(bits: &[u8]) -> Result<Self, KeyFault> {
        let mut outer = der::Reader::new(bits);
        let mut inner =
            der::Reader::new(outer.element(der::SEQUENCE).ok_or(KeyFault::BadEncoding)?);
        match (
            inner.unsigned(),
            inner.unsigned(),
            inner.is_at_end() && outer.is_at_end(),
        ) {
            (Some(modulus), Some(exponent), true) => Self::new(modulus, exponent),
            _ => Err(KeyFault::BadEncoding),
        }
    }

    /// The key as DER SubjectPublicKeyInfo.
    pub(super) fn info(&self) -> &[u8] {
        &self.info
    }

    /// Whether the signature over the text is good.
    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        text: &[u8],
        signature: &[u8],
        accelerator: Option<&dyn Accelerator>,
    ) -> bool {
        // RFC 8017 sections 8.1.2 and 8.2.2, step 1: as long as the modulus, or invalid.
        let bits = self.modulus.bits();
        if signature.len() != bits.div_ceil(8) {
            return false;
        }
        let pkcs1 = matches!(
            algorithm,
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512
        );
        if pkcs1
            && let Some(accelerator) = accelerator
            && let Some(good) = accelerator.verify(&SignatureQuery {
                hash: algorithm.hash(),
                public_key: &self.info,
                signature,
                text,
            })
        {
            return good;
        }
        let Some(encoded) = self.modulus.power(signature, self.exponent) else {
            return false;
        };
        if pkcs1 {
            is_pkcs1(&encoded, algorithm.hash(), text)
        } else {
            is_pss(&encoded, bits, algorithm.hash(), text)
        }
    }
}

/// Whether the modulus is a power of 65537 modulo every small prime, which the flawed generator's
/// moduli all are and one other in about 2^27 is (Nemec et al., "The Return of Coppersmith's
/// Attack", section 2.4).
fn has_roca_fingerprint(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89,
        97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    PRIMES.into_iter().all(|prime| {
        let residue = modulus.iter().fold(0, |rest: u32, byte| {
            (rest.wrapping_mul(256).wrapping_add(u32::from(*byte))) % prime
        });
        let step = 65537 % prime;
        let mut power = 1;
        // The powers of 65537 repeat after at most prime - 1 steps.
        (0..prime).any(|_| {
            let hit = power == residue;
            power = power.wrapping_mul(step) % prime;
            hit
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An odd number of that many bytes with the highest bit set: no real modulus, but one to the
    /// size check.
    fn modulus(bytes: usize) -> Vec<u8> {
        let mut modulus: Vec<u8> = (0..bytes).map(|at| (at * 151 + 13) as u8).collect();
        modulus[0] |= 0x80;
        modulus[bytes - 1] |= 1;
        modulus
    }

    #[test]
    fn only_sizes_from_2048_to_8192_bits_are_taken() {
        for (bytes, taken) in [
            (0, false),
            (128, false),
            (255, false),
            (256, true),
            (1024, true),
            (1025, false),
        ] {
            let modulus = if bytes == 0 {
                Vec::new()
            } else {
                modulus(bytes)
            };
            assert_eq!(
                RsaKey::new(&modulus, &[1, 0, 1]).err(),
                (!taken).then_some(KeyFault::RsaSize),
                "{bytes} bytes"
            );
        }
    }

    #[test]
    fn exponents_that_sign_nothing_are_refused() {
        for exponent in [
            &[][..],
            &[0],
            &[1],
            &[2],
            &[4],
            &[1, 0, 0],
            &[2, 0, 0, 0, 1],
            &[1, 0, 0, 0, 0, 1],
        ] {
            assert_eq!(
                RsaKey::new(&modulus(256), exponent).err(),
                Some(KeyFault::RsaExponent),
                "{exponent:?}"
            );
        }
        assert!(RsaKey::new(&modulus(256), &[3]).is_ok());
    }

    #[test]
    fn a_key_written_as_public_key_info_reads_back() {
        let key = RsaKey::new(&modulus(256), &[1, 0, 1]).unwrap();
        let mut info = der::Reader::new(key.info());
        let mut inner = der::Reader::new(info.element(der::SEQUENCE).unwrap());
        inner.element(der::SEQUENCE).unwrap();
        let again = RsaKey::from_bits(inner.bit_string().unwrap()).unwrap();
        assert_eq!(again.info(), key.info());
    }

    #[test]
    fn powers_of_65537_modulo_the_small_primes_have_the_fingerprint() {
        assert!(has_roca_fingerprint(&[1]));
        assert!(has_roca_fingerprint(&[1, 0, 1]));
        assert!(!has_roca_fingerprint(&modulus(256)));
    }
}
