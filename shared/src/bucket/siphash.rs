//! SipHash-2-4: a keyed 64-bit hash whose collisions cannot be chosen by someone who does not know
//! the key.
//!
//! The standard library's version with a chosen key is deprecated, and its default hasher promises
//! neither algorithm nor key: slots are shared by several instances of a module, so all of them
//! must compute the same hash (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).

use core::hash::Hasher as _;

use siphasher::sip::SipHasher24;

/// The secret under which keys are hashed. Everyone who shares a table must have the same; who
/// knows it can choose collisions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed {
    /// First half of the 128-bit key.
    pub k0: u64,
    /// Second half of the 128-bit key.
    pub k1: u64,
}

impl core::fmt::Debug for Seed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl Seed {
    /// The seed whose little-endian bytes these are.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let whole = u128::from_le_bytes(bytes);
        let mask = u128::from(u64::MAX);
        Self {
            k0: u64::try_from(whole & mask).unwrap_or_default(),
            k1: u64::try_from(whole >> 64).unwrap_or_default(),
        }
    }

    /// A seed for one purpose: the same bytes hashed for two purposes have nothing in common.
    pub fn derive(self, purpose: &[u8]) -> Self {
        let k0 = siphash24(self, purpose);
        Self {
            k0,
            k1: siphash24(
                Self {
                    k0: self.k1,
                    k1: k0,
                },
                purpose,
            ),
        }
    }
}

/// SipHash-2-4 of `bytes` under `seed`.
pub fn siphash24(seed: Seed, bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(seed.k0, seed.k1);
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the paper's appendix A, and the outputs for the inputs 00, 00 01, … of the
    /// reference implementation.
    #[test]
    fn the_reference_vectors_come_out() {
        let seed = Seed::from_bytes(core::array::from_fn(|i| u8::try_from(i).unwrap()));
        let input: Vec<u8> = (0..64).collect();
        assert_eq!(siphash24(seed, &input[..0]), 0x726f_db47_dd0e_0e31);
        assert_eq!(siphash24(seed, &input[..1]), 0x74f8_39c5_93dc_67fd);
        assert_eq!(siphash24(seed, &input[..8]), 0x93f5_f579_9a93_2462);
        assert_eq!(siphash24(seed, &input[..15]), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn purposes_part_seeds_and_debug_hides_them() {
        let seed = Seed { k0: 1, k1: 2 };
        assert_ne!(seed.derive(b"a"), seed.derive(b"b"));
        assert_ne!(seed.derive(b"a"), seed);
        assert_eq!(format!("{seed:?}"), "Seed(..)");
    }
}
