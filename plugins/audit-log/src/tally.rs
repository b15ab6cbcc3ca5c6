//! The filter's own counters: how exchanges ended, and what became of their events.
//!
//! The queue counts exactly and for itself; what is told to the proxy are the differences since the
//! last time.

use std::cell::Cell;

use modelgate_kit::host::Host;
use modelgate_kit::metrics::Metric;

use crate::event::Outcome;
use crate::queue::Counts;

/// Counts events by outcome: `modelgate.audit_log.outcome_denied.events`.
pub struct Outcomes([(Outcome, Metric); 5]);

impl Outcomes {
    /// The counters of a filter.
    pub fn new(filter: &str) -> Self {
        Self(Outcome::ALL.map(|outcome| {
            (
                outcome,
                Metric::counter(filter, &[("outcome", outcome.as_str())], "events"),
            )
        }))
    }

    /// Makes each show as 0 before it happens.
    pub fn define(&self, host: &dyn Host) {
        self.0.iter().for_each(|(_, metric)| metric.define(host));
    }

    /// Counts one event.
    pub fn count(&self, host: &dyn Host, outcome: Outcome) {
        if let Some((_, metric)) = self.0.iter().find(|(known, _)| *known == outcome) {
            metric.add(host, 1);
        }
    }
}

/// One total of the queue, and how its counter is reached.
type Total = (fn(&Counts) -> u64, Metric);

/// Counts what became of events on their way to the sink: `modelgate.audit_log.delivered`,
/// `modelgate.audit_log.cause_full.dropped`, …
pub struct Tally {
    totals: [Total; 8],
    retried: Metric,
    told: Cell<Counts>,
}

impl Tally {
    /// The counters of a filter.
    pub fn new(filter: &str) -> Self {
        let dropped = |cause: &str| Metric::counter(filter, &[("cause", cause)], "dropped");
        Self {
            totals: [
                (
                    |counts| counts.enqueued,
                    Metric::counter(filter, &[], "enqueued"),
                ),
                (
                    |counts| counts.delivered,
                    Metric::counter(filter, &[], "delivered"),
                ),
                (|counts| counts.dropped_full, dropped("full")),
                (|counts| counts.dropped_oversize, dropped("oversize")),
                (|counts| counts.dropped_expired, dropped("expired")),
                (|counts| counts.dropped_refused, dropped("refused")),
                (|counts| counts.dropped_rejected, dropped("rejected")),
                (|counts| counts.dropped_reload, dropped("reload")),
            ],
            retried: Metric::counter(filter, &[], "retried"),
            told: Cell::default(),
        }
    }

    /// Makes each show as 0 before it happens.
    pub fn define(&self, host: &dyn Host) {
        self.totals
            .iter()
            .for_each(|(_, metric)| metric.define(host));
        self.retried.define(host);
    }

    /// Tells the proxy what has changed; gives how many more events are lost.
    pub fn tell(&self, host: &dyn Host, counts: Counts) -> u64 {
        let told = self.told.replace(counts);
        for (total, metric) in &self.totals {
            let more = total(&counts).saturating_sub(total(&told));
            if more > 0 {
                metric.add(host, more);
            }
        }
        counts.dropped().saturating_sub(told.dropped())
    }

    /// Counts one batch that will be sent again.
    pub fn retried(&self, host: &dyn Host) {
        self.retried.add(host, 1);
    }
}
