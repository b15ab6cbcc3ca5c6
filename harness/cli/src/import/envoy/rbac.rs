//! `rbac` as consumer-acl.

use serde_json::{Map, Value as Json, json};

use super::super::ledger::{At, Try};
use super::jwt::say;
use super::paths::only;
use super::principals::{All, Asked, permission, principal};
use super::routes::{self, Says};
use super::translation::{Override, Translation};

const PER_ROUTE: &str = "envoy.extensions.filters.http.rbac.v3.RBACPerRoute";
const KNOWN: [&str; 4] = [
    "rules",
    "shadow_rules",
    "rules_stat_prefix",
    "shadow_rules_stat_prefix",
];

/// Translates the filter.
pub fn translate(config: &At<'_>, manager: &At<'_>, name: &str) -> Try<Translation> {
    let mut asked = Asked::default();
    let base = plan(config, &mut asked)?;
    let mut translation = match base {
        Some(base) => Translation::new("consumer-acl", base),
        // It lets everybody pass where no route says otherwise.
        None => {
            let everybody = json!([everybody("everybody")]);
            let base = Map::from_iter([
                ("rules".to_owned(), everybody),
                ("model_from_body".to_owned(), json!({ "mode": "ignore" })),
            ]);
            Translation::new("consumer-acl", base)
        }
    };
    for own in routes::own(manager, name)? {
        let what = match own.says(PER_ROUTE)? {
            Says::Switch(switch) => switch,
            Says::Config(config) => {
                only(&config, &["rbac"])?;
                let inner = config.get("rbac");
                match inner
                    .map(|inner| plan(&inner, &mut asked))
                    .transpose()?
                    .flatten()
                {
                    Some(plan) => {
                        let profile = translation.profile(&own.name, plan.into());
                        Override::Profile(profile)
                    }
                    None => Override::Off,
                }
            }
        };
        match what {
            Override::Profile(ref profile) => own.config.guarded(
                "typed_per_filter_config",
                format!("route metadata choose profile {profile}"),
            ),
            ref what => say(&own.config, own.scope, what),
        }
        translation.overrides.push((own.scope, what));
    }
    translation.token_keys = asked.keys;
    translation.wants_groups = asked.groups;
    translation.wants = asked.claims;
    for stats in ["rules_stat_prefix", "shadow_rules_stat_prefix"] {
        if let Some(found) = config.get(stats) {
            found.changed(
                stats,
                "metrics are `modelgate.consumer_acl.*`, by the rule's id",
            );
        }
    }
    Ok(translation)
}

fn everybody(id: &str) -> Json {
    json!({ "id": id, "effect": "allow", "who": { "identity": "any" } })
}

/// The rules of a configuration; nothing where it has none, and everybody passes.
fn plan(config: &At<'_>, asked: &mut Asked) -> Try<Option<Map<String, Json>>> {
    only(config, &KNOWN)?;
    let enforced = config.get("rules");
    let shadow = config.get("shadow_rules");
    let mut rules = Vec::new();
    let mut is_shadow = false;
    match (&enforced, &shadow) {
        (None, None) => return Ok(None),
        (Some(enforced), None) => read(enforced, "", false, &mut rules, asked)?,
        (None, Some(shadow)) => {
            is_shadow = true;
            read(shadow, "", false, &mut rules, asked)?;
        }
        (Some(enforced), Some(shadow)) => {
            read(enforced, "", false, &mut rules, asked)?;
            read(shadow, "shadow.", true, &mut rules, asked)?;
        }
    }
    if let Some(shadow) = shadow {
        shadow.changed_note(
            "shadow_rules",
            "they are rules in shadow mode: counted in metrics and audit events, not in dynamic metadata",
        );
    }
    let mut plan = Map::from_iter([("rules".to_owned(), Json::from(rules))]);
    if is_shadow {
        plan.insert("mode".into(), "shadow".into());
    }
    // No rule looks at models, so no body has to be held.
    plan.insert("model_from_body".into(), json!({ "mode": "ignore" }));
    // Envoy leaves them, and what stands behind may read them.
    plan.insert("override_headers".into(), "allow".into());
    Ok(Some(plan))
}

fn read(
    at: &At<'_>,
    before: &str,
    shadow: bool,
    rules: &mut Vec<Json>,
    asked: &mut Asked,
) -> Try<()> {
    only(at, &["action", "policies"])?;
    let action = at.text_of("action").unwrap_or_else(|| "ALLOW".to_owned());
    let effect = match action.as_str() {
        "ALLOW" | "0" => "allow",
        "DENY" | "1" => "deny",
        _ => {
            return Err(
                at.obstacle("action: LOG decides nothing, and sets metadata for the access log")
            );
        }
    };
    if let Some(policies) = at.get("policies") {
        for (name, policy) in policies.members() {
            let ways = ways(&policy, asked)?;
            let many = ways.len() > 1;
            for (index, (what, who)) in ways.into_iter().enumerate() {
                let mut id = format!("{before}{}", plain(name));
                if many {
                    id = format!("{id}.{}", index.saturating_add(1));
                }
                while rules
                    .iter()
                    .any(|rule| rule.get("id").and_then(Json::as_str) == Some(&id))
                {
                    id.push('_');
                }
                let mut rule = json!({ "id": id, "effect": effect, "who": who });
                if !what.is_empty() {
                    crate::gateway::put(&mut rule, "what", what);
                }
                if shadow {
                    crate::gateway::put(&mut rule, "mode", "shadow");
                }
                rules.push(rule);
            }
        }
    }
    if effect == "deny" {
        let mut rule = everybody(&format!("{before}everybody"));
        if shadow {
            crate::gateway::put(&mut rule, "mode", "shadow");
        }
        rules.push(rule);
    }
    Ok(())
}

/// The name of a policy as the id of a rule.
fn plain(name: &str) -> String {
    let letter = |c: char| match c.is_ascii_alphanumeric() || matches!(c, '-' | '.') {
        true => c,
        false => '_',
    };
    let id: String = name.chars().map(letter).take(48).collect();
    if id.is_empty() {
        "policy".to_owned()
    } else {
        id
    }
}

/// What and who of a policy, in all combinations.
fn ways(policy: &At<'_>, asked: &mut Asked) -> Try<Vec<(All, All)>> {
    only(policy, &["permissions", "principals"])?;
    let mut whats: Vec<All> = Vec::new();
    for at in policy.list("permissions") {
        whats.extend(permission(&at)?);
    }
    // Alternatives that differ in paths only are one list of paths.
    whats = merged(whats, "paths");
    let mut whos = Vec::new();
    for at in policy.list("principals") {
        whos.extend(principal(&at, asked)?);
    }
    let mut ways = Vec::new();
    for what in &whats {
        for who in &whos {
            let mut who = who.clone();
            // `any` beside a condition on the token is that condition alone.
            if who.len() > 1 {
                who.shift_remove("identity");
            }
            ways.push((what.clone(), who));
        }
    }
    Ok(ways)
}

/// Joins the lists of alternatives that have this member alone.
fn merged(ways: Vec<All>, name: &str) -> Vec<All> {
    let alone = |way: &All| way.len() == 1 && way.contains_key(name);
    if ways.len() < 2 || !ways.iter().all(alone) {
        return ways;
    }
    let lists = ways.iter().filter_map(|way| way.get(name)?.as_array());
    let all: Vec<Json> = lists.flatten().cloned().collect();
    vec![Map::from_iter([(name.to_owned(), all.into())])]
}
