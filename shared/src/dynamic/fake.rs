//! An Envoy in memory for tests: the table of functions over objects of this file.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::abi::{Abi, Buf, Pair, Ptr};
use super::envoy::buffers;
use super::store::lock;
use crate::host::Side;

type Headers = Vec<(String, Vec<u8>)>;

/// Envoy's filter object of one exchange.
#[derive(Default)]
pub struct FakeFilter {
    pub maps: [RefCell<Headers>; 4],
    pub buffers: [RefCell<Vec<u8>>; 4],
    /// Both buffers of a side are one.
    pub one_buffer: Cell<bool>,
    pub replies: RefCell<Vec<(u32, String)>>,
    pub resumed: RefCell<Vec<Side>>,
    pub state: RefCell<BTreeMap<String, Vec<u8>>>,
    pub metadata: RefCell<BTreeMap<String, Option<Vec<u8>>>>,
    pub route: Cell<*const c_void>,
    /// The route is to be chosen again.
    pub routed_again: Cell<bool>,
    pub callouts: RefCell<Vec<String>>,
    /// How often another thread has asked for the hook of this exchange.
    pub woken: Arc<AtomicUsize>,
    /// How many of these askers there are.
    pub wakers: Arc<AtomicUsize>,
    /// What was counted through it.
    pub counted: RefCell<BTreeMap<usize, u64>>,
    /// Attributes that were asked for.
    pub asked: RefCell<Vec<u32>>,
}

impl FakeFilter {
    /// With these request headers.
    pub fn with(headers: &[(&str, &str)]) -> Box<Self> {
        let filter = Self::default();
        let pairs = headers.iter();
        *filter.maps[0].borrow_mut() = pairs
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect();
        Box::new(filter)
    }

