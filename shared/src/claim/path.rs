//! Where in the claims a value is.
//!
//! Written as text. Beginning with `/` it is a JSON Pointer (RFC 6901): `/realm_access/roles`.
//! Anything else is the name of one top-level claim, verbatim, because claim names have dots,
//! colons and slashes of their own: `scope`, `cognito:groups`, `https://example.com/groups`.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::types::refused_unlike;

const MAX_SEGMENTS: usize = 16;

/// Why a text is no claim path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathFault {
    /// Empty, or a pointer to a member without a name.
    Empty,
    /// `~` not followed by `0` or `1` (RFC 6901 section 3).
    BadEscape,
    /// More than 16 segments.
    TooDeep,
}

impl fmt::Display for PathFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Empty => "empty name; write `scope` or a pointer as in `/realm_access/roles`",
            Self::BadEscape => "`~` in a pointer is written `~0`, and `/` inside a name `~1`",
            Self::TooDeep => "more than 16 segments",
        })
    }
}

impl std::error::Error for PathFault {}

/// The name of a top-level claim, or a JSON Pointer as in `/realm_access/roles`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, schemars::JsonSchema)]
#[schemars(with = "String", inline)]
pub struct ClaimPath {
    text: String,
    first: String,
    rest: Vec<String>,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding<'a> {
    /// Nothing.
    Absent,
    /// Something that cannot be known: the value is elsewhere, or the way to it leads through what
    /// is no object.
    Unknown,
    /// This.
    Value(&'a Value),
}

impl ClaimPath {
    /// Reads a path as described above.
    ///
    /// # Errors
    /// When it names nothing.
    pub fn parse(text: &str) -> Result<Self, PathFault> {
        let Some(pointer) = text.strip_prefix('/') else {
            return if text.is_empty() {
                Err(PathFault::Empty)
            } else {
                Ok(Self::top(text))
            };
        };
        let mut segments = pointer.split('/').map(unescape);
        let first = segments.next().unwrap_or(Err(PathFault::Empty))?;
        let rest = segments.collect::<Result<Vec<_>, _>>()?;
        if rest.len() >= MAX_SEGMENTS {
            return Err(PathFault::TooDeep);
        }
        Ok(Self {
            text: text.to_owned(),
            first,
            rest,
        })
    }

    /// A top-level claim, by its name.
    pub fn top(name: &str) -> Self {
        Self {
            text: name.to_owned(),
            first: name.to_owned(),
            rest: Vec::new(),
        }
    }

    /// The path as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The top-level claim that it begins with.
    pub fn first(&self) -> &str {
        &self.first
    }

    /// The value at the path, if it can be found; a segment into an array is an index without
    /// leading zeros (RFC 6901 section 4).
    pub fn find<'a>(&self, members: &'a Map<String, Value>) -> Option<&'a Value> {
        match self.look(members) {
            Finding::Value(value) => Some(value),
            Finding::Absent | Finding::Unknown => None,
        }
    }

    /// As [`ClaimPath::find`], and tells a value that is not there from one that is hidden behind
    /// something unreadable.
    pub fn look<'a>(&self, members: &'a Map<String, Value>) -> Finding<'a> {
        let Some(mut value) = members.get(&self.first) else {
            return Finding::Absent;
        };
        for segment in &self.rest {
            let next = match value {
                Value::Object(members) => members.get(segment),
                Value::Array(items) => match index(segment) {
                    Some(at) => items.get(at),
                    None => return Finding::Unknown,
                },
                _ => return Finding::Unknown,
            };
            let Some(next) = next else {
                return Finding::Absent;
            };
            value = next;
        }
        Finding::Value(value)
    }
}

impl<'de> Deserialize<'de> for ClaimPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?)
            .map_err(|fault| refused_unlike("refused", "is not a claim path", fault))
    }
}

/// As it was written, for tools that show defaults.
impl serde::Serialize for ClaimPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Digits without leading zeros; a number that no array reaches is one all the same.
fn index(segment: &str) -> Option<usize> {
    let is_index = segment == "0"
        || (!segment.starts_with('0') && segment.bytes().all(|byte| byte.is_ascii_digit()));
    is_index.then(|| segment.parse().unwrap_or(usize::MAX))
}

fn unescape(segment: &str) -> Result<String, PathFault> {
    if segment.is_empty() {
        return Err(PathFault::Empty);
    }
    let mut parts = segment.split('~');
    let mut out = parts
        .next()
        .map(Cow::Borrowed)
        .unwrap_or_default()
        .into_owned();
    for part in parts {
        let (sign, rest) = match (part.strip_prefix('0'), part.strip_prefix('1')) {
            (Some(rest), _) => ('~', rest),
            (_, Some(rest)) => ('/', rest),
            _ => return Err(PathFault::BadEscape),
        };
        out.push(sign);
        out.push_str(rest);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_finds_what_it_says() {
        let claims = json!({
            "scope": "a b", "cognito:groups": 1, "https://x.example/g": 2, "a.b": 3, "a": {"b": 4, "c/d": 5, "~": 6},
            "list": [{"id": 7}, 8],
        });
        let members = claims.as_object().unwrap();
        for (text, found) in [
            ("scope", Some(json!("a b"))),
            ("cognito:groups", Some(json!(1))),
            ("https://x.example/g", Some(json!(2))),
            ("a.b", Some(json!(3))),
            ("/a.b", Some(json!(3))),
            ("/a/b", Some(json!(4))),
            ("/a/c~1d", Some(json!(5))),
            ("/a/~0", Some(json!(6))),
            ("/list/0/id", Some(json!(7))),
            ("/list/1", Some(json!(8))),
            ("/list/01", None),
            ("/list/+1", None),
            ("/list/2", None),
            ("/list/-1", None),
            ("/list/99999999999999999999", None),
            ("/scope/0", None),
            ("a/b", None),
        ] {
            assert_eq!(
                ClaimPath::parse(text).unwrap().find(members),
                found.as_ref(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_way_that_is_blocked_is_not_an_absent_value() {
        let claims = json!({"a": {"b": null}, "text": "x", "none": null, "list": [1]});
        let members = claims.as_object().unwrap();
        for (text, found) in [
            ("gone", Finding::Absent),
            ("/gone/b", Finding::Absent),
            ("/a/c", Finding::Absent),
            ("/list/7", Finding::Absent),
            ("/a/b", Finding::Value(&Value::Null)),
            ("/a/b/c", Finding::Unknown),
            ("/text/b", Finding::Unknown),
            ("/none/b", Finding::Unknown),
            ("/list/b", Finding::Unknown),
        ] {
            assert_eq!(
                ClaimPath::parse(text).unwrap().look(members),
                found,
                "{text}"
            );
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for (text, fault) in [
            ("", PathFault::Empty),
            ("/", PathFault::Empty),
            ("/a//b", PathFault::Empty),
            ("/a/", PathFault::Empty),
            ("/a~", PathFault::BadEscape),
            ("/a~2", PathFault::BadEscape),
        ] {
            assert_eq!(ClaimPath::parse(text), Err(fault), "{text}");
        }
        assert_eq!(ClaimPath::parse(&"/a".repeat(17)), Err(PathFault::TooDeep));
        assert!(ClaimPath::parse(&"/a".repeat(16)).is_ok());
    }
}
