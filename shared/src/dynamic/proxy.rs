//! Envoy as one worker's VM sees it: the traits [`Host`] and [`Proxy`] over the calls of
//! [`envoy`](super::envoy).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::abi::attribute;
use super::after::After;
use super::entry::Entry;
use super::envoy::{Answer, Callout, Stream, buffers};
use super::settings::{Said, said};
use super::store::Store;
use super::worker::Desk;
use crate::host::{
    Buffer, Dispatch, Host, Level, LocalReply, Map, MetricKind, PerSide, Proxy, Side, Status,
};
use crate::hosts::{ENVOY_MODULE, Rules};
use crate::jose::{
    Accelerator as _, FOREIGN_FUNCTION, NativeVerifier, SignatureQuery, encode_answer,
};

/// The context of the root.
pub const ROOT: u32 = 1;

/// What the keys of filter state begin with. The wasm form has them from Envoy, so that one format
/// of an access log serves both forms.
const STATE: &str = "wasm.";

/// Where modelgate's values stand in a route's metadata.
const NAMESPACE: &str = "modelgate";

/// The profile of a route that says something which cannot be read: no plan has this name, so the
/// request is refused.
const UNREADABLE: &[u8] = b"(unreadable)";

/// An exchange that has not been destroyed.
struct Live {
    stream: Stream,
    /// Envoy was told to hold this side, and not yet to let it go.
    held: PerSide<bool>,
    /// It has been answered.
    replied: bool,
}

impl Live {
    const fn is_held(&self) -> bool {
        (self.held.request || self.held.response) && !self.replied
    }
}

/// Envoy behind the two traits, for one VM.
pub struct Envoy {
    entry: Arc<Entry>,
    desk: Arc<Desk>,
    /// The exchange that calls act on; none in the root.
    current: Cell<Option<(u32, Stream)>>,
    /// The VM runs on another thread than its exchanges do: none of them may be touched.
    elsewhere: Cell<bool>,
    live: RefCell<BTreeMap<u32, Live>>,
    after: RefCell<Vec<(u32, Stream, After)>>,
    /// Callouts of exchanges: context, Envoy's number, the kit's.
    calls: RefCell<Vec<(u32, u64, u32)>>,
    next_call: Cell<u32>,
    answer: RefCell<Option<Answer>>,
    /// Metrics of this VM by their number in it: kind, and Envoy's number.
    metrics: RefCell<Vec<(MetricKind, usize)>>,
    /// What could not be counted yet, on releases that count through exchanges only.
    owed: RefCell<BTreeMap<usize, (MetricKind, u64)>>,
}

impl Envoy {
    /// Envoy behind a VM of this entry.
    pub fn new(entry: Arc<Entry>, desk: Arc<Desk>) -> Self {
        Self {
            entry,
            desk,
            current: Cell::new(None),
            elsewhere: Cell::new(false),
            live: RefCell::default(),
            after: RefCell::default(),
            calls: RefCell::default(),
            next_call: Cell::new(1),
            answer: RefCell::default(),
            metrics: RefCell::default(),
            owed: RefCell::default(),
        }
    }

    /// From now on calls act on this exchange, or on none. `elsewhere`: this is not the thread of
    /// the exchanges.
    pub fn enter(&self, at: Option<(u32, Stream)>, elsewhere: bool) {
        self.current.set(at);
        self.elsewhere.set(elsewhere);
        self.settle_owed();
    }

    /// Calls act on no exchange any more.
    pub fn leave(&self) {
        self.settle_owed();
        self.current.set(None);
        self.elsewhere.set(false);
    }

    /// An exchange begins.
    pub fn begin(&self, context: u32, stream: Stream) {
        let live = Live {
            stream,
            held: PerSide::default(),
            replied: false,
        };
        self.live.borrow_mut().insert(context, live);
    }

