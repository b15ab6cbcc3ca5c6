//! What became of everything in a source file.

use std::fmt::Write as _;

use located_yaml::Place;
use serde_json::{Value as Json, json};

/// A variable of the environment that takes the place of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What has to be in it.
    pub holds: String,
    /// Where the source has the secret.
    pub place: Place,
}

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It means the same in the new configuration.
    TakenOver,
    /// It is there, and means something else.
    Changed,
    /// Envoy does it, with a filter or a setting of its own.
    Kept,
    /// It is not there.
    NotCovered,
}

impl Verdict {
    /// Every one, in the order of the report.
    pub const ALL: [Self; 4] = [Self::TakenOver, Self::Changed, Self::Kept, Self::NotCovered];

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::TakenOver => "taken over",
            Self::Changed => "changed in meaning",
            Self::Kept => "kept as Envoy's own",
            Self::NotCovered => "not covered",
        }
    }

    /// In the JSON report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TakenOver => "taken_over",
            Self::Changed => "changed",
            Self::Kept => "kept",
            Self::NotCovered => "not_covered",
        }
    }
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in the source.
    pub place: Place,
    /// Its path there.
    pub path: String,
    /// What it is, in the source's words.
    pub subject: String,
    /// What became of it.
    pub verdict: Verdict,
    /// How.
    pub text: String,
    /// Whether it keeps somebody out, limits or hides something.
    pub protects: bool,
    /// Whether it speaks for everything below, read or not.
    pub whole: bool,
    /// Paths of the values that it stands for.
    pub values: Vec<String>,
}

/// The whole.
#[derive(Clone, Debug)]
pub struct Report {
    /// The name of the source file.
    pub file: String,
    /// Its lines, in the order of the file.
    pub entries: Vec<Entry>,
    /// Secrets that must be in the environment.
    pub variables: Vec<Variable>,
    /// What `modelgate check` says of the new configuration, each on a line.
    pub findings: Vec<String>,
}

impl Report {
    /// Whether something that protects is not in the new configuration.
    pub fn lacks_protection(&self) -> bool {
        let lacks = |entry: &Entry| entry.protects && entry.verdict == Verdict::NotCovered;
        self.entries.iter().any(lacks)
    }

    fn count(&self, verdict: Verdict) -> usize {
        let same = |entry: &&Entry| entry.verdict == verdict;
        self.entries.iter().filter(same).count()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for entry in &self.entries {
            let Place { line, column } = entry.place;
            let guard = match entry.protects && entry.verdict == Verdict::NotCovered {
                true => " (it protects)",
                false => "",
            };
            let _ = writeln!(
                text,
                "{}:{line}:{column}: {}{guard}: {}: {}",
                self.file,
                entry.verdict.words(),
                entry.subject,
                entry.text
            );
        }
        if !self.variables.is_empty() {
            text.push_str("\nSecrets that Envoy needs in its environment:\n");
            for variable in &self.variables {
                let line = variable.place.line;
                let _ = writeln!(
                    text,
                    "  {}  {} ({}:{line})",
                    variable.name, variable.holds, self.file
                );
            }
        }
        if !self.findings.is_empty() {
            text.push_str("\nmodelgate check says of the result:\n");
            for finding in &self.findings {
                let _ = writeln!(text, "  {finding}");
            }
        }
        let counts: Vec<String> = Verdict::ALL
            .into_iter()
            .map(|verdict| format!("{} {}", self.count(verdict), verdict.words()))
            .collect();
        let _ = writeln!(text, "\n{}", counts.join(", "));
        if self.lacks_protection() {
            text.push_str("Something that protects is not covered: see the lines above.\n");
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Json {
        let entries: Vec<Json> = self
            .entries
            .iter()
            .map(|entry| {
                json!({
                    "file": self.file,
                    "line": entry.place.line,
                    "column": entry.place.column,
                    "path": entry.path,
                    "subject": entry.subject,
                    "verdict": entry.verdict.name(),
                    "protects": entry.protects,
                    "text": entry.text,
                    "values": entry.values,
                })
            })
            .collect();
        let variables: Vec<Json> = self
            .variables
            .iter()
            .map(|one| json!({ "name": one.name, "holds": one.holds, "line": one.place.line }))
            .collect();
        let counts: serde_json::Map<String, Json> = Verdict::ALL
            .into_iter()
            .map(|verdict| (verdict.name().to_owned(), self.count(verdict).into()))
            .collect();
        json!({
            "file": self.file,
            "entries": entries,
            "environment": variables,
            "findings": self.findings,
            "counts": counts,
            "lacks_protection": self.lacks_protection(),
        })
    }
}
