//! Scenario files (`file`), the engines that run them and what was seen there (`engine`), and the
//! suite's filters as these know them (`suite`).

pub mod engine;
pub mod envoy_config;
pub mod file;
pub mod suite;
