//! How many findings there were.

use super::Action;
use crate::detect::Entity;
use modelgate_kit::flat_map::FlatMap;

/// How many findings of each entity, and whether one of them blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub(super) counts: FlatMap<Entity, u64>,
    pub(super) reported: FlatMap<Entity, u64>,
    pub(super) restored: FlatMap<Entity, u64>,
    pub(super) unkept: FlatMap<Entity, u64>,
    pub(super) blocked: bool,
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

    /// Entities that were found and passed ([`Action::Report`]), with their counts.
    pub fn reported(&self) -> impl Iterator<Item = (Entity, u64)> + '_ {
        self.reported
            .iter()
            .map(|(entity, count)| (*entity, *count))
    }

    /// How many of one entity were reported.
    #[must_use]
    pub fn count_reported(&self, entity: Entity) -> u64 {
        self.reported.get(&entity).copied().unwrap_or_default()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.reported.is_empty()
    }

    /// Whether something was found whose action is to block.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Entities of which something was put back, with their counts.
    pub fn restored(&self) -> impl Iterator<Item = (Entity, u64)> + '_ {
        let restored = self.restored.iter();
        restored.map(|(entity, count)| (*entity, *count))
    }

    /// How many of one entity were put back.
    #[must_use]
    pub fn count_restored(&self, entity: Entity) -> u64 {
        self.restored.get(&entity).copied().unwrap_or_default()
    }

    /// How many of one entity were redacted because no more could be kept.
    #[must_use]
    pub fn unkept(&self, entity: Entity) -> u64 {
        self.unkept.get(&entity).copied().unwrap_or_default()
    }

    /// One more finding, with what becomes of it.
    pub(super) fn add(&mut self, entity: Entity, action: Action) {
        let counts = match action.changes() {
            true => &mut self.counts,
            false => &mut self.reported,
        };
        one_more(counts, entity);
        self.blocked |= action == Action::Block;
    }
}

/// Counts one more of an entity.
pub fn one_more(counts: &mut FlatMap<Entity, u64>, entity: Entity) {
    if let Some(count) = counts.get_or_insert_with(entity, || 0) {
        *count = count.saturating_add(1);
    }
}
