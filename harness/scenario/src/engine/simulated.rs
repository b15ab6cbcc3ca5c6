//! The engines `native` and `wasmtime`: the simulated proxy, in virtual time.
//!
//! The same steps as against a real Envoy, with the same servers' scripts; nothing waits, and a run
//! repeats exactly. What the HTTP stacks of a real client and a real server add (`content-length`,
//! `transfer-encoding`) is added here too, because filters see it.

pub mod servers;
mod work;

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use modelgate_kit::problem::common::CONFIGURATION_REFUSED;
use serde_json::{Map, Value as Json};

use super::native::NativeCode;
use super::{Ended, Engine, Exchange, LoadModule, Observations, WasmFiles, compare, patience};
use crate::file::EngineKind;
use crate::file::chain::FailurePolicy;
use crate::file::routes::{Metadata, Switches};
use crate::file::{
    Body, CONNECT, ChainEntry, Config, EngineName, Request, Scenario, Start, Step, Traffic,
    VirtualHost, Wasm,
};
use proxy_wasm_simulator::profile::RefusedPlugin;
use proxy_wasm_simulator::{
    self as proxy, Builder, FilterSpec, Gateway, GuestCode, Metric, Outcome, Profile, StreamId,
    access_log, protobuf,
};
use servers::Servers;

pub use work::Work;

/// Between the start of the proxy and the first request.
const WARM_UP: Duration = Duration::from_millis(100);
/// Between a request and the next one.
const PAUSE: Duration = Duration::from_millis(1);
/// Between pieces of a body without a time of their own, as real clients have it.
const GAP: Duration = Duration::from_millis(15);
/// How long to wait for what arrives late, and for requests that a step is to follow.
const LATE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// Runs scenarios in the simulated proxy.
pub struct Simulated {
    name: EngineName,
    wasm: Arc<dyn WasmFiles>,
    load: Option<LoadModule>,
}

impl Simulated {
    /// The engine `native`: the filters' own code.
    pub fn native(wasm: Arc<dyn WasmFiles>) -> Self {
        Self {
            name: EngineName {
                kind: EngineKind::Native,
                version: None,
            },
            wasm,
            load: None,
        }
    }

    /// The engine `wasmtime`: their modules.
    pub fn wasmtime(wasm: Arc<dyn WasmFiles>, load: LoadModule) -> Self {
        Self {
            name: EngineName {
                kind: EngineKind::Wasmtime,
                version: None,
            },
            wasm,
            load: Some(load),
        }
    }

    /// The same with the host that a name says.
    #[must_use]
    pub fn playing(mut self, name: &EngineName) -> Self {
        self.name.version.clone_from(&name.version);
        self
    }

    fn code(&self, scenario: &Scenario, entry: &ChainEntry) -> Result<Rc<dyn GuestCode>> {
        match (self.name.kind, &entry.wasm) {
            (_, Wasm::Own(own)) => own.code(&entry.name, &scenario.secrets, &|_| None),
            (EngineKind::Native, Wasm::Suite(name)) => {
                let filters = scenario.catalogue.filters_in(name);
                anyhow::ensure!(!filters.is_empty(), "no filter is called {name}");
                Ok(NativeCode::bundle(filters))
            }
            (_, wasm) => {
                let load = self.load.context("the engine native has no modules")?;
                module(&self.wasm.file(scenario, wasm)?, load)
            }
        }
    }

    /// A scenario's gateway with the world around it, before the first step. `trace` records every
    /// callback and host call.
    fn play<'a>(
        &self,
        scenario: &'a Scenario,
        trace: bool,
    ) -> Result<Result<Play<'a>, proxy::BuildError>> {
        let servers = Servers::new(&scenario.clusters);
        let rules = self.name.profile();
        let builder = builder(scenario, &servers, rules, &|entry| {
            self.code(scenario, entry)
        })?;
        let builder = builder.trace(trace);
        Ok(builder.build().map(|gateway| Play {
            gateway,
            servers,
            scenario,
            running: Vec::new(),
        }))
    }
}

/// The code in a module's file.
///
/// # Errors
/// If it cannot be read, or not be run.
pub(super) fn module(path: &Path, load: LoadModule) -> Result<Rc<dyn GuestCode>> {
    let wasm = std::fs::read(path).with_context(|| path.display().to_string())?;
    load(&wasm).map_err(|problem| anyhow::anyhow!("{}: {problem}", path.display()))
}

impl Engine for Simulated {
    fn name(&self) -> &EngineName {
        &self.name
    }

