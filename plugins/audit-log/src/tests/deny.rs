//! Where a request that cannot be recorded must not happen.

use super::*;

#[test]
fn requests_that_could_not_be_recorded_are_refused_when_told_so() {
    let config = r#"{"sink":{"cluster":"logs","queue":{"max_events":2,"on_full":"deny"},"batch":{"max_events":2}}}"#;
    let mut gate = gate(proxy(&[]), config);
    let (first, _) = gate.request(REQUEST);
    let (second, _) = gate.request(REQUEST);
    let (third, action) = gate.request(REQUEST);
    assert_eq!(action, Action::Pause);
    let record = gate.record(third);
    assert_eq!(record.reply.as_ref().map(|reply| reply.status), Some(503));
    let line: Value =
        serde_json::from_slice(record.properties.get("modelgate.audit").unwrap()).unwrap();
    assert_eq!(
        (&line["outcome"], &line["reason"]),
        (&json!("denied"), &json!("audit_unavailable"))
    );
    gate.end(first);
    gate.end(second);
    gate.end(third);
    assert_eq!(metric(&gate, "outcome_denied.events"), 1);
    assert_eq!(
        metric(&gate, "cause_full.dropped"),
        1,
        "the refused one: the room was promised to the others"
    );
    gate.tick();
    gate.answer(1, &[(":status", "200")], b"");
    assert_eq!(metric(&gate, "delivered"), 2);
    assert_eq!(gate.request(REQUEST).1, Action::Continue);
}

#[test]
fn as_many_requests_at_once_as_the_queue_holds_events_find_room_in_the_default() {
    let config = r#"{"sink":{"cluster":"logs","queue":{"on_full":"deny"}}}"#;
    let mut gate = gate(proxy(&[("response.code", "200")]), config);
    // What events take is known by then.
    (0..100).for_each(|_| one_request(&mut gate));
    let under_way: Vec<(u32, Action)> = (0..8_092).map(|_| gate.request(REQUEST)).collect();
    assert!(
        under_way
            .iter()
            .all(|(_, action)| *action == Action::Continue)
    );
    assert_eq!(gate.request(REQUEST).1, Action::Pause, "8,192 are enough");
    for (exchange, _) in under_way {
        gate.end(exchange);
    }
    assert_eq!(metric(&gate, "cause_full.dropped"), 1);
}

#[test]
fn room_is_there_before_the_first_event_too() {
    let config = r#"{"sink":{"cluster":"logs","queue":{"on_full":"deny"}}}"#;
    let mut gate = gate(proxy(&[]), config);
    assert!((0..8_192).all(|_| gate.request(REQUEST).1 == Action::Continue));
}
