//! The modelgate CLI's library: scenarios, the engines that run them, and a proxy-wasm host.

pub mod artifacts;
