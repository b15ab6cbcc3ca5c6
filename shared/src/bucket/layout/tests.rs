//! Tests of the layout of a table in shared data.

use super::*;
use crate::bucket::{Claim, Decision, Rate, take_all};
use std::collections::BTreeMap;
use std::sync::Mutex;

const SEED: Seed = Seed { k0: 3, k1: 5 };
const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_700_000_000 * SECOND;

#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, (Vec<u8>, u32)>>);

impl Store for Memory {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailed> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    fn swap(&self, key: &str, value: &[u8], cas: u32) -> Result<Swap, StoreFailed> {
        let mut values = self.0.lock().unwrap();
        let known = values.get(key).map(|(_, cas)| *cas);
        if known.is_some_and(|known| known != cas && cas != 0) {
            return Ok(Swap::Mismatch);
        }
        let next = known.unwrap_or(0) + 1;
        values.insert(key.to_owned(), (value.to_vec(), next));
        Ok(Swap::Done)
    }
}

/// Windows as quota and seconds.
type List<'a> = &'a [(u64, u64)];

fn rates(list: List<'_>) -> Vec<Rate> {
    list.iter()
        .map(|(quota, seconds)| Rate::new(*quota, seconds * SECOND, *quota).unwrap())
        .collect()
}

fn layout(sets: u32, lists: &[List<'_>]) -> Layout {
    let lists: Vec<Vec<Rate>> = lists.iter().map(|list| rates(list)).collect();
    let most = lists.iter().map(Vec::len).max().unwrap();
    let shape = Shape {
        sets,
        ways: 4,
        windows: u8::try_from(most).unwrap(),
    };
    Layout::new(shape, lists.iter().map(Vec::as_slice))
}

/// How many of `asked` requests of each caller pass.
fn ask(
    store: &Memory,
    layout: &Layout,
    list: List<'_>,
    callers: u32,
    asked: usize,
    now_ns: u64,
) -> Vec<usize> {
    let table = succeed(store, "n.", layout, SEED, now_ns).unwrap();
    let rates = rates(list);
    (0..callers)
        .map(|caller| {
            let bucket = caller.to_le_bytes();
            let claim = Claim {
                table: &table,
                bucket: &bucket,
                rates: &rates,
                cost: 1,
            };
            (0..asked)
                .filter(|_| take_all(store, &[claim], now_ns, 3).decision == Decision::Admitted)
                .count()
        })
        .collect()
}

const HOUR: List<'_> = &[(5, 3_600)];

#[test]
fn what_was_taken_stays_taken_when_windows_or_size_change() {
    let cases: [(u32, List<'_>, usize); 14] = [
        (8, HOUR, 2),
        (8, &[(5, 3_600), (3, 60)], 2),
        (8, &[(3, 60), (5, 3_600)], 2),
        (8, &[(5, 3_600), (1, 60)], 1),
        (8, &[(7, 86_400), (5, 3_600), (100, 1)], 2),
        (64, HOUR, 2),
        (3, &[(5, 3_600), (9, 60)], 2),
        // Another length or quota: units that are taken stay taken, and no more are left.
        (8, &[(5, 7_200)], 2),
        (8, &[(5, 1_800)], 2),
        (8, &[(50, 3_600)], 2),
        (8, &[(6, 3_600)], 2),
        (8, &[(4, 3_600)], 1),
        (8, &[(3, 3_600)], 0),
        (16, &[(4, 3_600)], 1),
    ];
    for (sets, list, left) in cases {
        let store = Memory::default();
        let (old, new) = (layout(8, &[HOUR]), layout(sets, &[list]));
        assert_eq!(ask(&store, &old, HOUR, 4, 3, START), [3; 4]);
        assert_eq!(
            ask(&store, &new, list, 4, 9, START),
            [left; 4],
            "{sets} {list:?}"
        );
        // Back again, nothing is whole.
        let more = ask(&store, &old, HOUR, 4, 9, START);
        assert!(
            more.iter()
                .all(|more| *more <= 2_usize.saturating_sub(left)),
            "{sets} {list:?}: {more:?}"
        );
    }
}

#[test]
fn nobody_gets_more_however_often_the_size_changes() {
    let store = Memory::default();
    let mut taken = vec![0; 300];
    for (round, sets) in [8, 2, 64, 3, 8, 100, 1, 2].into_iter().enumerate() {
        let now_ns = START + u64::try_from(round).unwrap() * 100 * SECOND;
        let passed = ask(&store, &layout(sets, &[HOUR]), HOUR, 300, 2, now_ns);
        taken
            .iter_mut()
            .zip(passed)
            .for_each(|(all, more)| *all += more);
    }
    // 700 seconds, in which a unit grows back in 720.
    assert!(taken.iter().all(|taken| *taken <= 5), "{taken:?}");
    assert!(taken.iter().any(|taken| *taken > 0));
}

#[test]
fn what_other_workers_count_meanwhile_is_found() {
    let store = Memory::default();
    let (old, new) = (layout(8, &[HOUR]), layout(16, &[HOUR]));
    let before = succeed(&store, "n.", &old, SEED, START).unwrap();
    assert_eq!(ask(&store, &new, HOUR, 1, 1, START), [1]);
    let rates = rates(HOUR);
    let bucket = 0_u32.to_le_bytes();
    let claim = Claim {
        table: &before,
        bucket: &bucket,
        rates: &rates,
        cost: 1,
    };
    for _ in 0..5 {
        assert_eq!(
            take_all(&store, &[claim], START, 3).decision,
            Decision::Admitted
        );
    }
    assert_eq!(ask(&store, &new, HOUR, 1, 9, START + SECOND), [0]);
}

#[test]
fn tiers_keep_what_any_of_their_windows_held() {
    let gold: List<'_> = &[(10, 1), (100, 3_600)];
    let old = layout(4, &[HOUR, gold]);
    let new = layout(4, &[HOUR, gold, &[(1, 86_400)]]);
    assert_eq!(new.from(&old), [vec![0, 1], vec![0, 1]]);
    assert_eq!(
        layout(4, &[gold]).from(&layout(4, &[HOUR])),
        [vec![], vec![0]]
    );
    assert_eq!(
        layout(4, &[&[(1, 60)]]).from(&layout(4, &[gold])),
        [vec![0, 1]]
    );
}

#[test]
fn a_note_is_read_as_it_was_written_and_nothing_else_is() {
    let note = Note {
        since_ns: 7,
        mark: 3,
        current: layout(8, &[HOUR, &[(1, 2), (3, 4)]]),
        before: Some(layout(9, &[HOUR])),
    };
    let bytes = note.encode();
    assert_eq!(Note::decode(&bytes), Some(note));
    for cut in [1, 8, 31, bytes.len() - 8] {
        assert_eq!(
            Note::decode(bytes.get(..bytes.len() - cut).unwrap()),
            None,
            "{cut}"
        );
    }
    assert_eq!(Note::decode(&[0xff; 64]), None);
}

#[test]
fn tiers_change_each_by_itself_and_the_strictest_counts() {
    let gold: List<'_> = &[(100, 3_600)];
    let store = Memory::default();
    let old = layout(8, &[HOUR, gold]);
    assert_eq!(ask(&store, &old, gold, 2, 40, START), [40; 2]);
    // Gold has half the quota, which makes 40 units twice as long; the other windows are as before.
    let new = layout(8, &[HOUR, &[(50, 3_600)]]);
    assert_eq!(ask(&store, &new, &[(50, 3_600)], 2, 40, START), [10; 2]);
    // A tier more: what was counted in none of the old ones keeps its time.
    let more = layout(8, &[HOUR, &[(50, 3_600)], &[(1, 3_600)]]);
    assert_eq!(ask(&store, &more, &[(50, 3_600)], 2, 40, START), [0; 2]);
}

#[test]
fn a_set_is_carried_over_once_whoever_does_it() {
    let store = Memory::default();
    let (old, new) = (layout(8, &[HOUR]), layout(8, &[&[(50, 3_600)]]));
    assert_eq!(ask(&store, &old, HOUR, 4, 3, START), [3; 4]);
    for _ in 0..4 {
        succeed(&store, "n.", &new, SEED, START).unwrap();
    }
    assert_eq!(ask(&store, &new, &[(50, 3_600)], 4, 9, START), [2; 4]);
}

mod changes {
    use proptest::prelude::*;

    use super::*;

    /// What happens to one caller's bucket.
    #[derive(Clone, Debug)]
    enum Step {
        /// Time passes, in tenths of a second.
        Wait(u64),
        /// He asks so often.
        Ask(usize),
        /// The limit becomes another one: quota, seconds, burst, sets.
        Change(u64, u64, u64, u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..400_u64).prop_map(Step::Wait),
            3 => (1..30_usize).prop_map(Step::Ask),
            2 => (1..40_u64, 1..60_u64, 1..40_u64, prop_oneof![Just(1_u32), Just(4)])
                .prop_map(|(quota, seconds, burst, sets)| Step::Change(quota, seconds, burst, sets)),
        ]
    }

    proptest! {
            /// Over any time a caller gets at most one full bucket and what each limit lets grow
            /// back while it is in force. What is left of a bucket in use does not grow by a
            /// change; one that is whole is whole under the new limit.
            #[test]
            fn nobody_gets_more_by_a_change(steps in proptest::collection::vec(step(), 1..40)) {
                let store = Memory::default();
                let limit = |quota, seconds, burst, sets| {
                    let rate = Rate::new(quota, seconds * SECOND, burst).unwrap();
                    let shape = Shape { sets, ways: 4, windows: 1 };
                    (rate, Layout::new(shape, std::iter::once(&[rate][..])))
                };
                let (mut rate, mut layout) = limit(5, 10, 5, 4);
                let mut now_ns = START;
    // What had grown back until then, by time or because a whole bucket became a larger one.
                let mut grown = 0.0_f64;
                let mut admitted: Vec<(f64, u64)> = Vec::new();
                let left = |layout: &Layout, rate: Rate, now_ns| {
                    let table = succeed(&store, "n.", layout, SEED, now_ns).unwrap();
                    let claim = Claim { table: &table, bucket: b"x", rates: &[rate], cost: 0 };
                    take_all(&store, &[claim], now_ns, 3).judged[0][0]
                };
                for step in steps {
                    match step {
                        Step::Wait(tenths) => {
                            now_ns += tenths * SECOND / 10;
                            let per_s = rate.quota() as f64 / (rate.window_ns() as f64 / 1e9);
                            grown += per_s * tenths as f64 / 10.0;
                        }
                        Step::Ask(times) => {
                            let table = succeed(&store, "n.", &layout, SEED, now_ns).unwrap();
                            let claim = Claim { table: &table, bucket: b"x", rates: &[rate], cost: 1 };
                            for _ in 0..times {
                                if take_all(&store, &[claim], now_ns, 3).decision == Decision::Admitted {
                                    admitted.push((grown, rate.burst()));
                                }
                            }
                        }
                        Step::Change(quota, seconds, burst, sets) => {
                            let before = left(&layout, rate, now_ns);
                            if before.reset_ns == 0 {
                                grown += burst.saturating_sub(rate.burst()) as f64;
                            }
                            (rate, layout) = limit(quota, seconds, burst, sets);
                            let after = left(&layout, rate, now_ns);
                            if before.reset_ns > 0 {
                                prop_assert!(after.remaining <= before.remaining, "{:?} {:?}", before, after);
                            }
                        }
                    }
                }
                for (from, (start, most)) in admitted.iter().enumerate() {
                    for (count, (end, _)) in (1_u32..).zip(&admitted[from..]) {
                        let bound = *most as f64 + (end - start) + 1e-6;
                        prop_assert!(f64::from(count) <= bound, "{} in {}", count, bound);
                    }
                }
            }
        }
}
