//! What the operator writes for `audit-log`.

use std::collections::BTreeMap;

use modelgate_kit::config::types::{Authority, CallHeaders, ClusterName, RequestPath, refused};
use modelgate_kit::config::{Bounded, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::SubjectMode;
use crate::otlp::{DEFAULT_PATH, Format};
use crate::queue::WhenFull;

/// Configuration of `audit-log`.
#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where events are sent, in batches. Without it they go to the access log only.
    pub sink: Option<Sink>,
    /// Whether each event is left as one line of JSON (at most 1,500 bytes) in filter state, where
    /// the proxy's access log finds it as `%FILTER_STATE(wasm.modelgate.audit:PLAIN)%`.
    pub access_log: Switch,
    /// How the subject of a credential is recorded: `omit`, `hash` or `plain`.
    pub subject: SubjectMode,
    /// Key of the subjects' pseudonyms. Without a key, whoever can list all subjects can find out
    /// whose pseudonym is whose.
    pub subject_key: Option<Secret>,
}

/// `on` or `off`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// It happens.
    #[default]
    On,
    /// It does not.
    Off,
}

/// `https` or `http`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// TLS.
    #[default]
    Https,
    /// Plain text.
    Http,
}

/// A receiver of events over HTTP.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sink {
    /// The proxy's cluster for the receiver (with Envoy), or its `host:port` (with nginx).
    pub cluster: ClusterName,
    /// How events are written: OpenTelemetry log records (OTLP over HTTP), in JSON or as Protobuf,
    /// which takes fewer bytes and less time.
    #[serde(default)]
    pub format: Format,
    /// The `host` header of the calls; the cluster's name if absent.
    #[serde(default)]
    pub authority: Option<Authority>,
    /// The path that batches are posted to.
    #[serde(default = "default_path")]
    pub path: RequestPath,
    /// The scheme that the calls name. Whether they are encrypted is the cluster's matter.
    #[serde(default)]
    pub scheme: Scheme,
    /// Further headers of the calls, such as `authorization`. Each value is a secret: text, or
    /// `{"env": "NAME"}`.
    #[serde(default)]
    pub headers: CallHeaders,
    /// Attributes of the source, such as `deployment.environment.name`. `service.name` is
    /// `modelgate` unless set here.
    #[serde(default)]
    pub resource: BTreeMap<String, String>,
    /// How long one call may take, in milliseconds.
    #[serde(default = "default_timeout")]
    pub timeout_ms: Bounded<1, 60_000>,
    /// What is kept while the sink is slow or down.
    #[serde(default)]
    pub queue: QueueConfig,
    /// What is sent at once.
    #[serde(default)]
    pub batch: BatchConfig,
    /// When it is tried again.
    #[serde(default)]
    pub retry: RetryConfig,
}

fn default_path() -> RequestPath {
    RequestPath::fixed(DEFAULT_PATH)
}

const fn default_timeout() -> Bounded<1, 60_000> {
    Bounded::new(5_000)
}

/// The queue between requests and the sink; every worker of the proxy has its own.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// Events kept at most; with `deny`, requests under way count too.
    pub max_events: Bounded<1, 1_000_000>,
    /// Bytes kept at most: they are taken from the memory of each worker's VM.
    pub max_bytes: Bounded<65_536, 268_435_456>,
    /// What happens when the queue is full: `drop_oldest` or `drop_newest` lose events and count
    /// them, `deny` refuses requests that could not be recorded (reason `audit_unavailable`). Then
    /// each request under way reserves one event and what the last events took on average, and a
    /// quarter more; 1.6 KB before there was one.
    pub on_full: FullPolicy,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            max_events: Bounded::new(8_192),
            max_bytes: Bounded::new(16_777_216),
            on_full: FullPolicy::default(),
        }
    }
}

/// What happens when the queue is full.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FullPolicy {
    /// The oldest events are lost, and counted.
    #[default]
    DropOldest,
    /// The new events are lost, and counted.
    DropNewest,
    /// Requests are refused as long as their events might find no room.
    Deny,
}

impl FullPolicy {
    /// Which events a queue that is full nevertheless loses.
    pub const fn when_full(self) -> WhenFull {
        match self {
            Self::DropOldest => WhenFull::DropOldest,
            Self::DropNewest => WhenFull::DropNewest,
            Self::Deny => WhenFull::KeepAll,
        }
    }
}

/// When a batch is due, and how large it may be.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchConfig {
    /// Events in one batch at most; as many are sent without waiting.
    pub max_events: Bounded<1, 10_000>,
    /// Bytes of events in one batch at most.
    pub max_bytes: Bounded<20_480, 16_777_216>,
    /// How long an event waits for others at most, in milliseconds; looked at twice a second.
    pub max_age_ms: Bounded<0, 600_000>,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            max_events: Bounded::new(512),
            max_bytes: Bounded::new(1_048_576),
            max_age_ms: Bounded::new(1_000),
        }
    }
}

/// When a batch that did not arrive is sent again.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// The first wait after a failure, in milliseconds. Each further one is twice as long; the
    /// second half of each is random.
    pub first_ms: Bounded<1, 600_000>,
    /// The longest wait, in milliseconds.
    pub longest_ms: Bounded<1, 600_000>,
    /// An event that could not be sent for so long is dropped and counted, in milliseconds.
    pub give_up_ms: Bounded<1_000, 86_400_000>,
    /// Statuses that are tried again besides 429, 502, 503 and 504, for collectors that answer e.g.
    /// 500 or 408 when they are busy.
    pub also: Vec<RetryStatus>,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            first_ms: Bounded::new(1_000),
            longest_ms: Bounded::new(30_000),
            give_up_ms: Bounded::new(300_000),
            also: Vec::new(),
        }
    }
}

/// A status after which a batch is sent again: 400 to 599, but for 413, after which it is halved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(with = "Bounded<400, 599>", inline)]
pub struct RetryStatus(pub u16);

impl<'de> Deserialize<'de> for RetryStatus {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let status = Bounded::<400, 599>::deserialize(deserializer)?.value();
        match u16::try_from(status) {
            Ok(status) if status != 413 => Ok(Self(status)),
            _ => Err(refused(
                "names 413, which asks for smaller batches",
                "leave 413 out; batches are halved then",
            )),
        }
    }
}
