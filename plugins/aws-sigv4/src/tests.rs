//! The filter, natively: what becomes of a request, event by event.

mod fetched;
mod nginx;
mod roles;
mod upgrades;

use modelgate_kit::host::Side;
use modelgate_kit::testing::{FakeProxy, Record, TestGateway};
use modelgate_kit::vm::verdict::Action::{self, Continue, Pause};
use serde_json::{Value, json};

use super::AwsSigv4;
use crate::canonical::Request;
use crate::credentials::{Credentials, Scope};
use crate::date::AmzDate;
use crate::sign::{Options, Payload, Signer};

/// 2015-08-30T12:36:00Z
const NOON: u64 = 1_440_938_160_000_000_000;
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn written(more: Value) -> String {
    let mut whole = json!({
        "region": "us-east-1",
        "credentials": { "access_key_id": "AKIDEXAMPLE", "secret_access_key": SECRET },
    });
    whole
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    whole.to_string()
}

fn open(more: Value) -> TestGateway {
    TestGateway::open::<AwsSigv4>(FakeProxy::new(NOON), &written(more)).unwrap()
}

const POST: [(&str, &str); 4] = [
    (":method", "POST"),
    (":path", "/endpoints/e/invocations"),
    (":authority", "gateway.example.com"),
    ("content-type", "text/csv"),
];

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    POST.iter().chain(more).copied().collect()
}

/// What the proxy would send: the signature must be the one for exactly this.
fn authorization_for(record: &Record, body: &[u8], token: Option<&str>) -> String {
    let credentials = Credentials::new(
        "AKIDEXAMPLE".to_owned(),
        SECRET.to_owned().into(),
        token.map(|token| token.to_owned().into()),
    );
    let scope = Scope::new("us-east-1".to_owned(), "sagemaker".to_owned());
    let signer = Signer::new(credentials.unwrap(), scope.unwrap(), Options::default());
    let target = record.request_header(":path").unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers: Vec<(&[u8], &[u8])> = record
        .request
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_slice()))
        .collect();
    headers.retain(|(name, _)| !name.starts_with(b":"));
    headers.push((
        b"host",
        record.request_header(":authority").unwrap().as_bytes(),
    ));
    let request = Request {
        method: record.request_header(":method").unwrap().as_bytes(),
        path: path.as_bytes(),
        query: query.as_bytes(),
        headers: &headers,
    };
    let signed = signer.sign(&request, &Payload::of(body), AmzDate::from_unix_nanos(NOON));
    String::from_utf8(signed.authorization).unwrap()
}

fn refused(record: &Record) -> (u16, &str) {
    let reply = record.reply.as_ref().unwrap();
    assert_eq!(
        record.request_header("x-amz-date"),
        None,
        "nothing is signed"
    );
    (
        reply.status,
        reply.details.strip_prefix("modelgate.aws_sigv4.").unwrap(),
    )
}

/// One request without a body.
fn one(config: Value, headers: &[(&str, &str)]) -> (Record, Action) {
    let mut gate = open(config);
    let (context, action) = gate.request(headers);
    (gate.record(context), action)
}

#[test]
fn a_request_without_a_body_is_signed_at_once() {
    let (record, action) = one(json!({}), &POST);
    assert_eq!(action, Continue);
    assert_eq!(
        record.request_header("authorization").unwrap(),
        authorization_for(&record, b"", None)
    );
    assert_eq!(
        record.request_header("x-amz-date"),
        Some("20150830T123600Z")
    );
    assert_eq!(record.request_header("x-amz-content-sha256"), None);
    assert_eq!(record.request_header("content-length"), None);
}

