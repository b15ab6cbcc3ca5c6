//! What the operator writes, and how it becomes the rules that run.

use std::collections::BTreeSet;

use modelgate_kit::config::types::refused;
use modelgate_kit::config::{Mode, Problems};
use modelgate_kit::rule::{ModelBody, WrittenWhat, WrittenWho};
use serde::Deserialize;

use crate::engine::{Combining, Effect, Engine, Rule};

/// Configuration of `consumer-acl`. Without rules, everything is denied.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `enforce`, or `shadow`: decide, record the decision, and let every request pass.
    pub mode: Mode,
    /// How rules combine: `deny_overrides` (any rule that denies wins, wherever it stands) or
    /// `first_match`.
    pub combine: Combining,
    /// The rules. What no rule allows is denied.
    pub rules: Vec<WrittenRule>,
    /// How to learn the model where a request's body names it. Bodies are read only for requests
    /// that a rule over models may fit.
    pub model_from_body: ModelBody,
    /// Headers (`X-Original-URL`, `X-Rewrite-URL`, `X-Forwarded-Prefix`, `X-HTTP-Method-Override`
    /// and their like) and the query parameter `_method`, by which frameworks replace the path or
    /// method that the rules have looked at: `strip` takes them out of requests that pass, `deny`
    /// refuses such requests, `allow` leaves them. Without rules over requests they are left.
    pub override_headers: OverrideHeaders,
}

/// What becomes of headers that replace path or method behind us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum OverrideHeaders {
    /// They are taken out.
    #[default]
    Strip,
    /// The request is refused.
    Deny,
    /// They pass.
    Allow,
}

/// One rule.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub struct WrittenRule {
    /// Name of the rule: in the fact `decision`, in metrics and in audit events. Letters, digits,
    /// `_`, `-` and `.`; unique.
    pub id: RuleId,
    /// What follows when the rule fits: `allow` or `deny`.
    pub effect: Effect,
    /// `enforce`, or `shadow`: the rule is tried and counted, but decides nothing.
    #[serde(default)]
    pub mode: Mode,
    /// Who asks. Without it: any caller with a verified identity.
    #[serde(default)]
    pub who: WrittenWho,
    /// What is asked. Without it: anything.
    #[serde(default)]
    pub what: WrittenWhat,
}

/// The id of a rule: 1 to 64 letters, digits, `_`, `-` or `.`.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[cfg_attr(feature = "schema", schemars(inline))]
pub struct RuleId(pub String);

impl<'de> Deserialize<'de> for RuleId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if (1..=64).contains(&id.len()) && id.bytes().all(is_plain) {
            return Ok(Self(id));
        }
        Err(refused(
            "is not an id",
            "write 1 to 64 letters, digits, `_`, `-` or `.`",
        ))
    }
}

impl Config {
    /// Compiles the rules; what is wrong with them is added to `problems`.
    pub fn compile_rules(
        rules: Vec<WrittenRule>,
        combining: Combining,
        problems: &mut Problems,
    ) -> Engine {
        let mut compiled: Vec<Rule> = Vec::with_capacity(rules.len());
        let mut ids = BTreeSet::new();
        for (at, rule) in rules.into_iter().enumerate() {
            problems.within(&format!("rules[{at}]"), |problems| {
                let RuleId(id) = rule.id;
                if !ids.insert(id.clone()) {
                    problems.add(
                        "id",
                        "is the id of another rule too",
                        "give each rule its own: the id says which rule decided",
                    );
                }
                let who = problems.within("who", |p| rule.who.compile(p));
                let what = problems.within("what", |p| rule.what.compile(p));
                compiled.push(Rule {
                    id,
                    effect: rule.effect,
                    shadow: rule.mode == Mode::Shadow,
                    who,
                    what,
                });
            });
        }
        Engine::new(combining, compiled)
    }
}
