//! The background work: takes batches out of the queue, posts them, and tells the queue how it went.
//!
//! It runs on ticks and on answers, never inside a request's callback. While the sink takes batches quickly, each answer sends
//! the next one, so a tick limits how soon a small batch leaves, not how many events a second do.

use std::rc::Rc;

use modelgate_kit::call::Call;
use modelgate_kit::host::{Host, Level};
use modelgate_kit::root::Root;

use crate::otlp::parse_answer;
use crate::plan::{Plan, Shipping};
use crate::queue::Answer;

/// Longest answer that is read, in bytes: a collector answers with a count and a sentence.
const LONGEST_ANSWER: usize = 65_536;

/// How often the queue is looked at, in milliseconds.
pub const TICK_MS: u32 = 500;

/// Ships events until the VM ends.
pub async fn run(plan: Rc<Plan>, root: Root) {
    let Some(shipping) = &plan.shipping else {
        return;
    };
    let mut healthy = true;
    loop {
        match shipping.next_batch(now_ms(root.now_ns())) {
            Some(batch) => {
                let answer = shipping.post(&root, batch).await;
                shipping.answered(&root, answer, &mut healthy);
            }
            None => {
                // Events may have been dropped for their age.
                shipping.report(root.host());
                let next_look = root
                    .now_ns()
                    .saturating_add(u64::from(TICK_MS) * 1_000_000 / 2);
                root.sleep_until(next_look).await;
            }
        }
    }
}

/// The queue's clock.
pub fn now_ms(now_ns: u64) -> u64 {
    now_ns / 1_000_000
}

impl Shipping {
    fn next_batch(&self, now_ms: u64) -> Option<Vec<u8>> {
        let mut queue = self.queue.borrow_mut();
        let dropped = queue.counts().dropped();
        let records = queue.poll(now_ms)?;
        Some(self.otlp.batch(records, dropped))
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
        };
        match root.call(&call).await {
            Ok(answer) => {
                let retry_after = answer.headers.first("retry-after");
                (
                    parse_answer(Some(answer.status), retry_after, &answer.body),
                    Some(answer.status),
                )
            }
            Err(_) => (parse_answer(None, None, &[]), None),
        }
    }

    fn answered(&self, root: &Root, (answer, status): (Answer, Option<u16>), healthy: &mut bool) {
        let host = root.host();
        // The upper half: the better bits of most generators.
        let jitter = u32::try_from(host.random() >> 32).unwrap_or_default();
        self.queue
            .borrow_mut()
            .answered(now_ms(root.now_ns()), answer, jitter);
        self.report(host);
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

    /// Tells the proxy's counters what has changed in the queue.
    pub fn report(&self, host: &dyn Host) {
        let counts = self.queue.borrow().counts();
        self.tally.tell(host, counts);
    }
}
