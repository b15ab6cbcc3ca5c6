//! What Kong 3.9 reads beside a filter's module: `NAME.meta.json`, with a schema for the
//! configuration and patterns that take labels out of metric names.
//!
//! Kong's validator (lua-resty-ljsonschema) knows JSON Schema draft 4. What it does not know it
//! ignores, or it fails to make a validator at all, so a schema of ours (draft 2020-12) is
//! rewritten: `const` as an `enum` of one, schemas that are `true` or `false` as mappings, `$defs`
//! as `definitions`. Kong's Lua knows one empty table only: an empty list may arrive as `{}`, which
//! is therefore allowed where a list may be empty, and alternatives are `anyOf`, because an empty
//! table fits a list and a mapping at once.
//!
//! Kong's Prometheus plugin cuts a metric's name where the first label begins, and keeps dots: so
//! the filter's own name and the metric's are labels as well as the tags.

use modelgate_kit::metrics;
use modelgate_scenario::catalogue::Member;
use serde_json::{Map, Value as Json, json};

/// The dialect that Kong checks schemas against.
const DRAFT_4: &str = "http://json-schema.org/draft-04/schema#";

/// Keywords whose value is a schema, or for some of them a list of schemas or a flag.
const OF_A_SCHEMA: [&str; 7] = [
    "items",
    "additionalProperties",
    "not",
    "allOf",
    "anyOf",
    "oneOf",
    "propertyNames",
];

/// Keywords whose value maps names to schemas.
const OF_SCHEMAS: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];

/// The content of a filter's `NAME.meta.json`.
pub fn meta(member: &Member) -> Json {
    let mut schema = draft_4(&(member.filter.schema)());
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("$schema".into(), DRAFT_4.into());
    }
    json!({
        "config_schema": schema,
        "metrics": { "label_patterns": label_patterns(member) },
    })
}

/// A schema of ours as one of draft 4 that takes what Lua makes of a configuration.
pub fn draft_4(schema: &Json) -> Json {
    let members = match schema {
        Json::Bool(true) => return json!({}),
        Json::Bool(false) => return json!({ "not": {} }),
        Json::Object(members) => members,
        other => return other.clone(),
    };
    let mut made = Map::new();
    for (key, value) in members {
        let (key, value) = match key.as_str() {
            "const" => ("enum", json!([value])),
            "oneOf" => ("anyOf", each(value)),
            "$defs" => ("definitions", named(value)),
            "$ref" => {
                let place = value.as_str().unwrap_or_default();
                ("$ref", place.replace("#/$defs/", "#/definitions/").into())
            }
            // A flag in draft 4 too.
            "additionalProperties" if value.is_boolean() => (key.as_str(), value.clone()),
            name if OF_SCHEMAS.contains(&name) => (name, named(value)),
            name if OF_A_SCHEMA.contains(&name) => (name, each(value)),
            name => (name, value.clone()),
        };
        made.insert(key.to_owned(), value);
    }
    may_be_empty(&mut made);
    Json::Object(made)
}

fn each(value: &Json) -> Json {
    match value {
        Json::Array(schemas) => schemas.iter().map(draft_4).collect(),
        schema => draft_4(schema),
    }
}

fn named(value: &Json) -> Json {
    let members = value.as_object().into_iter().flatten();
    members
        .map(|(name, schema)| (name.clone(), draft_4(schema)))
        .collect::<Map<String, Json>>()
        .into()
}

/// Allows the empty mapping where an empty list is allowed.
fn may_be_empty(schema: &mut Map<String, Json>) {
    let types: Vec<Json> = match schema.get("type") {
        Some(Json::Array(types)) => types.clone(),
        Some(one) => vec![one.clone()],
        None => return,
    };
    let is = |name: &str| types.iter().any(|kind| kind == name);
    let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(0);
    if !is("array") || is("object") || least > 0 {
        return;
    }
    let types: Vec<Json> = types.into_iter().chain(["object".into()]).collect();
    schema.insert("type".into(), types.into());
    schema.insert("maxProperties".into(), 0.into());
}

