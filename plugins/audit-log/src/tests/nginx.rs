//! What the filter does on nginx, where headers are emptied, bodies come after them, and nothing is
//! awaited.

use super::*;
use modelgate_kit::facts::{Denied, Identity};

fn on_nginx() -> TestGateway {
    let proxy = FakeProxy::nginx(1_763_712_000_000_000_000);
    gate(proxy, SINK)
}

#[test]
fn a_full_batch_is_sent_by_the_next_tick_and_not_from_the_end_of_a_request() {
    let mut gate = on_nginx();
    for _ in 0..5 {
        one_request(&mut gate);
    }
    assert!(gate.proxy().calls().is_empty());
    pass_ms(&mut gate, 500);
    assert_eq!(gate.proxy().calls().len(), 1);
}

#[test]
fn an_event_says_who_called_and_why_it_was_denied() {
    let mut gate = on_nginx();
    let identity = Identity {
        consumer: "ann".into(),
        ..Identity::default()
    };
    let denied = Denied {
        filter: "consumer_acl".into(),
        reason: "access_denied".into(),
        status: 403,
        token: None,
    };
    let json = |fact: Result<Vec<u8>, _>| -> Vec<u8> { fact.unwrap() };
    let proxy = gate.proxy();
    proxy.preset(
        "wasmx.modelgate.identity",
        json(serde_json::to_vec(&identity)),
    );
    proxy.preset("wasmx.modelgate.denied", json(serde_json::to_vec(&denied)));
    for _ in 0..2 {
        one_request(&mut gate);
    }
    pass_ms(&mut gate, 1_000);
    let sent = String::from_utf8(gate.proxy().calls()[0].body.clone()).unwrap();
    for word in ["ann", "access_denied", "consumer_acl", "gateway.example"] {
        assert!(sent.contains(word), "{word}: {sent}");
    }
}
