//! Whether a target is in or out: a circuit breaker over a sliding window of outcomes.
//!
//! Closed, it counts the outcomes of the last window; when there are enough of them and too many
//! are bad, it opens. Open, the target gets no share of the requests. After a while, if it may come
//! back at all, it is on trial: so many requests are let through and no more, and only if at most
//! half of what would have opened it is bad does it close again. Each time that it fails soon after
//! it came back, the wait is twice as long, up to eight times.
//!
//! A [`Record`] is what workers share; everything here is pure, and says which record to store. A
//! record that cannot be read, or is of another window, is as none: the target is in.

/// Parts of a window: the sum moves on by a part at a time.
const PARTS: usize = 10;
/// The first byte of a record. Records of another layout are as none.
const LAYOUT: u8 = 1;
/// Bytes of a record.
const LENGTH: usize = 2 + 8 * 2 + 4 * 4 + 8 + PARTS * (8 + 4 * 3);
/// The wait doubles so often.
const MOST_DOUBLINGS: u8 = 3;
/// It comes back never.
const NEVER: u64 = u64::MAX;
/// Parts in a million.
pub const MILLION: u64 = 1_000_000;

/// When a target is taken out, and when it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The share of outcomes that may be errors, in parts of a million.
    pub errors: u64,
    /// The share of outcomes that may be slow, in parts of a million; nothing where none is.
    pub slow: Option<u64>,
    /// The window, in nanoseconds.
    pub window_ns: u64,
    /// Fewest outcomes that say anything.
    pub minimum: u32,
    /// When it is tried again, in nanoseconds after it was taken out; nothing for never.
    pub back_after_ns: Option<u64>,
    /// How many requests a trial has.
    pub trial: u32,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// With an error.
    pub error: bool,
    /// Later than it should.
    pub slow: bool,
}

/// Outcomes that were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    all: u32,
    errors: u32,
    slow: u32,
}

impl Counts {
    fn add(&mut self, outcome: Outcome) {
        self.all = self.all.saturating_add(1);
        self.errors = self.errors.saturating_add(u32::from(outcome.error));
        self.slow = self.slow.saturating_add(u32::from(outcome.slow));
    }

    fn join(self, other: Self) -> Self {
        Self {
            all: self.all.saturating_add(other.all),
            errors: self.errors.saturating_add(other.errors),
            slow: self.slow.saturating_add(other.slow),
        }
    }

    /// Whether more is bad than a share of it may be, of `of` outcomes; the share is divided by
    /// `divisor`.
    fn exceeds(self, rules: &Rules, of: u32, divisor: u64) -> bool {
        let more = |count: u32, share: u64| {
            u64::from(count)
                .saturating_mul(MILLION)
                .saturating_mul(divisor)
                > u64::from(of).saturating_mul(share)
        };
        more(self.errors, rules.errors) || rules.slow.is_some_and(|slow| more(self.slow, slow))
    }
}

/// A part of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part {
    number: u64,
    counts: Counts,
}

/// Where a target stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It has its share.
    #[default]
    Closed,
    /// It is tried.
    Trial,
    /// It has none.
    Open,
}

impl State {
    /// The word for metrics, notes and the runbook.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Trial => "trial",
            Self::Open => "open",
        }
    }

    /// As the gauge shows it.
    pub const fn gauge(self) -> u64 {
        match self {
            Self::Closed => 0,
            Self::Trial => 1,
            Self::Open => 2,
        }
    }
}

/// What is known of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    state: State,
    /// How often it was taken out in a row.
    times: u8,
    /// Since when it stands so.
    since_ns: u64,
    /// Open: when it is tried.
    until_ns: u64,
    /// On trial: requests that were let through, and what has come of them.
    admitted: u32,
    tried: Counts,
    /// What a part of the window is, in nanoseconds.
    part_ns: u64,
    parts: [Part; PARTS],
}

