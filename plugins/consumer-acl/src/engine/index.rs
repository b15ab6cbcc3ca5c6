//! Which rules can fit a request at all: looked up by the caller, the model and the path, so that
//! what a decision costs does not grow with the number of rules for others.
//!
//! A rule stands on the lists of the callers that it names ([`ByCaller`]), there by the models that
//! it names, and there by the paths; what it does not name, it stands in front of. Those that are
//! for somebody, whoever he is, stand on one more list, for callers who are nobody yet. What is
//! looked up is a superset of the rules that fit; each is then tried as if there were no index.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use modelgate_kit::bucket::{Seed, siphash24};
use modelgate_kit::glob::Patterns;
use modelgate_kit::rule::by_caller::{ByCaller, FEWEST};
use modelgate_kit::rule::{Asked, Caller, Models, What};
use modelgate_kit::sorting;

use super::{Effect, Rule};

/// Rules by the paths that they name.
#[derive(Clone, Debug, Default)]
struct ByPath {
    /// Those that name none.
    front: Vec<u32>,
    /// The others. Most lists have none, and there may be ten thousand of these.
    named: Option<Box<Patterns<Vec<u32>>>>,
}

/// Rules for the same callers, by their places.
#[derive(Clone, Debug, Default)]
struct ByModel {
    /// Tells lists apart, once it has a rule.
    number: Option<u32>,
    /// Rules that do not name their models.
    front: ByPath,
    /// Allowing ones, by each model that they name.
    exact: Patterns<ByPath>,
    /// Denying ones, by each form of a model's name.
    spelled: Patterns<ByPath>,
    /// The first of each kind in `exact` and `spelled`: one that is alike in everything but the
    /// model.
    kinds: ByPath,
    /// Denying ones in `spelled` that only show what they would do: each counts by itself.
    shadows: Vec<u32>,
}

/// Rules by what they name.
#[derive(Clone, Debug, Default)]
pub struct Index {
    by_caller: ByCaller<ByModel>,
    /// Of rules that are alike but for whom they are about, the first.
    somebody: ByModel,
}

/// Puts a rule on a list. Several of its names may begin alike, and lead there.
fn enter(places: &mut Vec<u32>, at: u32) {
    if places.last() != Some(&at) {
        places.push(at);
    }
}

impl ByPath {
    fn put(&mut self, at: u32, what: &What) {
        let mut paths = what.paths().peekable();
        if paths.peek().is_none() {
            enter(&mut self.front, at);
        }
        for path in paths {
            enter(self.named.get_or_insert_default().entry(&path), at);
        }
    }

    fn take(&self, asked: &Asked<'_>, found: &mut Vec<u32>) {
        found.extend_from_slice(&self.front);
        if let Some(named) = &self.named {
            let mut lists = Vec::new();
            named.find(&asked.path().text(), &mut lists);
            found.extend(lists.into_iter().flatten());
        }
    }
}

impl ByModel {
    /// Puts a rule on the list; whether it stands there by its models.
    fn put(&mut self, at: u32, rule: &Rule) -> bool {
        if !rule.what.looks_at_model() {
            self.front.put(at, &rule.what);
            return false;
        }
        match rule.effect {
            Effect::Allow => {
                let names = rule.what.models().iter();
                names.for_each(|name| self.exact.entry(name).put(at, &rule.what));
            }
            Effect::Deny => {
                let names = rule.what.spelled_models();
                names.for_each(|name| self.spelled.entry(name).put(at, &rule.what));
            }
        }
        if rule.effect == Effect::Deny && rule.shadow {
            self.shadows.push(at);
        }
        true
    }

    fn take(&self, asked: &Asked<'_>, found: &mut Vec<u32>) {
        self.front.take(asked, found);
        let mut lists = Vec::new();
        match asked.models() {
            // Denying rules of one kind fit alike, and the first decides.
            Models::Unknown => {
                self.kinds.take(asked, found);
                found.extend_from_slice(&self.shadows);
                return;
            }
            // Each must fit, so the first one must.
            Models::Named(names) => {
                let first = names.first().filter(|_| !self.exact.is_empty());
                first
                    .into_iter()
                    .for_each(|name| self.exact.find(name, &mut lists));
            }
            Models::None => {}
        }
        if !self.spelled.is_empty() {
            asked
                .forms()
                .for_each(|form| self.spelled.find(form, &mut lists));
        }
        for list in lists {
            list.take(asked, found);
        }
    }
}

