//! Lets a request pass only with a token that a trusted issuer has signed for us, and tells
//! everybody after it who calls.
//!
//! The token is taken from exactly one place, verified ([`accept`]), removed; the caller becomes
//! the identity fact and, where asked for, headers that no client can set. Keys are given, or
//! fetched in the background and shared between workers ([`keys`]).
//!
//! It cannot revoke: a signed token is good until it expires, or until its key is gone. It does not
//! look at opaque tokens (introspection), nor at proof of possession (DPoP, mTLS).

pub mod accept;
mod accepted;
pub mod caller;
pub mod challenge;
pub mod config;
pub mod keys;
pub mod plan;
pub mod reasons;
#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use modelgate_kit::config::{DenyOrAllow, Problems, Setup, StripOrKeep};
use modelgate_kit::credential::{Found, Place, find};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::explain;
use modelgate_kit::filter::{Filter, Needs};
use modelgate_kit::headers::Reserved;
use modelgate_kit::jose::Refusal;
use modelgate_kit::problem::{Reason, Reply};
use modelgate_kit::root::Root;

use config::Config;
use plan::Plan;

/// The filter.
pub struct JwtAuth;

impl Filter for JwtAuth {
    const NAME: &'static str = "jwt_auth";
    const NEEDS: Needs = Needs {
        // For keys that are being fetched.
        holds: true,
        callouts: true,
        reserves: true,
        tick_ms: 500,
        // Before everything that depends on who calls.
        order: 20,
        ..Needs::NONE
    };
    const REASONS: &'static [&'static Reason] = reasons::ALL;
    const FORMER: &'static [(&'static str, &'static str)] = &[
        ("token_from", "credential_from"),
        ("token_to_upstream", "credential_to_upstream"),
        ("claims_to_headers", "identity_headers"),
    ];
    type Config = Config;
    type Plan = Plan;

    fn compile(config: Config, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        Plan::compile(config, setup, problems)
    }

    fn reserved(plan: &Plan) -> Reserved {
        let places = plan.places.iter().filter_map(Place::header);
        Reserved::names(plan.identity_headers.names().chain(places))
    }

    async fn handle(plan: Rc<Plan>, exchange: Exchange) -> Result<(), Reply> {
        let request = exchange.request().headers()?;
        let refused = |refusal: Refusal| plan.challenge.reply(refusal.into(), &[]);
        let found = find(&request, &plan.places);
        explain::tell(|notes| notes.push(found.note("token", &plan.places)));
        let token = match found {
            Found::One(token) if !token.is_empty() => token,
            Found::Several => return Err(refused(Refusal::Repeated)),
            Found::Mixed => return Err(refused(Refusal::Mixed)),
            Found::Malformed => return Err(refused(Refusal::Malformed)),
            // An empty cookie is no token: applications leave such behind.
            Found::None | Found::One(_) if plan.on_missing == DenyOrAllow::Deny => {
                return Err(refused(Refusal::Missing));
            }
            Found::None | Found::One(_) => {
                exchange.offer(&plan.offer);
                return plan.identity_headers.clean(&exchange, &request);
            }
        };
        let accepted = plan.accept(&exchange, &token).await?;
        if plan.credential_to_upstream == StripOrKeep::Strip {
            exchange.take_out_credential(&request, &plan.places, &token)?;
        }
        plan.identity_headers.clean(&exchange, &request)?;
        plan.identity_headers.set(&exchange, &accepted.headers)?;
        exchange.publish_serialized(&accepted.identity)?;
        Ok(())
    }

    async fn background(plan: Rc<Plan>, root: Root) {
        let mut tasks: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
        for fetched in plan.fetched() {
            tasks.push(Box::pin(Rc::clone(fetched).keep_fresh(root.clone())));
        }
        poll_fn(|context| {
            tasks.retain_mut(|task| task.as_mut().poll(context).is_pending());
            if tasks.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

#[cfg(feature = "module")]
modelgate_kit::export!(JwtAuth: request_body, answers, tick);
