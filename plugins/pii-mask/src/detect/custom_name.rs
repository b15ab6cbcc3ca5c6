//! Names of the operator's own kinds of values. They live as long as the program: an entity is
//! copied freely, and a configuration that replaces another mostly has the same names.

use std::sync::{Mutex, PoisonError};

/// A kind of the operator's own, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Custom(&'static Names);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Names {
    name: String,
    placeholder: String,
}

static KNOWN: Mutex<Vec<&'static Names>> = Mutex::new(Vec::new());

impl Custom {
    /// The kind with this name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(names) = known.iter().find(|names| names.name == name) {
            return Self(names);
        }
        let names: &'static Names = Box::leak(Box::new(Names {
            name: name.to_owned(),
            placeholder: format!("[{}]", name.to_ascii_uppercase()),
        }));
        known.push(names);
        Self(names)
    }

    pub(super) const fn name(self) -> &'static str {
        self.0.name.as_str()
    }

    pub(super) const fn placeholder(self) -> &'static str {
        self.0.placeholder.as_str()
    }
}
