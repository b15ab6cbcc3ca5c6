//! The table of a filter's options, from its JSON Schema: a row for each member, nested ones by
//! their path.

use serde_json::Value;

/// Deepest nesting shown.
const DEEPEST: usize = 6;

/// Members of one object that have the same members themselves, from which on these stand once, as
/// `entities.*.action`.
const MANY: usize = 4;

struct Row {
    path: String,
    kind: String,
    default: String,
    about: String,
}

/// The option table of a schema, as Markdown.
pub fn table(schema: &Value) -> String {
    let mut rows = Vec::new();
    members(schema, schema, "", &mut rows, 0);
    let mut table = String::from("| option | type | default | |\n|---|---|---|---|\n");
    for Row {
        path,
        kind,
        default,
        about,
    } in rows
    {
        table.push_str(&format!("| `{path}` | {kind} | {default} | {about} |\n"));
    }
    table
}

/// Text that fits into a cell.
pub fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

fn members(root: &Value, schema: &Value, path: &str, rows: &mut Vec<Row>, depth: usize) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let alike: Vec<&Value> = properties
        .values()
        .map(|property| describe(root, property).0)
        .filter(|resolved| resolved.get("properties").is_some())
        .collect();
    let is_one_of_many = |schema: &Value| {
        let same = alike.iter().filter(|other| std::ptr::eq(**other, schema));
        same.count() >= MANY
    };
    let mut told: Vec<&Value> = Vec::new();
    for (name, property) in properties {
        // The profiles' members are the filter's own again.
        let whole = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let (resolved, kind) = describe(root, property);
        let about = property
            .get("description")
            .or_else(|| resolved.get("description"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let default = match property.get("default") {
            Some(Value::Null) | None if required.contains(&name.as_str()) => "required".to_owned(),
            // What an object holds by default stands in the rows of its members.
            Some(Value::Null | Value::Object(_)) | None => String::new(),
            Some(value) => format!("`{}`", cell(&value.to_string())),
        };
        rows.push(Row {
            path: whole.clone(),
            kind: cell(&kind),
            default,
            about: cell(about),
        });
        if depth >= DEEPEST || name == "profiles" {
            continue;
        }
        if !is_one_of_many(resolved) {
            nested(root, resolved, &whole, rows, depth);
        } else if !told.iter().any(|known| std::ptr::eq(*known, resolved)) {
            told.push(resolved);
        }
    }
    for schema in told {
        let each = if path.is_empty() {
            "*".to_owned()
        } else {
            format!("{path}.*")
        };
        nested(root, schema, &each, rows, depth);
    }
}

/// Goes on inside objects, elements of arrays, values of maps and alternatives.
fn nested(root: &Value, schema: &Value, path: &str, rows: &mut Vec<Row>, depth: usize) {
    members(root, schema, path, rows, depth.saturating_add(1));
    if let Some(items) = schema.get("items") {
        nested(
            root,
            describe(root, items).0,
            &format!("{path}[]"),
            rows,
            depth.saturating_add(1),
        );
    }
    if let Some(values) = schema
        .get("additionalProperties")
        .filter(|values| values.is_object())
    {
        nested(
            root,
            describe(root, values).0,
            &format!("{path}.NAME"),
            rows,
            depth.saturating_add(1),
        );
    }
    for alternative in ["oneOf", "anyOf"]
        .into_iter()
        .filter_map(|key| schema.get(key)?.as_array())
        .flatten()
    {
        let inner = describe(root, alternative).0;
        if inner.get("properties").is_some() && !is_secret(schema) {
            let first = rows.len();
            members(root, inner, path, rows, depth.saturating_add(1));
            // What stands for itself alone is described as the alternative that it is.
            let about = inner.get("description").and_then(Value::as_str);
            if let (Some(about), 1) = (about, properties_of(inner))
                && let Some(row) = rows.get_mut(first)
            {
                row.about = cell(about);
            }
        }
    }
}

fn properties_of(schema: &Value) -> usize {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.map_or(0, serde_json::Map::len)
}

fn is_secret(schema: &Value) -> bool {
    schema
        .get("description")
        .and_then(Value::as_str)
        .is_some_and(|text| text.starts_with("A secret"))
}

/// The schema that counts, behind references and options, and its type in words.
fn describe<'a>(root: &'a Value, schema: &'a Value) -> (&'a Value, String) {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let pointed = target
            .strip_prefix('#')
            .and_then(|pointer| root.pointer(pointer))
            .unwrap_or(schema);
        return if std::ptr::eq(pointed, schema) {
            (schema, "any".to_owned())
        } else {
            describe(root, pointed)
        };
    }
    if is_secret(schema) {
        return (schema, "secret".to_owned());
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return (
            schema,
            values
                .iter()
                .map(|value| {
                    format!(
                        "`{}`",
                        value
                            .as_str()
                            .map_or_else(|| value.to_string(), str::to_owned)
                    )
                })
                .collect::<Vec<_>>()
                .join(", "),
        );
    }
    if let Some(alternatives) = ["oneOf", "anyOf", "allOf"]
        .into_iter()
        .find_map(|key| schema.get(key)?.as_array())
    {
        let real: Vec<&Value> = alternatives
            .iter()
            .filter(|a| a.get("type").and_then(Value::as_str) != Some("null"))
            .collect();
        if let [only] = real.as_slice() {
            return describe(root, only);
        }
        if real.iter().all(|a| a.get("const").is_some()) {
            return (
                schema,
                real.iter()
                    .filter_map(|a| a.get("const")?.as_str())
                    .map(|c| format!("`{c}`"))
                    .collect::<Vec<_>>()
                    .join(", "),
            );
        }
        let mut kinds: Vec<String> = real.iter().map(|a| describe(root, a).1).collect();
        kinds.dedup();
        return (schema, kinds.join(" or "));
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => word(root, schema, kind),
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .filter(|kind| *kind != "null")
            .map(|kind| word(root, schema, kind))
            .collect::<Vec<_>>()
            .join(" or "),
        _ => match schema.get("const") {
            Some(value) => format!(
                "`{}`",
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            ),
            None => "any".to_owned(),
        },
    };
    (schema, kind)
}

