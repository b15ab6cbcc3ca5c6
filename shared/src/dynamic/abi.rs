//! Envoy's interface for dynamic modules, as far as it is used here: types, numbers and functions
//! of Envoy 1.38 to 1.40 (`source/extensions/dynamic_modules/abi/abi.h`).
//!
//! The functions are looked up by name when the module is loaded, so that a module for several
//! releases needs none of them at link time: Rust links shared libraries with `BIND_NOW`, and one
//! missing symbol would keep Envoy from loading it.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};

/// A pointer to an object that the other side owns and this side does not look into.
pub type Ptr = *mut c_void;

/// Bytes of either side, passed by value.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Buf {
    /// Where they begin; null for none at all.
    pub ptr: *const u8,
    /// How many.
    pub len: usize,
}

impl Buf {
    /// No bytes. As the value of a header it removes the header.
    pub const NULL: Self = Self {
        ptr: std::ptr::null(),
        len: 0,
    };

    /// These bytes, never as a null pointer, even if there are none.
    pub const fn of(bytes: &[u8]) -> Self {
        Self {
            ptr: bytes.as_ptr(),
            len: bytes.len(),
        }
    }

    /// The bytes.
    ///
    /// # Safety
    /// They must be readable, and stay so while the result is used. Envoy's are until the hook
    /// returns or something is written.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() {
            return &[];
        }
        // SAFETY: not null, and readable as the caller says.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

/// A header: name and value.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Where the name begins.
    pub name: *const u8,
    /// Its length.
    pub name_len: usize,
    /// Where the value begins.
    pub value: *const u8,
    /// Its length.
    pub value_len: usize,
}

impl Pair {
    /// A place for one that Envoy writes.
    pub const NONE: Self = Self {
        name: std::ptr::null(),
        name_len: 0,
        value: std::ptr::null(),
        value_len: 0,
    };

    /// This header.
    pub const fn of(name: &[u8], value: &[u8]) -> Self {
        Self {
            name: name.as_ptr(),
            name_len: name.len(),
            value: value.as_ptr(),
            value_len: value.len(),
        }
    }

    /// Name and value.
    ///
    /// # Safety
    /// As [`Buf::bytes`].
    pub unsafe fn bytes<'a>(self) -> (&'a [u8], &'a [u8]) {
        let name = Buf {
            ptr: self.name,
            len: self.name_len,
        };
        let value = Buf {
            ptr: self.value,
            len: self.value_len,
        };
        // SAFETY: as the caller says.
        unsafe { (name.bytes(), value.bytes()) }
    }
}

/// What a hook of a message tells Envoy: 0 in every enumeration of statuses.
pub const CONTINUE: u32 = 0;
/// Headers and trailers wait here; bytes of a body are kept, and the hooks of what follows are
/// called: 1 in every enumeration of statuses.
pub const STOP: u32 = 1;

/// `envoy_dynamic_module_type_http_body_type`.
pub mod body {
    /// The part of the request's body that the running hook is about.
    pub const RECEIVED_REQUEST: u32 = 0;
    /// What was kept of the request's body.
    pub const BUFFERED_REQUEST: u32 = 1;
    /// The part of the response's body that the running hook is about.
    pub const RECEIVED_RESPONSE: u32 = 2;
    /// What was kept of the response's body.
    pub const BUFFERED_RESPONSE: u32 = 3;
}

/// `envoy_dynamic_module_type_attribute_id`, by position in the enumeration.
pub mod attribute {
    /// `response.code`: a number.
    pub const RESPONSE_CODE: u32 = 15;
    /// `response.code_details`: text.
    pub const RESPONSE_CODE_DETAILS: u32 = 16;
    /// `response.flags`: a number.
    pub const RESPONSE_FLAGS: u32 = 17;
    /// `response.size`: a number.
    pub const RESPONSE_SIZE: u32 = 21;
    /// `source.address`: text.
    pub const SOURCE_ADDRESS: u32 = 24;
    /// `request.size`: a number.
    pub const REQUEST_SIZE: u32 = 13;
    /// `upstream.address`: text.
    pub const UPSTREAM_ADDRESS: u32 = 41;
    /// `xds.route_name`: text.
    pub const ROUTE_NAME: u32 = 61;
}

/// `envoy_dynamic_module_type_metadata_source_Route`.
pub const ROUTE_METADATA: u32 = 1;

