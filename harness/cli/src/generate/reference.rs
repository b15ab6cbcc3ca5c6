//! The reference of a file format, from its JSON Schema: a table of the members of every form.

use serde_json::{Map, Value as Json};

use super::options::cell;

/// What a text is in a schema: any scalar, as it is written.
const TEXT: [&str; 3] = ["string", "number", "boolean"];

/// The tables, as Markdown with headings of the third level: the file itself, called `root`, and
/// then every form that it names.
pub fn pages(schema: &Json, root: &str) -> String {
    let mut page = String::new();
    section(&mut page, root, schema);
    let definitions = schema.get("$defs").and_then(Json::as_object);
    let mut definitions: Vec<(&String, &Json)> = definitions.into_iter().flatten().collect();
    definitions.sort_by_key(|(name, _)| *name);
    for (name, definition) in definitions {
        section(&mut page, name, definition);
    }
    page
}

fn section(page: &mut String, name: &str, schema: &Json) {
    page.push_str(&format!("\n### {name}\n"));
    if let Some(about) = schema.get("description").and_then(Json::as_str) {
        page.push_str(&format!("\n{about}\n"));
    }
    match schema.get("properties").and_then(Json::as_object) {
        Some(properties) => table(page, schema, properties),
        None => page.push_str(&format!("\n{}.\n", kind(schema))),
    }
}

fn table(page: &mut String, schema: &Json, properties: &Map<String, Json>) {
    let required = schema.get("required").and_then(Json::as_array);
    let required: Vec<&str> = required
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    page.push_str("\n| key | value | |\n|---|---|---|\n");
    for (name, property) in properties {
        let about = property.get("description").and_then(Json::as_str);
        let must = match required.contains(&name.as_str()) {
            true => " (required)",
            false => "",
        };
        page.push_str(&format!(
            "| `{name}`{must} | {} | {} |\n",
            cell(&kind(property)),
            cell(about.unwrap_or_default())
        ));
    }
}

/// Stands between alternatives.
const ALTERNATIVE: &str = ", or ";

/// What the items or values of something are, in words.
fn inner(schema: Option<&Json>) -> String {
    let kind = schema.map(kind).unwrap_or_default();
    match kind.contains(ALTERNATIVE) {
        true => format!("({kind})"),
        false => kind,
    }
}

/// What a value is, in words.
fn kind(schema: &Json) -> String {
    let texts = |values: &[Json]| {
        let words = values.iter().map(|value| match value.as_str() {
            Some(word) => format!("`{word}`"),
            None => format!("`{value}`"),
        });
        let mut words: Vec<String> = words.collect();
        words.sort();
        words.dedup();
        words.join(", ")
    };
    if let Some(name) = schema.get("$ref").and_then(Json::as_str) {
        let name = name.rsplit('/').next().unwrap_or(name);
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(Json::Array(words)) = schema.get("enum") {
        return texts(words);
    }
    if let Some(word) = schema.get("const") {
        return texts(std::slice::from_ref(word));
    }
    let alternatives = ["oneOf", "anyOf"]
        .into_iter()
        .find_map(|key| schema.get(key));
    if let Some(Json::Array(alternatives)) = alternatives {
        let words = alternatives.iter().all(|one| one.get("const").is_some());
        let kinds: Vec<String> = alternatives.iter().map(kind).collect();
        return kinds.join(if words { ", " } else { ALTERNATIVE });
    }
    match schema.get("type") {
        Some(Json::Array(kinds)) if kinds.iter().eq(TEXT.iter()) => "text".to_owned(),
        Some(Json::String(name)) => of_type(schema, name),
        _ => "anything".to_owned(),
    }
}

fn of_type(schema: &Json, name: &str) -> String {
    match name {
        "integer" => match (schema.get("minimum"), schema.get("maximum")) {
            (Some(least), Some(most)) => format!("whole number, {least} to {most}"),
            (Some(least), None) => format!("whole number from {least}"),
            _ => "whole number".to_owned(),
        },
        "boolean" => "`true`, `false`".to_owned(),
        "array" => format!("list of {}", inner(schema.get("items"))),
        "object" => match schema.get("additionalProperties") {
            values @ Some(Json::Object(_)) => format!("mapping to {}", inner(values)),
            _ => "mapping".to_owned(),
        },
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_has_a_table_of_its_keys() {
        let schema = json!({
            "description": "A file.",
            "properties": {
                "about": { "type": TEXT, "description": "What | it is." },
                "steps": { "type": "array", "items": { "anyOf": [ { "$ref": "#/$defs/Step" }, { "type": TEXT } ] } },
                "env": { "type": "object", "additionalProperties": { "type": TEXT } },
            },
            "required": [ "about" ],
            "$defs": {
                "Step": { "properties": { "ms": { "type": "integer", "minimum": 0, "maximum": 9 }, "on": { "const": true } } },
                "Count": { "anyOf": [ { "type": "integer", "minimum": 0 }, { "$ref": "#/$defs/Step" } ], "description": "How many." },
                "Http": { "enum": [ 1, "1", 2 ] },
            },
        });
        let page = pages(&schema, "File");
        let want = "
### File

A file.

| key | value | |
|---|---|---|
| `about` (required) | text | What \\| it is. |
| `steps` | list of ([Step](#step), or text) |  |
| `env` | mapping to text |  |

### Count

How many.

whole number from 0, or [Step](#step).

### Http

`1`, `2`.

### Step

| key | value | |
|---|---|---|
| `ms` | whole number, 0 to 9 |  |
| `on` | `true` |  |
";
        assert_eq!(page, want);
    }
}
