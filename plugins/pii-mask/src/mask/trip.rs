//! The way to the model and back: surrogates are given out in the request, and what they stand for
//! takes their place in the answer of the same exchange.

use super::fake;
use super::keyed::{self, Scope, canonical};
use super::{Action, Masker, Surrogate, Tally, one_more};
use crate::detect::people;
use crate::detect::{Certainty, Columns, Entity, Finding};
use crate::restore::layers::Layers;
use crate::restore::spelled::Around;
use crate::restore::{Depths, Found, Place, Value, Vault};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// What has been read of a text that comes in pieces.
#[derive(Debug, Clone)]
pub struct Reading {
    pub(super) columns: Columns,
    /// The same for names and addresses.
    pub(super) people: Columns,
    pub(super) layers: Layers,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            columns: Columns::default(),
            people: people::columns(),
            layers: Layers::default(),
        }
    }
}

impl Reading {
    /// Reads on over what is not looked at by itself.
    pub fn pass(&mut self, text: &str, masker: &Masker) {
        self.columns.read(text, |_, _, _| {});
        if masker.rules.wanted.has_people() {
            self.people.read(text, |_, _, _| {});
        }
        self.layers.read(text);
    }
}

/// What a masker knows of its exchange.
pub(super) struct Trip {
    /// What is kept.
    vault: Option<Rc<RefCell<Vault>>>,
    scope: Scope,
    /// What was kept is put back, and nothing kept: it masks the answer.
    restores: bool,
}

impl Masker {
    /// The masker of one exchange's requests: keeps what it replaces by surrogates, whose codes are
    /// those of `scope`.
    #[must_use]
    pub fn keeping(&self, vault: &Rc<RefCell<Vault>>, scope: &Scope) -> Self {
        self.on(Some(Rc::clone(vault)), scope, false)
    }

    /// The masker of its answer: puts back what was kept.
    #[must_use]
    pub fn restoring(&self, vault: &Rc<RefCell<Vault>>, scope: &Scope) -> Self {
        self.on(Some(Rc::clone(vault)), scope, true)
    }

    /// The masker of messages of which nothing is kept.
    #[must_use]
    pub fn scoped(&self, scope: &Scope) -> Self {
        match scope {
            Scope::Everybody => self.clone(),
            scope => self.on(None, scope, false),
        }
    }

    fn on(&self, vault: Option<Rc<RefCell<Vault>>>, scope: &Scope, restores: bool) -> Self {
        let trip = Trip {
            vault,
            scope: scope.clone(),
            restores,
        };
        Self {
            trip: Some(Rc::new(trip)),
            ..self.clone()
        }
    }

    /// Whom its codes are the same for.
    pub(super) fn scope(&self) -> &Scope {
        const EVERYBODY: &Scope = &Scope::Everybody;
        self.trip.as_ref().map_or(EVERYBODY, |trip| &trip.scope)
    }

    fn vault(&self) -> Option<&RefCell<Vault>> {
        self.trip.as_ref()?.vault.as_deref()
    }

    /// Whether it puts something back.
    pub fn restores(&self) -> bool {
        self.trip.as_ref().is_some_and(|trip| trip.restores)
    }

    /// Whether one of the actions gives out surrogates.
    pub fn keeps(&self) -> bool {
        let mut actions = self.rules.actions.values();
        actions.any(|action| matches!(action, Action::Surrogate(..)))
    }

    /// Whether one of the actions needs a key.
    pub fn is_keyed(&self) -> bool {
        self.rules.actions.values().any(|action| action.is_keyed())
    }

    /// Takes notice of a body before it is masked: what reads like a placeholder or a fake in it is
    /// none that is given out.
    pub fn reserve(&self, body: &[u8]) {
        let Some(vault) = self.vault() else {
            return;
        };
        let of = |wanted: Surrogate| -> Vec<Entity> {
            let actions = self.rules.actions.iter();
            let of_kind = actions.filter(
                |(_, action)| matches!(action, Action::Surrogate(kind, _) if *kind == wanted),
            );
            of_kind.map(|(entity, _)| *entity).collect()
        };
        let (mut numbered, fakes) = (of(Surrogate::Placeholder), of(Surrogate::Fake));
        let mut vault = vault.borrow_mut();
        if !fakes.is_empty() {
            vault.reserve_words(body);
            // What is too long for a fake.
            numbered.extend(fakes);
        }
        if !numbered.is_empty() {
            vault.reserve(body, &numbered);
        }
    }

