//! Masks personal data and credentials in what goes to a model and in what comes back.
//!
//! A request is held until its body is whole (bounded), every text in it is scanned, and what was
//! found is masked, redacted, hashed, or the reason to refuse it. An answer that is one document is
//! treated the same way; one that streams (server-sent events, JSON lines, text) is masked as it
//! passes, with no more held than what may still become a finding. What cannot be read (compressed,
//! broken, too long, of another type) is refused unless the configuration says otherwise. How many
//! were found of what is in the fact `masked` and in counters; what was found is nowhere.
//!
//! It finds what has a form of its own (see [`detect`]), and names and addresses as far as lists
//! and context tell: nothing in images or audio.

pub mod allowed;
pub mod amazon;
pub mod answer;
mod calls;
pub mod coding;
pub mod config;
mod custom;
pub mod detect;
pub mod document;
pub mod events;
pub mod grpc;
mod head;
pub mod mask;
pub mod media;
mod message;
pub mod multipart;
pub mod plan;
pub mod protobuf;
pub mod reading;
pub mod reasons;
pub mod restore;
mod shadow;
mod sides;
pub mod stream;
pub mod tensors;
pub mod unread;

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;

use modelgate_kit::config::{DenyOrAllow, Problems, Setup};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::facts::{Fact as _, Masked};
use modelgate_kit::filter::{Filter, Needs};
use modelgate_kit::problem::{Reason, Reply};

use config::{Config, Grpc};
use head::mask_head;
use message::{REQUEST, announces_body};
use plan::Plan;
use protobuf::services;
use sides::{mask_answer, mask_request};

/// The filter.
pub struct PiiMask;

impl Filter for PiiMask {
    const NAME: &'static str = "pii_mask";
    const NEEDS: Needs = Needs {
        buffers_request: true,
        response_headers: true,
        request_body: true,
        response_body: true,
        response_trailers: false,
        holds: false,
        callouts: false,
        reserves: false,
        end: false,
        tick_ms: 0,
        // After the decisions on caller and limits, before the body is signed.
        order: 55,
    };
    const REASONS: &'static [&'static Reason] = reasons::ALL;
    const TAGS: &'static [&'static str] = &["side", "entity"];
    const LEAVES: &'static [&'static str] = &[Masked::NAME];
    type Config = Config;
    type Plan = Plan;

    fn compile(config: Config, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        config.compile(setup, problems)
    }

    async fn handle(plan: Rc<Plan>, exchange: Exchange) -> Result<(), Reply> {
        let counts = RefCell::new(Masked::default());
        let (request, answer) = plan.maskers(&exchange)?;
        if plan.response.masks {
            // The answer must be readable, and whole.
            exchange
                .request()
                .set_header("accept-encoding", "identity")?;
            let request = exchange.request().headers()?;
            for name in ["range", "if-range"] {
                if request.first(name).is_some() {
                    exchange.request().remove_header(name)?;
                }
            }
            // The same for the messages of a call.
            let codings = "grpc-accept-encoding";
            if plan.response.grpc == Grpc::Mask && request.first(codings).is_some() {
                exchange.request().set_header(codings, "identity")?;
            }
        }
        mask_head(&plan, &request, &exchange, &REQUEST, &counts)?;
        let method = match plan.response.grpc {
            Grpc::Mask => {
                let headers = exchange.request().headers()?;
                headers.first(":path").and_then(services::method)
            }
            Grpc::OtherType => None,
        };
        let upgrade = if plan.request.masks || plan.response.masks {
            exchange.upgrade()?
        } else {
            None
        };
        if upgrade.is_some() && plan.shadow {
            return Ok(shadow::upgrade(&plan, &exchange, &counts)?);
        }
        if upgrade.is_some() {
            // A request that announces a body beside the upgrade could carry past what was to be
            // masked.
            if plan.on_upgrade == DenyOrAllow::Deny
                || announces_body(&*exchange.request().headers()?)
            {
                return Err(Reply::new(&reasons::UPGRADE_REFUSED));
            }
            request.settle();
            return mask_answer(&plan, &answer, &exchange, method, &counts).await;
        }
        // An answer may come before the request is whole: a client that lets its body wait must not
        // get it unmasked.
        exchange
            .side_by_side(
                pin!(mask_request(&plan, &request, &exchange, &counts)),
                pin!(mask_answer(&plan, &answer, &exchange, method, &counts)),
            )
            .await
    }
}

#[cfg(feature = "module")]
modelgate_kit::export!(PiiMask: request_body, response_headers, response_body);

#[cfg(test)]
mod tests;
