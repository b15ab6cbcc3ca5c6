//! The hooks that Envoy calls, for [`export_dynamic_module!`](crate::export_dynamic_module) to
//! export: from raw pointers to the workers, and from panics to refusals.
//!
//! A hook whose exchange this side does not know refuses it: before Envoy 1.40 a request goes on
//! where the hook `..._http_filter_new` has given nothing.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use super::abi::{self, Abi, Buf, CONTINUE, Pair, Ptr, STOP};
use super::after::{After, UNAVAILABLE};
use super::entry::{Entry, Release};
use super::envoy::{self, Answer, Config, Stream};
use super::proxy::body_size;
use super::settings::{self, RouteConfig};
use super::worker::Worker;
use crate::filter::Registration;
use crate::host::{Level, Side};
use crate::suite::Member;
use crate::vm::Part;
use crate::vm::verdict::Action;

/// Envoy's functions, once the module has been loaded.
static API: OnceLock<Abi> = OnceLock::new();

/// One exchange, as Envoy keeps it for the module.
struct Exchange {
    /// Its worker and its context there; nothing where it cannot be served.
    served: Option<(Arc<Worker>, u32)>,
    /// It has been refused because it cannot be served.
    refused: Cell<bool>,
}

/// What a hook of an exchange works with.
struct Found {
    stream: Stream,
    worker: Arc<Worker>,
    context: u32,
}

/// What Envoy hands over as the answer to a callout.
#[derive(Clone, Copy)]
pub struct RawAnswer {
    /// 0 for an answer.
    pub result: u32,
    /// Headers.
    pub headers: *const Pair,
    /// How many.
    pub header_count: usize,
    /// Pieces of the body.
    pub chunks: *const Buf,
    /// How many.
    pub chunk_count: usize,
}

impl RawAnswer {
    /// # Safety
    /// In the hook that it was handed to.
    unsafe fn take(self) -> Option<Answer> {
        // SAFETY: as the caller says.
        unsafe {
            Answer::taken(
                self.result,
                self.headers,
                self.header_count,
                self.chunks,
                self.chunk_count,
            )
        }
    }
}

/// The hooks, over Envoy's functions.
///
/// # Safety
/// Every unsafe method is for the hook of its name, with the arguments that Envoy calls it with,
/// while that hook runs.
#[derive(Clone, Copy)]
pub struct Hooks {
    api: &'static Abi,
}

/// What is said instead of what a panic says: that may hold values of a request.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let (Some(api), Some(place)) = (API.get(), panic.location()) else {
            return;
        };
        let line = format!("modelgate: panic at {}:{}", place.file(), place.line());
        envoy::log(api, Level::Error, &line);
    }));
}

/// `..._program_init`: the version of the interface, or null where this Envoy lacks a function that
/// the module needs.
pub fn program_init() -> *const c_char {
    let started = catch_unwind(|| {
        let found = abi::loaded().ok()?;
        let api = API.get_or_init(|| found);
        report_panics();
        // Envoy compares it with its own, to warn.
        let version: &CStr = match Release::of(api).has_request_size {
            true => c"v0.2.0",
            false => c"v0.1.0",
        };
        Some(version.as_ptr())
    });
    started.ok().flatten().unwrap_or(std::ptr::null())
}

/// The hooks of a module that has been loaded.
pub fn loaded() -> Option<Hooks> {
    API.get().map(Hooks::over)
}

/// The entry behind a pointer that Envoy goes on holding.
///
/// # Safety
/// [`Hooks::config_new`] has given the pointer to Envoy, which has not given it back; or it is
/// null.
unsafe fn lent(entry: *const c_void) -> Option<ManuallyDrop<Arc<Entry>>> {
    // SAFETY: as the caller says; the count of references stays as it is.
    (!entry.is_null()).then(|| ManuallyDrop::new(unsafe { Arc::from_raw(entry.cast::<Entry>()) }))
}

#[allow(clippy::missing_safety_doc)] // said once, at the type
impl Hooks {
    /// The hooks over these functions.
    pub const fn over(api: &'static Abi) -> Self {
        Self { api }
    }

