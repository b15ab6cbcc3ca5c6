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
