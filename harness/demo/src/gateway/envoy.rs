//! An Envoy process, started, watched and ended.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;

use super::AccessLine;
use crate::client::{Call, send};
use modelgate_envoy::admin::{METRICS, Ready, metrics, ready};
use modelgate_envoy::log::tail;
use modelgate_envoy::process::{ACCESS_LOG, CONFIG, LOG, Launch, Process, Running as _, Verbosity};
use modelgate_envoy::release;

/// An Envoy that serves; it ends when dropped.
pub struct Envoy {
    process: Process,
    port: u16,
    admin: u16,
}

impl Envoy {
    /// Starts an Envoy with a bootstrap, and waits until it serves.
    ///
    /// # Errors
    /// If it does not start, with the end of its log.
    pub async fn start(
        envoy: &release::Envoy,
        bootstrap: &Json,
        workers: u32,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let launch = Launch {
            workers,
            verbosity: Verbosity::Debug,
            flush_ms: 10,
            drain_s: None,
            environment,
        };
        let mut process = Process::start(envoy, bootstrap, &launch)?;
        match ready(&mut process).await? {
            Ready::Serving { admin, listeners } => Ok(Self {
                process,
                port: listeners
                    .first()
                    .context("Envoy has no listener")?
                    .address
                    .port(),
                admin,
            }),
            Ready::Refused(log) => bail!("Envoy does not start:\n{}", tail(&log)),
        }
    }

    /// Where it listens for requests.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its admin interface, and its files.
    pub fn places(&self) -> Vec<(&'static str, String)> {
        let file = |name: &str| self.process.folder().join(name).display().to_string();
        vec![
            ("admin", format!("http://127.0.0.1:{}", self.admin)),
            ("configuration", file(CONFIG)),
            ("access log", file(ACCESS_LOG)),
            ("log", file(LOG)),
        ]
    }

    /// Whether it has ended.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub fn ended(&mut self) -> Result<bool> {
        self.process.ended()
    }

    /// The end of its log.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn last_words(&mut self) -> Result<String> {
        Ok(tail(&self.process.log()?))
    }

    /// What it wrote about the request with this trace id so far.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn access_line(&mut self, trace_id: &str) -> Result<Option<AccessLine>> {
        let log = self.process.access_log()?;
        let mut lines = log.lines().filter(|line| line.contains(trace_id));
        Ok(lines.find_map(|line| serde_json::from_str(line).ok()))
    }

    /// The filters' metrics.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn metrics(&self) -> Result<BTreeMap<String, u64>> {
        let answer = send(self.admin, &Call::get(METRICS)).await;
        Ok(metrics(&answer.context("no metrics")?.body))
    }
}
