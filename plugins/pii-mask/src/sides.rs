//! What becomes of each side of an exchange.
//!
//! What reads streams is large and seldom needed: it has a place of its own in memory, which is
//! taken when it begins. As part of an exchange's future it would be moved with each exchange.

use std::cell::RefCell;

use modelgate_kit::exchange::{Exchange, Forwarded};
use modelgate_kit::facts::Masked;
use modelgate_kit::problem::Reply;

use crate::answer::Answer;
use crate::calls::{self, mask_calls};
use crate::head::mask_head;
use crate::mask::Masker;
use crate::message::{REQUEST, RESPONSE, mask_stream, mask_whole};
use crate::plan::Plan;
use crate::protobuf::services::Method;
use crate::shadow;

/// Masks the request.
pub(crate) async fn mask_request(
    plan: &Plan,
    masker: &Masker,
    exchange: &Exchange,
    counts: &RefCell<Masked>,
) -> Result<(), Reply> {
    if plan.request.masks && plan.shadow {
        return Box::pin(shadow::watch(
            plan,
            masker,
            exchange,
            (&REQUEST, None),
            counts,
        ))
        .await;
    }
    let reading = calls::of_request(plan, exchange)?;
    if let Some(messages) = reading {
        mask_calls(plan, masker, exchange, messages, counts).await?;
    } else if plan.request.masks {
        mask_whole(plan, masker, exchange, &REQUEST, counts).await?;
    }
    masker.settle();
    Ok(())
}

/// Masks the answer, once it is there. `method` is what was called, if it was one of gRPC.
pub(crate) async fn mask_answer(
    plan: &Plan,
    masker: &Masker,
    exchange: &Exchange,
    method: Option<Method>,
    counts: &RefCell<Masked>,
) -> Result<(), Reply> {
    let idle = !plan.response.masks && plan.response.headers.is_empty();
    if idle || exchange.forward().await == Forwarded::Gone {
        return Ok(());
    }
    mask_head(plan, masker, exchange, &RESPONSE, counts)?;
    if !plan.response.masks || exchange.upgraded() {
        return Ok(());
    }
    if plan.shadow {
        return Box::pin(shadow::watch(
            plan,
            masker,
            exchange,
            (&RESPONSE, method),
            counts,
        ))
        .await;
    }
    if masker.has_nothing_to_do() {
        return Ok(());
    }
    let streams = Answer::of(plan, &*exchange.response().headers()?);
    match streams {
        Some((answer, decoder)) => {
            let answer = answer.masked_by(masker);
            let answer = answer.of_call(method);
            Box::pin(mask_stream(plan, exchange, answer, decoder, counts)).await
        }
        None => mask_whole(plan, masker, exchange, &RESPONSE, counts).await,
    }
}
