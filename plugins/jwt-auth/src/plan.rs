//! What runs: the configuration, checked and compiled.

mod sources;

use std::cell::RefCell;
use std::rc::Rc;

use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::credential::Place;
use modelgate_kit::facts::{Challenges, Serialized};
use modelgate_kit::jose::{
    Algorithm, Algorithms, ClaimPath, ClaimRule, Expectations, IssuerName, Split, TENANT, Test,
    Wanted,
};

use crate::accept::Accepted;
use crate::cache::Cache;
use crate::caller::{CallerHeaders, ClaimHeaders};
use crate::challenge::{Challenge, is_scope};
use crate::config::{
    ClaimCondition, Config, GroupsObject, IssuerConfig, KeysConfig, OnMissing, SplitConfig,
    TokenToUpstream,
};
use crate::keys::{Fetched, Source};
use crate::place;
use sources::compile_keys;

/// A compiled configuration.
pub struct Plan {
    /// Where tokens stand.
    pub places: Vec<Place>,
    /// The accepted issuers.
    pub issuers: Vec<Issuer>,
    /// Claims for the upstream.
    pub headers: ClaimHeaders,
    /// What refused clients are told.
    pub challenge: Challenge,
    /// Whether the upstream sees the token.
    pub token_to_upstream: TokenToUpstream,
    /// For the filters that follow, where a request without a token passes.
    pub offer: Serialized<Challenges>,
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
    pub caller_headers: CallerHeaders,
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
            place::compile(written.token_from, problems)
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
        let mut named: Vec<(String, Source)> = Vec::with_capacity(count);
        let mut issuers = Vec::with_capacity(count);
        for (at, issuer) in written.issuers.into_iter().enumerate() {
            let path = format!("issuers[{at}]");
            problems.within(&path, |problems| {
                let name = issuer.issuer.clone();
                let earlier = named.iter().find(|(known, _)| *known == name);
                let earlier = earlier.map(|(_, keys)| keys.clone());
                let compiled = compile_issuer(issuer, earlier, &path, setup, problems);
                named.extend(
                    compiled
                        .iter()
                        .map(|issuer| (name.clone(), issuer.keys.clone())),
                );
                issuers.extend(compiled);
            });
        }
        (issuers.len() == count).then(|| Self {
            places,
            issuers,
            headers,
            offer: challenge.offer().into(),
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

    /// The sources of keys that have to be kept fresh, each once.
    pub fn fetched(&self) -> Vec<&Rc<Fetched>> {
        let mut sources: Vec<&Rc<Fetched>> = Vec::new();
        for issuer in &self.issuers {
            if let Source::Fetched(fetched) = &issuer.keys
                && !sources.iter().any(|known| Rc::ptr_eq(known, fetched))
            {
                sources.push(fetched);
            }
        }
        sources
    }
}

fn compile_issuer(
    written: IssuerConfig,
    earlier: Option<Source>,
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
    let name = compile_name(&written, problems);
    let wants_audience = written.required_claims.iter().any(|claim| claim == "aud");
    if written.audiences.is_empty() && wants_audience {
        problems.add(
            "audiences",
            "is required",
            "name this service as the issuer does, or leave `aud` out of `required_claims`",
        );
    }
    if written.audience_claims.is_empty() {
        problems.add("audience_claims", "is empty", "leave it out for `aud`");
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
    let caller_headers = compile_portrait(&written, problems);
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
    let audience_claims = claim_paths("audience_claims", &written.audience_claims, problems);
    let algorithms = compile_algorithms(&written.algorithms, &written.keys, problems);
    let keys = problems.within("keys", |problems| match earlier {
        Some(earlier) if written.keys.is_left_out() => Some(earlier),
        _ => compile_keys(
            written.keys,
            &written.issuer,
            &format!("{path}.keys"),
            setup,
            problems,
        ),
    });
    Some(Issuer {
        expectations: Expectations {
            issuer: name?,
            audiences: written.audiences,
            audience_claims: audience_claims?,
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
        caller_headers: caller_headers?,
    })
}

fn compile_name(written: &IssuerConfig, problems: &mut Problems) -> Option<IssuerName> {
    let parts: Vec<&str> = written.issuer.split(TENANT).collect();
    if parts.iter().any(|part| part.contains(['{', '}'])) || parts.len() > 2 {
        problems.add(
            "issuer",
            "has braces that stand for nothing",
            "write the `iss` of its tokens, with `{tenantid}` once at most",
        );
        return None;
    }
    let tenants = &written.tenants;
    match *parts.as_slice() {
        [before, after] if !tenants.is_empty() && tenants.iter().all(|one| !one.is_empty()) => {
            Some(IssuerName::PerTenant {
                before: before.to_owned(),
                after: after.to_owned(),
                tenants: (tenants != &["*"]).then(|| tenants.clone()),
            })
        }
        [_, _] => {
            problems.add(
                "tenants",
                "is required",
                "list the tenants that are let in (`tid`), or write one entry per tenant; `[\"*\"]` lets in every tenant that there is",
            );
            None
        }
        _ if !tenants.is_empty() => {
            problems.add(
                "tenants",
                "goes with `{tenantid}` in `issuer` only",
                "write `{tenantid}` where the tenant stands, or leave `tenants` out",
            );
            None
        }
        _ => Some(IssuerName::Exact(written.issuer.clone())),
    }
}

fn compile_portrait(written: &IssuerConfig, problems: &mut Problems) -> Option<CallerHeaders> {
    let named = written.consumer_claim.as_slice();
    if named.is_empty() && written.consumer.is_none() {
        problems.add(
            "consumer_claim",
            "names no claim",
            "name one, or the caller of every token as `consumer`",
        );
    }
    let texts = written.consumer.iter().map(|name| ("consumer", name));
    for (member, text) in texts.chain(written.groups.iter().map(|group| ("groups", group))) {
        if text.is_empty() {
            problems.add(member, "has an empty text", "write a name, or leave it out");
        }
    }
    let consumer = claim_paths("consumer_claim", named, problems);
    let groups = claim_paths("groups_claim", written.groups_claim.as_slice(), problems);
    let claims = claim_paths("claims_to_fact", &written.claims_to_fact, problems);
    Some(CallerHeaders {
        consumer: consumer?,
        prefix: written.consumer_prefix.clone(),
        unnamed: written.consumer.clone(),
        groups: groups?,
        object_names: written.groups_object == GroupsObject::MemberNames,
        ungrouped: written.groups.clone(),
        claims: claims?,
    })
}

/// Paths of claims; none where one of them is no path.
fn claim_paths(member: &str, texts: &[String], problems: &mut Problems) -> Option<Vec<ClaimPath>> {
    let paths: Vec<ClaimPath> = texts
        .iter()
        .enumerate()
        .filter_map(|(at, text)| match ClaimPath::parse(text) {
            Ok(path) => Some(path),
            Err(fault) => {
                let path = match texts {
                    [_] => member.to_owned(),
                    _ => format!("{member}[{at}]"),
                };
                problems.add(path, "is not a claim path", fault.to_string());
                None
            }
        })
        .collect();
    (paths.len() == texts.len()).then_some(paths)
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

fn scalars(member: &str, values: Vec<serde_json::Value>, problems: &mut Problems) -> Vec<Wanted> {
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
    Test::words(values)
}

/// The allow-list, drawn to what the source of keys can be for: a shared secret and public keys
/// never mix.
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
