//! `model-route`: which backend, model and version answers.
//!
//! A public name leads to targets: a backend, the model's name there, a version, label, variant or
//! deployment. Weights split callers among them, the same on every gateway; testers go where an
//! override says; a target that fails or is slow is taken out by what all workers have counted, and
//! comes back by a trial; a human's pin wins over everything. What was chosen is written into the
//! request in its own protocol, and told in a header of the answer, in facts, in metrics.
//!
//! It stands behind what judges requests by the public name, and before what looks at the request
//! that goes out. What it cannot do: send a request a second time, choose a route by itself (the
//! proxy's routes match its header), or count what other proxies see.

pub mod circuit;
pub mod config;
pub mod plan;
pub mod reasons;
pub mod split;

mod answer;
mod choose;
mod find;
mod kept;
mod lineage;
mod told;
mod watch;
mod why;
mod write;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::explain;
use modelgate_kit::filter::{Filter, Needs};
use modelgate_kit::headers::Reserved;
use modelgate_kit::problem::dialect::is_grpc;
use modelgate_kit::problem::{Reason, Reply};
use modelgate_kit::rule::Asked;

use answer::Sent;
use config::Config;
use find::Found;
use plan::Plan;

/// The filter.
#[derive(Debug)]
pub struct ModelRoute;

impl Filter for ModelRoute {
    const NAME: &'static str = "model_route";
    const NEEDS: Needs = Needs {
        buffers_request: true,
        request_body: true,
        response_headers: true,
        response_trailers: true,
        reserves: true,
        // Behind rules and limits, which know the public name; before what sees the request that
        // goes out.
        order: 52,
        ..Needs::NONE
    };
    const REASONS: &'static [&'static Reason] = reasons::ALL;
    const TAGS: &'static [&'static str] = &["name", "target"];
    type Config = Config;
    type Plan = Plan;

    fn compile(config: Config, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        Plan::compile(config, setup, problems)
    }

    fn reserved(plan: &Plan) -> Reserved {
        Reserved::names(plan.own_headers())
    }

    async fn handle(plan: Rc<Plan>, exchange: Exchange) -> Result<(), Reply> {
        let headers = exchange.request().headers()?;
        exchange.remove_lookalikes(&headers, plan.own_headers())?;
        let mut asked = Asked::read(&headers)?;
        if find::is_in_body(&asked) {
            asked.read_model(&exchange, &plan.model_from_body).await?;
        }
        let (model, name) = match plan.find(&asked)? {
            Found::Model(model, name) => (model, name),
            Found::Passes => {
                // What a client has sent to choose a route with is gone.
                exchange.choose_route_again()?;
                return Ok(());
            }
        };
        let (chosen, sticky) = plan.choose(model, &exchange, &headers);
        let target = model.targets.get(chosen.at);
        let target = target.ok_or_else(|| Reply::new(&reasons::MODEL_NOT_ROUTED))?;
        let sent = Sent {
            plan: &plan,
            model,
            target,
            name,
            chosen,
            told: target.tell(name, chosen.why, &asked),
            began_ns: model.slow_ns().map(|_| exchange.now_ns()),
            is_call: model.rollback.is_some() && headers.first("content-type").is_some_and(is_grpc),
        };
        // Asked for only where something follows from it.
        let sticky = || sticky.unwrap_or_else(|| plan.sticky(model, &exchange, &headers));
        explain::tell(|notes| notes.extend(told::chosen(&sent, sticky(), &exchange)));
        sent.publish(&exchange)?;
        if chosen.is_degraded {
            return Err(sent.degraded(&exchange));
        }
        plan.write(model, target, name, &asked, &headers, &exchange)
            .await?;
        plan.shadow(model, sticky, &exchange)?;
        exchange.choose_route_again()?;
        target.metrics.requests.add(exchange.host(), 1);
        sent.answered(&exchange).await
    }
}

#[cfg(feature = "module")]
modelgate_kit::export!(ModelRoute: request_body, response_headers, response_trailers);
