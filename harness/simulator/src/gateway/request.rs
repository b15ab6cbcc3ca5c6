//! What a client sends and what it gets: requests as scripts, and the outcome of each.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::WorkerId;
use crate::network::Outbound;
use crate::rules::headers::Headers;

/// What [`Connection::protocol`] is by default.
pub(crate) const HTTP_1: &str = "HTTP/1.1";

/// How a client is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The client's address and port.
    pub source: std::net::SocketAddr,
    /// The address and port that it connected to.
    pub destination: std::net::SocketAddr,
    /// Number of the connection.
    pub id: u64,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'static str,
}

impl Default for Connection {
    fn default() -> Self {
        let local = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            source: local(40_000),
            destination: local(10_000),
            id: 1,
            protocol: HTTP_1,
        }
    }
}

/// A request of a scripted client.
#[derive(Clone, Debug)]
pub struct Request {
    /// All headers, pseudo-headers first.
    pub headers: Headers,
    /// Pieces of the body, each with the time since the one before.
    pub body: Vec<(Duration, Vec<u8>)>,
    /// Trailers; they follow the body at once.
    pub trailers: Option<Headers>,
    /// The body is what the client says when the upgrade that it asks for is granted; it does not
    /// end.
    pub endless: bool,
    /// When the client goes away, after it began.
    pub disconnect_after: Option<Duration>,
    /// The worker that gets the connection; `None` = they take turns.
    pub worker: Option<WorkerId>,
    /// The client's connection.
    pub connection: Connection,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Self {
        let pseudo = [
            (":authority", "gateway.test"),
            (":path", path),
            (":method", method),
            (":scheme", "http"),
        ];
        Self {
            headers: pseudo
                .into_iter()
                .map(|(name, value)| (name, value.as_bytes()))
                .collect(),
            body: Vec::new(),
            trailers: None,
            endless: false,
            disconnect_after: None,
            worker: None,
            connection: Connection::default(),
        }
    }

    /// `GET`.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// `POST`; add pieces of a body.
    pub fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    /// Adds a header, also one more value of it.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.add_as_written(name, value);
        self
    }

    /// For another host.
    #[must_use]
    pub fn authority(mut self, authority: &str) -> Self {
        self.headers.set(":authority", authority);
        self
    }

    /// Adds a piece of the body.
    #[must_use]
    pub fn chunk(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.chunk_after(Duration::ZERO, bytes)
    }

    /// Adds a piece of the body after a pause.
    #[must_use]
    pub fn chunk_after(mut self, wait: Duration, bytes: impl Into<Vec<u8>>) -> Self {
        self.body.push((wait, bytes.into()));
        self
    }

    /// Adds a trailer.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.get_or_insert_default().add(name, value);
        self
    }

    /// The client goes away this long after it began.
    #[must_use]
    pub fn disconnect_after(mut self, time: Duration) -> Self {
        self.disconnect_after = Some(time);
        self
    }

    /// To be served by this worker.
    #[must_use]
    pub fn on_worker(mut self, worker: WorkerId) -> Self {
        self.worker = Some(worker);
        self
    }
}

/// What a client has seen of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientResponse {
    /// Headers with `:status`; `None` when none has arrived.
    pub headers: Option<Headers>,
    /// Pieces of the body, with the time since the request began.
    pub chunks: Vec<(Duration, Vec<u8>)>,
    /// Trailers.
    pub trailers: Option<Headers>,
    /// All of it has arrived.
    pub complete: bool,
    /// The proxy broke it off.
    pub reset: bool,
    /// When the head arrived, since the request began.
    pub head_after: Duration,
    /// When it was over, since the request began.
    pub over_after: Duration,
}

impl ClientResponse {
    /// The status, once there is one.
    pub fn status(&self) -> Option<u16> {
        self.headers.as_ref()?.text(":status")?.parse().ok()
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.as_ref()?.text(name)
    }

    /// The whole body.
    pub fn body(&self) -> Vec<u8> {
        self.chunks
            .iter()
            .flat_map(|(_, bytes)| bytes.iter().copied())
            .collect()
    }

    /// The whole body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body()).into_owned()
    }
}

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// When the request began, in nanoseconds since the Unix epoch.
    pub started_ns: u64,
    /// The request's headers as filters left them.
    pub request: Headers,
    /// What the client saw.
    pub client: ClientResponse,
    /// What the upstream received; `None` when it was not touched.
    pub upstream: Option<Outbound>,
    /// Response-code details.
    pub details: Option<String>,
    /// Response flags, as a bit mask.
    pub flags: u64,
    /// What filters left in the filter state.
    pub filter_state: BTreeMap<String, Vec<u8>>,
    /// The exchange is over. If not, the client was still waiting when it was looked at.
    pub over: bool,
}

impl Outcome {
    /// The status that the client saw.
    pub fn status(&self) -> Option<u16> {
        self.client.status()
    }
}
