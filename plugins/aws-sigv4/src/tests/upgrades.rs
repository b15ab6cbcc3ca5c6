//! Requests that ask to leave HTTP: nothing waits for the end of a body that has none.

use super::*;

fn upgrade(config: Value, more: &[(&'static str, &'static str)]) -> (Record, Action) {
    let mut headers = vec![
        (":method", "GET"),
        (":path", "/runtimes/r/ws"),
        (":authority", "gateway.example.com"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
    ];
    headers.extend(more);
    let mut gate = open(config);
    let (context, action) = gate.begin(&headers, false);
    (gate.record(context), action)
}

#[test]
fn an_upgrade_is_refused_at_once_where_the_body_would_be_signed() {
    for config in [
        json!({}),
        json!({"payload": "absent"}),
        json!({"on_upgrade": "deny", "payload": "unsigned", "service": "s3"}),
    ] {
        let (record, action) = upgrade(config, &[]);
        assert_eq!(action, Pause);
        assert_eq!(refused(&record), (403, "upgrade_refused"));
    }
    let (_, action) = upgrade(json!({"payload": "unsigned", "service": "s3"}), &[]);
    assert_eq!(action, Continue);
}

#[test]
fn an_allowed_upgrade_is_signed_at_once_as_a_request_without_a_body() {
    for config in [
        json!({"on_upgrade": "allow"}),
        json!({"on_upgrade": "allow", "payload": "absent"}),
    ] {
        let (record, action) = upgrade(config, &[]);
        assert_eq!(action, Continue);
        assert_eq!(
            record.request_header("authorization").unwrap(),
            authorization_for(&record, b"", None)
        );
    }
    let (record, _) = upgrade(json!({"on_upgrade": "allow"}), &[("content-length", "3")]);
    assert_eq!(refused(&record).1, "upgrade_refused");
}

#[test]
fn a_connect_is_never_signed() {
    for config in [
        json!({"on_upgrade": "allow"}),
        json!({"payload": "unsigned", "service": "s3"}),
    ] {
        let mut gate = open(config);
        let headers = [
            (":method", "CONNECT"),
            (":authority", "gateway.example.com"),
        ];
        let (context, _) = gate.begin(&headers, false);
        assert_eq!(refused(&gate.record(context)), (403, "upgrade_refused"));
    }
}
