//! What a verified identity says of itself, and rules over it: where in the claims a value is, and
//! what must hold of it.
//!
//! Used where claims are verified (`jose`) and where they are decided on (access rules, limits). It
//! trusts its input: whether a claim may be believed is decided before.

mod elsewhere;
mod path;
mod reading;
mod rule;

pub use elsewhere::{ANY, Elsewhere};
pub use path::{ClaimPath, Finding, PathFault};
pub use reading::{Other, Reading, Readings, Word, Words, words};
pub use rule::{ClaimRule, Scopes, Split, Test, Wanted};
