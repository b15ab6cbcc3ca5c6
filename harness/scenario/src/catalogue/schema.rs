//! JSON Schema of a chain in one entry, made of the schemas of its filters.

use modelgate_kit::config::schema::chain as written_chain;
use modelgate_kit::vm::chain::written::LONGEST;
use serde_json::{Map, Value as Json, json};

use super::Catalogue;

/// What the kit says of a member of the written form.
fn description(written: &Json, pointer: &str) -> Json {
    let member = written.pointer(pointer);
    let text = member.and_then(|member| member.get("description"));
    text.cloned().unwrap_or_default()
}

impl Catalogue {
    /// The schema of a chain's configuration (draft 2020-12). What a filter's schema defines has
    /// the filter's name before its own here.
    pub fn chain_schema(&self) -> Json {
        let written = written_chain();
        let filter = description(&written, "/$defs/Entry/properties/filter");
        let config = description(&written, "/$defs/Entry/properties/config");
        let mut definitions = Map::new();
        let mut alternatives = Vec::new();
        for member in self.filters() {
            let name = member.filter.name;
            let mut schema = (member.filter.schema)();
            move_references(&mut schema, name);
            if let Some(schema) = schema.as_object_mut() {
                schema.remove("$schema");
                if let Some(Json::Object(own)) = schema.remove("$defs") {
                    let named = own.into_iter();
                    definitions.extend(named.map(|(key, value)| (format!("{name}.{key}"), value)));
                }
            }
            definitions.insert(name.to_owned(), schema);
            alternatives.push(json!({
                "type": "object",
                "title": name,
                "properties": {
                    "filter": { "const": name, "description": filter },
                    "config": { "anyOf": [ { "$ref": format!("#/$defs/{name}") }, { "type": "null" } ], "description": config },
                },
                "required": [ "filter" ],
                "additionalProperties": false,
            }));
        }
        let mut schema = of_items(written, &json!({ "oneOf": alternatives }));
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("$defs".into(), Json::Object(definitions));
        }
        schema
    }

    /// The schema of the chain alone, for its table of options: the filters' own are on their
    /// pages.
    pub fn chain_options(&self) -> Json {
        let names: Vec<&str> = self
            .filters()
            .iter()
            .map(|member| member.filter.name)
            .collect();
        let written = written_chain();
        let filter = description(&written, "/$defs/Entry/properties/filter");
        let config = description(&written, "/$defs/Entry/properties/config");
        let items = json!({
            "type": "object",
            "properties": {
                "filter": { "enum": names, "description": filter },
                "config": { "type": "object", "description": config },
            },
            "required": [ "filter" ],
        });
        of_items(written, &items)
    }
}

/// The written form with these items in place of its own.
fn of_items(mut written: Json, items: &Json) -> Json {
    if let Some(root) = written.as_object_mut() {
        root.remove("$defs");
        root.insert("title".into(), "Configuration of chain".into());
        root.insert(
            "description".into(),
            "A chain of filters in one entry of the proxy's, from the module that holds them all."
                .into(),
        );
        root.insert("required".into(), json!(["filters"]));
    }
    let filters = written.pointer_mut("/properties/filters");
    if let Some(filters) = filters.and_then(Json::as_object_mut) {
        filters.remove("default");
        filters.insert("minItems".into(), 1.into());
        filters.insert("maxItems".into(), LONGEST.into());
        filters.insert("items".into(), items.clone());
    }
    written
}

/// Points every reference to the definitions of the filter `name`.
fn move_references(schema: &mut Json, name: &str) {
    match schema {
        Json::Object(members) => {
            for (key, value) in members {
                match value {
                    Json::String(target) if key == "$ref" => {
                        if let Some(own) = target.strip_prefix("#/$defs/") {
                            *target = format!("#/$defs/{name}.{own}");
                        }
                    }
                    value => move_references(value, name),
                }
            }
        }
        Json::Array(items) => items
            .iter_mut()
            .for_each(|item| move_references(item, name)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::SUITE;

    fn references(schema: &Json, into: &mut Vec<String>) {
        match schema {
            Json::Object(members) => {
                into.extend(
                    members
                        .get("$ref")
                        .and_then(Json::as_str)
                        .map(str::to_owned),
                );
                members.values().for_each(|value| references(value, into));
            }
            Json::Array(items) => items.iter().for_each(|item| references(item, into)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_the_definition_of_its_filter() {
        let schema = SUITE.chain_schema();
        let mut found = Vec::new();
        references(&schema, &mut found);
        assert!(found.len() > 20, "{found:?}");
        for target in found {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(schema.pointer(pointer).is_some(), "{target}");
        }
        let own = (SUITE.member("jwt_auth").unwrap().filter.schema)();
        let issuer = own.pointer("/$defs/IssuerConfig/properties/issuer");
        assert!(issuer.is_some());
        assert_eq!(
            schema.pointer("/$defs/jwt_auth.IssuerConfig/properties/issuer"),
            issuer
        );
    }

    #[test]
    fn each_filter_is_an_alternative_with_its_name() {
        let schema = SUITE.chain_schema();
        let alternatives = schema.pointer("/properties/filters/items/oneOf").unwrap();
        let names: Vec<&str> = alternatives
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one.pointer("/properties/filter/const")?.as_str())
            .collect();
        assert_eq!(
            names,
            SUITE
                .filters()
                .iter()
                .map(|member| member.filter.name)
                .collect::<Vec<_>>()
        );
    }
}
