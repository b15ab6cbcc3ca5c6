//! Services, upstreams and routes of Kong's as clusters and routes of Envoy's.

use regex::Regex;
use serde_json::{Map, Value as Json, json};

use super::super::ledger::At;
use super::super::model::{Action, Match, Route};
use super::entities::{self, Entities, Service};
use crate::gateway::{self, Upstream, put};

/// Kong's time limits, in milliseconds, where none are written.
const TIMEOUT_MS: u64 = 60_000;

/// A service, read.
pub struct Target {
    /// Envoy's cluster.
    pub cluster: Option<Json>,
    /// The name of the cluster.
    pub name: String,
    /// What `host` upstream requests get.
    pub host: String,
    /// The path in front of every request's.
    pub path: String,
    /// Time without a byte.
    pub idle_ms: u64,
    /// Further attempts.
    pub retries: u64,
    /// Why nothing can be sent there.
    pub refused: Option<&'static str>,
}

/// Reads a service.
pub fn target(service: &Service<'_>, all: &Entities<'_>) -> Target {
    let at = &service.at;
    let subject = format!("service {}", service.name);
    at.taken(&subject, "a cluster");
    let mut url = at.text_of("url");
    if url.is_none() {
        let protocol = at.text_of("protocol").unwrap_or_else(|| "http".to_owned());
        let host = at.text_of("host").unwrap_or_default();
        let usual = if protocol == "https" { 443 } else { 80 };
        let port = at.number_of("port").unwrap_or(usual);
        let path = at.text_of("path").unwrap_or_default();
        url = Some(format!("{protocol}://{host}:{port}{path}"));
    }
    let url = url.unwrap_or_default();
    let upstream = Upstream::of_url(&service.name, &url);
    let path = url.split_once("://").map_or("", |(_, rest)| rest);
    let path = path
        .find('/')
        .and_then(|from| path.get(from..))
        .unwrap_or_default();
    let connect_ms = at.number_of("connect_timeout").unwrap_or(TIMEOUT_MS);
    let read_ms = at.number_of("read_timeout").unwrap_or(TIMEOUT_MS);
    let write_ms = at.number_of("write_timeout").unwrap_or(TIMEOUT_MS);
    let mut target = Target {
        cluster: None,
        name: service.name.clone(),
        host: String::new(),
        path: path.trim_end_matches('/').to_owned(),
        idle_ms: read_ms.max(write_ms),
        retries: at.number_of("retries").unwrap_or(5),
        refused: None,
    };
    for (member, text) in [
        (
            "client_certificate",
            "the gateway's own certificate towards the server is not configured",
        ),
        (
            "ca_certificates",
            "the server's certificate is verified by the system's authorities",
        ),
    ] {
        if let Some(found) = at.get(member) {
            found.missing(&subject, text, member == "client_certificate");
        }
    }
    if let Some(found) = at.get("tls_verify").or_else(|| at.get("tls_verify_depth")) {
        found.changed(&subject, "certificates of servers are always verified");
    }
    if at.flag_of("enabled") == Some(false) {
        target.refused = Some("its service is not enabled");
    }
    match upstream {
        Ok(upstream) => {
            target.host = match (upstream.tls, upstream.port) {
                (true, 443) | (false, 80) => upstream.host.clone(),
                _ => upstream.authority(),
            };
            let named = all.upstreams.iter().find(|one| {
                one.text_of("name")
                    .is_some_and(|name| name == upstream.host)
            });
            let mut cluster = match named {
                Some(named) => balanced(&upstream, named, all, &mut target),
                None => gateway::cluster(&upstream),
            };
            put(&mut cluster, "connect_timeout", seconds(connect_ms.max(1)));
            target.cluster = Some(cluster);
        }
        Err(_) => {
            target.refused = Some("its service is no HTTP server that a cluster can be made of");
            at.missing(
                &subject,
                "only services with http or https and a host become clusters",
                true,
            );
        }
    }
    target
}

