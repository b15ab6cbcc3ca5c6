//! What runs: the configuration, checked and compiled.

use std::cell::RefCell;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::jose::{
    Algorithm, Algorithms, ClaimPath, ClaimRule, Expectations, Key, KeySet, Secrets, Split, Test,
};

use crate::accept::Accepted;
use crate::cache::Cache;
use crate::caller::{ClaimHeaders, Portrait};
use crate::challenge::{Challenge, is_scope};
use crate::config::{
    ClaimCondition, Config, Discovery, Fetch, IssuerConfig, KeysConfig, OnMissing, PemKey,
    SecretEncoding, SharedSecret, SplitConfig, TokenToUpstream,
};
use crate::keys::{Fetched, Location, Origin, Source, well_known};
use crate::place::Places;

/// A compiled configuration.
pub struct Plan {
    /// Where tokens stand.
    pub places: Places,
    /// The accepted issuers.
    pub issuers: Vec<Issuer>,
    /// Claims for the upstream.
    pub headers: ClaimHeaders,
    /// What refused clients are told.
    pub challenge: Challenge,
    /// Whether the upstream sees the token.
    pub token_to_upstream: TokenToUpstream,
    /// What becomes of requests without a token.
    pub on_missing: OnMissing,
    /// Longest token, in bytes.
    pub max_token_bytes: usize,
    /// Tokens that were verified.
    pub cache: RefCell<Cache<Rc<Accepted>>>,
}

/// One issuer.
pub struct Issuer {
    /// What its tokens must say.
    pub expectations: Expectations,
    /// Its keys.
    pub keys: Source,
    /// What it may sign with.
    pub algorithms: Algorithms,
    /// Which claims make up the caller.
    pub portrait: Portrait,
}

impl Plan {
    /// Compiles a configuration; adds every problem.
    pub fn compile(written: Config, setup: &Setup<'_>, problems: &mut Problems) -> Option<Self> {
        if written.issuers.is_empty() {
            problems.add(
                "issuers",
                "is required",
                "write at least one issuer with its `audiences` and `keys`",
            );
        }
        let places = problems.within("token_from", |problems| {
            Places::compile(written.token_from, problems)
        });
        let headers = problems.within("claims_to_headers", |problems| {
            ClaimHeaders::compile(&written.claims_to_headers, problems)
        });
        let challenge = Challenge::compile(
            &written.realm,
            written.resource_metadata.as_deref(),
            problems,
        );
        let count = written.issuers.len();
        let names: Vec<String> = written
            .issuers
            .iter()
            .map(|issuer| issuer.issuer.clone())
            .collect();
        let mut issuers = Vec::with_capacity(count);
        for (at, issuer) in written.issuers.into_iter().enumerate() {
            let path = format!("issuers[{at}]");
            problems.within(&path, |problems| {
                if names.iter().take(at).any(|name| *name == issuer.issuer) {
                    problems.add(
                        "issuer",
                        "is listed twice",
                        "put everything about one issuer into one entry",
                    );
                }
                issuers.extend(compile_issuer(issuer, &path, setup, problems));
            });
        }
        (issuers.len() == count).then(|| Self {
            places,
            issuers,
            headers,
            challenge,
            token_to_upstream: written.token_to_upstream,
            on_missing: written.on_missing,
            max_token_bytes: written.max_token_bytes.size(),
            cache: RefCell::new(Cache::new(
                written.token_cache_entries.size(),
                setup.host.random(),
            )),
        })
    }

    /// The sources of keys that have to be kept fresh.
    pub fn fetched(&self) -> impl Iterator<Item = &Rc<Fetched>> {
        self.issuers.iter().filter_map(|issuer| match &issuer.keys {
            Source::Fetched(fetched) => Some(fetched),
            Source::Given(_) => None,
        })
    }
}

