//! What the operator writes, and the plan that it becomes. Everything that can be wrong is found
//! here, all of it at once.

pub mod sources;

use std::collections::BTreeMap;

use modelgate_kit::config::types::{
    Authority, HeaderName, HeaderValue, OneOrList, refused, refused_unlike,
};
use modelgate_kit::config::{Bounded, DenyOrAllow};
use modelgate_kit::route::{Path, Template};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use sources::{WrittenRefresh, WrittenRule, WrittenSource};

pub(crate) const REGION: &str = "AWS_REGION";
pub(crate) const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
pub(crate) const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
pub(crate) const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
pub(crate) const CONTAINER_FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
pub(crate) const CONTAINER_RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
pub(crate) const CONTAINER_TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";

/// The variables of the VM's environment that are read where the configuration says nothing else.
pub const ENVIRONMENT: [&str; 7] = [
    REGION,
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    SESSION_TOKEN,
    CONTAINER_FULL_URI,
    CONTAINER_RELATIVE_URI,
    CONTAINER_TOKEN,
];

/// Signs requests with AWS Signature Version 4.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Region to sign for, such as `eu-central-1`. Without it, the VM's environment variable
    /// `AWS_REGION`.
    pub region: Option<String>,
    /// The service's signing name: `sagemaker`, `bedrock`, `s3`, `execute-api` …
    pub service: String,
    /// The version of the signature: `sigv4`, or `sigv4a`, which is good for several regions
    /// (`region_set`).
    pub algorithm: WrittenAlgorithm,
    /// The regions that a signature of `sigv4a` is good for; `*` stands for any run of characters.
    /// Empty: `region`.
    pub region_set: Vec<RegionPattern>,
    /// Where the signature stands: in `headers`, or in the `query` (a presigned request).
    pub signature_in: SignatureIn,
    /// How long a presigned request is good, in seconds.
    pub expires_s: Bounded<1, 604_800>,
    /// Where the credentials are from: a source, or a list of sources, of which the first that has
    /// some counts. Without it, the VM's environment variables `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY` and, if it is there, `AWS_SESSION_TOKEN`.
    pub credentials: Option<OneOrList<WrittenSource>>,
    /// How fetched credentials are kept fresh.
    pub credentials_refresh: WrittenRefresh,
    /// Which role signs for whom: the first that fits the caller, as an earlier filter has verified
    /// him. Whom none fits gets 403 `role_denied`. Empty: `credentials` sign for everybody.
    pub roles: Vec<WrittenRule>,
    /// Host to send to and sign, such as `runtime.sagemaker.eu-central-1.amazonaws.com`. Without
    /// it, the request's own authority.
    pub host: Option<Authority>,
    /// Leading part of the path that is taken off, such as `/aws`; a request whose path does not
    /// lie under it is refused.
    pub strip_path_prefix: Option<PathPrefix>,
    /// Who rewrites host and path as `host` and `strip_path_prefix` say: this filter (the proxy
    /// then chooses its route again, for the new host and path), or the proxy's route
    /// (`host_rewrite_literal`, `prefix_rewrite`; the filter only signs what the route will make).
    pub rewritten_by: RewrittenBy,
    /// Templates of the paths that may be signed, after `strip_path_prefix`, such as
    /// `/endpoints/*/invocations`. Empty: all.
    pub paths: Vec<Template>,
    /// Paths that two servers may read in two ways (encoded slashes, dots, double slashes …).
    /// `allow` needs empty `paths`; object keys of S3 need it. An ARN as a model id of Bedrock is
    /// none of them.
    pub ambiguous_paths: DenyOrAllow,
    /// The query: `canonical` sends the sorted and newly encoded query that is signed, without
    /// `X-Amz-*` parameters; `drop` sends none.
    pub query: QueryPolicy,
    /// The body: `signed` holds it (at most `max_body_bytes`) and signs its hash; `unsigned` lets
    /// it stream under `UNSIGNED-PAYLOAD`, for the services that take that (S3 and VPC Lattice; no
    /// model service does); `chunked` lets it stream in pieces that are signed one by one (S3
    /// alone; needs a `content-length`); `absent` refuses requests that have one. Only `signed`
    /// needs `allow_on_headers_stop_iteration`.
    pub payload: PayloadPolicy,
    /// Longest body that is signed, in bytes. Stay below the proxy's own buffer limit (Envoy:
    /// `per_connection_buffer_limit_bytes`, 1 MiB unless set), or the proxy answers first.
    pub max_body_bytes: Bounded<1, 67_108_864>,
    /// What happens with a request for an upgrade, for example to a model's WebSocket endpoint.
    /// `allow` signs it as a request without a body; what is sent after it is not signed. Left out:
    /// `allow` where `payload` is `unsigned`, else `deny`. A CONNECT is always refused.
    pub on_upgrade: Option<DenyOrAllow>,
    /// `x-amzn-*` headers that a client may send, such as `x-amzn-sagemaker-inference-id`; each at
    /// most once.
    pub client_headers: Vec<AmznHeader>,
    /// What happens with a client's other `x-amzn-*` headers (but `x-amzn-trace-id`, which passes
    /// unsigned).
    pub other_client_headers: OtherClientHeaders,
    /// `x-amzn-*` headers that every request is given, such as `x-amzn-sagemaker-target-variant`,
    /// in place of the client's.
    pub set_headers: BTreeMap<AmznHeader, HeaderValue>,
    /// Further headers to sign, besides `host`, `content-type`, `content-md5`, `accept`, `x-amz-*`
    /// and `x-amzn-*`. A signed header that the proxy changes afterwards breaks the signature.
    pub signed_headers: Vec<SignedHeader>,
    /// How often the path is percent-encoded in the signature; `auto`: once for S3, twice for all
    /// others. A path that is encoded once is also sent as it was signed.
    pub path_encoding: WrittenPathEncoding,
    /// Whether the signature covers the path with dots and double slashes resolved; `auto`: not for
    /// S3.
    pub path_normalization: Switch,
    /// Whether the payload's hash is sent as `x-amz-content-sha256`; `auto`: for S3, and where the
    /// payload is unsigned.
    pub content_sha256_header: Switch,
    /// Whether a session token is signed or added after signing, which some services ask for.
    pub session_token: WrittenTokenSigning,
    /// AWS's errors: `client` tells them in the dialect that the route's metadata or the request's
    /// path names, where that is another than AWS's (docs/backends.md); `aws` lets them pass as
    /// they came.
    pub errors: ErrorsAs,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: None,
            service: "sagemaker".to_owned(),
            algorithm: WrittenAlgorithm::default(),
            region_set: Vec::new(),
            signature_in: SignatureIn::default(),
            expires_s: Bounded::new(300),
            credentials: None,
            credentials_refresh: WrittenRefresh::default(),
            roles: Vec::new(),
            host: None,
            strip_path_prefix: None,
            rewritten_by: RewrittenBy::default(),
            paths: Vec::new(),
            ambiguous_paths: DenyOrAllow::default(),
            query: QueryPolicy::default(),
            payload: PayloadPolicy::default(),
            max_body_bytes: Bounded::new(1_000_000),
            on_upgrade: None,
            client_headers: Vec::new(),
            other_client_headers: OtherClientHeaders::default(),
            set_headers: BTreeMap::new(),
            signed_headers: Vec::new(),
            path_encoding: WrittenPathEncoding::default(),
            path_normalization: Switch::default(),
            content_sha256_header: Switch::default(),
            session_token: WrittenTokenSigning::default(),
            errors: ErrorsAs::default(),
        }
    }
}

