//! Gateways that were imported from Higress.

use jwt_simple::prelude::{HS256Key, MACLike};
use modelgate_cli::import::{Options, Source, import};
use modelgate_tests::envoys::envoy;
use serde_json::json;

use crate::{Case, by_rbac, case, claims, compare_with, copied, reaches, request};

/// What an import makes of a file, and of it without `request-block`, which becomes Envoy's own
/// `rbac`: that is not explained.
fn imported(name: &str) -> [String; 2] {
    let text = copied(&format!("tests/imports/{name}"));
    let documents = text.split("\n---\n");
    let others = documents.filter(|one| !one.contains("/request-block:"));
    let without = others.collect::<Vec<_>>().join("\n---\n");
    assert_ne!(text, without);
    [text, without].map(|text| {
        let one = import(Source::Higress, name, &text, &Options::default()).unwrap();
        assert!(!one.is_wrong, "{}", one.report.text());
        one.config
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_were_imported_from_higress() {
    let Some(envoy) = envoy(None) else { return };
    let keys = json!({ "keys": [] });
    let web = "Bearer web-2d711642b726b04401627ca9fbac32f5";
    let batch = "batch-c51ce410c124a10e0db5e4b97fc2af39";
    let intern = "intern-aab3238922bcc25a6f606eb525ffdc56";
    let asks =
        r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"I am bob@corp.example"}]}"#;
    let chat = |name: &str, value: &str| {
        request(
            "POST /v1/chat/completions",
            "ai.example.com",
            &[(name, value)],
            asks,
        )
    };
    let cases = [
        reaches(
            "\"/v1/chat/completions\"",
            case(chat("authorization", web), 200, ""),
        ),
        reaches(
            "\"x-mse-consumer\":\"batch\"",
            case(chat("x-api-key", batch), 200, ""),
        ),
        reaches(
            "\"authorization\":\"Bearer sk-the-key-of-the-provider\"",
            case(chat("authorization", web), 200, ""),
        ),
        case(chat("x-api-key", intern), 401, "key_unknown"),
        case(chat("x-api-key", "nobody"), 401, "key_unknown"),
        case(chat("x-other", "1"), 401, "key_missing"),
        case(request("GET /status", "ai.example.com", &[], ""), 200, ""),
        by_rbac(request("GET /status?debug=TRUE", "ai.example.com", &[], "")),
        case(
            request(
                "POST /embed",
                "vectors.example.com",
                &[("x-api-key", batch)],
                asks,
            ),
            403,
            "",
        ),
        case(
            request(
                "GET /v1/models",
                "other.example.com",
                &[("authorization", web)],
                "",
            ),
            401,
            "key_unknown",
        ),
        Case {
            times: 61,
            ..case(chat("authorization", web), 429, "limit_exceeded")
        },
    ];
    let [text, without] = imported("higress.yaml");
    compare_with("higress.yaml", &envoy, &text, &without, &keys, &cases).await;

    let sign = |issuer: &str, secret: &str| {
        let key = HS256Key::from_bytes(secret.as_bytes());
        format!(
            "Bearer {}",
            key.authenticate(claims(issuer, &json!({}))).unwrap()
        )
    };
    let shop = sign("shop-idp", "shop-secret-of-at-least-32-bytes-long");
    let crm = sign("crm-idp", "crm-secret-of-at-least-32-bytes-long..");
    let forged = sign("crm-idp", "shop-secret-of-at-least-32-bytes-long");
    let portal = |line: &str, token: &str| {
        request(line, "portal.example.net", &[("authorization", token)], "")
    };
    let cases = [
        reaches(
            "\"x-mse-consumer\":\"shop\"",
            case(portal("GET /orders/7", &shop), 200, ""),
        ),
        case(portal("GET /orders/7", &crm), 401, "issuer_unknown"),
        case(portal("GET /orders/7", &forged), 401, "issuer_unknown"),
        case(
            request("GET /orders/7", "portal.example.net", &[], ""),
            401,
            "token_missing",
        ),
        by_rbac(portal("GET /orders/export", &shop)),
        by_rbac(portal("GET /orders/7?debug=1", &shop)),
        case(portal("GET /v1/models", &forged), 401, "signature_refused"),
        reaches(
            "\"authorization\":\"Bearer sk-the-key-of-another\"",
            case(portal("GET /v1/models", &crm), 200, ""),
        ),
        // explain begins with empty buckets, so one more than Envoy would need.
        Case {
            times: 5,
            ..case(portal("GET /v1/models", &shop), 429, "limit_exceeded")
        },
        case(request("GET /", "office.example.net", &[], ""), 403, ""),
        case(
            request(
                "GET /",
                "legacy.example.net",
                &[("authorization", &shop)],
                "",
            ),
            403,
            "",
        ),
    ];
    let [text, without] = imported("higress-portal.yaml");
    compare_with(
        "higress-portal.yaml",
        &envoy,
        &text,
        &without,
        &keys,
        &cases,
    )
    .await;
}
