//! What a scenario expects to be seen.

use std::collections::BTreeMap;

use located_yaml::read::At;
use located_yaml::shape::{Members, Shape, True};
use modelgate_kit::config::Bounded;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::Value as Json;

use super::UPSTREAM;
use super::traffic::{MAX_WAIT_MS, Ms, Step, ms};
use super::upstream::Cluster;
use super::value::{BodyExpect, Count, FactExpect, HeaderExpect, NOTHING, Stated, TextExpect};

/// How long a client that should hang waits before it is believed, in milliseconds, unless the file
/// says.
const HANGS_FOR_MS: u64 = 600;

/// What must be seen when all is over.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// Whether the proxy must refuse to start, and with which message.
    pub start_refused: Option<TextExpect>,
    /// What the one request of the file must lead to.
    pub one: StepExpect,
    /// How many answers had which status.
    pub statuses: Option<BTreeMap<u16, Count>>,
    /// What servers must have received over the whole scenario, by cluster.
    pub servers: BTreeMap<String, ServerExpect>,
    /// Metrics by name; one that does not exist counts as 0.
    pub metrics: BTreeMap<String, Count>,
    /// The filters' log lines, joined.
    pub logs: Option<TextExpect>,
    /// How long to let things settle before looking, in milliseconds.
    pub settle_ms: u64,
}

/// What must be seen over all.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Expect")]
pub(super) struct WrittenExpect {
    /// The proxy does not start. There is no request then.
    start: Option<WrittenStart>,
    /// What the client of the one request sees. With `requests` it stands in the step.
    client: Option<Stated<ClientExpect>>,
    /// What the upstream must have received.
    upstream: Option<ServerExpect>,
    /// `%RESPONSE_CODE_DETAILS%` in the access log.
    details: Option<TextExpect>,
    /// `%RESPONSE_FLAGS%` in the access log; `-` = none.
    flags: Option<TextExpect>,
    /// Facts in the filter state, by name.
    #[serde(default)]
    facts: BTreeMap<String, FactExpect>,
    /// What the other servers must have received, by cluster.
    #[serde(default)]
    clusters: BTreeMap<String, ServerExpect>,
    /// How many answers had which status, over all requests; no other status may occur.
    #[schemars(
        with = "Option<BTreeMap<String, Count>>",
        extend("propertyNames" = { "pattern": "^[0-9]+$" })
    )]
    statuses: Option<BTreeMap<Status, Count>>,
    /// Metrics by their whole names; one that does not exist counts as 0.
    #[serde(default)]
    metrics: BTreeMap<String, Count>,
    /// The filters' log lines.
    logs: Option<TextExpect>,
    /// Milliseconds to let things settle before looking.
    settle_ms: Option<Ms>,
}

impl Expect {
    /// Reads the `expect` of a file. `steps` are its steps, if these could be read.
    pub(super) fn read(
        at: &At<'_>,
        clusters: &BTreeMap<String, Cluster>,
        steps: Option<&[Step]>,
    ) -> Option<Self> {
        let written: WrittenExpect = at.parse()?;
        let steps = steps?;
        let one = StepExpect {
            client: written.client,
            upstream: None,
            details: written.details,
            flags: written.flags,
            facts: written.facts,
        };
        one.check(at);
        let copies: usize = steps.iter().map(Step::copies).sum();
        if !one.is_empty() && copies != 1 {
            at.refuse::<()>("with several requests, `client`, `details`, `flags` and `facts` stand in the `expect` of each request");
        }
        for (key, at) in at
            .member("clusters")
            .map(|at| at.entries())
            .unwrap_or_default()
        {
            if !clusters.contains_key(&key.text) {
                at.refuse::<()>("no such cluster in this file");
            }
            if key.text == UPSTREAM {
                at.refuse::<()>("what the upstream must receive stands under `upstream`");
            }
        }
        let upstream = written.upstream.map(|server| (UPSTREAM.to_owned(), server));
        let statuses = written.statuses.map(|statuses| {
            let statuses = statuses.into_iter();
            statuses
                .map(|(Status(status), count)| (status, count))
                .collect()
        });
        let expect = Self {
            start_refused: written.start.map(|start| start.refused),
            one,
            statuses,
            servers: written.clusters.into_iter().chain(upstream).collect(),
            metrics: written.metrics,
            logs: written.logs,
            settle_ms: ms(written.settle_ms),
        };
        if expect.is_empty() && !steps.iter().any(Step::expects) {
            return at.refuse(NOTHING);
        }
        match (&expect.start_refused, copies) {
            (None, 0) => at.refuse(
                "no request: give `request` or `requests`, or expect `start: {refused: …}`",
            ),
            (Some(_), 1..) => at.refuse("a proxy that does not start answers no request"),
            _ => Some(expect),
        }
    }

    fn is_empty(&self) -> bool {
        self.start_refused.is_none()
            && self.one.is_empty()
            && self.statuses.is_none()
            && self.servers.is_empty()
            && self.metrics.is_empty()
            && self.logs.is_none()
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StartExpect")]
struct WrittenStart {
    /// What the proxy says.
    refused: TextExpect,
}

/// A status as key.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct Status(u16);

impl TryFrom<String> for Status {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let status = text.parse().map(Self);
        status.map_err(|_| "expected a status as key, such as 200")
    }
}

/// What must come of one request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepExpect {
    /// What the client sees.
    pub client: Option<Stated<ClientExpect>>,
    /// What the upstream receives during this request; not for requests that overlap.
    pub upstream: Option<ServerExpect>,
    /// `%RESPONSE_CODE_DETAILS%` in the access log.
    pub details: Option<TextExpect>,
    /// `%RESPONSE_FLAGS%` in the access log; `-` = none.
    pub flags: Option<TextExpect>,
    /// Facts that the filters leave in the filter state, by name.
    #[serde(default)]
    pub facts: BTreeMap<String, FactExpect>,
}

