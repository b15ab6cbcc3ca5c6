//! Tests of the filter, on a proxy in memory.

mod memory;
mod nginx;
mod whatever_comes;

use modelgate_kit::facts::Limited;
use modelgate_kit::host::{Side, Status};
use modelgate_kit::testing::{FakeProxy, Record, TestGateway};
use modelgate_kit::vm::verdict::Action;
use serde_json::{Value, json};

use super::RateLimit;

const NOW: u64 = 1_795_248_000_000_000_000;
const SECOND: u64 = 1_000_000_000;
const ANN: &str = r#"{"consumer":"ann","credential":"ann-1","groups":["ml","dev"],"claims":{"tier":"gold","org":{"tenant":7}}}"#;
const BOB: &str = r#"{"consumer":"bob","credential":"bob-1","groups":["dev"]}"#;

fn gate(config: &Value) -> TestGateway {
    TestGateway::open::<RateLimit>(FakeProxy::new(NOW), &config.to_string())
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn one(policy: &Value) -> Value {
    json!({"policies": [policy], "buckets": {"count": 64}})
}

fn get<'a>(headers: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [(":method", "GET"), (":path", "/x")]
        .into_iter()
        .chain(headers.iter().copied())
        .collect()
}

/// Sends a request by this identity and lets the upstream answer; what was seen.
fn send(gate: &mut TestGateway, identity: Option<&str>, headers: &[(&str, &str)]) -> Record {
    gate.proxy()
        .preset("modelgate.identity", identity.unwrap_or(""));
    let (exchange, action) = gate.request(headers);
    let refused = gate.record(exchange).reply.is_some();
    assert_eq!(
        action,
        if refused {
            Action::Pause
        } else {
            Action::Continue
        }
    );
    if !refused {
        assert_eq!(
            gate.respond(exchange, &[(":status", "200")], true),
            Action::Continue
        );
    }
    gate.record(exchange)
}

fn status(gate: &mut TestGateway, identity: Option<&str>, headers: &[(&str, &str)]) -> u16 {
    send(gate, identity, headers)
        .reply
        .map_or(200, |reply| reply.status)
}

#[test]
fn without_policies_nothing_is_limited_and_nothing_is_told() {
    let mut gate = gate(&json!({}));
    for _ in 0..100 {
        let record = send(&mut gate, None, &get(&[]));
        assert_eq!((record.reply, record.response.len()), (None, 1));
    }
}

