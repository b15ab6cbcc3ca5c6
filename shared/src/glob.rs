//! Patterns of names: literal text in which `*` stands for any run of characters, the empty one
//! included.
//!
//! Nothing else is special. What stands between two `*` is taken where it first occurs, which is
//! enough because a later place could not do better; each search is linear (two-way string
//! matching), and so is all of it.

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Exact(String),
    Any,
    Starred(String),
}

impl Glob {
    /// Compiles a pattern; every text is one.
    pub fn new(pattern: &str) -> Self {
        Self(match pattern {
            "*" => Form::Any,
            _ if pattern.contains('*') => Form::Starred(pattern.to_owned()),
            _ => Form::Exact(pattern.to_owned()),
        })
    }

    /// Whether the whole text fits the pattern. Case matters.
    pub fn matches(&self, text: &str) -> bool {
        match &self.0 {
            Form::Any => true,
            Form::Exact(name) => name == text,
            Form::Starred(pattern) => fits(pattern, text),
        }
    }

    /// The one text that the pattern stands for, if it has no `*`: what an index can be built on.
    pub fn literal(&self) -> Option<&str> {
        match &self.0 {
            Form::Exact(name) => Some(name),
            Form::Any | Form::Starred(_) => None,
        }
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let (Some(first), Some(last)) = (pieces.next(), pieces.next_back()) else {
        return false;
    };
    let inside = text
        .strip_prefix(first)
        .and_then(|rest| rest.strip_suffix(last));
    let Some(mut rest) = inside else {
        return false;
    };
    pieces.all(|piece| {
        let found = rest.split_once(piece);
        found.is_some_and(|(_, behind)| {
            rest = behind;
            true
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_stand_for_any_run() {
        for (pattern, fitting, other) in [
            ("*", &["", "a", "a/b"][..], &[][..]),
            ("gpt-4", &["gpt-4"], &["gpt-4o", "GPT-4", "agpt-4", ""]),
            ("gpt-4*", &["gpt-4", "gpt-4o"], &["gpt-3", "xgpt-4"]),
            (
                "*-large",
                &["-large", "e5-large"],
                &["e5-large-v2", "large"],
            ),
            ("a*b*c", &["abc", "aXbYc", "abbcbc"], &["acb", "ab", "abcd"]),
            ("**", &["", "x"], &[]),
            ("", &[""], &["x"]),
            ("a*a", &["aa", "aba"], &["a"]),
        ] {
            for text in fitting {
                assert!(Glob::new(pattern).matches(text), "{pattern} {text}");
            }
            for text in other {
                assert!(!Glob::new(pattern).matches(text), "{pattern} {text}");
            }
        }
    }

    /// The definition, written the slow way.
    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|at| slow(rest, &text[at..])),
            Some((wanted, rest)) => text
                .split_first()
                .is_some_and(|(found, after)| wanted == found && slow(rest, after)),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(Glob::new(&pattern).matches(&text), slow(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
