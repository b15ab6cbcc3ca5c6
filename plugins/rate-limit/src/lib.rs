//! `rate-limit`: how much a caller may ask for.
//!
//! Several limits at once, each with several windows, counted without races in memory that all
//! workers of a proxy share: a request takes from every bucket that it needs, or from none. Clients
//! are told what is left and, when refused, when to come back. What it cannot do: count what other
//! proxies admit, or weigh a request by its answer.

pub mod client_ip;
pub mod config;
mod count;
pub mod headers;
pub mod key;
pub mod plan;
pub mod policy;
pub mod reasons;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use modelgate_kit::config::{Mode, Problems, Setup};
use modelgate_kit::exchange::{Exchange, Forwarded};
use modelgate_kit::explain::{self, Note};
use modelgate_kit::facts::{Fact as _, Limited};
use modelgate_kit::filter::{Filter, Needs};
use modelgate_kit::problem::{Reason, Reply};

use config::Config;
use plan::Plan;

/// The filter.
#[derive(Debug)]
pub struct RateLimit;

#[cfg(feature = "module")]
modelgate_kit::export!(RateLimit: request_body, response_headers);

impl Filter for RateLimit {
    const NAME: &'static str = "rate_limit";
    const NEEDS: Needs = Needs {
        buffers_request: true,
        response_headers: true,
        request_body: true,
        order: 50,
        ..Needs::NONE
    };
    const REASONS: &'static [&'static Reason] = reasons::ALL;
    const FORMER: &'static [(&'static str, &'static str)] = &[("on_missing_key", "on_missing")];
    const TAGS: &'static [&'static str] = &["policy"];
    const LEAVES: &'static [&'static str] = &[Limited::NAME];
    type Config = Config;
    type Plan = Plan;

    fn compile(config: Config, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        Plan::compile(config, setup, problems)
    }

    async fn handle(plan: Rc<Plan>, exchange: Exchange) -> Result<(), Reply> {
        let counted = plan.count(&exchange).await;
        if plan.mode == Mode::Shadow {
            explain::tell(|notes| {
                let text = match counted.is_err() {
                    true => "Shadow mode: it would be refused, and goes on all the same.",
                    false => "Shadow mode: it would not be refused.",
                };
                notes.push(Note::info("shadow", text).with("would_deny", counted.is_err()));
            });
            if counted.is_err() {
                plan.counters.shadow_denied.add(exchange.host(), 1);
            }
            return Ok(());
        }
        let told = counted?;
        if !told.is_empty() && exchange.forward().await == Forwarded::Answered {
            for (name, value) in &told {
                // The upstream has answered: a header that the host does not take is no reason to
                // fail the exchange.
                let _ = exchange.response().set_header(name, value);
            }
        }
        Ok(())
    }
}
