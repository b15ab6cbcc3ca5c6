//! What `modelgate explain` says is what a real Envoy answers: the same status and reason code, for
//! requests to gateways that users copy and to gateways that were imported from Higress and Kong.

mod explain_on_envoy {
    pub mod higress;
    pub mod kong;
}

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use jwt_simple::prelude::{Claims, ECDSAP256KeyPairLike, ES256KeyPair};
use modelgate_cli::SUITE;
use modelgate_cli::build::{self, Profile, Workspace};
use modelgate_cli::explain::{self, Question};
use modelgate_cli::gateway::{self, Host};
use modelgate_demo::client::{Call, send};
use modelgate_envoy::config::adapt::{Local, adapt, loopback};
use modelgate_envoy::process::{LOG, Launch, Process, Verbosity};
use modelgate_envoy::release::Envoy;
use modelgate_scenario::catalogue::file_name;
use modelgate_tests::envoys::envoy;
use modelgate_tests::services::free_port;
use serde_json::{Value as Json, json};

const ISSUER: &str = "https://login.example.com";
const PATIENCE: Duration = Duration::from_secs(120);
/// The key whose digest users put in place of the zeros.
const API_KEY: &str = "mg_0123456789abcdefghijklmnopqrstuv";
const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// The environment of both.
const ENVIRONMENT: [(&str, &str); 9] = [
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    (
        "AWS_SECRET_ACCESS_KEY",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ),
    ("OPENAI_API_KEY", "sk-the-key-of-the-provider"),
    ("DEEPSEEK_API_KEY", "sk-the-key-of-another"),
    ("AZURE_API_KEY", "the-key-of-the-deployment"),
    ("JWT_SECRET_ANN", "ann-secret-0123456789abcdef0123456789"),
    (
        "JWT_SECRET_SHOP",
        "c2hvcC1zZWNyZXQtb2YtYXQtbGVhc3QtMzItYnl0ZXMtbG9uZw",
    ),
    (
        "JWT_SECRET_CRM",
        "Y3JtLXNlY3JldC1vZi1hdC1sZWFzdC0zMi1ieXRlcy1sb25nLi4",
    ),
    ("AWS_REGION", "eu-central-1"),
];

fn variable(name: &str) -> Option<String> {
    let found = ENVIRONMENT.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| (*value).to_owned())
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn claims(issuer: &str, more: &Json) -> jwt_simple::prelude::JWTClaims<Json> {
    let seconds = now().as_secs();
    let mut all = json!({ "iss": issuer, "sub": "ann", "exp": seconds + 600, "iat": seconds });
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    let mut claims = Claims::with_custom_claims(all, jwt_simple::prelude::Duration::from_secs(1));
    (claims.issued_at, claims.expires_at, claims.invalid_before) = (None, None, None);
    claims
}

