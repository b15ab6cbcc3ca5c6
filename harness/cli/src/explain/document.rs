//! What is said of a request, as data: the document that `--format json` prints. docs/explain.md
//! describes it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// Version of the document; higher when something in it changes its name or meaning.
pub const VERSION: u32 = 1;

/// The document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of its form.
    pub version: u32,
    /// What becomes of the request.
    pub verdict: Verdict,
    /// The request.
    pub request: Asked,
    /// Where it was to go.
    pub route: Route,
    /// What was assumed, and what could not be checked.
    pub assumptions: Vec<String>,
    /// The chain in its order.
    pub filters: Vec<Filter>,
    /// What the upstream gets; nothing if the request does not go on.
    pub upstream: Option<Sent>,
    /// What the client gets; nothing where that is not decided.
    pub answer: Option<Answer>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The outcome.
    pub outcome: Outcome,
    /// Status that the client gets.
    pub status: Option<u16>,
    /// Reason code of a refusal.
    pub reason: Option<String>,
    /// The filter that refuses.
    pub filter: Option<String>,
    /// Where the reason is explained.
    pub reference: Option<String>,
    /// Why nothing can be said, where that is so.
    pub undecided: Option<String>,
    /// It rests on an assumption that `assumptions` tells.
    pub assumed: bool,
    /// Of several requests, the number of the first that is refused.
    pub first_refused: Option<usize>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It goes on to the upstream, and the answer to the client.
    GoesOn,
    /// A filter refuses it, or its answer.
    Refused,
    /// The proxy answers it itself: no route fits, or one answers.
    AnsweredByProxy,
    /// Nothing can be said: a signature could not be checked.
    Undecided,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Method.
    pub method: String,
    /// Host.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// Length of the body.
    pub body_bytes: usize,
    /// How often it is sent.
    pub times: usize,
}

/// Where a request is to go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Name of the virtual host.
    pub virtual_host: String,
    /// Name of the route.
    pub route: String,
    /// Name of the cluster.
    pub cluster: String,
}

/// A filter of the chain, and what it told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    /// Its entry in the configuration.
    pub entry: String,
    /// Its name; nothing for the proxy's own filters and those that did not run.
    pub filter: String,
    /// What it did.
    pub state: State,
    /// What it told.
    pub notes: Vec<Note>,
}

/// What a filter did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It let the request go on.
    GoesOn,
    /// It refused the request or its answer.
    Refused,
    /// A filter before it refused the request.
    NotReached,
    /// It is switched off for the route.
    Off,
    /// It is one of the proxy's own, which tell nothing.
    OfTheProxy,
    /// It could not check a signature.
    Undecided,
}

/// What a filter told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// `request`, `response` or `end`.
    pub phase: String,
    /// What it is about.
    pub step: String,
    /// `info`, `pass` or `fail`.
    pub mark: String,
    /// The sentence.
    pub text: String,
    /// The place of the message that it is about, where there is one.
    pub place: String,
    /// It rests on an assumption.
    pub assumed: bool,
    /// The same as data.
    #[serde(flatten)]
    pub data: Map<String, Json>,
}

/// A request as the upstream gets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// Name of the cluster.
    pub cluster: String,
    /// Method.
    pub method: String,
    /// Host.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// Headers that are not as the client sent them.
    pub headers: Vec<Change>,
    /// Whether the body is another one.
    pub body_changed: bool,
    /// Length of the body.
    pub body_bytes: usize,
}

/// A header that is not as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// `added`, `changed` or `removed`.
    pub change: String,
    /// Its value now, as far as it may be shown.
    pub value: Option<String>,
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Status.
    pub status: Option<u16>,
    /// Headers, as far as they may be shown.
    pub headers: Vec<(String, String)>,
    /// Length of the body.
    pub body_bytes: usize,
    /// The body of a refusal.
    pub body: Option<String>,
    /// Whether it was broken off.
    pub broken_off: bool,
}