#[test]
fn a_body_is_held_until_it_is_whole_and_then_signed() {
    let mut gate = open(json!({}));
    let (context, action) = gate.begin(&POST, false);
    assert_eq!(action, Pause);
    assert_eq!(gate.body(context, Side::Request, b"1,2,", false), Pause);
    assert_eq!(gate.record(context).request_header("authorization"), None);
    assert_eq!(gate.body(context, Side::Request, b"3", true), Continue);
    let record = gate.record(context);
    assert_eq!(
        record.request_header("authorization").unwrap(),
        authorization_for(&record, b"1,2,3", None)
    );
    assert_eq!(record.request_header("content-length"), Some("5"));
    assert_eq!(gate.proxy().metric("modelgate.aws_sigv4.allowed"), 1);
}

#[test]
fn a_body_that_ends_with_trailers_is_signed() {
    let mut gate = open(json!({}));
    let (context, _) = gate.begin(&POST, false);
    assert_eq!(gate.body(context, Side::Request, b"1,2,3", false), Pause);
    assert_eq!(gate.trailers(context, Side::Request), Continue);
    let record = gate.record(context);
    assert_eq!(
        record.request_header("authorization").unwrap(),
        authorization_for(&record, b"1,2,3", None)
    );
}

#[test]
fn the_same_request_with_other_bytes_has_another_signature() {
    let sign = |body: &[u8]| {
        let mut gate = open(json!({}));
        let (context, _) = gate.begin(&POST, false);
        gate.body(context, Side::Request, body, true);
        gate.record(context)
            .request_header("authorization")
            .unwrap()
            .to_owned()
    };
    assert_eq!(sign(b"1,2,3"), sign(b"1,2,3"));
    assert_ne!(sign(b"1,2,3"), sign(b"1,2,4"));
}

#[test]
fn a_body_over_the_limit_is_refused_by_length_and_by_count() {
    let mut gate = open(json!({ "max_body_bytes": 4 }));
    let (context, _) = gate.begin(&with(&[("content-length", "5")]), false);
    assert_eq!(refused(&gate.record(context)), (413, "payload_too_large"));
    let (context, _) = gate.begin(&POST, false);
    assert_eq!(gate.body(context, Side::Request, b"1234", false), Pause);
    assert_eq!(gate.record(context).reply, None);
    assert_eq!(gate.body(context, Side::Request, b"5", false), Pause);
    assert_eq!(refused(&gate.record(context)), (413, "payload_too_large"));
    let (context, _) = gate.begin(&POST, false);
    assert_eq!(gate.body(context, Side::Request, b"1234", true), Continue);
}

#[test]
fn the_clients_own_credentials_are_gone() {
    let headers = with(&[
        ("authorization", "Bearer theirs"),
        ("authorization", "Bearer second"),
        ("x-amz-security-token", "theirs"),
        ("x-amz-date", "19700101T000000Z"),
        ("x-amz-content-sha256", "theirs"),
        ("x-amz-target", "SageMaker.DeleteEndpoint"),
    ]);
    let (record, action) = one(json!({}), &headers);
    assert_eq!(action, Continue);
    assert!(!format!("{record:?}").contains("theirs"));
    assert_eq!(record.request_header("x-amz-target"), None);
    assert_eq!(
        record
            .request
            .iter()
            .filter(|(name, _)| name == "authorization")
            .count(),
        1
    );
    assert_eq!(
        record.request_header("authorization").unwrap(),
        authorization_for(&record, b"", None)
    );
}

#[test]
fn a_session_token_is_sent_and_signed() {
    let config = json!({ "credentials": { "access_key_id": "AKIDEXAMPLE", "secret_access_key": SECRET, "session_token": "the/token" } });
    let (record, _) = one(config, &with(&[("x-amz-security-token", "theirs")]));
    assert_eq!(
        record.request_header("x-amz-security-token"),
        Some("the/token")
    );
    let authorization = record.request_header("authorization").unwrap();
    assert!(authorization.contains("x-amz-security-token,"));
    assert_eq!(
        authorization,
        authorization_for(&record, b"", Some("the/token"))
    );
}

