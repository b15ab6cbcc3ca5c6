//! Conditions that do not hold, as they are told to whoever asks why. The same functions say which
//! one it is that decide.

use serde_json::{Value, json};

use super::asked::{Asked, Models};
use super::what::{Doubt, What, WhatCondition};
use super::who::{Caller, Presence, Who, WhoCondition};
use crate::claim::{Finding, Test, Wanted};
use crate::explain::{Note, list};
use crate::facts::Identity;
use crate::glob::Glob;

/// A condition that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// As it is written in the configuration: `who.groups.any_of`, `what.models`.
    pub condition: String,
    /// What it asks for.
    pub wanted: String,
    /// What the caller or the request has.
    pub found: String,
    /// It does not fail for what is known, but because something is not.
    pub unknown: bool,
}

impl Failed {
    fn new(condition: &str, wanted: String, found: String) -> Self {
        Self {
            condition: condition.to_owned(),
            wanted,
            found,
            unknown: false,
        }
    }

    /// As a sentence.
    pub fn text(&self) -> String {
        let Self {
            condition,
            wanted,
            found,
            ..
        } = self;
        let doubt = match self.unknown {
            true => " What is not known counts as no.",
            false => "",
        };
        format!("`{condition}` asks for {wanted}; found: {found}.{doubt}")
    }

    /// A note with this as data.
    pub fn on(&self, note: Note) -> Note {
        note.with(
            "failed",
            json!({
                "condition": self.condition,
                "wanted": self.wanted,
                "found": self.found,
                "unknown": self.unknown,
            }),
        )
    }
}

impl Caller<'_> {
    /// The caller, as a note.
    pub fn note(&self) -> Note {
        let Self::Known(identity) = self else {
            return Note::info("caller", "Caller: nobody has authenticated.");
        };
        let groups = known(identity.groups.iter(), identity.groups_unknown);
        let scopes = known(identity.scopes.iter(), identity.scopes_unknown);
        let Identity {
            consumer, method, ..
        } = identity;
        let text =
            format!("Caller: `{consumer}` (by {method}); groups: {groups}; scopes: {scopes}.");
        Note::info("caller", text)
            .with("consumer", consumer.as_str())
            .with("method", method.as_str())
            .with("groups", identity.groups.to_vec())
            .with("groups_unknown", identity.groups_unknown)
            .with("scopes", identity.scopes.to_vec())
            .with("scopes_unknown", identity.scopes_unknown)
    }
}

impl Who {
    /// The first condition that does not hold of the caller, with what was compared.
    pub fn failed(&self, caller: Caller<'_>, doubt: Doubt) -> Option<Failed> {
        let condition = self.first_failed(caller, doubt)?;
        let nobody = Identity::default();
        let identity = match caller {
            Caller::Known(identity) => identity,
            Caller::Unknown => &nobody,
        };
        let groups = || known(identity.groups.iter(), identity.groups_unknown);
        let mut failed = match condition {
            WhoCondition::Identity => match self.presence {
                Presence::Absent => Failed::new(
                    "who.identity",
                    "a caller without identity".to_owned(),
                    format!("`{}`", identity.consumer),
                ),
                Presence::Required | Presence::Any => Failed::new(
                    "who.identity",
                    "a verified identity".to_owned(),
                    "nobody has authenticated".to_owned(),
                ),
            },
            WhoCondition::Consumers => Failed::new(
                "who.consumers",
                one_of(self.consumers.iter().map(Glob::text)),
                match identity.consumer.as_str() {
                    "" => "a caller without a name".to_owned(),
                    consumer => format!("`{consumer}`"),
                },
            ),
            WhoCondition::AnyGroup => {
                Failed::new("who.groups.any_of", one_of(&self.groups.any_of), groups())
            }
            WhoCondition::AllGroups => {
                Failed::new("who.groups.all_of", list(&self.groups.all_of), groups())
            }
            WhoCondition::NoGroup => {
                let none_of = format!("none of {}", list(&self.groups.none_of));
                Failed::new("who.groups.none_of", none_of, groups())
            }
            WhoCondition::Scopes => {
                let granted = known(identity.scopes.iter(), identity.scopes_unknown);
                Failed::new("who.scopes", list(&self.scopes), granted)
            }
            WhoCondition::Claim => {
                let at = self.failed_claim(identity, doubt)?;
                let claim = self.claims.get(at)?;
                let found = match identity.look(&claim.path) {
                    Finding::Absent => "nothing".to_owned(),
                    Finding::Unknown => "a value that is not known".to_owned(),
                    Finding::Value(value) => format!("`{value}`"),
                };
                let path = claim.path.text();
                let condition = format!("who.claims[{at}]");
                Failed::new(
                    &condition,
                    format!("`{path}` with {}", asks(&claim.test)),
                    found,
                )
            }
        };
        failed.unknown =
            doubt == Doubt::Misfits && self.first_failed(caller, Doubt::Fits) != Some(condition);
        Some(failed)
    }
}

