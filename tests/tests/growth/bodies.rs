//! Bodies, in requests and in answers.

use proxy_wasm_simulator::{Reply, Request};
use serde_json::json;

use super::measure::{Case, mixture, random, seeds};

/// Bytes of the smaller body.
pub const SIZE: usize = 40_000;
/// Bytes of a piece where a body comes in many.
const PIECE: usize = 700;
pub const MASK: &str = "{}";

/// What parsers and detectors stumble over, each to be repeated.
const FRAGMENTS: [&str; 99] = [
    "a",
    " ",
    "1",
    "11 ",
    "1234 ",
    "1 (1) ",
    "1-1-",
    "1.1.",
    "1,1,",
    "1/1/",
    "(1)",
    "+1 ",
    "0.",
    "00 ",
    "4111 ",
    "4111-1111-",
    "4111111111111111 ",
    "555-0132 ",
    "308-63-",
    "308-63-0237,",
    "DE89 ",
    "DE893704004405320130",
    "IIII",
    "JJJJ",
    "@",
    "a@",
    "a@a.",
    "a.a@a.aa ",
    "ann@example.com ",
    ":",
    "::",
    "1:",
    "dead:beef:",
    "fe80::1 ",
    "10.0.0.",
    "10.0.0.1-",
    "-",
    "_",
    "sk-",
    "sk_live_",
    "ghp_",
    "AKIA",
    "AIza",
    "hf_",
    "glpat-",
    "xoxb-",
    "eyJ",
    "eyJ.",
    "eyJhbGciOi.",
    "-----BEGIN ",
    "-----BEGIN RSA PRIVATE KEY-----\n",
    "-----END ",
    "-----BEGIN PRIVATE KEY-----\n\"+\"",
    "---- ",
    "---- BEGIN SSH2 PRIVATE KEY ----",
    "PuTTY-User-Key-File-3: ",
    "PuTTY-User-Key-File-3: a\nb: <",
    "secret ",
    "phone ",
    "phone number ",
    "ssn ",
    "\u{e9}",
    "\u{4f0a}\u{85e4}@",
    "\u{200b}",
    "\u{ff14}\u{200b}1",
    "a\u{ff20}\u{4f8b}",
    "a%40",
    "IQoJb3JpZ2lu",
    "eyAiI",
    "\u{a0}1",
    "%40",
    "\\",
    "\"",
    "\n",
    "ssn,x\n1,\"4\"\n",
    "\u{4f8b}.@",
    "wJalrXUtnFEMIaK7MDENGabPxRfiCYEXAMPLEKEY,",
    "_ATATT31",
    "-ATATT31",
    "_GR1348941",
    "SG.a1-",
    "hvs.a1-1",
    "1-1",
    "1:AA",
    "://hooks.slack.com/services/",
    "_whsec_a1",
    "-eyJrIjoi1",
    "JQQJ99",
    "AccountKey=a1",
    "sig=%2Fa1",
    "%2Fa1",
    "abC8Q~a",
    "MTk4.a.",
    "EAA1",
    "-key-0",
    "a1.atlasv1.",
    "LS0tLS1CRUdJTiB",
    "Z2hwX2",
    "cloudflare a1-",
];

fn repeated(fragment: &str, size: usize) -> String {
    fragment.repeat(size.div_ceil(fragment.len()))
}

pub fn json_post(body: Vec<u8>) -> Request {
    typed_post("application/json", body)
}

pub fn typed_post(kind: &str, body: Vec<u8>) -> Request {
    Request::post("/v1/chat/completions")
        .header("content-type", kind)
        .chunk(body)
}

