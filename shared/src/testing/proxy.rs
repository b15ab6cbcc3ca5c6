//! The host under a [`TestGateway`](super::TestGateway): keeps what it is told, and gives what it
//! was given.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::headers::encode;
use crate::host::{
    Buffer, Dispatch, Host, Level, LocalReply, Map, MetricKind, PerSide, Side, Status,
};
use crate::vm::announce::{RUNNING, TAKEN};

/// A header as kept: name in lower case, value.
pub type Header = (String, Vec<u8>);

/// A local reply, or a callout, as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Status of a reply; 0 for a callout.
    pub status: u16,
    /// Response-code details of a reply; upstream of a callout.
    pub details: String,
    /// Headers.
    pub headers: Vec<Header>,
    /// Body.
    pub body: Vec<u8>,
}

impl Sent {
    /// The first value of a header, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        text(&self.headers, name)
    }

    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What an exchange holds and what was done to it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Request headers as they stand.
    pub request: Vec<Header>,
    /// Response headers as they stand.
    pub response: Vec<Header>,
    /// Response trailers as they came.
    pub response_trailers: Vec<Header>,
    /// The body at hand, per side.
    pub bodies: PerSide<Vec<u8>>,
    /// What has gone on, per side.
    pub passed: PerSide<Vec<u8>>,
    /// Properties by path joined with dots, filter state included.
    pub properties: BTreeMap<String, Vec<u8>>,
    /// The local reply.
    pub reply: Option<Sent>,
    /// How often it was answered; more than once is a fault of the filter.
    pub replies: usize,
    /// Sides that were resumed.
    pub resumed: Vec<Side>,
}

impl Record {
    /// The first value of a request header, as text.
    pub fn request_header(&self, name: &str) -> Option<&str> {
        text(&self.request, name)
    }

    /// The first value of a response header, as text.
    pub fn response_header(&self, name: &str) -> Option<&str> {
        text(&self.response, name)
    }

    fn map(&mut self, map: Map) -> Option<&mut Vec<Header>> {
        match map {
            Map::RequestHeaders => Some(&mut self.request),
            Map::ResponseHeaders => Some(&mut self.response),
            Map::ResponseTrailers => Some(&mut self.response_trailers),
            _ => None,
        }
    }
}

fn text<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(known, _)| known == name)
        .and_then(|(_, value)| std::str::from_utf8(value).ok())
}

fn keep(headers: &[(&str, &[u8])]) -> Vec<Header> {
    headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
        .collect()
}

fn keep_text(headers: &[(&str, &str)]) -> Vec<Header> {
    headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.as_bytes().to_vec()))
        .collect()
}

fn wire(headers: &[Header]) -> Vec<u8> {
    encode(
        headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_slice())),
    )
}

/// What the workers of one proxy have in common.
#[derive(Default)]
struct Common {
    now_ns: Cell<u64>,
    shared: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    metrics: RefCell<Vec<(String, i64)>>,
    broken: Cell<Option<Status>>,
    contended: Cell<bool>,
}

/// A proxy that exists in memory only.
#[derive(Default)]
pub struct FakeProxy {
    common: Rc<Common>,
    config: RefCell<Vec<u8>>,
    environment: RefCell<BTreeMap<String, String>>,
    preset: RefCell<BTreeMap<String, Vec<u8>>>,
    records: RefCell<BTreeMap<u32, Record>>,
    current: Cell<u32>,
    calls: RefCell<Vec<(u32, Sent)>>,
    answer: RefCell<(Vec<Header>, Vec<u8>)>,
    logs: RefCell<Vec<String>>,
    drawn: Cell<u64>,
    always: Cell<Option<u64>>,
    unreachable: RefCell<Vec<String>>,
    foreign: Cell<usize>,
    tick_ms: Cell<u32>,
    mute: Cell<Option<Status>>,
}

impl FakeProxy {
    /// A proxy whose clock stands at this many nanoseconds since the Unix epoch.
    pub fn new(now_ns: u64) -> Rc<Self> {
        let proxy = Self::default();
        proxy.common.now_ns.set(now_ns);
        proxy.preset("plugin_vm_id", "");
        Rc::new(proxy)
    }

    /// As [`FakeProxy::new`], with what makes the kit take it for nginx with ngx_wasm_module. It
    /// follows none of nginx's rules by itself.
    pub fn nginx(now_ns: u64) -> Rc<Self> {
        let proxy = Self::new(now_ns);
        proxy.preset.borrow_mut().remove("plugin_vm_id");
        proxy.preset("ngx.nginx_version", "1.25.3");
        proxy.preset("ngx.request", "GET / HTTP/1.1");
        proxy
    }

