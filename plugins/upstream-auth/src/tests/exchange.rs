//! Tokens in exchange for callers' own: asked for once each, remembered as long as both are good.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::gate::{Gate, Outcome, START_S};

fn config(more: Value) -> Value {
    let mut written = json!({
        "token_endpoint": {"url": "https://idp.test/token", "cluster": "idp"},
        "client": {"id": "gateway", "secret": "s3cret", "secret_in": "post"},
        "audience": "models",
    });
    for (name, value) in more.as_object().unwrap() {
        written[name] = value.clone();
    }
    json!({"credential": {"token_exchange": written}})
}

fn refused(status: u16, reason: &str) -> Outcome {
    Outcome::Refused(status, reason.to_owned())
}

fn bear(gate: &mut Gate, token: &str) -> (u32, Outcome) {
    gate.send(&[("authorization", &format!("Bearer {token}"))])
}

fn sent(token: &str) -> Outcome {
    Outcome::Passed(vec![format!("authorization=Bearer {token}")])
}

#[test]
fn one_callers_requests_share_one_exchange_and_no_other_callers() {
    let mut gate = Gate::new(&config(
        json!({"requested_token_type": "urn:ietf:params:oauth:token-type:jwt"}),
    ));
    let (ann, outcome) = bear(&mut gate, "ann");
    assert_eq!(outcome, Outcome::Held);
    assert_eq!(gate.calls().len(), 1);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        gate.form(),
        [
            pair(
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange"
            ),
            pair(
                "subject_token_type",
                "urn:ietf:params:oauth:token-type:access_token"
            ),
            pair(
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:jwt"
            ),
            pair("audience", "models"),
            pair("subject_token", "ann"),
            pair("client_id", "gateway"),
            pair("client_secret", "s3cret"),
        ]
    );
    let (again, _) = bear(&mut gate, "ann");
    let (bob, _) = bear(&mut gate, "bob");
    assert_eq!(gate.calls().len(), 2, "side by side");
    gate.give("for-bob", 60);
    assert_eq!(gate.later(bob), sent("for-bob"));
    assert_eq!(gate.later(ann), Outcome::Held);
    // Whoever has asked first may go: the others still get it.
    gate.gate.end(ann);
    gate.answer(1, "200", r#"{"access_token":"for-ann","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":60}"#);
    assert_eq!(gate.later(again), sent("for-ann"));
    assert_eq!(bear(&mut gate, "ann").1, sent("for-ann"));
    assert_eq!(bear(&mut gate, "bob").1, sent("for-bob"));
    assert_eq!(gate.calls().len(), 2);
}

#[test]
fn who_has_no_token_or_several_is_refused_and_nobody_is_asked() {
    let mut gate = Gate::new(&config(json!({"max_token_bytes": 128})));
    assert_eq!(gate.send(&[]).1, refused(401, "subject_missing"));
    assert_eq!(
        gate.send(&[("authorization", "Basic eA==")]).1,
        refused(401, "subject_missing")
    );
    assert_eq!(
        bear(&mut gate, &"x".repeat(129)).1,
        refused(401, "subject_missing")
    );
    let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
    assert_eq!(gate.send(&twice).1, refused(400, "subject_ambiguous"));
    assert_eq!(
        gate.send(&[("authorization", "Bearer ")]).1,
        refused(400, "subject_ambiguous")
    );
    assert_eq!(gate.calls().len(), 0);
}

#[test]
fn the_callers_own_token_does_not_go_on_wherever_it_stands() {
    let mut gate = Gate::new(&config(
        json!({"subject_token_from": [{"query": "access_token"}]}),
    ));
    let token = "a-token-of-some-length";
    let headers = [
        (":path", "/v1?access_token=a-token-of-some-length&x=1"),
        ("x-copy", token),
    ];
    let (context, _) = gate.send(&headers);
    gate.give("t", 60);
    let changes = ["-x-copy", ":path=/v1?x=1", "authorization=Bearer t"].map(str::to_owned);
    assert_eq!(gate.later(context), Outcome::Passed(changes.to_vec()));
}

