//! Many callers that share sets of slots.

use std::path::Path;

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

/// The table in the filter's README, as far as it does not take minutes.
#[test]
fn the_sizes_that_are_documented_do_what_is_said_of_them() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/rate-limit/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let number = |cell: &str| {
        let digits: String = cell
            .split(['(', '<'])
            .next()
            .unwrap()
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        digits.parse::<u32>().ok()
    };
    let mut held = 0;
    let of_numbers = |line: &&str| {
        line.strip_prefix("| ")
            .is_some_and(|line| line.starts_with(|c: char| c.is_ascii_digit()))
    };
    for line in readme.lines().filter(of_numbers) {
        let cells: Vec<Option<u32>> = line.trim_matches('|').split('|').map(number).collect();
        let [Some(callers), Some(buckets), Some(over), Some(short)] = cells[..] else {
            continue;
        };
        if callers > 100_000 {
            continue;
        }
        let crowd = crowd(callers, buckets, 32, rate(1, 1_000, 1), 3);
        let said = [over, short].map(|count| usize::try_from(count).unwrap());
        assert_eq!([crowd.over, crowd.short], said, "{line}");
        held += 1;
    }
    assert!(held >= 5, "{held} lines of the table");
}
