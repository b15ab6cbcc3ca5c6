//! Background work, on Envoy's main thread: callouts that belong to no exchange, their answers, and
//! ticks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::entry::Entry;
use super::envoy::{Answer, Callout};
use super::store::lock;
use super::worker::{Desk, Mail};

/// A callout that a worker's background wants made.
struct Outgoing {
    from: Arc<Desk>,
    number: u32,
    cluster: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    timeout_ms: u64,
}

/// Callouts of an entry.
#[derive(Default)]
pub struct Outbox {
    waiting: Mutex<Vec<Outgoing>>,
    /// By Envoy's number: whose they are, and the kit's number.
    underway: Mutex<BTreeMap<u64, (Arc<Desk>, u32)>>,
    /// Answers that nobody awaits yet, by Envoy's number: they came while the call was made.
    early: Mutex<BTreeMap<u64, Option<Answer>>>,
}

impl Outbox {
    /// The entry is gone.
    pub fn clear(&self) {
        lock(&self.waiting).clear();
        lock(&self.underway).clear();
        lock(&self.early).clear();
    }
}

impl Entry {
    /// A worker's background wants a callout made; from any thread.
    pub(super) fn post(&self, from: &Arc<Desk>, number: u32, call: &Callout<'_>) {
        let headers = call.headers.iter();
        let outgoing = Outgoing {
            from: Arc::clone(from),
            number,
            cluster: call.cluster.to_owned(),
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
                .collect(),
            body: call.body.to_vec(),
            timeout_ms: call.timeout_ms,
        };
        lock(&self.outbox.waiting).push(outgoing);
        self.call();
    }

    /// On the main thread: does what is due.
    pub fn on_main(self: &Arc<Self>) {
        // That of the main thread, should it be broken.
        let _ = self.worker();
        self.send();
        for worker in self.workers() {
            worker.deliver();
        }
    }

    /// On the main thread: a callout has been answered, or has failed.
    pub fn answered(&self, id: u64, answer: Option<Answer>) {
        let known = lock(&self.outbox.underway).remove(&id);
        let Some((desk, number)) = known else {
            lock(&self.outbox.early).insert(id, answer);
            return;
        };
        desk.put(Mail::Answer(number, answer));
        for worker in self.workers() {
            worker.deliver();
        }
    }

    fn send(&self) {
        let waiting = std::mem::take(&mut *lock(&self.outbox.waiting));
        for call in waiting {
            let headers: Vec<(&str, &[u8])> = call
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_slice()))
                .collect();
            let begun = self.config().callout(&Callout {
                cluster: &call.cluster,
                headers: &headers,
                body: &call.body,
                timeout_ms: call.timeout_ms,
            });
            let early = std::mem::take(&mut *lock(&self.outbox.early));
            match begun {
                Ok(id) => match early.into_iter().find(|(of, _)| *of == id) {
                    Some((_, answer)) => call.from.put(Mail::Answer(call.number, answer)),
                    None => {
                        let whose = (call.from, call.number);
                        lock(&self.outbox.underway).insert(id, whose);
                    }
                },
                Err(_) => call.from.put(Mail::Answer(call.number, None)),
            }
        }
    }
}
