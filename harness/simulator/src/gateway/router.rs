//! Behind the chain: requests that reach the router, and what their upstreams answer.
//!
//! An answer of an upstream goes back through the chain. What goes wrong on the way becomes an
//! answer of the proxy with Envoy's own texts.

use std::time::Duration;

use crate::core::{LocalReply, Purpose};
use crate::gateway::Gateway;
use crate::gateway::filter_manager::StartFrom;
use crate::gateway::request::HTTP_1;
use crate::gateway::stream::{Pause, Side, Source, UpstreamRequest, WaitingFrame};
use crate::ids::{OutboundId, StreamId};
use crate::network::{Inbound, Outbound};
use crate::rules::headers::Headers;
use crate::rules::route::{Route, VirtualHost};
use crate::schedule::TimedEvent;

pub(super) const REFUSED: &str = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport failure reason: delayed connect error: Connection refused";
pub(super) const RESET: &str = "upstream connect error or disconnect/reset before headers. reset reason: connection termination";
pub(super) const TIMED_OUT: &str = "upstream request timeout";
const SILENT: &str = "stream timeout";
const BROKEN_HEADERS: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: protocol error";

mod flag {
    pub const STREAM_IDLE_TIMEOUT: u64 = 0x1_0000;
    pub const UPSTREAM_REQUEST_TIMEOUT: u64 = 0x4;
    pub const UPSTREAM_CONNECTION_FAILURE: u64 = 0x20;
    pub const UPSTREAM_CONNECTION_TERMINATION: u64 = 0x40;
    pub const NO_ROUTE_FOUND: u64 = 0x100;
    pub const NO_CLUSTER_FOUND: u64 = 0x0200_0000;
    pub const PROTOCOL_ERROR: u64 = 0x0100_0000;
}

fn error_reply(status: u16, text: &str, details: &str, flags: u64) -> LocalReply {
    LocalReply {
        status,
        body: text.as_bytes().to_vec(),
        details: details.to_owned(),
        flags,
        ..LocalReply::default()
    }
}

/// Where a route leads.
enum Target {
    Cluster(String),
    /// To an answer of the proxy's own.
    Answer(LocalReply),
}

impl Target {
    fn of(host: &VirtualHost, route: &Route) -> Self {
        let Some(direct) = &route.direct_response else {
            return Self::Cluster(route.cluster.clone());
        };
        let mut headers = Headers::new();
        route.finalize_answer(host, &mut headers);
        Self::Answer(LocalReply {
            status: direct.status,
            headers,
            body: direct.body.clone(),
            details: "direct_response".to_owned(),
            ..LocalReply::default()
        })
    }
}

impl Gateway {
    /// A request's headers have passed the chain. Where a body is shown as a whole, they wait for
    /// it.
    pub(super) fn headers_to_upstream(&mut self, id: StreamId, end: bool) {
        if end || !self.collects(id) {
            self.open_upstream(id, end);
        }
    }

    /// Whether the body of a request is shown as a whole. What follows an upgrade has no end and is
    /// not.
    pub(super) fn collects(&self, id: StreamId) -> bool {
        let whole = self.core.borrow().profile.bodies.request_comes_whole;
        let upgrade = self.stream(id, |stream| {
            let headers = stream.request.headers.as_ref();
            headers.is_some_and(|headers| headers.upgrade().is_some())
        });
        whole && upgrade == Some(false)
    }

    fn open_upstream(&mut self, id: StreamId, end: bool) {
        let headers = self.stream(id, |stream| {
            stream.request.forwarded = true;
            let headers = stream.request.headers.clone().unwrap_or_default();
            let mut headers = headers.revealed();
            headers.lower_names();
            if let Some(asked) = &stream.asked {
                headers.remove("host");
                headers.set(":path", asked.target.as_slice());
                headers.set(":authority", asked.host.as_slice());
            }
            headers
        });
        let Some(headers) = headers else { return };
        let target = self
            .core
            .borrow()
            .routes
            .find(&headers)
            .map(|(host, route)| Target::of(host, route));
        let cluster = match target {
            Some(Target::Cluster(cluster)) => cluster,
            Some(Target::Answer(answer)) => return self.local_reply(id, answer),
            None => {
                return self.local_reply(
                    id,
                    error_reply(404, "", "route_not_found", flag::NO_ROUTE_FOUND),
                );
            }
        };
        if !self.core.borrow().network.has_cluster(&cluster) {
            return self.local_reply(
                id,
                error_reply(503, "", "cluster_not_found", flag::NO_CLUSTER_FOUND),
            );
        }
        if headers
            .iter()
            .any(|(name, value)| has_line_break(name) || has_line_break(value))
        {
            let details = "upstream_reset_before_response_started{protocol_error}";
            return self.local_reply(
                id,
                error_reply(503, BROKEN_HEADERS, details, flag::PROTOCOL_ERROR),
            );
        }
        let mut headers = self.finalized(id, headers);
        let upgrade = headers.upgrade().is_some();
        if !upgrade {
            for name in self.core.borrow().profile.headers.written_anew {
                headers.remove(name);
            }
        }
        let request = Outbound {
            cluster: cluster.clone(),
            upgrade,
            headers,
            bodiless: end,
            ..Outbound::default()
        };
        let (outbound, sent_ns) = {
            let mut core = self.core.borrow_mut();
            let outbound = core.open_request(request, Purpose::Upstream(id));
            (outbound, core.now_ns)
        };
        self.stream(id, |stream| {
            stream.upstream = Some(UpstreamRequest {
                outbound,
                cluster,
                over: false,
                sent_ns,
                received_ns: None,
            })
        });
        if end {
            self.request_complete(id, outbound);
        }
    }

