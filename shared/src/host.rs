//! What may be asked of the proxy: one small trait for filters, one more for the machine that runs
//! them, raw statuses, no panics.
//!
//! `guest/` implements both with proxy-wasm host calls; the harness implements them natively.
//! Writes go out at once; there is no list of effects. Every method may be refused by the host, and
//! no refusal is fatal here: the caller decides.

use std::fmt;
use std::rc::Rc;

use crate::headers::HeaderBlock;
use crate::hosts::{ENVOY, Rules};
use crate::problem::Reason;

/// Why the host refused a call: the proxy-wasm status other than `Ok` (proxy-wasm ABI 0.2.1,
/// `proxy_status_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 1: no such entry, property, function.
    NotFound,
    /// 2: the argument is not allowed here and now.
    BadArgument,
    /// 3: the value cannot be serialized.
    SerializationFailure,
    /// 4: the value cannot be parsed.
    ParseFailure,
    /// 7: the queue is empty.
    Empty,
    /// 8: the compare-and-swap number is stale.
    CasMismatch,
    /// 10: anything else that went wrong in the host, a missing capability included.
    InternalFailure,
    /// 12: the host does not have this function.
    Unimplemented,
    /// A status without a name in the ABI.
    Other(u32),
}

impl Status {
    /// Reads a raw status; `Ok(())` is 0.
    pub const fn check(raw: u32) -> Result<(), Self> {
        Err(match raw {
            0 => return Ok(()),
            1 => Self::NotFound,
            2 => Self::BadArgument,
            3 => Self::SerializationFailure,
            4 => Self::ParseFailure,
            7 => Self::Empty,
            8 => Self::CasMismatch,
            10 => Self::InternalFailure,
            12 => Self::Unimplemented,
            other => Self::Other(other),
        })
    }

    /// The raw number of this status.
    pub const fn raw(self) -> u32 {
        match self {
            Self::NotFound => 1,
            Self::BadArgument => 2,
            Self::SerializationFailure => 3,
            Self::ParseFailure => 4,
            Self::Empty => 7,
            Self::CasMismatch => 8,
            Self::InternalFailure => 10,
            Self::Unimplemented => 12,
            Self::Other(raw) => raw,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host status {}", self.raw())
    }
}

/// A header map of the exchange or of the callout that has just answered (proxy-wasm
/// `proxy_map_type_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// Headers of the request.
    RequestHeaders = 0,
    /// Trailers of the request.
    RequestTrailers = 1,
    /// Headers of the response.
    ResponseHeaders = 2,
    /// Trailers of the response.
    ResponseTrailers = 3,
    /// Headers of a callout's answer; readable in its callback only.
    CallHeaders = 6,
}

impl Map {
    /// The headers of one side.
    pub const fn headers(side: Side) -> Self {
        match side {
            Side::Request => Self::RequestHeaders,
            Side::Response => Self::ResponseHeaders,
        }
    }
}

impl Buffer {
    /// The body of one side.
    pub const fn body(side: Side) -> Self {
        match side {
            Side::Request => Self::RequestBody,
            Side::Response => Self::ResponseBody,
        }
    }
}

/// A byte buffer of the host (proxy-wasm `proxy_buffer_type_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// Body of the request: the chunk at hand, or all that has been held back.
    RequestBody = 0,
    /// Body of the response.
    ResponseBody = 1,
    /// Body of a callout's answer; readable in its callback only.
    CallBody = 4,
    /// Configuration of the plugin; readable in `on_configure` only.
    PluginConfig = 7,
}

/// One direction of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// From the client to the upstream.
    Request = 0,
    /// From the upstream to the client.
    Response = 1,
}

impl Side {
    /// What it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

/// Something that there is for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerSide<T> {
    /// For the way to the upstream.
    pub request: T,
    /// For the way back.
    pub response: T,
}

impl<T> PerSide<T> {
    /// That of one direction.
    pub const fn of(&self, side: Side) -> &T {
        match side {
            Side::Request => &self.request,
            Side::Response => &self.response,
        }
    }

    /// That of one direction, to be changed.
    pub const fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
        }
    }
}

/// Kind of a metric (proxy-wasm `proxy_metric_type_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter = 0,
    /// Is set.
    Gauge = 1,
    /// Collects samples.
    Histogram = 2,
}

/// Level of a log line (proxy-wasm `proxy_log_level_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For whoever follows one exchange.
    Debug = 1,
    /// Normal course.
    Info = 2,
    /// Something an operator should see.
    Warn = 3,
    /// Something an operator must act on.
    Error = 4,
}

/// A header as written by a filter: name in lower case, value as bytes.
pub type HeaderRef<'a> = (&'a str, &'a [u8]);

/// A reply that ends the exchange here, without the upstream.
#[derive(Debug)]
pub struct LocalReply<'a> {
    /// HTTP status.
    pub status: u16,
    /// Response-code details: what `%RESPONSE_CODE_DETAILS%` shows.
    pub details: &'a str,
    /// Headers besides `:status`.
    pub headers: &'a [HeaderRef<'a>],
    /// Body.
    pub body: &'a [u8],
    /// Status for a gRPC client (`google.rpc.Code`); none for a host's own mapping of the HTTP
    /// status.
    pub grpc_status: Option<u8>,
}

/// An HTTP callout as it goes to the host.
#[derive(Debug)]
pub struct Dispatch<'a> {
    /// Cluster (Envoy) or host:port (nginx) to call.
    pub upstream: &'a str,
    /// All headers, pseudo-headers first.
    pub headers: &'a [HeaderRef<'a>],
    /// Body.
    pub body: &'a [u8],
    /// Time-out in milliseconds, never 0 (0 would mean none).
    pub timeout_ms: u32,
}

