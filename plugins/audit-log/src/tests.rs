//! The filter against a proxy in memory: every ending, what an event may show, and the way to the
//! sink.

use std::rc::Rc;

use modelgate_kit::testing::{FakeProxy, Sent, TestGateway};
use modelgate_kit::vm::verdict::Action;
use serde_json::{Value, json};

use super::AuditLog;

mod deny;
mod nginx;
mod refused;
mod reload;

const REQUEST: &[(&str, &str)] = &[
    (":method", "POST"),
    (
        ":path",
        "/v2/models/iris/versions/3/infer?api_key=s3cret-query",
    ),
    (":authority", "gateway.example"),
    ("authorization", "Bearer s3cret-token"),
    ("x-request-id", "9f2c"),
    (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
];

const SINK: &str = r#"{"sink":{"cluster":"logs","headers":{"x-key":"s3cret-header"},
    "batch":{"max_events":2,"max_age_ms":1000},"retry":{"first_ms":1000,"longest_ms":1000,"give_up_ms":60000}}}"#;

fn proxy(properties: &[(&str, &str)]) -> Rc<FakeProxy> {
    let proxy = FakeProxy::new(1_763_712_000_000_000_000);
    for (path, value) in properties {
        proxy.preset(path, value);
    }
    proxy
}

fn gate(proxy: Rc<FakeProxy>, config: &str) -> TestGateway {
    TestGateway::open::<AuditLog>(proxy, config).unwrap()
}

/// The line that one request leaves, which ends with these properties.
fn line(config: &str, properties: &[(&str, &str)]) -> Value {
    let mut gate = gate(proxy(properties), config);
    let (exchange, action) = gate.request(REQUEST);
    assert_eq!(action, Action::Continue);
    gate.proxy().pass_ns(12_345_678);
    gate.end(exchange);
    let record = gate.record(exchange);
    serde_json::from_slice(record.properties.get("modelgate.audit").unwrap()).unwrap()
}

fn one_request(gate: &mut TestGateway) {
    let (exchange, _) = gate.request(REQUEST);
    gate.end(exchange);
}

fn pass_ms(gate: &mut TestGateway, milliseconds: u64) {
    gate.proxy().pass_ns(milliseconds * 1_000_000);
    gate.tick();
}