/// Milliseconds as protobuf has a duration.
pub fn seconds(ms: u64) -> String {
    let text = format!("{}.{:03}", ms / 1000, ms % 1000);
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A cluster of an upstream's targets.
fn balanced(server: &Upstream, at: &At<'_>, all: &Entities<'_>, target: &mut Target) -> Json {
    entities::labels(at);
    let subject = format!("upstream {}", server.host);
    at.taken(&subject, "the endpoints of the cluster");
    let mut endpoints = Vec::new();
    let keys: Vec<String> = ["name", "id"]
        .iter()
        .filter_map(|name| at.text_of(name))
        .collect();
    let of_this = |one: &At<'_>| {
        let of = one.get("upstream");
        let named = |of: &At<'_>| match of.is_map() {
            true => ["name", "id"].iter().find_map(|name| of.text_of(name)),
            false => of.text(),
        };
        of.and_then(|of| named(&of))
            .is_some_and(|of| keys.contains(&of))
    };
    let beside = all.targets.iter().filter(|one| of_this(one)).cloned();
    for one in at.list("targets").into_iter().chain(beside) {
        entities::labels(&one);
        one.taken("target", "an endpoint of the cluster");
        let place = one.text_of("target").unwrap_or_default();
        let weight = one.number_of("weight").unwrap_or(100);
        let url = format!(
            "http://{}",
            if place.contains(':') {
                place
            } else {
                format!("{place}:8000")
            }
        );
        let Ok(place) = Upstream::of_url("", &url) else {
            one.wrong::<()>("expected a host and a port");
            continue;
        };
        if weight == 0 {
            continue;
        }
        let address =
            json!({ "socket_address": { "address": place.host, "port_value": place.port } });
        endpoints
            .push(json!({ "endpoint": { "address": address }, "load_balancing_weight": weight }));
    }
    if endpoints.is_empty() {
        target.refused = Some("its upstream has no targets");
    }
    let mut cluster = gateway::cluster(server);
    put(&mut cluster, "type", "STRICT_DNS");
    let assignment =
        json!({ "cluster_name": server.name, "endpoints": [ { "lb_endpoints": endpoints } ] });
    put(&mut cluster, "load_assignment", assignment);
    let host = at.text_of("host_header");
    if let Some(host) = host {
        target.host = host;
    }
    match at.text_of("algorithm").as_deref() {
        None | Some("round-robin") => {}
        Some("least-connections") => put(&mut cluster, "lb_policy", "LEAST_REQUEST"),
        Some(_) => {
            let found = at.get("algorithm").unwrap_or_else(|| at.clone());
            found.changed(&subject, "requests go to the targets in turn");
        }
    }
    for member in [
        "hash_on",
        "hash_on_header",
        "hash_on_cookie",
        "hash_on_cookie_path",
        "hash_on_query_arg",
        "hash_on_uri_capture",
        "hash_fallback",
        "hash_fallback_header",
        "hash_fallback_query_arg",
        "hash_fallback_uri_capture",
        "slots",
    ] {
        if let Some(found) = at.get(member) {
            let text = "nothing of the request chooses a target: `hash_policy` of Envoy's routes with RING_HASH does";
            found.changed(&subject, text);
        }
    }
    if let Some(checks) = at.get("healthchecks") {
        checks.missing(
            &subject,
            "targets are not checked: add `health_checks` or `outlier_detection` to the cluster",
            false,
        );
    }
    cluster
}

