//! Keeping fresh what is fetched from outside: keys of issuers, credentials, tokens. One engine for
//! all of them.
//!
//! Requests only ever read what is there. Where it is not, or not new enough, a request may wait,
//! bounded, for the background task ([`Refreshed::keep_fresh`]), which is the only one that calls
//! the source: one at a time, never more often than the least interval, and after a failure with a
//! back-off. What was fetched last is kept until it is too old or has expired, however often the
//! source fails; its next refresh is spread, so that not all gateways call at once.
//!
//! Where it is kept is the source's to say ([`Sharing`]): what is public lies in the proxy's shared
//! data, and one worker fetches for all; a secret never does, and each VM fetches its own
//! (docs/decisions/0011-secrets-are-not-shared.md).

mod entry;
mod keep;
mod lease;
mod mark;
mod place;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::rc::Rc;

use crate::exchange::Exchange;
use crate::host::Host;
use crate::metrics::Metric;
use crate::root::Root;
use crate::signal::Signal;

pub use mark::Mark;

use lease::Hold;
use place::Place;

/// Most requests that wait until the source may be asked again; the next are told to come again.
const MAX_WAITING: usize = 256;
/// What must be left of a request's time to wait when the source may be asked again, in
/// milliseconds: a tick, and the call.
const LEAST_LEFT_MS: u64 = 500;
/// How often a request that waits looks for something newer at most. It looks when something has
/// changed, which is a few times.
const MOST_LOOKS: usize = 64;
/// Seconds after which a client may try again where nothing better is known.
const RETRY_AFTER_S: u64 = 5;
/// How long before its end a payload that expires is due again, in milliseconds; of one that lives
/// shorter, a fifth of its life (the SDKs of AWS refresh five minutes before).
const LEAD_MS: u64 = 300_000;

/// Where something is fetched from, and what it is.
pub trait Source: 'static {
    /// What is fetched.
    type Payload: 'static;
    /// Why it could not be. Logged: it names no secret, and of what came only what names a place.
    type Fault: Clone + PartialEq + Display;
    /// What log lines call the payload, in the plural: `keys`.
    const WHAT: &'static str;

    /// Fetches it; `kept` is what there is. Every call in it has a time-out.
    ///
    /// # Errors
    /// Why there is nothing newer. What is kept stays.
    fn fetch(
        &self,
        root: &Root,
        kept: Option<Rc<Self::Payload>>,
    ) -> impl Future<Output = Result<Self::Payload, Self::Fault>>;

    /// Longest time of a whole fetch, in milliseconds.
    fn longest_ms(&self) -> u64;

    /// When the payload expires by itself, in milliseconds since 1970 by this proxy's clock. None:
    /// it is judged by its age ([`Timing`]).
    fn expires_ms(&self, _payload: &Self::Payload) -> Option<u64> {
        None
    }

    /// Whether both are the same: then the one that is kept stays.
    fn is_same(&self, _kept: &Self::Payload, _newer: &Self::Payload) -> bool {
        false
    }

    /// Whether there is anything to ask for yet.
    fn has_something_to_fetch(&self, _kept: Option<&Self::Payload>) -> bool {
        true
    }

    /// Whether having nothing is as good as having something: its parts are fetched as they are
    /// asked for.
    fn is_piecemeal(&self) -> bool {
        false
    }

    /// The payload as text, for the other workers. None: it does not leave this VM.
    fn to_shared(&self, _payload: &Self::Payload) -> Option<String> {
        None
    }

    /// Reads what another worker has written. It is not trusted: none where it is not right.
    fn read_shared(&self, _text: &str) -> Option<Self::Payload> {
        None
    }

    /// Another payload takes the place of what was kept.
    fn adopted(&self, _before: Option<&Self::Payload>, _now: &Self::Payload, _now_ms: u64) {}

    /// A fetch of ours has succeeded; `is_new` where it has brought another payload.
    fn succeeded(&self, _host: &dyn Host, _now: &Self::Payload, _is_new: bool, _now_ms: u64) {}
}

