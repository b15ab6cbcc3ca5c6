//! JSON Schema of a filter's configuration, from the very types that read it, with the members that
//! every filter has.

use serde_json::{Map, Value, json};

use crate::filter::Filter;

/// The schema of filter `F` (draft 2020-12).
pub fn of<F: Filter>() -> Value {
    let mut schema = schemars::schema_for!(F::Config).to_value();
    let overrides = schema
        .get("properties")
        .cloned()
        .unwrap_or_else(|| Value::Object(Map::new()));
    if let Some(root) = schema.as_object_mut() {
        root.insert(
            "title".into(),
            format!("Configuration of {}", F::NAME).into(),
        );
        root.insert("additionalProperties".into(), Value::Bool(false));
        let properties = root
            .entry("properties")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(properties) = properties.as_object_mut() {
            properties.extend(crate::profile::written::schema_members(overrides));
        }
    }
    join_lines(&mut schema);
    schema
}

/// Has every description be one line for each paragraph: where lines end in the source says
/// nothing to whoever reads the schema.
pub fn join_lines(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "description" => {
                        let paragraphs = text.split("\n\n");
                        let joined = paragraphs.map(|paragraph| paragraph.replace('\n', " "));
                        *text = joined.collect::<Vec<_>>().join("\n\n");
                    }
                    value => join_lines(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(join_lines),
        _ => {}
    }
}

/// The schema of a chain in one entry, as it is written: what stands in `config` is any value here.
pub fn chain() -> Value {
    let mut schema = schemars::schema_for!(crate::vm::chain::written::Chain).to_value();
    join_lines(&mut schema);
    schema
}

/// The schema of what the native form reads besides in its `filter_config`.
#[cfg(all(feature = "dynamic", unix))]
pub fn native() -> Value {
    let mut schema = schemars::schema_for!(crate::dynamic::settings::Written).to_value();
    join_lines(&mut schema);
    schema
}

/// A schema for a set of named values.
pub(crate) fn named(values: Value, description: &str) -> Value {
    json!({ "type": "object", "additionalProperties": values, "description": description })
}
