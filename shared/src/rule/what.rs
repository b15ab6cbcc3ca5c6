//! What is asked: conditions on method, path, dialect, operation and model.
//!
//! A request may name several models at once (a SageMaker endpoint and the model inside it). An
//! allowing rule fits when each of them fits one of its patterns, a denying one when any of them
//! does: see [`Doubt`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::asked::{Asked, Models};
use super::spelling::AnySpelling;
use crate::config::Problems;
use crate::glob::Glob;
use crate::route::{Dialect, Operation, Template};

/// Conditions on the request.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrittenWhat {
    /// Methods, in capitals: `["POST"]`.
    pub methods: Vec<String>,
    /// Path templates: `/v1/models/{model}/**`. One must fit the whole path.
    pub paths: Vec<String>,
    /// Names of models, endpoints or deployments; `*` stands for any run of characters. A rule that
    /// allows compares the name as it was sent; one that denies or limits takes other spellings
    /// (case, white space, escapes, `models/NAME`, `NAME:latest`) for the name too.
    pub models: Vec<String>,
    /// What is asked of the model: `infer`, `chat`, `embed`, `list_models`, …
    pub operations: Vec<Operation>,
    /// Protocols: `openai`, `open_inference`, `sagemaker`, …
    pub dialects: Vec<Dialect>,
}

/// How a condition counts that cannot be decided, because the request is of no protocol that we
/// know or hides its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// As a misfit, and every model must fit: for rules that allow.
    Misfits,
    /// As a fit, and one model that fits is enough: for rules that deny or limit.
    Fits,
}

/// Compiled conditions on the request.
#[derive(Clone, Debug)]
pub struct What {
    pub(super) methods: Vec<String>,
    pub(super) paths: Vec<Template>,
    pub(super) models: Vec<Glob>,
    spelled: Vec<AnySpelling>,
    pub(super) operations: Vec<Operation>,
    pub(super) dialects: Vec<Dialect>,
}

/// A condition on the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhatCondition {
    /// The method.
    Methods,
    /// The path.
    Paths,
    /// The operation.
    Operations,
    /// The protocol.
    Dialects,
    /// The models.
    Models,
}

impl WrittenWhat {
    /// Compiles the conditions; what is wrong with them is added to `problems`.
    pub fn compile(self, problems: &mut Problems) -> What {
        for (at, method) in self.methods.iter().enumerate() {
            if method.is_empty()
                || !method
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'-' || byte == b'_')
            {
                problems.add(
                    format!("methods[{at}]"),
                    "is not a method",
                    "write methods in capitals, such as POST",
                );
            }
        }
        let mut paths = Vec::new();
        for (at, path) in self.paths.iter().enumerate() {
            match Template::parse(path) {
                Ok(template) => paths.push(template),
                Err(fault) => problems.add(
                    format!("paths[{at}]"),
                    "is not a path template",
                    fault.to_string(),
                ),
            }
        }
        What {
            methods: self.methods,
            paths,
            models: self
                .models
                .iter()
                .map(|pattern| Glob::new(pattern))
                .collect(),
            spelled: self
                .models
                .iter()
                .map(|pattern| AnySpelling::new(pattern))
                .collect(),
            operations: self.operations,
            dialects: self.dialects,
        }
    }
}

impl What {
    /// Whether there is any condition.
    pub fn looks_at_request(&self) -> bool {
        !(self.methods.is_empty()
            && self.paths.is_empty()
            && self.models.is_empty()
            && self.operations.is_empty()
            && self.dialects.is_empty())
    }

    /// Whether a condition looks at the model, whose name may have to be read from the body.
    pub fn looks_at_model(&self) -> bool {
        !self.models.is_empty()
    }

    /// The patterns of models, one of which every model must fit where a rule allows.
    pub fn models(&self) -> &[Glob] {
        &self.models
    }

    /// The patterns of forms of models (see [`Asked::forms`]), one of which one must fit where a
    /// rule denies.
    pub fn spelled_models(&self) -> impl Iterator<Item = &Glob> {
        self.spelled.iter().flat_map(AnySpelling::globs)
    }

    /// Patterns of which the path's text has one where the condition on the path holds; none if
    /// there is no such condition.
    pub fn paths(&self) -> impl Iterator<Item = Glob> {
        self.paths.iter().map(Template::pattern)
    }

    /// All conditions but those on the model, as a text that is the same for the same conditions.
    pub fn but_for_model(&self) -> String {
        let Self {
            methods,
            paths,
            operations,
            dialects,
            ..
        } = self;
        format!("{methods:?}{paths:?}{operations:?}{dialects:?}")
    }

    /// Whether all conditions but those on the model hold.
    pub fn fits_but_for_model(&self, asked: &Asked<'_>, doubt: Doubt) -> bool {
        self.failed_but_for_model(asked, doubt).is_none()
    }

    /// Whether every condition holds of the request.
    pub fn fits(&self, asked: &Asked<'_>, doubt: Doubt) -> bool {
        self.first_failed(asked, doubt).is_none()
    }

    /// The first condition that does not hold of the request.
    pub(super) fn first_failed(&self, asked: &Asked<'_>, doubt: Doubt) -> Option<WhatCondition> {
        let failed = self.failed_but_for_model(asked, doubt);
        failed.or_else(|| {
            self.fails_model(asked, doubt)
                .then_some(WhatCondition::Models)
        })
    }

