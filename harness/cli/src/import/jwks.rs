//! Keys of an issuer that stand in a source file.

use serde_json::{Value as Json, json};

use super::ledger::{At, Try};

/// A JWK Set as `keys` of an issuer; a shared secret in it goes to the environment.
pub fn keys(at: &At<'_>, text: &str, whose: &str) -> Try<Json> {
    let set: Json = serde_json::from_str(text).map_err(|_| at.obstacle("its keys are not JSON"))?;
    let is_secret = |key: &Json| key.get("kty").and_then(Json::as_str) == Some("oct");
    let members = set.get("keys").and_then(Json::as_array);
    match members.map(Vec::as_slice) {
        Some([only]) if is_secret(only) => Ok(secret(at, only, whose)),
        Some([]) | None => Err(at.obstacle("it is no JWK Set with keys")),
        Some(keys) if !keys.iter().any(is_secret) => Ok(json!({ "jwks": set })),
        Some(_) => Err(at.obstacle(
            "shared secrets among several keys: jwt-auth takes one secret from the environment",
        )),
    }
}

fn secret(at: &At<'_>, key: &Json, whose: &str) -> Json {
    let holds = format!("`k` of the key of {whose}, as it is in its JWK");
    let variable = at
        .ledger()
        .variable(&format!("JWT_SECRET_{whose}"), &holds, at);
    at.changed(
        whose,
        format!(
            "the shared secret is read from the variable {variable}; it is not in the new file"
        ),
    );
    let mut secret = json!({ "value": { "env": variable }, "encoding": "base64url" });
    for (from, to) in [("kid", "kid"), ("alg", "algorithm")] {
        if let Some(value) = key.get(from) {
            crate::gateway::put(&mut secret, to, value.clone());
        }
    }
    json!({ "secret": secret })
}