/// Reads a route.
pub fn route(one: &entities::Route<'_>, target: Option<&Target>, has_old_paths: bool) -> Route {
    let at = &one.at;
    let subject = format!("route {}", one.name);
    at.taken(&subject, "routes");
    let nowhere = r#"{"message":"no Route matched with those values"}"#.to_owned();
    let mut route = Route::new(
        one.name.clone(),
        hosts(at, &subject),
        Action::Reply(404, nowhere),
    );
    for (member, text) in [
        (
            "snis",
            "the name that a client asks for in TLS is not looked at",
        ),
        ("sources", "the client's address is not looked at"),
        (
            "destinations",
            "the address that a client calls is not looked at",
        ),
        ("expression", "routes by expressions are not read"),
        ("priority", "routes by expressions are not read"),
    ] {
        if let Some(found) = at.get(member) {
            found.missing(&subject, format!("{text}: the route is closed"), true);
            route.close(text);
        }
    }
    for (member, usual, text) in [
        (
            "request_buffering",
            "false",
            "Envoy streams bodies, but where a filter has to hold them",
        ),
        (
            "response_buffering",
            "false",
            "Envoy streams bodies, but where a filter has to hold them",
        ),
        (
            "path_handling",
            "v0",
            "paths are joined as `v0` does, with one slash",
        ),
        (
            "https_redirect_status_code",
            "426",
            "plaintext requests to a route for HTTPS get 426",
        ),
    ] {
        if let Some(found) = at.get(member)
            && found.text().as_deref() != Some(usual)
        {
            found.changed(&subject, text);
        }
    }
    let protocols = at.texts("protocols");
    if !protocols.is_empty() {
        let plain = protocols.iter().any(|one| one == "http");
        if !plain && protocols.iter().any(|one| one == "https") {
            route.needs_tls = true;
            let found = at.get("protocols").unwrap_or_else(|| at.clone());
            found.changed(
                &subject,
                "plaintext requests get 426. The listener speaks plaintext: give it a `transport_socket` with your certificate, or put TLS in front and say how many proxies that are (`xff_num_trusted_hops`)",
            );
        } else if !plain {
            let found = at.get("protocols").unwrap_or_else(|| at.clone());
            found.missing(
                &subject,
                "only http and https are taken over: the route is closed",
                true,
            );
            route.close("its protocol is not taken over");
        }
    }
    let strip = at.flag_of("strip_path") != Some(false);
    let preserve = at.flag_of("preserve_host") == Some(true);
    ways(at, &mut route, strip, target, has_old_paths);
    let is_closed = route.is_closed();
    match target {
        Some(target) if target.refused.is_none() && !is_closed => {
            let mut action = Map::new();
            action.insert("cluster".into(), target.name.clone().into());
            action.insert("timeout".into(), "0s".into());
            action.insert("idle_timeout".into(), seconds(target.idle_ms).into());
            if !preserve {
                action.insert("host_rewrite_literal".into(), target.host.clone().into());
            }
            if target.retries > 0 {
                let retry = json!({ "retry_on": "connect-failure", "num_retries": target.retries });
                action.insert("retry_policy".into(), retry);
            }
            route.action = Action::Forward(action);
        }
        Some(target) => {
            if let (false, Some(why)) = (is_closed, target.refused) {
                route.close(why);
            }
        }
        None => {}
    }
    route
}

/// The hosts of a route, without ports.
fn hosts(at: &At<'_>, subject: &str) -> Vec<String> {
    let name = |host: String| match host.split_once(':') {
        Some((name, _)) => name.to_owned(),
        None => host,
    };
    let hosts = at.texts("hosts");
    if let Some(found) = at
        .get("hosts")
        .filter(|_| hosts.iter().any(|host| host.contains(':')))
    {
        found.changed(subject, "the port that a client names is not looked at");
    }
    hosts.into_iter().map(name).collect()
}

