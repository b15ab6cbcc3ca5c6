//! What runs: models by their names, with everything that can be known of a target before a
//! request comes.

mod compile;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use modelgate_kit::claim::ClaimPath;
use modelgate_kit::config::DenyOrAllow;
use modelgate_kit::glob::Glob;
use modelgate_kit::metrics::Metric;
use modelgate_kit::problem::Instead;
use modelgate_kit::route::{Path, Selector, Template};
use modelgate_kit::rule::{ModelBody, Who};

use crate::circuit::Rules;
use crate::kept::{Kept, Told};
use crate::split::{Salt, Share};

/// The compiled configuration.
#[derive(Debug)]
pub struct Plan {
    pub(crate) models: Vec<Model>,
    /// Places of models by exact names.
    exact: BTreeMap<Box<str>, usize>,
    /// The others, in their order.
    patterns: Vec<(Glob, usize)>,
    pub(crate) unknown_models: DenyOrAllow,
    pub(crate) other_requests: DenyOrAllow,
    pub(crate) backend_header: String,
    pub(crate) shadow_header: String,
    pub(crate) lineage_header: Option<String>,
    pub(crate) salt: Salt,
    pub(crate) model_from_body: ModelBody,
    /// Outcomes, or states, that could not be read or written.
    pub(crate) uncounted: Metric,
}

/// A model.
#[derive(Debug)]
pub(crate) struct Model {
    /// The name in the configuration.
    pub name: String,
    paths: Vec<Template>,
    pub sticky_by: Vec<Key>,
    pub targets: Vec<Target>,
    /// The only target that has a weight, where there is just one: nothing is split.
    pub only: Option<usize>,
    /// A version that a client names stays: no target has one.
    pub keeps_versions: bool,
    pub overrides: Vec<Override>,
    pub pin: Option<usize>,
    pub rollback: Option<Rollback>,
    pub fallback: Option<Fallback>,
    pub shadow: Option<Shadow>,
}

/// What tells callers apart.
#[derive(Debug)]
pub(crate) enum Key {
    Consumer,
    Claim(ClaimPath),
    Header(String),
}

/// A place where a model is.
#[derive(Debug)]
pub(crate) struct Target {
    pub tag: String,
    pub share: Share,
    pub backend: String,
    /// The name that the server knows.
    pub model: Option<String>,
    pub selector: Option<Selector<'static>>,
    /// The server is told the selector.
    pub is_asked: bool,
    /// Where its circuit stands in shared data, if it may be taken out.
    pub circuit: Option<String>,
    /// What was told last of a request that went here.
    pub told: RefCell<Option<Rc<Told>>>,
    /// What was written last into one.
    pub rewritten: RefCell<Option<Kept>>,
    pub metrics: Metrics,
}

/// What is counted of a target.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub requests: Metric,
    pub errors: Metric,
    pub slow: Metric,
    pub taken_out: Metric,
    pub state: Metric,
    pub degraded: Metric,
}

/// Requests that go to one target.
#[derive(Debug)]
pub(crate) struct Override {
    pub who: Who,
    pub header: Option<(String, String)>,
    pub target: usize,
}

/// When a target is taken out.
#[derive(Debug)]
pub(crate) struct Rollback {
    pub rules: Rules,
    pub to: Option<usize>,
    pub error_statuses: Vec<u16>,
    pub slow_ns: Option<u64>,
}

/// What is done where the model cannot answer.
#[derive(Debug)]
pub(crate) struct Fallback {
    pub target: Option<usize>,
    pub answer: Option<Rc<Instead>>,
    pub statuses: Vec<u16>,
}

/// Where copies go.
#[derive(Debug)]
pub(crate) struct Shadow {
    pub backend: String,
    pub percent: u64,
    pub purpose: Share,
}

impl Plan {
    /// The model of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Model> {
        let by_pattern = || {
            let mut patterns = self.patterns.iter();
            patterns
                .find(|(pattern, _)| pattern.matches(name))
                .map(|(_, at)| at)
        };
        self.models.get(*self.exact.get(name).or_else(by_pattern)?)
    }

    /// The model of requests that name none and have this path.
    pub(crate) fn at(&self, path: &Path<'_>) -> Option<&Model> {
        let mut models = self.models.iter();
        models.find(|model| model.paths.iter().any(|template| template.matches(path)))
    }

    /// Names of request headers that are the filter's.
    pub(crate) fn own_headers(&self) -> impl Iterator<Item = &str> + Clone {
        [self.backend_header.as_str(), self.shadow_header.as_str()].into_iter()
    }
}

impl Model {
    /// How late an answer must be to count as slow, in nanoseconds; nothing where none does.
    pub fn slow_ns(&self) -> Option<u64> {
        self.rollback.as_ref()?.slow_ns
    }

    /// Whether anything of it looks at the verified caller.
    pub fn looks_at_identity(&self) -> bool {
        let by_caller = |key: &Key| !matches!(key, Key::Header(_));
        self.pin.is_none()
            && (self.sticky_by.iter().any(by_caller)
                || self.overrides.iter().any(|one| !one.who.fits_everybody()))
    }
}

impl Target {
    /// Version, label, variant or deployment.
    pub fn version(&self) -> &str {
        self.selector.as_ref().map_or("", Selector::name)
    }
}