/// The proxy as a filter sees it: what can be asked anywhere, and changes no exchange.
/// Implementations never panic; whatever the proxy refuses comes back as a [`Status`].
pub trait Host {
    /// What it does otherwise than Envoy.
    fn rules(&self) -> &'static Rules {
        &ENVOY
    }
    /// Wall clock, nanoseconds since the Unix epoch.
    fn now_ns(&self) -> u64;
    /// 64 random bits; not for keys.
    fn random(&self) -> u64;
    /// An environment variable that the VM was given.
    fn environment(&self, name: &str) -> Option<String>;
    /// Whether a value of the environment only stands for one that the proxy's machine has: then
    /// its form says nothing. No proxy has such values; tools that read configurations do.
    fn is_stand_in(&self, _value: &str) -> bool {
        false
    }
    /// A property by path; values are bytes in the host's own coding.
    fn property(&self, path: &[&str]) -> Result<Vec<u8>, Status>;
    /// Leaves a value in the exchange's filter state under one name.
    fn set_property(&self, name: &str, value: &[u8]) -> Result<(), Status>;
    /// A shared value and its compare-and-swap number.
    fn shared(&self, key: &str) -> Result<(Vec<u8>, u32), Status>;
    /// Writes a shared value if its number is still `cas`; 0 writes in any case.
    fn set_shared(&self, key: &str, value: &[u8], cas: u32) -> Result<(), Status>;
    /// Defines a metric, or finds it.
    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, Status>;
    /// Adds to a counter.
    fn increment(&self, metric: u32, by: i64) -> Result<(), Status>;
    /// Sets a gauge, or adds a sample to a histogram.
    fn record(&self, metric: u32, value: u64) -> Result<(), Status>;
    /// Writes a log line. Callers never pass what a client sent.
    fn log(&self, level: Level, line: &str);
    /// Calls a foreign function of the host (Envoy has a few; see `jose` for `verify_signature`).
    fn foreign(&self, name: &str, argument: &[u8]) -> Result<Vec<u8>, Status>;
}

/// The proxy as the machine sees it ([`crate::vm`]): what acts on the exchange at hand. No filter
/// has it; what filters may do of it is in [`crate::exchange::Exchange`] and [`crate::root::Root`].
pub trait Proxy: Host {
    /// Whether filters can see of the request at hand all that is to be judged; asked before the
    /// first of its callbacks reaches a filter.
    ///
    /// # Errors
    /// Why it must not pass.
    fn admit(&self) -> Result<(), &'static Reason> {
        Ok(())
    }
    /// Notes that a filter has begun with the request at hand, where another VM may have to go on
    /// with it that has seen nothing of it.
    ///
    /// # Errors
    /// The proxy's status.
    fn note_begun(&self, _filter: &str) -> Result<(), Status> {
        Ok(())
    }
    /// Whether a filter has begun with the request at hand in a VM that is gone.
    fn was_begun(&self, _filter: &str) -> bool {
        false
    }
    /// A whole header map, in the wire form that [`crate::headers::HeaderBlock`] reads.
    fn pairs(&self, map: Map) -> Result<Vec<u8>, Status>;
    /// As [`Proxy::pairs`], to be read in place.
    fn headers(&self, map: Map) -> Result<Rc<HeaderBlock>, Status> {
        Ok(Rc::new(HeaderBlock::new(self.pairs(map)?)))
    }
    /// The first value of a header; nothing where there is none. For one that is wanted alone: the
    /// whole map costs more the more headers there are.
    fn header(&self, map: Map, name: &str) -> Result<Option<Vec<u8>>, Status> {
        Ok(self.headers(map)?.first(name).map(<[u8]>::to_vec))
    }
    /// Sets a header to exactly one value.
    fn set_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), Status>;
    /// Adds one more value of a header.
    fn add_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), Status>;
    /// Removes every value of a header.
    fn remove_header(&self, map: Map, name: &str) -> Result<(), Status>;
    /// Reads `max` bytes of a buffer from `start`.
    fn body(&self, buffer: Buffer, start: usize, max: usize) -> Result<Vec<u8>, Status>;
    /// Replaces `size` bytes of a buffer from `start` by `data`; hosts serve whole replacement
    /// (`start` 0, `size` = all) and appending.
    fn set_body(
        &self,
        buffer: Buffer,
        start: usize,
        size: usize,
        data: &[u8],
    ) -> Result<(), Status>;
    /// Ends the exchange with this reply.
    fn reply(&self, reply: &LocalReply<'_>) -> Result<(), Status>;
    /// Lets a held side go on.
    fn resume(&self, side: Side) -> Result<(), Status>;
    /// Starts an HTTP callout; the answer comes with the returned number.
    fn dispatch(&self, call: &Dispatch<'_>) -> Result<u32, Status>;
    /// Asks for a tick every so many milliseconds.
    fn set_tick(&self, period_ms: u32) -> Result<(), Status>;
    /// Lets the proxy choose the request's route again, by its headers as they are now. Most do so
    /// by themselves once a header has changed.
    ///
    /// # Errors
    /// The proxy's status.
    fn choose_route_again(&self) -> Result<(), Status> {
        Ok(())
    }
    /// Makes another context of this VM the one that host calls act on.
    fn focus(&self, context: u32) -> Result<(), Status>;
}
