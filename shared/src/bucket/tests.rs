//! Tests of token buckets, on a store that several workers share.

mod crowd;
mod whatever_comes;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Mutex;

use super::*;
use crate::shared_data::{Store, StoreFailed, Swap};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_700_000_000 * SECOND;

fn rate(quota: u64, seconds: u64, burst: u64) -> Rate {
    Rate::new(quota, seconds * SECOND, burst).unwrap()
}

fn table(sets: u32, ways: u8) -> Table {
    Table::new(
        "rl/test/",
        Shape {
            sets,
            ways,
            windows: 2,
        },
        Seed { k0: 3, k1: 5 },
    )
    .unwrap()
}

/// Shared data with Envoy's or nginx's rules, several threads, and what a test wants to go wrong.
#[derive(Default)]
struct Hostile {
    values: Mutex<HashMap<String, (Vec<u8>, u32)>>,
    /// Answers `Mismatch` this many times to swaps, without a reason.
    mismatches: Mutex<u32>,
    /// Fails the n-th swap (from 1) and all after it.
    swaps_until_failure: Mutex<Option<u32>>,
    zero_creates_only: bool,
}

impl Store for Hostile {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailed> {
        Ok(self.values.lock().unwrap().get(key).cloned())
    }

    fn swap(&self, key: &str, value: &[u8], cas: u32) -> Result<Swap, StoreFailed> {
        if let Some(left) = self.swaps_until_failure.lock().unwrap().as_mut() {
            if *left == 0 {
                return Err(StoreFailed);
            }
            *left -= 1;
        }
        let mut mismatches = self.mismatches.lock().unwrap();
        if *mismatches > 0 {
            *mismatches -= 1;
            return Ok(Swap::Mismatch);
        }
        let mut values = self.values.lock().unwrap();
        let next = match values.get(key) {
            None if self.zero_creates_only && cas != 0 => return Ok(Swap::Mismatch),
            None => 1,
            Some((_, held)) if *held != cas && (self.zero_creates_only || cas != 0) => {
                return Ok(Swap::Mismatch);
            }
            Some((_, held)) => held + 1,
        };
        values.insert(key.to_owned(), (value.to_vec(), next));
        Ok(Swap::Done)
    }
}

fn take(store: &dyn Store, table: &Table, bucket: &[u8], rates: &[Rate], now_ns: u64) -> Outcome {
    take_all(
        store,
        &[Claim {
            table,
            bucket,
            rates,
            cost: 1,
        }],
        now_ns,
        8,
    )
}

#[test]
fn a_rate_without_sense_is_refused() {
    assert_eq!(Rate::new(0, 1, 1), Err(RateError::Zero));
    assert_eq!(Rate::new(1, 0, 1), Err(RateError::Zero));
    assert_eq!(Rate::new(1, 1, 0), Err(RateError::Zero));
    assert_eq!(Rate::new(2_000_000, SECOND, 1), Err(RateError::TooFast));
    assert_eq!(Rate::new(1, u64::MAX, 2), Err(RateError::TooSlow));
    assert_eq!(
        Rate::new(1_000_000, SECOND, 1).map(|rate| rate.burst()),
        Ok(1)
    );
}

#[test]
fn a_burst_is_admitted_whole_then_one_unit_per_interval() {
    let rate = rate(60, 60, 3);
    let mut tat = 0;
    for left in [2, 1, 0] {
        let judged = rate.judge(tat, START, 1);
        assert!(judged.admitted);
        assert_eq!(judged.remaining, left);
        tat = judged.tat_ns;
    }
    let refused = rate.judge(tat, START, 1);
    assert!(!refused.admitted);
    assert_eq!(
        (refused.retry_after_ns, refused.reset_ns, refused.remaining),
        (SECOND, 3 * SECOND, 0)
    );
    assert!(!rate.judge(tat, START + SECOND - 1, 1).admitted);
    assert!(rate.judge(tat, START + SECOND, 1).admitted);
}

#[test]
fn a_bucket_from_the_future_is_an_empty_one_and_not_a_lock_out() {
    let rate = rate(10, 10, 5);
    let judged = rate.judge(u64::MAX, START, 1);
    assert!(!judged.admitted);
    assert_eq!(judged.retry_after_ns, SECOND);
    assert_eq!(judged.reset_ns, 5 * SECOND);
}

