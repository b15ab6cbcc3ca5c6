//! Values that are left alone, indexed: asking costs the same whether a few are listed or
//! thousands.
//!
//! A pattern with `*` is filed under its literal end (`*@example.com`), else under its literal
//! front (`10.*`); of those under one end or front each is tried. Only patterns with neither
//! (`*example*`) are tried for every value.

use modelgate_kit::glob::Glob;
use regex_lite::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// The values, in lower case.
#[derive(Debug, Default)]
pub struct Allowed {
    exact: BTreeSet<String>,
    ending: Affixes,
    beginning: Affixes,
    others: Vec<Glob>,
    /// Patterns of which each matches all of a value.
    patterns: Vec<Regex>,
}

/// Longest value that patterns are tried on, in bytes.
const LONGEST: usize = 1024;

/// Patterns by their literal end or front, and the lengths that these have.
#[derive(Debug, Default)]
struct Affixes {
    lengths: BTreeSet<usize>,
    patterns: BTreeMap<String, Vec<Glob>>,
}

impl Affixes {
    fn add(&mut self, affix: &str, pattern: Glob) {
        self.lengths.insert(affix.len());
        self.patterns
            .entry(affix.to_owned())
            .or_default()
            .push(pattern);
    }

    fn allows<'a>(&self, value: &'a str, affix: impl Fn(usize) -> Option<&'a str>) -> bool {
        self.lengths
            .range(..=value.len())
            .filter_map(|length| self.patterns.get(affix(*length)?))
            .flatten()
            .any(|pattern| pattern.matches(value))
    }
}

impl Allowed {
    /// Of these patterns, in lower case; `*` stands for any run of characters.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut allowed = Self::default();
        for pattern in patterns {
            let glob = Glob::new(pattern);
            let front = pattern.split('*').next().unwrap_or_default();
            let end = pattern.rsplit('*').next().unwrap_or_default();
            if glob.literal().is_some() {
                allowed.exact.insert(pattern.to_owned());
            } else if !end.is_empty() {
                allowed.ending.add(end, glob);
            } else if !front.is_empty() {
                allowed.beginning.add(front, glob);
            } else {
                allowed.others.push(glob);
            }
        }
        allowed
    }

    /// The same, and values that one of these matches.
    #[must_use]
    pub fn and_patterns(mut self, patterns: Vec<Regex>) -> Self {
        self.patterns = patterns;
        self
    }

    /// Whether one of the patterns matches a value, as it is written.
    pub fn has_pattern_of(&self, value: &str) -> bool {
        value.len() <= LONGEST && self.patterns.iter().any(|pattern| pattern.is_match(value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty()
            && self.ending.patterns.is_empty()
            && self.beginning.patterns.is_empty()
            && self.others.is_empty()
            && self.patterns.is_empty()
    }

    /// Whether a value, in lower case, is one of them.
    pub fn has(&self, value: &str) -> bool {
        self.exact.contains(value)
            || self.ending.allows(value, |length| {
                value.get(value.len().checked_sub(length)?..)
            })
            || self.beginning.allows(value, |length| value.get(..length))
            || self.others.iter().any(|pattern| pattern.matches(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_each_pattern_tried(
            patterns in prop::collection::vec("[abé*]{1,5}", 0..12),
            value in "[abé]{0,6}",
        ) {
            let allowed = Allowed::new(patterns.iter().map(String::as_str));
            let tried = patterns.iter().any(|pattern| Glob::new(pattern).matches(&value));
            prop_assert_eq!(allowed.has(&value), tried);
            prop_assert_eq!(allowed.is_empty(), patterns.is_empty());
        }
    }
}
