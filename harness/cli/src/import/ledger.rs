//! Keeps account of a source file: what was read of it, and what became of it.
//!
//! Importers read through [`At`], which marks every value that is looked at. What was read by
//! nobody is found in the end, so a member that an importer does not know cannot get lost.

use std::cell::RefCell;
use std::collections::HashSet;

use located_yaml::read::{Problem, joined};
use located_yaml::{Node, Place, Value};
use serde_json::Value as Json;

use super::report::{Entry, Variable, Verdict};

/// How the source spells its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// As they are asked for.
    Exact,
    /// As they are asked for, or as protobuf's JSON has them (`typedConfig` for `typed_config`).
    Protobuf,
}

/// The account.
#[derive(Debug)]
pub struct Ledger {
    spelling: Spelling,
    read: RefCell<HashSet<usize>>,
    entries: RefCell<Vec<Entry>>,
    problems: RefCell<Vec<Problem>>,
    variables: RefCell<Vec<Variable>>,
}

/// How far the account had come.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    entries: usize,
    variables: usize,
}

/// A value of the source.
#[derive(Clone, Debug)]
pub struct At<'a> {
    /// The value.
    pub node: &'a Node,
    /// Where it is, as a path of members and indices.
    pub path: String,
    ledger: &'a Ledger,
}

/// Why something cannot be taken over.
#[derive(Clone, Debug)]
pub struct Obstacle {
    /// Where it stands.
    pub place: Place,
    /// Why.
    pub reason: String,
}

/// What can be taken over, or why not.
pub type Try<T> = Result<T, Obstacle>;

