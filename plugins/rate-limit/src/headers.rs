//! What a client is told about its limits: `RateLimit` and `RateLimit-Policy`
//! (draft-ietf-httpapi-ratelimit-headers-11, structured fields of RFC 9651), the older
//! `X-RateLimit-*`, and `Retry-After` (RFC 9110, section 10.2.3).
//!
//! Times are rounded up to whole seconds: who waits as told is not refused for being early. `t` is
//! the time until the quota is whole again. A window whose burst is not its quota says so in the
//! parameter `burst`, which the draft leaves to implementations.

use modelgate_kit::bucket::{Judged, Rate};
use modelgate_kit::structured_field::{Bare, Inexpressible, Item, MAX_INTEGER, push_member};

const NS_PER_S: u64 = 1_000_000_000;

/// What a field of one or two windows needs, in bytes.
const FIELD: usize = 64;

/// One window, named, and how it stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Name of the policy, as in the configuration.
    pub policy: &'a str,
    /// The window.
    pub rate: Rate,
    /// How it stands after the decision.
    pub judged: Judged,
}

/// The value of `RateLimit-Policy`: which windows there are.
///
/// # Errors
/// [`Inexpressible`] if a policy's name is not printable ASCII.
pub fn ratelimit_policy<'a>(
    windows: impl IntoIterator<Item = (&'a str, Rate)>,
) -> Result<String, Inexpressible> {
    let mut field = String::with_capacity(FIELD);
    for (policy, rate) in windows {
        let whole = [
            ("q", integer(rate.quota())),
            ("w", integer(rate.window_ns().div_ceil(NS_PER_S))),
            ("burst", integer(rate.burst())),
        ];
        let (told, _) = whole.split_at(if rate.burst() == rate.quota() { 2 } else { 3 });
        push_member(
            &mut field,
            &Item {
                value: Bare::String(policy),
                parameters: told,
            },
        )?;
    }
    Ok(field)
}

/// The value of `RateLimit`: what is left in each window.
///
/// # Errors
/// [`Inexpressible`] if a policy's name is not printable ASCII.
pub fn ratelimit(standings: &[Standing<'_>]) -> Result<String, Inexpressible> {
    let mut field = String::with_capacity(FIELD);
    for standing in standings {
        let parameters = [
            ("r", integer(standing.judged.remaining)),
            ("t", integer(seconds(standing.judged.reset_ns))),
        ];
        push_member(
            &mut field,
            &Item {
                value: Bare::String(standing.policy),
                parameters: &parameters,
            },
        )?;
    }
    Ok(field)
}

/// `X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds from now), which can tell of one window
/// only: the tightest.
pub fn legacy(tightest: &Standing<'_>) -> [(&'static str, String); 3] {
    [
        ("x-ratelimit-limit", tightest.rate.quota().to_string()),
        (
            "x-ratelimit-remaining",
            tightest.judged.remaining.to_string(),
        ),
        (
            "x-ratelimit-reset",
            seconds(tightest.judged.reset_ns).to_string(),
        ),
    ]
}

/// The window that stops the caller first: the one that refuses longest, else the one with the
/// least left, else the one that takes longest to be whole again.
pub fn tightest<'s, 'a>(standings: &'s [Standing<'a>]) -> Option<&'s Standing<'a>> {
    standings.iter().max_by_key(|standing| {
        let Judged {
            retry_after_ns,
            remaining,
            reset_ns,
            ..
        } = standing.judged;
        (retry_after_ns, core::cmp::Reverse(remaining), reset_ns)
    })
}

/// Seconds after which the refused request would pass every window, at least 1.
pub fn retry_after_s(standings: &[Standing<'_>]) -> u64 {
    standings
        .iter()
        .map(|standing| seconds(standing.judged.retry_after_ns))
        .max()
        .unwrap_or(1)
        .max(1)
}

fn seconds(nanoseconds: u64) -> u64 {
    nanoseconds.div_ceil(NS_PER_S)
}

/// Structured fields end at fifteen digits; a limit beyond is as good as none, and is told as the
/// largest that can be.
fn integer(number: u64) -> Bare<'static> {
    Bare::Integer(
        i64::try_from(number)
            .unwrap_or(MAX_INTEGER)
            .min(MAX_INTEGER),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(policy: &str, quota: u64, window_s: u64, burst: u64, taken: u64) -> Standing<'_> {
        let rate = Rate::new(quota, window_s * NS_PER_S, burst).unwrap();
        Standing {
            policy,
            rate,
            judged: rate.judge(0, 1_000, taken),
        }
    }

    #[test]
    fn every_window_is_told_with_its_quota_and_what_is_left() {
        let standings = [
            standing("per-minute", 60, 60, 60, 10),
            standing("per-day", 1_000, 86_400, 100, 10),
        ];
        let policies = ratelimit_policy(standings.iter().map(|s| (s.policy, s.rate)));
        assert_eq!(
            policies.as_deref(),
            Ok(r#""per-minute";q=60;w=60, "per-day";q=1000;w=86400;burst=100"#)
        );
        assert_eq!(
            ratelimit(&standings).as_deref(),
            Ok(r#""per-minute";r=50;t=10, "per-day";r=90;t=864"#)
        );
    }

    #[test]
    fn the_tightest_window_is_the_one_that_stops_the_caller_first() {
        let roomy = standing("roomy", 100, 60, 100, 1);
        let near = standing("near", 5, 60, 5, 4);
        let refusing = standing("refusing", 50, 60, 50, 51);
        assert_eq!(tightest(&[roomy, near]).map(|s| s.policy), Some("near"));
        assert_eq!(
            tightest(&[roomy, near, refusing]).map(|s| s.policy),
            Some("refusing")
        );
        assert!(tightest(&[]).is_none());
        assert_eq!(legacy(&near).map(|(_, value)| value), ["5", "1", "48"]);
    }

    #[test]
    fn waiting_is_rounded_up_and_never_zero() {
        assert_eq!(retry_after_s(&[standing("a", 1_000, 1, 1, 2)]), 1);
        assert_eq!(retry_after_s(&[standing("a", 2, 3, 2, 4)]), 3);
        assert_eq!(retry_after_s(&[]), 1);
    }

    #[test]
    fn a_number_beyond_fifteen_digits_is_told_as_the_largest() {
        let rate = Rate::new(u64::MAX / 2, u64::MAX, 1);
        assert!(rate.is_err(), "such a rate cannot even be configured");
        assert_eq!(integer(u64::MAX), Bare::Integer(MAX_INTEGER));
    }
}
