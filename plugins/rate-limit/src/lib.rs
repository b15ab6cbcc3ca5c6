//! How much a caller may ask for: several windows at once, counted without races in memory that all workers share.

pub mod headers;
