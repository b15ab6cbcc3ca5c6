//! Copies `user-agent` to `x-out` on bare proxy-wasm host calls, exporting the callbacks that
//! `bench-kit` exports: what a filter costs when nothing stands between it and the host. It counts
//! what it let pass, as every filter on the kit does.
#![cfg(target_arch = "wasm32")]
#![allow(missing_docs, clippy::missing_safety_doc)]

use std::cell::Cell;
use std::collections::BTreeSet;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, number: *mut u32) -> u32;
    fn proxy_increment_metric(number: u32, by: i64) -> u32;
}
unsafe extern "C" {
    fn __wasm_call_ctors();
}

thread_local! {
    static ALLOWED: Cell<u32> = const { Cell::new(0) };
    static LIVE: std::cell::RefCell<BTreeSet<u32>> = const { std::cell::RefCell::new(BTreeSet::new()) };
}

#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    unsafe { __wasm_call_ctors() }
}
#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_1() {}
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    let mut memory = Vec::<u8>::with_capacity(size.max(1));
    let data = memory.as_mut_ptr();
    std::mem::forget(memory);
    data
}
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_vm_start(_: u32, _: usize) -> u32 {
    1
}
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_configure(_: u32, _: usize) -> u32 {
    let name = b"modelgate.bench_bare.allowed";
    let mut number = 0;
    unsafe { proxy_define_metric(0, name.as_ptr(), name.len(), &mut number) };
    ALLOWED.set(number);
    1
}
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    if root != 0 {
        LIVE.with_borrow_mut(|live| live.insert(context));
    }
}
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_delete(context: u32) {
    LIVE.with_borrow_mut(|live| live.remove(&context));
}
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_headers(_: u32, _: u32, _: u32) -> u32 {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    unsafe { proxy_get_header_map_pairs(0, &mut data, &mut size) };
    if data.is_null() {
        return 1;
    }
    let block = unsafe { Vec::from_raw_parts(data, size, size) };
    let word =
        |at: usize| u32::from_le_bytes(block[at..at + 4].try_into().unwrap_or_default()) as usize;
    let count = word(0);
    let mut at = 4 + 8 * count;
    for pair in 0..count {
        let (name, value) = (word(4 + 8 * pair), word(8 + 8 * pair));
        if &block[at..at + name] == b"user-agent" {
            let from = at + name + 1;
            unsafe {
                proxy_replace_header_map_value(
                    0,
                    b"x-out".as_ptr(),
                    5,
                    block[from..].as_ptr(),
                    value,
                )
            };
            break;
        }
        at += name + value + 2;
    }
    unsafe { proxy_increment_metric(ALLOWED.get(), 1) };
    0
}
