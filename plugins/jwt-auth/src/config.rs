//! What an operator writes.
//!
//! Two sets of defaults cannot arise: these types are the only place that has them, and `plan.rs`
//! reads nothing else.

use modelgate_kit::claim::ClaimPath;
use modelgate_kit::config::types::{
    CallHeaders, ClusterName, HttpsUrl, NonEmpty, NonEmptyText, OneOrMore, Realm, Scope, refused,
};
use modelgate_kit::config::{Bounded, DenyOrAllow, Secret, StripOrKeep};
use modelgate_kit::credential::WrittenPlace;
use modelgate_kit::http_url::HttpUrl;
use modelgate_kit::identity_headers::WrittenIdentityHeaders;
use modelgate_kit::jose::Algorithm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::keys::Template;

/// Configuration of `jwt_auth`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The issuers whose tokens are accepted; at least one. A token belongs to the one that its
    /// `iss` names. Where its tokens have several shapes, an issuer is listed several times: a
    /// token must be as one of these entries says, tried in their order.
    pub issuers: Vec<IssuerConfig>,
    /// Where a token may stand; all places are looked at, and more than one token in a request is
    /// refused. RFC 6750 section 2.3 advises against the query: URLs are logged.
    pub credential_from: NonEmpty<WrittenPlace>,
    /// Whether the upstream sees the token: `strip` removes it from header, cookie or query; `keep`
    /// leaves it.
    pub credential_to_upstream: StripOrKeep,
    /// Longest token that is looked at, in bytes. Entra ID puts up to 200 groups into a token,
    /// which makes 12,000 bytes.
    pub max_token_bytes: Bounded<128, 65_536>,
    /// What becomes of a request without any token: `deny`, or `allow` without an identity. A token
    /// that is there is always verified.
    pub on_missing: DenyOrAllow,
    /// Request headers that tell the upstream who calls. What a client sends under these names, or
    /// under names that differ in `-`, `_` and the like only, is always removed.
    pub identity_headers: WrittenIdentityHeaders,
    /// Verified tokens that are remembered per worker, so that each is verified once; 0 for none.
    pub token_cache_entries: Bounded<0, 100_000>,
    /// `realm` of the challenge (RFC 6750 section 3).
    pub realm: Realm,
    /// URL of the protected resource's metadata, told to clients in the challenge (RFC 9728 section
    /// 5.1).
    pub resource_metadata: Option<HttpsUrl>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            credential_from: NonEmpty::one(WrittenPlace::header("authorization", Some("Bearer"))),
            credential_to_upstream: StripOrKeep::default(),
            max_token_bytes: Bounded::new(16_384),
            on_missing: DenyOrAllow::default(),
            identity_headers: WrittenIdentityHeaders::default(),
            token_cache_entries: Bounded::new(1000),
            realm: Realm::default(),
            resource_metadata: None,
        }
    }
}

/// One issuer.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IssuerConfig {
    /// `iss` of its tokens, byte for byte; required. `{tenantid}` in it stands for the token's
    /// tenant (`tid`), see `tenants`.
    pub issuer: String,
    /// Tenants that are let in where `issuer` has `{tenantid}`, as in `https://login.microsoftonline.com/{tenantid}/v2.0`; `["*"]` lets
    /// in every tenant that there is.
    pub tenants: Vec<String>,
    /// Our own names: `aud` of a token must have one of them. Required, unless `required_claims`
    /// leaves `aud` out: then tokens may lack `aud`, but one that is there and is not ours is
    /// refused all the same (RFC 7519 section 4.1.3).
    pub audiences: Vec<String>,
    /// Claims that say whom a token is for, e.g. `[aud, client_id]` for access tokens of Amazon
    /// Cognito, which have no `aud`. The first that a token has must name one of `audiences`, and
    /// so must `aud` wherever it is there.
    pub audience_claims: NonEmpty<ClaimPath>,
    /// Where its keys come from; exactly one source. May be left out where an earlier entry is for
    /// the same issuer: then they are its keys.
    pub keys: KeysConfig,
    /// Algorithms that are accepted. Empty: every one that the keys allow, which for public keys
    /// excludes HS256, HS384 and HS512.
    pub algorithms: Vec<Algorithm>,
    /// Claims that must be there. Of `aud`, any of `audience_claims` takes the place.
    pub required_claims: Vec<String>,
    /// How far our clock and the issuer's may differ, in seconds.
    pub clock_skew_s: Bounded<0, 600>,
    /// Longest accepted time from `iat` to `exp`, in seconds; tokens without `iat` are then
    /// refused.
    pub max_lifetime_s: Option<Bounded<1, 31_536_000>>,
    /// Accepted `typ` of the token's header, in any case and with or without `application/`; a
    /// token without one counts as `JWT`.
    pub types: Vec<String>,
    /// Scopes that must all be granted, in `scope` or `scp`; otherwise 403 `insufficient_scope`.
    pub scopes: Vec<Scope>,
    /// Further conditions on claims; all must hold, otherwise 403.
    pub claims: Vec<ClaimCondition>,
    /// Claim that names the caller to policies and limits: a top-level name or a JSON Pointer. Of
    /// several, the first that the token has counts. A token without any is refused, unless
    /// `consumer` names its caller.
    pub consumer_claim: OneOrMore<ClaimPath>,
    /// Text put before the caller's name, so that two issuers cannot name the same caller.
    pub consumer_prefix: String,
    /// Name of the caller for tokens that have no `consumer_claim`; `consumer_prefix` is not put
    /// before it.
    pub consumer: Option<NonEmptyText>,
    /// Claim with the caller's groups: text, or an array of text. Those of several claims are
    /// joined.
    pub groups_claim: OneOrMore<ClaimPath>,
    /// How an object in `groups_claim` is read: `deny`, or `member_names`, as in the roles of
    /// Zitadel.
    pub groups_object: GroupsObject,
    /// Groups of the caller for tokens that have no `groups_claim`.
    pub groups: Vec<NonEmptyText>,
    /// Claims that later filters and the audit log see in the identity fact.
    pub claims_to_fact: Vec<ClaimPath>,
}

