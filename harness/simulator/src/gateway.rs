//! The gateway: requests, time, and what has been seen.

mod active_filter;
mod callout;
mod filter_manager;
mod filter_status;
mod reconfigure;
mod reply;
pub mod request;
mod router;
mod run;
pub mod start;
pub(crate) mod stream;
mod threads;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::core::{ActiveRequest, Core, Deferred, LocalReply};
use crate::gateway::filter_manager::StartFrom;
use crate::gateway::request::{ClientResponse, Connection, HTTP_1, Outcome, Request};
use crate::gateway::stream::{ActiveFilter, Asked, Message, Side, Stream, WaitingFrame};
use crate::gateway::threads::VmAvailability;
use crate::guest::{Guest, GuestCode};
use crate::ids::{PluginId, StreamId, WorkerId};
use crate::metric::Metric;
use crate::network::Outbound;
use crate::plugin::Plugin;
use crate::rules::framing;
use crate::rules::headers::Headers;
use crate::rules::path::PathRules;
use crate::rules::uri::Uri;
use crate::schedule::TimedEvent;
use crate::timeline::{Event, Timeline};

/// How long [`Gateway::exchange`] waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A simulated proxy with its filters.
pub struct Gateway {
    pub(super) core: Rc<RefCell<Core>>,
    pub(super) guests: Vec<Option<Box<dyn Guest>>>,
    pub(super) codes: Vec<Rc<dyn GuestCode>>,
    workers: usize,
    next_worker: usize,
    /// What guests have asked for in callbacks that have returned.
    pub(super) pending: VecDeque<Deferred>,
    /// Exchanges that have ended and whose filters have not had `on_log` yet.
    pub(super) ending: VecDeque<StreamId>,
    /// What upstreams have received, once the request to them is over.
    pub(super) sent: BTreeMap<StreamId, Outbound>,
    /// Outcomes of exchanges that are over.
    pub(super) done: BTreeMap<StreamId, Outcome>,
    pub(super) callouts: Vec<Outbound>,
    /// What clients send once their upgrade is granted.
    pub(super) upgrade_data: BTreeMap<StreamId, Vec<(Duration, Vec<u8>)>>,
}

impl Gateway {
    /// A gateway whose VMs are still to be started.
    pub(super) fn new(core: Core, codes: Vec<Rc<dyn GuestCode>>, workers: usize) -> Self {
        let vms = core.vms.len();
        Self {
            core: Rc::new(RefCell::new(core)),
            guests: std::iter::repeat_with(|| None).take(vms).collect(),
            codes,
            workers,
            next_worker: 0,
            pending: VecDeque::new(),
            ending: VecDeque::new(),
            sent: BTreeMap::new(),
            done: BTreeMap::new(),
            callouts: Vec::new(),
            upgrade_data: BTreeMap::new(),
        }
    }

    /// Sends a request and advances the clock until it is over, or until the client has waited a
    /// minute.
    pub fn exchange(&mut self, request: Request) -> Outcome {
        let id = self.submit(request);
        self.wait_for(id, PATIENCE);
        self.take_outcome(id).unwrap_or_else(|| self.outcome(id))
    }

    /// Takes the outcome of an exchange that is over; afterwards nothing is known of it.
    pub fn take_outcome(&mut self, id: StreamId) -> Option<Outcome> {
        self.done.remove(&id)
    }

