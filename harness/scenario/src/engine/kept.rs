//! Envoys that are kept from one scenario to the next: starting one compiles every module anew,
//! which takes longer than most scenarios do.
//!
//! A kept Envoy reads its listeners and clusters from two files (LDS and CDS by file). A scenario
//! puts in its own, under a name that no other had, with VM ids of that name: nothing that filters
//! share is left from those before. What a filter has counted before is taken off.
//!
//! V8 keeps compiled code as long as a module with these bytes lives in the process. So the first
//! filters of each module that cannot reach anybody stay, in a listener without routes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use modelgate_envoy::admin::{self, COUNTERS, Ready, metrics, statistics};
use modelgate_envoy::config::write::{self, Bootstrap, Code, LISTENER, Resource};
use modelgate_envoy::log::tail;
use modelgate_envoy::process::Running;
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::launch::{Launch, Launcher};
use crate::envoy_config::{self, Places};
use crate::file::{ChainEntry, Config, Scenario};

/// How many scenarios an Envoy plays: its log is read as a whole.
const PLAYS: usize = 40;
/// How many Envoys wait for the next scenario, at most.
const IDLE: usize = 4;
/// How long Envoy may take to read a file: it compiles modules.
const READ: Duration = Duration::from_secs(40);
/// How long the VMs of a scenario may take to end.
const ENDED: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(5);

const LISTENERS: &str = "listeners.json";
const CLUSTERS: &str = "clusters.json";
/// How often Envoy has taken a file, and how often it has refused one.
const READS: &str = "/stats?format=json&filter=%5E(listener_manager.lds%7Ccluster_manager.cds)";
/// What of a listener that was taken away is still there.
const LEFT: &str = "/stats?format=json&filter=(total_listeners_draining%7Cv8.active)%24";

/// Envoys that wait for the next scenario.
#[derive(Debug)]
pub struct Kept<R>(Mutex<Vec<Resident<R>>>);

impl<R> Default for Kept<R> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<R: Running> Kept<R> {
    /// One with so many workers, started unless one waits.
    pub(super) async fn take(
        &self,
        launcher: &impl Launcher<Running = R>,
        workers: u32,
    ) -> Result<Resident<R>> {
        match self.waiting(workers) {
            Some(resident) => Ok(resident),
            None => Resident::start(launcher, workers).await,
        }
    }

    fn waiting(&self, workers: u32) -> Option<Resident<R>> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = idle.iter().position(|kept| kept.workers == workers)?;
        Some(idle.remove(fits))
    }

    /// Keeps one that has been cleared.
    pub(super) fn give_back(&self, resident: Resident<R>) {
        if resident.plays < PLAYS {
            let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(resident);
            if idle.len() > IDLE {
                // Whoever has waited longest, for a number of workers that is rare, makes room.
                drop(idle.remove(0));
            }
        }
    }
}

/// An Envoy that plays one scenario after the other.
#[derive(Debug)]
pub(super) struct Resident<R> {
    pub running: R,
    pub admin: u16,
    workers: u32,
    plays: usize,
    folder: TempDir,
    /// Modules that stay compiled, and the listeners that see to it.
    compiled: BTreeSet<PathBuf>,
    holders: Vec<Json>,
}

/// A scenario on a kept Envoy.
#[derive(Debug)]
pub(super) struct Raised {
    /// Port of its listener.
    pub port: u16,
    /// Bytes of the log before it.
    pub log: usize,
    /// What filters had counted before it.
    pub counted: BTreeMap<String, u64>,
}

