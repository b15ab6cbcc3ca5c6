//! The same scenario in the other form: all filters of its chain in one entry of the proxy's, from
//! the module that holds them all.
//!
//! What clients, upstreams and callout targets see must be the same, so every expectation stays as
//! it is.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{Engine, Observations};
use crate::catalogue::Catalogue;
use crate::file::{ChainEntry, Config, Divergence, EngineName, Scenario};

/// An engine that runs every chain in one entry.
pub struct Fused {
    /// Which filters there are, and the module that holds them all.
    pub catalogue: Catalogue,
    /// What runs the chain.
    pub engine: Arc<dyn Engine>,
}

impl Engine for Fused {
    fn name(&self) -> &EngineName {
        self.engine.name()
    }

    fn refuses(&self, scenario: &Scenario) -> Option<String> {
        match fused(&self.catalogue, scenario) {
            Ok(scenario) => self.engine.refuses(&scenario),
            Err(because) => Some(because.to_owned()),
        }
    }

    fn form(&self, scenario: &Scenario) -> Option<Scenario> {
        fused(&self.catalogue, scenario).ok()
    }

    fn run(&self, scenario: &Scenario) -> anyhow::Result<Observations> {
        self.engine
            .run(&fused(&self.catalogue, scenario).map_err(anyhow::Error::msg)?)
    }
}

/// The scenario with its chain in one entry, or why it has no such form.
///
/// # Errors
/// What stands against it.
pub fn fused(catalogue: &Catalogue, scenario: &Scenario) -> Result<Scenario, &'static str> {
    if scenario.expect.start_refused.is_some() {
        return Err(
            "it is about how a configuration is refused, which names another place in a chain",
        );
    }
    let switched = scenario
        .virtual_hosts
        .iter()
        .flat_map(|host| {
            std::iter::once(&host.switches).chain(host.routes.iter().map(|route| &route.switches))
        })
        .any(|switches| !switches.disable.is_empty() || !switches.enable.is_empty());
    if switched {
        return Err("it switches filters of the proxy, of which a chain in one entry is one");
    }
    if !scenario.reloaded().is_empty() {
        return Err("it gives single filters another configuration");
    }
    let mut filters = Vec::new();
    for entry in &scenario.chain {
        filters.push(json!({"filter": filter_of(catalogue, entry)?, "config": config_of(entry)?}));
    }
    let Some(first) = scenario.chain.first() else {
        return Err("it has no filter");
    };
    let named = filters
        .iter()
        .filter_map(|filter| filter.get("filter")?.as_str());
    let members = named.filter_map(|name| catalogue.member(name));
    if !members.map(|member| member.filter.needs.order).is_sorted() {
        return Err("its filters stand in an order that a chain in one entry refuses");
    }
    Ok(Scenario {
        chain: vec![ChainEntry::bundled(
            catalogue.bundle(),
            // Where a scenario looks at facts, they must be where it looks.
            Config::Json(json!({
                "filters": filters,
                "facts_to_filter_state": !scenario.facts().is_empty(),
            })),
            first.failure_policy,
        )],
        diverges: scenario.diverges.iter().map(in_this_form).collect(),
        ..scenario.clone()
    })
}

/// A divergence that shows in one entry shows in this form.
fn in_this_form(divergence: &Divergence) -> Divergence {
    Divergence {
        one_entry: false,
        ..divergence.clone()
    }
}

const OTHER_MODULES: &str = "its chain has other modules than the filters'";

fn filter_of<'a>(catalogue: &Catalogue, entry: &'a ChainEntry) -> Result<&'a str, &'static str> {
    match entry.suite() {
        None => Err(OTHER_MODULES),
        Some(name) if name == catalogue.bundle() => Err(OTHER_MODULES),
        Some(_) if entry.disabled || entry.stop_iteration.is_some() => {
            Err("it sets how the proxy treats one of the filters")
        }
        Some(_) => Ok(&entry.root_id),
    }
}

fn config_of(entry: &ChainEntry) -> Result<Json, &'static str> {
    match &entry.config {
        Config::Absent => Ok(Json::Null),
        Config::Json(json) => Ok(json.clone()),
        Config::Text(text) => serde_json::from_str(text).map_err(|_| "a configuration is not JSON"),
        Config::Struct(_) => Err("a configuration is a Struct"),
    }
}
