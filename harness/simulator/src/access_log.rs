//! Access logs: what a line says of an exchange that is over, in the words of Envoy's formats.
//!
//! Those command operators are known that the suite's configurations use; another one is refused
//! when a format is read, so that no log is silently poorer than the one that was asked for.

use serde_json::{Map, Value as Json};
use time::OffsetDateTime;

use crate::gateway::request::Outcome;

/// What a value is replaced by inside a text when there is none.
const ABSENT: &str = "-";

/// A `json_format`, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessLog(Vec<(String, Vec<Piece>)>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Operator(Operator),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    StartTime,
    ResponseCode,
    ResponseCodeDetails,
    ResponseFlags,
    Request(String),
    UpstreamHost,
    FilterState(String),
}

impl AccessLog {
    /// Reads the members of a `json_format`.
    ///
    /// # Errors
    /// The first text that is not understood, and why.
    pub fn read<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let members = members
            .into_iter()
            .map(|(name, text)| Ok((name.to_owned(), pieces(text)?)));
        members.collect::<Result<_, String>>().map(Self)
    }

    /// The line of an exchange. `address` says where a cluster is.
    pub fn line(
        &self,
        outcome: &Outcome,
        address: impl Fn(&str) -> Option<String>,
    ) -> Map<String, Json> {
        let value = |pieces: &Vec<Piece>| match pieces.as_slice() {
            // An operator alone keeps its type, and is null where there is nothing.
            [Piece::Operator(operator)] => operator.value(outcome, &address),
            pieces => {
                let text = |piece: &Piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Operator(operator) => match operator.value(outcome, &address) {
                        Json::String(text) => text,
                        Json::Null => ABSENT.to_owned(),
                        other => other.to_string(),
                    },
                };
                Json::String(pieces.iter().map(text).collect())
            }
        };
        self.0
            .iter()
            .map(|(name, pieces)| (name.clone(), value(pieces)))
            .collect()
    }
}

impl Operator {
    fn read(text: &str) -> Result<Self, String> {
        let (name, argument) = match text.split_once('(') {
            Some((name, rest)) => (
                name,
                Some(rest.strip_suffix(')').ok_or_else(|| unknown(text))?),
            ),
            None => (text, None),
        };
        Ok(match (name, argument) {
            ("START_TIME", None) => Self::StartTime,
            ("RESPONSE_CODE", None) => Self::ResponseCode,
            ("RESPONSE_CODE_DETAILS", None) => Self::ResponseCodeDetails,
            ("RESPONSE_FLAGS", None) => Self::ResponseFlags,
            ("UPSTREAM_HOST", None) => Self::UpstreamHost,
            ("REQ", Some(header)) if !header.is_empty() && !header.contains('?') => {
                Self::Request(header.to_ascii_lowercase())
            }
            ("FILTER_STATE", Some(state)) => {
                let name = state
                    .strip_prefix("wasm.")
                    .and_then(|rest| rest.strip_suffix(":PLAIN"))
                    .ok_or_else(|| unknown(text))?;
                Self::FilterState(name.to_owned())
            }
            _ => return Err(unknown(text)),
        })
    }

    fn value(&self, outcome: &Outcome, address: &impl Fn(&str) -> Option<String>) -> Json {
        let text = match self {
            Self::StartTime => Some(time(outcome.started_ns)),
            // Envoy writes 0 where there was no answer.
            Self::ResponseCode => return outcome.status().unwrap_or_default().into(),
            Self::ResponseCodeDetails => details(outcome),
            Self::ResponseFlags => Some(flags(outcome.flags)),
            Self::Request(name) => outcome.request.text(name),
            Self::UpstreamHost => outcome
                .upstream
                .as_ref()
                .and_then(|request| address(&request.cluster)),
            Self::FilterState(name) => outcome
                .filter_state
                .get(name)
                .map(|value| String::from_utf8_lossy(value).into_owned()),
        };
        text.map_or(Json::Null, Json::String)
    }
}

fn unknown(operator: &str) -> String {
    format!("the operator %{operator}% is not known here")
}

