//! Keys that are fetched: who waits for them, how often the issuer is asked, and what a token by an
//! unknown key is told.

use serde_json::json;

use super::proxy::{Outcome, Proxy, START_S, Workers, claims, jwks, mint};
use super::{fetching, good, passed, refused, with, with_fetched_keys};

#[test]
fn requests_wait_for_the_first_keys_and_share_one_fetch() {
    let mut proxy = Proxy::new(&fetching());
    let bearer = format!("Bearer {}", good());
    let (first, outcome) = proxy.send(&[("authorization", &bearer)]);
    assert_eq!(outcome, Outcome::Held);
    assert!(!proxy.body(first), "a body does not release it");
    let (second, outcome) = proxy.send(&[("authorization", &bearer)]);
    assert_eq!(outcome, Outcome::Held);
    assert_eq!(proxy.calls(), ["idp idp.test/keys"]);
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    for context in [first, second] {
        assert!(
            matches!(proxy.later(context), Outcome::Passed(_)),
            "{context}"
        );
        assert!(proxy.body(context));
    }
    assert_eq!(proxy.bear(&good()), passed());
    assert_eq!(proxy.calls().len(), 1);
}

#[test]
fn a_request_does_not_wait_longer_than_allowed() {
    let mut proxy = Proxy::new(&fetching());
    let (context, outcome) = proxy.send(&[("authorization", &format!("Bearer {}", good()))]);
    assert_eq!(outcome, Outcome::Held);
    proxy.pass_ms(2900);
    assert_eq!(proxy.later(context), Outcome::Held);
    proxy.pass_ms(200);
    assert_eq!(proxy.later(context), refused(503, "keys_unavailable"));
}

#[test]
fn an_issuer_that_is_down_is_not_waited_for_again_and_again() {
    let mut proxy = Proxy::new(&fetching());
    let (context, _) = proxy.send(&[("authorization", &format!("Bearer {}", good()))]);
    proxy.answer(503, "upstream connect error");
    assert_eq!(proxy.later(context), refused(503, "keys_unavailable"));
    assert_eq!(
        proxy.bear(&good()),
        refused(503, "keys_unavailable"),
        "at once, during the back-off"
    );
    assert_eq!(proxy.calls().len(), 1);
    assert!(
        proxy
            .logs()
            .contains("issuers[0].keys.fetch: keys could not be fetched: status 503"),
        "{}",
        proxy.logs()
    );
    proxy.pass_ms(1100);
    assert_eq!(proxy.calls().len(), 2, "it is tried again");
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    assert_eq!(proxy.bear(&good()), passed());
}

#[test]
fn the_back_off_grows_with_each_failure() {
    let mut proxy = Proxy::new(&fetching());
    let mut attempts = Vec::new();
    for second in 0..70_u32 {
        proxy.pass_ms(1000);
        if proxy.calls().len() > attempts.len() {
            attempts.push(second);
            proxy.answer(500, "");
        }
    }
    assert_eq!(attempts, [0, 1, 3, 7, 15, 31, 63]);
}

#[test]
fn what_is_no_key_set_does_not_replace_keys() {
    let mut proxy = with_fetched_keys();
    for body in [
        "<html>",
        "{\"keys\":[]}",
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
        "",
    ] {
        proxy.pass_ms(400_000);
        let before = proxy.calls().len();
        proxy.answer(200, body);
        assert_eq!(proxy.calls().len(), before);
        let token = mint(1, Some("a"), &with("exp", json!(START_S + 9_999_999)));
        assert_eq!(proxy.bear(&token), passed(), "{body}");
    }
}