/// Where the payload is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// In the proxy's shared data: one worker fetches for all. Every filter of the VMs with the
    /// same `vm_id` can read it, so it must be public.
    Shared {
        /// The key of the entry; the lease lies beside it.
        key: String,
        /// Names the source, in the entry.
        source: String,
    },
    /// In the memory of this VM: each worker fetches its own, and the configurations of one VM that
    /// give the same name have one.
    Own {
        /// The name. Whatever decides what is fetched must be in it, secrets as a digest.
        name: String,
    },
}

/// How often, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A payload that does not expire is fetched anew at this age, in milliseconds; up to a fifth
    /// earlier.
    pub every_ms: u64,
    /// And serves for so much longer where that fails, in milliseconds.
    pub max_stale_ms: u64,
    /// Least time between two fetches, in milliseconds.
    pub min_interval_ms: u64,
    /// Longest pause after failures, in milliseconds. Before the end of a payload that expires, a
    /// quarter of what is left of it, if that is shorter.
    pub max_back_off_ms: u64,
    /// Longest that a request waits, in milliseconds; 0 for not at all.
    pub wait_ms: u64,
}

/// What is kept fresh.
pub struct Refreshed<S: Source> {
    /// Where it is from.
    pub source: S,
    name: String,
    timing: Timing,
    place: Place<S>,
    state: RefCell<State<S>>,
    /// Somebody wants something newer.
    wanted: Cell<bool>,
    signal: Signal,
    /// Requests that wait until the source may be asked again.
    waiting: Cell<usize>,
    counters: Counters,
}

/// What is counted of fetches. Several sources may count together.
#[derive(Clone)]
pub struct Counters(Rc<[Metric; 2]>);

impl Counters {
    /// Counters of a filter, under these names.
    pub fn new(filter: &str, fetches: &'static str, failures: &'static str) -> Self {
        let counter = |name| Metric::counter(filter, &[], name);
        Self(Rc::new([fetches, failures].map(counter)))
    }

    /// Defines the metrics, so that they show as 0.
    pub fn define(&self, host: &dyn Host) {
        for metric in self.0.iter() {
            metric.define(host);
        }
    }

    fn count(&self, host: &dyn Host, has_failed: bool) {
        let [fetches, failures] = &*self.0;
        fetches.add(host, 1);
        if has_failed {
            failures.add(host, 1);
        }
    }
}

impl From<(&str, &'static str, &'static str)> for Counters {
    fn from((filter, fetches, failures): (&str, &'static str, &'static str)) -> Self {
        Self::new(filter, fetches, failures)
    }
}

struct State<S: Source> {
    kept: Option<Rc<S::Payload>>,
    /// When the source was asked for it.
    fetched_ms: u64,
    /// When it expires by itself.
    expires_ms: Option<u64>,
    /// Number of the shared entry that was read last.
    seen: Option<u32>,
    /// When this worker thinks that it should be fetched again.
    due_ms: u64,
    /// Why nobody fetches, and until when.
    hold: Option<(Hold, u64)>,
    /// The fault that was logged last, and when.
    told: Option<(S::Fault, u64)>,
}

/// A request that asks for something newer.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// When it came.
    pub since_ms: u64,
    /// What there is says enough where the source cannot be asked.
    pub is_settled: bool,
}

/// What a request learns that asks for something newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Look again: there may be something newer.
    Renewed,
    /// There is nothing newer: what there is, is as fresh as it may be.
    UpToDate,
    /// The source cannot be asked before so many seconds have passed.
    Unavailable(u64),
}

