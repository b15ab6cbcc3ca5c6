//! What the crate of the dynamic module exports.
//!
//! The hooks stand in that crate itself: a shared library does not export symbols of what it
//! depends on.

/// Exports the hooks of an Envoy dynamic module with the filters of a suite: a list of
/// [`Member`](crate::suite::Member)s. A `filter_name` is the name of one of them, or
/// [`CHAIN`](crate::vm::CHAIN).
///
/// ```ignore
/// modelgate_kit::export_dynamic_module!(modelgate::FILTERS);
/// ```
#[macro_export]
macro_rules! export_dynamic_module {
    ($filters:expr) => {
        use ::std::ffi::{c_char, c_void};
        use $crate::dynamic::abi::{Buf, Pair, Ptr, STOP};
        use $crate::dynamic::hooks::{self, RawAnswer};
        use $crate::host::Side;
        use $crate::vm::Part;

        #[unsafe(no_mangle)]
        extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
            hooks::program_init()
        }

        $crate::export_hook! { ::std::ptr::null() => |hooks|
            fn envoy_dynamic_module_on_http_filter_config_new(config: Ptr, name: Buf, text: Buf)
                -> *const c_void { hooks.config_new($filters, config, name, text) }
        }
        $crate::export_hook! { () => |hooks|
            fn envoy_dynamic_module_on_http_filter_config_destroy(entry: *const c_void)
                -> () { hooks.config_destroy(entry) }
        }
        $crate::export_hook! { () => |hooks|
            fn envoy_dynamic_module_on_http_filter_config_scheduled(
                _config: Ptr, entry: *const c_void, _event: u64
            ) -> () { hooks.config_scheduled(entry) }
        }
        $crate::export_hook! { () => |hooks|
            fn envoy_dynamic_module_on_http_filter_config_http_callout_done(
                _config: Ptr, entry: *const c_void, id: u64, result: u32,
                headers: *const Pair, header_count: usize,
                chunks: *const Buf, chunk_count: usize
            ) -> () {
                hooks.config_answer(
                    entry,
                    id,
                    RawAnswer { result, headers, header_count, chunks, chunk_count },
                )
            }
        }
        $crate::export_hook! { ::std::ptr::null() => |hooks|
            fn envoy_dynamic_module_on_http_filter_per_route_config_new(_name: Buf, text: Buf)
                -> *const c_void { hooks.route_config_new($filters, text) }
        }
        $crate::export_hook! { () => |hooks|
            fn envoy_dynamic_module_on_http_filter_per_route_config_destroy(config: *const c_void)
                -> () { hooks.route_config_destroy(config) }
        }
        $crate::export_hook! { ::std::ptr::null() => |hooks|
            fn envoy_dynamic_module_on_http_filter_new(entry: *const c_void, filter: Ptr)
                -> *const c_void { hooks.filter_new(entry, filter) }
        }
        $crate::export_hook! { STOP => |hooks|
            fn envoy_dynamic_module_on_http_filter_request_headers(
                filter: Ptr, exchange: *const c_void, last: bool
            ) -> u32 { hooks.message(filter, exchange, Side::Request, Part::Headers(last)) }
        }
        $crate::export_hook! { STOP => |hooks|
            fn envoy_dynamic_module_on_http_filter_request_body(
                filter: Ptr, exchange: *const c_void, last: bool
            ) -> u32 { hooks.message(filter, exchange, Side::Request, Part::Body(0, last)) }
        }
        $crate::export_hook! { STOP => |hooks|
            fn envoy_dynamic_module_on_http_filter_request_trailers(
                filter: Ptr, exchange: *const c_void
            ) -> u32 { hooks.message(filter, exchange, Side::Request, Part::Trailers) }
        }
        $crate::export_hook! { STOP => |hooks|
            fn envoy_dynamic_module_on_http_filter_response_headers(
                filter: Ptr, exchange: *const c_void, last: bool
            ) -> u32 { hooks.message(filter, exchange, Side::Response, Part::Headers(last)) }
        }
        $crate::export_hook! { STOP => |hooks|
            fn envoy_dynamic_module_on_http_filter_response_body(
                filter: Ptr, exchange: *const c_void, last: bool
            ) -> u32 { hooks.message(filter, exchange, Side::Response, Part::Body(0, last)) }
        }
        $crate::export_hook! { STOP => |hooks|
            fn envoy_dynamic_module_on_http_filter_response_trailers(
                filter: Ptr, exchange: *const c_void
            ) -> u32 { hooks.message(filter, exchange, Side::Response, Part::Trailers) }
        }
        $crate::export_hook! { () => |hooks|
            fn envoy_dynamic_module_on_http_filter_http_callout_done(
                filter: Ptr, exchange: *const c_void, id: u64, result: u32,
                headers: *const Pair, header_count: usize,
                chunks: *const Buf, chunk_count: usize
            ) -> () {
                hooks.answer(
                    filter,
                    exchange,
                    id,
                    RawAnswer { result, headers, header_count, chunks, chunk_count },
                )
            }
        }
        $crate::export_hook! { () => |hooks|
            fn envoy_dynamic_module_on_http_filter_scheduled(
                filter: Ptr, exchange: *const c_void, _event: u64
            ) -> () { hooks.scheduled(filter, exchange) }
        }
        $crate::export_hook! { () => |hooks|
            fn envoy_dynamic_module_on_http_filter_stream_complete(
                filter: Ptr, exchange: *const c_void
            ) -> () { hooks.complete(filter, exchange) }
        }
        $crate::export_hook! { () => |hooks|
            fn envoy_dynamic_module_on_http_filter_destroy(exchange: *const c_void)
                -> () { hooks.destroy(exchange) }
        }

        // Envoy wants these, and nothing here asks for what they tell.
        $crate::export_hook! { () => |_hooks|
            fn envoy_dynamic_module_on_http_filter_http_stream_headers(
                _f: Ptr, _e: *const c_void, _id: u64, _h: *const Pair, _n: usize, _last: bool
            ) -> () {}
        }
        $crate::export_hook! { () => |_hooks|
            fn envoy_dynamic_module_on_http_filter_http_stream_data(
                _f: Ptr, _e: *const c_void, _id: u64, _d: *const Buf, _n: usize, _last: bool
            ) -> () {}
        }
        $crate::export_hook! { () => |_hooks|
            fn envoy_dynamic_module_on_http_filter_http_stream_trailers(
                _f: Ptr, _e: *const c_void, _id: u64, _t: *const Pair, _n: usize
            ) -> () {}
        }
        $crate::export_hook! { () => |_hooks|
            fn envoy_dynamic_module_on_http_filter_http_stream_complete(
                _f: Ptr, _e: *const c_void, _id: u64
            ) -> () {}
        }
        $crate::export_hook! { () => |_hooks|
            fn envoy_dynamic_module_on_http_filter_http_stream_reset(
                _f: Ptr, _e: *const c_void, _id: u64, _why: u32
            ) -> () {}
        }
        $crate::export_hook! { () => |_hooks|
            fn envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(
                _f: Ptr, _e: *const c_void
            ) -> () {}
        }
        $crate::export_hook! { () => |_hooks|
            fn envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(
                _f: Ptr, _e: *const c_void
            ) -> () {}
        }
    };
}

/// One exported hook; see [`export_dynamic_module!`](crate::export_dynamic_module).
#[macro_export]
#[doc(hidden)]
macro_rules! export_hook {
    ($otherwise:expr => |$hooks:ident|
     fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty { $($call:expr)? }) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $kind),*) -> $result {
            let Some($hooks) = hooks::loaded() else {
                return $otherwise;
            };
            $(
                // SAFETY: Envoy calls this hook, with what the interface says.
                #[allow(unused_unsafe)] // not every hook looks behind its pointers
                unsafe {
                    $call
                }
            )?
        }
    };
}