#[test]
fn a_cost_above_the_burst_can_never_be_admitted_and_does_not_overflow() {
    let rate = rate(10, 10, 5);
    assert!(!rate.can_ever_admit(6));
    assert!(rate.can_ever_admit(5));
    assert!(!rate.judge(0, START, u64::MAX).admitted);
    assert_eq!(rate.judge(0, START, 6).retry_after_ns, SECOND);
}

#[test]
fn one_window_that_refuses_keeps_the_others_uncharged() {
    let rates = [rate(100, 60, 100), rate(1, 1, 1)];
    let (admitted, first) = judge(&rates, &[0, 0], START, 1);
    assert!(admitted);
    let tats: Vec<u64> = first.iter().map(|window| window.tat_ns).collect();
    let (admitted, second) = judge(&rates, &tats, START, 1);
    assert!(!admitted);
    assert_eq!(second[0].tat_ns, tats[0]);
    assert_eq!(second[0].remaining, 99);
    assert!(second[0].admitted && !second[1].admitted);
}

#[test]
fn giving_back_restores_what_was_taken_but_never_what_has_grown_back() {
    let rate = rate(1, 1, 10);
    let first = rate.judge(0, START, 4);
    assert_eq!(rate.give_back(first.tat_ns, first.tat_ns, START, 4), START);
    // Ten seconds later the bucket is full again; another took 6: all of them stay taken.
    let later = START + 10 * SECOND;
    let second = rate.judge(first.tat_ns, later, 6);
    assert_eq!(
        rate.give_back(second.tat_ns, first.tat_ns, later, 4),
        second.tat_ns
    );
    // After one second, three of the four are still to be given back.
    let soon = START + SECOND;
    assert_eq!(rate.give_back(first.tat_ns, first.tat_ns, soon, 4), soon);
}

#[test]
fn slots_are_made_once_and_found_again_on_both_kinds_of_host() {
    for zero_creates_only in [false, true] {
        let store = Hostile {
            zero_creates_only,
            ..Hostile::default()
        };
        let table = table(16, 2);
        assert_eq!(
            table.prepare(&store),
            Ok(Prepared {
                created: 16,
                found: 0
            })
        );
        assert!(
            take(&store, &table, b"ann", &[rate(1, 60, 1)], START).decision == Decision::Admitted
        );
        assert_eq!(
            table.prepare(&store),
            Ok(Prepared {
                created: 0,
                found: 16
            })
        );
        assert_eq!(
            take(&store, &table, b"ann", &[rate(1, 60, 1)], START).decision,
            Decision::Refused,
            "preparing again forgets nothing"
        );
        assert_eq!(store.values.lock().unwrap().len(), 16);
    }
}

#[test]
fn a_missing_slot_is_made_on_the_way() {
    for zero_creates_only in [false, true] {
        let store = Hostile {
            zero_creates_only,
            ..Hostile::default()
        };
        let table = table(16, 2);
        assert_eq!(
            take(&store, &table, b"ann", &[rate(1, 60, 1)], START).decision,
            Decision::Admitted
        );
        assert_eq!(
            take(&store, &table, b"ann", &[rate(1, 60, 1)], START).decision,
            Decision::Refused
        );
    }
}

#[test]
fn lost_races_are_tried_again_and_counted_and_bounded() {
    let store = Hostile::default();
    let table = table(1, 2);
    table.prepare(&store).unwrap();
    *store.mismatches.lock().unwrap() = 7;
    let outcome = take(&store, &table, b"ann", &[rate(2, 60, 2)], START);
    assert_eq!(
        (outcome.decision, outcome.mismatched),
        (Decision::Admitted, 7)
    );
    *store.mismatches.lock().unwrap() = 8;
    let outcome = take(&store, &table, b"ann", &[rate(2, 60, 2)], START);
    assert_eq!(
        (outcome.decision, outcome.mismatched),
        (Decision::Contended, 8)
    );
    assert_eq!(outcome.judged[0][0].remaining, 1, "nothing was charged");
}

