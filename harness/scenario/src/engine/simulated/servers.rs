//! The servers of a scenario in the simulated proxy.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::{Framing, framing, pieces};
use crate::engine::{QUIET, Received, Script};
use crate::file::{Answer, Body, Cluster, End, Headers, Reply};
use proxy_wasm_simulator::{
    self as proxy, Arrivals, Inbound, Network, Outbound, OutboundId, Outcome,
};

/// All servers; the proxy has one end, the scenario the other.
#[derive(Clone, Default)]
pub struct Servers(Rc<RefCell<ServerState>>);

#[derive(Default)]
struct ServerState {
    scripts: BTreeMap<String, Script>,
    received: BTreeMap<String, Vec<Received>>,
    /// Exchanges under way.
    open: Vec<usize>,
    flights: HashMap<OutboundId, Flight>,
}

/// A request that a server is dealing with.
struct Flight {
    cluster: String,
    index: usize,
    answer: Answer,
}

impl Servers {
    /// With their first scripts.
    pub fn new(clusters: &BTreeMap<String, Cluster>) -> Self {
        let servers = Self::default();
        for (name, cluster) in clusters {
            let mut state = servers.0.borrow_mut();
            state
                .scripts
                .insert(name.clone(), Script::new(cluster.clone()));
            state.received.insert(name.clone(), Vec::new());
        }
        servers
    }

    /// The proxy's end.
    pub fn network(&self) -> impl Network + 'static {
        Wire(self.clone())
    }

    /// Other scripts from now on.
    pub fn rescript(&self, clusters: &BTreeMap<String, Cluster>) {
        for (name, cluster) in clusters {
            self.0
                .borrow_mut()
                .scripts
                .insert(name.clone(), Script::new(cluster.clone()));
        }
    }

    /// How many requests a server has received.
    pub fn count(&self, cluster: &str) -> usize {
        self.0.borrow().received.get(cluster).map_or(0, Vec::len)
    }

    /// An exchange begins.
    pub fn opened(&self, exchange: usize) {
        self.0.borrow_mut().open.push(exchange);
    }

    /// An exchange is over.
    pub fn closed(&self, exchange: usize) {
        self.0.borrow_mut().open.retain(|open| *open != exchange);
    }

    /// What has been received.
    pub fn received(&self) -> BTreeMap<String, Vec<Received>> {
        self.0.borrow().received.clone()
    }
}

/// What the upstream has of a request that never became complete.
pub(super) fn complete_partial(
    received: &mut BTreeMap<String, Vec<Received>>,
    exchange: usize,
    outcome: &Outcome,
) {
    let Some(sent) = outcome.upstream.as_ref().filter(|sent| !sent.complete) else {
        return;
    };
    let list = received.get_mut(&sent.cluster).into_iter().flatten();
    for request in list.filter(|request| request.during == Some(exchange) && !request.complete) {
        request.body.clone_from(&sent.body);
    }
}

struct Wire(Servers);

impl Network for Wire {
    fn has_cluster(&self, cluster: &str) -> bool {
        self.0.0.borrow().scripts.contains_key(cluster)
    }

    fn headers_sent(&mut self, flight: OutboundId, request: &Outbound) -> Arrivals {
        let mut state = self.0.0.borrow_mut();
        let mut received = head(request, state.open.as_slice());
        let Some(script) = state.scripts.get_mut(&request.cluster) else {
            return Arrivals::new();
        };
        if !script.cluster().http2 {
            received.headers.extend(framing_of(request));
        }
        let answer = script.next(&received.path);
        if answer == Answer::Refuse {
            return vec![(Duration::ZERO, Inbound::Refused)];
        }
        let http2 = script.cluster().http2;
        // A request for an upgrade is complete with its head: what follows is not its body.
        let upgrade = request.upgrade;
        let early = match &answer {
            Answer::Reply(reply) if reply.early || upgrade => {
                arrivals(reply, &received.headers, http2)
            }
            Answer::Reset(after_ms) if upgrade => {
                vec![(Duration::from_millis(*after_ms), Inbound::Reset)]
            }
            _ => Arrivals::new(),
        };
        let list = state.received.entry(request.cluster.clone()).or_default();
        let index = list.len();
        list.push(received);
        state.flights.insert(
            flight,
            Flight {
                cluster: request.cluster.clone(),
                index,
                answer,
            },
        );
        early
    }

