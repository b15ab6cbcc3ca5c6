//! Replies of the proxy's own making, and how an exchange ends.

use crate::callback::Callback;
use crate::core::LocalReply;
use crate::gateway::Gateway;
use crate::gateway::filter_manager::StartFrom;
use crate::gateway::stream::{Side, Source, Stream};
use crate::ids::{PluginId, StreamId};
use crate::rules::framing;
use crate::rules::headers::Headers;
use crate::schedule::TimedEvent;
use crate::timeline::Event;
use crate::vm::ContextRef;

impl Gateway {
    /// Answers the client. Before the response has begun the reply passes the response callbacks of
    /// every filter that has seen the request, the one that replies included; after that it
    /// replaces the response without being shown; after the head has left, the exchange is broken
    /// off.
    pub(super) fn local_reply(&mut self, id: StreamId, reply: LocalReply) {
        let prepared = self.stream(id, |stream| {
            if stream.over {
                return None;
            }
            stream.details = Some(reply.details.clone());
            stream.flags |= reply.flags;
            let begun = stream.response.headers.is_some();
            Some((
                begun,
                stream.response.forwarded,
                head_only(stream),
                is_grpc(stream),
            ))
        });
        let Some(Some((begun, forwarded, head_only, grpc))) = prepared else {
            return;
        };
        if forwarded {
            return self.reset_downstream(id);
        }
        self.give_up_callouts(id);
        let (mut headers, body) = write(reply, grpc);
        let body = if head_only { Vec::new() } else { body };
        let end = body.is_empty();
        self.stream(id, |stream| {
            stream.locally_replied = true;
            for (name, value) in stream.response.early.iter() {
                headers.add(name, value);
            }
            stream.response.headers = Some(headers);
            stream.response.trailers = None;
            stream.response.buffered = None;
            stream.response.waiting.clear();
            stream.response.ended = true;
        });
        if begun {
            self.headers_to_client(id, end);
            if !end {
                self.data_to_client(id, body, true);
            }
            return;
        }
        self.iterate_headers(id, Side::Response, StartFrom::First, end);
        if !end && self.is_open(id, Side::Response) {
            self.stream(id, |stream| stream.response.inline = body);
            self.iterate_data(id, Side::Response, StartFrom::First, Source::Inline, true);
        }
    }

    /// More of a message had to be buffered than is allowed.
    pub(super) fn payload_too_large(&mut self, id: StreamId, side: Side) {
        let (status, text, details) = match side {
            Side::Request => (413, "Payload Too Large", "request_payload_too_large"),
            Side::Response => (500, "Internal Server Error", "response_payload_too_large"),
        };
        let body = text.as_bytes().to_vec();
        self.local_reply(
            id,
            LocalReply {
                status,
                body,
                details: details.to_owned(),
                ..LocalReply::default()
            },
        );
    }

    /// The head of an answer reaches the client.
    pub(super) fn headers_to_client(&mut self, id: StreamId, end: bool) {
        let (now, named, binds) = {
            let core = self.core.borrow();
            let binds = core.profile.bodies.announced_length_binds;
            let strips = core.profile.strips_connection_headers;
            (core.now_ns, (core.request_id_in_response, strips), binds)
        };
        let (named, strips) = named;
        let headers = self.stream(id, |stream| {
            stream.response.forwarded = true;
            if strips && let Some(headers) = &mut stream.response.headers {
                framing::settle(headers);
            }
            if named {
                set_response_request_id(stream);
            }
            stream.answer.head_after = since(stream, now);
            stream.answer.headers.clone_from(&stream.response.headers);
            if binds && !head_only(stream) {
                let headers = stream.response.headers.as_ref();
                let length = headers.and_then(|headers| headers.text("content-length"));
                stream.response.announced = length.and_then(|length| length.parse().ok());
            }
            stream.response.headers.clone().unwrap_or_default()
        });
        let Some(headers) = headers else { return };
        let says = self.upgrade_data.remove(&id).unwrap_or_default();
        if headers.text(":status").as_deref() == Some("101") {
            let mut core = self.core.borrow_mut();
            let mut at = std::time::Duration::ZERO;
            for (wait, bytes) in says {
                at = at.saturating_add(wait);
                core.schedule_after(at, TimedEvent::ClientBody(id, bytes, false));
            }
        }
        self.core.borrow_mut().record(Event::ResponseHeaders {
            stream: id,
            headers,
        });
        if end {
            self.complete_response(id);
        }
    }

