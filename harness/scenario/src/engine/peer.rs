//! Real peers of a real proxy: the servers behind it and the client in front, on loopback,
//! following a scenario's script.

mod body;
mod client;
mod server;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep, sleep_until};

use super::reloads::Reloads;
use super::{Exchange, Received, patience};
use crate::file::{Scenario, Start, Step, Traffic};

use server::Server;

/// How long a step waits for requests that it is to follow.
const AWAITED: Duration = Duration::from_secs(10);

/// What all peers note down together.
#[derive(Debug, Default)]
struct Ledger {
    received: BTreeMap<String, Vec<Received>>,
    /// Exchanges under way.
    open: Vec<usize>,
}

/// A ledger that several tasks write.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Ledger>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The servers of a scenario, listening.
#[derive(Debug)]
pub(super) struct Servers {
    ledger: Shared,
    servers: BTreeMap<String, Server>,
}

impl Servers {
    /// Starts one server per cluster.
    pub async fn start(scenario: &Scenario) -> Result<Self> {
        let ledger = Shared::default();
        let mut servers = BTreeMap::new();
        for (name, cluster) in &scenario.clusters {
            ledger.lock().received.insert(name.clone(), Vec::new());
            let server = Server::start(name, cluster.clone(), ledger.clone()).await;
            servers.insert(
                name.clone(),
                server.with_context(|| format!("cannot serve {name}"))?,
            );
        }
        Ok(Self { ledger, servers })
    }

    /// The port of each server.
    pub fn ports(&self) -> BTreeMap<String, u16> {
        self.servers
            .iter()
            .map(|(name, server)| (name.clone(), server.port))
            .collect()
    }

    /// What they have received so far.
    pub fn received(&self) -> BTreeMap<String, Vec<Received>> {
        self.ledger.lock().received.clone()
    }

    /// Plays the steps against a proxy on a loopback port. The ports that the exchanges came from
    /// stand beside them.
    pub async fn play(
        &self,
        scenario: &Scenario,
        port: u16,
        reloads: &Reloads<'_>,
    ) -> Result<Vec<(Exchange, u16)>> {
        let began = Instant::now();
        let mut running = Vec::new();
        let mut number = 0_usize;
        for (index, step) in scenario.steps.iter().enumerate() {
            let traffic = match step {
                Step::Rescript(clusters) => {
                    match scenario.sent_before(index) {
                        Some(Start { at_ms: None, .. }) => join_all(&mut running).await?,
                        Some(Start {
                            at_ms: Some(ms), ..
                        }) => sleep_until(began + Duration::from_millis(*ms)).await,
                        None => {}
                    }
                    for (name, cluster) in clusters {
                        if let Some(server) = self.servers.get(name) {
                            server.rescript(cluster.clone());
                        }
                    }
                    continue;
                }
                Step::Reload(reload) => {
                    reloads.apply(reload).await?;
                    continue;
                }
                Step::Send(traffic) => traffic,
            };
            if traffic.start.at_ms.is_none() {
                join_all(&mut running).await?;
            }
            self.awaited(traffic).await;
            sleep(Duration::from_millis(traffic.start.wait_ms)).await;
            let at = traffic
                .start
                .at_ms
                .map(|ms| began + Duration::from_millis(ms));
            let patience = patience(scenario, traffic);
            for _ in 0..traffic.copies {
                let request = traffic.request.clone();
                let ledger = self.ledger.clone();
                let this = number;
                number = number.saturating_add(1);
                let send = async move {
                    if let Some(at) = at {
                        sleep_until(at).await;
                    }
                    ledger.lock().open.push(this);
                    let sent = client::exchange(port, &request, patience).await;
                    ledger.lock().open.retain(|open| *open != this);
                    let (mut exchange, from) =
                        sent.with_context(|| format!("request {this} could not be sent"))?;
                    exchange.step = index;
                    Ok((this, exchange, from))
                };
                running.push(Running::Task(tokio::spawn(send)));
                if !traffic.overlaps() {
                    join_all(&mut running).await?;
                }
            }
        }
        join_all(&mut running).await?;
        let mut done: Vec<(usize, Exchange, u16)> =
            running.into_iter().filter_map(Running::done).collect();
        done.sort_by_key(|(number, ..)| *number);
        Ok(done
            .into_iter()
            .map(|(_, exchange, from)| (exchange, from))
            .collect())
    }

    /// Waits until the servers have received what the step is to follow; gives up after a while, as
    /// the step's expectation will show.
    async fn awaited(&self, traffic: &Traffic) {
        let deadline = Instant::now() + AWAITED;
        let enough = || {
            let ledger = self.ledger.lock();
            let received = |name: &String| ledger.received.get(name).map_or(0, Vec::len);
            traffic
                .start
                .after_requests
                .iter()
                .all(|(name, count)| received(name) >= *count)
        };
        if traffic.start.after_requests.is_empty() {
            return;
        }
        while !enough() && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        // Received is not yet answered.
        sleep(Duration::from_millis(100)).await;
    }
}

type Sent = (usize, Exchange, u16);

/// An exchange under way or over.
enum Running {
    Task(tokio::task::JoinHandle<Result<Sent>>),
    Done(Box<Sent>),
}

impl Running {
    fn done(self) -> Option<Sent> {
        match self {
            Self::Done(sent) => Some(*sent),
            Self::Task(_) => None,
        }
    }
}

async fn join_all(running: &mut [Running]) -> Result<()> {
    for entry in running {
        if let Running::Task(task) = entry {
            let sent = task.await??;
            *entry = Running::Done(Box::new(sent));
        }
    }
    Ok(())
}
