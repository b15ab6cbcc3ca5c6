//! The one place that knows proxy-wasm: raw host calls, the callbacks that a module exports, and
//! the module's memory.

#[cfg(target_arch = "wasm32")]
pub mod abi;
#[cfg(target_arch = "wasm32")]
pub mod adapter;
pub(crate) mod pool;
