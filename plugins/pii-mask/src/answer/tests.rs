//! Tests of answers, whole and streamed.

use super::*;
use crate::PiiMask;
use crate::config::Config;
use crate::detect::tests::dense_text;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::filter::Filter;
use modelgate_kit::testing::FakeProxy;
use proptest::prelude::*;

pub(crate) fn plan(config: &str) -> Plan {
    let proxy = FakeProxy::new(0);
    let setup = Setup {
        host: &*proxy,
        filter: PiiMask::NAME,
        profile: "",
        shared_prefix: String::new(),
        list: None,
    };
    let config: Config = serde_json::from_str(config).unwrap();
    PiiMask::compile(config, &setup, &mut Problems::default()).unwrap()
}

#[test]
fn text_that_is_a_stream_by_another_name_is_read_as_one() {
    let event = |text: &str| {
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    };
    let coded = |text: &str| format!("0:\"{text}\"\n");
    let line = |text: &str| format!("{{\"message\":{{\"content\":\"{text}\"}},\"done\":false}}\n");
    type Shape<'a> = &'a dyn Fn(&str) -> String;
    let shapes: [(&str, Shape<'_>); 3] = [("events", &event), ("code", &coded), ("lines", &line)];
    for (name, shape) in shapes {
        let stream = [shape("hi ann@exa"), shape("mple.com"), shape(" bye")].concat();
        let expected = [shape("hi [EMAIL]"), shape(""), shape(" bye")].concat();
        for size in [1, 5, 1000] {
            let out = run(&plan("{}"), Media::Text, stream.as_bytes().chunks(size));
            assert_eq!(text(&out), expected, "{name}");
        }
    }
    // What begins like one and is none is text.
    let source = "{\"a\": 1,\n \"b\": \"ann@example.com\"}\n-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n";
    let expected = "{\"a\": 1,\n \"b\": \"[EMAIL]\"}\n[PRIVATE_KEY]\n";
    assert_eq!(
        text(&run(&plan("{}"), Media::Text, source.as_bytes().chunks(7))),
        expected
    );
}

#[test]
fn comments_and_names_are_masked_and_comments_do_not_wait() {
    let stream = "data: first. \n\ndata: {\"delta\":{\"text\":\"hi the\"}}\n\n: for ann@example.com\n\nid: ann@example.com\nevent: x\ndata: {\"delta\":{\"text\":\"re. \"}}\n\n";
    let expected = "data: first. \n\n: for [EMAIL]\n\ndata: {\"delta\":{\"text\":\"hi the\"}}\n\nid: [EMAIL]\nevent: x\ndata: {\"delta\":{\"text\":\"re. \"}}\n\n";
    assert_eq!(
        text(&run(&plan("{}"), Media::Events, [stream.as_bytes()])),
        expected
    );
}

#[test]
fn the_last_event_may_lack_its_end() {
    for (media, stream) in [
        (
            Media::Events,
            "data: {\"delta\":{\"text\":\"ann@exa\"}}\n\ndata: {\"delta\":{\"text\":\"mple.com\"}}",
        ),
        (
            Media::JsonLines,
            "{\"delta\":{\"text\":\"ann@exa\"}}\n{\"delta\":{\"text\":\"mple.com\"}}",
        ),
    ] {
        let expected = stream.replace("ann@exa", "[EMAIL]").replace("mple.com", "");
        assert_eq!(
            text(&run(&plan("{}"), media, [stream.as_bytes()])),
            expected
        );
    }
}

fn run<'a>(plan: &Plan, media: Media, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut answer = Answer::new(plan, media).unwrap();
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(answer.push(piece));
    }
    out.extend(answer.finish());
    out
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn json_lines_are_followed_as_events_are() {
    let stream = concat!(
        r#"{"message":{"content":"ann@exam"},"done":false}"#,
        "\n",
        r#"{"message":{"content":"ple.com"},"done":false}"#,
        "\r\n",
        r#"{"message":{"content":""},"done":true}"#,
    );
    let expected = concat!(
        r#"{"message":{"content":"[EMAIL]"},"done":false}"#,
        "\n",
        r#"{"message":{"content":""},"done":false}"#,
        "\r\n",
        r#"{"message":{"content":""},"done":true}"#,
    );
    assert_eq!(
        text(&run(&plan("{}"), Media::JsonLines, [stream.as_bytes()])),
        expected
    );
}

#[test]
fn what_a_stream_is_cut_for_is_said_where_that_can_be_read() {
    let plan = plan(r#"{"response":{"max_event_bytes":1024}}"#);
    let long = "x".repeat(2000);
    for (media, stream, code) in [
        (
            Media::Events,
            "data: {\"a\":\"\\u0040\n\ndata: after\n\n".to_owned(),
            "answer_unparsed",
        ),
        (
            Media::Events,
            format!("data: {long}\n\ndata: after\n\n"),
            "answer_too_large",
        ),
        (
            Media::JsonLines,
            "{\"a\":\n\"after\"\n".to_owned(),
            "answer_unparsed",
        ),
        (
            Media::JsonLines,
            format!("\"{long}\"\n\"after\"\n"),
            "answer_too_large",
        ),
    ] {
        let out = text(&run(&plan, media, [stream.as_bytes()]));
        assert!(out.contains(code) && !out.contains("after"), "{out}");
    }
    assert_eq!(
        run(&plan, Media::Text, [b"fine \xff after".as_slice()]),
        b"fine "
    );
}

#[test]
fn a_stream_that_would_hold_too_much_is_cut_whatever_is_allowed() {
    let plan = plan(r#"{"response":{"on_oversize":"allow","on_unparsable":"allow"}}"#);
    let choice = |index: u64, text: &str| {
        format!("{{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"{text}\"}}}}]}}")
    };
    let event = |data: &str| format!("data: {data}\n\n").into_bytes();
    let line = |data: &str| format!("{data}\n").into_bytes();
    let message = |data: &str| {
        let headers = b"\x0d:message-type\x07\x00\x05event";
        crate::amazon::write(headers, data.as_bytes())
    };
    type Shape<'a> = &'a dyn Fn(&str) -> Vec<u8>;
    let shapes: [(Media, Shape<'_>); 4] = [
        (Media::Events, &event),
        (Media::JsonLines, &line),
        (Media::Text, &event),
        (Media::Messages, &message),
    ];
    for (media, shape) in shapes {
        let mut answer = Answer::new(&plan, media).unwrap();
        let mut out = answer.push(&shape(&choice(0, "it is 4111 1111")));
        let other = shape(&choice(1, &"word, ".repeat(10_000)));
        for _ in 0..80 {
            out.extend(answer.push(&other));
        }
        out.extend(answer.push(&shape(&choice(0, " 1111 1111"))));
        out.extend(answer.finish());
        assert_eq!(
            answer.cut().map(|reason| reason.code),
            Some("answer_undecided")
        );
        let out = text(&out);
        assert!(
            out.contains("answer_undecided") && !out.contains("1111"),
            "{out}"
        );
    }
}

#[test]
fn what_is_allowed_passes_as_it_is() {
    let plan = plan(
        r#"{"response":{"max_event_bytes":1024,"on_oversize":"allow","on_unparsable":"allow"}}"#,
    );
    let long = "x".repeat(2000);
    for (media, stream) in [
        (
            Media::Events,
            format!("data: 1,\n\ndata: {{\"a\":\n\ndata: {long}\n\ndata: after\n\n").into_bytes(),
        ),
        (
            Media::JsonLines,
            format!("\"{long}\"\n{{\"a\":\n\"after\"\n").into_bytes(),
        ),
        (Media::Text, b"fine \xff after".to_vec()),
    ] {
        assert_eq!(text(&run(&plan, media, [stream.as_slice()])), text(&stream));
        assert_eq!(text(&run(&plan, media, stream.chunks(7))), text(&stream));
    }
}

#[test]
fn comments_and_other_fields_keep_their_bytes() {
    let stream = "\u{feff}: hello\r\nid: 7\r\nevent: x\r\ndata: {\"a\":\"ann@example.com\"}\r\n\r\n: ping\r\n\r\nretry: 5\n\n";
    let expected = stream.replace("ann@example.com", "[EMAIL]");
    assert_eq!(
        text(&run(&plan("{}"), Media::Events, [stream.as_bytes()])),
        expected
    );
}

#[test]
fn amazons_messages_are_read_and_written_anew() {
    let plan = plan("{}");
    let run = |messages: &[&str]| {
        let stream: Vec<u8> = messages
            .iter()
            .flat_map(|message| STANDARD.decode(message).unwrap())
            .collect();
        let whole = run(&plan, Media::Messages, [stream.as_slice()]);
        for size in [1, 7, 100] {
            assert_eq!(run(&plan, Media::Messages, stream.chunks(size)), whole);
        }
        STANDARD.encode(whole)
    };
    // Bedrock, InvokeModelWithResponseStream
    assert_eq!(
        run(&[
            "AAAA7gAAAEsTyD7PCzpldmVudC10eXBlBwAFY2h1bmsNOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1lc3NhZ2UtdHlwZQcABWV2ZW50eyJieXRlcyI6ImV5SjBlWEJsSWpvaVkyOXVkR1Z1ZEY5aWJHOWphMTlrWld4MFlTSXNJbWx1WkdWNElqb3dMQ0prWld4MFlTSTZleUowZVhCbElqb2lkR1Y0ZEY5a1pXeDBZU0lzSW5SbGVIUWlPaUpOWVdsc0lHRnVia0JsZUdFaWZYMD0iLCJwIjoiYWJjZCJ95SIycw==",
            "AAAA8gAAAEu22ERMCzpldmVudC10eXBlBwAFY2h1bmsNOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1lc3NhZ2UtdHlwZQcABWV2ZW50eyJieXRlcyI6ImV5SjBlWEJsSWpvaVkyOXVkR1Z1ZEY5aWJHOWphMTlrWld4MFlTSXNJbWx1WkdWNElqb3dMQ0prWld4MFlTSTZleUowZVhCbElqb2lkR1Y0ZEY5a1pXeDBZU0lzSW5SbGVIUWlPaUp0Y0d4bExtTnZiU3dnWW5sbElDSjlmUT09IiwicCI6ImFiY2QifT8cbiY="
        ]),
        "AAAA7gAAAEsTyD7PCzpldmVudC10eXBlBwAFY2h1bmsNOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1lc3NhZ2UtdHlwZQcABWV2ZW50eyJieXRlcyI6ImV5SjBlWEJsSWpvaVkyOXVkR1Z1ZEY5aWJHOWphMTlrWld4MFlTSXNJbWx1WkdWNElqb3dMQ0prWld4MFlTSTZleUowZVhCbElqb2lkR1Y0ZEY5a1pXeDBZU0lzSW5SbGVIUWlPaUpOWVdsc0lGdEZUVUZKVEYwaWZYMD0iLCJwIjoiYWJjZCJ99koiLwAAAOYAAABLI7h1Dgs6ZXZlbnQtdHlwZQcABWNodW5rDTpjb250ZW50LXR5cGUHABBhcHBsaWNhdGlvbi9qc29uDTptZXNzYWdlLXR5cGUHAAVldmVudHsiYnl0ZXMiOiJleUowZVhCbElqb2lZMjl1ZEdWdWRGOWliRzlqYTE5a1pXeDBZU0lzSW1sdVpHVjRJam93TENKa1pXeDBZU0k2ZXlKMGVYQmxJam9pZEdWNGRGOWtaV3gwWVNJc0luUmxlSFFpT2lJc0lHSjVaU0FpZlgwPSIsInAiOiJhYmNkIn1eydI0"
    );
    // Bedrock, ConverseStream
    assert_eq!(
        run(&[
            "AAAApwAAAFdSKli4CzpldmVudC10eXBlBwARY29udGVudEJsb2NrRGVsdGENOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1lc3NhZ2UtdHlwZQcABWV2ZW50eyJjb250ZW50QmxvY2tJbmRleCI6MCwiZGVsdGEiOnsidGV4dCI6Ik1haWwgYW5uQGV4YSJ9LCJwIjoiYWIifbN9yuc=",
            "AAAApAAAAFcViiJoCzpldmVudC10eXBlBwARY29udGVudEJsb2NrRGVsdGENOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1lc3NhZ2UtdHlwZQcABWV2ZW50eyJjb250ZW50QmxvY2tJbmRleCI6MCwiZGVsdGEiOnsidGV4dCI6Im1wbGUuY29tIn0sInAiOiJhYmMifc2HCSs=",
            "AAAAfQAAAFbmaA/WCzpldmVudC10eXBlBwAQY29udGVudEJsb2NrU3RvcA06Y29udGVudC10eXBlBwAQYXBwbGljYXRpb24vanNvbg06bWVzc2FnZS10eXBlBwAFZXZlbnR7ImNvbnRlbnRCbG9ja0luZGV4IjowfbMuTTQ="
        ]),
        "AAAApwAAAFdSKli4CzpldmVudC10eXBlBwARY29udGVudEJsb2NrRGVsdGENOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1lc3NhZ2UtdHlwZQcABWV2ZW50eyJjb250ZW50QmxvY2tJbmRleCI6MCwiZGVsdGEiOnsidGV4dCI6Ik1haWwgW0VNQUlMXSJ9LCJwIjoiYWIifWrnpz0AAACcAAAAV4Tb0S8LOmV2ZW50LXR5cGUHABFjb250ZW50QmxvY2tEZWx0YQ06Y29udGVudC10eXBlBwAQYXBwbGljYXRpb24vanNvbg06bWVzc2FnZS10eXBlBwAFZXZlbnR7ImNvbnRlbnRCbG9ja0luZGV4IjowLCJkZWx0YSI6eyJ0ZXh0IjoiIn0sInAiOiJhYmMifQKyBqUAAAB9AAAAVuZoD9YLOmV2ZW50LXR5cGUHABBjb250ZW50QmxvY2tTdG9wDTpjb250ZW50LXR5cGUHABBhcHBsaWNhdGlvbi9qc29uDTptZXNzYWdlLXR5cGUHAAVldmVudHsiY29udGVudEJsb2NrSW5kZXgiOjB9sy5NNA=="
    );
    // an exception behind what is held
    assert_eq!(
        run(&[
            "AAAAlQAAAFeJy7NeCzpldmVudC10eXBlBwARY29udGVudEJsb2NrRGVsdGENOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1lc3NhZ2UtdHlwZQcABWV2ZW50eyJjb250ZW50QmxvY2tJbmRleCI6MCwiZGVsdGEiOnsidGV4dCI6InRoZSJ9fZIz65s=",
            "AAAAjgAAAGFRQYBUDzpleGNlcHRpb24tdHlwZQcAE3Rocm90dGxpbmdFeGNlcHRpb24NOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1lc3NhZ2UtdHlwZQcACWV4Y2VwdGlvbnsibWVzc2FnZSI6ImFubkBleGFtcGxlLmNvbSJ976v+CA=="
        ]),
        "AAAAlQAAAFeJy7NeCzpldmVudC10eXBlBwARY29udGVudEJsb2NrRGVsdGENOmNvbnRlbnQtdHlwZQcAEGFwcGxpY2F0aW9uL2pzb24NOm1lc3NhZ2UtdHlwZQcABWV2ZW50eyJjb250ZW50QmxvY2tJbmRleCI6MCwiZGVsdGEiOnsidGV4dCI6InRoZSJ9fZIz65sAAACGAAAAYWExy5UPOmV4Y2VwdGlvbi10eXBlBwATdGhyb3R0bGluZ0V4Y2VwdGlvbg06Y29udGVudC10eXBlBwAQYXBwbGljYXRpb24vanNvbg06bWVzc2FnZS10eXBlBwAJZXhjZXB0aW9ueyJtZXNzYWdlIjoiW0VNQUlMXSJ9fN6m1g=="
    );
    // SageMaker: the container's own stream in pieces
    assert_eq!(
        run(&[
            "AAAAlAAAAFlTE7fpCzpldmVudC10eXBlBwALUGF5bG9hZFBhcnQNOmNvbnRlbnQtdHlwZQcAGGFwcGxpY2F0aW9uL29jdGV0LXN0cmVhbQ06bWVzc2FnZS10eXBlBwAFZXZlbnRkYXRhOiB7ImRlbHRhIjp7InRleHQiOiJNYWlsIGFubkBleGEifX0KCmRhIbXDtQ==",
            "AAAAkgAAAFncU0JJCzpldmVudC10eXBlBwALUGF5bG9hZFBhcnQNOmNvbnRlbnQtdHlwZQcAGGFwcGxpY2F0aW9uL29jdGV0LXN0cmVhbQ06bWVzc2FnZS10eXBlBwAFZXZlbnR0YTogeyJkZWx0YSI6eyJ0ZXh0IjoibXBsZS5jb20sIGJ5ZSAifX0KCkqqcKI="
        ]),
        "AAAAtQAAAFmvsrFdCzpldmVudC10eXBlBwALUGF5bG9hZFBhcnQNOmNvbnRlbnQtdHlwZQcAGGFwcGxpY2F0aW9uL29jdGV0LXN0cmVhbQ06bWVzc2FnZS10eXBlBwAFZXZlbnRkYXRhOiB7ImRlbHRhIjp7InRleHQiOiJNYWlsIFtFTUFJTF0ifX0KCmRhdGE6IHsiZGVsdGEiOnsidGV4dCI6IiwgYnllICJ9fQoKsV+f8Q=="
    );
    // SageMaker: text
    assert_eq!(
        run(&[
            "AAAAdQAAAFlGp1mGCzpldmVudC10eXBlBwALUGF5bG9hZFBhcnQNOmNvbnRlbnQtdHlwZQcAGGFwcGxpY2F0aW9uL29jdGV0LXN0cmVhbQ06bWVzc2FnZS10eXBlBwAFZXZlbnRtYWlsIGFubkBleGGhn4eh",
            "AAAAcQAAAFmzJ/9GCzpldmVudC10eXBlBwALUGF5bG9hZFBhcnQNOmNvbnRlbnQtdHlwZQcAGGFwcGxpY2F0aW9uL29jdGV0LXN0cmVhbQ06bWVzc2FnZS10eXBlBwAFZXZlbnRtcGxlLmNvbWokf7o="
        ]),
        "AAAAbgAAAFlRl/8VCzpldmVudC10eXBlBwALUGF5bG9hZFBhcnQNOmNvbnRlbnQtdHlwZQcAGGFwcGxpY2F0aW9uL29jdGV0LXN0cmVhbQ06bWVzc2FnZS10eXBlBwAFZXZlbnRtYWlsII5ZDHkAAABwAAAAWY5H1vYLOmV2ZW50LXR5cGUHAAtQYXlsb2FkUGFydA06Y29udGVudC10eXBlBwAYYXBwbGljYXRpb24vb2N0ZXQtc3RyZWFtDTptZXNzYWdlLXR5cGUHAAVldmVudFtFTUFJTF0HlCnv"
    );
    for broken in [r#"{"bytes":"e30=","x":"ann@example.com"}"#, "{\"a\":"] {
        let message =
            crate::amazon::write(b"\x0d:message-type\x07\x00\x05event", broken.as_bytes());
        let out = text(
            &super::Answer::new(&plan, Media::Messages)
                .unwrap()
                .push(&message),
        );
        assert!(
            out.contains("answer_unparsed") && !out.contains("ann"),
            "{out}"
        );
    }
    let out = text(
        &super::Answer::new(&plan, Media::Messages)
            .unwrap()
            .push(b"no message at all"),
    );
    assert!(out.contains("answer_unparsed"), "{out}");
}

proptest! {
    #[test]
    fn text_in_any_pieces_of_bytes_is_masked_like_the_whole(stream in dense_text(), size in 1_usize..9) {
        let plan = plan("{}");
        let whole = crate::document::text(stream.as_bytes(), "", &plan.masker, &mut Tally::default()).unwrap();
        let whole = whole.unwrap_or_else(|| stream.clone().into_bytes());
        prop_assert_eq!(text(&run(&plan, Media::Text, stream.as_bytes().chunks(size))), text(&whole));
    }

    #[test]
    fn events_in_any_pieces_of_bytes_give_the_same_bytes(texts in prop::collection::vec(dense_text(), 0..6), size in 1_usize..40) {
        let plan = plan("{}");
        let event = |text: &String| format!("data: {}\n\n", serde_json::json!({ "choices": [{ "index": 0, "delta": { "content": text } }] }));
        let stream: String = texts.iter().map(event).collect();
        let whole = run(&plan, Media::Events, [stream.as_bytes()]);
        prop_assert_eq!(text(&run(&plan, Media::Events, stream.as_bytes().chunks(size))), text(&whole));
    }

    #[test]
    fn a_stream_in_which_nothing_is_found_keeps_its_bytes(
        texts in prop::collection::vec("[a-e \\\\\"{}\\[\\]:é☃]{0,12}", 0..12),
        choices in prop::collection::vec(0_u8..3, 12),
        kind in 0_u8..4,
        size in 1_usize..60,
    ) {
        let plan = plan("{}");
        let event = |(text, choice): (&String, &u8)| match kind {
            0 => format!("data: {}\r\n\r\n", serde_json::json!({ "choices": [{ "index": choice, "delta": { "content": text, "x": text } }] })),
            1 => format!("data: {}\n\n", serde_json::json!({ "w": text, "v": choice })),
            2 => format!("event: e{choice}\ndata:{text}\n\n"),
            _ => format!("{}\n", serde_json::json!({ "a": text, "b": [text, choice] })),
        };
        let stream: String = texts.iter().zip(&choices).map(event).collect();
        let media = if kind == 3 { Media::JsonLines } else { Media::Events };
        prop_assert_eq!(text(&run(&plan, media, stream.as_bytes().chunks(size))), stream);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1_usize..40) {
        for config in ["{}", r#"{"response":{"on_unparsable":"allow","on_oversize":"allow"}}"#] {
            let plan = plan(config);
            for media in [Media::Events, Media::JsonLines, Media::Text, Media::Messages] {
                let _ = run(&plan, media, bytes.chunks(size));
            }
        }
    }
}

#[test]
fn a_stream_of_unknown_shape_is_cut_where_it_is_refused() {
    let deny = plan(r#"{"on_unknown_stream":"deny"}"#);
    let event =
        |name: &str, text: &str| format!("data: {{\"{name}\":\"{text}\",\"id\":\"x\"}}\n\n");
    let run = |plan: &Plan, name: &str| {
        let stream = [
            event(name, "hi ann@exa"),
            event(name, "mple.com and"),
            event(name, " more"),
        ];
        text(&run(
            plan,
            Media::Events,
            stream.iter().map(String::as_bytes),
        ))
    };
    let out = run(&deny, "frobnicated");
    assert!(
        out.contains("answer_shape_unknown") && !out.contains("ann"),
        "{out}"
    );
    assert!(run(&plan("{}"), "frobnicated").contains("[EMAIL]"));
    // Known shapes, single events, records and plain text are none.
    assert!(run(&deny, "content").contains("[EMAIL]"));
    let other = "data: {\"status\":\"started\"}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\ndata: [DONE]\n\n";
    assert_eq!(
        text(&super::tests::run(&deny, Media::Events, [other.as_bytes()])),
        other
    );
    let plain = "data: some\n\ndata:  text\n\n";
    assert_eq!(
        text(&super::tests::run(&deny, Media::Events, [plain.as_bytes()])),
        plain
    );
}

proptest! {
    /// Text that is sent character by character, what it looks like notwithstanding.
    #[test]
    fn text_is_masked_alike_in_pieces_of_any_size(
        front in prop::sample::select(vec!["", "", "", "data", "data: ", "0:", "0:\"a\"\n", "{", "{\"a\":1}\n", ": ", ": ping\n\n", "id", "\u{feff}", "  "]),
        text in dense_text(),
        size in 1_usize..6,
    ) {
        let plan = plan("{}");
        let text = format!("{front}{text}");
        let whole = run(&plan, Media::Text, [text.as_bytes()]);
        prop_assert_eq!(&run(&plan, Media::Text, text.as_bytes().chunks(size)), &whole);
        prop_assert_eq!(&run(&plan, Media::Text, text.as_bytes().chunks(1)), &whole);
    }
}
