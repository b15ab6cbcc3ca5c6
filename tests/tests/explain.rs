//! `modelgate explain` never disagrees with the engine: for a table of requests over the
//! configurations that users copy, it says what a gateway answers that knows nothing of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jwt_simple::prelude::{Claims, ECDSAP256KeyPairLike, ES256KeyPair};
use located_yaml::{Node, Place};
use modelgate_cli::SUITE;
use modelgate_cli::build::Workspace;
use modelgate_cli::explain::{self, Outcome, Question, Report};
use modelgate_cli::gateway::{self, Host};
use modelgate_demo::report::Report as Paper;
use modelgate_envoy::config::adapt::{Local, adapt, fill_environment, loopback};
use modelgate_envoy::config::read::{Bootstrap, WasmFilter};
use modelgate_scenario::catalogue::file_name;
use modelgate_scenario::engine::native::NativeCode;
use modelgate_scenario::engine::simulated::request;
use proxy_wasm_simulator::{Answer, Gateway, Reply, Script};
use serde_json::{Value as Json, json};

const ISSUER: &str = "https://login.example.com";
const API_KEY: &str = "mg_0123456789abcdefghijklmnopqrstuv";
/// The SHA-256 of `API_KEY`, in place of the one that users are to replace.
const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
const EMAIL: &str = "bob@corp.example";

