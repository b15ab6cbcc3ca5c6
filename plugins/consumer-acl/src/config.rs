//! What the operator writes, and how it becomes the rules that run.

use std::any::Any;
use std::collections::BTreeSet;
use std::rc::Rc;

use modelgate_kit::config::long::{self, Gather};
use modelgate_kit::config::types::refused_unlike;
use modelgate_kit::config::{Mode, Problems};
use modelgate_kit::rule::{ModelBody, WrittenWhat, WrittenWho};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::{Combining, Effect, Rule, Rules};

/// Configuration of `consumer-acl`. Without rules, everything is denied.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
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
    /// method that the rules have looked at, and headers by which routers replace the host
    /// (`x-portkey-custom-host`, `Helicone-Target-URL`, `Helicone-OpenAI-Api-Base`): `strip` takes
    /// them out of requests that pass, `deny` refuses such requests, `allow` leaves them. Without
    /// rules over requests they are left.
    pub override_headers: OverrideHeaders,
}

/// What becomes of headers that replace path, method or host behind us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
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
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
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
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct RuleId(pub String);

impl<'de> Deserialize<'de> for RuleId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if (1..=64).contains(&id.len()) && id.bytes().all(is_plain) {
            return Ok(Self(id));
        }
        Err(refused_unlike(
            "refused",
            "is not an id",
            "write 1 to 64 letters, digits, `_`, `-` or `.`",
        ))
    }
}

/// Rules that are being read: one by one, so that they never stand in memory as they were written.
#[derive(Default)]
pub struct Reading {
    rules: Vec<Rule>,
    ids: BTreeSet<String>,
}

impl Reading {
    /// Begins with none.
    pub fn begin() -> Box<dyn Gather> {
        Box::new(Self::default())
    }

    /// Compiles all rules of a list; what is wrong with them is added to `problems`.
    pub fn all(written: Vec<WrittenRule>, problems: &mut Problems) -> Rules {
        let mut reading = Self::default();
        for (at, rule) in written.into_iter().enumerate() {
            problems.within(&format!("rules[{at}]"), |problems| {
                reading.rule(rule, problems)
            });
        }
        reading.rules.into()
    }

    /// Compiles the next rule; what is wrong with it is added to `problems`.
    fn rule(&mut self, rule: WrittenRule, problems: &mut Problems) {
        let RuleId(id) = rule.id;
        if !self.ids.insert(id.clone()) {
            problems.add(
                "id",
                "is the id of another rule too",
                "give each rule its own: the id says which rule decided",
            );
        }
        let who = problems.within("who", |p| rule.who.compile(p));
        let what = problems.within("what", |p| rule.what.compile(p));
        self.rules.push(Rule {
            id,
            effect: rule.effect,
            shadow: rule.mode == Mode::Shadow,
            who,
            what,
        });
    }
}

impl Gather for Reading {
    fn add(&mut self, element: &[u8], problems: &mut Problems) -> Option<()> {
        if let Some(rule) = long::element(element, problems)? {
            self.rule(rule, problems);
        }
        Some(())
    }

    fn finish(self: Box<Self>, _: &mut Problems) -> Rc<dyn Any> {
        Rc::new(Rules::from(self.rules))
    }
}