#[test]
fn a_consumer_has_a_burst_then_is_refused_until_units_grow_back() {
    let mut gate = gate(&one(
        &json!({"name": "per-consumer", "by": ["consumer"], "windows": [{"quota": 60, "window_s": 60, "burst": 2}]}),
    ));
    for left in ["1", "0"] {
        let record = send(&mut gate, Some(ANN), &get(&[]));
        assert_eq!(
            record.response_header("ratelimit-policy"),
            Some(r#""per-consumer";q=60;w=60;burst=2"#)
        );
        assert!(
            record
                .response_header("ratelimit")
                .unwrap()
                .starts_with(&format!(r#""per-consumer";r={left};t="#))
        );
    }
    let reply = send(&mut gate, Some(ANN), &get(&[])).reply.unwrap();
    assert_eq!(
        (
            reply.status,
            reply.header("retry-after"),
            reply.header("x-modelgate-reason")
        ),
        (429, Some("1"), Some("limit_exceeded"))
    );
    assert_eq!(reply.header("ratelimit"), Some(r#""per-consumer";r=0;t=2"#));
    let problem = reply.json();
    assert_eq!(
        problem["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    assert_eq!(problem["violated-policies"], json!(["per-consumer"]));
    assert_eq!(
        gate.proxy()
            .metric("modelgate.rate_limit.policy_per_consumer.limited"),
        1
    );
    assert_eq!(
        status(&mut gate, Some(BOB), &get(&[])),
        200,
        "another consumer has another bucket"
    );
    gate.proxy().pass_ns(SECOND);
    assert_eq!(status(&mut gate, Some(ANN), &get(&[])), 200);
    assert_eq!(status(&mut gate, Some(ANN), &get(&[])), 429);
}

#[test]
fn a_request_takes_from_all_windows_and_policies_or_from_none() {
    let mut gate = gate(&json!({"buckets": {"count": 64}, "policies": [
        {"name": "team", "by": ["group"], "windows": [{"quota": 100, "window_s": 60}, {"quota": 1000, "window_s": 3600}]},
        {"name": "own", "by": ["consumer"], "windows": [{"quota": 1, "window_s": 60}]},
    ]}));
    let record = send(&mut gate, Some(ANN), &get(&[]));
    assert_eq!(
        record.response_header("ratelimit-policy"),
        Some(r#""team-60s";q=100;w=60, "team-3600s";q=1000;w=3600, "own";q=1;w=60"#)
    );
    for _ in 0..3 {
        let reply = send(&mut gate, Some(ANN), &get(&[])).reply.unwrap();
        assert_eq!(
            reply.header("ratelimit"),
            Some(r#""team-60s";r=99;t=1, "team-3600s";r=999;t=4, "own";r=0;t=60"#)
        );
        assert_eq!(reply.json()["violated-policies"], json!(["own"]));
        assert_eq!(reply.header("retry-after"), Some("60"));
    }
}

#[test]
fn workers_share_buckets_and_a_proxy_never_admits_more_than_the_burst() {
    let config =
        one(&json!({"name": "all", "windows": [{"quota": 10, "window_s": 60}]})).to_string();
    let proxy = FakeProxy::new(NOW);
    let mut workers: Vec<TestGateway> = [proxy.beside(), proxy.beside(), proxy]
        .into_iter()
        .map(|proxy| TestGateway::open::<RateLimit>(proxy, &config).unwrap())
        .collect();
    let admitted = (0..30)
        .filter(|at| status(&mut workers[at % 3], None, &get(&[])) == 200)
        .count();
    assert_eq!(admitted, 10);
}

#[test]
fn another_profile_does_not_give_another_bucket() {
    let config = json!({"policies": [{"name": "all", "windows": [{"quota": 1, "window_s": 60}]}], "profiles": {"other": {"headers": "off"}}});
    let mut gate = gate(&config);
    assert_eq!(status(&mut gate, None, &get(&[])), 200);
    gate.proxy().preset(
        "xds.route_metadata.filter_metadata.modelgate.profile",
        "other",
    );
    assert_eq!(status(&mut gate, None, &get(&[])), 429);
}

#[test]
fn each_part_of_a_key_tells_buckets_apart() {
    let route = |name: &'static str| ("xds.route_name", name);
    let address = |name: &'static str| ("source.address", name);
    for (by, first, second) in [
        (
            json!("credential"),
            (Some(ANN), route("r"), get(&[])),
            (Some(BOB), route("r"), get(&[])),
        ),
        (
            json!("group"),
            (Some(ANN), route("r"), get(&[])),
            (Some(BOB), route("r"), get(&[])),
        ),
        (
            json!({"group_of": ["dev", "ml"]}),
            (Some(ANN), route("r"), get(&[])),
            (Some(r#"{"groups":["ml"]}"#), route("r"), get(&[])),
        ),
        (
            json!({"claim": "/org/tenant"}),
            (Some(ANN), route("r"), get(&[])),
            (
                Some(r#"{"claims":{"org":{"tenant":8}}}"#),
                route("r"),
                get(&[]),
            ),
        ),
        (
            json!({"header": "X-Tenant"}),
            (None, route("r"), get(&[("x-tenant", "a")])),
            (None, route("r"), get(&[("x-tenant", "b")])),
        ),
        (
            json!("route"),
            (None, route("a"), get(&[])),
            (None, route("b"), get(&[])),
        ),
        (
            json!("ip"),
            (None, address("10.0.0.1:1"), get(&[])),
            (None, address("10.0.0.2:1"), get(&[])),
        ),
        (
            json!("method"),
            (None, route("r"), get(&[])),
            (None, route("r"), vec![(":method", "HEAD"), (":path", "/x")]),
        ),
        (
            json!("model"),
            (
                None,
                route("r"),
                vec![(":method", "POST"), (":path", "/v2/models/a/infer")],
            ),
            (
                None,
                route("r"),
                vec![(":method", "POST"), (":path", "/v2/models/b/infer")],
            ),
        ),
        (
            json!("operation"),
            (
                None,
                route("r"),
                vec![(":method", "POST"), (":path", "/v2/models/a/infer")],
            ),
            (
                None,
                route("r"),
                vec![(":method", "GET"), (":path", "/v2/models/a")],
            ),
        ),
    ] {
        let mut gate = gate(&one(
            &json!({"name": "p", "by": [by], "windows": [{"quota": 1, "window_s": 60}]}),
        ));
        for (identity, (property, value), headers) in [&first, &second] {
            gate.proxy().preset(property, value);
            assert_eq!(status(&mut gate, *identity, headers), 200, "{by}");
            assert_eq!(status(&mut gate, *identity, headers), 429, "{by}");
        }
    }
}

#[test]
fn clients_of_one_ipv6_network_share_a_bucket() {
    let mut gate = gate(&one(
        &json!({"name": "p", "by": ["ip"], "windows": [{"quota": 1, "window_s": 60}]}),
    ));
    for (address, expected) in [
        ("[2001:db8::1]:1", 200),
        ("[2001:db8::ffff]:2", 429),
        ("[2001:db8:0:1::1]:1", 200),
    ] {
        gate.proxy().preset("source.address", address);
        assert_eq!(
            status(&mut gate, None, &get(&[("x-forwarded-for", "9.9.9.9")])),
            expected,
            "{address}"
        );
    }
}

#[test]
fn a_forwarded_address_counts_only_where_hops_are_trusted() {
    let mut config =
        one(&json!({"name": "p", "by": ["ip"], "windows": [{"quota": 1, "window_s": 60}]}));
    config["client_ip"] = json!({"trusted_hops": 1});
    let mut gate = gate(&config);
    assert_eq!(
        status(
            &mut gate,
            None,
            &get(&[("x-forwarded-for", "6.6.6.6, 1.1.1.1")])
        ),
        200
    );
    assert_eq!(
        status(
            &mut gate,
            None,
            &get(&[("x-forwarded-for", "7.7.7.7, 1.1.1.1")])
        ),
        429,
        "the left entry is the client's own invention"
    );
    assert_eq!(
        status(
            &mut gate,
            None,
            &get(&[("x-forwarded-for", "1.1.1.1, 2.2.2.2")])
        ),
        200
    );
    assert_eq!(status(&mut gate, None, &get(&[])), 403);
}

#[test]
fn a_missing_key_is_refused_shared_or_skipped_as_configured() {
    for (choice, statuses) in [
        ("deny", [403, 403]),
        ("shared", [200, 429]),
        ("skip", [200, 200]),
    ] {
        let mut gate = gate(&one(
            &json!({"name": "p", "by": ["consumer"], "on_missing": choice, "windows": [{"quota": 1, "window_s": 60}]}),
        ));
        for expected in statuses {
            assert_eq!(
                status(&mut gate, None, &get(&[("x-consumer", "ann")])),
                expected,
                "{choice}"
            );
        }
    }
}

#[test]
fn a_header_sent_twice_is_no_key() {
    let mut gate = gate(&one(
        &json!({"name": "p", "by": [{"header": "x-tenant"}], "windows": [{"quota": 1, "window_s": 60}]}),
    ));
    let reply = send(
        &mut gate,
        None,
        &get(&[("x-tenant", "a"), ("x-tenant", "b")]),
    )
    .reply
    .unwrap();
    assert_eq!(
        reply.header("x-modelgate-reason"),
        Some("limit_key_missing")
    );
}

#[test]
fn tiers_give_other_windows_or_exempt() {
    let policy = json!({"name": "p", "by": ["consumer"], "windows": [{"quota": 1, "window_s": 60}], "tiers": [
        {"who": {"groups": {"any_of": ["ops"]}}, "effect": "exempt"},
        {"who": {"claims": [{"claim": "tier", "any_of": ["gold"]}]}, "windows": [{"quota": 3, "window_s": 60}, {"quota": 4, "window_s": 3600}]},
    ]});
    let mut gate = gate(&one(&policy));
    let admitted = |gate: &mut TestGateway, identity: &str| {
        (0..10)
            .filter(|_| status(gate, Some(identity), &get(&[])) == 200)
            .count()
    };
    assert_eq!(admitted(&mut gate, BOB), 1);
    assert_eq!(admitted(&mut gate, ANN), 3);
    assert_eq!(
        admitted(&mut gate, r#"{"consumer":"eve","groups":["ops"]}"#),
        10
    );
}

#[test]
fn a_policy_applies_only_to_what_it_says() {
    let policy = json!({"name": "p", "what": {"operations": ["infer"], "models": ["big-*"]}, "windows": [{"quota": 1, "window_s": 60}]});
    let mut gate = gate(&one(&policy));
    let infer = |model: &str| format!("/v2/models/{model}/infer");
    for (path, expected) in [
        (infer("big-1"), [200, 429]),
        (infer("small"), [200, 200]),
        ("/v2/health/live".to_owned(), [200, 200]),
    ] {
        for expected in expected {
            let method = if path.ends_with("infer") {
                "POST"
            } else {
                "GET"
            };
            assert_eq!(
                status(&mut gate, None, &[(":method", method), (":path", &path)]),
                expected,
                "{path}"
            );
        }
    }
}

#[test]
fn the_model_in_the_body_is_the_key() {
    let mut gate = gate(&one(
        &json!({"name": "p", "by": ["model"], "windows": [{"quota": 1, "window_s": 60}]}),
    ));
    let chat = [(":method", "POST"), (":path", "/v1/chat/completions")];
    for (body, expected) in [
        (r#"{"model":"a"}"#, None),
        (r#"{"model":"b"}"#, None),
        (r#"{"model":"a"}"#, Some(429)),
        (r#"{"model":1}"#, Some(400)),
    ] {
        let (exchange, action) = gate.begin(&chat, false);
        assert_eq!(action, Action::Pause);
        gate.body(exchange, Side::Request, body.as_bytes(), true);
        assert_eq!(
            gate.record(exchange).reply.map(|reply| reply.status),
            expected,
            "{body}"
        );
    }
}

#[test]
fn headers_are_told_in_the_form_that_is_wanted() {
    let policy = json!({"name": "p", "windows": [{"quota": 5, "window_s": 60}]});
    for (form, draft, old) in [
        ("draft", true, false),
        ("legacy", false, true),
        ("both", true, true),
        ("off", false, false),
    ] {
        let mut config = one(&policy);
        config["headers"] = json!(form);
        let mut gate = gate(&config);
        let record = send(&mut gate, None, &get(&[]));
        assert_eq!(
            record.response_header("ratelimit"),
            draft.then_some(r#""p";r=4;t=12"#),
            "{form}"
        );
        assert_eq!(
            record.response_header("x-ratelimit-limit"),
            old.then_some("5")
        );
        assert_eq!(
            record.response_header("x-ratelimit-remaining"),
            old.then_some("4")
        );
        assert_eq!(
            record.response_header("x-ratelimit-reset"),
            old.then_some("12")
        );
    }
}

#[test]
fn jitter_only_lengthens_the_wait() {
    let mut config = one(&json!({"name": "p", "windows": [{"quota": 1, "window_s": 10}]}));
    config["retry_after_jitter_s"] = json!(5);
    let mut gate = gate(&config);
    send(&mut gate, None, &get(&[]));
    let waits: Vec<u64> = (0..50)
        .map(|_| {
            send(&mut gate, None, &get(&[]))
                .reply
                .unwrap()
                .header("retry-after")
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    assert!(
        waits.iter().all(|wait| (10..=15).contains(wait)),
        "{waits:?}"
    );
    assert!(waits.iter().any(|wait| *wait != waits[0]));
}

#[test]
fn shadow_mode_lets_everything_pass_and_counts() {
    let mut config =
        one(&json!({"name": "p", "by": ["consumer"], "windows": [{"quota": 1, "window_s": 60}]}));
    config["mode"] = json!("shadow");
    let mut gate = gate(&config);
    for _ in 0..3 {
        let record = send(&mut gate, Some(ANN), &get(&[]));
        assert_eq!(
            (record.reply, record.response.len()),
            (None, 1),
            "clients learn nothing of limits that are only tried"
        );
    }
    assert_eq!(gate.proxy().metric("modelgate.rate_limit.shadow_denied"), 2);
    assert_eq!(status(&mut gate, None, &get(&[])), 200, "a missing key too");
}

#[test]
fn the_tightest_window_is_left_as_a_fact() {
    let mut gate = gate(&one(
        &json!({"name": "p", "windows": [{"quota": 100, "window_s": 60}, {"quota": 3, "window_s": 1}]}),
    ));
    let (exchange, _) = gate.request(&get(&[]));
    let fact: Limited = gate.fact(exchange).unwrap();
    assert_eq!(
        (fact.policy.as_str(), fact.remaining, fact.shadow),
        ("p-1s", 2, false)
    );
}

#[test]
fn each_decision_is_a_line_where_the_environment_says_so() {
    let config = one(&json!({"name": "p", "windows": [{"quota": 1, "window_s": 60}]}));
    for (value, lines) in [
        ("", &[][..]),
        (
            "decisions",
            &[
                "rate_limit: request 9f2c-1 allowed",
                "rate_limit: request 9f2c-2 denied: limit_exceeded (429)",
                "rate_limit: request - denied: limit_exceeded (429)",
            ],
        ),
    ] {
        let proxy = FakeProxy::new(NOW);
        proxy.set_environment("MODELGATE_LOG", value);
        let mut gate = TestGateway::open::<RateLimit>(proxy, &config.to_string()).unwrap();
        for id in ["9f2c-1", "9f2c-2", "forged by a client"] {
            send(&mut gate, None, &get(&[("x-request-id", id)]));
        }
        assert_eq!(gate.proxy().logs(), lines);
    }
}

#[test]
fn slots_are_made_before_the_first_request_and_never_after() {
    let mut gate = gate(&one(
        &json!({"name": "p", "by": [{"header": "x"}], "windows": [{"quota": 1, "window_s": 60}]}),
    ));
    let before = gate.proxy().shared_keys();
    assert_eq!(before.len(), 64 / 32 + 1, "the slots and the seed");
    for caller in 0..500 {
        send(&mut gate, None, &get(&[("x", &caller.to_string())]));
    }
    assert_eq!(gate.proxy().shared_keys(), before);
    let metric = |name: &str| gate.proxy().metric(&format!("modelgate.rate_limit.{name}"));
    assert_eq!(metric("allowed") + metric("crowded"), 500);
    assert!(metric("crowded") > 300 && metric("evicted") > 0);
}

#[test]
fn every_problem_of_a_configuration_is_said_at_once() {
    let config = json!({"headers": "x", "buckets": {"count": 1, "shared_as": "a b"}, "policies": [
        {"name": "A", "windows": [{"quota": 1, "window_s": 1}]},
        {"name": "a", "windows": []},
        {"name": "b", "windows": [{"quota": 1_000_001_000, "window_s": 1}, {"quota": 1, "window_s": 31_622_400, "burst": 1_000_000}], "by": [{"claim": ""}]},
        {"name": "b", "windows": [{"quota": 5, "window_s": 60}, {"quota": 6, "window_s": 60}]},
        {"name": "c", "cost": 6, "windows": [{"quota": 5, "window_s": 60}], "tiers": [{"who": {}, "effect": "exempt", "windows": [{"quota": 9, "window_s": 1}]}]},
    ]});
    let logs = TestGateway::open::<RateLimit>(FakeProxy::new(NOW), &config.to_string())
        .err()
        .unwrap()
        .join("\n");
    for path in [
        "headers",
        "buckets.count",
        "buckets.shared_as",
        "policies[0].name",
        "policies[1].windows",
        "policies[2].windows[0].quota",
        "policies[2].windows[1].burst",
        "policies[2].by[0].claim",
        "policies[3].name",
        "policies[3].windows[1].window_s",
        "policies[4].windows[0].burst",
        "policies[4].tiers[0].windows",
    ] {
        assert!(
            logs.contains(&format!(": {path}: ")),
            "{path} is missing in\n{logs}"
        );
    }
}
