//! What fuzzing finds: guests with the faults that filters are known for, each written by hand.

use modelgate_cli::SUITE;
use std::path::Path;

use super::{Finding, Options, Promise, Report, World, fuzz, fuzz_on};
use modelgate_scenario::file::ScenarioFile;
use proxy_wasm_simulator::{Outcome, profile};

/// A guest that reads the header `x-key` (into 16 and 20, its status on the stack) and then does
/// this with the status in `$status`.
fn guest_text(then: &str) -> String {
    format!(
        r#"(module
            (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_send_local_response" (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
            (memory (export "memory") 4)
            (data (i32.const 0) "x-key")
            (global $free (mut i32) (i32.const 4096))
            (func (export "proxy_abi_version_0_2_1"))
            ;; Always the same place: each value is read before the next.
            (func (export "malloc") (param i32) (result i32) (i32.const 4096))
            (func $deny (result i32)
                (drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))
                (i32.const 1))
            (func (export "proxy_on_context_create") (param i32 i32))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $status i32)
                (local.set $status (call $get (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 20)))
                {then})
        )"#
    )
}

/// Without a key: 1 is the status of what is not there. Any other is a failure of the host, which
/// `otherwise` deals with.
fn gate(otherwise: &str) -> Vec<u8> {
    wat::parse_str(gate_text(otherwise)).unwrap()
}

fn gate_text(otherwise: &str) -> String {
    guest_text(&format!(
        "(if (result i32) (i32.eq (local.get $status) (i32.const 1))
            (then (call $deny))
            (else (if (result i32) (i32.eqz (local.get $status))
                (then (call $deny))
                (else {otherwise}))))"
    ))
}

fn world(promise: Promise) -> World {
    let text = "about: a gate\nchain: [ { gate: {}, wasm: gate.wasm } ]\nrequest: { headers: { x-key: wrong } }\nexpect: { client: { status: 403 } }";
    let file = ScenarioFile::parse(&SUITE, Path::new("gate.yaml"), text).unwrap();
    World {
        name: "gate".to_owned(),
        scenario: file.resolve(1_800_000_000).unwrap(),
        promise,
    }
}

fn run(wasm: &[u8], promise: Promise, seed: u64) -> Result<Report, Box<Finding>> {
    let options = Options {
        seed,
        callbacks: 3_000,
    };
    fuzz(wasm, "gate", &[world(promise)], options).unwrap()
}

#[test]
fn a_gate_that_stays_shut_is_not_reported() {
    let report = run(&gate("(call $deny)"), Promise::NothingPasses, 1).unwrap();
    assert!(report.callbacks >= 3_000 && report.requests > 0);
    assert_eq!(report.passed, 0);
    assert!(report.strays > 0 && report.refused_calls > 0 && report.spoiled_calls > 0);
}

#[test]
fn a_trap_on_an_unexpected_status_is_found() {
    // As wrappers do that unwrap what the host answers.
    let finding = run(&gate("(unreachable)"), Promise::Nothing, 1).unwrap_err();
    assert!(finding.what.contains("unreachable"), "{finding}");
    let last = finding.callbacks.last().unwrap();
    assert!(
        last.contains("proxy_on_request_headers") && last.contains("unreachable"),
        "{finding}"
    );
    assert!(finding.to_string().contains("seed 1"), "{finding}");
}

#[test]
fn a_gate_that_opens_when_the_host_fails_is_found() {
    let finding = run(&gate("(i32.const 0)"), Promise::NothingPasses, 1).unwrap_err();
    assert!(finding.what.contains("passes without proof"), "{finding}");
}

#[test]
fn a_request_that_is_let_go_on_later_is_found() {
    let resumes = gate("(drop (call $continue (i32.const 0))) (i32.const 1)");
    let finding = run(&resumes, Promise::NothingPasses, 1).unwrap_err();
    assert!(finding.what.contains("let go on"), "{finding}");
}

#[test]
fn a_guest_that_does_not_end_is_found() {
    let finding = run(&gate("(loop (br 0)) (unreachable)"), Promise::Nothing, 1).unwrap_err();
    assert!(finding.what.contains("fuel"), "{finding}");
}

#[test]
fn what_clients_and_upstreams_see_is_judged_where_the_proxy_is_honest() {
    let passed = |outcome: &Outcome| outcome.upstream.as_ref().map(|_| "it passed".to_owned());
    let finding = run(&gate("(i32.const 0)"), Promise::Outcome(passed), 1).unwrap_err();
    assert!(finding.what.starts_with("it passed"), "{finding}");
    // What nonsense makes it do is no fault.
    assert!(run(&gate("(call $deny)"), Promise::Outcome(passed), 1).is_ok());
}

#[test]
fn the_same_seed_finds_the_same() {
    let find = |seed| run(&gate("(unreachable)"), Promise::Nothing, seed).unwrap_err();
    let (first, second) = (find(5), find(5));
    assert_eq!(
        (first.round, &first.callbacks),
        (second.round, &second.callbacks)
    );
}

/// Callbacks that nginx calls unasked, each letting everything pass.
const EVERY_CALLBACK: &str = r#"
    (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
    (func (export "proxy_on_log") (param i32))
    (func (export "proxy_on_delete") (param i32)))"#;

fn run_on_nginx(wasm: &[u8]) -> Result<Report, Box<Finding>> {
    let world = world(Promise::NothingPasses);
    let options = Options {
        seed: 1,
        callbacks: 3_000,
    };
    fuzz_on(profile::NGINX, wasm, "gate", &[world], options).unwrap()
}

#[test]
fn a_module_that_lacks_a_callback_is_found_on_nginx() {
    let finding = run_on_nginx(&gate("(call $deny)")).unwrap_err();
    assert!(finding.what.contains("worker crash"), "{finding}");
}

fn with_every_callback(otherwise: &str) -> Vec<u8> {
    let text = gate_text(otherwise);
    let text = format!("{}{EVERY_CALLBACK}", text.trim_end().trim_end_matches(')'));
    wat::parse_str(text).unwrap()
}

#[test]
fn a_gate_that_opens_is_found_on_nginx() {
    let finding = run_on_nginx(&with_every_callback("(i32.const 0)")).unwrap_err();
    assert!(finding.what.contains("reaches the upstream"), "{finding}");
}

#[test]
fn a_gate_with_every_callback_holds_on_nginx() {
    let report = run_on_nginx(&with_every_callback("(call $deny)")).unwrap();
    assert!(report.callbacks >= 3_000 && report.requests > 0);
    assert_eq!(report.passed, 0);
}
