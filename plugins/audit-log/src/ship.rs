//! The background work: takes batches out of the queue, posts them, and tells the queue how it
//! went.
//!
//! It runs on ticks and on answers, never inside a request's callback. While the sink takes batches
//! quickly, each answer sends the next one, so a tick limits how soon a small batch leaves, not how
//! many events a second do.

use std::rc::Rc;

use modelgate_kit::call::Call;
use modelgate_kit::host::{Host, Level};
use modelgate_kit::root::Root;

use crate::answer::Response;
use crate::estate::{ABANDONED_MS, Claim, Estate, Heir, RESERVED_MS, leave};
use crate::plan::{Plan, Shipping};
use crate::queue::Answer;

/// Longest answer that is read, in bytes: a collector answers with a count and a sentence. Of a
/// longer one the status counts.
const LONGEST_ANSWER: usize = 65_536;

/// How often the queue is looked at, in milliseconds.
pub const TICK_MS: u32 = 500;

/// How long a configuration without a sink sleeps between two looks, in nanoseconds.
const IDLE_NS: u64 = 2_000_000_000;

/// Ships events until the VM ends.
pub async fn run(plan: Rc<Plan>, root: Root) {
    let mut heir = Heir::default();
    let Some(shipping) = &plan.shipping else {
        if plan.base {
            refuse_all_left(&plan, &root, &mut heir).await;
        }
        return;
    };
    let mut healthy = true;
    loop {
        adopt(&plan, shipping, &root, &mut heir);
        match shipping.next_batch(&plan, &root) {
            Some(batch) => {
                let answer = shipping.post(&root, batch).await;
                shipping.answered(&root, answer, &mut healthy);
                report(&plan, shipping, root.host());
            }
            None => {
                // Events may have been dropped for their age.
                report(&plan, shipping, root.host());
                let next_look = root
                    .now_ns()
                    .saturating_add(u64::from(TICK_MS) * 1_000_000 / 2);
                root.sleep_until(next_look).await;
            }
        }
    }
}

/// Tells the proxy's counters what has changed in the queue.
pub fn report(plan: &Plan, shipping: &Shipping, host: &dyn Host) {
    let counts = shipping.queue.borrow().counts();
    let lost = shipping.tally.tell(host, counts);
    if lost > 0 {
        let total = &plan.numbers(host).lost;
        total.set(total.get().saturating_add(lost));
    }
}

/// The configuration is gone: what it has queued is left for the next one, or counted as lost.
pub fn hand_on(plan: &Plan, root: &Root) {
    let Some(shipping) = &plan.shipping else {
        return;
    };
    let host = root.host();
    let events = shipping.queue.borrow_mut().hand_on();
    if events.is_empty() {
        report(plan, shipping, host);
        return;
    }
    let estate = Estate {
        target: shipping.identity,
        entry: entry(host),
        left_ms: now_ms(root.now_ns()),
        events,
    };
    if !leave(host, &estate) {
        let lost = estate.events.len();
        shipping.queue.borrow_mut().lose_handed_on(lost);
        host.log(
            Level::Warn,
            &format!("audit_log: {lost} queued events are lost with their configuration"),
        );
    }
    report(plan, shipping, host);
}

/// The proxy's name for the entry that this filter stands in.
fn entry(host: &dyn Host) -> Vec<u8> {
    host.property(&["plugin_name"]).unwrap_or_default()
}

/// Takes over what an earlier configuration has left, if it is for the same receiver, or for nobody
/// else.
fn adopt(plan: &Plan, shipping: &Shipping, root: &Root, heir: &mut Heir) {
    let host = root.host();
    let now_ms = now_ms(root.now_ns());
    let left = heir.look(host, now_ms, |estate| {
        if estate.target == shipping.identity {
            return Claim::Take;
        }
        claim(plan, host, estate, now_ms)
    });
    if let Some(estate) = left {
        shipping.queue.borrow_mut().adopt(estate.events);
    }
}

/// All that a configuration without a sink does.
async fn refuse_all_left(plan: &Plan, root: &Root, heir: &mut Heir) {
    loop {
        refuse_left(plan, root, heir);
        let next_look = root.now_ns().saturating_add(IDLE_NS);
        root.sleep_until(next_look).await;
    }
}

/// Counts what an earlier configuration has left as lost, where the new one has no sink.
fn refuse_left(plan: &Plan, root: &Root, heir: &mut Heir) {
    let host = root.host();
    let now_ms = now_ms(root.now_ns());
    let left = heir.look(host, now_ms, |estate| claim(plan, host, estate, now_ms));
    if let Some(estate) = left {
        let lost = estate.events.len();
        plan.lost_without_sink
            .add(host, u64::try_from(lost).unwrap_or(u64::MAX));
        host.log(
            Level::Warn,
            &format!(
                "audit_log: {lost} queued events are lost: the configuration has no sink any more"
            ),
        );
    }
}

/// Whether events for a receiver that this configuration does not have are its own nevertheless.
fn claim(plan: &Plan, host: &dyn Host, estate: &Estate, now_ms: u64) -> Claim {
    let own = plan.base && estate.entry == entry(host);
    let wait_ms = if own { RESERVED_MS } else { ABANDONED_MS };
    match estate.left_ms.saturating_add(wait_ms) {
        due if now_ms >= due && plan.base => Claim::Take,
        due if plan.base => Claim::Later(due),
        _ => Claim::Leave,
    }
}

/// The queue's clock.
pub fn now_ms(now_ns: u64) -> u64 {
    now_ns / 1_000_000
}

impl Shipping {
    fn next_batch(&self, plan: &Plan, root: &Root) -> Option<Vec<u8>> {
        let host = root.host();
        report(plan, self, host);
        let lost = plan.numbers(host).lost.get();
        let mut queue = self.queue.borrow_mut();
        let records = queue.poll(now_ms(root.now_ns()))?;
        Some(self.otlp.batch(records, lost))
    }

    async fn post(&self, root: &Root, body: Vec<u8>) -> (Answer, Option<u16>) {
        let target = &self.target;
        let call = Call {
            upstream: target.cluster.clone(),
            method: "POST",
            scheme: target.scheme,
            authority: target.authority.clone(),
            path: target.path.clone(),
            headers: target.headers.clone(),
            body,
            timeout_ms: target.timeout_ms,
            max_answer_bytes: LONGEST_ANSWER,
            body_optional: true,
        };
        let answer = root.call(&call).await.ok();
        let response = answer.as_ref().map(|answer| Response {
            status: Some(answer.status),
            retry_after: answer.headers.first("retry-after"),
            body: &answer.body,
        });
        let response = response.unwrap_or_default();
        let now_ms = now_ms(root.now_ns());
        (response.answer(&target.retry_also, now_ms), response.status)
    }

    fn answered(&self, root: &Root, (answer, status): (Answer, Option<u16>), healthy: &mut bool) {
        let host = root.host();
        // The upper half: the better bits of most generators.
        let jitter = u32::try_from(host.random() >> 32).unwrap_or_default();
        self.queue
            .borrow_mut()
            .answered(now_ms(root.now_ns()), answer, jitter);
        if matches!(answer, Answer::Retry { .. }) {
            self.tally.retried(host);
        }
        let well = matches!(answer, Answer::Delivered { .. });
        if std::mem::replace(healthy, well) != well {
            let status = status.map_or("no answer".to_owned(), |status| format!("status {status}"));
            match well {
                true => host.log(Level::Info, "audit_log: the sink takes events again"),
                false => host.log(
                    Level::Warn,
                    &format!("audit_log: the sink does not take events ({status})"),
                ),
            }
        }
    }
}
