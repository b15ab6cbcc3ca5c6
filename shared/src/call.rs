//! HTTP callouts: what is asked, what comes back, and every way in which nothing comes back.
//!
//! Hosts differ in how a failed call looks (Envoy: `:status` 503 or 504 with a text body; nginx: no
//! headers at all), so a caller that needs success checks the status it needs; nothing else counts.

use crate::headers::{HeaderBlock, encode_refs};
use crate::host::{Buffer, Dispatch, HeaderRef, Map, Proxy, Status};

/// An HTTP callout.
#[derive(Clone, Default)]
pub struct Call {
    /// Envoy cluster, or host:port on nginx.
    pub upstream: String,
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// `https` or `http`; hosts that choose TLS by cluster ignore it.
    pub scheme: &'static str,
    /// Host header of the call.
    pub authority: String,
    /// Path with query.
    pub path: String,
    /// Further headers, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body.
    pub body: Vec<u8>,
    /// Time-out in milliseconds; 0 is taken as 1, because to a host 0 means none.
    pub timeout_ms: u32,
    /// Longest answer body that is taken, in bytes.
    pub max_answer_bytes: usize,
    /// Of an answer that is longer, status and headers are enough: it comes without its body
    /// instead of as an error.
    pub body_optional: bool,
}

/// How much of an answer is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// Longest body, in bytes.
    pub bytes: usize,
    /// See [`Call::body_optional`].
    pub body_optional: bool,
}

/// A callout's answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status; hosts report their own failures as 503 and 504.
    pub status: u16,
    /// Headers.
    pub headers: HeaderBlock,
    /// Body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The host did not take the call (unknown cluster, no hosts).
    Refused(Status),
    /// The call failed without an answer.
    Failed,
    /// The answer is longer than `max_answer_bytes`.
    TooLarge,
    /// The answer's bytes could not be read.
    Unreadable,
}

impl Call {
    /// How much of the answer is taken.
    pub(crate) const fn limit(&self) -> Limit {
        Limit {
            bytes: self.max_answer_bytes,
            body_optional: self.body_optional,
        }
    }

    /// Hands the call to the host; the answer will carry the returned number.
    pub(crate) fn dispatch(&self, host: &dyn Proxy) -> Result<u32, CallError> {
        let mut headers: Vec<HeaderRef<'_>> =
            Vec::with_capacity(self.headers.len().saturating_add(4));
        headers.push((":method", self.method.as_bytes()));
        headers.push((
            ":scheme",
            if self.scheme.is_empty() {
                "https"
            } else {
                self.scheme
            }
            .as_bytes(),
        ));
        headers.push((":authority", self.authority.as_bytes()));
        headers.push((":path", self.path.as_bytes()));
        headers.extend(
            self.headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_slice())),
        );
        let dispatch = Dispatch {
            upstream: &self.upstream,
            headers: &headers,
            body: &self.body,
            timeout_ms: self.timeout_ms.max(1),
        };
        host.dispatch(&dispatch).map_err(CallError::Refused)
    }

    /// Reads the answer that the host has just announced.
    pub(crate) fn collect(
        host: &dyn Proxy,
        headers: usize,
        body_size: usize,
        limit: Limit,
    ) -> Result<Answer, CallError> {
        if headers == 0 {
            return Err(CallError::Failed);
        }
        let headers = HeaderBlock::new(
            host.pairs(Map::CallHeaders)
                .map_err(|_| CallError::Unreadable)?,
        );
        let status = headers
            .text(":status")
            .and_then(|s| s.parse().ok())
            .ok_or(CallError::Failed)?;
        let body_size = match body_size > limit.bytes {
            false => body_size,
            true if limit.body_optional => 0,
            true => return Err(CallError::TooLarge),
        };
        let body = if body_size == 0 {
            Vec::new()
        } else {
            host.body(Buffer::CallBody, 0, body_size)
                .map_err(|_| CallError::Unreadable)?
        };
        if body.len() == body_size {
            Ok(Answer {
                status,
                headers,
                body,
            })
        } else {
            Err(CallError::Unreadable)
        }
    }

    /// All headers in the wire form, for hosts.
    pub fn wire_headers(dispatch: &Dispatch<'_>) -> Vec<u8> {
        encode_refs(dispatch.headers)
    }
}

/// Paths and headers may carry credentials: only the upstream is shown.
impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Call to {}", self.upstream)
    }
}
