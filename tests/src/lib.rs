//! What the test binaries share.

pub mod envoys;
pub mod gateways;
pub mod oracles;
pub mod services;
