//! What runs: made once of a configuration, asked for each request.

use modelgate_kit::config::Problems;

use crate::config::Config;

/// A compiled configuration.
#[derive(Debug)]
pub struct Plan {
    denied: Vec<String>,
}

impl Plan {
    /// Checks what was written. Every fault is added to `problems`, with its path and what to write instead.
    pub fn compile(config: Config, problems: &mut Problems) -> Option<Self> {
        for (at, method) in config.deny_methods.iter().enumerate() {
            if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
                problems.add(
                    format!("deny_methods[{at}]"),
                    "is not a method",
                    "write it in upper case, such as `TRACE`",
                );
            }
        }
        Some(Self {
            denied: config.deny_methods,
        })
    }

    /// Whether requests with this method are refused. Methods are compared as they are written (RFC 9110 section 9.1).
    pub fn denies(&self, method: &[u8]) -> bool {
        self.denied.iter().any(|denied| denied.as_bytes() == method)
    }
}
