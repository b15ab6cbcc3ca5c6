//! The name of a filter, and what it is called where.

use anyhow::{Result, bail, ensure};

use crate::SUITE;
use modelgate_envoy::config::own::Kind;
use modelgate_scenario::catalogue::GUESTS;

/// Longest name, in bytes: it is part of metric names and of paths.
const LONGEST: usize = 40;

/// Names that mean something else where names of filters stand: the kit's reasons and metrics, a
/// chain in one entry, parts of an entry of a scenario.
const RESERVED: [&str; 9] = [
    SUITE.bundle(),
    GUESTS,
    "kit",
    "unconfigured",
    "chain",
    "as",
    "wasm",
    "envoy",
    "example-filter",
];

/// Words that Rust keeps for itself (The Rust Reference, Keywords: strict and reserved), and its
/// own crates: a crate cannot be used by such a name.
const KEYWORDS: [&str; 54] = [
    "abstract", "alloc", "as", "async", "await", "become", "box", "break", "const", "continue",
    "core", "crate", "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen",
    "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv",
    "pub", "ref", "return", "self", "static", "std", "struct", "super", "test", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while",
];

/// A name in kebab-case that a crate can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// If it is not in kebab-case, too long, a word of Rust's, or means something else already.
    pub fn parse(text: &str) -> Result<Self> {
        let plain = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let letter = text.starts_with(|first: char| first.is_ascii_lowercase());
        ensure!(
            letter && text.split('-').all(plain),
            "{text:?} is not in kebab-case: write lower-case letters and digits, words joined by single dashes, such as `geo-fence`"
        );
        ensure!(
            text.len() <= LONGEST,
            "{text:?} has {} bytes; write at most {LONGEST}",
            text.len()
        );
        ensure!(
            !KEYWORDS.contains(&text),
            "{text:?} is a word of Rust's, and a crate cannot be used by it"
        );
        if SUITE.modules().contains(&text) && text != SUITE.bundle() {
            bail!("{text:?} is a filter of the suite already");
        }
        ensure!(
            !RESERVED.contains(&text) && !Kind::ALL.iter().any(|kind| kind.name() == text),
            "{text:?} means something else already, in configurations or in scenarios"
        );
        Ok(Self(text.to_owned()))
    }

    /// Checks that no package of a `Cargo.lock` has this name: cargo would not know which of them
    /// is meant.
    ///
    /// # Errors
    /// If one has.
    pub fn free_of(&self, lock: &str) -> Result<()> {
        ensure!(
            !lock
                .lines()
                .any(|line| line == format!("name = \"{}\"", self.0)),
            "{:?} is a package that the workspace has or depends on already",
            self.0
        );
        Ok(())
    }

    /// As it is written: the crate's name.
    pub fn kebab(&self) -> &str {
        &self.0
    }

    /// In snake_case: the filter's own name, and its module's.
    pub fn snake(&self) -> String {
        self.0.replace('-', "_")
    }

    /// In upper camel case: the name of its type.
    pub fn camel(&self) -> String {
        self.0
            .split('-')
            .flat_map(|word| {
                let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
                [first.to_ascii_uppercase(), rest.to_owned()]
            })
            .collect()
    }

    /// A text of the template with this name in place of the template's.
    pub fn fill(&self, text: &str) -> String {
        text.replace("example-filter", &self.0)
            .replace("example_filter", &self.snake())
            .replace("ExampleFilter", &self.camel())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_three_forms() {
        let name = Name::parse("geo-fence2").unwrap();
        assert_eq!(name.snake(), "geo_fence2");
        assert_eq!(name.camel(), "GeoFence2");
        assert_eq!(
            name.fill("example-filter example_filter ExampleFilter"),
            "geo-fence2 geo_fence2 GeoFence2"
        );
    }

    #[test]
    fn what_cannot_be_a_filters_name_is_refused_with_the_reason() {
        for (text, because) in [
            ("", "kebab-case"),
            ("Geo", "kebab-case"),
            ("geo_fence", "kebab-case"),
            ("geo--fence", "kebab-case"),
            ("-geo", "kebab-case"),
            ("2geo", "kebab-case"),
            ("../geo", "kebab-case"),
            ("gé", "kebab-case"),
            ("match", "word of Rust's"),
            ("std", "word of Rust's"),
            ("jwt-auth", "a filter of the suite"),
            ("modelgate", "means something else"),
            ("chain", "means something else"),
            (&"a".repeat(41), "at most 40"),
        ] {
            let error = Name::parse(text).unwrap_err().to_string();
            assert!(error.contains(because), "{text:?}: {error}");
        }
        let lock = "[[package]]\nname = \"serde\"\n";
        assert!(Name::parse("serde").unwrap().free_of(lock).is_err());
        assert!(Name::parse("ser").unwrap().free_of(lock).is_ok());
    }
}
