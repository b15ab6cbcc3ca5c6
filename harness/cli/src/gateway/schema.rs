//! The JSON Schema of the gateway file: that of its own types, and in it the filters' schemas.

use located_yaml::schema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json, json};

use crate::SUITE;

/// A member of a filter's settings.
fn member(filter: &str, member: &str) -> Schema {
    json_schema!({ "$ref": format!("#/$defs/{filter}/properties/{member}") })
}

pub(super) fn issuers(_: &mut SchemaGenerator) -> Schema {
    member("jwt_auth", "issuers")
}

pub(super) fn keys(_: &mut SchemaGenerator) -> Schema {
    member("key_auth", "keys")
}

pub(super) fn rules(_: &mut SchemaGenerator) -> Schema {
    member("consumer_acl", "rules")
}

pub(super) fn limits(_: &mut SchemaGenerator) -> Schema {
    member("rate_limit", "policies")
}

pub(super) fn models(_: &mut SchemaGenerator) -> Schema {
    member("model_route", "models")
}

pub(super) fn masking(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "$ref": "#/$defs/pii_mask" })
}

/// A variable of the proxy's environment, or what upstream-auth takes.
pub(super) fn credential(_: &mut SchemaGenerator) -> Schema {
    let variable = json!({
        "type": "object",
        "additionalProperties": false,
        "required": [ "env" ],
        "properties": { "env": {
            "type": "string",
            "description": "The variable of the proxy's environment that holds the key. In Kubernetes it is the key of that name in the Secret that is called as the gateway.",
        } },
    });
    let source = json!({ "$ref": "#/$defs/upstream_auth.CredentialConfig" });
    json_schema!({ "anyOf": [ variable, source ] })
}

pub(super) fn resource(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "$ref": "#/$defs/audit_log.Sink/properties/resource" })
}

pub(super) fn settings(_: &mut SchemaGenerator) -> Schema {
    let filters = SUITE.filters().iter().map(|member| {
        let settings = json!({ "$ref": format!("#/$defs/{}", member.filter.name) });
        (member.krate.to_owned(), settings)
    });
    let filters: Map<String, Json> = filters.collect();
    json_schema!({ "type": "object", "additionalProperties": false, "properties": filters })
}

/// The schema (draft 2020-12) of a file of this type.
pub fn of<T: JsonSchema>() -> Json {
    let mut file = schema::of::<T>();
    let mut definitions = Map::new();
    for member in SUITE.filters() {
        let name = member.filter.name;
        let mut settings = (member.filter.schema)();
        prefix(&mut settings, name);
        let Some(members) = settings.as_object_mut() else {
            continue;
        };
        members.remove("$schema");
        if let Some(Json::Object(own)) = members.remove("$defs") {
            let own = own.into_iter();
            definitions.extend(own.map(|(key, schema)| (format!("{name}.{key}"), schema)));
        }
        definitions.insert(name.to_owned(), settings);
    }
    // Which cluster is called follows from the URL, or from what is asked.
    for name in [
        "jwt_auth.Discovery",
        "jwt_auth.Fetch",
        "upstream_auth.Endpoint",
        "upstream_auth.Entra",
        "upstream_auth.EntraOnBehalfOf",
        "upstream_auth.GoogleMetadata",
        "upstream_auth.GoogleServiceAccount",
        "upstream_auth.ManagedIdentity",
        "aws_sigv4.WrittenContainer",
        "aws_sigv4.WrittenInstance",
        "aws_sigv4.WrittenRole",
        "aws_sigv4.WrittenSecret",
        "aws_sigv4.WrittenTokenPlace",
        "aws_sigv4.WrittenWebIdentity",
    ] {
        let required = definitions
            .get_mut(name)
            .and_then(|one| one.get_mut("required"));
        if let Some(Json::Array(required)) = required {
            required.retain(|member| member != "cluster");
        }
    }
    if let Some(Json::Object(own)) = file.get_mut("$defs") {
        own.extend(definitions);
    }
    file
}

/// Gives the definitions that a filter's schema refers to the names that they have here.
fn prefix(schema: &mut Json, filter: &str) {
    match schema {
        Json::Object(members) => {
            if let Some(Json::String(target)) = members.get_mut("$ref") {
                *target = target.replacen("#/$defs/", &format!("#/$defs/{filter}."), 1);
            }
            members.values_mut().for_each(|value| prefix(value, filter));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| prefix(item, filter)),
        _ => {}
    }
}
