//! How much a caller may take now: the generic cell rate algorithm (GCRA) on one 64-bit number per
//! window.
//!
//! A window of `quota` units per `window_ns` is an *emission interval* (`window / quota`, the time
//! in which one unit grows back) and a *tolerance* (`burst × emission`). What is stored is the
//! theoretical arrival time (TAT): the instant at which the bucket is full again. Taking `cost`
//! units moves the TAT by `cost × emission`; the take is refused when the TAT would lie further
//! ahead of now than the tolerance. So `remaining`, `reset` and `retry_after` follow from one
//! number and the clock, exactly.
//!
//! All arithmetic is on integers. The emission interval is rounded UP to a nanosecond, and the
//! tolerance is a multiple of the rounded interval: a bucket of n units holds exactly n, and the
//! long-run rate is never above the quota (below it by at most one part in 1,000, at the fastest
//! rate that [`Rate::new`] accepts; by less than one part in a million from one unit per
//! millisecond down).
//!
//! [`judge`] decides several windows all-or-nothing. [`Table`] keeps the TATs in a fixed number of
//! shared slots. What this module cannot do: align windows with a calendar, or count what other
//! hosts admit.

mod claim;
mod layout;
mod shape;
mod siphash;
mod slots;
#[cfg(test)]
mod tests;

pub use claim::{Claim, Decision, Outcome, take_all};
pub use layout::{Layout, succeed};
pub use shape::{MAX_WAYS, MAX_WINDOWS, Shape, ShapeError, WAYS};
pub use siphash::{Seed, siphash24};
pub use slots::{Prepared, Table};

/// The shortest emission interval that a [`Rate`] may have: it bounds the error of rounding to one
/// part in 1,000.
const MIN_EMISSION_NS: u64 = 1_000;

/// The longest tolerance: about 73 years, which leaves the sum of a clock and a tolerance inside 64
/// bits.
const MAX_TOLERANCE_NS: u64 = 1 << 61;

/// One window: how many units grow back in which time, and how many may be taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    emission_ns: u64,
    tolerance_ns: u64,
    quota: u64,
    window_ns: u64,
    burst: u64,
}

/// Why three numbers do not make a [`Rate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateError {
    /// Quota, window or burst is zero.
    Zero,
    /// More than a million units a second: the emission interval would be too short to be exact.
    TooFast,
    /// The burst takes more than 73 years to grow back.
    TooSlow,
}

impl core::fmt::Display for RateError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Zero => "quota, window and burst must be at least 1",
            Self::TooFast => "more than 1,000,000 units a second cannot be counted exactly",
            Self::TooSlow => "the burst takes more than 73 years to grow back",
        })
    }
}

impl Rate {
    /// A window of `quota` units per `window_ns` nanoseconds, of which `burst` may be taken at
    /// once.
    pub fn new(quota: u64, window_ns: u64, burst: u64) -> Result<Self, RateError> {
        if quota == 0 || window_ns == 0 || burst == 0 {
            return Err(RateError::Zero);
        }
        let emission_ns = window_ns.div_ceil(quota);
        if emission_ns < MIN_EMISSION_NS {
            return Err(RateError::TooFast);
        }
        let tolerance_ns = emission_ns
            .checked_mul(burst)
            .filter(|&tolerance| tolerance <= MAX_TOLERANCE_NS)
            .ok_or(RateError::TooSlow)?;
        Ok(Self {
            emission_ns,
            tolerance_ns,
            quota,
            window_ns,
            burst,
        })
    }

    /// Units that grow back in one window.
    pub const fn quota(&self) -> u64 {
        self.quota
    }

    /// Length of the window in nanoseconds.
    pub const fn window_ns(&self) -> u64 {
        self.window_ns
    }

