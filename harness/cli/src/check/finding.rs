//! What is found, and how it is written.

use std::fmt;
use std::path::PathBuf;

use super::codes::{Code, Severity};
use located_yaml::Place;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where in the file.
    pub place: Place,
    /// How bad.
    pub severity: Severity,
    /// Which kind.
    pub code: &'static Code,
    /// The filter, by its name in the chain, or the message of Envoy's.
    pub filter: String,
    /// Path inside the filter's configuration; empty for the filter as such.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead; may be empty.
    pub hint: String,
    /// The file, if it is another one than that which was checked.
    pub file: Option<PathBuf>,
}

impl Finding {
    /// A finding of a kind, as bad as its kind is.
    pub(super) fn new(
        code: &'static Code,
        place: Place,
        filter: &str,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            place,
            severity: code.severity,
            code,
            filter: filter.to_owned(),
            path: String::new(),
            problem: problem.into(),
            hint: hint.into(),
            file: None,
        }
    }

    /// With a path inside the filter's configuration.
    pub(super) fn at(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// What is wrong, with where it is inside of the filter's configuration.
    pub fn message(&self) -> String {
        let mut text = String::new();
        for part in [&self.filter, &self.path] {
            if !part.is_empty() {
                text.push_str(part);
                text.push_str(": ");
            }
        }
        text.push_str(&self.problem);
        text
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}[{} {}]: {}",
            self.place,
            self.severity.as_str(),
            self.code.id,
            self.code.name,
            self.message()
        )?;
        if !self.hint.is_empty() {
            write!(f, "\n    {}", self.hint)?;
        }
        Ok(())
    }
}
