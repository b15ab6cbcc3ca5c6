//! Envoy's objects, with the calls that act on them: thin and without logic, so that everything
//! else needs no unsafe code.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::NonNull;

use super::abi::{Abi, Buf, Pair, Ptr, ROUTE_METADATA, body};
use crate::headers::encode;
use crate::host::{HeaderRef, Level, Map, MetricKind, Side, Status};

/// A call of Envoy's that gives no reason when it refuses.
const fn taken(taken: bool) -> Result<(), Status> {
    if taken {
        Ok(())
    } else {
        Err(Status::BadArgument)
    }
}

fn pairs_of(headers: &[HeaderRef<'_>]) -> Vec<Pair> {
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| Pair::of(name.as_bytes(), value))
        .collect()
}

/// Writes a line to Envoy's log.
pub fn log(api: &Abi, level: Level, line: &str) {
    // SAFETY: the line lives through the call, which copies it.
    unsafe { (api.log)(level as u32, Buf::of(line.as_bytes())) };
}

/// A callout as it goes out.
pub struct Callout<'a> {
    /// Name of the cluster.
    pub cluster: &'a str,
    /// Headers, pseudo-headers included.
    pub headers: &'a [HeaderRef<'a>],
    /// Body.
    pub body: &'a [u8],
    /// Time-out in milliseconds.
    pub timeout_ms: u64,
}

/// The answer to a callout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Headers in the kit's wire form.
    pub headers: Vec<u8>,
    /// How many.
    pub count: usize,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// What Envoy hands over; nothing where the call has failed.
    ///
    /// # Safety
    /// The arguments are those of a hook for answers, and that hook is running.
    pub unsafe fn taken(
        result: u32,
        headers: *const Pair,
        count: usize,
        chunks: *const Buf,
        chunk_count: usize,
    ) -> Option<Self> {
        if result != 0 || headers.is_null() {
            return None;
        }
        // SAFETY: so many headers and chunks lie there until the hook returns.
        unsafe {
            let pairs = std::slice::from_raw_parts(headers, count);
            let mut body = Vec::new();
            if !chunks.is_null() {
                for chunk in std::slice::from_raw_parts(chunks, chunk_count) {
                    body.extend_from_slice(chunk.bytes());
                }
            }
            Some(Self {
                headers: encode(pairs.iter().map(|pair| pair.bytes())),
                count,
                body,
            })
        }
    }
}

/// Envoy's side of one exchange: its filter object.
#[derive(Clone, Copy)]
pub struct Stream {
    api: &'static Abi,
    ptr: NonNull<c_void>,
}

impl PartialEq for Stream {
    fn eq(&self, other: &Self) -> bool {
        self.ptr == other.ptr
    }
}

impl Eq for Stream {}

impl Stream {
    /// The exchange of Envoy's filter object; none of a null pointer.
    ///
    /// # Safety
    /// The result and its copies are used on the thread of this filter only, and not after its hook
    /// `..._http_filter_destroy` has begun.
    pub unsafe fn lent(api: &'static Abi, filter: Ptr) -> Option<Self> {
        NonNull::new(filter).map(|ptr| Self { api, ptr })
    }

    const fn raw(self) -> Ptr {
        self.ptr.as_ptr()
    }

    /// A header map in the kit's wire form.
    ///
    /// # Errors
    /// Where Envoy has none.
    pub fn pairs(self, map: Map) -> Result<Vec<u8>, Status> {
        let map = number_of(map)?;
        // SAFETY: a live filter. There is room for as many headers as Envoy has counted, and they
        // are copied before anything is written.
        unsafe {
            let count = (self.api.get_headers_size)(self.raw(), map);
            let mut few = [Pair::NONE; 32];
            let mut many = Vec::new();
            let pairs = match few.get_mut(..count) {
                Some(few) => few,
                None => {
                    many.resize(count, Pair::NONE);
                    many.as_mut_slice()
                }
            };
            taken((self.api.get_headers)(self.raw(), map, pairs.as_mut_ptr()))?;
            Ok(encode(pairs.iter().map(|pair| pair.bytes())))
        }
    }

    /// Sets a header to one value.
    ///
    /// # Errors
    /// Where Envoy has no such map.
    pub fn set_header(self, map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
        let map = number_of(map)?;
        // SAFETY: a live filter; Envoy copies name and value.
        taken(unsafe {
            (self.api.set_header)(self.raw(), map, Buf::of(name.as_bytes()), Buf::of(value))
        })
    }

