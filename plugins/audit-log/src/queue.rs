//! The bounded queue between the end of requests and the sink: what is kept, when a batch goes out,
//! when it is tried again, what is dropped and how that is counted.
//!
//! A state machine without a clock, a network or randomness: the caller passes the time in
//! (milliseconds of any clock that does not jump much; a step back delays, it loses nothing), sends
//! the batches that come out, and reports the sink's answers. One batch is in flight at a time; it
//! stays in the queue until it is answered, so that `enqueued = delivered + dropped + held` holds
//! after every step, and the memory of everything held is within [`Limits`]. Delivery is at least
//! once: a batch whose answer was lost is sent again.
//!
//! What it holds when its configuration is replaced is handed on to the next one's queue
//! ([`Queue::hand_on`], [`Queue::adopt`]). What it cannot do: outlive its process. What it holds
//! when the worker ends is lost, and shows as a gap in the events' sequence numbers.

use std::collections::VecDeque;

/// Memory that a held record costs beyond its own bytes.
const OVERHEAD_BYTES: usize = 64;

/// What an event is thought to cost before there was one: somewhat more than most do.
const FIRST_COST: usize = 1_280;

/// How much of the mean one event makes.
const SHARE: usize = 16;

/// Which events are lost when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// The oldest ones that are not in flight: the log stays current.
    #[default]
    DropOldest,
    /// The new ones: the log of what came first stays whole.
    DropNewest,
    /// None. Whoever offers an event has asked for room before; where more was needed than was
    /// thought, the queue is over its bounds until the sink has taken it.
    KeepAll,
}

/// The bounds of a queue. Zero for any of the maxima counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Events held at most, in flight ones included.
    pub queue_events: usize,
    /// Bytes held at most, in flight ones and an overhead of 64 bytes each included.
    pub queue_bytes: usize,
    /// Events in one batch at most; as many make a batch due at once.
    pub batch_events: usize,
    /// Bytes of records in one batch at most; a larger event is dropped.
    pub batch_bytes: usize,
    /// How long the oldest event waits for others before a batch is due, in milliseconds.
    pub batch_age_ms: u64,
    /// The first wait after a failure, in milliseconds; each further one is twice as long.
    pub retry_first_ms: u64,
    /// The longest wait between two tries, in milliseconds.
    pub retry_longest_ms: u64,
    /// An event older than this when it could be sent (again) is dropped, in milliseconds.
    pub give_up_ms: u64,
    /// Which events are lost when the queue is full.
    pub when_full: WhenFull,
}

/// How the sink answered a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It took the batch, except `rejected` of its events.
    Delivered {
        /// How many events it refused to take.
        rejected: u64,
    },
    /// It could not be reached or asks for patience.
    Retry {
        /// How long it asks to wait, in milliseconds.
        after_ms: Option<u64>,
    },
    /// The batch is too large for it; half of it may not be.
    TooLarge,
    /// It will never take this batch.
    Refused,
}

/// What became of the events so far. All are totals since the queue was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Offered to the queue.
    pub enqueued: u64,
    /// Taken by the sink.
    pub delivered: u64,
    /// Dropped because the queue was full.
    pub dropped_full: u64,
    /// Dropped because they alone exceed a batch or the queue.
    pub dropped_oversize: u64,
    /// Dropped because they had waited too long.
    pub dropped_expired: u64,
    /// Dropped because the sink refused the whole batch.
    pub dropped_refused: u64,
    /// Dropped because the sink took the batch without them.
    pub dropped_rejected: u64,
    /// Dropped because their configuration was replaced, and there was no place to keep them for
    /// the next.
    pub dropped_reload: u64,
    /// Taken over from the queue of an earlier configuration, which has counted them as enqueued.
    pub adopted: u64,
    /// Handed on to the queue of a later configuration.
    pub handed_on: u64,
}

impl Counts {
    /// Events lost for any cause.
    pub fn dropped(&self) -> u64 {
        [
            self.dropped_full,
            self.dropped_oversize,
            self.dropped_expired,
            self.dropped_refused,
            self.dropped_rejected,
            self.dropped_reload,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }
}

/// One encoded event.
struct Held {
    at_ms: u64,
    record: Vec<u8>,
}

impl Held {
    fn cost(&self) -> usize {
        cost(self.record.len())
    }
}

fn cost(len: usize) -> usize {
    len.saturating_add(OVERHEAD_BYTES)
}

/// The queue. See the module's text for its rules.
pub struct Queue {
    limits: Limits,
    /// Those that are being sent, in the order of arrival. They stand apart so that what is dropped
    /// in their stead costs the same however many they are.
    flying: VecDeque<Held>,
    flying_bytes: usize,
    /// Those after them, in the order of arrival.
    waiting: VecDeque<Held>,
    /// Of both.
    held_bytes: usize,
    failures: u32,
    /// No batch before this time.
    not_before_ms: u64,
    /// Events in a batch at most, while the sink finds larger ones too large.
    batch_events: usize,
    /// What an event costs: a mean in which the last ones count most.
    mean_cost: usize,
    counts: Counts,
}

impl Queue {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        let limits = Limits {
            queue_events: limits.queue_events.max(1),
            batch_events: limits.batch_events.max(1),
            retry_first_ms: limits.retry_first_ms.max(1),
            retry_longest_ms: limits.retry_longest_ms.max(1),
            ..limits
        };
        Self {
            limits,
            flying: VecDeque::new(),
            flying_bytes: 0,
            waiting: VecDeque::new(),
            held_bytes: 0,
            failures: 0,
            not_before_ms: 0,
            batch_events: limits.batch_events,
            mean_cost: FIRST_COST,
            counts: Counts::default(),
        }
    }

