//! Strict reading of [`Node`]s into types: every unknown key and every wrong value is reported,
//! with its path and place, all at once.
//!
//! A reader asks for the members it knows; [`Fields::close`] complains about those that nobody
//! asked for. A value that could not be read yields `None` and a [`Problem`]; whoever reads a whole
//! file gives up at the end if there are problems.

use std::cell::RefCell;
use std::fmt;

use serde_json::Value as Json;

use super::{Key, Node, Place, Value};

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// Path of the value, such as `chain[0].jwt-auth.issuers`; empty for the document.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "{}: {}", self.place, self.message),
            path => write!(f, "{}: {path}: {}", self.place, self.message),
        }
    }
}

/// Stands between the name of a member and what is wrong with it.
const SEPARATOR: char = '\u{1f}';

/// The message of a problem with one member of the mapping that is being read, for whoever knows
/// the mapping's own place only.
pub fn at_member(name: &str, message: &str) -> String {
    format!("{name}{SEPARATOR}{message}")
}

/// Collects problems.
#[derive(Debug, Default)]
pub struct Report(RefCell<Vec<Problem>>);

impl Report {
    /// A value to read, as the root of its document.
    pub fn root<'a>(&'a self, node: &'a Node) -> At<'a> {
        self.at(node, String::new())
    }

    /// A value to read that stands at this path of its document.
    pub fn at<'a>(&'a self, node: &'a Node, path: String) -> At<'a> {
        let report = self;
        At { node, path, report }
    }

    /// All problems in the order of the file.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.0.into_inner();
        problems.sort();
        problems.dedup();
        problems
    }

    /// Whether nothing was wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Adds one.
    pub fn push(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }
}

/// A value with its path.
#[derive(Clone, Debug)]
pub struct At<'a> {
    /// The value.
    pub node: &'a Node,
    /// Where it is, as a path of keys and indices.
    pub path: String,
    report: &'a Report,
}

/// The path of a member or item (`[0]`) of the value at a path.
#[must_use]
pub fn joined(path: &str, step: &str) -> String {
    match (path, step.starts_with('[')) {
        ("", _) => step.to_owned(),
        (path, true) => format!("{path}{step}"),
        (path, false) => format!("{path}.{step}"),
    }
}

impl<'a> At<'a> {
    /// Reports a problem with this value, or with the member that [`at_member`] names. It returns
    /// `None`, so that `return at.refuse("…")` reads well.
    pub fn refuse<T>(&self, message: impl Into<String>) -> Option<T> {
        self.report.push(self.problem(&message.into()));
        None
    }

    /// A problem with this value, or with a member of it.
    pub(crate) fn problem(&self, message: &str) -> Problem {
        let (name, message) = message.split_once(SEPARATOR).unwrap_or(("", message));
        let at = self.member(name).unwrap_or_else(|| self.clone());
        Problem {
            place: at.node.place,
            path: at.path,
            message: message.to_owned(),
        }
    }

    /// Where problems go.
    pub fn report(&self) -> &'a Report {
        self.report
    }

    /// A member or item of this value.
    pub(crate) fn child(&self, node: &'a Node, step: &str) -> Self {
        Self {
            node,
            path: joined(&self.path, step),
            report: self.report,
        }
    }

    /// A member, if this is a mapping that has it.
    pub fn member(&self, name: &str) -> Option<Self> {
        let node = self.node.member(name)?;
        Some(self.child(node, name))
    }

    /// As a mapping with known members.
    pub fn fields(&self) -> Option<Fields<'a>> {
        match &self.node.value {
            Value::Map(members) => Some(Fields {
                at: self.clone(),
                members,
                known: Vec::new(),
            }),
            _ => self.refuse("expected a mapping of keys and values"),
        }
    }

    /// As a mapping whose keys the author chooses.
    pub fn entries(&self) -> Vec<(&'a Key, At<'a>)> {
        match &self.node.value {
            Value::Map(members) => members
                .iter()
                .map(|(key, node)| (key, self.child(node, &key.text)))
                .collect(),
            _ => {
                self.refuse::<()>("expected a mapping of keys and values");
                Vec::new()
            }
        }
    }

    /// As a list.
    pub fn list(&self) -> Vec<At<'a>> {
        match &self.node.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, node)| self.child(node, &format!("[{index}]")))
                .collect(),
            _ => {
                self.refuse::<()>("expected a list");
                Vec::new()
            }
        }
    }

    /// As a list, or as one item that stands for a list of one.
    pub fn one_or_many(&self) -> Vec<At<'a>> {
        match &self.node.value {
            Value::List(_) => self.list(),
            _ => vec![self.clone()],
        }
    }

    /// Whether it is a mapping.
    pub fn is_map(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    /// Text: any scalar but null, as it is written.
    pub fn text(&self) -> Option<String> {
        match self.node.text() {
            Some(text) if !self.node.is_null() => Some(text.to_owned()),
            _ => self.refuse("expected a text"),
        }
    }

    /// A whole number of at least 0.
    pub fn unsigned(&self) -> Option<u64> {
        match self.node.to_json().as_u64() {
            Some(number) => Some(number),
            None => self.refuse("expected a whole number of at least 0"),
        }
    }

    /// A whole number.
    pub fn signed(&self) -> Option<i64> {
        match self.node.to_json().as_i64() {
            Some(number) => Some(number),
            None => self.refuse("expected a whole number"),
        }
    }

    /// A whole number within bounds.
    pub fn within<N: TryFrom<u64> + PartialOrd + fmt::Display>(
        &self,
        least: N,
        most: N,
    ) -> Option<N> {
        let number = self.unsigned()?;
        match N::try_from(number) {
            Ok(number) if number >= least && number <= most => Some(number),
            _ => self.refuse(format!("{number} is out of range: {least} to {most}")),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match self.node.to_json() {
            Json::Bool(value) => Some(value),
            _ => self.refuse("expected true or false"),
        }
    }

    /// One of some words.
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.node.text().unwrap_or_default();
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Some(*value),
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                self.refuse(format!("expected one of: {}", known.join(", ")))
            }
        }
    }

    /// Any value, as JSON.
    pub fn json(&self) -> Json {
        self.node.to_json()
    }
}

