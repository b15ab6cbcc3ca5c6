//! JSON Schema of a filter's configuration, from the very types that read it, with the members that
//! every filter has.

use serde_json::{Map, Value, json};

use crate::filter::Filter;

/// The schema of filter `F` (draft 2020-12).
pub fn of<F: Filter>() -> Value {
    let mut schema = schemars::schema_for!(F::Config).to_value();
    let overrides = overrides(&mut schema);
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

/// The properties of the base as a profile may have them: it is merged into the base (RFC 7396), so
/// an object in it needs to say only what differs.
fn overrides(schema: &mut Value) -> Value {
    let member = |name: &str| match schema.get(name) {
        Some(Value::Object(members)) => members.clone(),
        _ => Map::new(),
    };
    let mut partial = Partial {
        whole: member("$defs"),
        made: Map::new(),
    };
    let properties = member("properties").into_iter();
    let properties = properties.map(|(name, property)| (name, or_null(partial.of(property))));
    let properties = Value::Object(properties.collect());
    if let Some(Value::Object(definitions)) = schema.get_mut("$defs") {
        definitions.extend(partial.made);
    }
    properties
}

/// Schemas of parts of objects, made from those of the whole.
struct Partial {
    whole: Map<String, Value>,
    made: Map<String, Value>,
}

impl Partial {
    /// The schema without `required`, wherever a merge goes on: not in items of a list, which is
    /// replaced as a whole.
    fn of(&mut self, schema: Value) -> Value {
        let Value::Object(mut members) = schema else {
            return schema;
        };
        members.remove("required");
        let one_of = members.get("oneOf").cloned();
        if let Some(Value::String(to)) = members.get_mut("$ref")
            && let Some(name) = to.strip_prefix("#/$defs/").map(str::to_owned)
        {
            *to = format!("#/$defs/{}", self.named(&name));
        }
        for (name, value) in &mut members {
            match (name.as_str(), value) {
                ("properties", Value::Object(inner)) => {
                    inner
                        .values_mut()
                        .for_each(|value| *value = or_null(self.of(value.take())));
                }
                ("anyOf" | "oneOf" | "allOf", Value::Array(inner)) => {
                    inner
                        .iter_mut()
                        .for_each(|value| *value = self.of(value.take()));
                }
                ("additionalProperties", value) => *value = self.of(value.take()),
                _ => {}
            }
        }
        // Parts of several may look alike.
        if members.get("oneOf") != one_of.as_ref()
            && let Some(parts) = members.remove("oneOf")
        {
            members.insert("anyOf".into(), parts);
        }
        Value::Object(members)
    }

    /// The definition of the parts of what this one defines: itself, where it is no object.
    fn named(&mut self, name: &str) -> String {
        let partial = format!("{name}Partial");
        if !self.made.contains_key(&partial) {
            // Before it is made: it may refer to itself.
            self.made.insert(partial.clone(), Value::Null);
            let whole = self.whole.get(name).cloned().unwrap_or_default();
            let made = self.of(whole.clone());
            if made == whole {
                self.made.remove(&partial);
                return name.to_owned();
            }
            self.made.insert(partial.clone(), made);
        }
        partial
    }
}

/// A null takes the base's member away.
fn or_null(mut schema: Value) -> Value {
    let null = || json!({ "type": "null" });
    let Value::Object(members) = &mut schema else {
        return schema;
    };
    if let Some(to) = members.remove("$ref") {
        members.insert("anyOf".into(), json!([{ "$ref": to }, { "type": "null" }]));
        return schema;
    }
    match members.get_mut("type") {
        Some(Value::Array(types)) if !types.contains(&"null".into()) => types.push("null".into()),
        Some(kind @ Value::String(_)) if *kind != "null" => *kind = json!([kind.take(), "null"]),
        _ => {}
    }
    if let Some(Value::Array(any_of)) = members.get_mut("anyOf")
        && !any_of.contains(&null())
    {
        any_of.push(null());
    }
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
