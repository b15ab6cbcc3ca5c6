//! The servers behind the proxy: what they answer, in which order, how late, and how they fail.

use std::collections::BTreeMap;

use super::traffic::{Body, Headers, MAX_WAIT_MS, read_headers};
use located_yaml::read::{At, Fields};

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
#[derive(Clone, Debug, PartialEq, Eq)]
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
const SWITCHING: u64 = 101;

impl Reply {
    /// Whether it grants an upgrade: the body is what the server says then, and nothing of HTTP.
    pub fn switches(&self) -> bool {
        u64::from(self.status) == SWITCHING
    }

    /// Its headers in answer to a request with these ones.
    pub fn headers_for(&self, request: &Headers) -> Headers {
        let asked = request.iter().find(|(name, _)| name == "upgrade");
        let granted = asked.filter(|_| self.switches()).map(|(_, protocol)| {
            super::traffic::upgrade_headers(&String::from_utf8_lossy(protocol))
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

    fn read(name: &str, at: &At<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let paths = fields.take("paths");
        let otherwise = match (paths.is_some(), name == super::UPSTREAM) {
            (true, _) => Some(404),
            (false, true) => Some(200),
            (false, false) => None,
        };
        let answers = read_answers(&mut fields, otherwise);
        let mut cluster = Self {
            answers,
            paths: BTreeMap::new(),
            http2: false,
        };
        for (key, at) in paths.map(|at| at.entries()).unwrap_or_default() {
            let Some(mut fields) = at.fields() else {
                continue;
            };
            cluster
                .paths
                .insert(key.text.clone(), read_answers(&mut fields, None));
            fields.close();
        }
        let http = fields
            .take("http")
            .and_then(|at| at.word(&[("1", false), ("2", true)]));
        fields.close();
        let scripts = || cluster.paths.values().chain([&cluster.answers]);
        let trailers = scripts().flatten().any(
            |answer| matches!(answer, Answer::Reply(reply) if !reply.body.trailers.is_empty()),
        );
        if trailers && http == Some(false) {
            return at.refuse("trailers need `http: 2`");
        }
        let refusals = scripts()
            .flatten()
            .filter(|answer| **answer == Answer::Refuse)
            .count();
        let all: usize = scripts().map(Vec::len).sum();
        if refusals > 0 && all > 1 {
            return at.refuse("`refuse` stands alone: nobody listens during the whole scenario; use `reset` for a single failure");
        }
        cluster.http2 = http.unwrap_or(trailers);
        Some(cluster)
    }
}

pub(super) fn read_clusters(at: &At<'_>) -> BTreeMap<String, Cluster> {
    at.entries()
        .into_iter()
        .filter_map(|(key, at)| Some((key.text.clone(), Cluster::read(&key.text, &at)?)))
        .collect()
}

/// Reads `answer` or `answers`. `otherwise` is the status of the answers where neither is there;
/// `None` = one must be.
fn read_answers(fields: &mut Fields<'_>, otherwise: Option<u16>) -> Vec<Answer> {
    let at = fields.at().clone();
    match (fields.take("answer"), fields.take("answers")) {
        (Some(one), None) => Answer::read(&one).into_iter().collect(),
        (None, Some(many)) => {
            let answers: Vec<Answer> = many.list().iter().filter_map(Answer::read).collect();
            if answers.is_empty() {
                many.refuse::<()>("at least one answer");
            }
            answers
        }
        (None, None) => match otherwise {
            Some(status) => vec![Answer::Reply(Box::new(Reply {
                status,
                ..Reply::default()
            }))],
            None => at.refuse("give `answer` or `answers`").unwrap_or_default(),
        },
        (Some(_), Some(_)) => at
            .refuse("give `answer` or `answers`, not both")
            .unwrap_or_default(),
    }
}

impl Answer {
    fn read(at: &At<'_>) -> Option<Self> {
        let mut fields = at.fields()?;
        let after_ms = fields
            .take("after_ms")
            .and_then(|at| at.within(0, MAX_WAIT_MS))
            .unwrap_or_default();
        let reset = fields.take("reset").and_then(|at| at.only_true()).is_some();
        let hang = fields.take("hang").and_then(|at| at.only_true()).is_some();
        let refuse = fields
            .take("refuse")
            .and_then(|at| at.only_true())
            .is_some();
        if reset || hang || refuse {
            let failures = [reset, hang, refuse]
                .into_iter()
                .filter(|failure| *failure)
                .count();
            fields.close();
            return match (failures, reset, hang) {
                (1, true, _) => Some(Self::Reset(after_ms)),
                (1, _, true) => Some(Self::Hang),
                (1, ..) => Some(Self::Refuse),
                _ => at.refuse("only one of `reset`, `hang`, `refuse`"),
            };
        }
        let status = fields
            .take("status")
            .and_then(|at| match at.unsigned()? {
                SWITCHING => Some(SWITCHING),
                _ => at.within(200, 599),
            })
            .map_or(200, |status| u16::try_from(status).unwrap_or(200));
        let json = fields.take("json").is_some();
        let mut headers = fields
            .take("headers")
            .map(|at| read_headers(&at))
            .unwrap_or_default();
        if json && !headers.iter().any(|(name, _)| name == "content-type") {
            headers.push(("content-type".into(), "application/json".into()));
        }
        let body = Body::read(&mut fields);
        let ends = [
            ("complete", End::Complete),
            ("reset", End::Reset),
            ("hang", End::Hang),
        ];
        let end = fields
            .take("ends")
            .and_then(|at| at.word(&ends))
            .unwrap_or_default();
        let early = fields
            .take("early")
            .and_then(|at| at.only_true())
            .unwrap_or_default();
        fields.close();
        if u64::from(status) == SWITCHING && end == End::Reset {
            return at.refuse("what was upgraded can end with `complete` or `hang` only");
        }
        Some(Self::Reply(Box::new(Reply {
            after_ms,
            status,
            headers,
            body,
            end,
            early,
        })))
    }
}