    /// The headers of a request as its route rewrites them. Filters and the access log see the same
    /// from now on.
    fn finalized(&self, id: StreamId, headers: Headers) -> Headers {
        let mut core = self.core.borrow_mut();
        let mut changed = headers.clone();
        if let Some((host, route)) = core.routes.find(&headers) {
            route.finalize(host, &mut changed);
        }
        if let Some(stream) = core.streams.get_mut(&id) {
            if stream.asked.is_some() {
                // Filters go on to see what they were shown.
                stream.routed = Some(headers);
            } else if changed != headers {
                stream.routed = stream.request.headers.replace(changed.clone());
            }
        }
        changed
    }

    /// Changes the headers of an upstream's answer as the route says, before the chain sees them.
    fn finalize_answer(&self, id: StreamId, headers: &mut Headers) {
        let core = self.core.borrow();
        let asked = core.streams.get(&id);
        let asked = asked.and_then(|stream| stream.routing_headers());
        if let Some((host, route)) = asked.and_then(|asked| core.routes.find(asked)) {
            route.finalize_answer(host, headers);
        }
    }

    /// A piece of a request's body has passed the chain.
    pub(super) fn data_to_upstream(&mut self, id: StreamId, data: Vec<u8>, end: bool) {
        let waits = self.stream(id, |stream| !stream.request.forwarded);
        if waits == Some(true) {
            let nothing = end && data.is_empty();
            self.open_upstream(id, nothing);
            if nothing {
                return;
            }
        }
        let Some(outbound) = self.upstream_request_of(id) else {
            return;
        };
        {
            let mut core = self.core.borrow_mut();
            let keeps_history = core.keeps_history;
            let upgraded = match core.requests.get_mut(&outbound) {
                Some(sent) => {
                    // What is said on an upgraded connection may have no end.
                    if keeps_history || !sent.request.upgrade {
                        sent.request.body.extend_from_slice(&data);
                    }
                    sent.request.upgrade
                }
                None => false,
            };
            if upgraded {
                core.send_upgraded(outbound, &data);
            }
        }
        if end {
            self.request_complete(id, outbound);
        }
    }

    /// A request's trailers have passed the chain.
    pub(super) fn trailers_to_upstream(&mut self, id: StreamId) {
        let Some(outbound) = self.upstream_request_of(id) else {
            return;
        };
        let trailers = self
            .stream(id, |stream| stream.request.trailers.clone())
            .flatten();
        if let Some(sent) = self.core.borrow_mut().requests.get_mut(&outbound) {
            sent.request.trailers = trailers;
        }
        self.request_complete(id, outbound);
    }

    fn request_complete(&mut self, id: StreamId, outbound: OutboundId) {
        let mut core = self.core.borrow_mut();
        let headers = core
            .streams
            .get(&id)
            .and_then(|stream| stream.routing_headers());
        let route = headers.and_then(|headers| core.routes.find(headers));
        let timeout = route
            .and_then(|(_, route)| route.timeout)
            .unwrap_or(core.profile.route_timeout);
        if !timeout.is_zero() {
            core.schedule_after(timeout, TimedEvent::RouteTimeout(id));
        }
        core.complete_request(outbound);
    }

    fn upstream_request_of(&self, id: StreamId) -> Option<OutboundId> {
        self.stream(id, |stream| {
            stream
                .upstream
                .as_ref()
                .filter(|upstream| !upstream.over)
                .map(|upstream| upstream.outbound)
        })
        .flatten()
    }

