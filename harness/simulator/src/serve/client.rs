//! Clients: their requests go to the gateway piece by piece, and what it answers comes back the
//! same way.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::{Client, DisconnectGuard, FlowControl, Server, ToClient, upgrade};
use crate::{Connection, Headers, StreamId};

/// Bytes that the body of a request may have.
const MAX_BODY: usize = 64 << 20;

/// Headers of one connection that do not go further.
const HOP_BY_HOP: [&str; 4] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
];

/// Whether a header goes beyond the connection that it came on.
pub(super) fn is_end_to_end(name: &str) -> bool {
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
        tokio::task::spawn_local(serve_connection(Rc::clone(&server), connection, socket));
    }
}

/// Serves one connection until it ends. One that breaks has told its exchanges by dropping them.
async fn serve_connection(server: Rc<Server>, mut connection: Connection, socket: TcpStream) {
    let Ok(http2) = begins_http2(&socket).await else {
        return;
    };
    if http2 {
        connection.protocol = "HTTP/2";
    }
    let service = service_fn(|request| exchange(Rc::clone(&server), connection.clone(), request));
    let io = TokioIo::new(socket);
    let _ = if http2 {
        hyper::server::conn::http2::Builder::new(OnThisThread)
            .serve_connection(io, service)
            .await
    } else {
        hyper::server::conn::http1::Builder::new()
            .serve_connection(io, service)
            .with_upgrades()
            .await
    };
}

/// Whether a client speaks HTTP/2 by prior knowledge: such a connection begins with a preface that
/// no request of HTTP/1.1 begins with (RFC 9113, section 3.4).
async fn begins_http2(socket: &TcpStream) -> std::io::Result<bool> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0";
    const POLL: Duration = Duration::from_millis(1);
    let mut seen = [0; PREFACE.len()];
    loop {
        let count = socket.peek(&mut seen).await?;
        let seen = seen.get(..count).unwrap_or_default();
        if count == 0 || !PREFACE.starts_with(seen) {
            return Ok(false);
        }
        if seen == PREFACE {
            return Ok(true);
        }
        // What is there stays readable, so that nothing wakes this when more comes.
        tokio::time::sleep(POLL).await;
    }
}

/// Runs the tasks of HTTP/2 connections beside everything else: a gateway cannot leave its thread.
#[derive(Clone, Copy)]
struct OnThisThread;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for OnThisThread {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

async fn exchange(
    server: Rc<Server>,
    connection: Connection,
    mut request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let upgrade =
        upgrade::is_asked_for(request.headers()).then(|| hyper::upgrade::on(&mut request));
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
        .filter(|(name, _)| is_end_to_end(name.as_str()) && *name != "host")
    {
        headers.add(name.as_str(), value.as_bytes());
    }
    if upgrade.is_some() {
        headers.add("connection", "upgrade");
    }
    let end = upgrade.is_none() && body.is_end_stream();
    let (pieces, mut from_gateway) = mpsc::unbounded_channel();
    let flow = Rc::new(FlowControl::default());
    let client = Client {
        pieces,
        flow: Rc::clone(&flow),
    };
    let id = server.with_gateway(|gateway| {
        let id = gateway.begin(headers, connection, end);
        server.clients.borrow_mut().insert(id, client);
        id
    });
    let guard = DisconnectGuard {
        server: Rc::clone(&server),
        id,
    };
    if !end && upgrade.is_none() {
        tokio::task::spawn_local(forward_request_body(Rc::clone(&server), id, body));
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
    let status = head
        .text(":status")
        .and_then(|status| status.parse::<u16>().ok());
    let status = status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = match upgrade.filter(|_| status == StatusCode::SWITCHING_PROTOCOLS) {
        Some(upgrade) => {
            let talk = upgrade::with_client(upgrade, server, id, from_gateway, flow, guard);
            tokio::task::spawn_local(talk);
            Response::new(ResponseBody::empty())
        }
        None => Response::new(ResponseBody {
            from_gateway,
            flow,
            _presence: Some(guard),
        }),
    };
    *response.status_mut() = status;
    *response.headers_mut() = header_map(&head);
    if status == StatusCode::SWITCHING_PROTOCOLS {
        let connection = HeaderValue::from_static("upgrade");
        response.headers_mut().insert("connection", connection);
    }
    Ok(response)
}

/// Hands the rest of a request over as it comes. A body that does not end is broken off: the
/// upstream gets a request only when it is complete, so all of it is kept until then.
async fn forward_request_body(server: Rc<Server>, id: StreamId, mut body: Incoming) {
    let mut size = 0_usize;
    loop {
        match body.frame().await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    size = size.saturating_add(data.len());
                    if size > MAX_BODY {
                        return server.with_gateway(|gateway| gateway.disconnect(id));
                    }
                    server.with_gateway(|gateway| gateway.send(id, data.to_vec(), false));
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    let trailers = trailers
                        .iter()
                        .map(|(name, value)| (name.as_str(), value.as_bytes()))
                        .collect();
                    return server.with_gateway(|gateway| gateway.send_trailers(id, trailers));
                }
            },
            Some(Err(_)) => return server.with_gateway(|gateway| gateway.disconnect(id)),
            None => return server.with_gateway(|gateway| gateway.send(id, Vec::new(), true)),
        }
    }
}

fn header_map(headers: &Headers) -> HeaderMap {
    let passing = headers.iter().filter_map(|(name, value)| {
        let text = std::str::from_utf8(name)
            .ok()
            .filter(|name| is_end_to_end(name))?;
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

/// The body of an answer, as it comes.
struct ResponseBody {
    from_gateway: mpsc::UnboundedReceiver<ToClient>,
    flow: Rc<FlowControl>,
    _presence: Option<DisconnectGuard>,
}

impl ResponseBody {
    /// None at all.
    fn empty() -> Self {
        let (_, from_gateway) = mpsc::unbounded_channel();
        Self {
            from_gateway,
            flow: Rc::default(),
            _presence: None,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn is_end_stream(&self) -> bool {
        self.from_gateway.is_closed() && self.from_gateway.is_empty()
    }

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        loop {
            return Poll::Ready(
                match std::task::ready!(self.from_gateway.poll_recv(context)) {
                    Some(ToClient::Body(bytes)) => {
                        self.flow.take(bytes.len());
                        Some(Ok(Frame::data(bytes.into())))
                    }
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