    /// Adds a value to a header.
    ///
    /// # Errors
    /// Where Envoy has no such map.
    pub fn add_header(self, map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
        let map = number_of(map)?;
        // SAFETY: a live filter; Envoy copies name and value.
        taken(unsafe {
            (self.api.add_header)(self.raw(), map, Buf::of(name.as_bytes()), Buf::of(value))
        })
    }

    /// Removes a header.
    ///
    /// # Errors
    /// Where Envoy has no such map.
    pub fn remove_header(self, map: Map, name: &str) -> Result<(), Status> {
        let map = number_of(map)?;
        // SAFETY: a live filter; no value removes the header.
        taken(unsafe {
            (self.api.set_header)(self.raw(), map, Buf::of(name.as_bytes()), Buf::NULL)
        })
    }

    /// Forgets which route was chosen: it is chosen again when it is next asked for. Envoy does not
    /// do so for a module that changes headers.
    pub fn choose_route_again(self) {
        // SAFETY: a live filter.
        unsafe { (self.api.clear_route_cache)(self.raw()) }
    }

    /// Bytes in one of the buffers of [`body`].
    pub fn body_size(self, kind: u32) -> usize {
        // SAFETY: a live filter.
        unsafe { (self.api.get_body_size)(self.raw(), kind) }
    }

    /// Whether what has arrived of a side's body is what was kept: both buffers are the same one.
    pub fn received_is_buffered(self, side: Side) -> bool {
        let asked = match side {
            Side::Request => self.api.received_buffered_request,
            Side::Response => self.api.received_buffered_response,
        };
        // SAFETY: a live filter.
        unsafe { asked(self.raw()) }
    }

    /// Appends the content of a buffer to `bytes`.
    ///
    /// # Errors
    /// Where Envoy does not hand it over.
    pub fn read_body(self, kind: u32, bytes: &mut Vec<u8>) -> Result<(), Status> {
        // SAFETY: a live filter. There is room for as many chunks as Envoy has counted, and they
        // are copied before anything is written.
        unsafe {
            let count = (self.api.get_body_chunks_size)(self.raw(), kind);
            let mut chunks = vec![Buf::NULL; count];
            taken((self.api.get_body_chunks)(
                self.raw(),
                kind,
                chunks.as_mut_ptr(),
            ))?;
            for chunk in chunks {
                bytes.extend_from_slice(chunk.bytes());
            }
        }
        Ok(())
    }

    /// Takes so many bytes from the front of a buffer.
    ///
    /// # Errors
    /// Where there is no such buffer.
    pub fn drain_body(self, kind: u32, size: usize) -> Result<(), Status> {
        // SAFETY: a live filter.
        taken(unsafe { (self.api.drain_body)(self.raw(), kind, size) })
    }

    /// Puts bytes at the end of a buffer.
    ///
    /// # Errors
    /// Where there is no such buffer.
    pub fn append_body(self, kind: u32, data: &[u8]) -> Result<(), Status> {
        // SAFETY: a live filter; Envoy copies the bytes.
        taken(unsafe { (self.api.append_body)(self.raw(), kind, Buf::of(data)) })
    }

