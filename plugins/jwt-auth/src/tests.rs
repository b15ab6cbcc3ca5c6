//! The filter as a proxy runs it, request by request.

mod fetched;
mod load_balancer;
mod nginx;
mod proxy;
mod whatever_comes;

use serde_json::{Value, json};

use proxy::{Outcome, Proxy, START_S, Workers, claims, jwks, mint};

fn given() -> Value {
    json!({"issuers": [{"issuer": "https://idp.test", "audiences": ["models"], "keys": {"jwks": jwks(&[(1, "a")])}}]})
}

fn fetching() -> Value {
    json!({"issuers": [{
        "issuer": "https://idp.test", "audiences": ["models"],
        "keys": {"fetch": {"url": "https://idp.test/keys", "cluster": "idp"}},
    }]})
}

fn good() -> String {
    mint(1, Some("a"), &claims())
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn refused(status: u16, reason: &str) -> Outcome {
    Outcome::Refused(status, reason.to_owned())
}

fn passed() -> Outcome {
    Outcome::Passed(vec!["-authorization".into()])
}

/// A proxy that has fetched the key `a`.
fn with_fetched_keys() -> Proxy {
    let mut proxy = Proxy::new(&fetching());
    proxy.pass_ms(500);
    proxy.answer(200, &jwks(&[(1, "a")]).to_string());
    proxy
}

#[test]
fn a_good_token_passes_without_itself_and_names_the_caller() {
    let mut config = given();
    config["identity_headers"] = json!({"claims": [{"claim": "sub", "header": "X-User"}, {"claim": "tier", "header": "x-tier"}]});
    config["issuers"][0]["claims_to_fact"] = json!(["tier"]);
    let mut proxy = Proxy::new(&config);
    let (_, outcome) = proxy.send(&[
        ("authorization", &format!("Bearer {}", good())),
        ("x-user", "root"),
        ("x-tier", "gold"),
    ]);
    assert_eq!(
        outcome,
        Outcome::Passed(vec![
            "-authorization".into(),
            "x-user=ann".into(),
            "-x-tier".into()
        ])
    );
    let identity = proxy.identity().unwrap();
    assert_eq!(
        identity,
        json!({"consumer": "ann", "method": "jwt", "issuer": "https://idp.test", "subject": "ann"})
    );
}

#[test]
fn every_refusal_is_told_with_its_status() {
    let mut config = given();
    config["issuers"][0]["scopes"] = json!(["infer"]);
    config["issuers"][0]["claims"] = json!([{"claim": "tier", "any_of": ["gold"]}]);
    config["max_token_bytes"] = json!(1000);
    let mut proxy = Proxy::new(&config);
    let full = |name: &str, value: Value| {
        let mut claims = with("scope", json!("infer"));
        claims["tier"] = json!("gold");
        claims[name] = value;
        mint(1, Some("a"), &claims)
    };
    assert_eq!(proxy.bear(&full("x", json!(1))), passed());
    for (token, status, reason) in [
        (full("exp", json!(START_S - 60)), 401, "token_expired"),
        (full("nbf", json!(START_S + 61)), 401, "token_not_yet_valid"),
        (
            full("iss", json!("https://other.test")),
            401,
            "issuer_unknown",
        ),
        (full("aud", json!("other")), 401, "audience_refused"),
        (full("sub", json!(null)), 401, "token_malformed"),
        (full("exp", json!("soon")), 401, "token_malformed"),
        (full("scope", json!("train")), 403, "scope_insufficient"),
        (full("tier", json!("tin")), 403, "claim_refused"),
        (full("pad", json!("x".repeat(1000))), 401, "token_oversize"),
        (mint(2, Some("a"), &claims()), 401, "signature_refused"),
        (mint(1, Some("b"), &claims()), 401, "key_unknown"),
        ("not.a.token".to_owned(), 401, "token_malformed"),
    ] {
        assert_eq!(proxy.bear(&token), refused(status, reason));
        assert_eq!(proxy.identity(), None, "{reason}");
    }
    assert_eq!(proxy.send(&[]).1, refused(401, "token_missing"));
    assert_eq!(
        proxy.send(&[("authorization", "Basic YTpi")]).1,
        refused(401, "token_missing")
    );
    let bearer = format!("Bearer {}", full("x", json!(1)));
    let twice = proxy.send(&[("authorization", &bearer), ("authorization", &bearer)]);
    assert_eq!(twice.1, refused(400, "token_repeated"));
}

#[test]
fn without_a_token_requests_pass_only_where_that_is_allowed() {
    let mut config = given();
    config["on_missing"] = json!("allow");
    config["identity_headers"] = json!({"claims": [{"claim": "sub", "header": "x-user"}]});
    let mut proxy = Proxy::new(&config);
    assert_eq!(
        proxy.send(&[("x-user", "root")]).1,
        Outcome::Passed(vec!["-x-user".into()])
    );
    assert_eq!(proxy.identity(), None);
    assert_eq!(
        proxy.bear("bad"),
        refused(401, "token_malformed"),
        "a token that is there is verified"
    );
}

#[test]
fn a_token_is_taken_out_of_cookie_and_query() {
    let mut config = given();
    config["credential_from"] = json!([{"cookie": "session"}, {"query": "access_token"}]);
    let mut proxy = Proxy::new(&config);
    let cookie = format!("a=1; session={}; b=2", good());
    assert_eq!(
        proxy.send(&[("cookie", &cookie)]).1,
        Outcome::Passed(vec!["cookie=a=1; b=2".into()])
    );
    let only = format!("session={}", good());
    assert_eq!(
        proxy.send(&[("cookie", &only)]).1,
        Outcome::Passed(vec!["-cookie".into()])
    );
    let path = format!("/m?x=1&access_token={}&y=2", good());
    assert_eq!(
        proxy.send(&[(":path", &path)]).1,
        Outcome::Passed(vec![":path=/m?x=1&y=2".into()])
    );
    config["credential_to_upstream"] = json!("keep");
    assert_eq!(
        Proxy::new(&config).send(&[("cookie", &only)]).1,
        Outcome::Passed(Vec::new())
    );
}

#[test]
fn a_token_is_verified_once_and_its_expiry_every_time() {
    let mut proxy = Proxy::new(&given());
    let token = good();
    for _ in 0..3 {
        assert_eq!(proxy.bear(&token), passed());
    }
    assert_eq!(proxy.verifications(), 1);
    proxy.pass_ms(659_000);
    assert_eq!(proxy.bear(&token), passed(), "within the skew");
    proxy.pass_ms(1000);
    assert_eq!(proxy.bear(&token), refused(401, "token_expired"));
    let mut config = given();
    config["token_cache_entries"] = json!(0);
    let mut proxy = Proxy::new(&config);
    proxy.bear(&token);
    proxy.bear(&token);
    assert_eq!(proxy.verifications(), 2);
}

#[test]
fn a_shared_secret_verifies_only_what_is_signed_with_it() {
    let mut config = given();
    config["issuers"][0]["keys"] =
        json!({"secret": {"value": {"env": "JWT_SECRET"}, "algorithm": "HS256"}});
    let mut proxy = Proxy::new(&config);
    assert_eq!(proxy.bear(&good()), refused(401, "algorithm_refused"));
}

#[test]
fn several_issuers_are_told_apart_by_iss_and_never_share_keys() {
    let mut config = given();
    let mut other = config["issuers"][0].clone();
    other["issuer"] = json!("https://other.test");
    other["keys"] = json!({"jwks": jwks(&[(2, "a")])});
    other["consumer_prefix"] = json!("other/");
    config["issuers"].as_array_mut().unwrap().push(other);
    let mut proxy = Proxy::new(&config);
    assert_eq!(proxy.bear(&good()), passed());
    assert_eq!(
        proxy.bear(&mint(2, Some("a"), &claims())),
        refused(401, "signature_refused")
    );
    assert_eq!(
        proxy.bear(&mint(
            2,
            Some("a"),
            &with("iss", json!("https://other.test"))
        )),
        passed()
    );
    assert_eq!(proxy.identity().unwrap()["consumer"], "other/ann");
}

#[test]
fn everything_that_is_wrong_with_a_configuration_is_said_at_once() {
    let config = json!({
        "credential_from": [{"header": "a b"}],
        "identity_headers": { "claims": [{"claim": "sub", "header": ":path"}] },
        "max_token_bytes": 1,
        "issuers": [
            {"issuer": "https://idp.test", "keys": {}},
            {"issuer": "https://idp.test", "audiences": ["m"], "keys": {"fetch": {"url": "idp", "cluster": ""}}, "scopes": ["a b"]},
            {"audiences": ["m"], "keys": {"secret": {"value": "sh0rt"}}, "algorithms": ["RS256", "XX"]},
            {"issuer": "x", "audiences": ["m"], "keys": {"discovery": {"cluster": "c"}}, "consumer_claim": "/~"},
            {"issuer": "y", "audiences": ["m"], "keys": {"pem": [{"pem": "-----BEGIN CERTIFICATE-----"}]},
             "claims": [{"claim": "", "any_of": []}, {"claim": "a", "any_of": [1], "none_of": [2]}, {"claim": "a", "all_of": [1, []]}]},
            {"issuer": "z", "audiences": ["m"], "keys": {"jwks": {"keys": [{"kty": "EC"}]}}},
        ],
    });
    let told = Proxy::problems(&config).join("\n");
    for path in [
        "max_token_bytes: must be",
        "credential_from[0].header",
        "identity_headers.claims[0].header",
        "issuers[0].audiences: is required",
        "issuers[0].keys: must have exactly one",
        "issuers[1].keys.fetch.url",
        "issuers[1].keys.fetch.cluster",
        "issuers[1].scopes[0]",
        "issuers[2].issuer: is required",
        "issuers[2].keys.secret.value: cannot be used",
        "issuers[2].algorithms[0]: does not go",
        "issuers[2].algorithms[1]: is not an algorithm",
        "issuers[3].keys.discovery",
        "issuers[3].consumer_claim",
        "issuers[4].keys.pem[0]",
        "issuers[4].claims[0].claim",
        "issuers[4].claims[0].any_of: is empty",
        "issuers[4].claims[1]: has more than one",
        "issuers[4].claims[2].all_of[1]",
        "issuers[5].keys.jwks: has no key that can be used: `keys[0]`",
    ] {
        assert!(told.contains(path), "{path} is missing in\n{told}");
    }
    assert!(!told.contains("sh0rt"), "a secret is not quoted");
    let told = Proxy::problems(&json!({})).join("\n");
    assert!(told.contains("issuers: is required"), "{told}");
}
