//! The headers by which model-route leads requests to routes: the option that names each, and what
//! it is called where nothing else is written (`plugins/model-route/src/config.rs`).

/// Of the backend that answers.
pub(crate) const BACKEND: (&str, &str) = ("backend_header", "x-modelgate-backend");
/// Of the backend that gets a copy.
pub(crate) const SHADOW: (&str, &str) = ("shadow_header", "x-modelgate-shadow");
