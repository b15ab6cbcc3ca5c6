//! What the filter does on nginx, where headers are emptied, bodies come after them, and nothing is
//! awaited.

use super::*;

fn on_nginx(more: &Value) -> TestGateway {
    TestGateway::open::<KeyAuth>(FakeProxy::nginx(NOW), &config(more).to_string()).unwrap()
}

#[test]
fn the_key_is_emptied_and_the_caller_told_once_and_left_for_the_next_filter() {
    let mut gate = on_nginx(&json!({"identity_headers": {"consumer": "x-consumer"}}));
    let headers = request(&[("x-api-key", "ann-key"), ("x-consumer", "root")]);
    let (at, action) = gate.begin(&headers, false);
    assert_eq!(action, Action::Continue);
    let record = gate.record(at);
    let values = |name: &str| -> Vec<&[u8]> {
        let named = record.request.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_slice()).collect()
    };
    assert_eq!(values("x-api-key"), [b""]);
    assert_eq!(values("x-consumer"), [b"ann"]);
    assert!(record.properties.contains_key("wasmx.modelgate.identity"));
}

#[test]
fn a_claim_of_the_client_that_came_twice_is_refused() {
    let mut gate = on_nginx(&json!({"identity_headers": {"consumer": "x-consumer"}}));
    let twice = [
        ("x-api-key", "ann-key"),
        ("x-consumer", "a"),
        ("x-consumer", "root"),
    ];
    let (at, _) = gate.begin(&request(&twice), false);
    let reply = gate.record(at).reply.unwrap();
    assert_eq!(reply.header("x-modelgate-reason"), Some("header_ambiguous"));
}

#[test]
fn a_key_in_the_query_would_go_on_and_is_refused() {
    let mut gate = on_nginx(&json!({}));
    let headers = [(":method", "GET"), (":path", "/v1/models?api_key=ann-key")];
    let (at, _) = gate.begin(&headers, false);
    assert_eq!(gate.record(at).reply.map(|reply| reply.status), Some(500));
}
