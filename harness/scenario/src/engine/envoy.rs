//! What both Envoy engines share: the servers, playing the steps, and reading the access log, the metrics and the log.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use super::compare;
use super::peer::{Servers, fetch};
use super::reloads::Reloads;
use super::{Exchange, Observations, WasmFiles};
use crate::envoy_config::{self, Places};
use crate::file::{EngineName, Scenario, Wasm};

/// How long to wait for what arrives late: access-log lines, batched callouts, metrics.
const LATE: Duration = Duration::from_secs(4);
/// How long Envoy may take to start: it compiles the filters.
const START: Duration = Duration::from_secs(60);
/// Where the admin interface has the filters' metrics.
pub const METRICS: &str = "/stats?format=json&filter=%5Ewasmcustom%5C.";
const POLL: Duration = Duration::from_millis(20);

/// Arguments of every Envoy that is started here.
pub const ARGUMENTS: [&str; 7] = [
    "--disable-hot-restart",
    "--log-level",
    "info",
    "--component-log-level",
    "wasm:debug",
    "--file-flush-interval-msec",
    "10",
];

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

/// An Envoy that was started.
pub trait Running {
    /// Port of the admin interface, as soon as it is known.
    fn admin_port(&mut self) -> Option<u16>;
    /// What it wrote to stderr so far: its log.
    fn log(&mut self) -> Result<String>;
    /// What it wrote to stdout so far: the access log.
    fn access_log(&mut self) -> Result<String>;
    /// Whether it has ended.
    fn ended(&mut self) -> Result<bool>;
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
            workers: scenario.gateway.workers.max(1),
            files,
        })?;
        let (port, admin) = match ready(&mut running).await? {
            Ready::Serving { listener, admin } => (listener, admin),
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

/// What came of starting an Envoy.
pub enum Ready {
    /// It serves.
    Serving {
        /// Port of the listener.
        listener: u16,
        /// Port of the admin interface.
        admin: u16,
    },
    /// It has ended, with these complaints.
    Refused(String),
}

/// Waits until an Envoy serves or has refused to.
pub async fn ready(running: &mut impl Running) -> Result<Ready> {
    let deadline = Instant::now() + START;
    loop {
        if running.ended()? {
            return Ok(Ready::Refused(complaints(&running.log()?)));
        }
        if let Some(admin) = running.admin_port()
            && let Ok((200, _)) = fetch(admin, "/ready").await
            && let Ok((200, listeners)) = fetch(admin, "/listeners?format=json").await
            && let Some(listener) = listener_port(&listeners)
        {
            return Ok(Ready::Serving { listener, admin });
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "Envoy is not ready after {} s:\n{}",
            START.as_secs(),
            tail(&running.log()?)
        );
        sleep(POLL).await;
    }
}

fn listener_port(json: &[u8]) -> Option<u16> {
    let json: Json = serde_json::from_slice(json).ok()?;
    let listeners = json.get("listener_statuses")?.as_array()?;
    let listener = listeners.iter().find(|listener| {
        listener
            .get("name")
            .is_some_and(|name| name == envoy_config::LISTENER)
    })?;
    u16::try_from(
        listener
            .pointer("/local_address/socket_address/port_value")?
            .as_u64()?,
    )
    .ok()
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
    let (_, stats) = fetch(admin, METRICS)
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
        let (_, port) = line.get(envoy_config::CLIENT)?.as_str()?.rsplit_once(':')?;
        Some((port.parse().ok()?, line))
    });
    keyed.collect()
}

fn facts(line: &Json) -> BTreeMap<String, Bytes> {
    let members = line.as_object().into_iter().flatten();
    let facts = members.filter_map(|(name, value)| {
        let name = name.strip_prefix(envoy_config::FACT)?;
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

/// The filters' metrics in what the admin interface gives for [`METRICS`].
pub fn metrics(json: &[u8]) -> BTreeMap<String, u64> {
    let json: Json = serde_json::from_slice(json).unwrap_or_default();
    let stats = json
        .get("stats")
        .and_then(Json::as_array)
        .into_iter()
        .flatten();
    let named = stats.filter_map(|stat| {
        let name = stat.get("name")?.as_str()?.strip_prefix("wasmcustom.")?;
        Some((name.to_owned(), stat.get("value")?.as_u64()?))
    });
    named.collect()
}

/// The lines that filters logged, without Envoy's own.
fn filter_lines(log: &str) -> String {
    lines_of(log, |line| line.contains("] wasm log"))
}

/// Why Envoy ended: what filters logged, and its own errors.
fn complaints(log: &str) -> String {
    let found = lines_of(log, |line| {
        ["] wasm log", "][error]", "][critical]"]
            .iter()
            .any(|part| line.contains(part))
    });
    if found.is_empty() { tail(log) } else { found }
}

/// Lines of a log that are wanted, with those that belong to them.
fn lines_of(log: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut kept = String::new();
    let mut keeping = false;
    for line in log.lines() {
        // A line that does not begin as Envoy's do belongs to the one before.
        if line.starts_with('[') {
            keeping = wanted(line);
        }
        if keeping {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The end of a log, for messages.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines
        .iter()
        .skip(lines.len().saturating_sub(25))
        .copied()
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_filters_is_told_from_envoys_own() {
        let log = "[2026-01-01][1][info][main] starting\n[2026][1][warning][wasm] [context.cc:1] wasm log a a a: first\nsecond\n[2026][1][info][main] end\n";
        assert_eq!(
            filter_lines(log),
            "[2026][1][warning][wasm] [context.cc:1] wasm log a a a: first\nsecond\n"
        );
    }

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

    #[test]
    fn metrics_lose_envoys_prefix() {
        let json = br#"{"stats":[{"name":"wasmcustom.a.b","value":3},{"histograms":{}}]}"#;
        assert_eq!(metrics(json), [("a.b".to_owned(), 3)].into());
    }
}
