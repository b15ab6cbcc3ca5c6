//! Requests that ask to leave HTTP: nothing waits for the end of a body that has none.

use super::*;

const WEBSOCKET: [(&str, &str); 5] = [
    (":method", "GET"),
    (":path", "/v1/realtime"),
    (":authority", "gateway.example.com"),
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "websocket"),
];

#[test]
fn an_upgrade_is_refused_at_once_unless_it_is_allowed() {
    for config in [
        "",
        r#"{"hold": "body"}"#,
        r#"{"request": {"bodies": "allow"}}"#,
        r#"{"response": {"bodies": "allow"}}"#,
    ] {
        let mut gate = open(config);
        let (context, action) = gate.begin(&WEBSOCKET, false);
        assert_eq!(action, Pause);
        assert_eq!(
            reason(&gate.record(context)),
            (403, "upgrade_refused".to_owned()),
            "{config}"
        );
    }
    let connect = [(":method", "CONNECT"), (":authority", "db.test:443")];
    let mut gate = open("");
    let (context, _) = gate.begin(&connect, false);
    assert_eq!(reason(&gate.record(context)).1, "upgrade_refused");
    // Where nothing is masked, nothing stands in the way.
    let mut gate = open(r#"{"request": {"bodies": "allow"}, "response": {"bodies": "allow"}}"#);
    let (_, action) = gate.begin(&WEBSOCKET, false);
    assert_eq!(action, Continue);
}

#[test]
fn an_allowed_upgrade_passes_both_ways_untouched() {
    for config in [
        r#"{"on_upgrade": "allow"}"#,
        r#"{"on_upgrade": "allow", "hold": "body"}"#,
    ] {
        let mut gate = open(config);
        let (context, action) = gate.begin(&WEBSOCKET, false);
        assert_eq!(action, Continue);
        let frame = b"\x81\x0bann@ex.test";
        assert_eq!(gate.body(context, Side::Request, frame, false), Continue);
        let switched = [
            (":status", "101"),
            ("upgrade", "websocket"),
            ("etag", "x"),
            ("content-type", "application/json"),
        ];
        assert_eq!(gate.respond(context, &switched, false), Continue);
        assert_eq!(gate.body(context, Side::Response, frame, false), Continue);
        assert_eq!(gate.body(context, Side::Response, b"", true), Continue);
        let record = gate.record(context);
        assert_eq!(record.passed.request, frame, "{config}");
        assert_eq!(record.passed.response, frame, "{config}");
        assert_eq!(record.response_header("etag"), Some("x"));
    }
}

#[test]
fn an_answer_that_does_not_grant_the_upgrade_is_masked_as_any_other() {
    for status in ["200", "400", "426", "102"] {
        let mut gate = open(r#"{"on_upgrade": "allow"}"#);
        let (context, _) = gate.begin(&WEBSOCKET, false);
        let headers = [(":status", status), ("content-type", "application/json")];
        assert_eq!(gate.respond(context, &headers, false), Pause);
        let answer = br#"{"m":"ann@private.test"}"#;
        assert_eq!(gate.body(context, Side::Response, answer, true), Continue);
        assert_eq!(
            passed(&gate, context, Side::Response),
            r#"{"m":"[EMAIL]"}"#,
            "{status}"
        );
    }
}

#[test]
fn an_answer_says_that_it_leaves_http_only_where_that_was_asked_for() {
    let mut gate = open("");
    let (context, _) = gate.request(&[(":method", "GET"), (":path", "/")]);
    let headers = [(":status", "101"), ("content-type", "text/plain")];
    gate.respond(context, &headers, false);
    gate.body(context, Side::Response, b"ann@private.test ", true);
    assert!(!passed(&gate, context, Side::Response).contains("ann@"));
}

#[test]
fn a_body_that_is_announced_beside_an_upgrade_does_not_slip_past() {
    for more in [
        ("content-length", "20"),
        ("transfer-encoding", "chunked"),
        ("content-length", "0, 20"),
    ] {
        let mut gate = open(r#"{"on_upgrade": "allow"}"#);
        let headers: Vec<_> = WEBSOCKET.iter().copied().chain([more]).collect();
        let (context, _) = gate.begin(&headers, false);
        assert_eq!(
            reason(&gate.record(context)).1,
            "upgrade_refused",
            "{more:?}"
        );
    }
}
