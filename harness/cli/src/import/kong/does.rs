//! What Kong's plugins become.

use serde_json::{Map, Value as Json};

use super::super::ledger::At;
use super::super::native::Own;
use super::limits::Limit;
use super::{ai, auth, oidc};

/// What a plugin becomes, wherever it runs.
pub enum Does<'a> {
    /// Who calls: the token filter, the key filter or Envoy's own.
    Jwt(auth::Plan),
    /// Who calls, by tokens of an issuer that is asked for its keys.
    Tokens(Box<oidc::Provider>),
    /// An API key.
    Key(auth::Plan),
    /// A password.
    Basic,
    /// Whose groups may call; where its configuration stands.
    Acl(At<'a>),
    /// How much.
    Limit(Limit),
    /// What is masked: the configuration of pii-mask.
    Mask(Map<String, Json>),
    /// Envoy's own work.
    Own(Own),
    /// A provider of models.
    Provider(ai::Provider),
    /// It protects, and cannot be taken over.
    Closes(String),
}
