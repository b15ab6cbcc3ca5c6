//! The whole filter on a proxy in memory: what only many requests, several workers or a broken host
//! show.

use std::collections::BTreeMap;
use std::rc::Rc;

use modelgate_kit::facts::{Identity, ModelCall, Routed};
use modelgate_kit::host::{Host as _, Side, Status};
use modelgate_kit::testing::{FakeProxy, Record, TestGateway};
use serde_json::{Value, json};

use super::ModelRoute;

/// 2026-01-01.
const NOW: u64 = 1_767_225_600_000_000_000;
const S: u64 = 1_000_000_000;

fn canary(stable: u64, share: u64) -> Value {
    json!({"models": [{
        "name": "m",
        "sticky_by": ["consumer"],
        "targets": [
            {"tag": "stable", "weight": stable, "backend": "a"},
            {"tag": "canary", "weight": share, "backend": "b"}
        ],
        "rollback": {"to": "stable", "minimum": 20, "errors_per_1000": 100, "back_after_s": 120, "trial_requests": 5}
    }]})
}

fn open(proxy: Rc<FakeProxy>, config: &Value) -> TestGateway {
    TestGateway::open::<ModelRoute>(proxy, &config.to_string()).unwrap()
}

const INFER: [(&str, &str); 4] = [
    (":method", "POST"),
    (":path", "/v2/models/m/infer"),
    (":authority", "gateway.test"),
    ("content-type", "application/json"),
];

fn is(consumer: &str) -> Vec<u8> {
    let identity = Identity {
        consumer: consumer.to_owned(),
        ..Identity::default()
    };
    serde_json::to_vec(&identity).unwrap()
}

/// A request of a consumer that is answered with this status, and where it went.
fn send(gate: &mut TestGateway, consumer: &str, status: &str) -> Record {
    gate.proxy().preset("modelgate.identity", is(consumer));
    let (at, _) = gate.request(&INFER);
    if gate.record(at).reply.is_none() {
        gate.respond(at, &[(":status", status)], true);
    }
    let record = gate.record(at);
    gate.end(at);
    record
}

fn backend(record: &Record) -> &str {
    record.request_header("x-modelgate-backend").unwrap()
}

#[test]
fn a_hundred_thousand_requests_are_split_ninety_to_ten_and_every_consumer_is_sticky() {
    let mut gate = open(FakeProxy::new(NOW), &canary(90, 10));
    let mut of: BTreeMap<String, String> = BTreeMap::new();
    let mut to_canary = 0_u32;
    for number in 0..100_000_u32 {
        let consumer = format!("consumer-{}", number % 25_000);
        let record = send(&mut gate, &consumer, "200");
        let backend = backend(&record).to_owned();
        to_canary += u32::from(backend == "b");
        let before = of.entry(consumer).or_insert_with(|| backend.clone());
        assert_eq!(*before, backend);
    }
    // Requests of one consumer are not independent: what is drawn is the consumers.
    let consumers = of.values().filter(|backend| *backend == "b").count();
    let error = (25_000.0_f64 * 0.1 * 0.9).sqrt();
    let off = (consumers as f64 - 2_500.0).abs();
    assert!(
        off <= 3.0 * error,
        "{consumers} of 25,000, {to_canary} of 100,000"
    );
    assert_eq!(to_canary as usize, consumers * 4);
}