/// The matches of a route.
fn ways(at: &At<'_>, route: &mut Route, strip: bool, target: Option<&Target>, has_old_paths: bool) {
    let mut headers = Vec::new();
    let methods = at.texts("methods");
    if !methods.is_empty() {
        headers.push(one_of(":method", &methods, false));
    }
    if let Some(wanted) = at.get("headers") {
        for (name, values) in wanted.members() {
            let values: Vec<String> = values.items().iter().filter_map(At::text).collect();
            if values.iter().any(|value| value.starts_with("~*")) {
                wanted.missing(
                    "headers",
                    "patterns of headers are not taken over: the route is closed",
                    true,
                );
                route.close("it asks for a pattern in a header");
            }
            headers.push(one_of(&name.to_ascii_lowercase(), &values, true));
        }
    }
    let criteria = usize::from(!methods.is_empty())
        .saturating_add(usize::from(at.get("headers").is_some()))
        .saturating_add(usize::from(at.get("paths").is_some()));
    let priority = at.number_of("regex_priority").unwrap_or_default();
    let base = target.map_or("", |target| target.path.as_str());
    let paths = at.list("paths");
    let mut add = |mut condition: Json, priority: u64, length: usize, rewrite: Option<Json>| {
        if !headers.is_empty() {
            put(&mut condition, "headers", json!(headers));
        }
        route.matches.push(Match {
            condition,
            rank: (criteria, priority, length),
            rewrite,
        });
    };
    if paths.is_empty() {
        let rewrite = (!base.is_empty()).then(|| rewritten("", 0, base));
        add(json!({ "prefix": "/" }), 0, 0, rewrite);
    }
    let mut closed = false;
    for path in paths {
        let Some(text) = path.text() else { continue };
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~%!$&'()*+,;=:@".contains(c);
        let odd = |c: char| !(c.is_ascii_alphanumeric() || "/-_.~%".contains(c));
        let pattern = match text.strip_prefix('~') {
            Some(pattern) => Some(pattern.to_owned()),
            None if has_old_paths && text.contains(odd) => Some(text.clone()),
            None => None,
        };
        match pattern {
            None if text.starts_with('/') && text.chars().all(plain) => {
                let escaped = regex::escape(&text);
                let rewrite = match (strip, base) {
                    (true, base) if text != "/" || !base.is_empty() => {
                        Some(rewritten(escaped.trim_end_matches('/'), 0, base))
                    }
                    (false, base) if !base.is_empty() => Some(rewritten("", 0, base)),
                    _ => None,
                };
                let length = text.len();
                add(json!({ "prefix": text }), 0, length, rewrite);
            }
            Some(pattern) => match regex(&pattern) {
                Some((pattern, groups)) => {
                    let rewrite = match (strip, base) {
                        (true, base) => {
                            Some(rewritten(pattern.trim_end_matches('$'), groups, base))
                        }
                        (false, base) if !base.is_empty() => Some(rewritten("", 0, base)),
                        _ => None,
                    };
                    let whole = match pattern.ends_with('$') {
                        true => pattern.clone(),
                        false => format!("{pattern}.*"),
                    };
                    let length = whole.len();
                    let condition = match literal(&pattern) {
                        Some((path, true)) => json!({ "path": path }),
                        Some((path, false)) => json!({ "prefix": path }),
                        None => json!({ "safe_regex": { "regex": whole } }),
                    };
                    // Patterns are tried before prefixes.
                    add(condition, priority.saturating_add(1), length, rewrite);
                }
                None => {
                    closed = true;
                    path.missing("path", "Envoy's patterns have no look-around and no back-references: the route has no such path", false);
                }
            },
            None => {
                path.missing(
                    "path",
                    "no request has such a path, which begins with a slash and has neither query nor fragment",
                    false,
                );
            }
        }
    }
    if closed && route.matches.is_empty() {
        at.missing(
            "paths",
            "none of its paths can be taken over: the route is not there",
            false,
        );
    }
}

/// The only path that a pattern stands for, and whether nothing may come after it.
fn literal(pattern: &str) -> Option<(String, bool)> {
    let (text, ends) = match pattern.strip_suffix('$') {
        Some(text) => (text, true),
        None => (pattern, false),
    };
    let text = text.replace("\\.", ".").replace("\\-", "-");
    let has_dot = pattern.replace("\\.", "").contains('.');
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_~.".contains(c);
    (!has_dot && text.starts_with('/') && text.chars().all(plain)).then_some((text, ends))
}

/// A pattern in RE2's spelling, with how many groups it has.
fn regex(pattern: &str) -> Option<(String, usize)> {
    let pattern = pattern.trim_start_matches('^').replace("(?<", "(?P<");
    if pattern.contains("(?P<=") || pattern.contains("(?P<!") {
        return None;
    }
    let compiled = Regex::new(&pattern).ok()?;
    Some((pattern, compiled.captures_len().saturating_sub(1)))
}

/// The path without its beginning, behind that of the service: joined with one slash.
fn rewritten(beginning: &str, groups: usize, base: &str) -> Json {
    let base = base.replace('\\', "\\\\");
    let rest = groups.saturating_add(1);
    json!({ "regex_rewrite": {
        "pattern": { "regex": format!("^{beginning}/?(.*)$") },
        "substitution": format!("{base}/\\{rest}"),
    } })
}

/// A header that has one of these values.
fn one_of(name: &str, values: &[String], any_case: bool) -> Json {
    let matcher = match values {
        [one] => json!({ "exact": one, "ignore_case": any_case }),
        many => {
            let many: Vec<String> = many.iter().map(|one| regex::escape(one)).collect();
            let case = if any_case { "(?i)" } else { "" };
            json!({ "safe_regex": { "regex": format!("{case}({})", many.join("|")) } })
        }
    };
    let mut matcher = matcher;
    if !any_case && let Json::Object(members) = &mut matcher {
        members.shift_remove("ignore_case");
    }
    json!({ "name": name, "string_match": matcher })
}
