//! Decides: which rules fit a request, and what follows.
//!
//! Every rule is tried in its order. With `deny_overrides` the first denying rule that fits
//! decides, else the first allowing one; with `first_match` the first that fits. If none fits, the
//! request is denied. An allowing rule fits only on what is known; a denying one also on what is in
//! doubt (see [`modelgate_kit::rule`]).
//!
//! Shadow rules are tried too, so that their effect can be seen before it counts; they decide
//! nothing.
//!
//! Of many rules only those are tried that can fit: see `index`.

mod index;
mod told;

use std::rc::Rc;

use index::Index;
use modelgate_kit::rule::by_caller::places;
use modelgate_kit::rule::{Asked, Caller, Doubt, Models, What, Who};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What follows when a rule fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The request may pass.
    Allow,
    /// It may not.
    Deny,
}

impl Effect {
    /// The word in the fact `decision`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }

    const fn doubt(self) -> Doubt {
        match self {
            Self::Allow => Doubt::Misfits,
            Self::Deny => Doubt::Fits,
        }
    }
}

/// Which of the rules that fit decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Combining {
    /// A denying one if there is any, wherever it stands: the order of the rules cannot open a
    /// hole.
    #[default]
    DenyOverrides,
    /// The first.
    FirstMatch,
}

/// A compiled rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Name of the rule.
    pub id: String,
    /// What follows when it fits.
    pub effect: Effect,
    /// It decides nothing.
    pub shadow: bool,
    /// Who asks.
    pub who: Who,
    /// What is asked.
    pub what: What,
}

impl Rule {
    /// Whether it matters to a caller who has not said who he is: it would allow something to some
    /// callers with an identity, or deny it to each.
    fn is_for_somebody(&self) -> bool {
        !self.shadow
            && match self.effect {
                Effect::Allow => self.who.fits_somebody(),
                Effect::Deny => self.who.fits_everybody(),
            }
    }

    fn fits(&self, caller: Caller<'_>, asked: &Asked<'_>) -> bool {
        let doubt = self.effect.doubt();
        self.who.fits(caller, doubt) && self.what.fits(asked, doubt)
    }
}

/// Rules, in their order, with what finds them.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    list: Vec<Rule>,
    index: Option<Index>,
    has_shadows: bool,
}

impl From<Vec<Rule>> for Rules {
    fn from(mut list: Vec<Rule>) -> Self {
        list.shrink_to_fit();
        Self {
            index: Index::of(&list),
            has_shadows: list.iter().any(|rule| rule.shadow),
            list,
        }
    }
}

/// All rules, and how they combine.
#[derive(Clone, Debug)]
pub struct Engine {
    combining: Combining,
    rules: Rc<Rules>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Allowed or denied.
    pub effect: Effect,
    /// Place of the rule that decided; none for the default.
    pub rule: Option<usize>,
}

impl Engine {
    /// An engine over these rules.
    pub const fn new(combining: Combining, rules: Rc<Rules>) -> Self {
        Self { combining, rules }
    }

    /// The rules that can fit, with their places, in their order.
    fn candidates<'a>(
        &'a self,
        caller: Caller<'_>,
        asked: &Asked<'_>,
    ) -> impl Iterator<Item = (usize, &'a Rule)> + use<'a> {
        let rules = &self.rules;
        let index = rules.index.as_ref();
        let found = index.map(|index| index.candidates(caller, asked));
        places(found, rules.list.len()).filter_map(|at| Some((at, rules.list.get(at)?)))
    }

    /// The rules, in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules.list
    }

    /// Those of the rules that are looked up, in their order; all where there is no index.
    fn looked_up(&self, lookup: impl FnOnce(&Index) -> Vec<u32>) -> impl Iterator<Item = &Rule> {
        places(self.rules.index.as_ref().map(lookup), self.rules().len())
            .filter_map(|at| self.rules().get(at))
    }

    /// Whether the decision may hang on the model's name: some rule over models fits in everything
    /// else.
    pub fn needs_model(&self, caller: Caller<'_>, asked: &Asked<'_>) -> bool {
        let only_denies = asked.body_only_hints();
        self.looked_up(|index| index.over_models(caller, asked))
            .any(|rule| {
                rule.what.looks_at_model()
                    && !(only_denies && rule.effect == Effect::Allow)
                    && rule.who.fits(caller, rule.effect.doubt())
                    && rule.what.fits_but_for_model(asked, rule.effect.doubt())
            })
    }

    /// Decides.
    pub fn decide(&self, caller: Caller<'_>, asked: &Asked<'_>) -> Decided {
        let mut allowed = None;
        for (at, rule) in self
            .candidates(caller, asked)
            .filter(|(_, rule)| !rule.shadow)
        {
            let superfluous = rule.effect == Effect::Allow && allowed.is_some();
            if superfluous || !rule.fits(caller, asked) {
                continue;
            }
            if rule.effect == Effect::Deny || self.combining == Combining::FirstMatch {
                return Decided {
                    effect: rule.effect,
                    rule: Some(at),
                };
            }
            allowed = Some(at);
        }
        match allowed {
            Some(at) => Decided {
                effect: Effect::Allow,
                rule: Some(at),
            },
            None => Decided {
                effect: Effect::Deny,
                rule: None,
            },
        }
    }

    /// Whether some caller with an identity could make the request: what a caller without one is
    /// told depends on it.
    pub fn could_allow_somebody(&self, asked: &Asked<'_>, bodies_are_read: bool) -> bool {
        let unread = bodies_are_read && asked.model_is_unread();
        let may_name = unread && !asked.body_only_hints();
        let mut allowed = false;
        for rule in self.looked_up(|index| index.for_somebody(asked, unread)) {
            if !rule.is_for_somebody() {
                continue;
            }
            match rule.effect {
                Effect::Allow => {
                    allowed = allowed
                        || rule.what.fits(asked, Doubt::Misfits)
                        || may_name && rule.what.fits_but_for_model(asked, Doubt::Misfits);
                }
                Effect::Deny => {
                    let is_open = unread && rule.what.looks_at_model();
                    if !is_open && rule.what.fits(asked, Doubt::Fits) {
                        return false;
                    }
                }
            }
        }
        allowed
    }

    /// Whether nothing but the model, which is not known, keeps a rule from allowing the request.
    pub fn lacks_only_the_model(&self, caller: Caller<'_>, asked: &Asked<'_>) -> bool {
        *asked.models() == Models::Unknown
            && !asked.body_only_hints()
            && self
                .looked_up(|index| index.over_models(caller, asked))
                .any(|rule| {
                    !rule.shadow
                        && rule.effect == Effect::Allow
                        && rule.what.looks_at_model()
                        && rule.who.fits(caller, Doubt::Misfits)
                        && rule.what.fits_but_for_model(asked, Doubt::Misfits)
                })
    }

    /// Whether a rule looks at what is asked, not only at who asks.
    pub fn looks_at_request(&self) -> bool {
        self.rules().iter().any(|rule| rule.what.looks_at_request())
    }

    /// Places of the shadow rules that fit.
    pub fn shadows(&self, caller: Caller<'_>, asked: &Asked<'_>) -> Vec<usize> {
        if !self.rules.has_shadows {
            return Vec::new();
        }
        self.candidates(caller, asked)
            .filter(|(_, rule)| rule.shadow && rule.fits(caller, asked))
            .map(|(at, _)| at)
            .collect()
    }
}
