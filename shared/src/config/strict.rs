//! Strict reading that finds every problem in one pass over the operator's file.
//!
//! serde stops at the first error. So: deserialize, note the error with its path, take the
//! offending member out, and deserialize again, until it succeeds. Array indices are reported as
//! written, whatever has been taken out before.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserializer;
use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::Problems;
use super::located::{self, Fault, Step};
use super::types::Refused;
use crate::sorting;

/// A value that was read, and the paths that were taken out of it.
pub struct Parsed<T> {
    /// The value without the refused members.
    pub value: T,
    /// Paths of refused members.
    pub pruned: Vec<String>,
    /// Paths of refused values in whose place right ones were read.
    pub replaced: Vec<String>,
}

/// More problems than this in one text are not looked for: for each it is read once more.
const MOST: usize = 100;

/// Reads `written`; every problem is added. `None` when nothing usable is left.
/// `former` are names that members had once, with today's.
pub fn parse<T: DeserializeOwned>(
    written: &Value,
    former: &[(&str, &str)],
    problems: &mut Problems,
) -> Option<Parsed<T>> {
    // Where nothing is wrong, which is the rule, nothing is copied.
    let mut rest = Cow::Borrowed(written);
    // Arrays that lost elements: their path as written, and the indices gone.
    let mut gone: Vec<(Vec<Step>, usize)> = Vec::new();
    let mut pruned = Vec::new();
    let mut replaced: Vec<String> = Vec::new();
    for _ in 0..MOST {
        let (message, place) = match located::read(&rest) {
            Ok(value) => {
                return Some(Parsed {
                    value,
                    pruned,
                    replaced,
                });
            }
            Err(Fault { message, place }) => (message, place),
        };
        let mut steps = place;
        // What is wrong with the content of `{"variant": content}`, which goes as a whole.
        let variant = match steps.last() {
            Some(Step::Variant(variant)) => Some(variant.clone()),
            _ => None,
        };
        if variant.is_some() {
            steps.pop();
        }
        let kind = Kind::of(&message);
        if let Kind::Unknown(member) = &kind
            && steps.last() != Some(&Step::Member(member.clone()))
        {
            steps.push(Step::Member(member.clone()));
        }
        let written_steps = as_written(&steps, &gone);
        let (problem, hint) = kind.explain(&message, former);
        let mut path = show(&written_steps);
        let refused = Refused::of(&message);
        if let (Some(variant), Some(_)) = (&variant, &refused) {
            path = format!("{path}.{variant}");
        }
        if let Kind::Missing(member) = &kind {
            path = if path.is_empty() {
                member.clone()
            } else {
                format!("{path}.{member}")
            };
        }
        // A member that was refused and taken out is now missing: said once is enough.
        if !pruned.contains(&path) {
            problems.add(&path, problem, hint);
        }
        // A name that is wrong, and not the value under it, is not mended by a value.
        if let Some(right) = refused.and_then(|refused| refused.right)
            && variant.is_none()
            && !replaced.contains(&path)
            && let Some(at) = find(rest.to_mut(), &steps)
        {
            *at = right.into();
            replaced.push(path);
            continue;
        }
        if steps.is_empty() || !remove(rest.to_mut(), &steps) {
            return None;
        }
        pruned.push(show(&written_steps));
        if let Some((Step::Element(index), array)) = written_steps.split_last() {
            gone.push((array.to_vec(), *index));
        }
    }
    problems.stop_counting();
    None
}

enum Kind {
    Unknown(String),
    Missing(String),
    Other,
}

impl Kind {
    fn of(message: &str) -> Self {
        let quoted = || message.split('`').nth(1).unwrap_or_default().to_owned();
        if message.starts_with("unknown field") {
            Self::Unknown(quoted())
        } else if message.starts_with("missing field") {
            Self::Missing(quoted())
        } else {
            Self::Other
        }
    }