#[test]
fn foreign_bytes_are_taken_as_an_empty_slot_and_counted() {
    let store = Hostile::default();
    let table = table(1, 2);
    let key = table.key(0);
    store.swap(&key, b"someone else's", 0).unwrap();
    let outcome = take(&store, &table, b"ann", &[rate(1, 60, 1)], START);
    assert_eq!((outcome.decision, outcome.foreign), (Decision::Admitted, 1));
    let outcome = take(&store, &table, b"ann", &[rate(1, 60, 1)], START);
    assert_eq!((outcome.decision, outcome.foreign), (Decision::Refused, 0));
}

#[test]
fn a_full_set_forgets_one_and_counts_it() {
    let store = Hostile::default();
    let table = table(1, 2);
    let rates = [rate(1, 60, 1)];
    for bucket in [&b"ann"[..], b"bob"] {
        assert_eq!(take(&store, &table, bucket, &rates, START).evicted, 0);
    }
    let refused = take(&store, &table, b"eve", &rates, START);
    assert_eq!(
        (refused.decision, refused.crowded, refused.evicted),
        (Decision::Admitted, 0, 1),
        "nobody has been forgotten here yet"
    );
    let back = take(&store, &table, b"ann", &rates, START);
    assert_eq!((back.decision, back.crowded), (Decision::Refused, 1));
    let later = take(&store, &table, b"kim", &rates, START + 61 * SECOND);
    assert_eq!(
        (later.decision, later.crowded, later.evicted),
        (Decision::Admitted, 0, 0),
        "all are full again by then"
    );
}

#[test]
fn a_claim_refused_leaves_every_other_claim_uncharged() {
    let store = Hostile::default();
    let (wide, narrow) = (
        table(8, 2),
        Table::new(
            "rl/two/",
            Shape {
                sets: 8,
                ways: 2,
                windows: 1,
            },
            Seed { k0: 1, k1: 1 },
        )
        .unwrap(),
    );
    let (many, one) = ([rate(100, 60, 100)], [rate(1, 60, 1)]);
    let claims = [
        Claim {
            table: &wide,
            bucket: b"team",
            rates: &many,
            cost: 1,
        },
        Claim {
            table: &narrow,
            bucket: b"ann",
            rates: &one,
            cost: 1,
        },
    ];
    assert_eq!(
        take_all(&store, &claims, START, 8).decision,
        Decision::Admitted
    );
    for _ in 0..5 {
        let outcome = take_all(&store, &claims, START, 8);
        assert_eq!(outcome.decision, Decision::Refused);
        assert_eq!(outcome.judged[0][0].remaining, 99);
    }
}

#[test]
fn a_store_that_fails_half_way_leaves_nothing_charged_where_it_can_be_given_back() {
    let store = Hostile::default();
    let (a, b) = (
        table(8, 2),
        Table::new(
            "rl/two/",
            Shape {
                sets: 8,
                ways: 2,
                windows: 1,
            },
            Seed { k0: 1, k1: 1 },
        )
        .unwrap(),
    );
    let rates = [rate(10, 60, 10)];
    let claims = [
        Claim {
            table: &a,
            bucket: b"team",
            rates: &rates,
            cost: 1,
        },
        Claim {
            table: &b,
            bucket: b"ann",
            rates: &rates,
            cost: 1,
        },
    ];
    *store.swaps_until_failure.lock().unwrap() = Some(1);
    let outcome = take_all(&store, &claims, START, 8);
    assert_eq!(
        (outcome.decision, outcome.stranded),
        (Decision::Failed, 1),
        "the store is dead, so the first take stays"
    );
    *store.swaps_until_failure.lock().unwrap() = None;
    let outcome = take_all(&store, &claims[..1], START, 8);
    assert_eq!(outcome.judged[0][0].remaining, 8);
}

/// The second claim's slot is always lost to others: the first claim must be given back.
struct OneSided<'a> {
    inner: &'a Hostile,
    refuse: String,
}

impl Store for OneSided<'_> {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailed> {
        self.inner.load(key)
    }
    fn swap(&self, key: &str, value: &[u8], cas: u32) -> Result<Swap, StoreFailed> {
        if key.starts_with(&self.refuse) {
            Ok(Swap::Mismatch)
        } else {
            self.inner.swap(key, value, cas)
        }
    }
}