    fn failed_but_for_model(&self, asked: &Asked<'_>, doubt: Doubt) -> Option<WhatCondition> {
        let fails_route = |holds: &dyn Fn(&crate::route::Route<'_>) -> bool| {
            !asked.route().map_or(doubt == Doubt::Fits, holds)
        };
        let is_method = |method: &String| method == asked.method();
        let is_path = |template: &Template| template.matches(asked.path());
        if !(self.methods.is_empty() || self.methods.iter().any(is_method)) {
            return Some(WhatCondition::Methods);
        }
        if !(self.paths.is_empty() || self.paths.iter().any(is_path)) {
            return Some(WhatCondition::Paths);
        }
        if !self.operations.is_empty()
            && fails_route(&|route| self.operations.contains(&route.operation))
        {
            return Some(WhatCondition::Operations);
        }
        if !self.dialects.is_empty() && fails_route(&|route| self.dialects.contains(&route.dialect))
        {
            return Some(WhatCondition::Dialects);
        }
        None
    }

    fn fails_model(&self, asked: &Asked<'_>, doubt: Doubt) -> bool {
        let fits = || match (asked.models(), doubt) {
            (Models::None, Doubt::Misfits) => false,
            (Models::Unknown, doubt) => doubt == Doubt::Fits,
            (Models::Named(names), Doubt::Misfits) => {
                let mut all = names.iter().map(String::as_str).chain(asked.hints());
                all.all(|name| self.models.iter().any(|pattern| pattern.matches(name)))
            }
            (Models::None | Models::Named(_), Doubt::Fits) => asked
                .spellings()
                .iter()
                .any(|name| self.spelled.iter().any(|pattern| pattern.matches(name))),
        };
        !(self.models.is_empty() || fits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::HeaderBlock;
    use serde_json::json;

    fn headers(method: &str, path: &str, inner: Option<&str>) -> HeaderBlock {
        let mut pairs = vec![
            (&b":method"[..], method.as_bytes()),
            (b":path", path.as_bytes()),
        ];
        pairs.extend(inner.map(|inner| (&b"x-amzn-sagemaker-target-model"[..], inner.as_bytes())));
        HeaderBlock::from_pairs(pairs)
    }

    fn fits(
        written: &serde_json::Value,
        method: &str,
        path: &str,
        inner: Option<&str>,
        doubt: Doubt,
    ) -> bool {
        let mut problems = Problems::default();
        let what = serde_json::from_value::<WrittenWhat>(written.clone())
            .unwrap()
            .compile(&mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        what.fits(&Asked::read(&headers(method, path, inner)).unwrap(), doubt)
    }

    #[test]
    fn every_condition_must_hold() {
        let infer = "/v2/models/fraud/infer";
        for (written, expected) in [
            (json!({}), true),
            (json!({"methods": ["POST"]}), true),
            (json!({"methods": ["GET"]}), false),
            (
                json!({"paths": ["/v1/**", "/v2/models/{model}/infer"]}),
                true,
            ),
            (json!({"paths": ["/v2/models/*"]}), false),
            (json!({"models": ["fr*"]}), true),
            (json!({"models": ["other"]}), false),
            (json!({"operations": ["infer", "chat"]}), true),
            (json!({"operations": ["explain"]}), false),
            (json!({"dialects": ["open_inference"]}), true),
            (json!({"dialects": ["openai"]}), false),
            (
                json!({"methods": ["POST"], "models": ["fraud"], "operations": ["explain"]}),
                false,
            ),
        ] {
            for doubt in [Doubt::Fits, Doubt::Misfits] {
                assert_eq!(
                    fits(&written, "POST", infer, None, doubt),
                    expected,
                    "{written}"
                );
            }
        }
    }

    #[test]
    fn what_cannot_be_known_counts_as_the_caller_says() {
        for (written, path) in [
            (json!({"models": ["m"]}), "/v1/chat/completions"),
            (json!({"models": ["m"]}), "/private/api"),
            (json!({"operations": ["infer"]}), "/private/api"),
            (json!({"dialects": ["openai"]}), "/private/api"),
        ] {
            assert!(
                fits(&written, "POST", path, None, Doubt::Fits),
                "{written} {path}"
            );
            assert!(
                !fits(&written, "POST", path, None, Doubt::Misfits),
                "{written} {path}"
            );
        }
    }

    #[test]
    fn a_request_about_no_model_fits_no_pattern() {
        for doubt in [Doubt::Fits, Doubt::Misfits] {
            assert!(!fits(
                &json!({"models": ["*"]}),
                "GET",
                "/v2/health/live",
                None,
                doubt
            ));
        }
    }

    #[test]
    fn of_two_models_all_must_be_allowed_and_one_is_enough_to_deny() {
        let path = "/endpoints/shared/invocations";
        let only_endpoint = json!({"models": ["shared"]});
        assert!(!fits(
            &only_endpoint,
            "POST",
            path,
            Some("secret.tar.gz"),
            Doubt::Misfits
        ));
        assert!(fits(
            &only_endpoint,
            "POST",
            path,
            Some("secret.tar.gz"),
            Doubt::Fits
        ));
        assert!(fits(
            &json!({"models": ["shared", "secret.*"]}),
            "POST",
            path,
            Some("secret.tar.gz"),
            Doubt::Misfits
        ));
        assert!(fits(
            &json!({"models": ["secret.*"]}),
            "POST",
            path,
            Some("secret.tar.gz"),
            Doubt::Fits
        ));
    }

    #[test]
    fn bad_methods_and_templates_are_problems() {
        let mut problems = Problems::default();
        serde_json::from_value::<WrittenWhat>(json!({"methods": ["post", ""], "paths": ["v1"]}))
            .unwrap()
            .compile(&mut problems);
        let paths: Vec<&str> = problems
            .found()
            .iter()
            .map(|problem| problem.path.as_str())
            .collect();
        assert_eq!(paths, ["methods[0]", "methods[1]", "paths[0]"]);
    }
}
