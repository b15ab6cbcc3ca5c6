//! The trees of properties of an exchange, named as Envoy names its attributes.
//!
//! What is not known yet is absent: the upstream before it answers, the request's headers once a
//! filter has let them go, durations before the end. Trees of the proxy's own can only be read leaf
//! by leaf; JSON and metadata also as a whole.

use serde_json::Value as Json;

use crate::abi::{HostResult, MapKind, Status};
use crate::core::Core;
use crate::gateway::stream::Stream;
use crate::ids::PluginId;
use crate::protobuf;
use crate::rules::headers::Headers;
use crate::rules::route::Metadata;

/// A property's value, or a tree of them.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Bytes(Vec<u8>),
    Int(i64),
    Uint(u64),
    Bool(bool),
    /// Nothing but its members can be read.
    Members(Vec<(&'static str, Value)>),
    /// Headers by name; values of one name are joined by commas.
    Headers(Headers),
    /// Entries of the filter state by their full name.
    State(Vec<(Vec<u8>, Vec<u8>)>),
    Json(Json),
    Metadata(Metadata),
}

impl Value {
    pub fn text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }

    /// One step down.
    pub fn child(&self, segment: &[u8]) -> Option<Self> {
        match self {
            Self::Members(members) => members
                .iter()
                .find(|(name, _)| name.as_bytes() == segment)
                .map(|(_, value)| value.clone()),
            Self::Headers(headers) => {
                let values: Vec<&[u8]> = headers.all(segment).collect();
                (!values.is_empty()).then(|| Self::Bytes(values.join(&b","[..])))
            }
            Self::State(entries) => entries
                .iter()
                .find(|(name, _)| name == segment)
                .map(|(_, value)| Self::Bytes(value.clone())),
            Self::Json(Json::Object(object)) => std::str::from_utf8(segment)
                .ok()
                .and_then(|name| object.get(name))
                .cloned()
                .map(Self::Json),
            Self::Json(Json::Array(items)) => {
                let index: usize = std::str::from_utf8(segment).ok()?.parse().ok()?;
                items.get(index).cloned().map(Self::Json)
            }
            Self::Metadata(namespaces) => (segment == b"filter_metadata")
                .then(|| Self::Json(Json::Object(namespaces.clone()))),
            _ => None,
        }
    }

    /// The bytes that a guest gets.
    pub fn encode(&self) -> HostResult<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::Int(number) => Ok(number.to_le_bytes().to_vec()),
            Self::Uint(number) => Ok(number.to_le_bytes().to_vec()),
            Self::Bool(flag) => Ok(vec![u8::from(*flag)]),
            Self::Json(json) => encode_json(json),
            Self::Metadata(namespaces) => Ok(protobuf::metadata_bytes(namespaces)),
            Self::Members(_) | Self::Headers(_) | Self::State(_) => {
                Err(Status::SerializationFailure)
            }
        }
    }
}

fn encode_json(json: &Json) -> HostResult<Vec<u8>> {
    match json {
        Json::Null => Err(Status::SerializationFailure),
        Json::Bool(flag) => Ok(vec![u8::from(*flag)]),
        Json::Number(number) => Ok(number.as_f64().unwrap_or_default().to_le_bytes().to_vec()),
        Json::String(text) => Ok(text.as_bytes().to_vec()),
        Json::Array(items) => {
            let items: HostResult<Vec<_>> = items
                .iter()
                .map(|item| Ok((encode_json(item)?, Vec::new())))
                .collect();
            Ok(encode_pairs(&items?))
        }
        Json::Object(object) => {
            let pairs = object
                .iter()
                .map(|(name, value)| Ok((name.as_bytes().to_vec(), encode_json(value)?)));
            let pairs: HostResult<Vec<_>> = pairs.collect();
            Ok(encode_pairs(&pairs?))
        }
    }
}

