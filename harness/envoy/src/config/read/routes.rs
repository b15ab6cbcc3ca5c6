//! Virtual hosts and routes of a configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Place;
use super::text;
use crate::config::own::{answer_changes, direct_response, flag, header_changes, of_type, rewrite};
use located_yaml::read::{At, Fields};
use proxy_wasm_simulator::{Metadata, PathMatch, Route, Switches, VirtualHost};

const FILTER_CONFIG: &str = "envoy.config.route.v3.FilterConfig";

type Clusters = BTreeMap<String, Place>;

/// The virtual hosts of a `route_config`.
pub(super) fn hosts(at: &At<'_>, clusters: &Clusters) -> Vec<VirtualHost> {
    let Some(mut fields) = at.fields() else {
        return Vec::new();
    };
    fields.take("name");
    let hosts = fields.need("virtual_hosts").map(|at| at.list());
    fields.close();
    let hosts = hosts.unwrap_or_default();
    hosts.iter().filter_map(|at| host(at, clusters)).collect()
}

fn host(at: &At<'_>, clusters: &Clusters) -> Option<VirtualHost> {
    let mut fields = at.fields()?;
    let domains = fields.need("domains").map(|at| at.list());
    let routes = fields.need("routes").map(|at| at.list());
    let host = VirtualHost {
        name: text(&mut fields, "name"),
        domains: domains?.iter().filter_map(At::text).collect(),
        metadata: metadata(&mut fields),
        switches: switches(&mut fields),
        header_changes: header_changes(&mut fields),
        answer_changes: answer_changes(&mut fields),
        routes: routes?
            .iter()
            .filter_map(|at| route(at, clusters))
            .collect(),
    };
    fields.close();
    Some(host)
}

fn route(at: &At<'_>, clusters: &Clusters) -> Option<Route> {
    let mut fields = at.fields()?;
    let path = fields.need("match").and_then(|at| path(&at));
    let direct_response = direct_response(&mut fields);
    let target = match &direct_response {
        // What is wrong with it was said.
        Some(Some(_)) | None => None,
        Some(None) => Some(fields.need("route").and_then(|at| target(&at, clusters))),
    };
    let route = Route {
        name: text(&mut fields, "name"),
        metadata: metadata(&mut fields),
        switches: switches(&mut fields),
        header_changes: header_changes(&mut fields),
        answer_changes: answer_changes(&mut fields),
        direct_response: direct_response?,
        ..target.unwrap_or_else(|| Some(Route::to("")))?
    };
    fields.close();
    Some(Route {
        path: path?,
        ..route
    })
}

/// Where a route leads, and how requests go there.
fn target(at: &At<'_>, clusters: &Clusters) -> Option<Route> {
    let mut target = at.fields()?;
    let cluster = target.need("cluster");
    let mut duration = |name| match target.take(name) {
        Some(at) => seconds(&at).map(Some),
        None => Some(None),
    };
    let (timeout, idle_timeout) = (duration("timeout"), duration("idle_timeout"));
    let automatic = flag(&mut target, "auto_host_rewrite");
    let mut rewrite = rewrite(&mut target);
    target.close();
    if automatic && rewrite.host.is_some() {
        return at.refuse("`auto_host_rewrite` and `host_rewrite_literal` exclude each other");
    }
    let cluster = cluster?;
    let known = cluster.text()?;
    let Some(place) = clusters.get(&known) else {
        return cluster.refuse(format!("no cluster is called {known:?}"));
    };
    if automatic {
        // An address without a name rewrites nothing.
        rewrite.host.clone_from(&place.hostname);
    }
    Some(Route {
        timeout: timeout?,
        idle_timeout: idle_timeout?,
        rewrite,
        ..Route::to(&known)
    })
}

fn path(at: &At<'_>) -> Option<PathMatch> {
    let mut fields = at.fields()?;
    let prefix = fields.take("prefix").and_then(|at| at.text());
    let exact = fields.take("path").and_then(|at| at.text());
    fields.close();
    match (prefix, exact) {
        (Some(prefix), None) => Some(PathMatch::Prefix(prefix)),
        (None, Some(exact)) => Some(PathMatch::Exact(exact)),
        _ => at.refuse("a route is chosen by `prefix` or by `path` here"),
    }
}

fn metadata(fields: &mut Fields<'_>) -> Metadata {
    let Some(mut members) = fields.take("metadata").and_then(|at| at.fields()) else {
        return Metadata::new();
    };
    let namespaces = members.take("filter_metadata").map(|at| at.json());
    members.close();
    match namespaces {
        Some(serde_json::Value::Object(namespaces)) => namespaces,
        _ => Metadata::new(),
    }
}

/// Filters that a route or a host switches on or off.
fn switches(fields: &mut Fields<'_>) -> Switches {
    let per_filter = fields
        .take("typed_per_filter_config")
        .map(|at| at.entries())
        .unwrap_or_default();
    let read = |at: &At<'_>| {
        let mut config = of_type(at, FILTER_CONFIG)?;
        let disabled = flag(&mut config, "disabled");
        let settings = config.take("config");
        config.close();
        match settings.filter(|at| !at.is_map() || !at.entries().is_empty()) {
            Some(at) => at.refuse("settings of a filter per route are not served here"),
            None => Some(!disabled),
        }
    };
    per_filter
        .iter()
        .filter_map(|(key, at)| Some((key.text.clone(), read(at)?)))
        .collect()
}

/// A protobuf duration in JSON: `1.5s`.
fn seconds(at: &At<'_>) -> Option<Duration> {
    let written = at.text()?;
    let seconds = written
        .strip_suffix('s')
        .and_then(|number| number.parse::<f64>().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.or_else(|| at.refuse("expected a duration in seconds, such as 1.5s"))
}
