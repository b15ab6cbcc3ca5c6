//! Envoy on this machine: finding a release, processes that end with this one, and reading and
//! adapting configurations.

pub mod adapt;
pub mod admin;
pub mod bootstrap;
pub mod child;
pub mod log;
pub mod own;
pub mod process;
pub mod release;
