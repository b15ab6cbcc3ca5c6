//! What runs: the signer, the rules of what goes out, and how the configuration becomes these.

use modelgate_kit::config::secret::FromEnvironment;
use modelgate_kit::config::types::Authority;
use modelgate_kit::config::{DenyOrAllow, Problems, Secret, Setup};
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::upgrade::Upgrade;

use crate::canonical::SignedHeaders;
use crate::config::{
    ACCESS_KEY_ID, Config, PathPrefix, PayloadPolicy, REGION, RewrittenBy, SECRET_ACCESS_KEY,
    SESSION_TOKEN, SignedHeader, WrittenPathEncoding, WrittenTokenSigning,
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
    pub(crate) on_upgrade: DenyOrAllow,
}

impl Plan {
    /// Whether a request for an upgrade may be signed. No service takes a CONNECT, and with a body
    /// the signature would not be right.
    pub(crate) fn signs(&self, upgrade: Upgrade, headers: &HeaderBlock) -> bool {
        self.on_upgrade == DenyOrAllow::Allow
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
                also: self
                    .signed_headers
                    .iter()
                    .map(|SignedHeader(name)| name.to_string())
                    .collect(),
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
            PayloadPolicy::Unsigned => DenyOrAllow::Allow,
            PayloadPolicy::Signed | PayloadPolicy::Absent => DenyOrAllow::Deny,
        });
        let rewrites = self.host.is_some() || self.strip_path_prefix.is_some();
        if rewrites
            && self.rewritten_by == RewrittenBy::Filter
            && !setup.host.rules().changes_targets
        {
            problems.add(
                "rewritten_by",
                "is `filter`, and this proxy takes no other host or path from a filter",
                "write `route`, and let the proxy change them (nginx: `proxy_set_header Host`, `proxy_pass` with a path)",
            );
        }
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
        let mut resolve = |secret: &Secret, path: &str| secret.resolve_text(path, setup, problems);
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

    fn rules(self, path_rules: PathRules, problems: &mut Problems) -> Rules {
        if self.ambiguous_paths == DenyOrAllow::Allow && !self.paths.is_empty() {
            problems.add(
                "ambiguous_paths",
                "`allow` cannot stand beside `paths`",
                "a path with two readings fits no template: leave out one of both",
            );
        }
        let client_headers: Vec<String> =
            self.client_headers.into_iter().map(String::from).collect();
        let mut set_headers = Vec::new();
        for (name, value) in self.set_headers {
            let name = String::from(name);
            if client_headers.contains(&name) {
                problems.add(
                    format!("set_headers.{name}"),
                    "is in `client_headers` too",
                    "either the client says it, or the gateway",
                );
            }
            set_headers.push((name, value.into_string()));
        }
        Rules {
            host: self.host.map(Authority::into_string),
            strip_path_prefix: self.strip_path_prefix.map(|PathPrefix(prefix)| prefix),
            rewritten_by: self.rewritten_by,
            paths: self.paths,
            ambiguous_paths: self.ambiguous_paths,
            query: self.query,
            client_headers,
            other_client_headers: self.other_client_headers,
            set_headers,
            path_rules,
        }
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

/// The length that the request announces.
pub(crate) fn announced(headers: &HeaderBlock) -> Option<usize> {
    headers.text("content-length")?.parse().ok()
}
