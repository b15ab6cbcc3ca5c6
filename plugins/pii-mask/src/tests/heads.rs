//! The query and chosen headers.

use super::*;

const EVERYTHING: &str = r#"{"query":"mask","request":{"headers":["X-User-Email","referer"]},"response":{"headers":["location","x-note"]},"entities":{"private_key":{"action":"block"}}}"#;

fn get(
    path: &'static str,
    more: &[(&'static str, &'static str)],
) -> Vec<(&'static str, &'static str)> {
    let head = [(":method", "GET"), (":path", path), (":authority", "x")];
    head.iter().chain(more).copied().collect()
}

#[test]
fn what_is_found_in_a_query_is_written_anew_and_nothing_else() {
    for (path, masked) in [
        (
            "/v1/x?email=ann%40example.com&b=%41+c",
            "/v1/x?email=%5BEMAIL%5D&b=%41+c",
        ),
        (
            "/v1/x?q=mail+ann@example.com+%zz+100%",
            "/v1/x?q=mail+%5BEMAIL%5D+%zz+100%",
        ),
        ("/v1/x?ssn=308630237&&y", "/v1/x?ssn=%5BSSN%5D&&y"),
        ("/v1/ann@example.com/x?a=b", "/v1/ann@example.com/x?a=b"),
        ("/v1/x%2Fy?ann%40example.com", "/v1/x%2Fy?%5BEMAIL%5D"),
        ("/v1/x?q=4111%201111%201111%201111", "/v1/x?q=%5BCARD%5D"),
        ("/v1/x", "/v1/x"),
    ] {
        let mut gate = open(EVERYTHING);
        let (context, action) = gate.request(&get(path, &[]));
        assert_eq!(action, Continue);
        assert_eq!(gate.record(context).request_header(":path"), Some(masked));
    }
    let mut gate = open("{}");
    let (context, _) = gate.request(&get("/?e=ann@example.com", &[]));
    assert_eq!(
        gate.record(context).request_header(":path"),
        Some("/?e=ann@example.com")
    );
}

#[test]
fn chosen_headers_are_masked_and_counted() {
    let mut gate = open(EVERYTHING);
    let referer = "https://a.test/u/ann%40example.com?next=bob@example.com#x";
    let more = [
        ("x-user-email", "Ann <ann@example.com>"),
        ("referer", referer),
        ("x-other", "ann@example.com"),
    ];
    let (context, _) = gate.request(&get("/", &more));
    let record = gate.record(context);
    assert_eq!(record.request_header("x-user-email"), Some("Ann <[EMAIL]>"));
    assert_eq!(record.request_header("x-other"), Some("ann@example.com"));
    assert_eq!(
        record.request_header("referer"),
        Some("https://a.test/u/%5BEMAIL%5D?next=%5BEMAIL%5D#x")
    );
    let metric = "modelgate.pii_mask.side_request.entity_email.masked";
    assert_eq!(gate.proxy().metric(metric), 3);
    gate.respond(
        context,
        &[
            (":status", "302"),
            ("location", "/u?email=ann%40example.com"),
            ("x-note", "call me at 555-0132"),
        ],
        true,
    );
    let record = gate.record(context);
    assert_eq!(
        record.response_header("location"),
        Some("/u?email=%5BEMAIL%5D")
    );
    assert_eq!(record.response_header("x-note"), Some("call me at [PHONE]"));
    let fact: Masked = gate.fact(context).unwrap();
    assert_eq!(fact.request, [("email".to_owned(), 3)].into());
    assert_eq!(
        fact.response,
        [("email".to_owned(), 1), ("phone".to_owned(), 1)].into()
    );
}

#[test]
fn a_header_with_several_lines_becomes_one_only_if_something_is_found() {
    let mut gate = open(EVERYTHING);
    let (context, _) = gate.request(&get(
        "/",
        &[
            ("x-user-email", "ann@example.com"),
            ("x-user-email", "none"),
        ],
    ));
    assert_eq!(
        gate.record(context).request_header("x-user-email"),
        Some("[EMAIL], none")
    );
}

#[test]
fn what_blocks_and_what_cannot_be_read_is_refused() {
    let key = "/?k=-----BEGIN+PRIVATE+KEY-----%0AMIIEvQIBADANBgkqhkiG9w0BAQEFAASC%0A-----END+PRIVATE+KEY-----";
    let mut gate = open(EVERYTHING);
    let (context, action) = gate.request(&get(key, &[]));
    assert_eq!(action, Pause);
    assert_eq!(
        reason(&gate.record(context)),
        (400, "pii_blocked".to_owned())
    );
    let (context, action) = gate.request(&get("/?k=%ff", &[]));
    assert_eq!(action, Pause);
    assert_eq!(
        reason(&gate.record(context)),
        (400, "head_unparsed".to_owned())
    );
    let mut gate = open(r#"{"query":"mask","request":{"on_unparsable":"allow"}}"#);
    let (context, action) = gate.request(&get("/?k=%ff", &[]));
    assert_eq!(action, Continue);
    assert_eq!(
        gate.record(context).request_header(":path"),
        Some("/?k=%ff")
    );
    let mut gate = open(r#"{"mode":"shadow","query":"mask"}"#);
    let (context, action) = gate.request(&get("/?e=ann@example.com&k=%ff", &[]));
    assert_eq!(action, Continue);
    assert_eq!(
        gate.record(context).request_header(":path"),
        Some("/?e=ann@example.com&k=%ff")
    );
    let fact: Masked = gate.fact(context).unwrap();
    assert_eq!(fact.would_deny, ["head_unparsed"]);
}

#[test]
fn headers_that_frame_a_message_are_none_that_can_be_masked() {
    for name in [
        "Host",
        "content-length",
        "set-cookie",
        "cookie",
        ":path",
        "inference-header-content-length",
    ] {
        let config = format!(r#"{{"request":{{"headers":["{name}"]}}}}"#);
        let refused = TestGateway::open::<PiiMask>(FakeProxy::new(0), &config);
        assert!(refused.is_err(), "{name}");
    }
}
