//! Which target a key goes to: weighted rendezvous hashing.
//!
//! Each target draws a number in (0, 1) for each key; the one with the highest
//! `weight / -log2(draw)` has the key (D. Thaler, C. Ravishankar, "Using name-based mappings to
//! increase hit rates", 1998; for weights: J. Resch, "New hashing algorithms for data storage",
//! 2015). So each target has its share of the keys, whatever their order, and
//! - a key moves from one target to another only where the weight of the other has grown in
//!   proportion: on the way from 90/10 to 80/20 keys move to the second target alone;
//! - without a target, its keys go to the others by their weights, and no other key moves.
//!
//! Draws are SipHash-2-4 under a key that follows from the salt alone, and the logarithm is in
//! integers: every gateway with the same configuration draws the same, whatever it runs on.
//!
//! What it cannot do: keep a secret. Who knows the salt and may choose a key can choose its target.

use modelgate_kit::bucket::{Seed, siphash24};

/// Bits behind the point of a logarithm.
const FRACTION: u32 = 24;

/// The largest weight. With the longest logarithm (64) their product stays in 64 bits.
pub const MAX_WEIGHT: u64 = 1_000_000;

/// What keys are hashed under.
#[derive(Clone, Copy, Debug)]
pub struct Salt(Seed);

impl Salt {
    /// From the text in the configuration.
    pub fn new(text: &str) -> Self {
        Self(Seed { k0: 0, k1: 0 }.derive(text.as_bytes()))
    }

    /// The hash of a key: the model by the name in the configuration, what kind of key it is, and
    /// the key. Lengths keep them apart.
    pub fn key(self, model: &str, kind: &str, key: &[u8]) -> Key {
        let mut bytes = Vec::with_capacity(model.len() + kind.len() + key.len() + 24);
        for part in [model.as_bytes(), kind.as_bytes(), key] {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(part);
        }
        Key(siphash24(self.0, &bytes))
    }

    /// The share of a target with this tag.
    pub fn share(self, tag: &str, weight: u64) -> Share {
        Share {
            weight: weight.min(MAX_WEIGHT),
            seed: self.0.derive(tag.as_bytes()),
        }
    }
}

/// The hash of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

impl Key {
    /// A key that nobody has twice.
    pub const fn once(random: u64) -> Self {
        Self(random)
    }

    /// The hash, for whoever compares two gateways: 16 hexadecimal digits.
    pub fn hex(self) -> String {
        format!("{:016x}", self.0)
    }

    /// Whether the key is among the first so many percent of all, for this purpose.
    pub fn is_among(self, percent: u64, purpose: Share) -> bool {
        // The upper half of the draw is as even as the whole.
        let draw = purpose.draw(self) >> 32;
        (draw.saturating_mul(100) >> 32) < percent
    }
}

/// A target as the split sees it.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    weight: u64,
    seed: Seed,
}

impl Share {
    /// Its weight.
    pub const fn weight(&self) -> u64 {
        self.weight
    }

    /// What it draws for a key, in millionths: from 0 to 999,999.
    pub fn draw_ppm(&self, key: Key) -> u64 {
        // The upper half of the draw is as even as the whole.
        (self.draw(key) >> 32).saturating_mul(1_000_000) >> 32
    }

    /// What it draws for a key.
    fn draw(&self, Key(key): Key) -> u64 {
        siphash24(self.seed, &key.to_le_bytes())
    }
}

/// Which of these targets has the key; nothing where none has a weight. Each comes with what it is
/// known by.
pub fn winner<T: Copy>(key: Key, shares: impl Iterator<Item = (T, Share)>) -> Option<T> {
    let mut best: Option<(T, u64, u64, u64)> = None;
    for (name, share) in shares.filter(|(_, share)| share.weight > 0) {
        let draw = share.draw(key);
        let length = negative_log2(draw);
        let wins = best.is_none_or(|(_, weight, other, other_draw)| {
            // weight / length, without dividing.
            let (ours, theirs) = (share.weight * other, weight * length);
            (ours, draw) > (theirs, other_draw)
        });
        if wins {
            best = Some((name, share.weight, length, draw));
        }
    }
    best.map(|(name, ..)| name)
}

