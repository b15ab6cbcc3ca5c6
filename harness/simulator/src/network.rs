//! What is behind the proxy: where its requests go and what comes back, and when.
//!
//! [`Network`] is the seam: a script answers in tests, real sockets may answer in a server. A
//! script says what follows and after how much time; a network of sockets says nothing at once and
//! hands its events to [`crate::Gateway::deliver`] when they arrive.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::OutboundId;
use crate::rules::headers::Headers;

/// A request of the proxy, as far as it has been sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbound {
    /// The cluster it goes to.
    pub cluster: String,
    /// Headers, pseudo-headers included.
    pub headers: Headers,
    /// Body so far.
    pub body: Vec<u8>,
    /// Trailers, once they are sent.
    pub trailers: Option<Headers>,
    /// Whether all of it has been sent.
    pub complete: bool,
    /// It ends with its headers.
    pub bodiless: bool,
    /// It asks to leave HTTP: it is complete for its receiver with its headers, and what follows is
    /// no body.
    pub upgrade: bool,
}

/// Something that arrives in answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// The head of the answer.
    Head {
        /// Headers with `:status`.
        headers: Headers,
        /// Whether nothing follows.
        end: bool,
    },
    /// A piece of its body.
    Body {
        /// The bytes.
        bytes: Vec<u8>,
        /// Whether nothing follows.
        end: bool,
    },
    /// Its trailers, and its end.
    Trailers(Headers),
    /// Nobody listens.
    Refused,
    /// The connection broke.
    Reset,
}

/// What arrives, and how long after the call that caused it.
pub type Arrivals = Vec<(Duration, Inbound)>;

/// The world behind the proxy.
pub trait Network {
    /// Whether the proxy's configuration has this cluster.
    fn has_cluster(&self, cluster: &str) -> bool;

    /// A request's head is being sent. What arrives before the request is complete, if anything.
    fn headers_sent(&mut self, outbound: OutboundId, request: &Outbound) -> Arrivals;

    /// A request is complete. What arrives now.
    fn request_sent(&mut self, outbound: OutboundId, request: &Outbound) -> Arrivals;

    /// Something follows a request that asked to leave HTTP. What arrives now.
    fn upgraded_bytes_sent(&mut self, _flight: OutboundId, _bytes: &[u8]) -> Arrivals {
        Arrivals::new()
    }

    /// The proxy has lost interest.
    fn request_reset(&mut self, _flight: OutboundId) {}
}

/// What a scripted server does with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Answers.
    Reply(Reply),
    /// Breaks the connection after some time.
    Reset(Duration),
    /// Is not there.
    Refuse,
    /// Never answers.
    Hang,
}

/// A scripted answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Time between the complete request (or its head, if `early`) and the head of the answer.
    pub after: Duration,
    /// Status.
    pub status: u16,
    /// Headers besides `:status`.
    pub headers: Headers,
    /// Pieces of the body, each with the time since the one before.
    pub body: Vec<(Duration, Vec<u8>)>,
    /// Trailers.
    pub trailers: Option<Headers>,
    /// What comes after the last piece.
    pub ending: Ending,
    /// Answers when the head of the request is there.
    pub early: bool,
}

/// How a scripted answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    #[default]
    Complete,
    /// Broken off.
    Reset,
    /// Never.
    Hang,
}

impl Reply {
    /// An answer with this status and nothing else.
    pub fn status(status: u16) -> Self {
        Self {
            after: Duration::ZERO,
            status,
            headers: Headers::new(),
            body: Vec::new(),
            trailers: None,
            ending: Ending::Complete,
            early: false,
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.add(name, value);
        self
    }

    /// With one more piece of a body.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body.push((Duration::ZERO, bytes.into()));
        self
    }

