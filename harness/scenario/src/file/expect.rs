//! What a scenario expects to be seen.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value as Json;

use super::traffic::{MAX_WAIT_MS, Step};
use super::upstream::Cluster;
use located_yaml::read::{At, Fields};

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

/// What must come of one request.
#[derive(Clone, Debug, Default)]
pub struct StepExpect {
    /// What the client sees.
    pub client: Option<ClientExpect>,
    /// What the upstream receives during this request.
    pub upstream: Option<ServerExpect>,
    /// Response-code details in the access log.
    pub details: Option<TextExpect>,
    /// Response flags in the access log.
    pub flags: Option<TextExpect>,
    /// Facts that the filters left in filter state, by name.
    pub facts: BTreeMap<String, FactExpect>,
}

/// What must be true of an answer.
#[derive(Clone, Debug, Default)]
pub struct ClientExpect {
    /// Status.
    pub status: Option<u16>,
    /// Reason code of a refusal.
    pub reason: Option<String>,
    /// Headers.
    pub headers: Vec<(String, HeaderExpect)>,
    /// Trailers.
    pub trailers: Vec<(String, HeaderExpect)>,
    /// Body.
    pub body: Option<BodyExpect>,
    /// How it ends.
    pub end: EndExpect,
}

/// How an answer must end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndExpect {
    /// Whole (or cut by the client itself, where it goes away on purpose).
    #[default]
    Complete,
    /// Broken off by the proxy.
    Reset,
    /// Not at all: the client has waited for so many milliseconds.
    Hangs(u64),
}

/// What a server must have received.
#[derive(Clone, Debug)]
pub enum ServerExpect {
    /// Nothing.
    Untouched,
    /// So many requests, each of them so.
    Each(Option<Count>, Box<RequestExpect>),
    /// Exactly these, in order.
    List(Vec<RequestExpect>),
}

/// What must be true of a request as a server received it.
#[derive(Clone, Debug, Default)]
pub struct RequestExpect {
    /// Method.
    pub method: Option<TextExpect>,
    /// Path and query.
    pub path: Option<TextExpect>,
    /// `:authority` or `host`.
    pub authority: Option<TextExpect>,
    /// Headers.
    pub headers: Vec<(String, HeaderExpect)>,
    /// Trailers.
    pub trailers: Vec<(String, HeaderExpect)>,
    /// Body.
    pub body: Option<BodyExpect>,
    /// Whether it arrived whole.
    pub complete: Option<bool>,
}

/// What must be true of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextExpect {
    /// It is this.
    pub exact: Option<String>,
    /// It has all of these in it.
    pub contains: Vec<String>,
    /// It has none of these in it.
    pub lacks: Vec<String>,
    /// It has this shape; `*` stands for anything.
    pub matches: Option<String>,
}

/// What must be true of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderExpect {
    /// It is not there.
    Absent,
    /// It is there, however often.
    Present,
    /// It is there with exactly these values, in order.
    Values(Vec<TextExpect>),
}

/// What must be true of a body.
#[derive(Clone, Debug, Default)]
pub struct BodyExpect {
    /// Its text.
    pub text: TextExpect,
    /// Its length in bytes.
    pub bytes: Option<Count>,
    /// It is JSON and has this in it.
    pub json: Option<Json>,
}

/// What must be true of a fact.
#[derive(Clone, Debug)]
pub enum FactExpect {
    /// Nobody has left it.
    Absent,
    /// It is this text, or of this shape.
    Text(TextExpect),
    /// It is JSON and has this in it.
    Json(Json),
}

/// What must be true of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// At least.
    pub least: u64,
    /// At most.
    pub most: u64,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (least, most) if least == most => write!(f, "{least}"),
            (least, u64::MAX) => write!(f, "at least {least}"),
            (least, most) => write!(f, "{least} to {most}"),
        }
    }
}

