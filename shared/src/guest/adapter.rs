//! From exported callbacks to the VM, and from the trait `Host` to host calls.
//!
//! A callback that cannot reach the VM (which cannot happen on a host that keeps to the ABI)
//! answers as if it refused: nothing passes.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use super::abi;
use crate::call::Call;
use crate::filter::Registration;
use crate::headers::encode_refs;
use crate::host::{
    Buffer, Dispatch, Host, Level, LocalReply, Map, MetricKind, Proxy, Side, Status,
};
use crate::vm::verdict::Action;
use crate::vm::{Part, Vm};

thread_local! {
    static VM: RefCell<Option<Vm>> = const { RefCell::new(None) };
}

/// Installs the filter of this module.
pub fn install(filters: &[Registration]) {
    put(Vm::new(Rc::new(HostCalls), filters));
}

/// Installs the filters of a bundle, and chains of them.
#[cfg(feature = "chain")]
pub fn install_bundle(filters: &[Registration]) {
    put(Vm::with_chains(Rc::new(HostCalls), filters));
}

fn put(new: Vm) {
    VM.with(|vm| {
        if let Ok(mut vm) = vm.try_borrow_mut() {
            *vm = Some(new);
        }
    });
}

fn with<T>(otherwise: T, work: impl FnOnce(&mut Vm) -> T) -> T {
    VM.with(|vm| match vm.try_borrow_mut() {
        Ok(mut vm) => match vm.as_mut() {
            Some(vm) => work(vm),
            None => otherwise,
        },
        Err(_) => otherwise,
    })
}

/// `proxy_on_context_create`.
pub fn create(context: u32, root: u32) {
    with((), |vm| vm.create(context, root));
}

/// `proxy_on_configure`.
pub fn configure(context: u32, size: usize) -> u32 {
    u32::from(with(false, |vm| vm.configure(context, size)))
}

/// `proxy_on_tick`.
pub fn tick(context: u32) {
    with((), |vm| vm.tick(context));
}

/// `proxy_on_request_headers`, `proxy_on_response_headers`.
pub fn headers(context: u32, side: Side, last: u32) -> u32 {
    with(Action::Pause, |vm| {
        vm.message(context, side, Part::Headers(last != 0))
    }) as u32
}

/// `proxy_on_request_body`, `proxy_on_response_body`.
pub fn body(context: u32, side: Side, size: usize, last: u32) -> u32 {
    with(Action::Pause, |vm| {
        vm.message(context, side, Part::Body(size, last != 0))
    }) as u32
}

/// `proxy_on_request_trailers`, `proxy_on_response_trailers`.
pub fn trailers(context: u32, side: Side) -> u32 {
    with(Action::Pause, |vm| {
        vm.message(context, side, Part::Trailers)
    }) as u32
}

/// `proxy_on_http_call_response`.
pub fn answer(context: u32, number: u32, headers: u32, body_size: usize) {
    with((), |vm| {
        vm.answer(
            context,
            number,
            usize::try_from(headers).unwrap_or(0),
            body_size,
        )
    });
}

/// `proxy_on_log`.
pub fn end(context: u32) {
    with((), |vm| vm.end(context));
}

/// `proxy_on_delete`.
pub fn delete(context: u32) {
    with((), |vm| vm.delete(context));
}

/// The proxy behind this module.
struct HostCalls;

impl Host for HostCalls {
    fn now_ns(&self) -> u64 {
        abi::now_ns()
    }

    fn random(&self) -> u64 {
        // The standard library seeds it from WASI's random_get and changes it with each instance.
        RandomState::new().hash_one(abi::now_ns())
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn property(&self, path: &[&str]) -> Result<Vec<u8>, Status> {
        abi::property(path.join("\0").as_bytes())
    }

    fn set_property(&self, name: &str, value: &[u8]) -> Result<(), Status> {
        abi::set_property(name.as_bytes(), value)
    }

    fn shared(&self, key: &str) -> Result<(Vec<u8>, u32), Status> {
        abi::shared(key.as_bytes())
    }

    fn set_shared(&self, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        abi::set_shared(key.as_bytes(), value, cas)
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, Status> {
        abi::define_metric(kind as u32, name.as_bytes())
    }

    fn increment(&self, metric: u32, by: i64) -> Result<(), Status> {
        abi::increment_metric(metric, by)
    }

    fn record(&self, metric: u32, value: u64) -> Result<(), Status> {
        abi::record_metric(metric, value)
    }

    fn log(&self, level: Level, line: &str) {
        abi::log(level as u32, line.as_bytes());
    }

    fn foreign(&self, name: &str, argument: &[u8]) -> Result<Vec<u8>, Status> {
        abi::foreign(name.as_bytes(), argument)
    }
}

impl Proxy for HostCalls {
    fn pairs(&self, map: Map) -> Result<Vec<u8>, Status> {
        abi::pairs(map as u32)
    }

    fn header(&self, map: Map, name: &str) -> Result<Option<Vec<u8>>, Status> {
        match abi::header(map as u32, name.as_bytes()) {
            Err(Status::NotFound) => Ok(None),
            found => found.map(Some),
        }
    }

    fn set_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
        abi::replace_header(map as u32, name.as_bytes(), value)
    }

    fn add_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
        abi::add_header(map as u32, name.as_bytes(), value)
    }

    fn remove_header(&self, map: Map, name: &str) -> Result<(), Status> {
        abi::remove_header(map as u32, name.as_bytes())
    }

    fn body(&self, buffer: Buffer, start: usize, max: usize) -> Result<Vec<u8>, Status> {
        abi::buffer(buffer as u32, start, max)
    }

    fn set_body(
        &self,
        buffer: Buffer,
        start: usize,
        size: usize,
        data: &[u8],
    ) -> Result<(), Status> {
        abi::set_buffer(buffer as u32, start, size, data)
    }

    fn reply(&self, reply: &LocalReply<'_>) -> Result<(), Status> {
        abi::reply(
            reply.status,
            reply.details.as_bytes(),
            reply.body,
            &encode_refs(reply.headers),
            reply.grpc_status,
        )
    }

    fn resume(&self, side: Side) -> Result<(), Status> {
        abi::resume(side as u32)
    }

    fn dispatch(&self, call: &Dispatch<'_>) -> Result<u32, Status> {
        abi::http_call(
            call.upstream.as_bytes(),
            &Call::wire_headers(call),
            call.body,
            call.timeout_ms,
        )
    }

    fn set_tick(&self, period_ms: u32) -> Result<(), Status> {
        abi::set_tick(period_ms)
    }

    fn focus(&self, context: u32) -> Result<(), Status> {
        abi::focus(context)
    }
}