    /// A request to an upstream is over or given up; what was sent is kept for the outcome.
    pub(super) fn close_upstream(&mut self, id: StreamId, outbound: OutboundId, abandoned: bool) {
        let closed = self.core.borrow_mut().close_request(outbound, abandoned);
        self.stream(id, |stream| {
            if let Some(upstream) = &mut stream.upstream {
                upstream.over = true;
            }
        });
        if let Some(outbound) = closed {
            self.sent.insert(id, outbound.request);
        }
    }

    /// An upstream takes too long.
    pub(super) fn on_route_timeout(&mut self, id: StreamId) {
        let waiting = self.stream(id, |stream| {
            !stream.over
                && stream
                    .upstream
                    .as_ref()
                    .is_some_and(|upstream| !upstream.over)
        });
        if waiting == Some(true) {
            self.local_reply(
                id,
                error_reply(
                    504,
                    TIMED_OUT,
                    "response_timeout",
                    flag::UPSTREAM_REQUEST_TIMEOUT,
                ),
            );
        }
    }

    /// Something is sent or received in an exchange.
    pub(super) fn note_activity(&self, id: StreamId) {
        let now_ns = self.core.borrow().now_ns;
        self.stream(id, |stream| stream.active_ns = now_ns);
    }

    /// An exchange may have been silent for too long (Envoy's
    /// source/common/http/conn_manager_impl.cc, `onIdleTimeout`).
    pub(super) fn on_idle_timeout(&mut self, id: StreamId, timeout: Duration) {
        let state = self.stream(id, |stream| {
            (stream.over, stream.active_ns, stream.request.ended)
        });
        let Some((false, active_ns, complete)) = state else {
            return;
        };
        let silent_ns = self.core.borrow().now_ns.saturating_sub(active_ns);
        let left = timeout.saturating_sub(Duration::from_nanos(silent_ns));
        if !left.is_zero() {
            let mut core = self.core.borrow_mut();
            return core.schedule_after(left, TimedEvent::IdleTimeout(id, timeout));
        }
        let status = if complete { 504 } else { 408 };
        let details = "stream_idle_timeout";
        self.local_reply(
            id,
            error_reply(status, SILENT, details, flag::STREAM_IDLE_TIMEOUT),
        );
    }

    /// Something arrives in answer to a request of the proxy.
    pub(super) fn on_inbound(&mut self, outbound: OutboundId, mut arrival: Inbound) {
        let stream = {
            let core = self.core.borrow();
            let Some(sent) = core.requests.get(&outbound) else {
                return;
            };
            if let Inbound::Head { headers, .. } = &mut arrival
                && core.profile.adds_headers
            {
                let took_ms = core.now_ns.saturating_sub(sent.opened_ns) / 1_000_000;
                headers.set("x-envoy-upstream-service-time", took_ms.to_string());
            }
            match &sent.purpose {
                Purpose::Upstream(stream) => Some(*stream),
                Purpose::Callout { .. } => None,
            }
        };
        match stream {
            Some(id) => self.on_upstream_inbound(id, outbound, arrival),
            None => self.on_callout_inbound(outbound, arrival),
        }
    }

    fn on_upstream_inbound(&mut self, id: StreamId, outbound: OutboundId, arrival: Inbound) {
        self.note_activity(id);
        if self.stream(id, |stream| stream.response.blocked) == Some(true) {
            self.stream(id, |stream| {
                stream
                    .response
                    .waiting
                    .push_back(WaitingFrame::Arrival(arrival))
            });
            return;
        }
        let over = matches!(
            arrival,
            Inbound::Head { end: true, .. }
                | Inbound::Body { end: true, .. }
                | Inbound::Trailers(_)
                | Inbound::Refused
                | Inbound::Reset
        );
        if over {
            self.close_upstream(id, outbound, false);
            if !matches!(arrival, Inbound::Refused | Inbound::Reset) {
                let now_ns = self.core.borrow().now_ns;
                self.stream(id, |stream| {
                    if let Some(upstream) = &mut stream.upstream {
                        upstream.received_ns = Some(now_ns);
                    }
                });
            }
        }
        if !self.is_open(id, Side::Response)
            || self.stream(id, |stream| stream.locally_replied) == Some(true)
        {
            return;
        }
        match arrival {
            Inbound::Head { headers, .. } if self.misframed(&headers, HTTP_1).is_some() => {
                self.close_upstream(id, outbound, true);
                let details = "upstream_reset_before_response_started{protocol_error}";
                let reply = error_reply(502, BROKEN_HEADERS, details, flag::PROTOCOL_ERROR);
                self.local_reply(id, reply);
            }
            Inbound::Head { mut headers, end } => {
                self.finalize_answer(id, &mut headers);
                self.stream(id, |stream| {
                    for (name, value) in stream.response.early.iter() {
                        headers.add(name, value);
                    }
                    stream.response.headers = Some(headers);
                    stream.response.ended = end;
                    stream.details = Some("via_upstream".to_owned());
                });
                self.iterate_headers(id, Side::Response, StartFrom::First, end);
            }
            Inbound::Body { bytes, end } => self.receive_response_data(id, bytes, end),
            Inbound::Trailers(_) if self.drops_trailers() => {
                self.receive_response_data(id, Vec::new(), true);
            }
            Inbound::Trailers(trailers) => self.receive_trailers(id, Side::Response, trailers),
            Inbound::Refused => {
                let details = "upstream_reset_before_response_started{remote_connection_failure}";
                let status = self.core.borrow().profile.failed_upstream_status;
                self.local_reply(
                    id,
                    error_reply(status, REFUSED, details, flag::UPSTREAM_CONNECTION_FAILURE),
                );
            }
            Inbound::Reset => {
                let begun = self.stream(id, |stream| stream.response.headers.is_some());
                let details = match begun {
                    Some(true) => "upstream_reset_after_response_started{connection_termination}",
                    _ => "upstream_reset_before_response_started{connection_termination}",
                };
                let status = self.core.borrow().profile.failed_upstream_status;
                self.local_reply(
                    id,
                    error_reply(
                        status,
                        RESET,
                        details,
                        flag::UPSTREAM_CONNECTION_TERMINATION,
                    ),
                );
            }
        }
    }

