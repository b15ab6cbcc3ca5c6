//! A server on loopback that notes down what it receives and answers as its script says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Shared;
use super::body::{BrokenOff, Scripted, header_map, headers, say};
use crate::engine::{QUIET, Received, Script};
use crate::file::{Answer, Body, Cluster, End, Headers, Reply};

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
        let state = PeerState {
            cluster: name.to_owned(),
            ledger,
            script: Arc::clone(&script),
        };
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = state.clone();
                tokio::spawn(async move { state.serve(stream, http2).await });
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
struct PeerState {
    cluster: String,
    ledger: Shared,
    script: Arc<Mutex<Script>>,
}

impl PeerState {
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
                    .with_upgrades()
                    .await,
            );
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Scripted>, BrokenOff> {
        let (index, answer) = self.note(&request);
        let asked = headers(request.headers());
        if let Answer::Reply(reply) = &answer
            && reply.switches()
        {
            sleep(Duration::from_millis(reply.after_ms)).await;
            tokio::spawn(self.converse(index, reply.clone(), hyper::upgrade::on(request)));
            return Ok(response(reply, &asked));
        }
        let body = request.into_body();
        match answer {
            Answer::Reply(reply) if reply.early => {
                tokio::spawn(async move { self.receive(index, body).await });
                sleep(Duration::from_millis(reply.after_ms)).await;
                Ok(response(&reply, &asked))
            }
            Answer::Reply(reply) => {
                self.receive(index, body).await?;
                sleep(Duration::from_millis(reply.after_ms)).await;
                Ok(response(&reply, &asked))
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

    /// Says on an upgraded connection what the script has to say, and notes what it hears; ends it
    /// a while after.
    async fn converse(self, index: usize, reply: Box<Reply>, upgrade: hyper::upgrade::OnUpgrade) {
        let Ok(upgraded) = upgrade.await else {
            return;
        };
        let (mut hears, mut speaks) = tokio::io::split(TokioIo::new(upgraded));
        let listen = async {
            let mut heard = BytesMut::new();
            while let Ok(1..) = hears.read_buf(&mut heard).await {
                self.with(index, |received| received.body = heard.to_vec());
            }
            // Ended by the other side, or not at all.
            std::future::pending::<()>().await;
        };
        let speak = async {
            say(&reply.body, &mut speaks).await;
            match reply.end {
                End::Complete | End::Reset => sleep(QUIET).await,
                End::Hang => std::future::pending().await,
            }
        };
        tokio::select! {
            () = listen => {}
            () = speak => {}
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

fn response(reply: &Reply, asked: &Headers) -> Response<Scripted> {
    let mut response = Response::new(match reply.switches() {
        // What it says then is no body.
        true => Scripted::new(&Body::default(), End::Complete),
        false => Scripted::new(&reply.body, reply.end),
    });
    *response.status_mut() = hyper::StatusCode::from_u16(reply.status).unwrap_or_default();
    *response.headers_mut() = header_map(&reply.headers_for(asked));
    response
}
