//! A token that endpoints ask for: given, or fetched anew each time from an endpoint that serves
//! the file in which it is replaced (a projected service-account token of Kubernetes). A filter
//! cannot read files; a listener of the same proxy can.

use modelgate_kit::config::SecretBytes;
use zeroize::Zeroizing;

use super::call::{Caller, Endpoint};
use super::fault::Fault;
use modelgate_kit::refresh::Mark;

/// What it is called in faults.
const STEP: &str = "token";

/// A token.
pub enum Token {
    /// From the configuration, or the VM's environment.
    Given(SecretBytes),
    /// From an endpoint.
    Fetched(Endpoint),
}

impl Token {
    /// The token; none where its endpoint answers 404.
    ///
    /// # Errors
    /// Why it could not be had.
    pub async fn get(&self, caller: Caller<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        let bytes = match self {
            Self::Given(token) => Zeroizing::new(token.expose().to_vec()),
            Self::Fetched(endpoint) => {
                let asked = caller.ask(STEP, endpoint, None, "GET", Vec::new(), Vec::new());
                match asked.await? {
                    Some(answer) => Zeroizing::new(answer.body),
                    None => return Ok(None),
                }
            }
        };
        // Files end with a line break.
        let token = bytes.trim_ascii();
        if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
            return Err(Fault::Unreadable(STEP, "token"));
        }
        Ok(Some(Zeroizing::new(token.to_vec())))
    }

    /// Adds it to a mark.
    pub fn mark(&self, mark: Mark) -> Mark {
        match self {
            Self::Given(token) => mark.with(token.expose()),
            Self::Fetched(endpoint) => endpoint.mark(mark),
        }
    }
}
