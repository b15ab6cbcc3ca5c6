//! What a scenario expects to be seen when all is over.

use std::collections::BTreeMap;

use located_yaml::read::At;
use schemars::JsonSchema;
use serde::Deserialize;

use super::UPSTREAM;
use super::expect::{ClientExpect, ServerExpect, StepExpect};
use super::message::{Ms, ms};
use super::traffic::Step;
use super::upstream::Cluster;
use super::value::{Count, FactExpect, NOTHING, Stated, TextExpect};

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
