//! What both Envoy engines share: the servers, playing the steps, and reading the access log, the
//! metrics and the log.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use super::compare;
use super::kept::Kept;
use super::launch::{Launch, Launcher};
use super::peer::Servers;
use super::reloads::Reloads;
use super::{Exchange, Observations, WasmFiles};
use crate::envoy_config::{self, Places};
use crate::file::{ChainEntry, EngineKind, EngineName, Scenario, Wasm};
use modelgate_envoy::admin::{self, METRICS, Ready, metrics, ready};
use modelgate_envoy::config::write::{CLIENT, FACT, LISTENER, SERVED_BY};
use modelgate_envoy::log::{filter_lines, tail};
use modelgate_envoy::process::Running;

/// How long to wait for what arrives late: access-log lines, batched callouts, metrics.
const LATE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// Runs a scenario on an Envoy: one that is kept, unless the scenario needs one of its own.
///
/// # Errors
/// If Envoy cannot be started, ends, or cannot be asked what it saw.
pub fn run<L: Launcher>(
    name: &EngineName,
    wasm: &dyn WasmFiles,
    launcher: &L,
    kept: &Kept<L::Running>,
    scenario: &Scenario,
) -> Result<Observations> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let play = Play {
        name,
        wasm,
        scenario,
    };
    let seen = runtime.block_on(async {
        if !needs_its_own(scenario)
            && let Some(seen) = play.shared(launcher, kept).await?
        {
            return Ok(seen);
        }
        play.alone(launcher).await
    });
    // Tasks that wait for ever, as scripts say, end here.
    runtime.shutdown_background();
    seen
}

/// Whether what is tried is how an Envoy starts, or what only a bootstrap can say.
fn needs_its_own(scenario: &Scenario) -> bool {
    scenario.expect.start_refused.is_some()
        || !scenario.secrets.is_empty()
        || !scenario.reloaded().is_empty()
}

struct Play<'a> {
    name: &'a EngineName,
    wasm: &'a dyn WasmFiles,
    scenario: &'a Scenario,
}

impl Play<'_> {
    /// On an Envoy that is kept; nothing where it refuses the configuration.
    async fn shared<L: Launcher>(
        &self,
        launcher: &L,
        kept: &Kept<L::Running>,
    ) -> Result<Option<Observations>> {
        let scenario = self.scenario;
        let servers = Servers::start(scenario).await?;
        let mut resident = kept.take(launcher, scenario.gateway.workers()).await?;
        let mut places = Places {
            listener: resident.next_listener(),
            clusters: servers.ports(),
            native: self.name.kind == EngineKind::EnvoyNative,
            ..Places::default()
        };
        for (entry, file) in self.modules()? {
            let path = resident.place(&file, places.native)?;
            let path = path.to_str().context("a path that is not UTF-8")?;
            places.wasm.insert(entry.name.clone(), path.to_owned());
        }
        let Some(raised) = resident.raise(scenario, &places).await? else {
            return Ok(None);
        };
        let reloads = Reloads::new(scenario, &places, resident.admin, None);
        let mut stage = Stage {
            running: &mut resident.running,
            admin: resident.admin,
            listener: &places.listener,
            log: raised.log,
            counted: raised.counted,
        };
        let seen = self
            .play(&servers, raised.port, &reloads, &mut stage)
            .await?;
        // One that cannot be cleared is not used again.
        if resident.clear(scenario, &places).await.is_ok() {
            kept.give_back(resident);
        }
        Ok(Some(seen))
    }

    /// On an Envoy that is started for it.
    async fn alone(&self, launcher: &impl Launcher) -> Result<Observations> {
        let scenario = self.scenario;
        let servers = Servers::start(scenario).await?;
        // Its own ports, 0, are any free ones: it says which.
        let mut places = Places {
            clusters: servers.ports(),
            native: self.name.kind == EngineKind::EnvoyNative,
            ..Places::default()
        };
        let mut files = BTreeMap::new();
        for (entry, file) in self.modules()? {
            let path = launcher.path(&entry.name, &file)?;
            files.insert(path.clone(), file);
            places.wasm.insert(entry.name.clone(), path);
        }
        let folder = Reloads::prepare(scenario, &mut places)?;
        let config = envoy_config::bootstrap(scenario, &places);
        let mut running = launcher.launch(&Launch {
            config,
            workers: scenario.gateway.workers(),
            files,
            folder: None,
        })?;
        let (port, admin) = match ready(&mut running).await? {
            Ready::Serving { admin, listeners } => {
                let listener = listeners
                    .into_iter()
                    .find(|listener| listener.name == LISTENER);
                let listener = listener.context("Envoy serves no listener of the scenario's")?;
                (listener.address.port(), admin)
            }
            Ready::Refused(message) => {
                return Ok(Observations {
                    refused: Some(message),
                    ..Observations::default()
                });
            }
        };
        if scenario.expect.start_refused.is_some() {
            return Ok(Observations {
                logs: filter_lines(&running.log()?),
                ..Observations::default()
            });
        }
        let reloads = Reloads::new(scenario, &places, admin, folder);
        let mut stage = Stage {
            running: &mut running,
            admin,
            listener: LISTENER,
            log: 0,
            counted: BTreeMap::new(),
        };
        self.play(&servers, port, &reloads, &mut stage).await
    }

    /// The entries of the chain that run in a module, with the module's file.
    fn modules(&self) -> Result<Vec<(&ChainEntry, PathBuf)>> {
        let chain = self.scenario.chain.iter();
        let entries = chain.filter(|entry| !matches!(entry.wasm, Wasm::Own(_)));
        entries
            .map(|entry| Ok((entry, self.wasm.file(self.scenario, &entry.wasm)?)))
            .collect()
    }

    async fn play(
        &self,
        servers: &Servers,
        port: u16,
        reloads: &Reloads<'_>,
        stage: &mut Stage<'_, impl Running>,
    ) -> Result<Observations> {
        let scenario = self.scenario;
        let played = servers.play(scenario, port, reloads).await;
        let played = match (played, stage.running.ended()?) {
            (Err(error), true) => {
                let log = stage.running.log()?;
                return Err(error.context(format!("Envoy has ended:\n{}", tail(&log))));
            }
            (played, _) => played?,
        };
        sleep(Duration::from_millis(scenario.expect.settle_ms)).await;
        let deadline = Instant::now() + LATE;
        loop {
            let seen = stage.observe(servers, &played).await?;
            let late = compare::judged(scenario, self.name, &seen);
            if late.is_empty()
                || Instant::now() > deadline
                || late
                    .iter()
                    .all(|mismatch| mismatch.field.contains("client."))
            {
                return Ok(seen);
            }
            sleep(POLL).await;
        }
    }
}

