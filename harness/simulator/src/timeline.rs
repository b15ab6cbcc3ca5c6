//! Everything that could be observed of a gateway, in the order in which it happened.
//!
//! One list for all: what clients and upstreams saw, what filters called and wrote, what the proxy
//! decided. Tests look at it, traces print it. It holds traffic as it was: it is meant for tests
//! and must not be written where real traffic must not be.
//!
//! # As JSON
//!
//! A [`Timeline`] serializes as a list of records, a [`Record`] as an object:
//!
//! ```json
//! {"at_ns":1700000000000000000,"event":"request_sent","outbound":1,"cluster":"upstream",
//!  "stream":1,"headers":[[":method","GET"],[":path","/"]]}
//! ```
//!
//! `event` is the name of the [`Event`] in snake case; its fields follow under their own names,
//! `null` where they have no value. Ids are numbers. Headers are a list of pairs in order. Names,
//! values and bodies are strings; bytes that are not UTF-8 are `{"base64": "…"}`. Levels are
//! `trace` to `critical`. Kinds of events and fields may be added; none changes its name or
//! meaning.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use crate::abi::LogLevel;
use crate::ids::{OutboundId, StreamId, WorkerId};
use crate::rules::headers::Headers;

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Nanoseconds since the Unix epoch, virtual.
    pub at_ns: u64,
    /// What was observed.
    #[serde(flatten)]
    pub event: Event,
}

/// What can be observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A callback has returned.
    Callback {
        /// Whose.
        filter: String,
        /// Which, by the name of its export.
        callback: &'static str,
        /// What it returned; `None` when the guest has no such export.
        returned: Option<u32>,
        /// Instructions executed, where they are counted.
        fuel: Option<u64>,
    },
    /// A filter made a host call.
    HostCall {
        /// Whose VM, by the name of its first filter.
        filter: String,
        /// Which, without the prefix `proxy_`.
        call: &'static str,
        /// The raw status.
        status: u32,
    },
    /// A VM is lost.
    Trap {
        /// Whose.
        filter: String,
        /// Why.
        message: String,
    },
    /// A lost VM was replaced, or could not be.
    VmReload {
        /// Whose.
        filter: String,
        /// `None` when it runs again.
        problem: Option<String>,
    },
    /// A worker crashed, and with it every exchange on it.
    WorkerCrash {
        /// Which.
        worker: WorkerId,
        /// How many exchanges broke off.
        exchanges: usize,
    },
    /// A filter wrote a log line.
    Log(LogLine),
    /// The proxy began to send a request: to an upstream, or for a callout.
    RequestSent {
        /// Its number.
        outbound: OutboundId,
        /// To which cluster.
        cluster: String,
        /// For which exchange; `None` for a callout.
        stream: Option<StreamId>,
        /// Its headers.
        headers: Headers,
    },
    /// A request that the proxy sent was given up.
    RequestReset {
        /// Its number.
        outbound: OutboundId,
    },
    /// The client got the head of an answer.
    ResponseHeaders {
        /// In which exchange.
        stream: StreamId,
        /// Its headers.
        headers: Headers,
    },
    /// The client got a piece of a body.
    ResponseBody {
        /// In which exchange.
        stream: StreamId,
        /// Its bytes.
        #[serde(serialize_with = "text_or_base64")]
        bytes: Vec<u8>,
    },
    /// The client got trailers.
    ResponseTrailers {
        /// In which exchange.
        stream: StreamId,
        /// The trailers.
        trailers: Headers,
    },
    /// An exchange is over.
    StreamEnd {
        /// Which.
        stream: StreamId,
        /// Response-code details.
        details: Option<String>,
        /// Whether the client saw a complete answer.
        complete: bool,
    },
}

/// A log line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// Who wrote it.
    pub filter: String,
    /// Its level.
    #[serde(serialize_with = "lower_case")]
    pub level: LogLevel,
    /// Its text; what is not UTF-8 is replaced.
    pub text: String,
}

/// The list.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    records: Vec<Record>,
    host_calls: bool,
}

impl Timeline {
    /// A timeline that also records every host call and callback, if asked to.
    pub fn new(host_calls: bool) -> Self {
        Self {
            records: Vec::new(),
            host_calls,
        }
    }

    /// Instructions that the modules of a filter have executed, where they are counted.
    pub fn instructions(&self, of: &str) -> u64 {
        self.events()
            .map(|event| match event {
                Event::Callback { filter, fuel, .. } if filter == of => fuel.unwrap_or_default(),
                _ => 0,
            })
            .sum()
    }

