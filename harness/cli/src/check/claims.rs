//! What rules ask of a caller's claims and groups, and no authenticator in front of them hands on:
//! it reads as absent, for everybody.

use std::collections::BTreeSet;

use modelgate_kit::claim::ClaimPath;
use serde_json::Value as Json;

use super::chain::{Chain, Ours, View, plans};
use super::codes;
use super::files::Sink;
use super::finding::Finding;
use super::order::{position, runs, ways};

/// Everything of this kind in a chain.
pub(super) fn check(chain: &Chain<'_>, views: &[&View<'_>], sink: &mut Sink<'_>) {
    if chain.slots.iter().any(|slot| slot.what.is_unread()) {
        return;
    }
    for ours in chain.ours() {
        let mut said = BTreeSet::new();
        for view in ways(chain, views, ours.slot) {
            let Some(known) = Known::before(chain, view, &ours) else {
                continue;
            };
            let asked = plans(&ours, view);
            let asked = asked.iter().flat_map(|plan| asked_by(&ours, plan));
            for (path, question) in asked.filter(|(_, question)| !known.answers(question)) {
                if said.insert(path.clone()) {
                    let path = ours.part.path(&path);
                    let on = view.map(|view| format!(" on {}", view.name));
                    let (problem, hint) = question.unanswered(&on.unwrap_or_default());
                    let place = ours.entry.place(&path);
                    let finding = Finding::new(
                        &codes::NOT_HANDED_ON,
                        place,
                        &ours.entry.name,
                        problem,
                        hint,
                    );
                    sink.add(ours.entry.file, finding.at(path));
                }
            }
        }
    }
}

/// What a rule wants to know of a caller.
enum Question {
    /// The value of a claim.
    Claim(String),
    /// Groups.
    Groups,
}

impl Question {
    fn unanswered(&self, on: &str) -> (String, String) {
        match self {
            Self::Claim(claim) => (
                format!("the claim {claim:?} is absent for everybody{on}: no authenticator in front hands it on"),
                format!("list {claim:?} in `claims_to_fact` of jwt-auth's issuer, or write it as a label of keys in key-auth"),
            ),
            Self::Groups => (
                format!("nobody is in a group{on}: no authenticator in front knows any"),
                "name the claim with them in `groups_claim` of jwt-auth's issuer, or write `groups` of keys in key-auth".to_owned(),
            ),
        }
    }
}

/// What authenticators hand on.
#[derive(Default)]
struct Known {
    claims: BTreeSet<String>,
    groups: bool,
}

impl Known {
    /// What those that run before a filter hand on; `None` if there are none, or if one cannot be
    /// read.
    fn before(chain: &Chain<'_>, view: Option<&View<'_>>, wanted: &Ours<'_, '_>) -> Option<Self> {
        let at = position(chain, wanted);
        let mut known = Self::default();
        let mut found = false;
        for ours in chain.ours() {
            if runs(ours.slot, view) && position(chain, &ours) < at {
                for plan in plans(&ours, view) {
                    found |= match ours.part.name() {
                        "jwt_auth" => known.of_issuers(plan.get("issuers")?.as_array()?),
                        "key_auth" => known.of_keys(plan.get("keys")?.as_array()?),
                        _ => false,
                    };
                }
            }
        }
        found.then_some(known)
    }

    fn of_issuers(&mut self, issuers: &[Json]) -> bool {
        for issuer in issuers {
            let claims = issuer.get("claims_to_fact").and_then(Json::as_array);
            let claims = claims.into_iter().flatten().filter_map(Json::as_str);
            self.claims.extend(claims.map(str::to_owned));
            // Left out, it is the claim `groups`.
            let from_claim = issuer
                .get("groups_claim")
                .is_none_or(|claim| claim.as_array().is_none_or(|claims| !claims.is_empty()));
            self.groups |= from_claim || has_items(issuer, "groups");
        }
        true
    }

    fn of_keys(&mut self, keys: &[Json]) -> bool {
        for key in keys {
            let labels = key.get("labels").and_then(Json::as_object);
            self.claims
                .extend(labels.into_iter().flat_map(|labels| labels.keys().cloned()));
            self.groups |= has_items(key, "groups");
        }
        true
    }

    /// Whether somebody may have what is asked for (`Identity::look`): a claim that was handed on
    /// under the text of its path, or inside of another.
    fn answers(&self, question: &Question) -> bool {
        match question {
            Question::Groups => self.groups,
            Question::Claim(text) => match ClaimPath::parse(text) {
                Ok(path) => self.claims.contains(text) || self.claims.contains(path.first()),
                // The filter itself refuses it.
                Err(_) => true,
            },
        }
    }
}

fn has_items(of: &Json, name: &str) -> bool {
    list(of, name).next().is_some()
}

fn list<'a>(of: &'a Json, name: &str) -> impl Iterator<Item = &'a Json> {
    of.get(name).and_then(Json::as_array).into_iter().flatten()
}

/// What a filter asks with this configuration, and where. What only looks on decides nothing.
fn asked_by(ours: &Ours<'_, '_>, plan: &Json) -> Vec<(String, Question)> {
    let mut asked = Vec::new();
    match ours.part.name() {
        "consumer_acl" => {
            for (at, rule) in list(plan, "rules").enumerate() {
                if rule.get("mode").and_then(Json::as_str) != Some("shadow") {
                    of_who(rule, &format!("rules[{at}]"), &mut asked);
                }
            }
        }
        "rate_limit" => {
            for (at, policy) in list(plan, "policies").enumerate() {
                let path = format!("policies[{at}]");
                of_who(policy, &path, &mut asked);
                for (at, tier) in list(policy, "tiers").enumerate() {
                    of_who(tier, &format!("{path}.tiers[{at}]"), &mut asked);
                }
                for (at, part) in list(policy, "by").enumerate() {
                    let path = format!("{path}.by[{at}]");
                    if let Some(claim) = part.get("claim").and_then(Json::as_str) {
                        asked.push((path, Question::Claim(claim.to_owned())));
                    } else if part.as_str() == Some("group") || part.get("group_of").is_some() {
                        asked.push((path, Question::Groups));
                    }
                }
            }
        }
        "model_route" => {
            for (at, model) in list(plan, "models").enumerate() {
                for (key, sticky) in list(model, "sticky_by").enumerate() {
                    if let Some(claim) = sticky.get("claim").and_then(Json::as_str) {
                        let path = format!("models[{at}].sticky_by[{key}]");
                        asked.push((path, Question::Claim(claim.to_owned())));
                    }
                }
                for (number, one) in list(model, "overrides").enumerate() {
                    let path = format!("models[{at}].overrides[{number}]");
                    of_who(one, &path, &mut asked);
                }
            }
        }
        _ => {}
    }
    asked
}

fn of_who(rule: &Json, path: &str, asked: &mut Vec<(String, Question)>) {
    let Some(who) = rule.get("who") else { return };
    for (at, condition) in list(who, "claims").enumerate() {
        if let Some(claim) = condition.get("claim").and_then(Json::as_str) {
            let path = format!("{path}.who.claims[{at}].claim");
            asked.push((path, Question::Claim(claim.to_owned())));
        }
    }
    let groups = who.get("groups").and_then(Json::as_object);
    if groups.is_some_and(|groups| groups.values().any(|words| !words.is_null())) {
        asked.push((format!("{path}.who.groups"), Question::Groups));
    }
}
