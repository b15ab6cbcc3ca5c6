//! What becomes of a finding: masked, redacted, hashed, kept for the answer behind a surrogate, or
//! the reason to block; and how many there were.
//!
//! Replacements hold only letters, digits and `*[]<>:_-.@+()/ %'`, so that text that is itself JSON
//! (a tool call's arguments) stays JSON; what replaces a number of JSON is quoted as the names
//! around it are. They are not found again when they pass through once more.

mod coded;
pub mod fake;
pub mod keyed;
mod tally;
mod told;
mod trip;

pub use tally::Tally;
use tally::one_more;
pub use trip::Reading;
use trip::Trip;

use crate::allowed::Allowed;
use crate::custom::Customs;
use crate::detect::fold::plain;
use crate::detect::people::{self, Held};
use crate::detect::spelled::{self, Spellings, with_spelled};
use crate::detect::{Certainty, Entity, EntitySet, Finding, SHORTEST_NUMBER};
use crate::detect::{Label, Meaning, email, judge_groups, judge_number, mrz, read_number};
use crate::detect::{scan_called, scan_next, together};
use crate::restore::Place;
use crate::restore::spelled::Around;
use coded::Coded;
use keyed::{canonical, code};
use modelgate_kit::config::SecretBytes;
use modelgate_kit::flat_map::FlatMap;
use std::borrow::Cow;
use std::rc::Rc;

/// What becomes of the findings of one entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Letters and digits become `*`, but for the last `keep`; what divides them stays. Credentials
    /// become `****`.
    Mask {
        /// How many of the last letters and digits stay.
        keep: usize,
    },
    /// The finding becomes the entity's placeholder, such as `[EMAIL]`.
    Redact,
    /// The finding becomes a pseudonym: `[EMAIL:` and 16 hex digits of a keyed hash `]`, the same
    /// for the same value.
    Hash,
    /// The finding becomes something that the answer's reader gets it back for. In so many strings
    /// of JSON it stands, one in another.
    Surrogate(Surrogate, u8),
    /// What stood here in the request is put back, in so many strings of JSON. No finding has this
    /// action by its entity.
    Restore(Place, u8, Around),
    /// The message is refused.
    Block,
    /// The finding passes, and is counted.
    Report,
}

impl Action {
    /// Whether the finding does not stay as it is.
    #[must_use]
    pub fn changes(self) -> bool {
        self != Action::Report
    }

    /// Whether it needs a key.
    #[must_use]
    pub const fn is_keyed(self) -> bool {
        matches!(
            self,
            Action::Hash | Action::Surrogate(Surrogate::Pseudonym | Surrogate::Fake, _)
        )
    }
}

/// What stands for a value between request and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surrogate {
    /// `<EMAIL_1>`, numbered in each exchange.
    Placeholder,
    /// `<EMAIL_kqnbtfmw>`, by a keyed hash: the same in each exchange.
    Pseudonym,
    /// A value of the same form that is nobody's, by a keyed hash: the same in each exchange. What
    /// is too long for that gets a placeholder.
    Fake,
}

/// What is looked for and what becomes of it.
#[derive(Clone)]
struct Rules {
    actions: FlatMap<Entity, Action>,
    wanted: EntitySet,
    least: Certainty,
    least_of: FlatMap<Entity, Certainty>,
    key: Option<SecretBytes>,
    allowed: Rc<Allowed>,
}

/// What is looked for and what becomes of it, in the messages of one exchange or of any.
#[derive(Clone)]
pub struct Masker {
    rules: Rc<Rules>,
    customs: Rc<Customs>,
    /// What whole texts and values are read in, too.
    spellings: Spellings,
    /// Whether strings that are base64 of a text are.
    base64: bool,
    trip: Option<Rc<Trip>>,
}

impl Masker {
    /// A masker for these actions; entities without one are left alone. `key` is for
    /// [`Action::Hash`], pseudonyms and fakes: without one, they redact. Findings below `least`
    /// certainty, and `allowed` values, are left alone.
    #[must_use]
    pub fn new(
        actions: FlatMap<Entity, Action>,
        least: Certainty,
        key: Option<SecretBytes>,
        allowed: impl Into<Rc<Allowed>>,
    ) -> Self {
        let wanted: EntitySet = actions.keys().copied().collect();
        let rules = Rules {
            actions,
            wanted,
            least,
            least_of: FlatMap::default(),
            key,
            allowed: allowed.into(),
        };
        Self {
            rules: Rc::new(rules),
            customs: Rc::default(),
            spellings: Spellings::default(),
            base64: false,
            trip: None,
        }
    }

