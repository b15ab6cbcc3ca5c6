//! What a client sends, and when.

use std::collections::BTreeMap;

use located_yaml::Node;
use located_yaml::read::{At, Problem, Report};
use located_yaml::shape::{Many, Members, Never, Source};
use modelgate_kit::config::Bounded;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::chain::{ChainEntry, Config};
use super::expect::StepExpect;
use super::message::{
    Body, CONNECT, Chunk, Headers, Http, Ms, WrittenHeaders, ms, upgrade_headers,
};
use super::upstream::{self, Cluster, WrittenCluster};
use super::value::NOTHING;

/// How often one step may be repeated.
const MAX_COPIES: u64 = 10_000;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// `:authority`, or `host` on HTTP/1.1.
    pub authority: String,
    /// Headers besides those.
    pub headers: Headers,
    /// Body and trailers.
    pub body: Body,
    /// When the client goes away, in milliseconds after it began.
    pub disconnect_after_ms: Option<u64>,
    /// HTTP/2 instead of HTTP/1.1.
    pub http2: bool,
    /// The protocol that the client asks to speak instead of HTTP; the body is what it then sends.
    pub upgrade: Option<String>,
}

/// One step of a scenario.
#[derive(Clone, Debug)]
pub enum Step {
    /// Requests.
    Send(Box<Traffic>),
    /// Servers answer differently from now on.
    Rescript(BTreeMap<String, Cluster>),
    /// Filters are given another configuration while the proxy runs.
    Reload(Reload),
}

/// Other configurations for filters of the chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Reload {
    /// By the filter's name in the chain.
    pub configs: Vec<(String, Config)>,
    /// They are refused, and everything stays as it is.
    pub refused: bool,
}

/// When the requests of a step start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// This long after the first step, without waiting for the steps before; `None` = after them.
    pub at_ms: Option<u64>,
    /// This long after the steps before.
    pub wait_ms: u64,
    /// Only when these clusters have received so many requests.
    pub after_requests: BTreeMap<String, usize>,
}

/// A request, how often it is sent, and what must come of it.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// When.
    pub start: Start,
    /// How often.
    pub copies: usize,
    /// All copies at once instead of one after another.
    pub parallel: bool,
    /// What is sent.
    pub request: Request,
    /// What must come of each copy.
    pub expect: StepExpect,
}

impl Reload {
    /// Compares what became of one of the configurations with what is expected.
    ///
    /// # Errors
    /// The difference.
    pub fn judge(&self, name: &str, taken: Result<(), String>) -> anyhow::Result<()> {
        match (taken, self.refused) {
            (Ok(()), false) | (Err(_), true) => Ok(()),
            (Err(refused), false) => {
                anyhow::bail!("the new configuration of {name} was refused: {refused}")
            }
            (Ok(()), true) => {
                anyhow::bail!("the new configuration of {name} was taken, and is to be refused")
            }
        }
    }
}

impl Step {
    /// How many requests it sends.
    pub fn copies(&self) -> usize {
        self.traffic().map_or(0, |traffic| traffic.copies)
    }

    /// Whether it says what must come of its requests.
    pub(super) fn expects(&self) -> bool {
        self.traffic()
            .is_some_and(|traffic| !traffic.expect.is_empty())
    }

    /// Its requests, if it sends any.
    pub fn traffic(&self) -> Option<&Traffic> {
        match self {
            Self::Send(traffic) => Some(traffic),
            Self::Rescript(_) | Self::Reload(_) => None,
        }
    }
}

impl Traffic {
    /// Whether other requests may be under way at the same time.
    pub fn overlaps(&self) -> bool {
        self.start.at_ms.is_some() || (self.parallel && self.copies > 1)
    }
}

/// How often a request is sent.
type Copies = Bounded<1, MAX_COPIES>;

