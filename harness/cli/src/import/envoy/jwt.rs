//! `jwt_authn` as jwt-auth.

use serde_json::{Map, Value as Json, json};

use super::super::Options;
use super::super::ledger::{At, Try};
use super::jwt_rules::{self, Requirement, Rules};
use super::paths::only;
use super::provider::{self, Provider};
use super::routes::{self, Says};
use super::translation::{Override, Scope, Translation, none_of};

const PER_ROUTE: &str = "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig";

/// Translates the filter.
pub fn translate(
    config: &At<'_>,
    manager: &At<'_>,
    name: &str,
    options: &Options,
) -> Try<Translation> {
    none_of(
        config,
        &[
            ("filter_state_rules", "no profile is chosen by filter state"),
            (
                "bypass_cors_preflight",
                "preflight requests are not let through without a token",
            ),
        ],
    )?;
    only(
        config,
        &[
            "providers",
            "rules",
            "requirement_map",
            "strip_failure_response",
            "stat_prefix",
        ],
    )?;
    let listed = config
        .get("providers")
        .ok_or_else(|| config.obstacle("it has no providers"))?;
    let mut providers = Vec::new();
    for (name, at) in listed.members() {
        providers.push(provider::read(name, &at, options)?);
    }
    let names: Vec<String> = providers.iter().map(|one| one.name.clone()).collect();
    let rules = jwt_rules::read(config, &names)?;
    let plans = Plans {
        at: config,
        providers: &providers,
    };
    let mut translation = by_path(&plans, &rules)?;
    overrides(&plans, &rules, manager, name, &mut translation)?;
    for subject in ["strip_failure_response", "stat_prefix"] {
        if let Some(found) = config.get(subject) {
            found.changed(
                subject,
                "refusals say their reason code in `x-modelgate-reason`; metrics are `modelgate.jwt_auth.*`",
            );
        }
    }
    config.changed_note(
        "jwt_authn",
        "tokens are read strictly: anything behind a signature, a `typ` that is none of a JWT's, a member that stands twice, and a second token in a request are refused",
    );
    translation.left_keys = providers.iter().map(|one| one.metadata.clone()).collect();
    Ok(translation)
}

struct Plans<'p, 'a> {
    at: &'p At<'a>,
    providers: &'p [Provider],
}

impl Plans<'_, '_> {
    fn all(&self) -> Requirement {
        let names = self
            .providers
            .iter()
            .map(|one| (one.name.clone(), Vec::new()));
        Requirement {
            providers: names.collect(),
            missing_passes: true,
        }
    }

    /// The configuration that asks for what is required.
    fn plan(&self, requirement: &Requirement) -> Try<Map<String, Json>> {
        let is_open = requirement.is_none();
        let all = self.all();
        let wanted = if is_open { &all } else { requirement };
        let mut issuers = Vec::new();
        let mut read: Option<&Provider> = None;
        let mut cache = None;
        for (name, audiences) in &wanted.providers {
            let Some(provider) = self.providers.iter().find(|one| one.name == *name) else {
                continue;
            };
            if let Some(other) = read
                && (other.places != provider.places || other.keeps != provider.keeps)
            {
                return Err(self.at.obstacle(format!(
                    "providers {} and {name} take tokens from different places, or forward them differently: jwt-auth has one list of places",
                    other.name
                )));
            }
            read = Some(provider);
            cache = cache.max(provider.cache);
            issuers.push(self.issuer(provider, audiences)?);
        }
        let first = read.ok_or_else(|| self.at.obstacle("nothing is required of anybody"))?;
        let mut plan = Map::new();
        plan.insert("issuers".into(), issuers.into());
        plan.insert("credential_from".into(), first.places.clone().into());
        // Where Envoy does not look at tokens, they go on as they are.
        let keeps = first.keeps || is_open;
        let sees = if keeps { "keep" } else { "strip" };
        plan.insert("credential_to_upstream".into(), sees.into());
        let missing = match is_open || requirement.missing_passes {
            true => "allow",
            false => "deny",
        };
        plan.insert("on_missing".into(), missing.into());
        if let Some(entries) = cache {
            plan.insert("token_cache_entries".into(), entries.into());
        }
        Ok(plan)
    }

    fn issuer(&self, provider: &Provider, own: &[String]) -> Try<Json> {
        let audiences = if own.is_empty() {
            &provider.audiences
        } else {
            own
        };
        if audiences.is_empty() {
            return Err(self.at.obstacle(format!(
                "provider {} names no audience, so that a token for any service is taken; jwt-auth takes tokens for named ones only: name yours with --audience",
                provider.name
            )));
        }
        let mut issuer = provider.issuer.clone();
        let mut required = provider.required.clone();
        // Named on the command line, it is not known that every token has one.
        if !own.is_empty() || self.names_audiences(provider) {
            required.push("aud");
        }
        crate::gateway::put(&mut issuer, "audiences", json!(audiences));
        crate::gateway::put(&mut issuer, "required_claims", json!(required));
        crate::gateway::put(&mut issuer, "groups_claim", json!([]));
        Ok(issuer)
    }