impl Expect {
    pub(super) fn read(
        at: &At<'_>,
        clusters: &BTreeMap<String, Cluster>,
        steps: &[Step],
    ) -> Option<Self> {
        let mut fields = at.fields()?;
        let mut expect = Self::default();
        let mut stated = 0_usize;
        if let Some(start) = fields.take("start").and_then(|at| at.fields()) {
            stated = stated.saturating_add(1);
            expect.start_refused = read_refusal(start);
        }
        let before = fields.found();
        expect.one = StepExpect::members(&mut fields);
        let about_one = fields.found().saturating_sub(before);
        let copies: usize = steps.iter().map(Step::copies).sum();
        if about_one > 0 && copies != 1 {
            at.refuse::<()>("with several requests, `client`, `details`, `flags` and `facts` stand in the `expect` of each request");
        }
        stated = stated.saturating_add(about_one);
        if let Some(upstream) = fields.take("upstream") {
            stated = stated.saturating_add(1);
            expect.servers.extend(
                ServerExpect::read(&upstream).map(|server| (super::UPSTREAM.to_owned(), server)),
            );
        }
        for (key, at) in fields
            .take("clusters")
            .map(|at| at.entries())
            .unwrap_or_default()
        {
            stated = stated.saturating_add(1);
            if !clusters.contains_key(&key.text) {
                at.refuse::<()>("no such cluster in this file");
            }
            if key.text == super::UPSTREAM {
                at.refuse::<()>("what the upstream must receive stands under `upstream`");
            }
            expect
                .servers
                .extend(ServerExpect::read(&at).map(|server| (key.text.clone(), server)));
        }
        if let Some(at) = fields.take("statuses") {
            stated = stated.saturating_add(1);
            expect.statuses = Some(read_statuses(&at));
        }
        for (key, at) in fields
            .take("metrics")
            .map(|at| at.entries())
            .unwrap_or_default()
        {
            stated = stated.saturating_add(1);
            expect
                .metrics
                .extend(Count::read(&at).map(|count| (key.text.clone(), count)));
        }
        expect.logs = fields.take("logs").and_then(|at| TextExpect::read(&at));
        stated = stated.saturating_add(usize::from(expect.logs.is_some()));
        expect.settle_ms = fields
            .take("settle_ms")
            .and_then(|at| at.within(0, MAX_WAIT_MS))
            .unwrap_or_default();
        fields.close();
        let in_steps = steps
            .iter()
            .filter_map(Step::traffic)
            .any(|traffic| !traffic.expect.is_empty());
        if stated == 0 && !in_steps {
            return at.refuse("an expectation with nothing in it");
        }
        match (&expect.start_refused, copies) {
            (None, 0) => at.refuse(
                "no request: give `request` or `requests`, or expect `start: {refused: …}`",
            ),
            (Some(_), 1..) => at.refuse("a proxy that does not start answers no request"),
            _ => Some(expect),
        }
    }
}

fn read_refusal(mut fields: Fields<'_>) -> Option<TextExpect> {
    let refused = fields.need("refused").and_then(|at| TextExpect::read(&at));
    fields.close();
    refused
}

fn read_statuses(at: &At<'_>) -> BTreeMap<u16, Count> {
    let mut statuses = BTreeMap::new();
    for (key, at) in at.entries() {
        match key.text.parse::<u16>() {
            Ok(status) => statuses.extend(Count::read(&at).map(|count| (status, count))),
            Err(_) => drop(at.refuse::<()>("expected a status as key, such as 200")),
        }
    }
    statuses
}

impl StepExpect {
    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        self.client.is_none()
            && self.upstream.is_none()
            && self.details.is_none()
            && self.flags.is_none()
            && self.facts.is_empty()
    }

    pub(super) fn read(at: &At<'_>, overlaps: bool) -> Option<Self> {
        let mut fields = at.fields()?;
        let mut expect = Self::members(&mut fields);
        if let Some(at) = fields.take("upstream") {
            if overlaps {
                at.refuse::<()>("requests that overlap cannot be told apart at the upstream; state it in the `expect` of the file");
            }
            expect.upstream = ServerExpect::read(&at);
        }
        fields.close();
        if expect.is_empty() {
            at.refuse("an expectation with nothing in it")
        } else {
            Some(expect)
        }
    }

    fn members(fields: &mut Fields<'_>) -> Self {
        Self {
            client: fields.take("client").and_then(|at| ClientExpect::read(&at)),
            upstream: None,
            details: fields.take("details").and_then(|at| TextExpect::read(&at)),
            flags: fields.take("flags").and_then(|at| TextExpect::read(&at)),
            facts: fields
                .take("facts")
                .map(|at| read_facts(&at))
                .unwrap_or_default(),
        }
    }
}

