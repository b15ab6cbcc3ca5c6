//! `envoy/compose`: what its services read is there, Envoy starts with its configuration, and every
//! query of the dashboard and of the alerts is for a metric that the gateway then has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use located_yaml::Node;
use modelgate_cli::build::{Profile, Workspace, build_filters};
use modelgate_cli::skip::require_or_skip;
use modelgate_demo::client::{Answer, Call, send};
use modelgate_envoy::process::{Launch, Process, Verbosity};
use modelgate_tests::envoys::envoy;
use modelgate_tests::services::free_port;
use serde_json::Value as Json;

/// How long Envoy may take to start.
const PATIENCE: Duration = Duration::from_secs(120);

fn folder() -> PathBuf {
    Workspace::locate().unwrap().root.join("envoy/compose")
}

fn text(file: &str) -> String {
    std::fs::read_to_string(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn yaml(file: &str) -> Json {
    Node::parse(&text(file)).unwrap().to_json()
}

#[test]
fn the_services_find_their_files_and_each_other() {
    let compose = yaml("compose.yaml");
    let services = compose["services"].as_object().unwrap();
    let mut mounted = 0;
    for (name, service) in services {
        let image = service["image"].as_str().unwrap();
        let tag = image.rsplit(':').next().unwrap();
        assert!(tag.contains('.'), "{name}: {image} is no release");
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let volume = volume.as_str().unwrap();
            if let Some(file) = volume.strip_prefix("./") {
                let path = folder().join(file.split(':').next().unwrap());
                assert!(path.exists(), "{name}: {volume}");
                assert!(volume.ends_with(":ro"), "{name}: {volume}");
                mounted += 1;
            }
        }
        // Nothing is open to other machines.
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(
                port.as_str().unwrap().starts_with("127.0.0.1:"),
                "{name}: {port}"
            );
        }
    }
    assert_eq!(mounted, 5);
    // Whom the gateway calls, and who is scraped.
    let gateway = yaml("gateway.yaml");
    let host = |url: &Json| {
        let (_, rest) = url.as_str().unwrap().split_once("://").unwrap();
        rest.split([':', '/']).next().unwrap().to_owned()
    };
    for url in [&gateway["backend"]["url"], &gateway["issuers"][0]["issuer"]] {
        assert!(services.contains_key(&host(url)), "{url}");
    }
    let prometheus = yaml("prometheus.yaml");
    let target = prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0].as_str();
    let (name, port) = target.unwrap().split_once(':').unwrap();
    assert!(services.contains_key(name));
    let metrics = gateway["metrics"].as_str().unwrap();
    assert!(metrics.ends_with(&format!(":{port}")), "{metrics}");
}

/// A query, and where it stands.
type Query = (String, String);

fn dashboard() -> Vec<Query> {
    let board: Json = serde_json::from_str(&text("grafana/dashboards/modelgate.json")).unwrap();
    let mut queries = Vec::new();
    for panel in board["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap().to_owned();
            queries.push((title, target["expr"].as_str().unwrap().to_owned()));
        }
    }
    assert!(queries.len() > 15);
    queries
}

fn alerts() -> Vec<Query> {
    let alerts = yaml("alerts.yaml");
    let rules = alerts["groups"][0]["rules"].as_array().unwrap();
    let text = |rule: &Json, member: &str| rule[member].as_str().unwrap().to_owned();
    let queries = rules
        .iter()
        .map(|rule| (text(rule, "alert"), text(rule, "expr")));
    queries.collect()
}

/// What a query asks for: whole names, and beginnings and ends of names
/// (`{__name__=~"modelgate_.+_denied"}`).
fn asked(query: &str) -> (BTreeSet<String>, Vec<(String, String)>) {
    let mut open = Vec::new();
    let mut rest = query.to_owned();
    while let Some((before, after)) = rest.clone().split_once("__name__=~\"") {
        let (pattern, after) = after.split_once('"').unwrap();
        let (begin, end) = pattern.split_once(".+").unwrap();
        open.push((begin.to_owned(), end.to_owned()));
        rest = format!("{before}{after}");
    }
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = BTreeSet::new();
    for (at, _) in rest.match_indices(['{', ' ', '[', ')']) {
        let before = &rest[..at];
        let name = before.rsplit(|c| !part(c)).next().unwrap();
        let is_metric = name.starts_with("modelgate_") || name.starts_with("envoy_");
        // A label stands in a list, or in front of a comparison.
        let follows = rest[at..].trim_start();
        let in_list = before
            .rfind("by (")
            .is_some_and(|by| !before[by..].contains(')'));
        if is_metric && !in_list && !follows.starts_with('=') {
            names.insert(name.to_owned());
        }
    }
    (names, open)
}