#[test]
fn an_unknown_key_is_fetched_once_and_then_known_or_not() {
    let mut proxy = with_fetched_keys();
    proxy.pass_ms(31_000);
    let rotated = mint(2, Some("b"), &claims());
    let (context, outcome) = proxy.send(&[("authorization", &format!("Bearer {rotated}"))]);
    assert_eq!((outcome, proxy.calls().len()), (Outcome::Held, 2));
    proxy.answer(200, &jwks(&[(2, "b")]).to_string());
    assert!(matches!(proxy.later(context), Outcome::Passed(_)));
    assert_eq!(
        proxy.bear(&good()),
        refused(401, "key_unknown"),
        "the old key is gone, and we have just asked"
    );
    assert_eq!(proxy.calls().len(), 2);
    proxy.pass_ms(31_000);
    let (context, outcome) = proxy.send(&[("authorization", &format!("Bearer {}", good()))]);
    assert_eq!((outcome, proxy.calls().len()), (Outcome::Held, 3));
    proxy.answer(200, &jwks(&[(2, "b")]).to_string());
    assert_eq!(proxy.later(context), refused(401, "key_unknown"));
    assert_eq!(
        proxy.bear(&good()),
        refused(401, "key_unknown"),
        "at once: a set that was asked for later does not have it"
    );
    assert_eq!(proxy.calls().len(), 3);
    proxy.pass_ms(31_000);
    let (_, outcome) = proxy.send(&[("authorization", &format!("Bearer {}", good()))]);
    assert_eq!((outcome, proxy.calls().len()), (Outcome::Held, 4));
}

#[test]
fn a_name_is_not_asked_for_again_for_as_long_as_is_configured() {
    let mut config = fetching();
    config["issuers"][0]["keys"]["fetch"]["refresh"] = json!({"unknown_key_ttl_s": 100});
    let mut proxy = Proxy::new(&config);
    proxy.pass_ms(500);
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    proxy.pass_ms(31_000);
    let bearer = format!("Bearer {}", mint(2, Some("b"), &claims()));
    let (context, _) = proxy.send(&[("authorization", &bearer)]);
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    assert_eq!(proxy.later(context), refused(401, "key_unknown"));
    proxy.pass_ms(60_000);
    assert_eq!(
        proxy.send(&[("authorization", &bearer)]).1,
        refused(401, "key_unknown")
    );
    assert_eq!(proxy.calls().len(), 2);
    proxy.pass_ms(50_000);
    assert_eq!(proxy.send(&[("authorization", &bearer)]).1, Outcome::Held);
}

#[test]
fn after_a_strangers_junk_a_new_key_is_undecided_until_the_issuer_may_be_asked() {
    let mut proxy = with_fetched_keys();
    proxy.pass_ms(31_000);
    let junk = format!("Bearer {}", mint(9, Some("junk"), &claims()));
    let (context, _) = proxy.send(&[("authorization", &junk)]);
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    assert_eq!(proxy.later(context), refused(401, "key_unknown"));
    // Published a moment later.
    let token = mint(2, Some("b"), &claims());
    proxy.pass_ms(1000);
    assert_eq!(proxy.bear(&token), refused(503, "keys_unavailable"));
    assert_eq!(proxy.retry_after(), Some("29".to_owned()));
    assert_eq!(proxy.bear(&good()), passed(), "known keys serve");
    // Close enough to wait for.
    proxy.pass_ms(27_500);
    let (context, outcome) = proxy.send(&[("authorization", &format!("Bearer {token}"))]);
    assert_eq!((outcome, proxy.calls().len()), (Outcome::Held, 2));
    proxy.pass_ms(1500);
    proxy.pass_ms(500);
    assert_eq!(proxy.calls().len(), 3, "asked as soon as it may be");
    proxy.answer(200, &jwks(&[(1, "a"), (2, "b")]).to_string());
    assert!(matches!(proxy.later(context), Outcome::Passed(_)));
}

#[test]
fn a_key_that_is_used_before_it_is_published_is_asked_for_again() {
    let mut config = fetching();
    config["issuers"][0]["keys"]["fetch"]["refresh"] = json!({"min_interval_s": 2});
    let mut proxy = Proxy::new(&config);
    proxy.pass_ms(500);
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    proxy.pass_ms(2500);
    let bearer = format!("Bearer {}", mint(2, Some("b"), &claims()));
    let (context, _) = proxy.send(&[("authorization", &bearer)]);
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    assert_eq!(proxy.later(context), refused(401, "key_unknown"));
    proxy.pass_ms(2500);
    let (context, _) = proxy.send(&[("authorization", &bearer)]);
    proxy.answer(200, &jwks(&[(1, "a"), (2, "b")]).to_string());
    assert!(matches!(proxy.later(context), Outcome::Passed(_)));
}

