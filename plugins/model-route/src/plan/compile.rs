//! From what was written to what runs; everything that cannot be right is said with its path.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use modelgate_kit::config::types::PlainName;
use modelgate_kit::config::{Bounded, Problems, Setup, fingerprint};
use modelgate_kit::filter::Filter as _;
use modelgate_kit::glob::Glob;
use modelgate_kit::metrics::Metric;
use modelgate_kit::problem::Instead;
use modelgate_kit::route::Selector;

use super::{Fallback, Key, Metrics, Model, Override, Plan, Rollback, Shadow, Target};
use crate::ModelRoute;
use crate::circuit::{MILLION, Rules};
use crate::config::{
    Config, ModelPattern, Name, VersionIs, WrittenAnswer, WrittenFallback, WrittenKey,
    WrittenModel, WrittenOverride, WrittenRollback, WrittenTarget,
};
use crate::split::Salt;

const NS_PER_S: u64 = 1_000_000_000;
const NS_PER_MS: u64 = 1_000_000;
/// Most targets of a model: each of them may have to be asked for.
const MOST_TARGETS: usize = 32;

impl Plan {
    /// Compiles the models; what is wrong with them is added to `problems`.
    pub(crate) fn compile(
        config: Config,
        setup: &Setup<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let salt = Salt::new(&config.salt);
        let mut plan = Self {
            models: Vec::new(),
            exact: BTreeMap::new(),
            patterns: Vec::new(),
            unknown_models: config.unknown_models,
            other_requests: config.other_requests,
            backend_header: config.backend_header.into(),
            shadow_header: config.shadow_header.into(),
            lineage_header: config.lineage_header.map(String::from),
            salt,
            model_from_body: config.model_from_body,
            uncounted: Metric::counter(ModelRoute::NAME, &[], "uncounted"),
        };
        if plan.backend_header == plan.shadow_header {
            problems.add(
                "shadow_header",
                "is `backend_header` too",
                "give each a name of its own",
            );
        }
        let mut names = BTreeSet::new();
        for (at, written) in config.models.into_iter().enumerate() {
            problems.within(&format!("models[{at}]"), |problems| {
                plan.enter_names(at, &written, &mut names, problems);
                plan.models.push(written.compile(salt, setup, problems));
            });
        }
        plan.uncounted.define(setup.host);
        if problems.is_empty() {
            for metrics in plan.models.iter().flat_map(|model| &model.targets) {
                metrics.metrics.define(setup);
            }
        }
        Some(plan)
    }

    fn enter_names(
        &mut self,
        at: usize,
        written: &WrittenModel,
        names: &mut BTreeSet<String>,
        problems: &mut Problems,
    ) {
        let aliases = written.aliases.iter().enumerate();
        let aliases = aliases.map(|(at, alias)| (format!("aliases[{at}]"), alias));
        for (path, ModelPattern(name)) in
            std::iter::once(("name".to_owned(), &written.name)).chain(aliases)
        {
            if !names.insert(name.clone()) {
                problems.add(
                    path,
                    "is a name of another model too, or is written twice",
                    "each name leads to one entry",
                );
            }
            if name.contains('*') {
                self.patterns.push((Glob::new(name), at));
            } else {
                self.exact.insert(name.as_str().into(), at);
            }
        }
    }
}

impl Metrics {
    fn new(model: &str, tag: &str) -> Self {
        let tags = [("name", model), ("target", tag)];
        let counter = |name| Metric::counter(ModelRoute::NAME, &tags, name);
        Self {
            requests: counter("requests"),
            errors: counter("errors"),
            slow: counter("slow"),
            taken_out: counter("taken_out"),
            state: Metric::gauge(ModelRoute::NAME, &tags, "state"),
            degraded: counter("degraded"),
        }
    }

    fn define(&self, setup: &Setup<'_>) {
        for metric in [
            &self.requests,
            &self.errors,
            &self.slow,
            &self.taken_out,
            &self.state,
            &self.degraded,
        ] {
            metric.define(setup.host);
        }
    }
}