#[test]
fn a_refusal_is_remembered_and_a_failure_only_for_a_moment() {
    let mut gate = Gate::new(&config(json!({})));
    let (context, _) = bear(&mut gate, "ann");
    gate.answer(
        1,
        "400",
        r#"{"error":"invalid_grant","error_description":"ann"}"#,
    );
    assert_eq!(gate.later(context), refused(403, "subject_refused"));
    assert_eq!(bear(&mut gate, "ann").1, refused(403, "subject_refused"));
    assert_eq!(gate.calls().len(), 1);
    assert!(!gate.logs().contains("ann"), "{}", gate.logs());
    gate.pass_ms(30_001);
    assert_eq!(
        bear(&mut gate, "ann").1,
        Outcome::Held,
        "it may be good by now"
    );

    let mut gate = Gate::new(&config(json!({})));
    let (context, _) = bear(&mut gate, "ann");
    gate.answer(1, "401", r#"{"error":"invalid_client"}"#);
    assert_eq!(gate.later(context), refused(503, "credential_unavailable"));
    assert_eq!(
        bear(&mut gate, "ann").1,
        refused(503, "credential_unavailable")
    );
    assert_eq!(gate.calls().len(), 1);
    assert!(
        gate.logs().contains("status 401, invalid_client"),
        "{}",
        gate.logs()
    );
    gate.pass_ms(1001);
    assert_eq!(bear(&mut gate, "ann").1, Outcome::Held);
    gate.pass_ms(3100);
}

#[test]
fn what_was_exchanged_serves_no_longer_than_either_token() {
    let jwt = |exp: u64| {
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{exp}}}"#));
        format!("e30.{claims}.c2ln")
    };
    for (own_s, given_s, good_s) in [(100, 3600, 100), (3600, 100, 98)] {
        let mut gate = Gate::new(&config(json!({})));
        let token = jwt(START_S + own_s);
        bear(&mut gate, &token);
        gate.give("t", given_s);
        gate.pass_ms(good_s * 1000 - 1);
        assert_eq!(bear(&mut gate, &token).1, sent("t"));
        gate.pass_ms(1);
        assert_eq!(bear(&mut gate, &token).1, Outcome::Held);
    }
    // One that has expired is not asked for over and over, even where the endpoint takes it.
    let mut gate = Gate::new(&config(json!({})));
    let (context, _) = bear(&mut gate, &jwt(START_S - 1));
    gate.give("t", 60);
    assert_eq!(gate.later(context), refused(403, "subject_refused"));
    assert_eq!(gate.calls().len(), 1);
}

#[test]
fn there_is_an_end_to_what_is_asked_at_once_and_what_is_remembered() {
    let mut gate = Gate::new(&config(json!({"cache_entries": 2})));
    for caller in 0..64 {
        assert_eq!(
            bear(&mut gate, &format!("caller-{caller}")).1,
            Outcome::Held
        );
    }
    assert_eq!(
        bear(&mut gate, "one-more").1,
        refused(503, "credential_unavailable")
    );
    assert_eq!(gate.calls().len(), 64);
    for number in 1..=64 {
        gate.answer(
            number,
            "200",
            r#"{"access_token":"t","token_type":"Bearer","expires_in":60}"#,
        );
    }
    assert_eq!(bear(&mut gate, "caller-63").1, sent("t"));
    assert_eq!(bear(&mut gate, "caller-0").1, Outcome::Held, "forgotten");
}

#[test]
fn a_401_of_the_backend_has_the_token_exchanged_anew() {
    let mut gate = Gate::new(&config(json!({})));
    bear(&mut gate, "ann");
    gate.give("t1", 3600);
    let (young, _) = bear(&mut gate, "ann");
    gate.respond(young, "401");
    assert_eq!(bear(&mut gate, "ann").1, sent("t1"), "it is new");
    gate.pass_ms(10_001);
    let (context, _) = bear(&mut gate, "ann");
    gate.respond(context, "401");
    let (context, outcome) = bear(&mut gate, "ann");
    assert_eq!(outcome, Outcome::Held);
    gate.give("t2", 3600);
    assert_eq!(gate.later(context), sent("t2"));
}
