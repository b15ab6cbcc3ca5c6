//! What an operator writes for the module in Envoy's configuration besides what the filters read:
//! `environment_variables` and `entry_name` in `filter_config`, and the configuration of a route or
//! virtual host.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::ffi::c_void;
use std::ops::Range;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::config::{Problem, Problems, read, strict};
use crate::filter::Registration;
use crate::json::{Edits, Limits, Token, Walker};

/// Members of `filter_config` that the module reads itself.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Written {
    /// Variables that the filters may read; none of the process's otherwise.
    pub environment_variables: Environment,
    /// Name of the entry, where several have the same `filter_name`: audit events that are still
    /// queued when a configuration is replaced go to the entry of the same name. Default: the
    /// `filter_name`.
    pub entry_name: Option<String>,
}

/// As `vm_config.environment_variables` of Envoy's wasm filter.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Environment {
    /// Names of variables of Envoy's own environment. One that is not set there is not set here.
    pub host_env_keys: Vec<String>,
    /// Further variables with their values.
    pub key_values: BTreeMap<String, String>,
}

/// Names of the members of [`Written`].
const OWN: [&str; 2] = ["environment_variables", "entry_name"];

/// Longest `filter_config` in which these members are looked for.
const LONGEST: usize = 256 << 20;

/// A `filter_config`, taken apart.
#[derive(Default)]
pub struct Settings {
    /// What is left for the filters.
    pub text: Vec<u8>,
    /// The variables that they may read.
    pub environment: BTreeMap<String, Zeroizing<String>>,
    /// See [`Written::entry_name`].
    pub entry_name: Option<String>,
}

impl Settings {
    /// Takes a `filter_config` apart; `variable` reads Envoy's environment.
    ///
    /// # Errors
    /// What is wrong with the module's own members.
    pub fn read(
        text: &[u8],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<Problem>> {
        let found = members(text);
        if found.is_empty() {
            return Ok(Self {
                text: text.to_vec(),
                ..Self::default()
            });
        }
        let mut problems = Problems::default();
        let own = found
            .iter()
            .filter_map(|member| text.get(member.whole.clone()))
            .collect::<Vec<&[u8]>>()
            .join(&b","[..]);
        let own = [b"{".as_slice(), &own, b"}"].concat();
        let written = read(&own, &mut problems)
            .and_then(|value| strict::parse::<Written>(&value, &[], &mut problems));
        let Some(written) = written.filter(|_| problems.is_empty()) else {
            return Err(problems.into_vec());
        };
        let written = written.value;
        let mut environment = BTreeMap::new();
        let own = written.environment_variables;
        for (name, value) in own.key_values {
            environment.insert(name, Zeroizing::new(value));
        }
        problems.within("environment_variables", |problems| {
            for (at, name) in own.host_env_keys.into_iter().enumerate() {
                let path = format!("host_env_keys[{at}]");
                let value = variable(&name);
                match environment.entry(name) {
                    Slot::Occupied(_) => {
                        let hint = "name each variable once, here or in `key_values`";
                        problems.add(path, "is a variable that is named twice", hint);
                    }
                    Slot::Vacant(slot) => {
                        if let Some(value) = value {
                            slot.insert(Zeroizing::new(value));
                        }
                    }
                }
            }
        });
        if !problems.is_empty() {
            return Err(problems.into_vec());
        }
        Ok(Self {
            text: without(text, &found),
            environment,
            entry_name: written.entry_name.filter(|name| !name.is_empty()),
        })
    }
}

/// A member of the outermost object: from the quote of its name to the end of its value.
struct Member {
    whole: Range<usize>,
}

/// Where the module's own members stand; nothing in what is no JSON, which the filters' reader
/// explains.
fn members(text: &[u8]) -> Vec<Member> {
    found(text).unwrap_or_default()
}

fn found(text: &[u8]) -> Option<Vec<Member>> {
    let limits = Limits {
        max_bytes: LONGEST,
        ..Limits::default()
    };
    let mut walker = Walker::new(text, limits).ok()?;
    let (mut members, mut depth, mut begun) = (Vec::new(), 0_usize, None);
    while let Some(token) = walker.next_token().ok()? {
        match token {
            Token::ObjectStart | Token::ArrayStart => depth = depth.saturating_add(1),
            Token::ObjectEnd | Token::ArrayEnd => depth = depth.saturating_sub(1),
            Token::Key(name) => {
                if depth == 1 && OWN.contains(&name.decode().as_ref()) {
                    begun = name.span().start.checked_sub(1);
                }
                continue;
            }
            Token::String(_) | Token::Number(_) | Token::Literal(_) => {}
        }
        if depth == 1
            && let Some(start) = begun.take()
        {
            members.push(Member {
                whole: start..walker.offset(),
            });
        }
    }
    Some(members)
}

/// The text without these members, and without the commas that set them apart.
fn without(text: &[u8], members: &[Member]) -> Vec<u8> {
    let spaces = |bytes: &[u8]| bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let mut edits = Edits::new();
    for Member { whole } in members {
        let behind = text.get(whole.end..).unwrap_or_default();
        let comma = spaces(behind);
        let end = match behind.get(comma) {
            Some(b',') => whole.end.saturating_add(comma).saturating_add(1),
            _ => whole.end,
        };
        edits.replace_raw(whole.start..end, String::new());
    }
    let mut rest = edits.apply(text);
    // Where the last member is gone, a comma is left in front of the end.
    let end = rest.iter().rposition(|byte| *byte == b'}').unwrap_or(0);
    let before = rest.get(..end).unwrap_or_default();
    let last = before.iter().rposition(|byte| !byte.is_ascii_whitespace());
    if let Some(comma) = last.filter(|at| before.get(*at) == Some(&b',')) {
        rest.remove(comma);
    }
    rest
}

/// The configuration of a route or virtual host: what the metadata of a virtual host says to the
/// wasm form under `modelgate`, which a dynamic module cannot read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RouteConfig {
    values: BTreeMap<String, String>,
}

