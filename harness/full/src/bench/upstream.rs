//! What stands behind the gateway while it is measured: an Envoy that answers every request at
//! once.

use serde_json::{Value as Json, json};

use super::texts::EVENTS;
use modelgate_scenario::file::UPSTREAM;

/// What Envoy may hold of a body, in bytes: twice the largest of the bench.
pub const MOST_HELD: usize = 2 << 20;

/// The header that asks the upstream for a stream of events, and for which.
pub const ANSWER: &str = "x-bench-answer";
/// A short one.
pub const STREAM: &str = "stream";
/// One as OpenAI sends it, of 64 KiB.
pub const CHAT: &str = "chat";
/// Events of the short one, and bytes of the other.
const COUNT: usize = 200;
const CHAT_BYTES: usize = 1 << 16;

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
    let asked = |value: &str| json!({"prefix": "/", "headers": [{"name": ANSWER, "string_match": {"exact": value}}]});
    let stream = route(asked(STREAM), "text/event-stream", &stream());
    let chat = (EVENTS.make)(CHAT_BYTES);
    let chat = route(asked(CHAT), EVENTS.content_type, &chat);
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
                    "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [stream, chat, ordinary]}],
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
    let mut text = format!("{event}\n\n").repeat(COUNT);
    text.push_str("data: [DONE]\n\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_ends_as_streams_of_chats_do() {
        let stream = stream();
        assert_eq!(stream.matches("data: ").count(), COUNT + 1);
        assert!(stream.ends_with("data: [DONE]\n\n"));
    }
}
