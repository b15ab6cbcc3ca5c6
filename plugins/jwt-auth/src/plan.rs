//! What runs: the configuration, checked and compiled.

mod sources;

use std::cell::RefCell;
use std::rc::Rc;

use modelgate_kit::cache::Cache;
use modelgate_kit::config::types::{NonEmpty, NonEmptyText, OneOrMore};
use modelgate_kit::config::{DenyOrAllow, Problems, Setup, StripOrKeep};
use modelgate_kit::credential::{Place, compile_places};
use modelgate_kit::facts::{Challenges, Serialized};
use modelgate_kit::identity_headers::IdentityHeaders;
use modelgate_kit::jose::{
    Algorithm, Algorithms, ClaimRule, Expectations, IssuerName, Split, TENANT, Test, Wanted,
};

use crate::accepted::Accepted;
use crate::caller::CallerClaims;
use crate::challenge::Challenge;
use crate::config::{
    ClaimCondition, Config, GroupsObject, IssuerConfig, KeysConfig, Scalar, SplitConfig,
};
use crate::keys::{Fetched, Source};
use sources::compile_keys;

/// A compiled configuration.
pub struct Plan {
    /// Where tokens stand.
    pub places: Vec<Place>,
    /// The accepted issuers.
    pub issuers: Vec<Issuer>,
    /// Headers for the upstream.
    pub identity_headers: IdentityHeaders,
    /// What refused clients are told.
    pub challenge: Challenge,
    /// Whether the upstream sees the token.
    pub credential_to_upstream: StripOrKeep,
    /// For the filters that follow, where a request without a token passes.
    pub offer: Serialized<Challenges>,
    /// What becomes of requests without a token.
    pub on_missing: DenyOrAllow,
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
    pub caller: CallerClaims,
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
        let places = compile_places(written.credential_from, problems);
        let identity_headers =
            IdentityHeaders::compile(written.identity_headers, &places, problems);
        let challenge = Challenge::new(&written.realm, written.resource_metadata.as_deref());
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
            identity_headers,
            offer: challenge.offer().into(),
            challenge,
            credential_to_upstream: written.credential_to_upstream,
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
    mut written: IssuerConfig,
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
    let caller = compile_caller(&mut written, problems);
    let wants_audience = written.required_claims.iter().any(|claim| claim == "aud");
    if written.audiences.is_empty() && wants_audience {
        problems.add(
            "audiences",
            "is required",
            "name this service as the issuer does, or leave `aud` out of `required_claims`",
        );
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
            audience_claims: written.audience_claims.into_vec(),
            required: written.required_claims,
            clock_skew_s: written.clock_skew_s.value(),
            max_lifetime_s: written.max_lifetime_s.map(|most| most.value()),
            types: written
                .types
                .iter()
                .map(|typ| modelgate_kit::jose::media_type(typ))
                .collect(),
            rules,
            scopes: texts(written.scopes),
        },
        keys: keys?,
        algorithms,
        caller,
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

/// Which claims make up the caller.
fn compile_caller(written: &mut IssuerConfig, problems: &mut Problems) -> CallerClaims {
    let consumer = std::mem::replace(&mut written.consumer_claim, OneOrMore::Several(Vec::new()));
    let consumer = consumer.into_vec();
    if consumer.is_empty() && written.consumer.is_none() {
        problems.add(
            "consumer_claim",
            "names no claim",
            "name one, or the caller of every token as `consumer`",
        );
    }
    let groups = std::mem::replace(&mut written.groups_claim, OneOrMore::Several(Vec::new()));
    CallerClaims {
        consumer,
        prefix: std::mem::take(&mut written.consumer_prefix),
        unnamed: written.consumer.take().map(NonEmptyText::into_string),
        groups: groups.into_vec(),
        object_names: written.groups_object == GroupsObject::MemberNames,
        ungrouped: texts(std::mem::take(&mut written.groups)),
        claims: std::mem::take(&mut written.claims_to_fact),
    }
}

fn texts<T: Into<String>>(list: Vec<T>) -> Vec<String> {
    list.into_iter().map(Into::into).collect()
}

fn compile_rule(written: ClaimCondition, problems: &mut Problems) -> Option<ClaimRule> {
    let words = |values: NonEmpty<Scalar>| -> Vec<Wanted> {
        let values = values.into_vec().into_iter().map(|Scalar(value)| value);
        Test::words(values.collect())
    };
    let test = match (written.any_of, written.all_of, written.none_of) {
        (None, None, None) => Test::Present,
        (Some(values), None, None) => Test::AnyOf(words(values)),
        (None, Some(values), None) => Test::AllOf(words(values)),
        (None, None, Some(values)) => Test::NoneOf(words(values)),
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
        path: written.claim,
        split,
        test,
    })
}

/// The allow-list, drawn to what the source of keys can be for: a shared secret and public keys
/// never mix.
fn compile_algorithms(
    written: &[Algorithm],
    keys: &KeysConfig,
    problems: &mut Problems,
) -> Algorithms {
    let family = if keys.secret.is_some() {
        Algorithms::SYMMETRIC
    } else {
        Algorithms::ASYMMETRIC
    };
    if written.is_empty() {
        return family;
    }
    let mut allowed = Algorithms::NONE;
    for (at, algorithm) in written.iter().enumerate() {
        if family.contains(*algorithm) {
            allowed = allowed.with(*algorithm);
        } else {
            problems.add(
                format!("algorithms[{at}]"),
                "does not go with these keys",
                "HS256, HS384 and HS512 need `keys.secret`; all others need public keys",
            );
        }
    }
    allowed
}