    /// `..._http_filter_config_new`.
    pub unsafe fn config_new(
        self,
        filters: &[Member],
        config: Ptr,
        name: Buf,
        text: Buf,
    ) -> *const c_void {
        let made = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: Envoy's object lives until the hook for its end, after which nothing reaches
            // it (`Entry::close`); name and text are readable while this hook runs.
            let (config, name, text) =
                unsafe { (Config::lent(self.api, config), name.bytes(), text.bytes()) };
            let name = std::str::from_utf8(name).ok()?;
            Entry::new(config, registrations(filters), name, text)
        }));
        match made.ok().flatten() {
            Some(entry) => Arc::into_raw(entry).cast(),
            None => std::ptr::null(),
        }
    }

    /// `..._http_filter_config_destroy`.
    pub unsafe fn config_destroy(self, entry: *const c_void) {
        if entry.is_null() {
            return;
        }
        // SAFETY: `config_new` has given it to Envoy, which gives it back once.
        let entry = unsafe { Arc::from_raw(entry.cast::<Entry>()) };
        let _ = catch_unwind(AssertUnwindSafe(|| entry.close()));
    }

    /// `..._http_filter_config_scheduled`.
    pub unsafe fn config_scheduled(self, entry: *const c_void) {
        // SAFETY: as the type says.
        if let Some(entry) = unsafe { lent(entry) } {
            let _ = catch_unwind(AssertUnwindSafe(|| entry.on_main()));
        }
    }

    /// `..._http_filter_config_http_callout_done`.
    pub unsafe fn config_answer(self, entry: *const c_void, id: u64, answer: RawAnswer) {
        // SAFETY: as the type says.
        if let Some(entry) = unsafe { lent(entry) } {
            let _ = catch_unwind(AssertUnwindSafe(|| {
                // SAFETY: as the type says.
                entry.answered(id, unsafe { answer.take() });
            }));
        }
    }

    /// `..._http_filter_per_route_config_new`.
    pub unsafe fn route_config_new(self, filters: &[Member], text: Buf) -> *const c_void {
        let made = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: readable while this hook runs.
            let text = unsafe { text.bytes() };
            match RouteConfig::read(text, &registrations(filters)) {
                Ok(config) => settings::keep(config),
                Err(problems) => {
                    for problem in problems {
                        let line = format!("modelgate: a route is refused: {problem}");
                        envoy::log(self.api, Level::Error, &line);
                    }
                    std::ptr::null()
                }
            }
        }));
        made.unwrap_or(std::ptr::null())
    }

    /// `..._http_filter_per_route_config_destroy`.
    pub fn route_config_destroy(self, config: *const c_void) {
        let _ = catch_unwind(|| settings::discard(config));
    }

    /// `..._http_filter_new`. Never null: what cannot be served is refused by the next hook.
    pub unsafe fn filter_new(self, entry: *const c_void, filter: Ptr) -> *const c_void {
        let made = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: as the type says; the stream is forgotten in `destroy`.
            let (entry, stream) = unsafe { (lent(entry)?, Stream::lent(self.api, filter)?) };
            let worker = entry.worker()?;
            let context = worker.begin(stream)?;
            Some((worker, context))
        }));
        let exchange = Exchange {
            served: made.ok().flatten(),
            refused: Cell::new(false),
        };
        Box::into_raw(Box::new(exchange)).cast_const().cast()
    }

    /// The hooks of messages. What `part` says of the size of a body does not count.
    pub unsafe fn message(
        self,
        filter: Ptr,
        exchange: *const c_void,
        side: Side,
        part: Part,
    ) -> u32 {
        let action = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: as the type says.
            let Some(found) = (unsafe { self.found(filter, exchange) }) else {
                // SAFETY: as the type says.
                unsafe { self.refuse(filter, exchange) };
                return Action::Pause;
            };
            let part = match part {
                Part::Body(_, last) => Part::Body(body_size(found.stream, side), last),
                Part::Headers(_) | Part::Trailers => part,
            };
            let Found {
                stream,
                worker,
                context,
            } = found;
            worker.message(context, stream, side, part)
        }));
        match action {
            Ok(Action::Continue) => CONTINUE,
            Ok(Action::Pause) | Err(_) => STOP,
        }
    }

    /// `..._http_filter_http_callout_done`.
    pub unsafe fn answer(self, filter: Ptr, exchange: *const c_void, id: u64, answer: RawAnswer) {
        // SAFETY: as the type says.
        unsafe {
            self.told(filter, exchange, |found| {
                let answer = answer.take();
                found.worker.answer(found.context, found.stream, id, answer);
            });
        }
    }

    /// `..._http_filter_scheduled`.
    pub unsafe fn scheduled(self, filter: Ptr, exchange: *const c_void) {
        // SAFETY: as the type says.
        unsafe { self.told(filter, exchange, |found| found.worker.read_mail()) };
    }

    /// `..._http_filter_stream_complete`.
    pub unsafe fn complete(self, filter: Ptr, exchange: *const c_void) {
        // SAFETY: as the type says.
        unsafe {
            self.told(filter, exchange, |found| {
                found.worker.end(found.context, found.stream);
            });
        }
    }

    /// `..._http_filter_destroy`.
    pub unsafe fn destroy(self, exchange: *const c_void) {
        if exchange.is_null() {
            return;
        }
        // SAFETY: `filter_new` has given it to Envoy, which gives it back once.
        let exchange = unsafe { Box::from_raw(exchange.cast::<Exchange>().cast_mut()) };
        if let Some((worker, context)) = exchange.served {
            let _ = catch_unwind(AssertUnwindSafe(|| worker.delete(context)));
        }
    }

    /// The exchange behind a hook's pointers; nothing where it cannot be served.
    unsafe fn found(self, filter: Ptr, exchange: *const c_void) -> Option<Found> {
        // SAFETY: as the type says: `filter_new` has given it to Envoy, or it is null. The exchange
        // lives until `destroy`, and what is taken out of it here lives by itself.
        let (stream, exchange) = unsafe {
            let stream = Stream::lent(self.api, filter)?;
            (stream, exchange.cast::<Exchange>().as_ref()?)
        };
        let (worker, context) = exchange.served.as_ref()?;
        Some(Found {
            stream,
            worker: Arc::clone(worker),
            context: *context,
        })
    }

    /// Answers an exchange that cannot be served, once.
    unsafe fn refuse(self, filter: Ptr, exchange: *const c_void) {
        // SAFETY: as in `found`.
        let (stream, exchange) = unsafe {
            let stream = Stream::lent(self.api, filter);
            (stream, exchange.cast::<Exchange>().as_ref())
        };
        let refused = exchange.is_some_and(|exchange| exchange.refused.replace(true));
        if let Some(stream) = stream.filter(|_| !refused) {
            After::refusal(&UNAVAILABLE).perform(stream);
        }
    }

    /// A hook that tells of an exchange and asks for nothing.
    unsafe fn told(self, filter: Ptr, exchange: *const c_void, work: impl FnOnce(Found)) {
        let _ = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: as the type says.
            if let Some(found) = unsafe { self.found(filter, exchange) } {
                work(found);
            }
        }));
    }
}

fn registrations(filters: &[Member]) -> Vec<Registration> {
    filters.iter().map(|member| member.filter).collect()
}
