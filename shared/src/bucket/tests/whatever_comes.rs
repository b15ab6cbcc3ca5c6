//! Whatever is taken and when, the rates hold.

use proptest::prelude::*;

use super::*;

proptest! {
    /// Over any stretch of time, no more than the burst plus what grew back is admitted, and
    /// refusals tell the exact time to wait.
    #[test]
    fn never_more_than_burst_plus_growth(
        quota in 1_u64..2_000, seconds in 1_u64..4_000, burst in 1_u64..100,
        steps in proptest::collection::vec((0_u64..5_000_000_000, 0_u64..20), 1..80),
    ) {
        let rate = rate(quota, seconds, burst);
        let (mut now, mut tat, mut taken) = (START, 0, 0_u64);
        for (pause, cost) in steps {
            now += pause;
            let judged = rate.judge(tat, now, cost);
            if judged.admitted {
                taken += cost;
                prop_assert_eq!(judged.retry_after_ns, 0);
            } else {
                prop_assert!(rate.can_ever_admit(cost) || judged.retry_after_ns > 0);
                if rate.can_ever_admit(cost) {
                    prop_assert!(rate.judge(tat, now + judged.retry_after_ns, cost).admitted);
                    prop_assert!(!rate.judge(tat, now + judged.retry_after_ns - 1, cost).admitted);
                }
            }
            prop_assert!(judged.remaining <= burst);
            prop_assert!(rate.judge(judged.tat_ns, now, judged.remaining).admitted, "what is said to remain can be taken");
            prop_assert!(!rate.judge(judged.tat_ns, now, judged.remaining + 1).admitted, "and no more");
            prop_assert_eq!(rate.judge(judged.tat_ns, now + judged.reset_ns, 0).remaining, burst);
            tat = judged.tat_ns;
            let grown = u128::from(now - START) * u128::from(quota) / (u128::from(seconds) * u128::from(SECOND));
            prop_assert!(u128::from(taken) <= u128::from(burst) + grown);
        }
    }

    /// Takes and givings back in any order, at any time, never let more through than the rate.
    #[test]
    fn giving_back_never_lets_more_through(
        steps in proptest::collection::vec((0_u64..4_000_000_000, 1_u64..6, any::<bool>()), 1..60),
    ) {
        let rate = rate(1, 1, 10);
        let (mut now, mut tat, mut kept) = (START, 0, 0_u64);
        let mut open: Vec<(u64, u64)> = Vec::new();
        for (pause, cost, back) in steps {
            now += pause;
            match open.pop() {
                Some((until, cost)) if back => {
                    tat = rate.give_back(tat, until, now, cost);
                    kept -= cost;
                }
                popped => {
                    open.extend(popped);
                    let judged = rate.judge(tat, now, cost);
                    if judged.admitted {
                        open.push((judged.tat_ns, cost));
                        kept += cost;
                    }
                    tat = judged.tat_ns;
                }
            }
            prop_assert!(kept <= 10 + (now - START) / SECOND);
        }
    }

    /// Arbitrary numbers never panic.
    #[test]
    fn arbitrary_numbers_never_panic(a: u64, b: u64, c: u64, tat: u64, now: u64, cost: u64, until: u64) {
        if let Ok(rate) = Rate::new(a, b, c) {
            rate.judge(tat, now, cost);
            rate.give_back(tat, until, now, cost);
        }
    }
}