#[test]
fn only_so_many_wait_until_the_issuer_may_be_asked() {
    let mut config = fetching();
    config["issuers"][0]["keys"]["fetch"]["refresh"] = json!({"min_interval_s": 2});
    let mut proxy = Proxy::new(&config);
    proxy.pass_ms(500);
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    proxy.pass_ms(100);
    let outcomes: Vec<Outcome> = (0..300)
        .map(|at| proxy.bear(&mint(2, Some(&format!("k{at}")), &claims())))
        .collect();
    let held = outcomes.iter().filter(|outcome| **outcome == Outcome::Held);
    assert_eq!(held.count(), 256, "{:?}", &outcomes[..3]);
    assert_eq!(outcomes[299], refused(503, "keys_unavailable"));
    proxy.pass_ms(2000);
    proxy.pass_ms(500);
    assert_eq!(proxy.calls().len(), 2, "one fetch for all");
}

#[test]
fn a_new_key_under_an_old_name_is_fetched_once_its_signature_fails() {
    let mut proxy = with_fetched_keys();
    let renewed = mint(2, Some("a"), &claims());
    assert_eq!(
        proxy.bear(&renewed),
        refused(401, "signature_refused"),
        "the keys have just been fetched"
    );
    assert_eq!(proxy.calls().len(), 1);
    proxy.pass_ms(31_000);
    let (context, outcome) = proxy.send(&[("authorization", &format!("Bearer {renewed}"))]);
    assert_eq!((outcome, proxy.calls().len()), (Outcome::Held, 2));
    proxy.answer(200, &jwks(&[(2, "a")]).to_string());
    assert!(matches!(proxy.later(context), Outcome::Passed(_)));
    // Forged ones lead to no more fetches than that.
    for _ in 0..50 {
        let forged = proxy.bear(&mint(3, Some("a"), &claims()));
        assert_eq!(forged, refused(401, "signature_refused"));
        proxy.pass_ms(500);
    }
    assert_eq!(proxy.calls().len(), 2);
    proxy.pass_ms(10_000);
    let forged = format!("Bearer {}", mint(3, Some("a"), &claims()));
    let (context, _) = proxy.send(&[("authorization", &forged)]);
    assert_eq!(proxy.calls().len(), 3);
    proxy.answer(503, "");
    assert_eq!(
        proxy.later(context),
        refused(401, "signature_refused"),
        "its name says enough where the issuer is down"
    );
}

#[test]
fn an_unknown_key_while_the_issuer_is_down_is_undecided() {
    let mut proxy = with_fetched_keys();
    proxy.pass_ms(31_000);
    let (context, _) = proxy.send(&[(
        "authorization",
        &format!("Bearer {}", mint(2, Some("b"), &claims())),
    )]);
    proxy.answer(504, "");
    assert_eq!(proxy.later(context), refused(503, "keys_unavailable"));
    assert_eq!(proxy.bear(&good()), passed(), "known keys still serve");
}

#[test]
fn a_token_without_kid_by_a_new_key_leads_to_a_fetch() {
    let mut proxy = with_fetched_keys();
    proxy.pass_ms(31_000);
    let (context, outcome) = proxy.send(&[(
        "authorization",
        &format!("Bearer {}", mint(2, None, &claims())),
    )]);
    assert_eq!(outcome, Outcome::Held);
    proxy.answer(200, &jwks(&[(1, "a"), (2, "b")]).to_string());
    assert!(matches!(proxy.later(context), Outcome::Passed(_)));
}

#[test]
fn keys_are_refreshed_in_time_and_remembered_tokens_fall_with_their_keys() {
    let mut proxy = with_fetched_keys();
    let token = mint(1, Some("a"), &with("exp", json!(START_S + 9_999)));
    assert_eq!(proxy.bear(&token), passed());
    proxy.pass_ms(299_000);
    assert_eq!(proxy.calls().len(), 1);
    proxy.pass_ms(1000);
    assert_eq!(proxy.calls().len(), 2);
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    assert_eq!(
        (proxy.bear(&token), proxy.verifications()),
        (passed(), 1),
        "the same keys: still remembered"
    );
    proxy.pass_ms(301_000);
    proxy.answer(200, &jwks(&[(2, "b")]).to_string());
    assert_eq!(proxy.bear(&token), refused(401, "key_unknown"));
}

