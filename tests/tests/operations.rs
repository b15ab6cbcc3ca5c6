//! What docs/operations.md promises, on a real Envoy that runs the shipped `envoy/ecds`: settings
//! change in files without a lost request, wrong ones are kept out, and the way to stop loses no
//! audit event.

mod operations {
    pub mod browsers;
}

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use modelgate_cli::build::{self, Profile, Workspace};
use modelgate_cli::check::{self, Severity};
use modelgate_demo::client::{Answer, Call, send};
use modelgate_demo::sink::Sink;
use modelgate_envoy::process::{LOG, Launch, Process, Verbosity};
use modelgate_envoy::release::Envoy;
use modelgate_tests::envoys::envoy;
use modelgate_tests::services::free_port;
use serde_json::Value as Json;

/// How long something may take that comes by itself.
const PATIENCE: Duration = Duration::from_secs(30);
/// The key in `envoy/ecds/filters/key-auth.yaml`.
const KEY: &str = "Bearer example";

/// A running Envoy with a copy of `envoy/ecds`.
struct Gateway {
    envoy: Process,
    port: u16,
    admin: u16,
}

/// As it is shipped.
fn shipped(bootstrap: String) -> String {
    bootstrap
}

impl Gateway {
    /// A gateway whose bootstrap is changed by this first.
    async fn start(envoy: &Envoy, sink: u16, change: fn(String) -> String) -> Self {
        let workspace = Workspace::locate().unwrap();
        let filters = ["audit-log", "key-auth", "consumer-acl", "rate-limit"];
        build::build(&workspace, &filters, Profile::Release).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (port, admin) = (free_port(), free_port());
        let modules = workspace.target.join("modelgate");
        let here = |text: &str| {
            let filters = folder.path().join("filters");
            let text = text.replace("/etc/envoy/modelgate/filters", filters.to_str().unwrap());
            text.replace("/etc/envoy/modelgate", modules.to_str().unwrap())
        };
        let shipped = workspace.root.join("envoy/ecds");
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        let mut bootstrap = here(&change(read(shipped.join("envoy.yaml"))));
        for (shipped, other) in [
            (9901, admin),
            (8080, port),
            (8000, upstream()),
            (4318, sink),
        ] {
            let shipped = format!("port_value: {shipped} ");
            assert!(bootstrap.contains(&shipped), "{shipped}");
            bootstrap = bootstrap.replace(&shipped, &format!("port_value: {other} "));
        }
        std::fs::write(folder.path().join("envoy.yaml"), bootstrap).unwrap();
        std::fs::create_dir(folder.path().join("filters")).unwrap();
        for filter in filters {
            let name = format!("filters/{filter}.yaml");
            std::fs::write(folder.path().join(&name), here(&read(shipped.join(&name)))).unwrap();
        }
        let launch = Launch {
            workers: 2,
            verbosity: Verbosity::Warnings,
            flush_ms: 10_000,
            drain_s: None,
            environment: &[],
        };
        let config = folder.path().join("envoy.yaml");
        let envoy = Process::start_in(folder, envoy, &config, &launch).unwrap();
        let gateway = Self { envoy, port, admin };
        let began = Instant::now();
        while gateway
            .admin("GET", "/ready")
            .await
            .is_none_or(|answer| answer.status != 200)
        {
            let ended = gateway.envoy.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < 2 * PATIENCE,
                "{}",
                gateway.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        gateway
    }

    async fn admin(&self, method: &str, path: &str) -> Option<Answer> {
        let call = Call {
            method: method.to_owned(),
            ..Call::get(path)
        };
        send(self.admin, &call).await.ok()
    }

    /// The sum of the statistics whose names match.
    async fn stat(&self, pattern: &str) -> u64 {
        let path = format!("/stats?format=json&filter={pattern}");
        let answer = self.admin("GET", &path).await.unwrap();
        let stats: Json = serde_json::from_slice(&answer.body).unwrap();
        let stats = stats["stats"].as_array().unwrap();
        stats.iter().filter_map(|stat| stat["value"].as_u64()).sum()
    }

    /// The status of a chat with a model.
    async fn chat(&self, model: &str) -> u16 {
        send(self.port, &chat(model)).await.unwrap().status
    }

    fn file(&self, filter: &str) -> PathBuf {
        self.envoy.folder().join(format!("filters/{filter}.yaml"))
    }

    /// Puts another text in a filter's file as the page says: written beside it, and renamed.
    fn change(&self, filter: &str, from: &str, to: &str) {
        let file = self.file(filter);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from}");
        let new = file.with_extension("new");
        std::fs::write(&new, text.replace(from, to)).unwrap();
        std::fs::rename(&new, &file).unwrap();
    }

