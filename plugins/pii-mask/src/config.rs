//! What the operator writes, and the plan that it becomes. Everything that can be wrong is found here, all of it at once.

use crate::allowed::Allowed;
use crate::detect::{Certainty, Entity};
use crate::document::Scope;
use crate::mask::{Action, Masker};
use modelgate_kit::config::{Bounded, Problems, Secret, Setup};
use modelgate_kit::metrics::Metric;
use modelgate_kit::upgrade::OnUpgrade;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Masks personal data and credentials in what goes to a model and in what comes back.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What becomes of findings of the entities that `entities` does not name.
    pub default_action: WrittenAction,
    /// What becomes of findings, by entity.
    pub entities: Entities,
    /// Key for `hash`: the same value gets the same pseudonym as long as the key is the same. At least 16 bytes.
    pub hash_key: Option<Secret>,
    /// Values that are left alone, in lower case; `*` stands for anything: `*@example.com`, `127.0.0.1`.
    pub allowed_values: Vec<String>,
    /// What a finding must rest on to count: `context` (a word beside it), `shape`, or `check` (check digits, or a prefix that nothing else has).
    pub least_certainty: WrittenCertainty,
    /// The way to the model.
    pub request: Direction,
    /// The way back.
    pub response: Direction,
    /// What is held until a body has been read: `headers` (and the body; needs `allow_on_headers_stop_iteration`) or only the `body` (works on every proxy, but the other side sees the headers before anything is decided, and lengths become unknown).
    pub hold: Hold,
    /// What happens with a request for WebSocket or another upgrade, and with a CONNECT: what is sent after it cannot be masked. With `allow` it passes unmasked in both directions; an answer that does not grant the upgrade is masked as any other.
    pub on_upgrade: OnUpgrade,
}

/// What becomes of the findings of each entity; those that are not named follow `default_action`.
#[derive(Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Entities {
    /// E-mail addresses.
    pub email: Option<Rule>,
    /// Telephone numbers.
    pub phone: Option<Rule>,
    /// Payment card numbers.
    pub card: Option<Rule>,
    /// Social security numbers of the United States.
    pub ssn: Option<Rule>,
    /// International bank account numbers.
    pub iban: Option<Rule>,
    /// IPv4 and IPv6 addresses.
    pub ip: Option<Rule>,
    /// Ids of AWS access keys.
    pub aws_access_key: Option<Rule>,
    /// AWS secret access keys, beside a word that names them.
    pub aws_secret_key: Option<Rule>,
    /// GitHub tokens.
    pub github_token: Option<Rule>,
    /// Keys of OpenAI, Anthropic, Stripe, Google, GitLab, Hugging Face and npm.
    pub api_key: Option<Rule>,
    /// Slack tokens.
    pub slack_token: Option<Rule>,
    /// JSON web tokens.
    pub jwt: Option<Rule>,
    /// Private keys in PEM form.
    pub private_key: Option<Rule>,
}

impl Entities {
    fn rules(&self) -> impl Iterator<Item = (Entity, &Rule)> {
        let rules = [
            (Entity::Email, &self.email),
            (Entity::Phone, &self.phone),
            (Entity::Card, &self.card),
            (Entity::Ssn, &self.ssn),
            (Entity::Iban, &self.iban),
            (Entity::Ip, &self.ip),
            (Entity::AwsAccessKey, &self.aws_access_key),
            (Entity::AwsSecretKey, &self.aws_secret_key),
            (Entity::GithubToken, &self.github_token),
            (Entity::ApiKey, &self.api_key),
            (Entity::SlackToken, &self.slack_token),
            (Entity::Jwt, &self.jwt),
            (Entity::PrivateKey, &self.private_key),
        ];
        rules
            .into_iter()
            .filter_map(|(entity, rule)| Some((entity, rule.as_ref()?)))
    }
}

/// One direction.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Direction {
    /// Whether bodies of this direction are masked or passed as they are.
    pub bodies: Bodies,
    /// Longest body that is masked as a whole, in bytes. Stay below the proxy's own buffer limit (Envoy: `per_connection_buffer_limit_bytes`, 1 MiB unless set), or the proxy answers first.
    pub max_body_bytes: Bounded<1, 67_108_864>,
    /// Longest event of a stream, in bytes.
    pub max_event_bytes: Bounded<1024, 16_777_216>,
    /// What happens with a longer body or event.
    pub on_oversize: Policy,
    /// What happens with a compressed body.
    pub on_compressed: Policy,
    /// What happens with a body that is not what its type says: broken JSON, text that is not UTF-8.
    pub on_unparsable: Policy,
    /// What happens with a body of another type than JSON, JSON lines, server-sent events, forms and text.
    pub on_other_type: Policy,
    /// Whether names of JSON members and form fields are masked too.
    pub json_names: Bodies,
    /// Whether JSON numbers are masked too, below a name that says what they are (`card_number`, `phone`, `ssn`); such a number becomes a string.
    pub json_numbers: Bodies,
    /// JSON paths (and form fields) whose values are left alone with everything beneath them: names and positions joined by dots, `*` for any one: `metadata`, `messages.*.name`.
    pub skip_paths: Vec<String>,
}