/// The wire form of header maps, without lower-casing names.
fn encode_pairs(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut wire = u32::try_from(pairs.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes()
        .to_vec();
    for (name, value) in pairs {
        wire.extend(size(name));
        wire.extend(size(value));
    }
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        wire.extend_from_slice(part);
        wire.push(0);
    }
    wire
}

/// A tree, or an entry of the filter state, by name.
pub(crate) fn tree(core: &Core, stream: &Stream, filter: PluginId, name: &[u8]) -> Option<Value> {
    Some(match name {
        b"request" => request(core, stream, filter),
        b"response" => response(stream, filter),
        b"connection" => connection(stream),
        b"connection_id" => Value::Uint(stream.connection.id),
        b"source" => peer(stream.connection.source),
        b"destination" => peer(stream.connection.destination),
        b"upstream" => upstream(stream),
        b"xds" => xds(core, stream),
        b"metadata" => Value::Metadata(Metadata::new()),
        b"filter_state" => Value::State(
            stream
                .filter_state
                .iter()
                .map(|(name, value)| ([b"wasm.", name.as_slice()].concat(), value.clone()))
                .collect(),
        ),
        _ => Value::Bytes(stream.filter_state.get(name)?.clone()),
    })
}

fn request(core: &Core, stream: &Stream, filter: PluginId) -> Value {
    let logging = stream.filter(filter).is_some_and(|filter| filter.logging);
    let mut members = vec![
        ("protocol", Value::text(stream.connection.protocol)),
        (
            "time",
            Value::Int(i64::try_from(stream.started_ns).unwrap_or(i64::MAX)),
        ),
    ];
    let received = i64::try_from(stream.request.size).unwrap_or(i64::MAX);
    let mut size = received;
    if let Some(headers) = stream.map(filter, MapKind::RequestHeaders) {
        let path = headers.first(":path").unwrap_or_default();
        let query = path.iter().position(|byte| *byte == b'?');
        members.push(("path", Value::Bytes(path.to_vec())));
        members.push((
            "url_path",
            Value::Bytes(
                path.get(..query.unwrap_or(path.len()))
                    .unwrap_or_default()
                    .to_vec(),
            ),
        ));
        if let Some(query) = query.and_then(|at| path.get(at.saturating_add(1)..)) {
            members.push(("query", Value::Bytes(query.to_vec())));
        }
        let named = [
            ("host", ":authority"),
            ("scheme", ":scheme"),
            ("method", ":method"),
            ("referer", "referer"),
            ("id", "x-request-id"),
            ("useragent", "user-agent"),
        ];
        for (member, header) in named {
            if let Some(value) = headers.first(header) {
                members.push((member, Value::Bytes(value.to_vec())));
            }
        }
        size = headers
            .text("content-length")
            .and_then(|length| length.parse().ok())
            .unwrap_or(received);
        let head = i64::try_from(headers.byte_size()).unwrap_or(i64::MAX);
        members.push(("total_size", Value::Int(received.saturating_add(head))));
        members.push(("headers", Value::Headers(headers.clone())));
    }
    members.push(("size", Value::Int(size)));
    if logging {
        let duration = core.now_ns.saturating_sub(stream.started_ns);
        members.push((
            "duration",
            Value::Int(i64::try_from(duration).unwrap_or(i64::MAX)),
        ));
    }
    Value::Members(members)
}

fn response(stream: &Stream, filter: PluginId) -> Value {
    let logging = stream.filter(filter).is_some_and(|filter| filter.logging);
    let mut members = Vec::new();
    let status = stream
        .response
        .headers
        .as_ref()
        .and_then(|headers| headers.text(":status")?.parse().ok());
    if let Some(status) = status {
        members.push(("code", Value::Int(status)));
    }
    if let Some(details) = &stream.details {
        members.push(("code_details", Value::text(details)));
    }
    if logging {
        members.push((
            "flags",
            Value::Int(i64::try_from(stream.flags).unwrap_or_default()),
        ));
    }
    members.push((
        "size",
        Value::Int(i64::try_from(stream.response.size).unwrap_or(i64::MAX)),
    ));
    // From the first byte sent to the last one received.
    let times = stream.upstream.as_ref();
    let times = times.and_then(|upstream| Some((upstream.sent_ns, upstream.received_ns?)));
    if let Some((sent_ns, received_ns)) = times {
        let latency = i64::try_from(received_ns.saturating_sub(sent_ns)).unwrap_or(i64::MAX);
        members.push(("backend_latency", Value::Int(latency)));
    }
    if let Some(headers) = stream.map(filter, MapKind::ResponseHeaders) {
        members.push(("headers", Value::Headers(headers.clone())));
    }
    if let Some(trailers) = stream.map(filter, MapKind::ResponseTrailers) {
        members.push(("trailers", Value::Headers(trailers.clone())));
    }
    Value::Members(members)
}

