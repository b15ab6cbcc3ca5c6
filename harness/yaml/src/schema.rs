//! JSON Schema of a type that [`At::parse`](super::read::At::parse) reads, as files are written:
//! an editor that holds a file against it says what the reader would.

use schemars::{JsonSchema, schema_for};
use serde_json::{Value as Json, json};

/// The schema (draft 2020-12).
pub fn of<T: JsonSchema>() -> Json {
    let mut schema = schema_for!(T).to_value();
    as_read(&mut schema);
    schema
}

fn as_read(schema: &mut Json) {
    match schema {
        Json::Object(members) => {
            let is_text = members.get("type") == Some(&json!("string"));
            if is_text && !members.contains_key("enum") && !members.contains_key("const") {
                // A text is any scalar but null, as it is written.
                members.insert("type".into(), json!(["string", "number", "boolean"]));
            }
            if let Some(Json::Object(properties)) = members.get_mut("properties") {
                properties.values_mut().for_each(without_null);
                // A key without a value to have is no key.
                properties.retain(|_, property| property.get("not") != Some(&json!({})));
            }
            members.values_mut().for_each(as_read);
        }
        Json::Array(items) => items.iter_mut().for_each(as_read),
        _ => {}
    }
}

/// What may be left out may not be null.
fn without_null(property: &mut Json) {
    let Some(members) = property.as_object_mut() else {
        return;
    };
    let null = json!({ "type": "null" });
    for name in ["type", "enum", "anyOf"] {
        let Some(Json::Array(alternatives)) = members.get_mut(name) else {
            continue;
        };
        alternatives.retain(|one| !one.is_null() && one != "null" && *one != null);
        let only = match alternatives.as_slice() {
            [only] => only.clone(),
            _ => continue,
        };
        match (name, only) {
            ("type", kind) => drop(members.insert("type".into(), kind)),
            ("anyOf", Json::Object(only)) => {
                members.remove("anyOf");
                members.extend(only);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{Many, Members, Never, True};

    /// A pet.
    #[derive(serde::Deserialize, JsonSchema)]
    #[allow(dead_code, reason = "the schema is all that is looked at")]
    #[serde(deny_unknown_fields)]
    struct Pet {
        /// How it is called.
        name: String,
        nick: Option<String>,
        age: Option<u8>,
        wild: Option<True>,
        /// Where it lives.
        home: Option<Home>,
        #[serde(default)]
        friends: Members<String, Many<Home>>,
        flies: Option<Never>,
    }

    #[derive(serde::Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Home {
        House,
        Barn,
    }

    #[test]
    fn a_schema_says_what_is_read() {
        let schema = of::<Pet>();
        let text = json!(["string", "number", "boolean"]);
        let home = json!({ "$ref": "#/$defs/Home" });
        let want = json!({
            "name": { "type": text, "description": "How it is called." },
            "nick": { "type": text },
            "age": { "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255 },
            "wild": { "enum": [ true ] },
            "home": { "description": "Where it lives.", "$ref": "#/$defs/Home" },
            "friends": {
                "type": "object",
                "additionalProperties": { "anyOf": [ home, { "type": "array", "items": home } ] },
            },
        });
        assert_eq!(schema.get("properties"), Some(&want), "{schema:#}");
        assert_eq!(schema.get("required"), Some(&json!(["name"])));
        let houses = json!({ "type": "string", "enum": [ "house", "barn" ] });
        assert_eq!(schema.pointer("/$defs/Home"), Some(&houses));
    }
}