fn word(root: &Value, schema: &Value, kind: &str) -> String {
    match kind {
        "integer" => match (
            schema.get("minimum").and_then(Value::as_u64),
            schema.get("maximum").and_then(Value::as_u64),
        ) {
            (Some(least), Some(most)) => format!("whole number, {least} to {most}"),
            (Some(least), None) => format!("whole number from {least}"),
            _ => "whole number".to_owned(),
        },
        "array" => match schema.get("items") {
            Some(items) => format!("list of {}", describe(root, items).1),
            None => "list".to_owned(),
        },
        "object"
            if schema
                .get("additionalProperties")
                .is_some_and(Value::is_object) =>
        {
            format!(
                "map to {}",
                schema
                    .get("additionalProperties")
                    .map(|values| describe(root, values).1)
                    .unwrap_or_default()
            )
        }
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nested_options_are_listed_by_their_path() {
        let schema = json!({
            "properties": {
                "issuers": { "type": "array", "description": "Who is trusted.", "default": [], "items": { "$ref": "#/$defs/Issuer" } },
                "mode": { "$ref": "#/$defs/Mode", "default": "enforce" },
                "key": { "anyOf": [{ "$ref": "#/$defs/Secret" }, { "type": "null" }], "description": "Key." }
            },
            "$defs": {
                "Issuer": { "type": "object", "required": ["url"], "properties": { "url": { "type": "string", "description": "Its | name." } } },
                "Mode": { "oneOf": [{ "const": "enforce" }, { "const": "shadow" }] },
                "Secret": { "description": "A secret: …", "oneOf": [{ "type": "string" }, { "type": "object", "properties": { "env": { "type": "string" } } }] }
            }
        });
        let table = table(&schema);
        for row in [
            "| `issuers` | list of object | `[]` | Who is trusted. |",
            "| `issuers[].url` | string | required | Its \\| name. |",
            "| `mode` | `enforce`, `shadow` | `\"enforce\"` |  |",
            "| `key` | secret |  | Key. |",
        ] {
            assert!(table.contains(row), "{row} is not in\n{table}");
        }
        assert!(!table.contains("`key.env`"));
    }

    #[test]
    fn what_many_members_have_stands_once() {
        let rule = json!({ "$ref": "#/$defs/Rule" });
        let schema = json!({
            "properties": { "entities": { "properties": { "a": rule, "b": rule, "c": rule, "d": rule } } },
            "$defs": { "Rule": { "properties": { "action": { "type": "string" } } } }
        });
        let table = table(&schema);
        assert!(table.contains("| `entities.d` |"), "{table}");
        assert_eq!(table.matches(".action` |").count(), 1, "{table}");
        assert!(
            table.contains("| `entities.*.action` | string |"),
            "{table}"
        );
    }
}
