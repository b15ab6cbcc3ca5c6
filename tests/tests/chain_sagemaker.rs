//! The slice that everything is for: a caller's token becomes a signature, on a real Envoy, in
//! front of verifiers that are not ours: a backend that verifies with AWS's own signer, and moto,
//! which verifies with botocore and enforces IAM policies.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jwt_simple::prelude::{Claims, HS256Key, MACLike};
use modelgate_demo::client::Call;
use modelgate_demo::loopback::Loopback;
use modelgate_demo::sagemaker::{Account, LEAKED_EMAIL, Received, SageMaker};
use modelgate_envoy::release::Envoy;
use modelgate_tests::envoys::envoy;
use modelgate_tests::gateway::Gateway;
use modelgate_tests::services::{Server, free_port, python_package};

const MOTO: &str = "moto[s3,server]==5.2.5";
const HOST: &str = "runtime.sagemaker.eu-central-1.amazonaws.com";
const CHURN: &str = "/endpoints/churn/invocations";
const TOKEN_SECRET: &str = "a secret of this test, at least 32 bytes long";

fn account(access_key_id: &str, secret_access_key: &str) -> Account {
    Account {
        access_key_id: access_key_id.to_owned(),
        secret_access_key: secret_access_key.to_owned(),
        session_token: None,
        region: "eu-central-1".to_owned(),
        service: "sagemaker".to_owned(),
    }
}

