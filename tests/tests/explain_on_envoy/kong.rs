//! A gateway that was imported from Kong.

use jwt_simple::prelude::{ECDSAP256KeyPairLike, ES256KeyPair};
use modelgate_cli::import::{Options, Source, import};
use modelgate_demo::client::send;
use modelgate_tests::envoys::envoy;
use serde_json::{Value as Json, json};

use crate::{Case, Gateway, ISSUER, call, case, claims, compare, copied, reaches, request};

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_was_imported_from_kong() {
    let Some(envoy) = envoy(None) else { return };
    let pair = ES256KeyPair::generate().with_key_id("k1");
    let key: Json = serde_json::from_str(&pair.public_key().to_jwk()).unwrap();
    let keys = json!({ "keys": [key] });
    let text = copied("tests/imports/kong-models.yaml");
    let one = import(Source::Kong, "kong-models.yaml", &text, &Options::default()).unwrap();
    assert!(!one.is_wrong, "{}", one.report.text());
    let token = |more: Json| format!("Bearer {}", pair.sign(claims(ISSUER, &more)).unwrap());
    let good = json!({"aud": "models-api", "scope": "read infer", "preferred_username": "ann"});
    let but = |name: &str, value: &str| {
        let mut claims = good.clone();
        claims[name] = value.into();
        token(claims)
    };
    let get =
        |path: &str, headers: &[(&str, &str)]| request(&format!("GET {path}"), "gw", headers, "");
    let ask = |model: &str, key: &str| {
        let body = format!(r#"{{"model":"{model}","messages":[]}}"#);
        request(
            "POST /v1/chat/completions",
            "gw",
            &[("apikey", key), ("x-consumer-custom-id", "root")],
            &body,
        )
    };
    let with = |token: String| {
        get(
            "/models/a",
            &[("authorization", &token), ("x-consumer-id", "root")],
        )
    };
    let cases = [
        reaches(
            "\"x-consumer-username\":\"ann\"",
            case(with(token(good.clone())), 200, ""),
        ),
        case(with(but("aud", "others")), 401, "audience_refused"),
        case(with(but("scope", "read")), 403, "scope_insufficient"),
        case(with(but("preferred_username", "eve")), 403, "claim_refused"),
        case(get("/models/a", &[]), 401, "token_missing"),
        reaches(
            "\"uri\":\"/openai/deployments/d1/chat/completions?api-version=2024-06-01\"",
            case(ask("gpt-4o", "key-of-ann"), 200, ""),
        ),
        reaches(
            "\"api-key\":\"the-key-of-the-deployment\"",
            case(ask("gpt-4o", "key-of-ann"), 200, ""),
        ),
        case(ask("gpt-4", "key-of-ann"), 403, "access_denied"),
        case(ask("gpt-4o", "key-of-nobody"), 401, "key_unknown"),
        case(get("/function", &[("apikey", "key-of-ann")]), 403, ""),
        Case {
            times: 3,
            ..case(
                get("/limited", &[("apikey", "key-of-bob")]),
                429,
                "limit_exceeded",
            )
        },
        Case {
            times: 3,
            ..case(get("/limited", &[("apikey", "key-of-ann")]), 200, "")
        },
    ];
    compare("kong-models.yaml", &envoy, &one.config, &keys, &cases).await;

    // Nobody tells the server in Kong's name who it is.
    let gateway = Gateway::start(&envoy, &one.config, &keys).await;
    for request in [with(token(good.clone())), ask("gpt-4o", "key-of-ann")] {
        let answer = send(gateway.port, &call(&request)).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!answer.text().contains("\"root\""), "{}", answer.text());
    }
}
