//! What a configuration becomes. Everything that can be wrong in it is found here, all of it at
//! once.

mod kinds;

use modelgate_kit::config::{DenyOrAllow, Problems, Setup};
use modelgate_kit::flat_map::FlatMap;
use modelgate_kit::host::Side;
use modelgate_kit::metrics::Metric;

use crate::config::{Bodies, Config, Direction, Hold, WrittenAction, WrittenCertainty};
use crate::detect::{Certainty, Entity};
use crate::document::Scope;
use crate::mask::{Action, Masker};

/// What runs.
pub struct Plan {
    /// What is looked for and what becomes of it.
    pub masker: Masker,
    /// The way to the model.
    pub request: Treatment,
    /// The way back.
    pub response: Treatment,
    /// What is held.
    pub hold: Hold,
    /// What happens with upgrades.
    pub on_upgrade: DenyOrAllow,
}

impl Plan {
    /// What becomes of the messages of one side.
    pub const fn way(&self, side: Side) -> &Treatment {
        match side {
            Side::Request => &self.request,
            Side::Response => &self.response,
        }
    }
}

/// One direction, compiled.
pub struct Treatment {
    /// Whether bodies are masked.
    pub masks: bool,
    /// Longest body, in bytes.
    pub max_body_bytes: usize,
    /// Longest event, in bytes.
    pub max_event_bytes: usize,
    /// See [`Direction::on_oversize`].
    pub on_oversize: DenyOrAllow,
    /// See [`Direction::on_compressed`].
    pub on_compressed: DenyOrAllow,
    /// See [`Direction::on_unparsable`].
    pub on_unparsable: DenyOrAllow,
    /// See [`Direction::on_other_type`].
    pub on_other_type: DenyOrAllow,
    /// What of a document is looked at.
    pub scope: Scope,
    /// How many findings there were, by entity.
    pub counters: FlatMap<Entity, Metric>,
}

const SHORTEST_KEY: usize = 16;

impl Config {
    /// The plan; `None` only together with a problem.
    pub fn compile(self, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        let default = action(self.default_action, 0);
        let mut actions: FlatMap<Entity, Action> = Entity::ALL
            .into_iter()
            .filter_map(|entity| Some((entity, default?)))
            .collect();
        for (entity, rule) in self.entities.rules() {
            if rule.keep_last.value() > 0 && rule.action != WrittenAction::Mask {
                let path = format!("entities.{}.keep_last", entity.name());
                problems.add(
                    path,
                    "only `mask` keeps anything",
                    "write `action: mask`, or leave it out",
                );
            }
            match action(rule.action, rule.keep_last.size()) {
                Some(action) => actions.insert(entity, action),
                None => drop(actions.remove(&entity)),
            }
        }
        let customs = kinds::compile(&self, &mut actions, problems);
        let allowed = kinds::allowed(&self, problems);
        let hashes = actions.values().any(|action| *action == Action::Hash);
        let key = self
            .hash_key
            .as_ref()
            .and_then(|key| key.resolve_at_least(SHORTEST_KEY, "hash_key", setup, problems));
        if hashes && self.hash_key.is_none() {
            problems.add(
                "hash_key",
                "`hash` needs a key",
                "write `hash_key: {\"env\": \"NAME\"}`",
            );
        }
        let masker =
            Masker::new(actions, self.least_certainty.into(), key, allowed).with_customs(customs);
        let request = problems.within("request", |problems| {
            self.request.compile("request", &masker, setup, problems)
        });
        let response = problems.within("response", |problems| {
            self.response.compile("response", &masker, setup, problems)
        });
        problems.is_empty().then_some(Plan {
            masker,
            request,
            response,
            hold: self.hold,
            on_upgrade: self.on_upgrade,
        })
    }
}

impl Direction {
    fn compile(
        &self,
        side: &str,
        masker: &Masker,
        setup: &Setup<'_>,
        problems: &mut Problems,
    ) -> Treatment {
        let mut skip = Vec::new();
        for (at, path) in self.skip_paths.iter().enumerate() {
            let steps: Vec<String> = path
                .trim_start_matches("$.")
                .split('.')
                .map(str::to_owned)
                .collect();
            if steps.iter().any(String::is_empty) || steps.iter().all(|step| step == "*") {
                let hint = "write names and positions joined by dots, such as `messages.*.name`";
                problems.add(format!("skip_paths[{at}]"), "this is no path", hint);
            }
            skip.push(steps);
        }
        let masks = self.bodies == Bodies::Mask && !masker.is_idle();
        let counter = |entity: Entity| {
            let counter = Metric::counter(
                setup.filter,
                &[("side", side), ("entity", entity.name())],
                "masked",
            );
            counter.define(setup.host);
            (entity, counter)
        };
        Treatment {
            masks,
            max_body_bytes: self.max_body_bytes.size(),
            max_event_bytes: self.max_event_bytes.size(),
            on_oversize: self.on_oversize,
            on_compressed: self.on_compressed,
            on_unparsable: self.on_unparsable,
            on_other_type: self.on_other_type,
            scope: Scope {
                names: self.json_names == Bodies::Mask,
                numbers: self.json_numbers == Bodies::Mask,
                drop_logprobs: side == "response",
                skip,
            },
            counters: if masks {
                masker.entities().map(counter).collect()
            } else {
                FlatMap::default()
            },
        }
    }
}

fn action(written: WrittenAction, keep: usize) -> Option<Action> {
    match written {
        WrittenAction::Mask => Some(Action::Mask { keep }),
        WrittenAction::Redact => Some(Action::Redact),
        WrittenAction::Hash => Some(Action::Hash),
        WrittenAction::Block => Some(Action::Block),
        WrittenAction::Allow => None,
    }
}

impl From<WrittenCertainty> for Certainty {
    fn from(written: WrittenCertainty) -> Self {
        match written {
            WrittenCertainty::Context => Certainty::Context,
            WrittenCertainty::Shape => Certainty::Shape,
            WrittenCertainty::Check => Certainty::Check,
        }
    }
}
