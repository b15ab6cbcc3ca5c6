//! The servers behind the proxy: what they answer, in which order, how late, and how they fail.

use std::collections::BTreeMap;

use located_yaml::read::{At, at_member};
use located_yaml::shape::{Many, True};
use modelgate_kit::config::Bounded;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::message::{Body, Chunk, Headers, Http, Ms, WrittenHeaders, ms};

/// A server and its script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Answers in order, for requests that no path below takes; the last one is repeated.
    pub answers: Vec<Answer>,
    /// Answers to particular paths, without the query; the same rule.
    pub paths: BTreeMap<String, Vec<Answer>>,
    /// Speaks HTTP/2 instead of HTTP/1.1.
    pub http2: bool,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            answers: vec![Answer::Reply(Box::default())],
            paths: BTreeMap::new(),
            http2: false,
        }
    }
}

/// What a server does with one request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenAnswer")]
#[schemars(with = "WrittenAnswer")]
pub enum Answer {
    /// Answers.
    Reply(Box<Reply>),
    /// Closes the connection (HTTP/2: resets the stream) without an answer, after so many
    /// milliseconds.
    Reset(u64),
    /// Never answers.
    Hang,
    /// Nobody listens.
    Refuse,
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Milliseconds between the end of the request and the answer's head.
    pub after_ms: u64,
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: Headers,
    /// Body and trailers.
    pub body: Body,
    /// What happens after the body.
    pub end: End,
    /// Answers when the request's head is there, instead of its end.
    pub early: bool,
}

/// The status that grants an upgrade.
const SWITCHING: u16 = 101;

impl Reply {
    /// Whether it grants an upgrade: the body is what the server says then, and nothing of HTTP.
    pub fn switches(&self) -> bool {
        self.status == SWITCHING
    }

    /// Its headers in answer to a request with these ones.
    pub fn headers_for(&self, request: &Headers) -> Headers {
        let asked = request.iter().find(|(name, _)| name == "upgrade");
        let granted = asked.filter(|_| self.switches()).map(|(_, protocol)| {
            super::message::upgrade_headers(&String::from_utf8_lossy(protocol))
        });
        let own = self.headers.iter().cloned();
        own.chain(granted.into_iter().flatten()).collect()
    }
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            after_ms: 0,
            status: 200,
            headers: Headers::new(),
            body: Body::default(),
            end: End::Complete,
            early: false,
        }
    }
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum End {
    /// As it should.
    #[default]
    Complete,
    /// Broken off after the last chunk.
    Reset,
    /// Never: the stream stays open after the last chunk.
    Hang,
}

impl Cluster {
    /// Whether nobody listens at all.
    pub fn refuses(&self) -> bool {
        self.answers.contains(&Answer::Refuse)
    }

    /// The answer to the request number `number` (from 0) among those that the same script answers.
    pub fn answer(script: &[Answer], number: usize) -> Option<&Answer> {
        script.get(number).or(script.last())
    }

    /// The key of the script that takes a path: the path itself without the query, or none for the
    /// general one.
    pub fn script(&self, path: &str) -> (Option<&str>, &[Answer]) {
        let path = path.split('?').next().unwrap_or(path);
        match self.paths.get_key_value(path) {
            Some((path, answers)) => (Some(path), answers),
            None => (None, &self.answers),
        }
    }

    fn of(name: &str, written: WrittenCluster) -> Result<Self, String> {
        let otherwise = match (written.paths.is_empty(), name == super::UPSTREAM) {
            (false, _) => Some(404),
            (true, true) => Some(200),
            (true, false) => None,
        };
        let paths = written.paths.into_iter();
        let cluster = Self {
            answers: answers(written.answer, written.answers, otherwise)?,
            paths: paths
                .map(|(path, Script(answers))| (path, answers))
                .collect(),
            http2: false,
        };
        let scripts = || cluster.paths.values().chain([&cluster.answers]);
        let trailers = scripts().flatten().any(
            |answer| matches!(answer, Answer::Reply(reply) if !reply.body.trailers.is_empty()),
        );
        if trailers && written.http == Some(Http::One) {
            return Err("trailers need `http: 2`".into());
        }
        let refuses = scripts().any(|script| script.contains(&Answer::Refuse));
        let all: usize = scripts().map(Vec::len).sum();
        if refuses && all > 1 {
            return Err("`refuse` stands alone: nobody listens during the whole scenario; use `reset` for a single failure".into());
        }
        let http2 = trailers || written.http == Some(Http::Two);
        Ok(Self { http2, ..cluster })
    }
}

/// A server and its script. `upstream` answers 200 where nothing is said.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Cluster")]
pub(super) struct WrittenCluster {
    /// The answer to every request.
    answer: Option<Answer>,
    /// Answers in order; the last one is repeated.
    answers: Option<Vec<Answer>>,
    /// Scripts of their own for paths, the query left out; with them and no general answer, other
    /// paths get 404.
    #[serde(default)]
    paths: BTreeMap<String, Script>,
    /// Version of HTTP.
    http: Option<Http>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "WrittenScript")]
