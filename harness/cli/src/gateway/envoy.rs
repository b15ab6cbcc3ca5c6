//! A gateway as a bootstrap of Envoy's.

use modelgate_envoy::config::adapt::address;
use modelgate_kit::problem::Reply;
use modelgate_kit::problem::dialect::Shape;
use serde_json::{Map, Value as Json, json};

use super::meaning::{Filter, Meaning};
use super::metrics;
use super::pieces::{put, router, seconds, typed};
use super::protocol::{NOTHING, Path, Way};
use super::upstream::Upstream;
use crate::build::native::{Form, LIBRARY};
use crate::routing_headers;
use crate::stats_tags::stats_config;
use located_yaml::Node;

/// The type of a Wasm filter's configuration.
pub(super) const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
/// The folder of the modules.
pub(super) const MODULES: &str = "/etc/envoy/modelgate";
const CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Everything.
pub(super) fn bootstrap(meaning: &Meaning, form: Form) -> Json {
    let mut resources = Map::new();
    let metrics = meaning.metrics.map(metrics::listener);
    let listeners: Vec<Json> = [listener(meaning, form)]
        .into_iter()
        .chain(metrics)
        .collect();
    resources.insert("listeners".into(), listeners.into());
    let backend = std::iter::once(&meaning.backend);
    let clusters = backend.chain(&meaning.servers).map(cluster);
    let admin = meaning.metrics.map(|_| metrics::cluster());
    let clusters: Vec<Json> = clusters.chain(admin).collect();
    resources.insert("clusters".into(), clusters.into());
    json!({
        "admin": metrics::admin(),
        "static_resources": resources,
        "stats_config": stats(),
    })
}

/// How the parts of the filters' metrics become labels.
pub(crate) fn stats() -> Option<Json> {
    let stats = Node::parse(&stats_config()).map(|node| node.to_json());
    stats.ok()?.get("stats_config").cloned()
}

fn listener(meaning: &Meaning, form: Form) -> Json {
    let mut manager = json!({
        "stat_prefix": "gateway",
        "use_remote_address": true,
    });
    if meaning.proxies_in_front > 0 {
        put(
            &mut manager,
            "xff_num_trusted_hops",
            meaning.proxies_in_front,
        );
    }
    // One reading of every path, before any filter looks at it.
    put(&mut manager, "normalize_path", true);
    put(&mut manager, "merge_slashes", true);
    put(
        &mut manager,
        "path_with_escaped_slashes_action",
        "REJECT_REQUEST",
    );
    // Servers with CGI, WSGI or PHP read `x_user` as `x-user`.
    let names = json!({ "headers_with_underscores_action": "REJECT_REQUEST" });
    put(&mut manager, "common_http_protocol_options", names);
    put(&mut manager, "always_set_request_id_in_response", true);
    put(&mut manager, "access_log", json!([access_log()]));
    put(&mut manager, "route_config", routes(meaning));
    put(&mut manager, "http_filters", filters(meaning, form));
    let manager = json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": typed(
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            manager,
        ),
    });
    json!({
        "name": "gateway",
        "address": address(meaning.listen),
        "per_connection_buffer_limit_bytes": meaning.buffer_bytes,
        "filter_chains": [ { "filters": [ manager ] } ],
    })
}

/// The access log, with what filters leave for it.
pub(crate) fn access_log() -> Json {
    let mut line = json!({
        "time": "%START_TIME%",
        "status": "%RESPONSE_CODE%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "flags": "%RESPONSE_FLAGS%",
        "traceparent": "%REQ(TRACEPARENT)%",
        "upstream": "%UPSTREAM_HOST%",
    });
    for fact in ["audit", "identity", "decision", "limit", "model", "masked"] {
        put(
            &mut line,
            fact,
            format!("%FILTER_STATE(wasm.modelgate.{fact}:PLAIN)%"),
        );
    }
    json!({
        "name": "envoy.access_loggers.stdout",
        "typed_config": typed(
            "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            json!({ "log_format": { "json_format": line } }),
        ),
    })
}