fn read_facts(at: &At<'_>) -> BTreeMap<String, FactExpect> {
    at.entries()
        .into_iter()
        .filter_map(|(key, at)| Some((key.text.clone(), FactExpect::read(&at)?)))
        .collect()
}

impl FactExpect {
    fn read(at: &At<'_>) -> Option<Self> {
        if !at.is_map() {
            return TextExpect::read(at).map(Self::Text);
        }
        let mut fields = at.fields()?;
        let absent = fields.take("absent").and_then(|at| at.only_true());
        let json = fields.take("json").map(|at| at.json());
        match (absent, json, fields.rest().is_empty()) {
            (Some(_), None, true) => Some(Self::Absent),
            (None, Some(json), true) => Some(Self::Json(json)),
            (None, None, _) => TextExpect::read(at).map(Self::Text),
            _ => at.refuse("give `absent: true`, `json`, or what a text must be like"),
        }
    }
}

impl ClientExpect {
    fn read(at: &At<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let hangs = fields.take("hangs").and_then(|at| match at.json() {
            Json::Bool(true) => Some(HANGS_FOR_MS),
            Json::Number(_) => at.within(1, MAX_WAIT_MS),
            _ => at.refuse("say true, or for how many milliseconds"),
        });
        let reset = fields.take("reset").and_then(|at| at.only_true());
        let expect = Self {
            status: fields.take("status").and_then(|at| at.within(101, 599)),
            reason: fields.take("reason").and_then(|at| at.text()),
            headers: fields
                .take("headers")
                .map(|at| read_header_expects(&at))
                .unwrap_or_default(),
            trailers: fields
                .take("trailers")
                .map(|at| read_header_expects(&at))
                .unwrap_or_default(),
            body: fields.take("body").and_then(|at| BodyExpect::read(&at)),
            end: match (hangs, reset) {
                (Some(ms), None) => EndExpect::Hangs(ms),
                (None, Some(_)) => EndExpect::Reset,
                (None, None) => EndExpect::Complete,
                (Some(_), Some(_)) => return at.refuse("give `hangs` or `reset`, not both"),
            },
        };
        let stated = fields.found();
        fields.close();
        if stated == 0 {
            at.refuse("an expectation with nothing in it")
        } else {
            Some(expect)
        }
    }
}

impl ServerExpect {
    fn read(at: &At<'_>) -> Option<Self> {
        if at.node.text() == Some("untouched") {
            return Some(Self::Untouched);
        }
        if at.is_list() {
            let list = at
                .list()
                .iter()
                .filter_map(|at| RequestExpect::read(at.fields()?))
                .collect();
            return Some(Self::List(list));
        }
        let mut fields = at.fields()?;
        let count = fields.take("requests").and_then(|at| Count::read(&at));
        let request = RequestExpect::read(fields)?;
        Some(Self::Each(count, Box::new(request)))
    }
}

impl RequestExpect {
    fn read(mut fields: Fields<'_>) -> Option<Self> {
        let at = fields.at().clone();
        let expect = Self {
            method: fields.take("method").and_then(|at| TextExpect::read(&at)),
            path: fields.take("path").and_then(|at| TextExpect::read(&at)),
            authority: fields
                .take("authority")
                .and_then(|at| TextExpect::read(&at)),
            headers: fields
                .take("headers")
                .map(|at| read_header_expects(&at))
                .unwrap_or_default(),
            trailers: fields
                .take("trailers")
                .map(|at| read_header_expects(&at))
                .unwrap_or_default(),
            body: fields.take("body").and_then(|at| BodyExpect::read(&at)),
            complete: fields.take("complete").and_then(|at| at.boolean()),
        };
        let stated = fields.found();
        fields.close();
        if stated == 0 {
            at.refuse("an expectation with nothing in it")
        } else {
            Some(expect)
        }
    }
}