    /// A piece of a response's body arrives, cut as the proxy's buffers cut it.
    fn receive_response_data(&mut self, id: StreamId, mut bytes: Vec<u8>, end: bool) {
        let rules = self.core.borrow().profile.bodies;
        loop {
            let cut = bytes.len().min(rules.max_response_piece.max(1));
            let rest = bytes.split_off(cut);
            let last = rest.is_empty();
            let piece = std::mem::replace(&mut bytes, rest);
            if let Some((piece, end)) = self.gathered(id, piece, end && last) {
                self.receive_data(id, Side::Response, piece, end);
            }
            if last || !self.is_open(id, Side::Response) {
                return;
            }
        }
    }

    /// What there is to be shown of a response's body: the piece, or all that has gathered since a
    /// filter has paused it, once that fills the buffer.
    fn gathered(&self, id: StreamId, piece: Vec<u8>, end: bool) -> Option<(Vec<u8>, bool)> {
        let most = self.core.borrow().profile.bodies.response_buffer;
        self.stream(id, |stream| {
            let response = &mut stream.response;
            if response.paused != Pause::Gathers {
                return Some((piece, end));
            }
            response.collected.extend(piece);
            let held = response.buffered.as_ref().map_or(0, Vec::len);
            let held = held.saturating_add(response.collected.len());
            if !end && most.is_some_and(|most| held < most) {
                return None;
            }
            Some((std::mem::take(&mut response.collected), end))
        })?
    }

    /// A piece of a message's body enters the chain. The last piece of a message with a known
    /// length comes with its end in the same frame on HTTP/2; on HTTP/1.1 the end comes as an empty
    /// frame of its own.
    pub(super) fn receive_data(&mut self, id: StreamId, side: Side, bytes: Vec<u8>, end: bool) {
        let apart = end && !bytes.is_empty() && self.end_stream_as_own_frame(id);
        self.receive_data_frame(id, side, bytes, end && !apart);
        if apart && self.is_open(id, side) {
            self.receive_data_frame(id, side, Vec::new(), true);
        }
    }

    fn receive_data_frame(&mut self, id: StreamId, side: Side, bytes: Vec<u8>, end: bool) {
        self.stream(id, |stream| {
            let message = stream.message_mut(side);
            message.size = message
                .size
                .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            message.ended = end;
            message.inline = bytes;
        });
        self.iterate_data(id, side, StartFrom::First, Source::Inline, end);
    }

    fn drops_trailers(&self) -> bool {
        let bodies = self.core.borrow().profile.bodies;
        bodies.response_trailers_are_dropped
    }

    fn end_stream_as_own_frame(&self, id: StreamId) -> bool {
        let http1 = self
            .stream(id, |stream| stream.connection.protocol == HTTP_1)
            .unwrap_or_default();
        http1 && self.core.borrow().profile.end_stream_as_own_frame
    }

    /// Trailers of a message enter the chain.
    pub(super) fn receive_trailers(&mut self, id: StreamId, side: Side, trailers: Headers) {
        self.stream(id, |stream| {
            let message = stream.message_mut(side);
            message.ended = true;
            message.trailers = Some(trailers);
        });
        self.iterate_trailers(id, side, StartFrom::First);
    }
}

/// Bytes that no HTTP codec sends in a name or value.
fn has_line_break(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}
