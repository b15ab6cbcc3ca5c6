//! Tests of the filter, on a proxy in memory.

mod nginx;

use modelgate_kit::facts::{Decision, ModelCall};
use modelgate_kit::host::Side;
use modelgate_kit::testing::{FakeProxy, TestGateway};
use modelgate_kit::vm::verdict::Action;
use serde_json::{Value, json};

use super::ConsumerAcl;

const ANN: &str = r#"{"consumer":"ann","method":"key","groups":["ml"],"claims":{"tenant":"acme"}}"#;

fn gate(config: &Value, identity: Option<&str>) -> TestGateway {
    let proxy = FakeProxy::new(1_000);
    if let Some(identity) = identity {
        proxy.preset("modelgate.identity", identity);
    }
    TestGateway::open::<ConsumerAcl>(proxy, &config.to_string())
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The reason of the refusal, or "" for a request that passed.
fn reason(gate: &mut TestGateway, method: &str, path: &str) -> String {
    let (exchange, action) = gate.request(&[(":method", method), (":path", path)]);
    let record = gate.record(exchange);
    assert_eq!(record.reply.is_some(), action == Action::Pause);
    record.reply.map_or_else(String::new, |reply| {
        reply.header("x-modelgate-reason").unwrap().to_owned()
    })
}

fn rules(combine: &str, rules: &Value) -> Value {
    json!({"combine": combine, "rules": rules})
}

#[test]
fn without_rules_everything_is_denied() {
    assert_eq!(
        reason(&mut gate(&json!({}), Some(ANN)), "GET", "/x"),
        "access_denied"
    );
    assert_eq!(
        reason(&mut gate(&json!({}), None), "GET", "/x"),
        "access_denied",
        "authenticating would not help"
    );
}

#[test]
fn a_rule_that_fits_allows_and_its_id_is_in_the_fact() {
    let mut gate = gate(
        &json!({"rules": [{"id": "ml-infers", "effect": "allow", "who": {"groups": {"any_of": ["ml"]}}, "what": {"models": ["fraud-*"], "operations": ["infer"]}}]}),
        Some(ANN),
    );
    let (exchange, action) = gate.request(&[
        (":method", "POST"),
        (":path", "/v2/models/fraud-eu/versions/3/infer"),
    ]);
    assert_eq!(action, Action::Continue);
    let decision: Decision = gate.fact(exchange).unwrap();
    assert_eq!(
        (
            decision.filter.as_str(),
            decision.effect.as_str(),
            decision.rule.as_str(),
            decision.shadow
        ),
        ("consumer_acl", "allow", "ml-infers", false)
    );
    let call: ModelCall = gate.fact(exchange).unwrap();
    assert_eq!(
        (call.model.as_str(), call.version.as_str()),
        ("fraud-eu", "3")
    );
    assert_eq!(
        gate.proxy()
            .metric("modelgate.consumer_acl.rule_ml_infers.decided"),
        1
    );
    assert_eq!(
        reason(&mut gate, "POST", "/v2/models/churn/infer"),
        "access_denied"
    );
    assert_eq!(
        reason(&mut gate, "GET", "/v2/models/fraud-eu"),
        "access_denied"
    );
}

#[test]
fn identity_comes_from_the_fact_and_never_from_a_header() {
    let mut gate = gate(
        &json!({"rules": [{"id": "ann", "effect": "allow", "who": {"consumers": ["ann"]}}]}),
        None,
    );
    let (exchange, _) = gate.request(&[
        (":method", "GET"),
        (":path", "/x"),
        ("modelgate.identity", ANN),
        ("x-consumer", "ann"),
        ("x-modelgate-facts", ANN),
    ]);
    assert_eq!(gate.record(exchange).reply.unwrap().status, 401);
}

#[test]
fn denying_overrides_whatever_the_order() {
    let allow = json!({"id": "all", "effect": "allow"});
    let deny = json!({"id": "no-delete", "effect": "deny", "what": {"methods": ["DELETE"]}});
    for order in [[&allow, &deny], [&deny, &allow]] {
        let mut gate = gate(&rules("deny_overrides", &json!(order)), Some(ANN));
        assert_eq!(reason(&mut gate, "DELETE", "/x"), "access_denied");
        assert_eq!(reason(&mut gate, "GET", "/x"), "");
    }
}

#[test]
fn with_first_match_the_order_decides() {
    let allow = json!({"id": "all", "effect": "allow"});
    let deny = json!({"id": "no-delete", "effect": "deny", "what": {"methods": ["DELETE"]}});
    assert_eq!(
        reason(
            &mut gate(&rules("first_match", &json!([allow, deny])), Some(ANN)),
            "DELETE",
            "/x"
        ),
        ""
    );
    assert_eq!(
        reason(
            &mut gate(&rules("first_match", &json!([deny, allow])), Some(ANN)),
            "DELETE",
            "/x"
        ),
        "access_denied"
    );
}

#[test]
fn a_path_with_two_readings_is_refused_before_any_rule() {
    let mut gate = gate(
        &json!({"rules": [{"id": "all", "effect": "allow", "who": {"identity": "any"}}]}),
        None,
    );
    assert_eq!(
        reason(&mut gate, "GET", "/v1/models/a%2F..%2Fb"),
        "path_ambiguous"
    );
    assert_eq!(reason(&mut gate, "GET", "/v1/../admin"), "path_ambiguous");
    assert_eq!(reason(&mut gate, "GET", "/v1/models"), "");
}

const CHAT: &[(&str, &str)] = &[(":method", "POST"), (":path", "/v1/chat/completions")];

fn chat(gate: &mut TestGateway, body: &[u8]) -> (u32, Action) {
    let (exchange, action) = gate.begin(CHAT, false);
    assert_eq!(action, Action::Pause, "the model is in the body");
    let (first, second) = body.split_at(body.len() / 2);
    assert_eq!(
        gate.body(exchange, Side::Request, first, false),
        Action::Pause
    );
    (exchange, gate.body(exchange, Side::Request, second, true))
}

fn by_model() -> Value {
    json!({"rules": [{"id": "small", "effect": "allow", "what": {"models": ["small-*"]}}]})
}

#[test]
fn the_model_in_the_body_is_read_and_decides() {
    let mut gate = gate(&by_model(), Some(ANN));
    let (exchange, action) = chat(
        &mut gate,
        br#"{"messages":[{"content":"\"model\":\"small-1\""}],"model":"small-1"}"#,
    );
    assert_eq!(action, Action::Continue);
    assert_eq!(gate.fact::<ModelCall>(exchange).unwrap().model, "small-1");
    let (exchange, action) = chat(
        &mut gate,
        br#"{"messages":[{"content":"\"model\":\"small-1\""}],"model":"large-1"}"#,
    );
    assert_eq!(
        (action, gate.record(exchange).reply.unwrap().status),
        (Action::Pause, 403)
    );
}

#[test]
fn a_body_that_hides_its_model_is_refused() {
    for body in [
        &br#"{"model":"small-1","model":"large-1"}"#[..],
        br#"{"model":"small-1","MODEL":"large-1"}"#,
        b"{}",
        b"model=small-1",
        b"\x1f\x8b\x08\x00",
        b"",
    ] {
        let mut gate = gate(&by_model(), Some(ANN));
        let (exchange, _) = gate.begin(CHAT, false);
        gate.body(exchange, Side::Request, body, false);
        // The end may come with trailers: then no part of the body is ever marked as the last.
        assert_eq!(gate.trailers(exchange, Side::Request), Action::Pause);
        let reply = gate.record(exchange).reply.unwrap();
        assert_eq!(
            (reply.status, reply.header("x-modelgate-reason")),
            (400, Some("model_unreadable"))
        );
    }
}

#[test]
fn a_body_beyond_the_limit_is_refused_before_it_is_whole() {
    let mut config = by_model();
    config["model_from_body"] = json!({"max_body_bytes": 1024});
    let mut gate = gate(&config, Some(ANN));
    let (exchange, _) = gate.begin(CHAT, false);
    assert_eq!(
        gate.body(exchange, Side::Request, &[b' '; 1025], false),
        Action::Pause
    );
    assert_eq!(gate.record(exchange).reply.unwrap().status, 413);
}

#[test]
fn a_body_that_nobody_asks_for_is_not_held() {
    let mut gate = gate(
        &json!({"rules": [{"id": "bob-small", "effect": "allow", "who": {"consumers": ["bob"]}, "what": {"models": ["small-*"]}}, {"id": "ann-all", "effect": "allow", "who": {"consumers": ["ann"]}}]}),
        Some(ANN),
    );
    let (_, action) = gate.begin(CHAT, false);
    assert_eq!(action, Action::Continue);
}

#[test]
fn a_model_that_is_not_read_is_allowed_by_no_rule_and_denied_by_each() {
    for (effect, reason_expected) in [("allow", "model_unknown"), ("deny", "access_denied")] {
        let config = json!({
            "model_from_body": {"mode": "ignore"},
            "rules": [{"id": "small", "effect": effect, "what": {"models": ["small-*"]}}, {"id": "get", "effect": "allow", "what": {"methods": ["GET"]}}],
        });
        let mut gate = gate(&config, Some(ANN));
        let (exchange, action) = gate.begin(CHAT, false);
        let reply = gate.record(exchange).reply.unwrap();
        assert_eq!(
            (action, reply.header("x-modelgate-reason")),
            (Action::Pause, Some(reason_expected))
        );
        assert_eq!(
            gate.fact::<Decision>(exchange).unwrap().rule,
            if effect == "deny" { "small" } else { "" }
        );
    }
}

#[test]
fn a_model_that_an_earlier_filter_has_read_is_taken_from_its_fact() {
    let mut gate = gate(&by_model(), Some(ANN));
    gate.proxy().preset(
        "modelgate.model",
        r#"{"dialect":"openai","operation":"chat","model":"small-9"}"#,
    );
    assert_eq!(gate.begin(CHAT, false).1, Action::Continue);
}

#[test]
fn shadow_mode_lets_everything_pass_and_says_what_it_would_have_done() {
    let mut gate = gate(&json!({"mode": "shadow", "rules": []}), Some(ANN));
    let (exchange, action) = gate.request(&[(":method", "GET"), (":path", "/x")]);
    assert_eq!(action, Action::Continue);
    let decision: Decision = gate.fact(exchange).unwrap();
    assert_eq!((decision.effect.as_str(), decision.shadow), ("deny", true));
    assert_eq!(
        gate.proxy().metric("modelgate.consumer_acl.shadow_denied"),
        1
    );
    assert_eq!(
        gate.request(&[(":method", "GET"), (":path", "/%zz")]).1,
        Action::Continue
    );
}

#[test]
fn a_shadow_rule_is_counted_and_decides_nothing() {
    let mut gate = gate(
        &json!({"rules": [{"id": "all", "effect": "allow"}, {"id": "later", "effect": "deny", "mode": "shadow"}]}),
        Some(ANN),
    );
    assert_eq!(reason(&mut gate, "GET", "/x"), "");
    assert_eq!(
        gate.proxy()
            .metric("modelgate.consumer_acl.rule_later.shadow_matched"),
        1
    );
    assert_eq!(
        gate.proxy()
            .metric("modelgate.consumer_acl.rule_all.decided"),
        1
    );
}

#[test]
fn every_problem_of_a_configuration_is_said_at_once() {
    let config = json!({"combine": "any", "rules": [
        {"id": "a b", "effect": "allow"},
        {"id": "same", "effect": "allow", "what": {"paths": ["x"]}},
        {"id": "same", "effect": "forbid"},
        {"id": "same", "effect": "deny", "who": {"claims": [{"claim": ""}]}},
        {"effect": "deny", "unknown": 1},
    ]});
    let logs = TestGateway::open::<ConsumerAcl>(FakeProxy::new(1), &config.to_string())
        .err()
        .unwrap()
        .join("\n");
    for path in [
        "combine",
        "rules[0].id",
        "rules[1].what.paths[0]",
        "rules[2].effect",
        "rules[3].id",
        "rules[3].who.claims[0].claim",
        "rules[4]",
    ] {
        assert!(
            logs.contains(&format!(": {path}")),
            "{path} is missing in\n{logs}"
        );
    }
}

mod whatever_comes {
    use proptest::prelude::*;

    use super::*;

    /// Pieces of bodies that name models, in one way or in several.
    const PIECES: &[&str] = &[
        "{",
        "}",
        "\"model\":",
        "\"Model\":",
        "\"small-1\"",
        "\"large-1\"",
        ",",
        "\"x\":{\"model\":\"small-1\"}",
        " ",
        "\u{e9}",
        "null",
        "[",
        "\"stream\":true",
        "\\",
    ];

    fn whole() -> impl Strategy<Value = String> {
        prop_oneof![
            proptest::collection::vec(proptest::sample::select(PIECES), 0..8)
                .prop_map(|pieces| pieces.concat()),
            Just(r#"{"model":"small-1"}"#.to_owned()),
            Just(r#"{"x":[1,2],"model":"small-2"}"#.to_owned()),
            Just(r#"{"model":"small-1","model":"small-2"}"#.to_owned()),
        ]
    }

    proptest! {
        /// A chat passes only if its whole body names exactly one model, and one that is allowed;
        /// however it is cut, however it ends.
        #[test]
        fn nothing_passes_but_what_a_rule_allows(body in whole(), cuts in proptest::collection::vec(0_usize..40, 0..4), trailers: bool) {
            let mut gate = gate(&by_model(), Some(ANN));
            let (exchange, mut action) = gate.begin(CHAT, false);
            prop_assert_eq!(action, Action::Pause);
            let mut rest = body.as_bytes();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                prop_assert_eq!(gate.body(exchange, Side::Request, piece, false), Action::Pause, "held until the end");
                rest = after;
            }
            action = gate.body(exchange, Side::Request, rest, !trailers);
            if trailers {
                prop_assert_eq!(action, Action::Pause);
                action = gate.trailers(exchange, Side::Request);
            }
            let plain: Option<Value> = serde_json::from_str(&body).ok();
            let once = body.to_lowercase().matches("\"model\":").count() == 1;
            let small = plain.as_ref().and_then(|plain| plain["model"].as_str()).is_some_and(|model| model.starts_with("small-"));
            if action == Action::Continue {
                prop_assert!(small, "{}", body);
                prop_assert_eq!(gate.record(exchange).reply, None);
            } else {
                prop_assert!(gate.record(exchange).reply.is_some(), "what is held is answered");
                prop_assert!(!(small && once), "{}", body);
            }
        }

        /// Arbitrary methods, paths and headers: no panic, and no way past an empty list of rules.
        #[test]
        fn no_request_passes_without_rules(method in "\\PC{0,8}", path in "\\PC{0,40}", name in "[a-z-]{0,12}", value in "\\PC{0,20}") {
            let mut gate = gate(&json!({}), Some(ANN));
            let (exchange, action) = gate.request(&[(":method", &method), (":path", &path), (&name, &value)]);
            prop_assert_eq!(action, Action::Pause);
            prop_assert!(gate.record(exchange).reply.is_some());
        }
    }
}
