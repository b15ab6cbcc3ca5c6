//! What is known of a caller whose token was found good.

use modelgate_kit::facts::{Identity, Serialized};
use modelgate_kit::jose::Claims;

/// A caller whose token was found good.
pub struct Accepted {
    /// Which issuer, by its place in the plan.
    pub issuer: usize,
    /// Generation of the keys that the token was verified with.
    pub generation: u64,
    pub claims: Claims,
    pub kid: Option<String>,
    /// For policies, limits and the audit log.
    pub identity: Serialized<Identity>,
    /// One value per header of the plan.
    pub headers: Vec<Option<String>>,
}
