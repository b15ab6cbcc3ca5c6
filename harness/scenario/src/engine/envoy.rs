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
use super::peer::Servers;
use super::reloads::Reloads;
use super::{Exchange, Observations, WasmFiles};
use crate::envoy_config::{self, Places};
use crate::file::{EngineName, Scenario, Wasm};
use modelgate_envoy::admin::{self, METRICS, Ready, metrics, ready};
use modelgate_envoy::config::write::{CLIENT, FACT, LISTENER};
use modelgate_envoy::log::{filter_lines, tail};
use modelgate_envoy::process::{self, Running, Verbosity};

/// How long to wait for what arrives late: access-log lines, batched callouts, metrics.
const LATE: Duration = Duration::from_secs(4);
const POLL: Duration = Duration::from_millis(20);

/// How every Envoy of a scenario is started.
pub const fn launched(workers: u32) -> process::Launch<'static> {
    process::Launch {
        workers,
        verbosity: Verbosity::Debug,
        flush_ms: 10,
        environment: &[],
    }
}

/// What an Envoy is started from.
#[derive(Debug)]
pub struct Launch {
    /// The bootstrap.
    pub config: Json,
    /// Worker threads.
    pub workers: u32,
    /// Files that the bootstrap names: path there, path here. Only a container must be given them.
    pub files: BTreeMap<String, PathBuf>,
}

/// How an engine starts Envoy.
pub trait Launcher {
    /// What came of it.
    type Running: Running;

    /// The path that Envoy is to open for a file of this machine.
    fn path(&self, name: &str, file: &std::path::Path) -> Result<String>;
    /// Starts it.
    fn launch(&self, launch: &Launch) -> Result<Self::Running>;
}

/// Runs a scenario on an Envoy.
///
/// # Errors
/// If Envoy cannot be started, ends, or cannot be asked what it saw.
pub fn run(
    name: &EngineName,
    wasm: &dyn WasmFiles,
    launcher: &impl Launcher,
    scenario: &Scenario,
) -> Result<Observations> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let seen = runtime.block_on(async {
        let servers = Servers::start(scenario).await?;
        // Its own ports, 0, are any free ones: it says which.
        let mut places = Places {
            clusters: servers.ports(),
            ..Places::default()
        };
        let mut files = BTreeMap::new();
        let modules = scenario.chain.iter();
        for entry in modules.filter(|entry| !matches!(entry.wasm, Wasm::Own(_))) {
            let file = wasm.file(scenario, &entry.wasm)?;
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
        let played = servers.play(scenario, port, &reloads).await;
        let played = match (played, running.ended()?) {
            (Err(error), true) => {
                return Err(error.context(format!("Envoy has ended:\n{}", tail(&running.log()?))));
            }
            (played, _) => played?,
        };
        sleep(Duration::from_millis(scenario.expect.settle_ms)).await;
        let deadline = Instant::now() + LATE;
        loop {
            let seen = observe(&servers, &played, &mut running, admin).await?;
            let late = compare::judged(scenario, name, &seen);
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
    });
    // Tasks that wait for ever, as scripts say, end here.
    runtime.shutdown_background();
    seen
}

async fn observe(
    servers: &Servers,
    played: &[(Exchange, u16)],
    running: &mut impl Running,
    admin: u16,
) -> Result<Observations> {
    let lines = access_lines(&running.access_log()?);
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
    let logs = filter_lines(&running.log()?);
    let (_, stats) = admin::get(admin, METRICS)
        .await
        .context("no metrics: Envoy has ended?")?;
    Ok(Observations {
        refused: None,
        exchanges,
        received: servers.received(),
        metrics: metrics(&stats),
        logs,
    })
}

/// Lines of the access log by the port of the client.
fn access_lines(text: &str) -> HashMap<u16, Json> {
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Json>(line).ok());
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
        let text = "noise\n{\"modelgate_client\":\"127.0.0.1:4711\",\"details\":\"via_upstream\",\"fact.x\":\"{}\",\"fact.y\":null}\n";
        let lines = access_lines(text);
        let line = lines.get(&4711).unwrap();
        assert_eq!(
            facts(line),
            [("x".to_owned(), Bytes::from_static(b"{}"))].into()
        );
    }
}
