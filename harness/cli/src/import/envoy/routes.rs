//! What route tables say of single filters.

use serde_json::{Map, Value as Json, json};

use super::super::ledger::{At, Try};
use super::is_of;
use super::translation::{Override, Scope};
use crate::gateway::{put, switched_off, typed};

/// A configuration for one filter, and what it is said on.
pub struct Own<'a> {
    /// On what.
    pub scope: Scope,
    /// What a name may be made of: that of the route or host.
    pub name: String,
    /// The configuration.
    pub config: At<'a>,
}

/// What an entry of `typed_per_filter_config` says.
pub enum Says<'a> {
    /// On or off: [`Override::On`] or [`Override::Off`].
    Switch(Override),
    /// The filter's own configuration.
    Config(At<'a>),
}

impl<'a> Own<'a> {
    /// Reads it; the filter's own configuration is of a kind.
    pub fn says(&self, kind: &str) -> Try<Says<'a>> {
        let at = &self.config;
        let own = |config: At<'a>| match is_of(&config, kind) {
            true => Ok(Says::Config(config)),
            false => Err(config.obstacle("it is no configuration of this filter")),
        };
        if !is_of(at, "envoy.config.route.v3.FilterConfig") {
            return own(at.clone());
        }
        at.get("@type");
        let inner = at
            .get("config")
            .filter(|inner| !inner.children().is_empty());
        if at.flag_of("is_optional") == Some(true) {
            return Err(at.obstacle("is_optional: it may be left out in silence"));
        }
        match (at.flag_of("disabled"), inner) {
            (Some(true), _) => Ok(Says::Switch(Override::Off)),
            (_, Some(inner)) => own(inner),
            (_, None) => Ok(Says::Switch(Override::On)),
        }
    }
}

const PER_FILTER: &str = "typed_per_filter_config";

/// Whether routes come from elsewhere.
pub fn are_elsewhere(manager: &At<'_>) -> bool {
    ["rds", "scoped_routes"]
        .iter()
        .any(|name| manager.get(name).is_some())
}

/// Everything that is said of a filter.
pub fn own<'a>(manager: &At<'a>, filter: &str) -> Try<Vec<Own<'a>>> {
    let mut found = Vec::new();
    let Some(table) = manager.get("route_config") else {
        return Ok(found);
    };
    let mut note = |at: &At<'a>, scope: Scope, name: String| {
        if let Some(config) = entry(at, filter) {
            found.push(Own {
                scope,
                name,
                config,
            });
        }
    };
    note(&table, Scope::Table, "table".to_owned());
    for (h, host) in table.list("virtual_hosts").iter().enumerate() {
        let host_name = host.text_of("name").unwrap_or_default();
        note(host, Scope::Host(h), host_name.clone());
        for (r, route) in host.list("routes").iter().enumerate() {
            let name = route.text_of("name");
            let name = name.unwrap_or_else(|| format!("{host_name}_{}", r.saturating_add(1)));
            note(route, Scope::Route(h, r), name);
            let clusters = route.at(&["route", "weighted_clusters", "clusters"]);
            for cluster in clusters.map(|list| list.items()).unwrap_or_default() {
                if let Some(config) = entry(&cluster, filter) {
                    return Err(config.obstacle(
                        "a weighted cluster has a configuration of its own for it, which no profile can be chosen by",
                    ));
                }
            }
        }
    }
    Ok(found)
}

fn entry<'a>(at: &At<'a>, filter: &str) -> Option<At<'a>> {
    let configs = at.get(PER_FILTER)?;
    let mut members = configs.members().into_iter();
    members
        .find(|(name, _)| *name == filter)
        .map(|(_, config)| config)
}

/// Writes what is said of a filter into the table, for the filter that took its place; `disabled`
/// where that is off unless a route enables it.
pub fn write(manager: &mut Json, old: &str, new: &str, said: &[(Scope, Override)], disabled: bool) {
    let Some(table) = member(manager, "route_config") else {
        return;
    };
    forget(table, old);
    let off = |outer: &[Scope]| {
        said.iter()
            .filter(|(scope, _)| outer.contains(scope))
            .max_by_key(|(scope, _)| *scope)
            .map_or(disabled, |(_, what)| *what == Override::Off)
    };
    let of = |scope: Scope| {
        said.iter()
            .find(|(one, _)| *one == scope)
            .map(|(_, what)| what)
    };
    let for_all = of(Scope::Table);
    if let Some(Override::Off) = for_all {
        switch_to(table, new, switched_off());
    }
    let Some(hosts) = member(table, "virtual_hosts").and_then(Json::as_array_mut) else {
        return;
    };
    for (h, host) in hosts.iter_mut().enumerate() {
        let profile = |what: Option<&Override>| matches!(what, Some(Override::Profile(_)));
        let own = of(Scope::Host(h)).or(for_all.filter(|_| profile(for_all)));
        if let Some(own) = own {
            apply(host, new, own, off(&[Scope::Table]));
        }
        let Some(routes) = member(host, "routes").and_then(Json::as_array_mut) else {
            continue;
        };
        for (r, route) in routes.iter_mut().enumerate() {
            if let Some(own) = of(Scope::Route(h, r)) {
                apply(route, new, own, off(&[Scope::Table, Scope::Host(h)]));
            }
        }
    }
}

fn apply(to: &mut Json, filter: &str, what: &Override, is_off: bool) {
    let on = || {
        typed(
            "envoy.config.route.v3.FilterConfig",
            json!({ "config": {} }),
        )
    };
    match what {
        Override::Off => switch_to(to, filter, switched_off()),
        Override::On => switch_to(to, filter, on()),
        Override::Profile(name) => {
            if is_off {
                switch_to(to, filter, on());
            }
            profile(to, filter, name);
        }
    }
}

/// A member in either spelling.
fn member<'a>(value: &'a mut Json, name: &str) -> Option<&'a mut Json> {
    let camel = spelled(value, name)?;
    value.get_mut(camel)
}

fn spelled(value: &Json, name: &str) -> Option<String> {
    let squeezed = |text: &str| text.replace('_', "").to_ascii_lowercase();
    let members = value.as_object()?;
    members
        .keys()
        .find(|key| squeezed(key) == squeezed(name))
        .cloned()
}

fn switch_to(to: &mut Json, filter: &str, what: Json) {
    if spelled(to, PER_FILTER).is_none() {
        put(to, PER_FILTER, Map::new());
    }
    if let Some(configs) = member(to, PER_FILTER) {
        put(configs, filter, what);
    }
}

/// Chooses a profile of a filter by metadata.
fn profile(to: &mut Json, filter: &str, name: &str) {
    let mut at = to;
    let filter = filter.replace('-', "_");
    for step in ["metadata", "filter_metadata", "modelgate", &filter] {
        if spelled(at, step).is_none() {
            put(at, step, Map::new());
        }
        match member(at, step) {
            Some(below) => at = below,
            None => return,
        }
    }
    put(at, "profile", name);
}

/// Takes out what is said of a filter that is no longer there.
fn forget(table: &mut Json, filter: &str) {
    match table {
        Json::Object(members) => {
            let key = |name: &str| name == PER_FILTER || name == "typedPerFilterConfig";
            for (name, value) in members.iter_mut() {
                match (key(name), value) {
                    (true, Json::Object(configs)) => {
                        configs.shift_remove(filter);
                    }
                    (_, value) => forget(value, filter),
                }
            }
            members
                .retain(|name, value| !(key(name) && value.as_object().is_some_and(Map::is_empty)));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| forget(item, filter)),
        _ => {}
    }
}
