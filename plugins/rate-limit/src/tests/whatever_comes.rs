//! Whatever happens, in any order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

proptest! {
    /// Whoever asks when, on whichever worker: nobody gets more than the burst and what has grown
    /// back, and nobody is refused who has not used it up.
    #[test]
    fn nobody_gets_more_or_less_than_his_due(steps in proptest::collection::vec((0_u64..3_000, 0_usize..3, 0_usize..2), 1..80)) {
        let config = one(&json!({"name": "p", "by": ["consumer"], "windows": [{"quota": 1, "window_s": 1, "burst": 4}, {"quota": 20, "window_s": 60}]})).to_string();
        let proxy = FakeProxy::new(NOW);
        let mut workers = [TestGateway::open::<RateLimit>(proxy.beside(), &config).unwrap(), TestGateway::open::<RateLimit>(proxy, &config).unwrap()];
        let callers = [ANN, BOB, r#"{"consumer":"eve"}"#];
        let (mut elapsed_ms, mut taken) = (0_u64, BTreeMap::<usize, Vec<u64>>::new());
        for (pause_ms, caller, worker) in steps {
            elapsed_ms += pause_ms;
            workers[0].proxy().pass_ns(pause_ms * 1_000_000);
            let passed = status(&mut workers[worker], Some(callers[caller]), &get(&[])) == 200;
            let before = taken.entry(caller).or_default();
            // Two buckets as the definition has them: full at first, refilled evenly, never above
            // the burst.
            let room = |burst: f64, per_ms: f64| {
                let (level, at) = before.iter().fold((burst, 0), |(level, at), take| ((level + (take - at) as f64 * per_ms).min(burst) - 1.0, *take));
                (level + (elapsed_ms - at) as f64 * per_ms).min(burst)
            };
            let least = room(4.0, 0.001).min(room(20.0, 1.0 / 3_000.0));
            // A hair's breadth is left to the floating-point numbers of this test.
            prop_assert!(if passed { least > 0.999_999 } else { least < 1.000_001 }, "{} {}", passed, least);
            if passed {
                before.push(elapsed_ms);
            }
        }
    }

    /// Arbitrary requests: no panic, and what has no key does not pass.
    #[test]
    fn no_request_passes_without_its_key(method in "\\PC{0,8}", path in "\\PC{0,40}", address in "\\PC{0,20}") {
        let mut gate = gate(&one(&json!({"name": "p", "by": ["consumer", "ip", "model"], "windows": [{"quota": 1, "window_s": 1}]})));
        gate.proxy().preset("source.address", &address);
        let (exchange, action) = gate.request(&[(":method", &method), (":path", &path), ("x-forwarded-for", &address)]);
        prop_assert_eq!(action, Action::Pause);
        prop_assert!(gate.record(exchange).reply.is_some());
    }
}
