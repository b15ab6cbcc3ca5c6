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

use super::client::passes;
use super::{Flow, Server, upgrade};
use crate::{Arrivals, FlightId, Headers, Inbound, Network, Outbound};

/// What is to be done with a request.
#[derive(Debug)]
pub(super) enum Order {
    Send(FlightId, Outbound),
    /// What follows a request that asked for an upgrade.
    Say(FlightId, Vec<u8>),
    Abandon(FlightId),
}

/// The clusters, as the gateway sees them.
pub(super) struct Sockets {
    clusters: BTreeSet<String>,
    orders: mpsc::UnboundedSender<Order>,
}

impl Sockets {
    pub fn new(clusters: BTreeSet<String>, orders: mpsc::UnboundedSender<Order>) -> Self {
        Self { clusters, orders }
    }

    fn order(&self, order: Order) {
        // The other end lives as long as the server.
        let _ = self.orders.send(order);
    }
}

impl Network for Sockets {
    fn knows(&self, cluster: &str) -> bool {
        self.clusters.contains(cluster)
    }

    fn opened(&mut self, flight: FlightId, request: &Outbound) -> Arrivals {
        if request.upgrade {
            self.order(Order::Send(flight, request.clone()));
        }
        Arrivals::new()
    }

    fn said(&mut self, flight: FlightId, bytes: &[u8]) -> Arrivals {
        self.order(Order::Say(flight, bytes.to_vec()));
        Arrivals::new()
    }

    fn completed(&mut self, flight: FlightId, request: &Outbound) -> Arrivals {
        if !request.upgrade {
            self.order(Order::Send(flight, request.clone()));
        }
        Arrivals::new()
    }

    fn abandoned(&mut self, flight: FlightId) {
        self.order(Order::Abandon(flight));
    }
}

/// Carries requests out and answers back for as long as the server lives.
pub(super) async fn carry(
    server: Rc<Server>,
    clusters: BTreeMap<String, SocketAddr>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let mut under_way: HashMap<FlightId, UnderWay> = HashMap::new();
    while let Some(order) = orders.recv().await {
        under_way.retain(|_, flight| !flight.task.is_finished());
        match order {
            Order::Send(flight, request) => {
                let Some(address) = clusters.get(&request.cluster).copied() else {
                    continue;
                };
                let (says, said) = mpsc::unbounded_channel();
                let task = fly(Rc::clone(&server), flight, address, request, said);
                let task = tokio::task::spawn_local(task).abort_handle();
                under_way.insert(flight, UnderWay { task, says });
            }
            Order::Say(flight, bytes) => {
                if let Some(flight) = under_way.get(&flight) {
                    // It may have ended meanwhile.
                    let _ = flight.says.send(bytes);
                }
            }
            Order::Abandon(flight) => {
                if let Some(flight) = under_way.remove(&flight) {
                    flight.task.abort();
                }
            }
        }
    }
}

/// A request that has gone out.
struct UnderWay {
    task: AbortHandle,
    /// What follows an upgrade.
    says: mpsc::UnboundedSender<Vec<u8>>,
}

async fn fly(
    server: Rc<Server>,
    flight: FlightId,
    address: SocketAddr,
    request: Outbound,
    said: mpsc::UnboundedReceiver<Vec<u8>>,
) {
    let flow = server.flow(flight);
    let deliver = |arrival| server.run_deferred(|gateway| gateway.deliver(flight, arrival));
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
    flow: Option<&Flow>,
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
        .filter(|(name, _)| passes(name.as_str()))
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
            flow.room().await;
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
        if let Some(name) = std::str::from_utf8(name).ok().filter(|name| passes(name)) {
            out = out.header(HeaderName::try_from(name)?, HeaderValue::from_bytes(value)?);
        }
    }
    if request.upgrade {
        out = out.header("connection", "upgrade");
    }
    Ok(out.body(Full::new(request.body.into()))?)
}
