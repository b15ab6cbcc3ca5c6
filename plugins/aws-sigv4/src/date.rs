//! The time stamp of a signature: nanoseconds since 1970 to `yyyymmddThhmmssZ`.
//!
//! The day is counted back to a civil date in eras of 400 years that begin on 1 March (so that the
//! leap day is an era's last day). Leap seconds do not exist on this clock, as they do not in Unix
//! time. It does not read a clock.

use std::fmt;

/// Seconds in a day of Unix time.
const DAY_SECONDS: u64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: u64 = 719_468;
/// Days in 400 Gregorian years.
const ERA_DAYS: u64 = 146_097;

/// A point in time as `x-amz-date` writes it, to the second, in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AmzDate {
    day: [u8; 8],
    time: [u8; 8],
}

impl AmzDate {
    /// The stamp of `nanos` nanoseconds after 1970-01-01T00:00:00Z. Every `u64` (up to the year
    /// 2554) has one.
    #[must_use]
    pub fn from_unix_nanos(nanos: u64) -> Self {
        let seconds = nanos / 1_000_000_000;
        let (year, month, day) = civil(seconds / DAY_SECONDS);
        let second = seconds % DAY_SECONDS;
        let [y1, y2] = two_digits(year / 100);
        let [y3, y4] = two_digits(year % 100);
        let [m1, m2] = two_digits(month);
        let [d1, d2] = two_digits(day);
        let [h1, h2] = two_digits(second / 3600);
        let [i1, i2] = two_digits(second / 60 % 60);
        let [s1, s2] = two_digits(second % 60);
        Self {
            day: [y1, y2, y3, y4, m1, m2, d1, d2],
            time: [b'T', h1, h2, i1, i2, s1, s2, b'Z'],
        }
    }

    /// The day, `yyyymmdd`, as the credential scope names it.
    #[must_use]
    pub fn day(&self) -> &[u8; 8] {
        &self.day
    }

    /// All 16 bytes, `yyyymmddThhmmssZ`.
    #[must_use]
    pub fn bytes(&self) -> [u8; 16] {
        let mut text = [0; 16];
        for (to, from) in text.iter_mut().zip(self.day.iter().chain(&self.time)) {
            *to = *from;
        }
        text
    }
}

impl fmt::Display for AmzDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes()
            .iter()
            .try_for_each(|&byte| fmt::Write::write_char(f, char::from(byte)))
    }
}

/// Year, month and day of the day that is `days` after 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_BEFORE_1970;
    let era = days / ERA_DAYS;
    let day_of_era = days % ERA_DAYS;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // March is month 0: 153 days in each run of five months.
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// The last two decimal digits of `number`, in ASCII.
fn two_digits(number: u64) -> [u8; 2] {
    let digit = |n: u64| b'0' + (n % 10) as u8;
    [digit(number / 10), digit(number)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments_have_their_stamps() {
        for (seconds, stamp) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (1_709_164_800, "20240229T000000Z"),
            (1_709_251_199, "20240229T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
            (4_107_542_399, "21000228T235959Z"),
        ] {
            assert_eq!(
                AmzDate::from_unix_nanos(seconds * 1_000_000_000).to_string(),
                stamp
            );
        }
        assert_eq!(
            AmzDate::from_unix_nanos(u64::MAX).to_string(),
            "25540721T233433Z"
        );
    }

    #[test]
    fn every_day_follows_the_one_before_it() {
        let mut before = civil(0);
        for day in 1..ERA_DAYS {
            let (year, month, day) = civil(day);
            let leap = (before.0.is_multiple_of(4) && !before.0.is_multiple_of(100))
                || before.0.is_multiple_of(400);
            let length = match before.1 {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let expected = match before {
                (y, 12, 31) => (y + 1, 1, 1),
                (y, m, d) if d == length => (y, m + 1, 1),
                (y, m, d) => (y, m, d + 1),
            };
            assert_eq!((year, month, day), expected);
            before = (year, month, day);
        }
    }

    proptest! {
        #[test]
        fn stamps_sort_as_their_moments_do(a: u64, b: u64) {
            let (earlier, later) = (a.min(b), a.max(b));
            prop_assert!(AmzDate::from_unix_nanos(earlier).bytes() <= AmzDate::from_unix_nanos(later).bytes());
        }
    }
}
