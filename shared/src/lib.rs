//! The kit every modelgate filter is written with; it depends on no host.

#[cfg(feature = "jose")]
pub mod jose;
pub mod json;
pub mod bucket;
pub mod route;
pub mod sse;