/// What is said of a request for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may go there.
    In,
    /// It may, as part of a trial, if this record is stored.
    OnTrial(Box<Record>),
    /// It goes elsewhere.
    Out,
}

impl Record {
    /// Where the target stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Outcomes, errors and slow ones in the window.
    pub fn window(&self, rules: &Rules, now_ns: u64) -> (u32, u32, u32) {
        let counts = self.sum(rules, now_ns);
        (counts.all, counts.errors, counts.slow)
    }

    /// Whether a request may go to the target now.
    pub fn admit(&self, rules: &Rules, now_ns: u64) -> Admission {
        let mut next = *self;
        match self.state {
            State::Closed => return Admission::In,
            State::Open if !self.is_due(rules, now_ns) => return Admission::Out,
            State::Open => next.begin_trial(now_ns),
            State::Trial if self.admitted < rules.trial => {
                next.admitted = self.admitted.saturating_add(1);
            }
            // What was let through has not come back: others are.
            State::Trial if now_ns.saturating_sub(self.since_ns) >= rules.window_ns => {
                next.begin_trial(now_ns);
            }
            State::Trial => return Admission::Out,
        }
        Admission::OnTrial(Box::new(next))
    }

    /// The record after an outcome; nothing where that changes nothing. `on_trial` says that the
    /// request was let through by [`Admission::OnTrial`].
    pub fn after(
        &self,
        rules: &Rules,
        now_ns: u64,
        outcome: Outcome,
        on_trial: bool,
    ) -> Option<Self> {
        let mut next = *self;
        match (self.state, on_trial) {
            (State::Closed, _) => {
                next.count(rules, now_ns, outcome);
                let counts = next.sum(rules, now_ns);
                if counts.all >= rules.minimum && counts.exceeds(rules, counts.all, 1) {
                    next.open(rules, now_ns);
                }
            }
            (State::Trial, true) => {
                next.tried.add(outcome);
                // Of as many as there will be: what can only fail has failed.
                if next.tried.exceeds(rules, rules.trial, 2) {
                    next.open(rules, now_ns);
                } else if next.tried.all >= rules.trial {
                    next = Self {
                        times: self.times,
                        since_ns: now_ns,
                        ..Self::default()
                    };
                }
            }
            // What was under way when it was taken out says nothing new.
            (State::Trial, false) | (State::Open, _) => return None,
        }
        Some(next)
    }

    /// Whether an open one is to be tried.
    fn is_due(&self, rules: &Rules, now_ns: u64) -> bool {
        let Some(back_after_ns) = rules.back_after_ns else {
            return false;
        };
        if self.until_ns == NEVER {
            // It was taken out under another configuration.
            return now_ns.saturating_sub(self.since_ns) >= back_after_ns;
        }
        // A clock that was set back does not keep it out for longer than the longest wait.
        let longest = back_after_ns.saturating_mul(1 << MOST_DOUBLINGS);
        self.until_ns <= now_ns || self.until_ns.saturating_sub(now_ns) > longest
    }

    fn begin_trial(&mut self, now_ns: u64) {
        self.state = State::Trial;
        self.since_ns = now_ns;
        self.admitted = 1;
        self.tried = Counts::default();
    }

    fn open(&mut self, rules: &Rules, now_ns: u64) {
        // Soon after it came back, or on trial: once more in a row.
        let soon = rules.window_ns.saturating_mul(4);
        let again = self.times > 0
            && (self.state == State::Trial || now_ns.saturating_sub(self.since_ns) < soon);
        let times = if again {
            self.times.saturating_add(1)
        } else {
            1
        };
        let doublings = times.saturating_sub(1).min(MOST_DOUBLINGS);
        let wait = |back: u64| now_ns.saturating_add(back.saturating_mul(1 << doublings));
        *self = Self {
            state: State::Open,
            times,
            since_ns: now_ns,
            until_ns: rules.back_after_ns.map_or(NEVER, wait),
            ..Self::default()
        };
    }

