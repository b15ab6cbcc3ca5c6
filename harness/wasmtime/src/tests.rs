//! The host at its edges, with modules written by hand: bad pointers, traps, limits, wrong ABIs.

use std::rc::Rc;

use proxy_wasm_simulator::{FilterSpec, Gateway, GuestCode, Request, Timeline, profile};

use super::{Limits, WasmCode};

/// A module with an allocator, the given imports and functions, and `body` as its request-headers
/// callback (context 0, returns the action).
fn module(imports: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            {imports}
            (memory (export "memory") 1)
            (global $free (mut i32) (i32.const 4096))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32)
                (global.get $free)
                (global.set $free (i32.add (global.get $free) (local.get 0))))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {body})
        )"#
    );
    wat::parse_str(text).unwrap()
}

fn run(code: Rc<dyn GuestCode>) -> (u16, Timeline) {
    let mut gateway = Gateway::builder()
        .trace(true)
        .filter(FilterSpec::new("wat", code))
        .build()
        .unwrap();
    let status = gateway
        .exchange(Request::get("/some/path"))
        .status()
        .unwrap();
    (status, gateway.take_timeline())
}

/// The trap of a callback, if any, with the status that the client saw.
fn trap(code: Rc<dyn GuestCode>) -> (u16, String) {
    let (status, timeline) = run(code);
    let trap = timeline
        .traps()
        .next()
        .map(|(_, message)| message.to_owned());
    (status, trap.unwrap_or_default())
}

#[test]
fn pointers_outside_the_memory_are_a_status_and_never_more() {
    const GET: &str = r#"(import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))"#;
    // The name, then where the pointer and the size are to be written: each in turn outside.
    for arguments in ["-1 5 16 20", "65530 100 16 20", "0 5 -4 20", "0 5 16 65534"] {
        let arguments: Vec<String> = arguments
            .split(' ')
            .map(|number| format!("(i32.const {number})"))
            .collect();
        let arguments = arguments.join(" ");
        let body = format!(
            r#"(i32.store8 (i32.const 0) (i32.const 58)) (i32.store (i32.const 1) (i32.const 0x68746170))
            (if (i32.ne (call $get (i32.const 0) {arguments}) (i32.const 6)) (then (unreachable)))
            (i32.const 0)"#
        );
        assert_eq!(
            trap(WasmCode::load(&module(GET, &body)).unwrap()),
            (200, String::new()),
            "{arguments}"
        );
    }
}

#[test]
fn a_value_is_handed_over_in_the_guests_own_memory() {
    const CALLS: &str = r#"
        (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))"#;
    let body = r#"(i32.store8 (i32.const 0) (i32.const 58)) (i32.store (i32.const 1) (i32.const 0x68746170))
        (drop (call $get (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 16) (i32.const 20)))
        (drop (call $log (i32.const 2) (i32.load (i32.const 16)) (i32.load (i32.const 20))))
        (i32.const 0)"#;
    let (status, timeline) = run(WasmCode::load(&module(CALLS, body)).unwrap());
    assert_eq!(status, 200);
    assert_eq!(
        timeline
            .logs()
            .map(|line| line.text.as_str())
            .collect::<Vec<_>>(),
        ["/some/path"]
    );
}

#[test]
fn numbers_outside_the_abi_are_bad_arguments() {
    const CALLS: &str = r#"
        (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
        (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
        (import "env" "proxy_define_metric" (func $metric (param i32 i32 i32 i32) (result i32)))"#;
    let body = r#"
        (if (i32.ne (call $pairs (i32.const 8) (i32.const 0) (i32.const 4)) (i32.const 2)) (then (unreachable)))
        (if (i32.ne (call $buffer (i32.const 9) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 4)) (i32.const 2)) (then (unreachable)))
        (if (i32.ne (call $buffer (i32.const 7) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 4)) (i32.const 1)) (then (unreachable)))
        (if (i32.ne (call $continue (i32.const 4)) (i32.const 2)) (then (unreachable)))
        (if (i32.ne (call $metric (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4)) (i32.const 2)) (then (unreachable)))
        (i32.const 0)"#;
    assert_eq!(
        trap(WasmCode::load(&module(CALLS, body)).unwrap()),
        (200, String::new())
    );
}

#[test]
fn a_guest_that_does_not_end_runs_out_of_instructions() {
    let endless = module("", "(loop (br 0)) (i32.const 0)");
    let limits = Limits {
        fuel: 100_000,
        ..Limits::default()
    };
    let (status, trap) = trap(WasmCode::load_with(&endless, limits).unwrap());
    assert_eq!(status, 503);
    assert!(trap.contains("fuel"), "{trap}");
}

#[test]
fn a_guest_cannot_grow_beyond_its_memory() {
    let growing = module(
        "",
        "(if (i32.ne (memory.grow (i32.const 100)) (i32.const -1)) (then (unreachable))) (i32.const 0)",
    );
    let limits = Limits {
        memory_bytes: 10 * 65536,
        ..Limits::default()
    };
    assert_eq!(
        trap(WasmCode::load_with(&growing, limits).unwrap()),
        (200, String::new())
    );
}

