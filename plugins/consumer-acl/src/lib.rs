//! `consumer-acl`: who may ask what of which model.
//!
//! Decides by rules over the verified caller (consumer, groups, scopes, claims) and the request
//! (method, path, protocol, operation, model). What no rule allows is denied. It believes no header
//! of the client about who the client is, and refuses paths and bodies that could be read in two
//! ways instead of guessing what the model server will read.

pub mod config;
pub mod engine;
pub mod overrides;
pub mod plan;
pub mod reasons;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use modelgate_kit::config::long::LongList;
use modelgate_kit::config::{Mode, Problems, Setup};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::explain::{self, Note};
use modelgate_kit::facts::{Decision, Fact as _, Identity};
use modelgate_kit::filter::{Filter, Needs};
use modelgate_kit::problem::{Reason, Reply};
use modelgate_kit::rule::Caller;

use config::{Config, Reading};
use plan::Plan;

/// The filter.
#[derive(Debug)]
pub struct ConsumerAcl;

impl Filter for ConsumerAcl {
    const NAME: &'static str = "consumer_acl";
    const NEEDS: Needs = Needs {
        buffers_request: true,
        request_body: true,
        order: 40,
        ..Needs::NONE
    };
    const REASONS: &'static [&'static Reason] = reasons::ALL;
    const FORMER: &'static [(&'static str, &'static str)] = &[("overrides", "override_headers")];
    const TAGS: &'static [&'static str] = &["rule"];
    const LEAVES: &'static [&'static str] = &[Decision::NAME];
    const LONG_LIST: Option<LongList> = Some(LongList::new("rules", Reading::begin));
    type Config = Config;
    type Plan = Plan;

    fn compile(config: Config, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        Plan::compile(config, setup, problems)
    }

    async fn handle(plan: Rc<Plan>, exchange: Exchange) -> Result<(), Reply> {
        let identity = exchange.fact::<Identity>();
        let caller = Caller::from(identity.as_deref());
        let verdict = plan.judge(caller, &exchange).await;
        if plan.mode == Mode::Shadow {
            explain::tell(|notes| {
                let text = match &verdict {
                    Ok(()) => "Shadow mode: the request would be allowed.".to_owned(),
                    Err(reply) => format!(
                        "Shadow mode: it would be refused with {} `{}`, and goes on all the same.",
                        reply.status(),
                        reply.reason.code
                    ),
                };
                notes.push(Note::info("shadow", text).with("would_deny", verdict.is_err()));
            });
            if verdict.is_err() {
                plan.shadow_denied.add(exchange.host(), 1);
            }
            return Ok(());
        }
        verdict
    }
}

#[cfg(feature = "module")]
modelgate_kit::export!(ConsumerAcl: request_body);
