//! What runs: the signer, the rules of what goes out, and how the configuration becomes these.

use modelgate_kit::config::secret::FromEnvironment;
use modelgate_kit::config::{Problems, Secret, Setup};
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::route::{Path, Template};
use modelgate_kit::upgrade::{OnUpgrade, Upgrade};
use zeroize::Zeroizing;

use crate::canonical::SignedHeaders;
use crate::config::{
    ACCESS_KEY_ID, AmbiguousPaths, Config, PayloadPolicy, REGION, SECRET_ACCESS_KEY, SESSION_TOKEN,
    WrittenPathEncoding, WrittenTokenSigning,
};
use crate::credentials::{Credentials, Malformed, Scope};
use crate::outgoing::Rules;
use crate::sign::{Options, PayloadHeader, Signer, TokenSigning};
use crate::uri::{PathEncoding, PathRules};

/// What runs.
pub struct Plan {
    pub(crate) signer: Signer,
    pub(crate) outgoing: Rules,
    pub(crate) payload: PayloadPolicy,
    pub(crate) max_body_bytes: usize,
    pub(crate) on_upgrade: OnUpgrade,
}

impl Plan {
    /// Whether a request for an upgrade may be signed. No service takes a CONNECT, and with a body
    /// the signature would not be right.
    pub(crate) fn signs(&self, upgrade: Upgrade, headers: &HeaderBlock) -> bool {
        self.on_upgrade == OnUpgrade::Allow
            && upgrade == Upgrade::Switch
            && announced(headers).unwrap_or(0) == 0
    }
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

/// The length that the request announces.
pub(crate) fn announced(headers: &HeaderBlock) -> Option<usize> {
    headers.text("content-length")?.parse().ok()
}