fn connection(stream: &Stream) -> Value {
    Value::Members(vec![
        ("id", Value::Uint(stream.connection.id)),
        ("mtls", Value::Bool(false)),
    ])
}

fn peer(address: std::net::SocketAddr) -> Value {
    Value::Members(vec![
        ("address", Value::text(&address.to_string())),
        ("port", Value::Int(address.port().into())),
    ])
}

fn upstream(stream: &Stream) -> Value {
    let Some(upstream) = &stream.upstream else {
        return Value::Members(Vec::new());
    };
    // Every cluster is one endpoint of this host; its name is all that tells it apart.
    Value::Members(vec![
        ("address", Value::text(&upstream.cluster)),
        ("request_attempt_count", Value::Uint(1)),
    ])
}

fn xds(core: &Core, stream: &Stream) -> Value {
    let node = serde_json::json!({"id": "gateway", "cluster": "gateway"});
    let mut members = vec![
        ("node", Value::Json(node)),
        ("listener_direction", Value::Int(0)),
        ("filter_chain_name", Value::text("")),
    ];
    let found = stream
        .routing_headers()
        .and_then(|headers| core.routes.find(headers));
    if let Some((host, route)) = found {
        members.push(("cluster_name", Value::text(&route.cluster)));
        members.push(("cluster_metadata", Value::Metadata(Metadata::new())));
        members.push(("route_name", Value::text(&route.name)));
        members.push(("route_metadata", Value::Metadata(route.metadata.clone())));
        members.push(("virtual_host_name", Value::text(&host.name)));
        members.push((
            "virtual_host_metadata",
            Value::Metadata(host.metadata.clone()),
        ));
    }
    Value::Members(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_read_by_member_and_index_and_coded_by_kind() {
        let tree = Value::Json(json!({"a": [1, "two", true], "n": null, "o": {"k": "v"}}));
        let leaf = |path: &[&str]| {
            path.iter()
                .try_fold(tree.clone(), |value, segment| {
                    value.child(segment.as_bytes())
                })
                .map(|value| value.encode())
        };
        assert_eq!(leaf(&["a", "0"]), Some(Ok(1f64.to_le_bytes().to_vec())));
        assert_eq!(leaf(&["a", "1"]), Some(Ok(b"two".to_vec())));
        assert_eq!(leaf(&["a", "2"]), Some(Ok(vec![1])));
        assert_eq!(leaf(&["a", "3"]), None);
        assert_eq!(leaf(&["n"]), Some(Err(Status::SerializationFailure)));
        assert_eq!(
            leaf(&["o"]),
            Some(Ok(
                [&[1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0][..], b"k\0v\0"].concat()
            ))
        );
    }

    #[test]
    fn header_values_are_joined_and_trees_have_no_coding() {
        let headers: Headers = [("a", &b"1"[..]), ("a", b"2")].into_iter().collect();
        let tree = Value::Members(vec![("headers", Value::Headers(headers))]);
        let joined = tree
            .child(b"headers")
            .and_then(|headers| headers.child(b"A"));
        assert_eq!(
            joined.map(|value| value.encode()),
            Some(Ok(b"1,2".to_vec()))
        );
        assert_eq!(tree.encode(), Err(Status::SerializationFailure));
    }
}
