//! Envoy configurations: reading one to run it ([`read`]), fitting one to this machine ([`adapt`]),
//! writing one ([`mod@write`]), and what one says of Envoy's own filters ([`own`]).

pub mod adapt;
pub mod own;
pub mod read;
pub mod write;
