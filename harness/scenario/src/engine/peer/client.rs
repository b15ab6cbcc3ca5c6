//! A client that sends one request on a connection of its own and keeps what comes back, whole or
//! not.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request as HttpRequest, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::body::{Scripted, header_map, headers, say};
use crate::engine::{Ended, Exchange};
use crate::file::{Body, CONNECT, End, Request};

/// How long a server has for its settings of HTTP/2.
const SETTINGS: Duration = Duration::from_millis(50);

/// Sends a request to a loopback port; also tells the port that it came from.
pub async fn exchange(port: u16, request: &Request, patience: Duration) -> Result<(Exchange, u16)> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let from = stream.local_addr()?.port();
    let message = message(request)?;
    let mut seen = Exchange::default();
    let mut connection = None;
    let talk = converse(stream, message, request, &mut seen, &mut connection);
    let (limit, ended) = match request.disconnect_after_ms {
        Some(ms) if Duration::from_millis(ms) < patience => {
            (Duration::from_millis(ms), Ended::Left)
        }
        _ => (patience, Ended::Hung),
    };
    let end = match timeout(limit, talk).await {
        Ok(end) => end?,
        Err(_) => ended,
    };
    // Closes the socket.
    if let Some(connection) = connection {
        connection.abort();
    }
    seen.end = end;
    Ok((seen, from))
}

fn message(request: &Request) -> Result<HttpRequest<Scripted>> {
    let extended = request.upgrade.as_ref().filter(|_| request.http2);
    let uri = if request.upgrade.as_deref() == Some(CONNECT) {
        request.authority.clone()
    } else if request.http2 {
        format!("http://{}{}", request.authority, request.path)
    } else {
        request.path.clone()
    };
    let method = match extended {
        Some(_) => CONNECT,
        None => request.method.as_str(),
    };
    let mut message =
        HttpRequest::builder()
            .method(method)
            .uri(uri)
            .body(match &request.upgrade {
                Some(_) => Scripted::new(&Body::default(), End::Complete),
                None => Scripted::new(&request.body, End::Complete),
            })?;
    *message.version_mut() = if request.http2 {
        Version::HTTP_2
    } else {
        Version::HTTP_11
    };
    let map = header_map(&request.headers);
    anyhow::ensure!(
        map.len() == request.headers.len(),
        "a header that HTTP cannot carry"
    );
    *message.headers_mut() = map;
    if let Some(protocol) = extended.filter(|protocol| *protocol != CONNECT) {
        // In place of the headers that say so by HTTP/1.1.
        for name in [hyper::header::CONNECTION, hyper::header::UPGRADE] {
            message.headers_mut().remove(name);
        }
        let protocol = hyper::ext::Protocol::from(protocol.as_str());
        message.extensions_mut().insert(protocol);
    }
    if !request.http2 {
        message.headers_mut().insert(
            hyper::header::HOST,
            request.authority.parse().context("not an authority")?,
        );
    }
    Ok(message)
}

async fn converse(
    stream: TcpStream,
    message: HttpRequest<Scripted>,
    request: &Request,
    seen: &mut Exchange,
    connection: &mut Option<JoinHandle<()>>,
) -> Result<Ended> {
    let (http2, says) = (request.http2, &request.body);
    let io = TokioIo::new(stream);
    let answer = if http2 {
        let (mut sender, conn) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        *connection = Some(tokio::spawn(async move { drop(conn.await) }));
        if message.extensions().get::<hyper::ext::Protocol>().is_some() {
            // Whether the server takes it stands in its settings, which come first.
            tokio::time::sleep(SETTINGS).await;
        }
        let answer = sender.send_request(message).await;
        answer.map(|answer| (answer, Sender::Two(sender)))
    } else {
        let (mut sender, conn) = hyper::client::conn::http1::Builder::new()
            .preserve_header_case(false)
            .handshake(io)
            .await?;
        *connection = Some(tokio::spawn(
            async move { drop(conn.with_upgrades().await) },
        ));
        let answer = sender.send_request(message).await;
        answer.map(|answer| (answer, Sender::One(sender)))
    };
    match answer {
        Ok((answer, sender)) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
            let ended = converse_upgraded(answer, says, seen).await;
            drop(sender);
            ended
        }
        // The sender must live as long as the answer is read.
        Ok((answer, sender)) => {
            let ended = read(answer, seen).await;
            drop(sender);
            Ok(ended)
        }
        Err(_) => Ok(Ended::Reset),
    }
}

#[allow(dead_code)] // Held, never used: dropping it would end an HTTP/2 connection.
enum Sender {
    One(hyper::client::conn::http1::SendRequest<Scripted>),
    Two(hyper::client::conn::http2::SendRequest<Scripted>),
}

/// Says on an upgraded connection what it has to say, and keeps what it hears until the other side
/// ends it.
async fn converse_upgraded(
    answer: Response<Incoming>,
    says: &Body,
    seen: &mut Exchange,
) -> Result<Ended> {
    seen.status = Some(answer.status().as_u16());
    seen.headers = headers(answer.headers());
    let upgraded = hyper::upgrade::on(answer).await?;
    let (mut hears, mut speaks) = tokio::io::split(TokioIo::new(upgraded));
    let mut bytes = BytesMut::new();
    let listen = async {
        loop {
            match hears.read_buf(&mut bytes).await {
                Ok(0) => return Ended::Complete,
                Ok(_) => seen.body = bytes.clone().freeze(),
                Err(_) => return Ended::Reset,
            }
        }
    };
    let (ended, ()) = tokio::join!(listen, say(says, &mut speaks));
    Ok(ended)
}

async fn read(answer: Response<Incoming>, seen: &mut Exchange) -> Ended {
    let (head, mut body) = answer.into_parts();
    seen.status = Some(head.status.as_u16());
    seen.headers = headers(&head.headers);
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Ended::Reset;
        };
        match frame.into_data() {
            Ok(data) => {
                bytes.extend_from_slice(&data);
                // At once: the client may be cut off at any time.
                seen.body = bytes.clone().freeze();
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    seen.trailers = headers(&trailers);
                }
            }
        }
    }
    Ended::Complete
}