/// The members of a mapping, being asked for one by one.
#[derive(Debug)]
pub struct Fields<'a> {
    at: At<'a>,
    members: &'a [(Key, Node)],
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The mapping itself.
    pub fn at(&self) -> &At<'a> {
        &self.at
    }

    /// A member that may be absent.
    pub fn take(&mut self, name: &'static str) -> Option<At<'a>> {
        self.known.push(name);
        self.members
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(_, node)| self.at.child(node, name))
    }

    /// A member that must be there.
    pub fn need(&mut self, name: &'static str) -> Option<At<'a>> {
        match self.take(name) {
            Some(at) => Some(at),
            None => self.at.refuse(format!("the key {name:?} is missing")),
        }
    }

    /// How many of the members asked for so far are there.
    pub fn found(&self) -> usize {
        self.members
            .iter()
            .filter(|(key, _)| self.known.contains(&key.text.as_str()))
            .count()
    }

    /// Members that nobody asked for.
    pub fn rest(&self) -> Vec<(&'a Key, At<'a>)> {
        let unknown = self
            .members
            .iter()
            .filter(|(key, _)| !self.known.contains(&key.text.as_str()));
        unknown
            .map(|(key, node)| (key, self.at.child(node, &key.text)))
            .collect()
    }

    /// Refuses every member that nobody asked for.
    pub fn close(self) {
        for (key, at) in self.rest() {
            let mut known = self.known.clone();
            known.sort_unstable();
            known.dedup();
            self.at.report.push(Problem {
                place: key.place,
                path: at.path,
                message: unknown_key(&key.text, &known),
            });
        }
    }
}

/// What is said of a key that is not known.
pub(crate) fn unknown_key(key: &str, known: &[&str]) -> String {
    match nearest(key, known) {
        Some(name) => format!("unknown key; did you mean {name:?}?"),
        None => format!("unknown key; known here: {}", known.join(", ")),
    }
}

/// The known word that differs from `word` in at most two letters.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let distances = known.iter().map(|name| (distance(word, name), *name));
    distances
        .filter(|(distance, name)| *distance <= 2 && *distance < name.len())
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let substituted = diagonal.saturating_add(usize::from(x != *y));
            diagonal = *cell;
            left = substituted
                .min(left.saturating_add(1))
                .min(cell.saturating_add(1));
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unknown_key_is_refused_at_its_place_with_the_nearest_known_one() {
        let node = Node::parse("about: x\nrequst: 1\ncompletely_other: 2\n").unwrap();
        let report = Report::default();
        let mut fields = report.root(&node).fields().unwrap();
        fields.take("about");
        fields.take("request");
        fields.close();
        let problems: Vec<String> = report
            .into_problems()
            .iter()
            .map(Problem::to_string)
            .collect();
        assert_eq!(
            problems,
            [
                "2:1: requst: unknown key; did you mean \"request\"?",
                "3:1: completely_other: unknown key; known here: about, request",
            ]
        );
    }

    #[test]
    fn paths_name_members_and_items() {
        let node = Node::parse("a: [ {b: x} ]").unwrap();
        let report = Report::default();
        let list = report
            .root(&node)
            .fields()
            .unwrap()
            .take("a")
            .unwrap()
            .list();
        assert_eq!(
            list[0].fields().unwrap().take("b").unwrap().unsigned(),
            None
        );
        assert_eq!(report.into_problems()[0].path, "a[0].b");
    }

    #[test]
    fn distances_are_edit_distances() {
        for (a, b, want) in [
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("path", "path", 0),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!(distance(a, b), want, "{a} {b}");
        }
    }
}
