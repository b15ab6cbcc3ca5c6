//! The members that every filter's configuration has besides its own: `profiles` and
//! `profile_rules`.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::authority;
use crate::config::{Problems, strict};
use crate::headers::HeaderBlock;
use crate::route::{Path, Template};

/// What a configuration says, taken apart.
pub(crate) struct Split {
    pub base: Value,
    pub profiles: BTreeMap<String, WrittenProfile>,
    pub rules: Vec<WrittenRule>,
}

/// A named profile.
pub(crate) struct WrittenProfile {
    pub rank: u32,
    pub overrides: Value,
}

/// When a profile applies.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenRule {
    /// What the request must look like; every condition given must hold.
    #[serde(rename = "match")]
    conditions: WrittenMatch,
    /// Profile that then applies.
    profile: String,
}

/// Conditions of a rule.
#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrittenMatch {
    /// Host without port: exact, or `*.example.com` for every name below.
    host: Option<String>,
    /// Path template, e.g. `/v1/models/{model}/**`: `*` or `{name}` for one segment, `**` at the
    /// end for any number.
    path: Option<String>,
    /// Methods, e.g. `["POST"]`.
    methods: Vec<String>,
    /// Headers. A rule with headers only raises: its profile's `rank` must be above 0, and above
    /// that of the profile chosen without it.
    headers: Vec<WrittenHeader>,
}

/// A condition on one header.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenHeader {
    /// Name, in any case.
    name: String,
    /// Exact value; without it the header must only be there.
    value: Option<String>,
}

/// A compiled rule.
pub(crate) struct Rule {
    /// Place of the profile among those that exist.
    pub profile: usize,
    host: Option<HostPattern>,
    path: Option<Template>,
    methods: Vec<String>,
    headers: Vec<WrittenHeader>,
}

enum HostPattern {
    Exact(String),
    Below(String),
}

/// What of a request can be read in more than one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ambiguous {
    /// The path.
    Path,
    /// The host.
    Host,
}

/// Takes `profiles` and `profile_rules` out of a configuration.
pub(crate) fn split(whole: Value, problems: &mut Problems) -> Split {
    let mut members = match whole {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    let mut profiles = BTreeMap::new();
    match members.remove("profiles") {
        None => {}
        Some(Value::Object(named)) => {
            for (name, value) in named {
                if let Some(profile) = profile(&name, value, problems) {
                    profiles.insert(name, profile);
                }
            }
        }
        Some(_) => problems.add(
            "profiles",
            "has the wrong type: expected an object",
            "write {\"NAME\": {members that differ from the base}}",
        ),
    }
    let rules = members
        .remove("profile_rules")
        .and_then(|value| {
            problems.within("profile_rules", |p| {
                strict::parse::<Vec<WrittenRule>>(&value, &[], p)
            })
        })
        .map(|p| p.value)
        .unwrap_or_default();
    Split {
        base: Value::Object(members),
        profiles,
        rules,
    }
}

fn profile(name: &str, value: Value, problems: &mut Problems) -> Option<WrittenProfile> {
    let path = format!("profiles.{name}");
    if name.is_empty()
        || !name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    {
        problems.add(
            &path,
            "is not a profile name",
            "use letters, digits, - and _",
        );
        return None;
    }
    let Value::Object(mut members) = value else {
        problems.add(
            &path,
            "has the wrong type: expected an object",
            "write the members that differ from the base",
        );
        return None;
    };
    let rank = match members.remove("rank") {
        None => 0,
        Some(rank) => match rank.as_u64().and_then(|r| u32::try_from(r).ok()) {
            Some(rank) => rank,
            None => {
                problems.add(
                    format!("{path}.rank"),
                    "must be a whole number from 0 to 4294967295",
                    "",
                );
                return None;
            }
        },
    };
    for nested in ["profiles", "profile_rules"] {
        if members.remove(nested).is_some() {
            problems.add(
                format!("{path}.{nested}"),
                "cannot stand inside a profile",
                "write it beside `profiles`",
            );
        }
    }
    Some(WrittenProfile {
        rank,
        overrides: Value::Object(members),
    })
}

/// JSON merge patch (RFC 7396).
pub fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(members) = target.as_object_mut() else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

impl WrittenRule {
    /// Checks the rule against the profiles that exist (name, rank).
    pub(crate) fn compile(
        self,
        at: usize,
        known: &[(String, u32)],
        problems: &mut Problems,
    ) -> Option<Rule> {
        let path = format!("profile_rules[{at}]");
        let place = known.iter().position(|(name, _)| *name == self.profile);
        match place.and_then(|place| known.get(place)) {
            None => problems.add(format!("{path}.profile"), "names no profile", "add it under `profiles`"),
            Some((_, 0)) if !self.conditions.headers.is_empty() => problems.add(
                format!("{path}.match.headers"),
                "a client chooses its headers, so a rule with headers may only choose a stricter profile",
                format!("give profiles.{} a `rank` above 0 if it is stricter than the base", self.profile),
            ),
            Some(_) => {}
        }
        let conditions = self.conditions;
        if conditions.host.is_none()
            && conditions.path.is_none()
            && conditions.methods.is_empty()
            && conditions.headers.is_empty()
        {
            problems.add(
                format!("{path}.match"),
                "has no condition",
                "name a host, path, methods or headers; for every request change the base instead",
            );
        }
        let host = match conditions.host {
            None => None,
            Some(host) => Some(match host.strip_prefix("*.") {
                Some(below) if !below.is_empty() && !below.contains('*') => {
                    HostPattern::Below(format!(".{}", below.to_ascii_lowercase()))
                }
                None if !host.is_empty() && !host.contains(['*', ':', '/']) => {
                    HostPattern::Exact(host.to_ascii_lowercase())
                }
                _ => {
                    problems.add(
                        format!("{path}.match.host"),
                        "is not a host pattern",
                        "write api.example.com or *.example.com, without port",
                    );
                    return None;
                }
            }),
        };
        let template = match conditions.path.as_deref().map(Template::parse) {
            None => None,
            Some(Ok(template)) => Some(template),
            Some(Err(error)) => {
                problems.add(
                    format!("{path}.match.path"),
                    "is not a path template",
                    error.to_string(),
                );
                return None;
            }
        };
        Some(Rule {
            profile: place?,
            host,
            path: template,
            methods: conditions.methods,
            headers: conditions.headers,
        })
    }
}

impl Rule {
    /// Whether a client's headers decide whether it fits.
    pub(crate) fn looks_at_headers(&self) -> bool {
        !self.headers.is_empty()
    }

    /// Whether every condition holds.
    pub(crate) fn fits(&self, subject: &Subject<'_>) -> Result<bool, Ambiguous> {
        let request = subject.request;
        let host = match &self.host {
            None => true,
            Some(pattern) => subject.host()?.is_some_and(|host| pattern.fits(host)),
        };
        let method = self.methods.is_empty()
            || request
                .text(":method")
                .is_some_and(|m| self.methods.iter().any(|known| known == m));
        let headers = self.headers.iter().all(|wanted| match &wanted.value {
            None => request.first(&wanted.name).is_some(),
            Some(value) => request.all(&wanted.name).any(|v| v == value.as_bytes()),
        });
        // A path that upstreams may read in another way must not slip past a rule.
        let path = match &self.path {
            None => true,
            Some(template) => template.matches(subject.path()?),
        };
        Ok(host && method && headers && path)
    }
}

/// What rules look at of a request. Host and path are read at most once, by the first rule that
/// asks.
pub(crate) struct Subject<'a> {
    request: &'a HeaderBlock,
    host: OnceCell<Result<Option<String>, Ambiguous>>,
    path: OnceCell<Result<Path<'a>, Ambiguous>>,
}

