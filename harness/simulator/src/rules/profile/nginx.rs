//! nginx with ngx_wasm_module, at the commit that Kong 3.9 ships (9136e463, 2024-11), with one
//! worker and `shm_kv *`.
//!
//! Only what was measured there or read in its source, and what this proxy can play. Several rules
//! fail open where Envoy fails closed; that is what this profile is for. Not played: crashes of the
//! whole worker (a callout from request headers that continue at once, header maps in a tick,
//! properties while the plugin is configured), `:authority` and `:path` as nginx rewrites them,
//! names of headers as they were sent, more than 97 request headers, response bodies in buffers of
//! 8 KiB, and the effect of a request header that is changed after its callback.

use std::time::Duration;

use super::{
    BodyRules, CalloutRules, ENVOY, HeaderRules, Profile, PropertyRules, SharedDataRules,
    TrapRules, TrappingCalls,
};

/// nginx with ngx_wasm_module as in Kong 3.9.
pub const NGINX: Profile = Profile {
    name: "nginx",
    allow_on_headers_stop_iteration: false,
    main_thread: false,
    log_before_done: false,
    end_stream_as_own_frame: false,
    joined_headers: &[],
    adds_headers: false,
    strips_connection_headers: false,
    forwards_removed_headers: true,
    max_request_headers: usize::MAX,
    // `proxy_read_timeout`.
    route_timeout: Duration::from_secs(60),
    reload_backoff: Duration::ZERO,
    reload_starts_vm: false,
    missing_callbacks: &[
        "proxy_on_request_trailers",
        "proxy_on_response_trailers",
        "proxy_on_queue_ready",
    ],
    end_in_headers_callbacks: false,
    clock_step: Duration::from_millis(1),
    max_log_line: Some(2048),
    headers: HeaderRules {
        set_replaces_first_only: true,
        request_stays_in_reach: true,
        response_cannot_be_stopped: true,
    },
    bodies: BodyRules {
        request_comes_whole: true,
        // `client_body_buffer_size`.
        max_readable_request: Some(16 << 10),
        start_is_ignored: true,
        set_cuts_and_appends: true,
    },
    callouts: CalloutRules {
        unknown_cluster_fails_later: true,
        failures_have_no_headers: true,
        last_one_continues_the_request: true,
    },
    properties: PropertyRules {
        as_text: true,
        settable: Some(&["wasmx", "ngx", "kong"]),
    },
    shared_data: SharedDataRules {
        zero_only_creates: true,
        empty_removes: true,
        keys_are_checksums: true,
    },
    traps: TrapRules {
        status: 500,
        response_passes: true,
        callout_continues: true,
    },
    trapping_calls: TrappingCalls {
        local_response_in_response_body: true,
        second_local_response: true,
        callout_outside_of_requests: true,
        second_tick_period: true,
        metric_of_another_kind: true,
    },
    ..ENVOY
};
