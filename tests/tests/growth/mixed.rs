//! Mixtures for every filter: heads, documents, forms and claims that are made of a few fragments
//! each, taken at random, the same for both sizes. What the answer is does not matter.

use proxy_wasm_simulator::Request;
use serde_json::{Value, json};

use super::bodies::{ACL, BY_MODEL, RENAMED, typed_post};
use super::heads::{SIGN, bearer_of, doors, tokens};
use super::measure::{ANY, Case, mixture, random, seeds};

/// Bytes of the smaller head, of which there are several parts.
const HEAD: usize = 6_000;
/// Bytes of the smaller body.
const BODY: usize = 30_000;
/// Bytes of the smaller token, more or less.
const TOKEN: usize = 10_000;

/// Parts of paths.
const PATHS: [&str; 28] = [
    "/",
    "//",
    "/.",
    "/..",
    "/a",
    "/a/b",
    "%2F",
    "%2f",
    "%25",
    "%2",
    "%",
    "%41",
    "%2e%2e",
    "%00",
    "%C3%A9",
    "%E9",
    ";a=b",
    ":",
    "@",
    "*",
    "+",
    "~",
    "!",
    "'",
    "/v1/models",
    "/v2/models/m/infer",
    "/endpoints/e",
    "model:predict",
];

/// Parts of queries.
const QUERIES: [&str; 22] = [
    "&",
    "=",
    "a=b&",
    "b=a&",
    "a&",
    "a=&",
    "=b&",
    "%61=%62&",
    "%2",
    "%26",
    "+",
    "+=+&",
    ";",
    "?",
    "api_key=x&",
    "%61pi_key=x&",
    "api%5fkey&",
    "model=m&",
    "_method=GET&",
    "X-Amz-Signature=x&",
    "\u{7f}",
    "zzzz=1&",
];

/// Parts of values of headers.
const VALUES: [&str; 32] = [
    ",",
    ", ",
    ";",
    "; ",
    "=",
    "\"",
    "\\",
    "\\\"",
    " ",
    "\t",
    "a",
    "a=b",
    "key=b; ",
    "Bearer ",
    "Bearer a, ",
    "Basic YTpi, ",
    "Bearer eyJ",
    "eyJhbGciOiJIUzI1NiJ9.",
    "10.0.0.1",
    "10.0.0.1, ",
    "[::1]:80, ",
    "for=10.0.0.1;",
    "upgrade, ",
    "websocket",
    "gzip, ",
    "q=0.5",
    "application/json",
    "charset=utf-8",
    "boundary=",
    "0",
    "fe80::1%25",
    "xn--",
];

/// Names of headers that filters look at.
const NAMES: [&str; 30] = [
    "cookie",
    "authorization",
    "x-api-key",
    "x-tenant",
    "x-forwarded-for",
    "forwarded",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "upgrade",
    "expect",
    "te",
    "trailer",
    "user-agent",
    "traceparent",
    "tracestate",
    "x-request-id",
    "x_consumer",
    "x-consumer",
    "x-groups",
    "x-original-url",
    "x-http-method-override",
    "x-amz-date",
    "x-amz-content-sha256",
    "x-amzn-sagemaker-target-model",
    "inference-header-content-length",
    "accept",
    "range",
    "www-authenticate",
];

/// Elements of JSON arrays.
const ELEMENTS: [&str; 24] = [
    "1,",
    "0.5e-3,",
    "12345678901234567890,",
    "\"\",",
    "\"a\",",
    "\"model\",",
    "\"\\u006d\",",
    "\"\\\\\",",
    "\"\\ud83d\\ude00\",",
    "[],",
    "{},",
    "[[[]]],",
    "{\"model\":\"m\"},",
    "{\"a\":{\"model\":[1]}},",
    "{\"a\":1,\"b\":2},",
    "{\"\\u0061\":1},",
    "true,",
    "null,",
    "  ",
    "\n",
    "\"ann@example.com\",",
    "\"4111111111111111\",",
    "{\"role\":\"user\",\"content\":\"x\"},",
    "\"{\\\"model\\\":1}\",",
];

/// Members of objects.
const MEMBERS: [&str; 14] = [
    "\"a\":1,",
    "\"a\":\"b\",",
    "\"model\":\"m\",",
    "\"mode\\u006c\":\"m\",",
    "\"Model\":\"m\",",
    "\"models\":[\"m\",\"n\"],",
    "\"x\":{\"model\":\"n\"},",
    "\"x\":[{\"y\":[]}],",
    "\"\":\"\",",
    "\"messages\":[],",
    "\"\\\\\":0,",
    "\"n\":1e5,",
    " ",
    "\"fallbacks\":[\"m\"],",
];

/// Parts of forms.
const FORMS: [&str; 16] = [
    "--b\r\n",
    "--b--\r\n",
    "\r\n",
    "\r\n\r\n",
    "\n",
    "--",
    "-",
    "b",
    "a",
    "content-disposition: form-data; name=\"model\"\r\n\r\nm\r\n",
    "--b\r\ncontent-disposition: form-data; name=\"x\"\r\n\r\ny\r\n",
    "Content-Disposition: form-data; name=\"x\"; filename=\"model\"\r\n",
    "content-disposition:",
    "name=\"",
    "\"",
    ";",
];

