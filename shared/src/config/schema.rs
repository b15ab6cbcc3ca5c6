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
    schema
}

/// The schema of a chain in one entry, as it is written: what stands in `config` is any value here.
pub fn chain() -> Value {
    schemars::schema_for!(super::chain::Chain).to_value()
}

/// A schema for a set of named values.
pub(crate) fn named(values: Value, description: &str) -> Value {
    json!({ "type": "object", "additionalProperties": values, "description": description })
}