    /// The same, that leaves alone what is less certain than its entity must be, and numbers that
    /// belong to other countries than these (ISO 3166-1 alpha-2; all, if none is given).
    #[must_use]
    pub fn narrowed(mut self, least_of: FlatMap<Entity, Certainty>, countries: &[[u8; 2]]) -> Self {
        let mut rules = Rules::clone(&self.rules);
        rules.least_of = least_of;
        rules.wanted = rules.wanted.of_countries(countries);
        self.rules = Rc::new(rules);
        self
    }

    /// Whether a finding of this entity is too uncertain.
    fn is_uncertain(&self, entity: Entity, certainty: Certainty) -> bool {
        let rules = &self.rules;
        certainty < rules.least_of.get(&entity).copied().unwrap_or(rules.least)
    }

    /// The same, which reads whole texts and values in these spellings, too, and strings that are
    /// base64 of a text.
    #[must_use]
    pub fn reading(mut self, spellings: Spellings, base64: bool) -> Self {
        (self.spellings, self.base64) = (spellings, base64);
        self
    }

    /// The same, that looks for kinds of the operator's own, too.
    #[must_use]
    pub fn with_customs(mut self, customs: impl Into<Rc<Customs>>) -> Self {
        self.customs = customs.into();
        self
    }

    /// The operator's own kinds.
    #[must_use]
    pub fn customs(&self) -> &Customs {
        &self.customs
    }

    /// With the findings of the operator's own kinds; of two that overlap the first stays whole.
    fn and_customs(
        &self,
        text: &str,
        floor: usize,
        label: &str,
        findings: Vec<Finding>,
    ) -> Vec<Finding> {
        if self.customs.is_empty() {
            return findings;
        }
        together(findings, self.customs.find(text, floor, label))
    }

    /// The base64 of what a text in base64 becomes; none if it is none, or nothing changes.
    pub fn mask_base64(&self, text: &str, label: &str, tally: &mut Tally) -> Option<String> {
        let coded = self.base64.then(|| Coded::read(text))??;
        let masked = self.mask(&coded.text, label, tally)?;
        Some(coded.encode(&masked))
    }

    /// Whether nothing becomes of a value of this name.
    #[must_use]
    pub fn is_nothing(&self, text: &str, label: &str) -> bool {
        let coded = || self.base64 && Coded::read(text).is_some();
        !coded() && self.find(text, 0, label).is_empty()
    }