    /// The request has been masked: what was kept is all.
    pub fn settle(&self) {
        if let Some(vault) = self.vault() {
            vault.borrow_mut().settle();
        }
    }

    /// Whether it neither looks for anything nor has anything to put back.
    pub fn has_nothing_to_do(&self) -> bool {
        self.is_idle() && self.back().is_none_or(|vault| vault.borrow().is_idle())
    }

    /// Whether a surrogate stands over `place` of a text, or may if the text goes on: `floor` is
    /// where it can begin.
    pub fn spans(&self, text: &str, floor: usize, place: usize) -> bool {
        self.back()
            .is_some_and(|vault| vault.borrow().spans(text, floor, place))
    }

    /// What is kept, if it is to be put back.
    fn back(&self) -> Option<&RefCell<Vault>> {
        self.vault().filter(|_| self.restores())
    }

    /// The findings of a text, each surrogate with where it stands, and the surrogates that stand
    /// for something.
    pub(super) fn with_surrogates(
        &self,
        text: &str,
        floor: usize,
        found: Vec<(Finding, Action)>,
    ) -> Vec<(Finding, Action)> {
        let Some(vault) = self.vault() else {
            return found;
        };
        let depths = Depths::of(text, 0, Layers::default());
        if self.restores() {
            let vault = vault.borrow();
            if vault.is_empty() {
                return found;
            }
            let found = read_fakes(&vault, text, found);
            let surrogates = vault.find(text, floor);
            let needs_layers = vault.needs_layers();
            return together(found, self.back_at(surrogates, needs_layers, depths).0);
        }
        layered(text, found, depths)
    }

    /// The same for a text that comes in pieces.
    pub(super) fn with_surrogates_next(
        &self,
        text: &str,
        floor: usize,
        found: Vec<(Finding, Action)>,
        layers: &mut Layers,
    ) -> Vec<(Finding, Action)> {
        let Some(vault) = self.back() else {
            return found;
        };
        let vault = vault.borrow();
        let needs_layers = vault.needs_layers();
        let found = read_fakes(&vault, text, found);
        let depths = Depths::of(text, floor, core::mem::take(layers));
        let surrogates = vault.find(text, floor);
        let (surrogates, depths) = self.back_at(surrogates, needs_layers, depths);
        if needs_layers {
            *layers = depths.end();
        }
        together(found, surrogates)
    }

    /// Surrogates as findings.
    fn back_at<'a>(
        &self,
        surrogates: Vec<Found>,
        needs_layers: bool,
        mut depths: Depths<'a>,
    ) -> (Vec<(Finding, Action, bool)>, Depths<'a>) {
        let vault = self.back().map(RefCell::borrow);
        let surrogates = surrogates.into_iter().filter_map(|found| {
            let entity = vault.as_ref()?.entity(found.place)?;
            let layers = if needs_layers {
                depths.at(found.span.start)
            } else {
                0
            };
            let finding = Finding {
                span: found.span,
                entity,
                certainty: Certainty::Check,
                quotes: None,
            };
            let action = Action::Restore(found.place, layers, found.around);
            Some((finding, action, found.is_bare))
        });
        let surrogates = surrogates.collect();
        (surrogates, depths)
    }

    /// What stands for a value from here on; none if nothing can.
    pub(super) fn surrogate(
        &self,
        surrogate: Surrogate,
        entity: Entity,
        written: &str,
        layers: u8,
    ) -> Option<String> {
        let canonical = canonical(entity, &self.as_it_reads(written));
        let value = Value {
            entity,
            written,
            layers,
            canonical: &canonical,
        };
        let mut vault = self.vault()?.borrow_mut();
        match surrogate {
            Surrogate::Placeholder => vault.placeholder(value),
            Surrogate::Pseudonym => {
                let key = self.rules.key.as_ref();
                let code = keyed::code(entity, key, self.scope(), &canonical)?;
                vault.pseudonym(value, &keyed::letters(&code))
            }
            Surrogate::Fake if written.len() > fake::LONGEST => vault.placeholder(value),
            Surrogate::Fake => {
                let key = self.rules.key.as_ref();
                let code = keyed::code(entity, key, self.scope(), &canonical)?;
                vault.fake(value, |attempt| {
                    let faked = fake::fake(entity, written, &code, attempt)?;
                    let reads = keyed::canonical(entity, &faked);
                    Some((faked, reads))
                })
            }
        }
    }

    /// Writes what a surrogate stands for.
    pub(super) fn restore(
        &self,
        place: Place,
        layers: u8,
        around: Around,
        tally: &mut Tally,
        out: &mut String,
    ) {
        let Some(vault) = self.back().map(RefCell::borrow) else {
            return;
        };
        if let Some(entity) = vault.entity(place) {
            one_more(&mut tally.restored, entity);
        }
        vault.write(place, layers, around, out);
    }
}

