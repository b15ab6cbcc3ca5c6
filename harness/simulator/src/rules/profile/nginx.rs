//! nginx with ngx_wasm_module, at the commit that Kong 3.9 ships (9136e463, 2024-11), with one
//! worker, `shm_kv * 10m` and the upstream given the path and host of the client.
//!
//! Only what was measured there or read in its source, and what this proxy can play. Several rules
//! fail open where Envoy fails closed, and several end the worker: that is what this profile is
//! for.
//! Not played: headers that nginx itself refuses when they come twice, values that another worker
//! writes while one is read, and the module's log lines about what it ignores.

use std::time::Duration;

use super::{
    BodyRules, CalloutRules, Crashes, ENVOY, HeaderRules, Profile, PropertyRules, RefusedPlugin,
    SharedDataRules, TrapRules, TrappingCalls, Zone, Zones,
};

/// nginx with ngx_wasm_module as in Kong 3.9.
pub const NGINX: Profile = Profile {
    name: "nginx",
    allow_on_headers_stop_iteration: false,
    filters_choose_stop_iteration: false,
    responses_in_request_order: true,
    shows_every_response: true,
    contexts_are_fixed: true,
    has_own_filters: false,
    refused_plugin: RefusedPlugin::StopsTheWorkers,
    main_thread: false,
    log_before_done: false,
    end_stream_as_own_frame: false,
    joined_headers: &[],
    adds_headers: false,
    strips_connection_headers: false,
    forwards_removed_headers: true,
    max_request_headers: usize::MAX,
    failed_upstream_status: 502,
    // `proxy_read_timeout`.
    route_timeout: Duration::from_secs(60),
    reload_backoff: Duration::ZERO,
    reload_starts_vm: false,
    // A signal (HUP), after which ngx_exiting ends the ticks of the old workers.
    reload_begins_workers: true,
    missing_callbacks: &[
        "proxy_on_request_trailers",
        "proxy_on_response_trailers",
        "proxy_on_queue_ready",
    ],
    needed_callbacks: &[
        "proxy_on_request_headers",
        "proxy_on_request_body",
        "proxy_on_response_headers",
        "proxy_on_response_body",
        "proxy_on_done",
        "proxy_on_log",
        "proxy_on_delete",
    ],
    // Its signature is another one there.
    refused_imports: &["proxy_get_log_level"],
    end_in_headers_callbacks: false,
    clock_step: Duration::from_millis(1),
    max_log_line: Some(2048),
    headers: HeaderRules {
        set_replaces_first_only: true,
        max_pairs: Some(100),
        names_as_sent: true,
        request_line_is_parsed: true,
        line_breaks_are_escaped: true,
        response_can_be_added_to_early: true,
        request_stays_in_reach: true,
        // ngx_http_proxy_module.c, `ngx_http_proxy_headers`.
        written_anew: &[
            "connection",
            "expect",
            "keep-alive",
            "te",
            "transfer-encoding",
            "upgrade",
        ],
        response_cannot_be_stopped: true,
    },
    bodies: BodyRules {
        request_comes_whole: true,
        // `proxy_buffers`.
        max_response_piece: 8 << 10,
        announced_length_binds: true,
        // `wasm_response_body_buffers`.
        response_buffer: Some(4 * (8 << 10)),
        response_trailers_are_dropped: true,
        empty_is_not_found: true,
        // `client_body_buffer_size`.
        max_readable_request: Some(16 << 10),
        start_is_ignored: true,
        set_cuts_and_appends: true,
        loses_data_after_resume: false,
    },
    callouts: CalloutRules {
        unknown_cluster_fails_later: true,
        failures_have_no_headers: true,
        last_one_continues_the_request: true,
        end_with_their_exchange: true,
    },
    properties: PropertyRules {
        namespace: Some("wasmx"),
    },
    shared_data: SharedDataRules {
        zero_only_creates: true,
        empty_removes: true,
        keys_are_checksums: true,
        common_to_all: true,
        zones: Zones::Named(&[Zone {
            name: "*",
            bytes: 10 << 20,
        }]),
    },
    traps: TrapRules {
        status: 500,
        response_passes: true,
        callout_continues: true,
        // ngx_proxy_wasm.c, `ngx_proxy_wasm_run_step`.
        others_begin_anew: true,
    },
    trapping_calls: TrappingCalls {
        local_response_in_response: true,
        late_request_headers: true,
        foreign_functions: true,
        shared_queues: true,
        unimplemented: true,
        max_metric_name: Some(256),
        second_local_response: true,
        callout_outside_of_requests: true,
        second_tick_period: true,
        metric_of_another_kind: true,
    },
    crashes: Crashes {
        callout_without_pause: true,
        callout_after_the_end: true,
        trap_while_another_waits: true,
        message_in_tick: true,
        property_without_exchange: true,
    },
    ..ENVOY
};

/// The same as it comes, without any `shm_kv`: there is no shared data.
pub const NGINX_BARE: Profile = Profile {
    name: "nginx_bare",
    shared_data: SharedDataRules {
        zones: Zones::Named(&[]),
        ..NGINX.shared_data
    },
    ..NGINX
};

/// The same as Kong 3.9 configures it: its own word for what filters leave for each other, a
/// smaller buffer for bodies, and a node that goes on bare where a plugin refuses its configuration
/// (kong/init.lua: "unsafe request processing due to earlier initialization errors").
pub const KONG: Profile = Profile {
    name: "kong",
    refused_plugin: RefusedPlugin::OpensTheProxy,
    properties: PropertyRules {
        namespace: Some("kong"),
    },
    bodies: BodyRules {
        max_readable_request: Some(8 << 10),
        ..NGINX.bodies
    },
    ..NGINX
};
