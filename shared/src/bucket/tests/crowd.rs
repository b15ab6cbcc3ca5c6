//! Many callers that share sets of slots.

use super::*;

/// What became of callers who all ask again and again.
struct Crowd {
    /// Callers who got more than burst and growth.
    over: usize,
    /// Callers who were refused though they had not had their burst.
    short: usize,
    most_kept: usize,
}

/// So many callers take turns for so many rounds, a second apart.
fn crowd(callers: u32, buckets: u32, ways: u8, rate: Rate, rounds: u64) -> Crowd {
    let store = Hostile::default();
    let shape = Shape {
        sets: buckets.div_ceil(u32::from(ways)),
        ways,
        windows: 1,
    };
    let table = Table::new("rl/crowd/", shape, Seed { k0: 3, k1: 5 }).unwrap();
    let mut admitted = vec![0_u64; usize::try_from(callers).unwrap()];
    for round in 0..rounds {
        for caller in 0..callers {
            let outcome = take(
                &store,
                &table,
                &caller.to_le_bytes(),
                &[rate],
                START + round * SECOND,
            );
            if outcome.decision == Decision::Admitted {
                admitted[usize::try_from(caller).unwrap()] += 1;
            }
        }
    }
    let grown = (rounds - 1) * SECOND * rate.quota() / rate.window_ns();
    let (allowed, least) = (rate.burst() + grown, rate.burst().min(rounds));
    Crowd {
        over: admitted.iter().filter(|taken| **taken > allowed).count(),
        short: admitted.iter().filter(|taken| **taken < least).count(),
        most_kept: store.values.lock().unwrap().len(),
    }
}

#[test]
fn nobody_gets_more_than_the_limit_however_many_share_a_set() {
    for (callers, buckets, rate) in [
        (300, 32, rate(1, 1_000, 1)),
        (300, 64, rate(5, 10, 2)),
        (300, 512, rate(1, 1_000, 1)),
        (40, 32, rate(1, 3, 3)),
        (1_000, 512, rate(5, 10, 2)),
    ] {
        let crowd = crowd(callers, buckets, 32, rate, 30);
        assert_eq!(crowd.over, 0, "{callers} callers, {buckets} buckets");
        assert!(crowd.most_kept <= usize::try_from(buckets / 32).unwrap());
    }
}

#[test]
fn a_table_twice_as_large_as_the_crowd_has_room_for_all() {
    let crowd = crowd(8_192, 16_384, 32, rate(1, 1_000, 1), 3);
    assert_eq!((crowd.over, crowd.short), (0, 0));
}
