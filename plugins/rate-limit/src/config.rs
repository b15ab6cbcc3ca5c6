//! What the operator writes.

use modelgate_kit::claim::ClaimPath;
use modelgate_kit::config::types::{HeaderName, NonEmpty, PlainName, refused};
use modelgate_kit::config::{Bounded, DenyOrAllow, Mode};
use modelgate_kit::rule::{ModelBody, WrittenWhat, WrittenWho};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of `rate-limit`. Without policies, nothing is limited.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `enforce`, or `shadow`: count and record, and let every request pass.
    pub mode: Mode,
    /// The limits. A request must pass all that apply to it, and takes from all of them or from
    /// none.
    pub policies: Vec<WrittenPolicy>,
    /// Which headers tell clients their limits: `draft` (RateLimit, RateLimit-Policy), `legacy`
    /// (X-RateLimit-*), `both` or `off`.
    pub headers: Headers,
    /// Up to so many seconds, drawn anew each time, are added to `Retry-After`, so that refused
    /// clients do not come back all at once.
    pub retry_after_jitter_s: Bounded<0, 3_600>,
    /// A request that keeps losing the compare-and-swap race for its buckets to other workers:
    /// `deny` (503) or `allow` (uncounted).
    pub on_contention: DenyOrAllow,
    /// A request whose buckets cannot be read or written: `deny` (503) or `allow` (uncounted).
    pub on_error: DenyOrAllow,
    /// How to find the client's address, for policies by `ip`.
    pub client_ip: WrittenClientIp,
    /// The memory for buckets.
    pub buckets: WrittenBuckets,
    /// How to learn the model where a request's body names it. Bodies are read only where a policy
    /// looks at the model.
    pub model_from_body: ModelBody,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            policies: Vec::new(),
            headers: Headers::Draft,
            retry_after_jitter_s: Bounded::new(0),
            on_contention: DenyOrAllow::Deny,
            on_error: DenyOrAllow::Deny,
            client_ip: WrittenClientIp::default(),
            buckets: WrittenBuckets::default(),
            model_from_body: ModelBody::default(),
        }
    }
}

/// Which headers are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Headers {
    /// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11).
    #[default]
    Draft,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`, of the tightest window.
    Legacy,
    /// Both kinds.
    Both,
    /// None; `Retry-After` is sent nevertheless.
    Off,
}

/// One limit.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenPolicy {
    /// Name of the limit: clients see it, and so do metrics and audit events. Lower-case letters,
    /// digits, `_` and `-`; unique.
    pub name: PlainName,
    /// What tells one bucket from another; several parts make one key. Without any, all requests
    /// share one bucket.
    #[serde(default)]
    pub by: Vec<WrittenPart>,
    /// A request without (one part of) the key: `deny` (403), `shared` (all such requests share a
    /// bucket) or `skip` (the limit does not apply to it).
    #[serde(default)]
    pub on_missing: OnMissing,
    /// Whom the limit applies to. Without it: everybody.
    #[serde(default = "anybody")]
    pub who: WrittenWho,
    /// What the limit applies to. Without it: every request.
    #[serde(default)]
    pub what: WrittenWhat,
    /// The windows, all of which must have room.
    pub windows: Vec<WrittenWindow>,
    /// Other windows for some callers; the first tier that fits counts.
    #[serde(default)]
    pub tiers: Vec<WrittenTier>,
    /// Units that a request takes.
    #[serde(default = "one")]
    pub cost: Bounded<1, 1_000_000>,
}

fn anybody() -> WrittenWho {
    WrittenWho {
        identity: modelgate_kit::rule::Presence::Any,
        ..WrittenWho::default()
    }
}

const fn one() -> Bounded<1, 1_000_000> {
    Bounded::new(1)
}

/// One part of a key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenPart {
    /// The verified consumer.
    Consumer,
    /// The id of the credential: each key or token of a consumer has its own bucket.
    Credential,
    /// The first of the caller's groups: its members share a bucket.
    Group,
    /// The first of these groups that the caller is in.
    GroupOf(NonEmpty<String>),
    /// A verified claim or label: its name, or a JSON Pointer such as `/org/tenant`.
    Claim(ClaimPath),
    /// A header. Clients write headers as they like: only for headers that a trusted proxy sets.
    Header(HeaderName),
    /// The client's address (see `client_ip`).
    Ip,
    /// The name of the proxy's route.
    Route,
    /// The method.
    Method,
    /// What is asked of the model: `infer`, `chat`, …
    Operation,
    /// The model.
    Model,
}

/// What becomes of a request without key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnMissing {
    /// It is refused.
    #[default]
    Deny,
    /// All such requests share a bucket.
    Shared,
    /// The limit does not apply to it.
    Skip,
}

/// One window.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenWindow {
    /// Units that grow back in one window, evenly over its time.
    pub quota: Bounded<1, 1_000_000_000_000>,
    /// Length of the window in seconds.
    pub window_s: Bounded<1, 31_622_400>,
    /// Units that may be taken at once; the quota if it is not written.
    #[serde(default)]
    pub burst: Option<Bounded<1, 1_000_000_000_000>>,
}

/// Other windows for some callers.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenTier {
    /// Who is in this tier.
    pub who: WrittenWho,
    /// `limit` (by the windows of the tier) or `exempt` (the policy does not apply).
    #[serde(default)]
    pub effect: TierEffect,
    /// The windows of the tier.
    #[serde(default)]
    pub windows: Vec<WrittenWindow>,
}

/// What a tier does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TierEffect {
    /// It limits by its own windows.
    #[default]
    Limit,
    /// It exempts its callers from the policy.
    Exempt,
}

/// How to find the client's address.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrittenClientIp {
    /// Proxies before this one whose entry in `x-forwarded-for` is believed: with n, the n-th entry
    /// from the right is the client. 0: the address of the connection, as the proxy sees it.
    pub trusted_hops: Bounded<0, 16>,
    /// How many bits of an IPv4 address tell clients apart.
    pub ipv4_prefix_bits: Bounded<1, 32>,
    /// How many bits of an IPv6 address tell clients apart; one client commonly has a whole /64.
    pub ipv6_prefix_bits: Bounded<1, 128>,
}

impl Default for WrittenClientIp {
    fn default() -> Self {
        Self {
            trusted_hops: Bounded::new(0),
            ipv4_prefix_bits: Bounded::new(32),
            ipv6_prefix_bits: Bounded::new(64),
        }
    }
}

/// The memory for buckets: reserved when the proxy starts, never grown. About 20 bytes a bucket and
/// 8 more for each window, per policy.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrittenBuckets {
    /// Buckets of each policy that has keys. Twice the number of callers in one window is ample.
    /// When it is too small, callers whose bucket finds no room are refused before they have used
    /// anything, which the metric `crowded` counts; nobody gets more than the limit.
    pub count: Bounded<16, 16_777_216>,
    /// Filters in one proxy with the same name here share the buckets of policies with the same
    /// name; one with other windows, tiers or `count` goes on with what has been taken. Without it,
    /// each configuration has its own, and a changed configuration starts with full buckets.
    pub shared_as: Option<SharedName>,
}

impl Default for WrittenBuckets {
    fn default() -> Self {
        Self {
            count: Bounded::new(16_384),
            shared_as: None,
        }
    }
}

/// The name under which filters share their buckets: letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct SharedName(pub String);

impl<'de> Deserialize<'de> for SharedName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Self(text));
        }
        Err(refused("is not a name", "write letters and digits"))
    }
}
