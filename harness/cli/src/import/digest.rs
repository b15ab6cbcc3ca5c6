//! Names, and API keys as digests: a key in clear text is read here, and goes no further.

use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

/// A key of key-auth's.
pub fn key(id: &str, secret: &str, consumer: &str, groups: &[String]) -> Json {
    let digest = Sha256::digest(secret.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut key = json!({ "id": id, "digest": format!("sha256:{hex}"), "consumer": consumer });
    if !groups.is_empty() {
        crate::gateway::put(&mut key, "groups", json!(groups));
    }
    key
}

/// Whether key-auth takes a text as a name.
pub fn is_name(text: &str) -> bool {
    modelgate_kit::config::types::ListedName::new(text).is_some()
}

/// A name in lower-case letters, digits and `_`, as profiles and policies take it.
pub fn plain(text: &str, most: usize) -> String {
    let letter = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '_',
    };
    let name: String = text.chars().map(letter).take(most).collect();
    if name.is_empty() {
        "unnamed".to_owned()
    } else {
        name
    }
}
