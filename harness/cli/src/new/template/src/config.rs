//! What the operator writes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of `example-filter`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Methods of requests that are refused, in upper case.
    pub deny_methods: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            deny_methods: ["CONNECT", "TRACE"].map(str::to_owned).to_vec(),
        }
    }
}
