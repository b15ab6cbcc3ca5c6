//! An HTTP server on loopback that can go away and come back on the same port, as real services do.
//!
//! The port stays reserved while the server is down: whoever connects is refused, and no other
//! program can take it meanwhile.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The largest request body that is read, in bytes.
const LIMIT: usize = 8 << 20;
/// How many connections may wait to be accepted.
const BACKLOG: u32 = 128;

/// The body of an answer, whole or in pieces that come with time.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What answers the requests of a [`Loopback`].
pub trait Service: Send + Sync + 'static {
    /// Answers one request, whose body has come whole.
    fn answer(&self, request: Request<Bytes>) -> impl Future<Output = Response<Body>> + Send;
}

/// A server; it ends when dropped.
pub struct Loopback {
    port: u16,
    /// Holds the port; never listens.
    _reserved: TcpSocket,
    serve: Box<dyn Fn(TcpListener) -> JoinHandle<()> + Send + Sync>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loopback({})", self.port)
    }
}

impl Loopback {
    /// Starts listening on `port`; 0 = any free one.
    ///
    /// # Errors
    /// If the port is taken.
    pub fn start<S: Service>(service: Arc<S>, port: u16) -> Result<Self> {
        let reserved = bound(port)?;
        let server = Self {
            port: reserved.local_addr()?.port(),
            _reserved: reserved,
            serve: Box::new(move |listener| tokio::spawn(accept(listener, Arc::clone(&service)))),
            task: Mutex::new(None),
        };
        server.up()?;
        Ok(server)
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Goes away: connections break, and new ones are refused.
    pub fn down(&self) {
        if let Some(task) = self.lock().take() {
            task.abort();
        }
    }

    /// Comes back. Nothing happens if it is there.
    ///
    /// # Errors
    /// If the port cannot be listened on.
    pub fn up(&self) -> Result<()> {
        let mut task = self.lock();
        if task.is_none() {
            *task = Some((self.serve)(bound(self.port)?.listen(BACKLOG)?));
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.down();
    }
}

/// A socket on a loopback port that another may share, as long as only one listens.
fn bound(port: u16) -> Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    socket
        .bind(address)
        .with_context(|| format!("cannot listen on {address}"))?;
    Ok(socket)
}

/// Serves until it is dropped, and every connection with it.
async fn accept<S: Service>(listener: TcpListener, service: Arc<S>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(converse(stream, Arc::clone(&service)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse<S: Service>(stream: TcpStream, service: Arc<S>) {
    drop(stream.set_nodelay(true));
    let answer = service_fn(|request: Request<Incoming>| {
        let service = Arc::clone(&service);
        async move {
            let (head, body) = request.into_parts();
            // A body that breaks off, or is too long, ends the connection.
            let body = Limited::new(body, LIMIT).collect().await;
            let body = body.map_err(std::io::Error::other)?.to_bytes();
            let answer = service.answer(Request::from_parts(head, body)).await;
            Ok::<_, std::io::Error>(answer)
        }
    });
    // An error here is the peer going away.
    drop(
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), answer)
            .await,
    );
}

/// An answer whose body is there already.
pub fn whole(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer in JSON.
pub fn json(status: StatusCode, body: &Json) -> Response<Body> {
    whole(status, "application/json", body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Call, send};

    struct Echo;

    impl Service for Echo {
        async fn answer(&self, request: Request<Bytes>) -> Response<Body> {
            whole(StatusCode::OK, "text/plain", request.into_body())
        }
    }

    #[tokio::test]
    async fn a_server_goes_away_and_comes_back_on_the_same_port() {
        let server = Loopback::start(Arc::new(Echo), 0).unwrap();
        let call = Call::post("/", "hello");
        for _ in 0..3 {
            let answer = send(server.port(), &call).await.unwrap();
            assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
            server.down();
            assert!(send(server.port(), &call).await.is_err());
            server.up().unwrap();
            server.up().unwrap();
        }
    }

    #[tokio::test]
    async fn open_connections_break_when_the_server_goes_away() {
        use tokio::io::AsyncReadExt;
        let server = Loopback::start(Arc::new(Echo), 0).unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", server.port()))
            .await
            .unwrap();
        // Accepted once another one has been served.
        send(server.port(), &Call::post("/", "x")).await.unwrap();
        server.down();
        let mut byte = [0];
        assert!(matches!(stream.read(&mut byte).await, Ok(0) | Err(_)));
    }

    #[tokio::test]
    async fn the_port_stays_reserved_while_the_server_is_down() {
        let server = Loopback::start(Arc::new(Echo), 0).unwrap();
        server.down();
        // Once the task is gone, and its listener with it.
        while TcpStream::connect(("127.0.0.1", server.port()))
            .await
            .is_ok()
        {
            tokio::task::yield_now().await;
        }
        let other = TcpSocket::new_v4().unwrap();
        assert!(other.bind(([127, 0, 0, 1], server.port()).into()).is_err());
    }
}