/// JSON documents that are made of one member or element, again and again.
pub type Document = (&'static str, fn(usize) -> String);

pub const DOCUMENTS: [Document; 17] = [
    ("one long string", |n| {
        json!({ "a": "b".repeat(n) }).to_string()
    }),
    ("a long name over many numbers", |n| {
        format!(
            "{{\"{}\":[{}1]}}",
            "ab ".repeat(n / 6),
            "1234567,".repeat(n / 16)
        )
    }),
    ("a long name over many strings", |n| {
        format!(
            "{{\"{}\":[{}\"\"]}}",
            "phone ".repeat(n / 12),
            "\"1234567\",".repeat(n / 20)
        )
    }),
    ("a long name with escapes over many values", |n| {
        format!(
            "{{\"{}\":[{}1]}}",
            "\\u0061".repeat(n / 12),
            "\"\",1,".repeat(n / 10)
        )
    }),
    ("a long name over many objects", |n| {
        format!(
            "{{\"{}\":[{}{{}}]}}",
            "n".repeat(n / 2),
            "{\"a\":1234567},1234567,".repeat(n / 42)
        )
    }),
    ("a long name over JSON in strings", |n| {
        format!(
            "{{\"{}\":[{}\"\"]}}",
            "n".repeat(n / 2),
            "\"{\\\"a\\\":4111111111111111}\",".repeat(n / 54)
        )
    }),
    ("many members", |n| {
        let members: Vec<String> = (0..n / 12).map(|at| format!("\"k{at}\":{at}")).collect();
        format!("{{{}}}", members.join(","))
    }),
    ("the same member many times", |n| {
        format!(
            "{{{}\"a\":1}}",
            "\"a\":\"4111111111111111\",".repeat(n / 23)
        )
    }),
    ("names with findings", |n| {
        format!("{{{}\"a\":1}}", "\"ann@example.com\":1,".repeat(n / 20))
    }),
    ("empty strings", |n| {
        format!("[{}\"\"]", "\"\",".repeat(n / 3))
    }),
    ("empty arrays", |n| format!("[{}[]]", "[],".repeat(n / 3))),
    ("numbers", |n| {
        format!("[{}1]", "1234567890123456,".repeat(n / 17))
    }),
    ("fractions", |n| {
        format!("[{}1]", "0.9957417845,".repeat(n / 13))
    }),
    ("escapes", |n| format!("[\"{}\"]", "\\u0034".repeat(n / 6))),
    ("backslashes", |n| format!("[\"{}\"]", "\\\\".repeat(n / 2))),
    ("JSON in a string", |n| {
        json!({ "arguments": format!("[{}1]", "4111111111111111,".repeat(n / 17)) }).to_string()
    }),
    ("depth, again and again", |n| {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        format!("[{}1]", format!("{deep},").repeat(n / 202))
    }),
];

/// Bodies of requests to `pii-mask`.
pub fn requests() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, document) in DOCUMENTS {
        cases.push(Case::request("pii-mask", name, MASK, SIZE, move |size| {
            json_post(document(size).into_bytes())
        }));
    }
    for fragment in FRAGMENTS {
        let shown = fragment.escape_debug();
        cases.push(Case::request(
            "pii-mask",
            format!("JSON string of {shown}"),
            MASK,
            SIZE,
            move |size| {
                json_post(
                    json!({ "a": repeated(fragment, size) })
                        .to_string()
                        .into_bytes(),
                )
            },
        ));
        cases.push(Case::request(
            "pii-mask",
            format!("text of {shown}"),
            MASK,
            SIZE,
            move |size| typed_post("text/plain", repeated(fragment, size).into_bytes()),
        ));
    }
    let form = "application/x-www-form-urlencoded";
    for (name, pair) in [
        ("many fields", "a=1&"),
        ("one long field", "4111+1111+"),
        ("escapes", "%34%31%31%31"),
        ("ampersands", "&"),
    ] {
        cases.push(Case::request(
            "pii-mask",
            format!("form: {name}"),
            MASK,
            SIZE,
            move |size| typed_post(form, repeated(pair, size).into_bytes()),
        ));
    }
    cases.push(Case::request(
        "pii-mask",
        "form: a long name and many numbers",
        MASK,
        SIZE,
        move |size| {
            typed_post(
                form,
                format!(
                    "{}={}",
                    "phone+".repeat(size / 12),
                    "1234567+".repeat(size / 16)
                )
                .into_bytes(),
            )
        },
    ));
    for (name, line) in [
        ("objects", "{\"a\":\"ann@example.com\"}\n"),
        ("numbers", "1\n"),
        ("blank lines", "\n"),
    ] {
        cases.push(Case::request(
            "pii-mask",
            format!("JSON lines: {name}"),
            MASK,
            SIZE,
            move |size| typed_post("application/x-ndjson", repeated(line, size).into_bytes()),
        ));
    }
    cases.push(Case::request(
        "pii-mask",
        "many pieces",
        MASK,
        SIZE,
        |size| {
            let body = json!({ "a": "4111 ".repeat(size / 5) }).to_string();
            in_pieces(
                Request::post("/v1/chat/completions").header("content-type", "application/json"),
                body.as_bytes(),
            )
        },
    ));
    cases
}

