//! A proxy-wasm host on wasmtime: runs any module of ABI 0.2.0 or 0.2.1, from any SDK, behind the
//! simulated proxy.
//!
//! Compiled modules are kept for the life of the process and, function by function, in a folder, so
//! that repeated runs start fast. Every callback has a budget of instructions, every instance a
//! memory limit; a guest that exceeds them, or traps, is lost. What modules import and this host
//! does not have makes them fail to load, never to run half.

#![deny(rustdoc::all)]

pub mod abi_0_2;
mod engine;
mod faults;
mod limits;

pub use engine::WasmCode;
pub use faults::{Faults, Rates, Tally};
pub use limits::Limits;

#[cfg(test)]
mod tests;