/// The findings, those that get a surrogate with the strings of JSON around them. It matters for
/// what has an escape in it.
fn layered(
    text: &str,
    mut found: Vec<(Finding, Action)>,
    mut depths: Depths<'_>,
) -> Vec<(Finding, Action)> {
    for (finding, action) in &mut found {
        if let Action::Surrogate(_, layers) = action
            && text
                .get(finding.span.clone())
                .is_some_and(|value| value.contains('\\'))
        {
            *layers = depths.at(finding.span.start);
        }
    }
    found
}

/// The findings, those that read like a fake with what it stands for.
fn read_fakes(
    vault: &Vault,
    text: &str,
    mut found: Vec<(Finding, Action)>,
) -> Vec<(Finding, Action)> {
    if vault.has_fakes() {
        for (finding, action) in &mut found {
            let value = text.get(finding.span.clone()).unwrap_or_default();
            let reads = canonical(finding.entity, value);
            if let Some(place) = vault.fake_of(finding.entity, &reads) {
                // A finding that may be read otherwise has no characters that JSON escapes.
                *action = Action::Restore(place, 0, Around::Text);
            }
        }
    }
    found
}

/// Findings and surrogates in one list: of a finding that overlaps a surrogate stays what the
/// surrogate leaves of it, but for a surrogate that is a bare word, which may be part of the
/// finding by chance.
fn together(
    found: Vec<(Finding, Action)>,
    surrogates: Vec<(Finding, Action, bool)>,
) -> Vec<(Finding, Action)> {
    if surrogates.is_empty() {
        return found;
    }
    let mut both = Vec::with_capacity(found.len().saturating_add(surrogates.len()));
    let mut found = VecDeque::from(found);
    for (surrogate, action, is_bare) in surrogates {
        while let Some(before) =
            found.pop_front_if(|(finding, _)| finding.span.end <= surrogate.span.start)
        {
            both.push(before);
        }
        let overlaps = |finding: &Finding| finding.span.start < surrogate.span.end;
        if is_bare && found.front().is_some_and(|(finding, _)| overlaps(finding)) {
            continue;
        }
        let mut behind = None;
        while let Some((mut finding, of_finding)) =
            found.pop_front_if(|(finding, _)| overlaps(finding))
        {
            let (start, end) = (finding.span.start, finding.span.end);
            finding.quotes = None;
            if start < surrogate.span.start {
                let mut front = finding.clone();
                front.span.end = surrogate.span.start;
                both.push((front, of_finding));
            }
            if end > surrogate.span.end {
                finding.span.start = surrogate.span.end;
                behind = Some((finding, of_finding));
            }
        }
        both.push((surrogate, action));
        // The next surrogate may stand in it, too.
        if let Some(behind) = behind {
            found.push_front(behind);
        }
    }
    both.extend(found);
    both
}
