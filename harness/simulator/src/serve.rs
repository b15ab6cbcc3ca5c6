//! The simulated proxy as a server: real clients, real upstreams, real time.
//!
//! Everything lives on one thread: a gateway cannot leave the thread that built it. Connections,
//! calls to clusters and the clock are tasks there; each hands its event to the gateway, and what
//! the gateway made of it goes out at once. Clients speak HTTP/1.1 or HTTP/2, upstreams HTTP/1.1,
//! all without TLS; a request leaves when it is complete, an answer passes as it comes, and no
//! faster than the client takes it. What follows an upgrade passes both ways as it comes. Nothing
//! is kept of an exchange that is over.

mod client;
mod sockets;
mod upgrade;

use std::cell::{Cell, RefCell};
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher as _;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::{
    Builder, Event, Gateway, Headers, LogLine, Metric, OutboundId, Outcome, StreamId, Timeline,
};
use sockets::Sockets;

/// Bytes of an answer that wait for their client before the upstream has to wait too.
const CLIENT_BACKLOG: usize = 1 << 20;

/// What a server is started from.
pub struct Settings {
    /// Where to listen; port 0 for any.
    pub listen: SocketAddr,
    /// Where clusters are.
    pub clusters: BTreeMap<String, SocketAddr>,
    /// Called with each log line of a filter.
    pub on_log: Box<dyn Fn(&LogLine) + Send>,
    /// Called with the outcome of each exchange that is over. What the client was sent is not kept.
    pub on_end: Box<dyn Fn(&Outcome) + Send>,
}

/// A request for all metrics.
type MetricsRequest = oneshot::Sender<BTreeMap<String, Metric>>;