impl WrittenModel {
    fn compile(self, salt: Salt, setup: &Setup<'_>, problems: &mut Problems) -> Model {
        let name = self.name.0;
        let mut targets: Vec<Target> = Vec::new();
        if self.targets.len() > MOST_TARGETS {
            problems.add(
                "targets",
                format!("are {}", self.targets.len()),
                format!("write at most {MOST_TARGETS}"),
            );
        }
        for (at, written) in self.targets.into_vec().into_iter().enumerate() {
            problems.within(&format!("targets[{at}]"), |problems| {
                if targets.iter().any(|other| other.tag == *written.tag) {
                    problems.add(
                        "tag",
                        "is the tag of another target too",
                        "give each target its own",
                    );
                }
                targets.push(written.compile(&name, salt, problems));
            });
        }
        let tags = Tags(&targets);
        let pin = self.pin.and_then(|tag| tags.find("pin", &tag, problems));
        if pin.is_none() && targets.iter().all(|target| target.share.weight() == 0) {
            problems.add(
                "targets",
                "have no weight",
                "give one of them a weight above 0, or pin one",
            );
        }
        let mut overrides = Vec::new();
        for (at, written) in self.overrides.into_iter().enumerate() {
            problems.within(&format!("overrides[{at}]"), |problems| {
                overrides.extend(written.compile(&tags, problems));
            });
        }
        let fallback = self.fallback.map(|written| {
            problems.within("fallback", |problems| {
                written.compile(&tags, setup, problems)
            })
        });
        let rollback = self.rollback.map(|written| {
            problems.within("rollback", |problems| written.compile(&tags, problems))
        });
        let (rollback, watched) = rollback.unzip();
        for at in watched.unwrap_or_default() {
            if let Some(target) = targets.get_mut(at) {
                target.circuit = Some(circuit_key(&name, target));
            }
        }
        let mut weighted = targets
            .iter()
            .enumerate()
            .filter(|(_, target)| target.share.weight() > 0);
        let only = match (weighted.next(), weighted.next()) {
            (Some((only, _)), None) => Some(only),
            _ => None,
        };
        Model {
            only,
            paths: self.paths,
            sticky_by: self.sticky_by.into_iter().map(Key::from).collect(),
            keeps_versions: targets.iter().all(|target| target.selector.is_none()),
            targets,
            overrides,
            pin,
            rollback,
            fallback,
            shadow: self.shadow.map(|shadow| Shadow {
                backend: shadow.backend.0,
                percent: shadow.percent.value(),
                purpose: salt.share("shadow", 0),
            }),
            name,
        }
    }
}

/// The key of a target's circuit in shared data. It is the same in every configuration that has
/// the same target, so that a new one goes on with what is known; and another one for another
/// version, of which nothing is.
fn circuit_key(model: &str, target: &Target) -> String {
    let mut text = String::new();
    for part in [
        model,
        &target.tag,
        &target.backend,
        target.model.as_deref().unwrap_or_default(),
        target.version(),
    ] {
        text.push_str(&format!("{}:{part},", part.len()));
    }
    format!(
        "modelgate.model_route.{:016x}",
        fingerprint(text.as_bytes())
    )
}

/// The targets of a model, to be found by their tags.
struct Tags<'a>(&'a [Target]);

impl Tags<'_> {
    /// The place of the target with a tag.
    fn find(&self, path: &str, tag: &PlainName, problems: &mut Problems) -> Option<usize> {
        let found = self.0.iter().position(|target| target.tag == **tag);
        if found.is_none() {
            problems.add(path, "is no tag of a target", "write one of `targets`");
        }
        found
    }
}

impl From<WrittenKey> for Key {
    fn from(written: WrittenKey) -> Self {
        match written {
            WrittenKey::Consumer => Self::Consumer,
            WrittenKey::Claim(path) => Self::Claim(path),
            WrittenKey::Header(name) => Self::Header(name.into()),
        }
    }
}