    /// Another worker of the same proxy: clock, shared data and metrics are common.
    pub fn beside(&self) -> Rc<Self> {
        Rc::new(Self {
            common: Rc::clone(&self.common),
            preset: RefCell::new(self.preset.borrow().clone()),
            ..Self::default()
        })
    }

    /// Lets time pass.
    pub fn pass_ns(&self, nanoseconds: u64) {
        self.common
            .now_ns
            .set(self.common.now_ns.get().saturating_add(nanoseconds));
    }

    /// Sets an environment variable of the VM.
    pub fn set_environment(&self, name: &str, value: &str) {
        self.environment
            .borrow_mut()
            .insert(name.to_owned(), value.to_owned());
    }

    /// Sets a property that every later exchange has, and every root context; its path joined with
    /// dots.
    pub fn preset(&self, path: &str, value: impl AsRef<[u8]>) {
        self.preset
            .borrow_mut()
            .insert(path.to_owned(), value.as_ref().to_vec());
    }

    /// Takes back what was preset.
    pub fn forget(&self, path: &str) {
        self.preset.borrow_mut().remove(path);
    }

    /// From now on, shared data answers with this status; `None` mends it.
    pub fn break_shared_data(&self, status: Option<Status>) {
        self.common.broken.set(status);
    }

    /// From now on, properties are answered with this status; `None` mends it.
    pub fn break_properties(&self, status: Option<Status>) {
        self.mute.set(status);
    }

    /// From now on, every write to shared data loses its race (or none does).
    pub fn contend(&self, lost: bool) {
        self.common.contended.set(lost);
    }

    /// From now on, callouts to this upstream are refused, as to a cluster that does not exist.
    pub fn refuse_upstream(&self, name: &str) {
        self.unreachable.borrow_mut().push(name.to_owned());
    }

    /// From now on, this is every random number.
    pub fn always_draw(&self, number: u64) {
        self.always.set(Some(number));
    }

    /// Period of the tick in milliseconds, as it was set last.
    pub fn tick_ms(&self) -> u32 {
        self.tick_ms.get()
    }

    /// How many of the host's own functions were called; it has none.
    pub fn foreign_calls(&self) -> usize {
        self.foreign.get()
    }

    /// The keys of shared data that a filter has written: without the kit's own note of what runs.
    pub fn shared_keys(&self) -> Vec<String> {
        let shared = self.common.shared.borrow();
        let of_filters = shared.keys().filter(|key| !key.starts_with(RUNNING));
        of_filters.cloned().collect()
    }

    /// The value of a counter or gauge, or the last sample; 0 where there is none.
    pub fn metric(&self, name: &str) -> i64 {
        self.common
            .metrics
            .borrow()
            .iter()
            .find(|(known, _)| known == name)
            .map_or(0, |(_, value)| *value)
    }

    /// What was logged.
    pub fn logs(&self) -> Vec<String> {
        let logs = self.logs.borrow();
        let of_filters = logs.iter().filter(|line| !line.contains(TAKEN));
        of_filters.cloned().collect()
    }

    /// The lines that say which release runs, and under which entry.
    pub fn announced(&self) -> Vec<String> {
        let logs = self.logs.borrow();
        let announced = logs.iter().filter(|line| line.contains(TAKEN));
        announced.cloned().collect()
    }

    /// The callouts, in order: the first has number 1.
    pub fn calls(&self) -> Vec<Sent> {
        self.calls
            .borrow()
            .iter()
            .map(|(_, sent)| sent.clone())
            .collect()
    }

    pub(crate) fn configure(&self, config: &str) {
        *self.config.borrow_mut() = config.as_bytes().to_vec();
    }

    pub(crate) fn enter(&self, context: u32) {
        self.current.set(context);
    }

    /// A context begins, with these request headers.
    pub fn begin(&self, context: u32, headers: &[(&str, &str)]) {
        let mut properties = self.preset.borrow().clone();
        // As it was sent, where a test does not say otherwise.
        if let Some((_, path)) = headers.iter().find(|(name, _)| *name == ":path") {
            let sent = properties.entry("request.path".to_owned());
            sent.or_insert_with(|| path.as_bytes().to_vec());
        }
        let record = Record {
            request: keep_text(headers),
            properties,
            ..Record::default()
        };
        self.records.borrow_mut().insert(context, record);
    }

    pub(super) fn trail(&self, context: u32, trailers: &[(&str, &str)]) {
        self.change(context, |record| {
            record.response_trailers = keep_text(trailers)
        });
    }

    pub(super) fn respond(&self, context: u32, headers: &[(&str, &str)]) {
        self.change(context, |record| record.response = keep_text(headers));
    }

