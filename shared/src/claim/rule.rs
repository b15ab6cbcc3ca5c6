//! Rules over claims, and the scopes that a token grants.
//!
//! A rule looks at the words of one claim ([`Reading`]). Where they cannot be known, no rule can be
//! decided: neither that a word is among them nor that it is not. How that counts is for the caller
//! to say, and it counts against the request.

use std::slice;

use serde_json::{Map, Value};

use super::elsewhere::Elsewhere;
use super::path::ClaimPath;
use super::reading::{Reading, Word, words};
use crate::glob::{Glob, Selectivity};

/// Whether text is several words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Split {
    /// One text is one word.
    #[default]
    Whole,
    /// Words between spaces, as in `scope` (RFC 8693 section 4.2).
    Spaces,
}

/// A word that a rule looks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// Text, in which `*` stands for any run of characters.
    Text(Glob),
    /// A number or a truth value.
    Other(Value),
}

impl Wanted {
    fn selectivity(&self) -> Option<Selectivity> {
        match self {
            Self::Text(glob) => glob.selectivity(),
            Self::Other(_) => Some(Selectivity::Whole),
        }
    }
}

impl From<Value> for Wanted {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => Self::Text(Glob::new(&text)),
            other => Self::Other(other),
        }
    }
}

/// What must hold of the words.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// The claim is there.
    Present,
    /// At least one of these words is among the claim's.
    AnyOf(Vec<Wanted>),
    /// All of these words are among the claim's.
    AllOf(Vec<Wanted>),
    /// None of these words is among the claim's; an absent claim passes.
    NoneOf(Vec<Wanted>),
}

impl Test {
    /// The words that are looked for.
    pub fn words(values: Vec<Value>) -> Vec<Wanted> {
        values.into_iter().map(Wanted::from).collect()
    }
}

/// One rule over one claim.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimRule {
    /// Which claim.
    pub path: ClaimPath,
    /// How its text is read.
    pub split: Split,
    /// What must hold.
    pub test: Test,
}

impl ClaimRule {
    /// Whether what its claim says satisfies the rule; `None` where that cannot be known.
    pub fn holds<T: AsRef<str>>(&self, reading: &Reading<T>) -> Option<bool> {
        let words = match (reading, &self.test) {
            (Reading::Unknown, _) => return None,
            (Reading::Absent, test) => return Some(matches!(test, Test::NoneOf(_))),
            (_, Test::Present) => return Some(true),
            (Reading::Unreadable, _) => return None,
            (Reading::Words(words), _) => words,
        };
        Some(match &self.test {
            Test::Present => true,
            Test::AnyOf(wanted) => wanted.iter().any(|wanted| words.has(wanted)),
            Test::AllOf(wanted) => wanted.iter().all(|wanted| words.has(wanted)),
            Test::NoneOf(unwanted) => !unwanted.iter().any(|wanted| words.has(wanted)),
        })
    }

    /// Words one of which the claim must have, if it is known: what an index can be built on.
    pub fn needs_one_of(&self) -> Option<&[Wanted]> {
        match &self.test {
            Test::AnyOf(wanted) => wanted
                .iter()
                .all(|word| word.selectivity().is_some())
                .then_some(wanted),
            Test::AllOf(wanted) => {
                // The first of the best.
                let best = wanted.iter().rev().max_by_key(|word| word.selectivity())?;
                best.selectivity()?;
                Some(slice::from_ref(best))
            }
            Test::Present | Test::NoneOf(_) => None,
        }
    }
}

/// The scopes that a token grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes<'a> {
    /// Those that are known.
    pub granted: Vec<&'a str>,
    /// There may be more: a claim with scopes is no list of text, or is elsewhere.
    pub unknown: bool,
}

impl<'a> Scopes<'a> {
    /// From `scope` (RFC 8693 section 4.2) and `scp` (Entra ID as text, Okta as an array).
    pub fn of(members: &'a Map<String, Value>, elsewhere: &Elsewhere) -> Self {
        let mut scopes = Self::default();
        for name in ["scope", "scp"] {
            scopes.unknown |= elsewhere.names(name);
            let Some(value) = members.get(name) else {
                continue;
            };
            match words(value, Split::Spaces) {
                None => scopes.unknown = true,
                Some(words) => {
                    for word in words {
                        match word {
                            Word::Text(text) => scopes.granted.push(text),
                            Word::Number(_) | Word::Bool(_) => scopes.unknown = true,
                        }
                    }
                }
            }
        }
        scopes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CLAIMS: &str = r#"{
        "groups": ["ml", "ops"], "role": "reader writer", "level": 3, "ratio": 2.0, "admin": false, "big": 9007199254740993,
        "realm": {"roles": ["a"]}, "odd": [{"x": 1}], "nothing": null, "ref": "refs/tags/v1.0"
    }"#;

    fn claims() -> Map<String, Value> {
        serde_json::from_str(CLAIMS).unwrap()
    }

    fn judge(path: &str, split: Split, test: Test) -> Option<bool> {
        let rule = ClaimRule {
            path: ClaimPath::parse(path).unwrap(),
            split,
            test,
        };
        let claims = claims();
        let reading: Reading<&str> = Reading::of(rule.path.look(&claims), split);
        rule.holds(&reading)
    }

