//! The kit every modelgate filter is written with; it depends on no host.
//!
//! A filter is one asynchronous function over an [`exchange::Exchange`] (see [`filter::Filter`]);
//! [`vm::Vm`] runs it, behind the small trait [`host::Host`] that the wasm guest and the native
//! engine implement.

// What only chains use is left out by the linker where a module holds one filter.
#![cfg_attr(not(feature = "chain"), allow(dead_code))]

pub mod authority;
pub mod body;
pub mod bucket;
pub mod cache;
pub mod call;
pub mod claim;
pub mod config;
pub mod credential;
#[cfg(all(feature = "dynamic", unix))]
pub mod dynamic;
pub mod exchange;
pub mod explain;
mod export;
pub mod facts;
pub mod filter;
pub mod flat_map;
pub mod glob;
#[cfg(any(target_arch = "wasm32", test, all(feature = "dynamic", unix)))]
pub mod guest;
pub mod headers;
pub mod host;
pub mod hosts;
pub mod http_url;
pub mod identity_headers;
#[cfg(feature = "jose")]
pub mod jose;
pub mod json;
pub mod lanes;
pub mod manifest;
pub mod message;
pub mod metrics;
pub mod names;
pub mod problem;
pub mod profile;
pub mod pseudonym;
pub mod query;
pub mod refresh;
pub mod root;
pub mod route;
pub(crate) mod route_metadata;
pub mod rule;
pub mod shared_data;
pub mod signal;
pub mod sorting;
pub mod sse;
pub mod structured_field;
pub mod suite;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod timestamp;
pub mod upgrade;
pub mod vm;