    fn refuses(&self, scenario: &Scenario) -> Option<String> {
        let mut chain = scenario.chain.iter();
        let envoys = |entry: &ChainEntry| matches!(entry.wasm, Wasm::Own(_));
        if !self.name.profile().has_own_filters && scenario.chain.iter().any(envoys) {
            return Some("it has no filters of Envoy's own".to_owned());
        }
        let modules = chain.any(|entry| matches!(entry.wasm, Wasm::Guests | Wasm::File(_)));
        (self.name.kind == EngineKind::Native && modules)
            .then(|| "it runs the suite's own filters, not modules".to_owned())
    }

    fn run(&self, scenario: &Scenario) -> Result<Observations> {
        let mut play = match self.play(scenario, false)? {
            Ok(play) => play,
            Err(refused) => {
                return Ok(Observations {
                    refused: Some(refused.to_string()),
                    ..Observations::default()
                });
            }
        };
        if scenario.expect.start_refused.is_some() {
            return Ok(play.started(self.name.profile().refused_plugin));
        }
        play.steps()?;
        play.gateway
            .advance(Duration::from_millis(scenario.expect.settle_ms));
        let mut waited = Duration::ZERO;
        loop {
            let seen = play.observe();
            if waited > LATE || compare::judged(scenario, &self.name, &seen).is_empty() {
                return Ok(seen);
            }
            play.gateway.advance(POLL);
            waited = waited.saturating_add(POLL);
        }
    }
}

/// The proxy of a scenario by these rules, still to be started.
pub fn builder(
    scenario: &Scenario,
    servers: &Servers,
    mut rules: Profile,
    code: &dyn Fn(&ChainEntry) -> Result<Rc<dyn GuestCode>>,
) -> Result<Builder> {
    let stops_iteration = rules.allow_on_headers_stop_iteration;
    if let Some(bytes) = scenario.gateway.buffer_limit_bytes() {
        rules.buffer_limit_bytes = usize::try_from(bytes)?;
    }
    let mut builder = Gateway::builder()
        .profile(rules)
        .network(servers.network())
        .workers(usize::try_from(scenario.gateway.workers())?)
        .use_remote_address(scenario.gateway.use_remote_address)
        .request_id_in_response(true)
        .upgrades(scenario.gateway.upgrades().to_vec())
        .now_ns(scenario.now_s.saturating_mul(1_000_000_000))
        .log_level(proxy::abi::LogLevel::Debug);
    for host in &scenario.virtual_hosts {
        builder = builder.virtual_host(virtual_host(host));
    }
    for entry in &scenario.chain {
        let mut filter = filter(entry, scenario, code(entry)?);
        if stops_iteration && entry.stop_iteration.is_none() {
            filter.allow_on_headers_stop_iteration = None;
        }
        builder = builder.filter(filter);
    }
    Ok(builder)
}

/// A scenario under way.
struct Play<'a> {
    gateway: Gateway,
    servers: Servers,
    scenario: &'a Scenario,
    running: Vec<Sent>,
}

/// A request that was sent.
struct Sent {
    step: usize,
    id: StreamId,
    /// Speaks HTTP/2: only such clients are sent trailers.
    http2: bool,
    /// The client's own end, if it has one.
    disconnects: bool,
}

