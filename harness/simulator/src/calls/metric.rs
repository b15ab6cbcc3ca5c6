//! Metrics.

use super::HostHandle;
use crate::abi::{HostResult, MetricKind};
use crate::ids::MetricId;
use crate::metric::kind_of;

impl HostHandle {
    /// Defines a metric, or finds it.
    ///
    /// # Errors
    /// `InternalFailure` when no number is left.
    pub fn define_metric(&self, kind: MetricKind, name: &[u8]) -> HostResult<MetricId> {
        self.call("define_metric", |core| {
            let max = core.profile.trapping_calls.max_metric_name;
            if max.is_some_and(|max| name.len() > max) {
                return core.trap("a metric's name is too long");
            }
            core.metrics.define(kind, name)
        })
    }

    /// Adds to a counter or a gauge.
    ///
    /// # Errors
    /// `NotFound` for an unknown number; `BadArgument` for a histogram, and for a counter unless
    /// `by` is positive.
    pub fn increment_metric(&self, metric: MetricId, by: i64) -> HostResult<()> {
        self.call("increment_metric", |core| {
            let strict = core.profile.trapping_calls.metric_of_another_kind;
            if strict && kind_of(metric)? == MetricKind::Gauge {
                return core.trap("a gauge cannot be incremented");
            }
            core.metrics.increment(metric, by)
        })
    }

    /// Sets a gauge, adds a sample to a histogram, adds to a counter.
    ///
    /// # Errors
    /// `NotFound` for an unknown number.
    pub fn record_metric(&self, metric: MetricId, value: u64) -> HostResult<()> {
        self.call("record_metric", |core| {
            let strict = core.profile.trapping_calls.metric_of_another_kind;
            if strict && kind_of(metric)? == MetricKind::Counter {
                return core.trap("a counter cannot be recorded");
            }
            core.metrics.record(metric, value)
        })
    }

    /// Value of a counter or a gauge.
    ///
    /// # Errors
    /// `NotFound` for an unknown number, `BadArgument` for a histogram.
    pub fn metric(&self, metric: MetricId) -> HostResult<u64> {
        self.call("get_metric", |core| {
            let strict = core.profile.trapping_calls.metric_of_another_kind;
            if strict && kind_of(metric)? == MetricKind::Histogram {
                return core.trap("a histogram cannot be read");
            }
            core.metrics.read(metric)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Phase, during};
    use super::*;
    use crate::abi::Status;

    /// Defines a metric of a kind and makes a call with it.
    fn with<T: 'static>(
        phase: Phase,
        kind: MetricKind,
        call: impl Fn(&HostHandle, MetricId) -> HostResult<T> + 'static,
    ) -> HostResult<T> {
        during(phase, move |host| {
            call(host, host.define_metric(kind, b"m")?)
        })
    }

    #[test]
    fn define_metric_gives_ids_with_the_kind_in_their_low_bits() {
        for (kind, low) in [
            (MetricKind::Counter, 0),
            (MetricKind::Gauge, 1),
            (MetricKind::Histogram, 2),
        ] {
            let id = with(Phase::Start, kind, |_, metric| Ok(metric.0));
            assert_eq!(id.map(|id| id % 4), Ok(low), "{kind:?}");
        }
    }

    #[test]
    fn increment_metric_counts_up_and_moves_gauges_both_ways() {
        let add = |kind, by| {
            with(Phase::Tick, kind, move |host, metric| {
                host.increment_metric(metric, 5)?;
                host.increment_metric(metric, by)?;
                host.metric(metric)
            })
        };
        assert_eq!(add(MetricKind::Counter, 2), Ok(7));
        assert_eq!(add(MetricKind::Gauge, -2), Ok(3));
        assert_eq!(add(MetricKind::Counter, -2), Err(Status::BadArgument));
        assert_eq!(add(MetricKind::Counter, 0), Err(Status::BadArgument));
        assert_eq!(add(MetricKind::Histogram, 2), Err(Status::BadArgument));
    }

    #[test]
    fn record_metric_adds_to_counters_and_sets_gauges() {
        let record = |kind| {
            with(Phase::Log, kind, |host, metric| {
                host.record_metric(metric, 5)?;
                host.record_metric(metric, 4)?;
                host.metric(metric)
            })
        };
        assert_eq!(record(MetricKind::Counter), Ok(9));
        assert_eq!(record(MetricKind::Gauge), Ok(4));
    }

    #[test]
    fn get_metric_has_no_single_value_of_a_histogram() {
        let read = with(
            Phase::RequestHeaders,
            MetricKind::Histogram,
            |host, metric| {
                host.record_metric(metric, 5)?;
                host.metric(metric)
            },
        );
        assert_eq!(read, Err(Status::BadArgument));
    }

    #[test]
    fn a_metric_that_nobody_defined_is_not_found() {
        let unknown = MetricId(400);
        let missing = Err(Status::NotFound);
        assert_eq!(
            during(Phase::Start, move |host| host.increment_metric(unknown, 1)),
            missing
        );
        assert_eq!(
            during(Phase::Start, move |host| host.record_metric(unknown, 1)),
            missing
        );
        let read = during(Phase::Start, move |host| host.metric(unknown));
        assert_eq!(read, Err(Status::NotFound));
    }
}