/// What must be true of an answer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientExpect {
    /// Status.
    status: Option<Bounded<101, 599>>,
    /// Reason code of a refusal, whatever its dialect.
    pub reason: Option<String>,
    /// Headers by name.
    #[serde(default, deserialize_with = "by_lower_name")]
    #[schemars(with = "Members<String, HeaderExpect>")]
    pub headers: Vec<(String, HeaderExpect)>,
    /// Trailers by name.
    #[serde(default, deserialize_with = "by_lower_name")]
    #[schemars(with = "Members<String, HeaderExpect>")]
    pub trailers: Vec<(String, HeaderExpect)>,
    /// Body.
    pub body: Option<BodyExpect>,
    /// It is broken off by the proxy; otherwise it must be complete.
    reset: Option<True>,
    /// It has no end within 600 ms, or within so many milliseconds; not beside `reset`.
    hangs: Option<Hangs>,
}

impl ClientExpect {
    /// Its status.
    pub fn status(&self) -> Option<u16> {
        self.status
            .and_then(|status| u16::try_from(status.value()).ok())
    }

    /// How it must end.
    pub fn end(&self) -> EndExpect {
        match (&self.hangs, &self.reset) {
            (Some(hangs), _) => EndExpect::Hangs(hangs.0),
            (None, Some(True)) => EndExpect::Reset,
            (None, None) => EndExpect::Complete,
        }
    }
}

/// For how many milliseconds a client waits in vain.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Json")]
#[schemars(with = "WrittenHangs")]
struct Hangs(u64);

#[derive(JsonSchema)]
#[schemars(untagged, rename = "Hangs")]
#[allow(dead_code, reason = "what the schema says")]
enum WrittenHangs {
    True(True),
    Ms(Bounded<1, MAX_WAIT_MS>),
}

impl TryFrom<Json> for Hangs {
    type Error = String;

    fn try_from(json: Json) -> Result<Self, String> {
        match json {
            Json::Bool(true) => Ok(Self(HANGS_FOR_MS)),
            Json::Number(_) => Bounded::<1, MAX_WAIT_MS>::deserialize(json)
                .map(|ms| Self(ms.value()))
                .map_err(|error| error.to_string()),
            _ => Err("say true, or for how many milliseconds".into()),
        }
    }
}

/// How an answer must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndExpect {
    /// Whole (or cut by the client itself, where it goes away on purpose).
    Complete,
    /// Broken off by the proxy.
    Reset,
    /// Not at all: the client has waited for so many milliseconds.
    Hangs(u64),
}

/// What a server must have received: `untouched`, what every request there is like, or a list:
/// exactly these, in order.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenServer")]
#[schemars(with = "WrittenServer")]
pub enum ServerExpect {
    /// Nothing.
    Untouched,
    /// So many requests, each of them so.
    Each(Option<Count>, Box<RequestExpect>),
    /// Exactly these, in order.
    List(Vec<RequestExpect>),
}

type WrittenServer = Shape<Untouched, Vec<Stated<RequestExpect>>, Stated<RequestExpect>>;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Untouched {
    Untouched,
}

impl TryFrom<WrittenServer> for ServerExpect {
    type Error = &'static str;

    fn try_from(written: WrittenServer) -> Result<Self, Self::Error> {
        match written {
            Shape::Scalar(Untouched::Untouched) => Ok(Self::Untouched),
            Shape::List(list) if list.iter().any(|Stated(one)| one.requests.is_some()) => {
                Err("a list says itself how many requests there are")
            }
            Shape::List(list) => Ok(Self::List(
                list.into_iter().map(|Stated(one)| one).collect(),
            )),
            Shape::Map(Stated(each)) => Ok(Self::Each(each.requests, Box::new(each))),
        }
    }
}

/// What must be true of a request as a server received it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestExpect {
    /// How many requests there are; not in a list.
    requests: Option<Count>,
    /// Method.
    pub method: Option<TextExpect>,
    /// Path and query.
    pub path: Option<TextExpect>,
    /// `:authority` or `host`.
    pub authority: Option<TextExpect>,
    /// Headers by name.
    #[serde(default, deserialize_with = "by_lower_name")]
    #[schemars(with = "Members<String, HeaderExpect>")]
    pub headers: Vec<(String, HeaderExpect)>,
    /// Trailers by name.
    #[serde(default, deserialize_with = "by_lower_name")]
    #[schemars(with = "Members<String, HeaderExpect>")]
    pub trailers: Vec<(String, HeaderExpect)>,
    /// Body.
    pub body: Option<BodyExpect>,
    /// Whether it arrived whole.
    pub complete: Option<bool>,
}

fn by_lower_name<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, HeaderExpect)>, D::Error> {
    let Members(members) = Members::<String, HeaderExpect>::deserialize(deserializer)?;
    let members = members.into_iter();
    Ok(members
        .map(|(name, expect)| (name.to_ascii_lowercase(), expect))
        .collect())
}

impl StepExpect {
    /// Refuses what a type cannot.
    pub(super) fn check(&self, at: &At<'_>) {
        if let (Some(client), Some(at)) = (&self.client, at.member("client"))
            && client.hangs.is_some()
            && client.reset.is_some()
        {
            at.refuse::<()>("give `hangs` or `reset`, not both");
        }
    }

    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
