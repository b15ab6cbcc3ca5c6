//! Bodies with a content coding.

use super::*;
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
use ruzstd::encoding::CompressionLevel::Fastest;

const DECODE: &str =
    r#"{"request":{"on_compressed":"decode"},"response":{"on_compressed":"decode"}}"#;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255];
    out.extend(compress_to_vec(text, 6));
    out.extend(crc32fast::hash(text).to_le_bytes());
    out.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
    out
}

fn send_bytes(
    config: &str,
    more: &[(&'static str, &'static str)],
    body: &[u8],
) -> (TestGateway, u32, Action) {
    let mut gate = open(config);
    let (context, _) = gate.begin(&post(more), false);
    let action = gate.body(context, Side::Request, body, true);
    (gate, context, action)
}

#[test]
fn requests_are_decoded_masked_and_go_on_as_they_are() {
    let text = br#"{"a":"ann@example.com"}"#;
    for (coding, body) in [
        ("gzip", gzip(text)),
        ("deflate", compress_to_vec_zlib(text, 6)),
        ("deflate", compress_to_vec(text, 6)),
        ("deflate, gzip", gzip(&compress_to_vec_zlib(text, 6))),
        (
            "zstd",
            ruzstd::encoding::compress_to_vec(&text[..], Fastest),
        ),
    ] {
        let more = [("content-encoding", coding), ("content-length", "999")];
        let (gate, context, action) = send_bytes(DECODE, &more, &body);
        assert_eq!(action, Continue, "{coding}");
        assert_eq!(passed(&gate, context, Side::Request), r#"{"a":"[EMAIL]"}"#);
        let record = gate.record(context);
        assert_eq!(record.request_header("content-encoding"), None);
        assert_eq!(record.request_header("content-length"), Some("15"));
    }
    // What holds nothing goes on decoded, too: nobody reads it in another way.
    let (gate, context, _) = send_bytes(DECODE, &[("content-encoding", "gzip")], &gzip(b"[1]"));
    assert_eq!(passed(&gate, context, Side::Request), "[1]");
    let hold = r#"{"hold":"body","request":{"on_compressed":"decode"}}"#;
    let (gate, context, _) = send_bytes(hold, &[("content-encoding", "gzip")], &gzip(text));
    assert_eq!(passed(&gate, context, Side::Request), r#"{"a":"[EMAIL]"}"#);
    assert_eq!(
        gate.record(context).request_header("content-encoding"),
        None
    );
}

#[test]
fn what_cannot_be_decoded_is_refused() {
    let bomb = gzip(&vec![b' '; 20_000_000]);
    let whole = gzip(b"{}");
    for (coding, body, status, code) in [
        ("exi", &whole[..], 415, "body_compressed"),
        ("gzip, compress", &whole, 415, "body_compressed"),
        ("gzip", b"{\"plain\":1}", 400, "body_unparsed"),
        ("gzip", &whole[..whole.len() - 1], 400, "body_unparsed"),
        ("gzip", &gzip(b"{"), 400, "body_unparsed"),
        ("gzip", &bomb, 413, "body_too_large"),
    ] {
        let (gate, context, action) = send_bytes(DECODE, &[("content-encoding", coding)], body);
        assert_eq!(action, Pause, "{coding}");
        assert_eq!(reason(&gate.record(context)), (status, code.to_owned()));
    }
    // With its policy it passes as it is, with its coding.
    let lies = r#"{"request":{"on_compressed":"decode","on_unparsable":"allow"}}"#;
    let (gate, context, action) = send_bytes(lies, &[("content-encoding", "gzip")], b"{}");
    assert_eq!(
        (action, passed(&gate, context, Side::Request).as_str()),
        (Continue, "{}")
    );
    assert_eq!(
        gate.record(context).request_header("content-encoding"),
        Some("gzip")
    );
    // Where the coding's name has gone on already, nothing passes undecoded.
    let lies = r#"{"hold":"body","request":{"on_compressed":"decode","on_unparsable":"allow"}}"#;
    let (gate, context, action) = send_bytes(lies, &[("content-encoding", "gzip")], b"{}");
    assert_eq!(action, Pause);
    assert_eq!(
        reason(&gate.record(context)),
        (400, "body_unparsed".to_owned())
    );
}

fn answer(kind: &'static str, body: &[u8], size: usize) -> (TestGateway, u32) {
    let mut gate = open(DECODE);
    let (context, _) = send(&mut gate, &[], "{}");
    let headers = [
        (":status", "200"),
        ("content-type", kind),
        ("content-encoding", "gzip"),
    ];
    gate.respond(context, &headers, false);
    for piece in body.chunks(size) {
        gate.body(context, Side::Response, piece, false);
    }
    gate.body(context, Side::Response, b"", true);
    (gate, context)
}

#[test]
fn answers_are_decoded_as_they_pass() {
    let events = "data: {\"choices\":[{\"delta\":{\"content\":\"ann@exa\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"mple.com.\"}}]}\n\n";
    let masked = "data: {\"choices\":[{\"delta\":{\"content\":\"[EMAIL]\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\".\"}}]}\n\n";
    let encoded = gzip(events.as_bytes());
    for size in [1, 7, encoded.len()] {
        let (gate, context) = answer("text/event-stream", &encoded, size);
        assert_eq!(passed(&gate, context, Side::Response), masked);
        assert_eq!(
            gate.record(context).response_header("content-encoding"),
            None
        );
    }
    let (gate, context) = answer("application/json", &gzip(br#"["ann@example.com"]"#), 100);
    assert_eq!(passed(&gate, context, Side::Response), r#"["[EMAIL]"]"#);
    assert_eq!(
        gate.record(context).response_header("content-encoding"),
        None
    );
}

#[test]
fn streams_that_lie_or_burst_are_cut() {
    let encoded = gzip(b"data: {\"a\":1}\n\n");
    let (gate, context) = answer("text/event-stream", &encoded[..encoded.len() - 3], 5);
    let out = passed(&gate, context, Side::Response);
    assert!(out.contains("answer_unparsed"), "{out}");
    let (gate, context) = answer("text/event-stream", b"data: {}\n\n", 100);
    let out = passed(&gate, context, Side::Response);
    assert!(
        out.contains("answer_unparsed") && !out.contains("data: {}"),
        "{out}"
    );
    let bomb = gzip(&b"data: {}\n\n".repeat(1_000_000));
    let (gate, context) = answer("text/event-stream", &bomb, bomb.len());
    assert!(passed(&gate, context, Side::Response).contains("answer_too_large"));
    assert_eq!(
        gate.fact::<Denied>(context).unwrap().reason,
        "answer_too_large"
    );
}
