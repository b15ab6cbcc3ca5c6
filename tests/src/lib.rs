//! What the test binaries share.

pub mod envoys;
pub mod gateway;
pub mod measured;
pub mod oracles;
pub mod services;
pub mod torchserve;
