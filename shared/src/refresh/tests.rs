//! The lease against shared data that other workers, other filters and accidents have written, and
//! when what was fetched is due again.

use std::cell::RefCell;

use crate::shared_data::{Store, StoreFailed, Swap};
use proptest::prelude::*;

use super::lease::{Attempt, Hold, Lease};
use super::{Timing, due_ms};

const NOW_MS: u64 = 1_800_000_000_000;

/// One entry of shared data.
#[derive(Default)]
struct Cell(RefCell<Option<(Vec<u8>, u32)>>);

impl Store for Cell {
    fn load(&self, _: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailed> {
        Ok(self.0.borrow().clone())
    }
    fn swap(&self, _: &str, value: &[u8], cas: u32) -> Result<Swap, StoreFailed> {
        let mut entry = self.0.borrow_mut();
        let number = entry.as_ref().map_or(0, |(_, number)| *number);
        if number != 0 && number != cas {
            return Ok(Swap::Mismatch);
        }
        *entry = Some((value.to_vec(), number + 1));
        Ok(Swap::Done)
    }
}

fn lease() -> Lease {
    Lease::new("k".into())
}

const TAKEN: Attempt = Attempt::Taken { failures: 0 };

#[test]
fn only_one_takes_a_lease_until_its_time_is_over() {
    let store = Cell::default();
    assert_eq!(lease().take(&store, NOW_MS, 5000), Ok(TAKEN));
    assert_eq!(
        lease().take(&store, NOW_MS + 4999, 5000),
        Ok(Attempt::Held(Hold::Fetching, NOW_MS + 5000))
    );
    assert_eq!(lease().take(&store, NOW_MS + 5000, 5000), Ok(TAKEN));
}

#[test]
fn after_a_success_nobody_fetches_for_the_interval() {
    let store = Cell::default();
    lease().take(&store, NOW_MS, 5000).unwrap();
    lease().succeed(&store, NOW_MS + 100, 30_000).unwrap();
    assert_eq!(
        lease().take(&store, NOW_MS + 30_099, 5000),
        Ok(Attempt::Held(Hold::Fresh, NOW_MS + 30_100))
    );
    assert_eq!(lease().take(&store, NOW_MS + 30_100, 5000), Ok(TAKEN));
}

#[test]
fn failures_are_counted_and_a_success_ends_the_count() {
    let store = Cell::default();
    let mut now_ms = NOW_MS;
    for failures in 0..10 {
        assert_eq!(
            lease().take(&store, now_ms, 5000),
            Ok(Attempt::Taken { failures })
        );
        let until_ms = lease().fail(&store, now_ms, failures, 60_000, 0).unwrap();
        assert_eq!(
            lease().take(&store, now_ms + 999, 5000),
            Ok(Attempt::Held(Hold::Failed, until_ms))
        );
        now_ms += 60_000;
    }
    lease().take(&store, now_ms, 5000).unwrap();
    lease().succeed(&store, now_ms, 0).unwrap();
    assert_eq!(lease().take(&store, now_ms, 5000), Ok(TAKEN));
}

#[test]
fn a_record_from_a_far_future_does_not_hold() {
    let store = Cell::default();
    lease().take(&store, NOW_MS * 2, 5000).unwrap();
    assert_eq!(lease().take(&store, NOW_MS, 5000), Ok(TAKEN));
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic_and_never_hold_for_long(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
        let store = Cell(RefCell::new(Some((bytes, 7))));
        let _ = lease().take(&store, NOW_MS, 5000);
        let later = lease().take(&store, NOW_MS + 10_000_000, 5000);
        let taken = matches!(later, Ok(Attempt::Taken { .. }));
        prop_assert!(taken);
    }

    #[test]
    fn a_back_off_is_never_longer_than_a_minute(failures in any::<u32>(), random in any::<u64>()) {
        let store = Cell::default();
        lease().take(&store, NOW_MS, 5000).unwrap();
        let until_ms = lease().fail(&store, NOW_MS, failures, 60_000, random).unwrap();
        prop_assert_eq!(lease().take(&store, NOW_MS + 749, 5000), Ok(Attempt::Held(Hold::Failed, until_ms)));
        let taken = matches!(lease().take(&store, NOW_MS + 60_000, 5000), Ok(Attempt::Taken { .. }));
        prop_assert!(taken);
    }
}

const TIMING: Timing = Timing {
    every_ms: 300_000,
    max_stale_ms: 0,
    min_interval_ms: 0,
    max_back_off_ms: 0,
    wait_ms: 0,
};

#[test]
fn what_expires_is_due_before_its_end_and_the_rest_by_its_age() {
    let hour_ms = 3_600_000;
    for (lives_ms, earliest_ms, latest_ms) in [
        // Five minutes before the end, and up to a tenth of the life earlier.
        (
            Some(hour_ms),
            hour_ms - 300_000 - 360_000,
            hour_ms - 300_000,
        ),
        // A fifth of a short life.
        (Some(20_000), 14_000, 16_000),
        (Some(0), 0, 0),
        (None, 240_000, 300_000),
    ] {
        let expires_ms = lives_ms.map(|lives_ms| NOW_MS + lives_ms);
        for random in [0, 1, 359_999, 17_777, u64::MAX] {
            let due_ms = due_ms(&TIMING, NOW_MS, expires_ms, random) - NOW_MS;
            assert!(
                (earliest_ms..=latest_ms).contains(&due_ms),
                "{lives_ms:?}: {due_ms}"
            );
        }
    }
}