    /// Ends the exchange with this answer. May call hooks of this and of other exchanges.
    pub fn reply(self, status: u16, details: &str, headers: &[HeaderRef<'_>], body: &[u8]) {
        let pairs = pairs_of(headers);
        // SAFETY: a live filter; Envoy copies all of it.
        unsafe {
            (self.api.send_response)(
                self.raw(),
                status.into(),
                pairs.as_ptr(),
                pairs.len(),
                Buf::of(body),
                Buf::of(details.as_bytes()),
            );
        }
    }

    /// Lets a held side go on. May call hooks of this and of other exchanges.
    pub fn resume(self, side: Side) {
        let go_on = match side {
            Side::Request => self.api.continue_decoding,
            Side::Response => self.api.continue_encoding,
        };
        // SAFETY: a live filter.
        unsafe { go_on(self.raw()) };
    }

    /// An attribute that is text.
    pub fn text(self, attribute: u32) -> Option<Vec<u8>> {
        let mut out = Buf::NULL;
        // SAFETY: a live filter, and a place for the answer, which is copied at once.
        unsafe {
            (self.api.get_attribute_string)(self.raw(), attribute, &mut out)
                .then(|| out.bytes().to_vec())
        }
    }

    /// An attribute that is a number.
    pub fn number(self, attribute: u32) -> Option<u64> {
        let mut out = 0;
        // SAFETY: a live filter, and a place for the answer.
        unsafe { (self.api.get_attribute_int)(self.raw(), attribute, &mut out).then_some(out) }
    }

    /// A text in the route's metadata.
    pub fn route_metadata(self, namespace: &str, key: &str) -> Option<Vec<u8>> {
        let (namespace, key) = (Buf::of(namespace.as_bytes()), Buf::of(key.as_bytes()));
        let mut out = Buf::NULL;
        // SAFETY: a live filter, and a place for the answer, which is copied at once.
        unsafe {
            (self.api.get_metadata_string)(self.raw(), ROUTE_METADATA, namespace, key, &mut out)
                .then(|| out.bytes().to_vec())
        }
    }

    /// The members of a namespace of the route's metadata.
    ///
    /// # Errors
    /// Where Envoy does not hand them over.
    pub fn route_metadata_keys(self, namespace: &str) -> Result<Vec<Vec<u8>>, Status> {
        let namespace = Buf::of(namespace.as_bytes());
        // SAFETY: a live filter. There is room for as many names as Envoy has counted, and they are
        // copied at once.
        unsafe {
            let count = (self.api.metadata_keys_count)(self.raw(), ROUTE_METADATA, namespace);
            if count == 0 {
                return Ok(Vec::new());
            }
            let mut found = vec![Buf::NULL; count];
            let out = found.as_mut_ptr();
            taken((self.api.metadata_keys)(
                self.raw(),
                ROUTE_METADATA,
                namespace,
                out,
            ))?;
            Ok(found.into_iter().map(|key| key.bytes().to_vec()).collect())
        }
    }

    /// The module's object for the most specific configuration of the route; null for none.
    pub fn route_config(self) -> *const c_void {
        // SAFETY: a live filter.
        unsafe { (self.api.get_route_config)(self.raw()) }
    }

    /// A value of the filter state.
    pub fn state(self, key: &str) -> Option<Vec<u8>> {
        let mut out = Buf::NULL;
        // SAFETY: a live filter, and a place for the answer, which is copied at once.
        unsafe {
            (self.api.get_filter_state)(self.raw(), Buf::of(key.as_bytes()), &mut out)
                .then(|| out.bytes().to_vec())
        }
    }

    /// Sets a value of the filter state.
    ///
    /// # Errors
    /// Where Envoy does not take it.
    pub fn set_state(self, key: &str, value: &[u8]) -> Result<(), Status> {
        // SAFETY: a live filter; Envoy copies key and value.
        taken(unsafe {
            (self.api.set_filter_state)(self.raw(), Buf::of(key.as_bytes()), Buf::of(value))
        })
    }

    /// Starts a callout; gives Envoy's number of it.
    ///
    /// # Errors
    /// Where Envoy does not start it.
    pub fn callout(self, call: &Callout<'_>) -> Result<u64, Status> {
        // SAFETY: a live filter.
        unsafe { start(self.api.http_callout, self.raw(), call) }
    }

    /// What calls the hook `..._http_filter_scheduled` of this exchange from any thread.
    pub fn waker(self) -> Waker {
        Waker {
            // SAFETY: a live filter.
            ptr: unsafe { (self.api.scheduler_new)(self.raw()) },
            commit: self.api.scheduler_commit,
            delete: self.api.scheduler_delete,
        }
    }

    /// Counts through this exchange, for releases that need one.
    ///
    /// # Errors
    /// Where Envoy does not know the metric.
    pub fn measure(self, kind: MetricKind, metric: usize, value: u64) -> Result<(), Status> {
        let measure = match kind {
            MetricKind::Counter => self.api.increment_counter,
            MetricKind::Gauge => self.api.set_gauge,
            MetricKind::Histogram => self.api.record_histogram,
        };
        // SAFETY: a live filter; there are no labels.
        taken(unsafe { measure(self.raw(), metric, std::ptr::null(), 0, value) } == 0)
    }
}

type Start = unsafe extern "C" fn(Ptr, *mut u64, Buf, *const Pair, usize, Buf, u64) -> u32;

/// # Safety
/// `of` is the live object that `start` takes.
unsafe fn start(start: Start, of: Ptr, call: &Callout<'_>) -> Result<u64, Status> {
    let pairs = pairs_of(call.headers);
    let mut id = 0;
    // SAFETY: the object lives; Envoy copies what it is given, and writes its number.
    let refused = unsafe {
        start(
            of,
            &mut id,
            Buf::of(call.cluster.as_bytes()),
            pairs.as_ptr(),
            pairs.len(),
            Buf::of(call.body),
            call.timeout_ms,
        )
    };
    if refused == 0 {
        Ok(id)
    } else {
        Err(Status::BadArgument)
    }
}

const fn number_of(map: Map) -> Result<u32, Status> {
    match map {
        Map::RequestHeaders
        | Map::RequestTrailers
        | Map::ResponseHeaders
        | Map::ResponseTrailers => Ok(map as u32),
        Map::CallHeaders => Err(Status::BadArgument),
    }
}

/// The two buffers of a side's body: what was kept, and what has just arrived.
pub const fn buffers(side: Side) -> [u32; 2] {
    match side {
        Side::Request => [body::BUFFERED_REQUEST, body::RECEIVED_REQUEST],
        Side::Response => [body::BUFFERED_RESPONSE, body::RECEIVED_RESPONSE],
    }
}

/// Envoy's side of a filter entry: its configuration object.
#[derive(Clone, Copy)]
pub struct Config {
    api: &'static Abi,
    ptr: Ptr,
}

// SAFETY: the object is Envoy's and lives until its hook for the end; what is called from other
// threads than the main one (counting) is meant to be: atomic counters, in a list that does not
// change any more.
unsafe impl Send for Config {}
// SAFETY: as above.
unsafe impl Sync for Config {}

impl Config {
    /// Envoy's configuration object.
    ///
    /// # Safety
    /// The result and its copies are not used after the hook `..._http_filter_config_destroy` of
    /// this object has returned, and [`Config::define`], [`Config::callout`] and [`Config::waker`]
    /// on the main thread only.
    pub const unsafe fn lent(api: &'static Abi, ptr: Ptr) -> Self {
        Self { api, ptr }
    }

