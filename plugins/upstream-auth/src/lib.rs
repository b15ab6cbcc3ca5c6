//! Shows the backend the gateway's own credential in place of the client's: a key, or a token that
//! is fetched in the background and kept fresh.
//!
//! Whatever a client could use as a credential of its own is removed, and what it could choose
//! under the gateway's is refused or comes from the configuration ([`outgoing`]). Tokens come from
//! token endpoints and metadata services ([`grant`]), each VM's its own, or in exchange for the
//! caller's ([`exchanged`]). Without a credential no request goes on.
//!
//! It cannot read files, sign requests (`aws-sigv4` does), or replay a request that the backend has
//! refused: a 401 only has the token fetched anew.

pub mod config;
pub mod exchanged;
pub mod fault;
pub mod form;
pub mod grant;
pub mod jwt;
pub mod outgoing;
pub mod plan;
pub mod provider;
pub mod reasons;
mod send;
pub mod token;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::filter::{Filter, Needs};
use modelgate_kit::headers::Reserved;
use modelgate_kit::problem::{Reason, Reply};
use modelgate_kit::root::Root;
use modelgate_kit::upgrade::Upgrade;

use config::Config;
use plan::{Credential, Plan};
use reasons::UPGRADE_REFUSED;

/// The filter.
pub struct UpstreamAuth;

impl Filter for UpstreamAuth {
    const NAME: &'static str = "upstream_auth";
    const NEEDS: Needs = Needs {
        // For tokens that are being fetched.
        holds: true,
        callouts: true,
        reserves: true,
        // A 401 has the token fetched anew.
        response_headers: true,
        tick_ms: 500,
        // After everything that looks at the client's credential or changes the request.
        order: 58,
        ..Needs::NONE
    };
    const REASONS: &'static [&'static Reason] = reasons::ALL;
    const ENVIRONMENT: &'static [&'static str] = &plan::ENVIRONMENT;
    type Config = Config;
    type Plan = Plan;

    fn compile(config: Config, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        Plan::compile(config, setup, problems)
    }

    fn reserved(plan: &Plan) -> Reserved {
        plan.rules.reserved()
    }

    async fn handle(plan: Rc<Plan>, exchange: Exchange) -> Result<(), Reply> {
        let request = exchange.request().headers()?;
        if exchange.upgrade()? == Some(Upgrade::Connect) {
            return Err(Reply::new(&UPGRADE_REFUSED));
        }
        plan.rules.judge(&request)?;
        send::send(&plan, &exchange, &request).await
    }

    fn background(plan: Rc<Plan>, root: Root) -> impl Future<Output = ()> + 'static {
        // Now, and not with the first tick: the configuration that this one replaces may be gone by
        // then, and its token with it.
        if let Credential::Fetched(kept) = &plan.credential {
            kept.join(&root);
        }
        async move {
            match &plan.credential {
                Credential::Fetched(kept) => Rc::clone(kept).keep_fresh(root).await,
                Credential::Exchanged(exchanged) => {
                    Rc::clone(exchanged).keep_exchanging(root).await;
                }
                Credential::Given(_) | Credential::PassedThrough => {}
            }
        }
    }
}

#[cfg(feature = "module")]
modelgate_kit::export!(UpstreamAuth: request_body, response_headers, answers, tick);
