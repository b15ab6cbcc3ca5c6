//! Metrics.

use super::HostHandle;
use crate::abi::{Answered, MetricKind};

impl HostHandle {
    /// Defines a metric, or finds it.
    ///
    /// # Errors
    /// `InternalFailure` when no number is left.
    pub fn define_metric(&self, kind: MetricKind, name: &[u8]) -> Answered<u32> {
        self.call("define_metric", |core| core.metrics.define(kind, name))
    }

    /// Adds to a counter or a gauge.
    ///
    /// # Errors
    /// `NotFound` for an unknown number; `BadArgument` for a histogram, and for a counter unless
    /// `by` is positive.
    pub fn increment_metric(&self, metric: u32, by: i64) -> Answered<()> {
        self.call("increment_metric", |core| {
            core.metrics.increment(metric, by)
        })
    }

    /// Sets a gauge, adds a sample to a histogram, adds to a counter.
    ///
    /// # Errors
    /// `NotFound` for an unknown number.
    pub fn record_metric(&self, metric: u32, value: u64) -> Answered<()> {
        self.call("record_metric", |core| core.metrics.record(metric, value))
    }

    /// Value of a counter or a gauge.
    ///
    /// # Errors
    /// `NotFound` for an unknown number, `BadArgument` for a histogram.
    pub fn metric(&self, metric: u32) -> Answered<u64> {
        self.call("get_metric", |core| core.metrics.read(metric))
    }
}