/// `-log2(draw / 2^64)` with [`FRACTION`] bits behind the point, at least 1 of the last of them.
fn negative_log2(draw: u64) -> u64 {
    let draw = draw.max(1);
    let zeros = draw.leading_zeros();
    // The leading digits, as a number in [1, 2) with 31 bits behind the point.
    let mut digits = (draw << zeros) >> 32;
    let mut fraction = 0_u64;
    for _ in 0..FRACTION {
        // Below 2^32, so its square is below 2^64. Where it reaches 2, the next bit is set.
        digits = (digits * digits) >> 31;
        let bit = digits >> 32;
        digits >>= bit;
        fraction = fraction << 1 | bit;
    }
    ((u64::from(zeros) + 1) << FRACTION)
        .saturating_sub(fraction)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_told_of_a_draw_is_the_same_everywhere_and_even() {
        let salt = Salt::new("s");
        let share = salt.share("canary", 10);
        let key = salt.key("m", "consumer", b"ann");
        assert_eq!(key.hex(), Salt::new("s").key("m", "consumer", b"ann").hex());
        assert_eq!(key.hex().len(), 16);
        assert_eq!(
            share.draw_ppm(key),
            Salt::new("s").share("canary", 90).draw_ppm(key)
        );
        let keys = (0..1_000_u32).map(|number| salt.key("m", "consumer", &number.to_le_bytes()));
        let draws: Vec<u64> = keys.map(|key| share.draw_ppm(key)).collect();
        assert!(draws.iter().all(|draw| *draw < 1_000_000));
        let mean = draws.iter().sum::<u64>() / 1_000;
        assert!((470_000..530_000).contains(&mean), "{mean}");
    }

    fn shares(salt: Salt, weights: &[(&'static str, u64)]) -> Vec<(&'static str, Share)> {
        let of = |(tag, weight): &(&'static str, u64)| (*tag, salt.share(tag, *weight));
        weights.iter().map(of).collect()
    }

    fn target(salt: Salt, key: &str, weights: &[(&'static str, u64)]) -> Option<&'static str> {
        let key = salt.key("sentiment", "consumer", key.as_bytes());
        winner(key, shares(salt, weights).into_iter())
    }

    #[test]
    fn a_logarithm_is_right_to_its_last_bits() {
        for draw in [
            1,
            2,
            3,
            1 << 31,
            12_345_678_901,
            1 << 63,
            (1 << 63) + 1,
            u64::MAX - 1,
        ] {
            let exact = 64.0 - (draw as f64).log2();
            let ours = negative_log2(draw) as f64 / f64::from(1 << FRACTION);
            assert!((exact - ours).abs() < 2e-7, "{draw}: {exact} {ours}");
        }
        assert_eq!(negative_log2(u64::MAX), 1);
        assert_eq!(negative_log2(0), negative_log2(1));
    }

    #[test]
    fn a_hundred_thousand_consumers_are_split_by_weight() {
        let salt = Salt::new("");
        for weights in [
            vec![("stable", 90), ("canary", 10)],
            vec![("stable", 9), ("canary", 1)],
            vec![("a", 50), ("b", 30), ("c", 19), ("d", 1)],
            vec![("a", 1), ("b", 0), ("c", 999_999)],
        ] {
            let (mut counts, total) = (vec![0_u32; weights.len()], 100_000_u32);
            for number in 0..total {
                let winner = target(salt, &format!("consumer-{number}"), &weights).unwrap();
                let at = weights.iter().position(|(tag, _)| *tag == winner).unwrap();
                counts[at] += 1;
            }
            let sum: u64 = weights.iter().map(|(_, weight)| weight).sum();
            for ((tag, weight), count) in weights.iter().zip(counts) {
                let share = *weight as f64 / sum as f64;
                let expected = share * f64::from(total);
                let error = (expected * (1.0 - share)).sqrt();
                let off = (f64::from(count) - expected).abs();
                assert!(
                    off <= 3.0 * error,
                    "{weights:?} {tag}: {count}, {expected} expected"
                );
            }
        }
    }

    #[test]
    fn the_split_is_the_same_on_every_gateway_and_in_every_release() {
        let salt = Salt::new("2026");
        let weights = [("stable", 50), ("canary", 50)];
        let split: String = (0..64)
            .map(|number| target(salt, &format!("c{number}"), &weights).unwrap())
            .map(|tag| if tag == "stable" { 's' } else { 'c' })
            .collect();
        assert_eq!(split, GOLDEN);
    }

    /// Changing it moves the consumers of every running canary.
    const GOLDEN: &str = "sccccsscscscssccssccccscsccccsscccscsccssssccsccscsccscssssccscc";

    #[test]
    fn a_ramp_moves_keys_to_what_grows_and_to_nothing_else() {
        let salt = Salt::new("");
        let mut moved = 0;
        for number in 0..20_000 {
            let key = format!("c{number}");
            let mut before = "stable";
            for canary in [0, 1, 5, 10, 20, 50, 80, 99, 100] {
                let weights = [("stable", 100 - canary), ("canary", canary)];
                let now = target(salt, &key, &weights).unwrap();
                assert!(
                    before == "stable" || now == "canary",
                    "{key} went back at {canary}"
                );
                moved += u32::from(before != now);
                before = now;
            }
            assert_eq!(before, "canary");
        }
        assert_eq!(moved, 20_000);
    }

    #[test]
    fn other_salts_and_other_models_are_split_otherwise() {
        let weights = [("stable", 50), ("canary", 50)];
        let (one, other) = (Salt::new("one"), Salt::new("other"));
        let differ = |a: &dyn Fn(&str) -> Key, b: &dyn Fn(&str) -> Key| {
            let of = |key: Key, salt| winner(key, shares(salt, &weights).into_iter());
            (0..1_000)
                .map(|number| format!("c{number}"))
                .filter(|key| of(a(key), one) != of(b(key), one))
                .count()
        };
        let plain = |key: &str| one.key("m", "consumer", key.as_bytes());
        for differing in [
            differ(&plain, &|key| other.key("m", "consumer", key.as_bytes())),
            differ(&plain, &|key| one.key("n", "consumer", key.as_bytes())),
            differ(&plain, &|key| one.key("m", "header", key.as_bytes())),
        ] {
            assert!((400..600).contains(&differing), "{differing}");
        }
        assert_ne!(one.key("a", "bc", b""), one.key("ab", "c", b""));
    }

    #[test]
    fn a_percentage_of_keys_is_that_percentage() {
        let salt = Salt::new("");
        let purpose = salt.share("shadow", 0);
        let among = |percent| {
            (0..10_000_u32)
                .filter(|number| {
                    let key = salt.key("m", "consumer", &number.to_le_bytes());
                    key.is_among(percent, purpose)
                })
                .count()
        };
        assert_eq!((among(0), among(100)), (0, 10_000));
        assert!((900..1_100).contains(&among(10)), "{}", among(10));
    }

    proptest! {
        #[test]
        fn a_key_moves_only_towards_what_has_grown_in_proportion(
            key in "[a-z0-9]{1,12}",
            before in proptest::collection::vec(0..100_u64, 3),
            after in proptest::collection::vec(0..100_u64, 3),
        ) {
            const TAGS: [&str; 3] = ["a", "b", "c"];
            let salt = Salt::new("x");
            let with = |weights: &[u64]| -> Vec<(&'static str, u64)> {
                TAGS.into_iter().zip(weights.iter().copied()).collect()
            };
            let (one, two) = (with(&before), with(&after));
            let (Some(from), Some(to)) = (target(salt, &key, &one), target(salt, &key, &two)) else {
                return Ok(());
            };
            if from != to {
                let weight = |all: &[(&str, u64)], tag| {
                    all.iter().find(|(known, _)| *known == tag).unwrap().1
                };
                // to/from was below what it is now.
                let was = weight(&one, to) * weight(&two, from);
                let is = weight(&two, to) * weight(&one, from);
                prop_assert!(was < is, "{from} to {to}");
            }
        }

        #[test]
        fn without_a_target_only_its_own_keys_move(
            key in "[a-z0-9]{1,12}",
            weights in proptest::collection::vec(1..100_u64, 4),
            gone in 0..4_usize,
        ) {
            const TAGS: [&str; 4] = ["a", "b", "c", "d"];
            let salt = Salt::new("x");
            let all: Vec<_> = TAGS.into_iter().zip(weights).collect();
            let mut rest = all.clone();
            let (out, _) = rest.remove(gone);
            let before = target(salt, &key, &all).unwrap();
            let after = target(salt, &key, &rest).unwrap();
            prop_assert!(before == out || before == after);
        }

        #[test]
        fn the_order_of_targets_says_nothing(key in "[a-z0-9]{1,12}", weights in proptest::collection::vec(0..9_u64, 3)) {
            const TAGS: [&str; 3] = ["a", "b", "c"];
            let salt = Salt::new("x");
            let mut all: Vec<_> = TAGS.into_iter().zip(weights).collect();
            let before = target(salt, &key, &all);
            all.reverse();
            prop_assert_eq!(before, target(salt, &key, &all));
        }
    }
}
