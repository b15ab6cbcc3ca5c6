//! What a configuration becomes. Everything that can be wrong in it is found here, all of it at
//! once.

mod kinds;

use std::cell::RefCell;
use std::rc::Rc;

use modelgate_kit::config::{DenyOrAllow, Mode, Problems, SecretBytes, Setup};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::facts::Identity;
use modelgate_kit::flat_map::FlatMap;
use modelgate_kit::host::Side;
use modelgate_kit::metrics::Metric;
use modelgate_kit::problem::Reply;

use crate::config::{AnswerAction, Bodies, Config, Direction, Encoding, HashScope, Hold};
use crate::config::{Grpc, OnCompressed, OnUnknownStream, Query, Restore, Rule};
use crate::config::{WrittenAction, WrittenCertainty};
use crate::detect::spelled::Spellings;
use crate::detect::{Certainty, Entity};
use crate::document::Scope;
use crate::mask::{Action, Masker, Surrogate, keyed};
use crate::reasons::SCOPE_MISSING;
use crate::restore::Vault;

/// What runs.
pub struct Plan {
    /// Nothing is changed nor refused, only recorded.
    pub shadow: bool,
    /// What is looked for in requests and what becomes of it.
    pub masker: Masker,
    /// The same of answers.
    pub answer_masker: Masker,
    /// Whether what requests had is put back in answers.
    pub restores: bool,
    /// Whom codes are the same for.
    pub hash_scope: HashScope,
    /// See [`Config::on_missing_scope`].
    pub on_missing_scope: DenyOrAllow,
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

    /// The maskers of one exchange, of its request and of its answer.
    ///
    /// # Errors
    /// It is not known whose the exchange is, and has to be.
    pub fn maskers(&self, exchange: &Exchange) -> Result<(Masker, Masker), Reply> {
        if self.shadow {
            return Ok((self.masker.clone(), self.answer_masker.clone()));
        }
        let scope = self.scope(exchange)?;
        if !self.masker.keeps() {
            return Ok((
                self.masker.scoped(&scope),
                self.answer_masker.scoped(&scope),
            ));
        }
        let vault = Rc::new(RefCell::new(Vault::default()));
        let answer = if self.restores {
            self.answer_masker.restoring(&vault, &scope)
        } else {
            self.answer_masker.scoped(&scope)
        };
        Ok((self.masker.keeping(&vault, &scope), answer))
    }

    fn scope(&self, exchange: &Exchange) -> Result<keyed::Scope, Reply> {
        let is_keyed = self.masker.is_keyed() || self.answer_masker.is_keyed();
        if self.hash_scope == HashScope::Everybody || !is_keyed {
            return Ok(keyed::Scope::Everybody);
        }
        let of = exchange.fact::<Identity>().and_then(|identity| {
            let name = match &self.hash_scope {
                HashScope::Everybody => None,
                HashScope::Consumer => Some(identity.consumer.as_bytes().to_vec()),
                HashScope::Claim(path) => identity.one_word(path),
            };
            name.filter(|name| !name.is_empty())
        });
        match (of, self.on_missing_scope) {
            (Some(name), _) => Ok(keyed::Scope::Of(name)),
            (None, DenyOrAllow::Allow) => Ok(keyed::Scope::Unknown),
            (None, DenyOrAllow::Deny) => Err(Reply::new(&SCOPE_MISSING)),
        }
    }
}

type Actions = FlatMap<Entity, Action>;

/// One direction, compiled.
pub struct Treatment {
    /// Whether bodies are looked at.
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
    /// See [`Direction::grpc`].
    pub grpc: Grpc,
    /// What of a document is looked at.
    pub scope: Scope,
    /// How many findings were masked or blocked, by entity.
    pub counters: FlatMap<Entity, Metric>,
    /// How many passed and were reported, by entity.
    pub reported: FlatMap<Entity, Metric>,
    /// How many messages would have been refused, in shadow mode.
    pub shadow_denied: Option<Metric>,
    /// How many of them were redacted because no more could be kept.
    pub unkept: FlatMap<Entity, Metric>,
    /// How many were put back.
    pub restored: FlatMap<Entity, Metric>,
}

