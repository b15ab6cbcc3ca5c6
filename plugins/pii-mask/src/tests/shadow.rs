//! What only reports: entities, and the whole filter in shadow mode.

use super::*;
use serde_json::json;

fn reported(gate: &TestGateway, context: u32) -> serde_json::Value {
    serde_json::to_value(gate.fact::<Masked>(context).unwrap()).unwrap()
}

#[test]
fn a_reported_entity_passes_byte_for_byte_and_is_counted() {
    let mut gate = open(r#"{"entities":{"email":{"action":"report"}}}"#);
    let body = r#"{"a":"ann\u0040example.com","b":"bob@example.com 4111111111111111"}"#;
    let (context, action) = send(&mut gate, &[], body);
    assert_eq!(action, Continue);
    assert_eq!(
        passed(&gate, context, Side::Request),
        r#"{"a":"ann\u0040example.com","b":"bob@example.com [CARD]"}"#
    );
    assert_eq!(
        reported(&gate, context),
        json!({"request": {"card": 1}, "request_reported": {"email": 2}})
    );
    let metric = |name: &str| gate.proxy().metric(name);
    assert_eq!(
        metric("modelgate.pii_mask.side_request.entity_email.reported"),
        2
    );
    assert_eq!(
        metric("modelgate.pii_mask.side_request.entity_card.masked"),
        1
    );
}

#[test]
fn reported_entities_pass_in_every_kind_of_body() {
    const KEY: &str = "-----BEGIN PRIVATE KEY-----";
    for (kind, body) in [
        (
            "application/json",
            r#"{"ssn":308630237,"x":["4111","1111","1111","1111"]}"#,
        ),
        (
            "application/json",
            &format!(r#"["{KEY}","MIIEvQIBADANBgkqhkiG9w0BAQEFAASC","x"]"#),
        ),
        (
            "application/json",
            r#"{"a":"{\"card\": 4111111111111111}"}"#,
        ),
        (
            "application/x-www-form-urlencoded",
            "a=ann%40example.com&b=%63ard+4111111111111111",
        ),
        ("text/plain", "ann@example.com, ４１１１ 1111 1111 1111"),
        ("application/x-ndjson", "{\"a\":\"ann@example.com\"}\n"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nann@example.com\r\n--x--\r\n",
        ),
    ] {
        let mut gate = open(r#"{"default_action":"report"}"#);
        let kind: &'static str = kind;
        let (context, action) = send(&mut gate, &[("content-type", kind)], body);
        assert_eq!(action, Continue, "{body}");
        assert_eq!(passed(&gate, context, Side::Request), body);
        let fact = gate.fact::<Masked>(context).unwrap();
        assert!(
            fact.request.is_empty() && !fact.request_reported.is_empty(),
            "{body}"
        );
    }
}

/// An answer in these pieces, through a filter of this configuration.
fn answered(config: &str, kind: &str, pieces: &[&str]) -> (String, Masked) {
    let mut gate = open(config);
    let (context, _) = gate.request(&post(&[]));
    let headers = [(":status", "200"), ("content-type", kind)];
    gate.respond(context, &headers, false);
    for piece in pieces {
        gate.body(context, Side::Response, piece.as_bytes(), false);
    }
    gate.body(context, Side::Response, b"", true);
    let fact = gate.fact::<Masked>(context).unwrap_or_default();
    (passed(&gate, context, Side::Response), fact)
}

fn delta(text: &str) -> String {
    let data = json!({"choices": [{"delta": {"content": text}}]});
    format!("data: {data}\n\n")
}

#[test]
fn a_reported_value_that_spans_events_stays_where_it_is() {
    let config = r#"{"entities":{"email":{"action":"report"},"api_key":{"action":"report"},"private_key":{"action":"report"}}}"#;
    let events = [
        delta("mail ann@exa"),
        delta("mple.com or 4111 1111"),
        delta(" 1111 1111."),
    ];
    let pieces: Vec<&str> = events.iter().map(String::as_str).collect();
    let (out, fact) = answered(config, "text/event-stream", &pieces);
    let expected = [
        delta("mail ann@exa"),
        delta("mple.com or [CARD]"),
        delta("."),
    ]
    .concat();
    assert_eq!(out, expected);
    assert_eq!(fact.response_reported, [("email".to_owned(), 1)].into());
    assert_eq!(fact.response, [("card".to_owned(), 1)].into());

    // Texts of unknown shape are read in both ways, and counted once.
    let lines = "data: {\"v\":\"see ann@example.com\"}\n\ndata: {\"v\":\" and so on\"}\n\n";
    let (out, fact) = answered(config, "text/event-stream", &[lines]);
    assert_eq!(out, lines);
    assert_eq!(fact.response_reported, [("email".to_owned(), 1)].into());

    // What is longer than may be held goes on as it is.
    for text in [
        format!("key sk-{} end", "a1B2c3D4".repeat(2000)),
        format!(
            "-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----\n",
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n".repeat(400)
        ),
    ] {
        let pieces: Vec<String> = text
            .as_bytes()
            .chunks(700)
            .map(|piece| delta(core::str::from_utf8(piece).unwrap()))
            .collect();
        let (out, fact) = answered(
            config,
            "text/event-stream",
            &pieces.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        assert_eq!(out, pieces.concat());
        assert!(
            !fact.response_reported.is_empty() && fact.response.is_empty(),
            "{fact:?}"
        );
        let (out, _) = answered(config, "text/plain", &[&text]);
        assert_eq!(out, text);
    }
}

#[test]
fn in_shadow_mode_a_request_passes_as_it_is() {
    let mut gate = open(r#"{"mode":"shadow","entities":{"card":{"action":"block"}}}"#);
    let body = r#"{"m":"ann@example.com, 4111111111111111"}"#;
    let headers = post(&[("content-length", "41"), ("content-md5", "x")]);
    let (context, action) = gate.begin(&headers, false);
    assert_eq!(action, Continue);
    for (at, piece) in body.as_bytes().chunks(7).enumerate() {
        let action = gate.body(context, Side::Request, piece, at == 5);
        assert_eq!(action, Continue);
    }
    assert_eq!(passed(&gate, context, Side::Request), body);
    let record = gate.record(context);
    assert_eq!(record.request_header("content-length"), Some("41"));
    assert_eq!(record.request_header("content-md5"), Some("x"));
    assert_eq!(
        reported(&gate, context),
        json!({"request_reported": {"card": 1, "email": 1}, "would_deny": ["pii_blocked"]})
    );
    let metric = |name: &str| gate.proxy().metric(name);
    assert_eq!(
        metric("modelgate.pii_mask.side_request.entity_email.reported"),
        1
    );
    assert_eq!(metric("modelgate.pii_mask.side_request.shadow_denied"), 1);
}

#[test]
fn in_shadow_mode_what_cannot_be_read_passes_and_is_counted() {
    for (headers, body, reason) in [
        (&[("content-encoding", "gzip")][..], "x", "body_compressed"),
        (&[("content-type", "image/png")], "x", "type_refused"),
        (&[], "{\"a\":", "body_unparsed"),
        (
            &[("content-type", "text/plain")],
            "0123456789",
            "body_too_large",
        ),
    ] {
        let mut gate = open(r#"{"mode":"shadow","request":{"max_body_bytes":9}}"#);
        let (context, action) = gate.begin(&post(headers), false);
        assert_eq!(action, Continue);
        let action = gate.body(context, Side::Request, body.as_bytes(), true);
        assert_eq!(
            (action, passed(&gate, context, Side::Request).as_str()),
            (Continue, body)
        );
        assert_eq!(reported(&gate, context), json!({"would_deny": [reason]}));
    }
    // What the policy lets pass would not have been refused.
    let mut gate = open(r#"{"mode":"shadow","request":{"on_other_type":"allow"}}"#);
    let (context, _) = gate.begin(&post(&[("content-type", "image/png")]), false);
    gate.body(context, Side::Request, b"x", true);
    assert_eq!(gate.fact::<Masked>(context), None);
}

#[test]
fn in_shadow_mode_answers_pass_as_they_are() {
    let shadow = r#"{"mode":"shadow","entities":{"card":{"action":"block"}}}"#;
    let events = [
        delta("mail ann@exa"),
        delta("mple.com "),
        delta("or 4111 1111 "),
        delta("1111 1111."),
        delta(" more"),
    ];
    let pieces: Vec<&str> = events.iter().map(String::as_str).collect();
    let (out, fact) = answered(shadow, "text/event-stream", &pieces);
    assert_eq!(out, events.concat());
    assert_eq!(fact.would_deny, ["answer_blocked"]);
    assert_eq!(fact.response_reported["email"], 1);
    let document = r#"{"a":"ann@example.com","logprobs":["ann"]}"#;
    let (out, fact) = answered(shadow, "application/json", &[document]);
    assert_eq!(out, document);
    assert_eq!(fact.response_reported, [("email".to_owned(), 1)].into());
    let (out, fact) = answered(shadow, "text/event-stream", &["data: {\"a\":\"\\u0041\n\n"]);
    assert_eq!(out, "data: {\"a\":\"\\u0041\n\n");
    assert_eq!(fact.would_deny, ["answer_unparsed"]);
}

#[test]
fn in_shadow_mode_upgrades_pass_and_are_counted() {
    let mut gate = open(r#"{"mode":"shadow"}"#);
    let (context, action) = gate.begin(
        &[
            (":method", "GET"),
            (":path", "/v1/realtime"),
            (":authority", "x"),
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
        ],
        false,
    );
    assert_eq!(action, Continue);
    assert_eq!(
        reported(&gate, context),
        json!({"would_deny": ["upgrade_refused"]})
    );
}