fn read_header_expects(at: &At<'_>) -> Vec<(String, HeaderExpect)> {
    at.entries()
        .into_iter()
        .filter_map(|(key, at)| Some((key.text.to_ascii_lowercase(), HeaderExpect::read(&at)?)))
        .collect()
}

impl HeaderExpect {
    fn read(at: &At<'_>) -> Option<Self> {
        if at.is_map() {
            let mut fields = at.fields()?;
            let absent = fields.take("absent").and_then(|at| at.only_true());
            let present = fields.take("present").and_then(|at| at.only_true());
            match (absent, present, fields.rest().is_empty()) {
                (Some(_), None, true) => return Some(Self::Absent),
                (None, Some(_), true) => return Some(Self::Present),
                (None, None, _) => {}
                _ => {
                    return at.refuse(
                        "give `absent: true`, `present: true`, or what the value must be like",
                    );
                }
            }
        }
        Some(Self::Values(
            at.one_or_many()
                .iter()
                .filter_map(TextExpect::read)
                .collect(),
        ))
    }
}

impl BodyExpect {
    fn read(at: &At<'_>) -> Option<Self> {
        if !at.is_map() {
            return Some(Self {
                text: TextExpect::read(at)?,
                ..Self::default()
            });
        }
        let mut fields = at.fields()?;
        let expect = Self {
            text: TextExpect::members(&mut fields),
            bytes: fields.take("bytes").and_then(|at| Count::read(&at)),
            json: fields.take("json").map(|at| at.json()),
        };
        let stated = fields.found();
        fields.close();
        if stated == 0 {
            at.refuse("an expectation with nothing in it")
        } else {
            Some(expect)
        }
    }
}

impl TextExpect {
    fn read(at: &At<'_>) -> Option<Self> {
        if !at.is_map() {
            // An empty scalar is the empty text here: `body: ""`.
            return Some(Self {
                exact: Some(if at.node.is_null() {
                    at.refuse("expected a text")?
                } else {
                    at.text()?
                }),
                ..Self::default()
            });
        }
        let mut fields = at.fields()?;
        let expect = Self::members(&mut fields);
        let stated = fields.found();
        fields.close();
        if stated == 0 {
            at.refuse("an expectation with nothing in it")
        } else {
            Some(expect)
        }
    }

    fn members(fields: &mut Fields<'_>) -> Self {
        let texts = |at: Option<At<'_>>| {
            at.map(|at| at.one_or_many().iter().filter_map(At::text).collect())
                .unwrap_or_default()
        };
        Self {
            exact: fields.take("exact").and_then(|at| at.text()),
            contains: texts(fields.take("contains")),
            lacks: texts(fields.take("lacks")),
            matches: fields.take("matches").and_then(|at| at.text()),
        }
    }
}

impl Count {
    fn read(at: &At<'_>) -> Option<Self> {
        if !at.is_map() {
            let number = at.unsigned()?;
            return Some(Self {
                least: number,
                most: number,
            });
        }
        let mut fields = at.fields()?;
        let least = fields.take("at_least").and_then(|at| at.unsigned());
        let most = fields.take("at_most").and_then(|at| at.unsigned());
        fields.close();
        match (least, most) {
            (None, None) => at.refuse("give a number, `at_least` or `at_most`"),
            (least, most) => Some(Self {
                least: least.unwrap_or_default(),
                most: most.unwrap_or(u64::MAX),
            }),
        }
    }

    /// Whether a number is in it.
    pub fn holds(self, number: u64) -> bool {
        (self.least..=self.most).contains(&number)
    }
}