    /// Envoy was told whether to hold a side.
    pub fn told(&self, context: u32, side: Side, holds: bool) {
        if let Some(live) = self.live.borrow_mut().get_mut(&context) {
            *live.held.of_mut(side) = holds;
        }
    }

    /// An exchange is gone: nothing is done for it any more.
    pub fn forget(&self, context: u32) {
        self.live.borrow_mut().remove(&context);
        self.calls.borrow_mut().retain(|(of, ..)| *of != context);
        self.after.borrow_mut().retain(|(of, ..)| *of != context);
    }

    /// An exchange that Envoy holds, if there is one.
    pub fn held(&self) -> Option<(u32, Stream)> {
        let live = self.live.borrow();
        live.iter()
            .find(|(_, live)| live.is_held())
            .map(|(context, live)| (*context, live.stream))
    }

    /// Whether Envoy holds this exchange.
    pub fn holds(&self, context: u32) -> bool {
        let live = self.live.borrow();
        live.get(&context).is_some_and(Live::is_held)
    }

    /// Answers every exchange that Envoy holds.
    pub fn refuse_held(&self, refusal: impl Fn() -> After) {
        let live = self.live.borrow();
        let held: Vec<u32> = live
            .iter()
            .filter(|(_, live)| live.is_held())
            .map(|(context, _)| *context)
            .collect();
        drop(live);
        for context in held {
            self.refuse(context, refusal());
        }
    }

    /// Answers an exchange, unless that has been done.
    pub fn refuse(&self, context: u32, refusal: After) {
        let mut live = self.live.borrow_mut();
        let Some(live) = live.get_mut(&context).filter(|live| !live.replied) else {
            return;
        };
        live.replied = true;
        let mut after = self.after.borrow_mut();
        // What the VM wanted before does not count any more.
        after.retain(|(of, ..)| *of != context);
        after.push((context, live.stream, refusal));
    }

    /// Whether something is to be done outside of the VM.
    pub fn has_after(&self) -> bool {
        !self.after.borrow().is_empty()
    }

    /// What is to be done next outside of the VM.
    pub fn next_after(&self) -> Option<(Stream, After)> {
        let mut after = self.after.borrow_mut();
        if after.is_empty() {
            return None;
        }
        let (_, stream, what) = after.remove(0);
        Some((stream, what))
    }

    /// The kit's number of an exchange's callout, which is over.
    pub fn called(&self, context: u32, id: u64) -> Option<u32> {
        let mut calls = self.calls.borrow_mut();
        let at = calls
            .iter()
            .position(|(of, call, _)| *of == context && *call == id)?;
        Some(calls.swap_remove(at).2)
    }

    /// The answer that can be read now.
    pub fn show_answer(&self, answer: Option<Answer>) {
        *self.answer.borrow_mut() = answer;
    }

    fn stream(&self) -> Result<Stream, Status> {
        let (_, stream) = self.current.get().ok_or(Status::BadArgument)?;
        Ok(stream)
    }

    /// The exchange at hand, which is to be changed: its entry in the list.
    fn with_live<T>(&self, work: impl FnOnce(u32, &mut Live) -> T) -> Result<T, Status> {
        let (context, _) = self.current.get().ok_or(Status::BadArgument)?;
        let mut live = self.live.borrow_mut();
        let live = live.get_mut(&context).ok_or(Status::BadArgument)?;
        Ok(work(context, live))
    }

    /// Counts what could not be counted before, if that is possible now.
    fn settle_owed(&self) {
        if self.owed.borrow().is_empty() {
            return;
        }
        let Ok(stream) = self.stream() else { return };
        for (id, (kind, value)) in self.owed.take() {
            let _ = stream.measure(kind, id, value);
        }
    }