fn in_pieces(request: Request, body: &[u8]) -> Request {
    body.chunks(PIECE)
        .fold(request, |request, piece| request.chunk(piece.to_vec()))
}

pub fn answer(kind: &str, body: &[u8], piece: usize) -> (Request, Reply) {
    let reply = Reply::status(200).header("content-type", kind);
    let reply = body
        .chunks(piece.max(1))
        .fold(reply, |reply, piece| reply.body(piece.to_vec()));
    (Request::get("/v1/models"), reply)
}

pub const EVENTS: &str = "text/event-stream";

/// Streams of events that are made of one event, or of one part of it, again and again.
pub const STREAMS: [Document; 14] = [
    ("many events of one text", |n| {
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"4111 \"}}]}\n\n".repeat(n / 66)
    }),
    ("zones that begin again and again", |n| {
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"A1<B2<\"}}]}\n\n".repeat(n / 66)
    }),
    ("cells that begin again and again", |n| {
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x,password\\na,\\\"b1\"}}]}\n\n"
            .repeat(n / 80)
    }),
    ("one event with many choices", |n| {
        let choices: Vec<String> = (0..n / 400)
            .map(|at| format!("{{\"index\":{at},\"delta\":{{\"content\":\"ann@exam\"}}}}"))
            .collect();
        format!("data: {{\"choices\":[{}]}}\n\n", choices.join(","))
    }),
    ("one event with many finished choices", |n| {
        let choices: Vec<String> = (0..n / 400)
            .map(|at| {
                format!(
                    "{{\"index\":{at},\"delta\":{{\"content\":\"x\"}},\"finish_reason\":\"stop\"}}"
                )
            })
            .collect();
        format!("data: {{\"choices\":[{}]}}\n\n", choices.join(","))
    }),
    ("many choices in turn", |n| {
        (0..n / 70)
            .map(|at| format!("data: {{\"choices\":[{{\"index\":{},\"delta\":{{\"content\":\"ann@exam\"}}}}]}}\n\n", at % 100))
            .collect()
    }),
    ("choices that fall silent", |n| {
        (0..n / 70)
            .map(|at| {
                let (index, text) = if at < 60 { (at, "4111 1") } else { (60, "word, ") };
                format!("data: {{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
            })
            .collect()
    }),
    ("one event with many lines of data", |n| {
        format!("data: [\n{}data: 1]\n\n", "data: 1234567,\n".repeat(n / 15))
    }),
    ("one event with a long string", |n| {
        format!("data: {{\"response\":\"{}\"}}\n\n", "1 ".repeat(n / 2))
    }),
    ("a long name", |n| {
        format!(
            "data: {{\"{}\":[{}1]}}\n\n",
            "phone ".repeat(n / 12),
            "1234567,".repeat(n / 16)
        )
    }),
    ("a deep delta", |n| {
        let members: Vec<String> = (0..n / 24)
            .map(|at| format!("\"m{at}\":\"ann@exam\""))
            .collect();
        format!("data: {{\"delta\":{{{}}}}}\n\n", members.join(","))
    }),
    ("plain data", |n| "data: word\n\n".repeat(n / 12)),
    ("comments", |n| ": x\n".repeat(n / 4)),
    ("a text that is held", |n| {
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"AAAAAAAAAAAAAAAA\"}}]}\n\n"
            .repeat(n / 77)
    }),
];

/// Bodies of answers through `pii-mask`.
pub fn answers() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, stream) in STREAMS {
        for piece in [usize::MAX, PIECE] {
            let way = if piece == PIECE {
                "in pieces"
            } else {
                "at once"
            };
            cases.push(Case::exchange(
                "pii-mask",
                format!("stream, {way}: {name}"),
                MASK,
                SIZE,
                move |size| answer(EVENTS, stream(size).as_bytes(), piece),
            ));
        }
    }
    for fragment in FRAGMENTS {
        let shown = fragment.escape_debug();
        cases.push(Case::exchange(
            "pii-mask",
            format!("streamed text of {shown}"),
            MASK,
            SIZE,
            move |size| answer("text/plain", repeated(fragment, size).as_bytes(), PIECE),
        ));
        cases.push(Case::exchange(
            "pii-mask",
            format!("stream of events with {shown}"),
            MASK,
            SIZE,
            move |size| {
                // A key is held up to 4 KB: the text has to be long beside that.
                let share = if fragment.contains("BEGIN RSA") { 1 } else { 4 };
                let text = repeated(fragment, size / share);
                let pieces: Vec<char> = text.chars().collect();
                let events: String = pieces
                    .chunks(17)
                    .map(|piece| {
                        let piece: String = piece.iter().collect();
                        format!(
                            "data: {}\n\n",
                            json!({"choices": [{"index": 0, "delta": {"content": piece}}]})
                        )
                    })
                    .collect();
                answer(EVENTS, events.as_bytes(), PIECE)
            },
        ));
    }
    for (name, line) in [
        ("objects", "{\"response\":\"ann@\"}\n"),
        ("numbers", "0.5\n"),
        ("strings", "\"ann@\"\n"),
        ("blank lines", "\n"),
    ] {
        cases.push(Case::exchange(
            "pii-mask",
            format!("lines of JSON: {name}"),
            MASK,
            SIZE,
            move |size| {
                answer(
                    "application/x-ndjson",
                    repeated(line, size).as_bytes(),
                    PIECE,
                )
            },
        ));
    }
    for (name, document) in DOCUMENTS {
        cases.push(Case::exchange(
            "pii-mask",
            format!("answer: {name}"),
            MASK,
            SIZE,
            move |size| answer("application/json", document(size).as_bytes(), PIECE),
        ));
    }
    cases
}