#[test]
fn requests_without_a_key_are_split_one_by_one() {
    let config = json!({"models": [{"name": "m", "targets": [
        {"tag": "stable", "weight": 90, "backend": "a"}, {"tag": "canary", "weight": 10, "backend": "b"}
    ]}]});
    let mut gate = open(FakeProxy::new(NOW), &config);
    let mut count = 0;
    for number in 0..10_000_u64 {
        gate.proxy()
            .always_draw(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        count += u32::from(backend(&send(&mut gate, "ann", "200")) == "b");
    }
    assert!((910..1_090).contains(&count), "{count}");
}

#[test]
fn two_gateways_agree_without_talking_and_a_ramp_moves_consumers_one_way() {
    let mut one = open(FakeProxy::new(NOW), &canary(90, 10));
    let mut other = open(FakeProxy::new(NOW + 77 * S), &canary(9, 1));
    let mut ramped = open(FakeProxy::new(NOW), &canary(80, 20));
    let (mut moved, mut stayed) = (0, 0);
    for number in 0..5_000 {
        let consumer = format!("c{number}");
        let before = backend(&send(&mut one, &consumer, "200")).to_owned();
        assert_eq!(before, backend(&send(&mut other, &consumer, "200")));
        let after = backend(&send(&mut ramped, &consumer, "200")).to_owned();
        match (before.as_str(), after.as_str()) {
            ("a", "b") => moved += 1,
            ("b", "a") => panic!("{consumer} went back"),
            _ => stayed += 1,
        }
    }
    assert!(
        (420..580).contains(&moved) && moved + stayed == 5_000,
        "{moved}"
    );
}

#[test]
fn a_failing_version_is_taken_out_for_all_workers_and_nobody_else_moves() {
    let proxy = FakeProxy::new(NOW);
    let beside = proxy.beside();
    let mut workers = [
        open(Rc::clone(&proxy), &canary(50, 50)),
        open(beside, &canary(50, 50)),
    ];
    let consumers: Vec<String> = (0..200).map(|number| format!("c{number}")).collect();
    let mut before = BTreeMap::new();
    for consumer in &consumers {
        before.insert(
            consumer,
            backend(&send(&mut workers[0], consumer, "200")).to_owned(),
        );
    }
    let mut failed = 0;
    for (at, consumer) in consumers.iter().cycle().take(2_000).enumerate() {
        let worker = &mut workers[at % 2];
        // From now on the canary fails.
        worker.proxy().preset("modelgate.identity", is(consumer));
        let (context, _) = worker.request(&INFER);
        let to = backend(&worker.record(context)).to_owned();
        let status = if to == "b" { "500" } else { "200" };
        failed += u32::from(to == "b");
        worker.respond(context, &[(":status", status)], true);
        worker.end(context);
        if before[consumer] == "a" {
            assert_eq!(to, "a", "{consumer} suffers for others");
        }
    }
    // About 100 good answers of the canary were in the window: a tenth of all may fail.
    assert!((8..=25).contains(&failed), "{failed}");
    assert_eq!(
        proxy.metric("modelgate.model_route.name_m.target_canary.state"),
        2
    );
    assert_eq!(
        proxy.metric("modelgate.model_route.name_m.target_canary.taken_out"),
        1
    );
    // Tried again after two minutes, by five requests and no more; then all are back.
    proxy.pass_ns(121 * S);
    let mut tried = 0;
    let on_canary = |consumer: &&String| before[*consumer] == "b";
    for consumer in consumers.iter().filter(on_canary).take(20) {
        workers[1]
            .proxy()
            .preset("modelgate.identity", is(consumer));
        let (context, _) = workers[1].request(&INFER);
        tried += u32::from(backend(&workers[1].record(context)) == "b");
    }
    assert_eq!(tried, 5);
}

#[test]
fn where_outcomes_cannot_be_counted_the_weights_count() {
    let proxy = FakeProxy::new(NOW);
    let mut gate = open(Rc::clone(&proxy), &canary(0, 1));
    proxy.break_shared_data(Some(Status::InternalFailure));
    for _ in 0..100 {
        assert_eq!(backend(&send(&mut gate, "ann", "500")), "b");
    }
    assert_eq!(proxy.metric("modelgate.model_route.uncounted"), 200);
    proxy.break_shared_data(None);
    proxy.contend(true);
    for _ in 0..100 {
        assert_eq!(backend(&send(&mut gate, "ann", "500")), "b");
    }
    proxy.contend(false);
    for _ in 0..20 {
        assert_eq!(backend(&send(&mut gate, "ann", "500")), "b");
    }
    assert_eq!(backend(&send(&mut gate, "ann", "500")), "a");
}

#[test]
fn keys_in_shared_data_are_as_many_as_targets_whatever_clients_send() {
    let config = json!({"models": [{
        "name": "*", "targets": [{"tag": "a", "backend": "a"}, {"tag": "b", "backend": "b"}], "rollback": {}
    }]});
    let proxy = FakeProxy::new(NOW);
    let mut gate = open(Rc::clone(&proxy), &config);
    for number in 0..200 {
        let path = format!("/v2/models/m{number}/infer");
        let mut request = INFER;
        request[1].1 = &path;
        let (at, _) = gate.request(&request);
        gate.respond(at, &[(":status", "200")], true);
        gate.end(at);
    }
    assert_eq!(proxy.shared_keys().len(), 2, "{:?}", proxy.shared_keys());
}

#[test]
fn a_garbled_state_is_as_none() {
    let proxy = FakeProxy::new(NOW);
    let mut gate = open(Rc::clone(&proxy), &canary(0, 1));
    send(&mut gate, "ann", "500");
    let key = proxy.shared_keys().remove(0);
    modelgate_kit::host::Host::set_shared(&*proxy, &key, b"nonsense", 0).unwrap();
    for _ in 0..20 {
        assert_eq!(backend(&send(&mut gate, "ann", "500")), "b");
    }
    assert_eq!(backend(&send(&mut gate, "ann", "500")), "a");
}

#[test]
fn what_testers_and_the_pin_see_fail_takes_nothing_out() {
    let mut config = canary(1, 0);
    config["models"][0]["overrides"] =
        json!([{"who": {"consumers": ["tess"]}, "target": "canary"}]);
    let proxy = FakeProxy::new(NOW);
    let mut gate = open(Rc::clone(&proxy), &config);
    for _ in 0..50 {
        assert_eq!(backend(&send(&mut gate, "tess", "500")), "b");
    }
    config["models"][0]["pin"] = json!("canary");
    let mut pinned = open(proxy.beside(), &config);
    for _ in 0..50 {
        assert_eq!(backend(&send(&mut pinned, "ann", "500")), "b");
    }
    assert_eq!(
        proxy.metric("modelgate.model_route.name_m.target_canary.errors"),
        100
    );
    assert_eq!(
        proxy.metric("modelgate.model_route.name_m.target_canary.taken_out"),
        0
    );
    assert!(proxy.shared_keys().is_empty());
}

#[test]
fn the_refusal_of_a_later_filter_is_no_failure_of_the_model() {
    let proxy = FakeProxy::new(NOW);
    let mut gate = open(Rc::clone(&proxy), &canary(0, 1));
    let refusal = [
        (":status", "503"),
        ("x-modelgate-reason", "audit_unavailable"),
    ];
    let denied = r#"{"filter":"later","reason":"audit_unavailable","status":503}"#;
    proxy.preset("modelgate.denied", denied);
    for number in 0..60 {
        if number == 40 {
            // A gateway behind ours may say so of itself: that is the model's failure.
            proxy.forget("modelgate.denied");
        }
        let (at, _) = gate.request(&INFER);
        gate.respond(at, &refusal, true);
        let lineage = gate
            .record(at)
            .response_header("x-modelgate-model")
            .is_some();
        assert_eq!(lineage, number >= 40, "{number}");
        gate.end(at);
    }
    assert_eq!(
        proxy.metric("modelgate.model_route.name_m.target_canary.errors"),
        20
    );
    assert_eq!(
        proxy.metric("modelgate.model_route.name_m.target_canary.taken_out"),
        1
    );
}

#[test]
fn facts_say_where_a_request_went() {
    let config = json!({"models": [{"name": "m", "targets": [
        {"tag": "t", "backend": "a", "model": "forest", "version": "4"}
    ]}]});
    let mut gate = open(FakeProxy::new(NOW), &config);
    let (at, _) = gate.request(&INFER);
    let routed = Routed {
        name: "m".to_owned(),
        target: "t".to_owned(),
        backend: "a".to_owned(),
        model: "forest".to_owned(),
        version: "4".to_owned(),
        why: "split".to_owned(),
    };
    let call = gate.fact::<ModelCall>(at).unwrap();
    assert_eq!(
        (call.model.as_str(), call.route),
        ("m", Some(Box::new(routed)))
    );
    let path = gate.record(at).request_header(":path").map(str::to_owned);
    assert_eq!(path.as_deref(), Some("/v2/models/forest/versions/4/infer"));
}

#[test]
fn a_proxy_that_takes_no_other_path_is_told_in_the_body_or_not_at_all() {
    let config =
        json!({"models": [{"name": "m", "targets": [{"tag": "t", "backend": "a", "model": "n"}]}]});
    let mut gate = open(FakeProxy::nginx(NOW), &config);
    let (at, _) = gate.request(&INFER);
    let reply = gate.record(at).reply.expect("nginx takes no path");
    assert_eq!(
        reply.header("x-modelgate-reason"),
        Some("route_inexpressible")
    );
    let body = br#"{"model":"m"}"#;
    let chat = [
        (":method", "POST"),
        (":path", "/v1/chat/completions"),
        (":authority", "gateway.test"),
        ("content-type", "application/json"),
        ("content-length", "13"),
    ];
    let (at, _) = gate.begin(&chat, false);
    gate.body(at, Side::Request, body, true);
    let record = gate.record(at);
    assert_eq!(record.passed.request, br#"{"model":"n"}"#);
    assert_eq!(backend(&record), "a");
}

/// A gateway with one model that gRPC's calls are for, and the target that counts.
fn called(proxy: Rc<FakeProxy>) -> TestGateway {
    let config = json!({"models": [{
        "name": "m",
        "paths": ["/inference.GRPCInferenceService/**"],
        "targets": [{"tag": "canary", "backend": "b"}],
        "rollback": {"of": ["canary"], "error_statuses": [429]}
    }]});
    open(proxy, &config)
}

/// A call of this content type.
fn call(kind: &str) -> [(&str, &str); 4] {
    [
        (":method", "POST"),
        (":path", "/inference.GRPCInferenceService/ModelInfer"),
        (":authority", "gateway.test"),
        ("content-type", kind),
    ]
}

/// Errors that were counted of the target, and requests that its circuit knows.
fn counted(gate: &TestGateway) -> (i64, u32) {
    let errors = "modelgate.model_route.name_m.target_canary.errors";
    let proxy = gate.proxy();
    let key = proxy.shared_keys().pop().unwrap_or_default();
    let record = proxy.shared(&key).ok();
    let record =
        record.and_then(|(bytes, _): (Vec<u8>, u32)| crate::circuit::Record::decode(&bytes));
    let rules = crate::circuit::Rules {
        errors: 0,
        slow: None,
        window_ns: 60 * S,
        minimum: 1,
        back_after_ns: None,
        trial: 1,
    };
    let all = record.map(|record| record.window(&rules, proxy.now_ns()).0);
    (proxy.metric(errors), all.unwrap_or_default())
}

#[test]
fn an_error_of_grpc_counts_as_what_it_stands_for() {
    const HEAD: (&str, &str) = (":status", "200");
    let errors_of = |kind: &str, code: &str| {
        // The answer is nothing else, or the status stands behind messages.
        let mut gate = called(FakeProxy::new(NOW));
        let (at, _) = gate.request(&call(kind));
        gate.respond(at, &[HEAD, ("grpc-status", code)], true);
        gate.end(at);
        let alone = counted(&gate);
        let mut gate = called(FakeProxy::new(NOW));
        let (at, _) = gate.request(&call(kind));
        gate.respond(at, &[HEAD], false);
        assert_eq!(counted(&gate), (0, 0));
        gate.respond_trailers(at, &[("grpc-status", code)]);
        gate.end(at);
        assert_eq!(counted(&gate), alone);
        assert_eq!(alone.1, 1);
        alone.0
    };
    for code in ["2", "4", "8", "12", "13", "14", "15", " 14 "] {
        assert_eq!(errors_of("application/grpc", code), 1, "{code}");
    }
    for code in [
        "0", "1", "3", "5", "7", "16", "", "-1", "260", "14 14", "\u{ff11}",
    ] {
        assert_eq!(errors_of("application/grpc+proto", code), 0, "{code}");
    }
    assert_eq!(errors_of("application/json", "14"), 0);
}

#[test]
fn an_answer_that_breaks_off_is_one_error() {
    let ended = |kind: &str, status: &str, details: &str| {
        let proxy = FakeProxy::new(NOW);
        proxy.preset("response.code_details", details);
        let mut gate = called(proxy);
        let (at, _) = gate.request(&call(kind));
        gate.respond(at, &[(":status", status)], false);
        gate.body(at, Side::Response, b"part", false);
        gate.end(at);
        counted(&gate)
    };
    let reset = "upstream_reset_after_response_started{connection_termination}";
    for kind in ["application/json", "application/grpc"] {
        for details in [
            reset,
            "response_timeout",
            "upstream_max_stream_duration_reached",
        ] {
            assert_eq!(ended(kind, "200", details), (1, 1), "{kind}, {details}");
        }
        // What has its error in its head counts once, and what others do not at all.
        assert_eq!(ended(kind, "502", reset), (1, 1), "{kind}");
        for details in [
            "via_upstream",
            "downstream_remote_disconnect",
            "http2.remote_reset",
            "stream_idle_timeout",
            "",
        ] {
            assert_eq!(ended(kind, "200", details), (0, 1), "{kind}, {details}");
        }
    }
}

#[test]
fn where_the_proxy_does_not_tell_how_an_answer_ends_its_head_counts() {
    let config = json!({"models": [{
        "name": "m",
        "targets": [{"tag": "canary", "backend": "b"}],
        "rollback": {"of": ["canary"]}
    }]});
    let mut gate = open(FakeProxy::nginx(NOW), &config);
    let (at, _) = gate.request(&INFER);
    gate.respond(at, &[(":status", "200")], false);
    assert_eq!(counted(&gate), (0, 1));
    gate.end(at);
    assert_eq!(counted(&gate), (0, 1));
}