    /// Whether it looks for nothing.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.rules.wanted.is_empty()
    }

    /// What it looks for.
    pub fn entities(&self) -> impl Iterator<Item = Entity> + '_ {
        self.rules.actions.keys().copied()
    }

    /// Whether findings of this entity do not stay as they are.
    #[must_use]
    pub fn changes(&self, entity: Entity) -> bool {
        let action = self.rules.actions.get(&entity);
        action.is_some_and(|action| action.changes())
    }

    /// The findings in `text[floor..]` that something becomes of.
    #[must_use]
    pub fn find(&self, text: &str, floor: usize, label: &str) -> Vec<(Finding, Action)> {
        self.find_called(text, floor, (label, &Meaning::default()))
    }

    /// The same of a text with a name of which something may be known from others.
    #[must_use]
    pub fn find_called(
        &self,
        text: &str,
        floor: usize,
        (label, meaning): Label<'_>,
    ) -> Vec<(Finding, Action)> {
        let found = if self.is_idle() {
            Vec::new()
        } else {
            let mut findings = scan_called(text, floor, (label, meaning), self.rules.wanted);
            if floor == 0 {
                let wanted = self.rules.wanted;
                findings = with_spelled(text, label, wanted, self.spellings, findings);
            }
            self.decide(text, self.and_customs(text, floor, label, findings))
        };
        self.with_surrogates(text, floor, found)
    }

    /// The same for a text that comes in pieces: `text[floor..]` is the next one, and `reading` has
    /// read those before.
    #[must_use]
    pub fn find_next(
        &self,
        text: &str,
        floor: usize,
        reading: &mut Reading,
    ) -> Vec<(Finding, Action)> {
        let found = if self.is_idle() {
            Vec::new()
        } else {
            let wanted = self.rules.wanted;
            let mut found = scan_next(text, floor, wanted, &mut reading.columns);
            if wanted.has_people() {
                let people = people::next(text, floor, wanted, &mut reading.people);
                found = together(found, people);
            }
            self.decide(text, self.and_customs(text, floor, "", found))
        };
        self.with_surrogates_next(text, floor, found, &mut reading.layers)
    }

    /// The last of these places, in ascending order, at which a text that comes in pieces may be
    /// cut: where no name, address or value of the operator's own goes over it, nor may if more
    /// comes.
    #[must_use]
    pub fn last_apart(
        &self,
        text: &str,
        floor: usize,
        places: &[usize],
        reading: &Reading,
    ) -> Option<usize> {
        let Some(held) = self.held(text, floor, reading) else {
            return self.customs.last_apart(text, floor, places);
        };
        if self.customs.is_empty() {
            return held.last_apart(places);
        }
        let places = places.iter().copied();
        let places: Vec<_> = places
            .filter(|place| held.last_apart(&[*place]).is_some())
            .collect();
        self.customs.last_apart(text, floor, &places)
    }

    /// Whether a name or an address is found in `text[floor..]`, or may begin before `until`.
    #[must_use]
    pub fn has_people_before(
        &self,
        text: &str,
        floor: usize,
        until: usize,
        reading: &Reading,
    ) -> bool {
        self.held(text, floor, reading).is_some_and(|held| {
            let mut reading = reading.clone();
            held.opens_before(until) || !self.find_next(text, floor, &mut reading).is_empty()
        })
    }

    fn held(&self, text: &str, floor: usize, reading: &Reading) -> Option<Held> {
        let wanted = self.rules.wanted;
        let looks = wanted.has_people();
        looks.then(|| people::held(text, floor, wanted, &reading.people))
    }

    /// Whether texts that come in pieces are cut only where it is asked: names and addresses, and
    /// values of the operator's own, go over spaces.
    #[must_use]
    pub fn goes_over_spaces(&self) -> bool {
        !self.customs.is_empty() || self.rules.wanted.has_people()
    }

    /// Those of the findings that something becomes of.
    fn decide(&self, text: &str, findings: Vec<Finding>) -> Vec<(Finding, Action)> {
        let mut found = Vec::new();
        for finding in findings {
            let value = text.get(finding.span.clone()).unwrap_or_default();
            let Some(action) = self.rules.actions.get(&finding.entity).copied() else {
                continue;
            };
            if self.is_uncertain(finding.entity, finding.certainty)
                || self.is_allowed(finding.entity, value)
            {
                continue;
            }
            found.push((finding, action));
        }
        found
    }

    /// The text with its findings replaced; none if there are none.
    pub fn mask(&self, text: &str, label: &str, tally: &mut Tally) -> Option<String> {
        let found = self.find(text, 0, label);
        if found.is_empty() {
            return None;
        }
        let mut masked = String::with_capacity(text.len());
        self.write(text, 0, &found, tally, &mut masked);
        let changes = found.iter().any(|(_, action)| action.changes());
        changes.then_some(masked)
    }

    /// Appends `text[from..]` with the findings replaced and counted.
    pub fn write(
        &self,
        text: &str,
        from: usize,
        found: &[(Finding, Action)],
        tally: &mut Tally,
        out: &mut String,
    ) {
        let mut at = from;
        for (finding, action) in found {
            out.push_str(text.get(at..finding.span.start).unwrap_or_default());
            let value = text.get(finding.span.clone()).unwrap_or_default();
            self.replace(finding, *action, value, tally, out);
            at = finding.span.end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
    }

    /// Appends what stands in place of a finding, and counts it.
    pub fn replace(
        &self,
        finding: &Finding,
        action: Action,
        value: &str,
        tally: &mut Tally,
        out: &mut String,
    ) {
        let quotes = finding.quotes.filter(|_| action.changes());
        if let Some(quotes) = quotes {
            quotes.write(out);
        }
        let from = out.len();
        self.put(finding.entity, action, value, tally, out);
        told::finding(
            finding.entity,
            finding.certainty,
            action,
            value,
            Some(&finding.span),
            out.get(from..),
        );
        if let Some(quotes) = quotes {
            quotes.write(out);
        }
    }

    /// What stands in place of a number of JSON with these digits under this name; none if it is
    /// nothing.
    pub fn mask_number(
        &self,
        digits: &str,
        (name, meaning): Label<'_>,
        tally: &mut Tally,
    ) -> Option<String> {
        let wanted = self.rules.wanted;
        let judged = judge_number(digits.as_bytes(), name.as_bytes(), meaning, wanted)?;
        self.mask_judged(digits, judged, tally)
    }

    /// The same of a number whose groups are the elements of an array.
    pub fn mask_groups(&self, groups: &[&str], name: &str, tally: &mut Tally) -> Option<String> {
        let judged = judge_groups(groups, name, self.rules.wanted)?;
        self.mask_judged(&groups.concat(), judged, tally)
    }

    fn mask_judged(
        &self,
        digits: &str,
        (entity, certainty): (Entity, Certainty),
        tally: &mut Tally,
    ) -> Option<String> {
        let action = self.rules.actions.get(&entity).copied()?;
        if self.is_uncertain(entity, certainty) || self.is_allowed(entity, digits) {
            return None;
        }
        let mut masked = String::new();
        self.put(entity, action, digits, tally, &mut masked);
        told::finding(entity, certainty, action, digits, None, Some(&masked));
        action.changes().then_some(masked)
    }

    fn put(
        &self,
        entity: Entity,
        action: Action,
        value: &str,
        tally: &mut Tally,
        out: &mut String,
    ) {
        if let Action::Restore(place, layers, around) = action {
            return self.restore(place, layers, around, tally, out);
        }
        tally.add(entity, action);
        if action == Action::Report {
            out.push_str(value);
            return;
        }
        let reads = || self.as_it_reads(value);
        match action {
            Action::Mask { keep } => mask(entity, keep, &reads(), out),
            Action::Hash => {
                let canonical = canonical(entity, &reads());
                match code(entity, self.rules.key.as_ref(), self.scope(), &canonical) {
                    Some(code) => keyed::hash(entity, &code, out),
                    None => out.push_str(entity.placeholder()),
                }
            }
            Action::Surrogate(surrogate, layers) => {
                match self.surrogate(surrogate, entity, value, layers) {
                    Some(surrogate) => out.push_str(&surrogate),
                    None => {
                        one_more(&mut tally.unkept, entity);
                        out.push_str(entity.placeholder());
                    }
                }
            }
            Action::Redact | Action::Block | Action::Report | Action::Restore(..) => {
                out.push_str(entity.placeholder());
            }
        }
    }

    fn is_allowed(&self, entity: Entity, value: &str) -> bool {
        let allowed = &self.rules.allowed;
        !allowed.is_empty() && {
            let value = self.as_it_reads(value);
            let value = reads(entity, &value);
            allowed.has(&value.to_lowercase()) || allowed.has_pattern_of(&value)
        }
    }

    /// A value without the spellings that are read.
    fn as_it_reads<'a>(&self, value: &'a str) -> Cow<'a, str> {
        spelled::plain(value, self.spellings)
    }
}

