//! The filter, natively: what becomes of a request and its answer, event by event.

mod codings;
mod heads;
mod nginx;
mod shadow;
mod shapes;
mod split;
mod upgrades;

use super::*;
use modelgate_kit::facts::Denied;
use modelgate_kit::host::Side;
use modelgate_kit::testing::{FakeProxy, Record, TestGateway};
use modelgate_kit::vm::verdict::Action::{self, Continue, Pause};

fn open(config: &str) -> TestGateway {
    TestGateway::open::<PiiMask>(FakeProxy::new(0), config).unwrap()
}

const POST: [(&str, &str); 4] = [
    (":method", "POST"),
    (":path", "/v1/chat/completions"),
    (":authority", "gateway.example.com"),
    ("content-type", "application/json"),
];

fn post(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let replaced = |name: &str| more.iter().any(|(other, _)| *other == name);
    POST.iter()
        .filter(|(name, _)| !replaced(name))
        .chain(more)
        .copied()
        .collect()
}

fn reason(record: &Record) -> (u16, String) {
    let reply = record.reply.as_ref().expect("a reply");
    (
        reply.status,
        reply.header("x-modelgate-reason").unwrap().to_owned(),
    )
}

/// Sends a request with this body and gives its exchange and the last action.
fn send(
    gate: &mut TestGateway,
    headers: &[(&'static str, &'static str)],
    body: &str,
) -> (u32, Action) {
    let (context, action) = gate.begin(&post(headers), false);
    assert_eq!(action, Pause);
    (
        context,
        gate.body(context, Side::Request, body.as_bytes(), true),
    )
}

fn passed(gate: &TestGateway, context: u32, side: Side) -> String {
    String::from_utf8(gate.record(context).passed.of(side).clone()).unwrap()
}

