//! What the host's rules are: the switches of a profile, and small functions that say what Envoy
//! makes of headers, paths, routes, attributes and signatures. None of them changes an exchange.

pub(crate) mod attribute;
pub(crate) mod condition;
pub(crate) mod framing;
pub(crate) mod headers;
pub(crate) mod mutation;
pub mod path;
pub mod profile;
pub(crate) mod route;
pub(crate) mod signature;
pub(crate) mod uri;
pub(crate) mod variable;
