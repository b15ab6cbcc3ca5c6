//! New configurations for filters of a running Envoy: each stands in a file of its own (ECDS), and
//! another file takes its place.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::kept::replace;
use crate::envoy_config::{self, Places};
use crate::file::{Config, Reload, Scenario};
use modelgate_envoy::admin;

/// How long Envoy may take to read a new file, and to configure the filter on every thread.
const TAKEN: Duration = Duration::from_secs(20);
/// The workers are given a configuration after the main thread has taken it.
const WORKERS: Duration = Duration::from_millis(200);
const POLL: Duration = Duration::from_millis(20);

/// The files of a scenario's filters.
pub(super) struct Reloads<'a> {
    scenario: &'a Scenario,
    places: &'a Places,
    admin: u16,
    /// Where the files stand; none where nothing is reloaded.
    folder: Option<TempDir>,
}

impl<'a> Reloads<'a> {
    /// Writes the files of all filters that are given another configuration later, and notes where
    /// they stand.
    pub fn prepare(scenario: &Scenario, places: &mut Places) -> Result<Option<TempDir>> {
        let names = scenario.reloaded();
        if names.is_empty() {
            return Ok(None);
        }
        let folder = tempfile::Builder::new().prefix("modelgate-").tempdir()?;
        for entry in &scenario.chain {
            if names.contains(entry.name.as_str()) {
                let path = folder.path().join(format!("{}.json", entry.name));
                replace(
                    &path,
                    &envoy_config::discovery(entry, &entry.config, scenario, places),
                )?;
                let path = path.to_str().context("a path that is not UTF-8")?;
                places
                    .discovered
                    .insert(entry.name.clone(), path.to_owned());
            }
        }
        Ok(Some(folder))
    }

    /// For an Envoy that runs.
    pub fn new(
        scenario: &'a Scenario,
        places: &'a Places,
        admin: u16,
        folder: Option<TempDir>,
    ) -> Self {
        Self {
            scenario,
            places,
            admin,
            folder,
        }
    }

    /// Puts new files in place, and waits until Envoy has taken or refused them.
    pub async fn apply(&self, reload: &Reload) -> Result<()> {
        for (name, config) in &reload.configs {
            let before = self.seen(name).await?;
            self.put(name, config)?;
            let deadline = Instant::now() + TAKEN;
            let taken = loop {
                let now = self.seen(name).await?;
                // What is refused counts as read too.
                if now.refused > before.refused {
                    break Err("see the log".to_owned());
                }
                if now.taken > before.taken {
                    break Ok(());
                }
                anyhow::ensure!(
                    Instant::now() < deadline,
                    "Envoy has not read the new configuration of {name}"
                );
                sleep(POLL).await;
            };
            reload.judge(name, taken)?;
        }
        sleep(WORKERS).await;
        Ok(())
    }

    fn put(&self, name: &str, config: &Config) -> Result<()> {
        let entry = self.scenario.chain.iter().find(|entry| entry.name == name);
        let entry = entry.with_context(|| format!("no filter is called {name}"))?;
        let folder = self.folder.as_ref().context("nothing is reloaded")?;
        replace(
            &folder.path().join(format!("{name}.json")),
            &envoy_config::discovery(entry, config, self.scenario, self.places),
        )
    }

    /// How often Envoy has taken and refused a configuration of this filter.
    async fn seen(&self, name: &str) -> Result<Seen> {
        let query =
            format!("/stats?format=json&filter=extension_config_discovery.http_filter.{name}");
        let (_, stats) = admin::get(self.admin, &query)
            .await
            .context("no statistics")?;
        let stats: Json = serde_json::from_slice(&stats).unwrap_or_default();
        let sum = |ending: &str| {
            let all = stats.get("stats").and_then(Json::as_array);
            all.into_iter()
                .flatten()
                .filter(|stat| {
                    let name = stat.get("name").and_then(Json::as_str);
                    name.is_some_and(|name| name.ends_with(ending))
                })
                .filter_map(|stat| stat.get("value")?.as_u64())
                .fold(0, u64::saturating_add)
        };
        Ok(Seen {
            taken: sum(".config_reload"),
            refused: sum(".update_rejected").saturating_add(sum(".config_fail")),
        })
    }
}

#[derive(Clone, Copy)]
struct Seen {
    taken: u64,
    refused: u64,
}
