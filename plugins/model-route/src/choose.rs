//! Which target a request goes to, and why: a pin, an override, the split by weights, and what
//! takes over where a target is taken out.

use std::rc::Rc;

use modelgate_kit::exchange::Exchange;
use modelgate_kit::facts::Identity;
use modelgate_kit::headers::{HeaderBlock, Occurrence};
use modelgate_kit::rule::{Caller, Doubt};
use modelgate_kit::shared_data::{SharedData, StoreFailed};

use crate::plan::{Key, Model, Override, Plan};
use crate::split::{self, Salt, Share};
use crate::watch::{Admitted, Watch};
use crate::why::Why;

/// Longest value of a header or claim that can be a key, in bytes: a longer one counts as missing.
const LONGEST_KEY: usize = 1_024;

/// A target, chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Its place among the model's targets.
    pub at: usize,
    pub why: Why,
    /// The request is one of a trial.
    pub on_trial: bool,
    /// All that could answer are taken out, and the operator has an answer for that.
    pub is_degraded: bool,
}

/// What a request is split by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sticky {
    pub key: split::Key,
    /// The kind of key; nothing where the request has none.
    pub by: Option<&'static str>,
}

/// What is known of a request.
pub(crate) struct Material<'a> {
    pub headers: &'a HeaderBlock,
    pub identity: Option<&'a Identity>,
}

impl Material<'_> {
    /// The key that keeps a caller at one target; a `random` one where the request has none.
    pub fn sticky(&self, model: &Model, salt: Salt, random: impl FnOnce() -> u64) -> Sticky {
        let mut keys = model.sticky_by.iter();
        let found = keys.find_map(|key| {
            let value = self.value(key)?;
            let fits = (1..=LONGEST_KEY).contains(&value.len());
            fits.then_some((key.kind(), value))
        });
        match found {
            Some((kind, value)) => Sticky {
                key: salt.key(&model.name, kind, &value),
                by: Some(kind),
            },
            None => Sticky {
                key: split::Key::once(random()),
                by: None,
            },
        }
    }

    fn value(&self, key: &Key) -> Option<Vec<u8>> {
        match key {
            Key::Consumer => Some(self.identity?.consumer.as_bytes().to_vec()),
            Key::Header(name) => match self.headers.once(name) {
                Occurrence::Once(value) => Some(value.to_vec()),
                Occurrence::Absent | Occurrence::Repeated => None,
            },
            Key::Claim(path) => self.identity?.one_word(path),
        }
    }

    fn fits(&self, one: &Override) -> bool {
        let has_header = one.header.as_ref().is_none_or(|(name, value)| {
            matches!(self.headers.once(name), Occurrence::Once(sent) if sent == value.as_bytes())
        });
        has_header && one.who.fits(Caller::from(self.identity), Doubt::Misfits)
    }
}

impl Key {
    /// What kind of key it is.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Claim(_) => "claim",
            Self::Header(_) => "header",
        }
    }
}

impl Chosen {
    /// One that can be answered.
    pub const fn new(at: usize, why: Why, on_trial: bool) -> Self {
        Self {
            at,
            why,
            on_trial,
            is_degraded: false,
        }
    }
}

impl Model {
    /// The target that a human has chosen for this request.
    pub fn by_hand(&self, material: &Material<'_>) -> Option<Chosen> {
        if let Some(at) = self.pin {
            return Some(Chosen::new(at, Why::Pin, false));
        }
        let mut overrides = self.overrides.iter().enumerate();
        let (at, one) = overrides.find(|(_, one)| material.fits(one))?;
        Some(Chosen::new(one.target, Why::Override(at), false))
    }

    /// The target that the weights say, or what takes over from it. `failed` is told where a state
    /// could not be read.
    pub fn by_weight(
        &self,
        key: split::Key,
        watch: Option<&Watch<'_>>,
        failed: &mut dyn FnMut(),
    ) -> Option<Chosen> {
        let shares = || self.targets.iter().map(|target| target.share).enumerate();
        let first = match self.only {
            Some(only) => only,
            None => split::winner(key, shares())?,
        };
        let mut admit = |at: usize, why: Why| {
            let circuit = self.targets.get(at).and_then(|one| one.circuit.as_deref());
            let admitted = match (watch, circuit) {
                (Some(watch), Some(circuit)) => watch.admit(circuit),
                _ => Ok(Admitted::In),
            };
            let admitted = admitted.unwrap_or_else(|StoreFailed| {
                failed();
                Admitted::In
            });
            match admitted {
                Admitted::In => Some(Chosen::new(at, why, false)),
                Admitted::OnTrial => Some(Chosen::new(at, why, true)),
                Admitted::Out => None,
            }
        };
        if let Some(chosen) = admit(first, Why::Split) {
            return Some(chosen);
        }
        let mut left: Vec<(usize, Share)> = shares().filter(|(at, _)| *at != first).collect();
        let to = self.rollback.as_ref().and_then(|rollback| rollback.to);
        let mut next = to.filter(|to| *to != first);
        while let Some(at) = next.or_else(|| split::winner(key, left.iter().copied())) {
            if let Some(chosen) = admit(at, Why::Rollback(first)) {
                return Some(chosen);
            }
            left.retain(|(other, _)| *other != at);
            next = None;
        }
        let fallback = self.fallback.as_ref();
        let to = fallback.and_then(|fallback| fallback.target);
        if let Some(to) = to.filter(|to| *to != first)
            && let Some(chosen) = admit(to, Why::Fallback(first))
        {
            return Some(chosen);
        }
        Some(Chosen {
            is_degraded: fallback.is_some_and(|fallback| fallback.answer.is_some()),
            ..Chosen::new(first, Why::NoneLeft, false)
        })
    }
}

fn identity(model: &Model, exchange: &Exchange) -> Option<Rc<Identity>> {
    match model.looks_at_identity() {
        true => exchange.fact::<Identity>(),
        false => None,
    }
}

impl Plan {
    /// What a request would be split by.
    pub(crate) fn sticky(
        &self,
        model: &Model,
        exchange: &Exchange,
        headers: &HeaderBlock,
    ) -> Sticky {
        let identity = identity(model, exchange);
        let material = Material {
            headers,
            identity: identity.as_deref(),
        };
        material.sticky(model, self.salt, || exchange.host().random())
    }

    /// The target of a request, and what it was split by, if it was.
    pub(crate) fn choose(
        &self,
        model: &Model,
        exchange: &Exchange,
        headers: &HeaderBlock,
    ) -> (Chosen, Option<Sticky>) {
        let host = exchange.host();
        let identity = identity(model, exchange);
        let material = Material {
            headers,
            identity: identity.as_deref(),
        };
        if let Some(chosen) = model.by_hand(&material) {
            return (chosen, None);
        }
        let sticky = match model.only {
            None => Some(material.sticky(model, self.salt, || host.random())),
            Some(_) => None,
        };
        // Where only one target has a weight, no key decides anything.
        let key = sticky.map_or(split::Key::once(0), |sticky| sticky.key);
        let store = SharedData(host);
        let watch = model.rollback.as_ref().map(|rollback| Watch {
            store: &store,
            rules: &rollback.rules,
            now_ns: exchange.now_ns(),
        });
        let mut failed = || self.uncounted.add(host, 1);
        let chosen = model.by_weight(key, watch.as_ref(), &mut failed);
        // There is one with a weight, or a pin: the configuration was refused otherwise.
        (
            chosen.unwrap_or(Chosen::new(0, Why::NoneLeft, false)),
            sticky,
        )
    }
}
