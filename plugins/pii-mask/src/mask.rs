//! What becomes of a finding: masked, redacted, hashed, or the reason to block; and how many there
//! were.
//!
//! Replacements hold only letters, digits and `*[]:_-.@+()/ %'`, so that text that is itself JSON
//! (a tool call's arguments) stays JSON; what replaces a number of JSON is quoted as the names
//! around it are. They are not found again when they pass through once more.

mod told;

use crate::allowed::Allowed;
use crate::custom::Customs;
use crate::detect::fold::plain;
use crate::detect::{Certainty, Columns, Entity, EntitySet, Finding, SHORTEST_NUMBER};
use crate::detect::{email, judge_groups, judge_number, read_number, scan, scan_next, together};
use hmac::{Hmac, KeyInit, Mac};
use modelgate_kit::config::SecretBytes;
use modelgate_kit::flat_map::FlatMap;
use sha2::Sha256;
use std::borrow::Cow;

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
    /// The message is refused.
    Block,
}

/// What is looked for and what becomes of it.
#[derive(Debug)]
pub struct Masker {
    actions: FlatMap<Entity, Action>,
    wanted: EntitySet,
    least: Certainty,
    key: Option<SecretBytes>,
    allowed: Allowed,
    customs: Customs,
}

/// How many findings of each entity, and whether one of them blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    counts: FlatMap<Entity, u64>,
    blocked: bool,
}

impl Tally {
    /// Entities that were found, with their counts.
    pub fn counts(&self) -> impl Iterator<Item = (Entity, u64)> + '_ {
        self.counts.iter().map(|(entity, count)| (*entity, *count))
    }

    /// How many of one entity.
    #[must_use]
    pub fn count(&self, entity: Entity) -> u64 {
        self.counts.get(&entity).copied().unwrap_or_default()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Whether something was found whose action is to block.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.blocked
    }

    fn add(&mut self, entity: Entity, action: Action) {
        if let Some(count) = self.counts.get_or_insert_with(entity, || 0) {
            *count = count.saturating_add(1);
        }
        self.blocked |= action == Action::Block;
    }
}

impl Masker {
    /// A masker for these actions; entities without one are left alone. `key` is for
    /// [`Action::Hash`]: without one, hashing redacts. Findings below `least` certainty, and
    /// `allowed` values, are left alone.
    #[must_use]
    pub fn new(
        actions: FlatMap<Entity, Action>,
        least: Certainty,
        key: Option<SecretBytes>,
        allowed: Allowed,
    ) -> Self {
        let wanted: EntitySet = actions.keys().copied().collect();
        Self {
            actions,
            wanted,
            least,
            key,
            allowed,
            customs: Customs::default(),
        }
    }

    /// The same, that looks for kinds of the operator's own, too.
    #[must_use]
    pub fn with_customs(mut self, customs: Customs) -> Self {
        self.customs = customs;
        self
    }

    /// The operator's own kinds.
    #[must_use]
    pub const fn customs(&self) -> &Customs {
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

    /// Whether it looks for nothing.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.wanted.is_empty()
    }

