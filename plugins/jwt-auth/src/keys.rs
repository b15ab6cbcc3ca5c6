//! The keys of one issuer: given in the configuration, or fetched and kept fresh.
//!
//! Requests only ever read what is there. When a token names a key that we do not have, or there are no keys at all, the request may wait
//! for the background task ([`refresh`]), which is the only one that calls the issuer: once per proxy, however many requests ask, and
//! never more often than the least interval.

mod fetch;
mod lease;
mod location;
pub mod refresh;
mod shelf;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use modelgate_kit::config::fingerprint;
use modelgate_kit::exchange::Exchange;
use modelgate_kit::host::Host;
use modelgate_kit::jose::KeySet;
use modelgate_kit::metrics::Metric;
use modelgate_kit::vm::hub::Signal;

pub use fetch::Origin;
use lease::{Hold, Lease};
pub use location::{Location, well_known};
use shelf::{Entry, Shelf};

use crate::config::Refresh;

/// Most names of unknown keys that are remembered per issuer.
const MAX_UNKNOWN: usize = 256;

/// Keys as they are at one moment.
pub struct Keys {
    /// The keys.
    pub set: KeySet,
    /// Changes whenever the keys do: what was verified with keys of another generation has to be verified again.
    pub generation: u64,
}

/// Where an issuer's keys come from.
pub enum Source {
    /// The configuration.
    Given(Rc<Keys>),
    /// The network.
    Fetched(Rc<Fetched>),
}

/// Keys that are fetched.
pub struct Fetched {
    name: String,
    origin: Origin,
    refresh: Refresh,
    lease: Lease,
    shelf: Shelf,
    state: RefCell<State>,
    /// Somebody wants fresh keys.
    wanted: Cell<bool>,
    signal: Signal,
    fetches: Metric,
    failures: Metric,
}

#[derive(Default)]
struct State {
    keys: Option<Rc<Keys>>,
    jwks: String,
    fetched_ms: u64,
    /// Number of the shared entry that was read last.
    seen: Option<u32>,
    /// When this worker thinks that the keys should be fetched again.
    due_ms: u64,
    /// Why nobody fetched when somebody last tried, and when that was.
    hold: Option<(Hold, u64)>,
    unknown: Vec<(u64, u64)>,
}

/// What a request learns when it asks for newer keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Look again: there may be newer keys.
    Renewed,
    /// There are none: the keys are as fresh as they may be.
    UpToDate,
    /// The issuer cannot be asked.
    Unavailable,
}

impl Source {
    /// Keys from the configuration.
    pub fn given(set: KeySet) -> Self {
        Self::Given(Rc::new(Keys { set, generation: 0 }))
    }

    /// The keys to judge by, unless there are none or they are too old.
    pub fn current(&self, now_ms: u64) -> Option<Rc<Keys>> {
        match self {
            Self::Given(keys) => Some(Rc::clone(keys)),
            Self::Fetched(fetched) => fetched.current(now_ms),
        }
    }

    /// Asks for newer keys because of a token of this `kid` that no key fits, and waits, bounded. Keys that were given never change.
    pub async fn renew(&self, exchange: &Exchange, kid: Option<&str>) -> Renewal {
        match self {
            Self::Given(_) => Renewal::UpToDate,
            Self::Fetched(fetched) => fetched.renew(exchange, kid).await,
        }
    }

    /// A key was looked for in fresh keys, and is not there.
    pub fn note_unknown(&self, kid: Option<&str>, now_ms: u64) {
        if let (Self::Fetched(fetched), Some(kid)) = (self, kid) {
            fetched.note_unknown(kid, now_ms);
        }
    }
}

