//! Envoy on this machine: finding a release, processes that end with this one, and reading,
//! adapting and writing configurations.

pub mod admin;
pub mod child;
pub mod config;
pub mod log;
pub mod process;
pub mod release;