    /// Begins a request; its pieces follow as the clock advances.
    pub fn submit(&mut self, request: Request) -> StreamId {
        let end = request.body.is_empty() && request.trailers.is_none() && !request.endless;
        let Request {
            headers,
            body,
            trailers,
            endless,
            disconnect_after,
            worker,
            connection,
        } = request;
        if endless {
            let next = self.core.borrow().last_stream.next();
            self.upgrade_data.insert(next, body);
            return self.start_request(headers, connection, worker, end, |core, id| {
                if let Some(gone) = disconnect_after {
                    core.schedule_after(gone, TimedEvent::ClientDisconnect(id));
                }
            });
        }
        self.start_request(headers, connection, worker, end, |core, id| {
            let mut at = Duration::ZERO;
            let mut pieces = body.into_iter().peekable();
            while let Some((wait, bytes)) = pieces.next() {
                at = at.saturating_add(wait);
                let last = pieces.peek().is_none() && trailers.is_none();
                core.schedule_after(at, TimedEvent::ClientBody(id, bytes, last));
            }
            if let Some(trailers) = trailers {
                core.schedule_after(at, TimedEvent::ClientTrailers(id, trailers));
            }
            if let Some(gone) = disconnect_after {
                core.schedule_after(gone, TimedEvent::ClientDisconnect(id));
            }
        })
    }

    /// Begins a request whose pieces the caller sends, with [`Gateway::send`], as they arrive;
    /// `end` when nothing follows.
    pub fn begin(&mut self, headers: Headers, connection: Connection, end: bool) -> StreamId {
        self.start_request(headers, connection, None, end, |_, _| {})
    }

    /// A piece of a request's body arrives.
    pub fn send(&mut self, id: StreamId, bytes: Vec<u8>, end: bool) {
        self.client_frame(id, WaitingFrame::Body(bytes, end));
        self.run_pending();
    }

    /// A request's trailers arrive, and with them its end.
    pub fn send_trailers(&mut self, id: StreamId, trailers: Headers) {
        self.client_frame(id, WaitingFrame::Trailers(trailers));
        self.run_pending();
    }

    /// The client of a request goes away.
    pub fn disconnect(&mut self, id: StreamId) {
        self.client_disconnected(id);
        self.run_pending();
    }

    fn start_request(
        &mut self,
        headers: Headers,
        connection: Connection,
        worker: Option<WorkerId>,
        end: bool,
        schedule: impl FnOnce(&mut Core, StreamId),
    ) -> StreamId {
        let worker = worker.map_or(self.next_worker, |worker| worker.0) % self.workers;
        self.next_worker = worker.wrapping_add(1);
        let upgrades = self.allows_upgrade(&headers);
        let framed = self.misframed(&headers, connection.protocol);
        let (id, accepted) = self.create_stream(headers, connection, WorkerId(worker), end);
        schedule(&mut self.core.borrow_mut(), id);
        if let Some((status, details)) = framed.or_else(|| self.codec_refuses(id)) {
            self.refuse_early(id, status, details);
            self.record_outcome(id);
            return id;
        }
        let refused = match (accepted, upgrades) {
            (false, _) => Some((400, "path_normalization_failed")),
            (true, false) => Some((403, "upgrade_failed")),
            (true, true) => None,
        };
        if let Some((status, details)) = refused {
            let refused = LocalReply {
                status,
                details: details.to_owned(),
                ..LocalReply::default()
            };
            self.local_reply(id, refused);
            self.run_pending();
            return id;
        }
        self.iterate_headers(id, Side::Request, StartFrom::First, end);
        self.run_pending();
        id
    }

    /// Whether an upgrade that a request asks for is one that is configured; a request that asks
    /// for none is taken in any case.
    fn allows_upgrade(&self, headers: &Headers) -> bool {
        let Some(asked) = headers.upgrade() else {
            return true;
        };
        let core = self.core.borrow();
        core.upgrades
            .iter()
            .any(|known| known.eq_ignore_ascii_case(&asked))
    }

    /// Advances the clock until an exchange is over, by `at_most` at most. Whether it is over.
    pub fn wait_for(&mut self, id: StreamId, at_most: Duration) -> bool {
        let until = self.now_plus(at_most);
        while !self.is_over(id) && self.step(until) {}
        self.is_over(id)
    }

    /// Advances the clock by `time`.
    pub fn advance(&mut self, time: Duration) {
        self.advance_to(self.now_plus(time));
    }