#[test]
fn what_a_query_asks_for_is_found_in_it() {
    let names = |query: &str| asked(query).0.into_iter().collect::<Vec<_>>();
    assert_eq!(
        names(
            "sum by (le, modelgate_x) (rate(envoy_a_bucket{instance=~\"$i\"}[5m])) / sum(modelgate_b) > 0"
        ),
        ["envoy_a_bucket", "modelgate_b"]
    );
    let (_, open) = asked("rate({__name__=~\"modelgate_.+_denied\", instance=~\"x\"}[5m])");
    assert_eq!(open, [("modelgate_".to_owned(), "_denied".to_owned())]);
}

/// The configuration as it is shipped, with places of this machine.
fn here(port: u16, metrics: u16, admin: u16) -> String {
    let workspace = Workspace::locate().unwrap();
    build_filters(&workspace, Profile::Release).unwrap();
    let modules = workspace.target.join("modelgate");
    let mut text = text("envoy.yaml").replace("/etc/envoy/modelgate", modules.to_str().unwrap());
    for (shipped, other) in [(8080, port), (9902, metrics), (9901, admin)] {
        text = text.replace(
            &format!("0.0.0.0\", port_value: {shipped} "),
            &format!("127.0.0.1\", port_value: {other} "),
        );
        text = text.replace(
            &format!("127.0.0.1\", port_value: {shipped} "),
            &format!("127.0.0.1\", port_value: {other} "),
        );
    }
    // What is counted on the way to a collector shows with one.
    let sink = r#"value: '{"sink":{"cluster":"openai","scheme":"http"}}'"#;
    text = text.replacen(r#"value: "{}\n""#, sink, 1);
    assert!(text.contains(sink));
    // Nobody of the others is there.
    for host in ["model", "issuer"] {
        text = text.replace(&format!("address: {host}, "), "address: 127.0.0.1, ");
    }
    text
}

async fn get(port: u16, method: &str, path: &str) -> Option<Answer> {
    let call = Call {
        method: method.to_owned(),
        ..Call::get(path)
    };
    send(port, &call).await.ok()
}

#[tokio::test]
async fn every_query_is_for_a_metric_that_the_gateway_has() {
    let Some(envoy) = envoy(None) else { return };
    let (port, metrics, admin) = (free_port(), free_port(), free_port());
    let own = tempfile::tempdir().unwrap();
    let config = own.path().join("envoy.yaml");
    std::fs::write(&config, here(port, metrics, admin)).unwrap();
    let launch = Launch {
        workers: 1,
        verbosity: Verbosity::Warnings,
        flush_ms: 100,
        drain_s: None,
        environment: &[],
    };
    let process = Process::start_in(own, &envoy, &config, &launch).unwrap();
    let began = Instant::now();
    loop {
        let ready = get(metrics, "GET", "/ready").await;
        if ready.is_some_and(|answer| answer.status == 200) {
            break;
        }
        assert!(process.try_wait().unwrap().is_none(), "Envoy has ended");
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Somebody without a token calls.
    let refused = get(port, "GET", "/v1/models").await.unwrap();
    assert_eq!(refused.status, 401);
    // Of the admin interface nothing else is to be had there.
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/config_dump"),
        ("GET", "/stats"),
        ("POST", "/quitquitquit"),
        ("POST", "/ready"),
        ("GET", "/stats/prometheus/../../config_dump"),
    ] {
        let answer = get(metrics, method, path).await.unwrap();
        assert_eq!(answer.status, 404, "{method} {path}");
    }
    let answer = get(metrics, "GET", "/stats/prometheus").await.unwrap();
    assert_eq!(answer.status, 200);
    let told = answer.text();
    let names: BTreeSet<&str> = told
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    // Counted from the first such decision on.
    let later = ["modelgate_consumer_acl_decided"];
    let mut missing = Vec::new();
    for (place, query) in dashboard().into_iter().chain(alerts()) {
        let (whole, open) = asked(&query);
        assert!(
            !whole.is_empty() || !open.is_empty() || query.starts_with("up{"),
            "{query}"
        );
        for name in whole {
            if !names.contains(name.as_str()) && !later.contains(&name.as_str()) {
                missing.push(format!("{place}: {name}"));
            }
        }
        for (begin, end) in open {
            let fits = |name: &&&str| name.starts_with(&begin) && name.ends_with(&end);
            if names.iter().find(fits).is_none() {
                missing.push(format!("{place}: {begin}…{end}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}\n{names:#?}");
}

#[test]
fn prometheus_takes_the_alerts() {
    let judged = Command::new("promtool")
        .args(["check", "config"])
        .arg(folder().join("prometheus.yaml"))
        .output();
    let Some(output) = require_or_skip("promtool (Debian: prometheus)", judged) else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(Path::new(&folder()).join("alerts.yaml").is_file());
}