impl Default for Direction {
    fn default() -> Self {
        Self {
            bodies: Bodies::Mask,
            max_body_bytes: Bounded::new(1_000_000),
            max_event_bytes: Bounded::new(262_144),
            on_oversize: Policy::Block,
            on_compressed: Policy::Block,
            on_unparsable: Policy::Block,
            on_other_type: Policy::Block,
            json_names: Bodies::Mask,
            json_numbers: Bodies::Mask,
            skip_paths: Vec::new(),
        }
    }
}

/// What becomes of the findings of one entity.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What becomes of them.
    pub action: WrittenAction,
    /// With `mask`: how many of the last letters and digits stay readable; never more than a third.
    #[serde(default = "keep_nothing")]
    pub keep_last: Bounded<0, 4>,
}

const fn keep_nothing() -> Bounded<0, 4> {
    Bounded::new(0)
}

/// What becomes of a finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum WrittenAction {
    /// Letters and digits become `*`; what divides them stays.
    Mask,
    /// It becomes a placeholder such as `[EMAIL]`.
    #[default]
    Redact,
    /// It becomes a pseudonym such as `[EMAIL:9f86d081884c7d65]`, by a keyed hash.
    Hash,
    /// The whole message is refused.
    Block,
    /// It is left alone.
    Allow,
}

/// What a finding must rest on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum WrittenCertainty {
    /// A word beside it is enough.
    #[default]
    Context,
    /// Its shape.
    Shape,
    /// Check digits, or a prefix that nothing else has.
    Check,
}

/// Whether something is masked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum Bodies {
    /// It is.
    #[default]
    Mask,
    /// It passes as it is.
    Pass,
}

/// What happens with a body that cannot be masked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The message is refused.
    #[default]
    Block,
    /// It passes as it is, unmasked.
    Allow,
}

/// What is held until a body has been read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// Headers and body.
    #[default]
    Headers,
    /// The body alone.
    Body,
}

/// What runs.
pub struct Plan {
    /// What is looked for and what becomes of it.
    pub masker: Masker,
    /// The way to the model.
    pub request: Way,
    /// The way back.
    pub response: Way,
    /// What is held.
    pub hold: Hold,
    /// What happens with upgrades.
    pub on_upgrade: OnUpgrade,
}

/// One direction, compiled.
pub struct Way {
    /// Whether bodies are masked.
    pub masks: bool,
    /// Longest body, in bytes.
    pub max_body_bytes: usize,
    /// Longest event, in bytes.
    pub max_event_bytes: usize,
    /// See [`Direction::on_oversize`].
    pub on_oversize: Policy,
    /// See [`Direction::on_compressed`].
    pub on_compressed: Policy,
    /// See [`Direction::on_unparsable`].
    pub on_unparsable: Policy,
    /// See [`Direction::on_other_type`].
    pub on_other_type: Policy,
    /// What of a document is looked at.
    pub scope: Scope,
    /// How many findings there were, by entity.
    pub counters: BTreeMap<Entity, Metric>,
}

const SHORTEST_KEY: usize = 16;

impl Config {
    /// The plan; `None` only together with a problem.
    pub fn compile(self, setup: &Setup<'_>, problems: &mut Problems) -> Option<Plan> {
        let default = action(self.default_action, 0);
        let mut actions: BTreeMap<Entity, Action> = Entity::ALL
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
                None => actions.remove(&entity),
            };
        }
        let hashes = actions.values().any(|action| *action == Action::Hash);
        let key = self
            .hash_key
            .as_ref()
            .and_then(|key| key.resolve("hash_key", setup, problems));
        if hashes && self.hash_key.is_none() {
            problems.add(
                "hash_key",
                "`hash` needs a key",
                "write `hash_key: {\"env\": \"NAME\"}`",
            );
        }
        if key
            .as_ref()
            .is_some_and(|key| key.expose().len() < SHORTEST_KEY)
        {
            let problem = format!("the key is shorter than {SHORTEST_KEY} bytes");
            problems.add("hash_key", problem, "make one with `openssl rand -hex 32`");
        }
        for (at, value) in self.allowed_values.iter().enumerate() {
            let path = format!("allowed_values[{at}]");
            if value.chars().all(|character| character == '*') {
                problems.add(
                    path,
                    "the pattern allows every value",
                    "name what is allowed",
                );
            } else if *value != value.to_lowercase() {
                problems.add(
                    path,
                    "values are compared in lower case",
                    "write it in lower case",
                );
            }
        }
        let masker = Masker::new(
            actions,
            self.least_certainty.into(),
            key,
            Allowed::new(self.allowed_values.iter().map(String::as_str)),
        );
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
    ) -> Way {
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
        Way {
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
                BTreeMap::new()
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