#[test]
fn credentials_and_region_come_from_the_environment() {
    let proxy = FakeProxy::new(NOON);
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_REGION", "us-east-1"),
        ("AWS_SESSION_TOKEN", ""),
    ] {
        proxy.set_environment(name, value);
    }
    let mut gate = TestGateway::open::<AwsSigv4>(proxy, "{}").unwrap();
    let (context, _) = gate.request(&POST);
    let record = gate.record(context);
    assert_eq!(
        record.request_header("authorization").unwrap(),
        authorization_for(&record, b"", None)
    );
}

#[test]
fn host_path_and_query_are_sent_as_they_are_signed() {
    let config = json!({ "host": "runtime.sagemaker.us-east-1.amazonaws.com", "strip_path_prefix": "/aws", "paths": ["/endpoints/*/invocations"] });
    let request = |path| {
        let headers: Vec<_> = POST
            .iter()
            .map(|(n, v)| (*n, if *n == ":path" { path } else { *v }))
            .collect();
        one(config.clone(), &headers)
    };
    let (record, action) = request(
        "/aws/endpoints/e/invocations?b=2&X-Amz-Signature=theirs&a=x+y&&x%2Damz-expires=9&c",
    );
    assert_eq!(action, Continue);
    assert_eq!(
        record.request_header(":authority"),
        Some("runtime.sagemaker.us-east-1.amazonaws.com")
    );
    assert_eq!(
        record.request_header(":path"),
        Some("/endpoints/e/invocations?a=x%2By&b=2&c=")
    );
    assert_eq!(
        record.request_header("authorization").unwrap(),
        authorization_for(&record, b"", None)
    );
    for (path, expected) in [
        ("/endpoints/e/invocations", (403, "path_refused")),
        ("/awsendpoints/e/invocations", (403, "path_refused")),
        ("/aws", (403, "path_refused")),
        ("/aws/endpoints/e", (403, "path_refused")),
        ("/aws/endpoints/e/invocations/", (403, "path_refused")),
        (
            "/aws/endpoints/../endpoints/e/invocations",
            (400, "path_ambiguous"),
        ),
        (
            "/aws/endpoints/e%2f..%2fother/invocations",
            (400, "path_ambiguous"),
        ),
        ("/aws//endpoints/e/invocations", (400, "path_ambiguous")),
    ] {
        let (record, action) = request(path);
        assert_eq!((refused(&record), action), (expected, Pause), "{path}");
    }
}

#[test]
fn a_rewrite_by_the_route_is_signed_but_not_made() {
    let config =
        |by| json!({ "host": "aws.example.com", "strip_path_prefix": "/aws", "rewritten_by": by });
    let headers: Vec<_> = POST
        .iter()
        .map(|(n, v)| {
            (
                *n,
                if *n == ":path" {
                    "/aws/endpoints/e/invocations?a=1"
                } else {
                    *v
                },
            )
        })
        .collect();
    let (by_filter, _) = one(config("filter"), &headers);
    let (by_route, _) = one(config("route"), &headers);
    assert_eq!(
        by_route.request_header(":path"),
        Some("/aws/endpoints/e/invocations?a=1")
    );
    assert_eq!(
        by_route.request_header(":authority"),
        Some("gateway.example.com")
    );
    assert_eq!(
        by_route.request_header("authorization"),
        by_filter.request_header("authorization")
    );
}

#[test]
fn a_dropped_query_is_neither_sent_nor_signed() {
    let headers: Vec<_> = POST
        .iter()
        .map(|(n, v)| (*n, if *n == ":path" { "/a?b=c" } else { *v }))
        .collect();
    let (record, _) = one(json!({ "query": "drop" }), &headers);
    assert_eq!(record.request_header(":path"), Some("/a"));
    assert_eq!(
        record.request_header("authorization").unwrap(),
        authorization_for(&record, b"", None)
    );
}

