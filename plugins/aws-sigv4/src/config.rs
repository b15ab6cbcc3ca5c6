//! What the operator writes, and the plan that it becomes. Everything that can be wrong is found here, all of it at once.

use std::collections::BTreeMap;

use modelgate_kit::config::secret::FromEnvironment;
use modelgate_kit::config::{Bounded, Problems, Secret, Setup};
use modelgate_kit::route::{Path, Template};
use modelgate_kit::upgrade::OnUpgrade;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::canonical::SignedHeaders;
use crate::credentials::{Credentials, Malformed, Scope};
use crate::outgoing::Rules;
use crate::sign::{Options, PayloadHeader, Signer, TokenSigning};
use crate::uri::{PathEncoding, PathRules};

const REGION: &str = "AWS_REGION";
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";

/// The variables of the VM's environment that are read where the configuration says nothing else.
pub const ENVIRONMENT: [&str; 4] = [REGION, ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN];

/// Signs requests with AWS Signature Version 4.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Region to sign for, such as `eu-central-1`. Without it, the VM's environment variable `AWS_REGION`.
    pub region: Option<String>,
    /// The service's signing name: `sagemaker`, `bedrock`, `s3`, `execute-api` …
    pub service: String,
    /// The access key. Without it, the VM's environment variables `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, if it is there, `AWS_SESSION_TOKEN`.
    pub credentials: Option<WrittenCredentials>,
    /// Host to send to and sign, such as `runtime.sagemaker.eu-central-1.amazonaws.com`. Without it, the request's own authority.
    pub host: Option<String>,
    /// Leading part of the path that is taken off, such as `/aws`; a request whose path does not lie under it is refused.
    pub strip_path_prefix: Option<String>,
    /// Who rewrites host and path as `host` and `strip_path_prefix` say: this filter (the proxy then chooses its route again, for the new host and path), or the proxy's route (`host_rewrite_literal`, `prefix_rewrite`; the filter only signs what the route will make).
    pub rewritten_by: RewrittenBy,
    /// Templates of the paths that may be signed, after `strip_path_prefix`, such as `/endpoints/*/invocations`. Empty: all.
    pub paths: Vec<String>,
    /// Paths that two servers may read in two ways (encoded slashes, dots, double slashes …). `allow` needs empty `paths`; object keys of S3 and ARNs as model ids of Bedrock need it.
    pub ambiguous_paths: AmbiguousPaths,
    /// The query: `canonical` sends the sorted and newly encoded query that is signed, without `X-Amz-*` parameters; `drop` sends none.
    pub query: QueryPolicy,
    /// The body: `signed` holds it (at most `max_body_bytes`) and signs its hash; `unsigned` lets it stream under `UNSIGNED-PAYLOAD`, which S3 takes and model services refuse; `absent` refuses requests that have one. Only `signed` needs `allow_on_headers_stop_iteration`.
    pub payload: PayloadPolicy,
    /// Longest body that is signed, in bytes. Stay below the proxy's own buffer limit (Envoy: `per_connection_buffer_limit_bytes`, 1 MiB unless set), or the proxy answers first.
    pub max_body_bytes: Bounded<1, 67_108_864>,
    /// What happens with a request for an upgrade, for example to a model's WebSocket endpoint. `allow` signs it as a request without a body; what is sent after it is not signed. Left out: `allow` where `payload` is `unsigned`, else `deny`. A CONNECT is always refused.
    pub on_upgrade: Option<OnUpgrade>,
    /// `x-amzn-*` headers that a client may send, such as `x-amzn-sagemaker-inference-id`; each at most once.
    pub client_headers: Vec<String>,
    /// What happens with a client's other `x-amzn-*` headers (but `x-amzn-trace-id`, which passes unsigned).
    pub other_client_headers: OtherClientHeaders,
    /// `x-amzn-*` headers that every request is given, such as `x-amzn-sagemaker-target-variant`, in place of the client's.
    pub set_headers: BTreeMap<String, String>,
    /// Further headers to sign, besides `host`, `content-type`, `content-md5`, `accept`, `x-amz-*` and `x-amzn-*`. A signed header that the proxy changes afterwards breaks the signature.
    pub signed_headers: Vec<String>,
    /// How often the path is percent-encoded in the signature; `auto`: once for S3, twice for all others. A path that is encoded once is also
    /// sent as it was signed.
    pub path_encoding: WrittenPathEncoding,
    /// Whether the signature covers the path with dots and double slashes resolved; `auto`: not for S3.
    pub path_normalization: Switch,
    /// Whether the payload's hash is sent as `x-amz-content-sha256`; `auto`: for S3, and where the payload is unsigned.
    pub content_sha256_header: Switch,
    /// Whether a session token is signed or added after signing, which some services ask for.
    pub session_token: WrittenTokenSigning,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: None,
            service: "sagemaker".to_owned(),
            credentials: None,
            host: None,
            strip_path_prefix: None,
            rewritten_by: RewrittenBy::default(),
            paths: Vec::new(),
            ambiguous_paths: AmbiguousPaths::default(),
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
        }
    }
}