#[test]
fn a_later_claim_that_is_contended_gives_the_earlier_ones_back() {
    let inner = Hostile::default();
    let (a, b) = (
        table(8, 2),
        Table::new(
            "rl/two/",
            Shape {
                sets: 8,
                ways: 2,
                windows: 1,
            },
            Seed { k0: 1, k1: 1 },
        )
        .unwrap(),
    );
    a.prepare(&inner).unwrap();
    b.prepare(&inner).unwrap();
    let rates = [rate(10, 60, 10)];
    let claims = [
        Claim {
            table: &a,
            bucket: b"team",
            rates: &rates,
            cost: 3,
        },
        Claim {
            table: &b,
            bucket: b"ann",
            rates: &rates,
            cost: 3,
        },
    ];
    let store = OneSided {
        inner: &inner,
        refuse: "rl/two/".to_owned(),
    };
    let outcome = take_all(&store, &claims, START, 4);
    assert_eq!(
        (outcome.decision, outcome.mismatched, outcome.stranded),
        (Decision::Contended, 4, 0)
    );
    let peek = [Claim {
        cost: 0,
        ..claims[0]
    }];
    assert_eq!(take_all(&inner, &peek, START, 4).judged[0][0].remaining, 10);
}

#[test]
fn a_claim_with_more_windows_than_its_table_fails() {
    let store = Hostile::default();
    let table = table(1, 1);
    let outcome = take(&store, &table, b"ann", &[rate(1, 1, 1); 3], START);
    assert_eq!(outcome.decision, Decision::Failed);
}

#[test]
fn many_threads_on_few_slots_never_admit_more_than_the_burst() {
    let store = Hostile::default();
    let table = table(2, 8);
    table.prepare(&store).unwrap();
    let other = Table::new(
        "rl/all/",
        Shape {
            sets: 1,
            ways: 1,
            windows: 1,
        },
        Seed { k0: 1, k1: 1 },
    )
    .unwrap();
    let (own, all) = (
        [rate(20, 3600, 20), rate(1_000, 3600, 1_000)],
        [rate(50, 3600, 50)],
    );
    let admitted: Vec<[u32; 3]> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut admitted = [0_u32; 3];
                    for i in 0..60_usize {
                        let bucket = [u8::try_from(i % 3).unwrap()];
                        let claims = [
                            Claim {
                                table: &table,
                                bucket: &bucket,
                                rates: &own,
                                cost: 1,
                            },
                            Claim {
                                table: &other,
                                bucket: b"all",
                                rates: &all,
                                cost: 1,
                            },
                        ];
                        if take_all(&store, &claims, START, 1_000).decision == Decision::Admitted {
                            admitted[i % 3] += 1;
                        }
                    }
                    admitted
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });
    let per_bucket: Vec<u32> = (0..3)
        .map(|i| admitted.iter().map(|row| row[i]).sum())
        .collect();
    assert!(
        per_bucket.iter().all(|count| *count <= 20),
        "{per_bucket:?}"
    );
    let total: u32 = per_bucket.iter().sum();
    assert_eq!(
        total, 50,
        "480 takes ask for 50 units that three callers may take: {per_bucket:?}"
    );
}

/// A store whose every swap first lets another worker take: the worst interleaving there is.
struct Overtaking<'a> {
    inner: &'a Hostile,
    table: &'a Table,
    rates: &'a [Rate],
    busy: RefCell<bool>,
    admitted: RefCell<u32>,
}

impl Store for Overtaking<'_> {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailed> {
        self.inner.load(key)
    }
    fn swap(&self, key: &str, value: &[u8], cas: u32) -> Result<Swap, StoreFailed> {
        if !self.busy.replace(true) {
            if take(self.inner, self.table, b"ann", self.rates, START).decision
                == Decision::Admitted
            {
                *self.admitted.borrow_mut() += 1;
            }
            self.busy.replace(false);
        }
        self.inner.swap(key, value, cas)
    }
}

#[test]
fn a_worker_that_is_always_overtaken_still_never_over_admits() {
    let (inner, table, rates) = (Hostile::default(), table(1, 2), [rate(5, 60, 5)]);
    let store = Overtaking {
        inner: &inner,
        table: &table,
        rates: &rates,
        busy: RefCell::new(false),
        admitted: RefCell::new(0),
    };
    let mut admitted = 0;
    for _ in 0..10 {
        if take(&store, &table, b"ann", &rates, START).decision == Decision::Admitted {
            admitted += 1;
        }
    }
    assert_eq!(admitted + *store.admitted.borrow(), 5);
}
