//! Host profiles: what one proxy does where others do something else, as data.
//!
//! The proxy's code reads these switches; it never asks which host it plays. A new host is a new
//! constant here.

mod nginx;

use std::time::Duration;

pub use nginx::{KONG, NGINX, NGINX_BARE};

/// The rules of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name in reports.
    pub name: &'static str,
    /// `Pause` from a headers callback stops the headers alone; body callbacks still run. Otherwise
    /// everything stops (Envoy's option of this name, which each filter may also set for itself).
    pub allow_on_headers_stop_iteration: bool,
    /// A filter may set that for itself.
    pub filters_choose_stop_iteration: bool,
    /// Responses pass the filters in the order of requests; otherwise backwards.
    pub responses_in_request_order: bool,
    /// A filter is shown the response to a request that it was not shown, in a context made then.
    pub shows_every_response: bool,
    /// Host calls act on the context whose callback runs; choosing another one does nothing and
    /// says that it did. In the answer to a callout that is the exchange that has asked.
    pub contexts_are_fixed: bool,
    /// A chain may have filters that are the proxy's own, as Envoy's.
    pub has_own_filters: bool,
    /// What becomes of a plugin that refuses its configuration when the proxy starts.
    pub refused_plugin: RefusedPlugin,
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
    /// A request header that a filter removes is hidden from lists and sent upstream all the same,
    /// in its place and with the value that it had then (nginx with ngx_wasm_module does that).
    pub forwards_removed_headers: bool,
    /// More request headers than this are answered 431 before any filter runs.
    pub max_request_headers: usize,
    /// What a client gets where the upstream does not listen, or goes away before it answers.
    pub failed_upstream_status: u16,
    /// Bytes of one body that may be held back.
    pub buffer_limit_bytes: usize,
    /// How long a route waits for the upstream's answer once the request is complete, unless it
    /// says otherwise.
    pub route_timeout: Duration,
    /// After a reload, the next trap is not answered by another reload for so long.
    pub reload_backoff: Duration,
    /// A VM that replaces a lost one runs `on_vm_start` before `on_configure`.
    pub reload_starts_vm: bool,
    /// A filter that is given another configuration is so in new workers, which begin with nothing
    /// of what the old ones have in memory. The old ones finish what they have begun, and are told
    /// nothing any more: no ticks, and no end of their root contexts.
    pub reload_begins_workers: bool,
    /// Exports that this host never calls.
    pub missing_callbacks: &'static [&'static str],
    /// Exports that this host calls without looking whether the module has them: without one the
    /// worker crashes.
    pub needed_callbacks: &'static [&'static str],
    /// Imports with which a module cannot be loaded.
    pub refused_imports: &'static [&'static str],
    /// Headers callbacks say whether the message ends with its headers; otherwise they always say
    /// that it does not.
    pub end_in_headers_callbacks: bool,
    /// The clock moves in steps of this.
    pub clock_step: Duration,
    /// A log line is cut to this many bytes.
    pub max_log_line: Option<usize>,
    /// What differs with headers.
    pub headers: HeaderRules,
    /// What differs with bodies.
    pub bodies: BodyRules,
    /// What differs with callouts.
    pub callouts: CalloutRules,
    /// What differs with properties.
    pub properties: PropertyRules,
    /// What differs with shared data.
    pub shared_data: SharedDataRules,
    /// What happens to an exchange whose filter traps.
    pub traps: TrapRules,
    /// Host calls that trap instead of answering with a status.
    pub trapping_calls: TrappingCalls,
    /// What ends the whole worker, and with it every exchange on it.
    pub crashes: Crashes,
}

/// What becomes of a plugin that refuses its configuration when the proxy starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedPlugin {
    /// The proxy does not start, and says why.
    StopsTheProxy,
    /// The workers do not start; what checks the configuration has not seen it.
    StopsTheWorkers,
    /// No plugin runs at all, and requests pass.
    OpensTheProxy,
}

/// Headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderRules {
    /// Setting a request header that is there several times replaces the first one only: the
    /// others are hidden from lists and sent all the same.
    pub set_replaces_first_only: bool,
    /// The most pairs that a list gives, pseudo-headers included; what is behind them is not shown.
    pub max_pairs: Option<usize>,
    /// Names are shown as they were sent; otherwise in lower case.
    pub names_as_sent: bool,
    /// `:path` is the path as the proxy has parsed it (unescaped, with its dots resolved and its
    /// slashes merged), and `:authority` its own name and port; what the client has sent is in
    /// `host` and the property `request.path`, and goes to the upstream. Setting `:authority` or
    /// `:scheme` does nothing; setting `:path` or `host` does not change what is sent.
    pub request_line_is_parsed: bool,
    /// Line breaks in a value that is set are escaped; otherwise no such message leaves.
    pub line_breaks_are_escaped: bool,
    /// Response headers can be added before there is a response; they are part of it then.
    pub response_can_be_added_to_early: bool,
    /// The request's headers can be read, and changed without effect, until the exchange is over.
    pub request_stays_in_reach: bool,
    /// Headers that say how a request is framed and what becomes of its connection are shown to
    /// filters; these go no further, since the proxy writes its own, but for an upgrade.
    pub written_anew: &'static [&'static str],
    /// A filter cannot stop the response's headers.
    pub response_cannot_be_stopped: bool,
}

/// Bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyRules {
    /// A request's body is shown once, as a whole, and not at all when it is empty. Until every
    /// filter has let it go, nothing is sent to the upstream.
    pub request_comes_whole: bool,
    /// A response's body arrives in pieces of at most so many bytes.
    pub max_response_piece: usize,
    /// Of a response that announces its length, the client takes so much for it: what is more is
    /// cut off, and of what is less the rest never comes.
    pub announced_length_binds: bool,
    /// The first pause of a response's body gathers at most so many bytes, and then shows the
    /// whole to the filter that paused; every other pause is ignored. `None`: each pause holds it.
    pub response_buffer: Option<usize>,
    /// A response's trailers are dropped; its body ends where they come.
    pub response_trailers_are_dropped: bool,
    /// Reading an empty buffer finds nothing.
    pub empty_is_not_found: bool,
    /// A request's body that is longer than this cannot be read.
    pub max_readable_request: Option<usize>,
    /// Reading a body starts at its first byte, whatever the filter asks for.
    pub start_is_ignored: bool,
    /// Setting a body cuts it at the offset and appends as many bytes as the size says at most;
    /// otherwise a body can be replaced as a whole, prepended and appended to.
    pub set_cuts_and_appends: bool,
    /// Data that comes after a filter has held data and was resumed outside of its callbacks joins
    /// what is held, of which there is no more: if the filter lets it go on, it is lost (Envoy
    /// before August 2026: `Context::decodeData` keeps `buffering_request_body_`, and
    /// `commonHandleAfterDataCallback` hands on the empty frame; envoyproxy/envoy#46841).
    pub loses_data_after_resume: bool,
}

/// Callouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalloutRules {
    /// A callout to a cluster that is not known fails as one that cannot connect does; otherwise
    /// the host call is refused.
    pub unknown_cluster_fails_later: bool,
    /// A callout that fails has no headers but `:dispatch_status`; otherwise the proxy makes an
    /// answer of its own, 503 or 504.
    pub failures_have_no_headers: bool,
    /// When the last callout of an exchange is over, its request continues, unless the filter has
    /// answered it.
    pub last_one_continues_the_request: bool,
    /// Callouts of an exchange that is over are given up, and of one that is answered.
    pub end_with_their_exchange: bool,
}

/// Properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropertyRules {
    /// Paths are nginx's variables and the attributes that are mapped to them, all of them text;
    /// what filters leave for each other begins with this word. `None`: Envoy's attributes, with
    /// numbers as bytes, and its filter state.
    pub namespace: Option<&'static str>,
}

/// Shared data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedDataRules {
    /// Number 0 creates a value and never replaces one, and no other number creates one; otherwise
    /// number 0 always writes, and any number creates.
    pub zero_only_creates: bool,
    /// Writing an empty value removes it, and its numbers start anew.
    pub empty_removes: bool,
    /// Keys with the same CRC-32 are the same key.
    pub keys_are_checksums: bool,
    /// All VMs share it, whatever their `vm_id`.
    pub common_to_all: bool,
    /// Where it is, and how much there is of it.
    pub zones: Zones,
}

/// Where shared data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zones {
    /// In one place, as much as is written.
    Unbounded,
    /// In zones that the operator names. The part of a key before its first `/` names its zone;
    /// where there is none of this name, it is in `*`, and where there is none of that, every call
    /// traps.
    Named(&'static [Zone]),
}

/// A zone of shared data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its name; `*` is the one of all keys that name no other.
    pub name: &'static str,
    /// Its size. When it is full, what was not used for the longest time goes first.
    pub bytes: usize,
}

/// What happens to an exchange whose filter traps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapRules {
    /// The status that the client gets.
    pub status: u16,
    /// A response goes to the client as it was before the filter.
    pub response_passes: bool,
    /// After a trap in the answer of a callout, the request continues.
    pub callout_continues: bool,
    /// Other exchanges of the instance that has trapped go on in the one that replaces it, in
    /// contexts that have seen nothing of them.
    pub others_begin_anew: bool,
}

