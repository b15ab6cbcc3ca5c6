//! Configuration: what the operator wrote becomes what runs, and everything that is wrong with it
//! is said at once.
//!
//! Written form: one JSON object (Envoy: `google.protobuf.StringValue`). Unknown members, wrong
//! types and values out of range are problems, each with its path and a hint; so is what a filter's
//! `compile` finds. Nothing that can fail is left for later.

pub mod bounded;
mod located;
pub mod long;
#[cfg(feature = "schema")]
pub mod schema;
pub mod secret;
pub mod strict;
pub mod types;

use std::any::Any;
use std::fmt;
use std::rc::Rc;

use crate::host::Host;
use crate::sorting;

pub use bounded::Bounded;
pub use secret::{Secret, SecretBytes};
pub use types::{DenyOrAllow, Mode, StripOrKeep};

/// One thing that is wrong with a configuration. Values are never quoted: they may be secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: members joined by dots, elements in brackets, e.g. `issuers[0].jwks.url`; empty for
    /// the whole.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "(configuration)"
        } else {
            &self.path
        };
        write!(f, "{path}: {}", self.problem)?;
        if self.hint.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.hint)
        }
    }
}

/// As many problems of a configuration are told one by one; of the rest their number.
const MOST_PROBLEMS: usize = 20;

/// Collects problems.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    found: Vec<Problem>,
    /// How many more there are.
    more: usize,
    /// There may be others, which were not looked for.
    uncounted: bool,
    prefix: String,
    pruned: Vec<String>,
    replaced: Vec<String>,
    /// What is read was written by something that knows no empty list: `{}` is one, where a list
    /// is meant.
    objects_are_lists: bool,
}

impl Problems {
    /// None yet, in what this proxy hands over.
    pub(crate) fn on(host: &dyn Host) -> Self {
        Self {
            objects_are_lists: host.rules().empty_lists_may_be_objects,
            ..Self::default()
        }
    }

    /// Adds a problem at a path; an empty hint means that the problem says it all.
    #[cold]
    #[inline(never)]
    pub fn add(
        &mut self,
        path: impl AsRef<str>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.put(path.as_ref(), problem.into(), hint.into());
    }

    /// As [`Problems::add`], compiled once for all kinds of text.
    #[inline(never)]
    fn put(&mut self, path: &str, problem: String, hint: String) {
        let path = as_written(join(&self.prefix, path), &self.pruned);
        // What follows from a member that was itself refused is not a problem of its own.
        if self.replaced.contains(&path) {
            return;
        }
        if self.pruned.iter().any(|gone| {
            path == *gone
                || gone.starts_with(&format!("{path}."))
                || gone.starts_with(&format!("{path}["))
        }) {
            return;
        }
        let problem = Problem {
            path,
            problem,
            hint,
        };
        if self.found.contains(&problem) {
            return;
        }
        if self.found.len() < MOST_PROBLEMS {
            self.found.push(problem);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// Adds what was found in what stands at a path.
    pub fn add_all(&mut self, path: &str, found: Self) {
        self.more = self.more.saturating_add(found.more);
        self.uncounted |= found.uncounted;
        self.within(path, |problems| {
            for problem in found.found {
                problems.add(problem.path, problem.problem, problem.hint);
            }
        });
    }

    /// Leaves out what is among others.
    pub fn without(mut self, others: &[Problem]) -> Self {
        self.found.retain(|problem| !others.contains(problem));
        self
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.found.len().saturating_add(self.more)
    }

    /// There may be problems that are not looked for any more.
    pub(crate) const fn stop_counting(&mut self) {
        self.uncounted = true;
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The first that have been found.
    pub fn found(&self) -> &[Problem] {
        &self.found
    }

    /// The first problems in the order found, and how many more there are.
    pub fn into_vec(mut self) -> Vec<Problem> {
        if self.more > 0 {
            let rest = match self.uncounted {
                true => ", and those that were not looked for",
                false => "",
            };
            self.found.push(Problem {
                path: String::new(),
                problem: format!("further problems: {}{rest}", self.more),
                hint: String::new(),
            });
        }
        self.found
    }

    /// Runs `work` with every path put under `member`.
    pub fn within<T>(&mut self, member: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let whole = join(&self.prefix, member);
        let before = std::mem::replace(&mut self.prefix, whole);
        let result = work(self);
        self.prefix = before;
        result
    }

    /// From now on silent about paths that were refused before (see [`strict`]).
    pub(crate) fn beneath(&mut self, pruned: &[String], replaced: &[String]) -> &mut Self {
        let whole = |path: &String| join(&self.prefix, path);
        let (pruned, replaced) = (
            pruned.iter().map(whole).collect(),
            replaced.iter().map(whole).collect(),
        );
        (self.pruned, self.replaced) = (pruned, replaced);
        self
    }
}

/// The path with the indices that the operator wrote: elements that were taken out count again.
fn as_written(mut path: String, gone: &[String]) -> String {
    let element = |path: &'_ str| -> Option<(String, usize)> {
        let (array, index) = path.strip_suffix(']')?.rsplit_once('[')?;
        Some((array.to_owned(), index.parse().ok()?))
    };
    let mut elements: Vec<(String, usize)> = gone.iter().filter_map(|path| element(path)).collect();
    // Outer arrays first, and in each the first element first: every step then sees the indices as
    // written so far.
    sorting::sort_by_key(&mut elements, |(array, index)| (array.len(), *index));
    for (array, index) in elements {
        let shifted = path.strip_prefix(&array).and_then(|rest| {
            let (at, rest) = rest.strip_prefix('[')?.split_once(']')?;
            let at: usize = at.parse().ok()?;
            (at >= index).then(|| format!("{array}[{}]{rest}", at.saturating_add(1)))
        });
        path = shifted.unwrap_or(path);
    }
    path
}

fn join(prefix: &str, path: &str) -> String {
    match (prefix.is_empty(), path.is_empty()) {
        (true, _) => path.to_owned(),
        (_, true) => prefix.to_owned(),
        _ if path.starts_with('[') => format!("{prefix}{path}"),
        _ => format!("{prefix}.{path}"),
    }
}

/// What a plan may be compiled with, besides the configuration.
pub struct Setup<'a> {
    /// The proxy: for environment variables, metric definitions and shared data.
    pub host: &'a dyn Host,
    /// Name of the filter.
    pub filter: &'static str,
    /// Name of the profile that is compiled; empty for the base configuration.
    pub profile: &'a str,
    /// Prefix for keys in shared data: filter, and a hash of what was written, so that two filters
    /// in one VM never meet.
    pub shared_prefix: String,
    /// See [`Setup::list`].
    pub list: Option<Rc<dyn Any>>,
}

impl Setup<'_> {
    /// The filter's long list, where it was read on its own ([`long::Gather::finish`]); the member
    /// of the configuration is empty then. Nothing where the list stands in the configuration like
    /// everything else.
    pub fn list<T: 'static>(&self) -> Option<Rc<T>> {
        Rc::clone(self.list.as_ref()?).downcast().ok()
    }
}

