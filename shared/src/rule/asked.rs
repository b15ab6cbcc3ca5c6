//! What a request asks for, read once for all rules: method, one-reading path, route, and the names
//! of its models.
//!
//! Where the body names the model, [`Asked::read_model`] holds the request until its body is here;
//! a filter before us may have read it already, then its fact is taken. A body that could be read
//! in two ways, or not at all, ends the exchange: a rule over models must not be passed by hiding
//! the model.

use std::borrow::Cow;
use std::cell::OnceCell;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::body::BodyError;
use crate::config::Bounded;
use crate::config::types::ModelName;
use crate::exchange::Exchange;
use crate::facts::ModelCall;
use crate::headers::{HeaderBlock, Occurrence};
use crate::json::Limits;
use crate::problem::Reply;
use crate::problem::common::{BODY_TOO_LARGE, BODY_UNREADABLE, MODEL_UNREADABLE, PATH_AMBIGUOUS};
use crate::route::{
    Model, Path, Route, Stated, Template, field, further_models, hints_in, models_of_batch,
};
use crate::rule::kind::Kind;
use crate::rule::spelling::{Spellings, canonical};
use crate::sorting;

/// How to learn the model that a body names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelBody {
    /// `read`: hold the request until its body is here (Envoy: `allow_on_headers_stop_iteration:
    /// true`). `ignore`: the model stays unknown, for proxies that cannot be set so; then no rule
    /// over models allows such a request, and each that denies does.
    pub mode: ModelBodyMode,
    /// Longest body that is read, in bytes; a longer one is refused with 413. Keep it below the
    /// proxy's own buffer limit.
    pub max_body_bytes: Bounded<1_024, 67_108_864>,
    /// The model that answers where a body names none, as the server has it: without an entry such
    /// a request is refused with 400. The first whose path fits counts.
    pub defaults: Vec<DefaultModel>,
}

/// What a server does with a body that names no model.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultModel {
    /// Path template: `/v1/moderations`, `/v1/**`.
    pub path: Template,
    /// Name of the model, as rules compare it.
    pub model: ModelName,
}

impl Default for ModelBody {
    fn default() -> Self {
        Self {
            mode: ModelBodyMode::Read,
            max_body_bytes: Bounded::new(1_000_000),
            defaults: Vec::new(),
        }
    }
}

impl ModelBody {
    /// The body of a request that names its model there, and the limits of JSON in it. The request
    /// is held meanwhile.
    ///
    /// # Errors
    /// A reply where the body is too long or cannot be had.
    pub async fn body(&self, exchange: &Exchange) -> Result<(Vec<u8>, Limits), Reply> {
        let limits = Limits {
            max_bytes: self.max_body_bytes.size(),
            ..Limits::default()
        };
        let body = exchange.request().body(limits.max_bytes).await;
        let body = body.map_err(|error| match error {
            BodyError::TooLarge => Reply::new(&BODY_TOO_LARGE),
            BodyError::Unreadable => Reply::new(&BODY_UNREADABLE),
            // What comes after the headers of an upgrade is no body: the model is named nowhere.
            BodyError::Endless => Reply::new(&MODEL_UNREADABLE),
        })?;
        Ok((body, limits))
    }
}

/// Whether bodies are read for the model's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelBodyMode {
    /// They are.
    #[default]
    Read,
    /// They are not.
    Ignore,
}

/// The models that a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Models {
    /// None: the server has one only, or the operation is about no model.
    None,
    /// It may be about any: the body says it and has not been read, or the path is of no protocol
    /// that we know.
    Unknown,
    /// These: a model, an endpoint and the model inside it, or those of a batch.
    Named(Vec<String>),
}

/// What a request asks for.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    method: &'a str,
    path: Path<'a>,
    route: Option<Route<'a>>,
    headers: &'a HeaderBlock,
    /// Models that headers have a router turn to; nothing if it may turn to any.
    routed: Option<Vec<Cow<'a, str>>>,
    models: Models,
    /// Hints that the body holds.
    hints: Vec<String>,
    /// Whether the body has been read for what it names beside the path.
    knows_further: bool,
    /// Of the models and hints, once a rule has looked at them.
    spellings: OnceCell<Vec<Spellings>>,
}