    /// Whether the file itself has audiences for a provider.
    fn names_audiences(&self, provider: &Provider) -> bool {
        let at = self.at.at(&["providers", &provider.name]);
        at.is_some_and(|at| !at.list("audiences").is_empty())
    }
}

/// The filter as its own rules have it.
fn by_path(plans: &Plans<'_, '_>, rules: &Rules<'_>) -> Try<Translation> {
    let whole = rules.rules.iter().position(|rule| rule.paths.is_none());
    let last = whole.and_then(|at| rules.rules.get(at));
    let nothing = Requirement::default();
    let base = last.map_or(&nothing, |rule| &rule.requirement);
    let mut translation = Translation::new("jwt-auth", plans.plan(base)?);
    for (index, rule) in rules.rules.iter().enumerate() {
        if whole.is_some_and(|whole| index > whole) {
            rule.at.taken(
                "rule",
                "it is behind a rule for every path, and never counts",
            );
            rule.at.swallow();
            continue;
        }
        let Some(paths) = &rule.paths else { continue };
        if rule.requirement == *base
            && rules
                .rules
                .get(index.saturating_add(1)..)
                .is_none_or(|later| later.iter().all(|later| later.requirement == *base))
        {
            continue;
        }
        let plan = plans.plan(&rule.requirement)?;
        let wanted = format!("rule_{}", index.saturating_add(1));
        let profile = translation.profile(&wanted, plan.into());
        for path in paths {
            translation
                .profile_rules
                .push(json!({ "match": { "path": path }, "profile": profile }));
        }
    }
    let is_open = |requirement: &Requirement| requirement.is_none();
    if base.is_none() || rules.rules.iter().any(|rule| is_open(&rule.requirement)) {
        plans.at.changed_note(
            "jwt_authn",
            "on paths without a requirement Envoy does not look at tokens; jwt-auth lets requests without one pass, refuses a bad one, and tells the server of a good one",
        );
    }
    if !translation.profile_rules.is_empty() {
        plans.at.changed_note(
            "jwt_authn",
            "rules compare decoded paths; a path that servers may read in two ways (`%2f`, `..`, `//`) gets 400 `path_ambiguous`",
        );
    }
    let mut lists = plans.providers.iter().map(|provider| &provider.headers);
    let headers = lists.next().cloned().unwrap_or_default();
    if lists.any(|other| *other != headers) {
        return Err(plans.at.obstacle(
            "providers tell the server different things of a caller, by claim_to_headers: jwt-auth has one list of headers",
        ));
    }
    if !headers.is_empty() {
        let headers = json!({ "claims": headers });
        translation.base.insert("identity_headers".into(), headers);
    }
    Ok(translation)
}

/// What routes say.
fn overrides(
    plans: &Plans<'_, '_>,
    rules: &Rules<'_>,
    manager: &At<'_>,
    name: &str,
    translation: &mut Translation,
) -> Try<()> {
    for own in routes::own(manager, name)? {
        let what = match own.says(PER_ROUTE)? {
            Says::Switch(switch) => switch,
            Says::Config(config) => {
                only(&config, &["disabled", "requirement_name"])?;
                match (
                    config.flag_of("disabled"),
                    config.text_of("requirement_name"),
                ) {
                    (Some(true), _) => Override::Off,
                    (_, Some(wanted)) => {
                        let requirement = rules.named.get(&wanted).ok_or_else(|| {
                            config.obstacle(
                                "requirement_name names no requirement: Envoy answers 403",
                            )
                        })?;
                        let plan = plans.plan(requirement)?;
                        Override::Profile(translation.profile(&wanted, plan.into()))
                    }
                    (_, None) => return Err(config.obstacle("it says nothing")),
                }
            }
        };
        say(&own.config, own.scope, &what);
        translation.overrides.push((own.scope, what));
    }
    Ok(())
}

/// Reports what a route's own configuration became.
pub fn say(at: &At<'_>, scope: Scope, what: &Override) {
    let on = match scope {
        Scope::Table => "all routes",
        Scope::Host(_) => "the virtual host",
        Scope::Route(..) => "the route",
    };
    at.swallow();
    at.taken(
        "typed_per_filter_config",
        match what {
            Override::Off => format!("the filter is switched off for {on}"),
            Override::On => format!("the filter is switched on for {on}"),
            Override::Profile(name) => {
                format!("metadata of {on} choose profile {name}")
            }
        },
    );
}
