//! Tests of the backend: what the suite's own signer signs, and what is changed afterwards.

use super::*;
use aws_sigv4::canonical::Request as Signable;
use aws_sigv4::credentials::{Credentials, Scope};
use aws_sigv4::date::AmzDate;
use aws_sigv4::sign::{Options, Payload, PayloadHeader, Signer};

const NOW: Duration = Duration::from_secs(1_767_225_600);

fn account(token: Option<&str>) -> Account {
    Account {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: token.map(str::to_owned),
        region: "eu-central-1".to_owned(),
        service: "sagemaker".to_owned(),
    }
}

fn backend(token: Option<&str>) -> SageMaker {
    SageMaker::new(account(token)).with_clock(|| SystemTime::UNIX_EPOCH + NOW)
}

/// A request that our own signer signed for `account`, so many seconds from now.
fn signed(
    account: &Account,
    target: &str,
    body: &str,
    skew_s: i64,
    options: Options,
) -> Request<Bytes> {
    let credentials = Credentials::new(
        account.access_key_id.clone(),
        account.secret_access_key.clone().into(),
        account.session_token.clone().map(Into::into),
    );
    let scope = Scope::new(account.region.clone(), account.service.clone());
    let signer = Signer::new(credentials.unwrap(), scope.unwrap(), options);
    let mut headers = vec![
        ("host", "runtime.sagemaker.test".to_owned()),
        ("content-type", "application/json".to_owned()),
        (
            "x-amzn-sagemaker-custom-attributes",
            " two  spaces ".to_owned(),
        ),
    ];
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs: Vec<(&[u8], &[u8])> = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let signable = Signable {
        method: b"POST",
        path: path.as_bytes(),
        query: query.as_bytes(),
        headers: &pairs,
    };
    let seconds = NOW.as_secs().checked_add_signed(skew_s).unwrap();
    let date = AmzDate::from_unix_nanos(seconds * 1_000_000_000);
    let done = signer.sign(&signable, &Payload::of(body.as_bytes()), date);
    headers.push((
        "authorization",
        String::from_utf8(done.authorization).unwrap(),
    ));
    headers.push(("x-amz-date", date.to_string()));
    if let Some(token) = &account.session_token {
        headers.push(("x-amz-security-token", token.clone()));
    }
    if let Some(payload) = done.content_sha256 {
        headers.push((
            "x-amz-content-sha256",
            String::from_utf8(payload.text().to_vec()).unwrap(),
        ));
    }
    let mut request = Request::builder().method("POST").uri(target);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(Bytes::from(body.to_owned())).unwrap()
}

fn plain(target: &str, body: &str) -> Request<Bytes> {
    signed(&account(None), target, body, 0, Options::default())
}

fn verdict(request: &Request<Bytes>) -> Result<(), Refusal> {
    verify(&account(None), request, SystemTime::UNIX_EPOCH + NOW)
}

fn refused(request: &Request<Bytes>, kind: &str, words: &str) {
    let refusal = verdict(request).unwrap_err();
    assert_eq!(
        (refusal.status, refusal.kind),
        (403, kind),
        "{}",
        refusal.message
    );
    assert!(refusal.message.contains(words), "{}", refusal.message);
}

const CHURN: &str = "/endpoints/churn/invocations";

#[test]
fn what_our_signer_signs_the_official_one_signs_alike() {
    for target in [
        CHURN,
        "/endpoints/a/invocations?b=2&a=1",
        "/model/m%3A0/invoke",
        "/a%20b/%C3%A9",
        "/x?q=a%2Bb%20c&e=",
    ] {
        for (token, payload_header) in [
            (None, PayloadHeader::Omit),
            (Some("Fwo/token+=="), PayloadHeader::Send),
        ] {
            let account = account(token);
            let options = Options {
                payload_header,
                ..Options::default()
            };
            let request = signed(&account, target, "1,2,3", 0, options);
            assert_eq!(
                verify(&account, &request, SystemTime::UNIX_EPOCH + NOW),
                Ok(()),
                "{target}"
            );
        }
    }
}