impl<'a> Subject<'a> {
    pub(crate) const fn of(request: &'a HeaderBlock) -> Self {
        Self {
            request,
            host: OnceCell::new(),
            path: OnceCell::new(),
        }
    }

    /// The host that the request is for, in lower case, if it names one.
    fn host(&self) -> Result<Option<&str>, Ambiguous> {
        let host = self.host.get_or_init(|| {
            let host = host_of(self.request)?;
            Ok(host.map(str::to_ascii_lowercase))
        });
        host.as_ref().map(Option::as_deref).map_err(|error| *error)
    }

    fn path(&self) -> Result<&Path<'a>, Ambiguous> {
        let path = self.path.get_or_init(|| {
            let path = self.request.first(":path").ok_or(Ambiguous::Path)?;
            Path::parse(path).map_err(|_| Ambiguous::Path)
        });
        path.as_ref().map_err(|error| *error)
    }
}

/// The host that the request is for, if it names one; every header that does must name the same.
fn host_of(request: &HeaderBlock) -> Result<Option<&str>, Ambiguous> {
    let mut found: Option<&str> = None;
    for value in request.all("host").chain(request.all(":authority")) {
        let host = authority::host(value).ok_or(Ambiguous::Host)?;
        if found.is_some_and(|other| !other.eq_ignore_ascii_case(host)) {
            return Err(Ambiguous::Host);
        }
        found = Some(host);
    }
    Ok(found)
}

impl HostPattern {
    /// Whether a host, in lower case, fits.
    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Exact(host) => name == *host,
            Self::Below(suffix) => name.len() > suffix.len() && name.ends_with(suffix.as_str()),
        }
    }
}

/// Schema of `profiles` and `profile_rules`, given the properties of the base.
#[cfg(feature = "schema")]
pub(crate) fn schema_members(overrides: Value) -> Map<String, Value> {
    let mut members = match overrides {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    members.insert(
        "rank".into(),
        serde_json::json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX, "default": 0, "description": "How strict the profile is. A rule that looks at headers takes effect only if it raises the rank." }),
    );
    let profile = serde_json::json!({ "type": "object", "properties": members, "additionalProperties": false });
    let mut out = Map::new();
    out.insert("profiles".into(), crate::config::schema::named(profile, "Named variants of this configuration: the members that differ from it (RFC 7396 merge), and `rank`."));
    let mut rules = schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<Vec<WrittenRule>>()
        .to_value();
    if let Some(rules) = rules.as_object_mut() {
        rules.insert("description".into(), "When which profile applies, unless route metadata names one. The first rule that fits wins.".into());
        rules.remove("$schema");
        rules.remove("title");
    }
    out.insert("profile_rules".into(), rules);
    out
}
