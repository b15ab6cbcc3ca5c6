//! What a client sends, and when.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::chain::{self, ChainEntry, Config};
use super::expect::StepExpect;
use super::upstream::{self, Cluster};
use located_yaml::read::{At, Fields};

/// The longest that anything in a scenario may take.
pub const MAX_WAIT_MS: u64 = 60_000;
/// The largest body or header value that a scenario may describe.
const MAX_BYTES: u64 = 64 << 20;
/// How often one step may be repeated.
const MAX_COPIES: u64 = 10_000;

/// Headers in order, names in lower case, values as bytes.
pub type Headers = Vec<(String, Bytes)>;

/// A piece of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// How long to wait before it, in milliseconds.
    pub after_ms: u64,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A body in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The pieces in order; none = no body at all.
    pub chunks: Vec<Chunk>,
    /// What follows the body.
    pub trailers: Headers,
}

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

pub(super) fn read_steps(
    fields: &mut Fields<'_>,
    clusters: &BTreeMap<String, Cluster>,
    chain: &[ChainEntry],
) -> Vec<Step> {
    let reader = StepReader { clusters, chain };
    let steps: Vec<Step> = match (fields.take("request"), fields.take("requests")) {
        (Some(one), None) => reader.alone(&one).into_iter().collect(),
        (None, Some(many)) => many
            .list()
            .iter()
            .filter_map(|at| reader.step(at))
            .collect(),
        (None, None) => return Vec::new(),
        (Some(_), Some(many)) => many
            .refuse("give `request` or `requests`, not both")
            .unwrap_or_default(),
    };
    steps
}

struct StepReader<'a> {
    clusters: &'a BTreeMap<String, Cluster>,
    chain: &'a [ChainEntry],
}

impl StepReader<'_> {
    /// The one request of a file: what it must see stands in the `expect` of the file.
    fn alone(&self, at: &At<'_>) -> Option<Step> {
        let mut fields = at.fields()?;
        let start = self.start(&mut fields);
        let request = Request::read(&mut fields);
        fields.close();
        Some(Step::Send(Box::new(Traffic {
            start,
            copies: 1,
            parallel: false,
            request: request?,
            expect: StepExpect::default(),
        })))
    }

    fn step(&self, at: &At<'_>) -> Option<Step> {
        let mut fields = at.fields()?;
        if let Some(rescript) = fields.take("clusters") {
            fields.close();
            return Some(Step::Rescript(self.rescript(&rescript)));
        }
        if let Some(reload) = fields.take("reload") {
            let refused = fields.take("refused").and_then(|at| at.boolean());
            fields.close();
            return Some(Step::Reload(Reload {
                configs: self.configs(&reload),
                refused: refused.unwrap_or_default(),
            }));
        }
        let start = self.start(&mut fields);
        let repeat = fields
            .take("repeat")
            .and_then(|at| at.within(1, MAX_COPIES));
        let parallel = fields
            .take("parallel")
            .and_then(|at| at.within(1, MAX_COPIES));
        if repeat.is_some() && parallel.is_some() {
            at.refuse::<()>("give `repeat` or `parallel`, not both");
        }
        let request = Request::read(&mut fields);
        let copies = repeat.or(parallel).unwrap_or(1);
        let mut traffic = Traffic {
            start,
            copies: usize::try_from(copies).unwrap_or(1),
            parallel: parallel.is_some(),
            request: request?,
            expect: StepExpect::default(),
        };
        if let Some(at) = fields.take("expect") {
            traffic.expect = StepExpect::read(&at, traffic.overlaps()).unwrap_or_default();
        }
        fields.close();
        Some(Step::Send(Box::new(traffic)))
    }

    fn configs(&self, at: &At<'_>) -> Vec<(String, Config)> {
        let mut configs = Vec::new();
        for (key, at) in at.entries() {
            if !self.chain.iter().any(|entry| entry.name == key.text) {
                at.refuse::<()>("no filter of the chain is called so");
            }
            configs.push((key.text.clone(), chain::read_config(&at, false)));
        }
        configs
    }

    fn rescript(&self, at: &At<'_>) -> BTreeMap<String, Cluster> {
        for (key, at) in at.entries() {
            if !self.clusters.contains_key(&key.text) {
                at.refuse::<()>("a cluster that the file's own `clusters` does not know");
            }
        }
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

    fn start(&self, fields: &mut Fields<'_>) -> Start {
        let mut after_requests = BTreeMap::new();
        for (key, at) in fields
            .take("after_requests")
            .map(|at| at.entries())
            .unwrap_or_default()
        {
            if !self.clusters.contains_key(&key.text) {
                at.refuse::<()>("no such cluster");
            }
            after_requests.extend(
                at.within(1, 1_000_000)
                    .and_then(|count: u64| Some((key.text.clone(), usize::try_from(count).ok()?))),
            );
        }
        Start {
            at_ms: fields
                .take("at_ms")
                .and_then(|at| at.within(0, MAX_WAIT_MS)),
            wait_ms: fields
                .take("wait_ms")
                .and_then(|at| at.within(0, MAX_WAIT_MS))
                .unwrap_or_default(),
            after_requests,
        }
    }
}

