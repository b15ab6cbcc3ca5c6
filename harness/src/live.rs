//! The simulated proxy as a server: real clients, real upstreams, real time.
//!
//! Everything lives on one thread: a gateway cannot leave the thread that built it. Connections, calls to clusters and the clock are tasks
//! there; each hands its event to the gateway, and what the gateway made of it goes out at once. HTTP/1.1 on both sides, no TLS; a request
//! leaves when it is complete, an answer passes as it comes.

mod client;
mod sockets;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::proxy::{Builder, Event, Gateway, LogLine, StreamId, Timeline};
use client::ToClient;
use sockets::Sockets;

/// What a server is started from.
pub struct Settings {
    /// Where to listen; port 0 for any.
    pub listen: SocketAddr,
    /// Where clusters are.
    pub clusters: BTreeMap<String, SocketAddr>,
    /// What to do with filters' log lines.
    pub log: Box<dyn Fn(&LogLine) + Send>,
}

/// A running server. It stops when this is dropped.
pub struct Live {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    /// Starts a server. `configure` adds profile, routes and filters to the builder, on the server's thread.
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
        let (started, starting) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("gateway".into())
            .spawn(move || {
                let run = || -> Result<()> {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()?;
                    let local = tokio::task::LocalSet::new();
                    local.block_on(&runtime, async {
                        let (orders, courier) = mpsc::unbounded_channel();
                        let network =
                            Sockets::new(settings.clusters.keys().cloned().collect(), orders);
                        let builder =
                            configure(Gateway::builder().now_ns(now_ns()).network(network))?;
                        let server = Rc::new(Server::new(builder.build()?, settings.log));
                        // Whoever waits for the start may be gone; then the sender is dropped and this ends too.
                        let _ = started.send(Ok(()));
                        tokio::task::spawn_local(Rc::clone(&server).keep_time());
                        tokio::task::spawn_local(sockets::carry(
                            Rc::clone(&server),
                            settings.clusters,
                            courier,
                        ));
                        tokio::task::spawn_local(client::accept(
                            server,
                            tokio::net::TcpListener::from_std(listener)?,
                        ));
                        let _ = stopped.await;
                        Ok(())
                    })
                };
                if let Err(error) = run() {
                    let _ = started.send(Err(error));
                }
            })?;
        starting.recv().context("the server has ended")??;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Live {
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

/// The gateway and whoever waits for it.
struct Server {
    gateway: RefCell<Gateway>,
    clients: RefCell<HashMap<StreamId, mpsc::UnboundedSender<ToClient>>>,
    log: Box<dyn Fn(&LogLine)>,
    /// Something has happened that may have changed what is due next.
    changed: Notify,
}

impl Server {
    fn new(gateway: Gateway, log: Box<dyn Fn(&LogLine) + Send>) -> Self {
        let server = Self {
            gateway: RefCell::new(gateway),
            clients: RefCell::default(),
            log,
            changed: Notify::new(),
        };
        server.act(|_| ());
        server
    }

    /// Hands an event to the gateway, at this time, and passes on what it made of it.
    fn act<T>(&self, event: impl FnOnce(&mut Gateway) -> T) -> T {
        let (result, seen) = {
            let mut gateway = self.gateway.borrow_mut();
            gateway.advance_to(now_ns());
            let result = event(&mut gateway);
            (result, gateway.take_timeline())
        };
        self.pass_on(&seen);
        self.changed.notify_one();
        result
    }

    fn pass_on(&self, seen: &Timeline) {
        let mut clients = self.clients.borrow_mut();
        for event in seen.events() {
            let (stream, piece) = match event {
                Event::AnswerHead { stream, headers } => (*stream, ToClient::Head(headers.clone())),
                Event::AnswerBody { stream, bytes } => (*stream, ToClient::Body(bytes.clone())),
                Event::AnswerTrailers { stream, trailers } => {
                    (*stream, ToClient::Trailers(trailers.clone()))
                }
                Event::Over {
                    stream, complete, ..
                } => (*stream, ToClient::Over(*complete)),
                Event::Log(line) => {
                    (self.log)(line);
                    continue;
                }
                _ => continue,
            };
            let over = matches!(piece, ToClient::Over(_));
            if let Some(client) = clients.get(&stream) {
                // A client that is gone needs no answer; its leaving is told elsewhere.
                let _ = client.send(piece);
            }
            if over {
                clients.remove(&stream);
            }
        }
    }

    /// Lets the time come that it is, whenever something is due.
    async fn keep_time(self: Rc<Self>) {
        const IDLE: Duration = Duration::from_secs(3600);
        loop {
            let due = self.gateway.borrow().next_due_ns();
            let wait = due.map_or(IDLE, |due| {
                Duration::from_nanos(due.saturating_sub(now_ns()))
            });
            tokio::select! {
                () = tokio::time::sleep(wait) => self.act(|_| ()),
                () = self.changed.notified() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
