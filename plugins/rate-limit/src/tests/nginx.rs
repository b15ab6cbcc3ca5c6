//! What the filter does on nginx, where headers are emptied, bodies come after them, and nothing is
//! awaited.

use super::*;

#[test]
fn slots_that_do_not_fit_into_the_zone_are_refused_and_not_given_away() {
    let config = one(&json!({"name": "p", "windows": [{"quota": 1, "window_s": 60}]}));
    for (proxy, says) in [
        (FakeProxy::nginx(NOW), "nginx_wasm_shm_kv"),
        (FakeProxy::new(NOW), ""),
    ] {
        proxy.break_shared_data(Some(Status::InternalFailure));
        let mut gate = TestGateway::open::<RateLimit>(proxy, &config.to_string()).unwrap();
        let record = send(&mut gate, None, &get(&[]));
        let logs = gate.proxy().logs().join("\n");
        assert_eq!(
            logs.contains("nginx_wasm_shm_kv"),
            !says.is_empty(),
            "{logs}"
        );
        let reply = record.reply.expect("nothing can be counted");
        let reason = match says {
            "" => "limit_unavailable",
            _ => "configuration_refused",
        };
        assert_eq!(reply.header("x-modelgate-reason"), Some(reason));
    }
}

#[test]
fn limits_hold_and_are_left_for_the_next_filter() {
    let config = one(&json!({"name": "p", "windows": [{"quota": 2, "window_s": 60}]}));
    let mut gate =
        TestGateway::open::<RateLimit>(FakeProxy::nginx(NOW), &config.to_string()).unwrap();
    for expected in [None, None, Some(429)] {
        let (at, _) = gate.begin(&get(&[]), false);
        let record = gate.record(at);
        assert_eq!(record.reply.map(|reply| reply.status), expected);
        assert!(record.properties.contains_key("wasmx.modelgate.limit"));
    }
}
