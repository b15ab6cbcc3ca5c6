//! Properties on nginx: its variables by name, the attributes that ngx_wasm_module maps to them
//! (ngx_proxy_wasm_properties.c), and what filters leave for each other under the host's own word.
//!
//! A path is one name with dots; every value is text. Outside of an exchange there are none: some
//! names say so, and some crash the worker.

use crate::abi::MapKind;
use crate::core::Core;
use crate::gateway::stream::Stream;
use crate::ids::PluginId;
use crate::rules::headers::Headers;

/// The nginx under Kong 3.9.
const NGINX_VERSION: &str = "1.25.3";
/// The name of the machine, which is what `request.host` is.
const MACHINE: &str = "gateway";

/// Attributes that are variables: their names, and the variables'.
const MAPPED: [(&str, &str); 20] = [
    ("request.path", "request_uri"),
    ("request.url_path", "uri"),
    ("request.host", "hostname"),
    ("request.scheme", "scheme"),
    ("request.method", "request_method"),
    ("request.useragent", "http_user_agent"),
    ("request.protocol", "server_protocol"),
    ("request.query", "args"),
    ("request.duration", "request_time"),
    ("request.size", "content_length"),
    ("request.total_size", "request_length"),
    ("response.code", "status"),
    ("response.size", "body_bytes_sent"),
    ("response.total_size", "bytes_sent"),
    ("destination.address", "proxy_protocol_addr"),
    ("destination.port", "proxy_protocol_port"),
    ("connection.requested_server_name", "ssl_server_name"),
    ("connection.tls_version", "ssl_protocol"),
    ("source.address", "remote_addr"),
    ("source.port", "remote_port"),
];

/// What a name is outside of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outside {
    /// Not known.
    NotFound,
    /// Refused with a status.
    Refused,
    /// Read all the same, from memory that is not there.
    Crash,
}

/// A path as nginx reads it: with dots.
pub(crate) fn dotted(path: &[u8]) -> String {
    String::from_utf8_lossy(path).replace('\0', ".")
}

/// What a filter leaves for others: the name without the host's own word.
pub(crate) fn left<'a>(namespace: &str, name: &'a str) -> Option<&'a str> {
    name.strip_prefix(namespace)?.strip_prefix('.')
}

/// What a name is outside of an exchange.
pub(crate) fn outside(namespace: &str, name: &str) -> Outside {
    let mapped = MAPPED.iter().any(|(attribute, _)| *attribute == name);
    let own = left(namespace, name).is_some() || name.starts_with("ngx.");
    match name {
        _ if mapped || own => Outside::Refused,
        "plugin_name" | "request.id" | "request.referer" | "request.time" | "connection.id"
        | "connection.mtls" | "upstream.address" | "upstream.port" => Outside::Crash,
        _ if name.starts_with("request.headers.") || name.starts_with("response.headers.") => {
            Outside::Crash
        }
        _ => Outside::NotFound,
    }
}

/// The value of a name in an exchange.
pub(crate) fn value(
    core: &Core,
    stream: &Stream,
    filter: PluginId,
    namespace: &str,
    name: &str,
) -> Option<Vec<u8>> {
    if let Some(left) = left(namespace, name) {
        let known = stream.filter_state.get(left.as_bytes()).cloned();
        return known.or_else(|| (left == "version").then(|| b"3.9.1".to_vec()));
    }
    let mapped = MAPPED.iter().find(|(attribute, _)| *attribute == name);
    if let Some(variable) = mapped.map(|(_, variable)| *variable) {
        return self::variable(core, stream, variable);
    }
    if let Some(variable) = name.strip_prefix("ngx.") {
        return self::variable(core, stream, variable);
    }
    let header = |kind, name: &str| {
        let headers = stream.map(filter, kind)?;
        headers.first_sent(name.as_bytes()).map(<[u8]>::to_vec)
    };
    match name {
        "plugin_name" => Some(core.plugin(filter)?.name.clone().into_bytes()),
        "request.id" => header(MapKind::RequestHeaders, "x-request-id"),
        "request.referer" => header(MapKind::RequestHeaders, "referer"),
        "request.time" => Some(seconds(stream.started_ns)),
        "connection.id" => Some(stream.connection.id.to_string().into_bytes()),
        "connection.mtls" => Some(b"false".to_vec()),
        "upstream.address" => stream.upstream.as_ref().map(|_| b"127.0.0.1".to_vec()),
        "upstream.port" => stream.upstream.as_ref().map(|_| b"80".to_vec()),
        _ => match name.strip_prefix("request.headers.") {
            Some(name) => header(MapKind::RequestHeaders, name),
            None => header(
                MapKind::ResponseHeaders,
                name.strip_prefix("response.headers.")?,
            ),
        },
    }
}

