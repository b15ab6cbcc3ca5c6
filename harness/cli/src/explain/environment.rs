//! The environment that a gateway reads: what is set, and placeholders for what is not.

use std::collections::BTreeSet;

use modelgate_envoy::config::adapt::Needs;

/// Variables without which filters run as well.
const OPTIONAL: [&str; 5] = [
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_SESSION_TOKEN",
    "MODELGATE_LOG",
];

/// How variables end that are no secret.
const REGION: &str = "REGION";

/// So long a placeholder is at least: keys must not be short.
const LENGTH: usize = 64;

/// Shorter values are not looked for in what is shown: they would be found in any text.
const SHORTEST: usize = 6;

/// The environment.
pub struct Environment<'a> {
    needed: BTreeSet<String>,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Environment<'a> {
    /// What a configuration needs of it; `variable` knows what is set.
    pub fn new(needs: &Needs, variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            needed: needs.variables.clone(),
            variable,
        }
    }

    /// Whether a variable is set.
    pub fn has(&self, name: &str) -> bool {
        (self.variable)(name).is_some()
    }

    /// Its value, or a placeholder for one that the configuration needs.
    pub fn value(&self, name: &str) -> Option<String> {
        let needed = self.needed.contains(name) && !OPTIONAL.contains(&name);
        (self.variable)(name).or_else(|| needed.then(|| placeholder(name)))
    }

    /// Variables that placeholders stand for.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        let needed = self.needed.iter().map(String::as_str);
        needed.filter(|name| !self.has(name) && !OPTIONAL.contains(name))
    }

    /// Values that must not be shown.
    pub fn secrets(&self) -> impl Iterator<Item = String> {
        let secret = self.needed.iter().filter(|name| !name.ends_with(REGION));
        let values = secret.filter_map(|name| (self.variable)(name));
        values.filter(|value| value.len() >= SHORTEST)
    }
}

/// A value that nobody takes for a real one, and that every filter takes: long enough for a key,
/// and letters only where a region stands.
fn placeholder(name: &str) -> String {
    match name.ends_with(REGION) {
        true => "placeholder-region".to_owned(),
        false => format!("{:_<LENGTH$}", format!("PLACEHOLDER_FOR_{name}_")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_and_not_set_has_a_placeholder() {
        let needs = Needs {
            variables: ["A", "B", "AWS_REGION", "AWS_SESSION_TOKEN"]
                .map(str::to_owned)
                .into(),
            ..Needs::default()
        };
        let variable = |name: &str| (name == "A").then(|| "secret-a".to_owned());
        let environment = Environment::new(&needs, &variable);
        assert_eq!(environment.value("A").as_deref(), Some("secret-a"));
        let placeholder = environment.value("B").unwrap();
        assert!(placeholder.starts_with("PLACEHOLDER_FOR_B_") && placeholder.len() == LENGTH);
        assert_eq!(
            environment.value("AWS_REGION").as_deref(),
            Some("placeholder-region")
        );
        assert_eq!(environment.value("AWS_SESSION_TOKEN"), None);
        assert_eq!(environment.value("OTHER"), None);
        assert_eq!(
            environment.missing().collect::<Vec<_>>(),
            ["AWS_REGION", "B"]
        );
        assert_eq!(environment.secrets().collect::<Vec<_>>(), ["secret-a"]);
    }
}