    pub(super) fn arrive(&self, context: u32, side: Side, bytes: &[u8]) -> usize {
        self.body_of(context, side, |body| {
            body.extend_from_slice(bytes);
            body.len()
        })
    }

    pub(super) fn leave(&self, context: u32, side: Side, passes: bool) {
        if passes {
            let gone = self.body_of(context, side, std::mem::take);
            self.change(context, |record| {
                record.passed.of_mut(side).extend_from_slice(&gone);
            });
        }
    }

    pub(super) fn answer(&self, number: u32, headers: &[(&str, &str)], body: &[u8]) -> u32 {
        *self.answer.borrow_mut() = (keep_text(headers), body.to_vec());
        let index = usize::try_from(number)
            .unwrap_or_default()
            .saturating_sub(1);
        self.calls
            .borrow()
            .get(index)
            .map_or(0, |(context, _)| *context)
    }

    pub(super) fn record(&self, context: u32) -> Record {
        self.records
            .borrow()
            .get(&context)
            .cloned()
            .unwrap_or_default()
    }

    fn change<T: Default>(&self, context: u32, work: impl FnOnce(&mut Record) -> T) -> T {
        self.records
            .borrow_mut()
            .get_mut(&context)
            .map(work)
            .unwrap_or_default()
    }

    fn body_of<T: Default>(
        &self,
        context: u32,
        side: Side,
        work: impl FnOnce(&mut Vec<u8>) -> T,
    ) -> T {
        self.change(context, |record| work(record.bodies.of_mut(side)))
    }

    fn header_map(&self, map: Map, work: impl FnOnce(&mut Vec<Header>)) -> Result<(), Status> {
        let done = self.change(self.current.get(), |record| record.map(map).map(work));
        done.ok_or(Status::BadArgument)
    }
}

impl Host for FakeProxy {
    fn now_ns(&self) -> u64 {
        self.common.now_ns.get()
    }

    fn random(&self) -> u64 {
        // A counter spread by an odd constant: different each time, the same in each run.
        if let Some(always) = self.always.get() {
            return always;
        }
        self.drawn.set(self.drawn.get().wrapping_add(1));
        self.drawn.get().wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.environment.borrow().get(name).cloned()
    }

    fn property(&self, path: &[&str]) -> Result<Vec<u8>, Status> {
        if let Some(status) = self.mute.get() {
            return Err(status);
        }
        let path = path.join(".").replace('\0', ".");
        let records = self.records.borrow();
        let record = records.get(&self.current.get());
        let preset = self.preset.borrow();
        let properties = record.map_or(&*preset, |record| &record.properties);
        properties.get(&path).cloned().ok_or(Status::NotFound)
    }

    fn set_property(&self, name: &str, value: &[u8]) -> Result<(), Status> {
        self.change(self.current.get(), |record| {
            let path = name.replace('\0', ".");
            record.properties.insert(path, value.to_vec())
        });
        Ok(())
    }

    fn shared(&self, key: &str) -> Result<(Vec<u8>, u32), Status> {
        match self.common.broken.get() {
            Some(status) => Err(status),
            None => self
                .common
                .shared
                .borrow()
                .get(key)
                .cloned()
                .ok_or(Status::NotFound),
        }
    }

    fn set_shared(&self, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        if let Some(status) = self.common.broken.get() {
            return Err(status);
        }
        if self.common.contended.get() {
            return Err(Status::CasMismatch);
        }
        let mut shared = self.common.shared.borrow_mut();
        let held = shared.get(key).map_or(0, |(_, held)| *held);
        if held != 0 && cas != 0 && cas != held {
            return Err(Status::CasMismatch);
        }
        shared.insert(key.to_owned(), (value.to_vec(), held.saturating_add(1)));
        Ok(())
    }

    fn define_metric(&self, _: MetricKind, name: &str) -> Result<u32, Status> {
        let mut metrics = self.common.metrics.borrow_mut();
        let index = metrics
            .iter()
            .position(|(known, _)| known == name)
            .unwrap_or_else(|| {
                metrics.push((name.to_owned(), 0));
                metrics.len().saturating_sub(1)
            });
        u32::try_from(index).map_err(|_| Status::InternalFailure)
    }

    fn increment(&self, metric: u32, by: i64) -> Result<(), Status> {
        let mut metrics = self.common.metrics.borrow_mut();
        let entry = usize::try_from(metric)
            .ok()
            .and_then(|index| metrics.get_mut(index))
            .ok_or(Status::NotFound)?;
        entry.1 = entry.1.saturating_add(by);
        Ok(())
    }