    fn measure(&self, metric: u32, value: u64) -> Result<(), Status> {
        let at = usize::try_from(metric).map_err(|_| Status::NotFound)?;
        let (kind, id) = *self.metrics.borrow().get(at).ok_or(Status::NotFound)?;
        if self.entry.config().counts() {
            return self.entry.config().measure(kind, id, value);
        }
        if let Ok(stream) = self.stream() {
            return stream.measure(kind, id, value);
        }
        let mut owed = self.owed.borrow_mut();
        let (_, sum) = owed.entry(id).or_insert((kind, 0));
        *sum = match kind {
            MetricKind::Counter => sum.saturating_add(value),
            MetricKind::Gauge | MetricKind::Histogram => value,
        };
        Ok(())
    }

    /// A value under `modelgate` in the route's metadata. Envoy shows dynamic modules the members
    /// of a namespace that are text, and of the others the names alone: where one of these would
    /// have to be looked into, the request is refused, unless the configuration of the route says
    /// the same.
    fn route_metadata(&self, path: &[&str]) -> Result<Vec<u8>, Status> {
        let (Some(name), stream) = (path.first(), self.stream()?) else {
            return Err(Status::NotFound);
        };
        let keys = stream.route_metadata_keys(NAMESPACE)?;
        // Not asked for what is not there: that is an error in Envoy's log.
        if !keys.iter().any(|key| key == name.as_bytes()) {
            return Err(Status::NotFound);
        }
        if path.len() == 1
            && let Some(value) = stream.route_metadata(NAMESPACE, name)
        {
            return Ok(value);
        }
        let configured = self.route_config(path);
        Ok(configured.unwrap_or_else(|_| UNREADABLE.to_vec()))
    }

    /// A value of the most specific configuration of the route: it stands in the place of the
    /// virtual host's metadata, which dynamic modules cannot read.
    fn route_config(&self, path: &[&str]) -> Result<Vec<u8>, Status> {
        match said(self.stream()?.route_config(), path) {
            Said::Value(value) => Ok(value),
            Said::Nothing => Err(Status::NotFound),
            Said::Foreign => Ok(UNREADABLE.to_vec()),
        }
    }

    fn number(&self, attribute: u32) -> Result<Vec<u8>, Status> {
        let number = self.stream()?.number(attribute).ok_or(Status::NotFound)?;
        Ok(number.to_le_bytes().to_vec())
    }

    fn text(&self, attribute: u32) -> Result<Vec<u8>, Status> {
        self.stream()?.text(attribute).ok_or(Status::NotFound)
    }
}

/// The two buffers of a side, with the bytes in each that the other does not have too.
fn parts(stream: Stream, side: Side) -> [(u32, usize); 2] {
    let [buffered, received] = buffers(side);
    let sizes = (stream.body_size(buffered), stream.body_size(received));
    match sizes {
        (0, _) | (_, 0) => [(buffered, sizes.0), (received, sizes.1)],
        _ if stream.received_is_buffered(side) => [(buffered, 0), (received, sizes.1)],
        _ => [(buffered, sizes.0), (received, sizes.1)],
    }
}

fn total(parts: &[(u32, usize)]) -> usize {
    let sizes = parts.iter().map(|(_, size)| *size);
    sizes.fold(0, usize::saturating_add)
}

/// Bytes that Envoy has of a side's body: what was kept, and what has just arrived.
pub fn body_size(stream: Stream, side: Side) -> usize {
    total(&parts(stream, side))
}

const fn side_of(buffer: Buffer) -> Option<Side> {
    match buffer {
        Buffer::RequestBody => Some(Side::Request),
        Buffer::ResponseBody => Some(Side::Response),
        Buffer::CallBody | Buffer::PluginConfig => None,
    }
}

/// `max` bytes of a text from `start`.
fn piece(bytes: &[u8], start: usize, max: usize) -> Result<&[u8], Status> {
    let rest = bytes.get(start..).ok_or(Status::BadArgument)?;
    Ok(rest.get(..max).unwrap_or(rest))
}