    /// All records in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// All events in order.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.records.iter().map(|record| &record.event)
    }

    /// The log lines.
    pub fn logs(&self) -> impl Iterator<Item = &LogLine> {
        self.events().filter_map(|event| match event {
            Event::Log(line) => Some(line),
            _ => None,
        })
    }

    /// The traps: whose, and why.
    pub fn traps(&self) -> impl Iterator<Item = (&str, &str)> {
        self.events().filter_map(|event| match event {
            Event::Trap { filter, message } => Some((filter.as_str(), message.as_str())),
            _ => None,
        })
    }

    /// Forgets what was recorded so far.
    pub fn clear(&mut self) {
        self.records.clear();
    }

    pub(crate) fn traces_host_calls(&self) -> bool {
        self.host_calls
    }

    pub(crate) fn push(&mut self, at_ns: u64, event: Event) {
        self.records.push(Record { at_ns, event });
    }
}

impl Serialize for Timeline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.records.serialize(serializer)
    }
}

/// Bytes as a string, or in base64 where they are none.
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Encoded {
            base64: String,
        }
        match std::str::from_utf8(self.0) {
            Ok(text) => text.serialize(serializer),
            Err(_) => Encoded {
                base64: STANDARD.encode(self.0),
            }
            .serialize(serializer),
        }
    }
}

fn text_or_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    Bytes(bytes).serialize(serializer)
}

fn lower_case<S: Serializer>(level: &LogLevel, serializer: S) -> Result<S::Ok, S::Error> {
    format!("{level:?}")
        .to_ascii_lowercase()
        .serialize(serializer)
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|(name, value)| (Bytes(name), Bytes(value))))
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.level, self.filter, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(event: Event) -> serde_json::Value {
        serde_json::to_value(Record { at_ns: 7, event }).unwrap()
    }

    fn headers() -> Headers {
        [(":status", &b"200"[..]), ("x-raw", b"\xff")]
            .into_iter()
            .collect()
    }

    fn written_headers() -> serde_json::Value {
        json!([[":status", "200"], ["x-raw", { "base64": "/w==" }]])
    }

    #[test]
    fn each_kind_of_event_has_its_shape() {
        let filter = || "f".to_owned();
        let cases = [
            (
                Event::Callback {
                    filter: filter(),
                    callback: "proxy_on_tick",
                    returned: Some(0),
                    fuel: None,
                },
                json!({"event": "callback", "filter": "f", "callback": "proxy_on_tick",
                    "returned": 0, "fuel": null}),
            ),
            (
                Event::HostCall {
                    filter: filter(),
                    call: "log",
                    status: 2,
                },
                json!({"event": "host_call", "filter": "f", "call": "log", "status": 2}),
            ),
            (
                Event::Trap {
                    filter: filter(),
                    message: "unreachable".to_owned(),
                },
                json!({"event": "trap", "filter": "f", "message": "unreachable"}),
            ),
            (
                Event::VmReload {
                    filter: filter(),
                    problem: None,
                },
                json!({"event": "vm_reload", "filter": "f", "problem": null}),
            ),
            (
                Event::WorkerCrash {
                    worker: WorkerId(1),
                    exchanges: 2,
                },
                json!({"event": "worker_crash", "worker": 1, "exchanges": 2}),
            ),
            (
                Event::Log(LogLine {
                    filter: filter(),
                    level: LogLevel::Warn,
                    text: "careful".to_owned(),
                }),
                json!({"event": "log", "filter": "f", "level": "warn", "text": "careful"}),
            ),
            (
                Event::RequestSent {
                    outbound: OutboundId(1),
                    cluster: "idp".to_owned(),
                    stream: None,
                    headers: headers(),
                },
                json!({"event": "request_sent", "outbound": 1, "cluster": "idp", "stream": null,
                    "headers": written_headers()}),
            ),
            (
                Event::RequestReset {
                    outbound: OutboundId(1),
                },
                json!({"event": "request_reset", "outbound": 1}),
            ),
            (
                Event::ResponseHeaders {
                    stream: StreamId(3),
                    headers: headers(),
                },
                json!({"event": "response_headers", "stream": 3, "headers": written_headers()}),
            ),
            (
                Event::ResponseBody {
                    stream: StreamId(3),
                    bytes: "é".into(),
                },
                json!({"event": "response_body", "stream": 3, "bytes": "é"}),
            ),
            (
                Event::ResponseTrailers {
                    stream: StreamId(3),
                    trailers: Headers::new(),
                },
                json!({"event": "response_trailers", "stream": 3, "trailers": []}),
            ),
            (
                Event::StreamEnd {
                    stream: StreamId(3),
                    details: Some("via_upstream".to_owned()),
                    complete: true,
                },
                json!({"event": "stream_end", "stream": 3, "details": "via_upstream",
                    "complete": true}),
            ),
        ];
        for (event, mut expected) in cases {
            expected["at_ns"] = 7.into();
            assert_eq!(written(event), expected);
        }
    }

    #[test]
    fn a_timeline_is_the_list_of_its_records() {
        let mut timeline = Timeline::default();
        timeline.push(
            1,
            Event::RequestReset {
                outbound: OutboundId(2),
            },
        );
        assert_eq!(
            serde_json::to_string(&timeline).unwrap(),
            r#"[{"at_ns":1,"event":"request_reset","outbound":2}]"#
        );
    }
}