/// A running server. It stops when this is dropped.
pub struct RunningServer {
    address: SocketAddr,
    metrics_requests: mpsc::UnboundedSender<MetricsRequest>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RunningServer {
    /// Starts a server. `configure` adds profile, routes and filters to the builder, on the
    /// server's thread.
    ///
    /// # Errors
    /// The address is taken, or a filter does not start.
    pub fn start(
        settings: Settings,
        configure: impl FnOnce(Builder) -> Result<Builder> + Send + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind(settings.listen)
            .with_context(|| format!("cannot listen on {}", settings.listen))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let (metrics_requests, asked) = mpsc::unbounded_channel();
        let (started, starting) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("gateway".into())
            .spawn(move || {
                // Whoever waits for the start may be gone; then the sender is dropped and this ends
                // too.
                let ready = || drop(started.send(Ok(())));
                let served = serve(settings, configure, listener, asked, stopped, ready);
                if let Err(error) = served {
                    let _ = started.send(Err(error));
                }
            })?;
        starting.recv().context("the server has ended")??;
        Ok(Self {
            address,
            metrics_requests,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All metrics by name.
    ///
    /// # Errors
    /// The server has ended.
    pub async fn metrics(&self) -> Result<BTreeMap<String, Metric>> {
        let (request, answer) = oneshot::channel();
        // A server that has ended drops the request, and with it the answer.
        let _ = self.metrics_requests.send(request);
        answer.await.context("the server has ended")
    }

    /// Whether it has ended, which it should not.
    pub fn ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

/// Serves until told to stop.
fn serve(
    settings: Settings,
    configure: impl FnOnce(Builder) -> Result<Builder>,
    listener: TcpListener,
    asked: mpsc::UnboundedReceiver<MetricsRequest>,
    stopped: oneshot::Receiver<()>,
    ready: impl FnOnce(),
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let Settings {
            clusters,
            on_log,
            on_end,
            listen: _,
        } = settings;
        let (commands, received) = mpsc::unbounded_channel();
        let network = Sockets::new(clusters.keys().cloned().collect(), commands);
        let builder = Gateway::builder()
            // Not two servers have the same sequence of random numbers.
            .seed(RandomState::new().hash_one(now_ns()))
            .network(network)
            .keep_history(false);
        // Compiling modules may have taken longer than the first callouts, which start with the
        // filters, may last.
        let gateway = configure(builder)?.now_ns(now_ns()).build()?;
        let server = Rc::new(Server::new(gateway, on_log, on_end));
        ready();
        tokio::task::spawn_local(Rc::clone(&server).run_timers());
        tokio::task::spawn_local(Rc::clone(&server).answer_metrics_requests(asked));
        tokio::task::spawn_local(sockets::run_commands(
            Rc::clone(&server),
            clusters,
            received,
        ));
        tokio::task::spawn_local(client::accept(
            server,
            tokio::net::TcpListener::from_std(listener)?,
        ));
        let _ = stopped.await;
        Ok(())
    })
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// How much of an answer waits for its client.
#[derive(Default)]
struct FlowControl {
    waiting: Cell<usize>,
    taken: Notify,
}

impl FlowControl {
    fn add(&self, bytes: usize) {
        self.waiting.set(self.waiting.get().saturating_add(bytes));
    }

    fn take(&self, bytes: usize) {
        self.waiting.set(self.waiting.get().saturating_sub(bytes));
        self.taken.notify_one();
    }

    /// Waits until the client has taken enough of what there is.
    async fn writable(&self) {
        while self.waiting.get() > CLIENT_BACKLOG {
            self.taken.notified().await;
        }
    }
}

/// What a client is sent.
#[derive(Debug)]
enum ToClient {
    Head(Headers),
    Body(Vec<u8>),
    Trailers(Headers),
    /// The exchange is over; `false` when the answer is not whole.
    Over(bool),
}

/// Who waits for an answer.
struct Client {
    pieces: mpsc::UnboundedSender<ToClient>,
    flow: Rc<FlowControl>,
}

/// The gateway and whoever waits for it.
struct Server {
    gateway: RefCell<Gateway>,
    clients: RefCell<HashMap<StreamId, Client>>,
    /// For whom a request went out, until it is answered or given up.
    flows: RefCell<HashMap<OutboundId, Rc<FlowControl>>>,
    on_log: Box<dyn Fn(&LogLine)>,
    on_end: Box<dyn Fn(&Outcome)>,
    /// Something has happened that may have changed what is due next.
    changed: Notify,
}

/// A client's guard: when it is dropped before the exchange is over, the client has left.
struct DisconnectGuard {
    server: Rc<Server>,
    id: StreamId,
}

impl Drop for DisconnectGuard {
    fn drop(&mut self) {
        if self.server.clients.borrow().contains_key(&self.id) {
            self.server
                .with_gateway(|gateway| gateway.disconnect(self.id));
        }
    }
}

impl Server {
    fn new(
        gateway: Gateway,
        on_log: Box<dyn Fn(&LogLine) + Send>,
        on_end: Box<dyn Fn(&Outcome) + Send>,
    ) -> Self {
        let server = Self {
            gateway: RefCell::new(gateway),
            clients: RefCell::default(),
            flows: RefCell::default(),
            on_log,
            on_end,
            changed: Notify::new(),
        };
        server.with_gateway(|_| ());
        server
    }

    /// Hands an event to the gateway, at this time, and passes on what it made of it.
    fn with_gateway<T>(&self, event: impl FnOnce(&mut Gateway) -> T) -> T {
        let (result, seen) = {
            let mut gateway = self.gateway.borrow_mut();
            gateway.advance_to(now_ns());
            let result = event(&mut gateway);
            (result, gateway.take_timeline())
        };
        self.forward_events(&seen);
        self.changed.notify_one();
        result
    }

    fn forward_events(&self, seen: &Timeline) {
        let mut clients = self.clients.borrow_mut();
        for event in seen.events() {
            let (stream, piece) = match event {
                Event::ResponseHeaders { stream, headers } => {
                    (*stream, ToClient::Head(headers.clone()))
                }
                Event::ResponseBody { stream, bytes } => (*stream, ToClient::Body(bytes.clone())),
                Event::ResponseTrailers { stream, trailers } => {
                    (*stream, ToClient::Trailers(trailers.clone()))
                }
                Event::StreamEnd {
                    stream, complete, ..
                } => (*stream, ToClient::Over(*complete)),
                Event::Log(line) => {
                    (self.on_log)(line);
                    continue;
                }
                Event::RequestSent {
                    outbound,
                    stream: Some(stream),
                    ..
                } => {
                    if let Some(client) = clients.get(stream) {
                        let flow = Rc::clone(&client.flow);
                        self.flows.borrow_mut().insert(*outbound, flow);
                    }
                    continue;
                }
                Event::RequestReset { outbound } => {
                    self.flows.borrow_mut().remove(outbound);
                    continue;
                }
                _ => continue,
            };
            if let Some(client) = clients.get(&stream) {
                if let ToClient::Body(bytes) = &piece {
                    client.flow.add(bytes.len());
                }
                let over = matches!(piece, ToClient::Over(_));
                // A client that is gone needs no answer; its leaving is told elsewhere.
                let _ = client.pieces.send(piece);
                if over {
                    clients.remove(&stream);
                }
            }
            if matches!(event, Event::StreamEnd { .. })
                && let Some(outcome) = self.gateway.borrow_mut().take_outcome(stream)
            {
                (self.on_end)(&outcome);
            }
        }
    }

    /// How much of the answer to a request waits for the client; `None` for a callout's.
    fn flow(&self, outbound: OutboundId) -> Option<Rc<FlowControl>> {
        self.flows.borrow_mut().remove(&outbound)
    }

    async fn answer_metrics_requests(
        self: Rc<Self>,
        mut asked: mpsc::UnboundedReceiver<MetricsRequest>,
    ) {
        while let Some(request) = asked.recv().await {
            // Whoever asked may be gone.
            let _ = request.send(self.gateway.borrow().metrics());
        }
    }

    /// Advances the clock to now, whenever something is due.
    async fn run_timers(self: Rc<Self>) {
        const IDLE: Duration = Duration::from_secs(3600);
        loop {
            let due = self.gateway.borrow().next_due_ns();
            let wait = due.map_or(IDLE, |due| {
                Duration::from_nanos(due.saturating_sub(now_ns()))
            });
            tokio::select! {
                () = tokio::time::sleep(wait) => self.with_gateway(|_| ()),
                () = self.changed.notified() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