    /// A piece of a body reaches the client.
    pub(super) fn data_to_client(&mut self, id: StreamId, mut data: Vec<u8>, end: bool) {
        let (now, keeps_history) = {
            let core = self.core.borrow();
            (core.now_ns, core.keeps_history)
        };
        let shown = self.stream(id, |stream| {
            if let Some(left) = &mut stream.response.announced {
                data.truncate(*left);
                *left = left.saturating_sub(data.len());
            }
            let shown = !data.is_empty() && !head_only(stream);
            if shown && keeps_history {
                let after = since(stream, now);
                stream.answer.chunks.push((after, data.clone()));
            }
            shown
        });
        if shown == Some(true) {
            self.core.borrow_mut().record(Event::ResponseBody {
                stream: id,
                bytes: data,
            });
        }
        if end {
            self.complete_response(id);
        }
    }

    /// Trailers reach the client.
    pub(super) fn trailers_to_client(&mut self, id: StreamId) {
        let trailers = self.stream(id, |stream| {
            stream.answer.trailers.clone_from(&stream.response.trailers);
            stream.response.trailers.clone().unwrap_or_default()
        });
        if let Some(trailers) = trailers {
            self.core.borrow_mut().record(Event::ResponseTrailers {
                stream: id,
                trailers,
            });
        }
        self.complete_response(id);
    }

    fn complete_response(&mut self, id: StreamId) {
        let left = self.stream(id, |stream| stream.response.announced);
        if left.flatten().is_some_and(|left| left > 0) {
            return self.reset_downstream(id);
        }
        self.stream(id, |stream| stream.answer.complete = true);
        self.end_stream(id);
    }

    /// Breaks the exchange off, for a reason.
    pub(super) fn reset_stream(&mut self, id: StreamId, details: &str) {
        self.stream(id, |stream| {
            stream.details.get_or_insert_with(|| details.to_owned());
        });
        self.reset_downstream(id);
    }

    /// The connection of an exchange is gone, and nobody is left to be told.
    pub(super) fn break_off(&mut self, id: StreamId) {
        self.reset_downstream(id);
        self.stream(id, |stream| {
            for filter in &mut stream.filters {
                filter.context = None;
                filter.absent = true;
            }
        });
    }

    fn reset_downstream(&mut self, id: StreamId) {
        self.stream(id, |stream| stream.answer.reset = true);
        self.end_stream(id);
    }

    /// The client has gone away.
    pub(super) fn client_disconnected(&mut self, id: StreamId) {
        const DOWNSTREAM_CONNECTION_TERMINATION: u64 = 0x4000;
        self.stream(id, |stream| {
            if !stream.over {
                stream.details = Some("downstream_remote_disconnect".to_owned());
                stream.flags |= DOWNSTREAM_CONNECTION_TERMINATION;
            }
        });
        self.end_stream(id);
    }

    /// Ends an exchange. Its filters get `on_log` and `on_done` when the running step is done.
    fn end_stream(&mut self, id: StreamId) {
        let now = self.core.borrow().now_ns;
        let ended = self.stream(id, |stream| {
            if std::mem::replace(&mut stream.over, true) {
                return None;
            }
            stream.answer.over_after = since(stream, now);
            let open = stream
                .upstream
                .as_ref()
                .filter(|upstream| !upstream.over)
                .map(|upstream| upstream.outbound);
            Some((stream.details.clone(), stream.answer.complete, open))
        });
        let Some(Some((details, complete, open))) = ended else {
            return;
        };
        if let Some(outbound) = open {
            self.close_upstream(id, outbound, true);
        }
        self.give_up_callouts(id);
        self.core.borrow_mut().record(Event::StreamEnd {
            stream: id,
            details,
            complete,
        });
        self.ending.push_back(id);
    }

