//! Filters on the `proxy-wasm` Rust SDK run on the host as its users expect: `harness/guests` does
//! what the SDK's own examples do.
//!
#![allow(clippy::expect_used)] // helpers of tests, like tests, fail by panicking

use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use modelgate_cli::build::{Workspace, build_guests};
use proxy_wasm_simulator::{
    Answer, FilterSpec, Gateway, GuestCode, PathMatch, Reply, Request, Route, Script, VirtualHost,
};
use proxy_wasm_wasmtime::WasmCode;

/// The module of all guests.
fn guests() -> Rc<dyn GuestCode> {
    static WASM: OnceLock<Vec<u8>> = OnceLock::new();
    let wasm = WASM.get_or_init(|| {
        let workspace = Workspace::locate().expect("the workspace is here");
        let built = build_guests(&workspace).expect("the guests build");
        std::fs::read(built.path).expect("the guests are there")
    });
    WasmCode::load(wasm).expect("the guests load")
}

fn filter(root_id: &str) -> FilterSpec {
    FilterSpec {
        root_id: root_id.to_owned(),
        ..FilterSpec::new(root_id, guests())
    }
}

fn gateway(filter: FilterSpec, httpbin: &[Answer], upstream: Reply) -> Gateway {
    let mut script = Script::default();
    script.cluster("upstream", vec![Answer::Reply(upstream)]);
    if !httpbin.is_empty() {
        script.cluster("httpbin", httpbin.to_vec());
    }
    Gateway::builder()
        .network(script)
        .filter(filter)
        .build()
        .expect("the filter starts")
}

fn ok(body: &[u8]) -> Answer {
    Answer::Reply(Reply::status(200).body(body))
}

fn logs(gateway: &Gateway) -> Vec<String> {
    gateway
        .timeline()
        .logs()
        .map(|line| line.text.clone())
        .collect()
}

#[test]
fn hello_world_says_hello_and_ticks() {
    let mut gateway = gateway(filter("hello_world"), &[], Reply::status(200));
    assert_eq!(logs(&gateway), ["Hello, World!"; 3]);
    gateway.advance(Duration::from_secs(5));
    let ticks = logs(&gateway).split_off(3);
    let now = gateway.now_ns() / 1_000_000_000;
    assert_eq!(
        ticks,
        vec![format!("It's Ok({now}), and Ok({now}) by the guest's own clock."); 2]
    );
}

#[test]
fn http_config_adds_what_is_configured() {
    let mut configured = gateway(
        filter("http_config").configuration("from the config"),
        &[],
        Reply::status(200),
    );
    let answer = configured.exchange(Request::get("/")).client;
    assert_eq!(
        answer.header("custom-header").as_deref(),
        Some("from the config")
    );
    let refused = Gateway::builder()
        .filter(filter("http_config"))
        .build()
        .err();
    assert!(refused.is_some_and(|error| error.problem.contains("proxy_on_configure refused")));
}

#[test]
fn http_headers_logs_what_passes_and_answers_hello() {
    let mut gateway = gateway(
        filter("http_headers"),
        &[],
        Reply::status(200).header("x-up", "1"),
    );
    let outcome = gateway.exchange(Request::get("/other").header("X-Mixed", "Case"));
    assert!(outcome.upstream.is_some());
    let lines = logs(&gateway);
    assert!(
        lines.contains(&"#2 -> x-mixed: Case".to_owned())
            && lines.contains(&"#2 <- x-up: 1".to_owned()),
        "{lines:?}"
    );
    assert_eq!(lines.last().map(String::as_str), Some("#2 completed."));
    let outcome = gateway.exchange(Request::get("/hello"));
    assert_eq!(
        (outcome.status(), outcome.client.text().as_str()),
        (Some(200), "Hello, World!\n")
    );
    assert_eq!(
        outcome.client.header("powered-by").as_deref(),
        Some("proxy-wasm")
    );
    assert_eq!(outcome.upstream, None);
}

#[test]
fn http_body_waits_for_the_whole_answer_and_replaces_it() {
    let secret = Reply::status(200)
        .header("content-length", "15")
        .body("this is a se")
        .body("cret!");
    let mut redacting = gateway(filter("http_body"), &[], secret);
    let answer = redacting.exchange(Request::get("/")).client;
    assert_eq!(
        answer.text(),
        "Original message body (17 bytes) redacted.\n"
    );
    assert_eq!(answer.header("content-length"), None);
    let mut passing = gateway(filter("http_body"), &[], Reply::status(200).body("hello"));
    assert_eq!(passing.exchange(Request::get("/")).client.text(), "hello");
}

