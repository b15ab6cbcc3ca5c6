//! Names of which rules ask whether one is among them: groups and scopes of a caller, words of a
//! claim.
//!
//! A caller may bring along a thousand and a configuration ask for as many. Reading all for each
//! question would be their product, so they are sorted before the second question.

use std::cell::OnceCell;
use std::ops::Deref;

use serde::{Deserialize, Serialize, Serializer};

/// So few are read faster than sorted.
const FEW: usize = 8;

/// A list of names that keeps its order.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Vec<String>")]
pub struct Names {
    list: Vec<String>,
    /// Each of them once, in ascending order, once somebody has asked.
    sorted: OnceCell<Vec<String>>,
}

impl Names {
    /// Whether a name is among them.
    pub fn has(&self, name: &str) -> bool {
        if self.list.len() <= FEW {
            return self.list.iter().any(|known| known == name);
        }
        self.distinct()
            .binary_search_by(|known| known.as_str().cmp(name))
            .is_ok()
    }

    /// Each of them once, in ascending order.
    pub fn distinct(&self) -> &[String] {
        self.sorted.get_or_init(|| {
            let mut sorted = self.list.clone();
            sorted.sort_unstable();
            sorted.dedup();
            sorted
        })
    }
}

impl From<Vec<String>> for Names {
    fn from(list: Vec<String>) -> Self {
        Self {
            list,
            sorted: OnceCell::new(),
        }
    }
}

impl FromIterator<String> for Names {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        Vec::from_iter(names).into()
    }
}

impl Deref for Names {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.list
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}

/// Borrowed names that are asked for one after the other, in any order.
#[derive(Debug)]
pub struct Sorted<'a>(Vec<&'a str>);

impl<'a> FromIterator<&'a str> for Sorted<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut names = Vec::from_iter(names);
        names.sort_unstable();
        Self(names)
    }
}

impl Sorted<'_> {
    /// Whether a name is among them.
    pub fn has(&self, name: &str) -> bool {
        self.0.binary_search(&name).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_names_and_many_are_found_and_keep_their_order() {
        for count in [0_usize, 1, FEW, FEW + 1, 300] {
            let list: Vec<String> = (0..count).rev().map(|at| format!("n{at}")).collect();
            let names = Names::from(list.clone());
            let sorted: Sorted<'_> = list.iter().map(String::as_str).collect();
            for name in &list {
                assert!(names.has(name) && sorted.has(name), "{name} of {count}");
            }
            for other in ["", "n", "n00", "n300", "m", "o"] {
                assert!(
                    !names.has(other) && !sorted.has(other),
                    "{other} of {count}"
                );
            }
            assert_eq!(*names, *list);
        }
    }

    #[test]
    fn they_are_written_as_a_list() {
        let names: Names = serde_json::from_str(r#"["b","a","a"]"#).unwrap();
        assert_eq!(serde_json::to_string(&names).unwrap(), r#"["b","a","a"]"#);
        assert_eq!(*names, ["b", "a", "a"]);
        assert_eq!(names.distinct(), ["a", "b"]);
    }
}
