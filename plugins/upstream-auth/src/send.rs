//! What becomes of a request, by where the credential comes from.

use std::rc::Rc;

use modelgate_kit::credential::{Found, find};
use modelgate_kit::exchange::{Exchange, Forwarded};
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::problem::Reply;

use crate::exchanged::{Exchanged, NoToken};
use crate::plan::{Credential, Plan};
use crate::reasons::{CREDENTIAL_UNAVAILABLE, SUBJECT_AMBIGUOUS, SUBJECT_MISSING, SUBJECT_REFUSED};
use crate::token::Token;

/// Puts the credential into a request that was judged, and lets it go.
///
/// # Errors
/// The refusal.
pub async fn send(plan: &Plan, exchange: &Exchange, request: &HeaderBlock) -> Result<(), Reply> {
    match &plan.credential {
        Credential::Given(key) => plan.rules.apply(exchange, request, key.expose()),
        Credential::PassedThrough => plan.rules.apply(exchange, request, b""),
        Credential::Fetched(kept) => {
            let token = kept.get(exchange).await.map_err(unavailable)?;
            plan.rules.apply(exchange, request, token.value.expose())?;
            // Only where it is not another one already.
            let is_kept = |kept: Rc<Token>| Rc::ptr_eq(&kept, &token);
            if is_refused(exchange).await && kept.current(now_ms(exchange)).is_some_and(is_kept) {
                kept.doubt(exchange);
            }
            Ok(())
        }
        Credential::Exchanged(exchanged) => {
            exchange_token(plan, exchanged, exchange, request).await
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
