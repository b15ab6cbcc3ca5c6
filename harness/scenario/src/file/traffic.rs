//! What a client sends, and when.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use located_yaml::read::{At, at_member};
use located_yaml::shape::{Many, Members, Never, Shape, Source};
use modelgate_kit::config::Bounded;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::chain::{ChainEntry, Config};
use super::expect::StepExpect;
use super::upstream::{self, Cluster, WrittenCluster};
use super::value::NOTHING;

/// The longest that anything in a scenario may take.
pub const MAX_WAIT_MS: u64 = 60_000;
/// The largest body or header value that a scenario may describe.
const MAX_BYTES: u64 = 64 << 20;
/// How often one step may be repeated.
const MAX_COPIES: u64 = 10_000;

/// A time in milliseconds, of which nothing may take longer.
pub(super) type Ms = Bounded<0, MAX_WAIT_MS>;

/// Milliseconds; 0 where nothing is said.
pub(super) fn ms(written: Option<Ms>) -> u64 {
    written.map(Ms::value).unwrap_or_default()
}

/// Headers in order, names in lower case, values as bytes.
pub type Headers = Vec<(String, Bytes)>;

/// A piece of a body.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Shape<String, String, WrittenPiece>")]
#[schemars(with = "Shape<String, String, WrittenPiece>")]
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

/// A version of HTTP: 1.1, or 2.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline, extend("type" = ["integer", "string"], "enum" = [1, 2, "1", "2"]))]
pub(super) enum Http {
    #[serde(rename = "1")]
    One,
    #[serde(rename = "2")]
    Two,
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

/// The upgrade that is no protocol: a tunnel (RFC 9110 section 9.3.6).
pub const CONNECT: &str = "CONNECT";

/// The headers that ask for an upgrade, and those that grant it (RFC 9110 section 7.8).
pub(super) fn upgrade_headers(protocol: &str) -> [(String, Bytes); 2] {
    [
        ("connection".into(), Bytes::from_static(b"Upgrade")),
        ("upgrade".into(), Bytes::from(protocol.to_owned())),
    ]
}

impl Body {
    /// Made of `body` or `json`, and `trailers`.
    pub(super) fn of(
        body: Option<Many<Chunk>>,
        json: Option<Json>,
        WrittenHeaders(trailers): WrittenHeaders,
    ) -> Result<Self, String> {
        let chunks = match (body, json) {
            (Some(_), Some(_)) => {
                return Err(at_member("json", "give `body` or `json`, not both"));
            }
            (Some(Many(chunks)), None) => chunks,
            (None, Some(json)) => vec![Chunk {
                after_ms: 0,
                bytes: Bytes::from(json.to_string()),
            }],
            (None, None) => Vec::new(),
        };
        Ok(Self { chunks, trailers })
    }

    /// All bytes together.
    pub fn bytes(&self) -> Vec<u8> {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.bytes.iter().copied())
            .collect()
    }
}

// `T` is what a time before them is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenBytes<T> {
    /// Milliseconds to wait before it.
    after_ms: Option<T>,
    /// A text.
    text: Option<String>,
    /// JSON.
    json: Option<Json>,
    /// Base64, standard alphabet, padded.
    base64: Option<String>,
    /// This text, over and over.
    repeat: Option<String>,
    /// How many bytes of the repeated text.
    bytes: Option<Bounded<0, MAX_BYTES>>,
}

/// A piece of a body, by exactly one of `text`, `json`, `base64`, or `repeat` with `bytes`.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "Piece", with = "WrittenBytes<Ms>")]
struct WrittenPiece(WrittenBytes<Ms>);

/// A value of a header, by exactly one of `text`, `json`, `base64`, or `repeat` with `bytes`.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "Value", with = "WrittenBytes<Never>")]
struct WrittenValue(WrittenBytes<Never>);

impl<T> WrittenBytes<T> {
    fn bytes(self) -> Result<Bytes, String> {
        let base64 = self.base64.map(|text| STANDARD.decode(text)).transpose();
        let base64 =
            base64.map_err(|_| at_member("base64", "not base64 (standard alphabet, padded)"))?;
        let repeated: Option<Bytes> = match (self.repeat, self.bytes) {
            (Some(unit), Some(length)) if !unit.is_empty() => {
                Some(unit.bytes().cycle().take(length.size()).collect())
            }
            (None, None) => None,
            _ => {
                return Err(
                    "`repeat` and `bytes` belong together: {repeat: \"x\", bytes: 70000}".into(),
                );
            }
        };
        let json = self.json.map(|json| Bytes::from(json.to_string()));
        let text = self.text.map(Bytes::from);
        let given = [text, json, base64.map(Bytes::from), repeated];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(bytes), None) => Ok(bytes),
            _ => Err("give exactly one of `text`, `json`, `base64`, `repeat` with `bytes`".into()),
        }
    }
}

impl TryFrom<Shape<String, String, WrittenPiece>> for Chunk {
    type Error = String;

    fn try_from(shape: Shape<String, String, WrittenPiece>) -> Result<Self, String> {
        Ok(match shape {
            Shape::Scalar(text) | Shape::List(text) => Self {
                after_ms: 0,
                bytes: Bytes::from(text),
            },
            Shape::Map(WrittenPiece(written)) => Self {
                after_ms: ms(written.after_ms),
                bytes: written.bytes()?,
            },
        })
    }
}

/// A mapping (a list as value repeats the header), or a list of mappings where the order across
/// names matters.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(from = "Many<Members<HeaderName, Many<HeaderValue>>>")]
#[schemars(
    with = "Many<Members<HeaderName, Many<HeaderValue>>>",
    rename = "Headers"
)]
pub(super) struct WrittenHeaders(pub Headers);

impl From<Many<Members<HeaderName, Many<HeaderValue>>>> for WrittenHeaders {
    fn from(Many(maps): Many<Members<HeaderName, Many<HeaderValue>>>) -> Self {
        let members = maps.into_iter().flat_map(|Members(members)| members);
        let headers = members.flat_map(|(HeaderName(name), Many(values))| {
            let named = move |HeaderValue(value)| (name.clone(), value);
            values.into_iter().map(named)
        });
        Self(headers.collect())
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct HeaderName(String);

impl TryFrom<String> for HeaderName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.is_empty() || name.starts_with(':') {
            true => Err("pseudo headers have keys of their own: method, path, authority, status"),
            false => Ok(Self(name.to_ascii_lowercase())),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "Shape<String, String, WrittenValue>")]
#[schemars(with = "Shape<String, String, WrittenValue>")]
struct HeaderValue(Bytes);

impl TryFrom<Shape<String, String, WrittenValue>> for HeaderValue {
    type Error = String;

    fn try_from(shape: Shape<String, String, WrittenValue>) -> Result<Self, String> {
        match shape {
            Shape::Scalar(text) | Shape::List(text) => Ok(Self(Bytes::from(text))),
            Shape::Map(WrittenValue(written)) => written.bytes().map(Self),
        }
    }
}
