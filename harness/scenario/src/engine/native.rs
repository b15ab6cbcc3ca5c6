//! Filters of the kit as native guests: the kit's own state machine, calling the same host calls as
//! a module would, without WebAssembly.
//!
//! What a module exports is derived from what its filter needs, so that a native guest has the same
//! callbacks as the module; on a host that needs every callback, as the module for that host. A
//! panic is a trap, as it is in a module.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use modelgate_kit::filter::{Callbacks, Registration};
use modelgate_kit::host::{
    Buffer, Dispatch, HeaderRef, Host, Level, LocalReply, Map, MetricKind as KitMetric, Proxy,
    Side, Status as KitStatus,
};
use modelgate_kit::vm::{Part, Vm};

use proxy_wasm_simulator::abi::{BufferKind, LogLevel, MapKind, MetricKind, Status, StreamKind};
use proxy_wasm_simulator::{
    Callback, ContextId, Guest, GuestCode, Headers, HostHandle, MetricId, Trap,
};

/// The code of native guests: one filter, or several chosen by `root_id`.
pub struct NativeCode(Vec<Registration>);

impl NativeCode {
    /// One filter.
    pub fn filter(registration: Registration) -> Rc<dyn GuestCode> {
        Rc::new(Self(vec![registration]))
    }

    /// Several filters in one module, chosen by `root_id`.
    pub fn bundle(registrations: Vec<Registration>) -> Rc<dyn GuestCode> {
        Rc::new(Self(registrations))
    }
}

impl GuestCode for NativeCode {
    fn identity(&self) -> String {
        let names: Vec<&str> = self
            .0
            .iter()
            .map(|registration| registration.name)
            .collect();
        format!("native:{}", names.join("+"))
    }

    fn start(
        &self,
        host: HostHandle,
        environment: &BTreeMap<String, String>,
    ) -> Result<Box<dyn Guest>, String> {
        let adapter = Rc::new(Adapter {
            host,
            environment: environment.clone(),
        });
        let needs = self.0.iter().fold(Callbacks::NONE, |all, registration| {
            all.and(Callbacks::of(&registration.needs))
        });
        let needed = adapter.host.needed_callbacks();
        Ok(Box::new(NativeGuest {
            vm: match self.0.as_slice() {
                [_] => Vm::new(adapter, &self.0),
                several => Vm::with_chains(adapter, several),
            },
            needs,
            needed,
        }))
    }
}

struct NativeGuest {
    vm: Vm,
    /// The callbacks that the module has besides those of every module.
    needs: Callbacks,
    /// And those that a module for this host has, called for or not.
    needed: &'static [&'static str],
}

/// Whether a module with these callbacks has this one.
const fn exported(exports: Callbacks, callback: &Callback) -> bool {
    match callback {
        Callback::ContextCreate { .. }
        | Callback::VmStart { .. }
        | Callback::Configure { .. }
        | Callback::Delete
        | Callback::RequestHeaders { .. } => true,
        Callback::RequestBody { .. } => exports.request_body,
        // They come with the body, or alone.
        Callback::RequestTrailers { .. } => exports.hears_request_trailers(),
        Callback::ResponseHeaders { .. } => exports.response_headers,
        Callback::ResponseBody { .. } => exports.response_body,
        Callback::ResponseTrailers { .. } => exports.hears_response_trailers(),
        Callback::HttpCallResponse { .. } => exports.answers,
        Callback::Tick => exports.tick,
        Callback::Log => exports.end,
        Callback::Done | Callback::QueueReady { .. } => false,
    }
}

