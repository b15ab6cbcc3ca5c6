//! upstream-auth behind jwt-auth on a real Envoy: tokens of a token endpoint that is not ours
//! (Authlib's, `tests/makers/token_servers.py`) at mocks of Azure ML and Vertex AI that look each
//! token up where it was issued, and the inference key of a real TorchServe.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use jwt_simple::prelude::{Claims, HS256Key, MACLike};
use modelgate_demo::client::{Answer, Call};
use modelgate_tests::envoys::envoy;
use modelgate_tests::gateway::Gateway;
use modelgate_tests::services::{Server, free_port, python_package};
use modelgate_tests::torchserve::{TORCHSERVE, TorchServe};
use serde_json::{Value, json};

/// Brings Authlib and Flask.
const AUTHLIB: &str = "oidc-provider-mock==0.3.4";
const TOKEN_SECRET: &str = "a secret of this test, at least 32 bytes long";
const GOOGLE: &str = "/v1/projects/p/locations/l/publishers/google/models/m:generateContent";

fn keys() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/upstream-auth/src/jwt/keys")
}

/// Token endpoint, metadata services and model servers; tokens live so many seconds.
fn token_servers(package: &Path, lifetime_s: u32) -> Server {
    let port = free_port();
    let mut command = Command::new("python3");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("makers/token_servers.py"))
        .args([port.to_string(), lifetime_s.to_string()])
        .arg(keys().join("rsa.pub.pem"))
        .arg(keys().join("p256.pub.pem"))
        .env("PYTHONPATH", package)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Server::start(&mut command, port).unwrap()
}

fn caller(name: &str) -> String {
    let claims = Claims::create(jwt_simple::prelude::Duration::from_mins(5))
        .with_issuer("https://idp.test")
        .with_audience("models")
        .with_subject(name);
    let key = HS256Key::from_bytes(TOKEN_SECRET.as_bytes());
    key.authenticate(claims).unwrap()
}

/// A call of a caller's, with all that a client could use as a credential.
fn call(path: &str, name: &str) -> Call {
    Call::post(path, "{}")
        .with("authorization", &format!("Bearer {}", caller(name)))
        .with("content-type", "application/json")
        .with("x-api-key", "theirs")
        .with("x_api_key", "theirs")
        .with("api-key", "theirs")
        .with("x-goog-api-key", "theirs")
}

fn seen(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(&answer.text()).unwrap()
}