#[test]
fn headers_that_choose_are_the_gateways_or_listed() {
    let variant = ("x-amzn-sagemaker-target-variant", "theirs");
    let (record, _) = one(json!({}), &with(&[variant]));
    assert_eq!(refused(&record), (403, "header_refused"));

    let (record, action) = one(
        json!({ "other_client_headers": "strip" }),
        &with(&[variant]),
    );
    assert_eq!((action, record.request_header(variant.0)), (Continue, None));

    let (record, action) = one(
        json!({ "set_headers": { "X-Amzn-SageMaker-Target-Variant": "blue" } }),
        &with(&[variant]),
    );
    assert_eq!(
        (action, record.request_header(variant.0)),
        (Continue, Some("blue"))
    );
    assert!(
        record
            .request_header("authorization")
            .unwrap()
            .contains(";x-amzn-sagemaker-target-variant,")
    );
    assert_eq!(
        record.request_header("authorization").unwrap(),
        authorization_for(&record, b"", None)
    );

    let listed = json!({ "client_headers": ["X-Amzn-SageMaker-Target-Variant"] });
    let (record, action) = one(listed.clone(), &with(&[variant]));
    assert_eq!(
        (action, record.request_header(variant.0)),
        (Continue, Some("theirs"))
    );
    assert_eq!(
        record.request_header("authorization").unwrap(),
        authorization_for(&record, b"", None)
    );
    let (record, _) = one(listed, &with(&[variant, variant]));
    assert_eq!(refused(&record), (400, "header_repeated"));

    let (_, action) = one(json!({}), &with(&[("x-amzn-trace-id", "Root=1-2-3")]));
    assert_eq!(action, Continue);
}

#[test]
fn an_unsigned_body_streams_and_says_so() {
    let mut gate = open(json!({ "payload": "unsigned", "service": "s3" }));
    let (context, action) = gate.begin(&POST, false);
    assert_eq!(action, Continue);
    let record = gate.record(context);
    assert_eq!(
        record.request_header("x-amz-content-sha256"),
        Some("UNSIGNED-PAYLOAD")
    );
    assert!(
        record
            .request_header("authorization")
            .unwrap()
            .contains(";x-amz-content-sha256;")
    );
    assert_eq!(
        gate.body(context, Side::Request, b"anything", true),
        Continue
    );
}

#[test]
fn where_no_body_may_be_there_is_none() {
    let mut gate = open(json!({ "payload": "absent" }));
    let (context, action) = gate.request(&POST);
    assert_eq!((action, gate.record(context).reply), (Continue, None));
    let (context, action) = gate.begin(&POST, false);
    assert_eq!(action, Pause);
    assert_eq!(refused(&gate.record(context)), (400, "payload_refused"));
}

#[test]
fn a_request_without_a_host_is_refused() {
    let headers: Vec<_> = POST
        .iter()
        .filter(|(name, _)| *name != ":authority")
        .copied()
        .collect();
    let (record, _) = one(json!({}), &headers);
    assert_eq!(refused(&record), (400, "host_missing"));
    let (record, action) = one(json!({ "host": "h" }), &headers);
    assert_eq!(
        (action, record.request_header(":authority")),
        (Continue, Some("h"))
    );
}

#[test]
fn a_request_with_two_hosts_is_refused() {
    let (record, _) = one(json!({}), &with(&[("host", "other.example.com")]));
    assert_eq!(refused(&record), (400, "host_ambiguous"));
    let (_, action) = one(json!({}), &with(&[("host", "gateway.example.com")]));
    assert_eq!(action, Continue);
}

#[test]
fn a_request_with_two_paths_is_refused_though_one_of_them_is_empty() {
    for paths in [["/a", "/b"], ["", "/a"], ["/a", ""]] {
        let headers = [
            (":method", "POST"),
            (":path", paths[0]),
            (":authority", "h"),
            (":path", paths[1]),
        ];
        let (record, _) = one(json!({}), &headers);
        assert_eq!(refused(&record), (400, "path_ambiguous"), "{paths:?}");
    }
}

