//! Finding a path of a filter's configuration, and a position that its parser names, in the file
//! around it.
//!
//! The configuration is JSON in a YAML text. JSON is YAML, so the same parser finds the places in
//! it.

use super::align::Places;
use located_yaml::{Node, Place, Style, Value, YamlError};

/// The places of a configuration.
pub(super) struct Map {
    inner: Node,
    error: Option<YamlError>,
    text: String,
    places: Option<Places>,
    /// Whether it is written in the file itself, not in a text.
    bare: bool,
}

impl Map {
    /// Of a text node in a file.
    pub fn of(source: &str, node: Option<&Node>) -> Self {
        let text = node.and_then(Node::text).unwrap_or_default();
        // Tabs are white space in JSON, and not everywhere in YAML.
        let (inner, error) = match Node::parse(&text.replace('\t', " ")) {
            Ok(inner) => (inner, None),
            Err(error) => {
                let nothing = Node::from_json(&serde_json::Value::Null, Place::default());
                (nothing, Some(error))
            }
        };
        Self {
            inner,
            error,
            text: text.to_owned(),
            places: node.and_then(|node| Places::of(source, node)),
            bare: false,
        }
    }

    /// Of a text whose characters, and whose end, stand at these places.
    pub fn of_characters(text: &str, characters: Vec<Place>) -> Self {
        let node = Node {
            place: characters.first().copied().unwrap_or_default(),
            value: Value::Scalar {
                text: text.to_owned(),
                style: Style::Quoted,
            },
        };
        Self {
            places: Some(Places::of_characters(text, characters)),
            ..Self::of("", Some(&node))
        }
    }

    /// Of a configuration that is written as YAML in the file itself, as in Kubernetes' resources.
    pub fn of_yaml(node: &Node) -> Self {
        Self {
            inner: node.clone(),
            error: None,
            text: node.to_json().to_string(),
            places: None,
            bare: true,
        }
    }

    /// The configuration itself.
    pub fn json(&self) -> &Node {
        &self.inner
    }

    /// The configuration's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where a path (`issuers[0].jwks.url`), or the longest part of it that is there, stands in the
    /// file.
    pub fn place(&self, path: &str) -> Option<Place> {
        if self.error.is_some() {
            return None;
        }
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
        match &self.places {
            Some(places) => places.get(place),
            None => self.bare.then_some(place),
        }
    }

    /// The message of a JSON parser without the position that it names, and that position in the
    /// file.
    pub fn syntax(&self, message: &str) -> Option<(String, Place)> {
        let (said, position) = message.rsplit_once(" at line ")?;
        let (line, column) = position.split_once(" column ")?;
        let at = Place {
            line: line.parse().ok()?,
            column: column.parse().ok()?,
        };
        let mut inside = self.characters(at)?;
        if said.ends_with("trailing comma") {
            inside = self.comma_before(inside);
        }
        // The parser of YAML names the second of two keys, that of JSON the end of its value.
        if said.ends_with("is written twice")
            && let Some(error) = self.error.as_ref()
            && error.message.contains("stands twice")
        {
            inside = error.place;
        }
        Some((said.to_owned(), self.places.as_ref()?.get(inside)?))
    }

    /// A position whose column counts bytes, as one that counts characters.
    fn characters(&self, at: Place) -> Option<Place> {
        let line = self.text.split('\n').nth(at.line.checked_sub(1)?)?;
        let bytes = at.column.saturating_sub(1).min(line.len());
        let before = line.char_indices().take_while(|(start, _)| *start < bytes);
        Some(Place {
            line: at.line,
            column: before.count().saturating_add(1),
        })
    }

    /// The comma that stands last before a position.
    fn comma_before(&self, at: Place) -> Place {
        let lines: Vec<&str> = self.text.split('\n').take(at.line).collect();
        for (number, line) in lines.iter().enumerate().rev() {
            let end = match number.saturating_add(1) == at.line {
                true => at.column.saturating_sub(1),
                false => usize::MAX,
            };
            let comma = line
                .chars()
                .take(end)
                .enumerate()
                .filter(|(_, c)| *c == ',')
                .last();
            if let Some((column, _)) = comma {
                return Place {
                    line: number.saturating_add(1),
                    column: column.saturating_add(1),
                };
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(file: &str) -> Map {
        let root = Node::parse(file).unwrap();
        Map::of(file, root.member("value"))
    }

    #[test]
    fn lines_and_columns_of_a_text_are_those_of_the_file() {
        let map = map(
            "a: 1\nvalue: |\n    {\n      \"issuers\": [\n        { \"name\": \"x\" }\n      ]\n    }\n",
        );
        let at = |path| map.place(path).map(|place| (place.line, place.column));
        assert_eq!(at(""), Some((3, 5)));
        assert_eq!(at("issuers"), Some((4, 7)));
        assert_eq!(at("issuers[0].name"), Some((5, 11)));
        assert_eq!(at("issuers[0].missing"), Some((5, 9)));
        assert_eq!(at("issuers[7]"), Some((4, 7)));
    }

    #[test]
    fn what_the_parser_of_json_says_is_found_in_the_file() {
        for (json, want) in [
            ("{\n    \"a\": 1,\n  }\n", (4, 11)),
            ("{\n    \"a\": 1,\n    \"a\":\n      2\n  }\n", (5, 5)),
            ("{\n    \"ä\": \"ü\" x\n  }\n", (4, 14)),
            ("{\n    {{ .Values.x }}\n  }\n", (4, 5)),
        ] {
            let map = map(&format!("a: 1\nvalue: |\n  {json}"));
            let text = map.text();
            let mut problems = modelgate_kit::config::Problems::default();
            assert!(modelgate_kit::config::read(text.as_bytes(), &mut problems).is_none());
            let (said, place) = map.syntax(&problems.found()[0].problem).unwrap();
            assert_eq!((place.line, place.column), want, "{json} {said}");
            assert!(!said.contains(" at line "), "{said}");
        }
    }
}