    /// Advances the clock to `now`; it never goes back.
    pub fn advance_to(&mut self, now_ns: u64) {
        while self.step(now_ns) {}
        let mut core = self.core.borrow_mut();
        core.now_ns = core.now_ns.max(now_ns);
    }

    /// When the next scheduled event is due, in nanoseconds since the Unix epoch.
    pub fn next_due_ns(&self) -> Option<u64> {
        self.core.borrow().schedule.next_ns()
    }

    /// Advances the clock until only timers are scheduled.
    pub fn run_until_idle(&mut self) {
        while !self.core.borrow().schedule.only_ticks() && self.step(u64::MAX) {}
    }

    /// Whether an exchange is over.
    pub fn is_over(&self, id: StreamId) -> bool {
        self.stream(id, |stream| stream.over).unwrap_or(true)
    }

    /// The outcome of a request so far.
    pub fn outcome(&self, id: StreamId) -> Outcome {
        if let Some(outcome) = self.done.get(&id) {
            return outcome.clone();
        }
        let core = self.core.borrow();
        let Some(stream) = core.streams.get(&id) else {
            return Outcome::default();
        };
        let open = stream
            .upstream
            .as_ref()
            .and_then(|upstream| core.requests.get(&upstream.outbound));
        let upstream = open
            .map(|ActiveRequest { request, .. }| request)
            .or_else(|| self.sent.get(&id));
        let state = stream.filter_state.iter();
        Outcome {
            started_ns: stream.started_ns,
            request: stream.request.headers.clone().unwrap_or_default(),
            client: stream.answer.clone(),
            upstream: upstream.cloned(),
            details: stream.details.clone(),
            flags: stream.flags,
            filter_state: state
                .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.clone()))
                .collect(),
            over: stream.over,
        }
    }

    /// Every callout that is over, in the order of their ends, and those still open.
    pub fn callouts(&self) -> Vec<Outbound> {
        let core = self.core.borrow();
        let open = core
            .requests
            .values()
            .filter(|outbound| matches!(outbound.purpose, crate::core::Purpose::Callout { .. }));
        self.callouts
            .iter()
            .chain(open.map(|outbound| &outbound.request))
            .cloned()
            .collect()
    }

    /// All metrics by name.
    pub fn metrics(&self) -> BTreeMap<String, Metric> {
        let core = self.core.borrow();
        core.metrics
            .all()
            .map(|(name, metric)| (name.to_owned(), metric.clone()))
            .collect()
    }

    /// The value of a counter or gauge.
    pub fn metric(&self, name: &str) -> Option<u64> {
        match self.metrics().get(name)? {
            Metric::Counter(value) | Metric::Gauge(value) => Some(*value),
            Metric::Histogram(_) => None,
        }
    }

    /// Everything observed so far.
    pub fn timeline(&self) -> Timeline {
        self.core.borrow().timeline.clone()
    }

    /// Takes everything observed so far.
    pub fn take_timeline(&mut self) -> Timeline {
        let mut core = self.core.borrow_mut();
        let fresh = Timeline::new(core.timeline.traces_host_calls());
        std::mem::replace(&mut core.timeline, fresh)
    }

    /// Bytes of memory of each VM that has its own, in the order in which filters were added.
    pub fn memory_bytes(&self) -> Vec<u64> {
        let guests = self.guests.iter().flatten();
        guests.filter_map(|guest| guest.memory_bytes()).collect()
    }

    /// Nanoseconds since the Unix epoch, virtual.
    pub fn now_ns(&self) -> u64 {
        self.core.borrow().now_ns
    }

    /// How many exchanges, callouts and records are held.
    #[cfg(test)]
    pub(crate) fn retained(&self) -> usize {
        let core = self.core.borrow();
        let schedule = usize::from(!core.schedule.only_ticks());
        [
            core.streams.len(),
            core.requests.len(),
            core.timeline.records().len(),
            core.deferred.len(),
            self.pending.len(),
            self.ending.len(),
            self.sent.len(),
            self.done.len(),
            self.callouts.len(),
            self.upgrade_data.len(),
            schedule,
        ]
        .iter()
        .sum()
    }

    fn now_plus(&self, time: Duration) -> u64 {
        self.now_ns()
            .saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(super) fn stream<T>(&self, id: StreamId, act: impl FnOnce(&mut Stream) -> T) -> Option<T> {
        self.core.borrow_mut().streams.get_mut(&id).map(act)
    }

    /// Makes an exchange and decides which filters are part of it. Also gives whether the rules for
    /// paths accept it.
    fn create_stream(
        &mut self,
        mut headers: Headers,
        mut connection: Connection,
        worker: WorkerId,
        end: bool,
    ) -> (StreamId, bool) {
        let (id, accepted, plugins, idle_timeout) = {
            let mut core = self.core.borrow_mut();
            core.last_stream = core.last_stream.next();
            if !core.profile.headers.names_as_sent {
                headers.lower_names();
            }
            mutate_request_headers(&mut core, &mut headers, &mut connection);
            // Envoy's codec refuses such names before anything else
            // (source/common/http/header_utility.cc, `checkHeaderNameForUnderscores`).
            let accepted = !(core.paths.reject_underscores && has_underscore(&headers))
                && normalize_path(core.paths, &mut headers);
            let switched = |plugin: &Plugin| {
                core.routes
                    .switch(&headers, &plugin.name)
                    .unwrap_or(!plugin.disabled)
            };
            (
                core.last_stream,
                accepted,
                core.plugins.iter().map(switched).collect::<Vec<bool>>(),
                core.routes.idle_timeout(&headers),
            )
        };
        let filters = plugins.into_iter().enumerate().map(|(plugin, on)| {
            let availability = if on {
                self.vm_availability(worker, PluginId(plugin))
            } else {
                VmAvailability::FailOpen
            };
            ActiveFilter {
                absent: availability == VmAvailability::FailOpen,
                lost: availability == VmAvailability::FailClosed,
                ..ActiveFilter::default()
            }
        });
        let filters = filters.collect();
        let mut core = self.core.borrow_mut();
        let asked = core
            .profile
            .headers
            .request_line_is_parsed
            .then(|| parse_request_line(&mut headers, &connection));
        let stream = Stream {
            id,
            worker,
            connection,
            filters,
            request: Message {
                headers: Some(headers),
                ended: end,
                ..Message::default()
            },
            response: Message::default(),
            filter_state: BTreeMap::new(),
            asked: asked.flatten(),
            same_order: core.profile.responses_in_request_order,
            started_ns: core.now_ns,
            details: None,
            flags: 0,
            upstream: None,
            routed: None,
            active_ns: core.now_ns,
            locally_replied: false,
            answer: ClientResponse::default(),
            over: false,
        };
        core.streams.insert(id, stream);
        if let Some(timeout) = idle_timeout {
            core.schedule_after(timeout, TimedEvent::IdleTimeout(id, timeout));
        }
        (id, accepted)
    }

    /// Why the proxy's codec cannot tell how long a message is, if it cannot.
    fn misframed(&self, headers: &Headers, protocol: &str) -> Option<(u16, &'static str)> {
        let strips = self.core.borrow().profile.strips_connection_headers;
        if !strips || protocol != HTTP_1 {
            return None;
        }
        let mut headers = headers.clone();
        headers.lower_names();
        framing::refused(&headers)
    }

    /// Why the proxy's codec refuses a request before any filter sees it, if it does.
    fn codec_refuses(&self, id: StreamId) -> Option<(u16, &'static str)> {
        let (max, parsed) = {
            let core = self.core.borrow();
            let rules = &core.profile;
            (
                rules.max_request_headers,
                rules.headers.request_line_is_parsed,
            )
        };
        self.stream(id, |stream| {
            let headers = stream.request.headers.as_ref()?;
            if headers.len() > max {
                return Some((431, "http1.too_many_headers"));
            }
            (parsed && stream.asked.is_none()).then_some((400, "invalid_request"))
        })?
    }

    /// Answers a request that no filter sees.
    fn refuse_early(&mut self, id: StreamId, status: u16, details: &str) {
        self.stream(id, |stream| {
            stream.details = Some(details.to_owned());
            let status = [(":status", status.to_string().into_bytes())];
            stream.answer.headers = Some(status.into_iter().collect());
            stream.answer.complete = true;
            stream.over = true;
        });
        self.core.borrow_mut().record(Event::StreamEnd {
            stream: id,
            details: Some(details.to_owned()),
            complete: true,
        });
    }
}