fn routes(meaning: &Meaning) -> Json {
    let ways = meaning.protocol.ways.iter().flat_map(|way| {
        // The header is there before the main server's turn comes. Where no caller is asked for, it
        // would be a stranger's.
        let others = if way.open { &[][..] } else { &meaning.others };
        let others = others.iter();
        let others = others.map(|other| route(meaning, way, Some(other)));
        others.chain([route(meaning, way, None)])
    });
    let routes: Vec<Json> = ways.chain([nothing(meaning)]).collect();
    json!({
        "name": "routes",
        "virtual_hosts": [ { "name": "models", "domains": [ "*" ], "routes": routes } ],
    })
}

fn dialect(meaning: &Meaning) -> Json {
    json!({ "filter_metadata": { "modelgate": { "dialect": meaning.protocol.dialect } } })
}

/// A route to the model server, or to another one that model-route has chosen.
fn route(meaning: &Meaning, way: &Way, other: Option<&Upstream>) -> Json {
    let server = other.unwrap_or(&meaning.backend);
    let mut action = json!({ "cluster": server.name, "timeout": seconds(way.timeout_s) });
    if let Some(idle) = way.idle_timeout_s {
        put(&mut action, "idle_timeout", seconds(idle));
    }
    if server.tls && !meaning.protocol.signed {
        put(&mut action, "host_rewrite_literal", server.host.as_str());
    }
    if meaning.mirrors && !way.open {
        let mirror = json!([{ "cluster_header": meaning.routing_header(routing_headers::SHADOW) }]);
        put(&mut action, "request_mirror_policies", mirror);
    }
    let mut path = match way.path {
        Path::Exact(path) => json!({ "path": path }),
        Path::Prefix(path) => json!({ "prefix": path }),
    };
    if let Some(other) = other {
        let name = meaning.routing_header(routing_headers::BACKEND);
        let header = json!({ "name": name, "string_match": { "exact": other.name } });
        put(&mut path, "headers", json!([header]));
    }
    let mut route = json!({ "match": path, "metadata": dialect(meaning), "route": action });
    if way.open {
        let of_callers = [
            "jwt_auth",
            "key_auth",
            "consumer_acl",
            "rate_limit",
            "model_route",
        ];
        let names = meaning.filters.iter().map(|filter| filter.member);
        let names = names.filter(|member| of_callers.contains(&member.filter.name));
        put(
            &mut route,
            "typed_per_filter_config",
            off(names.map(|member| member.krate)),
        );
    }
    route
}

/// What is no path of the protocol's: who calls is asked first, and no server afterwards.
fn nothing(meaning: &Meaning) -> Json {
    let reply = Reply::new(&NOTHING);
    let shape = Shape::named(meaning.protocol.dialect).unwrap_or(Shape::Problem);
    let (kind, body) = shape.render(&reply);
    let headers = kind.map(|kind| ("content-type", kind)).into_iter();
    let headers = headers.chain(shape.header(&reply));
    let headers: Vec<Json> = headers.map(|(name, value)| written(name, value)).collect();
    let later = meaning.filters.iter().filter(|filter| !filter.is_first());
    let later = later.map(|filter| filter.member.krate);
    json!({
        "match": { "prefix": "/" },
        "metadata": dialect(meaning),
        "direct_response": {
            "status": NOTHING.status,
            "body": { "inline_string": String::from_utf8_lossy(&body) },
        },
        "response_headers_to_add": headers,
        "typed_per_filter_config": off(later),
    })
}

/// A header that takes the place of one that is there.
pub(crate) fn written(name: &str, value: &str) -> Json {
    json!({
        "header": { "key": name, "value": value },
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    })
}

fn off<'a>(filters: impl Iterator<Item = &'a str>) -> Json {
    let filters: Map<String, Json> = filters
        .map(|name| (name.to_owned(), switched_off()))
        .collect();
    filters.into()
}

/// What switches a filter off on a route.
pub(crate) fn switched_off() -> Json {
    typed(
        "envoy.config.route.v3.FilterConfig",
        json!({ "disabled": true }),
    )
}

