//! Finding a path of a filter's configuration in the file around it.
//!
//! The configuration is JSON in a YAML text. JSON is YAML, so the same parser finds the places in it; those are places of the file
//! only where the text is a literal block, whose lines are lines of the file. Elsewhere the place of the text itself must do.

use crate::yaml::{Node, Place, Style, Value};

/// The places of a configuration.
pub(super) struct Map {
    inner: Node,
    /// Line of the file that is the first line of the text; absent where lines do not correspond.
    line: Option<usize>,
}

impl Map {
    /// Of a text node.
    pub fn of(node: Option<&Node>) -> Self {
        let text = node.and_then(Node::text).unwrap_or_default();
        // Tabs are white space in JSON, and not everywhere in YAML.
        let inner = Node::parse(&text.replace('\t', " "));
        // A block begins, for the parser, on its first line with something on it.
        let blank = text
            .lines()
            .take_while(|line| line.trim().is_empty())
            .count();
        let line = node.and_then(|node| match &node.value {
            Value::Scalar {
                style: Style::Block,
                ..
            } => node.place.line.checked_sub(blank),
            _ => None,
        });
        match inner {
            Ok(inner) => Self { inner, line },
            Err(_) => Self {
                inner: Node::from_json(&serde_json::Value::Null, Place::default()),
                line: None,
            },
        }
    }

    /// The configuration itself.
    pub fn json(&self) -> &Node {
        &self.inner
    }

    /// Where a path (`issuers[0].jwks.url`), or the longest part of it that is there, stands in the file.
    pub fn place(&self, path: &str) -> Option<Place> {
        let line = self.line?;
        let mut node = &self.inner;
        let mut place = node.place;
        for step in path
            .replace('[', ".[")
            .split('.')
            .filter(|step| !step.is_empty())
        {
            let next = match step
                .strip_prefix('[')
                .and_then(|step| step.strip_suffix(']'))
            {
                Some(index) => index
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| node.items().get(index))
                    .map(|item| (item.place, item)),
                None => node
                    .members()
                    .iter()
                    .find(|(key, _)| key.text == step)
                    .map(|(key, value)| (key.place, value)),
            };
            let Some((at, found)) = next else { break };
            (place, node) = (at, found);
        }
        // The column is that inside the block; the block's indentation is not known, so the line must do.
        Some(Place {
            line: line.saturating_add(place.line).saturating_sub(1),
            column: 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_literal_block_are_lines_of_the_file() {
        let file = Node::parse("a: 1\nvalue: |\n    {\n      \"issuers\": [\n        { \"name\": \"x\" }\n      ]\n    }\n").unwrap();
        let map = Map::of(file.member("value"));
        let line = |path| map.place(path).map(|place| place.line);
        assert_eq!(line(""), Some(3));
        assert_eq!(line("issuers"), Some(4));
        assert_eq!(line("issuers[0].name"), Some(5));
        assert_eq!(line("issuers[0].missing"), Some(5));
        assert_eq!(line("issuers[7]"), Some(4));
    }

    #[test]
    fn blank_lines_before_the_text_count() {
        let file = Node::parse("value: |\n\n\n  {\n    \"a\": 1\n  }\n").unwrap();
        assert_eq!(
            Map::of(file.member("value"))
                .place("a")
                .map(|place| place.line),
            Some(5)
        );
    }

    #[test]
    fn a_text_in_quotes_has_no_lines_of_its_own() {
        let file = Node::parse("value: '{\"a\": 1}'").unwrap();
        assert_eq!(Map::of(file.member("value")).place("a"), None);
    }
}
