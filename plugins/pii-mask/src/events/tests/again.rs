//! Events that are known again come out as if each were read anew.

use super::*;

/// What comes out, event by event as it does, and the most events that were known again in a row.
fn streamed(events: &[(&str, String)], form: Form, anew: bool) -> (Vec<Vec<String>>, usize) {
    let (masker, scope) = (masker(), scope());
    let (mut tally, mut events_masker) = (Tally::default(), EventMasker::default());
    let (mut out, mut known) = (Vec::new(), 0);
    for (name, data) in events {
        if anew {
            events_masker.again = None;
        }
        let before = events_masker.again.as_ref().map(|again| again.id().clone());
        events_masker
            .event(
                data.as_bytes(),
                data,
                name,
                form,
                &scope,
                &masker,
                &mut tally,
            )
            .unwrap();
        let after = events_masker.again.as_ref().map(|again| again.id().clone());
        known += usize::from(after.is_some() && before == after);
        out.push(
            core::iter::from_fn(|| events_masker.next_ready())
                .map(text_of)
                .collect(),
        );
    }
    events_masker.end(&masker, &mut tally);
    out.push(
        core::iter::from_fn(|| events_masker.next_ready())
            .map(text_of)
            .collect(),
    );
    (out, known)
}

/// Forms of events around a piece, as protocols have them, and some that look alike.
const AROUND: [(&str, &str, &str); 16] = [
    (
        "",
        r#"{"id":"c-1","choices":[{"index":0,"delta":{"content":""#,
        r#""},"finish_reason":null}]}"#,
    ),
    (
        "",
        r#"{"id":"c-1","choices":[{"index":1,"delta":{"content":""#,
        r#""},"finish_reason":null}]}"#,
    ),
    (
        "",
        r#"{"id":"c-1","choices":[{"index":0,"delta":{"content":""#,
        r#""},"finish_reason":"stop"}]}"#,
    ),
    (
        "",
        r#"{"choices":[{"delta":{"content":""#,
        r#""}}],"answer":{"value":308630237}}"#,
    ),
    (
        "",
        r#"{"choices":[{"delta":{"content":""#,
        r#""}}],"phone":4155550132}"#,
    ),
    (
        "content_block_delta",
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""#,
        r#""}}"#,
    ),
    (
        "message_stop",
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""#,
        r#""}}"#,
    ),
    ("done", r#"{"text":""#, r#""}"#),
    ("", r#"{"text":""#, r#""}"#),
    ("", r#"{"msg":""#, r#""}"#),
    ("", r#"{"index":1,"text":""#, r#""}"#),
    ("", r#"{"index":2,"text":""#, r#""}"#),
    (
        "",
        r#"{"key":"wJalrXUtnFEMIaK7MDENGabPxRfiCYEXAMPLEKEY","text":""#,
        r#""}"#,
    ),
    (
        "",
        r#"{"delta":{"content":""#,
        r#""},"type":"response.output_text.done"}"#,
    ),
    ("", r#"{"text":["4111","1111",""#, r#""]}"#),
    ("", r#"{"text":""#, r#"","user":"ann@example.com"}"#),
];

const PIECES: [&str; 24] = [
    "",
    " word",
    "What is your SSN?",
    "ssn:",
    " 4111",
    " 1111",
    "1111",
    "ann@",
    "example.com ",
    ".",
    r"\n",
    r"\u0040",
    r"\u0061nn",
    r#"\"}"#,
    r"\\",
    "AKIAIOSFODNN7EXAMPLE",
    "415-555-",
    "0132",
    " phone",
    "é",
    "ghp_0123456789abcdefghij",
    "klmnopqrstuvwxyz",
    "process_starts",
    "308630237",
];

#[test]
fn events_that_are_known_again_are_read_alike() {
    let mut state = 3_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut all = 0;
    for round in 0..3_000 {
        let (one, other) = (random(AROUND.len()), random(AROUND.len()));
        let events: Vec<(&str, String)> = (0..2 + random(10))
            .map(|_| {
                let around = if random(4) == 0 { other } else { one };
                let (name, before, behind) = AROUND[around];
                (
                    name,
                    format!("{before}{}{behind}", PIECES[random(PIECES.len())]),
                )
            })
            .collect();
        let form = [Form::Event, Form::Event, Form::Named, Form::Line][round % 4];
        let ((again, known), (anew, _)) = (
            streamed(&events, form, false),
            streamed(&events, form, true),
        );
        assert_eq!(again, anew, "{events:?}");
        all += known;
    }
    assert!(all > 1_500, "only {all} were known again");
}

/// Strings and numbers that are others in each event, and what they may hold.
#[test]
fn what_is_another_in_each_event_is_read_alike() {
    const VALUES: [&str; 20] = [
        "",
        "x",
        "evt_1",
        "k3Jd9",
        "4111111111111111",
        "415-555-0132",
        "ann@example.com",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMIaK7MDENGabPxRfiCYEXAMPLEKEY",
        "What is your SSN?",
        "ssn:",
        r"\u0061nn@example.com",
        r#"\"}"#,
        r"\",
        "phone",
        "é",
        "1",
        "12",
        "0",
        "308630237",
    ];
    const FORMS: [&str; 5] = [
        r#"{"id":"A","choices":[{"index":0,"delta":{"content":"P"}}],"obfuscation":"B"}"#,
        r#"{"type":"response.output_text.delta","sequence_number":N,"item_id":"msg_1","delta":"P","obfuscation":"B"}"#,
        r#"{"delta":{"content":"P"},"event_id":"A","answer":{"value":308630237},"timestamp":"B"}"#,
        r#"{"id":"A","note":"Which?","delta":{"content":"P"},"phone":4155550132}"#,
        r#"{"sequence_number":N,"sequence_number":"A","text":"P","id":N,"id":["B"]}"#,
    ];
    let mut state = 11_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut all = 0;
    for round in 0..4_000 {
        let shape = FORMS[random(FORMS.len())];
        // A stream whose values are mostly others in each event, or mostly the same.
        let likely = [2, 5, VALUES.len()][random(3)];
        let events: Vec<(&str, String)> = (0..2 + random(8))
            .map(|_| {
                let mut data = String::new();
                for sign in shape.chars() {
                    match sign {
                        'A' | 'B' => data.push_str(VALUES[random(likely)]),
                        'N' => data.push_str(["1", "12", "123456", "4111111111111111"][random(4)]),
                        'P' => data.push_str(PIECES[random(PIECES.len())]),
                        sign => data.push(sign),
                    }
                }
                ("", data)
            })
            .filter(|(_, data)| serde_json::from_str::<serde_json::Value>(data).is_ok())
            .collect();
        let form = [Form::Event, Form::Named][round % 2];
        let ((again, known), (anew, _)) = (
            streamed(&events, form, false),
            streamed(&events, form, true),
        );
        assert_eq!(again, anew, "{events:?}");
        all += known;
    }
    assert!(all > 4_000, "only {all} were known again");
}

#[test]
fn what_ends_the_string_is_another_event() {
    let event = |content: &str| {
        (
            "",
            format!(r#"{{"id":"x","text":"{content}","model":"y"}}"#),
        )
    };
    let events = [
        event("one"),
        event("two"),
        event(r#"three","text":"ann@example.com"#),
    ];
    let (out, known) = streamed(&events, Form::Event, false);
    assert_eq!(known, 1);
    let out = out.concat().concat();
    assert!(out.contains("[EMAIL]") && !out.contains("ann@"), "{out}");
    // What is no JSON is said to be none.
    let (masker, scope, mut tally) = (masker(), scope(), Tally::default());
    let mut events = EventMasker::default();
    for (content, taken) in [
        ("one", true),
        ("two", true),
        (r"\x", false),
        ("\u{1}", false),
    ] {
        let (_, data) = event(content);
        let read = events.event(
            data.as_bytes(),
            &data,
            "",
            Form::Line,
            &scope,
            &masker,
            &mut tally,
        );
        assert_eq!(read.is_ok(), taken, "{content}");
    }
}