    /// With trailers.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.get_or_insert_default().add(name, value);
        self
    }

    /// Later by so much.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.after = time;
        self
    }

    fn arrivals(&self) -> Arrivals {
        let mut headers = Headers::new();
        headers.add(":status", self.status.to_string());
        for (name, value) in self.headers.iter() {
            headers.add(name, value);
        }
        let complete = self.ending == Ending::Complete;
        let last = |more: bool| complete && !more && self.trailers.is_none();
        let mut at = self.after;
        let mut arrivals = vec![(
            at,
            Inbound::Head {
                headers,
                end: last(!self.body.is_empty()),
            },
        )];
        let mut pieces = self.body.iter().peekable();
        while let Some((wait, bytes)) = pieces.next() {
            at = at.saturating_add(*wait);
            let end = last(pieces.peek().is_some());
            arrivals.push((
                at,
                Inbound::Body {
                    bytes: bytes.clone(),
                    end,
                },
            ));
        }
        match (self.ending, &self.trailers) {
            (Ending::Complete, Some(trailers)) => {
                arrivals.push((at, Inbound::Trailers(trailers.clone())))
            }
            (Ending::Reset, _) => arrivals.push((at, Inbound::Reset)),
            _ => {}
        }
        arrivals
    }
}

/// Servers that follow a script: each answers its requests in order and repeats its last answer.
#[derive(Debug, Default)]
pub struct Script {
    clusters: BTreeMap<String, Vec<Answer>>,
    used: BTreeMap<String, usize>,
    chosen: BTreeMap<OutboundId, Answer>,
}

impl Script {
    /// Adds a cluster, or changes its answers from now on.
    pub fn cluster(&mut self, name: &str, answers: Vec<Answer>) {
        self.used.remove(name);
        self.clusters.insert(name.to_owned(), answers);
    }

    fn choose(&mut self, cluster: &str) -> Answer {
        let used = self.used.entry(cluster.to_owned()).or_default();
        let answers = self
            .clusters
            .get(cluster)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let answer = answers.get(*used).or(answers.last()).cloned();
        *used = used.saturating_add(1);
        answer.unwrap_or(Answer::Refuse)
    }
}

impl Network for Script {
    fn has_cluster(&self, cluster: &str) -> bool {
        self.clusters.contains_key(cluster)
    }

    fn headers_sent(&mut self, outbound: OutboundId, request: &Outbound) -> Arrivals {
        match self.choose(&request.cluster) {
            Answer::Refuse => vec![(Duration::ZERO, Inbound::Refused)],
            Answer::Reply(reply) if reply.early => reply.arrivals(),
            answer => {
                self.chosen.insert(outbound, answer);
                Vec::new()
            }
        }
    }

    fn request_sent(&mut self, outbound: OutboundId, _request: &Outbound) -> Arrivals {
        match self.chosen.remove(&outbound) {
            Some(Answer::Reply(reply)) => reply.arrivals(),
            Some(Answer::Reset(after)) => vec![(after, Inbound::Reset)],
            Some(Answer::Refuse | Answer::Hang) | None => Vec::new(),
        }
    }

    fn request_reset(&mut self, outbound: OutboundId) {
        self.chosen.remove(&outbound);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order_and_the_last_is_repeated() {
        let mut script = Script::default();
        script.cluster(
            "a",
            vec![
                Answer::Reply(Reply::status(200)),
                Answer::Reply(Reply::status(500)),
            ],
        );
        let request = Outbound {
            cluster: "a".into(),
            ..Outbound::default()
        };
        let mut statuses = Vec::new();
        for outbound in 1..4 {
            assert!(
                script
                    .headers_sent(OutboundId(outbound), &request)
                    .is_empty()
            );
            for (_, arrival) in script.request_sent(OutboundId(outbound), &request) {
                if let Inbound::Head { headers, end: true } = arrival {
                    statuses.push(headers.text(":status").unwrap());
                }
            }
        }
        assert_eq!(statuses, ["200", "500", "500"]);
    }

    #[test]
    fn trailers_and_broken_answers_end_the_body_without_its_own_end() {
        let whole = Reply::status(200).body("a").body("b").trailer("t", "1");
        let ends = |reply: &Reply| {
            reply
                .arrivals()
                .iter()
                .filter(|(_, arrival)| matches!(arrival, Inbound::Body { end: true, .. }))
                .count()
        };
        assert_eq!(ends(&whole), 0);
        assert_eq!(
            ends(&Reply {
                trailers: None,
                ..whole.clone()
            }),
            1
        );
        let broken = Reply {
            trailers: None,
            ending: Ending::Reset,
            ..whole
        };
        assert_eq!(ends(&broken), 0);
        assert_eq!(
            broken.arrivals().last().map(|(_, last)| last.clone()),
            Some(Inbound::Reset)
        );
    }
}