const SHORTEST_KEY: usize = 16;
/// Most headers of one direction that are masked.
const MOST_HEADERS: usize = 32;

impl Config {
    /// The plan; `None` only together with a problem.
    pub fn compile(self, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        let (mut actions, mut answers) = self.actions(problems);
        let customs = Rc::new(kinds::compile(&self, &mut actions, &mut answers, problems));
        let hashes = [&actions, &answers]
            .into_iter()
            .any(|actions| actions.values().any(|action| action.is_keyed()));
        let key = self
            .hash_key
            .as_ref()
            .and_then(|key| key.resolve_at_least(SHORTEST_KEY, "hash_key", setup, problems));
        if hashes && self.hash_key.is_none() {
            problems.add(
                "hash_key",
                "`hash`, `pseudonym` and `fake` need a key",
                "write `hash_key: {\"env\": \"NAME\"}`",
            );
        }
        if !hashes && self.hash_scope != HashScope::Everybody {
            let hint = "leave it out, or write `action: pseudonym`";
            problems.add("hash_scope", "no entity has a code", hint);
        }
        let decodes = |encoding| self.decode.contains(&encoding);
        let spellings = Spellings {
            percent: decodes(Encoding::Url),
            references: decodes(Encoding::Html),
            quoted_printable: decodes(Encoding::QuotedPrintable),
            words: self.spelled_addresses,
        };
        let allowed = Rc::new(kinds::allowed(&self, problems));
        let countries: Vec<_> = self.countries.iter().map(|country| country.0).collect();
        let masker = |actions, key: Option<SecretBytes>| {
            let allowed = Rc::clone(&allowed);
            Masker::new(actions, self.least_certainty.into(), key, allowed)
                .narrowed(self.least_of_each(), &countries)
                .with_customs(Rc::clone(&customs))
                .reading(spellings, decodes(Encoding::Base64))
        };
        let (masker, answer_masker) = (masker(actions, key.clone()), masker(answers, key));
        if self.query == Query::Mask && !setup.host.rules().changes_targets {
            problems.add(
                "query",
                "is `mask`, and this proxy takes no other path from a filter",
                "write `allow`",
            );
        }
        let shadow = self.mode == Mode::Shadow;
        let mut request = problems.within("request", |problems| {
            self.request
                .compile("request", self.query, &masker, shadow, setup, problems)
        });
        let restores =
            self.restore == Restore::Answer && request.masks && masker.keeps() && !shadow;
        let mut response = problems.within("response", |problems| {
            let masker = &answer_masker;
            self.response
                .compile("response", Query::Allow, masker, shadow, setup, problems)
        });
        let answer_masker = if restores && !response.masks {
            response.only_restores();
            Masker::new(FlatMap::default(), Certainty::Check, None, Rc::default())
        } else {
            answer_masker
        };
        if masker.keeps() && !shadow {
            let counters = |side, what| {
                let counter = |entity| (entity, counter(setup, side, entity, what));
                masker.entities().map(counter).collect()
            };
            request.unkept = counters("request", "unkept");
            if restores {
                response.restored = counters("response", "restored");
            }
        }
        problems.is_empty().then_some(Plan {
            shadow,
            masker,
            answer_masker,
            restores,
            hash_scope: self.hash_scope,
            on_missing_scope: self.on_missing_scope,
            request,
            response,
            hold: self.hold,
            on_unknown_stream: self.on_unknown_stream,
            on_upgrade: self.on_upgrade,
        })
    }
}

impl Config {
    /// The least certainty of entities that have one of their own.
    fn least_of_each(&self) -> FlatMap<Entity, Certainty> {
        let own = |(entity, rule): (_, &Rule)| Some((entity, rule.least_certainty?.into()));
        self.entities.rules().filter_map(own).collect()
    }

