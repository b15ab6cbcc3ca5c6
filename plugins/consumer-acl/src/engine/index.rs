//! Which rules can fit a request at all: looked up by the caller's name, his groups and the model,
//! so that what a decision costs does not grow with the number of rules for other callers and
//! models.
//!
//! A rule stands on the lists of the callers that it names ([`ByCaller`]), and there by the models
//! that it names, or in front. What is looked up is a superset of the rules that fit; each is then
//! tried as if there were no index.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use modelgate_kit::rule::by_caller::{ByCaller, FEWEST};
use modelgate_kit::rule::{Asked, Caller, Models};

use super::{Effect, Rule};

/// Rules for the same callers, by their places.
#[derive(Clone, Debug, Default)]
struct ByModel {
    /// Those that do not name their models.
    front: Vec<u32>,
    /// Allowing ones, by each model that they name.
    exact: BTreeMap<String, Vec<u32>>,
    /// Denying ones, by each form of a model's name.
    spelled: BTreeMap<String, Vec<u32>>,
    /// All of `spelled`, for requests whose model is in doubt.
    denying: Vec<u32>,
    /// One of each kind in `exact` and `spelled` that is alike in everything but the model.
    kinds: Vec<u32>,
}

/// Rules by what they name.
#[derive(Clone, Debug, Default)]
pub struct Index(ByCaller<ByModel>);

impl ByModel {
    fn put(&mut self, at: u32, rule: &Rule) {
        let (names, by_name) = match rule.effect {
            Effect::Allow => (rule.what.named_models(), &mut self.exact),
            Effect::Deny => (rule.what.spelled_models(), &mut self.spelled),
        };
        let Some(names) = names else {
            self.front.push(at);
            return;
        };
        for name in names {
            by_name.entry(name.to_owned()).or_default().push(at);
        }
        if rule.effect == Effect::Deny {
            self.denying.push(at);
        }
    }

    fn take(&self, asked: &Asked<'_>, found: &mut Vec<u32>) {
        found.extend_from_slice(&self.front);
        match asked.models() {
            Models::Unknown => {
                found.extend_from_slice(&self.denying);
                return;
            }
            // Each must fit, so the first one must.
            Models::Named(names) => {
                let named = names.first().and_then(|name| self.exact.get(name));
                found.extend(named.into_iter().flatten());
            }
            Models::None => {}
        }
        if !self.spelled.is_empty() {
            for form in asked.forms() {
                found.extend(self.spelled.get(form).into_iter().flatten());
            }
        }
    }
}

impl Index {
    /// An index of these rules; none if they are few.
    pub fn of(rules: &[Rule]) -> Option<Self> {
        (rules.len() >= FEWEST).then(|| Self::new(rules))
    }

    fn new(rules: &[Rule]) -> Self {
        let mut index = ByCaller::default();
        // Rules of one kind differ in the model at most; each kind has a number.
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        // ByModel and kind of each rule that `ByModel::kinds` has one of already.
        let mut known: BTreeSet<(String, usize)> = BTreeSet::new();
        for (at, rule) in (0_u32..).zip(rules) {
            // A rule may stand on a list for each of its groups: what it says is written out once.
            let kind = LazyCell::new(|| {
                let next = kinds.len();
                let said = format!(
                    "{:?}{:?}{}",
                    rule.effect,
                    rule.who,
                    rule.what.but_for_model()
                );
                *kinds.entry(said).or_insert(next)
            });
            index.enter(at, &rule.who, |list: &mut ByModel, whose| {
                let in_front = list.front.len();
                list.put(at, rule);
                let name = || format!("{whose:?}");
                if list.front.len() == in_front && known.insert((name(), *kind)) {
                    list.kinds.push(at);
                }
            });
        }
        Self(index)
    }