fn records(call: &Sent) -> Vec<Value> {
    let batch = call.json();
    batch["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
        .as_array()
        .unwrap()
        .clone()
}

fn metric(gate: &TestGateway, name: &str) -> i64 {
    gate.proxy().metric(&format!("modelgate.audit_log.{name}"))
}

#[test]
fn an_allowed_request_leaves_one_event() {
    let line = line(
        "{}",
        &[
            ("response.code", "200"),
            ("response.code_details", "via_upstream"),
            ("response.backend_latency", "7000000"),
            ("request.size", "512"),
            ("response.size", "128"),
            ("xds.route_name", "models"),
        ],
    );
    assert_eq!(line["worker"].as_str().map(str::len), Some(16));
    let mut line = line;
    line["worker"] = Value::Null;
    assert_eq!(
        line,
        json!({
            "time_unix_ms": 1_763_712_000_000_u64, "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "span_id": "b7ad6b7169203331", "worker": null, "sequence": 1, "outcome": "allowed", "status": 200,
            "request_id": "9f2c", "method": "POST", "path": "/v2/models/iris/versions/3/infer", "model": "iris",
            "model_version": "3", "operation": "infer", "dialect": "open_inference", "host": "gateway.example",
            "route": "models", "total_ms": 12, "upstream_ms": 7, "request_bytes": 512, "response_bytes": 128,
            "details": "via_upstream",
        })
    );
}

#[test]
fn a_denial_by_a_later_filter_names_filter_reason_and_rule() {
    let line = line(
        "{}",
        &[
            ("response.code", "403"),
            (
                "response.code_details",
                "modelgate.consumer_acl.group_refused",
            ),
            (
                "modelgate.denied",
                r#"{"filter":"consumer_acl","reason":"group_refused","status":403}"#,
            ),
            (
                "modelgate.decision",
                r#"{"filter":"consumer_acl","effect":"deny","rule":"only-ml"}"#,
            ),
        ],
    );
    assert_eq!(
        (
            &line["outcome"],
            &line["filter"],
            &line["reason"],
            &line["rule"],
            &line["status"]
        ),
        (
            &json!("denied"),
            &json!("consumer_acl"),
            &json!("group_refused"),
            &json!("only-ml"),
            &json!(403)
        )
    );
}

#[test]
fn a_denial_by_the_limiter_names_the_policy() {
    let line = line(
        "{}",
        &[
            ("response.code", "429"),
            (
                "modelgate.denied",
                r#"{"filter":"rate_limit","reason":"limit_exceeded","status":429}"#,
            ),
            (
                "modelgate.decision",
                r#"{"filter":"consumer_acl","effect":"allow","rule":"only-ml"}"#,
            ),
            ("modelgate.limit", r#"{"policy":"burst","remaining":0}"#),
        ],
    );
    assert_eq!(
        (&line["filter"], &line["rule"]),
        (&json!("rate_limit"), &json!("burst"))
    );
}

#[test]
fn the_rule_that_allowed_is_named() {
    let line = line(
        "{}",
        &[
            ("response.code", "200"),
            ("response.code_details", "via_upstream"),
            (
                "modelgate.decision",
                r#"{"filter":"consumer_acl","effect":"allow","rule":"only-ml"}"#,
            ),
        ],
    );
    assert_eq!(
        (&line["outcome"], &line["rule"]),
        (&json!("allowed"), &json!("only-ml"))
    );
}

#[test]
fn a_verdict_in_shadow_is_recorded_as_what_would_have_been() {
    let line = line(
        "{}",
        &[
            ("response.code", "200"),
            ("response.code_details", "via_upstream"),
            (
                "modelgate.decision",
                r#"{"filter":"consumer_acl","effect":"deny","rule":"only-ml","shadow":true}"#,
            ),
            ("modelgate.limit", r#"{"policy":"burst","shadow":true}"#),
        ],
    );
    assert_eq!(line["outcome"], "allowed");
    assert_eq!(line["rule"], Value::Null);
    assert_eq!(
        line["would_deny"],
        json!(["consumer_acl:only-ml", "rate_limit:burst"])
    );
}

#[test]
fn every_other_ending_has_its_outcome() {
    let flag = |bit: u32| (1u64 << bit).to_string();
    for (properties, outcome) in [
        (
            vec![
                ("response.code", "0".to_owned()),
                ("response.flags", flag(14)),
            ],
            "client_gone",
        ),
        (vec![], "client_gone"),
        (
            vec![
                ("response.code", "503".to_owned()),
                ("response.flags", flag(5)),
            ],
            "upstream_failed",
        ),
        (
            vec![
                ("response.code", "500".to_owned()),
                ("upstream.address", "10.0.0.1:80".to_owned()),
            ],
            "upstream_failed",
        ),
        (
            vec![
                ("response.code", "404".to_owned()),
                ("response.code_details", "route_not_found".to_owned()),
            ],
            "local_error",
        ),
        (
            vec![
                ("response.code", "403".to_owned()),
                ("response.code_details", "rbac_access_denied".to_owned()),
            ],
            "denied",
        ),
    ] {
        let properties: Vec<(&str, &str)> = properties
            .iter()
            .map(|(path, value)| (*path, value.as_str()))
            .collect();
        assert_eq!(
            line("{}", &properties)["outcome"],
            outcome,
            "{properties:?}"
        );
    }
}

#[test]
fn the_caller_is_shown_as_the_operator_wishes() {
    let identity = r#"{"consumer":"team-a","method":"jwt","issuer":"https://idp","subject":"ann@example.org",
        "credential":"kid-1","groups":["ml"],"claims":{"email":"ann@example.org"}}"#;
    let line = |config| {
        line(
            config,
            &[("modelgate.identity", identity), ("response.code", "200")],
        )
    };
    let hashed = line(r#"{"subject_key":"k"}"#);
    assert_eq!(
        (&hashed["consumer"], &hashed["groups"]),
        (&json!("team-a"), &json!(["ml"]))
    );
    assert_eq!(
        (&hashed["issuer"], &hashed["credential"]),
        (&json!("https://idp"), &json!("kid-1"))
    );
    assert_eq!(hashed["subject_hash"].as_str().map(str::len), Some(32));
    assert!(!hashed.to_string().contains("ann@"));
    assert_ne!(
        hashed["subject_hash"],
        line(r#"{"subject_key":"other"}"#)["subject_hash"]
    );
    assert_eq!(line(r#"{"subject":"plain"}"#)["subject"], "ann@example.org");
    let omitted = line(r#"{"subject":"omit"}"#);
    assert_eq!(
        (&omitted["subject"], &omitted["subject_hash"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn masked_counts_tell_request_and_response_apart() {
    let masked = r#"{"request":{"email":2},"response":{"email":1,"iban":3}}"#;
    let line = line(
        "{}",
        &[("modelgate.masked", masked), ("response.code", "200")],
    );
    assert_eq!(
        line["masked"],
        json!({"request.email": 2, "response.email": 1, "response.iban": 3})
    );
}

#[test]
fn what_pii_mask_only_reports_and_would_refuse_is_told() {
    let masked = r#"{"request":{"card":1},"request_reported":{"email":2},"response_reported":{"iban":1},"would_deny":["pii_blocked"]}"#;
    let line = line(
        "{}",
        &[("modelgate.masked", masked), ("response.code", "200")],
    );
    assert_eq!(
        line["masked"],
        json!({"request.card": 1, "request.reported.email": 2, "response.reported.iban": 1})
    );
    assert_eq!(line["would_deny"], json!(["pii_mask:pii_blocked"]));
}

#[test]
fn a_refused_token_whose_signature_is_good_says_whose_it_is() {
    let denied = r#"{"filter":"jwt_auth","reason":"audience_refused","status":401,"token":
        {"issuer":"https://idp.example","subject":"00112233445566778899aabbccddeeff","audience":["other"],"kid":"k1"}}"#;
    let line = line(
        "{}",
        &[
            ("modelgate.denied", denied),
            ("response.code", "401"),
            (
                "response.code_details",
                "modelgate_jwt_auth_audience_refused",
            ),
        ],
    );
    for (member, value) in [
        ("outcome", json!("denied")),
        ("reason", json!("audience_refused")),
        ("request_id", json!("9f2c")),
        ("issuer", json!("https://idp.example")),
        ("subject_hash", json!("00112233445566778899aabbccddeeff")),
        ("audience", json!(["other"])),
        ("kid", json!("k1")),
        ("consumer", Value::Null),
        ("auth_method", Value::Null),
    ] {
        assert_eq!(line[member], value, "{member}");
    }
}

#[test]
fn a_fact_of_a_filter_goes_before_what_the_path_says() {
    let model = r#"{"dialect":"openai","operation":"chat","model":"gpt-x"}"#;
    let line = line(
        "{}",
        &[("modelgate.model", model), ("response.code", "200")],
    );
    assert_eq!(
        (&line["dialect"], &line["model"]),
        (&json!("openai"), &json!("gpt-x"))
    );
}

#[test]
fn nothing_that_the_client_keeps_secret_is_recorded() {
    let mut gate = gate(proxy(&[("response.code", "200")]), SINK);
    one_request(&mut gate);
    one_request(&mut gate);
    gate.tick();
    let calls = gate.proxy().calls();
    let line = gate.record(2).properties.remove("modelgate.audit").unwrap();
    let written = format!(
        "{}{}",
        String::from_utf8_lossy(&calls[0].body),
        String::from_utf8_lossy(&line)
    );
    assert!(written.contains("/v2/models/iris"));
    assert!(!written.contains("s3cret"), "{written}");
    assert!(!gate.proxy().logs().concat().contains("s3cret"));
}

#[test]
fn without_an_access_log_no_line_is_left() {
    let mut gate = gate(proxy(&[]), r#"{"access_log":"off"}"#);
    one_request(&mut gate);
    assert!(!gate.record(2).properties.contains_key("modelgate.audit"));
}

#[test]
fn a_request_without_a_known_path_or_headers_is_an_event_too() {
    let mut gate = gate(proxy(&[("response.code", "400")]), "{}");
    let (exchange, _) = gate.request(&[(":path", "//..%2f"), ("traceparent", "nonsense")]);
    gate.end(exchange);
    let record = gate.record(exchange);
    let line: Value =
        serde_json::from_slice(record.properties.get("modelgate.audit").unwrap()).unwrap();
    assert_eq!(
        (&line["path"], &line["trace_id"], &line["model"]),
        (&json!("//..%2f"), &Value::Null, &Value::Null)
    );
}

#[test]
fn events_go_to_the_sink_in_batches() {
    let mut gate = gate(proxy(&[("response.code", "200")]), SINK);
    one_request(&mut gate);
    gate.tick();
    assert_eq!(gate.proxy().calls(), [], "one event waits for company");
    one_request(&mut gate);
    pass_ms(&mut gate, 500);
    let calls = gate.proxy().calls();
    let [call] = calls.as_slice() else {
        panic!("{calls:?}")
    };
    assert_eq!(
        (
            call.details.as_str(),
            call.header(":path"),
            call.header(":authority")
        ),
        ("logs", Some("/v1/logs"), Some("logs"))
    );
    assert_eq!(
        (call.header("content-type"), call.header("x-key")),
        (Some("application/json"), Some("s3cret-header"))
    );
    let records = records(call);
    assert_eq!(records.len(), 2);
    assert_eq!(records[1]["traceId"], "0af7651916cd43dd8448eb211c80319c");
    gate.answer(1, &[(":status", "200")], b"{}");
    assert_eq!(
        (metric(&gate, "enqueued"), metric(&gate, "delivered")),
        (2, 2)
    );
    assert_eq!(metric(&gate, "outcome_allowed.events"), 2);
}

#[test]
fn an_answer_sends_the_next_batch_without_a_tick() {
    let mut gate = gate(proxy(&[]), SINK);
    for _ in 0..5 {
        one_request(&mut gate);
    }
    pass_ms(&mut gate, 500);
    gate.answer(1, &[(":status", "200")], b"");
    assert_eq!(gate.proxy().calls().len(), 2);
    gate.answer(2, &[(":status", "200")], b"");
    assert_eq!(gate.proxy().calls().len(), 2, "the fifth waits for company");
    pass_ms(&mut gate, 1_000);
    gate.answer(3, &[(":status", "200")], b"");
    assert_eq!(metric(&gate, "delivered"), 5);
}

#[test]
fn a_dead_sink_is_tried_again_and_nothing_is_lost() {
    let mut gate = gate(proxy(&[]), SINK);
    one_request(&mut gate);
    pass_ms(&mut gate, 1_000);
    gate.answer(1, &[(":status", "503")], b"");
    gate.tick();
    assert_eq!(gate.proxy().calls().len(), 1, "not at once");
    pass_ms(&mut gate, 1_000);
    gate.answer(2, &[], b"");
    pass_ms(&mut gate, 1_000);
    gate.answer(3, &[(":status", "200")], b"");
    assert_eq!(gate.proxy().calls()[0].body, gate.proxy().calls()[2].body);
    assert_eq!(
        (metric(&gate, "retried"), metric(&gate, "delivered")),
        (2, 1)
    );
    let logs = gate.proxy().logs();
    assert_eq!(
        logs,
        [
            "audit_log: the sink does not take events (status 503)",
            "audit_log: the sink takes events again"
        ]
    );
}

#[test]
fn what_the_sink_refuses_is_dropped_and_counted() {
    let mut gate = gate(proxy(&[]), SINK);
    one_request(&mut gate);
    pass_ms(&mut gate, 1_000);
    gate.answer(1, &[(":status", "400")], b"");
    one_request(&mut gate);
    pass_ms(&mut gate, 1_000);
    gate.answer(
        2,
        &[(":status", "200")],
        br#"{"partialSuccess":{"rejectedLogRecords":"1"}}"#,
    );
    assert_eq!(
        (
            metric(&gate, "cause_refused.dropped"),
            metric(&gate, "cause_rejected.dropped")
        ),
        (1, 1)
    );
    let batch = gate.proxy().calls()[1].json();
    let dropped = &batch["resourceLogs"][0]["scopeLogs"][0]["scope"]["attributes"][0];
    assert_eq!(
        dropped,
        &json!({"key": "modelgate.dropped_total", "value": {"intValue": "1"}})
    );
}

#[test]
fn events_that_grow_too_old_are_dropped_and_counted() {
    let mut gate = gate(proxy(&[]), SINK);
    one_request(&mut gate);
    pass_ms(&mut gate, 61_000);
    assert_eq!(
        (
            gate.proxy().calls().len(),
            metric(&gate, "cause_expired.dropped")
        ),
        (0, 1)
    );
}

#[test]
fn a_full_queue_loses_events_and_counts_them() {
    let mut gate = gate(
        proxy(&[]),
        r#"{"sink":{"cluster":"logs","queue":{"max_events":2},"batch":{"max_events":2}}}"#,
    );
    for _ in 0..5 {
        one_request(&mut gate);
    }
    assert_eq!(
        (
            metric(&gate, "enqueued"),
            metric(&gate, "cause_full.dropped")
        ),
        (5, 3)
    );
    gate.tick();
    let sequence = |record: &Value| {
        record["attributes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|a| a["key"] == "modelgate.sequence")
            .unwrap()["value"]["intValue"]
            .clone()
    };
    let sequences: Vec<Value> = records(&gate.proxy().calls()[0])
        .iter()
        .map(sequence)
        .collect();
    assert_eq!(sequences, ["4", "5"], "the gap shows");
}

#[test]
fn a_long_answer_is_an_answer() {
    let mut gate = gate(proxy(&[]), SINK);
    let long = vec![b' '; 300_000];
    for (number, status) in [(1, "200"), (2, "503"), (3, "200")] {
        one_request(&mut gate);
        pass_ms(&mut gate, 1_500);
        gate.answer(number, &[(":status", status)], &long);
    }
    assert_eq!(
        (metric(&gate, "delivered"), metric(&gate, "retried")),
        (3, 1)
    );
}

#[test]
fn two_workers_have_different_names() {
    let worker = |proxy: Rc<FakeProxy>| {
        let mut gate = gate(proxy, "{}");
        one_request(&mut gate);
        let line: Value =
            serde_json::from_slice(gate.record(2).properties.get("modelgate.audit").unwrap())
                .unwrap();
        line["worker"].clone()
    };
    let first = proxy(&[]);
    assert_eq!(worker(Rc::clone(&first)).as_str().map(str::len), Some(16));
    assert_ne!(worker(Rc::clone(&first)), worker(first));
}