#[test]
fn a_changed_request_is_refused() {
    const WORDS: &str = "does not match";
    let good = plain(CHURN, "1,2,3");
    assert_eq!(verdict(&good), Ok(()));
    let mut other_body = good.clone();
    *other_body.body_mut() = Bytes::from_static(b"1,2,4");
    refused(&other_body, "InvalidSignatureException", WORDS);
    let mut other_path = good.clone();
    *other_path.uri_mut() = "/endpoints/other/invocations".parse().unwrap();
    refused(&other_path, "InvalidSignatureException", WORDS);
    let mut other_query = good.clone();
    *other_query.uri_mut() = format!("{CHURN}?a=1").parse().unwrap();
    refused(&other_query, "InvalidSignatureException", WORDS);
    let mut other_method = good.clone();
    *other_method.method_mut() = Method::PUT;
    refused(&other_method, "InvalidSignatureException", WORDS);
    for name in ["host", "content-type", "x-amzn-sagemaker-custom-attributes"] {
        let mut other_header = good.clone();
        other_header
            .headers_mut()
            .insert(name, HeaderValue::from_static("other"));
        refused(&other_header, "InvalidSignatureException", WORDS);
        let mut twice = good.clone();
        twice
            .headers_mut()
            .append(name, HeaderValue::from_static("second"));
        assert!(verdict(&twice).is_err());
    }
    let mut wrong_secret = account(None);
    wrong_secret.secret_access_key = "another".to_owned();
    refused(
        &signed(&wrong_secret, CHURN, "", 0, Options::default()),
        "InvalidSignatureException",
        WORDS,
    );
}

#[test]
fn a_request_out_of_time_is_refused() {
    for (skew_s, words) in [
        (-8 * 3600, "Signature expired"),
        (-301, "Signature expired"),
        (301, "Signature not yet current"),
    ] {
        refused(
            &signed(&account(None), CHURN, "", skew_s, Options::default()),
            "InvalidSignatureException",
            words,
        );
    }
    for skew_s in [-299, 299] {
        assert_eq!(
            verdict(&signed(
                &account(None),
                CHURN,
                "",
                skew_s,
                Options::default()
            )),
            Ok(())
        );
    }
}

#[test]
fn a_request_for_someone_or_somewhere_else_is_refused() {
    let change = |change: fn(&mut Account)| {
        let mut account = account(None);
        change(&mut account);
        signed(&account, CHURN, "", 0, Options::default())
    };
    refused(
        &change(|a| a.access_key_id = "AKIAOTHER".to_owned()),
        "UnrecognizedClientException",
        "security token",
    );
    refused(
        &change(|a| a.session_token = Some("t".to_owned())),
        "UnrecognizedClientException",
        "security token",
    );
    refused(
        &change(|a| a.region = "us-east-1".to_owned()),
        "InvalidSignatureException",
        "valid region",
    );
    refused(
        &change(|a| a.service = "s3".to_owned()),
        "InvalidSignatureException",
        "correct service",
    );
}

#[test]
fn what_is_not_covered_or_not_there_is_refused() {
    let good = plain(CHURN, "");
    let mut uncovered = good.clone();
    uncovered
        .headers_mut()
        .insert("x-amz-target", HeaderValue::from_static("x"));
    refused(
        &uncovered,
        "InvalidSignatureException",
        "'x-amz-target' must be a 'SignedHeader'",
    );
    for (name, kind, words) in [
        (
            "authorization",
            "MissingAuthenticationTokenException",
            "Missing",
        ),
        ("x-amz-date", "IncompleteSignatureException", "X-Amz-Date"),
        (
            "content-type",
            "InvalidSignatureException",
            "not in the request",
        ),
    ] {
        let mut missing = good.clone();
        missing.headers_mut().remove(name);
        refused(&missing, kind, words);
    }
    for bad in [
        "Bearer x",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request",
        "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=x",
    ] {
        let mut malformed = good.clone();
        malformed
            .headers_mut()
            .insert("authorization", HeaderValue::from_str(bad).unwrap());
        refused(&malformed, "IncompleteSignatureException", "");
    }
    for bad in [
        "2026-01-01T00:00:00Z",
        "20260101T000000",
        "20261301T000000Z",
        "202\u{e9}0101T0000Z",
    ] {
        let mut malformed = good.clone();
        malformed.headers_mut().insert(
            "x-amz-date",
            HeaderValue::from_bytes(bad.as_bytes()).unwrap(),
        );
        refused(&malformed, "IncompleteSignatureException", "");
    }
}