/// Regular expressions (PCRE) with two groups: what is cut out of a metric's name, which must be
/// the end of the match, and the label's value.
fn label_patterns(member: &Member) -> Vec<Json> {
    let pattern = |label: &str, pattern: String| json!({ "label": label, "pattern": pattern });
    let mut patterns = vec![
        pattern("filter", r"^pw:\w+:modelgate(\.([a-z0-9_]+))".to_owned()),
        pattern("metric", r"(\.([a-z0-9_]+))$".to_owned()),
    ];
    let tags = metrics::TAGS.iter().chain(member.filter.tags);
    patterns.extend(tags.map(|tag| pattern(tag, format!(r"(\.{tag}_([a-z0-9_]+))"))));
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SUITE;
    use regex::Regex;

    #[test]
    fn what_draft_4_does_not_know_is_written_in_its_words() {
        let made = draft_4(&json!({
            "type": "object",
            "properties": {
                "const": { "const": "a" },
                "any": { "type": "array", "items": true },
                "none": { "type": "array", "items": false, "minItems": 1 },
                "one": { "oneOf": [ { "const": 1 }, { "$ref": "#/$defs/X" } ] },
            },
            "additionalProperties": false,
            "$defs": { "X": { "type": [ "array", "null" ], "items": { "const": null } } },
        }));
        let want = json!({
            "type": "object",
            "properties": {
                "const": { "enum": [ "a" ] },
                "any": { "type": [ "array", "object" ], "items": {}, "maxProperties": 0 },
                "none": { "type": "array", "items": { "not": {} }, "minItems": 1 },
                "one": { "anyOf": [ { "enum": [ 1 ] }, { "$ref": "#/definitions/X" } ] },
            },
            "additionalProperties": false,
            "definitions": {
                "X": { "type": [ "array", "null", "object" ], "items": { "enum": [ null ] }, "maxProperties": 0 },
            },
        });
        assert_eq!(made, want);
    }

    /// What Kong's Prometheus plugin makes of a metric: its name, and its labels.
    fn exported(name: &str, member: &Member) -> (String, Vec<(String, String)>) {
        let key = format!("pw:{}:{name}", member.filter.name);
        let mut labels = Vec::new();
        let mut end = key.len();
        for pattern in label_patterns(member) {
            let text = |member: &str| pattern[member].as_str().unwrap();
            let Some(found) = Regex::new(text("pattern")).unwrap().captures(&key) else {
                continue;
            };
            // The group is the end of the match: Kong reckons its place from there.
            assert_eq!(
                found.get(0).unwrap().end(),
                found[1].len() + found.get(1).unwrap().start()
            );
            end = end.min(found.get(1).unwrap().start());
            labels.push((text("label").to_owned(), found[2].to_owned()));
        }
        (key[..end].replace(':', "_"), labels)
    }

    #[test]
    fn a_metric_is_a_family_with_its_parts_as_labels() {
        let member = SUITE.member("jwt_auth").unwrap();
        let (name, labels) = exported("modelgate.jwt_auth.reason_token_expired.denied", &member);
        assert_eq!(name, "pw_jwt_auth_modelgate");
        let labels: Vec<(&str, &str)> = labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            labels,
            [
                ("filter", "jwt_auth"),
                ("metric", "denied"),
                ("reason", "token_expired")
            ]
        );
    }

    #[test]
    fn no_two_metrics_of_the_scenarios_are_one_to_prometheus_and_every_name_is_valid() {
        let names = super::super::tests::metric_names();
        let mut seen = std::collections::BTreeMap::new();
        for name in names {
            let filter = name.split('.').nth(1).unwrap();
            let member = SUITE.member(filter).unwrap();
            let series = exported(&name, &member);
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            assert!(series.0.chars().all(plain), "{name}: {series:?}");
            if let Some(other) = seen.insert(series, name.clone()) {
                panic!("{name} and {other} are one");
            }
        }
        assert!(seen.len() > 100);
    }
}