impl Play<'_> {
    /// What is seen of a proxy that was not to start. On a host that would let requests pass
    /// without the filter, the filter takes its configuration, says in the log what is wrong with
    /// it, and refuses every request: one shows that.
    fn started(&mut self, refused_plugin: RefusedPlugin) -> Observations {
        if refused_plugin == RefusedPlugin::StopsTheProxy {
            return self.observe();
        }
        let id = self.gateway.submit(proxy::Request::new("GET", "/"));
        self.gateway.wait_for(id, LATE);
        let outcome = self.gateway.outcome(id);
        let headers = outcome.client.headers.as_ref().map(servers::headers);
        let reason = compare::reason(&headers.unwrap_or_default(), &outcome.client.body());
        let seen = self.observe();
        let refuses = outcome.client.status() == Some(CONFIGURATION_REFUSED.status)
            && reason.as_deref() == Some(CONFIGURATION_REFUSED.code)
            && outcome.upstream.is_none();
        Observations {
            refused: refuses.then(|| seen.logs.clone()),
            ..seen
        }
    }

    fn steps(&mut self) -> Result<()> {
        let began = self.gateway.now_ns();
        self.gateway.advance(WARM_UP);
        for (index, step) in self.scenario.steps.iter().enumerate() {
            let traffic = match step {
                Step::Rescript(clusters) => {
                    if let Some(Start { at_ms: None, .. }) = self.scenario.sent_before(index) {
                        self.finish();
                    }
                    self.servers.rescript(clusters);
                    continue;
                }
                Step::Reload(reload) => {
                    for (name, config) in &reload.configs {
                        let taken = self.gateway.reconfigure(name, bytes_of(config));
                        reload.judge(name, taken)?;
                    }
                    continue;
                }
                Step::Send(traffic) => traffic,
            };
            match traffic.start.at_ms {
                None => self.finish(),
                Some(ms) => {
                    let at = began.saturating_add(ms.saturating_mul(1_000_000));
                    self.gateway.advance(Duration::from_nanos(
                        at.saturating_sub(self.gateway.now_ns()),
                    ));
                }
            }
            self.awaited(traffic);
            self.gateway
                .advance(Duration::from_millis(traffic.start.wait_ms));
            for _ in 0..traffic.copies {
                self.send(index, traffic);
                if !traffic.overlaps() {
                    self.finish();
                }
            }
        }
        self.finish();
        Ok(())
    }

    /// Waits until the servers have received what a step is to follow; gives up after a while, as
    /// its expectation will show.
    fn awaited(&mut self, traffic: &Traffic) {
        let mut waited = Duration::ZERO;
        let enough = |servers: &Servers| {
            traffic
                .start
                .after_requests
                .iter()
                .all(|(name, count)| servers.count(name) >= *count)
        };
        if traffic.start.after_requests.is_empty() {
            return;
        }
        while !enough(&self.servers) && waited < LATE {
            self.gateway.advance(POLL);
            waited = waited.saturating_add(POLL);
        }
        // Received is not yet answered.
        self.gateway.advance(Duration::from_millis(100));
    }

    fn send(&mut self, step: usize, traffic: &Traffic) {
        let number = self.running.len();
        self.servers.opened(number);
        let patience = patience(self.scenario, traffic);
        let leaves = traffic
            .request
            .disconnect_after_ms
            .map(Duration::from_millis)
            .filter(|leaves| *leaves < patience);
        let mut request = request(&traffic.request, number);
        request.disconnect_after = Some(leaves.unwrap_or(patience));
        let id = self.gateway.submit(request);
        self.running.push(Sent {
            step,
            id,
            http2: traffic.request.http2,
            disconnects: leaves.is_some(),
        });
        if self.gateway.is_over(id) {
            self.servers.closed(number);
        }
    }

    /// Lets all requests under way come to their end.
    fn finish(&mut self) {
        for (number, sent) in self.running.iter().enumerate() {
            // Every client goes away in the end, so that this ends.
            self.gateway.wait_for(sent.id, Duration::from_secs(120));
            self.servers.closed(number);
        }
        self.gateway.advance(PAUSE);
    }

    fn observe(&self) -> Observations {
        let outcomes: Vec<Outcome> = self
            .running
            .iter()
            .map(|sent| self.gateway.outcome(sent.id))
            .collect();
        let mut received = self.servers.received();
        for (number, outcome) in outcomes.iter().enumerate() {
            servers::complete_partial(&mut received, number, outcome);
        }
        let metrics =
            self.gateway
                .metrics()
                .into_iter()
                .filter_map(|(name, metric)| match metric {
                    Metric::Counter(value) | Metric::Gauge(value) => Some((name, value)),
                    Metric::Histogram(_) => None,
                });
        let lines: Vec<String> = self
            .gateway
            .timeline()
            .logs()
            .map(ToString::to_string)
            .collect();
        Observations {
            refused: None,
            exchanges: self
                .running
                .iter()
                .zip(&outcomes)
                .map(|(sent, outcome)| exchange(sent, outcome))
                .collect(),
            received,
            metrics: metrics.collect(),
            logs: lines.join("\n"),
        }
    }
}

fn exchange(sent: &Sent, outcome: &Outcome) -> Exchange {
    let client = &outcome.client;
    let end = match () {
        () if client.complete => Ended::Complete,
        () if client.reset => Ended::Reset,
        () if sent.disconnects => Ended::Left,
        () => Ended::Hung,
    };
    let facts = outcome
        .filter_state
        .iter()
        .map(|(name, value)| (name.clone(), Bytes::copy_from_slice(value)));
    Exchange {
        step: sent.step,
        status: client.status(),
        headers: client
            .headers
            .as_ref()
            .map(servers::headers)
            .unwrap_or_default(),
        body: client.body().into(),
        trailers: client
            .trailers
            .as_ref()
            .filter(|_| sent.http2)
            .map(servers::headers)
            .unwrap_or_default(),
        end,
        details: access_log::details(outcome),
        flags: Some(access_log::flags(outcome.flags)),
        facts: facts.collect(),
    }
}

