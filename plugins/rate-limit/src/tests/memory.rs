//! Shared data that fails, or is changed by others all the time.

use super::*;

#[test]
fn memory_that_fails_denies_unless_told_otherwise() {
    for (choice, expected) in [("deny", 503), ("allow", 200)] {
        let mut config = one(&json!({"name": "p", "windows": [{"quota": 1, "window_s": 60}]}));
        config["on_error"] = json!(choice);
        let mut gate = gate(&config);
        gate.proxy()
            .break_shared_data(Some(Status::InternalFailure));
        for _ in 0..2 {
            assert_eq!(status(&mut gate, None, &get(&[])), expected);
        }
        assert_eq!(gate.proxy().metric("modelgate.rate_limit.uncounted"), 2);
        gate.proxy().break_shared_data(None);
        assert_eq!(
            status(&mut gate, None, &get(&[])),
            200,
            "counting goes on when the memory does"
        );
        assert_eq!(status(&mut gate, None, &get(&[])), 429);
    }
}

#[test]
fn memory_that_fails_at_the_start_is_tried_again() {
    let proxy = FakeProxy::new(NOW);
    proxy.break_shared_data(Some(Status::InternalFailure));
    let mut gate = TestGateway::open::<RateLimit>(
        proxy,
        &one(&json!({"name": "p", "windows": [{"quota": 1, "window_s": 60}]})).to_string(),
    )
    .unwrap();
    assert_eq!(status(&mut gate, None, &get(&[])), 503);
    gate.proxy().break_shared_data(None);
    assert_eq!(status(&mut gate, None, &get(&[])), 200);
    assert_eq!(status(&mut gate, None, &get(&[])), 429);
}

#[test]
fn a_slot_that_is_always_changed_under_our_hands_denies_unless_told_otherwise() {
    for (choice, expected) in [("deny", 503), ("allow", 200)] {
        let mut config = one(&json!({"name": "p", "windows": [{"quota": 5, "window_s": 60}]}));
        config["on_contention"] = json!(choice);
        let mut gate = gate(&config);
        gate.proxy().contend(true);
        assert_eq!(status(&mut gate, None, &get(&[])), expected);
        assert_eq!(gate.proxy().metric("modelgate.rate_limit.mismatched"), 8);
    }
}