    /// Places of all rules that can fit, in their order.
    pub fn candidates(&self, caller: Caller<'_>, asked: &Asked<'_>) -> Vec<u32> {
        let mut found = self.0.in_doubt(caller).to_vec();
        for list in self.0.lists(caller) {
            list.take(asked, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Places of rules, among them one that fits in everything but the model if any rule over
    /// models does.
    pub fn over_models<'a>(&'a self, caller: Caller<'a>) -> impl Iterator<Item = u32> + 'a {
        let on_shelves = self
            .0
            .lists(caller)
            .flat_map(|list| list.front.iter().chain(&list.kinds));
        on_shelves.chain(self.0.in_doubt(caller)).copied()
    }
}

#[cfg(test)]
mod tests {
    use modelgate_kit::config::Problems;
    use modelgate_kit::facts::Identity;
    use modelgate_kit::headers::HeaderBlock;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::{Combining, Engine};
    use super::*;
    use crate::config::Config;

    fn engine(rules: &Value, combining: Combining) -> Engine {
        let mut problems = Problems::default();
        let rules = serde_json::from_value(rules.clone()).unwrap();
        let engine = Config::compile_rules(rules, combining, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        engine
    }

    fn request(model: &str) -> HeaderBlock {
        let path = format!("/v2/models/{model}/infer");
        HeaderBlock::from_pairs([(&b":method"[..], &b"POST"[..]), (b":path", path.as_bytes())])
    }

    #[test]
    fn ten_thousand_rules_for_others_are_not_looked_at() {
        for who in [
            |n: usize| json!({"consumers": [format!("c{n}")]}),
            |n: usize| json!({"groups": {"any_of": [format!("g{n}")]}}),
            |n: usize| json!({"groups": {"any_of": [format!("g{}", n % 2)]}}),
            |_: usize| json!({"identity": "any"}),
        ] {
            for effect in ["allow", "deny"] {
                let rules: Vec<Value> = (0..10_000)
                    .map(|n| {
                        json!({"id": format!("r{n}"), "effect": effect, "who": who(n),
                               "what": {"operations": ["infer"], "models": [format!("m{n}")]}})
                    })
                    .collect();
                let engine = engine(&json!(rules), Combining::DenyOverrides);
                let identity: Identity =
                    serde_json::from_value(json!({"consumer": "c77", "groups": ["g77", "g1"]}))
                        .unwrap();
                let caller = Caller::Known(&identity);
                let headers = request("m77");
                let asked = Asked::read(&headers).unwrap();
                let index = engine.index.as_ref().unwrap();
                assert!(index.candidates(caller, &asked).len() <= 2);
                assert!(index.over_models(caller).count() <= 4);
                assert_eq!(engine.decide(caller, &asked).rule, Some(77));
            }
        }
    }

    fn name() -> impl Strategy<Value = &'static str> {
        prop_oneof![
            Just("a"),
            Just("b"),
            Just("A"),
            Just("*"),
            Just("a*"),
            Just("b:latest")
        ]
    }

    fn rule() -> impl Strategy<Value = Value> {
        let names = || proptest::collection::vec(name(), 0..3);
        (any::<bool>(), any::<bool>(), 0_u8..3, names(), names(), names(), any::<bool>()).prop_map(
            |(allow, shadow, presence, consumers, groups, models, all)| {
                let groups = if all { json!({"all_of": groups}) } else { json!({"any_of": groups}) };
                json!({
                    "effect": if allow { "allow" } else { "deny" },
                    "mode": if shadow { "shadow" } else { "enforce" },
                    "who": match presence {
                        0 => json!({"identity": "absent"}),
                        1 => json!({"identity": "any", "consumers": consumers, "groups": groups}),
                        _ => json!({"consumers": consumers, "groups": groups}),
                    },
                    "what": {"models": models},
                })
            },
        )
    }

    proptest! {
        #[test]
        fn the_index_changes_no_decision(
            rules in proptest::collection::vec(rule(), 0..8), first_match: bool, known: bool, unknown_groups: bool,
            consumer in name(), groups in proptest::collection::vec(name(), 0..3), target in prop_oneof![
                Just("/v2/models/a/infer"), Just("/v2/models/A/infer"), Just("/v2/models/b/infer"), Just("/v2/health/live?model=a"),
                Just("/v2/models/a/infer?model=B"), Just("/other"), Just("/v1/chat/completions"), Just("/endpoints/a/invocations"),
            ],
        ) {
            let rules: Vec<Value> = rules.into_iter().enumerate().map(|(at, mut rule)| {
                rule["id"] = json!(format!("r{at}"));
                rule
            }).collect();
            let combining = if first_match { Combining::FirstMatch } else { Combining::DenyOverrides };
            let plain = engine(&json!(rules), combining);
            prop_assert!(plain.index.is_none());
            let mut indexed = plain.clone();
            indexed.index = Some(Index::new(plain.rules()));
            let identity: Identity = serde_json::from_value(json!({"consumer": consumer, "groups": groups, "groups_unknown": unknown_groups})).unwrap();
            let caller = if known { Caller::Known(&identity) } else { Caller::Unknown };
            let headers = HeaderBlock::from_pairs([
                (&b":method"[..], if target.contains("health") { &b"GET"[..] } else { b"POST" }),
                (b":path", target.as_bytes()),
                (b"x-amzn-sagemaker-target-model", b"b"),
            ]);
            let asked = Asked::read(&headers).unwrap();
            prop_assert_eq!(plain.decide(caller, &asked), indexed.decide(caller, &asked));
            prop_assert_eq!(plain.needs_model(caller, &asked), indexed.needs_model(caller, &asked));
            prop_assert_eq!(plain.shadows(caller, &asked), indexed.shadows(caller, &asked));
        }
    }
}
