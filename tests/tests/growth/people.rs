//! Names and addresses, which are read word by word: words with capitals for ever, titles, numbers,
//! and what begins them and never ends.

use proxy_wasm_simulator::Reply;
use serde_json::json;

use super::bodies::{SIZE, json_post, typed_post};
use super::measure::Case;

const PEOPLE: &str =
    r#"{"entities":{"person":{"action":"redact"},"street_address":{"action":"redact"}}}"#;
/// Bytes of a piece where a body comes in many.
const PIECE: usize = 200;

const FRAGMENTS: [&str; 32] = [
    "Anna ",
    "Anna Meier ",
    "Xyzzy ",
    "Xyzzy Meier ",
    "X. ",
    "A.B.",
    "Mr ",
    "Mr. Dr. ",
    "Mr. van der ",
    "van der ",
    "Anna van der ",
    "Dear ",
    "Dear Xyzzy, ",
    "Meier, ",
    "Anna-Marie-",
    "O'O'",
    "name: Anna ",
    "my name is ",
    "Regards,\n",
    "12 ",
    "12 Main ",
    "12 Main Street ",
    "12 Main Street, Springfield, ",
    "12 rue de la ",
    "Calle ",
    "Calle de la Xyzzy ",
    "Hauptstraße ",
    "Hauptstraße 12, ",
    "Am Alten ",
    "PO Box ",
    "Flat 4, Xyzzy ",
    "Apt 5 ",
];

/// Requests and answers in pieces.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for fragment in FRAGMENTS {
        let shown = fragment.escape_debug();
        let text = move |size: usize| fragment.repeat(size.div_ceil(fragment.len()));
        let name = format!("names in a JSON string of {shown}");
        cases.push(Case::request("pii-mask", name, PEOPLE, SIZE, move |size| {
            json_post(json!({ "a": text(size) }).to_string().into_bytes())
        }));
        let name = format!("names in a table of {shown}");
        cases.push(Case::request("pii-mask", name, PEOPLE, SIZE, move |size| {
            let rows = format!("name,address\n{}", text(size));
            typed_post("text/csv", rows.into_bytes())
        }));
        let name = format!("names in an answer in pieces of {shown}");
        cases.push(Case::exchange(
            "pii-mask",
            name,
            PEOPLE,
            SIZE,
            move |size| {
                let reply = Reply::status(200).header("content-type", "text/plain");
                let body = text(size).into_bytes();
                let reply = body
                    .chunks(PIECE)
                    .fold(reply, |reply, piece| reply.body(piece));
                (json_post(b"{}".to_vec()), reply)
            },
        ));
    }
    cases
}