    fn holds(path: &str, split: Split, test: Test) -> bool {
        judge(path, split, test).unwrap()
    }

    fn list(values: serde_json::Value) -> Vec<Wanted> {
        Test::words(values.as_array().unwrap().clone())
    }

    #[test]
    fn rules_hold_as_written() {
        for (path, split, test, expected) in [
            (
                "groups",
                Split::Whole,
                Test::AnyOf(list(json!(["ml", "x"]))),
                true,
            ),
            (
                "groups",
                Split::Whole,
                Test::AnyOf(list(json!(["x"]))),
                false,
            ),
            (
                "groups",
                Split::Whole,
                Test::AllOf(list(json!(["ml", "ops"]))),
                true,
            ),
            (
                "groups",
                Split::Whole,
                Test::AllOf(list(json!(["ml", "x"]))),
                false,
            ),
            (
                "groups",
                Split::Whole,
                Test::NoneOf(list(json!(["x"]))),
                true,
            ),
            (
                "groups",
                Split::Whole,
                Test::NoneOf(list(json!(["ops"]))),
                false,
            ),
            (
                "role",
                Split::Whole,
                Test::AnyOf(list(json!(["reader"]))),
                false,
            ),
            (
                "role",
                Split::Spaces,
                Test::AnyOf(list(json!(["reader"]))),
                true,
            ),
            (
                "role",
                Split::Whole,
                Test::AnyOf(list(json!(["reader writer"]))),
                true,
            ),
            ("level", Split::Whole, Test::AnyOf(list(json!([3]))), true),
            (
                "level",
                Split::Whole,
                Test::AnyOf(list(json!(["3"]))),
                false,
            ),
            ("ratio", Split::Whole, Test::AnyOf(list(json!([2]))), true),
            (
                "big",
                Split::Whole,
                Test::AnyOf(list(json!([9007199254740992_u64]))),
                false,
            ),
            (
                "admin",
                Split::Whole,
                Test::AnyOf(list(json!([false]))),
                true,
            ),
            (
                "admin",
                Split::Whole,
                Test::NoneOf(list(json!([true]))),
                true,
            ),
            (
                "/realm/roles",
                Split::Whole,
                Test::AllOf(list(json!(["a"]))),
                true,
            ),
            ("groups", Split::Whole, Test::Present, true),
            ("realm", Split::Whole, Test::Present, true),
            (
                "ref",
                Split::Whole,
                Test::AnyOf(list(json!(["refs/tags/*"]))),
                true,
            ),
            (
                "ref",
                Split::Whole,
                Test::AnyOf(list(json!(["refs/heads/*"]))),
                false,
            ),
            (
                "ref",
                Split::Whole,
                Test::NoneOf(list(json!(["refs/*/v1*"]))),
                false,
            ),
            (
                "ref",
                Split::Whole,
                Test::AllOf(list(json!(["*", "refs/tags/v1.0"]))),
                true,
            ),
            (
                "level",
                Split::Whole,
                Test::AnyOf(list(json!(["*"]))),
                false,
            ),
        ] {
            assert_eq!(
                holds(path, split, test.clone()),
                expected,
                "{path} {test:?}"
            );
        }
    }

    #[test]
    fn an_absent_claim_satisfies_only_none_of() {
        assert!(!holds("gone", Split::Whole, Test::Present));
        assert!(!holds(
            "gone",
            Split::Whole,
            Test::AnyOf(list(json!(["x"])))
        ));
        assert!(!holds("gone", Split::Whole, Test::AllOf(Vec::new())));
        assert!(holds(
            "gone",
            Split::Whole,
            Test::NoneOf(list(json!(["x"])))
        ));
    }

    #[test]
    fn of_a_claim_that_is_no_list_of_words_nothing_is_known() {
        for path in ["realm", "odd", "nothing", "/role/x", "/nothing/x"] {
            for test in [
                Test::AnyOf(list(json!(["x"]))),
                Test::AllOf(Vec::new()),
                Test::NoneOf(list(json!(["x"]))),
            ] {
                assert_eq!(
                    judge(path, Split::Whole, test.clone()),
                    None,
                    "{path} {test:?}"
                );
            }
        }
        assert_eq!(judge("nothing", Split::Whole, Test::Present), None);
        let rule = ClaimRule {
            path: ClaimPath::parse("groups").unwrap(),
            split: Split::Whole,
            test: Test::Present,
        };
        assert_eq!(rule.holds(&Reading::<&str>::Unknown), None);
    }

    #[test]
    fn scopes_come_from_both_claims() {
        for (claims, granted, unknown) in [
            (
                json!({"scope": "infer  train", "scp": ["audit"]}),
                &["infer", "train", "audit"][..],
                false,
            ),
            (json!({}), &[], false),
            (json!({"scp": ["audit", 7]}), &["audit"], true),
            (json!({"scope": 7}), &[], true),
            (json!({"scope": null}), &[], true),
            (json!({"scope": {"a": 1}}), &[], true),
            (
                json!({"scope": "a", "_claim_names": {"scp": "src1"}}),
                &["a"],
                true,
            ),
        ] {
            let members = claims.as_object().unwrap();
            let scopes = Scopes::of(members, &Elsewhere::of(members));
            assert_eq!(
                (scopes.granted.as_slice(), scopes.unknown),
                (granted, unknown),
                "{claims}"
            );
        }
    }
}
