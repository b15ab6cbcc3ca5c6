//! Metrics: one value for each name and kind in the whole gateway, whichever VM defined it.
//!
//! Numbers are as Envoy gives them: the two low bits tell the kind, so that a call on the wrong
//! kind can be told from an unknown metric. Defining a name again gives another number for the same
//! value. Values outlive the VM that made them.

use std::collections::BTreeMap;

use crate::abi::{HostResult, MetricKind, Status};
use crate::ids::MetricId;

/// A metric's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Only grows.
    Counter(u64),
    /// Goes up and down.
    Gauge(u64),
    /// Its samples in order; when there are very many, the older half is dropped.
    Histogram(Vec<u64>),
}

/// All metrics.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    values: BTreeMap<(MetricKind, String), Metric>,
    defined: Vec<(MetricKind, String)>,
}

const KIND_BITS: u32 = 2;
/// How many samples of a histogram are kept at most.
const MAX_SAMPLES: usize = 1 << 16;

impl Metrics {
    pub fn define(&mut self, kind: MetricKind, name: &[u8]) -> HostResult<MetricId> {
        let name = String::from_utf8_lossy(name).into_owned();
        let key = (kind, name);
        let fresh = match kind {
            MetricKind::Counter => Metric::Counter(0),
            MetricKind::Gauge => Metric::Gauge(0),
            MetricKind::Histogram => Metric::Histogram(Vec::new()),
        };
        self.values.entry(key.clone()).or_insert(fresh);
        self.defined.push(key);
        let index = u32::try_from(self.defined.len()).map_err(|_| Status::InternalFailure)?;
        Ok(MetricId((index << KIND_BITS) | kind as u32))
    }

    pub fn increment(&mut self, id: MetricId, by: i64) -> HostResult<()> {
        if kind_of(id)? == MetricKind::Histogram {
            return Err(Status::BadArgument);
        }
        match self.metric(id)? {
            Metric::Counter(_) if by <= 0 => Err(Status::BadArgument),
            Metric::Counter(value) | Metric::Gauge(value) => {
                *value = value.saturating_add_signed(by);
                Ok(())
            }
            Metric::Histogram(_) => Err(Status::BadArgument),
        }
    }

    pub fn record(&mut self, id: MetricId, sample: u64) -> HostResult<()> {
        match self.metric(id)? {
            Metric::Counter(value) => *value = value.saturating_add(sample),
            Metric::Gauge(value) => *value = sample,
            Metric::Histogram(samples) => {
                if samples.len() >= MAX_SAMPLES {
                    samples.drain(..MAX_SAMPLES / 2);
                }
                samples.push(sample);
            }
        }
        Ok(())
    }

    pub fn read(&mut self, id: MetricId) -> HostResult<u64> {
        if kind_of(id)? == MetricKind::Histogram {
            return Err(Status::BadArgument);
        }
        match self.metric(id)? {
            Metric::Counter(value) | Metric::Gauge(value) => Ok(*value),
            Metric::Histogram(_) => Err(Status::BadArgument),
        }
    }

    /// All values by name; a name used for several kinds appears once for each.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Metric)> {
        self.values
            .iter()
            .map(|((_, name), metric)| (name.as_str(), metric))
    }

    fn metric(&mut self, id: MetricId) -> HostResult<&mut Metric> {
        let kind = kind_of(id)?;
        let index = usize::try_from(id.0 >> KIND_BITS)
            .ok()
            .and_then(|index| index.checked_sub(1));
        let key = index
            .and_then(|index| self.defined.get(index))
            .filter(|(defined, _)| *defined == kind);
        key.and_then(|key| self.values.get_mut(key))
            .ok_or(Status::NotFound)
    }
}

pub(crate) fn kind_of(id: MetricId) -> HostResult<MetricKind> {
    MetricKind::parse(id.0 & ((1 << KIND_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_definitions_of_one_name_share_a_value() {
        let mut metrics = Metrics::default();
        let one = metrics.define(MetricKind::Counter, b"a").unwrap();
        let two = metrics.define(MetricKind::Counter, b"a").unwrap();
        assert_ne!(one, two);
        metrics.increment(one, 2).unwrap();
        metrics.increment(two, 3).unwrap();
        assert_eq!(metrics.read(one), Ok(5));
    }

    #[test]
    fn a_histogram_does_not_grow_for_ever() {
        let mut metrics = Metrics::default();
        let histogram = metrics.define(MetricKind::Histogram, b"h").unwrap();
        let most = u64::try_from(MAX_SAMPLES).unwrap();
        for sample in 0..=most {
            metrics.record(histogram, sample).unwrap();
        }
        let (_, Metric::Histogram(samples)) = metrics.all().next().unwrap() else {
            panic!("a histogram");
        };
        assert_eq!(
            (samples.first(), samples.last()),
            (Some(&(most / 2)), Some(&most))
        );
    }

    #[test]
    fn each_kind_takes_only_what_envoy_takes() {
        let mut metrics = Metrics::default();
        let counter = metrics.define(MetricKind::Counter, b"c").unwrap();
        let gauge = metrics.define(MetricKind::Gauge, b"g").unwrap();
        let histogram = metrics.define(MetricKind::Histogram, b"h").unwrap();
        assert_eq!(metrics.increment(counter, -1), Err(Status::BadArgument));
        assert_eq!(metrics.increment(gauge, 5), Ok(()));
        assert_eq!(metrics.increment(gauge, -3), Ok(()));
        assert_eq!(metrics.read(gauge), Ok(2));
        assert_eq!(metrics.increment(histogram, 1), Err(Status::BadArgument));
        assert_eq!(metrics.record(histogram, 9), Ok(()));
        assert_eq!(metrics.read(histogram), Err(Status::BadArgument));
        assert_eq!(metrics.record(MetricId(99 << 2), 1), Err(Status::NotFound));
        assert_eq!(
            metrics.increment(MetricId(3), 1),
            Err(Status::BadArgument),
            "no metric has this kind"
        );
        assert_eq!(metrics.all().count(), 3);
    }
}
