//! Keeping fetched keys fresh: the background task of one source.
//!
//! A loop: look whether another worker has put newer keys into shared data; if ours are due, or a
//! request wants newer ones, try to become the leader; the leader fetches, shares and tells. Then
//! sleep until the next tick. Nothing here ever takes keys away: keys that cannot be refreshed grow
//! old, and the request side decides when they are too old.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use modelgate_kit::host::{Host, Level};
use modelgate_kit::root::Root;
use modelgate_kit::shared_data::SharedData;

use super::fault::FetchFault;
use super::lease::{Attempt, Hold};
use super::{Fetched, State};

/// How often shared data is looked at, in milliseconds; a tick is the finest there is.
pub const LOOK_EVERY_MS: u64 = 400;

/// How long a fault that goes on is not logged again, in milliseconds.
const TELL_AGAIN_MS: u64 = 60_000;

/// Keeps the keys of one source fresh for as long as the plan lives.
pub async fn keep_fresh(fetched: Rc<Fetched>, root: Root) {
    let mut asked = false;
    loop {
        asked |= fetched.wanted.take();
        if fetched.look(root.host()) {
            asked = false;
            root.notify(&fetched.signal);
        }
        let now_ms = root.now_ns() / 1_000_000;
        if (asked || now_ms >= fetched.due_ms()) && fetched.has_something_to_fetch() {
            match fetched.try_fetch(&root, now_ms).await {
                // Somebody is at it: its keys will be in shared data soon, and whoever waits goes
                // on waiting.
                Hold::Fetching => {}
                Hold::Fresh | Hold::Failed => {
                    asked = false;
                    root.notify(&fetched.signal);
                }
            }
        }
        let next_ms = (root.now_ns() / 1_000_000).saturating_add(LOOK_EVERY_MS);
        poll_fn(|_| {
            let is_time = fetched.wanted.get() || root.now_ns() / 1_000_000 >= next_ms;
            if is_time {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

impl Fetched {
    /// Single keys are fetched once somebody has named one.
    fn has_something_to_fetch(&self) -> bool {
        let state = self.state.borrow();
        !self.origin.is_per_kid() || !state.wanted.is_empty() || !state.jwks.is_empty()
    }

    fn due_ms(&self) -> u64 {
        self.state.borrow().due_ms
    }

    /// Takes over newer keys of another worker. Whether there were any.
    fn look(&self, host: &dyn Host) -> bool {
        let (seen, have_ms) = {
            let state = self.state.borrow();
            (state.seen, state.fetched_ms)
        };
        let Some((entry, number)) = self.key_cache.look(host, seen) else {
            return false;
        };
        self.state.borrow_mut().seen = Some(number);
        if entry.fetched_ms <= have_ms {
            return false;
        }
        match self.origin.read(entry.jwks.as_bytes()) {
            Ok(set) => {
                self.adopt(&entry, set, host.random(), host.now_ns() / 1_000_000);
                true
            }
            Err(_) => false,
        }
    }

    /// Fetches if we may. What then stands in the way of another fetch.
    async fn try_fetch(&self, root: &Root, now_ms: u64) -> Hold {
        let host = root.host();
        let timeout_ms = self.refresh.timeout_ms.short();
        let hold_ms = self.origin.longest_ms(timeout_ms);
        let (hold, until_ms) = match self.lease.take(&SharedData(host), now_ms, hold_ms) {
            Ok(Attempt::Taken { failures }) => {
                self.fetch_as_leader(root, timeout_ms, failures).await
            }
            Ok(Attempt::Held(hold, until_ms)) => {
                // Whoever has fetched has shared the keys before he said so.
                self.look(host);
                (hold, until_ms)
            }
            // Without shared data every worker is its own leader and remembers its own pauses.
            Err(_) => match self.hold(now_ms) {
                Some(held) => held,
                None => self.fetch_as_leader(root, timeout_ms, 0).await,
            },
        };
        // Who fetches at this moment may be done the next.
        let known = (hold != Hold::Fetching).then_some((hold, until_ms));
        self.state.borrow_mut().hold = known;
        hold
    }

    async fn fetch_as_leader(&self, root: &Root, timeout_ms: u32, failures: u32) -> (Hold, u64) {
        let begun_ms = root.now_ns() / 1_000_000;
        let names = {
            let mut state = self.state.borrow_mut();
            let State { wanted, jwks, .. } = &mut *state;
            if self.origin.is_per_kid() {
                wanted.take_with(jwks)
            } else {
                Vec::new()
            }
        };
        let outcome = self
            .origin
            .fetch(
                root,
                &self.headers,
                &names,
                timeout_ms,
                self.refresh.max_bytes.size(),
            )
            .await;
        let host = root.host();
        let now_ms = root.now_ns() / 1_000_000;
        let store = SharedData(host);
        let interval_ms = self.refresh.min_interval_s.value().saturating_mul(1000);
        self.fetches.add(host, 1);
        match outcome {
            Ok((jwks, set)) => {
                let left_out = set.describe_skipped();
                let entry = self.key_cache.put(host, &jwks, begun_ms);
                let is_new = self.adopt(&entry, set, host.random(), now_ms);
                {
                    let mut state = self.state.borrow_mut();
                    state.told = None;
                    let keys = state.keys.clone();
                    let is_there = |kid: &str| keys.iter().any(|keys| keys.set.has(kid));
                    for kid in names.iter().filter(|kid| !is_there(kid)) {
                        self.note_unknown(&mut state, kid, now_ms);
                    }
                }
                if let Some(keys) = left_out.filter(|_| is_new) {
                    host.log(
                        Level::Info,
                        &format!(
                            "{}: keys that cannot be used are left out: {keys}",
                            self.name
                        ),
                    );
                }
                let _ = self.lease.succeed(&store, now_ms, interval_ms);
                (Hold::Fresh, now_ms.saturating_add(interval_ms))
            }
            Err(fault) => {
                self.failures.add(host, 1);
                self.tell(host, fault, now_ms);
                let until_ms = self.lease.fail(&store, now_ms, failures, host.random());
                let pause_ms = now_ms.saturating_add(interval_ms);
                (Hold::Failed, until_ms.unwrap_or(pause_ms))
            }
        }
    }

    /// Logs a fault; the same one again only once a minute.
    fn tell(&self, host: &dyn Host, fault: FetchFault, now_ms: u64) {
        let mut state = self.state.borrow_mut();
        let is_known = state.told.as_ref().is_some_and(|(told, at_ms)| {
            *told == fault && now_ms < at_ms.saturating_add(TELL_AGAIN_MS)
        });
        if !is_known {
            host.log(
                Level::Warn,
                &format!("{}: keys could not be fetched: {fault}", self.name),
            );
            state.told = Some((fault, now_ms));
        }
    }
}
