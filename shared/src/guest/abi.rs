//! Raw proxy-wasm host calls (ABI 0.2.1), every status handed on, no panic; and the memory that a
//! host writes results into.
//!
//! With the module's memory (`pool`) the only unsafe code of the suite. Each call passes pointers
//! to live slices or locals; results are buffers that the host has obtained from
//! [`proxy_on_memory_allocate`], taken over exactly once.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc};

use crate::host::Status;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    #[rustfmt::skip]
    fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        data: *const u8,
        data_size: usize,
    ) -> u32;
    #[rustfmt::skip]
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc: i32,
    ) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    #[rustfmt::skip]
    fn proxy_http_call(
        upstream: *const u8,
        upstream_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout_ms: u32,
        number: *mut u32,
    ) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        cas: u32,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, number: *mut u32) -> u32;
    fn proxy_increment_metric(number: u32, by: i64) -> u32;
    fn proxy_record_metric(number: u32, value: u64) -> u32;
    fn proxy_log(level: u32, line: *const u8, size: usize) -> u32;
    #[rustfmt::skip]
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        argument: *const u8,
        argument_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Runs the C library's constructors; called once, by `_initialize`.
pub fn initialize() {
    // SAFETY: wasm-ld provides it; the host calls `_initialize` exactly once, before anything else.
    unsafe { __wasm_call_ctors() }
}

/// Memory for a result that the host is about to write.
pub fn allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size.max(1)) {
        // SAFETY: the layout's size is not zero.
        Ok(layout) => unsafe { alloc(layout) },
        Err(_) => std::ptr::null_mut(),
    }
}

/// Takes over a result of the host.
fn take(data: *mut u8, size: usize) -> Vec<u8> {
    if data.is_null() {
        return Vec::new();
    }
    // SAFETY: the host obtained `data` from `allocate(size)` in this very call and hands it over;
    // `allocate` gives at least one byte, which is the capacity where `size` is 0.
    unsafe { Vec::from_raw_parts(data, size, size.max(1)) }
}

/// A call that gives bytes.
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Status> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    let status = call(&mut data, &mut size);
    let result = take(data, size);
    Status::check(status).map(|()| result)
}

/// Wall clock in nanoseconds; 0 should the host refuse.
pub fn now_ns() -> u64 {
    let mut time = 0;
    // SAFETY: `time` is a live local.
    let _ = unsafe { proxy_get_current_time_nanoseconds(&mut time) };
    time
}

/// A whole header map.
pub fn pairs(map: u32) -> Result<Vec<u8>, Status> {
    // SAFETY: both pointers are live locals of `bytes`.
    bytes(|data, size| unsafe { proxy_get_header_map_pairs(map, data, size) })
}

/// The first value of a header.
pub fn header(map: u32, name: &[u8]) -> Result<Vec<u8>, Status> {
    // SAFETY: the slice lives through the call, and both pointers are live locals of `bytes`.
    bytes(|data, size| unsafe {
        proxy_get_header_map_value(map, name.as_ptr(), name.len(), data, size)
    })
}

