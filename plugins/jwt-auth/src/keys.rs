//! The keys of one issuer: given in the configuration, or fetched and kept fresh.
//!
//! Requests only ever read what is there. When a token names a key that we do not have, or there
//! are no keys at all, the request may wait for the background task ([`refresh`]), which is the
//! only one that calls the issuer: once per proxy, however many requests ask, and never more often
//! than the least interval. Only a set that was asked for after the request had come says that a
//! key does not exist: until then the request waits, or is told to come again.

mod fault;
mod fetch;
mod key_cache;
mod lease;
mod per_kid;
pub mod refresh;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use modelgate_kit::config::fingerprint;
use modelgate_kit::exchange::Exchange;
use modelgate_kit::host::Host;
use modelgate_kit::jose::{Key, KeySet};
use modelgate_kit::metrics::Metric;
use modelgate_kit::signal::Signal;

use fault::FetchFault;
pub use fetch::{CallHeaders, Origin, well_known};
use key_cache::{Entry, KeyCache};
use lease::{Hold, Lease};
pub use per_kid::Template;
use per_kid::{Wanted, is_plain};

use crate::config::Refresh;

/// Most names of unknown keys, and of keys taken out, that are remembered per issuer.
const MAX_UNKNOWN: usize = 256;
/// Most requests that wait until the issuer may be asked again; the next are told to come again.
const MAX_WAITING: usize = 256;
/// What must be left of a request's time to wait when the issuer may be asked again, in
/// milliseconds: a tick, and the call.
const LEAST_LEFT_MS: u64 = 500;
/// How often a request that waits looks for newer keys at most. It looks when something has
/// changed, which is a few times.
const MOST_LOOKS: usize = 64;

/// Seconds after which a client may try again where nothing better is known.
const RETRY_AFTER_S: u64 = 5;

/// Keys as they are at one moment.
pub struct Keys {
    /// The keys.
    pub set: KeySet,
    /// Changes whenever the keys do: what was verified with keys of another generation has to be
    /// verified again.
    pub generation: u64,
}

/// Where an issuer's keys come from.
#[derive(Clone)]
pub enum Source {
    /// The configuration.
    Given(Rc<Keys>),
    /// The network.
    Fetched(Rc<Fetched>),
}

impl Source {
    /// Whether both are the same keys, now and later.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Given(a), Self::Given(b)) => Rc::ptr_eq(a, b),
            (Self::Fetched(a), Self::Fetched(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// Keys that are fetched.
pub struct Fetched {
    name: String,
    origin: Origin,
    headers: CallHeaders,
    refresh: Refresh,
    lease: Lease,
    key_cache: KeyCache,
    state: RefCell<State>,
    /// Somebody wants fresh keys.
    wanted: Cell<bool>,
    signal: Signal,
    /// A set without keys.
    none: Rc<Keys>,
    /// Requests that wait until the issuer may be asked again.
    waiting: Cell<usize>,
    fetches: Metric,
    failures: Metric,
}

#[derive(Default)]
struct State {
    keys: Option<Rc<Keys>>,
    jwks: String,
    /// When the issuer was asked for them.
    fetched_ms: u64,
    /// Number of the shared entry that was read last.
    seen: Option<u32>,
    /// When this worker thinks that the keys should be fetched again.
    due_ms: u64,
    /// Why nobody fetches, and until when.
    hold: Option<(Hold, u64)>,
    /// Names of keys that the issuer does not have, and until when that is taken for certain.
    unknown: Vec<(u64, u64)>,
    /// Names of keys that the issuer has had and taken out, the last ones.
    retired: Vec<u64>,
    /// Single keys that tokens have named.
    wanted: Wanted,
    /// The fault that was logged last, and when.
    told: Option<(FetchFault, u64)>,
}

/// Why a request asks for newer keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt<'a> {
    /// No key fits its token; the `kid`, if there is one.
    Unknown(Option<&'a str>),
    /// A key fits, and the signature is not that key's: forged, most likely, or the issuer has put
    /// another key under the name.
    Signature,
}

/// A request that asks for newer keys.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Why.
    pub doubt: Doubt<'a>,
    /// When it came.
    pub since_ms: u64,
}

/// What a request learns when it asks for newer keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Look again: there may be newer keys.
    Renewed,
    /// There are none: the keys are as fresh as they may be.
    UpToDate,
    /// The issuer cannot be asked before so many seconds have passed.
    Unavailable(u64),
}

impl Source {
    /// Who may have signed a token, by its header, where others sign with the same keys.
    pub fn signers(&self) -> Option<&[String]> {
        match self {
            Self::Fetched(fetched) => match &fetched.origin {
                Origin::PerKid { signers, .. } => Some(signers),
                Origin::Keys { .. } | Origin::Discovery { .. } => None,
            },
            Self::Given(_) => None,
        }
    }

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

