//! The gateway that the tour goes through: an Envoy process, started, watched and ended.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use super::client::{Call, send};
use crate::engine::envoy::{METRICS, Ready, Running, metrics, ready, tail};
use crate::engine::envoy_binary::Process;

/// How long a line of the access log may take.
const LATE: Duration = Duration::from_secs(3);
/// How often the process is looked at.
const WATCHED: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(10);

/// What the gateway wrote about one request: members of its access log's line.
pub type AccessLine = serde_json::Map<String, Json>;

/// A gateway that serves; it ends when dropped.
pub struct Gateway {
    process: Process,
    port: u16,
    admin: u16,
}

impl Gateway {
    /// Starts an Envoy with a bootstrap, and waits until it serves.
    ///
    /// # Errors
    /// If it does not start, with the end of its log.
    pub async fn start(
        binary: &Path,
        bootstrap: &Json,
        workers: u32,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let mut process = Process::start(binary, bootstrap, workers, environment)?;
        match ready(&mut process).await? {
            Ready::Serving { listener, admin } => Ok(Self {
                process,
                port: listener,
                admin,
            }),
            Ready::Refused(log) => bail!("Envoy does not start:\n{}", tail(&log)),
        }
    }

    /// Where it listens for requests.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Waits until it ends, which it should not.
    ///
    /// # Errors
    /// Always: with the end of its log.
    pub async fn ended(&mut self) -> Result<()> {
        while !self.process.ended()? {
            sleep(WATCHED).await;
        }
        bail!("Envoy has ended:\n{}", tail(&self.process.log()?))
    }

    /// What it wrote about the request with this trace id; `None` if it does not in time.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn access_line(&mut self, trace_id: &str) -> Result<Option<AccessLine>> {
        let deadline = Instant::now() + LATE;
        loop {
            let log = self.process.access_log()?;
            let mut lines = log.lines().filter(|line| line.contains(trace_id));
            let line = lines.find_map(|line| serde_json::from_str(line).ok());
            if line.is_some() || Instant::now() > deadline {
                return Ok(line);
            }
            sleep(POLL).await;
        }
    }

    /// The filters' metrics.
    ///
    /// # Errors
    /// If it does not answer: it has ended, and why.
    pub async fn metrics(&mut self) -> Result<BTreeMap<String, u64>> {
        match send(self.admin, &Call::get(METRICS)).await {
            Ok(answer) => Ok(metrics(&answer.body)),
            Err(error) => {
                let log = self.process.log().unwrap_or_default();
                Err(error).with_context(|| format!("Envoy has ended:\n{}", tail(&log)))
            }
        }
    }
}