/// Gives the request's headers the form that nginx shows: what it makes of the target and its own
/// name in pseudo-headers, and the client's host among the headers. `None` when it refuses the
/// target.
fn parse_request_line(headers: &mut Headers, connection: &Connection) -> Option<Asked> {
    const SERVER_NAME: &str = "localhost";
    let target = headers.first(":path").unwrap_or(b"*").to_vec();
    let host = headers.first(":authority").unwrap_or_default().to_vec();
    let uri = Uri::parse(&target)?;
    let authority = format!("{SERVER_NAME}:{}", connection.destination.port());
    let mut shown = Headers::new();
    shown.add(":path", uri.shown());
    for name in [":method", ":scheme"] {
        shown.add(name, headers.first(name).unwrap_or_default());
    }
    shown.add(":authority", authority);
    shown.add("host", host.as_slice());
    shown.append_but_pseudo(headers);
    *headers = shown;
    Some(Asked { target, host, uri })
}

/// Whether the name of a header has an underscore in it.
fn has_underscore(headers: &Headers) -> bool {
    headers.iter().any(|(name, _)| name.contains(&b'_'))
}

/// Gives the path the form that the rules want; `false` when they refuse it.
fn normalize_path(rules: PathRules, headers: &mut Headers) -> bool {
    let Some(path) = headers.first(":path") else {
        return true;
    };
    match rules.apply(path) {
        Some(normal) => {
            headers.set(":path", normal);
            true
        }
        None => false,
    }
}

