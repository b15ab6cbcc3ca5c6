//! The background task of one source.
//!
//! A loop: look whether somebody else has put something newer into its place; if ours is due, or a
//! request wants something newer, try to become the leader; the leader fetches, shares and tells.
//! Then sleep until the next tick. Nothing here ever takes anything away: what cannot be refreshed
//! grows old, and the request side decides when it is too old.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use crate::host::{Host, Level};
use crate::root::Root;

use super::lease::{Attempt, Hold};
use super::place::Place;
use super::{Refreshed, Source};

/// How often the place is looked at, in milliseconds; a tick is the finest there is.
const LOOK_EVERY_MS: u64 = 400;
/// How long a fault that goes on is not logged again, in milliseconds.
const TELL_AGAIN_MS: u64 = 60_000;
/// Shortest pause after failures where what there is expires soon, in milliseconds.
const LEAST_BACK_OFF_MS: u64 = 1000;

impl<S: Source> Refreshed<S> {
    /// Joins the configurations of this VM that keep the same, and takes over what they have: to be
    /// called where the background work is set up, while a configuration that is replaced is still
    /// there.
    pub fn join(&self, root: &Root) {
        self.place.open(root);
        self.look(root.host());
    }

    /// Keeps it fresh for as long as the plan lives.
    pub async fn keep_fresh(self: Rc<Self>, root: Root) {
        self.place.open(&root);
        let mut asked = false;
        loop {
            asked |= self.wanted.take();
            if self.look(root.host()) {
                asked = false;
                root.notify(&self.signal);
            }
            let now_ms = root.now_ns() / 1_000_000;
            if (asked || now_ms >= self.state.borrow().due_ms) && self.has_something_to_fetch() {
                match self.try_fetch(&root, now_ms).await {
                    // Somebody is at it: what he brings will be there soon, and whoever waits goes
                    // on waiting.
                    Hold::Fetching => {}
                    Hold::Fresh | Hold::Failed => {
                        asked = false;
                        root.notify(&self.signal);
                    }
                }
            }
            let next_ms = (root.now_ns() / 1_000_000).saturating_add(LOOK_EVERY_MS);
            poll_fn(|_| {
                let is_time = self.wanted.get() || root.now_ns() / 1_000_000 >= next_ms;
                if is_time {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        }
    }

    fn has_something_to_fetch(&self) -> bool {
        let state = self.state.borrow();
        self.source.has_something_to_fetch(state.kept.as_deref())
    }

    /// Takes over something newer of somebody else. Whether there was any.
    fn look(&self, host: &dyn Host) -> bool {
        let (seen, have_ms) = {
            let state = self.state.borrow();
            (state.seen, state.fetched_ms)
        };
        let Some((number, found)) = self.place.look(host, &self.source, seen, have_ms) else {
            return false;
        };
        self.state.borrow_mut().seen = Some(number);
        let Some(found) = found else {
            return false;
        };
        let now_ms = host.now_ns() / 1_000_000;
        self.adopt(found.payload, found.fetched_ms, host.random(), now_ms);
        true
    }

    /// Fetches if we may. What then stands in the way of another fetch.
    async fn try_fetch(&self, root: &Root, now_ms: u64) -> Hold {
        let host = root.host();
        let hold_ms = self.source.longest_ms();
        let (hold, until_ms) = match self.place.take(host, now_ms, hold_ms) {
            Ok(Attempt::Taken { failures }) => self.fetch_as_leader(root, failures).await,
            Ok(Attempt::Held(hold, until_ms)) => {
                // Whoever has fetched has shared it before he said so.
                self.look(host);
                (hold, until_ms)
            }
            // Without shared data every worker is its own leader and remembers its own pauses.
            Err(_) => match self.hold(now_ms) {
                Some(held) => held,
                None => self.fetch_as_leader(root, 0).await,
            },
        };
        // Who fetches at this moment may be done the next.
        let known = (hold != Hold::Fetching).then_some((hold, until_ms));
        self.state.borrow_mut().hold = known;
        hold
    }

    async fn fetch_as_leader(&self, root: &Root, failures: u32) -> (Hold, u64) {
        let begun_ms = root.now_ns() / 1_000_000;
        let kept = self.state.borrow().kept.clone();
        let leading = Leading(Some(&self.place));
        let outcome = self.source.fetch(root, kept).await;
        leading.ends();
        let host = root.host();
        let now_ms = root.now_ns() / 1_000_000;
        let interval_ms = self.timing.min_interval_ms;
        self.counters.count(host, outcome.is_err());
        match outcome {
            Ok(payload) => {
                let payload = Rc::new(payload);
                self.place.put(host, &self.source, &payload, begun_ms);
                let is_new = self.adopt(Rc::clone(&payload), begun_ms, host.random(), now_ms);
                self.state.borrow_mut().told = None;
                self.source.succeeded(host, &payload, is_new, now_ms);
                self.place.succeed(host, now_ms, interval_ms);
                (Hold::Fresh, now_ms.saturating_add(interval_ms))
            }
            Err(fault) => {
                self.tell(host, fault, now_ms);
                let most_ms = self.longest_back_off_ms(now_ms);
                let until_ms = self.place.fail(host, now_ms, failures, most_ms);
                let pause_ms = now_ms.saturating_add(interval_ms);
                (Hold::Failed, until_ms.unwrap_or(pause_ms))
            }
        }
    }

    /// The nearer the end of what there is, the sooner the next attempt.
    fn longest_back_off_ms(&self, now_ms: u64) -> u64 {
        let most_ms = self.timing.max_back_off_ms;
        let expires_ms = self.state.borrow().expires_ms;
        match expires_ms.map(|expires_ms| expires_ms.saturating_sub(now_ms)) {
            Some(left_ms) if left_ms > 0 => {
                (left_ms / 4).clamp(LEAST_BACK_OFF_MS.min(most_ms), most_ms)
            }
            _ => most_ms,
        }
    }

    /// Logs a fault; the same one again only once a minute.
    fn tell(&self, host: &dyn Host, fault: S::Fault, now_ms: u64) {
        let mut state = self.state.borrow_mut();
        let is_known = state.told.as_ref().is_some_and(|(told, at_ms)| {
            *told == fault && now_ms < at_ms.saturating_add(TELL_AGAIN_MS)
        });
        if !is_known {
            host.log(
                Level::Warn,
                &format!("{}: {} could not be fetched: {fault}", self.name, S::WHAT),
            );
            state.told = Some((fault, now_ms));
        }
    }
}

/// A fetch of ours that is under way.
struct Leading<'a, S: Source>(Option<&'a Place<S>>);

impl<S: Source> Leading<'_, S> {
    /// It has ended by itself.
    fn ends(mut self) {
        self.0 = None;
    }
}

impl<S: Source> Drop for Leading<'_, S> {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            place.abandon();
        }
    }
}