impl<'a> Asked<'a> {
    /// Reads method, path and headers.
    ///
    /// # Errors
    /// A reply where they can be read in two ways.
    pub fn read(headers: &'a HeaderBlock) -> Result<Self, Reply> {
        let ambiguous = || Reply::new(&PATH_AMBIGUOUS);
        let (Occurrence::Once(method), Occurrence::Once(target)) =
            (headers.once(":method"), headers.once(":path"))
        else {
            return Err(ambiguous());
        };
        let method = std::str::from_utf8(method).map_err(|_| ambiguous())?;
        let path = Path::parse(target).map_err(|_| ambiguous())?;
        let route = match Route::parse(method.as_bytes(), &path) {
            Some(route) => Some(
                route
                    .with_headers(headers.iter())
                    .and_then(|route| route.with_query(target))
                    .map_err(|_| Reply::new(&MODEL_UNREADABLE))?,
            ),
            None => None,
        };
        let models = match &route {
            None => Models::Unknown,
            Some(route) => {
                let inner = route.inner_model.iter().map(|inner| inner.to_string());
                match &route.model {
                    Model::Named(name) => {
                        Models::Named(std::iter::once(name.to_string()).chain(inner).collect())
                    }
                    Model::Unnamed | Model::HintedInBody(_) if route.inner_model.is_some() => {
                        Models::Named(inner.collect())
                    }
                    Model::InBody(_)
                    | Model::InForm(_)
                    | Model::InBatch
                    | Model::HintedInBody(_) => Models::Unknown,
                    Model::Unnamed => Models::None,
                }
            }
        };
        let routed = route.as_ref().map_or(Some(Vec::new()), Route::routed);
        Ok(Self {
            method,
            path,
            route,
            headers,
            routed,
            models,
            hints: Vec::new(),
            knows_further: false,
            spellings: OnceCell::new(),
        })
    }

    /// Learns the model from the body, if that is where it is named.
    ///
    /// # Errors
    /// A reply where the body is too long, cannot be had, or does not name one model in one way, or
    /// a router is told to choose by itself.
    pub async fn read_model(&mut self, exchange: &Exchange, how: &ModelBody) -> Result<(), Reply> {
        let Some(route) = self.route.as_ref() else {
            return Ok(());
        };
        if self.routed.is_none() {
            return Err(Reply::new(&MODEL_UNREADABLE));
        }
        let (model, has_further) = (route.model.clone(), self.may_have_further());
        if !(self.models == Models::Unknown || has_further) || how.mode == ModelBodyMode::Ignore {
            return Ok(());
        }
        if !has_further
            && let Some(fact) = exchange.fact::<ModelCall>()
            && !fact.model.is_empty()
        {
            self.name(fact.names());
            return Ok(());
        }
        let is_hint = matches!(model, Model::HintedInBody(_));
        // Whoever looks for a name in such a body takes JSON only.
        if (is_hint || has_further) && Kind::is_no_json(self.headers) {
            self.nothing_more();
            return Ok(());
        }
        let unreadable = || Reply::new(&MODEL_UNREADABLE);
        let kind = Kind::of(self.headers).ok_or_else(unreadable)?;
        if matches!(kind, Kind::Form(_)) && !matches!(model, Model::InForm(_)) {
            return Err(unreadable());
        }
        let (body, limits) = how.body(exchange).await?;
        let default = || {
            let mut defaults = how.defaults.iter();
            let default = defaults.find(|default| default.path.matches(&self.path))?;
            Some(Cow::Borrowed(&*default.model))
        };
        let stated = |members| {
            let Stated {
                mut models,
                mut further,
                ..
            } = Stated::parse(&body, members, limits).ok()?;
            if models.is_empty() {
                models.push(default()?);
            }
            models.append(&mut further);
            Some(models)
        };
        let names = match (model, &kind) {
            (Model::InForm(member), Kind::Form(boundary)) => field(&body, boundary, member)
                .ok()
                .and_then(|name| Some(vec![name.or_else(default)?])),
            (Model::InForm(member), Kind::Json) => stated(&[member]),
            (Model::InBody(members), _) => stated(members),
            (Model::HintedInBody(member), _) => hints_in(&body, member, limits).ok(),
            (Model::InBatch, _) => models_of_batch(&body, limits).ok(),
            (Model::Named(_) | Model::Unnamed, _) => further_models(&body, limits).ok(),
        };
        let mut names = texts(names.ok_or_else(unreadable)?);
        if is_hint {
            self.hints.append(&mut names);
            self.nothing_more();
        } else if let (true, Models::Named(before)) = (has_further, &self.models) {
            self.name([before.clone(), names].concat());
        } else {
            self.name(names);
        }
        Ok(())
    }