#[test]
fn a_request_is_held_until_its_body_is_whole_and_masked() {
    let mut gate = open("{}");
    let (context, action) = gate.begin(
        &post(&[("content-length", "40"), ("content-md5", "x")]),
        false,
    );
    assert_eq!(action, Pause);
    assert_eq!(
        gate.body(context, Side::Request, br#"{"m":"ann@exam"#, false),
        Pause
    );
    assert_eq!(
        gate.body(
            context,
            Side::Request,
            br#"ple.com, 4111111111111111"}"#,
            true
        ),
        Continue
    );
    assert_eq!(
        passed(&gate, context, Side::Request),
        r#"{"m":"[EMAIL], [CARD]"}"#
    );
    let record = gate.record(context);
    assert_eq!(record.request_header("content-length"), Some("23"));
    assert_eq!(record.request_header("content-md5"), None);
    assert_eq!(record.request_header("accept-encoding"), Some("identity"));
    let masked: Masked = gate.fact(context).unwrap();
    assert_eq!(
        masked.request,
        [("email".to_owned(), 1), ("card".to_owned(), 1)].into()
    );
    assert_eq!(
        gate.proxy()
            .metric("modelgate.pii_mask.side_request.entity_email.masked"),
        1
    );
}

#[test]
fn trailers_end_a_body_too() {
    let mut gate = open("{}");
    let (context, _) = gate.begin(&post(&[]), false);
    assert_eq!(
        gate.body(context, Side::Request, br#"["ann@example.com"]"#, false),
        Pause
    );
    assert_eq!(gate.trailers(context, Side::Request), Continue);
    assert_eq!(
        String::from_utf8(gate.record(context).bodies.request.clone()).unwrap(),
        r#"["[EMAIL]"]"#
    );
}

#[test]
fn what_holds_nothing_passes_untouched() {
    let mut gate = open("{}");
    let body = "{ \"n\" : 1.0 }";
    let (context, action) = send(&mut gate, &[("content-length", "13")], body);
    assert_eq!(
        (action, passed(&gate, context, Side::Request).as_str()),
        (Continue, body)
    );
    assert_eq!(gate.fact::<Masked>(context), None);
    let (_, action) = gate.request(&[
        (":method", "GET"),
        (":path", "/v1/models"),
        (":authority", "x"),
    ]);
    assert_eq!(action, Continue);
}

#[test]
fn a_blocked_entity_refuses_the_request_and_says_so_without_the_value() {
    let mut gate = open(r#"{"entities":{"card":{"action":"block"}}}"#);
    let (context, action) = send(&mut gate, &[], r#"{"m":"4111111111111111"}"#);
    assert_eq!(action, Pause);
    let record = gate.record(context);
    assert_eq!(reason(&record), (400, "pii_blocked".to_owned()));
    assert!(!String::from_utf8_lossy(&record.reply.unwrap().body).contains("4111"));
    assert_eq!(gate.fact::<Masked>(context).unwrap().request["card"], 1);
    assert!(
        gate.proxy()
            .logs()
            .iter()
            .all(|line| !line.contains("4111"))
    );
}

#[test]
fn what_cannot_be_read_is_refused_unless_it_is_allowed() {
    type Case<'a> = (
        &'a [(&'static str, &'static str)],
        &'a str,
        &'a str,
        u16,
        &'a str,
    );
    let table: [Case<'_>; 7] = [
        (
            &[("content-encoding", "gzip")],
            "x",
            "on_compressed",
            415,
            "body_compressed",
        ),
        (
            &[("content-type", "image/png")],
            "x",
            "on_other_type",
            415,
            "type_refused",
        ),
        (
            &[("content-type", "application/json; charset=utf-16")],
            "x",
            "on_other_type",
            415,
            "type_refused",
        ),
        (&[], "{\"a\":", "on_unparsable", 400, "body_unparsed"),
        (
            &[("content-type", "application/x-www-form-urlencoded")],
            "a=%zz",
            "on_unparsable",
            400,
            "body_unparsed",
        ),
        (
            &[("content-length", "2000000")],
            "x",
            "on_oversize",
            413,
            "body_too_large",
        ),
        (
            &[("content-type", "text/plain")],
            "0123456789",
            "on_oversize",
            413,
            "body_too_large",
        ),
    ];
    for (headers, body, policy, status, code) in table {
        let limit = if body.len() == 10 { 9 } else { 1_000_000 };
        let config =
            |allowed: &str| format!(r#"{{"request":{{"max_body_bytes":{limit}{allowed}}}}}"#);
        let mut gate = open(&config(""));
        let (context, action) = gate.begin(&post(headers), false);
        if gate.record(context).reply.is_none() {
            gate.body(context, Side::Request, body.as_bytes(), true);
        }
        assert_eq!(
            (action, reason(&gate.record(context))),
            (Pause, (status, code.to_owned())),
            "{headers:?}"
        );

        let mut gate = open(&config(&format!(r#","{policy}":"allow""#)));
        let (context, _) = gate.begin(&post(headers), false);
        let action = gate.body(context, Side::Request, body.as_bytes(), true);
        assert_eq!(
            (action, passed(&gate, context, Side::Request).as_str()),
            (Continue, body),
            "{headers:?}"
        );
    }
}

#[test]
fn an_answer_that_is_a_document_is_held_and_masked() {
    let mut gate = open("{}");
    let (context, _) = send(&mut gate, &[], "{}");
    let headers = [
        (":status", "200"),
        ("content-type", "application/json"),
        ("content-length", "37"),
        ("etag", "x"),
    ];
    assert_eq!(gate.respond(context, &headers, false), Pause);
    assert_eq!(
        gate.body(
            context,
            Side::Response,
            br#"{"a":"call 5550132","logprobs":["call"]}"#,
            true
        ),
        Continue
    );
    assert_eq!(
        passed(&gate, context, Side::Response),
        r#"{"a":"call [PHONE]","logprobs":null}"#
    );
    let record = gate.record(context);
    assert_eq!(
        (
            record.response_header("content-length"),
            record.response_header("etag")
        ),
        (Some("36"), None)
    );
    assert_eq!(gate.fact::<Masked>(context).unwrap().response["phone"], 1);
}

#[test]
fn an_answer_that_may_not_pass_is_replaced() {
    let mut gate = open(r#"{"default_action":"block"}"#);
    let (context, _) = send(&mut gate, &[], "{}");
    gate.respond(
        context,
        &[(":status", "200"), ("content-type", "application/json")],
        false,
    );
    assert_eq!(
        gate.body(context, Side::Response, br#"["10.0.0.1"]"#, true),
        Pause
    );
    assert_eq!(
        reason(&gate.record(context)),
        (502, "answer_blocked".to_owned())
    );
}

const STREAM: [(&str, &str); 3] = [
    (":status", "200"),
    ("content-type", "text/event-stream"),
    ("content-length", "999"),
];

fn event(content: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{content}\"}}}}]}}\n\n")
}

#[test]
fn a_stream_is_masked_as_it_passes() {
    let mut gate = open("{}");
    let (context, _) = send(&mut gate, &[], "{}");
    assert_eq!(gate.respond(context, &STREAM, false), Continue);
    let before = format!(
        "{}{}{}",
        event("Hi. "),
        event("Mail an"),
        event("n@example")
    );
    assert_eq!(
        gate.body(context, Side::Response, before.as_bytes(), false),
        Continue
    );
    assert_eq!(passed(&gate, context, Side::Response), event("Hi. "));
    gate.body(
        context,
        Side::Response,
        event(".com, bye").as_bytes(),
        false,
    );
    gate.body(context, Side::Response, b"data: [DONE]\n\n", true);
    let all = format!(
        "{}{}{}{}data: [DONE]\n\n",
        event("Hi. "),
        event("Mail [EMAIL]"),
        event(""),
        event(", bye")
    );
    assert_eq!(passed(&gate, context, Side::Response), all);
    assert_eq!(gate.record(context).response_header("content-length"), None);
    assert_eq!(gate.fact::<Masked>(context).unwrap().response["email"], 1);
}

#[test]
fn a_stream_with_what_may_not_pass_is_cut() {
    let mut gate = open(r#"{"entities":{"ip":{"action":"block"}}}"#);
    let (context, _) = send(&mut gate, &[], "{}");
    gate.respond(context, &STREAM, false);
    gate.body(context, Side::Response, event("host is ").as_bytes(), false);
    gate.body(
        context,
        Side::Response,
        event("10.0.0.1, ").as_bytes(),
        false,
    );
    gate.body(context, Side::Response, event("and more").as_bytes(), true);
    let passed = passed(&gate, context, Side::Response);
    assert!(
        passed.starts_with(&event("host is ")) && passed.contains("answer_blocked"),
        "{passed}"
    );
    assert!(
        !passed.contains("10.0") && !passed.contains("more"),
        "{passed}"
    );
    assert_eq!(
        gate.fact::<Denied>(context).unwrap().reason,
        "answer_blocked"
    );
}

#[test]
fn where_only_bodies_can_be_held_the_headers_go_first() {
    let mut gate = open(r#"{"hold":"body","entities":{"card":{"action":"block"}}}"#);
    let (context, action) = gate.begin(&post(&[("content-length", "20")]), false);
    assert_eq!(
        (
            action,
            gate.record(context).request_header("content-length")
        ),
        (Continue, None)
    );
    assert_eq!(
        gate.body(context, Side::Request, br#"["ann@exa"#, false),
        Pause
    );
    assert_eq!(
        gate.body(context, Side::Request, br#"mple.com"]"#, true),
        Continue
    );
    assert_eq!(passed(&gate, context, Side::Request), r#"["[EMAIL]"]"#);
    let json = [(":status", "200"), ("content-type", "application/json")];
    assert_eq!(gate.respond(context, &json, false), Continue);
    assert_eq!(
        gate.body(context, Side::Response, br#"["4111111111111111"]"#, true),
        Continue
    );
    let passed = passed(&gate, context, Side::Response);
    assert!(
        passed.contains("answer_blocked") && !passed.contains("4111"),
        "{passed}"
    );
}

#[test]
fn a_direction_can_be_left_alone() {
    let mut gate = open(r#"{"request":{"bodies":"allow"}}"#);
    let (context, action) = gate.begin(&post(&[]), false);
    assert_eq!(action, Continue);
    gate.body(context, Side::Request, br#"["ann@example.com"]"#, true);
    assert_eq!(
        passed(&gate, context, Side::Request),
        r#"["ann@example.com"]"#
    );
    let mut gate = open(r#"{"response":{"bodies":"allow"}}"#);
    let (context, _) = send(&mut gate, &[], "{}");
    assert_eq!(gate.record(context).request_header("accept-encoding"), None);
}

#[test]
fn everything_that_is_wrong_with_a_configuration_is_said() {
    let config = r#"{"default_action":"hash","entities":{"card":{"action":"block","keep_last":4},"ip":{"action":"nothing"}},
        "allowed_values":["*","A@b.c"],"request":{"skip_paths":["a..b","*"],"max_body_bytes":0},"hash_key":"short","x":1}"#;
    let problems = TestGateway::open::<PiiMask>(FakeProxy::new(0), config)
        .err()
        .unwrap()
        .join("\n");
    for path in [
        "entities.ip",
        "request.max_body_bytes",
        "x",
        "hash_key",
        "allowed_values[0]",
        "allowed_values[1]",
        "request.skip_paths[0]",
        "request.skip_paths[1]",
        "entities.card.keep_last",
    ] {
        assert!(
            problems.contains(&format!("{path}:")) || problems.contains(&format!("{path}.")),
            "{path} in\n{problems}"
        );
    }
    assert!(!problems.contains("short\""), "{problems}");
}

#[test]
fn an_answer_that_comes_before_the_request_is_whole_is_masked() {
    let mut gate = open(r#"{"hold":"body"}"#);
    let (context, action) = gate.begin(&post(&[]), false);
    assert_eq!(action, Continue);
    assert_eq!(gate.body(context, Side::Request, br#"{"a":"#, false), Pause);
    let json = [(":status", "200"), ("content-type", "application/json")];
    assert_eq!(gate.respond(context, &json, false), Continue);
    assert_eq!(
        gate.body(context, Side::Response, br#"["ann@exam"#, false),
        Pause
    );
    // Each side goes on by itself.
    assert_eq!(
        gate.body(context, Side::Request, br#""bob@example.com"}"#, true),
        Continue
    );
    assert_eq!(passed(&gate, context, Side::Request), r#"{"a":"[EMAIL]"}"#);
    assert_eq!(
        gate.body(context, Side::Response, br#"ple.com"]"#, true),
        Continue
    );
    assert_eq!(passed(&gate, context, Side::Response), r#"["[EMAIL]"]"#);
}
