//! A listener for Prometheus and for probes: of Envoy's admin interface, which can do much more,
//! only what these two read.

use std::net::SocketAddr;

use modelgate_envoy::config::adapt::address;
use serde_json::{Value as Json, json};

use super::pieces::{put, router, seconds, typed};

/// What it is called, and its cluster.
const NAME: &str = "metrics";
const ADMIN: &str = "modelgate-admin";
/// Where the admin interface is.
const ADMIN_PORT: u16 = 9901;

/// The admin interface, for this machine only.
pub(super) fn admin() -> Json {
    json!({ "address": { "socket_address": { "address": "127.0.0.1", "port_value": ADMIN_PORT } } })
}

/// The listener.
pub(super) fn listener(at: SocketAddr) -> Json {
    let get = json!({ "name": ":method", "string_match": { "exact": "GET" } });
    let paths = ["/stats/prometheus", "/ready"];
    let routes = paths.map(|path| {
        json!({
            "match": { "path": path, "headers": [ get ] },
            "route": { "cluster": ADMIN, "timeout": seconds(10) },
        })
    });
    let host = json!({ "name": NAME, "domains": [ "*" ], "routes": routes });
    let mut manager = json!({
        "stat_prefix": NAME,
        "use_remote_address": true,
        "normalize_path": true,
    });
    put(
        &mut manager,
        "route_config",
        json!({ "name": NAME, "virtual_hosts": [ host ] }),
    );
    put(&mut manager, "http_filters", json!([router()]));
    let manager = json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": typed(
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            manager,
        ),
    });
    json!({
        "name": NAME,
        "address": address(at),
        "filter_chains": [ { "filters": [ manager ] } ],
    })
}

/// The cluster that it asks.
pub(super) fn cluster() -> Json {
    let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": ADMIN_PORT } });
    json!({
        "name": ADMIN,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": ADMIN,
            "endpoints": [ { "lb_endpoints": [ { "endpoint": { "address": address } } ] } ],
        },
    })
}
