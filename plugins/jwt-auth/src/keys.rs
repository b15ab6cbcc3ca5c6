//! The keys of one issuer: given in the configuration, or fetched and kept fresh, one worker for
//! all ([`modelgate_kit::refresh`]).
//!
//! When a token names a key that we do not have, or there are no keys at all, the request may wait
//! for newer ones. Only a set that was asked for after the request had come says that a key does
//! not exist: until then the request waits, or is told to come again.

mod fault;
mod fetch;
mod issuer;
mod per_kid;

use std::rc::Rc;

use modelgate_kit::config::fingerprint;
use modelgate_kit::exchange::Exchange;
use modelgate_kit::jose::KeySet;
use modelgate_kit::refresh::{Asking as Waiting, Refreshed, Renewal, Sharing, Timing};

pub use fetch::{CallHeaders, Origin, well_known};
pub use issuer::{Issuer, Keys};
pub use per_kid::Template;
use per_kid::is_plain;

use crate::config::Refresh;

/// Longest pause after failures, in milliseconds.
const MAX_BACK_OFF_MS: u64 = 60_000;

/// Where an issuer's keys come from.
#[derive(Clone)]
pub enum Source {
    /// The configuration.
    Given(Rc<Keys>),
    /// The network.
    Fetched(Rc<Fetched>),
}

/// Keys that are fetched.
pub type Fetched = Refreshed<Issuer>;

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

impl Source {
    /// Whether both are the same keys, now and later.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Given(a), Self::Given(b)) => Rc::ptr_eq(a, b),
            (Self::Fetched(a), Self::Fetched(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Who may have signed a token, by its header, where others sign with the same keys.
    pub fn signers(&self) -> Option<&[String]> {
        match self {
            Self::Fetched(fetched) => match fetched.source.origin() {
                Origin::PerKid { signers, .. } => Some(signers),
                Origin::Keys { .. } | Origin::Discovery { .. } => None,
            },
            Self::Given(_) => None,
        }
    }

    /// Keys from the configuration.
    pub fn given(set: KeySet) -> Self {
        Self::Given(Rc::new(Keys::new(set, String::new())))
    }

    /// Keys from an origin. `name` is how logs call it: the path in the configuration.
    pub fn fetched(
        name: String,
        origin: Origin,
        headers: CallHeaders,
        refresh: Refresh,
        filter: &str,
    ) -> Rc<Fetched> {
        // By origin and not by profile: two profiles with one issuer share its keys.
        let source = origin.to_string();
        let key = format!(
            "modelgate.{filter}.keys.{:016x}",
            fingerprint(source.as_bytes())
        );
        let milliseconds = |seconds: u64| seconds.saturating_mul(1000);
        let timing = Timing {
            every_ms: milliseconds(refresh.every_s.value()),
            max_stale_ms: milliseconds(refresh.max_stale_s.value()),
            min_interval_ms: milliseconds(refresh.min_interval_s.value()),
            max_back_off_ms: MAX_BACK_OFF_MS,
            wait_ms: refresh.wait_ms.value(),
        };
        Rc::new(Refreshed::new(
            name.clone(),
            Issuer::new(name, origin, headers, refresh),
            Sharing::Shared { key, source },
            timing,
            (filter, "key_fetches", "key_fetch_failures"),
        ))
    }

    /// The keys to judge by, unless there are none or they are too old.
    pub fn current(&self, now_ms: u64) -> Option<Rc<Keys>> {
        match self {
            Self::Given(keys) => Some(Rc::clone(keys)),
            Self::Fetched(fetched) if fetched.is_empty() => fetched.source.none_yet(),
            Self::Fetched(fetched) => fetched.current(now_ms),
        }
    }

    /// Asks for newer keys, and waits, bounded. Keys that were given never change.
    pub async fn renew(&self, exchange: &Exchange, asking: Asking<'_>) -> Renewal {
        let Self::Fetched(fetched) = self else {
            return Renewal::UpToDate;
        };
        let issuer = &fetched.source;
        let single = match (issuer.origin().is_per_kid(), asking.doubt) {
            (true, Doubt::Unknown(kid)) => match kid.filter(|kid| is_plain(kid)) {
                Some(kid) => Some(kid),
                None => return Renewal::UpToDate,
            },
            _ => None,
        };
        let waiting = Waiting {
            since_ms: asking.since_ms,
            // Of a key that we have, its name says enough where the issuer cannot be asked.
            is_settled: asking.doubt == Doubt::Signature,
        };
        let is_enough = |now_ms, has_keys| {
            let is_enough = has_keys && is_certain(fetched, asking, now_ms);
            if let Some(kid) = single.filter(|_| !is_enough) {
                issuer.want(kid);
            }
            is_enough
        };
        fetched.renew(exchange, waiting, is_enough).await
    }
}

/// Whether what we have is all there is: it was asked for after the request had come, or does
/// certainly not have the key.
fn is_certain(fetched: &Fetched, asking: Asking<'_>, now_ms: u64) -> bool {
    let issuer = &fetched.source;
    let is_later = fetched.fetched_ms() >= asking.since_ms;
    match asking.doubt {
        Doubt::Signature => is_later,
        // Of single keys, those of other names were asked for.
        Doubt::Unknown(kid) => {
            let is_later = is_later && !issuer.origin().is_per_kid();
            let Some(kid) = kid else {
                return is_later;
            };
            if is_later {
                issuer.note_unknown(kid, now_ms);
            }
            is_later || issuer.is_known_unknown(kid, now_ms)
        }
    }
}
