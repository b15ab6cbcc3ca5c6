//! What a route asks of a request besides its path: conditions on headers, and patterns.

use regex::Regex;

use crate::rules::headers::Headers;

/// A pattern that the whole of a text must fit, as Envoy's `safe_regex`.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let whole = Regex::new(&format!("^(?:{text})$")).map_err(|error| error.to_string())?;
        Ok(Self(whole))
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        let inner = self.0.as_str().strip_prefix("^(?:");
        inner
            .and_then(|text| text.strip_suffix(")$"))
            .unwrap_or_default()
    }

    /// Whether a text fits.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// A header that a route asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderCondition {
    /// Its name.
    pub name: String,
    /// What its value must be.
    pub value: Wanted,
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This text.
    Exact {
        /// The text.
        text: String,
        /// Whether capitals count.
        ignore_case: bool,
    },
    /// One that fits a pattern.
    Pattern(Pattern),
}

impl HeaderCondition {
    /// Whether a request fits: a header that is not there fits nothing, and of one that came
    /// several times the values are joined by commas.
    pub(crate) fn fits(&self, headers: &Headers) -> bool {
        let values: Vec<_> = headers.all(&self.name).collect();
        if values.is_empty() {
            return false;
        }
        let value = String::from_utf8_lossy(&values.join(&b","[..])).into_owned();
        match &self.value {
            Wanted::Exact { text, ignore_case } => match ignore_case {
                true => value.eq_ignore_ascii_case(text),
                false => value == *text,
            },
            Wanted::Pattern(pattern) => pattern.fits(&value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_for_the_whole_value_and_a_missing_header_fits_nothing() {
        let headers: Headers = [(":method", "POST"), ("x-a", "one"), ("x-a", "two")]
            .into_iter()
            .collect();
        let fits = |name: &str, value: Wanted| {
            let name = name.to_owned();
            HeaderCondition { name, value }.fits(&headers)
        };
        let pattern = |text: &str| Wanted::Pattern(Pattern::read(text).unwrap());
        let exact = |text: &str, ignore_case: bool| Wanted::Exact {
            text: text.to_owned(),
            ignore_case,
        };
        assert!(fits(":method", pattern("GET|POST")) && !fits(":method", pattern("GET|POS")));
        assert!(fits(":method", exact("post", true)) && !fits(":method", exact("post", false)));
        assert!(fits("x-a", exact("one,two", false)) && !fits("x-a", exact("one", false)));
        assert!(!fits("x-b", pattern(".*")));
        assert!(Pattern::read("(a").is_err());
        assert_eq!(Pattern::read("a|b").unwrap().text(), "a|b");
    }
}