    /// The body names no model, or none beside the path's.
    fn nothing_more(&mut self) {
        if self.models == Models::Unknown {
            self.models = Models::None;
        }
        self.knows_further = true;
        self.spellings = OnceCell::new();
    }

    /// Whether the path names a model, and the body, which has not been read, may name more.
    fn may_have_further(&self) -> bool {
        !self.knows_further
            && self
                .route
                .as_ref()
                .is_some_and(|route| route.further_in_body)
    }

    fn name(&mut self, names: Vec<String>) {
        self.models = Models::Named(names);
        self.knows_further = true;
        self.spellings = OnceCell::new();
    }

    /// Method as sent.
    pub const fn method(&self) -> &'a str {
        self.method
    }

    /// Path without query.
    pub const fn path(&self) -> &Path<'a> {
        &self.path
    }

    /// Protocol and operation, where a grammar has the path.
    pub const fn route(&self) -> Option<&Route<'a>> {
        self.route.as_ref()
    }

    /// What is known of the models.
    pub const fn models(&self) -> &Models {
        &self.models
    }

    /// Whether the body names models, or hints at some, and has not been read.
    pub fn model_is_unread(&self) -> bool {
        self.route.is_some() && self.models == Models::Unknown
    }

    /// Whether the body can do no more than hint at models: rules that allow models have nothing to
    /// learn from it.
    pub fn body_only_hints(&self) -> bool {
        let only_hints = |route: &Route<'_>| matches!(route.model, Model::HintedInBody(_));
        self.routed.is_some() && self.route.as_ref().is_some_and(only_hints)
    }

    /// Further names that some server may go by: see [`Route::hints`]. A name that is a list
    /// (`a,b`) is several models for LiteLLM.
    pub fn hints(&self) -> impl Iterator<Item = &str> {
        let of_route = self.route.iter().flat_map(|route| &route.hints);
        let of_route = of_route.chain(self.routed.iter().flatten());
        let lists = self.names().iter().filter(|name| name.contains(','));
        of_route
            .map(|hint| &**hint)
            .chain(self.hints.iter().map(String::as_str))
            .chain(lists.flat_map(|list| pieces(list)))
    }

    fn names(&self) -> &[String] {
        match &self.models {
            Models::Named(names) => names,
            Models::None | Models::Unknown => &[],
        }
    }

    /// Every model and hint, in the forms that denying rules compare.
    pub(super) fn spellings(&self) -> &[Spellings] {
        self.spellings.get_or_init(|| {
            self.names()
                .iter()
                .map(String::as_str)
                .chain(self.hints())
                .map(Spellings::of)
                .collect()
        })
    }

    /// The forms of every model and hint that denying rules compare.
    pub fn forms(&self) -> impl Iterator<Item = &str> {
        self.spellings().iter().flat_map(Spellings::forms)
    }

    /// What stands for the models where they are counted, one for each: the same for every spelling
    /// of a name. An endpoint and the model inside it are one; nothing if no model is known.
    pub fn model_keys(&self) -> Vec<Vec<u8>> {
        let has_inner = self
            .route
            .as_ref()
            .is_some_and(|route| route.inner_model.is_some());
        let mut keys: Vec<Vec<u8>> = if has_inner && !self.names().is_empty() {
            let names: Vec<String> = self.names().iter().map(|name| canonical(name)).collect();
            vec![names.join("\0").into_bytes()]
        } else {
            let names = self.names().iter().flat_map(|name| pieces(name));
            names.map(|name| canonical(name).into_bytes()).collect()
        };
        let routed = self.routed.iter().flatten();
        keys.extend(routed.map(|name| canonical(name).into_bytes()));
        sorting::sort(&mut keys);
        keys.dedup();
        keys
    }

    /// The fact to leave for the filters that follow; nothing for a path of no protocol.
    pub fn model_call(&self) -> Option<ModelCall> {
        let route = self.route.as_ref()?;
        Some(ModelCall {
            dialect: route.dialect.as_str().to_owned(),
            operation: route.operation.as_str().to_owned(),
            model: match &self.models {
                Models::Named(names) => names.join("/"),
                Models::None | Models::Unknown => String::new(),
            },
            models: match &self.models {
                Models::Named(names) if names.len() > 1 => names.clone(),
                _ => Vec::new(),
            },
            version: route
                .selector
                .as_ref()
                .map(|selector| selector.name().to_owned())
                .unwrap_or_default(),
            route: None,
        })
    }
}

