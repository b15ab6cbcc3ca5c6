//! What the test binaries share.

pub mod oracles;
pub mod services;
