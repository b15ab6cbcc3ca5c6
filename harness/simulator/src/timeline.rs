//! Everything that could be observed of a gateway, in the order in which it happened.
//!
//! One list for all: what clients and upstreams saw, what filters called and wrote, what the proxy
//! decided. Tests look at it, traces print it. It holds traffic as it was: it is meant for tests
//! and must not be written where real traffic must not be.

use std::fmt;

use crate::rules::headers::Headers;

/// Number of an exchange, counted from 1.
pub type StreamId = u64;
/// Number of a request that the proxy sent: to an upstream or to a callout's target.
pub type FlightId = u64;

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Nanoseconds since the Unix epoch, virtual.
    pub at_ns: u64,
    /// What was observed.
    pub event: Event,
}

/// What can be observed.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    Reload {
        /// Whose.
        filter: String,
        /// `None` when it runs again.
        problem: Option<String>,
    },
    /// A filter wrote a log line.
    Log(LogLine),
    /// The proxy began to send a request: to an upstream, or for a callout.
    Sent {
        /// Its number.
        flight: FlightId,
        /// To which cluster.
        cluster: String,
        /// For which exchange; `None` for a callout.
        stream: Option<StreamId>,
        /// Its headers.
        headers: Headers,
    },
    /// A request that the proxy sent was given up.
    Abandoned {
        /// Its number.
        flight: FlightId,
    },
    /// The client got the head of an answer.
    AnswerHead {
        /// In which exchange.
        stream: StreamId,
        /// Its headers.
        headers: Headers,
    },
    /// The client got a piece of a body.
    AnswerBody {
        /// In which exchange.
        stream: StreamId,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// The client got trailers.
    AnswerTrailers {
        /// In which exchange.
        stream: StreamId,
        /// The trailers.
        trailers: Headers,
    },
    /// An exchange is over.
    Over {
        /// Which.
        stream: StreamId,
        /// Response-code details.
        details: Option<String>,
        /// Whether the client saw a complete answer.
        complete: bool,
    },
}

/// A log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Who wrote it.
    pub filter: String,
    /// Its level.
    pub level: crate::abi::LogLevel,
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

    pub(super) fn wants_host_calls(&self) -> bool {
        self.host_calls
    }

    pub(super) fn push(&mut self, at_ns: u64, event: Event) {
        self.records.push(Record { at_ns, event });
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.level, self.filter, self.text)
    }
}
