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
    let mut value = None;
    let mut read = |rest: &Value| {
        value = Some(located::read(rest)?);
        Ok(())
    };
    let (pruned, replaced) = mend(written, former, problems, &mut read)?;
    Some(Parsed {
        value: value?,
        pruned,
        replaced,
    })
}

/// Takes out of `written` what is refused until it can be `read`; the paths that were taken out,
/// and those of values that were replaced. Compiled once for all types.
#[inline(never)]
fn mend(
    written: &Value,
    former: &[(&str, &str)],
    problems: &mut Problems,
    read: &mut dyn FnMut(&Value) -> Result<(), Fault>,
) -> Option<(Vec<String>, Vec<String>)> {
    // Where nothing is wrong, which is the rule, nothing is copied.
    let mut rest = Cow::Borrowed(written);
    // Arrays that lost elements: their path as written, and the indices gone.
    let mut gone: Vec<(Vec<Step>, usize)> = Vec::new();
    let mut pruned = Vec::new();
    let mut replaced: Vec<String> = Vec::new();
    for _ in 0..MOST {
        let Err(Fault { message, place }) = read(&rest) else {
            return Some((pruned, replaced));
        };
        let mut steps = place;
        if problems.objects_are_lists
            && message.starts_with("invalid type: map")
            && as_lists(rest.to_mut(), &steps)
        {
            continue;
        }
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
                ("unknown field".to_owned(), hint)
            }
            Self::Missing(_) => ("is required".to_owned(), String::new()),
            Self::Other => {
                if let Some(refused) = Refused::of(message) {
                    (refused.problem.to_owned(), refused.hint.to_owned())
                } else if let Some(rest) = message
                    .strip_prefix("invalid type: ")
                    .or_else(|| message.strip_prefix("invalid value: "))
                {
                    let expected = match rest.rsplit_once(", expected ") {
                        // The name of a type of ours.
                        Some((_, expected)) if expected.starts_with("struct ") => "an object",
                        Some((_, expected)) => expected,
                        None => "another type",
                    };
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

/// Makes lists of the empty objects at these steps, in whatever element of a list they are. Whether
/// there were any.
fn as_lists(value: &mut Value, steps: &[Step]) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        let is_empty = matches!(value, Value::Object(members) if members.is_empty());
        if is_empty {
            *value = Value::Array(Vec::new());
        }
        return is_empty;
    };
    match (value, step) {
        (Value::Object(members), Step::Member(name) | Step::Variant(name)) => members
            .get_mut(name)
            .is_some_and(|member| as_lists(member, rest)),
        (Value::Array(list), Step::Element(_)) => {
            let mut any = false;
            for element in list {
                any |= as_lists(element, rest);
            }
            any
        }
        _ => false,
    }
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
mod tests;
