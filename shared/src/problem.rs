//! How an exchange is refused: reasons that each filter declares, one reply type, rendered in the
//! client's dialect.
//!
//! The reason code is in the body, in the header `x-modelgate-reason`, in the metric, in the fact
//! `denied` and in the response-code details (`modelgate.FILTER.CODE`), so that client, operator
//! and auditor speak of the same thing.

pub mod common;
pub mod dialect;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::exchange::Exchange;
use crate::facts::{Challenges, Denied, RefusedToken};
use crate::host::{HeaderRef, LocalReply, Map, Status};
use crate::vm::verdict::Replied;
use dialect::Shape;

/// Declares the reasons of one filter, in its `reasons.rs`: a constant for each, and the list `ALL`
/// for [`Filter::REASONS`](crate::filter::Filter::REASONS). The name is the filter's, in
/// snake_case.
///
/// ```
/// modelgate_kit::reasons! { "geo_fence";
///     COUNTRY_REFUSED = 403 "country_refused", "This service is not offered in your country.",
///         "The country of the request is not among `countries`.";
/// }
/// assert_eq!(COUNTRY_REFUSED.status, 403);
/// assert_eq!(ALL.len(), 1);
/// ```
#[macro_export]
macro_rules! reasons {
    ($filter:literal; $($(#[$doc:meta])* $name:ident = $status:literal $code:literal, $title:literal, $help:literal;)+) => {
        $($(#[$doc])* #[doc = $help] pub static $name: $crate::problem::Reason = $crate::problem::Reason { filter: $filter, code: $code, status: $status, title: $title, help: $help };)+
        /// All of them.
        pub static ALL: &[&$crate::problem::Reason] = &[$(&$name),+];
    };
}

/// A reason for a refusal: part of the product's interface, so never renamed.
#[derive(Debug, PartialEq, Eq)]
pub struct Reason {
    /// Filter that gives it, or `kit` for those that every filter can give.
    pub filter: &'static str,
    /// Stable code, snake_case.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// One line for the client, without anything of the request or the configuration.
    pub title: &'static str,
    /// For the documentation: when it is given and what to do.
    pub help: &'static str,
}

/// Header that carries the reason code in every dialect.
pub const REASON_HEADER: &str = "x-modelgate-reason";

/// Header of a 401 that says how to authenticate.
const CHALLENGE: &str = "www-authenticate";

/// A refusal.
pub struct Reply {
    /// Why.
    pub reason: &'static Reason,
    status: u16,
    more: Option<Box<More>>,
}

/// What few replies have; apart, so that a `Result` with a reply in it stays small.
#[derive(Default)]
struct More {
    detail: Option<String>,
    problem_type: Option<&'static str>,
    headers: Vec<(&'static str, String)>,
    extensions: BTreeMap<String, serde_json::Value>,
    token: Option<RefusedToken>,
    answer: Option<Rc<Instead>>,
}

/// An answer of the operator's own, which a reply gives in place of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instead {
    /// HTTP status.
    pub status: u16,
    /// Headers besides the status.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A refusal for this reason.
    pub const fn new(reason: &'static Reason) -> Self {
        Self {
            reason,
            status: reason.status,
            more: None,
        }
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// A sentence for the client. Never put anything of the request into it.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.more().detail = Some(detail.into());
        self
    }

    /// A registered problem type (RFC 9457 section 4.2) in place of our own.
    #[must_use]
    pub fn with_type(mut self, uri: &'static str) -> Self {
        self.more().problem_type = Some(uri);
        self
    }

    /// A header of the reply.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.more().headers.push((name, value.into()));
        self
    }

    /// An extension member of the problem document (RFC 9457 section 3.2).
    #[must_use]
    pub fn with_member(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.more().extensions.insert(name.to_owned(), value.into());
        self
    }

    /// What the refused token says of itself, for the fact `denied`. Its signature must have been
    /// verified.
    #[must_use]
    pub fn with_token(mut self, token: RefusedToken) -> Self {
        self.more().token = Some(token);
        self
    }

    /// The operator's own answer in place of an error in the client's dialect. The reason is told
    /// as always.
    #[must_use]
    pub fn with_answer(mut self, answer: Rc<Instead>) -> Self {
        self.status = answer.status;
        self.more().answer = Some(answer);
        self
    }

    fn token(&self) -> Option<RefusedToken> {
        self.more.as_ref()?.token.clone()
    }

    fn detail(&self) -> Option<&str> {
        self.more.as_ref()?.detail.as_deref()
    }

    fn problem_type(&self) -> Option<&'static str> {
        self.more.as_ref()?.problem_type
    }

    fn headers(&self) -> &[(&'static str, String)] {
        self.more.as_ref().map_or(&[], |more| &more.headers)
    }

    /// HTTP status of the reply.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// A header of the reply, as far as the filter has set it.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Response-code details.
    pub fn details(&self, filter: &str) -> String {
        format!("modelgate.{filter}.{}", self.reason.code)
    }

    /// Sends it, in the dialect of the route. Leaves the fact `denied`.
    ///
    /// # Errors
    /// The host's status if it does not take the reply: then the message must stay held.
    pub(crate) fn send(&self, filter: &'static str, exchange: &Exchange) -> Result<(), Status> {
        let host = exchange.proxy();
        let denied = Denied {
            filter: filter.to_owned(),
            reason: self.reason.code.to_owned(),
            status: self.status,
            token: self.token(),
        };
        let _ = exchange.publish(denied);
        let answer = self.more.as_ref().and_then(|more| more.answer.as_deref());
        let shape = Shape::of(exchange);
        let (content_type, body) = match answer {
            Some(answer) => (None, answer.body.clone()),
            None => shape.render(self),
        };
        let mut headers: Vec<(&str, &[u8])> = vec![(REASON_HEADER, self.reason.code.as_bytes())];
        // The type of an answer to a gRPC client is the host's to write.
        if let Some(content_type) = content_type {
            headers.push(("content-type", content_type.as_bytes()));
        }
        match answer {
            Some(Instead { headers: own, .. }) => {
                headers.extend(
                    own.iter()
                        .map(|(name, value)| (name.as_str(), value.as_bytes())),
                );
            }
            None => {
                let added = shape.header(self);
                headers.extend(added.map(|(name, value)| (name, value.as_bytes())));
            }
        }
        headers.extend(
            self.headers()
                .iter()
                .map(|(name, value)| (*name, value.as_bytes())),
        );
        // RFC 9110 section 11.6.1: a 401 lists what would be accepted, also by filters before this
        // one.
        let offered = match self.status {
            401 => exchange.fact::<Challenges>(),
            _ => None,
        };
        if let Some(challenges) = &offered {
            let others = challenges.offered.iter();
            headers.extend(
                others
                    .filter(|offered| self.header(CHALLENGE) != Some(offered.as_str()))
                    .map(|offered| (CHALLENGE, offered.as_bytes())),
            );
        }
        if exchange.0.replied.get() == Replied::Instead {
            return exchange.reply_instead(&headers, body);
        }
        let details = self.details(filter);
        let reply = LocalReply {
            status: self.status,
            details: &details,
            headers: &headers,
            body: &body,
            grpc_status: match answer {
                Some(_) => None,
                None => shape.grpc_status(self.status),
            },
        };
        host.reply(&reply)
    }
}

/// What a proxy writes of a body that is no longer the one to come.
const OF_THE_BODY: [&str; 4] = [
    "content-length",
    "content-encoding",
    "content-range",
    "etag",
];

impl Exchange {
    /// Answers a response that has begun where the proxy takes no reply for one: its body is to be
    /// the reply's. Its status stays, and so do its headers once they are gone.
    fn reply_instead(&self, headers: &[HeaderRef<'_>], body: Vec<u8>) -> Result<(), Status> {
        *self.0.instead.borrow_mut() = Some(body);
        if !self.0.response_begins.get() {
            return Ok(());
        }
        for name in OF_THE_BODY {
            self.response().remove_header(name)?;
        }
        for (name, value) in headers {
            self.proxy().set_header(Map::ResponseHeaders, name, value)?;
        }
        Ok(())
    }
}

/// Details may be written by filters; only the code is shown.
impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reply({}, {})", self.status, self.reason.code)
    }
}

impl From<&'static Reason> for Reply {
    fn from(reason: &'static Reason) -> Self {
        Self::new(reason)
    }
}

/// The host refused something that the filter depends on.
impl From<Status> for Reply {
    fn from(_: Status) -> Self {
        Self::new(&common::HOST_REFUSED)
    }
}