/// The names in a list of them, which most often is one.
fn pieces(name: &str) -> impl Iterator<Item = &str> {
    let pieces = name.split(',').map(str::trim);
    pieces.filter(|piece| !piece.is_empty())
}

/// Names of their own.
fn texts(names: Vec<Cow<'_, str>>) -> Vec<String> {
    names.into_iter().map(Cow::into_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(pairs: &[(&str, &str)]) -> HeaderBlock {
        HeaderBlock::from_pairs(
            pairs
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        )
    }

    fn reason(pairs: &[(&str, &str)]) -> &'static str {
        Asked::read(&block(pairs))
            .err()
            .map_or("", |reply| reply.reason.code)
    }

    #[test]
    fn the_models_are_those_that_path_and_headers_name() {
        for (method, path, inner, models) in [
            (
                "POST",
                "/v2/models/m/infer",
                None,
                Models::Named(vec!["m".to_owned()]),
            ),
            ("POST", "/v1/chat/completions", None, Models::Unknown),
            ("GET", "/v2/health/live", None, Models::None),
            ("GET", "/anything", None, Models::Unknown),
            (
                "POST",
                "/endpoints/e/invocations",
                Some("i"),
                Models::Named(vec!["e".to_owned(), "i".to_owned()]),
            ),
        ] {
            let mut pairs = vec![(":method", method), (":path", path)];
            pairs.extend(inner.map(|inner| ("x-amzn-sagemaker-target-model", inner)));
            assert_eq!(
                Asked::read(&block(&pairs)).unwrap().models(),
                &models,
                "{path}"
            );
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        assert_eq!(
            reason(&[(":method", "GET"), (":path", "/a/../b")]),
            "path_ambiguous"
        );
        assert_eq!(
            reason(&[(":method", "GET"), (":path", "/a%2Fb")]),
            "path_ambiguous"
        );
        assert_eq!(
            reason(&[(":method", "GET"), (":path", "/a"), (":path", "/b")]),
            "path_ambiguous"
        );
        assert_eq!(reason(&[(":path", "/a")]), "path_ambiguous");
        let twice = [
            (":method", "POST"),
            (":path", "/endpoints/e/invocations"),
            ("x-amzn-sagemaker-target-model", "a"),
            ("x-amzn-sagemaker-target-model", "b"),
        ];
        assert_eq!(reason(&twice), "model_unreadable");
    }

    #[test]
    fn the_fact_says_what_was_read() {
        let headers = block(&[
            (":method", "POST"),
            (":path", "/v2/models/m/versions/3/infer"),
        ]);
        let call = Asked::read(&headers).unwrap().model_call().unwrap();
        assert_eq!(
            (
                call.dialect.as_str(),
                call.operation.as_str(),
                call.model.as_str(),
                call.version.as_str()
            ),
            ("open_inference", "infer", "m", "3")
        );
        assert_eq!(
            Asked::read(&block(&[(":method", "GET"), (":path", "/x")]))
                .unwrap()
                .model_call(),
            None
        );
    }
}
