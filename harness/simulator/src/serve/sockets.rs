//! Clusters behind real sockets: requests of the gateway go out as tasks, their answers come back
//! as events.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::StatusCode;
use hyper::body::Body as _;
use hyper::header::{HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::client::is_end_to_end;
use super::{FlowControl, Server, upgrade};
use crate::{Arrivals, Headers, Inbound, Network, Outbound, OutboundId};

/// What is to be done with a request.
#[derive(Debug)]
pub(super) enum Command {
    Send(OutboundId, Outbound),
    /// What follows a request that asked for an upgrade.
    SendUpgraded(OutboundId, Vec<u8>),
    Reset(OutboundId),
}

/// The clusters, as the gateway sees them.
pub(super) struct Sockets {
    clusters: BTreeSet<String>,
    commands: mpsc::UnboundedSender<Command>,
}

impl Sockets {
    pub fn new(clusters: BTreeSet<String>, commands: mpsc::UnboundedSender<Command>) -> Self {
        Self { clusters, commands }
    }

    fn command(&self, command: Command) {
        // The other end lives as long as the server.
        let _ = self.commands.send(command);
    }
}

impl Network for Sockets {
    fn has_cluster(&self, cluster: &str) -> bool {
        self.clusters.contains(cluster)
    }

    fn headers_sent(&mut self, outbound: OutboundId, request: &Outbound) -> Arrivals {
        if request.upgrade {
            self.command(Command::Send(outbound, request.clone()));
        }
        Arrivals::new()
    }

    fn upgraded_bytes_sent(&mut self, outbound: OutboundId, bytes: &[u8]) -> Arrivals {
        self.command(Command::SendUpgraded(outbound, bytes.to_vec()));
        Arrivals::new()
    }

    fn request_sent(&mut self, outbound: OutboundId, request: &Outbound) -> Arrivals {
        if !request.upgrade {
            self.command(Command::Send(outbound, request.clone()));
        }
        Arrivals::new()
    }

    fn request_reset(&mut self, outbound: OutboundId) {
        self.command(Command::Reset(outbound));
    }
}

/// Carries requests out and answers back for as long as the server lives.
pub(super) async fn run_commands(
    server: Rc<Server>,
    clusters: BTreeMap<String, SocketAddr>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let mut running: HashMap<OutboundId, RunningRequest> = HashMap::new();
    while let Some(command) = commands.recv().await {
        running.retain(|_, outbound| !outbound.task.is_finished());
        match command {
            Command::Send(outbound, request) => {
                let Some(address) = clusters.get(&request.cluster).copied() else {
                    continue;
                };
                let (says, said) = mpsc::unbounded_channel();
                let task = run_request(Rc::clone(&server), outbound, address, request, said);
                let task = tokio::task::spawn_local(task).abort_handle();
                running.insert(outbound, RunningRequest { task, says });
            }
            Command::SendUpgraded(outbound, bytes) => {
                if let Some(outbound) = running.get(&outbound) {
                    // It may have ended meanwhile.
                    let _ = outbound.says.send(bytes);
                }
            }
            Command::Reset(outbound) => {
                if let Some(outbound) = running.remove(&outbound) {
                    outbound.task.abort();
                }
            }
        }
    }
}

/// A request that has gone out.
struct RunningRequest {
    task: AbortHandle,
    /// What follows an upgrade.
    says: mpsc::UnboundedSender<Vec<u8>>,
}

async fn run_request(
    server: Rc<Server>,
    outbound: OutboundId,
    address: SocketAddr,
    request: Outbound,
    said: mpsc::UnboundedReceiver<Vec<u8>>,
) {
    let flow = server.flow(outbound);
    let deliver = |arrival| server.with_gateway(|gateway| gateway.deliver(outbound, arrival));
    let Ok(socket) = TcpStream::connect(address).await else {
        return deliver(Inbound::Refused);
    };
    if exchange(socket, request, said, flow.as_deref(), &deliver)
        .await
        .is_err()
    {
        deliver(Inbound::Reset);
    }
}

async fn exchange(
    socket: TcpStream,
    request: Outbound,
    said: mpsc::UnboundedReceiver<Vec<u8>>,
    flow: Option<&FlowControl>,
    deliver: &impl Fn(Inbound),
) -> Result<()> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    let connection = tokio::task::spawn_local(connection.with_upgrades());
    let mut response = sender.send_request(written(request)?).await?;
    let mut headers = Headers::new();
    headers.add(":status", response.status().as_str());
    for (name, value) in response
        .headers()
        .iter()
        .filter(|(name, _)| is_end_to_end(name.as_str()))
    {
        headers.add(name.as_str(), value.as_bytes());
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        headers.add("connection", "upgrade");
        deliver(Inbound::Head {
            headers,
            end: false,
        });
        return upgrade::with_upstream(response, said, flow, deliver).await;
    }
    // A length of 0 is known with the head, as Envoy's codec knows it.
    let end = response.body().is_end_stream();
    deliver(Inbound::Head { headers, end });
    if end {
        connection.abort();
        return Ok(());
    }
    loop {
        if let Some(flow) = flow {
            flow.writable().await;
        }
        let Some(frame) = response.frame().await else {
            break;
        };
        match frame?.into_data() {
            Ok(data) => deliver(Inbound::Body {
                bytes: data.to_vec(),
                end: false,
            }),
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                let trailers = trailers
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_bytes()))
                    .collect();
                deliver(Inbound::Trailers(trailers));
                return Ok(());
            }
        }
    }
    connection.abort();
    deliver(Inbound::Body {
        bytes: Vec::new(),
        end: true,
    });
    Ok(())
}

fn written(request: Outbound) -> Result<hyper::Request<Full<Bytes>>> {
    let text = |name: &str| request.headers.text(name).unwrap_or_default();
    let mut out = hyper::Request::builder()
        .method(text(":method").as_str())
        .uri(text(":path"))
        .header("host", text(":authority"));
    // The length is that of the body as it leaves, whatever the client announced.
    for (name, value) in request
        .headers
        .iter()
        .filter(|(name, _)| *name != b"content-length")
    {
        if let Some(name) = std::str::from_utf8(name)
            .ok()
            .filter(|name| is_end_to_end(name))
        {
            out = out.header(HeaderName::try_from(name)?, HeaderValue::from_bytes(value)?);
        }
    }
    if request.upgrade {
        out = out.header("connection", "upgrade");
    }
    Ok(out.body(Full::new(request.body.into()))?)
}
