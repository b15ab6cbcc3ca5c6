//! Values that are split at every byte over two events, in the shapes of many protocols; and what
//! is nobody's, which passes them unchanged.

use crate::PiiMask;
use crate::amazon;
use crate::answer::Answer;
use crate::config::Config;
use crate::document;
use crate::mask::{Surrogate, Tally};
use crate::media::Media;
use crate::plan::Plan;
use crate::restore::tests::Trip;
use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::filter::Filter as _;
use modelgate_kit::testing::FakeProxy;
use serde_json::{Value, json};

type Shape = fn(&str) -> Vec<u8>;

fn sse(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

fn named(name: &str, value: &Value) -> Vec<u8> {
    format!("event: {name}\ndata: {value}\n\n").into_bytes()
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

pub(super) fn message(kind: &str, payload: &Value) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [(":event-type", kind), (":message-type", "event")] {
        headers.push(u8::try_from(name.len()).unwrap());
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    amazon::write(&headers, payload.to_string().as_bytes())
}

const SHAPES: [(&str, Media, Shape); 15] = [
    ("OpenAI chat", Media::Events, |text| {
        sse(
            &json!({"id":"c","object":"chat.completion.chunk","created":1700000000,"choices":[{"index":0,"delta":{"content":text},"finish_reason":null}]}),
        )
    }),
    ("OpenAI completions", Media::Events, |text| {
        sse(
            &json!({"id":"c","object":"text_completion","choices":[{"text":text,"index":0,"logprobs":null,"finish_reason":null}]}),
        )
    }),
    ("OpenAI responses", Media::Events, |text| {
        named(
            "response.output_text.delta",
            &json!({"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":text}),
        )
    }),
    ("Anthropic", Media::Events, |text| {
        named(
            "content_block_delta",
            &json!({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":text}}),
        )
    }),
    ("Anthropic tools", Media::Events, |text| {
        named(
            "content_block_delta",
            &json!({"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":text}}),
        )
    }),
    ("Gemini", Media::Events, |text| {
        sse(&json!({"candidates":[{"content":{"parts":[{"text":text}],"role":"model"},"index":0}]}))
    }),
    ("Bedrock", Media::Messages, |text| {
        message(
            "contentBlockDelta",
            &json!({"contentBlockIndex":0,"delta":{"text":text},"p":"abcd"}),
        )
    }),
    ("Ollama chat", Media::JsonLines, |text| {
        line(
            &json!({"model":"m","created_at":"2026-11-28T10:00:00Z","message":{"role":"assistant","content":text},"done":false}),
        )
    }),
    ("Ollama generate", Media::JsonLines, |text| {
        line(&json!({"model":"m","created_at":"2026-11-28T10:00:00Z","response":text,"done":false}))
    }),
    ("TGI", Media::Events, |text| {
        sse(
            &json!({"index":1,"token":{"id":1,"text":text,"logprob":-0.5,"special":false},"generated_text":null,"details":null}),
        )
    }),
    ("KServe", Media::Events, |text| {
        sse(&json!({"model_name":"m","model_version":"1","text_output":text}))
    }),
    ("Cohere v2", Media::Events, |text| {
        named(
            "content-delta",
            &json!({"type":"content-delta","index":0,"delta":{"message":{"content":{"text":text}}}}),
        )
    }),
    ("Cohere v1", Media::JsonLines, |text| {
        line(&json!({"is_finished":false,"event_type":"text-generation","text":text}))
    }),
    ("Mistral", Media::Events, |text| {
        sse(
            &json!({"id":"m","object":"chat.completion.chunk","model":"mistral-small","choices":[{"index":0,"delta":{"content":text},"finish_reason":null}]}),
        )
    }),
    ("text", Media::Text, |text| text.as_bytes().to_vec()),
];

const VALUES: [(&str, &str); 18] = [
    ("write to ", "maria.da-silva+news@mail.example.co.uk"),
    ("write to ", "jörg_99@exämple.de"),
    ("call ", "+49 30 901820"),
    ("call ", "(212) 555-0187"),
    ("paid with ", "5555 5555 5555 4444"),
    ("paid with ", "378282246310005"),
    ("my SSN is ", "536-22-8765"),
    ("to ", "GB82 WEST 1234 5698 7654 32"),
    ("from ", "203.0.113.77"),
    ("from ", "2001:db8:85a3::8a2e:370:7334"),
    ("use ", "AKIAQWERTY2345ZXCVBN"),
    ("use ", "ghp_Zx81kq0LmN7vB3cT9yR5wE2uI6oP4aS0dF8g"),
    (
        "use ",
        "sk-ant-api03-Zx81kq0LmN7vB3cT9yR5wE2uI6oP4aS0dF8gHj",
    ),
    (
        "use ",
        "xoxb-2345678901-2345678901234-Zx81kq0LmN7vB3cT9yR5wE2u",
    ),
    (
        "use ",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.Zx81kq0LmN7vB3cT9yR5",
    ),
    (
        "at ?sv=1&sig=",
        "Zx81kq0LmN%2B7vB3cT9yR5wE2uI6oP4aS0dF8gHjK1lQ%3D",
    ),
    (
        "use ",
        "OTg3NjU0MzIxMDk4NzY1NDMy.GhIjKl.Zx81kq0LmN7vB3cT9yR5wE2uI6oP4aS0dF8g",
    ),
    ("use ", "key-0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
];

pub(super) fn plan() -> Plan {
    let proxy = FakeProxy::new(0);
    let setup = Setup {
        host: &*proxy,
        filter: PiiMask::NAME,
        profile: "",
        shared_prefix: String::new(),
        list: None,
    };
    let config: Config = serde_json::from_str("{}").unwrap();
    PiiMask::compile(config, &setup, &mut Problems::default()).unwrap()
}

fn through(plan: &Plan, media: Media, pieces: &[Vec<u8>]) -> String {
    pass(Answer::new(plan, media).unwrap(), pieces)
}

fn pass(mut answer: Answer<'_>, pieces: &[Vec<u8>]) -> String {
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(answer.push(piece));
    }
    out.extend(answer.finish());
    assert_eq!(answer.cut(), None);
    String::from_utf8_lossy(&out).into_owned()
}

/// How many characters in a row of a value may stand in the output: names of members and the like
/// have some of them.
const MOST: usize = 5;

#[test]
fn values_that_are_split_at_any_byte_do_not_pass_in_any_shape() {
    let plan = plan();
    let mut cases = 0;
    for (name, media, shape) in SHAPES {
        for (before, value) in VALUES {
            let splits = value.char_indices().map(|(at, _)| at);
            for at in splits {
                let (one, other) = value.split_at(at);
                let pieces = [
                    shape("So: "),
                    shape(&format!("{before}{one}")),
                    shape(other),
                    shape(" it is."),
                ];
                let out = through(&plan, media, &pieces);
                let left: Vec<char> = value.chars().collect();
                for part in left.windows(MOST + 1) {
                    let part: String = part.iter().collect();
                    assert!(!out.contains(&part), "{name}: {one}|{other}: {part}: {out}");
                }
                cases += 1;
            }
        }
    }
    assert!(cases > 5_000, "{cases}");
}

#[test]
fn surrogates_that_are_split_at_any_byte_come_back_in_every_shape() {
    let plan = plan();
    let (mut cases, secret) = (0, "p\\4\"w0rd!9");
    for surrogate in [
        Surrogate::Placeholder,
        Surrogate::Pseudonym,
        Surrogate::Fake,
    ] {
        let trip = Trip::new(surrogate);
        let email = trip.ask("ann@private.test");
        let body = json!({ "password": secret }).to_string();
        let scope = &plan.request.scope;
        let asked = document::json(body.as_bytes(), scope, &trip.there, &mut Tally::default());
        let asked: Value = serde_json::from_slice(&asked.unwrap().unwrap()).unwrap();
        let password = asked["password"].as_str().unwrap().to_owned();
        let markdown = email.replace('<', "\\<").replace('_', "\\_");
        let spellings = [
            (email.clone(), "ann@private.test"),
            (email.to_lowercase(), "ann@private.test"),
            (markdown, "ann@private.test"),
            (
                email.replace('<', "&lt;").replace('>', "&gt;"),
                "ann@private.test",
            ),
            (password, secret),
        ];
        for (name, media, shape) in SHAPES {
            for (written, value) in &spellings {
                for (at, _) in written.char_indices() {
                    let (one, other) = written.split_at(at);
                    let pieces = [shape("So: "), shape(one), shape(other), shape(" it is.")];
                    let answer = Answer::new(&plan, media).unwrap();
                    let out = pass(answer.masked_by(&trip.back), &pieces);
                    let quoted = serde_json::to_string(value).unwrap();
                    let is_back = [&quoted[1..quoted.len() - 1], value];
                    assert!(
                        is_back.iter().any(|value| out.matches(value).count() == 1),
                        "{name}: {one}|{other}: {out}"
                    );
                    cases += 1;
                }
            }
        }
    }
    assert!(cases > 2_000, "{cases}");
}

const NOBODYS: [&str; 24] = [
    "2026-11-28T07:14:33.120Z INFO [worker-7] http: 200 GET /v1/models 12ms 4096B",
    "fn main() { let x: [u32; 4] = [0xdead, 0xbeef, 1_000_000, 42]; println!(\"{x:?}\"); }",
    "0.9957417845,0.0120349871,1.5e-07\n-0.3312904411,3.1415926535,2.7182818284\n",
    "6fa459ea-ee8a-3ca4-894e-db77e160355e and 16fd2706-8baf-433b-82eb-8c7fada847da",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 (tag: v2.31.0)",
    "numpy==1.26.4 torch==2.5.1+cu124 openssl 3.0.13 chrome/131.0.6778.85",
    "DE00 1234 5678 9012 3456 78 is no account, nor is XX82WEST12345698765432",
    "from 2026-11-28 to 2027-01-05, 07:30-09:45, week 48, 20261128T071433Z",
    "{\"shape\":[1,3,224,224],\"data\":[0.485,0.456,0.406,0.229,0.224,0.225]}",
    "[101,7592,1010,2088,999,102,0,0,0,30522,1996,4248,2829,4419]",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "order 4500012345, invoice 2026-0001234, ticket ABC-1234, SKU 0012-3456-78",
    "R2 = 0.87, p < 0.001, n = 1,234,567; mean 12.5 (SD 3.2)",
    "aspect 16:9, ratio 3:1, at 12:30:45, Genesis 1:1, C++20, HTTP/1.1 404",
    "SELECT * FROM t WHERE id IN (1001, 1002, 1003) LIMIT 50 OFFSET 100;",
    "x1=12.5 y1=-7.25 w=640 h=480 conf=0.9731 cls=17",
    "48.858370, 2.294481 and 40.689247, -74.044502",
    "https://example.com/a/b?page=2&size=50#section-3",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
    "ISBN 978-0-13-468599-1, DOI 10.1000/182, arXiv:1706.03762v5, RFC 9110 §14.2",
    "@app.route('/') def index(): return user@host_matrix @ W.T",
    "loss 2.3025 -> 0.0417 in 12000 steps, lr=3e-4, bs=256, seed=1337",
    "#ff8800 rgb(255, 136, 0) 24px 1.5rem 100vh 0.75s cubic-bezier(0.4, 0, 0.2, 1)",
    "ACGTACGTTAGC chr7:117559590-117559600 rs113993960 NM_000492.4:c.1521_1523del",
];

#[test]
fn what_is_nobodys_passes_every_shape_and_document_unchanged() {
    let plan = plan();
    for text in NOBODYS {
        for (name, media, shape) in SHAPES {
            for size in [1, 3, 7, 1000] {
                let characters: Vec<char> = text.chars().collect();
                let pieces = characters
                    .chunks(size)
                    .map(|piece| shape(&piece.iter().collect::<String>()));
                let pieces: Vec<_> = pieces.collect();
                let sent = String::from_utf8_lossy(&pieces.concat()).into_owned();
                assert!(
                    through(&plan, media, &pieces) == sent,
                    "{name}: {size}: {text}"
                );
            }
        }
        let body =
            json!({ "messages": [{ "role": "user", "content": text }], "n": 1.50 }).to_string();
        let scope = &plan.request.scope;
        let masked = document::json(body.as_bytes(), scope, &plan.masker, &mut Tally::default());
        assert_eq!(masked, Ok(None), "{text}");
    }
}