/// An access key.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub struct WrittenCredentials {
    /// Its public id.
    pub access_key_id: Secret,
    /// Its secret half.
    pub secret_access_key: Secret,
    /// The session token of a temporary key.
    pub session_token: Option<Secret>,
}

/// Who rewrites host and path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum RewrittenBy {
    /// This filter.
    #[default]
    Filter,
    /// The proxy's route.
    Route,
}

/// What happens with a path that has two readings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum AmbiguousPaths {
    /// The request is refused.
    #[default]
    Deny,
    /// It is signed as it came.
    Allow,
}

/// What happens with the query.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum QueryPolicy {
    /// Its canonical form is signed and sent.
    #[default]
    Canonical,
    /// It is left out.
    Drop,
}

/// What is signed of the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum PayloadPolicy {
    /// Its hash.
    #[default]
    Signed,
    /// Nothing.
    Unsigned,
    /// There must be none.
    Absent,
}

/// What happens with `x-amzn-*` headers that are not listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum OtherClientHeaders {
    /// The request is refused.
    #[default]
    Refuse,
    /// They are removed.
    Strip,
}

/// Something that depends on the service unless it is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
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
    fn or(self, auto: bool) -> bool {
        match self {
            Self::Auto => auto,
            Self::On => true,
            Self::Off => false,
        }
    }
}

/// How often the path is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum WrittenTokenSigning {
    /// Before signing.
    #[default]
    Signed,
    /// After signing.
    AddedAfter,
}

/// What runs.
pub struct Plan {
    pub(crate) signer: Signer,
    pub(crate) outgoing: Rules,
    pub(crate) payload: PayloadPolicy,
    pub(crate) max_body_bytes: usize,
    pub(crate) on_upgrade: OnUpgrade,
}

impl Config {
    /// Compiles it; every problem is added.
    pub(crate) fn compile(self, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        let s3 = self.service == "s3";
        let credentials = self.credentials(setup, problems);
        let scope = self.scope(setup, problems);
        let options = Options {
            path: PathRules {
                normalize: self.path_normalization.or(!s3),
                encoding: match self.path_encoding {
                    WrittenPathEncoding::Once => PathEncoding::Once,
                    WrittenPathEncoding::Auto if s3 => PathEncoding::Once,
                    WrittenPathEncoding::Twice | WrittenPathEncoding::Auto => PathEncoding::Twice,
                },
            },
            headers: SignedHeaders::AsSdk {
                also: self.signed_headers(problems),
            },
            token: match self.session_token {
                WrittenTokenSigning::Signed => TokenSigning::Signed,
                WrittenTokenSigning::AddedAfter => TokenSigning::AddedAfter,
            },
            payload_header: if self.content_sha256_header.or(s3) {
                PayloadHeader::Send
            } else {
                PayloadHeader::Omit
            },
        };
        let (payload, max_body_bytes) = (self.payload, self.max_body_bytes.size());
        let on_upgrade = self.on_upgrade.unwrap_or(match payload {
            PayloadPolicy::Unsigned => OnUpgrade::Allow,
            PayloadPolicy::Signed | PayloadPolicy::Absent => OnUpgrade::Deny,
        });
        let outgoing = self.rules(options.path, problems);
        Some(Plan {
            signer: Signer::new(credentials?, scope?, options),
            outgoing,
            payload,
            max_body_bytes,
            on_upgrade,
        })
    }

    fn credentials(&self, setup: &Setup<'_>, problems: &mut Problems) -> Option<Credentials> {
        let mut resolve = |secret: &Secret, path: &str| {
            let bytes = secret.resolve(path, setup, problems)?;
            let text = bytes
                .expose_text()
                .map(|text| Zeroizing::new(text.to_owned()));
            if text.is_none() {
                problems.add(path, "is not text", "");
            }
            text
        };
        let (id, secret, token) = match &self.credentials {
            Some(written) => (
                resolve(&written.access_key_id, "credentials.access_key_id"),
                resolve(&written.secret_access_key, "credentials.secret_access_key"),
                written
                    .session_token
                    .as_ref()
                    .map(|token| resolve(token, "credentials.session_token")),
            ),
            None => {
                let variable = |env: &str| {
                    Secret::Environment(FromEnvironment {
                        env: env.to_owned(),
                    })
                };
                let has_token = setup
                    .host
                    .environment(SESSION_TOKEN)
                    .is_some_and(|token| !token.is_empty());
                (
                    resolve(&variable(ACCESS_KEY_ID), "credentials"),
                    resolve(&variable(SECRET_ACCESS_KEY), "credentials"),
                    has_token.then(|| resolve(&variable(SESSION_TOKEN), "credentials")),
                )
            }
        };
        let token = match token {
            Some(token) => Some(token?),
            None => None,
        };
        Credentials::new(id?.to_string(), secret?, token)
            .map_err(|malformed| explain(malformed, problems))
            .ok()
    }

