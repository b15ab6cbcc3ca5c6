//! Comments that allow findings: `# modelgate: allow(NAME, …)`.
//!
//! Such a comment counts for its own line, or, where it stands alone, for what begins on the next
//! line with something on it: a filter, a route, a listener, a single setting.

use super::codes::{self, Code};
use super::finding::Finding;
use located_yaml::{Node, Place, Value};

const MARK: &str = "modelgate: allow(";

/// What is allowed in a file.
pub(super) struct Allowances {
    ranges: Vec<(usize, usize, &'static Code)>,
}

impl Allowances {
    /// Reads the comments of a file; names that are none are findings.
    pub fn of(source: &str, documents: &[Node], findings: &mut Vec<Finding>) -> Self {
        let mut lines: Vec<(usize, &'static Code)> = Vec::new();
        let mut waiting: Vec<&'static Code> = Vec::new();
        for (at, line) in source.lines().enumerate() {
            let number = at.saturating_add(1);
            let (content, comment) = match line.find(MARK).and_then(|mark| {
                let hash = line.get(..mark)?.rfind('#')?;
                line.split_at_checked(hash)
            }) {
                Some((content, comment)) => (content.trim(), comment),
                None => (line.trim(), ""),
            };
            let mut here = Vec::new();
            if let Some((_, names)) = comment.split_once(MARK) {
                let names = names.split(')').next().unwrap_or_default();
                for name in names.split(',').map(str::trim) {
                    match codes::named(name) {
                        Some(code) => here.push(code),
                        None => findings.push(Finding::new(
                            &codes::UNKNOWN_ALLOWANCE,
                            Place {
                                line: number,
                                column: content.len().saturating_add(1),
                            },
                            "comment",
                            format!("{name:?} is no finding"),
                            "docs/findings.md has the names",
                        )),
                    }
                }
            }
            match content {
                "" => waiting.extend(here),
                comment if comment.starts_with('#') => {}
                _ => lines.extend(waiting.drain(..).chain(here).map(|code| (number, code))),
            }
        }
        let mut ranges: Vec<(usize, usize, &'static Code)> = lines
            .iter()
            .map(|(line, code)| (*line, *line, *code))
            .collect();
        for document in documents {
            extend(document, &lines, &mut ranges);
        }
        Self { ranges }
    }

    /// Whether a finding is allowed.
    pub fn allow(&self, finding: &Finding) -> bool {
        let line = finding.place.line;
        let code = finding.code;
        self.ranges
            .iter()
            .any(|(from, to, allowed)| code == *allowed && (*from..=*to).contains(&line))
    }
}

/// What begins on a line counts as a whole.
fn extend(
    node: &Node,
    lines: &[(usize, &'static Code)],
    ranges: &mut Vec<(usize, usize, &'static Code)>,
) {
    let mut part = |begin: usize, value: &Node| {
        for (line, code) in lines {
            if *line == begin {
                ranges.push((begin, last_line(value), code));
            }
        }
        extend(value, lines, ranges);
    };
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| part(item.place.line, item)),
        Value::Map(members) => members
            .iter()
            .for_each(|(key, value)| part(key.place.line, value)),
        Value::Scalar { .. } => {}
    }
}

fn last_line(node: &Node) -> usize {
    let own = match &node.value {
        Value::Scalar { text, .. } => node
            .place
            .line
            .saturating_add(text.lines().count().saturating_sub(1)),
        _ => node.place.line,
    };
    let members = node.members().iter().map(|(_, value)| last_line(value));
    members
        .chain(node.items().iter().map(last_line))
        .chain([own])
        .max()
        .unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str, line: usize) -> bool {
        let documents = Node::documents(text).unwrap();
        let mut findings = Vec::new();
        let allowances = Allowances::of(text, &documents, &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
        let place = Place { line, column: 1 };
        allowances.allow(&Finding::new(&codes::PLACEHOLDER, place, "", "", ""))
    }

    #[test]
    fn a_comment_counts_for_its_line_or_for_what_begins_below() {
        let text = "\
a: 1 # modelgate: allow(placeholder)
b:
# modelgate: allow(MG404)
# Why.
- c: 1
  d: |
    x
    y
- e: 1
# modelgate: allow(unauthenticated-signer)
f: 1
";
        let lines: Vec<usize> = (1..=11).filter(|line| allowed(text, *line)).collect();
        assert_eq!(lines, [1, 5, 6, 7, 8]);
    }

    #[test]
    fn an_unknown_name_is_a_finding() {
        let mut findings = Vec::new();
        Allowances::of("# modelgate: allow(nothing)\na: 1\n", &[], &mut findings);
        assert_eq!(findings[0].code.id, "MG014");
    }
}