/// Answers like an issuer, a collector and a model server, and tells back what it was asked.
async fn server(keys: Json) -> u16 {
    async fn answer(State(keys): State<Json>, uri: Uri, headers: HeaderMap) -> String {
        let told: BTreeMap<&str, &str> = headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        match uri.path() {
            "/.well-known/openid-configuration" => {
                json!({ "issuer": ISSUER, "jwks_uri": format!("{ISSUER}/keys") }).to_string()
            }
            "/keys" => keys.to_string(),
            _ => json!({ "uri": uri.to_string(), "headers": told }).to_string(),
        }
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().fallback(answer).with_state(keys);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    port
}

/// A gateway on a real Envoy, and its file.
struct Gateway {
    envoy: Process,
    port: u16,
    file: PathBuf,
    keys: BTreeMap<String, Vec<u8>>,
    _folder: tempfile::TempDir,
}

impl Gateway {
    async fn start(envoy: &Envoy, text: &str, keys: &Json) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.yaml");
        std::fs::write(&file, text).unwrap();
        let (mut config, _) = gateway::bootstrap(&file, Host::Envoy).unwrap();
        let workspace = Workspace::locate().unwrap();
        let modules = workspace.target.join("modelgate");
        let upstream = server(keys.clone()).await;
        let clusters = config["static_resources"]["clusters"].as_array().unwrap();
        let name = |cluster: &Json| cluster["name"].as_str().unwrap().to_owned();
        let (port, admin) = (free_port(), free_port());
        let local = Local {
            clusters: clusters
                .iter()
                .map(|one| (name(one), loopback(upstream)))
                .collect(),
            modules: SUITE
                .modules()
                .into_iter()
                .map(|krate| (file_name(krate), modules.join(file_name(krate))))
                .collect(),
            port: Some(port),
            admin_port: Some(admin),
        };
        adapt(&mut config, &local).unwrap();
        let launch = Launch {
            workers: 1,
            verbosity: Verbosity::Warnings,
            flush_ms: 1000,
            drain_s: None,
            environment: &ENVIRONMENT,
        };
        let envoy = Process::start(envoy, &config, &launch).unwrap();
        let gateway = Self {
            envoy,
            port,
            file,
            keys: match text.contains(ISSUER) {
                true => BTreeMap::from([(ISSUER.to_owned(), keys.to_string().into_bytes())]),
                false => BTreeMap::new(),
            },
            _folder: folder,
        };
        let began = SystemTime::now();
        // Its workers may begin to listen a moment after it says that it is ready.
        let listens = async || tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
        while send(admin, &Call::get("/ready"))
            .await
            .map_or(0, |answer| answer.status)
            != 200
            || listens().await.is_err()
        {
            let ended = gateway.envoy.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed().unwrap() < PATIENCE,
                "{}",
                gateway.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        gateway
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.envoy.folder().join(LOG)).unwrap_or_default()
    }

    /// Status and reason code of Envoy's answer, and of the explanation.
    async fn both(&self, case: &Case) -> [(u16, String); 2] {
        let mut answer = modelgate_demo::client::Answer::default();
        for _ in 0..case.times {
            answer = send(self.port, &call(&case.request)).await.unwrap();
        }
        let reason = answer.header("x-modelgate-reason").unwrap_or_default();
        let envoy = (answer.status, reason.to_owned());
        if let Some(wanted) = case.upstream {
            assert!(
                answer.text().contains(wanted),
                "{}: {}",
                case.request,
                answer.text()
            );
        }
        let question = Question {
            file: self.file.clone(),
            request: explain::read(case.request.as_bytes(), Path::new("."), &variable).unwrap(),
            from: IpAddr::V4(Ipv4Addr::LOCALHOST),
            times: case.times,
            at_ns: u64::try_from(now().as_nanos()).unwrap(),
            keys: self.keys.clone(),
            assume_verified: false,
            answer: None,
        };
        let told = explain::explain(&question, &variable).unwrap().verdict;
        [
            envoy,
            (
                told.status.unwrap_or_default(),
                told.reason.unwrap_or_default(),
            ),
        ]
    }
}

/// A request as it is on the wire, for a client.
fn call(text: &str) -> Call {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let line: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let mut call = Call::get(line[1]);
    (call.method, call.body) = (line[0].to_owned(), body.to_owned());
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        call = call.with(name, value);
    }
    call
}