/// Host calls that trap instead of answering with a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrappingCalls {
    /// A local response while the response is shown, or after it.
    pub local_response_in_response: bool,
    /// A change of the request's headers outside of the request's callbacks and the answers to its
    /// callouts.
    pub late_request_headers: bool,
    /// A foreign function, whatever its name.
    pub foreign_functions: bool,
    /// Shared queues.
    pub shared_queues: bool,
    /// Closing a stream, the status of a callout, gRPC, and the like.
    pub unimplemented: bool,
    /// The name of a metric that is longer.
    pub max_metric_name: Option<usize>,
    /// A second local response in one callback.
    pub second_local_response: bool,
    /// A callout from a response callback, or while the VM is configured.
    pub callout_outside_of_requests: bool,
    /// A tick period where one is set.
    pub second_tick_period: bool,
    /// Incrementing a gauge, recording a counter, reading a histogram.
    pub metric_of_another_kind: bool,
}

/// What crashes the worker: every exchange on it breaks off, and a new one begins with new VMs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crashes {
    /// A callout in a request's callback that does not pause then.
    pub callout_without_pause: bool,
    /// A callout from `on_log` and what follows it.
    pub callout_after_the_end: bool,
    /// A trap while another exchange on the worker waits for a callout.
    pub trap_while_another_waits: bool,
    /// Headers, a local response or resuming in a tick.
    pub message_in_tick: bool,
    /// Properties that need an exchange, and `plugin_name`, in a root context.
    pub property_without_exchange: bool,
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
    filters_choose_stop_iteration: true,
    responses_in_request_order: false,
    shows_every_response: false,
    contexts_are_fixed: false,
    has_own_filters: true,
    refused_plugin: RefusedPlugin::StopsTheProxy,
    main_thread: true,
    log_before_done: true,
    end_stream_as_own_frame: true,
    joined_headers: ENVOY_JOINED,
    adds_headers: true,
    strips_connection_headers: true,
    forwards_removed_headers: false,
    max_request_headers: 100,
    failed_upstream_status: 503,
    buffer_limit_bytes: 1 << 20,
    route_timeout: Duration::from_secs(15),
    reload_backoff: Duration::from_secs(1),
    reload_starts_vm: true,
    reload_begins_workers: false,
    missing_callbacks: &[],
    needed_callbacks: &[],
    refused_imports: &[],
    end_in_headers_callbacks: true,
    clock_step: Duration::from_nanos(1),
    max_log_line: None,
    headers: HeaderRules {
        set_replaces_first_only: false,
        max_pairs: None,
        names_as_sent: false,
        request_line_is_parsed: false,
        line_breaks_are_escaped: false,
        response_can_be_added_to_early: false,
        request_stays_in_reach: false,
        written_anew: &[],
        response_cannot_be_stopped: false,
    },
    bodies: BodyRules {
        request_comes_whole: false,
        max_response_piece: usize::MAX,
        announced_length_binds: false,
        response_buffer: None,
        response_trailers_are_dropped: false,
        empty_is_not_found: false,
        max_readable_request: None,
        start_is_ignored: false,
        set_cuts_and_appends: false,
        loses_data_after_resume: true,
    },
    callouts: CalloutRules {
        unknown_cluster_fails_later: false,
        failures_have_no_headers: false,
        last_one_continues_the_request: false,
        end_with_their_exchange: false,
    },
    properties: PropertyRules { namespace: None },
    shared_data: SharedDataRules {
        zero_only_creates: false,
        empty_removes: false,
        keys_are_checksums: false,
        common_to_all: false,
        zones: Zones::Unbounded,
    },
    traps: TrapRules {
        status: 503,
        response_passes: false,
        callout_continues: false,
        others_begin_anew: false,
    },
    trapping_calls: TrappingCalls {
        local_response_in_response: false,
        late_request_headers: false,
        foreign_functions: false,
        shared_queues: false,
        unimplemented: false,
        max_metric_name: None,
        second_local_response: false,
        callout_outside_of_requests: false,
        second_tick_period: false,
        metric_of_another_kind: false,
    },
    crashes: Crashes {
        callout_without_pause: false,
        callout_after_the_end: false,
        trap_while_another_waits: false,
        message_in_tick: false,
        property_without_exchange: false,
    },
};

/// Every profile but [`ENVOY`], which is what is played unless another one is named.
const OTHERS: [Profile; 4] = [ENVOY_STOP_ITERATION, NGINX, NGINX_BARE, KONG];

impl Profile {
    /// The profile of a name.
    pub fn named(name: &str) -> Option<Self> {
        let mut others = OTHERS.into_iter().chain([ENVOY]);
        others.find(|profile| profile.name == name)
    }

    /// The names of all profiles but `envoy`.
    pub fn names() -> impl Iterator<Item = &'static str> {
        OTHERS.into_iter().map(|profile| profile.name)
    }
}

/// Envoy with `allow_on_headers_stop_iteration: true` on every filter.
pub const ENVOY_STOP_ITERATION: Profile = Profile {
    name: "envoy_stop_iteration",
    allow_on_headers_stop_iteration: true,
    ..ENVOY
};
