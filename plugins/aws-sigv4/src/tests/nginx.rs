//! What the filter does on nginx, where headers are emptied, bodies come after them, and nothing is
//! awaited.

use super::*;

fn on_nginx(more: Value) -> TestGateway {
    TestGateway::open::<AwsSigv4>(FakeProxy::nginx(NOON), &written(more)).unwrap()
}

/// What nginx shows of a request: its own name as authority, and the client's host.
const SHOWN: [(&str, &str); 5] = [
    (":method", "POST"),
    (":path", "/endpoints/e/invocations"),
    (":authority", "_:8080"),
    ("host", "gateway.example.com"),
    ("content-type", "text/csv"),
];

/// Status and reason of the reply.
fn answer(record: &Record) -> (u16, &str) {
    let reply = record.reply.as_ref().unwrap();
    (reply.status, reply.header("x-modelgate-reason").unwrap())
}

/// The record with what the upstream is sent in the place of what nginx shows.
fn as_sent(mut record: Record) -> Record {
    record
        .request
        .retain(|(name, value)| name != ":authority" && !value.is_empty());
    for (name, _) in &mut record.request {
        if name == "host" {
            *name = ":authority".to_owned();
        }
    }
    record
}

#[test]
fn a_body_is_signed_when_it_is_here_under_the_host_of_the_client() {
    let mut gate = on_nginx(json!({}));
    let headers = [
        &SHOWN[..],
        &[("content-length", "5"), ("x-amz-date", "mine")],
    ]
    .concat();
    let (at, action) = gate.begin(&headers, false);
    assert_eq!(action, Continue);
    assert_eq!(gate.record(at).request_header("authorization"), None);
    assert_eq!(gate.body(at, Side::Request, b"1,2,3", true), Continue);
    let record = as_sent(gate.record(at));
    let signed = record.request_header("authorization").unwrap().to_owned();
    let mut unsigned = record.clone();
    unsigned
        .request
        .retain(|(name, _)| !["authorization", "x-amz-date"].contains(&name.as_str()));
    assert_eq!(signed, authorization_for(&unsigned, b"1,2,3", None));
}

#[test]
fn a_request_that_announces_no_body_is_signed_at_once() {
    for payload in ["signed", "absent"] {
        let mut gate = on_nginx(json!({"payload": payload}));
        let (at, action) = gate.begin(&SHOWN, false);
        assert_eq!(action, Continue);
        assert!(gate.record(at).request_header("authorization").is_some());
        // One that has a body nevertheless does not go on with that signature.
        assert_eq!(gate.body(at, Side::Request, b"1,2,3", true), Pause);
        let record = gate.record(at);
        assert_eq!(answer(&record), (411, "body_unannounced"));
    }
}

#[test]
fn a_host_that_the_filter_cannot_set_is_refused_with_the_way_out() {
    let host = |by: &str| json!({"host": "runtime.example.com", "rewritten_by": by});
    let mut gate = on_nginx(host("filter"));
    let (at, _) = gate.begin(&SHOWN, false);
    assert_eq!(answer(&gate.record(at)), (500, "configuration_refused"));
    let logs = gate.proxy().logs().join("\n");
    assert!(
        logs.contains("rewritten_by: ") && logs.contains("proxy_set_header"),
        "{logs}"
    );
    let mut gate = on_nginx(host("route"));
    let (at, _) = gate.begin(&SHOWN, false);
    assert_eq!(gate.record(at).reply, None);
}
