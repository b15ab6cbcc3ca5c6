//! The filter's configuration: by itself, or in a whole gateway.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use located_yaml::Node;
use serde_json::{Map, Value as Json};

use super::FILTER;
use crate::gateway::{self, Host};

/// Its module, and that of the whole suite.
const MODULES: [&str; 2] = ["pii_mask.wasm", "modelgate.wasm"];
/// The longest body that is read, in bytes: the most that the filter takes.
const MOST_BYTES: u64 = 67_108_864;

/// The configuration in a file; the defaults without one.
pub fn read(file: Option<&Path>) -> Result<Json> {
    let Some(file) = file else {
        // Nothing is too long to be looked at here.
        let long = serde_json::json!({ "max_body_bytes": MOST_BYTES });
        return Ok(serde_json::json!({ "request": long, "response": long }));
    };
    let shown = || file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(shown)?;
    let root = Node::parse(&text).with_context(|| format!("{} is not YAML", shown()))?;
    let is_whole = gateway::is_gateway(&root) || root.member("static_resources").is_some();
    if !is_whole {
        return Ok(root.to_json());
    }
    let (bootstrap, _) = gateway::bootstrap(file, Host::Envoy)?;
    let mut found = Vec::new();
    find(&bootstrap, &mut found);
    match found.as_slice() {
        [] => bail!("{}: no filter pii_mask is in it", shown()),
        [one] => Ok(one.clone()),
        [first, others @ ..] if others.iter().all(|other| other == first) => Ok(first.clone()),
        _ => bail!(
            "{}: several different filters pii_mask are in it; give the configuration of one",
            shown()
        ),
    }
}

/// Every configuration of the filter below a value.
fn find(value: &Json, found: &mut Vec<Json>) {
    if let Json::Object(members) = value
        && let Some(text) = of_entry(members)
    {
        found.extend(own(&text));
        return;
    }
    match value {
        Json::Object(members) => members.values().for_each(|member| find(member, found)),
        Json::Array(items) => items.iter().for_each(|item| find(item, found)),
        _ => {}
    }
}

/// The configuration of an entry whose module has the filter.
fn of_entry(entry: &Map<String, Json>) -> Option<Json> {
    let file = entry.get("vm_config")?.pointer("/code/local/filename")?;
    let file = Path::new(file.as_str()?).file_name()?.to_str()?;
    let root = entry.get("root_id").and_then(Json::as_str);
    let of_suite = root.is_none_or(|root| root == FILTER || root == "chain");
    if !MODULES.contains(&file) || !of_suite {
        return None;
    }
    let text = entry
        .get("configuration")
        .and_then(|configuration| configuration.get("value"));
    let text = text.and_then(Json::as_str).unwrap_or("{}");
    serde_json::from_str(text).ok()
}

/// The filter's own, of an entry's that may be a chain.
fn own(configuration: &Json) -> Vec<Json> {
    let Some(filters) = configuration.get("filters").and_then(Json::as_array) else {
        return vec![configuration.clone()];
    };
    let of_filter = |entry: &&Json| entry.get("filter").and_then(Json::as_str) == Some(FILTER);
    let configured = |entry: &Json| entry.get("config").cloned();
    filters
        .iter()
        .filter(of_filter)
        .map(|entry| configured(entry).unwrap_or_else(|| Json::Object(Map::new())))
        .collect()
}

/// The configuration with a profile's members in place of its own (RFC 7396).
pub fn of_profile(mut config: Json, profile: Option<&str>) -> Result<Json> {
    let chosen = match profile {
        None => None,
        Some(name) => {
            let profile = config
                .get("profiles")
                .and_then(|profiles| profiles.get(name));
            Some(
                profile
                    .cloned()
                    .with_context(|| format!("there is no profile `{name}`"))?,
            )
        }
    };
    let Json::Object(members) = &mut config else {
        bail!("the configuration is no object");
    };
    members.retain(|name, _| !matches!(name.as_str(), "profiles" | "profile_rules"));
    if let Some(mut chosen) = chosen {
        if let Json::Object(chosen) = &mut chosen {
            chosen.retain(|name, _| name != "rank");
        }
        merge(&mut config, chosen);
    }
    Ok(config)
}

fn merge(target: &mut Json, patch: Json) {
    let Json::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Json::Object(Map::new());
    }
    let Json::Object(members) = target else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            members.retain(|known, _| *known != name);
        } else {
            merge(members.entry(name).or_insert(Json::Null), value);
        }
    }
}

/// The variables that a configuration names, with their values, or placeholders.
pub fn environment(
    config: &Json,
    variable: &dyn Fn(&str) -> Option<String>,
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk(config, variable, &mut found);
    found
}

fn walk(
    value: &Json,
    variable: &dyn Fn(&str) -> Option<String>,
    found: &mut BTreeMap<String, String>,
) {
    match value {
        Json::Object(members) => {
            if let Some(name) = members.get("env").and_then(Json::as_str) {
                let value = variable(name).unwrap_or_else(|| format!("PLACEHOLDER_FOR_{name}"));
                found.insert(name.to_owned(), value);
            }
            members
                .values()
                .for_each(|member| walk(member, variable, found));
        }
        Json::Array(items) => items.iter().for_each(|item| walk(item, variable, found)),
        _ => {}
    }
}