fn address(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

impl Ledger {
    /// An empty account.
    pub fn new(spelling: Spelling) -> Self {
        Self {
            spelling,
            read: RefCell::default(),
            entries: RefCell::default(),
            problems: RefCell::default(),
            variables: RefCell::default(),
        }
    }

    /// The whole of a document.
    pub fn root<'a>(&'a self, node: &'a Node, path: &str) -> At<'a> {
        At {
            node,
            path: path.to_owned(),
            ledger: self,
        }
    }

    /// Remembers how far the account has come.
    pub fn mark(&self) -> Mark {
        Mark {
            entries: self.entries.borrow().len(),
            variables: self.variables.borrow().len(),
        }
    }

    /// Forgets the entries and variables since a mark.
    pub fn back_to(&self, mark: Mark) {
        self.entries.borrow_mut().truncate(mark.entries);
        self.variables.borrow_mut().truncate(mark.variables);
    }

    /// A variable for a secret. Of two of one name the second gets a number.
    pub fn variable(&self, wanted: &str, holds: &str, at: &At<'_>) -> String {
        let mut variables = self.variables.borrow_mut();
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let base: String = wanted.to_ascii_uppercase().chars().map(plain).collect();
        let base = match base.starts_with(|first: char| first.is_ascii_digit()) {
            true => format!("V_{base}"),
            false => base,
        };
        let mut name = base.clone();
        let mut number = 1_usize;
        while variables.iter().any(|known| known.name == name) {
            number = number.saturating_add(1);
            name = format!("{base}_{number}");
        }
        variables.push(Variable {
            name: name.clone(),
            holds: holds.to_owned(),
            place: at.node.place,
        });
        name
    }

    /// Adds an entry that is about no value of the file.
    pub fn add(&self, entry: Entry) {
        self.entries.borrow_mut().push(entry);
    }

    /// What is wrong with the file, in its order.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.problems.borrow().clone();
        problems.sort();
        problems.dedup();
        problems
    }

    /// Entries, each with the values that it stands for; values that nobody read have entries of
    /// their own.
    pub fn close(&self, roots: &[At<'_>]) -> (Vec<Entry>, Vec<Variable>) {
        let mut entries = self.entries.borrow().clone();
        let mut unread = Vec::new();
        for root in roots {
            self.account(root, &mut entries, &mut unread);
        }
        entries.extend(unread);
        entries.sort_by_key(|entry| (entry.place, entry.verdict));
        (entries, self.variables.borrow().clone())
    }

    /// Hands every leaf below a value to the entry that is nearest to it.
    fn account(&self, at: &At<'_>, entries: &mut [Entry], unread: &mut Vec<Entry>) {
        // What is null is not there.
        if at.node.is_null() {
            return;
        }
        let is_leaf = match &at.node.value {
            Value::Scalar { .. } => true,
            Value::List(items) => items.is_empty(),
            Value::Map(members) => members.is_empty(),
        };
        let is_read = self.read.borrow().contains(&address(at.node));
        if !is_leaf {
            for child in at.children() {
                self.account(&child, entries, unread);
            }
            return;
        }
        let nearest = entries
            .iter_mut()
            .filter(|entry| is_within(&at.path, &entry.path))
            .max_by_key(|entry| (entry.path.len(), entry.whole, entry.protects));
        let protects = match nearest {
            Some(entry) if is_read || entry.whole => {
                entry.values.push(at.path.clone());
                return;
            }
            Some(entry) => entry.protects,
            None if is_read => return,
            None => true,
        };
        unread.push(Entry {
            place: at.node.place,
            path: at.path.clone(),
            subject: at.path.clone(),
            verdict: Verdict::NotCovered,
            text: "the importer does not know it, and has not taken it over".to_owned(),
            protects,
            whole: true,
            values: vec![at.path.clone()],
        });
    }
}

/// Whether a path is that of a value, or of something in it.
fn is_within(path: &str, of: &str) -> bool {
    match path.strip_prefix(of) {
        Some(rest) => of.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']),
        None => false,
    }
}

/// `typedConfig` for `typed_config`.
fn camel(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut raise = false;
    for letter in name.chars() {
        match letter {
            '_' => raise = true,
            letter if std::mem::take(&mut raise) => text.push(letter.to_ascii_uppercase()),
            letter => text.push(letter),
        }
    }
    text
}

impl<'a> At<'a> {
    fn child(&self, node: &'a Node, step: &str) -> Self {
        Self {
            node,
            path: joined(&self.path, step),
            ledger: self.ledger,
        }
    }

    /// The account that this value belongs to.
    pub fn ledger(&self) -> &'a Ledger {
        self.ledger
    }

    fn note(&self) {
        self.ledger.read.borrow_mut().insert(address(self.node));
    }

    /// Everything directly below, without reading it.
    pub fn children(&self) -> Vec<Self> {
        match &self.node.value {
            Value::Scalar { .. } => Vec::new(),
            Value::List(items) => {
                let items = items.iter().enumerate();
                items
                    .map(|(at, item)| self.child(item, &format!("[{at}]")))
                    .collect()
            }
            Value::Map(members) => members
                .iter()
                .map(|(key, node)| self.child(node, &key.text))
                .collect(),
        }
    }

    /// A member; nothing where it is null or not there.
    pub fn get(&self, name: &str) -> Option<Self> {
        self.note();
        let found = self.node.member(name).map(|node| (node, name.to_owned()));
        let found = match self.ledger.spelling {
            Spelling::Exact => found,
            Spelling::Protobuf => found.or_else(|| {
                let other = camel(name);
                self.node.member(&other).map(|node| (node, other))
            }),
        };
        let (node, name) = found?;
        let child = self.child(node, &name);
        if node.is_null() {
            child.note();
            return None;
        }
        Some(child)
    }

    /// A member further down.
    pub fn at(&self, names: &[&str]) -> Option<Self> {
        names.iter().try_fold(self.clone(), |at, name| at.get(name))
    }

    /// The members of a mapping, by name.
    pub fn members(&self) -> Vec<(&'a str, Self)> {
        self.note();
        match &self.node.value {
            Value::Map(members) => members
                .iter()
                .map(|(key, node)| (key.text.as_str(), self.child(node, &key.text)))
                .collect(),
            _ => {
                self.wrong::<()>("expected a mapping of keys and values");
                Vec::new()
            }
        }
    }

    /// The items of a list.
    pub fn items(&self) -> Vec<Self> {
        self.note();
        match &self.node.value {
            Value::List(_) => self.children(),
            _ => {
                self.wrong::<()>("expected a list");
                Vec::new()
            }
        }
    }

    /// The items of a list member; none where it is not there.
    pub fn list(&self, name: &str) -> Vec<Self> {
        self.get(name).map(|list| list.items()).unwrap_or_default()
    }

    /// The texts of a list member, each once asked for.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let items = self.list(name);
        items.iter().filter_map(Self::text).collect()
    }

    /// A scalar as text.
    pub fn text(&self) -> Option<String> {
        self.note();
        match self.node.text() {
            Some(text) => Some(text.to_owned()),
            None => self.wrong("expected a text"),
        }
    }

    /// A member as text.
    pub fn text_of(&self, name: &str) -> Option<String> {
        self.get(name)?.text()
    }

    /// `true` or `false`; protobuf's BoolValue has them as texts, too.
    pub fn flag(&self) -> Option<bool> {
        self.note();
        match self.node.to_json() {
            Json::Bool(value) => Some(value),
            _ => self.wrong("expected true or false"),
        }
    }

    /// A member as a flag.
    pub fn flag_of(&self, name: &str) -> Option<bool> {
        self.get(name)?.flag()
    }

    /// A whole number of at least 0; protobuf's JSON may have it in quotes.
    pub fn number(&self) -> Option<u64> {
        self.note();
        let number = match self.node.to_json() {
            Json::Number(number) => number.as_u64().or_else(|| {
                let float = number.as_f64()?;
                let whole = float >= 0.0 && float.fract() == 0.0 && float < 9e15;
                whole.then_some(float as u64)
            }),
            Json::String(text) if self.ledger.spelling == Spelling::Protobuf => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => Some(number),
            None => self.wrong("expected a whole number of at least 0"),
        }
    }

    /// A member as a number.
    pub fn number_of(&self, name: &str) -> Option<u64> {
        self.get(name)?.number()
    }

    /// Marks everything below as read.
    pub fn swallow(&self) {
        self.note();
        for child in self.children() {
            child.swallow();
        }
    }

    /// Whether it is a mapping.
    pub fn is_map(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    /// Notes that the file itself is wrong here. A template is told as such.
    pub fn wrong<T>(&self, problem: &str) -> Option<T> {
        let text = self.node.text().unwrap_or_default();
        let message = match text.contains("${") || text.contains("{{") || text.contains("{vault:") {
            true => format!("{problem}, not a template: render the file first"),
            false => problem.to_owned(),
        };
        self.ledger.problems.borrow_mut().push(Problem {
            place: self.node.place,
            path: self.path.clone(),
            message,
        });
        None
    }

    /// That this cannot be taken over.
    pub fn obstacle(&self, reason: impl Into<String>) -> Obstacle {
        Obstacle {
            place: self.node.place,
            reason: reason.into(),
        }
    }

    fn enter(&self, verdict: Verdict, subject: &str, text: impl Into<String>, whole: bool) {
        self.ledger.add(Entry {
            place: self.node.place,
            path: self.path.clone(),
            subject: subject.to_owned(),
            verdict,
            text: text.into(),
            protects: false,
            whole,
            values: Vec::new(),
        });
    }

    /// Reports that this was taken over: those of its values that were read.
    pub fn taken(&self, subject: &str, text: impl Into<String>) {
        self.enter(Verdict::TakenOver, subject, text, false);
    }

    /// Reports that this was taken over and protects: what nobody reads of it counts.
    pub fn guarded(&self, subject: &str, text: impl Into<String>) {
        self.enter(Verdict::TakenOver, subject, text, false);
        if let Some(entry) = self.ledger.entries.borrow_mut().last_mut() {
            entry.protects = true;
        }
    }

    /// Reports that this means something else now.
    pub fn changed(&self, subject: &str, text: impl Into<String>) {
        self.swallow();
        self.enter(Verdict::Changed, subject, text, true);
    }

    /// Reports that something about this means something else, without speaking for all of it.
    pub fn changed_note(&self, subject: &str, text: impl Into<String>) {
        self.enter(Verdict::Changed, subject, text, false);
    }

    /// Reports that this is done by Envoy itself.
    pub fn kept(&self, subject: &str, text: impl Into<String>) {
        self.enter(Verdict::Kept, subject, text, true);
    }

    /// Reports that Envoy does this itself, and that it protects: what nobody reads of it counts.
    pub fn kept_guarded(&self, subject: &str, text: impl Into<String>) {
        self.enter(Verdict::Kept, subject, text, false);
        if let Some(entry) = self.ledger.entries.borrow_mut().last_mut() {
            entry.protects = true;
        }
    }

    /// Reports that something about this is not covered, without speaking for all of it.
    pub fn missing_note(&self, subject: &str, text: impl Into<String>, protects: bool) {
        self.enter(Verdict::NotCovered, subject, text, false);
        if let Some(entry) = self.ledger.entries.borrow_mut().last_mut() {
            entry.protects = protects;
        }
    }

    /// Reports that this is not covered.
    pub fn missing(&self, subject: &str, text: impl Into<String>, protects: bool) {
        self.enter(Verdict::NotCovered, subject, text, true);
        if let Some(entry) = self.ledger.entries.borrow_mut().last_mut() {
            entry.protects = protects;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reads_is_not_covered_and_what_is_read_belongs_to_the_nearest_entry() {
        let text = "a: { b: 1, c: [ x, y ], d: {} }\ne: { f: 2 }\ng: 3\n";
        let node = Node::parse(text).unwrap();
        let ledger = Ledger::new(Spelling::Exact);
        let root = ledger.root(&node, "");
        let a = root.get("a").unwrap();
        a.guarded("a", "taken");
        assert_eq!(a.number_of("b"), Some(1));
        assert_eq!(a.list("c").len(), 2);
        a.list("c")[0].text();
        root.get("e").unwrap().kept("e", "as it is");
        let (entries, _) = ledger.close(&[root]);
        let said: Vec<_> = entries
            .iter()
            .map(|entry| (entry.path.as_str(), entry.verdict, entry.protects))
            .collect();
        assert_eq!(
            said,
            [
                ("a", Verdict::TakenOver, true),
                ("a.c[1]", Verdict::NotCovered, true),
                ("a.d", Verdict::NotCovered, true),
                ("e", Verdict::Kept, false),
                ("g", Verdict::NotCovered, true),
            ]
        );
        assert_eq!(entries[0].values, ["a.b", "a.c[0]"]);
        assert_eq!(entries[3].values, ["e.f"]);
    }

    #[test]
    fn values_of_a_wrong_type_are_told_with_their_place() {
        let node = Node::parse("a: x\nb: '${{ env \"DECK_B\" }}'\nc: [ 1 ]\n").unwrap();
        let ledger = Ledger::new(Spelling::Exact);
        let root = ledger.root(&node, "");
        for name in ["a", "b", "c"] {
            assert_eq!(root.number_of(name), None);
        }
        let said: Vec<String> = ledger.problems().iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "1:4: a: expected a whole number of at least 0",
                "2:4: b: expected a whole number of at least 0, not a template: render the file first",
                "3:4: c: expected a whole number of at least 0",
            ]
        );
    }

    #[test]
    fn variables_have_names_that_a_shell_takes() {
        let node = Node::parse("x").unwrap();
        let ledger = Ledger::new(Spelling::Exact);
        let at = ledger.root(&node, "");
        assert_eq!(ledger.variable("jwt-of Ann", "x", &at), "JWT_OF_ANN");
        assert_eq!(ledger.variable("jwt_of_ann", "x", &at), "JWT_OF_ANN_2");
        assert_eq!(ledger.variable("9", "x", &at), "V_9");
    }
}
