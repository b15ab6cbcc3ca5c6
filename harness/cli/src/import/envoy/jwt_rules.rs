//! What `jwt_authn` requires of a request, and of which requests.

use std::collections::BTreeMap;

use super::super::ledger::{At, Try};
use super::paths::{of_match, only};

/// What is required of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// Providers one of which must have issued the token, each with the audiences that take the
    /// place of its own.
    pub providers: Vec<(String, Vec<String>)>,
    /// Whether a request without a token passes.
    pub missing_passes: bool,
}

impl Requirement {
    /// Whether nothing is required, and nothing verified.
    pub fn is_none(&self) -> bool {
        self.providers.is_empty()
    }
}

/// A rule: what it requires, and of which paths.
pub struct Rule<'a> {
    /// The rule.
    pub at: At<'a>,
    /// Path templates; nothing for every path.
    pub paths: Option<Vec<String>>,
    /// What it requires.
    pub requirement: Requirement,
}

/// Everything that is required by path, and by name.
pub struct Rules<'a> {
    /// In their order: the first that fits counts.
    pub rules: Vec<Rule<'a>>,
    /// By name.
    pub named: BTreeMap<String, Requirement>,
}

/// Reads rules and requirements of a filter with these providers.
pub fn read<'a>(config: &At<'a>, providers: &[String]) -> Try<Rules<'a>> {
    let mut named = BTreeMap::new();
    if let Some(map) = config.get("requirement_map") {
        for (name, at) in map.members() {
            named.insert(name.to_owned(), requirement(&at, providers)?);
        }
    }
    let mut rules = Vec::new();
    for at in config.list("rules") {
        only(&at, &["match", "requires", "requirement_name"])?;
        let matched = at.get("match");
        let matched = matched.ok_or_else(|| at.obstacle("it has no match"))?;
        let paths = of_match(&matched)?;
        let requirement = match (at.get("requires"), at.text_of("requirement_name")) {
            (Some(requires), _) => requirement(&requires, providers)?,
            (None, Some(name)) => named
                .get(&name)
                .cloned()
                .ok_or_else(|| at.obstacle("requirement_name names no requirement"))?,
            (None, None) => Requirement::default(),
        };
        rules.push(Rule {
            at,
            paths,
            requirement,
        });
    }
    Ok(Rules { rules, named })
}

/// A JwtRequirement.
fn requirement(at: &At<'_>, providers: &[String]) -> Try<Requirement> {
    only(
        at,
        &[
            "provider_name",
            "provider_and_audiences",
            "requires_any",
            "requires_all",
            "allow_missing",
        ],
    )
    .map_err(|found| {
        at.obstacle(format!(
            "{}: a request whose token is bad would have to pass",
            found.reason
        ))
    })?;
    let known = |name: String, audiences: Vec<String>, at: &At<'_>| match providers.contains(&name)
    {
        true => Ok(Requirement {
            providers: vec![(name, audiences)],
            missing_passes: false,
        }),
        false => Err(at.obstacle("it names no provider")),
    };
    if let Some(name) = at.text_of("provider_name") {
        return known(name, Vec::new(), at);
    }
    if let Some(both) = at.get("provider_and_audiences") {
        only(&both, &["provider_name", "audiences"])?;
        let name = both.text_of("provider_name").unwrap_or_default();
        return known(name, both.texts("audiences"), &both);
    }
    if let Some(all) = at.get("requires_all") {
        return match all.list("requirements").as_slice() {
            [one] => requirement(one, providers),
            _ => Err(all.obstacle("a request with two tokens is refused by jwt-auth")),
        };
    }
    if at.get("allow_missing").is_some_and(|found| {
        found.swallow();
        true
    }) {
        // Alone it takes a good token of any provider.
        let all = providers.iter().map(|name| (name.clone(), Vec::new()));
        return Ok(Requirement {
            providers: all.collect(),
            missing_passes: true,
        });
    }
    let Some(any) = at.get("requires_any") else {
        return Err(at.obstacle("it requires nothing that could be read"));
    };
    let mut joined = Requirement::default();
    let mut alone = false;
    for one in any.list("requirements") {
        let is_missing = one.get("allow_missing").is_some();
        let read = requirement(&one, providers)?;
        joined.missing_passes |= read.missing_passes;
        alone |= is_missing;
        if !is_missing {
            joined.providers.extend(read.providers);
        }
    }
    if joined.providers.is_empty() {
        return match alone {
            true => requirement_of_any(providers),
            false => Err(any.obstacle("it lists no requirement")),
        };
    }
    Ok(joined)
}

fn requirement_of_any(providers: &[String]) -> Try<Requirement> {
    let all = providers.iter().map(|name| (name.clone(), Vec::new()));
    Ok(Requirement {
        providers: all.collect(),
        missing_passes: true,
    })
}