    /// Asks for newer keys, and waits, bounded. Keys that were given never change.
    pub async fn renew(&self, exchange: &Exchange, asking: Asking<'_>) -> Renewal {
        match self {
            Self::Given(_) => Renewal::UpToDate,
            Self::Fetched(fetched) => fetched.renew(exchange, asking).await,
        }
    }
}

impl Fetched {
    /// Keys from an origin. `name` is how logs call it: the path in the configuration.
    pub fn new(
        name: String,
        origin: Origin,
        headers: CallHeaders,
        refresh: Refresh,
        filter: &str,
    ) -> Self {
        // By origin and not by profile: two profiles with one issuer share its keys.
        let source = origin.to_string();
        let key = format!(
            "modelgate.{filter}.keys.{:016x}",
            fingerprint(source.as_bytes())
        );
        Self {
            name,
            origin,
            headers,
            refresh,
            lease: Lease::new(format!("{key}.lease")),
            key_cache: KeyCache::new(key, source),
            state: RefCell::default(),
            wanted: Cell::new(false),
            signal: Signal::default(),
            none: Rc::new(Keys {
                set: KeySet::default(),
                generation: 0,
            }),
            waiting: Cell::new(0),
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
        if state.keys.is_none() && self.origin.is_per_kid() {
            // No key has been named yet.
            return Some(Rc::clone(&self.none));
        }
        state.keys.as_ref().filter(|_| is_usable).map(Rc::clone)
    }

    async fn renew(&self, exchange: &Exchange, asking: Asking<'_>) -> Renewal {
        let deadline_ms = asking.since_ms.saturating_add(self.refresh.wait_ms.value());
        let single = match (self.origin.is_per_kid(), asking.doubt) {
            (true, Doubt::Unknown(kid)) => match kid.filter(|kid| is_plain(kid)) {
                Some(kid) => Some(kid),
                None => return Renewal::UpToDate,
            },
            _ => None,
        };
        let may_wait =
            self.refresh.wait_ms.value() > 0 && exchange.host().rules().exchanges_may_wait;
        // Of a key that we have, its name says enough where the issuer cannot be asked.
        let is_settled = asking.doubt == Doubt::Signature;
        let before_ms = self.fetched_ms();
        let mut has_looked = false;
        // Bounded also where the clock says at once that the time to wait is over, and over again.
        for _ in 0..MOST_LOOKS {
            let now_ms = exchange.now_ns() / 1_000_000;
            let has_keys = self.current(now_ms).is_some();
            if self.fetched_ms() != before_ms {
                return Renewal::Renewed;
            }
            if has_keys && self.is_certain(asking, now_ms) {
                return Renewal::UpToDate;
            }
            if let Some(kid) = single {
                self.state.borrow_mut().wanted.add(kid);
            }
            let until_ms = match self.hold(now_ms) {
                Some((Hold::Failed, _)) if is_settled => return Renewal::UpToDate,
                Some((Hold::Failed, until_ms)) => {
                    return Renewal::Unavailable(seconds(until_ms.saturating_sub(now_ms)));
                }
                // Without keys, the background task looks once whether others have left some.
                Some((Hold::Fresh, until_ms)) if has_keys || has_looked => {
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

    /// Whether what we have is all there is: it was asked for after the request had come, or does
    /// certainly not have the key.
    fn is_certain(&self, asking: Asking<'_>, now_ms: u64) -> bool {
        // Of single keys, those of other names were asked for.
        let is_later = self.fetched_ms() >= asking.since_ms && !self.origin.is_per_kid();
        match asking.doubt {
            Doubt::Unknown(Some(kid)) => {
                if is_later {
                    let mut state = self.state.borrow_mut();
                    self.note_unknown(&mut state, kid, now_ms);
                }
                is_later || self.is_known_unknown(kid, now_ms)
            }
            Doubt::Unknown(None) => is_later,
            Doubt::Signature => self.fetched_ms() >= asking.since_ms,
        }
    }

    /// Why nobody fetches at this moment, and until when.
    fn hold(&self, now_ms: u64) -> Option<(Hold, u64)> {
        let hold = self.state.borrow().hold;
        hold.filter(|(_, until_ms)| now_ms < *until_ms)
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

    /// A key is not there. For as long as the configuration says, that is certain; of keys that the
    /// issuer has taken out, and of single keys, also until the issuer may be asked again. A name
    /// that was never seen may be published the next moment.
    fn note_unknown(&self, state: &mut State, kid: &str, now_ms: u64) {
        let refresh = &self.refresh;
        let print = fingerprint(kid.as_bytes());
        let ttl_s = refresh.unknown_key_ttl_s.value();
        let certain_s = if self.origin.is_per_kid() || state.retired.contains(&print) {
            ttl_s.max(refresh.min_interval_s.value())
        } else {
            ttl_s
        };
        let unknown = &mut state.unknown;
        unknown.retain(|(known, until_ms)| *known != print && now_ms < *until_ms);
        if unknown.len() >= MAX_UNKNOWN {
            unknown.remove(0);
        }
        unknown.push((print, now_ms.saturating_add(certain_s.saturating_mul(1000))));
    }

    /// Takes over a key set that was checked; whether it is another one. `random` spreads the
    /// workers' next refresh over the last fifth of the period.
    fn adopt(&self, entry: &Entry, set: KeySet, random: u64, now_ms: u64) -> bool {
        let mut state = self.state.borrow_mut();
        let period_ms = self.refresh.every_s.value().saturating_mul(1000);
        state.due_ms = entry
            .fetched_ms
            .saturating_add(period_ms)
            .saturating_sub(random % (period_ms / 5).max(1));
        state.fetched_ms = entry.fetched_ms;
        if state.keys.is_some() && state.jwks == entry.jwks {
            return false;
        }
        let before = state.keys.take();
        let generation = before
            .as_ref()
            .map_or(0, |keys| keys.generation)
            .wrapping_add(1);
        // New keys may be the unknown ones; those that the issuer has taken out are known to be
        // gone.
        state.unknown.clear();
        for kid in set.iter().filter_map(Key::kid) {
            let print = fingerprint(kid.as_bytes());
            state.retired.retain(|retired| *retired != print);
        }
        for kid in before
            .iter()
            .flat_map(|keys| keys.set.iter())
            .filter_map(Key::kid)
        {
            if !set.has(kid) {
                if state.retired.len() >= MAX_UNKNOWN {
                    state.retired.remove(0);
                }
                state.retired.push(fingerprint(kid.as_bytes()));
                self.note_unknown(&mut state, kid, now_ms);
            }
        }
        state.keys = Some(Rc::new(Keys { set, generation }));
        state.jwks.clone_from(&entry.jwks);
        true
    }
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
