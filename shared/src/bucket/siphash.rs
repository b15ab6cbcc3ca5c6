//! SipHash-2-4: a keyed 64-bit hash whose collisions cannot be chosen by someone who does not know
//! the key.
//!
//! Written from the paper (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012). The
//! standard library's version with a chosen key is deprecated, and its default hasher promises
//! neither algorithm nor key: slots are shared by several instances of a module, so all of them
//! must compute the same hash.

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

struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v2 = self.v2.rotate_left(32);
    }

    fn absorb(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.round();
        self.v0 ^= word;
    }
}

/// SipHash-2-4 of `bytes` under `seed`.
pub fn siphash24(seed: Seed, bytes: &[u8]) -> u64 {
    let mut state = State {
        v0: seed.k0 ^ 0x736f_6d65_7073_6575,
        v1: seed.k1 ^ 0x646f_7261_6e64_6f6d,
        v2: seed.k0 ^ 0x6c79_6765_6e65_7261,
        v3: seed.k1 ^ 0x7465_6462_7974_6573,
    };
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state.absorb(u64::from_le_bytes(*word));
    }
    let mut last = [0_u8; 8];
    for (into, byte) in last.iter_mut().zip(rest) {
        *into = *byte;
    }
    // The length modulo 256 is the last byte of the last word: the algorithm truncates it.
    let length = u64::try_from(bytes.len() & 0xff).unwrap_or_default() << 56;
    state.absorb(u64::from_le_bytes(last) | length);
    state.v2 ^= 0xff;
    for _ in 0..4 {
        state.round();
    }
    state.v0 ^ state.v1 ^ state.v2 ^ state.v3
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