/// Texts mixed at random of a few fragments each, the same mixture for both sizes.
pub fn mixtures() -> Vec<Case> {
    seeds()
        .map(|seed| {
            let text = move |size: usize| mixture(&FRAGMENTS, &mut random(seed), size);
            if seed % 2 == 0 {
                Case::request(
                    "pii-mask",
                    format!("mixture, seed {seed}"),
                    MASK,
                    SIZE,
                    move |size| json_post(json!({ "a": text(size) }).to_string().into_bytes()),
                )
            } else {
                Case::exchange(
                    "pii-mask",
                    format!("streamed mixture, seed {seed}"),
                    MASK,
                    SIZE,
                    move |size| answer("text/plain", text(size).as_bytes(), PIECE),
                )
            }
        })
        .collect()
}

/// Rules that look at the model in a body, and a limit that does.
pub const ACL: &str =
    r#"{"rules":[{"id":"a","effect":"allow","who":{"identity":"any"},"what":{"models":["m*"]}}]}"#;
pub const BY_MODEL: &str =
    r#"{"policies":[{"name":"a","by":["model"],"windows":[{"quota":1000000,"window_s":1}]}]}"#;

/// A model that has another name behind the gateway.
pub const RENAMED: &str =
    r#"{"models":[{"name":"m","targets":[{"tag":"t","backend":"a","model":"longer"}]}]}"#;

/// A document beside the name of a model.
pub fn beside_a_model(name: &str, document: fn(usize) -> String) -> [Case; 3] {
    let reading = [
        ("consumer-acl", ACL),
        ("rate-limit", BY_MODEL),
        ("model-route", RENAMED),
    ];
    reading.map(|(filter, config)| {
        Case::request(filter, format!("body: {name}"), config, SIZE, move |size| {
            json_post(format!("{{\"model\":\"m\",\"x\":{}}}", document(size)).into_bytes())
        })
    })
}

/// Bodies that other filters read: for a model's name, or to sign them.
pub fn of_other_filters() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, document) in DOCUMENTS {
        cases.extend(beside_a_model(name, document));
    }
    cases.push(Case::request(
        "aws-sigv4",
        "a long body",
        super::heads::SIGN,
        SIZE,
        |size| in_pieces(Request::post("/endpoints/e/invocations"), &vec![b'a'; size]),
    ));
    cases
}