impl RouteConfig {
    /// Reads it: `profile`, `dialect`, and for each of these filters `FILTER: {profile: NAME}`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &[u8], filters: &[Registration]) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let mut values = BTreeMap::new();
        let whole = read(text, &mut problems).unwrap_or_default();
        for (name, value) in whole.as_object().into_iter().flatten() {
            match value {
                Value::String(text) if ["profile", "dialect"].contains(&name.as_str()) => {
                    values.insert(name.clone(), text.clone());
                }
                Value::Object(members) if filters.iter().any(|known| known.name == name) => {
                    for (member, value) in members {
                        let path = format!("{name}.{member}");
                        match value {
                            Value::String(text) if member == "profile" => {
                                values.insert(path, text.clone());
                            }
                            _ => problems.add(
                                path,
                                "is nothing that a route can say",
                                "write the profile's name as text: {profile: NAME}",
                            ),
                        }
                    }
                }
                _ => problems.add(
                    name,
                    "is nothing that a route can say",
                    "write `profile: NAME`, `dialect: NAME` or `FILTER: {profile: NAME}`",
                ),
            }
        }
        if problems.is_empty() {
            Ok(Self { values })
        } else {
            Err(problems.into_vec())
        }
    }

    fn value(&self, path: &[&str]) -> Option<Vec<u8>> {
        let value = self.values.get(&path.join("."))?;
        Some(value.clone().into_bytes())
    }
}

/// The configurations of routes that Envoy has, by the pointers under which it has them. Envoy may
/// hand over that of another module, if a route names one: such a pointer is not among these, and
/// nobody looks behind it.
static ROUTES: LazyLock<RwLock<BTreeMap<usize, Arc<RouteConfig>>>> = LazyLock::new(RwLock::default);

/// Keeps a configuration for Envoy; gives the pointer.
pub fn keep(config: RouteConfig) -> *const c_void {
    let config = Arc::new(config);
    let pointer = Arc::as_ptr(&config).cast::<c_void>();
    let mut routes = ROUTES.write().unwrap_or_else(PoisonError::into_inner);
    routes.insert(pointer.addr(), config);
    pointer
}

/// Envoy has done with a configuration.
pub fn discard(pointer: *const c_void) {
    let mut routes = ROUTES.write().unwrap_or_else(PoisonError::into_inner);
    routes.remove(&pointer.addr());
}

/// What the configuration of a route says.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// This.
    Value(Vec<u8>),
    /// It is another module's.
    Foreign,
}

