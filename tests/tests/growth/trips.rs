//! What is replaced in a request, and put back in its answer.

use proxy_wasm_simulator::{Reply, Request};
use serde_json::json;

use super::bodies::{SIZE, json_post};
use super::measure::Case;

const PLACEHOLDERS: &str = r#"{"default_action":"placeholder"}"#;
const FAKES: &str = r#"{"default_action":"fake","hash_key":"0123456789abcdef"}"#;

/// What an answer is made of.
const FRAGMENTS: [&str; 27] = [
    "<EMAIL_1>",
    "<email_2> ",
    "EMAIL_1 ",
    "EMAIL_1",
    "<EMAIL_",
    "<EMAIL",
    "<",
    "<E",
    "_",
    "_1",
    "E_1",
    "<_1",
    "[EMAIL_1](",
    "\\",
    "\\<",
    "\\_1",
    "\\u003c",
    "\\u003cEMAIL_1\\u003e",
    "&lt;",
    "&",
    "%3C",
    "\u{ff1c}",
    "EMAIL\\_",
    "{\"a\":\"<EMAIL_1>\"}",
    "[\"",
    "192.0.2.",
    "b@example.com",
];

fn request(values: usize) -> Request {
    let values: Vec<String> = (0..values)
        .map(|at| format!("u{at}@private.test"))
        .collect();
    // One of them has to be escaped.
    json_post(
        json!({ "in": values, "password": "a\"b\\c1234" })
            .to_string()
            .into_bytes(),
    )
}

fn repeated(fragment: &str, size: usize) -> String {
    fragment.repeat(size.div_ceil(fragment.len()))
}

/// Answers, and requests with many values.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for config in [PLACEHOLDERS, FAKES] {
        for values in [3, 400] {
            for fragment in FRAGMENTS {
                let shown = fragment.escape_debug();
                let name = format!("{config}: {values} values, an answer of {shown}");
                cases.push(Case::exchange(
                    "pii-mask",
                    name,
                    config,
                    SIZE,
                    move |size| {
                        let body = json!({ "a": repeated(fragment, size) }).to_string();
                        let reply = Reply::status(200).header("content-type", "application/json");
                        (request(values), reply.body(body.into_bytes()))
                    },
                ));
                let name = format!("{config}: {values} values, a stream of {shown}");
                cases.push(Case::exchange("pii-mask", name, config, SIZE, move |size| {
                    let text = repeated(fragment, size);
                    let characters: Vec<char> = text.chars().collect();
                    let pieces = characters.chunks(40).map(|piece| {
                        let piece: String = piece.iter().collect();
                        format!("data: {}\n\n", json!({ "choices": [{ "index": 0, "delta": { "content": piece } }] }))
                    });
                    let body: String = pieces.collect();
                    let reply = Reply::status(200).header("content-type", "text/event-stream");
                    (request(values), reply.body(body.into_bytes()))
                }));
            }
        }
        let name = format!("{config}: many values");
        cases.push(Case::request("pii-mask", name, config, SIZE, |size| {
            request(size / 20)
        }));
        for fragment in [
            "email_1 ",
            "email_1_",
            "_1",
            "\\\\_1",
            "%45MAIL_1",
            "10.0.0.1 ",
            "a@b ",
        ] {
            let name = format!("{config}: a request that holds {fragment} already");
            cases.push(Case::request("pii-mask", name, config, SIZE, move |size| {
                json_post(
                    json!({ "a": repeated(fragment, size) })
                        .to_string()
                        .into_bytes(),
                )
            }));
        }
    }
    cases
}
