//! Keys that are published one by one, and the tokens that AWS load balancers sign with them.

use serde_json::{Value, json};

use super::proxy::{Outcome, Proxy, START_S, mint, mint_padded, pem};
use super::refused;

const ARN: &str = "arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/app/a/1";

fn config() -> Value {
    json!({
        "credential_from": [{"header": "x-amzn-oidc-data"}],
        "issuers": [{
            "issuer": "https://cognito.test/pool", "required_claims": ["iss", "exp"],
            "keys": {"pem_per_kid": {"url": "https://keys.test/{kid}", "cluster": "alb", "signers": [ARN]}},
        }],
    })
}

fn claims() -> Value {
    json!({"iss": "https://cognito.test/pool", "sub": "ann", "exp": START_S + 120, "email": "ann@corp.test"})
}

fn data(token: &str) -> [(&str, &str); 1] {
    [("x-amzn-oidc-data", token)]
}

fn passed() -> Outcome {
    Outcome::Passed(vec!["-x-amzn-oidc-data".into()])
}

/// A proxy that has the key `k-1`.
fn with_key() -> Proxy {
    let mut proxy = Proxy::new(&config());
    let (context, outcome) = proxy.send(&data(&mint_padded(1, "k-1", ARN, &claims())));
    assert_eq!(
        (outcome, proxy.calls()),
        (Outcome::Held, vec!["alb keys.test/k-1".to_owned()])
    );
    proxy.answer(200, &pem(1));
    assert_eq!(proxy.later(context), passed());
    proxy
}

#[test]
fn a_key_is_fetched_by_its_name_once() {
    let mut proxy = Proxy::new(&config());
    proxy.pass_ms(5000);
    assert_eq!(proxy.calls().len(), 0, "nobody has named a key");
    let mut proxy = with_key();
    let token = mint_padded(1, "k-1", ARN, &claims());
    assert_eq!(proxy.send(&data(&token)).1, passed());
    let plain = json!({"iss": "https://cognito.test/pool", "sub": "bob", "exp": START_S + 120});
    assert_eq!(
        proxy.send(&data(&mint_padded(1, "k-1", ARN, &plain))).1,
        passed()
    );
    assert_eq!(proxy.calls().len(), 1);
}

#[test]
fn another_load_balancer_signs_with_the_same_keys_and_is_refused() {
    let mut proxy = with_key();
    for signer in [
        "arn:aws:elasticloadbalancing:eu-central-1:2:loadbalancer/app/b/2",
        "",
    ] {
        let token = mint_padded(1, "k-1", signer, &claims());
        assert_eq!(proxy.send(&data(&token)).1, refused(401, "issuer_unknown"));
    }
    let unsigned = mint(1, Some("k-1"), &claims());
    assert_eq!(
        proxy.send(&data(&unsigned)).1,
        refused(401, "issuer_unknown")
    );
    let forged = mint_padded(2, "k-1", ARN, &claims());
    assert_eq!(
        proxy.send(&data(&forged)).1,
        refused(401, "signature_refused")
    );
}

#[test]
fn a_new_key_is_fetched_beside_the_old_and_junk_is_told_apart() {
    let mut proxy = with_key();
    proxy.pass_ms(2500);
    let (junk, _) = proxy.send(&data(&mint_padded(9, "junk", ARN, &claims())));
    assert_eq!(proxy.calls()[1], "alb keys.test/junk");
    proxy.answer(404, "");
    assert_eq!(
        proxy.calls()[2],
        "alb keys.test/k-1",
        "what is known is asked for again"
    );
    proxy.answer(200, &pem(1));
    assert_eq!(proxy.later(junk), refused(401, "key_unknown"));
    let (new, outcome) = proxy.send(&data(&mint_padded(2, "k-2", ARN, &claims())));
    assert_eq!(outcome, Outcome::Held, "it waits until there may be a call");
    proxy.pass_ms(2000);
    proxy.pass_ms(500);
    assert_eq!(proxy.calls()[3..], ["alb keys.test/k-2"]);
    assert!(proxy.answer(200, &pem(2)));
    assert!(proxy.answer(200, &pem(1)));
    assert_eq!(proxy.later(new), passed());
    assert_eq!(
        proxy.send(&data(&mint_padded(1, "k-1", ARN, &claims()))).1,
        passed()
    );
}

#[test]
fn a_name_that_is_not_plain_is_never_asked_for() {
    let mut proxy = Proxy::new(&config());
    for kid in ["../x", "a?b", "", "a/b"] {
        let token = mint_padded(1, kid, ARN, &claims());
        assert_eq!(
            proxy.send(&data(&token)).1,
            refused(401, "key_unknown"),
            "{kid}"
        );
    }
    proxy.pass_ms(5000);
    assert_eq!(proxy.calls().len(), 0);
}

#[test]
fn padding_is_for_these_issuers_only() {
    let mut config = config();
    let plain = json!({
        "issuer": "https://idp.test", "audiences": ["models"], "keys": {"jwks": super::jwks(&[(1, "a")])},
    });
    config["issuers"].as_array_mut().unwrap().push(plain);
    let mut proxy = Proxy::new(&config);
    let token = mint_padded(1, "a", ARN, &super::claims());
    assert!(token.contains('='));
    assert_eq!(proxy.send(&data(&token)).1, refused(401, "token_malformed"));
}

#[test]
fn what_is_missing_is_said() {
    let mut config = config();
    config["issuers"][0]["keys"] =
        json!({"pem_per_kid": {"url": "https://keys.test/", "cluster": "", "signers": []}});
    let told = Proxy::problems(&config).join("\n");
    for path in [
        "pem_per_kid.url",
        "pem_per_kid.cluster",
        "pem_per_kid.signers",
    ] {
        assert!(told.contains(path), "{path} is missing in\n{told}");
    }
}