#[test]
fn everything_wrong_with_a_configuration_is_said_at_once_and_no_secret_with_it() {
    let config = json!({
        "service": "Sage Maker", "host": "https://x/", "strip_path_prefix": "aws/", "paths": ["/a", "b", "/**/c"],
        "ambiguous_paths": "allow", "client_headers": ["x-amz-date", "x-amzn-ok"], "set_headers": { "cookie": "a", "x-amzn-v": "\n", "X-Amzn-Ok": "b" },
        "signed_headers": ["x y", "authorization"], "max_body_bytes": 0, "paylod": "signed",
        "credentials": { "access_key_id": "a b", "secret_access_key": "the secret", "session_token": { "env": "NOT_SET" } },
    });
    let logs = TestGateway::open::<AwsSigv4>(FakeProxy::new(NOON), &config.to_string())
        .err()
        .unwrap()
        .join("\n");
    for path in [
        "region: is required",
        "host:",
        "strip_path_prefix:",
        "paths[1]:",
        "paths[2]:",
        "ambiguous_paths:",
        "client_headers[0]:",
        "set_headers.cookie:",
        "set_headers.x-amzn-v: is not a header value",
        "set_headers.x-amzn-ok: is in",
        "signed_headers[0]:",
        "signed_headers[1]:",
        "max_body_bytes:",
        "paylod: unknown field (did you mean `payload`?)",
        "credentials.session_token:",
    ] {
        assert!(logs.contains(path), "{path} is missing in\n{logs}");
    }
    assert!(!logs.contains("the secret") && !logs.contains("a b"));
    let config = json!({ "region": "us east", "credentials": { "access_key_id": "a b", "secret_access_key": "s" } });
    let logs = TestGateway::open::<AwsSigv4>(FakeProxy::new(NOON), &config.to_string())
        .err()
        .unwrap()
        .join("\n");
    assert!(
        logs.contains("region: is not a region")
            && logs.contains("credentials.access_key_id: is not"),
        "{logs}"
    );
}

#[test]
fn credentials_that_are_nowhere_are_asked_for() {
    let logs = TestGateway::open::<AwsSigv4>(FakeProxy::new(NOON), r#"{"region":"us-east-1"}"#)
        .err()
        .unwrap()
        .join("\n");
    assert!(
        logs.contains("AWS_ACCESS_KEY_ID is not set")
            && logs.contains("AWS_SECRET_ACCESS_KEY is not set"),
        "{logs}"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

    /// Whatever comes, in whatever pieces: what goes on is signed, and what is not signed does not
    /// go on.
    #[test]
    fn every_request_is_signed_or_refused(
        target in "(/[a-z]{0,3}){0,3}[ -~]{0,12}",
        names in proptest::collection::vec("(x-amz-|x-amzn-|X-AMZ-|authorization|content-length|host|:path|:x|[a-z]{1,4})[a-z-]{0,3}", 0..6),
        value in "[ -~]{0,12}",
        pieces in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400), 0..4),
        trailers: bool,
        payload in proptest::sample::select(vec!["signed", "unsigned", "absent"]),
        strip: bool,
    ) {
        let others = if strip { "strip" } else { "deny" };
        let service = if payload == "unsigned" { "s3" } else { "sagemaker" };
        let mut gate = open(json!({ "payload": payload, "service": service, "max_body_bytes": 1000, "other_client_headers": others, "paths": ["/**"] }));
        let mut headers = vec![(":method", "POST"), (":path", target.as_str()), (":authority", "h")];
        headers.extend(names.iter().map(|name| (name.as_str(), value.as_str())));
        let (context, mut action) = gate.begin(&headers, pieces.is_empty() && !trailers);
        for (at, piece) in pieces.iter().enumerate() {
            action = gate.body(context, Side::Request, piece, !trailers && at + 1 == pieces.len());
        }
        if trailers {
            action = gate.trailers(context, Side::Request);
        }
        let record = gate.record(context);
        let signed = record.request_header("authorization").is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
        proptest::prop_assert_eq!(action == Continue, signed && record.reply.is_none());
        proptest::prop_assert_eq!(action == Pause, record.reply.is_some());
        if signed && payload == "signed" {
            let whole = pieces.concat();
            proptest::prop_assert_eq!(record.request_header("authorization").unwrap(), authorization_for(&record, &whole, None));
        }
    }
}