// `C` and `E` are what copies and an expectation of its own are.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenRequest<C, E> {
    /// Starts so many milliseconds after the scenario began, without waiting for the steps before.
    at_ms: Option<Ms>,
    /// Milliseconds to wait before it.
    wait_ms: Option<Ms>,
    /// Waits until these clusters have received so many requests.
    #[serde(default)]
    after_requests: BTreeMap<String, Bounded<1, 1_000_000>>,
    /// Sends it so often, one after another.
    repeat: Option<C>,
    /// Sends it so often, all at once.
    parallel: Option<C>,
    /// Method; GET if not given.
    method: Option<String>,
    /// Path and query; `/` if not given.
    path: Option<String>,
    /// `:authority`, or `host` on HTTP/1.1; `gateway.test` if not given.
    authority: Option<String>,
    /// Headers besides those.
    #[serde(default)]
    headers: WrittenHeaders,
    /// Asks for an upgrade to this protocol, by HTTP/2 with an extended CONNECT (RFC 8441), or for
    /// a tunnel with `CONNECT`; the body is what the client then says.
    upgrade: Option<String>,
    /// Body: a text, or pieces that arrive one by one.
    body: Option<Many<Chunk>>,
    /// Body: JSON.
    json: Option<Json>,
    /// Trailers; they make it HTTP/2.
    #[serde(default)]
    trailers: WrittenHeaders,
    /// The client goes away so many milliseconds after it began.
    disconnect_after_ms: Option<Ms>,
    /// Version of HTTP.
    http: Option<Http>,
    /// What must come of each of these requests.
    expect: Option<E>,
}

/// The one request of a file, and when it is sent. What it must see stands in the `expect` of the
/// file.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "Request", with = "WrittenRequest<Never, Never>")]
pub(super) struct WrittenAlone(WrittenRequest<Never, Never>);

/// A request, when and how often it is sent, and what must come of it.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "Send", with = "WrittenRequest<Copies, StepExpect>")]
pub(super) struct WrittenSend(WrittenRequest<Copies, StepExpect>);

impl Request {
    /// Reads a request that stands alone, written as `request` of a scenario is.
    ///
    /// # Errors
    /// What is wrong with it, at its place.
    pub fn read(node: &Node) -> Result<Self, Vec<Problem>> {
        let report = Report::default();
        let at = report.root(node);
        let request = at.parse().and_then(|WrittenAlone(written)| {
            let waits = written.wait_ms.is_some() || !written.after_requests.is_empty();
            if waits || written.at_ms.is_some() || written.disconnect_after_ms.is_some() {
                return at.refuse("it is sent at once, and its client waits: leave times out");
            }
            Self::of(written).map_or_else(|message| at.refuse(message), Some)
        });
        match request {
            Some(request) if report.is_empty() => Ok(request),
            _ => Err(report.into_problems()),
        }
    }
}

/// One step of a scenario.
#[derive(JsonSchema)]
#[schemars(untagged, rename = "Step")]
#[allow(
    dead_code,
    reason = "the schema is derived from it, and each form read as itself"
)]
pub(super) enum WrittenStep {
    Send(Box<WrittenSend>),
    Rescript(WrittenRescript),
    Reload(WrittenReload),
}

/// The servers answer by other scripts from then on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rescript")]
pub(super) struct WrittenRescript {
    /// The servers and their scripts.
    #[schemars(with = "BTreeMap<String, WrittenCluster>")]
    clusters: Source,
}

/// Filters are given another configuration while the proxy runs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Reload")]
pub(super) struct WrittenReload {
    /// Configurations by the filters' names in the chain.
    reload: Members<String, Json>,
    /// They must be refused, and everything stays as it is.
    #[serde(default)]
    refused: bool,
}

/// The steps of `request` or `requests`, either of which is a member of `file`; none if one of them
/// could not be read.
pub(super) fn read_steps(
    file: &At<'_>,
    clusters: &BTreeMap<String, Cluster>,
    chain: &[ChainEntry],
) -> Option<Vec<Step>> {
    let reader = StepReader { clusters, chain };
    match (file.member("request"), file.member("requests")) {
        (Some(one), None) => Some(vec![reader.alone(&one)?]),
        (None, Some(many)) => {
            // Each is read, also where one before it could not be.
            let list = many.list();
            let steps: Vec<Option<Step>> = list.iter().map(|at| reader.step(at)).collect();
            steps.into_iter().collect()
        }
        (None, None) => Some(Vec::new()),
        (Some(_), Some(many)) => many.refuse("give `request` or `requests`, not both"),
    }
}

struct StepReader<'a> {
    clusters: &'a BTreeMap<String, Cluster>,
    chain: &'a [ChainEntry],
}