async fn answered(backend: &SageMaker, target: &str, body: &str) -> (u16, String, usize) {
    let response = backend.respond(&plain(target, body));
    let status = response.status().as_u16();
    let (mut pieces, mut bytes, mut body) = (0, Vec::new(), response.into_body());
    while let Some(frame) = body.frame().await {
        pieces += 1;
        bytes.extend_from_slice(frame.unwrap().data_ref().unwrap());
    }
    (status, String::from_utf8(bytes).unwrap(), pieces)
}

#[tokio::test]
async fn endpoints_answer_and_others_are_not_found() {
    let backend = backend(None);
    let (status, body, _) = answered(&backend, CHURN, "1,2,3\n0,0\n").await;
    assert_eq!(
        (status, body.as_str()),
        (200, r#"{"predictions":[{"score":0.515},{"score":0.5}]}"#)
    );
    let (status, body, _) = answered(
        &backend,
        "/endpoints/assistant/invocations",
        r#"{"inputs":"Who?"}"#,
    )
    .await;
    assert!(
        status == 200
            && body.contains(LEAKED_EMAIL)
            && body.contains(LEAKED_CARD)
            && body.contains("Who?")
    );
    let chat = "/endpoints/assistant/openai/v1/chat/completions";
    let (status, body, pieces) =
        answered(&backend, chat, r#"{"messages":[{"content":"Who?"}]}"#).await;
    assert!(status == 200 && pieces == 1 && body.contains(LEAKED_EMAIL));
    for (target, body, expected) in [
        (CHURN, "a,b", 400),
        ("/endpoints/none/invocations", "", 400),
        ("/endpoints/assistant/invocations", "{}", 400),
        (chat, "[]", 400),
        ("/other", "", 404),
    ] {
        assert_eq!(
            answered(&backend, target, body).await.0,
            expected,
            "{target}"
        );
    }
    assert_eq!(backend.received().len(), 8);
    assert!(
        backend
            .received()
            .iter()
            .all(|received| received.verdict.is_ok())
    );
}

#[tokio::test]
async fn a_stream_is_cut_in_the_middle_of_the_address() {
    let asked = r#"{"stream":true,"messages":[{"content":"Who?"}]}"#;
    let backend = backend(None);
    let mut body = backend
        .respond(&plain(
            "/endpoints/assistant/openai/v1/chat/completions",
            asked,
        ))
        .into_body();
    let mut pieces = Vec::new();
    while let Some(frame) = body.frame().await {
        pieces.push(String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap());
    }
    assert_eq!(pieces.len(), 3);
    assert!(
        pieces[0].ends_with("jane.doe")
            && pieces[1].starts_with("@example.com")
            && pieces[2].ends_with("data: [DONE]\n\n")
    );
    assert!(pieces.concat().contains(LEAKED_EMAIL));
}

#[test]
fn a_refusal_looks_like_the_services() {
    let response = backend(None).respond(
        &Request::builder()
            .method("POST")
            .uri(CHURN)
            .body(Bytes::new())
            .unwrap(),
    );
    assert_eq!(response.status(), 403);
    assert_eq!(
        response.headers().get("x-amzn-errortype").unwrap(),
        "MissingAuthenticationTokenException"
    );
}