impl<S: Source> Refreshed<S> {
    /// What comes of a source. `name` is how logs call it: the path in the configuration;
    /// `counters` are its own or shared ones; or the filter, and their names.
    pub fn new(
        name: String,
        source: S,
        sharing: Sharing,
        timing: Timing,
        counters: impl Into<Counters>,
    ) -> Self {
        Self {
            source,
            name,
            timing,
            place: Place::new(sharing),
            state: RefCell::new(State {
                kept: None,
                fetched_ms: 0,
                expires_ms: None,
                seen: None,
                due_ms: 0,
                hold: None,
                told: None,
            }),
            wanted: Cell::new(false),
            signal: Signal::default(),
            waiting: Cell::new(0),
            counters: counters.into(),
        }
    }

    /// Defines the metrics, so that they show as 0.
    pub fn define_metrics(&self, host: &dyn Host) {
        self.counters.define(host);
    }

    /// What there is, unless it has expired or is too old.
    pub fn current(&self, now_ms: u64) -> Option<Rc<S::Payload>> {
        let state = self.state.borrow();
        let is_usable = match state.expires_ms {
            Some(expires_ms) => now_ms < expires_ms,
            None => {
                let Timing {
                    every_ms,
                    max_stale_ms,
                    ..
                } = self.timing;
                now_ms.saturating_sub(state.fetched_ms) <= every_ms.saturating_add(max_stale_ms)
            }
        };
        state.kept.as_ref().filter(|_| is_usable).map(Rc::clone)
    }

    /// Whether nothing was ever fetched.
    pub fn is_empty(&self) -> bool {
        self.state.borrow().kept.is_none()
    }

    /// When the source was asked for what there is, in milliseconds since 1970.
    pub fn fetched_ms(&self) -> u64 {
        self.state.borrow().fetched_ms
    }

    /// What there is; where there is nothing, waits for it, bounded.
    ///
    /// # Errors
    /// Seconds after which it may be there.
    pub async fn get(&self, exchange: &Exchange) -> Result<Rc<S::Payload>, u64> {
        let since_ms = exchange.now_ns() / 1_000_000;
        if let Some(kept) = self.current(since_ms) {
            return Ok(kept);
        }
        let asking = Asking {
            since_ms,
            is_settled: false,
        };
        let renewal = self.renew(exchange, asking, |_, has_one| has_one).await;
        let kept = self.current(exchange.now_ns() / 1_000_000);
        kept.ok_or(match renewal {
            Renewal::Unavailable(seconds) => seconds,
            Renewal::Renewed | Renewal::UpToDate => RETRY_AFTER_S,
        })
    }

    /// What there is does not serve any more, whatever its age, e.g. because the service has
    /// refused it: it is fetched anew as soon as that may be. Nobody waits for it.
    pub fn doubt(&self, exchange: &Exchange) {
        self.wanted.set(true);
        exchange.nudge_background();
    }