impl Request {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let at = fields.at().clone();
        let method = fields
            .take("method")
            .and_then(|at| at.text())
            .unwrap_or_else(|| "GET".into());
        let path = fields
            .take("path")
            .and_then(|at| at.text())
            .unwrap_or_else(|| "/".into());
        let authority = fields
            .take("authority")
            .and_then(|at| at.text())
            .unwrap_or_else(|| "gateway.test".into());
        let mut headers = fields
            .take("headers")
            .map(|at| read_headers(&at))
            .unwrap_or_default();
        let upgrade = fields.take("upgrade").and_then(|at| at.text());
        headers.extend(
            upgrade
                .iter()
                .flat_map(|protocol| upgrade_headers(protocol)),
        );
        let body = Body::read(fields);
        let disconnect_after_ms = fields
            .take("disconnect_after_ms")
            .and_then(|at| at.within(0, MAX_WAIT_MS));
        let http = fields
            .take("http")
            .and_then(|at| at.word(&[("1", false), ("2", true)]));
        if http == Some(false) && !body.trailers.is_empty() {
            return at.refuse("trailers need `http: 2`");
        }
        let http2 = http.unwrap_or(!body.trailers.is_empty());
        if http2 && upgrade.is_some() {
            return at.refuse("an upgrade needs HTTP/1.1");
        }
        Some(Self {
            method,
            path,
            authority,
            headers,
            body,
            disconnect_after_ms,
            http2,
            upgrade,
        })
    }
}

/// The headers that ask for an upgrade, and those that grant it (RFC 9110 section 7.8).
pub(super) fn upgrade_headers(protocol: &str) -> [(String, Bytes); 2] {
    [
        ("connection".into(), Bytes::from_static(b"Upgrade")),
        ("upgrade".into(), Bytes::from(protocol.to_owned())),
    ]
}

impl Body {
    /// Reads `body`, `json` and `trailers`.
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let body = fields.take("body");
        let json = fields.take("json");
        let chunks = match (body, json) {
            (Some(_), Some(json)) => json
                .refuse("give `body` or `json`, not both")
                .unwrap_or_default(),
            (Some(at), None) => at.one_or_many().iter().filter_map(Chunk::read).collect(),
            (None, Some(at)) => vec![Chunk {
                after_ms: 0,
                bytes: Bytes::from(at.json().to_string()),
            }],
            (None, None) => Vec::new(),
        };
        Self {
            chunks,
            trailers: fields
                .take("trailers")
                .map(|at| read_headers(&at))
                .unwrap_or_default(),
        }
    }

    /// All bytes together.
    pub fn bytes(&self) -> Vec<u8> {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.bytes.iter().copied())
            .collect()
    }
}

impl Chunk {
    fn read(at: &At<'_>) -> Option<Self> {
        if !at.is_map() {
            return Some(Self {
                after_ms: 0,
                bytes: Bytes::from(at.text()?),
            });
        }
        let mut fields = at.fields()?;
        let after_ms = fields
            .take("after_ms")
            .and_then(|at| at.within(0, MAX_WAIT_MS))
            .unwrap_or_default();
        let bytes = read_bytes(&mut fields);
        fields.close();
        Some(Self {
            after_ms,
            bytes: bytes?,
        })
    }
}

/// Bytes described by exactly one of `text`, `base64`, `json`, or `repeat` with `bytes`.
fn read_bytes(fields: &mut Fields<'_>) -> Option<Bytes> {
    let at = fields.at().clone();
    let text = fields
        .take("text")
        .and_then(|at| at.text())
        .map(Bytes::from);
    let json = fields
        .take("json")
        .map(|at| Bytes::from(at.json().to_string()));
    let base64 = fields
        .take("base64")
        .and_then(|at| match STANDARD.decode(at.text()?) {
            Ok(bytes) => Some(Bytes::from(bytes)),
            Err(_) => at.refuse("not base64 (standard alphabet, padded)"),
        });
    let repeated = match (fields.take("repeat"), fields.take("bytes")) {
        (Some(unit), Some(length)) => {
            let length = usize::try_from(length.within(0, MAX_BYTES)?).ok()?;
            let unit = unit.text().filter(|unit| !unit.is_empty())?;
            Some(unit.bytes().cycle().take(length).collect())
        }
        (None, None) => None,
        _ => {
            return at
                .refuse("`repeat` and `bytes` belong together: {repeat: \"x\", bytes: 70000}");
        }
    };
    let mut given = [text, json, base64, repeated].into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(bytes), None) => Some(bytes),
        _ => at.refuse("give exactly one of `text`, `json`, `base64`, `repeat` with `bytes`"),
    }
}

/// A mapping (a list as value repeats the header), or a list of mappings where the order across
/// names matters.
pub(super) fn read_headers(at: &At<'_>) -> Headers {
    let maps = if at.is_list() {
        at.list()
    } else {
        vec![at.clone()]
    };
    let mut headers = Headers::new();
    for map in maps {
        for (key, value) in map.entries() {
            if key.text.is_empty() || key.text.starts_with(':') {
                value.refuse::<()>(
                    "pseudo headers have keys of their own: method, path, authority, status",
                );
            }
            let values = value.one_or_many();
            headers.extend(values.iter().filter_map(|value| {
                Some((key.text.to_ascii_lowercase(), read_header_value(value)?))
            }));
        }
    }
    headers
}

fn read_header_value(at: &At<'_>) -> Option<Bytes> {
    if !at.is_map() {
        return at.text().map(Bytes::from);
    }
    let mut fields = at.fields()?;
    let bytes = read_bytes(&mut fields);
    fields.close();
    bytes
}