    /// Problem and hint. serde quotes the offending value in type errors: it is left out, since it
    /// may be a secret.
    fn explain(&self, message: &str, former: &[(&str, &str)]) -> (String, String) {
        match self {
            Self::Unknown(member) => {
                let known: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
                let renamed = former
                    .iter()
                    .find(|(old, new)| old == member && known.contains(new));
                let hint = match renamed
                    .map(|(_, new)| *new)
                    .or_else(|| nearest(member, &known))
                {
                    Some(name) => format!("did you mean `{name}`?"),
                    None if known.is_empty() => "no member is expected here".to_owned(),
                    None => format!("known here: {}", known.join(", ")),
                };
                ("is not known here".to_owned(), hint)
            }
            Self::Missing(_) => ("is required".to_owned(), String::new()),
            Self::Other => {
                if let Some(refused) = Refused::of(message) {
                    (refused.problem.to_owned(), refused.hint.to_owned())
                } else if let Some(rest) = message
                    .strip_prefix("invalid type: ")
                    .or_else(|| message.strip_prefix("invalid value: "))
                {
                    let expected = rest
                        .rsplit_once(", expected ")
                        .map_or("another type", |(_, e)| e);
                    let problem = match found(message) {
                        Some(found) => {
                            format!("has the wrong type: expected {expected}, found {found}")
                        }
                        None => format!("has the wrong type: expected {expected}"),
                    };
                    (problem, String::new())
                } else if let Some(known) = message
                    .strip_prefix("unknown variant ")
                    .and_then(|r| r.split_once(", expected "))
                {
                    (
                        "is not one of the known values".to_owned(),
                        format!("expected {}", known.1),
                    )
                } else {
                    (message.to_owned(), String::new())
                }
            }
        }
    }
}

/// What kind of value a message of serde's complains about; never the value.
fn found(message: &str) -> Option<&'static str> {
    let rest = message.strip_prefix("invalid type: ")?;
    let kinds = [
        ("string", "a text"),
        ("integer", "a whole number"),
        ("floating point", "a number with a fraction"),
        ("boolean", "true or false"),
        ("null", "null"),
        ("unit", "null"),
        ("sequence", "a list"),
        ("map", "an object"),
    ];
    kinds
        .into_iter()
        .find_map(|(kind, name)| rest.starts_with(kind).then_some(name))
}

/// The known name that a misspelt one was meant to be.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let far = if name.len() < 4 {
        1
    } else {
        2.max(name.len() / 3)
    };
    known
        .iter()
        .map(|known| (strsim::levenshtein(name, known), *known))
        .min()
        .filter(|(distance, _)| *distance <= far)
        .map(|(_, known)| known)
}

fn as_written(steps: &[Step], gone: &[(Vec<Step>, usize)]) -> Vec<Step> {
    let mut out: Vec<Step> = Vec::with_capacity(steps.len());
    for step in steps {
        out.push(match step {
            Step::Member(_) | Step::Variant(_) => step.clone(),
            Step::Element(index) => {
                let mut lost: Vec<usize> = gone
                    .iter()
                    .filter(|(array, _)| *array == out)
                    .map(|(_, i)| *i)
                    .collect();
                sorting::sort(&mut lost);
                Step::Element(lost.iter().fold(*index, |at, lost| {
                    if *lost <= at {
                        at.saturating_add(1)
                    } else {
                        at
                    }
                }))
            }
        });
    }
    out
}

fn show(steps: &[Step]) -> String {
    steps.iter().fold(String::new(), |mut path, step| {
        match step {
            Step::Member(name) | Step::Variant(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
            Step::Element(index) => path.push_str(&format!("[{index}]")),
        }
        path
    })
}

/// The value at these steps.
fn find<'a>(value: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    steps.iter().try_fold(value, |at, step| match step {
        Step::Member(name) | Step::Variant(name) => at.get_mut(name),
        Step::Element(index) => at.get_mut(*index),
    })
}

