//! What takes long to compile, and `modelgate` therefore does without: the embedded host on
//! wasmtime, Envoy in containers, registries, releases, the bench and the fuzzer.

pub mod bench;
pub mod container;
pub mod dependencies;
pub mod fuzz;
pub mod images;
pub mod release;

use std::sync::Arc;

use modelgate_cli::build::native;
use modelgate_cli::command::Full;
use modelgate_envoy::release::Envoy;
use modelgate_scenario::engine::{Backends, Engine, WasmFiles};
use proxy_wasm_wasmtime::WasmCode;

/// Every engine.
pub const BACKENDS: Backends = Backends {
    modules: Some(WasmCode::load),
    container: Some(container),
    native: Some(native::for_engines),
};

/// What `modelgate-full` has besides `modelgate`.
pub const FULL: Full = Full {
    backends: BACKENDS,
    bench: bench::command::run,
    push: images::run,
    pull: images::pull,
    release: release::run,
    fetch: images::inspect,
};

fn container(envoy: &Envoy, wasm: Arc<dyn WasmFiles>) -> anyhow::Result<Box<dyn Engine>> {
    Ok(Box::new(container::EnvoyContainer::new(envoy, wasm)?))
}
