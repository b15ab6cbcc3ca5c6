//! Reading points in time as operators write them: RFC 3339, such as `2026-11-21T08:00:00Z` or
//! `2026-11-21 09:00:00.5+01:00`.
//!
//! The proleptic Gregorian calendar, days counted from the Unix epoch. The last year is 9999, the
//! last that RFC 3339 can write. Nanoseconds since the epoch are kept in 64 bits, so that every
//! instant from 21 July 2554 on counts as the end of time: a key that expires then never does.
//! Refused: dates before 1970, leap seconds, times without an offset, `-00:00` ("offset unknown",
//! RFC 3339 section 4.3).

use serde::Deserialize;

use crate::config::types::refused_unlike;

const NS_PER_S: u64 = 1_000_000_000;

/// Nanoseconds since the Unix epoch that this text names, at most [`u64::MAX`], or `None` where it
/// is not a date and time of RFC 3339.
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let mut reader = Reader(text.as_bytes());
    let year = reader.digits(4)?;
    reader.one_of(b"-")?;
    let month = reader.digits(2)?;
    reader.one_of(b"-")?;
    let day = reader.digits(2)?;
    // The separator may be a space, and letters may be small (RFC 3339, section 5.6).
    reader.one_of(b"Tt ")?;
    let hour = reader.digits(2)?;
    reader.one_of(b":")?;
    let minute = reader.digits(2)?;
    reader.one_of(b":")?;
    let second = reader.digits(2)?;
    let nanoseconds = if reader.one_of(b".").is_some() {
        reader.fraction()?
    } else {
        0
    };
    let offset_s = reader.offset()?;
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && day >= 1
        && day <= days_in_month(year, month);
    if !in_range || hour > 23 || minute > 59 || second > 59 || !reader.0.is_empty() {
        return None;
    }
    let local = days_since_epoch(year, month, day)
        .checked_mul(86_400)?
        .checked_add(hour * 3_600 + minute * 60 + second)?;
    let seconds = u64::try_from(local.checked_sub(offset_s)?).ok()?;
    Some(seconds.saturating_mul(NS_PER_S).saturating_add(nanoseconds))
}

/// A point in time of a configuration: nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(with = "String", inline)]
pub struct Timestamp(pub u64);

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = parse_rfc3339(&String::deserialize(deserializer)?);
        read.map(Self).ok_or_else(|| {
            refused_unlike(
                "2026-11-21T08:00:00Z",
                "is not a date and time",
                "write it as 2026-11-21T08:00:00Z (RFC 3339)",
            )
        })
    }
}

/// Tools show the defaults of a configuration, and none has one of these.
impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn one_of(&mut self, allowed: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        if !allowed.contains(first) {
            return None;
        }
        self.0 = rest;
        Some(*first)
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        (0..count).try_fold(0_i64, |number, _| {
            Some(number * 10 + i64::from(self.one_of(b"0123456789")? - b'0'))
        })
    }

    /// The digits after the point, as nanoseconds; beyond nine digits they are cut off.
    fn fraction(&mut self) -> Option<u64> {
        let mut nanoseconds = 0;
        let mut unit = NS_PER_S / 10;
        nanoseconds += u64::try_from(self.digits(1)?).ok()? * unit;
        while let Some(digit) = self.one_of(b"0123456789") {
            unit /= 10;
            nanoseconds += u64::from(digit - b'0') * unit;
        }
        Some(nanoseconds)
    }

    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let hours = self.digits(2)?;
        self.one_of(b":")?;
        let minutes = self.digits(2)?;
        let unknown = sign < 0 && hours == 0 && minutes == 0;
        (hours <= 23 && minutes <= 59 && !unknown).then_some(sign * (hours * 3_600 + minutes * 60))
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01, with March as the first month so that the leap day comes last in its year.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days_of_years = 365 * year + year / 4 - year / 100 + year / 400;
    let days_of_months = (153 * month + 2) / 5;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    days_of_years + days_of_months + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_end_of_time_is_where_the_counter_ends() {
        for text in [
            "2554-07-21T23:34:34Z",
            "2554-07-22T01:34:35+01:00",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999999999Z",
            "9999-12-31T23:59:59-23:59",
            "9999-12-31 00:00:00+23:59",
        ] {
            assert_eq!(parse_rfc3339(text), Some(u64::MAX), "{text}");
        }
        assert!(parse_rfc3339("2554-07-21T23:34:33Z").is_some_and(|ns| ns < u64::MAX));
    }

    #[test]
    fn dates_and_times_are_read() {
        for (text, seconds, nanoseconds) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2000-02-29T12:30:45z", 951_827_445, 0),
            ("2026-11-21T08:00:00Z", 1_795_248_000, 0),
            ("2026-11-21 09:00:00.5+01:00", 1_795_248_000, 500_000_000),
            (
                "2026-11-21t03:30:00.123456789123-04:30",
                1_795_248_000,
                123_456_789,
            ),
            ("2100-03-01T00:00:00Z", 4_107_542_400, 0),
            ("2553-12-31T23:59:59Z", 18_429_292_799, 0),
        ] {
            assert_eq!(
                parse_rfc3339(text),
                Some(seconds * NS_PER_S + nanoseconds),
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T08:00:00",
            "2026-11-21T08:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-32T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2016-12-31T23:59:60Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "10000-01-01T00:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00-00:00",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00Zx",
            "2026-01-01T00:00:00 Z",
            "+026-01-01T00:00:00Z",
            "2026-1-01T00:00:00Z",
            "2026-01-01T00:00:00+0100",
            "\u{662}026-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn days_follow_each_other_without_gap() {
        let mut expected = 0;
        for year in 1970..=2553 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    assert_eq!(days_since_epoch(year, month, day), expected);
                    expected += 1;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,40}", near in "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,30})?(Z|[+-][0-9]{2}:[0-9]{2})") {
            parse_rfc3339(&text);
            parse_rfc3339(&near);
        }
    }
}