    /// As Envoy names it.
    pub fn ptr(&self) -> Ptr {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    /// A value of a header of the request.
    pub fn header(&self, name: &str) -> Option<String> {
        let map = self.maps[0].borrow();
        let (_, value) = map.iter().find(|(known, _)| known == name)?;
        Some(String::from_utf8(value.clone()).unwrap())
    }

    /// Part of a body arrives, behind what was kept before.
    pub fn arrives(&self, side: Side, bytes: &[u8]) {
        let [buffered, received] = buffers(side).map(|kind| kind as usize);
        let before = self.buffers[received].take();
        self.buffers[buffered]
            .borrow_mut()
            .extend_from_slice(&before);
        self.buffers[received].borrow_mut().extend_from_slice(bytes);
    }
}

/// Envoy's configuration object.
#[derive(Default)]
pub struct FakeConfig {
    pub metrics: Mutex<Vec<String>>,
    pub counted: Mutex<BTreeMap<usize, u64>>,
    /// Clusters that calls went to.
    pub callouts: Mutex<Vec<String>>,
    /// How often the main thread was asked for.
    pub woken: Arc<AtomicUsize>,
    pub wakers: Arc<AtomicUsize>,
}

impl FakeConfig {
    /// As Envoy names it.
    pub fn ptr(&self) -> Ptr {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    /// What was counted under a name.
    pub fn metric(&self, name: &str) -> Option<u64> {
        let at = lock(&self.metrics).iter().position(|known| known == name)?;
        Some(lock(&self.counted).get(&at).copied().unwrap_or(0))
    }
}

/// Lines that were logged by all tests of this process.
pub static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

unsafe fn filter<'a>(ptr: Ptr) -> &'a FakeFilter {
    unsafe { &*ptr.cast::<FakeFilter>() }
}

unsafe fn config<'a>(ptr: Ptr) -> &'a FakeConfig {
    unsafe { &*ptr.cast::<FakeConfig>() }
}

unsafe fn text(buf: Buf) -> String {
    String::from_utf8(unsafe { buf.bytes() }.to_vec()).unwrap()
}

struct Scheduler {
    woken: Arc<AtomicUsize>,
    wakers: Arc<AtomicUsize>,
}

fn scheduler(woken: &Arc<AtomicUsize>, wakers: &Arc<AtomicUsize>) -> Ptr {
    wakers.fetch_add(1, Ordering::SeqCst);
    let scheduler = Scheduler {
        woken: Arc::clone(woken),
        wakers: Arc::clone(wakers),
    };
    Box::into_raw(Box::new(scheduler)).cast()
}

macro_rules! fakes {
    ($($name:ident($($argument:ident: $kind:ty),*) $(-> $ret:ty)? $body:block)+) => {
        $(unsafe extern "C" fn $name($($argument: $kind),*) $(-> $ret)? {
            #[allow(unused_unsafe)] // one of them does nothing
            unsafe { $body }
        })+
    };
}

fakes! {
    log(_level: u32, line: Buf) { lock(&LOG).push(text(line)); }
    headers_size(of: Ptr, map: u32) -> usize { filter(of).maps[map as usize].borrow().len() }
    headers(of: Ptr, map: u32, out: *mut Pair) -> bool {
        for (at, (name, value)) in filter(of).maps[map as usize].borrow().iter().enumerate() {
            out.add(at).write(Pair::of(name.as_bytes(), value));
        }
        true
    }
    set_header(of: Ptr, map: u32, name: Buf, value: Buf) -> bool {
        let mut map = filter(of).maps[map as usize].borrow_mut();
        let name = text(name);
        map.retain(|(known, _)| *known != name);
        if !value.ptr.is_null() {
            map.push((name, value.bytes().to_vec()));
        }
        true
    }
    add_header(of: Ptr, map: u32, name: Buf, value: Buf) -> bool {
        filter(of).maps[map as usize].borrow_mut().push((text(name), value.bytes().to_vec()));
        true
    }
    body_size(of: Ptr, kind: u32) -> usize { filter(of).buffers[kind as usize].borrow().len() }
    chunks_size(of: Ptr, kind: u32) -> usize {
        // Two pieces, as Envoy's buffers have several.
        filter(of).buffers[kind as usize].borrow().len().min(2)
    }
    chunks(of: Ptr, kind: u32, out: *mut Buf) -> bool {
        let buffer = filter(of).buffers[kind as usize].borrow();
        match buffer.len() {
            0 => {}
            1 => out.write(Buf::of(&buffer)),
            _ => {
                out.write(Buf::of(&buffer[..1]));
                out.add(1).write(Buf::of(&buffer[1..]));
            }
        }
        true
    }
    append_body(of: Ptr, kind: u32, data: Buf) -> bool {
        filter(of).buffers[kind as usize].borrow_mut().extend_from_slice(data.bytes());
        true
    }
    drain_body(of: Ptr, kind: u32, size: usize) -> bool {
        drop(filter(of).buffers[kind as usize].borrow_mut().drain(..size));
        true
    }
    one_buffer(of: Ptr) -> bool { filter(of).one_buffer.get() }
    send_response(
        of: Ptr, status: u32, _headers: *const Pair, _count: usize, _body: Buf, details: Buf
    ) {
        filter(of).replies.borrow_mut().push((status, text(details)));
    }
    continue_decoding(of: Ptr) { filter(of).resumed.borrow_mut().push(Side::Request); }
    continue_encoding(of: Ptr) { filter(of).resumed.borrow_mut().push(Side::Response); }
    attribute_string(of: Ptr, attribute: u32, _out: *mut Buf) -> bool {
        filter(of).asked.borrow_mut().push(attribute);
        false
    }
    attribute_int(of: Ptr, attribute: u32, out: *mut u64) -> bool {
        filter(of).asked.borrow_mut().push(attribute);
        out.write(u64::from(attribute));
        true
    }
    metadata_string(of: Ptr, _source: u32, _namespace: Buf, key: Buf, out: *mut Buf) -> bool {
        match filter(of).metadata.borrow().get(&text(key)) {
            Some(Some(value)) => {
                out.write(Buf::of(value));
                true
            }
            _ => false,
        }
    }
    metadata_keys_count(of: Ptr, _source: u32, _namespace: Buf) -> usize {
        filter(of).metadata.borrow().len()
    }
    metadata_keys(of: Ptr, _source: u32, _namespace: Buf, out: *mut Buf) -> bool {
        for (at, key) in filter(of).metadata.borrow().keys().enumerate() {
            out.add(at).write(Buf::of(key.as_bytes()));
        }
        true
    }
    set_state(of: Ptr, key: Buf, value: Buf) -> bool {
        filter(of).state.borrow_mut().insert(text(key), value.bytes().to_vec());
        true
    }
    get_state(of: Ptr, key: Buf, out: *mut Buf) -> bool {
        match filter(of).state.borrow().get(&text(key)) {
            Some(value) => {
                out.write(Buf::of(value));
                true
            }
            None => false,
        }
    }
    route_config(of: Ptr) -> *const c_void { filter(of).route.get() }
    clear_route_cache(of: Ptr) { filter(of).routed_again.set(true); }
    callout(
        of: Ptr, id: *mut u64, cluster: Buf, _headers: *const Pair, _count: usize, _body: Buf,
        _timeout_ms: u64
    ) -> u32 {
        let mut callouts = filter(of).callouts.borrow_mut();
        id.write(callouts.len() as u64);
        callouts.push(text(cluster));
        0
    }
    config_callout(
        of: Ptr, id: *mut u64, cluster: Buf, _headers: *const Pair, _count: usize, _body: Buf,
        _timeout_ms: u64
    ) -> u32 {
        let mut callouts = lock(&config(of).callouts);
        id.write(callouts.len() as u64);
        callouts.push(text(cluster));
        0
    }
    scheduler_new(of: Ptr) -> Ptr { scheduler(&filter(of).woken, &filter(of).wakers) }
    config_scheduler_new(of: Ptr) -> Ptr { scheduler(&config(of).woken, &config(of).wakers) }
    commit(of: Ptr, _event: u64) {
        (*of.cast::<Scheduler>()).woken.fetch_add(1, Ordering::SeqCst);
    }
    delete(of: Ptr) {
        let scheduler = Box::from_raw(of.cast::<Scheduler>());
        scheduler.wakers.fetch_sub(1, Ordering::SeqCst);
    }
    define(of: Ptr, name: Buf, _labels: *const Buf, _count: usize, id: *mut usize) -> u32 {
        let mut metrics = lock(&config(of).metrics);
        id.write(metrics.len());
        metrics.push(text(name));
        0
    }
    measure(of: Ptr, metric: usize, _labels: *const Buf, _count: usize, value: u64) -> u32 {
        *filter(of).counted.borrow_mut().entry(metric).or_default() += value;
        0
    }
    config_measure(of: Ptr, metric: usize, _labels: *const Buf, _count: usize, value: u64) -> u32 {
        *lock(&config(of).counted).entry(metric).or_default() += value;
        0
    }
    present() {}
}

unsafe extern "C" fn validating() -> bool {
    // No thread is started: tests say what is due.
    true
}

fn address(name: &CStr, release: u32) -> Ptr {
    let name = name.to_str().unwrap();
    let name = name.strip_prefix("envoy_dynamic_module_callback_").unwrap();
    let later = |since: u32, there: *const ()| match release >= since {
        true => there,
        false => std::ptr::null(),
    };
    let found: *const () = match name {
        "log" => log as *const (),
        "http_get_headers_size" => headers_size as *const (),
        "http_get_headers" => headers as *const (),
        "http_set_header" => set_header as *const (),
        "http_add_header" => add_header as *const (),
        "http_get_body_size" => body_size as *const (),
        "http_get_body_chunks_size" => chunks_size as *const (),
        "http_get_body_chunks" => chunks as *const (),
        "http_append_body" => append_body as *const (),
        "http_drain_body" => drain_body as *const (),
        "http_received_buffered_request_body" | "http_received_buffered_response_body" => {
            one_buffer as *const ()
        }
        "http_send_response" => send_response as *const (),
        "http_filter_continue_decoding" => continue_decoding as *const (),
        "http_filter_continue_encoding" => continue_encoding as *const (),
        "http_filter_get_attribute_string" => attribute_string as *const (),
        "http_filter_get_attribute_int" => attribute_int as *const (),
        "http_get_metadata_string" => metadata_string as *const (),
        "http_set_filter_state_bytes" => set_state as *const (),
        "http_get_filter_state_bytes" => get_state as *const (),
        "get_most_specific_route_config" => route_config as *const (),
        "http_clear_route_cache" => clear_route_cache as *const (),
        "http_filter_http_callout" => callout as *const (),
        "http_filter_config_http_callout" => config_callout as *const (),
        "http_filter_scheduler_new" => scheduler_new as *const (),
        "http_filter_config_scheduler_new" => config_scheduler_new as *const (),
        "http_filter_scheduler_commit" | "http_filter_config_scheduler_commit" => {
            commit as *const ()
        }
        "http_filter_scheduler_delete" | "http_filter_config_scheduler_delete" => {
            delete as *const ()
        }
        "http_filter_config_define_counter"
        | "http_filter_config_define_gauge"
        | "http_filter_config_define_histogram" => define as *const (),
        "http_filter_increment_counter"
        | "http_filter_set_gauge"
        | "http_filter_record_histogram_value" => measure as *const (),
        "http_filter_config_increment_counter"
        | "http_filter_config_set_gauge"
        | "http_filter_config_record_histogram_value" => later(39, config_measure as *const ()),
        "http_get_metadata_keys_count" => metadata_keys_count as *const (),
        "http_get_metadata_keys" => metadata_keys as *const (),
        "is_validation_mode" => validating as *const (),
        "http_get_timing_info" => later(40, present as *const ()),
        _ => std::ptr::null(),
    };
    found.cast_mut().cast()
}

/// The table of Envoy 1.`release`.
pub fn envoy(release: u32) -> &'static Abi {
    // SAFETY: each function has the type that the table has for its name.
    let table = unsafe { Abi::find(|name| address(name, release)) };
    Box::leak(Box::new(table.unwrap()))
}

/// The table of an Envoy that lacks a function.
pub fn lacking(missing: &CStr) -> Result<Abi, &'static CStr> {
    // SAFETY: as above.
    unsafe {
        Abi::find(|name| match name == missing {
            true => std::ptr::null_mut(),
            false => address(name, 40),
        })
    }
}