    /// What it looks for.
    pub fn entities(&self) -> impl Iterator<Item = Entity> + '_ {
        self.actions.keys().copied()
    }

    /// The findings in `text[floor..]` that something becomes of.
    #[must_use]
    pub fn find(&self, text: &str, floor: usize, label: &str) -> Vec<(Finding, Action)> {
        let findings = scan(text, floor, label, self.wanted);
        self.decide(text, self.and_customs(text, floor, label, findings))
    }

    /// The same for a text that comes in pieces: `text[floor..]` is the next one, and `columns` has
    /// read those before.
    #[must_use]
    pub fn find_next(
        &self,
        text: &str,
        floor: usize,
        columns: &mut Columns,
    ) -> Vec<(Finding, Action)> {
        let findings = scan_next(text, floor, self.wanted, columns);
        self.decide(text, self.and_customs(text, floor, "", findings))
    }

    /// Those of the findings that something becomes of.
    fn decide(&self, text: &str, findings: Vec<Finding>) -> Vec<(Finding, Action)> {
        let mut found = Vec::new();
        for finding in findings {
            let value = text.get(finding.span.clone()).unwrap_or_default();
            let Some(action) = self.actions.get(&finding.entity).copied() else {
                continue;
            };
            if finding.certainty < self.least || self.is_allowed(finding.entity, value) {
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
        Some(masked)
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
        if let Some(quotes) = finding.quotes {
            quotes.write(out);
        }
        let from = out.len();
        self.put(finding.entity, action, value, tally, out);
        told::finding(
            finding.entity,
            action,
            value,
            Some(&finding.span),
            out.get(from..),
        );
        if let Some(quotes) = finding.quotes {
            quotes.write(out);
        }
    }

    /// What stands in place of a number of JSON with these digits under this name; none if it is
    /// nothing.
    pub fn mask_number(&self, digits: &str, name: &str, tally: &mut Tally) -> Option<String> {
        let judged = judge_number(digits.as_bytes(), name.as_bytes(), self.wanted)?;
        self.mask_judged(digits, judged, tally)
    }

    /// The same of a number whose groups are the elements of an array.
    pub fn mask_groups(&self, groups: &[&str], name: &str, tally: &mut Tally) -> Option<String> {
        let judged = judge_groups(groups, name, self.wanted)?;
        self.mask_judged(&groups.concat(), judged, tally)
    }

    fn mask_judged(
        &self,
        digits: &str,
        (entity, certainty): (Entity, Certainty),
        tally: &mut Tally,
    ) -> Option<String> {
        let action = self.actions.get(&entity).copied()?;
        if certainty < self.least || self.is_allowed(entity, digits) {
            return None;
        }
        let mut masked = String::new();
        self.put(entity, action, digits, tally, &mut masked);
        told::finding(entity, action, digits, None, Some(&masked));
        Some(masked)
    }

    fn put(
        &self,
        entity: Entity,
        action: Action,
        value: &str,
        tally: &mut Tally,
        out: &mut String,
    ) {
        tally.add(entity, action);
        match (action, &self.key) {
            (Action::Mask { keep }, _) => mask(entity, keep, value, out),
            (Action::Hash, Some(key)) => pseudonym(entity, key, value, out),
            (Action::Hash | Action::Redact | Action::Block, _) => {
                out.push_str(entity.placeholder())
            }
        }
    }

    fn is_allowed(&self, entity: Entity, value: &str) -> bool {
        !self.allowed.is_empty() && {
            let value = reads(entity, value);
            self.allowed.has(&value.to_lowercase()) || self.allowed.has_pattern_of(&value)
        }
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

/// `[EMAIL:9f86d081884c7d65]`: HMAC-SHA-256 of the entity's name, NUL and the value, cut to 64
/// bits. How a value is written does not matter: case, and for numbers everything but digits, is
/// left out.
fn pseudonym(entity: Entity, key: &SecretBytes, value: &str, out: &mut String) {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose()) else {
        out.push_str(entity.placeholder());
        return;
    };
    mac.update(entity.name().as_bytes());
    mac.update(&[0]);
    let value = reads(entity, value);
    let value = match entity {
        Entity::Phone | Entity::Card | Entity::Ssn => {
            value.chars().filter(char::is_ascii_digit).collect()
        }
        Entity::Iban
        | Entity::NationalId
        | Entity::TaxId
        | Entity::Passport
        | Entity::DriverLicense
        | Entity::Mac
        | Entity::Bic
        | Entity::BankAccount
        | Entity::Vin
        | Entity::LicensePlate
        | Entity::MedicalId => value
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_uppercase(),
        Entity::Email | Entity::Ip => value.to_lowercase(),
        _ => value.into_owned(),
    };
    mac.update(value.as_bytes());
    let code = mac.finalize().into_bytes();
    out.push_str(entity.placeholder().trim_end_matches(']'));
    out.push(':');
    for byte in code.iter().take(8) {
        for digit in [byte >> 4, byte & 15] {
            out.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masker(action: Action) -> Masker {
        let actions = Entity::ALL
            .into_iter()
            .map(|entity| (entity, action))
            .collect();
        Masker::new(
            actions,
            Certainty::Context,
            Some(SecretBytes::new(b"key".to_vec())),
            Allowed::new(["*@support.example"]),
        )
    }

    const TEXT: &str = "ann@example.com, 4111-1111-1111-1111, ghp_0123456789abcdefghijklmnopqrstuvwxyz; help@Support.example";

    fn masked(action: Action) -> String {
        masker(action)
            .mask(TEXT, "", &mut Tally::default())
            .unwrap()
    }

    #[test]
    fn masking_keeps_the_shape_and_if_told_the_last_characters() {
        assert_eq!(
            masked(Action::Mask { keep: 0 }),
            "***@*******.***, ****-****-****-****, ****; help@Support.example"
        );
        assert_eq!(
            masked(Action::Mask { keep: 4 }),
            "***@******e.com, ****-****-****-1111, ****wxyz; help@Support.example"
        );
        let masker = masker(Action::Mask { keep: 4 });
        let masked = |text| masker.mask(text, "", &mut Tally::default());
        assert_eq!(masked("ann&#64;example.com").unwrap(), "***@******e.com");
        assert_eq!(masked("see help%40support.example"), None);
        assert_eq!(
            masker
                .mask("call 555-0132", "", &mut Tally::default())
                .unwrap(),
            "call ***-**32"
        );
    }

    #[test]
    fn redacting_names_what_was_there() {
        assert_eq!(
            masked(Action::Redact),
            "[EMAIL], [CARD], [GITHUB_TOKEN]; help@Support.example"
        );
    }

    #[test]
    fn pseudonyms_are_keyed_and_independent_of_how_the_value_is_written() {
        let of = |text: &str| {
            masker(Action::Hash)
                .mask(text, "", &mut Tally::default())
                .unwrap()
        };
        assert_eq!(of("4111-1111-1111-1111"), of("4111111111111111"));
        assert_eq!(of("Ann@Example.com"), of("ann@example.com"));
        assert_eq!(
            of("４１１１-1111\u{200b}-1111-1111"),
            of("4111111111111111")
        );
        assert_eq!(of("ann&#64;example.com"), of("ann@example.com"));
        assert_eq!(of("ann%40example.com"), of("ann@example.com"));
        assert_eq!(
            of("my card: 4111111111111111.0"),
            of("my card: 4111111111111111")
        );
        assert_ne!(of("bob@example.com"), of("ann@example.com"));
        // HMAC-SHA-256 with the key "key" over "email\0ann@example.com", by another implementation.
        assert_eq!(of("ann@example.com"), "[EMAIL:b26d6377a13486e3]");
    }

    #[test]
    fn findings_are_counted_and_blocking_is_told() {
        let mut tally = Tally::default();
        masker(Action::Block).mask(TEXT, "", &mut tally);
        assert!(tally.is_blocked());
        assert_eq!(
            tally.counts().collect::<Vec<_>>(),
            [
                (Entity::Email, 1),
                (Entity::Card, 1),
                (Entity::GithubToken, 1)
            ]
        );
        let mut tally = Tally::default();
        assert_eq!(
            masker(Action::Redact).mask("nothing here", "", &mut tally),
            None
        );
        assert!(tally.is_empty() && !tally.is_blocked());
    }

    #[test]
    fn what_is_below_the_wanted_certainty_stays() {
        let actions: FlatMap<_, _> = [
            (Entity::Phone, Action::Redact),
            (Entity::Card, Action::Redact),
        ]
        .into_iter()
        .collect();
        let masker = Masker::new(
            actions,
            Certainty::Check,
            None,
            crate::allowed::Allowed::default(),
        );
        let mut tally = Tally::default();
        assert_eq!(
            masker
                .mask("(415) 555-0132 4111111111111111", "", &mut tally)
                .unwrap(),
            "(415) 555-0132 [CARD]"
        );
    }

    #[test]
    fn replacements_are_not_found_again() {
        for action in [Action::Mask { keep: 4 }, Action::Redact, Action::Hash] {
            let once = masked(action);
            assert_eq!(
                masker(action).mask(&once, "", &mut Tally::default()),
                None,
                "{once}"
            );
        }
    }
}