    /// Asks for something newer, and waits, bounded. `is_enough` is asked with the time, and
    /// whether there is anything usable, before each wait: whether what there is will do.
    pub async fn renew(
        &self,
        exchange: &Exchange,
        asking: Asking,
        mut is_enough: impl FnMut(u64, bool) -> bool,
    ) -> Renewal {
        let Asking {
            since_ms,
            is_settled,
        } = asking;
        let deadline_ms = since_ms.saturating_add(self.timing.wait_ms);
        let may_wait = self.timing.wait_ms > 0 && exchange.host().rules().exchanges_may_wait;
        let before_ms = self.fetched_ms();
        let mut has_looked = false;
        // Bounded also where the clock says at once that the time to wait is over, and over again.
        for _ in 0..MOST_LOOKS {
            let now_ms = exchange.now_ns() / 1_000_000;
            let has_one = self.has_one(now_ms);
            if self.fetched_ms() != before_ms {
                return Renewal::Renewed;
            }
            if is_enough(now_ms, has_one) {
                return Renewal::UpToDate;
            }
            let until_ms = match self.hold(now_ms) {
                Some((Hold::Failed, _)) if is_settled => return Renewal::UpToDate,
                Some((Hold::Failed, until_ms)) => {
                    return Renewal::Unavailable(seconds(until_ms.saturating_sub(now_ms)));
                }
                // With nothing, the background task looks once whether others have left something.
                Some((Hold::Fresh, until_ms)) if has_one || has_looked => {
                    if is_settled {
                        return Renewal::UpToDate;
                    }
                    // What was fetched just before we came may lack what was published since.
                    let is_late = until_ms.saturating_add(LEAST_LEFT_MS) > deadline_ms;
                    if is_late || self.waiting.get() >= MAX_WAITING {
                        return Renewal::Unavailable(seconds(until_ms.saturating_sub(now_ms)));
                    }
                    until_ms
                }
                _ if now_ms >= deadline_ms && may_wait => {
                    if is_settled {
                        return Renewal::UpToDate;
                    }
                    return Renewal::Unavailable(RETRY_AFTER_S);
                }
                // Another worker may have fetched meanwhile, or may be at it: the background task
                // finds out.
                _ => {
                    has_looked = true;
                    self.wanted.set(true);
                    exchange.nudge_background();
                    deadline_ms
                }
            };
            if !may_wait {
                return Renewal::Unavailable(RETRY_AFTER_S);
            }
            let _place = Waiting::new(&self.waiting);
            exchange
                .signalled(&self.signal, until_ms.saturating_mul(1_000_000))
                .await;
        }
        Renewal::Unavailable(RETRY_AFTER_S)
    }

    fn has_one(&self, now_ms: u64) -> bool {
        let has_none_yet = self.source.is_piecemeal() && self.is_empty();
        has_none_yet || self.current(now_ms).is_some()
    }

    /// Why nobody fetches at this moment, and until when.
    fn hold(&self, now_ms: u64) -> Option<(Hold, u64)> {
        let hold = self.state.borrow().hold;
        hold.filter(|(_, until_ms)| now_ms < *until_ms)
    }

    /// Takes over a payload that was checked; whether it is another one. `random` spreads the next
    /// refresh.
    fn adopt(&self, payload: Rc<S::Payload>, fetched_ms: u64, random: u64, now_ms: u64) -> bool {
        let expires_ms = self.source.expires_ms(&payload);
        let before = {
            let mut state = self.state.borrow_mut();
            state.due_ms = due_ms(&self.timing, fetched_ms, expires_ms, random);
            state.fetched_ms = fetched_ms;
            state.expires_ms = expires_ms;
            let kept = state.kept.as_ref();
            if kept.is_some_and(|kept| self.source.is_same(kept, &payload)) {
                return false;
            }
            state.kept.replace(Rc::clone(&payload))
        };
        self.source.adopted(before.as_deref(), &payload, now_ms);
        true
    }
}

/// When a payload is due again. One that expires: its lead before its end, and up to a tenth of its
/// life earlier; any other: in the last fifth of the period.
fn due_ms(timing: &Timing, fetched_ms: u64, expires_ms: Option<u64>, random: u64) -> u64 {
    let Some(expires_ms) = expires_ms else {
        let period_ms = timing.every_ms;
        let early_ms = random % (period_ms / 5).max(1);
        return fetched_ms
            .saturating_add(period_ms)
            .saturating_sub(early_ms);
    };
    let life_ms = expires_ms.saturating_sub(fetched_ms);
    let lead_ms = (life_ms / 5).min(LEAD_MS);
    let early_ms = random % (life_ms / 10).max(1);
    expires_ms.saturating_sub(lead_ms).saturating_sub(early_ms)
}

/// Whole seconds, at least one.
const fn seconds(ms: u64) -> u64 {
    let seconds = ms.div_ceil(1000);
    if seconds == 0 { 1 } else { seconds }
}

/// One of the requests that wait; gives its place back when it goes on, or away.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get().saturating_add(1));
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