impl Host for Envoy {
    fn rules(&self) -> &'static Rules {
        &ENVOY_MODULE
    }

    fn now_ns(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    fn random(&self) -> u64 {
        RandomState::new().hash_one(self.now_ns())
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.entry.environment(name)
    }

    fn property(&self, path: &[&str]) -> Result<Vec<u8>, Status> {
        let release = self.entry.release();
        match path {
            ["plugin_root_id"] => Ok(self.entry.filter_name().as_bytes().to_vec()),
            ["plugin_name"] => Ok(self.entry.name().as_bytes().to_vec()),
            ["plugin_vm_id"] => Ok(Vec::new()),
            ["response", "code"] => self.number(attribute::RESPONSE_CODE),
            ["upstream", "address"] => self.text(attribute::UPSTREAM_ADDRESS),
            ["source", "address"] => self.text(attribute::SOURCE_ADDRESS),
            ["xds", "route_name"] => self.text(attribute::ROUTE_NAME),
            // Envoy writes an error to its log when it is asked for what it does not have.
            ["response", "code_details"] if release.has_response_details => {
                self.text(attribute::RESPONSE_CODE_DETAILS)
            }
            ["response", "flags"] if release.has_response_details => {
                self.number(attribute::RESPONSE_FLAGS)
            }
            ["response", "size"] if release.has_response_details => {
                self.number(attribute::RESPONSE_SIZE)
            }
            ["request", "size"] if release.has_request_size => self.number(attribute::REQUEST_SIZE),
            [
                "xds",
                "route_metadata",
                "filter_metadata",
                NAMESPACE,
                rest @ ..,
            ] => self.route_metadata(rest),
            [
                "xds",
                "virtual_host_metadata",
                "filter_metadata",
                NAMESPACE,
                rest @ ..,
            ] => self.route_config(rest),
            [name] => {
                let state = self.stream()?.state(&format!("{STATE}{name}"));
                state.ok_or(Status::NotFound)
            }
            _ => Err(Status::NotFound),
        }
    }

    fn set_property(&self, name: &str, value: &[u8]) -> Result<(), Status> {
        self.stream()?.set_state(&format!("{STATE}{name}"), value)
    }

    fn shared(&self, key: &str) -> Result<(Vec<u8>, u32), Status> {
        Store::of_process().get(key)
    }

    fn set_shared(&self, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        Store::of_process().set(key, value, cas)
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, Status> {
        let known = (kind, self.entry.metric(kind, name)?);
        let mut metrics = self.metrics.borrow_mut();
        let number = u32::try_from(metrics.len()).map_err(|_| Status::InternalFailure)?;
        metrics.push(known);
        Ok(number)
    }

    fn increment(&self, metric: u32, by: i64) -> Result<(), Status> {
        self.measure(metric, u64::try_from(by).unwrap_or(0))
    }

    fn record(&self, metric: u32, value: u64) -> Result<(), Status> {
        self.measure(metric, value)
    }

    fn log(&self, level: Level, line: &str) {
        self.entry.log(level, line);
    }

    /// Envoy has no functions for dynamic modules; the one that verifies signatures is the
    /// module's.
    fn foreign(&self, name: &str, argument: &[u8]) -> Result<Vec<u8>, Status> {
        if name != FOREIGN_FUNCTION {
            return Err(Status::NotFound);
        }
        let query = SignatureQuery::decode(argument).ok_or(Status::BadArgument)?;
        let verdict = NativeVerifier.verify(&query).ok_or(Status::Unimplemented)?;
        Ok(encode_answer(verdict))
    }
}

impl Proxy for Envoy {
    fn pairs(&self, map: Map) -> Result<Vec<u8>, Status> {
        if map == Map::CallHeaders {
            let answer = self.answer.borrow();
            let headers = answer.as_ref().map(|answer| answer.headers.clone());
            return headers.ok_or(Status::BadArgument);
        }
        self.stream()?.pairs(map)
    }

    fn set_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
        self.stream()?.set_header(map, name, value)
    }

    fn add_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
        self.stream()?.add_header(map, name, value)
    }

    fn remove_header(&self, map: Map, name: &str) -> Result<(), Status> {
        self.stream()?.remove_header(map, name)
    }

    fn body(&self, buffer: Buffer, start: usize, max: usize) -> Result<Vec<u8>, Status> {
        let Some(side) = side_of(buffer) else {
            if buffer == Buffer::PluginConfig {
                return Ok(piece(self.entry.text(), start, max)?.to_vec());
            }
            let answer = self.answer.borrow();
            let answer = answer.as_ref().ok_or(Status::BadArgument)?;
            return Ok(piece(&answer.body, start, max)?.to_vec());
        };
        let stream = self.stream()?;
        let parts = parts(stream, side);
        let mut bytes = Vec::with_capacity(total(&parts));
        for (kind, size) in parts {
            if size > 0 {
                stream.read_body(kind, &mut bytes)?;
            }
        }
        if start == 0 && max >= bytes.len() {
            return Ok(bytes);
        }
        Ok(piece(&bytes, start, max)?.to_vec())
    }

    fn set_body(
        &self,
        buffer: Buffer,
        start: usize,
        size: usize,
        data: &[u8],
    ) -> Result<(), Status> {
        let side = side_of(buffer).ok_or(Status::BadArgument)?;
        let stream = self.stream()?;
        let parts = parts(stream, side);
        if start != 0 || size < total(&parts) {
            return Err(Status::Unimplemented);
        }
        for (kind, size) in parts {
            if size > 0 {
                stream.drain_body(kind, size)?;
            }
        }
        if data.is_empty() {
            return Ok(());
        }
        // What has just arrived, where there is such a thing; else what was kept.
        let [buffered, received] = buffers(side);
        let at_hand = stream.append_body(received, data);
        at_hand.or_else(|_| stream.append_body(buffered, data))
    }

    fn reply(&self, reply: &LocalReply<'_>) -> Result<(), Status> {
        let headers = reply.headers.iter();
        let mut headers: Vec<(String, Vec<u8>)> = headers
            .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
            .collect();
        if let Some(code) = reply.grpc_status {
            headers.push(("grpc-status".to_owned(), code.to_string().into_bytes()));
        }
        let after = After::Reply {
            status: reply.status,
            details: reply.details.to_owned(),
            headers,
            body: reply.body.to_vec(),
        };
        self.with_live(|context, live| {
            live.replied = true;
            self.after.borrow_mut().push((context, live.stream, after));
        })
    }

    fn resume(&self, side: Side) -> Result<(), Status> {
        self.with_live(|context, live| {
            *live.held.of_mut(side) = false;
            let what = (context, live.stream, After::Resume(side));
            self.after.borrow_mut().push(what);
        })
    }

    fn dispatch(&self, call: &Dispatch<'_>) -> Result<u32, Status> {
        let number = self.next_call.get();
        let callout = Callout {
            cluster: call.upstream,
            headers: call.headers,
            body: call.body,
            timeout_ms: call.timeout_ms.into(),
        };
        match self.current.get() {
            Some((context, stream)) => {
                let id = stream.callout(&callout)?;
                self.calls.borrow_mut().push((context, id, number));
            }
            None => self.entry.post(&self.desk, number, &callout),
        }
        self.next_call.set(number.wrapping_add(1));
        Ok(number)
    }

    fn set_tick(&self, period_ms: u32) -> Result<(), Status> {
        self.desk.set_tick(period_ms);
        Ok(())
    }

    fn choose_route_again(&self) -> Result<(), Status> {
        self.stream()?.choose_route_again();
        Ok(())
    }

    fn focus(&self, context: u32) -> Result<(), Status> {
        if context == ROOT {
            self.current.set(None);
            return Ok(());
        }
        if self.elsewhere.get() {
            return Err(Status::BadArgument);
        }
        let live = self.live.borrow();
        let live = live.get(&context).ok_or(Status::BadArgument)?;
        self.current.set(Some((context, live.stream)));
        Ok(())
    }
}
