//! Host profiles: what one proxy does where others do something else, as data.
//!
//! The proxy's code reads these switches; it never asks which host it plays. A new host is a new
//! constant here.

use std::time::Duration;

/// The rules of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name in reports.
    pub name: &'static str,
    /// `Pause` from a headers callback stops the headers alone; body callbacks still run. Otherwise
    /// everything stops (Envoy's option of this name, which each filter may also set for itself).
    pub allow_on_headers_stop_iteration: bool,
    /// Every VM runs `on_vm_start` and `on_configure` in a template instance and on the main thread
    /// too, and the main thread ticks.
    pub main_thread: bool,
    /// `on_log` comes before `on_done`; the ABI's own text has it the other way round.
    pub log_before_done: bool,
    /// On HTTP/1.1 the end of a body comes as an empty frame of its own.
    pub end_stream_as_own_frame: bool,
    /// Headers whose repeated values arrive as one, joined by a comma.
    pub joined_headers: &'static [&'static str],
    /// A request without `x-request-id` is given one, and `x-forwarded-proto`; an answer,
    /// `x-envoy-upstream-service-time`.
    pub adds_headers: bool,
    /// Headers that say how a message is framed and what becomes of its connection belong to one
    /// connection: filters see none of them in a request that asks for no upgrade, and the proxy
    /// writes its own (Envoy, `ConnectionManagerUtility::mutateRequestHeaders`).
    pub strips_connection_headers: bool,
    /// A request header that a filter removes is hidden from the filters and sent upstream all the
    /// same, with the value that it had then (nginx with ngx_wasm_module, so Kong 3.9, does that).
    pub forwards_removed_headers: bool,
    /// More request headers than this are answered 431 before any filter runs.
    pub max_request_headers: usize,
    /// Bytes of one body that may be held back.
    pub buffer_limit_bytes: usize,
    /// How long a route waits for the upstream's answer once the request is complete, unless it
    /// says otherwise.
    pub route_timeout: Duration,
    /// After a reload, the next trap is not answered by another reload for so long.
    pub reload_backoff: Duration,
}

/// Headers that Envoy keeps by number, so that repeated ones become one (measured on 1.40.0,
/// HTTP/1.1).
const ENVOY_JOINED: &[&str] = &[
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "content-type",
    "expect",
    "grpc-timeout",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "origin",
    "pragma",
    "referer",
    "user-agent",
    "via",
    "x-client-trace-id",
    "x-envoy-external-address",
    "x-envoy-original-path",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

/// Envoy with its default settings (1.36 to 1.40 agree).
pub const ENVOY: Profile = Profile {
    name: "envoy",
    allow_on_headers_stop_iteration: false,
    main_thread: true,
    log_before_done: true,
    end_stream_as_own_frame: true,
    joined_headers: ENVOY_JOINED,
    adds_headers: true,
    strips_connection_headers: true,
    forwards_removed_headers: false,
    max_request_headers: 100,
    buffer_limit_bytes: 1 << 20,
    route_timeout: Duration::from_secs(15),
    reload_backoff: Duration::from_secs(1),
};

/// Envoy with `allow_on_headers_stop_iteration: true` on every filter.
pub const ENVOY_STOP_ITERATION: Profile = Profile {
    name: "envoy_stop_iteration",
    allow_on_headers_stop_iteration: true,
    ..ENVOY
};
