//! The gateway that the tour goes through, started, watched and ended: an Envoy process, or the
//! embedded host in this one. Both run the same configuration.

mod embedded;
mod envoy;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use embedded::Embedded;
use envoy::Envoy;
use modelgate_envoy::release;

/// How long a line of the access log may take.
const LATE: Duration = Duration::from_secs(3);
/// How often the gateway is looked at.
const WATCHED: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(10);

use modelgate_scenario::catalogue::Catalogue;
use modelgate_scenario::engine::LoadModule;
pub use modelgate_scenario::engine::served::AccessLine;
use modelgate_scenario::engine::served::Code;

/// What runs the filters.
#[derive(Clone, Debug)]
pub enum Engine {
    /// An Envoy, with the filters' `.wasm` files in this folder.
    Envoy(release::Envoy, PathBuf),
    /// An Envoy, with the filters' dynamic module in this folder.
    EnvoyNative(release::Envoy, PathBuf),
    /// The embedded host on wasmtime, with the filters' `.wasm` files in this folder, and what
    /// loads them.
    Wasmtime(PathBuf, LoadModule),
    /// The embedded host with the code of these filters, as it is built into this program.
    Native(Catalogue),
}

impl Engine {
    /// Folder with the filters' files; code that is built into this program needs none.
    pub fn files(&self) -> &Path {
        match self {
            Self::Envoy(_, files) | Self::EnvoyNative(_, files) | Self::Wasmtime(files, _) => files,
            Self::Native(_) => Path::new(""),
        }
    }

    /// What it is, in a few words.
    pub fn name(&self) -> String {
        match self {
            Self::Envoy(envoy, _) => format!("Envoy {}", envoy.version()),
            Self::EnvoyNative(envoy, _) => {
                format!("Envoy {} as a dynamic module", envoy.version())
            }
            Self::Wasmtime(..) => "the embedded host on wasmtime".into(),
            Self::Native(_) => "the embedded host with native code".into(),
        }
    }
}

/// A gateway that serves; it ends when dropped.
pub enum Gateway {
    /// A process.
    Envoy(Envoy),
    /// A thread.
    Embedded(Embedded),
}

impl Gateway {
    /// Starts a gateway with a bootstrap, and waits until it serves.
    ///
    /// # Errors
    /// If it does not start, with the end of its log.
    pub async fn start(
        engine: &Engine,
        bootstrap: &Json,
        workers: u32,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        Ok(match engine {
            Engine::Envoy(envoy, _) => {
                envoy.require_wasm()?;
                Self::Envoy(Envoy::start(envoy, bootstrap, workers, environment).await?)
            }
            Engine::EnvoyNative(envoy, _) => {
                envoy.require_dynamic_modules()?;
                Self::Envoy(Envoy::start(envoy, bootstrap, workers, environment).await?)
            }
            Engine::Wasmtime(_, load) => {
                let code = Code::Modules(*load);
                Self::Embedded(Embedded::start(bootstrap, workers, environment, code).await?)
            }
            Engine::Native(catalogue) => Self::Embedded(
                Embedded::start(bootstrap, workers, environment, Code::Native(*catalogue)).await?,
            ),
        })
    }

    /// Where it listens for requests.
    pub fn port(&self) -> u16 {
        match self {
            Self::Envoy(envoy) => envoy.port(),
            Self::Embedded(embedded) => embedded.port(),
        }
    }

    /// What else there is to look at: what it is, and where.
    pub fn places(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Envoy(envoy) => envoy.places(),
            Self::Embedded(_) => Vec::new(),
        }
    }

    /// Waits until it ends, which it should not.
    ///
    /// # Errors
    /// Always: with the end of its log.
    pub async fn ended(&mut self) -> Result<()> {
        loop {
            let ended = match self {
                Self::Envoy(envoy) => envoy.ended()?,
                Self::Embedded(embedded) => embedded.ended(),
            };
            if ended {
                bail!("the gateway has ended:\n{}", self.last_words()?);
            }
            sleep(WATCHED).await;
        }
    }

    /// What it wrote about the request with this trace id; `None` if it does not in time.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn access_line(&mut self, trace_id: &str) -> Result<Option<AccessLine>> {
        let deadline = Instant::now() + LATE;
        loop {
            let line = match self {
                Self::Envoy(envoy) => envoy.access_line(trace_id)?,
                Self::Embedded(embedded) => embedded.access_line(trace_id),
            };
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
        let metrics = match self {
            Self::Envoy(envoy) => envoy.metrics().await,
            Self::Embedded(embedded) => embedded.metrics().await,
        };
        match metrics {
            Ok(metrics) => Ok(metrics),
            Err(error) => {
                let words = self.last_words().unwrap_or_default();
                Err(error).with_context(|| format!("the gateway has ended:\n{words}"))
            }
        }
    }

    fn last_words(&mut self) -> Result<String> {
        match self {
            Self::Envoy(envoy) => envoy.last_words(),
            Self::Embedded(embedded) => Ok(embedded.last_words()),
        }
    }
}