    fn request_sent(&mut self, flight: OutboundId, request: &Outbound) -> Arrivals {
        let mut state = self.0.0.borrow_mut();
        let http2 = state
            .scripts
            .get(&request.cluster)
            .is_some_and(|script| script.cluster().http2);
        let Some(Flight {
            cluster,
            index,
            answer,
        }) = state.flights.remove(&flight)
        else {
            return Arrivals::new();
        };
        if let Some(received) = state
            .received
            .get_mut(&cluster)
            .and_then(|list| list.get_mut(index))
        {
            received.body.clone_from(&request.body);
            // Envoy sends trailers to servers that speak HTTP/2 only.
            let trailers = request.trailers.as_ref().filter(|_| http2);
            received.trailers = trailers.map(headers).unwrap_or_default();
            received.complete = true;
        }
        match answer {
            Answer::Reply(reply) if reply.early => Arrivals::new(),
            Answer::Reply(reply) => arrivals(&reply, &Headers::new(), http2),
            Answer::Reset(after_ms) => vec![(Duration::from_millis(after_ms), Inbound::Reset)],
            Answer::Hang | Answer::Refuse => Arrivals::new(),
        }
    }
}

/// What a proxy writes at the head of a request over HTTP/1.1 to say where its body ends: a length
/// that is there, or else chunks, and never both (RFC 9112 section 6.2; Envoy:
/// source/common/http/http1/codec_impl.cc, `encodeHeadersBase`).
fn framing_of(request: &Outbound) -> Option<(String, Bytes)> {
    let method = request.headers.text(":method").unwrap_or_default();
    let never_has_a_body = ["GET", "HEAD", "DELETE", "TRACE", "CONNECT"].contains(&method.as_str());
    match request.bodiless {
        _ if request.headers.first("content-length").is_some() => None,
        _ if request.upgrade => None,
        true if never_has_a_body => None,
        true => Some(("content-length".into(), "0".into())),
        false => Some(("transfer-encoding".into(), "chunked".into())),
    }
}

/// The head of a request as a server sees it.
fn head(request: &Outbound, open: &[usize]) -> Received {
    let text = |name: &str| request.headers.text(name).unwrap_or_default();
    let during = match open {
        [only] => Some(*only),
        _ => None,
    };
    let mut all = headers(&request.headers);
    all.retain(|(name, _)| !name.starts_with(':') && name != "host");
    Received {
        during,
        method: text(":method"),
        path: text(":path"),
        authority: text(":authority"),
        headers: all,
        ..Received::default()
    }
}

/// Headers in the scenario's form.
pub(super) fn headers(headers: &proxy::Headers) -> Headers {
    let pairs = headers.iter().map(|(name, value)| {
        (
            String::from_utf8_lossy(name).into_owned(),
            Bytes::copy_from_slice(value),
        )
    });
    pairs.filter(|(name, _)| name != ":status").collect()
}

/// Trailers in the proxy's form.
pub(super) fn trailers(body: &Body) -> Option<proxy::Headers> {
    let pairs = body
        .trailers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_ref()));
    (!body.trailers.is_empty()).then(|| pairs.collect())
}

/// An answer on its way, with what a real server's HTTP stack says about its body.
fn arrivals(reply: &Reply, request: &Headers, http2: bool) -> Arrivals {
    let mut all = proxy::Headers::new();
    all.add(":status", reply.status.to_string());
    for (name, value) in reply.headers_for(request) {
        all.add(&name, value.to_vec());
    }
    let has = |name: &str| reply.headers.iter().any(|(header, _)| header == name);
    let bodiless = reply.switches() || matches!(reply.status, 204 | 304);
    match framing(&reply.body) {
        _ if bodiless || has("content-length") || has("transfer-encoding") => {}
        Framing::Length(length) if reply.end == End::Complete => {
            all.add("content-length", length.to_string())
        }
        _ if http2 => {}
        _ => all.add("transfer-encoding", "chunked"),
    }
    let complete = reply.end == End::Complete && !reply.switches();
    let trailers = trailers(&reply.body);
    let last = |more: bool| complete && !more && trailers.is_none();
    let mut at = Duration::from_millis(reply.after_ms);
    let pieces = pieces(&reply.body);
    let mut arrivals = vec![(
        at,
        Inbound::Head {
            headers: all,
            end: last(!pieces.is_empty()),
        },
    )];
    let mut pieces = pieces.into_iter().peekable();
    while let Some((wait, bytes)) = pieces.next() {
        at = at.saturating_add(wait);
        arrivals.push((
            at,
            Inbound::Body {
                bytes,
                end: last(pieces.peek().is_some()),
            },
        ));
    }
    match (reply.end, trailers) {
        (End::Complete, _) if reply.switches() => arrivals.push((
            at.saturating_add(QUIET),
            Inbound::Body {
                bytes: Vec::new(),
                end: true,
            },
        )),
        (End::Complete, Some(trailers)) => arrivals.push((at, Inbound::Trailers(trailers))),
        (End::Reset, _) => arrivals.push((at.saturating_add(super::GAP), Inbound::Reset)),
        _ => {}
    }
    arrivals
}
