//! Virtual hosts and routes of a configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Place;
use super::text;
use crate::config::own::{answer_changes, direct_response, flag, header_changes, of_type, rewrite};
use located_yaml::read::{At, Fields};
use proxy_wasm_simulator::{
    HeaderCondition, Metadata, PathMatch, Pattern, Route, Switches, VirtualHost, Wanted,
};

const FILTER_CONFIG: &str = "envoy.config.route.v3.FilterConfig";

type Clusters = BTreeMap<String, Place>;

/// The virtual hosts of a `route_config`.
pub(super) fn hosts(at: &At<'_>, clusters: &Clusters) -> Vec<VirtualHost> {
    let Some(mut fields) = at.fields() else {
        return Vec::new();
    };
    fields.take("name");
    let ignore_port = flag(&mut fields, "ignore_port_in_host_matching");
    let hosts = fields.need("virtual_hosts").map(|at| at.list());
    fields.close();
    let hosts = hosts.unwrap_or_default();
    let read = |at: &At<'_>| {
        let host = host(at, clusters)?;
        Some(VirtualHost {
            ignore_port,
            ..host
        })
    };
    hosts.iter().filter_map(read).collect()
}

fn host(at: &At<'_>, clusters: &Clusters) -> Option<VirtualHost> {
    let mut fields = at.fields()?;
    let domains = fields.need("domains").map(|at| at.list());
    let routes = fields.need("routes").map(|at| at.list());
    let host = VirtualHost {
        name: text(&mut fields, "name"),
        domains: domains?.iter().filter_map(At::text).collect(),
        ignore_port: false,
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
    let chosen = fields.need("match").and_then(|at| chosen(&at));
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
    let (path, headers) = chosen?;
    Some(Route {
        path,
        headers,
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
    target.take("retry_policy").inspect(retry);
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

/// Further attempts to connect are not seen by filters, and are not made here; any others would be.
fn retry(at: &At<'_>) {
    let Some(mut fields) = at.fields() else {
        return;
    };
    if let Some(on) = fields.need("retry_on") {
        on.word(&[("connect-failure", ())]);
    }
    fields.take("num_retries");
    fields.close();
}

/// The paths and headers that a route is chosen by.
fn chosen(at: &At<'_>) -> Option<(PathMatch, Vec<HeaderCondition>)> {
    let mut fields = at.fields()?;
    let mut text = |name| fields.take(name).and_then(|at| at.text());
    let (prefix, exact) = (text("prefix"), text("path"));
    let below = text("path_separated_prefix");
    let pattern = fields.take("safe_regex").map(|at| pattern(&at));
    let headers = fields.take("headers").map(|at| at.list());
    fields.close();
    let headers = headers.unwrap_or_default();
    let headers = headers.iter().filter_map(header).collect();
    let path = match (prefix, exact, below, pattern) {
        (Some(prefix), None, None, None) => PathMatch::Prefix(prefix),
        (None, Some(exact), None, None) => PathMatch::Exact(exact),
        (None, None, Some(below), None) => PathMatch::Below(below),
        (None, None, None, Some(pattern)) => PathMatch::Pattern(pattern?),
        _ => {
            return at.refuse(
                "a route is chosen by one of `prefix`, `path`, `path_separated_prefix` and `safe_regex` here",
            );
        }
    };
    Some((path, headers))
}

/// A header that a route asks for.
fn header(at: &At<'_>) -> Option<HeaderCondition> {
    let mut fields = at.fields()?;
    let name = fields.need("name").and_then(|at| at.text());
    let value = fields.need("string_match").and_then(|at| {
        let mut fields = at.fields()?;
        let exact = fields.take("exact").and_then(|at| at.text());
        let ignore_case = flag(&mut fields, "ignore_case");
        let pattern = fields.take("safe_regex").map(|at| pattern(&at));
        fields.close();
        match (exact, pattern) {
            (Some(text), None) => Some(Wanted::Exact { text, ignore_case }),
            (None, Some(pattern)) => Some(Wanted::Pattern(pattern?)),
            _ => at.refuse("a header is compared by `exact` or `safe_regex` here"),
        }
    });
    fields.close();
    Some(HeaderCondition {
        name: name?.to_ascii_lowercase(),
        value: value?,
    })
}

/// A pattern.
fn pattern(at: &At<'_>) -> Option<Pattern> {
    let mut fields = at.fields()?;
    fields.take("google_re2");
    let regex = fields.need("regex").and_then(|at| at.text());
    fields.close();
    match Pattern::read(&regex?) {
        Ok(pattern) => Some(pattern),
        Err(problem) => at.refuse(problem),
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