/// The environment of both gateways.
fn variable(name: &str) -> Option<String> {
    let value = match name {
        "AWS_ACCESS_KEY_ID" => "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY" => "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_REGION" => "eu-central-1",
        "OPENAI_API_KEY" => "sk-the-key-of-the-provider",
        "AZUREML_ENDPOINT_KEY" => "the-key-of-the-endpoint",
        "AZURE_OPENAI_KEY" => "the-key-of-the-resource",
        _ => return None,
    };
    Some(value.to_owned())
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// The issuer.
struct Issuer(ES256KeyPair);

impl Issuer {
    fn new() -> Self {
        Self(ES256KeyPair::generate().with_key_id("k1"))
    }

    /// A token with these claims beside those that every token has, unless they say otherwise.
    fn token(&self, claims: &Json) -> String {
        let seconds = now().as_secs();
        let mut all = json!({
            "iss": ISSUER, "aud": "models", "sub": "ann", "exp": seconds + 600, "iat": seconds
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        all.as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        let mut signed =
            Claims::with_custom_claims(all, jwt_simple::prelude::Duration::from_secs(1));
        (signed.issued_at, signed.expires_at, signed.invalid_before) = (None, None, None);
        self.0.sign(signed).unwrap()
    }

    fn keys(&self) -> Json {
        let key: Json = serde_json::from_str(&self.0.public_key().to_jwk()).unwrap();
        json!({ "keys": [key] })
    }
}

/// A configuration in `envoy/`, with the digest of `API_KEY` where users put theirs.
struct Config {
    _folder: tempfile::TempDir,
    file: PathBuf,
}

fn config(name: &str) -> Config {
    let path = Workspace::locate().unwrap().root.join("envoy").join(name);
    let digest = "sha256:".to_owned() + &sha256(API_KEY.as_bytes());
    let text = std::fs::read_to_string(path)
        .unwrap()
        .replace(DIGEST, &digest);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, text).unwrap();
    Config {
        _folder: folder,
        file,
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = aws_sigv4::sign::Payload::of(bytes);
    String::from_utf8(digest.text().to_vec()).unwrap()
}

/// What a gateway answers that knows nothing of explanations: status and reason code.
fn engine(file: &Path, text: &str, issuer: &Issuer, times: usize) -> (u16, String) {
    let (mut config, _) = gateway::bootstrap(file, Host::Envoy).unwrap();
    let clusters = config["static_resources"]["clusters"].as_array().unwrap();
    let names: Vec<String> = clusters
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect();
    let local = Local {
        clusters: names
            .iter()
            .map(|name| (name.clone(), loopback(9)))
            .collect(),
        ..Local::default()
    };
    adapt(&mut config, &local).unwrap();
    fill_environment(&mut config, &variable);
    let bootstrap = Bootstrap::read(&Node::from_json(&config, Place::default())).unwrap();
    let mut script = Script::default();
    let json = |body: &Json| {
        let reply = Reply::status(200).header("content-type", "application/json");
        Answer::Reply(reply.body(body.to_string()))
    };
    for name in &names {
        let metadata = json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}/keys")});
        let token = json!({"access_token": "t", "expires_in": 3_600, "token_type": "Bearer"});
        script.cluster(
            name,
            match name.as_str() {
                "login" => vec![json(&metadata), json(&issuer.keys())],
                "metadata" => vec![json(&token)],
                _ => vec![json(&json!({}))],
            },
        );
    }
    let began = u64::try_from(now().as_nanos()).unwrap();
    let mut builder = bootstrap
        .configure(Gateway::builder())
        .network(script)
        .now_ns(began);
    for filter in &bootstrap.filters {
        let code = |wasm: &WasmFilter| {
            let name = wasm.file.file_name().unwrap().to_str().unwrap();
            let mut modules = SUITE.modules().into_iter();
            let krate = modules.find(|krate| file_name(krate) == name).unwrap();
            Ok(NativeCode::bundle(SUITE.filters_in(krate)))
        };
        builder = builder.filter(filter.spec(&bootstrap.secrets, code, &variable).unwrap());
    }
    let mut gateway = builder.build().unwrap();
    gateway.advance(Duration::from_secs(1));
    let asked = explain::read(text.as_bytes(), Path::new("."), &variable).unwrap();
    let mut outcome = None;
    for number in 0..times {
        outcome = Some(gateway.exchange(request(&asked, number)));
    }
    let client = outcome.unwrap().client;
    let reason = client.header("x-modelgate-reason").unwrap_or_default();
    (client.status().unwrap(), reason)
}

fn question(file: &Path, text: &str, issuer: &Issuer, times: usize) -> Question {
    Question {
        file: file.to_owned(),
        request: explain::read(text.as_bytes(), Path::new("."), &variable).unwrap(),
        from: IpAddr::V4(Ipv4Addr::LOCALHOST),
        times,
        at_ns: u64::try_from(now().as_nanos()).unwrap(),
        keys: BTreeMap::from([(ISSUER.to_owned(), issuer.keys().to_string().into_bytes())]),
        assume_verified: false,
        answer: None,
    }
}

fn explained(question: &Question) -> Report {
    explain::explain(question, &variable).unwrap()
}

/// Everything that is shown, in both forms.
fn shown(report: &Report) -> String {
    let text = explain::text(report, &Paper::to(|_| {}));
    format!("{text}\n{}", serde_json::to_string(report).unwrap())
}

struct Case {
    config: &'static str,
    request: &'static str,
    /// Claims of the token in place of `TOKEN`.
    claims: Json,
    times: usize,
    expected: (u16, &'static str),
}

fn case(
    config: &'static str,
    request: &'static str,
    claims: Json,
    expected: (u16, &'static str),
) -> Case {
    Case {
        config,
        request,
        claims,
        times: 1,
        expected,
    }
}

fn times(times: usize, case: Case) -> Case {
    Case { times, ..case }
}

const CHAT: &str = "POST /v1/chat/completions HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"I am bob@corp.example\"}]}";
const GPT4: &str = "POST /v1/chat/completions HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{\"model\":\"o1\",\"messages\":[]}";
const BARE: &str = "POST /v1/chat/completions HTTP/1.1\nhost: gw\ncontent-type: application/json\n\n{\"model\":\"gpt-4o-mini\"}";
const NO_MODEL: &str = "POST /v1/chat/completions HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{\"messages\":[]}";
const SECRET: &str = "POST /v1/chat/completions HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\\n-----END PRIVATE KEY-----\"}]}";
const MODELS: &str = "GET /v1/models HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\n";
const NOWHERE: &str = "GET /admin HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\n";
const TWICE: &str =
    "GET /v1/models HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\nauthorization: Bearer TOKEN\n";
const DOTS: &str = "GET /v1/models/..%2fadmin HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\n";
const CHURN: &str = "POST /endpoints/churn/invocations HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{\"instances\":[[1,2]],\"mail\":\"bob@corp.example\"}";
const OTHER: &str = "POST /endpoints/other/invocations HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{}";
const BY_KEY: &str = "POST /endpoints/churn/invocations HTTP/1.1\nhost: gw\nx-api-key: mg_0123456789abcdefghijklmnopqrstuv\ncontent-type: application/json\n\n{}";
const BY_OTHER_KEY: &str = "POST /endpoints/churn/invocations HTTP/1.1\nhost: gw\nx-api-key: mg_another\ncontent-type: application/json\n\n{}";
const SCORE: &str = "POST /score HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{\"data\":[[1]]}";
const INFER: &str = "POST /v2/models/iris/infer HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{\"inputs\":[]}";
const LIVE: &str = "GET /v2/health/live HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\n";
const PREDICT: &str = "POST /v1/models/churn:predict HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{\"instances\":[[1]]}";
const FRAUD: &str = "POST /v1/models/fraud-2:classify HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{\"examples\":[]}";
const DEPLOYED: &str = "POST /openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21 HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{\"model\":\"gpt-4o-mini\",\"messages\":[]}";
const OTHER_DEPLOYED: &str = "POST /openai/deployments/o1/chat/completions?api-version=2024-10-21 HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{\"model\":\"gpt-4o-mini\",\"messages\":[]}";
const OWN_KEY: &str = "POST /openai/deployments/gpt-4o-mini/chat/completions HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\nocp-apim-subscription-key: x\napi-key: mine\ncontent-type: application/json\n\n{\"messages\":[]}";
const NEW_AZURE: &str = "POST /openai/v1/responses HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{\"model\":\"gpt-4.1-eu\",\"input\":\"hello\"}";
const GEMINI: &str = "POST /v1/projects/models-prod/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{\"contents\":[]}";
const GEMINI_BETA: &str = "POST /v1beta1/projects/models-prod/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{\"contents\":[]}";
const GEMINI_OF_OTHERS: &str = "POST /v1/projects/others/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{\"contents\":[]}";
const RESNET: &str = "POST /predictions/resnet-18 HTTP/1.1\nhost: gw\nauthorization: Bearer TOKEN\ncontent-type: application/json\n\n{}";

fn cases() -> Vec<Case> {
    let groups = |group: &str| json!({ "groups": [group] });
    let openai = "gateways/openai.yaml";
    let sagemaker = "gateways/sagemaker.yaml";
    let staff = || groups("staff");
    let mut cases = vec![
        case(openai, CHAT, staff(), (200, "")),
        case(openai, CHAT, groups("guests"), (403, "access_denied")),
        case(openai, CHAT, json!({}), (403, "access_denied")),
        case(
            openai,
            CHAT,
            json!({"groups": ["staff"], "exp": 1}),
            (401, "token_expired"),
        ),
        case(
            openai,
            CHAT,
            json!({"aud": "others"}),
            (401, "audience_refused"),
        ),
        case(
            openai,
            CHAT,
            json!({"iss": "https://evil.test"}),
            (401, "issuer_unknown"),
        ),
        case(openai, CHAT, json!({"sub": null}), (401, "claim_missing")),
        case(
            openai,
            CHAT,
            json!({"nbf": 99_999_999_999_u64}),
            (401, "token_not_yet_valid"),
        ),
        case(openai, BARE, json!({}), (401, "token_missing")),
        case(openai, GPT4, staff(), (403, "access_denied")),
        case(openai, NO_MODEL, staff(), (400, "model_unreadable")),
        case(openai, SECRET, staff(), (400, "pii_blocked")),
        case(openai, MODELS, json!({}), (200, "")),
        case(openai, NOWHERE, staff(), (404, "")),
        case(openai, TWICE, staff(), (400, "token_repeated")),
        times(10, case(openai, CHAT, staff(), (200, ""))),
        times(11, case(openai, CHAT, staff(), (429, "limit_exceeded"))),
    ];
    cases.push(case(openai, DOTS, staff(), (400, "")));
    for config in [
        sagemaker,
        "sagemaker.yaml",
        "sagemaker-one-entry.yaml",
        "sagemaker-native.yaml",
    ] {
        cases.extend([
            case(config, CHURN, groups("data-science"), (200, "")),
            case(config, CHURN, groups("others"), (403, "access_denied")),
            case(
                config,
                OTHER,
                groups("data-science"),
                (403, "access_denied"),
            ),
            case(config, BY_KEY, json!({}), (200, "")),
            case(config, BY_OTHER_KEY, json!({}), (401, "key_unknown")),
            times(
                4,
                case(config, CHURN, groups("trial"), (429, "limit_exceeded")),
            ),
        ]);
    }
    let apps = || groups("apps");
    cases.extend([
        case(
            "gateways/azure-ml.yaml",
            SCORE,
            json!({"groups": ["apps"], "scope": "models.score"}),
            (200, ""),
        ),
        case(
            "gateways/azure-ml.yaml",
            SCORE,
            apps(),
            (403, "access_denied"),
        ),
        case("gateways/azure-openai.yaml", DEPLOYED, staff(), (200, "")),
        case("gateways/azure-openai.yaml", NEW_AZURE, staff(), (200, "")),
        case("gateways/azure-openai.yaml", OWN_KEY, staff(), (200, "")),
        case(
            "gateways/azure-openai.yaml",
            OTHER_DEPLOYED,
            staff(),
            (403, "access_denied"),
        ),
        case("gateways/azure-openai.yaml", CHAT, staff(), (404, "")),
        case("gateways/kserve-v2.yaml", INFER, apps(), (200, "")),
        case(
            "gateways/kserve-v2.yaml",
            INFER,
            groups("x"),
            (403, "access_denied"),
        ),
        case("gateways/kserve-v2.yaml", LIVE, json!({}), (200, "")),
        case("gateways/vertex.yaml", GEMINI, staff(), (200, "")),
        case("gateways/vertex.yaml", GEMINI_BETA, staff(), (200, "")),
        case(
            "gateways/vertex.yaml",
            GEMINI_OF_OTHERS,
            staff(),
            (403, "access_denied"),
        ),
        times(
            101,
            case(
                "gateways/kserve-v2.yaml",
                INFER,
                apps(),
                (429, "limit_exceeded"),
            ),
        ),
        case(
            "gateways/tensorflow-serving.yaml",
            PREDICT,
            apps(),
            (200, ""),
        ),
        case("gateways/tensorflow-serving.yaml", FRAUD, apps(), (200, "")),
        case("gateways/tensorflow-serving.yaml", INFER, apps(), (404, "")),
        case(
            "gateways/torchserve.yaml",
            RESNET,
            groups("vision"),
            (200, ""),
        ),
        case(
            "gateways/torchserve.yaml",
            RESNET,
            apps(),
            (403, "access_denied"),
        ),
    ]);
    cases
}

#[test]
fn explain_never_disagrees_with_the_engine() {
    let issuer = Issuer::new();
    let mut failures = Vec::new();
    let cases = cases();
    assert!(cases.len() >= 25);
    for Case {
        config: name,
        request,
        claims,
        times,
        expected,
    } in &cases
    {
        let token = issuer.token(claims);
        let text = request.replace("TOKEN", &token);
        let config = config(name);
        let engine = engine(&config.file, &text, &issuer, *times);
        let report = explained(&question(&config.file, &text, &issuer, *times));
        let verdict = &report.verdict;
        let told = (
            verdict.status.unwrap_or_default(),
            verdict.reason.clone().unwrap_or_default(),
        );
        let outcome = match engine.0 {
            200 => Outcome::GoesOn,
            _ if engine.1.is_empty() => Outcome::AnsweredByProxy,
            _ => Outcome::Refused,
        };
        if told != engine || verdict.outcome != outcome || engine != (expected.0, expected.1.into())
        {
            let first = request.lines().next().unwrap_or_default();
            failures.push(format!(
                "{name}, {first}, {claims}, {times} times: expected {expected:?}, the engine says {engine:?}, explain {told:?} ({:?})",
                verdict.outcome
            ));
        }
        let shown = shown(&report);
        for secret in [token.as_str(), API_KEY, EMAIL, "MIIEvQIBADAN"] {
            assert!(
                !shown.contains(secret),
                "{name}: {secret} is shown:\n{shown}"
            );
        }
        for name in [
            "AWS_SECRET_ACCESS_KEY",
            "OPENAI_API_KEY",
            "AZUREML_ENDPOINT_KEY",
            "AZURE_OPENAI_KEY",
        ] {
            assert!(!shown.contains(&variable(name).unwrap()), "{name} is shown");
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The notes of a filter about one step.
fn notes<'a>(report: &'a Report, filter: &str, step: &str) -> Vec<&'a explain::Note> {
    let filters = report.filters.iter().filter(|one| one.filter == filter);
    filters
        .flat_map(|one| &one.notes)
        .filter(|note| note.step == step)
        .collect()
}

#[test]
fn it_says_which_condition_failed_and_what_would_be_masked_limited_and_signed() {
    let issuer = Issuer::new();
    let text = CHURN.replace("TOKEN", &issuer.token(&json!({"groups": ["data-science"]})));
    let config = config("gateways/sagemaker.yaml");
    let report = explained(&question(&config.file, &text, &issuer, 3));
    let rules = notes(&report, "consumer_acl", "rule");
    let results: Vec<_> = rules
        .iter()
        .map(|note| note.data["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["decides", "no_fit"]);
    assert_eq!(
        rules[1].data["failed"],
        json!({"condition": "who.groups.any_of", "wanted": "`batch`", "found": "`data-science`", "unknown": false})
    );
    let window = notes(&report, "rate_limit", "window");
    assert_eq!(window[0].data["remaining"], 117);
    assert!(
        window[0].data["key"]
            .as_str()
            .unwrap()
            .starts_with("consumer (pseudonym ")
    );
    let finding = notes(&report, "pii_mask", "finding");
    assert_eq!(finding[0].place, "$.mail");
    assert_eq!(finding[0].data["span"], json!({"start": 0, "end": 16}));
    assert_eq!(finding[0].data["with"], "<EMAIL_1>");
    let signature = notes(&report, "aws_sigv4", "signature");
    assert_eq!(signature[0].data["service"], "sagemaker");
    let canonical = signature[0].data["canonical_request"].as_str().unwrap();
    assert!(
        canonical.starts_with("POST\n/endpoints/churn/invocations\n"),
        "{canonical}"
    );
    let event = notes(&report, "audit_log", "event");
    assert_eq!(event[0].data["event"]["outcome"], "allowed");
    let upstream = report.upstream.as_ref().unwrap();
    assert!(upstream.body_changed && upstream.authority.starts_with("runtime.sagemaker."));
    let authorization = upstream
        .headers
        .iter()
        .find(|one| one.name == "authorization")
        .unwrap();
    assert_eq!(authorization.change, "changed");
    assert!(
        authorization
            .value
            .as_ref()
            .unwrap()
            .starts_with("(not shown")
    );
}

#[test]
fn a_signature_that_was_not_checked_is_never_called_good() {
    let issuer = Issuer::new();
    let text = CHAT.replace("TOKEN", &issuer.token(&json!({"groups": ["staff"]})));
    let config = config("gateways/openai.yaml");
    let mut question = question(&config.file, &text, &issuer, 1);
    question.keys.clear();
    let report = explained(&question);
    assert_eq!(report.verdict.outcome, Outcome::Undecided);
    assert_eq!(
        (report.verdict.status, report.answer.is_none()),
        (None, true)
    );
    let signature = notes(&report, "jwt_auth", "signature");
    assert_eq!(signature[0].data["verified"], false);

    question.assume_verified = true;
    let report = explained(&question);
    assert_eq!(report.verdict.outcome, Outcome::GoesOn);
    assert!(report.verdict.assumed && report.assumptions[0].contains("NOT checked"));
    let signature = notes(&report, "jwt_auth", "signature");
    assert_eq!(signature[0].data["verified"], false);
    assert!(signature[0].text.contains("NOT checked"));
    // All that follows rests on it.
    for filter in ["consumer_acl", "rate_limit", "pii_mask"] {
        let mut filters = report.filters.iter();
        let filter = filters.find(|one| one.filter == filter).unwrap();
        assert!(filter.notes.iter().all(|note| note.assumed), "{filter:?}");
    }
    assert!(!shown(&report).contains("signature is that of"));

    // A claim that does not hold is refused all the same.
    let text = CHAT.replace(
        "TOKEN",
        &issuer.token(&json!({"groups": ["staff"], "exp": 1})),
    );
    question.request = explain::read(text.as_bytes(), Path::new("."), &variable).unwrap();
    let report = explained(&question);
    assert_eq!(report.verdict.reason.as_deref(), Some("token_expired"));
    // And with another's keys the signature is refused, assumed or not.
    question.keys = BTreeMap::from([(
        ISSUER.to_owned(),
        Issuer::new().keys().to_string().into_bytes(),
    )]);
    let report = explained(&question);
    assert_eq!(report.verdict.reason.as_deref(), Some("signature_refused"));
    assert_eq!(report.verdict.outcome, Outcome::Refused);
}

#[test]
fn what_is_not_there_is_told() {
    let issuer = Issuer::new();
    let config = config("gateways/openai.yaml");
    let mut question = question(&config.file, MODELS, &issuer, 1);
    let report = explain::explain(&question, &|_| None).unwrap();
    assert!(
        report
            .assumptions
            .iter()
            .any(|one| one.contains("OPENAI_API_KEY"))
    );
    question.keys = BTreeMap::from([("https://other.test".to_owned(), b"{}".to_vec())]);
    let error = format!("{:#}", explain::explain(&question, &variable).unwrap_err());
    assert!(
        error.contains("no such issuer") && error.contains(ISSUER),
        "{error}"
    );
    question.file = PathBuf::from("no-such-file.yaml");
    let error = format!("{:#}", explain::explain(&question, &variable).unwrap_err());
    assert!(error.contains("no-such-file.yaml"), "{error}");
}

#[test]
fn an_answer_is_masked_and_told_of() {
    let issuer = Issuer::new();
    let text = CHAT.replace("TOKEN", &issuer.token(&json!({"groups": ["staff"]})));
    let config = config("gateways/openai.yaml");
    let mut question = question(&config.file, &text, &issuer, 1);
    let answer = r#"{"choices":[{"message":{"content":"Ask carol@corp.example"}}]}"#;
    question.answer = Some(explain::answer(answer.as_bytes()).unwrap());
    let report = explained(&question);
    let findings = notes(&report, "pii_mask", "finding");
    let of_answer: Vec<_> = findings
        .iter()
        .filter(|note| note.phase == "response")
        .collect();
    assert_eq!(of_answer.len(), 1, "{findings:?}");
    assert_eq!(of_answer[0].data["entity"], "email");
    assert!(!shown(&report).contains("carol@corp.example"));
}
