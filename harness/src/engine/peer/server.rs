//! A server on loopback that notes down what it receives and answers as its script says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Shared;
use super::body::{BrokenOff, Scripted, header_map, headers};
use crate::engine::{Received, Script};
use crate::scenario::{Answer, Cluster, Reply};

/// A server; it stops when dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub port: u16,
    script: Arc<Mutex<Script>>,
    task: Option<JoinHandle<()>>,
    /// A port that is taken and does not listen: whoever connects is refused.
    _deaf: Option<TcpSocket>,
}

impl Server {
    /// Starts listening on a free loopback port.
    pub async fn start(name: &str, cluster: Cluster, ledger: Shared) -> Result<Self> {
        let (refuses, http2) = (cluster.refuses(), cluster.http2);
        let script = Arc::new(Mutex::new(Script::new(cluster)));
        if refuses {
            let socket = TcpSocket::new_v4()?;
            socket.bind(([127, 0, 0, 1], 0).into())?;
            let port = socket.local_addr()?.port();
            return Ok(Self {
                port,
                script,
                task: None,
                _deaf: Some(socket),
            });
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let desk = Desk {
            cluster: name.to_owned(),
            ledger,
            script: Arc::clone(&script),
        };
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let desk = desk.clone();
                tokio::spawn(async move { desk.serve(stream, http2).await });
            }
        });
        Ok(Self {
            port,
            script,
            task: Some(task),
            _deaf: None,
        })
    }

    /// Answers by another script from now on.
    pub fn rescript(&self, cluster: Cluster) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = Script::new(cluster);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// What every connection of a server shares.
#[derive(Clone, Debug)]
struct Desk {
    cluster: String,
    ledger: Shared,
    script: Arc<Mutex<Script>>,
}

impl Desk {
    async fn serve(self, stream: TcpStream, http2: bool) {
        // An error here is the proxy going away, which the scenario sees elsewhere.
        drop(stream.set_nodelay(true));
        let io = TokioIo::new(stream);
        let service = service_fn(|request| self.clone().answer(request));
        if http2 {
            drop(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(io, service)
                    .await,
            );
        } else {
            drop(
                hyper::server::conn::http1::Builder::new()
                    .half_close(false)
                    .serve_connection(io, service)
                    .await,
            );
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Scripted>, BrokenOff> {
        let (index, answer) = self.note(&request);
        let body = request.into_body();
        match answer {
            Answer::Reply(reply) if reply.early => {
                tokio::spawn(async move { self.receive(index, body).await });
                sleep(Duration::from_millis(reply.after_ms)).await;
                Ok(response(&reply))
            }
            Answer::Reply(reply) => {
                self.receive(index, body).await?;
                sleep(Duration::from_millis(reply.after_ms)).await;
                Ok(response(&reply))
            }
            Answer::Reset(after_ms) => {
                self.receive(index, body).await?;
                sleep(Duration::from_millis(after_ms)).await;
                Err(BrokenOff)
            }
            Answer::Hang | Answer::Refuse => {
                self.receive(index, body).await?;
                std::future::pending().await
            }
        }
    }

    /// Notes the head of a request; says where, and what to answer.
    fn note(&self, request: &Request<Incoming>) -> (usize, Answer) {
        let uri = request.uri();
        let path = uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        let mut all = headers(request.headers());
        let host = all
            .iter()
            .find(|(name, _)| name == "host")
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        all.retain(|(name, _)| name != "host");
        let answer = self
            .script
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next(&path);
        let mut ledger = self.ledger.lock();
        let during = match ledger.open.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        let received = Received {
            during,
            method: request.method().to_string(),
            path,
            authority: uri
                .authority()
                .map(ToString::to_string)
                .or(host)
                .unwrap_or_default(),
            headers: all,
            ..Received::default()
        };
        let list = ledger.received.entry(self.cluster.clone()).or_default();
        list.push(received);
        (list.len().saturating_sub(1), answer)
    }

    /// Notes the rest of a request as it comes.
    async fn receive(&self, index: usize, mut body: Incoming) -> Result<(), BrokenOff> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| BrokenOff)?;
            self.with(index, |received| match frame.into_data() {
                Ok(data) => received.body.extend_from_slice(&data),
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        received.trailers = headers(&trailers);
                    }
                }
            });
        }
        self.with(index, |received| received.complete = true);
        Ok(())
    }

    fn with(&self, index: usize, change: impl FnOnce(&mut Received)) {
        if let Some(received) = self
            .ledger
            .lock()
            .received
            .get_mut(&self.cluster)
            .and_then(|list| list.get_mut(index))
        {
            change(received);
        }
    }
}

fn response(reply: &Reply) -> Response<Scripted> {
    let mut response = Response::new(Scripted::new(&reply.body, reply.end));
    *response.status_mut() = hyper::StatusCode::from_u16(reply.status).unwrap_or_default();
    *response.headers_mut() = header_map(&reply.headers);
    response
}
