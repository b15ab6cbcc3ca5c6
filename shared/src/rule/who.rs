//! Who asks: conditions on the identity that an earlier filter verified. A client's headers are
//! never looked at.
//!
//! What the identity leaves open (groups that did not fit into the token, a claim that cannot be
//! read) is neither a fit nor a misfit: an allowing rule must not fit on it, a denying one must
//! ([`Doubt`]).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Doubt;
use crate::claim::{ClaimPath, ClaimRule, Split, Test, Wanted};
use crate::config::Problems;
use crate::facts::Identity;
use crate::glob::Glob;

/// Conditions on the caller.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrittenWho {
    /// Whether there must be a verified identity: `required`, `absent` (nobody has authenticated)
    /// or `any`.
    pub identity: Presence,
    /// Names of consumers; `*` stands for any run of characters. One must fit.
    pub consumers: Vec<String>,
    /// Groups of the caller.
    pub groups: WrittenGroups,
    /// OAuth scopes, all of which the caller must have.
    pub scopes: Vec<String>,
    /// Claims, each of which must hold.
    pub claims: Vec<WrittenClaim>,
}

/// Whether a rule is for callers who are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Only for callers with a verified identity.
    #[default]
    Required,
    /// Only for callers without one.
    Absent,
    /// For everybody.
    Any,
}

/// Conditions on the caller's groups, compared exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrittenGroups {
    /// The caller must be in at least one of them.
    pub any_of: Vec<String>,
    /// The caller must be in all of them.
    pub all_of: Vec<String>,
    /// The caller must be known to be in none of them.
    pub none_of: Vec<String>,
}

/// A condition on one claim (of a token) or label (of a key). Exactly one of the tests is written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrittenClaim {
    /// Name of the claim, verbatim; or, beginning with `/`, a JSON Pointer: `/realm_access/roles`.
    pub claim: String,
    /// How text is read: `whole` is one word, `spaces` is several.
    pub split: WrittenSplit,
    /// At least one of these words is among the claim's. In a text, `*` stands for any run of
    /// characters.
    pub any_of: Option<Vec<serde_json::Value>>,
    /// All of these words are among the claim's.
    pub all_of: Option<Vec<serde_json::Value>>,
    /// None of these words is among the claim's; an absent claim passes, one that cannot be read
    /// does not.
    pub none_of: Option<Vec<serde_json::Value>>,
}

/// How a claim's text is read.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenSplit {
    /// One text is one word.
    #[default]
    Whole,
    /// Words between spaces.
    Spaces,
}

/// The caller, as far as a rule needs to know.
#[derive(Clone, Copy, Debug)]
pub enum Caller<'a> {
    /// Nobody has authenticated.
    Unknown,
    /// A filter has verified this identity.
    Known(&'a Identity),
}

impl<'a> From<Option<&'a Identity>> for Caller<'a> {
    fn from(identity: Option<&'a Identity>) -> Self {
        identity.map_or(Self::Unknown, Self::Known)
    }
}

