//! The modelgate CLI's library: scenarios, the engines that run them, and a proxy-wasm host.

pub mod adapt;
pub mod artifacts;
pub mod bench;
pub mod check;
pub mod child;
#[cfg(feature = "demo")]
pub mod demo;
pub mod engine;
pub mod envoy_config;
pub mod envoy_own;
pub mod envoy_release;
#[cfg(feature = "wasmtime")]
pub mod fuzz;
pub mod generate;
#[cfg(feature = "wasmtime")]
pub mod host;
pub mod inspect;
pub mod live;
pub mod proxy;
pub mod scenario;
pub mod suite;
pub mod yaml;
