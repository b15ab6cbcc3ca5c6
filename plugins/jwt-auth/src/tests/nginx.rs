//! What the filter does on nginx, where headers are emptied, bodies come after them, and nothing is
//! awaited.

use super::*;
use modelgate_kit::testing::FakeProxy;

fn on_nginx(config: &Value) -> Proxy {
    let workers = Workers(FakeProxy::nginx(START_S * 1_000_000_000));
    Proxy::sharing(config, &workers)
}

#[test]
fn a_signature_is_verified_without_the_proxy() {
    let mut proxy = on_nginx(&given());
    assert_eq!(
        proxy.bear(&good()),
        Outcome::Passed(vec!["authorization=".into()]),
        "with an empty header"
    );
    let forged = mint(2, Some("a"), &claims());
    assert_eq!(proxy.bear(&forged), refused(401, "signature_refused"));
    assert_eq!(proxy.verifications(), 0);
}

#[test]
fn requests_are_answered_503_until_a_tick_has_fetched_the_keys() {
    let mut proxy = on_nginx(&fetching());
    for _ in 0..3 {
        assert_eq!(proxy.bear(&good()), refused(503, "keys_unavailable"));
        assert!(proxy.retry_after().is_some());
    }
    assert!(proxy.calls().is_empty(), "{:?}", proxy.calls());
    proxy.pass_ms(500);
    assert_eq!(proxy.calls().len(), 1);
    assert_eq!(proxy.bear(&good()), refused(503, "keys_unavailable"));
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    proxy.pass_ms(500);
    assert!(matches!(proxy.bear(&good()), Outcome::Passed(_)));
    assert_eq!(proxy.calls().len(), 1);
}

#[test]
fn a_token_by_an_unknown_key_asks_the_next_tick_for_new_ones() {
    let mut proxy = on_nginx(&fetching());
    proxy.pass_ms(500);
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    proxy.pass_ms(500);
    proxy.pass_ms(60_000);
    let calls = proxy.calls().len();
    let new = mint(2, Some("b"), &claims());
    assert_eq!(proxy.bear(&new), refused(503, "keys_unavailable"));
    assert_eq!(proxy.calls().len(), calls, "not from a request");
    proxy.pass_ms(500);
    assert_eq!(proxy.calls().len(), calls + 1);
    proxy.answer(200, &jwks(&[(1, "a"), (2, "b")]).to_string());
    proxy.pass_ms(500);
    assert!(matches!(proxy.bear(&new), Outcome::Passed(_)));
}

/// On Envoy it waits for a fetch; here it must not be told that it is bad before there was one.
#[test]
fn a_token_by_a_new_key_under_an_old_name_is_undecided_until_a_tick_has_fetched_it() {
    let mut proxy = on_nginx(&fetching());
    proxy.pass_ms(500);
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    proxy.pass_ms(500);
    proxy.pass_ms(60_000);
    let calls = proxy.calls().len();
    let renewed = mint(2, Some("a"), &claims());
    assert_eq!(proxy.bear(&renewed), refused(503, "keys_unavailable"));
    assert!(proxy.retry_after().is_some());
    assert_eq!(proxy.calls().len(), calls, "not from a request");
    proxy.pass_ms(500);
    assert_eq!(proxy.bear(&renewed), refused(503, "keys_unavailable"));
    assert_eq!(proxy.calls().len(), calls + 1);
    proxy.answer(200, &jwks(&[(2, "a")]).to_string());
    proxy.pass_ms(500);
    assert!(matches!(proxy.bear(&renewed), Outcome::Passed(_)));
    // Of a forged one that is said as soon as the keys are newer than it could be.
    let forged = mint(3, Some("a"), &claims());
    assert_eq!(proxy.bear(&forged), refused(401, "signature_refused"));
    assert_eq!(proxy.calls().len(), calls + 1);
}