/// Who rewrites host and path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RewrittenBy {
    /// This filter.
    #[default]
    Filter,
    /// The proxy's route.
    Route,
}

/// What happens with the query.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryPolicy {
    /// Its canonical form is signed and sent.
    #[default]
    Canonical,
    /// It is left out.
    Drop,
}

/// What is signed of the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadPolicy {
    /// Its hash.
    #[default]
    Signed,
    /// Nothing.
    Unsigned,
    /// Each piece of it.
    Chunked,
    /// There must be none.
    Absent,
}

/// What happens with `x-amzn-*` headers that are not listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherClientHeaders {
    /// The request is refused.
    #[default]
    Deny,
    /// They are removed.
    Strip,
}

/// Something that depends on the service unless it is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// As the service wants it.
    #[default]
    Auto,
    /// Yes.
    On,
    /// No.
    Off,
}

impl Switch {
    pub(crate) fn or(self, auto: bool) -> bool {
        match self {
            Self::Auto => auto,
            Self::On => true,
            Self::Off => false,
        }
    }
}

/// How often the path is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenPathEncoding {
    /// As the service wants it.
    #[default]
    Auto,
    /// Once.
    Once,
    /// Twice.
    Twice,
}

/// When a session token is added.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenTokenSigning {
    /// Before signing.
    #[default]
    Signed,
    /// After signing.
    AddedAfter,
}

/// The version of the signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenAlgorithm {
    /// Signature Version 4.
    #[default]
    Sigv4,
    /// Signature Version 4A.
    Sigv4a,
}

/// Where the signature stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureIn {
    /// In headers.
    #[default]
    Headers,
    /// In the query.
    Query,
}

/// A region, or a pattern of regions.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct RegionPattern(pub String);

impl<'de> Deserialize<'de> for RegionPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let fits =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-*".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
            return Ok(Self(text));
        }
        Err(refused_unlike(
            "eu-west-1",
            "is not a region",
            "such as eu-central-1, eu-* or *",
        ))
    }
}

/// In which dialect AWS's errors are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorsAs {
    /// The client's.
    #[default]
    Client,
    /// AWS's.
    Aws,
}

/// The name of an `x-amzn-*` header, which says something to the model service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct AmznHeader(HeaderName);

impl<'de> Deserialize<'de> for AmznHeader {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = HeaderName::deserialize(deserializer)?;
        if name.starts_with("x-amzn-") && &*name != "x-amzn-trace-id" {
            return Ok(Self(name));
        }
        Err(refused(
            "is not an `x-amzn-*` header",
            "other headers pass unsigned; `signed_headers` signs more",
        ))
    }
}

impl From<AmznHeader> for String {
    fn from(header: AmznHeader) -> Self {
        header.0.into_string()
    }
}

/// The name of a header that is signed beside those that always are.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct SignedHeader(pub HeaderName);

impl<'de> Deserialize<'de> for SignedHeader {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = HeaderName::deserialize(deserializer)?;
        if name.starts_with("x-amz") || matches!(&*name, "authorization" | "content-length") {
            return Err(refused(
                "cannot be listed",
                "`x-amz-*` and `x-amzn-*` are signed already; `authorization` and `content-length` cannot be",
            ));
        }
        Ok(Self(name))
    }
}

/// The beginning of a path, such as `/aws`.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct PathPrefix(pub String);

impl<'de> Deserialize<'de> for PathPrefix {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.ends_with('/') || text.contains('?') || Path::parse(text.as_bytes()).is_err() {
            return Err(refused(
                "is not the beginning of a path",
                "begin with a slash, end without one: /aws",
            ));
        }
        Ok(Self(text))
    }
}