    /// Envoy's functions.
    pub const fn api(self) -> &'static Abi {
        self.api
    }

    /// Defines a metric; only while the configuration is made.
    ///
    /// # Errors
    /// Where Envoy does not take it.
    pub fn define(self, kind: MetricKind, name: &str) -> Result<usize, Status> {
        let define = match kind {
            MetricKind::Counter => self.api.define_counter,
            MetricKind::Gauge => self.api.define_gauge,
            MetricKind::Histogram => self.api.define_histogram,
        };
        let mut id = 0;
        let name = Buf::of(name.as_bytes());
        // SAFETY: a live object; there are no labels; Envoy writes the number.
        let refused = unsafe { define(self.ptr, name, std::ptr::null(), 0, &mut id) };
        if refused == 0 {
            Ok(id)
        } else {
            Err(Status::InternalFailure)
        }
    }

    /// Whether metrics can be counted without an exchange.
    pub const fn counts(self) -> bool {
        self.api.config_increment_counter.is_some()
    }

    /// Counts without an exchange; see [`Config::counts`].
    ///
    /// # Errors
    /// Where Envoy does not know the metric, or has no such function.
    pub fn measure(self, kind: MetricKind, metric: usize, value: u64) -> Result<(), Status> {
        let measure = match kind {
            MetricKind::Counter => self.api.config_increment_counter,
            MetricKind::Gauge => self.api.config_set_gauge,
            MetricKind::Histogram => self.api.config_record_histogram,
        };
        let measure = measure.ok_or(Status::Unimplemented)?;
        // SAFETY: a live object; there are no labels.
        taken(unsafe { measure(self.ptr, metric, std::ptr::null(), 0, value) } == 0)
    }

    /// Starts a callout; gives Envoy's number of it.
    ///
    /// # Errors
    /// Where Envoy does not start it.
    pub fn callout(self, call: &Callout<'_>) -> Result<u64, Status> {
        // SAFETY: a live object.
        unsafe { start(self.api.config_http_callout, self.ptr, call) }
    }

    /// What calls the hook `..._http_filter_config_scheduled` from any thread.
    pub fn waker(self) -> Waker {
        Waker {
            // SAFETY: a live object.
            ptr: unsafe { (self.api.config_scheduler_new)(self.ptr) },
            commit: self.api.config_scheduler_commit,
            delete: self.api.config_scheduler_delete,
        }
    }
}

/// Wakes a thread of Envoy's from any other. Does nothing once what it belongs to is gone.
pub struct Waker {
    ptr: Ptr,
    commit: unsafe extern "C" fn(Ptr, u64),
    delete: unsafe extern "C" fn(Ptr),
}

// SAFETY: committing is allowed from any thread (abi.h), and so is deleting: the object holds a
// weak reference and the thread's queue.
unsafe impl Send for Waker {}
// SAFETY: as above.
unsafe impl Sync for Waker {}

impl Waker {
    /// Has the hook called soon.
    pub fn wake(&self) {
        // SAFETY: Envoy's object, which lives until it is deleted below.
        unsafe { (self.commit)(self.ptr, 0) };
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        // SAFETY: made by Envoy for this value, and deleted once.
        unsafe { (self.delete)(self.ptr) };
    }
}

/// Whether Envoy only looks whether its configuration is right (`--mode validate`).
pub fn is_validation(api: &Abi) -> bool {
    // SAFETY: a function without arguments.
    unsafe { (api.is_validation_mode)() }
}