impl StepReader<'_> {
    fn alone(&self, at: &At<'_>) -> Option<Step> {
        let WrittenAlone(written) = at.parse()?;
        let traffic = self.traffic(at, written)?;
        Some(Step::Send(Box::new(traffic)))
    }

    fn step(&self, at: &At<'_>) -> Option<Step> {
        if at.member("clusters").is_some() {
            let WrittenRescript { clusters } = at.parse()?;
            return Some(Step::Rescript(self.rescript(&clusters.at(at.report()))));
        }
        if at.member("reload").is_some() {
            return self.reload(at, at.parse()?).map(Step::Reload);
        }
        let WrittenSend(mut written) = at.parse()?;
        let (repeat, parallel) = (written.repeat, written.parallel);
        if repeat.is_some() && parallel.is_some() {
            at.refuse::<()>("give `repeat` or `parallel`, not both");
        }
        let expect = written.expect.take();
        let mut traffic = self.traffic(at, written)?;
        traffic.copies = repeat.or(parallel).map_or(1, Copies::size);
        traffic.parallel = parallel.is_some();
        if let (Some(expect), Some(at)) = (expect, at.member("expect")) {
            expect.check(&at);
            if expect.is_empty() {
                at.refuse::<()>(NOTHING);
            }
            if let (Some(upstream), true) = (at.member("upstream"), traffic.overlaps()) {
                upstream.refuse::<()>("requests that overlap cannot be told apart at the upstream; state it in the `expect` of the file");
            }
            traffic.expect = expect;
        }
        Some(Step::Send(Box::new(traffic)))
    }

    fn traffic<C, E>(&self, at: &At<'_>, written: WrittenRequest<C, E>) -> Option<Traffic> {
        self.need_clusters(at.member("after_requests"), "no such cluster");
        let after_requests = written.after_requests.iter();
        let start = Start {
            at_ms: written.at_ms.map(Ms::value),
            wait_ms: ms(written.wait_ms),
            after_requests: after_requests
                .map(|(name, count)| (name.clone(), count.size()))
                .collect(),
        };
        let request = match Request::of(written) {
            Ok(request) => request,
            Err(message) => return at.refuse(message),
        };
        Some(Traffic {
            start,
            copies: 1,
            parallel: false,
            request,
            expect: StepExpect::default(),
        })
    }

    fn reload(&self, at: &At<'_>, written: WrittenReload) -> Option<Reload> {
        let configs = at.member("reload").map(|at| at.entries());
        for (key, at) in configs.unwrap_or_default() {
            if !self.chain.iter().any(|entry| entry.name == key.text) {
                at.refuse::<()>("no filter of the chain is called so");
            }
        }
        let configs = written.reload.0.into_iter();
        Some(Reload {
            configs: configs
                .map(|(name, json)| (name, Config::of(json)))
                .collect(),
            refused: written.refused,
        })
    }

    fn rescript(&self, at: &At<'_>) -> BTreeMap<String, Cluster> {
        self.need_clusters(
            Some(at.clone()),
            "a cluster that the file's own `clusters` does not know",
        );
        let clusters = upstream::read_clusters(at);
        for (name, cluster) in &clusters {
            let before = self.clusters.get(name);
            if cluster.refuses()
                || before.is_some_and(Cluster::refuses)
                || before.is_some_and(|before| before.http2 != cluster.http2)
            {
                at.refuse::<()>(format!(
                    "{name:?}: neither `refuse` nor the protocol can change on the way; use `reset`"
                ));
            }
        }
        clusters
    }

    /// Refuses keys that are no cluster's name.
    fn need_clusters(&self, at: Option<At<'_>>, message: &str) {
        for (key, at) in at.map(|at| at.entries()).unwrap_or_default() {
            if !self.clusters.contains_key(&key.text) {
                at.refuse::<()>(message);
            }
        }
    }
}

impl Request {
    fn of<C, E>(written: WrittenRequest<C, E>) -> Result<Self, String> {
        let WrittenHeaders(mut headers) = written.headers;
        let connects = written.upgrade.as_deref() == Some(CONNECT);
        let protocol = written.upgrade.as_deref().filter(|_| !connects);
        headers.extend(protocol.into_iter().flat_map(upgrade_headers));
        let body = Body::of(written.body, written.json, written.trailers)?;
        if written.http == Some(Http::One) && !body.trailers.is_empty() {
            return Err("trailers need `http: 2`".into());
        }
        let http2 = written.http == Some(Http::Two) || !body.trailers.is_empty();
        let tunnels = connects || (http2 && protocol.is_some());
        if tunnels && (written.method.is_some() || (connects && written.path.is_some())) {
            return Err("a CONNECT has no other `method`, and without a protocol no `path`".into());
        }
        let method = if connects { CONNECT } else { "GET" };
        Ok(Self {
            method: written.method.unwrap_or_else(|| method.into()),
            path: written.path.unwrap_or_else(|| "/".into()),
            authority: written.authority.unwrap_or_else(|| "gateway.test".into()),
            headers,
            body,
            disconnect_after_ms: written.disconnect_after_ms.map(Ms::value),
            http2,
            upgrade: written.upgrade,
        })
    }
}
