//! Rules over claims, and the scopes that a token grants.
//!
//! A claim is read as a list of words: one scalar is one word, an array of scalars is several, and text is split where the rule says so.
//! A claim of any other shape (an object, an array with one in it) satisfies no rule, not even a `none_of`: what we cannot read is
//! refused.

use serde_json::{Map, Number, Value};

use super::path::ClaimPath;

/// Whether text is several words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// One text is one word.
    #[default]
    Whole,
    /// Words between spaces, as in `scope` (RFC 8693 section 4.2).
    Spaces,
}

/// What must hold of the words.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// The claim is there.
    Present,
    /// At least one of these words is among the claim's.
    AnyOf(Vec<Value>),
    /// All of these words are among the claim's.
    AllOf(Vec<Value>),
    /// None of these words is among the claim's; an absent claim passes.
    NoneOf(Vec<Value>),
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
    /// Whether the claims satisfy the rule.
    pub fn holds(&self, members: &Map<String, Value>) -> bool {
        let found = self.path.find(members);
        let words = match found {
            Some(value) => words(value, self.split),
            None => Some(Vec::new()),
        };
        match (&self.test, words) {
            (Test::Present, _) => found.is_some_and(|value| !value.is_null()),
            (_, None) => false,
            (Test::AnyOf(wanted), Some(words)) => wanted.iter().any(|wanted| has(&words, wanted)),
            (Test::AllOf(wanted), Some(words)) => {
                found.is_some() && wanted.iter().all(|wanted| has(&words, wanted))
            }
            (Test::NoneOf(unwanted), Some(words)) => {
                !unwanted.iter().any(|unwanted| has(&words, unwanted))
            }
        }
    }
}

/// The scopes that the token grants: `scope` (RFC 8693 section 4.2) and `scp` (Entra ID as text, Okta as an array).
pub fn scopes(members: &Map<String, Value>) -> Vec<&str> {
    ["scope", "scp"]
        .into_iter()
        .filter_map(|name| members.get(name))
        .filter_map(|value| words(value, Split::Spaces))
        .flatten()
        .filter_map(|word| match word {
            Word::Text(text) => Some(text),
            _ => None,
        })
        .collect()
}

/// One word of a claim.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Word<'a> {
    /// Text.
    Text(&'a str),
    /// A number.
    Number(&'a Number),
    /// A truth value.
    Bool(bool),
}

/// The claim's words; `None` for a shape that is not a list of scalars.
pub fn words(value: &Value, split: Split) -> Option<Vec<Word<'_>>> {
    match value {
        Value::String(text) if split == Split::Spaces => Some(
            text.split(' ')
                .filter(|word| !word.is_empty())
                .map(Word::Text)
                .collect(),
        ),
        Value::Array(items) => items.iter().map(word).collect(),
        one => word(one).map(|word| vec![word]),
    }
}

fn word(value: &Value) -> Option<Word<'_>> {
    Some(match value {
        Value::String(text) => Word::Text(text),
        Value::Number(number) => Word::Number(number),
        Value::Bool(flag) => Word::Bool(*flag),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    })
}

fn has(words: &[Word<'_>], wanted: &Value) -> bool {
    words.iter().any(|word| match (word, wanted) {
        (Word::Text(text), Value::String(wanted)) => text == wanted,
        (Word::Bool(flag), Value::Bool(wanted)) => flag == wanted,
        // 1 and 1.0 are one number (RFC 8259 section 6 leaves that to us); whole numbers compare exactly.
        (Word::Number(number), Value::Number(wanted)) => {
            *number == wanted
                || ((number.is_f64() || wanted.is_f64()) && number.as_f64() == wanted.as_f64())
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CLAIMS: &str = r#"{
        "groups": ["ml", "ops"], "role": "reader writer", "level": 3, "ratio": 2.0, "admin": false, "big": 9007199254740993,
        "realm": {"roles": ["a"]}, "odd": [{"x": 1}], "nothing": null, "scope": "infer  train", "scp": ["audit", 7]
    }"#;

    fn claims() -> Map<String, Value> {
        serde_json::from_str(CLAIMS).unwrap()
    }

    fn holds(path: &str, split: Split, test: Test) -> bool {
        ClaimRule {
            path: ClaimPath::parse(path).unwrap(),
            split,
            test,
        }
        .holds(&claims())
    }

    fn list(values: serde_json::Value) -> Vec<Value> {
        values.as_array().unwrap().clone()
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
        assert!(!holds("nothing", Split::Whole, Test::Present));
    }

    #[test]
    fn a_claim_that_is_no_list_of_words_satisfies_no_rule() {
        for path in ["realm", "odd", "nothing"] {
            for test in [
                Test::AnyOf(list(json!(["x"]))),
                Test::AllOf(Vec::new()),
                Test::NoneOf(list(json!(["x"]))),
            ] {
                assert!(!holds(path, Split::Whole, test.clone()), "{path} {test:?}");
            }
        }
    }

    #[test]
    fn scopes_come_from_both_claims() {
        let claims = claims();
        assert_eq!(scopes(&claims), ["infer", "train", "audit"]);
    }
}
