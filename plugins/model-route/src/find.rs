//! Which model a request is for.

use modelgate_kit::config::DenyOrAllow;
use modelgate_kit::problem::{Reason, Reply};
use modelgate_kit::route::{Model as Named, Route};
use modelgate_kit::rule::{Asked, Models};

use crate::plan::{Model, Plan};
use crate::reasons::{MODEL_NOT_ROUTED, MODELS_MIXED, REQUEST_NOT_ROUTED};

/// What becomes of a request.
pub(crate) enum Found<'a> {
    /// It is for this model, which it names so.
    Model(&'a Model, &'a str),
    /// It passes as it is.
    Passes,
}

/// Whether the body names the model, or may name further ones beside the path's.
pub(crate) fn is_in_body(asked: &Asked<'_>) -> bool {
    asked.route().is_some_and(|route| {
        let in_body = matches!(
            route.model,
            Named::InBody(_) | Named::InForm(_) | Named::InBatch
        );
        in_body || route.further_in_body
    })
}

impl Plan {
    /// The model that a request is for.
    ///
    /// # Errors
    /// A refusal where there is no such model, or the request names several.
    pub(crate) fn find<'a>(&'a self, asked: &'a Asked<'_>) -> Result<Found<'a>, Reply> {
        let Some(route) = asked.route() else {
            return self.unnamed(asked, self.other_requests, &REQUEST_NOT_ROUTED);
        };
        // What a router behind us is told to turn to.
        if route.routed().is_none_or(|models| !models.is_empty()) {
            return Err(Reply::new(&MODELS_MIXED));
        }
        match asked.models() {
            Models::Named(names) => {
                let Some(name) = only(names, route) else {
                    return Err(Reply::new(&MODELS_MIXED));
                };
                match self.named(name) {
                    Some(model) => Ok(Found::Model(model, name)),
                    None => passes(self.unknown_models, &MODEL_NOT_ROUTED),
                }
            }
            Models::Unknown if is_in_body(asked) => {
                self.unnamed(asked, self.unknown_models, &MODEL_NOT_ROUTED)
            }
            Models::Unknown | Models::None => {
                self.unnamed(asked, self.other_requests, &REQUEST_NOT_ROUTED)
            }
        }
    }

    /// A request that names no model: one that is known by its path, or none.
    fn unnamed(
        &self,
        asked: &Asked<'_>,
        otherwise: DenyOrAllow,
        reason: &'static Reason,
    ) -> Result<Found<'_>, Reply> {
        match self.at(asked.path()) {
            Some(model) => Ok(Found::Model(model, &model.name)),
            None => passes(otherwise, reason),
        }
    }
}

fn passes<'a>(policy: DenyOrAllow, reason: &'static Reason) -> Result<Found<'a>, Reply> {
    match policy {
        DenyOrAllow::Allow => Ok(Found::Passes),
        DenyOrAllow::Deny => Err(Reply::new(reason)),
    }
}

/// The one model that is meant; nothing where there are several. An endpoint and what is inside it
/// are known by the endpoint.
fn only<'a>(names: &'a [String], route: &Route<'_>) -> Option<&'a str> {
    let (first, others) = names.split_first()?;
    let inner = route.inner_model.as_deref();
    let is_one = |other: &String| other == first || Some(other.as_str()) == inner;
    others.iter().all(is_one).then_some(first)
}