fn remove(value: &mut Value, steps: &[Step]) -> bool {
    let Some((last, before)) = steps.split_last() else {
        return false;
    };
    match (find(value, before), last) {
        (Some(Value::Object(map)), Step::Member(name)) => map.remove(name).is_some(),
        (Some(Value::Array(list)), Step::Element(index)) if *index < list.len() => {
            list.remove(*index);
            true
        }
        _ => false,
    }
}

/// A JSON value in which no object has a member twice.
pub struct Unique(pub Value);

impl<'de> serde::Deserialize<'de> for Unique {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Value;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
                Ok(v.into())
            }
            fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
                Ok(v.into())
            }
            fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
                Ok(v.into())
            }
            fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
                Ok(v.into())
            }
            fn visit_str<E>(self, v: &str) -> Result<Value, E> {
                Ok(v.into())
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut list = Vec::new();
                while let Some(Unique(value)) = seq.next_element()? {
                    list.push(value);
                }
                Ok(Value::Array(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
                let mut map = serde_json::Map::new();
                while let Some((name, Unique(value))) = access.next_entry::<String, Unique>()? {
                    if map.insert(name.clone(), value).is_some() {
                        return Err(written_twice(&name));
                    }
                }
                Ok(Value::Object(map))
            }
        }
        deserializer.deserialize_any(Reader).map(Unique)
    }
}

/// As [`Unique`], of which nothing is kept: what is wrong is the same.
pub struct Checked;