    /// Calls `on_log`, `on_done` and `on_delete` of the filters of an exchange that is over.
    pub(super) fn finish_stream(&mut self, id: StreamId) {
        let log_first = self.core.borrow().profile.log_before_done;
        let filters = self
            .stream(id, |stream| stream.filters.len())
            .unwrap_or_default();
        let filters = || (0..filters).map(PluginId);
        if log_first {
            for filter in filters() {
                self.notify_log(id, filter);
            }
        }
        for filter in filters() {
            self.notify_filter(id, filter, Callback::Done);
            if !log_first {
                self.notify_log(id, filter);
            }
            self.notify_filter(id, filter, Callback::Delete);
            let context = self.stream(id, |stream| {
                stream
                    .filter_mut(filter)
                    .and_then(|filter| filter.context.take())
            });
            if let Some(Some(context)) = context {
                self.remove_context(context);
            }
        }
        self.record_outcome(id);
    }

    /// Forgets the context of an exchange, and ends its root where that was replaced meanwhile.
    fn remove_context(&mut self, context: ContextRef) {
        let root = match self.core.borrow_mut().vm_mut(context.vm) {
            Some(vm) if vm.generation == context.generation => {
                let root = vm.root_id(context.context);
                vm.contexts.remove(&context.context);
                root
            }
            _ => None,
        };
        if let Some(root) = root {
            self.delete_root_if_idle(ContextRef {
                context: root,
                ..context
            });
        }
    }

    /// Keeps the outcome of an exchange, and nothing else of it.
    pub(super) fn record_outcome(&mut self, id: StreamId) {
        let outcome = self.outcome(id);
        self.core.borrow_mut().streams.remove(&id);
        self.sent.remove(&id);
        self.upgrade_data.remove(&id);
        self.done.insert(id, outcome);
    }

    /// Calls `on_log`, also of a filter that has not seen the request, as Envoy's access logs are.
    fn notify_log(&mut self, id: StreamId, filter: PluginId) {
        let missing = self.stream(id, |stream| {
            let worker = stream.worker;
            let filter = stream.filter_mut(filter)?;
            filter.logging = true;
            (filter.context.is_none() && !filter.absent && !filter.lost).then_some(worker)
        });
        if let Some(Some(worker)) = missing {
            self.create_context(id, filter, worker);
        }
        self.notify_filter(id, filter, Callback::Log);
        self.stream(id, |stream| {
            if let Some(filter) = stream.filter_mut(filter) {
                filter.logging = false;
            }
        });
    }

    fn notify_filter(&mut self, id: StreamId, filter: PluginId, callback: Callback) {
        let context = self
            .stream(id, |stream| {
                stream.filter(filter).and_then(|filter| filter.context)
            })
            .flatten();
        if let Some(context) = context {
            self.invoke(context, callback);
        }
    }
}

/// Writes the request's `x-request-id` into the answer to it.
fn set_response_request_id(stream: &mut Stream) {
    let request = stream.request.headers.as_ref();
    let id = request.and_then(|headers| headers.first("x-request-id"));
    if let (Some(id), Some(headers)) = (id, &mut stream.response.headers) {
        headers.set("x-request-id", id);
    }
}

fn since(stream: &Stream, now: u64) -> std::time::Duration {
    std::time::Duration::from_nanos(now.saturating_sub(stream.started_ns))
}

fn request_header(stream: &Stream, name: &str) -> Option<String> {
    stream.request.headers.as_ref()?.text(name)
}

fn head_only(stream: &Stream) -> bool {
    request_header(stream, ":method").as_deref() == Some("HEAD")
}

