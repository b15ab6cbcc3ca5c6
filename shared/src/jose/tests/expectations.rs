//! What the claims of a verified token must say.

use super::*;

fn judge(payload: &Value, change: impl FnOnce(&mut Expectations)) -> Result<Claims, Refusal> {
    judge_typed(r#"{"alg":"ES256"}"#, payload, change)
}

fn judge_typed(
    header: &str,
    payload: &Value,
    change: impl FnOnce(&mut Expectations),
) -> Result<Claims, Refusal> {
    let token = signed(header, &payload.to_string(), es256(1));
    let mut expectations = expectations();
    change(&mut expectations);
    let verified = verify(&token, &set(&[es256_jwk(1, None)]), Algorithms::ASYMMETRIC)?;
    expectations.check(&verified, NOW_S)
}

#[test]
fn each_expectation_has_its_refusal() {
    assert!(judge(&claims(), |_| {}).is_ok());
    type Change = fn(&mut Expectations);
    let same: Change = |_| {};
    for (payload, change, refusal) in [
        (
            with("iss", json!("https://idp/")),
            same,
            Refusal::IssuerUnknown,
        ),
        (without("iss"), same, Refusal::ClaimMissing),
        (without("aud"), same, Refusal::ClaimMissing),
        (without("exp"), same, Refusal::ClaimMissing),
        (
            without("sub"),
            |e| e.required.push("sub".into()),
            Refusal::ClaimMissing,
        ),
        (
            with("x", json!(null)),
            |e| e.required.push("x".into()),
            Refusal::ClaimMissing,
        ),
        (with("aud", json!("other")), same, Refusal::AudienceRefused),
        (with("aud", json!([])), same, Refusal::AudienceRefused),
        (
            with("aud", json!(["a", "b"])),
            same,
            Refusal::AudienceRefused,
        ),
        (with("exp", json!(NOW_S - 60)), same, Refusal::Expired),
        (
            with("exp", json!(NOW_S - 1)),
            |e| e.clock_skew_s = 0,
            Refusal::Expired,
        ),
        (
            with("exp", json!(NOW_S)),
            |e| e.clock_skew_s = 0,
            Refusal::Expired,
        ),
        (with("nbf", json!(NOW_S + 61)), same, Refusal::NotYetValid),
        (with("iat", json!(NOW_S + 61)), same, Refusal::NotYetValid),
        (
            with("exp", json!(NOW_S + 3601)),
            |e| e.max_lifetime_s = Some(3600),
            Refusal::LifetimeRefused,
        ),
        (
            without("iat"),
            |e| e.max_lifetime_s = Some(3600),
            Refusal::LifetimeRefused,
        ),
        (
            claims(),
            |e| e.scopes.push("train".into()),
            Refusal::ScopeInsufficient,
        ),
        (with("exp", json!("soon")), same, Refusal::Malformed),
        (with("exp", json!(-1)), same, Refusal::Expired),
        (
            with("exp", json!(253_402_300_800_u64)),
            same,
            Refusal::LifetimeRefused,
        ),
        (with("nbf", json!(1e300)), same, Refusal::NotYetValid),
        (with("iat", json!(NOW_S * 1000)), same, Refusal::NotYetValid),
        (
            with("aud", json!("other")),
            |e| {
                e.audiences.clear();
                e.required.retain(|name| name != "aud");
            },
            Refusal::AudienceRefused,
        ),
        (
            with("aud", json!([])),
            |e| {
                e.audiences.clear();
                e.required.retain(|name| name != "aud");
            },
            Refusal::AudienceRefused,
        ),
        (
            with("_claim_names", json!({"exp": "src1"})),
            same,
            Refusal::ClaimMissing,
        ),
        (
            with("_claim_names", json!({"aud": "src1"})),
            same,
            Refusal::AudienceRefused,
        ),
    ] {
        assert_eq!(judge(&payload, change).err(), Some(refusal), "{payload}");
    }
    for (payload, change) in [
        (with("exp", json!(NOW_S - 59)), same),
        (with("nbf", json!(NOW_S + 60)), same),
        (with("nbf", json!(-5)), same),
        (with("iat", json!(-0.5)), same),
        (with("exp", json!(253_402_300_799_u64)), same),
        (with("_claim_names", json!({"groups": "src1"})), same),
        (with("aud", json!(["other", "models"])), same),
        (with("exp", json!(NOW_S + 3600)), |e| {
            e.max_lifetime_s = Some(3600)
        }),
        (without("aud"), |e: &mut Expectations| {
            e.required.retain(|name| name != "aud")
        }),
        (without("aud"), |e| {
            e.audiences.clear();
            e.required.retain(|name| name != "aud");
        }),
        (claims(), |e| e.scopes.push("infer".into())),
    ] as [(Value, Change); 11]
    {
        assert!(judge(&payload, change).is_ok(), "{payload}");
    }
}

#[test]
fn a_failing_claim_rule_refuses() {
    let rule = |wanted: &str| ClaimRule {
        path: ClaimPath::parse("sub").unwrap(),
        split: Split::Whole,
        test: Test::AnyOf(Test::words(vec![json!(wanted)])),
    };
    assert!(judge(&claims(), |e| e.rules.push(rule("ann"))).is_ok());
    assert_eq!(
        judge(&claims(), |e| e.rules.push(rule("bob"))).err(),
        Some(Refusal::ClaimRefused)
    );
}

#[test]
fn the_first_audience_claim_that_is_there_decides_and_aud_always() {
    let by = |claims: Value, list: &[&str]| {
        let list: Vec<ClaimPath> = list
            .iter()
            .map(|text| ClaimPath::parse(text).unwrap())
            .collect();
        judge(&claims, |e| e.audience_claims = list).err()
    };
    let access = |client: Value| {
        let mut claims = without("aud");
        claims["client_id"] = client;
        claims
    };
    let both = |aud: &str, client: &str| {
        let mut claims = with("aud", json!(aud));
        claims["client_id"] = json!(client);
        claims
    };
    let lists = ["aud", "client_id"];
    assert_eq!(
        by(access(json!("models")), &lists),
        None,
        "an access token of Cognito"
    );
    assert_eq!(by(claims(), &lists), None, "its ID token");
    assert_eq!(
        by(access(json!("other")), &lists),
        Some(Refusal::AudienceRefused)
    );
    assert_eq!(by(without("aud"), &lists), Some(Refusal::ClaimMissing));
    assert_eq!(
        by(both("other", "models"), &lists),
        Some(Refusal::AudienceRefused)
    );
    assert_eq!(
        by(both("models", "other"), &lists),
        None,
        "RFC 9068: the client asked, the audience is meant"
    );
    assert_eq!(
        by(both("other", "models"), &["client_id"]),
        Some(Refusal::AudienceRefused)
    );
    assert_eq!(
        by(both("models", "other"), &["client_id", "aud"]),
        Some(Refusal::AudienceRefused)
    );
}

#[test]
fn a_condition_over_a_claim_that_is_elsewhere_does_not_hold() {
    let rule = |test: Test| ClaimRule {
        path: ClaimPath::parse("groups").unwrap(),
        split: Split::Whole,
        test,
    };
    let words = || Test::words(vec![json!("contractors")]);
    for claims in [
        with("_claim_names", json!({"groups": "src1"})),
        with("hasgroups", json!(true)),
        with("groups", json!({"contractors": true})),
        with("groups", json!(["ml", ["contractors"]])),
        with("groups", json!(null)),
    ] {
        for test in [
            Test::NoneOf(words()),
            Test::AnyOf(words()),
            Test::AllOf(words()),
        ] {
            let refusal = judge(&claims, |e| e.rules.push(rule(test.clone()))).err();
            assert_eq!(refusal, Some(Refusal::ClaimRefused), "{claims} {test:?}");
        }
    }
    assert!(judge(&claims(), |e| e.rules.push(rule(Test::NoneOf(words())))).is_ok());
}

#[test]
fn other_kinds_of_token_are_refused_by_their_type() {
    for (header, accepted) in [
        (r#"{"alg":"ES256"}"#, true),
        (r#"{"alg":"ES256","typ":"JWT"}"#, true),
        (r#"{"alg":"ES256","typ":"application/at+jwt"}"#, true),
        (r#"{"alg":"ES256","typ":"dpop+jwt"}"#, false),
        (r#"{"alg":"ES256","typ":"logout+jwt"}"#, false),
        (r#"{"alg":"ES256","typ":"JOSE"}"#, false),
        (r#"{"alg":"ES256","typ":""}"#, false),
        (r#"{"alg":"ES256","cty":"JWT"}"#, false),
        (r#"{"alg":"ES256","cty":"application/at+jwt"}"#, false),
        (r#"{"alg":"ES256","cty":"json"}"#, true),
    ] {
        let refusal = judge_typed(header, &claims(), |_| {}).err();
        assert_eq!(
            refusal,
            (!accepted).then_some(Refusal::TypeRefused),
            "{header}"
        );
    }
}
