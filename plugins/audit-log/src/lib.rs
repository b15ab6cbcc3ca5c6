//! `audit-log`: one event for each request, however it ends.
//!
//! First in the chain, so that it is there when any later filter refuses. It changes nothing in the
//! exchange: it remembers the request's headers, waits for the end, reads what the filters left as
//! facts and what the proxy knows of the ending, and writes one event: as a line for the proxy's
//! access log, and into a bounded queue that the background empties to a sink.
//!
//! It cannot see what never becomes a request of the proxy's filter chain: broken connections, and
//! requests that the proxy refuses before its filters.

pub mod answer;
pub mod config;
pub mod estate;
pub mod event;
pub mod line;
pub mod otlp;
pub mod queue;

mod json;
mod observe;
mod plan;
pub mod reasons;
mod ship;
mod tally;
mod told;

use std::rc::Rc;

use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::explain;
use modelgate_kit::filter::{Filter, Needs};
use modelgate_kit::problem::{Reason, Reply};
use modelgate_kit::root::Root;

pub use config::Config;
pub use plan::Plan;

use event::{Event, Outcome, Text};
use plan::Shipping;
use reasons::AUDIT_UNAVAILABLE;

/// Name of the line in the filter state.
const LINE_PROPERTY: &str = "modelgate.audit";

/// The filter.
pub struct AuditLog;

#[cfg(feature = "module")]
modelgate_kit::export!(AuditLog: answers, tick, end);

impl Filter for AuditLog {
    const NAME: &'static str = "audit_log";
    const NEEDS: Needs = Needs {
        buffers_request: false,
        response_headers: false,
        request_body: false,
        response_body: false,
        response_trailers: false,
        holds: false,
        callouts: true,
        reserves: false,
        end: true,
        tick_ms: ship::TICK_MS,
        order: 10,
    };
    const REASONS: &'static [&'static Reason] = reasons::ALL;
    const FORMER: &'static [(&'static str, &'static str)] = &[("when_full", "on_full")];
    const TAGS: &'static [&'static str] = &["outcome", "cause"];
    type Config = Config;
    type Plan = Plan;

    fn compile(config: Config, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        Plan::compile(config, setup, problems)
    }

    async fn handle(plan: Rc<Plan>, exchange: Exchange) -> Result<(), Reply> {
        let began_ns = exchange.now_ns();
        let head = exchange.request().headers()?;
        let Some(_room) = Capacity::reserve(&plan) else {
            let mut event = observe::event(&plan, &exchange, &head, began_ns);
            event.outcome = Outcome::Denied;
            event.answered.status = Some(AUDIT_UNAVAILABLE.status);
            event.decided.filter = Text::some(Self::NAME);
            event.decided.reason = Text::some(AUDIT_UNAVAILABLE.code);
            note(&plan, &exchange, &event);
            if let Some(shipping) = &plan.shipping {
                shipping.queue.borrow_mut().lose();
                ship::report(&plan, shipping, exchange.host());
            }
            return Err(Reply::new(&AUDIT_UNAVAILABLE));
        };
        exchange.end().await;
        let event = observe::event(&plan, &exchange, &head, began_ns);
        note(&plan, &exchange, &event);
        if let Some(shipping) = &plan.shipping {
            let now_ms = ship::now_ms(exchange.now_ns());
            let record = shipping.otlp.record(&event);
            shipping.queue.borrow_mut().push(now_ms, record);
            ship::report(&plan, shipping, exchange.host());
        }
        Ok(())
    }

    fn background(plan: Rc<Plan>, root: Root) -> impl Future<Output = ()> + 'static {
        // At once, and not when the task is first polled: requests may come before.
        plan.number_on(&root);
        ship::run(plan, root)
    }

    fn ended(plan: &Plan, root: &Root) {
        ship::hand_on(plan, root);
    }
}

/// Counts the event, and leaves it for the access log.
fn note(plan: &Plan, exchange: &Exchange, event: &Event) {
    let host = exchange.host();
    explain::tell(|notes| notes.push(told::event(plan, event)));
    plan.outcomes.count(host, event.outcome);
    if plan.access_log {
        // A host without filter state has no access log that could show it.
        let _ = host.set_property(LINE_PROPERTY, &line::write(event));
    }
}

/// The room in the queue that the event of a request under way will need; given back when the
/// request is over.
struct Capacity<'a>(Option<&'a Shipping>);

impl<'a> Capacity<'a> {
    /// `None` where requests that cannot be recorded are refused, and there is no more room.
    fn reserve(plan: &'a Plan) -> Option<Self> {
        let Some(shipping) = &plan.shipping else {
            return Some(Self(None));
        };
        let expected = shipping.expected.get().saturating_add(1);
        if shipping.deny_when_full && !shipping.queue.borrow().has_room(expected) {
            return None;
        }
        shipping.expected.set(expected);
        Some(Self(Some(shipping)))
    }
}

impl Drop for Capacity<'_> {
    fn drop(&mut self) {
        if let Some(shipping) = self.0 {
            shipping
                .expected
                .set(shipping.expected.get().saturating_sub(1));
        }
    }
}

#[cfg(test)]
mod tests;
