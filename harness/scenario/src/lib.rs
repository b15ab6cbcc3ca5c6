//! Scenario files (`file`), the engines that run them and what was seen there (`engine`), and the
//! filters that these know (`catalogue`).

pub mod catalogue;
pub mod engine;
pub mod envoy_config;
pub mod file;
