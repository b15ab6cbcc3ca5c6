//! What a verified identity says of itself, and rules over it: where in the claims a value is, and what must hold of it.
//!
//! Used where claims are verified (`jose`) and where they are decided on (access rules, limits). It trusts its input: whether a
//! claim may be believed is decided before.

mod path;
mod rule;

pub use path::{ClaimPath, PathFault};
pub use rule::{ClaimRule, Split, Test, Word, scopes, words};