    /// Waits until a statistic is more than it was.
    async fn more(&self, pattern: &str, than: u64) {
        let began = Instant::now();
        while self.stat(pattern).await <= than {
            assert!(began.elapsed() < PATIENCE, "{pattern}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until a chat with this model comes to this.
    async fn until(&self, model: &str, status: u16) {
        let began = Instant::now();
        while self.chat(model).await != status {
            assert!(began.elapsed() < PATIENCE, "{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.envoy.folder().join(LOG)).unwrap_or_default()
    }

    /// Memory of the process, in KiB (Linux only; 0 elsewhere).
    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.envoy.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }

    /// Ends it as an orchestrator does.
    async fn terminate(&mut self) {
        assert!(
            self.envoy.terminate(PATIENCE).await.unwrap(),
            "it does not end"
        );
    }
}

fn chat(model: &str) -> Call {
    let body = format!(r#"{{"model":"{model}","messages":[]}}"#);
    Call::post("/v1/chat/completions", &body)
        .with("content-type", "application/json")
        .with("authorization", KEY)
}

/// A model server that answers everything with 200, for as long as the tests run.
fn upstream() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    port
}

fn answer(mut stream: TcpStream) {
    let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let whole = String::from_utf8_lossy(&received)
            .split_once("\r\n\r\n")
            .is_some_and(|(head, body)| {
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "));
                length.is_none_or(|length| body.len() >= length.parse::<usize>().unwrap_or(0))
            });
        if whole {
            break;
        }
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => received.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let _ =
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
}

const TAKEN: &str = "extension_config_discovery.http_filter.consumer-acl.config_reload";
const REFUSED: &str =
    "extension_config_discovery.http_filter.consumer-acl.(config_fail|update_rejected)";

#[tokio::test(flavor = "multi_thread")]
async fn files_change_the_filters_of_a_running_envoy_without_a_lost_request() {
    let Some(envoy) = envoy(None) else { return };
    let sink = Sink::start(0).unwrap();
    let gateway = Arc::new(Gateway::start(&envoy, sink.server().port(), shipped).await);
    assert_eq!(gateway.chat("llama-3").await, 200);
    assert_eq!(gateway.chat("mistral").await, 403);

    // As many as there will be: the quota of 600 is not what this is about.
    gateway.change("rate-limit", "\"quota\": 600", "\"quota\": 1000000");
    gateway
        .more(
            "extension_config_discovery.http_filter.rate-limit.config_reload",
            1,
        )
        .await;

    // Somebody calls all the time.
    let (stop, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let caller = tokio::spawn({
        let (gateway, stop, calls) = (Arc::clone(&gateway), Arc::clone(&stop), Arc::clone(&calls));
        async move {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(gateway.chat("llama-3").await, 200, "{}", gateway.log());
                calls.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    // Another rule takes effect.
    gateway.change("consumer-acl", "\"llama-*\"", "\"llama-*\", \"mistral\"");
    gateway.until("mistral", 200).await;

    // What the filter refuses is kept out, with its reason in the log, and the old one goes on.
    gateway.change("consumer-acl", "\"effect\"", "\"efect\"");
    gateway.more(REFUSED, 0).await;
    assert_eq!(gateway.chat("mistral").await, 200);
    assert_eq!(gateway.chat("other").await, 403);
    let log = gateway.log();
    assert!(log.contains("did you mean `effect`?"), "{log}");
    gateway.change("consumer-acl", "\"efect\"", "\"effect\"");

    // Fifty changes leave no VM and no memory behind.
    let vms = gateway.stat("wasm.envoy.wasm.runtime.v8.active").await;
    let mut after_ten = 0;
    for round in 0..50 {
        let before = gateway.stat(TAKEN).await;
        let (from, to) = match round % 2 {
            0 => (", \"mistral\"", ", \"mixtral\""),
            _ => (", \"mixtral\"", ", \"mistral\""),
        };
        gateway.change("consumer-acl", from, to);
        gateway.more(TAKEN, before).await;
        if round == 9 {
            after_ten = gateway.resident_kib();
        }
    }
    gateway.until("mistral", 200).await;
    stop.store(true, Ordering::Relaxed);
    caller.await.unwrap();
    assert!(calls.load(Ordering::Relaxed) > 50, "{calls:?}");
    assert_eq!(gateway.stat("wasm.envoy.wasm.runtime.v8.active").await, vms);
    let grown = gateway.resident_kib().saturating_sub(after_ten);
    assert!(grown < 16 << 10, "{grown} KiB more after forty changes");
    println!("{calls:?} calls, {grown} KiB more after forty changes");

    // Which release runs: in the log once for each change, and as a metric with labels.
    let prometheus = gateway
        .admin("GET", "/stats/prometheus")
        .await
        .unwrap()
        .text();
    let version = env!("CARGO_PKG_VERSION").replace('.', "_");
    let line = format!(
        "modelgate_build_info{{modelgate_version=\"{version}\",modelgate_filter=\"consumer_acl\"}} 1"
    );
    let labels = |line: &str| {
        let mut labels: Vec<String> = line.split(['{', ',', '}']).map(str::to_owned).collect();
        labels.sort();
        labels
    };
    assert!(
        prometheus
            .lines()
            .any(|shown| labels(shown) == labels(&line)),
        "no {line} in\n{}",
        prometheus
            .lines()
            .filter(|line| line.contains("build_info"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    let announced = gateway
        .log()
        .matches("consumer_acl: configuration taken")
        .count();
    // What was refused is not among them, and neither is the text before it, which is taken again
    // and has not changed.
    assert_eq!(announced, 1 + 1 + 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_stop_loses_no_event() {
    const CALLS: usize = 20;
    /// `sink.batch.max_age_ms`, as it is by default, and a second.
    const WAIT: Duration = Duration::from_millis(1_000 + 1_000);
    let Some(envoy) = envoy(None) else { return };
    let sink = Sink::start(0).unwrap();
    let mut gateway = Gateway::start(&envoy, sink.server().port(), shipped).await;
    let health = Call::get("/healthz");
    assert_eq!(send(gateway.port, &health).await.unwrap().status, 200);
    for _ in 0..CALLS {
        assert_eq!(gateway.chat("llama-3").await, 200);
    }
    let failed = gateway.admin("POST", "/healthcheck/fail").await.unwrap();
    assert_eq!(failed.status, 200);
    // The load balancer sees it; who calls still is served, and recorded.
    assert_eq!(send(gateway.port, &health).await.unwrap().status, 503);
    assert_eq!(gateway.chat("llama-3").await, 200);
    let drained = gateway
        .admin("POST", "/drain_listeners?graceful")
        .await
        .unwrap();
    assert_eq!(drained.status, 200);
    tokio::time::sleep(WAIT).await;
    gateway.terminate().await;
    let (records, came) = sink.since(0);
    let chats = records
        .iter()
        .filter(|record| record.body.contains("/v1/chat/completions"));
    assert_eq!(
        (chats.count(), sink.dropped()),
        (CALLS + 1, 0),
        "{came} came"
    );
}

/// Callers that go on until they are stopped, and count what they got.
struct Load {
    stop: Arc<AtomicBool>,
    callers: Vec<tokio::task::JoinHandle<BTreeMap<u16, usize>>>,
}

impl Load {
    fn begin(port: u16, callers: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let caller = || {
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let mut statuses = BTreeMap::new();
                while !stop.load(Ordering::Relaxed) {
                    // No answer at all: the connection was refused, or closed.
                    let answer = send(port, &chat("llama-3")).await;
                    let status = answer.map_or(0, |answer| answer.status);
                    *statuses.entry(status).or_default() += 1;
                }
                statuses
            })
        };
        let callers = (0..callers).map(|_| caller()).collect();
        Self { stop, callers }
    }

    async fn end(self) -> BTreeMap<u16, usize> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = BTreeMap::new();
        for caller in self.callers {
            for (status, count) in caller.await.unwrap() {
                *all.entry(status).or_default() += count;
            }
        }
        all
    }
}

/// How often a sink has got each event, by worker and number.
fn received(sink: &Sink) -> BTreeMap<(String, u64), usize> {
    let (records, came) = sink.since(0);
    assert_eq!(records.len(), came, "some were not kept");
    let mut events = BTreeMap::new();
    for record in records {
        let number = record.text("modelgate.sequence").parse().unwrap();
        let event = (record.text("modelgate.worker"), number);
        *events.entry(event).or_default() += 1;
    }
    events
}

/// Waits until a sink has got so many events, or no more come.
async fn arrived(sink: &Sink, count: usize) {
    for _ in 0..300 {
        if received(sink).len() >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Each worker's events have all numbers from 1 on.
fn gaps(events: &BTreeMap<(String, u64), usize>) -> u64 {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for (worker, number) in events.keys() {
        let last = last.entry(worker).or_default();
        *last = (*last).max(*number);
    }
    last.values().sum::<u64>() - u64::try_from(events.len()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_of_the_audit_log_under_load_lose_no_event() {
    const RELOADS: usize = 8;
    let Some(envoy) = envoy(None) else { return };
    let sink = Sink::keeping(0, usize::MAX).unwrap();
    let gateway = Gateway::start(&envoy, sink.server().port(), shipped).await;
    gateway.change("rate-limit", "\"quota\": 600", "\"quota\": 1000000");
    let reloads = |filter| format!("extension_config_discovery.http_filter.{filter}.config_reload");
    gateway.more(&reloads("rate-limit"), 1).await;
    let load = Load::begin(gateway.port, 8);
    for round in 0..RELOADS {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let before = gateway.stat(&reloads("audit-log")).await;
        let (from, to) = match round {
            0 => (
                "\"scheme\": \"http\"".to_owned(),
                format!("\"scheme\": \"http\", \"timeout_ms\": {}", 4_000),
            ),
            _ => ((4_000 + round - 1).to_string(), (4_000 + round).to_string()),
        };
        gateway.change("audit-log", &from, &to);
        gateway.more(&reloads("audit-log"), before).await;
    }
    let statuses = load.end().await;
    let calls: usize = statuses.values().sum();
    arrived(&sink, calls).await;
    let events = received(&sink);
    let twice = events.values().filter(|times| **times > 1).count();
    println!(
        "{calls} calls, {} events, {twice} of them twice",
        events.len()
    );
    // Only what was in flight when a configuration was replaced; mostly that is nothing.
    assert!(twice < calls / 4, "{twice} of {calls} twice");
    assert_eq!(statuses.keys().collect::<Vec<_>>(), [&200]);
    assert_eq!((events.len(), gaps(&events), sink.dropped()), (calls, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_under_load_loses_no_event() {
    let Some(envoy) = envoy(None) else { return };
    let sink = Sink::keeping(0, usize::MAX).unwrap();
    let mut gateway = Gateway::start(&envoy, sink.server().port(), shipped).await;
    gateway.change("rate-limit", "\"quota\": 600", "\"quota\": 1000000");
    gateway
        .more(
            "extension_config_discovery.http_filter.rate-limit.config_reload",
            1,
        )
        .await;
    let load = Load::begin(gateway.port, 8);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let failed = gateway.admin("POST", "/healthcheck/fail").await.unwrap();
    assert_eq!(failed.status, 200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let drained = gateway
        .admin("POST", "/drain_listeners?graceful")
        .await
        .unwrap();
    assert_eq!(drained.status, 200);
    // The load balancer has turned away; a second and `sink.batch.max_age_ms` later it may end.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let statuses = load.end().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    gateway.terminate().await;
    let events = received(&sink);
    println!("{statuses:?}, {} events", events.len());
    // Whoever was not served got no connection.
    assert!(
        statuses.keys().all(|status| [0, 200].contains(status)),
        "{statuses:?}"
    );
    let served = statuses.get(&200).copied().unwrap_or_default();
    assert!(served > 50, "{statuses:?}");
    assert_eq!(
        (events.len(), gaps(&events), sink.dropped()),
        (served, 0, 0)
    );
}

#[test]
fn the_shipped_files_have_no_findings_and_are_read_as_one_chain() {
    let folder = Workspace::locate().unwrap().root.join("envoy/ecds");
    let text = std::fs::read_to_string(folder.join("envoy.yaml")).unwrap();
    let outcome = check::check_in(&text, Some(&folder));
    assert_eq!((outcome.filters, outcome.chains, outcome.unread), (4, 1, 0));
    let found: Vec<String> = outcome.findings.iter().map(ToString::to_string).collect();
    assert_eq!(found, Vec::<String>::new());
    // Each file by itself, as it is checked before it is put in place.
    for entry in std::fs::read_dir(folder.join("filters")).unwrap() {
        let path: &Path = &entry.unwrap().path();
        let outcome = check::check(&std::fs::read_to_string(path).unwrap());
        let wrong = |severity| outcome.findings.iter().any(|f| f.severity == severity);
        assert!(
            outcome.filters == 1 && !wrong(Severity::Error),
            "{path:?}: {:?}",
            outcome.findings
        );
    }
}