/// Declares the table, and how it is filled.
macro_rules! table {
    (required { $($name:ident = $symbol:literal ($($arg:ty),*) $(-> $ret:ty)?;)+ }
     optional { $($later:ident = $later_symbol:literal ($($later_arg:ty),*) $(-> $later_ret:ty)?;)+ }) => {
        /// Envoy's functions. Each is documented in `abi.h` under its symbol.
        #[derive(Clone, Copy)]
        #[allow(missing_docs)] // named as in abi.h
        pub struct Abi {
            $(pub $name: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)+
            $(pub $later: Option<unsafe extern "C" fn($($later_arg),*) $(-> $later_ret)?>,)+
        }

        impl Abi {
            /// Fills the table by what is found under each name.
            ///
            /// # Errors
            /// The first name that is not there, of those that every supported release has.
            ///
            /// # Safety
            /// What `find` gives must be Envoy's function of that name, or null.
            pub unsafe fn find(
                find: impl Fn(&'static CStr) -> Ptr,
            ) -> Result<Self, &'static CStr> {
                Ok(Self {
                    $($name: {
                        let found = find($symbol);
                        if found.is_null() {
                            return Err($symbol);
                        }
                        // SAFETY: not null, and the function of this name has this type.
                        unsafe {
                            std::mem::transmute::<
                                Ptr,
                                unsafe extern "C" fn($($arg),*) $(-> $ret)?,
                            >(found)
                        }
                    },)+
                    $($later: {
                        let found = find($later_symbol);
                        // SAFETY: as above.
                        (!found.is_null()).then(|| unsafe {
                            std::mem::transmute::<
                                Ptr,
                                unsafe extern "C" fn($($later_arg),*) $(-> $later_ret)?,
                            >(found)
                        })
                    },)+
                })
            }
        }
    };
}

/// Adds to a counter, sets a gauge or adds a sample: object, number of the metric, values of its
/// labels and how many, value. Gives 0 where it is done.
pub type Measure = unsafe extern "C" fn(Ptr, usize, *const Buf, usize, u64) -> u32;