impl<R: Running> Resident<R> {
    async fn start(launcher: &impl Launcher<Running = R>, workers: u32) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("modelgate-").tempdir()?;
        let path = |name: &str| folder.path().join(name);
        replace(&path(LISTENERS), &Resource::Listener.file(&[]))?;
        replace(&path(CLUSTERS), &Resource::Cluster.file(&[]))?;
        let text = |path: PathBuf| path.to_str().map(str::to_owned).context("not UTF-8");
        let config = write::discovering(0, &text(path(LISTENERS))?, &text(path(CLUSTERS))?);
        let mut running = launcher.launch(&Launch {
            config,
            workers,
            files: BTreeMap::new(),
            folder: Some(folder.path().to_owned()),
        })?;
        let Ready::Serving { admin, .. } = admin::live(&mut running).await? else {
            bail!("Envoy has ended:\n{}", tail(&running.log()?));
        };
        Ok(Self {
            running,
            admin,
            workers,
            plays: 0,
            folder,
            compiled: BTreeSet::new(),
            holders: Vec::new(),
        })
    }

    /// Where it finds a module: the same file for all scenarios, or `anew` for each. A dynamic
    /// module has its shared data in itself, and is another one under another path.
    pub fn place(&self, file: &Path, anew: bool) -> Result<PathBuf> {
        // The name of a file in a folder of somebody else's may be taken: its whole path is told.
        let mut name = file.to_string_lossy().replace(['/', '\\'], "-");
        if anew {
            name = format!("{}-{name}", self.plays);
        }
        let path = self.folder.path().join(name);
        if !path.exists() {
            let copied = std::fs::copy(file, &path);
            copied.with_context(|| file.display().to_string())?;
        }
        Ok(path)
    }

    /// The name that the next scenario's listener has.
    pub fn next_listener(&mut self) -> String {
        self.plays = self.plays.saturating_add(1);
        format!("{LISTENER}-{}", self.plays)
    }

    /// Puts a scenario in; nothing where Envoy refuses it.
    pub async fn raise(&mut self, scenario: &Scenario, places: &Places) -> Result<Option<Raised>> {
        let written = envoy_config::written(scenario, places);
        self.put(Resource::Cluster, &written.clusters()).await?;
        let log = self.running.log()?.len();
        let counted = metrics(&self.ask(COUNTERS).await?);
        let mut listeners = self.holders.clone();
        listeners.push(written.listener());
        if !self.put(Resource::Listener, &listeners).await? {
            return Ok(None);
        }
        let deadline = Instant::now() + READ;
        loop {
            let listeners = admin::serving(self.admin).await.unwrap_or_default();
            if let Some(listener) = listeners.iter().find(|at| at.name == places.listener) {
                return Ok(Some(Raised {
                    port: listener.address.port(),
                    log,
                    counted,
                }));
            }
            ensure!(Instant::now() < deadline, "Envoy does not serve a listener");
            sleep(POLL).await;
        }
    }

    /// Takes it out again, and waits until its VMs have ended: what they send late must not reach
    /// the servers of the next one.
    pub async fn clear(&mut self, scenario: &Scenario, places: &Places) -> Result<()> {
        let holder = self.holder(scenario, places);
        self.holders.extend(holder);
        let holders = self.holders.clone();
        ensure!(
            self.put(Resource::Listener, &holders).await?,
            "Envoy does not take away a listener"
        );
        let deadline = Instant::now() + ENDED;
        let mut before = None;
        loop {
            let left = statistics(&self.ask(LEFT).await?);
            let draining = left.get("listener_manager.total_listeners_draining");
            if draining == Some(&0) && before.as_ref() == Some(&left) {
                return Ok(());
            }
            before = Some(left);
            ensure!(Instant::now() < deadline, "a listener does not end");
            sleep(POLL * 2).await;
        }
    }

    /// A listener that keeps the modules of a scenario compiled which no other keeps.
    fn holder(&mut self, scenario: &Scenario, places: &Places) -> Option<Json> {
        let name = format!("held-{}", self.plays);
        let places = Places {
            listener: name.clone(),
            ..places.clone()
        };
        let mut written = envoy_config::written(scenario, &places);
        let filters = std::mem::take(&mut written.filters).into_iter();
        let kept = filters.zip(&scenario.chain).filter(|(filter, entry)| {
            let Code::Wasm(wasm) = &filter.code else {
                return false;
            };
            let file = wasm.file.map(PathBuf::from).unwrap_or_default();
            reaches_nobody(entry, scenario) && self.compiled.insert(file)
        });
        written.filters = kept.map(|(filter, _)| filter).collect();
        let bootstrap = Bootstrap {
            hosts: Vec::new(),
            facts: Vec::new(),
            ..written
        };
        (!bootstrap.filters.is_empty()).then(|| bootstrap.listener())
    }

    /// Another file in the place of one; whether Envoy takes it.
    async fn put(&self, what: Resource, resources: &[Json]) -> Result<bool> {
        let (file, prefix) = match what {
            Resource::Listener => (LISTENERS, "listener_manager.lds."),
            Resource::Cluster => (CLUSTERS, "cluster_manager.cds."),
        };
        let before = self.reads(prefix).await?;
        replace(&self.folder.path().join(file), &what.file(resources))?;
        let deadline = Instant::now() + READ;
        loop {
            let (taken, refused) = self.reads(prefix).await?;
            if refused > before.1 {
                return Ok(false);
            }
            if taken > before.0 {
                return Ok(true);
            }
            ensure!(Instant::now() < deadline, "Envoy has not read {file}");
            sleep(POLL).await;
        }
    }

    async fn reads(&self, prefix: &str) -> Result<(u64, u64)> {
        let stats = statistics(&self.ask(READS).await?);
        let value = |name: &str| stats.get(&format!("{prefix}{name}")).copied();
        let taken = value("update_success").unwrap_or_default();
        let refused = value("update_rejected").unwrap_or_default();
        Ok((taken, refused))
    }

    async fn ask(&self, path: &str) -> Result<bytes::Bytes> {
        let (_, answer) = admin::get(self.admin, path)
            .await
            .context("has it ended?")?;
        Ok(answer)
    }
}

/// Whether a filter names no server in its configuration: it can wait without sending anything.
fn reaches_nobody(entry: &ChainEntry, scenario: &Scenario) -> bool {
    let named = |json: &Json| scenario.clusters.keys().any(|name| names(json, name));
    match &entry.config {
        Config::Absent => true,
        Config::Text(_) => false,
        Config::Json(json) | Config::Struct(json) => !named(json),
    }
}

fn names(json: &Json, name: &str) -> bool {
    match json {
        Json::String(text) => text == name,
        Json::Array(items) => items.iter().any(|item| names(item, name)),
        Json::Object(members) => members.values().any(|value| names(value, name)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

/// Envoy watches for another file taking the place, not for one that is written anew.
pub(super) fn replace(path: &Path, json: &Json) -> Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, json.to_string())?;
    std::fs::rename(&new, path).with_context(|| path.display().to_string())
}