/// Whom conditions are about at most: of each list a caller must have one, if it is known what he
/// has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Named<'a> {
    /// Anybody.
    Everybody,
    /// Consumers.
    Consumers(&'a [Glob]),
    /// Those in groups.
    Groups(&'a [String]),
    /// Those with scopes.
    Scopes(&'a [String]),
    /// Those whose claim has words.
    Claim(&'a ClaimRule, &'a [Wanted]),
}

/// Compiled conditions on the caller.
#[derive(Clone, Debug)]
pub struct Who {
    pub(super) presence: Presence,
    pub(super) consumers: Vec<Glob>,
    pub(super) groups: WrittenGroups,
    pub(super) scopes: Vec<String>,
    pub(super) claims: Vec<ClaimRule>,
}

/// A condition on the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhoCondition {
    /// Whether there is an identity.
    Identity,
    /// Its name.
    Consumers,
    /// One of several groups.
    AnyGroup,
    /// All of several groups.
    AllGroups,
    /// None of several groups.
    NoGroup,
    /// Scopes.
    Scopes,
    /// A claim.
    Claim,
}

impl WrittenWho {
    /// Compiles the conditions; what is wrong with them is added to `problems`.
    pub fn compile(self, problems: &mut Problems) -> Who {
        if self.identity == Presence::Absent && self.looks_at_identity() {
            problems.add(
                "identity",
                "a caller without identity has no consumer, groups, scopes or claims",
                "leave the other conditions out, or write `identity: required`",
            );
        }
        let claims = self
            .claims
            .into_iter()
            .enumerate()
            .filter_map(|(at, claim)| {
                problems.within(&format!("claims[{at}]"), |p| claim.compile(p))
            })
            .collect();
        Who {
            presence: self.identity,
            consumers: self
                .consumers
                .iter()
                .map(|pattern| Glob::new(pattern))
                .collect(),
            groups: self.groups,
            scopes: self.scopes,
            claims,
        }
    }

    /// Whether a condition looks at the identity itself, not only at whether there is one.
    pub fn looks_at_identity(&self) -> bool {
        !(self.consumers.is_empty()
            && self.groups == WrittenGroups::default()
            && self.scopes.is_empty()
            && self.claims.is_empty())
    }
}

impl WrittenClaim {
    fn compile(self, problems: &mut Problems) -> Option<ClaimRule> {
        let path = match ClaimPath::parse(&self.claim) {
            Ok(path) => path,
            Err(fault) => {
                problems.add("claim", "is not a claim", fault.to_string());
                return None;
            }
        };
        let test = match (self.any_of, self.all_of, self.none_of) {
            (Some(words), None, None) => Some((Test::AnyOf as fn(_) -> _, words)),
            (None, Some(words), None) => Some((Test::AllOf as fn(_) -> _, words)),
            (None, None, Some(words)) => Some((Test::NoneOf as fn(_) -> _, words)),
            (None, None, None) => None,
            _ => {
                problems.add(
                    "",
                    "has more than one test",
                    "write any_of, all_of or none_of; more of them as further claims",
                );
                return None;
            }
        };
        if let Some((_, words)) = &test
            && (words.is_empty()
                || words
                    .iter()
                    .any(|word| word.is_array() || word.is_object() || word.is_null()))
        {
            problems.add(
                "",
                "tests for no words, or for something that is not a word",
                "write texts, numbers or booleans",
            );
            return None;
        }
        let split = match self.split {
            WrittenSplit::Whole => Split::Whole,
            WrittenSplit::Spaces => Split::Spaces,
        };
        Some(ClaimRule {
            path,
            split,
            test: test.map_or(Test::Present, |(test, words)| test(Test::words(words))),
        })
    }
}

impl Who {
    /// Whether the conditions can hold of a caller with an identity.
    pub fn fits_somebody(&self) -> bool {
        self.presence != Presence::Absent
    }

    /// Whether the conditions hold of every caller with an identity.
    pub fn fits_everybody(&self) -> bool {
        self.fits_somebody()
            && self.consumers.is_empty()
            && self.groups == WrittenGroups::default()
            && self.scopes.is_empty()
            && self.claims.is_empty()
    }

    /// The narrowest condition that an index can be built on.
    pub(super) fn named(&self) -> Named<'_> {
        let of_claim = |claim| Some(Named::Claim(claim, claim.needs_one_of()?));
        let names = &self.consumers;
        if !names.is_empty() && names.iter().all(|name| name.selectivity().is_some()) {
            Named::Consumers(&self.consumers)
        } else if !self.groups.any_of.is_empty() {
            Named::Groups(&self.groups.any_of)
        } else if let Some(one) = self.groups.all_of.get(..1) {
            Named::Groups(one)
        } else if let Some(named) = self.claims.iter().find_map(of_claim) {
            named
        } else if let Some(one) = self.scopes.get(..1) {
            Named::Scopes(one)
        } else {
            Named::Everybody
        }
    }

    /// Whether every condition holds of the caller; `doubt` says how one counts that cannot be
    /// decided.
    pub fn fits(&self, caller: Caller<'_>, doubt: Doubt) -> bool {
        self.first_failed(caller, doubt).is_none()
    }

    /// The first condition that does not hold of the caller.
    pub(super) fn first_failed(&self, caller: Caller<'_>, doubt: Doubt) -> Option<WhoCondition> {
        match (caller, self.presence) {
            (Caller::Unknown, Presence::Required) | (Caller::Known(_), Presence::Absent) => {
                Some(WhoCondition::Identity)
            }
            (Caller::Known(identity), _) => self.failed_of(identity, doubt),
            (Caller::Unknown, _) => self.failed_of(&Identity::default(), doubt),
        }
    }

    fn failed_of(&self, identity: &Identity, doubt: Doubt) -> Option<WhoCondition> {
        let in_doubt = doubt == Doubt::Fits;
        let is_in =
            |group: &String| identity.groups.has(group) || (identity.groups_unknown && in_doubt);
        let is_out =
            |group: &String| !identity.groups.has(group) && (!identity.groups_unknown || in_doubt);
        let is_granted =
            |scope: &String| identity.scopes.has(scope) || (identity.scopes_unknown && in_doubt);
        let is_named =
            |pattern: &Glob| !identity.consumer.is_empty() && pattern.matches(&identity.consumer);
        if !(self.consumers.is_empty() || self.consumers.iter().any(is_named)) {
            return Some(WhoCondition::Consumers);
        }
        if !(self.groups.any_of.is_empty() || self.groups.any_of.iter().any(is_in)) {
            return Some(WhoCondition::AnyGroup);
        }
        if !self.groups.all_of.iter().all(is_in) {
            return Some(WhoCondition::AllGroups);
        }
        if !self.groups.none_of.iter().all(is_out) {
            return Some(WhoCondition::NoGroup);
        }
        if !self.scopes.iter().all(is_granted) {
            return Some(WhoCondition::Scopes);
        }
        let mut claims = self.claims.iter();
        let fails = claims.any(|claim| fails(claim, identity, doubt));
        fails.then_some(WhoCondition::Claim)
    }

    /// Place of the first claim whose condition does not hold.
    pub(super) fn failed_claim(&self, identity: &Identity, doubt: Doubt) -> Option<usize> {
        let mut claims = self.claims.iter();
        claims.position(|claim| fails(claim, identity, doubt))
    }
}

