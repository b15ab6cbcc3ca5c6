//! Pieces of Envoy's configuration.

use serde_json::{Map, Value as Json, json};

const PREFIX: &str = "type.googleapis.com/";

/// A message of this type.
pub(crate) fn typed(name: &str, members: Json) -> Json {
    let mut typed = Map::new();
    typed.insert("@type".into(), format!("{PREFIX}{name}").into());
    if let Json::Object(members) = members {
        typed.extend(members);
    }
    typed.into()
}

/// Puts a member into an object.
pub(crate) fn put(to: &mut Json, name: &str, value: impl Into<Json>) {
    if let Json::Object(members) = to {
        members.insert(name.to_owned(), value.into());
    }
}

/// A duration.
pub(super) fn seconds(seconds: u32) -> String {
    format!("{seconds}s")
}

/// What ends every chain.
pub(crate) fn router() -> Json {
    json!({
        "name": "envoy.filters.http.router",
        "typed_config": typed("envoy.extensions.filters.http.router.v3.Router", json!({})),
    })
}
