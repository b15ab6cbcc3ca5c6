//! Bodies in forms of their own: documents in whose arrays a text runs on, tensors behind a head,
//! forms in parts, and everything in pieces of one byte.

use proxy_wasm_simulator::Request;
use serde_json::json;

use super::bodies::{
    ACL, BY_MODEL, DOCUMENTS, EVENTS, MASK, SIZE, STREAMS, answer, beside_a_model, json_post,
    typed_post,
};
use super::heads::SIGN;
use super::measure::Case;

/// Bytes of the smaller body that comes byte by byte: each is a callback.
const BYTES: usize = 1_600;

type Made = (&'static str, fn(usize) -> String);

/// Answers that are one JSON document, in whose arrays texts run on.
const ARRAYS: [Made; 8] = [
    ("Gemini's array of answers", |n| {
        let chunk = json!({"candidates": [{"content": {"parts": [{"text": "ann@exam"}], "role": "model"}, "index": 0}]});
        format!("[{}]", vec![chunk.to_string(); n / 90].join(","))
    }),
    ("Gemini's array, many candidates in each", |n| {
        let candidates: Vec<_> = (0..20)
            .map(|at| json!({"content": {"parts": [{"text": "4111 "}]}, "index": at}))
            .collect();
        let chunk = json!({ "candidates": candidates }).to_string();
        format!("[{}]", vec![chunk; n / 1_000].join(","))
    }),
    ("one answer of many parts", |n| {
        let parts = vec![json!({"text": "AAAA"}); n / 15];
        json!({"candidates": [{"content": {"parts": parts}}]}).to_string()
    }),
    ("TGI's tokens", |n| {
        let tokens: Vec<_> = (0..n / 50)
            .map(|at| json!({"id": at, "text": "1", "logprob": -0.5, "special": false}))
            .collect();
        json!({"generated_text": "1".repeat(n / 50), "details": {"finish_reason": "length", "tokens": tokens}}).to_string()
    }),
    ("TGI's best_of, tokens of each", |n| {
        let sequences: Vec<_> = (0..n / 500)
            .map(|_| json!({"generated_text": "4111", "tokens": vec![json!({"id": 1, "text": "4111 "}); 20]}))
            .collect();
        json!({"details": {"best_of_sequences": sequences}}).to_string()
    }),
    ("llama.cpp's probabilities", |n| {
        let tokens = vec![
            json!({"content": "1", "probs": [{"tok_str": "1", "prob": 0.5}, {"tok_str": "2", "prob": 0.25}]});
            n / 90
        ];
        json!({"content": "1".repeat(n / 90), "completion_probabilities": tokens}).to_string()
    }),
    ("segments of a transcript", |n| {
        let segments: Vec<_> = (0..n / 60)
            .map(|at| json!({"id": at, "start": 0.5, "text": " 4111 1111", "tokens": [1, 2]}))
            .collect();
        json!({"text": "4111 1111".repeat(n / 60), "segments": segments}).to_string()
    }),
    ("texts in arrays in arrays", |n| {
        format!(
            "[{}]",
            vec![r#"["ann@","exam","ple.com"]"#; n / 26].join(",")
        )
    }),
];

/// A document in which each answer begins a text of its own.
const OTHER_TEXTS: Made = ("Gemini's array, other candidates in each", |n| {
    let chunks: Vec<String> = (0..n / 90)
        .map(|at| {
            json!({"candidates": [{"content": {"parts": [{"text": "ann@exam"}]}, "index": at}]})
                .to_string()
        })
        .collect();
    format!("[{}]", chunks.join(","))
});

/// Documents of things that readers of JSON stumble over.
const ODD: [Made; 8] = [
    ("names in escapes", |n| {
        format!("{{{}\"a\":1}}", r#""\u0061\u0062":"4111","#.repeat(n / 22))
    }),
    ("one name in escapes", |n| {
        format!("{{\"{}\":\"4111\"}}", r"\u0061".repeat(n / 6))
    }),
    ("pairs of surrogates", |n| {
        format!("[\"{}\"]", r"\ud83d\ude00".repeat(n / 12))
    }),
    ("numbers of a thousand digits", |n| {
        format!("[{}1]", format!("{},", "4".repeat(1_000)).repeat(n / 1_001))
    }),
    ("one number", |n| format!("[{}]", "4".repeat(n))),
    ("fractions of a thousand digits", |n| {
        format!(
            "[{}1]",
            format!("0.{}e5,", "4".repeat(1_000)).repeat(n / 1_005)
        )
    }),
    ("JSON in strings in strings", |n| {
        let inner = json!({"a": "4111 ".repeat(n / 5)}).to_string();
        json!({"b": json!({ "c": inner }).to_string()}).to_string()
    }),
    ("white space", |n| format!("[{}1]", " \n".repeat(n / 2))),
];

fn tensors(count: usize, elements: usize) -> (usize, Vec<u8>) {
    let element = b"ann@example.com";
    let inputs: Vec<_> = (0..count)
        .map(|at| json!({"name": format!("t{at}"), "datatype": "BYTES", "shape": [elements], "parameters": {"binary_data_size": elements * (4 + element.len())}}))
        .collect();
    let mut body = json!({ "inputs": inputs }).to_string().into_bytes();
    let head = body.len();
    for _ in 0..count * elements {
        body.extend(u32::try_from(element.len()).unwrap().to_le_bytes());
        body.extend(element);
    }
    (head, body)
}

fn tensor_post((head, body): (usize, Vec<u8>)) -> Request {
    Request::post("/v2/models/m/infer")
        .header("inference-header-content-length", head.to_string())
        .header("content-type", "application/octet-stream")
        .chunk(body)
}

/// An upload that names its model among other parts.
fn form(parts: &str) -> Request {
    let body = format!(
        "{parts}--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b--\r\n"
    );
    Request::post("/v1/audio/transcriptions")
        .header("content-type", "multipart/form-data; boundary=b")
        .chunk(body)
}

fn part(name: &str, value: &str) -> String {
    format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

type Form = (&'static str, fn(usize) -> String);

const FORMS: [Form; 5] = [
    ("long parts", |n| {
        part("x", &"y".repeat(2_000)).repeat(n / 2_000)
    }),
    ("a long part", |n| part("x", &"y".repeat(n))),
    ("what looks like a boundary", |n| {
        part("x", &"\r\n--".repeat(n / 4))
    }),
    ("line ends", |n| part("x", &"\r\n".repeat(n / 2))),
    ("hyphens", |n| part("x", &"-".repeat(n))),
];

fn byte_by_byte(request: Request, body: &[u8]) -> Request {
    body.iter()
        .fold(request, |request, byte| request.chunk(vec![*byte]))
}

fn post(kind: &str) -> Request {
    Request::post("/v1/chat/completions").header("content-type", kind)
}

/// Documents and forms, whole.
pub fn whole() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, document) in ARRAYS.into_iter().chain(ODD) {
        cases.push(Case::exchange(
            "pii-mask",
            format!("answer: {name}"),
            MASK,
            SIZE,
            move |size| answer("application/json", document(size).as_bytes(), usize::MAX),
        ));
    }
    for (name, document) in ODD {
        cases.push(Case::request("pii-mask", name, MASK, SIZE, move |size| {
            json_post(document(size).into_bytes())
        }));
        cases.extend(beside_a_model(name, document));
    }
    for (name, parts) in FORMS {
        for (filter, config) in [("consumer-acl", ACL), ("rate-limit", BY_MODEL)] {
            cases.push(Case::request(
                filter,
                format!("form: {name}"),
                config,
                SIZE,
                move |size| form(&parts(size)),
            ));
        }
    }
    for (filter, config) in [("consumer-acl", ACL), ("rate-limit", BY_MODEL)] {
        cases.push(Case::request(
            filter,
            "batch of requests",
            config,
            SIZE,
            |size| {
                let requests: Vec<_> = (0..size / 60)
                    .map(|at| json!({"custom_id": "a", "params": {"model": format!("m{}", at % 50)}}))
                    .collect();
                Request::post("/v1/messages/batches")
                    .header("content-type", "application/json")
                    .chunk(json!({ "requests": requests }).to_string())
            },
        ));
    }
    cases.push(Case::request(
        "pii-mask",
        "one tensor of many elements",
        MASK,
        SIZE,
        |size| tensor_post(tensors(1, size / 19)),
    ));
    cases.push(Case::request(
        "pii-mask",
        "many tensors",
        MASK,
        SIZE,
        |size| tensor_post(tensors(size / 120, 1)),
    ));
    cases.push(parts());
    cases
}

/// A document of as many texts as it is long.
pub fn many_texts() -> Vec<Case> {
    let (name, document) = OTHER_TEXTS;
    vec![Case::exchange(
        "pii-mask",
        format!("answer: {name}"),
        MASK,
        SIZE,
        move |size| answer("application/json", document(size).as_bytes(), usize::MAX),
    )]
}

/// A form of as many parts as it is long.
fn parts() -> Case {
    let part = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1-1\r\n";
    Case::request("pii-mask", "parts of a form", MASK, SIZE, move |size| {
        let form = format!("{}--x--", part.repeat(size / part.len()));
        typed_post("multipart/form-data; boundary=x", form.into_bytes())
    })
}

/// Bodies that come byte by byte.
pub fn bytes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, stream) in STREAMS {
        cases.push(Case::exchange(
            "pii-mask",
            format!("stream, byte by byte: {name}"),
            MASK,
            BYTES,
            move |size| answer(EVENTS, stream(size).as_bytes(), 1),
        ));
    }
    for (kind, text) in [
        ("text/plain", "ann@example.com "),
        ("text/plain", "AAAA"),
        ("application/x-ndjson", "{\"response\":\"ann@\"}\n"),
    ] {
        cases.push(Case::exchange(
            "pii-mask",
            format!("answer, byte by byte: {kind}, {text:?}"),
            MASK,
            BYTES,
            move |size| answer(kind, text.repeat(size / text.len()).as_bytes(), 1),
        ));
    }
    let (_, document) = DOCUMENTS[1];
    cases.push(Case::exchange(
        "pii-mask",
        "answer, byte by byte: JSON",
        MASK,
        BYTES,
        move |size| answer("application/json", document(size).as_bytes(), 1),
    ));
    for (filter, config) in [
        ("pii-mask", MASK),
        ("consumer-acl", ACL),
        ("rate-limit", BY_MODEL),
        ("aws-sigv4", SIGN),
    ] {
        cases.push(Case::request(
            filter,
            "request, byte by byte",
            config,
            BYTES,
            move |size| {
                let body = format!("{{\"model\":\"m\",\"x\":{}}}", document(size));
                byte_by_byte(post("application/json"), body.as_bytes())
            },
        ));
    }
    cases
}

/// One filter's most work for one byte of a body of the longest that it reads.
pub struct Bound {
    /// What it reads, as the table in `docs/performance.md` calls it.
    pub what: &'static str,
    /// Instructions for each byte.
    pub most: u64,
    /// Inputs of a size.
    pub cases: Vec<Case>,
}

/// Bytes from which the longest bodies are made; some become a quarter longer, and 1,000,000 are
/// read unless configured otherwise.
const LIMIT: usize = 780_000;

fn requests_of(filter: &'static str, config: &str, made: &[Made]) -> Vec<Case> {
    made.iter()
        .map(|(name, document)| {
            let document = *document;
            Case::request(
                filter,
                format!("body: {name}"),
                config,
                LIMIT,
                move |size| {
                    let document = document(size.saturating_sub(20));
                    json_post(format!("{{\"model\":\"m\",\"x\":{document}}}").into_bytes())
                },
            )
        })
        .collect()
}

fn texts(kind: &'static str) -> Vec<Case> {
    [
        "4111-1111-",
        "1 (1) ",
        "a.a@a.aa ",
        "dead:beef:",
        "sk-",
        "eyJ",
        "ssn ",
        "ssn,x\n1,1\n",
        "00 ",
        "11 ",
        "%40",
        "national id 12 34 56 78 90 12 34 ",
        "tax id AB 123456780 ",
        "id no X-1234567-8 ",
        "passport C01X00T47 ",
        "born 01.02.1980 ",
        "A1<",
        "AB 12 ",
        "password: a1#b ",
        "the password for a b c is a1#b2c ",
        "<td>Password</td><td>a1#b2c",
        "\"name\":\"password\",\"value\":\"a1#b2c",
        "who,password\n\"a,1",
        "| password |\n| a1#b2c |\n",
    ]
    .into_iter()
    .map(|text| {
        Case::request(
            "pii-mask",
            format!("{kind} of {text:?}"),
            MASK,
            LIMIT,
            move |size| typed_post(kind, text.repeat(size / text.len()).into_bytes()),
        )
    })
    .collect()
}

fn streams() -> Vec<Case> {
    STREAMS
        .into_iter()
        .map(|(name, stream)| {
            Case::exchange(
                "pii-mask",
                format!("stream: {name}"),
                MASK,
                LIMIT / 4,
                move |size| answer(EVENTS, stream(size).as_bytes(), 16_384),
            )
        })
        .collect()
}

/// What every filter that reads bodies may execute for one byte.
pub fn bounds() -> Vec<Bound> {
    let hard: Vec<Made> = DOCUMENTS.into_iter().chain(ODD).collect();
    vec![
        Bound {
            what: "`pii-mask`, JSON requests",
            most: 2_000,
            cases: requests_of("pii-mask", MASK, &hard),
        },
        Bound {
            what: "`pii-mask`, text requests",
            most: 4_200,
            cases: texts("text/plain"),
        },
        Bound {
            what: "`pii-mask`, streamed answers",
            most: 3_900,
            cases: streams(),
        },
        Bound {
            what: "`consumer-acl`, JSON requests",
            most: 280,
            cases: requests_of("consumer-acl", ACL, &hard),
        },
        Bound {
            what: "`rate-limit`, JSON requests",
            most: 280,
            cases: requests_of("rate-limit", BY_MODEL, &hard),
        },
        Bound {
            what: "`aws-sigv4`, signed bodies",
            most: 100,
            cases: requests_of("aws-sigv4", SIGN, &hard[..1]),
        },
    ]
}
