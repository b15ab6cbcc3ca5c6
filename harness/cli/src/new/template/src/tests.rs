//! Tests of the filter, on a proxy in memory.

use modelgate_kit::testing::{FakeProxy, TestGateway};
use modelgate_kit::vm::verdict::Action;

use super::ExampleFilter;

fn gate(config: &str) -> TestGateway {
    let opened = TestGateway::open::<ExampleFilter>(FakeProxy::new(1_000), config);
    opened.expect("a configuration that is taken")
}

/// The reason of the refusal, if the request was refused.
fn refused(gate: &mut TestGateway, method: &str) -> Option<String> {
    let (exchange, action) = gate.request(&[(":method", method), (":path", "/")]);
    let reply = gate.record(exchange).reply;
    assert_eq!(reply.is_some(), action == Action::Pause);
    reply.map(|reply| reply.header("x-modelgate-reason").unwrap().to_owned())
}

#[test]
fn a_listed_method_is_refused_and_another_passes() {
    let mut gate = gate(r#"{ "deny_methods": ["DELETE"] }"#);
    let reason = refused(&mut gate, "DELETE");
    assert_eq!(reason.as_deref(), Some("method_denied"));
    assert_eq!(refused(&mut gate, "POST"), None);
    assert_eq!(refused(&mut gate, "TRACE"), None);
}

#[test]
fn without_configuration_trace_is_refused() {
    assert!(refused(&mut gate("{}"), "TRACE").is_some());
    assert!(refused(&mut gate(""), "CONNECT").is_some());
    assert_eq!(refused(&mut gate("{}"), "GET"), None);
}

#[test]
fn what_is_not_a_method_is_refused_at_load_with_its_path() {
    let proxy = FakeProxy::new(1_000);
    let opened = TestGateway::open::<ExampleFilter>(proxy, r#"{ "deny_methods": ["GET", "get"] }"#);
    let logs = opened.err().expect("a configuration that is refused");
    let named = |line: &String| line.contains("deny_methods[1]: is not a method");
    assert!(logs.iter().any(named), "{logs:?}");
}
