//! `modelgate demo`: a gateway with everything around it on this machine, a guided tour, and time to play.

pub mod client;
pub mod issuer;
pub mod loopback;
pub mod sagemaker;
pub mod sink;