fn compile_issuer(
    written: IssuerConfig,
    path: &str,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Issuer> {
    if written.issuer.is_empty() {
        problems.add(
            "issuer",
            "is required",
            "write the `iss` of its tokens, e.g. https://idp.example",
        );
    }
    let wants_audience = written.required_claims.iter().any(|claim| claim == "aud");
    if written.audiences.is_empty() && wants_audience {
        problems.add(
            "audiences",
            "is required",
            "name this service as the issuer does, or leave `aud` out of `required_claims`",
        );
    }
    for (at, scope) in written.scopes.iter().enumerate() {
        if !is_scope(scope) {
            problems.add(
                format!("scopes[{at}]"),
                "is not one scope",
                "write each scope as an entry of its own",
            );
        }
    }
    let rules = written
        .claims
        .into_iter()
        .enumerate()
        .filter_map(|(at, condition)| {
            problems.within(&format!("claims[{at}]"), |problems| {
                compile_rule(condition, problems)
            })
        })
        .collect();
    let mut claim_path = |member: &str, text: &str| match ClaimPath::parse(text) {
        Ok(path) => Some(path),
        Err(fault) => {
            problems.add(member, "is not a claim path", fault.to_string());
            None
        }
    };
    let consumer = claim_path("consumer_claim", &written.consumer_claim);
    let groups = claim_path("groups_claim", &written.groups_claim);
    let claims = written
        .claims_to_fact
        .into_iter()
        .enumerate()
        .filter_map(|(at, text)| {
            Some((
                text.clone(),
                claim_path(&format!("claims_to_fact[{at}]"), &text)?,
            ))
        })
        .collect();
    let algorithms = compile_algorithms(&written.algorithms, &written.keys, problems);
    let keys = problems.within("keys", |problems| {
        compile_keys(
            written.keys,
            &written.issuer,
            &format!("{path}.keys"),
            setup,
            problems,
        )
    });
    Some(Issuer {
        expectations: Expectations {
            issuer: written.issuer,
            audiences: written.audiences,
            required: written.required_claims,
            clock_skew_s: written.clock_skew_s.value(),
            max_lifetime_s: written.max_lifetime_s.map(|most| most.value()),
            types: written
                .types
                .iter()
                .map(|typ| modelgate_kit::jose::media_type(typ))
                .collect(),
            rules,
            scopes: written.scopes,
        },
        keys: keys?,
        algorithms: algorithms?,
        portrait: Portrait {
            consumer: consumer?,
            prefix: written.consumer_prefix,
            groups: groups?,
            claims,
        },
    })
}

fn compile_rule(written: ClaimCondition, problems: &mut Problems) -> Option<ClaimRule> {
    let path = match ClaimPath::parse(&written.claim) {
        Ok(path) => Some(path),
        Err(fault) => {
            problems.add("claim", "is not a claim path", fault.to_string());
            None
        }
    };
    let test = match (written.any_of, written.all_of, written.none_of) {
        (None, None, None) => Test::Present,
        (Some(values), None, None) => Test::AnyOf(scalars("any_of", values, problems)),
        (None, Some(values), None) => Test::AllOf(scalars("all_of", values, problems)),
        (None, None, Some(values)) => Test::NoneOf(scalars("none_of", values, problems)),
        _ => {
            problems.add(
                "",
                "has more than one of any_of, all_of, none_of",
                "write a condition for each",
            );
            return None;
        }
    };
    let split = match written.split {
        SplitConfig::Whole => Split::Whole,
        SplitConfig::Spaces => Split::Spaces,
    };
    Some(ClaimRule {
        path: path?,
        split,
        test,
    })
}

fn scalars(
    member: &str,
    values: Vec<serde_json::Value>,
    problems: &mut Problems,
) -> Vec<serde_json::Value> {
    if values.is_empty() {
        problems.add(member, "is empty", "name at least one value");
    }
    for (at, value) in values.iter().enumerate() {
        if value.is_null() || value.is_array() || value.is_object() {
            problems.add(
                format!("{member}[{at}]"),
                "is not text, a number, true or false",
                "",
            );
        }
    }
    values
}

/// The allow-list, drawn to what the source of keys can be for: a shared secret and public keys never mix.
fn compile_algorithms(
    written: &[String],
    keys: &KeysConfig,
    problems: &mut Problems,
) -> Option<Algorithms> {
    let family = if keys.secret.is_some() {
        Algorithms::SYMMETRIC
    } else {
        Algorithms::ASYMMETRIC
    };
    if written.is_empty() {
        return Some(family);
    }
    let mut allowed = Algorithms::NONE;
    for (at, name) in written.iter().enumerate() {
        match parse_algorithm(name, &format!("algorithms[{at}]"), problems) {
            Some(algorithm) if family.contains(algorithm) => allowed = allowed.with(algorithm),
            Some(_) => problems.add(
                format!("algorithms[{at}]"),
                "does not go with these keys",
                "HS256, HS384 and HS512 need `keys.secret`; all others need public keys",
            ),
            None => {}
        }
    }
    Some(allowed)
}

fn parse_algorithm(name: &str, path: &str, problems: &mut Problems) -> Option<Algorithm> {
    let algorithm = Algorithm::parse(name);
    if algorithm.is_none() {
        problems.add(
            path,
            "is not an algorithm",
            format!("known: {}", Algorithm::ALL.map(Algorithm::name).join(", ")),
        );
    }
    algorithm
}

fn compile_keys(
    written: KeysConfig,
    issuer: &str,
    path: &str,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Source> {
    let name = |kind: &str| format!("{}: {path}.{kind}", setup.filter);
    match written {
        KeysConfig {
            jwks: Some(set),
            pem: None,
            secret: None,
            fetch: None,
            discovery: None,
        } => given_set(&set, problems).map(Source::given),
        KeysConfig {
            jwks: None,
            pem: Some(pem),
            secret: None,
            fetch: None,
            discovery: None,
        } => given_pem(pem, problems).map(Source::given),
        KeysConfig {
            jwks: None,
            pem: None,
            secret: Some(secret),
            fetch: None,
            discovery: None,
        } => problems
            .within("secret", |problems| given_secret(secret, setup, problems))
            .map(Source::given),
        KeysConfig {
            jwks: None,
            pem: None,
            secret: None,
            fetch: Some(fetch),
            discovery: None,
        } => problems.within("fetch", |problems| {
            fetched(fetch, name("fetch"), setup, problems)
        }),
        KeysConfig {
            jwks: None,
            pem: None,
            secret: None,
            fetch: None,
            discovery: Some(discovery),
        } => problems.within("discovery", |problems| {
            discovered(discovery, issuer, name("discovery"), setup, problems)
        }),
        _ => {
            problems.add(
                "",
                "must have exactly one source of keys",
                "write one of jwks, pem, secret, fetch, discovery",
            );
            None
        }
    }
}

fn given_set(written: &serde_json::Value, problems: &mut Problems) -> Option<KeySet> {
    match KeySet::parse(written.to_string().as_bytes(), Secrets::Refused) {
        Ok(set) if set.is_empty() || set.skipped() > 0 => {
            // What is given by hand is expected to be right, key by key.
            for (at, key) in written
                .get("keys")
                .and_then(|keys| keys.as_array())
                .into_iter()
                .flatten()
                .enumerate()
            {
                if let Err(fault) = Key::parse_jwk(key.to_string().as_bytes(), Secrets::Refused) {
                    problems.add(
                        format!("jwks.keys[{at}]"),
                        format!("cannot be used: {fault}"),
                        "",
                    );
                }
            }
            problems.add(
                "jwks",
                "has keys that cannot be used, or none at all",
                "give each key its own kid, and leave out what is not for signatures",
            );
            None
        }
        Ok(set) => Some(set),
        Err(fault) => {
            problems.add(
                "jwks",
                format!("is not a usable JWK Set: {fault}"),
                "write {\"keys\": [ … ]}",
            );
            None
        }
    }
}

fn given_pem(written: Vec<PemKey>, problems: &mut Problems) -> Option<KeySet> {
    let count = written.len();
    let mut keys = Vec::with_capacity(count);
    for (at, one) in written.into_iter().enumerate() {
        let algorithm = match &one.algorithm {
            None => Some(None),
            Some(name) => {
                parse_algorithm(name, &format!("pem[{at}].algorithm"), problems).map(Some)
            }
        };
        let Some(algorithm) = algorithm else { continue };
        match Key::parse_pem(&one.pem, one.kid, algorithm) {
            Ok(key) => keys.push(key),
            Err(fault) => {
                problems.add(format!("pem[{at}]"), format!("cannot be used: {fault}"), "")
            }
        }
    }
    if count == 0 {
        problems.add("pem", "is empty", "write at least one key");
    }
    key_set("pem", keys, count, problems)
}

fn given_secret(
    written: SharedSecret,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<KeySet> {
    let algorithm = match &written.algorithm {
        None => None,
        Some(name) => Some(parse_algorithm(name, "algorithm", problems)?),
    };
    let secret = written.value.resolve("value", setup, problems)?;
    let bytes = match written.encoding {
        SecretEncoding::Text => secret.expose().to_vec(),
        SecretEncoding::Base64url => match URL_SAFE_NO_PAD.decode(secret.expose()) {
            Ok(bytes) => bytes,
            Err(_) => {
                problems.add("value", "is not base64url without padding", "");
                return None;
            }
        },
    };
    match Key::secret(bytes, written.kid, algorithm) {
        Ok(key) => key_set("", vec![key], 1, problems),
        Err(fault) => {
            problems.add("value", format!("cannot be used: {fault}"), "");
            None
        }
    }
}

fn key_set(member: &str, keys: Vec<Key>, count: usize, problems: &mut Problems) -> Option<KeySet> {
    let is_whole = keys.len() == count;
    match KeySet::from_keys(keys) {
        Ok(set) if set.skipped() > 0 => {
            problems.add(member, "has several keys of one kid", "give each its own");
            None
        }
        Ok(set) => (is_whole && count > 0).then_some(set),
        Err(fault) => {
            problems.add(member, fault.to_string(), "");
            None
        }
    }
}

fn fetched(
    written: Fetch,
    name: String,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Source> {
    let location = parse_location("url", &written.url, problems);
    let cluster = named_cluster("cluster", written.cluster, problems);
    let origin = Origin::Keys {
        location: location?,
        cluster: cluster?,
    };
    Some(kept_fresh(name, origin, written.refresh, setup))
}

fn discovered(
    written: Discovery,
    issuer: &str,
    name: String,
    setup: &Setup<'_>,
    problems: &mut Problems,
) -> Option<Source> {
    let location = match &written.url {
        Some(url) => parse_location("url", url, problems),
        None => match Location::parse(&well_known(issuer)) {
            Some(location) => Some(location),
            None => {
                problems.add(
                    "",
                    "needs an issuer that is a URL",
                    "write `url` with the place of the issuer's metadata",
                );
                None
            }
        },
    };
    let keys_cluster = match written.keys_cluster {
        Some(other) => named_cluster("keys_cluster", other, problems),
        None => Some(written.cluster.clone()),
    };
    let cluster = named_cluster("cluster", written.cluster, problems);
    let origin = Origin::Discovery {
        issuer: issuer.to_owned(),
        location: location?,
        cluster: cluster?,
        keys_cluster: keys_cluster?,
    };
    Some(kept_fresh(name, origin, written.refresh, setup))
}

fn kept_fresh(
    name: String,
    origin: Origin,
    refresh: crate::config::Refresh,
    setup: &Setup<'_>,
) -> Source {
    let fetched = Fetched::new(name, origin, refresh, setup.filter);
    fetched.define_metrics(setup.host);
    Source::Fetched(Rc::new(fetched))
}

fn parse_location(member: &str, url: &str, problems: &mut Problems) -> Option<Location> {
    let location = Location::parse(url);
    if location.is_none() {
        problems.add(
            member,
            "is not an http or https URL",
            "write https://HOST/PATH",
        );
    }
    location
}

fn named_cluster(member: &str, cluster: String, problems: &mut Problems) -> Option<String> {
    if cluster.is_empty() {
        problems.add(
            member,
            "is empty",
            "name the Envoy cluster that leads to the issuer",
        );
        return None;
    }
    Some(cluster)
}