#[test]
fn http_auth_random_asks_and_obeys() {
    let answers = [ok(&[2]), ok(&[3]), Answer::Hang];
    let mut gateway = gateway(filter("http_auth_random"), &answers, Reply::status(200));
    let granted = gateway.exchange(Request::post("/").chunk("body"));
    assert_eq!(granted.status(), Some(200));
    assert_eq!(
        granted.client.header("powered-by").as_deref(),
        Some("proxy-wasm")
    );
    assert_eq!(
        granted.upstream.map(|upstream| upstream.body),
        Some(b"body".to_vec())
    );
    let forbidden = gateway.exchange(Request::get("/"));
    assert_eq!((forbidden.status(), forbidden.upstream), (Some(403), None));
    let timed_out = gateway.exchange(Request::get("/"));
    // "upstream request timeout" begins with an odd byte.
    assert_eq!(
        (timed_out.status(), timed_out.client.head_after),
        (Some(403), Duration::from_secs(1))
    );
    let paths: Vec<_> = gateway
        .callouts()
        .iter()
        .filter_map(|call| call.headers.text(":path"))
        .collect();
    assert_eq!(paths, ["/bytes/1"; 3]);
}

#[test]
fn http_parallel_call_joins_answers_in_the_order_of_its_calls() {
    let slow = Answer::Reply(
        Reply::status(200)
            .body("Hello, ")
            .after(Duration::from_millis(50)),
    );
    let mut gateway = gateway(
        filter("http_parallel_call"),
        &[slow, ok(b"World!")],
        Reply::status(200),
    );
    let outcome = gateway.exchange(Request::get("/"));
    assert_eq!(outcome.client.text(), "Hello, World!");
    assert_eq!(outcome.client.head_after, Duration::from_millis(50));
}

#[test]
fn metadata_of_the_route_is_read_as_a_property() {
    let metadata = serde_json::json!({"example": {"greeting": "hi"}});
    let route = Route {
        path: PathMatch::Exact("/greet".to_owned()),
        metadata: metadata.as_object().cloned().unwrap_or_default(),
        ..Route::to("upstream")
    };
    let host = VirtualHost {
        domains: vec!["*".to_owned()],
        routes: vec![route, Route::to("upstream")],
        ..VirtualHost::default()
    };
    let mut gateway = Gateway::builder()
        .virtual_host(host)
        .filter(filter("metadata"))
        .build()
        .expect("it starts");
    assert_eq!(
        gateway.exchange(Request::get("/greet")).client.text(),
        "Metadata: \"hi\"\n"
    );
    assert!(gateway.exchange(Request::get("/other")).upstream.is_some());
}

#[test]
fn a_grpc_service_that_is_not_there_is_an_error_and_no_trap() {
    let mut gateway = gateway(filter("grpc_auth_random"), &[], Reply::status(200));
    let outcome = gateway.exchange(Request::get("/"));
    assert_eq!(
        (outcome.status(), outcome.client.text().as_str()),
        (Some(503), "The service is not there.\n")
    );
    assert_eq!(gateway.timeline().traps().count(), 0);
}

#[test]
fn a_queue_tells_its_root_context_of_entries() {
    let mut gateway = gateway(filter("queue"), &[], Reply::status(200));
    gateway.exchange(Request::get("/one"));
    gateway.exchange(Request::get("/two"));
    gateway.run_until_idle();
    assert_eq!(logs(&gateway), ["queued: /one", "queued: /two"]);
}

#[test]
fn a_panic_of_the_sdk_is_a_trap_and_the_next_request_has_a_new_vm() {
    let mut gateway = gateway(filter("http_auth_random"), &[], Reply::status(200));
    // Without the cluster the filter's own `unwrap` panics.
    assert_eq!(gateway.exchange(Request::get("/")).status(), Some(503));
    let timeline = gateway.timeline();
    assert!(
        timeline
            .traps()
            .next()
            .is_some_and(|(filter, _)| filter == "http_auth_random")
    );
    assert!(
        timeline
            .logs()
            .any(|line| line.text.contains("panicked at")),
        "the message of the panic is logged"
    );
}