/// What the configuration behind Envoy's pointer says at a path.
pub fn said(pointer: *const c_void, path: &[&str]) -> Said {
    if pointer.is_null() {
        return Said::Nothing;
    }
    let routes = ROUTES.read().unwrap_or_else(PoisonError::into_inner);
    match routes.get(&pointer.addr()) {
        Some(config) => config.value(path).map_or(Said::Nothing, Said::Value),
        None => Said::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Settings, Vec<Problem>> {
        Settings::read(text.as_bytes(), |name| {
            (name == "SET").then(|| "from the process".to_owned())
        })
    }

    #[track_caller]
    fn left(text: &str, expected: &str) {
        let settings = settings(text).unwrap_or_default();
        let left = String::from_utf8(settings.text).unwrap();
        assert_eq!(left, expected, "{text}");
        let whole: Result<Value, _> = serde_json::from_str(&left);
        assert!(whole.is_ok(), "{left}");
    }

    #[test]
    fn what_is_not_the_modules_own_stays_byte_by_byte() {
        left(r#"{"a": 1.0e2, "b": [1]}"#, r#"{"a": 1.0e2, "b": [1]}"#);
        left(r#"{"entry_name": "x"}"#, "{}");
        left(r#"{"entry_name": "x", "a": 1.50}"#, r#"{ "a": 1.50}"#);
        left(r#"{"a": 1.50 , "entry_name": "x"}"#, r#"{"a": 1.50  }"#);
        left(
            r#"{"entry_name": "x", "a": 1, "environment_variables": {"key_values": {}}, "b": 2}"#,
            r#"{ "a": 1,  "b": 2}"#,
        );
        left(r#"{"environment_variables": {}, "entry_name": "x"}"#, "{ }");
        left(
            r#"{"a": {"entry_name": "inside"}}"#,
            r#"{"a": {"entry_name": "inside"}}"#,
        );
    }

    #[test]
    fn only_variables_that_are_listed_can_be_read() {
        let found = settings(
            r#"{"environment_variables": {"host_env_keys": ["SET", "UNSET"], "key_values": {"K": "v"}}}"#,
        );
        let environment = found.unwrap_or_default().environment;
        let pairs: Vec<(&str, &str)> = environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(pairs, [("K", "v"), ("SET", "from the process")]);
        assert!(settings("{}").unwrap_or_default().environment.is_empty());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_path() {
        let problems = |text| match settings(text) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        };
        let found: Vec<String> = problems(
            r#"{"environment_variables": {"host_env_keys": ["K"], "key_values": {"K": "v"}}}"#,
        );
        assert_eq!(
            found,
            [
                "environment_variables.host_env_keys[0]: is a variable that is named twice \
              (name each variable once, here or in `key_values`)"
            ]
        );
        for text in [
            r#"{"environment_variables": {"host_keys": []}}"#,
            r#"{"environment_variables": []}"#,
            r#"{"entry_name": 7}"#,
            r#"{"entry_name": "a", "entry_name": "b"}"#,
        ] {
            assert_ne!(problems(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_route_says_what_metadata_could() {
        let filters = [crate::filter::Registration::of::<super::super::tests::Taker>()];
        let route = |text: &str| RouteConfig::read(text.as_bytes(), &filters);
        let config = route(r#"{"profile": "strict", "taker": {"profile": "open"}}"#).unwrap();
        assert_eq!(config.value(&["profile"]), Some(b"strict".to_vec()));
        assert_eq!(config.value(&["taker", "profile"]), Some(b"open".to_vec()));
        assert_eq!(config.value(&["dialect"]), None);
        for wrong in [
            r#"{"profile": 1}"#,
            r#"{"unknown": {"profile": "x"}}"#,
            r#"{"taker": {"profil": "x"}}"#,
            r#"{"taker": "x"}"#,
            "[]",
        ] {
            assert!(route(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nobody_looks_behind_a_pointer_of_another_module() {
        let pointer = keep(RouteConfig {
            values: [("profile".to_owned(), "p".to_owned())].into(),
        });
        assert_eq!(said(pointer, &["profile"]), Said::Value(b"p".to_vec()));
        assert_eq!(said(pointer, &["dialect"]), Said::Nothing);
        assert_eq!(said(std::ptr::null(), &["profile"]), Said::Nothing);
        discard(pointer);
        assert_eq!(said(pointer, &["profile"]), Said::Foreign);
    }
}