/// Numbers for what rules say.
#[derive(Default)]
struct Kinds {
    numbers: BTreeMap<[u64; 2], u32>,
    text: String,
}

impl Kinds {
    /// The same number for the same text, which is not kept: ten thousand of them would be
    /// megabytes.
    fn number(&mut self, said: std::fmt::Arguments<'_>) -> u32 {
        self.text.clear();
        // Writing to memory does not fail.
        let _ = self.text.write_fmt(said);
        let print = [0, 1].map(|k1| siphash24(Seed { k0: 0, k1 }, self.text.as_bytes()));
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(print).or_insert(next)
    }
}

impl Index {
    /// An index of these rules; none if they are few.
    pub fn of(rules: &[Rule]) -> Option<Self> {
        (rules.len() >= FEWEST).then(|| Self::new(rules))
    }

    fn new(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        let mut kinds = Kinds::default();
        // List and kind of each rule that `ByModel::kinds` has one of already.
        let mut known: BTreeSet<(u32, u32)> = BTreeSet::new();
        let mut lists = 0_u32;
        let mut whats: BTreeSet<u32> = BTreeSet::new();
        for (at, rule) in (0_u32..).zip(rules) {
            let Rule {
                effect,
                shadow,
                who,
                what,
                ..
            } = rule;
            let but_for_model = what.but_for_model();
            let kind = kinds.number(format_args!("{effect:?}{shadow}{who:?}{but_for_model}"));
            index.by_caller.enter(at, who, |list: &mut ByModel| {
                let number = *list.number.get_or_insert_with(|| {
                    lists = lists.saturating_add(1);
                    lists
                });
                if list.put(at, rule) && known.insert((number, kind)) {
                    list.kinds.put(at, what);
                }
            });
            if rule.is_for_somebody()
                && whats.insert(kinds.number(format_args!("{effect:?}{what:?}")))
            {
                let alike = kinds.number(format_args!("{effect:?}{but_for_model}"));
                if index.somebody.put(at, rule) && known.insert((0, alike)) {
                    index.somebody.kinds.put(at, what);
                }
            }
        }
        index
    }

    /// Places of all rules that can fit, in their order.
    pub fn candidates(&self, caller: Caller<'_>, asked: &Asked<'_>) -> Vec<u32> {
        let mut found = self.by_caller.in_doubt(caller);
        for list in self.by_caller.lists(caller) {
            list.take(asked, &mut found);
        }
        sorting::sort(&mut found);
        found.dedup();
        found
    }

    /// Places of rules, among them one that fits in everything but the model if any rule over
    /// models does.
    pub fn over_models(&self, caller: Caller<'_>, asked: &Asked<'_>) -> Vec<u32> {
        let mut found = self.by_caller.in_doubt(caller);
        for list in self.by_caller.lists(caller) {
            list.kinds.take(asked, &mut found);
        }
        found
    }

    /// Places of rules, among them one like each that is for somebody ([`Rule::is_for_somebody`])
    /// and can fit, but for whom it is about; and if the model can still be learnt, one that fits
    /// in everything but the model if any does.
    pub fn for_somebody(&self, asked: &Asked<'_>, unread: bool) -> Vec<u32> {
        let mut found = Vec::new();
        self.somebody.take(asked, &mut found);
        if unread {
            self.somebody.kinds.take(asked, &mut found);
        }
        sorting::sort(&mut found);
        found.dedup();
        found
    }
}

#[cfg(test)]
mod tests {
    use modelgate_kit::config::Problems;
    use modelgate_kit::facts::Identity;
    use modelgate_kit::headers::HeaderBlock;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use std::rc::Rc;

    use super::super::{Combining, Engine, Rules};
    use super::*;
    use crate::config::Reading;

