//! Metrics: one grammar of names, defined once, added to by number.
//!
//! `modelgate.FILTER.TAG_VALUE….METRIC`, e.g. `modelgate.jwt_auth.reason_token_expired.denied`.
//! Proxy-wasm has no tags: Envoy's `stats_tags` turns the parts back into labels (see `envoy/`).
//! Values of tags come from configuration and code, never from a client.

use std::cell::Cell;

use crate::host::{Host, MetricKind};

/// The tags of what the kit counts for every filter; its own tags a filter names in
/// [`Filter::TAGS`](crate::filter::Filter::TAGS).
pub const TAGS: &[&str] = &["reason", "version"];

/// A metric that is defined at the host on first use.
#[derive(Debug)]
pub struct Metric {
    name: String,
    kind: MetricKind,
    number: Cell<Option<u32>>,
}

impl Metric {
    /// A counter of a filter.
    pub fn counter(filter: &str, tags: &[(&str, &str)], name: &str) -> Self {
        Self::new(MetricKind::Counter, filter, tags, name)
    }

    /// A gauge of a filter.
    pub fn gauge(filter: &str, tags: &[(&str, &str)], name: &str) -> Self {
        Self::new(MetricKind::Gauge, filter, tags, name)
    }

    fn new(kind: MetricKind, filter: &str, tags: &[(&str, &str)], name: &str) -> Self {
        let mut whole = format!("modelgate.{filter}");
        for (tag, value) in tags {
            whole.push_str(&format!(".{tag}_{}", part(value)));
        }
        whole.push('.');
        whole.push_str(name);
        Self {
            name: whole,
            kind,
            number: Cell::new(None),
        }
    }

    /// Defines it now, so that it shows as 0 before anything happens.
    pub fn define(&self, host: &dyn Host) {
        let _ = self.number(host);
    }

    fn number(&self, host: &dyn Host) -> Option<u32> {
        if self.number.get().is_none() {
            self.number
                .set(host.define_metric(self.kind, &self.name).ok());
        }
        self.number.get()
    }

    /// Adds to a counter. A host without metrics loses the count: no request depends on it.
    pub fn add(&self, host: &dyn Host, by: u64) {
        if let Some(number) = self.number(host) {
            let _ = host.increment(number, i64::try_from(by).unwrap_or(i64::MAX));
        }
    }

    /// Sets a gauge, or adds a sample.
    pub fn record(&self, host: &dyn Host, value: u64) {
        if let Some(number) = self.number(host) {
            let _ = host.record(number, value);
        }
    }
}

/// A tag's value as part of a name: `[a-z0-9_]`, at most 60 bytes.
pub fn part(value: &str) -> String {
    value
        .bytes()
        .take(60)
        .map(|b| {
            if b.is_ascii_alphanumeric() {
                b.to_ascii_lowercase() as char
            } else {
                '_'
            }
        })
        .collect()
}