/// Whether nginx has a variable of this name, none of which a filter can set.
pub(crate) fn is_variable(name: &str) -> bool {
    let known = MAPPED.iter().any(|(_, variable)| *variable == name);
    known
        || [
            "nginx_version",
            "host",
            "request",
            "server_name",
            "server_port",
        ]
        .contains(&name)
}

fn variable(core: &Core, stream: &Stream, name: &str) -> Option<Vec<u8>> {
    let asked = stream.asked.as_ref()?;
    let headers = stream.request.headers.as_ref()?;
    let sent = |name: &str| headers.first_sent(name.as_bytes()).map(<[u8]>::to_vec);
    let number = |number: usize| number.to_string().into_bytes();
    Some(match name {
        "nginx_version" => NGINX_VERSION.as_bytes().to_vec(),
        "hostname" => MACHINE.as_bytes().to_vec(),
        "request_uri" => asked.target.clone(),
        "uri" => asked.uri.path.clone(),
        "request" => {
            let method = sent(":method")?;
            let protocol = stream.connection.protocol.as_bytes();
            [&method[..], &asked.target[..], protocol].join(&b' ')
        }
        "args" => asked.uri.query.clone().unwrap_or_default(),
        "host" => host_name(&asked.host),
        "scheme" => sent(":scheme")?,
        "request_method" => sent(":method")?,
        "server_protocol" => stream.connection.protocol.as_bytes().to_vec(),
        "server_name" => b"localhost".to_vec(),
        "server_port" => stream
            .connection
            .destination
            .port()
            .to_string()
            .into_bytes(),
        "remote_addr" => stream.connection.source.ip().to_string().into_bytes(),
        "remote_port" => stream.connection.source.port().to_string().into_bytes(),
        "request_time" => seconds(core.now_ns.saturating_sub(stream.started_ns)),
        "content_length" => sent("content-length").unwrap_or_default(),
        "request_length" => {
            let body = usize::try_from(stream.request.size).unwrap_or(usize::MAX);
            number(headers.byte_size().saturating_add(body))
        }
        "status" => {
            let response = stream.response.headers.as_ref();
            response.map_or(b"000".to_vec(), status)
        }
        "body_bytes_sent" | "bytes_sent" => number(stream.answer.body().len()),
        "proxy_protocol_addr" | "proxy_protocol_port" | "ssl_server_name" | "ssl_protocol" => {
            Vec::new()
        }
        _ => sent(&name.strip_prefix("http_")?.replace('_', "-"))?,
    })
}

fn status(headers: &Headers) -> Vec<u8> {
    headers.first(":status").unwrap_or(b"000").to_vec()
}

/// A host without its port, in lower case.
fn host_name(host: &[u8]) -> Vec<u8> {
    let port = host.iter().rposition(|byte| *byte == b':');
    let port = port.filter(|_| host.last() != Some(&b']'));
    let end = port.unwrap_or(host.len());
    host.get(..end).unwrap_or_default().to_ascii_lowercase()
}

/// A time as nginx writes it: seconds with three digits behind the point.
fn seconds(ns: u64) -> Vec<u8> {
    let ms = ns / 1_000_000;
    format!("{}.{:03}", ms / 1000, ms % 1000).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_outside_of_an_exchange_is_unknown_refused_or_the_end_of_the_worker() {
        for (name, expected) in [
            ("ngx.nginx_version", Outside::Refused),
            ("request.path", Outside::Refused),
            ("wasmx.mine", Outside::Refused),
            ("plugin_name", Outside::Crash),
            ("request.headers.a", Outside::Crash),
            ("connection.id", Outside::Crash),
            ("xds.node", Outside::NotFound),
            ("wasmxx", Outside::NotFound),
        ] {
            assert_eq!(outside("wasmx", name), expected, "{name}");
        }
    }

    #[test]
    fn a_host_has_no_port_and_no_capitals_and_times_have_milliseconds() {
        assert_eq!(host_name(b"API.test:80"), b"api.test");
        assert_eq!(host_name(b"[::1]:80"), b"[::1]");
        assert_eq!(host_name(b"[::1]"), b"[::1]");
        assert_eq!(seconds(1_002_500_000), b"1.002");
    }
}
