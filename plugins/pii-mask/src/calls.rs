//! Requests of gRPC: each message is masked as it passes. A call may go on both ways at once, so
//! that its first message must not wait for the last one.

use std::cell::RefCell;

use modelgate_kit::exchange::Exchange;
use modelgate_kit::facts::Masked;
use modelgate_kit::host::{Side, Status};
use modelgate_kit::problem::Reply;
use modelgate_kit::problem::common::HOST_REFUSED;

use crate::config::Grpc;
use crate::grpc::{Body, Messages};
use crate::mask::{Masker, Tally};
use crate::message::{REQUEST, count};
use crate::plan::Plan;
use crate::reading;

/// The messages of a request of gRPC that are to be masked; none of another request.
pub(crate) fn of_request(plan: &Plan, exchange: &Exchange) -> Result<Option<Messages>, Status> {
    if !plan.request.masks || plan.request.grpc == Grpc::OtherType {
        return Ok(None);
    }
    let headers = exchange.request().headers()?;
    let reading = reading::read(&headers, &plan.request);
    Ok(reading.ok().and_then(|reading| reading.messages))
}

/// Masks the messages of a request.
pub(crate) async fn mask_calls(
    plan: &Plan,
    masker: &Masker,
    exchange: &Exchange,
    messages: Messages,
    counts: &RefCell<Masked>,
) -> Result<(), Reply> {
    let (way, side) = (&plan.request, Side::Request);
    if exchange.request().is_whole() {
        return Ok(());
    }
    let body = exchange.request().rewrite()?;
    // By these a refusal is written, and where they have gone on they cannot be read any more.
    exchange.request().headers()?;
    let (mut calls, mut tally) = (Body::of(messages), Tally::default());
    loop {
        let chunk = body.chunk().await.map_err(|_| Reply::new(&HOST_REFUSED))?;
        let before = tally.clone();
        let masked = calls.push(chunk.as_deref(), masker, way, &mut tally);
        count(exchange, plan, side, &tally, &before, counts)?;
        if tally.is_blocked() {
            return Err(Reply::new(REQUEST.blocked));
        }
        let masked = masked.map_err(|unread| Reply::new(REQUEST.reason(unread)))?;
        if !masked.is_empty() {
            body.write(&masked);
        }
        if chunk.is_none() {
            return Ok(());
        }
    }
}
