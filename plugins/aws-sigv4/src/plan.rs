//! What runs: the signer, the rules of what goes out, and how the configuration becomes these.

mod sources;

use std::rc::Rc;

use modelgate_kit::config::types::Authority;
use modelgate_kit::config::{DenyOrAllow, Problems, Setup};
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::upgrade::Upgrade;

use crate::callers::Callers;
use crate::canonical::SignedHeaders;
use crate::clock::Clock;
use crate::config::{
    Config, ErrorsAs, PathPrefix, PayloadPolicy, REGION, RegionPattern, RewrittenBy, SignatureIn,
    SignedHeader, WrittenAlgorithm, WrittenPathEncoding, WrittenTokenSigning,
};
use crate::credentials::{Malformed, Scope};
use crate::outgoing::Rules;
use crate::sign::{Algorithm, Options, PayloadHeader, TokenSigning};
use crate::signers::Signers;
use crate::supply::Supply;
use crate::uri::{PathEncoding, PathRules};
use sources::Sources;

/// The signing names of services that take `UNSIGNED-PAYLOAD`: S3 in all its forms and VPC Lattice,
/// which does not take a signed body (their developers' guides), and those of which botocore's
/// models sign some operation so (`v4-unsigned-body`, `unsignedPayload`).
const UNSIGNED_BODIES: [&str; 9] = [
    "s3",
    "s3express",
    "s3-object-lambda",
    "s3-outposts",
    "vpc-lattice-svcs",
    "ebs",
    "lex",
    "mediastore",
    "omics",
];

