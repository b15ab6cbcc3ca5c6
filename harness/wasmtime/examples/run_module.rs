//! Any proxy-wasm module behind the simulated proxy: one request, and everything that happened, a
//! JSON object on each line.
//!
//! `cargo run -p proxy-wasm-wasmtime --example run_module -- FILE.wasm ['{"its":
//! "configuration"}']`

use std::error::Error;

use proxy_wasm_simulator::{Answer, FilterSpec, Gateway, Reply, Request, Script};
use proxy_wasm_wasmtime::WasmCode;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("which module?")?;
    let configuration = arguments.next().unwrap_or_default();

    let code = WasmCode::load(&std::fs::read(&file)?)?;
    let mut world = Script::default();
    world.cluster(
        "upstream",
        vec![Answer::Reply(Reply::status(200).body("hello"))],
    );
    let mut gateway = Gateway::builder()
        .network(world)
        .filter(FilterSpec::new("filter", code).configuration(configuration))
        .trace(true)
        .build()?;

    gateway.exchange(Request::new("GET", "/"));
    for record in gateway.timeline().records() {
        println!("{}", serde_json::to_string(record)?);
    }
    Ok(())
}
