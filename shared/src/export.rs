//! What a filter's crate exports when it is compiled to a module; nothing elsewhere.
//!
//! The macros stand apart from `guest`, because a filter's crate names them on every target.

/// Exports a filter as a proxy-wasm module: the callbacks that every module has, and those that are
/// named. What is named must be what the filter's `NEEDS` says, which is checked when the module is
/// compiled: each callback costs the proxy about half a microsecond per request whether it does
/// anything or not. A crate whose filter also stands in a bundle calls it behind its feature
/// `module`, because one module can have each callback only once.
///
/// ```ignore
/// #[cfg(feature = "module")]
/// modelgate_kit::export!(JwtAuth: request_body, answers, tick);
/// ```
#[macro_export]
macro_rules! export {
    ($filter:ty $(: $($callback:ident),+)?) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[allow(clippy::needless_update)]
            const NAMED: $crate::filter::Callbacks = $crate::filter::Callbacks {
                $($($callback: true,)+)?
                ..$crate::filter::Callbacks::NONE
            };
            const NEEDED: $crate::filter::Callbacks = $crate::filter::Callbacks::of(&<$filter as $crate::filter::Filter>::NEEDS);
            assert!(NAMED.are(NEEDED), "the callbacks named in export! are not those of NEEDS");
            $crate::export_module!(install &[$crate::filter::Registration::of::<$filter>()]; $($($callback)+)?);
        };
    };
}

/// The start and the callbacks of a module; see [`export!`](crate::export) and
/// [`suite!`](crate::suite!).
#[macro_export]
#[doc(hidden)]
macro_rules! export_module {
    ($install:ident $filters:expr; $($callback:ident)*) => {
        const REGISTERED: &[$crate::filter::Registration] = $filters;
        #[unsafe(no_mangle)]
        pub extern "C" fn _initialize() {
            $crate::guest::abi::initialize();
            $crate::guest::adapter::$install(REGISTERED);
        }
        $crate::export_section!("version", env!("CARGO_PKG_VERSION"));
        $crate::export_section!("licenses", env!("CARGO_PKG_LICENSE"));
        $crate::export_section!("modelgate.version", $crate::manifest::VERSION);
        const _: () = {
            #[used]
            #[unsafe(link_section = "modelgate.filters")]
            static SECTION: [u8; $crate::manifest::length(REGISTERED)] = $crate::manifest::filters(REGISTERED);
        };
        $crate::export_callback!(always);
        $($crate::export_callback!($callback);)*
    };
}

/// A custom section with a text; see [`crate::manifest`].
#[macro_export]
#[doc(hidden)]
macro_rules! export_section {
    ($name:literal, $text:expr) => {
        const _: () = {
            const TEXT: &str = $text;
            #[used]
            #[unsafe(link_section = $name)]
            static SECTION: [u8; TEXT.len()] = $crate::manifest::bytes(TEXT);
        };
    };
}

/// One exported callback; see [`export!`](crate::export).
#[macro_export]
#[doc(hidden)]
macro_rules! export_callback {
    (always) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_abi_version_0_2_1() {}
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
            $crate::guest::abi::allocate(size)
        }
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_vm_start(_: u32, _: usize) -> u32 {
            1
        }
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_configure(context: u32, size: usize) -> u32 {
            $crate::guest::adapter::configure(context, size)
        }
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_context_create(context: u32, root: u32) {
            $crate::guest::adapter::create(context, root)
        }
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_delete(context: u32) {
            $crate::guest::adapter::delete(context)
        }
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_request_headers(context: u32, _: u32, last: u32) -> u32 {
            $crate::guest::adapter::headers(context, $crate::host::Side::Request, last)
        }
    };
    (request_body) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_request_body(context: u32, size: usize, last: u32) -> u32 {
            $crate::guest::adapter::body(context, $crate::host::Side::Request, size, last)
        }
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_request_trailers(context: u32, _: u32) -> u32 {
            $crate::guest::adapter::trailers(context, $crate::host::Side::Request)
        }
    };
    (request_trailers) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_request_trailers(context: u32, _: u32) -> u32 {
            $crate::guest::adapter::trailers(context, $crate::host::Side::Request)
        }
    };
    (response_headers) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_response_headers(context: u32, _: u32, last: u32) -> u32 {
            $crate::guest::adapter::headers(context, $crate::host::Side::Response, last)
        }
    };
    (response_body) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_response_body(context: u32, size: usize, last: u32) -> u32 {
            $crate::guest::adapter::body(context, $crate::host::Side::Response, size, last)
        }
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_response_trailers(context: u32, _: u32) -> u32 {
            $crate::guest::adapter::trailers(context, $crate::host::Side::Response)
        }
    };
    (response_trailers) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_response_trailers(context: u32, _: u32) -> u32 {
            $crate::guest::adapter::trailers(context, $crate::host::Side::Response)
        }
    };
    (answers) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_http_call_response(
            context: u32,
            number: u32,
            headers: u32,
            body_size: usize,
            _: u32,
        ) {
            $crate::guest::adapter::answer(context, number, headers, body_size)
        }
    };
    (tick) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_tick(context: u32) {
            $crate::guest::adapter::tick(context)
        }
    };
    (end) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_log(context: u32) {
            $crate::guest::adapter::end(context)
        }
    };
}
