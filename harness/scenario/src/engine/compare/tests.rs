//! Tests of the comparison: what differs is named.

use super::*;
use crate::catalogue::SUITE;
use crate::file::ScenarioFile;
use std::path::Path;

fn scenario(expect: &str) -> Scenario {
    let text = format!(
        "about: x\nchain: []\nclusters: {{ idp: {{ answer: {{}} }} }}\nrequest: {{}}\n{expect}"
    );
    ScenarioFile::parse(&SUITE, Path::new("x.yaml"), &text)
        .unwrap()
        .resolve(0)
        .unwrap()
}

fn seen() -> Observations {
    let exchange = Exchange {
        status: Some(403),
        headers: vec![("x".into(), "1".into()), ("x".into(), "2".into())],
        body: Bytes::from_static(br#"{"code":"token_expired","n":1.0,"list":[{"a":1,"b":2}]}"#),
        end: Ended::Complete,
        details: Some("jwt_auth_denied".into()),
        ..Exchange::default()
    };
    let request = Received {
        method: "POST".into(),
        path: "/x".into(),
        complete: true,
        ..Received::default()
    };
    Observations {
        exchanges: vec![exchange],
        received: [("idp".to_owned(), vec![request])].into(),
        metrics: [("jwt_auth.denied".to_owned(), 2)].into(),
        ..Observations::default()
    }
}

#[test]
fn what_is_as_expected_has_no_mismatch() {
    let expect = "expect:\n  client: { status: 403, reason: token_expired, headers: { x: ['1', { matches: '*' }], y: { absent: true } },\n    body: { json: { n: 1, list: [ { b: 2 } ] }, contains: expired, bytes: { at_most: 99 } } }\n  details: { matches: 'jwt_*_denied' }\n  upstream: untouched\n  clusters: { idp: { requests: 1, path: /x, complete: true } }\n  metrics: { jwt_auth.denied: 2, other: 0 }\n  statuses: { 403: 1 }\n  facts: { a: { absent: true } }\n";
    assert_eq!(mismatches(&scenario(expect), &seen()), []);
}

#[test]
fn every_stated_field_can_fail() {
    for (expect, field) in [
        ("client: { status: 200 }", "client.status"),
        ("client: { reason: token_missing }", "client.reason"),
        ("client: { headers: { x: '1' } }", "client.headers.x"),
        ("client: { headers: { x: ['1', '1'] } }", "client.headers.x"),
        (
            "client: { headers: { x: { absent: true } } }",
            "client.headers.x",
        ),
        (
            "client: { headers: { y: { present: true } } }",
            "client.headers.y",
        ),
        (
            "client: { trailers: { y: { present: true } } }",
            "client.trailers.y",
        ),
        ("client: { body: '' }", "client.body"),
        ("client: { body: { lacks: expired } }", "client.body"),
        ("client: { body: { bytes: 3 } }", "client.body.bytes"),
        (
            "client: { body: { json: { list: [] } } }",
            "client.body.json.list",
        ),
        ("client: { hangs: true }", "client.end"),
        ("client: { reset: true }", "client.end"),
        ("details: other", "details"),
        ("flags: UF", "flags"),
        ("upstream: { requests: 1, path: / }", "upstream.requests"),
        ("upstream: { method: GET }", "upstream.requests"),
        ("clusters: { idp: untouched }", "clusters.idp"),
        (
            "clusters: { idp: { path: { matches: '/y*' } } }",
            "clusters.idp.path",
        ),
        (
            "clusters: { idp: { complete: false } }",
            "clusters.idp.complete",
        ),
        (
            "clusters: { idp: [ { method: POST }, { method: POST } ] }",
            "clusters.idp.requests",
        ),
        (
            "clusters: { idp: [ { method: GET } ] }",
            "clusters.idp[0].method",
        ),
        ("metrics: { jwt_auth.denied: 1 }", "metrics.jwt_auth.denied"),
        ("logs: { contains: x }", "logs"),
        ("statuses: { 200: 1 }", "statuses.200"),
        ("facts: { a: b }", "facts.a"),
    ] {
        let found = mismatches(&scenario(&format!("expect: {{ {expect} }}\n")), &seen());
        assert_eq!(
            found.first().map(|mismatch| mismatch.field.as_str()),
            Some(field),
            "{expect}: {found:?}"
        );
    }
}

#[test]
fn a_declared_divergence_must_diverge() {
    let engine = EngineName::parse("envoy 1.36.4").unwrap();
    let declared = |status: &str, field: &str| {
        scenario(&format!(
            "expect: {{ client: {{ status: {status} }} }}\ndiverges: [ {{ engine: envoy, field: {field}, because: it is so there }} ]\n"
        ))
    };
    assert_eq!(
        judged(&declared("200", "client.status"), &engine, &seen()),
        []
    );
    assert_eq!(judged(&declared("200", "client"), &engine, &seen()), []);
    assert_eq!(
        judged(&declared("200", "client.stat"), &engine, &seen()).len(),
        2
    );
    assert!(
        judged(&declared("403", "client.status"), &engine, &seen())[0]
            .message
            .contains("declared to diverge")
    );
    let other = EngineName::parse("wasmtime").unwrap();
    assert_eq!(
        judged(&declared("200", "client.status"), &other, &seen())[0].field,
        "client.status"
    );
}

#[test]
fn shapes_match_from_end_to_end() {
    for (shape, text, want) in [
        ("*", "", true),
        ("a*", "ba", false),
        ("a*c", "abc", true),
        ("a*c", "abcd", false),
        ("a*b*b", "ab", false),
        ("a*b*b", "abb", true),
        ("abc", "abc", true),
    ] {
        assert_eq!(like(shape, text), want, "{shape} {text}");
    }
}

#[test]
fn a_request_that_is_missing_is_a_mismatch() {
    let found = mismatches(
        &scenario("expect: { upstream: untouched }\n"),
        &Observations::default(),
    );
    assert_eq!(found[0].field, "requests");
}