    fn count(&mut self, rules: &Rules, now_ns: u64, outcome: Outcome) {
        let part_ns = part_ns(rules);
        if self.part_ns != part_ns {
            self.part_ns = part_ns;
            self.parts = [Part::default(); PARTS];
        }
        let number = number(rules, now_ns);
        let parts = u64::try_from(PARTS).unwrap_or(1);
        let at = usize::try_from(number % parts).unwrap_or_default();
        if let Some(part) = self.parts.get_mut(at) {
            if part.number != number {
                *part = Part {
                    number,
                    ..Part::default()
                };
            }
            part.counts.add(outcome);
        }
    }

    fn sum(&self, rules: &Rules, now_ns: u64) -> Counts {
        if self.part_ns != part_ns(rules) {
            return Counts::default();
        }
        let now = number(rules, now_ns);
        let parts = u64::try_from(PARTS).unwrap_or(1);
        // Those that are over, or that a clock which was set back has left in the future, do not
        // count.
        let counts = self
            .parts
            .iter()
            .filter(|part| part.number <= now && now.saturating_sub(part.number) < parts)
            .map(|part| part.counts);
        counts.fold(Counts::default(), Counts::join)
    }

    /// As it is stored.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(LAYOUT | (self.state as u8) << 4);
        bytes.push(self.times);
        for word in [self.since_ns, self.until_ns] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        let put = |counts: Counts, bytes: &mut Vec<u8>| {
            for count in [counts.all, counts.errors, counts.slow] {
                bytes.extend_from_slice(&count.to_le_bytes());
            }
        };
        bytes.extend_from_slice(&self.admitted.to_le_bytes());
        put(self.tried, &mut bytes);
        bytes.extend_from_slice(&self.part_ns.to_le_bytes());
        for part in &self.parts {
            bytes.extend_from_slice(&part.number.to_le_bytes());
            put(part.counts, &mut bytes);
        }
        bytes
    }

    /// Whether what was stored is the record of a target that is in, or none at all.
    pub fn is_in(bytes: &[u8]) -> bool {
        bytes.len() != LENGTH || bytes.first() == Some(&LAYOUT) || Self::decode(bytes).is_none()
    }

    /// From what was stored; nothing where that is no record.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != LENGTH {
            return None;
        }
        let mut rest = bytes;
        let [first, times] = take::<2>(&mut rest)?;
        let state = match (first & 15, first >> 4) {
            (LAYOUT, 0) => State::Closed,
            (LAYOUT, 1) => State::Trial,
            (LAYOUT, 2) => State::Open,
            _ => return None,
        };
        let mut record = Self {
            state,
            times,
            since_ns: u64::from_le_bytes(take(&mut rest)?),
            until_ns: u64::from_le_bytes(take(&mut rest)?),
            admitted: u32::from_le_bytes(take(&mut rest)?),
            tried: counts(&mut rest)?,
            part_ns: u64::from_le_bytes(take(&mut rest)?),
            parts: [Part::default(); PARTS],
        };
        for part in &mut record.parts {
            part.number = u64::from_le_bytes(take(&mut rest)?);
            part.counts = counts(&mut rest)?;
        }
        Some(record)
    }
}

fn part_ns(rules: &Rules) -> u64 {
    let parts = u64::try_from(PARTS).unwrap_or(1);
    rules.window_ns.div_ceil(parts).max(1)
}

/// The number of the part of a window that is now.
fn number(rules: &Rules, now_ns: u64) -> u64 {
    now_ns.checked_div(part_ns(rules)).unwrap_or_default()
}

fn counts(rest: &mut &[u8]) -> Option<Counts> {
    Some(Counts {
        all: u32::from_le_bytes(take(rest)?),
        errors: u32::from_le_bytes(take(rest)?),
        slow: u32::from_le_bytes(take(rest)?),
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*taken)
}

#[cfg(test)]
mod tests;
