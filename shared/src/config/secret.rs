//! Secrets in a configuration: written inline, or named as an environment variable that the VM is
//! given (Envoy: `vm_config.environment_variables`). Never shown, never serialized, wiped when
//! dropped.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Problems, Setup};

/// A secret as written: `"text"`, or `{"env": "NAME"}`.
#[derive(Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "write the secret as text, or {\"env\": \"NAME\"} to read it from the VM's environment"
)]
pub enum Secret {
    /// Inline text.
    Inline(InlineText),
    /// From the environment.
    Environment(FromEnvironment),
}

/// A secret's text; wiped when dropped.
#[derive(Clone)]
pub struct InlineText(Zeroizing<String>);

impl<'de> Deserialize<'de> for InlineText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// The name of an environment variable.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromEnvironment {
    /// Its name.
    pub env: String,
}

/// The bytes of a secret; wiped when dropped.
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes bytes as a secret.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for use in a computation.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, if they are UTF-8.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl Secret {
    /// The secret itself. Adds a problem when it is empty or its environment variable is not set.
    pub fn resolve(
        &self,
        path: &str,
        setup: &Setup<'_>,
        problems: &mut Problems,
    ) -> Option<SecretBytes> {
        let bytes = match self {
            Self::Inline(InlineText(text)) => text.as_bytes().to_vec(),
            Self::Environment(FromEnvironment { env }) => match setup.host.environment(env) {
                Some(value) => value.into_bytes(),
                None => {
                    problems.add(path, format!("the environment variable {env} is not set in the VM"), "name it in environment_variables (host_env_keys or key_values), of vm_config or, natively, of filter_config");
                    return None;
                }
            },
        };
        if bytes.is_empty() {
            problems.add(path, "the secret is empty", "");
            return None;
        }
        Some(SecretBytes::new(bytes))
    }
}

impl Secret {
    /// As [`Secret::resolve`], for a key: it must have so many bytes.
    pub fn resolve_at_least(
        &self,
        bytes: usize,
        path: &str,
        setup: &Setup<'_>,
        problems: &mut Problems,
    ) -> Option<SecretBytes> {
        let key = self.resolve(path, setup, problems)?;
        if key.expose().len() < bytes {
            problems.add(
                path,
                format!("is shorter than {bytes} bytes"),
                "make one with `openssl rand -hex 32`",
            );
            return None;
        }
        Some(key)
    }

    /// As [`Secret::resolve`], for a text: it must be UTF-8.
    pub fn resolve_text(
        &self,
        path: &str,
        setup: &Setup<'_>,
        problems: &mut Problems,
    ) -> Option<Zeroizing<String>> {
        let bytes = self.resolve(path, setup, problems)?;
        let text = bytes.expose_text();
        if text.is_none() {
            problems.add(path, "is not text", "");
        }
        text.map(|text| Zeroizing::new(text.to_owned()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl std::fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretBytes(hidden)")
    }
}

impl schemars::JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A secret: the text itself, or an environment variable of the VM.",
            "oneOf": [
                { "type": "string", "minLength": 1 },
                { "type": "object", "properties": { "env": { "type": "string", "description": "Name of the environment variable." } }, "required": ["env"], "additionalProperties": false }
            ]
        })
    }
}

/// Tools show the defaults of a configuration, which need serializing; a secret is never among
/// them.
impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}