    fn scope(&self, setup: &Setup<'_>, problems: &mut Problems) -> Option<Scope> {
        let environment = || {
            setup
                .host
                .environment(REGION)
                .filter(|region| !region.is_empty())
        };
        let Some(region) = self.region.clone().or_else(environment) else {
            problems.add(
                "region",
                "is required",
                "write the region, or give the VM the environment variable AWS_REGION",
            );
            return None;
        };
        Scope::new(region, self.service.clone())
            .map_err(|malformed| explain(malformed, problems))
            .ok()
    }

    fn signed_headers(&self, problems: &mut Problems) -> Vec<String> {
        let mut names = Vec::new();
        for (at, name) in self.signed_headers.iter().enumerate() {
            let name = name.to_ascii_lowercase();
            let path = format!("signed_headers[{at}]");
            if !is_header_name(&name) {
                problems.add(path, "is not a header name", "");
            } else if name == "authorization"
                || name == "content-length"
                || name.starts_with("x-amz")
            {
                problems.add(path, "cannot be listed", "`x-amz-*` and `x-amzn-*` are signed already; `authorization` and `content-length` cannot be");
            } else {
                names.push(name);
            }
        }
        names
    }

    fn rules(self, path_rules: PathRules, problems: &mut Problems) -> Rules {
        if let Some(host) = &self.host
            && !is_host(host)
        {
            problems.add(
                "host",
                "is not a host",
                "write a name, with a port if it is not the default one; no scheme and no path",
            );
        }
        if let Some(prefix) = &self.strip_path_prefix
            && (prefix.ends_with('/')
                || Path::parse(prefix.as_bytes()).is_err()
                || prefix.contains('?'))
        {
            problems.add(
                "strip_path_prefix",
                "is not the beginning of a path",
                "begin with a slash, end without one: /aws",
            );
        }
        let mut paths = Vec::new();
        for (at, text) in self.paths.iter().enumerate() {
            match Template::parse(text) {
                Ok(template) => paths.push(template),
                Err(error) => problems.add(format!("paths[{at}]"), error.to_string(), ""),
            }
        }
        if self.ambiguous_paths == AmbiguousPaths::Allow && !self.paths.is_empty() {
            problems.add(
                "ambiguous_paths",
                "`allow` cannot stand beside `paths`",
                "a path with two readings fits no template: leave out one of both",
            );
        }
        let mut client_headers = Vec::new();
        for (at, name) in self.client_headers.iter().enumerate() {
            let name = name.to_ascii_lowercase();
            check_amzn(&name, &format!("client_headers[{at}]"), problems);
            client_headers.push(name);
        }
        let mut set_headers = Vec::new();
        for (name, value) in self.set_headers {
            let path = format!("set_headers.{name}");
            let name = name.to_ascii_lowercase();
            check_amzn(&name, &path, problems);
            if value.is_empty()
                || !value
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() || byte == b' ')
            {
                problems.add(&path, "is not a header value", "write visible ASCII");
            }
            if client_headers.contains(&name) {
                problems.add(
                    &path,
                    "is in `client_headers` too",
                    "either the client says it, or the gateway",
                );
            }
            set_headers.push((name, value));
        }
        Rules {
            host: self.host,
            strip_path_prefix: self.strip_path_prefix,
            rewritten_by: self.rewritten_by,
            paths,
            ambiguous_paths: self.ambiguous_paths,
            query: self.query,
            client_headers,
            other_client_headers: self.other_client_headers,
            set_headers,
            path_rules,
        }
    }
}

fn check_amzn(name: &str, path: &str, problems: &mut Problems) {
    if !is_header_name(name) || !name.starts_with("x-amzn-") || name == "x-amzn-trace-id" {
        problems.add(
            path,
            "is not an `x-amzn-*` header",
            "other headers pass unsigned; `signed_headers` signs more",
        );
    }
}

/// Says what [`Credentials`] or [`Scope`] did not take.
fn explain(malformed: Malformed, problems: &mut Problems) {
    let (path, problem) = match malformed {
        Malformed::AccessKeyId => ("credentials.access_key_id", "is not an access key id"),
        Malformed::SecretAccessKey => (
            "credentials.secret_access_key",
            "is not a secret access key",
        ),
        Malformed::SessionToken => ("credentials.session_token", "is not a session token"),
        Malformed::Region => ("region", "is not a region"),
        Malformed::Service => ("service", "is not a service's signing name"),
    };
    let hint = match malformed {
        Malformed::AccessKeyId => "letters and digits, such as AKIAIOSFODNN7EXAMPLE",
        Malformed::SecretAccessKey | Malformed::SessionToken => {
            "it holds white space or other characters that no key has; was it copied whole?"
        }
        Malformed::Region => "such as eu-central-1",
        Malformed::Service => "such as sagemaker, bedrock or s3",
    };
    problems.add(path, problem, hint);
}

fn is_header_name(name: &str) -> bool {
    // RFC 9110 section 5.6.2, token, in lower case.
    let token = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
    };
    (1..=128).contains(&name.len()) && name.bytes().all(token)
}

fn is_host(host: &str) -> bool {
    let byte =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
    (1..=255).contains(&host.len()) && host.bytes().all(byte)
}