fn filters(meaning: &Meaning, form: Form) -> Json {
    let mut filters: Vec<Json> = meaning
        .filters
        .iter()
        .map(|filter| match form {
            Form::Wasm => entry(filter, &file(filter)),
            Form::Native => native(filter),
        })
        .collect();
    filters.push(router());
    filters.into()
}

/// Where a filter's module is on Envoy's machine.
pub(super) fn file(filter: &Filter) -> Json {
    let file = format!("{MODULES}/{}.wasm", filter.member.filter.name);
    json!({ "local": { "filename": file } })
}

/// A filter's entry in a chain; `code` says where its module is.
pub(super) fn entry(filter: &Filter, code: &Json) -> Json {
    let name = filter.member.filter.name;
    let mut plugin = json!({
        "name": name,
        "failure_policy": "FAIL_RELOAD",
        "reload_config": { "backoff": { "base_interval": "0.2s" } },
    });
    if filter.member.filter.needs.buffers_request {
        put(&mut plugin, "allow_on_headers_stop_iteration", true);
    }
    let mut machine = json!({ "vm_id": name, "runtime": "envoy.wasm.runtime.v8", "code": code });
    put_environment(&mut machine, filter);
    put(&mut plugin, "vm_config", machine);
    let configuration = format!("{:#}\n", filter.config.to_json());
    put(
        &mut plugin,
        "configuration",
        typed(
            "google.protobuf.StringValue",
            json!({ "value": configuration }),
        ),
    );
    json!({
        "name": filter.member.krate,
        "typed_config": typed(
            "envoy.extensions.filters.http.wasm.v3.Wasm",
            json!({ "config": plugin }),
        ),
    })
}

/// The variables of Envoy's environment that a filter sees, if it sees one.
fn put_environment(within: &mut Json, filter: &Filter) {
    if !filter.environment.is_empty() {
        let keys: Vec<&String> = filter.environment.iter().collect();
        put(
            within,
            "environment_variables",
            json!({ "host_env_keys": keys }),
        );
    }
}

/// A filter's entry in a chain, in the native form.
fn native(filter: &Filter) -> Json {
    let mut settings = filter.config.to_json();
    put_environment(&mut settings, filter);
    let file = format!("{MODULES}/{LIBRARY}");
    json!({
        "name": filter.member.krate,
        "typed_config": typed(
            "envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
            json!({
                "dynamic_module_config": {
                    "module": { "local": { "filename": file } },
                    // Metrics are called as in the Wasm form.
                    "metrics_namespace": "wasmcustom",
                },
                "filter_name": filter.member.filter.name,
                "filter_config": typed("google.protobuf.Struct", json!({ "value": settings })),
            }),
        ),
    })
}

/// A cluster for a server.
pub(crate) fn cluster(upstream: &Upstream) -> Json {
    let kind = match (upstream.ip(), upstream.tls) {
        (Some(_), _) => "STATIC",
        (None, true) => "LOGICAL_DNS",
        (None, false) => "STRICT_DNS",
    };
    let endpoint = json!({ "address": { "socket_address": { "address": upstream.host, "port_value": upstream.port } } });
    let mut cluster = json!({
        "name": upstream.name,
        "type": kind,
        "connect_timeout": if upstream.tls { "2s" } else { "1s" },
        "load_assignment": {
            "cluster_name": upstream.name,
            "endpoints": [ { "lb_endpoints": [ { "endpoint": endpoint } ] } ],
        },
    });
    if upstream.tls {
        put(&mut cluster, "transport_socket", tls(upstream));
    }
    cluster
}

fn tls(upstream: &Upstream) -> Json {
    let (kind, mut context) = match upstream.ip() {
        Some(_) => ("IP_ADDRESS", json!({})),
        // An address is no name to ask for (RFC 6066, section 3).
        None => ("DNS", json!({ "sni": upstream.host })),
    };
    let validation = json!({
        "trusted_ca": { "filename": CA },
        "match_typed_subject_alt_names": [ { "san_type": kind, "matcher": { "exact": upstream.host } } ],
    });
    put(
        &mut context,
        "common_tls_context",
        json!({ "validation_context": validation }),
    );
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": typed("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", context),
    })
}
