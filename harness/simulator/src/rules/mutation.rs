//! Changes of headers, as Envoy's configuration writes them: `HeaderValueOption` of routes, and the
//! mutations of `header_mutation`.
//!
//! A value is a text with command operators in it, of which `%REQ(NAME)%` is known here.

use crate::access_log::{Operator, Piece, pieces};
use crate::rules::headers::Headers;

/// The text of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// An operator that is not known here, by its name.
    pub fn read(text: &str) -> Result<Self, String> {
        let pieces = pieces(text)?;
        for piece in &pieces {
            match piece {
                Piece::Text(_) | Piece::Operator(Operator::Request(_)) => {}
                Piece::Operator(_) => {
                    return Err(format!(
                        "of the operators, %REQ(NAME)% is served here: {text}"
                    ));
                }
            }
        }
        Ok(Self(pieces))
    }

    /// Whether it is the same for every message.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Text(_)))
    }

    /// The value for a request with these headers; a header that is not there is nothing.
    fn fill(&self, request: &Headers) -> Vec<u8> {
        let mut value = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => value.extend_from_slice(text.as_bytes()),
                Piece::Operator(Operator::Request(name)) => {
                    value.extend_from_slice(request.first(name).unwrap_or_default());
                }
                Piece::Operator(_) => {}
            }
        }
        value
    }
}

/// What becomes of values that a header has already (`append_action`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppendAction {
    /// They stay, and one more comes behind them.
    #[default]
    Append,
    /// They stay, and nothing is added.
    AddIfAbsent,
    /// They are replaced; without any, the header is added.
    Overwrite,
    /// They are replaced; without any, nothing is added.
    OverwriteIfExists,
}

/// One value for a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// The header.
    pub name: String,
    /// Its value.
    pub value: Template,
    /// What becomes of values that it has.
    pub action: AppendAction,
    /// Whether an empty value counts; otherwise the header stays as it is.
    pub keep_empty: bool,
}

impl Addition {
    /// The value, if there is one to be set or added.
    fn value(&self, request: &Headers, there: bool) -> Option<Vec<u8>> {
        let wanted = match self.action {
            AppendAction::Append | AppendAction::Overwrite => true,
            AppendAction::AddIfAbsent => !there,
            AppendAction::OverwriteIfExists => there,
        };
        let value = wanted.then(|| self.value.fill(request))?;
        (self.keep_empty || !value.is_empty()).then_some(value)
    }

    /// Whether values that are there have to go.
    fn overwrites(&self) -> bool {
        matches!(
            self.action,
            AppendAction::Overwrite | AppendAction::OverwriteIfExists
        )
    }

    fn write(&self, value: Vec<u8>, to: &mut Headers) {
        match self.overwrites() {
            true => to.set(&self.name, value),
            false => to.add(&self.name, value),
        }
    }
}

/// One step of `header_mutation`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Adds or replaces.
    Append(Addition),
    /// Removes every value of a header.
    Remove(String),
}

impl Mutation {
    /// Changes headers, which are also what operators take their values from.
    pub fn apply(&self, headers: &mut Headers) {
        match self {
            Self::Remove(name) => headers.remove(name),
            Self::Append(addition) => {
                let there = headers.first(&addition.name).is_some();
                if let Some(value) = addition.value(headers, there) {
                    addition.write(value, headers);
                }
            }
        }
    }
}

/// What a route or a virtual host does to the headers of requests (`request_headers_to_remove`,
/// `request_headers_to_add`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderChanges {
    /// Headers that are removed, before anything is added.
    pub remove: Vec<String>,
    /// Headers that are added or replaced.
    pub add: Vec<Addition>,
}

impl HeaderChanges {
    /// Changes a request's headers as Envoy's router does (source/common/router/header_parser.cc,
    /// `evaluateHeaders`): all values are taken from the headers as they are without the removed
    /// ones; what is replaced comes before what is added.
    pub fn apply(&self, headers: &mut Headers) {
        for name in &self.remove {
            headers.remove(name);
        }
        let values = self.add.iter().filter_map(|addition| {
            let there = headers.first(&addition.name).is_some();
            Some((addition, addition.value(headers, there)?))
        });
        let (replaced, added): (Vec<_>, Vec<_>) =
            values.partition(|(addition, _)| addition.overwrites());
        for (addition, value) in replaced.into_iter().chain(added) {
            addition.write(value, headers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Headers {
        pairs.iter().copied().collect()
    }

    fn addition(name: &str, value: &str, action: AppendAction) -> Addition {
        Addition {
            name: name.to_owned(),
            value: Template::read(value).unwrap(),
            action,
            keep_empty: false,
        }
    }

    #[test]
    fn an_action_says_what_becomes_of_values_that_are_there() {
        use AppendAction::{AddIfAbsent, Append, Overwrite, OverwriteIfExists};
        for (action, there, absent) in [
            (Append, &["1", "2"][..], &["2"][..]),
            (AddIfAbsent, &["1"], &["2"]),
            (Overwrite, &["2"], &["2"]),
            (OverwriteIfExists, &["2"], &[]),
        ] {
            for (before, after) in [(headers(&[("a", "1")]), there), (Headers::new(), absent)] {
                let after: Vec<&[u8]> = after.iter().map(|value| value.as_bytes()).collect();
                let mut changed = before.clone();
                Mutation::Append(addition("a", "2", action)).apply(&mut changed);
                assert_eq!(changed.all("a").collect::<Vec<_>>(), after, "{action:?}");
                let mut routed = before;
                HeaderChanges {
                    add: vec![addition("a", "2", action)],
                    ..HeaderChanges::default()
                }
                .apply(&mut routed);
                assert_eq!(routed, changed, "{action:?}");
            }
        }
    }

    #[test]
    fn an_empty_value_is_none_unless_it_is_to_be_kept() {
        let mut to = headers(&[("a", "1")]);
        let mut empty = addition("a", "%REQ(none)%", AppendAction::Overwrite);
        Mutation::Append(empty.clone()).apply(&mut to);
        assert_eq!(to, headers(&[("a", "1")]));
        empty.keep_empty = true;
        Mutation::Append(empty).apply(&mut to);
        assert_eq!(to, headers(&[("a", "")]));
    }

    #[test]
    fn a_route_takes_values_before_it_changes_anything_but_after_removing() {
        let mut to = headers(&[("key", "k"), ("gone", "g"), ("a", "1")]);
        HeaderChanges {
            remove: vec!["gone".into()],
            add: vec![
                addition("b", "%REQ(A)%", AppendAction::Append),
                addition("a", "2%%", AppendAction::Overwrite),
                addition("c", "x%REQ(gone)%", AppendAction::Append),
            ],
        }
        .apply(&mut to);
        let wanted = [("key", "k"), ("a", "2%"), ("b", "1"), ("c", "x")];
        assert_eq!(to, headers(&wanted));
    }

    #[test]
    fn what_is_not_known_is_refused_by_its_name() {
        let refused = |text| Template::read(text).unwrap_err();
        assert!(refused("%ENVIRONMENT(KEY)%").contains("ENVIRONMENT(KEY)"));
        assert!(refused("%START_TIME%").contains("START_TIME"));
        assert!(Template::read("50%").is_err());
    }
}
