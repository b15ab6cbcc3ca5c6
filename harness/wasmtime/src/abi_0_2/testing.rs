//! Host calls as a module makes them: what tests beside each group of calls are made of.

use proxy_wasm_simulator::{FilterSpec, Gateway, Headers, Request};

use crate::WasmCode;

/// When calls are made.
#[derive(Clone, Copy, Debug)]
pub enum Phase {
    /// While the instance is initialised, outside of any callback.
    Start,
    /// Headers of a POST to `/some/path`.
    RequestHeaders,
    /// Its body, `abc`.
    RequestBody,
    /// The end of the exchange.
    Log,
}

/// The text `:path`, at this address with this size, as all of these.
pub const PATH: [i64; 2] = [0, 5];
pub const KEY: [i64; 2] = [16, 3];
pub const CLUSTER: [i64; 2] = [32, 8];
pub const PROPERTY: [i64; 2] = [48, 12];
pub const FUNCTION: [i64; 2] = [64, 17];
pub const NOTHING: [i64; 2] = [0, 0];
/// Headers of a request that a callout may send, as header map pairs.
pub const PAIRS: [i64; 2] = [256, 65];
/// Where results are written: a pointer and a size, or a number.
pub const OUT: [i64; 2] = [1024, 1028];
/// An address that is not in the memory.
pub const OUTSIDE: i64 = -4;

/// Statuses that tests expect.
pub const OK: u32 = 0;
pub const NOT_FOUND: u32 = 1;
pub const BAD_ARGUMENT: u32 = 2;
pub const INVALID_MEMORY_ACCESS: u32 = 6;
pub const INTERNAL_FAILURE: u32 = 10;

/// The status of one call.
pub fn status(phase: Phase, function: &str, arguments: &[&[i64]]) -> u32 {
    let statuses = statuses(phase, &[(function, arguments)]);
    *statuses.first().unwrap()
}

/// The statuses of calls, made in this order in one callback.
pub fn statuses(phase: Phase, calls: &[(&str, &[&[i64]])]) -> Vec<u32> {
    const DIGIT_AT: u32 = 2048;
    let (mut imports, mut body) = (String::new(), String::new());
    for (index, (function, arguments)) in calls.iter().enumerate() {
        let arguments = arguments.concat();
        let wide = matches!(
            *function,
            "proxy_increment_metric" | "proxy_record_metric" | "clock_time_get" | "fd_seek"
        );
        let kind = |place: usize| if wide && place == 1 { "i64" } else { "i32" };
        let params: Vec<&str> = (0..arguments.len()).map(kind).collect();
        let values: Vec<String> = (arguments.iter().enumerate())
            .map(|(place, value)| format!("({}.const {value})", kind(place)))
            .collect();
        let module = if function.starts_with("proxy_") {
            "env"
        } else {
            "wasi_snapshot_preview1"
        };
        imports.push_str(&format!(
            r#"(import "{module}" "{function}" (func $f{index} (param {}) (result i32)))"#,
            params.join(" ")
        ));
        body.push_str(&format!(
            "(i32.store8 (i32.const {DIGIT_AT}) (i32.add (i32.const 48) (call $f{index} {})))
            (drop (call $log (i32.const 2) (i32.const {DIGIT_AT}) (i32.const 1)))",
            values.join(" ")
        ));
    }
    let callback = match phase {
        Phase::Start => format!(r#"(func (export "_initialize") {body})"#),
        Phase::RequestHeaders => callback("proxy_on_request_headers", &body),
        Phase::RequestBody => callback("proxy_on_request_body", &body),
        Phase::Log => format!(r#"(func (export "proxy_on_log") (param i32) {body})"#),
    };
    let pairs = [(":method", "GET"), (":path", "/"), (":authority", "there")];
    let pairs: Headers = pairs
        .map(|(name, value)| (name, value.as_bytes()))
        .into_iter()
        .collect();
    let pairs = pairs.to_wire();
    assert_eq!(i64::try_from(pairs.len()), Ok(PAIRS[1]));
    let pairs: String = pairs.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let text = format!(
        r#"(module
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            {imports}
            (memory (export "memory") 1)
            (data (i32.const 0) ":path") (data (i32.const 16) "key") (data (i32.const 32) "upstream")
            (data (i32.const 48) "request\00path") (data (i32.const 64) "clear_route_cache")
            (data (i32.const 256) "{pairs}")
            (global $free (mut i32) (i32.const 4096))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32)
                (global.get $free)
                (global.set $free (i32.add (global.get $free) (local.get 0))))
            {callback})"#
    );
    let code = WasmCode::load(&wat::parse_str(text).unwrap()).unwrap();
    let mut gateway = Gateway::builder()
        .filter(FilterSpec::new("calls", code))
        .build()
        .unwrap();
    let outcome = gateway.exchange(Request::post("/some/path").chunk("abc"));
    let timeline = gateway.take_timeline();
    assert_eq!(timeline.traps().count(), 0, "{outcome:?}");
    let digits = timeline.logs().flat_map(|line| line.text.bytes());
    let statuses: Vec<u32> = digits
        .map(|digit| u32::from(digit - b'0'))
        .take(calls.len())
        .collect();
    assert_eq!(statuses.len(), calls.len(), "{phase:?} did not come");
    statuses
}

fn callback(name: &str, body: &str) -> String {
    format!(r#"(func (export "{name}") (param i32 i32 i32) (result i32) {body} (i32.const 0))"#)
}