impl Default for IssuerConfig {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            tenants: Vec::new(),
            audiences: Vec::new(),
            audience_claims: NonEmpty::one(ClaimPath::top("aud")),
            keys: KeysConfig::default(),
            algorithms: Vec::new(),
            required_claims: ["iss", "aud", "exp"].map(str::to_owned).into(),
            clock_skew_s: Bounded::new(60),
            max_lifetime_s: None,
            types: modelgate_kit::jose::DEFAULT_TYPES.map(str::to_owned).into(),
            scopes: Vec::new(),
            claims: Vec::new(),
            consumer_claim: OneOrMore::One(ClaimPath::top("sub")),
            consumer_prefix: String::new(),
            consumer: None,
            groups_claim: OneOrMore::One(ClaimPath::top("groups")),
            groups_object: GroupsObject::default(),
            groups: Vec::new(),
            claims_to_fact: Vec::new(),
        }
    }
}

/// How an object is read where groups are expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupsObject {
    /// Not at all: the token is refused.
    #[default]
    Deny,
    /// The names of its members are the groups.
    MemberNames,
}

/// A condition on one claim: exactly one of `any_of`, `all_of`, `none_of`, or none of them: the
/// claim must be there.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimCondition {
    /// Name of a top-level claim, or a JSON Pointer as in `/realm_access/roles`.
    pub claim: ClaimPath,
    /// `whole` takes a text as one word, `spaces` as several.
    #[serde(default)]
    pub split: SplitConfig,
    /// At least one of these (text, numbers, true, false). In a text, `*` stands for any run of
    /// characters: `refs/tags/*`.
    pub any_of: Option<NonEmpty<Scalar>>,
    /// All of these.
    pub all_of: Option<NonEmpty<Scalar>>,
    /// None of these; also holds when the claim is absent, but not when its value is elsewhere or
    /// cannot be read.
    pub none_of: Option<NonEmpty<Scalar>>,
}

/// What a claim is compared with: a text, a number, true or false.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct Scalar(pub serde_json::Value);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde_json::Value;
        match Value::deserialize(deserializer)? {
            Value::Null | Value::Array(_) | Value::Object(_) => Err(refused(
                "is not text, a number, true or false",
                "write each value as an entry of its own",
            )),
            scalar => Ok(Self(scalar)),
        }
    }
}

/// How a claim's text is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitConfig {
    /// One text is one word.
    #[default]
    Whole,
    /// Words between spaces.
    Spaces,
}

/// Where an issuer's keys come from: exactly one of these.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeysConfig {
    /// A JWK Set, inline: `{"keys": […]}`.
    pub jwks: Option<serde_json::Value>,
    /// Public keys in PEM, inline.
    pub pem: Option<NonEmpty<PemKey>>,
    /// A shared secret, for HS256, HS384 and HS512.
    pub secret: Option<SharedSecret>,
    /// A JWK Set that is fetched and kept fresh.
    pub fetch: Option<Fetch>,
    /// OpenID Connect discovery, which says where the JWK Set is.
    pub discovery: Option<Discovery>,
    /// Keys that are published one by one, in PEM, each under its `kid`: those of AWS load
    /// balancers.
    pub pem_per_kid: Option<PemPerKid>,
}

impl KeysConfig {
    /// Whether no source is written.
    pub const fn is_left_out(&self) -> bool {
        self.jwks.is_none()
            && self.pem.is_none()
            && self.secret.is_none()
            && self.fetch.is_none()
            && self.discovery.is_none()
            && self.pem_per_kid.is_none()
    }
}

