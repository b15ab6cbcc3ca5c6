//! What other parsers of YAML take and ours does not: in quotes and between brackets, lines that
//! are indented as little as the mapping around them; a tab behind a colon.
//!
//! ```yaml
//! value: '{
//!   "rules": []
//! }'
//! ```
//!
//! There white space means nothing, so such a line is indented further and the text is read again;
//! places are those of the text as it was written.

use std::collections::BTreeMap;

use crate::{Node, Place, Value, YamlError};

/// How far a line is indented: further than any mapping that is read.
const FURTHER: usize = 256;
/// In how many places a text is mended.
const MOST: usize = 128;

/// Reads a text; where ours refuses what others take, as they do.
pub(crate) fn read(
    text: &str,
    load: impl Fn(&str) -> Result<Vec<Node>, YamlError>,
) -> Result<Vec<Node>, YamlError> {
    let mut error = match load(text) {
        Ok(nodes) => return Ok(nodes),
        Err(error) => error,
    };
    let mut mended = Mended {
        lines: text.split('\n').map(str::to_owned).collect(),
        further: BTreeMap::new(),
    };
    for _ in 0..MOST {
        if !mended.mend(&error) {
            break;
        }
        match load(&mended.lines.join("\n")) {
            Ok(mut nodes) => {
                for node in &mut nodes {
                    mended.restore(node);
                }
                return Ok(nodes);
            }
            Err(next) => error = next,
        }
    }
    error.place = mended.written(error.place);
    Err(error)
}

/// A text with lines that are indented further than they were.
struct Mended {
    lines: Vec<String>,
    /// How many spaces were put in front of lines, which count from 0.
    further: BTreeMap<usize, usize>,
}

impl Mended {
    /// Mends what an error complains of, if others take it.
    fn mend(&mut self, error: &YamlError) -> bool {
        let Some(at) = error.place.line.checked_sub(1) else {
            return false;
        };
        match error.message.as_str() {
            "invalid indentation in quoted scalar" => {
                let last = self.end_of_quotes(at, error.place.column.saturating_sub(1));
                let mut any = false;
                for line in at.saturating_add(1)..=last.unwrap_or(at) {
                    any |= self.indent(line);
                }
                any
            }
            // Nothing else than what stands between brackets is complained of so.
            "invalid indentation" | "invalid indentation in flow construct" => self.indent(at),
            "':' must be followed by a valid YAML whitespace" => {
                self.without_tab(at, error.place.column.saturating_sub(1))
            }
            _ => false,
        }
    }

    /// Indents a line, once.
    fn indent(&mut self, line: usize) -> bool {
        let is_new = !self.further.contains_key(&line);
        let Some(text) = self.lines.get_mut(line).filter(|_| is_new) else {
            return false;
        };
        text.insert_str(0, &" ".repeat(FURTHER));
        self.further.insert(line, FURTHER);
        true
    }

    /// The line on which the text ends whose opening quote stands here.
    fn end_of_quotes(&self, line: usize, column: usize) -> Option<usize> {
        let mut lines = self.lines.iter().enumerate().skip(line);
        let (_, first) = lines.next()?;
        let mut rest = first.trim_start_matches('\u{feff}').chars().skip(column);
        let quote = rest.next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let mut escaped = false;
        let mut open = true;
        let mut ends = |text: &mut dyn Iterator<Item = char>| {
            for next in text {
                if escaped {
                    escaped = false;
                } else if next == '\\' && quote == '"' {
                    escaped = true;
                } else if next == quote {
                    // Two of them in a row stand for one.
                    open = !open;
                } else if !open {
                    return true;
                }
            }
            escaped = false;
            !open
        };
        if ends(&mut rest) {
            return Some(line);
        }
        lines
            .find(|(_, text)| ends(&mut text.chars()))
            .map(|(at, _)| at)
    }

    /// Puts a space for each tab in front of what stands here.
    fn without_tab(&mut self, line: usize, column: usize) -> bool {
        let Some(text) = self.lines.get_mut(line) else {
            return false;
        };
        let mut letters: Vec<char> = text.chars().collect();
        let before = letters.iter_mut().take(column).rev();
        let mut any = false;
        for letter in before.take_while(|letter| matches!(letter, ' ' | '\t')) {
            any |= *letter == '\t';
            *letter = ' ';
        }
        *text = letters.into_iter().collect();
        any
    }

    /// Where a place of the mended text is in the text as it was written.
    fn written(&self, place: Place) -> Place {
        let line = place.line.checked_sub(1);
        let further = line.and_then(|line| self.further.get(&line));
        let column = place.column.saturating_sub(further.copied().unwrap_or(0));
        Place {
            line: place.line,
            column: column.max(1),
        }
    }

    fn restore(&self, node: &mut Node) {
        node.place = self.written(node.place);
        match &mut node.value {
            Value::Scalar { .. } => {}
            Value::List(items) => items.iter_mut().for_each(|item| self.restore(item)),
            Value::Map(members) => {
                for (key, value) in members {
                    key.place = self.written(key.place);
                    self.restore(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place(text: &str, path: &[&str]) -> String {
        let root = Node::parse(text).unwrap();
        let node = path
            .iter()
            .fold(&root, |node, name| node.member(name).unwrap());
        node.place.to_string()
    }

    #[test]
    fn quoted_lines_need_no_indentation() {
        for (text, value) in [
            (
                "a:\n  value: '{\n    \"rules\": []\n  }'\n  b: c\n",
                json!({"a": {"value": "{ \"rules\": [] }", "b": "c"}}),
            ),
            ("a: \"x\ny\"\n", json!({"a": "x y"})),
            (
                "a:\n  b: 'it''s\n\n''\n  x'\n  c: \"\\\"\n}\"\n",
                json!({"a": {"b": "it's\n' x", "c": "\" }"}}),
            ),
            (
                "a: [ 'x\ny', \"z\n}\" ]\nb: 'x\ny'\n",
                json!({"a": ["x y", "z }"], "b": "x y"}),
            ),
        ] {
            assert_eq!(Node::parse(text).unwrap().to_json(), value, "{text}");
        }
    }

    #[test]
    fn what_stands_between_brackets_needs_none() {
        let text = "a:\n  b: {\n  c: d,\n e: [\nf\n]\n}\n  g: h\n";
        assert_eq!(
            Node::parse(text).unwrap().to_json(),
            json!({"a": {"b": {"c": "d", "e": ["f"]}, "g": "h"}})
        );
        assert_eq!(place(text, &["a", "b", "c"]), "3:6");
        assert_eq!(place(text, &["a", "b", "e"]), "4:5");
        assert_eq!(place(text, &["a", "g"]), "8:6");
    }

    #[test]
    fn a_tab_may_stand_behind_a_colon() {
        assert_eq!(
            Node::parse("a:\tb\nc: \t d\n").unwrap().to_json(),
            json!({"a": "b", "c": "d"})
        );
    }

    #[test]
    fn what_others_refuse_is_refused_at_its_own_place() {
        for (text, at) in [
            ("a:\n    id: x\n  b: y\n", 3),
            ("a: 'x\ny'\nb: [ 1\n", 4),
            ("a: 'x\ny\n", 1),
            ("a: {\n}\nb: { c: |x }\n", 3),
        ] {
            let error = Node::parse(text).unwrap_err();
            assert_eq!(error.place.line, at, "{text} {error}");
        }
        let many = format!("a:\n  b: [\n{}]\n", "x,\n".repeat(5_000));
        assert!(Node::parse(&many).is_err());
    }
}