table! {
    required {
        log = c"envoy_dynamic_module_callback_log"(u32, Buf);
        get_headers_size = c"envoy_dynamic_module_callback_http_get_headers_size"(Ptr, u32) -> usize;
        get_headers = c"envoy_dynamic_module_callback_http_get_headers"(Ptr, u32, *mut Pair) -> bool;
        set_header = c"envoy_dynamic_module_callback_http_set_header"(Ptr, u32, Buf, Buf) -> bool;
        add_header = c"envoy_dynamic_module_callback_http_add_header"(Ptr, u32, Buf, Buf) -> bool;
        get_body_size = c"envoy_dynamic_module_callback_http_get_body_size"(Ptr, u32) -> usize;
        get_body_chunks_size =
            c"envoy_dynamic_module_callback_http_get_body_chunks_size"(Ptr, u32) -> usize;
        get_body_chunks =
            c"envoy_dynamic_module_callback_http_get_body_chunks"(Ptr, u32, *mut Buf) -> bool;
        append_body = c"envoy_dynamic_module_callback_http_append_body"(Ptr, u32, Buf) -> bool;
        drain_body = c"envoy_dynamic_module_callback_http_drain_body"(Ptr, u32, usize) -> bool;
        received_buffered_request =
            c"envoy_dynamic_module_callback_http_received_buffered_request_body"(Ptr) -> bool;
        received_buffered_response =
            c"envoy_dynamic_module_callback_http_received_buffered_response_body"(Ptr) -> bool;
        send_response = c"envoy_dynamic_module_callback_http_send_response"(
            Ptr, u32, *const Pair, usize, Buf, Buf
        );
        continue_decoding = c"envoy_dynamic_module_callback_http_filter_continue_decoding"(Ptr);
        continue_encoding = c"envoy_dynamic_module_callback_http_filter_continue_encoding"(Ptr);
        get_attribute_string =
            c"envoy_dynamic_module_callback_http_filter_get_attribute_string"(
                Ptr, u32, *mut Buf
            ) -> bool;
        get_attribute_int =
            c"envoy_dynamic_module_callback_http_filter_get_attribute_int"(
                Ptr, u32, *mut u64
            ) -> bool;
        get_metadata_string = c"envoy_dynamic_module_callback_http_get_metadata_string"(
            Ptr, u32, Buf, Buf, *mut Buf
        ) -> bool;
        set_filter_state =
            c"envoy_dynamic_module_callback_http_set_filter_state_bytes"(Ptr, Buf, Buf) -> bool;
        get_filter_state =
            c"envoy_dynamic_module_callback_http_get_filter_state_bytes"(
                Ptr, Buf, *mut Buf
            ) -> bool;
        get_route_config =
            c"envoy_dynamic_module_callback_get_most_specific_route_config"(Ptr) -> *const c_void;
        clear_route_cache = c"envoy_dynamic_module_callback_http_clear_route_cache"(Ptr);
        http_callout = c"envoy_dynamic_module_callback_http_filter_http_callout"(
            Ptr, *mut u64, Buf, *const Pair, usize, Buf, u64
        ) -> u32;
        config_http_callout = c"envoy_dynamic_module_callback_http_filter_config_http_callout"(
            Ptr, *mut u64, Buf, *const Pair, usize, Buf, u64
        ) -> u32;
        scheduler_new = c"envoy_dynamic_module_callback_http_filter_scheduler_new"(Ptr) -> Ptr;
        scheduler_commit =
            c"envoy_dynamic_module_callback_http_filter_scheduler_commit"(Ptr, u64);
        scheduler_delete = c"envoy_dynamic_module_callback_http_filter_scheduler_delete"(Ptr);
        config_scheduler_new =
            c"envoy_dynamic_module_callback_http_filter_config_scheduler_new"(Ptr) -> Ptr;
        config_scheduler_commit =
            c"envoy_dynamic_module_callback_http_filter_config_scheduler_commit"(Ptr, u64);
        config_scheduler_delete =
            c"envoy_dynamic_module_callback_http_filter_config_scheduler_delete"(Ptr);
        define_counter = c"envoy_dynamic_module_callback_http_filter_config_define_counter"(
            Ptr, Buf, *const Buf, usize, *mut usize
        ) -> u32;
        define_gauge = c"envoy_dynamic_module_callback_http_filter_config_define_gauge"(
            Ptr, Buf, *const Buf, usize, *mut usize
        ) -> u32;
        define_histogram = c"envoy_dynamic_module_callback_http_filter_config_define_histogram"(
            Ptr, Buf, *const Buf, usize, *mut usize
        ) -> u32;
        increment_counter = c"envoy_dynamic_module_callback_http_filter_increment_counter"(
            Ptr, usize, *const Buf, usize, u64
        ) -> u32;
        set_gauge = c"envoy_dynamic_module_callback_http_filter_set_gauge"(
            Ptr, usize, *const Buf, usize, u64
        ) -> u32;
        record_histogram =
            c"envoy_dynamic_module_callback_http_filter_record_histogram_value"(
                Ptr, usize, *const Buf, usize, u64
            ) -> u32;
        metadata_keys_count = c"envoy_dynamic_module_callback_http_get_metadata_keys_count"(
            Ptr, u32, Buf
        ) -> usize;
        metadata_keys = c"envoy_dynamic_module_callback_http_get_metadata_keys"(
            Ptr, u32, Buf, *mut Buf
        ) -> bool;
        is_validation_mode = c"envoy_dynamic_module_callback_is_validation_mode"() -> bool;
    }
    optional {
        // Envoy 1.39 and later: without an exchange at hand.
        config_increment_counter =
            c"envoy_dynamic_module_callback_http_filter_config_increment_counter"(
                Ptr, usize, *const Buf, usize, u64
            ) -> u32;
        config_set_gauge = c"envoy_dynamic_module_callback_http_filter_config_set_gauge"(
            Ptr, usize, *const Buf, usize, u64
        ) -> u32;
        config_record_histogram =
            c"envoy_dynamic_module_callback_http_filter_config_record_histogram_value"(
                Ptr, usize, *const Buf, usize, u64
            ) -> u32;
        // Envoy 1.40 and later; only looked for, to tell the release.
        timing_info = c"envoy_dynamic_module_callback_http_get_timing_info"();
    }
}

/// The table of the process that has loaded this module.
///
/// # Errors
/// See [`Abi::find`].
pub fn loaded() -> Result<Abi, &'static CStr> {
    unsafe extern "C" {
        fn dlsym(handle: Ptr, name: *const c_char) -> Ptr;
    }
    // RTLD_DEFAULT: every library of the process, in the order of loading.
    let everywhere: isize = if cfg!(target_vendor = "apple") { -2 } else { 0 };
    let everywhere = std::ptr::without_provenance_mut(everywhere.cast_unsigned());
    // SAFETY: the handle is RTLD_DEFAULT, and the name ends with a null byte. Only Envoy defines
    // functions of these names.
    unsafe { Abi::find(|name| dlsym(everywhere, name.as_ptr())) }
}