/// An Envoy with jwt-auth, pii-mask and aws-sigv4.
async fn start(envoy: &Envoy, account: &Account, upstream: u16) -> Gateway {
    let text = format!(
        r#"
about: a token becomes a signature
env: {{ AWS_ACCESS_KEY_ID: "{}", AWS_SECRET_ACCESS_KEY: "{}" }}
chain:
- jwt-auth:
    issuers: [ {{ issuer: https://idp.test, audiences: [ models ], keys: {{ secret: {{ value: "{TOKEN_SECRET}" }} }} }} ]
- pii-mask: {{ response: {{ on_other_type: allow }} }}
- aws-sigv4:
    region: eu-central-1
    host: {HOST}
    paths: [ "/endpoints/*/invocations", "/endpoints/*/openai/**" ]
    client_headers: [ x-amzn-sagemaker-custom-attributes ]
request: {{ path: / }}
expect: {{ client: {{ status: 200 }} }}
"#,
        account.access_key_id, account.secret_access_key
    );
    Gateway::start(envoy, &text, &[("upstream", upstream)]).await
}

/// A call with a good token.
fn invoke(path: &str, content_type: &str, body: &str) -> Call {
    let claims = Claims::create(jwt_simple::prelude::Duration::from_mins(5))
        .with_issuer("https://idp.test")
        .with_audience("models")
        .with_subject("ann");
    let token = HS256Key::from_bytes(TOKEN_SECRET.as_bytes())
        .authenticate(claims)
        .unwrap();
    Call::post(path, body)
        .with("authorization", &format!("Bearer {token}"))
        .with("content-type", content_type)
}

/// Sends what a backend received once more, as it was or changed.
fn replay(
    port: u16,
    received: &Received,
    path: &str,
    change: Option<(&str, &str)>,
    body: &[u8],
) -> (u16, String) {
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in &received.headers {
        let changed = change
            .filter(|(other, _)| name.as_str() == *other)
            .map(|(_, value)| value);
        if !["content-length", "connection", "transfer-encoding"].contains(&name.as_str()) {
            head.push_str(&format!(
                "{name}: {}\r\n",
                changed.unwrap_or(value.to_str().unwrap())
            ));
        }
    }
    exchange(port, &head, body)
}

fn exchange(port: u16, head: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

/// What the service says of a signature that is not right.
const MISMATCH: &str = "does not match the signature you provided";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_becomes_a_signature_that_the_official_signer_confirms() {
    let Some(envoy) = envoy(None) else { return };
    let account = account(
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    );
    let sagemaker = Arc::new(SageMaker::new(account.clone()));
    let backend = Loopback::start(Arc::clone(&sagemaker), 0).unwrap();
    let gateway = start(&envoy, &account, backend.port()).await;

    let answer = gateway
        .send(&Call::post(CHURN, "1,2,3").with("content-type", "text/csv"))
        .await;
    assert_eq!(
        (answer.status, answer.header("x-modelgate-reason")),
        (401, Some("token_missing"))
    );
    assert!(
        sagemaker.received().is_empty(),
        "what has no token is not signed"
    );

    let call = invoke(CHURN, "text/csv", "1,2,3")
        .with("x-amzn-sagemaker-custom-attributes", "two  spaces");
    let answer = gateway.send(&call).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, r#"{"predictions":[{"score":0.515}]}"#)
    );
    let received = sagemaker.received();
    let [signed] = received.as_slice() else {
        panic!("one request, not {}", received.len())
    };
    assert_eq!(signed.verdict, Ok(()));
    assert_eq!(signed.headers.get("host").unwrap(), HOST);
    assert!(
        !format!("{:?}", signed.headers).contains("Bearer"),
        "the caller's token stays here"
    );

    // The signature covers what masking has made of the body.
    let body = r#"{"inputs":"Is bob.smith@example.org known?"}"#;
    let answer = gateway
        .send(&invoke(
            "/endpoints/assistant/invocations",
            "application/json",
            body,
        ))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        answer.text().contains("Is ") && !answer.text().contains(LEAKED_EMAIL),
        "{}",
        answer.text()
    );
    let received = sagemaker.received().pop().unwrap();
    let sent = String::from_utf8(received.body.to_vec()).unwrap();
    assert_eq!(received.verdict, Ok(()));
    assert!(
        sent.contains("Is ") && !sent.contains("bob.smith"),
        "{sent}"
    );

    let chat = r#"{"stream":true,"messages":[{"role":"user","content":"Who?"}]}"#;
    let answer = gateway
        .send(&invoke(
            "/endpoints/assistant/openai/v1/chat/completions",
            "application/json",
            chat,
        ))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        answer.text().ends_with("data: [DONE]\n\n") && !answer.text().contains("@example.com"),
        "{}",
        answer.text()
    );

    // The same request with one thing changed: the verification is real.
    let again =
        |path: &str, change, body: &[u8]| replay(backend.port(), signed, path, change, body);
    assert_eq!(
        again(CHURN, None, b"1,2,3").0,
        200,
        "the replay itself is faithful"
    );
    for (path, change, body) in [
        (CHURN, None, b"1,2,4"),
        ("/endpoints/other/invocations", None, b"1,2,3"),
        (CHURN, Some(("content-type", "text/plain")), b"1,2,3"),
        (
            CHURN,
            Some(("x-amzn-sagemaker-custom-attributes", "other")),
            b"1,2,3",
        ),
        (
            CHURN,
            Some(("host", "runtime.sagemaker.us-east-1.amazonaws.com")),
            b"1,2,3",
        ),
    ] {
        let (status, answer) = again(path, change, body);
        assert!(
            status == 403 && answer.contains(MISMATCH),
            "{path} {change:?}: {answer}"
        );
    }
    let eight_hours_on = SageMaker::new(account.clone())
        .with_clock(|| SystemTime::now() + Duration::from_secs(8 * 3600));
    let later = Loopback::start(Arc::new(eight_hours_on), 0).unwrap();
    let (status, answer) = replay(later.port(), signed, CHURN, None, b"1,2,3");
    assert!(
        status == 403 && answer.contains("Signature expired"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_with_a_wrong_secret_is_refused() {
    let Some(envoy) = envoy(None) else { return };
    let sagemaker = Arc::new(SageMaker::new(account(
        "AKIAIOSFODNN7EXAMPLE",
        "the-right-one",
    )));
    let backend = Loopback::start(Arc::clone(&sagemaker), 0).unwrap();
    let gateway = start(
        &envoy,
        &account("AKIAIOSFODNN7EXAMPLE", "the-wrong-one"),
        backend.port(),
    )
    .await;
    let answer = gateway.send(&invoke(CHURN, "text/csv", "1,2,3")).await;
    assert_eq!(
        (answer.status, answer.header("x-amzn-errortype")),
        (403, Some("InvalidSignatureException"))
    );
    assert!(answer.text().contains(MISMATCH), "{}", answer.text());
}

/// A moto server with one user who may invoke one endpoint, and that user's key.
struct Moto {
    server: Server,
    account: Account,
}

impl Moto {
    fn start(package: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new("python3");
        command.arg(package.join("bin/moto_server")).args([
            "-H",
            "127.0.0.1",
            "-p",
            &port.to_string(),
        ]);
        // The three calls below are let in unsigned; from then on signatures and policies count.
        command
            .env("PYTHONPATH", package)
            .env("INITIAL_NO_AUTH_ACTION_COUNT", "3");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let server = Server::start(&mut command, port).unwrap();
        let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sagemaker:InvokeEndpoint","Resource":"*"}]}"#;
        Self::iam(port, "Action=CreateUser&UserName=gateway");
        let policy: String = policy.bytes().map(|byte| format!("%{byte:02X}")).collect();
        Self::iam(
            port,
            &format!(
                "Action=PutUserPolicy&UserName=gateway&PolicyName=invoke&PolicyDocument={policy}"
            ),
        );
        let answer = Self::iam(port, "Action=CreateAccessKey&UserName=gateway");
        let member = |name: &str| {
            let (_, rest) = answer.split_once(&format!("<{name}>")).unwrap();
            rest.split_once('<').unwrap().0.to_owned()
        };
        let account = account(&member("AccessKeyId"), &member("SecretAccessKey"));
        Self { server, account }
    }

    fn iam(port: u16, action: &str) -> String {
        let body = format!("{action}&Version=2010-05-08");
        let head = format!(
            "POST / HTTP/1.1\r\nhost: iam.amazonaws.com\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\nauthorization: AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=x\r\n",
            body.len()
        );
        let (status, answer) = exchange(port, &head, body.as_bytes());
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_confirms_the_signature_and_refuses_a_changed_one() {
    let Some(envoy) = envoy(None) else { return };
    let Some(package) = python_package(MOTO) else {
        return;
    };
    let moto = Moto::start(&package);
    let gateway = start(&envoy, &moto.account, moto.server.port).await;
    let answer = gateway.send(&invoke(CHURN, "text/csv", "1,2,3")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());

    // A request that our own backend has seen, sent on to moto as it was and changed.
    let sagemaker = Arc::new(SageMaker::new(moto.account.clone()));
    let backend = Loopback::start(Arc::clone(&sagemaker), 0).unwrap();
    let gateway = start(&envoy, &moto.account, backend.port()).await;
    assert_eq!(
        gateway
            .send(&invoke(CHURN, "text/csv", "1,2,3"))
            .await
            .status,
        200
    );
    let received = sagemaker.received();
    let again = |path: &str, body: &[u8]| replay(moto.server.port, &received[0], path, None, body);
    assert_eq!(
        again(CHURN, b"1,2,3").0,
        200,
        "the replay itself is faithful"
    );
    for (path, body) in [
        (CHURN, b"1,2,4"),
        ("/endpoints/other/invocations", b"1,2,3"),
    ] {
        let (status, answer) = again(path, body);
        assert!(
            status == 403 && answer.contains("SignatureDoesNotMatch"),
            "{path}: {answer}"
        );
    }
}
