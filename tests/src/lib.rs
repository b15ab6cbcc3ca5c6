//! What the test binaries share.

pub mod envoys;
pub mod oracles;
pub mod services;
