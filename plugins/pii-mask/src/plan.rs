//! What a configuration becomes. Everything that can be wrong in it is found here, all of it at
//! once.

use modelgate_kit::config::{DenyOrAllow, Mode, Problems, Setup};
use modelgate_kit::flat_map::FlatMap;
use modelgate_kit::host::Side;
use modelgate_kit::metrics::Metric;

use crate::allowed::Allowed;
use crate::config::WrittenCertainty;
use crate::config::{
    Bodies, Config, Direction, Encoding, Hold, OnCompressed, OnUnknownStream, Query, WrittenAction,
};
use crate::detect::spelled::Spellings;
use crate::detect::{Certainty, Entity};
use crate::document::Scope;
use crate::mask::{Action, Masker};

/// What runs.
pub struct Plan {
    /// Nothing is changed nor refused, only recorded.
    pub shadow: bool,
    /// What is looked for and what becomes of it.
    pub masker: Masker,
    /// The way to the model.
    pub request: Treatment,
    /// The way back.
    pub response: Treatment,
    /// What is held.
    pub hold: Hold,
    /// What happens with streams of a shape that is not known.
    pub on_unknown_stream: OnUnknownStream,
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
    /// Whether the query is masked.
    pub query: bool,
    /// Headers that are masked.
    pub headers: Vec<String>,
    /// Longest body, in bytes.
    pub max_body_bytes: usize,
    /// Longest event, in bytes.
    pub max_event_bytes: usize,
    /// See [`Direction::on_oversize`].
    pub on_oversize: DenyOrAllow,
    /// See [`Direction::on_compressed`].
    pub on_compressed: OnCompressed,
    /// See [`Direction::on_unparsable`].
    pub on_unparsable: DenyOrAllow,
    /// See [`Direction::on_other_type`].
    pub on_other_type: DenyOrAllow,
    /// What of a document is looked at.
    pub scope: Scope,
    /// How many findings were masked or blocked, by entity.
    pub counters: FlatMap<Entity, Metric>,
    /// How many passed and were reported, by entity.
    pub reported: FlatMap<Entity, Metric>,
    /// How many messages would have been refused, in shadow mode.
    pub shadow_denied: Option<Metric>,
}

const SHORTEST_KEY: usize = 16;
/// Most headers of one direction that are masked.
const MOST_HEADERS: usize = 32;

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
        let masker = Masker::new(
            actions,
            self.least_certainty.into(),
            key,
            Allowed::new(self.allowed_values.iter().map(|value| value.0.as_str())),
        );
        let decodes = |encoding| self.decode.contains(&encoding);
        let spellings = Spellings {
            percent: decodes(Encoding::Url),
            references: decodes(Encoding::Html),
            words: self.spelled_addresses,
        };
        let masker = masker.reading(spellings, decodes(Encoding::Base64));
        if self.query == Query::Mask && !setup.host.rules().changes_targets {
            problems.add(
                "query",
                "is `mask`, and this proxy takes no other path from a filter",
                "write `allow`",
            );
        }
        let shadow = self.mode == Mode::Shadow;
        let request = problems.within("request", |problems| {
            self.request
                .compile("request", self.query, &masker, shadow, setup, problems)
        });
        let response = problems.within("response", |problems| {
            self.response
                .compile("response", Query::Allow, &masker, shadow, setup, problems)
        });
        problems.is_empty().then_some(Plan {
            shadow,
            masker,
            request,
            response,
            hold: self.hold,
            on_unknown_stream: self.on_unknown_stream,
            on_upgrade: self.on_upgrade,
        })
    }
}

impl Direction {
    fn compile(
        &self,
        side: &str,
        query: Query,
        masker: &Masker,
        shadow: bool,
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
        let query = query == Query::Mask && !masker.is_idle();
        if self.headers.len() > MOST_HEADERS {
            let hint = format!("list {MOST_HEADERS} at most");
            problems.add("headers", "has too many", hint);
        }
        let names = self.headers.iter().filter(|_| !masker.is_idle());
        let headers: Vec<_> = names.map(|name| name.0.to_string()).collect();
        let looks = masks || query || !headers.is_empty();
        let counter = |tags: &[(&str, &str)], name| {
            let counter = Metric::counter(setup.filter, tags, name);
            counter.define(setup.host);
            counter
        };
        let counters = |name, wanted: &dyn Fn(Entity) -> bool| -> FlatMap<Entity, Metric> {
            let entities = masker.entities().filter(|entity| looks && wanted(*entity));
            let tags = |entity: Entity| [("side", side), ("entity", entity.name())];
            entities
                .map(|entity| (entity, counter(&tags(entity), name)))
                .collect()
        };
        Treatment {
            masks,
            query,
            headers,
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
            counters: counters("masked", &|entity| !shadow && masker.changes(entity)),
            reported: counters("reported", &|entity| shadow || !masker.changes(entity)),
            shadow_denied: (looks && shadow).then(|| counter(&[("side", side)], "shadow_denied")),
        }
    }
}

fn action(written: WrittenAction, keep: usize) -> Option<Action> {
    match written {
        WrittenAction::Mask => Some(Action::Mask { keep }),
        WrittenAction::Redact => Some(Action::Redact),
        WrittenAction::Hash => Some(Action::Hash),
        WrittenAction::Block => Some(Action::Block),
        WrittenAction::Report => Some(Action::Report),
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
