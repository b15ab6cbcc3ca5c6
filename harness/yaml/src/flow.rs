//! Collections between brackets, where Envoy's parser (yaml-cpp) takes fewer plain scalars.

use crate::{Place, YamlError, refuse};
use saphyr_parser::{Event, ScalarStyle};

/// Where the collections begin that are still open.
#[derive(Default)]
pub(crate) struct Open(Vec<Place>);

impl Open {
    /// Takes notice of what stands at this place of the text.
    ///
    /// # Errors
    /// It cannot stand between brackets.
    pub(crate) fn note(
        &mut self,
        event: &Event<'_>,
        at: Place,
        text: &str,
    ) -> Result<(), YamlError> {
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => self.0.push(at),
            Event::SequenceEnd | Event::MappingEnd => drop(self.0.pop()),
            Event::Scalar(scalar, ScalarStyle::Plain, ..)
                if scalar.starts_with('?') && self.has_brackets(text) =>
            {
                return Err(refuse(at, "`?` cannot begin a text between brackets"));
            }
            _ => {}
        }
        Ok(())
    }

    fn has_brackets(&self, text: &str) -> bool {
        self.0.iter().any(|place| {
            let line = text.lines().nth(place.line.saturating_sub(1));
            let first = line.and_then(|line| line.chars().nth(place.column.saturating_sub(1)));
            matches!(first, Some('[' | '{'))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Node;

    #[test]
    fn a_question_mark_begins_no_text_between_brackets() {
        for text in [
            "{ id: ?x }",
            "[ ?x ]",
            "a:\n- [ b, { c: ?d } ]",
            "[ a: ?b ]",
        ] {
            assert!(Node::parse(text).is_err(), "{text}");
        }
        for text in [
            "a: ?x",
            "- ?x",
            "[ 'a', \"?x\" ]",
            "{ id: x? }",
            "a: [ b ]\nc: ?d",
        ] {
            assert!(Node::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn tags_say_nothing_but_the_lone_one() {
        for (text, value) in [
            ("a: !!str 5", "{\"a\":5}"),
            ("a: !!int \"5\"", "{\"a\":5}"),
            ("a: !x \"true\"", "{\"a\":true}"),
            ("a: !!binary YWJj", "{\"a\":\"YWJj\"}"),
            ("a: ! 5", "{\"a\":\"5\"}"),
            ("a: \"5\"", "{\"a\":\"5\"}"),
        ] {
            assert_eq!(
                Node::parse(text).unwrap().to_json().to_string(),
                value,
                "{text}"
            );
        }
    }
}