/// The last address of an `x-forwarded-for`.
fn last_address(value: &[u8]) -> Option<IpAddr> {
    let last = std::str::from_utf8(value).ok()?.rsplit(',').next()?;
    last.trim().parse().ok()
}

/// What the connection manager makes of a request's headers before the chain
/// (source/common/http/conn_manager_utility.cc, `mutateRequestHeaders`).
fn mutate_request_headers(core: &mut Core, headers: &mut Headers, connection: &mut Connection) {
    if let Some(host) = headers.first("host").map(<[u8]>::to_vec) {
        headers.remove("host");
        if headers.first(":authority").is_none() {
            headers.add(":authority", host);
        }
    }
    let claimed = headers.all("x-forwarded-for").last().and_then(last_address);
    if core.use_remote_address {
        // Envoy adds the client's address to what the client claims.
        headers.add("x-forwarded-for", connection.source.ip().to_string());
    } else if let Some(address) = claimed {
        // Elsewhere it believes the last entry, which has no port.
        connection.source = (address, 0).into();
    }
    if core.profile.strips_connection_headers {
        for name in ["transfer-encoding", "keep-alive", "proxy-connection"] {
            headers.remove(name);
        }
        if headers.upgrade().is_none() {
            headers.remove("connection");
            headers.remove("upgrade");
        }
    }
    for name in core.profile.joined_headers {
        headers.join(name, ",");
    }
    if core.profile.adds_headers {
        if headers.first("x-forwarded-proto").is_none() {
            headers.add("x-forwarded-proto", "http");
        }
        if headers.first("x-request-id").is_none() {
            let (a, b) = (core.random(), core.random());
            let id = format!(
                "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
                a >> 32,
                (a >> 16) & 0xffff,
                a & 0xfff,
                0x8000 | ((b >> 48) & 0x3fff),
                b & 0xffff_ffff_ffff
            );
            headers.add("x-request-id", id);
        }
    }
}
