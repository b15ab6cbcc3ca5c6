//! Conditions that rules of several filters have in common: who asks ([`Who`]) and what is asked
//! ([`What`]).
//!
//! Both are written as members of a rule, compiled once, and say of a request whether they fit.
//! Every condition that is written must hold; one that is not written always does. What cannot be
//! known (a model whose name we could not read) is neither a fit nor a misfit: the caller says how
//! it counts, because an allowing rule must not fit on a guess, and a denying one must.

mod asked;
pub mod by_caller;
mod kind;
mod spelling;
mod told;
mod what;
mod who;

pub use asked::{Asked, DefaultModel, ModelBody, ModelBodyMode, Models};
pub use told::Failed;
pub use what::{Doubt, What, WrittenWhat};
pub use who::{Caller, Presence, Who, WrittenClaim, WrittenGroups, WrittenWho};
