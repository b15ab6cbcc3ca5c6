//! What must come of one request: at the client, at servers, and in the access log.

use std::collections::BTreeMap;

use located_yaml::read::At;
use located_yaml::shape::{Members, Shape, True};
use modelgate_kit::config::Bounded;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::Value as Json;

use super::message::MAX_WAIT_MS;
use super::value::{BodyExpect, Count, FactExpect, HeaderExpect, Stated, TextExpect};

/// How long a client that should hang waits before it is believed, in milliseconds, unless the file
/// says.
const HANGS_FOR_MS: u64 = 600;

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
