//! What stands behind the gateway while it is measured: an Envoy that answers every request at
//! once.

use serde_json::{Value as Json, json};

use modelgate_scenario::file::UPSTREAM;

/// What Envoy may hold of a body, in bytes: twice the largest of the bench.
pub const MOST_HELD: usize = 2 << 20;

/// What asks the upstream for a stream of events.
pub const STREAM: (&str, &str) = ("x-bench-answer", "stream");
/// Events of the stream.
const EVENTS: usize = 200;

/// An Envoy that answers every request at once: what stands behind the gateway. One header asks it
/// for a stream of events.
pub fn bootstrap() -> Json {
    let route = |asked: Json, content_type: &str, body: &str| {
        json!({
            "match": asked,
            "direct_response": {"status": 200, "body": {"inline_string": body}},
            "response_headers_to_add": [{"header": {"key": "content-type", "value": content_type}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
        })
    };
    let (header, value) = STREAM;
    let asked =
        json!({"prefix": "/", "headers": [{"name": header, "string_match": {"exact": value}}]});
    let stream = route(asked, "text/event-stream", &stream());
    let scores = r#"{"outputs":[{"name":"y","shape":[1],"data":[0.5]}]}"#;
    let ordinary = route(json!({"prefix": "/"}), "application/json", scores);
    json!({"static_resources": {"listeners": [{
        "name": UPSTREAM,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": "@PORT@"}},
        "per_connection_buffer_limit_bytes": MOST_HELD,
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "upstream",
                "route_config": {
                    "max_direct_response_body_size_bytes": MOST_HELD,
                    "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [stream, ordinary]}],
                },
                "http_filters": [{
                    // Waits for the end of the request: Envoy closes a connection whose request it
                    // has answered before its end.
                    "name": "envoy.filters.http.buffer",
                    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer", "max_request_bytes": MOST_HELD},
                }, {"name": "envoy.filters.http.router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
            },
        }]}],
    }]}})
}

/// A stream of events of a chat, each with a few words.
fn stream() -> String {
    let event = r#"data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" some words of an answer"}}]}"#;
    let mut text = format!("{event}\n\n").repeat(EVENTS);
    text.push_str("data: [DONE]\n\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_ends_as_streams_of_chats_do() {
        let stream = stream();
        assert_eq!(stream.matches("data: ").count(), EVENTS + 1);
        assert!(stream.ends_with("data: [DONE]\n\n"));
    }
}