impl What {
    /// The first condition that does not hold of the request, with what was compared.
    pub fn failed(&self, asked: &Asked<'_>, doubt: Doubt) -> Option<Failed> {
        let condition = self.first_failed(asked, doubt)?;
        let no_protocol = || "a path of no protocol that is known".to_owned();
        let route = asked.route();
        let mut failed = match condition {
            WhatCondition::Methods => Failed::new(
                "what.methods",
                one_of(&self.methods),
                format!("`{}`", asked.method()),
            ),
            WhatCondition::Paths => Failed::new(
                "what.paths",
                one_of(self.paths().map(|path| path.text().to_owned())),
                format!("`{}`", asked.path().as_str()),
            ),
            WhatCondition::Operations => Failed::new(
                "what.operations",
                one_of(self.operations.iter().map(|one| one.as_str())),
                route.map_or_else(no_protocol, |route| {
                    format!("`{}`", route.operation.as_str())
                }),
            ),
            WhatCondition::Dialects => Failed::new(
                "what.dialects",
                one_of(self.dialects.iter().map(|one| one.as_str())),
                route.map_or_else(no_protocol, |route| format!("`{}`", route.dialect.as_str())),
            ),
            WhatCondition::Models => Failed::new(
                "what.models",
                one_of(self.models.iter().map(Glob::text)),
                models(asked),
            ),
        };
        failed.unknown =
            doubt == Doubt::Misfits && self.first_failed(asked, Doubt::Fits) != Some(condition);
        Some(failed)
    }
}

impl Asked<'_> {
    /// What is asked, as a note.
    pub fn note(&self) -> Note {
        let (protocol, operation) = match self.route() {
            Some(route) => (route.dialect.as_str(), route.operation.as_str()),
            None => ("", ""),
        };
        let text = match protocol {
            "" => format!(
                "Asked: {} {}, a path of no protocol that is known; {}.",
                self.method(),
                self.path().as_str(),
                models(self)
            ),
            _ => format!("Asked: `{operation}` of {protocol}; {}.", models(self)),
        };
        let names = match self.models() {
            Models::Named(names) => Value::from(names.clone()),
            Models::None => json!([]),
            Models::Unknown => Value::Null,
        };
        Note::info("asked", text)
            .with("method", self.method())
            .with("path", self.path().as_str())
            .with("protocol", protocol)
            .with("operation", operation)
            .with("models", names)
    }
}

fn models(asked: &Asked<'_>) -> String {
    let hints: Vec<&str> = asked.hints().collect();
    let also = match hints.is_empty() {
        true => String::new(),
        false => format!(", and {} that a server may take for a model", list(hints)),
    };
    match asked.models() {
        Models::None => format!("no model{also}"),
        Models::Unknown => format!("a model that is not known{also}"),
        Models::Named(names) => format!("model {}{also}", list(names)),
    }
}

fn one_of<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<T> = names.into_iter().collect();
    match names.len() {
        1 => list(names),
        _ => format!("one of {}", list(names)),
    }
}

fn known<T: AsRef<str>>(names: impl Iterator<Item = T>, more: bool) -> String {
    let names = list(names);
    match more {
        true => format!("{names}, and perhaps more that the token does not say"),
        false => names,
    }
}

