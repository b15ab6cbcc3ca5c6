//! `example-filter`: refuses requests by their method.
//!
//! What it cannot do: look at methods that a framework behind the gateway takes from a header
//! (`X-HTTP-Method-Override`).

pub mod config;
pub mod plan;
pub mod reasons;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::filter::{Filter, Needs};
use modelgate_kit::problem::{Reason, Reply};

use config::Config;
use plan::Plan;

/// The filter.
pub struct ExampleFilter;

impl Filter for ExampleFilter {
    const NAME: &'static str = "example_filter";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const NEEDS: Needs = Needs {
        order: 45,
        ..Needs::NONE
    };
    const REASONS: &'static [&'static Reason] = reasons::ALL;
    type Config = Config;
    type Plan = Plan;

    fn compile(config: Config, _: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        Plan::compile(config, problems)
    }

    async fn handle(plan: Rc<Plan>, exchange: Exchange) -> Result<(), Reply> {
        let request = exchange.request().headers()?;
        plan.judge(&request)
    }
}

#[cfg(feature = "module")]
modelgate_kit::export!(ExampleFilter);