/// A public key in PEM.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PemKey {
    /// One block labelled `PUBLIC KEY`.
    pub pem: String,
    /// Its `kid`; without one the key is tried for tokens of any name.
    pub kid: Option<String>,
    /// The only algorithm it is for; an RSA key without one is good for RS and PS alike.
    pub algorithm: Option<Algorithm>,
}

/// A shared secret.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SharedSecret {
    /// The secret, at least as long as the hash (32, 48 or 64 bytes).
    pub value: Secret,
    /// How the text stands for the bytes.
    #[serde(default)]
    pub encoding: SecretEncoding,
    /// Its `kid`; without one it is tried for tokens of any name.
    pub kid: Option<String>,
    /// The only algorithm it is for.
    pub algorithm: Option<Algorithm>,
}

/// How a secret's text stands for its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretEncoding {
    /// The text's own bytes.
    #[default]
    Text,
    /// Base64url without padding, as the `k` of a JWK.
    Base64url,
}

/// A JWK Set that is fetched.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// URL of the JWK Set; host and path of the call are taken from it.
    pub url: HttpUrl,
    /// Cluster that is called (on nginx: host:port).
    pub cluster: ClusterName,
    /// Headers of the call, e.g. `authorization` where the issuer wants a token. Each value is a
    /// secret: text, or `{"env": "NAME"}`.
    #[serde(default)]
    pub headers: CallHeaders,
    /// How the keys are kept fresh.
    #[serde(default)]
    pub refresh: Refresh,
}

/// OpenID Connect discovery.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Discovery {
    /// Cluster that is called for the issuer's metadata (on nginx: host:port).
    pub cluster: ClusterName,
    /// Cluster that is called for the keys, if it is another one.
    pub keys_cluster: Option<ClusterName>,
    /// URL of the metadata. Default: the issuer followed by `/.well-known/openid-configuration`.
    pub url: Option<HttpUrl>,
    /// Headers of both calls, e.g. `authorization` where the issuer wants a token. Each value is a
    /// secret: text, or `{"env": "NAME"}`.
    #[serde(default)]
    pub headers: CallHeaders,
    /// How the keys are kept fresh.
    #[serde(default)]
    pub refresh: Refresh,
}

/// Keys that are published one by one. Tokens of such issuers may be padded base64url, as those of
/// AWS load balancers are.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PemPerKid {
    /// URL of a key, with `{kid}` in its path: `https://public-keys.auth.elb.REGION.amazonaws.com/{kid}`.
    pub url: Template,
    /// Cluster that is called (on nginx: host:port).
    pub cluster: ClusterName,
    /// `signer` of a token's header must be one of these: ARNs of your load balancers. Those of
    /// everybody in the region sign with keys of the same place.
    pub signers: NonEmpty<NonEmptyText>,
    /// How the keys are kept fresh. `min_interval_s` is 2 by default, because each key is fetched
    /// by itself.
    #[serde(default = "per_kid_refresh")]
    pub refresh: Refresh,
}

fn per_kid_refresh() -> Refresh {
    Refresh {
        min_interval_s: Bounded::new(2),
        ..Refresh::default()
    }
}

/// How fetched keys are kept fresh.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Refresh {
    /// Keys are fetched anew when they are this old, in seconds; up to a fifth earlier, so that not
    /// all gateways call at once.
    pub every_s: Bounded<5, 86_400>,
    /// Keys that could not be refreshed serve for so much longer, in seconds; then requests get 503
    /// `keys_unavailable`.
    pub max_stale_s: Bounded<0, 2_592_000>,
    /// Least time between two fetches, in seconds, however many unknown keys are asked for and
    /// signatures fail. A token by an unknown key waits until it is over, if that is within
    /// `wait_ms`; otherwise it gets 503 `keys_unavailable` with `retry-after`.
    pub min_interval_s: Bounded<1, 3600>,
    /// A key that a fresh set does not have is refused at once and not asked for again within this
    /// time, in seconds. More spares the issuer calls, but refuses a key for so long that was used
    /// before it was published. Keys that the issuer has taken out, and those of `pem_per_kid`, are
    /// refused at once until `min_interval_s` is over, too.
    pub unknown_key_ttl_s: Bounded<0, 86_400>,
    /// Time-out of one call, in milliseconds.
    pub timeout_ms: Bounded<50, 60_000>,
    /// Longest that a request waits for keys, in milliseconds; 0 for not at all.
    pub wait_ms: Bounded<0, 60_000>,
    /// Longest document that is taken, in bytes.
    pub max_bytes: Bounded<256, 4_194_304>,
}

impl Default for Refresh {
    fn default() -> Self {
        Self {
            every_s: Bounded::new(300),
            max_stale_s: Bounded::new(86_400),
            min_interval_s: Bounded::new(30),
            unknown_key_ttl_s: Bounded::new(0),
            timeout_ms: Bounded::new(5000),
            wait_ms: Bounded::new(3000),
            max_bytes: Bounded::new(262_144),
        }
    }
}
