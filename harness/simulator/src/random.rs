//! A repeatable sequence of random numbers, and random changes to bytes. Nothing that uses it needs
//! secrecy. Crates for random numbers promise no sequence across their releases; a seed that a
//! report names must give the same run as long as it is kept.

/// SplitMix64: the same seed gives the same sequence on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number, cut to 32 bits.
    pub const fn small(&mut self) -> u32 {
        // The upper half: exact, and never out of range.
        (self.number() >> 32) as u32
    }

    /// A number below `limit`; 0 when the limit is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let number = self.number().checked_rem(limit).unwrap_or_default();
        usize::try_from(number).unwrap_or_default()
    }

    /// `true` in so many of a thousand cases.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.number() % 1000 < u64::from(per_mille)
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let at = self.below(of.len());
        of.get(at)
    }

    /// So many bytes.
    pub fn bytes(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size.saturating_add(8));
        while bytes.len() < size {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(size);
        bytes
    }

    /// Bytes that have something of these: bits and bytes changed, pieces cut out, doubled, moved
    /// or put in, or none of it left.
    pub fn changed(&mut self, bytes: &[u8]) -> Vec<u8> {
        const LONGEST: usize = 1 << 17;
        const ODD: [&[u8]; 12] = [
            b"",
            b"\0",
            b"\xff\xfe",
            b"\"",
            b"\\u0000",
            b"\r\n",
            b"{",
            b"]",
            b"..",
            b"%00",
            b",",
            b"9223372036854775808",
        ];
        let mut changed = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(changed.len());
            let end =
                at.saturating_add(self.below(changed.len().saturating_sub(at).saturating_add(1)));
            match self.below(9) {
                0 => changed.truncate(at),
                1 => drop(changed.drain(at..end)),
                2 => {
                    let piece = changed.get(at..end).unwrap_or_default().to_vec();
                    drop(changed.splice(end..end, piece));
                }
                3 => {
                    let odd = self.pick(&ODD).copied().unwrap_or_default();
                    drop(changed.splice(at..at, odd.iter().copied()));
                }
                4 => {
                    let size = self.below(64);
                    changed = self.bytes(size);
                }
                5 => {
                    // Long, but not longer than a gateway would let through.
                    let times = self.below(1 << 10);
                    let piece = changed.get(at..end).unwrap_or_default().repeat(times);
                    drop(changed.splice(end..end, piece));
                }
                _ => {
                    let bit = self.below(8);
                    if let Some(byte) = changed.get_mut(at) {
                        *byte ^= 1 << bit;
                    }
                }
            }
            changed.truncate(LONGEST);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same() {
        let run = |seed| {
            let mut random = Random::new(seed);
            let bytes = random.bytes(13);
            (bytes.len(), random.changed(&bytes), random.number())
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        assert_eq!(run(7).0, 13);
    }

    #[test]
    fn limits_hold_and_nothing_is_picked_of_nothing() {
        let mut random = Random::new(1);
        assert!((0..1000).all(|_| random.below(3) < 3));
        assert_eq!(random.below(0), 0);
        assert_eq!(random.pick::<u8>(&[]), None);
        assert!(!random.chance(0) && random.chance(1000));
        assert!((0..1000).all(|_| random.changed(b"some text").len() <= 1 << 17));
    }
}