/// Whether the condition on a claim does not hold.
fn fails(claim: &ClaimRule, identity: &Identity, doubt: Doubt) -> bool {
    let reading = identity.read(&claim.path, claim.split);
    !claim.holds(&reading).unwrap_or(doubt == Doubt::Fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn who(written: serde_json::Value) -> Who {
        let mut problems = Problems::default();
        let who = serde_json::from_value::<WrittenWho>(written)
            .unwrap()
            .compile(&mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        who
    }

    fn ann() -> Identity {
        serde_json::from_value(json!({"consumer": "ann", "groups": ["ml", "dev"], "scopes": ["infer"], "claims": {"tier": "gold", "realm": {"roles": ["a", "b"]}}})).unwrap()
    }

    #[test]
    fn every_condition_must_hold() {
        for (written, fits) in [
            (json!({}), true),
            (json!({"consumers": ["ann"]}), true),
            (json!({"consumers": ["bob", "a*"]}), true),
            (json!({"consumers": ["Ann"]}), false),
            (json!({"groups": {"any_of": ["x", "ml"]}}), true),
            (json!({"groups": {"any_of": ["m*"]}}), false),
            (json!({"groups": {"all_of": ["ml", "dev"]}}), true),
            (json!({"groups": {"all_of": ["ml", "x"]}}), false),
            (json!({"groups": {"none_of": ["x"]}}), true),
            (
                json!({"groups": {"any_of": ["ml"], "none_of": ["dev"]}}),
                false,
            ),
            (json!({"scopes": ["infer"]}), true),
            (json!({"scopes": ["infer", "train"]}), false),
            (
                json!({"claims": [{"claim": "tier", "any_of": ["gold"]}]}),
                true,
            ),
            (
                json!({"claims": [{"claim": "/realm/roles", "all_of": ["a", "b"]}, {"claim": "tier", "none_of": ["gold"]}]}),
                false,
            ),
            (
                json!({"consumers": ["ann"], "groups": {"any_of": ["x"]}}),
                false,
            ),
            (json!({"identity": "any"}), true),
            (json!({"identity": "absent"}), false),
        ] {
            assert_eq!(
                who(written.clone()).fits(Caller::Known(&ann()), Doubt::Misfits),
                fits,
                "{written}"
            );
        }
    }

    #[test]
    fn without_identity_only_rules_for_it_fit() {
        for (written, fits) in [
            (json!({}), false),
            (json!({"groups": {"none_of": ["x"]}}), false),
            (json!({"identity": "absent"}), true),
            (json!({"identity": "any"}), true),
            (json!({"identity": "any", "consumers": ["*"]}), false),
            (
                json!({"identity": "any", "groups": {"none_of": ["x"]}}),
                true,
            ),
        ] {
            assert_eq!(
                who(written.clone()).fits(Caller::Unknown, Doubt::Misfits),
                fits,
                "{written}"
            );
        }
    }

    #[test]
    fn what_is_unknown_fits_only_in_doubt() {
        let over = json!({
            "consumer": "ann", "groups": ["ml"], "groups_unknown": true, "scopes_unknown": true,
            "claims": {"odd": {"a": 1}, "tier": "gold", "/realm/roles": ["a"]}, "claims_unknown": ["dept"],
        });
        let identity: Identity = serde_json::from_value(over).unwrap();
        let both = Some(true);
        let neither = Some(false);
        let open = None;
        for (written, fits) in [
            (json!({}), both),
            (json!({"groups": {"any_of": ["ml"]}}), both),
            (json!({"groups": {"any_of": ["x"]}}), open),
            (json!({"groups": {"all_of": ["ml", "x"]}}), open),
            (json!({"groups": {"none_of": ["x"]}}), open),
            (json!({"groups": {"none_of": ["ml"]}}), neither),
            (json!({"scopes": ["infer"]}), open),
            (
                json!({"claims": [{"claim": "dept", "none_of": ["x"]}]}),
                open,
            ),
            (
                json!({"claims": [{"claim": "/dept/name", "any_of": ["x"]}]}),
                open,
            ),
            (
                json!({"claims": [{"claim": "odd", "none_of": ["x"]}]}),
                open,
            ),
            (
                json!({"claims": [{"claim": "/tier/x", "none_of": ["x"]}]}),
                open,
            ),
            (
                json!({"claims": [{"claim": "gone", "none_of": ["x"]}]}),
                both,
            ),
            (
                json!({"claims": [{"claim": "/realm/roles", "any_of": ["a*"]}]}),
                both,
            ),
            (
                json!({"claims": [{"claim": "tier", "any_of": ["tin"]}, {"claim": "dept"}]}),
                neither,
            ),
            (
                json!({"consumers": ["bob"], "groups": {"any_of": ["x"]}}),
                neither,
            ),
        ] {
            let who = who(written.clone());
            let by = |doubt| who.fits(Caller::Known(&identity), doubt);
            assert_eq!(
                (by(Doubt::Misfits), by(Doubt::Fits)),
                (fits.unwrap_or(false), fits.unwrap_or(true)),
                "{written}"
            );
        }
        let all = Identity {
            claims_unknown: vec!["*".to_owned()],
            ..Identity::default()
        };
        let none_of = who(json!({"claims": [{"claim": "any", "none_of": ["x"]}]}));
        assert!(!none_of.fits(Caller::Known(&all), Doubt::Misfits));
    }

    #[test]
    fn contradictions_are_problems() {
        for written in [
            json!({"identity": "absent", "consumers": ["ann"]}),
            json!({"claims": [{"claim": ""}]}),
            json!({"claims": [{"claim": "a", "any_of": ["x"], "none_of": ["y"]}]}),
            json!({"claims": [{"claim": "a", "any_of": []}]}),
            json!({"claims": [{"claim": "a", "all_of": [["x"]]}]}),
        ] {
            let mut problems = Problems::default();
            serde_json::from_value::<WrittenWho>(written.clone())
                .unwrap()
                .compile(&mut problems);
            assert_eq!(problems.found().len(), 1, "{written}");
        }
    }
}
