//! Shadow mode: messages pass as they are, and what would become of them is counted and recorded.

use std::cell::RefCell;

use modelgate_kit::config::DenyOrAllow;
use modelgate_kit::exchange::Exchange;
use modelgate_kit::facts::Masked;
use modelgate_kit::host::{Side, Status};
use modelgate_kit::problem::common::HOST_REFUSED;
use modelgate_kit::problem::{Reason, Reply};

use crate::answer::Answer;
use crate::config::Hold;
use crate::mask::{Masker, Tally};
use crate::media::Media;
use crate::message::{Terms, announces_body, count, decoded};
use crate::plan::Plan;
use crate::protobuf::services::Method;
use crate::reading::{self, Reading};
use crate::reasons;
use crate::unread::Unread;

/// Looks on as a body passes.
pub(crate) async fn watch(
    plan: &Plan,
    masker: &Masker,
    exchange: &Exchange,
    (terms, method): (&Terms, Option<Method>),
    counts: &RefCell<Masked>,
) -> Result<(), Reply> {
    let message = exchange.message(terms.side);
    if message.is_whole() {
        return Ok(());
    }
    let way = plan.way(terms.side);
    let read = reading::read(&*message.headers()?, way);
    let answer = match (&read, terms.side) {
        (Ok(_), Side::Response) => {
            let answer = Answer::of(plan, &*message.headers()?);
            answer.map(|(answer, _)| answer.masked_by(masker).of_call(method))
        }
        _ => None,
    };
    let unread = match (read, answer) {
        (Ok(reading), Some(answer)) => {
            return watch_stream(plan, exchange, terms, counts, &reading, answer).await;
        }
        (Ok(reading), None) if reading.media != Media::Messages => {
            return watch_whole(plan, masker, exchange, terms, counts, &reading).await;
        }
        (Ok(_), None) => Unread::OtherType,
        (Err(unread), _) => unread,
    };
    Ok(would_refuse(plan, exchange, terms, counts, unread)?)
}

async fn watch_whole(
    plan: &Plan,
    masker: &Masker,
    exchange: &Exchange,
    terms: &Terms,
    counts: &RefCell<Masked>,
    reading: &Reading,
) -> Result<(), Reply> {
    let message = exchange.message(terms.side);
    let way = plan.way(terms.side);
    let body = message.watch();
    let mut seen = Vec::new();
    while let Some(chunk) = body.chunk().await.map_err(|_| Reply::new(&HOST_REFUSED))? {
        if seen.len().saturating_add(chunk.len()) > way.max_body_bytes {
            let unread = Unread::TooLarge;
            return Ok(would_refuse(plan, exchange, terms, counts, unread)?);
        }
        seen.extend_from_slice(&chunk);
    }
    if seen.is_empty() || !message.is_whole() {
        return Ok(());
    }
    if let Some(decoder) = reading.codings.decoder() {
        seen = match decoder.whole(&seen, way.max_body_bytes) {
            Ok(decoded) => decoded,
            Err(broken) => {
                return Ok(would_refuse(plan, exchange, terms, counts, broken.into())?);
            }
        };
    }
    let mut tally = Tally::default();
    let fixed = plan.hold == Hold::Body;
    let masked = reading.mask(&seen, masker, way, fixed, &mut tally);
    count(
        exchange,
        plan,
        terms.side,
        &tally,
        &Tally::default(),
        counts,
    )?;
    if tally.is_blocked() {
        would_deny(plan, exchange, terms.side, counts, terms.blocked)?;
    } else if let Err(unread) = masked {
        would_refuse(plan, exchange, terms, counts, unread)?;
    }
    Ok(())
}

async fn watch_stream(
    plan: &Plan,
    exchange: &Exchange,
    terms: &Terms,
    counts: &RefCell<Masked>,
    reading: &Reading,
    mut answer: Answer<'_>,
) -> Result<(), Reply> {
    let body = exchange.message(terms.side).watch();
    let mut decoder = reading.codings.decoder();
    loop {
        let chunk = body.chunk().await.map_err(|_| Reply::new(&HOST_REFUSED))?;
        let (before, last) = (answer.tally().clone(), chunk.is_none());
        // What would go in its place is of no concern.
        let _ = match decoded(&mut decoder, chunk, plan.way(terms.side)) {
            Ok(Some(chunk)) => answer.push(&chunk),
            Ok(None) => answer.finish(),
            Err(reason) => answer.break_off(reason),
        };
        count(exchange, plan, terms.side, answer.tally(), &before, counts)?;
        if let Some(reason) = answer.cut() {
            return Ok(would_deny(plan, exchange, terms.side, counts, reason)?);
        }
        if last {
            return Ok(());
        }
    }
}

fn would_refuse(
    plan: &Plan,
    exchange: &Exchange,
    terms: &Terms,
    counts: &RefCell<Masked>,
    unread: Unread,
) -> Result<(), Status> {
    match unread.policy(plan.way(terms.side)) {
        DenyOrAllow::Allow => Ok(()),
        DenyOrAllow::Deny => would_deny(plan, exchange, terms.side, counts, terms.reason(unread)),
    }
}

/// What would become of an upgrade.
pub(crate) fn upgrade(
    plan: &Plan,
    exchange: &Exchange,
    counts: &RefCell<Masked>,
) -> Result<(), Status> {
    let announced = announces_body(&*exchange.request().headers()?);
    if plan.on_upgrade == DenyOrAllow::Deny || announced {
        let reason = &reasons::UPGRADE_REFUSED;
        would_deny(plan, exchange, Side::Request, counts, reason)?;
    }
    Ok(())
}

/// Counts and records that a message would have been refused.
pub(crate) fn would_deny(
    plan: &Plan,
    exchange: &Exchange,
    side: Side,
    counts: &RefCell<Masked>,
    reason: &'static Reason,
) -> Result<(), Status> {
    if let Some(counter) = &plan.way(side).shadow_denied {
        counter.add(exchange.host(), 1);
    }
    let mut counts = counts.borrow_mut();
    if !counts.would_deny.iter().any(|known| known == reason.code) {
        counts.would_deny.push(reason.code.to_owned());
    }
    exchange.publish(counts.clone())
}
