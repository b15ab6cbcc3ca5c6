//! Keeping fetched keys fresh: the background task of one source.
//!
//! A loop: look whether another worker has put newer keys into shared data; if ours are due, or a request wants newer ones, try to
//! become the leader; the leader fetches, shares and tells. Then sleep until the next tick. Nothing here ever takes keys
//! away: keys that cannot be refreshed grow old, and the request side decides when they are too old.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use modelgate_kit::bucket::SharedData;
use modelgate_kit::host::{Host, Level};
use modelgate_kit::root::Root;

use super::Fetched;
use super::fetch::parse_keys;
use super::lease::{Attempt, Hold};

/// How often shared data is looked at, in milliseconds; a tick is the finest there is.
pub const LOOK_EVERY_MS: u64 = 400;

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
        if asked || now_ms >= fetched.due_ms() {
            match fetched.try_fetch(&root, now_ms).await {
                // Somebody is at it: its keys will be in shared data soon, and whoever waits goes on waiting.
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
    fn due_ms(&self) -> u64 {
        self.state.borrow().due_ms
    }

    /// Takes over newer keys of another worker. Whether there were any.
    fn look(&self, host: &dyn Host) -> bool {
        let (seen, have_ms) = {
            let state = self.state.borrow();
            (state.seen, state.fetched_ms)
        };
        let Some((entry, number)) = self.shelf.look(host, seen) else {
            return false;
        };
        self.state.borrow_mut().seen = Some(number);
        if entry.fetched_ms <= have_ms {
            return false;
        }
        match parse_keys(entry.jwks.as_bytes()) {
            Ok(set) => {
                self.adopt(&entry, set, host.random());
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
        let known = self.state.borrow().hold;
        let hold = match self.lease.take(&SharedData(host), now_ms, hold_ms) {
            Ok(Attempt::Taken { failures }) => {
                self.fetch_as_leader(root, timeout_ms, failures).await
            }
            Ok(Attempt::Held(hold)) => hold,
            // Without shared data every worker is its own leader and remembers its own pauses.
            Err(_) => match known {
                Some((hold, until_ms)) if now_ms < until_ms => hold,
                _ => self.fetch_as_leader(root, timeout_ms, 0).await,
            },
        };
        let pause_ms = self.refresh.min_interval_s.value().saturating_mul(1000);
        self.state.borrow_mut().hold = Some((hold, now_ms.saturating_add(pause_ms)));
        hold
    }

    async fn fetch_as_leader(&self, root: &Root, timeout_ms: u32, failures: u32) -> Hold {
        let outcome = self
            .origin
            .fetch(root, timeout_ms, self.refresh.max_bytes.size())
            .await;
        let host = root.host();
        let now_ms = root.now_ns() / 1_000_000;
        let store = SharedData(host);
        self.fetches.add(host, 1);
        match outcome {
            Ok((jwks, set)) => {
                if set.skipped() > 0 {
                    host.log(
                        Level::Info,
                        &format!(
                            "{}: {} keys of the fetched set cannot be used",
                            self.name,
                            set.skipped()
                        ),
                    );
                }
                let entry = self.shelf.put(host, &jwks, now_ms);
                self.adopt(&entry, set, host.random());
                let interval_ms = self.refresh.min_interval_s.value().saturating_mul(1000);
                let _ = self.lease.succeed(&store, now_ms, interval_ms);
                Hold::Fresh
            }
            Err(fault) => {
                self.failures.add(host, 1);
                host.log(
                    Level::Warn,
                    &format!("{}: keys could not be fetched: {fault}", self.name),
                );
                let _ = self.lease.fail(&store, now_ms, failures, host.random());
                Hold::Failed
            }
        }
    }
}