#[test]
fn a_guest_whose_allocator_gives_nothing_is_told_so() {
    let text = r#"(module
        (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_0"))
        (func (export "malloc") (param i32) (result i32) (i32.const 0))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (if (i32.ne (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)) (i32.const 6)) (then (unreachable)))
            (i32.const 0)))"#;
    assert_eq!(
        trap(WasmCode::load(&wat::parse_str(text).unwrap()).unwrap()),
        (200, String::new())
    );
}

#[test]
fn modules_that_cannot_run_here_say_why() {
    let refused = |text: &str| {
        WasmCode::load(&wat::parse_str(text).unwrap())
            .err()
            .unwrap_or_default()
    };
    assert!(WasmCode::load(b"no module").is_err_and(|error| error.contains("not a module")));
    assert!(
        refused(r#"(module (func (export "proxy_abi_version_0_1_0")))"#)
            .contains("[proxy_abi_version_0_1_0]")
    );
    assert!(refused(r#"(module (func (export "proxy_abi_version_0_2_1")))"#).contains("memory"));
    let unknown = r#"(module (import "env" "proxy_redis_call" (func)) (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1")) (func (export "malloc") (param i32) (result i32) (i32.const 8)))"#;
    assert!(refused(unknown).contains("proxy_redis_call"));
}

#[test]
fn what_a_guest_prints_is_logged_and_its_environment_is_its_own() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 1024))
        (func (export "_initialize")
            (drop (call $sizes (i32.const 0) (i32.const 4)))
            (drop (call $environ (i32.const 16) (i32.const 64)))
            (i32.store (i32.const 32) (i32.const 64))
            (i32.store (i32.const 36) (i32.load (i32.const 4)))
            (drop (call $write (i32.const 2) (i32.const 32) (i32.const 1) (i32.const 8)))))"#;
    let code = WasmCode::load(&wat::parse_str(text).unwrap()).unwrap();
    let gateway = Gateway::builder()
        .filter(FilterSpec::new("prints", code).env("KEY", "v1"))
        .build()
        .unwrap();
    let lines: Vec<_> = gateway.timeline().logs().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        vec!["Error prints: KEY=v1\0"; 3],
        "template, main thread and worker"
    );
}

#[test]
fn the_same_callback_takes_the_same_number_of_instructions() {
    let code = || WasmCode::load(&module("", "(i32.const 0)")).unwrap();
    let fuel = |timeline: Timeline| {
        let used = timeline.events().filter_map(|event| match event {
            proxy_wasm_simulator::Event::Callback {
                callback: "proxy_on_request_headers",
                fuel,
                ..
            } => *fuel,
            _ => None,
        });
        used.collect::<Vec<_>>()
    };
    let (first, second) = (fuel(run(code()).1), fuel(run(code()).1));
    assert_eq!(first, second);
    assert!(first.iter().all(|fuel| *fuel > 0) && first.len() == 1);
}

/// A gateway that plays nginx, with a module.
fn on_nginx(wasm: &[u8]) -> Result<Gateway, String> {
    let code = WasmCode::load(wasm).unwrap();
    let builder = Gateway::builder().profile(profile::NGINX);
    let built = builder.filter(FilterSpec::new("wat", code)).build();
    built.map_err(|refused| refused.problem)
}

#[test]
fn on_nginx_an_export_that_is_missing_ends_the_worker() {
    let mut gateway = on_nginx(&module("", "(i32.const 0)")).unwrap();
    let outcome = gateway.exchange(Request::get("/"));
    assert!(outcome.client.reset, "{outcome:?}");
    let timeline = gateway.timeline();
    let trap = timeline.traps().next().unwrap().1.to_owned();
    assert!(
        trap.contains("worker crash in proxy_on_response_headers"),
        "{trap}"
    );
}

#[test]
fn on_nginx_a_module_that_asks_for_the_log_level_is_not_loaded() {
    const GET: &str =
        r#"(import "env" "proxy_get_log_level" (func $get (param i32) (result i32)))"#;
    let problem = on_nginx(&module(GET, "(i32.const 0)")).err().unwrap();
    assert!(problem.contains("proxy_get_log_level"), "{problem}");
}

#[test]
fn on_nginx_calls_that_it_does_not_have_are_traps() {
    for (call, import) in [
        ("(call $call)", "proxy_done\" (func $call (result i32)))"),
        (
            "(call $call (i32.const 1))",
            "proxy_grpc_cancel\" (func $call (param i32) (result i32)))",
        ),
        (
            "(call $call)",
            "proxy_clear_route_cache\" (func $call (result i32)))",
        ),
    ] {
        let import = format!("(import \"env\" \"{import}");
        let mut gateway = on_nginx(&module(&import, call)).unwrap();
        let outcome = gateway.exchange(Request::get("/"));
        let timeline = gateway.timeline();
        let trap = timeline.traps().next().unwrap().1.to_owned();
        assert!(trap.starts_with("host trap"), "{import}: {trap}");
        assert!(outcome.upstream.is_none());
    }
}