impl Guest for NativeGuest {
    fn invoke(&mut self, context: ContextId, callback: Callback) -> Result<Option<u32>, Trap> {
        if !exported(self.needs, &callback) {
            // What is there for the host's sake alone lets everything pass.
            let stub = self.needed.contains(&callback.export());
            return Ok(stub.then(|| u32::from(callback == Callback::Done)));
        }
        let vm = &mut self.vm;
        // The VM is not entered again after a panic, whatever state it is left in.
        let entered = catch_unwind(AssertUnwindSafe(|| dispatch(vm, context.0, callback)));
        entered.map(Some).map_err(|panic| Trap {
            message: format!("panic: {}", words(panic.as_ref())),
        })
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without words")
}

fn dispatch(vm: &mut Vm, context: u32, callback: Callback) -> u32 {
    let size = |size: u32| usize::try_from(size).unwrap_or(usize::MAX);
    let mut message = |side, part| vm.message(context, side, part) as u32;
    match callback {
        Callback::RequestHeaders { end, .. } => message(Side::Request, Part::Headers(end)),
        Callback::ResponseHeaders { end, .. } => message(Side::Response, Part::Headers(end)),
        Callback::RequestBody { size: bytes, end } => {
            message(Side::Request, Part::Body(size(bytes), end))
        }
        Callback::ResponseBody { size: bytes, end } => {
            message(Side::Response, Part::Body(size(bytes), end))
        }
        Callback::RequestTrailers { .. } => message(Side::Request, Part::Trailers),
        Callback::ResponseTrailers { .. } => message(Side::Response, Part::Trailers),
        Callback::ContextCreate { parent } => {
            vm.create(context, parent.0);
            0
        }
        Callback::Configure { size: bytes } => u32::from(vm.configure(context, size(bytes))),
        Callback::HttpCallResponse {
            token,
            headers,
            body,
            ..
        } => {
            vm.answer(context, token.0, size(headers), size(body));
            0
        }
        Callback::Tick => {
            vm.tick(context);
            0
        }
        Callback::Log => {
            vm.end(context);
            0
        }
        Callback::Delete => {
            vm.delete(context);
            0
        }
        Callback::VmStart { .. } | Callback::Done | Callback::QueueReady { .. } => 1,
    }
}

/// The proxy behind a native guest.
struct Adapter {
    host: HostHandle,
    environment: BTreeMap<String, String>,
}

fn refused(status: Status) -> KitStatus {
    match KitStatus::check(status.raw()) {
        Err(status) => status,
        Ok(()) => KitStatus::InternalFailure,
    }
}

fn map(kind: Map) -> MapKind {
    match kind {
        Map::RequestHeaders => MapKind::RequestHeaders,
        Map::RequestTrailers => MapKind::RequestTrailers,
        Map::ResponseHeaders => MapKind::ResponseHeaders,
        Map::ResponseTrailers => MapKind::ResponseTrailers,
        Map::CallHeaders => MapKind::CallHeaders,
    }
}

fn buffer(kind: Buffer) -> BufferKind {
    match kind {
        Buffer::RequestBody => BufferKind::RequestBody,
        Buffer::ResponseBody => BufferKind::ResponseBody,
        Buffer::CallBody => BufferKind::CallBody,
        Buffer::PluginConfig => BufferKind::PluginConfiguration,
    }
}

fn number(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

fn headers(refs: &[HeaderRef<'_>]) -> Headers {
    refs.iter().copied().collect()
}

impl Host for Adapter {
    fn now_ns(&self) -> u64 {
        self.host.now_ns()
    }

    fn random(&self) -> u64 {
        self.host.random()
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }

    fn property(&self, path: &[&str]) -> Result<Vec<u8>, KitStatus> {
        self.host
            .property(path.join("\0").as_bytes())
            .map_err(refused)
    }

    fn set_property(&self, name: &str, value: &[u8]) -> Result<(), KitStatus> {
        self.host
            .set_property(name.as_bytes(), value)
            .map_err(refused)
    }

    fn shared(&self, key: &str) -> Result<(Vec<u8>, u32), KitStatus> {
        self.host.shared_data(key.as_bytes()).map_err(refused)
    }

    fn set_shared(&self, key: &str, value: &[u8], cas: u32) -> Result<(), KitStatus> {
        self.host
            .set_shared_data(key.as_bytes(), value, cas)
            .map_err(refused)
    }

    fn define_metric(&self, kind: KitMetric, name: &str) -> Result<u32, KitStatus> {
        let kind = match kind {
            KitMetric::Counter => MetricKind::Counter,
            KitMetric::Gauge => MetricKind::Gauge,
            KitMetric::Histogram => MetricKind::Histogram,
        };
        self.host
            .define_metric(kind, name.as_bytes())
            .map(|metric| metric.0)
            .map_err(refused)
    }

    fn increment(&self, metric: u32, by: i64) -> Result<(), KitStatus> {
        self.host
            .increment_metric(MetricId(metric), by)
            .map_err(refused)
    }

    fn record(&self, metric: u32, value: u64) -> Result<(), KitStatus> {
        self.host
            .record_metric(MetricId(metric), value)
            .map_err(refused)
    }

    fn log(&self, level: Level, line: &str) {
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        // A log that cannot be written cannot be reported either.
        let _ = self.host.log(level, line.as_bytes());
    }

    fn foreign(&self, name: &str, argument: &[u8]) -> Result<Vec<u8>, KitStatus> {
        self.host
            .call_foreign_function(name.as_bytes(), argument)
            .map_err(refused)
    }
}

impl Proxy for Adapter {
    fn pairs(&self, kind: Map) -> Result<Vec<u8>, KitStatus> {
        self.host
            .header_pairs(map(kind))
            .map(|headers| headers.to_wire())
            .map_err(refused)
    }

    fn set_header(&self, kind: Map, name: &str, value: &[u8]) -> Result<(), KitStatus> {
        self.host
            .set_header(map(kind), name.as_bytes(), value)
            .map_err(refused)
    }

    fn add_header(&self, kind: Map, name: &str, value: &[u8]) -> Result<(), KitStatus> {
        self.host
            .add_header(map(kind), name.as_bytes(), value)
            .map_err(refused)
    }

    fn remove_header(&self, kind: Map, name: &str) -> Result<(), KitStatus> {
        self.host
            .remove_header(map(kind), name.as_bytes())
            .map_err(refused)
    }

    fn body(&self, kind: Buffer, start: usize, max: usize) -> Result<Vec<u8>, KitStatus> {
        self.host
            .buffer(buffer(kind), number(start), number(max))
            .map_err(refused)
    }

    fn set_body(
        &self,
        kind: Buffer,
        start: usize,
        size: usize,
        data: &[u8],
    ) -> Result<(), KitStatus> {
        self.host
            .set_buffer(buffer(kind), number(start), number(size), data)
            .map_err(refused)
    }

    fn reply(&self, reply: &LocalReply<'_>) -> Result<(), KitStatus> {
        const NO_GRPC_STATUS: u32 = u32::MAX;
        let details = reply.details.as_bytes();
        let sent = self.host.send_local_response(
            reply.status.into(),
            details,
            reply.body,
            headers(reply.headers),
            reply.grpc_status.map_or(NO_GRPC_STATUS, u32::from),
        );
        sent.map_err(refused)
    }

    fn resume(&self, side: Side) -> Result<(), KitStatus> {
        let kind = match side {
            Side::Request => StreamKind::Request,
            Side::Response => StreamKind::Response,
        };
        self.host.continue_stream(kind).map_err(refused)
    }

    fn dispatch(&self, call: &Dispatch<'_>) -> Result<u32, KitStatus> {
        let upstream = call.upstream.as_bytes();
        let sent = self.host.http_call(
            upstream,
            headers(call.headers),
            call.body,
            Headers::new(),
            call.timeout_ms,
        );
        sent.map(|token| token.0).map_err(refused)
    }

    fn set_tick(&self, period_ms: u32) -> Result<(), KitStatus> {
        self.host.set_tick_period(period_ms).map_err(refused)
    }

    fn focus(&self, context: u32) -> Result<(), KitStatus> {
        self.host
            .set_effective_context(ContextId(context))
            .map_err(refused)
    }
}