fn filter(entry: &ChainEntry, scenario: &Scenario, code: Rc<dyn GuestCode>) -> FilterSpec {
    let mut spec = FilterSpec::new(&entry.name, code);
    spec.root_id = entry.root_id.clone();
    spec.vm_id = entry.vm_id.clone();
    spec.configuration = bytes_of(&entry.config);
    spec.environment = scenario.env.clone();
    spec.failure_policy = match entry.failure_policy {
        FailurePolicy::Reload => proxy::FailurePolicy::Reload,
        FailurePolicy::Closed => proxy::FailurePolicy::Closed,
        FailurePolicy::Open => proxy::FailurePolicy::Open,
    };
    spec.allow_on_headers_stop_iteration = Some(entry.may_stop_iteration(&scenario.catalogue));
    spec.disabled = entry.disabled;
    spec
}

fn bytes_of(config: &Config) -> Vec<u8> {
    match config {
        Config::Struct(json) => protobuf::struct_bytes(json),
        config => config.text().into_bytes(),
    }
}

fn virtual_host(host: &VirtualHost) -> proxy::VirtualHost {
    let routes = host.routes.iter().map(|route| proxy::Route {
        name: route.name.clone().unwrap_or_default(),
        path: route.path.clone(),
        headers: route.headers.clone(),
        cluster: route.cluster.clone(),
        metadata: metadata(route.metadata.as_ref()),
        switches: switches(&route.switches),
        timeout: route.timeout_ms.map(Duration::from_millis),
        idle_timeout: route.idle_timeout_ms.map(Duration::from_millis),
        header_changes: route.header_changes.clone(),
        answer_changes: route.answer_changes.clone(),
        direct_response: route.direct_response.clone(),
        rewrite: route.rewrite.clone(),
    });
    proxy::VirtualHost {
        name: host.name.clone(),
        domains: host.domains.clone(),
        ignore_port: false,
        metadata: metadata(host.metadata.as_ref()),
        switches: switches(&host.switches),
        header_changes: proxy::HeaderChanges::default(),
        answer_changes: proxy::HeaderChanges::default(),
        routes: routes.collect(),
    }
}

fn metadata(written: Option<&Metadata>) -> Map<String, Json> {
    let namespaces = written.into_iter().flatten();
    namespaces
        .map(|(namespace, values)| (namespace.clone(), Json::from(values.clone())))
        .collect()
}

fn switches(switches: &Switches) -> BTreeMap<String, bool> {
    let off = switches.disable.iter().map(|name| (name.clone(), false));
    off.chain(switches.enable.iter().map(|name| (name.clone(), true)))
        .collect()
}

/// A request of a scenario, with what the HTTP stack of a real client adds.
pub fn request(request: &Request, number: usize) -> proxy::Request {
    let mut sent =
        proxy::Request::new(&request.method, &request.path).authority(&request.authority);
    if request.upgrade.as_deref() == Some(CONNECT) {
        // It has neither.
        sent.headers.remove(":path");
        sent.headers.remove(":scheme");
    }
    for (name, value) in &request.headers {
        sent = sent.header(name, value.to_vec());
    }
    let has = |name: &str| request.headers.iter().any(|(header, _)| header == name);
    match framing(&request.body) {
        _ if request.upgrade.is_some() => sent.endless = true,
        _ if has("content-length") || has("transfer-encoding") => {}
        // A request without a body says nothing about it.
        Framing::Length(0) => {}
        Framing::Length(length) => sent = sent.header("content-length", length.to_string()),
        Framing::Chunked if request.http2 => {}
        Framing::Chunked => sent = sent.header("transfer-encoding", "chunked"),
    }
    sent.body = pieces(&request.body);
    sent.trailers = servers::trailers(&request.body);
    let number = u64::try_from(number).unwrap_or(u64::MAX).saturating_add(1);
    sent.connection.id = number;
    let port = number.saturating_add(40_000) % 60_000;
    sent.connection
        .source
        .set_port(u16::try_from(port).unwrap_or(40_000));
    sent.connection.protocol = if request.http2 { "HTTP/2" } else { "HTTP/1.1" };
    sent
}

/// How a message says where its body ends.
enum Framing {
    Length(usize),
    Chunked,
}

fn framing(body: &Body) -> Framing {
    match body.chunks.as_slice() {
        _ if !body.trailers.is_empty() => Framing::Chunked,
        [] => Framing::Length(0),
        [one] if one.after_ms == 0 => Framing::Length(one.bytes.len()),
        _ => Framing::Chunked,
    }
}

/// The pieces of a body with the time before each.
fn pieces(body: &Body) -> Vec<(Duration, Vec<u8>)> {
    let wait = |index: usize, after_ms: u64| match after_ms {
        0 if index == 0 => Duration::ZERO,
        0 => GAP,
        ms => Duration::from_millis(ms),
    };
    body.chunks
        .iter()
        .enumerate()
        .map(|(index, chunk)| (wait(index, chunk.after_ms), chunk.bytes.to_vec()))
        .collect()
}
