//! The clock that signatures go by: the proxy's, and how far the services' are ahead of it.
//!
//! AWS refuses what is signed more than five minutes beside its own clock. A proxy whose clock is
//! wrong learns by how much from the `Date` of answers (RFC 9110 section 6.6.1): of those that
//! bring credentials, and of refusals that speak of the time or the signature, as AWS's SDKs do.
//! Small differences are the network's and count as none; differences of more than a day are no
//! clock's, and are not believed.

use std::cell::Cell;
use std::time::UNIX_EPOCH;

use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::host::{Host, Level};
use modelgate_kit::metrics::Metric;

use crate::date::AmzDate;

/// Differences up to this are none, in milliseconds: far below AWS's five minutes.
const LEAST_MS: i64 = 60_000;
/// Larger ones are not believed, in milliseconds.
const MOST_MS: i64 = 86_400_000;

/// How far the services' clock is ahead of the proxy's.
pub struct Clock {
    ahead_ms: Cell<i64>,
    corrections: Metric,
}

impl Clock {
    /// A clock of which nothing is known.
    pub fn new(filter: &str) -> Self {
        Self {
            ahead_ms: Cell::new(0),
            corrections: Metric::counter(filter, &[], "clock_corrections"),
        }
    }

    /// Defines the metric, so that it shows as 0.
    pub fn define_metrics(&self, host: &dyn Host) {
        self.corrections.define(host);
    }

    /// The stamp to sign with.
    pub fn stamp(&self, now_ns: u64) -> AmzDate {
        let ahead_ns = self.ahead_ms.get().saturating_mul(1_000_000);
        AmzDate::from_unix_nanos(now_ns.saturating_add_signed(ahead_ns))
    }

    /// A time of the service's, in milliseconds since 1970, as the proxy's clock will show it.
    pub const fn local_ms(&self, service_ms: u64) -> u64 {
        service_ms.saturating_add_signed(self.ahead_ms.get().saturating_neg())
    }

    /// Learns from an answer that has just come. An answer without a readable `Date` says nothing.
    pub fn learn(&self, host: &dyn Host, answer: &HeaderBlock) {
        let Some(service_ms) = answer.text("date").and_then(unix_ms) else {
            return;
        };
        let now_ms = host.now_ns() / 1_000_000;
        let (service_ms, now_ms) = (service_ms.cast_signed(), now_ms.cast_signed());
        let measured = service_ms.saturating_sub(now_ms);
        if measured.unsigned_abs() > MOST_MS.unsigned_abs() {
            return;
        }
        let ahead = if measured.unsigned_abs() < LEAST_MS.unsigned_abs() {
            0
        } else {
            measured
        };
        let change = ahead.saturating_sub(self.ahead_ms.get());
        // One second more or less is the resolution of `Date`.
        if change.unsigned_abs() < LEAST_MS.unsigned_abs()
            && (ahead == 0) == (self.ahead_ms.get() == 0)
        {
            return;
        }
        self.ahead_ms.set(ahead);
        self.corrections.add(host, 1);
        let text = format!(
            "aws_sigv4: the proxy's clock differs from the service's by {} s: signatures are stamped with the service's time",
            ahead / 1000
        );
        host.log(Level::Warn, &text);
    }
}

fn unix_ms(date: &str) -> Option<u64> {
    let since = httpdate::parse_http_date(date)
        .ok()?
        .duration_since(UNIX_EPOCH);
    u64::try_from(since.ok()?.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use modelgate_kit::testing::FakeProxy;

    use super::*;

    /// 1994-11-06T08:49:37Z
    const NOW_NS: u64 = 784_111_777_000_000_000;

    fn dated(date: &str) -> HeaderBlock {
        HeaderBlock::from_pairs([(b"date".as_slice(), date.as_bytes())])
    }

    #[test]
    fn only_differences_that_a_clock_can_have_are_learnt() {
        for (date, stamp) in [
            ("Sun, 06 Nov 1994 08:50:00 GMT", "19941106T084937Z"),
            ("Sun, 06 Nov 1994 09:49:37 GMT", "19941106T094937Z"),
            ("Sun, 06 Nov 1994 07:49:37 GMT", "19941106T074937Z"),
            ("Sun, 06 Nov 1999 07:49:37 GMT", "19941106T084937Z"),
            ("yesterday", "19941106T084937Z"),
        ] {
            let proxy = FakeProxy::new(NOW_NS);
            let clock = Clock::new("aws_sigv4");
            let answer = dated(date);
            clock.learn(&*proxy, &answer);
            clock.learn(&*proxy, &answer);
            assert_eq!(clock.stamp(NOW_NS).to_string(), stamp, "{date}");
            let is_changed = i64::from(stamp != "19941106T084937Z");
            assert_eq!(
                proxy.metric("modelgate.aws_sigv4.clock_corrections"),
                is_changed
            );
            assert_eq!(
                proxy.logs().len(),
                usize::try_from(is_changed).unwrap(),
                "once"
            );
        }
    }

    #[test]
    fn a_clock_that_is_right_again_is_used_again() {
        let proxy = FakeProxy::new(NOW_NS);
        let clock = Clock::new("aws_sigv4");
        clock.learn(&*proxy, &dated("Sun, 06 Nov 1994 09:49:37 GMT"));
        assert_eq!(clock.local_ms(784_115_377_000), 784_111_777_000);
        clock.learn(&*proxy, &dated("Sun, 06 Nov 1994 08:49:38 GMT"));
        assert_eq!(clock.stamp(NOW_NS).to_string(), "19941106T084937Z");
    }
}
