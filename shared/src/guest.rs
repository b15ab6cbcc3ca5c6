//! The one place that knows proxy-wasm: raw host calls, and the callbacks that a module exports.

pub mod abi;
pub mod adapter;