/// Where a scenario is played.
struct Stage<'a, R> {
    running: &'a mut R,
    admin: u16,
    /// Name of the listener.
    listener: &'a str,
    /// Bytes of the log that others have written.
    log: usize,
    /// What filters had counted before.
    counted: BTreeMap<String, u64>,
}

impl<R: Running> Stage<'_, R> {
    async fn observe(
        &mut self,
        servers: &Servers,
        played: &[(Exchange, u16)],
    ) -> Result<Observations> {
        let lines = access_lines(&self.running.access_log()?, self.listener);
        let mut exchanges = Vec::new();
        for (exchange, port) in played {
            let mut exchange = exchange.clone();
            if let Some(line) = lines.get(port) {
                let text = |name: &str| line.get(name).and_then(Json::as_str).map(str::to_owned);
                exchange.details = text("details");
                exchange.flags = Some(text("flags").unwrap_or_else(|| "-".into()));
                exchange.facts = facts(line);
            }
            exchanges.push(exchange);
        }
        let log = self.running.log()?;
        let (_, stats) = admin::get(self.admin, METRICS)
            .await
            .context("no metrics: Envoy has ended?")?;
        let mut metrics = metrics(&stats);
        for (name, before) in &self.counted {
            if let Some(value) = metrics.get_mut(name) {
                *value = value.saturating_sub(*before);
            }
        }
        Ok(Observations {
            refused: None,
            exchanges,
            received: servers.received(),
            metrics,
            logs: filter_lines(log.get(self.log..).unwrap_or(&log)),
        })
    }
}

/// Lines of the access log of a listener by the port of the client.
fn access_lines(text: &str, listener: &str) -> HashMap<u16, Json> {
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Json>(line).ok())
        .filter(|line| line.get(SERVED_BY).and_then(Json::as_str) == Some(listener));
    let keyed = lines.filter_map(|line| {
        let (_, port) = line.get(CLIENT)?.as_str()?.rsplit_once(':')?;
        Some((port.parse().ok()?, line))
    });
    keyed.collect()
}

fn facts(line: &Json) -> BTreeMap<String, Bytes> {
    let members = line.as_object().into_iter().flatten();
    let facts = members.filter_map(|(name, value)| {
        let name = name.strip_prefix(FACT)?;
        let value = match value {
            Json::Null => return None,
            Json::String(text) if text == "-" => return None,
            Json::String(text) => text.clone(),
            json => json.to_string(),
        };
        Some((name.to_owned(), Bytes::from(value)))
    });
    facts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_lines_are_found_by_the_clients_port() {
        let text = "noise\n{\"modelgate_listener\":\"gateway-2\",\"modelgate_client\":\"127.0.0.1:4711\",\"details\":\"via_upstream\",\"fact.x\":\"{}\",\"fact.y\":null}\n";
        assert!(access_lines(text, "gateway-1").is_empty());
        let lines = access_lines(text, "gateway-2");
        let line = lines.get(&4711).unwrap();
        assert_eq!(
            facts(line),
            [("x".to_owned(), Bytes::from_static(b"{}"))].into()
        );
    }
}