fn head(seed: u64, size: usize) -> Request {
    let mut random = random(seed);
    let share = size / 4;
    // A path, a query or both are as long as the head; else they are short.
    let (path, query) = match random(4) {
        0 => (mixture(&PATHS, &mut random, share), String::new()),
        1 => (String::new(), mixture(&QUERIES, &mut random, share)),
        2 => (
            mixture(&PATHS, &mut random, share),
            mixture(&QUERIES, &mut random, share),
        ),
        _ => (String::new(), String::new()),
    };
    let target = match query.as_str() {
        "" => format!("/a{path}"),
        query => format!("/a{path}?{query}"),
    };
    let mut request = if random(2) == 0 {
        Request::get(&target)
    } else {
        Request::post(&target).chunk(r#"{"model":"m"}"#)
    };
    for _ in 0..random(3) {
        let name = NAMES[random(NAMES.len())];
        request = request.header(name, mixture(&VALUES, &mut random, share));
    }
    // Many lines of a few names.
    let names: Vec<&str> = (0..=random(3))
        .map(|_| NAMES[random(NAMES.len())])
        .collect();
    let values: Vec<String> = (0..3).map(|_| mixture(&VALUES, &mut random, 1)).collect();
    for at in 0..size / 300 {
        request = request.header(
            names[at % names.len()],
            values[at % values.len()].as_bytes(),
        );
    }
    request
}

fn heads() -> impl Iterator<Item = Case> {
    doors().into_iter().flat_map(|door| {
        seeds().map(move |seed| {
            let credential = door.credential.clone();
            Case::request(
                door.filter,
                format!("mixed head, seed {seed}"),
                &door.config,
                HEAD,
                move |size| match &credential {
                    Some((header, value)) if seed % 2 == 0 => {
                        head(seed, size).header(header, value.as_bytes())
                    }
                    _ => head(seed, size),
                },
            )
            .refused(ANY)
        })
    })
}

fn document(seed: u64, size: usize) -> String {
    let mut random = random(seed);
    match random(3) {
        0 => format!(
            "{{\"model\":\"m\",\"x\":[{}1]}}",
            mixture(&ELEMENTS, &mut random, size)
        ),
        1 => format!("{{{}\"z\":1}}", mixture(&MEMBERS, &mut random, size)),
        _ => {
            let both = [
                &ELEMENTS[..],
                &MEMBERS[..],
                &["{", "}", "[", "]", "\"", ":"],
            ]
            .concat();
            format!("{{\"model\":\"m\",{}", mixture(&both, &mut random, size))
        }
    }
}

fn body(seed: u64, size: usize) -> Request {
    match seed % 4 {
        0 => {
            let form = mixture(&FORMS, &mut random(seed), size);
            let last =
                "\r\n--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b--\r\n";
            Request::post("/v1/audio/transcriptions")
                .header("content-type", "multipart/form-data; boundary=b")
                .chunk(format!("--b\r\n{form}{last}"))
        }
        1 => Request::post("/v1/messages/batches")
            .header("content-type", "application/json")
            .chunk(document(seed, size)),
        _ => typed_post("application/json", document(seed, size).into_bytes()),
    }
}

fn bodies() -> impl Iterator<Item = Case> {
    let filters = [
        ("consumer-acl", ACL),
        ("rate-limit", BY_MODEL),
        ("model-route", RENAMED),
        ("aws-sigv4", SIGN),
    ];
    filters.into_iter().flat_map(|(filter, config)| {
        seeds().map(move |seed| {
            Case::request(
                filter,
                format!("mixed body, seed {seed}"),
                config,
                BODY,
                move |size| body(seed, size),
            )
            .refused(ANY)
        })
    })
}

/// Claims of a token: some of many words, some of odd shapes.
fn claims(seed: u64, size: usize) -> Value {
    let mut random = random(seed);
    let mut claims = json!({});
    let names = [
        "groups",
        "scope",
        "scp",
        "aud",
        "roles",
        "x",
        "_claim_names",
        "sub",
    ];
    let parts = 1 + random(3);
    for _ in 0..parts {
        let name = names[random(names.len())];
        let share = size / parts;
        let value = match random(6) {
            0 => json!(
                (0..share / 10)
                    .map(|at| format!("w{at:05}"))
                    .collect::<Vec<_>>()
            ),
            1 => json!(vec!["models"; share / 9]),
            2 => json!("s t ".repeat(share / 4)),
            3 => json!("\u{e9}\"\\\u{1}".repeat(share / 12)),
            4 => Value::Object(
                (0..share / 20)
                    .map(|at| (format!("m{at:05}"), json!([at, {"a": at}])))
                    .collect(),
            ),
            _ => json!(vec![json!([[1], {"b": null}]); share / 16]),
        };
        claims[name] = value;
    }
    claims
}

fn all_tokens() -> impl Iterator<Item = Case> {
    seeds().map(|seed| {
        Case::request(
            "jwt-auth",
            format!("mixed claims, seed {seed}"),
            &tokens(),
            TOKEN,
            move |size| {
                let token = bearer_of(claims(seed, size));
                Request::get("/a").header("authorization", format!("Bearer {token}"))
            },
        )
        .refused(ANY)
    })
}

/// All of them.
pub fn cases() -> Vec<Case> {
    heads().chain(bodies()).chain(all_tokens()).collect()
}