/// Sets a header.
pub fn replace_header(map: u32, name: &[u8], value: &[u8]) -> Result<(), Status> {
    // SAFETY: both slices live through the call.
    Status::check(unsafe {
        proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// Adds a header.
pub fn add_header(map: u32, name: &[u8], value: &[u8]) -> Result<(), Status> {
    // SAFETY: both slices live through the call.
    Status::check(unsafe {
        proxy_add_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// Removes a header.
pub fn remove_header(map: u32, name: &[u8]) -> Result<(), Status> {
    // SAFETY: the slice lives through the call.
    Status::check(unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) })
}

/// Bytes of a buffer.
pub fn buffer(buffer: u32, start: usize, max: usize) -> Result<Vec<u8>, Status> {
    // SAFETY: both pointers are live locals of `bytes`.
    bytes(|data, size| unsafe { proxy_get_buffer_bytes(buffer, start, max, data, size) })
}

/// Replaces bytes of a buffer.
pub fn set_buffer(buffer: u32, start: usize, size: usize, with: &[u8]) -> Result<(), Status> {
    // SAFETY: the slice lives through the call.
    Status::check(unsafe { proxy_set_buffer_bytes(buffer, start, size, with.as_ptr(), with.len()) })
}

/// Replies in place of the upstream. `headers` is in wire form.
pub fn reply(
    status: u16,
    details: &[u8],
    body: &[u8],
    headers: &[u8],
    grpc_status: Option<u8>,
) -> Result<(), Status> {
    // SAFETY: the slices live through the call. -1: no gRPC status of our own.
    Status::check(unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status.map_or(-1, i32::from),
        )
    })
}

/// Lets a held side go on: 0 request, 1 response.
pub fn resume(side: u32) -> Result<(), Status> {
    // SAFETY: no pointers.
    Status::check(unsafe { proxy_continue_stream(side) })
}

/// Starts a callout. `headers` is in wire form.
pub fn http_call(
    upstream: &[u8],
    headers: &[u8],
    body: &[u8],
    timeout_ms: u32,
) -> Result<u32, Status> {
    let mut number = 0;
    let no_trailers = [0u8; 4];
    // SAFETY: the slices and `number` live through the call.
    Status::check(unsafe {
        proxy_http_call(
            upstream.as_ptr(),
            upstream.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            no_trailers.as_ptr(),
            no_trailers.len(),
            timeout_ms,
            &mut number,
        )
    })
    .map(|()| number)
}

/// A property; `path` is joined by NUL.
pub fn property(path: &[u8]) -> Result<Vec<u8>, Status> {
    // SAFETY: `path` lives through the call; the other pointers are live locals of `bytes`.
    bytes(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Sets a property.
pub fn set_property(path: &[u8], value: &[u8]) -> Result<(), Status> {
    // SAFETY: both slices live through the call.
    Status::check(unsafe {
        proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len())
    })
}

/// A shared value and its number.
pub fn shared(key: &[u8]) -> Result<(Vec<u8>, u32), Status> {
    let mut cas = 0;
    // SAFETY: `key` and `cas` live through the call; the other pointers are live locals of `bytes`.
    let value = bytes(|data, size| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &mut cas)
    })?;
    Ok((value, cas))
}

/// Writes a shared value.
pub fn set_shared(key: &[u8], value: &[u8], cas: u32) -> Result<(), Status> {
    // SAFETY: both slices live through the call.
    Status::check(unsafe {
        proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas)
    })
}

/// Defines a metric.
pub fn define_metric(kind: u32, name: &[u8]) -> Result<u32, Status> {
    let mut number = 0;
    // SAFETY: `name` and `number` live through the call.
    Status::check(unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &mut number) })
        .map(|()| number)
}

/// Adds to a metric.
pub fn increment_metric(number: u32, by: i64) -> Result<(), Status> {
    // SAFETY: no pointers.
    Status::check(unsafe { proxy_increment_metric(number, by) })
}

/// Records a value.
pub fn record_metric(number: u32, value: u64) -> Result<(), Status> {
    // SAFETY: no pointers.
    Status::check(unsafe { proxy_record_metric(number, value) })
}

/// Writes a log line; a host that does not take it loses it.
pub fn log(level: u32, line: &[u8]) {
    // SAFETY: the slice lives through the call.
    let _ = unsafe { proxy_log(level, line.as_ptr(), line.len()) };
}

/// Calls a foreign function.
pub fn foreign(name: &[u8], argument: &[u8]) -> Result<Vec<u8>, Status> {
    // SAFETY: both slices live through the call; the other pointers are live locals of `bytes`.
    bytes(|data, size| unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            argument.as_ptr(),
            argument.len(),
            data,
            size,
        )
    })
}

/// Asks for ticks.
pub fn set_tick(period_ms: u32) -> Result<(), Status> {
    // SAFETY: no pointers.
    Status::check(unsafe { proxy_set_tick_period_milliseconds(period_ms) })
}

/// Makes another context the current one.
pub fn focus(context: u32) -> Result<(), Status> {
    // SAFETY: no pointers.
    Status::check(unsafe { proxy_set_effective_context(context) })
}
