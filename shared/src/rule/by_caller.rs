//! Rules by the callers that they name, so that what a request costs does not grow with the number
//! of rules for others.
//!
//! A rule that names consumers stands on their lists; one that does not, on those of groups, words
//! of a claim or scopes that it names; any other on everybody's. A name with `*` stands for what is
//! before it. What is looked up is a superset of the rules that can fit; each is then tried as if
//! there were no index.

use std::collections::BTreeMap;
use std::ptr;

use super::who::Named;
use super::{Caller, Who};
use crate::claim::{ClaimPath, Other, Reading, Split, Wanted};
use crate::glob::Patterns;
use crate::names::Names;
use crate::sorting;

/// Fewest rules that are worth an index.
pub const FEWEST: usize = 24;

/// Lists of rules, which are named by their places.
#[derive(Clone, Debug, Default)]
pub struct ByCaller<S> {
    everybody: S,
    consumers: Patterns<S>,
    groups: ByName<S>,
    scopes: ByName<S>,
    claims: BTreeMap<(ClaimPath, Split), ByWord<S>>,
}

/// Lists by names that are compared exactly.
#[derive(Clone, Debug, Default)]
struct ByName<S> {
    lists: BTreeMap<Box<str>, S>,
    /// All rules on them, for callers of whom not all names are known.
    all: Vec<u32>,
}

/// Lists by words of one claim.
#[derive(Clone, Debug, Default)]
struct ByWord<S> {
    texts: Patterns<S>,
    others: BTreeMap<Other, S>,
    /// All rules on them, for callers whose claim is not known.
    all: Vec<u32>,
}

impl<S: Default> ByName<S> {
    fn enter(&mut self, at: u32, names: &[String], mut put: impl FnMut(&mut S)) {
        self.all.push(at);
        for name in names {
            put(self.lists.entry(name.as_str().into()).or_default());
        }
    }

    fn find<'a>(&'a self, names: &Names, found: &mut Vec<&'a S>) {
        if !self.lists.is_empty() {
            let names = names.distinct().iter();
            found.extend(names.filter_map(|name| self.lists.get(name.as_str())));
        }
    }
}

impl<S: Default> ByWord<S> {
    fn enter(&mut self, at: u32, words: &[Wanted], mut put: impl FnMut(&mut S)) {
        self.all.push(at);
        for word in words {
            match word {
                Wanted::Text(glob) => put(self.texts.entry(glob)),
                Wanted::Other(other) => {
                    if let Some(other) = Other::of(other) {
                        put(self.others.entry(other).or_default());
                    }
                }
            }
        }
    }

    fn find<'a>(&'a self, reading: &Reading<String>, found: &mut Vec<&'a S>) {
        let Reading::Words(words) = reading else {
            return;
        };
        if !self.texts.is_empty() {
            words.texts().for_each(|text| self.texts.find(text, found));
        }
        if !self.others.is_empty() {
            found.extend(words.others().filter_map(|other| self.others.get(&other)));
        }
    }
}

impl<S: Default> ByCaller<S> {
    /// Puts the rule at `at`, which is for `who`, on its lists.
    pub fn enter(&mut self, at: u32, who: &Who, mut put: impl FnMut(&mut S)) {
        match who.named() {
            Named::Everybody => put(&mut self.everybody),
            Named::Consumers(names) => {
                names
                    .iter()
                    .for_each(|name| put(self.consumers.entry(name)));
            }
            Named::Groups(names) => self.groups.enter(at, names, put),
            Named::Scopes(names) => self.scopes.enter(at, names, put),
            Named::Claim(claim, words) => {
                let of_claim = self.claims.entry((claim.path.clone(), claim.split));
                of_claim.or_default().enter(at, words, put);
            }
        }
    }

    /// The lists with the rules that can fit a caller, each once; [`Self::in_doubt`] has more of
    /// them.
    pub fn lists<'a>(&'a self, caller: Caller<'_>) -> Vec<&'a S> {
        let mut found = vec![&self.everybody];
        if let Caller::Known(identity) = caller {
            if !self.consumers.is_empty() {
                self.consumers.find(&identity.consumer, &mut found);
            }
            self.groups.find(&identity.groups, &mut found);
            self.scopes.find(&identity.scopes, &mut found);
            for ((path, split), words) in &self.claims {
                words.find(&identity.read(path, *split), &mut found);
            }
        }
        // Several words may begin with what one pattern does.
        sorting::sort_by_key(&mut found, |list| ptr::from_ref(*list).addr());
        found.dedup_by(|one, other| ptr::eq(*one, *other));
        found
    }

    /// Places of the rules that can fit because it is not known which groups, scopes or claims a
    /// caller has.
    pub fn in_doubt(&self, caller: Caller<'_>) -> Vec<u32> {
        let mut found = Vec::new();
        if let Caller::Known(identity) = caller {
            for (names, unknown) in [
                (&self.groups, identity.groups_unknown),
                (&self.scopes, identity.scopes_unknown),
            ] {
                if unknown {
                    found.extend_from_slice(&names.all);
                }
            }
            for ((path, split), words) in &self.claims {
                match *identity.read(path, *split) {
                    Reading::Unknown | Reading::Unreadable => found.extend_from_slice(&words.all),
                    Reading::Absent | Reading::Words(_) => {}
                }
            }
        }
        found
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
            index.enter(at, who, |list| list.push(at));
        }
        Some(index)
    }

    /// Places of all rules that can fit, in their order.
    pub fn candidates(&self, caller: Caller<'_>) -> Vec<u32> {
        let mut found = self.in_doubt(caller);
        found.extend(self.lists(caller).into_iter().flatten());
        sorting::sort(&mut found);
        found.dedup();
        found
    }
}