    fn engine(rules: &Value, combining: Combining) -> Engine {
        let mut problems = Problems::default();
        let rules = serde_json::from_value(rules.clone()).unwrap();
        let rules = Reading::all(rules, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        Engine::new(combining, Rc::new(rules))
    }

    fn request(model: &str) -> HeaderBlock {
        let path = format!("/v2/models/{model}/infer");
        HeaderBlock::from_pairs([(&b":method"[..], &b"POST"[..]), (b":path", path.as_bytes())])
    }

    #[test]
    fn ten_thousand_rules_for_others_are_not_looked_at() {
        // How many rules may be tried at most, and whom rule `n` is about.
        type Whom = fn(usize) -> Value;
        let kinds: [(usize, Whom); 10] = [
            (2, |n| json!({"consumers": [format!("c{n}")]})),
            (2, |n| json!({"groups": {"any_of": [format!("g{n}")]}})),
            (
                2,
                |n| json!({"groups": {"any_of": [format!("g{}", n % 2)]}}),
            ),
            (2, |_| json!({"identity": "any"})),
            (3, |n| json!({"consumers": [format!("c{n}*")]})),
            (2, |n| json!({"scopes": [format!("s{n}"), "s"]})),
            (
                2,
                |n| json!({"claims": [{"claim": "team", "any_of": [format!("t{n}")]}]}),
            ),
            (
                2,
                |n| json!({"claims": [{"claim": "team", "any_of": [format!("t{n}-*")]}]}),
            ),
            (
                2,
                |n| json!({"claims": [{"claim": "team", "all_of": [n, "t"]}]}),
            ),
            (
                2,
                |n| json!({"claims": [{"claim": "/a/team", "split": "spaces", "all_of": ["*x", format!("t{n}")]}]}),
            ),
        ];
        for (most, who) in kinds {
            for effect in ["allow", "deny"] {
                let rules: Vec<Value> = (0..10_000)
                    .map(|n| {
                        json!({"id": format!("r{n}"), "effect": effect, "who": who(n),
                               "what": {"operations": ["infer"], "models": [format!("m{n}")]}})
                    })
                    .collect();
                let engine = engine(&json!(rules), Combining::DenyOverrides);
                let identity: Identity = serde_json::from_value(json!({
                    "consumer": "c77", "groups": ["g77", "g1"], "scopes": ["s77", "s"],
                    "claims": {"team": ["t77", "t", "t77-x", 77.0], "/a/team": "t77 x"},
                }))
                .unwrap();
                let caller = Caller::Known(&identity);
                let headers = request("m77");
                let asked = Asked::read(&headers).unwrap();
                let index = engine.rules.index.as_ref().unwrap();
                assert!(index.candidates(caller, &asked).len() <= most);
                assert!(index.over_models(caller, &asked).len() <= 4);
                assert!(index.for_somebody(&asked, true).len() <= 4);
                assert_eq!(engine.decide(caller, &asked).rule, Some(77));
            }
        }
    }

    #[test]
    fn thousands_of_rules_for_other_paths_and_models_are_not_looked_at() {
        type What = fn(usize) -> Value;
        let kinds: [What; 11] = [
            |n| json!({"paths": [format!("/v2/models/m{n}/**")]}),
            |n| json!({"paths": [format!("/v2/models/m{n}/infer"), "/v2/health/**"]}),
            |n| json!({"paths": [format!("/v{{x}}/{n}"), format!("/v2/models/m{n}/{{x}}")]}),
            |n| json!({"paths": [format!("/v2/models/m{n}/**")], "operations": ["infer"], "methods": ["POST"]}),
            |n| json!({"models": [format!("*m{n}")]}),
            |n| json!({"models": [format!("*m{n}*")]}),
            |n| json!({"models": [format!("*{n}")], "paths": ["/v2/**"]}),
            |n| json!({"models": ["*"], "paths": [format!("/v2/models/m{n}/**")]}),
            |n| json!({"models": ["m*", "*x*"], "paths": [format!("/v2/models/m{n}/{{x}}"), format!("/{n}")]}),
            |n| json!({"models": ["m1077", "m1*"], "paths": [format!("/v2/models/m{n}/**")]}),
            |n| json!({"models": [format!("**m{n}**"), format!("*x*{n}-y*"), format!("x*m{n}")]}),
        ];
        for what in kinds {
            for (effect, who) in [("allow", json!({})), ("deny", json!({"identity": "any"}))] {
                let rules: Vec<Value> = (1_000..4_000)
                    .map(|n| json!({"id": format!("r{n}"), "effect": effect, "who": who, "what": what(n)}))
                    .collect();
                let engine = engine(&json!(rules), Combining::DenyOverrides);
                let identity: Identity = serde_json::from_value(json!({"consumer": "c"})).unwrap();
                let caller = Caller::Known(&identity);
                let headers = request("m1077");
                let asked = Asked::read(&headers).unwrap();
                let index = engine.rules.index.as_ref().unwrap();
                assert!(index.candidates(caller, &asked).len() <= 2, "{}", what(7));
                assert!(index.over_models(caller, &asked).len() <= 2);
                assert!(index.for_somebody(&asked, true).len() <= 4);
                assert_eq!(engine.decide(caller, &asked).rule, Some(77), "{}", what(7));
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
            Just("*a"),
            Just("*b*"),
            Just("b:latest")
        ]
    }

    fn path() -> impl Strategy<Value = &'static str> {
        prop_oneof![
            Just("/v2/**"),
            Just("/v2/models/{x}/infer"),
            Just("/v2/models/a/infer"),
            Just("/{x}/models/**"),
            Just("/other"),
            Just("/**"),
        ]
    }

    fn rule() -> impl Strategy<Value = Value> {
        let names = || proptest::collection::vec(name(), 0..3);
        let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
        let models = (names(), proptest::collection::vec(path(), 0..2));
        (flags, 0_u8..3, names(), names(), names(), models, claims()).prop_map(
            |((allow, shadow, all, get), presence, consumers, groups, scopes, (models, paths), claims)| {
                let groups = if all { json!({"all_of": groups}) } else { json!({"any_of": groups}) };
                let who = json!({"consumers": consumers, "groups": groups, "scopes": scopes, "claims": claims});
                json!({
                    "effect": if allow { "allow" } else { "deny" },
                    "mode": if shadow { "shadow" } else { "enforce" },
                    "who": match presence {
                        0 => json!({"identity": "absent"}),
                        1 => {
                            let mut who = who;
                            who["identity"] = json!("any");
                            who
                        }
                        _ => who,
                    },
                    "what": {"models": models, "paths": paths, "methods": if get { json!(["GET"]) } else { json!([]) }},
                })
            },
        )
    }

    fn word() -> impl Strategy<Value = Value> {
        prop_oneof![
            4 => name().prop_map(Value::from),
            1 => Just(json!(1)),
            1 => Just(json!(1.0)),
            1 => Just(json!(true)),
        ]
    }

    fn claims() -> impl Strategy<Value = Value> {
        let claim = (
            prop_oneof![Just("team"), Just("/team"), Just("/team/x")],
            any::<bool>(),
            prop_oneof![Just("any_of"), Just("all_of"), Just("none_of")],
            proptest::collection::vec(word(), 1..3),
        );
        let claim = claim.prop_map(|(claim, spaces, test, words)| {
            let split = if spaces { "spaces" } else { "whole" };
            json!({"claim": claim, "split": split, test: words})
        });
        // Most rules are about no claim.
        proptest::option::weighted(0.4, claim).prop_map(|claim| json!(Vec::from_iter(claim)))
    }

    proptest! {
        #[test]
        fn the_index_changes_no_decision(
            rules in proptest::collection::vec(rule(), 0..8), (first_match, known) in any::<(bool, bool)>(),
            (unknown_groups, unknown_scopes, unknown_claims) in any::<(bool, bool, bool)>(), consumer in name(), groups in proptest::collection::vec(name(), 0..3),
            scopes in proptest::collection::vec(name(), 0..3), team in prop_oneof![
                3 => proptest::collection::vec(word(), 0..4).prop_map(Value::from), 1 => Just(json!("a b")), 1 => Just(json!({"x": "a"})), 1 => Just(json!(null)),
            ], target in prop_oneof![
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
            prop_assert!(plain.rules.index.is_none());
            let index = Some(Index::new(plain.rules()));
            let indexed = Engine::new(combining, Rc::new(Rules { index, ..(*plain.rules).clone() }));
            let identity: Identity = serde_json::from_value(json!({
                "consumer": consumer, "groups": groups, "groups_unknown": unknown_groups, "scopes": scopes, "scopes_unknown": unknown_scopes,
                "claims": {"team": team}, "claims_unknown": if unknown_claims { json!(["*"]) } else { json!([]) },
            })).unwrap();
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
            prop_assert_eq!(plain.lacks_only_the_model(caller, &asked), indexed.lacks_only_the_model(caller, &asked));
            for read in [false, true] {
                prop_assert_eq!(plain.could_allow_somebody(&asked, read), indexed.could_allow_somebody(&asked, read));
            }
        }
    }
}
