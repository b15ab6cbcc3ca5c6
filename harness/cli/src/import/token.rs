//! Where tokens stand, as Envoy and Higress say it with the same words.

use serde_json::{Value as Json, json};

use super::ledger::At;

/// Adds the parameters and cookies of a provider or consumer to the headers that it names; the
/// places of RFC 6750 where it names nothing at all.
pub fn add_places(at: &At<'_>, places: &mut Vec<Json>) {
    let parameters = at.texts("from_params");
    places.extend(parameters.iter().map(|name| json!({ "query": name })));
    let cookies = at.texts("from_cookies");
    places.extend(cookies.iter().map(|name| json!({ "cookie": name })));
    if places.is_empty() {
        places.push(json!({ "header": "authorization", "scheme": "Bearer" }));
        places.push(json!({ "query": "access_token" }));
    }
}