#[schemars(inline, with = "WrittenScript")]
struct Script(Vec<Answer>);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Script")]
struct WrittenScript {
    /// The answer to every request.
    answer: Option<Answer>,
    /// Answers in order; the last one is repeated.
    answers: Option<Vec<Answer>>,
}

impl TryFrom<WrittenScript> for Script {
    type Error = String;

    fn try_from(written: WrittenScript) -> Result<Self, String> {
        answers(written.answer, written.answers, None).map(Self)
    }
}

/// `answer` or `answers`. `otherwise` is the status of the answers where neither is there; `None` =
/// one must be.
fn answers(
    one: Option<Answer>,
    many: Option<Vec<Answer>>,
    otherwise: Option<u16>,
) -> Result<Vec<Answer>, String> {
    match (one, many) {
        (Some(one), None) => Ok(vec![one]),
        (None, Some(many)) if many.is_empty() => Err(at_member("answers", "at least one answer")),
        (None, Some(many)) => Ok(many),
        (None, None) => match otherwise {
            Some(status) => Ok(vec![Answer::Reply(Box::new(Reply {
                status,
                ..Reply::default()
            }))]),
            None => Err("give `answer` or `answers`".into()),
        },
        (Some(_), Some(_)) => Err("give `answer` or `answers`, not both".into()),
    }
}

pub(super) fn read_clusters(at: &At<'_>) -> BTreeMap<String, Cluster> {
    let mut clusters = BTreeMap::new();
    for (key, at) in at.entries() {
        let Some(written) = at.parse() else {
            continue;
        };
        match Cluster::of(&key.text, written) {
            Ok(cluster) => drop(clusters.insert(key.text.clone(), cluster)),
            Err(message) => drop(at.refuse::<()>(message)),
        }
    }
    clusters
}

/// What a server does with one request: an answer, or one of `reset`, `hang` and `refuse`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenAnswer {
    /// Milliseconds between the end of the request and the answer.
    after_ms: Option<Ms>,
    /// Closes the connection without an answer.
    reset: Option<True>,
    /// Never answers.
    hang: Option<True>,
    /// Nobody listens, during the whole scenario.
    refuse: Option<True>,
    /// Status; 200 if not given. 101 grants an upgrade.
    status: Option<Bounded<101, 599>>,
    /// Headers.
    headers: Option<WrittenHeaders>,
    /// Body: a text, or pieces that are sent one by one.
    body: Option<Many<Chunk>>,
    /// Body: JSON, with its content type.
    json: Option<Json>,
    /// Trailers; they need HTTP/2.
    trailers: Option<WrittenHeaders>,
    /// What happens after the body.
    ends: Option<End>,
    /// Answers when the request's head is there, instead of its end.
    early: Option<True>,
}

impl TryFrom<WrittenAnswer> for Answer {
    type Error = String;

    fn try_from(written: WrittenAnswer) -> Result<Self, String> {
        let after_ms = ms(written.after_ms);
        let failure = match (written.reset, written.hang, written.refuse) {
            (None, None, None) => None,
            (Some(True), None, None) => Some(Self::Reset(after_ms)),
            (None, Some(True), None) => Some(Self::Hang),
            (None, None, Some(True)) => Some(Self::Refuse),
            _ => return Err("only one of `reset`, `hang`, `refuse`".into()),
        };
        let answers = [
            ("status", written.status.is_some()),
            ("headers", written.headers.is_some()),
            ("body", written.body.is_some()),
            ("json", written.json.is_some()),
            ("trailers", written.trailers.is_some()),
            ("ends", written.ends.is_some()),
            ("early", written.early.is_some()),
        ];
        if let Some(failure) = failure {
            let answer = answers.iter().find(|(_, given)| *given);
            return match answer {
                Some((name, _)) => Err(at_member(name, "there is no answer to have it")),
                None => Ok(failure),
            };
        }
        let status = written.status.map_or(200, |status| status.value());
        let status = u16::try_from(status).unwrap_or_default();
        if status != SWITCHING && status < 200 {
            return Err(at_member("status", "must be 101, or from 200 to 599"));
        }
        let WrittenHeaders(mut headers) = written.headers.unwrap_or_default();
        if written.json.is_some() && !headers.iter().any(|(name, _)| name == "content-type") {
            headers.push(("content-type".into(), "application/json".into()));
        }
        let trailers = written.trailers.unwrap_or_default();
        let end = written.ends.unwrap_or_default();
        if status == SWITCHING && end == End::Reset {
            return Err("what was upgraded can end with `complete` or `hang` only".into());
        }
        Ok(Self::Reply(Box::new(Reply {
            after_ms,
            status,
            headers,
            body: Body::of(written.body, written.json, trailers)?,
            end,
            early: written.early.is_some(),
        })))
    }
}