/// Takes a text apart; `%%` is a percent sign.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    if !text.matches('%').count().is_multiple_of(2) {
        return Err(format!("{text:?} has a % without an end"));
    }
    let mut pieces = Vec::new();
    for (at, part) in text.split('%').enumerate() {
        match (at % 2, part) {
            (0, "") => {}
            (0, part) => pieces.push(Piece::Text(part.to_owned())),
            (_, "") => pieces.push(Piece::Text("%".to_owned())),
            (_, part) => pieces.push(Piece::Operator(Operator::read(part)?)),
        }
    }
    Ok(pieces)
}

/// Response-code details as an access log writes them: without spaces.
pub fn details(outcome: &Outcome) -> Option<String> {
    let details = outcome.details.as_ref()?;
    Some(details.replace(' ', "_"))
}

/// Response flags as an access log writes them.
pub fn flags(mask: u64) -> String {
    // In the order of Envoy's bits (source/common/stream_info/utility.h).
    const NAMES: [&str; 29] = [
        "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE",
        "DC", "URX", "SI", "IH", "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF",
        "DO", "DR",
    ];
    let set = NAMES.iter().enumerate().filter(|(bit, _)| {
        mask.checked_shr(u32::try_from(*bit).unwrap_or(u32::MAX))
            .unwrap_or_default()
            & 1
            == 1
    });
    let names: Vec<&str> = set.map(|(_, name)| *name).collect();
    if names.is_empty() {
        ABSENT.into()
    } else {
        names.join(",")
    }
}

/// A point in time as Envoy writes it unless told otherwise: RFC 3339 with milliseconds, UTC.
fn time(ns: u64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ns))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Headers, Outbound};
    use serde_json::json;

    fn line(format: &[(&str, &str)], outcome: &Outcome) -> Json {
        let log = AccessLog::read(format.iter().copied()).unwrap();
        log.line(outcome, |cluster| {
            (cluster == "models").then(|| "127.0.0.1:1".to_owned())
        })
        .into()
    }

    #[test]
    fn a_line_says_what_became_of_an_exchange() {
        let mut outcome = Outcome {
            details: Some("wasm fail".into()),
            flags: 0x4000,
            started_ns: 1_700_000_000_123_000_000,
            upstream: Some(Outbound {
                cluster: "models".into(),
                ..Outbound::default()
            }),
            request: [("traceparent", &b"00-1"[..])].into_iter().collect(),
            filter_state: [("a.b".to_owned(), b"{}".to_vec())].into(),
            ..Outcome::default()
        };
        outcome.client.headers = Some([(":status", &b"403"[..])].into_iter().collect::<Headers>());
        let format = [
            ("time", "%START_TIME%"),
            ("status", "%RESPONSE_CODE%"),
            ("details", "%RESPONSE_CODE_DETAILS%"),
            ("flags", "%RESPONSE_FLAGS%"),
            ("trace", "%REQ(TRACEPARENT)%"),
            ("upstream", "%UPSTREAM_HOST%"),
            ("fact", "%FILTER_STATE(wasm.a.b:PLAIN)%"),
            ("mixed", "100%%: %RESPONSE_CODE%/%REQ(none)%"),
        ];
        assert_eq!(
            line(&format, &outcome),
            json!({
                "time": "2023-11-14T22:13:20.123Z", "status": 403, "details": "wasm_fail", "flags": "DC", "trace": "00-1",
                "upstream": "127.0.0.1:1", "fact": "{}", "mixed": "100%: 403/-",
            })
        );
    }

    #[test]
    fn what_there_is_not_is_null() {
        let format = [
            ("status", "%RESPONSE_CODE%"),
            ("upstream", "%UPSTREAM_HOST%"),
            ("flags", "%RESPONSE_FLAGS%"),
        ];
        assert_eq!(
            line(&format, &Outcome::default()),
            json!({"status": 0, "upstream": null, "flags": "-"})
        );
    }

    #[test]
    fn unknown_operators_are_refused_by_name() {
        for (text, complaint) in [
            ("%BYTES_SENT%", "%BYTES_SENT%"),
            ("%FILTER_STATE(other)%", "%FILTER_STATE(other)%"),
            ("%REQ(A?B)%", "%REQ(A?B)%"),
            ("50% off", "without an end"),
        ] {
            let refused = AccessLog::read([("x", text)]).unwrap_err();
            assert!(refused.contains(complaint), "{refused}");
        }
    }

    #[test]
    fn times_are_written_in_utc() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599_999_999_999, "2024-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(time(ns), text);
        }
    }
}