fn asks(test: &Test) -> String {
    let words = |words: &[Wanted]| {
        list(words.iter().map(|word| match word {
            Wanted::Text(glob) => glob.text().to_owned(),
            Wanted::Other(value) => value.to_string(),
        }))
    };
    match test {
        Test::Present => "any value".to_owned(),
        Test::AnyOf(wanted) => format!("one of {}", words(wanted)),
        Test::AllOf(wanted) => words(wanted),
        Test::NoneOf(unwanted) => format!("none of {}", words(unwanted)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{WrittenWhat, WrittenWho};
    use super::*;
    use crate::config::Problems;
    use crate::headers::HeaderBlock;

    fn who(written: Value) -> Who {
        let written: WrittenWho = serde_json::from_value(written).unwrap();
        written.compile(&mut Problems::default())
    }

    #[test]
    fn the_first_condition_on_the_caller_that_fails_is_told_with_what_was_compared() {
        let identity: Identity = serde_json::from_value(json!({
            "consumer": "ann", "groups": ["ml"], "groups_unknown": true, "scopes": ["infer"],
            "claims": {"tier": "gold"}
        }))
        .unwrap();
        for (written, condition, wanted, found, unknown) in [
            (
                json!({"identity": "absent"}),
                "who.identity",
                "a caller without identity",
                "`ann`",
                false,
            ),
            (
                json!({"consumers": ["bob", "c*"]}),
                "who.consumers",
                "one of `bob`, `c*`",
                "`ann`",
                false,
            ),
            (
                json!({"groups": {"any_of": ["dev"]}}),
                "who.groups.any_of",
                "`dev`",
                "`ml`, and perhaps more that the token does not say",
                true,
            ),
            (
                json!({"scopes": ["infer", "train"]}),
                "who.scopes",
                "`infer`, `train`",
                "`infer`",
                false,
            ),
            (
                json!({"claims": [{"claim": "tier"}, {"claim": "tier", "none_of": ["gold"]}]}),
                "who.claims[1]",
                "`tier` with none of `gold`",
                "`\"gold\"`",
                false,
            ),
        ] {
            let failed = who(written.clone()).failed(Caller::Known(&identity), Doubt::Misfits);
            let failed = failed.unwrap_or_else(|| panic!("{written} fits"));
            let told = (
                failed.condition.as_str(),
                failed.wanted.as_str(),
                failed.found.as_str(),
            );
            assert_eq!(told, (condition, wanted, found), "{written}");
            assert_eq!(failed.unknown, unknown, "{written}");
        }
        let required = who(json!({}))
            .failed(Caller::Unknown, Doubt::Misfits)
            .unwrap();
        assert_eq!(required.found, "nobody has authenticated");
        assert_eq!(
            who(json!({"identity": "any"})).failed(Caller::Unknown, Doubt::Misfits),
            None
        );
    }

    #[test]
    fn the_first_condition_on_the_request_that_fails_is_told_with_what_was_compared() {
        let block = |path: &'static str| {
            let pairs = [(&b":method"[..], &b"POST"[..]), (b":path", path.as_bytes())];
            HeaderBlock::from_pairs(pairs)
        };
        for (written, path, condition, found, unknown) in [
            (
                json!({"methods": ["GET"]}),
                "/v2/models/m/infer",
                "what.methods",
                "`POST`",
                false,
            ),
            (
                json!({"paths": ["/v1/**"]}),
                "/v2/models/m/infer",
                "what.paths",
                "`/v2/models/m/infer`",
                false,
            ),
            (
                json!({"operations": ["chat"]}),
                "/v2/models/m/infer",
                "what.operations",
                "`infer`",
                false,
            ),
            (
                json!({"dialects": ["openai"]}),
                "/x",
                "what.dialects",
                "a path of no protocol that is known",
                true,
            ),
            (
                json!({"models": ["n"]}),
                "/v2/models/m/infer",
                "what.models",
                "model `m`",
                false,
            ),
            (
                json!({"models": ["n"]}),
                "/v1/chat/completions",
                "what.models",
                "a model that is not known",
                true,
            ),
        ] {
            let what: WrittenWhat = serde_json::from_value(written.clone()).unwrap();
            let what = what.compile(&mut Problems::default());
            let headers = block(path);
            let asked = Asked::read(&headers).unwrap();
            let failed = what.failed(&asked, Doubt::Misfits).unwrap();
            assert_eq!(
                (failed.condition.as_str(), failed.found.as_str()),
                (condition, found)
            );
            assert_eq!(failed.unknown, unknown, "{written}");
        }
    }
}