/// A request, how often it is sent, and what the last is answered.
struct Case {
    request: String,
    times: usize,
    expected: (u16, &'static str),
    /// What the server was asked, in part.
    upstream: Option<&'static str>,
    /// Whether Envoy's own `rbac` answers it.
    by_rbac: bool,
}

fn case(request: String, status: u16, reason: &'static str) -> Case {
    Case {
        request,
        times: 1,
        expected: (status, reason),
        upstream: None,
        by_rbac: false,
    }
}

/// A request that Envoy's own `rbac` refuses.
fn by_rbac(request: String) -> Case {
    Case {
        by_rbac: true,
        ..case(request, 403, "")
    }
}

fn reaches(text: &'static str, case: Case) -> Case {
    Case {
        upstream: Some(text),
        ..case
    }
}

fn request(line: &str, host: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{line} HTTP/1.1\nhost: {host}\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    if !body.is_empty() {
        text.push_str("content-type: application/json\n");
    }
    format!("{text}\n{body}")
}

async fn compare(name: &str, envoy: &Envoy, text: &str, keys: &Json, cases: &[Case]) {
    compare_with(name, envoy, text, text, keys, cases).await;
}

/// The same, with another configuration for the explanation.
async fn compare_with(
    name: &str,
    envoy: &Envoy,
    text: &str,
    explained: &str,
    keys: &Json,
    cases: &[Case],
) {
    let modules = SUITE.modules();
    build::build(&Workspace::locate().unwrap(), &modules, Profile::Release).unwrap();
    let gateway = Gateway::start(envoy, text, keys).await;
    std::fs::write(&gateway.file, explained).unwrap();
    let mut wrong = Vec::new();
    for case in cases {
        let expected = (case.expected.0, case.expected.1.to_owned());
        let [real, told] = gateway.both(case).await;
        if real != expected || (told != expected && !case.by_rbac) {
            wrong.push(format!(
                "{}, {} times: expected {expected:?}, Envoy says {real:?}, explain {told:?}",
                case.request, case.times
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{name}:\n{}\n{}",
        wrong.join("\n"),
        gateway.log()
    );
}

fn copied(name: &str) -> String {
    let root = Workspace::locate().unwrap().root;
    let text = std::fs::read_to_string(root.join(name)).unwrap();
    let digest = aws_sigv4::sign::Payload::of(API_KEY.as_bytes());
    let digest = String::from_utf8(digest.text().to_vec()).unwrap();
    text.replace(DIGEST, &format!("sha256:{digest}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_users_copy() {
    let Some(envoy) = envoy(None) else { return };
    let pair = ES256KeyPair::generate().with_key_id("k1");
    let key: Json = serde_json::from_str(&pair.public_key().to_jwk()).unwrap();
    let keys = json!({ "keys": [key] });
    let token = |caller: &str, more: Json| {
        let mut all = json!({ "aud": "models", "sub": caller, "groups": ["staff"] });
        for (name, value) in more.as_object().unwrap() {
            all[name] = value.clone();
        }
        format!("Bearer {}", pair.sign(claims(ISSUER, &all)).unwrap())
    };
    let chat = |authorization: &str, body: &str| {
        let line = "POST /v1/chat/completions";
        request(line, "gw", &[("authorization", authorization)], body)
    };
    let asks = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}"#;
    let secret = "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\\n-----END PRIVATE KEY-----";
    let leaks =
        format!(r#"{{"model":"gpt-4o-mini","messages":[{{"role":"user","content":"{secret}"}}]}}"#);
    let plain = |line: &str, caller: &str| {
        request(
            line,
            "gw",
            &[("authorization", &token(caller, json!({})))],
            "",
        )
    };
    let cases = [
        case(chat(&token("a", json!({})), asks), 200, ""),
        case(
            chat(&token("b", json!({"groups": ["guests"]})), asks),
            403,
            "access_denied",
        ),
        case(
            chat(&token("c", json!({"exp": 1})), asks),
            401,
            "token_expired",
        ),
        case(
            chat(&token("d", json!({"aud": "others"})), asks),
            401,
            "audience_refused",
        ),
        case(
            chat(&token("e", json!({"iss": "https://evil.test"})), asks),
            401,
            "issuer_unknown",
        ),
        case(
            chat(&token("f", json!({"nbf": 99_999_999_999_u64})), asks),
            401,
            "token_not_yet_valid",
        ),
        case(chat("Bearer not-a-token", asks), 401, "token_malformed"),
        case(chat("Basic YTpi", asks), 401, "token_missing"),
        case(
            chat(&(token("g", json!({})) + "AA"), asks),
            401,
            "signature_refused",
        ),
        case(
            chat(&token("h", json!({})), r#"{"model":"o1"}"#),
            403,
            "access_denied",
        ),
        case(
            chat(&token("i", json!({})), r#"{"messages":[]}"#),
            400,
            "model_unreadable",
        ),
        case(chat(&token("j", json!({})), &leaks), 400, "pii_blocked"),
        case(plain("GET /v1/models", "k"), 200, ""),
        case(plain("GET /admin", "l"), 404, ""),
        Case {
            times: 11,
            ..case(chat(&token("m", json!({})), asks), 429, "limit_exceeded")
        },
    ];
    compare(
        "openai",
        &envoy,
        &copied("envoy/gateways/openai.yaml"),
        &keys,
        &cases,
    )
    .await;

    let churn = |name: &str, value: &str| {
        request(
            "POST /endpoints/churn/invocations",
            "gw",
            &[(name, value)],
            r#"{"instances":[[1,2]]}"#,
        )
    };
    let science = json!({"groups": ["data-science"]});
    let cases = [
        case(
            churn("authorization", &token("a", science.clone())),
            200,
            "",
        ),
        case(
            churn("authorization", &token("b", json!({"groups": ["x"]}))),
            403,
            "access_denied",
        ),
        case(churn("x-api-key", API_KEY), 200, ""),
        case(churn("x-api-key", "mg_another"), 401, "key_unknown"),
        case(churn("x-other", "1"), 401, "key_missing"),
        Case {
            times: 4,
            ..case(
                churn("authorization", &token("c", json!({"groups": ["trial"]}))),
                429,
                "limit_exceeded",
            )
        },
    ];
    for name in ["sagemaker", "sagemaker-one-entry"] {
        let text = copied(&format!("envoy/{name}.yaml"));
        compare(name, &envoy, &text, &keys, &cases).await;
    }
}
