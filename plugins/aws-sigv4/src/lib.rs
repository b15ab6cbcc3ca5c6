//! Signs the request that goes to the model with AWS Signature Version 4, as the last filter of the
//! chain.
//!
//! The body is held until it is whole (bounded), so that the signature covers what the filters
//! before have made of it; then the client's own credentials are taken out, host, path and query
//! are brought to what will be sent, and the signature is added. Everything that a client could use
//! to act under the gateway's credentials is refused or removed: see [`outgoing`].
//!
//! Where credentials are fetched, they are kept fresh in the background (`signers`, `supply`),
//! and which role signs may depend on the caller (`callers`).
//!
//! It signs each request once: retries of the proxy send the same signature, which AWS takes for
//! five minutes, unless the filter stands in the chain of a cluster. It cannot know what the
//! proxy's router changes afterwards (prefix or host rewrites, header changes of the route):
//! `rewritten_by: route` says that path and host will be rewritten there as configured here,
//! anything else breaks the signature.

mod answer;
mod callers;
pub mod canonical;
pub mod chunked;
mod clock;
pub mod config;
pub mod credentials;
pub mod date;
mod made;
pub mod outgoing;
pub mod plan;
pub mod reasons;
pub mod sign;
mod signers;
mod signing;
mod supply;
pub mod uri;

use std::pin::pin;
use std::rc::Rc;

use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::exchange::{Exchange, Forwarded};
use modelgate_kit::filter::{Filter, Needs};
use modelgate_kit::headers::Reserved;
use modelgate_kit::problem::{Reason, Reply};
use modelgate_kit::root::Root;

use chunked::stream;
use config::Config;
use plan::Plan;
use signing::{answered, sign};

/// The filter.
pub struct AwsSigv4;

impl Filter for AwsSigv4 {
    const NAME: &'static str = "aws_sigv4";
    const NEEDS: Needs = Needs {
        buffers_request: true,
        request_body: true,
        // What AWS refuses says something of our clock and credentials.
        response_headers: true,
        response_body: true,
        // For credentials that are being fetched.
        holds: true,
        callouts: true,
        tick_ms: 500,
        reserves: true,
        // After everything that changes a request.
        order: 60,
        ..Needs::NONE
    };
    const REASONS: &'static [&'static Reason] = reasons::ALL;
    const ENVIRONMENT: &'static [&'static str] = &config::ENVIRONMENT;
    type Config = Config;
    type Plan = Plan;

    fn compile(config: Config, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        config.compile(setup, problems)
    }

    fn reserved(plan: &Plan) -> Reserved {
        let set = plan.outgoing.set_headers.iter();
        Reserved::names(set.map(|(name, _)| name.as_str()).chain(["authorization"]))
            .and_beginning_with("x-amz-")
            .and_beginning_with("x-amzn-")
    }

    async fn handle(plan: Rc<Plan>, exchange: Exchange) -> Result<(), Reply> {
        let request = exchange.request().headers()?;
        let (chosen, streamed) = sign(&plan, &exchange, &request).await?;
        // What follows an upgrade is no answer that could be read.
        if exchange.upgrade()?.is_some() {
            return Ok(());
        }
        let answer = async {
            if exchange.forward().await == Forwarded::Answered {
                answered(&plan, &exchange, &chosen, &request).await;
            }
            Ok(())
        };
        match streamed {
            None => answer.await,
            Some((pieces, length)) => {
                let body = stream(&exchange, pieces, length);
                exchange.side_by_side(pin!(body), pin!(answer)).await
            }
        }
    }

    fn background(plan: Rc<Plan>, root: Root) -> impl Future<Output = ()> + 'static {
        // Now, and not with the first tick: the configuration that this one replaces may be gone by
        // then, and its credentials with it.
        plan.signers.join(&root);
        async move { plan.signers.keep_fresh(root).await }
    }
}

#[cfg(feature = "module")]
modelgate_kit::export!(AwsSigv4: request_body, response_headers, response_body, answers, tick);

#[cfg(test)]
mod tests;