    /// Units that an untouched bucket holds.
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// Decides whether `cost` units may be taken at `now_ns` (nanoseconds since the Unix epoch)
    /// from a bucket with this TAT.
    ///
    /// A TAT further ahead than the tolerance cannot come from this rate and this clock (the clock
    /// was set back, or the limit was lowered): it is read as "empty now", so that nobody is locked
    /// out for longer than one full bucket takes to grow back.
    pub fn judge(&self, tat_ns: u64, now_ns: u64, cost: u64) -> Judged {
        let horizon = now_ns.saturating_add(self.tolerance_ns);
        let used_until = tat_ns.clamp(now_ns, horizon);
        let wanted = used_until.saturating_add(self.emission_ns.saturating_mul(cost));
        let admitted = wanted <= horizon;
        let tat_ns = if admitted { wanted } else { used_until };
        Judged {
            admitted,
            tat_ns,
            remaining: horizon
                .saturating_sub(tat_ns)
                .checked_div(self.emission_ns)
                .unwrap_or(0),
            reset_ns: tat_ns.saturating_sub(now_ns),
            retry_after_ns: if admitted {
                0
            } else {
                wanted.saturating_sub(horizon)
            },
        }
    }

    /// The TAT after `cost` units, taken before, are given back.
    ///
    /// `taken_until_ns` is the TAT that the take produced. What has grown back since then is not
    /// given a second time: a take of an hour ago, from a bucket that had filled up again
    /// meanwhile, gives nothing back. So giving back never admits more than the rate, and at worst
    /// gives a little less than it could.
    pub fn give_back(&self, tat_ns: u64, taken_until_ns: u64, now_ns: u64, cost: u64) -> u64 {
        let credit = self
            .emission_ns
            .saturating_mul(cost)
            .min(taken_until_ns.saturating_sub(now_ns));
        tat_ns.saturating_sub(credit)
    }

    /// How far ahead of the clock a bucket is under another rate that was so far ahead under this
    /// one: units that are taken stay taken, and those that are left do not grow by the change. An
    /// untouched bucket is one under any rate.
    pub fn carry(&self, ahead_ns: u64, to: &Self) -> u64 {
        if ahead_ns == 0 {
            return 0;
        }
        let taken = (u128::from(ahead_ns) * u128::from(to.emission_ns))
            .div_ceil(u128::from(self.emission_ns.max(1)));
        let taken = u64::try_from(taken).unwrap_or(u64::MAX);
        let withheld = to.burst.saturating_sub(self.burst);
        taken
            .saturating_add(withheld.saturating_mul(to.emission_ns))
            .min(to.tolerance_ns)
    }

    /// Whether an untouched bucket holds `cost` units: if not, no waiting helps.
    pub const fn can_ever_admit(&self, cost: u64) -> bool {
        cost <= self.burst
    }
}

/// What one window says to one take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Whether this window allows the take.
    pub admitted: bool,
    /// The TAT to store: moved if admitted, otherwise as it was (but never behind the clock).
    pub tat_ns: u64,
    /// Whole units that could be taken right after this decision.
    pub remaining: u64,
    /// Nanoseconds until the bucket is full again.
    pub reset_ns: u64,
    /// Nanoseconds after which the same take would be admitted if nothing else is taken; 0 if it
    /// was admitted now.
    pub retry_after_ns: u64,
}

/// Decides one take against several windows of one key: either all of them admit it and all TATs
/// move, or none moves.
///
/// Windows without a TAT count as untouched. The answer has one entry for each rate, in order; when
/// the take is refused, the windows that would have admitted it say `admitted: true` but report
/// what remains WITHOUT the take.
pub fn judge(rates: &[Rate], tats_ns: &[u64], now_ns: u64, cost: u64) -> (bool, Vec<Judged>) {
    let stored = || tats_ns.iter().copied().chain(core::iter::repeat(0));
    let mut judged: Vec<Judged> = rates
        .iter()
        .zip(stored())
        .map(|(rate, tat)| rate.judge(tat, now_ns, cost))
        .collect();
    let admitted = judged.iter().all(|window| window.admitted);
    if !admitted {
        for ((window, rate), tat) in judged.iter_mut().zip(rates).zip(stored()) {
            if window.admitted {
                *window = rate.judge(tat, now_ns, 0);
            }
        }
    }
    (admitted, judged)
}