    /// What became of the events so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many events are held, those in flight included.
    pub fn held(&self) -> usize {
        self.flying.len().saturating_add(self.waiting.len())
    }

    /// Bytes of memory that the held events count for.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// How many events are in flight.
    pub fn in_flight(&self) -> usize {
        self.flying.len()
    }

    /// Whether `events` more would find room, if they are like the last ones: each counts for their
    /// mean and a quarter more.
    pub fn has_room(&self, events: usize) -> bool {
        let each = self.mean_cost.saturating_add(self.mean_cost / 4);
        let bytes = events.saturating_mul(each);
        self.held().saturating_add(events) <= self.limits.queue_events
            && self.held_bytes.saturating_add(bytes) <= self.limits.queue_bytes
    }

    /// Counts an event that is lost for want of room without being offered: the room is promised to
    /// others.
    pub fn lose(&mut self) {
        add(&mut self.counts.enqueued, 1);
        add(&mut self.counts.dropped_full, 1);
    }

    /// Takes one encoded event in, or drops it or older ones, by the rule for a full queue.
    pub fn push(&mut self, now_ms: u64, record: Vec<u8>) {
        add(&mut self.counts.enqueued, 1);
        let need = cost(record.len());
        self.mean_cost = self
            .mean_cost
            .saturating_sub(self.mean_cost / SHARE)
            .saturating_add(need / SHARE);
        if record.len() > self.limits.batch_bytes || need > self.limits.queue_bytes {
            add(&mut self.counts.dropped_oversize, 1);
            return;
        }
        if self.limits.when_full == WhenFull::DropOldest
            && !self.fits(need)
            && self.fits_beside_flight(need)
        {
            while !self.fits(need) {
                let Some(oldest) = self.waiting.pop_front() else {
                    break;
                };
                self.held_bytes = self.held_bytes.saturating_sub(oldest.cost());
                add(&mut self.counts.dropped_full, 1);
            }
        }
        if self.fits(need) || self.limits.when_full == WhenFull::KeepAll {
            self.held_bytes = self.held_bytes.saturating_add(need);
            self.waiting.push_back(Held {
                at_ms: now_ms,
                record,
            });
        } else {
            add(&mut self.counts.dropped_full, 1);
        }
    }

    /// Empties the queue for the next configuration's: each event with the time at which it was
    /// queued, the oldest first. What is in flight is among them, because its answer will not be
    /// heard any more.
    pub fn hand_on(&mut self) -> Vec<(u64, Vec<u8>)> {
        self.flying_bytes = 0;
        self.held_bytes = 0;
        let events: Vec<_> = (self.flying.drain(..))
            .chain(self.waiting.drain(..))
            .map(|held| (held.at_ms, held.record))
            .collect();
        add(&mut self.counts.handed_on, count(events.len()));
        events
    }

    /// Events that [`Queue::hand_on`] gave have found no queue: they are lost.
    pub fn lose_handed_on(&mut self, events: usize) {
        self.counts.handed_on = self.counts.handed_on.saturating_sub(count(events));
        add(&mut self.counts.dropped_reload, count(events));
    }

    /// Takes over what an earlier configuration's queue held; it goes out before what came here.
    /// Where that is more than the queue may hold, events are dropped by the rule for a full queue.
    pub fn adopt(&mut self, events: Vec<(u64, Vec<u8>)>) {
        add(&mut self.counts.adopted, count(events.len()));
        let newer = std::mem::take(&mut self.waiting);
        for (at_ms, record) in events {
            if record.len() > self.limits.batch_bytes {
                add(&mut self.counts.dropped_oversize, 1);
                continue;
            }
            let held = Held { at_ms, record };
            self.held_bytes = self.held_bytes.saturating_add(held.cost());
            self.waiting.push_back(held);
        }
        self.waiting.extend(newer);
        while self.held() > self.limits.queue_events || self.held_bytes > self.limits.queue_bytes {
            let gone = match self.limits.when_full {
                WhenFull::DropOldest => self.waiting.pop_front(),
                WhenFull::DropNewest => self.waiting.pop_back(),
                WhenFull::KeepAll => None,
            };
            let Some(gone) = gone else {
                break;
            };
            self.held_bytes = self.held_bytes.saturating_sub(gone.cost());
            add(&mut self.counts.dropped_full, 1);
        }
    }

    fn fits(&self, need: usize) -> bool {
        self.held() < self.limits.queue_events
            && self.held_bytes.saturating_add(need) <= self.limits.queue_bytes
    }

