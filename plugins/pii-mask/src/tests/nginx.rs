//! What the filter does on nginx, where headers are emptied, bodies come after them, and no local
//! reply can take the place of an answer.

use super::*;

fn on_nginx(config: &str) -> TestGateway {
    TestGateway::open::<PiiMask>(FakeProxy::nginx(0), config).unwrap()
}

/// Begins a request with this body, which its headers announce.
fn ask(gate: &mut TestGateway, more: &[(&'static str, &'static str)], body: &str) -> u32 {
    let length = body.len().to_string();
    let mut headers: Vec<(&str, &str)> = post(more);
    headers.push(("content-length", &length));
    let (context, action) = gate.begin(&headers, false);
    assert_eq!(action, Continue);
    let action = gate.body(context, Side::Request, body.as_bytes(), true);
    assert_eq!(action, Continue);
    context
}

#[test]
fn a_digest_of_what_was_masked_is_emptied() {
    let mut gate = on_nginx("{}");
    let digest = ("content-md5", "the digest of the address");
    let body = r#"{"messages":[{"content":"I am ann@example.org"}]}"#;
    let context = ask(&mut gate, &[digest], body);
    assert_eq!(gate.record(context).request_header("content-md5"), Some(""));
    let sent = passed(&gate, context, Side::Request);
    assert!(sent.contains("[EMAIL]") && !sent.contains("ann@"), "{sent}");
}

#[test]
fn an_answer_in_pieces_whose_end_comes_without_bytes_is_whole_and_masked() {
    let long = "ab ".repeat(20_000);
    let answer =
        format!("{{\"a\":\"ann@example.org\",\"x\":\"{long}\",\"z\":\"bob@example.org\"}}");
    let masked = answer.replace("ann@example.org", "[EMAIL]");
    let masked = masked.replace("bob@example.org", "[EMAIL]");
    let broken = answer.replace('}', "");
    for (config, answer) in [
        ("{}", &answer),
        (r#"{"hold": "body"}"#, &answer),
        ("{}", &broken),
    ] {
        let mut gate = on_nginx(config);
        let context = ask(&mut gate, &[], r#"{"messages":[]}"#);
        let length = answer.len().to_string();
        let headers = [
            (":status", "200"),
            ("content-type", "application/json"),
            ("content-length", length.as_str()),
            ("etag", "1"),
        ];
        assert_eq!(gate.respond(context, &headers, false), Continue);
        for piece in answer.as_bytes().chunks(8192) {
            assert_eq!(gate.body(context, Side::Response, piece, false), Continue);
            assert_eq!(passed(&gate, context, Side::Response), "");
        }
        gate.body(context, Side::Response, b"", true);
        let shown = passed(&gate, context, Side::Response);
        if answer.ends_with('}') {
            assert!(shown == masked, "{config}: {} bytes", shown.len());
        } else {
            assert!(
                shown.contains("answer_unparsed") && !shown.contains("ab "),
                "{shown}"
            );
        }
        let record = gate.record(context);
        assert_eq!(record.response_header("content-length"), None);
        assert_eq!(record.response_header("etag"), None);
    }
}

#[test]
fn an_answer_that_cannot_have_a_body_keeps_its_headers() {
    for (method, status, length) in [
        ("HEAD", "200", "7"),
        ("GET", "304", "7"),
        ("GET", "204", "0"),
    ] {
        let mut gate = on_nginx("{}");
        let headers = [
            (":method", method),
            (":path", "/"),
            (":authority", "a.test"),
        ];
        let (context, action) = gate.begin(&headers, false);
        assert_eq!(action, Continue);
        let headers = [
            (":status", status),
            ("content-type", "image/png"),
            ("content-length", length),
        ];
        assert_eq!(gate.respond(context, &headers, false), Continue);
        let record = gate.record(context);
        assert_eq!(record.response_header("content-length"), Some(length));
        assert_eq!(record.response_header("content-type"), Some("image/png"));
    }
}

#[test]
fn an_answer_of_no_length_that_has_bytes_all_the_same_does_not_pass() {
    let mut gate = on_nginx("{}");
    let headers = [(":method", "GET"), (":path", "/"), (":authority", "a.test")];
    let (context, _) = gate.begin(&headers, false);
    let headers = [
        (":status", "200"),
        ("content-type", "application/json"),
        ("content-length", "0"),
    ];
    gate.respond(context, &headers, false);
    gate.body(context, Side::Response, br#"["ann@example.org"]"#, true);
    let shown = passed(&gate, context, Side::Response);
    assert!(!shown.contains("ann@"), "{shown}");
}

#[test]
fn no_answer_passes_with_what_was_to_be_masked() {
    let answer = r#"{"choices":[{"message":{"content":"write to ann@example.org"}}]}"#;
    for config in ["{}", r#"{"hold": "body"}"#] {
        for media in ["application/json", "text/plain", "application/octet-stream"] {
            let mut gate = on_nginx(config);
            let context = ask(&mut gate, &[], r#"{"messages":[]}"#);
            gate.respond(
                context,
                &[(":status", "200"), ("content-type", media)],
                false,
            );
            gate.body(context, Side::Response, answer.as_bytes(), true);
            let shown = passed(&gate, context, Side::Response);
            assert!(!shown.contains("ann@"), "{config} {media}: {shown}");
        }
    }
}
