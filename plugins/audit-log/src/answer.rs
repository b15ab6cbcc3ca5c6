//! What a collector's answer means for the batch that it answers (OTLP 1.x, "OTLP/HTTP Response").
//!
//! 2xx took it, all but `partialSuccess.rejectedLogRecords`: those count as dropped. 429, 502, 503
//! and 504 may pass, and so does what never answered; `Retry-After` is heeded. 413 asks for less at
//! a time. Everything else will be the same the next time; some collectors answer 500 or 408 for a
//! while nevertheless, and a configuration can name those to be tried again as well.

use std::time::UNIX_EPOCH;

use crate::otlp::rejected_in_protobuf;
use crate::queue::Answer;

/// The statuses that the protocol says to try again ("Retryable Response Codes").
const RETRYABLE: [u16; 4] = [429, 502, 503, 504];

/// What came back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Response<'a> {
    /// The status; none where no answer came.
    pub status: Option<u16>,
    /// The header `Retry-After`.
    pub retry_after: Option<&'a [u8]>,
    /// The body, or as much of it as was read.
    pub body: &'a [u8],
}

impl Response<'_> {
    /// What it means. `also` are further statuses to be tried again; `now_ms` is now, in
    /// milliseconds since the Unix epoch.
    pub fn answer(&self, also: &[u16], now_ms: u64) -> Answer {
        match self.status {
            None => Answer::Retry { after_ms: None },
            Some(200..=299) => Answer::Delivered {
                rejected: rejected(self.body),
            },
            Some(413) => Answer::TooLarge,
            Some(status) if RETRYABLE.contains(&status) || also.contains(&status) => {
                Answer::Retry {
                    after_ms: self.retry_after.and_then(|value| wait_ms(value, now_ms)),
                }
            }
            Some(_) => Answer::Refused,
        }
    }
}

/// `partialSuccess.rejectedLogRecords` (a 64-bit integer: in JSON a number or a decimal string); 0
/// for everything else. The first byte tells JSON from Protobuf, in which it would begin a group.
fn rejected(body: &[u8]) -> u64 {
    if !body.trim_ascii_start().starts_with(b"{") {
        return rejected_in_protobuf(body);
    }
    let Ok(answer) = serde_json::from_slice::<serde_json::Value>(body) else {
        return 0;
    };
    let member = answer
        .get("partialSuccess")
        .or_else(|| answer.get("partial_success"));
    let count = member.and_then(|partial| {
        partial
            .get("rejectedLogRecords")
            .or_else(|| partial.get("rejected_log_records"))
    });
    match count {
        Some(serde_json::Value::Number(number)) => number.as_u64().unwrap_or(0),
        Some(serde_json::Value::String(text)) => text.parse().unwrap_or(0),
        _ => 0,
    }
}

/// `Retry-After` (RFC 9110, section 10.2.3) in milliseconds from now: seconds, or a date in any of
/// the three forms of section 5.6.7. A date that has passed asks for no wait. The queue caps it.
fn wait_ms(value: &[u8], now_ms: u64) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = text.parse::<u64>().unwrap_or(u64::MAX);
        return Some(seconds.saturating_mul(1_000));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since_epoch = date.duration_since(UNIX_EPOCH).ok()?;
    let at_ms = u64::try_from(since_epoch.as_millis()).ok()?;
    Some(at_ms.saturating_sub(now_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06T08:49:00Z.
    const NOW_MS: u64 = 784_111_740_000;

    fn read(status: u16, retry_after: Option<&str>, body: &str, also: &[u16]) -> Answer {
        let response = Response {
            status: Some(status),
            retry_after: retry_after.map(str::as_bytes),
            body: body.as_bytes(),
        };
        response.answer(also, NOW_MS)
    }

    const fn retry(after_ms: Option<u64>) -> Answer {
        Answer::Retry { after_ms }
    }

    #[test]
    fn what_was_taken_is_delivered_but_for_what_the_answer_leaves_out() {
        for (body, rejected) in [
            ("", 0),
            ("{}", 0),
            ("ok", 0),
            (
                r#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"x"}}"#,
                3,
            ),
            (r#"{"partialSuccess":{"rejectedLogRecords":3}}"#, 3),
            (r#"{"partialSuccess":{"rejectedLogRecords":-3}}"#, 0),
            (r#"{"partialSuccess":{}}"#, 0),
        ] {
            let delivered = Answer::Delivered { rejected };
            assert_eq!(read(200, None, body, &[]), delivered, "{body}");
            assert_eq!(read(202, None, body, &[]), delivered, "{body}");
        }
    }

    #[test]
    fn exactly_the_statuses_of_the_protocol_are_tried_again() {
        for status in 300..=599 {
            let expected = match status {
                429 | 502 | 503 | 504 => retry(None),
                413 => Answer::TooLarge,
                _ => Answer::Refused,
            };
            assert_eq!(read(status, None, "", &[]), expected, "{status}");
        }
        let none = Response::default();
        assert_eq!(none.answer(&[], NOW_MS), retry(None));
    }

    #[test]
    fn further_statuses_are_tried_again_where_the_configuration_says_so() {
        for status in [408, 500] {
            assert_eq!(read(status, Some("2"), "", &[408, 500]), retry(Some(2_000)));
            assert_eq!(read(status, None, "", &[400]), Answer::Refused);
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        for (value, after_ms) in [
            ("17", Some(17_000)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37_000)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(37_000)),
            ("Sun Nov  6 08:49:37 1994", Some(37_000)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            (
                "Fri, 31 Dec 2027 23:59:59 GMT",
                Some(1_830_297_599_000 - NOW_MS),
            ),
            ("-1", None),
            ("1.5", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(read(503, Some(value), "", &[]), retry(after_ms), "{value}");
        }
    }
}
