//! What the operator writes.

use std::collections::BTreeMap;

use modelgate_kit::claim::ClaimPath;
use modelgate_kit::config::types::{
    HeaderName, HeaderValue, ModelName, NonEmpty, PlainName, refused_unlike,
};
use modelgate_kit::config::{Bounded, DenyOrAllow};
use modelgate_kit::route::Template;
use modelgate_kit::rule::{ModelBody, WrittenWho};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of `model-route`. Without models, every request is refused.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The models that clients may ask for, and where they are.
    pub models: Vec<WrittenModel>,
    /// A request for a model that is not in `models`: `deny` (404), or `allow`: it passes as it is,
    /// without `backend_header`.
    pub unknown_models: DenyOrAllow,
    /// A request that is about no model (lists of models, health, paths of no protocol that is
    /// known): `deny` (404), or `allow`: it passes as it is, without `backend_header`.
    pub other_requests: DenyOrAllow,
    /// The header that names the backend, for the proxy's routes. What clients send under it, or
    /// under a name that reads alike, is taken out.
    pub backend_header: HeaderName,
    /// The header that names where a copy of the request goes, for the proxy's mirror.
    pub shadow_header: HeaderName,
    /// The header of answers that says which model and version has answered, or `null` for none.
    pub lineage_header: Option<HeaderName>,
    /// Changes who is in which share. The same on all gateways that must agree; with a text that
    /// clients do not know, nobody who may choose a key can choose its target.
    pub salt: String,
    /// How to learn the model where a request's body names it, and how long a body may be in which
    /// the name is replaced.
    pub model_from_body: ModelBody,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            models: Vec::new(),
            unknown_models: DenyOrAllow::Deny,
            other_requests: DenyOrAllow::Deny,
            backend_header: HeaderName::fixed("x-modelgate-backend"),
            shadow_header: HeaderName::fixed("x-modelgate-shadow"),
            lineage_header: Some(HeaderName::fixed("x-modelgate-model")),
            salt: String::new(),
            model_from_body: ModelBody::default(),
        }
    }
}

/// A model, by the name that clients know.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenModel {
    /// What clients ask for; `*` stands for any run of characters. Compared as it was sent. Exact
    /// names come before patterns, then the first that fits counts.
    pub name: ModelPattern,
    /// Further names of the same model.
    #[serde(default)]
    pub aliases: Vec<ModelPattern>,
    /// Path templates of requests that name no model and are for this one: `/score`,
    /// `/invocations`.
    #[serde(default)]
    pub paths: Vec<Template>,
    /// What keeps a caller at one target: the first of these that a request has. Without it, or
    /// where a request has none, each request is split by itself.
    #[serde(default)]
    pub sticky_by: Vec<WrittenKey>,
    /// Where the model is.
    pub targets: NonEmpty<WrittenTarget>,
    /// Requests that go to one target whatever the weights say: the first that fits counts.
    #[serde(default)]
    pub overrides: Vec<WrittenOverride>,
    /// The tag of the target that every request goes to, whatever else is written: a human's word.
    #[serde(default)]
    pub pin: Option<PlainName>,
    /// Takes a target out that fails or is slow. Without it none is.
    #[serde(default)]
    pub rollback: Option<WrittenRollback>,
    /// What is done where the model cannot answer.
    #[serde(default)]
    pub fallback: Option<WrittenFallback>,
    /// A copy of requests goes to another backend, whose answers nobody gets.
    #[serde(default)]
    pub shadow: Option<WrittenShadow>,
}

/// What tells callers apart.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenKey {
    /// The verified consumer.
    Consumer,
    /// A verified claim or label: its name, or a JSON Pointer such as `/org/tenant`.
    Claim(ClaimPath),
    /// A header, such as that of a session. Clients write headers as they like.
    Header(HeaderName),
}

/// One place where a model is.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenTarget {
    /// Name of the target: in the lineage of answers, in metrics and in audit events. Unique in its
    /// model.
    pub tag: PlainName,
    /// Its share of the requests, in proportion to the other weights; 0 for none.
    #[serde(default = "one")]
    pub weight: Bounded<0, 1_000_000>,
    /// What `backend_header` says of requests that go there.
    pub backend: Name,
    /// The name that the server knows the model by: written in place of the one that was asked for,
    /// in path or body. Without it the name stays.
    #[serde(default)]
    pub model: Option<ModelName>,
    /// The version: `/versions/N` (Open Inference Protocol, TensorFlow Serving), `/NAME/1.0`
    /// (TorchServe), `NAME@N` (Vertex AI). Where no target of the model has a version, label,
    /// variant, deployment or inference component, a client's stays; else it is replaced, or taken
    /// out.
    #[serde(default)]
    pub version: Option<Name>,
    /// The label of a version, in place of it (TensorFlow Serving: `/labels/L`).
    #[serde(default)]
    pub label: Option<Name>,
    /// The production variant of a SageMaker endpoint (`X-Amzn-SageMaker-Target-Variant`).
    #[serde(default)]
    pub variant: Option<Name>,
    /// The deployment behind an Azure ML endpoint (`azureml-model-deployment`).
    #[serde(default)]
    pub deployment: Option<Name>,
    /// The inference component at a SageMaker endpoint (`X-Amzn-SageMaker-Inference-Component`; in
    /// the path where that is OpenAI's: `/endpoints/E/inference-components/C/openai/v1/…`).
    #[serde(default)]
    pub inference_component: Option<Name>,
    /// Whether the server is told the version, label, variant, deployment or inference component:
    /// `asked`, and requests whose protocol has no word for it are refused; or `of_backend`: all
    /// that the backend serves is this version, and only the lineage names it.
    #[serde(default)]
    pub version_is: VersionIs,
}

