//! Tests of compiled limits: an index of tiers changes no limit.

use modelgate_kit::facts::Identity;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn policy(tiers: &Value) -> Policy {
    let written: WrittenPolicy = serde_json::from_value(json!({
        "name": "p", "by": ["consumer"], "windows": [{"quota": 50, "window_s": 60}], "tiers": tiers,
    }))
    .unwrap();
    let mut problems = Problems::default();
    let policy = written.compile(1_024, "p:", false, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    policy
}

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("b"), Just("A"), Just("*"), Just("a*")]
}

fn tier() -> impl Strategy<Value = Value> {
    let names = || proptest::collection::vec(name(), 0..3);
    (any::<bool>(), names(), names(), names(), 1..100_u32).prop_map(
        |(all, consumers, groups, none, quota)| {
            let which = if all { "all_of" } else { "any_of" };
            let who = json!({"consumers": consumers, "groups": {which: groups, "none_of": none}});
            match quota {
                1..10 => json!({"who": who, "effect": "exempt"}),
                _ => json!({"who": who, "windows": [{"quota": quota, "window_s": 60}]}),
            }
        },
    )
}

proptest! {
    #[test]
    fn an_index_of_tiers_changes_no_limit(
        tiers in proptest::collection::vec(tier(), 0..8),
        known: bool,
        unknown_groups: bool,
        consumer in name(),
        groups in proptest::collection::vec(name(), 0..3),
    ) {
        let plain = policy(&json!(tiers));
        prop_assert!(plain.index.is_none());
        let mut index = ByCaller::<Vec<u32>>::default();
        for (at, (who, _)) in (0..).zip(&plain.tiers) {
            index.enter(at, who, |list| list.push(at));
        }
        let mut indexed = policy(&json!(tiers));
        indexed.index = Some(index);
        let identity = json!({"consumer": consumer, "groups": groups, "groups_unknown": unknown_groups});
        let identity: Identity = serde_json::from_value(identity).unwrap();
        let caller = if known { Caller::Known(&identity) } else { Caller::Unknown };
        let quotas = |policy: &Policy| {
            let applying = policy.applying(caller, None)?;
            Some(applying.rates.iter().map(Rate::quota).collect::<Vec<_>>())
        };
        prop_assert_eq!(quotas(&plain), quotas(&indexed));
    }
}

#[test]
fn ten_thousand_tiers_for_others_are_not_looked_at() {
    for who in [
        |n: usize| json!({"consumers": [format!("c{n}")]}),
        |n: usize| json!({"groups": {"any_of": [format!("g{n}")]}}),
        |n: usize| json!({"scopes": [format!("s{n}")]}),
        |n: usize| json!({"claims": [{"claim": "team", "any_of": [format!("t{n}-*")]}]}),
    ] {
        let tier = |n| json!({"who": who(n), "windows": [{"quota": n + 1, "window_s": 60}]});
        let policy = policy(&(0..10_000).map(tier).collect());
        let identity = json!({
            "consumer": "c77", "groups": ["g77", "g1"], "scopes": ["s77"], "claims": {"team": ["t77-x", "t"]},
        });
        let identity: Identity = serde_json::from_value(identity).unwrap();
        let caller = Caller::Known(&identity);
        assert!(policy.candidates(caller).count() <= 2);
        let quota = policy.applying(caller, None).unwrap().rates[0].quota();
        assert!(quota == 78 || quota == 2);
    }
}