    /// The actions for requests and for answers.
    fn actions(&self, problems: &mut Problems) -> (Actions, Actions) {
        let default = action(self.default_action, 0);
        let default_answer = answer(self.default_answer_action, default, 0);
        let each = |default: Option<Action>| {
            let entities = Entity::ALL.into_iter();
            entities.filter_map(move |entity| Some((entity, default?)))
        };
        let (mut requests, mut answers): (Actions, Actions) =
            (each(default).collect(), each(default_answer).collect());
        for (entity, rule) in self.entities.rules() {
            let masks = rule.action == WrittenAction::Mask
                || rule.answer_action == Some(AnswerAction::Mask);
            if rule.keep_last.value() > 0 && !masks {
                let path = format!("entities.{}.keep_last", entity.name());
                problems.add(
                    path,
                    "only `mask` keeps anything",
                    "write `action: mask`, or leave it out",
                );
            }
            let keep = rule.keep_last.size();
            let own = action(rule.action, keep);
            for (actions, action) in [
                (&mut requests, own),
                (&mut answers, answer(rule.answer_action, own, keep)),
            ] {
                match action {
                    Some(action) => actions.insert(entity, action),
                    None => drop(actions.remove(&entity)),
                }
            }
        }
        (requests, answers)
    }
}

impl Treatment {
    /// Answers are read for surrogates alone: what cannot be read passes.
    const fn only_restores(&mut self) {
        self.masks = true;
        self.on_oversize = DenyOrAllow::Allow;
        self.on_compressed = OnCompressed::Allow;
        self.on_unparsable = DenyOrAllow::Allow;
        self.on_other_type = DenyOrAllow::Allow;
    }
}

fn counter(setup: &Setup<'_>, side: &str, entity: Entity, what: &str) -> Metric {
    let tags = [("side", side), ("entity", entity.name())];
    let counter = Metric::counter(setup.filter, &tags, what);
    counter.define(setup.host);
    counter
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
        let counters = |name, wanted: &dyn Fn(Entity) -> bool| -> FlatMap<Entity, Metric> {
            let entities = masker.entities().filter(|entity| looks && wanted(*entity));
            entities
                .map(|entity| (entity, counter(setup, side, entity, name)))
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
            grpc: self.grpc,
            scope: Scope {
                names: self.json_names == Bodies::Mask,
                numbers: self.json_numbers == Bodies::Mask,
                drop_logprobs: side == "response",
                skip,
            },
            counters: counters("masked", &|entity| !shadow && masker.changes(entity)),
            reported: counters("reported", &|entity| shadow || !masker.changes(entity)),
            shadow_denied: (looks && shadow).then(|| {
                let counter = Metric::counter(setup.filter, &[("side", side)], "shadow_denied");
                counter.define(setup.host);
                counter
            }),
            unkept: FlatMap::default(),
            restored: FlatMap::default(),
        }
    }
}

fn action(written: WrittenAction, keep: usize) -> Option<Action> {
    match written {
        WrittenAction::Mask => Some(Action::Mask { keep }),
        WrittenAction::Redact => Some(Action::Redact),
        WrittenAction::Hash => Some(Action::Hash),
        WrittenAction::Placeholder => Some(Action::Surrogate(Surrogate::Placeholder, 0)),
        WrittenAction::Pseudonym => Some(Action::Surrogate(Surrogate::Pseudonym, 0)),
        WrittenAction::Fake => Some(Action::Surrogate(Surrogate::Fake, 0)),
        WrittenAction::Block => Some(Action::Block),
        WrittenAction::Report => Some(Action::Report),
        WrittenAction::Allow => None,
    }
}

/// The action for answers, where that for requests is another one.
fn answer(written: Option<AnswerAction>, request: Option<Action>, keep: usize) -> Option<Action> {
    match written {
        Some(AnswerAction::Mask) => Some(Action::Mask { keep }),
        Some(AnswerAction::Redact) => Some(Action::Redact),
        Some(AnswerAction::Hash) => Some(Action::Hash),
        Some(AnswerAction::Block) => Some(Action::Block),
        Some(AnswerAction::Allow) => None,
        None => match request {
            Some(Action::Surrogate(..)) => Some(Action::Redact),
            other => other,
        },
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
