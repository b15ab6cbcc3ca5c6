//! What the filter does on nginx, where headers are emptied, bodies come after them, and nothing is
//! awaited.

use super::*;

fn on_nginx(config: &Value) -> TestGateway {
    let proxy = FakeProxy::nginx(1_000);
    proxy.preset("wasmx.modelgate.identity", ANN);
    TestGateway::open::<ConsumerAcl>(proxy, &config.to_string()).unwrap()
}

#[test]
fn rules_are_held_against_the_path_that_goes_to_the_upstream() {
    let what = json!({"paths": ["/v2/models/ok/infer"]});
    let config = rules(
        "first_match",
        &json!([{"id": "m", "effect": "allow", "what": what}]),
    );
    for (sent, shown, status) in [
        ("/v2/models/ok/infer", "/v2/models/ok/infer", None),
        (
            "/v2/models/secret%2f..%2fok/infer",
            "/v2/models/ok/infer",
            Some(400),
        ),
        (
            "/v2/models/secret/%2e%2e/ok/infer",
            "/v2/models/ok/infer",
            Some(400),
        ),
        (
            "/v2/models/secret/infer/../../ok/infer",
            "/v2/models/ok/infer",
            Some(400),
        ),
        ("/v2/models/ok%2finfer", "/v2/models/ok/infer", Some(400)),
        ("//v2/models/ok/infer", "/v2/models/ok/infer", Some(400)),
        (
            "/x%3f/../v2/models/ok/infer",
            "/v2/models/ok/infer",
            Some(400),
        ),
        (
            "/v2/models/secret/infer",
            "/v2/models/secret/infer",
            Some(403),
        ),
    ] {
        let mut gate = on_nginx(&config);
        gate.proxy().preset("request.path", sent);
        let (at, _) = gate.begin(&[(":method", "GET"), (":path", shown)], false);
        let reply = gate.record(at).reply.map(|reply| reply.status);
        assert_eq!(reply, status, "{sent}");
    }
}

#[test]
fn a_model_in_the_body_is_judged_when_the_body_is_here() {
    let with_body = [CHAT, &[("content-length", "19")]].concat();
    for (body, status) in [
        (&br#"{"model":"small-1"}"#[..], None),
        (br#"{"model":"large-1"}"#, Some(403)),
        (b"{", Some(400)),
    ] {
        let mut gate = on_nginx(&by_model());
        let (at, action) = gate.begin(&with_body, false);
        assert_eq!(action, Action::Continue);
        let action = gate.body(at, Side::Request, body, true);
        let reply = gate.record(at).reply.map(|reply| reply.status);
        assert_eq!(reply, status);
        assert_eq!(action == Action::Pause, status.is_some());
    }
    // Without a body there is no model: that is known at once.
    let mut gate = on_nginx(&by_model());
    let (at, action) = gate.begin(CHAT, false);
    assert_eq!(action, Action::Pause);
    assert_eq!(gate.record(at).reply.map(|reply| reply.status), Some(400));
}