    fn record(&self, metric: u32, value: u64) -> Result<(), Status> {
        let mut metrics = self.common.metrics.borrow_mut();
        let entry = usize::try_from(metric)
            .ok()
            .and_then(|index| metrics.get_mut(index))
            .ok_or(Status::NotFound)?;
        entry.1 = i64::try_from(value).unwrap_or(i64::MAX);
        Ok(())
    }

    fn log(&self, _: Level, line: &str) {
        self.logs.borrow_mut().push(line.to_owned());
    }

    fn foreign(&self, _: &str, _: &[u8]) -> Result<Vec<u8>, Status> {
        self.foreign.set(self.foreign.get().saturating_add(1));
        Err(Status::NotFound)
    }
}

impl crate::host::Proxy for FakeProxy {
    fn pairs(&self, map: Map) -> Result<Vec<u8>, Status> {
        if map == Map::CallHeaders {
            return Ok(wire(&self.answer.borrow().0));
        }
        let bytes = self.change(self.current.get(), |record| {
            record.map(map).map(|headers| wire(headers))
        });
        match map {
            // Trailers that a test lets pass have nothing in them.
            Map::RequestTrailers => Ok(bytes.unwrap_or_else(|| wire(&[]))),
            _ => bytes.ok_or(Status::BadArgument),
        }
    }

    fn set_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
        self.header_map(map, |headers| {
            headers.retain(|(known, _)| known != name);
            headers.push((name.to_owned(), value.to_vec()));
        })
    }

    fn add_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
        self.header_map(map, |headers| {
            headers.push((name.to_owned(), value.to_vec()))
        })
    }

    fn remove_header(&self, map: Map, name: &str) -> Result<(), Status> {
        self.header_map(map, |headers| headers.retain(|(known, _)| known != name))
    }

    fn body(&self, buffer: Buffer, start: usize, max: usize) -> Result<Vec<u8>, Status> {
        let whole = match buffer {
            // Possibly very long, and read in pieces.
            Buffer::PluginConfig => {
                let config = self.config.borrow();
                let from = start.min(config.len());
                let to = start.saturating_add(max).min(config.len());
                return Ok(config.get(from..to).unwrap_or_default().to_vec());
            }
            Buffer::CallBody => self.answer.borrow().1.clone(),
            Buffer::RequestBody => {
                self.body_of(self.current.get(), Side::Request, |body| body.clone())
            }
            Buffer::ResponseBody => {
                self.body_of(self.current.get(), Side::Response, |body| body.clone())
            }
        };
        Ok(whole.into_iter().skip(start).take(max).collect())
    }

    fn set_body(
        &self,
        buffer: Buffer,
        start: usize,
        size: usize,
        data: &[u8],
    ) -> Result<(), Status> {
        let side = match buffer {
            Buffer::RequestBody => Side::Request,
            Buffer::ResponseBody => Side::Response,
            Buffer::CallBody | Buffer::PluginConfig => return Err(Status::BadArgument),
        };
        self.body_of(self.current.get(), side, |body| {
            let after: Vec<u8> = body
                .iter()
                .skip(start.saturating_add(size))
                .copied()
                .collect();
            body.truncate(start);
            body.extend_from_slice(data);
            body.extend_from_slice(&after);
        });
        Ok(())
    }

    fn reply(&self, reply: &LocalReply<'_>) -> Result<(), Status> {
        let sent = Sent {
            status: reply.status,
            details: reply.details.to_owned(),
            headers: keep(reply.headers),
            body: reply.body.to_vec(),
        };
        self.change(self.current.get(), |record| {
            record.reply = Some(sent);
            record.replies = record.replies.saturating_add(1);
        });
        Ok(())
    }

    fn resume(&self, side: Side) -> Result<(), Status> {
        let context = self.current.get();
        self.change(context, |record| record.resumed.push(side));
        self.leave(context, side, true);
        Ok(())
    }

    fn dispatch(&self, call: &Dispatch<'_>) -> Result<u32, Status> {
        let unreachable = self.unreachable.borrow();
        if unreachable.iter().any(|known| known == call.upstream) {
            return Err(Status::BadArgument);
        }
        let sent = Sent {
            status: 0,
            details: call.upstream.to_owned(),
            headers: keep(call.headers),
            body: call.body.to_vec(),
        };
        let mut calls = self.calls.borrow_mut();
        calls.push((self.current.get(), sent));
        u32::try_from(calls.len()).map_err(|_| Status::InternalFailure)
    }

    fn set_tick(&self, period_ms: u32) -> Result<(), Status> {
        self.tick_ms.set(period_ms);
        Ok(())
    }

    fn focus(&self, context: u32) -> Result<(), Status> {
        self.current.set(context);
        Ok(())
    }
}
