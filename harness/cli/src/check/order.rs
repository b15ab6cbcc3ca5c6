//! Which filters run on a route, and in which order.

use super::chain::{Chain, Ours, View};
use super::entry::{Slot, What};

/// Whether a filter runs on a route, or where no route is at hand by itself.
pub(super) fn runs(slot: &Slot<'_>, view: Option<&View<'_>>) -> bool {
    view.map_or(!slot.disabled, |view| view.runs(slot))
}

/// The routes that a filter runs on; `None` stands for all where they are not at hand.
pub(super) fn ways<'v, 'a>(
    chain: &Chain<'_>,
    views: &[&'v View<'a>],
    slot: &Slot<'_>,
) -> Vec<Option<&'v View<'a>>> {
    match views {
        // A list of one filter is a piece of a chain, not one.
        [] if chain.views.is_empty() && !chain.is_whole() => Vec::new(),
        [] => vec![None],
        views => views
            .iter()
            .filter(|view| view.runs(slot))
            .map(|view| Some(*view))
            .collect(),
    }
}

/// The place of a filter of the suite in the order of all filters, those in one entry counted one
/// by one.
pub(super) fn position(chain: &Chain<'_>, wanted: &Ours<'_, '_>) -> usize {
    let slot = chain.position(wanted.slot);
    let within = wanted
        .entry
        .parts()
        .iter()
        .position(|part| part.own_path() == wanted.part.own_path())
        .unwrap_or_default();
    filters_before(chain, slot).saturating_add(within)
}

/// How many filters stand before an entry.
pub(super) fn filters_before(chain: &Chain<'_>, slot: usize) -> usize {
    chain.slots.iter().take(slot).fold(0, |sum, slot| {
        sum.saturating_add(match &slot.what {
            What::Ours(entry) => entry.parts().len(),
            _ => 1,
        })
    })
}
