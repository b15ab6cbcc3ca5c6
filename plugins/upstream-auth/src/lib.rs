//! Shows the backend the gateway's own credential in place of the client's: a key, or a token that
//! is fetched in the background and kept fresh.
//!
//! Whatever a client could use as a credential of its own is removed, and what it could choose under
//! the gateway's is refused or comes from the configuration ([`outgoing`]). Tokens come from token
//! endpoints and metadata services ([`grant`]), each VM's its own, or in exchange for the caller's
//! ([`exchanged`]). Without a credential no request goes on.
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
pub mod token;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::credential::{Found, find};
use modelgate_kit::exchange::{Exchange, Forwarded};
use modelgate_kit::filter::{Filter, Needs};
use modelgate_kit::headers::{HeaderBlock, Reserved};
use modelgate_kit::problem::{Reason, Reply};
use modelgate_kit::root::Root;
use modelgate_kit::upgrade::Upgrade;

use config::Config;
use exchanged::{Exchanged, NoToken};
use plan::{Credential, Plan};
use reasons::{
    CREDENTIAL_UNAVAILABLE, SUBJECT_AMBIGUOUS, SUBJECT_MISSING, SUBJECT_REFUSED, UPGRADE_REFUSED,
};
use token::Token;

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
        match &plan.credential {
            Credential::Given(key) => plan.rules.apply(&exchange, &request, key.expose()),
            Credential::PassedThrough => plan.rules.apply(&exchange, &request, b""),
            Credential::Fetched(kept) => {
                let token = kept.get(&exchange).await.map_err(unavailable)?;
                plan.rules
                    .apply(&exchange, &request, token.value.expose())?;
                // Only where it is not another one already.
                let is_kept = |kept: Rc<Token>| Rc::ptr_eq(&kept, &token);
                if is_refused(&exchange).await
                    && kept.current(now_ms(&exchange)).is_some_and(is_kept)
                {
                    kept.doubt(&exchange);
                }
                Ok(())
            }
            Credential::Exchanged(exchanged) => {
                exchange_token(&plan, exchanged, &exchange, &request).await
            }
        }
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

/// Sends what the caller's own token is exchanged for.
async fn exchange_token(
    plan: &Plan,
    exchanged: &Exchanged,
    exchange: &Exchange,
    request: &HeaderBlock,
) -> Result<(), Reply> {
    let subject = match find(request, &exchanged.places) {
        Found::One(subject) if subject.is_empty() || subject.len() > exchanged.max_token_bytes => {
            return Err(Reply::new(&SUBJECT_MISSING));
        }
        Found::One(subject) => subject,
        Found::None => return Err(Reply::new(&SUBJECT_MISSING)),
        Found::Several | Found::Mixed | Found::Malformed => {
            return Err(Reply::new(&SUBJECT_AMBIGUOUS));
        }
    };
    let token = match exchanged.get(exchange, &subject).await {
        Ok(token) => token,
        Err(NoToken::Refused) => return Err(Reply::new(&SUBJECT_REFUSED)),
        Err(NoToken::Unavailable(seconds)) => return Err(unavailable(seconds)),
    };
    exchange.take_out_credential(request, &exchanged.places, &subject)?;
    // Its place may have been the query.
    let request = exchange.request().headers()?;
    plan.rules.apply(exchange, &request, token.value.expose())?;
    if is_refused(exchange).await {
        exchanged.doubt(&subject, &token, now_ms(exchange));
    }
    Ok(())
}

fn now_ms(exchange: &Exchange) -> u64 {
    exchange.now_ns() / 1_000_000
}

fn unavailable(seconds: u64) -> Reply {
    Reply::new(&CREDENTIAL_UNAVAILABLE).with_header("retry-after", seconds.to_string())
}

/// Lets the request go, and tells whether the backend has refused the credential.
async fn is_refused(exchange: &Exchange) -> bool {
    exchange.forward().await == Forwarded::Answered && exchange.response().status() == Some(401)
}

#[cfg(feature = "module")]
modelgate_kit::export!(UpstreamAuth: request_body, response_headers, answers, tick);
