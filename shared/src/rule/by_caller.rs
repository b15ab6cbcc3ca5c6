//! Rules by the callers that they name, so that what a request costs does not grow with the number
//! of rules for others.
//!
//! A rule that names its consumers (or else groups) without `*` stands on their lists, any other
//! on everybody's. What is looked up is a superset of the rules that can fit; each is then tried as
//! if there were no index.

use std::collections::BTreeMap;

use super::{Caller, Who};

/// Fewest rules that are worth an index.
pub const FEWEST: usize = 24;

/// Lists of rules, which are named by their places.
#[derive(Clone, Debug, Default)]
pub struct ByCaller<S> {
    everybody: S,
    consumers: BTreeMap<String, S>,
    groups: BTreeMap<String, S>,
    /// All rules on the lists of groups, for callers whose groups are not known.
    in_groups: Vec<u32>,
}

/// Who a list of rules is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamedBy<'a> {
    /// Everybody's.
    Everybody,
    /// A consumer's.
    Consumer(&'a str),
    /// A group's.
    Group(&'a str),
}

impl<S: Default> ByCaller<S> {
    /// Puts the rule at `at`, which is for `who`, on its lists.
    pub fn enter(&mut self, at: u32, who: &Who, mut put: impl FnMut(&mut S, NamedBy<'_>)) {
        if let Some(names) = who.named_consumers() {
            for name in names {
                let list = self.consumers.entry(name.to_owned()).or_default();
                put(list, NamedBy::Consumer(name));
            }
        } else if let Some(names) = who.named_groups() {
            self.in_groups.push(at);
            for name in names {
                let list = self.groups.entry(name.clone()).or_default();
                put(list, NamedBy::Group(name));
            }
        } else {
            put(&mut self.everybody, NamedBy::Everybody);
        }
    }

    /// The lists with the rules that can fit a caller; [`Self::in_doubt`] has more of them.
    pub fn lists<'a>(&'a self, caller: Caller<'a>) -> impl Iterator<Item = &'a S> {
        let identity = match caller {
            Caller::Unknown => None,
            Caller::Known(identity) => Some(identity),
        };
        let of_consumer = identity.and_then(|identity| self.consumers.get(&identity.consumer));
        let of_groups = identity
            .into_iter()
            .filter(|_| !self.groups.is_empty())
            .flat_map(|identity| identity.groups.distinct())
            .filter_map(|group| self.groups.get(group));
        std::iter::once(&self.everybody)
            .chain(of_consumer)
            .chain(of_groups)
    }

    /// Places of the rules that can fit because it is not known in which groups a caller is.
    pub fn in_doubt(&self, caller: Caller<'_>) -> &[u32] {
        match caller {
            Caller::Known(identity) if identity.groups_unknown => &self.in_groups,
            Caller::Known(_) | Caller::Unknown => &[],
        }
    }
}

/// Places of the rules to try, in their order: those that an index has found, or all of `count`
/// where there is no index.
pub fn places(found: Option<Vec<u32>>, count: usize) -> impl Iterator<Item = usize> {
    let all = if found.is_none() { count } else { 0 };
    let found = found.into_iter().flatten();
    found
        .filter_map(|at| usize::try_from(at).ok())
        .chain(0..all)
}

impl ByCaller<Vec<u32>> {
    /// An index of these rules; none if they are few.
    pub fn of<'a>(rules: impl ExactSizeIterator<Item = &'a Who>) -> Option<Self> {
        if rules.len() < FEWEST {
            return None;
        }
        let mut index = Self::default();
        for (at, who) in (0_u32..).zip(rules) {
            index.enter(at, who, |list, _| list.push(at));
        }
        Some(index)
    }

    /// Places of all rules that can fit, in their order.
    pub fn candidates(&self, caller: Caller<'_>) -> Vec<u32> {
        let mut found = self.in_doubt(caller).to_vec();
        found.extend(self.lists(caller).flatten());
        found.sort_unstable();
        found.dedup();
        found
    }
}