/// Reads the bytes of a plugin configuration as a JSON object; absent means `{}`.
pub fn read(bytes: &[u8], problems: &mut Problems) -> Option<serde_json::Value> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Some(serde_json::Value::Object(serde_json::Map::new()));
    }
    match serde_json::from_slice::<strict::Unique>(bytes) {
        Ok(strict::Unique(value @ serde_json::Value::Object(_))) => Some(value),
        Ok(_) => {
            problems.add(
                "",
                "the configuration is not a JSON object",
                "write an object: {…}",
            );
            None
        }
        Err(error) if looks_like_protobuf(bytes) => {
            let _ = error;
            problems.add(
                "",
                "the configuration arrived as protobuf bytes, not as JSON",
                "in Envoy write `configuration: {\"@type\": type.googleapis.com/google.protobuf.StringValue, value: '{…}'}`; google.protobuf.Struct is not JSON to a filter",
            );
            None
        }
        Err(_) if looks_like_yaml(bytes) => {
            problems.add(
                "",
                "the configuration is YAML; the filter takes JSON",
                "write it as a JSON object, {…}, with names and texts in double quotes: in Envoy below `value: |` of a google.protobuf.StringValue",
            );
            None
        }
        Err(error) => {
            not_json(&error, problems);
            None
        }
    }
}

/// serde_json's message names line and column, and at most a member's name.
fn not_json(error: &serde_json::Error, problems: &mut Problems) {
    problems.add(
        "",
        format!("the configuration is not valid JSON: {error}"),
        "check commas, quotes and brackets",
    );
}

/// A serialized Struct starts with field 1, length-delimited.
fn looks_like_protobuf(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x0a) && bytes.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{')
}

/// A first line that begins with `name:` or `- `, as a mapping or a list of YAML does and no JSON.
fn looks_like_yaml(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let is_text = |line: &&[u8]| !line.is_empty() && !line.starts_with(b"#");
    let Some(line) = lines.find(is_text) else {
        return false;
    };
    let name = line
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count();
    let rest = line.get(name..).unwrap_or_default();
    line.starts_with(b"- ")
        || line.starts_with(b"---")
        || (name > 0 && (rest == b":" || rest.starts_with(b": ")))
}

/// 64-bit FNV-1a: names what was written in shared keys. Not for secrets.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    fingerprint_on(BEGINNING, bytes)
}

/// The fingerprint of nothing.
const BEGINNING: u64 = 0xcbf2_9ce4_8422_2325;

/// The fingerprint of what `print` is that of, and these bytes behind it.
pub(crate) fn fingerprint_on(print: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(print, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_told_from_broken_json() {
        let said = |text: &str| {
            let mut problems = Problems::default();
            assert!(read(text.as_bytes(), &mut problems).is_none(), "{text}");
            problems.found()[0].problem.clone()
        };
        for yaml in [
            "issuers:\n- issuer: x\n",
            "# Comment.\n\nmode: shadow\n",
            "- a\n",
            "---\na: 1\n",
        ] {
            assert!(said(yaml).contains("is YAML"), "{yaml}");
        }
        for json in ["{ \"a\": 1, }", "{ a: 1 }", "\"a: b", "true:"] {
            let problem = said(json);
            assert_eq!(
                problem.contains("is YAML"),
                json == "true:",
                "{json}: {problem}"
            );
        }
    }

    #[test]
    fn indices_count_the_elements_that_were_taken_out() {
        let mut problems = Problems::default();
        let gone =
            ["rules[1]", "rules[3]", "rules[4].who.claims[0]", "other[0]"].map(str::to_owned);
        for path in [
            "rules[0].id",
            "rules[1].id",
            "rules[2].who.claims[0].path",
            "rules",
            "rules_of[1]",
        ] {
            problems.beneath(&gone, &[]).add(path, "is wrong", "");
        }
        let paths: Vec<&str> = problems
            .found()
            .iter()
            .map(|problem| problem.path.as_str())
            .collect();
        assert_eq!(
            paths,
            [
                "rules[0].id",
                "rules[2].id",
                "rules[4].who.claims[1].path",
                "rules_of[1]"
            ]
        );
    }
}
