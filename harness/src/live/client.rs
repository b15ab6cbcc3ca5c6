//! Clients: their requests go to the gateway piece by piece, and what it answers comes back the same way.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::Server;
use crate::proxy::{Connection, Headers, StreamId};

/// What a client is sent.
#[derive(Debug)]
pub(super) enum ToClient {
    Head(Headers),
    Body(Vec<u8>),
    Trailers(Headers),
    /// The exchange is over; `false` when the answer is not whole.
    Over(bool),
}

/// Headers of one connection that do not go further.
const HOP_BY_HOP: [&str; 4] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
];

/// Whether a header goes beyond the connection that it came on.
pub(super) fn passes(name: &str) -> bool {
    !HOP_BY_HOP.contains(&name) && !name.starts_with(':')
}

/// Takes connections for as long as the server lives.
pub(super) async fn accept(server: Rc<Server>, listener: TcpListener) {
    let mut connections = 0_u64;
    let Ok(destination) = listener.local_addr() else {
        return;
    };
    loop {
        let Ok((socket, source)) = listener.accept().await else {
            continue;
        };
        connections = connections.wrapping_add(1);
        let connection = Connection {
            source,
            destination,
            id: connections,
            protocol: "HTTP/1.1",
        };
        let server = Rc::clone(&server);
        tokio::task::spawn_local(async move {
            let service =
                service_fn(|request| exchange(Rc::clone(&server), connection.clone(), request));
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service);
            // A connection that breaks has told its exchange by dropping it.
            let _ = served.await;
        });
    }
}

async fn exchange(
    server: Rc<Server>,
    connection: Connection,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let (parts, body) = request.into_parts();
    let mut headers = Headers::new();
    let host = parts
        .headers
        .get("host")
        .map(|host| host.as_bytes().to_vec());
    let authority = parts
        .uri
        .authority()
        .map(|authority| authority.as_str().as_bytes().to_vec());
    headers.add(":authority", authority.or(host).unwrap_or_default());
    headers.add(
        ":path",
        parts.uri.path_and_query().map_or("/", |path| path.as_str()),
    );
    headers.add(":method", parts.method.as_str());
    headers.add(":scheme", "http");
    for (name, value) in parts
        .headers
        .iter()
        .filter(|(name, _)| passes(name.as_str()) && *name != "host")
    {
        headers.add(name.as_str(), value.as_bytes());
    }
    let end = body.is_end_stream();
    let (to_client, mut from_gateway) = mpsc::unbounded_channel();
    let id = server.act(|gateway| {
        let id = gateway.begin(headers, connection, end);
        server.clients.borrow_mut().insert(id, to_client);
        id
    });
    let presence = Presence {
        server: Rc::clone(&server),
        id,
    };
    if !end {
        tokio::task::spawn_local(upload(server, id, body));
    }
    let head = loop {
        match from_gateway.recv().await {
            Some(ToClient::Head(head)) => break head,
            // Over before it began: nothing can be told but by closing.
            Some(ToClient::Over(_)) | None => {
                break [(":status", &b"502"[..])].into_iter().collect();
            }
            Some(_) => {}
        }
    };
    let mut response = Response::new(Answer {
        from_gateway,
        _presence: presence,
    });
    let status = head
        .text(":status")
        .and_then(|status| status.parse::<u16>().ok());
    *response.status_mut() = status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = header_map(&head);
    Ok(response)
}

/// Hands the rest of a request over as it comes.
async fn upload(server: Rc<Server>, id: StreamId, mut body: Incoming) {
    loop {
        match body.frame().await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => server.act(|gateway| gateway.send(id, data.to_vec(), false)),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    let trailers = trailers
                        .iter()
                        .map(|(name, value)| (name.as_str(), value.as_bytes()))
                        .collect();
                    return server.act(|gateway| gateway.send_trailers(id, trailers));
                }
            },
            Some(Err(_)) => return server.act(|gateway| gateway.disconnect(id)),
            None => return server.act(|gateway| gateway.send(id, Vec::new(), true)),
        }
    }
}

fn header_map(headers: &Headers) -> HeaderMap {
    let passing = headers.iter().filter_map(|(name, value)| {
        let text = std::str::from_utf8(name).ok().filter(|name| passes(name))?;
        Some((
            HeaderName::try_from(text).ok()?,
            HeaderValue::from_bytes(value).ok()?,
        ))
    });
    let mut map = HeaderMap::new();
    for (name, value) in passing {
        map.append(name, value);
    }
    map
}

/// A client's presence: when it is dropped before the exchange is over, the client has left.
struct Presence {
    server: Rc<Server>,
    id: StreamId,
}

impl Drop for Presence {
    fn drop(&mut self) {
        if self.server.clients.borrow().contains_key(&self.id) {
            self.server.act(|gateway| gateway.disconnect(self.id));
        }
    }
}

/// The body of an answer, as it comes.
struct Answer {
    from_gateway: mpsc::UnboundedReceiver<ToClient>,
    _presence: Presence,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        loop {
            return Poll::Ready(
                match std::task::ready!(self.from_gateway.poll_recv(context)) {
                    Some(ToClient::Body(bytes)) => Some(Ok(Frame::data(bytes.into()))),
                    Some(ToClient::Trailers(trailers)) => {
                        Some(Ok(Frame::trailers(header_map(&trailers))))
                    }
                    Some(ToClient::Over(false)) => {
                        Some(Err(std::io::Error::other("the answer was broken off")))
                    }
                    Some(ToClient::Over(true)) | None => None,
                    Some(ToClient::Head(_)) => continue,
                },
            );
        }
    }
}