/// A chain: who calls is asked first, then the credential of this configuration is put in.
fn chain(port: u16, upstream_auth: &Value) -> String {
    let key = fs::read_to_string(keys().join("rsa.pem")).unwrap();
    let account = json!({
        "type": "service_account",
        "client_email": "account@project.iam.gserviceaccount.com",
        "private_key": key,
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    let text = |text: String| serde_json::to_string(&text).unwrap();
    format!(
        r#"
about: a caller's token becomes the gateway's own
gateway: {{ workers: 2 }}
env: {{ CLIENT_SECRET: "s:3+cr et&%", CLIENT_KEY: {}, P256_KEY: {}, GOOGLE_KEY: {} }}
clusters: {{ idp: {{ answer: {{ status: 200 }} }}, torchserve: {{ answer: {{ status: 200 }} }} }}
routes:
- {{ prefix: /predictions, cluster: torchserve }}
- {{ prefix: / }}
chain:
- jwt-auth:
    issuers: [ {{ issuer: https://idp.test, audiences: [ models ], keys: {{ secret: {{ value: "{TOKEN_SECRET}" }} }} }} ]
    credential_to_upstream: keep
- upstream-auth: {}
request: {{ path: / }}
expect: {{ client: {{ status: 200 }} }}
"#,
        text(key),
        text(fs::read_to_string(keys().join("p256.pem")).unwrap()),
        text(account.to_string()),
        upstream_auth
            .to_string()
            .replace(
                "TOKEN_URL",
                &format!("http://127.0.0.1:{port}/oauth2/token")
            )
            .replace(
                "IMDS_URL",
                &format!("http://127.0.0.1:{port}/metadata/identity/oauth2/token")
            ),
    )
}

/// A configuration in which each source has a path of its own.
fn every_source(inference_key: &str) -> Value {
    let client = |client: Value| {
        json!({ "credential": { "oauth2_client_credentials": {
            "token_endpoint": { "url": "TOKEN_URL", "cluster": "idp" },
            "client": client,
            "scopes": [ "https://ml.azure.com/.default" ],
        } } })
    };
    let mut config = client(json!({ "id": "by basic", "secret": { "env": "CLIENT_SECRET" } }));
    config["provider"] = "azure_ml".into();
    config["set_headers"] = json!({ "azureml-model-deployment": "blue" });
    let of = |source: &str, written: Value| json!({ "credential": { "oauth2_client_credentials": null, source: written } });
    let key = |id: &str, variable: &str, algorithm: &str| {
        json!({ "id": id, "secret": null,
            "private_key": { "pem": { "env": variable }, "algorithm": algorithm } })
    };
    let exchange = json!({
        "token_endpoint": { "url": "TOKEN_URL", "cluster": "idp" },
        "client": { "id": "exchanger", "secret": "s3cret" },
    });
    let mut profiles = serde_json::Map::new();
    for (name, profile) in [
        (
            "post",
            client(
                json!({ "id": "by-post", "secret": { "env": "CLIENT_SECRET" }, "secret_in": "post" }),
            ),
        ),
        ("rs256", client(key("by-rs256", "CLIENT_KEY", "RS256"))),
        ("es256", client(key("by-es256", "P256_KEY", "ES256"))),
        (
            "machine",
            of(
                "managed_identity",
                json!({ "resource": "https://ml.azure.com", "url": "IMDS_URL", "cluster": "idp" }),
            ),
        ),
        (
            "google",
            of(
                "google_service_account",
                json!({ "key": { "env": "GOOGLE_KEY" }, "cluster": "idp" }),
            ),
        ),
        (
            "google_machine",
            of("google_metadata", json!({ "cluster": "idp" })),
        ),
        ("callers", of("token_exchange", exchange)),
        (
            "torchserve",
            of("static", json!({ "value": inference_key })),
        ),
        ("wrong", of("static", json!({ "value": "nobody-knows-it" }))),
    ] {
        profiles.insert(name.to_owned(), profile);
    }
    for name in ["google", "google_machine"] {
        profiles[name]["provider"] = "vertex".into();
    }
    profiles["torchserve"]["provider"] = "torchserve".into();
    let rules: Vec<Value> = profiles
        .keys()
        .map(|name| {
            let header = json!([{ "name": "x-source", "value": name }]);
            json!({ "match": { "headers": header }, "profile": name })
        })
        .collect();
    for (rank, profile) in profiles.values_mut().enumerate() {
        profile["rank"] = (rank + 1).into();
    }
    config["profiles"] = profiles.into();
    config["profile_rules"] = rules.into();
    config
}

/// The answer once the gateway has its token: workers fetch with their first tick.
async fn ready(gateway: &mut Gateway, call: &Call) -> Answer {
    for _ in 0..20 {
        let answer = gateway.send(call).await;
        if answer.status != 503 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("no token after 5 s: {}", gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_source_is_taken_where_its_tokens_are_verified() {
    let (Some(envoy), Some(package)) = (envoy(None), python_package(AUTHLIB)) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // It has no model: whoever has the key is told so, and everybody else that his is not good.
    let Some(model) = TorchServe::start(folder.path(), &[]) else {
        return;
    };
    let servers = token_servers(&package, 300);
    let text = chain(servers.port, &every_source(&model.key));
    let clusters = [
        ("upstream", servers.port),
        ("idp", servers.port),
        ("torchserve", model.server.port),
    ];
    let mut gateway = Gateway::start(&envoy, &text, &clusters).await;

    for (source, path, client, subject) in [
        ("", "/score", "by basic", None),
        ("post", "/score", "by-post", None),
        ("rs256", "/score", "by-rs256", None),
        ("es256", "/score", "by-es256", None),
        ("machine", "/score", "machine at azure", None),
        (
            "google",
            GOOGLE,
            "account@project.iam.gserviceaccount.com",
            None,
        ),
        ("google_machine", GOOGLE, "machine at google", None),
        ("callers", "/callers", "exchanger", Some("ann")),
    ] {
        let mut asked = call(path, "ann");
        if !source.is_empty() {
            asked = asked.with("x-source", source);
        }
        let seen = seen(&ready(&mut gateway, &asked).await);
        assert_eq!(seen["client"], client, "{source}");
        assert_eq!(seen["subject"].as_str(), subject, "{source}");
        // Nothing of the client's but what the gateway has put in.
        assert_eq!(seen["credentials"], json!(["authorization"]), "{source}");
        assert_eq!(seen["deployment"], json!(["blue"]), "{source}");
    }
    // What the mocks refuse: a key that nobody has issued, a caller that may not exchange.
    let wrong = call("/score", "ann").with("x-source", "wrong");
    assert_eq!(gateway.send(&wrong).await.status, 401);
    let mallory = call("/callers", "mallory").with("x-source", "callers");
    let refused = gateway.send(&mallory).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.header("x-modelgate-reason"),
        Some("subject_refused")
    );
    // A stranger gets nothing, whatever the gateway has.
    let stranger = gateway.send(&Call::post("/score", "{}")).await;
    assert_eq!(stranger.status, 401);
    assert_eq!(stranger.header("x-modelgate-reason"), Some("token_missing"));

    // TorchServe: with the key it looks for the model, and says that there is none.
    let asked = call("/predictions/m", "ann");
    let with_key = gateway
        .send(&asked.clone().with("x-source", "torchserve"))
        .await;
    assert_eq!(with_key.status, 404, "{}", with_key.text());
    assert!(with_key.text().contains("ModelNotFoundException"));
    let without = gateway.send(&asked.with("x-source", "wrong")).await;
    assert_eq!(without.status, 400, "{}", without.text());
    assert!(
        without.text().contains("InvalidKeyException"),
        "{}",
        without.text()
    );
    println!("8 sources at Authlib {AUTHLIB} and mocks, the key at {TORCHSERVE}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_run_out_and_are_revoked_and_no_request_fails_for_it() {
    let (Some(envoy), Some(package)) = (envoy(None), python_package(AUTHLIB)) else {
        return;
    };
    let servers = token_servers(&package, 6);
    let config = json!({
        "provider": "azure_ml",
        "credential": { "oauth2_client_credentials": {
            "token_endpoint": { "url": "TOKEN_URL", "cluster": "idp" },
            "client": { "id": "by basic", "secret": { "env": "CLIENT_SECRET" } },
            "scopes": [ "https://ml.azure.com/.default" ],
        } },
        "refresh": { "min_interval_s": 1 },
    });
    let text = chain(servers.port, &config);
    let clusters = [
        ("upstream", servers.port),
        ("idp", servers.port),
        ("torchserve", servers.port),
    ];
    let mut gateway = Gateway::start(&envoy, &text, &clusters).await;
    let asked = call("/score", "ann");
    assert_eq!(ready(&mut gateway, &asked).await.status, 200);
    // Two lives of a token and more.
    for _ in 0..70 {
        let answer = gateway.send(&asked).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Revoked: the backend's own 401, and then a new token.
    let forget = call("/forget", "ann");
    let issued: Value = serde_json::from_str(&gateway.send(&forget).await.text()).unwrap();
    let fetched = issued["client_credentials"].as_u64().unwrap();
    assert!(
        (4..=16).contains(&fetched),
        "{fetched} tokens for two workers in 14 s"
    );
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(gateway.send(&asked).await.status);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 401)),
        "{statuses:?}"
    );
    assert_eq!(statuses.last(), Some(&200), "{statuses:?}");
    println!("{fetched} tokens in 14 s; after a revocation {statuses:?}");
}
