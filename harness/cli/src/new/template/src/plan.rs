//! What runs: made once of a configuration, asked for each request.

use modelgate_kit::config::Problems;
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::problem::Reply;

use crate::config::Config;
use crate::reasons::METHOD_DENIED;

/// A compiled configuration.
#[derive(Debug)]
pub struct Plan {
    denied: Vec<String>,
}

impl Plan {
    /// Checks what was written. Every fault is added to `problems`, with its path and what to write
    /// instead.
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

    /// Lets a request pass, or refuses it. Methods are compared as they are written (RFC 9110
    /// section 9.1).
    pub fn judge(&self, request: &HeaderBlock) -> Result<(), Reply> {
        let is = |method: &[u8]| self.denied.iter().any(|denied| denied.as_bytes() == method);
        match request.first(":method") {
            Some(method) if !is(method) => Ok(()),
            // A request without a method is none that can be judged.
            _ => Err(Reply::new(&METHOD_DENIED)),
        }
    }
}