fn is_grpc(stream: &Stream) -> bool {
    request_header(stream, "content-type")
        .is_some_and(|kind| kind == "application/grpc" || kind.starts_with("application/grpc+"))
}

/// Writes a reply: headers and body, in the form that gRPC clients understand where the client is
/// one.
fn write(reply: LocalReply, grpc: bool) -> (Headers, Vec<u8>) {
    let mut headers = Headers::new();
    if grpc {
        headers.add(":status", "200");
        headers.add("content-type", "application/grpc");
        // As Envoy does, which writes type and length of such a reply itself
        // (Utility::prepareLocalReply).
        let framing = [b"content-type".as_slice(), b"content-length"];
        for (name, value) in reply.headers.iter() {
            if !framing.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                headers.add(name, value);
            }
        }
        let status = reply
            .grpc_status
            .unwrap_or_else(|| grpc_status_of(reply.status));
        headers.add("grpc-status", status.to_string());
        if !reply.body.is_empty() {
            headers.add("grpc-message", percent_encoded(&reply.body));
        }
        return (headers, Vec::new());
    }
    headers.add(":status", reply.status.to_string());
    for (name, value) in reply.headers.iter() {
        headers.add(name, value);
    }
    if reply.body.is_empty() {
        headers.remove("content-length");
        headers.remove("content-type");
    } else {
        headers.set("content-length", reply.body.len().to_string());
        if headers.first("content-type").is_none() {
            headers.add("content-type", "text/plain");
        }
    }
    (headers, reply.body)
}

/// gRPC's own mapping of HTTP statuses (grpc/doc/http-grpc-status-mapping.md), as Envoy applies it.
fn grpc_status_of(status: u16) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// The coding of `grpc-message`: printable ASCII but `%` as it is, the rest in hexadecimal.
fn percent_encoded(text: &[u8]) -> String {
    text.iter().fold(String::new(), |mut out, byte| {
        match byte {
            b'%' | 0..=31 | 127..=255 => out.push_str(&format!("%{byte:02X}")),
            _ => out.push(char::from(*byte)),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_with_a_body_has_its_length_and_a_type() {
        let reply = |body: &[u8]| LocalReply {
            status: 403,
            body: body.to_vec(),
            ..LocalReply::default()
        };
        let (headers, body) = write(reply(b"no"), false);
        assert_eq!(
            (
                headers.text("content-length").as_deref(),
                headers.text("content-type").as_deref()
            ),
            (Some("2"), Some("text/plain"))
        );
        assert_eq!(body, b"no");
        let typed = LocalReply {
            headers: [("content-type", &b"application/json"[..])]
                .into_iter()
                .collect(),
            ..reply(b"{}")
        };
        assert_eq!(
            write(typed.clone(), false)
                .0
                .all("content-type")
                .collect::<Vec<_>>(),
            [b"application/json"]
        );
        assert_eq!(
            write(
                LocalReply {
                    body: Vec::new(),
                    ..typed
                },
                false
            )
            .0
            .len(),
            1
        );
    }

    #[test]
    fn a_grpc_client_gets_its_status_in_a_header() {
        let reply = LocalReply {
            status: 403,
            body: b"50% no\n".to_vec(),
            headers: [("content-type", &b"text/plain"[..]), ("x-reason", b"r")]
                .into_iter()
                .collect(),
            ..LocalReply::default()
        };
        let (headers, body) = write(reply, true);
        assert_eq!(headers.text("x-reason").as_deref(), Some("r"));
        assert_eq!(
            headers.all("content-type").collect::<Vec<_>>(),
            [b"application/grpc"]
        );
        assert!(body.is_empty());
        assert_eq!(headers.text(":status").as_deref(), Some("200"));
        assert_eq!(headers.text("grpc-status").as_deref(), Some("7"));
        assert_eq!(headers.text("grpc-message").as_deref(), Some("50%25 no%0A"));
    }
}