    /// Whether `need` bytes would fit, were nothing held but what is in flight.
    fn fits_beside_flight(&self, need: usize) -> bool {
        self.flying.len() < self.limits.queue_events
            && self.flying_bytes.saturating_add(need) <= self.limits.queue_bytes
    }

    /// The batch to send now, if one is due; it is in flight from here until [`Queue::answered`].
    /// `None` while another one is. Events that have waited too long are dropped first.
    pub fn poll(&mut self, now_ms: u64) -> Option<impl Iterator<Item = &[u8]> + Clone + use<'_>> {
        if !self.flying.is_empty() || now_ms < self.not_before_ms {
            return None;
        }
        self.drop_expired(now_ms);
        if !self.due(now_ms) {
            return None;
        }
        let mut bytes = 0usize;
        let fitting = self.waiting.iter().take(self.batch_events);
        let fitting = fitting.take_while(|held| {
            bytes = bytes.saturating_add(held.record.len());
            bytes <= self.limits.batch_bytes
        });
        let fitting = fitting.count();
        self.flying = self.waiting.drain(..fitting).collect();
        self.flying_bytes = self
            .flying
            .iter()
            .map(Held::cost)
            .fold(0, usize::saturating_add);
        Some(self.flying.iter().map(|held| held.record.as_slice()))
    }

    fn due(&self, now_ms: u64) -> bool {
        let Some(oldest) = self.waiting.front() else {
            return false;
        };
        // After a failure nothing waits for company: a batch that was due stays due.
        self.failures > 0
            || self.waiting.len() >= self.batch_events
            || self.held_bytes >= self.limits.batch_bytes
            || now_ms.saturating_sub(oldest.at_ms) >= self.limits.batch_age_ms
    }

    fn drop_expired(&mut self, now_ms: u64) {
        let give_up_ms = self.limits.give_up_ms;
        while let Some(held) = self
            .waiting
            .pop_front_if(|held| now_ms.saturating_sub(held.at_ms) > give_up_ms)
        {
            self.held_bytes = self.held_bytes.saturating_sub(held.cost());
            add(&mut self.counts.dropped_expired, 1);
        }
    }

    /// Takes the sink's answer to the batch in flight. `jitter` is a random number: it spreads the
    /// tries of workers that failed together over the second half of the wait. Without a batch in
    /// flight nothing happens.
    pub fn answered(&mut self, now_ms: u64, answer: Answer, jitter: u32) {
        let sent = self.flying.len();
        if sent == 0 {
            return;
        }
        let events = count(sent);
        match answer {
            Answer::Delivered { rejected } => {
                let rejected = rejected.min(events);
                add(&mut self.counts.delivered, events.saturating_sub(rejected));
                add(&mut self.counts.dropped_rejected, rejected);
                self.land();
                self.batch_events = self
                    .batch_events
                    .saturating_mul(2)
                    .min(self.limits.batch_events);
                self.recovered();
            }
            Answer::TooLarge if sent > 1 => {
                self.return_to_wait();
                self.batch_events = (sent / 2).max(1);
                // At once: the sink is up, and asked for less.
                self.not_before_ms = now_ms;
                self.failures = self.failures.max(1);
            }
            Answer::Refused | Answer::TooLarge => {
                add(&mut self.counts.dropped_refused, events);
                self.land();
                self.recovered();
            }
            Answer::Retry { after_ms } => {
                self.return_to_wait();
                let wait = self
                    .backoff_ms(jitter)
                    .max(after_ms.unwrap_or(0).min(self.limits.give_up_ms));
                self.not_before_ms = now_ms.saturating_add(wait);
                self.failures = self.failures.saturating_add(1);
            }
        }
    }

    fn recovered(&mut self) {
        self.failures = 0;
        self.not_before_ms = 0;
    }

    /// `retry_first_ms` doubled for each failure before, at most `retry_longest_ms`; of it a half
    /// and, by `jitter`, up to the other half.
    fn backoff_ms(&self, jitter: u32) -> u64 {
        let factor = 1u64.checked_shl(self.failures).unwrap_or(u64::MAX);
        let full = self
            .limits
            .retry_first_ms
            .saturating_mul(factor)
            .min(self.limits.retry_longest_ms);
        let half = full / 2;
        let spread = (u128::from(full.saturating_sub(half)) * (u128::from(jitter) + 1)) >> 32;
        half.saturating_add(u64::try_from(spread).unwrap_or(u64::MAX))
            .max(1)
    }

    /// What was in flight is done with.
    fn land(&mut self) {
        self.held_bytes = self.held_bytes.saturating_sub(self.flying_bytes);
        self.flying_bytes = 0;
        self.flying.clear();
    }

    /// What was in flight is to be sent again, before everything else.
    fn return_to_wait(&mut self) {
        self.flying_bytes = 0;
        while let Some(last) = self.flying.pop_back() {
            self.waiting.push_front(last);
        }
    }
}

fn count(events: usize) -> u64 {
    u64::try_from(events).unwrap_or(u64::MAX)
}

fn add(count: &mut u64, events: u64) {
    *count = count.saturating_add(events);
}

#[cfg(test)]
mod tests;