#[test]
fn stale_keys_serve_while_the_issuer_is_down_but_not_for_ever() {
    let mut config = fetching();
    config["issuers"][0]["keys"]["fetch"]["refresh"] = json!({"every_s": 300, "max_stale_s": 600});
    let mut proxy = Proxy::new(&config);
    proxy.pass_ms(500);
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    let token = mint(1, Some("a"), &with("exp", json!(START_S + 9_999)));
    proxy.pass_ms(899_000);
    proxy.answer(503, "");
    assert_eq!(proxy.bear(&token), passed());
    proxy.pass_ms(2000);
    proxy.answer(503, "");
    assert_eq!(
        proxy.bear(&token),
        refused(503, "keys_unavailable"),
        "remembered or not"
    );
}

#[test]
fn one_worker_fetches_for_all() {
    let shared = Workers::new();
    let mut first = Proxy::sharing(&fetching(), &shared);
    let mut second = Proxy::sharing(&fetching(), &shared);
    first.pass_ms(500);
    second.pass_ms(500);
    assert_eq!((first.calls().len(), second.calls().len()), (1, 0));
    let (context, outcome) = second.send(&[("authorization", &format!("Bearer {}", good()))]);
    assert_eq!(outcome, Outcome::Held);
    first.answer(200, &jwks(&[(1, "a")]).to_string());
    second.pass_ms(500);
    assert!(matches!(second.later(context), Outcome::Passed(_)));
    assert_eq!(second.calls().len(), 0);
    assert!(
        shared
            .keys()
            .iter()
            .all(|key| key.starts_with("modelgate.jwt_auth.keys.")),
        "{:?}",
        shared.keys()
    );
}

#[test]
fn a_leader_that_dies_is_replaced() {
    let shared = Workers::new();
    let mut first = Proxy::sharing(&fetching(), &shared);
    let mut second = Proxy::sharing(&fetching(), &shared);
    first.pass_ms(500);
    assert_eq!(first.calls().len(), 1);
    drop(first);
    second.pass_ms(5000);
    assert_eq!(second.calls().len(), 0, "its time-out has not passed");
    second.pass_ms(2000);
    assert_eq!(second.calls().len(), 1);
}

#[test]
fn without_shared_data_every_worker_fetches_for_itself_in_measure() {
    let shared = Workers::new();
    shared.refuse();
    let mut proxy = Proxy::sharing(&fetching(), &shared);
    proxy.pass_ms(500);
    proxy.answer(500, "");
    proxy.pass_ms(500);
    assert_eq!(proxy.calls().len(), 1, "not at every tick");
    proxy.pass_ms(30_000);
    assert_eq!(proxy.calls().len(), 2);
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    assert_eq!(proxy.bear(&good()), passed());
}

#[test]
fn discovery_leads_to_the_keys_of_the_issuer_it_names() {
    let mut config = fetching();
    config["issuers"][0]["keys"] = json!({"discovery": {"cluster": "idp", "keys_cluster": "cdn"}});
    let metadata =
        |issuer: &str| json!({"issuer": issuer, "jwks_uri": "https://cdn.test/k?v=1"}).to_string();
    let mut proxy = Proxy::new(&config);
    let (context, _) = proxy.send(&[("authorization", &format!("Bearer {}", good()))]);
    proxy.answer(200, &metadata("https://idp.test"));
    assert_eq!(
        proxy.calls(),
        [
            "idp idp.test/.well-known/openid-configuration",
            "cdn cdn.test/k?v=1"
        ]
    );
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    assert!(matches!(proxy.later(context), Outcome::Passed(_)));

    let mut proxy = Proxy::new(&config);
    let (context, _) = proxy.send(&[("authorization", &format!("Bearer {}", good()))]);
    proxy.answer(200, &metadata("https://evil.test"));
    assert_eq!(proxy.later(context), refused(503, "keys_unavailable"));
    assert_eq!(proxy.calls().len(), 1);
}

#[test]
fn an_issuer_whose_cluster_does_not_exist_refuses_at_once() {
    let mut config = fetching();
    config["issuers"][0]["keys"]["fetch"]["cluster"] = json!("unknown");
    let mut proxy = Proxy::new(&config);
    assert_eq!(proxy.bear(&good()), refused(503, "keys_unavailable"));
}