impl<'de> serde::Deserialize<'de> for Checked {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Checked;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_bool<E>(self, _: bool) -> Result<Checked, E> {
                Ok(Checked)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Checked, E> {
                Ok(Checked)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Checked, E> {
                Ok(Checked)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Checked, E> {
                Ok(Checked)
            }
            fn visit_str<E>(self, _: &str) -> Result<Checked, E> {
                Ok(Checked)
            }
            fn visit_unit<E>(self) -> Result<Checked, E> {
                Ok(Checked)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Checked, A::Error> {
                while seq.next_element::<Checked>()?.is_some() {}
                Ok(Checked)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Checked, A::Error> {
                let mut names = BTreeSet::new();
                while let Some((name, Checked)) = access.next_entry::<String, Checked>()? {
                    if let Some(name) = names.replace(name) {
                        return Err(written_twice(&name));
                    }
                }
                Ok(Checked)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

fn written_twice<E: serde::de::Error>(name: &str) -> E {
    E::custom(format_args!("member `{name}` is written twice"))
}

/// Reads texts by name, and refuses a name that is written twice, of which serde would take the
/// last. For elements of long lists ([`super::long`]): everything else is read as [`Unique`] first.
///
/// # Errors
/// The deserializer's.
pub fn distinct<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    struct Reader;
    impl<'de> Visitor<'de> for Reader {
        type Value = BTreeMap<String, String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a map")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((name, value)) = access.next_entry()? {
                if map.insert(name, value).is_some() {
                    return Err(serde::de::Error::custom("a name is written twice"));
                }
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(Reader)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Outer {
        name: String,
        timeout_ms: super::super::Bounded<1, 100>,
        items: Vec<Inner>,
        mode: Mode,
    }
    impl Default for super::super::Bounded<1, 100> {
        fn default() -> Self {
            Self::new(50)
        }
    }
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        id: u32,
        #[serde(default)]
        tags: Vec<String>,
    }
    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        #[default]
        Enforce,
        Shadow,
    }

    fn problems(value: Value) -> Vec<String> {
        let mut problems = Problems::default();
        let _ = parse::<Outer>(&value, &[], &mut problems);
        problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn every_problem_is_found_at_once_and_named_as_written() {
        let mut found = problems(json!({
            "nmae": "x", "timeout_ms": 1000, "mode": "off",
            "items": [ {"id": "7"}, {"id": 1, "tags": [1, "a", 2]}, {"tags": []}, {"id": 4, "x": 1} ]
        }));
        found.sort();
        assert_eq!(
            found,
            [
                "items[0].id: has the wrong type: expected u32, found a text",
                "items[1].tags[0]: has the wrong type: expected a string, found a whole number",
                "items[1].tags[2]: has the wrong type: expected a string, found a whole number",
                "items[2].id: is required",
                "items[3].x: is not known here (known here: id, tags)",
                "mode: is not one of the known values (expected `enforce` or `shadow`)",
                "nmae: is not known here (did you mean `name`?)",
                "timeout_ms: must be a whole number from 1 to 100",
            ]
        );
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Checked {
        rules: Vec<Rule>,
        headers: BTreeMap<super::super::types::HeaderName, String>,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Rule {
        id: super::super::types::Token,
        size: u32,
    }

    #[test]
    fn a_value_that_was_refused_hides_nothing_beside_it() {
        let written = json!({
            "rules": [{"id": "a b", "size": "x"}, {"id": "", "size": 2}, {"id": "c", "size": 3}],
            "headers": {"a b": "1", "x": "2"},
        });
        let mut problems = Problems::default();
        let parsed = parse::<Checked>(&written, &[], &mut problems).unwrap();
        assert_eq!(parsed.value.rules.len(), 2, "the first has no size");
        let problems = problems.beneath(&parsed.pruned, &parsed.replaced);
        problems.add("rules[0].id", "is there twice", "");
        problems.add("rules[1].size", "is too much", "");
        let paths = problems.found().iter().map(|problem| problem.path.as_str());
        let mut paths: Vec<&str> = paths.collect();
        paths.sort_unstable();
        let said = [
            "headers.a b",
            "rules[0].id",
            "rules[0].size",
            "rules[1].id",
            "rules[2].size",
        ];
        assert_eq!(paths, said);
    }

    #[test]
    fn an_empty_object_is_the_default() {
        let mut problems = Problems::default();
        let parsed = parse::<Outer>(&json!({}), &[], &mut problems).unwrap();
        assert_eq!(parsed.value, Outer::default());
        assert!(problems.is_empty());
    }

    #[test]
    fn what_is_not_told_is_counted_and_what_is_not_counted_is_said() {
        // Which member is looked at last is the map's affair: the ends of the lines are compared.
        let unknown = |count: usize| -> Value {
            let members = (0..count).map(|at| (format!("odd{at}"), json!(1)));
            Value::Object(members.collect())
        };
        for (count, last) in [
            (
                20,
                ": is not known here (known here: name, timeout_ms, items, mode)",
            ),
            (21, "(configuration): further problems: 1"),
            (99, "(configuration): further problems: 79"),
            (
                101,
                "(configuration): further problems: 80, and those that were not looked for",
            ),
        ] {
            let found = problems(unknown(count));
            assert_eq!(found.len(), count.min(21), "{count}");
            let told = found.last().unwrap();
            assert!(told.ends_with(last), "{count}: {told}");
        }
    }

    #[test]
    fn no_value_reads_as_an_error_of_ours() {
        for odd in ["\u{1f}s3cret", "\u{1f}a\u{1f}b\u{1f}s3cret"] {
            let found = problems(json!({ "mode": odd, "timeout_ms": odd, "name": 7 }));
            assert_eq!(found.len(), 3, "{found:?}");
            assert!(!found.concat().contains("s3cret"), "{found:?}");
        }
    }

    #[test]
    fn a_refused_value_is_not_quoted() {
        assert!(
            !problems(json!({ "name": 12345 }))
                .concat()
                .contains("12345")
        );
    }

    #[test]
    fn a_name_written_twice_is_no_map() {
        let read = |text: &str| distinct(&mut serde_json::Deserializer::from_str(text)).ok();
        let map = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        assert_eq!(read(r#"{"a":"1"}"#), Some(map));
        assert_eq!(read(r#"{"a":"1","\u0061":"1"}"#), None);
        assert_eq!(read(r#"{"a":1}"#), None);
    }

    #[test]
    fn a_member_written_twice_is_refused() {
        let mut problems = Problems::default();
        assert!(super::super::read(br#"{"a": {"b": 1, "b": 2}}"#, &mut problems).is_none());
        assert!(problems.into_vec()[0].problem.contains("written twice"));
    }
}