/// A value as it reads, however it is spelled: an address with its `@`, a number with its digits.
fn reads(entity: Entity, value: &str) -> Cow<'_, str> {
    let value = plain(value);
    let spelled = match entity {
        Entity::Email => match email::plain(&value) {
            Cow::Owned(plain) => Some(plain),
            Cow::Borrowed(_) => None,
        },
        Entity::Phone | Entity::Card | Entity::Ssn => read_number(value.as_bytes())
            .filter(|number| number.length == value.len() && number.digits.len() >= SHORTEST_NUMBER)
            .and_then(|number| match number.digits {
                Cow::Owned(digits) => Some(digits),
                Cow::Borrowed(_) => None,
            }),
        Entity::Passport | Entity::NationalId => mrz::plain(&value),
        _ => None,
    };
    spelled.map_or(value, Cow::Owned)
}

fn mask(entity: Entity, keep: usize, value: &str, out: &mut String) {
    let value = &*reads(entity, value);
    let is_part = |character: &char| character.is_alphanumeric();
    let parts = value.chars().filter(is_part).count();
    // At most a third stays readable: of a short value the whole tail would be the value.
    let keep = keep.min(parts / 3);
    if entity.is_credential() {
        out.push_str("****");
        let first = parts.saturating_sub(keep);
        out.extend(value.chars().filter(is_part).skip(first));
        return;
    }
    let mut left = parts;
    for character in value.chars() {
        if !is_part(&character) {
            out.push(character);
            continue;
        }
        out.push(if left > keep { '*' } else { character });
        left = left.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests;