impl Fetched {
    /// Keys from an origin. `name` is how logs call it: the path in the configuration.
    pub fn new(name: String, origin: Origin, refresh: Refresh, filter: &str) -> Self {
        // By origin and not by profile: two profiles with one issuer share its keys.
        let source = origin.to_string();
        let key = format!(
            "modelgate.{filter}.keys.{:016x}",
            fingerprint(source.as_bytes())
        );
        Self {
            name,
            origin,
            refresh,
            lease: Lease::new(format!("{key}.lease")),
            shelf: Shelf::new(key, source),
            state: RefCell::default(),
            wanted: Cell::new(false),
            signal: Signal::default(),
            fetches: Metric::counter(filter, &[], "key_fetches"),
            failures: Metric::counter(filter, &[], "key_fetch_failures"),
        }
    }

    /// Defines the metrics, so that they show as 0.
    pub fn define_metrics(&self, host: &dyn Host) {
        self.fetches.define(host);
        self.failures.define(host);
    }

    fn current(&self, now_ms: u64) -> Option<Rc<Keys>> {
        let state = self.state.borrow();
        let oldest_s = self
            .refresh
            .every_s
            .value()
            .saturating_add(self.refresh.max_stale_s.value());
        let is_usable = now_ms.saturating_sub(state.fetched_ms) <= oldest_s.saturating_mul(1000);
        state.keys.as_ref().filter(|_| is_usable).map(Rc::clone)
    }

    async fn renew(&self, exchange: &Exchange, kid: Option<&str>) -> Renewal {
        let now_ms = exchange.now_ns() / 1_000_000;
        let has_keys = self.current(now_ms).is_some();
        if has_keys && kid.is_some_and(|kid| self.is_known_unknown(kid, now_ms)) {
            return Renewal::UpToDate;
        }
        // Another worker may have fetched meanwhile, or may be at it: the background task finds out.
        let before_ms = self.fetched_ms();
        self.wanted.set(true);
        exchange.nudge_background();
        let wait_ms = self.refresh.wait_ms.value();
        if wait_ms > 0 {
            let deadline_ns = now_ms.saturating_add(wait_ms).saturating_mul(1_000_000);
            exchange.signalled(&self.signal, deadline_ns).await;
        }
        let hold = self.state.borrow().hold;
        match hold {
            _ if self.fetched_ms() != before_ms => Renewal::Renewed,
            // Fetched just before we asked: what is not in there does not exist.
            Some((Hold::Fresh, _)) if has_keys => Renewal::UpToDate,
            _ => Renewal::Unavailable,
        }
    }

    fn fetched_ms(&self) -> u64 {
        self.state.borrow().fetched_ms
    }

    fn is_known_unknown(&self, kid: &str, now_ms: u64) -> bool {
        let print = fingerprint(kid.as_bytes());
        self.state
            .borrow()
            .unknown
            .iter()
            .any(|(known, until_ms)| *known == print && now_ms < *until_ms)
    }

    fn note_unknown(&self, kid: &str, now_ms: u64) {
        let until_ms =
            now_ms.saturating_add(self.refresh.unknown_key_ttl_s.value().saturating_mul(1000));
        let print = fingerprint(kid.as_bytes());
        let unknown = &mut self.state.borrow_mut().unknown;
        unknown.retain(|(known, until_ms)| *known != print && now_ms < *until_ms);
        if unknown.len() >= MAX_UNKNOWN {
            unknown.remove(0);
        }
        unknown.push((print, until_ms));
    }

    /// Takes over a key set that was checked. `random` spreads the workers' next refresh over the last fifth of the period.
    fn adopt(&self, entry: &Entry, set: KeySet, random: u64) {
        let mut state = self.state.borrow_mut();
        let period_ms = self.refresh.every_s.value().saturating_mul(1000);
        state.due_ms = entry
            .fetched_ms
            .saturating_add(period_ms)
            .saturating_sub(random % (period_ms / 5).max(1));
        state.fetched_ms = entry.fetched_ms;
        if state.keys.is_none() || state.jwks != entry.jwks {
            let generation = state
                .keys
                .as_ref()
                .map_or(0, |keys| keys.generation)
                .wrapping_add(1);
            state.keys = Some(Rc::new(Keys { set, generation }));
            state.jwks.clone_from(&entry.jwks);
            // New keys may be the unknown ones.
            state.unknown.clear();
        }
    }
}
