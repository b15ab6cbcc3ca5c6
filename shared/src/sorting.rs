//! Sorting in little code.
//!
//! The standard library's `sort_unstable` is 4 to 9 KB of a module for every type that is sorted
//! (`docs/decisions/0010-small-modules.md`); this is some hundreds of bytes. Where many entries are
//! sorted for every request, the standard library's is the right one.

/// Few enough to be put in order one by one.
const FEW: usize = 16;
/// Into how many parts [`sort_spread`] divides at once: the values of a byte.
const PARTS: usize = 256;

/// Sorts `items`; which of two that are equal goes first is open. Linear for few that are in order
/// already; n·log n comparisons at worst (heap sort; Knuth, The Art of Computer Programming,
/// volume 3, 5.2.3).
pub fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::lt);
}

/// As [`sort`], in the order of what `key` gives.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |one, other| key(one) < key(other));
}

/// As [`sort`], where `less` says whether one goes before the other.
pub fn sort_by<T>(items: &mut [T], less: impl Fn(&T, &T) -> bool) {
    let is_less = |items: &[T], one: usize, other: usize| match (items.get(one), items.get(other)) {
        (Some(one), Some(other)) => less(one, other),
        _ => false,
    };
    if items.len() <= FEW {
        for end in 1..items.len() {
            let mut at = end;
            while at > 0 && is_less(items, at, at.saturating_sub(1)) {
                items.swap(at, at.saturating_sub(1));
                at = at.saturating_sub(1);
            }
        }
        return;
    }
    // Lets the item at `top` sink to its place among the first `end`.
    let sink = |items: &mut [T], mut top: usize, end: usize| {
        loop {
            let left = top.saturating_mul(2).saturating_add(1);
            let right = left.saturating_add(1);
            let larger = match right < end && is_less(items, left, right) {
                true => right,
                false => left,
            };
            if larger >= end || !is_less(items, top, larger) {
                return;
            }
            items.swap(top, larger);
            top = larger;
        }
    };
    for top in (0..items.len() / 2).rev() {
        sink(items, top, items.len());
    }
    for end in (1..items.len()).rev() {
        items.swap(0, end);
        sink(items, 0, end);
    }
}

/// As [`sort_by`], for many items whose `number`s are spread over all of `u64`, as those of hashes
/// are: linear for them. Whatever has the smaller number goes first; `less` decides among few, and
/// among those with the same number.
///
/// Puts them into order in place by one byte after the other (American flag sort; McIlroy, Bostic
/// and McIlroy, Engineering Radix Sort, Computing Systems 6.1, 1993).
pub fn sort_spread<T>(items: &mut [T], number: impl Fn(&T) -> u64, less: impl Fn(&T, &T) -> bool) {
    spread(items, u64::BITS, &number, &less);
}

/// Sorts items that agree in all bits of their numbers but the last `open`.
fn spread<T>(
    items: &mut [T],
    open: u32,
    number: &impl Fn(&T) -> u64,
    less: &impl Fn(&T, &T) -> bool,
) {
    let shift = open.saturating_sub(u8::BITS);
    if items.len() <= FEW || open == 0 {
        return sort_by(items, less);
    }
    // Which of 256 parts an item belongs to.
    let part = |items: &[T], at: usize| {
        let number = items.get(at).map_or(0, number);
        (number >> shift) as usize % PARTS
    };
    let mut ends = [0_usize; PARTS];
    for at in 0..items.len() {
        if let Some(count) = ends.get_mut(part(items, at)) {
            *count = count.saturating_add(1);
        }
    }
    let mut next = [0_usize; PARTS];
    let mut sum = 0_usize;
    for (begin, end) in next.iter_mut().zip(&mut ends) {
        *begin = sum;
        sum = sum.saturating_add(*end);
        *end = sum;
    }
    for (home, end) in ends.iter().enumerate() {
        while let Some(at) = next.get(home).copied().filter(|at| at < end) {
            let belongs = part(items, at);
            let Some(place) = next.get_mut(belongs) else {
                return;
            };
            if belongs != home && *place < items.len() {
                items.swap(at, *place);
            }
            *place = place.saturating_add(1);
        }
    }
    let mut begin = 0;
    for end in ends {
        if let Some(items) = items.get_mut(begin..end) {
            spread(items, shift, number, less);
        }
        begin = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_is_sorted_is_as_the_standard_library_sorts_it(
            items in prop::collection::vec(0u8..50, 0..80),
        ) {
            let (mut ours, mut theirs) = (items.clone(), items.clone());
            sort(&mut ours);
            theirs.sort_unstable();
            prop_assert_eq!(&ours, &theirs);
            sort_by_key(&mut ours, |item| std::cmp::Reverse(*item));
            theirs.reverse();
            prop_assert_eq!(&ours, &theirs);
        }

        #[test]
        fn numbers_are_sorted_however_they_are_spread(
            items in prop::collection::vec(0u64..1_000, 0..400), factor in 1u64..u64::MAX / 1_000,
        ) {
            let mut ours: Vec<u64> = items.iter().map(|item| item * factor).collect();
            let mut theirs = ours.clone();
            sort_spread(&mut ours, |item| *item, u64::lt);
            theirs.sort_unstable();
            prop_assert_eq!(&ours, &theirs);
            // Where they agree in the number, the rest decides.
            sort_spread(&mut ours, |item| item >> 40, u64::lt);
            prop_assert_eq!(&ours, &theirs);
        }

        #[test]
        fn an_order_that_is_none_ends_and_loses_nothing(
            items in prop::collection::vec(0u8..50, 0..80), answers in 0u64..,
        ) {
            let mut ours = items.clone();
            sort_by(&mut ours, |one, other| answers >> (one ^ other) & 1 == 1);
            ours.sort_unstable();
            let mut items = items;
            items.sort_unstable();
            prop_assert_eq!(ours, items);
        }
    }
}