/// What runs.
pub struct Plan {
    pub(crate) signers: Signers,
    pub(crate) clock: Rc<Clock>,
    pub(crate) outgoing: Rules,
    pub(crate) payload: PayloadPolicy,
    pub(crate) max_body_bytes: usize,
    pub(crate) on_upgrade: DenyOrAllow,
    pub(crate) errors: ErrorsAs,
    /// How long presigned requests are good, in seconds; none where requests are signed in headers.
    pub(crate) presigned_s: Option<u64>,
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
    pub(crate) fn compile(mut self, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        let s3 = self.service == "s3";
        let scope = self.scope(setup, problems);
        let clock = Rc::new(Clock::new(setup.filter));
        clock.define_metrics(setup.host);
        let supplied = self.supply(scope.as_ref(), &clock, setup, problems);
        let algorithm = self.algorithm(scope.as_ref());
        self.check_payload(problems);
        let options = Options {
            algorithm,
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
        let errors = self.errors;
        let presigned_s = match self.signature_in {
            SignatureIn::Headers => None,
            SignatureIn::Query => Some(self.expires_s.value()),
        };
        let (payload, max_body_bytes) = (self.payload, self.max_body_bytes.size());
        let on_upgrade = self.on_upgrade.unwrap_or(match payload {
            PayloadPolicy::Unsigned => DenyOrAllow::Allow,
            PayloadPolicy::Signed | PayloadPolicy::Chunked | PayloadPolicy::Absent => {
                DenyOrAllow::Deny
            }
        });
        let rewrites = self.host.is_some() || self.strip_path_prefix.is_some();
        let rules = setup.host.rules();
        if self.signature_in == SignatureIn::Query && !rules.changes_targets {
            problems.add(
                "signature_in",
                "is `query`, and this proxy takes no other path from a filter",
                "write `headers`",
            );
        }
        if payload == PayloadPolicy::Chunked && !rules.holds_headers_for_bodies {
            problems.add(
                "payload",
                "is `chunked`, and this proxy takes no longer body from a filter than the client sends",
                "write `signed` or `unsigned`",
            );
        }
        if rewrites && self.rewritten_by == RewrittenBy::Filter && !rules.changes_targets {
            problems.add(
                "rewritten_by",
                "is `filter`, and this proxy takes no other host or path from a filter",
                "write `route`, and let the proxy change them (nginx: `proxy_set_header Host`, `proxy_pass` with a path)",
            );
        }
        let outgoing = self.rules(options.path, problems);
        Some(Plan {
            signers: {
                let (supply, callers) = supplied?;
                Signers::new(supply, callers, scope?, options)
            },
            clock,
            outgoing,
            payload,
            max_body_bytes,
            on_upgrade,
            errors,
            presigned_s,
        })
    }

    fn algorithm(&self, scope: Option<&Scope>) -> Algorithm {
        if self.algorithm == WrittenAlgorithm::Sigv4 {
            return Algorithm::V4;
        }
        let regions: Vec<&str> = match self.region_set.as_slice() {
            [] => scope.map(Scope::region).into_iter().collect(),
            several => several
                .iter()
                .map(|RegionPattern(text)| text.as_str())
                .collect(),
        };
        Algorithm::V4a {
            regions: regions.join(","),
        }
    }

    /// What a service, or a version of the signature, does not take is refused by name.
    fn check_payload(&self, problems: &mut Problems) {
        let (s3, v4a) = (
            self.service == "s3",
            self.algorithm == WrittenAlgorithm::Sigv4a,
        );
        let in_query = self.signature_in == SignatureIn::Query;
        if !self.region_set.is_empty() && !v4a {
            problems.add(
                "region_set",
                "has no meaning for `sigv4`",
                "write `algorithm: sigv4a`, or one `region`",
            );
        }
        match self.payload {
            PayloadPolicy::Unsigned if !UNSIGNED_BODIES.contains(&self.service.as_str()) => {
                problems.add(
                    "payload",
                    format!(
                        "is `unsigned`, and {} takes no unsigned body",
                        self.service
                    ),
                    format!(
                        "write `signed`, or `absent` for requests without a body; these take one: {}",
                        UNSIGNED_BODIES.join(", ")
                    ),
                );
            }
            PayloadPolicy::Chunked if !s3 => problems.add(
                "payload",
                format!("is `chunked`, and {} takes no body in pieces", self.service),
                "write `signed`; only S3 takes pieces",
            ),
            PayloadPolicy::Chunked if v4a || in_query => problems.add(
                "payload",
                "`chunked` is for signatures of version 4 in headers",
                "write `signed` or `unsigned`",
            ),
            PayloadPolicy::Signed if s3 && in_query => problems.add(
                "payload",
                "S3 takes presigned requests with an unsigned body only",
                "write `unsigned`",
            ),
            _ => {}
        }
    }

    /// Where credentials come from, and the roles of callers.
    fn supply(
        &mut self,
        scope: Option<&Scope>,
        clock: &Rc<Clock>,
        setup: &Setup<'_>,
        problems: &mut Problems,
    ) -> Option<(Supply, Option<Callers>)> {
        let sources = Sources {
            setup,
            region: scope.map(Scope::region),
        };
        let keeping = sources::keeping(self.credentials_refresh, setup.filter);
        let written = sources.compile(self.credentials.take(), problems);
        let rules = sources.rules(std::mem::take(&mut self.roles), problems);
        let filter = setup.filter;
        let supply = Supply::new(
            format!("{filter}: credentials"),
            written,
            clock,
            &keeping,
            filter,
        )?;
        if matches!(supply, Supply::Fetched(_)) || !rules.is_empty() {
            keeping.counters.define(setup.host);
        }
        let callers = (!rules.is_empty()).then(|| {
            let most = self.credentials_refresh.max_sessions.size();
            Callers::new(filter, rules, supply.clone(), clock, keeping, most)
        });
        Some((supply, callers))
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
        match Scope::new(region, self.service.clone()) {
            Ok(scope) => Some(scope),
            Err(Malformed::Service) => {
                problems.add(
                    "service",
                    "is not a service's signing name",
                    "such as sagemaker, bedrock or s3",
                );
                None
            }
            Err(_) => {
                problems.add("region", "is not a region", "such as eu-central-1");
                None
            }
        }
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

/// The length that the request announces.
pub(crate) fn announced(headers: &HeaderBlock) -> Option<usize> {
    headers.text("content-length")?.parse().ok()
}
