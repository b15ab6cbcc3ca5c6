//! What `audit-log` ships: long queues, long events, and sinks that do not take them.

use std::time::Duration;

use proxy_wasm_simulator::{Answer, Reply, Request};
use serde_json::{Value, json};

use super::heads::KEYS;
use super::measure::Case;

/// Requests of the smaller case.
const REQUESTS: usize = 150;
/// Bytes of the smaller event's longest part.
const BYTES: usize = 8_000;
/// As long as every queue here takes to be empty, or to have been tried a few times.
const AFTERWARDS: Duration = Duration::from_secs(30);

fn get() -> Request {
    Request::get("/v1/models?api-version=1")
        .header("user-agent", "growth")
        .header("x-request-id", "6f6e8a7e-1d2c-4a53-9b55-0d4b5a1f4f10")
}

fn sink(members: Value) -> String {
    let mut sink = json!({"cluster": "logs"});
    if let (Value::Object(sink), Value::Object(members)) = (&mut sink, members) {
        sink.extend(members);
    }
    json!({ "sink": sink }).to_string()
}

/// So many requests, one after the other, whose events a sink answers like this.
fn many(name: &str, config: impl Fn(usize) -> Value + 'static, answer: Answer) -> Case {
    let case = Case::request(
        "audit-log",
        format!("shipped: {name}"),
        "",
        REQUESTS,
        |_| get(),
    );
    Case {
        others: Box::new(move |_| vec![("logs", answer.clone())]),
        exchanges: |size| size,
        afterwards: AFTERWARDS,
        ..case
    }
    .under(move |size| sink(config(size)))
}

/// One request, whose event is as long as what it is made of.
fn long(name: &str, request: fn(usize) -> Request) -> Case {
    let case = Case::request(
        "audit-log",
        format!("shipped: {name}"),
        &sink(json!({})),
        BYTES,
        request,
    );
    Case {
        others: Box::new(|_| vec![("logs", status(200))]),
        afterwards: AFTERWARDS,
        ..case
    }
}

fn status(status: u16) -> Answer {
    Answer::Reply(Reply::status(status))
}

fn one_batch(size: usize) -> Value {
    json!({"queue": {"max_events": size * 2}, "batch": {"max_events": size * 2, "max_age_ms": 600_000}})
}

/// Long queues.
fn queues() -> Vec<Case> {
    let small = |size: usize| json!({"queue": {"max_events": size / 2}, "batch": {"max_events": size / 2, "max_age_ms": 0}});
    vec![
        many("requests", |_| json!({}), status(200)),
        many(
            "requests, one a batch",
            |_| json!({"batch": {"max_events": 1}}),
            status(200),
        ),
        many(
            "requests in one batch",
            |size| json!({"batch": {"max_events": size}}),
            status(200),
        ),
        many("requests, no batch due", one_batch, status(200)),
        many("a sink that is down", |_| json!({}), Answer::Refuse),
        many(
            "a sink that never answers",
            |_| json!({"timeout_ms": 60_000}),
            Answer::Hang,
        ),
        many(
            "a sink that never answers, a queue that is full",
            small,
            Answer::Hang,
        ),
        many(
            "a sink that fails, a queue that is full",
            small,
            status(503),
        ),
        many(
            "a sink that fails, and keeps the first",
            |size| json!({"queue": {"max_events": size / 2, "on_full": "drop_newest"}, "batch": {"max_events": size / 2}}),
            status(503),
        ),
        many(
            "a sink to which all is too large",
            |_| json!({}),
            status(413),
        ),
        many("a sink that refuses", |_| json!({}), status(400)),
        many(
            "a sink that takes nothing of it",
            |_| json!({}),
            Answer::Reply(
                Reply::status(200)
                    .header("content-type", "application/json")
                    .body(
                        r#"{"partialSuccess":{"rejectedLogRecords":"100000","errorMessage":"no"}}"#,
                    ),
            ),
        ),
    ]
}

/// A sink's answers of some size.
fn answers() -> Vec<Case> {
    let case = |name: &str, answer: fn(usize) -> Reply| {
        let case = Case::request(
            "audit-log",
            format!("sink's answer: {name}"),
            &sink(json!({})),
            BYTES,
            |_| get(),
        );
        Case {
            others: Box::new(move |size| vec![("logs", Answer::Reply(answer(size)))]),
            afterwards: AFTERWARDS,
            ..case
        }
    };
    vec![
        case("a long error", |n| Reply::status(400).body("a".repeat(n))),
        case("JSON in depth", |n| Reply::status(200).body("[".repeat(n))),
        case("a long message", |n| {
            let message = "m".repeat(n);
            let body =
                json!({"partialSuccess": {"rejectedLogRecords": 1, "errorMessage": message}});
            Reply::status(200).body(body.to_string())
        }),
        case("many members", |n| {
            let members = (0..n / 12).map(|at| (format!("m{at}"), json!(at)));
            Reply::status(200).body(Value::Object(members.collect()).to_string())
        }),
        case("a long retry-after", |n| {
            Reply::status(429).header("retry-after", &"1".repeat(n))
        }),
        case("a long date", |n| {
            Reply::status(503).header("retry-after", &"Fri, 31 Dec ".repeat(n / 12))
        }),
    ]
}

/// Events of some size.
fn events() -> Vec<Case> {
    let resource = |n: usize| {
        let attributes = (0..n).map(|at| (format!("a{at}"), json!("v".repeat(40))));
        json!({"resource": Value::Object(attributes.collect())})
    };
    let groups = |n: usize| {
        let mut keys: Value = serde_json::from_str(KEYS).unwrap();
        let list: Vec<String> = (0..n).map(|at| format!("group-{at}")).collect();
        keys["keys"][0]["groups"] = json!(list);
        keys.to_string()
    };
    let of_groups = long("groups of the caller", |_| get().header("x-api-key", "foo"));
    vec![
        long("a long path", |n| {
            Request::get(&format!("/a/{}", "b".repeat(n)))
        }),
        long("a path of escapes", |n| {
            Request::get(&format!("/a/{}", "%22%5c".repeat(n / 6)))
        }),
        long("a long query", |n| {
            Request::get(&format!("/a?b={}", "c".repeat(n)))
        }),
        long("a long agent", |n| {
            Request::get("/a").header("user-agent", "\"\\\t".repeat(n / 3))
        }),
        long("bytes that are no text", |n| {
            Request::get("/a").header("user-agent", vec![0xe9; n])
        }),
        long("a long trace state", |n| {
            let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
            Request::get("/a")
                .header("traceparent", parent)
                .header("tracestate", "a=b,".repeat(n / 4))
        }),
        long("a long trace parent", |n| {
            Request::get("/a").header("traceparent", "0".repeat(n))
        }),
        long("a long request id", |n| {
            Request::get("/a").header("x-request-id", "f".repeat(n))
        }),
        long("many addresses", |n| {
            Request::get("/a").header("x-forwarded-for", "10.0.0.1, ".repeat(n / 10))
        }),
        Case {
            size: 100,
            ..long("attributes of the source", |_| get())
        }
        .under(move |n| sink(resource(n))),
        Case {
            size: 200,
            ..of_groups
        }
        .behind("key-auth", groups),
    ]
}

/// All of them.
pub fn cases() -> Vec<Case> {
    [queues(), answers(), events()]
        .into_iter()
        .flatten()
        .collect()
}