const fn one() -> Bounded<0, 1_000_000> {
    Bounded::new(1)
}

/// Whether a version is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionIs {
    /// It is written into the request.
    #[default]
    Asked,
    /// The backend has no other.
    OfBackend,
}

/// Requests that go to one target.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenOverride {
    /// Who may have it. Without it: any caller with a verified identity.
    #[serde(default)]
    pub who: WrittenWho,
    /// A header that the request must have with this value, once. Without it: all requests of these
    /// callers.
    #[serde(default)]
    pub header: Option<WrittenHeader>,
    /// The tag of the target.
    pub target: PlainName,
}

/// A header with its value.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenHeader {
    /// Its name, in any case.
    pub name: HeaderName,
    /// Its value, compared exactly.
    pub value: HeaderValue,
}

/// When a target is taken out, and when it comes back. Outcomes are counted by all workers of a
/// proxy together; where they cannot be counted, the weights count.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenRollback {
    /// Tags of the targets that may be taken out. Without it: all but `to`.
    #[serde(default)]
    pub of: Vec<PlainName>,
    /// The tag of the target that takes over. Without it: those that are left, by their weights.
    #[serde(default)]
    pub to: Option<PlainName>,
    /// Of 1,000 requests, so many may end with an error: a status of 500 or above, or the proxy's
    /// own for a server that does not answer.
    #[serde(default = "fifty")]
    pub errors_per_1000: Bounded<1, 1_000>,
    /// Further statuses that count as errors, such as 424 (SageMaker, Azure ML: the model has
    /// failed) or 429.
    #[serde(default)]
    pub error_statuses: Vec<Bounded<400, 499>>,
    /// How many may be slow. Without it, any.
    #[serde(default)]
    pub slow: Option<WrittenSlow>,
    /// The time that is looked back on, in seconds.
    #[serde(default = "minute")]
    pub window_s: Bounded<1, 86_400>,
    /// Fewest requests in the window that say anything.
    #[serde(default = "fifty_requests")]
    pub minimum: Bounded<1, 1_000_000>,
    /// When a target is tried again, in seconds after it was taken out; each time that it fails
    /// again soon, twice as long, up to eight times. Without it, it stays out until it is
    /// configured otherwise, or the proxy starts anew.
    #[serde(default)]
    pub back_after_s: Option<Bounded<1, 604_800>>,
    /// How many requests try a target. It is back if at most half of what would take it out has
    /// failed.
    #[serde(default = "ten")]
    pub trial_requests: Bounded<1, 10_000>,
}

const fn fifty() -> Bounded<1, 1_000> {
    Bounded::new(50)
}

const fn minute() -> Bounded<1, 86_400> {
    Bounded::new(60)
}

const fn fifty_requests() -> Bounded<1, 1_000_000> {
    Bounded::new(50)
}

const fn ten() -> Bounded<1, 10_000> {
    Bounded::new(10)
}

/// How many answers may be slow.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenSlow {
    /// An answer is slow whose head comes later than this, in milliseconds after the request.
    pub over_ms: Bounded<1, 3_600_000>,
    /// Of 1,000 requests, so many may be slow.
    pub per_1000: Bounded<1, 1_000>,
}

/// What is done where the model cannot answer.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenFallback {
    /// The tag of the target that requests go to while all that have a weight are taken out.
    #[serde(default)]
    pub target: Option<PlainName>,
    /// What clients get while all that could answer are taken out, and in place of an answer with
    /// one of `statuses`. A request that was sent is not sent again.
    #[serde(default)]
    pub answer: Option<WrittenAnswer>,
    /// Statuses in whose place `answer` stands. The proxy gives 503 for a server that cannot be
    /// reached, and 504 for one that does not answer in the route's time.
    #[serde(default = "gateway_errors")]
    pub statuses: Vec<Bounded<400, 599>>,
}

fn gateway_errors() -> Vec<Bounded<400, 599>> {
    [502, 503, 504].map(Bounded::new).to_vec()
}

/// A degraded answer, always the same.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenAnswer {
    /// Its status.
    #[serde(default = "ok")]
    pub status: Bounded<200, 599>,
    /// Its headers besides `content-type`.
    #[serde(default)]
    pub headers: BTreeMap<HeaderName, HeaderValue>,
    /// Its content type.
    #[serde(default = "json")]
    pub content_type: HeaderValue,
    /// Its body.
    pub body: String,
}

const fn ok() -> Bounded<200, 599> {
    Bounded::new(200)
}

fn json() -> HeaderValue {
    HeaderValue::fixed("application/json")
}

/// Where copies of requests go.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenShadow {
    /// What `shadow_header` says of them: the name of a cluster.
    pub backend: Name,
    /// Of 100 callers, so many are copied.
    #[serde(default = "hundred")]
    pub percent: Bounded<1, 100>,
}

const fn hundred() -> Bounded<1, 100> {
    Bounded::new(100)
}

/// The name of a model, or a pattern of names: 1 to 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct ModelPattern(pub String);

impl<'de> Deserialize<'de> for ModelPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if (1..=512).contains(&text.len()) && !text.chars().any(char::is_control) {
            return Ok(Self(text));
        }
        Err(refused_unlike(
            "refused",
            "is not the name of a model",
            "write 1 to 512 bytes without control characters",
        ))
    }
}

/// What stands in a header or path as it is: 1 to 128 visible ASCII characters without commas.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct Name(pub String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b',';
        if (1..=128).contains(&text.len()) && text.bytes().all(is_plain) {
            return Ok(Self(text));
        }
        Err(refused_unlike(
            "refused",
            "is not a name",
            "write 1 to 128 visible ASCII characters without commas and spaces",
        ))
    }
}