impl WrittenTarget {
    fn compile(self, model: &str, salt: Salt, problems: &mut Problems) -> Target {
        type Select = fn(std::borrow::Cow<'static, str>) -> Selector<'static>;
        let written: [(Option<Name>, Select); 5] = [
            (self.version, Selector::Version),
            (self.label, Selector::Label),
            (self.variant, Selector::Variant),
            (self.deployment, Selector::Deployment),
            (self.inference_component, Selector::InferenceComponent),
        ];
        let mut selectors = written
            .into_iter()
            .filter_map(|(name, select)| Some(select(name?.0.into())));
        let selector = selectors.next();
        if selectors.next().is_some() {
            problems.add(
                "version",
                "stands beside a label, variant, deployment or inference component",
                "write one of `version`, `label`, `variant`, `deployment` and `inference_component`",
            );
        }
        Target {
            share: salt.share(&self.tag, self.weight.value()),
            metrics: Metrics::new(model, &self.tag),
            tag: self.tag.into_string(),
            backend: self.backend.0,
            model: self.model.map(String::from),
            selector,
            is_asked: self.version_is == VersionIs::Asked,
            circuit: None,
            told: RefCell::default(),
            rewritten: RefCell::default(),
        }
    }
}

impl WrittenOverride {
    fn compile(self, tags: &Tags<'_>, problems: &mut Problems) -> Option<Override> {
        let who = problems.within("who", |problems| self.who.compile(problems));
        if self.header.is_none() && who.fits_everybody() {
            problems.add(
                "who",
                "is everybody, and no header is asked for",
                "pin the target, or say who is meant",
            );
        }
        Some(Override {
            who,
            header: self
                .header
                .map(|header| (header.name.into(), header.value.into())),
            target: tags.find("target", &self.target, problems)?,
        })
    }
}

impl WrittenRollback {
    /// The rules, and the places of the targets that they are for.
    fn compile(self, tags: &Tags<'_>, problems: &mut Problems) -> (Rollback, Vec<usize>) {
        let to = self.to.and_then(|tag| tags.find("to", &tag, problems));
        let mut watched = Vec::new();
        for (at, tag) in self.of.iter().enumerate() {
            watched.extend(tags.find(&format!("of[{at}]"), tag, problems));
        }
        if self.of.is_empty() {
            watched = (0..tags.0.len()).filter(|at| Some(*at) != to).collect();
        }
        if to.is_some() && watched.iter().all(|at| Some(*at) == to) {
            problems.add(
                "to",
                "is the only target that may be taken out",
                "name in `of` the targets that it takes over from",
            );
        }
        if let Some(slow) = self.slow
            && self.back_after_s.is_some()
            && slow.over_ms.value() > self.window_s.value().saturating_mul(1_000)
        {
            problems.add(
                "slow.over_ms",
                "is longer than the window",
                "a trial whose answers come after `window_s` would never end",
            );
        }
        let share = |per_1000: u64| per_1000.saturating_mul(MILLION / 1_000);
        let rules = Rules {
            errors: share(self.errors_per_1000.value()),
            slow: self.slow.map(|slow| share(slow.per_1000.value())),
            window_ns: self.window_s.value().saturating_mul(NS_PER_S),
            minimum: self.minimum.short(),
            back_after_ns: self
                .back_after_s
                .map(|seconds| seconds.value().saturating_mul(NS_PER_S)),
            trial: self.trial_requests.short(),
        };
        let rollback = Rollback {
            rules,
            to,
            error_statuses: self.error_statuses.into_iter().map(status).collect(),
            slow_ns: self
                .slow
                .map(|slow| slow.over_ms.value().saturating_mul(NS_PER_MS)),
        };
        (rollback, watched)
    }
}

impl WrittenFallback {
    fn compile(self, tags: &Tags<'_>, setup: &Setup<'_>, problems: &mut Problems) -> Fallback {
        if self.target.is_none() && self.answer.is_none() {
            problems.add("", "does nothing", "write `target`, `answer` or both");
        }
        let replaces = self.answer.is_some() && !self.statuses.is_empty();
        if replaces && !setup.host.rules().replies_to_responses {
            problems.add(
                "statuses",
                "are looked for in answers, in whose place this proxy takes no other",
                "write `[]`: `answer` is then given while all targets are taken out",
            );
        }
        Fallback {
            target: self
                .target
                .and_then(|tag| tags.find("target", &tag, problems)),
            answer: self.answer.map(|answer| Rc::new(answer.into())),
            statuses: self.statuses.into_iter().map(status).collect(),
        }
    }
}

impl From<WrittenAnswer> for Instead {
    fn from(written: WrittenAnswer) -> Self {
        let headers = written.headers.into_iter();
        let headers = headers.map(|(name, value)| (name.into(), value.into()));
        let kind = ("content-type".to_owned(), written.content_type.into());
        Self {
            status: status(written.status),
            headers: std::iter::once(kind).chain(headers).collect(),
            body: written.body.into_bytes(),
        }
    }
}

fn status<const MIN: u64, const MAX: u64>(status: Bounded<MIN, MAX>) -> u16 {
    u16::try_from(status.value()).unwrap_or_default()
}
